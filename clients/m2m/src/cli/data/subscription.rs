//! `m2m data subscribe` and `m2m data subscription`.

use super::{connect_trader, no_listing};
use crate::cli::Context;
use clap::{Args, Subcommand};
use comfy_table::Table;
use m2m::{
	Error, Result,
	chain::data::{self, StandingOrder},
	data::purchases::{Follow, Purchases},
	keys, money, time,
};
use m2m_fair_exchange::{
	ListingId,
	market::{Subscription, SubscriptionId},
};
use serde_json::{Value, json};

#[derive(Args)]
pub struct Subscribe {
	/// Key file of the buyer, or name of a device in --home that buys; its key countersigns the epochs
	#[arg(long, value_name = "KEYFILE|DEVICE")]
	buyer: String,
	/// Number of the listing
	#[arg(long)]
	listing: ListingId,
	/// Most that one epoch may cost, in M2M
	#[arg(long, value_name = "M2M")]
	cap: String,
	/// Money for all epochs, in M2M: held from now on
	#[arg(long, value_name = "M2M")]
	amount: String,
	/// How long epochs can be delivered, such as 12h or 30d
	#[arg(long, value_name = "SPAN")]
	ends_in: String,
}

#[derive(Subcommand)]
pub enum SubscriptionCommand {
	/// Show a subscription, and what is left of its money
	#[command(after_help = "Example:\n  m2m data subscription show 0")]
	Show {
		/// Number of the subscription
		subscription: SubscriptionId,
	},
	/// List the subscriptions that are followed with --home
	#[command(after_help = "Example:\n  m2m data subscription list")]
	List,
	/// Give notice of the end of a subscription
	#[command(after_help = "Example:\n  m2m data subscription end 0 --buyer bob.json\n\n\
		What was countersigned can still be delivered, so it ends after a notice that the chain sets. `m2m data follow` buys\n\
		epochs until then: stop it if that is not wanted. Afterwards `m2m data subscription close` frees the money.")]
	End {
		/// Number of the subscription
		subscription: SubscriptionId,
		/// Key file of the buyer, or name of a device in --home that buys
		#[arg(long, value_name = "KEYFILE|DEVICE")]
		buyer: String,
	},
	/// Free what is left of a subscription that is over; anybody may do it
	#[command(after_help = "Example:\n  m2m data subscription close 0 --signer bob.json")]
	Close {
		/// Number of the subscription
		subscription: SubscriptionId,
		/// Key file of the account that pays the fee, or name of a device in --home
		#[arg(long, alias = "buyer", value_name = "KEYFILE|DEVICE")]
		signer: String,
	},
}

pub async fn run(context: &Context, command: SubscriptionCommand) -> Result<()> {
	match command {
		SubscriptionCommand::Show { subscription } => show(context, subscription).await,
		SubscriptionCommand::List => list(context),
		SubscriptionCommand::End { subscription, buyer } => end(context, subscription, &buyer).await,
		SubscriptionCommand::Close { subscription, signer } => close(context, subscription, &signer).await,
	}
}

/// What to do about a subscription that the chain does not have.
pub(super) fn no_subscription(number: SubscriptionId) -> Error {
	Error::Unknown(format!(
		"the chain has no subscription {number}: it was closed, or never made; make one with `m2m data subscribe`"
	))
}

/// A subscription as JSON.
fn describe(number: SubscriptionId, order: &Subscription, now: u32) -> Value {
	json!({
		"subscription": number,
		"buyer": keys::address(&order.subscriber),
		"listing": order.listing,
		"cap": money::format(order.cap),
		"left": money::format(order.left),
		"ends": order.ends,
		"over": order.ends < now,
		"signer": keys::address(&order.signer),
		"deposit": money::format(order.deposit),
	})
}

/// A subscription that is followed, as JSON.
fn describe_followed(follow: &Follow) -> Value {
	json!({
		"subscription": follow.subscription,
		"genesis": format!("0x{}", hex::encode(follow.genesis)),
		"listing": follow.listing,
		"next": time::format(follow.next),
		"every_s": follow.every_ms / 1_000,
		"allow_gaps": follow.allow_gaps,
		"folder": follow.folder,
		"sale": follow.current.map(|sale| format!("{sale:?}")),
	})
}

pub async fn subscribe(context: &Context, arguments: Subscribe) -> Result<()> {
	let (cap, amount) = (money::parse(&arguments.cap)?, money::parse(&arguments.amount)?);
	let span = time::parse_span(&arguments.ends_in)?;
	if amount < cap {
		return Err(Error::Usage(format!(
			"{} M2M do not pay one epoch of {} M2M: set more aside with --amount, or allow less with --cap",
			money::format(amount),
			money::format(cap)
		)));
	}
	let listing = arguments.listing;
	let (chain, key, buyer) = connect_trader(context, &arguments.buyer).await?;
	let block = chain.finalized().await?;
	if block.listing(&chain, listing).await?.is_none() {
		return Err(no_listing(listing));
	}
	let order = StandingOrder {
		listing,
		cap,
		amount,
		ends: block.number_after(&chain, span).await?,
		signer: key.account(),
	};
	let included = chain.submit(&key, &data::subscribe(None, &order)).await?;
	let number = data::subscribed(&included.events)?;
	context.output.result(
		format!(
			"subscription {number} under listing {listing}: {} M2M are held, and pay epochs of at most {} M2M until block {}; fee {} M2M\nnext: buy one epoch after the other with `m2m data follow {number} --from TIME --every 1h --out DIR`",
			money::format(amount),
			money::format(cap),
			order.ends,
			money::format(included.fee)
		),
		json!({
			"subscription": number,
			"buyer": keys::address(&buyer),
			"listing": listing,
			"cap": money::format(cap),
			"amount": money::format(amount),
			"ends": order.ends,
			"signer": keys::address(&order.signer),
			"fee": money::format(included.fee),
		}),
	);
	Ok(())
}

async fn show(context: &Context, number: SubscriptionId) -> Result<()> {
	let chain = context.connect().await?;
	let block = chain.finalized().await?;
	let order = block
		.subscription(&chain, number)
		.await?
		.ok_or_else(|| no_subscription(number))?;
	let state = if order.ends < block.number {
		format!(
			"block {}: it is over; free what is left with `m2m data subscription close {number}`",
			order.ends
		)
	} else {
		format!("block {}; block {} is final", order.ends, block.number)
	};
	context.output.result(
		format!(
			"subscription {number}\nbuyer        {}\nlisting      {}\nan epoch     at most {} M2M\nleft         {} M2M\nuntil        {state}\nsigner       {}\ndeposit      {} M2M",
			keys::address(&order.subscriber),
			order.listing,
			money::format(order.cap),
			money::format(order.left),
			keys::address(&order.signer),
			money::format(order.deposit)
		),
		describe(number, &order, block.number),
	);
	Ok(())
}

fn list(context: &Context) -> Result<()> {
	let followed = Purchases::new(&context.home).followed()?;
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header(["", "listing", "next epoch", "length", "under way", "folder"]);
	for follow in &followed {
		table.add_row([
			follow.subscription.to_string(),
			follow.listing.to_string(),
			time::format(follow.next),
			format!("{} s", follow.every_ms / 1_000),
			follow.current.map_or_else(String::new, |sale| format!("{sale}")),
			follow.folder.clone(),
		]);
	}
	context.output.result(
		format!("{table}\n{} subscriptions", followed.len()),
		followed.iter().map(describe_followed).collect(),
	);
	Ok(())
}

async fn end(context: &Context, number: SubscriptionId, buyer: &str) -> Result<()> {
	let (chain, key, _) = connect_trader(context, buyer).await?;
	let included = chain.submit(&key, &data::end_subscription(None, number)).await?;
	let ends = data::subscription_ending(&included.events)?;
	context.output.result(
		format!(
			"subscription {number} ends with block {ends}; fee {} M2M\nnext: after that block free what is left with `m2m data subscription close {number}`",
			money::format(included.fee)
		),
		json!({
			"subscription": number,
			"ends": ends,
			"fee": money::format(included.fee),
		}),
	);
	Ok(())
}

async fn close(context: &Context, number: SubscriptionId, signer: &str) -> Result<()> {
	let (chain, key) = context.connect_as_any(signer).await?;
	let included = chain.submit(&key, &data::close_subscription(number)).await?;
	let left = data::closed_subscription(&included.events)?;
	context.output.result(
		format!(
			"subscription {number} is closed: {} M2M were left and are the buyer's again, with the deposit; fee {} M2M",
			money::format(left),
			money::format(included.fee)
		),
		json!({
			"subscription": number,
			"left": money::format(left),
			"fee": money::format(included.fee),
		}),
	);
	Ok(())
}
