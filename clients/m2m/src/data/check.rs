//! What a buyer checks before it pays, and what it looks for once it has the key.
//!
//! Nothing here talks to anybody: the caller brings what the finalized chain says and what the seller sent.

use crate::{Error, time};
use codec::{Decode, Encode};
use m2m_anchor::Anchor;
use m2m_device::{AccountId, UnixMs};
use m2m_fair_exchange::{
	Blind, ClaimKind, Claims, DeliveryFault, ListingId, RangeFault, SaleRange, SignedTerms,
	market::{Conditions, Listing},
};
use m2m_merkle::Reading;

/// What a buyer asked for, and what the finalized chain says about it.
pub struct Wanted<'a> {
	/// Genesis hash of the chain.
	pub genesis: &'a [u8; 32],
	/// Number of the listing.
	pub listing: ListingId,
	/// The listing.
	pub listed: &'a Listing,
	/// Who buys.
	pub buyer: &'a AccountId,
	/// The buyer's half of the key.
	pub blind: &'a Blind,
	/// Most that the buyer pays, in smallest units; `None` for the listing's price.
	pub max_price: Option<u128>,
	/// What the chain demands of every sale.
	pub conditions: &'a Conditions,
	/// Number of the finalized block.
	pub now: u32,
}

/// Why terms are not what was asked for. Each names one field.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TermsFault {
	/// Another listing.
	#[error("they are for listing {0}")]
	Listing(ListingId),
	/// Another version of the listing.
	#[error("they are for version {found} of the listing, which is at version {listed}: ask again")]
	Version {
		/// In the terms.
		found: u32,
		/// On chain.
		listed: u32,
	},
	/// Another device.
	#[error("they are for another device")]
	Device,
	/// Another generation of the device.
	#[error("they are for generation {0} of the device: it has changed hands")]
	Generation(u32),
	/// Another stream.
	#[error("they are for stream {0}")]
	Stream(u32),
	/// Another seller.
	#[error("they pay somebody who is not the listing's seller")]
	Seller,
	/// Another buyer.
	#[error("they are for another buyer")]
	Buyer,
	/// More than the buyer pays.
	#[error(
		"the price is {} M2M, more than the {} M2M that you allow with --max-price",
		crate::money::format(*.price),
		crate::money::format(*.most)
	)]
	PriceAboveLimit {
		/// In the terms.
		price: u128,
		/// Most that the buyer pays.
		most: u128,
	},
	/// More than the listing says.
	#[error(
		"the price is {} M2M, and the listing allows {} M2M for so many readings",
		crate::money::format(*.price),
		crate::money::format(*.listed)
	)]
	PriceAboveListing {
		/// In the terms.
		price: u128,
		/// What the listing allows.
		listed: u128,
	},
	/// Less than the chain takes.
	#[error(
		"the price is {} M2M, less than the {} M2M that the chain demands",
		crate::money::format(*.price),
		crate::money::format(*.least)
	)]
	PriceTooLow {
		/// In the terms.
		price: u128,
		/// What the chain demands.
		least: u128,
	},
	/// The commitment is not to the buyer's blind.
	#[error("they commit to a blind that is not yours")]
	Blind,
	/// Too little or too much time to reveal the key.
	#[error("{0} blocks to reveal the key are not what the chain allows")]
	RevealWindow(u32),
	/// Too little or too much time for evidence.
	#[error("{0} blocks for evidence are not what the chain allows")]
	DisputeWindow(u32),
	/// They can no longer be bought.
	#[error("they expired with block {expires}, and block {now} is final: ask again")]
	Expired {
		/// Last block of the terms.
		expires: u32,
		/// The finalized block.
		now: u32,
	},
	/// They expire later than the chain allows.
	#[error("they hold until block {0}, longer than the chain allows")]
	ValidTooLong(u32),
	/// The signature is not the signer's.
	#[error("their signature is false")]
	Signature,
}

/// Fails unless these are the terms that were asked for, as far as they say it themselves.
///
/// # Errors
/// The first field that is wrong. The signature comes last: it is the only check that takes long.
pub fn check_terms(offer: &SignedTerms, wanted: &Wanted) -> Result<(), TermsFault> {
	let (terms, listed) = (&offer.terms, wanted.listed);
	let ensure = |holds: bool, fault: TermsFault| if holds { Ok(()) } else { Err(fault) };
	ensure(
		terms.listing == wanted.listing,
		TermsFault::Listing(terms.listing),
	)?;
	ensure(
		terms.version == listed.version,
		TermsFault::Version {
			found: terms.version,
			listed: listed.version,
		},
	)?;
	ensure(terms.device == listed.spec.device, TermsFault::Device)?;
	ensure(
		terms.generation == listed.generation,
		TermsFault::Generation(terms.generation),
	)?;
	ensure(
		terms.range.stream == listed.spec.stream,
		TermsFault::Stream(terms.range.stream),
	)?;
	ensure(terms.seller == listed.seller, TermsFault::Seller)?;
	ensure(terms.buyer == *wanted.buyer, TermsFault::Buyer)?;
	let price = terms.price;
	if let Some(most) = wanted.max_price {
		ensure(price <= most, TermsFault::PriceAboveLimit { price, most })?;
	}
	let most = listed.spec.price.of(terms.leaves);
	ensure(
		price <= most,
		TermsFault::PriceAboveListing { price, listed: most },
	)?;
	let least = wanted.conditions.min_price;
	ensure(price >= least, TermsFault::PriceTooLow { price, least })?;
	ensure(
		terms.blind_commitment == wanted.blind.commitment(),
		TermsFault::Blind,
	)?;
	let windows = &wanted.conditions.windows;
	ensure(
		(windows.min_reveal..=windows.max_reveal).contains(&terms.reveal_window),
		TermsFault::RevealWindow(terms.reveal_window),
	)?;
	ensure(
		(windows.min_dispute..=windows.max_dispute).contains(&terms.dispute_window),
		TermsFault::DisputeWindow(terms.dispute_window),
	)?;
	ensure(
		wanted.now < terms.expires,
		TermsFault::Expired {
			expires: terms.expires,
			now: wanted.now,
		},
	)?;
	// The seller counts from its own finalized block, which may be a little ahead of the buyer's.
	let latest = wanted
		.now
		.saturating_add(windows.max_validity)
		.saturating_add(BLOCKS_AHEAD);
	ensure(terms.expires <= latest, TermsFault::ValidTooLong(terms.expires))?;
	ensure(offer.verify(wanted.genesis), TermsFault::Signature)
}

/// How far another node's finalized block may be ahead of this one's.
const BLOCKS_AHEAD: u32 = 10;

/// Why anchors do not carry what was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RangeMismatch {
	/// The anchor has no reading in the times asked for.
	#[error("anchor {seq} has no readings in the time that was asked for")]
	OutsideTime {
		/// Its sequence number.
		seq: u64,
	},
	/// A part of the anchor is left out, though all its readings were asked for.
	#[error("a part of anchor {seq} is left out")]
	PartLeftOut {
		/// Its sequence number.
		seq: u64,
	},
	/// Anchors between two others are left out.
	#[error("anchors between {after} and {before} are left out")]
	AnchorsLeftOut {
		/// Sequence number of the one before.
		after: u64,
		/// Sequence number of the one after.
		before: u64,
	},
	/// There are fewer readings than there should be.
	#[error(
		"{found} readings are offered, but {expected} belong to that time at one every {} s: ask for a shorter time, or allow gaps with --allow-gaps",
		.cadence_ms.div_ceil(1000)
	)]
	TooFew {
		/// Offered.
		found: u32,
		/// What the stream's cadence demands.
		expected: u64,
		/// Usual time between two readings, in milliseconds.
		cadence_ms: u32,
	},
}

/// An anchor of a range, as the chain recorded it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Recorded {
	/// Sequence number.
	pub seq: u64,
	/// Position in the stream's mountain range.
	pub position: u64,
	/// The anchor.
	pub anchor: Anchor,
}

/// Fails unless `anchors`, which carry `range`, are those of the time `from..to`: each has readings there, those
/// that lie wholly inside are sold whole, and none in between is left out.
///
/// # Errors
/// [`RangeMismatch`]: the first thing that does not fit.
pub fn check_times(
	range: &SaleRange,
	anchors: &[Recorded],
	from: UnixMs,
	to: UnixMs,
) -> Result<(), RangeMismatch> {
	for Recorded { seq, anchor, .. } in anchors {
		let seq = *seq;
		if anchor.t_last() < from || anchor.t_first() >= to {
			return Err(RangeMismatch::OutsideTime { seq });
		}
		let starts_late = seq == range.first.seq && range.first.index > 0;
		let ends_early =
			seq == range.last.seq && u64::from(range.last.index).saturating_add(1) < anchor.count();
		if (starts_late && anchor.t_first() >= from) || (ends_early && anchor.t_last() < to) {
			return Err(RangeMismatch::PartLeftOut { seq });
		}
	}
	for pair in anchors.windows(2) {
		let [before, after] = pair else { continue };
		// A number that was never used leaves no trace: then nothing was recorded between the two.
		let next = before.seq.checked_add(1) == Some(after.seq)
			|| before.position.checked_add(1) == Some(after.position);
		if !next {
			return Err(RangeMismatch::AnchorsLeftOut {
				after: before.seq,
				before: after.seq,
			});
		}
	}
	Ok(())
}

/// Fails if a sale has fewer readings than a stream of this cadence has in the time `from..to`.
///
/// # Errors
/// [`RangeMismatch::TooFew`].
pub fn check_count(leaves: u32, cadence_ms: u32, from: UnixMs, to: UnixMs) -> Result<(), RangeMismatch> {
	let expected = to
		.saturating_sub(from)
		.checked_div(cadence_ms.into())
		.unwrap_or_default();
	if u64::from(leaves) < expected {
		return Err(RangeMismatch::TooFew {
			found: leaves,
			expected,
			cadence_ms,
		});
	}
	Ok(())
}

/// Says in words what is wrong with a delivery.
pub fn describe_fault(fault: DeliveryFault) -> String {
	match fault {
		DeliveryFault::Range(fault) => match fault {
			RangeFault::NoAnchors => "it names no anchors".into(),
			RangeFault::AnchorsOutOfOrder { seq } => format!("anchor {seq} is out of order"),
			RangeFault::ImpossibleCount { seq } => {
				format!("anchor {seq} has an impossible number of readings")
			}
			RangeFault::FirstAnchorMissing => "the anchor in which the range begins is missing".into(),
			RangeFault::LastAnchorMissing => "the anchor in which the range ends is missing".into(),
			RangeFault::NoSuchLeaf { place } => {
				format!("anchor {} has no reading {}", place.seq, place.index)
			}
			RangeFault::Backwards => "the range ends before it begins".into(),
			RangeFault::TooLong => "the range is too long".into(),
		},
		DeliveryFault::LeafCount { leaves } => {
			format!("the range has {leaves} readings, not as many as the terms say")
		}
		DeliveryFault::RangeCommitment => "the terms commit to other anchors than those on chain".into(),
		DeliveryFault::Blind => "the terms commit to a blind that is not yours".into(),
		DeliveryFault::EdgesLength => "the paths at the ends of the range have the wrong length".into(),
		DeliveryFault::NotAnchored { seq } => format!("the leaf hashes are not those under anchor {seq}"),
		DeliveryFault::TooManyLeaves => "there are more leaves than the range has".into(),
		DeliveryFault::Incomplete { leaves } => format!("only {leaves} leaves came"),
		DeliveryFault::SaleRoot => "the leaves are not those that the seller signed for".into(),
		DeliveryFault::NoSuchPosition => "the range has no leaf at that position".into(),
	}
}

/// Name of a fault for machines: that of the variant.
pub fn fault_name(fault: &impl std::fmt::Debug) -> String {
	let text = format!("{fault:?}");
	text.split(|letter: char| !letter.is_ascii_alphanumeric())
		.next()
		.unwrap_or_default()
		.to_owned()
}

impl From<TermsFault> for Error {
	fn from(fault: TermsFault) -> Self {
		Self::OfferRefused {
			fault: fault_name(&fault),
			why: format!("its terms are not what was asked for: {fault}"),
		}
	}
}

impl From<RangeMismatch> for Error {
	fn from(fault: RangeMismatch) -> Self {
		Self::OfferRefused {
			fault: fault_name(&fault),
			why: format!("its readings are not those that were asked for: {fault}"),
		}
	}
}

impl From<DeliveryFault> for Error {
	fn from(fault: DeliveryFault) -> Self {
		// The fault of a range is the name that says something.
		let name = match &fault {
			DeliveryFault::Range(fault) => fault_name(fault),
			fault => fault_name(fault),
		};
		Self::OfferRefused {
			fault: name,
			why: format!(
				"what was delivered is not what the terms say: {}",
				describe_fault(fault)
			),
		}
	}
}

/// A promise of the listing that the readings do not keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BrokenClaim {
	/// Which.
	pub kind: ClaimKind,
	/// Position of the reading, or of the earlier one of two.
	pub first: u32,
	/// Position of the later one.
	pub second: Option<u32>,
}

/// The first promise that `readings`, all those of a sale in order, do not keep.
pub fn broken_claim(claims: &Claims, readings: &[Reading]) -> Option<BrokenClaim> {
	let apart = |kind: ClaimKind, positions: u32, most: u64| {
		let later = readings.iter().skip(positions as usize);
		let (first, _) = (0u32..)
			.zip(readings.iter().zip(later))
			.find(|(_, (earlier, later))| later.time_ms.saturating_sub(earlier.time_ms) > most)?;
		Some(BrokenClaim {
			kind,
			first,
			second: first.checked_add(positions),
		})
	};
	let outside = claims.range.and_then(|(min, max)| {
		let mut places = (0u32..).zip(readings);
		let (first, _) = places.find(|(_, reading)| !(min..=max).contains(&reading.value))?;
		Some(BrokenClaim {
			kind: ClaimKind::Range,
			first,
			second: None,
		})
	});
	outside
		.or_else(|| {
			let (count, within_ms) = claims.count?;
			apart(ClaimKind::Count, count, within_ms)
		})
		.or_else(|| apart(ClaimKind::Gap, 1, claims.gap_ms?))
}

/// Says in words which promise was made.
pub fn describe_claim(claims: &Claims, kind: ClaimKind) -> String {
	match (kind, claims.range, claims.count, claims.gap_ms) {
		(ClaimKind::Range, Some((min, max)), ..) => format!("all values are from {min} to {max}"),
		(ClaimKind::Count, _, Some((count, within_ms)), _) => {
			format!("from any reading on, another {count} follow within {within_ms} ms")
		}
		(ClaimKind::Gap, .., Some(longest_ms)) => {
			format!("no two consecutive readings are further apart than {longest_ms} ms")
		}
		_ => "nothing".into(),
	}
}

/// The promises of a listing in words, one each.
pub fn describe_claims(claims: &Claims) -> Vec<String> {
	[ClaimKind::Range, ClaimKind::Count, ClaimKind::Gap]
		.into_iter()
		.filter(|kind| claims.get(*kind).is_some())
		.map(|kind| describe_claim(claims, kind))
		.collect()
}

/// How many of `readings` lie outside the time `from..to`, and the first of them in words.
pub fn outside(readings: &[Reading], from: UnixMs, to: UnixMs) -> Option<(usize, String)> {
	let mut strangers = readings
		.iter()
		.filter(|reading| !(from..to).contains(&reading.time_ms));
	let first = time::format(strangers.next()?.time_ms);
	Some((strangers.count().saturating_add(1), first))
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::keys::{Key, Scheme};
	use m2m_anchor::Summary;
	use m2m_fair_exchange::{
		BlindedKey, Place, SaleTerms,
		market::{ListingSpec, Payout, Price, Windows},
	};
	use sp_core::H256;
	use sp_runtime::Permill;

	const GENESIS: [u8; 32] = [9; 32];
	const BLIND: Blind = Blind([5; 32]);

	fn listing(seller: &AccountId) -> Listing {
		Listing {
			seller: seller.clone(),
			version: 2,
			generation: 1,
			deposit: 0,
			spec: ListingSpec {
				device: AccountId::new([3; 32]),
				stream: 4,
				from: 0,
				until: None,
				price: Price::PerReading(10),
				licence: H256::zero(),
				schema: H256::zero(),
				area: Default::default(),
				metadata: H256::zero(),
				payout: Payout::Seller,
				claims: Claims::default(),
				endpoint: Default::default(),
				sealing_key: [0; 32],
				terms_key: None,
			},
		}
	}

	fn conditions() -> Conditions {
		Conditions {
			windows: Windows::default(),
			min_price: 100,
			fixed_cover: 1,
			fee_rate: Permill::zero(),
		}
	}

	fn terms(seller: &AccountId) -> SaleTerms {
		SaleTerms {
			listing: 7,
			version: 2,
			device: AccountId::new([3; 32]),
			generation: 1,
			range: SaleRange {
				stream: 4,
				first: Place { seq: 10, index: 0 },
				last: Place { seq: 11, index: 9 },
			},
			range_commitment: H256::zero(),
			leaves: 20,
			seller: seller.clone(),
			buyer: AccountId::new([6; 32]),
			price: 200,
			sale_root: H256::zero(),
			blinded_key_commitment: BlindedKey([1; 32]).commitment(),
			blind_commitment: BLIND.commitment(),
			reveal_window: 1_200,
			dispute_window: 4_800,
			nonce: 1,
			expires: 1_100,
		}
	}

	/// Checks signed terms that `change` made wrong.
	fn verdict(max_price: Option<u128>, change: impl FnOnce(&mut SaleTerms)) -> Result<(), TermsFault> {
		let key = Key::from_seed(Scheme::Sr25519, [8; 32].into());
		let seller = key.account();
		let mut terms = terms(&seller);
		change(&mut terms);
		let offer = SignedTerms {
			signature: key.sign(&terms.signed_bytes(&GENESIS)),
			signer: key.public(),
			terms,
		};
		let wanted = Wanted {
			genesis: &GENESIS,
			listing: 7,
			listed: &listing(&seller),
			buyer: &AccountId::new([6; 32]),
			blind: &BLIND,
			max_price,
			conditions: &conditions(),
			now: 1_000,
		};
		check_terms(&offer, &wanted)
	}

	#[test]
	fn terms_as_asked_for_pass() {
		assert_eq!(verdict(None, |_| {}), Ok(()));
		assert_eq!(verdict(Some(200), |_| {}), Ok(()));
		assert_eq!(verdict(None, |terms| terms.price = 100), Ok(()));
		assert_eq!(verdict(None, |terms| terms.expires = 1_610), Ok(()));
	}

	#[test]
	fn each_wrong_field_of_terms_is_refused_by_name() {
		type Change = fn(&mut SaleTerms);
		let cases: [(&str, Change); 17] = [
			("Listing", |terms| terms.listing = 8),
			("Version", |terms| terms.version = 1),
			("Device", |terms| terms.device = AccountId::new([99; 32])),
			("Generation", |terms| terms.generation = 0),
			("Stream", |terms| terms.range.stream = 5),
			("Seller", |terms| terms.seller = AccountId::new([99; 32])),
			("Buyer", |terms| terms.buyer = AccountId::new([99; 32])),
			("PriceAboveListing", |terms| terms.price = 201),
			("PriceAboveListing", |terms| terms.leaves = 19),
			("PriceTooLow", |terms| terms.price = 99),
			("Blind", |terms| terms.blind_commitment = H256::zero()),
			("RevealWindow", |terms| terms.reveal_window = 1_199),
			("RevealWindow", |terms| terms.reveal_window = 28_801),
			("DisputeWindow", |terms| terms.dispute_window = 4_799),
			("DisputeWindow", |terms| terms.dispute_window = 201_601),
			("Expired", |terms| terms.expires = 1_000),
			("ValidTooLong", |terms| terms.expires = 1_611),
		];
		for (name, change) in cases {
			let fault = verdict(None, change).unwrap_err();
			assert_eq!(fault_name(&fault), name, "{fault}");
			let error = Error::from(fault);
			assert_eq!((error.name(), error.exit_code()), ("OfferRefused", 5));
			assert!(error.to_string().contains("nothing was paid"), "{error}");
		}
		let above = verdict(Some(199), |_| {}).unwrap_err();
		assert!(above.to_string().contains("--max-price"), "{above}");
	}

	#[test]
	fn a_signature_of_another_key_chain_or_terms_is_refused() {
		let key = Key::from_seed(Scheme::Ed25519, [8; 32].into());
		let other = Key::from_seed(Scheme::Ed25519, [9; 32].into());
		let seller = key.account();
		let terms = terms(&seller);
		let check = |signer: &Key, signed: Vec<u8>| {
			let offer = SignedTerms {
				terms: terms.clone(),
				signer: key.public(),
				signature: signer.sign(&signed),
			};
			let wanted = Wanted {
				genesis: &GENESIS,
				listing: 7,
				listed: &listing(&seller),
				buyer: &terms.buyer,
				blind: &BLIND,
				max_price: None,
				conditions: &conditions(),
				now: 1_000,
			};
			check_terms(&offer, &wanted)
		};
		let changed = SaleTerms {
			nonce: 2,
			..terms.clone()
		};
		assert_eq!(check(&key, terms.signed_bytes(&GENESIS)), Ok(()));
		assert_eq!(
			check(&other, terms.signed_bytes(&GENESIS)),
			Err(TermsFault::Signature)
		);
		assert_eq!(
			check(&key, terms.signed_bytes(&[1; 32])),
			Err(TermsFault::Signature)
		);
		assert_eq!(
			check(&key, changed.signed_bytes(&GENESIS)),
			Err(TermsFault::Signature)
		);
	}

	/// Ten readings, one a minute from `first` on.
	fn recorded(seq: u64, position: u64, first: UnixMs) -> Recorded {
		Recorded {
			seq,
			position,
			anchor: Anchor {
				data_root: H256::zero(),
				summary: Summary::Private {
					aggregate_root: H256::zero(),
					count: 10,
					t_first: first,
					t_last: first + 9 * 60_000,
				},
			},
		}
	}

	fn range(first: (u64, u32), last: (u64, u32)) -> SaleRange {
		let place = |(seq, index)| Place { seq, index };
		SaleRange {
			stream: 4,
			first: place(first),
			last: place(last),
		}
	}

	#[test]
	fn anchors_must_be_those_of_the_time_asked_for() {
		let day = [
			recorded(10, 0, 600_000),
			recorded(11, 1, 1_200_000),
			recorded(12, 2, 1_800_000),
		];
		let whole = range((10, 0), (12, 9));
		assert_eq!(check_times(&whole, &day, 600_000, 2_400_000), Ok(()));
		assert_eq!(
			check_times(&whole, &day, 1_200_000, 2_400_000),
			Err(RangeMismatch::OutsideTime { seq: 10 })
		);
		assert_eq!(
			check_times(&whole, &day, 600_000, 1_800_000),
			Err(RangeMismatch::OutsideTime { seq: 12 })
		);
		// An anchor that only reaches into the time may be sold in part.
		let part = range((10, 5), (12, 3));
		assert_eq!(check_times(&part, &day, 900_000, 2_040_000), Ok(()));
		assert_eq!(
			check_times(&part, &day, 600_000, 2_040_000),
			Err(RangeMismatch::PartLeftOut { seq: 10 })
		);
		assert_eq!(
			check_times(&part, &day, 900_000, 2_400_000),
			Err(RangeMismatch::PartLeftOut { seq: 12 })
		);
	}

	#[test]
	fn an_anchor_that_is_left_out_is_noticed() {
		let range = range((10, 0), (12, 9));
		let left_out = [recorded(10, 0, 600_000), recorded(12, 2, 1_800_000)];
		assert_eq!(
			check_times(&range, &left_out, 600_000, 2_400_000),
			Err(RangeMismatch::AnchorsLeftOut {
				after: 10,
				before: 12
			})
		);
		let never_used = [recorded(10, 0, 600_000), recorded(12, 1, 1_800_000)];
		assert_eq!(check_times(&range, &never_used, 600_000, 2_400_000), Ok(()));
	}

	#[test]
	fn too_few_readings_for_the_cadence_are_noticed() {
		assert_eq!(check_count(1_440, 60_000, 0, 86_400_000), Ok(()));
		let fault = check_count(1_439, 60_000, 0, 86_400_000).unwrap_err();
		assert_eq!(
			fault.to_string(),
			"1439 readings are offered, but 1440 belong to that time at one every 60 s: ask for a shorter time, or allow gaps with --allow-gaps"
		);
		assert_eq!(check_count(0, 0, 0, 86_400_000), Ok(()));
	}

	fn readings(values: &[(UnixMs, i64)]) -> Vec<Reading> {
		values
			.iter()
			.map(|(time_ms, value)| Reading {
				time_ms: *time_ms,
				value: *value,
			})
			.collect()
	}

	#[test]
	fn a_broken_promise_is_found_where_it_is_broken() {
		let sold = readings(&[(0, 5), (10, 6), (20, 50), (70, 7), (80, 8)]);
		let found = |claims: Claims| broken_claim(&claims, &sold);
		assert_eq!(found(Claims::default()), None);
		let claims = Claims {
			range: Some((0, 49)),
			..Claims::default()
		};
		assert_eq!(
			found(claims),
			Some(BrokenClaim {
				kind: ClaimKind::Range,
				first: 2,
				second: None
			})
		);
		let claims = Claims {
			range: Some((5, 50)),
			count: Some((2, 60)),
			gap_ms: Some(50),
		};
		assert_eq!(found(claims), None);
		let claims = Claims {
			count: Some((2, 59)),
			..Claims::default()
		};
		assert_eq!(
			found(claims),
			Some(BrokenClaim {
				kind: ClaimKind::Count,
				first: 1,
				second: Some(3)
			})
		);
		let claims = Claims {
			gap_ms: Some(49),
			..Claims::default()
		};
		assert_eq!(
			found(claims),
			Some(BrokenClaim {
				kind: ClaimKind::Gap,
				first: 2,
				second: Some(3)
			})
		);
		// As far as the sale reaches.
		let claims = Claims {
			count: Some((5, 1)),
			..Claims::default()
		};
		assert_eq!(found(claims), None);
	}

	#[test]
	fn readings_outside_the_time_are_counted() {
		let sold = readings(&[(0, 5), (60_000, 6), (120_000, 7)]);
		assert_eq!(outside(&sold, 0, 120_001), None);
		assert_eq!(
			outside(&sold, 60_000, 120_000),
			Some((2, "1970-01-01T00:00:00Z".into()))
		);
	}

	#[test]
	fn every_fault_of_a_delivery_has_a_name_and_words() {
		let error = Error::from(DeliveryFault::NotAnchored { seq: 12 });
		assert!(
			error.to_string().contains("(NotAnchored)") && error.to_string().contains("anchor 12"),
			"{error}"
		);
		let error = Error::from(DeliveryFault::Range(RangeFault::LastAnchorMissing));
		assert!(error.to_string().contains("(LastAnchorMissing)"), "{error}");
	}
}
