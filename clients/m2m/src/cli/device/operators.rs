//! `m2m device grant` and `revoke`.

use crate::cli::{Context, account::account_or_device, arguments::Until};
use clap::{Args, Subcommand, ValueEnum};
use m2m::{Result, chain::identity, keys, money, time};
use m2m_device::OperatorActions;
use serde_json::json;
use std::path::PathBuf;

/// What an operator may do, on the command line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ActionName {
	/// Open, change and close what the device owns
	Manage,
	/// Trade within the owner's budget
	Trade,
	/// Stop the device
	Suspend,
}

#[derive(Subcommand)]
pub enum OperatorCommand {
	/// Let another account act for a device
	#[command(after_help = "Examples:\n  \
		m2m device grant meter-001 --owner alice.json --operator 5F... --may manage,suspend --expires-in 30d\n  \
		m2m device grant meter-001 --owner alice.json --operator 5F... --may trade\n\n\
		A new grant of the same operator replaces the earlier one. All grants end when the device changes its owner.")]
	Grant(Box<Grant>),
	/// Take an operator's leave away; he may also give it up himself
	#[command(after_help = "Examples:\n  \
		m2m device revoke meter-001 --operator 5F... --signer alice.json\n  \
		m2m device revoke 5H... --operator 5F... --signer operator.json")]
	Revoke {
		/// Name in --home, or SS58 id
		device: String,
		/// Account of the operator
		#[arg(long, value_name = "ADDRESS")]
		operator: String,
		/// Key file of the owner, or of the operator
		#[arg(long, alias = "owner", value_name = "KEYFILE")]
		signer: PathBuf,
	},
}

#[derive(Args)]
pub struct Grant {
	#[command(flatten)]
	owned: super::Owned,
	/// Account of the operator
	#[arg(long, value_name = "ADDRESS")]
	operator: String,
	/// What he may do
	#[arg(long, value_enum, value_delimiter = ',', required = true)]
	may: Vec<ActionName>,
	#[command(flatten)]
	until: Until,
}

fn actions(names: &[ActionName]) -> OperatorActions {
	OperatorActions {
		manage: names.contains(&ActionName::Manage),
		trade: names.contains(&ActionName::Trade),
		suspend: names.contains(&ActionName::Suspend),
	}
}

/// Names of what an operator may do.
pub fn action_names(actions: OperatorActions) -> Vec<&'static str> {
	[
		(actions.manage, "manage"),
		(actions.trade, "trade"),
		(actions.suspend, "suspend"),
	]
	.into_iter()
	.filter_map(|(has, name)| has.then_some(name))
	.collect()
}

pub async fn run(context: &Context, command: OperatorCommand) -> Result<()> {
	match command {
		OperatorCommand::Grant(grant) => {
			let actions = actions(&grant.may);
			let operator = keys::parse_address(&grant.operator)?;
			let expires = grant.until.moment()?;
			let id = account_or_device(context, &grant.owned.device)?;
			let (chain, key) = context.connect_as(&grant.owned.owner).await?;
			let included = chain
				.submit(&key, &identity::grant(&id, &operator, actions, expires))
				.await?;
			let until = expires.map(time::format);
			context.output.result(
				format!(
					"{}: {} may {} {}; fee {} M2M",
					grant.owned.device,
					keys::address(&operator),
					action_names(actions).join(", "),
					until
						.as_ref()
						.map_or_else(|| "until revoked".into(), |until| format!("until {until}")),
					money::format(included.fee)
				),
				json!({
					"device": keys::address(&id),
					"operator": keys::address(&operator),
					"actions": action_names(actions),
					"expires": until,
					"fee": money::format(included.fee),
				}),
			);
		}
		OperatorCommand::Revoke {
			device,
			operator,
			signer,
		} => {
			let operator = keys::parse_address(&operator)?;
			let id = account_or_device(context, &device)?;
			let (chain, key) = context.connect_as(&signer).await?;
			let included = chain.submit(&key, &identity::revoke(&id, &operator)).await?;
			context.output.result(
				format!(
					"{device}: {} may do nothing any more; fee {} M2M",
					keys::address(&operator),
					money::format(included.fee)
				),
				json!({
					"device": keys::address(&id),
					"operator": keys::address(&operator),
					"fee": money::format(included.fee),
				}),
			);
		}
	}
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn actions_are_named_as_they_are_given() {
		let given = [ActionName::Suspend, ActionName::Manage];
		assert_eq!(action_names(actions(&given)), ["manage", "suspend"]);
		assert!(action_names(actions(&[])).is_empty());
	}
}
