//! Which anchors a device's present owner may sell.

use crate::{Config, GenerationStarts, Pallet, StreamInspect, WeightInfo};
use frame_support::weights::Weight;
use m2m_anchor::{AnchoredReadings, OnAnchored};
use m2m_device::{DeviceId, DeviceInspect};

impl<T: Config> Pallet<T> {
	/// The first sequence number from which all of the stream's anchors are of this generation; `None` if there
	/// is no such anchor yet.
	pub fn generation_start(device: &DeviceId, stream: u32, generation: u32) -> Option<u64> {
		if generation == 0 {
			return Some(0);
		}
		GenerationStarts::<T>::get(device, stream)
			.filter(|(since, _)| *since == generation)
			.map(|(_, seq)| seq)
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
		if Self::generation_start(readings.device, readings.stream, generation).is_none() {
			// The first anchor may fill a gap below numbers of the generation before.
			let next = T::Streams::next_seq(readings.device, readings.stream);
			let start = if readings.seq.saturating_add(1) == next {
				readings.seq
			} else {
				next
			};
			GenerationStarts::<T>::insert(readings.device, readings.stream, (generation, start));
		}
		<Self as OnAnchored>::weight()
	}

	fn weight() -> Weight {
		T::WeightInfo::on_anchored()
	}
}
