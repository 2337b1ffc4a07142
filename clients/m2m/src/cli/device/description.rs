//! `m2m device profile` and `service`: what a device says of itself.

use super::done;
use crate::cli::{Context, account::account_or_device, arguments::hash_of_file};
use clap::{Args, Subcommand};
use m2m::{Error, Result, batch::parse_hash, chain::identity, keys, money};
use m2m_device::{Service, ServiceId};
use serde_json::json;
use sp_core::{ConstU32, H256};
use sp_runtime::BoundedVec;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum DescriptionCommand {
	/// Put the hash of the document that describes a device on chain, such as a W3C Thing Description
	#[command(after_help = "Examples:\n  \
		m2m device profile meter-001 --file thing-description.json --signer alice.json\n  \
		m2m device profile meter-001 --clear --signer alice.json\n\n\
		The hash is blake2-256 of the file's bytes; the file itself stays where it is.")]
	Profile {
		/// Name in --home, or SS58 id
		device: String,
		#[command(flatten)]
		profile: Profile,
		/// Key file of the owner, an operator or a key with `manage`; or the name of a device in --home
		#[arg(long, alias = "owner", value_name = "KEYFILE|DEVICE")]
		signer: String,
	},
	/// Where a device can be reached; part of its DID document
	#[command(subcommand)]
	Service(ServiceCommand),
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Profile {
	/// The document
	#[arg(long, value_name = "FILE")]
	file: Option<PathBuf>,
	/// Its hash, as 0x and 64 hex digits
	#[arg(long)]
	hash: Option<String>,
	/// No document any more
	#[arg(long)]
	clear: bool,
}

#[derive(Subcommand)]
pub enum ServiceCommand {
	/// Publish a service, or change the one with the same id
	#[command(after_help = "Example:\n  \
		m2m device service set meter-001 --id readings --type SensorDataService \\\n    \
		--endpoint https://meters.example/001 --signer alice.json")]
	Set(Box<ServiceSet>),
	/// Withdraw a service
	#[command(
		after_help = "Example:\n  m2m device service remove meter-001 --id readings --signer alice.json"
	)]
	Remove {
		/// Name in --home, or SS58 id
		device: String,
		/// Id of the service
		#[arg(long)]
		id: String,
		/// Key file of the owner, an operator or a key with `manage`; or the name of a device in --home
		#[arg(long, alias = "owner", value_name = "KEYFILE|DEVICE")]
		signer: String,
	},
}

#[derive(Args)]
pub struct ServiceSet {
	/// Name in --home, or SS58 id
	device: String,
	/// Id within the device: 1 to 32 letters, digits, `.`, `_` and `-`
	#[arg(long)]
	id: String,
	/// What kind of service it is: 1 to 32 printable characters
	#[arg(long = "type", value_name = "TYPE")]
	kind: String,
	/// Where it is: a URI of at most 128 characters
	#[arg(long, value_name = "URI")]
	endpoint: String,
	/// Key file of the owner, an operator or a key with `manage`; or the name of a device in --home
	#[arg(long, alias = "owner", value_name = "KEYFILE|DEVICE")]
	signer: String,
}

fn bounded<const N: u32>(what: &str, text: &str) -> Result<BoundedVec<u8, ConstU32<N>>> {
	text.as_bytes()
		.to_vec()
		.try_into()
		.map_err(|_| Error::Usage(format!("the {what} `{text}` is longer than {N} bytes")))
}

fn service(id: &str, kind: &str, endpoint: &str) -> Result<Service> {
	let service = Service {
		id: bounded("id", id)?,
		kind: bounded("type", kind)?,
		endpoint: bounded("endpoint", endpoint)?,
	};
	if !service.check() {
		return Err(Error::Usage(format!(
			"`{id}`, `{kind}`, `{endpoint}` is no service: the id has letters, digits, `.`, `_` and `-`, the type no spaces, and the endpoint is a URI such as https://meters.example/001"
		)));
	}
	Ok(service)
}

fn profile_hash(profile: &Profile) -> Result<Option<H256>> {
	if profile.clear {
		return Ok(None);
	}
	if let Some(file) = &profile.file {
		return hash_of_file(file).map(Some);
	}
	let text = profile.hash.as_deref().unwrap_or_default();
	parse_hash(text)
		.map(Some)
		.ok_or_else(|| Error::Usage(format!("`{text}` is not a hash: give 0x and 64 hex digits")))
}

pub async fn run(context: &Context, command: DescriptionCommand) -> Result<()> {
	match command {
		DescriptionCommand::Profile {
			device,
			profile,
			signer,
		} => {
			let hash = profile_hash(&profile)?;
			let id = account_or_device(context, &device)?;
			let (chain, signer) = context.connect_as_any(&signer).await?;
			let included = chain.submit(&signer, &identity::set_profile(&id, hash)).await?;
			let hash = hash.map(|hash| format!("{hash:?}"));
			context.output.result(
				format!(
					"{device}: profile {}; fee {} M2M",
					hash.as_deref().unwrap_or("cleared"),
					money::format(included.fee)
				),
				json!({
					"device": keys::address(&id),
					"profile": hash,
					"fee": money::format(included.fee),
				}),
			);
		}
		DescriptionCommand::Service(ServiceCommand::Set(set)) => {
			let service = service(&set.id, &set.kind, &set.endpoint)?;
			let id = account_or_device(context, &set.device)?;
			let (chain, signer) = context.connect_as_any(&set.signer).await?;
			let included = chain
				.submit(&signer, &identity::set_service(&id, &service))
				.await?;
			done(context, &set.device, &id, "service published", included.fee);
		}
		DescriptionCommand::Service(ServiceCommand::Remove {
			device,
			id: service,
			signer,
		}) => {
			let service: ServiceId = bounded("id", &service)?;
			let id = account_or_device(context, &device)?;
			let (chain, signer) = context.connect_as_any(&signer).await?;
			let included = chain
				.submit(&signer, &identity::remove_service(&id, &service))
				.await?;
			done(context, &device, &id, "service withdrawn", included.fee);
		}
	}
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_service_that_the_chain_would_refuse_is_refused_before() {
		assert!(service("readings", "SensorDataService", "https://meters.example/001").is_ok());
		let long = "x".repeat(33);
		for (id, kind, endpoint) in [
			("", "Kind", "https://a.example"),
			("read ings", "Kind", "https://a.example"),
			(long.as_str(), "Kind", "https://a.example"),
			("readings", "a kind", "https://a.example"),
			("readings", "Kind", "meters.example"),
			("readings", "Kind", &format!("https://{}", "x".repeat(128))),
		] {
			let error = service(id, kind, endpoint).unwrap_err();
			assert_eq!(error.exit_code(), 2, "{error}");
		}
	}
}
