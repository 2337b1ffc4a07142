//! Random deliveries against a plain model that forgets nothing: the pallet, which keeps a bitmap, a ring and one
//! time below the window, must take and refuse exactly the same.

use crate::{Anchors, Error, Heads, mock::*, window::MAX_AHEAD};
use m2m_anchor::{Anchor, StreamId};
use proptest::prelude::*;
use sp_runtime::DispatchError;
use std::collections::{BTreeMap, BTreeSet};

/// Every anchor that a stream ever took.
#[derive(Default)]
struct Model {
	taken: BTreeMap<u64, (u64, u64)>,
}

impl Model {
	fn next(&self) -> u64 {
		self.taken.last_key_value().map_or(0, |(last, _)| last + 1)
	}

	/// The rules in the words of the design. On success the time of the last reading before.
	fn offer(
		&mut self,
		retention: u16,
		seq: u64,
		(first, last): (u64, u64),
	) -> Result<Option<u64>, Error<Test>> {
		let next = self.next();
		if seq >= next + MAX_AHEAD {
			return Err(Error::SequenceTooFar);
		}
		if seq < next.saturating_sub(u64::from(retention.min(64))) {
			return Err(Error::SequenceTooOld);
		}
		if self.taken.contains_key(&seq) {
			return Err(Error::AlreadyAnchored);
		}
		let before = self.taken.range(..seq).next_back().map(|(_, times)| times.1);
		let after = self.taken.range(seq..).next().map(|(_, times)| times.0);
		if before.is_some_and(|before| before >= first) || after.is_some_and(|after| after <= last) {
			return Err(Error::OverlapsNeighbour);
		}
		self.taken.insert(seq, (first, last));
		Ok(before)
	}

	/// The anchors of the newest round of the ring, all of which are in state.
	fn newest_round(&self, retention: u16) -> BTreeSet<u64> {
		let from = self.next().saturating_sub(retention.into());
		self.taken.range(from..).map(|(seq, _)| *seq).collect()
	}
}

fn between((first, last): (u64, u64)) -> Anchor {
	if first == last {
		of(&[(first, 1)])
	} else {
		of(&[(first, 1), (last, 2)])
	}
}

/// One delivery: which number, counted from the next one, and when its readings were taken.
#[derive(Clone, Debug)]
struct Step {
	seq: i64,
	shift_ms: i64,
	length_ms: u64,
}

/// Mostly near the window, sometimes a leap, sometimes out of reach. Times follow the numbers with an error that
/// often, but not always, keeps neighbours apart.
fn step() -> impl Strategy<Value = Step> {
	let seq = prop_oneof![
		10 => -12i64..=6,
		4 => -80i64..=80,
		1 => 1_000i64..=1_030,
	];
	let shift_ms = prop_oneof![4 => Just(0i64), 1 => -3_000i64..=3_000];
	let length_ms = prop_oneof![6 => 0u64..900, 1 => 0u64..4_000];
	(seq, shift_ms, length_ms).prop_map(|(seq, shift_ms, length_ms)| Step {
		seq,
		shift_ms,
		length_ms,
	})
}

fn retention() -> impl Strategy<Value = u16> {
	prop_oneof![1u16..=9, Just(63), Just(64), Just(65), 1u16..=256]
}

/// Some numbers of one window, and an order in which each of them comes at least once.
fn set_and_deliveries() -> impl Strategy<Value = (BTreeSet<u64>, Vec<u64>)> {
	prop::collection::btree_set(0u64..64, 1..20).prop_flat_map(|set| {
		let numbers: Vec<u64> = set.iter().copied().collect();
		let repeats = prop::collection::vec(prop::sample::select(numbers.clone()), 0..20);
		let deliveries = repeats
			.prop_map(move |repeats| [repeats, numbers.clone()].concat())
			.prop_shuffle();
		(Just(set), deliveries)
	})
}

fn in_state(meter: &Meter, stream: StreamId) -> BTreeSet<u64> {
	Anchors::<Test>::iter_prefix_values((&meter.id, stream))
		.map(|record| record.seq)
		.collect()
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(10_000))]

	#[test]
	fn the_pallet_takes_exactly_what_the_model_takes(
		retention in retention(),
		steps in prop::collection::vec(step(), 1..24),
	) {
		externalities().execute_with(|| {
			let meter = meter(0);
			let stream = open(&meter, keeping(retention));
			let mut model = Model::default();
			let mut order = Vec::new();
			let mut told = Vec::new();
			for Step { seq, shift_ms, length_ms } in steps {
				let seq = model.next().saturating_add_signed(seq);
				let first = (BASE + seq * 1_000).saturating_add_signed(shift_ms);
				let times = (first, first + length_ms);
				let expected = model.offer(retention, seq, times).map_err(DispatchError::from);
				let found = send(&meter, stream, seq, between(times)).map_err(|refused| refused.error);
				assert_eq!(found.map(drop), expected.map(drop), "number {seq} at {times:?}");
				if let Ok(before) = expected {
					told.push((meter.id.clone(), stream, seq, before));
					order.push(seq);
				}
			}

			assert_eq!(fleet::Told::<Test>::get(), told);
			let head = Heads::<Test>::get(&meter.id, stream).expect("it is open");
			assert_eq!((head.window.next, head.anchors), (model.next(), order.len() as u64));
			let newest = model.taken.last_key_value();
			assert_eq!(head.last_reading, newest.map(|(_, times)| times.1));
			assert!(in_state(&meter, stream).is_superset(&model.newest_round(retention)));
			for (position, seq) in (0..).zip(&order) {
				// Older ones may stand or be overwritten, but whatever is found under a number is its own anchor.
				match Telemetry::anchor_record(&meter.id, stream, *seq) {
					Some(record) => {
						assert_eq!(record.anchor, between(model.taken[seq]));
						assert_eq!((record.seq, record.position), (*seq, position));
					},
					None => assert!(!model.newest_round(retention).contains(seq)),
				}
			}
			Telemetry::do_try_state().expect("the invariants hold");
		});
	}

	/// As long as every delivery falls into the window, order and repetition do not matter, gaps or not.
	#[test]
	fn a_set_of_anchors_ends_the_same_in_every_order_and_number(
		(set, deliveries) in set_and_deliveries(),
	) {
		let times = |seq: u64| (BASE + seq * 1_000, BASE + seq * 1_000 + seq % 7);
		externalities().execute_with(|| {
			let meter = meter(0);
			let stream = open(&meter, keeping(64));
			let mut missing = set.clone();
			for seq in deliveries {
				let found = send(&meter, stream, seq, between(times(seq))).map_err(|refused| refused.error);
				let expected = if missing.remove(&seq) { Ok(()) } else { Err(refusal(Error::AlreadyAnchored)) };
				assert_eq!(found.map(drop), expected);
			}
			assert!(missing.is_empty());
			assert_eq!(in_state(&meter, stream), set);
			for seq in &set {
				let record = Telemetry::anchor_record(&meter.id, stream, *seq).expect("it is in the ring");
				assert_eq!(record.anchor, between(times(*seq)));
			}
			assert_eq!(anchors(&meter, stream), set.len() as u64);
			Telemetry::do_try_state().expect("the invariants hold");
		});
	}
}
