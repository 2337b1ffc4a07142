//! Who may act for a device: the answers behind [`DeviceAuthority`] and behind our own calls.

use crate::{
	Config, DeviceKey, DeviceOf, Devices, Error, KeyEntry, Keys, Pallet, RetiredDevices, weights::WeightInfo,
};
use frame_support::{ensure, pallet_prelude::Weight};
use m2m_device::{AccountId, ActingKey, Action, DeviceAuthority, DeviceId, DeviceStatus, ReadingAuthority};
use sp_runtime::DispatchError;

/// In which capacity somebody signs for a device.
pub(crate) enum Signer {
	/// As its owner.
	Owner,
	/// As one of its keys, in whatever state that key is.
	Key(DeviceKey),
	/// As neither, and then only by a grant.
	Operator,
}

impl<T: Config> Pallet<T> {
	/// A device that is not retired.
	pub(crate) fn live_device(id: &DeviceId) -> Result<DeviceOf<T>, Error<T>> {
		Devices::<T>::get(id).ok_or_else(|| {
			if RetiredDevices::<T>::contains_key(id) {
				Error::DeviceRetired
			} else {
				Error::UnknownDevice
			}
		})
	}

	/// A device that is not retired, if `who` owns it.
	pub(crate) fn owned_device(who: &AccountId, id: &DeviceId) -> Result<DeviceOf<T>, Error<T>> {
		let record = Self::live_device(id)?;
		ensure!(record.owner == *who, Error::NotOwner);
		Ok(record)
	}

	/// Finds the device that `signer` signs for and in which capacity. Says nothing yet about what the signer
	/// may do. An owner is never a device key, and a device key never acts as an operator, so that no two capacities
	/// apply.
	fn resolve(
		signer: &AccountId,
		device: Option<&DeviceId>,
	) -> Result<(DeviceId, DeviceOf<T>, Signer), Error<T>> {
		let entry = Keys::<T>::get(signer);
		let id = match (device, &entry) {
			(Some(id), _) => id.clone(),
			(None, Some(entry)) => entry.device().clone(),
			(None, None) => return Err(Error::UnknownKey),
		};
		let record = Self::live_device(&id)?;
		let capacity = match entry {
			None if record.owner == *signer => Signer::Owner,
			None => Signer::Operator,
			Some(entry) => {
				ensure!(*entry.device() == id, Error::ForeignKey);
				match entry {
					KeyEntry::Active(key) => Signer::Key(key),
					KeyEntry::Removed(_) => return Err(Error::KeyRemoved),
				}
			}
		};
		Ok((id, record, capacity))
	}

	/// As [`Self::resolve`], for what operators do not do.
	pub(crate) fn resolve_owner_or_key(
		signer: &AccountId,
		device: Option<&DeviceId>,
	) -> Result<(DeviceId, DeviceOf<T>, Signer), Error<T>> {
		let resolved = Self::resolve(signer, device)?;
		ensure!(!matches!(resolved.2, Signer::Operator), Error::NotOwner);
		Ok(resolved)
	}

	/// As [`Self::resolve`], if the signer may do `action` for the device now.
	pub(crate) fn authorized(
		signer: &AccountId,
		device: Option<&DeviceId>,
		action: Action,
	) -> Result<(DeviceId, DeviceOf<T>, Signer), Error<T>> {
		let (id, record, capacity) = Self::resolve(signer, device)?;
		match &capacity {
			Signer::Owner => {
				if action != Action::Close {
					Self::ensure_active(&record)?;
				}
			}
			Signer::Key(key) => {
				Self::ensure_key_acts(&record, key)?;
				let granted = match action {
					Action::Manage | Action::Close => key.roles.manage,
					Action::Trade => key.roles.trade,
				};
				ensure!(granted, Error::RoleMissing);
			}
			Signer::Operator => {
				let grant = Self::valid_grant(signer, &id, &record)?;
				Self::ensure_active(&record)?;
				ensure!(grant.actions.allows(action), Error::ActionNotGranted);
			}
		}
		Ok((id, record, capacity))
	}

	/// Fails unless the device may do something new.
	fn ensure_active(record: &DeviceOf<T>) -> Result<(), Error<T>> {
		match record.status {
			DeviceStatus::Active => Ok(()),
			DeviceStatus::Suspended => Err(Error::DeviceSuspended),
			DeviceStatus::Lost => Err(Error::DeviceLost),
			DeviceStatus::Retired => Err(Error::DeviceRetired),
		}
	}

	/// Fails unless the key may do something new. Its roles are another matter.
	pub(crate) fn ensure_key_acts(record: &DeviceOf<T>, key: &DeviceKey) -> Result<(), Error<T>> {
		ensure!(key.rotation.is_none(), Error::KeyRotated);
		ensure!(key.generation == record.generation, Error::KeyUnconfirmed);
		Self::ensure_active(record)
	}
}

impl<T: Config> DeviceAuthority for Pallet<T> {
	fn authorize(
		signer: &AccountId,
		device: Option<&DeviceId>,
		action: Action,
	) -> Result<DeviceId, DispatchError> {
		let (id, ..) = Self::authorized(signer, device, action)?;
		Ok(id)
	}

	fn participant(
		signer: &AccountId,
		device: Option<&DeviceId>,
		action: Action,
	) -> Result<AccountId, DispatchError> {
		if device.is_none() && !Keys::<T>::contains_key(signer) {
			return Ok(signer.clone());
		}
		Self::authorize(signer, device, action)
	}

	fn reading_authority(key: &AccountId, device: &DeviceId) -> Result<ReadingAuthority, DispatchError> {
		let entry = Keys::<T>::get(key).ok_or(Error::<T>::UnknownKey)?;
		ensure!(entry.device() == device, Error::<T>::ForeignKey);
		let record = Self::live_device(device)?;
		let KeyEntry::Active(key) = entry else {
			return Err(Error::<T>::KeyRemoved.into());
		};
		ensure!(!key.is_expired(Self::now()), Error::<T>::KeyExpired);
		ensure!(key.generation == record.generation, Error::<T>::KeyUnconfirmed);
		ensure!(key.roles.authenticate, Error::<T>::RoleMissing);
		let suspended = match record.status {
			DeviceStatus::Suspended => Some(record.status_since),
			_ => {
				Self::ensure_active(&record)?;
				None
			}
		};
		let rotated = key.rotation.map(|rotation| rotation.at);
		Ok(ReadingAuthority {
			public: key.public,
			before: [rotated, suspended].into_iter().flatten().min(),
		})
	}

	fn acting_key(key: &AccountId) -> Option<ActingKey> {
		let Some(KeyEntry::Active(key)) = Keys::<T>::get(key) else {
			return None;
		};
		let record = Devices::<T>::get(&key.device)?;
		Self::ensure_key_acts(&record, &key).ok()?;
		Some(ActingKey {
			device: key.device,
			owner: record.owner,
			generation: record.generation,
			roles: key.roles,
		})
	}

	fn weight() -> Weight {
		// `acting_key` reads a part of what `reading_authority` reads.
		T::WeightInfo::authorize()
			.max(T::WeightInfo::authorize_operator())
			.max(T::WeightInfo::reading_authority())
	}
}
