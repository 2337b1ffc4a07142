//! What a gateway must not forget: envelopes that the chain has not acknowledged, receipts, the leaves of every
//! stream's mountain range (32 bytes an anchor, enough to prove anything later) and the readings themselves.
//!
//! One file, `HOME/gateway.redb`. Every change is one transaction that is synced before the function returns, so
//! that a process killed at any moment leaves a consistent store: a batch of readings is either not stored at
//! all, or stored together with the signed envelope that delivers it; an envelope leaves the outbox in the same
//! transaction that stores the receipts of its items.

use crate::{
	Error, Result,
	database::{Bytes, Database, decode, fault},
};
use codec::{Decode, Encode};
use m2m_anchor::{Anchor, SignedAnchors, StreamId};
use m2m_device::{DeviceId, UnixMs};
use redb::{ReadableTable, TableDefinition};
use sp_core::H256;
use std::path::Path;

/// Name of the store in a home folder.
const FILE: &str = "gateway.redb";

/// Single values by name.
const META: Bytes = TableDefinition::new("meta");
/// Replay job -> shift in milliseconds.
const JOBS: Bytes = TableDefinition::new("jobs");
/// (device, stream, seq) -> [`Batch`].
const BATCHES: Bytes = TableDefinition::new("batches");
/// (device, stream, time of the first reading) -> seq.
const TIMES: Bytes = TableDefinition::new("times");
/// Number -> [`SignedAnchors`] without an acknowledgement.
const OUTBOX: Bytes = TableDefinition::new("outbox");
/// (device, stream, seq) -> [`Receipt`].
const RECEIPTS: Bytes = TableDefinition::new("receipts");
/// (device, stream, position) -> leaf.
const LEAVES: Bytes = TableDefinition::new("leaves");

const GENESIS: &[u8] = b"genesis";
const SEEN: &[u8] = b"seen";
const SENT_SINCE: &[u8] = b"sent since";

/// A batch of readings and the anchor that commits to it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Batch {
	/// The commitment.
	pub anchor: Anchor,
	/// (time, value) in order of time.
	pub readings: Vec<(UnixMs, i64)>,
}

/// What became of an anchor.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Receipt {
	/// It is on chain, in a finalized block.
	#[codec(index = 0)]
	Recorded {
		/// The block, if known.
		block: Option<u32>,
		/// Position of its leaf in the stream's mountain range, if known.
		position: Option<u64>,
	},
	/// The chain refused it.
	#[codec(index = 1)]
	Refused {
		/// The named error.
		reason: String,
	},
}

/// Name of an anchor.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct AnchorName {
	/// The device.
	pub device: DeviceId,
	/// The stream.
	pub stream: StreamId,
	/// The sequence number.
	pub seq: u64,
}

/// The gateway's store.
pub struct Store {
	database: Database,
}

fn key(device: &DeviceId, stream: StreamId, last: u64) -> Vec<u8> {
	let mut key = Vec::with_capacity(44);
	key.extend_from_slice(device.as_ref());
	// Big-endian, so that the order of keys is the order of numbers.
	key.extend_from_slice(&stream.to_be_bytes());
	key.extend_from_slice(&last.to_be_bytes());
	key
}

fn last_number(key: &[u8]) -> Result<u64> {
	key.last_chunk::<8>()
		.map(|bytes| u64::from_be_bytes(*bytes))
		.ok_or_else(|| Error::Store("a key is too short".into()))
}

impl Store {
	/// True if a home folder has a store.
	pub fn exists(home: &Path) -> bool {
		home.join(FILE).exists()
	}

	/// Opens the store of a home folder, and makes it if it is not there.
	pub fn open(home: &Path) -> Result<Self> {
		let tables = [META, JOBS, BATCHES, TIMES, OUTBOX, RECEIPTS, LEAVES];
		Ok(Self {
			database: Database::open(home, FILE, &tables)?,
		})
	}

	/// The file.
	pub fn path(&self) -> &Path {
		self.database.path()
	}

	/// The last entry of `table` whose key lies in `from..=to`.
	fn last_in<T: Decode>(&self, table: Bytes, from: &[u8], to: &[u8]) -> Result<Option<(u64, T)>> {
		let transaction = self.database.read()?;
		let table = transaction.open_table(table).map_err(fault)?;
		let mut range = table.range::<&[u8]>(from..=to).map_err(fault)?;
		match range.next_back() {
			None => Ok(None),
			Some(entry) => {
				let (key, value) = entry.map_err(fault)?;
				Ok(Some((last_number(key.value())?, decode(value.value())?)))
			}
		}
	}

	/// The chain that this store belongs to, if it belongs to one yet.
	pub fn genesis(&self) -> Result<Option<[u8; 32]>> {
		self.database.get(META, GENESIS)
	}

	/// Binds an unbound store to a chain.
	pub fn set_genesis(&self, genesis: &[u8; 32]) -> Result<()> {
		self.database.put(META, GENESIS, genesis)
	}

	/// Number and hash of the newest finalized block with a receipt in this store.
	pub fn seen(&self) -> Result<Option<(u32, [u8; 32])>> {
		self.database.get(META, SEEN)
	}

	/// A block from before the first envelope was sent that is still unacknowledged.
	pub fn sent_since(&self) -> Result<Option<u32>> {
		self.database.get(META, SENT_SINCE).map(Option::flatten)
	}

	/// Notes that envelopes are about to be sent, or with `None` that nothing is under way any more. An earlier
	/// block that is noted already is kept.
	pub fn note_sent_since(&self, block: Option<u32>) -> Result<()> {
		let block = match (block, self.sent_since()?) {
			(Some(new), Some(old)) => Some(new.min(old)),
			(new, _) => new,
		};
		self.database.put(META, SENT_SINCE, &block)
	}

	/// By how many milliseconds a replay job moves its readings, if it was started before.
	pub fn job_shift(&self, job: &str) -> Result<Option<u64>> {
		self.database.get(JOBS, job.as_bytes())
	}

	/// Notes by how many milliseconds a replay job moves its readings.
	pub fn start_job(&self, job: &str, shift: u64) -> Result<()> {
		self.database.put(JOBS, job.as_bytes(), &shift)
	}

	/// Every replay job and its shift.
	pub fn jobs(&self) -> Result<Vec<(String, u64)>> {
		let transaction = self.database.read()?;
		let table = transaction.open_table(JOBS).map_err(fault)?;
		let mut jobs = Vec::new();
		for entry in table.iter().map_err(fault)? {
			let (job, shift) = entry.map_err(fault)?;
			jobs.push((
				String::from_utf8_lossy(job.value()).into_owned(),
				decode(shift.value())?,
			));
		}
		Ok(jobs)
	}

	/// A batch.
	pub fn batch(&self, name: &AnchorName) -> Result<Option<Batch>> {
		self.database
			.get(BATCHES, &key(&name.device, name.stream, name.seq))
	}

	/// The batch whose first reading is the newest at or before `time`.
	pub fn batch_at(
		&self,
		device: &DeviceId,
		stream: StreamId,
		time: UnixMs,
	) -> Result<Option<(u64, Batch)>> {
		let found = self.last_in::<u64>(TIMES, &key(device, stream, 0), &key(device, stream, time))?;
		let Some((_, seq)) = found else { return Ok(None) };
		let batch = self.batch(&AnchorName {
			device: device.clone(),
			stream,
			seq,
		})?;
		Ok(batch.map(|batch| (seq, batch)))
	}

	/// The batches with sequence numbers from `first` to `last`, both included, as far as they are stored, in order.
	pub fn batches(
		&self,
		device: &DeviceId,
		stream: StreamId,
		first: u64,
		last: u64,
	) -> Result<Vec<(u64, Batch)>> {
		if last < first {
			return Ok(Vec::new());
		}
		let table = self.database.read()?.open_table(BATCHES).map_err(fault)?;
		let (from, to) = (key(device, stream, first), key(device, stream, last));
		let mut batches = Vec::new();
		for entry in table
			.range::<&[u8]>(from.as_slice()..=to.as_slice())
			.map_err(fault)?
		{
			let (seq, batch) = entry.map_err(fault)?;
			batches.push((last_number(seq.value())?, decode(batch.value())?));
		}
		Ok(batches)
	}

	/// Sequence numbers of the batches that may have readings from `from` on and before `until`, in order of time: at
	/// most `limit`.
	pub fn batches_between(
		&self,
		device: &DeviceId,
		stream: StreamId,
		from: UnixMs,
		until: UnixMs,
		limit: usize,
	) -> Result<Vec<u64>> {
		// The batch that begins before `from` may reach beyond it.
		let start = self.last_in::<u64>(TIMES, &key(device, stream, 0), &key(device, stream, from))?;
		let start = start.map_or(from, |(time, _)| time);
		if until <= start {
			return Ok(Vec::new());
		}
		let table = self.database.read()?.open_table(TIMES).map_err(fault)?;
		let (from, to) = (key(device, stream, start), key(device, stream, until));
		table
			.range::<&[u8]>(from.as_slice()..to.as_slice())
			.map_err(fault)?
			.take(limit)
			.map(|entry| decode(entry.map_err(fault)?.1.value()))
			.collect()
	}

	/// One more than the largest sequence number in this store; 0 if there is none.
	pub fn next_seq(&self, device: &DeviceId, stream: StreamId) -> Result<u64> {
		let last = self.last_in::<Batch>(BATCHES, &key(device, stream, 0), &key(device, stream, u64::MAX))?;
		Ok(last.map_or(0, |(seq, _)| seq.saturating_add(1)))
	}

	/// Stores batches together with the envelopes that deliver them. A batch that is stored already, as when a
	/// refused one is sent again, loses its receipt.
	pub fn enqueue(&self, batches: &[(AnchorName, Batch)], envelopes: &[SignedAnchors]) -> Result<()> {
		self.database.write(|transaction| {
			let mut stored = transaction.open_table(BATCHES).map_err(fault)?;
			let mut times = transaction.open_table(TIMES).map_err(fault)?;
			let mut receipts = transaction.open_table(RECEIPTS).map_err(fault)?;
			for (name, batch) in batches {
				let key_bytes = key(&name.device, name.stream, name.seq);
				stored
					.insert(key_bytes.as_slice(), batch.encode().as_slice())
					.map_err(fault)?;
				receipts.remove(key_bytes.as_slice()).map_err(fault)?;
				let time = key(&name.device, name.stream, batch.anchor.t_first());
				times
					.insert(time.as_slice(), name.seq.encode().as_slice())
					.map_err(fault)?;
			}
			let mut outbox = transaction.open_table(OUTBOX).map_err(fault)?;
			let mut number = match outbox.last().map_err(fault)? {
				Some((key, _)) => last_number(key.value())?.saturating_add(1),
				None => 0,
			};
			for envelope in envelopes {
				outbox
					.insert(number.to_be_bytes().as_slice(), envelope.encode().as_slice())
					.map_err(fault)?;
				number = number.saturating_add(1);
			}
			Ok(())
		})
	}

	/// Envelopes without an acknowledgement, oldest first, with their numbers.
	pub fn outbox(&self) -> Result<Vec<(u64, SignedAnchors)>> {
		let transaction = self.database.read()?;
		let table = transaction.open_table(OUTBOX).map_err(fault)?;
		let mut envelopes = Vec::new();
		for entry in table.iter().map_err(fault)? {
			let (number, envelope) = entry.map_err(fault)?;
			envelopes.push((last_number(number.value())?, decode(envelope.value())?));
		}
		Ok(envelopes)
	}

	/// Stores receipts and takes the envelopes with these numbers out of the outbox. A receipt never loses what an
	/// earlier one knew. `seen` is the finalized block from which the receipts were read.
	pub fn acknowledge(
		&self,
		numbers: &[u64],
		receipts: &[(AnchorName, Receipt)],
		seen: (u32, [u8; 32]),
	) -> Result<()> {
		self.database.write(|transaction| {
			let batches = transaction.open_table(BATCHES).map_err(fault)?;
			let mut stored = transaction.open_table(RECEIPTS).map_err(fault)?;
			let mut leaves = transaction.open_table(LEAVES).map_err(fault)?;
			for (name, receipt) in receipts {
				let key_bytes = key(&name.device, name.stream, name.seq);
				let old: Option<Receipt> = {
					let value = stored.get(key_bytes.as_slice()).map_err(fault)?;
					value.map(|value| decode(value.value())).transpose()?
				};
				let receipt = merge(old, receipt.clone());
				stored
					.insert(key_bytes.as_slice(), receipt.encode().as_slice())
					.map_err(fault)?;
				if let Receipt::Recorded {
					position: Some(position),
					..
				} = receipt
				{
					let batch = batches.get(key_bytes.as_slice()).map_err(fault)?;
					let batch = batch.ok_or_else(|| Error::Store("a receipt has no batch".into()))?;
					let batch: Batch = decode(batch.value())?;
					let leaf = batch.anchor.range_leaf(&name.device, name.stream, name.seq);
					let place = key(&name.device, name.stream, position);
					leaves
						.insert(place.as_slice(), leaf.encode().as_slice())
						.map_err(fault)?;
				}
			}
			let mut outbox = transaction.open_table(OUTBOX).map_err(fault)?;
			for number in numbers {
				outbox.remove(number.to_be_bytes().as_slice()).map_err(fault)?;
			}
			let mut meta = transaction.open_table(META).map_err(fault)?;
			let old: Option<(u32, [u8; 32])> = {
				let value = meta.get(SEEN).map_err(fault)?;
				value.map(|value| decode(value.value())).transpose()?
			};
			if old.is_none_or(|old| old.0 < seen.0) {
				meta.insert(SEEN, seen.encode().as_slice()).map_err(fault)?;
			}
			Ok(())
		})
	}

	/// The receipt of an anchor.
	pub fn receipt(&self, name: &AnchorName) -> Result<Option<Receipt>> {
		self.database
			.get(RECEIPTS, &key(&name.device, name.stream, name.seq))
	}

	/// Sequence number and receipt of every anchor of a stream that has one.
	pub fn receipts(&self, device: &DeviceId, stream: StreamId) -> Result<Vec<(u64, Receipt)>> {
		let transaction = self.database.read()?;
		let table = transaction.open_table(RECEIPTS).map_err(fault)?;
		let (from, to) = (key(device, stream, 0), key(device, stream, u64::MAX));
		let mut receipts = Vec::new();
		for entry in table
			.range::<&[u8]>(from.as_slice()..=to.as_slice())
			.map_err(fault)?
		{
			let (seq, receipt) = entry.map_err(fault)?;
			receipts.push((last_number(seq.value())?, decode(receipt.value())?));
		}
		Ok(receipts)
	}

	/// The leaves of a stream's mountain range from position 0 on, up to the first that is not known.
	pub fn leaves(&self, device: &DeviceId, stream: StreamId) -> Result<Vec<H256>> {
		let transaction = self.database.read()?;
		let table = transaction.open_table(LEAVES).map_err(fault)?;
		let (from, to) = (key(device, stream, 0), key(device, stream, u64::MAX));
		let mut leaves = Vec::new();
		for entry in table
			.range::<&[u8]>(from.as_slice()..=to.as_slice())
			.map_err(fault)?
		{
			let (position, leaf) = entry.map_err(fault)?;
			if last_number(position.value())? != leaves.len() as u64 {
				break;
			}
			leaves.push(decode(leaf.value())?);
		}
		Ok(leaves)
	}
}

fn merge(old: Option<Receipt>, new: Receipt) -> Receipt {
	match (old, new) {
		(
			Some(Receipt::Recorded {
				block: old_block,
				position: old_position,
			}),
			Receipt::Recorded { block, position },
		) => Receipt::Recorded {
			block: block.or(old_block),
			position: position.or(old_position),
		},
		(Some(recorded @ Receipt::Recorded { .. }), Receipt::Refused { .. }) => recorded,
		(_, new) => new,
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{commitment, keys::Device};

	fn batch(device: &Device, stream: StreamId, seq: u64, value: i64) -> (AnchorName, Batch) {
		let readings = vec![(900_000 * (seq + 1), value)];
		let anchor = commitment::anchor(device.secret(), stream, seq, &readings).unwrap();
		(
			AnchorName {
				device: device.id.clone(),
				stream,
				seq,
			},
			Batch { anchor, readings },
		)
	}

	fn envelope(device: &Device, batches: &[(AnchorName, Batch)]) -> SignedAnchors {
		commitment::envelope(&[7; 32], device, batches).unwrap()
	}

	#[test]
	fn an_envelope_stays_until_it_is_acknowledged() {
		let home = tempfile::tempdir().unwrap();
		let device = Device::generate("m1", Default::default()).unwrap();
		let batches = [batch(&device, 0, 0, 5), batch(&device, 0, 1, 6)];
		let sent = envelope(&device, &batches);
		{
			let store = Store::open(home.path()).unwrap();
			store.enqueue(&batches, std::slice::from_ref(&sent)).unwrap();
		}
		let store = Store::open(home.path()).unwrap();
		let outbox = store.outbox().unwrap();
		assert_eq!(outbox, [(0, sent.clone())]);
		let receipts: Vec<_> = batches
			.iter()
			.map(|(name, _)| {
				(
					name.clone(),
					Receipt::Recorded {
						block: Some(9),
						position: Some(name.seq),
					},
				)
			})
			.collect();
		store.acknowledge(&[0], &receipts, (9, [1; 32])).unwrap();
		drop(store);
		let store = Store::open(home.path()).unwrap();
		assert!(store.outbox().unwrap().is_empty());
		assert_eq!(store.seen().unwrap(), Some((9, [1; 32])));
		let leaves: Vec<_> = batches
			.iter()
			.map(|(name, batch)| batch.anchor.range_leaf(&device.id, 0, name.seq))
			.collect();
		assert_eq!(store.leaves(&device.id, 0).unwrap(), leaves);
		assert!(store.leaves(&device.id, 1).unwrap().is_empty());
	}

	#[test]
	fn acknowledging_twice_changes_nothing_and_forgets_nothing() {
		let home = tempfile::tempdir().unwrap();
		let store = Store::open(home.path()).unwrap();
		let device = Device::generate("m1", Default::default()).unwrap();
		let batches = [batch(&device, 3, 0, 5)];
		store.enqueue(&batches, &[envelope(&device, &batches)]).unwrap();
		let name = batches[0].0.clone();
		let full = Receipt::Recorded {
			block: Some(9),
			position: Some(0),
		};
		store
			.acknowledge(&[0], &[(name.clone(), full.clone())], (9, [1; 32]))
			.unwrap();
		for weaker in [
			Receipt::Recorded {
				block: None,
				position: None,
			},
			Receipt::Refused {
				reason: "Telemetry::AlreadyAnchored".into(),
			},
		] {
			store
				.acknowledge(&[0], &[(name.clone(), weaker)], (8, [2; 32]))
				.unwrap();
			assert_eq!(store.receipt(&name).unwrap(), Some(full.clone()));
		}
		assert_eq!(store.seen().unwrap(), Some((9, [1; 32])));
		assert_eq!(store.receipts(&device.id, 3).unwrap(), [(0, full)]);
	}

	#[test]
	fn a_refused_batch_can_be_sent_again() {
		let home = tempfile::tempdir().unwrap();
		let store = Store::open(home.path()).unwrap();
		let device = Device::generate("m1", Default::default()).unwrap();
		let batches = [batch(&device, 0, 0, 5)];
		store.enqueue(&batches, &[envelope(&device, &batches)]).unwrap();
		let refused = Receipt::Refused {
			reason: "DeviceIdentity::DeviceSuspended".into(),
		};
		store
			.acknowledge(&[0], &[(batches[0].0.clone(), refused)], (9, [1; 32]))
			.unwrap();
		assert!(store.leaves(&device.id, 0).unwrap().is_empty());
		store.enqueue(&batches, &[envelope(&device, &batches)]).unwrap();
		assert_eq!(store.receipt(&batches[0].0).unwrap(), None);
		assert_eq!(store.outbox().unwrap().len(), 1);
	}

	#[test]
	fn batches_are_found_by_time_and_numbered_in_order() {
		let home = tempfile::tempdir().unwrap();
		let store = Store::open(home.path()).unwrap();
		let device = Device::generate("m1", Default::default()).unwrap();
		assert_eq!(store.next_seq(&device.id, 0).unwrap(), 0);
		let batches = [
			batch(&device, 0, 0, 5),
			batch(&device, 0, 1, 6),
			batch(&device, 1, 4, 7),
		];
		store.enqueue(&batches, &[]).unwrap();
		assert_eq!(store.next_seq(&device.id, 0).unwrap(), 2);
		assert_eq!(store.next_seq(&device.id, 1).unwrap(), 5);
		assert_eq!(store.next_seq(&device.id, 2).unwrap(), 0);
		assert_eq!(store.batch_at(&device.id, 0, 899_999).unwrap(), None);
		assert_eq!(store.batch_at(&device.id, 0, 900_000).unwrap().unwrap().0, 0);
		assert_eq!(store.batch_at(&device.id, 0, 1_799_999).unwrap().unwrap().0, 0);
		assert_eq!(store.batch_at(&device.id, 0, u64::MAX).unwrap().unwrap().0, 1);
	}

	#[test]
	fn batches_are_read_by_number_and_by_time() {
		let home = tempfile::tempdir().unwrap();
		let store = Store::open(home.path()).unwrap();
		let device = Device::generate("m1", Default::default()).unwrap();
		let batches: Vec<_> = [0, 1, 2, 5].map(|seq| batch(&device, 0, seq, 7)).into();
		store.enqueue(&batches, &[]).unwrap();
		store.enqueue(&[batch(&device, 1, 3, 7)], &[]).unwrap();
		let seqs = |first, last| -> Vec<u64> {
			let found = store.batches(&device.id, 0, first, last).unwrap();
			found.into_iter().map(|(seq, _)| seq).collect()
		};
		assert_eq!(seqs(1, 9), [1, 2, 5]);
		assert_eq!(seqs(1, 1), [1]);
		assert!(seqs(2, 1).is_empty());
		// Batch `seq` begins at 900,000 * (seq + 1).
		let between = |from, until, limit| store.batches_between(&device.id, 0, from, until, limit).unwrap();
		assert!(between(0, 900_000, 9).is_empty());
		assert_eq!(between(0, 900_001, 9), [0]);
		assert_eq!(between(1_800_001, u64::MAX, 9), [1, 2, 5]);
		assert_eq!(between(1_800_001, u64::MAX, 2), [1, 2]);
		assert!(between(1_800_001, 5, 9).is_empty());
	}

	#[test]
	fn a_store_has_one_user_at_a_time() {
		let home = tempfile::tempdir().unwrap();
		let _first = Store::open(home.path()).unwrap();
		assert!(matches!(Store::open(home.path()), Err(Error::StoreBusy(_))));
	}

	#[test]
	fn the_earliest_unacknowledged_block_is_kept() {
		let home = tempfile::tempdir().unwrap();
		let store = Store::open(home.path()).unwrap();
		assert_eq!(store.sent_since().unwrap(), None);
		store.note_sent_since(Some(5)).unwrap();
		store.note_sent_since(Some(9)).unwrap();
		assert_eq!(store.sent_since().unwrap(), Some(5));
		store.note_sent_since(None).unwrap();
		assert_eq!(store.sent_since().unwrap(), None);
	}

	#[test]
	fn a_gap_in_the_leaves_ends_what_can_be_proven() {
		let home = tempfile::tempdir().unwrap();
		let store = Store::open(home.path()).unwrap();
		let device = Device::generate("m1", Default::default()).unwrap();
		let batches = [batch(&device, 0, 0, 5), batch(&device, 0, 1, 6)];
		store.enqueue(&batches, &[]).unwrap();
		let receipts = [
			(
				batches[0].0.clone(),
				Receipt::Recorded {
					block: None,
					position: None,
				},
			),
			(
				batches[1].0.clone(),
				Receipt::Recorded {
					block: Some(3),
					position: Some(1),
				},
			),
		];
		store.acknowledge(&[], &receipts, (3, [0; 32])).unwrap();
		assert!(store.leaves(&device.id, 0).unwrap().is_empty());
		let found = Receipt::Recorded {
			block: None,
			position: Some(0),
		};
		store
			.acknowledge(&[], &[(batches[0].0.clone(), found)], (3, [0; 32]))
			.unwrap();
		assert_eq!(store.leaves(&device.id, 0).unwrap().len(), 2);
	}
}
