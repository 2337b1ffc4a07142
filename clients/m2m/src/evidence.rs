//! Evidence that an anchor on chain contradicts its own readings, as a file.
//!
//! Whoever was shown all readings of a batch with their salts can rebuild the trees to which the signer
//! committed, and if the anchor's total is not theirs, `m2m_merkle::Batch::evidence` gives the evidence. The
//! file is JSON, format `m2m/false-anchor-evidence`, version 1:
//!
//! | field | content |
//! |---|---|
//! | `genesis` | hash of the chain's first block |
//! | `device`, `stream`, `sequence` | the anchor that is accused |
//! | `evidence` | one path in each of its trees, as the `m2m-merkle` crate writes them |

use crate::{Error, Result, chain::Chain, keys, store::AnchorName};
use m2m_anchor::{Anchor, AnchorRecord, StreamId, Summary};
use m2m_merkle::{FalseAnchorEvidence, Lie, NotFalse};
use serde::{Deserialize, Serialize};
use std::path::Path;

const FORMAT: &str = "m2m/false-anchor-evidence";
const VERSION: u32 = 1;
/// Larger than any evidence: two paths of at most 32 levels, each of less than 1 kB.
const MAX_FILE_BYTES: u64 = 128 * 1024;

/// An accusation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accusation {
	/// Genesis hash of the chain.
	pub genesis: [u8; 32],
	/// The accused anchor.
	pub anchor: AnchorName,
	/// What convicts it.
	pub evidence: FalseAnchorEvidence,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EvidenceFile {
	format: String,
	version: u32,
	genesis: String,
	device: String,
	stream: StreamId,
	sequence: u64,
	evidence: FalseAnchorEvidence,
}

impl Accusation {
	/// Reads an evidence file.
	pub fn from_file(file: &Path) -> Result<Self> {
		let metadata = std::fs::metadata(file).map_err(|cause| match cause.kind() {
			std::io::ErrorKind::NotFound => Error::bad_file(file, "there is no such file"),
			_ => Error::io(file, cause),
		})?;
		if metadata.len() > MAX_FILE_BYTES {
			return Err(Error::bad_file(file, "it is too large for evidence"));
		}
		let text = std::fs::read(file).map_err(|cause| Error::io(file, cause))?;
		let stored: EvidenceFile = serde_json::from_slice(&text)
			.map_err(|error| Error::bad_file(file, format!("this is not an {FORMAT} file: {error}")))?;
		if stored.format != FORMAT || stored.version != VERSION {
			return Err(Error::bad_file(
				file,
				format!(
					"a file of format {FORMAT}, version {VERSION} is needed, not {}, version {}",
					stored.format, stored.version
				),
			));
		}
		let genesis = crate::batch::parse_hash(&stored.genesis)
			.ok_or_else(|| Error::bad_file(file, "`genesis` is not 0x and 64 hex digits"))?;
		Ok(Self {
			genesis: genesis.0,
			anchor: AnchorName {
				device: keys::parse_address(&stored.device)
					.map_err(|error| Error::bad_file(file, error.to_string()))?,
				stream: stored.stream,
				seq: stored.sequence,
			},
			evidence: stored.evidence,
		})
	}

	/// The evidence file's text.
	pub fn to_json(&self) -> Result<String> {
		let file = EvidenceFile {
			format: FORMAT.into(),
			version: VERSION,
			genesis: format!("0x{}", hex::encode(self.genesis)),
			device: keys::address(&self.anchor.device),
			stream: self.anchor.stream,
			sequence: self.anchor.seq,
			evidence: self.evidence.clone(),
		};
		serde_json::to_string_pretty(&file)
			.map(|text| text + "\n")
			.map_err(|error| Error::Store(error.to_string()))
	}

	/// In what the anchor contradicts its readings, or why this does not convict it.
	pub fn check(&self, anchor: &Anchor) -> std::result::Result<Lie, NotFalse> {
		let root = match &anchor.summary {
			Summary::Open { top_hash, aggregate } => m2m_merkle::aggregate_root(&top_hash.0, aggregate),
			Summary::Private { aggregate_root, .. } => aggregate_root.0,
		};
		self.evidence.convicts(&anchor.data_root.0, &root, anchor.count())
	}
}

/// The accused anchor as the chain has it, and in what it is false. Costs nothing, so that nobody pays for an
/// accusation that the chain would refuse.
pub async fn examine(chain: &Chain, accusation: &Accusation) -> Result<(AnchorRecord, Lie)> {
	let AnchorName { device, stream, seq } = &accusation.anchor;
	let record = chain
		.finalized()
		.await?
		.anchor(chain, device, *stream, *seq)
		.await?
		.ok_or_else(|| {
			Error::Unknown(format!(
				"the chain has no anchor {seq} of stream {stream} of {} in state: only the newest of a stream can be convicted",
				keys::address(device)
			))
		})?;
	if record.flags.disputed {
		return Err(Error::Usage(format!(
			"anchor {seq} of stream {stream} of {} is convicted already",
			keys::address(device)
		)));
	}
	let lie = accusation.check(&record.anchor).map_err(|reason| {
		Error::ProofDoesNotHold(match reason {
			NotFalse::ReadingNotInDataTree => "the reading is not in the data tree of the anchor".into(),
			NotFalse::PathNotInAggregateTree => {
				"the path does not lead to the aggregate root of the anchor".into()
			}
			NotFalse::NothingWrong => "it belongs to the anchor, and all that it says is true".into(),
		})
	})?;
	Ok((record, lie))
}

/// What an anchor lied about, for people.
pub fn describe(lie: Lie) -> String {
	match lie {
		Lie::DataCount => "its data tree has not the number of readings that it claims".into(),
		Lie::Count => "its total counts other readings than it claims".into(),
		Lie::Leaf => "its two trees hold different readings".into(),
		Lie::LeafAggregate => "the aggregate of a reading is not that of the reading".into(),
		Lie::Combination { level } => {
			format!("the aggregate {level} levels above a reading is not the sum of what is below it")
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m_device::DeviceId;
	use m2m_merkle::{Batch, Reading};
	use sp_core::H256;

	fn batch() -> Batch {
		let readings = (1..=5)
			.map(|index| Reading {
				time_ms: index * 900_000,
				value: 100,
			})
			.collect();
		Batch::new(&[7; 32], readings).unwrap()
	}

	/// An anchor over true readings whose total is 1 Wh too high, and what convicts it.
	fn lie() -> (Anchor, Accusation) {
		let batch = batch();
		let mut claimed = *batch.aggregate();
		claimed.sum += 1;
		let anchor = Anchor {
			data_root: H256(batch.data_root()),
			summary: Summary::Open {
				top_hash: H256(batch.top_hash()),
				aggregate: claimed,
			},
		};
		let accusation = Accusation {
			genesis: [9; 32],
			anchor: AnchorName {
				device: DeviceId::new([1; 32]),
				stream: 2,
				seq: 3,
			},
			evidence: batch.evidence(4, claimed).unwrap(),
		};
		(anchor, accusation)
	}

	#[test]
	fn evidence_survives_a_file_and_convicts() {
		let (anchor, accusation) = lie();
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("evidence.json");
		std::fs::write(&file, accusation.to_json().unwrap()).unwrap();
		let read = Accusation::from_file(&file).unwrap();
		assert_eq!(read, accusation);
		let found = read.check(&anchor).unwrap();
		assert!(matches!(found, Lie::Combination { .. }), "{found:?}");
		assert!(describe(found).contains("not the sum"), "{}", describe(found));
	}

	#[test]
	fn an_honest_anchor_is_not_convicted() {
		let (mut anchor, accusation) = lie();
		let batch = batch();
		anchor.summary = Summary::Open {
			top_hash: H256(batch.top_hash()),
			aggregate: *batch.aggregate(),
		};
		assert_eq!(accusation.check(&anchor), Err(NotFalse::PathNotInAggregateTree));
		let honest = Accusation {
			evidence: batch.evidence(4, *batch.aggregate()).unwrap(),
			..accusation
		};
		assert_eq!(honest.check(&anchor), Err(NotFalse::NothingWrong));
	}

	#[test]
	fn what_is_not_evidence_is_refused() {
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("evidence.json");
		let (_, accusation) = lie();
		let text = accusation.to_json().unwrap();
		for text in [
			String::new(),
			"{}".into(),
			text.replace("\"version\": 1", "\"version\": 2"),
			text.replace("\"genesis\": \"0x", "\"genesis\": \""),
			text.replace("\"stream\"", "\"streams\""),
			" ".repeat(200_000),
		] {
			std::fs::write(&file, text).unwrap();
			assert_eq!(Accusation::from_file(&file).unwrap_err().exit_code(), 6);
		}
	}
}
