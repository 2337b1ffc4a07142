//! Memberships: joining, orders, credit, leaving.

use super::{Context, details_of, done, length_of, order};
use crate::cli::account::account_or_device;
use clap::Args;
use m2m::{
	Error, Result,
	batch::parse_hash,
	chain::{
		Block, Chain, Included,
		energy::{self, EnergyEvent, MarketId},
		telemetry::Quantity,
	},
	keys, money, time,
};
use m2m_anchor::{StreamId, StreamKind, StreamSpec};
use m2m_auction::{Capacity, PriceOrder, SlotLength};
use m2m_device::DeviceId;
use m2m_runtime_api::MarketDetails;
use serde_json::json;
use sp_core::H256;
use sp_runtime::traits::{BlakeTwo256, Hash};
use std::path::PathBuf;

#[derive(Args)]
pub struct Join {
	/// Number of the market
	market: MarketId,
	/// Name in --home, or SS58 id
	#[arg(long)]
	device: String,
	/// Key file of the owner, a key or an operator; or the name of the device in --home
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	signer: String,
	/// Stream of what the device takes, if it is not to be found by its schema
	#[arg(long, value_name = "STREAM")]
	import: Option<StreamId>,
	/// Stream of what the device gives, if it is not to be found by its schema
	#[arg(long, value_name = "STREAM")]
	export: Option<StreamId>,
}

#[derive(Args)]
pub struct Admit {
	/// Number of the market
	market: MarketId,
	/// Name in --home, or SS58 id
	#[arg(long)]
	device: String,
	/// Key file of the operator
	#[arg(long, value_name = "KEYFILE")]
	operator: PathBuf,
	/// Most Wh that count in a slot of what it takes
	#[arg(long, value_name = "WH")]
	import_capacity: u32,
	/// Most Wh that count in a slot of what it gives
	#[arg(long, value_name = "WH")]
	export_capacity: u32,
	/// The metering point: a number or name, of which the hash is used, or a hash as 0x and 64 hex digits
	#[arg(long, value_name = "TEXT|HASH")]
	point: Option<String>,
}

#[derive(Args)]
pub struct SetOrder {
	/// Number of the market
	market: MarketId,
	/// Name in --home, or SS58 id
	#[arg(long)]
	device: String,
	/// Key file of the owner, a key or an operator; or the name of the device in --home
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	signer: String,
	/// Buy so much in a slot for at most this price per kWh, without the grid fee
	#[arg(long, value_name = "ENERGY@PRICE")]
	buy: Vec<String>,
	/// Sell so much in a slot for at least this price per kWh
	#[arg(long, value_name = "ENERGY@PRICE")]
	sell: Vec<String>,
	/// Trade nothing any more
	#[arg(long, conflicts_with_all = ["buy", "sell"])]
	none: bool,
}

#[derive(Args)]
pub struct TopUp {
	/// Number of the market
	market: MarketId,
	/// Name in --home, or SS58 id
	#[arg(long)]
	device: String,
	/// Key file of the owner, a key or an operator; or the name of the device in --home
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	signer: String,
	/// M2M
	#[arg(long)]
	amount: String,
}

#[derive(Args)]
pub struct Withdraw {
	/// Number of the market
	market: MarketId,
	/// Name in --home, or SS58 id
	#[arg(long)]
	device: String,
	/// Key file of the owner, a key or an operator; or the name of the device in --home
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	signer: String,
	/// M2M; all if left out
	#[arg(long)]
	amount: Option<String>,
}

#[derive(Args)]
pub struct Leave {
	/// Number of the market
	market: MarketId,
	/// Name in --home, or SS58 id
	#[arg(long)]
	device: String,
	/// Key file of the owner, a key or an operator; or the name of the device in --home
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	signer: String,
}

#[derive(Args)]
pub struct Remove {
	/// Number of the market
	market: MarketId,
	/// Name in --home, or SS58 id
	#[arg(long)]
	device: String,
	/// Key file of the operator
	#[arg(long, value_name = "KEYFILE")]
	operator: PathBuf,
}

/// Why a stream cannot trade in slots of this length; `None` if it can.
fn misfit(spec: &StreamSpec, length: SlotLength) -> Option<String> {
	let slot_ms = length.ms();
	let unit = String::from_utf8_lossy(&spec.unit);
	if spec.kind != StreamKind::Interval {
		return Some(format!("is of kind {:?}, not interval", spec.kind).to_lowercase());
	}
	if spec.private {
		return Some("is private".into());
	}
	if unit != "Wh" || spec.scale != 0 {
		return Some(format!(
			"counts in {unit} at scale {}, not in Wh at scale 0",
			spec.scale
		));
	}
	match spec.period_ms {
		Some(period) if u64::from(period) == slot_ms => {}
		Some(period) => return Some(format!("has a period of {period} ms, not of {slot_ms}")),
		None => {
			return Some(format!(
				"has no period, so that anchors may cross slots of {slot_ms} ms"
			));
		}
	}
	(slot_ms.checked_rem(spec.cadence_ms.into()) != Some(0)).then(|| {
		format!(
			"has a cadence of {} ms, which does not divide a slot of {slot_ms}",
			spec.cadence_ms
		)
	})
}

/// What to do about a stream that is missing or does not fit.
fn open_one(device: &str, quantity: Quantity, length: SlotLength) -> String {
	let seconds = length.seconds();
	format!(
		"open one with `m2m telemetry stream create --device {device} --owner KEYFILE --quantity {} --cadence {seconds}s --period {seconds}s`",
		quantity.name()
	)
}

/// The stream of a device by which it trades one direction: the named one, or the first that fits.
async fn stream_of(
	chain: &Chain,
	block: &Block,
	(name, device): (&str, &DeviceId),
	quantity: Quantity,
	length: SlotLength,
	named: Option<StreamId>,
) -> Result<StreamId> {
	let candidates = match named {
		Some(stream) => vec![stream],
		None => block.streams(chain, device).await?,
	};
	let mut faults = Vec::new();
	for stream in candidates {
		let details = block.stream(chain, device, stream).await?;
		let Some(spec) = details.and_then(|details| details.spec) else {
			faults.push(format!("stream {stream} is not open"));
			continue;
		};
		if named.is_none() && Quantity::of(&spec) != Some(quantity) {
			continue;
		}
		match misfit(&spec, length) {
			None => return Ok(stream),
			Some(fault) => faults.push(format!("stream {stream} {fault}")),
		}
	}
	let found = if faults.is_empty() {
		String::from("it has none with that schema")
	} else {
		faults.join("; ")
	};
	Err(Error::Usage(format!(
		"UnsuitableStream: {name} has no {} stream for slots of {} s ({found}): {}",
		quantity.name(),
		length.seconds(),
		open_one(name, quantity, length)
	)))
}

pub async fn join(context: &Context, join: Join) -> Result<()> {
	let device = account_or_device(context, &join.device)?;
	let (chain, key) = context.connect_as_any(&join.signer).await?;
	let block = chain.finalized().await?;
	let length = length_of(&details_of(&chain, &block, join.market).await?)?;
	let named = (join.device.as_str(), &device);
	let import = stream_of(&chain, &block, named, Quantity::Import, length, join.import).await?;
	let export = stream_of(&chain, &block, named, Quantity::Export, length, join.export).await?;
	let call = energy::join(join.market, &device, import, export);
	let included = chain.submit(&key, &call).await?;
	done(
		context,
		&included,
		&format!(
			"{} asks to trade in market {} with the streams {import} (import) and {export} (export); its operator admits it with `m2m market admit`",
			join.device, join.market
		),
		json!({
			"market": join.market,
			"device": keys::address(&device),
			"import": import,
			"export": export,
		}),
	);
	Ok(())
}

/// The claim by which a market's issuers certify a meter.
async fn certified_point(
	chain: &Chain,
	block: &Block,
	details: &MarketDetails,
	device: &DeviceId,
) -> Result<H256> {
	let Some((topic, issuers)) = &details.meters else {
		return Err(Error::Usage(
			"say with --point which metering point it is, so that no other member has the same".into(),
		));
	};
	let attestations = block.attestations(chain, device).await?;
	// The chain asks the issuers in this order.
	issuers
		.iter()
		.find_map(|issuer| {
			attestations
				.iter()
				.find(|said| said.valid && said.topic == *topic && said.issuer == *issuer)
		})
		.map(|said| said.claim)
		.ok_or_else(|| {
			let issuers: Vec<String> = issuers.iter().map(keys::address).collect();
			Error::Usage(format!(
				"NotCertified: market {} takes meters certified under {} by {}, and nobody of them vouches for this one now: let one run `m2m device attest`",
				details.market,
				topic.as_text(),
				issuers.join(" or ")
			))
		})
}

pub async fn admit(context: &Context, admit: Admit) -> Result<()> {
	let device = account_or_device(context, &admit.device)?;
	let (chain, key) = context.connect_as(&admit.operator).await?;
	let block = chain.finalized().await?;
	let details = details_of(&chain, &block, admit.market).await?;
	let length = length_of(&details)?;
	let point = match &admit.point {
		Some(text) => parse_hash(text).unwrap_or_else(|| BlakeTwo256::hash(text.as_bytes())),
		None => certified_point(&chain, &block, &details, &device).await?,
	};
	let capacity = Capacity {
		import: admit.import_capacity,
		export: admit.export_capacity,
	};
	let call = energy::admit(admit.market, &device, &point, &capacity);
	let included = chain.submit(&key, &call).await?;
	let since = find(&included, |event| match event {
		EnergyEvent::Admitted { since, .. } => Some(since),
		_ => None,
	})?;
	done(
		context,
		&included,
		&format!(
			"{} trades in market {} from slot {since} on, which begins at {}",
			admit.device,
			admit.market,
			time::format(length.start(since))
		),
		json!({
			"market": admit.market,
			"device": keys::address(&device),
			"since": since,
			"begins": time::format(length.start(since)),
			"point": format!("{point:?}"),
			"import_capacity_wh": capacity.import,
			"export_capacity_wh": capacity.export,
		}),
	);
	Ok(())
}

/// What one of a call's events says.
fn find<T>(included: &Included, said: impl FnMut(EnergyEvent) -> Option<T>) -> Result<T> {
	EnergyEvent::all(&included.block, &included.events)?
		.into_iter()
		.find_map(said)
		.ok_or_else(|| Error::IncompatibleChain("it does not report what the call did".into()))
}

/// Steps that no price of the market reaches.
fn out_of_reach(details: &MarketDetails, order: &PriceOrder) -> Vec<String> {
	let Some(latest) = details.parameters.last() else {
		return Vec::new();
	};
	let grid = latest.pricing.grid;
	let bids = order
		.bids
		.iter()
		.filter(|step| grid.bid_tick(step.limit).is_none())
		.map(|step| format!("--buy {} pays less than the lowest price", order::write(step)));
	let asks = order
		.asks
		.iter()
		.filter(|step| grid.ask_tick(step.limit).is_none())
		.map(|step| format!("--sell {} asks more than the highest price", order::write(step)));
	bids.chain(asks).collect()
}

pub async fn set_order(context: &Context, set: SetOrder) -> Result<()> {
	let order = if set.none {
		PriceOrder::default()
	} else {
		order::order(&set.buy, &set.sell)?
	};
	let device = account_or_device(context, &set.device)?;
	let (chain, key) = context.connect_as_any(&set.signer).await?;
	let block = chain.finalized().await?;
	let details = details_of(&chain, &block, set.market).await?;
	let length = length_of(&details)?;
	for fault in out_of_reach(&details, &order) {
		context
			.output
			.warn(format!("{fault} of market {}: it will not trade", set.market));
	}
	let call = energy::set_order(set.market, &device, &order);
	let included = chain.submit(&key, &call).await?;
	let first = find(&included, |event| match event {
		EnergyEvent::OrderSet { first, .. } => Some(first),
		_ => None,
	})?;
	let steps = |steps: &m2m_auction::PriceSteps| -> Vec<_> {
		steps
			.iter()
			.map(|step| json!({ "wh": step.wh, "price": money::format(step.limit) }))
			.collect()
	};
	done(
		context,
		&included,
		&format!(
			"{}: {} in every slot of market {} from {first} on, which begins at {}",
			set.device,
			order::describe(&order),
			set.market,
			time::format(length.start(first))
		),
		json!({
			"market": set.market,
			"device": keys::address(&device),
			"first": first,
			"begins": time::format(length.start(first)),
			"buy": steps(&order.bids),
			"sell": steps(&order.asks),
		}),
	);
	Ok(())
}

/// The credit of a device after a call. The call has taken effect: an error now would make people repeat it.
async fn credit_after(
	chain: &Chain,
	included: &Included,
	market: MarketId,
	device: &DeviceId,
) -> Option<String> {
	let member = included.block.member(chain, market, device).await.ok().flatten();
	member.map(|member| money::format(member.credit))
}

pub async fn top_up(context: &Context, top_up: TopUp) -> Result<()> {
	let amount = money::parse(&top_up.amount)?;
	let device = account_or_device(context, &top_up.device)?;
	let (chain, key) = context.connect_as_any(&top_up.signer).await?;
	let call = energy::top_up(top_up.market, &device, amount);
	let included = chain.submit(&key, &call).await?;
	let credit = credit_after(&chain, &included, top_up.market, &device).await;
	done(
		context,
		&included,
		&format!(
			"{}: {} M2M more, {} M2M of credit in market {}",
			top_up.device,
			money::format(amount),
			credit.as_deref().unwrap_or("unknown"),
			top_up.market
		),
		json!({
			"market": top_up.market,
			"device": keys::address(&device),
			"amount": money::format(amount),
			"credit": credit,
		}),
	);
	Ok(())
}

pub async fn withdraw(context: &Context, withdraw: Withdraw) -> Result<()> {
	let amount = withdraw.amount.as_deref().map(money::parse).transpose()?;
	let device = account_or_device(context, &withdraw.device)?;
	let (chain, key) = context.connect_as_any(&withdraw.signer).await?;
	let call = energy::withdraw_credit(withdraw.market, &device, amount);
	let included = chain.submit(&key, &call).await?;
	let amount = find(&included, |event| match event {
		EnergyEvent::CreditWithdrawn { amount, .. } => Some(amount),
		_ => None,
	})?;
	let credit = credit_after(&chain, &included, withdraw.market, &device).await;
	done(
		context,
		&included,
		&format!(
			"{}: {} M2M went to its wallet, {} M2M of credit in market {}",
			withdraw.device,
			money::format(amount),
			credit.as_deref().unwrap_or("unknown"),
			withdraw.market
		),
		json!({
			"market": withdraw.market,
			"device": keys::address(&device),
			"amount": money::format(amount),
			"credit": credit,
		}),
	);
	Ok(())
}

pub async fn leave(context: &Context, leave: Leave) -> Result<()> {
	let device = account_or_device(context, &leave.device)?;
	let (chain, key) = context.connect_as_any(&leave.signer).await?;
	let included = chain.submit(&key, &energy::leave(leave.market, &device)).await?;
	show_end(context, &included, leave.market, (&leave.device, &device))
}

pub async fn remove(context: &Context, remove: Remove) -> Result<()> {
	let device = account_or_device(context, &remove.device)?;
	let (chain, key) = context.connect_as(&remove.operator).await?;
	let call = energy::remove_member(remove.market, &device);
	let included = chain.submit(&key, &call).await?;
	show_end(context, &included, remove.market, (&remove.device, &device))
}

fn show_end(
	context: &Context,
	included: &Included,
	market: MarketId,
	(name, device): (&str, &DeviceId),
) -> Result<()> {
	let credit = find(included, |event| match event {
		EnergyEvent::Left { credit, .. } => Some(Some(credit)),
		EnergyEvent::Leaving { .. } => Some(None),
		_ => None,
	})?;
	let text = match credit {
		Some(credit) => format!(
			"{name} is no member of market {market} any more; {} M2M of credit and its deposit went to its wallet",
			money::format(credit)
		),
		None => format!(
			"{name} trades no more in market {market}; its last slots wait for settlement: run this again after that"
		),
	};
	done(
		context,
		included,
		&text,
		json!({
			"market": market,
			"device": keys::address(device),
			"left": credit.is_some(),
			"credit": credit.map(money::format),
		}),
	);
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m::money::UNIT;
	use m2m_auction::{PriceStep, Pricing, TickGrid};
	use m2m_device::AccountId;
	use m2m_runtime_api::MarketParameters;

	#[test]
	fn a_stream_that_cannot_trade_says_why() {
		let length = SlotLength::new(900).unwrap();
		let spec = Quantity::Import.spec(0);
		assert_eq!(misfit(&spec, length), None);
		let with = |change: &dyn Fn(&mut StreamSpec)| {
			let mut spec = spec.clone();
			change(&mut spec);
			misfit(&spec, length).unwrap()
		};
		assert!(with(&|spec| spec.kind = StreamKind::Register).contains("register, not interval"));
		assert!(with(&|spec| spec.private = true).contains("private"));
		assert!(with(&|spec| spec.scale = 3).contains("scale 3"));
		assert!(with(&|spec| spec.unit = b"J".to_vec().try_into().unwrap()).contains("counts in J"));
		assert!(with(&|spec| spec.period_ms = Some(60_000)).contains("period of 60000 ms"));
		assert!(with(&|spec| spec.period_ms = None).contains("no period"));
		assert!(with(&|spec| spec.cadence_ms = 7_000).contains("does not divide"));
		// Readings of a minute make up a slot as well.
		let mut fine = spec.clone();
		fine.cadence_ms = 60_000;
		assert_eq!(misfit(&fine, length), None);
		let way_out = open_one("pump", Quantity::Export, length);
		assert!(way_out.contains("--device pump") && way_out.contains("--quantity export --cadence 900s"));
	}

	#[test]
	fn steps_that_no_price_reaches_are_told_before_they_are_set() {
		let cent = UNIT / 100;
		let pricing = Pricing {
			retail: 30 * cent,
			feed_in: 8 * cent,
			margin: cent,
			grid_fee: 0,
			grid: TickGrid {
				bottom: 10 * cent,
				tick_size: cent,
				ticks: 11,
			},
		};
		let account = AccountId::new([1; 32]);
		let details = MarketDetails {
			market: 0,
			operator: account.clone(),
			account,
			slot_seconds: 900,
			parameters: vec![MarketParameters {
				first: 0,
				pricing,
				window_ms: 1,
				window_blocks: 1,
			}],
			meters: None,
			feeder: None,
			reserve: 0,
			last_price: None,
		};
		let step = |cents| PriceStep {
			limit: cents * cent,
			wh: 1,
		};
		let order = PriceOrder {
			bids: vec![step(10), step(9)].try_into().unwrap(),
			asks: vec![step(20), step(21)].try_into().unwrap(),
		};
		let faults = out_of_reach(&details, &order);
		assert_eq!(
			faults,
			[
				"--buy 1Wh@0.09 pays less than the lowest price",
				"--sell 1Wh@0.21 asks more than the highest price"
			]
		);
	}
}
