//! `m2m device attest` and `revoke-attestation`.

use crate::cli::{
	Context,
	arguments::{Selection, Until, hash_or_file},
	output::Bar,
};
use clap::{Args, Subcommand};
use comfy_table::Table;
use m2m::{
	Error, Result,
	attestation::{self, Attested, Statement},
	chain, keys, money,
	replay::Progress,
	time,
};
use m2m_device::{DeviceId, DeviceStatus, Topic};
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf};

#[derive(Subcommand)]
pub enum AttestCommand {
	/// Vouch for devices, one or a whole fleet
	#[command(after_help = "Examples:\n  \
		m2m device attest meter-001 meter-002 --issuer lab.json --topic certified-meter --claim certificate.pdf --expires-in 365d\n  \
		m2m device attest --all-of 5F... --issuer lab.json --topic certified-meter --claim 0x... --until 2027-11-21T00:00:00Z\n\n\
		An attestation is about the keys that sign the device's telemetry today and, for whoever asks, about its present\n\
		owner: it ends by itself when a signing key is added or rotated. It gives the issuer no power over the device.\n\
		The claim is a document of the issuer, of which only the hash goes on chain. The issuer pays a deposit for each\n\
		device and gets it back when he revokes. Many devices go into few transactions; a device that is refused stops\n\
		nothing, and with --until running the same again sends only what is missing.")]
	Attest(Box<Attest>),
	/// Take attestations back and get their deposits
	#[command(after_help = "Examples:\n  \
		m2m device revoke-attestation meter-001 --issuer lab.json --topic certified-meter\n  \
		m2m device revoke-attestation --all-of 5F... --issuer lab.json --topic certified-meter")]
	RevokeAttestation {
		#[command(flatten)]
		selection: Selection,
		/// Key file of the issuer
		#[arg(long, value_name = "KEYFILE")]
		issuer: PathBuf,
		/// What the attestations are about
		#[arg(long)]
		topic: String,
	},
}

#[derive(Args)]
pub struct Attest {
	#[command(flatten)]
	selection: Selection,
	/// Key file of the issuer
	#[arg(long, value_name = "KEYFILE")]
	issuer: PathBuf,
	/// What it is about: 1 to 16 small letters, digits and `-`
	#[arg(long)]
	topic: String,
	/// The document that says it, or its hash as 0x and 64 hex digits
	#[arg(long, value_name = "FILE|HASH")]
	claim: String,
	#[command(flatten)]
	until: Until,
}

/// Reads a topic of attestations.
pub fn topic(text: &str) -> Result<Topic> {
	Topic::from_text(text).ok_or_else(|| {
		Error::Usage(format!(
			"`{text}` is not a topic: use 1 to 16 small letters, digits and `-`, such as certified-meter"
		))
	})
}

fn refused_error(
	what: &'static str,
	refused: &[(DeviceId, String)],
	done: usize,
	names: &BTreeMap<DeviceId, String>,
) -> Result<()> {
	let Some((device, reason)) = refused.first() else {
		return Ok(());
	};
	let name = names
		.get(device)
		.cloned()
		.unwrap_or_else(|| keys::address(device));
	Err(Error::SomeRefused {
		what,
		count: refused.len(),
		total: done.saturating_add(refused.len()),
		first: format!("{name}: {reason}"),
		hint: chain::hint(reason),
	})
}

pub async fn run(context: &Context, command: AttestCommand) -> Result<()> {
	match command {
		AttestCommand::Attest(attest) => run_attest(context, *attest).await,
		AttestCommand::RevokeAttestation {
			selection,
			issuer,
			topic: text,
		} => {
			let topic = topic(&text)?;
			let devices = selection.devices(context)?;
			let names = context.device_names()?;
			let (chain, key) = context.connect_as(&issuer).await?;
			let bar = Bar::new(context.output);
			bar.stage("reading attestations", selection.named() as u64);
			let result =
				attestation::revoke(&chain, &key, devices, topic, |count| bar.advance(count as u64)).await;
			bar.finish();
			let revoked = result?;
			context.output.result(
				format!(
					"{text}: {} attestations revoked; fees {} M2M",
					revoked.revoked.len(),
					money::format(revoked.fees)
				),
				json!({
					"topic": text,
					"revoked": revoked.revoked.iter().map(keys::address).collect::<Vec<_>>(),
					"refused": refusals(&revoked.refused),
					"fees": money::format(revoked.fees),
				}),
			);
			refused_error("revocations", &revoked.refused, revoked.revoked.len(), &names)
		}
	}
}

fn refusals(refused: &[(DeviceId, String)]) -> Vec<serde_json::Value> {
	refused
		.iter()
		.map(|(device, reason)| json!({ "device": keys::address(device), "reason": reason }))
		.collect()
}

async fn run_attest(context: &Context, attest: Attest) -> Result<()> {
	let statement = Statement {
		topic: topic(&attest.topic)?,
		claim: hash_or_file(&attest.claim)?,
		expires: attest.until.required()?,
	};
	let devices = attest.selection.devices(context)?;
	let names = context.device_names()?;
	let (chain, issuer) = context.connect_as(&attest.issuer).await?;
	chain.settle(&issuer.account()).await?;
	let bar = Bar::new(context.output);
	bar.stage("attesting", attest.selection.named() as u64);
	let result = attestation::attest(&chain, &issuer, devices, &statement, |count| {
		bar.advance(count as u64)
	})
	.await;
	bar.finish();
	let attested = result?;
	print_attested(context, &attest.topic, &statement, &attested, &names);
	refused_error("attestations", &attested.refused, attested.vouched.len(), &names)
}

fn print_attested(
	context: &Context,
	topic: &str,
	statement: &Statement,
	attested: &Attested,
	names: &BTreeMap<DeviceId, String>,
) {
	let mut table = Table::new();
	table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
	table.set_header(["device", "keys version", "generation", "signing keys", ""]);
	for vouched in &attested.vouched {
		let keys: Vec<String> = vouched.signing_keys.iter().map(keys::address).collect();
		let remark = match (vouched.before, vouched.status) {
			(true, _) => "as before".to_owned(),
			(false, DeviceStatus::Active) => String::new(),
			(false, status) => format!("{status:?}"),
		};
		table.add_row([
			names
				.get(&vouched.device)
				.cloned()
				.unwrap_or_else(|| keys::address(&vouched.device)),
			vouched.auth_version.to_string(),
			vouched.generation.to_string(),
			if keys.is_empty() {
				"none".into()
			} else {
				keys.join("\n")
			},
			remark,
		]);
	}
	let sent = attested.vouched.iter().filter(|vouched| !vouched.before).count();
	let text = format!(
		"{table}\n{topic}: {sent} devices attested in {} transactions, {} were before; claim {:?}, until {}; fees {} M2M",
		attested.transactions,
		attested.vouched.len().saturating_sub(sent),
		statement.claim,
		time::format(statement.expires),
		money::format(attested.fees)
	);
	let value = json!({
		"topic": topic,
		"claim": format!("{:?}", statement.claim),
		"expires": time::format(statement.expires),
		"attested": sent,
		"transactions": attested.transactions,
		"devices": attested.vouched.iter().map(|vouched| json!({
			"name": names.get(&vouched.device),
			"device": keys::address(&vouched.device),
			"status": format!("{:?}", vouched.status),
			"auth_version": vouched.auth_version,
			"generation": vouched.generation,
			"signing_keys": vouched.signing_keys.iter().map(keys::address).collect::<Vec<_>>(),
			"before": vouched.before,
		})).collect::<Vec<_>>(),
		"refused": refusals(&attested.refused),
		"fees": money::format(attested.fees),
	});
	context.output.result(text, value);
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_topic_is_a_short_word() {
		assert_eq!(topic("certified-meter").unwrap().as_text(), "certified-meter");
		for text in ["", "Certified", "certified meter", "more-than-16-chars"] {
			assert_eq!(topic(text).unwrap_err().exit_code(), 2, "{text}");
		}
	}

	#[test]
	fn a_refusal_is_named_by_the_device_and_the_next_step() {
		let device = DeviceId::new([7; 32]);
		let names = BTreeMap::from([(device.clone(), "meter-007".to_owned())]);
		assert!(refused_error("attestations", &[], 3, &names).is_ok());
		let refused = [(device, "DeviceIdentity::IssuerCannotPay".to_owned())];
		let error = refused_error("attestations", &refused, 3, &names).unwrap_err();
		assert_eq!(error.exit_code(), 4);
		let message = error.to_string();
		assert!(
			message.starts_with(
				"1 of 4 attestations were refused, the first with meter-007: DeviceIdentity::IssuerCannotPay"
			),
			"{message}"
		);
	}
}
