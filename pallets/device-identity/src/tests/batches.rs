//! Many registrations in one call.

use crate::{Devices, Error, Event, Registration, mock::*, weights::WeightInfo};
use frame_support::{BoundedVec, assert_noop, assert_ok};
use m2m_device::PossessionAction;
use sp_runtime::traits::BadOrigin;

fn batch(items: Vec<Registration>) -> BoundedVec<Registration, MaxBatch> {
	items.try_into().expect("fits into a batch")
}

#[test]
fn a_full_batch_is_registered() {
	ExtBuilder::default().build_and_execute(|| {
		let items: Vec<_> = (0..32).map(|number| key(number).registration(&ALICE)).collect();
		let post = Identity::register_devices(signed(&ALICE), batch(items)).expect("registers");
		assert_eq!(Devices::<Test>::iter().count(), 32);
		assert_eq!(
			post.actual_weight,
			Some(<()>::register_devices(32) + <()>::register_devices_refused(0))
		);
		let each = ED + Identity::deposit_for(1);
		assert_eq!(Balances::free_balance(ALICE), ENDOWMENT - 32 * each);
	});
}

#[test]
fn more_than_a_batch_does_not_decode() {
	use codec::{Decode, Encode};
	ExtBuilder::default().build_and_execute(|| {
		let items: Vec<_> = (0..33).map(|number| key(number).registration(&ALICE)).collect();
		assert!(BoundedVec::<Registration, MaxBatch>::decode(&mut &items.encode()[..]).is_err());
		assert!(BoundedVec::<Registration, MaxBatch>::decode(&mut &items[1..].encode()[..]).is_ok());
	});
}

#[test]
fn refused_items_leave_no_trace_and_the_others_stand() {
	ExtBuilder::default().build_and_execute(|| {
		register(&ALICE, &key(9));
		let spent = Balances::free_balance(ALICE);
		System::reset_events();
		let mut forged = key(1).registration(&ALICE);
		forged.proof = key(2).prove(PossessionAction::Register, &ALICE, None, forged.roles);
		let mut expired = key(3).registration(&ALICE);
		expired.proof.expires = START - 1;
		let items = vec![
			key(0).registration(&ALICE),
			forged,
			expired,
			key(9).registration(&ALICE),
			key(4).registration(&ALICE),
			key(4).registration(&ALICE),
		];
		let post = Identity::register_devices(signed(&ALICE), batch(items)).expect("the call succeeds");
		assert_eq!(
			events(),
			vec![
				Event::DeviceRegistered {
					device: key(0).device(),
					owner: ALICE,
					key: key(0).account()
				},
				Event::RegistrationRefused {
					index: 1,
					device: key(1).device(),
					reason: refusal(Error::BadProof),
				},
				Event::RegistrationRefused {
					index: 2,
					device: key(3).device(),
					reason: refusal(Error::ProofExpired),
				},
				Event::RegistrationRefused {
					index: 3,
					device: key(9).device(),
					reason: refusal(Error::KeyAlreadyUsed),
				},
				Event::DeviceRegistered {
					device: key(4).device(),
					owner: ALICE,
					key: key(4).account()
				},
				Event::RegistrationRefused {
					index: 5,
					device: key(4).device(),
					reason: refusal(Error::KeyAlreadyUsed),
				},
			]
		);
		assert_eq!(
			Balances::free_balance(ALICE),
			spent - 2 * (ED + Identity::deposit_for(1))
		);
		assert_eq!(
			post.actual_weight,
			Some(<()>::register_devices(2) + <()>::register_devices_refused(4))
		);
		assert!(!System::account_exists(&key(1).account()));
		assert!(!System::account_exists(&key(1).device()));
	});
}

#[test]
fn the_money_ends_in_the_middle_of_a_batch() {
	let each = ED + Identity::deposit_for(1);
	// Enough for two and for the existential deposit of a third wallet, which must not stay behind.
	ExtBuilder::default()
		.endow(PAUPER, 2 * each + 2 * ED)
		.build_and_execute(|| {
			let items: Vec<_> = (0..3).map(|number| key(number).registration(&PAUPER)).collect();
			assert_ok!(Identity::register_devices(signed(&PAUPER), batch(items)));
			assert_eq!(
				events().last(),
				Some(&Event::RegistrationRefused {
					index: 2,
					device: key(2).device(),
					reason: refusal(Error::OwnerCannotPay),
				})
			);
			assert_eq!(Balances::free_balance(PAUPER), 2 * ED);
			assert_eq!(total_balance(&key(2).device()), 0);
			assert_eq!(System::sufficients(&key(2).account()), 0);
		});
}

#[test]
fn an_empty_batch_is_refused() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(
			Identity::register_devices(signed(&ALICE), batch(vec![])),
			Error::<Test>::EmptyBatch
		);
	});
}

#[test]
fn only_a_signed_origin_registers_a_batch() {
	ExtBuilder::default().build_and_execute(|| {
		let items = vec![key(0).registration(&ALICE)];
		assert_noop!(
			Identity::register_devices(RuntimeOrigin::root(), batch(items.clone())),
			BadOrigin
		);
		assert_noop!(
			Identity::register_devices(RuntimeOrigin::none(), batch(items)),
			BadOrigin
		);
	});
}
