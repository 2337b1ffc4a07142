//! The check of the invariants finds each kind of damage.

use crate::{
	DeviceKeys, Devices, KeyEntry, Keys, Operators, OwnedDevices, RetiredDevice, RetiredDevices, Services,
	TransferOffers, mock::*,
};
use frame_support::{
	assert_ok,
	traits::{fungible::MutateHold, tokens::Precision::Exact},
};
use m2m_device::{DeviceId, DeviceStatus};

/// Damages a state with two devices of Alice, of which the first has a rotated key, two operators, two services and
/// an offer, and a retired one, and expects the check to name the invariant.
fn damage(expected: &str, act: impl FnOnce(&DeviceId)) {
	ExtBuilder::default().build().execute_with(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), DAY));
		for operator in [CAROL, DAVE] {
			assert_ok!(Identity::grant(
				signed(&ALICE),
				device.clone(),
				operator,
				MANAGER,
				None
			));
		}
		for id in ["a", "b"] {
			assert_ok!(Identity::set_service(
				signed(&ALICE),
				Some(device.clone()),
				service(id, 10)
			));
		}
		assert_ok!(Identity::offer_transfer(
			signed(&ALICE),
			device.clone(),
			BOB,
			1,
			START
		));
		register(&ALICE, &key(2));
		let retired = register(&ALICE, &key(3));
		assert_ok!(Identity::retire(signed(&ALICE), retired));
		assert_ok!(Identity::do_try_state());
		act(&device);
		match Identity::do_try_state() {
			Err(sp_runtime::TryRuntimeError::Other(found)) => assert_eq!(found, expected),
			other => panic!("{other:?} instead of {expected}"),
		}
	});
}

fn change_key(number: u16, change: impl FnOnce(&mut crate::DeviceKey)) {
	Keys::<Test>::mutate(key(number).account(), |entry| {
		if let Some(KeyEntry::Active(key)) = entry {
			change(key);
		}
	});
}

fn change_device(device: &DeviceId, change: impl FnOnce(&mut crate::DeviceOf<Test>)) {
	Devices::<Test>::mutate(device, |record| {
		if let Some(record) = record {
			change(record);
		}
	});
}

#[test]
fn devices_and_owners() {
	damage("1: a device with the status of a tombstone", |device| {
		change_device(device, |record| record.status = DeviceStatus::Retired);
	});
	damage("1: a device is also retired", |device| {
		let tombstone = RetiredDevice {
			owner: ALICE,
			retired_at: START,
			generation: 0,
			auth_version: 0,
		};
		RetiredDevices::<Test>::insert(device, tombstone);
	});
	damage("1: a device is not in its owner's index", |device| {
		OwnedDevices::<Test>::remove(ALICE, device);
	});
	damage("1: an owner is or was a device key", |device| {
		change_device(device, |record| record.owner = key(2).account());
		OwnedDevices::<Test>::insert(key(2).account(), device, ());
	});
	damage("7: an index entry without a device of that owner", |device| {
		OwnedDevices::<Test>::insert(BOB, device, ());
	});
}

#[test]
fn wallets() {
	damage("2: a wallet's hold is not the recorded deposit", |device| {
		change_device(device, |record| record.deposit += 1);
	});
	damage("2: a wallet's hold is not the recorded deposit", |device| {
		assert_ok!(Balances::release(
			&crate::HoldReason::DeviceDeposit.into(),
			device,
			1,
			Exact
		));
	});
	damage("2: a wallet below the existential deposit", |device| {
		frame_system::Account::<Test>::mutate(device, |account| account.data.free = ED - 1);
	});
	let stray = "8: a device's deposit on an account that is no device";
	damage(stray, |_| {
		let reason = crate::HoldReason::DeviceDeposit.into();
		assert_ok!(Balances::hold(&reason, &BOB, 1));
	});
	damage(stray, |_| {
		let retired = key(3).device();
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			retired.clone(),
			2 * ED
		));
		assert_ok!(Balances::hold(
			&crate::HoldReason::DeviceDeposit.into(),
			&retired,
			1
		));
	});
}

#[test]
fn lists_of_keys() {
	damage("3: a list of keys without a device", |_| {
		DeviceKeys::<Test>::insert(key(9).device(), crate::KeyList::<Test>::default());
	});
	damage("3: a listed key is not active", |device| {
		DeviceKeys::<Test>::mutate(device, |keys| {
			let _ = keys.try_push(key(3).account());
		});
	});
	damage("3: a listed key belongs to another device", |device| {
		DeviceKeys::<Test>::mutate(device, |keys| {
			let _ = keys.try_push(key(2).account());
		});
		DeviceKeys::<Test>::insert(key(2).device(), crate::KeyList::<Test>::default());
	});
	damage("3: a key is listed twice", |device| {
		DeviceKeys::<Test>::mutate(device, |keys| {
			let _ = keys.try_push(key(0).account());
		});
	});
}

#[test]
fn active_keys() {
	damage("4: an active key without a living device", |device| {
		DeviceKeys::<Test>::remove(device);
		Devices::<Test>::remove(device);
	});
	damage("4: an active key is not listed", |device| {
		DeviceKeys::<Test>::mutate(device, |keys| keys.truncate(1));
	});
	damage("4: an active key without a role", |_| {
		change_key(0, |key| key.roles = NONE)
	});
	damage("4: a key from a later generation", |_| {
		change_key(0, |key| key.generation = 1)
	});
	damage("4: a key under a foreign account", |_| {
		change_key(0, |entry| entry.public = key(5).public())
	});
	let unreferenced = "4: an active key without its one reference";
	damage(unreferenced, |_| {
		System::dec_sufficients(&key(0).account());
	});
	damage(unreferenced, |_| {
		System::inc_sufficients(&key(0).account());
	});
	damage("4: a key's interval is out of order", |_| {
		change_key(0, |key| key.valid_from = START + 1)
	});
}

#[test]
fn tombstones() {
	let change = |change: fn(&mut crate::RemovedKey)| {
		Keys::<Test>::mutate(key(3).account(), |entry| {
			if let Some(KeyEntry::Removed(tombstone)) = entry {
				change(tombstone);
			}
		});
	};
	damage("5: a removed key's interval is out of order", |_| {
		change(|tombstone| tombstone.valid_from = START + 1);
	});
	damage("5: a removed key of an unknown device", |_| {
		change(|tombstone| tombstone.device = ALICE);
	});
	damage("5: a removed key with a reference", |_| {
		System::inc_sufficients(&key(3).account());
	});
	damage("6: a device miscounts its keys", |device| {
		change_device(device, |record| record.keys_introduced += 1);
	});
}

#[test]
fn operators() {
	let nowhere = key(9).device();
	damage("9: operators without a device", |device| {
		Operators::<Test>::insert(&nowhere, Operators::<Test>::get(device));
	});
	damage("9: an empty list of operators", |device| {
		Operators::<Test>::insert(device, crate::OperatorList::default());
	});
	let change = |device: &DeviceId, change: fn(&mut m2m_device::Operator)| {
		Operators::<Test>::mutate(device, |operators| operators.iter_mut().take(1).for_each(change));
	};
	damage("9: an operator is listed twice", |device| {
		change(device, |grant| grant.account = DAVE);
	});
	damage("9: an owner is an operator", |device| {
		change(device, |grant| grant.account = ALICE);
	});
	damage("9: a grant without an action", |device| {
		change(device, |grant| grant.actions = Default::default());
	});
	damage("9: a grant of another generation", |device| {
		change(device, |grant| grant.generation = 1);
	});
	damage("12: a device miscounts what is listed", |device| {
		change(device, |grant| grant.expires = Some(START));
	});
}

#[test]
fn services() {
	let nowhere = key(9).device();
	damage("10: services without a device", |device| {
		Services::<Test>::insert(&nowhere, Services::<Test>::get(device));
	});
	damage("10: an empty list of services", |device| {
		Services::<Test>::insert(device, crate::ServiceList::default());
	});
	damage("10: a service is listed twice", |device| {
		Services::<Test>::mutate(device, |services| {
			let _ = services.try_push(service("a", 10));
		});
	});
	damage("10: a service without its form", |device| {
		Services::<Test>::mutate(device, |services| {
			services.iter_mut().for_each(|service| service.kind.truncate(0));
		});
	});
	damage("12: a device miscounts what is listed", |device| {
		Services::<Test>::remove(device);
	});
}

#[test]
fn offers() {
	let nowhere = key(9).device();
	damage("11: an offer without a device", |device| {
		let offer = TransferOffers::<Test>::get(device).expect("is offered");
		TransferOffers::<Test>::insert(&nowhere, offer);
	});
	damage("11: an offer to the owner", |device| {
		TransferOffers::<Test>::mutate(device, |offer| {
			if let Some(offer) = offer {
				offer.to = ALICE;
			}
		});
	});
	damage("12: a device miscounts what is listed", |device| {
		TransferOffers::<Test>::remove(device);
	});
}
