//! What goes wrong in the field, and what happens then.

use crate::{Error, IgnoredReason, mock::*};
use frame_support::assert_ok;

#[test]
fn a_meter_that_never_reports_trades_nothing_and_pays_nothing() {
	trade(|| {
		let silent = buyer(1, &[(25, 10_000)]);
		let (taker, giver) = (buyer(2, &[(20, 500)]), seller(3, &[(12, 500)]));
		run_to_end(FIRST);
		taker.take(FIRST, 500);
		giver.give(FIRST, 500);
		run_past_window(FIRST);
		assert_ok!(settle(FIRST, &[&taker, &giver]));
		// The others trade as if it were not there.
		assert_eq!(bills().len(), 2);
		assert_eq!(silent.credit(), 1_000 * CENT);
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn a_meter_that_is_offline_for_a_day_delivers_later_and_trades_from_then_on() {
	trade(|| {
		let home = seller(1, &[(12, 500)]);
		run_to_end(FIRST + 20);
		events();
		for slot in FIRST..FIRST + 20 {
			home.give(slot, 400);
		}
		let reasons = ignored();
		assert_eq!(reasons, vec![IgnoredReason::WindowOver; 20]);
		home.give(FIRST + 20, 400);
		assert_eq!(ignored(), []);
		assert_eq!(EnergyTrading::open_slots(MARKET, 9), [(FIRST + 20, false)]);
	});
}

#[test]
fn a_market_without_its_operator_goes_on() {
	trade(|| {
		let (taker, giver) = (buyer(1, &[(20, 500)]), seller(2, &[(12, 500)]));
		// Even the operator's account is empty but for what it must keep.
		let all = free(&OPERATOR) - ED;
		assert_ok!(Balances::transfer_keep_alive(signed(&OPERATOR), OTHER, all));
		for slot in FIRST..FIRST + 4 {
			run_to_end(slot);
			taker.take(slot, 500);
			giver.give(slot, 500);
			run_past_window(slot);
			idle();
			assert_ok!(settle(slot, &[&taker, &giver]));
		}
		assert_eq!(bills().len(), 8);
		for home in [&taker, &giver] {
			assert_ok!(EnergyTrading::leave(
				signed(&OWNER),
				MARKET,
				Some(home.id.clone())
			));
		}
		assert_eq!(free(&market_account()), ED + reserve());
	});
}

#[test]
fn a_hundred_and_eighteen_meters_report_at_once() {
	trade(|| {
		let homes: Vec<Home> = (0..118)
			.map(|number| {
				let cents = u128::from(number % 16);
				let wants = order(&[(10 + cents, 3_000)], &[(25 - cents, 3_000)]);
				member(number, wants, 1_000)
			})
			.collect();
		run_to_end(FIRST);
		for (number, home) in homes.iter().enumerate() {
			home.report(FIRST, 50 * number as i64, 7 * (118 - number as i64));
		}
		let book = EnergyTrading::open_book(MARKET, FIRST).expect("it is open");
		run_past_window(FIRST);
		idle();
		let found = EnergyTrading::cleared_slot(MARKET, FIRST).expect("it is cleared");
		assert_eq!(found.clearing, book.indicative);
		events();
		let all: Vec<&Home> = homes.iter().collect();
		assert_ok!(settle(FIRST, &all));
		let bills = bills();
		// Of the first one nothing was taken, but something given.
		assert_eq!(bills.len(), 118);
		let bought: u128 = bills.iter().map(|bill| bill.1).sum();
		let sold: u128 = bills.iter().map(|bill| bill.2).sum();
		assert!(bought >= sold && bought - sold < 118, "{bought} {sold}");
		assert_eq!(slot_bytes(), 0);
		// No home is worse off than with the utility alone, whatever it bought or sold, and none beyond its limit.
		for (number, (home, (id, bought, sold, price))) in homes.iter().zip(&bills).enumerate() {
			assert_eq!(home.id, *id);
			let price = price.expect("it trades");
			let cents = number as u128 % 16;
			let mwh = |wh: usize| wh as u128 * 1_000;
			assert!(*bought == 0 || price <= (10 + cents) * CENT);
			assert!(*sold == 0 || price >= (25 - cents) * CENT);
			assert!(*bought <= mwh(50 * number).min(mwh(3_000)));
			assert!(*sold <= mwh(7 * (118 - number)).min(mwh(3_000)));
			let with_utility = 1_000 * CENT + 8 * CENT / 1_000_000 * sold - 30 * CENT / 1_000_000 * bought;
			assert!(home.credit() >= with_utility, "home {number}");
		}
	});
}

#[test]
fn two_keepers_race_and_nothing_is_paid_twice() {
	trade(|| {
		let homes: Vec<Home> = (0..6)
			.map(|number| member(number, order(&[(20, 300)], &[(12, 500)]), 1_000))
			.collect();
		run_to_end(FIRST);
		for (number, home) in homes.iter().enumerate() {
			home.report(
				FIRST,
				if number < 3 { 300 } else { 0 },
				if number < 3 { 0 } else { 500 },
			);
		}
		run_past_window(FIRST);
		let one: Vec<&Home> = homes.iter().collect();
		let other: Vec<&Home> = homes.iter().rev().collect();
		assert_ok!(clear(FIRST));
		assert_eq!(clear(FIRST), Err(refusal(Error::AlreadyCleared)));
		assert_ok!(settle(FIRST, &one[..4]));
		assert_ok!(settle(FIRST, &other[..4]));
		assert_ok!(settle(FIRST, &[]).or_else(|error| {
			assert_eq!(error, refusal(Error::UnknownSlot));
			Ok::<_, sp_runtime::DispatchError>(())
		}));
		assert_eq!(bills().len(), 6);
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn a_convicted_anchor_changes_no_bill() {
	trade(|| {
		let (taker, giver) = (buyer(1, &[(20, 500)]), seller(2, &[(12, 500)]));
		run_to_end(FIRST);
		taker.take(FIRST, 500);
		giver.give(FIRST, 500);
		run_past_window(FIRST);
		assert_ok!(settle(FIRST, &[&taker]));
		// The operator's answer: the member trades no more. What it earned is settled.
		assert_ok!(EnergyTrading::remove_member(
			signed(&OPERATOR),
			MARKET,
			giver.id.clone()
		));
		assert_ok!(settle(FIRST, &[&giver]));
		assert_ok!(EnergyTrading::remove_member(
			signed(&OPERATOR),
			MARKET,
			giver.id.clone()
		));
		assert_eq!(slot_bytes(), 0);
	});
}
