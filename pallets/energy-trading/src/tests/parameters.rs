//! Parameters that change while the market runs.

use crate::{Error, Event, MarketTerms, NoticeMs, Parameters, mock::*};
use frame_support::{assert_noop, assert_ok};
use m2m_auction::{Pricing, Slot, TickGrid};

/// As [`parameters`], 2 cents higher, which leaves no room for the two highest ticks.
fn dearer() -> Parameters {
	let grid = TickGrid {
		bottom: 12 * CENT,
		tick_size: CENT,
		ticks: 14,
	};
	Parameters {
		pricing: Pricing { grid, ..pricing() },
		..parameters()
	}
}

fn set(first: Slot, parameters: Parameters) -> Result<(), sp_runtime::DispatchError> {
	EnergyTrading::set_parameters(signed(&OPERATOR), MARKET, first, parameters)
}

fn versions() -> Vec<Slot> {
	let terms = MarketTerms::<Test>::get(MARKET).expect("it is there");
	terms.parameters.iter().map(|(first, _)| *first).collect()
}

/// The first slot that a change can name now.
fn nearest() -> Slot {
	(now() + NoticeMs::<Test>::get()).div_ceil(QUARTER)
}

#[test]
fn a_change_is_announced_a_day_ahead() {
	trade(|| {
		run_to(START + MINUTE);
		assert_eq!(nearest(), FIRST + 96);
		assert_noop!(set(nearest() - 1, dearer()), Error::<Test>::NoticeTooShort);
		events();
		assert_ok!(set(nearest(), dearer()));
		assert_eq!(
			events(),
			[Event::ParametersSet {
				market: MARKET,
				first: FIRST + 96,
				parameters: dearer()
			}]
		);
	});
}

#[test]
fn a_slot_that_has_begun_never_changes() {
	trade(|| {
		NoticeMs::<Test>::put(0);
		assert_noop!(set(FIRST - 1, dearer()), Error::<Test>::NoticeTooShort);
		assert_ok!(set(FIRST, dearer()));
	});
}

#[test]
fn one_change_is_pending_at_most() {
	trade(|| {
		let first = nearest();
		assert_ok!(set(first, dearer()));
		assert_noop!(set(first, parameters()), Error::<Test>::ChangePending);
		assert_noop!(set(first + 96, parameters()), Error::<Test>::ChangePending);
		run_to(first * QUARTER - 1);
		assert_noop!(set(nearest() + 1, parameters()), Error::<Test>::ChangePending);
		run_to(first * QUARTER);
		assert_ok!(set(nearest(), parameters()));
	});
}

#[test]
fn changed_parameters_are_checked_as_new_ones_are() {
	trade(|| {
		let mut wrong = dearer();
		wrong.pricing.grid.ticks = 15;
		assert_noop!(set(nearest(), wrong), Error::<Test>::TopTooHigh);
		wrong = dearer();
		wrong.window.blocks = 0;
		assert_noop!(set(nearest(), wrong), Error::<Test>::InvalidWindow);
	});
}

#[test]
fn a_slot_keeps_its_parameters_from_its_first_report_to_its_last_settlement() {
	trade(|| {
		NoticeMs::<Test>::put(0);
		let buyer = buyer(1, &[(11, 1_000)]);
		let seller = seller(2, &[(10, 1_000)]);
		assert_ok!(set(FIRST + 1, dearer()));
		run_to_end(FIRST);
		// The new parameters hold for the slot that has begun; 10 and 11 cents are on the old grid only.
		buyer.take(FIRST, 1_000);
		seller.give(FIRST, 1_000);
		run_past_window(FIRST + 3);
		assert_ok!(clear(FIRST));
		events();
		assert_ok!(settle(FIRST, &[&buyer, &seller]));
		let price = Some(10 * CENT);
		assert_eq!(
			bills(),
			[
				(buyer.id.clone(), 1_000_000, 0, price),
				(seller.id.clone(), 0, 1_000_000, price)
			]
		);
	});
}

#[test]
fn limits_are_prices_and_follow_the_grid() {
	trade(|| {
		NoticeMs::<Test>::put(0);
		let low = buyer(1, &[(11, 1_000)]);
		let high = buyer(2, &[(14, 1_000)]);
		assert_ok!(set(FIRST + 1, dearer()));
		for (slot, ticks) in [(FIRST, [Some(1), Some(4)]), (FIRST + 1, [None, Some(2)])] {
			run_to_end(slot);
			for (home, tick) in [&low, &high].into_iter().zip(ticks) {
				home.take(slot, 500);
				let entry = EnergyTrading::entry(MARKET, slot, &home.id);
				assert_eq!(entry.map(|entry| entry.bids[0].limit), tick);
			}
		}
	});
}

#[test]
fn versions_that_no_slot_needs_are_forgotten() {
	trade(|| {
		NoticeMs::<Test>::put(0);
		let buyer = buyer(1, &[(14, 1_000)]);
		run_to_end(FIRST);
		buyer.take(FIRST, 500);
		// Nobody clears the first slot, so its version stays.
		let mut first = FIRST + 2;
		for _ in 0..2 {
			assert_ok!(set(first, dearer()));
			run_to(first * QUARTER);
			first += 2;
		}
		assert_eq!(versions(), [0, FIRST + 2, FIRST + 4]);
		assert_noop!(set(first, parameters()), Error::<Test>::VersionStillNeeded);
		assert_ok!(clear(FIRST));
		assert_ok!(set(first, parameters()));
		assert_eq!(versions(), [FIRST + 2, FIRST + 4, FIRST + 6]);
		run_to(first * QUARTER + QUARTER);
		assert_ok!(set(first + 2, parameters()));
		assert_eq!(versions(), [FIRST + 6, FIRST + 8]);
		// What was set aside comes back by the prices of its own version, which is gone.
		assert_ok!(settle(FIRST, &[&buyer]));
		assert_eq!(buyer.credit(), 1_000 * CENT);
	});
}
