//! What operators do.

use crate::{
	Balance, Config, Error, Event, HoldReason, Ledger, Ledgers, Market, MarketId, MarketTerms, Markets,
	NextMarket, NoticeMs, OpenSlots, Pallet, Parameters, Requirement, StreamUses,
	types::{Feeder, StreamRole, StreamUse, Terms},
};
use codec::MaxEncodedLen;
use frame_support::{
	ensure,
	traits::{
		Footprint, Get,
		fungible::{Inspect, Mutate, MutateHold},
		tokens::{
			Fortitude::Polite,
			Preservation::{self, Preserve},
			Provenance,
		},
	},
};
use m2m_anchor::{StreamId, StreamInspect, StreamKind};
use m2m_auction::{PricingFault, Slot, SlotLength};
use m2m_device::{AccountId, Action, DeviceAuthority, DeviceId};
use sp_runtime::{
	DispatchResult,
	traits::{AccountIdConversion, Convert},
};

/// Bytes of a storage key that has a prefix and a market's number with a hash of 8 bytes.
pub(crate) const MARKET_KEY: u64 = 32 + 8 + 4;

impl<T: Config> Pallet<T> {
	/// The account that holds a market's money. It has no key.
	pub fn market_account(market: MarketId) -> AccountId {
		T::PalletId::get().into_sub_account_truncating(market)
	}

	/// What is held on the operator who creates a market.
	pub fn market_deposit() -> Balance {
		let values = [
			Market::max_encoded_len(),
			Terms::max_encoded_len(),
			Ledger::max_encoded_len(),
		];
		let size = values.iter().fold(0u64, |sum, value| {
			sum.saturating_add(*value as u64).saturating_add(MARKET_KEY)
		});
		T::DepositPrice::convert(Footprint { count: 1, size })
	}

	/// The market, if `who` runs it.
	pub(crate) fn ensure_operator(who: &AccountId, market: MarketId) -> Result<Market, Error<T>> {
		let record = Markets::<T>::get(market).ok_or(Error::UnknownMarket)?;
		ensure!(record.operator == *who, Error::NotOperator);
		Ok(record)
	}

	pub(crate) fn terms(market: MarketId) -> Result<Terms, Error<T>> {
		MarketTerms::<T>::get(market).ok_or(Error::UnknownMarket)
	}

	fn ensure_valid(length: SlotLength, parameters: &Parameters) -> Result<(), Error<T>> {
		parameters.pricing.check().map_err(|fault| match fault {
			PricingFault::RetailTooHigh => Error::RetailTooHigh,
			PricingFault::NotExact => Error::PriceNotExact,
			PricingFault::NoMargin => Error::NoMargin,
			PricingFault::NoTickSize => Error::NoTickSize,
			PricingFault::TickCount => Error::InvalidTickCount,
			PricingFault::BottomTooLow => Error::BottomTooLow,
			PricingFault::TopTooHigh => Error::TopTooHigh,
		})?;
		let window = parameters.window;
		let longest = length.ms().saturating_mul(crate::MAX_WINDOW_SLOTS);
		ensure!(
			window.ms > 0
				&& u64::from(window.ms) <= longest
				&& (1..=crate::MAX_WINDOW_BLOCKS).contains(&window.blocks),
			Error::InvalidWindow
		);
		Ok(())
	}

	/// See [`Pallet::create_market`].
	pub(crate) fn do_create_market(
		who: AccountId,
		slot_seconds: u32,
		parameters: Parameters,
		meters: Option<Requirement>,
	) -> DispatchResult {
		let operator = T::Devices::participant(&who, None, Action::Manage)?;
		ensure!(operator == who, Error::<T>::OperatorIsDeviceKey);
		let slot = SlotLength::new(slot_seconds)
			.filter(|length| length.seconds() >= T::MinSlotSeconds::get())
			.ok_or(Error::<T>::InvalidSlotLength)?;
		ensure!(
			meters
				.as_ref()
				.is_none_or(|meters| meters.topic.is_valid() && !meters.issuers.is_empty()),
			Error::<T>::InvalidRequirement
		);
		Self::ensure_valid(slot, &parameters)?;
		let market = NextMarket::<T>::get();
		let next = market.checked_add(1).ok_or(Error::<T>::NumbersExhausted)?;
		let account = Self::market_account(market);
		let deposit = Self::market_deposit();
		let lifeblood = T::Currency::minimum_balance();
		ensure!(
			T::Currency::reducible_balance(&operator, Preserve, Polite) >= deposit.saturating_add(lifeblood),
			Error::<T>::OperatorCannotPay
		);
		T::Currency::hold(&HoldReason::MarketDeposit.into(), &operator, deposit)?;
		T::Currency::transfer(&operator, &account, lifeblood, Preserve)?;
		NextMarket::<T>::put(next);
		let record = Market {
			operator: operator.clone(),
			depositor: operator.clone(),
			deposit,
		};
		Markets::<T>::insert(market, record);
		let mut versions = crate::timeline::Timeline::default();
		// The first one always has a place.
		let _placed = versions.set(0, parameters, 0);
		let terms = Terms {
			slot,
			parameters: versions,
			meters,
			feeder: None,
		};
		MarketTerms::<T>::insert(market, terms);
		Self::deposit_event(Event::MarketCreated {
			market,
			operator,
			account,
		});
		Self::deposit_event(Event::ParametersSet {
			market,
			first: 0,
			parameters,
		});
		Ok(())
	}

	/// See [`Pallet::set_parameters`].
	pub(crate) fn do_set_parameters(
		who: &AccountId,
		market: MarketId,
		first: Slot,
		parameters: Parameters,
	) -> DispatchResult {
		Self::ensure_operator(who, market)?;
		let mut terms = Self::terms(market)?;
		Self::ensure_valid(terms.slot, &parameters)?;
		let now = Self::now();
		let notice = now.saturating_add(NoticeMs::<T>::get());
		// Even without any notice only a slot that has not begun can change.
		ensure!(
			terms.slot.start(first) >= notice && first > terms.slot.slot_at(now),
			Error::<T>::NoticeTooShort
		);
		ensure!(
			terms.parameters.last_first() <= Some(terms.slot.slot_at(now)),
			Error::<T>::ChangePending
		);
		let oldest_open = Self::oldest_open_slot(market).unwrap_or(Slot::MAX);
		let oldest = oldest_open.min(Self::oldest_reportable(&terms));
		terms
			.parameters
			.set(first, parameters, oldest)
			.map_err(|_| Error::<T>::VersionStillNeeded)?;
		MarketTerms::<T>::insert(market, terms);
		Self::deposit_event(Event::ParametersSet {
			market,
			first,
			parameters,
		});
		Ok(())
	}

	/// The oldest slot of a market that was reported and is not cleared.
	pub(crate) fn oldest_open_slot(market: MarketId) -> Option<Slot> {
		OpenSlots::<T>::iter_key_prefix(market)
			.next()
			.map(|slot| slot.number())
	}

	/// Fails unless an anchor of this stream can cover a slot exactly and says what it holds.
	pub(crate) fn ensure_suitable(
		length: SlotLength,
		device: &DeviceId,
		stream: StreamId,
	) -> Result<(), Error<T>> {
		let spec = T::Streams::open_stream_spec(device, stream).ok_or(Error::UnsuitableStream)?;
		let slot_ms = length.ms();
		let suitable = spec.kind == StreamKind::Interval
			&& !spec.private
			&& spec.unit.as_slice() == b"Wh"
			&& spec.scale == 0
			&& spec.period_ms.map(u64::from) == Some(slot_ms)
			&& slot_ms.checked_rem(spec.cadence_ms.into()) == Some(0);
		ensure!(suitable, Error::UnsuitableStream);
		ensure!(!StreamUses::<T>::contains_key(device, stream), Error::MeterInUse);
		Ok(())
	}

	/// See [`Pallet::set_feeder`].
	pub(crate) fn do_set_feeder(who: &AccountId, market: MarketId, feeder: Option<Feeder>) -> DispatchResult {
		Self::ensure_operator(who, market)?;
		let mut terms = Self::terms(market)?;
		let old = terms.feeder.take();
		if let Some(new) = &feeder {
			// The old one may come back with another tolerance.
			let stays = old
				.as_ref()
				.is_some_and(|old| (&old.device, old.stream) == (&new.device, new.stream));
			if !stays {
				Self::ensure_suitable(terms.slot, &new.device, new.stream)?;
			}
		}
		if let Some(old) = old {
			StreamUses::<T>::remove(&old.device, old.stream);
		}
		if let Some(new) = &feeder {
			let role = StreamRole::Feeder;
			StreamUses::<T>::insert(&new.device, new.stream, StreamUse { market, role });
		}
		terms.feeder.clone_from(&feeder);
		MarketTerms::<T>::insert(market, terms);
		Self::deposit_event(Event::FeederSet { market, feeder });
		Ok(())
	}

	/// See [`Pallet::hand_over`].
	pub(crate) fn do_hand_over(market: MarketId, to: AccountId) -> DispatchResult {
		let mut record = Markets::<T>::get(market).ok_or(Error::<T>::UnknownMarket)?;
		let from = core::mem::replace(&mut record.operator, to.clone());
		Markets::<T>::insert(market, record);
		Self::deposit_event(Event::MarketHandedOver { market, from, to });
		Ok(())
	}

	/// See [`Pallet::withdraw_reserve`].
	pub(crate) fn do_withdraw_reserve(
		who: AccountId,
		market: MarketId,
		amount: Option<Balance>,
	) -> DispatchResult {
		Self::ensure_operator(&who, market)?;
		let mut ledger = Ledgers::<T>::get(market);
		let amount = amount.unwrap_or(ledger.reserve);
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		ledger.reserve = ledger
			.reserve
			.checked_sub(amount)
			.ok_or(Error::<T>::ReserveTooLow)?;
		let arrives = T::Currency::can_deposit(&who, amount, Provenance::Extant).into_result();
		ensure!(arrives.is_ok(), Error::<T>::OperatorCannotReceive);
		Self::pay_out(market, &who, amount)?;
		Ledgers::<T>::insert(market, ledger);
		Self::deposit_event(Event::ReserveWithdrawn {
			market,
			to: who,
			amount,
		});
		Ok(())
	}

	/// Pays from a market's account, which always has what credits and reserve say.
	pub(crate) fn pay_out(market: MarketId, to: &AccountId, amount: Balance) -> DispatchResult {
		T::Currency::transfer(&Self::market_account(market), to, amount, Preservation::Preserve)?;
		Ok(())
	}
}
