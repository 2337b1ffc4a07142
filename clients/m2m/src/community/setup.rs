//! Putting a community together before the first slot, and taking it apart after the last.

use super::{
	Plan, Signers,
	accounts::Journal,
	audit::{Audit, Household, Terms},
	device_name, rules,
};
use crate::{
	Error, Result,
	chain::{
		Balance, Block, Bulk, Call, Chain, Pipeline, energy, identity,
		telemetry::{self, Quantity},
	},
	fleet,
	keys::{self, Device, Key},
	money,
	replay::Progress,
};
use m2m_anchor::{StreamId, StreamSpec};
use m2m_auction::{Parameters, Slot};
use m2m_device::{AccountId, DeviceId, Roles};
use sp_core::H256;
use sp_runtime::traits::{BlakeTwo256, Hash};
use std::{
	collections::{BTreeMap, BTreeSet},
	path::Path,
};
use subxt::ext::futures::{StreamExt, TryStreamExt, stream};

/// Reads of one block that are under way at the same time.
const READS_AT_ONCE: usize = 16;
/// Streams that one transaction closes. Each is charged in advance for the longest ring of anchors that there could be; a
/// block holds about forty of them.
const CLOSINGS_PER_TRANSACTION: usize = 32;
/// For deposits and fees of the owner, a member: 0.25 M2M. More than twice what a new device with two streams and a
/// membership takes.
const OWNER_PER_MEMBER: u128 = money::UNIT / 4;
/// For the deposit of a market and the fees of its operator: 1 M2M, ...
const OPERATOR: u128 = money::UNIT;
/// ... and for each admission 0.01 M2M.
const OPERATOR_PER_MEMBER: u128 = money::UNIT / 100;
/// For the fees of delivery and settlement, a member and slot: 0.0005 M2M. A whole day costs a member less than 0.01.
const GATEWAY_PER_REPORT: u128 = money::UNIT / 2_000;

/// A community that trades from its first slot on.
pub(super) struct Community {
	/// Books in which nothing is entered yet.
	pub audit: Audit,
	/// In the order of the households, with their streams.
	pub devices: Vec<Meter>,
	/// The account of the market.
	pub account: AccountId,
}

/// A device with its two streams.
pub(super) struct Meter {
	pub device: Device,
	pub streams: [(Quantity, StreamId); 2],
}

/// What a household's credit is at the beginning, by name of its meter.
fn credits(plan: &Plan) -> BTreeMap<&str, u128> {
	let names = || plan.readings.meters.keys().map(String::as_str);
	let poor = rules::poor(names());
	names()
		.map(|name| (name, rules::credit(&plan.pricing, poor.contains(name))))
		.collect()
}

/// What each account is asked to have, in smallest units, and what for. An account that signs for several things is
/// asked for all of them.
pub fn needs(signers: Signers<'_>, plan: &Plan) -> Vec<(AccountId, u128, &'static str)> {
	let members = plan.readings.meters.len() as u128;
	let reports = members.saturating_mul(plan.quarters.len() as u128);
	let credit = credits(plan)
		.values()
		.fold(0u128, |sum, credit| sum.saturating_add(*credit));
	let mut needs: Vec<(AccountId, u128, &'static str)> = Vec::new();
	for (account, amount, what) in [
		(
			signers.owner.account(),
			credit.saturating_add(members.saturating_mul(OWNER_PER_MEMBER)),
			"paying deposits and the credits of all members (nearly all comes back)",
		),
		(
			signers.operator.account(),
			OPERATOR.saturating_add(members.saturating_mul(OPERATOR_PER_MEMBER)),
			"running the market",
		),
		(
			signers.gateway.account(),
			reports.saturating_mul(GATEWAY_PER_REPORT),
			"delivering and settling (at most)",
		),
	] {
		match needs.iter_mut().find(|(known, _, _)| *known == account) {
			Some((_, sum, _)) => *sum = sum.saturating_add(amount),
			None => needs.push((account, amount, what)),
		}
	}
	needs
}

/// Fails unless everybody can pay.
pub(super) async fn check_funds(
	chain: &Chain,
	block: &Block,
	signers: Signers<'_>,
	plan: &Plan,
) -> Result<()> {
	let existential_deposit = block.existential_deposit()?;
	for (account, needed, what) in needs(signers, plan) {
		let balance = block.balance(chain, &account).await?;
		let available = balance
			.free
			.saturating_sub(balance.frozen)
			.saturating_sub(existential_deposit);
		if available < needed {
			return Err(Error::CannotPay {
				account: keys::address(&account),
				what: what.into(),
				needed,
				available,
			});
		}
	}
	Ok(())
}

/// Sends calls of one account; one that is refused is an error, after all were sent.
async fn send_all(
	chain: &Chain,
	key: &Key,
	title: &str,
	calls: Vec<(String, Call)>,
	progress: &dyn Progress,
) -> Result<()> {
	let total = calls.len();
	progress.stage(title, total as u64);
	let mut bulk = Bulk::new(chain, key);
	let mut shown = 0usize;
	for (name, call) in calls {
		bulk.add(name, call).await?;
		progress.advance(bulk.accepted().saturating_sub(shown) as u64);
		shown = bulk.accepted();
	}
	let sent = bulk.finish().await?;
	progress.advance(sent.accepted.saturating_sub(shown) as u64);
	match sent.refused.first() {
		None => Ok(()),
		Some((name, reason)) => Err(Error::SomeRefused {
			what: "calls for the community",
			count: sent.refused.len(),
			total,
			first: format!("{reason}, for {name}"),
			hint: crate::chain::hint(reason),
		}),
	}
}

/// Registers, opens, creates, joins, tops up and admits.
pub(super) async fn set_up(
	chain: &Chain,
	home: &Path,
	signers: Signers<'_>,
	plan: &Plan,
	journal: &mut Journal<'_>,
	progress: &dyn Progress,
) -> Result<Community> {
	let meters: Vec<&String> = plan.readings.meters.keys().collect();
	let names: Vec<String> = meters.iter().map(|meter| device_name(meter)).collect();
	progress.stage("registering devices", names.len() as u64);
	let registered = fleet::register(
		chain,
		home,
		signers.owner,
		&names,
		Default::default(),
		Roles::AUTHENTICATE,
		Some(&signers.gateway.account()),
	)
	.await?;
	progress.advance(names.len() as u64);
	let devices = registered.devices;
	if registered.new < devices.len() {
		close_leftovers(chain, signers.owner, &devices, progress).await?;
	}

	let parameters = Parameters {
		pricing: plan.pricing,
		window: plan.window(),
	};
	let call = energy::create_market(plan.slot.seconds(), &parameters, &None);
	let created = chain.submit(signers.operator, &call).await?;
	let (market, account) = energy::created(&created.events)?;

	let slot_ms = u32::try_from(plan.slot.ms()).unwrap_or(u32::MAX);
	let opening = devices.iter().flat_map(|device| {
		Quantity::SETTLED.map(|quantity| {
			let spec = StreamSpec {
				cadence_ms: slot_ms,
				period_ms: Some(slot_ms),
				..quantity.spec(0)
			};
			(device.name.clone(), telemetry::create_stream(&device.id, &spec))
		})
	});
	send_all(
		chain,
		signers.owner,
		"opening streams",
		opening.collect(),
		progress,
	)
	.await?;
	journal.catch_up().await?;
	let devices = devices
		.into_iter()
		.map(|device| {
			let opened = |quantity| {
				journal
					.streams
					.get(&(device.id.clone(), quantity))
					.copied()
					.ok_or_else(|| {
						Error::IncompatibleChain(format!("it reports no opened stream of {}", device.name))
					})
			};
			let [import, export] = Quantity::SETTLED;
			let streams = [(import, opened(import)?), (export, opened(export)?)];
			Ok(Meter { device, streams })
		})
		.collect::<Result<Vec<Meter>>>()?;

	let credits = credits(plan);
	let mut joining = Vec::new();
	for (meter, Meter { device, streams }) in meters.iter().zip(&devices) {
		let credit = credits.get(meter.as_str()).copied().unwrap_or_default();
		let [(_, import), (_, export)] = *streams;
		let order = rules::order(meter, &plan.pricing.grid);
		for call in [
			energy::join(market, &device.id, import, export),
			energy::set_order(market, &device.id, &order),
			Chain::transfer_call(&device.id, credit),
			energy::top_up(market, &device.id, credit),
		] {
			joining.push((device.name.clone(), call));
		}
	}
	send_all(
		chain,
		signers.owner,
		"joining, with orders and credits",
		joining,
		progress,
	)
	.await?;
	let admission = devices.iter().map(|Meter { device, .. }| {
		let point = metering_point(market, &device.id);
		let call = energy::admit(market, &device.id, &point, &rules::CAPACITY);
		(device.name.clone(), call)
	});
	send_all(
		chain,
		signers.operator,
		"admitting members",
		admission.collect(),
		progress,
	)
	.await?;
	journal.catch_up().await?;

	let households = meters
		.iter()
		.zip(&devices)
		.map(|(meter, Meter { device, .. })| Household {
			name: (*meter).clone(),
			device: device.id.clone(),
			order: rules::order(meter, &plan.pricing.grid),
			readings: plan.readings_of(meter),
		})
		.collect();
	// All were admitted and ordered for this slot or an earlier one.
	let first: Slot = plan
		.slot
		.slot_at(chain.best().await?.time(chain).await?)
		.saturating_add(1);
	let terms = Terms {
		market,
		first,
		quarters: plan.quarters.clone(),
		pricing: plan.pricing,
	};
	Ok(Community {
		audit: Audit::new(terms, households)?,
		devices,
		account,
	})
}

/// The metering point that a device stands for in a market: of its own, so that a run that was cut off is in nobody's way.
fn metering_point(market: energy::MarketId, device: &DeviceId) -> H256 {
	BlakeTwo256::hash(format!("m2m/community/point/v1/{market}/{}", keys::address(device)).as_bytes())
}

/// Closes the streams that a run which was cut off left open.
async fn close_leftovers(
	chain: &Chain,
	owner: &Key,
	devices: &[Device],
	progress: &dyn Progress,
) -> Result<()> {
	let block = chain.finalized().await?;
	let mut closing = Vec::new();
	for device in devices {
		for stream in block.streams(chain, &device.id).await? {
			closing.push(telemetry::close_stream(&device.id, stream));
		}
	}
	if closing.is_empty() {
		return Ok(());
	}
	close_streams(chain, owner, closing, progress).await
}

async fn close_streams(chain: &Chain, owner: &Key, calls: Vec<Call>, progress: &dyn Progress) -> Result<()> {
	progress.stage("closing streams", calls.len() as u64);
	let mut pipeline = Pipeline::new(chain, owner);
	for chunk in calls.chunks(CLOSINGS_PER_TRANSACTION) {
		let call = chain.all_or_nothing(chunk).await?;
		pipeline.send(chunk.len() as u64, &call).await?;
	}
	while pipeline.under_way() > 0 {
		for (closed, _) in pipeline.collect().await? {
			progress.advance(closed);
		}
	}
	Ok(())
}

/// What the end of a run found.
pub(super) struct Outcome {
	/// The last block that was looked at.
	pub block: u32,
	/// Fees of owner, operator and gateway; of an account that is several of them, under the first.
	pub fees: [u128; 3],
}

/// Lets everybody leave, pays out credits and the reserve, returns to the owner what the wallets did not have before, and
/// checks that nothing is left and nothing was lost.
pub(super) async fn take_down(
	chain: &Chain,
	signers: Signers<'_>,
	meters: &[Meter],
	account: &AccountId,
	audit: &mut Audit,
	journal: &mut Journal<'_>,
	before: &Block,
	progress: &dyn Progress,
) -> Result<Outcome> {
	let market = audit.terms().market;
	check_balances(chain, audit, meters).await?;
	let leaving = meters
		.iter()
		.map(|Meter { device, .. }| (device.name.clone(), energy::leave(market, &device.id)));
	send_all(chain, signers.owner, "leaving", leaving.collect(), progress).await?;
	let closing = meters.iter().flat_map(|Meter { device, streams }| {
		streams.map(|(_, stream)| telemetry::close_stream(&device.id, stream))
	});
	close_streams(chain, signers.owner, closing.collect(), progress).await?;
	let (_, reserve) = audit.balances();
	if reserve > 0 {
		chain
			.submit(signers.operator, &energy::withdraw_reserve(market, None))
			.await?;
	}

	let wallets: Vec<&DeviceId> = meters.iter().map(|meter| &meter.device.id).collect();
	let left = chain.finalized().await?;
	let existential_deposit = left.existential_deposit()?;
	let had = balances(chain, before, &wallets).await?;
	let have = balances(chain, &left, &wallets).await?;
	let mut returning = Vec::new();
	for ((meter, had), have) in meters.iter().zip(&had).zip(&have) {
		let kept = had.free.max(existential_deposit);
		let surplus = have.free.saturating_sub(kept);
		if surplus > 0 {
			returning.push((
				meter.device.name.clone(),
				identity::withdraw(&meter.device.id, Some(surplus)),
			));
		}
	}
	send_all(
		chain,
		signers.owner,
		"returning what is left in the wallets",
		returning,
		progress,
	)
	.await?;

	journal.catch_up().await?;
	for event in journal.take_events() {
		audit.observe(&event)?;
	}
	audit.finish()?;
	let last = chain.block(journal.read).await?;
	check_empty(chain, &last, audit, account).await?;

	let roles = [signers.owner, signers.operator, signers.gateway].map(Key::account);
	let mut accounts: BTreeSet<AccountId> = wallets.into_iter().cloned().collect();
	accounts.extend(roles.iter().cloned());
	accounts.insert(account.clone());
	let listed: Vec<&AccountId> = accounts.iter().collect();
	let sum = |balances: Vec<Balance>| {
		balances.iter().fold(0u128, |sum, balance| {
			sum.saturating_add(balance.free).saturating_add(balance.reserved)
		})
	};
	let (then, now) = (
		sum(balances(chain, before, &listed).await?),
		sum(balances(chain, &last, &listed).await?),
	);
	journal.flows.check(&accounts, then, now)?;

	let mut counted = BTreeSet::new();
	let fees = roles.map(|role| {
		let fee = journal.flows.fees_of(&role);
		if counted.insert(role) { fee } else { 0 }
	});
	Ok(Outcome {
		block: last.number,
		fees,
	})
}

/// What accounts hold after a block, in their order.
async fn balances(chain: &Chain, block: &Block, accounts: &[&AccountId]) -> Result<Vec<Balance>> {
	stream::iter(accounts)
		.map(|account| block.balance(chain, account))
		.buffered(READS_AT_ONCE)
		.try_collect()
		.await
}

/// Compares the credits and the reserve on chain with the books, before anybody leaves.
async fn check_balances(chain: &Chain, audit: &Audit, meters: &[Meter]) -> Result<()> {
	let block = chain.finalized().await?;
	let market = audit.terms().market;
	let (credits, reserve) = audit.balances();
	let members: Vec<_> = stream::iter(meters)
		.map(|meter| block.member(chain, market, &meter.device.id))
		.buffered(READS_AT_ONCE)
		.try_collect()
		.await?;
	let differs = |household: &str, has: u128, should: u128| Error::Contradiction {
		slot: "the end".into(),
		household: household.into(),
		problem: format!(
			"the chain says {} M2M, the readings make {}",
			money::format(has),
			money::format(should)
		),
	};
	for ((household, member), credit) in audit.households().iter().zip(members).zip(credits) {
		let has = member.map_or(0, |member| member.credit);
		if has != *credit {
			return Err(differs(&household.name, has, *credit));
		}
	}
	let has = block
		.market(chain, market)
		.await?
		.map_or(0, |market| market.reserve);
	if has != reserve {
		return Err(differs("the reserve", has, reserve));
	}
	Ok(())
}

/// Checks that no slot, no member and no money is left in the market but the existential deposit of its account.
async fn check_empty(chain: &Chain, block: &Block, audit: &Audit, account: &AccountId) -> Result<()> {
	let market = audit.terms().market;
	let open = block.open_slots(chain, market).await?.len();
	let unsettled = block.unsettled_slots(chain, market).await?.len();
	let members = block.members_after(chain, market, None).await?.len();
	let held = block.balance(chain, account).await?;
	let existential_deposit = block.existential_deposit()?;
	if (open, unsettled, members) == (0, 0, 0) && (held.free, held.reserved) == (existential_deposit, 0) {
		return Ok(());
	}
	Err(Error::Contradiction {
		slot: "the end".into(),
		household: "the market".into(),
		problem: format!(
			"{open} slots are open, {unsettled} not settled, {members} members have not left, and its account holds {} M2M instead of the existential deposit",
			money::format(held.free)
		),
	})
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{readings::MeterReadings, time};
	use m2m_auction::SlotLength;

	fn plan() -> Plan {
		let mut text = "slot_start,meter,consumed_wh,produced_wh\n".to_owned();
		for number in 0..10 {
			text.push_str(&format!("2016-06-13T00:00:00Z,m{number},5,0\n"));
		}
		let readings = MeterReadings::read(Path::new("day.csv"), text.as_bytes()).unwrap();
		let day = time::parse_date("2016-06-13").unwrap();
		Plan::new(
			readings,
			day,
			day + time::QUARTER_HOUR_MS,
			SlotLength::new(6).unwrap(),
			rules::Tariffs::default().pricing().unwrap(),
		)
		.unwrap()
	}

	#[test]
	fn credits_come_from_capacities_and_two_are_small() {
		let plan = plan();
		let credits = credits(&plan);
		let small = credits.values().filter(|credit| **credit < money::UNIT).count();
		assert_eq!((credits.len(), small), (10, 2));
	}

	#[test]
	fn an_account_with_several_tasks_needs_money_for_all() {
		let plan = plan();
		let keys: Vec<Key> = (0..3).map(|_| Key::generate(Default::default())).collect();
		let three = Signers {
			operator: &keys[0],
			owner: &keys[1],
			gateway: &keys[2],
		};
		let of_three = needs(three, &plan);
		assert_eq!(of_three.len(), 3);
		let one = Signers {
			operator: &keys[0],
			owner: &keys[0],
			gateway: &keys[0],
		};
		let of_one = needs(one, &plan);
		let sum: u128 = of_three.iter().map(|(_, amount, _)| amount).sum();
		assert_eq!((of_one.len(), of_one[0].1), (1, sum));
		// Eight credits of 5.8 M2M, two of a hundredth, ten times a quarter of M2M.
		assert_eq!(of_three[0].1, money::parse("49.016").unwrap());
	}

	#[test]
	fn metering_points_differ_by_market_and_device() {
		let device = |number| DeviceId::new([number; 32]);
		let points: BTreeSet<H256> = [(0, 1), (0, 2), (1, 1), (1, 2)]
			.map(|(market, number)| metering_point(market, &device(number)))
			.into();
		assert_eq!(points.len(), 4);
	}
}
