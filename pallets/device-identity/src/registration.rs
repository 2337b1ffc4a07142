//! How a device comes to the chain, and what its storage costs.

use crate::{
	BalanceOf, Config, Device, DeviceKey, DeviceKeys, DeviceOf, Devices, Error, Event, HoldReason,
	Introducer, KeyEntry, Keys, OwnedDevices, Pallet, Registration, authority::Signer,
};
use codec::{Encode, MaxEncodedLen};
use frame_support::{
	BoundedVec, ensure,
	traits::{
		Footprint, Get,
		fungible::{Inspect, Mutate, MutateHold},
		tokens::{Fortitude::Polite, Preservation::Preserve},
	},
};
use m2m_device::{
	AccountId, DeviceId, DevicePublic, DeviceStatus, KeyClaim, MAX_PROOF_VALIDITY_MS, PossessionAction,
	PossessionProof, Production, Roles, SpendLimit, UnixMs,
};
use sp_runtime::{
	DispatchError, DispatchResult, SaturatedConversion, Saturating,
	traits::{Convert, Zero},
};

/// Length of a `Blake2_128Concat` map key made from one account.
const ACCOUNT_KEY_LEN: u64 = 16 + 32;

/// Bytes of an item that is stored under a device's id, its key included.
pub(crate) fn size_in_state(item: &impl Encode) -> u32 {
	ACCOUNT_KEY_LEN
		.saturating_add(item.encoded_size() as u64)
		.saturated_into()
}

/// Bytes of a list that is stored under a device's id unless it is empty.
pub(crate) fn list_size<Item: Encode, Bound>(list: &BoundedVec<Item, Bound>) -> u32 {
	if list.is_empty() {
		0
	} else {
		size_in_state(&list.as_slice())
	}
}

impl<T: Config> Pallet<T> {
	/// What the storage of a device costs that ever had `keys` keys and has neither operators nor services nor an
	/// offer. Tombstones count, because they stay.
	pub fn deposit_for(keys: u32) -> BalanceOf<T> {
		Self::storage_price(keys, 0)
	}

	/// What the storage of this device costs.
	pub(crate) fn deposit_of(record: &DeviceOf<T>) -> BalanceOf<T> {
		Self::storage_price(record.keys_introduced, record.listed_bytes)
	}

	fn storage_price(keys: u32, listed_bytes: u32) -> BalanceOf<T> {
		let own = (DeviceOf::<T>::max_encoded_len() as u64)
			.saturating_add(BoundedVec::<AccountId, T::MaxKeys>::max_encoded_len() as u64)
			// The keys of the device, of its list and, two accounts long, of the owner's index.
			.saturating_add(ACCOUNT_KEY_LEN.saturating_mul(4));
		// Room for its proven origin is part of a key's price: whoever proves it later need not pay, and cannot make the
		// device pay.
		let per_key = (KeyEntry::max_encoded_len() as u64)
			.saturating_add(Production::max_encoded_len() as u64)
			.saturating_add(ACCOUNT_KEY_LEN.saturating_mul(2));
		let size = own
			.saturating_add(per_key.saturating_mul(keys.into()))
			.saturating_add(listed_bytes.into());
		// One blob with all the bytes: a linear price multiplies the two numbers.
		T::DepositPrice::convert(Footprint { count: 1, size })
	}

	/// Fails if `owner` is or was a device key: whoever steals a device would control the fleet, and removing
	/// the key would not end it.
	pub(crate) fn ensure_may_own(owner: &AccountId) -> Result<(), Error<T>> {
		ensure!(!Keys::<T>::contains_key(owner), Error::OwnerIsDeviceKey);
		Ok(())
	}

	/// Fails unless a key may be introduced to a device of `owner` with these roles.
	///
	/// This also keeps a device from being registered twice, even after its retirement: its id follows from its
	/// first key, whose entry never goes away.
	pub(crate) fn ensure_may_be_introduced(
		key: &AccountId,
		owner: &AccountId,
		roles: Roles,
	) -> Result<(), Error<T>> {
		ensure!(!roles.is_empty(), Error::NoRoles);
		ensure!(!Keys::<T>::contains_key(key), Error::KeyAlreadyUsed);
		let owns_devices = OwnedDevices::<T>::iter_key_prefix(key).next().is_some();
		ensure!(key != owner && !owns_devices, Error::KeyIsOwner);
		Ok(())
	}

	/// Fails unless `proof` is the key's consent to exactly this act, now.
	pub(crate) fn ensure_possession(
		action: PossessionAction,
		owner: &AccountId,
		device: Option<&DeviceId>,
		roles: Roles,
		public: &DevicePublic,
		proof: &PossessionProof,
		now: UnixMs,
	) -> Result<(), Error<T>> {
		ensure!(now <= proof.expires, Error::ProofExpired);
		ensure!(
			proof.expires <= now.saturating_add(MAX_PROOF_VALIDITY_MS),
			Error::ProofTooLong
		);
		let claim = KeyClaim {
			genesis: T::Genesis::get(),
			action,
			owner,
			device,
			roles,
			public,
			expires: proof.expires,
		};
		ensure!(claim.verify(&proof.signature), Error::BadProof);
		Ok(())
	}

	/// Moves `amount` from the owner to the wallet. The owner's account stays alive.
	fn endow_wallet(owner: &AccountId, wallet: &DeviceId, amount: BalanceOf<T>) -> DispatchResult {
		if amount.is_zero() {
			return Ok(());
		}
		ensure!(
			T::Currency::reducible_balance(owner, Preserve, Polite) >= amount,
			Error::<T>::OwnerCannotPay
		);
		T::Currency::transfer(owner, wallet, amount, Preserve)?;
		Ok(())
	}

	/// Makes the deposit what the device's storage costs now. The owner pays what the owner signs; what a key or an
	/// operator signs is paid from the wallet's free money and counts on the owner's budget: keys that are introduced
	/// and services that are set in a circle would lock all of it otherwise.
	pub(crate) fn settle_deposit(id: &DeviceId, record: &mut DeviceOf<T>, signer: &Signer) -> DispatchResult {
		let due = Self::deposit_of(record);
		let missing = due.saturating_sub(record.deposit);
		match signer {
			Signer::Owner => Self::endow_wallet(&record.owner, id, missing)?,
			Signer::Key(_) | Signer::Operator => {
				let free = T::Currency::reducible_balance(id, Preserve, Polite);
				ensure!(free >= missing, Error::<T>::WalletCannotPay);
				if !missing.is_zero() {
					T::SpendLimit::spend(id, missing.saturated_into())?;
				}
			}
		}
		// What is stored may also have shrunk, or an upgrade made storage cheaper; then the difference becomes free
		// money of the wallet.
		T::Currency::set_on_hold(&HoldReason::DeviceDeposit.into(), id, due)?;
		record.deposit = due;
		Ok(())
	}

	/// Gives back to the wallet what the deposit is too high after something was removed. Takes nothing if an
	/// upgrade made storage dearer: a removal is never refused for want of money.
	pub(crate) fn lower_deposit(id: &DeviceId, record: &mut DeviceOf<T>) -> DispatchResult {
		record.deposit = record.deposit.min(Self::deposit_of(record));
		T::Currency::set_on_hold(&HoldReason::DeviceDeposit.into(), id, record.deposit)
	}

	/// Registers one device. The caller has checked the owner with [`Self::ensure_may_own`].
	pub(crate) fn do_register(owner: &AccountId, registration: Registration) -> DispatchResult {
		let Registration {
			public,
			roles,
			proof,
			gateway,
			profile,
		} = registration;
		let now = Self::now();
		let key = public.account();
		Self::ensure_may_be_introduced(&key, owner, roles)?;
		Self::ensure_possession(
			PossessionAction::Register,
			owner,
			None,
			roles,
			&public,
			&proof,
			now,
		)?;

		let id = public.device_id();
		let mut record = Device {
			owner: owner.clone(),
			status: DeviceStatus::Active,
			status_since: now,
			generation: 0,
			auth_version: 0,
			keys_introduced: 0,
			listed_bytes: 0,
			deposit: Zero::zero(),
			profile,
			gateway,
		};
		let mut keys = BoundedVec::new();
		Self::introduce_key(
			&mut record,
			&mut keys,
			key.clone(),
			DeviceKey {
				device: id.clone(),
				public,
				roles,
				introduced_by: Introducer::Owner,
				line: key.clone(),
				generation: 0,
				valid_from: now,
				rotation: None,
			},
		)?;
		// Versions count changes; the first set of keys is none.
		record.auth_version = 0;
		Self::endow_wallet(owner, &id, T::Currency::minimum_balance())?;
		Self::settle_deposit(&id, &mut record, &Signer::Owner)?;

		Devices::<T>::insert(&id, record);
		DeviceKeys::<T>::insert(&id, keys);
		OwnedDevices::<T>::insert(owner, &id, ());
		Self::deposit_event(Event::DeviceRegistered {
			device: id,
			owner: owner.clone(),
			key,
		});
		Ok(())
	}

	/// Registers each of `registrations` or says why not. Returns how many were registered and how many refused.
	pub(crate) fn do_register_many(
		owner: &AccountId,
		registrations: BoundedVec<Registration, T::MaxBatch>,
	) -> (u32, u32) {
		let (mut registered, mut refused) = (0u32, 0u32);
		for (index, registration) in (0u32..).zip(registrations) {
			let device = registration.public.device_id();
			let outcome: Result<(), DispatchError> =
				frame_support::storage::with_storage_layer(|| Self::do_register(owner, registration));
			match outcome {
				Ok(()) => registered.saturating_inc(),
				Err(reason) => {
					refused.saturating_inc();
					Self::deposit_event(Event::RegistrationRefused {
						index,
						device,
						reason,
					});
				}
			}
		}
		(registered, refused)
	}
}
