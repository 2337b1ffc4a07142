//! Values that hold from a slot on, and the few older ones that some slot still needs.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use m2m_auction::Slot;
use scale_info::TypeInfo;

/// Most values that are kept: one that slots in their reporting window may still need, the present one, and the next.
pub const MAX_VERSIONS: u32 = 3;

/// All places are taken by values that some slot still needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StillNeeded;

/// Values by the first slot for which they hold, which strictly rises.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Timeline<V>(BoundedVec<(Slot, V), ConstU32<MAX_VERSIONS>>);

impl<V> Default for Timeline<V> {
	fn default() -> Self {
		Self(BoundedVec::new())
	}
}

impl<V> Timeline<V> {
	/// The value of a slot; `None` before the first one.
	pub fn at(&self, slot: Slot) -> Option<&V> {
		let of_slot = self.0.iter().rev().find(|(first, _)| *first <= slot);
		of_slot.map(|(_, value)| value)
	}

	/// First slot of the last value.
	pub fn last_first(&self) -> Option<Slot> {
		self.0.last().map(|(first, _)| *first)
	}

	/// All values with their first slots, oldest first.
	pub fn iter(&self) -> impl Iterator<Item = &(Slot, V)> {
		self.0.iter()
	}

	/// Lets `value` hold from slot `first` on, in the place of whatever would begin then or later. Values that no slot
	/// from `oldest` on needs are forgotten.
	pub fn set(&mut self, first: Slot, value: V, oldest: Slot) -> Result<(), StillNeeded> {
		while self.0.get(1).is_some_and(|(second, _)| *second <= oldest) {
			self.0.remove(0);
		}
		self.0.retain(|(earlier, _)| *earlier < first);
		self.0.try_push((first, value)).map_err(|_| StillNeeded)
	}
}
