//! What sellers put up.

use crate::{Balance, Bounds, Config, Error, Event, HoldReason, Pallet, Sellers};
use codec::MaxEncodedLen;
use frame_support::{ensure, traits::Get};
use m2m_device::AccountId;
use m2m_fair_exchange::market::{Sale, Seller};
use sp_runtime::DispatchResult;

impl<T: Config> Pallet<T> {
	/// What the state of a seller's record is worth: a bond is never smaller to begin with.
	pub(crate) fn seller_deposit() -> Balance {
		Self::deposit_for(Seller::max_encoded_len())
	}

	/// See [`Pallet::add_bond`].
	pub(crate) fn do_add_bond(who: &AccountId, seller: AccountId, amount: Balance) -> DispatchResult {
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		let mut record = Sellers::<T>::get(&seller).unwrap_or_default();
		record.bond = record.bond.checked_add(amount).ok_or(Error::<T>::CannotPay)?;
		ensure!(record.bond >= T::FixedCover::get(), Error::<T>::BondTooSmall);
		Self::book(who, &seller, amount)?;
		Self::hold(HoldReason::Bond, &seller, amount)?;
		Sellers::<T>::insert(&seller, record);
		Self::deposit_event(Event::BondAdded {
			seller,
			amount,
			bond: record.bond,
		});
		Ok(())
	}

	/// See [`Pallet::start_unbonding`].
	pub(crate) fn do_start_unbonding(seller: AccountId, amount: Balance) -> DispatchResult {
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		let mut record = Sellers::<T>::get(&seller).ok_or(Error::<T>::NotSeller)?;
		ensure!(amount <= record.available(), Error::<T>::BondTooSmall);
		record.unbonding = record.unbonding.saturating_add(amount);
		let stays = record.bond.saturating_sub(record.unbonding);
		ensure!(
			stays == 0 || stays >= T::FixedCover::get(),
			Error::<T>::BondTooSmall
		);
		record.unbonds_at = Self::now().saturating_add(Bounds::<T>::get().unbonding);
		Sellers::<T>::insert(&seller, record);
		Self::deposit_event(Event::UnbondingStarted {
			seller,
			unbonding: record.unbonding,
			at: record.unbonds_at,
		});
		Ok(())
	}

	/// See [`Pallet::withdraw_bond`].
	pub(crate) fn do_withdraw_bond(seller: AccountId) -> DispatchResult {
		let mut record = Sellers::<T>::get(&seller).ok_or(Error::<T>::NotSeller)?;
		let amount = record.unbonding;
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		ensure!(Self::now() >= record.unbonds_at, Error::<T>::TooEarly);
		record.bond = record.bond.saturating_sub(amount);
		record.unbonding = 0;
		Self::release(HoldReason::Bond, &seller, amount);
		Self::put_seller(&seller, record);
		Self::deposit_event(Event::BondWithdrawn { seller, amount });
		Ok(())
	}

	/// Locks the cover of a sale.
	pub(crate) fn lock_cover(sale: &Sale) -> Result<(), Error<T>> {
		let mut record = Sellers::<T>::get(&sale.seller).ok_or(Error::BondTooSmall)?;
		ensure!(sale.cover() <= record.available(), Error::BondTooSmall);
		record.locked = record.locked.saturating_add(sale.cover());
		Sellers::<T>::insert(&sale.seller, record);
		Ok(())
	}

	/// Unlocks the cover of a sale, takes what left the bond off it, and lets `note` write into the record.
	pub(crate) fn unlock_cover(sale: &Sale, left_bond: Balance, note: impl FnOnce(&mut Seller)) {
		let mut record = Sellers::<T>::get(&sale.seller).unwrap_or_default();
		record.locked = record.locked.saturating_sub(sale.cover());
		record.bond = record.bond.saturating_sub(left_bond);
		note(&mut record);
		Self::put_seller(&sale.seller, record);
	}

	/// The record lasts as long as the bond.
	fn put_seller(seller: &AccountId, record: Seller) {
		if record.bond == 0 {
			Sellers::<T>::remove(seller);
		} else {
			Sellers::<T>::insert(seller, record);
		}
	}
}
