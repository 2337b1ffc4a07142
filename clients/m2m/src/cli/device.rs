//! `m2m device`.

mod attest;
mod budget;
mod description;
mod device_keys;
mod enrol;
mod operators;
mod show;
mod transfer;

pub use attest::topic;
pub use show::describe;

use super::{Context, account::account_or_device, key::Scheme};
use clap::{Args, Subcommand, ValueEnum};
use m2m::{
	Error, Result,
	chain::{
		Chain,
		identity::{self, StatusChange},
	},
	fleet,
	keys::{self, Device, Key},
	money, time,
};
use m2m_device::{AccountId, DeviceId, Roles};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Role names on the command line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
	/// Sign telemetry
	Authenticate,
	/// Trade within the owner's budget
	Trade,
	/// Manage streams and keys
	Manage,
}

#[derive(Args)]
pub struct Owned {
	/// Name in --home, or SS58 id
	device: String,
	/// Key file of the owner
	#[arg(long, alias = "signer", value_name = "KEYFILE")]
	owner: PathBuf,
}

#[derive(Subcommand)]
pub enum DeviceCommand {
	/// Register devices; each gets a key of its own in HOME/devices/NAME.json
	#[command(after_help = "Examples:\n  \
		m2m device register --owner alice.json --new heat-pump charger\n  \
		m2m device register --owner alice.json --new meter-001 --gateway 5F...\n\n\
		Running the same again registers only what is missing. Many devices, or those that are commissioned without the\n\
		owner's key, are registered by `m2m device enrol` and `m2m fleet import`.")]
	Register {
		/// Key file of the owner
		#[arg(long, value_name = "KEYFILE")]
		owner: PathBuf,
		/// Names of the devices
		#[arg(long, num_args = 1.., value_name = "NAME", required = true)]
		new: Vec<String>,
		/// Account of the gateway that holds the devices' keys, if they have none of their own
		#[arg(long, value_name = "ADDRESS")]
		gateway: Option<String>,
		/// Signature scheme of the device keys
		#[arg(long, value_enum, default_value = "sr25519")]
		scheme: Scheme,
		/// What the keys may do
		#[arg(long, value_enum, value_delimiter = ',', default_value = "authenticate")]
		roles: Vec<Role>,
	},
	/// Make device keys and write their consent to an owner into a manifest, for `m2m fleet import`
	Enrol(enrol::Enrol),
	/// Show all that the chain says of a device: keys, operators, attestations, who pays for it
	#[command(after_help = "Example:\n  m2m device show meter-001")]
	Show {
		/// Name in --home, or SS58 id
		device: String,
	},
	/// Give a device a new key; the old one may deliver what it signed before until the overlap ends
	#[command(after_help = "Example:\n  m2m device rotate meter-001 --owner alice.json --overlap 1h")]
	Rotate {
		/// Name in --home
		device: String,
		/// Key file of the owner
		#[arg(long, value_name = "KEYFILE")]
		owner: PathBuf,
		/// How long the old key may still deliver, for instance 90s, 15m, 1h or 2d
		#[arg(long, default_value = "1h")]
		overlap: String,
	},
	/// Stop a device; readings that it took before may still be delivered
	#[command(
		after_help = "Example:\n  m2m device suspend meter-001 --owner alice.json\n\n\
		An operator with `suspend` may do it too; only the owner lets it work again."
	)]
	Suspend(Owned),
	/// Let a suspended or lost device work again
	Resume(Owned),
	/// Report that a device is out of its owner's hands; nothing that it signed is accepted
	Lost(Owned),
	/// Close a device's streams and end it for ever; deposits and money go to the owner
	Retire(Owned),
	/// Take money from a device's wallet
	#[command(after_help = "Example:\n  m2m device withdraw meter-001 --owner alice.json --amount 0.5")]
	Withdraw {
		#[command(flatten)]
		owned: Owned,
		/// M2M; everything that is free if left out
		#[arg(long)]
		amount: Option<String>,
	},
	#[command(flatten)]
	Keys(device_keys::KeyCommand),
	#[command(flatten)]
	Transfer(transfer::TransferCommand),
	#[command(flatten)]
	Operators(operators::OperatorCommand),
	#[command(flatten)]
	Description(description::DescriptionCommand),
	#[command(flatten)]
	Attest(attest::AttestCommand),
	/// What keys and operators of a device may spend from its wallet
	#[command(subcommand)]
	Budget(budget::BudgetCommand),
}

fn roles(names: &[Role]) -> Roles {
	Roles {
		authenticate: names.contains(&Role::Authenticate),
		trade: names.contains(&Role::Trade),
		manage: names.contains(&Role::Manage),
	}
}

fn role_names(roles: Roles) -> Vec<&'static str> {
	[
		(roles.authenticate, "authenticate"),
		(roles.trade, "trade"),
		(roles.manage, "manage"),
	]
	.into_iter()
	.filter_map(|(has, name)| has.then_some(name))
	.collect()
}

fn name_of(context: &Context, id: &DeviceId) -> Result<Option<String>> {
	Ok(context.device_names()?.remove(id))
}

pub async fn run(context: &Context, command: DeviceCommand) -> Result<()> {
	match command {
		DeviceCommand::Register {
			owner,
			new,
			gateway,
			scheme,
			roles: names,
		} => {
			let gateway = gateway.as_deref().map(keys::parse_address).transpose()?;
			let (chain, key) = context.connect_as(&owner).await?;
			register(
				context,
				&chain,
				&key,
				&new,
				scheme.into(),
				roles(&names),
				gateway.as_ref(),
			)
			.await
		}
		DeviceCommand::Enrol(arguments) => enrol::run(context, arguments).await,
		DeviceCommand::Show { device } => show::run(context, &device).await,
		DeviceCommand::Rotate {
			device,
			owner,
			overlap,
		} => {
			let overlap = time::parse_span(&overlap)?;
			let mut local = Device::find(&context.home, &device)?.ok_or_else(|| {
				Error::Unknown(format!(
					"there is no device `{device}` in {}",
					context.home.display()
				))
			})?;
			let (chain, key) = context.connect_as(&owner).await?;
			let fee = fleet::rotate(&chain, &context.home, &key, &mut local, overlap).await?;
			let account = keys::address(&local.key.account());
			context.output.result(
				format!(
					"{device} now signs with {account}; fee {} M2M",
					money::format(fee)
				),
				json!({ "name": device, "device": keys::address(&local.id), "key": account, "fee": money::format(fee) }),
			);
			Ok(())
		}
		DeviceCommand::Suspend(owned) => status(context, owned, StatusChange::Suspend, "suspended").await,
		DeviceCommand::Resume(owned) => status(context, owned, StatusChange::Resume, "active").await,
		DeviceCommand::Lost(owned) => status(context, owned, StatusChange::ReportLost, "lost").await,
		DeviceCommand::Retire(owned) => {
			let id = account_or_device(context, &owned.device)?;
			let (chain, key) = context.connect_as(&owned.owner).await?;
			let fee = fleet::retire(&chain, &key, &id).await?;
			done(context, &owned.device, &id, "retired", fee);
			Ok(())
		}
		DeviceCommand::Withdraw { owned, amount } => {
			let amount = amount.as_deref().map(money::parse).transpose()?;
			let id = account_or_device(context, &owned.device)?;
			let (chain, key) = context.connect_as(&owned.owner).await?;
			let included = chain.submit(&key, &identity::withdraw(&id, amount)).await?;
			let amount = money::format(identity::withdrawn(&included.events)?);
			let fee = money::format(included.fee);
			context.output.result(
				format!("{}: {amount} M2M paid out; fee {fee} M2M", owned.device),
				json!({ "device": keys::address(&id), "outcome": "paid out", "amount": amount, "fee": fee }),
			);
			Ok(())
		}
		DeviceCommand::Keys(command) => device_keys::run(context, command).await,
		DeviceCommand::Transfer(command) => transfer::run(context, command).await,
		DeviceCommand::Operators(command) => operators::run(context, command).await,
		DeviceCommand::Description(command) => description::run(context, command).await,
		DeviceCommand::Attest(command) => attest::run(context, command).await,
		DeviceCommand::Budget(command) => budget::run(context, command).await,
	}
}

/// An account given by its key file or by its address.
pub fn owner_account(text: &str) -> Result<AccountId> {
	match keys::parse_address(text) {
		Ok(account) => Ok(account),
		Err(error) if !Path::new(text).exists() => Err(error),
		Err(_) => Ok(Key::load(Path::new(text))?.account()),
	}
}

async fn register(
	context: &Context,
	chain: &Chain,
	owner: &Key,
	names: &[String],
	scheme: keys::Scheme,
	roles: Roles,
	gateway: Option<&AccountId>,
) -> Result<()> {
	chain.settle(&owner.account()).await?;
	let registered = fleet::register(chain, &context.home, owner, names, scheme, roles, gateway).await?;
	let mut text = String::new();
	for device in &registered.devices {
		text.push_str(&format!("{}  {}\n", device.name, keys::address(&device.id)));
	}
	text.push_str(&format!(
		"{} registered, {} were registered already; fees {} M2M",
		registered.new,
		registered.devices.len().saturating_sub(registered.new),
		money::format(registered.fees)
	));
	let value = json!({
		"new": registered.new,
		"fees": money::format(registered.fees),
		"devices": registered.devices.iter().map(|device| json!({
			"name": device.name,
			"device": keys::address(&device.id),
			"did": keys::did(chain.genesis(), &device.id),
			"key": keys::address(&device.key.account()),
		})).collect::<Vec<_>>(),
	});
	context.output.result(text, value);
	Ok(())
}

async fn status(context: &Context, owned: Owned, change: StatusChange, word: &str) -> Result<()> {
	let id = account_or_device(context, &owned.device)?;
	let (chain, key) = context.connect_as(&owned.owner).await?;
	let included = chain.submit(&key, &identity::change_status(&id, change)).await?;
	done(context, &owned.device, &id, word, included.fee);
	Ok(())
}

fn done(context: &Context, name: &str, id: &DeviceId, word: &str, fee: u128) {
	context.output.result(
		format!("{name}: {word}; fee {} M2M", money::format(fee)),
		json!({ "device": keys::address(id), "outcome": word, "fee": money::format(fee) }),
	);
}
