//! Arguments, and which command they run.

mod account;
mod arguments;
mod batch;
mod bill;
mod community;
mod data;
mod device;
mod did;
mod doctor;
mod fleet;
mod keeper;
mod key;
mod market;
pub mod output;
mod sponsor;
mod telemetry;

use clap::{Args, Parser, Subcommand};
use m2m::{
	Error, Result,
	chain::Chain,
	keys::{self, Device, Key},
};
use m2m_device::DeviceId;
use output::Output;
use std::{
	collections::BTreeMap,
	path::{Path, PathBuf},
};

const DEFAULT_URL: &str = "ws://127.0.0.1:9944";

/// Devices, gateways and proofs on an M2M chain.
#[derive(Parser)]
#[command(
	name = "m2m",
	version,
	propagate_version = true,
	subcommand_required = true,
	arg_required_else_help = true,
	after_help = "\
A first tour, with a development node running (`m2m-node --dev`):

  m2m key dev Alice --out alice.json
  m2m key generate --out gateway.json
  m2m account fund --from alice.json --to $(m2m key show gateway.json --address) --amount 100
  m2m telemetry replay fixtures/lv1-101_2016-06-13_7d.csv --date 2016-06-13 --owner alice.json --gateway gateway.json
  m2m telemetry prove --meter meter-003 --time 2016-06-13T12:00:00Z --out proof.json
  m2m telemetry verify proof.json --csv fixtures/lv1-101_2016-06-13_7d.csv

Exit codes:
  0  done                               5  a proof, a record or a delivery is false
  1  the operating system failed        6  an input file is wrong
  2  the command line is wrong          7  the local store failed or is in use
  3  no node or seller, or a wrong one  8  a proof is stale: make it again
  4  the chain or a seller refused, or an account cannot pay

Keys are read from files with mode 0600, never from the command line."
)]
pub struct Cli {
	#[command(flatten)]
	global: Global,
	#[command(subcommand)]
	command: Command,
}

#[derive(Args)]
struct Global {
	/// Address of the node [default: M2M_URL, or ws://127.0.0.1:9944]
	#[arg(long, global = true, value_name = "URL")]
	url: Option<String>,
	/// Print results and errors as JSON
	#[arg(long, global = true)]
	json: bool,
	/// Folder for device keys and the gateway's store [default: M2M_HOME, or ~/.m2m]
	#[arg(long, global = true, value_name = "DIR")]
	home: Option<PathBuf>,
	/// Print no progress and no remarks
	#[arg(long, short, global = true)]
	quiet: bool,
}

#[derive(Subcommand)]
enum Command {
	/// Make and show key files
	#[command(subcommand)]
	Key(key::KeyCommand),
	/// Balances and transfers
	#[command(subcommand)]
	Account(account::AccountCommand),
	/// Register devices; their keys, owners, operators, attestations and status
	#[command(subcommand)]
	Device(device::DeviceCommand),
	/// Register devices by the thousand, list those of an owner
	#[command(subcommand)]
	Fleet(fleet::FleetCommand),
	/// Production batches: which keys a manufacturer built into devices
	#[command(subcommand)]
	Batch(batch::BatchCommand),
	/// Pay fees for devices, so that they need no tokens
	#[command(subcommand)]
	Sponsor(sponsor::SponsorCommand),
	/// W3C decentralized identifiers
	#[command(subcommand)]
	Did(did::DidCommand),
	/// Anchor readings, prove them, verify proofs
	#[command(subcommand)]
	Telemetry(telemetry::TelemetryCommand),
	/// Community markets for metered energy: prices, members, orders, credit, live view
	#[command(subcommand)]
	Market(market::MarketCommand),
	Bill(bill::Bill),
	Keeper(keeper::Keeper),
	/// A neighbourhood's day, traded in time-lapse
	#[command(subcommand)]
	Community(community::CommunityCommand),
	/// Sell readings and buy them
	#[command(subcommand)]
	Data(data::DataCommand),
	/// Check node, chain, clock, keys, store and balances, and say what to do
	Doctor(doctor::Doctor),
}

/// What every command needs.
pub struct Context {
	url: String,
	home: PathBuf,
	output: Output,
}

impl Context {
	fn new(global: Global) -> Result<Self> {
		let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
		let url = global
			.url
			.or_else(|| variable("M2M_URL"))
			.unwrap_or_else(|| DEFAULT_URL.into());
		let home = match global.home.or_else(|| variable("M2M_HOME").map(PathBuf::from)) {
			Some(home) => home,
			None => {
				let user = variable("HOME")
					.ok_or_else(|| Error::Usage("HOME is not set: name a folder with --home".into()))?;
				Path::new(&user).join(".m2m")
			}
		};
		Ok(Self {
			url,
			home,
			output: Output {
				json: global.json,
				quiet: global.quiet,
			},
		})
	}

	async fn connect(&self) -> Result<Chain> {
		Chain::connect(&self.url).await
	}

	/// Names of the devices in the home folder by id. Files that cannot be read are left out with a warning.
	fn device_names(&self) -> Result<BTreeMap<DeviceId, String>> {
		let mut names = BTreeMap::new();
		for name in Device::names(&self.home)? {
			match Device::id_of(&self.home, &name) {
				Ok(Some(id)) => {
					names.insert(id, name);
				}
				Ok(None) => {}
				Err(error) => self.output.warn(error.to_string()),
			}
		}
		Ok(names)
	}

	/// Connects and loads the key that signs, refusing a development key on a live chain.
	async fn connect_as(&self, file: &Path) -> Result<(Chain, Key)> {
		let key = Key::load(file)?;
		let chain = self.connect().await?;
		chain.check_signer(&key, file).await?;
		Ok((chain, key))
	}

	/// As [`Self::connect_as`], or with the key of the device of that name in the home folder.
	async fn connect_as_any(&self, signer: &str) -> Result<(Chain, Key)> {
		if !Path::new(signer).is_file()
			&& keys::check_name(signer).is_ok()
			&& let Some(device) = Device::find(&self.home, signer)?
		{
			return Ok((self.connect().await?, device.key));
		}
		self.connect_as(Path::new(signer)).await
	}
}

/// Runs a command.
pub async fn run(cli: Cli) -> Result<()> {
	let context = Context::new(cli.global)?;
	match cli.command {
		Command::Key(command) => key::run(&context, command),
		Command::Account(command) => account::run(&context, command).await,
		Command::Device(command) => device::run(&context, command).await,
		Command::Fleet(command) => fleet::run(&context, command).await,
		Command::Batch(command) => batch::run(&context, command).await,
		Command::Sponsor(command) => sponsor::run(&context, command).await,
		Command::Did(command) => did::run(&context, command).await,
		Command::Telemetry(command) => telemetry::run(&context, command).await,
		Command::Market(command) => market::run(&context, command).await,
		Command::Bill(arguments) => bill::run(&context, arguments).await,
		Command::Keeper(arguments) => keeper::run(&context, arguments).await,
		Command::Community(command) => community::run(&context, command).await,
		Command::Data(command) => data::run(&context, command).await,
		Command::Doctor(arguments) => doctor::run(&context, arguments).await,
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::CommandFactory;

	#[test]
	fn the_command_line_is_consistent() {
		Cli::command().debug_assert();
	}
}
