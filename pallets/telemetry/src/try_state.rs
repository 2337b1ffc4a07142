//! Invariants.

use crate::{
	Anchors, BalanceOf, ClosedStreams, Config, Heads, HoldReason, Pallet, StreamCounts, Streams,
	anchoring::slot, window::Window,
};
use alloc::collections::BTreeMap;
use frame_support::{
	ensure,
	traits::{Get, fungible::InspectHold},
};
use m2m_device::DeviceId;
use sp_runtime::{Saturating, TryRuntimeError};

impl<T: Config> Pallet<T> {
	/// Checks that
	/// 1. every open stream has a head and no tombstone, its number was given out, its retention is allowed; every
	///    closed stream's number was given out, and it has a final root exactly if it took anchors;
	/// 2. every head belongs to an open stream, and its window is well formed;
	/// 3. a range has as many peaks as its length has set bits, and holds every anchor in state;
	/// 4. every anchor in state lies in the slot of its number, below the next number, and is known as used if it
	///    is inside the window;
	/// 5. every used number inside the window is in state, and times rise with numbers;
	/// 6. open streams are counted rightly;
	/// 7. what is held on each wallet that ever had a stream is the sum of its open streams' deposits.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut open = BTreeMap::<DeviceId, u32>::new();
		let mut deposits = BTreeMap::<DeviceId, BalanceOf<T>>::new();
		for (device, stream, record) in Streams::<T>::iter() {
			ensure!(
				Heads::<T>::contains_key(&device, stream),
				"1: open stream without head"
			);
			ensure!(
				!ClosedStreams::<T>::contains_key(&device, stream),
				"1: stream open and closed"
			);
			ensure!(
				stream < StreamCounts::<T>::get(&device).next,
				"1: number not given out"
			);
			// More than the maximum would make closing cost more than it is charged for.
			ensure!(
				(1..=T::MaxRetention::get()).contains(&record.spec.retention),
				"1: retention"
			);
			open.entry(device.clone()).or_default().saturating_inc();
			deposits
				.entry(device)
				.or_default()
				.saturating_accrue(record.deposit);
		}
		for (device, stream, closed) in ClosedStreams::<T>::iter() {
			ensure!(
				stream < StreamCounts::<T>::get(&device).next,
				"1: closed number not given out"
			);
			ensure!(
				(closed.anchors == 0) == closed.range_root.is_none(),
				"1: final root"
			);
		}
		for (device, stream, head) in Heads::<T>::iter() {
			let spec = Streams::<T>::get(&device, stream)
				.ok_or("2: head without stream")?
				.spec;
			let width = Window::width(spec.retention);
			ensure!(
				(head.window.next == 0) == (head.window.used == 0),
				"2: empty window"
			);
			ensure!(
				head.window.next == 0 || head.window.used & 1 == 1,
				"2: largest number not used"
			);
			ensure!(
				width >= 64 || head.window.used >> width == 0,
				"2: window too wide"
			);
			ensure!(head.peaks.len() as u32 == head.anchors.count_ones(), "3: peaks");
			let in_state = Self::live_anchors(&device, stream, &spec);
			ensure!(
				in_state.len() as u64 <= head.anchors,
				"3: more anchors than leaves"
			);
			for pair in in_state.windows(2) {
				ensure!(pair[0].anchor.t_last() < pair[1].anchor.t_first(), "5: times");
			}
			for back in 0..u64::from(width) {
				let Some(seq) = head.window.next.checked_sub(back.saturating_add(1)) else {
					break;
				};
				ensure!(
					!head.window.is_used(seq) || Self::live_anchor(&device, stream, &spec, seq).is_some(),
					"5: used number not in state"
				);
			}
		}
		for ((device, stream, at), record) in Anchors::<T>::iter() {
			let spec = Streams::<T>::get(&device, stream)
				.ok_or("4: anchor without stream")?
				.spec;
			let head = Heads::<T>::get(&device, stream).ok_or("4: anchor without head")?;
			ensure!(at == slot(record.seq, spec.retention), "4: slot");
			ensure!(record.seq < head.window.next, "4: number above the next");
			ensure!(record.position < head.anchors, "3: position");
			let depth = head.window.next.saturating_sub(record.seq).saturating_sub(1);
			ensure!(
				depth >= Window::width(spec.retention).into() || head.window.is_used(record.seq),
				"4: in state but not used"
			);
		}
		for (device, count) in StreamCounts::<T>::iter() {
			ensure!(
				count.open == open.get(&device).copied().unwrap_or_default(),
				"6: open streams"
			);
			let held = T::Currency::balance_on_hold(&HoldReason::StreamDeposit.into(), &device);
			ensure!(
				held == deposits.get(&device).copied().unwrap_or_default(),
				"7: deposits"
			);
		}
		Ok(())
	}
}
