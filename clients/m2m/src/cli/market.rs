//! `m2m market`.

mod members;
mod order;
mod prices;
mod show;
mod slots;
mod watch;

use super::Context;
use clap::Subcommand;
use m2m::{
	Error, Result,
	bill::unknown_market,
	chain::{
		Block, Chain, Included,
		energy::{self, MarketId},
	},
	keys, money, time,
};
use m2m_auction::{Slot, SlotLength};
use m2m_runtime_api::MarketDetails;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum MarketCommand {
	/// Open a community market for metered energy
	#[command(after_help = "Examples:\n  \
		m2m market create --operator alice.json --retail 0.30 --feed-in 0.08 --grid-fee 0.04\n  \
		m2m market create --operator alice.json --retail 0.30 --feed-in 0.08 --margin 0.01 --bottom 0.10 --tick 0.005 --ticks 33 \\\n    \
		--slot-seconds 900 --window 10m --window-blocks 20 --meters certified-meter --issuers 5F...\n\n\
		Prices are M2M per kWh with at most six digits after the point. The market's prices lie strictly between the\n\
		utility's: the lowest pays a seller at least the feed-in tariff and the margin, the highest with the grid fee\n\
		charges a buyer at most the retail price less the margin. So whatever price a slot finds, both sides do better than\n\
		with the utility. Left out, --bottom is the lowest such price and --ticks as many as fit.\n\n\
		Each slot is cleared when its reporting window is over: then both --window by the chain's clock and --window-blocks\n\
		have passed since its end. Slot length and --meters never change; the rest does with `m2m market parameters`. The\n\
		operator pays a deposit that is never returned: markets stay.")]
	Create(Box<prices::Create>),
	/// Change tariffs, prices, grid fee or reporting window from a later slot on
	#[command(after_help = "Examples:\n  \
		m2m market parameters 0 --operator alice.json --retail 0.32\n  \
		m2m market parameters 0 --operator alice.json --grid-fee 0.05 --ticks 15 --first 2027-01-01T00:00:00Z\n\n\
		What is not named stays as it is. A change begins a notice period ahead at least (a day, a minute on a development\n\
		chain); left out, --first is the first slot after it. One change can be pending.")]
	Parameters(Box<prices::Change>),
	/// Name the meter at the transformer, which only checks the others, or none
	#[command(after_help = "Examples:\n  \
		m2m market feeder 0 --operator alice.json --device station-7 --stream 0 --tolerance 500\n  \
		m2m market feeder 0 --operator alice.json --none\n\n\
		A slot in which members report to have given more than others took and left through the transformer, by more than\n\
		the tolerance, gives the event BalanceMismatch. It changes nobody's result.")]
	Feeder(prices::FeederChange),
	/// List the markets of the chain
	#[command(after_help = "Example:\n  m2m market list")]
	List,
	/// Show a market: prices, members, open slots; with --device how one member stands
	#[command(after_help = "Examples:\n  \
		m2m market show 0\n  \
		m2m market show 0 --device meter-003")]
	Show {
		/// Number of the market
		market: MarketId,
		/// Member to show: name in --home, or SS58 id
		#[arg(long, value_name = "DEVICE")]
		device: Option<String>,
	},
	/// Ask to trade with a device
	#[command(after_help = "Examples:\n  \
		m2m market join 0 --device meter-003 --signer alice.json\n  \
		m2m market join 0 --device meter-003 --signer meter-003 --import 4 --export 5\n\n\
		The device needs a stream of what it takes and one of what it gives: of kind interval, open to all, in Wh at scale 0,\n\
		with the market's slot length as period and a cadence that divides it. They are found by their schema:\n\n  \
		m2m telemetry stream create --device meter-003 --owner alice.json --quantity import --cadence 900s --period 900s\n  \
		m2m telemetry stream create --device meter-003 --owner alice.json --quantity export --cadence 900s --period 900s\n\n\
		The owner signs, or a key or operator with `manage` within the owner's budget. A deposit is held on the wallet until\n\
		the device leaves; what the wallet lacks comes from an owner who signs. Then the operator admits the device.")]
	Join(members::Join),
	/// Let a device trade from the next slot on
	#[command(after_help = "Examples:\n  \
		m2m market admit 0 --device meter-003 --operator alice.json --import-capacity 5000 --export-capacity 2500 --point DE0001234567\n  \
		m2m market admit 0 --device meter-003 --operator alice.json --import-capacity 5000 --export-capacity 0 --point 0x...\n\n\
		What a meter reports beyond its capacity does not count. A metering point serves one member in all markets; of a\n\
		text the hash goes on chain. If the market takes certified meters only, the point is the hash of the claim that\n\
		certifies this one, and is found by itself if --point is left out.")]
	Admit(members::Admit),
	/// Set what a device wants in every slot, from the next one on
	#[command(after_help = "Examples:\n  \
		m2m market set-order 0 --device meter-003 --signer alice.json --buy 2000Wh@0.24 --sell all@0.12\n  \
		m2m market set-order 0 --device meter-003 --signer meter-003 --buy 0.5kWh@0.25 --buy all@0.18\n  \
		m2m market set-order 0 --device meter-003 --signer alice.json --none\n\n\
		Up to four steps a side: how much in a slot, and the highest price to pay or the lowest to take per kWh. The grid\n\
		fee comes on top of what a buyer pays. The meter does the rest: what it counts fills the steps, best price first.\n\
		What does not trade is supplied and paid by the utility as before. A purchase needs credit: `m2m market top-up`.")]
	SetOrder(members::SetOrder),
	/// Move money from a device's wallet to its credit in a market
	#[command(
		after_help = "Example:\n  m2m market top-up 0 --device meter-003 --signer alice.json --amount 5\n\n\
		The owner signs, or a key or operator with `trade` within the owner's budget. The wallet is filled with\n\
		`m2m account fund --to meter-003`."
	)]
	TopUp(members::TopUp),
	/// Move money from a device's credit to its wallet
	#[command(
		after_help = "Examples:\n  m2m market withdraw 0 --device meter-003 --signer alice.json --amount 2.5\n  \
		m2m market withdraw 0 --device meter-003 --signer alice.json\n\nWithout --amount all of it."
	)]
	Withdraw(members::Withdraw),
	/// End a device's membership; its credit and deposit go to its wallet
	#[command(
		after_help = "Example:\n  m2m market leave 0 --device meter-003 --signer alice.json\n\n\
		It trades no more at once. If entries wait for settlement, run it again after they are settled; anybody may sign\n\
		then."
	)]
	Leave(members::Leave),
	/// End the membership of a device, as its operator
	#[command(
		after_help = "Example:\n  m2m market remove 0 --device meter-003 --operator alice.json\n\n\
		Its credit and deposit go to its wallet; as with `leave`, after what waits is settled."
	)]
	Remove(members::Remove),
	/// Clear a slot whose reporting window is over; anybody may do it
	#[command(
		after_help = "Example:\n  m2m market clear 0 2027-01-01T12:15:00Z --signer alice.json\n\n\
		Blocks with time to spare clear by themselves, and the first settlement does. The result is always the same."
	)]
	Clear(slots::Clear),
	/// Settle the entries of a slot; anybody may do it
	#[command(
		after_help = "Examples:\n  m2m market settle 0 1990756 --signer alice.json\n  \
		m2m market settle 0 1990756 meter-003 meter-004 --signer alice.json\n\n\
		Without devices, all that wait. `m2m keeper` does this for every slot."
	)]
	Settle(slots::Settle),
	/// Pay grid fees and rounding remainders to the operator
	#[command(after_help = "Examples:\n  m2m market reserve 0 --operator alice.json\n  \
		m2m market reserve 0 --operator alice.json --amount 1.5")]
	Reserve {
		/// Number of the market
		market: MarketId,
		/// Key file of the operator
		#[arg(long, value_name = "KEYFILE")]
		operator: PathBuf,
		/// M2M; all if left out
		#[arg(long)]
		amount: Option<String>,
	},
	/// Watch a market: the book as it fills, the price so far, the time that is left
	#[command(
		after_help = "Examples:\n  m2m market watch 0\n  m2m market watch 0 --once\n  \
		m2m --json market watch 0 | jq .slot.indicative\n\n\
		Drawn again with every finalized block until ctrl-c; elsewhere than on a terminal, and with --json, one line a\n\
		block. Times are those of the chain's clock."
	)]
	Watch(watch::Watch),
}

/// A market, or the error that says that there is none.
async fn details_of(chain: &Chain, block: &Block, market: MarketId) -> Result<MarketDetails> {
	block
		.market(chain, market)
		.await?
		.ok_or_else(|| unknown_market(market))
}

fn length_of(details: &MarketDetails) -> Result<SlotLength> {
	SlotLength::new(details.slot_seconds)
		.ok_or_else(|| Error::IncompatibleChain("its slots do not divide a day".into()))
}

/// Reads a slot by its number, or by a moment in it.
fn slot_of(text: &str, length: SlotLength) -> Result<Slot> {
	match text.parse() {
		Ok(slot) => Ok(slot),
		Err(_) => match time::parse(text) {
			Ok(moment) => Ok(length.slot_at(moment)),
			Err(_) => Err(Error::Usage(format!(
				"`{text}` is not a slot: give its number, or a moment in it such as 2027-01-01T12:15:00Z"
			))),
		},
	}
}

/// Prints what a call did, and its fee. `fields` must be an object.
fn done(context: &Context, included: &Included, text: &str, mut fields: Value) {
	if let Some(fields) = fields.as_object_mut() {
		fields.insert("block".into(), included.block.number.into());
		fields.insert("fee".into(), money::format(included.fee).into());
	}
	let between = if text.contains('\n') { "\n" } else { "; " };
	context.output.result(
		format!("{text}{between}fee {} M2M", money::format(included.fee)),
		fields,
	);
}

pub async fn run(context: &Context, command: MarketCommand) -> Result<()> {
	match command {
		MarketCommand::Create(create) => prices::create(context, *create).await,
		MarketCommand::Parameters(change) => prices::change(context, *change).await,
		MarketCommand::Feeder(change) => prices::feeder(context, change).await,
		MarketCommand::List => show::list(context).await,
		MarketCommand::Show { market, device } => show::show(context, market, device.as_deref()).await,
		MarketCommand::Join(join) => members::join(context, join).await,
		MarketCommand::Admit(admit) => members::admit(context, admit).await,
		MarketCommand::SetOrder(set) => members::set_order(context, set).await,
		MarketCommand::TopUp(top_up) => members::top_up(context, top_up).await,
		MarketCommand::Withdraw(withdraw) => members::withdraw(context, withdraw).await,
		MarketCommand::Leave(leave) => members::leave(context, leave).await,
		MarketCommand::Remove(remove) => members::remove(context, remove).await,
		MarketCommand::Clear(clear) => slots::clear(context, clear).await,
		MarketCommand::Settle(settle) => slots::settle(context, settle).await,
		MarketCommand::Reserve {
			market,
			operator,
			amount,
		} => reserve(context, market, operator, amount).await,
		MarketCommand::Watch(watch) => watch::run(context, watch).await,
	}
}

async fn reserve(
	context: &Context,
	market: MarketId,
	operator: PathBuf,
	amount: Option<String>,
) -> Result<()> {
	let amount = amount.as_deref().map(money::parse).transpose()?;
	let (chain, key) = context.connect_as(&operator).await?;
	let call = energy::withdraw_reserve(market, amount);
	let included = chain.submit(&key, &call).await?;
	let paid = energy::reserve_withdrawn(&included.events)?;
	done(
		context,
		&included,
		&format!(
			"market {market}: {} M2M of the reserve went to {}",
			money::format(paid),
			keys::address(&key.account())
		),
		json!({ "market": market, "amount": money::format(paid), "to": keys::address(&key.account()) }),
	);
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_slot_is_a_number_or_a_moment() {
		let length = SlotLength::new(900).unwrap();
		assert_eq!(slot_of("1990756", length).unwrap(), 1_990_756);
		assert_eq!(
			slot_of("1970-01-01T00:29:59Z", length).unwrap(),
			slot_of("1", length).unwrap()
		);
		for text in ["", "-1", "noon", "1.5"] {
			assert_eq!(slot_of(text, length).unwrap_err().exit_code(), 2, "{text}");
		}
	}
}
