//! The seller's part: sealing a range, leaf by leaf.

use crate::{
	SealedLeaf, SealingKey, SoldAnchors,
	frontier::Frontier,
	range::{Spot, Spots},
};
use m2m_merkle::Reading;
use sp_core::H256;

/// Why a range cannot be sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SealFault {
	/// All leaves of the range are sealed already.
	TooManyLeaves,
	/// Leaves of the range are missing.
	Incomplete {
		/// How many were sealed.
		sealed: u32,
	},
}

/// Seals the leaves of a range one after the other, in less than 4 kB of memory whatever their number.
#[derive(Clone, Debug)]
pub struct Sealer<'a> {
	key: SealingKey,
	spots: Spots<'a>,
	sale: Frontier,
}

impl<'a> Sealer<'a> {
	/// Begins at the first leaf of the range.
	pub fn new(range: &SoldAnchors<'a>, key: SealingKey) -> Self {
		Self {
			key,
			spots: range.spots(),
			sale: Frontier::default(),
		}
	}

	/// Seals the next leaf: its salt and reading, in the order of [`SoldAnchors::places`].
	///
	/// # Errors
	/// [`SealFault::TooManyLeaves`].
	pub fn seal(&mut self, salt: &[u8; 16], reading: &Reading) -> Result<SealedLeaf, SealFault> {
		let Spot { position, place, .. } = self.spots.next().ok_or(SealFault::TooManyLeaves)?;
		let leaf = SealedLeaf::seal(&self.key, position, place.index, salt, reading);
		self.sale.append(leaf.pair(position, place));
		Ok(leaf)
	}

	/// The sale root.
	///
	/// # Errors
	/// [`SealFault::Incomplete`]: not all leaves of the range were sealed.
	pub fn finish(self) -> Result<H256, SealFault> {
		self.spots
			.complete()
			.map_err(|sealed| SealFault::Incomplete { sealed })?;
		// A range has a leaf, so there is a root.
		Ok(H256(self.sale.root().unwrap_or_default()))
	}
}
