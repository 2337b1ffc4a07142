//! What clients read for free. Every answer is bounded.

use crate::{
	ClearedSlot, ClearedSlots, Config, Entry, Ledger, Ledgers, Market, MarketId, MarketTerms, Markets,
	Member, Members, OpenSlots, OrderedSlot, Pages, Pallet, Terms, clearing::set_aside,
};
use alloc::vec::Vec;
use m2m_auction::{Book, Clearing, Money, PricePerKwh, Pricing, Side, Slot, clear};
use m2m_device::DeviceId;

/// Most items in one page.
pub const MAX_PAGE: u32 = 256;

/// The book of a slot that is not cleared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenBook {
	/// Volumes by tick.
	pub book: Book,
	/// Prices of its slot.
	pub pricing: Pricing,
	/// What clearing would find now.
	pub indicative: Option<Clearing>,
	/// What bids have set aside.
	pub pot: Money,
	/// True if it can be cleared.
	pub due: bool,
}

impl<T: Config> Pallet<T> {
	/// A market with its terms, reserve and last price.
	pub fn market(market: MarketId) -> Option<(Market, Terms, Ledger)> {
		let record = Markets::<T>::get(market)?;
		Some((record, MarketTerms::<T>::get(market)?, Ledgers::<T>::get(market)))
	}

	/// Numbers of markets in their order, at most `limit` (capped at [`MAX_PAGE`]) after `after`.
	pub fn markets(after: Option<MarketId>, limit: u32) -> Vec<MarketId> {
		let first = after.map_or(Some(0), |after| after.checked_add(1));
		let all = first.map(|first| first..crate::NextMarket::<T>::get());
		all.into_iter()
			.flatten()
			.take(limit.min(MAX_PAGE) as usize)
			.collect()
	}

	/// The book of a slot that was reported and is not cleared.
	pub fn open_book(market: MarketId, slot: Slot) -> Option<OpenBook> {
		OpenSlots::<T>::get(market, OrderedSlot::from(slot))?;
		let terms = MarketTerms::<T>::get(market)?;
		let pricing = terms.parameters.at(slot)?.pricing;
		let mut book = Book::default();
		for ((side, number), page) in Pages::<T>::iter_prefix((market, slot)) {
			let side = match side {
				Side::Bid => &mut book.bids,
				Side::Ask => &mut book.asks,
			};
			if let Some(place) = side.get_mut(usize::from(number)) {
				*place = page;
			}
		}
		Some(OpenBook {
			indicative: clear(&book),
			pot: set_aside(&book, &pricing),
			due: Self::is_due(&terms, slot),
			book,
			pricing,
		})
	}

	/// The prices by which a slot is traded, as long as somebody can need them.
	pub fn pricing(market: MarketId, slot: Slot) -> Option<Pricing> {
		match ClearedSlots::<T>::get(market, slot) {
			Some(cleared) => Some(cleared.pricing),
			None => Some(MarketTerms::<T>::get(market)?.parameters.at(slot)?.pricing),
		}
	}

	/// A slot that is cleared and not settled wholly.
	pub fn cleared_slot(market: MarketId, slot: Slot) -> Option<ClearedSlot> {
		ClearedSlots::<T>::get(market, slot)
	}

	/// A device's entry in a slot that is not settled.
	pub fn entry(market: MarketId, slot: Slot, device: &DeviceId) -> Option<Entry> {
		let member = Members::<T>::get(market, device)?;
		Self::entry_of(&member, market, slot, device)
	}

	/// One membership.
	pub fn member_of(market: MarketId, device: &DeviceId) -> Option<Member> {
		Members::<T>::get(market, device)
	}

	/// Members of a market in the fixed order of their storage keys: at most `limit` (capped at [`MAX_PAGE`]) that come
	/// after `after`, which need not be a member any more.
	pub fn members(market: MarketId, after: Option<&DeviceId>, limit: u32) -> Vec<DeviceId> {
		Self::members_from(market, after)
			.take(limit.min(MAX_PAGE) as usize)
			.collect()
	}

	fn members_from(market: MarketId, after: Option<&DeviceId>) -> impl Iterator<Item = DeviceId> {
		match after {
			None => Members::<T>::iter_key_prefix(market),
			Some(after) => {
				Members::<T>::iter_key_prefix_from(market, Members::<T>::hashed_key_for(market, after))
			}
		}
	}

	/// Members with an entry in a slot that is not settled. Looks at no more than [`MAX_PAGE`] members after `after`;
	/// the second value is where to go on, `None` at the end.
	pub fn unsettled(
		market: MarketId,
		slot: Slot,
		after: Option<&DeviceId>,
	) -> (Vec<DeviceId>, Option<DeviceId>) {
		let looked_at: Vec<DeviceId> = Self::members_from(market, after)
			.take(MAX_PAGE as usize)
			.collect();
		let more = looked_at.len() == MAX_PAGE as usize;
		let last = looked_at.last().filter(|_| more).cloned();
		let mut found = looked_at;
		found.retain(|device| Self::entry(market, slot, device).is_some());
		(found, last)
	}

	/// Slots that were reported and are not cleared, oldest first, each with whether it can be cleared: at most `limit`
	/// (capped at [`MAX_PAGE`]).
	pub fn open_slots(market: MarketId, limit: u32) -> Vec<(Slot, bool)> {
		let Some(terms) = MarketTerms::<T>::get(market) else {
			return Vec::new();
		};
		OpenSlots::<T>::iter_key_prefix(market)
			.take(limit.min(MAX_PAGE) as usize)
			.map(|slot| (slot.number(), Self::is_due(&terms, slot.number())))
			.collect()
	}

	/// Slots that are cleared and not settled wholly, in no order: at most `limit` (capped at [`MAX_PAGE`]).
	pub fn unsettled_slots(market: MarketId, limit: u32) -> Vec<Slot> {
		ClearedSlots::<T>::iter_key_prefix(market)
			.take(limit.min(MAX_PAGE) as usize)
			.collect()
	}

	/// The latest slot that traded and was settled wholly, with its price.
	pub fn last_price(market: MarketId) -> Option<(Slot, PricePerKwh)> {
		Ledgers::<T>::get(market).last
	}
}
