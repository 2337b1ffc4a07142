//! Golden vectors of anchors, mountain-range leaves and envelopes, for firmware and gateways in other languages.
//!
//! `UPDATE_VECTORS=1 cargo test -p m2m-anchor --test envelopes` writes `vectors/anchors.json` anew. Otherwise the
//! file is checked: every byte string, and each signature by verifying it. Ed25519 and ECDSA signatures are
//! deterministic here and are compared too; sr25519 signatures differ each time.

use codec::{Decode, Encode, MaxEncodedLen};
use m2m_anchor::{Anchor, AnchorItem, MAX_ITEMS, SignedAnchors, StreamId, Summary};
use m2m_device::{AccountId, DeviceId, DevicePublic, DeviceSignature, UnixMs};
use m2m_merkle::{Aggregate, Batch, Reading, batch_secret};
use proptest::prelude::*;
use serde_json::{Value, json};
use sp_core::{Blake2Hasher, H256, Hasher, Pair, ecdsa, ed25519, sr25519};
use sp_runtime::BoundedVec;
use std::{collections::BTreeSet, fs, path::PathBuf};

const GENESIS: [u8; 32] = [0x11; 32];
const DEVICE: DeviceId = DeviceId::new([0x44; 32]);
const DEVICE_SECRET: [u8; 32] = [0x55; 32];
const SEED: [u8; 32] = [0x33; 32];
const EXPIRES: UnixMs = 1_789_084_800_000;
const MIDNIGHT: UnixMs = 1_781_308_800_000;
const SCHEMES: [&str; 3] = ["sr25519", "ed25519", "ecdsa"];
/// Bytes of an envelope's payload before its items.
const HEAD: usize = 14 + 32 + 32 + 32 + 8 + 1;

fn file() -> PathBuf {
	PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/anchors.json")
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

fn sign(scheme: &str, message: &[u8]) -> DeviceSignature {
	match scheme {
		"sr25519" => DeviceSignature::Sr25519(sr25519::Pair::from_seed(&SEED).sign(message)),
		"ed25519" => DeviceSignature::Ed25519(ed25519::Pair::from_seed(&SEED).sign(message)),
		_ => DeviceSignature::Ecdsa(ecdsa::Pair::from_seed(&SEED).sign(message)),
	}
}

fn raw(signature: &DeviceSignature) -> &[u8] {
	match signature {
		DeviceSignature::Sr25519(signature) => signature.as_ref(),
		DeviceSignature::Ed25519(signature) => signature.as_ref(),
		DeviceSignature::Ecdsa(signature) => signature.as_ref(),
	}
}

fn signature(scheme: &str, raw: &[u8]) -> DeviceSignature {
	match scheme {
		"sr25519" => DeviceSignature::Sr25519(sr25519::Signature::try_from(raw).expect("64 bytes")),
		"ed25519" => DeviceSignature::Ed25519(ed25519::Signature::try_from(raw).expect("64 bytes")),
		_ => DeviceSignature::Ecdsa(ecdsa::Signature::try_from(raw).expect("65 bytes")),
	}
}

/// A batch of one stream, and how its anchor shows it.
struct Case {
	name: &'static str,
	stream: StreamId,
	seq: u64,
	private: bool,
	readings: Vec<(UnixMs, i64)>,
}

/// Both kinds of anchor, one reading and many, and the ends of every field that a device fills in. Times stay
/// below 2^53, so that JSON readers of every language get them right.
fn cases() -> Vec<Case> {
	let quarter_hour = |start: UnixMs| {
		(0..15u32)
			.map(|minute| {
				(
					start + u64::from(minute) * 60_000,
					i64::from(minute * minute) - 20,
				)
			})
			.collect::<Vec<_>>()
	};
	vec![
		Case {
			name: "open, one reading",
			stream: 0,
			seq: 0,
			private: false,
			readings: vec![(MIDNIGHT, 250)],
		},
		Case {
			name: "open, a quarter of an hour by the minute",
			stream: 0,
			seq: 1,
			private: false,
			readings: quarter_hour(MIDNIGHT + 900_000),
		},
		Case {
			name: "private, one reading",
			stream: 1,
			seq: 0,
			private: true,
			readings: vec![(MIDNIGHT, -1)],
		},
		Case {
			name: "private, a quarter of an hour by the minute",
			stream: 1,
			seq: 7,
			private: true,
			readings: quarter_hour(MIDNIGHT),
		},
		Case {
			name: "open, extremes",
			stream: u32::MAX,
			seq: u64::MAX - 1,
			private: false,
			readings: vec![(0, i64::MIN), ((1 << 53) - 1, i64::MAX)],
		},
		Case {
			name: "private, extremes",
			stream: u32::MAX - 1,
			seq: u64::MAX - 1,
			private: true,
			readings: vec![(0, i64::MAX), (1, i64::MAX), ((1 << 53) - 1, i64::MAX)],
		},
	]
}

fn batch(case: &Case) -> Batch {
	let readings = case
		.readings
		.iter()
		.map(|(time_ms, value)| Reading {
			time_ms: *time_ms,
			value: *value,
		})
		.collect();
	let secret = batch_secret(&DEVICE_SECRET, case.stream, case.seq);
	Batch::new(&secret, readings).expect("times increase")
}

fn item(case: &Case) -> AnchorItem {
	let batch = batch(case);
	let aggregate = *batch.aggregate();
	let summary = if case.private {
		Summary::Private {
			aggregate_root: H256(batch.aggregate_root()),
			count: aggregate.count,
			t_first: aggregate.t_first,
			t_last: aggregate.t_last,
		}
	} else {
		Summary::Open {
			top_hash: H256(batch.top_hash()),
			aggregate,
		}
	};
	AnchorItem {
		stream: case.stream,
		seq: case.seq,
		anchor: Anchor {
			data_root: H256(batch.data_root()),
			summary,
		},
	}
}

fn anchor_bytes(anchor: &Anchor) -> Vec<u8> {
	let mut bytes = Vec::new();
	anchor.write_bytes(&mut bytes);
	bytes
}

/// Which anchors, by their place in the list, travel in which envelope.
fn envelopes() -> [(&'static str, UnixMs, &'static [usize]); 4] {
	[
		("one open anchor, no expiry", 0, &[1]),
		("one private anchor, no expiry", 0, &[3]),
		(
			"every anchor and two of them twice, with expiry",
			EXPIRES,
			&[0, 1, 2, 3, 4, 5, 1, 3],
		),
		("one open anchor, latest expiry", (1 << 53) - 1, &[0]),
	]
}

fn payload(key: &AccountId, expires: UnixMs, members: &[usize]) -> Vec<u8> {
	let cases = cases();
	let items: Vec<AnchorItem> = members.iter().map(|member| item(&cases[*member])).collect();
	SignedAnchors::signed_bytes(&GENESIS, &DEVICE, key, expires, &items)
}

fn anchor_vector(case: &Case) -> Value {
	let batch = batch(case);
	let aggregate = batch.aggregate();
	let item = item(case);
	json!({
		"name": case.name,
		"stream": case.stream,
		"seq": case.seq.to_string(),
		"private": case.private,
		"batch_secret": hex(batch_secret(&DEVICE_SECRET, case.stream, case.seq)),
		"readings": case
			.readings
			.iter()
			.map(|(time, value)| json!([time, value.to_string()]))
			.collect::<Vec<_>>(),
		"data_root": hex(batch.data_root()),
		"aggregate_top_hash": hex(batch.top_hash()),
		"aggregate_bytes": hex(aggregate.to_bytes()),
		"aggregate_root": hex(batch.aggregate_root()),
		"anchor": hex(anchor_bytes(&item.anchor)),
		"range_leaf": hex(item.anchor.range_leaf(&DEVICE, item.stream, item.seq)),
	})
}

fn vectors() -> Value {
	let anchors: Vec<Value> = cases().iter().map(anchor_vector).collect();
	let keys: Vec<Value> = SCHEMES
		.iter()
		.map(|scheme| {
			let public = public(scheme);
			let envelopes: Vec<Value> = envelopes()
				.into_iter()
				.map(|(name, expires, members)| {
					let payload = payload(&public.account(), expires, members);
					json!({
						"name": name,
						"expires": expires,
						"anchors": members,
						"payload": hex(&payload),
						"signature": hex(raw(&sign(scheme, &payload))),
					})
				})
				.collect();
			json!({
				"scheme": scheme,
				"scheme_byte": public.scheme(),
				"public": hex(public.as_bytes()),
				"account": hex(public.account()),
				"envelopes": envelopes,
			})
		})
		.collect();
	json!({
		"description": "Anchors with their mountain-range leaves, and envelopes of them. An envelope lists its anchors by their places in 'anchors', from 0. sr25519 signs with context 'substrate' and is not deterministic: verify it. ECDSA signs the blake2-256 hash of the payload and has 65 bytes (r, s, recovery id).",
		"seed": hex(SEED),
		"genesis": hex(GENESIS),
		"device": hex(DEVICE),
		"device_secret": hex(DEVICE_SECRET),
		"anchors": anchors,
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
		let stored = key["envelopes"].as_array_mut().expect("a list of envelopes");
		assert_eq!(stored.len(), envelopes().len());
		for (stored, expected) in stored
			.iter_mut()
			.zip(expected["envelopes"].as_array_mut().expect("a list"))
		{
			let payload = bytes(&stored["payload"]);
			let signed = signature(scheme, &bytes(&stored["signature"]));
			assert!(public.verify(&payload, &signed), "{scheme} {}", stored["name"]);
			if *scheme == "sr25519" {
				stored["signature"] = Value::Null;
				expected["signature"] = Value::Null;
			}
		}
	}
	assert_eq!(stored, expected);
}

#[test]
fn anchors_are_laid_out_as_documented() {
	for case in cases() {
		let AnchorItem { anchor, .. } = item(&case);
		let bytes = anchor_bytes(&anchor);
		let batch = batch(&case);
		let aggregate = batch.aggregate();
		assert_eq!(bytes[..32], batch.data_root());
		if case.private {
			assert_eq!(bytes.len(), 88);
			assert_eq!(bytes[32..64], batch.aggregate_root());
			assert_eq!(bytes[64..72], (case.readings.len() as u64).to_le_bytes());
			assert_eq!(bytes[72..80], aggregate.t_first.to_le_bytes());
			assert_eq!(bytes[80..], aggregate.t_last.to_le_bytes());
		} else {
			assert_eq!(bytes.len(), 128);
			assert_eq!(bytes[32..64], batch.top_hash());
			assert_eq!(bytes[64..], aggregate.to_bytes());
		}
	}
}

#[test]
fn a_range_leaf_hashes_its_place_and_the_anchor() {
	for case in cases() {
		let AnchorItem { anchor, stream, seq } = item(&case);
		let input = [
			&[0x0c][..],
			DEVICE.as_ref(),
			&stream.to_le_bytes(),
			&seq.to_le_bytes(),
			&anchor_bytes(&anchor),
		]
		.concat();
		let leaf = anchor.range_leaf(&DEVICE, stream, seq);
		assert_eq!(leaf, Blake2Hasher::hash(&input));
		assert_ne!(leaf, anchor.range_leaf(&AccountId::new([0x45; 32]), stream, seq));
		assert_ne!(leaf, anchor.range_leaf(&DEVICE, stream ^ 1, seq));
		assert_ne!(leaf, anchor.range_leaf(&DEVICE, stream, seq ^ 1));
	}
}

#[test]
fn an_envelope_is_laid_out_as_documented() {
	let cases = cases();
	for scheme in SCHEMES {
		let account = public(scheme).account();
		for (_, expires, members) in envelopes() {
			let bytes = payload(&account, expires, members);
			assert_eq!(&bytes[..14], b"m2m/anchors/v1");
			assert_eq!(bytes[14..46], GENESIS);
			assert_eq!(bytes[46..78], [0x44; 32]);
			assert_eq!(&bytes[78..110], account.as_ref() as &[u8]);
			assert_eq!(bytes[110..118], expires.to_le_bytes());
			assert_eq!(usize::from(bytes[118]), members.len());
			let mut at = HEAD;
			for member in members {
				let case = &cases[*member];
				assert_eq!(bytes[at..at + 4], case.stream.to_le_bytes());
				assert_eq!(bytes[at + 4..at + 12], case.seq.to_le_bytes());
				assert_eq!(bytes[at + 12], u8::from(case.private));
				let anchor = anchor_bytes(&item(case).anchor);
				assert_eq!(bytes[at + 13..at + 13 + anchor.len()], anchor);
				at += 13 + anchor.len();
			}
			assert_eq!(at, bytes.len());
		}
	}
}

fn envelope(scheme: &str) -> SignedAnchors {
	let key = public(scheme).account();
	let cases = cases();
	let items: Vec<AnchorItem> = cases.iter().map(item).collect();
	let bytes = SignedAnchors::signed_bytes(&GENESIS, &DEVICE, &key, EXPIRES, &items);
	SignedAnchors {
		device: DEVICE,
		key,
		expires: EXPIRES,
		items: BoundedVec::truncate_from(items),
		signature: sign(scheme, &bytes),
	}
}

#[test]
fn an_envelope_holds_for_its_chain_and_its_key_alone() {
	for scheme in SCHEMES {
		let signed = envelope(scheme);
		assert!(signed.verify(&GENESIS, &public(scheme)));
		let mut other_chain = GENESIS;
		other_chain[31] ^= 1;
		assert!(!signed.verify(&other_chain, &public(scheme)));
		for other in SCHEMES {
			assert_eq!(signed.verify(&GENESIS, &public(other)), other == scheme);
		}
	}
}

/// Whatever is altered on the way in an encoded envelope, it fails to decode, decodes to the same, or fails to
/// verify.
#[test]
fn no_byte_of_an_envelope_can_be_altered() {
	let honest = envelope("ed25519");
	let public = public("ed25519");
	let encoded = honest.encode();
	let mut decoded = 0;
	for at in 0..encoded.len() {
		let mut altered = encoded.clone();
		altered[at] ^= 0x01;
		let Ok(envelope) = SignedAnchors::decode(&mut &altered[..]) else {
			continue;
		};
		decoded += 1;
		assert_ne!(envelope, honest);
		assert!(!envelope.verify(&GENESIS, &public), "byte {at}");
	}
	// Lengths and variant numbers are few; everything else decodes.
	assert!(decoded > encoded.len() - 12, "{decoded} of {}", encoded.len());
}

#[test]
fn an_envelope_of_nine_anchors_does_not_decode() {
	let full: Vec<AnchorItem> = cases().iter().map(item).cycle().take(9).collect();
	let with = |items: &[AnchorItem]| {
		let signature = envelope("ecdsa").signature;
		(DEVICE, DEVICE, EXPIRES, items.to_vec(), signature).encode()
	};
	assert_eq!(MAX_ITEMS, 8);
	assert!(SignedAnchors::decode(&mut &with(&full[..8])[..]).is_ok());
	assert!(SignedAnchors::decode(&mut &with(&full)[..]).is_err());
}

#[test]
fn encoded_sizes_stay_within_their_bounds() {
	for case in cases() {
		let AnchorItem { anchor, .. } = item(&case);
		// Like the signed bytes, with one byte for the kind of summary.
		assert_eq!(anchor.encode().len(), anchor_bytes(&anchor).len() + 1);
	}
	assert_eq!(Anchor::max_encoded_len(), 129);
	assert_eq!(AnchorItem::max_encoded_len(), 4 + 8 + 129);
	// Device, key, expiry, one byte of length, eight items, an ECDSA signature with its variant.
	assert_eq!(SignedAnchors::max_encoded_len(), 32 + 32 + 8 + 1 + 8 * 141 + 66);
}

fn any_anchor() -> impl Strategy<Value = Anchor> {
	let hash = || any::<[u8; 32]>().prop_map(H256);
	let open = (hash(), hash(), any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(
		|(data_root, top_hash, one, other)| {
			let mut bytes = [0; 64];
			bytes[..32].copy_from_slice(&one);
			bytes[32..].copy_from_slice(&other);
			Anchor {
				data_root,
				summary: Summary::Open {
					top_hash,
					aggregate: Aggregate::from_bytes(&bytes),
				},
			}
		},
	);
	let private = (hash(), hash(), any::<u64>(), any::<u64>(), any::<u64>()).prop_map(
		|(data_root, aggregate_root, count, t_first, t_last)| Anchor {
			data_root,
			summary: Summary::Private {
				aggregate_root,
				count,
				t_first,
				t_last,
			},
		},
	);
	prop_oneof![open, private]
}

/// Reads an anchor back from its fixed bytes, as a receiver in another language would.
fn read_anchor(private: bool, bytes: &[u8]) -> Anchor {
	let hash = |at: usize| H256::from_slice(&bytes[at..at + 32]);
	let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
	let summary = if private {
		Summary::Private {
			aggregate_root: hash(32),
			count: word(64),
			t_first: word(72),
			t_last: word(80),
		}
	} else {
		Summary::Open {
			top_hash: hash(32),
			aggregate: Aggregate::from_bytes(bytes[64..128].try_into().expect("64 bytes")),
		}
	};
	Anchor {
		data_root: hash(0),
		summary,
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(2_000))]

	/// Two different envelopes never sign the same bytes: the payload can be read back.
	#[test]
	fn what_was_signed_can_be_read_back(
		device in any::<[u8; 32]>(),
		key in any::<[u8; 32]>(),
		expires in any::<u64>(),
		items in prop::collection::vec((any::<u32>(), any::<u64>(), any_anchor()), 0..=8),
	) {
		let items: Vec<AnchorItem> = items
			.into_iter()
			.map(|(stream, seq, anchor)| AnchorItem { stream, seq, anchor })
			.collect();
		let bytes = SignedAnchors::signed_bytes(
			&GENESIS,
			&DeviceId::new(device),
			&AccountId::new(key),
			expires,
			&items,
		);
		prop_assert_eq!(&bytes[46..78], &device);
		prop_assert_eq!(&bytes[78..110], &key);
		prop_assert_eq!(&bytes[110..118], &expires.to_le_bytes());
		let mut rest = &bytes[HEAD..];
		let mut read = Vec::new();
		for _ in 0..bytes[118] {
			let private = rest[12] == 1;
			let end = if private { 13 + 88 } else { 13 + 128 };
			read.push(AnchorItem {
				stream: u32::from_le_bytes(rest[..4].try_into().expect("four bytes")),
				seq: u64::from_le_bytes(rest[4..12].try_into().expect("eight bytes")),
				anchor: read_anchor(private, &rest[13..end]),
			});
			rest = &rest[end..];
		}
		prop_assert!(rest.is_empty());
		prop_assert_eq!(read, items);
	}

	/// Open and private anchors of the same batch, and the same anchor in two places, are different leaves.
	#[test]
	fn leaves_of_different_places_differ(
		places in prop::collection::vec((any::<u8>(), 0u32..3, 0u64..3), 1..20),
		anchor in any_anchor(),
	) {
		let different: BTreeSet<_> = places.iter().collect();
		let leaves: BTreeSet<H256> = places
			.iter()
			.map(|(device, stream, seq)| anchor.range_leaf(&DeviceId::new([*device; 32]), *stream, *seq))
			.collect();
		prop_assert_eq!(leaves.len(), different.len());
	}
}
