//! What is for sale.

use crate::{
	Bounds, Config, Error, Event, HoldReason, ListedBy, Listings, NextListing, Pallet, Pools, StreamInspect,
};
use codec::MaxEncodedLen;
use frame_support::ensure;
use m2m_device::{AccountId, Action, DeviceAuthority, DeviceId, DeviceInspect, DeviceStatus};
use m2m_fair_exchange::{
	ListingId, SaleTerms,
	market::{Listing, ListingSpec, Payout},
};
use sp_runtime::{DispatchError, DispatchResult};

impl<T: Config> Pallet<T> {
	/// Who would sell this, if the signer may offer it so in the place of what was offered before.
	fn offering(
		who: &AccountId,
		seller: Option<&DeviceId>,
		spec: &ListingSpec,
		before: Option<&ListingSpec>,
	) -> Result<AccountId, DispatchError> {
		let device = T::Devices::authorize(who, Some(&spec.device), Action::Manage)?;
		let account = T::Devices::participant(who, seller, Action::Manage)?;
		ensure!(
			account == device || T::Devices::owner(&device).as_ref() == Some(&account),
			Error::<T>::NotSellersDevice
		);
		// Who manages a device does not thereby decide where its money goes.
		let (payout, terms_key) =
			before.map_or((&Payout::Seller, &None), |spec| (&spec.payout, &spec.terms_key));
		if spec.payout != *payout || spec.terms_key != *terms_key {
			T::Devices::participant(who, seller, Action::Trade)?;
		}
		Ok(account)
	}

	pub(crate) fn ensure_endpoint(endpoint: &[u8]) -> Result<(), Error<T>> {
		ensure!(
			!endpoint.is_empty() && endpoint.iter().all(u8::is_ascii_graphic),
			Error::InvalidEndpoint
		);
		Ok(())
	}

	pub(crate) fn ensure_area(area: &[u8]) -> Result<(), Error<T>> {
		ensure!(area.iter().all(u8::is_ascii_graphic), Error::InvalidArea);
		Ok(())
	}

	fn ensure_spec(seller: &AccountId, spec: &ListingSpec) -> Result<(), Error<T>> {
		Self::ensure_endpoint(&spec.endpoint)?;
		Self::ensure_area(&spec.area)?;
		ensure!(
			spec.until.is_none_or(|until| spec.from < until),
			Error::InvalidTimes
		);
		ensure!(spec.claims.are_sound(), Error::InvalidClaims);
		ensure!(spec.payout.is_sound(), Error::InvalidSplit);
		if let Some(pool) = spec.payout.pool() {
			let pool = Pools::<T>::get(pool).ok_or(Error::UnknownPool)?;
			ensure!(pool.manager == *seller, Error::NotPoolManager);
		}
		match T::Streams::is_private(&spec.device, spec.stream) {
			None => Err(Error::UnknownStream),
			Some(false) => Err(Error::StreamNotPrivate),
			Some(true) => Ok(()),
		}
	}

	/// See [`Pallet::create_listing`].
	pub(crate) fn do_create_listing(
		who: &AccountId,
		seller: Option<DeviceId>,
		spec: ListingSpec,
	) -> DispatchResult {
		let seller = Self::offering(who, seller.as_ref(), &spec, None)?;
		Self::ensure_spec(&seller, &spec)?;
		let listing = NextListing::<T>::get();
		let next = listing.checked_add(1).ok_or(Error::<T>::NumbersExhausted)?;
		let deposit = Self::take_deposit(who, &seller, Listing::max_encoded_len())?;
		NextListing::<T>::put(next);
		ListedBy::<T>::insert(&seller, listing, ());
		let device = spec.device.clone();
		Listings::<T>::insert(
			listing,
			Listing {
				seller: seller.clone(),
				version: 0,
				generation: T::Devices::generation(&device).unwrap_or_default(),
				deposit,
				spec,
			},
		);
		Self::deposit_event(Event::ListingCreated {
			listing,
			seller,
			device,
		});
		Ok(())
	}

	/// See [`Pallet::update_listing`].
	pub(crate) fn do_update_listing(
		who: &AccountId,
		seller: Option<DeviceId>,
		listing: ListingId,
		spec: ListingSpec,
	) -> DispatchResult {
		let mut record = Listings::<T>::get(listing).ok_or(Error::<T>::UnknownListing)?;
		let seller = Self::offering(who, seller.as_ref(), &spec, Some(&record.spec))?;
		ensure!(record.seller == seller, Error::<T>::NotSeller);
		ensure!(
			record.spec.device == spec.device && record.spec.stream == spec.stream,
			Error::<T>::NotAsListed
		);
		Self::ensure_spec(&seller, &spec)?;
		record.version = record
			.version
			.checked_add(1)
			.ok_or(Error::<T>::NumbersExhausted)?;
		record.generation = T::Devices::generation(&spec.device).unwrap_or_default();
		record.spec = spec;
		let version = record.version;
		Listings::<T>::insert(listing, record);
		Self::deposit_event(Event::ListingUpdated { listing, version });
		Ok(())
	}

	/// See [`Pallet::close_listing`].
	pub(crate) fn do_close_listing(seller: &AccountId, listing: ListingId) -> DispatchResult {
		let record = Listings::<T>::get(listing).ok_or(Error::<T>::UnknownListing)?;
		ensure!(record.seller == *seller, Error::<T>::NotSeller);
		Self::release(HoldReason::Deposit, seller, record.deposit);
		ListedBy::<T>::remove(seller, listing);
		Listings::<T>::remove(listing);
		Self::deposit_event(Event::ListingClosed { listing });
		Ok(())
	}

	/// The listing under which these terms may be bought now, as far as the listing and the device decide it.
	pub(crate) fn listing_for(terms: &SaleTerms) -> Result<Listing, Error<T>> {
		let listing = Listings::<T>::get(terms.listing).ok_or(Error::UnknownListing)?;
		ensure!(listing.version == terms.version, Error::StaleVersion);
		ensure!(
			listing.seller == terms.seller
				&& listing.spec.device == terms.device
				&& listing.spec.stream == terms.range.stream,
			Error::NotAsListed
		);
		ensure!(
			terms.price <= listing.spec.price.of(terms.leaves),
			Error::PriceTooHigh
		);
		let generation = T::Devices::generation(&terms.device);
		ensure!(
			generation == Some(terms.generation) && generation == Some(listing.generation),
			Error::GenerationMismatch
		);
		ensure!(
			T::Devices::status(&terms.device) == Some(DeviceStatus::Active),
			Error::DeviceNotActive
		);
		ensure!(
			Self::generation_start(&terms.device, terms.range.stream, terms.generation)
				.is_some_and(|start| start <= terms.range.first.seq),
			Error::BeforeGeneration
		);
		Ok(listing)
	}

	/// Fails unless the terms are in force and their windows allowed.
	pub(crate) fn ensure_in_force(terms: &SaleTerms) -> Result<(), Error<T>> {
		let now = Self::now();
		let bounds = Bounds::<T>::get();
		ensure!(now <= terms.expires, Error::TermsExpired);
		ensure!(
			terms.expires <= now.saturating_add(bounds.max_validity),
			Error::ValidTooLong
		);
		ensure!(
			(bounds.min_reveal..=bounds.max_reveal).contains(&terms.reveal_window)
				&& (bounds.min_dispute..=bounds.max_dispute).contains(&terms.dispute_window),
			Error::WindowOutOfBounds
		);
		Ok(())
	}
}
