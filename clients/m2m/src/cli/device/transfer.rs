//! `m2m device transfer`, `accept`, `cancel-transfer` and `confirm-key`.

use super::{Owned, done};
use crate::cli::{Context, account::account_or_device, arguments::Until};
use clap::{Args, Subcommand};
use m2m::{
	Error, Result,
	chain::identity,
	keys::{self, Device, Key},
	money, time, transfer,
};
use m2m_device::DeviceStatus;
use serde_json::json;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum TransferCommand {
	/// Offer a device to another owner
	#[command(after_help = "Example:\n  \
		m2m device transfer meter-001 --owner alice.json --to 5F... --price 12.5 --expires-in 2d\n\n\
		Nothing changes until the other side accepts. Then the price and what is free in the wallet go to the old\n\
		owner; operators, sponsorships and budget end; the keys sign nothing new until the new owner confirms them.\n\
		Streams stay open; only other holds must be closed. A new offer replaces the earlier one.")]
	Transfer(Box<Offer>),
	/// Take over a device that is offered to you
	#[command(after_help = "Examples:\n  \
		m2m device show meter-001\n  \
		m2m device accept meter-001 --owner bob.json --price 12.5 --confirm-keys\n\n\
		The price must be the one that is asked, so that nobody pays more than he saw. With --confirm-keys the\n\
		device's key in --home goes on under you in the same transaction. Any other key stays dead until it is\n\
		confirmed with `m2m device confirm-key`.")]
	Accept(Accept),
	/// Take an offer back; anybody may do it once the offer has expired
	#[command(after_help = "Example:\n  m2m device cancel-transfer meter-001 --owner alice.json")]
	CancelTransfer(Owned),
	/// Let a device's key go on under you, after a transfer
	#[command(
		after_help = "Examples:\n  m2m device confirm-key meter-001 --owner bob.json\n  \
		m2m device confirm-key 5F... --owner bob.json --key second.json\n\n\
		The key proves that it agrees, so its file is needed: that of the device in --home, or the one named by --key."
	)]
	ConfirmKey {
		#[command(flatten)]
		owned: Owned,
		/// Key file of the key to confirm, if it is not the one in --home
		#[arg(long, value_name = "KEYFILE")]
		key: Option<PathBuf>,
	},
}

#[derive(Args)]
pub struct Offer {
	#[command(flatten)]
	owned: Owned,
	/// Account of the new owner
	#[arg(long, value_name = "ADDRESS")]
	to: String,
	/// M2M that the new owner pays; 0 for a gift
	#[arg(long)]
	price: String,
	#[command(flatten)]
	until: Until,
}

#[derive(Args)]
pub struct Accept {
	/// Name in --home, or SS58 id
	device: String,
	/// Key file of the account to which the device is offered
	#[arg(long, value_name = "KEYFILE")]
	owner: PathBuf,
	/// M2M that you are willing to pay: the price that is asked, or nothing is done
	#[arg(long)]
	price: String,
	/// Let the device's key in --home go on under you
	#[arg(long)]
	confirm_keys: bool,
}

pub async fn run(context: &Context, command: TransferCommand) -> Result<()> {
	match command {
		TransferCommand::Transfer(offer) => {
			let Offer {
				owned,
				to,
				price,
				until,
			} = *offer;
			let price = money::parse(&price)?;
			let to = keys::parse_address(&to)?;
			let expires = until.required()?;
			let id = account_or_device(context, &owned.device)?;
			let (chain, key) = context.connect_as(&owned.owner).await?;
			let included = chain
				.submit(&key, &identity::offer_transfer(&id, &to, price, expires))
				.await?;
			let (price, fee) = (money::format(price), money::format(included.fee));
			context.output.result(
				format!(
					"{}: offered to {} for {price} M2M until {}; fee {fee} M2M\nthe other side runs: m2m device accept {} --price {price} --owner KEYFILE",
					owned.device,
					keys::address(&to),
					time::format(expires),
					keys::address(&id),
				),
				json!({
					"device": keys::address(&id),
					"to": keys::address(&to),
					"price": price,
					"expires": time::format(expires),
					"fee": fee,
				}),
			);
			Ok(())
		}
		TransferCommand::Accept(accept) => run_accept(context, accept).await,
		TransferCommand::CancelTransfer(owned) => {
			let id = account_or_device(context, &owned.device)?;
			let (chain, key) = context.connect_as(&owned.owner).await?;
			let included = chain.submit(&key, &identity::cancel_transfer(&id)).await?;
			done(context, &owned.device, &id, "no longer offered", included.fee);
			Ok(())
		}
		TransferCommand::ConfirmKey { owned, key } => {
			let id = account_or_device(context, &owned.device)?;
			let confirmed = match key {
				Some(file) => Key::load(&file)?,
				None => {
					Device::with_id(&context.home, &id)?
						.ok_or_else(|| {
							Error::Usage(format!(
								"there is no key of {} in {}: name its file with --key",
								owned.device,
								context.home.display()
							))
						})?
						.key
				}
			};
			let (chain, owner) = context.connect_as(&owned.owner).await?;
			let fee = transfer::confirm_key(&chain, &owner, &id, &confirmed).await?;
			let account = keys::address(&confirmed.account());
			context.output.result(
				format!(
					"{}: {account} is confirmed; fee {} M2M",
					owned.device,
					money::format(fee)
				),
				json!({ "device": keys::address(&id), "key": account, "fee": money::format(fee) }),
			);
			Ok(())
		}
	}
}

async fn run_accept(context: &Context, accept: Accept) -> Result<()> {
	let price = money::parse(&accept.price)?;
	let id = account_or_device(context, &accept.device)?;
	let (chain, owner) = context.connect_as(&accept.owner).await?;
	let accepted = transfer::accept(&chain, &context.home, &owner, &id, price, accept.confirm_keys).await?;
	let confirmed: Vec<String> = accepted.confirmed.iter().map(keys::address).collect();
	let mut text = format!(
		"{}: yours, from {} for {} M2M; generation {}; fee {} M2M",
		accept.device,
		keys::address(&accepted.from),
		money::format(accepted.price),
		accepted.generation,
		money::format(accepted.fee)
	);
	if confirmed.is_empty() {
		text.push_str("\nits keys sign nothing new until they are confirmed with `m2m device confirm-key`");
	} else {
		text.push_str(&format!("\nconfirmed: {}", confirmed.join(", ")));
	}
	if accepted.status != DeviceStatus::Active {
		text.push_str(&format!(
			"\nit is {:?}: let it work with `m2m device resume`",
			accepted.status
		));
	}
	context.output.result(
		text,
		json!({
			"device": keys::address(&id),
			"status": format!("{:?}", accepted.status),
			"from": keys::address(&accepted.from),
			"price": money::format(accepted.price),
			"generation": accepted.generation,
			"confirmed": confirmed,
			"fee": money::format(accepted.fee),
		}),
	);
	Ok(())
}
