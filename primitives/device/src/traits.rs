//! How other pallets ask who may act for a device, without knowing the identity pallet.

use crate::{AccountId, DeviceId, DevicePublic, Production, Roles, Topic, UnixMs};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::H256;
use sp_runtime::{DispatchError, Weight};

/// Life-cycle status of a device.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum DeviceStatus {
	/// Works normally.
	#[codec(index = 0)]
	Active,
	/// Stopped by its owner or an operator that may: does nothing new; readings taken before may still be delivered.
	#[codec(index = 1)]
	Suspended,
	/// Out of its owner's hands: nothing it signed is accepted any more.
	#[codec(index = 2)]
	Lost,
	/// Gone for ever. Only a tombstone is left.
	#[codec(index = 3)]
	Retired,
}

/// What somebody wants to do for a device.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Action {
	/// Open and change streams, listings and other things the device owns: a key or an operator with `manage`, or
	/// the owner.
	#[codec(index = 0)]
	Manage,
	/// Commit the device's money: a key or an operator with `trade`, or the owner.
	#[codec(index = 1)]
	Trade,
	/// Wind down what is open (close, cancel, unbond). As `Manage`, and the owner may do it whatever the
	/// status of the device.
	#[codec(index = 2)]
	Close,
}

/// Leave to deliver readings signed by one key of one device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadingAuthority {
	/// The key with which to check the signature.
	pub public: DevicePublic,
	/// If set, only readings taken before this moment are accepted, and they count as late: the key was
	/// rotated, or the device suspended, at that moment.
	pub before: Option<UnixMs>,
}

/// A device key as the chain knows it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct KeyRecord {
	/// The device it belongs to.
	pub device: DeviceId,
	/// The public key.
	pub public: DevicePublic,
	/// What it may do.
	pub roles: Roles,
	/// The device's generation (owner changes) in which the key was introduced or last confirmed. A key of an
	/// earlier generation than the device's does nothing.
	pub generation: u32,
	/// When it was introduced.
	pub valid_from: UnixMs,
	/// When it stopped signing, if it did.
	pub valid_until: Option<UnixMs>,
	/// Last moment at which readings from before `valid_until` are taken that it signed. Set together with
	/// `valid_until`.
	pub deliver_until: Option<UnixMs>,
}

/// Decides who may act for a device. Each refusal is a named error of the identity pallet.
pub trait DeviceAuthority {
	/// Checks that `signer` may do `action` for a device and returns that device. `None` names the device
	/// of the signing key; `Some` is for the owner and operators, and for a key that names its device.
	fn authorize(
		signer: &AccountId,
		device: Option<&DeviceId>,
		action: Action,
	) -> Result<DeviceId, DispatchError>;

	/// As [`Self::authorize`], for markets: an account that neither is nor was a device key deals for
	/// itself when it names no device.
	fn participant(
		signer: &AccountId,
		device: Option<&DeviceId>,
		action: Action,
	) -> Result<AccountId, DispatchError>;

	/// Checks that readings signed by `key` for `device` may be delivered now. Does not check any signature.
	fn reading_authority(key: &AccountId, device: &DeviceId) -> Result<ReadingAuthority, DispatchError>;

	/// The device for which `key` may do something new now, if there is one: the key is neither rotated, removed nor
	/// waiting for a new owner's confirmation, and the device is active. Roles are another matter.
	fn acting_key(key: &AccountId) -> Option<ActingKey>;

	/// The most that any of these calls can cost, measured.
	fn weight() -> Weight;
}

/// A key that may act, and for whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActingKey {
	/// The device.
	pub device: DeviceId,
	/// Its owner.
	pub owner: AccountId,
	/// How often the device changed its owner.
	pub generation: u32,
	/// What the key may do.
	pub roles: Roles,
}

/// Read access to devices.
pub trait DeviceInspect {
	/// The owner; also the last owner of a retired device.
	fn owner(device: &DeviceId) -> Option<AccountId>;
	/// The status.
	fn status(device: &DeviceId) -> Option<DeviceStatus>;
	/// How often the device changed its owner. `None` for a retired or unknown device.
	fn generation(device: &DeviceId) -> Option<u32>;
	/// A key that is in use, waits for a new owner's confirmation, or was rotated. `None` for accounts that never were
	/// device keys, and for removed keys, of which only the interval is left.
	fn key(key: &AccountId) -> Option<KeyRecord>;
	/// True if one of `issuers` vouches for the device under `topic`: not expired, not revoked, and given for the keys
	/// that sign telemetry today. With `same_owner` it must also have been given under the present owner.
	fn has_attestation(device: &DeviceId, topic: Topic, issuers: &[AccountId], same_owner: bool) -> bool;
	/// What the first of `issuers` that vouches for the device under `topic` says: the hash of the claim. The rules are
	/// those of [`Self::has_attestation`].
	fn attested_claim(
		device: &DeviceId,
		topic: Topic,
		issuers: &[AccountId],
		same_owner: bool,
	) -> Option<H256>;
	/// Where a key was made, if somebody proved it and the manufacturer did not revoke the batch.
	fn production(key: &AccountId) -> Option<Production>;
}

/// The owner's limit on what a device's keys and operators may spend from its wallet. Whoever holds or takes money of
/// a wallet for them asks first. Markets say when they gave a hold back; a deposit that is released is not given back.
/// The owner's own acts are not limited.
pub trait SpendLimit {
	/// Books `amount` on the device's budget of the present period, or fails and changes nothing. No budget means
	/// that keys and operators spend nothing. Returns the period, by which [`SpendLimit::unspend`] is told.
	fn spend(device: &DeviceId, amount: u128) -> Result<BudgetPeriod, DispatchError>;
	/// Gives back what was booked in `period`, if that is still the present one; later it changes nothing.
	fn unspend(device: &DeviceId, amount: u128, period: BudgetPeriod);
	/// The most that either can cost, measured.
	fn weight() -> Weight;
}

/// Hears when a device leaves its owner: when it is retired and when it gets another owner. What an owner set for a
/// device ends there.
pub trait OnDeviceEnded {
	/// Called last by the act that ends the ownership, which it cannot stop. `device` is retired, or has its new owner.
	fn ended(device: &DeviceId);
	/// The most that it can cost, measured.
	fn weight() -> Weight;
}

/// For runtimes in which nobody keeps anything for the time of an ownership.
impl OnDeviceEnded for () {
	fn ended(_device: &DeviceId) {}
	fn weight() -> Weight {
		Weight::zero()
	}
}

/// A period of a device's budget. It changes when the period ends and when the owner sets another budget, so that
/// what was booked before is never given back to what came after.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct BudgetPeriod {
	/// Which budget of the device.
	pub budget: u32,
	/// Which period of it, from 0.
	pub number: u64,
}
