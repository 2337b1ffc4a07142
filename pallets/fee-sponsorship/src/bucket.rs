//! The token bucket of one device: what it may still cost its sponsor. Plain arithmetic, no storage.
//!
//! A bucket is kept as what is missing from a full one, so that a device that was never seen and a device
//! that was silent for long are the same: nothing is missing. Amounts are fees at multiplier one. Everything
//! saturates: no wait, however long, and no amount, however large, overflows.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Size of a bucket and how fast it fills.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Terms {
	/// What a full bucket pays.
	pub capacity: u128,
	/// What comes back with every block. Zero means a bucket that is used up once.
	pub refill: u128,
}

/// What is missing from a full bucket.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Bucket {
	/// What was missing in `block`. Never more than the capacity.
	pub spent: u128,
	/// The block of the last payment.
	pub block: u64,
}

impl Bucket {
	/// A bucket of which nothing was used.
	pub fn full(block: u64) -> Self {
		Self { spent: 0, block }
	}

	/// What is missing in block `now`.
	pub fn missing(&self, terms: &Terms, now: u64) -> u128 {
		let blocks = now.saturating_sub(self.block);
		self.spent
			.saturating_sub(terms.refill.saturating_mul(blocks.into()))
	}

	/// What it can pay in block `now`.
	pub fn left(&self, terms: &Terms, now: u64) -> u128 {
		terms.capacity.saturating_sub(self.missing(terms, now))
	}

	/// The bucket after paying `amount` in block `now`; `None` if that is more than is left.
	pub fn take(&self, terms: &Terms, now: u64, amount: u128) -> Option<Self> {
		if amount > self.left(terms, now) {
			return None;
		}
		Some(Self {
			spent: self.missing(terms, now).saturating_add(amount),
			block: self.block.max(now),
		})
	}

	/// The bucket after `amount` of what was taken in its last block was not needed.
	pub fn put_back(&self, amount: u128) -> Self {
		Self {
			spent: self.spent.saturating_sub(amount),
			block: self.block,
		}
	}
}
