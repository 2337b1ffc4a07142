//! A device is stopped, lost and found.

use crate::{Devices, Error, Event, mock::*};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use m2m_device::{Action, DeviceAuthority, DeviceId, DeviceStatus, ReadingAuthority};
use sp_runtime::{AccountId32, traits::BadOrigin};

type StatusCall = fn(RuntimeOrigin, DeviceId) -> DispatchResult;

const CALLS: [StatusCall; 3] = [Identity::suspend, Identity::resume, Identity::report_lost];

fn status(device: &DeviceId) -> (DeviceStatus, u64) {
	let record = Devices::<Test>::get(device).expect("the device lives");
	(record.status, record.status_since)
}

#[test]
fn the_owner_suspends_and_resumes() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		advance(10);
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		assert_eq!(status(&device), (DeviceStatus::Suspended, START + 10));
		assert_eq!(
			events().last(),
			Some(&Event::DeviceSuspended {
				device: device.clone()
			})
		);
		advance(10);
		assert_ok!(Identity::resume(signed(&ALICE), device.clone()));
		assert_eq!(status(&device), (DeviceStatus::Active, START + 20));
		assert_eq!(events().last(), Some(&Event::DeviceResumed { device }));
	});
}

#[test]
fn a_lost_device_is_resumed_when_it_is_found() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_eq!(
			events().last(),
			Some(&Event::LossReported {
				device: device.clone()
			})
		);
		assert_ok!(Identity::resume(signed(&ALICE), device.clone()));
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_eq!(status(&device).0, DeviceStatus::Lost);
	});
}

#[test]
fn a_status_is_not_taken_twice() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_noop!(
			Identity::resume(signed(&ALICE), device.clone()),
			Error::<Test>::AlreadyActive
		);
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		assert_noop!(
			Identity::suspend(signed(&ALICE), device.clone()),
			Error::<Test>::AlreadySuspended
		);
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_noop!(
			Identity::report_lost(signed(&ALICE), device.clone()),
			Error::<Test>::AlreadyLost
		);
	});
}

#[test]
fn a_lost_device_is_not_suspended() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_noop!(
			Identity::suspend(signed(&ALICE), device),
			Error::<Test>::InvalidTransition
		);
	});
}

#[test]
fn nobody_but_the_owner_and_its_operators_changes_the_status() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		for call in CALLS {
			assert_noop!(call(signed(&BOB), device.clone()), Error::<Test>::NotOwner);
			// Not even a key with every role.
			assert_noop!(
				call(signed(&key(0).account()), device.clone()),
				Error::<Test>::NotOwner
			);
			assert_noop!(call(RuntimeOrigin::root(), device.clone()), BadOrigin);
			assert_noop!(call(RuntimeOrigin::none(), device.clone()), BadOrigin);
		}
	});
}

#[test]
fn unknown_and_retired_devices_have_no_status_to_change() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		for call in CALLS {
			assert_noop!(
				call(signed(&ALICE), AccountId32::new([1; 32])),
				Error::<Test>::UnknownDevice
			);
			assert_noop!(call(signed(&ALICE), device.clone()), Error::<Test>::DeviceRetired);
		}
	});
}

#[test]
fn a_suspended_device_does_nothing_new_but_delivers_what_it_measured() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let key_account = key(0).account();
		advance(10);
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		for action in [Action::Manage, Action::Trade, Action::Close] {
			assert_noop!(
				Identity::authorize(&key_account, None, action),
				refusal(Error::DeviceSuspended)
			);
		}
		advance(DAY);
		assert_eq!(
			Identity::reading_authority(&key_account, &device),
			Ok(ReadingAuthority {
				public: key(0).public(),
				before: Some(START + 10)
			})
		);
		assert_ok!(Identity::resume(signed(&ALICE), device.clone()));
		assert_eq!(
			Identity::reading_authority(&key_account, &device),
			Ok(ReadingAuthority {
				public: key(0).public(),
				before: None
			})
		);
	});
}

#[test]
fn the_earlier_of_rotation_and_suspension_bounds_the_readings() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let before = |key: &TestKey| Identity::reading_authority(&key.account(), &device).map(|it| it.before);
		advance(10);
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(1), DAY));
		advance(10);
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		advance(10);
		assert_ok!(rotate(&ALICE, &device, &key(1), &key(2), DAY));
		assert_eq!(before(&key(0)), Ok(Some(START + 10)));
		assert_eq!(before(&key(1)), Ok(Some(START + 20)));
		assert_eq!(before(&key(2)), Ok(Some(START + 20)));
	});
}

#[test]
fn nothing_that_a_lost_device_signed_is_accepted() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		advance(10);
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		let thief = key(0).account();
		assert_noop!(
			Identity::reading_authority(&thief, &device),
			refusal(Error::DeviceLost)
		);
		for action in [Action::Manage, Action::Trade, Action::Close] {
			assert_noop!(
				Identity::authorize(&thief, Some(&device), action),
				refusal(Error::DeviceLost)
			);
		}
	});
}

#[test]
fn the_owner_of_a_stopped_device_may_close_but_open_nothing() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		for (call, error) in [
			(Identity::suspend as StatusCall, refusal(Error::DeviceSuspended)),
			(Identity::report_lost, refusal(Error::DeviceLost)),
		] {
			assert_ok!(call(signed(&ALICE), device.clone()));
			assert_ok!(
				Identity::authorize(&ALICE, Some(&device), Action::Close),
				device.clone()
			);
			for action in [Action::Manage, Action::Trade] {
				assert_noop!(Identity::authorize(&ALICE, Some(&device), action), error);
			}
		}
	});
}
