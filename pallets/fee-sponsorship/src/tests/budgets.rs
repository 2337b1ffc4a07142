//! Budgets: who sets them, what they bound, and their deposits.

use crate::{Budgets, Error, Event, HoldReason, NextBudget, mock::*};
use frame_support::{assert_noop, assert_ok, traits::fungible::InspectHold};
use m2m_device::{BudgetPeriod, DeviceStatus, OnDeviceEnded, SpendLimit};

fn held(who: &m2m_device::AccountId) -> Balance {
	Balances::balance_on_hold(&HoldReason::BudgetDeposit.into(), who)
}

fn set(
	by: &m2m_device::AccountId,
	device: &Device,
	limit: Balance,
	period: u64,
) -> sp_runtime::DispatchResult {
	FeeSponsorship::set_budget(signed(by), device.id.clone(), limit, period)
}

fn clear(by: &m2m_device::AccountId, device: &Device) -> sp_runtime::DispatchResult {
	FeeSponsorship::clear_budget(signed(by), device.id.clone())
}

fn left(device: &Device) -> Option<Balance> {
	FeeSponsorship::budget_left(&device.id).map(|(_, left, _)| left)
}

#[test]
fn only_the_owner_sets_a_budget() {
	ExtBuilder::execute(|| {
		let device = device(1);
		for stranger in [&BOB, &device.key, &device.id] {
			assert_noop!(set(stranger, &device, 100, DAY), Error::<Test>::NotOwner);
		}
		assert_noop!(set(&ALICE, &device, 0, DAY), Error::<Test>::ZeroAmount);
		assert_noop!(set(&ALICE, &device, 100, 0), Error::<Test>::ZeroPeriod);
		assert_noop!(
			set(&ALICE, &Device::number(9), 100, DAY),
			Error::<Test>::UnknownDevice
		);
		assert_ok!(set(&ALICE, &device, 100, DAY));
		assert_eq!(left(&device), Some(100));
		assert_eq!(held(&ALICE), FeeSponsorship::budget_deposit());
		assert_eq!(
			events(),
			[Event::BudgetSet {
				device: device.id,
				budget: 0,
				limit: 100,
				period_ms: DAY,
			}]
		);
	});
}

#[test]
fn an_owner_without_money_for_the_deposit_sets_none() {
	ExtBuilder::execute(|| {
		let device = Device::number(1);
		device.register(&PAUPER);
		assert_noop!(set(&PAUPER, &device, 100, DAY), Error::<Test>::CannotPay);
	});
}

#[test]
fn numbers_of_budgets_are_never_given_out_twice() {
	ExtBuilder::execute(|| {
		let device = device(1);
		NextBudget::<Test>::put(u32::MAX);
		assert_noop!(set(&ALICE, &device, 100, DAY), Error::<Test>::NumbersExhausted);
	});
}

#[test]
fn no_budget_means_that_device_keys_spend_nothing() {
	ExtBuilder::execute(|| {
		let device = device(1);
		assert_noop!(FeeSponsorship::spend(&device.id, 1), Error::<Test>::NoBudget);
		assert_noop!(
			FeeSponsorship::spend(&Device::number(9).id, 1),
			Error::<Test>::UnknownDevice
		);
		// And giving back what was never taken does nothing.
		let period = BudgetPeriod { budget: 0, number: 0 };
		FeeSponsorship::unspend(&device.id, 1, period);
		assert_eq!(Budgets::<Test>::iter().count(), 0);
	});
}

#[test]
fn a_stolen_trade_key_loses_at_most_one_budget() {
	ExtBuilder::execute(|| {
		let device = device(1);
		fund(&device.id, ENDOWMENT / 10);
		assert_ok!(set(&ALICE, &device, 5_000, DAY));
		let before = free(&device.id);
		// Fees for whatever it likes, and trades: what a market holds it asks for first.
		let mut lost = 0;
		for _ in 0..100 {
			for amount in [1_000, 7] {
				if FeeSponsorship::spend(&device.id, amount).is_ok() {
					assert_ok!(Balances::transfer_allow_death(signed(&device.id), BOB, amount));
					lost += amount;
				}
			}
			let _ = apply(&device.key, remark());
		}
		assert!(lost > 0 && free(&device.id) < before - lost);
		assert!(before - free(&device.id) <= 5_000);
		assert_eq!(left(&device), Some(5_000 - (before - free(&device.id))));
	});
}

#[test]
fn fees_and_trades_share_the_budget() {
	ExtBuilder::execute(|| {
		let device = device(1);
		fund(&device.id, ENDOWMENT / 10);
		let fee = most(&remark());
		assert_ok!(set(&ALICE, &device, fee + 10, DAY));
		assert_ok!(FeeSponsorship::spend(&device.id, 11));
		assert!(validate(&device.key, &remark()).is_err());
		assert_noop!(
			FeeSponsorship::spend(&device.id, fee),
			Error::<Test>::BudgetExceeded
		);
		assert_ok!(FeeSponsorship::spend(&device.id, fee - 1));
		assert_eq!(left(&device), Some(0));
		// The next period begins a day after the budget was set.
		let blocks = DAY / BLOCK_MS;
		advance(blocks - 1);
		assert!(validate(&device.key, &remark()).is_err());
		advance(1);
		assert_ok!(validate(&device.key, &remark()));
	});
}

#[test]
fn a_released_hold_comes_back_in_its_period_and_not_later() {
	ExtBuilder::execute(|| {
		let device = device(1);
		assert_ok!(set(&ALICE, &device, 100, DAY));
		let period = FeeSponsorship::spend(&device.id, 80).expect("within the limit");
		FeeSponsorship::unspend(&device.id, 30, period);
		assert_eq!(left(&device), Some(50));
		advance(DAY / BLOCK_MS);
		assert_eq!(left(&device), Some(100));
		let next = FeeSponsorship::spend(&device.id, 60).expect("a new period");
		assert_ne!(period, next);
		FeeSponsorship::unspend(&device.id, 50, period);
		assert_eq!(left(&device), Some(40));
		FeeSponsorship::unspend(&device.id, 60, next);
		assert_eq!(left(&device), Some(100));
	});
}

#[test]
fn what_was_taken_under_one_budget_never_comes_back_to_another() {
	ExtBuilder::execute(|| {
		let device = device(1);
		assert_ok!(set(&ALICE, &device, 100, DAY));
		let old = FeeSponsorship::spend(&device.id, 80).expect("within the limit");
		assert_ok!(set(&ALICE, &device, 90, DAY));
		assert_ok!(FeeSponsorship::spend(&device.id, 90));
		FeeSponsorship::unspend(&device.id, 80, old);
		assert_eq!(left(&device), Some(0));
		// Nor after it was cleared in between.
		assert_ok!(clear(&ALICE, &device));
		assert_ok!(set(&ALICE, &device, 70, DAY));
		assert_ok!(FeeSponsorship::spend(&device.id, 70));
		FeeSponsorship::unspend(&device.id, 80, old);
		assert_eq!(left(&device), Some(0));
	});
}

#[test]
fn a_budget_is_cleared_by_its_owner_and_by_anybody_when_he_is_not_the_owner_any_more() {
	ExtBuilder::execute(|| {
		let device = device(1);
		assert_noop!(clear(&ALICE, &device), Error::<Test>::NoBudget);
		assert_ok!(set(&ALICE, &device, 100, DAY));
		assert_noop!(clear(&BOB, &device), Error::<Test>::NotOwner);
		assert_ok!(clear(&ALICE, &device));
		assert_eq!(held(&ALICE), 0);
		assert_eq!(
			events().last(),
			Some(&Event::BudgetCleared {
				device: device.id.clone()
			})
		);
		assert_ok!(set(&ALICE, &device, 100, DAY));
		device.set(&SPONSOR, 1, DeviceStatus::Active);
		assert_eq!(left(&device), None);
		assert_noop!(FeeSponsorship::spend(&device.id, 1), Error::<Test>::NoBudget);
		assert_ok!(clear(&BOB, &device));
		assert_eq!(held(&ALICE), 0);
		assert_ok!(set(&SPONSOR, &device, 100, DAY));
		device.set(&SPONSOR, 1, DeviceStatus::Retired);
		assert_ok!(clear(&BOB, &device));
		assert_eq!(held(&SPONSOR), 0);
	});
}

#[test]
fn a_budget_ends_with_the_ownership_and_its_deposit_goes_back() {
	ExtBuilder::execute(|| {
		let (sold, retired, kept) = (device(1), device(2), device(3));
		for device in [&sold, &retired, &kept] {
			assert_ok!(set(&ALICE, device, 100, DAY));
		}
		sold.set(&BOB, 1, DeviceStatus::Active);
		retired.set(&ALICE, 0, DeviceStatus::Retired);
		for device in [&sold, &retired] {
			FeeSponsorship::ended(&device.id);
			assert!(!Budgets::<Test>::contains_key(&device.id));
			assert_eq!(
				events().last(),
				Some(&Event::BudgetCleared {
					device: device.id.clone()
				})
			);
		}
		assert_eq!(held(&ALICE), FeeSponsorship::budget_deposit());
		assert_eq!(left(&kept), Some(100));
	});
}

#[test]
fn nothing_ends_with_the_ownership_of_a_device_without_a_budget() {
	ExtBuilder::execute(|| {
		let device = device(1);
		device.set(&BOB, 1, DeviceStatus::Active);
		FeeSponsorship::ended(&device.id);
		assert!(events().is_empty());
	});
}

#[test]
fn replacing_a_budget_gives_the_deposit_back_to_whoever_paid_it() {
	ExtBuilder::execute(|| {
		let device = device(1);
		assert_ok!(set(&ALICE, &device, 100, DAY));
		assert_ok!(set(&ALICE, &device, 200, DAY));
		assert_eq!(held(&ALICE), FeeSponsorship::budget_deposit());
		device.set(&SPONSOR, 1, DeviceStatus::Active);
		assert_ok!(set(&SPONSOR, &device, 300, DAY));
		assert_eq!(
			(held(&ALICE), held(&SPONSOR)),
			(0, FeeSponsorship::budget_deposit())
		);
		assert_eq!(left(&device), Some(300));
	});
}

#[test]
fn the_owners_own_calls_are_not_limited() {
	ExtBuilder::execute(|| {
		let device = device(1);
		assert_ok!(set(&ALICE, &device, 1, DAY));
		send(&ALICE, remark());
		assert_eq!(last_fee().0, ALICE);
		assert_eq!(left(&device), Some(1));
	});
}

#[test]
fn what_others_ask_has_a_weight() {
	use crate::WeightInfo;
	assert_eq!(
		<FeeSponsorship as SpendLimit>::weight(),
		<()>::spend().max(<()>::unspend())
	);
	assert_eq!(<FeeSponsorship as OnDeviceEnded>::weight(), <()>::clear_budget());
}
