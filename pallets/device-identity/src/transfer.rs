//! How a device gets another owner: one offers, the other accepts, and keys go on one by one.

use crate::{
	BalanceOf, Config, Devices, Error, Event, HoldReason, Introducer, KeyEntry, Keys, Operators,
	OwnedDevices, Pallet, TransferOffers,
	authority::Signer,
	registration::{list_size, size_in_state},
};
use frame_support::{
	ensure,
	traits::{
		Get,
		fungible::{Inspect, InspectHold, Mutate},
		tokens::{Fortitude::Polite, Preservation::Preserve},
	},
};
use m2m_device::{
	AccountId, DeviceId, OnDeviceEnded, PossessionAction, PossessionProof, TransferOffer, UnixMs,
};
use sp_runtime::{ArithmeticError, DispatchResult, Saturating, traits::Zero};

impl<T: Config> Pallet<T> {
	/// True if the wallet holds anything but deposits: something is bought, sold or owed.
	fn has_open_positions(id: &DeviceId) -> bool {
		let own = T::Currency::balance_on_hold(&HoldReason::DeviceDeposit.into(), id);
		let deposits = T::OtherDeposits::get().iter().fold(own, |sum, reason| {
			sum.saturating_add(T::Currency::balance_on_hold(reason, id))
		});
		T::Currency::total_balance_on_hold(id) > deposits
	}

	/// See [`Pallet::offer_transfer`].
	pub(crate) fn do_offer_transfer(
		who: &AccountId,
		id: &DeviceId,
		to: AccountId,
		price: BalanceOf<T>,
		expires: UnixMs,
	) -> DispatchResult {
		let mut record = Self::owned_device(who, id)?;
		ensure!(to != record.owner, Error::<T>::AlreadyOwner);
		Self::ensure_may_own(&to)?;
		ensure!(Self::now() <= expires, Error::<T>::OfferExpired);
		let offer = TransferOffer { to, price, expires };
		let before = TransferOffers::<T>::get(id).map_or(0, |replaced| size_in_state(&replaced));
		record.change_listed(before, size_in_state(&offer));
		Self::settle_deposit(id, &mut record, &Signer::Owner)?;
		Devices::<T>::insert(id, record);
		TransferOffers::<T>::insert(id, &offer);
		let TransferOffer { to, price, expires } = offer;
		Self::deposit_event(Event::TransferOffered {
			device: id.clone(),
			to,
			price,
			expires,
		});
		Ok(())
	}

	/// See [`Pallet::cancel_transfer`].
	pub(crate) fn do_cancel_transfer(who: &AccountId, id: &DeviceId) -> DispatchResult {
		let mut record = Self::live_device(id)?;
		let offer = TransferOffers::<T>::get(id).ok_or(Error::<T>::NoOffer)?;
		ensure!(
			record.owner == *who || Self::now() > offer.expires,
			Error::<T>::NotOwner
		);
		record.change_listed(size_in_state(&offer), 0);
		Self::lower_deposit(id, &mut record)?;
		Devices::<T>::insert(id, record);
		TransferOffers::<T>::remove(id);
		Self::deposit_event(Event::TransferCancelled { device: id.clone() });
		Ok(())
	}

	/// See [`Pallet::accept_transfer`].
	pub(crate) fn do_accept_transfer(
		who: &AccountId,
		id: &DeviceId,
		expected_generation: u32,
		price: BalanceOf<T>,
	) -> DispatchResult {
		let mut record = Self::live_device(id)?;
		let offer = TransferOffers::<T>::get(id).ok_or(Error::<T>::NoOffer)?;
		ensure!(offer.to == *who, Error::<T>::NotOffered);
		ensure!(Self::now() <= offer.expires, Error::<T>::OfferExpired);
		ensure!(
			expected_generation == record.generation,
			Error::<T>::GenerationMismatch
		);
		ensure!(price == offer.price, Error::<T>::PriceMismatch);
		// The account may have become a device key since the offer.
		Self::ensure_may_own(who)?;
		ensure!(!Self::has_open_positions(id), Error::<T>::OpenPositions);
		ensure!(
			T::Currency::reducible_balance(who, Preserve, Polite) >= price,
			Error::<T>::NewOwnerCannotPay
		);

		let listed = list_size(&Operators::<T>::take(id)).saturating_add(size_in_state(&offer));
		TransferOffers::<T>::remove(id);
		record.change_listed(listed, 0);
		Self::lower_deposit(id, &mut record)?;

		// The price goes by way of the wallet, which can always receive, so that the old owner gets one payment.
		if !price.is_zero() {
			T::Currency::transfer(who, id, price, Preserve)?;
		}
		let proceeds = T::Currency::reducible_balance(id, Preserve, Polite);
		if !proceeds.is_zero() && Self::can_receive(&record.owner, proceeds) {
			T::Currency::transfer(id, &record.owner, proceeds, Preserve)?;
		}

		OwnedDevices::<T>::remove(&record.owner, id);
		OwnedDevices::<T>::insert(who, id, ());
		let from = core::mem::replace(&mut record.owner, who.clone());
		record.generation = record
			.generation
			.checked_add(1)
			.ok_or(ArithmeticError::Overflow)?;
		let generation = record.generation;
		Devices::<T>::insert(id, record);
		Self::deposit_event(Event::TransferAccepted {
			device: id.clone(),
			from,
			to: who.clone(),
			price,
			generation,
		});
		T::OnEnded::ended(id);
		Ok(())
	}

	/// See [`Pallet::confirm_key`].
	pub(crate) fn do_confirm_key(
		who: &AccountId,
		id: &DeviceId,
		account: AccountId,
		proof: PossessionProof,
	) -> DispatchResult {
		let record = Self::owned_device(who, id)?;
		let mut key = Self::listed_key(id, &account)?;
		ensure!(key.rotation.is_none(), Error::<T>::KeyRotated);
		ensure!(key.generation != record.generation, Error::<T>::AlreadyConfirmed);
		Self::ensure_possession(
			PossessionAction::Confirm,
			&record.owner,
			Some(id),
			key.roles,
			&key.public,
			&proof,
			Self::now(),
		)?;
		key.generation = record.generation;
		// The new owner vouches for it now, so the key that introduced it under another owner does not remove it.
		key.introduced_by = Introducer::Owner;
		Keys::<T>::insert(&account, KeyEntry::Active(key));
		Self::deposit_event(Event::KeyConfirmed {
			device: id.clone(),
			key: account,
		});
		Ok(())
	}
}
