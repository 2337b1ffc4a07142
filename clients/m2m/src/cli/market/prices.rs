//! What an operator sets: tariffs, price grid, grid fee, reporting window and feeder meter.

use super::{Context, details_of, done, length_of, slot_of};
use crate::cli::{
	account::account_or_device,
	device::{owner_account, topic},
};
use clap::Args;
use m2m::{
	Error, Result,
	chain::energy::{self, Feeder, MAX_ISSUERS, MAX_WINDOW_BLOCKS, MAX_WINDOW_SLOTS, MarketId, Requirement},
	keys, money, time,
};
use m2m_anchor::StreamId;
use m2m_auction::{
	MAX_TICKS, Money, Parameters, PricePerKwh, Pricing, PricingFault, Slot, SlotLength, TickGrid, Window,
};
use m2m_runtime_api::MarketParameters;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Margin and tick size where none is named: 0.01 M2M per kWh.
const HUNDREDTH: PricePerKwh = money::UNIT / 100;
/// Blocks of a window where none are named: half a minute at 3 s a block.
const WINDOW_BLOCKS: u8 = 10;

/// Prices of a market and its reporting window.
#[derive(Args)]
pub struct Prices {
	/// What the utility charges, M2M per kWh
	#[arg(long, value_name = "M2M")]
	retail: Option<String>,
	/// What the utility pays, M2M per kWh
	#[arg(long, value_name = "M2M")]
	feed_in: Option<String>,
	/// What a buyer pays on top of the price for the use of the grid, M2M per kWh [default: 0]
	#[arg(long, value_name = "M2M")]
	grid_fee: Option<String>,
	/// What both sides gain over the utility at least, M2M per kWh [default: 0.01]
	#[arg(long, value_name = "M2M")]
	margin: Option<String>,
	/// Lowest price, M2M per kWh [default: feed-in tariff and margin]
	#[arg(long, value_name = "M2M")]
	bottom: Option<String>,
	/// Difference of two neighbouring prices, M2M per kWh [default: 0.01]
	#[arg(long, value_name = "M2M")]
	tick: Option<String>,
	/// Number of prices, 1 to 256 [default: as many as fit]
	#[arg(long)]
	ticks: Option<u16>,
	/// How long a slot can be reported after its end, for instance 10m [default: a slot]
	#[arg(long, value_name = "SPAN")]
	window: Option<String>,
	/// And for at least how many blocks, so that a halted chain harms nobody [default: 10]
	#[arg(long, value_name = "BLOCKS")]
	window_blocks: Option<u8>,
}

#[derive(Args)]
pub struct Create {
	/// Key file of the operator
	#[arg(long, value_name = "KEYFILE")]
	operator: PathBuf,
	#[command(flatten)]
	prices: Prices,
	/// Length of a slot; divides a day, at least two blocks
	#[arg(long, default_value_t = 900)]
	slot_seconds: u32,
	/// Take only meters for which an issuer vouches under this topic
	#[arg(long, value_name = "TOPIC", requires = "issuers")]
	meters: Option<String>,
	/// Issuers that are trusted, 1 to 4
	#[arg(long, value_name = "ADDRESS,...", value_delimiter = ',', requires = "meters")]
	issuers: Vec<String>,
}

#[derive(Args)]
pub struct Change {
	/// Number of the market
	market: MarketId,
	/// Key file of the operator
	#[arg(long, value_name = "KEYFILE")]
	operator: PathBuf,
	#[command(flatten)]
	prices: Prices,
	/// First slot for which they hold: its number, or a moment in it
	#[arg(long, value_name = "SLOT|TIME")]
	first: Option<String>,
}

#[derive(Args)]
pub struct FeederChange {
	/// Number of the market
	market: MarketId,
	/// Key file of the operator
	#[arg(long, value_name = "KEYFILE")]
	operator: PathBuf,
	/// The meter: name in --home, or SS58 id
	#[arg(
		long,
		value_name = "DEVICE",
		requires = "stream",
		required_unless_present = "none"
	)]
	device: Option<String>,
	/// Its stream of what leaves the community
	#[arg(long, requires = "device")]
	stream: Option<StreamId>,
	/// Wh by which the reports of a slot may disagree
	#[arg(long, value_name = "WH", default_value_t = 0)]
	tolerance: u64,
	/// No feeder meter any more
	#[arg(long, conflicts_with_all = ["device", "stream"])]
	none: bool,
}

impl Prices {
	/// The parameters that are meant: what is not named stays as it is at `present`, or has its default.
	fn parameters(&self, length: SlotLength, present: Option<&Parameters>) -> Result<Parameters> {
		let named = |text: &Option<String>| text.as_deref().map(money::parse).transpose();
		let old = present.map(|present| present.pricing);
		let required = |text: &Option<String>, old: Option<PricePerKwh>, what: &str| {
			named(text)?
				.or(old)
				.ok_or_else(|| Error::Usage(format!("say what the utility {what}, in M2M per kWh")))
		};
		let retail = required(&self.retail, old.map(|old| old.retail), "charges with --retail")?;
		let feed_in = required(&self.feed_in, old.map(|old| old.feed_in), "pays with --feed-in")?;
		let grid_fee = named(&self.grid_fee)?
			.or(old.map(|old| old.grid_fee))
			.unwrap_or(0);
		let margin = named(&self.margin)?
			.or(old.map(|old| old.margin))
			.unwrap_or(HUNDREDTH);
		let bottom = named(&self.bottom)?
			.or(old.map(|old| old.grid.bottom))
			.unwrap_or_else(|| feed_in.saturating_add(margin));
		let tick_size = named(&self.tick)?
			.or(old.map(|old| old.grid.tick_size))
			.unwrap_or(HUNDREDTH);
		let mut pricing = Pricing {
			retail,
			feed_in,
			margin,
			grid_fee,
			grid: TickGrid {
				bottom,
				tick_size,
				ticks: 1,
			},
		};
		pricing.grid.ticks = self
			.ticks
			.or(old.map(|old| old.grid.ticks))
			.unwrap_or_else(|| ticks_that_fit(&pricing));
		pricing.check().map_err(|fault| explain(&pricing, fault))?;

		let window = Window {
			ms: match &self.window {
				Some(text) => u32::try_from(time::parse_span(text)?)
					.map_err(|_| Error::Usage(format!("`{text}` is longer than 49 days")))?,
				// A slot is at most a day.
				None => present.map_or(u32::try_from(length.ms()).unwrap_or(u32::MAX), |present| {
					present.window.ms
				}),
			},
			blocks: self
				.window_blocks
				.or(present.map(|present| present.window.blocks))
				.unwrap_or(WINDOW_BLOCKS),
		};
		check_window(&window, length)?;
		Ok(Parameters { pricing, window })
	}
}

/// How many ticks lie between the lowest price and the highest that leaves buyers the margin; at least one, so that the
/// check names what is wrong.
fn ticks_that_fit(pricing: &Pricing) -> u16 {
	let taken = [pricing.margin, pricing.grid_fee, pricing.grid.bottom];
	let room = taken
		.iter()
		.try_fold(pricing.retail, |room, taken| room.checked_sub(*taken))
		.unwrap_or(0);
	let steps = room.checked_div(pricing.grid.tick_size).unwrap_or(0);
	let most = MAX_TICKS.saturating_sub(1);
	u16::try_from(steps)
		.map_or(most, |steps| steps.min(most))
		.saturating_add(1)
}

fn check_window(window: &Window, length: SlotLength) -> Result<()> {
	let longest = length.ms().saturating_mul(MAX_WINDOW_SLOTS);
	if window.ms == 0 || u64::from(window.ms) > longest {
		return Err(Error::Usage(format!(
			"InvalidWindow: --window is {} ms, but lasts at least 1 s and at most {MAX_WINDOW_SLOTS} slots, {} s",
			window.ms,
			longest / 1000
		)));
	}
	if !(1..=MAX_WINDOW_BLOCKS).contains(&window.blocks) {
		return Err(Error::Usage(format!(
			"InvalidWindow: --window-blocks is {}, but at least 1 and at most {MAX_WINDOW_BLOCKS}",
			window.blocks
		)));
	}
	Ok(())
}

/// Which rule of prices is broken, by the chain's name for it, and what to do.
fn explain(pricing: &Pricing, fault: PricingFault) -> Error {
	let amount = money::format;
	let sum = |a: Money, b: Money| amount(a.saturating_add(b));
	let Pricing {
		retail,
		feed_in,
		margin,
		grid_fee,
		grid,
	} = pricing;
	let steps = Money::from(grid.ticks).saturating_sub(1);
	let top = grid.bottom.saturating_add(grid.tick_size.saturating_mul(steps));
	Error::Usage(match fault {
		PricingFault::RetailTooHigh => {
			format!(
				"RetailTooHigh: nobody can reckon with {} M2M per kWh: lower --retail",
				amount(*retail)
			)
		}
		PricingFault::NotExact => String::from(
			"PriceNotExact: prices, margin, tick and fee have at most six digits after the point, so that every mWh costs a whole number of units",
		),
		PricingFault::NoMargin => String::from(
			"NoMargin: with --margin 0 nobody would gain by trading: name what both sides gain at least, such as 0.01",
		),
		PricingFault::NoTickSize => {
			String::from("NoTickSize: --tick is the difference of two prices: name one above 0, such as 0.01")
		}
		PricingFault::TickCount => format!(
			"InvalidTickCount: --ticks is {}, but a market has 1 to {MAX_TICKS} prices",
			grid.ticks
		),
		PricingFault::BottomTooLow => format!(
			"BottomTooLow: the lowest price {} pays a seller less than the feed-in tariff {} and the margin {}: raise --bottom to {} at least",
			amount(grid.bottom),
			amount(*feed_in),
			amount(*margin),
			sum(*feed_in, *margin)
		),
		PricingFault::TopTooHigh => {
			let lowest = grid.bottom.saturating_add(*grid_fee).saturating_add(*margin);
			let way_out = if lowest > *retail {
				String::from("the tariffs leave no room: lower --margin, --grid-fee or --bottom")
			} else {
				format!(
					"lower --ticks to {} at most, or --bottom or --grid-fee",
					ticks_that_fit(pricing)
				)
			};
			format!(
				"TopTooHigh: the highest price {} with the grid fee {} charges a buyer more than the retail price {} less the margin {}: {way_out}",
				amount(top),
				amount(*grid_fee),
				amount(*retail),
				amount(*margin)
			)
		}
	})
}

/// Reads which meters a market takes.
fn requirement(meters: Option<&str>, issuers: &[String]) -> Result<Option<Requirement>> {
	let Some(meters) = meters else {
		return Ok(None);
	};
	let issuers = issuers
		.iter()
		.map(|issuer| owner_account(issuer))
		.collect::<Result<Vec<_>>>()?;
	if !(1..=MAX_ISSUERS).contains(&issuers.len()) {
		return Err(Error::Usage(format!(
			"InvalidRequirement: --issuers names {}, but 1 to {MAX_ISSUERS} can be trusted",
			issuers.len()
		)));
	}
	Ok(Some(Requirement {
		topic: topic(meters)?,
		issuers,
	}))
}

/// Parameters in lines of text.
pub fn describe(parameters: &Parameters) -> String {
	let Parameters { pricing, window } = parameters;
	let top = pricing
		.grid
		.price(u8::try_from(pricing.grid.ticks.saturating_sub(1)).unwrap_or(u8::MAX));
	format!(
		"utility    charges {} and pays {} M2M per kWh\n\
		prices     {} to {} M2M per kWh in {} steps of {}\n\
		grid fee   {} M2M per kWh; both sides gain at least {}\n\
		window     {} s and {} blocks",
		money::format(pricing.retail),
		money::format(pricing.feed_in),
		money::format(pricing.grid.bottom),
		money::format(top),
		pricing.grid.ticks,
		money::format(pricing.grid.tick_size),
		money::format(pricing.grid_fee),
		money::format(pricing.margin),
		seconds(window.ms),
		window.blocks
	)
}

/// Milliseconds as seconds, exactly.
fn seconds(ms: u32) -> String {
	if ms.is_multiple_of(1_000) {
		(ms / 1000).to_string()
	} else {
		format!("{}.{:03}", ms / 1000, ms % 1000)
	}
}

/// Parameters as JSON.
pub fn json_of(first: Slot, parameters: &Parameters) -> Value {
	let Parameters { pricing, window } = parameters;
	json!({
		"first": first,
		"retail": money::format(pricing.retail),
		"feed_in": money::format(pricing.feed_in),
		"margin": money::format(pricing.margin),
		"grid_fee": money::format(pricing.grid_fee),
		"bottom": money::format(pricing.grid.bottom),
		"tick": money::format(pricing.grid.tick_size),
		"ticks": pricing.grid.ticks,
		"window_ms": window.ms,
		"window_blocks": window.blocks,
	})
}

/// Parameters as reads give them.
pub fn of_read(version: &MarketParameters) -> Parameters {
	Parameters {
		pricing: version.pricing,
		window: Window {
			ms: version.window_ms,
			blocks: version.window_blocks,
		},
	}
}

pub async fn create(context: &Context, create: Create) -> Result<()> {
	let length = SlotLength::new(create.slot_seconds).ok_or_else(|| {
		Error::Usage(format!(
			"InvalidSlotLength: {} s do not divide a day: choose for instance 300, 900 or 3600",
			create.slot_seconds
		))
	})?;
	let parameters = create.prices.parameters(length, None)?;
	let meters = requirement(create.meters.as_deref(), &create.issuers)?;
	let (chain, key) = context.connect_as(&create.operator).await?;
	let call = energy::create_market(length.seconds(), &parameters, &meters);
	let included = chain.submit(&key, &call).await?;
	let (market, account) = energy::created(&included.events)?;
	done(
		context,
		&included,
		&format!(
			"market {market} is open with slots of {} s; its money is on {}\n{}\n\
			members come with `m2m market join {market}`, `admit`, `set-order` and `top-up`",
			length.seconds(),
			keys::address(&account),
			describe(&parameters)
		),
		json!({
			"market": market,
			"account": keys::address(&account),
			"operator": keys::address(&key.account()),
			"slot_seconds": length.seconds(),
			"parameters": json_of(0, &parameters),
			"meters": meters.as_ref().map(|meters| json!({
				"topic": meters.topic.as_text(),
				"issuers": meters.issuers.iter().map(keys::address).collect::<Vec<_>>(),
			})),
		}),
	);
	Ok(())
}

pub async fn change(context: &Context, change: Change) -> Result<()> {
	let (chain, key) = context.connect_as(&change.operator).await?;
	let block = chain.finalized().await?;
	let details = details_of(&chain, &block, change.market).await?;
	let length = length_of(&details)?;
	let latest = details.parameters.last().map(of_read);
	let parameters = change.prices.parameters(length, latest.as_ref())?;
	let first = match &change.first {
		Some(text) => slot_of(text, length)?,
		None => {
			let ahead = block.notice(&chain).await?;
			// One slot more, because the clock goes on until the call is in a block.
			let earliest = block.time(&chain).await?.saturating_add(ahead);
			length.slot_at(earliest).saturating_add(2)
		}
	};
	let call = energy::set_parameters(change.market, first, &parameters);
	let included = chain.submit(&key, &call).await?;
	done(
		context,
		&included,
		&format!(
			"market {}: from slot {first} on, which begins at {}\n{}",
			change.market,
			time::format(length.start(first)),
			describe(&parameters)
		),
		json!({
			"market": change.market,
			"begins": time::format(length.start(first)),
			"parameters": json_of(first, &parameters),
		}),
	);
	Ok(())
}

pub async fn feeder(context: &Context, change: FeederChange) -> Result<()> {
	let feeder = match (&change.device, change.stream) {
		(Some(device), Some(stream)) => Some(Feeder {
			device: account_or_device(context, device)?,
			stream,
			tolerance: change.tolerance,
		}),
		_ => None,
	};
	let (chain, key) = context.connect_as(&change.operator).await?;
	let included = chain
		.submit(&key, &energy::set_feeder(change.market, &feeder))
		.await?;
	let text = match &feeder {
		Some(feeder) => format!(
			"market {}: {} with stream {} and a tolerance of {} Wh is its feeder meter",
			change.market,
			keys::address(&feeder.device),
			feeder.stream,
			feeder.tolerance
		),
		None => format!("market {}: no feeder meter any more", change.market),
	};
	done(
		context,
		&included,
		&text,
		json!({
			"market": change.market,
			"feeder": feeder.as_ref().map(|feeder| json!({
				"device": keys::address(&feeder.device),
				"stream": feeder.stream,
				"tolerance_wh": feeder.tolerance,
			})),
		}),
	);
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	fn prices(options: &[(&str, &str)]) -> Prices {
		let text = |name| {
			let named = options.iter().find(|(option, _)| *option == name);
			named.map(|(_, value)| value.to_string())
		};
		Prices {
			retail: text("retail"),
			feed_in: text("feed-in"),
			grid_fee: text("grid-fee"),
			margin: text("margin"),
			bottom: text("bottom"),
			tick: text("tick"),
			ticks: text("ticks").map(|ticks| ticks.parse().unwrap()),
			window: text("window"),
			window_blocks: text("window-blocks").map(|blocks| blocks.parse().unwrap()),
		}
	}

	fn parameters(options: &[(&str, &str)]) -> Result<Parameters> {
		prices(options).parameters(SlotLength::new(900).unwrap(), None)
	}

	#[test]
	fn left_out_prices_are_the_widest_grid_that_keeps_the_margin() {
		let parameters =
			parameters(&[("retail", "0.30"), ("feed-in", "0.08"), ("grid-fee", "0.04")]).unwrap();
		let grid = parameters.pricing.grid;
		// 0.09 to 0.25: with a fee of 0.04, a buyer pays at most 0.29.
		assert_eq!((grid.bottom, grid.ticks), (9 * HUNDREDTH, 17));
		assert_eq!(parameters.window.ms, 900_000);
		assert_eq!(parameters.window.blocks, 10);
		assert_eq!(
			describe(&parameters).lines().nth(1).unwrap(),
			"prices     0.09 to 0.25 M2M per kWh in 17 steps of 0.01"
		);
	}

	#[test]
	fn what_is_not_named_stays_as_it_is() {
		let before = parameters(&[
			("retail", "0.30"),
			("feed-in", "0.08"),
			("window", "5m"),
			("ticks", "10"),
		])
		.unwrap();
		let after = prices(&[("retail", "0.32"), ("window-blocks", "3")])
			.parameters(SlotLength::new(900).unwrap(), Some(&before))
			.unwrap();
		assert_eq!(after.pricing.retail, 32 * HUNDREDTH);
		assert_eq!(after.pricing.grid, before.pricing.grid);
		assert_eq!((after.window.ms, after.window.blocks), (300_000, 3));
	}

	#[test]
	fn a_broken_rule_is_named_with_the_way_out() {
		let tariffs = [("retail", "0.30"), ("feed-in", "0.08")];
		for (more, name, way_out) in [
			(vec![("margin", "0")], "NoMargin", "--margin"),
			(vec![("tick", "0")], "NoTickSize", "--tick"),
			(vec![("ticks", "0")], "InvalidTickCount", "1 to 256"),
			(vec![("ticks", "257")], "InvalidTickCount", "1 to 256"),
			(vec![("bottom", "0.08")], "BottomTooLow", "raise --bottom to 0.09"),
			(vec![("ticks", "22")], "TopTooHigh", "lower --ticks to 21"),
			(vec![("grid-fee", "0.25")], "TopTooHigh", "leave no room"),
			(vec![("bottom", "0.0900001")], "PriceNotExact", "six digits"),
			(vec![("window", "0s")], "InvalidWindow", "at most 8 slots"),
			(vec![("window", "3h")], "InvalidWindow", "7200 s"),
			(vec![("window-blocks", "0")], "InvalidWindow", "--window-blocks"),
			(vec![("window-blocks", "101")], "InvalidWindow", "--window-blocks"),
		] {
			let error = parameters(&[&more[..], &tariffs[..]].concat()).unwrap_err();
			let message = error.to_string();
			assert_eq!(error.exit_code(), 2, "{message}");
			assert!(
				message.starts_with(name) && message.contains(way_out),
				"{message}"
			);
		}
		let huge = [("retail", "20000000000"), ("feed-in", "0.08")];
		let message = parameters(&huge).unwrap_err().to_string();
		assert!(message.starts_with("RetailTooHigh"), "{message}");
		let message = parameters(&[("retail", "0.3")]).unwrap_err().to_string();
		assert!(message.contains("--feed-in"), "{message}");
	}

	#[test]
	fn a_market_trusts_few_issuers() {
		let address = keys::address(&m2m_device::AccountId::new([1; 32]));
		let issuers = |count: usize| requirement(Some("certified-meter"), &vec![address.clone(); count]);
		assert_eq!(issuers(4).unwrap().unwrap().issuers.len(), 4);
		for count in [0, 5] {
			let message = issuers(count).unwrap_err().to_string();
			assert!(message.starts_with("InvalidRequirement"), "{message}");
		}
		assert_eq!(
			requirement(Some("Certified"), &[address])
				.unwrap_err()
				.exit_code(),
			2
		);
		assert_eq!(requirement(None, &[]).unwrap(), None);
	}
}
