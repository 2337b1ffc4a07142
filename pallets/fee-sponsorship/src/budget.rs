//! The budget of one device: what its keys may spend from its wallet in a period. Plain arithmetic, no
//! storage.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_device::UnixMs;
use scale_info::TypeInfo;

/// What the keys of one device may spend from its wallet in each period, and what they spent in the last one.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Budget {
	/// Number of this budget; no two have the same.
	pub number: u32,
	/// The device's generation for which its owner set it.
	pub generation: u32,
	/// Most that is spent in a period.
	pub limit: u128,
	/// Length of a period in milliseconds, not zero.
	pub period_ms: u64,
	/// When the first period began.
	pub since: UnixMs,
	/// The period, from 0, in which something was spent last.
	pub period: u64,
	/// What was spent in that period. Never more than the limit.
	pub spent: u128,
}

impl Budget {
	/// The period at `now`. It never lies before the last one in which something was spent.
	pub fn period_at(&self, now: UnixMs) -> u64 {
		let elapsed = now.saturating_sub(self.since);
		elapsed
			.checked_div(self.period_ms)
			.unwrap_or_default()
			.max(self.period)
	}

	/// What may still be spent in the period of `now`.
	pub fn left(&self, now: UnixMs) -> u128 {
		if self.period_at(now) > self.period {
			self.limit
		} else {
			self.limit.saturating_sub(self.spent)
		}
	}

	/// The budget after spending `amount` at `now`; `None` if that is more than is left.
	pub fn spend(&self, now: UnixMs, amount: u128) -> Option<Self> {
		let left = self.left(now).checked_sub(amount)?;
		Some(Self {
			period: self.period_at(now),
			spent: self.limit.saturating_sub(left),
			..*self
		})
	}

	/// The budget after `amount` of what was spent in `period` came back at `now`. Unchanged if that period
	/// is over.
	pub fn unspend(&self, now: UnixMs, amount: u128, period: u64) -> Self {
		if period != self.period || self.period_at(now) != period {
			return *self;
		}
		Self {
			spent: self.spent.saturating_sub(amount),
			..*self
		}
	}

	/// When the period of `now` ends.
	pub fn period_ends(&self, now: UnixMs) -> UnixMs {
		let periods = self.period_at(now).saturating_add(1);
		self.since.saturating_add(periods.saturating_mul(self.period_ms))
	}
}
