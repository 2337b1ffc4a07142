//! The envelope: up to eight anchors of one device under one signature, delivered by anybody.

use crate::{Anchor, StreamId};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_device::{AccountId, DeviceId, DevicePublic, DeviceSignature, UnixMs};
use scale_info::TypeInfo;
use sp_core::ConstU32;
use sp_runtime::BoundedVec;

/// First bytes of the signed payload.
pub const ENVELOPE_TAG: &[u8] = b"m2m/anchors/v1";

/// Most anchors in one envelope.
pub const MAX_ITEMS: u32 = 8;

/// One anchor with its place.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct AnchorItem {
	/// The stream.
	pub stream: StreamId,
	/// Sequence number within the stream.
	pub seq: u64,
	/// The commitment.
	pub anchor: Anchor,
}

/// Anchors signed by a device key. The sequence numbers stop replay, so no expiry is needed: offline days
/// lose nothing.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SignedAnchors {
	/// The device that measured.
	pub device: DeviceId,
	/// Account of the device key that signs.
	pub key: AccountId,
	/// Last moment at which the envelope is accepted; 0 for none.
	pub expires: UnixMs,
	/// The anchors, at least one.
	pub items: BoundedVec<AnchorItem, ConstU32<MAX_ITEMS>>,
	/// The key's signature over [`SignedAnchors::signed_bytes`].
	pub signature: DeviceSignature,
}

impl SignedAnchors {
	/// The bytes to sign, without gaps:
	///
	/// | bytes | content |
	/// |---|---|
	/// | 14 | `m2m/anchors/v1` |
	/// | 32 | genesis hash |
	/// | 32 | device id |
	/// | 32 | account of the key |
	/// | 8 | expiry, unix milliseconds, little-endian; 0 for none |
	/// | 1 | number of items |
	/// | each item: 4 | stream, little-endian |
	/// | 8 | sequence number, little-endian |
	/// | 1 | 0 open, 1 private |
	/// | 128 or 88 | the anchor, see [`Anchor::write_bytes`] |
	pub fn signed_bytes(
		genesis: &[u8; 32],
		device: &DeviceId,
		key: &AccountId,
		expires: UnixMs,
		items: &[AnchorItem],
	) -> Vec<u8> {
		let mut bytes = Vec::with_capacity(119 + items.len().saturating_mul(141));
		bytes.extend_from_slice(ENVELOPE_TAG);
		bytes.extend_from_slice(genesis);
		bytes.extend_from_slice(device.as_ref());
		bytes.extend_from_slice(key.as_ref());
		bytes.extend_from_slice(&expires.to_le_bytes());
		bytes.push(items.len() as u8);
		for item in items {
			bytes.extend_from_slice(&item.stream.to_le_bytes());
			bytes.extend_from_slice(&item.seq.to_le_bytes());
			bytes.push(u8::from(item.anchor.is_private()));
			item.anchor.write_bytes(&mut bytes);
		}
		bytes
	}

	/// True if the signature is `public`'s over this envelope on the chain with this genesis hash.
	pub fn verify(&self, genesis: &[u8; 32], public: &DevicePublic) -> bool {
		let bytes = Self::signed_bytes(genesis, &self.device, &self.key, self.expires, &self.items);
		public.verify(&bytes, &self.signature)
	}
}
