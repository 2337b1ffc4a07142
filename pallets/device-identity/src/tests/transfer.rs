//! A device gets another owner.

use crate::{
	DeviceKeys, Devices, Error, Event, Introducer, KeyEntry, Keys, Operators, OwnedDevices, Services,
	TransferOffers, mock::*,
};
use frame_support::{
	assert_noop, assert_ok,
	dispatch::DispatchResult,
	traits::{
		fungible::{InspectHold, MutateHold},
		tokens::Precision::Exact,
	},
};
use m2m_device::{
	Action, DeviceAuthority, DeviceId, DeviceStatus, OperatorActions, PossessionAction, Roles, UnixMs,
};
use sp_runtime::{AccountId32, traits::BadOrigin};

const PRICE: Balance = 3_000;

fn offer(
	by: &AccountId32,
	device: &DeviceId,
	to: &AccountId32,
	price: Balance,
	expires: UnixMs,
) -> DispatchResult {
	Identity::offer_transfer(signed(by), device.clone(), to.clone(), price, expires)
}

fn accept(by: &AccountId32, device: &DeviceId, generation: u32, price: Balance) -> DispatchResult {
	Identity::accept_transfer(signed(by), device.clone(), generation, price)
}

fn cancel(by: &AccountId32, device: &DeviceId) -> DispatchResult {
	Identity::cancel_transfer(signed(by), device.clone())
}

/// A device of Alice's that is offered to Bob for a day.
fn offered() -> DeviceId {
	let device = register(&ALICE, &key(0));
	assert_ok!(offer(&ALICE, &device, &BOB, PRICE, START + DAY));
	device
}

fn owner(device: &DeviceId) -> AccountId32 {
	Devices::<Test>::get(device).expect("lives").owner
}

#[test]
fn a_device_changes_its_owner_by_an_offer_and_its_acceptance() {
	ExtBuilder::default().build_and_execute(|| {
		let device = offered();
		let told = Event::TransferOffered {
			device: device.clone(),
			to: BOB,
			price: PRICE,
			expires: START + DAY,
		};
		assert_eq!(events().last(), Some(&told));
		// Nothing changed yet.
		assert_eq!(owner(&device), ALICE);
		assert_ok!(Identity::authorize(&key(0).account(), None, Action::Manage));
		advance(DAY);
		assert_ok!(accept(&BOB, &device, 0, PRICE));
		let told = Event::TransferAccepted {
			device: device.clone(),
			from: ALICE,
			to: BOB,
			price: PRICE,
			generation: 1,
		};
		assert_eq!(events().last(), Some(&told));
		let record = Devices::<Test>::get(&device).expect("lives");
		assert_eq!((record.owner, record.generation), (BOB, 1));
		assert!(!OwnedDevices::<Test>::contains_key(ALICE, &device));
		assert!(OwnedDevices::<Test>::contains_key(BOB, &device));
		assert!(!TransferOffers::<Test>::contains_key(&device));
	});
}

#[test]
fn the_old_owner_gets_the_price_and_the_wallets_free_money() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let bare = Balances::reserved_balance(&device);
		assert_ok!(Identity::grant(
			signed(&ALICE),
			device.clone(),
			CAROL,
			MANAGER,
			None
		));
		let service = service("a", 20);
		assert_ok!(Identity::set_service(
			signed(&ALICE),
			Some(device.clone()),
			service
		));
		let with_service = Devices::<Test>::get(&device).expect("lives").deposit;
		assert_ok!(offer(&ALICE, &device, &BOB, PRICE, START));
		assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), 5_000));
		let (alice, bob) = (Balances::free_balance(ALICE), Balances::free_balance(BOB));
		let held = Balances::reserved_balance(&device);
		assert_ok!(accept(&BOB, &device, 0, PRICE));
		// The deposits for operators and the offer come back too; that for keys and services stays.
		let operators = BytePrice::get() * (48 + 1 + 32 + 3 + 1 + 4);
		let of_offer = BytePrice::get() * (48 + 32 + 16 + 8);
		assert_eq!(held, with_service + of_offer);
		let left = Balances::reserved_balance(&device);
		assert_eq!(left, held - operators - of_offer);
		assert!(left > bare);
		assert_eq!(
			Balances::free_balance(ALICE),
			alice + PRICE + 5_000 + operators + of_offer
		);
		assert_eq!(Balances::free_balance(BOB), bob - PRICE);
		assert_eq!(Balances::free_balance(&device), ED);
		assert!(Services::<Test>::contains_key(&device));
		// In the end the new owner gets the rest.
		assert_ok!(Identity::retire(signed(&BOB), device));
		assert_eq!(
			Balances::free_balance(BOB),
			bob - PRICE + ED + left - 2 * TombstonePrice::get()
		);
	});
}

#[test]
fn the_old_owners_keys_and_grants_are_dead_after_a_transfer() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), DAY));
		assert_ok!(Identity::grant(
			signed(&ALICE),
			device.clone(),
			CAROL,
			OperatorActions::ALL,
			None
		));
		advance(10);
		hand_over(&ALICE, &device, &BOB);
		let unconfirmed = refusal(Error::KeyUnconfirmed);
		let thief = key(1).account();
		for action in [Action::Manage, Action::Trade, Action::Close] {
			for signer in [ALICE, CAROL] {
				assert_noop!(
					Identity::authorize(&signer, Some(&device), action),
					refusal(Error::NotOwner)
				);
			}
			assert_noop!(
				Identity::authorize(&key(0).account(), None, action),
				refusal(Error::KeyRotated)
			);
			assert_noop!(Identity::authorize(&thief, None, action), unconfirmed);
			assert_noop!(Identity::participant(&thief, None, action), unconfirmed);
		}
		for number in 0..2 {
			assert_noop!(
				Identity::reading_authority(&key(number).account(), &device),
				unconfirmed
			);
			assert_eq!(Identity::acting_key(&key(number).account()), None);
		}
		assert_noop!(add(&thief, &device, &key(2), TRADE), unconfirmed);
		assert_noop!(rotate(&thief, &device, &key(1), &key(2), DAY), unconfirmed);
		assert_noop!(rotate(&BOB, &device, &key(1), &key(2), DAY), unconfirmed);
		assert_noop!(remove(&thief, &device, &key(1)), unconfirmed);
		assert_noop!(
			Identity::set_profile(signed(&thief), None, None),
			Error::<Test>::KeyUnconfirmed
		);
		assert!(!Operators::<Test>::contains_key(&device));
		let not_owner = Error::<Test>::NotOwner;
		for signer in [ALICE, CAROL] {
			assert_noop!(
				Identity::suspend(signed(&signer), device.clone()),
				Error::<Test>::NotOwner
			);
		}
		assert_noop!(add(&ALICE, &device, &key(2), TRADE), refusal(Error::NotOwner));
		assert_noop!(remove(&ALICE, &device, &key(1)), refusal(Error::NotOwner));
		assert_noop!(
			Identity::withdraw(signed(&ALICE), device.clone(), None),
			not_owner
		);
		assert_noop!(
			Identity::retire(signed(&ALICE), device.clone()),
			Error::<Test>::NotOwner
		);
		// The new owner has all of it.
		assert_ok!(remove(&BOB, &device, &key(1)));
		assert_ok!(add(&BOB, &device, &key(2), Roles::ALL));
		assert_ok!(
			Identity::authorize(&key(2).account(), None, Action::Trade),
			device
		);
	});
}

#[test]
fn a_confirmed_key_goes_on_under_the_new_owner() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Balances::transfer_keep_alive(
			signed(&BOB),
			device.clone(),
			10_000
		));
		// A key that another key introduced.
		assert_ok!(add(&key(0).account(), &device, &key(1), Roles::ALL));
		let version = Devices::<Test>::get(&device).expect("lives").auth_version;
		advance(10);
		hand_over(&ALICE, &device, &BOB);
		assert_ok!(confirm(&BOB, &device, &key(1)));
		let told = Event::KeyConfirmed {
			device: device.clone(),
			key: key(1).account(),
		};
		assert_eq!(events().last(), Some(&told));
		let signer = key(1).account();
		assert_ok!(Identity::authorize(&signer, None, Action::Trade), device.clone());
		// Readings from before the transfer are delivered again, without a limit of time.
		assert_eq!(
			Identity::reading_authority(&signer, &device).map(|it| it.before),
			Ok(None)
		);
		let Some(KeyEntry::Active(entry)) = Keys::<Test>::get(&signer) else {
			panic!("the key is active");
		};
		assert_eq!(
			(entry.generation, entry.valid_from, entry.introduced_by),
			(1, START, Introducer::Owner)
		);
		// Nobody got a key that an issuer has not seen.
		assert_eq!(
			Devices::<Test>::get(&device).expect("lives").auth_version,
			version
		);
		// The owner vouches for it now, so the key that added it does not remove it.
		assert_ok!(confirm(&BOB, &device, &key(0)));
		assert_noop!(
			remove(&key(0).account(), &device, &key(1)),
			refusal(Error::NotIntroducedBySigner)
		);
	});
}

#[test]
fn only_waiting_keys_of_the_device_are_confirmed() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		assert_ok!(add(&ALICE, &device, &key(2), TRADE));
		assert_ok!(rotate(&ALICE, &device, &key(1), &key(3), DAY));
		let foreign = register(&ALICE, &key(4));
		assert_noop!(confirm(&ALICE, &device, &key(0)), Error::<Test>::AlreadyConfirmed);
		hand_over(&ALICE, &device, &BOB);
		assert_ok!(remove(&BOB, &device, &key(2)));
		for (number, error) in [
			(1, Error::KeyRotated),
			(2, Error::KeyRemoved),
			(4, Error::ForeignKey),
			(5, Error::UnknownKey),
		] {
			assert_noop!(confirm(&BOB, &device, &key(number)), refusal(error));
		}
		assert_noop!(confirm(&ALICE, &device, &key(0)), Error::<Test>::NotOwner);
		assert_noop!(
			confirm(&key(0).account(), &device, &key(0)),
			Error::<Test>::NotOwner
		);
		assert_noop!(
			confirm(&BOB, &AccountId32::new([1; 32]), &key(0)),
			Error::<Test>::UnknownDevice
		);
		let proof = key(0).prove(PossessionAction::Confirm, &BOB, Some(&device), Roles::ALL);
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::none()] {
			assert_noop!(
				Identity::confirm_key(origin, device.clone(), key(0).account(), proof.clone()),
				BadOrigin
			);
		}
		assert_ok!(confirm(&BOB, &device, &key(0)));
		assert_ok!(Identity::retire(signed(&ALICE), foreign.clone()));
		assert_noop!(confirm(&ALICE, &foreign, &key(4)), Error::<Test>::DeviceRetired);
	});
}

#[test]
fn a_device_goes_from_hand_to_hand() {
	ExtBuilder::default()
		.endow(CAROL, ENDOWMENT)
		.build_and_execute(|| {
			let device = register(&ALICE, &key(0));
			hand_over(&ALICE, &device, &BOB);
			assert_ok!(confirm(&BOB, &device, &key(0)));
			hand_over(&BOB, &device, &CAROL);
			// What Bob confirmed, Carol has not.
			assert_noop!(
				Identity::authorize(&key(0).account(), None, Action::Manage),
				refusal(Error::KeyUnconfirmed)
			);
			hand_over(&CAROL, &device, &ALICE);
			// Nor does a key of the first generation come alive when the first owner is back.
			assert_noop!(
				Identity::authorize(&key(0).account(), None, Action::Manage),
				refusal(Error::KeyUnconfirmed)
			);
			let record = Devices::<Test>::get(&device).expect("lives");
			assert_eq!((record.owner, record.generation), (ALICE, 3));
		});
}

#[test]
fn the_history_of_the_old_generation_stays() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		advance(10);
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), 5));
		advance(10);
		hand_over(&ALICE, &device, &BOB);
		// Whoever checks an old signature still finds when each key signed.
		use m2m_device::DeviceInspect;
		let interval = |number: u16| {
			let record = Identity::key(&key(number).account()).expect("is listed");
			(record.generation, record.valid_from - START, record.valid_until)
		};
		assert_eq!(interval(0), (0, 0, Some(START + 10)));
		assert_eq!(interval(1), (0, 10, None));
		assert_ok!(Identity::prune_keys(signed(&BOB), device.clone()));
		assert_ok!(remove(&BOB, &device, &key(1)));
		for number in 0..2 {
			let entry = Keys::<Test>::get(key(number).account());
			assert!(matches!(entry, Some(KeyEntry::Removed(tombstone)) if tombstone.device == device));
		}
		assert!(DeviceKeys::<Test>::get(&device).is_empty());
	});
}

#[test]
fn a_suspended_or_lost_device_stays_so_over_a_transfer() {
	ExtBuilder::default().build_and_execute(|| {
		for (number, call, status) in [
			(
				0,
				Identity::suspend as fn(RuntimeOrigin, DeviceId) -> DispatchResult,
				DeviceStatus::Suspended,
			),
			(1, Identity::report_lost, DeviceStatus::Lost),
		] {
			let device = register(&ALICE, &key(number));
			assert_ok!(call(signed(&ALICE), device.clone()));
			advance(10);
			hand_over(&ALICE, &device, &BOB);
			let record = Devices::<Test>::get(&device).expect("lives");
			assert_eq!((record.status, record.status_since), (status, now() - 10));
			assert_ok!(confirm(&BOB, &device, &key(number)));
			let signer = key(number).account();
			assert!(Identity::authorize(&signer, None, Action::Manage).is_err());
			assert!(Identity::authorize(&BOB, Some(&device), Action::Trade).is_err());
			assert_eq!(Identity::acting_key(&signer), None);
			assert_ok!(Identity::resume(signed(&BOB), device.clone()));
			assert_ok!(Identity::authorize(&signer, None, Action::Manage), device);
		}
	});
}

#[test]
fn nothing_is_accepted_but_what_was_offered() {
	ExtBuilder::default()
		.endow(CAROL, ENDOWMENT)
		.build_and_execute(|| {
			let device = offered();
			let second = register(&ALICE, &key(1));
			assert_noop!(accept(&BOB, &second, 0, PRICE), Error::<Test>::NoOffer);
			assert_noop!(
				accept(&BOB, &AccountId32::new([1; 32]), 0, PRICE),
				Error::<Test>::UnknownDevice
			);
			for signer in [ALICE, CAROL, key(0).account()] {
				assert_noop!(accept(&signer, &device, 0, PRICE), Error::<Test>::NotOffered);
			}
			assert_noop!(accept(&BOB, &device, 1, PRICE), Error::<Test>::GenerationMismatch);
			for price in [0, PRICE - 1, PRICE + 1] {
				assert_noop!(accept(&BOB, &device, 0, price), Error::<Test>::PriceMismatch);
			}
			for origin in [RuntimeOrigin::root(), RuntimeOrigin::none()] {
				assert_noop!(
					Identity::accept_transfer(origin, device.clone(), 0, PRICE),
					BadOrigin
				);
			}
			advance(DAY + 1);
			assert_noop!(accept(&BOB, &device, 0, PRICE), Error::<Test>::OfferExpired);
			assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
			assert_noop!(accept(&BOB, &device, 0, PRICE), Error::<Test>::DeviceRetired);
		});
}

#[test]
fn a_new_offer_replaces_the_earlier_one() {
	ExtBuilder::default()
		.endow(CAROL, ENDOWMENT)
		.build_and_execute(|| {
			let device = offered();
			let held = Balances::reserved_balance(&device);
			assert_ok!(offer(&ALICE, &device, &CAROL, 1, START));
			assert_eq!(Balances::reserved_balance(&device), held);
			assert_noop!(accept(&BOB, &device, 0, PRICE), Error::<Test>::NotOffered);
			assert_ok!(accept(&CAROL, &device, 0, 1));
			assert_eq!(owner(&device), CAROL);
		});
}

#[test]
fn an_offer_in_vain_is_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let retired = register(&ALICE, &key(1));
		assert_ok!(Identity::retire(signed(&ALICE), retired.clone()));
		assert_noop!(
			offer(&ALICE, &device, &ALICE, PRICE, START),
			Error::<Test>::AlreadyOwner
		);
		assert_noop!(
			offer(&ALICE, &device, &BOB, PRICE, START - 1),
			Error::<Test>::OfferExpired
		);
		for number in 0..2 {
			assert_noop!(
				offer(&ALICE, &device, &key(number).account(), PRICE, START),
				Error::<Test>::OwnerIsDeviceKey
			);
		}
		assert_noop!(offer(&BOB, &device, &BOB, PRICE, START), Error::<Test>::NotOwner);
		assert_noop!(
			offer(&ALICE, &AccountId32::new([1; 32]), &BOB, PRICE, START),
			Error::<Test>::UnknownDevice
		);
		assert_noop!(
			offer(&ALICE, &retired, &BOB, PRICE, START),
			Error::<Test>::DeviceRetired
		);
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::none()] {
			assert_noop!(
				Identity::offer_transfer(origin, device.clone(), BOB, PRICE, START),
				BadOrigin
			);
		}
	});
}

#[test]
fn an_owner_who_cannot_pay_for_the_offer_makes_none() {
	let needed = 2 * ED + Identity::deposit_for(1);
	ExtBuilder::default().endow(PAUPER, needed).build_and_execute(|| {
		let device = register(&PAUPER, &key(0));
		assert_noop!(
			offer(&PAUPER, &device, &BOB, PRICE, START),
			Error::<Test>::OwnerCannotPay
		);
	});
}

#[test]
fn an_offer_is_taken_back_by_the_owner_and_cleared_by_anybody_at_its_end() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let bare = Balances::reserved_balance(&device);
		assert_noop!(cancel(&ALICE, &device), Error::<Test>::NoOffer);
		assert_ok!(offer(&ALICE, &device, &BOB, PRICE, START + 10));
		let price = BytePrice::get() * (48 + 32 + 16 + 8);
		assert_eq!(Balances::reserved_balance(&device), bare + price);
		assert_ok!(cancel(&ALICE, &device));
		let told = Event::TransferCancelled {
			device: device.clone(),
		};
		assert_eq!(events().last(), Some(&told));
		assert_eq!(Balances::reserved_balance(&device), bare);
		assert_eq!(Balances::free_balance(&device), ED + price);
		assert_noop!(accept(&BOB, &device, 0, PRICE), Error::<Test>::NoOffer);

		assert_ok!(offer(&ALICE, &device, &BOB, PRICE, START + 10));
		advance(10);
		for signer in [BOB, CAROL, key(0).account()] {
			assert_noop!(cancel(&signer, &device), Error::<Test>::NotOwner);
		}
		advance(1);
		assert_ok!(cancel(&CAROL, &device));
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::none()] {
			assert_noop!(Identity::cancel_transfer(origin, device.clone()), BadOrigin);
		}
		assert_noop!(
			cancel(&ALICE, &AccountId32::new([1; 32])),
			Error::<Test>::UnknownDevice
		);
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		assert_noop!(cancel(&ALICE, &device), Error::<Test>::DeviceRetired);
	});
}

#[test]
fn open_positions_stop_a_transfer_and_deposits_do_not() {
	ExtBuilder::default().build_and_execute(|| {
		let device = offered();
		assert_ok!(Balances::transfer_keep_alive(signed(&BOB), device.clone(), 5_000));
		let stream = streams::HoldReason::StreamDeposit.into();
		let order = streams::HoldReason::Order.into();
		assert_ok!(Balances::hold(&stream, &device, 700));
		assert_ok!(Balances::hold(&order, &device, 1));
		assert_noop!(accept(&BOB, &device, 0, PRICE), Error::<Test>::OpenPositions);
		assert_ok!(Balances::release(&order, &device, 1, Exact));
		let alice = Balances::free_balance(ALICE);
		assert_ok!(accept(&BOB, &device, 0, PRICE));
		// The stream and its deposit went with the device.
		assert_eq!(Balances::balance_on_hold(&stream, &device), 700);
		let of_offer = BytePrice::get() * (48 + 32 + 16 + 8);
		assert_eq!(
			Balances::free_balance(ALICE),
			alice + PRICE + 5_000 - 700 + of_offer
		);
		// Retirement still wants it closed.
		assert_noop!(
			Identity::retire(signed(&BOB), device.clone()),
			Error::<Test>::OpenPositions
		);
		assert_ok!(Balances::release(&stream, &device, 700, Exact));
		assert_ok!(Identity::retire(signed(&BOB), device));
	});
}

#[test]
fn a_new_owner_who_cannot_pay_gets_nothing() {
	ExtBuilder::default()
		.endow(PAUPER, ED + PRICE - 1)
		.build_and_execute(|| {
			let device = register(&ALICE, &key(0));
			assert_ok!(offer(&ALICE, &device, &PAUPER, PRICE, START));
			assert_noop!(
				accept(&PAUPER, &device, 0, PRICE),
				Error::<Test>::NewOwnerCannotPay
			);
			assert_ok!(Balances::transfer_keep_alive(signed(&ALICE), PAUPER, 1));
			assert_ok!(accept(&PAUPER, &device, 0, PRICE));
			assert_eq!(Balances::free_balance(PAUPER), ED);
		});
}

#[test]
fn a_new_owner_without_an_account_takes_a_gift() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		hand_over(&ALICE, &device, &PAUPER);
		assert_eq!(owner(&device), PAUPER);
		assert_ok!(Identity::suspend(signed(&PAUPER), device));
	});
}

#[test]
fn an_account_that_became_a_device_key_takes_over_nothing() {
	ExtBuilder::default()
		.endow(key(1).account(), ENDOWMENT)
		.build_and_execute(|| {
			let device = register(&ALICE, &key(0));
			let to = key(1).account();
			assert_ok!(offer(&ALICE, &device, &to, PRICE, START));
			register(&BOB, &key(1));
			assert_noop!(accept(&to, &device, 0, PRICE), Error::<Test>::OwnerIsDeviceKey);
		});
}

#[test]
fn a_new_owner_becomes_no_device_key() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let to = key(1).account();
		hand_over(&ALICE, &device, &to);
		assert_noop!(add(&to, &device, &key(1), TRADE), refusal(Error::KeyIsOwner));
		let other = register(&ALICE, &key(2));
		assert_noop!(add(&ALICE, &other, &key(1), TRADE), refusal(Error::KeyIsOwner));
	});
}

#[test]
fn dust_for_an_owner_whose_account_ended_stays_in_the_wallet() {
	let of_offer = BytePrice::get() * (48 + 32 + 16 + 8);
	let needed = 2 * ED + Identity::deposit_for(1) + of_offer;
	ExtBuilder::default().endow(PAUPER, needed).build_and_execute(|| {
		let device = register(&PAUPER, &key(0));
		assert_ok!(offer(&PAUPER, &device, &BOB, 3, START));
		// As if storage had been nearly free when the offer was made, so that no deposit comes back.
		let record = Devices::<Test>::get(&device).expect("lives");
		let cheap = record.deposit - of_offer;
		let reason = crate::HoldReason::DeviceDeposit.into();
		assert_ok!(Balances::release(&reason, &device, of_offer, Exact));
		Devices::<Test>::insert(
			&device,
			crate::Device {
				deposit: cheap,
				..record
			},
		);
		assert_ok!(Identity::withdraw(signed(&PAUPER), device.clone(), None));
		assert_ok!(Balances::transfer_allow_death(
			signed(&PAUPER),
			BOB,
			ED + of_offer
		));
		assert!(!System::account_exists(&PAUPER));

		let bob = Balances::free_balance(BOB);
		assert_ok!(accept(&BOB, &device, 0, 3));
		assert_eq!(Balances::free_balance(BOB), bob - 3);
		assert!(!System::account_exists(&PAUPER));
		assert_eq!(Balances::free_balance(&device), ED + 3);
		// So the new owner has it.
		assert_ok!(Identity::withdraw(signed(&BOB), device, None));
		assert_eq!(Balances::free_balance(BOB), bob);
	});
}

#[test]
fn an_owner_whose_account_ended_is_paid_what_opens_it_again() {
	let of_offer = BytePrice::get() * (48 + 32 + 16 + 8);
	let needed = 2 * ED + Identity::deposit_for(1) + of_offer;
	ExtBuilder::default().endow(PAUPER, needed).build_and_execute(|| {
		let device = register(&PAUPER, &key(0));
		assert_ok!(offer(&PAUPER, &device, &BOB, 3, START));
		assert_ok!(Balances::transfer_allow_death(signed(&PAUPER), BOB, ED));
		// The price alone would not arrive; with the offer's deposit it does.
		assert_ok!(accept(&BOB, &device, 0, 3));
		assert_eq!(Balances::free_balance(PAUPER), 3 + of_offer);
		assert_eq!(Balances::free_balance(&device), ED);
	});
}

#[test]
fn a_transfer_moves_money_and_makes_none() {
	ExtBuilder::default().build_and_execute(|| {
		let issuance = Balances::total_issuance();
		let device = offered();
		assert_ok!(accept(&BOB, &device, 0, PRICE));
		assert_eq!(Balances::total_issuance(), issuance);
		let with_all = total_balance(&ALICE) + total_balance(&BOB) + total_balance(&device);
		assert_eq!(with_all, issuance);
	});
}

#[test]
fn nothing_can_lock_a_payout_to_a_wallet_after_a_transfer() {
	ExtBuilder::default().build_and_execute(|| {
		let device = offered();
		assert_ok!(accept(&BOB, &device, 0, PRICE));
		assert_eq!(Balances::free_balance(&device), ED);
		assert_ok!(Balances::transfer_keep_alive(signed(&ALICE), device.clone(), 1));
		assert_ok!(Identity::withdraw(signed(&BOB), device.clone(), None));
		assert_eq!(Balances::free_balance(&device), ED);
	});
}

#[test]
fn a_stolen_key_neither_grants_nor_offers_nor_accepts_nor_confirms() {
	ExtBuilder::default()
		.endow(key(0).account(), ENDOWMENT)
		.endow(key(1).account(), ENDOWMENT)
		.build_and_execute(|| {
			// The thief holds a key with every role, and another that was removed.
			let device = register(&ALICE, &key(0));
			assert_ok!(add(&ALICE, &device, &key(1), Roles::ALL));
			assert_ok!(remove(&ALICE, &device, &key(1)));
			let other = register(&ALICE, &key(2));
			assert_ok!(offer(&ALICE, &other, &BOB, 0, START + DAY));
			assert_ok!(Identity::grant(
				signed(&ALICE),
				device.clone(),
				CAROL,
				GUARD,
				None
			));
			for thief in [key(0).account(), key(1).account()] {
				let not_owner = Error::<Test>::NotOwner;
				assert_noop!(
					Identity::grant(signed(&thief), device.clone(), DAVE, OperatorActions::ALL, None),
					not_owner
				);
				assert_noop!(
					Identity::revoke(signed(&thief), device.clone(), CAROL),
					Error::<Test>::NotOwner
				);
				assert_noop!(offer(&thief, &device, &DAVE, 0, START), Error::<Test>::NotOwner);
				assert_noop!(accept(&thief, &other, 0, 0), Error::<Test>::NotOffered);
				assert_noop!(cancel(&thief, &other), Error::<Test>::NotOwner);
				assert_noop!(confirm(&thief, &device, &key(0)), Error::<Test>::NotOwner);
				assert_noop!(
					Identity::suspend(signed(&thief), device.clone()),
					Error::<Test>::NotOwner
				);
			}
		});
}
