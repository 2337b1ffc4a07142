//! A seller that cheats is convicted; one that does not, never.

use crate::sale::{GENESIS, Sale, sales};
use codec::{Decode, Encode, MaxEncodedLen};
use m2m_fair_exchange::{
	BlindedKey, DeliveryFault, NotGuilty, OpenFault, Place, SaleEvidence, SealedLeaf, SealingKey,
};
use m2m_merkle::Reading;
use proptest::prelude::*;
use sp_core::H256;

/// Ways to seal something else than what was anchored, and to sign for it.
fn false_seal(sale: &Sale, position: usize, other: usize, kind: u8, bytes: [u8; 32]) -> [u8; 32] {
	let key = SealingKey::new(&sale.blinded, &sale.blind);
	let place = sale.places()[position];
	let honest = sale.delivered[position];
	let (salt, reading) = honest.open(&key, position as u32, place.index).unwrap();
	match kind {
		// Noise.
		0 => bytes,
		// One bit.
		1 => {
			let mut sealed = honest.sealed;
			sealed[usize::from(bytes[0] % 32)] ^= 1 << (bytes[1] % 8);
			sealed
		}
		// A reading that the device did not take.
		2 => {
			let reading = Reading {
				value: reading.value + 1 + i64::from(bytes[0]),
				..reading
			};
			SealedLeaf::seal(&key, position as u32, place.index, &salt, &reading).sealed
		}
		// The right reading under another salt.
		3 => {
			let salt = core::array::from_fn(|at| salt[at] ^ bytes[at] | 1);
			SealedLeaf::seal(&key, position as u32, place.index, &salt, &reading).sealed
		}
		// The ciphertext of another leaf.
		4 => sale.delivered[other].sealed,
		// The right plaintext under the keystream of another position.
		5 => SealedLeaf::seal(&key, position as u32 + 1, place.index, &salt, &reading).sealed,
		// The right plaintext under half of the key.
		6 => {
			SealedLeaf::seal(
				&SealingKey(sale.blinded.0),
				position as u32,
				place.index,
				&salt,
				&reading,
			)
			.sealed
		}
		// Not sealed at all.
		_ => SealedLeaf::seal(&SealingKey([0; 32]), 0, place.index, &salt, &reading).sealed,
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(12_000))]

	#[test]
	fn any_one_wrong_sealed_leaf_convicts(
		sale in sales(), pick: prop::sample::Index, other: prop::sample::Index,
		kind in 0u8..8, bytes: [u8; 32],
	) {
		let mut sale = sale;
		let position = pick.index(sale.delivered.len());
		let other = other.index(sale.delivered.len());
		let sealed = false_seal(&sale, position, other, kind, bytes);
		if sealed == sale.delivered[position].sealed {
			return Ok(());
		}
		sale.cheat(position, sealed);
		// Before payment nothing shows it.
		prop_assert_eq!(sale.check(), Ok(()));
		let place = sale.places()[position];
		for (at, opened) in sale.open().into_iter().enumerate() {
			let fault = Err(OpenFault::BadLeaf { position: at as u32, place });
			prop_assert_eq!(opened == fault, at == position);
		}
		let evidence = sale.evidence(position as u32);
		let evidence = SaleEvidence::decode(&mut &evidence.encode()[..]).unwrap();
		prop_assert_eq!(sale.judge(&evidence), Ok(()));
		// The leaves that are as they should be convict nobody.
		let good = sale.evidence(other as u32);
		let verdict = if other == position { Ok(()) } else { Err(NotGuilty::OpensAsAnchored) };
		prop_assert_eq!(sale.judge(&good), verdict);
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(24_000))]

	#[test]
	fn no_mutation_of_evidence_convicts_an_honest_seller(
		sale in sales(), pick: prop::sample::Index, other: prop::sample::Index, kind in 0u8..13,
		flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
		bytes: [u8; 32], number: u32,
	) {
		let mut evidence = sale.evidence(pick.index(sale.delivered.len()) as u32);
		let elsewhere = sale.evidence(other.index(sale.delivered.len()) as u32);
		// The same range, sold a second time by the same seller.
		let mut again = sale.clone();
		again.terms.nonce = again.terms.nonce.wrapping_add(1 + u64::from(number));
		again.blinded = again.terms.blinded_key(&GENESIS, &[0x77; 32]);
		again.terms.blinded_key_commitment = again.blinded.commitment();
		let key = SealingKey::new(&again.blinded, &again.blind);
		for ((position, place), leaf) in (0..).zip(sale.places()).zip(&mut again.delivered) {
			let opening = sale.batches[&place.seq].open(place.index).unwrap();
			*leaf = SealedLeaf::seal(&key, position, place.index, &opening.salt, &opening.reading);
		}
		again.sign_for_delivery();
		prop_assert_eq!(again.check(), Ok(()));
		let second = again.evidence(evidence.leaf.position);

		match kind {
			0 | 1 => {
				let mut encoded = evidence.encode();
				for (at, flip) in &flips {
					let at = at.index(encoded.len());
					encoded[at] ^= flip;
				}
				match SaleEvidence::decode(&mut &encoded[..]) {
					Ok(mutated) => evidence = mutated,
					Err(_) => return Ok(()),
				}
			},
			// Beyond the terms, which a single hash protects.
			2 => {
				let mut encoded = evidence.leaf.encode();
				for (at, flip) in &flips {
					let at = at.index(encoded.len());
					encoded[at] ^= flip;
				}
				match Decode::decode(&mut &encoded[..]) {
					Ok(mutated) => evidence.leaf = mutated,
					Err(_) => return Ok(()),
				}
			},
			3 => evidence.leaf.path = elsewhere.leaf.path,
			4 => evidence.leaf.position = elsewhere.leaf.position,
			5 => evidence.leaf.place = elsewhere.leaf.place,
			6 => evidence.leaf.sealed = elsewhere.leaf.sealed,
			7 => evidence.leaf.leaf = elsewhere.leaf.leaf,
			8 => evidence.leaf = second.leaf,
			9 => evidence.blind.0 = bytes,
			10 => {
				evidence.leaf.sealed = bytes;
				evidence.leaf.position = number % (sale.terms.leaves + 1);
			},
			// The accuser, who knows both halves of the key by now, makes up a whole sale that would convict.
			11 => {
				let mut forged = sale.clone();
				forged.cheat(evidence.leaf.position as usize, bytes);
				evidence = forged.evidence(evidence.leaf.position);
				prop_assert_eq!(forged.judge(&evidence), Ok(()));
			},
			_ => {
				let length = number as usize % 33;
				let mut path = evidence.leaf.path.into_inner();
				path.resize(length, H256(bytes));
				evidence.leaf.path = path.try_into().unwrap();
			},
		}
		prop_assert!(sale.judge(&evidence).is_err());
		// Nor against the second sale, with its terms, its key or both.
		prop_assert!(again.judge(&evidence).is_err());
		let (id, key) = (again.terms.sale_id(&GENESIS), again.blinded);
		prop_assert!(evidence.convicts(&GENESIS, &sale.terms.sale_id(&GENESIS), &key).is_err());
		evidence.terms = again.terms.clone();
		prop_assert!(evidence.convicts(&GENESIS, &id, &key).is_err());
		prop_assert!(evidence.convicts(&GENESIS, &id, &sale.blinded).is_err());
		prop_assert!(evidence.convicts(&GENESIS, &id, &BlindedKey(bytes)).is_err());
	}

	/// Whatever bytes an accuser sends: a verdict, no panic, no conviction.
	#[test]
	fn random_bytes_convict_nobody(
		bytes in prop::collection::vec(any::<u8>(), 417 + 32 * 33), length in 0u8..34,
		small: bool, sale: [u8; 32],
	) {
		let mut bytes = bytes;
		// The length of the path, and a number of leaves and a position that fit a path of that length.
		bytes[416] = length * 4;
		if small {
			bytes[104..108].copy_from_slice(&(1u32 << length.min(31)).to_le_bytes());
			bytes[348..352].copy_from_slice(&[0; 4]);
		}
		let Ok(evidence) = SaleEvidence::decode(&mut &bytes[..]) else {
			prop_assert!(length > 32);
			return Ok(());
		};
		prop_assert!(evidence.leaf.check(&evidence.terms).is_err());
		prop_assert!(evidence.convicts(&GENESIS, &H256(sale), &BlindedKey(sale)).is_err());
		let id = evidence.terms.sale_id(&GENESIS);
		prop_assert!(evidence.convicts(&GENESIS, &id, &BlindedKey(sale)).is_err());
	}
}

/// A sale in which leaf 4 is false, and the evidence.
fn cheated() -> (Sale, SaleEvidence) {
	let mut sale = Sale::small();
	sale.cheat(4, [0xee; 32]);
	let evidence = sale.evidence(4);
	assert_eq!(sale.judge(&evidence), Ok(()));
	(sale, evidence)
}

fn verdict(alter: impl FnOnce(&mut SaleEvidence)) -> NotGuilty {
	let (sale, mut evidence) = cheated();
	alter(&mut evidence);
	sale.judge(&evidence).unwrap_err()
}

#[test]
fn evidence_about_an_honest_leaf_convicts_nobody() {
	let (sale, _) = cheated();
	for position in (0..9).filter(|position| *position != 4) {
		assert_eq!(
			sale.judge(&sale.evidence(position)),
			Err(NotGuilty::OpensAsAnchored)
		);
	}
}

#[test]
fn evidence_for_one_sale_is_none_for_another() {
	let (sale, evidence) = cheated();
	let id = sale.terms.sale_id(&GENESIS);
	let other = Sale::honest(&[(5, 4), (7, 3), (8, 5)], 2, 3, 2);
	assert_eq!(other.judge(&evidence), Err(NotGuilty::OtherTerms));
	assert_eq!(
		evidence.convicts(&[0x12; 32], &id, &sale.blinded),
		Err(NotGuilty::OtherTerms)
	);
	assert_eq!(
		verdict(|evidence| evidence.terms.price += 1),
		NotGuilty::OtherTerms
	);
	assert_eq!(
		verdict(|evidence| evidence.terms.generation -= 1),
		NotGuilty::OtherTerms
	);
}

#[test]
fn a_wrong_blinded_key_convicts_nobody() {
	let (sale, evidence) = cheated();
	let id = sale.terms.sale_id(&GENESIS);
	for wrong in [[0; 32], sale.blind.0] {
		assert_eq!(
			evidence.convicts(&GENESIS, &id, &BlindedKey(wrong)),
			Err(NotGuilty::WrongBlindedKey)
		);
	}
}

#[test]
fn a_wrong_blind_convicts_nobody() {
	assert_eq!(
		verdict(|evidence| evidence.blind.0[31] ^= 1),
		NotGuilty::WrongBlind
	);
}

#[test]
fn a_position_outside_the_sale_convicts_nobody() {
	for position in [9, 16, u32::MAX] {
		assert_eq!(
			verdict(|evidence| evidence.leaf.position = position),
			NotGuilty::PositionOutOfRange
		);
	}
}

#[test]
fn a_path_of_another_length_convicts_nobody() {
	assert_eq!(
		verdict(|evidence| evidence.leaf.path.truncate(3)),
		NotGuilty::PathLength
	);
	assert_eq!(
		verdict(|evidence| evidence.leaf.path.try_push(H256::zero()).unwrap()),
		NotGuilty::PathLength
	);
	assert_eq!(
		verdict(|evidence| evidence.leaf.path.clear()),
		NotGuilty::PathLength
	);
	// The last of nine leaves hangs one step below the root.
	assert_eq!(
		verdict(|evidence| evidence.leaf.position = 8),
		NotGuilty::PathLength
	);
}

#[test]
fn a_leaf_that_was_not_signed_for_convicts_nobody() {
	let alterations: [fn(&mut SaleEvidence); 7] = [
		|evidence| evidence.leaf.path[3].0[0] ^= 1,
		|evidence| evidence.leaf.path.as_mut().swap(0, 1),
		|evidence| evidence.leaf.position = 5,
		|evidence| evidence.leaf.place.seq += 1,
		|evidence| evidence.leaf.place.index += 1,
		|evidence| evidence.leaf.sealed[0] ^= 1,
		|evidence| evidence.leaf.leaf.0[0] ^= 1,
	];
	for alter in alterations {
		assert_eq!(verdict(alter), NotGuilty::NotInSale);
	}
}

#[test]
fn a_node_of_the_tree_is_no_leaf() {
	let (sale, evidence) = cheated();
	// A sale whose single pair leaf would have to be the inner node above leaf 4.
	let mut shorter = evidence.clone();
	shorter.leaf.path.remove(0);
	shorter.leaf.position /= 2;
	assert_eq!(sale.judge(&shorter), Err(NotGuilty::PathLength));
	shorter.terms.leaves = 5;
	assert_eq!(shorter.leaf.check(&shorter.terms), Err(NotGuilty::NotInSale));
	assert_eq!(sale.judge(&shorter), Err(NotGuilty::OtherTerms));
}

/// Leaves that were swapped and signed for, each with the leaf hash of its place, convict like any other
/// false seal.
#[test]
fn ciphertexts_in_another_order_convict() {
	let mut sale = Sale::small();
	let (one, two) = (sale.delivered[2].sealed, sale.delivered[3].sealed);
	sale.cheat(2, two);
	sale.cheat(3, one);
	assert_eq!(sale.check(), Ok(()));
	assert_eq!(sale.judge(&sale.evidence(2)), Ok(()));
	assert_eq!(sale.judge(&sale.evidence(3)), Ok(()));
	assert_eq!(sale.judge(&sale.evidence(4)), Err(NotGuilty::OpensAsAnchored));
}

#[test]
fn evidence_is_collected_from_the_checked_leaves_alone() {
	let (sale, evidence) = cheated();
	let collect = |leaves: &[SealedLeaf], position| {
		SaleEvidence::new(
			&sale.terms,
			&sale.blind,
			&sale.anchors,
			leaves.iter().copied(),
			position,
		)
	};
	assert_eq!(collect(&sale.delivered, 4), Ok(evidence));
	assert_eq!(collect(&sale.delivered, 9), Err(DeliveryFault::NoSuchPosition));
	assert_eq!(
		collect(&sale.delivered[..8], 4),
		Err(DeliveryFault::Incomplete { leaves: 8 })
	);
	let mut leaves = sale.delivered.clone();
	leaves[0].sealed[0] ^= 1;
	assert_eq!(collect(&leaves, 4), Err(DeliveryFault::SaleRoot));
	leaves.push(leaves[0]);
	assert_eq!(collect(&leaves, 4), Err(DeliveryFault::TooManyLeaves));
}

#[test]
fn evidence_for_4096_readings_stays_under_900_bytes() {
	let mut sale = Sale::honest(&[(1, 1_000), (2, 3_000), (9, 500)], 200, 295, 3);
	assert_eq!(sale.terms.leaves, 4_096);
	sale.cheat(4_000, [0; 32]);
	assert_eq!(sale.check(), Ok(()));
	let evidence = sale.evidence(4_000);
	assert_eq!(evidence.leaf.place, Place { seq: 9, index: 200 });
	assert_eq!(sale.judge(&evidence), Ok(()));
	let size = evidence.encoded_size();
	println!("evidence for a sale of 4,096 readings: {size} bytes, terms included");
	assert_eq!(size, 801);
	assert!(size < 900);
	// Terms, blind, place, position, ciphertext, leaf hash, 32 hashes with one byte of length.
	assert_eq!(
		SaleEvidence::max_encoded_len(),
		304 + 32 + 12 + 4 + 32 + 32 + 1 + 32 * 32
	);
}
