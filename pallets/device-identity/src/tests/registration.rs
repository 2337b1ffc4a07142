//! A device comes to the chain.

use crate::{Device, DeviceKeys, Devices, Error, Event, KeyEntry, Keys, OwnedDevices, mock::*};
use frame_support::{assert_noop, assert_ok};
use m2m_device::{DeviceStatus, PossessionAction, Roles};
use sp_core::H256;
use sp_runtime::traits::BadOrigin;

#[test]
fn a_device_of_each_scheme_is_registered_with_its_first_key() {
	ExtBuilder::default().build_and_execute(|| {
		for number in 0..3 {
			let key = key(number);
			let proof = key.prove(PossessionAction::Register, &ALICE, None, Roles::AUTHENTICATE);
			assert_ok!(Identity::register_device(
				signed(&ALICE),
				key.public(),
				Roles::AUTHENTICATE,
				proof,
				Some(GATEWAY),
				Some(H256::repeat_byte(3)),
			));
			let device = key.device();
			assert_eq!(
				Devices::<Test>::get(&device),
				Some(Device {
					owner: ALICE,
					status: DeviceStatus::Active,
					status_since: START,
					generation: 0,
					auth_version: 0,
					keys_introduced: 1,
					listed_bytes: 0,
					deposit: Identity::deposit_for(1),
					profile: Some(H256::repeat_byte(3)),
					gateway: Some(GATEWAY),
				})
			);
			assert_eq!(DeviceKeys::<Test>::get(&device).to_vec(), vec![key.account()]);
			assert!(OwnedDevices::<Test>::contains_key(ALICE, &device));
			let Some(KeyEntry::Active(entry)) = Keys::<Test>::get(key.account()) else {
				panic!("the key is active");
			};
			assert_eq!(
				(entry.roles, entry.valid_from, entry.rotation),
				(Roles::AUTHENTICATE, START, None)
			);
			assert_eq!(
				events().last(),
				Some(&Event::DeviceRegistered {
					device,
					owner: ALICE,
					key: key.account()
				})
			);
		}
	});
}

#[test]
fn the_owner_pays_the_existential_deposit_and_the_deposit_into_the_wallet() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let deposit = Identity::deposit_for(1);
		assert_eq!(Balances::free_balance(&device), ED);
		assert_eq!(Balances::reserved_balance(&device), deposit);
		assert_eq!(Balances::free_balance(ALICE), ENDOWMENT - ED - deposit);
	});
}

#[test]
fn money_that_the_wallet_had_before_changes_nothing() {
	let key = key(1);
	ExtBuilder::default()
		.endow(key.device(), 5_000_000)
		.build_and_execute(|| {
			let device = register(&ALICE, &key);
			let deposit = Identity::deposit_for(1);
			assert_eq!(Balances::free_balance(&device), 5_000_000 + ED);
			assert_eq!(Balances::reserved_balance(&device), deposit);
			assert_eq!(Balances::free_balance(ALICE), ENDOWMENT - ED - deposit);
			assert_eq!(Devices::<Test>::get(&device).expect("registered").owner, ALICE);
		});
}

#[test]
fn a_key_without_balance_gets_an_account_that_can_send() {
	ExtBuilder::default().build_and_execute(|| {
		let key = key(0);
		register(&ALICE, &key);
		assert_eq!(total_balance(&key.account()), 0);
		assert_eq!(System::sufficients(&key.account()), 1);
		assert!(System::account_exists(&key.account()));
	});
}

#[test]
fn a_key_with_a_balance_of_its_own_is_registered_too() {
	ExtBuilder::default()
		.endow(key(0).account(), 3 * ED)
		.build_and_execute(|| {
			register(&ALICE, &key(0));
			assert_eq!(Balances::free_balance(key(0).account()), 3 * ED);
		});
}

#[test]
fn only_a_signed_origin_registers() {
	ExtBuilder::default().build_and_execute(|| {
		let item = key(0).registration(&ALICE);
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::none()] {
			assert_noop!(
				Identity::register_device(origin, item.public, item.roles, item.proof.clone(), None, None),
				BadOrigin
			);
		}
	});
}

#[test]
fn squatting_the_key_of_another_fails() {
	ExtBuilder::default().build_and_execute(|| {
		let victim = key(0);
		// Bob has seen the proof that the device made for Alice, for example in the transaction pool.
		let item = victim.registration(&ALICE);
		assert_noop!(
			Identity::register_device(signed(&BOB), item.public, item.roles, item.proof, None, None),
			Error::<Test>::BadProof
		);
		// A proof by a key of his own does not help either.
		let proof = key(3).prove(PossessionAction::Register, &BOB, None, Roles::ALL);
		assert_noop!(
			Identity::register_device(signed(&BOB), victim.public(), Roles::ALL, proof, None, None),
			Error::<Test>::BadProof
		);
	});
}

#[test]
fn a_key_is_registered_only_once() {
	ExtBuilder::default().build_and_execute(|| {
		let key = key(0);
		register(&ALICE, &key);
		for owner in [ALICE, BOB] {
			let item = key.registration(&owner);
			assert_noop!(
				Identity::register_device(signed(&owner), item.public, item.roles, item.proof, None, None),
				Error::<Test>::KeyAlreadyUsed
			);
		}
	});
}

#[test]
fn the_same_account_under_another_scheme_is_the_same_key() {
	use m2m_device::DevicePublic;
	use sp_core::{Pair, ed25519, sr25519};
	ExtBuilder::default().build_and_execute(|| {
		let key = TestKey::Ed25519(ed25519::Pair::from_seed(&[1; 32]));
		register(&ALICE, &key);
		let DevicePublic::Ed25519(public) = key.public() else {
			panic!("an ed25519 key")
		};
		let item = key.registration(&ALICE);
		assert_noop!(
			Identity::register_device(
				signed(&ALICE),
				DevicePublic::Sr25519(sr25519::Public::from_raw(public.0)),
				item.roles,
				item.proof,
				None,
				None
			),
			Error::<Test>::KeyAlreadyUsed
		);
	});
}

#[test]
fn a_key_without_roles_is_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let key = key(0);
		let proof = key.prove(PossessionAction::Register, &ALICE, None, NONE);
		assert_noop!(
			Identity::register_device(signed(&ALICE), key.public(), NONE, proof, None, None),
			Error::<Test>::NoRoles
		);
	});
}

#[test]
fn the_owners_own_account_is_no_device_key() {
	let key = key(0);
	ExtBuilder::default()
		.endow(key.account(), ENDOWMENT)
		.build_and_execute(|| {
			let owner = key.account();
			let item = key.registration(&owner);
			assert_noop!(
				Identity::register_device(signed(&owner), item.public, item.roles, item.proof, None, None),
				Error::<Test>::KeyIsOwner
			);
		});
}

#[test]
fn an_account_that_owns_devices_does_not_become_a_device_key() {
	let fleet = key(0);
	ExtBuilder::default()
		.endow(fleet.account(), ENDOWMENT)
		.build_and_execute(|| {
			register(&fleet.account(), &key(1));
			let item = fleet.registration(&BOB);
			assert_noop!(
				Identity::register_device(signed(&BOB), item.public, item.roles, item.proof, None, None),
				Error::<Test>::KeyIsOwner
			);
		});
}

#[test]
fn an_account_that_is_or_was_a_device_key_owns_no_devices() {
	let first = key(0);
	ExtBuilder::default()
		.endow(first.account(), ENDOWMENT)
		.build_and_execute(|| {
			let device = register(&ALICE, &first);
			let owner = first.account();
			let item = key(1).registration(&owner);
			let register = || {
				let item = item.clone();
				Identity::register_device(signed(&owner), item.public, item.roles, item.proof, None, None)
			};
			assert_noop!(register(), Error::<Test>::OwnerIsDeviceKey);
			assert_ok!(remove(&ALICE, &device, &first));
			assert_noop!(register(), Error::<Test>::OwnerIsDeviceKey);
			let batch = vec![item.clone()].try_into().expect("fits");
			assert_noop!(
				Identity::register_devices(signed(&owner), batch),
				Error::<Test>::OwnerIsDeviceKey
			);
		});
}

#[test]
fn an_owner_without_enough_money_is_refused() {
	// One unit less than the existential deposits of owner and wallet and the deposit.
	let needed = 2 * ED + Identity::deposit_for(1);
	ExtBuilder::default()
		.endow(PAUPER, needed - 1)
		.build_and_execute(|| {
			let item = key(0).registration(&PAUPER);
			let register = || {
				let item = item.clone();
				Identity::register_device(signed(&PAUPER), item.public, item.roles, item.proof, None, None)
			};
			assert_noop!(register(), Error::<Test>::OwnerCannotPay);
			assert_ok!(Balances::transfer_keep_alive(signed(&ALICE), PAUPER, 1));
			assert_ok!(register());
			assert_eq!(Balances::free_balance(PAUPER), ED);
		});
}
