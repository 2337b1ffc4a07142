//! Sells 1,000,000 readings over 1,112 anchors and prints times, memory and sizes.

use codec::Encode;
use m2m_device::AccountId;
use m2m_fair_exchange::{
	Blind, Checker, Edges, Opener, Place, SaleEvidence, SaleRange, SaleTerms, SealedLeaf, Sealer, SealingKey,
	SoldAnchor, SoldAnchors,
};
use m2m_merkle::{DataTree, Reading, batch_secret, reading};
use sp_core::H256;
use std::{error::Error, time::Instant};

const READINGS: u32 = 1_000_000;
const PER_ANCHOR: u32 = 900;
const GENESIS: [u8; 32] = [0x11; 32];
/// The range begins and ends inside an anchor, so that both edges are in play.
const FIRST: u32 = 250;

fn secret(seq: u64) -> [u8; 32] {
	batch_secret(&[5; 32], 0, seq)
}

fn taken(place: Place) -> Reading {
	Reading {
		time_ms: 1_700_000_000_000 + 1_000 * (place.seq * u64::from(PER_ANCHOR) + u64::from(place.index)),
		value: (place.seq % 977) as i64 + i64::from(place.index),
	}
}

fn data_tree(seq: u64) -> Option<DataTree> {
	let secret = secret(seq);
	let leaf = |index| {
		reading::leaf_hash(
			index,
			&reading::salt(&secret, index),
			&taken(Place { seq, index }),
		)
	};
	DataTree::new((0..PER_ANCHOR).map(leaf).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
	let end = FIRST + READINGS - 1;
	let last_seq = u64::from(end / PER_ANCHOR);
	let mut anchors = Vec::new();
	for seq in 0..=last_seq {
		anchors.push(SoldAnchor {
			seq,
			count: PER_ANCHOR.into(),
			data_root: H256(data_tree(seq).ok_or("an anchor has readings")?.root()),
		});
	}
	let range = SaleRange {
		stream: 0,
		first: Place { seq: 0, index: FIRST },
		last: Place {
			seq: last_seq,
			index: end % PER_ANCHOR,
		},
	};
	let blind = Blind([3; 32]);

	let start = Instant::now();
	let sold = SoldAnchors::new(&range, &anchors).map_err(|fault| format!("{fault:?}"))?;
	let mut terms = SaleTerms {
		listing: 1,
		version: 1,
		device: AccountId::new([1; 32]),
		generation: 0,
		range,
		range_commitment: sold.commitment(),
		leaves: sold.len(),
		seller: AccountId::new([2; 32]),
		buyer: AccountId::new([4; 32]),
		price: 1_000_000_000_000,
		sale_root: H256::zero(),
		blinded_key_commitment: H256::zero(),
		blind_commitment: blind.commitment(),
		reveal_window: 1_200,
		dispute_window: 4_800,
		nonce: 1,
		expires: 600,
	};
	let blinded = terms.blinded_key(&GENESIS, &[6; 32]);
	let key = SealingKey::new(&blinded, &blind);
	let mut sealer = Sealer::new(&sold, key);
	let mut delivered = Vec::with_capacity(READINGS as usize);
	let mut batch = (0, secret(0));
	for place in sold.places() {
		if place.seq != batch.0 {
			batch = (place.seq, secret(place.seq));
		}
		let salt = reading::salt(&batch.1, place.index);
		let leaf = sealer
			.seal(&salt, &taken(place))
			.map_err(|fault| format!("{fault:?}"))?;
		delivered.push(leaf);
	}
	terms.sale_root = sealer.finish().map_err(|fault| format!("{fault:?}"))?;
	terms.blinded_key_commitment = blinded.commitment();
	let trees = data_tree(0).zip(data_tree(last_seq));
	let (first, last) = trees.ok_or("an anchor has readings")?;
	let edges = Edges::new(&range, &first, &last).ok_or("the range lies in the anchors")?;
	println!(
		"sealed {} readings over {} anchors in {:?}",
		sold.len(),
		anchors.len(),
		start.elapsed()
	);
	println!(
		"delivery: {} bytes a reading, edges {} bytes",
		delivered[0].encoded_size(),
		edges.encoded_size()
	);

	let start = Instant::now();
	check(&terms, &blind, &anchors, &edges, &delivered)?;
	println!("checked before paying in {:?}", start.elapsed());

	let start = Instant::now();
	let bad = open(&terms, &blinded, &blind, &anchors, &delivered)?;
	println!("opened in {:?}, {} bad", start.elapsed(), bad.len());

	// One reading is sealed falsely, and signed for.
	let position = 654_321;
	delivered[position].sealed[0] ^= 1;
	let pairs = (0..)
		.zip(sold.places())
		.zip(&delivered)
		.map(|((position, place), leaf)| leaf.pair(position, place))
		.collect();
	terms.sale_root = H256(DataTree::new(pairs).ok_or("a sale has leaves")?.root());
	check(&terms, &blind, &anchors, &edges, &delivered)?;
	let bad = open(&terms, &blinded, &blind, &anchors, &delivered)?;
	let start = Instant::now();
	let evidence = SaleEvidence::new(&terms, &blind, &anchors, delivered.iter().copied(), bad[0])
		.map_err(|fault| format!("{fault:?}"))?;
	let collected = start.elapsed();
	let verdict = evidence.convicts(&GENESIS, &terms.sale_id(&GENESIS), &blinded);
	println!(
		"one false leaf: bad {bad:?}, evidence {} bytes collected in {collected:?}, verdict {verdict:?}",
		evidence.encoded_size()
	);
	let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
	println!(
		"{}",
		status
			.lines()
			.find(|line| line.starts_with("VmHWM"))
			.unwrap_or("VmHWM: unknown here")
	);
	Ok(())
}

fn check(
	terms: &SaleTerms,
	blind: &Blind,
	anchors: &[SoldAnchor],
	edges: &Edges,
	delivered: &[SealedLeaf],
) -> Result<(), String> {
	let mut checker = Checker::new(terms, blind, anchors, edges).map_err(|fault| format!("{fault:?}"))?;
	for leaf in delivered {
		checker.check(leaf).map_err(|fault| format!("{fault:?}"))?;
	}
	checker.finish().map_err(|fault| format!("{fault:?}"))
}

/// Positions of the leaves that do not open to what the device measured.
fn open(
	terms: &SaleTerms,
	blinded: &m2m_fair_exchange::BlindedKey,
	blind: &Blind,
	anchors: &[SoldAnchor],
	delivered: &[SealedLeaf],
) -> Result<Vec<u32>, String> {
	let mut opener = Opener::new(terms, blinded, blind, anchors).map_err(|fault| format!("{fault:?}"))?;
	let mut bad = Vec::new();
	for (position, leaf) in (0..).zip(delivered) {
		match opener.open(leaf) {
			Ok(opened) if opened.reading == taken(opened.place) => (),
			_ => bad.push(position),
		}
	}
	Ok(bad)
}
