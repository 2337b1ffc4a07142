//! Evidence that convicts, and evidence that does not.

use crate::{Error, Event, HoldReason, Marks, Sales, Sellers, mock::*};
use codec::Encode;
use frame_support::{BoundedVec, assert_noop, assert_ok, dispatch::DispatchResult};
use m2m_fair_exchange::{Blind, OpenFault, Opener, SaleEvidence};
use sp_core::H256;

fn show(deal: &Deal, change: impl FnOnce(&mut SaleEvidence)) -> DispatchResult {
	let mut evidence = deal.evidence(2);
	change(&mut evidence);
	Market::prove_bad_leaf(signed(&HELPER), deal.id(), Box::new(evidence))
}

#[test]
fn a_cheating_seller_loses_cover_and_sale() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.cheat();
		// The buyer cannot know before it has the key.
		assert_eq!(deal.check(), Ok(()));
		let (buyer, seller, issued) = (total(&BOB), total(&alice()), Balances::total_issuance());
		let deal = deal.revealed();
		let evidence = deal
			.open(&deal.blinded)
			.expect_err("the third reading is another");
		assert_eq!(evidence.leaf.position, 2);
		assert_ok!(Market::prove_bad_leaf(signed(&HELPER), deal.id(), evidence));

		assert_eq!(total(&BOB), buyer + FIXED_COVER);
		assert_eq!(held(HoldReason::Payment, &BOB), 0);
		assert_eq!(total(&alice()), seller - FIXED_COVER - PRICE);
		// What the buyer did not get is burnt, so nobody gains by cheating itself.
		assert_eq!(Balances::total_issuance(), issued - PRICE);
		let record = Sellers::<Test>::get(alice()).expect("there is a bond");
		assert_eq!(
			(record.bond, record.locked, record.convicted, record.settled),
			(BOND - FIXED_COVER - PRICE, 0, 1, 0)
		);
		assert!(!Sales::<Test>::contains_key(deal.id()));
		assert_eq!(
			events().last(),
			Some(&Event::SellerConvicted {
				sale: deal.id(),
				seller: alice(),
				buyer: BOB,
				by: HELPER,
				price: PRICE,
				compensation: FIXED_COVER,
				burnt: PRICE,
			})
		);
		// Convicted within the life of its terms: they cannot be bought again.
		assert_eq!(Marks::<Test>::iter().count(), 1);
		assert_noop!(deal.buy(), Error::<Test>::TermsUsed);
	});
}

#[test]
fn a_seller_is_convicted_once() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.cheat().revealed();
		assert_ok!(deal.prove(2));
		assert_noop!(deal.prove(2), Error::<Test>::UnknownSale);
	});
}

#[test]
fn evidence_is_heard_up_to_and_including_the_deadline() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let (in_time, late) = (shop.cheat().bought(), shop.cheat().bought());
		assert_noop!(in_time.prove(2), Error::<Test>::NotRevealed);
		for deal in [&in_time, &late] {
			assert_ok!(deal.reveal());
		}
		advance(DISPUTE);
		assert_ok!(in_time.prove(2));
		advance(1);
		assert_noop!(late.prove(2), Error::<Test>::DisputeTooLate);
		settle(&[late.id()]);
		assert!(Sales::<Test>::iter().next().is_none());
	});
}

#[test]
fn no_leaf_of_an_honest_sale_convicts() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.deal().revealed();
		for position in 0..10 {
			assert_noop!(deal.prove(position), Error::<Test>::NothingWrong);
		}
	});
}

#[test]
fn only_the_bad_leaf_convicts() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.cheat().revealed();
		for position in [0, 1, 3, 9] {
			assert_noop!(deal.prove(position), Error::<Test>::NothingWrong);
		}
	});
}

#[test]
fn an_honest_seller_cannot_be_framed_with_altered_evidence() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.deal().revealed();
		// A wrong z.
		assert_noop!(
			show(&deal, |evidence| evidence.blind = Blind([3; 32])),
			Error::<Test>::WrongBlind
		);
		// A wrong position, and one out of range.
		assert_noop!(
			show(&deal, |evidence| evidence.leaf.position = 3),
			Error::<Test>::NotInSale
		);
		assert_noop!(
			show(&deal, |evidence| evidence.leaf.position = 10),
			Error::<Test>::NoSuchPosition
		);
		// An index out of the batch's range, another index, another anchor.
		assert_noop!(
			show(&deal, |evidence| evidence.leaf.place.index = u32::MAX),
			Error::<Test>::NotInSale
		);
		assert_noop!(
			show(&deal, |evidence| evidence.leaf.place.index += 1),
			Error::<Test>::NotInSale
		);
		assert_noop!(
			show(&deal, |evidence| evidence.leaf.place.seq += 1),
			Error::<Test>::NotInSale
		);
		// A wrong path, one too short, one too long.
		assert_noop!(
			show(&deal, |evidence| evidence.leaf.path[0].0[0] ^= 1),
			Error::<Test>::NotInSale
		);
		assert_noop!(
			show(&deal, |evidence| {
				evidence.leaf.path.pop();
			}),
			Error::<Test>::NotInSale
		);
		assert_noop!(
			show(&deal, |evidence| {
				evidence.leaf.path = BoundedVec::truncate_from(vec![H256::zero(); 32]);
			}),
			Error::<Test>::NotInSale
		);
		// Another ciphertext, another leaf hash.
		assert_noop!(
			show(&deal, |evidence| evidence.leaf.sealed[0] ^= 1),
			Error::<Test>::NotInSale
		);
		assert_noop!(
			show(&deal, |evidence| evidence.leaf.leaf.0[0] ^= 1),
			Error::<Test>::NotInSale
		);
		// Other terms.
		assert_noop!(
			show(&deal, |evidence| evidence.terms.sale_root = H256::zero()),
			Error::<Test>::OtherTerms
		);
	});
}

#[test]
fn evidence_of_one_sale_is_none_in_another() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let bad = shop.cheat().revealed();
		let good = shop.deal().revealed();
		assert_noop!(
			Market::prove_bad_leaf(signed(&BOB), good.id(), Box::new(bad.evidence(2))),
			Error::<Test>::OtherTerms
		);
	});
}

#[test]
fn evidence_from_another_chain_is_none_here() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.cheat().revealed();
		assert_noop!(
			Market::prove_bad_leaf(
				signed(&BOB),
				deal.terms.sale_id(&[8; 32]),
				Box::new(deal.evidence(2))
			),
			Error::<Test>::UnknownSale
		);
	});
}

#[test]
fn no_sale_touches_the_cover_of_another() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let (honest, bad) = (shop.deal().revealed(), shop.cheat().revealed());
		assert_ok!(Market::start_unbonding(
			signed(&alice()),
			None,
			BOND - 2 * (FIXED_COVER + PRICE)
		));
		assert_ok!(bad.prove(2));
		let record = Sellers::<Test>::get(alice()).expect("there is a bond");
		assert_eq!(record.locked, FIXED_COVER + PRICE);
		assert_eq!(record.available(), 0);
		let before = free(&alice());
		assert_ok!(honest.accept(5));
		assert_eq!(free(&alice()), before + PRICE - PRICE / 100);
	});
}

#[test]
fn leaves_in_another_order_are_found_before_paying_and_convict_if_paid() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let honest = shop.deal();
		let (first, second) = (honest.delivered[0], honest.delivered[1]);
		let swapped = shop.seal_as(shop.draft(), |position, leaf| {
			// The leaf hashes change places, so the ciphertexts open to other leaves.
			if position == 0 {
				leaf.leaf = second.leaf;
			} else if position == 1 {
				leaf.leaf = first.leaf;
			}
		});
		assert!(swapped.check().is_err());
		let swapped = swapped.revealed();
		assert_ok!(swapped.prove(0));
	});
}

#[test]
fn one_key_for_two_sales_convicts_nobody_and_opens_no_more_than_was_sold() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let first = shop.deal();
		let blind = Blind([0x33; 32]);
		// A careless seller seals two sales under one k'.
		let second = shop.seal_under(shop.draft(), Some(first.blinded), blind, |_, _| ());
		let (first, second) = (first.revealed(), second.bought());
		// Whoever has seen k' may reveal it for the second sale; that only helps the seller.
		assert_ok!(Market::reveal_key(signed(&BOB), second.id(), first.blinded));
		assert_noop!(second.prove(0), Error::<Test>::NothingWrong);
		assert!(second.open(&first.blinded).is_ok());
		// With the other sale's blind nothing opens.
		let wrong = Opener::new(&second.terms, &first.blinded, &first.blind, &second.anchors);
		assert!(matches!(wrong, Err(OpenFault::WrongBlind)));
	});
}

#[test]
fn cheating_oneself_does_not_pay() {
	ExtBuilder::execute(|| {
		// Alice buys from her own device by another account of hers.
		let shop = Shop::open_as_device();
		let mut terms = shop.draft();
		terms.buyer = alice();
		let both = || total(&alice()) + total(&shop.device);
		let before = both();
		let honest = shop.seal(terms.clone()).revealed();
		advance(DISPUTE + 1);
		settle(&[honest.id()]);
		assert_eq!(both(), before - PRICE / 100);

		terms.nonce = 99;
		terms.expires = block() + VALIDITY;
		let bad = shop
			.seal_as(terms, |position, leaf| {
				if position == 2 {
					leaf.sealed[0] ^= 1;
				}
			})
			.revealed();
		assert_ok!(bad.prove(2));
		assert_eq!(both(), before - PRICE / 100 - PRICE);
	});
}

#[test]
fn evidence_for_four_thousand_readings_is_small() {
	ExtBuilder::execute(|| {
		let mut shop = Shop::unlisted(2);
		// One reading a minute in one batch of 4,098, of which all but the ends are sold.
		let readings = (0..4_098u64)
			.map(|index| m2m_merkle::Reading {
				time_ms: BASE + index * MINUTE,
				value: index as i64,
			})
			.collect();
		let secret = m2m_merkle::batch_secret(&[9; 32], 0, 0);
		let batch = m2m_merkle::Batch::new(&secret, readings).expect("times increase");
		assert_ok!(Telemetry::anchor(
			signed(&shop.device_key.account()),
			0,
			0,
			anchor_of(&batch)
		));
		shop.batches.insert(0, batch);
		shop.list(spec(&shop.device, 0));
		assert_ok!(Market::add_bond(signed(&alice()), None, BOND));
		let deal = shop.cheat().revealed();
		assert_eq!(deal.terms.leaves, 4_096);
		let evidence = deal.evidence(2);
		assert_eq!(evidence.encoded_size(), 801);
		assert_ok!(Market::prove_bad_leaf(
			signed(&BOB),
			deal.id(),
			Box::new(evidence)
		));
	});
}
