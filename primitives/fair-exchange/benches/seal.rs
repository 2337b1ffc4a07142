//! Cost of selling 1,000,000 readings over 1,000 anchors, and of a dispute over 4,096.

#![allow(missing_docs, reason = "the macros of criterion make public functions")]

use codec::Encode;
use criterion::{Criterion, criterion_group, criterion_main};
use m2m_device::AccountId;
use m2m_fair_exchange::{
	Blind, BlindedKey, Checker, Edges, Opener, Place, SaleEvidence, SaleRange, SaleTerms, SealedLeaf, Sealer,
	SealingKey, SoldAnchor, SoldAnchors,
};
use m2m_merkle::{DataTree, Reading, batch_secret, reading};
use sp_core::H256;
use std::hint::black_box;

const GENESIS: [u8; 32] = [0x11; 32];
const BLINDED: BlindedKey = BlindedKey([1; 32]);
const BLIND: Blind = Blind([2; 32]);

/// Seals whole anchors, deriving each salt as a seller's store does.
fn seal(sold: &SoldAnchors) -> (Vec<SealedLeaf>, H256) {
	let mut sealer = Sealer::new(sold, SealingKey::new(&BLINDED, &BLIND));
	let mut secret = [0; 32];
	let delivered = sold
		.places()
		.map(|Place { seq, index }| {
			if index == 0 {
				secret = batch_secret(&[5; 32], 0, seq);
			}
			let reading = Reading {
				time_ms: seq * 1_000_000 + u64::from(index),
				value: index.into(),
			};
			sealer
				.seal(&reading::salt(&secret, index), &reading)
				.expect("in the range")
		})
		.collect();
	(delivered, sealer.finish().expect("the whole range"))
}

fn sale(anchors: u64, per_anchor: u64) -> (Vec<SoldAnchor>, SaleTerms, Vec<SealedLeaf>) {
	let mut anchors: Vec<SoldAnchor> = (0..anchors)
		.map(|seq| SoldAnchor {
			seq,
			count: per_anchor,
			data_root: H256::zero(),
		})
		.collect();
	let range = SaleRange {
		stream: 0,
		first: Place { seq: 0, index: 0 },
		last: Place {
			seq: anchors.len() as u64 - 1,
			index: per_anchor as u32 - 1,
		},
	};
	let (delivered, sale_root) = seal(&SoldAnchors::new(&range, &anchors).expect("fits"));
	for (anchor, leaves) in anchors.iter_mut().zip(delivered.chunks(per_anchor as usize)) {
		let leaves = leaves.iter().map(|leaf| leaf.leaf).collect();
		anchor.data_root = H256(DataTree::new(leaves).expect("has leaves").root());
	}
	let sold = SoldAnchors::new(&range, &anchors).expect("fits");
	let terms = SaleTerms {
		listing: 1,
		version: 1,
		device: AccountId::new([1; 32]),
		generation: 0,
		range,
		range_commitment: sold.commitment(),
		leaves: sold.len(),
		seller: AccountId::new([2; 32]),
		buyer: AccountId::new([4; 32]),
		price: 1,
		sale_root,
		blinded_key_commitment: BLINDED.commitment(),
		blind_commitment: BLIND.commitment(),
		reveal_window: 1_200,
		dispute_window: 4_800,
		nonce: 1,
		expires: 600,
	};
	(anchors, terms, delivered)
}

fn sales(criterion: &mut Criterion) {
	let (anchors, terms, delivered) = sale(1_000, 1_000);
	let sold = SoldAnchors::new(&terms.range, &anchors).expect("fits");
	let edges = Edges::default();
	let mut group = criterion.benchmark_group("1,000,000 readings");
	group.sample_size(10);
	group.bench_function("seal", |bench| bench.iter(|| seal(black_box(&sold))));
	group.bench_function("check before paying", |bench| {
		bench.iter(|| {
			let mut checker = Checker::new(&terms, &BLIND, &anchors, &edges).expect("fits");
			for leaf in black_box(&delivered) {
				checker.check(leaf).expect("honest");
			}
			checker.finish().expect("honest")
		})
	});
	group.bench_function("open", |bench| {
		bench.iter(|| {
			let mut opener = Opener::new(&terms, &BLINDED, &BLIND, &anchors).expect("fits");
			for leaf in black_box(&delivered) {
				black_box(opener.open(leaf).expect("honest"));
			}
		})
	});
	group.finish();

	let (anchors, terms, delivered) = sale(4, 1_024);
	let evidence = SaleEvidence::new(&terms, &BLIND, &anchors, delivered, 4_000).expect("in the sale");
	let id = terms.sale_id(&GENESIS);
	println!("evidence {} bytes", evidence.encoded_size());
	criterion.bench_function("judge evidence, 4,096 readings", |bench| {
		bench.iter(|| black_box(&evidence).convicts(&GENESIS, &id, &BLINDED))
	});
}

criterion_group!(benches, sales);
criterion_main!(benches);
