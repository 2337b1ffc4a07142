//! Promises about the readings, kept and broken.

use crate::{Error, Sellers, mock::*};
use frame_support::{BoundedVec, assert_noop, assert_ok, dispatch::DispatchResult};
use m2m_fair_exchange::{ClaimEvidence, ClaimKind, Claims, SoldLeaf};

/// Evidence about one or two leaves.
fn evidence(deal: &Deal, kind: ClaimKind, first: u32, second: Option<u32>) -> ClaimEvidence {
	let leaf = |position| -> SoldLeaf { deal.evidence(position).leaf };
	ClaimEvidence {
		terms: deal.terms.clone(),
		blind: deal.blind,
		kind,
		first: leaf(first),
		second: second.map(leaf),
	}
}

fn show(deal: &Deal, kind: ClaimKind, first: u32, second: Option<u32>) -> DispatchResult {
	Market::prove_bad_claim(
		signed(&HELPER),
		deal.id(),
		Box::new(evidence(deal, kind, first, second)),
	)
}

/// Sold are readings 1 to 3 of the first quarter hour, 0 to 2 of the second and 0 to 3 of the third. Their values are
/// 1 to 3, 100 to 102 and 200 to 203; they are a minute apart, and 12 and 13 minutes between the quarters.
fn sold(claims: Claims) -> Deal {
	Shop::open_with(2, |spec| spec.claims = claims).deal().revealed()
}

fn convicted() -> bool {
	Sellers::<Test>::get(alice()).is_some_and(|seller| seller.convicted == 1 && seller.locked == 0)
}

#[test]
fn a_value_out_of_the_promised_range_convicts() {
	for range in [(1, 202), (2, 203)] {
		ExtBuilder::execute(|| {
			let deal = sold(Claims {
				range: Some(range),
				..Claims::default()
			});
			assert_noop!(show(&deal, ClaimKind::Range, 4, None), Error::<Test>::AsClaimed);
			let bad = if range.0 == 2 { 0 } else { 9 };
			assert_ok!(show(&deal, ClaimKind::Range, bad, None));
			assert!(convicted());
		});
	}
}

#[test]
fn too_few_readings_in_a_promised_time_convict() {
	ExtBuilder::execute(|| {
		// From each reading on, three more within 14 minutes.
		let deal = sold(Claims {
			count: Some((3, 14 * MINUTE)),
			..Claims::default()
		});
		assert_noop!(
			show(&deal, ClaimKind::Count, 0, Some(3)),
			Error::<Test>::AsClaimed
		);
		assert_noop!(
			show(&deal, ClaimKind::Count, 1, Some(3)),
			Error::<Test>::WrongLeaves
		);
		assert_ok!(show(&deal, ClaimKind::Count, 3, Some(6)));
		assert!(convicted());
	});
}

#[test]
fn a_longer_gap_than_promised_convicts() {
	ExtBuilder::execute(|| {
		let deal = sold(Claims {
			gap_ms: Some(12 * MINUTE),
			..Claims::default()
		});
		assert_noop!(show(&deal, ClaimKind::Gap, 2, Some(3)), Error::<Test>::AsClaimed);
		for (first, second) in [(2, 4), (6, 5), (5, 5)] {
			assert_noop!(
				show(&deal, ClaimKind::Gap, first, Some(second)),
				Error::<Test>::WrongLeaves
			);
		}
		assert_ok!(show(&deal, ClaimKind::Gap, 5, Some(6)));
		assert!(convicted());
	});
}

#[test]
fn a_promise_is_about_one_leaf_or_two() {
	ExtBuilder::execute(|| {
		let deal = sold(Claims {
			range: Some((0, 1)),
			count: Some((1, 1)),
			gap_ms: Some(1),
		});
		for (kind, second) in [
			(ClaimKind::Range, Some(3)),
			(ClaimKind::Count, None),
			(ClaimKind::Gap, None),
		] {
			assert_noop!(show(&deal, kind, 2, second), Error::<Test>::WrongLeaves);
		}
	});
}

#[test]
fn what_was_not_promised_is_not_broken() {
	ExtBuilder::execute(|| {
		let deal = sold(Claims::default());
		for (kind, second) in [
			(ClaimKind::Range, None),
			(ClaimKind::Count, Some(3)),
			(ClaimKind::Gap, Some(3)),
		] {
			assert_noop!(show(&deal, kind, 2, second), Error::<Test>::NotClaimed);
		}
	});
}

#[test]
fn the_promises_of_a_sale_are_those_of_its_version() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.deal().revealed();
		let mut strict = spec(&shop.device, 0);
		strict.claims.range = Some((0, 0));
		assert_ok!(Market::update_listing(
			signed(&alice()),
			None,
			0,
			Box::new(strict)
		));
		assert_noop!(show(&deal, ClaimKind::Range, 2, None), Error::<Test>::NotClaimed);
	});
}

#[test]
fn claim_evidence_is_about_leaves_of_the_sale_that_open() {
	ExtBuilder::execute(|| {
		let shop = Shop::open_with(2, |spec| spec.claims.range = Some((0, 0)));
		let (bad, good) = (shop.cheat().revealed(), shop.deal().revealed());
		assert_noop!(
			show(&bad, ClaimKind::Range, 2, None),
			Error::<Test>::LeafDoesNotOpen
		);
		let send =
			|sale: &Deal, evidence| Market::prove_bad_claim(signed(&HELPER), sale.id(), Box::new(evidence));
		let of = |deal: &Deal| evidence(deal, ClaimKind::Range, 1, None);
		assert_noop!(send(&good, of(&bad)), Error::<Test>::OtherTerms);
		let mut foreign = of(&good);
		foreign.first = of(&bad).first;
		assert_noop!(send(&good, foreign), Error::<Test>::NotInSale);
		let mut blind = of(&good);
		blind.blind.0[0] ^= 1;
		assert_noop!(send(&good, blind), Error::<Test>::WrongBlind);
		let mut beyond = of(&good);
		beyond.first.position = 10;
		assert_noop!(send(&good, beyond), Error::<Test>::NoSuchPosition);
		let mut short = of(&good);
		short.first.path = BoundedVec::default();
		assert_noop!(send(&good, short), Error::<Test>::NotInSale);
		assert_ok!(send(&good, of(&good)));
	});
}

#[test]
fn claims_have_the_same_deadlines_as_other_evidence() {
	ExtBuilder::execute(|| {
		let shop = Shop::open_with(2, |spec| spec.claims.range = Some((0, 0)));
		let deal = shop.deal().bought();
		assert_noop!(show(&deal, ClaimKind::Range, 2, None), Error::<Test>::NotRevealed);
		assert_ok!(deal.reveal());
		advance(DISPUTE + 1);
		assert_noop!(
			show(&deal, ClaimKind::Range, 2, None),
			Error::<Test>::DisputeTooLate
		);
		settle(&[deal.id()]);
		assert_noop!(show(&deal, ClaimKind::Range, 2, None), Error::<Test>::UnknownSale);
	});
}
