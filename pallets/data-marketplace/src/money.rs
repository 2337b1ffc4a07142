//! Holds and deposits.
//!
//! An account with a hold of ours has the existential deposit in free money besides, because a hold keeps it
//! there. So buyer and seller of an open sale can always receive.

use crate::{Balance, Config, Error, HoldReason, Pallet};
use frame_support::traits::{
	Footprint,
	fungible::MutateHold,
	tokens::{Fortitude, Precision, Restriction},
};
use m2m_device::{AccountId, BudgetPeriod, DeviceInspect, SpendLimit};
use sp_runtime::{DispatchError, traits::Convert};

/// Bytes of the storage keys of one record, its entry in an index included: two prefixes, two hashed accounts,
/// two hashed numbers.
const KEY_BYTES: u64 = 2 * 32 + 2 * (16 + 32) + 2 * (8 + 4);

impl<T: Config> Pallet<T> {
	/// The deposit for a record of at most `bytes` bytes, its keys and its index.
	pub(crate) fn deposit_for(bytes: usize) -> Balance {
		T::DepositPrice::convert(Footprint {
			count: 1,
			size: KEY_BYTES.saturating_add(bytes as u64),
		})
	}

	/// Holds the deposit for such a record on `account`, within its budget if `who` signs for it.
	pub(crate) fn take_deposit(
		who: &AccountId,
		account: &AccountId,
		bytes: usize,
	) -> Result<Balance, DispatchError> {
		let deposit = Self::deposit_for(bytes);
		Self::book(who, account, deposit)?;
		Self::hold(HoldReason::Deposit, account, deposit)?;
		Ok(deposit)
	}

	pub(crate) fn hold(reason: HoldReason, who: &AccountId, amount: Balance) -> Result<(), Error<T>> {
		T::Currency::hold(&reason.into(), who, amount).map_err(|_| Error::CannotPay)
	}

	/// Frees what is held. Whoever has a hold can receive, so this frees all of it.
	pub(crate) fn release(reason: HoldReason, who: &AccountId, amount: Balance) {
		let freed = T::Currency::release(&reason.into(), who, amount, Precision::BestEffort);
		debug_assert_eq!(freed, Ok(amount), "a hold is always free to go");
	}

	/// Moves held money into another account's free money. Returns how much arrived: all or nothing. Locks of
	/// others on the payer do not matter, the money was promised before.
	pub(crate) fn pay(reason: HoldReason, from: &AccountId, to: &AccountId, amount: Balance) -> Balance {
		if amount == 0 {
			return 0;
		}
		// It checks everything before it changes anything, see `MutateHold::transfer_on_hold`.
		T::Currency::transfer_on_hold(
			&reason.into(),
			from,
			to,
			amount,
			Precision::Exact,
			Restriction::Free,
			Fortitude::Force,
		)
		.unwrap_or_default()
	}

	/// Destroys held money and returns how much.
	pub(crate) fn burn(reason: HoldReason, who: &AccountId, amount: Balance) -> Balance {
		T::Currency::burn_held(
			&reason.into(),
			who,
			amount,
			Precision::BestEffort,
			Fortitude::Force,
		)
		.unwrap_or_default()
	}

	/// Books money on a device's budget if one of its keys or an operator signs. The owner, and an ordinary
	/// account, spends what it likes.
	pub(crate) fn book(
		who: &AccountId,
		account: &AccountId,
		amount: Balance,
	) -> Result<Option<BudgetPeriod>, DispatchError> {
		if who == account || T::Devices::owner(account).as_ref() == Some(who) {
			return Ok(None);
		}
		T::SpendLimit::spend(account, amount).map(Some)
	}

	/// Gives money back to the budget on which it was booked.
	pub(crate) fn unbook(account: &AccountId, amount: Balance, budget: Option<BudgetPeriod>) {
		if let Some(period) = budget {
			T::SpendLimit::unspend(account, amount, period);
		}
	}
}
