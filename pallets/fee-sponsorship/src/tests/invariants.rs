//! The check of the invariants finds what is damaged, item by item.

use crate::{Attached, Bucket, Buckets, Budgets, HoldReason, NextBudget, SponsoredBy, Sponsorships, mock::*};
use frame_support::{assert_ok, traits::fungible::MutateHold};

/// Damages a state with a sponsorship in use and a budget, and looks at what the check says.
fn damage(expected: &str, act: impl FnOnce(u32, &Device)) {
	ExtBuilder::build().execute_with(|| {
		let device = device(1);
		let number = sponsor(&device);
		send(&device.key, report(100));
		assert_ok!(FeeSponsorship::set_budget(
			signed(&ALICE),
			device.id.clone(),
			5_000,
			DAY
		));
		assert_ok!(FeeSponsorship::do_try_state());
		act(number, &device);
		match FeeSponsorship::do_try_state() {
			Err(sp_runtime::TryRuntimeError::Other(found)) => assert_eq!(found, expected),
			other => panic!("{other:?} instead of {expected}"),
		}
	});
}

fn change(number: u32, change: impl FnOnce(&mut crate::SponsorshipOf<Test>)) {
	Sponsorships::<Test>::mutate(number, |record| change(record.as_mut().expect("it is there")));
}

fn change_budget(device: &Device, change: impl FnOnce(&mut crate::BudgetRecord)) {
	Budgets::<Test>::mutate(&device.id, |record| change(record.as_mut().expect("it is there")));
}

#[test]
fn damaged_sponsorships_are_found() {
	damage("1: a number not given out", |_, _| {
		crate::NextSponsorship::<Test>::kill()
	});
	damage("1: no capacity", |number, device| {
		// Nothing is spent of nothing.
		Buckets::<Test>::insert(number, &device.id, Bucket { spent: 0, block: 1 });
		change(number, |record| record.terms.capacity = 0);
	});
	damage("1: an empty allow-list", |number, _| {
		change(number, |record| record.calls.clear())
	});
	damage("1: not in the sponsor's index", |number, _| {
		SponsoredBy::<Test>::remove(&SPONSOR, number)
	});
	damage("1: generation", |number, _| {
		change(number, |record| record.generation = None)
	});
	damage("2: a pot below its deposits", |number, _| {
		let pot = FeeSponsorship::pot(number);
		let rest = Balances::free_balance(&pot) - ED;
		assert_ok!(Balances::transfer_keep_alive(signed(&pot), BOB, rest));
	});
	damage("3: buckets", |number, _| {
		change(number, |record| record.buckets = 2)
	});
	damage("3: a closed sponsorship that is in use", |number, _| {
		change(number, |record| record.closed = true)
	});
	damage("5: the sponsors' index", |number, _| {
		SponsoredBy::<Test>::insert(&BOB, number, ())
	});
	damage("6: attached to another account", |number, _| {
		Attached::<Test>::insert(&BOB, number)
	});
}

#[test]
fn damaged_buckets_are_found() {
	damage("4: a bucket without a sponsorship", |_, device| {
		Buckets::<Test>::insert(99, &device.id, Bucket { spent: 1, block: 1 })
	});
	damage("4: more spent than a bucket holds", |number, device| {
		Buckets::<Test>::insert(
			number,
			&device.id,
			Bucket {
				spent: 10_001,
				block: 1,
			},
		)
	});
	damage("4: a bucket from the future", |number, device| {
		Buckets::<Test>::insert(number, &device.id, Bucket { spent: 1, block: 99 })
	});
}

#[test]
fn damaged_budgets_are_found() {
	damage("7: a budget without a device", |_, device| {
		fleet::Devices::<Test>::remove(&device.id)
	});
	damage("7: a budget from the future", |_, device| {
		change_budget(device, |record| record.budget.generation = 1)
	});
	damage("7: a budget's number", |_, _| NextBudget::<Test>::kill());
	damage("7: an empty budget", |_, device| {
		change_budget(device, |record| record.budget.limit = 0)
	});
	damage("7: more spent than allowed", |_, device| {
		change_budget(device, |record| record.budget.spent = 5_001)
	});
	damage("8: deposits of budgets", |_, device| {
		change_budget(device, |record| record.deposit += 1)
	});
	damage("8: deposits of budgets", |_, _| {
		assert_ok!(Balances::hold(&HoldReason::BudgetDeposit.into(), &BOB, 1));
	});
	damage("8: deposits of budgets", |_, device| {
		Budgets::<Test>::remove(&device.id)
	});
	damage("8: a deposit on no account", |_, device| {
		change_budget(device, |record| record.payer = PAUPER);
		assert_ok!(Balances::release_all(
			&HoldReason::BudgetDeposit.into(),
			&ALICE,
			frame_support::traits::tokens::Precision::Exact
		));
	});
}
