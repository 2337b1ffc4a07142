//! Devices and what they measure.

use crate::{Balance, Balances, DeviceIdentity, MILLI_UNIT, Runtime, System, Timestamp, deposit};
use frame_support::{
	parameter_types,
	traits::{ConstU16, ConstU32, ConstU64, ConstU128, LinearStoragePrice},
};

parameter_types! {
	pub const StateBaseDeposit: Balance = deposit(1, 0);
	pub const StateByteDeposit: Balance = deposit(0, 1);
	/// The chain keeps the hash of block 0 for ever.
	pub Genesis: [u8; 32] = System::block_hash(0).0;
}

/// Price of state: so much for an item and so much for a byte.
pub type StatePrice = LinearStoragePrice<StateBaseDeposit, StateByteDeposit, Balance>;

/// Longest overlap of a rotated key with its successor: seven days.
const MAX_ROTATION_OVERLAP_MS: u64 = 7 * 24 * 60 * 60 * 1000;

impl pallet_device_identity::Config for Runtime {
	type Currency = Balances;
	type Time = Timestamp;
	type Genesis = Genesis;
	type DepositPrice = StatePrice;
	type TombstonePrice = ConstU128<MILLI_UNIT>;
	type MaxKeys = ConstU32<8>;
	type MaxBatch = ConstU32<32>;
	type MaxRotationOverlap = ConstU64<MAX_ROTATION_OVERLAP_MS>;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = benchmark::Helper;
}

impl pallet_telemetry::Config for Runtime {
	type Devices = DeviceIdentity;
	type Currency = Balances;
	type DepositPrice = StatePrice;
	type Time = Timestamp;
	type Genesis = Genesis;
	type OnAnchored = ();
	type MaxStreams = ConstU32<16>;
	type MaxRetention = ConstU16<256>;
	type MaxEnvelopes = ConstU32<64>;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = benchmark::Helper;
}
