//! What an anchor says of its readings without showing them.

use crate::{Hash, MAX_LEAVES, Reading, tagged};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Count, extremes, sum, time span and longest silence of consecutive readings.
///
/// Its SCALE encoding is the 64 bytes that are hashed: every field little-endian, in this order.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Aggregate {
	/// Number of readings.
	pub count: u64,
	/// Smallest value.
	pub min: i64,
	/// Largest value.
	pub max: i64,
	/// Sum of the values.
	pub sum: i128,
	/// Time of the first reading, unix milliseconds.
	pub t_first: u64,
	/// Time of the last reading, unix milliseconds.
	pub t_last: u64,
	/// Longest time between two neighbouring readings, in milliseconds; 0 for a single reading.
	pub max_gap: u64,
}

/// Why two aggregates do not combine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CombineError {
	/// The right one does not start after the left one ends.
	TimesNotIncreasing,
	/// Count or sum leaves its range. Impossible for aggregates of real readings.
	Overflow,
}

/// Which rule an aggregate breaks that every aggregate of real readings keeps.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Implausible {
	/// Count is zero or above 2^32.
	Count,
	/// The minimum is above the maximum.
	Extremes,
	/// The sum is not between count x minimum and count x maximum.
	Sum,
	/// The time span is too short for so many strictly increasing times, or negative.
	Span,
	/// A single reading with two different values, two times, or a gap.
	Single,
	/// The longest gap is smaller than the mean gap, or larger than the span leaves room for.
	Gap,
}

impl Aggregate {
	/// The aggregate of a single reading.
	pub fn of(reading: &Reading) -> Self {
		Self {
			count: 1,
			min: reading.value,
			max: reading.value,
			sum: i128::from(reading.value),
			t_first: reading.time_ms,
			t_last: reading.time_ms,
			max_gap: 0,
		}
	}

	/// The aggregate of this one's readings followed by those of `right`.
	pub fn combine(&self, right: &Self) -> Result<Self, CombineError> {
		if right.t_first <= self.t_last {
			return Err(CombineError::TimesNotIncreasing);
		}
		Ok(Self {
			count: self.count.checked_add(right.count).ok_or(CombineError::Overflow)?,
			min: self.min.min(right.min),
			max: self.max.max(right.max),
			sum: self.sum.checked_add(right.sum).ok_or(CombineError::Overflow)?,
			t_first: self.t_first,
			t_last: right.t_last,
			max_gap: self.max_gap.max(right.max_gap).max(right.t_first - self.t_last),
		})
	}

	/// The 64 bytes that are hashed.
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

	/// The aggregate with these bytes. Any 64 bytes are one, though perhaps not a plausible one.
	pub fn from_bytes(bytes: &[u8; 64]) -> Self {
		fn part<const N: usize>(bytes: &[u8; 64], at: usize) -> [u8; N] {
			let mut part = [0; N];
			part.copy_from_slice(&bytes[at..at + N]);
			part
		}
		Self {
			count: u64::from_le_bytes(part(bytes, 0)),
			min: i64::from_le_bytes(part(bytes, 8)),
			max: i64::from_le_bytes(part(bytes, 16)),
			sum: i128::from_le_bytes(part(bytes, 24)),
			t_first: u64::from_le_bytes(part(bytes, 40)),
			t_last: u64::from_le_bytes(part(bytes, 48)),
			max_gap: u64::from_le_bytes(part(bytes, 56)),
		}
	}

	/// Checks in constant time what can be checked without the readings.
	pub fn check_plausible(&self) -> Result<(), Implausible> {
		if self.count == 0 || self.count > MAX_LEAVES {
			return Err(Implausible::Count);
		}
		if self.min > self.max {
			return Err(Implausible::Extremes);
		}
		// At most 2^32 * 2^63: far inside 128 bits.
		let count = i128::from(self.count);
		if self.sum < count * i128::from(self.min) || self.sum > count * i128::from(self.max) {
			return Err(Implausible::Sum);
		}
		let span = self.t_last.checked_sub(self.t_first).ok_or(Implausible::Span)?;
		let gaps = self.count - 1;
		if gaps == 0 {
			return if self.min == self.max && span == 0 && self.max_gap == 0 {
				Ok(())
			} else {
				Err(Implausible::Single)
			};
		}
		if span < gaps {
			return Err(Implausible::Span);
		}
		if self.max_gap < span.div_ceil(gaps) || self.max_gap > span - (gaps - 1) {
			return Err(Implausible::Gap);
		}
		Ok(())
	}
}

/// Hash of an inner node of the aggregate tree.
pub(crate) fn aggregate_node(
	left: &Hash,
	right: &Hash,
	left_aggregate: &Aggregate,
	right_aggregate: &Aggregate,
) -> Hash {
	tagged::<193>(0x01, &[left, right, &left_aggregate.to_bytes(), &right_aggregate.to_bytes()])
}

/// Root of the aggregate tree: the top node together with what it claims.
pub fn aggregate_root(top_hash: &Hash, top: &Aggregate) -> Hash {
	tagged::<97>(0x05, &[top_hash, &top.to_bytes()])
}
