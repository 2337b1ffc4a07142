//! Sealing a range and signing for it.

use crate::sale::{GENESIS, Sale, plaintext};
use codec::{Decode, Encode, MaxEncodedLen};
use m2m_device::{AccountId, DevicePublic, DeviceSignature};
use m2m_fair_exchange::{Place, SaleTerms, SealFault, Sealer, SealingKey, SignedTerms, SoldAnchors};
use proptest::prelude::*;
use sp_core::{H256, Pair, ecdsa, ed25519, sr25519};
use std::collections::BTreeSet;

#[test]
fn sealing_stops_at_the_end_of_the_range_and_not_before() {
	let sale = Sale::small();
	let sold = SoldAnchors::new(&sale.terms.range, &sale.anchors).unwrap();
	let mut sealer = Sealer::new(&sold, SealingKey::new(&sale.blinded, &sale.blind));
	let mut sealed = 0;
	for Place { seq, index } in sold.places() {
		assert_eq!(sealer.clone().finish(), Err(SealFault::Incomplete { sealed }));
		let (salt, reading) = plaintext(seq, index, 1, &sale.batches[&seq]);
		sealer.seal(&salt, &reading).unwrap();
		sealed += 1;
	}
	assert_eq!(sealed, sold.len());
	let (salt, reading) = plaintext(5, 0, 1, &sale.batches[&5]);
	assert_eq!(sealer.seal(&salt, &reading), Err(SealFault::TooManyLeaves));
	assert_eq!(sealer.finish(), Ok(sale.terms.sale_root));
}

/// Every field of the terms but the two that come out of sealing.
fn alterations() -> [fn(&mut SaleTerms); 20] {
	[
		|terms| terms.listing += 1,
		|terms| terms.version += 1,
		|terms| terms.device = AccountId::new([0x45; 32]),
		|terms| terms.generation += 1,
		|terms| terms.range.stream += 1,
		|terms| terms.range.first.seq += 1,
		|terms| terms.range.first.index += 1,
		|terms| terms.range.last.seq += 1,
		|terms| terms.range.last.index += 1,
		|terms| terms.range_commitment.0[0] ^= 1,
		|terms| terms.leaves += 1,
		|terms| terms.seller = AccountId::new([0x56; 32]),
		|terms| terms.buyer = AccountId::new([0x67; 32]),
		|terms| terms.price += 1,
		|terms| terms.blind_commitment.0[0] ^= 1,
		|terms| terms.reveal_window += 1,
		|terms| terms.dispute_window += 1,
		|terms| terms.nonce += 1,
		|terms| terms.expires += 1,
		|_| (),
	]
}

#[test]
fn each_offer_has_its_own_key_and_its_own_id() {
	let honest = Sale::small().terms;
	let mut keys = BTreeSet::new();
	let mut ids = BTreeSet::new();
	for alter in alterations() {
		let mut terms = honest.clone();
		alter(&mut terms);
		assert!(keys.insert(terms.blinded_key(&GENESIS, &[0x77; 32]).0));
		assert!(ids.insert(terms.sale_id(&GENESIS)));
	}
	// Another chain, another seller.
	assert!(keys.insert(honest.blinded_key(&[0x12; 32], &[0x77; 32]).0));
	assert!(ids.insert(honest.sale_id(&[0x12; 32])));
	assert!(keys.insert(honest.blinded_key(&GENESIS, &[0x78; 32]).0));
}

/// A seller that kept the terms finds the key again after a restart.
#[test]
fn the_key_does_not_depend_on_what_sealing_adds_to_the_terms() {
	let sale = Sale::small();
	let mut draft = sale.terms.clone();
	draft.sale_root = H256::zero();
	draft.blinded_key_commitment = H256::zero();
	assert_ne!(draft, sale.terms);
	let secret = [0x77; 32];
	assert_eq!(draft.blinded_key(&GENESIS, &secret), sale.blinded);
	assert_eq!(sale.terms.blinded_key(&GENESIS, &secret), sale.blinded);
}

fn signed(terms: &SaleTerms) -> [SignedTerms; 3] {
	let bytes = terms.signed_bytes(&GENESIS);
	let (sr, ed, ec) = (
		sr25519::Pair::from_seed(&[9; 32]),
		ed25519::Pair::from_seed(&[9; 32]),
		ecdsa::Pair::from_seed(&[9; 32]),
	);
	[
		(
			DevicePublic::Sr25519(sr.public()),
			DeviceSignature::Sr25519(sr.sign(&bytes)),
		),
		(
			DevicePublic::Ed25519(ed.public()),
			DeviceSignature::Ed25519(ed.sign(&bytes)),
		),
		(
			DevicePublic::Ecdsa(ec.public()),
			DeviceSignature::Ecdsa(ec.sign(&bytes)),
		),
	]
	.map(|(signer, signature)| SignedTerms {
		terms: terms.clone(),
		signer,
		signature,
	})
}

#[test]
fn a_signature_holds_for_its_chain_and_its_key_alone() {
	let all = signed(&Sale::small().terms);
	for signed in &all {
		assert!(signed.verify(&GENESIS));
		assert!(!signed.verify(&[0x12; 32]));
		for other in &all {
			let crossed = SignedTerms {
				signer: other.signer,
				..signed.clone()
			};
			assert_eq!(crossed.verify(&GENESIS), other.signer == signed.signer);
		}
	}
}

/// Among them the price: what was signed cannot be changed afterwards.
#[test]
fn no_byte_of_signed_terms_can_be_altered() {
	let [_, honest, _] = signed(&Sale::small().terms);
	let encoded = honest.encode();
	let mut decoded = 0;
	for at in 0..encoded.len() {
		let mut altered = encoded.clone();
		altered[at] ^= 1;
		let Ok(altered) = SignedTerms::decode(&mut &altered[..]) else {
			continue;
		};
		decoded += 1;
		assert!(!altered.verify(&GENESIS), "byte {at}");
	}
	// All but, perhaps, the variant bytes of key and signature.
	assert!(decoded >= encoded.len() - 2, "{decoded} of {}", encoded.len());
}

#[test]
fn encoded_sizes_are_fixed() {
	let terms = Sale::small().terms;
	assert_eq!(terms.encode().len(), 304);
	assert_eq!(SaleTerms::max_encoded_len(), 304);
	assert_eq!(SignedTerms::max_encoded_len(), 304 + 34 + 66);
	assert_eq!(terms.signed_bytes(&GENESIS).len(), 353);
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(10_000))]

	/// Different terms never sign the same bytes: what was signed can be read back.
	#[test]
	fn what_was_signed_can_be_read_back(bytes in prop::collection::vec(any::<u8>(), 304), genesis: [u8; 32]) {
		let terms = SaleTerms::decode(&mut &bytes[..]).unwrap();
		let signed = terms.signed_bytes(&genesis);
		prop_assert_eq!(&signed[..17], b"m2m/sale-terms/v1");
		prop_assert_eq!(&signed[17..49], &genesis);
		prop_assert_eq!(&signed[49..], &bytes);
	}
}
