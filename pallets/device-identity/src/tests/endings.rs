//! Others are told when a device leaves its owner.

use crate::{Call, Error, mock::*, weights::WeightInfo};
use frame_support::{assert_noop, assert_ok, dispatch::GetDispatchInfo};

#[test]
fn others_are_told_of_a_retirement_when_it_is_done() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		assert_eq!(Ended::get(), [(device.clone(), Some(ALICE), None)]);
		assert_noop!(
			Identity::retire(signed(&ALICE), device),
			Error::<Test>::DeviceRetired
		);
	});
}

#[test]
fn others_are_told_of_a_new_owner_when_it_has_the_device() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		hand_over(&ALICE, &device, &BOB);
		assert_eq!(Ended::get(), [(device.clone(), Some(BOB), Some(1))]);
		hand_over(&BOB, &device, &ALICE);
		assert_eq!(Ended::get()[1..], [(device, Some(ALICE), Some(2))]);
	});
}

#[test]
fn nothing_else_ends_a_device() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let offers =
			|price| Identity::offer_transfer(signed(&ALICE), device.clone(), BOB, price, START + DAY);
		assert_ok!(offers(1_000));
		assert_noop!(
			Identity::accept_transfer(signed(&BOB), device.clone(), 0, 999),
			Error::<Test>::PriceMismatch
		);
		assert_ok!(Identity::cancel_transfer(signed(&ALICE), device.clone()));
		assert_ok!(offers(1_000));
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_ok!(remove(&ALICE, &device, &key(0)));
		assert_noop!(
			Identity::retire(signed(&BOB), device.clone()),
			Error::<Test>::NotOwner
		);
		assert!(Ended::get().is_empty());
	});
}

#[test]
fn telling_others_is_part_of_the_weight() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let declared = |call: Call<Test>| call.get_dispatch_info().call_weight;
		assert_eq!(
			declared(Call::retire {
				device: device.clone()
			}),
			<()>::retire(MaxKeys::get()).saturating_add(LISTENER_WEIGHT)
		);
		assert_eq!(
			declared(Call::accept_transfer {
				device,
				expected_generation: 0,
				price: 0
			}),
			<()>::accept_transfer().saturating_add(LISTENER_WEIGHT)
		);
	});
}
