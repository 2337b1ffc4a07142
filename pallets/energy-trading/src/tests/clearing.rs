//! Clearing slots.

use crate::{ClearedSlots, Error, Event, NextCleared, OpenSlots, OrderedSlot, WeightInfo, mock::*};
use frame_support::{assert_ok, weights::Weight};
use m2m_auction::{Side, Slot, Step, TickPage};

type Weights = ();

fn is_cleared(market: u32, slot: Slot) -> bool {
	ClearedSlots::<Test>::contains_key(market, slot)
}

#[test]
fn a_slot_without_reports_leaves_nothing_to_clear() {
	trade(|| {
		let home = seller(1, &[(12, 500)]);
		run_past_window(FIRST);
		assert_eq!(clear(FIRST), Err(refusal(Error::UnknownSlot)));
		assert_eq!(settle(FIRST, &[&home]), Err(refusal(Error::UnknownSlot)));
		assert_eq!(clear(u64::MAX), Err(refusal(Error::UnknownSlot)));
	});
}

#[test]
fn a_one_sided_slot_trades_nothing_and_everything_comes_back() {
	trade(|| {
		let (rich, poor) = (buyer(1, &[(20, 1_000), (15, 500)]), buyer(2, &[(11, 800)]));
		run_to_end(FIRST);
		rich.take(FIRST, 1_500);
		poor.take(FIRST, 800);
		assert!(rich.credit() < 1_000 * CENT);
		run_past_window(FIRST);
		assert_ok!(clear(FIRST));
		assert_eq!(
			ClearedSlots::<Test>::get(MARKET, FIRST).map(|cleared| cleared.clearing),
			Some(None)
		);
		events();
		assert_ok!(settle(FIRST, &[&rich, &poor]));
		assert_eq!(
			bills(),
			[(rich.id.clone(), 0, 0, None), (poor.id.clone(), 0, 0, None)]
		);
		assert_eq!((rich.credit(), poor.credit()), (1_000 * CENT, 1_000 * CENT));
		assert_eq!((reserve(), slot_bytes()), (0, 0));
		assert_eq!(EnergyTrading::last_price(MARKET), None);
	});
}

#[test]
fn a_slot_of_sellers_only_trades_nothing() {
	trade(|| {
		let home = seller(1, &[(12, 500)]);
		run_to_end(FIRST);
		home.give(FIRST, 500);
		run_past_window(FIRST);
		assert_ok!(settle(FIRST, &[&home]));
		assert_eq!((home.credit(), slot_bytes()), (0, 0));
	});
}

#[test]
fn limits_that_do_not_meet_trade_nothing() {
	trade(|| {
		let (buyer, seller) = (buyer(1, &[(12, 500)]), seller(2, &[(13, 500)]));
		run_to_end(FIRST);
		buyer.take(FIRST, 500);
		seller.give(FIRST, 500);
		run_past_window(FIRST);
		assert_ok!(settle(FIRST, &[&seller, &buyer]));
		assert_eq!((buyer.credit(), seller.credit()), (1_000 * CENT, 0));
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn a_slot_is_cleared_once() {
	trade(|| {
		let home = seller(1, &[(12, 500)]);
		run_to_end(FIRST);
		home.give(FIRST, 500);
		run_past_window(FIRST);
		assert_ok!(clear(FIRST));
		assert_eq!(clear(FIRST), Err(refusal(Error::AlreadyCleared)));
		assert_ok!(settle(FIRST, &[&home]));
		assert_eq!(clear(FIRST), Err(refusal(Error::UnknownSlot)));
	});
}

/// The record of a slot that was cleared in some way, with whatever else changes until then.
fn cleared_by(act: impl FnOnce(&Home)) -> crate::ClearedSlot {
	let mut found = None;
	trade(|| {
		let buyer = buyer(1, &[(20, 1_000), (14, 1_000)]);
		let cheap = seller(2, &[(12, 600)]);
		let dear = seller(3, &[(14, 600)]);
		run_to_end(FIRST);
		buyer.take(FIRST, 2_000);
		cheap.give(FIRST, 600);
		dear.give(FIRST, 600);
		run_past_window(FIRST);
		act(&buyer);
		found = ClearedSlots::<Test>::get(MARKET, FIRST);
		assert_ok!(settle(FIRST, &[&buyer, &cheap, &dear]));
	});
	found.expect("it was cleared")
}

#[test]
fn the_result_is_the_same_whoever_clears_and_whenever() {
	let by_anybody = cleared_by(|_| {
		assert_ok!(clear(FIRST));
	});
	let by_itself = cleared_by(|_| {
		idle();
	});
	let much_later = cleared_by(|_| {
		run_to(end(FIRST) + 3 * DAY);
		assert_ok!(clear(FIRST));
	});
	assert_eq!(by_anybody, by_itself);
	assert_eq!(by_anybody, much_later);
	// And so does the first settlement, even one of nobody.
	let by_settlement = cleared_by(|_| {
		assert_ok!(settle(FIRST, &[]));
	});
	assert_eq!(by_anybody, by_settlement);
}

#[test]
fn a_block_with_time_to_spare_clears_the_oldest_due_slot_of_each_market() {
	trade(|| {
		let home = seller(1, &[(12, 500)]);
		for slot in FIRST..FIRST + 3 {
			run_to_end(slot);
			home.give(slot, 500);
		}
		// The window of the last one is open.
		idle();
		assert_eq!(
			EnergyTrading::open_slots(MARKET, 9),
			[(FIRST + 1, true), (FIRST + 2, false)]
		);
		idle();
		idle();
		assert_eq!(EnergyTrading::open_slots(MARKET, 9), [(FIRST + 2, false)]);
		run_past_window(FIRST + 2);
		idle();
		assert_eq!(EnergyTrading::open_slots(MARKET, 9), []);
		assert_eq!(EnergyTrading::unsettled_slots(MARKET, 9).len(), 3);
		for slot in FIRST..FIRST + 3 {
			assert_ok!(settle(slot, &[&home]));
		}
	});
}

#[test]
fn at_most_eight_markets_have_their_turn_in_a_block() {
	externalities().execute_with(|| {
		let step = Step { limit: 3, wh: 10 };
		let mut page = TickPage::default();
		assert_ok!(page.add(&step));
		for market in 0..20 {
			open_market(parameters(), None);
			crate::Pages::<Test>::insert((market, FIRST, (Side::Ask, 0u8)), page);
			OpenSlots::<Test>::insert(market, OrderedSlot::from(FIRST), crate::Totals::default());
		}
		run_past_window(FIRST);
		let cleared = || {
			(0..20)
				.filter(|market| is_cleared(*market, FIRST))
				.collect::<Vec<_>>()
		};
		idle();
		assert_eq!(cleared(), (0..8).collect::<Vec<_>>());
		assert_eq!(NextCleared::<Test>::get(), 8);
		idle();
		assert_eq!(cleared(), (0..16).collect::<Vec<_>>());
		idle();
		assert_eq!(cleared(), (0..20).collect::<Vec<_>>());
		assert_eq!(NextCleared::<Test>::get(), 4);
	});
}

#[test]
fn idle_time_is_never_exceeded() {
	trade(|| {
		let home = seller(1, &[(12, 500)]);
		run_to_end(FIRST);
		home.give(FIRST, 500);
		run_past_window(FIRST);
		let seek = Weights::seek_markets();
		let needed = seek
			.saturating_add(Weights::seek_slot())
			.saturating_add(Weights::clear(crate::MAX_PAGES));
		assert_eq!(idle_with(Weight::zero()), Weight::zero());
		assert_eq!(idle_with(needed.saturating_sub(Weight::from_parts(1, 0))), seek);
		assert!(!is_cleared(MARKET, FIRST));
		let used = idle_with(needed);
		assert!(is_cleared(MARKET, FIRST));
		// One page only.
		let expected = seek
			.saturating_add(Weights::seek_slot())
			.saturating_add(Weights::clear(1));
		assert_eq!(used, expected);
		assert_ok!(settle(FIRST, &[&home]));
	});
}

#[test]
fn clearing_reads_the_pages_that_were_touched_and_says_so() {
	trade(|| {
		let (buyer, seller) = (buyer(1, &[(20, 500)]), seller(2, &[(12, 500)]));
		run_to_end(FIRST);
		buyer.take(FIRST, 500);
		seller.give(FIRST, 500);
		run_past_window(FIRST);
		let done = EnergyTrading::clear(signed(&KEEPER), MARKET, FIRST).expect("it is due");
		assert_eq!(done.actual_weight, Some(Weights::clear(2)));
		events();
		assert_ok!(settle(FIRST, &[&buyer, &seller]));
		assert!(
			!events()
				.iter()
				.any(|event| matches!(event, Event::SlotCleared { .. }))
		);
	});
}

#[test]
fn a_hundred_thousand_entries_clear_in_as_many_steps_as_a_hundred() {
	let weights = [100u32, 100_000].map(|orders| {
		let mut weight = None;
		externalities().execute_with(|| {
			market();
			for side in [Side::Bid, Side::Ask] {
				let mut page = TickPage::default();
				for order in 0..orders {
					let step = Step {
						limit: (order % 16) as u8,
						wh: 10,
					};
					assert_ok!(page.add(&step));
				}
				crate::Pages::<Test>::insert((MARKET, FIRST, (side, 0u8)), page);
			}
			OpenSlots::<Test>::insert(MARKET, OrderedSlot::from(FIRST), crate::Totals::default());
			run_past_window(FIRST);
			let done = EnergyTrading::clear(signed(&KEEPER), MARKET, FIRST).expect("it is due");
			weight = done.actual_weight;
			let cleared = ClearedSlots::<Test>::get(MARKET, FIRST).expect("there are orders");
			assert_eq!(cleared.orders, 2 * u64::from(orders));
		});
		weight.expect("it is known")
	});
	assert_eq!(weights[0], weights[1]);
}
