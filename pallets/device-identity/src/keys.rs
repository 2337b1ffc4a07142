//! Adding, rotating, removing and expiring keys.

use crate::{
	Config, DeviceKey, DeviceKeys, DeviceOf, Devices, Error, Event, Introducer, KeyEntry, KeyList, Keys,
	Pallet, Productions, RemovedKey, Rotation, authority::Signer,
};
use frame_support::{ensure, traits::Get};
use m2m_device::{AccountId, DeviceId, DevicePublic, PossessionAction, PossessionProof, Roles, UnixMs};
use sp_runtime::{DispatchError, Saturating};

impl<T: Config> Pallet<T> {
	/// Puts a new key into the device's list and gives its account a reference, so that it can send without a
	/// balance. Whoever calls this stores `record` and `keys` and raises the deposit.
	pub(crate) fn introduce_key(
		record: &mut DeviceOf<T>,
		keys: &mut KeyList<T>,
		account: AccountId,
		key: DeviceKey,
	) -> Result<(), Error<T>> {
		record.keys_introduced = record.keys_introduced.checked_add(1).ok_or(Error::TooManyKeys)?;
		keys.try_push(account.clone()).map_err(|_| Error::TooManyKeys)?;
		if key.roles.authenticate {
			// Each key costs a deposit, so nobody counts to the end.
			record.auth_version.saturating_inc();
		}
		frame_system::Pallet::<T>::inc_sufficients(&account);
		Keys::<T>::insert(account, KeyEntry::Active(key));
		Ok(())
	}

	/// Turns a key into a tombstone, forgets where it was made and drops its account's reference. Whoever calls this
	/// takes it off the list.
	pub(crate) fn bury_key(account: &AccountId, key: DeviceKey, now: UnixMs) {
		let tombstone = RemovedKey {
			device: key.device,
			scheme: key.public.scheme(),
			valid_from: key.valid_from,
			valid_until: key.rotation.map_or(now, |rotation| rotation.at),
		};
		Keys::<T>::insert(account, KeyEntry::Removed(tombstone));
		Productions::<T>::remove(account);
		frame_system::Pallet::<T>::dec_sufficients(account);
	}

	/// Buries the keys of a list whose time to deliver is over. Returns how many.
	fn prune(device: &DeviceId, keys: &mut KeyList<T>, now: UnixMs) -> u32 {
		let mut pruned = 0u32;
		keys.retain(|account| match Keys::<T>::get(account) {
			Some(KeyEntry::Active(key)) if key.is_expired(now) => {
				Self::bury_key(account, key, now);
				Self::deposit_event(Event::KeyPruned {
					device: device.clone(),
					key: account.clone(),
				});
				pruned.saturating_inc();
				false
			}
			_ => true,
		});
		pruned
	}

	/// A key in the list of this device.
	pub(crate) fn listed_key(device: &DeviceId, account: &AccountId) -> Result<DeviceKey, Error<T>> {
		match Keys::<T>::get(account).ok_or(Error::UnknownKey)? {
			entry if entry.device() != device => Err(Error::ForeignKey),
			KeyEntry::Removed(_) => Err(Error::KeyRemoved),
			KeyEntry::Active(key) => Ok(key),
		}
	}

	/// See [`Pallet::add_key`]. Returns how many expired keys were buried on the way.
	pub(crate) fn do_add_key(
		who: &AccountId,
		device: Option<DeviceId>,
		public: DevicePublic,
		roles: Roles,
		proof: PossessionProof,
	) -> Result<u32, DispatchError> {
		let (id, mut record, signer) = Self::resolve_owner_or_key(who, device.as_ref())?;
		let introduced_by = if let Signer::Key(key) = &signer {
			Self::ensure_key_acts(&record, key)?;
			ensure!(
				key.roles.manage && key.roles.contains(roles),
				Error::<T>::RoleMissing
			);
			Introducer::Key(key.line.clone())
		} else {
			Introducer::Owner
		};
		let now = Self::now();
		let account = public.account();
		Self::ensure_may_be_introduced(&account, &record.owner, roles)?;
		Self::ensure_possession(
			PossessionAction::Add,
			&record.owner,
			Some(&id),
			roles,
			&public,
			&proof,
			now,
		)?;

		let mut keys = DeviceKeys::<T>::get(&id);
		let pruned = Self::prune(&id, &mut keys, now);
		let key = DeviceKey {
			device: id.clone(),
			public,
			roles,
			introduced_by,
			line: account.clone(),
			generation: record.generation,
			valid_from: now,
			rotation: None,
		};
		Self::introduce_key(&mut record, &mut keys, account.clone(), key)?;
		Self::settle_deposit(&id, &mut record, &signer)?;
		Devices::<T>::insert(&id, record);
		DeviceKeys::<T>::insert(&id, keys);
		Self::deposit_event(Event::KeyAdded {
			device: id,
			key: account,
			roles,
			by: who.clone(),
		});
		Ok(pruned)
	}

	/// See [`Pallet::rotate_key`]. Returns how many expired keys were buried on the way.
	pub(crate) fn do_rotate_key(
		who: &AccountId,
		device: Option<DeviceId>,
		old: AccountId,
		public: DevicePublic,
		proof: PossessionProof,
		overlap_ms: UnixMs,
	) -> Result<u32, DispatchError> {
		ensure!(
			overlap_ms <= T::MaxRotationOverlap::get(),
			Error::<T>::OverlapTooLong
		);
		let (id, mut record, signer) = Self::resolve_owner_or_key(who, device.as_ref())?;
		if let Signer::Key(key) = &signer {
			Self::ensure_key_acts(&record, key)?;
			ensure!(*who == old, Error::<T>::NotOwnKey);
		}
		let mut replaced = Self::listed_key(&id, &old)?;
		ensure!(replaced.rotation.is_none(), Error::<T>::KeyRotated);
		ensure!(
			replaced.generation == record.generation,
			Error::<T>::KeyUnconfirmed
		);
		let now = Self::now();
		let account = public.account();
		Self::ensure_may_be_introduced(&account, &record.owner, replaced.roles)?;
		Self::ensure_possession(
			PossessionAction::Rotate,
			&record.owner,
			Some(&id),
			replaced.roles,
			&public,
			&proof,
			now,
		)?;

		let mut keys = DeviceKeys::<T>::get(&id);
		let pruned = Self::prune(&id, &mut keys, now);
		let key = DeviceKey {
			device: id.clone(),
			public,
			roles: replaced.roles,
			introduced_by: replaced.introduced_by.clone(),
			line: replaced.line.clone(),
			generation: record.generation,
			valid_from: now,
			rotation: None,
		};
		let deliver_until = now.saturating_add(overlap_ms);
		if overlap_ms == 0 {
			// Nothing is left to deliver, so the old key needs no place in the list.
			keys.retain(|listed| *listed != old);
			Self::bury_key(&old, replaced, now);
		} else {
			replaced.rotation = Some(Rotation {
				at: now,
				deliver_until,
			});
			Keys::<T>::insert(&old, KeyEntry::Active(replaced));
		}
		Self::introduce_key(&mut record, &mut keys, account.clone(), key)?;
		Self::settle_deposit(&id, &mut record, &signer)?;
		Devices::<T>::insert(&id, record);
		DeviceKeys::<T>::insert(&id, keys);
		Self::deposit_event(Event::KeyRotated {
			device: id,
			old,
			new: account,
			deliver_until,
		});
		Ok(pruned)
	}

	/// See [`Pallet::remove_key`]. Returns how many expired keys were buried on the way.
	pub(crate) fn do_remove_key(
		who: &AccountId,
		device: Option<DeviceId>,
		account: AccountId,
	) -> Result<u32, DispatchError> {
		let (id, record, signer) = Self::resolve_owner_or_key(who, device.as_ref())?;
		if let Signer::Key(key) = &signer {
			Self::ensure_key_acts(&record, key)?;
			ensure!(key.roles.manage, Error::<T>::RoleMissing);
		}
		let now = Self::now();
		let mut keys = DeviceKeys::<T>::get(&id);
		let pruned = Self::prune(&id, &mut keys, now);
		let removed = Self::listed_key(&id, &account)?;
		if let Signer::Key(key) = &signer {
			let added_it = removed.introduced_by == Introducer::Key(key.line.clone());
			ensure!(account == *who || added_it, Error::<T>::NotIntroducedBySigner);
		}
		keys.retain(|listed| *listed != account);
		Self::bury_key(&account, removed, now);
		DeviceKeys::<T>::insert(&id, keys);
		Self::deposit_event(Event::KeyRemoved {
			device: id,
			key: account,
		});
		Ok(pruned)
	}

	/// See [`Pallet::prune_keys`]. Returns how many keys were buried.
	pub(crate) fn do_prune_keys(device: &DeviceId) -> Result<u32, Error<T>> {
		Self::live_device(device)?;
		let mut keys = DeviceKeys::<T>::get(device);
		let pruned = Self::prune(device, &mut keys, Self::now());
		ensure!(pruned > 0, Error::NothingToPrune);
		DeviceKeys::<T>::insert(device, keys);
		Ok(pruned)
	}
}
