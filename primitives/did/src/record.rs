//! What the chain answers.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use m2m_device::{AccountId, DeviceId, DevicePublic, DeviceStatus, KeyRecord, Roles, Service, UnixMs};
use scale_info::TypeInfo;
use sp_core::H256;
use sp_crypto_hashing::blake2_256;

/// Prefix of the preimage of a version. It changes when the same record begins to give another document.
const VERSION_TAG: &[u8] = b"m2m/did/v1";

/// A device as its DID document shows it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct DidRecord {
	/// The device.
	pub device: DeviceId,
	/// Its owner; the last owner of a retired device.
	pub owner: AccountId,
	/// Its status.
	pub status: DeviceStatus,
	/// How often its owner changed.
	pub generation: u32,
	/// How often a key that signs telemetry was added or came by rotation.
	pub auth_version: u32,
	/// Its keys in the order in which they were introduced, at most 8; none for retired devices.
	pub keys: Vec<DidKey>,
	/// Its services in the chain's order, at most 8; none for retired devices.
	pub services: Vec<Service>,
}

impl DidRecord {
	/// Version of the document: `blake2_256("m2m/did/v1" || this record, SCALE-encoded)`. The document is a function of
	/// the network and this record, so that it never changes without its version.
	pub fn version(&self) -> H256 {
		let mut preimage = VERSION_TAG.to_vec();
		self.encode_to(&mut preimage);
		H256(blake2_256(&preimage))
	}

	/// True if the key speaks for the device now, for what its roles allow.
	pub fn is_in_use(&self, key: &DidKey) -> bool {
		self.status == DeviceStatus::Active && key.state == KeyState::InUse
	}
}

/// A key of a device.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct DidKey {
	/// The public key.
	pub public: DevicePublic,
	/// What it may do while it is in use.
	pub roles: Roles,
	/// Whether it is in use.
	pub state: KeyState,
}

impl DidKey {
	/// A key of a device whose owner changed `generation` times.
	pub fn new(key: &KeyRecord, generation: u32) -> Self {
		let state = match key.valid_until {
			Some(at) => KeyState::Rotated { at },
			None if key.generation == generation => KeyState::InUse,
			None => KeyState::Unconfirmed,
		};
		Self {
			public: key.public,
			roles: key.roles,
			state,
		}
	}
}

/// Whether a key is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum KeyState {
	/// It signs for the device as its roles allow, if the device is active.
	#[codec(index = 0)]
	InUse,
	/// Another key took its place. The chain may still take readings that it signed before.
	#[codec(index = 1)]
	Rotated {
		/// When it stopped signing.
		at: UnixMs,
	},
	/// It comes from an earlier owner and the present one has not confirmed it.
	#[codec(index = 2)]
	Unconfirmed,
}
