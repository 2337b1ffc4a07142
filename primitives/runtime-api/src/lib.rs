//! Runtime APIs of our pallets. Reads are free: nothing here needs an extrinsic.

#![cfg_attr(not(feature = "std"), no_std)]
// The macro writes items that it does not document.
#![allow(missing_docs)]

extern crate alloc;

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use m2m_anchor::{AnchorProof, AnchorRecord, Coverage, ProofFault, StreamDetails, StreamId};
use m2m_device::{AccountId, DeviceId, DeviceStatus, KeyRecord, UnixMs};
use m2m_merkle::ReadingProof;
use scale_info::TypeInfo;

/// A device as clients see it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct DeviceDetails {
	/// Its id and wallet.
	pub device: DeviceId,
	/// Owner; the last owner of a retired device.
	pub owner: AccountId,
	/// Status.
	pub status: DeviceStatus,
	/// When the status last changed.
	pub status_since: UnixMs,
	/// How often the owner changed.
	pub generation: u32,
	/// How often the set of signing keys changed.
	pub auth_version: u32,
	/// Gateway that holds the device's keys, if it has none of its own.
	pub gateway: Option<AccountId>,
	/// Keys that may sign or, after a rotation, still deliver. In the order in which they were added.
	pub device_keys: Vec<KeyRecord>,
}

sp_api::decl_runtime_apis! {
	/// Devices and their keys.
	pub trait DeviceApi {
		/// One device.
		fn device(device: DeviceId) -> Option<DeviceDetails>;
		/// The device to which a key belongs or belonged.
		fn device_of_key(key: AccountId) -> Option<DeviceId>;
		/// The devices of an owner in a fixed order, at most `limit` (capped at 256) after `after`.
		fn devices_of(owner: AccountId, after: Option<DeviceId>, limit: u32) -> Vec<DeviceId>;
	}

	/// Streams, anchors and proofs.
	pub trait TelemetryApi {
		/// Numbers of the device's open streams.
		fn streams(device: DeviceId) -> Vec<StreamId>;
		/// One stream, open or closed.
		fn stream(device: DeviceId, stream: StreamId) -> Option<StreamDetails>;
		/// An anchor that is still in state.
		fn anchor(device: DeviceId, stream: StreamId, seq: u64) -> Option<AnchorRecord>;
		/// The anchor with the largest sequence number.
		fn latest(device: DeviceId, stream: StreamId) -> Option<AnchorRecord>;
		/// What the anchors in state say about `from <= t < to`.
		fn coverage(device: DeviceId, stream: StreamId, from: UnixMs, to: UnixMs) -> Option<Coverage>;
		/// Checks that an anchor was recorded.
		fn verify_anchor(proof: AnchorProof) -> Result<(), ProofFault>;
		/// Checks that a reading was recorded, unchanged, in that anchor.
		fn verify_reading(anchor: AnchorProof, reading: ReadingProof) -> Result<(), ProofFault>;
	}
}
