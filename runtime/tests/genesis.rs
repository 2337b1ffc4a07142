//! The genesis presets, and fees as a device's gateway meets them.

use codec::Encode;
use frame_support::dispatch::GetDispatchInfo;
use m2m_runtime::{
	Balances, MILLI_UNIT, Runtime, RuntimeCall, RuntimeGenesisConfig, Session, System, TransactionPayment,
	UNIT, genesis_presets,
};
use sp_keyring::Sr25519Keyring;
use sp_runtime::BuildStorage;

/// A chain from a preset, through the same steps as the node: the patch over the defaults.
fn chain(preset: &str) -> sp_io::TestExternalities {
	let patch = genesis_presets::get_preset(&preset.into()).expect("the preset exists");
	let mut config = serde_json::to_value(RuntimeGenesisConfig::default()).expect("a value");
	json_patch(&mut config, serde_json::from_slice(&patch).expect("valid JSON"));
	let config: RuntimeGenesisConfig = serde_json::from_value(config).expect("a genesis");
	let mut chain: sp_io::TestExternalities = config.build_storage().expect("it builds").into();
	chain.execute_with(|| System::set_block_number(1));
	chain
}

fn json_patch(base: &mut serde_json::Value, patch: serde_json::Value) {
	match (base, patch) {
		(serde_json::Value::Object(base), serde_json::Value::Object(patch)) => {
			for (key, value) in patch {
				json_patch(base.entry(key).or_insert(serde_json::Value::Null), value);
			}
		}
		(base, patch) => *base = patch,
	}
}

#[test]
fn every_preset_builds() {
	for preset in genesis_presets::preset_names() {
		chain(preset.as_ref());
	}
	assert_eq!(genesis_presets::get_preset(&"unknown".into()), None);
}

#[test]
fn only_the_development_preset_has_a_sudo_key() {
	let alice = Sr25519Keyring::Alice.to_account_id();
	chain("development").execute_with(|| assert_eq!(pallet_sudo::Key::<Runtime>::get(), Some(alice)));
	chain("local_testnet").execute_with(|| assert_eq!(pallet_sudo::Key::<Runtime>::get(), None));
}

#[test]
fn presets_have_their_validators() {
	chain("development").execute_with(|| assert_eq!(Session::validators().len(), 1));
	chain("local_testnet").execute_with(|| {
		assert_eq!(Session::validators().len(), 4);
		for validator in Session::validators() {
			assert!(
				Balances::free_balance(&validator) >= UNIT,
				"a validator's account can receive fees"
			);
		}
	});
}

/// 192 anchors are what a meter with two streams makes in a day, one for each quarter of an hour and stream.
#[test]
fn a_device_day_of_relayed_anchors_costs_at_most_a_hundredth_of_a_token() {
	use m2m_anchor::{Anchor, AnchorItem, OnAnchored, SignedAnchors, Summary};
	use m2m_device::{AccountId, DeviceSignature};
	use pallet_energy_trading::WeightInfo;

	chain("development").execute_with(|| {
		let device = AccountId::new([1; 32]);
		let reading = m2m_merkle::Reading { time_ms: 1, value: 1 };
		let anchor = Anchor {
			data_root: Default::default(),
			summary: Summary::Open {
				top_hash: Default::default(),
				aggregate: m2m_merkle::Aggregate::of(&reading),
			},
		};
		let item = AnchorItem {
			stream: 0,
			seq: 0,
			anchor,
		};
		let envelope = SignedAnchors {
			device: device.clone(),
			key: device,
			expires: 0,
			items: vec![item; 8].try_into().expect("eight"),
			signature: DeviceSignature::Sr25519(Default::default()),
		};
		// 24 envelopes of eight.
		let call = RuntimeCall::Telemetry(pallet_telemetry::Call::anchor_many {
			envelopes: vec![envelope; 24].try_into().expect("fewer than the bound"),
		});
		let mut info = call.get_dispatch_info();
		// Charged is what was done: a market that the stream does not trade in is told, and looks no further.
		type Told = <Runtime as pallet_telemetry::Config>::OnAnchored;
		let looked = <Runtime as pallet_energy_trading::Config>::WeightInfo::foreign_anchor();
		let spared = <Told as OnAnchored>::weight() - looked;
		info.call_weight -= spared.saturating_mul(192);
		info.extension_weight = <m2m_runtime::TxExtension as sp_runtime::traits::TransactionExtension<
			RuntimeCall,
		>>::weight(&extensions(), &call);
		// Address, signature and extensions add about 110 bytes.
		let length = call.encoded_size() as u32 + 110;
		let fee = TransactionPayment::compute_fee(length, &info, 0);
		assert!(fee <= 10 * MILLI_UNIT, "{fee}");
		assert!(fee > 0);
	});
}

fn extensions() -> m2m_runtime::TxExtension {
	use sp_runtime::generic::Era;
	(
		frame_system::AuthorizeCall::<Runtime>::new(),
		frame_system::CheckNonZeroSender::<Runtime>::new(),
		frame_system::CheckSpecVersion::<Runtime>::new(),
		frame_system::CheckTxVersion::<Runtime>::new(),
		frame_system::CheckGenesis::<Runtime>::new(),
		frame_system::CheckEra::<Runtime>::from(Era::immortal()),
		frame_system::CheckNonce::<Runtime>::from(0),
		frame_system::CheckWeight::<Runtime>::new(),
		pallet_fee_sponsorship::SponsoredPayment::<Runtime>::new(
			pallet_transaction_payment::ChargeTransactionPayment::from(0),
		),
		frame_metadata_hash_extension::CheckMetadataHash::<Runtime>::new(false),
		frame_system::WeightReclaim::<Runtime>::new(),
	)
}
