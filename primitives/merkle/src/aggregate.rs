//! What a node of the aggregate tree says about the readings below it.

use crate::{MAX_READINGS, Reading};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Count, extremes, sum, times and longest silence of consecutive readings. Its SCALE encoding is the 64 bytes
/// that are hashed.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Aggregate {
	/// Number of readings.
	pub count: u64,
	/// Smallest value, at the stream's scale.
	pub min: i64,
	/// Largest value, at the stream's scale.
	pub max: i64,
	/// Sum of the values, at the stream's scale.
	#[cfg_attr(feature = "serde", serde(with = "crate::text::decimal"))]
	pub sum: i128,
	/// Time of the first reading, unix milliseconds.
	pub t_first: u64,
	/// Time of the last reading, unix milliseconds.
	pub t_last: u64,
	/// Longest time between two neighbouring readings, milliseconds; 0 for one reading.
	pub max_gap: u64,
}

/// Why two aggregates cannot be neighbours in one tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CombineError {
	/// The right one does not begin after the left one ends.
	TimesNotIncreasing,
	/// The counts add up to more than 64 bits hold.
	CountOverflow,
	/// The sums add up to more than 128 bits hold.
	SumOverflow,
}

/// The first rule of [`Aggregate::check_plausible`] that an aggregate breaks.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Implausible {
	/// The count is 0 or above [`MAX_READINGS`].
	Count,
	/// The smallest value is above the largest.
	Extremes,
	/// The sum is not between `count * min` and `count * max`.
	Sum,
	/// The last time is before the first, or the span is too short for `count` times that strictly increase.
	Span,
	/// One reading, but `min != max` or two times or a gap. (With `min == max`, [`Self::Sum`] has checked the sum.)
	Single,
	/// The longest gap is shorter than the average one, or leaves less than 1 ms for each of the others.
	Gap,
}

impl Aggregate {
	/// The aggregate of one reading: a leaf.
	pub fn of(reading: &Reading) -> Self {
		Self {
			count: 1,
			min: reading.value,
			max: reading.value,
			sum: reading.value.into(),
			t_first: reading.time_ms,
			t_last: reading.time_ms,
			max_gap: 0,
		}
	}

	/// The aggregate of this one's readings followed by those of `right`.
	pub fn combine(&self, right: &Self) -> Result<Self, CombineError> {
		let gap = right
			.t_first
			.checked_sub(self.t_last)
			.filter(|gap| *gap > 0)
			.ok_or(CombineError::TimesNotIncreasing)?;
		Ok(Self {
			count: self
				.count
				.checked_add(right.count)
				.ok_or(CombineError::CountOverflow)?,
			min: self.min.min(right.min),
			max: self.max.max(right.max),
			sum: self.sum.checked_add(right.sum).ok_or(CombineError::SumOverflow)?,
			t_first: self.t_first,
			t_last: right.t_last,
			max_gap: self.max_gap.max(right.max_gap).max(gap),
		})
	}

	/// The 64 bytes that are hashed: the fields in order, little-endian, signed ones in two's complement.
	pub fn to_bytes(&self) -> [u8; 64] {
		let mut bytes = [0; 64];
		bytes[..8].copy_from_slice(&self.count.to_le_bytes());
		bytes[8..16].copy_from_slice(&self.min.to_le_bytes());
		bytes[16..24].copy_from_slice(&self.max.to_le_bytes());
		bytes[24..40].copy_from_slice(&self.sum.to_le_bytes());
		bytes[40..48].copy_from_slice(&self.t_first.to_le_bytes());
		bytes[48..56].copy_from_slice(&self.t_last.to_le_bytes());
		bytes[56..].copy_from_slice(&self.max_gap.to_le_bytes());
		bytes
	}

	/// The inverse of [`Self::to_bytes`]. Every 64 bytes are an aggregate, most of them implausible.
	pub fn from_bytes(bytes: &[u8; 64]) -> Self {
		let word = |at: usize| core::array::from_fn(|i| bytes[at + i]);
		Self {
			count: u64::from_le_bytes(word(0)),
			min: i64::from_le_bytes(word(8)),
			max: i64::from_le_bytes(word(16)),
			sum: i128::from_le_bytes(core::array::from_fn(|i| bytes[24 + i])),
			t_first: u64::from_le_bytes(word(40)),
			t_last: u64::from_le_bytes(word(48)),
			max_gap: u64::from_le_bytes(word(56)),
		}
	}

	/// Checks in constant time all that can be checked without the readings. Passing does not make it true: whoever
	/// holds the readings can convict a lie ([`crate::FalseAnchorEvidence`]).
	///
	/// # Errors
	/// The first rule broken, in the order of [`Implausible`].
	pub fn check_plausible(&self) -> Result<(), Implausible> {
		if self.count == 0 || self.count > MAX_READINGS {
			return Err(Implausible::Count);
		}
		if self.min > self.max {
			return Err(Implausible::Extremes);
		}
		// At most 2^32 * 2^63, far from the limits of 128 bits.
		let times = |value: i64| i128::from(self.count).saturating_mul(value.into());
		if self.sum < times(self.min) || self.sum > times(self.max) {
			return Err(Implausible::Sum);
		}
		let gaps = self.count.saturating_sub(1);
		let span = self
			.t_last
			.checked_sub(self.t_first)
			.filter(|span| *span >= gaps)
			.ok_or(Implausible::Span)?;
		if gaps == 0 {
			let single = self.min == self.max && span == 0 && self.max_gap == 0;
			return if single { Ok(()) } else { Err(Implausible::Single) };
		}
		let longest = span.saturating_sub(gaps.saturating_sub(1));
		if self.max_gap < span.div_ceil(gaps) || self.max_gap > longest {
			return Err(Implausible::Gap);
		}
		Ok(())
	}
}
