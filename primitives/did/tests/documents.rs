//! Documents and resolution results, for every state of a device and of its keys.
//!
//! `UPDATE_VECTORS=1 cargo test -p m2m-did --test documents` writes `vectors/documents.json` anew. Otherwise the file is
//! compared to the letter, so that the order of fields and lists is pinned too.

use codec::{Decode, Encode};
use m2m_device::{AccountId, DeviceId, DevicePublic, DeviceStatus, KeyRecord, Roles, Service};
use m2m_did::{DidDocument, DidKey, DidRecord, KeyState, Network, Resolution, ResolutionError, multikey};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use sp_core::{Pair, ecdsa, ed25519, sr25519};
use std::{fs, path::PathBuf};

const CASES: u32 = 10_000;
const ROTATED_AT: u64 = 1_789_084_800_250;

fn network() -> Network {
	Network::new([0x11; 32], 42)
}

fn sr25519_key(seed: u8) -> DevicePublic {
	DevicePublic::Sr25519(sr25519::Pair::from_seed(&[seed; 32]).public())
}

fn ed25519_key(seed: u8) -> DevicePublic {
	DevicePublic::Ed25519(ed25519::Pair::from_seed(&[seed; 32]).public())
}

fn ecdsa_key(seed: u8) -> DevicePublic {
	DevicePublic::Ecdsa(ecdsa::Pair::from_seed(&[seed; 32]).public())
}

fn roles(bits: u8) -> Roles {
	Roles {
		authenticate: bits & 1 != 0,
		trade: bits & 2 != 0,
		manage: bits & 4 != 0,
	}
}

fn key(public: DevicePublic, roles: Roles, state: KeyState) -> DidKey {
	DidKey { public, roles, state }
}

fn service(id: &str, kind: &str, endpoint: &str) -> Service {
	let bytes = |text: &str| text.as_bytes().to_vec();
	Service {
		id: bytes(id).try_into().unwrap(),
		kind: bytes(kind).try_into().unwrap(),
		endpoint: bytes(endpoint).try_into().unwrap(),
	}
}

/// A device with a key that only signs telemetry.
fn meter() -> DidRecord {
	let public = ed25519_key(0x33);
	DidRecord {
		device: public.device_id(),
		owner: AccountId::new([0x22; 32]),
		status: DeviceStatus::Active,
		generation: 0,
		auth_version: 1,
		keys: vec![key(public, Roles::AUTHENTICATE, KeyState::InUse)],
		services: vec![],
	}
}

/// One with keys of every scheme, role and state, and with services.
fn gateway() -> DidRecord {
	DidRecord {
		generation: 2,
		auth_version: 5,
		keys: vec![
			key(
				ed25519_key(0x33),
				Roles::AUTHENTICATE,
				KeyState::Rotated { at: ROTATED_AT },
			),
			key(sr25519_key(0x34), Roles::ALL, KeyState::InUse),
			key(ecdsa_key(0x35), Roles::AUTHENTICATE, KeyState::InUse),
			key(ed25519_key(0x36), roles(4), KeyState::InUse),
			key(sr25519_key(0x37), roles(2), KeyState::InUse),
			key(ed25519_key(0x38), Roles::ALL, KeyState::Unconfirmed),
		],
		services: vec![
			service("td", "WotThing", "https://example.com/things/7"),
			service("mqtt", "MqttBroker", "mqtts://broker.example.com:8883/site/7"),
		],
		..meter()
	}
}

fn with_status(record: DidRecord, status: DeviceStatus) -> DidRecord {
	DidRecord { status, ..record }
}

fn retired() -> DidRecord {
	DidRecord {
		keys: vec![],
		services: vec![],
		..with_status(gateway(), DeviceStatus::Retired)
	}
}

fn document(record: &DidRecord) -> Value {
	serde_json::to_value(DidDocument::new(&network(), record)).unwrap()
}

/// Ids of the keys that the document gives a relationship.
fn related(document: &Value, relationship: &str) -> Vec<String> {
	match document.get(relationship) {
		None => vec![],
		Some(ids) => ids
			.as_array()
			.unwrap()
			.iter()
			.map(|id| id.as_str().unwrap().to_owned())
			.collect(),
	}
}

const RELATIONSHIPS: [&str; 4] = [
	"authentication",
	"assertionMethod",
	"capabilityInvocation",
	"capabilityDelegation",
];

#[derive(Serialize)]
struct Vectors {
	description: &'static str,
	genesis: String,
	ss58_prefix: u16,
	documents: Vec<Vector>,
	failures: Vec<Failure>,
}

#[derive(Serialize)]
struct Vector {
	name: &'static str,
	did: String,
	record: String,
	public_keys: Vec<String>,
	resolution: Resolution,
}

#[derive(Serialize)]
struct Failure {
	did: String,
	resolution: Resolution,
}

fn vectors() -> Vectors {
	let hex = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
	let documents = [
		("a meter with one key", meter()),
		("a gateway with keys of every kind", gateway()),
		(
			"the gateway, suspended",
			with_status(gateway(), DeviceStatus::Suspended),
		),
		("the gateway, lost", with_status(gateway(), DeviceStatus::Lost)),
		("the gateway, retired", retired()),
	]
	.into_iter()
	.map(|(name, record)| Vector {
		name,
		did: network().did(&record.device),
		record: hex(&record.encode()),
		public_keys: record.keys.iter().map(|key| hex(key.public.as_bytes())).collect(),
		resolution: Resolution::found(&network(), &record),
	})
	.collect();
	let device = meter().device;
	let good = network().did(&device);
	let failures = [
		good.to_uppercase(),
		format!("{good}#key"),
		good.replacen("did:m2m", "did:other", 1),
		Network::new([0x44; 32], 42).did(&device),
	]
	.into_iter()
	.map(|did| Failure {
		resolution: Resolution::failed(&network().parse(&did).unwrap_err()),
		did,
	})
	.collect();
	Vectors {
		description: "What a device's record (SCALE, as DidApi.did_document answers) resolves to. public_keys are the raw keys in the order of the record.",
		genesis: hex(&[0x11; 32]),
		ss58_prefix: 42,
		documents,
		failures,
	}
}

#[test]
fn the_golden_vectors_hold() {
	let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/documents.json");
	let expected = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
	if std::env::var_os("UPDATE_VECTORS").is_some() {
		fs::write(&file, &expected).unwrap();
	}
	assert_eq!(fs::read_to_string(&file).unwrap(), expected);
}

#[test]
fn the_record_of_a_vector_gives_its_document() {
	// Starts from the file, as a client in another language would.
	let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/documents.json");
	let stored: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
	let documents = stored["documents"].as_array().unwrap();
	assert_eq!(documents.len(), 5);
	for vector in documents {
		let bytes = hex::decode(&vector["record"].as_str().unwrap()[2..]).unwrap();
		let record = DidRecord::decode(&mut bytes.as_slice()).unwrap();
		let device = network().parse(vector["did"].as_str().unwrap()).unwrap();
		assert_eq!(record.device, device);
		let resolution = serde_json::to_value(Resolution::found(&network(), &record)).unwrap();
		assert_eq!(resolution, vector["resolution"], "{}", vector["name"]);
	}
}

#[test]
fn a_meters_document_says_who_it_is_and_who_controls_it() {
	let record = meter();
	let did = network().did(&record.device);
	let method = format!("{did}#{}", multikey(&record.keys[0].public));
	assert_eq!(
		document(&record),
		json!({
			"@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
			"id": did,
			"controller": network().account_did(&record.owner),
			"verificationMethod": [{
				"id": method,
				"type": "Multikey",
				"controller": did,
				"publicKeyMultibase": multikey(&record.keys[0].public),
			}],
			"authentication": [method],
			"assertionMethod": [method],
		})
	);
}

#[test]
fn a_known_key_has_its_known_multikey() {
	// From the did:key specification: the Ed25519 key and its identifier.
	let raw = hex::decode("2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6").unwrap();
	let public = DevicePublic::Ed25519(ed25519::Public::from_raw(raw.try_into().unwrap()));
	assert_eq!(
		multikey(&public),
		"z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
	);
}

#[test]
fn roles_become_relationships() {
	for bits in 1..8 {
		let roles = roles(bits);
		let mut record = meter();
		record.keys[0].roles = roles;
		let document = document(&record);
		let id = document["verificationMethod"][0]["id"]
			.as_str()
			.unwrap()
			.to_owned();
		let if_role = |has: bool| if has { vec![id.clone()] } else { vec![] };
		assert_eq!(
			related(&document, "authentication"),
			if_role(roles.authenticate),
			"{roles:?}"
		);
		assert_eq!(
			related(&document, "assertionMethod"),
			if_role(roles.authenticate),
			"{roles:?}"
		);
		assert_eq!(
			related(&document, "capabilityInvocation"),
			if_role(roles.manage),
			"{roles:?}"
		);
		assert_eq!(
			related(&document, "capabilityDelegation"),
			if_role(roles.manage),
			"{roles:?}"
		);
	}
}

#[test]
fn a_rotated_key_is_listed_as_revoked_and_proves_nothing() {
	let document = document(&gateway());
	let rotated = &document["verificationMethod"][0];
	assert_eq!(rotated["revoked"], "2026-09-11T00:00:00.25Z");
	let text = serde_json::to_string(&RELATIONSHIPS.map(|name| related(&document, name))).unwrap();
	assert!(!text.contains(rotated["id"].as_str().unwrap()));
	for method in &document["verificationMethod"].as_array().unwrap()[1..] {
		assert_eq!(method.get("revoked"), None);
	}
}

#[test]
fn a_key_of_an_earlier_owner_proves_nothing_until_it_is_confirmed() {
	let record = gateway();
	let unconfirmed = format!(
		"{}#{}",
		network().did(&record.device),
		multikey(&ed25519_key(0x38))
	);
	let before = document(&record);
	assert_eq!(before["verificationMethod"][5]["id"], unconfirmed.as_str());
	for relationship in RELATIONSHIPS {
		assert!(!related(&before, relationship).contains(&unconfirmed));
	}
	let mut confirmed = record;
	confirmed.keys[5].state = KeyState::InUse;
	for relationship in RELATIONSHIPS {
		assert!(related(&document(&confirmed), relationship).contains(&unconfirmed));
	}
}

#[test]
fn a_key_record_tells_in_which_state_the_key_is() {
	let mut stored = KeyRecord {
		device: meter().device,
		public: ed25519_key(0x33),
		roles: Roles::ALL,
		generation: 3,
		valid_from: 5,
		valid_until: None,
		deliver_until: None,
	};
	let state = |stored: &KeyRecord, generation| DidKey::new(stored, generation).state;
	assert_eq!(state(&stored, 3), KeyState::InUse);
	assert_eq!(state(&stored, 4), KeyState::Unconfirmed);
	stored.valid_until = Some(9);
	stored.deliver_until = Some(12);
	assert_eq!(state(&stored, 3), KeyState::Rotated { at: 9 });
	// Rotated before the transfer: no confirmation brings it back.
	assert_eq!(state(&stored, 4), KeyState::Rotated { at: 9 });
	let key = DidKey::new(&stored, 3);
	assert_eq!((key.public, key.roles), (stored.public, stored.roles));
}

#[test]
fn a_suspended_or_lost_device_keeps_its_document_but_proves_nothing() {
	let active = document(&gateway());
	for (status, word) in [
		(DeviceStatus::Suspended, "suspended"),
		(DeviceStatus::Lost, "lost"),
	] {
		let record = with_status(gateway(), status);
		let stopped = document(&record);
		for field in ["id", "controller", "verificationMethod", "service"] {
			assert_eq!(stopped[field], active[field]);
		}
		for relationship in RELATIONSHIPS {
			assert_eq!(stopped.get(relationship), None, "{word} {relationship}");
		}
		let metadata = Resolution::found(&network(), &record).did_document_metadata;
		assert_eq!(metadata.deactivated, Some(false));
		assert_eq!(metadata.method.unwrap().status, word);
	}
}

#[test]
fn a_retired_device_is_deactivated() {
	let record = retired();
	assert_eq!(
		document(&record),
		json!({
			"@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
			"id": network().did(&record.device),
			"controller": network().account_did(&record.owner),
		})
	);
	let metadata = Resolution::found(&network(), &record).did_document_metadata;
	assert_eq!(metadata.deactivated, Some(true));
	assert_eq!(metadata.method.unwrap().status, "retired");
}

#[test]
fn services_are_listed_in_the_chains_order_with_a_namespace_for_their_kinds() {
	let document = document(&gateway());
	let did = document["id"].as_str().unwrap();
	assert_eq!(
		document["service"],
		json!([
			{ "id": format!("{did}#td"), "type": "WotThing", "serviceEndpoint": "https://example.com/things/7" },
			{ "id": format!("{did}#mqtt"), "type": "MqttBroker", "serviceEndpoint": "mqtts://broker.example.com:8883/site/7" },
		])
	);
	assert_eq!(
		document["@context"][2],
		json!({ "@vocab": "https://www.w3.org/ns/credentials/issuer-dependent#" })
	);
}

#[test]
fn the_result_names_the_version_and_what_this_method_adds() {
	let record = gateway();
	let result = serde_json::to_value(Resolution::found(&network(), &record)).unwrap();
	assert_eq!(result["didDocument"], document(&record));
	assert_eq!(
		result["didDocumentMetadata"],
		json!({
			"deactivated": false,
			"versionId": format!("0x{}", hex::encode(record.version())),
			"method": { "status": "active", "generation": 2, "authVersion": 5 },
		})
	);
	assert_eq!(
		result["didResolutionMetadata"],
		json!({ "contentType": "application/did+ld+json" })
	);
}

#[test]
fn each_failure_has_the_name_that_the_specification_gives_it() {
	let other_network = ResolutionError::OtherNetwork {
		named: "44444444".into(),
		here: "11111111".into(),
	};
	for (error, name) in [
		(ResolutionError::InvalidDid, "invalidDid"),
		(ResolutionError::MethodNotSupported, "methodNotSupported"),
		(other_network, "notFound"),
		(ResolutionError::UnknownDevice, "notFound"),
		(ResolutionError::UnknownBlock, "notFound"),
		(ResolutionError::Internal("disk".into()), "internalError"),
	] {
		assert_eq!(
			serde_json::to_value(Resolution::failed(&error)).unwrap(),
			json!({
				"didDocument": null,
				"didDocumentMetadata": {},
				"didResolutionMetadata": { "error": name, "message": error.to_string() },
			})
		);
	}
}

#[test]
fn a_moment_beyond_the_calendar_does_not_stop_the_document() {
	let mut record = meter();
	record.keys[0].state = KeyState::Rotated { at: u64::MAX };
	let document = document(&record);
	assert!(
		document["verificationMethod"][0]["revoked"]
			.as_str()
			.unwrap()
			.starts_with("9999-12-30")
	);
}

fn any_public() -> impl Strategy<Value = DevicePublic> {
	// Few distinct keys, so that two records often differ in one thing only.
	(0u8..3, 0u8..4).prop_map(|(scheme, byte)| match scheme {
		0 => DevicePublic::Sr25519(sr25519::Public::from_raw([byte; 32])),
		1 => DevicePublic::Ed25519(ed25519::Public::from_raw([byte; 32])),
		_ => DevicePublic::Ecdsa(ecdsa::Public::from_raw([byte; 33])),
	})
}

fn any_key() -> impl Strategy<Value = DidKey> {
	let state = prop_oneof![
		Just(KeyState::InUse),
		Just(KeyState::Unconfirmed),
		(0u64..3).prop_map(|at| KeyState::Rotated { at }),
	];
	(any_public(), 1u8..8, state).prop_map(|(public, bits, state)| key(public, roles(bits), state))
}

fn any_service() -> impl Strategy<Value = Service> {
	("[ab]", "[KL]", "urn:[xy]").prop_map(|(id, kind, endpoint)| service(&id, &kind, &endpoint))
}

fn any_record() -> impl Strategy<Value = DidRecord> {
	let status = prop_oneof![
		Just(DeviceStatus::Active),
		Just(DeviceStatus::Suspended),
		Just(DeviceStatus::Lost),
		Just(DeviceStatus::Retired),
	];
	(
		0u8..2,
		0u8..2,
		status,
		0u32..2,
		0u32..2,
		prop::collection::vec(any_key(), 0..3),
		prop::collection::vec(any_service(), 0..3),
	)
		.prop_map(
			|(device, owner, status, generation, auth_version, keys, services)| DidRecord {
				device: DeviceId::new([device; 32]),
				owner: AccountId::new([owner; 32]),
				status,
				generation,
				auth_version,
				keys,
				services,
			},
		)
}

/// A record, and the same with one thing changed.
fn changed_record() -> impl Strategy<Value = (DidRecord, DidRecord)> {
	(any_record(), any_record(), 0u8..7).prop_map(|(record, other, field)| {
		let mut changed = record.clone();
		match field {
			0 => changed.device = other.device,
			1 => changed.owner = other.owner,
			2 => changed.status = other.status,
			3 => changed.generation = other.generation,
			4 => changed.auth_version = other.auth_version,
			5 => changed.keys = other.keys,
			_ => changed.services = other.services,
		}
		(record, changed)
	})
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(CASES))]

	#[test]
	fn a_document_never_changes_without_its_version((before, after) in changed_record()) {
		let first = serde_json::to_string(&Resolution::found(&network(), &before)).unwrap();
		let second = serde_json::to_string(&Resolution::found(&network(), &after)).unwrap();
		prop_assert_eq!(before == after, before.version() == after.version());
		if first != second {
			prop_assert_ne!(before.version(), after.version());
		}
		let again = serde_json::to_string(&Resolution::found(&network(), &before)).unwrap();
		prop_assert_eq!(first, again);
	}

	#[test]
	fn every_relationship_names_a_key_of_the_document_that_is_in_use(record in any_record()) {
		let document = document(&record);
		let empty = vec![];
		let methods = document.get("verificationMethod").map_or(&empty, |list| list.as_array().unwrap());
		prop_assert_eq!(methods.len(), record.keys.len());
		for relationship in RELATIONSHIPS {
			for id in related(&document, relationship) {
				let listed = methods
					.iter()
					.zip(&record.keys)
					.any(|(method, key)| method["id"] == id.as_str() && record.is_in_use(key));
				prop_assert!(listed, "{} {}", relationship, id);
			}
		}
	}

	#[test]
	fn a_multikey_holds_scheme_and_key_and_is_longer_than_any_service_id(
		scheme in 0u8..3,
		bytes: [u8; 32],
		sign in 2u8..4,
	) {
		let mut compressed = [sign; 33];
		compressed[1..].copy_from_slice(&bytes);
		let (public, codec) = match scheme {
			0 => (DevicePublic::Sr25519(sr25519::Public::from_raw(bytes)), [0xef, 0x01]),
			1 => (DevicePublic::Ed25519(ed25519::Public::from_raw(bytes)), [0xed, 0x01]),
			_ => (DevicePublic::Ecdsa(ecdsa::Public::from_raw(compressed)), [0xe7, 0x01]),
		};
		let text = multikey(&public);
		prop_assert!(text.len() >= 48, "{}", text);
		let (base, decoded) = multibase::decode(&text).unwrap();
		prop_assert_eq!(base, multibase::Base::Base58Btc);
		prop_assert_eq!(&decoded[..2], &codec);
		prop_assert_eq!(&decoded[2..], public.as_bytes());
	}
}
