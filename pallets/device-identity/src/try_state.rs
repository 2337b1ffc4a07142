//! What always holds in this pallet's storage.

use crate::{Config, DeviceKeys, Devices, HoldReason, KeyEntry, Keys, OwnedDevices, Pallet, RetiredDevices};
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::{
	ensure,
	traits::fungible::{Inspect, InspectHold},
};
use m2m_device::{AccountId, DeviceId, DeviceStatus};
use sp_runtime::{Saturating, TryRuntimeError, traits::Zero};

impl<T: Config> Pallet<T> {
	/// Checks, over the whole state:
	///
	/// 1. A device is not retired, neither by status nor by tombstone, is in its owner's index, and its owner is
	///    not, and never was, a device key.
	/// 2. What is held on a device's wallet for this pallet is the recorded deposit, and the wallet has at least
	///    the existential deposit besides.
	/// 3. Each listed key is active, belongs to that device, and is listed once.
	/// 4. Each active key is listed by a living device, has a role, a generation that the device has reached, an
	///    ordered interval, the account that its public key gives, and a reference on that account.
	/// 5. Each tombstone of a key has an ordered interval and a device that lives or was retired.
	/// 6. A device counts as many keys as name it.
	/// 7. Each entry of the owners' index names a device of that owner.
	/// 8. Nothing is held for this pallet on the wallet of a retired device. (By 1, 3 and 4 it has no keys either.)
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let reason = HoldReason::DeviceDeposit.into();
		let minimum = T::Currency::minimum_balance();
		let mut named_by_keys = BTreeMap::<DeviceId, u32>::new();
		let mut listed = BTreeSet::<AccountId>::new();

		for (device, keys) in DeviceKeys::<T>::iter() {
			ensure!(
				Devices::<T>::contains_key(&device),
				"3: a list of keys without a device"
			);
			for account in keys {
				let Some(KeyEntry::Active(key)) = Keys::<T>::get(&account) else {
					return Err("3: a listed key is not active".into());
				};
				ensure!(key.device == device, "3: a listed key belongs to another device");
				ensure!(listed.insert(account), "3: a key is listed twice");
			}
		}

		for (account, entry) in Keys::<T>::iter() {
			named_by_keys
				.entry(entry.device().clone())
				.or_default()
				.saturating_inc();
			match entry {
				KeyEntry::Active(key) => {
					let Some(record) = Devices::<T>::get(&key.device) else {
						return Err("4: an active key without a living device".into());
					};
					ensure!(listed.remove(&account), "4: an active key is not listed");
					ensure!(!key.roles.is_empty(), "4: an active key without a role");
					ensure!(
						key.generation <= record.generation,
						"4: a key from a later generation"
					);
					ensure!(
						key.public.account() == account,
						"4: a key under a foreign account"
					);
					ensure!(
						frame_system::Pallet::<T>::sufficients(&account) >= 1,
						"4: an active key without a reference"
					);
					if let Some(rotation) = key.rotation {
						let ordered = key.valid_from <= rotation.at && rotation.at <= rotation.deliver_until;
						ensure!(ordered, "4: a key's interval is out of order");
					}
				}
				KeyEntry::Removed(key) => {
					ensure!(
						key.valid_from <= key.valid_until,
						"5: a removed key's interval is out of order"
					);
					let known = Devices::<T>::contains_key(&key.device)
						|| RetiredDevices::<T>::contains_key(&key.device);
					ensure!(known, "5: a removed key of an unknown device");
				}
			}
		}

		for (device, record) in Devices::<T>::iter() {
			ensure!(
				record.status != DeviceStatus::Retired,
				"1: a device with the status of a tombstone"
			);
			ensure!(
				!RetiredDevices::<T>::contains_key(&device),
				"1: a device is also retired"
			);
			ensure!(
				OwnedDevices::<T>::contains_key(&record.owner, &device),
				"1: a device is not in its owner's index"
			);
			ensure!(
				!Keys::<T>::contains_key(&record.owner),
				"1: an owner is or was a device key"
			);
			ensure!(
				T::Currency::balance_on_hold(&reason, &device) == record.deposit,
				"2: a wallet's hold is not the recorded deposit"
			);
			ensure!(
				T::Currency::balance(&device) >= minimum,
				"2: a wallet below the existential deposit"
			);
			let named = named_by_keys.get(&device).copied().unwrap_or_default();
			ensure!(named == record.keys_introduced, "6: a device miscounts its keys");
		}

		for (owner, device, ()) in OwnedDevices::<T>::iter() {
			let owned = Devices::<T>::get(&device).is_some_and(|record| record.owner == owner);
			ensure!(owned, "7: an index entry without a device of that owner");
		}

		for (device, _) in RetiredDevices::<T>::iter() {
			ensure!(
				T::Currency::balance_on_hold(&reason, &device).is_zero(),
				"8: a deposit on the wallet of a retired device"
			);
		}
		Ok(())
	}
}
