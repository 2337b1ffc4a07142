//! Money in the market.

use crate::{
	Error, Event,
	mock::{home as home_of, *},
};
use frame_support::{assert_noop, assert_ok};
use m2m_device::OperatorActions;

fn withdraw(home: &Home, amount: Option<u128>) -> sp_runtime::DispatchResult {
	EnergyTrading::withdraw_credit(signed(&OWNER), MARKET, Some(home.id.clone()), amount)
}

#[test]
fn the_owner_tops_up_from_the_wallet_without_limit() {
	trade(|| {
		let home = member(1, Default::default(), 0);
		let before = free(&home.id);
		events();
		home.top_up(500 * CENT);
		assert_eq!((home.credit(), free(&home.id)), (500 * CENT, before - 500 * CENT));
		assert_eq!(free(&market_account()), ED + 500 * CENT);
		assert_eq!(
			events(),
			[Event::CreditToppedUp {
				market: MARKET,
				device: home.id.clone(),
				amount: 500 * CENT
			}]
		);
	});
}

#[test]
fn keys_and_operators_top_up_within_the_budget() {
	trade(|| {
		let home = member(1, Default::default(), 0);
		let by_key = |amount| EnergyTrading::top_up(signed(&home.account()), MARKET, None, amount);
		assert_noop!(by_key(1), budgets::Error::<Test>::BudgetExceeded);
		budgets::Left::<Test>::insert(&home.id, 10 * CENT);
		assert_ok!(by_key(6 * CENT));
		assert_noop!(by_key(5 * CENT), budgets::Error::<Test>::BudgetExceeded);
		// What was withdrawn does not come back to the budget.
		assert_ok!(withdraw(&home, None));
		assert_noop!(by_key(5 * CENT), budgets::Error::<Test>::BudgetExceeded);
		let actions = OperatorActions {
			manage: false,
			trade: true,
			suspend: false,
		};
		assert_ok!(Identity::grant(
			signed(&OWNER),
			home.id.clone(),
			OTHER,
			actions,
			None
		));
		let by_operator =
			|amount| EnergyTrading::top_up(signed(&OTHER), MARKET, Some(home.id.clone()), amount);
		assert_ok!(by_operator(4 * CENT));
		assert_noop!(by_operator(1), budgets::Error::<Test>::BudgetExceeded);
	});
}

#[test]
fn a_wallet_keeps_its_existential_deposit() {
	trade(|| {
		let home = member(1, Default::default(), 0);
		let all = free(&home.id) - ED;
		let top_up = |amount| EnergyTrading::top_up(signed(&OWNER), MARKET, Some(home.id.clone()), amount);
		assert_noop!(top_up(all + 1), Error::<Test>::WalletCannotPay);
		assert_noop!(top_up(0), Error::<Test>::ZeroAmount);
		assert_ok!(top_up(all));
	});
}

#[test]
fn credit_goes_back_to_the_wallet_at_any_time() {
	trade(|| {
		let home = member(1, Default::default(), 10);
		let before = free(&home.id);
		assert_noop!(withdraw(&home, Some(10 * CENT + 1)), Error::<Test>::CreditTooLow);
		assert_noop!(withdraw(&home, Some(0)), Error::<Test>::ZeroAmount);
		events();
		assert_ok!(withdraw(&home, Some(1)));
		assert_eq!((home.credit(), free(&home.id)), (10 * CENT - 1, before + 1));
		assert_eq!(
			events(),
			[Event::CreditWithdrawn {
				market: MARKET,
				device: home.id.clone(),
				amount: 1
			}]
		);
		assert_ok!(withdraw(&home, None));
		assert_eq!((home.credit(), free(&home.id)), (0, before + 10 * CENT));
		assert_noop!(withdraw(&home, None), Error::<Test>::ZeroAmount);
		let stranger = home_of(2);
		assert_noop!(withdraw(&stranger, None), Error::<Test>::NotMember);
		assert_noop!(
			EnergyTrading::top_up(signed(&OWNER), MARKET, Some(stranger.id.clone()), 1),
			Error::<Test>::NotMember
		);
	});
}

#[test]
fn the_owner_of_a_suspended_or_lost_device_withdraws_and_leaves() {
	trade(|| {
		for (number, lost) in [(1, false), (2, true)] {
			let home = member(number, Default::default(), 10);
			if lost {
				assert_ok!(Identity::report_lost(signed(&OWNER), home.id.clone()));
			} else {
				assert_ok!(Identity::suspend(signed(&OWNER), home.id.clone()));
			}
			assert!(home.try_order(Default::default()).is_err());
			assert!(EnergyTrading::top_up(signed(&OWNER), MARKET, Some(home.id.clone()), 1).is_err());
			assert_ok!(withdraw(&home, Some(CENT)));
			let before = free(&home.id);
			assert_ok!(EnergyTrading::leave(
				signed(&OWNER),
				MARKET,
				Some(home.id.clone())
			));
			assert_eq!(
				free(&home.id),
				before + 9 * CENT + EnergyTrading::membership_deposit()
			);
		}
	});
}

#[test]
fn a_bid_counts_as_far_as_the_credit_covers_it() {
	trade(|| {
		// A Wh at 20 + 4 cents a kWh costs 0.024 cents: a cent covers 41 of them.
		let home = member(1, order(&[(20, 1_000), (15, 1_000)], &[]), 1);
		let per_wh = 24 * CENT / 1_000;
		run_to_end(FIRST);
		home.take(FIRST, 2_000);
		let entry = EnergyTrading::entry(MARKET, FIRST, &home.id).expect("it bids");
		assert_eq!(entry.bids[0].wh, 41);
		// What is left of the credit covers what it can of the next step: 0.016 cents, not one Wh at 0.019.
		assert_eq!(entry.bids.len(), 1);
		assert_eq!(home.credit(), CENT - 41 * per_wh);
		assert_eq!(
			EnergyTrading::open_book(MARKET, FIRST).map(|open| open.pot),
			Some(41 * per_wh)
		);
	});
}

#[test]
fn a_bid_without_any_credit_does_not_count() {
	trade(|| {
		let home = member(1, order(&[(20, 1_000)], &[]), 0);
		run_to_end(FIRST);
		home.take(FIRST, 2_000);
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn credit_that_runs_out_in_the_middle_of_a_day_hurts_nobody() {
	trade(|| {
		// 48 cents: two slots of a kWh at 20 + 4 set aside while the first one is not settled.
		let buyer = member(1, order(&[(20, 1_000)], &[]), 48);
		let seller = seller(2, &[(10, 1_000)]);
		let offered =
			|slot| EnergyTrading::entry(MARKET, slot, &buyer.id).map_or(0, |entry| entry.bids[0].wh);
		for slot in FIRST..FIRST + 3 {
			run_to_end(slot);
			buyer.take(slot, 1_000);
			seller.give(slot, 1_000);
		}
		assert_eq!(
			[offered(FIRST), offered(FIRST + 1), offered(FIRST + 2)],
			[1_000, 1_000, 0]
		);
		run_past_window(FIRST + 2);
		for slot in FIRST..FIRST + 3 {
			assert_ok!(settle(slot, &[&buyer, &seller]));
		}
		// Both slots trade a kWh at 15 cents; the third one had no bid.
		assert_eq!(buyer.credit(), 10 * CENT);
		assert_eq!(seller.credit(), 30 * CENT);
		assert_eq!(reserve(), 8 * CENT);
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn night_purchases_net_against_day_sales() {
	trade(|| {
		let solar = member(1, order(&[(20, 1_000)], &[(10, 1_000)]), 0);
		let grid = member(2, order(&[(20, 1_000)], &[(10, 1_000)]), 100);
		run_to_end(FIRST);
		solar.give(FIRST, 1_000);
		grid.take(FIRST, 1_000);
		run_past_window(FIRST);
		assert_ok!(settle(FIRST, &[&solar, &grid]));
		let earned = solar.credit();
		assert!(earned > 0);
		// What it sold pays for what it buys, without a transfer.
		run_to_end(FIRST + 1);
		solar.take(FIRST + 1, 500);
		grid.give(FIRST + 1, 500);
		run_past_window(FIRST + 1);
		assert_ok!(settle(FIRST + 1, &[&solar, &grid]));
		let price = EnergyTrading::last_price(MARKET).expect("it traded").1;
		assert_eq!(solar.credit(), earned - (price + 4 * CENT) / 2);
	});
}

#[test]
fn money_sent_to_the_market_by_mistake_changes_nothing() {
	externalities().execute_with(|| {
		market();
		let home = member(1, Default::default(), 10);
		assert_ok!(Balances::transfer_keep_alive(
			signed(&OTHER),
			market_account(),
			3 * CENT
		));
		assert_ok!(EnergyTrading::do_try_state());
		assert_ok!(withdraw(&home, None));
		assert_eq!(free(&market_account()), ED + 3 * CENT);
		assert_ok!(EnergyTrading::do_try_state());
	});
}
