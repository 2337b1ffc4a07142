//! `m2m device add-key`, `remove-key` and `prune-keys`.

use super::{Role, role_names, roles};
use crate::cli::{Context, account::account_or_device};
use clap::Subcommand;
use m2m::{
	Error, Result,
	chain::identity,
	keys::{self, Key},
	money,
};
use m2m_device::PossessionAction;
use serde_json::json;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum KeyCommand {
	/// Give a device a further key
	#[command(after_help = "Examples:\n  m2m key generate --out trader.json\n  \
		m2m device add-key meter-001 --key trader.json --roles trade --signer alice.json\n\n\
		The owner signs, or a key of the device with `manage`, which gives only roles that it has. A further key with\n\
		`authenticate` ends attestations of the device: whoever vouched for it did not vouch for that key.")]
	AddKey {
		/// Name in --home, or SS58 id
		device: String,
		/// File of the new key, which must agree to its use
		#[arg(long, value_name = "KEYFILE")]
		key: PathBuf,
		/// What the new key may do
		#[arg(long, value_enum, value_delimiter = ',', required = true)]
		roles: Vec<Role>,
		/// Key file of the owner, or of a key with `manage`; or the name of a device in --home, whose key
		/// then signs
		#[arg(long, alias = "owner", value_name = "KEYFILE|DEVICE")]
		signer: String,
	},
	/// Take a key away at once: the answer to theft. Nothing that it signed is accepted any more
	#[command(
		after_help = "Example:\n  m2m device remove-key meter-001 --key 5F... --signer alice.json\n\n\
		The owner signs, or a key of the device with `manage`, which removes only itself and keys that it added."
	)]
	RemoveKey {
		/// Name in --home, or SS58 id
		device: String,
		/// Account of the key
		#[arg(long, value_name = "ADDRESS")]
		key: String,
		/// Key file of the owner, or of a key with `manage`; or the name of a device in --home, whose key
		/// then signs
		#[arg(long, alias = "owner", value_name = "KEYFILE|DEVICE")]
		signer: String,
	},
	/// Make room for new keys: drop rotated ones whose time to deliver is over. Anybody may do it
	#[command(after_help = "Example:\n  m2m device prune-keys meter-001 --signer alice.json")]
	PruneKeys {
		/// Name in --home, or SS58 id
		device: String,
		/// Key file of the account that pays; or the name of a device in --home, whose key then signs
		#[arg(long, alias = "owner", value_name = "KEYFILE|DEVICE")]
		signer: String,
	},
}

pub async fn run(context: &Context, command: KeyCommand) -> Result<()> {
	match command {
		KeyCommand::AddKey {
			device,
			key,
			roles: names,
			signer,
		} => {
			let id = account_or_device(context, &device)?;
			let new = Key::load(&key)?;
			let (chain, signer) = context.connect_as_any(&signer).await?;
			chain.check_signer(&new, &key).await?;
			// The proof names the owner, whoever signs.
			let owner = chain
				.finalized()
				.await?
				.device(&chain, &id)
				.await?
				.ok_or_else(|| Error::Unknown(format!("the chain knows no device {device}")))?
				.owner;
			let roles = roles(&names);
			let proof = identity::prove_possession(
				chain.genesis(),
				PossessionAction::Add,
				&owner,
				Some(&id),
				roles,
				&new,
			);
			let call = identity::add_key(&id, new.public(), roles, &proof);
			let included = chain.submit(&signer, &call).await?;
			let account = keys::address(&new.account());
			context.output.result(
				format!(
					"{device}: {account} may {}; fee {} M2M",
					role_names(roles).join(", "),
					money::format(included.fee)
				),
				json!({
					"device": keys::address(&id),
					"key": account,
					"roles": role_names(roles),
					"fee": money::format(included.fee),
				}),
			);
		}
		KeyCommand::RemoveKey { device, key, signer } => {
			let id = account_or_device(context, &device)?;
			let key = keys::parse_address(&key)?;
			let (chain, signer) = context.connect_as_any(&signer).await?;
			let included = chain.submit(&signer, &identity::remove_key(&id, &key)).await?;
			context.output.result(
				format!(
					"{device}: {} is removed for ever; fee {} M2M",
					keys::address(&key),
					money::format(included.fee)
				),
				json!({
					"device": keys::address(&id),
					"key": keys::address(&key),
					"fee": money::format(included.fee),
				}),
			);
		}
		KeyCommand::PruneKeys { device, signer } => {
			let id = account_or_device(context, &device)?;
			let (chain, signer) = context.connect_as_any(&signer).await?;
			let included = chain.submit(&signer, &identity::prune_keys(&id)).await?;
			let pruned = identity::pruned_keys(&included.events)?;
			let pruned: Vec<String> = pruned.iter().map(keys::address).collect();
			context.output.result(
				format!(
					"{device}: dropped {}; fee {} M2M",
					pruned.join(", "),
					money::format(included.fee)
				),
				json!({ "device": keys::address(&id), "pruned": pruned, "fee": money::format(included.fee) }),
			);
		}
	}
	Ok(())
}
