//! Who may do what, and single anchors.

use crate::{Error, Event, WeightInfo, mock::*};
use frame_support::{BoundedVec, assert_noop, assert_ok};
use m2m_anchor::{AnchorFlags, AnchorRecord};
use m2m_device::DeviceStatus;
use sp_runtime::DispatchError::BadOrigin;

#[test]
fn neither_nobody_nor_the_runtime_itself_may_call() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		let evidence = quarter_batch(0)
			.evidence(0, *quarter_batch(0).aggregate())
			.expect("it has readings");
		for origin in [RuntimeOrigin::none(), RuntimeOrigin::root()] {
			let device = Some(meter.id.clone());
			assert_noop!(
				Telemetry::create_stream(origin.clone(), device.clone(), spec()),
				BadOrigin
			);
			assert_noop!(Telemetry::close_stream(origin.clone(), device, stream), BadOrigin);
			assert_noop!(
				Telemetry::anchor(origin.clone(), stream, 0, quarter(0)),
				BadOrigin
			);
			assert_noop!(
				Telemetry::anchor_many(origin.clone(), BoundedVec::default()),
				BadOrigin
			);
			assert_noop!(
				Telemetry::report_false_anchor(
					origin,
					meter.id.clone(),
					stream,
					0,
					Box::new(evidence.clone())
				),
				BadOrigin
			);
		}
	});
}

#[test]
fn strangers_manage_nothing() {
	test(|| {
		let (meter, other) = (meter(0), meter(1));
		let stream = open(&meter, spec());
		for who in [BOB, other.key.account()] {
			assert_noop!(
				Telemetry::create_stream(signed(&who), Some(meter.id.clone()), spec()),
				fleet::Error::<Test>::MayNotManage
			);
			assert_noop!(
				close(&who, Some(&meter.id), stream),
				fleet::Error::<Test>::MayNotManage
			);
		}
		assert_noop!(
			Telemetry::create_stream(signed(&ALICE), None, spec()),
			fleet::Error::<Test>::NoSuchKey
		);
		change(&meter.key, |grant| grant.manage = false);
		assert_noop!(
			close(&meter.key.account(), None, stream),
			fleet::Error::<Test>::MayNotManage
		);
	});
}

#[test]
fn a_device_anchors_with_each_kind_of_key() {
	test(|| {
		for number in 0..3 {
			let meter = meter(number);
			let stream = open(&meter, spec());
			events();
			let anchor = quarter(0);
			assert_ok!(send(&meter, stream, 0, anchor.clone()));
			assert_eq!(
				events(),
				[Event::Anchored {
					device: meter.id.clone(),
					stream,
					seq: 0,
					position: 0,
					leaf: anchor.range_leaf(&meter.id, stream, 0),
					flags: AnchorFlags::default(),
				}]
			);
			assert_eq!(
				Telemetry::anchor_record(&meter.id, stream, 0),
				Some(AnchorRecord {
					seq: 0,
					anchor,
					key: meter.key.account(),
					position: 0,
					block: 1,
					flags: AnchorFlags::default(),
				})
			);
		}
	});
}

#[test]
fn an_account_that_is_no_device_key_cannot_anchor() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		for who in [ALICE, GATEWAY, meter.id.clone()] {
			assert_noop!(
				Telemetry::anchor(signed(&who), stream, 0, quarter(0)),
				Error::<Test>::NotADeviceKey
			);
		}
	});
}

#[test]
fn a_key_anchors_for_no_device_but_its_own() {
	test(|| {
		let (meter, other) = (meter(0), meter(1));
		open(&meter, spec());
		assert_noop!(send(&other, 0, 0, quarter(0)), Error::<Test>::UnknownStream);
	});
}

#[test]
fn a_key_without_leave_and_a_lost_device_anchor_nothing() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		change(&meter.key, |grant| grant.deliver = false);
		assert_noop!(
			send(&meter, stream, 0, quarter(0)),
			fleet::Error::<Test>::MayNotDeliver
		);
		change(&meter.key, |grant| grant.deliver = true);
		set_status(&meter.id, DeviceStatus::Lost);
		assert_noop!(send(&meter, stream, 0, quarter(0)), fleet::Error::<Test>::Lost);
	});
}

#[test]
fn an_anchor_for_a_stream_that_never_was_is_refused() {
	test(|| {
		let meter = meter(0);
		open(&meter, spec());
		assert_noop!(send(&meter, 1, 0, quarter(0)), Error::<Test>::UnknownStream);
		assert_noop!(
			send(&meter, u32::MAX, 0, quarter(0)),
			Error::<Test>::UnknownStream
		);
	});
}

#[test]
fn one_anchor_costs_what_it_used() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		let used = send(&meter, stream, 0, quarter(0)).expect("taken").actual_weight;
		assert_eq!(
			used,
			Some(<() as WeightInfo>::anchor().saturating_add(LISTENER_USED))
		);
		let call = crate::Call::<Test>::anchor {
			stream,
			seq: 0,
			anchor: quarter(0),
		};
		let declared = frame_support::dispatch::GetDispatchInfo::get_dispatch_info(&call).call_weight;
		assert_eq!(
			declared,
			<() as WeightInfo>::anchor().saturating_add(LISTENER_MOST)
		);
	});
}
