//! What the anchors in state say about an interval.

use crate::mock::*;
use frame_support::assert_ok;
use m2m_anchor::{Coverage, StreamId};

fn coverage(meter: &Meter, stream: StreamId, from: u64, to: u64) -> Coverage {
	Telemetry::coverage(&meter.id, stream, BASE + from, BASE + to).expect("it is open")
}

#[test]
fn an_outage_between_two_anchors_shows() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		for seq in [0, 1, 2] {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		assert_eq!(
			coverage(&meter, stream, 0, 2 * QUARTER + 10 * MINUTE + 1),
			Coverage {
				count: 9,
				sum: Some(180),
				longest_silence_ms: 5 * MINUTE,
				complete: true
			}
		);
		// Two hours of nothing before the next anchor, whose number follows on.
		assert_ok!(send(&meter, stream, 3, quarter(11)));
		assert_eq!(
			coverage(&meter, stream, 0, 12 * QUARTER),
			Coverage {
				count: 12,
				sum: Some(240),
				longest_silence_ms: 8 * QUARTER + 5 * MINUTE,
				complete: true
			}
		);
	});
}

#[test]
fn silence_at_both_ends_of_the_interval_shows() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_ok!(send(&meter, stream, 0, quarter(10)));
		let silence = |from, to| coverage(&meter, stream, from, to).longest_silence_ms;
		assert_eq!(silence(0, 11 * QUARTER), 10 * QUARTER);
		assert_eq!(silence(10 * QUARTER, 11 * QUARTER), 5 * MINUTE);
		assert_eq!(silence(10 * QUARTER, 40 * QUARTER), 30 * QUARTER - 10 * MINUTE);
	});
}

#[test]
fn an_outage_inside_an_anchor_shows() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		let readings = [(BASE, 1), (BASE + 1_000, 1), (BASE + DAY, 1)];
		assert_ok!(send(&meter, stream, 0, of(&readings)));
		assert_eq!(
			coverage(&meter, stream, 0, DAY + 1).longest_silence_ms,
			DAY - 1_000
		);
	});
}

#[test]
fn an_interval_counts_anchors_wholly_inside() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		for seq in 0..3 {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		let last = QUARTER + 10 * MINUTE;
		for (from, to, count) in [
			(QUARTER, last + 1, 3),
			(QUARTER + 1, last + 1, 0),
			(QUARTER, last, 0),
			(0, last + 1, 6),
			(0, 3 * QUARTER, 9),
			(1, 3 * QUARTER, 6),
			(QUARTER, QUARTER, 0),
			(QUARTER, 0, 0),
		] {
			let found = coverage(&meter, stream, from, to);
			assert_eq!((found.count, found.sum), (count, Some(i128::from(count) * 20)));
			assert!(found.complete);
		}
	});
}

#[test]
fn a_gap_counts_no_more_than_can_lie_inside() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_ok!(send(&meter, stream, 0, of(&[(BASE, 1), (BASE + DAY, 1)])));
		assert_eq!(
			coverage(&meter, stream, DAY - 10, DAY + 5),
			Coverage {
				count: 0,
				sum: Some(0),
				longest_silence_ms: 10,
				complete: true
			}
		);
	});
}

#[test]
fn private_streams_show_counts_and_borders_but_no_sums() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, private());
		for seq in [0, 1, 5] {
			assert_ok!(send(&meter, stream, seq, private_anchor(&quarter_batch(seq))));
		}
		assert_eq!(
			coverage(&meter, stream, 0, 6 * QUARTER),
			Coverage {
				count: 9,
				sum: None,
				longest_silence_ms: 3 * QUARTER + 5 * MINUTE,
				complete: true
			}
		);
	});
}

#[test]
fn an_empty_stream_is_silent_all_the_time() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_eq!(
			coverage(&meter, stream, 0, DAY),
			Coverage {
				count: 0,
				sum: Some(0),
				longest_silence_ms: DAY,
				complete: true
			}
		);
		assert_eq!(Telemetry::coverage(&meter.id, stream + 1, 0, DAY), None);
	});
}

#[test]
fn an_interval_that_the_ring_forgot_in_part_is_not_complete() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, keeping(4));
		for seq in 0..6 {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		let forgotten = coverage(&meter, stream, 0, 6 * QUARTER);
		assert_eq!((forgotten.count, forgotten.complete), (12, false));
		assert!(!coverage(&meter, stream, 2 * QUARTER - 1, 6 * QUARTER).complete);
		let kept = coverage(&meter, stream, 2 * QUARTER, 6 * QUARTER);
		assert_eq!((kept.count, kept.complete), (12, true));
	});
}

#[test]
fn an_old_anchor_left_in_the_ring_does_not_vouch_for_one_that_is_gone() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, keeping(8));
		for seq in 0..8 {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		// Takes the slot of number 2 while 0 and 1 are still there.
		assert_ok!(send(&meter, stream, 10, quarter(10)));
		assert!(Telemetry::anchor_record(&meter.id, stream, 0).is_some());
		assert!(Telemetry::anchor_record(&meter.id, stream, 2).is_none());
		assert!(!coverage(&meter, stream, 0, 11 * QUARTER).complete);
		let kept = coverage(&meter, stream, 3 * QUARTER, 11 * QUARTER);
		assert_eq!((kept.count, kept.complete), (18, true));
	});
}

#[test]
fn the_latest_anchor_is_that_of_the_largest_number() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_eq!(Telemetry::latest(&meter.id, stream), None);
		for (seq, latest) in [(1, 1), (0, 1), (4, 4), (3, 4)] {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
			assert_eq!(
				Telemetry::latest(&meter.id, stream).map(|record| record.seq),
				Some(latest)
			);
		}
	});
}
