//! What a market did, worked out again from the meter readings.
//!
//! [`Audit`] knows the readings, the orders and the prices, and is shown the events of the chain in their order. It keeps
//! books of its own with the functions of [`m2m_auction`]: what each report puts into the book of its slot, what the slot
//! clears to, what each member pays and earns, and what is left of its credit. The first event that says something else
//! is an [`Error::Contradiction`].

use super::rules::CAPACITY;
use crate::{
	Error, Result,
	chain::energy::{EnergyEvent, MarketId, Settled},
	money, time,
};
use m2m_anchor::StreamId;
use m2m_auction::{
	Book, Clearing, IgnoredReason, MILLI_WH_PER_WH, MilliWh, Money, PriceOrder, PricePerKwh, Pricing, Side,
	Slot, Step, Steps, Wh, clear, cost, settle, spread,
};
use m2m_device::{DeviceId, UnixMs};
use std::collections::BTreeMap;

/// What is traded, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
	/// The market.
	pub market: MarketId,
	/// The slot in which the first quarter of an hour is delivered; the others follow.
	pub first: Slot,
	/// Starts of the quarters of an hour in the readings.
	pub quarters: Vec<UnixMs>,
	/// Tariffs, prices and grid fee.
	pub pricing: Pricing,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Household {
	/// Name of its meter.
	pub name: String,
	/// Its device.
	pub device: DeviceId,
	/// What it wants.
	pub order: PriceOrder,
	/// Wh taken and given in each quarter of an hour.
	pub readings: Vec<(Wh, Wh)>,
}

/// What the utility alone would charge for energy in mWh, less what it would pay, in smallest units.
pub fn utility_bill(pricing: &Pricing, import: MilliWh, export: MilliWh) -> i128 {
	signed(cost(pricing.retail, import)).saturating_sub(signed(cost(pricing.feed_in, export)))
}

/// What a household pays in all, less what it earns, if it trades a part at `price`: the rest is the utility's.
pub fn market_bill(
	pricing: &Pricing,
	price: PricePerKwh,
	import: MilliWh,
	export: MilliWh,
	bought: MilliWh,
	sold: MilliWh,
) -> i128 {
	let charge = price.saturating_add(pricing.grid_fee);
	utility_bill(
		pricing,
		import.saturating_sub(bought),
		export.saturating_sub(sold),
	)
	.saturating_add(signed(cost(charge, bought)))
	.saturating_sub(signed(cost(price, sold)))
}

fn signed(amount: u128) -> i128 {
	i128::try_from(amount).unwrap_or(i128::MAX)
}

/// What a household did in a slot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Share {
	/// Its import was counted.
	pub import_counted: bool,
	/// Its export was counted.
	pub export_counted: bool,
	/// Why an anchor of it was not.
	pub ignored: Option<IgnoredReason>,
	/// Its credit did not cover all that it would have bid.
	pub cut: bool,
	/// mWh bought.
	pub bought: MilliWh,
	/// mWh sold.
	pub sold: MilliWh,
	bids: Steps,
	asks: Steps,
	settled: bool,
}

impl Share {
	fn waits(&self) -> bool {
		let has_entry = !self.bids.is_empty() || !self.asks.is_empty();
		has_entry && !self.settled
	}
}

/// What became of a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotRecord {
	/// By household, in their order.
	pub shares: Vec<Share>,
	book: Book,
	orders: u64,
	pot: Money,
	cleared: Option<Option<Clearing>>,
	/// What went to the reserve, once the last entry was settled.
	pub reserved: Option<Money>,
}

impl SlotRecord {
	/// What it cleared to; `None` if nothing was traded.
	pub fn clearing(&self) -> Option<&Clearing> {
		self.cleared.as_ref()?.as_ref()
	}

	/// Wh that were traded.
	pub fn volume_wh(&self) -> u128 {
		self.clearing().map_or(0, |clearing| clearing.volume_wh)
	}

	/// True if nothing of it is left on chain.
	pub(super) fn is_over(&self) -> bool {
		self.orders == 0 || self.reserved.is_some()
	}
}

/// The books.
pub struct Audit {
	terms: Terms,
	households: Vec<Household>,
	by_device: BTreeMap<DeviceId, usize>,
	/// Streams with which a household joined.
	streams: BTreeMap<(DeviceId, StreamId), usize>,
	slots: Vec<SlotRecord>,
	credits: Vec<Money>,
	reserve: Money,
	/// Put into credits.
	topped_up: Money,
	/// Paid out to wallets.
	paid_out: Money,
	/// Paid out of the reserve.
	reserve_paid: Money,
}

impl Audit {
	/// Empty books.
	///
	/// # Errors
	/// [`Error::Usage`] if a household has not one reading for each quarter of an hour.
	pub fn new(terms: Terms, households: Vec<Household>) -> Result<Self> {
		if let Some(short) = households
			.iter()
			.find(|household| household.readings.len() != terms.quarters.len())
		{
			return Err(Error::Usage(format!(
				"{} has {} readings for {} slots",
				short.name,
				short.readings.len(),
				terms.quarters.len()
			)));
		}
		let empty = SlotRecord {
			shares: vec![Share::default(); households.len()],
			book: Book::default(),
			orders: 0,
			pot: 0,
			cleared: None,
			reserved: None,
		};
		Ok(Self {
			by_device: households
				.iter()
				.enumerate()
				.map(|(index, household)| (household.device.clone(), index))
				.collect(),
			slots: vec![empty; terms.quarters.len()],
			credits: vec![0; households.len()],
			streams: BTreeMap::new(),
			terms,
			households,
			reserve: 0,
			topped_up: 0,
			paid_out: 0,
			reserve_paid: 0,
		})
	}

	/// What is traded, and when.
	pub fn terms(&self) -> &Terms {
		&self.terms
	}

	/// The members.
	pub fn households(&self) -> &[Household] {
		&self.households
	}

	/// The slots, in their order.
	pub fn slots(&self) -> &[SlotRecord] {
		&self.slots
	}

	/// Slots that are cleared and have entries, each with whose.
	pub fn to_settle(&self) -> Vec<(Slot, Vec<DeviceId>)> {
		let cleared = (self.terms.first..)
			.zip(&self.slots)
			.filter(|(_, record)| record.cleared.is_some() && !record.is_over());
		cleared
			.map(|(slot, record)| (slot, self.waiting(record)))
			.collect()
	}

	/// Devices with an entry in a slot.
	pub fn waiting_in(&self, slot: Slot) -> Vec<DeviceId> {
		self.index_of(slot)
			.and_then(|index| self.slots.get(index))
			.map_or_else(Vec::new, |record| self.waiting(record))
	}

	fn waiting(&self, record: &SlotRecord) -> Vec<DeviceId> {
		let waiting = self.households.iter().zip(&record.shares);
		waiting
			.filter(|(_, share)| share.waits())
			.map(|(household, _)| household.device.clone())
			.collect()
	}

	/// True if no slot has anything left on chain.
	pub fn all_settled(&self) -> bool {
		self.slots.iter().all(SlotRecord::is_over)
	}

	/// Looks at an event. Events of other markets are passed over.
	///
	/// # Errors
	/// [`Error::Contradiction`] if it says something else than the readings.
	pub fn observe(&mut self, event: &EnergyEvent) -> Result<()> {
		let ours = self.terms.market;
		match event {
			EnergyEvent::Joined {
				market,
				device,
				import,
				export,
			} if *market == ours => {
				let (index, _) = self.household(device)?;
				for stream in [import, export] {
					self.streams.insert((device.clone(), *stream), index);
				}
			}
			EnergyEvent::OrderSet {
				market,
				device,
				order,
				..
			} if *market == ours => {
				let (_, household) = self.household(device)?;
				if household.order != *order {
					return Err(contradiction(
						"the set-up",
						&household.name,
						"another order was set",
					));
				}
			}
			EnergyEvent::Admitted {
				market,
				device,
				since,
				capacity,
				..
			} if *market == ours => {
				let (_, household) = self.household(device)?;
				if *capacity != CAPACITY || *since > self.terms.first {
					return Err(contradiction(
						"the set-up",
						&household.name,
						"it was admitted too late or with another capacity",
					));
				}
			}
			EnergyEvent::CreditToppedUp {
				market,
				device,
				amount,
			} if *market == ours => {
				let (index, _) = self.household(device)?;
				self.add_credit(index, *amount);
				self.topped_up = self.topped_up.saturating_add(*amount);
			}
			EnergyEvent::CreditWithdrawn {
				market,
				device,
				amount,
			} if *market == ours => self.pay_out(device, *amount)?,
			EnergyEvent::Left {
				market,
				device,
				credit,
			} if *market == ours => {
				let (index, household) = self.household(device)?;
				let known = self.credits.get(index).copied().unwrap_or_default();
				if known != *credit {
					return Err(contradiction(
						"the end",
						&household.name,
						format!(
							"its credit was {} M2M and not {}",
							money::format(*credit),
							money::format(known)
						),
					));
				}
				self.pay_out(device, *credit)?;
			}
			EnergyEvent::Reported {
				market,
				slot,
				device,
				side,
				metered,
				offered,
			} if *market == ours => self.report(*slot, device, *side, *metered, *offered)?,
			EnergyEvent::ReportIgnored {
				market,
				device,
				stream,
				seq,
				reason,
			} if *market == ours => self.ignore(device, *stream, *seq, *reason),
			EnergyEvent::SlotCleared {
				market,
				slot,
				price,
				volume_wh,
				orders,
			} if *market == ours => self.clear(*slot, *price, *volume_wh, *orders)?,
			EnergyEvent::Settled(bill) if bill.market == ours => self.settle(bill)?,
			EnergyEvent::SlotSettled {
				market,
				slot,
				reserved,
			} if *market == ours => self.close(*slot, *reserved)?,
			EnergyEvent::ReserveWithdrawn { market, amount, .. } if *market == ours => {
				let Some(left) = self.reserve.checked_sub(*amount) else {
					return Err(contradiction(
						"the end",
						"the operator",
						"more was paid out than the reserve held",
					));
				};
				self.reserve = left;
				self.reserve_paid = self.reserve_paid.saturating_add(*amount);
			}
			_ => {}
		}
		Ok(())
	}

	/// What the chain's books must say now: the credit of each household, in their order, and the reserve.
	pub fn balances(&self) -> (&[Money], Money) {
		(&self.credits, self.reserve)
	}

	/// Looks at everything together, when all is settled, paid out and withdrawn.
	///
	/// # Errors
	/// [`Error::Contradiction`] if something is left, if money or energy was made or lost, or if a household paid more
	/// in any slot than with the utility alone.
	pub fn finish(&self) -> Result<()> {
		for (slot, record) in self.slots.iter().enumerate() {
			if !record.is_over() {
				return Err(contradiction(
					self.label(slot),
					"all households",
					"it is not settled",
				));
			}
			self.check_energy(slot, record)?;
			for (index, household) in self.households.iter().enumerate() {
				let (alone, together) = self.bills(slot, index);
				if together > alone {
					return Err(contradiction(
						self.label(slot),
						&household.name,
						format!(
							"it paid {} M2M in all, and would have paid {} with the utility alone",
							money_signed(together),
							money_signed(alone)
						),
					));
				}
			}
		}
		if let Some((household, credit)) = self
			.households
			.iter()
			.zip(&self.credits)
			.find(|(_, credit)| **credit > 0)
		{
			return Err(contradiction(
				"the end",
				&household.name,
				format!("a credit of {} M2M is left", money::format(*credit)),
			));
		}
		let out = self
			.paid_out
			.saturating_add(self.reserve_paid)
			.saturating_add(self.reserve);
		if self.topped_up != out {
			return Err(contradiction(
				"the end",
				"all households",
				format!(
					"{} M2M went in and {} came out",
					money::format(self.topped_up),
					money::format(out)
				),
			));
		}
		Ok(())
	}

	/// What was put into credits, paid out of them, and paid out of the reserve.
	pub fn turnover(&self) -> (Money, Money, Money) {
		(self.topped_up, self.paid_out, self.reserve_paid)
	}

	/// What a household would have paid the utility for a slot, and what it paid in all; both less what it earned.
	pub fn bills(&self, slot: usize, household: usize) -> (i128, i128) {
		let reading = self
			.households
			.get(household)
			.and_then(|household| household.readings.get(slot));
		let record = self.slots.get(slot);
		let (Some((import, export)), Some(record)) = (reading, record) else {
			return (0, 0);
		};
		let (import, export) = (milli(*import), milli(*export));
		let pricing = &self.terms.pricing;
		let alone = utility_bill(pricing, import, export);
		let (Some(share), Some(price)) = (record.shares.get(household), self.price(record)) else {
			return (alone, alone);
		};
		let together = market_bill(pricing, price, import, export, share.bought, share.sold);
		(alone, together)
	}

	/// The price of a slot.
	pub fn price(&self, record: &SlotRecord) -> Option<PricePerKwh> {
		let clearing = record.clearing()?;
		Some(self.terms.pricing.grid.price(clearing.tick))
	}

	/// Bought and sold are the volume, except for less than one mWh for each order that was rationed.
	fn check_energy(&self, slot: usize, record: &SlotRecord) -> Result<()> {
		let sum = |energy: fn(&Share) -> MilliWh| {
			record
				.shares
				.iter()
				.fold(0, |sum: MilliWh, share| sum.saturating_add(energy(share)))
		};
		let (bought, sold) = (sum(|share| share.bought), sum(|share| share.sold));
		let volume = record.volume_wh().saturating_mul(MILLI_WH_PER_WH);
		let rounded = record
			.clearing()
			.and_then(|clearing| clearing.ration)
			.map_or(0, |ration| MilliWh::from(ration.orders));
		if bought < volume
			|| sold > volume
			|| bought.saturating_sub(volume) > rounded
			|| volume.saturating_sub(sold) > rounded
		{
			return Err(contradiction(
				self.label(slot),
				"all households",
				format!("{bought} mWh were bought and {sold} sold, but {volume} traded"),
			));
		}
		Ok(())
	}

	fn index_of(&self, slot: Slot) -> Option<usize> {
		let index = usize::try_from(slot.checked_sub(self.terms.first)?).ok()?;
		(index < self.slots.len()).then_some(index)
	}

	/// When the slot was in the readings.
	fn label(&self, index: usize) -> String {
		self.terms
			.quarters
			.get(index)
			.map_or_else(|| format!("slot {index}"), |start| time::format(*start))
	}

	fn household(&self, device: &DeviceId) -> Result<(usize, &Household)> {
		self.by_device
			.get(device)
			.and_then(|index| Some((*index, self.households.get(*index)?)))
			.ok_or_else(|| {
				contradiction(
					"the market",
					crate::keys::address(device),
					"it is no household of the file",
				)
			})
	}

	/// The slot and the household of an event.
	fn place(&self, slot: Slot, device: &DeviceId) -> Result<(usize, usize)> {
		let (household, known) = self.household(device)?;
		let index = self.index_of(slot).ok_or_else(|| {
			contradiction(
				format!("slot {slot}"),
				&known.name,
				"there are no readings for this slot",
			)
		})?;
		Ok((index, household))
	}

	fn add_credit(&mut self, household: usize, amount: Money) {
		if let Some(credit) = self.credits.get_mut(household) {
			*credit = credit.saturating_add(amount);
		}
	}

	fn pay_out(&mut self, device: &DeviceId, amount: Money) -> Result<()> {
		let (index, household) = self.household(device)?;
		let left = self
			.credits
			.get(index)
			.and_then(|credit| credit.checked_sub(amount))
			.ok_or_else(|| {
				contradiction(
					"the end",
					&household.name,
					"more was paid out than its credit held",
				)
			})?;
		if let Some(credit) = self.credits.get_mut(index) {
			*credit = left;
		}
		self.paid_out = self.paid_out.saturating_add(amount);
		Ok(())
	}

	fn report(&mut self, slot: Slot, device: &DeviceId, side: Side, metered: Wh, offered: Wh) -> Result<()> {
		let (at, who) = self.place(slot, device)?;
		let label = self.label(at);
		let pricing = self.terms.pricing;
		let (Some(household), Some(record), Some(credit)) = (
			self.households.get(who),
			self.slots.get_mut(at),
			self.credits.get_mut(who),
		) else {
			return Ok(());
		};
		let (import, export) = household.readings.get(at).copied().unwrap_or_default();
		let (reading, capacity, what) = match side {
			Side::Bid => (import, CAPACITY.import, "import"),
			Side::Ask => (export, CAPACITY.export, "export"),
		};
		if reading != metered {
			return Err(contradiction(
				label,
				&household.name,
				format!("its meter says {reading} Wh of {what}, but the chain has {metered} Wh"),
			));
		}
		let placed = household.order.on(&pricing.grid);
		let counted = metered.min(capacity.into());
		let wanted = spread(
			match side {
				Side::Bid => &placed.bids,
				Side::Ask => &placed.asks,
			},
			counted,
		);
		let steps = match side {
			Side::Bid => {
				let covered = pricing.cover(wanted.clone(), *credit);
				*credit = credit.saturating_sub(covered.set_aside);
				record.pot = record.pot.saturating_add(covered.set_aside);
				covered.bids
			}
			Side::Ask => wanted.clone(),
		};
		if total(&steps) != offered {
			return Err(contradiction(
				label,
				&household.name,
				format!(
					"{offered} Wh of its {what} were offered, but its order and credit make {}",
					total(&steps)
				),
			));
		}
		for step in &steps {
			let fits = record.book.add(side, step);
			if record.cleared.is_some() || fits.is_err() {
				return Err(contradiction(
					label,
					&household.name,
					"it was reported after the slot was cleared",
				));
			}
			record.orders = record.orders.saturating_add(1);
		}
		let Some(share) = record.shares.get_mut(who) else {
			return Ok(());
		};
		match side {
			Side::Bid => {
				share.import_counted = true;
				share.cut = total(&steps) < total(&wanted);
				share.bids = steps;
			}
			Side::Ask => {
				share.export_counted = true;
				share.asks = steps;
			}
		}
		Ok(())
	}

	/// An anchor that did not count. Streams are new, so the number of an anchor is that of its slot.
	fn ignore(&mut self, device: &DeviceId, stream: StreamId, seq: u64, reason: IgnoredReason) {
		let household = self.streams.get(&(device.clone(), stream));
		let record = usize::try_from(seq)
			.ok()
			.and_then(|index| self.slots.get_mut(index));
		if let (Some(household), Some(record)) = (household, record)
			&& let Some(share) = record.shares.get_mut(*household)
		{
			share.ignored = Some(reason);
		}
	}

	fn clear(&mut self, slot: Slot, price: Option<PricePerKwh>, volume_wh: u128, orders: u64) -> Result<()> {
		let Some(at) = self.index_of(slot) else {
			return Ok(());
		};
		let label = self.label(at);
		let grid = self.terms.pricing.grid;
		let Some(record) = self.slots.get_mut(at) else {
			return Ok(());
		};
		let clearing = clear(&record.book);
		let expected = (
			clearing.map(|clearing| grid.price(clearing.tick)),
			clearing.map_or(0, |clearing| clearing.volume_wh),
			record.orders,
		);
		if expected != (price, volume_wh, orders) {
			let words = |(price, volume, orders): (Option<PricePerKwh>, u128, u64)| {
				format!(
					"{volume} Wh at {} from {orders} orders",
					price.map_or_else(
						|| "no price".into(),
						|price| format!("{} M2M", money::format(price))
					)
				)
			};
			return Err(contradiction(
				label,
				"all households",
				format!(
					"the chain cleared {}, but the readings make {}",
					words((price, volume_wh, orders)),
					words(expected)
				),
			));
		}
		record.cleared = Some(clearing);
		Ok(())
	}

	fn settle(&mut self, line: &Settled) -> Result<()> {
		let (at, who) = self.place(line.slot, &line.device)?;
		let label = self.label(at);
		let pricing = self.terms.pricing;
		let (Some(household), Some(record)) = (self.households.get(who), self.slots.get_mut(at)) else {
			return Ok(());
		};
		let clearing = record.clearing().copied();
		let Some(share) = record.shares.get_mut(who).filter(|share| share.waits()) else {
			return Err(contradiction(
				label,
				&household.name,
				"it was settled without an entry",
			));
		};
		let (bids, asks): (Vec<Step>, Vec<Step>) = (share.bids.to_vec(), share.asks.to_vec());
		let bill = settle(&pricing, clearing.as_ref(), &bids, &asks);
		let price = clearing.map(|clearing| pricing.grid.price(clearing.tick));
		if (bill.bought, bill.sold, price, pricing.grid_fee)
			!= (line.bought, line.sold, line.price, line.grid_fee)
		{
			return Err(contradiction(
				label,
				&household.name,
				format!(
					"the chain settled {} mWh bought and {} sold, but the readings make {} and {}",
					line.bought, line.sold, bill.bought, bill.sold
				),
			));
		}
		(share.bought, share.sold, share.settled) = (bill.bought, bill.sold, true);
		let back = bill.returned.saturating_add(bill.earned);
		let Some(pot) = record.pot.checked_sub(back) else {
			return Err(contradiction(label, &household.name, "the pot was short"));
		};
		record.pot = pot;
		self.add_credit(who, back);
		Ok(())
	}

	fn close(&mut self, slot: Slot, reserved: Money) -> Result<()> {
		let Some(at) = self.index_of(slot) else {
			return Ok(());
		};
		let label = self.label(at);
		let Some(record) = self.slots.get_mut(at) else {
			return Ok(());
		};
		if record.shares.iter().any(Share::waits) || record.pot != reserved {
			return Err(contradiction(
				label,
				"all households",
				format!(
					"{} M2M went to the reserve, but {} were left in the pot, or not everybody was settled",
					money::format(reserved),
					money::format(record.pot)
				),
			));
		}
		record.pot = 0;
		record.reserved = Some(reserved);
		self.reserve = self.reserve.saturating_add(reserved);
		Ok(())
	}
}

fn contradiction(slot: impl Into<String>, household: impl Into<String>, problem: impl Into<String>) -> Error {
	Error::Contradiction {
		slot: slot.into(),
		household: household.into(),
		problem: problem.into(),
	}
}

fn total(steps: &Steps) -> Wh {
	steps.iter().fold(0, |sum: Wh, step| sum.saturating_add(step.wh))
}

/// Wh as mWh.
fn milli(energy: Wh) -> MilliWh {
	MilliWh::from(energy).saturating_mul(MILLI_WH_PER_WH)
}

/// An amount that may be negative.
pub fn money_signed(amount: i128) -> String {
	let sign = if amount < 0 { "-" } else { "" };
	format!("{sign}{}", money::format(amount.unsigned_abs()))
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::community::rules::{Tariffs, credit};
	use m2m_auction::{PriceStep, TickGrid};

	const MARKET: MarketId = 3;
	const FIRST: Slot = 1_000;

	fn device(number: u8) -> DeviceId {
		DeviceId::new([number; 32])
	}

	fn steps(limit: PricePerKwh) -> m2m_auction::PriceSteps {
		vec![PriceStep { limit, wh: 10_000 }].try_into().unwrap()
	}

	/// Anna takes, Ben takes and Cleo gives; all at other limits.
	fn audit(readings: [[(Wh, Wh); 2]; 3]) -> Audit {
		let pricing = Tariffs::default().pricing().unwrap();
		let household = |number: u8, name: &str, bid: u8, ask: u8| Household {
			name: name.into(),
			device: device(number),
			order: PriceOrder {
				bids: steps(pricing.grid.price(bid)),
				asks: steps(pricing.grid.price(ask)),
			},
			readings: readings[usize::from(number)].to_vec(),
		};
		let terms = Terms {
			market: MARKET,
			first: FIRST,
			quarters: vec![0, 900_000],
			pricing,
		};
		let households = vec![
			household(0, "anna", 120, 40),
			household(1, "ben", 100, 40),
			household(2, "cleo", 100, 30),
		];
		Audit::new(terms, households).unwrap()
	}

	const READINGS: [[(Wh, Wh); 2]; 3] = [
		[(1_000, 0), (700, 0)],
		[(500, 0), (300, 0)],
		[(0, 1_300), (200, 0)],
	];

	/// A chain that works: what it reports for these readings, worked out in the plainest way.
	fn chain_events(audit: &Audit, readings: &[[(Wh, Wh); 2]; 3], credits: [Money; 3]) -> Vec<EnergyEvent> {
		let pricing = audit.terms.pricing;
		let grid: TickGrid = pricing.grid;
		let mut credits = credits;
		let mut events: Vec<EnergyEvent> = (0u8..)
			.zip(credits)
			.map(|(number, amount)| EnergyEvent::CreditToppedUp {
				market: MARKET,
				device: device(number),
				amount,
			})
			.collect();
		let mut reserve = 0;
		for (at, slot) in [(0, FIRST), (1, FIRST + 1)] {
			let mut book = Book::default();
			let mut entries = Vec::new();
			let mut pot = 0;
			for (who, household) in audit.households.iter().enumerate() {
				let (import, export) = readings[who][at];
				let order = household.order.on(&grid);
				let covered = pricing.cover(spread(&order.bids, import), credits[who]);
				credits[who] -= covered.set_aside;
				pot += covered.set_aside;
				let asks = spread(&order.asks, export);
				for (side, metered, steps) in [(Side::Bid, import, &covered.bids), (Side::Ask, export, &asks)]
				{
					if metered == 0 {
						continue;
					}
					for step in steps {
						book.add(side, step).unwrap();
					}
					events.push(EnergyEvent::Reported {
						market: MARKET,
						slot,
						device: household.device.clone(),
						side,
						metered,
						offered: total(steps),
					});
				}
				entries.push((covered.bids, asks));
			}
			let clearing = clear(&book);
			let price = clearing.map(|clearing| grid.price(clearing.tick));
			let orders = entries
				.iter()
				.map(|(bids, asks)| (bids.len() + asks.len()) as u64)
				.sum();
			events.push(EnergyEvent::SlotCleared {
				market: MARKET,
				slot,
				price,
				volume_wh: clearing.map_or(0, |clearing| clearing.volume_wh),
				orders,
			});
			for (who, (bids, asks)) in entries.iter().enumerate() {
				if bids.is_empty() && asks.is_empty() {
					continue;
				}
				let bill = settle(&pricing, clearing.as_ref(), bids, asks);
				credits[who] += bill.returned + bill.earned;
				pot -= bill.returned + bill.earned;
				events.push(EnergyEvent::Settled(Settled {
					market: MARKET,
					slot,
					device: audit.households[who].device.clone(),
					bought: bill.bought,
					sold: bill.sold,
					price,
					grid_fee: pricing.grid_fee,
				}));
			}
			reserve += pot;
			events.push(EnergyEvent::SlotSettled {
				market: MARKET,
				slot,
				reserved: pot,
			});
		}
		for (number, credit) in (0u8..).zip(credits) {
			events.push(EnergyEvent::Left {
				market: MARKET,
				device: device(number),
				credit,
			});
		}
		events.push(EnergyEvent::ReserveWithdrawn {
			market: MARKET,
			to: device(9),
			amount: reserve,
		});
		events
	}

	fn rich() -> [Money; 3] {
		[credit(&Tariffs::default().pricing().unwrap(), false); 3]
	}

	fn observe(audit: &mut Audit, events: &[EnergyEvent]) -> Result<()> {
		events.iter().try_for_each(|event| audit.observe(event))
	}

	fn refused(audit: &mut Audit, events: &[EnergyEvent]) -> String {
		let error = observe(audit, events).and_then(|()| audit.finish()).unwrap_err();
		assert_eq!((error.name(), error.exit_code()), ("Contradiction", 5));
		error.to_string()
	}

	#[test]
	fn a_chain_that_follows_the_readings_is_believed() {
		let mut audit = audit(READINGS);
		let events = chain_events(&audit, &READINGS, rich());
		observe(&mut audit, &events).unwrap();
		audit.finish().unwrap();
		let slots = audit.slots();
		assert_eq!((slots[0].volume_wh(), slots[1].volume_wh()), (1_300, 0));
		// Too much demand by 200 Wh at Ben's limit: he gets 300 of 500 Wh.
		assert_eq!(
			audit.price(&slots[0]),
			Some(audit.terms().pricing.grid.price(100))
		);
		assert_eq!(
			(
				slots[0].shares[0].bought,
				slots[0].shares[1].bought,
				slots[0].shares[2].sold
			),
			(1_000_000, 300_000, 1_300_000)
		);
		// 1,000 Wh for 0.19 + 0.04 instead of 0.30 M2M a kWh.
		let (alone, together) = audit.bills(0, 0);
		assert_eq!((alone, together), (300_000_000_000, 230_000_000_000));
		// 1,300 Wh for 0.19 instead of 0.08 M2M a kWh.
		assert_eq!(audit.bills(0, 2), (-104_000_000_000, -247_000_000_000));
		assert_eq!(audit.bills(1, 0), (210_000_000_000, 210_000_000_000));
		assert!(audit.to_settle().is_empty() && audit.all_settled());
		let (paid_in, paid_out, to_operator) = audit.turnover();
		assert_eq!(paid_in, paid_out + to_operator);
		// Nothing was rounded: grid fees alone.
		assert_eq!(to_operator, 52_000_000_000);
	}

	#[test]
	fn what_waits_for_settlement_is_known() {
		let mut audit = audit(READINGS);
		let events = chain_events(&audit, &READINGS, rich());
		let cleared = events
			.iter()
			.position(|event| matches!(event, EnergyEvent::SlotCleared { .. }))
			.unwrap();
		observe(&mut audit, &events[..cleared]).unwrap();
		assert!(audit.to_settle().is_empty() && !audit.all_settled());
		assert_eq!(audit.waiting_in(FIRST).len(), 3);
		observe(&mut audit, &events[cleared..cleared + 2]).unwrap();
		assert_eq!(audit.to_settle(), [(FIRST, vec![device(1), device(2)])]);
		assert!(audit.finish().unwrap_err().to_string().contains("not settled"));
	}

	#[test]
	fn a_reading_that_was_changed_is_named_with_slot_and_household() {
		let events = chain_events(&audit(READINGS), &READINGS, rich());
		let mut changed = READINGS;
		changed[1][1].0 += 1;
		let message = refused(&mut audit(changed), &events);
		for part in ["ben", "1970-01-01T00:15:00Z", "301 Wh of import", "300 Wh"] {
			assert!(message.contains(part), "{message}");
		}
	}

	#[test]
	fn an_empty_credit_cuts_a_bid_and_harms_nobody() {
		let mut audit = audit(READINGS);
		let mut credits = rich();
		credits[0] = 20_000_000_000;
		let events = chain_events(&audit, &READINGS, credits);
		observe(&mut audit, &events).unwrap();
		audit.finish().unwrap();
		let share = &audit.slots()[0].shares[0];
		// 0.02 M2M cover 80 Wh at the limit of 0.21 + 0.04 M2M a kWh.
		assert!(share.cut && share.bought == 80_000, "{share:?}");
		assert!(!audit.slots()[0].shares[1].cut);
	}

	#[test]
	fn every_false_record_is_found() {
		let honest = chain_events(&audit(READINGS), &READINGS, rich());
		let forged = |forge: &dyn Fn(&mut EnergyEvent) -> bool| {
			let mut events = honest.clone();
			assert!(events.iter_mut().any(forge), "nothing was forged");
			refused(&mut audit(READINGS), &events)
		};
		let message = forged(&|event| match event {
			EnergyEvent::SlotCleared { volume_wh, .. } => {
				*volume_wh += 1;
				true
			}
			_ => false,
		});
		assert!(message.contains("cleared 1301 Wh"), "{message}");
		let message = forged(&|event| match event {
			EnergyEvent::Settled(bill) => {
				bill.bought += 1;
				true
			}
			_ => false,
		});
		assert!(
			message.contains("anna") && message.contains("1000001 mWh"),
			"{message}"
		);
		let message = forged(&|event| match event {
			EnergyEvent::Reported { offered, .. } => {
				*offered -= 1;
				true
			}
			_ => false,
		});
		assert!(message.contains("999 Wh of its import"), "{message}");
		let message = forged(&|event| match event {
			EnergyEvent::SlotSettled { reserved, .. } => {
				*reserved += 1;
				true
			}
			_ => false,
		});
		assert!(message.contains("went to the reserve"), "{message}");
		let message = forged(&|event| match event {
			EnergyEvent::Left { credit, .. } => {
				*credit -= 1;
				true
			}
			_ => false,
		});
		assert!(
			message.contains("anna") && message.contains("its credit was"),
			"{message}"
		);
	}

	#[test]
	fn events_of_other_markets_say_nothing() {
		let mut audit = audit(READINGS);
		let event = EnergyEvent::Reported {
			market: MARKET + 1,
			slot: FIRST,
			device: device(0),
			side: Side::Bid,
			metered: 5,
			offered: 5,
		};
		audit.observe(&event).unwrap();
		assert!(!audit.slots()[0].shares[0].import_counted);
	}

	#[test]
	fn a_late_anchor_is_booked_on_its_slot() {
		let mut audit = audit(READINGS);
		let events = [
			EnergyEvent::Joined {
				market: MARKET,
				device: device(2),
				import: 6,
				export: 7,
			},
			EnergyEvent::ReportIgnored {
				market: MARKET,
				device: device(2),
				stream: 7,
				seq: 1,
				reason: IgnoredReason::WindowOver,
			},
		];
		observe(&mut audit, &events).unwrap();
		assert_eq!(
			audit.slots()[1].shares[2].ignored,
			Some(IgnoredReason::WindowOver)
		);
	}
}
