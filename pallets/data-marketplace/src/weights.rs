//! Weights of the calls.
//!
//! The estimates for `()` below are rounded up by hand and were not measured; measured weights replace them.

use frame_support::weights::Weight;

/// Cost of each call, without asking who may act for a device and without a device's budget.
pub trait WeightInfo {
	/// A listing made, with the longest fields.
	fn create_listing() -> Weight;
	/// A listing changed.
	fn update_listing() -> Weight;
	/// A listing removed.
	fn close_listing() -> Weight;
	/// A bond made.
	fn add_bond() -> Weight;
	/// A part of a bond sent on its way.
	fn start_unbonding() -> Weight;
	/// A bond taken out.
	fn withdraw_bond() -> Weight;
	/// A purchase that pays into a pool.
	fn purchase() -> Weight;
	/// A key revealed.
	fn reveal_key() -> Weight;
	/// A sale accepted that is paid to four payees.
	fn accept() -> Weight;
	/// `n` sales settled, each paid to four payees.
	fn settle(n: u32) -> Weight;
	/// `n` sales given back.
	fn refund(n: u32) -> Weight;
	/// A seller convicted with a path of `p` levels.
	fn prove_bad_leaf(p: u32) -> Weight;
	/// A seller convicted with two paths of `p` levels.
	fn prove_bad_claim(p: u32) -> Weight;
	/// A subscription made.
	fn subscribe() -> Weight;
	/// `n` epochs delivered.
	fn deliver(n: u32) -> Weight;
	/// Notice given.
	fn end_subscription() -> Weight;
	/// A subscription removed.
	fn close_subscription() -> Weight;
	/// A request posted.
	fn post_request() -> Weight;
	/// A request removed.
	fn remove_request() -> Weight;
	/// A pool made.
	fn create_pool() -> Weight;
	/// A member removed, the most expensive change.
	fn set_shares() -> Weight;
	/// A member paid.
	fn claim() -> Weight;
	/// A pool removed.
	fn close_pool() -> Weight;
	/// `n` marks removed.
	fn prune_marks(n: u32) -> Weight;
	/// The first anchor of a generation.
	fn on_anchored() -> Weight;
}

/// So much time, and the proof of so many items of state.
fn of(micros: u64, items: u64) -> Weight {
	Weight::from_parts(micros.saturating_mul(1_000_000), items.saturating_mul(3_000))
}

impl WeightInfo for () {
	fn create_listing() -> Weight {
		of(150, 7)
	}
	fn update_listing() -> Weight {
		of(100, 5)
	}
	fn close_listing() -> Weight {
		of(120, 4)
	}
	fn add_bond() -> Weight {
		of(120, 4)
	}
	fn start_unbonding() -> Weight {
		of(50, 2)
	}
	fn withdraw_bond() -> Weight {
		of(120, 3)
	}
	fn purchase() -> Weight {
		of(350, 11)
	}
	fn reveal_key() -> Weight {
		of(60, 2)
	}
	fn accept() -> Weight {
		of(700, 14)
	}
	fn settle(n: u32) -> Weight {
		of(20, 0).saturating_add(of(700, 14).saturating_mul(n.into()))
	}
	fn refund(n: u32) -> Weight {
		of(20, 0).saturating_add(of(300, 8).saturating_mul(n.into()))
	}
	fn prove_bad_leaf(p: u32) -> Weight {
		of(400, 8).saturating_add(of(3, 0).saturating_mul(p.into()))
	}
	fn prove_bad_claim(p: u32) -> Weight {
		of(420, 8).saturating_add(of(6, 0).saturating_mul(p.into()))
	}
	fn subscribe() -> Weight {
		of(200, 6)
	}
	fn deliver(n: u32) -> Weight {
		of(60, 2).saturating_add(of(400, 9).saturating_mul(n.into()))
	}
	fn end_subscription() -> Weight {
		of(50, 2)
	}
	fn close_subscription() -> Weight {
		of(150, 3)
	}
	fn post_request() -> Weight {
		of(120, 4)
	}
	fn remove_request() -> Weight {
		of(100, 3)
	}
	fn create_pool() -> Weight {
		of(200, 5)
	}
	fn set_shares() -> Weight {
		of(300, 7)
	}
	fn claim() -> Weight {
		of(200, 4)
	}
	fn close_pool() -> Weight {
		of(250, 5)
	}
	fn prune_marks(n: u32) -> Weight {
		of(10, 1).saturating_add(of(10, 1).saturating_mul(n.into()))
	}
	fn on_anchored() -> Weight {
		of(40, 4)
	}
}
