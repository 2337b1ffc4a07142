//! Whole slots of random markets, from standing order and meter to the bill: money, energy and order.

mod reference;

use m2m_auction::{
	Book, Clearing, MILLI_WH_PER_KWH, Money, Pricing, Settlement, Side, StandingOrder, Step, Steps, TickGrid,
	clear, cost, settle, spread,
};
use num_bigint::BigUint;
use proptest::prelude::*;
use reference::{Order, auction};
use std::collections::BTreeSet;

const CASES: u32 = 10_000;

#[derive(Clone, Debug)]
struct Member {
	order: StandingOrder,
	imported: u64,
	exported: u64,
	credit: Money,
}

/// The cost of energy in mWh at a price per kWh, worked out without limits. It must be a whole number of
/// units.
fn exact_cost(price_per_kwh: u128, milli_wh: u128) -> Money {
	let (product, per_kwh) = (
		BigUint::from(price_per_kwh) * milli_wh,
		BigUint::from(1_000_000u32),
	);
	assert_eq!(&product % &per_kwh, BigUint::ZERO, "{price_per_kwh} x {milli_wh}");
	(product / per_kwh).try_into().unwrap()
}

/// What a member has in the slot.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
	bids: Steps,
	asks: Steps,
	set_aside: Money,
}

/// Prices that pass the check, low ones and the highest.
fn pricings() -> impl Strategy<Value = Pricing> {
	let unit = prop_oneof![3 => 1u128..200_000, 1 => 1u128..=18_446_744_073_709_551 / 2_000];
	(
		1u16..=256,
		unit,
		0u128..50,
		0u128..50,
		0u128..3,
		0u128..3,
		1u128..4,
	)
		.prop_map(|(ticks, unit, feed_in, grid_fee, below, above, margin)| {
			let unit = unit * MILLI_WH_PER_KWH;
			let bottom = feed_in + margin + below;
			let top = bottom + u128::from(ticks) - 1;
			let pricing = Pricing {
				retail: (top + grid_fee + margin + above) * unit,
				feed_in: feed_in * unit,
				margin: margin * unit,
				grid_fee: grid_fee * unit,
				grid: TickGrid {
					bottom: bottom * unit,
					tick_size: unit,
					ticks,
				},
			};
			assert_eq!(pricing.check(), Ok(()));
			pricing
		})
}

fn energy() -> impl Strategy<Value = u64> {
	prop_oneof![6 => 0u64..40, 6 => 0u64..6_000, 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

/// Up to four steps, limits falling. Few different limits, so that members meet at the same ticks.
fn steps(ticks: u16) -> impl Strategy<Value = Vec<Step>> {
	let limit = prop_oneof![3 => 0..ticks.min(6), 1 => 0..ticks];
	prop::collection::btree_set(limit, 0..=4).prop_flat_map(|limits: BTreeSet<u16>| {
		let wh = prop::collection::vec(energy().prop_map(|wh| wh.max(1)), limits.len());
		wh.prop_map(move |wh| {
			let steps = limits.iter().rev().zip(wh);
			steps
				.map(|(limit, wh)| Step {
					limit: *limit as u8,
					wh,
				})
				.collect()
		})
	})
}

fn members(ticks: u16) -> impl Strategy<Value = Vec<Member>> {
	let credit = prop_oneof![
		1 => Just(0u128),
		2 => 0u128..10_000_000_000_000,
		3 => 0u128..=u128::MAX / 64,
	];
	let member = (steps(ticks), steps(ticks), energy(), energy(), credit).prop_map(
		|(bids, mut asks, imported, exported, credit)| {
			asks.reverse();
			Member {
				order: StandingOrder {
					bids: Steps::truncate_from(bids),
					asks: Steps::truncate_from(asks),
				},
				imported,
				exported,
				credit,
			}
		},
	);
	prop::collection::vec(member, 0..16)
}

fn markets() -> impl Strategy<Value = (Pricing, Vec<Member>)> {
	pricings().prop_flat_map(|pricing| (Just(pricing), members(pricing.grid.ticks)))
}

/// A market with an order in which to settle its members.
fn markets_and_turns() -> impl Strategy<Value = (Pricing, Vec<Member>, Vec<usize>)> {
	markets().prop_flat_map(|(pricing, members)| {
		let turns: Vec<usize> = (0..members.len()).collect();
		(Just(pricing), Just(members), Just(turns).prop_shuffle())
	})
}

/// Every member reports. A step that does not fit its tick any more is left out, as a pallet would refuse it.
fn report(pricing: &Pricing, members: &[Member]) -> (Book, Vec<Entry>) {
	let mut book = Book::default();
	let entries = members
		.iter()
		.map(|member| {
			let mut bids = spread(&member.order.bids, member.imported);
			let mut asks = spread(&member.order.asks, member.exported);
			bids = pricing.cover(bids, member.credit).bids;
			bids.retain(|step| book.add(Side::Bid, step).is_ok());
			asks.retain(|step| book.add(Side::Ask, step).is_ok());
			let set_aside = pricing.cover(bids.clone(), member.credit).set_aside;
			Entry {
				bids,
				asks,
				set_aside,
			}
		})
		.collect();
	(book, entries)
}

fn bills(pricing: &Pricing, clearing: Option<&Clearing>, entries: &[Entry]) -> Vec<Settlement> {
	entries
		.iter()
		.map(|entry| settle(pricing, clearing, &entry.bids, &entry.asks))
		.collect()
}

fn sum<'a>(bills: impl IntoIterator<Item = &'a Settlement>, part: fn(&Settlement) -> u128) -> u128 {
	bills.into_iter().map(part).sum()
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(CASES))]

	#[test]
	fn every_bill_is_that_of_the_reference((pricing, members) in markets()) {
		let (book, entries) = report(&pricing, &members);
		let clearing = clear(&book);
		let orders: Vec<(usize, Order)> = entries
			.iter()
			.enumerate()
			.flat_map(|(member, entry)| {
				let bids = entry.bids.iter().map(|step| (Side::Bid, step));
				let asks = entry.asks.iter().map(|step| (Side::Ask, step));
				bids.chain(asks).map(move |(side, step)| {
					(member, Order { side, limit: step.limit, wh: step.wh })
				})
			})
			.collect();
		let list: Vec<Order> = orders.iter().map(|(_, order)| *order).collect();
		let expected = auction(&list, pricing.grid.ticks);
		let price = |tick: u8| pricing.grid.bottom + u128::from(tick) * pricing.grid.tick_size;
		prop_assert_eq!(
			clearing.map(|cleared| (cleared.tick, cleared.volume_wh, cleared.ration.map(|ration| ration.side))),
			expected.as_ref().map(|outcome| (outcome.price, outcome.volume_wh, outcome.longer)),
		);
		for (member, bill) in bills(&pricing, clearing.as_ref(), &entries).iter().enumerate() {
			let mut fills = [0u128; 2];
			let mut set_aside = 0;
			for (at, (owner, order)) in orders.iter().enumerate() {
				if *owner != member {
					continue;
				}
				if let Some(outcome) = &expected {
					fills[order.side as usize] += outcome.fill(&list, at);
				}
				if order.side == Side::Bid {
					let charge = price(order.limit) + pricing.grid_fee;
					set_aside += exact_cost(charge, u128::from(order.wh) * 1_000);
				}
			}
			let price = expected.as_ref().map_or(0, |outcome| price(outcome.price));
			let paid = exact_cost(price + pricing.grid_fee, fills[0]);
			prop_assert_eq!(entries[member].set_aside, set_aside);
			prop_assert_eq!(*bill, Settlement {
				bought: fills[0],
				sold: fills[1],
				paid,
				returned: set_aside - paid,
				earned: exact_cost(price, fills[1]),
			});
		}
	}

	#[test]
	fn money_and_energy_are_conserved_to_the_unit((pricing, members) in markets()) {
		let (book, entries) = report(&pricing, &members);
		let clearing = clear(&book);
		let bills = bills(&pricing, clearing.as_ref(), &entries);
		let pot: Money = entries.iter().map(|entry| entry.set_aside).sum();
		let (paid, returned, earned) = (
			sum(&bills, |bill| bill.paid),
			sum(&bills, |bill| bill.returned),
			sum(&bills, |bill| bill.earned),
		);
		let (bought, sold) = (sum(&bills, |bill| bill.bought), sum(&bills, |bill| bill.sold));
		prop_assert_eq!(pot, paid + returned);
		let Some(clearing) = clearing else {
			prop_assert_eq!((paid, earned, bought, sold), (0, 0, 0, 0));
			return Ok(());
		};
		let price = pricing.grid.price(clearing.tick);
		prop_assert!(pot >= cost(price, clearing.volume_wh * 1_000));
		// What stays in the pot is the grid fees and what came of rounding, nothing else.
		prop_assert!(bought >= sold);
		prop_assert_eq!(paid - earned, cost(pricing.grid_fee, bought) + cost(price, bought - sold));
		let rationed = clearing.ration.map_or(0, |ration| ration.orders);
		prop_assert!(bought - sold < u128::from(rationed).max(1));
		// Credits before are credits after, and the reserve.
		let before: Money = members.iter().map(|member| member.credit).sum();
		let after: Money = members
			.iter()
			.zip(&entries)
			.zip(&bills)
			.map(|((member, entry), bill)| member.credit - entry.set_aside + bill.returned + bill.earned)
			.sum();
		prop_assert_eq!(before, after + (paid - earned));
	}

	#[test]
	fn the_pot_is_never_short_whatever_the_order_of_settlements(
		(pricing, members, turns) in markets_and_turns(),
	) {
		let (book, entries) = report(&pricing, &members);
		let clearing = clear(&book);
		let all = bills(&pricing, clearing.as_ref(), &entries);
		let start: Money = entries.iter().map(|entry| entry.set_aside).sum();
		// Sellers first is the hardest order, then a random one.
		let mut sellers_first: Vec<usize> = (0..members.len()).collect();
		sellers_first.sort_by_key(|at| std::cmp::Reverse(all[*at].earned));
		let mut ends = vec![];
		for turns in [sellers_first, turns] {
			let mut pot = start;
			for at in turns {
				let bill = settle(&pricing, clearing.as_ref(), &entries[at].bids, &entries[at].asks);
				prop_assert_eq!(&bill, &all[at]);
				let taken = bill.returned + bill.earned;
				prop_assert!(taken <= pot, "the pot holds {} and owes {}", pot, taken);
				pot -= taken;
			}
			ends.push(pot);
		}
		prop_assert_eq!(ends[0], ends[1]);
	}

	#[test]
	fn nobody_trades_more_than_was_metered_or_outside_the_limits((pricing, members) in markets()) {
		let (book, entries) = report(&pricing, &members);
		let clearing = clear(&book);
		for (member, bill) in members.iter().zip(bills(&pricing, clearing.as_ref(), &entries)) {
			let (buys, sells): (u128, u128) = clearing.map_or((0, 0), |clearing| {
				let wanted = |steps: &Steps, inside: &dyn Fn(u8) -> bool| {
					steps.iter().filter(|step| inside(step.limit)).map(|step| u128::from(step.wh)).sum()
				};
				(
					wanted(&member.order.bids, &|limit| limit >= clearing.tick),
					wanted(&member.order.asks, &|limit| limit <= clearing.tick),
				)
			});
			prop_assert!(bill.bought <= buys.min(member.imported.into()) * 1_000);
			prop_assert!(bill.sold <= sells.min(member.exported.into()) * 1_000);
			prop_assert!(bill.paid <= member.credit);
		}
	}

	#[test]
	fn every_trade_beats_the_utility_by_the_margin((pricing, members) in markets()) {
		let (book, entries) = report(&pricing, &members);
		for bill in bills(&pricing, clear(&book).as_ref(), &entries) {
			prop_assert!(bill.paid <= exact_cost(pricing.retail - pricing.margin, bill.bought));
			prop_assert!(bill.earned >= exact_cost(pricing.feed_in + pricing.margin, bill.sold));
		}
	}

	#[test]
	fn reports_in_any_order_and_in_parts_give_the_same_book(
		(pricing, members, turns) in markets_and_turns(),
		parts in prop::collection::vec(any::<(u64, u64)>(), 16),
	) {
		// Volumes that never exceed a tick, because who came too late would depend on the order then.
		let members: Vec<Member> = members
			.into_iter()
			.map(|member| Member { imported: member.imported >> 5, exported: member.exported >> 5, ..member })
			.collect();
		let (at_once, _) = report(&pricing, &members);

		let mut book = Book::default();
		type Change = fn(&mut Book, Side, &Step);
		let stand = |book: &mut Book, member: &Member, imported, exported, change: Change| {
			let bids = pricing.cover(spread(&member.order.bids, imported), member.credit).bids;
			let asks = spread(&member.order.asks, exported);
			bids.iter().for_each(|step| change(book, Side::Bid, step));
			asks.iter().for_each(|step| change(book, Side::Ask, step));
		};
		let add = |book: &mut Book, side, step: &Step| book.add(side, step).unwrap();
		let remove = |book: &mut Book, side, step: &Step| book.remove(side, step).unwrap();
		let first = |at: usize| {
			let (imported, exported) = parts[at];
			(imported % (members[at].imported + 1), exported % (members[at].exported + 1))
		};
		for at in &turns {
			let (imported, exported) = first(*at);
			stand(&mut book, &members[*at], imported, exported, add);
		}
		for at in turns.iter().rev() {
			let (imported, exported) = first(*at);
			stand(&mut book, &members[*at], imported, exported, remove);
			stand(&mut book, &members[*at], members[*at].imported, members[*at].exported, add);
		}
		prop_assert_eq!(book, at_once);
	}
}

fn cents() -> Pricing {
	let cent = 10_000_000_000;
	Pricing {
		retail: 30 * cent,
		feed_in: 8 * cent,
		margin: cent,
		grid_fee: 4 * cent,
		grid: TickGrid {
			bottom: 10 * cent,
			tick_size: cent,
			ticks: 16,
		},
	}
}

#[test]
fn without_a_trade_everything_set_aside_is_returned() {
	let bids = [Step { limit: 10, wh: 1_000 }, Step { limit: 0, wh: 500 }];
	let bill = settle(&cents(), None, &bids, &[Step { limit: 3, wh: 70 }]);
	let expected = Settlement {
		returned: 240_000_000_000 + 70_000_000_000,
		..Default::default()
	};
	assert_eq!(bill, expected);
}

#[test]
fn a_member_without_steps_has_an_empty_bill() {
	assert_eq!(settle(&cents(), None, &[], &[]), Settlement::default());
}

#[test]
fn a_home_that_gives_and_takes_in_one_slot_pays_itself_and_the_grid_fee() {
	let (bid, ask) = (Step { limit: 9, wh: 300 }, Step { limit: 5, wh: 300 });
	let mut book = Book::default();
	book.add(Side::Bid, &bid).unwrap();
	book.add(Side::Ask, &ask).unwrap();
	let clearing = clear(&book).unwrap();
	let bill = settle(&cents(), Some(&clearing), &[bid], &[ask]);
	assert_eq!((bill.bought, bill.sold), (300_000, 300_000));
	assert_eq!(bill.paid - bill.earned, 40_000 * 300_000);
}

#[test]
fn the_largest_bill_fits_and_larger_ones_saturate() {
	let highest = m2m_auction::MAX_PRICE / MILLI_WH_PER_KWH * MILLI_WH_PER_KWH;
	let largest = u128::from(u64::MAX) * 1_000;
	assert_eq!(cost(highest, largest), exact_cost(highest, largest));
	assert_eq!(cost(u128::MAX, largest), u128::MAX);
	let broken = Pricing {
		retail: 0,
		feed_in: 0,
		margin: 0,
		grid_fee: u128::MAX,
		grid: TickGrid {
			bottom: u128::MAX,
			tick_size: u128::MAX,
			ticks: 0,
		},
	};
	let step = Step {
		limit: 255,
		wh: u64::MAX,
	};
	let clearing = Clearing {
		tick: 255,
		volume_wh: u128::MAX,
		ration: None,
		bids: 0,
		asks: 0,
	};
	let bill = settle(&broken, Some(&clearing), &[step; 4], &[step; 4]);
	assert_eq!((bill.paid, bill.earned, bill.returned), (u128::MAX, u128::MAX, 0));
}
