//! More keys for a device.

use crate::{DeviceKeys, Devices, Error, Event, Introducer, KeyEntry, Keys, mock::*};
use frame_support::{assert_noop, assert_ok, assert_storage_noop};
use m2m_device::{PossessionAction, Roles};
use sp_runtime::{AccountId32, traits::BadOrigin};

fn introducer(key: &TestKey) -> Introducer {
	match Keys::<Test>::get(key.account()) {
		Some(KeyEntry::Active(key)) => key.introduced_by,
		_ => panic!("the key is active"),
	}
}

#[test]
fn the_owner_adds_a_key_and_pays_for_it() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let before = Balances::free_balance(ALICE);
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		assert_eq!(
			DeviceKeys::<Test>::get(&device).to_vec(),
			vec![key(0).account(), key(1).account()]
		);
		assert_eq!(introducer(&key(1)), Introducer::Owner);
		assert_eq!(System::sufficients(&key(1).account()), 1);
		assert_eq!(
			events().last(),
			Some(&Event::KeyAdded {
				device: device.clone(),
				key: key(1).account(),
				roles: TRADE,
				by: ALICE
			})
		);
		let (one, two) = (Identity::deposit_for(1), Identity::deposit_for(2));
		assert_eq!(Balances::free_balance(ALICE), before - (two - one));
		assert_eq!(Balances::reserved_balance(&device), two);
		assert_eq!(Balances::free_balance(&device), ED);
	});
}

#[test]
fn a_key_with_manage_adds_a_key_and_the_wallet_pays() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let owner = Balances::free_balance(ALICE);
		let missing = Identity::deposit_for(2) - Identity::deposit_for(1);
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			missing
		));
		// The signing key need not name its device.
		let proof = key(1).prove(PossessionAction::Add, &ALICE, Some(&device), TRADE);
		assert_ok!(Identity::add_key(
			signed(&key(0).account()),
			None,
			key(1).public(),
			TRADE,
			proof
		));
		assert_eq!(introducer(&key(1)), Introducer::Key(key(0).account()));
		assert_eq!(Balances::free_balance(&device), ED);
		assert_eq!(Balances::reserved_balance(&device), Identity::deposit_for(2));
		assert_eq!(Balances::free_balance(ALICE), owner);
	});
}

#[test]
fn the_wallet_keeps_the_existential_deposit_when_a_key_adds_a_key() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let missing = Identity::deposit_for(2) - Identity::deposit_for(1);
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			missing - 1
		));
		assert_noop!(
			add(&key(0).account(), &device, &key(1), TRADE),
			refusal(Error::WalletCannotPay)
		);
	});
}

#[test]
fn a_key_gives_only_roles_that_it_has() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register_with(&ALICE, &key(0), MANAGE);
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			100_000
		));
		let manager = key(0).account();
		for roles in [TRADE, Roles::AUTHENTICATE, Roles::ALL] {
			assert_noop!(
				add(&manager, &device, &key(1), roles),
				refusal(Error::RoleMissing)
			);
		}
		assert_ok!(add(&manager, &device, &key(1), MANAGE));
	});
}

#[test]
fn a_stolen_key_cannot_gain_roles() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register_with(&ALICE, &key(0), Roles::ALL);
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			100_000
		));
		let stolen = key(1);
		assert_ok!(add(
			&ALICE,
			&device,
			&stolen,
			Roles {
				authenticate: true,
				trade: true,
				manage: false
			}
		));
		// Without `manage` it adds nothing, not even a key with fewer roles than its own.
		assert_noop!(
			add(&stolen.account(), &device, &key(2), Roles::ALL),
			refusal(Error::RoleMissing)
		);
		assert_noop!(
			add(&stolen.account(), &device, &key(2), TRADE),
			refusal(Error::RoleMissing)
		);
		// Rotating hands on exactly the roles that it has.
		assert_ok!(rotate(&stolen.account(), &device, &stolen, &key(2), 0));
		let Some(KeyEntry::Active(entry)) = Keys::<Test>::get(key(2).account()) else {
			panic!("the key is active");
		};
		assert_eq!(
			entry.roles,
			Roles {
				authenticate: true,
				trade: true,
				manage: false
			}
		);
		assert_noop!(
			add(&key(2).account(), &device, &key(3), TRADE),
			refusal(Error::RoleMissing)
		);
	});
}

#[test]
fn a_key_without_roles_is_not_added() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_noop!(add(&ALICE, &device, &key(1), NONE), refusal(Error::NoRoles));
		assert_noop!(
			add(&key(0).account(), &device, &key(1), NONE),
			refusal(Error::NoRoles)
		);
	});
}

#[test]
fn a_used_key_is_not_added_to_any_device() {
	ExtBuilder::default().build_and_execute(|| {
		let first = register(&ALICE, &key(0));
		let second = register(&ALICE, &key(1));
		for device in [&first, &second] {
			assert_noop!(
				add(&ALICE, device, &key(1), TRADE),
				refusal(Error::KeyAlreadyUsed)
			);
		}
	});
}

#[test]
fn the_owners_account_is_not_added_as_a_key() {
	let owner = key(5);
	ExtBuilder::default()
		.endow(owner.account(), ENDOWMENT)
		.build_and_execute(|| {
			let device = register(&owner.account(), &key(0));
			assert_noop!(
				add(&owner.account(), &device, &owner, TRADE),
				refusal(Error::KeyIsOwner)
			);
		});
}

#[test]
fn a_device_has_a_bounded_number_of_keys() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		for number in 1..8 {
			assert_ok!(add(&ALICE, &device, &key(number), TRADE));
		}
		assert_noop!(add(&ALICE, &device, &key(8), TRADE), refusal(Error::TooManyKeys));
		assert_ok!(remove(&ALICE, &device, &key(3)));
		assert_ok!(add(&ALICE, &device, &key(8), TRADE));
		assert_eq!(Devices::<Test>::get(&device).expect("lives").keys_introduced, 9);
	});
}

#[test]
fn the_owner_adds_keys_to_a_stopped_device_but_its_keys_do_not() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		assert_noop!(
			add(&key(0).account(), &device, &key(1), TRADE),
			refusal(Error::DeviceSuspended)
		);
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_noop!(
			add(&key(0).account(), &device, &key(2), TRADE),
			refusal(Error::DeviceLost)
		);
		assert_ok!(add(&ALICE, &device, &key(2), TRADE));
	});
}

#[test]
fn strangers_and_foreign_keys_add_nothing() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		register(&BOB, &key(1));
		let new = key(2);
		assert_noop!(add(&BOB, &device, &new, TRADE), refusal(Error::NotOwner));
		assert_noop!(
			add(&key(1).account(), &device, &new, TRADE),
			refusal(Error::ForeignKey)
		);
		// An owner has many devices and must say which one.
		let proof = new.prove(PossessionAction::Add, &ALICE, Some(&device), TRADE);
		assert_noop!(
			Identity::add_key(signed(&ALICE), None, new.public(), TRADE, proof),
			Error::<Test>::UnknownKey
		);
		let nowhere = AccountId32::new([1; 32]);
		assert_noop!(add(&ALICE, &nowhere, &new, TRADE), refusal(Error::UnknownDevice));
	});
}

#[test]
fn an_owner_without_money_adds_no_key() {
	let needed = 2 * ED + Identity::deposit_for(2);
	ExtBuilder::default()
		.endow(PAUPER, needed - 1)
		.build_and_execute(|| {
			let device = register(&PAUPER, &key(0));
			assert_noop!(
				add(&PAUPER, &device, &key(1), TRADE),
				refusal(Error::OwnerCannotPay)
			);
			assert_ok!(Balances::transfer_keep_alive(signed(&ALICE), PAUPER, 1));
			assert_ok!(add(&PAUPER, &device, &key(1), TRADE));
		});
}

#[test]
fn only_new_keys_that_sign_telemetry_raise_the_version() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let version = || Devices::<Test>::get(&device).expect("lives").auth_version;
		assert_eq!(version(), 0);
		assert_ok!(add(&ALICE, &device, &key(1), MANAGE));
		assert_ok!(remove(&ALICE, &device, &key(1)));
		assert_eq!(version(), 0);
		assert_ok!(add(&ALICE, &device, &key(2), Roles::AUTHENTICATE));
		assert_eq!(version(), 1);
		assert_ok!(rotate(&ALICE, &device, &key(2), &key(3), DAY));
		assert_eq!(version(), 2);
		// Taking a key away leaves nothing that was not vouched for.
		assert_ok!(remove(&ALICE, &device, &key(2)));
		assert_ok!(remove(&ALICE, &device, &key(3)));
		assert_ok!(remove(&ALICE, &device, &key(0)));
		assert_eq!(version(), 2);
	});
}

#[test]
fn only_a_signed_origin_adds_a_key() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let proof = key(1).prove(PossessionAction::Add, &ALICE, Some(&device), TRADE);
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::none()] {
			assert_storage_noop!({
				let call = Identity::add_key(
					origin,
					Some(device.clone()),
					key(1).public(),
					TRADE,
					proof.clone(),
				);
				assert_eq!(call.expect_err("refused").error, BadOrigin.into());
			});
		}
	});
}
