//! Weights of the calls.
//!
//! The estimates for `()` below serve mocks only; they are rounded up by hand and were not measured. The
//! runtime uses measured weights from `runtime/src/weights/`.

use frame_support::weights::Weight;

/// Cost of each call.
pub trait WeightInfo {
	/// A stream opened.
	fn create_stream() -> Weight;
	/// A stream closed with a ring of `r` entries.
	fn close_stream(r: u32) -> Weight;
	/// One anchor, between two neighbours, merging as many peaks as can be.
	fn anchor() -> Weight;
	/// `e` envelopes with `i` anchors in all.
	fn anchor_many(e: u32, i: u32) -> Weight;
	/// Evidence with the longest paths.
	fn report_false_anchor() -> Weight;
}

impl WeightInfo for () {
	fn create_stream() -> Weight {
		Weight::from_parts(200_000_000, 8_000)
	}
	fn close_stream(r: u32) -> Weight {
		Weight::from_parts(200_000_000, 8_000)
			.saturating_add(Weight::from_parts(60_000_000, 300).saturating_mul(r.into()))
	}
	fn anchor() -> Weight {
		Weight::from_parts(400_000_000, 12_000)
	}
	fn anchor_many(e: u32, i: u32) -> Weight {
		Weight::from_parts(50_000_000, 2_000)
			.saturating_add(Weight::from_parts(300_000_000, 4_000).saturating_mul(e.into()))
			.saturating_add(Weight::from_parts(400_000_000, 12_000).saturating_mul(i.into()))
	}
	fn report_false_anchor() -> Weight {
		Weight::from_parts(500_000_000, 8_000)
	}
}
