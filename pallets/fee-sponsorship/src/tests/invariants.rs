//! The check of the invariants finds each kind of damage.

use crate::{
	Attached, Bucket, Buckets, BudgetRecord, Budgets, HoldReason, NextBudget, NextSponsorship, SponsoredBy,
	SponsorshipId, SponsorshipOf, Sponsorships, mock::*,
};
use frame_support::{
	BoundedVec, assert_ok,
	traits::{
		fungible::{Mutate, MutateHold},
		tokens::{Precision::Exact, Preservation::Expendable},
	},
};
use m2m_device::DeviceStatus;

/// The devices of the damaged state, and the sponsorships of the first and of the second.
struct State {
	devices: [Device; 2],
	open: SponsorshipId,
	closed: SponsorshipId,
}

/// Damages a state with two devices of Alice, each with a budget and a used sponsorship, of which the second
/// was closed, and expects the check to name the invariant.
fn damage(expected: &str, act: impl FnOnce(&State)) {
	ExtBuilder::build().execute_with(|| {
		let devices = [device(1), device(2)];
		let [open, closed] = [0, 1].map(|index| {
			let number = sponsor(&devices[index]);
			send(&devices[index].key, report(100));
			assert_ok!(FeeSponsorship::set_budget(
				signed(&ALICE),
				devices[index].id.clone(),
				1_000,
				DAY
			));
			number
		});
		assert_ok!(FeeSponsorship::close(signed(&SPONSOR), closed));
		assert_ok!(FeeSponsorship::do_try_state());
		act(&State {
			devices,
			open,
			closed,
		});
		match FeeSponsorship::do_try_state() {
			Err(sp_runtime::TryRuntimeError::Other(found)) => assert_eq!(found, expected),
			other => panic!("{other:?} instead of {expected}"),
		}
	});
}

fn change(number: SponsorshipId, change: impl FnOnce(&mut SponsorshipOf<Test>)) {
	Sponsorships::<Test>::mutate(number, |record| change(record.as_mut().expect("it exists")));
}

fn change_budget(device: &Device, change: impl FnOnce(&mut BudgetRecord)) {
	Budgets::<Test>::mutate(&device.id, |record| change(record.as_mut().expect("it is set")));
}

#[test]
fn damaged_sponsorships_are_found() {
	damage("1: a number not given out", |_| NextSponsorship::<Test>::put(1));
	damage("1: no capacity", |state| {
		Buckets::<Test>::insert(state.open, &state.devices[0].id, Bucket::full(1));
		change(state.open, |record| record.terms.capacity = 0);
	});
	damage("1: an empty allow-list", |state| {
		change(state.open, |record| record.calls = BoundedVec::new());
	});
	damage("1: not in the sponsor's index", |state| {
		SponsoredBy::<Test>::remove(SPONSOR, state.open);
	});
	damage("1: generation", |state| {
		change(state.open, |record| record.generation = None);
	});
}

#[test]
fn a_pot_that_cannot_return_its_deposits_is_found() {
	damage("2: a pot below its deposits", |state| {
		// Closed, it holds nothing but them.
		let pot = FeeSponsorship::pot(state.closed);
		assert_ok!(<Balances as Mutate<_>>::transfer(&pot, &BOB, 1, Expendable));
	});
}

#[test]
fn miscounted_buckets_and_closed_sponsorships_in_use_are_found() {
	damage("3: buckets", |state| {
		Buckets::<Test>::insert(state.open, &state.devices[1].id, Bucket::full(1));
	});
	damage("3: buckets", |state| {
		Buckets::<Test>::remove(state.open, &state.devices[0].id);
	});
	damage("3: a closed sponsorship that is in use", |state| {
		Attached::<Test>::insert(&state.devices[1].id, state.closed);
	});
	damage("3: a closed sponsorship that is in use", |state| {
		Buckets::<Test>::remove(state.closed, &state.devices[1].id);
		change(state.closed, |record| record.buckets = 0);
	});
}

#[test]
fn damaged_buckets_are_found() {
	damage("4: a bucket without a sponsorship", |state| {
		Buckets::<Test>::insert(9, &state.devices[0].id, Bucket::full(1));
	});
	damage("4: more spent than a bucket holds", |state| {
		let bucket = Bucket {
			spent: 10_001,
			block: 1,
		};
		Buckets::<Test>::insert(state.open, &state.devices[0].id, bucket);
	});
	damage("4: a bucket from the future", |state| {
		let tomorrow = Bucket::full(System::block_number() + 1);
		Buckets::<Test>::insert(state.open, &state.devices[0].id, tomorrow);
	});
}

#[test]
fn index_entries_that_lead_nowhere_or_elsewhere_are_found() {
	damage("5: the sponsors' index", |state| {
		SponsoredBy::<Test>::insert(BOB, state.open, ());
	});
	damage("5: the sponsors' index", |_| {
		SponsoredBy::<Test>::insert(SPONSOR, 9, ());
	});
	damage("6: attached to another account", |state| {
		Attached::<Test>::insert(ALICE, state.open);
	});
	damage("6: attached to another account", |_| {
		Attached::<Test>::insert(ALICE, 9);
	});
}

#[test]
fn damaged_budgets_are_found() {
	damage("7: a budget's number", |_| NextBudget::<Test>::put(1));
	damage("7: a budget's number", |state| {
		change_budget(&state.devices[0], |record| record.budget.number = 1);
	});
	damage("7: an empty budget", |state| {
		change_budget(&state.devices[0], |record| record.budget.period_ms = 0);
	});
	damage("7: an empty budget", |state| {
		change_budget(&state.devices[0], |record| record.budget.limit = 0);
	});
	damage("7: more spent than allowed", |state| {
		change_budget(&state.devices[0], |record| record.budget.spent = 1_001);
	});
}

#[test]
fn deposits_that_no_budget_explains_are_found() {
	let expected = "8: deposits of budgets";
	damage(expected, |state| {
		change_budget(&state.devices[0], |record| record.deposit += 1);
	});
	damage(expected, |_| {
		assert_ok!(Balances::release(
			&HoldReason::BudgetDeposit.into(),
			&ALICE,
			1,
			Exact
		));
	});
	// On an account that pays for no budget at all.
	damage(expected, |_| {
		assert_ok!(Balances::hold(&HoldReason::BudgetDeposit.into(), &BOB, 1));
	});
	damage("8: an account that does not exist pays for a budget", |state| {
		let deposit = FeeSponsorship::budget_deposit();
		assert_ok!(Balances::release(
			&HoldReason::BudgetDeposit.into(),
			&ALICE,
			deposit,
			Exact
		));
		change_budget(&state.devices[0], |record| record.payer = PAUPER);
	});
}

#[test]
fn budgets_of_devices_that_never_were_or_not_yet_are_found() {
	damage("9: a budget of an unknown device", |state| {
		let record = Budgets::<Test>::take(&state.devices[0].id).expect("it is set");
		Budgets::<Test>::insert(Device::number(9).id, record);
	});
	damage("9: a budget from a later generation", |state| {
		change_budget(&state.devices[0], |record| record.budget.generation = 1);
	});
}

#[test]
fn a_budget_of_an_earlier_owner_or_of_a_retired_device_is_no_damage() {
	ExtBuilder::execute(|| {
		let devices = [device(1), device(2)];
		for device in &devices {
			assert_ok!(FeeSponsorship::set_budget(
				signed(&ALICE),
				device.id.clone(),
				1_000,
				DAY
			));
		}
		devices[0].set(&BOB, 1, DeviceStatus::Active);
		devices[1].set(&ALICE, 0, DeviceStatus::Retired);
		assert_ok!(FeeSponsorship::do_try_state());
	});
}
