//! Bytes that must never change: the sales of an independent implementation, and our own vectors for what it
//! has not.
//!
//! `UPDATE_VECTORS=1 cargo test -p m2m-fair-exchange` writes `vectors/terms.json` anew. Otherwise the file is
//! checked: every byte string, and each signature by verifying it. Ed25519 and ECDSA signatures are
//! deterministic here and are compared too; sr25519 signatures differ each time.

use crate::sale::Sale;
use codec::{Decode, Encode};
use m2m_device::{AccountId, DevicePublic, DeviceSignature};
use m2m_fair_exchange::{
	Blind, BlindedKey, NotGuilty, Place, SaleEvidence, SaleRange, SaleTerms, SealedLeaf, Sealer, SealingKey,
	SignedTerms, SoldAnchor, SoldAnchors,
};
use m2m_merkle::{Batch, DataTree, Hash, Reading, reading};
use serde_json::{Value, json};
use sp_core::{H256, Pair, ecdsa, ed25519, sr25519};
use std::{collections::BTreeMap, fs, path::PathBuf};

const GENESIS: [u8; 32] = [0x11; 32];
const SEED: [u8; 32] = [0x33; 32];
const SELLER_SECRET: [u8; 32] = [0x77; 32];
const SCHEMES: [&str; 3] = ["sr25519", "ed25519", "ecdsa"];

fn file() -> PathBuf {
	PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/terms.json")
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
	format!("0x{}", hex::encode(bytes))
}

fn bytes(value: &Value) -> Vec<u8> {
	hex::decode(value.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
	bytes(value).try_into().unwrap()
}

fn small<T: TryFrom<u64>>(value: &Value) -> T {
	value.as_u64().unwrap().try_into().ok().unwrap()
}

fn place(value: &Value) -> Place {
	Place {
		seq: small(&value[0]),
		index: small(&value[1]),
	}
}

#[test]
fn sales_are_those_of_the_independent_implementation() {
	let vectors: Value =
		serde_json::from_str(include_str!("../../../merkle/vectors/commitments.json")).unwrap();
	let sales = vectors["sales"].as_array().unwrap();
	assert_eq!(sales.len(), 4);
	for sale in sales {
		let mut batches = BTreeMap::new();
		for vector in sale["batches"].as_array().unwrap() {
			let readings: Vec<Reading> = vector["readings"]
				.as_array()
				.unwrap()
				.iter()
				.map(|pair| Reading {
					time_ms: small(&pair[0]),
					value: pair[1].as_str().unwrap().parse().unwrap(),
				})
				.collect();
			let secret: Hash = array(&vector["secret"]);
			let batch = Batch::new(&secret, readings).unwrap();
			assert_eq!(batch.data_root(), array::<32>(&vector["data_root"]));
			batches.insert(small::<u64>(&vector["seq"]), (secret, batch));
		}
		let anchors: Vec<SoldAnchor> = batches
			.iter()
			.map(|(seq, (_, batch))| SoldAnchor {
				seq: *seq,
				count: batch.len(),
				data_root: H256(batch.data_root()),
			})
			.collect();
		let range = SaleRange {
			stream: 0,
			first: place(&sale["first"]),
			last: place(&sale["last"]),
		};
		let sold = SoldAnchors::new(&range, &anchors).unwrap();

		let blinded = BlindedKey(array(&sale["blinded_key"]));
		let blind = Blind(array(&sale["blind"]));
		let key = SealingKey::new(&blinded, &blind);
		assert_eq!(key.0, array::<32>(&sale["key"]));
		assert_eq!(blinded.commitment().0, array::<32>(&sale["commit_blinded_key"]));
		assert_eq!(blind.commitment().0, array::<32>(&sale["commit_blind"]));

		let items = sale["items"].as_array().unwrap();
		assert_eq!(items.len(), sold.len() as usize);
		let mut sealer = Sealer::new(&sold, key);
		let mut pairs = Vec::new();
		for ((position, at), item) in (0u32..).zip(sold.places()).zip(items) {
			assert_eq!(position, small::<u32>(&item["position"]));
			assert_eq!(
				(at.seq, at.index),
				(small::<u64>(&item["seq"]), small::<u32>(&item["index"]))
			);
			let (secret, batch) = &batches[&at.seq];
			let salt = reading::salt(secret, at.index);
			let reading = batch.readings()[at.index as usize];
			assert_eq!(
				[&salt[..], &reading.to_bytes()].concat(),
				bytes(&item["plaintext"])
			);
			let leaf = sealer.seal(&salt, &reading).unwrap();
			assert_eq!(leaf.sealed, array::<32>(&item["sealed"]));
			assert_eq!(leaf.leaf, array::<32>(&item["leaf_hash"]));
			assert_eq!(leaf.pair(position, at), array::<32>(&item["pair"]));
			assert_eq!(leaf.open(&key, position, at.index), Some((salt, reading)));
			pairs.push(leaf.pair(position, at));
		}
		let root = array::<32>(&sale["sale_root"]);
		assert_eq!(sealer.finish(), Ok(H256(root)));
		let tree = DataTree::new(pairs).unwrap();
		assert_eq!(tree.root(), root);
		let path: Vec<Hash> = sale["path"].as_array().unwrap().iter().map(array).collect();
		assert_eq!(tree.open(small(&sale["path_position"])).unwrap(), path);
	}
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
		"sr25519" => DeviceSignature::Sr25519(raw.try_into().unwrap()),
		"ed25519" => DeviceSignature::Ed25519(raw.try_into().unwrap()),
		_ => DeviceSignature::Ecdsa(raw.try_into().unwrap()),
	}
}

/// Terms in which no two fields look alike, and the ends of every number. JSON has integers of 53 bits, so
/// larger ones are written as text.
fn terms() -> [(&'static str, SaleTerms); 2] {
	let terms = SaleTerms {
		listing: 0x0102_0304,
		version: 0x0506_0708,
		device: AccountId::new([0x21; 32]),
		generation: 0x090a_0b0c,
		range: SaleRange {
			stream: 0x0d0e_0f10,
			first: Place {
				seq: 0x1112_1314_1516_1718,
				index: 0x191a_1b1c,
			},
			last: Place {
				seq: 0x1d1e_1f20_2122_2324,
				index: 0x2526_2728,
			},
		},
		range_commitment: H256([0x22; 32]),
		leaves: 0x292a_2b2c,
		seller: AccountId::new([0x23; 32]),
		buyer: AccountId::new([0x24; 32]),
		price: 0x2d2e_2f30_3132_3334_3536_3738_393a_3b3c,
		sale_root: H256([0x25; 32]),
		blinded_key_commitment: H256([0x26; 32]),
		blind_commitment: H256([0x27; 32]),
		reveal_window: 0x3d3e_3f40,
		dispute_window: 0x4142_4344,
		nonce: 0x4546_4748_494a_4b4c,
		expires: 0x4d4e_4f50,
	};
	let extremes = SaleTerms {
		listing: 0,
		version: u32::MAX,
		range: SaleRange {
			stream: u32::MAX,
			first: Place { seq: 0, index: 0 },
			last: Place {
				seq: u64::MAX,
				index: u32::MAX,
			},
		},
		leaves: u32::MAX,
		price: u128::MAX,
		nonce: u64::MAX,
		expires: u32::MAX,
		..terms.clone()
	};
	[("each field another", terms), ("extremes", extremes)]
}

fn terms_vector(name: &str, terms: &SaleTerms) -> Value {
	let payload = terms.signed_bytes(&GENESIS);
	let signatures: Vec<Value> = SCHEMES
		.iter()
		.map(|scheme| {
			let public = public(scheme);
			json!({
				"scheme": scheme,
				"scheme_byte": public.scheme(),
				"public": hex(public.as_bytes()),
				"signature": hex(sign(scheme, &payload)),
			})
		})
		.collect();
	json!({
		"name": name,
		"listing": terms.listing,
		"version": terms.version,
		"device": hex(&terms.device),
		"generation": terms.generation,
		"stream": terms.range.stream,
		"first": [terms.range.first.seq.to_string(), terms.range.first.index],
		"last": [terms.range.last.seq.to_string(), terms.range.last.index],
		"range_commitment": hex(terms.range_commitment),
		"leaves": terms.leaves,
		"seller": hex(&terms.seller),
		"buyer": hex(&terms.buyer),
		"price": terms.price.to_string(),
		"sale_root": hex(terms.sale_root),
		"blinded_key_commitment": hex(terms.blinded_key_commitment),
		"blind_commitment": hex(terms.blind_commitment),
		"reveal_window": terms.reveal_window,
		"dispute_window": terms.dispute_window,
		"nonce": terms.nonce.to_string(),
		"expires": terms.expires,
		"signed_bytes": hex(&payload),
		"sale_id": hex(terms.sale_id(&GENESIS)),
		"derived_blinded_key": hex(terms.blinded_key(&GENESIS, &SELLER_SECRET).0),
		"signatures": signatures,
	})
}

fn anchor_vector(anchor: &SoldAnchor) -> Value {
	json!({ "seq": anchor.seq, "count": anchor.count, "data_root": hex(anchor.data_root) })
}

/// Anchors of which the commitment covers one, a perfect tree and an odd one.
fn commitment_vector(anchors: u64) -> Value {
	let anchors: Vec<SoldAnchor> = (0..anchors)
		.map(|at| SoldAnchor {
			seq: 5 + at * at,
			count: 1 + at,
			data_root: H256([0x30 + at as u8; 32]),
		})
		.collect();
	let last = anchors[anchors.len() - 1];
	let range = SaleRange {
		stream: 3,
		first: Place { seq: 5, index: 0 },
		last: Place {
			seq: last.seq,
			index: (last.count - 1) as u32,
		},
	};
	let sold = SoldAnchors::new(&range, &anchors).unwrap();
	json!({
		"anchors": anchors.iter().map(anchor_vector).collect::<Vec<_>>(),
		"leaves": sold.len(),
		"range_commitment": hex(sold.commitment()),
	})
}

/// A sale in which one leaf is false, and the evidence.
fn dispute_vector() -> Value {
	let mut sale = Sale::small();
	sale.cheat(4, [0xee; 32]);
	let evidence = sale.evidence(4);
	assert_eq!(sale.judge(&evidence), Ok(()));
	json!({
		"anchors": sale.anchors.iter().map(anchor_vector).collect::<Vec<_>>(),
		"before": sale.edges.before.iter().map(hex).collect::<Vec<_>>(),
		"after": sale.edges.after.iter().map(hex).collect::<Vec<_>>(),
		"delivered": sale.delivered.iter().map(|leaf| hex(leaf.encode())).collect::<Vec<_>>(),
		"terms": hex(sale.terms.encode()),
		"sale_id": hex(sale.terms.sale_id(&GENESIS)),
		"blinded_key": hex(sale.blinded.0),
		"blind": hex(sale.blind.0),
		"bad_position": 4,
		"evidence": hex(evidence.encode()),
	})
}

fn vectors() -> Value {
	json!({
		"description": "Terms of sales, range commitments and a dispute. sr25519 signs with context 'substrate' and is not deterministic: verify it. ECDSA signs the blake2-256 hash of the payload and has 65 bytes (r, s, recovery id). Evidence and terms are in SCALE. A delivered leaf is ciphertext (32), leaf hash (32).",
		"seed": hex(SEED),
		"genesis": hex(GENESIS),
		"seller_secret": hex(SELLER_SECRET),
		"terms": terms().iter().map(|(name, terms)| terms_vector(name, terms)).collect::<Vec<_>>(),
		"range_commitments": Vec::from([1, 2, 4, 7].map(commitment_vector)),
		"dispute": dispute_vector(),
	})
}

#[test]
fn the_golden_vectors_hold() {
	if std::env::var_os("UPDATE_VECTORS").is_some() {
		let text = serde_json::to_string_pretty(&vectors()).unwrap();
		fs::write(file(), text + "\n").unwrap();
	}
	let mut stored: Value = serde_json::from_str(&fs::read_to_string(file()).unwrap()).unwrap();
	let mut expected = vectors();

	let count = expected["terms"].as_array().unwrap().len();
	assert_eq!(stored["terms"].as_array().unwrap().len(), count);
	for (at, (name, terms)) in terms().into_iter().enumerate() {
		for (which, scheme) in SCHEMES.into_iter().enumerate() {
			let raw = &mut stored["terms"][at]["signatures"][which]["signature"];
			let signed = SignedTerms {
				terms: terms.clone(),
				signer: public(scheme),
				signature: signature(scheme, &bytes(raw)),
			};
			assert!(signed.verify(&GENESIS), "{name} {scheme}");
			if scheme == "sr25519" {
				*raw = Value::Null;
				expected["terms"][at]["signatures"][which]["signature"] = Value::Null;
			}
		}
	}
	assert_eq!(stored, expected);
}

#[test]
fn the_dispute_of_the_vectors_convicts() {
	let stored: Value = serde_json::from_str(&fs::read_to_string(file()).unwrap()).unwrap();
	let dispute = &stored["dispute"];
	let evidence = SaleEvidence::decode(&mut &bytes(&dispute["evidence"])[..]).unwrap();
	let sale = H256(array(&dispute["sale_id"]));
	let key = BlindedKey(array(&dispute["blinded_key"]));
	assert_eq!(evidence.terms.encode(), bytes(&dispute["terms"]));
	assert_eq!(evidence.convicts(&GENESIS, &sale, &key), Ok(()));
	let delivered = SealedLeaf::decode(&mut &bytes(&dispute["delivered"][4])[..]).unwrap();
	assert_eq!(
		(evidence.leaf.sealed, evidence.leaf.leaf.0),
		(delivered.sealed, delivered.leaf)
	);
	assert_eq!(
		evidence.convicts(&GENESIS, &sale, &BlindedKey([0; 32])),
		Err(NotGuilty::WrongBlindedKey)
	);
}

/// The table in the docs, read field by field.
#[test]
fn the_terms_are_laid_out_as_documented() {
	for (_, terms) in terms() {
		let bytes = terms.signed_bytes(&GENESIS);
		let SaleRange { stream, first, last } = terms.range;
		let table: [(usize, &[u8]); 23] = [
			(0, b"m2m/sale-terms/v1"),
			(17, &GENESIS),
			(49, &terms.listing.to_le_bytes()),
			(53, &terms.version.to_le_bytes()),
			(57, terms.device.as_ref()),
			(89, &terms.generation.to_le_bytes()),
			(93, &stream.to_le_bytes()),
			(97, &first.seq.to_le_bytes()),
			(105, &first.index.to_le_bytes()),
			(109, &last.seq.to_le_bytes()),
			(117, &last.index.to_le_bytes()),
			(121, terms.range_commitment.as_bytes()),
			(153, &terms.leaves.to_le_bytes()),
			(157, terms.seller.as_ref()),
			(189, terms.buyer.as_ref()),
			(221, &terms.price.to_le_bytes()),
			(237, terms.sale_root.as_bytes()),
			(269, terms.blinded_key_commitment.as_bytes()),
			(301, terms.blind_commitment.as_bytes()),
			(333, &terms.reveal_window.to_le_bytes()),
			(337, &terms.dispute_window.to_le_bytes()),
			(341, &terms.nonce.to_le_bytes()),
			(349, &terms.expires.to_le_bytes()),
		];
		let mut end = 0;
		for (offset, field) in table {
			assert_eq!(offset, end);
			end = offset + field.len();
			assert_eq!(&bytes[offset..end], field);
		}
		assert_eq!((end, bytes.len()), (353, 353));
	}
}
