//! Standing orders.

use crate::{
	Error, Event,
	mock::{home as home_of, *},
};
use frame_support::{assert_noop, assert_ok};
use m2m_auction::Slot;

/// What stands in the book for a home: limit ticks and Wh.
fn bids(home: &Home, slot: Slot) -> Vec<(u8, u32)> {
	let entry = EnergyTrading::entry(MARKET, slot, &home.id).unwrap_or_default();
	entry.bids.iter().map(|step| (step.limit, step.wh)).collect()
}

#[test]
fn an_order_holds_from_the_next_slot_on() {
	trade(|| {
		let home = buyer(1, &[(20, 1_000)]);
		run_to(FIRST * QUARTER + MINUTE);
		events();
		let order = order(&[(15, 700)], &[]);
		home.set_order(order.clone());
		assert_eq!(
			events(),
			[Event::OrderSet {
				market: MARKET,
				device: home.id.clone(),
				first: FIRST + 1,
				order
			}]
		);
		run_to_end(FIRST);
		home.take(FIRST, 5_000);
		assert_eq!(bids(&home, FIRST), [(10, 1_000)]);
		run_to_end(FIRST + 1);
		home.take(FIRST + 1, 5_000);
		assert_eq!(bids(&home, FIRST + 1), [(5, 700)]);
	});
}

#[test]
fn nothing_that_is_set_after_a_slot_changes_it() {
	trade(|| {
		let home = buyer(1, &[(20, 1_000)]);
		run_to(FIRST * QUARTER);
		home.set_order(order(&[(15, 700)], &[]));
		run_to_end(FIRST);
		// The order of the first slot, of the present one and of the next are all known.
		home.set_order(order(&[(12, 300)], &[]));
		home.set_order(order(&[(13, 300)], &[]));
		home.take(FIRST, 5_000);
		assert_eq!(bids(&home, FIRST), [(10, 1_000)]);
		run_to_end(FIRST + 1);
		home.take(FIRST + 1, 5_000);
		assert_eq!(bids(&home, FIRST + 1), [(5, 700)]);
		run_to_end(FIRST + 2);
		home.take(FIRST + 2, 5_000);
		assert_eq!(bids(&home, FIRST + 2), [(3, 300)]);
	});
}

#[test]
fn an_order_is_not_forgotten_while_a_slot_needs_it() {
	test(|| {
		// A window of three slots: more orders can be needed than are kept.
		let window = crate::Window {
			ms: 3 * QUARTER as u32,
			blocks: 1,
		};
		open_market(
			crate::Parameters {
				window,
				..parameters()
			},
			None,
		);
		let home = buyer(1, &[(20, 1_000)]);
		for slot in [FIRST, FIRST + 1] {
			run_to(slot * QUARTER);
			home.set_order(order(&[(15, 700)], &[]));
		}
		run_to((FIRST + 2) * QUARTER);
		assert_noop!(
			home.try_order(Default::default()),
			Error::<Test>::OrderStillNeeded
		);
		home.take(FIRST, 5_000);
		assert_eq!(bids(&home, FIRST), [(10, 1_000)]);
		run_to(end(FIRST) + 3 * QUARTER - 1);
		assert_noop!(
			home.try_order(Default::default()),
			Error::<Test>::OrderStillNeeded
		);
		run_to(end(FIRST) + 3 * QUARTER);
		home.set_order(Default::default());
	});
}

#[test]
fn only_well_formed_orders_are_taken() {
	trade(|| {
		let home = buyer(1, &[]);
		for (wrong, error) in [
			(order(&[(20, 0)], &[]), Error::<Test>::EmptyStep),
			(order(&[], &[(20, 0)]), Error::EmptyStep),
			(order(&[(20, 1), (20, 1)], &[]), Error::StepsOutOfOrder),
			(order(&[], &[(20, 1), (19, 1)]), Error::StepsOutOfOrder),
		] {
			assert_noop!(home.try_order(wrong), error);
		}
		let stranger = home_of(2);
		assert_noop!(stranger.try_order(Default::default()), Error::<Test>::NotMember);
	});
}

#[test]
fn a_key_with_trade_sets_the_order() {
	trade(|| {
		let home = buyer(1, &[]);
		let set = order(&[(20, 1)], &[]);
		assert_ok!(EnergyTrading::set_order(
			signed(&home.account()),
			MARKET,
			None,
			set
		));
	});
}

#[test]
fn metered_energy_fills_the_best_limits_first_and_no_more_than_the_order_wants() {
	trade(|| {
		let home = buyer(1, &[(24, 300), (20, 300), (15, 300), (9, 300)]);
		run_to_end(FIRST);
		home.take(FIRST, 700);
		// The last step lies below the grid and never trades.
		assert_eq!(bids(&home, FIRST), [(14, 300), (10, 300), (5, 100)]);
		run_to_end(FIRST + 1);
		home.take(FIRST + 1, 5_000);
		assert_eq!(bids(&home, FIRST + 1), [(14, 300), (10, 300), (5, 300)]);
	});
}

#[test]
fn a_home_may_bid_above_what_it_asks() {
	trade(|| {
		let home = member(1, order(&[(25, 1_000)], &[(10, 1_000)]), 1_000);
		run_to_end(FIRST);
		home.report(FIRST, 300, 400);
		run_past_window(FIRST);
		events();
		assert_ok!(settle(FIRST, &[&home]));
		// It trades with itself, and pays the grid fee for it: both flows went over the meter.
		assert_eq!(bills(), [(home.id.clone(), 300_000, 300_000, Some(10 * CENT))]);
		assert_eq!(home.credit(), 1_000 * CENT - 4 * CENT * 300 / 1_000);
	});
}

#[test]
fn a_member_without_an_order_reports_and_leaves_no_trace() {
	trade(|| {
		let home = home(1);
		home.join();
		home.admit();
		run_to_end(FIRST);
		events();
		home.report(FIRST, 500, 500);
		assert_eq!(events().len(), 2);
		assert_eq!(slot_bytes(), 0);
	});
}
