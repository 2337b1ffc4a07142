//! Golden vectors of device ids and proofs of possession, for firmware in other languages.
//!
//! `UPDATE_VECTORS=1 cargo test -p m2m-device --test possession` writes `vectors/possession.json` anew. Otherwise
//! the file is checked: ids, accounts and payloads byte for byte, and each signature by verifying it. Ed25519 and
//! ECDSA signatures are deterministic here and are compared too; sr25519 signatures differ each time.

use m2m_device::{AccountId, DevicePublic, DeviceSignature, KeyClaim, PossessionAction, Roles};
use serde_json::{Value, json};
use sp_core::{Pair, ecdsa, ed25519, sr25519};
use std::{fs, path::PathBuf};

const GENESIS: [u8; 32] = [0x11; 32];
const OWNER: AccountId = AccountId::new([0x22; 32]);
const EXPIRES: u64 = 1_789_084_800_000;
const SEED: [u8; 32] = [0x33; 32];
const SCHEMES: [&str; 3] = ["sr25519", "ed25519", "ecdsa"];

fn file() -> PathBuf {
	PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/possession.json")
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
	format!("0x{}", hex::encode(bytes))
}

fn bytes(value: &Value) -> Vec<u8> {
	let text = value.as_str().expect("a string of hex digits");
	hex::decode(text.strip_prefix("0x").expect("starts with 0x")).expect("hex digits")
}

fn public(scheme: &str) -> DevicePublic {
	match scheme {
		"sr25519" => DevicePublic::Sr25519(sr25519::Pair::from_seed(&SEED).public()),
		"ed25519" => DevicePublic::Ed25519(ed25519::Pair::from_seed(&SEED).public()),
		_ => DevicePublic::Ecdsa(ecdsa::Pair::from_seed(&SEED).public()),
	}
}

fn sign(scheme: &str, message: &[u8]) -> Vec<u8> {
	match scheme {
		"sr25519" => sr25519::Pair::from_seed(&SEED).sign(message).0.to_vec(),
		"ed25519" => ed25519::Pair::from_seed(&SEED).sign(message).0.to_vec(),
		_ => ecdsa::Pair::from_seed(&SEED).sign(message).0.to_vec(),
	}
}

fn signature(scheme: &str, raw: &[u8]) -> DeviceSignature {
	match scheme {
		"sr25519" => DeviceSignature::Sr25519(sr25519::Signature::try_from(raw).expect("64 bytes")),
		"ed25519" => DeviceSignature::Ed25519(ed25519::Signature::try_from(raw).expect("64 bytes")),
		_ => DeviceSignature::Ecdsa(ecdsa::Signature::try_from(raw).expect("65 bytes")),
	}
}

/// Every act with roles that show each bit.
fn acts() -> [(&'static str, PossessionAction, Roles); 4] {
	[
		("register", PossessionAction::Register, Roles::ALL),
		("add", PossessionAction::Add, Roles::AUTHENTICATE),
		(
			"rotate",
			PossessionAction::Rotate,
			Roles {
				authenticate: false,
				trade: true,
				manage: false,
			},
		),
		(
			"confirm",
			PossessionAction::Confirm,
			Roles {
				authenticate: false,
				trade: false,
				manage: true,
			},
		),
	]
}

fn payload(public: &DevicePublic, action: PossessionAction, roles: Roles) -> Vec<u8> {
	// A key that joins a device is not the one that the id comes from; any other id will do.
	let device = AccountId::new([0x44; 32]);
	KeyClaim {
		genesis: GENESIS,
		action,
		owner: &OWNER,
		device: (action != PossessionAction::Register).then_some(&device),
		roles,
		public,
		expires: EXPIRES,
	}
	.signed_bytes()
}

fn vectors() -> Value {
	let keys: Vec<Value> = SCHEMES
		.iter()
		.map(|scheme| {
			let public = public(scheme);
			let proofs: Vec<Value> = acts()
				.into_iter()
				.map(|(name, action, roles)| {
					let payload = payload(&public, action, roles);
					json!({
						"action": name,
						"roles": roles.bits(),
						"payload": hex(&payload),
						"signature": hex(sign(scheme, &payload)),
					})
				})
				.collect();
			json!({
				"scheme": scheme,
				"scheme_byte": public.scheme(),
				"public": hex(public.as_bytes()),
				"account": hex(public.account()),
				"device_id": hex(public.device_id()),
				"proofs": proofs,
			})
		})
		.collect();
	json!({
		"description": "Device ids and proofs of possession. sr25519 signs with context 'substrate' and is not deterministic: verify it. ECDSA signs the blake2-256 hash of the payload and has 65 bytes (r, s, recovery id).",
		"seed": hex(SEED),
		"genesis": hex(GENESIS),
		"owner": hex(OWNER),
		"device": hex([0x44; 32]),
		"expires": EXPIRES,
		"keys": keys,
	})
}

#[test]
fn the_golden_vectors_hold() {
	if std::env::var_os("UPDATE_VECTORS").is_some() {
		let text = serde_json::to_string_pretty(&vectors()).expect("serialises");
		fs::write(file(), text + "\n").expect("the vectors can be written");
	}
	let mut stored: Value = serde_json::from_str(&fs::read_to_string(file()).expect("the vectors are there"))
		.expect("they are JSON");
	let mut expected = vectors();

	let keys = stored["keys"].as_array_mut().expect("a list of keys");
	assert_eq!(keys.len(), SCHEMES.len());
	let expected_keys = expected["keys"].as_array_mut().expect("a list of keys");
	for (scheme, (key, expected)) in SCHEMES.iter().zip(keys.iter_mut().zip(expected_keys)) {
		let public = public(scheme);
		let proofs = key["proofs"].as_array_mut().expect("a list of proofs");
		assert_eq!(proofs.len(), acts().len());
		for (proof, expected) in proofs
			.iter_mut()
			.zip(expected["proofs"].as_array_mut().expect("a list"))
		{
			let payload = bytes(&proof["payload"]);
			let signed = signature(scheme, &bytes(&proof["signature"]));
			assert!(public.verify(&payload, &signed), "{scheme} {}", proof["action"]);
			let mut altered = payload.clone();
			altered[116] ^= 1;
			assert!(
				!public.verify(&altered, &signed),
				"{scheme} {} of another key",
				proof["action"]
			);
			if *scheme == "sr25519" {
				proof["signature"] = Value::Null;
				expected["signature"] = Value::Null;
			}
		}
	}
	assert_eq!(stored, expected);
}

#[test]
fn the_payload_is_laid_out_as_documented() {
	for (scheme, length) in SCHEMES.into_iter().zip([156, 156, 157]) {
		let public = public(scheme);
		let bytes = payload(&public, PossessionAction::Add, Roles::AUTHENTICATE);
		assert_eq!(bytes.len(), length);
		assert_eq!(&bytes[..17], b"m2m/possession/v1");
		assert_eq!(bytes[17..49], GENESIS);
		assert_eq!(bytes[49], 1);
		assert_eq!(bytes[50..82], [0x22; 32]);
		assert_eq!(bytes[82..114], [0x44; 32]);
		assert_eq!(bytes[114], 1);
		assert_eq!(bytes[115], public.scheme());
		assert_eq!(&bytes[116..length - 8], public.as_bytes());
		assert_eq!(bytes[length - 8..], EXPIRES.to_le_bytes());
	}
	let registering = payload(&public("ed25519"), PossessionAction::Register, Roles::ALL);
	assert_eq!(registering[82..114], [0; 32]);
	assert_eq!(registering[114], 7);
}

#[test]
fn a_signature_of_another_scheme_is_never_valid() {
	for scheme in SCHEMES {
		let public = public(scheme);
		let message = payload(&public, PossessionAction::Register, Roles::ALL);
		for other in SCHEMES {
			let valid = public.verify(&message, &signature(other, &sign(other, &message)));
			assert_eq!(valid, other == scheme, "{other} signature for {scheme}");
		}
	}
}

#[test]
fn each_scheme_gives_its_own_device_id() {
	let raw = [0x5a; 32];
	let as_sr25519 = DevicePublic::Sr25519(sr25519::Public::from_raw(raw));
	let as_ed25519 = DevicePublic::Ed25519(ed25519::Public::from_raw(raw));
	assert_eq!(as_sr25519.account(), as_ed25519.account());
	assert_ne!(as_sr25519.device_id(), as_ed25519.device_id());
}
