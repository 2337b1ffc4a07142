//! What always holds in this pallet's storage.

use crate::{
	Attached, Balance, Buckets, Budgets, Config, HoldReason, NextBudget, NextSponsorship, Pallet,
	SponsoredBy, Sponsorships,
};
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::{
	ensure,
	traits::fungible::{Inspect, InspectHold},
};
use m2m_device::{AccountId, DeviceInspect};
use sp_runtime::{Saturating, TryRuntimeError};

impl<T: Config> Pallet<T> {
	/// Checks, over the whole state:
	///
	/// 1. A sponsorship has a number that was given out, a capacity, an allow-list, an entry in its sponsor's
	///    index, and a generation exactly if it is for one device.
	/// 2. Its pot holds at least the existential deposit, the deposit for the record and those for its buckets.
	/// 3. It counts its buckets rightly; a closed one has some and is not attached.
	/// 4. Each bucket belongs to a sponsorship, lacks no more than the capacity, and is not from the future.
	/// 5. Each entry of the sponsors' index names a sponsorship of that sponsor.
	/// 6. What is attached exists and is for the account to which it is attached.
	/// 7. A budget has a number that was given out and nobody else has, a period and a limit, and no more was
	///    spent.
	/// 8. What is held for budgets on any account is the sum of the deposits for those that it pays for.
	/// 9. A budget is for a device that is or was registered, and of no later generation than the device.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut counted = BTreeMap::<u32, u32>::new();
		for (sponsorship, _, bucket) in Buckets::<T>::iter() {
			let record = Sponsorships::<T>::get(sponsorship).ok_or("4: a bucket without a sponsorship")?;
			ensure!(
				bucket.spent <= record.terms.capacity,
				"4: more spent than a bucket holds"
			);
			ensure!(bucket.block <= Self::block(), "4: a bucket from the future");
			counted.entry(sponsorship).or_default().saturating_inc();
		}
		for (sponsorship, record) in Sponsorships::<T>::iter() {
			ensure!(
				sponsorship < NextSponsorship::<T>::get(),
				"1: a number not given out"
			);
			ensure!(record.terms.capacity > 0, "1: no capacity");
			ensure!(!record.calls.is_empty(), "1: an empty allow-list");
			ensure!(
				SponsoredBy::<T>::contains_key(&record.sponsor, sponsorship),
				"1: not in the sponsor's index"
			);
			let one_device = matches!(record.beneficiary, m2m_device::Beneficiary::Device(_));
			ensure!(one_device == record.generation.is_some(), "1: generation");
			let least = T::Currency::minimum_balance().saturating_add(record.reserve(record.buckets));
			ensure!(
				T::Currency::balance(&Self::pot(sponsorship)) >= least,
				"2: a pot below its deposits"
			);
			ensure!(
				record.buckets == counted.get(&sponsorship).copied().unwrap_or_default(),
				"3: buckets"
			);
			let attached = Attached::<T>::get(record.beneficiary.account()) == Some(sponsorship);
			ensure!(
				!record.closed || (record.buckets > 0 && !attached),
				"3: a closed sponsorship that is in use"
			);
		}
		for (sponsor, sponsorship, ()) in SponsoredBy::<T>::iter() {
			ensure!(
				Sponsorships::<T>::get(sponsorship).is_some_and(|record| record.sponsor == sponsor),
				"5: the sponsors' index"
			);
		}
		for (account, sponsorship) in Attached::<T>::iter() {
			ensure!(
				Sponsorships::<T>::get(sponsorship)
					.is_some_and(|record| *record.beneficiary.account() == account),
				"6: attached to another account"
			);
		}
		let mut numbers = BTreeSet::new();
		let mut deposits = BTreeMap::<AccountId, Balance>::new();
		for (device, record) in Budgets::<T>::iter() {
			let budget = record.budget;
			ensure!(
				T::Devices::owner(&device).is_some(),
				"9: a budget of an unknown device"
			);
			ensure!(
				T::Devices::generation(&device).is_none_or(|generation| budget.generation <= generation),
				"9: a budget from a later generation"
			);
			ensure!(
				budget.number < NextBudget::<T>::get() && numbers.insert(budget.number),
				"7: a budget's number"
			);
			ensure!(budget.period_ms > 0 && budget.limit > 0, "7: an empty budget");
			ensure!(budget.spent <= budget.limit, "7: more spent than allowed");
			deposits
				.entry(record.payer)
				.or_default()
				.saturating_accrue(record.deposit);
		}
		for account in frame_system::Account::<T>::iter_keys() {
			let held = T::Currency::balance_on_hold(&HoldReason::BudgetDeposit.into(), &account);
			let recorded = deposits.remove(&account).unwrap_or_default();
			ensure!(held == recorded, "8: deposits of budgets");
		}
		ensure!(
			deposits.is_empty(),
			"8: an account that does not exist pays for a budget"
		);
		Ok(())
	}
}
