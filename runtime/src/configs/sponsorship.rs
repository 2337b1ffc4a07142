//! Who pays the fees of devices, and for which calls.

use crate::{Balances, DeviceIdentity, Runtime, RuntimeCall, Timestamp, configs::devices::StatePrice};
use frame_support::{PalletId, parameter_types};
use m2m_runtime_api::CallGroup;
use pallet_fee_sponsorship::ClassifyCall;

parameter_types! {
	/// Pots are its sub-accounts. Changing it would lose them.
	pub const SponsorshipPalletId: PalletId = PalletId(*b"m2m/fees");
}

/// What can be sponsored: what a device sends by itself. Calls that hold other calls are in no group,
/// whatever is in them.
pub struct CallGroups;

impl ClassifyCall<RuntimeCall, CallGroup> for CallGroups {
	fn group(call: &RuntimeCall) -> Option<CallGroup> {
		use pallet_data_marketplace::Call as Data;
		use pallet_device_identity::Call as Identity;
		use pallet_energy_trading::Call as Energy;
		use pallet_telemetry::Call as Telemetry;
		match call {
			RuntimeCall::Telemetry(
				Telemetry::anchor { .. }
				| Telemetry::anchor_many { .. }
				| Telemetry::create_stream { .. }
				| Telemetry::close_stream { .. },
			) => Some(CallGroup::Telemetry),
			RuntimeCall::DeviceIdentity(
				Identity::add_key { .. } | Identity::rotate_key { .. } | Identity::remove_key { .. },
			) => Some(CallGroup::Identity),
			RuntimeCall::EnergyTrading(
				Energy::join { .. }
				| Energy::set_order { .. }
				| Energy::top_up { .. }
				| Energy::withdraw_credit { .. }
				| Energy::leave { .. },
			) => Some(CallGroup::Energy),
			RuntimeCall::DataMarketplace(
				Data::create_listing { .. }
				| Data::update_listing { .. }
				| Data::close_listing { .. }
				| Data::purchase { .. }
				| Data::reveal_key { .. }
				| Data::accept { .. }
				| Data::prove_bad_leaf { .. }
				| Data::prove_bad_claim { .. }
				| Data::subscribe { .. }
				| Data::deliver { .. }
				| Data::end_subscription { .. },
			) => Some(CallGroup::Data),
			_ => None,
		}
	}
}

impl pallet_fee_sponsorship::Config for Runtime {
	type Devices = DeviceIdentity;
	type Currency = Balances;
	type DepositPrice = StatePrice;
	type Time = Timestamp;
	type CallGroup = CallGroup;
	type Classifier = CallGroups;
	type PalletId = SponsorshipPalletId;
	type WeightInfo = crate::weights::pallet_fee_sponsorship::WeightInfo<Runtime>;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = benchmark::Helper;
}

/// Sets the stage for benchmarks.
#[cfg(feature = "runtime-benchmarks")]
mod benchmark {
	use super::*;
	use crate::{AccountId, RuntimeOrigin, configs::devices::benchmark::Helper as DeviceHelper};
	use m2m_anchor::{Anchor, Summary};
	use m2m_device::{DeviceId, DevicePublic, UnixMs};

	pub struct Helper;

	impl pallet_fee_sponsorship::BenchmarkHelper<RuntimeCall, CallGroup> for Helper {
		fn device() -> (AccountId, DeviceId, AccountId) {
			let (owner, device, key) = <DeviceHelper as pallet_telemetry::BenchmarkHelper>::device(0);
			(owner, device, DevicePublic::Sr25519(key).account())
		}

		fn suspend(owner: &AccountId, device: &DeviceId) {
			DeviceIdentity::suspend(RuntimeOrigin::signed(owner.clone()), device.clone())
				.expect("the owner suspends an active device");
		}

		fn call() -> (RuntimeCall, CallGroup) {
			let anchor = Anchor {
				data_root: Default::default(),
				summary: Summary::Private {
					aggregate_root: Default::default(),
					count: 1,
					t_first: 1,
					t_last: 1,
				},
			};
			let call = pallet_telemetry::Call::anchor {
				stream: 0,
				seq: 0,
				anchor,
			};
			(call.into(), CallGroup::Telemetry)
		}

		fn set_unix_ms(now: UnixMs) {
			<DeviceHelper as pallet_telemetry::BenchmarkHelper>::set_unix_ms(now);
		}
	}
}
