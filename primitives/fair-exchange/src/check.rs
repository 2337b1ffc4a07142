//! The buyer's part: what is checked before paying, and what opens afterwards.

use crate::{
	Blind, BlindedKey, Place, RangeFault, SaleRange, SaleTerms, SealedLeaf, SealingKey, SoldAnchor,
	SoldAnchors,
	frontier::{Frontier, right_siblings, split_path},
	range::{Spot, Spots},
};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use m2m_merkle::{DataTree, Hash, Reading};
use sp_core::H256;

/// Joins the leaves of a range to the data roots of its anchors. Only the first and the last anchor can have
/// leaves outside the range, so two short lists do for a sale over any number of anchors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Edges {
	/// Siblings to the left of the first leaf's way in its anchor's data tree, bottom up; at most 32.
	pub before: Vec<Hash>,
	/// Siblings to the right of the last leaf's way in its anchor's data tree, bottom up; at most 32.
	pub after: Vec<Hash>,
}

impl Edges {
	/// Takes them from the data trees of the anchors in which the range begins and ends. `None` if they have
	/// no such leaves.
	pub fn new(range: &SaleRange, first: &DataTree, last: &DataTree) -> Option<Self> {
		let split = |place: Place, tree: &DataTree| {
			split_path(place.index, tree.leaves().len() as u64, tree.open(place.index)?)
		};
		Some(Self {
			before: split(range.first, first)?.0,
			after: split(range.last, last)?.1,
		})
	}
}

/// Why a delivery is not what its terms say. Nothing has been paid yet: do not buy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeliveryFault {
	/// The anchors on chain do not carry the range of the terms.
	Range(RangeFault),
	/// The terms count other leaves than the range has.
	LeafCount {
		/// How many it has.
		leaves: u32,
	},
	/// The terms commit to other anchors than those on chain.
	RangeCommitment,
	/// The terms commit to another blind than the buyer's.
	Blind,
	/// The lists of [`Edges`] have not the lengths that the ends of the range demand.
	EdgesLength,
	/// The leaf hashes are not those under the data root: one is wrong, missing, too many or out of order.
	NotAnchored {
		/// Sequence number of the anchor.
		seq: u64,
	},
	/// There are more leaves than the range has.
	TooManyLeaves,
	/// Leaves are missing.
	Incomplete {
		/// How many there were.
		leaves: u32,
	},
	/// The leaves are those of the range, but the terms sign another sale root.
	SaleRoot,
	/// The range has no leaf at the position asked for.
	NoSuchPosition,
}

/// The buyer's checks before paying: each leaf hash is anchored, the leaves are exactly the range, and the
/// sale root is over exactly these leaf hashes and ciphertexts. Takes the leaves one after the other and
/// needs less than 4 kB of memory besides the anchors.
///
/// The caller has checked the signature ([`crate::SignedTerms::verify`]), that the terms are those it asked
/// for (device, range, buyer, price, windows, listing), and has taken the anchors from finalized state.
#[derive(Clone, Debug)]
pub struct Checker<'a> {
	spots: Spots<'a>,
	sale_root: H256,
	sale: Frontier,
	/// The data tree of the anchor under way.
	anchor: Frontier,
	after: &'a [Hash],
	failed: Option<DeliveryFault>,
}

impl<'a> Checker<'a> {
	/// Checks all that can be checked without the leaves. `blind` is the buyer's own, `anchors` are those
	/// that the chain has for the stream, from the first to the last sequence number of the range.
	///
	/// # Errors
	/// [`DeliveryFault`]: the first thing that is wrong.
	pub fn new(
		terms: &SaleTerms,
		blind: &Blind,
		anchors: &'a [SoldAnchor],
		edges: &'a Edges,
	) -> Result<Self, DeliveryFault> {
		let range = SoldAnchors::new(&terms.range, anchors).map_err(DeliveryFault::Range)?;
		if range.len() != terms.leaves {
			return Err(DeliveryFault::LeafCount { leaves: range.len() });
		}
		if range.commitment() != terms.range_commitment {
			return Err(DeliveryFault::RangeCommitment);
		}
		if blind.commitment() != terms.blind_commitment {
			return Err(DeliveryFault::Blind);
		}
		let after = anchors
			.last()
			.and_then(|anchor| right_siblings(terms.range.last.index.into(), anchor.count));
		if after != Some(edges.after.len()) {
			return Err(DeliveryFault::EdgesLength);
		}
		Ok(Self {
			spots: range.spots(),
			sale_root: terms.sale_root,
			sale: Frontier::default(),
			anchor: Frontier::after(terms.range.first.index, &edges.before)
				.ok_or(DeliveryFault::EdgesLength)?,
			after: &edges.after,
			failed: None,
		})
	}

	/// Checks the next leaf. A leaf hash that is not anchored is found at the last leaf of its anchor.
	///
	/// # Errors
	/// [`DeliveryFault::NotAnchored`] or [`DeliveryFault::TooManyLeaves`]. Once failed, the checker stays so.
	pub fn check(&mut self, leaf: &SealedLeaf) -> Result<(), DeliveryFault> {
		match self.failed {
			None => self.add(leaf).inspect_err(|fault| self.failed = Some(*fault)),
			Some(fault) => Err(fault),
		}
	}

	fn add(&mut self, leaf: &SealedLeaf) -> Result<(), DeliveryFault> {
		let spot = self.spots.next().ok_or(DeliveryFault::TooManyLeaves)?;
		self.sale.append(leaf.pair(spot.position, spot.place));
		self.anchor.append(leaf.leaf);
		if spot.ends_anchor {
			let after = if spot.ends_range { self.after } else { &[] };
			let root = self.anchor.root_with(spot.anchor.count, after);
			if root != Some(spot.anchor.data_root.0) {
				return Err(DeliveryFault::NotAnchored { seq: spot.place.seq });
			}
			self.anchor.clear();
		}
		Ok(())
	}

	/// Ends the check. `Ok` means that it is safe to pay: the leaves open to exactly the anchored readings,
	/// or one of them convicts the seller.
	///
	/// # Errors
	/// [`DeliveryFault`]: an earlier fault, missing leaves, or another sale root.
	pub fn finish(self) -> Result<(), DeliveryFault> {
		if let Some(fault) = self.failed {
			return Err(fault);
		}
		self.spots
			.complete()
			.map_err(|leaves| DeliveryFault::Incomplete { leaves })?;
		if self.sale.root() != Some(self.sale_root.0) {
			return Err(DeliveryFault::SaleRoot);
		}
		Ok(())
	}
}

/// A reading that was bought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
	/// Position in the sale, from 0.
	pub position: u32,
	/// Where it is anchored.
	pub place: Place,
	/// Salt of its leaf. With the path in its anchor's data tree it proves the reading to others.
	pub salt: [u8; 16],
	/// The reading.
	pub reading: Reading,
}

/// Why leaves do not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenFault {
	/// The anchors do not carry the range of the terms.
	Range(RangeFault),
	/// This is not the blinded key of these terms, but of another sale or of none.
	WrongBlindedKey,
	/// This is not the blind of these terms.
	WrongBlind,
	/// All leaves of the range are open already.
	TooManyLeaves,
	/// The ciphertext is not that of the anchored leaf. If it is the one that [`Checker`] has seen, it
	/// convicts the seller: [`crate::SaleEvidence::new`].
	BadLeaf {
		/// Position in the sale, from 0.
		position: u32,
		/// Where the leaf is anchored.
		place: Place,
	},
}

/// Opens checked leaves one after the other, once the key is revealed.
#[derive(Clone, Debug)]
pub struct Opener<'a> {
	key: SealingKey,
	spots: Spots<'a>,
}

impl<'a> Opener<'a> {
	/// Begins at the first leaf of the range.
	///
	/// # Errors
	/// [`OpenFault`]: the keys or the anchors are not those of the terms.
	pub fn new(
		terms: &SaleTerms,
		blinded: &BlindedKey,
		blind: &Blind,
		anchors: &'a [SoldAnchor],
	) -> Result<Self, OpenFault> {
		if blinded.commitment() != terms.blinded_key_commitment {
			return Err(OpenFault::WrongBlindedKey);
		}
		if blind.commitment() != terms.blind_commitment {
			return Err(OpenFault::WrongBlind);
		}
		let range = SoldAnchors::new(&terms.range, anchors).map_err(OpenFault::Range)?;
		Ok(Self {
			key: SealingKey::new(blinded, blind),
			spots: range.spots(),
		})
	}

	/// Opens the next leaf. After a bad one the others can still be opened.
	///
	/// # Errors
	/// [`OpenFault::BadLeaf`] or [`OpenFault::TooManyLeaves`].
	pub fn open(&mut self, leaf: &SealedLeaf) -> Result<Opened, OpenFault> {
		let Spot { position, place, .. } = self.spots.next().ok_or(OpenFault::TooManyLeaves)?;
		let (salt, reading) = leaf
			.open(&self.key, position, place.index)
			.ok_or(OpenFault::BadLeaf { position, place })?;
		Ok(Opened {
			position,
			place,
			salt,
			reading,
		})
	}
}
