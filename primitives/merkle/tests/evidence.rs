//! Every kind of lie is convicted; no honest anchor ever is.

use codec::{Decode, Encode};
use m2m_merkle::{
	Aggregate, AggregateSibling, Batch, EvidenceStep, FalseAnchorEvidence, Hash, Lie, NotFalse, Reading,
	ReadingProof, aggregate_root,
};
use proptest::prelude::*;
use sp_crypto_hashing::blake2_256;

fn readings(count: u64) -> Vec<Reading> {
	(0..count)
		.map(|i| Reading {
			time_ms: 1_000 + i * 60,
			value: (i as i64 * 37) % 101 - 40,
		})
		.collect()
}

fn honest(count: u64) -> Batch {
	Batch::new(&[3; 32], readings(count)).unwrap()
}

fn node(left: &(Hash, Aggregate), right: &(Hash, Aggregate)) -> Hash {
	blake2_256(
		&[
			&[1][..],
			&left.0,
			&right.0,
			&left.1.to_bytes(),
			&right.1.to_bytes(),
		]
		.concat(),
	)
}

/// A signer's own aggregate tree of four leaves, with whatever it likes to claim.
fn lying(
	leaves: [(Hash, Aggregate); 4],
	twist: impl Fn(usize, Aggregate) -> Aggregate,
) -> (Hash, Vec<EvidenceStep>, Aggregate) {
	let both = |l: &(Hash, Aggregate), r: &(Hash, Aggregate)| {
		l.1.combine(&r.1).unwrap_or(Aggregate {
			count: l.1.count + r.1.count,
			..l.1
		})
	};
	let left = (
		node(&leaves[0], &leaves[1]),
		twist(1, both(&leaves[0], &leaves[1])),
	);
	let right = (node(&leaves[2], &leaves[3]), both(&leaves[2], &leaves[3]));
	let top = twist(2, both(&left, &right));
	let step = |at: &(Hash, Aggregate), sibling: &(Hash, Aggregate)| EvidenceStep {
		aggregate: at.1,
		sibling: AggregateSibling {
			hash: sibling.0,
			aggregate: sibling.1,
		},
	};
	let path = vec![step(&leaves[0], &leaves[1]), step(&left, &right)];
	(aggregate_root(&node(&left, &right), &top), path, top)
}

fn leaves(batch: &Batch) -> [(Hash, Aggregate); 4] {
	[0, 1, 2, 3].map(|index| {
		let audit = batch.audit(index).unwrap();
		(audit.leaf, audit.aggregate)
	})
}

fn judge(batch: &Batch, leaf: Hash, tree: (Hash, Vec<EvidenceStep>, Aggregate)) -> Result<Lie, NotFalse> {
	let evidence = FalseAnchorEvidence {
		reading: batch.open(0).unwrap(),
		leaf,
		path: tree.1,
		top: tree.2,
	};
	let evidence = FalseAnchorEvidence::decode(&mut &evidence.encode()[..]).unwrap();
	evidence.convicts(&batch.data_root(), &tree.0, 4)
}

#[test]
fn the_tree_of_an_honest_signer_shows_nothing_wrong() {
	let batch = honest(4);
	let tree = lying(leaves(&batch), |_, claim| claim);
	assert_eq!(tree.0, batch.aggregate_root());
	assert_eq!(
		judge(&batch, leaves(&batch)[0].0, tree),
		Err(NotFalse::NothingWrong)
	);
}

#[test]
fn a_wrong_total_over_an_honest_tree_is_convicted_from_any_leaf() {
	for count in [1, 2, 3, 5, 8, 33] {
		let batch = honest(count);
		let claimed = Aggregate {
			sum: batch.aggregate().sum + 1,
			..*batch.aggregate()
		};
		let root = aggregate_root(&batch.top_hash(), &claimed);
		for index in 0..count as u32 {
			let evidence = batch.evidence(index, claimed).unwrap();
			let level = evidence.path.len() as u8;
			let lie = if count == 1 {
				Lie::LeafAggregate
			} else {
				Lie::Combination { level }
			};
			assert_eq!(evidence.convicts(&batch.data_root(), &root, count), Ok(lie));
		}
		assert_eq!(batch.evidence(count as u32, claimed), None);
	}
}

#[test]
fn each_field_of_a_false_total_is_convicted() {
	let batch = honest(6);
	let true_one = *batch.aggregate();
	for field in 0..64 {
		let mut bytes = true_one.to_bytes();
		bytes[field] ^= 1;
		let claimed = Aggregate::from_bytes(&bytes);
		let root = aggregate_root(&batch.top_hash(), &claimed);
		let evidence = batch.evidence(4, claimed).unwrap();
		// The anchor shows the true count.
		let lie = if field < 8 {
			Lie::Count
		} else {
			Lie::Combination { level: 2 }
		};
		assert_eq!(evidence.convicts(&batch.data_root(), &root, 6), Ok(lie));
	}
}

#[test]
fn a_wrong_node_inside_the_tree_is_convicted() {
	let batch = honest(4);
	let tree = lying(leaves(&batch), |level, claim| match level {
		1 => Aggregate {
			max: claim.max + 1,
			..claim
		},
		_ => claim,
	});
	assert_eq!(
		judge(&batch, leaves(&batch)[0].0, tree),
		Ok(Lie::Combination { level: 1 })
	);
}

#[test]
fn a_leaf_aggregate_other_than_its_reading_is_convicted() {
	let batch = honest(4);
	let mut leaves = leaves(&batch);
	leaves[0].1 = Aggregate::of(&Reading {
		time_ms: leaves[0].1.t_first,
		value: 999,
	});
	assert_eq!(
		judge(&batch, leaves[0].0, lying(leaves, |_, claim| claim)),
		Ok(Lie::LeafAggregate)
	);
}

#[test]
fn trees_over_different_leaves_are_convicted() {
	let batch = honest(4);
	let mut leaves = leaves(&batch);
	leaves[0].0 = [0xaa; 32];
	assert_eq!(
		judge(&batch, leaves[0].0, lying(leaves, |_, claim| claim)),
		Ok(Lie::Leaf)
	);
}

#[test]
fn neighbours_that_cannot_combine_are_convicted() {
	let batch = honest(4);
	let mut leaves = leaves(&batch);
	leaves[1].1 = leaves[0].1;
	assert_eq!(
		judge(&batch, leaves[0].0, lying(leaves, |_, claim| claim)),
		Ok(Lie::Combination { level: 1 })
	);
}

#[test]
fn a_data_tree_of_another_size_is_convicted_by_its_last_leaf() {
	for real in 1..40 {
		let batch = honest(real);
		let evidence = batch.evidence(real as u32 - 1, *batch.aggregate()).unwrap();
		for claimed in (1..70)
			.chain([1 << 20, 1 << 32])
			.filter(|claimed| *claimed != real)
		{
			assert_eq!(
				evidence.convicts(&batch.data_root(), &[0; 32], claimed),
				Ok(Lie::DataCount)
			);
		}
	}
}

#[test]
fn evidence_about_something_else_convicts_nobody() {
	let batch = honest(5);
	let evidence = batch.evidence(2, *batch.aggregate()).unwrap();
	let (data_root, root) = (batch.data_root(), batch.aggregate_root());
	assert_eq!(
		evidence.convicts(&data_root, &root, 5),
		Err(NotFalse::NothingWrong)
	);
	assert_eq!(
		evidence.convicts(&root, &root, 5),
		Err(NotFalse::ReadingNotInDataTree)
	);
	assert_eq!(
		evidence.convicts(&data_root, &data_root, 5),
		Err(NotFalse::PathNotInAggregateTree)
	);
	for length in [0, 2, 4] {
		let mut other = evidence.clone();
		other.path.resize(length, evidence.path[0].clone());
		assert_eq!(
			other.convicts(&data_root, &root, 5),
			Err(NotFalse::PathNotInAggregateTree)
		);
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(20_000))]

	#[test]
	fn no_mutation_of_evidence_convicts_an_honest_anchor(
		count in 1u64..40, pick: prop::sample::Index, other: prop::sample::Index, kind in 0u8..6,
		flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4), number: u64, field: [u8; 64],
	) {
		let batch = honest(count);
		let index = pick.index(count as usize) as u32;
		let mut evidence = batch.evidence(index, *batch.aggregate()).unwrap();
		let elsewhere = batch.evidence(other.index(count as usize) as u32, *batch.aggregate()).unwrap();
		match kind {
			0 => {
				let mut bytes = evidence.encode();
				for (at, flip) in &flips {
					let at = at.index(bytes.len());
					bytes[at] ^= flip;
				}
				match FalseAnchorEvidence::decode(&mut &bytes[..]) {
					Ok(mutated) => evidence = mutated,
					Err(_) => return Ok(()),
				}
			},
			1 => evidence.path = elsewhere.path,
			2 => evidence.reading = elsewhere.reading,
			3 => evidence.reading = ReadingProof { count: number % 80, ..evidence.reading },
			4 => evidence.top = Aggregate::from_bytes(&field),
			_ => match evidence.path.first_mut() {
				Some(step) => step.aggregate = Aggregate::from_bytes(&field),
				None => evidence.leaf = field[..32].try_into().unwrap(),
			},
		}
		prop_assert!(evidence.convicts(&batch.data_root(), &batch.aggregate_root(), count).is_err());
	}
}
