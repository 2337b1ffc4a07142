//! Formats that others rely on. A change here breaks wallets, clients or stored state, and must be deliberate.

use codec::Encode;
use frame_support::traits::{GetCallIndex, GetCallName, PalletInfo as _, PalletInfoAccess};
use m2m_runtime::*;
use sp_runtime::traits::TransactionExtension;

#[test]
fn pallet_indices_are_pinned() {
	let indices = [
		(System::name(), System::index(), 0),
		(Timestamp::name(), Timestamp::index(), 1),
		(Authorship::name(), Authorship::index(), 2),
		(Session::name(), Session::index(), 3),
		(Aura::name(), Aura::index(), 4),
		(Grandpa::name(), Grandpa::index(), 5),
		(Balances::name(), Balances::index(), 6),
		(TransactionPayment::name(), TransactionPayment::index(), 7),
		(Utility::name(), Utility::index(), 8),
		(Proxy::name(), Proxy::index(), 9),
		(Multisig::name(), Multisig::index(), 10),
		(Sudo::name(), Sudo::index(), 11),
		(DeviceIdentity::name(), DeviceIdentity::index(), 20),
		(Telemetry::name(), Telemetry::index(), 21),
		(FeeSponsorship::name(), FeeSponsorship::index(), 22),
		(EnergyTrading::name(), EnergyTrading::index(), 23),
		(DataMarketplace::name(), DataMarketplace::index(), 24),
	];
	for (name, index, pinned) in indices {
		assert_eq!(index, pinned, "{name}");
	}
	assert_eq!(
		<Runtime as frame_system::Config>::PalletInfo::index::<Telemetry>(),
		Some(21)
	);
}

fn calls<C: GetCallName + GetCallIndex>() -> Vec<(u8, &'static str)> {
	C::get_call_indices()
		.iter()
		.copied()
		.zip(C::get_call_names().iter().copied())
		.collect()
}

#[test]
fn call_indices_are_pinned() {
	assert_eq!(
		calls::<pallet_device_identity::Call<Runtime>>(),
		[
			(0, "register_device"),
			(1, "register_devices"),
			(2, "add_key"),
			(3, "rotate_key"),
			(4, "remove_key"),
			(5, "prune_keys"),
			(6, "suspend"),
			(7, "resume"),
			(8, "report_lost"),
			(9, "retire"),
			(10, "withdraw"),
			(11, "grant"),
			(12, "revoke"),
			(13, "offer_transfer"),
			(14, "accept_transfer"),
			(15, "cancel_transfer"),
			(16, "confirm_key"),
			(17, "set_profile"),
			(18, "set_service"),
			(19, "remove_service"),
			(20, "attest"),
			(21, "revoke_attestation"),
			(22, "create_batch"),
			(23, "prove_production"),
			(24, "revoke_batch"),
		]
	);
	assert_eq!(
		calls::<pallet_telemetry::Call<Runtime>>(),
		[
			(0, "create_stream"),
			(1, "close_stream"),
			(2, "anchor"),
			(3, "anchor_many"),
			(4, "report_false_anchor"),
		]
	);
	assert_eq!(
		calls::<pallet_fee_sponsorship::Call<Runtime>>(),
		[
			(0, "offer"),
			(1, "attach"),
			(2, "detach"),
			(3, "top_up"),
			(4, "close"),
			(5, "prune_buckets"),
			(6, "set_budget"),
			(7, "clear_budget"),
		]
	);
	assert_eq!(
		calls::<pallet_energy_trading::Call<Runtime>>(),
		[
			(0, "create_market"),
			(1, "set_parameters"),
			(2, "set_feeder"),
			(3, "hand_over"),
			(4, "join"),
			(5, "admit"),
			(6, "set_order"),
			(7, "top_up"),
			(8, "withdraw_credit"),
			(9, "leave"),
			(10, "remove_member"),
			(11, "clear"),
			(12, "settle"),
			(13, "withdraw_reserve"),
		]
	);
	assert_eq!(
		calls::<pallet_data_marketplace::Call<Runtime>>(),
		[
			(0, "create_listing"),
			(1, "update_listing"),
			(2, "close_listing"),
			(3, "add_bond"),
			(4, "start_unbonding"),
			(5, "withdraw_bond"),
			(6, "purchase"),
			(7, "reveal_key"),
			(8, "accept"),
			(9, "settle"),
			(10, "refund"),
			(11, "prove_bad_leaf"),
			(12, "prove_bad_claim"),
			(13, "subscribe"),
			(14, "deliver"),
			(15, "end_subscription"),
			(16, "close_subscription"),
			(17, "post_request"),
			(18, "remove_request"),
			(19, "create_pool"),
			(20, "set_shares"),
			(21, "claim"),
			(22, "close_pool"),
		]
	);
}

#[test]
fn storage_prefixes_are_pinned() {
	// twox_128 of the pallet's name, as every client computes it.
	for (name, prefix) in [
		("System", System::name_hash()),
		("Balances", Balances::name_hash()),
		("DeviceIdentity", DeviceIdentity::name_hash()),
		("Telemetry", Telemetry::name_hash()),
		("FeeSponsorship", FeeSponsorship::name_hash()),
		("EnergyTrading", EnergyTrading::name_hash()),
		("DataMarketplace", DataMarketplace::name_hash()),
	] {
		assert_eq!(prefix, sp_io::hashing::twox_128(name.as_bytes()), "{name}");
	}
}

#[test]
fn transaction_extensions_are_pinned() {
	let identifiers: Vec<&str> = TxExtension::metadata()
		.into_iter()
		.map(|extension| extension.identifier)
		.collect();
	assert_eq!(
		identifiers,
		[
			"AuthorizeCall",
			"CheckNonZeroSender",
			"CheckSpecVersion",
			"CheckTxVersion",
			"CheckGenesis",
			"CheckMortality",
			"CheckNonce",
			"CheckWeight",
			"ChargeTransactionPayment",
			"CheckMetadataHash",
			"WeightReclaim",
		]
	);
}

#[test]
fn a_call_stays_small_in_memory() {
	assert!(
		core::mem::size_of::<RuntimeCall>() <= 256,
		"{}",
		core::mem::size_of::<RuntimeCall>()
	);
}

#[test]
fn proxy_types_are_pinned() {
	use m2m_runtime::configs::accounts::ProxyType;
	assert_eq!(ProxyType::Any.encode(), [0]);
	assert_eq!(ProxyType::NonTransfer.encode(), [1]);
}

#[test]
fn call_groups_are_pinned() {
	use m2m_runtime_api::CallGroup;
	assert_eq!(CallGroup::Telemetry.encode(), [0]);
	assert_eq!(CallGroup::Identity.encode(), [1]);
}

#[test]
fn metadata_is_served_in_the_versions_that_clients_ask_for() {
	let versions = Runtime::metadata_versions();
	for version in [14, 15, 16] {
		assert!(versions.contains(&version), "{version}");
		assert!(Runtime::metadata_at_version(version).is_some(), "{version}");
	}
}

#[test]
fn state_of_devices_and_streams_has_a_bounded_size() {
	use frame_support::traits::StorageInfoTrait;
	for info in DeviceIdentity::storage_info()
		.into_iter()
		.chain(Telemetry::storage_info())
		.chain(FeeSponsorship::storage_info())
		.chain(EnergyTrading::storage_info())
		.chain(DataMarketplace::storage_info())
	{
		let name = String::from_utf8_lossy(&info.storage_name).into_owned();
		let size = info.max_size.unwrap_or_else(|| panic!("{name} is not bounded"));
		assert!(size <= 4_096, "{name}: {size}");
	}
}
