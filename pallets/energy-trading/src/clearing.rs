//! Clearing slots whose window is over.

use crate::{
	ClearedSlot, ClearedSlots, Config, Error, Event, MAX_CLEARED_MARKETS, MAX_PAGES, MarketId, NextCleared,
	NextMarket, OpenSlots, OrderedSlot, Pages, Pallet, weights::WeightInfo,
};
use frame_support::{ensure, weights::WeightMeter};
use m2m_auction::{Book, MILLI_WH_PER_WH, Money, Pricing, Side, Slot, Tick, clear, cost};

/// What bids have set aside: for each tick its volume at its price and the grid fee.
pub(crate) fn set_aside(book: &Book, pricing: &Pricing) -> Money {
	(Tick::MIN..=Tick::MAX)
		.zip(book.ticks(Side::Bid))
		.fold(0, |sum: Money, (tick, volume)| {
			let energy = MILLI_WH_PER_WH.saturating_mul(volume.wh.into());
			sum.saturating_add(cost(pricing.charge(tick), energy))
		})
}

impl<T: Config> Pallet<T> {
	/// See [`Pallet::clear`]. Returns how many pages the book had.
	pub(crate) fn do_clear(market: MarketId, slot: Slot) -> Result<u32, Error<T>> {
		let key = OrderedSlot::from(slot);
		let totals = OpenSlots::<T>::get(market, key).ok_or_else(|| {
			if ClearedSlots::<T>::contains_key(market, slot) {
				Error::AlreadyCleared
			} else {
				Error::UnknownSlot
			}
		})?;
		let terms = Self::terms(market)?;
		ensure!(Self::is_due(&terms, slot), Error::WindowOpen);
		// Nothing is due without parameters.
		let parameters = terms.parameters.at(slot).copied().ok_or(Error::UnknownSlot)?;

		let mut book = Book::default();
		let mut pages = 0u32;
		for ((side, number), page) in Pages::<T>::drain_prefix((market, slot)) {
			let side = match side {
				Side::Bid => &mut book.bids,
				Side::Ask => &mut book.asks,
			};
			if let Some(place) = side.get_mut(usize::from(number)) {
				*place = page;
			}
			pages = pages.saturating_add(1);
		}
		OpenSlots::<T>::remove(market, key);
		let clearing = clear(&book);
		let volumes = book.ticks(Side::Bid).chain(book.ticks(Side::Ask));
		let orders = volumes.fold(0u64, |sum, volume| sum.saturating_add(volume.orders.into()));
		Self::deposit_event(Event::SlotCleared {
			market,
			slot,
			price: clearing.map(|clearing| parameters.pricing.grid.price(clearing.tick)),
			volume_wh: clearing.map(|clearing| clearing.volume_wh).unwrap_or_default(),
			orders,
		});
		if orders > 0 {
			let cleared = ClearedSlot {
				pricing: parameters.pricing,
				clearing,
				pot: set_aside(&book, &parameters.pricing),
				orders,
			};
			ClearedSlots::<T>::insert(market, slot, cleared);
		}
		if let (Some(meter), Some(feeder)) = (&terms.feeder, totals.feeder) {
			let accounted = totals
				.imported
				.saturating_add(feeder)
				.saturating_add(meter.tolerance);
			if totals.exported > accounted {
				Self::deposit_event(Event::BalanceMismatch {
					market,
					slot,
					exported: totals.exported,
					imported: totals.imported,
					feeder,
				});
			}
		}
		Ok(pages)
	}

	/// Clears the oldest due slot of up to [`MAX_CLEARED_MARKETS`] markets, as far as the weight goes. Begins where the
	/// last block stopped, so that every market has its turn.
	pub(crate) fn clear_due_slots(meter: &mut WeightMeter) {
		if meter.try_consume(T::WeightInfo::seek_markets()).is_err() {
			return;
		}
		let markets = NextMarket::<T>::get();
		let start = NextCleared::<T>::get();
		let mut next = start;
		let most = T::WeightInfo::seek_slot().saturating_add(T::WeightInfo::clear(MAX_PAGES));
		for _ in 0..markets.min(MAX_CLEARED_MARKETS) {
			if !meter.can_consume(most) {
				break;
			}
			let market = next;
			next = next.saturating_add(1).checked_rem(markets).unwrap_or_default();
			meter.consume(T::WeightInfo::seek_slot());
			let cleared = Self::oldest_open_slot(market).map(|slot| Self::do_clear(market, slot));
			if let Some(Ok(pages)) = cleared {
				meter.consume(T::WeightInfo::clear(pages));
			}
		}
		if next != start {
			NextCleared::<T>::put(next);
		}
	}
}
