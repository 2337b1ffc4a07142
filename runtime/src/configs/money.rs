//! Money and fees.

use crate::{
	AccountId, Authorship, Balance, Balances, EXISTENTIAL_DEPOSIT, Runtime, RuntimeEvent,
	RuntimeFreezeReason, RuntimeHoldReason, System,
};
use frame_support::{
	parameter_types,
	traits::{
		ConstU8, ConstU32, ConstU128, OnUnbalanced, VariantCountOf,
		fungible::{Balanced, Credit},
	},
	weights::{ConstantMultiplier, WeightToFeeCoefficient, WeightToFeeCoefficients, WeightToFeePolynomial},
};
use pallet_transaction_payment::{FungibleAdapter, Multiplier, TargetedFeeAdjustment};
use sp_runtime::{FixedPointNumber, Perbill, Perquintill, traits::Bounded};

impl pallet_balances::Config for Runtime {
	type MaxLocks = ConstU32<50>;
	type MaxReserves = ConstU32<50>;
	type ReserveIdentifier = [u8; 8];
	type Balance = Balance;
	type RuntimeEvent = RuntimeEvent;
	type DustRemoval = ();
	type ExistentialDeposit = ConstU128<EXISTENTIAL_DEPOSIT>;
	type AccountStore = System;
	type WeightInfo = crate::weights::pallet_balances::WeightInfo<Runtime>;
	type FreezeIdentifier = RuntimeFreezeReason;
	type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
	type RuntimeHoldReason = RuntimeHoldReason;
	type RuntimeFreezeReason = RuntimeFreezeReason;
	type DoneSlashHandler = ();
}

/// Fee for execution: 0.1 M2M for a second, that is one unit for 10 picoseconds, rounded down.
pub struct ExecutionFee;
impl WeightToFeePolynomial for ExecutionFee {
	type Balance = Balance;
	fn polynomial() -> WeightToFeeCoefficients<Balance> {
		[WeightToFeeCoefficient {
			degree: 1,
			negative: false,
			coeff_integer: 0,
			coeff_frac: Perbill::from_percent(10),
		}]
		.into_iter()
		.collect()
	}
}

/// Fees and tips go to the author of the block. If that account cannot receive them (it does not exist and
/// the fee is below the existential deposit), they are burnt.
pub struct ToAuthor;
impl OnUnbalanced<Credit<AccountId, Balances>> for ToAuthor {
	fn on_nonzero_unbalanced(credit: Credit<AccountId, Balances>) {
		if let Some(author) = Authorship::author() {
			let _undelivered = Balances::resolve(&author, credit);
		}
	}
}

parameter_types! {
	/// Half-full blocks keep the fee level; fuller ones raise it.
	pub TargetBlockFullness: Perquintill = Perquintill::from_percent(50);
	/// How fast the level moves: by at most 9% in an hour of full or empty 3-second blocks.
	pub AdjustmentVariable: Multiplier = Multiplier::saturating_from_rational(75, 1_000_000);
	/// The level never falls below that of genesis, so that fees stay a protection against spam.
	pub MinimumMultiplier: Multiplier = Multiplier::from_u32(1);
	pub MaximumMultiplier: Multiplier = Multiplier::max_value();
}

impl pallet_transaction_payment::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type OnChargeTransaction = FungibleAdapter<Balances, ToAuthor>;
	type OperationalFeeMultiplier = ConstU8<5>;
	type WeightToFee = ExecutionFee;
	// 0.00000001 M2M a byte.
	type LengthToFee = ConstantMultiplier<Balance, ConstU128<10_000>>;
	type FeeMultiplierUpdate = TargetedFeeAdjustment<
		Self,
		TargetBlockFullness,
		AdjustmentVariable,
		MinimumMultiplier,
		MaximumMultiplier,
	>;
	type WeightInfo = crate::weights::pallet_transaction_payment::WeightInfo<Runtime>;
}

#[cfg(feature = "runtime-benchmarks")]
impl pallet_transaction_payment::BenchmarkConfig for Runtime {
	/// Gives the block an author with an account, as every block has: its balance is read and written too.
	fn setup_benchmark_environment() {
		use codec::Encode;
		use frame_support::traits::fungible::Mutate;
		use sp_consensus_aura::{AURA_ENGINE_ID, Slot};
		use sp_runtime::DigestItem;

		System::deposit_log(DigestItem::PreRuntime(AURA_ENGINE_ID, Slot::from(0u64).encode()));
		// Kept for the rest of the block, as when a block begins.
		let author = Authorship::author().expect("the chain has validators");
		Balances::set_balance(&author, crate::UNIT);
	}
}
