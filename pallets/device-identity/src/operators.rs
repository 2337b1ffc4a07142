//! Who may act for a device besides its keys and its owner.

use crate::{
	Config, DeviceOf, Devices, Error, Event, Keys, OperatorList, Operators, Pallet, authority::Signer,
	registration::list_size,
};
use frame_support::ensure;
use m2m_device::{AccountId, DeviceId, Operator, OperatorActions, UnixMs};
use sp_runtime::DispatchResult;

impl<T: Config> Pallet<T> {
	/// The grant by which `who` may act for a device now.
	pub(crate) fn valid_grant(
		who: &AccountId,
		id: &DeviceId,
		record: &DeviceOf<T>,
	) -> Result<Operator, Error<T>> {
		let grant = Operators::<T>::get(id)
			.into_iter()
			.find(|grant| grant.account == *who && grant.generation == record.generation)
			.ok_or(Error::NotOwner)?;
		ensure!(!grant.is_expired(Self::now()), Error::GrantExpired);
		Ok(grant)
	}

	/// Stores a device's operators; nothing if there are none.
	fn put_operators(id: &DeviceId, operators: OperatorList) {
		if operators.is_empty() {
			Operators::<T>::remove(id);
		} else {
			Operators::<T>::insert(id, operators);
		}
	}

	/// See [`Pallet::grant`].
	pub(crate) fn do_grant(
		who: &AccountId,
		id: &DeviceId,
		operator: AccountId,
		actions: OperatorActions,
		expires: Option<UnixMs>,
	) -> DispatchResult {
		let mut record = Self::owned_device(who, id)?;
		ensure!(!actions.is_empty(), Error::<T>::NoActions);
		ensure!(operator != record.owner, Error::<T>::AlreadyOwner);
		// It would act as a key, and a grant could not change that.
		ensure!(
			!Keys::<T>::contains_key(&operator),
			Error::<T>::OperatorIsDeviceKey
		);
		let now = Self::now();
		let grant = Operator {
			account: operator.clone(),
			actions,
			expires,
			generation: record.generation,
		};
		ensure!(!grant.is_expired(now), Error::<T>::GrantExpired);

		let mut operators = Operators::<T>::get(id);
		let before = list_size(&operators);
		operators.retain(|known| known.account != operator && !known.is_expired(now));
		operators
			.try_push(grant)
			.map_err(|_| Error::<T>::TooManyOperators)?;
		record.change_listed(before, list_size(&operators));
		Self::settle_deposit(id, &mut record, &Signer::Owner)?;
		Devices::<T>::insert(id, record);
		Self::put_operators(id, operators);
		Self::deposit_event(Event::OperatorGranted {
			device: id.clone(),
			operator,
			actions,
			expires,
		});
		Ok(())
	}

	/// See [`Pallet::revoke`].
	pub(crate) fn do_revoke(who: &AccountId, id: &DeviceId, operator: AccountId) -> DispatchResult {
		let mut record = Self::live_device(id)?;
		ensure!(*who == record.owner || *who == operator, Error::<T>::NotOwner);
		let mut operators = Operators::<T>::get(id);
		let (before, count) = (list_size(&operators), operators.len());
		operators.retain(|known| known.account != operator);
		ensure!(operators.len() < count, Error::<T>::NoGrant);
		record.change_listed(before, list_size(&operators));
		Self::lower_deposit(id, &mut record)?;
		Devices::<T>::insert(id, record);
		Self::put_operators(id, operators);
		Self::deposit_event(Event::OperatorRevoked {
			device: id.clone(),
			operator,
		});
		Ok(())
	}
}
