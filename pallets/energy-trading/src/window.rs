//! Until when a slot can be reported.
//!
//! A slot that ended at `E` can be cleared, and not be reported any more, once both hold:
//! * the clock shows at least `E` and the window's milliseconds;
//! * the block that lies the window's number of blocks before the present one already had a time of at least `E`.
//!
//! The second needs the times of the last blocks, which `on_initialize` writes down one by one. Both stay true once
//! they are, so a slot is open first and over for ever then. A chain that halts over a whole window takes reports for
//! so many blocks after it runs again.

use crate::{BlockTimes, Config, Pallet, Parameters, Terms, types::Window};
use frame_support::traits::UnixTime;
use frame_system::pallet_prelude::BlockNumberFor;
use m2m_auction::{Slot, SlotLength};
use m2m_device::UnixMs;
use sp_runtime::{SaturatedConversion, traits::Saturating};

/// How many blocks' times are kept.
pub(crate) const RING: u32 = 128;

fn place<N: TryInto<u64>>(block: N) -> u32 {
	(block.saturated_into::<u64>() % u64::from(RING)).saturated_into()
}

impl<T: Config> Pallet<T> {
	/// The chain's clock.
	pub(crate) fn now() -> UnixMs {
		T::Time::now().as_millis().saturated_into()
	}

	/// Writes down the time of the block before `block`, which the clock still shows.
	pub(crate) fn note_time(block: BlockNumberFor<T>) {
		let before = block.saturating_sub(1u8.into());
		BlockTimes::<T>::insert(place(before), Self::now());
	}

	/// Time of the block that lies `blocks` (1 to [`crate::MAX_WINDOW_BLOCKS`]) before the present one. A chain that
	/// does not know yet says 0, so that nothing counts as over.
	fn time_before(blocks: u8) -> UnixMs {
		let present: u64 = frame_system::Pallet::<T>::block_number().saturated_into();
		present
			.checked_sub(blocks.into())
			.and_then(|block| BlockTimes::<T>::get(place(block)))
			.unwrap_or_default()
	}

	/// True if the slot cannot be reported any more.
	pub(crate) fn is_over(length: SlotLength, slot: Slot, window: &Window) -> bool {
		let end = length.end(slot);
		// The first rule decides nearly always, and needs no storage.
		Self::now() >= end.saturating_add(window.ms.into()) && Self::time_before(window.blocks) >= end
	}

	/// True if the slot of this market can be cleared.
	pub(crate) fn is_due(terms: &Terms, slot: Slot) -> bool {
		terms
			.parameters
			.at(slot)
			.is_some_and(|parameters| Self::is_over(terms.slot, slot, &parameters.window))
	}

	/// The oldest slot that could still be reported: all before it are over.
	pub(crate) fn oldest_reportable(terms: &Terms) -> Slot {
		let windows = || {
			terms
				.parameters
				.iter()
				.map(|(_, Parameters { window, .. })| window)
		};
		let longest = windows().map(|window| window.ms).max().unwrap_or_default();
		let most_blocks = windows().map(|window| window.blocks).max().unwrap_or_default();
		let over = Self::now()
			.saturating_sub(longest.into())
			.min(Self::time_before(most_blocks));
		// A slot that contains this moment ends after it.
		terms.slot.slot_at(over)
	}

	/// The slot after the present one.
	pub(crate) fn next_slot(length: SlotLength) -> Slot {
		length.slot_at(Self::now()).saturating_add(1)
	}
}
