//! What sealed leaves show before payment.
//!
//! No test can show that a ciphertext reveals nothing: that rests on blake2-256 under a secret key being a
//! pseudo-random function. What tests can show is that the construction uses it as it must be used: each
//! block of keystream once, under a key of which both halves are needed, and nothing else in the delivery
//! depends on readings other than salted hashes that the device anchored anyway.

use crate::sale::{Sale, sales};
use codec::Encode;
use m2m_fair_exchange::{Blind, BlindedKey, Place, SealedLeaf, SealingKey};
use m2m_merkle::Reading;
use proptest::prelude::*;
use sp_crypto_hashing::blake2_256;
use std::collections::BTreeSet;

fn ones(bytes: &[u8]) -> u32 {
	bytes.iter().map(|byte| byte.count_ones()).sum()
}

/// Two plaintexts as unlike as can be, sealed under keys that differ per sale. Over 20,000 sales each of the
/// 256 ciphertext bits must be set about as often for the one as for the other. A seal that let a bit of
/// plaintext through, or had a biased keystream, fails this.
#[test]
fn the_bits_of_a_ciphertext_do_not_lean_towards_its_plaintext() {
	const SALES: u32 = 20_000;
	let zero = Reading { time_ms: 0, value: 0 };
	let one = Reading {
		time_ms: u64::MAX,
		value: -1,
	};
	let mut set = [[0u32; 256]; 2];
	for sale in 0..SALES {
		for (which, (salt, reading)) in [([0; 16], zero), ([0xff; 16], one)].into_iter().enumerate() {
			let key = SealingKey(blake2_256(&[&sale.to_le_bytes()[..], &[which as u8]].concat()));
			let sealed = SealedLeaf::seal(&key, sale % 7, 0, &salt, &reading).sealed;
			for (bit, count) in set[which].iter_mut().enumerate() {
				*count += u32::from(sealed[bit / 8] >> (bit % 8) & 1);
			}
		}
	}
	// Half of the sales, give or take six standard deviations of 71: by chance, once in a million runs.
	for (bit, counts) in set[0].iter().zip(&set[1]).enumerate() {
		for count in [counts.0, counts.1] {
			assert!(count.abs_diff(SALES / 2) < 426, "bit {bit}: {count} of {SALES}");
		}
	}
}

/// With either half of the key replaced by a guess, nothing opens, and about half of the plaintext's bits
/// come out wrong.
#[test]
fn one_half_of_the_key_opens_nothing() {
	let sale = Sale::honest(&[(1, 1_000)], 0, 999, 1);
	let key = SealingKey::new(&sale.blinded, &sale.blind);
	let guesses = [
		SealingKey::new(&sale.blinded, &Blind([0; 32])),
		SealingKey::new(&BlindedKey([0; 32]), &sale.blind),
		SealingKey(blake2_256(b"a guess")),
		SealingKey(core::array::from_fn(|at| key.0[at] ^ u8::from(at == 0))),
	];
	for guess in guesses {
		let mut wrong = 0;
		for (position, leaf) in (0u32..).zip(&sale.delivered) {
			assert!(leaf.open(&key, position, position).is_some());
			assert_eq!(leaf.open(&guess, position, position), None);
			let (right, guessed) = (key.keystream(position), guess.keystream(position));
			wrong += ones(&core::array::from_fn::<u8, 32, _>(|at| right[at] ^ guessed[at]));
		}
		// 256,000 bits; six standard deviations are 1,518.
		assert!(wrong.abs_diff(128_000) < 1_518, "{wrong}");
	}
}

/// A block of keystream that came twice would show the difference of two plaintexts.
#[test]
fn no_block_of_keystream_comes_twice() {
	let mut blocks = BTreeSet::new();
	for sale in 0..20u8 {
		let key = SealingKey(blake2_256(&[sale]));
		for position in (0..2_000).chain([u32::MAX - 1, u32::MAX]) {
			assert!(blocks.insert(key.keystream(position)));
		}
	}
}

/// What a reader without the key can compare: leaves with the same reading look as different as any two.
#[test]
fn equal_readings_cannot_be_told_by_their_seals() {
	let key = SealingKey([7; 32]);
	let reading = Reading {
		time_ms: 1_700_000_000_000,
		value: 230,
	};
	let leaves: Vec<SealedLeaf> = (0..1_000u32)
		.map(|position| {
			let salt = core::array::from_fn(|at| blake2_256(&position.to_le_bytes())[at]);
			SealedLeaf::seal(&key, position, 0, &salt, &reading)
		})
		.collect();
	let sealed: BTreeSet<[u8; 16]> = leaves
		.iter()
		.map(|leaf| core::array::from_fn(|at| leaf.sealed[at + 16]))
		.collect();
	let hashes: BTreeSet<_> = leaves.iter().map(|leaf| leaf.leaf).collect();
	let pairs: BTreeSet<_> = (0..)
		.zip(&leaves)
		.map(|(position, leaf)| leaf.pair(position, Place { seq: 1, index: 0 }))
		.collect();
	assert_eq!((sealed.len(), hashes.len(), pairs.len()), (1_000, 1_000, 1_000));
}

#[test]
fn keys_stay_out_of_logs() {
	let sale = Sale::small();
	let key = SealingKey::new(&sale.blinded, &sale.blind);
	assert_eq!(
		format!("{:?} {:?} {key:?}", sale.blinded, sale.blind),
		"BlindedKey(..) Blind(..) SealingKey(..)"
	);
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(10_000))]

	/// Beside ciphertexts a delivery holds hashes that the device anchored, and its size depends on the range
	/// alone.
	#[test]
	fn a_delivery_is_ciphertexts_and_anchored_hashes_and_nothing_else(sale in sales()) {
		let mut anchored = BTreeSet::new();
		for (place, leaf) in sale.places().into_iter().zip(&sale.delivered) {
			let opening = sale.batches[&place.seq].open(place.index).unwrap();
			prop_assert_eq!(leaf.leaf, opening.leaf_hash());
			prop_assert_eq!(leaf.encoded_size(), 64);
			anchored.extend(opening.path);
		}
		prop_assert!(sale.edges.before.iter().chain(&sale.edges.after).all(|hash| anchored.contains(hash)));
	}
}
