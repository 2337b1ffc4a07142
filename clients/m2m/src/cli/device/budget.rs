//! `m2m device budget`.

use super::Owned;
use crate::cli::{Context, account::account_or_device};
use clap::Subcommand;
use m2m::{Result, chain::sponsorship, keys, money, time};
use serde_json::json;

#[derive(Subcommand)]
pub enum BudgetCommand {
	/// Set or replace the limit; a new period begins at once
	#[command(after_help = "Example:\n  \
		m2m device budget set meter-001 --owner alice.json --limit 0.5 --period 1d\n\n\
		The limit is for everything that keys and operators of the device spend from its wallet, fees and trades\n\
		alike. Without a budget they spend nothing. What a thief of a key can spend is one limit a period.")]
	Set {
		#[command(flatten)]
		owned: Owned,
		/// M2M in each period
		#[arg(long)]
		limit: String,
		/// Length of a period, for instance 1h or 1d
		#[arg(long)]
		period: String,
	},
	/// Take the budget away: keys and operators spend nothing
	#[command(after_help = "Example:\n  m2m device budget clear meter-001 --owner alice.json")]
	Clear(Owned),
}

pub async fn run(context: &Context, command: BudgetCommand) -> Result<()> {
	match command {
		BudgetCommand::Set { owned, limit, period } => {
			let limit = money::parse(&limit)?;
			let period_ms = time::parse_span(&period)?;
			let id = account_or_device(context, &owned.device)?;
			let (chain, key) = context.connect_as(&owned.owner).await?;
			let included = chain
				.submit(&key, &sponsorship::set_budget(&id, limit, period_ms))
				.await?;
			context.output.result(
				format!(
					"{}: its keys and operators may spend {} M2M every {period}; fee {} M2M",
					owned.device,
					money::format(limit),
					money::format(included.fee)
				),
				json!({
					"device": keys::address(&id),
					"limit": money::format(limit),
					"period_ms": period_ms,
					"fee": money::format(included.fee),
				}),
			);
		}
		BudgetCommand::Clear(owned) => {
			let id = account_or_device(context, &owned.device)?;
			let (chain, key) = context.connect_as(&owned.owner).await?;
			let included = chain.submit(&key, &sponsorship::clear_budget(&id)).await?;
			super::done(context, &owned.device, &id, "without a budget", included.fee);
		}
	}
	Ok(())
}
