//! A key is removed.

use crate::{DeviceKeys, Error, Event, KeyEntry, Keys, RemovedKey, mock::*};
use frame_support::{assert_noop, assert_ok, assert_storage_noop};
use m2m_device::{Action, DeviceAuthority, PossessionAction, Roles};
use sp_runtime::{AccountId32, traits::BadOrigin};

#[test]
fn the_owner_removes_any_key_and_a_tombstone_stays() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		let held = Balances::reserved_balance(&device);
		advance(100);
		assert_ok!(remove(&ALICE, &device, &key(1)));
		assert_eq!(
			Keys::<Test>::get(key(1).account()),
			Some(KeyEntry::Removed(RemovedKey {
				device: device.clone(),
				scheme: 1,
				valid_from: START,
				valid_until: START + 100
			}))
		);
		assert_eq!(DeviceKeys::<Test>::get(&device).to_vec(), vec![key(0).account()]);
		assert!(!System::account_exists(&key(1).account()));
		assert_eq!(
			events().last(),
			Some(&Event::KeyRemoved {
				device: device.clone(),
				key: key(1).account()
			})
		);
		assert_eq!(Balances::reserved_balance(&device), held);
	});
}

#[test]
fn a_removed_key_does_nothing_any_more() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(remove(&ALICE, &device, &key(0)));
		let removed = key(0).account();
		for action in [Action::Manage, Action::Trade, Action::Close] {
			for named in [None, Some(&device)] {
				assert_noop!(
					Identity::authorize(&removed, named, action),
					refusal(Error::KeyRemoved)
				);
				assert_noop!(
					Identity::participant(&removed, named, action),
					refusal(Error::KeyRemoved)
				);
			}
		}
		assert_noop!(
			Identity::reading_authority(&removed, &device),
			refusal(Error::KeyRemoved)
		);
		assert_noop!(add(&removed, &device, &key(1), TRADE), refusal(Error::KeyRemoved));
		assert_noop!(remove(&ALICE, &device, &key(0)), refusal(Error::KeyRemoved));
	});
}

#[test]
fn a_removed_key_cannot_come_back() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let other = register(&BOB, &key(2));
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		assert_ok!(remove(&ALICE, &device, &key(1)));
		assert_noop!(
			add(&ALICE, &device, &key(1), TRADE),
			refusal(Error::KeyAlreadyUsed)
		);
		assert_noop!(add(&BOB, &other, &key(1), TRADE), refusal(Error::KeyAlreadyUsed));
		assert_noop!(
			rotate(&ALICE, &device, &key(0), &key(1), DAY),
			refusal(Error::KeyAlreadyUsed)
		);
		let item = key(1).registration(&BOB);
		assert_noop!(
			Identity::register_device(signed(&BOB), item.public, item.roles, item.proof, None, None),
			Error::<Test>::KeyAlreadyUsed
		);
	});
}

#[test]
fn the_last_key_may_be_removed_and_the_owner_adds_another() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(remove(&ALICE, &device, &key(0)));
		assert!(DeviceKeys::<Test>::get(&device).is_empty());
		Identity::do_try_state().expect("a device without keys is in order");
		assert_ok!(add(&ALICE, &device, &key(1), Roles::ALL));
		assert_ok!(
			Identity::authorize(&key(1).account(), None, Action::Trade),
			device
		);
	});
}

#[test]
fn a_key_with_manage_removes_what_it_added_and_itself() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			100_000
		));
		let manager = key(0).account();
		assert_ok!(add(&manager, &device, &key(1), TRADE));
		assert_ok!(Identity::remove_key(signed(&manager), None, key(1).account()));
		assert_ok!(Identity::remove_key(signed(&manager), None, manager.clone()));
		assert!(DeviceKeys::<Test>::get(&device).is_empty());
	});
}

#[test]
fn a_stolen_key_cannot_remove_the_owners_keys() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			100_000
		));
		let stolen = key(1);
		assert_ok!(add(&ALICE, &device, &stolen, Roles::ALL));
		let thief = stolen.account();
		assert_noop!(
			remove(&thief, &device, &key(0)),
			refusal(Error::NotIntroducedBySigner)
		);
		// Not even after it rotated, and not through a key that it adds.
		assert_ok!(rotate(&thief, &device, &stolen, &key(2), 0));
		assert_ok!(add(&key(2).account(), &device, &key(3), Roles::ALL));
		for account in [key(2).account(), key(3).account()] {
			assert_noop!(
				remove(&account, &device, &key(0)),
				refusal(Error::NotIntroducedBySigner)
			);
		}
		// An added key has no power over the key that added it.
		assert_noop!(
			remove(&key(3).account(), &device, &key(2)),
			refusal(Error::NotIntroducedBySigner)
		);
		// The owner ends it.
		assert_ok!(remove(&ALICE, &device, &key(2)));
		assert_ok!(remove(&ALICE, &device, &key(3)));
	});
}

#[test]
fn a_key_without_manage_removes_nothing() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register_with(
			&ALICE,
			&key(0),
			Roles {
				authenticate: true,
				trade: true,
				manage: false,
			},
		);
		assert_noop!(
			remove(&key(0).account(), &device, &key(0)),
			refusal(Error::RoleMissing)
		);
	});
}

#[test]
fn removing_a_rotated_key_ends_its_overlap() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		advance(5);
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), DAY));
		advance(5);
		assert_ok!(remove(&ALICE, &device, &key(0)));
		let Some(KeyEntry::Removed(tombstone)) = Keys::<Test>::get(key(0).account()) else {
			panic!("a tombstone stays");
		};
		assert_eq!(tombstone.valid_until, START + 5);
		assert_noop!(
			Identity::reading_authority(&key(0).account(), &device),
			refusal(Error::KeyRemoved)
		);
	});
}

#[test]
fn a_key_that_expired_meanwhile_counts_as_removed() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), 10));
		advance(11);
		assert_noop!(remove(&ALICE, &device, &key(0)), refusal(Error::KeyRemoved));
		assert_ok!(remove(&ALICE, &device, &key(1)));
		assert!(DeviceKeys::<Test>::get(&device).is_empty());
	});
}

#[test]
fn keys_of_stopped_devices_remove_nothing_but_the_owner_does() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		assert_noop!(
			remove(&key(0).account(), &device, &key(0)),
			refusal(Error::DeviceSuspended)
		);
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_noop!(
			remove(&key(0).account(), &device, &key(0)),
			refusal(Error::DeviceLost)
		);
		assert_ok!(remove(&ALICE, &device, &key(0)));
	});
}

#[test]
fn strangers_and_foreign_keys_remove_nothing() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let other = register(&BOB, &key(1));
		assert_noop!(remove(&BOB, &device, &key(0)), refusal(Error::NotOwner));
		assert_noop!(
			remove(&key(1).account(), &device, &key(0)),
			refusal(Error::ForeignKey)
		);
		assert_noop!(remove(&ALICE, &device, &key(1)), refusal(Error::ForeignKey));
		assert_noop!(remove(&ALICE, &device, &key(5)), refusal(Error::UnknownKey));
		assert_noop!(remove(&ALICE, &other, &key(1)), refusal(Error::NotOwner));
		let nowhere = AccountId32::new([1; 32]);
		assert_noop!(remove(&ALICE, &nowhere, &key(0)), refusal(Error::UnknownDevice));
	});
}

#[test]
fn a_removed_key_with_money_keeps_its_account() {
	ExtBuilder::default()
		.endow(key(0).account(), 5 * ED)
		.build_and_execute(|| {
			let device = register(&ALICE, &key(0));
			assert_ok!(remove(&ALICE, &device, &key(0)));
			assert_eq!(Balances::free_balance(key(0).account()), 5 * ED);
			assert_eq!(System::sufficients(&key(0).account()), 0);
			// Its money is its own, but it deals for nobody any more.
			assert_ok!(Balances::transfer_keep_alive(signed(&key(0).account()), BOB, ED));
			let proof = key(0).prove(PossessionAction::Add, &ALICE, Some(&device), TRADE);
			assert_noop!(
				Identity::add_key(signed(&ALICE), Some(device), key(0).public(), TRADE, proof),
				Error::<Test>::KeyAlreadyUsed
			);
		});
}

#[test]
fn only_a_signed_origin_removes() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::none()] {
			assert_storage_noop!({
				let call = Identity::remove_key(origin, Some(device.clone()), key(0).account());
				assert_eq!(call.expect_err("refused").error, BadOrigin.into());
			});
		}
	});
}
