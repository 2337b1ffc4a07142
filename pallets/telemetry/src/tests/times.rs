//! Where the readings lie in time.

use crate::{Error, mock::*};
use frame_support::{assert_noop, assert_ok};
use m2m_anchor::StreamSpec;

#[test]
fn a_reading_lies_at_most_a_minute_ahead_of_the_clock() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_noop!(
			send(&meter, stream, 0, of(&[(START, 1), (START + 60_001, 1)])),
			Error::<Test>::FromTheFuture
		);
		assert_ok!(send(&meter, stream, 0, of(&[(START, 1), (START + 60_000, 1)])));
	});
}

#[test]
fn what_is_too_early_is_taken_later() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		let anchor = of(&[(START + DAY, 1)]);
		assert_noop!(
			send(&meter, stream, 0, anchor.clone()),
			Error::<Test>::FromTheFuture
		);
		Timestamp::set_timestamp(START + DAY - MINUTE);
		assert_ok!(send(&meter, stream, 0, anchor));
	});
}

#[test]
fn readings_before_the_stream_begins_are_refused() {
	test(|| {
		let meter = meter(0);
		let stream = open(
			&meter,
			StreamSpec {
				not_before: BASE,
				..spec()
			},
		);
		assert_noop!(
			send(&meter, stream, 0, of(&[(BASE - 1, 1), (BASE, 1)])),
			Error::<Test>::TooOld
		);
		assert_noop!(send(&meter, stream, 0, of(&[(0, 1)])), Error::<Test>::TooOld);
		assert_ok!(send(&meter, stream, 0, of(&[(BASE, 1)])));
	});
}

#[test]
fn the_ends_of_time_are_handled() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_noop!(
			send(&meter, stream, 0, of(&[(u64::MAX, 1)])),
			Error::<Test>::FromTheFuture
		);
		assert_noop!(
			send(&meter, stream, 0, of(&[(0, 1), (u64::MAX, 1)])),
			Error::<Test>::FromTheFuture
		);
		assert_ok!(send(&meter, stream, 0, of(&[(0, 1)])));
		Timestamp::set_timestamp(u64::MAX);
		assert_ok!(send(&meter, stream, 1, of(&[(u64::MAX, 1)])));
		assert_noop!(
			send(&meter, stream, 2, of(&[(u64::MAX, 1)])),
			Error::<Test>::OverlapsNeighbour
		);
		let found = Telemetry::coverage(&meter.id, stream, 0, u64::MAX).expect("it is open");
		assert_eq!((found.count, found.longest_silence_ms), (1, u64::MAX));
	});
}

#[test]
fn an_anchor_lies_in_one_period() {
	test(|| {
		let meter = meter(0);
		let stream = open(
			&meter,
			StreamSpec {
				period_ms: Some(QUARTER as u32),
				..spec()
			},
		);
		for crossing in [
			[BASE, BASE + QUARTER],
			[BASE - 1, BASE],
			[BASE + QUARTER - 1, BASE + QUARTER],
			[BASE, BASE + 96 * QUARTER],
		] {
			assert_noop!(
				send(&meter, stream, 0, of(&crossing.map(|time| (time, 1)))),
				Error::<Test>::CrossesPeriod
			);
		}
		assert_ok!(send(&meter, stream, 0, of(&[(BASE, 1), (BASE + QUARTER - 1, 1)])));
		assert_ok!(send(&meter, stream, 1, of(&[(BASE + QUARTER, 1)])));
		// One period may hold many anchors.
		assert_ok!(send(&meter, stream, 2, of(&[(BASE + QUARTER + 1, 1)])));
	});
}

#[test]
fn readings_come_after_those_of_the_number_before() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_ok!(send(&meter, stream, 3, of(&[(BASE, 1), (BASE + 100, 1)])));
		for (first, last) in [
			(BASE + 100, BASE + 200),
			(BASE + 50, BASE + 200),
			(BASE, BASE + 100),
			(BASE - 200, BASE - 100),
			(BASE - 200, BASE + 200),
		] {
			for seq in [4, 7] {
				assert_noop!(
					send(&meter, stream, seq, of(&[(first, 1), (last, 1)])),
					Error::<Test>::OverlapsNeighbour
				);
			}
		}
		assert_ok!(send(&meter, stream, 7, of(&[(BASE + 101, 1), (BASE + 200, 1)])));
	});
}

#[test]
fn readings_come_before_those_of_the_number_after() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_ok!(send(&meter, stream, 3, of(&[(BASE, 1), (BASE + 100, 1)])));
		for (first, last) in [
			(BASE - 100, BASE),
			(BASE - 100, BASE + 50),
			(BASE + 101, BASE + 200),
			(BASE - 100, BASE + 200),
		] {
			for seq in [0, 2] {
				assert_noop!(
					send(&meter, stream, seq, of(&[(first, 1), (last, 1)])),
					Error::<Test>::OverlapsNeighbour
				);
			}
		}
		assert_ok!(send(&meter, stream, 0, of(&[(BASE - 100, 1), (BASE - 1, 1)])));
	});
}

#[test]
fn a_gap_is_filled_only_from_between_its_neighbours() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_ok!(send(&meter, stream, 1, of(&[(BASE, 1)])));
		assert_ok!(send(&meter, stream, 5, of(&[(BASE + 100, 1)])));
		for times in [
			[BASE, BASE + 1],
			[BASE + 99, BASE + 100],
			[BASE - 1, BASE + 50],
			[BASE + 50, BASE + 101],
		] {
			assert_noop!(
				send(&meter, stream, 3, of(&times.map(|time| (time, 1)))),
				Error::<Test>::OverlapsNeighbour
			);
		}
		assert_ok!(send(&meter, stream, 3, of(&[(BASE + 1, 1), (BASE + 99, 1)])));
	});
}

#[test]
fn readings_below_the_window_are_remembered_as_a_floor() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, keeping(2));
		for seq in [0, 1, 2, 4] {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		// Number 2 has left the window of 3 and 4.
		let floor = quarter(2).t_last();
		assert_noop!(
			send(&meter, stream, 3, of(&[(floor, 1)])),
			Error::<Test>::OverlapsNeighbour
		);
		assert_ok!(send(&meter, stream, 3, of(&[(floor + 1, 1)])));
	});
}

#[test]
fn streams_do_not_mind_each_others_times() {
	test(|| {
		let meter = meter(0);
		for _ in 0..3 {
			let stream = open(&meter, spec());
			assert_ok!(send(&meter, stream, 0, quarter(0)));
			assert_ok!(send(&meter, stream, 1, quarter(1)));
		}
	});
}
