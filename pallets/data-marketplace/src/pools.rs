//! Pools: many who share what a seller earns, at a cost per sale that does not grow with their number.
//!
//! The pool's index says what one share earned since the beginning; a member's record remembers the index up to
//! which it was reckoned. Rounding is down everywhere: what is lost of it stays in the pool until it is closed.

use crate::{Balance, Config, Error, Event, HoldReason, NextPool, Pallet, PoolMembers, Pools};
use codec::MaxEncodedLen;
use frame_support::{
	ensure,
	traits::{
		Get,
		fungible::{Inspect, Mutate},
		tokens::Preservation,
	},
};
use m2m_device::AccountId;
use m2m_fair_exchange::market::{Pool, PoolId, PoolMember};
use sp_runtime::{DispatchResult, Saturating, traits::AccountIdConversion};

/// The index counts in units of one over this. With at most 2^32 shares in all, rounding costs a member less than one
/// unit of money a sale.
pub const INDEX_SCALE: Balance = 1 << 32;

/// What a member is owed at this index, rounded down.
pub(crate) fn owed(member: &PoolMember, index: u128) -> Balance {
	// The difference of the indices times all shares is what was paid in, so this is below that. Divided first
	// where it would not fit.
	let grown = index.saturating_sub(member.index);
	let shares = Balance::from(member.shares);
	let earned = match grown.checked_mul(shares) {
		Some(scaled) => scaled.checked_div(INDEX_SCALE).unwrap_or_default(),
		None => grown
			.checked_div(INDEX_SCALE)
			.unwrap_or_default()
			.saturating_mul(shares),
	};
	member.owed.saturating_add(earned)
}

impl<T: Config> Pallet<T> {
	/// The account into which a pool is paid. It has no key.
	pub fn pool_account(pool: PoolId) -> AccountId {
		T::PalletId::get().into_sub_account_truncating(pool)
	}

	fn managed(manager: &AccountId, pool: PoolId) -> Result<Pool, Error<T>> {
		let record = Pools::<T>::get(pool).ok_or(Error::UnknownPool)?;
		ensure!(record.manager == *manager, Error::NotPoolManager);
		Ok(record)
	}

	/// See [`Pallet::create_pool`].
	pub(crate) fn do_create_pool(who: &AccountId, manager: AccountId) -> DispatchResult {
		let pool = NextPool::<T>::get();
		let next = pool.checked_add(1).ok_or(Error::<T>::NumbersExhausted)?;
		let deposit = Self::take_deposit(who, &manager, Pool::max_encoded_len())?;
		Self::book(who, &manager, T::Currency::minimum_balance())?;
		T::Currency::transfer(
			&manager,
			&Self::pool_account(pool),
			T::Currency::minimum_balance(),
			Preservation::Preserve,
		)
		.map_err(|_| Error::<T>::CannotPay)?;
		NextPool::<T>::put(next);
		Pools::<T>::insert(
			pool,
			Pool {
				manager: manager.clone(),
				shares: 0,
				members: 0,
				open_sales: 0,
				index: 0,
				deposit,
			},
		);
		Self::deposit_event(Event::PoolCreated { pool, manager });
		Ok(())
	}

	/// See [`Pallet::set_shares`].
	pub(crate) fn do_set_shares(
		who: &AccountId,
		manager: &AccountId,
		pool: PoolId,
		member: AccountId,
		shares: u32,
	) -> DispatchResult {
		let mut record = Self::managed(manager, pool)?;
		ensure!(record.open_sales == 0, Error::<T>::PoolInUse);
		let before = PoolMembers::<T>::get(pool, &member);
		let others = record
			.shares
			.saturating_sub(before.as_ref().map_or(0, |entry| entry.shares));
		record.shares = others.checked_add(shares).ok_or(Error::<T>::NumbersExhausted)?;
		match before {
			None => {
				ensure!(shares > 0, Error::<T>::NothingOwed);
				let deposit = Self::take_deposit(who, manager, PoolMember::max_encoded_len())?;
				record.members.saturating_inc();
				let entry = PoolMember {
					shares,
					index: record.index,
					owed: 0,
					deposit,
				};
				PoolMembers::<T>::insert(pool, &member, entry);
			}
			Some(mut entry) => {
				entry.owed = owed(&entry, record.index);
				entry.index = record.index;
				entry.shares = shares;
				if shares == 0 {
					Self::pay_member(pool, &member, entry.owed);
					Self::release(HoldReason::Deposit, manager, entry.deposit);
					record.members.saturating_dec();
					PoolMembers::<T>::remove(pool, &member);
				} else {
					PoolMembers::<T>::insert(pool, &member, entry);
				}
			}
		}
		Pools::<T>::insert(pool, record);
		Self::deposit_event(Event::SharesSet { pool, member, shares });
		Ok(())
	}

	/// Pays from the pool what the member can receive: all or nothing. True if it was paid.
	fn pay_member(pool: PoolId, member: &AccountId, amount: Balance) -> bool {
		let paid = amount > 0
			&& T::Currency::transfer(&Self::pool_account(pool), member, amount, Preservation::Preserve)
				.is_ok();
		if paid {
			Self::deposit_event(Event::ShareClaimed {
				pool,
				member: member.clone(),
				amount,
			});
		}
		paid
	}

	/// See [`Pallet::claim`].
	pub(crate) fn do_claim(pool: PoolId, member: AccountId) -> DispatchResult {
		let record = Pools::<T>::get(pool).ok_or(Error::<T>::UnknownPool)?;
		let mut entry = PoolMembers::<T>::get(pool, &member).ok_or(Error::<T>::NothingOwed)?;
		let amount = owed(&entry, record.index);
		ensure!(amount > 0, Error::<T>::NothingOwed);
		ensure!(Self::pay_member(pool, &member, amount), Error::<T>::CannotReceive);
		entry.owed = 0;
		entry.index = record.index;
		PoolMembers::<T>::insert(pool, &member, entry);
		Ok(())
	}

	/// See [`Pallet::close_pool`].
	pub(crate) fn do_close_pool(manager: &AccountId, pool: PoolId) -> DispatchResult {
		let record = Self::managed(manager, pool)?;
		ensure!(record.members == 0, Error::<T>::PoolNotEmpty);
		ensure!(record.open_sales == 0, Error::<T>::PoolInUse);
		let account = Self::pool_account(pool);
		let returned = T::Currency::transfer(
			&account,
			manager,
			T::Currency::balance(&account),
			Preservation::Expendable,
		)?;
		Self::release(HoldReason::Deposit, manager, record.deposit);
		Pools::<T>::remove(pool);
		Self::deposit_event(Event::PoolClosed { pool, returned });
		Ok(())
	}
}
