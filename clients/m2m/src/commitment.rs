//! What a device computes: anchors over batches of its readings, signed envelopes, and proofs from them.

use crate::{
	Error, Result,
	keys::Device,
	store::{AnchorName, Batch},
};
use m2m_anchor::{Anchor, AnchorItem, AnchorProof, SignedAnchors, StreamId, Summary};
use m2m_device::UnixMs;
use m2m_merkle::{BatchError, Reading, ReadingProof, batch_secret, range};
use sp_core::H256;

fn trees(
	secret: &[u8; 32],
	stream: StreamId,
	seq: u64,
	readings: &[(UnixMs, i64)],
) -> Result<m2m_merkle::Batch> {
	let readings = readings
		.iter()
		.map(|(time_ms, value)| Reading {
			time_ms: *time_ms,
			value: *value,
		})
		.collect();
	m2m_merkle::Batch::new(&batch_secret(secret, stream, seq), readings).map_err(|error| {
		Error::Usage(match error {
			BatchError::Empty => "a batch without readings cannot be anchored".into(),
			BatchError::TooMany => "a batch has more than 2^32 readings".into(),
			BatchError::TimesNotIncreasing { index } => {
				format!("reading {index} of a batch is not later than the one before it")
			}
		})
	})
}

/// The anchor of an open stream's batch. `secret` is the device's; times must strictly increase.
pub fn anchor(secret: &[u8; 32], stream: StreamId, seq: u64, readings: &[(UnixMs, i64)]) -> Result<Anchor> {
	let trees = trees(secret, stream, seq, readings)?;
	Ok(Anchor {
		data_root: H256(trees.data_root()),
		summary: Summary::Open {
			top_hash: H256(trees.top_hash()),
			aggregate: *trees.aggregate(),
		},
	})
}

/// The anchor of a private stream's batch, which shows no more than number and times of the readings.
pub fn private_anchor(
	secret: &[u8; 32],
	stream: StreamId,
	seq: u64,
	readings: &[(UnixMs, i64)],
) -> Result<Anchor> {
	let trees = trees(secret, stream, seq, readings)?;
	let aggregate = trees.aggregate();
	Ok(Anchor {
		data_root: H256(trees.data_root()),
		summary: Summary::Private {
			aggregate_root: H256(trees.aggregate_root()),
			count: aggregate.count,
			t_first: aggregate.t_first,
			t_last: aggregate.t_last,
		},
	})
}

/// Opens one reading of a batch.
pub fn reading_proof(
	secret: &[u8; 32],
	stream: StreamId,
	seq: u64,
	readings: &[(UnixMs, i64)],
	index: usize,
) -> Result<ReadingProof> {
	u32::try_from(index)
		.ok()
		.and_then(|index| {
			trees(secret, stream, seq, readings)
				.map(|trees| trees.open(index))
				.transpose()
		})
		.unwrap_or_else(|| Err(Error::Usage(format!("a batch has no reading {index}"))))
}

/// Signs anchors of one device with its key. Anchors need no expiry: their sequence numbers stop replay.
pub fn envelope(
	genesis: &[u8; 32],
	device: &Device,
	batches: &[(AnchorName, Batch)],
) -> Result<SignedAnchors> {
	let items: Vec<AnchorItem> = batches
		.iter()
		.map(|(name, batch)| AnchorItem {
			stream: name.stream,
			seq: name.seq,
			anchor: batch.anchor.clone(),
		})
		.collect();
	let key = device.key.account();
	let signature = device
		.key
		.sign(&SignedAnchors::signed_bytes(genesis, &device.id, &key, 0, &items));
	let items = items
		.try_into()
		.map_err(|_| Error::Usage("an envelope holds at most eight anchors".into()))?;
	Ok(SignedAnchors {
		device: device.id.clone(),
		key,
		expires: 0,
		items,
		signature,
	})
}

/// True if the reading is in the anchor.
pub fn reading_holds(anchor: &Anchor, proof: &ReadingProof) -> bool {
	proof.verify_counted(anchor.data_root.as_fixed_bytes(), anchor.count())
}

/// True if the anchor is in the range with this root.
pub fn anchor_holds(root: H256, proof: &AnchorProof) -> bool {
	let leaf = proof.anchor.range_leaf(&proof.device, proof.stream, proof.seq);
	let path: Vec<_> = proof.path.iter().map(|step| step.0).collect();
	range::verify(
		root.as_fixed_bytes(),
		leaf.as_fixed_bytes(),
		proof.position,
		proof.leaves,
		&path,
	)
}

/// Root of the mountain range over these leaves; `None` if there are none.
pub fn range_root(leaves: &[H256]) -> Option<H256> {
	let mut range = range::Range::default();
	for leaf in leaves {
		range.append(leaf.0);
	}
	range.root().map(H256)
}

/// Path from the leaf at `position` to the root over these leaves; `None` beyond the last.
pub fn range_path(leaves: &[H256], position: u64) -> Option<Vec<H256>> {
	let leaves: Vec<_> = leaves.iter().map(|leaf| leaf.0).collect();
	Some(range::prove(&leaves, position)?.into_iter().map(H256).collect())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn an_envelope_is_signed_for_one_chain() {
		let device = Device::generate("m1", Default::default()).unwrap();
		let readings = [(900_000, 7), (1_800_000, -3)];
		let anchor = anchor(device.secret(), 4, 9, &readings).unwrap();
		let name = AnchorName {
			device: device.id.clone(),
			stream: 4,
			seq: 9,
		};
		let batch = Batch {
			anchor,
			readings: readings.to_vec(),
		};
		let envelope = envelope(&[1; 32], &device, &[(name, batch)]).unwrap();
		assert!(envelope.verify(&[1; 32], &device.key.public()));
		assert!(!envelope.verify(&[2; 32], &device.key.public()));
	}

	#[test]
	fn a_private_anchor_commits_to_the_same_and_shows_less() {
		let readings = [(60_000, 7), (120_000, 9)];
		let open = anchor(&[3; 32], 1, 2, &readings).unwrap();
		let private = private_anchor(&[3; 32], 1, 2, &readings).unwrap();
		assert!(private.is_private() && !open.is_private());
		assert_eq!(private.data_root, open.data_root);
		assert_eq!(
			(private.count(), private.t_first(), private.t_last()),
			(2, 60_000, 120_000)
		);
		let Summary::Open { top_hash, aggregate } = open.summary else {
			panic!("it is open")
		};
		let Summary::Private { aggregate_root, .. } = private.summary else {
			panic!("it is private")
		};
		assert_eq!(
			aggregate_root.0,
			m2m_merkle::aggregate_root(&top_hash.0, &aggregate)
		);
	}

	#[test]
	fn readings_that_form_no_batch_are_refused() {
		for readings in [&[][..], &[(5, 1), (5, 2)], &[(5, 1), (4, 2)]] {
			assert!(matches!(anchor(&[0; 32], 0, 0, readings), Err(Error::Usage(_))));
		}
		let error = reading_proof(&[0; 32], 0, 0, &[(5, 1)], 1).unwrap_err();
		assert!(error.to_string().contains("no reading 1"), "{error}");
	}

	#[test]
	fn salts_differ_between_streams_and_sequence_numbers() {
		let open = |stream, seq| reading_proof(&[3; 32], stream, seq, &[(5, 1)], 0).unwrap();
		assert_eq!(open(0, 0), open(0, 0));
		assert_ne!(open(0, 0).salt, open(1, 0).salt);
		assert_ne!(open(0, 0).salt, open(0, 1).salt);
	}
}
