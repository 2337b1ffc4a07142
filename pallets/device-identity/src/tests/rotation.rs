//! A new key takes the place of another.

use crate::{DeviceKeys, Devices, Error, Event, Introducer, KeyEntry, Keys, RemovedKey, Rotation, mock::*};
use frame_support::{assert_noop, assert_ok, assert_storage_noop};
use m2m_device::{Action, DeviceAuthority, PossessionAction, ReadingAuthority, Roles};
use sp_runtime::{AccountId32, traits::BadOrigin};

fn active(key: &TestKey) -> crate::DeviceKey {
	match Keys::<Test>::get(key.account()) {
		Some(KeyEntry::Active(key)) => key,
		_ => panic!("the key is active"),
	}
}

#[test]
fn a_key_rotates_itself_and_the_wallet_pays() {
	ExtBuilder::default().build_and_execute(|| {
		let roles = Roles {
			authenticate: true,
			trade: true,
			manage: false,
		};
		let device = register_with(&ALICE, &key(0), roles);
		let missing = Identity::deposit_for(2) - Identity::deposit_for(1);
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			missing
		));
		advance(5_000);
		let proof = key(1).prove(PossessionAction::Rotate, &ALICE, Some(&device), roles);
		let old = key(0).account();
		assert_ok!(Identity::rotate_key(
			signed(&old),
			None,
			old.clone(),
			key(1).public(),
			proof,
			DAY
		));
		assert_eq!(
			DeviceKeys::<Test>::get(&device).to_vec(),
			vec![key(0).account(), key(1).account()]
		);
		let (now, deliver_until) = (START + 5_000, START + 5_000 + DAY);
		assert_eq!(
			active(&key(0)).rotation,
			Some(Rotation {
				at: now,
				deliver_until
			})
		);
		assert_eq!(active(&key(1)).roles, roles);
		assert_eq!(active(&key(1)).introduced_by, Introducer::Owner);
		assert_eq!(active(&key(1)).valid_from, now);
		assert_eq!(
			events().last(),
			Some(&Event::KeyRotated {
				device: device.clone(),
				old,
				new: key(1).account(),
				deliver_until
			})
		);
		assert_eq!(Balances::free_balance(&device), ED);
		assert_eq!(Balances::reserved_balance(&device), Identity::deposit_for(2));
	});
}

#[test]
fn a_wallet_without_free_money_pays_no_rotation() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_noop!(
			rotate(&key(0).account(), &device, &key(0), &key(1), DAY),
			refusal(Error::WalletCannotPay)
		);
		// The owner pays from the owner's account.
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), DAY));
	});
}

#[test]
fn a_rotated_key_signs_nothing_new() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			100_000
		));
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), DAY));
		let old = key(0).account();
		for action in [Action::Manage, Action::Trade, Action::Close] {
			assert_noop!(
				Identity::authorize(&old, None, action),
				refusal(Error::KeyRotated)
			);
			assert_noop!(
				Identity::participant(&old, None, action),
				refusal(Error::KeyRotated)
			);
			assert_ok!(
				Identity::authorize(&key(1).account(), None, action),
				device.clone()
			);
		}
		assert_noop!(add(&old, &device, &key(2), TRADE), refusal(Error::KeyRotated));
		assert_noop!(remove(&old, &device, &key(1)), refusal(Error::KeyRotated));
		assert_noop!(
			rotate(&old, &device, &key(0), &key(2), DAY),
			refusal(Error::KeyRotated)
		);
		// Nor can the owner rotate it a second time.
		assert_noop!(
			rotate(&ALICE, &device, &key(0), &key(2), DAY),
			refusal(Error::KeyRotated)
		);
	});
}

#[test]
fn a_rotated_key_delivers_earlier_readings_until_the_overlap_ends() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		advance(1_000);
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), DAY));
		let verify_only = ReadingAuthority {
			public: key(0).public(),
			before: Some(START + 1_000),
		};
		let ask = |key: &TestKey| Identity::reading_authority(&key.account(), &device);
		assert_eq!(ask(&key(0)), Ok(verify_only.clone()));
		assert_eq!(
			ask(&key(1)),
			Ok(ReadingAuthority {
				public: key(1).public(),
				before: None
			})
		);
		advance(DAY);
		assert_eq!(ask(&key(0)), Ok(verify_only));
		advance(1);
		assert_eq!(ask(&key(0)), Err(refusal(Error::KeyExpired)));
		assert_ok!(Identity::prune_keys(signed(&BOB), device.clone()));
		assert_eq!(ask(&key(0)), Err(refusal(Error::KeyRemoved)));
	});
}

#[test]
fn without_overlap_the_old_key_is_gone_at_once_and_needs_no_place() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		for number in 1..8 {
			assert_ok!(add(&ALICE, &device, &key(number), TRADE));
		}
		assert_noop!(
			rotate(&ALICE, &device, &key(0), &key(9), 1),
			refusal(Error::TooManyKeys)
		);
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(9), 0));
		assert!(matches!(
			Keys::<Test>::get(key(0).account()),
			Some(KeyEntry::Removed(_))
		));
		assert_eq!(System::sufficients(&key(0).account()), 0);
		assert_eq!(DeviceKeys::<Test>::get(&device).len(), 8);
	});
}

#[test]
fn the_overlap_is_bounded() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let longest = 7 * DAY;
		for overlap in [longest + 1, u64::MAX] {
			assert_noop!(
				rotate(&ALICE, &device, &key(0), &key(1), overlap),
				refusal(Error::OverlapTooLong)
			);
		}
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), longest));
	});
}

#[test]
fn a_key_rotates_only_itself() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		let manager = key(0).account();
		assert_noop!(
			rotate(&manager, &device, &key(1), &key(2), DAY),
			refusal(Error::NotOwnKey)
		);
		assert_noop!(
			rotate(&key(1).account(), &device, &key(0), &key(2), DAY),
			refusal(Error::NotOwnKey)
		);
	});
}

#[test]
fn strangers_and_unknown_keys_are_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let other = register(&BOB, &key(1));
		assert_noop!(
			rotate(&BOB, &device, &key(0), &key(2), DAY),
			refusal(Error::NotOwner)
		);
		assert_noop!(
			rotate(&ALICE, &device, &key(1), &key(2), DAY),
			refusal(Error::ForeignKey)
		);
		assert_noop!(
			rotate(&ALICE, &device, &key(7), &key(2), DAY),
			refusal(Error::UnknownKey)
		);
		assert_noop!(
			rotate(&key(0).account(), &other, &key(0), &key(2), DAY),
			refusal(Error::ForeignKey)
		);
		let nowhere = AccountId32::new([1; 32]);
		assert_noop!(
			rotate(&ALICE, &nowhere, &key(0), &key(2), DAY),
			refusal(Error::UnknownDevice)
		);
		assert_ok!(remove(&ALICE, &device, &key(0)));
		assert_noop!(
			rotate(&ALICE, &device, &key(0), &key(2), DAY),
			refusal(Error::KeyRemoved)
		);
	});
}

#[test]
fn a_key_does_not_rotate_to_itself_or_to_a_used_key() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		register(&ALICE, &key(1));
		for new in [0, 1] {
			assert_noop!(
				rotate(&ALICE, &device, &key(0), &key(new), DAY),
				refusal(Error::KeyAlreadyUsed)
			);
		}
	});
}

#[test]
fn the_owner_rotates_keys_of_a_lost_device_but_the_key_does_not() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			100_000
		));
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		let thief = key(0).account();
		assert_noop!(
			rotate(&thief, &device, &key(0), &key(1), 0),
			refusal(Error::DeviceLost)
		);
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), 0));
	});
}

#[test]
fn a_rotated_key_keeps_what_it_added() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			100_000
		));
		assert_ok!(add(&key(0).account(), &device, &key(1), TRADE));
		assert_ok!(rotate(&key(0).account(), &device, &key(0), &key(2), 0));
		assert_ok!(rotate(&key(2).account(), &device, &key(2), &key(3), 0));
		assert_ok!(remove(&key(3).account(), &device, &key(1)));
	});
}

#[test]
fn an_added_key_that_rotates_stays_under_the_key_that_added_it() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			100_000
		));
		assert_ok!(add(&key(0).account(), &device, &key(1), MANAGE));
		assert_ok!(rotate(&key(1).account(), &device, &key(1), &key(2), 0));
		assert_ok!(remove(&key(0).account(), &device, &key(2)));
	});
}

#[test]
fn expired_keys_become_tombstones_on_the_way() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), 10));
		advance(11);
		System::reset_events();
		let proof = key(2).prove(PossessionAction::Rotate, &ALICE, Some(&device), Roles::ALL);
		let post = Identity::rotate_key(
			signed(&ALICE),
			Some(device.clone()),
			key(1).account(),
			key(2).public(),
			proof,
			10,
		)
		.expect("rotates");
		use crate::weights::WeightInfo;
		assert_eq!(
			post.actual_weight,
			Some(<()>::rotate_key(1).saturating_add(SPEND_WEIGHT))
		);
		assert_eq!(
			Keys::<Test>::get(key(0).account()),
			Some(KeyEntry::Removed(RemovedKey {
				device: device.clone(),
				scheme: 0,
				valid_from: START,
				valid_until: START
			}))
		);
		assert_eq!(
			events().first(),
			Some(&Event::KeyPruned {
				device: device.clone(),
				key: key(0).account()
			})
		);
		assert_eq!(
			DeviceKeys::<Test>::get(&device).to_vec(),
			vec![key(1).account(), key(2).account()]
		);
	});
}

#[test]
fn anybody_prunes_expired_keys() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), 10));
		advance(10);
		let prune = || Identity::prune_keys(signed(&BOB), device.clone());
		assert_noop!(prune(), Error::<Test>::NothingToPrune);
		advance(1);
		assert_ok!(prune());
		assert_eq!(System::sufficients(&key(0).account()), 0);
		assert_noop!(prune(), Error::<Test>::NothingToPrune);
		let nowhere = AccountId32::new([1; 32]);
		assert_noop!(
			Identity::prune_keys(signed(&BOB), nowhere),
			Error::<Test>::UnknownDevice
		);
		assert_noop!(
			Identity::prune_keys(RuntimeOrigin::root(), device.clone()),
			BadOrigin
		);
	});
}

#[test]
fn all_rotated_keys_of_a_full_list_expire_together() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		// Seven keys in their overlap, and the eighth replaced without one.
		for number in 0..8 {
			assert_ok!(rotate(
				&ALICE,
				&device,
				&key(number),
				&key(number + 1),
				if number < 7 { 10 } else { 0 }
			));
		}
		assert_eq!(DeviceKeys::<Test>::get(&device).len(), 8);
		advance(11);
		assert_ok!(add(&ALICE, &device, &key(20), TRADE));
		assert_eq!(
			DeviceKeys::<Test>::get(&device).to_vec(),
			vec![key(8).account(), key(20).account()]
		);
		assert_eq!(Devices::<Test>::get(&device).expect("lives").keys_introduced, 10);
	});
}

#[test]
fn only_a_signed_origin_rotates() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let proof = key(1).prove(PossessionAction::Rotate, &ALICE, Some(&device), Roles::ALL);
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::none()] {
			assert_storage_noop!({
				let call = Identity::rotate_key(
					origin,
					Some(device.clone()),
					key(0).account(),
					key(1).public(),
					proof.clone(),
					DAY,
				);
				assert_eq!(call.expect_err("refused").error, BadOrigin.into());
			});
		}
	});
}
