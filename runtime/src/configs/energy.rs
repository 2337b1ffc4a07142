//! Markets for metered energy.

use crate::{
	AccountId, Balances, DeviceIdentity, FeeSponsorship, Runtime, SLOT_DURATION_MS, Telemetry, Timestamp,
	configs::devices::StatePrice,
};
use frame_support::{PalletId, parameter_types};
use frame_system::EnsureRoot;

parameter_types! {
	/// Markets' accounts are its sub-accounts. Changing it would lose them.
	pub const EnergyPalletId: PalletId = PalletId(*b"m2m/enrg");
	/// Two blocks.
	pub const MinSlotSeconds: u32 = (2 * SLOT_DURATION_MS).div_ceil(1_000) as u32;
}

impl pallet_energy_trading::Config for Runtime {
	type Devices = DeviceIdentity;
	type Streams = Telemetry;
	type SpendLimit = FeeSponsorship;
	type Currency = Balances;
	type DepositPrice = StatePrice;
	type Time = Timestamp;
	type CouncilOrigin = EnsureRoot<AccountId>;
	type PalletId = EnergyPalletId;
	type MinSlotSeconds = MinSlotSeconds;
	type WeightInfo = crate::weights::pallet_energy_trading::WeightInfo<Runtime>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = benchmark::Helper;
}

/// Sets the stage for benchmarks.
#[cfg(feature = "runtime-benchmarks")]
mod benchmark {
	use super::*;
	use crate::{Balance, RuntimeOrigin, UNIT, configs::devices::benchmark::Helper as DeviceHelper};
	use frame_support::traits::fungible::Mutate;
	use m2m_anchor::{StreamId, StreamSpec};
	use m2m_device::{DeviceId, DevicePublic, Topic, UnixMs};
	use sp_core::H256;

	pub struct Helper;

	impl pallet_energy_trading::BenchmarkHelper for Helper {
		fn device(number: u32) -> (AccountId, DeviceId, AccountId) {
			let (owner, device, key) = <DeviceHelper as pallet_telemetry::BenchmarkHelper>::device(number);
			(owner, device, DevicePublic::Sr25519(key).account())
		}

		fn open_stream(owner: &AccountId, device: &DeviceId, spec: StreamSpec) -> StreamId {
			let stream = pallet_telemetry::StreamCounts::<Runtime>::get(device).next;
			Telemetry::create_stream(RuntimeOrigin::signed(owner.clone()), Some(device.clone()), spec)
				.expect("the owner is rich");
			stream
		}

		fn attest(issuer: &AccountId, device: &DeviceId, topic: Topic, claim: H256) {
			Balances::set_balance(issuer, 100 * UNIT);
			let record = pallet_device_identity::Devices::<Runtime>::get(device).expect("it was registered");
			DeviceIdentity::attest(
				RuntimeOrigin::signed(issuer.clone()),
				device.clone(),
				topic,
				claim,
				record.auth_version,
				record.generation,
				UnixMs::MAX,
			)
			.expect("the issuer is rich");
		}

		fn unlimited_budget(owner: &AccountId, device: &DeviceId) {
			FeeSponsorship::set_budget(
				RuntimeOrigin::signed(owner.clone()),
				device.clone(),
				Balance::MAX,
				UnixMs::MAX,
			)
			.expect("the owner is rich");
		}

		fn set_unix_ms(now: UnixMs) {
			<DeviceHelper as pallet_telemetry::BenchmarkHelper>::set_unix_ms(now);
		}
	}
}
