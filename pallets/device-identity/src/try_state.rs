//! What always holds in this pallet's storage.

use crate::{
	Attestations, BalanceOf, Batches, Config, DeviceKeys, Devices, HoldReason, KeyEntry, Keys, Operators,
	OwnedDevices, Pallet, Productions, RetiredDevices, Services, TransferOffers,
	registration::{list_size, size_in_state},
};
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
	///    ordered interval, the account that its public key gives, and exactly one reference on that account.
	/// 5. Each tombstone of a key has an ordered interval, a device that lives or was retired, and no reference on its
	///    account.
	/// 6. A device counts as many keys as name it.
	/// 7. Each entry of the owners' index names a device of that owner.
	/// 8. A device's deposit is held on no account but the wallet of a device that is not retired.
	/// 9. A list of operators belongs to a device, is not empty, names no account twice and not the owner; each grant
	///    allows something and is of the device's generation.
	/// 10. A list of services belongs to a device, is not empty and names no id twice; each service has its form.
	/// 11. An offer is of a device, to another account than its owner.
	/// 12. A device counts the bytes of its operators, services and offer.
	/// 13. An attestation is of a device that lives or was retired, for versions that it has reached, and was not issued
	///     after its end; its topic has its form.
	/// 14. A key with a known origin is active; the batch exists, has keys, and so many that one has this index.
	/// 15. What is held on an account for attestations and batches is the sum of what these record.
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
						frame_system::Pallet::<T>::sufficients(&account) == 1,
						"4: an active key without its one reference"
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
					ensure!(
						frame_system::Pallet::<T>::sufficients(&account) == 0,
						"5: a removed key with a reference"
					);
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

		for (device, operators) in Operators::<T>::iter() {
			let record = Devices::<T>::get(&device).ok_or("9: operators without a device")?;
			ensure!(!operators.is_empty(), "9: an empty list of operators");
			let accounts: BTreeSet<_> = operators.iter().map(|grant| &grant.account).collect();
			ensure!(
				accounts.len() == operators.len(),
				"9: an operator is listed twice"
			);
			ensure!(!accounts.contains(&record.owner), "9: an owner is an operator");
			for grant in &operators {
				ensure!(!grant.actions.is_empty(), "9: a grant without an action");
				ensure!(
					grant.generation == record.generation,
					"9: a grant of another generation"
				);
			}
		}

		for (device, services) in Services::<T>::iter() {
			ensure!(
				Devices::<T>::contains_key(&device),
				"10: services without a device"
			);
			ensure!(!services.is_empty(), "10: an empty list of services");
			let ids: BTreeSet<_> = services.iter().map(|service| &service.id).collect();
			ensure!(ids.len() == services.len(), "10: a service is listed twice");
			ensure!(
				services.iter().all(m2m_device::Service::check),
				"10: a service without its form"
			);
		}

		for (device, offer) in TransferOffers::<T>::iter() {
			let record = Devices::<T>::get(&device).ok_or("11: an offer without a device")?;
			ensure!(offer.to != record.owner, "11: an offer to the owner");
		}

		for (device, record) in Devices::<T>::iter() {
			let operators = list_size(&Operators::<T>::get(&device));
			let services = list_size(&Services::<T>::get(&device));
			let offer = TransferOffers::<T>::get(&device).map_or(0, |offer| size_in_state(&offer));
			let listed = operators.saturating_add(services).saturating_add(offer);
			ensure!(
				listed == record.listed_bytes,
				"12: a device miscounts what is listed"
			);
		}

		let mut deposits = BTreeMap::<AccountId, BalanceOf<T>>::new();
		for ((device, topic, issuer), attestation) in Attestations::<T>::iter() {
			let (auth_version, generation) = match Devices::<T>::get(&device) {
				Some(record) => (record.auth_version, record.generation),
				None => {
					let retired =
						RetiredDevices::<T>::get(&device).ok_or("13: an attestation of an unknown device")?;
					(retired.auth_version, retired.generation)
				}
			};
			ensure!(
				attestation.auth_version <= auth_version && attestation.generation <= generation,
				"13: an attestation for a later version"
			);
			ensure!(
				attestation.issued <= attestation.expires,
				"13: an attestation that never counted"
			);
			ensure!(topic.is_valid(), "13: a topic without its form");
			deposits
				.entry(issuer)
				.or_default()
				.saturating_accrue(attestation.deposit);
		}
		for (issuer, _, batch) in Batches::<T>::iter() {
			ensure!(batch.count > 0, "14: a batch without keys");
			deposits
				.entry(issuer)
				.or_default()
				.saturating_accrue(batch.deposit);
		}
		for (key, production) in Productions::<T>::iter() {
			let active = matches!(Keys::<T>::get(&key), Some(KeyEntry::Active(_)));
			ensure!(active, "14: the origin of a key that is not active");
			let batch = Batches::<T>::get(&production.issuer, production.root)
				.ok_or("14: a key from an unknown batch")?;
			ensure!(production.index < batch.count, "14: a key from outside its batch");
		}
		let issuers = HoldReason::AttestationDeposit.into();
		for account in frame_system::Account::<T>::iter_keys() {
			let wallet = Devices::<T>::contains_key(&account);
			ensure!(
				wallet || T::Currency::balance_on_hold(&reason, &account).is_zero(),
				"8: a device's deposit on an account that is no device"
			);
			let recorded = deposits.remove(&account).unwrap_or_default();
			ensure!(
				T::Currency::balance_on_hold(&issuers, &account) == recorded,
				"15: an issuer's hold is not what its attestations and batches record"
			);
		}
		ensure!(deposits.is_empty(), "15: an issuer without an account");
		Ok(())
	}
}
