//! Joining, standing orders, credit and leaving.

use crate::{
	Balance, Capacity, Config, Entries, Entry, Error, Event, HoldReason, MarketId, Member, MemberState,
	Members, MeteringPoints, Pallet, StreamUses, Terms,
	markets::MARKET_KEY,
	timeline::Timeline,
	types::{StreamRole, StreamUse},
};
use codec::MaxEncodedLen;
use frame_support::{
	ensure,
	traits::{
		Footprint,
		fungible::{Inspect, Mutate, MutateHold},
		tokens::{Fortitude::Polite, Precision::BestEffort, Preservation::Preserve},
	},
};
use m2m_anchor::StreamId;
use m2m_auction::{OrderFault, PriceOrder, Slot};
use m2m_device::{AccountId, DeviceId, DeviceInspect, SpendLimit};
use sp_core::H256;
use sp_runtime::{DispatchError, DispatchResult, traits::Convert};

/// Bytes of a storage key's prefix, and of an account or hash with a hash of 16 bytes.
const PREFIX: u64 = 32;
const ACCOUNT_KEY: u64 = 16 + 32;

impl<T: Config> Pallet<T> {
	/// What is held on a wallet for a membership.
	pub fn membership_deposit() -> Balance {
		let member = (MARKET_KEY + ACCOUNT_KEY).saturating_add(Member::max_encoded_len() as u64);
		let stream = (PREFIX + ACCOUNT_KEY + 8 + 4).saturating_add(StreamUse::max_encoded_len() as u64);
		let point = (PREFIX + ACCOUNT_KEY).saturating_add(<(MarketId, DeviceId)>::max_encoded_len() as u64);
		let size = member
			.saturating_add(stream.saturating_mul(2))
			.saturating_add(point);
		T::DepositPrice::convert(Footprint { count: 1, size })
	}

	pub(crate) fn member(market: MarketId, device: &DeviceId) -> Result<Member, Error<T>> {
		Members::<T>::get(market, device).ok_or(Error::NotMember)
	}

	/// A member that is not leaving.
	fn staying_member(market: MarketId, device: &DeviceId) -> Result<Member, Error<T>> {
		let member = Self::member(market, device)?;
		ensure!(member.state != MemberState::Leaving, Error::MembershipEnding);
		Ok(member)
	}

	pub(crate) fn is_leaving(market: MarketId, device: &DeviceId) -> bool {
		Members::<T>::get(market, device).is_some_and(|member| member.state == MemberState::Leaving)
	}

	/// Holds the deposit on the wallet. What the wallet lacks comes from the owner, if the owner signs; if somebody
	/// else does, the deposit counts on the owner's budget.
	fn take_deposit(who: &AccountId, wallet: &DeviceId) -> Result<Balance, DispatchError> {
		let deposit = Self::membership_deposit();
		let free = T::Currency::reducible_balance(wallet, Preserve, Polite);
		// A registered wallet has the existential deposit.
		let lacking = deposit.saturating_sub(free);
		let by_owner = T::Devices::owner(wallet).as_ref() == Some(who);
		if lacking > 0 {
			ensure!(by_owner, Error::<T>::WalletCannotPay);
			ensure!(
				T::Currency::reducible_balance(who, Preserve, Polite) >= lacking,
				Error::<T>::OwnerCannotPay
			);
			T::Currency::transfer(who, wallet, lacking, Preserve)?;
		}
		if !by_owner {
			T::SpendLimit::spend(wallet, deposit)?;
		}
		T::Currency::hold(&HoldReason::MembershipDeposit.into(), wallet, deposit)?;
		Ok(deposit)
	}

	/// See [`Pallet::join`].
	pub(crate) fn do_join(
		who: &AccountId,
		market: MarketId,
		device: DeviceId,
		import: StreamId,
		export: StreamId,
	) -> DispatchResult {
		let terms = Self::terms(market)?;
		ensure!(
			!Members::<T>::contains_key(market, &device),
			Error::<T>::AlreadyMember
		);
		ensure!(import != export, Error::<T>::UnsuitableStream);
		for stream in [import, export] {
			Self::ensure_suitable(terms.slot, &device, stream)?;
		}
		let deposit = Self::take_deposit(who, &device)?;
		for (stream, role) in [(import, StreamRole::Import), (export, StreamRole::Export)] {
			StreamUses::<T>::insert(&device, stream, StreamUse { market, role });
		}
		let member = Member {
			import,
			export,
			state: MemberState::Applied,
			orders: Timeline::default(),
			credit: 0,
			entry: None,
			apart: 0,
			deposit,
		};
		Members::<T>::insert(market, &device, member);
		Self::deposit_event(Event::Joined {
			market,
			device,
			import,
			export,
		});
		Ok(())
	}

	/// True if the market takes any meter, or somebody whom it trusts vouches for this one now.
	pub(crate) fn is_certified(terms: &Terms, device: &DeviceId) -> bool {
		terms
			.meters
			.as_ref()
			.is_none_or(|meters| T::Devices::has_attestation(device, meters.topic, &meters.issuers, false))
	}

	/// See [`Pallet::admit`].
	pub(crate) fn do_admit(
		who: &AccountId,
		market: MarketId,
		device: DeviceId,
		point: H256,
		capacity: Capacity,
	) -> DispatchResult {
		Self::ensure_operator(who, market)?;
		let terms = Self::terms(market)?;
		let mut member = Self::staying_member(market, &device)?;
		ensure!(member.state == MemberState::Applied, Error::<T>::AlreadyAdmitted);
		ensure!(capacity.import > 0 || capacity.export > 0, Error::<T>::NoCapacity);
		if let Some(meters) = &terms.meters {
			let claim = T::Devices::attested_claim(&device, meters.topic, &meters.issuers, false);
			ensure!(claim == Some(point), Error::<T>::NotCertified);
		}
		ensure!(!MeteringPoints::<T>::contains_key(point), Error::<T>::MeterInUse);
		let since = Self::next_slot(terms.slot);
		member.state = MemberState::Admitted {
			since,
			point,
			capacity,
		};
		MeteringPoints::<T>::insert(point, (market, &device));
		Members::<T>::insert(market, &device, member);
		Self::deposit_event(Event::Admitted {
			market,
			device,
			since,
			point,
			capacity,
		});
		Ok(())
	}

	/// See [`Pallet::set_order`].
	pub(crate) fn do_set_order(market: MarketId, device: DeviceId, order: PriceOrder) -> DispatchResult {
		order.check().map_err(|fault| match fault {
			OrderFault::EmptyStep => Error::<T>::EmptyStep,
			// The order has prices, so it cannot be off a grid.
			OrderFault::StepsOutOfOrder | OrderFault::OffGrid => Error::<T>::StepsOutOfOrder,
		})?;
		let terms = Self::terms(market)?;
		let mut member = Self::staying_member(market, &device)?;
		let first = Self::next_slot(terms.slot);
		member
			.orders
			.set(first, order.clone(), Self::oldest_reportable(&terms))
			.map_err(|_| Error::<T>::OrderStillNeeded)?;
		Members::<T>::insert(market, &device, member);
		Self::deposit_event(Event::OrderSet {
			market,
			device,
			first,
			order,
		});
		Ok(())
	}

	/// See [`Pallet::top_up`].
	pub(crate) fn do_top_up(
		who: &AccountId,
		market: MarketId,
		device: DeviceId,
		amount: Balance,
	) -> DispatchResult {
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		let mut member = Self::staying_member(market, &device)?;
		ensure!(
			T::Currency::reducible_balance(&device, Preserve, Polite) >= amount,
			Error::<T>::WalletCannotPay
		);
		if T::Devices::owner(&device).as_ref() != Some(who) {
			// What is withdrawn later does not come back to the budget: a key could move it round and round.
			T::SpendLimit::spend(&device, amount)?;
		}
		T::Currency::transfer(&device, &Self::market_account(market), amount, Preserve)?;
		// All money there is fits 128 bits.
		member.credit = member.credit.saturating_add(amount);
		Members::<T>::insert(market, &device, member);
		Self::deposit_event(Event::CreditToppedUp {
			market,
			device,
			amount,
		});
		Ok(())
	}

	/// See [`Pallet::withdraw_credit`].
	pub(crate) fn do_withdraw_credit(
		market: MarketId,
		device: DeviceId,
		amount: Option<Balance>,
	) -> DispatchResult {
		let mut member = Self::member(market, &device)?;
		let amount = amount.unwrap_or(member.credit);
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		member.credit = member
			.credit
			.checked_sub(amount)
			.ok_or(Error::<T>::CreditTooLow)?;
		// A member's wallet lives: it holds the deposit.
		Self::pay_out(market, &device, amount)?;
		Members::<T>::insert(market, &device, member);
		Self::deposit_event(Event::CreditWithdrawn {
			market,
			device,
			amount,
		});
		Ok(())
	}

	/// See [`Pallet::leave`].
	pub(crate) fn do_leave(market: MarketId, device: DeviceId) -> DispatchResult {
		let mut member = Self::member(market, &device)?;
		let settled = member.unsettled() == 0;
		if member.state == MemberState::Leaving {
			ensure!(settled, Error::<T>::SettlementPending);
		} else {
			for stream in [member.import, member.export] {
				StreamUses::<T>::remove(&device, stream);
			}
			if let MemberState::Admitted { point, .. } = member.state {
				MeteringPoints::<T>::remove(point);
			}
		}
		if !settled {
			member.state = MemberState::Leaving;
			Members::<T>::insert(market, &device, member);
			Self::deposit_event(Event::Leaving { market, device });
			return Ok(());
		}
		T::Currency::release(
			&HoldReason::MembershipDeposit.into(),
			&device,
			member.deposit,
			BestEffort,
		)?;
		let credit = member.credit;
		if credit > 0 {
			Self::pay_out(market, &device, credit)?;
		}
		Members::<T>::remove(market, &device);
		Self::deposit_event(Event::Left {
			market,
			device,
			credit,
		});
		Ok(())
	}

	/// A member's entry in a slot.
	pub(crate) fn entry_of(
		member: &Member,
		market: MarketId,
		slot: Slot,
		device: &DeviceId,
	) -> Option<Entry> {
		match &member.entry {
			Some((at, entry)) if *at == slot => Some(entry.clone()),
			_ if member.apart > 0 => Entries::<T>::get((market, slot, device)),
			_ => None,
		}
	}
}
