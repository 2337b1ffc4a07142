//! Data trees over leaves of any kind against a recursive reading of RFC 6962, and against tampering.

use m2m_merkle::{DataTree, Hash, path_root, verify_path};
use proptest::prelude::*;
use sp_crypto_hashing::blake2_256;

/// How many leaves the left subtree of more than one leaf has.
fn split(leaves: usize) -> usize {
	leaves.next_power_of_two() / 2
}

fn root(leaves: &[Hash]) -> Hash {
	if let [only] = leaves {
		return *only;
	}
	let (left, right) = leaves.split_at(split(leaves.len()));
	blake2_256(&[&[9][..], &root(left), &root(right)].concat())
}

fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
	if leaves.len() == 1 {
		return Vec::new();
	}
	let (left, right) = leaves.split_at(split(leaves.len()));
	let (mut below, sibling) = if index < left.len() {
		(path(left, index), right)
	} else {
		(path(right, index - left.len()), left)
	};
	below.push(root(sibling));
	below
}

#[test]
fn there_is_no_tree_without_leaves() {
	assert!(DataTree::new(Vec::new()).is_none());
	assert!(!verify_path(&[0; 32], 0, 0, &[], &[0; 32]));
}

#[test]
fn a_single_leaf_is_its_own_root() {
	let tree = DataTree::new(vec![[7; 32]]).unwrap();
	assert_eq!(tree.root(), [7; 32]);
	assert_eq!(tree.open(0), Some(Vec::new()));
	assert_eq!(tree.open(1), None);
	assert!(verify_path(&[7; 32], 0, 1, &[], &[7; 32]));
}

#[test]
fn the_longest_path_has_32_siblings() {
	let longest = [[0; 32]; 33];
	assert!(path_root(&[1; 32], 0, 1 << 32, &longest[..32]).is_some());
	assert!(path_root(&[1; 32], u32::MAX, 1 << 32, &longest[..32]).is_some());
	assert_eq!(path_root(&[1; 32], 0, 1 << 32, &longest), None);
	assert_eq!(path_root(&[1; 32], 0, 1 << 32, &longest[..31]), None);
	assert_eq!(path_root(&[1; 32], 0, (1 << 32) + 1, &longest), None);
	// The last leaf of one more than a power of two hangs right below the root.
	assert!(path_root(&[1; 32], 1 << 31, (1 << 31) + 1, &longest[..1]).is_some());
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(10_000))]

	#[test]
	fn roots_and_paths_are_those_of_the_recursive_reference(
		leaves in prop::collection::vec(any::<Hash>(), 1..70), pick: prop::sample::Index,
	) {
		let tree = DataTree::new(leaves.clone()).unwrap();
		prop_assert_eq!(tree.root(), root(&leaves));
		prop_assert_eq!(tree.leaves(), &leaves[..]);
		let index = pick.index(leaves.len());
		let found = tree.open(index as u32).unwrap();
		prop_assert_eq!(&found, &path(&leaves, index));
		prop_assert!(verify_path(&leaves[index], index as u32, leaves.len() as u64, &found, &tree.root()));
		prop_assert_eq!(tree.open(leaves.len() as u32), None);
	}

	#[test]
	fn an_altered_path_leads_elsewhere(
		leaves in prop::collection::vec(any::<Hash>(), 2..70), pick: prop::sample::Index,
		at: prop::sample::Index, flip in 1u8.., byte in 0usize..32, keep: prop::sample::Index,
	) {
		let tree = DataTree::new(leaves.clone()).unwrap();
		let (index, count) = (pick.index(leaves.len()), leaves.len() as u64);
		let path = tree.open(index as u32).unwrap();
		let leads_to_root = |path: &[Hash]| verify_path(&leaves[index], index as u32, count, path, &tree.root());
		let mut altered = path.clone();
		altered[at.index(path.len())][byte] ^= flip;
		prop_assert!(!leads_to_root(&altered));
		prop_assert!(!leads_to_root(&path[..keep.index(path.len())]));
		altered = path.clone();
		altered.push([0; 32]);
		prop_assert!(!leads_to_root(&altered));
	}
}
