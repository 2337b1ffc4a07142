//! Convicting anchors whose aggregate is a lie.

use crate::{Anchors, Config, Error, Event, Pallet, anchoring::slot};
use frame_support::ensure;
use m2m_anchor::{StreamId, Summary};
use m2m_device::{AccountId, DeviceId};
use m2m_merkle::FalseAnchorEvidence;
use sp_runtime::DispatchResult;

impl<T: Config> Pallet<T> {
	/// See [`Pallet::report_false_anchor`].
	pub(crate) fn do_report_false_anchor(
		by: AccountId,
		device: DeviceId,
		stream: StreamId,
		seq: u64,
		evidence: &FalseAnchorEvidence,
	) -> DispatchResult {
		let spec = Self::open_stream(&device, stream)?.spec;
		let mut record =
			Self::live_anchor(&device, stream, &spec, seq).ok_or(Error::<T>::AnchorNotInState)?;
		ensure!(!record.flags.disputed, Error::<T>::AlreadyDisputed);
		let root = match &record.anchor.summary {
			Summary::Open { top_hash, aggregate } => m2m_merkle::aggregate_root(&top_hash.0, aggregate),
			Summary::Private { aggregate_root, .. } => aggregate_root.0,
		};
		let lie = evidence
			.convicts(&record.anchor.data_root.0, &root, record.anchor.count())
			.map_err(|_| Error::<T>::NothingWrong)?;

		record.flags.disputed = true;
		let key = record.key.clone();
		Anchors::<T>::insert((&device, stream, slot(seq, spec.retention)), record);
		Self::deposit_event(Event::AnchorDisputed {
			device,
			stream,
			seq,
			key,
			lie,
			by,
		});
		Ok(())
	}
}
