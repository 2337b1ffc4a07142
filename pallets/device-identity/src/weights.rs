//! Weights of the calls.
//!
//! The estimates for `()` below serve mocks only; they are rounded up by hand and were not measured. The
//! runtime uses measured weights from `runtime/src/weights/`.

use frame_support::weights::Weight;

/// Cost of each call, and of the questions that other pallets ask.
pub trait WeightInfo {
	/// One registration.
	fn register_device() -> Weight;
	/// `n` registrations, all accepted.
	fn register_devices(n: u32) -> Weight;
	/// `n` registrations, all refused at the last possible step.
	fn register_devices_refused(n: u32) -> Weight;
	/// A key added, `p` keys found expired.
	fn add_key(p: u32) -> Weight;
	/// A key rotated, `p` other keys found expired.
	fn rotate_key(p: u32) -> Weight;
	/// A key removed, `p` other keys found expired.
	fn remove_key(p: u32) -> Weight;
	/// `p` keys found expired.
	fn prune_keys(p: u32) -> Weight;
	/// A device suspended.
	fn suspend() -> Weight;
	/// A device resumed.
	fn resume() -> Weight;
	/// A device reported lost.
	fn report_lost() -> Weight;
	/// A device with `k` keys retired.
	fn retire(k: u32) -> Weight;
	/// A withdrawal.
	fn withdraw() -> Weight;
	/// A grant that replaces another in a full list.
	fn grant() -> Weight;
	/// A grant ended in a full list.
	fn revoke() -> Weight;
	/// An offer that replaces another.
	fn offer_transfer() -> Weight;
	/// A device with a full list of operators gets another owner.
	fn accept_transfer() -> Weight;
	/// An offer taken back.
	fn cancel_transfer() -> Weight;
	/// A key confirmed.
	fn confirm_key() -> Weight;
	/// A profile set by an operator.
	fn set_profile() -> Weight;
	/// A service replaced in a full list, by an operator.
	fn set_service() -> Weight;
	/// A service removed from a full list, by an operator.
	fn remove_service() -> Weight;
	/// The first attestation of an issuer, with its deposit.
	fn attest() -> Weight;
	/// An attestation taken back.
	fn revoke_attestation() -> Weight;
	/// A production batch with the longest name.
	fn create_batch() -> Weight;
	/// The origin of a key replaced by its owner; `p` hashes in the path.
	fn prove_production(p: u32) -> Weight;
	/// A production batch revoked.
	fn revoke_batch() -> Weight;
	/// `DeviceAuthority::authorize` and `participant`, for keys and owners.
	fn authorize() -> Weight;
	/// The same for an operator.
	fn authorize_operator() -> Weight;
	/// `DeviceAuthority::reading_authority`.
	fn reading_authority() -> Weight;
}

/// An estimate from the number of storage reads and writes and of signatures checked: 30, 120 and 150
/// microseconds each, and 4 kB of proof for each item touched.
const fn estimate(reads: u64, writes: u64, signatures: u64) -> Weight {
	const MICROSECOND: u64 = 1_000_000;
	let time = reads * 30 + writes * 120 + signatures * 150 + 20;
	Weight::from_parts(time * MICROSECOND, (reads + writes) * 4_096)
}

impl WeightInfo for () {
	fn register_device() -> Weight {
		estimate(12, 10, 1)
	}
	fn register_devices(n: u32) -> Weight {
		estimate(2, 0, 0).saturating_add(estimate(12, 10, 1).saturating_mul(n.into()))
	}
	fn register_devices_refused(n: u32) -> Weight {
		estimate(2, 0, 0).saturating_add(estimate(8, 0, 1).saturating_mul(n.into()))
	}
	fn add_key(p: u32) -> Weight {
		estimate(20, 8, 1).saturating_add(estimate(2, 3, 0).saturating_mul(p.into()))
	}
	fn rotate_key(p: u32) -> Weight {
		estimate(20, 9, 1).saturating_add(estimate(2, 3, 0).saturating_mul(p.into()))
	}
	fn remove_key(p: u32) -> Weight {
		estimate(14, 4, 0).saturating_add(estimate(2, 3, 0).saturating_mul(p.into()))
	}
	fn prune_keys(p: u32) -> Weight {
		estimate(12, 1, 0).saturating_add(estimate(2, 3, 0).saturating_mul(p.into()))
	}
	fn suspend() -> Weight {
		estimate(5, 1, 0)
	}
	fn resume() -> Weight {
		estimate(3, 1, 0)
	}
	fn report_lost() -> Weight {
		estimate(3, 1, 0)
	}
	fn retire(k: u32) -> Weight {
		estimate(8, 11, 0).saturating_add(estimate(2, 3, 0).saturating_mul(k.into()))
	}
	fn withdraw() -> Weight {
		estimate(4, 2, 0)
	}
	fn grant() -> Weight {
		estimate(8, 5, 0)
	}
	fn revoke() -> Weight {
		estimate(5, 4, 0)
	}
	fn offer_transfer() -> Weight {
		estimate(8, 5, 0)
	}
	fn accept_transfer() -> Weight {
		estimate(10, 9, 0)
	}
	fn cancel_transfer() -> Weight {
		estimate(6, 4, 0)
	}
	fn confirm_key() -> Weight {
		estimate(4, 1, 1)
	}
	fn set_profile() -> Weight {
		estimate(5, 1, 0)
	}
	fn set_service() -> Weight {
		estimate(8, 4, 0)
	}
	fn remove_service() -> Weight {
		estimate(8, 4, 0)
	}
	fn attest() -> Weight {
		estimate(7, 4, 0)
	}
	fn revoke_attestation() -> Weight {
		estimate(5, 4, 0)
	}
	fn create_batch() -> Weight {
		estimate(6, 4, 0)
	}
	fn prove_production(p: u32) -> Weight {
		// Twenty hashes take less time than one read.
		estimate(7, 1, 0).saturating_add(estimate(1, 0, 0).saturating_mul(p.into()))
	}
	fn revoke_batch() -> Weight {
		estimate(2, 1, 0)
	}
	fn authorize() -> Weight {
		estimate(4, 0, 0)
	}
	fn authorize_operator() -> Weight {
		estimate(5, 0, 0)
	}
	fn reading_authority() -> Weight {
		estimate(4, 0, 0)
	}
}
