//! What is sold: consecutive leaves of one stream, over one or more anchors.

use crate::frontier::Frontier;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_merkle::MAX_READINGS;
use scale_info::TypeInfo;
use sp_core::H256;
use sp_crypto_hashing::blake2_256;

/// Where a leaf is anchored.
#[derive(
	Clone,
	Copy,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Debug,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub struct Place {
	/// Sequence number of the anchor.
	pub seq: u64,
	/// Position of the leaf in that anchor's batch, from 0.
	pub index: u32,
}

/// The leaves from `first` to `last`, both included: of the anchors in between, all.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct SaleRange {
	/// The stream's number within its device.
	pub stream: u32,
	/// Place of the first leaf.
	pub first: Place,
	/// Place of the last leaf.
	pub last: Place,
}

/// What a sale needs to know of an anchor. The buyer takes it from the chain: from the stream's newest
/// anchors in state, or from a mountain-range proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct SoldAnchor {
	/// Sequence number.
	pub seq: u64,
	/// Number of readings in the batch.
	pub count: u64,
	/// Root of its data tree.
	pub data_root: H256,
}

/// Why anchors do not carry a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RangeFault {
	/// There are no anchors.
	NoAnchors,
	/// The sequence number is not above the one before it.
	AnchorsOutOfOrder {
		/// Sequence number of the later of the two.
		seq: u64,
	},
	/// The anchor has no readings, or more than a batch can have.
	ImpossibleCount {
		/// Sequence number of the anchor.
		seq: u64,
	},
	/// The first anchor is not the one in which the range begins.
	FirstAnchorMissing,
	/// The last anchor is not the one in which the range ends.
	LastAnchorMissing,
	/// The first or last leaf does not exist.
	NoSuchLeaf {
		/// The place where there is none.
		place: Place,
	},
	/// The last leaf comes before the first.
	Backwards,
	/// The range has 2^32 leaves or more.
	TooLong,
}

/// A range together with the anchors that carry it, checked against each other.
#[derive(Clone, Copy, Debug)]
pub struct SoldAnchors<'a> {
	range: SaleRange,
	anchors: &'a [SoldAnchor],
	leaves: u32,
}

impl<'a> SoldAnchors<'a> {
	/// Lays `range` over `anchors`: all anchors of its stream from the first to the last sequence number, in
	/// order. Numbers that were never used may be missing; whether any other is missing only the chain can
	/// tell.
	///
	/// # Errors
	/// [`RangeFault`]: the first thing that does not fit. Looks at each anchor once.
	pub fn new(range: &SaleRange, anchors: &'a [SoldAnchor]) -> Result<Self, RangeFault> {
		let (Some(first), Some(last)) = (anchors.first(), anchors.last()) else {
			return Err(RangeFault::NoAnchors);
		};
		let mut leaves = 0u64;
		let mut before = None;
		for SoldAnchor { seq, count, .. } in anchors.iter().copied() {
			if before.is_some_and(|before| seq <= before) {
				return Err(RangeFault::AnchorsOutOfOrder { seq });
			}
			if !(1..=MAX_READINGS).contains(&count) {
				return Err(RangeFault::ImpossibleCount { seq });
			}
			before = Some(seq);
			leaves = leaves.saturating_add(count);
		}
		if first.seq != range.first.seq {
			return Err(RangeFault::FirstAnchorMissing);
		}
		if last.seq != range.last.seq {
			return Err(RangeFault::LastAnchorMissing);
		}
		for (place, count) in [(range.first, first.count), (range.last, last.count)] {
			if u64::from(place.index) >= count {
				return Err(RangeFault::NoSuchLeaf { place });
			}
		}
		if range.last < range.first {
			return Err(RangeFault::Backwards);
		}
		let outside = last
			.count
			.saturating_sub(range.last.index.into())
			.saturating_sub(1)
			.saturating_add(range.first.index.into());
		let leaves = u32::try_from(leaves.saturating_sub(outside)).map_err(|_| RangeFault::TooLong)?;
		Ok(Self {
			range: *range,
			anchors,
			leaves,
		})
	}

	/// Number of leaves, at least 1: the `n` of the terms.
	#[allow(clippy::len_without_is_empty, reason = "a range is never empty")]
	pub fn len(&self) -> u32 {
		self.leaves
	}

	/// The range commitment of the terms: root of a data tree over `H(0x10 || le64(seq) || le64(count) ||
	/// data root)` of each anchor.
	pub fn commitment(&self) -> H256 {
		let mut tree = Frontier::default();
		for anchor in self.anchors {
			let mut input = [0x10; 49];
			input[1..9].copy_from_slice(&anchor.seq.to_le_bytes());
			input[9..17].copy_from_slice(&anchor.count.to_le_bytes());
			input[17..].copy_from_slice(anchor.data_root.as_bytes());
			tree.append(blake2_256(&input));
		}
		// There is an anchor, so there is a root.
		H256(tree.root().unwrap_or_default())
	}

	/// Where each leaf is anchored, in order of position.
	pub fn places(&self) -> impl Iterator<Item = Place> + use<'a> {
		self.spots().map(|spot| spot.place)
	}

	pub(crate) fn spots(&self) -> Spots<'a> {
		Spots {
			anchors: self.anchors,
			last: self.range.last.index,
			index: self.range.first.index,
			position: 0,
		}
	}
}

/// One leaf of the range.
pub(crate) struct Spot<'a> {
	pub(crate) position: u32,
	pub(crate) place: Place,
	pub(crate) anchor: &'a SoldAnchor,
	/// The range has no further leaf in this anchor.
	pub(crate) ends_anchor: bool,
	/// The range has no further leaf.
	pub(crate) ends_range: bool,
}

/// Runs through the leaves of the range.
#[derive(Clone, Debug)]
pub(crate) struct Spots<'a> {
	/// The anchors that still have leaves to come.
	anchors: &'a [SoldAnchor],
	/// Index of the range's last leaf.
	last: u32,
	/// Index of the next leaf.
	index: u32,
	/// Position of the next leaf.
	position: u32,
}

impl Spots<'_> {
	/// Fails with the number of leaves given out so far if there are more to come.
	pub(crate) fn complete(&self) -> Result<(), u32> {
		if self.anchors.is_empty() {
			Ok(())
		} else {
			Err(self.position)
		}
	}
}

impl<'a> Iterator for Spots<'a> {
	type Item = Spot<'a>;

	fn next(&mut self) -> Option<Spot<'a>> {
		let (anchor, others) = self.anchors.split_first()?;
		let (index, position) = (self.index, self.position);
		let ends_anchor = match others {
			[] => index >= self.last,
			_ => u64::from(index).saturating_add(1) >= anchor.count,
		};
		if ends_anchor {
			self.anchors = others;
			self.index = 0;
		} else {
			self.index = index.saturating_add(1);
		}
		self.position = position.saturating_add(1);
		Some(Spot {
			position,
			place: Place {
				seq: anchor.seq,
				index,
			},
			anchor,
			ends_anchor,
			ends_range: self.anchors.is_empty(),
		})
	}
}
