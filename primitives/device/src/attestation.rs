//! What others say about a device.

use crate::{AccountId, UnixMs};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::H256;

/// What an attestation is about, such as `certified-meter`: small letters, digits and `-`, at least one and at most
/// 16 of them, then zeros.
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
pub struct Topic(pub [u8; 16]);

fn is_topic_byte(byte: &u8) -> bool {
	byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-'
}

impl Topic {
	/// The topic with this name; `None` if a topic cannot have it.
	pub fn from_text(text: &str) -> Option<Self> {
		let mut bytes = [0; 16];
		bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
		let topic = Self(bytes);
		(topic.is_valid() && topic.as_text() == text).then_some(topic)
	}

	/// What comes before the zeros.
	fn name(&self) -> &[u8] {
		self.0.split(|byte| *byte == 0).next().unwrap_or_default()
	}

	/// The name. Empty if it is not text, which no valid topic is.
	pub fn as_text(&self) -> &str {
		core::str::from_utf8(self.name()).unwrap_or_default()
	}

	/// True if the bytes have the form that every topic must have.
	pub fn is_valid(&self) -> bool {
		let (name, padding) = self.0.split_at(self.name().len());
		!name.is_empty() && name.iter().all(is_topic_byte) && padding.iter().all(|byte| *byte == 0)
	}
}

/// What an issuer says about a device under a topic. It gives no power over the device, and it vouches for the keys
/// that sign its telemetry, not for the box.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Attestation<Balance> {
	/// Hash of the document that says it.
	pub claim: H256,
	/// The device's version of signing keys for which it was given.
	pub auth_version: u32,
	/// The device's generation (owner changes) in which it was given.
	pub generation: u32,
	/// When it was given.
	pub issued: UnixMs,
	/// Last moment at which it counts.
	pub expires: UnixMs,
	/// What is held on the issuer for its storage, in the smallest unit of the token.
	pub deposit: Balance,
}

impl<Balance> Attestation<Balance> {
	/// True if it counts at `now` for a device with this version of signing keys.
	pub fn counts(&self, now: UnixMs, auth_version: u32) -> bool {
		now <= self.expires && self.auth_version == auth_version
	}
}

/// An attestation as clients see it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct AttestationDetails {
	/// What it is about.
	pub topic: Topic,
	/// Who vouches.
	pub issuer: AccountId,
	/// Hash of the document that says it.
	pub claim: H256,
	/// The device's version of signing keys for which it was given.
	pub auth_version: u32,
	/// The device's generation (owner changes) in which it was given.
	pub generation: u32,
	/// When it was given.
	pub issued: UnixMs,
	/// Last moment at which it counts.
	pub expires: UnixMs,
	/// True if it counts now: it has not expired, the signing keys are those that it was given for, and the device
	/// is not retired. Whether the owner is still the same, the generation tells.
	pub valid: bool,
}
