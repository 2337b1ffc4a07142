//! Delivery slots: the intervals of time in which a market trades.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::num::NonZeroU32;
use scale_info::TypeInfo;

/// Number of a delivery slot: `unix seconds / slot length`, rounded down.
pub type Slot = u64;

const SECONDS_PER_DAY: u32 = 86_400;
const MS_PER_SECOND: u64 = 1_000;

/// Length of a market's slots. Divides a day, so that slots begin at midnight UTC every day. Decoding refuses
/// 0 only: take lengths from outside as a number of seconds and check them by [`Self::new`].
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct SlotLength(NonZeroU32);

impl SlotLength {
	/// A length in seconds; `None` if it does not divide 86,400.
	pub fn new(seconds: u32) -> Option<Self> {
		let seconds = NonZeroU32::new(seconds)?;
		(SECONDS_PER_DAY % seconds == 0).then_some(Self(seconds))
	}

	/// The length in seconds.
	pub fn seconds(self) -> u32 {
		self.0.get()
	}

	/// The length in milliseconds, as streams state their period. At most a day.
	pub fn ms(self) -> u64 {
		u64::from(self.seconds()).saturating_mul(MS_PER_SECOND)
	}

	/// The slot that contains a time in unix milliseconds: its start belongs to it, its end to the next.
	pub fn slot_at(self, unix_ms: u64) -> Slot {
		// Never `None`: the length is not zero.
		unix_ms.checked_div(self.ms()).unwrap_or(Slot::MAX)
	}

	/// First unix millisecond of a slot. Slots that would begin after the last one saturate there, where no
	/// clock gets, so they never come due.
	pub fn start(self, slot: Slot) -> u64 {
		slot.saturating_mul(self.ms())
	}

	/// First unix millisecond after a slot; saturates as [`Self::start`].
	pub fn end(self, slot: Slot) -> u64 {
		self.start(slot).saturating_add(self.ms())
	}
}
