//! Which anchors a device's present owner may sell.

use crate::{Config, GenerationStarts, Pallet, StreamInspect, WeightInfo};
use frame_support::weights::Weight;
use m2m_anchor::{AnchoredReadings, OnAnchored, StreamId};
use m2m_device::{DeviceId, DeviceInspect};

impl<T: Config> Pallet<T> {
	/// The first sequence number from which all of the stream's anchors are of this generation; `None` if there
	/// is no such anchor yet.
	pub fn generation_start(device: &DeviceId, stream: StreamId, generation: u32) -> Option<u64> {
		if generation == 0 {
			return Some(0);
		}
		GenerationStarts::<T>::get(device, stream)
			.filter(|(since, _)| *since == generation)
			.map(|(_, seq)| seq)
	}

	/// Writes down where a generation begins, if that is not known: at the anchor that just came.
	pub(crate) fn start_generation(device: &DeviceId, stream: StreamId, generation: u32, seq: u64) {
		if Self::generation_start(device, stream, generation).is_some() {
			return;
		}
		// The first anchor may fill a gap below numbers of the generation before.
		let next = T::Streams::next_seq(device, stream);
		let start = if seq.saturating_add(1) == next { seq } else { next };
		GenerationStarts::<T>::insert(device, stream, (generation, start));
	}
}

impl<T: Config> OnAnchored for Pallet<T> {
	/// Writes down the start of a generation with its first anchor. A device in its first generation, and an open
	/// stream, costs next to nothing.
	fn on_anchored(readings: &AnchoredReadings) -> Weight {
		if !readings.spec.private {
			return Weight::zero();
		}
		let generation = T::Devices::generation(readings.device).unwrap_or_default();
		Self::start_generation(readings.device, readings.stream, generation, readings.seq);
		<Self as OnAnchored>::weight()
	}

	fn weight() -> Weight {
		T::WeightInfo::on_anchored()
	}
}
