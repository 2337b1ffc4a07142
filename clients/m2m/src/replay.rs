//! The gateway: anchors a day of readings, as they are or by the minute, and survives being stopped at any point.
//! Devices that send for themselves use the same store, so that either way can finish what the other began.
//!
//! The order of things is what makes it safe. Device keys are stored before they are registered. A batch of
//! readings is stored in one transaction with the signed envelope that delivers it. An envelope leaves the outbox
//! in the transaction that stores the receipts of its items, and those are read from the events of a finalized
//! block. Whatever happens in between, running the same again sends what is missing. What was sent without a
//! receipt is first looked for in the blocks since; an envelope that had been delivered after all is answered with
//! `AlreadyAnchored`, or with `SequenceTooOld` below the stream's window, and counts as delivered if its place in the
//! stream is found.

use crate::{
	Error, Result,
	chain::{
		Block, Chain,
		telemetry::{self, FROM_THE_FUTURE, Outcome, Outcomes, Quantity},
	},
	commitment, direct, fleet,
	keys::{self, Device, Key},
	readings::MeterReadings,
	store::{AnchorName, Batch, Receipt, Store},
	time::{self, QUARTER_HOUR_MS},
};
use m2m_anchor::{AnchorItem, MAX_ITEMS, SignedAnchors, StreamId};
use m2m_device::{AccountId, DeviceId, Roles, UnixMs};
use std::{
	collections::{BTreeMap, BTreeSet, VecDeque},
	path::Path,
	time::{Duration, Instant},
};

/// Most envelopes in one delivery call.
pub const MAX_ENVELOPES_PER_CALL: usize = 64;
/// Delivery calls that may be under way at once.
const CALLS_IN_FLIGHT: usize = 4;
/// Streams opened by one transaction.
const STREAMS_PER_CALL: usize = 32;

/// Told how far a replay is.
pub trait Progress: Send + Sync {
	/// A stage of `total` steps begins.
	fn stage(&self, title: &str, total: u64);
	/// Some steps are done.
	fn advance(&self, by: u64);
	/// Nothing more to report.
	fn finish(&self);
}

/// Reports to nobody.
impl Progress for () {
	fn stage(&self, _: &str, _: u64) {}
	fn advance(&self, _: u64) {}
	fn finish(&self) {}
}

/// Where the readings of a past day are put in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mapping {
	/// The day's last slot ends at the last full quarter of an hour.
	Now,
	/// Where they are.
	Keep,
}

/// Who brings the anchors to the chain, and so who signs the transactions.
pub enum Carrier<'a> {
	/// This account delivers envelopes that the devices signed, and pays.
	Gateway(&'a Key),
	/// Each device with its own key; whoever sponsors it pays, or its wallet.
	Devices,
}

/// What to replay.
pub struct Plan {
	/// The readings of one day.
	pub readings: MeterReadings,
	/// First millisecond of the day.
	pub day: UnixMs,
	/// Where to put it.
	pub mapping: Mapping,
	/// What is anchored of it, each quantity in a stream of its own.
	pub quantities: &'static [Quantity],
	/// Envelopes in one delivery call, 1 to [`MAX_ENVELOPES_PER_CALL`].
	pub envelopes_per_call: usize,
}

impl Plan {
	/// Name under which the store remembers the job: the same day with the same mapping is the same job.
	pub fn job(&self) -> String {
		job_name(self.day, self.mapping)
	}

	/// What is anchored of a meter, moved by `shift` milliseconds, in order of time.
	fn batches(&self, meter: &str, shift: u64) -> Vec<(Quantity, Readings)> {
		let slots = self
			.readings
			.meters
			.get(meter)
			.map(Vec::as_slice)
			.unwrap_or_default();
		let mut batches = Vec::new();
		for quantity in self.quantities {
			for mut readings in quantity.batches(meter, slots) {
				for (time, _) in &mut readings {
					*time = time.saturating_add(shift);
				}
				batches.push((*quantity, readings));
			}
		}
		batches.sort_by_key(|(quantity, readings)| (readings.first().map(|(time, _)| *time), *quantity));
		batches
	}
}

/// Times and values of one batch, in order of time.
type Readings = Vec<(UnixMs, i64)>;

/// Name of the job that replays a day.
pub fn job_name(day: UnixMs, mapping: Mapping) -> String {
	let mapping = match mapping {
		Mapping::Now => "now",
		Mapping::Keep => "keep",
	};
	format!("{}/{mapping}", time::date_of(day))
}

/// By how many milliseconds a day is moved so that it ends at the last full quarter of an hour before `now`. A
/// whole number of quarters, so that slots stay slots.
pub fn shift_to(day: UnixMs, now: UnixMs) -> Result<u64> {
	let end = day.saturating_add(96 * QUARTER_HOUR_MS);
	let last_quarter = now - now % QUARTER_HOUR_MS;
	last_quarter.checked_sub(end).ok_or_else(|| {
		Error::Usage(format!(
			"{} is not over yet: replay a past day",
			time::date_of(day)
		))
	})
}

/// What became of one meter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterReport {
	/// The meter.
	pub meter: String,
	/// Its device.
	pub device: m2m_device::DeviceId,
	/// Readings of the day in each stream.
	pub readings: usize,
	/// Wh taken from the grid.
	pub import_wh: i64,
	/// Wh fed into the grid, if that is anchored.
	pub export_wh: i64,
	/// Anchors of the day that are on chain, over all streams.
	pub anchored: usize,
	/// Largest sequence number of the day in the import stream, by the quarter of an hour or by the minute.
	pub last_seq: Option<u64>,
	/// Block that took the day's last anchor, if known.
	pub last_block: Option<u32>,
}

/// What became of a replay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
	/// Milliseconds by which the day was moved.
	pub shift: u64,
	/// The first slot as anchored.
	pub from: UnixMs,
	/// End of the last slot as anchored.
	pub to: UnixMs,
	/// Devices registered in this run.
	pub registered: usize,
	/// Streams opened in this run.
	pub opened: usize,
	/// Anchors delivered in this run.
	pub delivered: usize,
	/// Delivery calls of this run.
	pub calls: usize,
	/// Fees paid by the owner in this run.
	pub owner_fees: u128,
	/// Fees of delivery in this run, by the account that paid: the gateway, or what sponsors the devices.
	pub delivery_fees: BTreeMap<AccountId, u128>,
	/// How long delivery took, to finality.
	pub delivery: Duration,
	/// The meters.
	pub meters: Vec<MeterReport>,
	/// Anchors of the day that are not on chain, with the chain's error or what they wait for.
	pub refused: Vec<(AnchorName, String)>,
}

/// Binds a store to the chain, or checks that it belongs to it and that the chain still has its history.
pub async fn check_store(chain: &Chain, store: &Store) -> Result<()> {
	match store.genesis()? {
		Some(genesis) => chain.expect_genesis(&format!("the store {}", store.path().display()), &genesis)?,
		None => store.set_genesis(chain.genesis())?,
	}
	if let Some((number, hash)) = store.seen()?
		&& chain.hash_of(number).await? != Some(hash)
	{
		return Err(Error::ChainReset {
			url: chain.url().into(),
			block: number,
			store: store.path().to_owned(),
		});
	}
	Ok(())
}

/// Replays a day. Safe to stop at any point and to run again.
pub async fn run(
	chain: &Chain,
	store: &Store,
	home: &Path,
	owner: &Key,
	carrier: &Carrier<'_>,
	plan: &Plan,
	progress: &dyn Progress,
) -> Result<Report> {
	check_store(chain, store).await?;
	let mut senders = vec![owner.account()];
	let gateway = match carrier {
		Carrier::Gateway(gateway) => Some(gateway.account()),
		Carrier::Devices => None,
	};
	senders.extend(gateway.clone());
	let since = store.sent_since()?;
	if since.is_some() {
		// Some of it may have been sent by the devices.
		senders.extend(Device::all(home)?.iter().map(|device| device.key.account()));
	}
	progress.stage("waiting for earlier transactions", senders.len() as u64);
	for sender in &senders {
		chain.settle(sender).await?;
		progress.advance(1);
	}
	if let Some(since) = since {
		recover_sent(chain, store, since, progress).await?;
	}

	let shift = match store.job_shift(&plan.job())? {
		Some(shift) => shift,
		None => {
			let shift = match plan.mapping {
				Mapping::Keep => 0,
				Mapping::Now => shift_to(plan.day, time::now())?,
			};
			store.start_job(&plan.job(), shift)?;
			shift
		}
	};

	let names: Vec<String> = plan.readings.meters.keys().cloned().collect();
	progress.stage("registering devices", names.len() as u64);
	let registered = fleet::register(
		chain,
		home,
		owner,
		&names,
		Default::default(),
		Roles::AUTHENTICATE,
		gateway.as_ref(),
	)
	.await?;
	progress.advance(names.len() as u64);

	let first = plan
		.readings
		.meters
		.values()
		.flatten()
		.map(|slot| slot.start)
		.min()
		.unwrap_or(plan.day);
	let opened = open_streams(
		chain,
		owner,
		&registered.devices,
		plan.quantities,
		first.saturating_add(shift),
		progress,
	)
	.await?;

	let prepared = prepare(store, plan, shift, &registered.devices, &opened.streams)?;
	if !prepared.batches.is_empty() {
		let envelopes = seal(chain.genesis(), &registered.devices, &prepared.batches)?;
		store.enqueue(&prepared.batches, &envelopes)?;
	}

	let started = Instant::now();
	let delivered = match carrier {
		Carrier::Gateway(gateway) => {
			deliver(chain, store, gateway, plan.envelopes_per_call, progress).await?
		}
		Carrier::Devices => direct::deliver(chain, store, home, progress).await?,
	};
	let delivery = started.elapsed();
	recover_positions(chain, store, &registered.devices, &opened.streams).await?;
	progress.finish();

	let mut report = Report {
		shift,
		from: first.saturating_add(shift),
		to: first.saturating_add(shift),
		registered: registered.new,
		opened: opened.new,
		delivered: delivered.anchors,
		calls: delivered.calls,
		owner_fees: registered.fees.saturating_add(opened.fees),
		delivery_fees: delivered.fees,
		delivery,
		meters: Vec::new(),
		refused: Vec::new(),
	};
	for device in &registered.devices {
		let streams = streams_of(&opened.streams, device)?;
		let waits_for = delivered
			.waiting
			.get(&device.id)
			.map_or(FROM_THE_FUTURE, String::as_str);
		report_meter(
			store,
			device,
			streams,
			&plan.batches(&device.name, shift),
			waits_for,
			&mut report,
		)?;
	}
	Ok(report)
}

fn report_meter(
	store: &Store,
	device: &Device,
	streams: &BTreeMap<Quantity, OpenStream>,
	batches: &[(Quantity, Readings)],
	waits_for: &str,
	report: &mut Report,
) -> Result<()> {
	let mut meter = MeterReport {
		meter: device.name.clone(),
		device: device.id.clone(),
		readings: 0,
		import_wh: 0,
		export_wh: 0,
		anchored: 0,
		last_seq: None,
		last_block: None,
	};
	for (quantity, readings) in batches {
		let wh = readings.iter().map(|(_, wh)| wh).sum::<i64>();
		if *quantity == Quantity::Export {
			meter.export_wh = meter.export_wh.saturating_add(wh);
		} else {
			meter.readings = meter.readings.saturating_add(readings.len());
			meter.import_wh = meter.import_wh.saturating_add(wh);
		}
		let (Some((start, _)), Some((last, _))) = (readings.first(), readings.last()) else {
			continue;
		};
		report.to = report.to.max(last.saturating_add(quantity.cadence_ms().into()));
		let Some(OpenStream { id: stream, .. }) = streams.get(quantity) else {
			continue;
		};
		let Some((seq, batch)) = store.batch_at(&device.id, *stream, *start)? else {
			continue;
		};
		if batch.anchor.t_first() != *start {
			continue;
		}
		let name = AnchorName {
			device: device.id.clone(),
			stream: *stream,
			seq,
		};
		match store.receipt(&name)? {
			Some(Receipt::Recorded {
				block,
				position: Some(_),
			}) => {
				meter.anchored = meter.anchored.saturating_add(1);
				meter.last_block = meter.last_block.max(block);
				if *quantity != Quantity::Export {
					meter.last_seq = meter.last_seq.max(Some(seq));
				}
			}
			Some(Receipt::Refused { reason }) => report.refused.push((name, reason)),
			// The chain says that the number is used, but not by what, and this anchor does not fit.
			Some(Receipt::Recorded { position: None, .. }) => {
				report
					.refused
					.push((name, "its place in the stream cannot be found".into()));
			}
			// Only an item that can be accepted later is left without a receipt.
			None => report.refused.push((name, waits_for.into())),
		}
	}
	report.meters.push(meter);
	Ok(())
}

/// An open stream of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenStream {
	/// Its number.
	pub id: StreamId,
	/// One more than the largest sequence number that it has on chain.
	pub next_seq: u64,
}

/// The streams of devices by device name.
pub type Streams = BTreeMap<String, BTreeMap<Quantity, OpenStream>>;

struct Opened {
	streams: Streams,
	new: usize,
	fees: u128,
}

fn streams_of<'a>(streams: &'a Streams, device: &Device) -> Result<&'a BTreeMap<Quantity, OpenStream>> {
	streams
		.get(&device.name)
		.ok_or_else(|| Error::Node(format!("{} has no streams after they were opened", device.name)))
}

/// Sees to it that each device has an open stream for each quantity. Which is which is said by the schema that the
/// stream names on chain, so there is nothing to remember. The owner pays what the wallets lack for the
/// deposits.
async fn open_streams(
	chain: &Chain,
	owner: &Key,
	devices: &[Device],
	quantities: &[Quantity],
	not_before: UnixMs,
	progress: &dyn Progress,
) -> Result<Opened> {
	let wanted = devices.len().saturating_mul(quantities.len());
	progress.stage("opening streams", wanted as u64);
	let block = chain.finalized().await?;
	let mut streams = known_streams(chain, &block, devices).await?;
	let mut calls = Vec::new();
	let mut new = 0usize;
	for device in devices {
		let known = streams.get(&device.name);
		let missing: Vec<Quantity> = quantities
			.iter()
			.copied()
			.filter(|quantity| !known.is_some_and(|known| known.contains_key(quantity)))
			.collect();
		progress.advance(quantities.len().saturating_sub(missing.len()) as u64);
		if missing.is_empty() {
			continue;
		}
		for quantity in missing {
			calls.push(telemetry::create_stream(&device.id, &quantity.spec(not_before)));
			new = new.saturating_add(1);
		}
	}
	let mut fees = 0u128;
	for chunk in calls.chunks(STREAMS_PER_CALL) {
		let included = chain
			.submit_repeatable(owner, &chain.all_or_nothing(chunk).await?)
			.await?;
		fees = fees.saturating_add(included.fee);
		progress.advance(chunk.len() as u64);
	}
	if new > 0 {
		streams = known_streams(chain, &chain.finalized().await?, devices).await?;
	}
	Ok(Opened { streams, new, fees })
}

/// The open streams of devices that measure a [`Quantity`], as of a block.
pub async fn known_streams(chain: &Chain, block: &Block, devices: &[Device]) -> Result<Streams> {
	let mut streams = Streams::new();
	for device in devices {
		let of_device = streams.entry(device.name.clone()).or_default();
		for id in block.streams(chain, &device.id).await? {
			let Some(details) = block.stream(chain, &device.id, id).await? else {
				continue;
			};
			if let Some(quantity) = details.spec.as_ref().and_then(Quantity::of) {
				of_device.entry(quantity).or_insert(OpenStream {
					id,
					next_seq: details.next_seq,
				});
			}
		}
	}
	Ok(streams)
}

struct Prepared {
	/// In the order in which they are to be delivered: by device, then by time, all streams together.
	batches: Vec<(AnchorName, Batch)>,
}

/// Finds out which batches are not on their way yet. An anchored reading that differs from the file is an error.
fn prepare(
	store: &Store,
	plan: &Plan,
	shift: u64,
	devices: &[Device],
	streams: &Streams,
) -> Result<Prepared> {
	let waiting: BTreeSet<AnchorName> = store
		.outbox()?
		.into_iter()
		.flat_map(|(_, envelope)| {
			let device = envelope.device.clone();
			envelope.items.into_iter().map(move |item| AnchorName {
				device: device.clone(),
				stream: item.stream,
				seq: item.seq,
			})
		})
		.collect();
	let mut batches = Vec::new();
	for device in devices {
		let streams = streams_of(streams, device)?;
		let mut next: BTreeMap<Quantity, u64> = BTreeMap::new();
		for (quantity, readings) in plan.batches(&device.name, shift) {
			let OpenStream { id: stream, next_seq } = *streams.get(&quantity).ok_or_else(|| {
				Error::Node(format!(
					"{} has no {} stream after it was opened",
					device.name,
					quantity.name()
				))
			})?;
			let start = readings.first().map_or(0, |(start, _)| *start);
			if let Some((seq, batch)) = store.batch_at(&device.id, stream, start)?
				&& batch.anchor.t_first() == start
			{
				let name = AnchorName {
					device: device.id.clone(),
					stream,
					seq,
				};
				if let Some((at, file_wh, anchored_wh)) = difference(&readings, &batch.readings) {
					return Err(Error::ReadingChanged {
						meter: device.name.clone(),
						time: time::format(at),
						file_wh,
						anchored_wh,
						stream,
						seq,
						hint: match plan.mapping {
							Mapping::Now => ", or replay other days with --map-to keep",
							Mapping::Keep => "",
						},
					});
				}
				let refused = matches!(store.receipt(&name)?, Some(Receipt::Refused { .. }));
				if refused && !waiting.contains(&name) {
					batches.push((name, batch));
				}
				continue;
			}
			let seq = match next.get(&quantity) {
				Some(seq) => *seq,
				// The chain may be ahead of a store that was lost.
				None => store.next_seq(&device.id, stream)?.max(next_seq),
			};
			next.insert(quantity, seq.saturating_add(1));
			let anchor = if quantity.is_private() {
				commitment::private_anchor(device.secret(), stream, seq, &readings)?
			} else {
				commitment::anchor(device.secret(), stream, seq, &readings)?
			};
			let name = AnchorName {
				device: device.id.clone(),
				stream,
				seq,
			};
			batches.push((name, Batch { anchor, readings }));
		}
	}
	Ok(Prepared { batches })
}

/// Time and both values of the first reading of a file that differs from what is anchored. A reading that one of them
/// lacks counts as zero.
fn difference(file: &[(UnixMs, i64)], anchored: &[(UnixMs, i64)]) -> Option<(UnixMs, i64, i64)> {
	let (file, anchored): (BTreeMap<_, _>, BTreeMap<_, _>) =
		(file.iter().copied().collect(), anchored.iter().copied().collect());
	let wh = |readings: &BTreeMap<UnixMs, i64>, time| readings.get(time).copied().unwrap_or_default();
	let times: BTreeSet<&UnixMs> = file.keys().chain(anchored.keys()).collect();
	times
		.into_iter()
		.map(|time| (*time, wh(&file, time), wh(&anchored, time)))
		.find(|(_, file_wh, anchored_wh)| file_wh != anchored_wh)
}

/// Signs batches with their devices' keys, as many in an envelope as fit.
fn seal(
	genesis: &[u8; 32],
	devices: &[Device],
	batches: &[(AnchorName, Batch)],
) -> Result<Vec<SignedAnchors>> {
	let mut envelopes = Vec::new();
	for of_device in batches.chunk_by(|(first, _), (second, _)| first.device == second.device) {
		let Some((name, _)) = of_device.first() else {
			continue;
		};
		let device = devices
			.iter()
			.find(|device| device.id == name.device)
			.ok_or_else(|| Error::Store(format!("there is no key for {}", keys::address(&name.device))))?;
		for items in of_device.chunks(MAX_ITEMS as usize) {
			envelopes.push(commitment::envelope(genesis, device, items)?);
		}
	}
	Ok(envelopes)
}

/// What a delivery did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Delivered {
	/// Anchors that the chain took, now or before.
	pub anchors: usize,
	/// Calls.
	pub calls: usize,
	/// Fees of the calls that took effect, in smallest units, by the account that paid.
	pub fees: BTreeMap<AccountId, u128>,
	/// Devices that could not send everything, and why.
	pub waiting: BTreeMap<DeviceId, String>,
}

impl Delivered {
	/// Books a call's fee on who paid it.
	pub(crate) fn pay(&mut self, payer: Option<AccountId>, fee: u128) {
		if let Some(payer) = payer {
			let paid = self.fees.entry(payer).or_default();
			*paid = paid.saturating_add(fee);
		}
	}
}

/// Sends everything in the outbox and stores the receipts.
pub async fn deliver(
	chain: &Chain,
	store: &Store,
	gateway: &Key,
	envelopes_per_call: usize,
	progress: &dyn Progress,
) -> Result<Delivered> {
	let outbox = store.outbox()?;
	let anchors: usize = outbox.iter().map(|(_, envelope)| envelope.items.len()).sum();
	progress.stage("anchoring", anchors as u64);
	let mut delivered = Delivered::default();
	if outbox.is_empty() {
		return Ok(delivered);
	}
	let mut nonce = chain.next_nonce(&gateway.account()).await?;
	store.note_sent_since(Some(chain.finalized().await?.number))?;
	let per_call = envelopes_per_call.clamp(1, MAX_ENVELOPES_PER_CALL);
	let mut waiting = outbox.chunks(per_call);
	let mut under_way = VecDeque::new();
	loop {
		while under_way.len() < CALLS_IN_FLIGHT {
			let Some(chunk) = waiting.next() else { break };
			let envelopes: Vec<&SignedAnchors> = chunk.iter().map(|(_, envelope)| envelope).collect();
			let pending = chain
				.send(gateway, &telemetry::anchor_many(&envelopes), nonce)
				.await?;
			nonce = nonce.saturating_add(1);
			under_way.push_back((chunk, pending));
		}
		let Some((chunk, pending)) = under_way.pop_front() else {
			break;
		};
		let included = chain.finality(pending).await?;
		delivered.calls = delivered.calls.saturating_add(1);
		delivered.pay(included.payer.clone(), included.fee);
		let outcomes = telemetry::outcomes(&included.block, &included.events)?;
		let taken = acknowledge(store, chunk, &outcomes, &included.block)?;
		delivered.anchors = delivered.anchors.saturating_add(taken);
		progress.advance(
			chunk
				.iter()
				.map(|(_, envelope)| envelope.items.len() as u64)
				.sum(),
		);
	}
	store.note_sent_since(None)?;
	Ok(delivered)
}

/// The receipt for an anchor with this outcome; `None` if there is no outcome, or one that will pass. `block` is the
/// block that took it, if it did.
pub(crate) fn receipt_of(
	outcome: Option<Outcome>,
	device: &DeviceId,
	item: &AnchorItem,
	block: Option<u32>,
) -> Option<Receipt> {
	match outcome? {
		Outcome::Anchored { position, leaf } => {
			Some(if leaf == item.anchor.range_leaf(device, item.stream, item.seq) {
				Receipt::Recorded {
					block,
					position: Some(position),
				}
			} else {
				Receipt::Refused {
					reason: "another anchor was recorded under its number".into(),
				}
			})
		}
		Outcome::UsedBefore => Some(Receipt::Recorded {
			block: None,
			position: None,
		}),
		Outcome::Refused {
			passing: false,
			reason,
		} => Some(Receipt::Refused { reason }),
		Outcome::Refused { passing: true, .. } => None,
	}
}

/// Turns the outcomes of items into receipts. An envelope leaves the outbox when each of its items has one; an
/// item without an outcome, or with one that will pass, keeps it there. Returns how many items are on chain.
fn acknowledge(
	store: &Store,
	envelopes: &[(u64, SignedAnchors)],
	outcomes: &Outcomes,
	block: &Block,
) -> Result<usize> {
	let mut receipts = Vec::new();
	let mut done = Vec::new();
	let mut taken = 0usize;
	for (number, envelope) in envelopes {
		let mut complete = true;
		for item in &envelope.items {
			let outcome = outcomes.of(envelope, item);
			let Some(receipt) = receipt_of(outcome, &envelope.device, item, Some(block.number)) else {
				complete = false;
				continue;
			};
			if matches!(receipt, Receipt::Recorded { .. }) {
				taken = taken.saturating_add(1);
			}
			let name = AnchorName {
				device: envelope.device.clone(),
				stream: item.stream,
				seq: item.seq,
			};
			receipts.push((name, receipt));
		}
		if complete {
			done.push(*number);
		}
	}
	store.acknowledge(&done, &receipts, (block.number, block.hash))?;
	Ok(taken)
}

/// After a crash: reads the receipts of what was sent since block `since` from the chain. The gateway's account
/// must have settled, so that nothing is under way any more.
async fn recover_sent(chain: &Chain, store: &Store, since: u32, progress: &dyn Progress) -> Result<()> {
	let last = chain.finalized().await?.number;
	progress.stage(
		"reading the receipts of what was sent before",
		u64::from(last.saturating_sub(since)),
	);
	for number in since.saturating_add(1)..=last {
		let block = match chain.block(number).await {
			Ok(block) => block,
			// Its state may have been pruned: then the answer to sending again tells what was anchored.
			Err(Error::Node(_)) => continue,
			Err(error) => return Err(error),
		};
		let events = match block.events(chain).await {
			Ok(events) => events,
			Err(Error::Node(_)) => continue,
			Err(error) => return Err(error),
		};
		let anchored = telemetry::outcomes(&block, &events)?.anchored();
		if !anchored.is_empty() {
			acknowledge(store, &store.outbox()?, &anchored, &block)?;
		}
		progress.advance(1);
	}
	store.note_sent_since(None)
}

/// Finds the places of anchors that are on chain but whose receipts were lost, so that they can be proven.
///
/// The newest are still in state. For older ones the leaves are put into the free places in order, and taken if
/// that gives the root on chain; another order would give another root.
async fn recover_positions(
	chain: &Chain,
	store: &Store,
	devices: &[Device],
	streams: &Streams,
) -> Result<()> {
	for device in devices {
		for stream in streams_of(streams, device)?.values() {
			recover_stream(chain, store, device, stream.id).await?;
		}
	}
	Ok(())
}

async fn recover_stream(chain: &Chain, store: &Store, device: &Device, stream: StreamId) -> Result<()> {
	let id = &device.id;
	let unplaced = |store: &Store| -> Result<Vec<u64>> {
		Ok(store
			.receipts(id, stream)?
			.into_iter()
			.filter(|(_, receipt)| matches!(receipt, Receipt::Recorded { position: None, .. }))
			.map(|(seq, _)| seq)
			.collect())
	};
	let lost = unplaced(store)?;
	if lost.is_empty() {
		return Ok(());
	}
	let block = chain.finalized().await?;
	let seen = (block.number, block.hash);
	let name = |seq| AnchorName {
		device: id.clone(),
		stream,
		seq,
	};
	let mut found = Vec::new();
	for seq in lost {
		if let Some(record) = block.anchor(chain, id, stream, seq).await? {
			if store
				.batch(&name(seq))?
				.is_some_and(|batch| batch.anchor != record.anchor)
			{
				return Err(Error::Store(format!(
					"another gateway anchored sequence {seq} of stream {stream} of {}: one device key must be used by one gateway only",
					device.name
				)));
			}
			let receipt = Receipt::Recorded {
				block: Some(record.block),
				position: Some(record.position),
			};
			found.push((name(seq), receipt));
		}
	}
	store.acknowledge(&[], &found, seen)?;

	let lost = unplaced(store)?;
	if lost.is_empty() {
		return Ok(());
	}
	let Some(details) = block.stream(chain, id, stream).await? else {
		return Ok(());
	};
	let placed: BTreeMap<u64, u64> = store
		.receipts(id, stream)?
		.into_iter()
		.filter_map(|(seq, receipt)| match receipt {
			Receipt::Recorded {
				position: Some(position),
				..
			} => Some((position, seq)),
			_ => None,
		})
		.collect();
	let mut order = placed.clone();
	let free = (0..details.anchors).filter(|position| !placed.contains_key(position));
	order.extend(free.zip(lost.iter().copied()));
	let mut leaves = Vec::with_capacity(order.len());
	for seq in order.values() {
		let Some(batch) = store.batch(&name(*seq))? else {
			return Ok(());
		};
		leaves.push(batch.anchor.range_leaf(id, stream, *seq));
	}
	if leaves.len() as u64 != details.anchors || commitment::range_root(&leaves) != details.range_root {
		return Ok(());
	}
	let found: Vec<_> = order
		.into_iter()
		.filter(|(position, _)| !placed.contains_key(position))
		.map(|(position, seq)| {
			(
				name(seq),
				Receipt::Recorded {
					block: None,
					position: Some(position),
				},
			)
		})
		.collect();
	store.acknowledge(&[], &found, seen)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_day_is_moved_by_whole_quarters_and_ends_in_the_past() {
		let day = time::parse_date("2016-06-13").unwrap();
		let now = time::parse("2026-11-21T05:42:10Z").unwrap();
		let shift = shift_to(day, now).unwrap();
		assert_eq!(shift % QUARTER_HOUR_MS, 0);
		assert_eq!(
			time::format(day + 95 * QUARTER_HOUR_MS + shift),
			"2026-11-21T05:15:00Z"
		);
		let midnight = time::parse_date("2016-06-14").unwrap();
		assert_eq!(shift_to(day, midnight).unwrap(), 0);
		assert!(matches!(shift_to(day, midnight - 1), Err(Error::Usage(_))));
	}

	fn plan(text: &str, mapping: Mapping) -> Plan {
		let readings = MeterReadings::read(Path::new("day.csv"), text.as_bytes()).unwrap();
		let day = time::parse_date("2016-06-13").unwrap();
		Plan {
			readings: readings.select(day, &[]).unwrap(),
			day,
			mapping,
			quantities: &Quantity::SETTLED,
			envelopes_per_call: 64,
		}
	}

	fn streams() -> Streams {
		let open = |id| OpenStream { id, next_seq: 0 };
		let of_device = BTreeMap::from([(Quantity::Import, open(0)), (Quantity::Export, open(1))]);
		Streams::from([("m1".to_owned(), of_device)])
	}

	const DAY: &str = "slot_start,meter,consumed_wh,produced_wh\n\
		2016-06-13T00:00:00Z,m1,251,0\n2016-06-13T00:15:00Z,m1,100,340\n";

	#[test]
	fn preparing_again_adds_nothing_and_a_changed_reading_is_refused() {
		let home = tempfile::tempdir().unwrap();
		let store = Store::open(home.path()).unwrap();
		let devices = [Device::generate("m1", Default::default()).unwrap()];
		let first = prepare(&store, &plan(DAY, Mapping::Now), 900_000, &devices, &streams()).unwrap();
		let names: Vec<_> = first
			.batches
			.iter()
			.map(|(name, _)| (name.stream, name.seq))
			.collect();
		assert_eq!(names, [(0, 0), (1, 0), (0, 1), (1, 1)]);
		let values: Vec<_> = first
			.batches
			.iter()
			.map(|(_, batch)| batch.readings[0].1)
			.collect();
		assert_eq!(values, [251, 0, 0, 240]);
		let envelopes = seal(&[7; 32], &devices, &first.batches).unwrap();
		assert_eq!(envelopes.len(), 1);
		assert!(envelopes[0].verify(&[7; 32], &devices[0].key.public()));
		store.enqueue(&first.batches, &envelopes).unwrap();

		let again = prepare(&store, &plan(DAY, Mapping::Now), 900_000, &devices, &streams()).unwrap();
		assert!(again.batches.is_empty());

		let changed = DAY.replace(",251,", ",252,");
		let result = prepare(
			&store,
			&plan(&changed, Mapping::Now),
			900_000,
			&devices,
			&streams(),
		);
		let Err(error) = result.map(|_| ()) else {
			panic!("a changed reading was taken")
		};
		assert!(
			matches!(
				error,
				Error::ReadingChanged {
					file_wh: 252,
					anchored_wh: 251,
					stream: 0,
					seq: 0,
					..
				}
			),
			"{error}"
		);
	}

	#[test]
	fn a_day_by_the_minute_is_anchored_privately_an_hour_at_a_time() {
		let home = tempfile::tempdir().unwrap();
		let store = Store::open(home.path()).unwrap();
		let devices = [Device::generate("m1", Default::default()).unwrap()];
		let open = OpenStream { id: 7, next_seq: 3 };
		let streams = Streams::from([(
			"m1".to_owned(),
			BTreeMap::from([(Quantity::ImportByMinute, open)]),
		)]);
		let day = format!("{DAY}2016-06-13T00:45:00Z,m1,60,0\n2016-06-13T01:00:00Z,m1,1000,10\n");
		let plan = Plan {
			quantities: &Quantity::FINE,
			..plan(&day, Mapping::Now)
		};
		let prepared = prepare(&store, &plan, 900_000, &devices, &streams).unwrap();
		let shown: Vec<_> = prepared
			.batches
			.iter()
			.map(|(name, batch)| {
				assert!(batch.anchor.is_private());
				let wh: i64 = batch.readings.iter().map(|(_, wh)| wh).sum();
				(name.stream, name.seq, batch.readings.len(), wh)
			})
			.collect();
		// Three quarters of the first hour, of which one feeds in, and one of the second.
		assert_eq!(shown, [(7, 3, 45, 311), (7, 4, 15, 990)]);
		let start = plan.day + 900_000;
		let times: Vec<_> = prepared.batches[0]
			.1
			.readings
			.iter()
			.map(|(time, _)| *time)
			.collect();
		assert_eq!(times[..2], [start, start + 60_000]);
		assert_eq!(times[30], start + 45 * 60_000);
		store
			.enqueue(
				&prepared.batches,
				&seal(&[7; 32], &devices, &prepared.batches).unwrap(),
			)
			.unwrap();
		let again = prepare(&store, &plan, 900_000, &devices, &streams).unwrap();
		assert!(again.batches.is_empty());
		let changed = Plan {
			readings: MeterReadings::read(Path::new("day.csv"), day.replace(",60,", ",61,").as_bytes())
				.unwrap(),
			..plan
		};
		let error = prepare(&store, &changed, 900_000, &devices, &streams)
			.map(|_| ())
			.unwrap_err();
		assert!(
			matches!(
				error,
				Error::ReadingChanged {
					stream: 7,
					seq: 3,
					..
				}
			),
			"{error}"
		);
	}

	#[test]
	fn a_refused_anchor_is_sent_again_with_the_same_number() {
		let home = tempfile::tempdir().unwrap();
		let store = Store::open(home.path()).unwrap();
		let devices = [Device::generate("m1", Default::default()).unwrap()];
		let first = prepare(&store, &plan(DAY, Mapping::Keep), 0, &devices, &streams()).unwrap();
		store
			.enqueue(&first.batches, &seal(&[7; 32], &devices, &first.batches).unwrap())
			.unwrap();
		let receipts: Vec<_> = (0u64..)
			.zip(&first.batches)
			.map(|(index, (name, _))| {
				let receipt = if index == 2 {
					Receipt::Refused {
						reason: "DeviceIdentity::DeviceLost".into(),
					}
				} else {
					Receipt::Recorded {
						block: Some(4),
						position: Some(name.seq),
					}
				};
				(name.clone(), receipt)
			})
			.collect();
		store.acknowledge(&[0], &receipts, (4, [0; 32])).unwrap();
		let again = prepare(&store, &plan(DAY, Mapping::Keep), 0, &devices, &streams()).unwrap();
		assert_eq!(again.batches, [first.batches[2].clone()]);
	}
}
