//! The DID document of a record.

use crate::{DidKey, DidRecord, KeyState, Network};
use m2m_device::{DevicePublic, Service, UnixMs};
use multibase::Base;
use serde::Serialize;

/// Terms of DID Core.
const DID_CONTEXT: &str = "https://www.w3.org/ns/did/v1";
/// Terms of Multikey.
const MULTIKEY_CONTEXT: &str = "https://w3id.org/security/multikey/v1";
/// W3C's namespace for words that mean what the issuer of a document says. Kinds of services are such words.
const ISSUER_VOCABULARY: &str = "https://www.w3.org/ns/credentials/issuer-dependent#";

/// Multicodec prefix of sr25519 public keys, as a varint.
const SR25519: [u8; 2] = [0xef, 0x01];
/// Multicodec prefix of Ed25519 public keys.
const ED25519: [u8; 2] = [0xed, 0x01];
/// Multicodec prefix of compressed secp256k1 public keys.
const SECP256K1: [u8; 2] = [0xe7, 0x01];

/// A public key as Multikey writes it: base58btc of its multicodec prefix and its raw bytes.
pub fn multikey(public: &DevicePublic) -> String {
	let prefix = match public {
		DevicePublic::Sr25519(_) => SR25519,
		DevicePublic::Ed25519(_) => ED25519,
		DevicePublic::Ecdsa(_) => SECP256K1,
	};
	multibase::encode(Base::Base58Btc, [&prefix, public.as_bytes()].concat())
}

/// A DID document. Fields and lists are written in a fixed order; what is empty is left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DidDocument {
	/// What the terms mean: DID Core, Multikey, and with services the namespace of their kinds.
	#[serde(rename = "@context")]
	pub context: Vec<Context>,
	/// The device's DID.
	pub id: String,
	/// The owner, as `did:pkh`.
	pub controller: String,
	/// Every key that the chain has in the device's list, in use or not.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub verification_method: Vec<VerificationMethod>,
	/// Keys that prove to be the device: in use, with `authenticate`.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub authentication: Vec<String>,
	/// Keys that make statements for the device, such as readings: the same.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub assertion_method: Vec<String>,
	/// Keys that change what the device owns, its services for one: in use, with `manage`.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub capability_invocation: Vec<String>,
	/// Keys that introduce further keys with no more roles than their own: the same.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub capability_delegation: Vec<String>,
	/// Services of the device.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub service: Vec<DocumentService>,
}

/// An entry of `@context`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Context {
	/// A published context.
	Published(&'static str),
	/// The namespace of words that no published context defines.
	Vocabulary {
		/// Its IRI.
		#[serde(rename = "@vocab")]
		vocabulary: &'static str,
	},
}

/// A key in a document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationMethod {
	/// The device's DID with the Multikey as fragment: a key never has another id, nor an id another key.
	pub id: String,
	/// `Multikey`.
	#[serde(rename = "type")]
	pub kind: &'static str,
	/// The device's DID.
	pub controller: String,
	/// The Multikey.
	pub public_key_multibase: String,
	/// When another key took its place; from then on nothing that it signs is the device's word.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub revoked: Option<String>,
}

/// A service in a document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentService {
	/// The device's DID with the service's id as fragment. It is at most 32 characters long and therefore never the
	/// id of a key, whose fragment has 48 or more.
	pub id: String,
	/// The service's kind, as the owner wrote it.
	#[serde(rename = "type")]
	pub kind: String,
	/// The endpoint, a URI.
	pub service_endpoint: String,
}

impl DidDocument {
	/// The document of a device.
	pub fn new(network: &Network, record: &DidRecord) -> Self {
		let id = network.did(&record.device);
		let key_id = |key: &DidKey| format!("{id}#{}", multikey(&key.public));
		let in_use_with = |has_role: fn(&DidKey) -> bool| -> Vec<String> {
			record
				.keys
				.iter()
				.filter(|key| record.is_in_use(key) && has_role(key))
				.map(key_id)
				.collect()
		};
		let authenticate = in_use_with(|key| key.roles.authenticate);
		let manage = in_use_with(|key| key.roles.manage);

		let mut context = vec![
			Context::Published(DID_CONTEXT),
			Context::Published(MULTIKEY_CONTEXT),
		];
		if !record.services.is_empty() {
			context.push(Context::Vocabulary {
				vocabulary: ISSUER_VOCABULARY,
			});
		}
		Self {
			context,
			controller: network.account_did(&record.owner),
			verification_method: record
				.keys
				.iter()
				.map(|key| VerificationMethod {
					id: key_id(key),
					kind: "Multikey",
					controller: id.clone(),
					public_key_multibase: multikey(&key.public),
					revoked: match key.state {
						KeyState::Rotated { at } => Some(date_time(at)),
						KeyState::InUse | KeyState::Unconfirmed => None,
					},
				})
				.collect(),
			authentication: authenticate.clone(),
			assertion_method: authenticate,
			capability_invocation: manage.clone(),
			capability_delegation: manage,
			service: record
				.services
				.iter()
				.map(|service| DocumentService::new(&id, service))
				.collect(),
			id,
		}
	}
}

impl DocumentService {
	fn new(did: &str, service: &Service) -> Self {
		// The chain takes printable ASCII only.
		let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
		Self {
			id: format!("{did}#{}", text(&service.id)),
			kind: text(&service.kind),
			service_endpoint: text(&service.endpoint),
		}
	}
}

/// A moment as XML Schema's `dateTimeStamp`, in UTC. What lies beyond the year 9999, which no clock of the chain
/// reaches, is written as the last moment that the calendar has.
fn date_time(time: UnixMs) -> String {
	i64::try_from(time)
		.ok()
		.and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok())
		.unwrap_or(jiff::Timestamp::MAX)
		.to_string()
}
