//! Sequence numbers: any order, any number of times, gaps, and the edges of the window.

use crate::{Error, Heads, mock::*, window::Window};
use frame_support::{assert_noop, assert_ok};
use m2m_anchor::Anchor;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn anchors_come_in_any_order_and_gaps_stay_open() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		for seq in [3, 1, 6, 0, 4] {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		let details = Telemetry::stream(&meter.id, stream).expect("it is open");
		assert_eq!((details.next_seq, details.anchors), (7, 5));
		assert_eq!(details.last_reading, Some(quarter(6).t_last()));
		assert_eq!(
			Heads::<Test>::get(&meter.id, stream).map(|head| head.window),
			Some(Window {
				next: 7,
				used: 0b110_1101
			})
		);
		for (seq, position) in [(3, 0), (1, 1), (6, 2), (0, 3), (4, 4)] {
			let record = Telemetry::anchor_record(&meter.id, stream, seq).expect("it is in the ring");
			assert_eq!((record.position, record.anchor), (position, quarter(seq)));
		}
		for gap in [2, 5] {
			assert!(Telemetry::anchor_record(&meter.id, stream, gap).is_none());
		}
		assert_eq!(
			Telemetry::latest(&meter.id, stream).map(|record| record.seq),
			Some(6)
		);
	});
}

#[test]
fn a_used_number_takes_neither_the_same_anchor_nor_another() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		for seq in [0, 2] {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		for seq in [0, 2] {
			assert_noop!(
				send(&meter, stream, seq, quarter(seq)),
				Error::<Test>::AlreadyAnchored
			);
			assert_noop!(
				send(&meter, stream, seq, quarter(9)),
				Error::<Test>::AlreadyAnchored
			);
		}
	});
}

#[test]
fn the_window_reaches_back_as_far_as_the_ring() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, keeping(8));
		assert_ok!(send(&meter, stream, 20, quarter(20)));
		for lost in [12, 11, 0] {
			assert_noop!(
				send(&meter, stream, lost, quarter(lost)),
				Error::<Test>::SequenceTooOld
			);
		}
		assert_ok!(send(&meter, stream, 13, quarter(13)));
	});
}

#[test]
fn the_window_reaches_back_no_more_than_64_numbers() {
	test(|| {
		let meter = meter(0);
		for retention in [64, 65, 256] {
			let stream = open(&meter, keeping(retention));
			assert_ok!(send(&meter, stream, 100, quarter(100)));
			assert_noop!(
				send(&meter, stream, 36, quarter(36)),
				Error::<Test>::SequenceTooOld
			);
			assert_ok!(send(&meter, stream, 37, quarter(37)));
			assert_noop!(
				send(&meter, stream, 37, quarter(37)),
				Error::<Test>::AlreadyAnchored
			);
		}
	});
}

#[test]
fn a_ring_of_one_takes_only_rising_numbers() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, keeping(1));
		for seq in [0, 1, 5] {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
			assert_noop!(
				send(&meter, stream, seq, quarter(seq)),
				Error::<Test>::AlreadyAnchored
			);
		}
		for lost in 0..5 {
			assert_noop!(
				send(&meter, stream, lost, quarter(lost)),
				Error::<Test>::SequenceTooOld
			);
		}
		assert_eq!(crate::Anchors::<Test>::iter().count(), 1);
	});
}

#[test]
fn a_ring_of_256_keeps_the_newest_256_anchors() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, keeping(256));
		for seq in 0..300 {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		assert_eq!(crate::Anchors::<Test>::iter().count(), 256);
		assert!(Telemetry::anchor_record(&meter.id, stream, 43).is_none());
		for seq in 44..300 {
			let record = Telemetry::anchor_record(&meter.id, stream, seq).expect("it is in the ring");
			assert_eq!((record.seq, record.anchor), (seq, quarter(seq)));
		}
		// What the ring forgot is not taken again.
		assert_noop!(
			send(&meter, stream, 43, quarter(43)),
			Error::<Test>::SequenceTooOld
		);
	});
}

#[test]
fn a_number_lies_less_than_1024_above_the_next_one() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_noop!(
			send(&meter, stream, 1_024, quarter(1_024)),
			Error::<Test>::SequenceTooFar
		);
		assert_ok!(send(&meter, stream, 1_023, quarter(1_023)));
		assert_noop!(
			send(&meter, stream, 2_048, quarter(2_048)),
			Error::<Test>::SequenceTooFar
		);
		assert_ok!(send(&meter, stream, 2_047, quarter(2_047)));
		assert_noop!(
			send(&meter, stream, u64::MAX, quarter(3_000)),
			Error::<Test>::SequenceTooFar
		);
	});
}

#[test]
fn numbers_may_run_up_to_but_not_to_the_very_last() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		Heads::<Test>::mutate(&meter.id, stream, |head| {
			let head = head.as_mut().expect("it is open");
			head.window.next = u64::MAX - 2;
		});
		assert_noop!(
			send(&meter, stream, u64::MAX, quarter(1)),
			Error::<Test>::SequenceTooFar
		);
		assert_ok!(send(&meter, stream, u64::MAX - 1, quarter(1)));
		assert_noop!(
			send(&meter, stream, u64::MAX, quarter(2)),
			Error::<Test>::SequenceTooFar
		);
		assert_ok!(send(&meter, stream, u64::MAX - 2, quarter(0)));
		assert_eq!(
			Telemetry::latest(&meter.id, stream).map(|record| record.seq),
			Some(u64::MAX - 1)
		);
	});
}

#[test]
fn a_leap_empties_the_window_but_remembers_its_times() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, keeping(4));
		for seq in 0..4 {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		assert_ok!(send(&meter, stream, 500, quarter(500)));
		// 497 to 499 are free, and nothing used is left in the window below them.
		assert_noop!(
			send(&meter, stream, 498, quarter(3)),
			Error::<Test>::OverlapsNeighbour
		);
		assert_ok!(send(&meter, stream, 498, quarter(4)));
		assert_noop!(send(&meter, stream, 3, quarter(3)), Error::<Test>::SequenceTooOld);
	});
}

/// One reading for each number, so that the right figures are easy to tell.
fn single(seq: u64) -> Anchor {
	of(&[(BASE + seq * 1_000, 1 + seq as i64)])
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(500))]

	#[test]
	fn every_order_of_delivery_ends_in_the_same_stream(
		order in prop::collection::vec(0u64..12, 0..30),
		rest in Just((0u64..12).collect::<Vec<_>>()).prop_shuffle(),
	) {
		externalities().execute_with(|| {
			let meter = meter(1);
			let (stream, straight) = (open(&meter, keeping(12)), open(&meter, keeping(12)));
			for seq in 0..12 {
				assert_ok!(send(&meter, straight, seq, quarter(seq)));
			}
			let mut used = BTreeSet::new();
			for seq in order.into_iter().chain(rest) {
				if used.insert(seq) {
					assert_ok!(send(&meter, stream, seq, quarter(seq)));
				} else {
					assert_noop!(send(&meter, stream, seq, quarter(seq)), Error::<Test>::AlreadyAnchored);
				}
			}
			let kept = |stream| -> Vec<_> {
				(0..12)
					.map(|seq| Telemetry::anchor_record(&meter.id, stream, seq).map(|record| record.anchor))
					.collect()
			};
			assert_eq!(kept(stream), kept(straight));
			for (from, to) in [(0, START), (BASE + QUARTER, BASE + 5 * QUARTER), (BASE + 1, BASE + 3 * DAY)] {
				assert_eq!(
					Telemetry::coverage(&meter.id, stream, from, to),
					Telemetry::coverage(&meter.id, straight, from, to)
				);
			}
			assert_eq!(anchors(&meter, stream), 12);
			Telemetry::do_try_state().expect("the invariants hold");
		});
	}

	#[test]
	fn whatever_comes_the_ring_and_its_figures_stay_true(
		retention in 1u16..=80,
		steps in prop::collection::vec((any::<bool>(), 0u64..100), 1..60),
		intervals in prop::collection::vec((0u64..700, 0u64..700), 8),
	) {
		externalities().execute_with(|| {
			let meter = meter(1);
			let stream = open(&meter, keeping(retention));
			let mut used = BTreeSet::new();
			let mut next = 0u64;
			for (jump, distance) in steps {
				let seq = if jump { next + distance % 20 } else { next.saturating_sub(distance) };
				let expected = if seq >= next {
					Ok(())
				} else if seq + u64::from(retention.min(64)) < next {
					Err(Error::<Test>::SequenceTooOld)
				} else if used.contains(&seq) {
					Err(Error::<Test>::AlreadyAnchored)
				} else {
					Ok(())
				};
				match expected {
					Ok(()) => {
						assert_ok!(send(&meter, stream, seq, single(seq)));
						used.insert(seq);
						next = next.max(seq + 1);
					},
					Err(error) => {
						assert_noop!(send(&meter, stream, seq, single(seq)), error);
					},
				}
			}
			Telemetry::do_try_state().expect("the invariants hold");

			for (one, other) in intervals {
				let (from, to) = (BASE + one.min(other) * 1_000, BASE + one.max(other) * 1_000);
				let found = Telemetry::coverage(&meter.id, stream, from, to).expect("it is open");
				let inside: Vec<u64> = used
					.iter()
					.map(|seq| BASE + seq * 1_000)
					.filter(|time| (from..to).contains(time))
					.collect();
				let sum: i128 = inside.iter().map(|time| 1 + i128::from((time - BASE) / 1_000)).sum();
				let marks: Vec<u64> = [from].into_iter().chain(inside.iter().copied()).chain([to]).collect();
				let silence = marks.windows(2).map(|pair| pair[1] - pair[0]).max();
				if found.complete {
					assert_eq!(found.count, inside.len() as u64);
					assert_eq!(found.sum, Some(sum));
					assert_eq!(Some(found.longest_silence_ms), silence);
				} else {
					assert!(found.count <= inside.len() as u64);
					assert!(found.sum <= Some(sum));
					assert!(used.len() > retention.into() || next > retention.into());
				}
			}
		});
	}
}
