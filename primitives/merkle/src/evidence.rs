//! Evidence that an anchor's aggregate is a lie.
//!
//! An anchor's aggregate is its signer's claim. The data tree and the aggregate tree are both committed, so
//! whoever holds one reading with its paths can show a contradiction:
//!
//! | field | meaning |
//! |---|---|
//! | `reading` | opens the leaf at some index in the data tree |
//! | `leaf` | the node that the aggregate tree holds at the same index |
//! | `steps[k].sibling` | the sibling of the node at level k on the way up |
//! | `steps[k].parent` | the aggregate that the tree **claims** for the parent of the two |
//!
//! Going up, each parent's hash is computed from its children's hashes and *claimed* aggregates, so the chain
//! ends at the committed root whatever the claims say. The signer is convicted if the chain does end there and
//! somewhere on it a claim does not follow from what is below it.
//!
//! **An honest anchor cannot be convicted.** Its root fixes by collision resistance the top hash and aggregate,
//! these fix both children's hashes and aggregates, and so on down to the leaf: on a chain that ends at the
//! committed root every node is the one its owner built. In an honest tree each claim is the combination of its
//! children's, each leaf carries the aggregate of its reading, and the leaf hashes of both trees agree: there is
//! no contradiction to show.
//!
//! **What cannot be shown.** If the aggregate tree was built over another number of leaves than the data tree,
//! the nodes on the way to some index have another shape, and the data tree's own count is not committed by
//! itself. Such an anchor is convicted where the leaf at one index differs between the trees; if the claimed count
//! is smaller than the number of readings and all common leaves agree, the surplus readings simply cannot be
//! opened under the claimed count. A signer that never shows its aggregate tree cannot be convicted by this
//! evidence; who relies on an anchor asks for an audit path first.

use crate::{
	Aggregate, AggregateSibling, Hash, ReadingProof,
	aggregate::aggregate_node,
	aggregate_root,
	proof::{Side, climb},
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// One level of the way up the aggregate tree.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ClaimedStep {
	/// The sibling.
	pub sibling: AggregateSibling,
	/// The aggregate claimed for the parent.
	pub parent: Aggregate,
}

/// One path in each tree of an anchor, over the same leaf.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct FalseAnchorEvidence {
	/// The reading, opened in the data tree.
	pub reading: ReadingProof,
	/// The leaf that the aggregate tree holds at the reading's index.
	pub leaf: AggregateSibling,
	/// The way up the aggregate tree with what it claims, lowest level first.
	pub steps: Vec<ClaimedStep>,
}

/// The lie of which an anchor is convicted.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Lie {
	/// The two trees hold different leaves at the same index.
	LeafDiffers,
	/// A leaf's aggregate is not that of its reading.
	LeafAggregate,
	/// A node's aggregate is not the combination of its children's, or these do not combine at all.
	NodeAggregate,
	/// The whole tree claims another count than the anchor.
	Count,
}

/// Why evidence convicts nobody.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum NotFalse {
	/// The reading does not open under the anchor's data root and count.
	ReadingNotInAnchor,
	/// The way up the aggregate tree does not end at the anchor's aggregate root.
	PathNotInAnchor,
	/// Everything adds up.
	Consistent,
}

impl FalseAnchorEvidence {
	/// Judges the evidence against an anchor: its data root, its aggregate root and its claimed count.
	pub fn convicts(&self, data_root: &Hash, root: &Hash, claimed_count: u64) -> Result<Lie, NotFalse> {
		if self.reading.count != claimed_count || !self.reading.verify(data_root) {
			return Err(NotFalse::ReadingNotInAnchor);
		}

		let mut contradiction = None;
		let top = climb(
			self.reading.index,
			claimed_count,
			self.leaf,
			&self.steps,
			|node: AggregateSibling, step: &ClaimedStep, side| {
				let (left, right) = match side {
					Side::Left => (&step.sibling, &node),
					Side::Right => (&node, &step.sibling),
				};
				if left.aggregate.combine(&right.aggregate) != Ok(step.parent) {
					contradiction = Some(Lie::NodeAggregate);
				}
				Some(AggregateSibling {
					hash: aggregate_node(&left.hash, &right.hash, &left.aggregate, &right.aggregate),
					aggregate: step.parent,
				})
			},
		)
		.ok_or(NotFalse::PathNotInAnchor)?;
		if aggregate_root(&top.hash, &top.aggregate) != *root {
			return Err(NotFalse::PathNotInAnchor);
		}

		if self.leaf.hash != self.reading.leaf_hash() {
			Ok(Lie::LeafDiffers)
		} else if self.leaf.aggregate != Aggregate::of(&self.reading.reading) {
			Ok(Lie::LeafAggregate)
		} else if let Some(lie) = contradiction {
			Ok(lie)
		} else if top.aggregate.count != claimed_count {
			Ok(Lie::Count)
		} else {
			Err(NotFalse::Consistent)
		}
	}
}
