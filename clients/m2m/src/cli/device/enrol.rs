//! `m2m device enrol`.

use super::{Role, owner_account, roles};
use crate::cli::{Context, key::Scheme, output::Bar};
use clap::Args;
use m2m::{
	Error, Result,
	batch::parse_hash,
	keys,
	manifest::{self, Terms},
	time,
};
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
	m2m device enrol heat-pump charger --owner 5F... --out fleet.csv\n  \
	m2m device enrol --names meters.csv --owner 5F... --genesis 0x... --gateway 5G... --out fleet.csv\n\n\
	Each device gets a key of its own in HOME/devices/NAME.json, unless it has one, and the key signs that it agrees to\n\
	the owner. The owner's key is not needed, and with --genesis no node either. The manifest holds nothing secret: the\n\
	owner registers what stands in it with `m2m fleet import`, within the time that --valid gives.\n\n\
	Its columns: name; scheme and public (the key); roles, joined by `+`; gateway, or empty; owner; genesis; expires;\n\
	signature. `m2m batch create` reads it too.")]
pub struct Enrol {
	/// Names of the devices
	#[arg(value_name = "NAME", required_unless_present = "names")]
	new: Vec<String>,
	/// CSV file with a column `name`
	#[arg(long, value_name = "CSV", conflicts_with = "new")]
	names: Option<PathBuf>,
	/// Account that will own the devices; its key file does as well, but its address is enough
	#[arg(long, value_name = "KEYFILE|ADDRESS")]
	owner: String,
	/// Hash of the chain's first block; asked from the node if left out
	#[arg(long, value_name = "HASH")]
	genesis: Option<String>,
	/// Manifest to write; an existing file is not overwritten
	#[arg(long, value_name = "CSV")]
	out: PathBuf,
	/// Account of the gateway that holds the devices' keys, if they have none of their own
	#[arg(long, value_name = "ADDRESS")]
	gateway: Option<String>,
	/// Signature scheme of new device keys
	#[arg(long, value_enum, default_value = "sr25519")]
	scheme: Scheme,
	/// What the keys may do
	#[arg(long, value_enum, value_delimiter = ',', default_value = "authenticate")]
	roles: Vec<Role>,
	/// How long the manifest can be imported, for instance 12h or 30d; at most 90d by the chain's clock
	#[arg(long, value_name = "SPAN", default_value = "89d")]
	valid: String,
}

pub async fn run(context: &Context, arguments: Enrol) -> Result<()> {
	let names = match &arguments.names {
		Some(file) => manifest::read_names(file)?,
		None => arguments.new,
	};
	let owner = owner_account(&arguments.owner)?;
	let gateway = arguments
		.gateway
		.as_deref()
		.map(keys::parse_address)
		.transpose()?;
	// Whole seconds, which are shorter to read.
	let now = time::now() / 1000 * 1000;
	let expires = now.saturating_add(time::parse_span(&arguments.valid)?);
	let genesis = match &arguments.genesis {
		Some(text) => {
			parse_hash(text)
				.ok_or_else(|| Error::Usage(format!("`{text}` is not a hash: give 0x and 64 hex digits")))?
				.0
		}
		None => *context.connect().await?.genesis(),
	};
	let terms = Terms {
		genesis,
		owner,
		roles: roles(&arguments.roles),
		gateway,
		expires,
	};
	let bar = Bar::new(context.output);
	let scheme = arguments.scheme.into();
	let enrolled = manifest::enrol(&context.home, &names, scheme, &terms, &arguments.out, &bar)?;
	let owner = keys::address(&terms.owner);
	let expires = time::format(terms.expires);
	context.output.result(
		format!(
			"{} devices in {}, {} of them with new keys; {owner} can import them until {expires}",
			enrolled.devices,
			arguments.out.display(),
			enrolled.new_keys,
		),
		json!({
			"devices": enrolled.devices,
			"new_keys": enrolled.new_keys,
			"manifest": arguments.out,
			"owner": owner,
			"genesis": format!("0x{}", hex::encode(terms.genesis)),
			"expires": expires,
		}),
	);
	Ok(())
}
