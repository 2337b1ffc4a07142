//! What always holds in this pallet's storage.

use crate::{
	Balance, Bounds, Config, HoldReason, ListedBy, Listings, Marks, NextListing, NextPool, NextRequest,
	NextSubscription, Pallet, PoolMembers, Pools, Requests, Sales, Sellers, Subscriptions, pools::owed,
	sales::mark,
};
use alloc::collections::BTreeMap;
use frame_support::{
	ensure,
	traits::fungible::{Inspect, InspectHold},
};
use m2m_device::AccountId;
use sp_runtime::{Saturating, TryRuntimeError};

type Sums<Key, Value = Balance> = BTreeMap<Key, Value>;

fn add(sums: &mut Sums<AccountId>, who: &AccountId, amount: Balance) {
	sums.entry(who.clone()).or_default().saturating_accrue(amount);
}

impl<T: Config> Pallet<T> {
	/// Checks, over the whole state:
	///
	/// 1. Each listing has a number that was given out, and stands in its seller's index; nothing else does.
	/// 2. What of each bond is locked is the sum of the covers of the seller's open sales, and the bond is not
	///    empty and covers that and what is on its way out.
	/// 3. A sale that is not marked as ended; its fee is not above its price.
	/// 4. What is held for payments on each account is the sum of its open sales' prices and of what is left of
	///    its subscriptions.
	/// 5. What is held as bond is the bond; as deposits, the sum of the deposits.
	/// 6. A pool counts its members, shares and open sales rightly, and its account holds the existential deposit
	///    and all that is owed.
	/// 7. Subscriptions and requests have numbers that were given out.
	/// 8. The windows do not contradict each other.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut deposits = Sums::new();
		for (listing, record) in Listings::<T>::iter() {
			ensure!(listing < NextListing::<T>::get(), "1: a number not given out");
			ensure!(
				ListedBy::<T>::contains_key(&record.seller, listing),
				"1: not in the seller's index"
			);
			add(&mut deposits, &record.seller, record.deposit);
		}
		for (seller, listing, ()) in ListedBy::<T>::iter() {
			ensure!(
				Listings::<T>::get(listing).is_some_and(|record| record.seller == seller),
				"1: the sellers' index"
			);
		}

		let mut locked = Sums::new();
		let mut payments = Sums::new();
		let mut into_pools = Sums::<u32, u32>::new();
		for (sale, record) in Sales::<T>::iter() {
			add(&mut locked, &record.seller, record.cover());
			add(&mut payments, &record.buyer, record.price);
			ensure!(
				!Marks::<T>::contains_key(mark(record.expires, sale)),
				"3: open and ended"
			);
			ensure!(record.fee <= record.price, "3: fee");
			if let Some(pool) = record.payout.pool() {
				into_pools.entry(pool).or_default().saturating_inc();
			}
		}
		for (seller, record) in Sellers::<T>::iter() {
			let covers = locked.remove(&seller).unwrap_or_default();
			ensure!(record.locked == covers, "2: locked");
			ensure!(record.bond > 0, "2: empty bond");
			ensure!(
				record.bond >= record.locked.saturating_add(record.unbonding),
				"2: more locked than there is"
			);
			ensure!(
				T::Currency::balance_on_hold(&HoldReason::Bond.into(), &seller) == record.bond,
				"5: bond"
			);
		}
		ensure!(locked.is_empty(), "2: a sale without a bond");

		for (subscription, record) in Subscriptions::<T>::iter() {
			ensure!(
				subscription < NextSubscription::<T>::get(),
				"7: a number not given out"
			);
			add(&mut payments, &record.subscriber, record.left);
			add(&mut deposits, &record.subscriber, record.deposit);
		}
		for (request, record) in Requests::<T>::iter() {
			ensure!(request < NextRequest::<T>::get(), "7: a number not given out");
			add(&mut deposits, &record.buyer, record.deposit);
		}

		let mut members = Sums::<u32, (u32, u32, Balance)>::new();
		for (pool, _, entry) in PoolMembers::<T>::iter() {
			let record = Pools::<T>::get(pool).ok_or("6: a member without a pool")?;
			ensure!(entry.shares > 0, "6: a member without shares");
			let sums = members.entry(pool).or_default();
			sums.0.saturating_inc();
			sums.1.saturating_accrue(entry.shares);
			sums.2.saturating_accrue(owed(&entry, record.index));
			add(&mut deposits, &record.manager, entry.deposit);
		}
		for (pool, record) in Pools::<T>::iter() {
			ensure!(pool < NextPool::<T>::get(), "6: a number not given out");
			let (count, shares, owed) = members.remove(&pool).unwrap_or_default();
			ensure!(record.members == count && record.shares == shares, "6: members");
			ensure!(
				record.open_sales == into_pools.remove(&pool).unwrap_or_default(),
				"6: open sales"
			);
			ensure!(
				T::Currency::balance(&Self::pool_account(pool))
					>= T::Currency::minimum_balance().saturating_add(owed),
				"6: more owed than there is"
			);
			add(&mut deposits, &record.manager, record.deposit);
		}
		ensure!(into_pools.is_empty(), "6: a sale without its pool");

		for (who, sum) in payments {
			ensure!(
				T::Currency::balance_on_hold(&HoldReason::Payment.into(), &who) == sum,
				"4: payments"
			);
		}
		for (who, sum) in deposits {
			ensure!(
				T::Currency::balance_on_hold(&HoldReason::Deposit.into(), &who) == sum,
				"5: deposits"
			);
		}
		ensure!(Bounds::<T>::get().are_sound(), "8: windows");
		Ok(())
	}
}
