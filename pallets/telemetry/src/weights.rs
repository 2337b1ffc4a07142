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
	/// `e` envelopes of different devices with one anchor each.
	fn anchor_many(e: u32) -> Weight;
	/// One envelope with `i` anchors for different streams.
	fn anchor_many_items(i: u32) -> Weight;
	/// Evidence with paths of `p` levels.
	fn report_false_anchor(p: u32) -> Weight;
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
	fn anchor_many(e: u32) -> Weight {
		Weight::from_parts(50_000_000, 2_000)
			.saturating_add(Weight::from_parts(700_000_000, 16_000).saturating_mul(e.into()))
	}
	fn anchor_many_items(i: u32) -> Weight {
		Weight::from_parts(350_000_000, 6_000)
			.saturating_add(Weight::from_parts(400_000_000, 12_000).saturating_mul(i.into()))
	}
	fn report_false_anchor(p: u32) -> Weight {
		Weight::from_parts(200_000_000, 8_000)
			.saturating_add(Weight::from_parts(20_000_000, 0).saturating_mul(p.into()))
	}
}
