//! The key of a sale, in two halves of which neither opens anything.
//!
//! The seller seals under `k = k' XOR z`. The chain learns `k'` when the seller reveals it, and `z` only in a
//! dispute, so that nobody but the buyer can read what was sold.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use m2m_merkle::Hash;
use scale_info::TypeInfo;
use sp_core::H256;
use sp_crypto_hashing::blake2_256;

/// The seller's half `k'`: secret until it is revealed on chain. Never use one for two sales;
/// [`crate::SaleTerms::blinded_key`] gives a fresh one.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct BlindedKey(pub [u8; 32]);

/// The buyer's half `z`: 32 fresh random bytes, known to buyer and seller. It becomes public with the
/// evidence of a dispute, and then the sold readings do too, as soon as somebody has the sealed leaves.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Blind(pub [u8; 32]);

/// The key `k` that seals the leaves. It is never sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SealingKey(pub [u8; 32]);

fn commitment(tag: u8, secret: &[u8; 32]) -> H256 {
	let mut input = [tag; 33];
	input[1..].copy_from_slice(secret);
	H256(blake2_256(&input))
}

impl BlindedKey {
	/// What the terms say of it: `H(0x0a || k')`.
	pub fn commitment(&self) -> H256 {
		commitment(0x0a, &self.0)
	}
}

impl Blind {
	/// What the terms say of it: `H(0x0f || z)`.
	pub fn commitment(&self) -> H256 {
		commitment(0x0f, &self.0)
	}
}

impl SealingKey {
	/// Puts the halves together: `k = k' XOR z`.
	pub fn new(blinded: &BlindedKey, blind: &Blind) -> Self {
		Self(xor(&blinded.0, &blind.0))
	}

	/// The bytes that hide the leaf at `position`: `H(0x04 || k || le32(position) || le32(0))`.
	pub fn keystream(&self, position: u32) -> Hash {
		let mut input = [0; 41];
		input[0] = 0x04;
		input[1..33].copy_from_slice(&self.0);
		input[33..37].copy_from_slice(&position.to_le_bytes());
		blake2_256(&input)
	}

	/// Seals a plaintext, or opens a sealed one.
	pub(crate) fn apply(&self, position: u32, block: &[u8; 32]) -> [u8; 32] {
		xor(block, &self.keystream(position))
	}
}

fn xor(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
	core::array::from_fn(|at| left[at] ^ right[at])
}

/// Keeps the bytes out of logs.
macro_rules! hidden {
	($($name:ident),*) => {$(
		impl fmt::Debug for $name {
			fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
				to.write_str(concat!(stringify!($name), "(..)"))
			}
		}
	)*};
}
hidden!(BlindedKey, Blind, SealingKey);
