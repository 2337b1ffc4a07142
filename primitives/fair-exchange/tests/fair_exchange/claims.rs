//! Promises about readings: what refutes them, and that honest sellers are safe from all other evidence.

use crate::sale::{GENESIS, Sale, sales};
use codec::Encode;
use m2m_device::{DevicePublic, DeviceSignature};
use m2m_fair_exchange::{
	ClaimEvidence, ClaimFault, ClaimKind, Claims, CountersignedTerms, NotGuilty, SignedTerms,
	terms::COUNTERSIGN_TAG,
};
use proptest::prelude::*;
use sp_core::{Pair, sr25519};

fn evidence(sale: &Sale, kind: ClaimKind, first: u32, second: Option<u32>) -> ClaimEvidence {
	ClaimEvidence {
		terms: sale.terms.clone(),
		blind: sale.blind,
		kind,
		first: sale.evidence(first).leaf,
		second: second.map(|position| sale.evidence(position).leaf),
	}
}

fn judge(sale: &Sale, claims: &Claims, evidence: &ClaimEvidence) -> Result<(), ClaimFault> {
	evidence.refutes(&GENESIS, &sale.terms.sale_id(&GENESIS), &sale.blinded, claims)
}

proptest! {
	/// Of all promises about a sale those are refuted that are false, by exactly the leaves that show it.
	#[test]
	fn a_claim_is_refuted_exactly_where_it_is_false(
		sale in sales(),
		min in -10i64..20,
		width in 0i64..20,
		count in 1u32..5,
		within_ms in 0u64..1_000_000,
		gap_ms in 0u64..1_000_000,
		first in any::<prop::sample::Index>(),
	) {
		let claims = Claims {
			range: Some((min, min + width)),
			count: Some((count, within_ms)),
			gap_ms: Some(gap_ms),
		};
		let readings: Vec<_> = sale
			.open()
			.into_iter()
			.map(|opened| opened.expect("an honest sale").reading)
			.collect();
		let first = first.index(readings.len());
		let at = |position: usize| readings[position];
		let judged = judge(&sale, &claims, &evidence(&sale, ClaimKind::Range, first as u32, None));
		let out = at(first).value < min || at(first).value > min + width;
		prop_assert_eq!(judged, if out { Ok(()) } else { Err(ClaimFault::AsClaimed) });

		for (kind, apart, most) in [
			(ClaimKind::Count, count as usize, within_ms),
			(ClaimKind::Gap, 1, gap_ms),
		] {
			if first + apart < readings.len() {
				let shown = evidence(&sale, kind, first as u32, Some((first + apart) as u32));
				let late = at(first + apart).time_ms - at(first).time_ms > most;
				let expected = if late { Ok(()) } else { Err(ClaimFault::AsClaimed) };
				prop_assert_eq!(judge(&sale, &claims, &shown), expected);
			}
		}
	}

	/// Two leaves at any other distance refute nothing.
	#[test]
	fn leaves_at_another_distance_refute_nothing(
		sale in sales(),
		first in any::<prop::sample::Index>(),
		second in any::<prop::sample::Index>(),
		count in 1u32..4,
	) {
		let claims = Claims { range: None, count: Some((count, 0)), gap_ms: None };
		let leaves = sale.terms.leaves as usize;
		let (first, second) = (first.index(leaves) as u32, second.index(leaves) as u32);
		let judged = judge(&sale, &claims, &evidence(&sale, ClaimKind::Count, first, Some(second)));
		if first.checked_add(count) == Some(second) {
			prop_assert_eq!(judged, Ok(()));
		} else {
			prop_assert_eq!(judged, Err(ClaimFault::WrongLeaves));
		}
	}
}

#[test]
fn claim_evidence_is_checked_from_the_terms_down() {
	let sale = Sale::small();
	let claims = Claims {
		range: Some((-1_000, -999)),
		..Claims::default()
	};
	let good = evidence(&sale, ClaimKind::Range, 4, None);
	assert_eq!(judge(&sale, &claims, &good), Ok(()));
	let foreign = |fault| Err(ClaimFault::Foreign(fault));
	let with = |change: &dyn Fn(&mut ClaimEvidence)| {
		let mut evidence = good.clone();
		change(&mut evidence);
		judge(&sale, &claims, &evidence)
	};
	assert_eq!(
		with(&|evidence| evidence.terms.price += 1),
		foreign(NotGuilty::OtherTerms)
	);
	assert_eq!(
		with(&|evidence| evidence.blind.0[0] ^= 1),
		foreign(NotGuilty::WrongBlind)
	);
	assert_eq!(
		with(&|evidence| evidence.kind = ClaimKind::Gap),
		Err(ClaimFault::NotClaimed)
	);
	assert_eq!(
		with(&|evidence| evidence.first.position = 9),
		foreign(NotGuilty::PositionOutOfRange)
	);
	assert_eq!(
		with(&|evidence| {
			evidence.first.path.pop();
		}),
		foreign(NotGuilty::PathLength)
	);
	assert_eq!(
		with(&|evidence| evidence.first.sealed[0] ^= 1),
		foreign(NotGuilty::NotInSale)
	);
	assert_eq!(
		with(&|evidence| evidence.second = Some(evidence.first.clone())),
		Err(ClaimFault::WrongLeaves)
	);
	let mut other = sale.clone();
	other.blinded.0[0] ^= 1;
	assert_eq!(judge(&other, &claims, &good), foreign(NotGuilty::WrongBlindedKey));

	let mut cheat = Sale::small();
	cheat.cheat(4, [5; 32]);
	let shown = evidence(&cheat, ClaimKind::Range, 4, None);
	assert_eq!(judge(&cheat, &claims, &shown), Err(ClaimFault::DoesNotOpen));
}

#[test]
fn claim_evidence_has_the_documented_size() {
	let sale = Sale::small();
	let one = evidence(&sale, ClaimKind::Range, 0, None);
	let path = one.first.path.len() * 32;
	assert_eq!(one.encoded_size(), 304 + 32 + 1 + 81 + path + 1);
	let two = evidence(&sale, ClaimKind::Gap, 0, Some(1));
	assert_eq!(two.encoded_size(), one.encoded_size() + 81 + path);
}

#[test]
fn a_countersignature_is_for_one_subscription_one_sale_and_one_chain() {
	let sale = Sale::small();
	let id = sale.terms.sale_id(&GENESIS);
	let bytes = CountersignedTerms::signed_bytes(&GENESIS, 0x0102_0304, &id);
	let mut expected = COUNTERSIGN_TAG.to_vec();
	expected.extend_from_slice(&GENESIS);
	expected.extend_from_slice(&[4, 3, 2, 1]);
	expected.extend_from_slice(id.as_bytes());
	assert_eq!(bytes, expected);
	assert_eq!(bytes.len(), 85);

	let key = sr25519::Pair::from_seed(&[5; 32]);
	let public = DevicePublic::Sr25519(key.public());
	let terms = CountersignedTerms {
		offer: SignedTerms {
			terms: sale.terms.clone(),
			signer: public,
			signature: DeviceSignature::Sr25519(key.sign(b"the seller's")),
		},
		subscriber: public,
		countersignature: DeviceSignature::Sr25519(key.sign(&bytes)),
	};
	assert!(terms.is_countersigned(&GENESIS, 0x0102_0304));
	assert!(!terms.is_countersigned(&GENESIS, 0x0102_0305));
	assert!(!terms.is_countersigned(&[0; 32], 0x0102_0304));
	let mut other = terms.clone();
	other.offer.terms.price += 1;
	assert!(!other.is_countersigned(&GENESIS, 0x0102_0304));
	let mut stranger = terms;
	stranger.subscriber = DevicePublic::Sr25519(sr25519::Pair::from_seed(&[6; 32]).public());
	assert!(!stranger.is_countersigned(&GENESIS, 0x0102_0304));
}
