//! Batches and their proofs against a second, recursive reading of RFC 6962, and against tampering.

use codec::{Decode, Encode};
use m2m_merkle::{
	Aggregate, AggregateProof, Batch, BatchError, CombineError, Hash, Implausible, Reading, ReadingProof,
	aggregate_root, reading,
};
use proptest::prelude::*;
use sp_crypto_hashing::blake2_256;

/// The definition of RFC 6962, word by word: root of the data tree, top of the aggregate tree, its aggregate.
fn reference(secret: &Hash, readings: &[Reading], first: u32) -> (Hash, Hash, Aggregate) {
	if let [only] = readings {
		let salt = &blake2_256(&[&[6][..], secret, &first.to_le_bytes()].concat())[..16];
		let value = [only.time_ms.to_le_bytes(), only.value.to_le_bytes()].concat();
		let leaf = blake2_256(&[&[0][..], &first.to_le_bytes(), salt, &value].concat());
		return (leaf, leaf, summary(readings));
	}
	let mut split = 1;
	while split * 2 < readings.len() {
		split *= 2;
	}
	let left = reference(secret, &readings[..split], first);
	let right = reference(secret, &readings[split..], first + split as u32);
	let data = blake2_256(&[&[9][..], &left.0, &right.0].concat());
	let top = blake2_256(&[&[1][..], &left.1, &right.1, &left.2.encode(), &right.2.encode()].concat());
	(data, top, summary(readings))
}

/// The aggregate straight from its meaning.
fn summary(readings: &[Reading]) -> Aggregate {
	let values = || readings.iter().map(|reading| reading.value);
	Aggregate {
		count: readings.len() as u64,
		min: values().min().unwrap(),
		max: values().max().unwrap(),
		sum: values().map(i128::from).sum(),
		t_first: readings[0].time_ms,
		t_last: readings[readings.len() - 1].time_ms,
		max_gap: readings
			.windows(2)
			.map(|pair| pair[1].time_ms - pair[0].time_ms)
			.max()
			.unwrap_or(0),
	}
}

fn readings(longest: usize) -> impl Strategy<Value = Vec<Reading>> {
	let step = (1u64..100_000, any::<i64>());
	(0u64..1 << 41, prop::collection::vec(step, 1..longest)).prop_map(|(start, steps)| {
		let mut time_ms = start;
		steps
			.into_iter()
			.map(|(gap, value)| {
				time_ms += gap;
				Reading { time_ms, value }
			})
			.collect()
	})
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(10_000))]

	#[test]
	fn both_trees_are_those_of_the_recursive_reference(secret: Hash, readings in readings(70)) {
		let expected = reference(&secret, &readings, 0);
		let batch = Batch::new(&secret, readings).unwrap();
		prop_assert_eq!((batch.data_root(), batch.top_hash(), *batch.aggregate()), expected);
		prop_assert_eq!(batch.aggregate().check_plausible(), Ok(()));
	}

	#[test]
	fn every_honest_proof_verifies(secret: Hash, readings in readings(70), pick: prop::sample::Index) {
		let batch = Batch::new(&secret, readings).unwrap();
		let index = pick.index(batch.len() as usize) as u32;
		let proof = batch.open(index).unwrap();
		prop_assert!(proof.verify_counted(&batch.data_root(), batch.len()));
		prop_assert_eq!(&proof.reading, &batch.readings()[index as usize]);
		prop_assert!(!proof.verify(&batch.aggregate_root()));
		let audit = batch.audit(index).unwrap();
		prop_assert!(audit.verify(&batch.aggregate_root()));
		prop_assert_eq!(audit.top(), Some((batch.top_hash(), *batch.aggregate())));
		prop_assert!(batch.open(batch.len() as u32).is_none() && batch.audit(batch.len() as u32).is_none());
	}

	#[test]
	fn altering_any_byte_of_a_reading_proof_fails(
		secret: Hash, readings in readings(70), pick: prop::sample::Index, at: prop::sample::Index, flip in 1u8..,
	) {
		let batch = Batch::new(&secret, readings).unwrap();
		let proof = batch.open(pick.index(batch.len() as usize) as u32).unwrap();
		let mut bytes = proof.encode();
		let at = at.index(bytes.len());
		bytes[at] ^= flip;
		if let Ok(altered) = ReadingProof::decode(&mut &bytes[..]) {
			prop_assert!(!altered.verify_counted(&batch.data_root(), batch.len()));
			// Only the count may differ unnoticed by the root alone.
			if altered.verify(&batch.data_root()) {
				prop_assert_eq!(ReadingProof { count: proof.count, ..altered }, proof);
			}
		}
	}

	#[test]
	fn altering_any_byte_of_an_aggregate_proof_fails(
		secret: Hash, readings in readings(70), pick: prop::sample::Index, at: prop::sample::Index, flip in 1u8..,
	) {
		let batch = Batch::new(&secret, readings).unwrap();
		let mut bytes = batch.audit(pick.index(batch.len() as usize) as u32).unwrap().encode();
		let at = at.index(bytes.len());
		bytes[at] ^= flip;
		if let Ok(altered) = AggregateProof::decode(&mut &bytes[..]) {
			prop_assert!(!altered.verify(&batch.aggregate_root()));
		}
	}

	#[test]
	fn paths_of_another_length_fail(secret: Hash, readings in readings(70), pick: prop::sample::Index) {
		let batch = Batch::new(&secret, readings).unwrap();
		let index = pick.index(batch.len() as usize) as u32;
		let (proof, audit) = (batch.open(index).unwrap(), batch.audit(index).unwrap());
		let (data_root, root) = (batch.data_root(), batch.aggregate_root());
		for keep in 0..proof.path.len() {
			let mut short = proof.clone();
			short.path.truncate(keep);
			prop_assert!(!short.verify(&data_root));
			let mut short = audit.clone();
			short.path.truncate(keep);
			prop_assert!(!short.verify(&root));
		}
		let mut long = proof.clone();
		long.path.push([0; 32]);
		prop_assert!(!long.verify(&data_root));
		let mut twice = proof.clone();
		twice.path.extend_from_within(..);
		prop_assert!(proof.path.is_empty() || !twice.verify(&data_root));
		let mut twice = audit.clone();
		twice.path.extend_from_within(..);
		prop_assert!(audit.path.is_empty() || !twice.verify(&root));
		for step in 1..proof.path.len() {
			let mut repeated = proof.clone();
			repeated.path[step] = repeated.path[step - 1];
			prop_assert!(!repeated.verify(&data_root));
		}
	}

	#[test]
	fn nothing_panics_on_hostile_proofs(
		index: u32, count: u64, salt: [u8; 16], time_ms: u64, value: i64, left: [u8; 64], right: [u8; 64],
		path in prop::collection::vec(any::<Hash>(), 0..40), root: Hash,
	) {
		let (left, right) = (Aggregate::from_bytes(&left), Aggregate::from_bytes(&right));
		let _ = (left.combine(&right), left.check_plausible());
		let aggregates = path.iter().map(|hash| m2m_merkle::AggregateSibling { hash: *hash, aggregate: right });
		let audit = AggregateProof { index, count, leaf: root, aggregate: left, path: aggregates.collect() };
		prop_assert!(!audit.verify(&root));
		let proof = ReadingProof { index, count, salt, reading: Reading { time_ms, value }, path };
		prop_assert!(!proof.verify(&root));
	}

	#[test]
	fn bytes_of_readings_and_aggregates_are_their_scale_encoding(a: [u8; 64], r: [u8; 16]) {
		let aggregate = Aggregate::from_bytes(&a);
		prop_assert_eq!(aggregate.to_bytes(), a);
		prop_assert_eq!(aggregate.encode(), a.to_vec());
		let reading = Reading::from_bytes(&r);
		prop_assert_eq!(reading.to_bytes(), r);
		prop_assert_eq!(reading.encode(), r.to_vec());
	}
}

fn some(count: u64) -> Batch {
	Batch::new(
		&[7; 32],
		(0..count)
			.map(|i| Reading {
				time_ms: 1_000 + 10 * i,
				value: 5,
			})
			.collect(),
	)
	.unwrap()
}

#[test]
fn every_size_up_to_two_hundred_proves_every_reading() {
	for count in 1..200 {
		let batch = some(count);
		for index in 0..count as u32 {
			assert!(batch.open(index).unwrap().verify(&batch.data_root()));
			assert!(batch.audit(index).unwrap().verify(&batch.aggregate_root()));
		}
	}
}

#[test]
fn a_node_presented_as_a_leaf_fails() {
	let batch = some(4);
	let whole = batch.audit(0).unwrap();
	// The two leaves on the left, folded to one node, at the place of leaf 0 of two.
	let left = batch.audit(2).unwrap().path[1].clone();
	let right = whole.path[1].clone();
	let proof = AggregateProof {
		index: 0,
		count: 2,
		leaf: left.hash,
		aggregate: left.aggregate,
		path: vec![right],
	};
	assert!(!proof.verify(&batch.aggregate_root()));
	// A leaf's input is 37 bytes long and tagged: reading it as a node's gives another hash.
	let opened = batch.open(0).unwrap();
	let short = ReadingProof {
		count: 2,
		path: opened.path[1..].to_vec(),
		..opened
	};
	assert!(!short.verify(&batch.data_root()));
}

#[test]
fn impossible_positions_fail() {
	let batch = some(1);
	let proof = batch.open(0).unwrap();
	assert!(proof.verify(&batch.data_root()));
	for (index, count) in [(1, 1), (0, 0), (0, (1 << 32) + 1), (0, u64::MAX), (u32::MAX, 5)] {
		assert!(
			!ReadingProof {
				index,
				count,
				..proof.clone()
			}
			.verify(&batch.data_root())
		);
	}
}

#[test]
fn a_bad_batch_is_refused_by_name() {
	assert_eq!(Batch::new(&[0; 32], vec![]).err(), Some(BatchError::Empty));
	for second in [9, 10] {
		let readings = [3, 10, second]
			.map(|time_ms| Reading { time_ms, value: 0 })
			.to_vec();
		assert_eq!(
			Batch::new(&[0; 32], readings).err(),
			Some(BatchError::TimesNotIncreasing { index: 2 })
		);
	}
}

#[test]
fn aggregates_that_do_not_combine_say_why() {
	let at = |time_ms| Aggregate::of(&Reading { time_ms, value: 1 });
	assert_eq!(at(5).combine(&at(5)), Err(CombineError::TimesNotIncreasing));
	assert_eq!(at(5).combine(&at(4)), Err(CombineError::TimesNotIncreasing));
	assert_eq!(
		Aggregate {
			count: u64::MAX,
			..at(1)
		}
		.combine(&at(2)),
		Err(CombineError::CountOverflow)
	);
	assert_eq!(
		Aggregate {
			sum: i128::MAX,
			..at(1)
		}
		.combine(&at(2)),
		Err(CombineError::SumOverflow)
	);
}

#[test]
fn each_implausible_aggregate_names_its_rule() {
	let good = Aggregate {
		count: 4,
		min: -3,
		max: 9,
		sum: 7,
		t_first: 100,
		t_last: 200,
		max_gap: 50,
	};
	let one = Aggregate::of(&Reading {
		time_ms: 8,
		value: -2,
	});
	assert_eq!(good.check_plausible(), Ok(()));
	assert_eq!(one.check_plausible(), Ok(()));
	let cases = [
		(Aggregate { count: 0, ..good }, Implausible::Count),
		(
			Aggregate {
				count: (1 << 32) + 1,
				..good
			},
			Implausible::Count,
		),
		(Aggregate { min: 10, ..good }, Implausible::Extremes),
		(Aggregate { sum: -13, ..good }, Implausible::Sum),
		(Aggregate { sum: 37, ..good }, Implausible::Sum),
		(Aggregate { t_last: 99, ..good }, Implausible::Span),
		(Aggregate { t_last: 102, ..good }, Implausible::Span),
		(Aggregate { max: -1, ..one }, Implausible::Single),
		(Aggregate { t_last: 9, ..one }, Implausible::Single),
		(Aggregate { max_gap: 1, ..one }, Implausible::Single),
		(Aggregate { max_gap: 33, ..good }, Implausible::Gap),
		(Aggregate { max_gap: 99, ..good }, Implausible::Gap),
	];
	for (aggregate, rule) in cases {
		assert_eq!(aggregate.check_plausible(), Err(rule), "{aggregate:?}");
	}
	for edge in [34, 98] {
		assert_eq!(
			Aggregate {
				max_gap: edge,
				..good
			}
			.check_plausible(),
			Ok(())
		);
	}
}

#[test]
fn salts_and_leaves_differ_by_index() {
	let reading = Reading { time_ms: 1, value: 1 };
	assert_ne!(reading::salt(&[1; 32], 0), reading::salt(&[1; 32], 1));
	assert_ne!(
		reading::leaf_hash(0, &[0; 16], &reading),
		reading::leaf_hash(1, &[0; 16], &reading)
	);
	let batch = some(1);
	assert_eq!(
		batch.aggregate_root(),
		aggregate_root(&batch.top_hash(), batch.aggregate())
	);
}
