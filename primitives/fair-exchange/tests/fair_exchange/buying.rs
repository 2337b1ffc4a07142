//! What the buyer finds out before it pays, and what it gets afterwards.

use crate::sale::{GENESIS, Sale, sales};
use codec::{Decode, Encode};
use m2m_fair_exchange::{
	Blind, BlindedKey, Checker, DeliveryFault, Edges, OpenFault, Opener, Place, RangeFault, SaleEvidence,
	SealedLeaf, SoldAnchor, SoldAnchors,
};
use m2m_merkle::{DataTree, MAX_READINGS, ReadingProof, verify_path};
use proptest::prelude::*;
use sp_core::H256;

proptest! {
	#![proptest_config(ProptestConfig::with_cases(12_000))]

	#[test]
	fn the_buyer_gets_exactly_what_was_anchored(sale in sales()) {
		prop_assert_eq!(sale.check(), Ok(()));
		let opened: Vec<_> = sale.open().into_iter().collect::<Result<_, _>>().unwrap();
		prop_assert_eq!(opened.len(), sale.terms.leaves as usize);
		for ((position, place), opened) in (0..).zip(sale.places()).zip(opened) {
			prop_assert_eq!((opened.position, opened.place), (position, place));
			let batch = &sale.batches[&place.seq];
			prop_assert_eq!(&opened.reading, &batch.readings()[place.index as usize]);
			// What was bought is enough to prove it to others.
			let path = batch.open(place.index).unwrap().path;
			let proof = ReadingProof {
				index: place.index,
				count: batch.len(),
				salt: opened.salt,
				reading: opened.reading,
				path,
			};
			prop_assert!(proof.verify_counted(&batch.data_root(), batch.len()));
		}
	}

	#[test]
	fn any_altered_byte_of_a_delivery_is_found_before_paying(
		sale in sales(), pick: prop::sample::Index, at in 0usize..64, flip in 1u8..,
	) {
		let mut sale = sale;
		let position = pick.index(sale.delivered.len());
		let mut bytes = sale.delivered[position].encode();
		prop_assert_eq!(bytes.len(), 64);
		bytes[at] ^= flip;
		sale.delivered[position] = SealedLeaf::decode(&mut &bytes[..]).unwrap();
		let expected = match at {
			0..32 => DeliveryFault::SaleRoot,
			_ => DeliveryFault::NotAnchored { seq: sale.places()[position].seq },
		};
		prop_assert_eq!(sale.check(), Err(expected));
		// Nor does it help to sign for other leaf hashes.
		if at >= 32 {
			sale.sign_for_delivery();
			prop_assert_eq!(sale.check(), Err(expected));
		}
	}

	#[test]
	fn reordered_leaves_are_found_before_paying(
		sale in sales(), one: prop::sample::Index, other: prop::sample::Index,
	) {
		let mut sale = sale;
		let leaves = sale.delivered.len();
		if leaves == 1 {
			return Ok(());
		}
		let one = one.index(leaves);
		let other = (one + 1 + other.index(leaves - 1)) % leaves;
		sale.delivered.swap(one, other);
		sale.sign_for_delivery();
		let seq = sale.places()[one.min(other)].seq;
		prop_assert_eq!(sale.check(), Err(DeliveryFault::NotAnchored { seq }));
	}

	#[test]
	fn altered_edges_are_found_before_paying(
		sale in sales(), pick: prop::sample::Index, at in 0usize..32, flip in 1u8..,
	) {
		let mut sale = sale;
		let edges = sale.edges.before.len() + sale.edges.after.len();
		if edges == 0 {
			return Ok(());
		}
		let edge = pick.index(edges);
		let (before, after) = (&mut sale.edges.before, &mut sale.edges.after);
		let hash = before.iter_mut().chain(after).nth(edge).unwrap();
		hash[at] ^= flip;
		let is_before = edge < sale.edges.before.len();
		let range = sale.terms.range;
		let seq = if is_before { range.first.seq } else { range.last.seq };
		prop_assert_eq!(sale.check(), Err(DeliveryFault::NotAnchored { seq }));
	}

	/// Whoever feeds a checker with rubbish gets a fault, not a panic and not a pass.
	#[test]
	fn rubbish_never_passes(
		sale in sales(), anchors in prop::collection::vec((0u64..9, any::<u64>(), any::<[u8; 32]>()), 0..4),
		first in any::<(u64, u32)>(), last in any::<(u64, u32)>(), near: bool,
		before in prop::collection::vec(any::<[u8; 32]>(), 0..40),
		after in prop::collection::vec(any::<[u8; 32]>(), 0..40),
	) {
		let mut sale = sale;
		sale.anchors = anchors
			.into_iter()
			.map(|(seq, count, root)| SoldAnchor {
				seq,
				count: if near { count % 50 } else { count },
				data_root: H256(root),
			})
			.collect();
		sale.edges = Edges { before, after };
		if let (true, Some(start), Some(end)) = (near, sale.anchors.first(), sale.anchors.last()) {
			let first = Place { seq: start.seq, index: first.1 % 50 };
			let last = Place { seq: end.seq, index: last.1 % 50 };
			sale.terms.range.first = first;
			sale.terms.range.last = last;
			if let Ok(sold) = SoldAnchors::new(&sale.terms.range, &sale.anchors) {
				sale.terms.leaves = sold.len();
				sale.terms.range_commitment = sold.commitment();
			}
		} else {
			sale.terms.range.first = Place { seq: first.0, index: first.1 };
			sale.terms.range.last = Place { seq: last.0, index: last.1 };
		}
		prop_assert!(sale.check().is_err());
	}
}

fn range_fault(alter: impl FnOnce(&mut Sale)) -> RangeFault {
	let mut sale = Sale::small();
	alter(&mut sale);
	let fault = SoldAnchors::new(&sale.terms.range, &sale.anchors).unwrap_err();
	assert_eq!(sale.check(), Err(DeliveryFault::Range(fault)));
	let opener = Opener::new(&sale.terms, &sale.blinded, &sale.blind, &sale.anchors);
	assert_eq!(opener.unwrap_err(), OpenFault::Range(fault));
	let evidence = SaleEvidence::new(
		&sale.terms,
		&sale.blind,
		&sale.anchors,
		sale.delivered.iter().copied(),
		0,
	);
	assert_eq!(evidence, Err(DeliveryFault::Range(fault)));
	fault
}

#[test]
fn anchors_that_do_not_carry_the_range_are_refused() {
	assert_eq!(range_fault(|sale| sale.anchors.clear()), RangeFault::NoAnchors);
	assert_eq!(
		range_fault(|sale| sale.anchors.swap(1, 2)),
		RangeFault::AnchorsOutOfOrder { seq: 7 }
	);
	assert_eq!(
		range_fault(|sale| sale.anchors.insert(1, sale.anchors[1])),
		RangeFault::AnchorsOutOfOrder { seq: 7 }
	);
	for count in [0, MAX_READINGS + 1, u64::MAX] {
		assert_eq!(
			range_fault(|sale| sale.anchors[1].count = count),
			RangeFault::ImpossibleCount { seq: 7 }
		);
	}
	assert_eq!(
		range_fault(|sale| sale.anchors = sale.anchors.split_off(1)),
		RangeFault::FirstAnchorMissing
	);
	assert_eq!(
		range_fault(|sale| sale.anchors.truncate(2)),
		RangeFault::LastAnchorMissing
	);
	assert_eq!(
		range_fault(|sale| sale.terms.range.first.index = 4),
		RangeFault::NoSuchLeaf {
			place: Place { seq: 5, index: 4 }
		}
	);
	assert_eq!(
		range_fault(|sale| sale.terms.range.last.index = u32::MAX),
		RangeFault::NoSuchLeaf {
			place: Place {
				seq: 8,
				index: u32::MAX
			}
		}
	);
	assert_eq!(
		range_fault(|sale| {
			sale.anchors.truncate(1);
			sale.terms.range.last = Place { seq: 5, index: 1 };
		}),
		RangeFault::Backwards
	);
	assert_eq!(
		range_fault(|sale| sale.anchors[1].count = MAX_READINGS),
		RangeFault::TooLong
	);
}

#[test]
fn the_longest_range_has_one_leaf_less_than_two_to_the_32() {
	let sale = Sale::small();
	let mut anchors = sale.anchors;
	anchors[1].count = MAX_READINGS - 7;
	let sold = SoldAnchors::new(&sale.terms.range, &anchors).unwrap();
	assert_eq!(sold.len(), u32::MAX);
	anchors[1].count += 1;
	assert_eq!(
		SoldAnchors::new(&sale.terms.range, &anchors).unwrap_err(),
		RangeFault::TooLong
	);
}

#[test]
fn terms_over_other_leaves_than_the_range_are_refused() {
	let mut sale = Sale::small();
	for leaves in [0, 8, 10, u32::MAX] {
		sale.terms.leaves = leaves;
		assert_eq!(sale.check(), Err(DeliveryFault::LeafCount { leaves: 9 }));
	}
}

/// An anchor that came late, between those that the seller signed for, makes another range of it.
#[test]
fn an_anchor_that_arrived_since_is_noticed() {
	let mut sale = Sale::small();
	let late = SoldAnchor {
		seq: 6,
		..sale.anchors[0]
	};
	sale.anchors.insert(1, late);
	assert_eq!(sale.check(), Err(DeliveryFault::LeafCount { leaves: 13 }));
	sale.terms.leaves = 13;
	assert_eq!(sale.check(), Err(DeliveryFault::RangeCommitment));
}

#[test]
fn the_range_commitment_fixes_every_field_of_every_anchor() {
	let sale = Sale::small();
	let alterations: [fn(&mut SoldAnchor); 3] = [
		|anchor| anchor.seq = 6,
		|anchor| anchor.count += 1,
		|anchor| anchor.data_root.0[31] ^= 1,
	];
	for alter in alterations {
		let mut sale = sale.clone();
		alter(&mut sale.anchors[1]);
		let sold = SoldAnchors::new(&sale.terms.range, &sale.anchors).unwrap();
		sale.terms.leaves = sold.len();
		assert_eq!(sale.check(), Err(DeliveryFault::RangeCommitment));
	}
}

#[test]
fn terms_for_the_blind_of_somebody_else_are_refused() {
	let mut sale = Sale::small();
	sale.blind.0[0] ^= 1;
	assert_eq!(sale.check(), Err(DeliveryFault::Blind));
}

#[test]
fn edges_of_another_length_are_refused() {
	let sale = Sale::small();
	assert_eq!((sale.edges.before.len(), sale.edges.after.len()), (1, 1));
	for (before, after) in [(0, 1), (2, 1), (1, 0), (1, 2), (33, 1), (1, 33)] {
		let mut sale = sale.clone();
		sale.edges.before.resize(before, [0; 32]);
		sale.edges.after.resize(after, [0; 32]);
		assert_eq!(
			sale.check(),
			Err(DeliveryFault::EdgesLength),
			"{before} and {after}"
		);
	}
}

#[test]
fn edges_of_trees_without_these_leaves_do_not_exist() {
	let range = Sale::small().terms.range;
	let tree = |leaves: usize| DataTree::new(vec![[1; 32]; leaves]).unwrap();
	assert!(Edges::new(&range, &tree(3), &tree(4)).is_some());
	assert_eq!(Edges::new(&range, &tree(2), &tree(4)), None);
	assert_eq!(Edges::new(&range, &tree(3), &tree(3)), None);
}

#[test]
fn missing_and_surplus_leaves_are_refused() {
	let mut sale = Sale::small();
	let last = sale.delivered.pop().unwrap();
	assert_eq!(sale.check(), Err(DeliveryFault::Incomplete { leaves: 8 }));
	sale.delivered.extend([last; 2]);
	assert_eq!(sale.check(), Err(DeliveryFault::TooManyLeaves));
	sale.delivered.clear();
	assert_eq!(sale.check(), Err(DeliveryFault::Incomplete { leaves: 0 }));
}

#[test]
fn another_sale_root_is_refused() {
	let mut sale = Sale::small();
	sale.terms.sale_root.0[7] ^= 1;
	assert_eq!(sale.check(), Err(DeliveryFault::SaleRoot));
}

/// The pair tree signs for places too: terms whose tree says that the leaves are anchored elsewhere do not
/// match.
#[test]
fn a_tree_that_names_other_places_is_refused() {
	let mut sale = Sale::small();
	for shift in [(1, 0), (0, 1)] {
		let pairs = (0..)
			.zip(sale.places())
			.zip(&sale.delivered)
			.map(|((position, place), leaf)| {
				let place = Place {
					seq: place.seq + shift.0,
					index: place.index + shift.1,
				};
				leaf.pair(position, place)
			})
			.collect();
		sale.terms.sale_root = H256(DataTree::new(pairs).unwrap().root());
		assert_eq!(sale.check(), Err(DeliveryFault::SaleRoot));
	}
}

#[test]
fn a_checker_that_failed_never_passes() {
	let sale = Sale::small();
	let mut checker = Checker::new(&sale.terms, &sale.blind, &sale.anchors, &sale.edges).unwrap();
	let rubbish = SealedLeaf {
		sealed: [0; 32],
		leaf: [0; 32],
	};
	let fault = DeliveryFault::NotAnchored { seq: 5 };
	assert_eq!(checker.check(&sale.delivered[0]), Ok(()));
	assert_eq!(checker.check(&rubbish), Err(fault));
	for leaf in &sale.delivered[2..] {
		assert_eq!(checker.check(leaf), Err(fault));
	}
	assert_eq!(checker.finish(), Err(fault));
}

#[test]
fn a_whole_batch_needs_no_edges() {
	let sale = Sale::honest(&[(1, 13), (2, 6)], 0, 5, 4);
	assert_eq!(sale.edges, Edges::default());
	assert_eq!(sale.check(), Ok(()));
}

#[test]
fn a_key_for_another_sale_is_refused() {
	let sale = Sale::small();
	let other = Sale::honest(&[(5, 4), (7, 3), (8, 5)], 2, 3, 2);
	let opener = |blinded: &BlindedKey, blind: &Blind| {
		Opener::new(&sale.terms, blinded, blind, &sale.anchors).map(|_| ())
	};
	assert_eq!(opener(&sale.blinded, &sale.blind), Ok(()));
	assert_eq!(
		opener(&other.blinded, &sale.blind),
		Err(OpenFault::WrongBlindedKey)
	);
	assert_eq!(opener(&sale.blinded, &other.blind), Err(OpenFault::WrongBlind));
	// Nor are the halves interchangeable.
	let swapped = (BlindedKey(sale.blind.0), Blind(sale.blinded.0));
	assert_eq!(opener(&swapped.0, &swapped.1), Err(OpenFault::WrongBlindedKey));
	assert_eq!(opener(&sale.blinded, &swapped.1), Err(OpenFault::WrongBlind));
}

#[test]
fn a_bad_leaf_does_not_spoil_the_others() {
	let mut sale = Sale::small();
	sale.cheat(4, [0; 32]);
	assert_eq!(sale.check(), Ok(()));
	for (position, opened) in sale.open().into_iter().enumerate() {
		match position {
			4 => assert_eq!(
				opened,
				Err(OpenFault::BadLeaf {
					position: 4,
					place: Place { seq: 7, index: 2 }
				})
			),
			_ => assert!(opened.is_ok()),
		}
	}
	let mut opener = Opener::new(&sale.terms, &sale.blinded, &sale.blind, &sale.anchors).unwrap();
	for leaf in &sale.delivered {
		let _ = opener.open(leaf);
	}
	assert_eq!(opener.open(&sale.delivered[0]), Err(OpenFault::TooManyLeaves));
}

/// The anchors' own paths lead to the same roots, so the checker's tree is the tree of the device.
#[test]
fn delivered_leaf_hashes_are_those_under_the_anchors() {
	let sale = Sale::small();
	for (place, leaf) in sale.places().into_iter().zip(&sale.delivered) {
		let batch = &sale.batches[&place.seq];
		let path = batch.open(place.index).unwrap().path;
		assert!(verify_path(
			&leaf.leaf,
			place.index,
			batch.len(),
			&path,
			&batch.data_root()
		));
	}
	assert_ne!(sale.terms.sale_id(&GENESIS), sale.terms.sale_id(&[0; 32]));
}
