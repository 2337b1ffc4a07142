//! What anchors cost in storage.

use crate::{ClosedStream, Head, Heads, StreamRecord, mock::*};
use codec::{Encode, MaxEncodedLen};
use frame_support::assert_ok;
use m2m_anchor::{AnchorRecord, SignedAnchors};

fn bytes_in_state() -> usize {
	state().iter().map(|(key, value)| key.len() + value.len()).sum()
}

#[test]
fn a_million_readings_cost_no_more_than_one() {
	let million: Vec<(u64, i64)> = (0..1_000_000).map(|index| (BASE + index, index as i64)).collect();
	let cost = |readings: &[(u64, i64)]| {
		let mut cost = (0, 0);
		test(|| {
			let meter = meter(0);
			let stream = open(&meter, spec());
			let anchor = of(readings);
			let before = bytes_in_state();
			assert_ok!(send(&meter, stream, 0, anchor.clone()));
			let after = bytes_in_state();
			let count = Telemetry::latest(&meter.id, stream).map(|record| record.anchor.count());
			assert_eq!(count, Some(readings.len() as u64));
			cost = (after - before, anchor.encode().len());
		});
		cost
	};
	let of_a_million = cost(&million);
	println!(
		"an anchor adds {} bytes of state and travels in {} bytes",
		of_a_million.0, of_a_million.1
	);
	assert_eq!(of_a_million, cost(&million[..1]));
	assert_eq!(of_a_million.1, 129);
	assert!(of_a_million.0 < 512);
}

#[test]
fn the_stated_bounds_of_what_is_stored_hold() {
	assert_eq!(StreamRecord::<Balance>::max_encoded_len(), 95);
	assert_eq!(Head::max_encoded_len(), 2_092);
	assert_eq!(AnchorRecord::max_encoded_len(), 184);
	assert_eq!(ClosedStream::max_encoded_len(), 58);
	assert_eq!(
		Telemetry::footprint(8).size,
		(92 + 95) + (92 + 2_092) + 8 * (102 + 184) + (92 + 58)
	);
	// A gateway's envelope of one open anchor, signed with ECDSA, the longest.
	assert!(SignedAnchors::max_encoded_len() < 1_400);
}

#[test]
fn an_envelope_of_one_anchor_travels_in_less_than_300_bytes() {
	test(|| {
		for number in 0..3 {
			let length = envelope(&meter(number), vec![item(0, 0, quarter(0))])
				.encode()
				.len();
			println!("envelope of one open anchor: {length} bytes");
			assert!(length < 300);
		}
	});
}

#[test]
fn a_stream_in_use_stays_small_however_long_it_runs() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, keeping(4));
		for seq in 0..1_023 {
			assert_ok!(send(&meter, stream, seq, of(&[(BASE + seq, 1)])));
		}
		let head = Heads::<Test>::get(&meter.id, stream).expect("it is open");
		println!(
			"after 1,023 anchors the head has {} bytes and {} peaks",
			head.encode().len(),
			head.peaks.len()
		);
		// Ten peaks, the most that so many leaves can have.
		assert_eq!(
			(head.peaks.len(), head.encode().len()),
			(10, 16 + 9 + 9 + 8 + 1 + 320)
		);
		assert_eq!(crate::Anchors::<Test>::iter().count(), 4);
	});
}
