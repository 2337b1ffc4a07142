//! The root of a data tree whose leaves arrive one after the other.

use alloc::vec::Vec;
use m2m_merkle::{Hash, data_node};

/// The leaves so far, as the tops of the largest perfect subtrees over them: at most 32 hashes, from left to
/// right, one for each bit set in the number of leaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frontier {
	leaves: u64,
	tops: Vec<Hash>,
}

impl Frontier {
	/// A tree of which the first `leaves` leaves are known only by the `siblings` to the left of the next
	/// leaf's way, bottom up. `None` if that way has another number of them.
	pub(crate) fn after(leaves: u32, siblings: &[Hash]) -> Option<Self> {
		(siblings.len() == leaves.count_ones() as usize).then(|| Self {
			leaves: leaves.into(),
			tops: siblings.iter().rev().copied().collect(),
		})
	}

	/// Empties the tree and keeps its memory.
	pub(crate) fn clear(&mut self) {
		self.leaves = 0;
		self.tops.clear();
	}

	pub(crate) fn append(&mut self, leaf: Hash) {
		let mut node = leaf;
		for _ in 0..self.leaves.trailing_ones() {
			let Some(left) = self.tops.pop() else { break };
			node = data_node(&left, &node);
		}
		self.tops.push(node);
		self.leaves = self.leaves.saturating_add(1);
	}

	/// The root over the leaves so far; `None` while there are none.
	pub(crate) fn root(&self) -> Option<Hash> {
		self.root_with(self.leaves, &[])
	}

	/// The root of a tree of `count` leaves, of which those to come are known by the `siblings` to the right
	/// of the last leaf's way, bottom up. `None` if that way has another number of them, if there is no last
	/// leaf, or if `count` is less than the leaves so far or more than 2^32.
	pub(crate) fn root_with(&self, count: u64, siblings: &[Hash]) -> Option<Hash> {
		let last = self.leaves.checked_sub(1)?;
		if right_siblings(last, count)? != siblings.len() {
			return None;
		}
		let mut siblings = siblings.iter();
		let mut tops = self.tops.iter().rev();
		let mut node = *tops.next()?;
		// Below this level the last leaf's way has left siblings alone, and they are in the top already.
		for level in self.leaves.trailing_zeros()..32 {
			if last >> level & 1 == 1 {
				node = data_node(tops.next()?, &node);
			} else if has_right_sibling(last, level, count) {
				node = data_node(&node, siblings.next()?);
			}
		}
		Some(node)
	}
}

/// Whether the node over leaf `index` at `level` is a left child in a tree of `count` leaves. An odd last
/// node is passed up and has no sibling.
fn has_right_sibling(index: u64, level: u32, count: u64) -> bool {
	let position = index >> level;
	position & 1 == 0 && (position | 1) << level < count
}

/// Number of siblings to the right of the way of leaf `index` in a tree of `count` leaves. `None` if there is
/// no such leaf or the tree would have more than 2^32.
pub(crate) fn right_siblings(index: u64, count: u64) -> Option<usize> {
	if index >= count || count > m2m_merkle::MAX_READINGS {
		return None;
	}
	Some(
		(0..32)
			.filter(|level| has_right_sibling(index, *level, count))
			.count(),
	)
}

/// Splits the path of leaf `index` in a tree of `count` leaves into the siblings to its left and those to its
/// right, both bottom up. `None` if there is no such leaf or the path has another length.
pub(crate) fn split_path(index: u32, count: u64, path: Vec<Hash>) -> Option<(Vec<Hash>, Vec<Hash>)> {
	let index = u64::from(index);
	let right = right_siblings(index, count)?;
	if path.len() != right.checked_add(index.count_ones() as usize)? {
		return None;
	}
	let mut path = path.into_iter();
	let mut sides = (Vec::new(), Vec::new());
	for level in 0..32 {
		if index >> level & 1 == 1 {
			sides.0.extend(path.next());
		} else if has_right_sibling(index, level, count) {
			sides.1.extend(path.next());
		}
	}
	Some(sides)
}
