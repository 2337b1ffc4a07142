//! What a device publishes about itself.

use crate::{Devices, Error, Event, MAX_SERVICES, Services, mock::*};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use m2m_device::{DeviceId, Roles, Service, ServiceId};
use sp_core::H256;
use sp_runtime::{AccountId32, traits::BadOrigin};

type StatusCall = fn(RuntimeOrigin, DeviceId) -> DispatchResult;

fn id(text: &str) -> ServiceId {
	text.as_bytes().to_vec().try_into().expect("a short id")
}

fn set(by: &AccountId32, device: Option<&DeviceId>, service: Service) -> DispatchResult {
	Identity::set_service(signed(by), device.cloned(), service)
}

fn take(by: &AccountId32, device: Option<&DeviceId>, text: &str) -> DispatchResult {
	Identity::remove_service(signed(by), device.cloned(), id(text))
}

fn held(device: &DeviceId) -> Balance {
	Balances::reserved_balance(device)
}

/// A device of Alice with a key for everything, one for trade and operators for each action.
fn device_with_operators() -> DeviceId {
	let device = register(&ALICE, &key(0));
	assert_ok!(add(&ALICE, &device, &key(1), TRADE));
	for (operator, actions) in [(CAROL, MANAGER), (DAVE, TRADER)] {
		assert_ok!(Identity::grant(
			signed(&ALICE),
			device.clone(),
			operator,
			actions,
			None
		));
	}
	device
}

#[test]
fn the_owner_a_manager_and_a_key_with_manage_describe_a_device() {
	ExtBuilder::default().build_and_execute(|| {
		let device = device_with_operators();
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			100_000
		));
		let named = Some(&device);
		for (number, (signer, device)) in [(ALICE, named), (CAROL, named), (key(0).account(), None)]
			.into_iter()
			.enumerate()
		{
			let profile = Some(H256::repeat_byte(number as u8));
			assert_ok!(Identity::set_profile(signed(&signer), device.cloned(), profile));
			assert_ok!(set(&signer, device, service("a", 10 + number)));
		}
		assert_eq!(
			Devices::<Test>::get(&device).expect("lives").profile,
			Some(H256::repeat_byte(2))
		);
		assert_eq!(Services::<Test>::get(&device), vec![service("a", 12)]);
		assert_ok!(take(&key(0).account(), None, "a"));
		assert!(!Services::<Test>::contains_key(&device));
		assert_ok!(Identity::set_profile(signed(&ALICE), Some(device.clone()), None));
		assert_eq!(Devices::<Test>::get(&device).expect("lives").profile, None);
	});
}

#[test]
fn descriptions_are_told() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let profile = Some(H256::repeat_byte(9));
		assert_ok!(Identity::set_profile(
			signed(&ALICE),
			Some(device.clone()),
			profile
		));
		assert_ok!(set(&ALICE, Some(&device), service("a", 10)));
		assert_ok!(take(&ALICE, Some(&device), "a"));
		let told = [
			Event::ProfileSet {
				device: device.clone(),
				profile,
			},
			Event::ServiceSet {
				device: device.clone(),
				service: id("a"),
			},
			Event::ServiceRemoved {
				device,
				service: id("a"),
			},
		];
		assert!(events().ends_with(&told));
	});
}

#[test]
fn nobody_else_describes_a_device() {
	ExtBuilder::default().build_and_execute(|| {
		let device = device_with_operators();
		assert_ok!(set(&ALICE, Some(&device), service("a", 10)));
		let foreign = register(&BOB, &key(5));
		for (signer, error) in [
			(BOB, Error::NotOwner),
			(DAVE, Error::ActionNotGranted),
			(key(1).account(), Error::RoleMissing),
			(key(5).account(), Error::ForeignKey),
		] {
			let error = refusal(error);
			assert_noop!(
				Identity::set_profile(signed(&signer), Some(device.clone()), None),
				error
			);
			assert_noop!(set(&signer, Some(&device), service("b", 10)), error);
			assert_noop!(take(&signer, Some(&device), "a"), error);
		}
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::none()] {
			let named = Some(foreign.clone());
			assert_noop!(
				Identity::set_profile(origin.clone(), named.clone(), None),
				BadOrigin
			);
			assert_noop!(
				Identity::set_service(origin.clone(), named.clone(), service("a", 10)),
				BadOrigin
			);
			assert_noop!(Identity::remove_service(origin, named, id("a")), BadOrigin);
		}
	});
}

#[test]
fn a_stopped_device_is_described_no_further_but_its_owner_withdraws_services() {
	ExtBuilder::default().build_and_execute(|| {
		let device = device_with_operators();
		let stop: [(StatusCall, Error<Test>); 2] = [
			(Identity::suspend, Error::DeviceSuspended),
			(Identity::report_lost, Error::DeviceLost),
		];
		for name in ["a", "b"] {
			assert_ok!(set(&ALICE, Some(&device), service(name, 10)));
		}
		for ((call, error), name) in stop.into_iter().zip(["a", "b"]) {
			assert_ok!(call(signed(&ALICE), device.clone()));
			let error = refusal(error);
			for signer in [ALICE, CAROL, key(0).account()] {
				assert_noop!(
					Identity::set_profile(signed(&signer), Some(device.clone()), None),
					error
				);
				assert_noop!(set(&signer, Some(&device), service("c", 10)), error);
			}
			for signer in [CAROL, key(0).account()] {
				assert_noop!(take(&signer, Some(&device), name), error);
			}
			assert_ok!(take(&ALICE, Some(&device), name));
		}
	});
}

#[test]
fn a_service_has_an_id_a_kind_and_a_uri() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let with = |name: &str, kind: &str, endpoint: &str| Service {
			id: id(name),
			kind: id(kind),
			endpoint: endpoint.as_bytes().to_vec().try_into().expect("is short"),
		};
		for good in [
			with("a", "k", "a:b"),
			with(
				"Meter_1.v-2",
				"LinkedDomains!",
				"https://meters.example/1?q=%20#f",
			),
			with(
				"0123456789abcdef0123456789abcdef",
				"x",
				"coap+tcp://[2001:db8::1]:5683/",
			),
			with("mail", "x", "mailto:someone@meters.example"),
		] {
			assert_ok!(set(&ALICE, Some(&device), good));
		}
		for bad in [
			with("", "k", "a:b"),
			with("a b", "k", "a:b"),
			with("a#", "k", "a:b"),
			with("\u{e4}", "k", "a:b"),
			with("a", "", "a:b"),
			with("a", "a kind", "a:b"),
			with("a", "k\u{7f}", "a:b"),
			with("a", "\u{e4}", "a:b"),
			with("a", "k", ""),
			with("a", "k", "no-scheme"),
			with("a", "k", ":b"),
			with("a", "k", "a:"),
			with("a", "k", "1a:b"),
			with("a", "k", "a_b:c"),
			with("a", "k", "a:b c"),
			with("a", "k", "a:\"b\""),
			with("a", "k", "a:{b}"),
			with("a", "k", "a:\u{e4}"),
			with("a", "k", "a:\n"),
		] {
			assert_noop!(set(&ALICE, Some(&device), bad.clone()), Error::<Test>::BadService);
		}
	});
}

#[test]
fn services_are_bounded_and_keep_their_place() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let name = |number: u32| format!("s{number}");
		for number in 0..MAX_SERVICES {
			assert_ok!(set(&ALICE, Some(&device), service(&name(number), 10)));
		}
		assert_noop!(
			set(&ALICE, Some(&device), service("more", 10)),
			Error::<Test>::TooManyServices
		);
		assert_ok!(set(&ALICE, Some(&device), service("s3", 20)));
		let listed = Services::<Test>::get(&device);
		assert_eq!(listed.len() as u32, MAX_SERVICES);
		assert_eq!(listed.get(3), Some(&service("s3", 20)));
		assert_noop!(take(&ALICE, Some(&device), "more"), Error::<Test>::UnknownService);
		assert_ok!(take(&ALICE, Some(&device), "s0"));
		assert_ok!(set(&ALICE, Some(&device), service("more", 10)));
	});
}

#[test]
fn the_deposit_follows_the_length_of_the_services() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let (bare, owner) = (held(&device), Balances::free_balance(ALICE));
		assert_ok!(set(&ALICE, Some(&device), service("a", 20)));
		// The list's key and length, and three texts with a length each.
		let price = BytePrice::get() * (48 + 1 + 2 + 13 + 21);
		assert_eq!(held(&device), bare + price);
		assert_eq!(Balances::free_balance(ALICE), owner - price);
		assert_ok!(set(&ALICE, Some(&device), service("a", 10)));
		assert_eq!(held(&device), bare + price - BytePrice::get() * 10);
		assert_eq!(Balances::free_balance(&device), ED + BytePrice::get() * 10);
		assert_ok!(take(&ALICE, Some(&device), "a"));
		assert_eq!(held(&device), bare);
		assert_eq!(Balances::free_balance(&device), ED + price);
		assert_eq!(Balances::free_balance(ALICE), owner - price);
	});
}

#[test]
fn the_wallet_pays_for_what_a_key_or_an_operator_publishes() {
	ExtBuilder::default().build_and_execute(|| {
		let device = device_with_operators();
		let owner = Balances::free_balance(ALICE);
		for (signer, name) in [(key(0).account(), "a"), (CAROL, "b")] {
			assert_noop!(
				set(&signer, Some(&device), service(name, 10)),
				Error::<Test>::WalletCannotPay
			);
		}
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			10_000
		));
		let before = held(&device);
		for (signer, name) in [(key(0).account(), "a"), (CAROL, "b")] {
			assert_ok!(set(&signer, Some(&device), service(name, 10)));
		}
		let paid = held(&device) - before;
		assert!(paid > 0);
		assert_eq!(Balances::free_balance(&device), ED + 10_000 - paid);
		assert_eq!(Balances::free_balance(ALICE), owner);
	});
}

#[test]
fn an_owner_who_cannot_pay_publishes_nothing() {
	let needed = 2 * ED + Identity::deposit_for(1);
	ExtBuilder::default().endow(PAUPER, needed).build_and_execute(|| {
		let device = register_with(&PAUPER, &key(0), Roles::AUTHENTICATE);
		assert_noop!(
			set(&PAUPER, Some(&device), service("a", 10)),
			Error::<Test>::OwnerCannotPay
		);
	});
}

#[test]
fn a_removal_costs_nothing_even_if_storage_became_dearer() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		for name in ["a", "b"] {
			assert_ok!(set(&ALICE, Some(&device), service(name, 10)));
		}
		// As if the deposit had been taken when storage cost next to nothing.
		use frame_support::traits::fungible::MutateHold;
		assert_ok!(Balances::set_on_hold(
			&crate::HoldReason::DeviceDeposit.into(),
			&device,
			50
		));
		Devices::<Test>::mutate(&device, |record| {
			if let Some(record) = record {
				record.deposit = 50;
			}
		});
		assert_ok!(Identity::withdraw(signed(&ALICE), device.clone(), None));
		let owner = Balances::free_balance(ALICE);
		assert_ok!(take(&ALICE, Some(&device), "a"));
		assert_eq!((held(&device), Balances::free_balance(ALICE)), (50, owner));
	});
}
