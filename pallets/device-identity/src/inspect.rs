//! Read access for other pallets and for runtime APIs.

use crate::{
	BalanceOf, Config, DeviceKeys, DeviceSnapshot, Devices, KeyEntry, Keys, Operators, OwnedDevices, Pallet,
	RetiredDevices, Services, TransferOffers,
};
use alloc::vec::Vec;
use m2m_device::{AccountId, DeviceId, DeviceInspect, DeviceStatus, KeyRecord, Production, Topic};
use sp_core::H256;

/// Most items in one page of [`Pallet::devices_of`] and [`Pallet::attestations`].
pub const MAX_PAGE: u32 = 256;

impl<T: Config> DeviceInspect for Pallet<T> {
	fn owner(device: &DeviceId) -> Option<AccountId> {
		match Devices::<T>::get(device) {
			Some(record) => Some(record.owner),
			None => RetiredDevices::<T>::get(device).map(|retired| retired.owner),
		}
	}

	fn status(device: &DeviceId) -> Option<DeviceStatus> {
		match Devices::<T>::get(device) {
			Some(record) => Some(record.status),
			None => RetiredDevices::<T>::contains_key(device).then_some(DeviceStatus::Retired),
		}
	}

	fn generation(device: &DeviceId) -> Option<u32> {
		Devices::<T>::get(device).map(|record| record.generation)
	}

	fn key(key: &AccountId) -> Option<KeyRecord> {
		match Keys::<T>::get(key)? {
			KeyEntry::Active(key) => Some(key.into_record()),
			KeyEntry::Removed(_) => None,
		}
	}

	fn has_attestation(device: &DeviceId, topic: Topic, issuers: &[AccountId], same_owner: bool) -> bool {
		Self::standing_claim(device, topic, issuers, same_owner).is_some()
	}

	fn attested_claim(
		device: &DeviceId,
		topic: Topic,
		issuers: &[AccountId],
		same_owner: bool,
	) -> Option<H256> {
		Self::standing_claim(device, topic, issuers, same_owner)
	}

	fn production(key: &AccountId) -> Option<Production> {
		Self::standing_production(key)
	}
}

impl<T: Config> Pallet<T> {
	/// A device with its keys, live or retired; `None` if the chain never knew it.
	pub fn snapshot(device: &DeviceId) -> Option<DeviceSnapshot<BalanceOf<T>>> {
		if let Some(record) = Devices::<T>::get(device) {
			let keys = DeviceKeys::<T>::get(device);
			return Some(DeviceSnapshot {
				owner: record.owner,
				status: record.status,
				status_since: record.status_since,
				generation: record.generation,
				auth_version: record.auth_version,
				gateway: record.gateway,
				keys: keys.iter().filter_map(<Self as DeviceInspect>::key).collect(),
				profile: record.profile,
				operators: Operators::<T>::get(device).into_inner(),
				services: Services::<T>::get(device).into_inner(),
				offer: TransferOffers::<T>::get(device),
			});
		}
		RetiredDevices::<T>::get(device).map(|retired| DeviceSnapshot {
			owner: retired.owner,
			status: DeviceStatus::Retired,
			status_since: retired.retired_at,
			generation: retired.generation,
			auth_version: retired.auth_version,
			gateway: None,
			keys: Vec::new(),
			profile: None,
			operators: Vec::new(),
			services: Vec::new(),
			offer: None,
		})
	}

	/// The device to which a key belongs or belonged.
	pub fn device_of_key(key: &AccountId) -> Option<DeviceId> {
		Keys::<T>::get(key).map(|entry| entry.device().clone())
	}

	/// The devices of an owner that are not retired, in the fixed order of their storage keys: at most `limit`
	/// (never more than [`MAX_PAGE`]) that come after `after`. The device `after` need not exist any more, so
	/// that a listing goes on while devices are retired.
	pub fn devices_of(owner: &AccountId, after: Option<&DeviceId>, limit: u32) -> Vec<DeviceId> {
		let devices = match after {
			None => OwnedDevices::<T>::iter_key_prefix(owner),
			Some(after) => OwnedDevices::<T>::iter_key_prefix_from(
				owner,
				OwnedDevices::<T>::hashed_key_for(owner, after),
			),
		};
		devices.take(limit.min(MAX_PAGE) as usize).collect()
	}
}
