//! The formats written down a second time, as plainly as possible: lists of bytes, recursion, no streaming.

use crate::sale::{GENESIS, Sale, sales, sizes};
use m2m_fair_exchange::{Place, RangeFault, SaleRange, SoldAnchor, SoldAnchors};
use proptest::prelude::*;
use sp_core::H256;
use sp_crypto_hashing::blake2_256;

fn hash(parts: &[&[u8]]) -> [u8; 32] {
	blake2_256(&parts.concat())
}

/// RFC 6962, word by word, with our node tag.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
	match leaves {
		[only] => *only,
		_ => {
			let mut split = 1;
			while split * 2 < leaves.len() {
				split *= 2;
			}
			hash(&[&[9], &root(&leaves[..split]), &root(&leaves[split..])])
		}
	}
}

/// All places of a range, straight from its meaning: the leaves of the anchors that are neither before the
/// first nor after the last.
fn places(range: &SaleRange, anchors: &[(u64, u64)]) -> Vec<Place> {
	anchors
		.iter()
		.flat_map(|(seq, count)| (0..*count as u32).map(|index| Place { seq: *seq, index }))
		.filter(|place| {
			let at = (place.seq, place.index);
			(range.first.seq, range.first.index) <= at && at <= (range.last.seq, range.last.index)
		})
		.collect()
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(10_000))]

	#[test]
	fn sale_root_and_ciphertexts_are_those_of_the_reference(sale in sales()) {
		let anchors: Vec<(u64, u64)> = sale.anchors.iter().map(|anchor| (anchor.seq, anchor.count)).collect();
		let places = places(&sale.terms.range, &anchors);
		prop_assert_eq!(&sale.places(), &places);
		prop_assert_eq!(sale.terms.leaves as usize, places.len());

		let k: Vec<u8> = (0..32).map(|at| sale.blinded.0[at] ^ sale.blind.0[at]).collect();
		let mut pairs = Vec::new();
		for (s, place) in places.iter().enumerate() {
			let s = (s as u32).to_le_bytes();
			let opening = sale.batches[&place.seq].open(place.index).unwrap();
			let plain = [&opening.salt[..], &opening.reading.to_bytes()].concat();
			let stream = hash(&[&[4], &k, &s, &[0; 4]]);
			let sealed: Vec<u8> = plain.iter().zip(stream).map(|(plain, key)| plain ^ key).collect();
			let h = hash(&[&[0], &place.index.to_le_bytes(), &plain]);
			prop_assert_eq!(&sale.delivered[pairs.len()].sealed[..], &sealed);
			prop_assert_eq!(sale.delivered[pairs.len()].leaf, h);
			let (seq, index) = (place.seq.to_le_bytes(), place.index.to_le_bytes());
			pairs.push(hash(&[&[2], &s, &seq, &index, &h, &hash(&[&[3], &sealed])]));
		}
		prop_assert_eq!(sale.terms.sale_root.0, root(&pairs));
		let blinded = hash(&[&[0x0a], &sale.blinded.0]);
		let blind = hash(&[&[0x0f], &sale.blind.0]);
		prop_assert_eq!(sale.terms.blinded_key_commitment.0, blinded);
		prop_assert_eq!(sale.terms.blind_commitment.0, blind);

		let anchors: Vec<[u8; 32]> = sale
			.anchors
			.iter()
			.map(|anchor| {
				let (seq, count) = (anchor.seq.to_le_bytes(), anchor.count.to_le_bytes());
				hash(&[&[0x10], &seq, &count, &anchor.data_root.0])
			})
			.collect();
		prop_assert_eq!(sale.terms.range_commitment.0, root(&anchors));

		let mut draft = sale.terms.signed_bytes(&GENESIS);
		draft[237..301].fill(0);
		let secret = [0x77; 32];
		prop_assert_eq!(sale.blinded.0, hash(&[&[0x11], &secret, &hash(&[&draft])]));
		prop_assert_eq!(sale.terms.sale_id(&GENESIS).0, hash(&[&sale.terms.signed_bytes(&GENESIS)]));
	}

	/// Any two places over any anchors: the crate and the plain count agree, or the range is refused.
	#[test]
	fn a_range_has_the_leaves_that_lie_between_its_ends(
		sizes in sizes(), first in 0usize..5, last in 0usize..5, from in 0u32..26, to in 0u32..26,
	) {
		let (first, last) = (first % sizes.len(), last % sizes.len());
		let range = SaleRange {
			stream: 0,
			first: Place { seq: sizes[first].0, index: from },
			last: Place { seq: sizes[last].0, index: to },
		};
		let anchors: Vec<SoldAnchor> = sizes
			.get(first..=last)
			.unwrap_or_default()
			.iter()
			.map(|(seq, count)| SoldAnchor { seq: *seq, count: *count, data_root: H256::zero() })
			.collect();
		match SoldAnchors::new(&range, &anchors) {
			Ok(sold) => {
				let places = places(&range, &sizes);
				prop_assert_eq!(sold.len() as usize, places.len());
				prop_assert_eq!(sold.places().collect::<Vec<_>>(), places);
			},
			Err(fault) => {
				let missing = |place: Place, at: usize| u64::from(place.index) >= sizes[at].1;
				match fault {
					RangeFault::NoAnchors => prop_assert!(first > last),
					RangeFault::NoSuchLeaf { place } => prop_assert!(
						place == range.first && missing(place, first)
							|| place == range.last && missing(place, last)
					),
					RangeFault::Backwards => prop_assert!(first == last && from > to),
					other => prop_assert!(false, "{other:?}"),
				}
			},
		}
	}
}

#[test]
fn every_part_of_every_small_batch_is_sold_and_opened() {
	for count in 1..=17 {
		for first in 0..count as u32 {
			for last in first..count as u32 {
				let sale = Sale::honest(&[(1, count)], first, last, 9);
				assert_eq!(sale.check(), Ok(()), "{first}..={last} of {count}");
				assert!(sale.open().iter().all(Result::is_ok));
			}
		}
	}
}
