//! What clients read for free. Work is bounded by retention and number of streams.

use crate::{Anchors, ClosedStreams, Config, Heads, Pallet, Streams};
use alloc::vec::Vec;
use m2m_anchor::{
	AnchorProof, AnchorRecord, Coverage, ProofFault, StreamDetails, StreamId, StreamInspect, StreamSpec,
};
use m2m_device::{DeviceId, UnixMs};
use m2m_merkle::{Hash, ReadingProof};

impl<T: Config> StreamInspect for Pallet<T> {
	fn open_stream_spec(device: &DeviceId, stream: StreamId) -> Option<StreamSpec> {
		Streams::<T>::get(device, stream).map(|record| record.spec)
	}
}

impl<T: Config> Pallet<T> {
	/// Numbers of the device's open streams, in ascending order.
	pub fn streams(device: &DeviceId) -> Vec<StreamId> {
		let mut streams: Vec<StreamId> = Streams::<T>::iter_key_prefix(device).collect();
		streams.sort_unstable();
		streams
	}

	/// One stream, open or closed.
	pub fn stream(device: &DeviceId, stream: StreamId) -> Option<StreamDetails> {
		if let Some(record) = Streams::<T>::get(device, stream) {
			let head = Heads::<T>::get(device, stream).unwrap_or_default();
			return Some(StreamDetails {
				spec: Some(record.spec),
				next_seq: head.window.next,
				anchors: head.anchors,
				range_root: Self::root_of(&head),
				last_reading: head.last_reading,
			});
		}
		ClosedStreams::<T>::get(device, stream).map(|closed| StreamDetails {
			spec: None,
			next_seq: closed.next_seq,
			anchors: closed.anchors,
			range_root: closed.range_root,
			last_reading: closed.last_reading,
		})
	}

	/// An anchor that is among the newest of its stream.
	pub fn anchor_record(device: &DeviceId, stream: StreamId, seq: u64) -> Option<AnchorRecord> {
		let spec = Streams::<T>::get(device, stream)?.spec;
		Self::live_anchor(device, stream, &spec, seq)
	}

	/// The anchor with the largest sequence number.
	pub fn latest(device: &DeviceId, stream: StreamId) -> Option<AnchorRecord> {
		let next = Heads::<T>::get(device, stream)?.window.next;
		Self::anchor_record(device, stream, next.checked_sub(1)?)
	}

	/// All anchors of a stream that are in state, in the order of their times.
	pub(crate) fn live_anchors(device: &DeviceId, stream: StreamId, spec: &StreamSpec) -> Vec<AnchorRecord> {
		let mut records: Vec<AnchorRecord> = (0..spec.retention)
			.filter_map(|slot| Anchors::<T>::get((device, stream, slot)))
			.collect();
		// Times rise with sequence numbers.
		records.sort_unstable_by_key(|record| record.seq);
		records
	}

	/// What the anchors in state say about `from <= t < to`. An anchor that crosses a border of the interval adds
	/// no count and no sum; its longest gap counts as far as it can lie inside.
	pub fn coverage(device: &DeviceId, stream: StreamId, from: UnixMs, to: UnixMs) -> Option<Coverage> {
		let spec = Streams::<T>::get(device, stream)?.spec;
		let head = Heads::<T>::get(device, stream)?;
		let records = Self::live_anchors(device, stream, &spec);
		let mut coverage = Coverage {
			sum: (!spec.private).then_some(0),
			..Coverage::default()
		};
		// An entry is overwritten by a number that is larger by the retention or more. So what left the ring is older
		// than all numbers of the newest round, but not than entries that a leap in the numbers left standing below it.
		let all_in_state = head.anchors == records.len() as u64;
		let newest_round = head.window.next.saturating_sub(spec.retention.into());
		coverage.complete = all_in_state
			|| records
				.iter()
				.find(|record| record.seq >= newest_round)
				.is_some_and(|oldest| oldest.anchor.t_first() <= from);

		let mut silent_since = from;
		let mut silence = |until: UnixMs, since: UnixMs| {
			coverage.longest_silence_ms = coverage.longest_silence_ms.max(until.saturating_sub(since));
		};
		let (mut count, mut sum) = (0u64, 0i128);
		for record in &records {
			let anchor = &record.anchor;
			let (first, last) = (anchor.t_first(), anchor.t_last());
			if last < from || first >= to {
				continue;
			}
			silence(first, silent_since);
			let inside = last.min(to).saturating_sub(first.max(from));
			let gap = anchor
				.aggregate()
				.map_or(0, |aggregate| aggregate.max_gap)
				.min(inside);
			silence(gap, 0);
			silent_since = silent_since.max(last);
			if first >= from && last < to {
				count = count.saturating_add(anchor.count());
				sum = sum.saturating_add(anchor.aggregate().map_or(0, |aggregate| aggregate.sum));
			}
		}
		silence(to, silent_since);
		coverage.count = count;
		coverage.sum = coverage.sum.map(|_| sum);
		Some(coverage)
	}

	/// Checks that an anchor was recorded: that its leaf is in the stream's mountain range as it is now.
	pub fn verify_anchor(proof: &AnchorProof) -> Result<(), ProofFault> {
		let details = Self::stream(&proof.device, proof.stream).ok_or(ProofFault::UnknownStream)?;
		if proof.leaves != details.anchors {
			return Err(ProofFault::StaleProof {
				leaves: details.anchors,
			});
		}
		let root = details.range_root.ok_or(ProofFault::AnchorNotInRange)?;
		let leaf = proof.anchor.range_leaf(&proof.device, proof.stream, proof.seq);
		let path: Vec<Hash> = proof.path.iter().map(|hash| hash.0).collect();
		if m2m_merkle::range::verify(&root.0, &leaf.0, proof.position, proof.leaves, &path) {
			Ok(())
		} else {
			Err(ProofFault::AnchorNotInRange)
		}
	}

	/// Checks that a reading was recorded, unchanged, in a recorded anchor.
	pub fn verify_reading(anchor: &AnchorProof, reading: &ReadingProof) -> Result<(), ProofFault> {
		Self::verify_anchor(anchor)?;
		// A data root does not fix the number of readings; the anchor does.
		if reading.verify_counted(&anchor.anchor.data_root.0, anchor.anchor.count()) {
			Ok(())
		} else {
			Err(ProofFault::ReadingNotInAnchor)
		}
	}
}
