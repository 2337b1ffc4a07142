//! The market for readings.

use crate::{
	Balance, Balances, DataMarketplace, DeviceIdentity, FeeSponsorship, MILLI_UNIT, Runtime, Telemetry,
	TransactionPayment,
	configs::devices::{Genesis, StatePrice},
	configs::system::RuntimeBlockWeights,
};
use frame_support::{PalletId, dispatch::DispatchClass, parameter_types, traits::Get};
use m2m_anchor::StreamId;
use m2m_device::DeviceId;
use pallet_data_marketplace::{StreamInspect, WeightInfo};
use sp_runtime::Permill;

parameter_types! {
	/// A tenth of a M2M: what a buyer gets for a sale that the seller spoilt, and the smallest bond.
	pub const FixedCover: Balance = 100 * MILLI_UNIT;
	/// Half a percent of each price is burnt.
	pub const FeeRate: Permill = Permill::from_parts(5_000);
	/// Pools are its sub-accounts. Changing it would lose them.
	pub const DataPalletId: PalletId = PalletId(*b"m2m/data");
}

/// Bytes of the two extrinsics of a sale, purchase and reveal, with some to spare.
const TRADE_BYTES: u32 = 1_000;

/// What purchase and reveal cost together at the lowest fee level.
pub struct TradeFees;

impl Get<Balance> for TradeFees {
	fn get() -> Balance {
		let extrinsic = RuntimeBlockWeights::get()
			.get(DispatchClass::Normal)
			.base_extrinsic
			.saturating_mul(2);
		let calls = DataMarketplace::purchase_weight()
			.saturating_add(<Runtime as pallet_data_marketplace::Config>::WeightInfo::reveal_key());
		TransactionPayment::weight_to_fee(extrinsic)
			.saturating_add(TransactionPayment::weight_to_fee(calls))
			.saturating_add(TransactionPayment::length_to_fee(TRADE_BYTES))
	}
}

/// What the market asks of telemetry.
pub struct Streams;

impl StreamInspect for Streams {
	fn is_private(device: &DeviceId, stream: StreamId) -> Option<bool> {
		Telemetry::stream(device, stream)?.spec.map(|spec| spec.private)
	}

	fn next_seq(device: &DeviceId, stream: StreamId) -> u64 {
		Telemetry::stream(device, stream).map_or(0, |stream| stream.next_seq)
	}
}

impl pallet_data_marketplace::Config for Runtime {
	type Devices = DeviceIdentity;
	type Streams = Streams;
	type SpendLimit = FeeSponsorship;
	type Currency = Balances;
	type DepositPrice = StatePrice;
	type Genesis = Genesis;
	type FixedCover = FixedCover;
	type FeeRate = FeeRate;
	type MinPrice = TradeFees;
	type PalletId = DataPalletId;
	type WeightInfo = crate::weights::pallet_data_marketplace::WeightInfo<Runtime>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = benchmark::Helper;
}

/// Sets the stage for benchmarks.
#[cfg(feature = "runtime-benchmarks")]
mod benchmark {
	use super::*;
	use crate::{AccountId, RuntimeOrigin, UNIT};
	use frame_support::{BoundedVec, traits::fungible::Mutate};
	use m2m_anchor::{StreamKind, StreamSpec};
	use m2m_device::{DevicePublic, DeviceSignature, KeyClaim, PossessionAction, PossessionProof, Roles};

	pub struct Helper;

	impl pallet_data_marketplace::BenchmarkHelper for Helper {
		fn device(owner: &AccountId) -> DeviceId {
			let key_type = pallet_data_marketplace::benchmarking::KEY_TYPE;
			let key = sp_io::crypto::sr25519_generate(key_type, Some(b"//device".to_vec()));
			let public = DevicePublic::Sr25519(key);
			let expires = pallet_timestamp::Now::<Runtime>::get() + 1;
			let claim = KeyClaim {
				genesis: Genesis::get(),
				action: PossessionAction::Register,
				owner,
				device: None,
				roles: Roles::ALL,
				public: &public,
				expires,
			};
			let signature = sp_io::crypto::sr25519_sign(key_type, &key, &claim.signed_bytes())
				.expect("the keystore made the key");
			Balances::set_balance(owner, Balances::free_balance(owner).saturating_add(1_000 * UNIT));
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
			let device = public.device_id();
			let spec = StreamSpec {
				kind: StreamKind::Gauge,
				private: true,
				schema: Default::default(),
				unit: BoundedVec::truncate_from(b"W".to_vec()),
				scale: 0,
				plausible_min: 0,
				plausible_max: 1,
				cadence_ms: 1_000,
				period_ms: None,
				not_before: 0,
				retention: 8,
			};
			Telemetry::create_stream(RuntimeOrigin::signed(owner.clone()), Some(device.clone()), spec)
				.expect("the owner pays");
			device
		}
	}
}
