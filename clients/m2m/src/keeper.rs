//! Clearing and settling what is due in markets, for any operator.
//!
//! Anybody may clear and settle, in any order, and everybody comes to the same result; so several keepers may run at
//! once, and one that stops in the middle has lost nothing. What another one did first is reported by the chain as
//! `UnknownSlot`, `AlreadyCleared`, `NothingToSettle` or `NotMember`: then there is nothing left to do.
//!
//! A keeper holds no more than the devices of two calls in memory, however many members a market has.

use crate::{
	Error, Result,
	chain::{
		Call, Chain, Included, Pending,
		energy::{self, DEVICES_PER_SETTLEMENT, EnergyEvent, MarketId},
	},
	keys::Key,
};
use m2m_auction::{Money, PricePerKwh, Slot};
use m2m_device::DeviceId;
use std::collections::VecDeque;

/// Calls that may be under way at once: together they fill a part of a block only.
const CALLS_UNDER_WAY: usize = 4;

/// Errors of a call whose work was done by somebody else.
const OVERTAKEN: [&str; 2] = ["EnergyTrading::UnknownSlot", "EnergyTrading::AlreadyCleared"];

/// Which markets are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Markets {
	/// These.
	Listed(Vec<MarketId>),
	/// All that there are.
	All,
}

/// What a keeper did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
	/// A slot was cleared.
	Cleared {
		/// The market.
		market: MarketId,
		/// The slot.
		slot: Slot,
		/// The price per kWh; `None` if nothing trades.
		price: Option<PricePerKwh>,
		/// Wh that trade.
		volume_wh: u128,
		/// Number of orders in the book.
		orders: u64,
	},
	/// Entries were settled.
	Settled {
		/// The market.
		market: MarketId,
		/// The slot.
		slot: Slot,
		/// How many.
		devices: usize,
		/// How many somebody else had settled before.
		overtaken: usize,
	},
	/// The last entry of a slot was settled; nothing is left of it.
	Finished {
		/// The market.
		market: MarketId,
		/// The slot.
		slot: Slot,
		/// Grid fees and rounding remainders that went to the market's reserve, in smallest units.
		reserved: Money,
	},
	/// Somebody else had done what a call was for.
	Overtaken {
		/// The market.
		market: MarketId,
		/// The slot.
		slot: Slot,
	},
}

/// A finished call: the finalized block, the fee, and what it did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done {
	/// The block; `None` if the call was refused.
	pub block: Option<u32>,
	/// The fee, in smallest units.
	pub fee: Money,
	/// What it did.
	pub actions: Vec<Action>,
}

/// What a round did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Round {
	/// Slots cleared.
	pub cleared: usize,
	/// Entries settled.
	pub settled: usize,
	/// Slots of which nothing is left.
	pub finished: usize,
	/// Entries and calls in which somebody else was first.
	pub overtaken: usize,
	/// Calls.
	pub calls: usize,
	/// Fees, in smallest units.
	pub fees: Money,
}

impl Round {
	/// Adds what a call did.
	pub fn add(&mut self, done: &Done) {
		self.calls = self.calls.saturating_add(1);
		self.fees = self.fees.saturating_add(done.fee);
		for action in &done.actions {
			let (count, more) = match action {
				Action::Cleared { .. } => (&mut self.cleared, 1),
				Action::Settled {
					devices, overtaken, ..
				} => {
					self.overtaken = self.overtaken.saturating_add(*overtaken);
					(&mut self.settled, *devices)
				}
				Action::Finished { .. } => (&mut self.finished, 1),
				Action::Overtaken { .. } => (&mut self.overtaken, 1),
			};
			*count = count.saturating_add(more);
		}
	}
}

/// Clears and settles what is due in the last finalized block: of each market the 256 oldest slots that are not cleared,
/// and as many that are. `report` is told of each call when it is final.
///
/// # Errors
/// [`Error::Unknown`] if a listed market does not exist, and those of sending. What was reported until then stands; the
/// next round does the rest.
pub async fn round(
	chain: &Chain,
	key: &Key,
	markets: &Markets,
	report: &mut (dyn FnMut(Done) + Send),
) -> Result<Round> {
	let mut calls = Calls::new(chain, key, report);
	match markets {
		Markets::Listed(listed) => {
			for market in listed {
				if chain.finalized().await?.market(chain, *market).await?.is_none() {
					return Err(crate::bill::unknown_market(*market));
				}
				keep(&mut calls, *market).await?;
			}
		}
		Markets::All => {
			let mut after = None;
			loop {
				let page = chain.finalized().await?.markets_after(chain, after).await?;
				let Some(last) = page.last() else { break };
				after = Some(*last);
				for market in page {
					keep(&mut calls, market).await?;
				}
			}
		}
	}
	while calls.collect().await? {}
	Ok(calls.round)
}

/// Settles every entry of a slot that waits, which clears the slot if need be. Without entries it only clears it.
///
/// # Errors
/// [`Error::Refused`] with `UnknownSlot` if nothing was reported for the slot or it is settled, with `WindowOpen` if it
/// can still be reported; and those of sending.
pub async fn settle(chain: &Chain, key: &Key, market: MarketId, slot: Slot) -> Result<Round> {
	let mut tell_nobody = |_: Done| {};
	let mut calls = Calls::new(chain, key, &mut tell_nobody);
	if !settle_slot(&mut calls, market, slot).await? {
		let included = chain.submit(key, &energy::clear(market, slot)).await?;
		let mut round = Round::default();
		round.add(&Done::of(market, slot, &included)?);
		return Ok(round);
	}
	while calls.collect().await? {}
	Ok(calls.round)
}

/// Sends what is due in a market.
async fn keep(calls: &mut Calls<'_>, market: MarketId) -> Result<()> {
	let block = calls.chain.finalized().await?;
	let open = block.open_slots(calls.chain, market).await?;
	let due = open.into_iter().filter(|(_, due)| *due).map(|(slot, _)| slot);
	for slot in due {
		// The first settlement clears the slot. Reports without orders leave nothing to settle.
		if !settle_slot(calls, market, slot).await? {
			calls.send(market, slot, &energy::clear(market, slot)).await?;
		}
	}
	for slot in block.unsettled_slots(calls.chain, market).await? {
		settle_slot(calls, market, slot).await?;
	}
	Ok(())
}

/// Sends settlements of every entry of a slot; false if there is none.
async fn settle_slot(calls: &mut Calls<'_>, market: MarketId, slot: Slot) -> Result<bool> {
	let mut sent = false;
	let mut waiting: Vec<DeviceId> = Vec::new();
	let mut after = None;
	loop {
		// Each page from the newest block, so that a large market is not read from a state that the node has discarded.
		let block = calls.chain.finalized().await?;
		let (found, next) = block
			.unsettled_after(calls.chain, market, slot, after.as_ref())
			.await?;
		waiting.extend(found);
		let is_last = next.is_none();
		while waiting.len() >= DEVICES_PER_SETTLEMENT || (is_last && !waiting.is_empty()) {
			let rest = waiting.split_off(waiting.len().min(DEVICES_PER_SETTLEMENT));
			let devices = std::mem::replace(&mut waiting, rest);
			calls
				.send(market, slot, &energy::settle(market, slot, &devices))
				.await?;
			sent = true;
		}
		if is_last {
			return Ok(sent);
		}
		after = next;
	}
}

/// Calls under way, oldest first.
struct Calls<'a> {
	chain: &'a Chain,
	key: &'a Key,
	nonce: Option<u64>,
	under_way: VecDeque<(MarketId, Slot, Pending)>,
	round: Round,
	report: &'a mut (dyn FnMut(Done) + Send),
}

impl<'a> Calls<'a> {
	fn new(chain: &'a Chain, key: &'a Key, report: &'a mut (dyn FnMut(Done) + Send)) -> Self {
		Self {
			chain,
			key,
			nonce: None,
			under_way: VecDeque::new(),
			round: Round::default(),
			report,
		}
	}

	async fn send(&mut self, market: MarketId, slot: Slot, call: &Call) -> Result<()> {
		while self.under_way.len() >= CALLS_UNDER_WAY {
			self.collect().await?;
		}
		let nonce = match self.nonce {
			Some(nonce) => nonce,
			None => self.chain.next_nonce(&self.key.account()).await?,
		};
		let pending = self.chain.send(self.key, call, nonce).await?;
		self.nonce = Some(nonce.saturating_add(1));
		self.under_way.push_back((market, slot, pending));
		Ok(())
	}

	/// Waits for the oldest call; false if none is under way.
	async fn collect(&mut self) -> Result<bool> {
		let Some((market, slot, pending)) = self.under_way.pop_front() else {
			return Ok(false);
		};
		let done = match self.chain.finality(pending).await {
			Ok(included) => Done::of(market, slot, &included)?,
			Err(Error::Refused { reason, paid, .. }) if OVERTAKEN.contains(&reason.as_str()) => Done {
				block: None,
				fee: paid.map_or(0, |paid| paid.1),
				actions: vec![Action::Overtaken { market, slot }],
			},
			Err(error) => return Err(error),
		};
		self.round.add(&done);
		(self.report)(done);
		Ok(true)
	}
}

impl Done {
	/// What a call for a slot did, from its events.
	pub fn of(market: MarketId, slot: Slot, included: &Included) -> Result<Self> {
		let mut actions = Vec::new();
		let (mut devices, mut overtaken, mut finished) = (0usize, 0usize, None);
		for event in EnergyEvent::all(&included.block, &included.events)? {
			match event {
				EnergyEvent::SlotCleared {
					market,
					slot,
					price,
					volume_wh,
					orders,
				} => actions.push(Action::Cleared {
					market,
					slot,
					price,
					volume_wh,
					orders,
				}),
				EnergyEvent::Settled(_) => devices = devices.saturating_add(1),
				// Whatever the reason, another settlement or the end of a membership came first.
				EnergyEvent::SettlementRefused { .. } => overtaken = overtaken.saturating_add(1),
				EnergyEvent::SlotSettled { reserved, .. } => finished = Some(reserved),
				_ => {}
			}
		}
		if devices > 0 || overtaken > 0 {
			actions.push(Action::Settled {
				market,
				slot,
				devices,
				overtaken,
			});
		}
		if let Some(reserved) = finished {
			actions.push(Action::Finished {
				market,
				slot,
				reserved,
			});
		}
		Ok(Self {
			block: Some(included.block.number),
			fee: included.fee,
			actions,
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_round_adds_up_what_its_calls_did() {
		let (market, slot) = (1, 2);
		let mut round = Round::default();
		round.add(&Done {
			block: Some(7),
			fee: 5,
			actions: vec![
				Action::Cleared {
					market,
					slot,
					price: None,
					volume_wh: 0,
					orders: 3,
				},
				Action::Settled {
					market,
					slot,
					devices: 3,
					overtaken: 1,
				},
				Action::Finished {
					market,
					slot,
					reserved: 9,
				},
			],
		});
		round.add(&Done {
			block: None,
			fee: 2,
			actions: vec![Action::Overtaken { market, slot }],
		});
		let expected = Round {
			cleared: 1,
			settled: 3,
			finished: 1,
			overtaken: 2,
			calls: 2,
			fees: 7,
		};
		assert_eq!(round, expected);
	}
}
