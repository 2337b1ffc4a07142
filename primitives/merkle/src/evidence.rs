//! Evidence that convicts a signer whose anchor does not say what its own readings say.
//!
//! # Format (SCALE)
//!
//! | field | bytes | meaning |
//! |---|---|---|
//! | `reading.index` | 4 | position of the reading |
//! | `reading.count` | 8 | count by which the data path is read |
//! | `reading.salt` | 16 | salt of the leaf |
//! | `reading.reading` | 16 | time (8), value (8) |
//! | `reading.path` | 1 + 32 each | siblings in the data tree, bottom up |
//! | `leaf` | 32 | leaf hash that the aggregate tree holds at `index` |
//! | `path` | 1 + 160 each | bottom up: aggregate **claimed** for the node on the way (64), sibling's hash (32), sibling's aggregate (64) |
//! | `top` | 64 | aggregate claimed for the whole batch |
//!
//! Nothing in it is recomputed by the accuser: a claimed aggregate is part of its parent's hash input, so the
//! hashes chain up to the committed root even where a claim contradicts the claims below it. With 2^20 readings
//! it takes 3,982 bytes.
//!
//! # What convicts
//!
//! With `n` the count of the anchor, `i` the index:
//! 1. The reading opens under the data root, but on a way on which the tree of `n` leaves has not its leaf `i`:
//!    [`Lie::DataCount`]. `leaf`, `path` and `top` are not looked at.
//! 2. Otherwise the aggregate path must have the sides of (`i`, `n`) and reach the aggregate root. Then each of
//!    these convicts, tried in this order: the committed total counts other than `n` ([`Lie::Count`]); the two trees
//!    hold different leaves at `i` ([`Lie::Leaf`]); the leaf's aggregate is not that of the reading
//!    ([`Lie::LeafAggregate`]); a node's aggregate is not the combination of its children's
//!    ([`Lie::Combination`]).
//!
//! # Why an honest anchor is never convicted
//!
//! An honest anchor commits to `n` readings in two trees of the shape for `n`, and shows `n`. Suppose evidence
//! against it passes the hash checks and no two inputs with one hash are known.
//! *Data tree:* go down from the root along the sides of the evidence. Each step shows a hash input that begins
//! with `0x09`. The honest node has one with the same hash, hence the same input; it is no leaf, since leaves'
//! inputs begin with `0x00`. The last hash has an input with `0x00`, hence is an honest leaf with the same index,
//! salt and reading. So the way is the one of leaf `i` in the tree of `n`: rule 1 does not hold, and the
//! reading is the true one. *Aggregate tree:* the root's input fixes top hash and top aggregate, each node's input
//! fixes both children's hashes and aggregates; going down the sides of (`i`, `n`), all values in the evidence are
//! the honest ones. Honest ones count `n`, share the leaves, and are combined: rule 2 does not hold.
//!
//! # What can be convicted
//!
//! A data tree over `m != n` readings always is, by its last leaf: if `m > n`, its index does not exist in a tree of
//! `n`; if `m < n`, all its siblings are left of it, while leaf `m - 1` of `n` has one to its right. A wrong total
//! is, by a path along which claims and combinations differ: such a path exists in every tree of the right shape whose leaves are the
//! readings but whose total is not theirs.
//!
//! # What cannot
//!
//! The accuser must know the committed nodes on the way. A signer that commits to a hash of nothing, or keeps the
//! aggregate tree to itself, can be shown to be silent, not to be wrong. A leaf in the data tree that no salt and
//! reading open, or that carries another index than its place has, opens nothing: it can neither be sold nor
//! be used as evidence. An aggregate tree of another shape than the count gives (fewer levels, say) has no path
//! of the required length at some or all indices, and this format cannot show the top part of a path alone.
//! And a signer that measures wrongly is honest here: these trees show that an anchor
//! agrees with its readings, not that the readings agree with the world.

use crate::{Aggregate, AggregateSibling, Hash, ReadingProof, aggregate_root, proof::steps, tree};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// One level of the way up the aggregate tree, as committed by the accused.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EvidenceStep {
	/// Aggregate claimed for the node on the way.
	pub aggregate: Aggregate,
	/// Its sibling.
	pub sibling: AggregateSibling,
}

/// One path in each tree of an anchor; the module's page has the format and what it proves.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FalseAnchorEvidence {
	/// A reading of the batch, opened in the data tree.
	pub reading: ReadingProof,
	/// The leaf that the aggregate tree holds at the same index.
	#[cfg_attr(feature = "serde", serde(with = "crate::text::bytes"))]
	pub leaf: Hash,
	/// The way from that leaf to the top of the aggregate tree, at most 32 levels.
	pub path: Vec<EvidenceStep>,
	/// The aggregate committed at the top.
	pub top: Aggregate,
}

/// In what an anchor contradicts its readings.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Lie {
	/// The data tree has not the claimed number of readings.
	DataCount,
	/// The committed total has another count than the anchor shows.
	Count,
	/// The two trees hold different leaves at one index.
	Leaf,
	/// The aggregate of a leaf is not that of its reading.
	LeafAggregate,
	/// The aggregate of a node is not the combination of its children's, or they do not combine.
	Combination {
		/// Number of steps from the leaf, from 1; the last is the claimed total.
		level: u8,
	},
}

/// Why evidence convicts nobody.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum NotFalse {
	/// The reading does not open under the data root.
	ReadingNotInDataTree,
	/// The aggregate path has not the length of index and claimed count, or does not reach the aggregate root.
	PathNotInAggregateTree,
	/// Both paths belong to the anchor, and all they say is true.
	NothingWrong,
}

impl FalseAnchorEvidence {
	/// The lie of which this convicts the signer of an anchor with this data root and count. For an open anchor the
	/// aggregate root is [`aggregate_root`] of its top hash and aggregate. Takes at most 67 hashes.
	///
	/// # Errors
	/// [`NotFalse`]: the evidence is not about this anchor, or shows nothing wrong.
	pub fn convicts(&self, data_root: &Hash, root: &Hash, claimed_count: u64) -> Result<Lie, NotFalse> {
		let index = self.reading.index;
		if !self.reading.verify(data_root) {
			return Err(NotFalse::ReadingNotInDataTree);
		}
		let sides = |count| steps(index, count).map(|steps| steps.map(|step| step.sibling_is_left));
		let Some(claimed) = steps(index, claimed_count) else {
			return Ok(Lie::DataCount);
		};
		if !sides(self.reading.count)
			.into_iter()
			.flatten()
			.eq(sides(claimed_count).into_iter().flatten())
		{
			return Ok(Lie::DataCount);
		}

		let mut claimed = claimed;
		let mut hash = self.leaf;
		let mut combinations = Vec::with_capacity(self.path.len().min(32));
		for level in &self.path {
			let step = claimed.next().ok_or(NotFalse::PathNotInAggregateTree)?;
			let this = (&hash, &level.aggregate);
			let other = (&level.sibling.hash, &level.sibling.aggregate);
			let (left, right) = if step.sibling_is_left {
				(other, this)
			} else {
				(this, other)
			};
			combinations.push(left.1.combine(right.1).ok());
			hash = tree::aggregate_node(left, right);
		}
		if claimed.next().is_some() || aggregate_root(&hash, &self.top) != *root {
			return Err(NotFalse::PathNotInAggregateTree);
		}

		if self.top.count != claimed_count {
			return Ok(Lie::Count);
		}
		if self.leaf != self.reading.leaf_hash() {
			return Ok(Lie::Leaf);
		}
		let mut claims = self
			.path
			.iter()
			.map(|level| &level.aggregate)
			.chain(Some(&self.top));
		if claims.next() != Some(&Aggregate::of(&self.reading.reading)) {
			return Ok(Lie::LeafAggregate);
		}
		for (level, (combined, claim)) in (1u8..).zip(combinations.iter().zip(claims)) {
			if combined.as_ref() != Some(claim) {
				return Ok(Lie::Combination { level });
			}
		}
		Err(NotFalse::NothingWrong)
	}
}
