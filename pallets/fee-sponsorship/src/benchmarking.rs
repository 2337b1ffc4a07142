//! Benchmarks of every call and of every way through the transaction extension, each at its worst: the
//! longest allow-list, an expiry, and sponsorships that turn out not to pay at the last check.

use crate::{
	AllowList, Attached, Balance, BenchmarkHelper, Bucket, Buckets, Budget, BudgetRecord, Budgets, Call,
	Config, HoldReason, MAX_CALL_GROUPS, MAX_PRUNED, NextSponsorship, Pallet, SponsoredPayment,
	SponsorshipId, Sponsorships, Terms,
};
use alloc::{vec, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::{
	BoundedVec,
	dispatch::{DispatchInfo, Pays, PostDispatchInfo},
	traits::fungible::{Inspect, Mutate, MutateHold},
	weights::Weight,
};
use frame_system::RawOrigin;
use m2m_device::{AccountId, Beneficiary, BudgetPeriod, DeviceId, SpendLimit, UnixMs};
use pallet_transaction_payment::ChargeTransactionPayment;
use sp_runtime::traits::{
	AsTransactionAuthorizedOrigin, DispatchTransaction, Dispatchable, TransactionExtension,
};

const NOW: UnixMs = 1_781_308_800_000;
const DAY: UnixMs = 24 * 60 * 60 * 1000;
const RICH: Balance = 1_000_000_000_000_000_000;
/// Bytes of the extrinsic in which the extension runs.
const LENGTH: usize = 300;

fn rich<T: Config>(name: &'static str) -> AccountId {
	let who: AccountId = account(name, 0, 0);
	T::Currency::set_balance(&who, RICH);
	who
}

/// An owner with a registered device, and the device's key.
fn device<T: Config>() -> (AccountId, DeviceId, AccountId) {
	T::BenchmarkHelper::set_unix_ms(NOW);
	let (owner, device, key) = T::BenchmarkHelper::device();
	T::Currency::set_balance(&owner, RICH);
	(owner, device, key)
}

fn allow_list<T: Config>() -> AllowList<T::CallGroup> {
	let (_, group) = T::BenchmarkHelper::call();
	BoundedVec::truncate_from(vec![group; MAX_CALL_GROUPS as usize])
}

/// An offer with the longest allow-list and an expiry, whose pot has so much for fees.
fn offered<T: Config>(to: Beneficiary, amount: Balance) -> SponsorshipId {
	let number = NextSponsorship::<T>::get();
	let terms = Terms {
		capacity: RICH,
		refill: 1,
	};
	Pallet::<T>::do_offer(
		rich::<T>("sponsor"),
		to,
		allow_list::<T>(),
		terms,
		Some(NOW + DAY),
		amount,
	)
	.expect("the sponsor is rich");
	number
}

/// An attached offer that the device has used before.
fn in_use<T: Config>(
	owner: &AccountId,
	device: &DeviceId,
	to: Beneficiary,
	amount: Balance,
) -> SponsorshipId {
	let number = offered::<T>(to, amount + Pallet::<T>::bucket_deposit());
	Pallet::<T>::do_attach(owner, number).expect("the owner takes it");
	Buckets::<T>::insert(number, device, Bucket { spent: 1, block: 0 });
	Sponsorships::<T>::mutate(number, |record| {
		record.as_mut().expect("it was offered").buckets = 1;
	});
	number
}

/// As many sponsorships as asked for; the last one has so much for fees, the others have next to nothing. One
/// alone is the owner's, which is found last.
fn sponsorships<T: Config>(owner: &AccountId, device: &DeviceId, count: u32, last: Balance) {
	if count > 1 {
		in_use::<T>(owner, device, Beneficiary::Device(device.clone()), 1);
	}
	if count > 0 {
		in_use::<T>(owner, device, Beneficiary::Owner(owner.clone()), last);
	}
}

/// Runs the extension for a call of `signer` that uses half of what it declares.
fn run<T>(signer: &AccountId)
where
	T: Config + pallet_transaction_payment::BenchmarkConfig,
	T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>,
	T::RuntimeOrigin: AsTransactionAuthorizedOrigin,
{
	let (call, _) = T::BenchmarkHelper::call();
	let extension = SponsoredPayment::<T>::new(ChargeTransactionPayment::from(0u32.into()));
	let info = DispatchInfo {
		call_weight: Weight::from_parts(200_000_000, 0),
		extension_weight: extension.weight(&call),
		..Default::default()
	};
	let used = PostDispatchInfo {
		actual_weight: Some(Weight::from_parts(100_000_000, 0)),
		pays_fee: Pays::Yes,
	};
	extension
		.test_run(
			RawOrigin::Signed(signer.clone()).into(),
			&call,
			&info,
			LENGTH,
			0,
			|_| Ok(used),
		)
		.expect("somebody pays")
		.expect("nothing fails");
}

#[benchmarks(where
	T: Config + pallet_transaction_payment::BenchmarkConfig,
	T::RuntimeCall: Dispatchable<Info = DispatchInfo, PostInfo = PostDispatchInfo>,
	T::RuntimeOrigin: AsTransactionAuthorizedOrigin,
)]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn offer() {
		let (_, device, _) = device::<T>();
		let sponsor = rich::<T>("sponsor");
		#[extrinsic_call]
		_(
			RawOrigin::Signed(sponsor),
			Beneficiary::Device(device),
			allow_list::<T>(),
			RICH,
			1,
			Some(NOW + DAY),
			1_000,
		);
		assert!(Sponsorships::<T>::contains_key(0));
	}

	#[benchmark]
	fn attach() {
		let (owner, device, _) = device::<T>();
		let number = offered::<T>(Beneficiary::Device(device.clone()), 1_000);
		#[extrinsic_call]
		_(RawOrigin::Signed(owner), number);
		assert_eq!(Attached::<T>::get(&device), Some(number));
	}

	#[benchmark]
	fn detach() {
		let (owner, device, _) = device::<T>();
		let number = offered::<T>(Beneficiary::Device(device.clone()), 1_000);
		Pallet::<T>::do_attach(&owner, number).expect("the owner takes it");
		#[extrinsic_call]
		_(RawOrigin::Signed(owner), number);
		assert!(!Attached::<T>::contains_key(&device));
	}

	#[benchmark]
	fn top_up() {
		let (_, device, _) = device::<T>();
		let number = offered::<T>(Beneficiary::Device(device), 1_000);
		let giver = rich::<T>("giver");
		#[extrinsic_call]
		_(RawOrigin::Signed(giver.clone()), number, 1_000);
		assert_eq!(T::Currency::balance(&giver), RICH - 1_000);
	}

	#[benchmark]
	fn close() {
		let (owner, device, _) = device::<T>();
		let number = offered::<T>(Beneficiary::Device(device), 1_000);
		Pallet::<T>::do_attach(&owner, number).expect("the owner takes it");
		let sponsor: AccountId = account("sponsor", 0, 0);
		#[extrinsic_call]
		_(RawOrigin::Signed(sponsor), number);
		assert!(!Sponsorships::<T>::contains_key(number));
	}

	#[benchmark]
	fn prune_buckets(n: Linear<1, MAX_PRUNED>) {
		let (owner, _, _) = device::<T>();
		let number = offered::<T>(Beneficiary::Owner(owner), 1_000);
		let devices: Vec<DeviceId> = (0..n).map(|index| account("device", index, 0)).collect();
		for device in &devices {
			Buckets::<T>::insert(number, device, Bucket { spent: 1, block: 0 });
		}
		Sponsorships::<T>::mutate(number, |record| {
			let record = record.as_mut().expect("it was offered");
			record.buckets = n;
			record.closed = true;
		});
		let caller: AccountId = account("caller", 0, 0);
		#[extrinsic_call]
		_(
			RawOrigin::Signed(caller),
			number,
			BoundedVec::truncate_from(devices),
		);
		assert!(!Sponsorships::<T>::contains_key(number));
	}

	#[benchmark]
	fn set_budget() {
		let (owner, device, _) = device::<T>();
		let payer = rich::<T>("payer");
		let deposit = Pallet::<T>::budget_deposit();
		T::Currency::hold(&HoldReason::BudgetDeposit.into(), &payer, deposit).expect("the payer is rich");
		let budget = Budget {
			number: 0,
			generation: 0,
			limit: 1,
			period_ms: 1,
			since: 0,
			period: 0,
			spent: 0,
		};
		Budgets::<T>::insert(
			&device,
			BudgetRecord {
				budget,
				payer,
				deposit,
			},
		);
		#[extrinsic_call]
		_(RawOrigin::Signed(owner.clone()), device.clone(), 1_000, DAY);
		assert_eq!(Budgets::<T>::get(&device).map(|record| record.payer), Some(owner));
	}

	#[benchmark]
	fn clear_budget() {
		let (owner, device, _) = device::<T>();
		Pallet::<T>::do_set_budget(owner.clone(), device.clone(), 1_000, DAY).expect("the owner is rich");
		#[extrinsic_call]
		_(RawOrigin::Signed(owner), device.clone());
		assert!(!Budgets::<T>::contains_key(&device));
	}

	#[benchmark]
	fn spend() {
		let (owner, device, _) = device::<T>();
		Pallet::<T>::do_set_budget(owner, device.clone(), 1_000, DAY).expect("the owner is rich");
		let spent;
		#[block]
		{
			spent = <Pallet<T> as SpendLimit>::spend(&device, 1_000);
		}
		assert!(spent.is_ok());
	}

	#[benchmark]
	fn unspend() {
		let (owner, device, _) = device::<T>();
		Pallet::<T>::do_set_budget(owner, device.clone(), 1_000, DAY).expect("the owner is rich");
		let period: BudgetPeriod =
			<Pallet<T> as SpendLimit>::spend(&device, 1_000).expect("within the limit");
		#[block]
		{
			<Pallet<T> as SpendLimit>::unspend(&device, 500, period);
		}
		assert_eq!(
			Budgets::<T>::get(&device).map(|record| record.budget.spent),
			Some(500)
		);
	}

	#[benchmark]
	fn charge_account() {
		T::setup_benchmark_environment();
		let (owner, device, key) = device::<T>();
		T::BenchmarkHelper::suspend(&owner, &device);
		T::Currency::set_balance(&key, RICH);
		#[block]
		{
			run::<T>(&key);
		}
		assert!(T::Currency::balance(&key) < RICH);
	}

	#[benchmark]
	fn charge_sponsored(n: Linear<1, 2>) {
		T::setup_benchmark_environment();
		let (owner, device, key) = device::<T>();
		sponsorships::<T>(&owner, &device, n, RICH / 10);
		#[block]
		{
			run::<T>(&key);
		}
		let paying = NextSponsorship::<T>::get() - 1;
		assert!(Buckets::<T>::get(paying, &device).is_some_and(|bucket| bucket.spent > 1));
	}

	#[benchmark]
	fn charge_wallet(n: Linear<0, 2>) {
		T::setup_benchmark_environment();
		let (owner, device, key) = device::<T>();
		sponsorships::<T>(&owner, &device, n, 1);
		T::Currency::set_balance(&device, RICH);
		Pallet::<T>::do_set_budget(owner, device.clone(), RICH, DAY).expect("the owner is rich");
		#[block]
		{
			run::<T>(&key);
		}
		assert!(Budgets::<T>::get(&device).is_some_and(|record| record.budget.spent > 0));
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
