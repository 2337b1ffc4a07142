//! What buyers look for.

use crate::{Config, Error, Event, HoldReason, NextRequest, Pallet, Requests};
use codec::MaxEncodedLen;
use frame_support::ensure;
use m2m_device::{AccountId, Action, DeviceAuthority, DeviceId};
use m2m_fair_exchange::market::{Request, RequestId, RequestSpec};
use sp_runtime::DispatchResult;

impl<T: Config> Pallet<T> {
	/// See [`Pallet::post_request`].
	pub(crate) fn do_post_request(who: &AccountId, buyer: AccountId, spec: RequestSpec) -> DispatchResult {
		Self::ensure_endpoint(&spec.endpoint)?;
		Self::ensure_area(&spec.area)?;
		ensure!(
			spec.until.is_none_or(|until| spec.from < until),
			Error::<T>::InvalidTimes
		);
		ensure!(spec.expires > Self::now(), Error::<T>::AlreadyExpired);
		let request = NextRequest::<T>::get();
		let next = request.checked_add(1).ok_or(Error::<T>::NumbersExhausted)?;
		let deposit = Self::take_deposit(who, &buyer, Request::max_encoded_len())?;
		NextRequest::<T>::put(next);
		Requests::<T>::insert(
			request,
			Request {
				buyer: buyer.clone(),
				deposit,
				spec,
			},
		);
		Self::deposit_event(Event::RequestPosted { request, buyer });
		Ok(())
	}

	/// See [`Pallet::remove_request`].
	pub(crate) fn do_remove_request(
		who: &AccountId,
		buyer: Option<&DeviceId>,
		request: RequestId,
	) -> DispatchResult {
		let record = Requests::<T>::get(request).ok_or(Error::<T>::UnknownRequest)?;
		if Self::now() <= record.spec.expires {
			let buyer = T::Devices::participant(who, buyer, Action::Close)?;
			ensure!(record.buyer == buyer, Error::<T>::NotRequester);
		}
		Self::release(HoldReason::Deposit, &record.buyer, record.deposit);
		Requests::<T>::remove(request);
		Self::deposit_event(Event::RequestRemoved { request });
		Ok(())
	}
}
