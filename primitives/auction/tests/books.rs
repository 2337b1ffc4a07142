//! Random books against the reference auction, and edge cases by name.

mod reference;

use m2m_auction::{Book, Clearing, Ration, Side, Step, TickPage, TickVolume, VolumeFault, clear};
use proptest::prelude::*;
use reference::{Order, auction};

const CASES: u32 = 12_000;

fn step(order: &Order) -> Step {
	Step {
		limit: order.limit,
		wh: order.wh,
	}
}

/// The book of these orders, and the orders that it took: 64 bits of Wh a tick are not exceeded.
fn book(orders: &[Order]) -> (Book, Vec<Order>) {
	let mut book = Book::default();
	let mut taken = orders.to_vec();
	taken.retain(|order| order.wh > 0 && book.add(order.side, &step(order)).is_ok());
	(book, taken)
}

fn orders_of(limits: std::ops::Range<u16>, wh: impl Strategy<Value = u64>) -> impl Strategy<Value = Order> {
	(any::<bool>(), limits, wh).prop_map(|(buys, limit, wh)| Order {
		side: if buys { Side::Bid } else { Side::Ask },
		limit: limit as u8,
		wh,
	})
}

/// Volumes up to the limits of the type.
fn huge() -> impl Strategy<Value = u64> {
	prop_oneof![
		Just(1),
		Just(u64::MAX),
		Just(u64::MAX / 2),
		Just(1 << 63),
		any::<u64>()
	]
}

/// Number of ticks and orders: crowded books with many ties, ordinary ones, huge ones.
fn books() -> impl Strategy<Value = (u16, Vec<Order>)> {
	prop_oneof![
		4 => (1u16..=6).prop_flat_map(|ticks| {
			(Just(ticks), prop::collection::vec(orders_of(0..ticks, 0u64..=4), 0..14))
		}),
		3 => (1u16..=256).prop_flat_map(|ticks| {
			(Just(ticks), prop::collection::vec(orders_of(0..ticks, 1u64..=5_000), 0..40))
		}),
		2 => (1u16..=5).prop_flat_map(|ticks| {
			(Just(ticks), prop::collection::vec(orders_of(0..ticks, huge()), 0..12))
		}),
		1 => prop::collection::vec(orders_of(0..256, huge()), 0..20).prop_map(|orders| (256, orders)),
	]
}

/// Price, volume and every fill are those of the reference.
fn same_as_reference(ticks: u16, orders: &[Order]) -> Result<Option<Clearing>, TestCaseError> {
	let (book, orders) = book(orders);
	let (cleared, expected) = (clear(&book), auction(&orders, ticks));
	let (Some(cleared), Some(expected)) = (cleared, &expected) else {
		prop_assert!(
			cleared.is_none() && expected.is_none(),
			"{cleared:?} {expected:?}"
		);
		return Ok(None);
	};
	prop_assert_eq!(cleared.tick, expected.price);
	prop_assert_eq!(cleared.volume_wh, expected.volume_wh);
	prop_assert_eq!(cleared.ration.map(|ration| ration.side), expected.longer);
	for (at, order) in orders.iter().enumerate() {
		prop_assert_eq!(
			cleared.fill(order.side, &step(order)),
			expected.fill(&orders, at),
			"{:?} of {:?}",
			order,
			orders
		);
		if let Some(ration) = cleared
			.ration
			.filter(|r| (r.side, cleared.tick) == (order.side, order.limit))
		{
			// The share is the exact fraction, not only when rounded to the fill.
			let share = &expected.shares[at];
			prop_assert_eq!(&share.over * ration.offered, &share.under * ration.filled);
			prop_assert!(ration.filled < ration.offered);
		}
	}
	let count = |side, at_price: bool| {
		let mine = orders.iter().filter(|order| order.side == side);
		mine.filter(|order| match (at_price, side) {
			(true, _) => order.limit == cleared.tick,
			(false, Side::Bid) => order.limit >= cleared.tick,
			(false, Side::Ask) => order.limit <= cleared.tick,
		})
		.count() as u64
	};
	prop_assert_eq!(cleared.bids, count(Side::Bid, false));
	prop_assert_eq!(cleared.asks, count(Side::Ask, false));
	if let Some(ration) = cleared.ration {
		prop_assert_eq!(u64::from(ration.orders), count(ration.side, true));
	}
	Ok(Some(cleared))
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(CASES))]

	#[test]
	fn price_volume_and_every_fill_are_those_of_the_reference((ticks, orders) in books()) {
		same_as_reference(ticks, &orders)?;
	}

	#[test]
	fn no_fill_is_outside_the_limit_or_above_the_order((_, orders) in books()) {
		let (book, orders) = book(&orders);
		if let Some(cleared) = clear(&book) {
			for order in &orders {
				let fill = cleared.fill(order.side, &step(order));
				prop_assert!(fill <= u128::from(order.wh) * 1_000);
				let inside = match order.side {
					Side::Bid => cleared.tick <= order.limit,
					Side::Ask => cleared.tick >= order.limit,
				};
				prop_assert!(inside || fill == 0);
			}
		}
	}

	#[test]
	fn energy_is_conserved_but_for_less_than_a_milliwatt_hour_a_rationed_order((_, orders) in books()) {
		let (book, orders) = book(&orders);
		if let Some(cleared) = clear(&book) {
			let total = |side| -> u128 {
				orders
					.iter()
					.filter(|order| order.side == side)
					.map(|order| cleared.fill(side, &step(order)))
					.sum()
			};
			let (bought, sold, exact) = (total(Side::Bid), total(Side::Ask), cleared.volume_wh * 1_000);
			let rounding = match cleared.ration {
				None => {
					prop_assert_eq!((bought, sold), (exact, exact));
					return Ok(());
				}
				Some(Ration { side: Side::Bid, orders, .. }) => {
					prop_assert_eq!(sold, exact);
					(bought - exact, orders)
				}
				Some(Ration { side: Side::Ask, orders, .. }) => {
					prop_assert_eq!(bought, exact);
					(exact - sold, orders)
				}
			};
			prop_assert!(rounding.0 < u128::from(rounding.1));
		}
	}

	#[test]
	fn the_order_of_reports_is_irrelevant(
		(orders, shuffled) in books()
			.prop_map(|(_, orders)| book(&orders).1)
			.prop_flat_map(|orders| (Just(orders.clone()), Just(orders).prop_shuffle())),
	) {
		prop_assert_eq!(book(&orders).0, book(&shuffled).0);
	}

	#[test]
	fn what_was_added_and_taken_back_leaves_no_trace(
		(stay, go) in (books(), books()).prop_map(|((_, a), (_, b))| (a, b)),
		pick: prop::sample::Index,
	) {
		let (mut changed, stay) = book(&stay);
		let before = changed.clone();
		let mut go = go;
		go.retain(|order| changed.add(order.side, &step(order)).is_ok());
		// In another order than they came.
		let turn = if go.is_empty() { 0 } else { pick.index(go.len()) };
		for order in go[turn..].iter().chain(&go[..turn]) {
			prop_assert_eq!(changed.remove(order.side, &step(order)), Ok(()));
		}
		prop_assert_eq!(&changed, &before);
		for order in &stay {
			prop_assert_eq!(changed.remove(order.side, &step(order)), Ok(()));
		}
		prop_assert_eq!(&changed, &Book::default());
		prop_assert!(changed.bids.iter().chain(&changed.asks).all(TickPage::is_empty));
	}
}

fn bid(limit: u8, wh: u64) -> Order {
	Order {
		side: Side::Bid,
		limit,
		wh,
	}
}

fn ask(limit: u8, wh: u64) -> Order {
	Order {
		side: Side::Ask,
		limit,
		wh,
	}
}

/// Clears the orders, having checked them against the reference.
fn cleared(orders: &[Order]) -> Option<Clearing> {
	same_as_reference(256, orders).unwrap()
}

fn ration(side: Side, filled: u64, offered: u64, orders: u32) -> Option<Ration> {
	Some(Ration {
		side,
		filled,
		offered,
		orders,
	})
}

#[test]
fn an_empty_book_trades_nothing() {
	assert_eq!(cleared(&[]), None);
}

#[test]
fn a_one_sided_book_trades_nothing() {
	assert_eq!(cleared(&[bid(255, 1_000), bid(0, 1)]), None);
	assert_eq!(cleared(&[ask(0, 1_000), ask(255, u64::MAX)]), None);
}

#[test]
fn limits_that_do_not_meet_trade_nothing() {
	assert_eq!(cleared(&[bid(9, 1_000), ask(10, 1_000)]), None);
}

#[test]
fn a_book_of_one_tick_trades_the_shorter_side() {
	for tick in [0, 7, 255] {
		let expected = Clearing {
			tick,
			volume_wh: 30,
			ration: ration(Side::Ask, 30, 50, 2),
			bids: 1,
			asks: 2,
		};
		assert_eq!(
			cleared(&[bid(tick, 30), ask(tick, 40), ask(tick, 10)]),
			Some(expected)
		);
	}
}

#[test]
fn equal_sides_take_the_middle_price_rounded_down() {
	for (low, high, middle) in [(3, 3, 3), (3, 4, 3), (3, 5, 4), (0, 255, 127)] {
		let result = cleared(&[bid(high, 100), ask(low, 100)]).unwrap();
		assert_eq!(
			(result.tick, result.volume_wh, result.ration),
			(middle, 100, None)
		);
	}
}

#[test]
fn too_much_demand_takes_the_highest_price_and_too_much_supply_the_lowest() {
	let short = cleared(&[bid(9, 101), ask(3, 100)]).unwrap();
	assert_eq!((short.tick, short.ration), (9, ration(Side::Bid, 100, 101, 1)));
	let long = cleared(&[bid(9, 100), ask(3, 101)]).unwrap();
	assert_eq!((long.tick, long.ration), (3, ration(Side::Ask, 100, 101, 1)));
}

#[test]
fn equally_large_excesses_of_both_kinds_take_the_highest_price_with_too_much_demand() {
	// Excess +5 at 2 and 3, -5 at 4 and 5, and 10 Wh trade at each.
	let result = cleared(&[bid(3, 5), bid(5, 10), ask(2, 10), ask(4, 5)]).unwrap();
	assert_eq!(result.tick, 3);
	// Nothing is left for the bid at the price, and it knows.
	assert_eq!(result.ration, ration(Side::Bid, 0, 5, 1));
	assert_eq!(result.fill(Side::Bid, &Step { limit: 3, wh: 5 }), 0);
}

#[test]
fn the_smaller_excess_wins_among_equal_volumes() {
	// 10 Wh trade at 2 to 5: 5 Wh too much demand at 2 and 3, 2 Wh too much supply at 4 and 5.
	let result = cleared(&[bid(5, 10), bid(3, 5), ask(2, 10), ask(4, 2)]).unwrap();
	assert_eq!((result.tick, result.ration), (4, ration(Side::Ask, 0, 2, 1)));
}

#[test]
fn orders_that_are_all_equal_share_alike() {
	let bids = [bid(20, 7); 3];
	let result = cleared(&[&bids[..], &[ask(20, 10)]].concat()).unwrap();
	assert_eq!(result.ration, ration(Side::Bid, 10, 21, 3));
	// 10/3 Wh each, rounded up: 2 mWh more than there are in all.
	assert_eq!(result.fill(Side::Bid, &step(&bids[0])), 3_334);

	let asks = [ask(20, 7); 3];
	let result = cleared(&[&asks[..], &[bid(20, 10)]].concat()).unwrap();
	assert_eq!(result.ration, ration(Side::Ask, 10, 21, 3));
	assert_eq!(result.fill(Side::Ask, &step(&asks[0])), 3_333);
}

#[test]
fn a_share_below_a_milliwatt_hour_is_one_for_a_bid_and_nothing_for_an_ask() {
	let result = cleared(&[bid(1, 1), bid(1, 2_000_000), ask(1, 1)]).unwrap();
	assert_eq!(result.fill(Side::Bid, &Step { limit: 1, wh: 1 }), 1);
	let result = cleared(&[ask(1, 1), ask(1, 2_000_000), bid(1, 1)]).unwrap();
	assert_eq!(result.fill(Side::Ask, &Step { limit: 1, wh: 1 }), 0);
}

#[test]
fn the_largest_volumes_at_every_tick_are_exact() {
	// 256 ticks with the most that a tick can hold on both sides: D(t) = (256 - t) max, S(t) = (t + 1) max.
	let orders: Vec<Order> = (0..=255)
		.flat_map(|tick| [bid(tick, u64::MAX), ask(tick, u64::MAX)])
		.collect();
	let result = cleared(&orders).unwrap();
	assert_eq!((result.tick, result.volume_wh), (127, 128 * u128::from(u64::MAX)));
	assert_eq!(result.ration, ration(Side::Bid, 0, u64::MAX, 1));
	let full = result.fill(
		Side::Ask,
		&Step {
			limit: 127,
			wh: u64::MAX,
		},
	);
	assert_eq!(full, u128::from(u64::MAX) * 1_000);
}

#[test]
fn shares_of_the_largest_order_are_exact() {
	let result = cleared(&[bid(4, u64::MAX), ask(4, u64::MAX - 1)]).unwrap();
	assert_eq!(result.ration, ration(Side::Bid, u64::MAX - 1, u64::MAX, 1));
	let largest = Step {
		limit: 4,
		wh: u64::MAX,
	};
	assert_eq!(result.fill(Side::Bid, &largest), u128::from(u64::MAX - 1) * 1_000);
}

#[test]
fn a_tick_holds_64_bits_of_energy_and_not_more() {
	let mut book = Book::default();
	let most = Step {
		limit: 30,
		wh: u64::MAX,
	};
	assert_eq!(book.add(Side::Ask, &most), Ok(()));
	let before = book.clone();
	assert_eq!(
		book.add(Side::Ask, &Step { limit: 30, wh: 1 }),
		Err(VolumeFault::Overflow)
	);
	assert_eq!(book, before);
	assert_eq!(book.add(Side::Bid, &most), Ok(()));
}

#[test]
fn a_tick_counts_32_bits_of_orders_and_not_more() {
	let mut page = TickPage::default();
	page.0[3] = TickVolume {
		wh: u64::from(u32::MAX),
		orders: u32::MAX,
	};
	let before = page;
	assert_eq!(page.add(&Step { limit: 19, wh: 1 }), Err(VolumeFault::Overflow));
	assert_eq!(page, before);
}

#[test]
fn what_was_not_added_cannot_be_taken_back() {
	let mut book = Book::default();
	book.add(Side::Bid, &Step { limit: 40, wh: 7 }).unwrap();
	book.add(Side::Bid, &Step { limit: 40, wh: 5 }).unwrap();
	let before = book.clone();
	for (side, limit, wh, why) in [
		(Side::Ask, 40, 7, "other side"),
		(Side::Bid, 41, 7, "other tick"),
		(Side::Bid, 40, 13, "more than there is"),
		(Side::Bid, 40, 12, "one order with the energy of two"),
	] {
		assert_eq!(
			book.remove(side, &Step { limit, wh }),
			Err(VolumeFault::NotInBook),
			"{why}"
		);
		assert_eq!(book, before, "{why}");
	}
	book.remove(Side::Bid, &Step { limit: 40, wh: 7 }).unwrap();
	assert_eq!(
		book.remove(Side::Bid, &Step { limit: 40, wh: 4 }),
		Err(VolumeFault::NotInBook)
	);
	assert_eq!(book.remove(Side::Bid, &Step { limit: 40, wh: 5 }), Ok(()));
	assert_eq!(book, Book::default());
}

#[test]
fn an_order_of_nothing_is_no_order() {
	let mut book = Book::default();
	assert_eq!(book.add(Side::Bid, &Step { limit: 8, wh: 0 }), Ok(()));
	assert_eq!(book.remove(Side::Bid, &Step { limit: 8, wh: 0 }), Ok(()));
	assert_eq!(book, Book::default());
}

#[test]
fn every_tick_has_its_own_place_in_the_pages() {
	for tick in 0..=255 {
		let mut book = Book::default();
		book.add(Side::Bid, &Step { limit: tick, wh: 9 }).unwrap();
		let volumes: Vec<u64> = book.ticks(Side::Bid).map(|volume| volume.wh).collect();
		assert_eq!(volumes.len(), 256);
		assert!(
			volumes
				.iter()
				.enumerate()
				.all(|(at, wh)| (*wh == 9) == (at == usize::from(tick)))
		);
		assert!(
			book.ticks(Side::Ask)
				.all(|volume| *volume == TickVolume::default())
		);
		assert!(!book.bids[usize::from(TickPage::number_of(tick))].is_empty());
	}
}

#[test]
fn a_clearing_from_broken_storage_does_not_panic() {
	let mut broken = Clearing {
		tick: 5,
		volume_wh: 1,
		ration: ration(Side::Bid, 3, 0, 0),
		bids: 0,
		asks: 0,
	};
	let largest = Step {
		limit: 5,
		wh: u64::MAX,
	};
	assert_eq!(broken.fill(Side::Bid, &largest), 0);
	broken.ration = ration(Side::Bid, u64::MAX, 1, 1);
	assert_eq!(broken.fill(Side::Bid, &largest), u128::MAX);
}
