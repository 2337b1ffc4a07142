//! Proofs of single readings and of totals.

use crate::{Aggregate, Hash, MAX_READINGS, Reading, aggregate_root, reading, tree};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// One step of the way from a leaf to the top: the sibling's side and the number of leaves below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
	pub(crate) sibling_is_left: bool,
	pub(crate) sibling_width: u64,
}

/// The steps from leaf `index` to the top of a tree of `count` leaves, bottom up; `None` if there is no such
/// leaf or the tree would be too large.
///
/// Pairing neighbours level by level and passing an odd last node up unchanged gives the shape of RFC 6962.
pub(crate) fn steps(index: u32, count: u64) -> Option<impl Iterator<Item = Step>> {
	let index = u64::from(index);
	if index >= count || count > MAX_READINGS {
		return None;
	}
	Some((0u32..32).filter_map(move |level| {
		let position = index >> level;
		let first = (position ^ 1) << level;
		let sibling_is_left = position & 1 == 1;
		// A sibling that would begin behind the last leaf does not exist: the node is passed up.
		(first < count).then(|| Step {
			sibling_is_left,
			sibling_width: (count - first).min(1 << level),
		})
	}))
}

/// The root of the data tree of `count` leaves in which `leaf` is at `index` and has these siblings, bottom up. `None`
/// if there is no such place, or if it demands a path of another length.
///
/// The root does not commit to the count, and some counts give one leaf the same sides: take the count and the root
/// from the same place.
pub fn path_root<'a>(
	leaf: &Hash,
	index: u32,
	count: u64,
	path: impl IntoIterator<Item = &'a Hash>,
) -> Option<Hash> {
	let mut steps = steps(index, count)?;
	let mut hash = *leaf;
	for sibling in path {
		hash = match steps.next()?.sibling_is_left {
			true => tree::data_node(sibling, &hash),
			false => tree::data_node(&hash, sibling),
		};
	}
	steps.next().is_none().then_some(hash)
}

/// Whether [`path_root`] gives this root.
pub fn verify_path(leaf: &Hash, index: u32, count: u64, path: &[Hash], root: &Hash) -> bool {
	path_root(leaf, index, count, path).is_some_and(|found| found == *root)
}

/// Opens one reading of a batch. With 2^20 readings it takes 685 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReadingProof {
	/// Position of the reading in the batch, from 0.
	pub index: u32,
	/// Number of readings in the batch, 1 to 2^32.
	pub count: u64,
	/// The salt of the leaf.
	#[cfg_attr(feature = "serde", serde(with = "crate::text::bytes"))]
	pub salt: [u8; 16],
	/// The reading.
	pub reading: Reading,
	/// Siblings from the leaf to the top of the data tree, at most 32.
	#[cfg_attr(feature = "serde", serde(with = "crate::text::list"))]
	pub path: Vec<Hash>,
}

impl ReadingProof {
	/// The leaf of the proven reading.
	pub fn leaf_hash(&self) -> Hash {
		reading::leaf_hash(self.index, &self.salt, &self.reading)
	}

	/// Whether the reading is at `index` of the batch with this data root. The path must have exactly the length and
	/// the sides of (`index`, `count`).
	///
	/// A data root does not commit to the count, and some counts give one leaf the same sides. Whoever relies on
	/// the count compares it with the anchor's: [`Self::verify_counted`].
	pub fn verify(&self, data_root: &Hash) -> bool {
		verify_path(&self.leaf_hash(), self.index, self.count, &self.path, data_root)
	}

	/// As [`Self::verify`], and the count must be the one that the anchor carries.
	pub fn verify_counted(&self, data_root: &Hash, anchored_count: u64) -> bool {
		self.count == anchored_count && self.verify(data_root)
	}
}

/// A sibling on a path of the aggregate tree.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AggregateSibling {
	/// Hash of the sibling.
	#[cfg_attr(feature = "serde", serde(with = "crate::text::bytes"))]
	pub hash: Hash,
	/// Aggregate of the sibling.
	pub aggregate: Aggregate,
}

/// Proves the total of a batch by one leaf and the way up. It shows the aggregates of the neighbours: for audits
/// and disputes, not for sales. With 2^20 readings it takes 2,029 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AggregateProof {
	/// Position of the leaf in the batch, from 0.
	pub index: u32,
	/// Number of readings in the batch, 1 to 2^32.
	pub count: u64,
	/// Hash of the leaf.
	#[cfg_attr(feature = "serde", serde(with = "crate::text::bytes"))]
	pub leaf: Hash,
	/// Aggregate of the leaf.
	pub aggregate: Aggregate,
	/// Siblings from the leaf to the top, at most 32.
	pub path: Vec<AggregateSibling>,
}

impl AggregateProof {
	/// The top hash and top aggregate that follow from the leaf and the path. `None` if the path has not exactly the
	/// length of (`index`, `count`), if the leaf is no single reading, if a sibling's count is not the number of
	/// leaves below it, or if two neighbours do not combine.
	pub fn top(&self) -> Option<(Hash, Aggregate)> {
		let mut steps = steps(self.index, self.count)?;
		if self.aggregate.count != 1 || self.aggregate.check_plausible().is_err() {
			return None;
		}
		let mut hash = self.leaf;
		let mut aggregate = self.aggregate;
		for sibling in &self.path {
			let step = steps.next()?;
			if sibling.aggregate.count != step.sibling_width {
				return None;
			}
			let this = (&hash, &aggregate);
			let other = (&sibling.hash, &sibling.aggregate);
			let (left, right) = if step.sibling_is_left {
				(other, this)
			} else {
				(this, other)
			};
			(hash, aggregate) = (tree::aggregate_node(left, right), left.1.combine(right.1).ok()?);
		}
		steps.next().is_none().then_some((hash, aggregate))
	}

	/// Whether [`Self::top`] gives this aggregate root.
	pub fn verify(&self, root: &Hash) -> bool {
		self.top()
			.is_some_and(|(hash, aggregate)| aggregate_root(&hash, &aggregate) == *root)
	}
}
