//! Who may act for a device, as other pallets ask.

use crate::{Devices, Error, mock::*, weights::WeightInfo};
use frame_support::{assert_noop, assert_ok};
use m2m_device::{Action, DeviceAuthority, Roles};
use sp_runtime::AccountId32;

const ACTIONS: [Action; 3] = [Action::Manage, Action::Trade, Action::Close];

#[test]
fn a_key_acts_for_its_device_in_its_roles() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register_with(&ALICE, &key(0), Roles::AUTHENTICATE);
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		assert_ok!(add(&ALICE, &device, &key(2), MANAGE));
		let allowed = |number: u16, action| Identity::authorize(&key(number).account(), None, action).is_ok();
		assert_eq!(ACTIONS.map(|action| allowed(0, action)), [false, false, false]);
		assert_eq!(ACTIONS.map(|action| allowed(1, action)), [false, true, false]);
		assert_eq!(ACTIONS.map(|action| allowed(2, action)), [true, false, true]);
		assert_noop!(
			Identity::authorize(&key(0).account(), None, Action::Trade),
			refusal(Error::RoleMissing)
		);
		// It may also name its device.
		assert_ok!(
			Identity::authorize(&key(1).account(), Some(&device), Action::Trade),
			device
		);
	});
}

#[test]
fn the_owner_acts_for_a_device_by_naming_it() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register_with(&ALICE, &key(0), Roles::AUTHENTICATE);
		for action in ACTIONS {
			assert_ok!(Identity::authorize(&ALICE, Some(&device), action), device.clone());
			assert_noop!(
				Identity::authorize(&ALICE, None, action),
				refusal(Error::UnknownKey)
			);
		}
	});
}

#[test]
fn nobody_else_acts_for_a_device() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		register(&ALICE, &key(1));
		let nowhere = AccountId32::new([1; 32]);
		for action in ACTIONS {
			assert_noop!(
				Identity::authorize(&BOB, Some(&device), action),
				refusal(Error::NotOwner)
			);
			assert_noop!(
				Identity::authorize(&key(1).account(), Some(&device), action),
				refusal(Error::ForeignKey)
			);
			assert_noop!(
				Identity::authorize(&ALICE, Some(&nowhere), action),
				refusal(Error::UnknownDevice)
			);
		}
	});
}

#[test]
fn an_ordinary_account_deals_for_itself() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		for action in ACTIONS {
			assert_ok!(Identity::participant(&BOB, None, action), BOB);
			assert_ok!(Identity::participant(&ALICE, None, action), ALICE);
			// With a device named it deals for the device or not at all.
			assert_ok!(
				Identity::participant(&ALICE, Some(&device), action),
				device.clone()
			);
			assert_noop!(
				Identity::participant(&BOB, Some(&device), action),
				refusal(Error::NotOwner)
			);
		}
	});
}

#[test]
fn a_device_key_is_never_an_ordinary_participant() {
	ExtBuilder::default()
		.endow(key(1).account(), ENDOWMENT)
		.build_and_execute(|| {
			let device = register_with(&ALICE, &key(0), TRADE);
			assert_ok!(add(&ALICE, &device, &key(1), Roles::AUTHENTICATE));
			assert_ok!(
				Identity::participant(&key(0).account(), None, Action::Trade),
				device.clone()
			);
			assert_noop!(
				Identity::participant(&key(1).account(), None, Action::Trade),
				refusal(Error::RoleMissing)
			);
			assert_ok!(remove(&ALICE, &device, &key(1)));
			assert_noop!(
				Identity::participant(&key(1).account(), None, Action::Trade),
				refusal(Error::KeyRemoved)
			);
			assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
			for number in 0..2 {
				assert_noop!(
					Identity::participant(&key(number).account(), None, Action::Trade),
					refusal(Error::DeviceRetired)
				);
			}
		});
}

#[test]
fn readings_are_delivered_only_for_keys_that_sign_telemetry_of_that_device() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let other = register_with(&ALICE, &key(1), MANAGE);
		let ask = |number: u16, device| Identity::reading_authority(&key(number).account(), device);
		assert_eq!(
			ask(0, &device).map(|it| (it.public, it.before)),
			Ok((key(0).public(), None))
		);
		assert_eq!(ask(0, &other), Err(refusal(Error::ForeignKey)));
		assert_eq!(ask(1, &other), Err(refusal(Error::RoleMissing)));
		assert_eq!(ask(2, &device), Err(refusal(Error::UnknownKey)));
		assert_eq!(
			Identity::reading_authority(&ALICE, &device),
			Err(refusal(Error::UnknownKey))
		);
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		assert_eq!(ask(0, &device), Err(refusal(Error::DeviceRetired)));
	});
}

#[test]
fn a_key_of_an_earlier_generation_does_nothing() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		// What a change of owner does to the record.
		Devices::<Test>::mutate(&device, |record| {
			if let Some(record) = record {
				record.generation = 1;
			}
		});
		let old = key(0).account();
		assert_noop!(
			Identity::reading_authority(&old, &device),
			refusal(Error::KeyUnconfirmed)
		);
		for action in ACTIONS {
			assert_noop!(
				Identity::authorize(&old, None, action),
				refusal(Error::KeyUnconfirmed)
			);
		}
		assert_noop!(add(&old, &device, &key(1), TRADE), refusal(Error::KeyUnconfirmed));
		assert_noop!(remove(&old, &device, &key(0)), refusal(Error::KeyUnconfirmed));
		assert_noop!(
			rotate(&old, &device, &key(0), &key(1), DAY),
			refusal(Error::KeyUnconfirmed)
		);
		assert_noop!(
			rotate(&ALICE, &device, &key(0), &key(1), DAY),
			refusal(Error::KeyUnconfirmed)
		);
		assert_ok!(remove(&ALICE, &device, &key(0)));
	});
}

#[test]
fn the_weight_covers_every_question() {
	ExtBuilder::default().build_and_execute(|| {
		let weight = <Identity as DeviceAuthority>::weight();
		assert!(weight.all_gte(<()>::authorize()));
		assert!(weight.all_gte(<()>::authorize_operator()));
		assert!(weight.all_gte(<()>::reading_authority()));
	});
}
