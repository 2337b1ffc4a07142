//! How proofs are written to files: hashes as `0x` and hex digits, 128-bit numbers as decimal strings.

use alloc::{format, string::String};
use serde::{Deserialize, Deserializer, Serializer, de::Error};

fn parse<const N: usize, E: Error>(text: &str) -> Result<[u8; N], E> {
	let digits = text
		.strip_prefix("0x")
		.ok_or_else(|| E::custom("hex must begin with 0x"))?;
	let mut bytes = [0; N];
	hex::decode_to_slice(digits, &mut bytes).map_err(|_| E::custom(format!("expected {N} bytes in hex")))?;
	Ok(bytes)
}

/// An array of bytes.
pub(crate) mod bytes {
	use super::*;

	pub(crate) fn serialize<const N: usize, S: Serializer>(
		bytes: &[u8; N],
		to: S,
	) -> Result<S::Ok, S::Error> {
		to.serialize_str(&format!("0x{}", hex::encode(bytes)))
	}

	pub(crate) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
		from: D,
	) -> Result<[u8; N], D::Error> {
		parse(&String::deserialize(from)?)
	}
}

/// A list of hashes.
pub(crate) mod list {
	use super::*;
	use crate::Hash;
	use alloc::vec::Vec;

	pub(crate) fn serialize<S: Serializer>(hashes: &[Hash], to: S) -> Result<S::Ok, S::Error> {
		to.collect_seq(hashes.iter().map(|hash| format!("0x{}", hex::encode(hash))))
	}

	pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Hash>, D::Error> {
		Vec::<String>::deserialize(from)?
			.iter()
			.map(|text| parse(text))
			.collect()
	}
}

/// A signed number of 128 bits.
pub(crate) mod decimal {
	use super::*;
	use alloc::string::ToString;

	pub(crate) fn serialize<S: Serializer>(number: &i128, to: S) -> Result<S::Ok, S::Error> {
		to.serialize_str(&number.to_string())
	}

	pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i128, D::Error> {
		String::deserialize(from)?
			.parse()
			.map_err(|_| D::Error::custom("expected a whole number"))
	}
}
