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

/// An estimate from the number of storage reads and writes, 8 and 50 microseconds each, which is what the database
/// takes for them, on top of `micros`, and 4 kB of proof for each item touched.
const fn estimate(reads: u64, writes: u64, micros: u64) -> Weight {
	const MICROSECOND: u64 = 1_000_000;
	let time = reads * 8 + writes * 50 + micros;
	Weight::from_parts(time * MICROSECOND, (reads + writes) * 4_096)
}

impl WeightInfo for () {
	fn create_stream() -> Weight {
		estimate(8, 5, 100)
	}
	fn close_stream(r: u32) -> Weight {
		estimate(8, 6, 100).saturating_add(estimate(0, 1, 5).saturating_mul(r.into()))
	}
	fn anchor() -> Weight {
		estimate(9, 2, 90)
	}
	fn anchor_many(e: u32) -> Weight {
		// A signature takes about as long as the forty hashes of a long range.
		estimate(1, 0, 20).saturating_add(estimate(7, 2, 120).saturating_mul(e.into()))
	}
	fn anchor_many_items(i: u32) -> Weight {
		estimate(3, 0, 80).saturating_add(estimate(5, 2, 50).saturating_mul(i.into()))
	}
	fn report_false_anchor(p: u32) -> Weight {
		estimate(4, 1, 50).saturating_add(Weight::from_parts(20_000_000, 0).saturating_mul(p.into()))
	}
}
