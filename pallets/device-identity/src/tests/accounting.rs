//! Money is conserved, and a payout to a wallet cannot be locked.

use crate::{Devices, mock::*};
use frame_support::assert_ok;
use m2m_device::Roles;

#[test]
fn nothing_but_retirement_changes_the_issuance() {
	ExtBuilder::default().build_and_execute(|| {
		let issuance = Balances::total_issuance();
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			100_000
		));
		assert_ok!(add(&key(0).account(), &device, &key(1), Roles::ALL));
		assert_ok!(rotate(&ALICE, &device, &key(1), &key(2), 10));
		advance(11);
		assert_ok!(Identity::prune_keys(signed(&BOB), device.clone()));
		assert_ok!(remove(&ALICE, &device, &key(2)));
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		assert_ok!(Identity::withdraw(signed(&ALICE), device.clone(), None));
		assert_eq!(Balances::total_issuance(), issuance);
		assert_ok!(Identity::retire(signed(&ALICE), device));
		assert_eq!(Balances::total_issuance(), issuance - 4 * TombstonePrice::get());
		let (alice, bob) = (Balances::free_balance(ALICE), Balances::free_balance(BOB));
		assert_eq!(alice + bob, Balances::total_issuance());
	});
}

#[test]
fn the_deposit_grows_with_every_key_and_never_falls_before_retirement() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let held = || Balances::reserved_balance(&device);
		for number in 1..20 {
			assert_ok!(add(&ALICE, &device, &key(number), TRADE));
			assert_eq!(held(), Identity::deposit_for(u32::from(number) + 1));
			assert_ok!(remove(&ALICE, &device, &key(number)));
			assert_eq!(held(), Identity::deposit_for(u32::from(number) + 1));
		}
		assert_eq!(Devices::<Test>::get(&device).expect("lives").deposit, held());
	});
}

#[test]
fn the_price_is_linear_in_the_keys() {
	let step = Identity::deposit_for(2) - Identity::deposit_for(1);
	assert_eq!(Identity::deposit_for(100), Identity::deposit_for(0) + 100 * step);
	assert!(step > TombstonePrice::get());
}

#[test]
fn nothing_can_lock_a_payout_to_a_wallet() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		// After everything was taken out, even one unit arrives.
		assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), 1));
		assert_eq!(Balances::free_balance(&device), ED + 1);
		assert_ok!(Identity::withdraw(signed(&ALICE), device.clone(), None));
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), 1));
		assert_ok!(Identity::withdraw(signed(&ALICE), device, None));
	});
}

#[test]
fn a_cheaper_price_gives_the_difference_back_at_the_next_key() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		// As if the deposit had been taken at a higher price.
		let dearer = 10 * Identity::deposit_for(1);
		let hold = dearer - Identity::deposit_for(1);
		assert_ok!(Balances::transfer_keep_alive(
			signed(&ALICE),
			device.clone(),
			hold
		));
		use frame_support::traits::fungible::MutateHold;
		assert_ok!(Balances::hold(
			&crate::HoldReason::DeviceDeposit.into(),
			&device,
			hold
		));
		Devices::<Test>::mutate(&device, |record| {
			if let Some(record) = record {
				record.deposit = dearer;
			}
		});
		let owner = Balances::free_balance(ALICE);
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		assert_eq!(Balances::free_balance(ALICE), owner);
		assert_eq!(
			Balances::free_balance(&device),
			ED + dearer - Identity::deposit_for(2)
		);
	});
}

#[test]
fn a_tombstone_price_above_an_old_deposit_does_not_block_retirement() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		// As if the deposit had been taken when storage was nearly free.
		use frame_support::traits::{fungible::MutateHold, tokens::Precision::Exact};
		let reason = crate::HoldReason::DeviceDeposit.into();
		assert_ok!(Balances::release(
			&reason,
			&device,
			Identity::deposit_for(1) - 30,
			Exact
		));
		Devices::<Test>::mutate(&device, |record| {
			if let Some(record) = record {
				record.deposit = 30;
			}
		});
		assert_ok!(Identity::withdraw(signed(&ALICE), device.clone(), None));
		let owner = Balances::free_balance(ALICE);
		assert_ok!(Identity::retire(signed(&ALICE), device));
		// Only what is above the existential deposit was burnt.
		assert_eq!(Balances::free_balance(ALICE), owner + ED);
	});
}
