//! Taking anchors: the checks in their order, and the bookkeeping.

use crate::{
	Anchors, Config, Error, Event, Head, Heads, MAX_AHEAD_MS, Pallet,
	types::Peaks,
	window::{Lower, Place, Refusal, Window},
};
use alloc::vec::Vec;
use frame_support::{ensure, pallet_prelude::Weight, storage::with_storage_layer, traits::Get};
use m2m_anchor::{
	Anchor, AnchorFlags, AnchorRecord, AnchoredReadings, OnAnchored, SignedAnchors, StreamId, StreamSpec,
	Summary,
};
use m2m_device::{AccountId, DeviceAuthority, DeviceId, ReadingAuthority, UnixMs};
use m2m_merkle::{Hash, Implausible, MAX_READINGS};
use sp_core::H256;
use sp_runtime::{DispatchError, DispatchResult, SaturatedConversion, Saturating};

/// An anchor that passed all checks but those of its signer.
struct Accepted {
	spec: StreamSpec,
	head: Head,
	previous_last: Option<UnixMs>,
}

impl<T: Config> Pallet<T> {
	/// See [`Pallet::anchor`]. Returns the weight that others used who were told.
	pub(crate) fn do_anchor(
		device: &DeviceId,
		key: &AccountId,
		stream: StreamId,
		seq: u64,
		anchor: Anchor,
	) -> Result<Weight, DispatchError> {
		let accepted = Self::check(device, stream, seq, &anchor)?;
		let authority = T::Devices::reading_authority(key, device)?;
		Self::ensure_in_time(&authority, &anchor)?;
		Ok(Self::record(
			device, key, stream, seq, anchor, &authority, accepted,
		))
	}

	/// Delivers one envelope, or reports why not. Returns the weight that others used who were told.
	pub(crate) fn deliver(envelope: SignedAnchors) -> Weight {
		// What others did is taken back with a refused envelope, but it was done and is paid for.
		let mut used = Weight::zero();
		if let Err(reason) = with_storage_layer(|| Self::deliver_envelope(&envelope, &mut used)) {
			let SignedAnchors { device, key, .. } = envelope;
			Self::deposit_event(Event::EnvelopeRefused { device, key, reason });
		}
		used
	}

	/// Records what passes and verifies the signature last; the caller takes everything back on an error. Adds up
	/// in `used` the weight that others used who were told.
	fn deliver_envelope(envelope: &SignedAnchors, used: &mut Weight) -> DispatchResult {
		ensure!(!envelope.items.is_empty(), Error::<T>::EmptyEnvelope);
		ensure!(
			envelope.expires == 0 || Self::now() <= envelope.expires,
			Error::<T>::EnvelopeExpired
		);
		let (device, key) = (&envelope.device, &envelope.key);
		let mut authority = None;
		let mut any_accepted = false;
		for item in &envelope.items {
			// One look at device and key for the whole envelope, and none if no anchor gets so far.
			let checked =
				Self::check(device, item.stream, item.seq, &item.anchor).map_err(DispatchError::from);
			let outcome = match checked {
				Err(reason) => Err(reason),
				Ok(accepted) => {
					let authority = match &authority {
						Some(known) => known,
						None => authority.insert(T::Devices::reading_authority(key, device)?),
					};
					Self::ensure_in_time(authority, &item.anchor)
						.map(|()| (authority.clone(), accepted))
						.map_err(Into::into)
				}
			};
			match outcome {
				Ok((authority, accepted)) => {
					any_accepted = true;
					let anchor = item.anchor.clone();
					used.saturating_accrue(Self::record(
						device,
						key,
						item.stream,
						item.seq,
						anchor,
						&authority,
						accepted,
					));
				}
				Err(reason) => Self::deposit_event(Event::AnchorRefused {
					device: device.clone(),
					stream: item.stream,
					seq: item.seq,
					reason,
				}),
			}
		}
		if let (true, Some(authority)) = (any_accepted, authority) {
			ensure!(
				envelope.verify(&T::Genesis::get(), &authority.public),
				Error::<T>::BadSignature
			);
		}
		Ok(())
	}

	fn ensure_in_time(authority: &ReadingAuthority, anchor: &Anchor) -> Result<(), Error<T>> {
		ensure!(
			authority.before.is_none_or(|moment| anchor.t_last() < moment),
			Error::SignedTooLate
		);
		Ok(())
	}

	/// Everything that can be checked without the signer, cheapest first.
	fn check(device: &DeviceId, stream: StreamId, seq: u64, anchor: &Anchor) -> Result<Accepted, Error<T>> {
		let spec = Self::open_stream(device, stream)?.spec;
		let head = Heads::<T>::get(device, stream).unwrap_or_default();
		let place =
			head.window
				.place(seq, Window::width(spec.retention))
				.map_err(|refusal| match refusal {
					Refusal::TooFar => Error::<T>::SequenceTooFar,
					Refusal::TooOld => Error::<T>::SequenceTooOld,
					Refusal::Used => Error::<T>::AlreadyAnchored,
				})?;
		ensure!(
			spec.private == anchor.is_private(),
			Error::<T>::VisibilityMismatch
		);
		let previous_last = Self::check_times(device, stream, &spec, &head, place, anchor)?;
		plausible(anchor).map_err(|_| Error::<T>::ImplausibleAggregate)?;
		Ok(Accepted {
			spec,
			head,
			previous_last,
		})
	}

	/// Checks that the readings lie in time where the sequence number says. Returns the time of the last reading
	/// before them.
	fn check_times(
		device: &DeviceId,
		stream: StreamId,
		spec: &StreamSpec,
		head: &Head,
		place: Place,
		anchor: &Anchor,
	) -> Result<Option<UnixMs>, Error<T>> {
		let (first, last) = (anchor.t_first(), anchor.t_last());
		ensure!(
			last <= Self::now().saturating_add(MAX_AHEAD_MS),
			Error::FromTheFuture
		);
		ensure!(first >= spec.not_before, Error::TooOld);
		if let Some(period) = spec.period_ms {
			let period_of = |time: UnixMs| time.checked_div(period.into());
			ensure!(period_of(first) == period_of(last), Error::CrossesPeriod);
		}
		let neighbour = |seq| Self::live_anchor(device, stream, spec, seq).map(|record| record.anchor);
		let previous_last = match place.lower {
			Lower::BelowWindow => head.floor,
			Lower::Used(seq) => neighbour(seq).map(|anchor| anchor.t_last()),
		};
		let next_first = place.upper.and_then(neighbour).map(|anchor| anchor.t_first());
		ensure!(
			previous_last.is_none_or(|previous| previous < first)
				&& next_first.is_none_or(|next| last < next),
			Error::OverlapsNeighbour
		);
		Ok(previous_last)
	}

	/// The anchor with this number, if it is in the ring.
	pub(crate) fn live_anchor(
		device: &DeviceId,
		stream: StreamId,
		spec: &StreamSpec,
		seq: u64,
	) -> Option<AnchorRecord> {
		let record = Anchors::<T>::get((device, stream, slot(seq, spec.retention)))?;
		// Another number with the same slot may stand there, from an earlier round.
		(record.seq == seq).then_some(record)
	}

	/// Takes an anchor that passed every check. Returns the weight that others used who were told.
	fn record(
		device: &DeviceId,
		key: &AccountId,
		stream: StreamId,
		seq: u64,
		anchor: Anchor,
		authority: &ReadingAuthority,
		accepted: Accepted,
	) -> Weight {
		let Accepted {
			spec,
			mut head,
			previous_last,
		} = accepted;
		let width = Window::width(spec.retention);
		let flags = AnchorFlags {
			late: authority.before.is_some(),
			implausible_value: anchor.aggregate().is_some_and(|aggregate| {
				aggregate.min < spec.plausible_min || aggregate.max > spec.plausible_max
			}),
			disputed: false,
		};

		// Read before the ring entry may be overwritten.
		if let Some(leaving) = head.window.leaving(seq, width) {
			head.floor = Self::live_anchor(device, stream, &spec, leaving)
				.map(|record| record.anchor.t_last())
				.max(head.floor);
		}
		if seq >= head.window.next {
			head.last_reading = Some(anchor.t_last());
		}
		head.window.take(seq, width);

		let position = head.anchors;
		let leaf = anchor.range_leaf(device, stream, seq);
		let mut peaks: Vec<Hash> = head.peaks.iter().map(|peak| peak.0).collect();
		m2m_merkle::range::append_to(position, &mut peaks, leaf.0);
		// A range of less than 2^64 leaves has at most 64 peaks.
		head.peaks = Peaks::truncate_from(peaks.into_iter().map(H256).collect());
		head.anchors.saturating_inc();

		let record = AnchorRecord {
			seq,
			anchor,
			key: key.clone(),
			position,
			block: frame_system::Pallet::<T>::block_number().saturated_into(),
			flags,
		};
		Heads::<T>::insert(device, stream, head);
		Anchors::<T>::insert((device, stream, slot(seq, spec.retention)), &record);
		Self::deposit_event(Event::Anchored {
			device: device.clone(),
			stream,
			seq,
			position,
			leaf,
			flags,
		});
		// Whoever is told finds the anchor in state.
		T::OnAnchored::on_anchored(&AnchoredReadings {
			device,
			stream,
			spec: &spec,
			seq,
			anchor: &record.anchor,
			flags,
			previous_last,
		})
	}
}

/// Where an anchor lies in the ring.
pub(crate) fn slot(seq: u64, retention: u16) -> u16 {
	seq.checked_rem(retention.into()).unwrap_or(0).saturated_into()
}

/// The rules that every aggregate of real readings keeps; for a private anchor, those of what it shows.
fn plausible(anchor: &Anchor) -> Result<(), Implausible> {
	match &anchor.summary {
		Summary::Open { aggregate, .. } => aggregate.check_plausible(),
		Summary::Private {
			count,
			t_first,
			t_last,
			..
		} => {
			if *count == 0 || *count > MAX_READINGS {
				return Err(Implausible::Count);
			}
			let span = t_last.checked_sub(*t_first).ok_or(Implausible::Span)?;
			match count.saturating_sub(1) {
				0 if span > 0 => Err(Implausible::Single),
				gaps if span < gaps => Err(Implausible::Span),
				_ => Ok(()),
			}
		}
	}
}
