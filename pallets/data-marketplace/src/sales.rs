//! Buying and revealing.

use crate::{Config, Error, Event, HoldReason, Marks, Pallet, Pools, Sales};
use alloc::vec::Vec;
use frame_support::{ensure, traits::Get};
use m2m_device::{AccountId, Action, BudgetPeriod, DeviceAuthority};
use m2m_fair_exchange::{
	BlindedKey, SaleId, SaleTerms, SignedTerms,
	market::{Listing, Mark, Sale},
};
use sp_runtime::{DispatchError, DispatchResult};

/// Name of the mark that a sale leaves if it ends early.
pub(crate) fn mark(expires: u32, sale: SaleId) -> Mark {
	(expires.to_be_bytes(), sale)
}

impl<T: Config> Pallet<T> {
	/// All checks of an offer that do not depend on who pays, cheapest first and the signature last. Returns
	/// the id of the sale and the listing.
	pub(crate) fn check_offer(offer: &SignedTerms) -> Result<(SaleId, Listing), DispatchError> {
		let terms = &offer.terms;
		let genesis = T::Genesis::get();
		ensure!(terms.buyer != terms.seller, Error::<T>::BuyerIsSeller);
		let sale = terms.sale_id(&genesis);
		ensure!(
			!Sales::<T>::contains_key(sale) && !Marks::<T>::contains_key(mark(terms.expires, sale)),
			Error::<T>::TermsUsed
		);
		Self::ensure_in_force(terms)?;
		ensure!(terms.price >= T::MinPrice::get(), Error::<T>::PriceTooLow);
		let listing = Self::listing_for(terms)?;
		ensure!(
			Self::may_sell(&offer.signer.account(), &listing),
			Error::<T>::SignerMayNotSell
		);
		ensure!(offer.verify(&genesis), Error::<T>::BadSignature);
		Ok((sale, listing))
	}

	/// True if a key may sign terms under a listing now.
	fn may_sell(signer: &AccountId, listing: &Listing) -> bool {
		if listing.spec.terms_key.as_ref() == Some(signer) {
			return true;
		}
		// A seller that is not the device is an ordinary account and signs for itself.
		let device = Some(&listing.seller).filter(|seller| **seller == listing.spec.device);
		T::Devices::participant(signer, device, Action::Trade).as_ref() == Ok(&listing.seller)
	}

	/// Locks the cover and opens the sale. The price is held already.
	pub(crate) fn open_sale(
		sale: SaleId,
		terms: &SaleTerms,
		listing: Listing,
		key: Option<BlindedKey>,
		budget: Option<BudgetPeriod>,
	) -> Result<(), Error<T>> {
		let window = if key.is_some() {
			terms.dispute_window
		} else {
			terms.reveal_window
		};
		let record = Sale {
			listing: terms.listing,
			seller: terms.seller.clone(),
			buyer: terms.buyer.clone(),
			price: terms.price,
			fixed_cover: T::FixedCover::get(),
			fee: T::FeeRate::get().mul_ceil(terms.price),
			payout: listing.spec.payout,
			claims: listing.spec.claims,
			key_commitment: terms.blinded_key_commitment,
			key,
			dispute_window: terms.dispute_window,
			deadline: Self::now().saturating_add(window),
			expires: terms.expires,
			budget,
		};
		Self::lock_cover(&record)?;
		if let Some(pool) = record.payout.pool() {
			// The seller manages the pool, so nobody else makes it busy.
			Pools::<T>::try_mutate(pool, |pool| -> Result<(), Error<T>> {
				let pool = pool.as_mut().ok_or(Error::<T>::UnknownPool)?;
				pool.open_sales = pool
					.open_sales
					.checked_add(1)
					.ok_or(Error::<T>::NumbersExhausted)?;
				Ok(())
			})?;
		}
		Self::deposit_event(Event::Purchased {
			sale,
			listing: record.listing,
			seller: record.seller.clone(),
			buyer: record.buyer.clone(),
			price: record.price,
			deadline: record.deadline,
		});
		if let Some(key) = record.key {
			let deadline = record.deadline;
			Self::deposit_event(Event::KeyRevealed { sale, key, deadline });
		}
		Sales::<T>::insert(sale, record);
		Ok(())
	}

	/// See [`Pallet::purchase`].
	pub(crate) fn do_purchase(who: &AccountId, buyer: AccountId, offer: &SignedTerms) -> DispatchResult {
		ensure!(offer.terms.buyer == buyer, Error::<T>::NotBuyer);
		let (sale, listing) = Self::check_offer(offer)?;
		let budget = Self::book(who, &buyer, offer.terms.price)?;
		Self::hold(HoldReason::Payment, &buyer, offer.terms.price)?;
		Self::open_sale(sale, &offer.terms, listing, None, budget)?;
		Ok(())
	}

	/// See [`Pallet::reveal_key`].
	pub(crate) fn do_reveal_key(sale: SaleId, key: BlindedKey) -> DispatchResult {
		let mut record = Sales::<T>::get(sale).ok_or(Error::<T>::UnknownSale)?;
		ensure!(record.key.is_none(), Error::<T>::AlreadyRevealed);
		ensure!(Self::now() <= record.deadline, Error::<T>::RevealTooLate);
		ensure!(key.commitment() == record.key_commitment, Error::<T>::WrongKey);
		record.key = Some(key);
		record.deadline = Self::now().saturating_add(record.dispute_window);
		let deadline = record.deadline;
		Sales::<T>::insert(sale, record);
		Self::deposit_event(Event::KeyRevealed { sale, key, deadline });
		Ok(())
	}

	/// Removes marks of terms that have expired, at most `limit`. Returns how many.
	pub(crate) fn prune_marks(limit: u32) -> u32 {
		let now = Self::now();
		let over: Vec<Mark> = Marks::<T>::iter_keys()
			.take(limit as usize)
			.take_while(|(expires, _)| u32::from_be_bytes(*expires) < now)
			.collect();
		for mark in &over {
			Marks::<T>::remove(mark);
		}
		over.len() as u32
	}
}
