//! Public keys, signatures and roles of device keys.

use crate::{AccountId, DeviceId};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{ecdsa, ed25519, sr25519};
use sp_runtime::traits::Verify;

/// Prefix of the preimage of a device id.
pub const DEVICE_ID_TAG: &[u8] = b"m2m/device/v1";

/// A device key's public half. The variant's index is the scheme byte in every signed payload and in
/// the preimage of the device id; 3 is left for P-256, which can sign envelopes but not extrinsics.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum DevicePublic {
	/// Schnorr over Ristretto25519, signing context `substrate`.
	#[codec(index = 0)]
	Sr25519(sr25519::Public),
	/// RFC 8032 Ed25519.
	#[codec(index = 1)]
	Ed25519(ed25519::Public),
	/// secp256k1 ECDSA over the blake2-256 hash of the message; the key is in compressed form.
	#[codec(index = 2)]
	Ecdsa(ecdsa::Public),
}

/// A signature by a device key, in the scheme of that key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum DeviceSignature {
	/// 64 bytes.
	#[codec(index = 0)]
	Sr25519(sr25519::Signature),
	/// 64 bytes.
	#[codec(index = 1)]
	Ed25519(ed25519::Signature),
	/// 65 bytes, recoverable form.
	#[codec(index = 2)]
	Ecdsa(ecdsa::Signature),
}

impl DevicePublic {
	/// The scheme byte.
	pub fn scheme(&self) -> u8 {
		match self {
			Self::Sr25519(_) => 0,
			Self::Ed25519(_) => 1,
			Self::Ecdsa(_) => 2,
		}
	}

	/// The raw public key: 32 bytes, or 33 for ECDSA.
	pub fn as_bytes(&self) -> &[u8] {
		match self {
			Self::Sr25519(public) => public.as_ref(),
			Self::Ed25519(public) => public.as_ref(),
			Self::Ecdsa(public) => public.as_ref(),
		}
	}

	/// The account from which this key sends extrinsics: the key itself, or for ECDSA its blake2-256
	/// hash, as in the SDK's `MultiSigner`.
	pub fn account(&self) -> AccountId {
		match self {
			Self::Sr25519(public) => AccountId::new(public.0),
			Self::Ed25519(public) => AccountId::new(public.0),
			Self::Ecdsa(public) => AccountId::new(sp_io::hashing::blake2_256(public.as_ref())),
		}
	}

	/// The id of a device whose first key is this one:
	/// `blake2_256("m2m/device/v1" || scheme || public key)`.
	pub fn device_id(&self) -> DeviceId {
		let mut preimage = Vec::with_capacity(DEVICE_ID_TAG.len() + 1 + 33);
		preimage.extend_from_slice(DEVICE_ID_TAG);
		preimage.push(self.scheme());
		preimage.extend_from_slice(self.as_bytes());
		DeviceId::new(sp_io::hashing::blake2_256(&preimage))
	}

	/// True if `signature` is this key's over `message`. A signature of another scheme is never valid.
	pub fn verify(&self, message: &[u8], signature: &DeviceSignature) -> bool {
		match (self, signature) {
			(Self::Sr25519(public), DeviceSignature::Sr25519(signature)) => signature.verify(message, public),
			(Self::Ed25519(public), DeviceSignature::Ed25519(signature)) => signature.verify(message, public),
			(Self::Ecdsa(public), DeviceSignature::Ecdsa(signature)) => signature.verify(message, public),
			_ => false,
		}
	}
}

/// What a device key may do. A key without any role is refused.
#[derive(
	Clone, Copy, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Roles {
	/// May sign telemetry.
	pub authenticate: bool,
	/// May trade for the device, within the owner's budget.
	pub trade: bool,
	/// May manage streams, services and profile, add keys with no more roles than its own, and remove itself and what it
	/// added.
	pub manage: bool,
}

impl Roles {
	/// Every role.
	pub const ALL: Self = Self {
		authenticate: true,
		trade: true,
		manage: true,
	};
	/// Telemetry only.
	pub const AUTHENTICATE: Self = Self {
		authenticate: true,
		trade: false,
		manage: false,
	};

	/// The byte that stands for the roles in signed payloads: bit 0 authenticate, bit 1 trade, bit 2
	/// manage.
	pub fn bits(self) -> u8 {
		u8::from(self.authenticate) | u8::from(self.trade) << 1 | u8::from(self.manage) << 2
	}

	/// True if no role is set.
	pub fn is_empty(self) -> bool {
		self.bits() == 0
	}

	/// True if every role in `other` is also in `self`.
	pub fn contains(self, other: Self) -> bool {
		self.bits() & other.bits() == other.bits()
	}
}
