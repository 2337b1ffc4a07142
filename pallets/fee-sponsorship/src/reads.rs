//! Read access for runtime APIs.

use crate::{
	Attached, Balance, Bucket, Buckets, Budget, Config, Pallet, SponsoredBy, SponsoredRest, SponsorshipId,
	Sponsorships,
};
use alloc::vec::Vec;
use frame_support::traits::{
	fungible::Inspect,
	tokens::{Fortitude, Preservation},
};
use m2m_device::{AccountId, DeviceId, DeviceInspect, DeviceStatus};

/// Most sponsorships in one page of [`Pallet::sponsorships_of`].
pub const MAX_PAGE: u32 = 256;

impl<T: Config> Pallet<T> {
	/// Owner and generation of a device whose keys can act at all.
	fn active(device: &DeviceId) -> Option<(AccountId, u32)> {
		if T::Devices::status(device)? != DeviceStatus::Active {
			return None;
		}
		Some((T::Devices::owner(device)?, T::Devices::generation(device)?))
	}

	/// The sponsorships that pay for a device now, in the order in which they are tried, at most two. None if
	/// the device is not active.
	pub fn sponsored(device: &DeviceId) -> Vec<SponsoredRest<T::CallGroup>> {
		let Some((owner, generation)) = Self::active(device) else {
			return Vec::new();
		};
		let now = Self::now();
		let block = Self::block();
		[device, &owner]
			.into_iter()
			.filter_map(Attached::<T>::get)
			.filter_map(|sponsorship| {
				let record = Sponsorships::<T>::get(sponsorship)?;
				if record.closed || record.is_expired(now) || !record.covers(device, &owner, generation) {
					return None;
				}
				let row = Buckets::<T>::get(sponsorship, device);
				let buckets = record.buckets.saturating_add(row.is_none().into());
				let bucket = row
					.unwrap_or_else(|| Bucket::full(block))
					.left(&record.terms, block);
				let pot = Self::pot_left(sponsorship, &record, buckets);
				Some(SponsoredRest {
					sponsorship,
					record,
					bucket,
					pot,
				})
			})
			.collect()
	}

	/// The budget of a device, with what is left of it now and when its present period ends. `None` if there
	/// is none or the device is not active.
	pub fn budget_left(device: &DeviceId) -> Option<(Budget, Balance, m2m_device::UnixMs)> {
		let (_, generation) = Self::active(device)?;
		let budget = Self::budget(device, generation)?;
		let now = Self::now();
		Some((budget, budget.left(now), budget.period_ends(now)))
	}

	/// The free money of an active device's wallet above the existential deposit; zero for other devices.
	pub fn wallet_left(device: &DeviceId) -> Balance {
		if Self::active(device).is_none() {
			return 0;
		}
		T::Currency::reducible_balance(device, Preservation::Preserve, Fortitude::Polite)
	}

	/// A sponsorship, with what fees can take from its pot and whether it is attached.
	pub fn sponsorship(sponsorship: SponsorshipId) -> Option<(crate::SponsorshipOf<T>, Balance, bool)> {
		let record = Sponsorships::<T>::get(sponsorship)?;
		let left = Self::pot_left(sponsorship, &record, record.buckets);
		let attached = Attached::<T>::get(record.beneficiary.account()) == Some(sponsorship);
		Some((record, left, attached))
	}

	/// The sponsorships of a sponsor in the fixed order of their storage keys: at most `limit` (never more
	/// than [`MAX_PAGE`]) that come after `after`. The sponsorship `after` need not exist any more.
	pub fn sponsorships_of(
		sponsor: &AccountId,
		after: Option<SponsorshipId>,
		limit: u32,
	) -> Vec<SponsorshipId> {
		let numbers = match after {
			None => SponsoredBy::<T>::iter_key_prefix(sponsor),
			Some(after) => SponsoredBy::<T>::iter_key_prefix_from(
				sponsor,
				SponsoredBy::<T>::hashed_key_for(sponsor, after),
			),
		};
		numbers.take(limit.min(MAX_PAGE) as usize).collect()
	}
}
