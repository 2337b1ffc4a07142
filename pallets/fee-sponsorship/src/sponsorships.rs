//! Offering, taking and ending sponsorships.

use crate::{
	AllowList, Attached, Balance, Bucket, Buckets, Config, Error, Event, NextSponsorship, Pallet,
	SponsoredBy, Sponsorship, SponsorshipId, SponsorshipOf, Sponsorships, Terms,
};
use codec::MaxEncodedLen;
use frame_support::{
	ensure,
	traits::{
		Footprint, Get,
		fungible::{Inspect, Mutate},
		tokens::{Fortitude, Preservation, Provenance},
	},
};
use m2m_device::{AccountId, Beneficiary, DeviceId, DeviceInspect, UnixMs};
use sp_runtime::{
	DispatchResult,
	traits::{AccountIdConversion, Convert},
};

/// Bytes of a map's prefix, and of the hashes before a key.
const PREFIX: u64 = 32;
const TWOX_64: u64 = 8;
const BLAKE2_128: u64 = 16;
/// Bytes of an account and of a sponsorship's number.
const ACCOUNT: u64 = 32;
const NUMBER: u64 = 4;

/// Bytes of storage key and value for a budget's record of `value` bytes.
pub(crate) fn budget_bytes(value: usize) -> u64 {
	(PREFIX + BLAKE2_128 + ACCOUNT).saturating_add(value as u64)
}

impl<T: Config> Pallet<T> {
	/// The account from which a sponsorship's fees are paid. It has no key: only fees and [`Pallet::close`]
	/// take from it.
	pub fn pot(sponsorship: SponsorshipId) -> AccountId {
		T::PalletId::get().into_sub_account_truncating(sponsorship)
	}

	/// What fees can take from a pot while `buckets` buckets are in state.
	pub(crate) fn pot_left(sponsorship: SponsorshipId, record: &SponsorshipOf<T>, buckets: u32) -> Balance {
		T::Currency::reducible_balance(&Self::pot(sponsorship), Preservation::Preserve, Fortitude::Polite)
			.saturating_sub(record.reserve(buckets))
	}

	/// The deposit for a record and its entries in both indices.
	pub(crate) fn record_deposit() -> Balance {
		let record = PREFIX + TWOX_64 + NUMBER;
		let by_sponsor = PREFIX + BLAKE2_128 + ACCOUNT + TWOX_64 + NUMBER;
		let attached = PREFIX + BLAKE2_128 + ACCOUNT + NUMBER;
		let bytes =
			(record + by_sponsor + attached).saturating_add(SponsorshipOf::<T>::max_encoded_len() as u64);
		T::DepositPrice::convert(Footprint {
			count: 1,
			size: bytes,
		})
	}

	/// The deposit for a bucket.
	pub(crate) fn bucket_deposit() -> Balance {
		let key = PREFIX + TWOX_64 + NUMBER + BLAKE2_128 + ACCOUNT;
		let bytes = key.saturating_add(Bucket::max_encoded_len() as u64);
		T::DepositPrice::convert(Footprint {
			count: 1,
			size: bytes,
		})
	}

	pub(crate) fn do_offer(
		sponsor: AccountId,
		beneficiary: Beneficiary,
		calls: AllowList<T::CallGroup>,
		terms: Terms,
		expires: Option<UnixMs>,
		amount: Balance,
	) -> DispatchResult {
		ensure!(!calls.is_empty(), Error::<T>::EmptyAllowList);
		ensure!(terms.capacity > 0, Error::<T>::ZeroCapacity);
		ensure!(
			expires.is_none_or(|expires| expires > Self::now()),
			Error::<T>::AlreadyExpired
		);
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		let generation = match &beneficiary {
			Beneficiary::Device(device) => {
				Some(T::Devices::generation(device).ok_or(Error::<T>::UnknownDevice)?)
			}
			Beneficiary::Owner(_) => None,
		};
		let sponsorship = NextSponsorship::<T>::get();
		let next = sponsorship.checked_add(1).ok_or(Error::<T>::NumbersExhausted)?;
		let record = Sponsorship {
			sponsor: sponsor.clone(),
			beneficiary: beneficiary.clone(),
			generation,
			calls,
			terms,
			expires,
			deposit: Self::record_deposit(),
			bucket_deposit: Self::bucket_deposit(),
			buckets: 0,
			closed: false,
		};
		let pot = Self::pot(sponsorship);
		let price = T::Currency::minimum_balance()
			.saturating_add(record.reserve(0))
			.saturating_add(amount);
		T::Currency::transfer(&sponsor, &pot, price, Preservation::Preserve)
			.map_err(|_| Error::<T>::CannotPay)?;
		NextSponsorship::<T>::put(next);
		Sponsorships::<T>::insert(sponsorship, record);
		SponsoredBy::<T>::insert(&sponsor, sponsorship, ());
		Self::deposit_event(Event::SponsorshipOffered {
			sponsorship,
			sponsor,
			beneficiary,
			pot,
			amount,
		});
		Ok(())
	}

	/// Fails unless `who` may take the beneficiary's sponsorships and give them back.
	fn ensure_takes(who: &AccountId, beneficiary: &Beneficiary) -> Result<(), Error<T>> {
		let owner = match beneficiary {
			Beneficiary::Device(device) => T::Devices::owner(device).ok_or(Error::<T>::UnknownDevice)?,
			Beneficiary::Owner(owner) => owner.clone(),
		};
		ensure!(owner == *who, Error::<T>::NotOwner);
		Ok(())
	}

	pub(crate) fn do_attach(who: &AccountId, sponsorship: SponsorshipId) -> DispatchResult {
		let record = Sponsorships::<T>::get(sponsorship).ok_or(Error::<T>::UnknownSponsorship)?;
		Self::ensure_takes(who, &record.beneficiary)?;
		let over = match &record.beneficiary {
			Beneficiary::Device(device) => T::Devices::generation(device) != record.generation,
			Beneficiary::Owner(_) => false,
		};
		ensure!(!over && !record.closed, Error::<T>::SponsorshipEnded);
		ensure!(!record.is_expired(Self::now()), Error::<T>::SponsorshipExpired);
		let place = record.beneficiary.account();
		ensure!(
			Attached::<T>::get(place) != Some(sponsorship),
			Error::<T>::AlreadyAttached
		);
		Attached::<T>::insert(place, sponsorship);
		Self::deposit_event(Event::SponsorshipAttached {
			sponsorship,
			beneficiary: record.beneficiary,
		});
		Ok(())
	}

	pub(crate) fn do_detach(who: &AccountId, sponsorship: SponsorshipId) -> DispatchResult {
		let record = Sponsorships::<T>::get(sponsorship).ok_or(Error::<T>::UnknownSponsorship)?;
		Self::ensure_takes(who, &record.beneficiary)?;
		let place = record.beneficiary.account();
		ensure!(
			Attached::<T>::get(place) == Some(sponsorship),
			Error::<T>::NotAttached
		);
		Attached::<T>::remove(place);
		Self::deposit_event(Event::SponsorshipDetached {
			sponsorship,
			beneficiary: record.beneficiary,
		});
		Ok(())
	}

	pub(crate) fn do_top_up(by: AccountId, sponsorship: SponsorshipId, amount: Balance) -> DispatchResult {
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		let record = Sponsorships::<T>::get(sponsorship).ok_or(Error::<T>::UnknownSponsorship)?;
		ensure!(!record.closed, Error::<T>::SponsorshipEnded);
		T::Currency::transfer(&by, &Self::pot(sponsorship), amount, Preservation::Preserve)
			.map_err(|_| Error::<T>::CannotPay)?;
		Self::deposit_event(Event::PotToppedUp {
			sponsorship,
			by,
			amount,
		});
		Ok(())
	}

	pub(crate) fn do_close(who: &AccountId, sponsorship: SponsorshipId) -> DispatchResult {
		let mut record = Sponsorships::<T>::get(sponsorship).ok_or(Error::<T>::UnknownSponsorship)?;
		ensure!(record.sponsor == *who, Error::<T>::NotSponsor);
		ensure!(!record.closed, Error::<T>::SponsorshipEnded);
		let place = record.beneficiary.account();
		if Attached::<T>::get(place) == Some(sponsorship) {
			Attached::<T>::remove(place);
		}
		let buckets = record.buckets;
		let returned = if buckets == 0 {
			Self::dissolve(sponsorship, &record)?
		} else {
			let excess = Self::pot_left(sponsorship, &record, buckets);
			// Too little for a sponsor without an account; it goes with the rest of the pot.
			let arrives = T::Currency::can_deposit(who, excess, Provenance::Extant)
				.into_result()
				.is_ok();
			let returned = if arrives { excess } else { 0 };
			if returned > 0 {
				T::Currency::transfer(&Self::pot(sponsorship), who, returned, Preservation::Preserve)?;
			}
			record.closed = true;
			Sponsorships::<T>::insert(sponsorship, record);
			returned
		};
		Self::deposit_event(Event::SponsorshipClosed {
			sponsorship,
			returned,
			buckets,
		});
		Ok(())
	}

	/// Removes a sponsorship without buckets and sends all of its pot to the sponsor. That is at least the
	/// existential deposit, so that it arrives even if the sponsor's account is gone.
	fn dissolve(
		sponsorship: SponsorshipId,
		record: &SponsorshipOf<T>,
	) -> Result<Balance, sp_runtime::DispatchError> {
		Sponsorships::<T>::remove(sponsorship);
		SponsoredBy::<T>::remove(&record.sponsor, sponsorship);
		let pot = Self::pot(sponsorship);
		let rest = T::Currency::reducible_balance(&pot, Preservation::Expendable, Fortitude::Polite);
		T::Currency::transfer(&pot, &record.sponsor, rest, Preservation::Expendable)
	}

	pub(crate) fn do_prune_buckets(sponsorship: SponsorshipId, devices: &[DeviceId]) -> DispatchResult {
		let mut record = Sponsorships::<T>::get(sponsorship).ok_or(Error::<T>::UnknownSponsorship)?;
		ensure!(!devices.is_empty(), Error::<T>::NoSuchBucket);
		let block = Self::block();
		for device in devices {
			let bucket = Buckets::<T>::take(sponsorship, device).ok_or(Error::<T>::NoSuchBucket)?;
			// The register is asked first, so that every way costs what was measured.
			let says_nothing = T::Devices::generation(device).is_none()
				|| record.closed
				|| bucket.missing(&record.terms, block) == 0;
			ensure!(says_nothing, Error::<T>::BucketNotFull);
		}
		let buckets = devices.len() as u32;
		record.buckets = record.buckets.saturating_sub(buckets);
		let returned = if record.closed && record.buckets == 0 {
			Self::dissolve(sponsorship, &record)?
		} else {
			Sponsorships::<T>::insert(sponsorship, record);
			0
		};
		Self::deposit_event(Event::BucketsPruned {
			sponsorship,
			buckets,
			returned,
		});
		Ok(())
	}
}
