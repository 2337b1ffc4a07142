//! Evidence that convicts a seller whose ciphertext does not open to the leaf hash it signed for.
//!
//! # Format (SCALE)
//!
//! | field | bytes | meaning |
//! |---|---|---|
//! | `terms` | 304 | the terms, as in [`SaleTerms::signed_bytes`] from offset 49 on |
//! | `blind` | 32 | the buyer's half of the key, `z` |
//! | `leaf.place` | 12 | sequence number (8), index (4) |
//! | `leaf.position` | 4 | position `s` in the sale |
//! | `leaf.sealed` | 32 | ciphertext `c` |
//! | `leaf.leaf` | 32 | leaf hash `h` |
//! | `leaf.path` | 1 + 32 each | siblings in the sale tree, bottom up, at most 32 |
//!
//! 801 bytes for a sale of 4,096 readings.
//!
//! # What convicts
//! The pair leaf of (`s`, seq, index, `h`, `c`) is at `s` of the sale tree, and with `KS` the keystream of
//! `s` `H(0x00 || le32(index) || (c XOR KS)) != h`. Why this never happens to an honest seller is on the
//! crate's page.

use crate::{
	Blind, BlindedKey, DeliveryFault, Place, SaleId, SaleTerms, SealedLeaf, SealingKey, SoldAnchor,
	SoldAnchors,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_merkle::{DataTree, Reading, path_root};
use scale_info::TypeInfo;
use sp_core::{ConstU32, H256};
use sp_runtime::BoundedVec;

/// Longest path from a pair leaf to the sale root, in hashes: positions are 32 bits wide.
pub const MAX_PATH: u32 = 32;

/// One leaf of a sale, with the path by which the seller answers for it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SoldLeaf {
	/// Where it is anchored.
	pub place: Place,
	/// Position in the sale, from 0.
	pub position: u32,
	/// The ciphertext.
	pub sealed: [u8; 32],
	/// The leaf hash.
	pub leaf: H256,
	/// Siblings of its pair leaf on the way to the sale root, bottom up.
	pub path: BoundedVec<H256, ConstU32<MAX_PATH>>,
}

/// Why evidence convicts nobody.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum NotGuilty {
	/// These are not the terms of the sale.
	OtherTerms,
	/// The blinded key is not the one that the terms commit to.
	WrongBlindedKey,
	/// The blind is not the one that the terms commit to.
	WrongBlind,
	/// The sale has no such position.
	PositionOutOfRange,
	/// The path has not the length that the position demands.
	PathLength,
	/// Path, place, position, ciphertext or leaf hash is not what the seller signed for.
	NotInSale,
	/// The ciphertext opens to the leaf hash, as it should.
	OpensAsAnchored,
}

impl SoldLeaf {
	fn sealed_leaf(&self) -> SealedLeaf {
		SealedLeaf {
			sealed: self.sealed,
			leaf: self.leaf.0,
		}
	}

	/// Checks that the seller answers for this leaf under these terms. Takes at most 34 hashes.
	///
	/// # Errors
	/// [`NotGuilty::PositionOutOfRange`], [`NotGuilty::PathLength`] or [`NotGuilty::NotInSale`].
	pub fn check(&self, terms: &SaleTerms) -> Result<(), NotGuilty> {
		if self.position >= terms.leaves {
			return Err(NotGuilty::PositionOutOfRange);
		}
		let pair = self.sealed_leaf().pair(self.position, self.place);
		let path = self.path.iter().map(|sibling| &sibling.0);
		let root = path_root(&pair, self.position, terms.leaves.into(), path).ok_or(NotGuilty::PathLength)?;
		if root == terms.sale_root.0 {
			Ok(())
		} else {
			Err(NotGuilty::NotInSale)
		}
	}

	/// The salt and the reading that are sold with this leaf; `None` if it does not open.
	pub fn open(&self, key: &SealingKey) -> Option<([u8; 16], Reading)> {
		self.sealed_leaf().open(key, self.position, self.place.index)
	}
}

/// All the chain needs to convict a seller; the module's page has the format.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SaleEvidence {
	/// The terms of the sale.
	pub terms: SaleTerms,
	/// The buyer's half of the key.
	pub blind: Blind,
	/// The leaf that does not open.
	pub leaf: SoldLeaf,
}

impl SaleEvidence {
	/// Collects the evidence about the leaf at `position` from the leaves that [`crate::Checker`] has seen.
	/// It convicts if, and only if, [`crate::Opener`] finds that leaf bad. Takes about 64 bytes of memory per
	/// leaf.
	///
	/// # Errors
	/// [`DeliveryFault`]: these are not the leaves of these terms, or there is no such position.
	pub fn new(
		terms: &SaleTerms,
		blind: &Blind,
		anchors: &[SoldAnchor],
		delivered: impl IntoIterator<Item = SealedLeaf>,
		position: u32,
	) -> Result<Self, DeliveryFault> {
		let mut spots = SoldAnchors::new(&terms.range, anchors)
			.map_err(DeliveryFault::Range)?
			.spots();
		let mut pairs = Vec::new();
		let mut accused = None;
		for leaf in delivered {
			let spot = spots.next().ok_or(DeliveryFault::TooManyLeaves)?;
			pairs.push(leaf.pair(spot.position, spot.place));
			if spot.position == position {
				accused = Some((spot.place, leaf));
			}
		}
		spots
			.complete()
			.map_err(|leaves| DeliveryFault::Incomplete { leaves })?;
		let (place, leaf) = accused.ok_or(DeliveryFault::NoSuchPosition)?;
		let tree = DataTree::new(pairs)
			.filter(|tree| tree.root() == terms.sale_root.0)
			.ok_or(DeliveryFault::SaleRoot)?;
		let path = tree.open(position).unwrap_or_default();
		Ok(Self {
			terms: terms.clone(),
			blind: *blind,
			leaf: SoldLeaf {
				place,
				position,
				sealed: leaf.sealed,
				leaf: H256(leaf.leaf),
				// A tree of fewer than 2^32 leaves has no longer path.
				path: BoundedVec::truncate_from(path.into_iter().map(H256).collect()),
			},
		})
	}

	/// `Ok` if this convicts the seller of the sale `sale`, bought on the chain with this genesis hash, whose
	/// seller revealed `blinded_key`. Takes at most 40 hashes and never panics.
	///
	/// # Errors
	/// [`NotGuilty`]: the first thing that does not hold.
	pub fn convicts(
		&self,
		genesis: &[u8; 32],
		sale: &SaleId,
		blinded_key: &BlindedKey,
	) -> Result<(), NotGuilty> {
		if self.terms.sale_id(genesis) != *sale {
			return Err(NotGuilty::OtherTerms);
		}
		if blinded_key.commitment() != self.terms.blinded_key_commitment {
			return Err(NotGuilty::WrongBlindedKey);
		}
		if self.blind.commitment() != self.terms.blind_commitment {
			return Err(NotGuilty::WrongBlind);
		}
		self.leaf.check(&self.terms)?;
		match self.leaf.open(&SealingKey::new(blinded_key, &self.blind)) {
			Some(_) => Err(NotGuilty::OpensAsAnchored),
			None => Ok(()),
		}
	}
}
