//! The pallets whose weights are measured. `scripts/weights.sh` runs them.

frame_benchmarking::define_benchmarks!(
	[frame_system, frame_system_benchmarking::Pallet::<Runtime>]
	[frame_system_extensions, frame_system_benchmarking::extensions::Pallet::<Runtime>]
	[pallet_balances, Balances]
	[pallet_timestamp, Timestamp]
	[pallet_transaction_payment, TransactionPayment]
	[pallet_utility, Utility]
	[pallet_proxy, Proxy]
	[pallet_multisig, Multisig]
	[pallet_sudo, Sudo]
	[pallet_device_identity, DeviceIdentity]
	[pallet_telemetry, Telemetry]
	[pallet_fee_sponsorship, FeeSponsorship]
	[pallet_energy_trading, EnergyTrading]
	[pallet_data_marketplace, DataMarketplace]
);
