//! Readings, their salts and their leaf hashes.

use crate::{Hash, tagged};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// One measured value.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reading {
	/// When, in unix milliseconds.
	pub time_ms: u64,
	/// How much, at the stream's scale.
	pub value: i64,
}

impl Reading {
	/// `le64(time_ms) || le64(value)`.
	pub fn to_bytes(&self) -> [u8; 16] {
		let mut bytes = [0; 16];
		bytes[..8].copy_from_slice(&self.time_ms.to_le_bytes());
		bytes[8..].copy_from_slice(&self.value.to_le_bytes());
		bytes
	}

	/// The reading with these bytes.
	pub fn from_bytes(bytes: &[u8; 16]) -> Self {
		let (time, value) = bytes.split_at(8);
		let mut half = [0; 8];
		half.copy_from_slice(time);
		let time_ms = u64::from_le_bytes(half);
		half.copy_from_slice(value);
		Self { time_ms, value: i64::from_le_bytes(half) }
	}
}

/// The secret from which the salts of one batch are derived. There is nothing to store, and it is never the
/// same twice: with a reused secret, readings could be found by trying out values.
pub fn batch_secret(device_secret: &[u8; 32], stream: u32, seq: u64) -> Hash {
	tagged::<45>(0x07, &[device_secret, &stream.to_le_bytes(), &seq.to_le_bytes()])
}

/// Salt of the leaf at `index`: it keeps a leaf hash from being searched for the few values a meter can show.
pub fn salt(batch_secret: &Hash, index: u32) -> [u8; 16] {
	let hash = tagged::<37>(0x06, &[batch_secret, &index.to_le_bytes()]);
	let mut salt = [0; 16];
	salt.copy_from_slice(&hash[..16]);
	salt
}

/// Hash of the leaf at `index`.
pub fn leaf_hash(index: u32, salt: &[u8; 16], reading: &Reading) -> Hash {
	tagged::<37>(0x00, &[&index.to_le_bytes(), salt, &reading.to_bytes()])
}
