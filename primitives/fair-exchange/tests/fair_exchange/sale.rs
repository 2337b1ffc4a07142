//! A sale from both sides, for the tests to play with.

use m2m_device::{AccountId, DeviceId};
use m2m_fair_exchange::{
	Blind, BlindedKey, Checker, DeliveryFault, Edges, NotGuilty, OpenFault, Opened, Opener, Place,
	SaleEvidence, SaleRange, SaleTerms, SealedLeaf, Sealer, SealingKey, SoldAnchor, SoldAnchors,
};
use m2m_merkle::{Batch, Reading, batch_secret, reading};
use proptest::prelude::*;
use sp_core::H256;
use std::collections::BTreeMap;

pub const GENESIS: [u8; 32] = [0x11; 32];
pub const STREAM: u32 = 3;

/// Everything that the two parties and the chain know.
#[derive(Clone, Debug)]
pub struct Sale {
	pub batches: BTreeMap<u64, Batch>,
	pub anchors: Vec<SoldAnchor>,
	pub blinded: BlindedKey,
	pub blind: Blind,
	pub terms: SaleTerms,
	pub edges: Edges,
	pub delivered: Vec<SealedLeaf>,
}

pub fn batch(seq: u64, count: u64, seed: u8) -> Batch {
	let readings = (0..count)
		.map(|index| Reading {
			time_ms: 1_700_000_000_000 + 900_000 * seq + 1_000 * index,
			value: (seq * 31 + index * 7) as i64 % 23 - 9,
		})
		.collect();
	Batch::new(&batch_secret(&[seed; 32], STREAM, seq), readings).unwrap()
}

/// Salt and reading of a leaf.
pub fn plaintext(seq: u64, index: u32, seed: u8, batch: &Batch) -> ([u8; 16], Reading) {
	let salt = reading::salt(&batch_secret(&[seed; 32], STREAM, seq), index);
	(salt, batch.readings()[index as usize])
}

impl Sale {
	/// An honest sale. `sizes` are sequence numbers and counts of the anchors; the range begins at index
	/// `first` of the first and ends at index `last` of the last.
	pub fn honest(sizes: &[(u64, u64)], first: u32, last: u32, seed: u8) -> Self {
		let batches: BTreeMap<u64, Batch> = sizes
			.iter()
			.map(|(seq, count)| (*seq, batch(*seq, *count, seed)))
			.collect();
		let anchors: Vec<SoldAnchor> = batches
			.iter()
			.map(|(seq, batch)| SoldAnchor {
				seq: *seq,
				count: batch.len(),
				data_root: H256(batch.data_root()),
			})
			.collect();
		let (from, to) = (sizes[0].0, sizes[sizes.len() - 1].0);
		let range = SaleRange {
			stream: STREAM,
			first: Place {
				seq: from,
				index: first,
			},
			last: Place { seq: to, index: last },
		};
		let sold = SoldAnchors::new(&range, &anchors).unwrap();
		let blind = Blind([seed ^ 0x5a; 32]);
		let mut terms = SaleTerms {
			listing: 7,
			version: 2,
			device: DeviceId::new([0x44; 32]),
			generation: 1,
			range,
			range_commitment: sold.commitment(),
			leaves: sold.len(),
			seller: AccountId::new([0x55; 32]),
			buyer: AccountId::new([0x66; 32]),
			price: 12_000_000_000_000,
			sale_root: H256::zero(),
			blinded_key_commitment: H256::zero(),
			blind_commitment: blind.commitment(),
			reveal_window: 1_200,
			dispute_window: 4_800,
			nonce: seed.into(),
			expires: 600,
		};
		let blinded = terms.blinded_key(&GENESIS, &[0x77; 32]);
		terms.blinded_key_commitment = blinded.commitment();
		let mut sealer = Sealer::new(&sold, SealingKey::new(&blinded, &blind));
		let delivered = sold
			.places()
			.map(|Place { seq, index }| {
				let (salt, reading) = plaintext(seq, index, seed, &batches[&seq]);
				sealer.seal(&salt, &reading).unwrap()
			})
			.collect();
		terms.sale_root = sealer.finish().unwrap();
		let edges = Edges::new(&range, batches[&from].data_tree(), batches[&to].data_tree()).unwrap();
		Self {
			batches,
			anchors,
			blinded,
			blind,
			terms,
			edges,
			delivered,
		}
	}

	/// Three anchors, one sequence number never used, both ends inside an anchor: nine leaves.
	pub fn small() -> Self {
		Self::honest(&[(5, 4), (7, 3), (8, 5)], 2, 3, 1)
	}

	pub fn places(&self) -> Vec<Place> {
		SoldAnchors::new(&self.terms.range, &self.anchors)
			.unwrap()
			.places()
			.collect()
	}

	/// The seller replaces a ciphertext and signs for the result.
	pub fn cheat(&mut self, position: usize, sealed: [u8; 32]) {
		self.delivered[position].sealed = sealed;
		self.sign_for_delivery();
	}

	/// The seller signs for whatever it delivers.
	pub fn sign_for_delivery(&mut self) {
		let pairs = (0..)
			.zip(self.places())
			.zip(&self.delivered)
			.map(|((position, place), leaf)| leaf.pair(position, place))
			.collect();
		self.terms.sale_root = H256(m2m_merkle::DataTree::new(pairs).unwrap().root());
	}

	/// What the buyer does before paying.
	pub fn check(&self) -> Result<(), DeliveryFault> {
		let mut checker = Checker::new(&self.terms, &self.blind, &self.anchors, &self.edges)?;
		for leaf in &self.delivered {
			checker.check(leaf)?;
		}
		checker.finish()
	}

	/// What the buyer does after the key was revealed.
	pub fn open(&self) -> Vec<Result<Opened, OpenFault>> {
		let mut opener = Opener::new(&self.terms, &self.blinded, &self.blind, &self.anchors).unwrap();
		self.delivered.iter().map(|leaf| opener.open(leaf)).collect()
	}

	pub fn evidence(&self, position: u32) -> SaleEvidence {
		SaleEvidence::new(
			&self.terms,
			&self.blind,
			&self.anchors,
			self.delivered.iter().copied(),
			position,
		)
		.unwrap()
	}

	/// What the chain says, which knows the id of the sale and the revealed key.
	pub fn judge(&self, evidence: &SaleEvidence) -> Result<(), NotGuilty> {
		evidence.convicts(&GENESIS, &self.terms.sale_id(&GENESIS), &self.blinded)
	}
}

/// Sequence numbers with gaps and counts of up to five anchors.
pub fn sizes() -> impl Strategy<Value = Vec<(u64, u64)>> {
	(0u64..1_000, prop::collection::vec((1u64..4, 1u64..24), 1..6)).prop_map(|(start, sizes)| {
		let mut seq = start;
		sizes
			.into_iter()
			.map(|(gap, count)| {
				seq += gap;
				(seq, count)
			})
			.collect()
	})
}

/// Honest sales of any part of them.
pub fn sales() -> impl Strategy<Value = Sale> {
	(
		sizes(),
		any::<prop::sample::Index>(),
		any::<prop::sample::Index>(),
		any::<u8>(),
	)
		.prop_map(|(sizes, first, last, seed)| {
			let first = first.index(sizes[0].1 as usize) as u32;
			let from = if sizes.len() == 1 { first } else { 0 };
			let last = from + last.index(sizes[sizes.len() - 1].1 as usize - from as usize) as u32;
			Sale::honest(&sizes, first, last, seed)
		})
}
