//! `m2m device`.

use super::{Context, account::account_or_device, key::Scheme};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Table;
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
use m2m_runtime_api::DeviceDetails;
use serde_json::{Value, json};
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
	#[arg(long, value_name = "KEYFILE")]
	owner: PathBuf,
}

#[derive(Subcommand)]
pub enum DeviceCommand {
	/// Register devices; each gets a key of its own in HOME/devices/NAME.json
	#[command(after_help = "Examples:\n  \
		m2m device register --owner alice.json --new heat-pump charger\n  \
		m2m device register --owner alice.json --manifest fleet.csv --gateway 5F...\n\n\
		A manifest is a CSV file whose first line is `name`, with one device name a line. Running the same again\n\
		registers only what is missing.")]
	Register {
		/// Key file of the owner
		#[arg(long, value_name = "KEYFILE")]
		owner: PathBuf,
		/// Names of the devices
		#[arg(long, num_args = 1.., value_name = "NAME", required_unless_present = "manifest")]
		new: Vec<String>,
		/// CSV file with one name a line
		#[arg(long, value_name = "CSV", conflicts_with = "new")]
		manifest: Option<PathBuf>,
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
	/// Show a device as of the last finalized block
	#[command(after_help = "Example:\n  m2m device show meter-001")]
	Show {
		/// Name in --home, or SS58 id
		device: String,
	},
	/// List the devices of an owner
	#[command(after_help = "Example:\n  m2m device list --owner alice.json")]
	List {
		/// Key file or address of the owner
		#[arg(long, value_name = "KEYFILE|ADDRESS")]
		owner: String,
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

/// Names from a manifest.
fn read_manifest(file: &Path) -> Result<Vec<String>> {
	let text = std::fs::read_to_string(file).map_err(|cause| match cause.kind() {
		std::io::ErrorKind::NotFound => Error::bad_file(file, "there is no such file"),
		std::io::ErrorKind::InvalidData => Error::bad_file(file, "the file is not UTF-8"),
		_ => Error::io(file, cause),
	})?;
	let mut lines = (1u64..).zip(text.lines());
	let wrong = |line: u64, problem: &str| Error::Csv {
		file: file.to_owned(),
		line,
		problem: problem.into(),
	};
	if lines.next().map(|(_, line)| line.trim()) != Some("name") {
		return Err(wrong(1, "the first line must be `name`"));
	}
	let mut names = Vec::new();
	for (number, line) in lines {
		let name = line.trim();
		if name.is_empty() {
			continue;
		}
		keys::check_name(name).map_err(|error| wrong(number, &error.to_string()))?;
		names.push(name.to_owned());
	}
	if names.is_empty() {
		return Err(wrong(2, "there are no names after the first line"));
	}
	Ok(names)
}

fn describe(chain: &Chain, name: Option<&str>, details: &DeviceDetails) -> Value {
	json!({
		"name": name,
		"device": keys::address(&details.device),
		"did": keys::did(chain.genesis(), &details.device),
		"owner": keys::address(&details.owner),
		"status": format!("{:?}", details.status),
		"status_since": time::format(details.status_since),
		"generation": details.generation,
		"auth_version": details.auth_version,
		"gateway": details.gateway.as_ref().map(keys::address),
		"keys": details.device_keys.iter().map(|key| json!({
			"account": keys::address(&key.public.account()),
			"scheme": key.public.scheme(),
			"public": format!("0x{}", hex::encode(key.public.as_bytes())),
			"roles": role_names(key.roles),
			"valid_from": time::format(key.valid_from),
			"valid_until": key.valid_until.map(time::format),
			"deliver_until": key.deliver_until.map(time::format),
		})).collect::<Vec<_>>(),
	})
}

fn name_of(context: &Context, id: &DeviceId) -> Result<Option<String>> {
	Ok(Device::all(&context.home)?
		.into_iter()
		.find(|device| device.id == *id)
		.map(|device| device.name))
}

pub async fn run(context: &Context, command: DeviceCommand) -> Result<()> {
	match command {
		DeviceCommand::Register {
			owner,
			new,
			manifest,
			gateway,
			scheme,
			roles: names,
			..
		} => {
			let names_of_devices = match manifest {
				Some(file) => read_manifest(&file)?,
				None => new,
			};
			let gateway = gateway.as_deref().map(keys::parse_address).transpose()?;
			let (chain, key) = context.connect_as(&owner).await?;
			register(
				context,
				&chain,
				&key,
				&names_of_devices,
				scheme.into(),
				roles(&names),
				gateway.as_ref(),
			)
			.await
		}
		DeviceCommand::Show { device } => {
			let id = account_or_device(context, &device)?;
			let chain = context.connect().await?;
			let block = chain.finalized().await?;
			let details = block
				.device(&chain, &id)
				.await?
				.ok_or_else(|| Error::Unknown(format!("the chain knows no device {}", keys::address(&id))))?;
			let balance = block.balance(&chain, &id).await?;
			let streams = block.streams(&chain, &id).await?;
			let mut value = describe(&chain, name_of(context, &id)?.as_deref(), &details);
			let mut text = format!(
				"device    {}\ndid       {}\nowner     {}\nstatus    {:?} since {}\nwallet    {} M2M free, {} M2M on hold\nstreams   {streams:?}\nblock     {}\n",
				keys::address(&id),
				keys::did(chain.genesis(), &id),
				keys::address(&details.owner),
				details.status,
				time::format(details.status_since),
				money::format(balance.free),
				money::format(balance.reserved),
				block.number,
			);
			for key in &details.device_keys {
				let until = key.valid_until.map_or_else(
					|| "in use".to_owned(),
					|end| format!("rotated {}", time::format(end)),
				);
				text.push_str(&format!(
					"key       {} ({}), {until}\n",
					keys::address(&key.public.account()),
					role_names(key.roles).join(", ")
				));
			}
			if let Some(fields) = value.as_object_mut() {
				fields.insert("free".into(), money::format(balance.free).into());
				fields.insert("on_hold".into(), money::format(balance.reserved).into());
				fields.insert("streams".into(), streams.into());
				fields.insert("block".into(), block.number.into());
			}
			context.output.result(text.trim_end(), value);
			Ok(())
		}
		DeviceCommand::List { owner } => {
			let owner = owner_account(&owner)?;
			let chain = context.connect().await?;
			let block = chain.finalized().await?;
			let known = Device::all(&context.home)?;
			let mut table = Table::new();
			table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
			table.set_header(["name", "device", "status", "keys"]);
			let mut values = Vec::new();
			for id in block.devices_of(&chain, &owner).await? {
				let Some(details) = block.device(&chain, &id).await? else {
					continue;
				};
				let name = known
					.iter()
					.find(|device| device.id == id)
					.map(|device| device.name.as_str());
				table.add_row([
					name.unwrap_or("").to_owned(),
					keys::address(&id),
					format!("{:?}", details.status),
					details.device_keys.len().to_string(),
				]);
				values.push(describe(&chain, name, &details));
			}
			context
				.output
				.result(format!("{table}\n{} devices", values.len()), Value::Array(values));
			Ok(())
		}
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
			done(context, &owned.device, &id, "paid out", included.fee);
			Ok(())
		}
	}
}

fn owner_account(text: &str) -> Result<AccountId> {
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

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_manifest_names_one_device_a_line() {
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("fleet.csv");
		std::fs::write(&file, "name\nm1\n\n m2 \n").unwrap();
		assert_eq!(read_manifest(&file).unwrap(), ["m1", "m2"]);
		for (text, line) in [("", 1), ("m1\nm2\n", 1), ("name\n", 2), ("name\nm1\nm 2\n", 3)] {
			std::fs::write(&file, text).unwrap();
			let error = read_manifest(&file).unwrap_err();
			assert!(
				matches!(&error, Error::Csv { line: at, .. } if *at == line),
				"{error}"
			);
		}
		assert_eq!(
			read_manifest(&folder.path().join("none.csv"))
				.unwrap_err()
				.exit_code(),
			6
		);
	}
}
