//! What a device traded in a period, and what the utility would have charged and paid for the same energy.
//!
//! # Where the figures come from
//! | figure | source |
//! |---|---|
//! | energy bought and sold, price, grid fee | the event `Settled`, one for each slot in which the device had something in the book |
//! | retail price and feed-in tariff | the parameters that held for the slot: those which the market had before the first block that is read, and every event `ParametersSet` since |
//! | what waits for settlement | events `Reported` without a `Settled` |
//!
//! Only finalized blocks are read. A report comes after the end of its slot, so reading begins with the first block
//! that saw the end of the period's first slot. It goes on until the window of the last slot is over and nothing waits
//! for settlement any more, or to the last finalized block.
//!
//! Money is exact to the smallest unit and energy to the mWh; nothing is rounded anywhere.

use crate::{
	Error, Result,
	chain::{
		Chain,
		energy::{EnergyEvent, MarketId, Settled},
	},
	replay::Progress,
	time,
};
use futures::{StreamExt, stream};
use m2m_anchor::StreamId;
use m2m_auction::{
	IgnoredReason, MILLI_WH_PER_KWH, MilliWh, Money, Parameters, PricePerKwh, Slot, SlotLength, Window, cost,
};
use m2m_device::{DeviceId, UnixMs};
use m2m_runtime_api::MarketParameters;
use std::{collections::BTreeSet, ops::Range};

/// Blocks that are asked for at once.
const BLOCKS_AHEAD: usize = 16;

/// Writes energy as kWh, exactly: at most six digits after the point.
pub fn kwh(energy: MilliWh) -> String {
	let (whole, fraction) = (energy / MILLI_WH_PER_KWH, energy % MILLI_WH_PER_KWH);
	if fraction == 0 {
		return whole.to_string();
	}
	let digits = format!("{fraction:06}");
	format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// What one device traded in one slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
	/// The slot.
	pub slot: Slot,
	/// mWh bought.
	pub bought: MilliWh,
	/// mWh sold.
	pub sold: MilliWh,
	/// The price per kWh; `None` if nothing traded.
	pub price: Option<PricePerKwh>,
	/// The grid fee per kWh.
	pub grid_fee: PricePerKwh,
	/// What the utility charged per kWh in this slot.
	pub retail: PricePerKwh,
	/// What the utility paid per kWh in this slot.
	pub feed_in: PricePerKwh,
	/// The finalized block that settled it.
	pub block: u32,
}

impl Line {
	/// What the bought energy cost, grid fee included, in smallest units.
	pub fn paid(&self) -> Money {
		let charge = self.price.unwrap_or_default().saturating_add(self.grid_fee);
		cost(charge, self.bought)
	}

	/// The part of [`Self::paid`] that is grid fee, in smallest units.
	pub fn fee(&self) -> Money {
		cost(self.grid_fee, self.bought)
	}

	/// What the sold energy earned, in smallest units.
	pub fn earned(&self) -> Money {
		cost(self.price.unwrap_or_default(), self.sold)
	}

	/// What the utility would have charged for the bought energy, in smallest units.
	pub fn utility_charge(&self) -> Money {
		cost(self.retail, self.bought)
	}

	/// What the utility would have paid for the sold energy, in smallest units.
	pub fn utility_credit(&self) -> Money {
		cost(self.feed_in, self.sold)
	}
}

/// Sums over lines. Energy in mWh, money in smallest units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
	/// Energy bought.
	pub bought: MilliWh,
	/// Energy sold.
	pub sold: MilliWh,
	/// Paid for it, grid fees included.
	pub paid: Money,
	/// The grid fees in it.
	pub fees: Money,
	/// Earned.
	pub earned: Money,
	/// What the utility would have charged.
	pub utility_charge: Money,
	/// What the utility would have paid.
	pub utility_credit: Money,
}

impl Totals {
	/// Sums of some lines.
	pub fn of<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Self {
		lines.into_iter().fold(Self::default(), |sum, line| Self {
			bought: sum.bought.saturating_add(line.bought),
			sold: sum.sold.saturating_add(line.sold),
			paid: sum.paid.saturating_add(line.paid()),
			fees: sum.fees.saturating_add(line.fee()),
			earned: sum.earned.saturating_add(line.earned()),
			utility_charge: sum.utility_charge.saturating_add(line.utility_charge()),
			utility_credit: sum.utility_credit.saturating_add(line.utility_credit()),
		})
	}

	/// By how much the device is better off than with the utility, in smallest units. The rules for prices let it be
	/// negative for nobody; it is signed so that a breach would show.
	pub fn saving(&self) -> i128 {
		let signed = |money: Money| i128::try_from(money).unwrap_or(i128::MAX);
		let saved = signed(self.utility_charge).saturating_sub(signed(self.paid));
		let gained = signed(self.earned).saturating_sub(signed(self.utility_credit));
		saved.saturating_add(gained)
	}
}

/// An anchor of the device that counted for nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ignored {
	/// The stream.
	pub stream: StreamId,
	/// Sequence number of the anchor.
	pub seq: u64,
	/// Why.
	pub reason: IgnoredReason,
	/// The finalized block that took the anchor.
	pub block: u32,
}

/// The bill of a device for a period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
	/// The market.
	pub market: MarketId,
	/// The device.
	pub device: DeviceId,
	/// Length of the market's slots.
	pub length: SlotLength,
	/// The slots of the period; the end does not belong to it.
	pub slots: Range<Slot>,
	/// What was settled, in the order of slots.
	pub lines: Vec<Line>,
	/// Slots with something in the book that is not settled yet.
	pub unsettled: Vec<Slot>,
	/// Anchors in the blocks that were read which counted for nothing.
	pub ignored: Vec<Ignored>,
	/// First and last block that were read; `None` if no block saw the end of the first slot yet.
	pub blocks: Option<(u32, u32)>,
}

impl Statement {
	/// Sums of the lines.
	pub fn totals(&self) -> Totals {
		Totals::of(&self.lines)
	}
}

/// Slots that begin in `from <= time < to`.
///
/// # Errors
/// [`Error::Usage`] if there is none.
pub fn slots_between(length: SlotLength, from: UnixMs, to: UnixMs) -> Result<Range<Slot>> {
	let first_from = |moment: UnixMs| moment.div_ceil(length.ms());
	let slots = first_from(from)..first_from(to);
	if slots.is_empty() {
		return Err(Error::Usage(format!(
			"no slot of {} s begins from {} on and before {}: name a longer period",
			length.seconds(),
			time::format(from),
			time::format(to)
		)));
	}
	Ok(slots)
}

/// Works out the bill of a device for the slots that begin in `from <= time < to`.
///
/// # Errors
/// [`Error::Unknown`] if there is no such market, [`Error::StateDiscarded`] if the node does not keep blocks that are
/// needed, [`Error::Usage`] if no slot begins in the period.
pub async fn statement(
	chain: &Chain,
	market: MarketId,
	device: &DeviceId,
	from: UnixMs,
	to: UnixMs,
	progress: &dyn Progress,
) -> Result<Statement> {
	let head = chain.finalized().await?;
	let details = head
		.market(chain, market)
		.await?
		.ok_or_else(|| unknown_market(market))?;
	let length = SlotLength::new(details.slot_seconds)
		.ok_or_else(|| Error::IncompatibleChain("its slots do not divide a day".into()))?;
	let slots = slots_between(length, from, to)?;
	let mut account = Account::new(market, device.clone(), slots.clone());
	let last = slots.end.saturating_sub(1);
	let after = head.number.saturating_add(1);

	progress.stage("looking for the first block", 1);
	let first = first_block_at(chain, head.number, length.end(slots.start)).await?;
	if first >= after {
		progress.finish();
		return Ok(account.close(length, None));
	}
	// A market may have been created later. Block 0 has no clock, and no market either.
	if first > 1 {
		let before = kept(chain, first.saturating_sub(1)).await?;
		account.begin_with(
			before
				.market(chain, market)
				.await?
				.map(|details| details.parameters),
		);
	}
	let ended = first_block_at(chain, head.number, length.end(last)).await?;
	progress.stage("reading blocks", u64::from(ended.saturating_sub(first)));
	let mut read = account.read(chain, first..ended, false, progress).await?;
	// All changes of parameters up to the last slot were made before it began.
	let window = account.parameters_of(last).map(|parameters| parameters.window);
	let Window { ms, blocks } = window.unwrap_or(Window { ms: 0, blocks: 0 });
	let over = first_block_at(chain, head.number, length.end(last).saturating_add(ms.into()))
		.await?
		.max(ended.saturating_add(blocks.into()))
		.min(after);
	progress.stage(
		"reading the blocks of the last window",
		u64::from(over.saturating_sub(ended)),
	);
	read = account.read(chain, ended..over, false, progress).await?.max(read);
	progress.stage("looking for settlements", u64::from(after.saturating_sub(over)));
	read = account.read(chain, over..after, true, progress).await?.max(read);
	progress.finish();
	Ok(account.close(length, Some((first, read))))
}

/// The error for a market that the chain does not have.
pub fn unknown_market(market: MarketId) -> Error {
	Error::Unknown(format!(
		"the chain knows no market {market}: `m2m market list` shows those that there are"
	))
}

/// True if a node answered that it does not keep the state of a block any more.
fn is_discarded(error: &Error) -> bool {
	matches!(error, Error::Node(reason) if reason.contains("discarded"))
}

/// A block whose state the node keeps.
async fn kept(chain: &Chain, number: u32) -> Result<crate::chain::Block> {
	match chain.block(number).await {
		Err(error) if is_discarded(&error) => Err(Error::StateDiscarded {
			url: chain.url().into(),
			block: number,
		}),
		result => result,
	}
}

/// The first block from 1 to `head` whose clock shows `time` or later, or the number after `head`. Blocks that the node
/// has discarded count as earlier.
async fn first_block_at(chain: &Chain, head: u32, time: UnixMs) -> Result<u32> {
	let (mut low, mut high) = (1u32, head.saturating_add(1));
	while low < high {
		let middle = low.midpoint(high);
		let is_later = match chain.block(middle).await {
			Ok(block) => block.time(chain).await? >= time,
			Err(error) if is_discarded(&error) => false,
			Err(error) => return Err(error),
		};
		if is_later {
			high = middle;
		} else {
			low = middle.saturating_add(1);
		}
	}
	Ok(low)
}

/// What the events said so far.
struct Account {
	market: MarketId,
	device: DeviceId,
	slots: Range<Slot>,
	/// Parameters by the first slot for which they hold, oldest first.
	versions: Vec<(Slot, Parameters)>,
	lines: Vec<Line>,
	waiting: BTreeSet<Slot>,
	ignored: Vec<Ignored>,
}

impl Account {
	fn new(market: MarketId, device: DeviceId, slots: Range<Slot>) -> Self {
		Self {
			market,
			device,
			slots,
			versions: Vec::new(),
			lines: Vec::new(),
			waiting: BTreeSet::new(),
			ignored: Vec::new(),
		}
	}

	/// Takes over the parameters that the market had before the first block.
	fn begin_with(&mut self, versions: Option<Vec<MarketParameters>>) {
		for version in versions.unwrap_or_default() {
			let window = Window {
				ms: version.window_ms,
				blocks: version.window_blocks,
			};
			let pricing = version.pricing;
			self.set_parameters(version.first, Parameters { pricing, window });
		}
	}

	/// As the chain does: in the place of whatever would begin then or later.
	fn set_parameters(&mut self, first: Slot, parameters: Parameters) {
		self.versions.retain(|(earlier, _)| *earlier < first);
		self.versions.push((first, parameters));
	}

	fn parameters_of(&self, slot: Slot) -> Option<&Parameters> {
		let held = self.versions.iter().rev().find(|(first, _)| *first <= slot);
		held.map(|(_, parameters)| parameters)
	}

	/// Takes the events of blocks in their order, with `until_settled` only as long as something waits. Returns the last
	/// block that was read, 0 if none was.
	async fn read(
		&mut self,
		chain: &Chain,
		blocks: Range<u32>,
		until_settled: bool,
		progress: &dyn Progress,
	) -> Result<u32> {
		let mut last = 0;
		let mut blocks = stream::iter(blocks)
			.map(|number| events_of(chain, number))
			.buffered(BLOCKS_AHEAD);
		while !(until_settled && self.waiting.is_empty()) {
			let Some(block) = blocks.next().await else {
				break;
			};
			let (number, events) = block?;
			for event in events {
				self.take(number, event)?;
			}
			last = number;
			progress.advance(1);
		}
		Ok(last)
	}

	fn take(&mut self, block: u32, event: EnergyEvent) -> Result<()> {
		match event {
			EnergyEvent::ParametersSet {
				market,
				first,
				parameters,
			} if market == self.market => self.set_parameters(first, parameters),
			EnergyEvent::Reported {
				market,
				slot,
				device,
				offered,
				..
			} if market == self.market
				&& device == self.device
				&& offered > 0
				&& self.slots.contains(&slot) =>
			{
				self.waiting.insert(slot);
			}
			EnergyEvent::ReportIgnored {
				market,
				device,
				stream,
				seq,
				reason,
			} if market == self.market && device == self.device => self.ignored.push(Ignored {
				stream,
				seq,
				reason,
				block,
			}),
			EnergyEvent::Settled(settled)
				if settled.market == self.market
					&& settled.device == self.device
					&& self.slots.contains(&settled.slot) =>
			{
				self.settle(block, &settled)?;
			}
			_ => {}
		}
		Ok(())
	}

	fn settle(&mut self, block: u32, settled: &Settled) -> Result<()> {
		let slot = settled.slot;
		let pricing = self
			.parameters_of(slot)
			.ok_or_else(|| Error::IncompatibleChain(format!("it shows no tariffs for slot {slot}")))?
			.pricing;
		self.waiting.remove(&slot);
		self.lines.push(Line {
			slot,
			bought: settled.bought,
			sold: settled.sold,
			price: settled.price,
			grid_fee: settled.grid_fee,
			retail: pricing.retail,
			feed_in: pricing.feed_in,
			block,
		});
		Ok(())
	}

	fn close(mut self, length: SlotLength, blocks: Option<(u32, u32)>) -> Statement {
		self.lines.sort_unstable_by_key(|line| line.slot);
		Statement {
			market: self.market,
			device: self.device,
			length,
			slots: self.slots,
			lines: self.lines,
			unsettled: self.waiting.into_iter().collect(),
			ignored: self.ignored,
			blocks,
		}
	}
}

/// What markets reported in a block.
async fn events_of(chain: &Chain, number: u32) -> Result<(u32, Vec<EnergyEvent>)> {
	let block = kept(chain, number).await?;
	let events = block.events(chain).await?;
	Ok((number, EnergyEvent::all(&block, &events)?))
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::money::UNIT;
	use m2m_auction::{Pricing, Side, TickGrid};

	const CENT: Money = UNIT / 100;

	fn device(number: u8) -> DeviceId {
		DeviceId::new([number; 32])
	}

	fn parameters(retail: Money, feed_in: Money) -> Parameters {
		let grid = TickGrid {
			bottom: feed_in + CENT,
			tick_size: CENT,
			ticks: 10,
		};
		let pricing = Pricing {
			retail,
			feed_in,
			margin: CENT,
			grid_fee: 4 * CENT,
			grid,
		};
		assert_eq!(pricing.check(), Ok(()));
		let window = Window {
			ms: 60_000,
			blocks: 5,
		};
		Parameters { pricing, window }
	}

	fn account() -> Account {
		let mut account = Account::new(3, device(1), 100..104);
		let before = parameters(30 * CENT, 8 * CENT);
		account.begin_with(Some(vec![MarketParameters {
			first: 0,
			pricing: before.pricing,
			window_ms: before.window.ms,
			window_blocks: before.window.blocks,
		}]));
		account
	}

	fn settled(slot: Slot, number: u8, bought: MilliWh, sold: MilliWh) -> EnergyEvent {
		EnergyEvent::Settled(Settled {
			market: 3,
			slot,
			device: device(number),
			bought,
			sold,
			price: (bought + sold > 0).then_some(15 * CENT),
			grid_fee: 4 * CENT,
		})
	}

	fn reported(slot: Slot, offered: u64) -> EnergyEvent {
		EnergyEvent::Reported {
			market: 3,
			slot,
			device: device(1),
			side: Side::Bid,
			metered: 500,
			offered,
		}
	}

	#[test]
	fn a_bill_is_exact_to_the_smallest_unit() {
		let mut account = account();
		account.take(7, reported(100, 112)).unwrap();
		account.take(9, settled(100, 1, 111_112, 0)).unwrap();
		account.take(9, settled(101, 1, 0, 1_200_000)).unwrap();
		let statement = account.close(SlotLength::new(900).unwrap(), Some((5, 9)));
		let [bought, sold] = statement.lines.as_slice() else {
			panic!("{:?}", statement.lines);
		};
		// 0.111112 kWh at 0.15 and a fee of 0.04; the utility asks 0.30.
		assert_eq!(bought.paid(), 21_111_280_000);
		assert_eq!(bought.fee(), 4_444_480_000);
		assert_eq!(bought.utility_charge(), 33_333_600_000);
		assert_eq!(
			(sold.earned(), sold.utility_credit()),
			(18 * CENT, 96 * CENT / 10)
		);
		let totals = statement.totals();
		assert_eq!(totals.saving(), 12_222_320_000 + 84_000_000_000);
		assert!(statement.unsettled.is_empty());
	}

	#[test]
	fn a_slot_is_compared_with_the_tariffs_that_held_for_it() {
		let mut account = account();
		let change = |market| EnergyEvent::ParametersSet {
			market,
			first: 102,
			parameters: parameters(40 * CENT, 10 * CENT),
		};
		account.take(1, change(4)).unwrap();
		account.take(2, settled(103, 1, 1, 0)).unwrap();
		account.take(3, change(3)).unwrap();
		account.take(4, settled(101, 1, 1, 0)).unwrap();
		account.take(5, settled(102, 1, 1, 0)).unwrap();
		let lines = account.close(SlotLength::new(900).unwrap(), None).lines;
		let retail: Vec<_> = lines.iter().map(|line| (line.slot, line.retail)).collect();
		// Slot 103 was told of before the change was, which no chain does; what stands in the bill is what was known.
		assert_eq!(retail, [(101, 30 * CENT), (102, 40 * CENT), (103, 30 * CENT)]);
	}

	#[test]
	fn what_others_traded_or_when_is_on_no_bill() {
		let mut account = account();
		for event in [
			settled(100, 2, 5, 0),
			settled(99, 1, 5, 0),
			settled(104, 1, 5, 0),
			reported(104, 5),
			reported(100, 0),
		] {
			account.take(1, event).unwrap();
		}
		let statement = account.close(SlotLength::new(900).unwrap(), None);
		assert_eq!((statement.lines.len(), statement.unsettled.len()), (0, 0));
		assert_eq!(statement.totals(), Totals::default());
	}

	#[test]
	fn what_waits_for_settlement_is_named() {
		let mut account = account();
		for slot in [102, 100, 101] {
			account.take(1, reported(slot, 5)).unwrap();
		}
		account.take(2, settled(101, 1, 5000, 0)).unwrap();
		let statement = account.close(SlotLength::new(900).unwrap(), Some((1, 2)));
		assert_eq!(statement.unsettled, [100, 102]);
	}

	#[test]
	fn a_bill_without_tariffs_is_refused() {
		let mut account = Account::new(3, device(1), 100..104);
		let error = account.take(1, settled(100, 1, 1, 0)).unwrap_err();
		assert_eq!(error.name(), "IncompatibleChain");
	}

	#[test]
	fn a_period_has_the_slots_that_begin_in_it() {
		let length = SlotLength::new(900).unwrap();
		let between = |from, to| slots_between(length, from, to).map_err(|error| error.name());
		assert_eq!(between(0, 900_000), Ok(0..1));
		assert_eq!(between(1, 900_001), Ok(1..2));
		assert_eq!(between(900_000, 86_400_000), Ok(1..96));
		for (from, to) in [(1, 900_000), (5, 5), (900_000, 0)] {
			assert_eq!(between(from, to), Err("Usage"));
		}
	}

	#[test]
	fn energy_is_written_to_the_last_milliwatt_hour() {
		for (energy, text) in [
			(0, "0"),
			(1, "0.000001"),
			(111_112, "0.111112"),
			(1_200_000, "1.2"),
			(12_000_000, "12"),
		] {
			assert_eq!(kwh(energy), text);
		}
	}
}
