//! Reads each finalized block once, and keeps account of the money that the events move.

use crate::{
	Error, Result,
	chain::{Block, Chain, RawEvent, energy::EnergyEvent, telemetry::Quantity},
	money,
};
use m2m_anchor::{StreamId, StreamSpec};
use m2m_device::{AccountId, DeviceId};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen since the last finalized block before the start.
pub(super) struct Journal<'a> {
	chain: &'a Chain,
	/// Number of the last block that was read.
	pub read: u32,
	/// Events of energy markets that nobody has taken.
	events: Vec<EnergyEvent>,
	/// Streams that were opened, by device and what they measure.
	pub streams: BTreeMap<(DeviceId, Quantity), StreamId>,
	/// What moved between accounts.
	pub flows: Flows,
}

impl<'a> Journal<'a> {
	/// Begins after block `read`.
	pub fn new(chain: &'a Chain, read: u32) -> Self {
		Self {
			chain,
			read,
			events: Vec::new(),
			streams: BTreeMap::new(),
			flows: Flows::default(),
		}
	}

	/// Reads what is final and was not read.
	pub async fn catch_up(&mut self) -> Result<()> {
		let last = self.chain.finalized().await?.number;
		while self.read < last {
			let number = self.read.saturating_add(1);
			let block = self.chain.block(number).await?;
			let events = block.events(self.chain).await?;
			self.note(&block, &events)?;
			self.read = number;
		}
		Ok(())
	}

	/// The events of energy markets that were not taken yet, in their order.
	pub fn take_events(&mut self) -> Vec<EnergyEvent> {
		std::mem::take(&mut self.events)
	}

	fn note(&mut self, block: &Block, events: &[RawEvent]) -> Result<()> {
		self.events.extend(EnergyEvent::all(block, events)?);
		for event in events {
			self.flows.note(event)?;
			if event.is("Telemetry", "StreamCreated") {
				let (device, stream, spec): (DeviceId, StreamId, StreamSpec) = event.decode()?;
				if let Some(quantity) = Quantity::of(&spec) {
					self.streams.insert((device, quantity), stream);
				}
			}
		}
		Ok(())
	}
}

/// One movement of money into or out of an account.
type Movement = (AccountId, u128);

/// What events say about money: what came into and went out of each account, and who paid which fees.
#[derive(Default)]
pub(super) struct Flows {
	into: Vec<Movement>,
	out_of: Vec<Movement>,
	fees: BTreeMap<AccountId, u128>,
}

impl Flows {
	fn note(&mut self, event: &RawEvent) -> Result<()> {
		if event.is("TransactionPayment", "TransactionFeePaid") {
			let (who, fee, _tip): (AccountId, u128, u128) = event.decode()?;
			let paid = self.fees.entry(who).or_default();
			*paid = paid.saturating_add(fee);
		}
		if event.pallet != "Balances" {
			return Ok(());
		}
		match event.name.as_str() {
			"Transfer" => {
				let (from, to, amount): (AccountId, AccountId, u128) = event.decode()?;
				self.out_of.push((from, amount));
				self.into.push((to, amount));
			}
			"Deposit" | "Minted" => self.into.push(event.decode()?),
			"Withdraw" | "Burned" | "DustLost" | "Slashed" => self.out_of.push(event.decode()?),
			_ => {}
		}
		Ok(())
	}

	/// Fees that an account paid.
	pub fn fees_of(&self, account: &AccountId) -> u128 {
		self.fees.get(account).copied().unwrap_or_default()
	}

	/// Checks that accounts together have, to the unit, what they had and what the events say came in, less what the
	/// events say went out: fees, and nothing else unless somebody else sent or got something.
	pub fn check(&self, accounts: &BTreeSet<AccountId>, before: u128, after: u128) -> Result<()> {
		let sum = |movements: &[Movement]| {
			movements
				.iter()
				.filter(|(account, _)| accounts.contains(account))
				.fold(0u128, |sum, (_, amount)| sum.saturating_add(*amount))
		};
		let (into, out_of) = (sum(&self.into), sum(&self.out_of));
		if before.saturating_add(into) == after.saturating_add(out_of) {
			return Ok(());
		}
		Err(Error::Contradiction {
			slot: "the end".into(),
			household: "all accounts together".into(),
			problem: format!(
				"they had {} M2M, {} came in and {} went out by the events, but they have {}",
				money::format(before),
				money::format(into),
				money::format(out_of),
				money::format(after)
			),
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use codec::Encode;

	fn event(name: &str, fields: impl Encode) -> RawEvent {
		RawEvent {
			extrinsic: None,
			pallet: "Balances".into(),
			name: name.into(),
			fields: fields.encode(),
		}
	}

	#[test]
	fn money_that_is_made_or_lost_is_noticed() {
		let account = |number| AccountId::new([number; 32]);
		let mut flows = Flows::default();
		for event in [
			event("Transfer", (account(1), account(2), 30u128)),
			event("Transfer", (account(2), account(9), 5u128)),
			event("Withdraw", (account(1), 7u128)),
			event("Deposit", (account(1), 3u128)),
			event("Deposit", (account(8), 4u128)),
			event("Held", (0u8, account(1), 4u128)),
		] {
			flows.note(&event).unwrap();
		}
		let ours = BTreeSet::from([account(1), account(2)]);
		// 100 less 5 to a stranger and a fee of 4.
		flows.check(&ours, 100, 91).unwrap();
		for after in [90, 92] {
			let error = flows.check(&ours, 100, after).unwrap_err();
			assert_eq!(error.exit_code(), 5);
		}
	}

	#[test]
	fn fees_are_booked_on_who_paid_them() {
		let account = |number| AccountId::new([number; 32]);
		let mut flows = Flows::default();
		for fee in [5u128, 6] {
			let paid = RawEvent {
				pallet: "TransactionPayment".into(),
				..event("TransactionFeePaid", (account(1), fee, 0u128))
			};
			flows.note(&paid).unwrap();
		}
		assert_eq!((flows.fees_of(&account(1)), flows.fees_of(&account(2))), (11, 0));
	}
}
