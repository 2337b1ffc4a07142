//! Convicting anchors whose aggregate is a lie.

use crate::{Error, Event, WeightInfo, mock::*};
use frame_support::{assert_noop, assert_ok, dispatch::GetDispatchInfo};
use m2m_anchor::{Anchor, AnchorFlags, StreamId, Summary};
use m2m_merkle::{Aggregate, Batch, FalseAnchorEvidence, Lie, aggregate_root};
use sp_core::H256;
use sp_runtime::DispatchResult;

fn report(meter: &Meter, stream: StreamId, seq: u64, evidence: FalseAnchorEvidence) -> DispatchResult {
	Telemetry::report_false_anchor(signed(&BOB), meter.id.clone(), stream, seq, Box::new(evidence))
}

/// An open anchor over an honest tree that claims another total.
fn claiming(batch: &Batch, aggregate: Aggregate) -> Anchor {
	Anchor {
		data_root: H256(batch.data_root()),
		summary: Summary::Open {
			top_hash: H256(batch.top_hash()),
			aggregate,
		},
	}
}

fn one_more(batch: &Batch) -> Aggregate {
	Aggregate {
		sum: batch.aggregate().sum + 1,
		..*batch.aggregate()
	}
}

fn evidence(batch: &Batch, index: u32, claimed: Aggregate) -> FalseAnchorEvidence {
	batch.evidence(index, claimed).expect("the reading is there")
}

#[test]
fn an_honest_anchor_cannot_be_convicted() {
	test(|| {
		let meter = meter(0);
		let (shown, hidden) = (open(&meter, spec()), open(&meter, private()));
		let batch = quarter_batch(0);
		assert_ok!(send(&meter, shown, 0, open_anchor(&batch)));
		assert_ok!(send(&meter, hidden, 0, private_anchor(&batch)));
		for stream in [shown, hidden] {
			for index in 0..3 {
				let honest = evidence(&batch, index, *batch.aggregate());
				assert_noop!(
					report(&meter, stream, 0, honest.clone()),
					Error::<Test>::NothingWrong
				);
				// What the anchor never claimed, a reading it never held, a tree that is not its own.
				let mut put_into_its_mouth = honest.clone();
				put_into_its_mouth.top = one_more(&batch);
				let mut other_reading = honest.clone();
				other_reading.reading.reading.value += 1;
				let mut other_leaf = honest.clone();
				other_leaf.leaf[0] ^= 1;
				let mut short = honest.clone();
				short.path.pop();
				let mut no_paths = honest.clone();
				no_paths.path.clear();
				no_paths.reading.path.clear();
				let mut other_count = honest.clone();
				other_count.reading.count = 4;
				let mut other_index = honest.clone();
				other_index.reading.index = u32::MAX;
				let foreign = evidence(&quarter_batch(1), index, *batch.aggregate());
				for forged in [
					put_into_its_mouth,
					other_reading,
					other_leaf,
					short,
					no_paths,
					other_count,
					other_index,
					foreign,
				] {
					assert_noop!(report(&meter, stream, 0, forged), Error::<Test>::NothingWrong);
				}
			}
		}
	});
}

#[test]
fn an_anchor_that_claims_one_unit_more_is_convicted_and_its_signer_named() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		let batch = quarter_batch(0);
		let claimed = one_more(&batch);
		assert_ok!(send(&meter, stream, 0, claiming(&batch, claimed)));
		events();
		assert_ok!(report(&meter, stream, 0, evidence(&batch, 1, claimed)));
		assert_eq!(
			events(),
			[Event::AnchorDisputed {
				device: meter.id.clone(),
				stream,
				seq: 0,
				key: meter.key.account(),
				lie: Lie::Combination { level: 2 },
				by: BOB,
			}]
		);
		let record = Telemetry::anchor_record(&meter.id, stream, 0).expect("it stays");
		assert_eq!(
			record.flags,
			AnchorFlags {
				disputed: true,
				..AnchorFlags::default()
			}
		);
		assert_eq!(record.anchor, claiming(&batch, claimed));
	});
}

#[test]
fn each_reading_convicts_and_each_false_figure_is_a_lie() {
	test(|| {
		let meter = meter(0);
		let batch = quarter_batch(0);
		let honest = *batch.aggregate();
		for (index, claimed) in [
			(0, Aggregate { min: 9, ..honest }),
			(1, Aggregate { max: 31, ..honest }),
			(2, Aggregate { sum: 59, ..honest }),
			(
				0,
				Aggregate {
					t_first: honest.t_first - 1,
					max_gap: honest.max_gap + 1,
					..honest
				},
			),
			(
				1,
				Aggregate {
					t_last: honest.t_last + 1,
					max_gap: honest.max_gap + 1,
					..honest
				},
			),
			(
				2,
				Aggregate {
					max_gap: honest.max_gap + 1,
					..honest
				},
			),
		] {
			let stream = open(&meter, spec());
			assert_ok!(send(&meter, stream, 0, claiming(&batch, claimed)));
			assert_ok!(report(&meter, stream, 0, evidence(&batch, index, claimed)));
		}
	});
}

#[test]
fn a_private_anchor_that_hides_a_false_total_is_convicted() {
	test(|| {
		let meter = meter(1);
		let stream = open(&meter, private());
		let batch = quarter_batch(0);
		let claimed = one_more(&batch);
		let hidden = Anchor {
			data_root: H256(batch.data_root()),
			summary: Summary::Private {
				aggregate_root: H256(aggregate_root(&batch.top_hash(), &claimed)),
				count: claimed.count,
				t_first: claimed.t_first,
				t_last: claimed.t_last,
			},
		};
		assert_ok!(send(&meter, stream, 0, hidden));
		assert_noop!(
			report(&meter, stream, 0, evidence(&batch, 0, *batch.aggregate())),
			Error::<Test>::NothingWrong
		);
		assert_ok!(report(&meter, stream, 0, evidence(&batch, 0, claimed)));
	});
}

#[test]
fn an_anchor_over_two_different_batches_is_convicted() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		let (data, totals) = (
			batch(&[(BASE, 1), (BASE + 1, 2)]),
			batch(&[(BASE, 100), (BASE + 1, 200)]),
		);
		let mut mixed = open_anchor(&totals);
		mixed.data_root = H256(data.data_root());
		assert_ok!(send(&meter, stream, 0, mixed));
		events();
		let mut proof = evidence(&totals, 0, *totals.aggregate());
		proof.reading = data.open(0).expect("there are two");
		assert_ok!(report(&meter, stream, 0, proof));
		assert!(matches!(
			events().as_slice(),
			[Event::AnchorDisputed { lie: Lie::Leaf, .. }]
		));
	});
}

#[test]
fn an_anchor_that_claims_another_number_of_readings_is_convicted() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		let batch = quarter_batch(0);
		let claimed = Aggregate {
			count: 5,
			sum: 100,
			..*batch.aggregate()
		};
		assert_ok!(send(&meter, stream, 0, claiming(&batch, claimed)));
		events();
		assert_ok!(report(&meter, stream, 0, evidence(&batch, 0, claimed)));
		assert!(matches!(
			events().as_slice(),
			[Event::AnchorDisputed {
				lie: Lie::DataCount,
				..
			}]
		));
	});
}

#[test]
fn an_anchor_is_convicted_once() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, spec());
		let batch = quarter_batch(0);
		let claimed = one_more(&batch);
		assert_ok!(send(&meter, stream, 0, claiming(&batch, claimed)));
		assert_ok!(report(&meter, stream, 0, evidence(&batch, 0, claimed)));
		for index in 0..2 {
			assert_noop!(
				report(&meter, stream, 0, evidence(&batch, index, claimed)),
				Error::<Test>::AlreadyDisputed
			);
		}
	});
}

#[test]
fn only_anchors_in_state_can_be_convicted() {
	test(|| {
		let meter = meter(0);
		let stream = open(&meter, keeping(2));
		let batch = quarter_batch(0);
		let claimed = one_more(&batch);
		let proof = || evidence(&batch, 0, claimed);
		assert_noop!(report(&meter, 7, 0, proof()), Error::<Test>::UnknownStream);
		assert_noop!(
			report(&meter, stream, 0, proof()),
			Error::<Test>::AnchorNotInState
		);
		assert_ok!(send(&meter, stream, 0, claiming(&batch, claimed)));
		// The same slot, another number.
		assert_noop!(
			report(&meter, stream, 2, proof()),
			Error::<Test>::AnchorNotInState
		);
		for seq in [1, 2] {
			assert_ok!(send(&meter, stream, seq, quarter(seq)));
		}
		assert_noop!(
			report(&meter, stream, 0, proof()),
			Error::<Test>::AnchorNotInState
		);
		assert_ok!(Telemetry::close_stream(
			signed(&ALICE),
			Some(meter.id.clone()),
			stream
		));
		assert_noop!(report(&meter, stream, 0, proof()), Error::<Test>::StreamClosed);
	});
}

#[test]
fn a_report_is_charged_by_its_longer_path() {
	let batch = quarter_batch(0);
	let mut proof = evidence(&batch, 0, *batch.aggregate());
	let mut charged = |reading: usize, aggregate: usize| {
		proof.reading.path.resize(reading, [0; 32]);
		let step = proof.path[0].clone();
		proof.path.resize(aggregate, step);
		let call = crate::Call::<Test>::report_false_anchor {
			device: ALICE,
			stream: 0,
			seq: 0,
			evidence: Box::new(proof.clone()),
		};
		call.get_dispatch_info().call_weight
	};
	assert_eq!(charged(2, 9), <() as WeightInfo>::report_false_anchor(9));
	assert_eq!(charged(12, 1), <() as WeightInfo>::report_false_anchor(12));
}
