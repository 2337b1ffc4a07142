//! The M2M runtime: pallets composed, and nothing else. Configuration is in [`configs`], one file per
//! concern; what clients can read for free is in [`apis`]; chains to start from are in
//! [`genesis_presets`].

#![cfg_attr(not(feature = "std"), no_std)]
#![recursion_limit = "256"]
// `construct_runtime` and `impl_runtime_apis` write items that they do not document.
#![allow(missing_docs)]

#[cfg(feature = "std")]
include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));

extern crate alloc;

pub mod apis;
#[cfg(feature = "runtime-benchmarks")]
#[macro_use]
mod benchmarks;
pub mod configs;
pub mod genesis_presets;
pub mod weights;

use alloc::vec::Vec;
use sp_runtime::{
	MultiAddress, MultiSignature, generic, impl_opaque_keys,
	traits::{BlakeTwo256, IdentifyAccount, Verify},
};
use sp_version::RuntimeVersion;

pub use frame_system::Call as SystemCall;
pub use pallet_balances::Call as BalancesCall;
pub use pallet_timestamp::Call as TimestampCall;

/// Opaque types for code that does not know the runtime: the node's networking and database.
pub mod opaque {
	use super::*;
	use sp_runtime::traits::Hash as HashT;

	pub use sp_runtime::OpaqueExtrinsic as UncheckedExtrinsic;

	/// Header.
	pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
	/// Block with opaque extrinsics.
	pub type Block = generic::Block<Header, UncheckedExtrinsic>;
	/// Block id.
	pub type BlockId = generic::BlockId<Block>;
	/// Block hash.
	pub type Hash = <BlakeTwo256 as HashT>::Output;
}

impl_opaque_keys! {
	/// What a validator signs with: blocks (Aura) and finality votes (GRANDPA).
	pub struct SessionKeys {
		pub aura: Aura,
		pub grandpa: Grandpa,
	}
}

/// Version of this runtime. `spec_version` rises with every release; `transaction_version` when a call's
/// encoding or the extension tuple changes.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
	spec_name: alloc::borrow::Cow::Borrowed("m2m"),
	impl_name: alloc::borrow::Cow::Borrowed("m2m-node"),
	authoring_version: 1,
	spec_version: 100,
	impl_version: 1,
	apis: apis::RUNTIME_API_VERSIONS,
	transaction_version: 1,
	// 3 would move upgrades to `:pending_code`, which light clients do not follow yet.
	system_version: 1,
};

/// Length of an Aura slot, in milliseconds.
pub const SLOT_DURATION_MS: u64 = 3_000;
/// Blocks in a minute if no Aura slot is missed.
pub const MINUTES: BlockNumber = (60_000 / SLOT_DURATION_MS) as BlockNumber;
/// Blocks in an hour.
pub const HOURS: BlockNumber = MINUTES * 60;

/// Decimals of the token, M2M.
pub const TOKEN_DECIMALS: u32 = 12;
/// Symbol of the token.
pub const TOKEN_SYMBOL: &str = "M2M";
/// One M2M in its smallest unit.
pub const UNIT: Balance = 10u128.pow(TOKEN_DECIMALS);
/// A thousandth of a M2M.
pub const MILLI_UNIT: Balance = UNIT / 1_000;
/// A millionth of a M2M.
pub const MICRO_UNIT: Balance = UNIT / 1_000_000;
/// Smallest balance that keeps an account alive: 0.01 M2M.
pub const EXISTENTIAL_DEPOSIT: Balance = 10 * MILLI_UNIT;

/// Deposit for state: 0.01 M2M an item and 0.01 M2M a kilobyte.
pub const fn deposit(items: u32, bytes: u32) -> Balance {
	items as Balance * 10 * MILLI_UNIT + bytes as Balance * 10 * MICRO_UNIT
}

/// Signature of an extrinsic.
pub type Signature = MultiSignature;
/// Account id: 32 bytes.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// Money, in the smallest unit.
pub type Balance = u128;
/// Extrinsics sent by an account.
pub type Nonce = u32;
/// Hash of a block.
pub type Hash = sp_core::H256;
/// Number of a block.
pub type BlockNumber = u32;
/// How extrinsics name accounts.
pub type Address = MultiAddress<AccountId, ()>;
/// Header.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// Block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// Signed block.
pub type SignedBlock = generic::SignedBlock<Block>;
/// Block id.
pub type BlockId = generic::BlockId<Block>;

/// Checks and charges around each extrinsic. The order is wire format.
pub type TxExtension = (
	frame_system::AuthorizeCall<Runtime>,
	frame_system::CheckNonZeroSender<Runtime>,
	frame_system::CheckSpecVersion<Runtime>,
	frame_system::CheckTxVersion<Runtime>,
	frame_system::CheckGenesis<Runtime>,
	frame_system::CheckEra<Runtime>,
	frame_system::CheckNonce<Runtime>,
	frame_system::CheckWeight<Runtime>,
	// To everybody outside this is `ChargeTransactionPayment`.
	pallet_fee_sponsorship::SponsoredPayment<Runtime>,
	frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
	frame_system::WeightReclaim<Runtime>,
);

/// Extrinsic.
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// What a V4 extrinsic signs.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;

/// Executes blocks.
pub type Executive = frame_executive::Executive<
	Runtime,
	Block,
	frame_system::ChainContext<Runtime>,
	Runtime,
	AllPalletsWithSystem,
>;

/// Indices are wire format and never change: 0-19 chain, 20-39 ours. A runtime test pins them.
#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeSlashReason,
		RuntimeLockId,
		RuntimeTask,
		RuntimeViewFunction
	)]
	pub struct Runtime;

	#[runtime::pallet_index(0)]
	pub type System = frame_system;
	#[runtime::pallet_index(1)]
	pub type Timestamp = pallet_timestamp;
	#[runtime::pallet_index(2)]
	pub type Authorship = pallet_authorship;
	#[runtime::pallet_index(3)]
	pub type Session = pallet_session;
	#[runtime::pallet_index(4)]
	pub type Aura = pallet_aura;
	#[runtime::pallet_index(5)]
	pub type Grandpa = pallet_grandpa;
	#[runtime::pallet_index(6)]
	pub type Balances = pallet_balances;
	#[runtime::pallet_index(7)]
	pub type TransactionPayment = pallet_transaction_payment;
	#[runtime::pallet_index(8)]
	pub type Utility = pallet_utility;
	#[runtime::pallet_index(9)]
	pub type Proxy = pallet_proxy;
	#[runtime::pallet_index(10)]
	pub type Multisig = pallet_multisig;
	#[runtime::pallet_index(11)]
	pub type Sudo = pallet_sudo;

	#[runtime::pallet_index(20)]
	pub type DeviceIdentity = pallet_device_identity;
	#[runtime::pallet_index(21)]
	pub type Telemetry = pallet_telemetry;
	#[runtime::pallet_index(22)]
	pub type FeeSponsorship = pallet_fee_sponsorship;
	#[runtime::pallet_index(23)]
	pub type EnergyTrading = pallet_energy_trading;
	#[runtime::pallet_index(24)]
	pub type DataMarketplace = pallet_data_marketplace;
}
