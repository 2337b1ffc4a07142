//! Transactions of one account, several under way at once.

use super::{Block, Call, Chain, Included, submit::FINALITY_TIMEOUT};
use crate::{Error, Result, keys::Key};
use std::{
	collections::VecDeque,
	time::{Duration, Instant},
};
use subxt::utils::H256;

/// How often the node is asked for a new finalized block.
const POLL: Duration = Duration::from_millis(500);

/// Sends calls of one account with consecutive nonces, and finds them in the finalized blocks, each of which is read
/// once, however many of the calls are in it. `L` is what the caller knows a call by.
///
/// A later transaction cannot overtake an earlier one of the same account, so nothing that was sent is forgotten.
pub struct Pipeline<'a, L> {
	chain: &'a Chain,
	key: &'a Key,
	nonce: Option<u64>,
	/// Number of the finalized block that was read last.
	read: u32,
	under_way: VecDeque<Sent<L>>,
}

struct Sent<L> {
	label: L,
	call: String,
	hash: H256,
}

impl<'a, L> Pipeline<'a, L> {
	/// Nothing is sent yet.
	pub fn new(chain: &'a Chain, key: &'a Key) -> Self {
		Self {
			chain,
			key,
			nonce: None,
			read: 0,
			under_way: VecDeque::new(),
		}
	}

	/// How many transactions are under way.
	pub fn under_way(&self) -> usize {
		self.under_way.len()
	}

	/// Sends a call.
	pub async fn send(&mut self, label: L, call: &Call) -> Result<()> {
		let nonce = match self.nonce {
			Some(nonce) => nonce,
			None => {
				self.read = self.chain.finalized().await?.number;
				self.chain.next_nonce(&self.key.account()).await?
			}
		};
		let hash = self.chain.post(self.key, call, nonce).await?;
		self.nonce = Some(nonce.saturating_add(1));
		self.under_way.push_back(Sent {
			label,
			call: call.title(),
			hash,
		});
		Ok(())
	}

	/// Waits for the next finalized block that has transactions which were sent; nothing if none is under way. Fails
	/// with [`Error::Refused`] if the chain executed and refused one of them.
	pub async fn collect(&mut self) -> Result<Vec<(L, Included)>> {
		let deadline = Instant::now() + FINALITY_TIMEOUT;
		while let Some(oldest) = self.under_way.front() {
			if Instant::now() >= deadline {
				return Err(Error::NotFinalized {
					what: oldest.call.clone(),
					seconds: FINALITY_TIMEOUT.as_secs(),
				});
			}
			if self.chain.finalized().await?.number <= self.read {
				tokio::time::sleep(POLL).await;
				continue;
			}
			let number = self.read.saturating_add(1);
			let block = self.chain.block(number).await?;
			let found = self.find(&block).await?;
			self.read = number;
			if !found.is_empty() {
				return Ok(found);
			}
		}
		Ok(Vec::new())
	}

	/// Takes the transactions that are in a block.
	async fn find(&mut self, block: &Block) -> Result<Vec<(L, Included)>> {
		let hashes = self.chain.extrinsics_of(block).await?;
		let mut found = Vec::new();
		let mut events = None;
		while let Some(oldest) = self.under_way.front() {
			let position = hashes.iter().position(|hash| *hash == oldest.hash);
			let Some(index) = position.and_then(|position| u32::try_from(position).ok()) else {
				break;
			};
			if events.is_none() {
				events = Some(block.events(self.chain).await?);
			}
			let own = events
				.iter()
				.flatten()
				.filter(|event| event.extrinsic == Some(index))
				.cloned()
				.collect();
			if let Some(sent) = self.under_way.pop_front() {
				let included = self.chain.outcome(sent.call, block.clone(), own)?;
				found.push((sent.label, included));
			}
		}
		Ok(found)
	}
}
