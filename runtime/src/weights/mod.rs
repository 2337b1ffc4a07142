//! What calls cost: measured by `scripts/weights.sh` on two shared cores of an AMD EPYC, one file a pallet.
//! Reads and writes of the database are priced by the runtime (`DbWeight`), not by that measurement.

pub mod frame_system;
pub mod frame_system_extensions;
pub mod pallet_balances;
pub mod pallet_data_marketplace;
pub mod pallet_device_identity;
pub mod pallet_energy_trading;
pub mod pallet_fee_sponsorship;
pub mod pallet_multisig;
pub mod pallet_proxy;
pub mod pallet_sudo;
pub mod pallet_telemetry;
pub mod pallet_timestamp;
pub mod pallet_transaction_payment;
pub mod pallet_utility;
