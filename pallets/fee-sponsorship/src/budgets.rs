//! Setting and clearing budgets, and what markets ask of them.

use crate::{
	Balance, Budget, BudgetRecord, Budgets, Config, Error, Event, HoldReason, NextBudget, Pallet,
	sponsorships::budget_bytes, weights::WeightInfo,
};
use codec::MaxEncodedLen;
use frame_support::{
	ensure,
	traits::{Footprint, fungible::MutateHold, tokens::Precision},
	weights::Weight,
};
use m2m_device::{AccountId, BudgetPeriod, DeviceId, DeviceInspect, OnDeviceEnded, SpendLimit};
use sp_runtime::{DispatchError, DispatchResult, traits::Convert};

impl<T: Config> Pallet<T> {
	pub(crate) fn budget_deposit() -> Balance {
		T::DepositPrice::convert(Footprint {
			count: 1,
			size: budget_bytes(BudgetRecord::max_encoded_len()),
		})
	}

	pub(crate) fn do_set_budget(
		who: AccountId,
		device: DeviceId,
		limit: Balance,
		period_ms: u64,
	) -> DispatchResult {
		ensure!(limit > 0, Error::<T>::ZeroAmount);
		ensure!(period_ms > 0, Error::<T>::ZeroPeriod);
		let generation = T::Devices::generation(&device).ok_or(Error::<T>::UnknownDevice)?;
		ensure!(
			T::Devices::owner(&device).as_ref() == Some(&who),
			Error::<T>::NotOwner
		);
		let number = NextBudget::<T>::get();
		let next = number.checked_add(1).ok_or(Error::<T>::NumbersExhausted)?;
		if let Some(old) = Budgets::<T>::get(&device) {
			Self::release_deposit(&old)?;
		}
		let deposit = Self::budget_deposit();
		T::Currency::hold(&HoldReason::BudgetDeposit.into(), &who, deposit)
			.map_err(|_| Error::<T>::CannotPay)?;
		NextBudget::<T>::put(next);
		let budget = Budget {
			number,
			generation,
			limit,
			period_ms,
			since: Self::now(),
			period: 0,
			spent: 0,
		};
		Budgets::<T>::insert(
			&device,
			BudgetRecord {
				budget,
				payer: who,
				deposit,
			},
		);
		Self::deposit_event(Event::BudgetSet {
			device,
			budget: number,
			limit,
			period_ms,
		});
		Ok(())
	}

	pub(crate) fn do_clear_budget(who: &AccountId, device: DeviceId) -> DispatchResult {
		let record = Budgets::<T>::get(&device).ok_or(Error::<T>::NoBudget)?;
		ensure!(
			T::Devices::generation(&device) != Some(record.budget.generation)
				|| T::Devices::owner(&device).as_ref() == Some(who),
			Error::<T>::NotOwner
		);
		Self::remove_budget(device, &record)
	}

	/// Removes a budget and releases its deposit, or fails and changes nothing.
	fn remove_budget(device: DeviceId, record: &BudgetRecord) -> DispatchResult {
		Self::release_deposit(record)?;
		Budgets::<T>::remove(&device);
		Self::deposit_event(Event::BudgetCleared { device });
		Ok(())
	}

	fn release_deposit(record: &BudgetRecord) -> DispatchResult {
		T::Currency::release(
			&HoldReason::BudgetDeposit.into(),
			&record.payer,
			record.deposit,
			Precision::BestEffort,
		)?;
		Ok(())
	}

	/// The budget of a device in its present generation.
	pub(crate) fn budget(device: &DeviceId, generation: u32) -> Option<Budget> {
		let budget = Budgets::<T>::get(device)?.budget;
		(budget.generation == generation).then_some(budget)
	}

	/// Replaces the budget's state; the deposit stays.
	fn put_budget(device: &DeviceId, budget: Budget) {
		Budgets::<T>::mutate_extant(device, |record| record.budget = budget);
	}

	/// Books `amount` on the device's budget.
	pub(crate) fn spend_in(
		device: &DeviceId,
		generation: u32,
		amount: Balance,
	) -> Result<BudgetPeriod, Error<T>> {
		let budget = Self::budget(device, generation).ok_or(Error::<T>::NoBudget)?;
		let budget = budget
			.spend(Self::now(), amount)
			.ok_or(Error::<T>::BudgetExceeded)?;
		Self::put_budget(device, budget);
		Ok(BudgetPeriod {
			budget: budget.number,
			number: budget.period,
		})
	}
}

impl<T: Config> SpendLimit for Pallet<T> {
	fn spend(device: &DeviceId, amount: u128) -> Result<BudgetPeriod, DispatchError> {
		let generation = T::Devices::generation(device).ok_or(Error::<T>::UnknownDevice)?;
		Ok(Self::spend_in(device, generation, amount)?)
	}

	fn unspend(device: &DeviceId, amount: u128, period: BudgetPeriod) {
		let Some(record) = Budgets::<T>::get(device) else {
			return;
		};
		if record.budget.number == period.budget {
			Self::put_budget(device, record.budget.unspend(Self::now(), amount, period.number));
		}
	}

	fn weight() -> Weight {
		T::WeightInfo::spend().max(T::WeightInfo::unspend())
	}
}

impl<T: Config> OnDeviceEnded for Pallet<T> {
	/// Clears the budget, which was the former owner's. Should its deposit not come free, it stays for
	/// [`Pallet::clear_budget`]: it binds nobody any more.
	fn ended(device: &DeviceId) {
		if let Some(record) = Budgets::<T>::get(device) {
			let _ = Self::remove_budget(device.clone(), &record);
		}
	}

	fn weight() -> Weight {
		T::WeightInfo::clear_budget()
	}
}
