//! Devices and what they measure.

use crate::{
	Balance, Balances, DataMarketplace, DeviceIdentity, EnergyTrading, FeeSponsorship, MILLI_UNIT, Runtime,
	RuntimeHoldReason, System, Timestamp, deposit,
};
use frame_support::{
	parameter_types,
	traits::{ConstU16, ConstU32, ConstU64, ConstU128, LinearStoragePrice},
};

parameter_types! {
	pub const StateBaseDeposit: Balance = deposit(1, 0);
	pub const StateByteDeposit: Balance = deposit(0, 1);
	/// The chain keeps the hash of block 0 for ever.
	pub Genesis: [u8; 32] = System::block_hash(0).0;
	/// Deposits that stay on a wallet when its device changes the owner: whoever gets the device gets its streams,
	/// its memberships, and its listings.
	pub const OtherDeposits: &'static [RuntimeHoldReason] = &[
		RuntimeHoldReason::Telemetry(pallet_telemetry::HoldReason::StreamDeposit),
		RuntimeHoldReason::EnergyTrading(pallet_energy_trading::HoldReason::MembershipDeposit),
		RuntimeHoldReason::DataMarketplace(pallet_data_marketplace::HoldReason::Deposit),
	];
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
	type OtherDeposits = OtherDeposits;
	type TombstonePrice = ConstU128<MILLI_UNIT>;
	type MaxKeys = ConstU32<8>;
	type MaxBatch = ConstU32<32>;
	type MaxRotationOverlap = ConstU64<MAX_ROTATION_OVERLAP_MS>;
	type SpendLimit = FeeSponsorship;
	type OnEnded = FeeSponsorship;
	type WeightInfo = crate::weights::pallet_device_identity::WeightInfo<Runtime>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = benchmark::Helper;
}

impl pallet_telemetry::Config for Runtime {
	type Devices = DeviceIdentity;
	type Currency = Balances;
	type DepositPrice = StatePrice;
	type TombstonePrice = ConstU128<MILLI_UNIT>;
	type Time = Timestamp;
	type Genesis = Genesis;
	type SpendLimit = FeeSponsorship;
	type OnAnchored = (EnergyTrading, DataMarketplace);
	type MaxStreams = ConstU32<16>;
	type MaxRetention = ConstU16<256>;
	type MaxEnvelopes = ConstU32<64>;
	type WeightInfo = crate::weights::pallet_telemetry::WeightInfo<Runtime>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = benchmark::Helper;
}

/// Sets the stage for benchmarks.
#[cfg(feature = "runtime-benchmarks")]
pub(super) mod benchmark {
	use super::*;
	use crate::{AccountId, RuntimeOrigin, UNIT};
	use frame_support::traits::fungible::Mutate;
	use m2m_device::{
		DeviceId, DevicePublic, DeviceSignature, KeyClaim, PossessionAction, PossessionProof, Roles, UnixMs,
	};
	use sp_core::sr25519;

	pub struct Helper;

	fn set_clock(now: UnixMs) {
		// Not by `Timestamp::set_timestamp`, which also tells Aura.
		pallet_timestamp::Now::<Runtime>::put(now);
	}

	impl pallet_device_identity::BenchmarkHelper for Helper {
		fn set_unix_ms(now: UnixMs) {
			set_clock(now);
		}
	}

	impl pallet_telemetry::BenchmarkHelper for Helper {
		fn device(number: u32) -> (AccountId, DeviceId, sr25519::Public) {
			let key_type = pallet_telemetry::benchmarking::KEY_TYPE;
			let seed = alloc::format!("//{number}").into_bytes();
			let key = sp_io::crypto::sr25519_generate(key_type, Some(seed));
			let owner: AccountId = frame_benchmarking::v2::account("owner", number, 0);
			Balances::set_balance(&owner, 1_000 * UNIT);
			let public = DevicePublic::Sr25519(key);
			let expires = Timestamp::get() + 1;
			let claim = KeyClaim {
				genesis: Genesis::get(),
				action: PossessionAction::Register,
				owner: &owner,
				device: None,
				roles: Roles::ALL,
				public: &public,
				expires,
			};
			let signature = sp_io::crypto::sr25519_sign(key_type, &key, &claim.signed_bytes())
				.expect("the keystore made the key");
			DeviceIdentity::register_device(
				RuntimeOrigin::signed(owner.clone()),
				public,
				Roles::ALL,
				PossessionProof {
					expires,
					signature: DeviceSignature::Sr25519(signature),
				},
				None,
				None,
			)
			.expect("the owner is rich and the key is new");
			(owner, public.device_id(), key)
		}

		fn set_unix_ms(now: UnixMs) {
			set_clock(now);
		}
	}
}
