//! Weights of the calls, of the market's part of an anchor, and of the hooks.
//!
//! The estimates for `()` below are rounded up by hand and were not measured. Measured weights of a runtime take
//! their place.

use frame_support::weights::Weight;

/// Cost of each call, of each outcome of an anchor, and of each part of the hooks.
pub trait WeightInfo {
	/// A market created.
	fn create_market() -> Weight;
	/// Parameters changed.
	fn set_parameters() -> Weight;
	/// A feeder meter put in the place of another.
	fn set_feeder() -> Weight;
	/// A market handed over.
	fn hand_over() -> Weight;
	/// A device joined.
	fn join() -> Weight;
	/// A certified member admitted.
	fn admit() -> Weight;
	/// A standing order set.
	fn set_order() -> Weight;
	/// Credit topped up.
	fn top_up() -> Weight;
	/// Credit withdrawn.
	fn withdraw_credit() -> Weight;
	/// An admitted member without open entries left.
	fn leave() -> Weight;
	/// An admitted member without open entries removed.
	fn remove_member() -> Weight;
	/// A reserve withdrawn.
	fn withdraw_reserve() -> Weight;
	/// A slot with `p` pages in its book cleared.
	fn clear(p: u32) -> Weight;
	/// `n` entries of a cleared slot settled, all in their members' records.
	fn settle(n: u32) -> Weight;
	/// `n` entries of a cleared slot settled, none in its member's record.
	fn settle_apart(n: u32) -> Weight;
	/// An anchor of a stream that trades nothing.
	fn foreign_anchor() -> Weight;
	/// An anchor which says that nothing was taken or given.
	fn nothing_metered() -> Weight;
	/// An anchor that counts for nothing, found at the last check.
	fn ignored_anchor() -> Weight;
	/// A report of imported energy that changes `p` pages of the book.
	fn report_import(p: u32) -> Weight;
	/// A report of exported energy that changes `p` pages of the book.
	fn report_export(p: u32) -> Weight;
	/// What a report costs more that opens a slot or adds to its totals.
	fn open_slot() -> Weight;
	/// What a report costs more whose entry does not go to the member's record.
	fn keep_apart() -> Weight;
	/// What a report costs more if the meter must be certified by one of four issuers.
	fn check_meter() -> Weight;
	/// The time of the last block written down.
	fn note_time() -> Weight;
	/// The begin and end of looking for slots to clear.
	fn seek_markets() -> Weight;
	/// Looking for one market's oldest slot.
	fn seek_slot() -> Weight;
}

/// An estimate from the number of storage reads and writes, 8 and 50 microseconds each, which is what the database
/// takes for them, on top of `micros`, and 4 kB of proof for each item touched.
const fn estimate(reads: u64, writes: u64, micros: u64) -> Weight {
	const MICROSECOND: u64 = 1_000_000;
	let time = reads * 8 + writes * 50 + micros;
	Weight::from_parts(time * MICROSECOND, (reads + writes) * 4_096)
}

impl WeightInfo for () {
	fn create_market() -> Weight {
		estimate(8, 7, 120)
	}
	fn set_parameters() -> Weight {
		estimate(6, 1, 50)
	}
	fn set_feeder() -> Weight {
		estimate(4, 3, 50)
	}
	fn hand_over() -> Weight {
		estimate(1, 1, 20)
	}
	fn join() -> Weight {
		estimate(16, 8, 150)
	}
	fn admit() -> Weight {
		estimate(11, 2, 80)
	}
	fn set_order() -> Weight {
		estimate(8, 1, 50)
	}
	fn top_up() -> Weight {
		estimate(6, 3, 80)
	}
	fn withdraw_credit() -> Weight {
		estimate(6, 3, 80)
	}
	fn leave() -> Weight {
		estimate(10, 7, 120)
	}
	fn remove_member() -> Weight {
		estimate(10, 7, 120)
	}
	fn withdraw_reserve() -> Weight {
		estimate(5, 3, 80)
	}
	fn clear(p: u32) -> Weight {
		estimate(6, 2, 60).saturating_add(estimate(2, 1, 5).saturating_mul(p.into()))
	}
	fn settle(n: u32) -> Weight {
		estimate(2, 2, 40).saturating_add(estimate(1, 1, 25).saturating_mul(n.into()))
	}
	fn settle_apart(n: u32) -> Weight {
		estimate(2, 2, 40).saturating_add(estimate(2, 2, 30).saturating_mul(n.into()))
	}
	fn foreign_anchor() -> Weight {
		estimate(1, 0, 2)
	}
	fn nothing_metered() -> Weight {
		estimate(3, 0, 20)
	}
	fn ignored_anchor() -> Weight {
		estimate(5, 0, 20)
	}
	fn report_import(p: u32) -> Weight {
		estimate(4, 1, 35).saturating_add(estimate(1, 1, 5).saturating_mul(p.into()))
	}
	fn report_export(p: u32) -> Weight {
		estimate(4, 1, 35).saturating_add(estimate(1, 1, 5).saturating_mul(p.into()))
	}
	fn open_slot() -> Weight {
		estimate(1, 1, 5)
	}
	fn keep_apart() -> Weight {
		estimate(1, 1, 5)
	}
	fn check_meter() -> Weight {
		estimate(5, 0, 15)
	}
	fn note_time() -> Weight {
		estimate(1, 1, 5)
	}
	fn seek_markets() -> Weight {
		estimate(2, 1, 5)
	}
	fn seek_slot() -> Weight {
		estimate(4, 0, 15)
	}
}
