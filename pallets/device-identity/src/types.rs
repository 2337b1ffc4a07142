//! What the pallet stores and takes.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_device::{
	AccountId, DeviceId, DevicePublic, DeviceStatus, KeyRecord, Operator, PossessionProof, Roles, Service,
	TransferOffer, UnixMs,
};
use scale_info::TypeInfo;
use sp_core::H256;

/// One device to register.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Registration {
	/// The device's first key, from which its id follows.
	pub public: DevicePublic,
	/// What that key may do.
	pub roles: Roles,
	/// The key's consent to be registered by this owner with these roles.
	pub proof: PossessionProof,
	/// Gateway that holds the device's keys, if the device has none of its own.
	pub gateway: Option<AccountId>,
	/// Hash of a document that describes the device, for example a W3C Thing Description.
	pub profile: Option<H256>,
}

/// A device that is not retired.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Device<Balance> {
	/// The account that controls it.
	pub owner: AccountId,
	/// Its status; never `Retired`.
	pub status: DeviceStatus,
	/// When it got that status.
	pub status_since: UnixMs,
	/// How often it changed its owner.
	pub generation: u32,
	/// How often a key that signs telemetry was added or came by rotation. Taking one away does not count: what is
	/// left was vouched for before.
	pub auth_version: u32,
	/// How many keys were ever introduced, tombstones included. The deposit grows with it.
	pub keys_introduced: u32,
	/// Bytes of state that its operators, services and pending offer take. The deposit follows it.
	pub listed_bytes: u32,
	/// What is held on the wallet for the device's storage.
	pub deposit: Balance,
	/// Hash of a document that describes the device.
	pub profile: Option<H256>,
	/// Gateway that holds the device's keys, if the device has none of its own.
	pub gateway: Option<AccountId>,
}

impl<Balance> Device<Balance> {
	/// Counts that a list or the offer, which took `before` bytes of state, takes `after` bytes now.
	pub(crate) fn change_listed(&mut self, before: u32, after: u32) {
		self.listed_bytes = self.listed_bytes.saturating_sub(before).saturating_add(after);
	}
}

/// Who introduced a key, and therefore who besides the owner may remove it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Introducer {
	/// The owner, or a new owner confirmed it. Only the owner removes the key.
	#[codec(index = 0)]
	Owner,
	/// A key with `manage`, named by its line (see [`DeviceKey::line`]), so that it still removes what it
	/// added after a rotation of its own.
	#[codec(index = 1)]
	Key(AccountId),
}

/// The end of a key's signing: another key took its place.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Rotation {
	/// When the key stopped signing.
	pub at: UnixMs,
	/// Last moment at which readings that it signed before are taken.
	pub deliver_until: UnixMs,
}

/// A key that signs, or whose earlier readings may still be delivered.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct DeviceKey {
	/// The device it belongs to.
	pub device: DeviceId,
	/// The public key.
	pub public: DevicePublic,
	/// What it may do; never empty.
	pub roles: Roles,
	/// Who introduced it. A key that came by rotation takes this over from the key that it replaced.
	pub introduced_by: Introducer,
	/// Account of the first key of its line: its own, or, for a key that came by rotation, the line of the
	/// key that it replaced.
	pub line: AccountId,
	/// The device's generation when it was introduced or last confirmed.
	pub generation: u32,
	/// When it was introduced.
	pub valid_from: UnixMs,
	/// Set once another key took its place.
	pub rotation: Option<Rotation>,
}

impl DeviceKey {
	/// True if the key was rotated and the time to deliver what it signed is over.
	pub fn is_expired(&self, now: UnixMs) -> bool {
		self.rotation.is_some_and(|rotation| now > rotation.deliver_until)
	}

	/// The key as other pallets and clients see it.
	pub fn into_record(self) -> KeyRecord {
		KeyRecord {
			device: self.device,
			public: self.public,
			roles: self.roles,
			generation: self.generation,
			valid_from: self.valid_from,
			valid_until: self.rotation.map(|rotation| rotation.at),
			deliver_until: self.rotation.map(|rotation| rotation.deliver_until),
		}
	}
}

/// What is left of a key that was removed, that expired, or whose device was retired. It stays for ever, so
/// that the account can never become a device key again, and so that old signatures can be dated.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct RemovedKey {
	/// The device it belonged to.
	pub device: DeviceId,
	/// Scheme byte of the public key, see [`DevicePublic`].
	pub scheme: u8,
	/// When it was introduced.
	pub valid_from: UnixMs,
	/// When it stopped signing.
	pub valid_until: UnixMs,
}

/// A key account's one and only use.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum KeyEntry {
	/// In the device's list of keys.
	#[codec(index = 0)]
	Active(DeviceKey),
	/// A tombstone.
	#[codec(index = 1)]
	Removed(RemovedKey),
}

impl KeyEntry {
	/// The device to which the key belongs or belonged.
	pub fn device(&self) -> &DeviceId {
		match self {
			Self::Active(key) => &key.device,
			Self::Removed(key) => &key.device,
		}
	}
}

/// What is left of a retired device. It stays for ever: its last owner can still empty the wallet.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct RetiredDevice {
	/// The last owner.
	pub owner: AccountId,
	/// When it was retired.
	pub retired_at: UnixMs,
	/// Its last generation.
	pub generation: u32,
	/// Its last version of signing keys.
	pub auth_version: u32,
}

/// All that clients want to know of a device in one value, for runtime APIs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceSnapshot<Balance> {
	/// Owner; the last owner of a retired device.
	pub owner: AccountId,
	/// Status.
	pub status: DeviceStatus,
	/// When the status last changed.
	pub status_since: UnixMs,
	/// How often the owner changed.
	pub generation: u32,
	/// How often a key that signs telemetry was added or came by rotation.
	pub auth_version: u32,
	/// Gateway that holds the device's keys; `None` for retired devices.
	pub gateway: Option<AccountId>,
	/// Keys that sign or still deliver, in the order in which they were introduced; none for retired devices.
	pub keys: Vec<KeyRecord>,
	/// Hash of a document that describes the device; `None` for retired devices.
	pub profile: Option<H256>,
	/// Operators, expired grants included, in the order in which they were granted; none for retired devices.
	pub operators: Vec<Operator>,
	/// Services in the order in which their ids were first set; none for retired devices.
	pub services: Vec<Service>,
	/// To whom it is offered, if it is. The offer may have expired.
	pub offer: Option<TransferOffer<Balance>>,
}
