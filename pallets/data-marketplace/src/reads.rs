//! What clients read for free. Work is bounded.

use crate::{
	Balance, Bounds, Config, ListedBy, Listings, Marks, NextListing, Pallet, PoolMembers, Pools, Requests,
	Sales, Sellers, Subscriptions, pools::owed, sales::mark,
};
use alloc::vec::Vec;
use frame_support::traits::Get;
use m2m_device::{AccountId, DeviceInspect, DeviceStatus};
use m2m_fair_exchange::{
	ListingId, SaleId,
	market::{
		Conditions, Listing, ListingFilter, ListingPage, Pool, PoolId, Request, RequestId, SaleStatus,
		Seller, Subscription, SubscriptionId,
	},
};

/// Most listings that one search looks at.
pub const MAX_SCANNED: u32 = 512;
/// Most listings or requests in one page.
pub const MAX_PAGE: u32 = 128;
/// Most issuers of attestations that one search asks about.
pub const MAX_ISSUERS: usize = 16;

impl<T: Config> Pallet<T> {
	/// True if something can be bought under the listing now, and the filter lets it through. Cheapest first.
	fn matches(listing: &Listing, filter: &ListingFilter) -> bool {
		let spec = &listing.spec;
		filter.schema.is_none_or(|schema| schema == spec.schema)
			&& filter
				.area
				.as_ref()
				.is_none_or(|area| spec.area.starts_with(area))
			&& filter
				.max_price
				.as_ref()
				.is_none_or(|limit| spec.price.is_within(limit))
			&& T::Devices::generation(&spec.device) == Some(listing.generation)
			&& T::Devices::status(&spec.device) == Some(DeviceStatus::Active)
			&& filter.min_rating.is_none_or(|least| {
				Sellers::<T>::get(&listing.seller).is_some_and(|seller| seller.is_rated(least))
			}) && filter.genuine.as_ref().is_none_or(|(topic, issuers)| {
			let issuers = issuers.get(..MAX_ISSUERS.min(issuers.len())).unwrap_or_default();
			T::Devices::has_attestation(&spec.device, *topic, issuers, false)
		})
	}

	/// What is demanded of every sale.
	pub fn conditions() -> Conditions {
		Conditions {
			windows: Bounds::<T>::get(),
			min_price: T::MinPrice::get(),
			fixed_cover: T::FixedCover::get(),
			fee_rate: T::FeeRate::get(),
		}
	}

	/// Listings that match, from number `from` on: at most `limit` (1 to [`MAX_PAGE`]), out of the
	/// next [`MAX_SCANNED`] numbers.
	pub fn search(filter: &ListingFilter, from: ListingId, limit: u32) -> ListingPage {
		let end = NextListing::<T>::get();
		let stop = from.saturating_add(MAX_SCANNED).min(end);
		let mut page = ListingPage::default();
		let mut at = from;
		while at < stop && (page.listings.len() as u32) < limit.clamp(1, MAX_PAGE) {
			if let Some(listing) = Listings::<T>::get(at)
				&& Self::matches(&listing, filter)
			{
				page.listings.push((at, listing));
			}
			at = at.saturating_add(1);
		}
		page.next = (at < end).then_some(at);
		page
	}

	/// One listing.
	pub fn listing(listing: ListingId) -> Option<Listing> {
		Listings::<T>::get(listing)
	}

	/// Numbers of a seller's listings in a fixed order, at most `limit` (never more than [`MAX_PAGE`]) after
	/// `after`, which need not exist any more.
	pub fn listings_of(seller: &AccountId, after: Option<ListingId>, limit: u32) -> Vec<ListingId> {
		let listings = match after {
			None => ListedBy::<T>::iter_key_prefix(seller),
			Some(after) => {
				ListedBy::<T>::iter_key_prefix_from(seller, ListedBy::<T>::hashed_key_for(seller, after))
			}
		};
		listings.take(limit.min(MAX_PAGE) as usize).collect()
	}

	/// A sale that is open, or that ended before `expires`, the last block of its terms.
	pub fn sale(sale: SaleId, expires: u32) -> Option<SaleStatus> {
		Sales::<T>::get(sale)
			.map(SaleStatus::Open)
			.or_else(|| Marks::<T>::contains_key(mark(expires, sale)).then_some(SaleStatus::Ended))
	}

	/// Bond and record of a seller.
	pub fn seller(seller: &AccountId) -> Option<Seller> {
		Sellers::<T>::get(seller)
	}

	/// One subscription.
	pub fn subscription(subscription: SubscriptionId) -> Option<Subscription> {
		Subscriptions::<T>::get(subscription)
	}

	/// One request.
	pub fn request(request: RequestId) -> Option<Request> {
		Requests::<T>::get(request)
	}

	/// Requests that have not expired, from number `from` on: as for [`Self::search`], with the number at which
	/// to go on.
	pub fn requests(from: RequestId, limit: u32) -> (Vec<(RequestId, Request)>, Option<RequestId>) {
		let end = crate::NextRequest::<T>::get();
		let stop = from.saturating_add(MAX_SCANNED).min(end);
		let mut found = Vec::new();
		let mut at = from;
		while at < stop && (found.len() as u32) < limit.clamp(1, MAX_PAGE) {
			if let Some(request) = Requests::<T>::get(at)
				&& Self::now() <= request.spec.expires
			{
				found.push((at, request));
			}
			at = at.saturating_add(1);
		}
		(found, (at < end).then_some(at))
	}

	/// One pool.
	pub fn pool(pool: PoolId) -> Option<Pool> {
		Pools::<T>::get(pool)
	}

	/// Shares of a member of a pool and what it is owed.
	pub fn pool_member(pool: PoolId, member: &AccountId) -> Option<(u32, Balance)> {
		let record = Pools::<T>::get(pool)?;
		let entry = PoolMembers::<T>::get(pool, member)?;
		Some((entry.shares, owed(&entry, record.index)))
	}
}
