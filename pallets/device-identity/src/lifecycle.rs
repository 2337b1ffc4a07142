//! Status, retirement and the owner's money.

use crate::{
	BalanceOf, Config, DeviceKeys, Devices, Error, Event, HoldReason, KeyEntry, Keys, Operators,
	OwnedDevices, Pallet, RetiredDevice, RetiredDevices, Services, TransferOffers,
};
use frame_support::{
	ensure,
	traits::{
		Get,
		fungible::{Inspect, InspectHold, Mutate, MutateHold},
		tokens::{
			Fortitude::Polite,
			Precision::{BestEffort, Exact},
			Preservation::{self, Expendable, Preserve},
			Provenance,
		},
	},
};
use m2m_device::{AccountId, DeviceId, DeviceStatus, OnDeviceEnded};
use sp_runtime::{DispatchError, DispatchResult, Saturating, traits::Zero};

impl<T: Config> Pallet<T> {
	/// Gives a device another status. The caller emits the event.
	pub(crate) fn do_change_status(
		who: &AccountId,
		id: &DeviceId,
		status: DeviceStatus,
	) -> Result<(), Error<T>> {
		use DeviceStatus::{Active, Lost, Suspended};
		let mut record = Self::live_device(id)?;
		if record.owner != *who {
			// Stopping is the one change that the owner may leave to others. A device key never acts as an operator.
			let may_hold_a_grant = status == Suspended && !Keys::<T>::contains_key(who);
			ensure!(may_hold_a_grant, Error::NotOwner);
			let grant = Self::valid_grant(who, id, &record)?;
			ensure!(grant.actions.suspend, Error::ActionNotGranted);
		}
		match (record.status, status) {
			(Active, Active) => return Err(Error::AlreadyActive),
			(Suspended, Suspended) => return Err(Error::AlreadySuspended),
			(Lost, Lost) => return Err(Error::AlreadyLost),
			(Active | Suspended, Lost) | (Active, Suspended) | (Suspended | Lost, Active) => {}
			// A lost device is stopped more than a suspended one; it must be found first. Retirement moves money
			// and has its own call.
			_ => return Err(Error::InvalidTransition),
		}
		record.status = status;
		record.status_since = Self::now();
		Devices::<T>::insert(id, record);
		Ok(())
	}

	/// True if this payment can arrive: it does not if the account ended and stays below the existential deposit.
	pub(crate) fn can_receive(who: &AccountId, amount: BalanceOf<T>) -> bool {
		T::Currency::can_deposit(who, amount, Provenance::Extant)
			.into_result()
			.is_ok()
	}

	/// Pays from a wallet to the owner, or fails without any effect.
	fn pay_owner(
		wallet: &DeviceId,
		owner: &AccountId,
		amount: BalanceOf<T>,
		preservation: Preservation,
	) -> DispatchResult {
		ensure!(Self::can_receive(owner, amount), Error::<T>::OwnerCannotReceive);
		T::Currency::transfer(wallet, owner, amount, preservation)?;
		Ok(())
	}

	/// See [`Pallet::retire`]. Returns how many keys were buried.
	pub(crate) fn do_retire(who: &AccountId, id: &DeviceId) -> Result<u32, DispatchError> {
		let record = Self::owned_device(who, id)?;
		let reason = HoldReason::DeviceDeposit.into();
		let others =
			T::Currency::total_balance_on_hold(id).saturating_sub(T::Currency::balance_on_hold(&reason, id));
		ensure!(others.is_zero(), Error::<T>::OpenPositions);

		let now = Self::now();
		let mut buried = 0u32;
		for account in DeviceKeys::<T>::take(id) {
			if let Some(KeyEntry::Active(key)) = Keys::<T>::get(&account) {
				Self::bury_key(&account, key, now);
				buried.saturating_inc();
			}
		}

		T::Currency::release_all(&reason, id, Exact)?;
		let tombstones = record.keys_introduced.saturating_add(1);
		let price = T::TombstonePrice::get().saturating_mul(tombstones.into());
		// The price is part of the deposit (see `integrity_test`). Only if an upgrade raised it above a deposit
		// taken before can it fall short, and that must not keep the device from being retired.
		let burnt = T::Currency::burn_from(id, price, Preserve, BestEffort, Polite)?;
		let returned = T::Currency::reducible_balance(id, Expendable, Polite);
		Self::pay_owner(id, &record.owner, returned, Expendable)?;

		Devices::<T>::remove(id);
		Operators::<T>::remove(id);
		Services::<T>::remove(id);
		TransferOffers::<T>::remove(id);
		OwnedDevices::<T>::remove(&record.owner, id);
		RetiredDevices::<T>::insert(
			id,
			RetiredDevice {
				owner: record.owner.clone(),
				retired_at: now,
				generation: record.generation,
				auth_version: record.auth_version,
			},
		);
		Self::deposit_event(Event::DeviceRetired {
			device: id.clone(),
			owner: record.owner,
			returned,
			burnt,
		});
		T::OnEnded::ended(id);
		Ok(buried)
	}

	/// See [`Pallet::withdraw`].
	pub(crate) fn do_withdraw(
		who: &AccountId,
		id: &DeviceId,
		amount: Option<BalanceOf<T>>,
	) -> DispatchResult {
		let (owner, retired) = match Devices::<T>::get(id) {
			Some(record) => (record.owner, false),
			None => (
				RetiredDevices::<T>::get(id)
					.ok_or(Error::<T>::UnknownDevice)?
					.owner,
				true,
			),
		};
		ensure!(owner == *who, Error::<T>::NotOwner);
		let above_minimum = T::Currency::reducible_balance(id, Preserve, Polite);
		let all = if retired {
			T::Currency::reducible_balance(id, Expendable, Polite)
		} else {
			above_minimum
		};
		let amount = amount.unwrap_or(all);
		ensure!(!amount.is_zero(), Error::<T>::NothingToWithdraw);
		// From the wallet of a retired device take everything or leave a living account: a remainder below the
		// existential deposit would be destroyed.
		ensure!(
			amount <= above_minimum || amount == all,
			Error::<T>::ExceedsWithdrawable
		);
		let preservation = if retired && amount == all {
			Expendable
		} else {
			Preserve
		};
		Self::pay_owner(id, &owner, amount, preservation)?;
		Self::deposit_event(Event::Withdrawn {
			device: id.clone(),
			to: owner,
			amount,
		});
		Ok(())
	}
}
