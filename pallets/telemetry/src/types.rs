//! What the pallet stores.

use crate::window::Window;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_anchor::StreamSpec;
use m2m_device::UnixMs;
use scale_info::TypeInfo;
use sp_core::{ConstU32, H256};
use sp_runtime::BoundedVec;

/// An open stream.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct StreamRecord<Balance> {
	/// Its properties.
	pub spec: StreamSpec,
	/// What is held for it on the device's wallet.
	pub deposit: Balance,
}

/// Peaks of a mountain range with less than 2^64 leaves.
pub type Peaks = BoundedVec<H256, ConstU32<64>>;

/// What changes with every anchor.
#[derive(
	Clone, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Head {
	/// The used sequence numbers.
	pub window: Window,
	/// Time of the last reading of the anchor with the largest sequence number.
	pub last_reading: Option<UnixMs>,
	/// Time of the last reading below the window: later anchors lie after it.
	pub floor: Option<UnixMs>,
	/// Number of anchors taken: leaves of the mountain range.
	pub anchors: u64,
	/// Peaks of the mountain range.
	pub peaks: Peaks,
}

/// A device's streams, counted.
#[derive(
	Clone, Copy, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct StreamCount {
	/// Number of the next stream.
	pub next: u32,
	/// Open streams.
	pub open: u32,
}

/// What is left of a stream.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ClosedStream {
	/// One more than the largest sequence number used.
	pub next_seq: u64,
	/// Number of anchors taken.
	pub anchors: u64,
	/// Final root of the mountain range; `None` if no anchor was taken.
	pub range_root: Option<H256>,
	/// Time of the last reading of the anchor with the largest sequence number.
	pub last_reading: Option<UnixMs>,
}
