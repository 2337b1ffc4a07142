//! What operators and members of a market agree on, and why a report may count for nothing: the values that calls
//! and events carry.

use crate::Pricing;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// How long a slot can be reported after its end.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Window {
	/// At least so many milliseconds by the chain's clock.
	pub ms: u32,
	/// And at least so many blocks after the first one that saw the end of the slot, so that a halted chain punishes
	/// nobody.
	pub blocks: u8,
}

/// One version of what an operator may change.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Parameters {
	/// Tariffs, price grid and grid fee.
	pub pricing: Pricing,
	/// The reporting window.
	pub window: Window,
}

/// The most that counts of a member's energy in a slot, in Wh.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Capacity {
	/// Of what it takes.
	pub import: u32,
	/// Of what it gives.
	pub export: u32,
}

/// Why an anchor of a stream that trades counts for nothing. It is anchored all the same.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum IgnoredReason {
	/// Its readings do not cover one slot without gap, rest or overlap.
	#[codec(index = 0)]
	PartialSlot,
	/// The slot is not over by the chain's clock.
	#[codec(index = 1)]
	SlotNotOver,
	/// The reporting window is over.
	#[codec(index = 2)]
	WindowOver,
	/// It was delivered after its device was suspended or its key rotated.
	#[codec(index = 3)]
	SignedLate,
	/// It is negative, or outside the stream's plausible range.
	#[codec(index = 4)]
	ImplausibleValue,
	/// The device is not admitted, or only from a later slot on.
	#[codec(index = 5)]
	NotAdmitted,
	/// Nobody whom the market trusts vouches for the meter now.
	#[codec(index = 6)]
	NotCertified,
	/// This side of the slot was reported before.
	#[codec(index = 7)]
	AlreadyReported,
	/// The book cannot hold more.
	#[codec(index = 8)]
	BookFull,
}
