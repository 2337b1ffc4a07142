//! Paying for a cleared slot, entry by entry.

use crate::{
	Balance, ClearedSlot, ClearedSlots, Config, Entries, Entry, Error, Event, Ledgers, MarketId, Member,
	Members, Pallet, weights::WeightInfo,
};
use alloc::vec::Vec;
use frame_support::pallet_prelude::Weight;
use m2m_auction::{Side, Slot, settle};
use m2m_device::DeviceId;

impl<T: Config> Pallet<T> {
	/// See [`Pallet::settle`]. Returns the weight used.
	pub(crate) fn do_settle(
		market: MarketId,
		slot: Slot,
		devices: Vec<DeviceId>,
	) -> Result<Weight, Error<T>> {
		let mut used = Weight::zero();
		let mut cleared = match ClearedSlots::<T>::get(market, slot) {
			Some(cleared) => cleared,
			None => {
				used.saturating_accrue(T::WeightInfo::clear(Self::do_clear(market, slot)?));
				match ClearedSlots::<T>::get(market, slot) {
					Some(cleared) => cleared,
					// Reports without any order leave nothing to settle.
					None => return Ok(used),
				}
			}
		};
		let (mut in_record, mut apart) = (0u32, 0u32);
		for device in devices {
			match Self::settle_one(market, slot, &mut cleared, &device) {
				Ok(true) => apart = apart.saturating_add(1),
				Ok(false) => in_record = in_record.saturating_add(1),
				Err((looked_apart, reason)) => {
					let count = if looked_apart { &mut apart } else { &mut in_record };
					*count = count.saturating_add(1);
					Self::deposit_event(Event::SettlementRefused {
						market,
						slot,
						device,
						reason: reason.into(),
					});
				}
			}
		}
		if cleared.orders > 0 {
			ClearedSlots::<T>::insert(market, slot, cleared);
		} else {
			Self::close_slot(market, slot, &cleared);
		}
		// The fixed part is charged once.
		let items = T::WeightInfo::settle_apart(apart).saturating_sub(T::WeightInfo::settle_apart(0));
		Ok(used
			.saturating_add(T::WeightInfo::settle(in_record))
			.saturating_add(items))
	}

	/// Takes a member's entry in a slot. Returns it and whether it lay apart.
	fn take_entry(
		member: &mut Member,
		market: MarketId,
		slot: Slot,
		device: &DeviceId,
	) -> Option<(Entry, bool)> {
		if let Some((_, entry)) = member.entry.take_if(|(at, _)| *at == slot) {
			return Some((entry, false));
		}
		if member.apart == 0 {
			return None;
		}
		let entry = Entries::<T>::take((market, slot, device))?;
		member.apart = member.apart.saturating_sub(1);
		Some((entry, true))
	}

	/// Settles one entry. Returns, for the weight, whether it lay apart, or was looked for there.
	fn settle_one(
		market: MarketId,
		slot: Slot,
		cleared: &mut ClearedSlot,
		device: &DeviceId,
	) -> Result<bool, (bool, Error<T>)> {
		let mut member = Members::<T>::get(market, device).ok_or((false, Error::NotMember))?;
		let (entry, apart) = Self::take_entry(&mut member, market, slot, device)
			.ok_or((member.apart > 0, Error::NothingToSettle))?;
		let bill = settle(
			&cleared.pricing,
			cleared.clearing.as_ref(),
			&entry.steps(Side::Bid),
			&entry.steps(Side::Ask),
		);
		let back: Balance = bill.returned.saturating_add(bill.earned);
		// Never short, whatever was settled before: see `m2m_auction::settlement`.
		cleared.pot = cleared.pot.saturating_sub(back);
		cleared.orders = cleared.orders.saturating_sub(entry.orders());
		member.credit = member.credit.saturating_add(back);
		Members::<T>::insert(market, device, member);
		Self::deposit_event(Event::Settled {
			market,
			slot,
			device: device.clone(),
			bought: bill.bought,
			sold: bill.sold,
			price: Self::price_of(cleared),
			grid_fee: cleared.pricing.grid_fee,
		});
		Ok(apart)
	}

	pub(crate) fn price_of(cleared: &ClearedSlot) -> Option<m2m_auction::PricePerKwh> {
		let clearing = cleared.clearing.as_ref()?;
		Some(cleared.pricing.grid.price(clearing.tick))
	}

	/// Ends a slot whose last entry is settled: what is left of its pot goes to the reserve.
	fn close_slot(market: MarketId, slot: Slot, cleared: &ClearedSlot) {
		let price = Self::price_of(cleared);
		if cleared.pot > 0 || price.is_some() {
			Ledgers::<T>::mutate(market, |ledger| {
				ledger.reserve = ledger.reserve.saturating_add(cleared.pot);
				if let Some(price) = price
					&& ledger.last.is_none_or(|(last, _)| last < slot)
				{
					ledger.last = Some((slot, price));
				}
			});
		}
		ClearedSlots::<T>::remove(market, slot);
		Self::deposit_event(Event::SlotSettled {
			market,
			slot,
			reserved: cleared.pot,
		});
	}
}
