//! Slot by slot: devices sign, the gateway delivers, the market clears, the gateway settles. Slots overlap: while one is
//! delivered, the ones before it wait for their windows to end, and older ones are settled.

use super::{Plan, accounts::Journal, audit::Audit, report::SlotLine, setup::Meter};
use crate::{
	Error, Result,
	chain::{Chain, Included, Pipeline, energy, telemetry},
	commitment,
	keys::{self, Key},
	replay::{MAX_ENVELOPES_PER_CALL, Progress},
	store::{AnchorName, Batch},
};
use m2m_anchor::SignedAnchors;
use m2m_auction::Slot;
use m2m_device::{DeviceId, UnixMs};
use std::{
	collections::BTreeMap,
	time::{Duration, Instant},
};

/// How long a look at what is final may keep the next delivery waiting: far less than the window.
const LOOK: Duration = Duration::from_millis(1_500);
/// How often the chain's clock is looked at if nothing is under way.
const POLL: Duration = Duration::from_millis(500);
/// How much longer than the slots themselves everything may take: finality after the last settlement, on a slow machine.
const GRACE: Duration = Duration::from_secs(240);

/// A transaction of the gateway.
enum Sent {
	/// Envelopes for the slot with this index.
	Delivery(usize, Vec<SignedAnchors>),
	/// Settlement of these slots.
	Settlement(Vec<Slot>),
}

/// How far a slot's delivery is.
#[derive(Clone, Copy, Default)]
struct Delivery {
	/// Transactions that are not final.
	under_way: usize,
	/// The last block that took one.
	block: u32,
	sent: bool,
}

struct Trading<'a, 'j> {
	chain: &'a Chain,
	meters: &'a [Meter],
	plan: &'a Plan,
	audit: &'a mut Audit,
	journal: &'a mut Journal<'j>,
	pipeline: Pipeline<'a, Sent>,
	deliveries: Vec<Delivery>,
	/// Slots whose settlement was sent, with the block that took it once it is final.
	settling: BTreeMap<Slot, Option<u32>>,
	/// How many slots were shown.
	shown: usize,
}

/// Trades all slots of a plan until everything is settled and final.
pub(super) async fn trade(
	chain: &Chain,
	gateway: &Key,
	meters: &[Meter],
	plan: &Plan,
	audit: &mut Audit,
	journal: &mut Journal<'_>,
	progress: &dyn Progress,
	line: &(dyn Fn(&SlotLine) + Sync),
) -> Result<()> {
	let slots = plan.quarters.len();
	let length = Duration::from_millis(plan.slot.ms());
	// The slot that runs now, the slots, and the window of the last one.
	let in_all = u32::try_from(slots).unwrap_or(u32::MAX).saturating_add(2);
	let allowed = length.saturating_mul(in_all).saturating_add(GRACE);
	let began = Instant::now();
	progress.stage("trading, one slot after the other", slots as u64);
	let mut trading = Trading {
		chain,
		meters,
		plan,
		audit,
		journal,
		pipeline: Pipeline::new(chain, gateway),
		deliveries: vec![Delivery::default(); slots],
		settling: BTreeMap::new(),
		shown: 0,
	};
	while trading.shown < slots {
		if began.elapsed() >= allowed {
			return Err(Error::NotFinalized {
				what: "the settlement of the last slot".into(),
				seconds: allowed.as_secs(),
			});
		}
		trading.deliver().await?;
		trading.look().await?;
		trading.settle().await?;
		while let Some(done) = trading.next_line() {
			line(&done);
			progress.advance(1);
		}
	}
	Ok(())
}

impl Trading<'_, '_> {
	/// Sends what the devices sign for each slot that is over by the chain's clock.
	async fn deliver(&mut self) -> Result<()> {
		let Some(next) = self.deliveries.iter().position(|delivery| !delivery.sent) else {
			return Ok(());
		};
		let now = self.chain.best().await?.time(self.chain).await?;
		let first = self.audit.terms().first;
		for (index, slot) in (0..self.deliveries.len()).zip(first..).skip(next) {
			if now < self.plan.slot.end(slot) {
				break;
			}
			let envelopes = self.envelopes(index, self.plan.slot.start(slot))?;
			for chunk in envelopes.chunks(MAX_ENVELOPES_PER_CALL) {
				let call = telemetry::anchor_many(&chunk.iter().collect());
				self.pipeline
					.send(Sent::Delivery(index, chunk.to_vec()), &call)
					.await?;
				if let Some(delivery) = self.deliveries.get_mut(index) {
					delivery.under_way = delivery.under_way.saturating_add(1);
				}
			}
			if let Some(delivery) = self.deliveries.get_mut(index) {
				delivery.sent = true;
			}
		}
		Ok(())
	}

	/// One envelope of each device: the anchors of its import and its export in the slot that begins at `start`. Streams
	/// are new, so the number of an anchor is that of its slot.
	fn envelopes(&self, index: usize, start: UnixMs) -> Result<Vec<SignedAnchors>> {
		let seq = index as u64;
		let mut envelopes = Vec::with_capacity(self.meters.len());
		for (meter, household) in self.meters.iter().zip(self.audit.households()) {
			let device = &meter.device;
			let (import, export) = household.readings.get(index).copied().unwrap_or_default();
			let mut batches = Vec::with_capacity(meter.streams.len());
			for ((_, stream), wh) in meter.streams.iter().zip([import, export]) {
				let readings = vec![(start, i64::try_from(wh).unwrap_or(i64::MAX))];
				let name = AnchorName {
					device: device.id.clone(),
					stream: *stream,
					seq,
				};
				let anchor = commitment::anchor(device.secret(), *stream, seq, &readings)?;
				batches.push((name, Batch { anchor, readings }));
			}
			envelopes.push(commitment::envelope(self.chain.genesis(), device, &batches)?);
		}
		Ok(envelopes)
	}

	/// Enters into the books what is final, and what became of the gateway's transactions.
	async fn look(&mut self) -> Result<()> {
		if self.pipeline.under_way() == 0 {
			tokio::time::sleep(POLL).await;
		} else if let Ok(found) = tokio::time::timeout(LOOK, self.pipeline.collect()).await {
			for (sent, included) in found? {
				self.book(sent, &included)?;
			}
		}
		self.journal.catch_up().await?;
		for event in self.journal.take_events() {
			self.audit.observe(&event)?;
		}
		Ok(())
	}

	fn book(&mut self, sent: Sent, included: &Included) -> Result<()> {
		match sent {
			Sent::Delivery(index, envelopes) => {
				check_anchored(included, &envelopes)?;
				if let Some(delivery) = self.deliveries.get_mut(index) {
					delivery.under_way = delivery.under_way.saturating_sub(1);
					delivery.block = delivery.block.max(included.block.number);
				}
			}
			Sent::Settlement(slots) => {
				for slot in slots {
					self.settling.insert(slot, Some(included.block.number));
				}
			}
		}
		Ok(())
	}

	/// Settles what is cleared, and what could be: blocks clear by themselves, unless they are full. What somebody else
	/// settled first is no error, and what was sent too early is sent again.
	async fn settle(&mut self) -> Result<()> {
		let mut due: BTreeMap<Slot, Vec<DeviceId>> = self.audit.to_settle().into_iter().collect();
		let market = self.audit.terms().market;
		let block = self.chain.finalized().await?;
		for (slot, over) in block.open_slots(self.chain, market).await? {
			if over {
				due.insert(slot, self.audit.waiting_in(slot));
			}
		}
		let read = self.journal.read;
		let settling = &self.settling;
		due.retain(|slot, devices| {
			let answered = settling
				.get(slot)
				.is_none_or(|block| block.is_some_and(|block| block <= read));
			answered && !devices.is_empty()
		});
		if due.is_empty() {
			return Ok(());
		}
		let calls: Vec<_> = due
			.iter()
			.flat_map(|(slot, devices)| {
				devices
					.chunks(energy::DEVICES_PER_SETTLEMENT)
					.map(move |chunk| energy::settle(market, *slot, &chunk.to_vec()))
			})
			.collect();
		let call = self.chain.each_for_itself(&calls).await?;
		let slots: Vec<Slot> = due.into_keys().collect();
		for slot in &slots {
			self.settling.insert(*slot, None);
		}
		self.pipeline.send(Sent::Settlement(slots), &call).await
	}

	/// The next slot that is over, if it is.
	fn next_line(&mut self) -> Option<SlotLine> {
		let delivery = self.deliveries.get(self.shown)?;
		let is_delivered = delivery.sent && delivery.under_way == 0 && delivery.block <= self.journal.read;
		if !is_delivered || !self.audit.slots().get(self.shown)?.is_over() {
			return None;
		}
		let line = SlotLine::new(self.audit, self.shown);
		self.shown = self.shown.saturating_add(1);
		Some(line)
	}
}

/// Fails unless every anchor of these envelopes was recorded.
fn check_anchored(included: &Included, envelopes: &[SignedAnchors]) -> Result<()> {
	let outcomes = telemetry::outcomes(&included.block, &included.events)?;
	let mut refused = Vec::new();
	for envelope in envelopes {
		for item in &envelope.items {
			match outcomes.of(envelope, item) {
				Some(telemetry::Outcome::Anchored { .. }) => {}
				Some(telemetry::Outcome::Refused { reason, .. }) => refused.push((envelope, reason)),
				Some(telemetry::Outcome::UsedBefore) => {
					refused.push((envelope, "a number that is used".into()))
				}
				None => refused.push((envelope, "no answer".into())),
			}
		}
	}
	match refused.first() {
		None => Ok(()),
		Some((envelope, reason)) => Err(Error::AnchorsRefused {
			count: refused.len(),
			first: format!("{reason}, of {}", keys::address(&envelope.device)),
		}),
	}
}
