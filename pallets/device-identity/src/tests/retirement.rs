//! A device ends.

use crate::{
	DeviceKeys, Devices, Error, Event, KeyEntry, Keys, Operators, OwnedDevices, RetiredDevice,
	RetiredDevices, Services, TransferOffers, mock::*,
};
use frame_support::{
	assert_noop, assert_ok, assert_storage_noop,
	traits::{fungible::MutateHold, tokens::Precision::Exact},
};
use m2m_device::{Action, DeviceAuthority, Roles};
use sp_runtime::{AccountId32, traits::BadOrigin};

const TOMBSTONE: Balance = 70;

#[test]
fn retiring_returns_every_deposit_and_reference() {
	ExtBuilder::default().build_and_execute(|| {
		let issuance = Balances::total_issuance();
		let device = register(&ALICE, &key(0));
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		assert_ok!(add(&ALICE, &device, &key(2), MANAGE));
		assert_ok!(rotate(&ALICE, &device, &key(2), &key(3), DAY));
		assert_ok!(remove(&ALICE, &device, &key(1)));
		advance(9);
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));

		// Four keys were introduced, so five tombstones stay.
		let burnt = 5 * TOMBSTONE;
		assert_eq!(Balances::free_balance(ALICE), ENDOWMENT - burnt);
		assert_eq!(Balances::total_issuance(), issuance - burnt);
		assert_eq!(
			events().last(),
			Some(&Event::DeviceRetired {
				device: device.clone(),
				owner: ALICE,
				returned: ED + Identity::deposit_for(4) - burnt,
				burnt
			})
		);
		assert!(!System::account_exists(&device));
		for number in 0..4 {
			assert!(!System::account_exists(&key(number).account()));
			assert!(matches!(
				Keys::<Test>::get(key(number).account()),
				Some(KeyEntry::Removed(_))
			));
		}
		assert!(!Devices::<Test>::contains_key(&device));
		assert!(!DeviceKeys::<Test>::contains_key(&device));
		assert!(!OwnedDevices::<Test>::contains_key(ALICE, &device));
		assert_eq!(
			RetiredDevices::<Test>::get(&device),
			Some(RetiredDevice {
				owner: ALICE,
				retired_at: START + 9,
				generation: 0,
				auth_version: 0
			})
		);
	});
}

#[test]
fn retiring_returns_every_deposit_also_with_operators_services_and_an_offer() {
	ExtBuilder::default().build_and_execute(|| {
		let issuance = Balances::total_issuance();
		let device = register(&ALICE, &key(0));
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
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
				service(id, 100)
			));
		}
		assert_ok!(Identity::offer_transfer(
			signed(&ALICE),
			device.clone(),
			BOB,
			5,
			START
		));
		assert!(Balances::reserved_balance(&device) > Identity::deposit_for(2));
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		let burnt = 3 * TOMBSTONE;
		assert_eq!(Balances::free_balance(ALICE), ENDOWMENT - burnt);
		assert_eq!(Balances::total_issuance(), issuance - burnt);
		assert!(!Operators::<Test>::contains_key(&device));
		assert!(!Services::<Test>::contains_key(&device));
		assert!(!TransferOffers::<Test>::contains_key(&device));
		assert!(!System::account_exists(&device));
		for number in 0..2 {
			assert!(!System::account_exists(&key(number).account()));
		}
		assert_noop!(
			Identity::accept_transfer(signed(&BOB), device, 0, 5),
			Error::<Test>::DeviceRetired
		);
	});
}

#[test]
fn the_history_of_a_retired_device_stays() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		advance(10);
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), DAY));
		advance(10);
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		let interval = |number: u16| match Keys::<Test>::get(key(number).account()) {
			Some(KeyEntry::Removed(tombstone)) => {
				assert_eq!(tombstone.device, device);
				(
					tombstone.scheme,
					tombstone.valid_from - START,
					tombstone.valid_until - START,
				)
			}
			_ => panic!("a tombstone stays"),
		};
		assert_eq!(interval(0), (0, 0, 10));
		assert_eq!(interval(1), (1, 10, 20));
		assert_eq!(
			RetiredDevices::<Test>::get(&device).expect("stays").auth_version,
			1
		);
	});
}

#[test]
fn all_money_of_the_wallet_goes_to_the_owner() {
	ExtBuilder::default()
		.endow(key(0).device(), 777_777)
		.build_and_execute(|| {
			let device = register(&ALICE, &key(0));
			assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), 1_234));
			assert_ok!(Identity::retire(signed(&ALICE), device));
			assert_eq!(
				Balances::free_balance(ALICE),
				ENDOWMENT + 777_777 + 1_234 - 2 * TOMBSTONE
			);
		});
}

#[test]
fn a_device_is_retired_from_every_status_and_without_keys() {
	ExtBuilder::default().build_and_execute(|| {
		let active = register(&ALICE, &key(0));
		let suspended = register(&ALICE, &key(1));
		let lost = register(&ALICE, &key(2));
		assert_ok!(Identity::suspend(signed(&ALICE), suspended.clone()));
		assert_ok!(Identity::report_lost(signed(&ALICE), lost.clone()));
		assert_ok!(remove(&ALICE, &active, &key(0)));
		for device in [active, suspended, lost] {
			assert_ok!(Identity::retire(signed(&ALICE), device));
		}
		assert_eq!(Balances::free_balance(ALICE), ENDOWMENT - 6 * TOMBSTONE);
	});
}

#[test]
fn open_positions_must_be_closed_first() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), 5_000));
		let reason = streams::HoldReason::StreamDeposit.into();
		assert_ok!(Balances::hold(&reason, &device, 1));
		assert_noop!(
			Identity::retire(signed(&ALICE), device.clone()),
			Error::<Test>::OpenPositions
		);
		// The owner may close them in any status, and then retire.
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_ok!(
			Identity::authorize(&ALICE, Some(&device), Action::Close),
			device.clone()
		);
		assert_ok!(Balances::release(&reason, &device, 1, Exact));
		assert_ok!(Identity::retire(signed(&ALICE), device));
		assert_eq!(Balances::free_balance(ALICE), ENDOWMENT + 5_000 - 2 * TOMBSTONE);
	});
}

#[test]
fn a_retired_device_does_nothing_and_never_comes_back() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(add(&ALICE, &device, &key(1), Roles::ALL));
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		let retired = || refusal(Error::DeviceRetired);
		for action in [Action::Manage, Action::Trade, Action::Close] {
			for signer in [ALICE, BOB, key(0).account()] {
				assert_noop!(Identity::authorize(&signer, Some(&device), action), retired());
			}
		}
		assert_noop!(add(&ALICE, &device, &key(2), TRADE), retired());
		assert_noop!(rotate(&ALICE, &device, &key(0), &key(2), DAY), retired());
		assert_noop!(remove(&ALICE, &device, &key(0)), retired());
		for signer in [ALICE, key(0).account()] {
			assert_noop!(
				Identity::set_profile(signed(&signer), Some(device.clone()), None),
				retired()
			);
			assert_noop!(
				Identity::set_service(signed(&signer), Some(device.clone()), service("a", 10)),
				retired()
			);
			assert_noop!(
				Identity::remove_service(signed(&signer), Some(device.clone()), service("a", 10).id),
				retired()
			);
		}
		assert_noop!(
			Identity::prune_keys(signed(&ALICE), device.clone()),
			Error::<Test>::DeviceRetired
		);
		assert_noop!(
			Identity::retire(signed(&ALICE), device.clone()),
			Error::<Test>::DeviceRetired
		);
		for number in 0..2 {
			let item = key(number).registration(&ALICE);
			assert_noop!(
				Identity::register_device(signed(&ALICE), item.public, item.roles, item.proof, None, None),
				Error::<Test>::KeyAlreadyUsed
			);
		}
	});
}

#[test]
fn only_the_owner_retires() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_noop!(
			Identity::retire(signed(&BOB), device.clone()),
			Error::<Test>::NotOwner
		);
		assert_noop!(
			Identity::retire(signed(&key(0).account()), device.clone()),
			Error::<Test>::NotOwner
		);
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::none()] {
			assert_storage_noop!({
				let call = Identity::retire(origin, device.clone());
				assert_eq!(call.expect_err("refused").error, BadOrigin.into());
			});
		}
		assert_noop!(
			Identity::retire(signed(&ALICE), AccountId32::new([1; 32])),
			Error::<Test>::UnknownDevice
		);
	});
}

#[test]
fn an_owner_whose_account_ended_gets_everything_back() {
	let needed = 2 * ED + Identity::deposit_for(1);
	ExtBuilder::default().endow(PAUPER, needed).build_and_execute(|| {
		let device = register(&PAUPER, &key(0));
		assert_ok!(Balances::transfer_allow_death(signed(&PAUPER), BOB, ED));
		assert!(!System::account_exists(&PAUPER));
		assert_ok!(Identity::retire(signed(&PAUPER), device));
		assert_eq!(Balances::free_balance(PAUPER), needed - ED - 2 * TOMBSTONE);
	});
}

#[test]
fn the_weight_follows_the_number_of_keys() {
	use crate::weights::WeightInfo;
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		let post = Identity::retire(signed(&ALICE), device).expect("retires");
		assert_eq!(
			post.actual_weight,
			Some(<()>::retire(2).saturating_add(LISTENER_WEIGHT))
		);
	});
}
