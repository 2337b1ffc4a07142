//! Proofs that a reading was recorded, unchanged, at its time, by its device.
//!
//! A proof has two halves: the reading is in the data tree of an anchor, and the anchor is in the mountain range of
//! its stream, whose root the chain keeps for ever. The file is JSON, format `m2m/reading-proof`, version 1:
//!
//! | field | content |
//! |---|---|
//! | `genesis` | hash of the chain's first block |
//! | `device`, `did`, `stream`, `sequence` | which anchor of which stream; `did` is for reading only |
//! | `quantity`, `unit`, `scale` | what the stream measures, for reading only |
//! | `reading` | `time_ms` (and `time`, for reading only), `value`, `index` and `count` in the batch, `salt`, `path` to the data root |
//! | `anchor` | `data_root`; open streams: `top_hash` and `aggregate`; private ones: `aggregate_root`, `count`, `t_first`, `t_last` |
//! | `range` | `position` of the anchor's leaf, `leaves` of the range that `path` leads to |
//! | `block` | block that took the anchor, if known, for reading only |
//! | `source` | meter and slot in the file that was replayed, if any; used to compare with such a file |
//!
//! Hashes are `0x` and 64 hex digits, salts `0x` and 32; sums are decimal text, because they may exceed what JSON
//! numbers hold exactly. What is "for reading only" is not part of what is proven.

use crate::{
	Error, Result,
	chain::{Block, Chain, telemetry::Quantity},
	commitment,
	keys::{self, Device},
	readings::MeterReadings,
	replay::{self, Mapping},
	store::{AnchorName, Receipt, Store},
	time::{self, QUARTER_HOUR_MS},
};
use m2m_anchor::{Anchor, AnchorProof, ProofFault, StreamId, Summary};
use m2m_device::{DeviceId, UnixMs};
use m2m_merkle::{Aggregate, Reading, ReadingProof};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sp_core::H256;
use std::path::Path;

const FORMAT: &str = "m2m/reading-proof";
const VERSION: u32 = 1;
/// Larger than any proof: two paths of at most 64 hashes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Meter and slot of the file from which a reading came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
	/// The meter.
	pub meter: String,
	/// Start of the slot in the file, RFC 3339.
	pub slot_start: String,
}

/// A proof that a reading was recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
	/// Genesis hash of the chain.
	pub genesis: [u8; 32],
	/// The anchor is in the range.
	pub anchor: AnchorProof,
	/// The reading is in the anchor.
	pub reading: ReadingProof,
	/// What the stream measures, if it is one of these.
	pub quantity: Option<Quantity>,
	/// Unit at scale 0.
	pub unit: String,
	/// The value stands for `value * 10^scale` units.
	pub scale: i8,
	/// Block that took the anchor, if known.
	pub block: Option<u32>,
	/// Where the reading came from, if it was replayed from a file.
	pub source: Option<Source>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofFile {
	format: String,
	version: u32,
	genesis: String,
	device: String,
	did: String,
	stream: StreamId,
	sequence: u64,
	quantity: Option<String>,
	unit: String,
	scale: i8,
	reading: ReadingPart,
	anchor: AnchorPart,
	range: RangePart,
	block: Option<u32>,
	source: Option<Source>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadingPart {
	time: String,
	time_ms: UnixMs,
	value: i64,
	index: u32,
	count: u64,
	salt: String,
	path: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnchorPart {
	data_root: String,
	#[serde(default, skip_serializing_if = "Option::is_none")]
	open: Option<OpenPart>,
	#[serde(default, skip_serializing_if = "Option::is_none")]
	private: Option<PrivatePart>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenPart {
	top_hash: String,
	aggregate: Aggregate,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivatePart {
	aggregate_root: String,
	count: u64,
	t_first: UnixMs,
	t_last: UnixMs,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RangePart {
	position: u64,
	leaves: u64,
	path: Vec<String>,
}

fn to_hex(bytes: &[u8]) -> String {
	format!("0x{}", hex::encode(bytes))
}

fn from_hex<const N: usize>(field: &str, text: &str) -> std::result::Result<[u8; N], String> {
	let mut bytes = [0; N];
	text.strip_prefix("0x")
		.and_then(|digits| hex::decode_to_slice(digits, &mut bytes).ok())
		.map(|()| bytes)
		.ok_or_else(|| format!("`{field}` is not 0x and {} hex digits", N.saturating_mul(2)))
}

impl Proof {
	/// Reads a proof file.
	pub fn from_file(file: &Path) -> Result<Self> {
		let metadata = std::fs::metadata(file).map_err(|cause| match cause.kind() {
			std::io::ErrorKind::NotFound => Error::bad_file(file, "there is no such file"),
			_ => Error::io(file, cause),
		})?;
		if metadata.len() > MAX_FILE_BYTES {
			return Err(Error::bad_file(file, "it is too large for a proof"));
		}
		let text = std::fs::read(file).map_err(|cause| Error::io(file, cause))?;
		Self::from_json(&text).map_err(|problem| Error::bad_file(file, problem))
	}

	/// Reads a proof, or says what is wrong with it.
	pub fn from_json(text: &[u8]) -> std::result::Result<Self, String> {
		#[derive(Deserialize)]
		struct Header {
			format: String,
			version: u32,
		}
		let header: Header =
			serde_json::from_slice(text).map_err(|error| format!("this is not an {FORMAT} file: {error}"))?;
		if header.format != FORMAT || header.version != VERSION {
			return Err(format!(
				"a file of format {FORMAT}, version {VERSION} is needed, not {}, version {}",
				header.format, header.version
			));
		}
		let file: ProofFile =
			serde_json::from_slice(text).map_err(|error| format!("this is not an {FORMAT} file: {error}"))?;

		let summary = match (file.anchor.open, file.anchor.private) {
			(Some(open), None) => Summary::Open {
				top_hash: H256(from_hex("top_hash", &open.top_hash)?),
				aggregate: open.aggregate,
			},
			(None, Some(private)) => Summary::Private {
				aggregate_root: H256(from_hex("aggregate_root", &private.aggregate_root)?),
				count: private.count,
				t_first: private.t_first,
				t_last: private.t_last,
			},
			_ => return Err("`anchor` must have exactly one of `open` and `private`".into()),
		};
		let mut range_path = Vec::with_capacity(file.range.path.len());
		for step in &file.range.path {
			range_path.push(H256(from_hex("range.path", step)?));
		}
		let mut reading_path = Vec::with_capacity(file.reading.path.len());
		for step in &file.reading.path {
			reading_path.push(from_hex("reading.path", step)?);
		}
		let quantity = match &file.quantity {
			None => None,
			Some(name) => {
				let quantity = Quantity::from_name(name);
				Some(quantity.ok_or_else(|| format!("`quantity` {name} is not known"))?)
			}
		};
		Ok(Self {
			genesis: from_hex("genesis", &file.genesis)?,
			anchor: AnchorProof {
				device: keys::parse_address(&file.device).map_err(|error| error.to_string())?,
				stream: file.stream,
				seq: file.sequence,
				anchor: Anchor {
					data_root: H256(from_hex("data_root", &file.anchor.data_root)?),
					summary,
				},
				position: file.range.position,
				leaves: file.range.leaves,
				path: range_path,
			},
			reading: ReadingProof {
				index: file.reading.index,
				count: file.reading.count,
				salt: from_hex("salt", &file.reading.salt)?,
				reading: Reading {
					time_ms: file.reading.time_ms,
					value: file.reading.value,
				},
				path: reading_path,
			},
			quantity,
			unit: file.unit,
			scale: file.scale,
			block: file.block,
			source: file.source,
		})
	}

	fn to_file(&self) -> ProofFile {
		let AnchorProof {
			device,
			stream,
			seq,
			anchor,
			position,
			leaves,
			path,
		} = &self.anchor;
		let (open, private) = match &anchor.summary {
			Summary::Open { top_hash, aggregate } => {
				let open = OpenPart {
					top_hash: to_hex(top_hash.as_bytes()),
					aggregate: *aggregate,
				};
				(Some(open), None)
			}
			Summary::Private {
				aggregate_root,
				count,
				t_first,
				t_last,
			} => {
				let private = PrivatePart {
					aggregate_root: to_hex(aggregate_root.as_bytes()),
					count: *count,
					t_first: *t_first,
					t_last: *t_last,
				};
				(None, Some(private))
			}
		};
		let reading = &self.reading;
		ProofFile {
			format: FORMAT.into(),
			version: VERSION,
			genesis: to_hex(&self.genesis),
			device: keys::address(device),
			did: keys::did(&self.genesis, device),
			stream: *stream,
			sequence: *seq,
			quantity: self.quantity.map(|quantity| quantity.name().into()),
			unit: self.unit.clone(),
			scale: self.scale,
			reading: ReadingPart {
				time: time::format(reading.reading.time_ms),
				time_ms: reading.reading.time_ms,
				value: reading.reading.value,
				index: reading.index,
				count: reading.count,
				salt: to_hex(&reading.salt),
				path: reading.path.iter().map(|step| to_hex(step)).collect(),
			},
			anchor: AnchorPart {
				data_root: to_hex(anchor.data_root.as_bytes()),
				open,
				private,
			},
			range: RangePart {
				position: *position,
				leaves: *leaves,
				path: path.iter().map(|step| to_hex(step.as_bytes())).collect(),
			},
			block: self.block,
			source: self.source.clone(),
		}
	}

	/// The proof file's text.
	pub fn to_json(&self) -> Result<String> {
		serde_json::to_string_pretty(&self.to_file())
			.map(|text| text + "\n")
			.map_err(|error| Error::Store(error.to_string()))
	}

	/// The proof file as a JSON value.
	pub fn to_value(&self) -> Result<Value> {
		serde_json::to_value(self.to_file()).map_err(|error| Error::Store(error.to_string()))
	}

	/// One line for people.
	pub fn describe(&self) -> String {
		let scale = if self.scale == 0 {
			String::new()
		} else {
			format!(" * 10^{}", self.scale)
		};
		let meter = match (&self.source, self.quantity) {
			(Some(source), Some(quantity)) => format!("{} {}: ", source.meter, quantity.name()),
			(None, Some(quantity)) => format!("{}: ", quantity.name()),
			_ => String::new(),
		};
		let slot = match &self.source {
			Some(source) => format!(" (in the file {})", source.slot_start),
			None => String::new(),
		};
		format!(
			"{meter}{}{scale} {} at {}{slot}\nrecorded by {}\nin stream {}, sequence {}{}",
			self.reading.reading.value,
			self.unit,
			time::format(self.reading.reading.time_ms),
			keys::did(&self.genesis, &self.anchor.device),
			self.anchor.stream,
			self.anchor.seq,
			self.block
				.map_or_else(String::new, |block| format!(", block {block}")),
		)
	}

	/// Hashes from the reading to the data root.
	pub fn reading_steps(&self) -> usize {
		self.reading.path.len()
	}

	/// Hashes from the anchor to the root of the range.
	pub fn range_steps(&self) -> usize {
		self.anchor.path.len()
	}

	/// Anchors in the range that the proof leads to.
	pub fn leaves(&self) -> u64 {
		self.anchor.leaves
	}

	/// Checks both halves on this computer against the root of a range.
	pub fn check(&self, range_root: Option<H256>) -> std::result::Result<(), ProofFault> {
		if !commitment::reading_holds(&self.anchor.anchor, &self.reading) {
			return Err(ProofFault::ReadingNotInAnchor);
		}
		match range_root {
			Some(root) if commitment::anchor_holds(root, &self.anchor) => Ok(()),
			_ => Err(ProofFault::AnchorNotInRange),
		}
	}

	/// The value that a file of meter readings has in the place of this reading.
	pub fn value_in(&self, readings: &MeterReadings) -> Result<i64> {
		let (Some(source), Some(quantity)) = (&self.source, self.quantity) else {
			return Err(Error::bad_file(
				&readings.file,
				"the proof does not say which meter and slot to compare with",
			));
		};
		let start = time::parse(&source.slot_start)?;
		readings
			.slot(&source.meter, start - start % QUARTER_HOUR_MS)
			.map(|slot| quantity.readings(&source.meter, slot))
			.and_then(|readings| readings.into_iter().find(|(time, _)| *time == start))
			.map(|(_, wh)| wh)
			.ok_or_else(|| {
				Error::bad_file(
					&readings.file,
					format!("there is no slot {} of {}", source.slot_start, source.meter),
				)
			})
	}
}

/// Makes a proof of the reading of a device at a time, from the local store. The time may be that of the reading
/// as anchored, or that in a file that was replayed.
pub async fn make(
	chain: &Chain,
	store: &Store,
	device: &Device,
	quantity: Quantity,
	at: UnixMs,
) -> Result<Proof> {
	replay::check_store(chain, store).await?;
	let block = chain.finalized().await?;
	let streams = replay::known_streams(chain, &block, std::slice::from_ref(device)).await?;
	let stream = streams
		.get(&device.name)
		.and_then(|streams| streams.get(&quantity))
		.map(|stream| stream.id)
		.ok_or_else(|| {
			Error::Unknown(format!(
				"{} has no open {} stream on this chain",
				device.name,
				quantity.name()
			))
		})?;
	let (seq, batch, index) = find_reading(store, device, stream, quantity, at)?;
	let name = AnchorName {
		device: device.id.clone(),
		stream,
		seq,
	};
	let (recorded_in, position) = match store.receipt(&name)? {
		Some(Receipt::Recorded {
			block,
			position: Some(position),
		}) => (block, position),
		Some(Receipt::Recorded { .. }) => {
			return Err(Error::Store(format!(
				"the place of sequence {seq} in stream {stream} of {} is not known: run the replay again, which looks for it",
				device.name
			)));
		}
		Some(Receipt::Refused { reason }) => {
			return Err(Error::Unknown(format!(
				"the chain refused the anchor of that reading ({reason}): mend the cause and run the replay again"
			)));
		}
		None => {
			return Err(Error::Unknown(
				"the anchor of that reading is not acknowledged yet: run the replay again".into(),
			));
		}
	};
	let reading = commitment::reading_proof(device.secret(), stream, seq, &batch.readings, index)?;
	let details = block
		.stream(chain, &device.id, stream)
		.await?
		.ok_or_else(|| Error::Unknown(format!("the chain knows no stream {stream} of {}", device.name)))?;
	let path = range_path(store, &device.id, stream, position, details.anchors)?.ok_or_else(|| {
		Error::Store(format!(
			"not all of the {} anchors of stream {stream} are known here: run the replay again, or use the gateway's --home",
			details.anchors
		))
	})?;
	let spec = details.spec;
	let proof = Proof {
		genesis: *chain.genesis(),
		anchor: AnchorProof {
			device: device.id.clone(),
			stream,
			seq,
			anchor: batch.anchor,
			position,
			leaves: details.anchors,
			path,
		},
		source: source_of(store, device, reading.reading.time_ms)?,
		reading,
		quantity: spec.as_ref().and_then(Quantity::of),
		unit: spec
			.as_ref()
			.map(|spec| String::from_utf8_lossy(&spec.unit).into_owned())
			.unwrap_or_default(),
		scale: spec.map_or(0, |spec| spec.scale),
		block: recorded_in,
	};
	proof.check(details.range_root).map_err(|fault| {
		Error::Store(format!(
			"the stored leaves do not give the root on chain ({fault:?})"
		))
	})?;
	Ok(proof)
}

/// The batch and the index of the reading whose interval holds `at`, directly or through a replay's shift.
fn find_reading(
	store: &Store,
	device: &Device,
	stream: StreamId,
	quantity: Quantity,
	at: UnixMs,
) -> Result<(u64, crate::store::Batch, usize)> {
	let mut times = vec![at];
	for (job, shift) in store.jobs()? {
		if shift > 0 && job.starts_with(&time::date_of(at)) {
			times.push(at.saturating_add(shift));
		}
	}
	for time in times {
		let Some((seq, batch)) = store.batch_at(&device.id, stream, time)? else {
			continue;
		};
		let index = batch.readings.iter().rposition(|(start, _)| *start <= time);
		if let Some(index) = index
			&& let Some((start, _)) = batch.readings.get(index)
			&& time < start.saturating_add(quantity.cadence_ms().into())
		{
			return Ok((seq, batch, index));
		}
	}
	Err(Error::Unknown(format!(
		"there is no reading of {} at {} in {}: `m2m telemetry replay` prints which times were anchored",
		device.name,
		time::format(at),
		store.path().display()
	)))
}

/// Where in a replayed file a reading came from.
fn source_of(store: &Store, device: &Device, anchored: UnixMs) -> Result<Option<Source>> {
	for (job, shift) in store.jobs()? {
		let Some(start) = anchored.checked_sub(shift) else {
			continue;
		};
		let day = time::parse_date(&time::date_of(start));
		let Ok(day) = day else { continue };
		if [Mapping::Now, Mapping::Keep]
			.into_iter()
			.any(|mapping| replay::job_name(day, mapping) == job)
		{
			return Ok(Some(Source {
				meter: device.name.clone(),
				slot_start: time::format(start),
			}));
		}
	}
	Ok(None)
}

/// The path from `position` to the root of the first `leaves` leaves, if the store knows them all.
fn range_path(
	store: &Store,
	device: &DeviceId,
	stream: StreamId,
	position: u64,
	leaves: u64,
) -> Result<Option<Vec<H256>>> {
	let known = store.leaves(device, stream)?;
	let Some(known) = usize::try_from(leaves)
		.ok()
		.and_then(|leaves| known.get(..leaves))
	else {
		return Ok(None);
	};
	Ok(commitment::range_path(known, position))
}

/// What a verification found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
	/// Finalized block against which the proof was checked.
	pub block: u32,
	/// Its hash.
	pub hash: [u8; 32],
	/// True if the stream had grown and the proof was extended from the local store.
	pub extended: bool,
}

/// Checks a proof against the last finalized block, by the chain's own verification and on this computer. If the
/// stream has grown since it was made, it is extended from `store` where possible.
pub async fn verify(chain: &Chain, store: Option<&Store>, proof: &mut Proof) -> Result<Verified> {
	chain.expect_genesis("the proof", &proof.genesis)?;
	let block = chain.finalized().await?;
	let mut extended = false;
	let mut verdict = block.verify_reading(chain, &proof.anchor, &proof.reading).await?;
	if let Err(ProofFault::StaleProof { leaves }) = verdict {
		let stale = || Error::ProofStale {
			proof: proof.anchor.leaves,
			chain: leaves,
		};
		let AnchorProof {
			device,
			stream,
			position,
			..
		} = &proof.anchor;
		let path = match store {
			Some(store) => range_path(store, device, *stream, *position, leaves)?,
			None => None,
		};
		let path = path.ok_or_else(stale)?;
		proof.anchor.path = path;
		proof.anchor.leaves = leaves;
		extended = true;
		verdict = block.verify_reading(chain, &proof.anchor, &proof.reading).await?;
	}
	let details = block
		.stream(chain, &proof.anchor.device, proof.anchor.stream)
		.await?;
	let local = match &details {
		None => Err(ProofFault::UnknownStream),
		Some(details) if details.anchors != proof.anchor.leaves => Err(ProofFault::StaleProof {
			leaves: details.anchors,
		}),
		Some(details) => proof.check(details.range_root),
	};
	match (verdict, local) {
		(Ok(()), Ok(())) => Ok(Verified {
			block: block.number,
			hash: block.hash,
			extended,
		}),
		(Err(fault), Err(_)) => Err(Error::ProofDoesNotHold(explain(fault, proof, &block))),
		(verdict, local) => Err(Error::ProofDoesNotHold(format!(
			"the node says {verdict:?} but this computer finds {local:?}; do not trust that node"
		))),
	}
}

fn explain(fault: ProofFault, proof: &Proof, block: &Block) -> String {
	let place = format!(
		"stream {}, sequence {} of {}",
		proof.anchor.stream,
		proof.anchor.seq,
		keys::did(&proof.genesis, &proof.anchor.device)
	);
	match fault {
		ProofFault::UnknownStream => {
			format!("the chain knows no stream {} of that device", proof.anchor.stream)
		}
		ProofFault::StaleProof { leaves } => {
			format!(
				"it claims {} anchors, but {place} is one of {leaves}",
				proof.anchor.leaves
			)
		}
		ProofFault::AnchorNotInRange => {
			format!(
				"its anchor is not what was recorded as {place} (checked in finalized block {})",
				block.number
			)
		}
		ProofFault::ReadingNotInAnchor => format!(
			"the anchor recorded as {place} does not contain {} {} at {} (checked in finalized block {})",
			proof.reading.reading.value,
			proof.unit,
			time::format(proof.reading.reading.time_ms),
			block.number
		),
	}
}

/// Checks the value that a file claims in the place of a reading that was proven. Fails, naming the anchor that
/// convicts the file, unless it is the recorded one.
pub async fn check_claim(
	chain: &Chain,
	proof: &Proof,
	file: &Path,
	claimed: i64,
	proven: &Verified,
) -> Result<()> {
	let mut claim = proof.clone();
	claim.reading.reading.value = claimed;
	let block = chain.block(proven.block).await?;
	let verdict = block.verify_reading(chain, &claim.anchor, &claim.reading).await?;
	match verdict {
		Ok(()) => Ok(()),
		Err(fault) => {
			let recorded = proof
				.block
				.map_or_else(String::new, |block| format!(", recorded in block {block}"));
			let source = proof.source.as_ref();
			Err(Error::ProofDoesNotHold(format!(
				"{} says {claimed} {} for {} at {}, which the chain rejects ({fault:?}); convicted by the anchor of device {}, stream {}, sequence {}{recorded}, which holds {} {}",
				file.display(),
				proof.unit,
				source.map_or("the device", |source| &source.meter),
				source.map_or_else(
					|| time::format(proof.reading.reading.time_ms),
					|source| source.slot_start.clone()
				),
				keys::address(&proof.anchor.device),
				proof.anchor.stream,
				proof.anchor.seq,
				proof.reading.reading.value,
				proof.unit,
			)))
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::store::Batch;

	/// Four anchors of three readings each, and the proof of one reading.
	fn sample() -> (Proof, H256) {
		let device = Device::generate("meter-003", Default::default()).unwrap();
		let mut leaves = Vec::new();
		let mut batches = Vec::new();
		for seq in 0u64..4 {
			let readings: Vec<_> = (0..3)
				.map(|step| ((seq * 3 + step) * QUARTER_HOUR_MS, 100 + step as i64))
				.collect();
			let anchor = commitment::anchor(device.secret(), 0, seq, &readings).unwrap();
			leaves.push(anchor.range_leaf(&device.id, 0, seq));
			batches.push(Batch { anchor, readings });
		}
		let reading = commitment::reading_proof(device.secret(), 0, 2, &batches[2].readings, 1).unwrap();
		let proof = Proof {
			genesis: [7; 32],
			anchor: AnchorProof {
				device: device.id.clone(),
				stream: 0,
				seq: 2,
				anchor: batches[2].anchor.clone(),
				position: 2,
				leaves: 4,
				path: commitment::range_path(&leaves, 2).unwrap(),
			},
			reading,
			quantity: Some(Quantity::Import),
			unit: "Wh".into(),
			scale: 0,
			block: Some(17),
			source: Some(Source {
				meter: "meter-003".into(),
				slot_start: "1970-01-01T01:45:00Z".into(),
			}),
		};
		(proof, commitment::range_root(&leaves).unwrap())
	}

	#[test]
	fn a_proof_file_reads_back_as_written() {
		let (proof, root) = sample();
		assert_eq!(proof.check(Some(root)), Ok(()));
		let text = proof.to_json().unwrap();
		assert_eq!(Proof::from_json(text.as_bytes()).unwrap(), proof);
	}

	#[test]
	fn a_proof_with_any_digit_changed_is_refused_or_fails() {
		let (proof, root) = sample();
		let text = proof.to_json().unwrap();
		// What is "for reading only" may change without making the proof false.
		let free = [
			"\"did\"",
			"\"time\"",
			"\"unit\"",
			"\"scale\"",
			"\"block\"",
			"\"slot_start\"",
			"\"genesis\"",
			"\"meter\"",
		];
		let mut tried = 0;
		for (number, line) in text.lines().enumerate() {
			if free.iter().any(|field| line.trim_start().starts_with(field)) {
				continue;
			}
			for (place, byte) in line.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
				if line.get(place..place + 2) == Some("0x") {
					continue;
				}
				let other = if byte == b'1' { '2' } else { '1' };
				let mut changed = line.to_owned();
				changed.replace_range(place..=place, &other.to_string());
				let altered: Vec<&str> = text
					.lines()
					.enumerate()
					.map(|(at, line)| if at == number { &changed } else { line })
					.collect();
				let result = Proof::from_json(altered.join("\n").as_bytes());
				let holds = result.as_ref().is_ok_and(|proof| proof.check(Some(root)).is_ok());
				assert!(!holds, "line {}: {changed}", number + 1);
				tried += 1;
			}
		}
		assert!(tried > 100, "only {tried} digits were tried");
	}

	#[test]
	fn what_is_not_a_proof_file_is_refused() {
		let (proof, _) = sample();
		let text = proof.to_json().unwrap();
		for (broken, words) in [
			(String::new(), "not an m2m/reading-proof file"),
			(
				text.replace("\"version\": 1", "\"version\": 2"),
				"version 1 is needed",
			),
			(text.replace("m2m/reading-proof", "m2m/key"), "not m2m/key"),
			(text.replace("\"stream\"", "\"steam\""), "unknown field `steam`"),
			(text.replace("\"open\"", "\"closed\""), "unknown field `closed`"),
			(text.replace("\"import\"", "\"inport\""), "is not known"),
			(
				text.replace("\"salt\": \"0x", "\"salt\": \"0x0"),
				"`salt` is not 0x and 32 hex digits",
			),
		] {
			let problem = Proof::from_json(broken.as_bytes()).unwrap_err();
			assert!(problem.contains(words), "{problem}");
		}
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("proof.json");
		assert!(matches!(Proof::from_file(&file), Err(Error::BadFile { .. })));
		std::fs::write(&file, vec![b' '; 70_000]).unwrap();
		assert!(
			Proof::from_file(&file)
				.unwrap_err()
				.to_string()
				.contains("too large")
		);
	}

	#[test]
	fn the_value_in_a_file_is_found_by_meter_and_slot() {
		let (proof, _) = sample();
		let read = |text: &str| MeterReadings::read(Path::new("day.csv"), text.as_bytes()).unwrap();
		let header = "slot_start,meter,consumed_wh,produced_wh\n";
		let readings = read(&format!("{header}1970-01-01T01:45:00Z,meter-003,150,49\n"));
		assert_eq!(proof.value_in(&readings).unwrap(), 101);
		let readings = read(&format!("{header}1970-01-01T02:00:00Z,meter-003,150,49\n"));
		assert!(matches!(proof.value_in(&readings), Err(Error::BadFile { .. })));
	}
}
