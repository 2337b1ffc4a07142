//! Many calls of one account in few transactions.

use super::{Call, Chain, Included, Pipeline};
use crate::{Error, Result, keys::Key};
use codec::Encode;
use sp_runtime::DispatchError;

/// Calls in one transaction: far below what a block holds, so that other transactions find room beside it.
pub const CALLS_PER_TRANSACTION: usize = 100;
/// Transactions that may be under way at once.
const IN_FLIGHT: usize = 4;
const PALLET: &str = "Utility";

/// Sends calls of one account, each for itself: one that is refused changes nothing and the others stand. `L`
/// is what the caller knows a call by. Holds as many calls as are under way, however many are sent.
pub struct Bulk<'a, L> {
	chain: &'a Chain,
	waiting: Vec<(L, Call)>,
	pipeline: Pipeline<'a, Vec<L>>,
	sent: Sent<L>,
}

/// What became of calls that were sent by [`Bulk`].
pub struct Sent<L> {
	/// Calls that took effect.
	pub accepted: usize,
	/// Calls that were refused, with the named error.
	pub refused: Vec<(L, String)>,
	/// Transactions.
	pub transactions: usize,
	/// Fees, in smallest units.
	pub fees: u128,
}

impl<'a, L> Bulk<'a, L> {
	/// Nothing is sent yet.
	pub fn new(chain: &'a Chain, key: &'a Key) -> Self {
		Self {
			chain,
			waiting: Vec::new(),
			pipeline: Pipeline::new(chain, key),
			sent: Sent {
				accepted: 0,
				refused: Vec::new(),
				transactions: 0,
				fees: 0,
			},
		}
	}

	/// Adds a call, and sends a transaction when it is full.
	pub async fn add(&mut self, label: L, call: Call) -> Result<()> {
		self.waiting.push((label, call));
		if self.waiting.len() < CALLS_PER_TRANSACTION {
			return Ok(());
		}
		self.send().await
	}

	/// Calls that are known to have taken effect so far.
	pub fn accepted(&self) -> usize {
		self.sent.accepted
	}

	/// Sends the rest and waits until everything is final.
	pub async fn finish(mut self) -> Result<Sent<L>> {
		self.send().await?;
		while self.pipeline.under_way() > 0 {
			self.collect().await?;
		}
		Ok(self.sent)
	}

	async fn send(&mut self) -> Result<()> {
		if self.waiting.is_empty() {
			return Ok(());
		}
		while self.pipeline.under_way() >= IN_FLIGHT {
			self.collect().await?;
		}
		let (labels, calls): (Vec<L>, Vec<Call>) = std::mem::take(&mut self.waiting).into_iter().unzip();
		let call = self.chain.each_for_itself(&calls).await?;
		self.pipeline.send(labels, &call).await
	}

	/// Books what is final next.
	async fn collect(&mut self) -> Result<()> {
		for (labels, included) in self.pipeline.collect().await? {
			let results = item_results(&included)?;
			if results.len() != labels.len() {
				return Err(Error::IncompatibleChain(format!(
					"it reports on {} of {} calls that were sent together",
					results.len(),
					labels.len()
				)));
			}
			for (label, refusal) in labels.into_iter().zip(results) {
				match refusal {
					None => self.sent.accepted = self.sent.accepted.saturating_add(1),
					Some(reason) => self.sent.refused.push((label, reason)),
				}
			}
			self.sent.transactions = self.sent.transactions.saturating_add(1);
			self.sent.fees = self.sent.fees.saturating_add(included.fee);
		}
		Ok(())
	}
}

/// For each call of a transaction made by [`Chain::each_for_itself`], in order: why it was refused, if it
/// was.
fn item_results(included: &Included) -> Result<Vec<Option<String>>> {
	let mut results = Vec::new();
	for event in &included.events {
		if event.is(PALLET, "ItemCompleted") {
			results.push(None);
		} else if event.is(PALLET, "ItemFailed") {
			let reason: DispatchError = event.decode()?;
			results.push(Some(included.block.name_error(&reason.encode())));
		}
	}
	Ok(results)
}
