//! Readings and the salted leaves that hide them.

use crate::Hash;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_crypto_hashing::blake2_256;

/// One reading of one stream.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reading {
	/// Unix time in milliseconds, stamped by the device.
	pub time_ms: u64,
	/// The value, in units of the stream's scale.
	pub value: i64,
}

impl Reading {
	/// The 16 bytes that are hashed: time, then value, both little-endian. Equal to the SCALE encoding.
	pub fn to_bytes(&self) -> [u8; 16] {
		let mut bytes = [0; 16];
		bytes[..8].copy_from_slice(&self.time_ms.to_le_bytes());
		bytes[8..].copy_from_slice(&self.value.to_le_bytes());
		bytes
	}

	/// The inverse of [`Self::to_bytes`]; every 16 bytes are a reading.
	pub fn from_bytes(bytes: &[u8; 16]) -> Self {
		let word = |at: usize| core::array::from_fn(|i| bytes[at + i]);
		Self {
			time_ms: u64::from_le_bytes(word(0)),
			value: i64::from_le_bytes(word(8)),
		}
	}
}

/// The secret of one batch. It is derived, so that a device stores nothing and never uses one twice: under a
/// reused or known secret the values can be found by trying them all.
pub fn batch_secret(device_secret: &[u8; 32], stream: u32, seq: u64) -> Hash {
	let mut input = [0x07; 45];
	input[1..33].copy_from_slice(device_secret);
	input[33..37].copy_from_slice(&stream.to_le_bytes());
	input[37..].copy_from_slice(&seq.to_le_bytes());
	blake2_256(&input)
}

/// The salt of the leaf at `index`. Giving it away opens that leaf and no other.
pub fn salt(batch_secret: &Hash, index: u32) -> [u8; 16] {
	let mut input = [0x06; 37];
	input[1..33].copy_from_slice(batch_secret);
	input[33..].copy_from_slice(&index.to_le_bytes());
	let hash = blake2_256(&input);
	core::array::from_fn(|i| hash[i])
}

/// The leaf that both trees hold for the reading at `index`.
pub fn leaf_hash(index: u32, salt: &[u8; 16], reading: &Reading) -> Hash {
	let mut input = [0x00; 37];
	input[1..5].copy_from_slice(&index.to_le_bytes());
	input[5..21].copy_from_slice(salt);
	input[21..].copy_from_slice(&reading.to_bytes());
	blake2_256(&input)
}
