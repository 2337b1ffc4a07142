//! Marks that the chain puts on anchors, and readings taken too late.

use crate::{Error, mock::*};
use frame_support::{assert_noop, assert_ok};
use m2m_anchor::{AnchorFlags, StreamSpec};

fn flags(meter: &Meter, stream: u32, seq: u64) -> AnchorFlags {
	Telemetry::anchor_record(&meter.id, stream, seq)
		.expect("it is in the ring")
		.flags
}

#[test]
fn values_outside_the_plausible_range_are_marked_and_taken() {
	test(|| {
		let meter = meter(0);
		let stream = open(
			&meter,
			StreamSpec {
				plausible_min: -5,
				plausible_max: 5,
				..spec()
			},
		);
		for (seq, (low, high, marked)) in [
			(-5, 5, false),
			(-6, 5, true),
			(-5, 6, true),
			(i64::MIN, i64::MAX, true),
		]
		.into_iter()
		.enumerate()
		{
			let (seq, time) = (seq as u64, BASE + seq as u64 * QUARTER);
			assert_ok!(send(
				&meter,
				stream,
				seq,
				of(&[(time, low), (time + 1, 0), (time + 2, high)])
			));
			assert_eq!(flags(&meter, stream, seq).implausible_value, marked);
		}
	});
}

#[test]
fn the_values_of_private_streams_are_not_judged() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, private());
		assert_ok!(send(
			&meter,
			stream,
			0,
			private_anchor(&batch(&[(BASE, i64::MIN), (BASE + 1, i64::MAX)]))
		));
		assert_eq!(flags(&meter, stream, 0), AnchorFlags::default());
	});
}

#[test]
fn readings_from_before_the_rotation_are_taken_late_and_marked() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_ok!(send(&meter, stream, 0, quarter(0)));
		let anchor = quarter(1);
		change(&meter.key, |grant| grant.before = Some(anchor.t_last() + 1));
		assert_ok!(send(&meter, stream, 1, anchor));
		assert!(!flags(&meter, stream, 0).late);
		assert!(flags(&meter, stream, 1).late);
	});
}

#[test]
fn readings_from_the_moment_of_the_rotation_on_are_refused() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		for moment in [0, quarter(1).t_first(), quarter(1).t_last()] {
			change(&meter.key, |grant| grant.before = Some(moment));
			assert_noop!(send(&meter, stream, 1, quarter(1)), Error::<Test>::SignedTooLate);
		}
		change(&meter.key, |grant| grant.before = Some(u64::MAX));
		assert_ok!(send(&meter, stream, 1, quarter(1)));
	});
}

#[test]
fn a_private_anchor_is_judged_by_its_last_reading_too() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, private());
		let anchor = private_anchor(&quarter_batch(0));
		change(&meter.key, |grant| grant.before = Some(anchor.t_last()));
		assert_noop!(
			send(&meter, stream, 0, anchor.clone()),
			Error::<Test>::SignedTooLate
		);
		change(&meter.key, |grant| grant.before = Some(anchor.t_last() + 1));
		assert_ok!(send(&meter, stream, 0, anchor));
		assert!(flags(&meter, stream, 0).late);
	});
}
