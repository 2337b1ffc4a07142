//! Devices that deliver their own anchors.
//!
//! Each device signs its transactions with its own key, which needs no balance: the device's sponsorship
//! pays, or its wallet within the owner's budget. Before it sends, a device asks the chain what it can still
//! spend and sends no more than that, as firmware should: what a pool cannot take is dropped there, and
//! everything behind it would wait.

use crate::{
	Error, Result,
	chain::{Chain, Included, Pending, is_unpaid, telemetry},
	keys::{self, Device},
	replay::{Delivered, Progress, receipt_of},
	store::{AnchorName, Receipt, Store},
};
use m2m_anchor::AnchorItem;
use m2m_device::DeviceId;
use m2m_runtime_api::{CallGroup, Remaining};
use std::{
	collections::{BTreeMap, VecDeque},
	path::Path,
	time::Duration,
};

/// Anchors of one device that may be under way at once.
const ANCHORS_UNDER_WAY: u64 = 64;
/// How long to wait for a transaction behind one that fell out of the pool.
const BEHIND_A_GAP: Duration = Duration::from_secs(15);
/// Why a device sends nothing, if nobody pays for it.
pub const NOBODY_PAYS: &str = "nobody can pay for it now: see what is left with `m2m device show`";

/// What one device has to send.
struct Queue {
	device: Device,
	/// Number of the envelope and the anchor, oldest first.
	items: VecDeque<(u64, AnchorItem)>,
	/// Why the device sends nothing more in this run.
	resting: Option<String>,
	/// True once a transaction fell out of the node's pool, so that those behind it wait in vain.
	broken: bool,
}

/// An anchor under way.
struct UnderWay {
	queue: usize,
	number: u64,
	item: AnchorItem,
	pending: Pending,
}

/// Sends everything in the outbox, each anchor by its own device, and stores the receipts. A device that
/// cannot pay keeps the rest for the next run and is named in [`Delivered::waiting`].
pub(crate) async fn deliver(
	chain: &Chain,
	store: &Store,
	home: &Path,
	progress: &dyn Progress,
) -> Result<Delivered> {
	let (mut queues, mut open) = queues(store, Device::all(home)?)?;
	let total: usize = queues.iter().map(|queue| queue.items.len()).sum();
	progress.stage("anchoring", total as u64);
	let mut delivered = Delivered::default();
	if total > 0 {
		store.note_sent_since(Some(chain.finalized().await?.number))?;
	}
	loop {
		let under_way = send_round(chain, &mut queues).await?;
		if under_way.is_empty() {
			break;
		}
		let mut receipts = Vec::new();
		for sent in under_way {
			let queue = queues
				.get_mut(sent.queue)
				.ok_or_else(|| Error::Store("an anchor has lost its device".into()))?;
			let name = AnchorName {
				device: queue.device.id.clone(),
				stream: sent.item.stream,
				seq: sent.item.seq,
			};
			let (outcome, block) = match finality(chain, sent.pending, queue.broken).await {
				Ok(included) => {
					delivered.pay(included.payer.clone(), included.fee);
					let outcomes = telemetry::outcomes(&included.block, &included.events)?;
					(outcomes.of_item(&name), Some(included.block.number))
				}
				Err(Error::Refused { reason, paid, .. }) => {
					if let Some(paid) = paid {
						let (payer, fee) = *paid;
						delivered.pay(Some(payer), fee);
					}
					(Some(telemetry::refusal(reason)), None)
				}
				Err(Error::NotAccepted { reason, .. }) => {
					queue.items.push_back((sent.number, sent.item));
					queue.resting.get_or_insert_with(|| resting_reason(&reason));
					queue.broken = true;
					continue;
				}
				Err(error) => return Err(error),
			};
			delivered.calls = delivered.calls.saturating_add(1);
			progress.advance(1);
			let Some(receipt) = receipt_of(outcome, &name.device, &sent.item, block) else {
				continue;
			};
			if matches!(receipt, Receipt::Recorded { .. }) {
				delivered.anchors = delivered.anchors.saturating_add(1);
			}
			if let Some(left) = open.get_mut(&sent.number) {
				*left = left.saturating_sub(1);
			}
			receipts.push((name, receipt));
		}
		let done: Vec<u64> = open
			.iter()
			.filter_map(|(number, left)| (*left == 0).then_some(*number))
			.collect();
		open.retain(|_, left| *left > 0);
		let seen = chain.finalized().await?;
		store.acknowledge(&done, &receipts, (seen.number, seen.hash))?;
	}
	// What fell out of the pool may still come back: then the next run looks for it.
	if !queues.iter().any(|queue| queue.broken) {
		store.note_sent_since(None)?;
	}
	delivered.waiting = queues
		.into_iter()
		.filter_map(|queue| Some((queue.device.id, queue.resting?)))
		.collect();
	Ok(delivered)
}

/// The devices with something to send, and for each envelope how many of its anchors have no receipt.
fn queues(store: &Store, devices: Vec<Device>) -> Result<(Vec<Queue>, BTreeMap<u64, usize>)> {
	let mut known: BTreeMap<DeviceId, Device> = devices
		.into_iter()
		.map(|device| (device.id.clone(), device))
		.collect();
	let mut queues: BTreeMap<DeviceId, Queue> = BTreeMap::new();
	let mut open = BTreeMap::new();
	for (number, envelope) in store.outbox()? {
		let queue = match queues.entry(envelope.device.clone()) {
			std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
			std::collections::btree_map::Entry::Vacant(entry) => {
				let device = known.remove(&envelope.device).ok_or_else(|| {
					Error::Store(format!(
						"there is no key for {}: deliver with --gateway, or bring its file back",
						keys::address(&envelope.device)
					))
				})?;
				entry.insert(Queue {
					device,
					items: VecDeque::new(),
					resting: None,
					broken: false,
				})
			}
		};
		let mut left = 0usize;
		for item in envelope.items {
			let name = AnchorName {
				device: envelope.device.clone(),
				stream: item.stream,
				seq: item.seq,
			};
			// An earlier run may have delivered a part of the envelope.
			if store.receipt(&name)?.is_none() {
				queue.items.push_back((number, item));
				left = left.saturating_add(1);
			}
		}
		open.insert(number, left);
	}
	Ok((queues.into_values().collect(), open))
}

/// Lets each device send what it can pay for.
async fn send_round(chain: &Chain, queues: &mut [Queue]) -> Result<Vec<UnderWay>> {
	let block = chain.finalized().await?;
	let mut quoted = None;
	let mut under_way = Vec::new();
	for (index, queue) in queues.iter_mut().enumerate() {
		let Some((_, first)) = queue.items.front().filter(|_| queue.resting.is_none()) else {
			continue;
		};
		let key = &queue.device.key;
		let price = match quoted {
			Some(price) => price,
			// All anchors cost the same.
			None => {
				let fee = chain.estimate_fee(key, &telemetry::anchor(first)).await?;
				*quoted.insert(with_margin(fee))
			}
		};
		let mut affordable = affordable(&block.remaining(chain, &queue.device.id).await?, price);
		if affordable == 0 {
			let own = block.balance(chain, &key.account()).await?.free;
			affordable = anchors_for(own.saturating_sub(block.existential_deposit()?), price);
		}
		if affordable == 0 {
			queue.resting = Some(NOBODY_PAYS.into());
			continue;
		}
		let nonce = chain.next_nonce(&key.account()).await?;
		for nonce in nonce..nonce.saturating_add(affordable.min(ANCHORS_UNDER_WAY)) {
			let Some((number, item)) = queue.items.pop_front() else {
				break;
			};
			match chain
				.send(&queue.device.key, &telemetry::anchor(&item), nonce)
				.await
			{
				Ok(pending) => under_way.push(UnderWay {
					queue: index,
					number,
					item,
					pending,
				}),
				Err(Error::NotAccepted { reason, .. }) => {
					queue.items.push_front((number, item));
					queue.resting = Some(resting_reason(&reason));
					break;
				}
				Err(error) => return Err(error),
			}
		}
	}
	Ok(under_way)
}

/// An eighth more than the estimate, for the digits of the nonce and a fee that rises meanwhile.
fn with_margin(fee: u128) -> u128 {
	fee.saturating_add(fee / 8)
}

/// How many anchors at this price the device's sponsorships and wallet can pay now. Buckets are counted in
/// fees at multiplier one, which are never more than the price, because the multiplier is never below one.
fn affordable(remaining: &Remaining, price: u128) -> u64 {
	let sponsored = remaining
		.sponsored
		.iter()
		.filter(|rest| rest.calls.contains(&CallGroup::Telemetry))
		.map(|rest| rest.bucket.min(rest.pot));
	let wallet = remaining
		.budget
		.iter()
		.map(|budget| budget.left.min(remaining.wallet));
	sponsored
		.chain(wallet)
		.map(|money| anchors_for(money, price))
		.fold(0, u64::saturating_add)
}

fn anchors_for(money: u128, price: u128) -> u64 {
	u64::try_from(money.checked_div(price).unwrap_or_default()).unwrap_or(u64::MAX)
}

fn resting_reason(reason: &str) -> String {
	if is_unpaid(reason) {
		NOBODY_PAYS.into()
	} else {
		format!("the node did not take its transaction: {reason}")
	}
}

/// Waits until a transaction is final; not for long if it stands behind a gap.
async fn finality(chain: &Chain, pending: Pending, behind_a_gap: bool) -> Result<Included> {
	if !behind_a_gap {
		return chain.finality(pending).await;
	}
	tokio::time::timeout(BEHIND_A_GAP, chain.finality(pending))
		.await
		.unwrap_or_else(|_| {
			Err(Error::NotAccepted {
				call: "Telemetry.anchor".into(),
				reason: "an earlier transaction of the device is missing".into(),
				hint: "",
			})
		})
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{commitment, store::Batch};
	use m2m_runtime_api::{BudgetRest, SponsoredRest};

	fn rest(calls: Vec<CallGroup>, bucket: u128, pot: u128) -> SponsoredRest {
		SponsoredRest {
			sponsorship: 1,
			calls,
			bucket,
			capacity: 1_000,
			refill: 1,
			pot,
			expires: None,
		}
	}

	#[test]
	fn a_device_sends_no_more_than_its_payers_can_pay() {
		let telemetry = || vec![CallGroup::Identity, CallGroup::Telemetry];
		let remaining = |sponsored, budget: Option<u128>, wallet| Remaining {
			sponsored,
			budget: budget.map(|left| BudgetRest {
				limit: 1_000,
				left,
				period_ends: 0,
			}),
			wallet,
		};
		for (remaining, anchors) in [
			(remaining(vec![], None, 1_000), 0),
			(remaining(vec![rest(telemetry(), 99, 1_000)], None, 0), 0),
			(remaining(vec![rest(telemetry(), 250, 1_000)], None, 0), 2),
			(remaining(vec![rest(telemetry(), 1_000, 350)], None, 0), 3),
			(
				remaining(vec![rest(vec![CallGroup::Identity], 1_000, 1_000)], None, 0),
				0,
			),
			(remaining(vec![], Some(500), 200), 2),
			(remaining(vec![rest(telemetry(), 100, 100)], Some(100), 1_000), 2),
		] {
			assert_eq!(affordable(&remaining, 100), anchors, "{remaining:?}");
		}
		assert_eq!(
			affordable(&remaining(vec![rest(telemetry(), 1, 1)], None, 0), 0),
			0
		);
	}

	#[test]
	fn what_an_earlier_run_delivered_is_not_queued_again() {
		let home = tempfile::tempdir().unwrap();
		let store = Store::open(home.path()).unwrap();
		let device = Device::generate("m1", Default::default()).unwrap();
		let batches: Vec<(AnchorName, Batch)> = (0..3)
			.map(|seq| {
				let readings = vec![(900_000 * (seq + 1), 7)];
				let anchor = commitment::anchor(device.secret(), 4, seq, &readings).unwrap();
				let name = AnchorName {
					device: device.id.clone(),
					stream: 4,
					seq,
				};
				(name, Batch { anchor, readings })
			})
			.collect();
		let envelopes = [commitment::envelope(&[1; 32], &device, &batches).unwrap()];
		store.enqueue(&batches, &envelopes).unwrap();
		let recorded = Receipt::Recorded {
			block: Some(3),
			position: Some(0),
		};
		store
			.acknowledge(&[], &[(batches[0].0.clone(), recorded)], (3, [0; 32]))
			.unwrap();
		assert!(queues(&store, Vec::new()).is_err_and(|error| error.to_string().contains("no key for")));
		let (queues, open) = queues(&store, vec![device]).unwrap();
		assert_eq!(open, BTreeMap::from([(0, 2)]));
		let waiting: Vec<u64> = queues[0].items.iter().map(|(_, item)| item.seq).collect();
		assert_eq!(waiting, [1, 2]);
	}
}
