//! `m2m did`.

use super::{Context, account::account_or_device};
use clap::Subcommand;
use codec::Encode;
use m2m::{Error, Result, keys};
use m2m_device::DeviceId;
use m2m_did::{DidDocument, DidRecord, Network, Resolution, ResolutionError, VerificationMethod};

#[derive(Subcommand)]
pub enum DidCommand {
	/// Resolve the W3C DID of a device as of the last finalized block
	#[command(after_help = "Examples:\n  \
		m2m did resolve meter-001\n  \
		m2m --json did resolve did:m2m:0a1b2c3d:5F... | jq .didDocument\n\n\
		The document is made here, from the record that the runtime answers: any node of the chain will do, and the\n\
		DID is checked against its genesis hash.")]
	Resolve {
		/// DID, name in --home, or SS58 id
		device: String,
	},
}

/// Reads a DID of this network, with what to do about one that is none.
fn parse(network: &Network, url: &str, did: &str) -> Result<DeviceId> {
	network.parse(did).map_err(|error| match error {
		ResolutionError::OtherNetwork { named, here } => Error::WrongChain {
			what: did.into(),
			expected: format!("0x{named}…"),
			found: format!("0x{here}…"),
			url: url.into(),
		},
		other => Error::Usage(format!("`{did}`: {other}")),
	})
}

/// What a key is for, in the words of the document.
fn purposes(document: &DidDocument, method: &VerificationMethod) -> String {
	let purposes: Vec<&str> = [
		("authentication", &document.authentication),
		("assertionMethod", &document.assertion_method),
		("capabilityInvocation", &document.capability_invocation),
		("capabilityDelegation", &document.capability_delegation),
	]
	.into_iter()
	.filter_map(|(purpose, ids)| ids.contains(&method.id).then_some(purpose))
	.collect();
	match &method.revoked {
		Some(time) => format!("rotated {time}"),
		None if purposes.is_empty() => "proves nothing now".into(),
		None => purposes.join(", "),
	}
}

/// The result for people. Empty if it has no document.
fn describe(resolution: &Resolution) -> String {
	let Some(document) = &resolution.did_document else {
		return String::new();
	};
	let mut lines = vec![
		format!("did         {}", document.id),
		format!("controller  {}", document.controller),
	];
	let metadata = &resolution.did_document_metadata;
	if let Some(method) = &metadata.method {
		lines.push(format!(
			"status      {}, generation {}, version {} of the signing keys",
			method.status, method.generation, method.auth_version
		));
	}
	lines.extend(
		metadata
			.version_id
			.iter()
			.map(|version| format!("version     {version}")),
	);
	lines.extend(document.verification_method.iter().map(|method| {
		format!(
			"key         {} ({})",
			method.public_key_multibase,
			purposes(document, method)
		)
	}));
	lines.extend(document.service.iter().map(|service| {
		let name = service.id.rsplit('#').next().unwrap_or_default();
		format!(
			"service     {name}: {} at {}",
			service.kind, service.service_endpoint
		)
	}));
	lines.join("\n")
}

pub async fn run(context: &Context, command: DidCommand) -> Result<()> {
	let DidCommand::Resolve { device } = command;
	let is_did = device.starts_with("did:");
	let named = if is_did {
		None
	} else {
		Some(account_or_device(context, &device)?)
	};
	let chain = context.connect().await?;
	let network = Network::new(*chain.genesis(), keys::SS58_PREFIX);
	let id = match named {
		Some(id) => id,
		None => parse(&network, chain.url(), &device)?,
	};
	let block = chain.finalized().await?;
	let record: Option<DidRecord> = block
		.read(&chain, "DidApi", "did_document", &[("device", id.encode())])
		.await?;
	let record =
		record.ok_or_else(|| Error::Unknown(format!("the chain knows no device {}", keys::address(&id))))?;
	if record.device != id {
		return Err(Error::Node("it answered with another device's record".into()));
	}
	let resolution = Resolution::found(&network, &record);
	let value = serde_json::to_value(&resolution).map_err(|error| Error::Node(error.to_string()))?;
	context.output.result(describe(&resolution), value);
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m_device::{AccountId, DevicePublic, DeviceStatus, Roles};
	use m2m_did::{DidKey, KeyState};

	fn network() -> Network {
		Network::new([0x11; 32], 42)
	}

	fn record() -> DidRecord {
		let key = |byte, roles, state| DidKey {
			public: DevicePublic::Ed25519(sp_core::ed25519::Public::from_raw([byte; 32])),
			roles,
			state,
		};
		DidRecord {
			device: DeviceId::new([5; 32]),
			owner: AccountId::new([6; 32]),
			status: DeviceStatus::Active,
			generation: 1,
			auth_version: 3,
			keys: vec![
				key(1, Roles::AUTHENTICATE, KeyState::Rotated { at: 0 }),
				key(2, Roles::AUTHENTICATE, KeyState::InUse),
				key(3, Roles::ALL, KeyState::Unconfirmed),
			],
			services: vec![],
		}
	}

	#[test]
	fn people_read_what_each_key_is_for() {
		let resolution = Resolution::found(&network(), &record());
		let text = describe(&resolution);
		let lines: Vec<&str> = text.lines().collect();
		assert!(lines[0].starts_with("did         did:m2m:11111111:5"), "{text}");
		assert!(lines[1].starts_with("controller  did:pkh:polkadot:"), "{text}");
		assert_eq!(
			lines[2],
			"status      active, generation 1, version 3 of the signing keys"
		);
		assert!(lines[3].starts_with("version     0x"), "{text}");
		assert!(lines[4].ends_with("(rotated 1970-01-01T00:00:00Z)"), "{text}");
		assert!(lines[5].ends_with("(authentication, assertionMethod)"), "{text}");
		assert!(lines[6].ends_with("(proves nothing now)"), "{text}");
		assert_eq!(lines.len(), 7);
	}

	#[test]
	fn a_did_that_cannot_be_resolved_here_says_why() {
		let good = network().did(&record().device);
		assert_eq!(parse(&network(), "ws://x", &good).unwrap(), record().device);
		let elsewhere = Network::new([0x44; 32], 42).did(&record().device);
		let error = parse(&network(), "ws://x", &elsewhere).unwrap_err();
		assert_eq!(error.name(), "WrongChain");
		assert!(error.to_string().contains("0x44444444…"), "{error}");
		for text in ["did:key:z6Mk", &good.to_uppercase(), &format!("{good}#key")] {
			let error = parse(&network(), "ws://x", text).unwrap_err();
			assert_eq!(error.name(), "Usage");
			assert!(error.to_string().contains(text), "{error}");
		}
	}
}
