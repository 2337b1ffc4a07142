//! Standing orders. Each epoch is a sale like any other, bought with money that was held before.

use crate::{
	Balance, Bounds, Config, Error, Event, HoldReason, Listings, MAX_EPOCHS, NextSubscription, Pallet,
	Subscriptions,
};
use codec::MaxEncodedLen;
use frame_support::{
	BoundedVec, ensure,
	storage::with_storage_layer,
	traits::{ConstU32, Get},
};
use m2m_device::AccountId;
use m2m_fair_exchange::{
	ListingId,
	market::{Epoch, Subscription, SubscriptionId},
};
use sp_runtime::{DispatchError, DispatchResult};

impl<T: Config> Pallet<T> {
	/// See [`Pallet::subscribe`].
	pub(crate) fn do_subscribe(
		who: &AccountId,
		subscriber: AccountId,
		listing: ListingId,
		cap: Balance,
		amount: Balance,
		ends: u32,
		signer: AccountId,
	) -> DispatchResult {
		let seller = Listings::<T>::get(listing)
			.ok_or(Error::<T>::UnknownListing)?
			.seller;
		ensure!(seller != subscriber, Error::<T>::BuyerIsSeller);
		ensure!(cap > 0 && amount > 0, Error::<T>::ZeroAmount);
		ensure!(ends > Self::now(), Error::<T>::SubscriptionOver);
		let subscription = NextSubscription::<T>::get();
		let next = subscription.checked_add(1).ok_or(Error::<T>::NumbersExhausted)?;
		let budget = Self::book(who, &subscriber, amount)?;
		Self::hold(HoldReason::Payment, &subscriber, amount)?;
		let deposit = Self::take_deposit(who, &subscriber, Subscription::max_encoded_len())?;
		NextSubscription::<T>::put(next);
		Subscriptions::<T>::insert(
			subscription,
			Subscription {
				subscriber: subscriber.clone(),
				listing,
				cap,
				left: amount,
				ends,
				signer,
				budget,
				deposit,
			},
		);
		Self::deposit_event(Event::Subscribed {
			subscription,
			listing,
			subscriber,
			amount,
			ends,
		});
		Ok(())
	}

	/// See [`Pallet::deliver`]. Each epoch stands alone: its key is public as soon as the call is in a block, so one
	/// that cannot be sold must not take the others' payment along.
	pub(crate) fn do_deliver(
		subscription: SubscriptionId,
		epochs: BoundedVec<Epoch, ConstU32<MAX_EPOCHS>>,
	) -> DispatchResult {
		let mut record = Subscriptions::<T>::get(subscription).ok_or(Error::<T>::UnknownSubscription)?;
		for epoch in epochs {
			match with_storage_layer(|| Self::take_epoch(subscription, &record, &epoch)) {
				Ok(price) => record.left = record.left.saturating_sub(price),
				Err(reason) => Self::deposit_event(Event::EpochRefused {
					subscription,
					sale: epoch.terms.offer.terms.sale_id(&T::Genesis::get()),
					reason,
				}),
			}
		}
		Subscriptions::<T>::insert(subscription, record);
		Ok(())
	}

	/// Buys one epoch and returns its price.
	fn take_epoch(
		subscription: SubscriptionId,
		record: &Subscription,
		epoch: &Epoch,
	) -> Result<Balance, DispatchError> {
		let terms = &epoch.terms.offer.terms;
		ensure!(Self::now() <= record.ends, Error::<T>::SubscriptionOver);
		ensure!(terms.buyer == record.subscriber, Error::<T>::NotBuyer);
		ensure!(terms.listing == record.listing, Error::<T>::NotAsListed);
		ensure!(terms.price <= record.cap, Error::<T>::AboveCap);
		ensure!(terms.price <= record.left, Error::<T>::SubscriptionSpent);
		ensure!(
			epoch.key.commitment() == terms.blinded_key_commitment,
			Error::<T>::WrongKey
		);
		let (sale, listing) = Self::check_offer(&epoch.terms.offer)?;
		ensure!(
			epoch.terms.subscriber.account() == record.signer
				&& epoch.terms.is_countersigned(&T::Genesis::get(), subscription),
			Error::<T>::BadCountersignature
		);
		Self::open_sale(sale, terms, listing, Some(epoch.key), record.budget)?;
		Ok(terms.price)
	}

	/// See [`Pallet::end_subscription`].
	pub(crate) fn do_end_subscription(
		subscriber: &AccountId,
		subscription: SubscriptionId,
	) -> DispatchResult {
		let mut record = Subscriptions::<T>::get(subscription).ok_or(Error::<T>::UnknownSubscription)?;
		ensure!(record.subscriber == *subscriber, Error::<T>::NotSubscriber);
		let ends = Self::now().saturating_add(Bounds::<T>::get().notice);
		ensure!(ends < record.ends, Error::<T>::EndsSooner);
		record.ends = ends;
		Subscriptions::<T>::insert(subscription, record);
		Self::deposit_event(Event::SubscriptionEnding { subscription, ends });
		Ok(())
	}

	/// See [`Pallet::close_subscription`].
	pub(crate) fn do_close_subscription(subscription: SubscriptionId) -> DispatchResult {
		let record = Subscriptions::<T>::get(subscription).ok_or(Error::<T>::UnknownSubscription)?;
		ensure!(Self::now() > record.ends, Error::<T>::TooEarly);
		Self::release(HoldReason::Payment, &record.subscriber, record.left);
		Self::release(HoldReason::Deposit, &record.subscriber, record.deposit);
		Self::unbook(&record.subscriber, record.left, record.budget);
		Subscriptions::<T>::remove(subscription);
		Self::deposit_event(Event::SubscriptionClosed {
			subscription,
			left: record.left,
		});
		Ok(())
	}
}
