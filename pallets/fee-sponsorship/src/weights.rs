//! Weights of the calls, of the transaction extension, and of what markets ask.
//!
//! The estimates for `()` below serve mocks only; they are rounded up by hand and were not measured. The
//! runtime uses measured weights from `runtime/src/weights/`.

use frame_support::weights::Weight;

/// Cost of each call, of each way through the transaction extension, and of the questions of other pallets.
pub trait WeightInfo {
	/// A sponsorship offered to a device.
	fn offer() -> Weight;
	/// A device's sponsorship attached.
	fn attach() -> Weight;
	/// A device's sponsorship detached.
	fn detach() -> Weight;
	/// A pot topped up.
	fn top_up() -> Weight;
	/// An attached sponsorship closed.
	fn close() -> Weight;
	/// The last `n` buckets of a closed sponsorship, whose devices are looked up.
	fn prune_buckets(n: u32) -> Weight;
	/// A budget replaced that somebody else paid for.
	fn set_budget() -> Weight;
	/// A budget cleared.
	fn clear_budget() -> Weight;
	/// `SpendLimit::spend`.
	fn spend() -> Weight;
	/// `SpendLimit::unspend`.
	fn unspend() -> Weight;
	/// The whole extension for a signer for whom nobody else can pay: at worst the key of a suspended device,
	/// which is looked up with its device.
	fn charge_account() -> Weight;
	/// The whole extension when the last of `n` sponsorships pays from a bucket that was used before.
	fn charge_sponsored(n: u32) -> Weight;
	/// The whole extension when none of `n` sponsorships pays and the wallet does.
	fn charge_wallet(n: u32) -> Weight;
}

/// An estimate from the number of storage reads and writes: 10 and 55 microseconds each on top of `micros`,
/// and 4 kB of proof for each item touched. A read or write of the database costs 8 and 50.
const fn estimate(reads: u64, writes: u64, micros: u64) -> Weight {
	const MICROSECOND: u64 = 1_000_000;
	let time = reads * 10 + writes * 55 + micros;
	Weight::from_parts(time * MICROSECOND, (reads + writes) * 4_096)
}

impl WeightInfo for () {
	fn offer() -> Weight {
		estimate(6, 5, 100)
	}
	fn attach() -> Weight {
		estimate(5, 1, 40)
	}
	fn detach() -> Weight {
		estimate(4, 1, 40)
	}
	fn top_up() -> Weight {
		estimate(3, 2, 80)
	}
	fn close() -> Weight {
		estimate(5, 5, 100)
	}
	fn prune_buckets(n: u32) -> Weight {
		estimate(4, 4, 100).saturating_add(estimate(2, 1, 10).saturating_mul(n.into()))
	}
	fn set_budget() -> Weight {
		estimate(9, 6, 120)
	}
	fn clear_budget() -> Weight {
		estimate(5, 3, 80)
	}
	fn spend() -> Weight {
		estimate(3, 1, 20)
	}
	fn unspend() -> Weight {
		estimate(2, 1, 20)
	}
	fn charge_account() -> Weight {
		estimate(5, 2, 60)
	}
	fn charge_sponsored(n: u32) -> Weight {
		estimate(6, 3, 70).saturating_add(estimate(3, 0, 5).saturating_mul(n.into()))
	}
	fn charge_wallet(n: u32) -> Weight {
		estimate(8, 3, 75).saturating_add(estimate(3, 0, 5).saturating_mul(n.into()))
	}
}
