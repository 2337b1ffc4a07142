//! Benchmarks of every call, each at its worst: full windows, neighbours in the ring, as many peaks to merge as
//! there can be, and every anchor of an envelope for another stream.

use crate::{
	Anchors, BenchmarkHelper, Call, ClosedStreams, Config, Heads, Pallet, Streams, types::Peaks,
	window::Window,
};
use alloc::{boxed::Box, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::{BoundedVec, traits::Get};
use frame_system::RawOrigin;
use m2m_anchor::{
	Anchor, AnchorFlags, AnchorItem, AnchorRecord, MAX_ITEMS, SignedAnchors, StreamId, StreamKind,
	StreamSpec, Summary,
};
use m2m_device::{AccountId, DeviceId, DevicePublic, DeviceSignature, UnixMs};
use m2m_merkle::{Batch, Reading};
use sp_core::{H256, crypto::KeyTypeId, sr25519};

/// Where the benchmarking keystore keeps device keys.
pub const KEY_TYPE: KeyTypeId = KeyTypeId(*b"tele");
const NOW: UnixMs = 1_781_308_800_000;
/// A full window and a ring that forgets one anchor with each new one.
const RETENTION: u16 = 64;
/// Leaves of a range in which the next anchor merges the most trees that a real chain could reach.
const LEAVES: u64 = (1 << 40) - 1;

fn spec(retention: u16) -> StreamSpec {
	StreamSpec {
		kind: StreamKind::Interval,
		private: false,
		schema: H256::repeat_byte(7),
		unit: BoundedVec::truncate_from(b"Wh".to_vec()),
		scale: 0,
		plausible_min: 0,
		plausible_max: 1_000_000,
		cadence_ms: 900_000,
		period_ms: Some(900_000),
		not_before: 0,
		retention,
	}
}

/// The anchor of a single reading in period `period`.
fn reading_of(period: u64) -> Anchor {
	let reading = Reading {
		time_ms: period * 900_000,
		value: 250,
	};
	let batch = Batch::new(&[1; 32], Vec::from([reading])).expect("one reading is a batch");
	Anchor {
		data_root: H256(batch.data_root()),
		summary: Summary::Open {
			top_hash: H256(batch.top_hash()),
			aggregate: *batch.aggregate(),
		},
	}
}

/// The newest period that is over.
fn newest_period() -> u64 {
	NOW / 900_000 - 1
}

/// Opens a stream whose window is full up to sequence number 999.
fn busy_stream<T: Config>(owner: &AccountId, device: &DeviceId) -> StreamId {
	let stream = crate::StreamCounts::<T>::get(device).next;
	Pallet::<T>::create_stream(
		RawOrigin::Signed(owner.clone()).into(),
		Some(device.clone()),
		spec(RETENTION),
	)
	.expect("the owner pays");
	for back in 0..u64::from(RETENTION) {
		fill::<T>(device, stream, 999 - back, reading_of(newest_period() - 1 - back));
	}
	Heads::<T>::mutate(device, stream, |head| {
		let head = head.as_mut().expect("the stream was opened");
		head.window = Window {
			next: 1_000,
			used: u64::MAX,
		};
		head.last_reading = Some((newest_period() - 1) * 900_000);
		head.floor = Some(1);
		head.anchors = LEAVES;
		head.peaks = Peaks::truncate_from((0..LEAVES.count_ones()).map(|_| H256::repeat_byte(9)).collect());
	});
	stream
}

fn fill<T: Config>(device: &DeviceId, stream: StreamId, seq: u64, anchor: Anchor) {
	let retention = Streams::<T>::get(device, stream)
		.expect("the stream was opened")
		.spec
		.retention;
	let record = AnchorRecord {
		seq,
		anchor,
		key: device.clone(),
		position: seq,
		block: 1,
		flags: AnchorFlags::default(),
	};
	Anchors::<T>::insert((device, stream, (seq % u64::from(retention)) as u16), record);
}

fn sign<T: Config>(device: &DeviceId, key: &sr25519::Public, items: Vec<AnchorItem>) -> SignedAnchors {
	let account = DevicePublic::Sr25519(*key).account();
	let bytes = SignedAnchors::signed_bytes(&T::Genesis::get(), device, &account, 0, &items);
	let signature = sp_io::crypto::sr25519_sign(KEY_TYPE, key, &bytes).expect("the keystore made the key");
	SignedAnchors {
		device: device.clone(),
		key: account,
		expires: 0,
		items: BoundedVec::truncate_from(items),
		signature: DeviceSignature::Sr25519(signature),
	}
}

fn next_item(stream: StreamId) -> AnchorItem {
	AnchorItem {
		stream,
		seq: 1_000,
		anchor: reading_of(newest_period()),
	}
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn create_stream() {
		T::BenchmarkHelper::set_unix_ms(NOW);
		let (owner, device, _) = T::BenchmarkHelper::device(0);
		#[extrinsic_call]
		_(
			RawOrigin::Signed(owner),
			Some(device.clone()),
			spec(T::MaxRetention::get()),
		);
		assert!(Streams::<T>::contains_key(&device, 0));
	}

	#[benchmark]
	fn close_stream(r: Linear<1, 256>) {
		T::BenchmarkHelper::set_unix_ms(NOW);
		let (owner, device, _) = T::BenchmarkHelper::device(0);
		Pallet::<T>::create_stream(
			RawOrigin::Signed(owner.clone()).into(),
			Some(device.clone()),
			spec(r as u16),
		)
		.expect("the owner pays");
		for seq in 0..u64::from(r) {
			fill::<T>(&device, 0, seq, reading_of(seq + 1));
		}
		#[extrinsic_call]
		_(RawOrigin::Signed(owner), Some(device.clone()), 0);
		assert!(ClosedStreams::<T>::contains_key(&device, 0));
	}

	#[benchmark]
	fn anchor() {
		T::BenchmarkHelper::set_unix_ms(NOW);
		let (owner, device, key) = T::BenchmarkHelper::device(0);
		let stream = busy_stream::<T>(&owner, &device);
		let item = next_item(stream);
		let key = DevicePublic::Sr25519(key).account();
		#[extrinsic_call]
		_(RawOrigin::Signed(key), stream, item.seq, item.anchor);
		assert_eq!(
			Heads::<T>::get(&device, stream).map(|head| head.anchors),
			Some(LEAVES + 1)
		);
	}

	/// Envelopes of different devices with one anchor each.
	#[benchmark]
	fn anchor_many(e: Linear<1, 64>) {
		T::BenchmarkHelper::set_unix_ms(NOW);
		let mut envelopes = Vec::new();
		let mut streams = Vec::new();
		for number in 0..e {
			let (owner, device, key) = T::BenchmarkHelper::device(number);
			let stream = busy_stream::<T>(&owner, &device);
			envelopes.push(sign::<T>(&device, &key, Vec::from([next_item(stream)])));
			streams.push((device, stream));
		}
		let caller: AccountId = whitelisted_caller();
		let envelopes = BoundedVec::truncate_from(envelopes);
		#[extrinsic_call]
		_(RawOrigin::Signed(caller), envelopes);
		for (device, stream) in streams {
			assert_eq!(
				Heads::<T>::get(&device, stream).map(|head| head.anchors),
				Some(LEAVES + 1)
			);
		}
	}

	/// One envelope whose anchors are all for different streams.
	#[benchmark]
	fn anchor_many_items(i: Linear<1, MAX_ITEMS>) {
		T::BenchmarkHelper::set_unix_ms(NOW);
		let (owner, device, key) = T::BenchmarkHelper::device(0);
		let items: Vec<_> = (0..i)
			.map(|_| next_item(busy_stream::<T>(&owner, &device)))
			.collect();
		let caller: AccountId = whitelisted_caller();
		let envelopes = BoundedVec::truncate_from(Vec::from([sign::<T>(&device, &key, items)]));
		#[extrinsic_call]
		anchor_many(RawOrigin::Signed(caller), envelopes);
		for stream in 0..i {
			assert_eq!(
				Heads::<T>::get(&device, stream).map(|head| head.anchors),
				Some(LEAVES + 1)
			);
		}
	}

	/// Evidence with paths of `p` levels in both trees. The real ones have at most 32.
	#[benchmark]
	fn report_false_anchor(p: Linear<1, 10>) {
		T::BenchmarkHelper::set_unix_ms(NOW);
		let (owner, device, _) = T::BenchmarkHelper::device(0);
		Pallet::<T>::create_stream(
			RawOrigin::Signed(owner.clone()).into(),
			Some(device.clone()),
			spec(RETENTION),
		)
		.expect("the owner pays");
		let readings = (0..1u64 << p)
			.map(|index| Reading {
				time_ms: index + 1,
				value: 1,
			})
			.collect();
		let batch = Batch::new(&[1; 32], readings).expect("times increase");
		let mut claimed = *batch.aggregate();
		claimed.sum += 1;
		let false_anchor = Anchor {
			data_root: H256(batch.data_root()),
			summary: Summary::Open {
				top_hash: H256(batch.top_hash()),
				aggregate: claimed,
			},
		};
		fill::<T>(&device, 0, 0, false_anchor);
		Heads::<T>::mutate(&device, 0, |head| {
			head.as_mut().expect("the stream was opened").window = Window { next: 1, used: 1 };
		});
		let evidence = batch.evidence(0, claimed).expect("there is a first reading");
		let caller: AccountId = whitelisted_caller();
		#[extrinsic_call]
		_(
			RawOrigin::Signed(caller),
			device.clone(),
			0,
			0,
			Box::new(evidence),
		);
		assert!(Anchors::<T>::get((device, 0, 0)).is_some_and(|record| record.flags.disputed));
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);

	impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
