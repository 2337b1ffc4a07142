//! What other pallets and clients can read.

use crate::{DeviceSnapshot, MAX_PAGE, OwnedDevices, mock::*};
use frame_support::assert_ok;
use m2m_device::{DeviceInspect, DeviceStatus, KeyRecord, Operator, PossessionAction, Roles, TransferOffer};
use sp_core::H256;
use sp_runtime::AccountId32;
use std::collections::BTreeSet;

#[test]
fn a_device_is_seen_with_its_keys_in_order() {
	ExtBuilder::default().build_and_execute(|| {
		let proof = key(0).prove(PossessionAction::Register, &ALICE, None, Roles::ALL);
		let registering = Identity::register_device(
			signed(&ALICE),
			key(0).public(),
			Roles::ALL,
			proof,
			Some(GATEWAY),
			None,
		);
		assert_ok!(registering);
		let device = key(0).device();
		advance(10);
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(2), DAY));
		advance(10);
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		let record = |number: u16, roles, from, until: Option<u64>| KeyRecord {
			device: device.clone(),
			public: key(number).public(),
			roles,
			generation: 0,
			valid_from: START + from,
			valid_until: until.map(|until| START + until),
			deliver_until: until.map(|until| START + until + DAY),
		};
		let keys = vec![
			record(0, Roles::ALL, 0, Some(10)),
			record(1, TRADE, 10, None),
			record(2, Roles::ALL, 10, None),
		];
		assert_eq!(Identity::key(&key(0).account()), Some(keys[0].clone()));
		assert_eq!(
			Identity::snapshot(&device),
			Some(DeviceSnapshot {
				owner: ALICE,
				status: DeviceStatus::Suspended,
				status_since: START + 20,
				generation: 0,
				auth_version: 1,
				gateway: Some(GATEWAY),
				keys,
				profile: None,
				operators: vec![],
				services: vec![],
				offer: None
			})
		);
		assert_eq!(<Identity as DeviceInspect>::owner(&device), Some(ALICE));
		assert_eq!(
			<Identity as DeviceInspect>::status(&device),
			Some(DeviceStatus::Suspended)
		);
		assert_eq!(<Identity as DeviceInspect>::generation(&device), Some(0));
	});
}

#[test]
fn a_device_is_seen_with_its_operators_services_and_offer() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let profile = Some(H256::repeat_byte(5));
		let expires = Some(START + DAY);
		for (operator, actions) in [(CAROL, MANAGER), (DAVE, GUARD)] {
			assert_ok!(Identity::grant(
				signed(&ALICE),
				device.clone(),
				operator,
				actions,
				expires
			));
		}
		for id in ["b", "a"] {
			assert_ok!(Identity::set_service(
				signed(&ALICE),
				Some(device.clone()),
				service(id, 20)
			));
		}
		assert_ok!(Identity::set_profile(
			signed(&ALICE),
			Some(device.clone()),
			profile
		));
		assert_ok!(Identity::offer_transfer(
			signed(&ALICE),
			device.clone(),
			BOB,
			7,
			START
		));
		let seen = Identity::snapshot(&device).expect("lives");
		assert_eq!(seen.profile, profile);
		let operator = |account, actions| Operator {
			account,
			actions,
			expires,
			generation: 0,
		};
		assert_eq!(seen.operators, [operator(CAROL, MANAGER), operator(DAVE, GUARD)]);
		assert_eq!(seen.services, [service("b", 20), service("a", 20)]);
		let offer = TransferOffer {
			to: BOB,
			price: 7,
			expires: START,
		};
		assert_eq!(seen.offer, Some(offer));
	});
}

#[test]
fn a_retired_device_is_still_seen() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		advance(10);
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		assert_eq!(
			Identity::snapshot(&device),
			Some(DeviceSnapshot {
				owner: ALICE,
				status: DeviceStatus::Retired,
				status_since: START + 10,
				generation: 0,
				auth_version: 0,
				gateway: None,
				keys: vec![],
				profile: None,
				operators: vec![],
				services: vec![],
				offer: None
			})
		);
		assert_eq!(<Identity as DeviceInspect>::owner(&device), Some(ALICE));
		assert_eq!(
			<Identity as DeviceInspect>::status(&device),
			Some(DeviceStatus::Retired)
		);
		assert_eq!(<Identity as DeviceInspect>::generation(&device), None);
		assert_eq!(Identity::key(&key(0).account()), None);
		assert_eq!(Identity::device_of_key(&key(0).account()), Some(device));
	});
}

#[test]
fn what_the_chain_never_knew_is_not_seen() {
	ExtBuilder::default().build_and_execute(|| {
		let nowhere = AccountId32::new([1; 32]);
		assert_eq!(Identity::snapshot(&nowhere), None);
		assert_eq!(<Identity as DeviceInspect>::owner(&nowhere), None);
		assert_eq!(<Identity as DeviceInspect>::status(&nowhere), None);
		assert_eq!(<Identity as DeviceInspect>::generation(&nowhere), None);
		assert_eq!(Identity::key(&ALICE), None);
		assert_eq!(Identity::device_of_key(&ALICE), None);
		assert!(Identity::devices_of(&ALICE, None, 10).is_empty());
	});
}

#[test]
fn a_key_leads_to_its_device_also_after_its_removal() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_eq!(Identity::device_of_key(&key(0).account()), Some(device.clone()));
		assert_ok!(remove(&ALICE, &device, &key(0)));
		assert_eq!(Identity::device_of_key(&key(0).account()), Some(device));
		assert_eq!(Identity::key(&key(0).account()), None);
	});
}

#[test]
fn a_fleet_is_listed_in_pages() {
	ExtBuilder::default().build_and_execute(|| {
		let mut expected: BTreeSet<_> = (0..25).map(|number| register(&ALICE, &key(number))).collect();
		register(&BOB, &key(100));
		let all = Identity::devices_of(&ALICE, None, 100);
		assert_eq!(all.iter().cloned().collect::<BTreeSet<_>>(), expected);
		let mut paged = vec![];
		loop {
			let page = Identity::devices_of(&ALICE, paged.last(), 10);
			if page.is_empty() {
				break;
			}
			paged.extend(page);
		}
		assert_eq!(paged, all);
		assert!(Identity::devices_of(&ALICE, None, 0).is_empty());

		// A listing goes on after a device that was retired meanwhile.
		assert_ok!(Identity::retire(signed(&ALICE), all[9].clone()));
		expected.remove(&all[9]);
		assert_eq!(Identity::devices_of(&ALICE, Some(&all[9]), 100), all[10..]);
		assert_eq!(Identity::devices_of(&ALICE, None, 100).len(), expected.len());
	});
}

#[test]
fn a_page_is_bounded() {
	ExtBuilder::default().build().execute_with(|| {
		// Only the index matters here, so the devices need not exist.
		for number in 0..MAX_PAGE + 10 {
			OwnedDevices::<Test>::insert(
				ALICE,
				AccountId32::new([number.to_le_bytes(); 8].concat().try_into().expect("32 bytes")),
				(),
			);
		}
		assert_eq!(
			Identity::devices_of(&ALICE, None, u32::MAX).len(),
			MAX_PAGE as usize
		);
	});
}
