//! Aggregates that no readings can have, and visibility.

use crate::{Error, mock::*};
use frame_support::{assert_noop, assert_ok};
use m2m_anchor::{Anchor, Summary};
use m2m_merkle::Aggregate;
use sp_core::H256;

const TRUE: Aggregate = Aggregate {
	count: 4,
	min: 10,
	max: 20,
	sum: 60,
	t_first: BASE,
	t_last: BASE + 900,
	max_gap: 400,
};

fn claiming(aggregate: Aggregate) -> Anchor {
	Anchor {
		data_root: H256::repeat_byte(1),
		summary: Summary::Open {
			top_hash: H256::repeat_byte(2),
			aggregate,
		},
	}
}

fn hiding(count: u64, t_first: u64, t_last: u64) -> Anchor {
	Anchor {
		data_root: H256::repeat_byte(1),
		summary: Summary::Private {
			aggregate_root: H256::repeat_byte(2),
			count,
			t_first,
			t_last,
		},
	}
}

#[test]
fn an_aggregate_that_no_readings_can_have_is_refused() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		let single = Aggregate {
			count: 1,
			max: 10,
			sum: 10,
			t_last: BASE,
			max_gap: 0,
			..TRUE
		};
		for (rule, false_one) in [
			("no reading", Aggregate { count: 0, ..TRUE }),
			(
				"too many readings",
				Aggregate {
					count: (1 << 32) + 1,
					..TRUE
				},
			),
			(
				"most readings there can be",
				Aggregate {
					count: u64::MAX,
					..TRUE
				},
			),
			("minimum above maximum", Aggregate { min: 21, ..TRUE }),
			("sum below count times minimum", Aggregate { sum: 39, ..TRUE }),
			("sum above count times maximum", Aggregate { sum: 81, ..TRUE }),
			(
				"smallest sum",
				Aggregate {
					sum: i128::MIN,
					..TRUE
				},
			),
			(
				"largest sum",
				Aggregate {
					sum: i128::MAX,
					..TRUE
				},
			),
			(
				"last before first",
				Aggregate {
					t_last: BASE - 1,
					..TRUE
				},
			),
			(
				"too short for four times",
				Aggregate {
					t_last: BASE + 2,
					max_gap: 1,
					..TRUE
				},
			),
			("gap shorter than the average", Aggregate { max_gap: 299, ..TRUE }),
			(
				"gap that leaves nothing for the others",
				Aggregate { max_gap: 899, ..TRUE },
			),
			(
				"longest gap",
				Aggregate {
					max_gap: u64::MAX,
					..TRUE
				},
			),
			("one reading, two values", Aggregate { max: 20, ..single }),
			(
				"one reading, two times",
				Aggregate {
					t_last: BASE + 1,
					..single
				},
			),
			("one reading, a gap", Aggregate { max_gap: 1, ..single }),
		] {
			assert_eq!(
				send(&meter, stream, 0, claiming(false_one)).map_err(|refused| refused.error),
				Err(refusal(Error::ImplausibleAggregate)),
				"{rule}"
			);
			assert_noop!(
				send(&meter, stream, 0, claiming(false_one)),
				Error::<Test>::ImplausibleAggregate
			);
		}
		assert_ok!(send(&meter, stream, 0, claiming(single)));
		let after = |aggregate: Aggregate| {
			claiming(Aggregate {
				t_first: aggregate.t_first + 1_000,
				t_last: aggregate.t_last + 1_000,
				..aggregate
			})
		};
		assert_ok!(send(&meter, stream, 1, after(TRUE)));
	});
}

#[test]
fn the_widest_true_aggregate_is_taken() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		let count = 1u64 << 32;
		let widest = Aggregate {
			count,
			min: i64::MIN,
			max: i64::MAX,
			sum: i128::from(i64::MAX) * i128::from(count),
			t_first: 0,
			t_last: START + MINUTE,
			max_gap: START + MINUTE - (count - 2),
		};
		assert_ok!(send(&meter, stream, 0, claiming(widest)));
		let found = Telemetry::coverage(&meter.id, stream, 0, u64::MAX).expect("it is open");
		assert_eq!((found.count, found.sum), (count, Some(widest.sum)));
	});
}

#[test]
fn a_private_anchor_shows_nothing_that_cannot_be() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, private());
		for (rule, count, t_first, t_last) in [
			("no reading", 0, BASE, BASE),
			("too many readings", (1 << 32) + 1, 0, BASE),
			("most readings there can be", u64::MAX, 0, BASE),
			("last before first", 2, BASE, BASE - 1),
			("too short for four times", 4, BASE, BASE + 2),
			("one reading, two times", 1, BASE, BASE + 1),
		] {
			assert_eq!(
				send(&meter, stream, 0, hiding(count, t_first, t_last)).map_err(|refused| refused.error),
				Err(refusal(Error::ImplausibleAggregate)),
				"{rule}"
			);
			assert_noop!(
				send(&meter, stream, 0, hiding(count, t_first, t_last)),
				Error::<Test>::ImplausibleAggregate
			);
		}
		assert_ok!(send(&meter, stream, 0, hiding(1, BASE, BASE)));
		assert_ok!(send(&meter, stream, 1, hiding(4, BASE + 1, BASE + 4)));
		assert_ok!(send(&meter, stream, 2, hiding(1 << 32, BASE + 5, START)));
	});
}

#[test]
fn open_streams_take_open_anchors_and_private_streams_private_ones() {
	test(|| {
		let meter = meter(0);
		let (shown, hidden) = (open(&meter, spec()), open(&meter, private()));
		let batch = quarter_batch(0);
		assert_noop!(
			send(&meter, shown, 0, private_anchor(&batch)),
			Error::<Test>::VisibilityMismatch
		);
		assert_noop!(
			send(&meter, hidden, 0, open_anchor(&batch)),
			Error::<Test>::VisibilityMismatch
		);
		assert_ok!(send(&meter, shown, 0, open_anchor(&batch)));
		assert_ok!(send(&meter, hidden, 0, private_anchor(&batch)));
	});
}

#[test]
fn the_first_check_that_fails_is_the_answer() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		assert_ok!(send(&meter, stream, 0, quarter(0)));
		change(&meter.key, |grant| grant.deliver = false);
		let nonsense = hiding(0, u64::MAX, u64::MAX);
		for (at, seq, anchor, error) in [
			(9, 0, nonsense.clone(), Error::<Test>::UnknownStream),
			(stream, 0, nonsense.clone(), Error::AlreadyAnchored),
			(stream, 5_000, nonsense.clone(), Error::SequenceTooFar),
			(stream, 1, nonsense, Error::VisibilityMismatch),
			(
				stream,
				1,
				claiming(Aggregate {
					count: 0,
					t_last: u64::MAX,
					..TRUE
				}),
				Error::FromTheFuture,
			),
			(
				stream,
				1,
				claiming(Aggregate { count: 0, ..TRUE }),
				Error::OverlapsNeighbour,
			),
			(
				stream,
				1,
				claiming(Aggregate {
					count: 0,
					t_first: START,
					t_last: START,
					..TRUE
				}),
				Error::ImplausibleAggregate,
			),
		] {
			assert_noop!(send(&meter, at, seq, anchor), error);
		}
		assert_noop!(
			send(&meter, stream, 1, quarter(1)),
			fleet::Error::<Test>::MayNotDeliver
		);
	});
}
