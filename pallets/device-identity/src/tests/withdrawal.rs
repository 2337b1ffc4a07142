//! The owner takes money from a wallet.

use crate::{Error, Event, mock::*};
use frame_support::{
	assert_noop, assert_ok,
	traits::{fungible::MutateHold, tokens::Precision::Exact},
};
use sp_runtime::{AccountId32, traits::BadOrigin};

#[test]
fn the_owner_withdraws_all_but_the_existential_deposit() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let before = Balances::free_balance(ALICE);
		assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), 5_000));
		assert_ok!(Identity::withdraw(signed(&ALICE), device.clone(), Some(2_000)));
		assert_eq!(
			events().last(),
			Some(&Event::Withdrawn {
				device: device.clone(),
				to: ALICE,
				amount: 2_000
			})
		);
		assert_ok!(Identity::withdraw(signed(&ALICE), device.clone(), None));
		assert_eq!(
			events().last(),
			Some(&Event::Withdrawn {
				device: device.clone(),
				to: ALICE,
				amount: 3_000
			})
		);
		assert_eq!(Balances::free_balance(ALICE), before + 5_000);
		assert_eq!(Balances::free_balance(&device), ED);
		assert_eq!(Balances::reserved_balance(&device), Identity::deposit_for(1));
	});
}

#[test]
fn more_than_the_wallet_has_is_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), 5_000));
		for amount in [5_001, 5_000 + ED, Balance::MAX] {
			assert_noop!(
				Identity::withdraw(signed(&ALICE), device.clone(), Some(amount)),
				Error::<Test>::ExceedsWithdrawable
			);
		}
		assert_ok!(Identity::withdraw(signed(&ALICE), device, Some(5_000)));
	});
}

#[test]
fn what_is_held_for_something_else_stays() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), 5_000));
		let reason = streams::HoldReason::StreamDeposit.into();
		assert_ok!(Balances::hold(&reason, &device, 4_000));
		assert_noop!(
			Identity::withdraw(signed(&ALICE), device.clone(), Some(1_001)),
			Error::<Test>::ExceedsWithdrawable
		);
		assert_ok!(Identity::withdraw(signed(&ALICE), device.clone(), None));
		assert_eq!(Balances::free_balance(&device), ED);
		assert_ok!(Balances::release(&reason, &device, 4_000, Exact));
	});
}

#[test]
fn nothing_is_not_withdrawn() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		for amount in [None, Some(0)] {
			assert_noop!(
				Identity::withdraw(signed(&ALICE), device.clone(), amount),
				Error::<Test>::NothingToWithdraw
			);
		}
	});
}

#[test]
fn a_stolen_key_cannot_withdraw() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), 5_000));
		let thief = key(0).account();
		for amount in [None, Some(1)] {
			assert_noop!(
				Identity::withdraw(signed(&thief), device.clone(), amount),
				Error::<Test>::NotOwner
			);
			assert_noop!(
				Identity::withdraw(signed(&BOB), device.clone(), amount),
				Error::<Test>::NotOwner
			);
		}
	});
}

#[test]
fn the_owner_withdraws_whatever_the_status() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), 5_000));
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		assert_ok!(Identity::withdraw(signed(&ALICE), device.clone(), Some(1)));
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_ok!(Identity::withdraw(signed(&ALICE), device, None));
	});
}

#[test]
fn the_last_owner_withdraws_for_ever() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		assert_noop!(
			Identity::withdraw(signed(&ALICE), device.clone(), None),
			Error::<Test>::NothingToWithdraw
		);
		let before = Balances::free_balance(ALICE);
		for amount in [ED, 5_000] {
			// A late payment comes in.
			assert_ok!(Balances::transfer_keep_alive(
				signed(&BOB),
				device.clone(),
				amount
			));
			assert_noop!(
				Identity::withdraw(signed(&BOB), device.clone(), None),
				Error::<Test>::NotOwner
			);
			assert_ok!(Identity::withdraw(signed(&ALICE), device.clone(), None));
			assert!(!System::account_exists(&device));
			advance(365 * DAY);
		}
		assert_eq!(Balances::free_balance(ALICE), before + ED + 5_000);
	});
}

#[test]
fn a_partial_withdrawal_from_a_retired_device_destroys_no_remainder() {
	ExtBuilder::default().build_and_execute(|| {
		let issuance = Balances::total_issuance() - 2 * TombstonePrice::get();
		let device = register(&ALICE, &key(0));
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), 5_000));
		for amount in [5_000 - ED + 1, 4_999, 5_001] {
			assert_noop!(
				Identity::withdraw(signed(&ALICE), device.clone(), Some(amount)),
				Error::<Test>::ExceedsWithdrawable
			);
		}
		assert_ok!(Identity::withdraw(
			signed(&ALICE),
			device.clone(),
			Some(5_000 - ED)
		));
		assert_eq!(Balances::free_balance(&device), ED);
		assert_ok!(Identity::withdraw(signed(&ALICE), device.clone(), Some(ED)));
		assert!(!System::account_exists(&device));
		assert_eq!(Balances::total_issuance(), issuance);
	});
}

#[test]
fn an_owner_who_cannot_receive_loses_nothing() {
	let needed = 2 * ED + Identity::deposit_for(1);
	ExtBuilder::default().endow(PAUPER, needed).build_and_execute(|| {
		let device = register(&PAUPER, &key(0));
		assert_ok!(Balances::transfer_allow_death(signed(&PAUPER), BOB, ED));
		assert!(!System::account_exists(&PAUPER));
		assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), ED));
		assert_noop!(
			Identity::withdraw(signed(&PAUPER), device.clone(), Some(ED - 1)),
			Error::<Test>::OwnerCannotReceive
		);
		assert_ok!(Identity::withdraw(signed(&PAUPER), device, Some(ED)));
		assert_eq!(Balances::free_balance(PAUPER), ED);
	});
}

#[test]
fn unknown_devices_have_no_wallet() {
	ExtBuilder::default()
		.endow(key(0).device(), 5_000)
		.build_and_execute(|| {
			// Money alone makes no device: until the registration nobody takes it.
			for device in [AccountId32::new([1; 32]), key(0).device()] {
				assert_noop!(
					Identity::withdraw(signed(&ALICE), device, None),
					Error::<Test>::UnknownDevice
				);
			}
		});
}

#[test]
fn only_a_signed_origin_withdraws() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_noop!(
			Identity::withdraw(RuntimeOrigin::root(), device.clone(), None),
			BadOrigin
		);
		assert_noop!(Identity::withdraw(RuntimeOrigin::none(), device, None), BadOrigin);
	});
}
