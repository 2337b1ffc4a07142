//! Clearing and settling one slot by hand.

use super::{Context, details_of, done, length_of, slot_of};
use crate::cli::account::account_or_device;
use clap::Args;
use m2m::{
	Error, Result,
	chain::energy::{self, DEVICES_PER_SETTLEMENT, EnergyEvent, MarketId},
	keeper::{self, Done, Round},
	money,
};
use m2m_auction::MILLI_WH_PER_WH;
use m2m_device::DeviceId;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub struct Clear {
	/// Number of the market
	market: MarketId,
	/// The slot: its number, or a moment in it
	#[arg(value_name = "SLOT|TIME")]
	slot: String,
	/// Key file of the account that pays the fee
	#[arg(long, value_name = "KEYFILE")]
	signer: PathBuf,
}

#[derive(Args)]
pub struct Settle {
	/// Number of the market
	market: MarketId,
	/// The slot: its number, or a moment in it
	#[arg(value_name = "SLOT|TIME")]
	slot: String,
	/// Names in --home, or SS58 ids; all that wait if left out
	#[arg(value_name = "DEVICE")]
	devices: Vec<String>,
	/// Key file of the account that pays the fee
	#[arg(long, value_name = "KEYFILE")]
	signer: PathBuf,
}

pub async fn clear(context: &Context, clear: Clear) -> Result<()> {
	let (chain, key) = context.connect_as(&clear.signer).await?;
	let block = chain.finalized().await?;
	let market = clear.market;
	let slot = slot_of(
		&clear.slot,
		length_of(&details_of(&chain, &block, market).await?)?,
	)?;
	let included = chain.submit(&key, &energy::clear(market, slot)).await?;
	let cleared = EnergyEvent::all(&included.block, &included.events)?
		.into_iter()
		.find_map(|event| match event {
			EnergyEvent::SlotCleared {
				price,
				volume_wh,
				orders,
				..
			} => Some((price, volume_wh, orders)),
			_ => None,
		});
	let (price, volume_wh, orders) =
		cleared.ok_or_else(|| Error::IncompatibleChain("it reports no cleared slot".into()))?;
	let result = match price {
		Some(price) => format!(
			"{} kWh trade at {} M2M per kWh",
			m2m::bill::kwh(volume_wh.saturating_mul(MILLI_WH_PER_WH)),
			money::format(price)
		),
		None => "nothing trades".into(),
	};
	done(
		context,
		&included,
		&format!("market {market}, slot {slot}: {orders} orders, {result}"),
		json!({
			"market": market,
			"slot": slot,
			"price": price.map(money::format),
			"volume_wh": volume_wh.to_string(),
			"orders": orders,
		}),
	);
	Ok(())
}

pub async fn settle(context: &Context, settle: Settle) -> Result<()> {
	let devices: Vec<DeviceId> = settle
		.devices
		.iter()
		.map(|device| account_or_device(context, device))
		.collect::<Result<_>>()?;
	if devices.len() > DEVICES_PER_SETTLEMENT {
		return Err(Error::Usage(format!(
			"{} devices are named, but one call settles at most {DEVICES_PER_SETTLEMENT}: leave them out to settle all",
			devices.len()
		)));
	}
	let (chain, key) = context.connect_as(&settle.signer).await?;
	let block = chain.finalized().await?;
	let market = settle.market;
	let slot = slot_of(
		&settle.slot,
		length_of(&details_of(&chain, &block, market).await?)?,
	)?;
	let round = if devices.is_empty() {
		keeper::settle(&chain, &key, market, slot).await?
	} else {
		let call = energy::settle(market, slot, &devices);
		let included = chain.submit(&key, &call).await?;
		let mut round = Round::default();
		round.add(&Done::of(market, slot, &included)?);
		round
	};
	context.output.result(
		format!(
			"market {market}, slot {slot}: {} entries settled{}{}; fees {} M2M",
			round.settled,
			if round.overtaken > 0 {
				format!(", {} had none", round.overtaken)
			} else {
				String::new()
			},
			if round.finished > 0 {
				", nothing is left of it"
			} else {
				""
			},
			money::format(round.fees)
		),
		json!({
			"market": market,
			"slot": slot,
			"settled": round.settled,
			"without_entry": round.overtaken,
			"finished": round.finished > 0,
			"calls": round.calls,
			"fees": money::format(round.fees),
		}),
	);
	Ok(())
}
