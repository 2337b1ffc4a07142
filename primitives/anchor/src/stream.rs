//! A stream: one quantity measured by a device.

use crate::{Anchor, AnchorFlags};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_device::{DeviceId, UnixMs};
use scale_info::TypeInfo;
use sp_core::{ConstU32, H256};
use sp_runtime::{BoundedVec, Weight};

/// Number of a stream within its device. Numbers are given out in order and never again.
pub type StreamId = u32;

/// Unit code of the readings, from the IANA SenML units registry (RFC 8428, RFC 8798): `Wh`, `W`, `Cel`, `V`, ...
pub type Unit = BoundedVec<u8, ConstU32<8>>;

/// How a reading relates to time.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum StreamKind {
	/// An amount over the interval that starts at the time stamp and lasts one cadence.
	#[codec(index = 0)]
	Interval,
	/// A running total at the time stamp.
	#[codec(index = 1)]
	Register,
	/// A value at the time stamp.
	#[codec(index = 2)]
	Gauge,
}

/// The fixed properties of a stream.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct StreamSpec {
	/// How a reading relates to time.
	pub kind: StreamKind,
	/// Open streams publish sum, extremes and gap of each batch for ever; private ones keep them inside the
	/// commitment and show only count and times.
	pub private: bool,
	/// Hash of the schema that says what is measured; zero if there is none.
	pub schema: H256,
	/// Unit of a reading at scale 0.
	pub unit: Unit,
	/// A stored value `v` stands for `v * 10^scale` units.
	pub scale: i8,
	/// Smallest plausible value, at the stream's scale. Values outside the range set a flag.
	pub plausible_min: i64,
	/// Largest plausible value, at the stream's scale.
	pub plausible_max: i64,
	/// Usual time between two readings, in milliseconds; more than zero.
	pub cadence_ms: u32,
	/// If set, no anchor may cross a multiple of this many milliseconds, so that each lies in one delivery slot.
	pub period_ms: Option<u32>,
	/// Readings before this moment are refused.
	pub not_before: UnixMs,
	/// How many of the newest anchors stay in state. The others stay provable through the mountain range.
	pub retention: u16,
}

/// What other pallets learn of an accepted anchor.
#[derive(Debug)]
pub struct AnchoredReadings<'a> {
	/// The device.
	pub device: &'a DeviceId,
	/// The stream's number.
	pub stream: StreamId,
	/// The stream's properties.
	pub spec: &'a StreamSpec,
	/// The anchor's sequence number.
	pub seq: u64,
	/// The anchor.
	pub anchor: &'a Anchor,
	/// Flags that the chain set.
	pub flags: AnchorFlags,
	/// Time of the last reading of the nearest earlier anchor, if there is one.
	pub previous_last: Option<UnixMs>,
}

/// Told of each accepted anchor, inside the same transaction. Must be bounded and must not fail.
pub trait OnAnchored {
	/// An anchor was accepted. Returns the weight used.
	fn on_anchored(readings: &AnchoredReadings) -> Weight;
	/// The most that [`Self::on_anchored`] can cost.
	fn weight() -> Weight;
}

impl OnAnchored for () {
	fn on_anchored(_: &AnchoredReadings) -> Weight {
		Weight::zero()
	}
	fn weight() -> Weight {
		Weight::zero()
	}
}

/// Tells both, in this order.
impl<A: OnAnchored, B: OnAnchored> OnAnchored for (A, B) {
	fn on_anchored(readings: &AnchoredReadings) -> Weight {
		let first = A::on_anchored(readings);
		first.saturating_add(B::on_anchored(readings))
	}
	fn weight() -> Weight {
		A::weight().saturating_add(B::weight())
	}
}

/// Read access to streams, for other pallets.
pub trait StreamInspect {
	/// The fixed properties of an open stream; `None` if there is none or it was closed.
	fn open_stream_spec(device: &DeviceId, stream: StreamId) -> Option<StreamSpec>;
}

/// A stream as clients see it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct StreamDetails {
	/// Its fixed properties; `None` once the stream is closed.
	pub spec: Option<StreamSpec>,
	/// One more than the largest sequence number used.
	pub next_seq: u64,
	/// Number of anchors ever accepted: leaves of the mountain range.
	pub anchors: u64,
	/// Root of the mountain range; `None` while it is empty.
	pub range_root: Option<H256>,
	/// Time of the last reading of the anchor with the largest sequence number.
	pub last_reading: Option<UnixMs>,
}

/// What the anchors still in state say about an interval of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Coverage {
	/// Readings in the anchors that lie wholly inside the interval.
	pub count: u64,
	/// Their sum; `None` for private streams.
	pub sum: Option<i128>,
	/// Longest silence in milliseconds, over anchors, the borders between them and both ends of the interval.
	/// For private streams the silence inside an anchor is not known and not counted.
	pub longest_silence_ms: u64,
	/// False if some anchor of the interval may have left the ring already, so that the figures are a lower
	/// bound.
	pub complete: bool,
}
