//! Proofs of single readings and of aggregates.

use crate::{
	Aggregate, CombineError, Hash, MAX_LEAVES, Reading, aggregate::aggregate_node, aggregate_root, data_node,
	leaf_hash,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// Opens one reading in the data tree.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ReadingProof {
	/// Index of the leaf.
	pub index: u32,
	/// Number of leaves of the tree.
	pub count: u64,
	/// Salt of the leaf.
	pub salt: [u8; 16],
	/// The reading.
	pub reading: Reading,
	/// Siblings, lowest first.
	pub path: Vec<Hash>,
}

impl ReadingProof {
	/// Hash of the opened leaf.
	pub fn leaf_hash(&self) -> Hash {
		leaf_hash(self.index, &self.salt, &self.reading)
	}

	/// The root to which the path leads; `None` unless the path has exactly the length that index and count
	/// give.
	pub fn root(&self) -> Option<Hash> {
		climb(self.index, self.count, self.leaf_hash(), &self.path, |node, sibling, side| {
			Some(match side {
				Side::Left => data_node(sibling, &node),
				Side::Right => data_node(&node, sibling),
			})
		})
	}

	/// True if the reading is at its index in the batch with this data root.
	pub fn verify(&self, data_root: &Hash) -> bool {
		self.root().as_ref() == Some(data_root)
	}
}

/// A node of the aggregate tree: its hash and what it claims.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, codec::MaxEncodedLen, TypeInfo,
)]
pub struct AggregateSibling {
	/// Hash of the node.
	pub hash: Hash,
	/// Aggregate of what is below it.
	pub aggregate: Aggregate,
}

/// Opens one leaf in the aggregate tree and with it the total.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct AggregateProof {
	/// Index of the leaf.
	pub index: u32,
	/// Number of leaves of the tree.
	pub count: u64,
	/// Hash of the leaf.
	pub leaf: Hash,
	/// Aggregate of the leaf.
	pub aggregate: Aggregate,
	/// Siblings, lowest first.
	pub path: Vec<AggregateSibling>,
}

impl AggregateProof {
	/// The top node to which the path leads; `None` if the path has the wrong length or two aggregates on it
	/// do not combine.
	pub fn top(&self) -> Option<AggregateSibling> {
		let leaf = AggregateSibling { hash: self.leaf, aggregate: self.aggregate };
		let top = climb(self.index, self.count, leaf, &self.path, |node, sibling, side| match side {
			Side::Left => parent(sibling, &node).ok(),
			Side::Right => parent(&node, sibling).ok(),
		})?;
		(top.aggregate.count == self.count).then_some(top)
	}

	/// True if the leaf is at its index in the batch with this aggregate root, and all aggregates on the path
	/// add up.
	pub fn verify(&self, root: &Hash) -> bool {
		self.top().is_some_and(|top| aggregate_root(&top.hash, &top.aggregate) == *root)
	}
}

/// The honest parent of two nodes.
fn parent(left: &AggregateSibling, right: &AggregateSibling) -> Result<AggregateSibling, CombineError> {
	Ok(AggregateSibling {
		hash: aggregate_node(&left.hash, &right.hash, &left.aggregate, &right.aggregate),
		aggregate: left.aggregate.combine(&right.aggregate)?,
	})
}

/// On which side of the climbing node its sibling stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
	/// The sibling is the left child.
	Left,
	/// The sibling is the right child.
	Right,
}

/// Climbs from a leaf to the root of a tree in the shape of RFC 6962. `None` if the index lies outside, the
/// count is not allowed, `step` gives up, or the path has not exactly the right length.
pub(crate) fn climb<N, S>(
	index: u32,
	count: u64,
	leaf: N,
	path: &[S],
	mut step: impl FnMut(N, &S, Side) -> Option<N>,
) -> Option<N> {
	if count > MAX_LEAVES || u64::from(index) >= count {
		return None;
	}
	let mut siblings = path.iter();
	let mut node = leaf;
	let (mut at, mut width) = (u64::from(index), count);
	while width > 1 {
		let side = if at & 1 == 1 {
			Some(Side::Left)
		} else if at + 1 < width {
			Some(Side::Right)
		} else {
			// The odd last node is lifted unchanged.
			None
		};
		if let Some(side) = side {
			node = step(node, siblings.next()?, side)?;
		}
		at >>= 1;
		width = width.div_ceil(2);
	}
	siblings.next().is_none().then_some(node)
}
