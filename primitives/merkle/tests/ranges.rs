//! The mountain range against the one of the SDK, and against tampering.

use m2m_merkle::{Hash, Range, range};
use mmr_lib::{MMR, Merge, MerkleProof, leaf_index_to_mmr_size, leaf_index_to_pos, util::MemStore};
use proptest::prelude::*;

#[derive(Debug)]
struct Hashing;

impl Merge for Hashing {
	type Item = Hash;

	fn merge(left: &Hash, right: &Hash) -> mmr_lib::Result<Hash> {
		Ok(range::node_hash(left, right))
	}

	// The SDK's crate passes the accumulated right side first.
	fn merge_peaks(right: &Hash, left: &Hash) -> mmr_lib::Result<Hash> {
		Ok(range::bag_hash(left, right))
	}
}

fn leaves() -> impl Strategy<Value = Vec<Hash>> {
	(1u64..90, any::<u64>()).prop_map(|(count, seed)| {
		(0..count)
			.map(|seq| range::leaf_hash(&[1; 32], 2, seq, &seed.to_le_bytes()))
			.collect()
	})
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(10_000))]

	#[test]
	fn roots_and_proofs_are_those_of_the_sdk(leaves in leaves(), pick: prop::sample::Index) {
		let count = leaves.len() as u64;
		let position = pick.index(leaves.len()) as u64;
		let store = MemStore::default();
		let mut mmr = MMR::<Hash, Hashing, _>::new(0, &store);
		for leaf in &leaves {
			mmr.push(*leaf).unwrap();
		}
		let root = mmr.get_root().unwrap();
		let range: Range = leaves.iter().copied().collect();
		prop_assert_eq!(range.root(), Some(root));
		prop_assert_eq!(range.peaks.len(), count.count_ones() as usize);

		// The SDK's crate has the same hashes in another order: left peaks from the left, siblings, right.
		let theirs = mmr.gen_proof(vec![leaf_index_to_pos(position)]).unwrap();
		let mut path = range::prove(&leaves, position).unwrap();
		prop_assert!(range::verify(&root, &leaves[position as usize], position, count, &path));
		let height = (position ^ count).ilog2();
		let lefts = (count >> height >> 1).count_ones() as usize;
		let mut left = path.split_off(path.len() - lefts);
		left.reverse();
		left.extend(path);
		prop_assert_eq!(theirs.proof_items(), &left[..]);
		let rebuilt = MerkleProof::<Hash, Hashing>::new(leaf_index_to_mmr_size(count - 1), left);
		let checked = rebuilt.verify(root, vec![(leaf_index_to_pos(position), leaves[position as usize])]);
		prop_assert_eq!(checked, Ok(true));
	}

	#[test]
	fn altered_proofs_fail(
		leaves in leaves(), pick: prop::sample::Index, at: prop::sample::Index, byte in 0usize..32, flip in 1u8..,
		other: u64,
	) {
		let count = leaves.len() as u64;
		let position = pick.index(leaves.len()) as u64;
		let leaf = leaves[position as usize];
		let root = leaves.iter().copied().collect::<Range>().root().unwrap();
		let path = range::prove(&leaves, position).unwrap();
		let mut wrong = leaf;
		wrong[byte] ^= flip;
		prop_assert!(!range::verify(&root, &wrong, position, count, &path));
		for elsewhere in (0..count + 2).chain([other]).filter(|elsewhere| *elsewhere != position) {
			prop_assert!(!range::verify(&root, &leaf, elsewhere, count, &path));
		}
		prop_assert!(!range::verify(&root, &leaf, position, 0, &path));
		let mut long = path.clone();
		long.push(root);
		prop_assert!(!range::verify(&root, &leaf, position, count, &long));
		if !path.is_empty() {
			let mut altered = path.clone();
			altered[at.index(path.len())][byte] ^= flip;
			prop_assert!(!range::verify(&root, &leaf, position, count, &altered));
			for keep in 0..path.len() {
				prop_assert!(!range::verify(&root, &leaf, position, count, &path[..keep]));
			}
			prop_assert!(!range::verify(&root, &leaf, position, count, &[&path[..], &path[..]].concat()));
			// The leaf's parent is no leaf.
			if (position ^ count).ilog2() > 0 {
				let parent = match position & 1 {
					0 => range::node_hash(&leaf, &path[0]),
					_ => range::node_hash(&path[0], &leaf),
				};
				prop_assert!(!range::verify(&root, &parent, position, count, &path[1..]));
				prop_assert!(!range::verify(&root, &parent, position / 2, count, &path[1..]));
			}
		}
		prop_assert_eq!(range::prove(&leaves, count), None);
	}

	#[test]
	fn hostile_input_never_panics(
		root: Hash, leaf: Hash, position: u64, leaves: u64, path in prop::collection::vec(any::<Hash>(), 0..130),
	) {
		prop_assert!(!range::verify(&root, &leaf, position, leaves, &path));
		prop_assert!(!range::verify(&root, &leaf, position, u64::MAX, &path));
		let mut hostile = Range { leaves, peaks: path };
		hostile.append(leaf);
		prop_assert!(hostile.root().is_some());
	}
}

#[test]
fn an_anchor_stays_provable_while_the_range_grows() {
	let leaves: Vec<Hash> = (0..300u64)
		.map(|seq| range::leaf_hash(&[9; 32], 0, seq, b"anchor"))
		.collect();
	let mut range = Range::default();
	for (count, leaf) in (1u64..).zip(&leaves) {
		assert_eq!(range.append(*leaf), count - 1);
		let known = &leaves[..count as usize];
		for position in [0, count / 3, count - 1] {
			let path = range::prove(known, position).unwrap();
			assert!(range::verify(
				&range.root().unwrap(),
				&known[position as usize],
				position,
				count,
				&path
			));
		}
	}
}

#[test]
fn an_empty_range_has_no_root_and_no_proofs() {
	assert_eq!(Range::default().root(), None);
	assert_eq!(range::prove(&[], 0), None);
}
