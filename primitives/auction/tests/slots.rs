//! Delivery slots and their place in time.

use m2m_auction::SlotLength;
use proptest::prelude::*;

const QUARTER_HOUR: u32 = 900;

/// All lengths that there are.
fn lengths() -> Vec<u32> {
	(1..=86_400).filter(|seconds| 86_400 % seconds == 0).collect()
}

#[test]
fn only_lengths_that_divide_a_day_are_taken() {
	for seconds in [1, 12, 60, QUARTER_HOUR, 3_600, 43_200, 86_400] {
		assert_eq!(SlotLength::new(seconds).map(SlotLength::seconds), Some(seconds));
	}
	for seconds in [0, 7, 901, 86_399, 86_401, 172_800, u32::MAX] {
		assert_eq!(SlotLength::new(seconds), None);
	}
}

#[test]
fn a_slot_begins_with_its_first_millisecond_and_ends_before_the_next() {
	let length = SlotLength::new(QUARTER_HOUR).unwrap();
	// 2026-06-13 00:15 UTC.
	let start = 1_781_309_700_000;
	assert_eq!(length.slot_at(start - 1), 1_979_232);
	assert_eq!(length.slot_at(start), 1_979_233);
	assert_eq!(length.slot_at(start + 899_999), 1_979_233);
	assert_eq!(length.slot_at(start + 900_000), 1_979_234);
	assert_eq!(
		(length.start(1_979_233), length.end(1_979_233)),
		(start, start + 900_000)
	);
}

#[test]
fn slots_begin_at_midnight() {
	for seconds in lengths() {
		let length = SlotLength::new(seconds).unwrap();
		let midnight = 1_781_308_800_000;
		assert_eq!(length.start(length.slot_at(midnight)), midnight);
	}
}

#[test]
fn a_slot_beyond_the_end_of_time_never_comes_due() {
	let length = SlotLength::new(86_400).unwrap();
	assert_eq!(length.start(u64::MAX), u64::MAX);
	assert_eq!(length.end(u64::MAX), u64::MAX);
	assert_eq!(length.slot_at(u64::MAX), u64::MAX / 86_400_000);
}

proptest! {
	#[test]
	fn every_time_lies_in_its_slot(
		seconds in prop::sample::select(lengths()),
		time in 0u64..1 << 50,
	) {
		let length = SlotLength::new(seconds).unwrap();
		let slot = length.slot_at(time);
		prop_assert!(length.start(slot) <= time && time < length.end(slot));
		prop_assert_eq!(length.end(slot), length.start(slot + 1));
		prop_assert_eq!(slot, time / 1_000 / u64::from(seconds));
	}
}
