//! `m2m account`.

use super::Context;
use clap::Subcommand;
use m2m::{
	Error, Result,
	chain::Chain,
	keys::{self, Device},
	money,
};
use m2m_device::AccountId;
use serde_json::json;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum AccountCommand {
	/// Show what an account holds
	#[command(
		after_help = "Example:\n  m2m account balance 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
	)]
	Balance {
		/// SS58 address, 0x and 64 hex digits, or the name of a device in --home
		address: String,
	},
	/// Send money
	#[command(
		after_help = "Example:\n  m2m account fund --from alice.json --to 5F... --amount 10.5\n\n\
		Amounts are decimal M2M with at most 12 digits after the point; nothing is rounded."
	)]
	Fund {
		/// Key file of the account that pays
		#[arg(long, value_name = "KEYFILE")]
		from: PathBuf,
		/// Who gets it: SS58 address, 0x and 64 hex digits, or the name of a device in --home
		#[arg(long, value_name = "ADDRESS")]
		to: String,
		/// M2M
		#[arg(long)]
		amount: String,
	},
}

/// An address, or the wallet of a device in the home folder.
pub fn account_or_device(context: &Context, text: &str) -> Result<AccountId> {
	if let Ok(account) = keys::parse_address(text) {
		return Ok(account);
	}
	let device = match keys::check_name(text) {
		Ok(()) => Device::id_of(&context.home, text)?,
		Err(_) => None,
	};
	device.ok_or_else(|| {
		Error::Usage(format!(
			"`{text}` is not an address: give an SS58 address, 0x and 64 hex digits, or the name of a device in --home"
		))
	})
}

pub async fn run(context: &Context, command: AccountCommand) -> Result<()> {
	match command {
		AccountCommand::Balance { address } => {
			let account = account_or_device(context, &address)?;
			let chain = context.connect().await?;
			let balance = chain.balance(&account).await?;
			let text = format!(
				"address   {}\nfree      {} M2M\non hold   {} M2M",
				keys::address(&account),
				money::format(balance.free),
				money::format(balance.reserved)
			);
			let value = json!({
				"address": keys::address(&account),
				"free": money::format(balance.free),
				"on_hold": money::format(balance.reserved),
				"frozen": money::format(balance.frozen),
			});
			context.output.result(text, value);
		}
		AccountCommand::Fund { from, to, amount } => {
			let amount = money::parse(&amount)?;
			let to = account_or_device(context, &to)?;
			let (chain, key) = context.connect_as(&from).await?;
			let included = chain.submit(&key, &Chain::transfer_call(&to, amount)).await?;
			let text = format!(
				"sent {} M2M to {} in block {} for a fee of {} M2M",
				money::format(amount),
				keys::address(&to),
				included.block.number,
				money::format(included.fee)
			);
			let value = json!({
				"to": keys::address(&to),
				"amount": money::format(amount),
				"block": included.block.number,
				"fee": money::format(included.fee),
			});
			context.output.result(text, value);
		}
	}
	Ok(())
}
