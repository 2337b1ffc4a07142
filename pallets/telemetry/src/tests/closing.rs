//! Closing streams.

use crate::{
	Anchors, Call, ClosedStream, ClosedStreams, Error, Event, Heads, HoldReason, Streams, WeightInfo, mock::*,
};
use frame_support::{assert_noop, assert_ok, dispatch::GetDispatchInfo, traits::fungible::InspectHold};
use m2m_anchor::StreamDetails;
use m2m_device::DeviceStatus;
use sp_core::H256;

#[test]
fn closing_returns_the_deposit_less_the_price_of_a_tombstone() {
	test(|| {
		let meter = meter(0);
		let first = open(&meter, keeping(16));
		let second = open(&meter, keeping(2));
		let of = |stream| Streams::<Test>::get(&meter.id, stream).map_or(0, |record| record.deposit);
		let (large, small) = (of(first), of(second));
		let issued = Balances::total_issuance();
		assert_ok!(Telemetry::close_stream(
			signed(&ALICE),
			Some(meter.id.clone()),
			first
		));
		assert_eq!(Balances::free_balance(&meter.id), ED + large - TOMBSTONE);
		assert_eq!(
			Balances::balance_on_hold(&HoldReason::StreamDeposit.into(), &meter.id),
			small
		);
		assert_ok!(Telemetry::close_stream(
			signed(&meter.key.account()),
			None,
			second
		));
		assert_eq!(
			Balances::free_balance(&meter.id),
			ED + large + small - 2 * TOMBSTONE
		);
		assert_eq!(Balances::total_issuance(), issued - 2 * TOMBSTONE);
		assert_eq!(
			Balances::balance_on_hold(&HoldReason::StreamDeposit.into(), &meter.id),
			0
		);
	});
}

#[test]
fn a_closed_stream_leaves_only_a_tombstone() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		let mut archive = Archive::default();
		for seq in [0, 1, 5] {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		archive.listen(&meter.id, stream);
		let root = archive
			.0
			.iter()
			.copied()
			.collect::<m2m_merkle::range::Range>()
			.root()
			.map(H256);
		assert_ok!(Telemetry::close_stream(
			signed(&ALICE),
			Some(meter.id.clone()),
			stream
		));
		assert_eq!(
			events(),
			[Event::StreamClosed {
				device: meter.id.clone(),
				stream,
				anchors: 3,
				range_root: root,
				burnt: TOMBSTONE
			}]
		);
		assert_eq!(Streams::<Test>::iter().count(), 0);
		assert_eq!(Heads::<Test>::iter().count(), 0);
		assert_eq!(Anchors::<Test>::iter().count(), 0);
		let last_reading = Some(quarter(5).t_last());
		assert_eq!(
			ClosedStreams::<Test>::get(&meter.id, stream),
			Some(ClosedStream {
				next_seq: 6,
				anchors: 3,
				range_root: root,
				last_reading
			})
		);
		assert_eq!(
			Telemetry::stream(&meter.id, stream),
			Some(StreamDetails {
				spec: None,
				next_seq: 6,
				anchors: 3,
				range_root: root,
				last_reading
			})
		);
		assert!(Telemetry::latest(&meter.id, stream).is_none());
		assert!(Telemetry::anchor_record(&meter.id, stream, 5).is_none());
		assert!(Telemetry::coverage(&meter.id, stream, 0, START).is_none());
		assert!(Telemetry::streams(&meter.id).is_empty());
	});
}

#[test]
fn proofs_still_verify_after_the_stream_is_closed() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, keeping(2));
		let mut archive = Archive::default();
		for seq in 0..5 {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		archive.listen(&meter.id, stream);
		assert_ok!(Telemetry::close_stream(
			signed(&ALICE),
			Some(meter.id.clone()),
			stream
		));
		for seq in 0..5 {
			let proof = archive.prove(&meter.id, stream, seq, quarter(seq), seq);
			assert_eq!(Telemetry::verify_anchor(&proof), Ok(()));
			let reading = quarter_batch(seq).open(1).expect("it has three readings");
			assert_eq!(Telemetry::verify_reading(&proof, &reading), Ok(()));
		}
	});
}

#[test]
fn a_closed_stream_takes_nothing_more_and_its_number_is_not_given_again() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_ok!(Telemetry::close_stream(
			signed(&ALICE),
			Some(meter.id.clone()),
			stream
		));
		assert_noop!(
			close(&ALICE, Some(&meter.id), stream),
			Error::<Test>::StreamClosed
		);
		assert_noop!(send(&meter, stream, 0, quarter(0)), Error::<Test>::StreamClosed);
		assert_eq!(open(&meter, spec()), stream + 1);
	});
}

#[test]
fn a_stream_that_never_was_cannot_be_closed() {
	test(|| {
		let (meter, other) = (meter(0), meter(1));
		open(&other, spec());
		for stream in [0, 1, u32::MAX] {
			assert_noop!(
				close(&ALICE, Some(&meter.id), stream),
				Error::<Test>::UnknownStream
			);
		}
	});
}

#[test]
fn the_owner_closes_whatever_the_status_but_a_key_does_not() {
	for status in [DeviceStatus::Suspended, DeviceStatus::Lost] {
		test(|| {
			let meter = meter(0);
			let stream = open(&meter, spec());
			set_status(&meter.id, status);
			assert_noop!(
				close(&meter.key.account(), None, stream),
				fleet::Error::<Test>::NotActive
			);
			assert_noop!(
				Telemetry::create_stream(signed(&ALICE), Some(meter.id.clone()), spec()),
				fleet::Error::<Test>::NotActive
			);
			assert_ok!(Telemetry::close_stream(
				signed(&ALICE),
				Some(meter.id.clone()),
				stream
			));
		});
	}
}

#[test]
fn closing_is_charged_by_the_size_of_the_ring() {
	test(|| {
		let meter = meter(0);
		for retention in [1, 8, 256] {
			let stream = open(&meter, keeping(retention));
			let post = Telemetry::close_stream(signed(&ALICE), Some(meter.id.clone()), stream);
			let used = post.expect("it is open").actual_weight;
			let of_ring = <() as WeightInfo>::close_stream(retention.into());
			assert_eq!(used, Some(of_ring.saturating_add(AUTHORITY_WEIGHT)));
		}
		let call = Call::<Test>::close_stream {
			device: None,
			stream: 0,
		};
		assert_eq!(
			call.get_dispatch_info().call_weight,
			<() as WeightInfo>::close_stream(256).saturating_add(AUTHORITY_WEIGHT)
		);
	});
}

#[test]
fn a_refused_closing_is_charged_for_no_ring() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, keeping(256));
		for (who, stream) in [(ALICE, stream + 1), (BOB, stream)] {
			let refusal = Telemetry::close_stream(signed(&who), Some(meter.id.clone()), stream)
				.expect_err("no such stream, or not his");
			assert_eq!(
				refusal.post_info.actual_weight,
				Some(<() as WeightInfo>::close_stream(0).saturating_add(AUTHORITY_WEIGHT))
			);
		}
	});
}
