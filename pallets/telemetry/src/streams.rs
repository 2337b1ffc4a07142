//! Opening and closing streams.

use crate::{
	Anchors, BalanceOf, ClosedStream, ClosedStreams, Config, Error, Event, Head, Heads, HoldReason,
	MAX_AHEAD_MS, Pallet, StreamCounts, StreamRecord, Streams,
};
use alloc::vec::Vec;
use codec::MaxEncodedLen;
use frame_support::{
	ensure,
	traits::{
		Footprint, Get, UnixTime,
		fungible::{Inspect, Mutate, MutateHold},
		tokens::{Fortitude::Polite, Precision::BestEffort, Preservation::Preserve},
	},
};
use m2m_anchor::{AnchorRecord, StreamId, StreamSpec};
use m2m_device::{AccountId, DeviceId, DeviceInspect, SpendLimit, UnixMs};
use m2m_merkle::Hash;
use sp_core::H256;
use sp_runtime::{
	DispatchError, DispatchResult, SaturatedConversion, Saturating,
	traits::{Convert, Zero},
};

/// Bytes of a storage key of [`Streams`], [`Heads`] and [`ClosedStreams`]: the map's prefix, the device with a hash
/// of 16 bytes, the stream with one of 8.
pub(crate) const STREAM_KEY_BYTES: usize = 32 + (16 + 32) + (8 + 4);
/// Bytes of a storage key of [`Anchors`]: as [`STREAM_KEY_BYTES`], and the position in the ring with a hash of 8.
pub(crate) const ANCHOR_KEY_BYTES: usize = STREAM_KEY_BYTES + (8 + 2);

impl<T: Config> Pallet<T> {
	/// The chain's clock.
	pub(crate) fn now() -> UnixMs {
		T::Time::now().as_millis().saturated_into()
	}

	/// All that a stream with this retention may put into state, keys and values.
	pub fn footprint(retention: u16) -> Footprint {
		let fixed = STREAM_KEY_BYTES
			.saturating_mul(3)
			.saturating_add(StreamRecord::<BalanceOf<T>>::max_encoded_len())
			.saturating_add(Head::max_encoded_len())
			.saturating_add(ClosedStream::max_encoded_len());
		let ring = ANCHOR_KEY_BYTES
			.saturating_add(AnchorRecord::max_encoded_len())
			.saturating_mul(retention.into());
		Footprint {
			count: 1,
			size: fixed.saturating_add(ring) as u64,
		}
	}

	fn ensure_valid(spec: &StreamSpec) -> Result<(), Error<T>> {
		ensure!(
			!spec.unit.is_empty() && spec.unit.iter().all(u8::is_ascii_graphic),
			Error::InvalidUnit
		);
		ensure!(spec.cadence_ms > 0, Error::ZeroCadence);
		ensure!(spec.period_ms != Some(0), Error::ZeroPeriod);
		ensure!(spec.plausible_min <= spec.plausible_max, Error::InvalidRange);
		ensure!(
			(1..=T::MaxRetention::get()).contains(&spec.retention),
			Error::InvalidRetention
		);
		ensure!(
			spec.not_before <= Self::now().saturating_add(MAX_AHEAD_MS),
			Error::NotBeforeInFuture
		);
		Ok(())
	}

	/// See [`Pallet::create_stream`].
	pub(crate) fn do_create_stream(who: &AccountId, device: DeviceId, spec: StreamSpec) -> DispatchResult {
		Self::ensure_valid(&spec)?;
		let mut count = StreamCounts::<T>::get(&device);
		ensure!(count.open < T::MaxStreams::get(), Error::<T>::TooManyStreams);
		let stream = count.next;
		count.next = count.next.checked_add(1).ok_or(Error::<T>::TooManyStreams)?;
		count.open.saturating_inc();

		let deposit = Self::take_deposit(who, &device, spec.retention)?;
		StreamCounts::<T>::insert(&device, count);
		Streams::<T>::insert(
			&device,
			stream,
			StreamRecord {
				spec: spec.clone(),
				deposit,
			},
		);
		Heads::<T>::insert(&device, stream, Head::default());
		Self::deposit_event(Event::StreamCreated { device, stream, spec });
		Ok(())
	}

	/// Holds the deposit on the wallet. If the owner signs, what the wallet lacks is first moved there from the owner.
	/// If somebody else does, the deposit counts on the owner's budget: streams that are opened and closed in a circle
	/// would burn the wallet's free money otherwise.
	fn take_deposit(
		who: &AccountId,
		wallet: &DeviceId,
		retention: u16,
	) -> Result<BalanceOf<T>, DispatchError> {
		let deposit = T::DepositPrice::convert(Self::footprint(retention));
		// A hold does not bring a wallet to life: one below the existential deposit lacks that, too.
		let lifeless = T::Currency::minimum_balance().saturating_sub(T::Currency::balance(wallet));
		let lacking = deposit
			.saturating_sub(T::Currency::reducible_balance(wallet, Preserve, Polite))
			.saturating_add(lifeless);
		let by_owner = T::Devices::owner(wallet).as_ref() == Some(who);
		if !lacking.is_zero() {
			ensure!(by_owner, Error::<T>::WalletCannotPay);
			ensure!(
				T::Currency::reducible_balance(who, Preserve, Polite) >= lacking,
				Error::<T>::OwnerCannotPay
			);
			T::Currency::transfer(who, wallet, lacking, Preserve)?;
		}
		if !by_owner && !deposit.is_zero() {
			T::SpendLimit::spend(wallet, deposit.saturated_into())?;
		}
		T::Currency::hold(&HoldReason::StreamDeposit.into(), wallet, deposit)?;
		Ok(deposit)
	}

	/// An open stream's record.
	pub(crate) fn open_stream(
		device: &DeviceId,
		stream: StreamId,
	) -> Result<StreamRecord<BalanceOf<T>>, Error<T>> {
		Streams::<T>::get(device, stream).ok_or_else(|| {
			if ClosedStreams::<T>::contains_key(device, stream) {
				Error::StreamClosed
			} else {
				Error::UnknownStream
			}
		})
	}

	/// See [`Pallet::close_stream`]. Returns the retention, which bounds the work.
	pub(crate) fn do_close_stream(device: &DeviceId, stream: StreamId) -> Result<u16, DispatchError> {
		let record = Self::open_stream(device, stream)?;
		let head = Heads::<T>::take(device, stream).unwrap_or_default();
		for slot in 0..record.spec.retention {
			Anchors::<T>::remove((device, stream, slot));
		}
		let closed = ClosedStream {
			next_seq: head.window.next,
			anchors: head.anchors,
			range_root: Self::root_of(&head),
			last_reading: head.last_reading,
		};
		ClosedStreams::<T>::insert(device, stream, closed);
		Streams::<T>::remove(device, stream);
		StreamCounts::<T>::mutate(device, |count| count.open.saturating_dec());
		// The wallet cannot hold less: nothing else releases this reason.
		T::Currency::release(
			&HoldReason::StreamDeposit.into(),
			device,
			record.deposit,
			BestEffort,
		)?;
		// The price is part of the deposit (see `integrity_test`). Only if an upgrade raised it above a deposit taken
		// before can it fall short, and that must not keep the stream from being closed.
		let burnt = T::Currency::burn_from(device, T::TombstonePrice::get(), Preserve, BestEffort, Polite)?;
		Self::deposit_event(Event::StreamClosed {
			device: device.clone(),
			stream,
			anchors: closed.anchors,
			range_root: closed.range_root,
			burnt,
		});
		Ok(record.spec.retention)
	}

	/// Root of a stream's mountain range; `None` while it is empty.
	pub(crate) fn root_of(head: &Head) -> Option<H256> {
		let peaks: Vec<Hash> = head.peaks.iter().map(|peak| peak.0).collect();
		m2m_merkle::range::root_of(&peaks).map(H256)
	}
}
