//! Which sequence numbers a stream still takes: a window below the largest one used, and a stretch above it.
//!
//! Pure bookkeeping. Devices deliver over bad networks, so anchors may come in any order and any number of times;
//! each number is taken once, and gaps stay visible.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// How far above the next expected number a number may lie.
pub const MAX_AHEAD: u64 = 1_024;

/// Most numbers below the next one that can still be filled in.
pub const MAX_WIDTH: u16 = 64;

/// The used numbers of a stream.
///
/// Invariants: `used` is zero exactly if `next` is; otherwise bit 0 is set (the largest used number is used), no
/// bit at or above the width is, and none stands for a number below 0.
#[derive(
	Clone, Copy, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Window {
	/// One more than the largest number used; 0 if none is.
	pub next: u64,
	/// Bit `k` is set if number `next - 1 - k` is used.
	pub used: u64,
}

/// Why a number is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
	/// It lies too far above the numbers used.
	TooFar,
	/// It lies below the window: whether it was used is not known any more.
	TooOld,
	/// It is used.
	Used,
}

/// A used number next to a free one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lower {
	/// There is no smaller used number in the window.
	BelowWindow,
	/// The largest smaller used number.
	Used(u64),
}

/// Where a free number stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
	/// The nearest used number below.
	pub lower: Lower,
	/// The nearest used number above.
	pub upper: Option<u64>,
}

impl Window {
	/// How many numbers below `next` a stream with this retention can still fill in.
	pub fn width(retention: u16) -> u16 {
		retention.min(MAX_WIDTH)
	}

	/// Finds the place of a number, or says why it is not taken.
	pub fn place(&self, seq: u64, width: u16) -> Result<Place, Refusal> {
		let Some(depth) = self.depth(seq) else {
			// The largest number of all would leave no next one.
			if seq - self.next >= MAX_AHEAD || seq == u64::MAX {
				return Err(Refusal::TooFar);
			}
			let lower = self.next.checked_sub(1).map_or(Lower::BelowWindow, Lower::Used);
			return Ok(Place { lower, upper: None });
		};
		if depth >= u64::from(width.min(MAX_WIDTH)) {
			return Err(Refusal::TooOld);
		}
		if self.used >> depth & 1 == 1 {
			return Err(Refusal::Used);
		}
		// `depth` is below 64, and above 0 because bit 0 is always set.
		let below = self.used >> depth;
		let lower = match below {
			0 => Lower::BelowWindow,
			_ => seq
				.checked_sub(u64::from(below.trailing_zeros()))
				.map_or(Lower::BelowWindow, Lower::Used),
		};
		let above = self.used & !(u64::MAX << depth);
		let upper = above.checked_ilog2().map(|bit| self.next - 1 - u64::from(bit));
		Ok(Place { lower, upper })
	}

	/// The largest used number that leaves the window when `seq` is taken.
	pub fn leaving(&self, seq: u64, width: u16) -> Option<u64> {
		let shift = seq.checked_sub(self.next)?.saturating_add(1);
		let staying = u64::from(width).saturating_sub(shift);
		// Bits at or above `staying` leave.
		let leaving = u32::try_from(staying)
			.ok()
			.and_then(|bits| u64::MAX.checked_shl(bits))
			.unwrap_or(0)
			& self.used;
		if leaving == 0 {
			return None;
		}
		(self.next - 1).checked_sub(u64::from(leaving.trailing_zeros()))
	}

	/// Marks a number as used that [`Self::place`] accepted.
	pub fn take(&mut self, seq: u64, width: u16) {
		match self.depth(seq) {
			Some(depth) => self.used |= 1u64.checked_shl(depth as u32).unwrap_or(0),
			None => {
				let shift = (seq - self.next).saturating_add(1);
				let kept = u32::try_from(shift)
					.ok()
					.and_then(|bits| self.used.checked_shl(bits))
					.unwrap_or(0);
				self.used = kept | 1;
				self.next = seq.saturating_add(1);
			}
		}
		let mask = u64::MAX
			.checked_shr(64u32.saturating_sub(u32::from(width)))
			.unwrap_or(0);
		self.used &= mask;
	}

	/// True if the number is known to be used.
	pub fn is_used(&self, seq: u64) -> bool {
		self.depth(seq)
			.is_some_and(|depth| depth < 64 && self.used >> depth & 1 == 1)
	}

	/// How far a number lies below the largest used one; `None` if it lies above.
	fn depth(&self, seq: u64) -> Option<u64> {
		self.next.checked_sub(1)?.checked_sub(seq)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;
	use std::collections::BTreeSet;

	/// The rule in the words of the design, over a plain set.
	fn model(used: &BTreeSet<u64>, seq: u64, width: u16) -> Result<(Option<u64>, Option<u64>), Refusal> {
		let next = used.last().map_or(0, |last| last + 1);
		if seq >= next {
			return if seq - next >= MAX_AHEAD {
				Err(Refusal::TooFar)
			} else {
				Ok((used.last().copied(), None))
			};
		}
		let floor = next.saturating_sub(u64::from(width));
		if seq < floor {
			return Err(Refusal::TooOld);
		}
		if used.contains(&seq) {
			return Err(Refusal::Used);
		}
		Ok((
			used.range(floor..seq).last().copied(),
			used.range(seq..).next().copied(),
		))
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(10_000))]

		#[test]
		fn the_bitmap_agrees_with_a_plain_set(
			width in 1u16..=64,
			steps in prop::collection::vec((0u64..140, any::<bool>(), 0u64..1_100), 1..60),
		) {
			let mut window = Window::default();
			let mut used = BTreeSet::new();
			for (back, jump, ahead) in steps {
				let seq = if jump { window.next + ahead } else { (window.next + 3).saturating_sub(back) };
				let place = window.place(seq, width);
				match model(&used, seq, width) {
					Err(refusal) => prop_assert_eq!(place, Err(refusal)),
					Ok((lower, upper)) => {
						let lower = lower.map_or(Lower::BelowWindow, Lower::Used);
						prop_assert_eq!(place, Ok(Place { lower, upper }));
						let next = seq.max(window.next.saturating_sub(1)) + 1;
						let floor = next.saturating_sub(u64::from(width));
						let old_floor = window.next.saturating_sub(u64::from(width));
						let left = used.range(old_floor..floor.max(old_floor)).last().copied();
						prop_assert_eq!(window.leaving(seq, width), left);
						window.take(seq, width);
						used.insert(seq);
						prop_assert_eq!(window.next, next);
						for number in floor..next {
							prop_assert_eq!(window.is_used(number), used.contains(&number));
						}
					},
				}
			}
		}
	}

	#[test]
	fn the_largest_number_of_all_is_never_taken() {
		let window = Window {
			next: u64::MAX - 3,
			used: 1,
		};
		assert_eq!(window.place(u64::MAX, 64), Err(Refusal::TooFar));
		assert!(window.place(u64::MAX - 1, 64).is_ok());
	}

	#[test]
	fn a_new_stream_starts_within_reach() {
		let window = Window::default();
		assert!(window.place(0, 8).is_ok());
		assert!(window.place(1_023, 8).is_ok());
		assert_eq!(window.place(1_024, 8), Err(Refusal::TooFar));
	}
}
