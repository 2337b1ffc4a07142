//! Proofs that an archive makes from events, long after the ring forgot.

use crate::mock::*;
use codec::{DecodeAll, Encode};
use frame_support::{assert_noop, assert_ok};
use m2m_anchor::{AnchorProof, ProofFault, StreamId};
use m2m_device::{AccountId, DeviceStatus};
use m2m_merkle::ReadingProof;
use sp_core::H256;

/// A stream with so many anchors in a small ring, and its archive.
fn recorded(count: u64) -> (Meter, StreamId, Archive) {
	let meter = meter(0);
	let stream = open(&meter, keeping(2));
	let mut archive = Archive::default();
	for seq in 0..count {
		assert_ok!(send(&meter, stream, seq, quarter(seq)));
	}
	archive.listen(&meter.id, stream);
	(meter, stream, archive)
}

#[test]
fn every_reading_of_every_anchor_can_be_proven_for_ever() {
	test(|| {
		for count in [1, 2, 3, 4, 7, 8, 11] {
			let (meter, stream, archive) = recorded(count);
			for seq in 0..count {
				let proof = archive.prove(&meter.id, stream, seq, quarter(seq), seq);
				assert_eq!(Telemetry::verify_anchor(&proof), Ok(()));
				for index in 0..3 {
					let reading = quarter_batch(seq).open(index).expect("there are three");
					assert_eq!(Telemetry::verify_reading(&proof, &reading), Ok(()));
				}
				assert_eq!(
					Telemetry::anchor_record(&meter.id, stream, seq).is_some(),
					seq + 2 >= count
				);
			}
		}
	});
}

#[test]
fn readings_of_private_streams_are_proven_the_same_way() {
	test(|| {
		let meter = meter(1);
		let stream = open(&meter, private());
		let anchor = |seq| private_anchor(&quarter_batch(seq));
		let mut archive = Archive::default();
		for seq in [2, 0, 1] {
			assert_ok!(send(&meter, stream, seq, anchor(seq)));
		}
		archive.listen(&meter.id, stream);
		for (position, seq) in [(0, 2), (1, 0), (2, 1)] {
			let proof = archive.prove(&meter.id, stream, seq, anchor(seq), position);
			let reading = quarter_batch(seq).open(2).expect("there are three");
			assert_eq!(Telemetry::verify_reading(&proof, &reading), Ok(()));
			// The open anchor of the same readings is not what was recorded.
			let shown = AnchorProof {
				anchor: quarter(seq),
				..proof
			};
			assert_eq!(
				Telemetry::verify_anchor(&shown),
				Err(ProofFault::AnchorNotInRange)
			);
		}
	});
}

/// Every value that differs from this one in a single bit of its encoding.
fn bit_flips<T: Encode + DecodeAll>(value: &T) -> Vec<T> {
	let bytes = value.encode();
	(0..bytes.len() * 8)
		.filter_map(|bit| {
			let mut altered = bytes.clone();
			altered[bit / 8] ^= 1 << (bit % 8);
			T::decode_all(&mut altered.as_slice()).ok()
		})
		.collect()
}

#[test]
fn a_proof_with_any_bit_of_the_anchor_or_its_place_altered_fails() {
	test(|| {
		let (meter, stream, archive) = recorded(11);
		let reading = quarter_batch(5).open(1).expect("there are three");
		check_flips(&archive.prove(&meter.id, stream, 5, quarter(5), 5), &reading);

		let hidden = open(&meter, private());
		let anchor = private_anchor(&quarter_batch(5));
		assert_ok!(send(&meter, hidden, 5, anchor.clone()));
		let mut archive = Archive::default();
		archive.listen(&meter.id, hidden);
		check_flips(&archive.prove(&meter.id, hidden, 5, anchor, 0), &reading);
	});
}

fn check_flips(proof: &AnchorProof, reading: &ReadingProof) {
	assert_eq!(Telemetry::verify_reading(proof, reading), Ok(()));
	let altered = bit_flips(proof);
	// Nearly all flips still decode: the fixed fields alone have more than 1,500 bits.
	assert!(altered.len() > 1_000);
	for altered in altered {
		assert!(Telemetry::verify_anchor(&altered).is_err(), "{altered:?}");
		assert!(Telemetry::verify_reading(&altered, reading).is_err());
	}
}

#[test]
fn a_proof_with_any_bit_of_the_reading_salt_place_or_path_altered_fails() {
	test(|| {
		let (meter, stream, archive) = recorded(3);
		let proof = archive.prove(&meter.id, stream, 1, quarter(1), 1);
		for index in 0..3 {
			let reading = quarter_batch(1).open(index).expect("there are three");
			assert_eq!(Telemetry::verify_reading(&proof, &reading), Ok(()));
			let altered = bit_flips(&reading);
			assert!(altered.len() > 500);
			for altered in altered {
				assert_eq!(
					Telemetry::verify_reading(&proof, &altered),
					Err(ProofFault::ReadingNotInAnchor)
				);
			}
		}
	});
}

#[test]
fn a_path_that_is_cut_stretched_or_missing_fails() {
	test(|| {
		let (meter, stream, archive) = recorded(11);
		for seq in 0..11 {
			let proof = archive.prove(&meter.id, stream, seq, quarter(seq), seq);
			let fails = |path: Vec<H256>| {
				let altered = AnchorProof {
					path,
					..proof.clone()
				};
				assert_eq!(
					Telemetry::verify_anchor(&altered),
					Err(ProofFault::AnchorNotInRange)
				);
			};
			fails(vec![]);
			fails(proof.path[1..].to_vec());
			fails(proof.path[..proof.path.len() - 1].to_vec());
			fails([proof.path.clone(), vec![H256::zero()]].concat());
			fails([vec![proof.path[0]], proof.path.clone()].concat());
			fails(vec![H256::zero(); 10_000]);

			let reading = quarter_batch(seq).open(0).expect("there are three");
			let fails = |path: Vec<[u8; 32]>| {
				let altered = ReadingProof {
					path,
					..reading.clone()
				};
				assert_eq!(
					Telemetry::verify_reading(&proof, &altered),
					Err(ProofFault::ReadingNotInAnchor)
				);
			};
			fails(vec![]);
			fails(reading.path[1..].to_vec());
			fails([reading.path.clone(), vec![[0; 32]]].concat());
			fails(vec![[0; 32]; 10_000]);
		}
	});
}

#[test]
fn a_proof_for_another_length_of_the_range_is_stale() {
	test(|| {
		let (meter, stream, mut archive) = recorded(4);
		let old = archive.prove(&meter.id, stream, 1, quarter(1), 1);
		assert_eq!(Telemetry::verify_anchor(&old), Ok(()));
		assert_ok!(send(&meter, stream, 4, quarter(4)));
		archive.listen(&meter.id, stream);
		assert_eq!(
			Telemetry::verify_anchor(&old),
			Err(ProofFault::StaleProof { leaves: 5 })
		);
		let extended = archive.prove(&meter.id, stream, 1, quarter(1), 1);
		assert_eq!(Telemetry::verify_anchor(&extended), Ok(()));
		let ahead = AnchorProof {
			leaves: u64::MAX,
			..extended
		};
		assert_eq!(
			Telemetry::verify_anchor(&ahead),
			Err(ProofFault::StaleProof { leaves: 5 })
		);
	});
}

#[test]
fn a_proof_holds_for_its_own_device_stream_and_number_only() {
	test(|| {
		let (meter, stream, archive) = recorded(4);
		let twin = open(&meter, keeping(2));
		for seq in 0..4 {
			assert_ok!(send(&meter, twin, seq, quarter(seq)));
		}
		let proof = archive.prove(&meter.id, stream, 1, quarter(1), 1);
		let elsewhere = AnchorProof {
			stream: twin,
			..proof.clone()
		};
		assert_eq!(
			Telemetry::verify_anchor(&elsewhere),
			Err(ProofFault::AnchorNotInRange)
		);
		let other_number = AnchorProof {
			seq: 2,
			..proof.clone()
		};
		assert_eq!(
			Telemetry::verify_anchor(&other_number),
			Err(ProofFault::AnchorNotInRange)
		);
		for (device, stream) in [(meter.id, 9), (AccountId::new([9; 32]), 0)] {
			let unknown = AnchorProof {
				device,
				stream,
				..proof.clone()
			};
			assert_eq!(Telemetry::verify_anchor(&unknown), Err(ProofFault::UnknownStream));
		}
	});
}

#[test]
fn the_history_of_a_suspended_or_lost_device_stays_checkable() {
	for status in [DeviceStatus::Suspended, DeviceStatus::Lost] {
		test(|| {
			let (meter, stream, archive) = recorded(5);
			set_status(&meter.id, status);
			change(&meter.key, |grant| grant.deliver = false);
			assert_noop!(
				send(&meter, stream, 5, quarter(5)),
				fleet::Error::<Test>::MayNotDeliver
			);
			for seq in 0..5 {
				let proof = archive.prove(&meter.id, stream, seq, quarter(seq), seq);
				assert_eq!(Telemetry::verify_anchor(&proof), Ok(()));
				let reading = quarter_batch(seq).open(1).expect("there are three");
				assert_eq!(Telemetry::verify_reading(&proof, &reading), Ok(()));
			}
			assert!(Telemetry::anchor_record(&meter.id, stream, 4).is_some());
		});
	}
}

#[test]
fn nothing_can_be_proven_of_an_empty_stream() {
	test(|| {
		let (meter, stream, _) = recorded(0);
		let (_, _, archive) = recorded(1);
		let proof = AnchorProof {
			leaves: 0,
			..archive.prove(&meter.id, stream, 0, quarter(0), 0)
		};
		assert_eq!(
			Telemetry::verify_anchor(&proof),
			Err(ProofFault::AnchorNotInRange)
		);
		assert_ok!(Telemetry::close_stream(signed(&ALICE), Some(meter.id), stream));
		assert_eq!(
			Telemetry::verify_anchor(&proof),
			Err(ProofFault::AnchorNotInRange)
		);
	});
}

#[test]
fn a_reading_of_another_batch_is_not_in_the_anchor() {
	test(|| {
		let (meter, stream, archive) = recorded(4);
		let proof = archive.prove(&meter.id, stream, 1, quarter(1), 1);
		let foreign = quarter_batch(2).open(0).expect("there are three");
		assert_eq!(
			Telemetry::verify_reading(&proof, &foreign),
			Err(ProofFault::ReadingNotInAnchor)
		);
	});
}
