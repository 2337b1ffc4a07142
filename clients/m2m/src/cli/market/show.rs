//! What a market is and how its members stand.

use super::{Context, details_of, length_of, order, prices};
use crate::cli::account::account_or_device;
use comfy_table::{CellAlignment, Table};
use futures::{StreamExt, TryStreamExt, stream};
use m2m::{
	Error, Result,
	chain::{Block, Chain, energy::MarketId},
	keys, money, time,
};
use m2m_auction::{PriceOrder, Slot, SlotLength};
use m2m_device::DeviceId;
use m2m_runtime_api::{MarketDetails, MemberDetails, MembershipState};
use serde_json::{Value, json};

/// Reads that are under way at once.
const READS_AHEAD: usize = 16;

fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header(header);
	table
}

fn last_price(details: &MarketDetails) -> String {
	details.last_price.map_or_else(
		|| "-".into(),
		|(slot, price)| format!("{} in slot {slot}", money::format(price)),
	)
}

/// A market as JSON.
fn describe(details: &MarketDetails) -> Value {
	json!({
		"market": details.market,
		"operator": keys::address(&details.operator),
		"account": keys::address(&details.account),
		"slot_seconds": details.slot_seconds,
		"parameters": details.parameters.iter()
			.map(|version| prices::json_of(version.first, &prices::of_read(version)))
			.collect::<Vec<_>>(),
		"meters": details.meters.as_ref().map(|(topic, issuers)| json!({
			"topic": topic.as_text(),
			"issuers": issuers.iter().map(keys::address).collect::<Vec<_>>(),
		})),
		"feeder": details.feeder.as_ref().map(|(device, stream, tolerance)| json!({
			"device": keys::address(device),
			"stream": stream,
			"tolerance_wh": tolerance,
		})),
		"reserve": money::format(details.reserve),
		"last_price": details.last_price.map(|(slot, price)| json!({
			"slot": slot,
			"price": money::format(price),
		})),
	})
}

pub async fn list(context: &Context) -> Result<()> {
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let mut table = table([
		"market",
		"operator",
		"slot s",
		"utility",
		"grid fee",
		"last price",
		"reserve",
	]);
	let mut values = Vec::new();
	let mut after = None;
	loop {
		let page = block.markets_after(&chain, after).await?;
		let Some(last) = page.last() else { break };
		after = Some(*last);
		for market in page {
			let details = details_of(&chain, &block, market).await?;
			let pricing = details.parameters.last().map(|version| version.pricing);
			let price = |of: fn(&m2m_auction::Pricing) -> u128| {
				pricing.as_ref().map(of).map_or_else(String::new, money::format)
			};
			table.add_row([
				market.to_string(),
				keys::address(&details.operator),
				details.slot_seconds.to_string(),
				format!(
					"{} / {}",
					price(|pricing| pricing.retail),
					price(|pricing| pricing.feed_in)
				),
				price(|pricing| pricing.grid_fee),
				last_price(&details),
				money::format(details.reserve),
			]);
			values.push(describe(&details));
		}
	}
	context.output.result(
		format!("{table}\n{} markets; prices in M2M per kWh", values.len()),
		Value::Array(values),
	);
	Ok(())
}

/// Every member of a market, page by page, in the chain's order.
async fn members(chain: &Chain, block: &Block, market: MarketId) -> Result<Vec<(DeviceId, MemberDetails)>> {
	let mut members = Vec::new();
	let mut after: Option<DeviceId> = None;
	loop {
		let page = block.members_after(chain, market, after.as_ref()).await?;
		let Some(last) = page.last() else {
			return Ok(members);
		};
		after = Some(last.clone());
		let read: Vec<Option<(DeviceId, MemberDetails)>> = stream::iter(page)
			.map(|device| async move {
				let member = block.member(chain, market, &device).await?;
				Ok::<_, Error>(member.map(|member| (device, member)))
			})
			.buffered(READS_AHEAD)
			.try_collect()
			.await?;
		members.extend(read.into_iter().flatten());
	}
}

fn state(member: &MemberDetails) -> String {
	match &member.state {
		MembershipState::Applied => "waits for admission".into(),
		MembershipState::Admitted { since, .. } => format!("trades since slot {since}"),
		MembershipState::Leaving => "is leaving".into(),
	}
}

/// The order that holds in a slot.
fn order_of(member: &MemberDetails, slot: Slot) -> PriceOrder {
	let held = member.orders.iter().rev().find(|(first, _)| *first <= slot);
	held.map(|(_, order)| order.clone()).unwrap_or_default()
}

fn order_json(order: &PriceOrder) -> Value {
	let steps = |steps: &m2m_auction::PriceSteps| -> Vec<Value> {
		steps
			.iter()
			.map(|step| json!({ "wh": step.wh, "price": money::format(step.limit) }))
			.collect()
	};
	json!({ "buy": steps(&order.bids), "sell": steps(&order.asks) })
}

/// A membership as JSON.
fn member_json(device: &DeviceId, name: Option<&String>, member: &MemberDetails) -> Value {
	let (state, admission) = match &member.state {
		MembershipState::Applied => ("applied", Value::Null),
		MembershipState::Admitted {
			since,
			point,
			import_capacity,
			export_capacity,
		} => (
			"admitted",
			json!({
				"since": since,
				"point": format!("{point:?}"),
				"import_capacity_wh": import_capacity,
				"export_capacity_wh": export_capacity,
			}),
		),
		MembershipState::Leaving => ("leaving", Value::Null),
	};
	json!({
		"device": keys::address(device),
		"name": name,
		"import": member.import,
		"export": member.export,
		"state": state,
		"admission": admission,
		"orders": member.orders.iter().map(|(first, order)| {
			let mut order = order_json(order);
			if let Some(fields) = order.as_object_mut() {
				fields.insert("first".into(), (*first).into());
			}
			order
		}).collect::<Vec<_>>(),
		"credit": money::format(member.credit),
		"unsettled": member.unsettled,
	})
}

/// The slots of a market that are not settled: those that are open, each with whether its window is over, and those
/// that are cleared.
struct OpenSlots {
	open: Vec<(Slot, bool)>,
	cleared: Vec<Slot>,
}

impl OpenSlots {
	async fn read(chain: &Chain, block: &Block, market: MarketId) -> Result<Self> {
		let mut cleared = block.unsettled_slots(chain, market).await?;
		cleared.sort_unstable();
		Ok(Self {
			open: block.open_slots(chain, market).await?,
			cleared,
		})
	}

	fn lines(&self, length: SlotLength) -> String {
		let open = self.open.iter().map(|(slot, due)| {
			let state = if *due { "can be cleared" } else { "can be reported" };
			(slot, state)
		});
		let cleared = self
			.cleared
			.iter()
			.map(|slot| (slot, "cleared, not settled wholly"));
		open.chain(cleared)
			.map(|(slot, state)| {
				format!(
					"\nslot       {slot} from {}, {state}",
					time::format(length.start(*slot))
				)
			})
			.collect()
	}

	fn json(&self) -> Value {
		let open = self.open.iter().map(|(slot, due)| {
			let state = if *due { "due" } else { "reporting" };
			json!({ "slot": slot, "state": state })
		});
		let cleared = self
			.cleared
			.iter()
			.map(|slot| json!({ "slot": slot, "state": "cleared" }));
		open.chain(cleared).collect()
	}
}

pub async fn show(context: &Context, market: MarketId, device: Option<&str>) -> Result<()> {
	let device = device.map(|text| account_or_device(context, text)).transpose()?;
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let details = details_of(&chain, &block, market).await?;
	let length = length_of(&details)?;
	let now = block.time(&chain).await?;
	let slots = OpenSlots::read(&chain, &block, market).await?;
	if let Some(device) = device {
		return show_member(
			context,
			&chain,
			&block,
			(&details, &slots),
			&device,
			length.slot_at(now),
		)
		.await;
	}

	let mut text = format!(
		"market     {market}, slots of {} s; now slot {}\noperator   {}\naccount    {}\n",
		details.slot_seconds,
		length.slot_at(now),
		keys::address(&details.operator),
		keys::address(&details.account),
	);
	for version in &details.parameters {
		if details.parameters.len() > 1 {
			text.push_str(&format!(
				"from slot {}, {}\n",
				version.first,
				time::format(length.start(version.first))
			));
		}
		text.push_str(&prices::describe(&prices::of_read(version)));
		text.push('\n');
	}
	if let Some((topic, issuers)) = &details.meters {
		let issuers: Vec<String> = issuers.iter().map(keys::address).collect();
		text.push_str(&format!(
			"meters     certified under {} by {}\n",
			topic.as_text(),
			issuers.join(" or ")
		));
	}
	if let Some((device, stream, tolerance)) = &details.feeder {
		text.push_str(&format!(
			"feeder     {}, stream {stream}, tolerance {tolerance} Wh\n",
			keys::address(device)
		));
	}
	text.push_str(&format!(
		"reserve    {} M2M\nlast price {}{}\n",
		money::format(details.reserve),
		last_price(&details),
		slots.lines(length)
	));

	let names = context.device_names()?;
	let mut table = table(["member", "stands", "order", "credit", "unsettled"]);
	let mut values = Vec::new();
	for (device, member) in members(&chain, &block, market).await? {
		let name = names.get(&device);
		let order = order_of(&member, length.slot_at(now).saturating_add(1));
		table.add_row([
			name.cloned().unwrap_or_else(|| keys::address(&device)),
			state(&member),
			order::describe(&order),
			money::format(member.credit),
			member.unsettled.to_string(),
		]);
		values.push(member_json(&device, name, &member));
	}
	for column in table.column_iter_mut().skip(3) {
		column.set_cell_alignment(CellAlignment::Right);
	}
	text.push_str(&format!("{table}\n{} members", values.len()));
	let mut value = describe(&details);
	if let Some(fields) = value.as_object_mut() {
		fields.insert("slot".into(), length.slot_at(now).into());
		fields.insert("slots".into(), slots.json());
		fields.insert("members".into(), values.into());
	}
	context.output.result(text, value);
	Ok(())
}

async fn show_member(
	context: &Context,
	chain: &Chain,
	block: &Block,
	(details, slots): (&MarketDetails, &OpenSlots),
	device: &DeviceId,
	now: Slot,
) -> Result<()> {
	let market = details.market;
	let member = block.member(chain, market, device).await?.ok_or_else(|| {
		Error::Unknown(format!(
			"{} is no member of market {market}: let it join with `m2m market join {market}`",
			keys::address(device)
		))
	})?;
	let names = context.device_names()?;
	let mut text = format!(
		"device     {}\nmarket     {market}; {}\nstreams    {} (import), {} (export)\n",
		keys::address(device),
		state(&member),
		member.import,
		member.export
	);
	if let MembershipState::Admitted {
		point,
		import_capacity,
		export_capacity,
		..
	} = &member.state
	{
		text.push_str(&format!(
			"capacity   {import_capacity} Wh import, {export_capacity} Wh export a slot\npoint      {point:?}\n"
		));
	}
	if member.orders.is_empty() {
		text.push_str("order      none: set one with `m2m market set-order`\n");
	}
	for (first, order) in &member.orders {
		let from = if *first > now { "holds from" } else { "since" };
		text.push_str(&format!(
			"order      {} ({from} slot {first})\n",
			order::describe(order)
		));
	}
	text.push_str(&format!("credit     {} M2M", money::format(member.credit)));

	let waiting = slots.open.iter().map(|(slot, _)| slot).chain(&slots.cleared);
	let mut entries = Vec::new();
	for slot in waiting {
		let Some(entry) = block.entry(chain, market, *slot, device).await? else {
			continue;
		};
		let side = |steps: &[(u128, u32)]| -> Vec<Value> {
			steps
				.iter()
				.map(|(price, wh)| json!({ "wh": wh, "price": money::format(*price) }))
				.collect()
		};
		let words = |name: &str, steps: &[(u128, u32)]| {
			let steps: Vec<String> = steps
				.iter()
				.map(|(price, wh)| format!("{wh}Wh@{}", money::format(*price)))
				.collect();
			(!steps.is_empty()).then(|| format!("{name} {}", steps.join(", ")))
		};
		let said: Vec<String> = [words("buys", &entry.bids), words("sells", &entry.asks)]
			.into_iter()
			.flatten()
			.collect();
		text.push_str(&format!("\nslot       {slot}: {}, not settled", said.join("; ")));
		entries.push(json!({ "slot": slot, "buy": side(&entry.bids), "sell": side(&entry.asks) }));
	}
	let mut value = member_json(device, names.get(device), &member);
	if let Some(fields) = value.as_object_mut() {
		fields.insert("market".into(), market.into());
		fields.insert("entries".into(), entries.into());
	}
	context.output.result(text, value);
	Ok(())
}
