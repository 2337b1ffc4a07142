//! What the pallet needs besides `m2m_fair_exchange::market`.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_anchor::StreamId;
use m2m_device::DeviceId;
use scale_info::TypeInfo;

/// Money, in the smallest unit of the token.
pub type Balance = u128;

/// What the market asks about streams, without knowing the pallet that keeps them.
pub trait StreamInspect {
	/// Whether an open stream is private; `None` if the device has no such open stream.
	fn is_private(device: &DeviceId, stream: StreamId) -> Option<bool>;
	/// One more than the largest sequence number that the stream has used.
	fn next_seq(device: &DeviceId, stream: StreamId) -> u64;
}

/// Bounds of the windows, in blocks.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Windows {
	/// Shortest time in which a key may be revealed: the seller waits for the purchase to be final.
	pub min_reveal: u32,
	/// Longest time for that.
	pub max_reveal: u32,
	/// Shortest time for evidence: the default pays the seller, so a buyer must be back before it is over.
	pub min_dispute: u32,
	/// Longest time for that.
	pub max_dispute: u32,
	/// How far ahead terms may expire. Shorter than any reveal window, so that a sale without a key outlives
	/// its terms, and marks of used terms stay few.
	pub max_validity: u32,
	/// How long a bond takes to come out. Longer than any sale that it might have covered.
	pub unbonding: u32,
	/// How long a subscription lasts after its end was asked for. No shorter than terms are valid, so that
	/// whatever was countersigned can still be delivered.
	pub notice: u32,
}

impl Default for Windows {
	/// An hour to reveal and four to dispute at least; a day and a week at most; terms for half an hour; nine
	/// days for a bond; an hour of notice, with blocks of three seconds.
	fn default() -> Self {
		Self {
			min_reveal: 1_200,
			max_reveal: 28_800,
			min_dispute: 4_800,
			max_dispute: 201_600,
			max_validity: 600,
			unbonding: 259_200,
			notice: 1_200,
		}
	}
}

impl Windows {
	/// True if they keep the relations that their fields demand.
	pub fn are_sound(&self) -> bool {
		0 < self.max_validity
			&& self.max_validity < self.min_reveal
			&& self.min_reveal <= self.max_reveal
			&& 0 < self.min_dispute
			&& self.min_dispute <= self.max_dispute
			&& self.max_reveal.saturating_add(self.max_dispute) < self.unbonding
			&& self.max_validity <= self.notice
	}
}
