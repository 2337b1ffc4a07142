//! The proof that whoever introduces a key to the chain holds it, and that the key agrees.
//!
//! Without it, anybody could register somebody else's key and squat the identity. The signed bytes
//! name the chain, the act, the owner, the device and the roles, so that a proof made for one serves
//! no other.

use crate::{AccountId, DeviceId, DevicePublic, DeviceSignature, Roles, UnixMs};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// First bytes of the signed payload.
pub const POSSESSION_TAG: &[u8] = b"m2m/possession/v1";

/// The act that a proof of possession authorises.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum PossessionAction {
	/// The key becomes the first key of a new device.
	#[codec(index = 0)]
	Register,
	/// The key is added to an existing device.
	#[codec(index = 1)]
	Add,
	/// The key takes the place of another key of the same device.
	#[codec(index = 2)]
	Rotate,
	/// The key goes on under a new owner.
	#[codec(index = 3)]
	Confirm,
}

/// The possession proof: an expiry and the key's signature over [`KeyClaim::signed_bytes`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct PossessionProof {
	/// Last moment, in unix milliseconds, at which the proof is accepted.
	pub expires: UnixMs,
	/// The introduced key's signature.
	pub signature: DeviceSignature,
}

/// What a key signs when it is introduced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyClaim<'a> {
	/// Genesis hash of the chain.
	pub genesis: [u8; 32],
	/// The act.
	pub action: PossessionAction,
	/// The account that owns the device, or will.
	pub owner: &'a AccountId,
	/// The device; `None` when registering, because the id follows from the key.
	pub device: Option<&'a DeviceId>,
	/// The roles that the key gets.
	pub roles: Roles,
	/// The key.
	pub public: &'a DevicePublic,
	/// Expiry of the proof.
	pub expires: UnixMs,
}

impl KeyClaim<'_> {
	/// The bytes to sign, without gaps:
	///
	/// | offset | bytes | content |
	/// |---|---|---|
	/// | 0 | 17 | `m2m/possession/v1` |
	/// | 17 | 32 | genesis hash |
	/// | 49 | 1 | action (0 register, 1 add, 2 rotate, 3 confirm) |
	/// | 50 | 32 | owner |
	/// | 82 | 32 | device id, zero when registering |
	/// | 114 | 1 | roles (bit 0 authenticate, 1 trade, 2 manage) |
	/// | 115 | 1 | scheme (0 sr25519, 1 ed25519, 2 ecdsa) |
	/// | 116 | 32 or 33 | public key |
	/// | 148 or 149 | 8 | expiry, unix milliseconds, little-endian |
	pub fn signed_bytes(&self) -> Vec<u8> {
		let mut bytes = Vec::with_capacity(157);
		bytes.extend_from_slice(POSSESSION_TAG);
		bytes.extend_from_slice(&self.genesis);
		bytes.push(self.action as u8);
		bytes.extend_from_slice(self.owner.as_ref());
		match self.device {
			Some(device) => bytes.extend_from_slice(device.as_ref()),
			None => bytes.extend_from_slice(&[0; 32]),
		}
		bytes.push(self.roles.bits());
		bytes.push(self.public.scheme());
		bytes.extend_from_slice(self.public.as_bytes());
		bytes.extend_from_slice(&self.expires.to_le_bytes());
		bytes
	}

	/// True if `signature` is the introduced key's over this claim.
	pub fn verify(&self, signature: &DeviceSignature) -> bool {
		self.public.verify(&self.signed_bytes(), signature)
	}
}
