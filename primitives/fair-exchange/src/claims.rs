//! What a seller promises about the readings themselves, and evidence that a promise was broken.
//!
//! The promises are part of a listing, so the version in the terms fixes them. Each is about consecutive
//! readings of one sale and is refuted by one or two leaves that open to what was anchored.

use crate::{Blind, BlindedKey, NotGuilty, SaleId, SaleTerms, SealingKey, SoldLeaf};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_merkle::Reading;
use scale_info::TypeInfo;

/// A promise about the readings of every sale under a listing.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Claim {
	/// All values lie in `min..=max`, at the stream's scale. Refuted by one leaf.
	#[codec(index = 0)]
	Range {
		/// Smallest value.
		min: i64,
		/// Largest value.
		max: i64,
	},
	/// From any reading on, another `count` follow within `within_ms` milliseconds, as far as the sale reaches.
	/// Refuted by two leaves that are `count` positions apart and lie further apart in time.
	#[codec(index = 1)]
	Count {
		/// How many readings; at least 1.
		count: u32,
		/// Within which time.
		within_ms: u64,
	},
	/// No two consecutive readings lie further apart than this. Refuted by two neighbours.
	#[codec(index = 2)]
	Gap {
		/// Milliseconds.
		longest_ms: u64,
	},
}

/// All promises of one listing.
#[derive(
	Clone, Copy, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Claims {
	/// Smallest and largest value.
	pub range: Option<(i64, i64)>,
	/// How many readings follow each within how many milliseconds.
	pub count: Option<(u32, u64)>,
	/// Longest time between neighbours, in milliseconds.
	pub gap_ms: Option<u64>,
}

/// Which promise is said to be broken.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum ClaimKind {
	/// [`Claim::Range`].
	#[codec(index = 0)]
	Range,
	/// [`Claim::Count`].
	#[codec(index = 1)]
	Count,
	/// [`Claim::Gap`].
	#[codec(index = 2)]
	Gap,
}

impl Claims {
	/// The promise of this kind, if it was made.
	pub fn get(&self, kind: ClaimKind) -> Option<Claim> {
		match kind {
			ClaimKind::Range => self.range.map(|(min, max)| Claim::Range { min, max }),
			ClaimKind::Count => self
				.count
				.map(|(count, within_ms)| Claim::Count { count, within_ms }),
			ClaimKind::Gap => self.gap_ms.map(|longest_ms| Claim::Gap { longest_ms }),
		}
	}

	/// True if every promise can be kept and refuted: the range is not empty and the count not zero.
	pub fn are_sound(&self) -> bool {
		self.range.is_none_or(|(min, max)| min <= max) && self.count.is_none_or(|(count, _)| count > 0)
	}
}

/// Why evidence does not refute a claim.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum ClaimFault {
	/// Terms, keys or leaves are not those of the sale.
	Foreign(NotGuilty),
	/// The listing did not make this claim.
	NotClaimed,
	/// A leaf does not open: that is another fault of the seller's, with evidence of its own.
	DoesNotOpen,
	/// The claim is about one leaf, or about two that are so many positions apart, and these are not.
	WrongLeaves,
	/// The readings are as claimed.
	AsClaimed,
}

/// All the chain needs to see that a claim is false. SCALE: terms (304), blind (32), kind (1), the leaf, an
/// option of the second leaf; a leaf is 81 bytes and 32 for each hash of its path.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ClaimEvidence {
	/// The terms of the sale.
	pub terms: SaleTerms,
	/// The buyer's half of the key.
	pub blind: Blind,
	/// Which claim.
	pub kind: ClaimKind,
	/// The leaf, or the earlier one of two.
	pub first: SoldLeaf,
	/// The later one, for claims about times.
	pub second: Option<SoldLeaf>,
}

impl ClaimEvidence {
	/// `Ok` if this shows that the seller of the sale `sale`, who revealed `blinded_key` and made `claims`,
	/// broke one of them. Takes at most 80 hashes and never panics.
	///
	/// # Errors
	/// [`ClaimFault`]: the first thing that does not hold.
	pub fn refutes(
		&self,
		genesis: &[u8; 32],
		sale: &SaleId,
		blinded_key: &BlindedKey,
		claims: &Claims,
	) -> Result<(), ClaimFault> {
		if self.terms.sale_id(genesis) != *sale {
			return Err(ClaimFault::Foreign(NotGuilty::OtherTerms));
		}
		if blinded_key.commitment() != self.terms.blinded_key_commitment {
			return Err(ClaimFault::Foreign(NotGuilty::WrongBlindedKey));
		}
		if self.blind.commitment() != self.terms.blind_commitment {
			return Err(ClaimFault::Foreign(NotGuilty::WrongBlind));
		}
		let claim = claims.get(self.kind).ok_or(ClaimFault::NotClaimed)?;
		let key = SealingKey::new(blinded_key, &self.blind);
		let open = |leaf: &SoldLeaf| -> Result<Reading, ClaimFault> {
			leaf.check(&self.terms).map_err(ClaimFault::Foreign)?;
			let (_, reading) = leaf.open(&key).ok_or(ClaimFault::DoesNotOpen)?;
			Ok(reading)
		};
		let first = open(&self.first)?;
		let second = self.second.as_ref().map(open).transpose()?;
		let broken = match (claim, &self.second, second) {
			(Claim::Range { min, max }, None, _) => !(min..=max).contains(&first.value),
			(Claim::Count { count, within_ms }, Some(leaf), Some(second)) => {
				self.ensure_apart(leaf, count)?;
				second.time_ms.saturating_sub(first.time_ms) > within_ms
			}
			(Claim::Gap { longest_ms }, Some(leaf), Some(second)) => {
				self.ensure_apart(leaf, 1)?;
				second.time_ms.saturating_sub(first.time_ms) > longest_ms
			}
			_ => return Err(ClaimFault::WrongLeaves),
		};
		if broken {
			Ok(())
		} else {
			Err(ClaimFault::AsClaimed)
		}
	}

	/// Fails unless `later` is `positions` behind the first leaf.
	fn ensure_apart(&self, later: &SoldLeaf, positions: u32) -> Result<(), ClaimFault> {
		if self.first.position.checked_add(positions) == Some(later.position) {
			Ok(())
		} else {
			Err(ClaimFault::WrongLeaves)
		}
	}
}
