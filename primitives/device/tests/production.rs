//! Trees over the keys of production batches: golden vectors, and attempts to prove what is not so.
//!
//! The vectors in `vectors/production.json` come from an independent implementation in another language.

use m2m_device::{
	DevicePublic,
	production::{key_leaf, key_tree, path_root},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use sp_core::{H256, ecdsa, ed25519, sr25519};

fn hex(bytes: impl AsRef<[u8]>) -> String {
	format!("0x{}", hex::encode(bytes))
}

fn raw<const N: usize>(value: &Value) -> [u8; N] {
	let text = value.as_str().expect("a string of hex digits");
	let bytes = hex::decode(text.strip_prefix("0x").expect("starts with 0x")).expect("hex digits");
	bytes.try_into().expect("a known length")
}

fn public(key: &Value) -> DevicePublic {
	let bytes = &key["public"];
	match key["scheme"].as_str() {
		Some("sr25519") => DevicePublic::Sr25519(sr25519::Public::from_raw(raw(bytes))),
		Some("ed25519") => DevicePublic::Ed25519(ed25519::Public::from_raw(raw(bytes))),
		Some("ecdsa") => DevicePublic::Ecdsa(ecdsa::Public::from_raw(raw(bytes))),
		other => panic!("scheme {other:?}"),
	}
}

fn path(tree: &m2m_merkle::DataTree, index: u32) -> Vec<H256> {
	let path = tree.open(index).expect("the key is in the batch");
	path.into_iter().map(H256).collect()
}

#[test]
fn leaves_roots_and_paths_are_those_of_the_independent_implementation() {
	let vectors: Value =
		serde_json::from_str(include_str!("../vectors/production.json")).expect("the vectors are JSON");
	let keys = vectors["keys"].as_array().expect("a list of keys");
	assert_eq!(keys.len(), 13);
	let publics: Vec<_> = keys.iter().map(public).collect();
	for (key, public) in keys.iter().zip(&publics) {
		assert_eq!(key["scheme_byte"], json!(public.scheme()));
		assert_eq!(key["leaf"], json!(hex(key_leaf(public))));
	}
	let batches = vectors["batches"].as_array().expect("a list of batches");
	assert_eq!(batches.len(), 10);
	for batch in batches {
		let count = batch["count"].as_u64().expect("a number") as u32;
		let tree = key_tree(&publics[..count as usize]).expect("there are keys");
		assert_eq!(batch["root"], json!(hex(tree.root())));
		let paths = batch["paths"].as_array().expect("a path for each key");
		assert_eq!(paths.len(), count as usize);
		for ((index, public), stored) in (0..).zip(&publics).zip(paths) {
			let path = path(&tree, index);
			assert_eq!(*stored, json!(path.iter().map(hex).collect::<Vec<_>>()));
			assert_eq!(
				path_root(public, index, count, &path),
				Some(H256(tree.root())),
				"key {index} of {count}"
			);
		}
	}
}

#[test]
fn there_is_no_batch_without_keys() {
	assert!(key_tree(&[]).is_none());
}

#[test]
fn the_scheme_is_part_of_the_leaf() {
	let bytes = [7; 32];
	assert_ne!(
		key_leaf(&DevicePublic::Sr25519(sr25519::Public::from_raw(bytes))),
		key_leaf(&DevicePublic::Ed25519(ed25519::Public::from_raw(bytes)))
	);
}

/// A different key for each number; the schemes take turns.
fn numbered_key(number: u32) -> DevicePublic {
	let mut bytes = [number as u8 ^ 0x5a; 33];
	bytes[1..5].copy_from_slice(&number.to_le_bytes());
	let half = <[u8; 32]>::try_from(&bytes[1..]).expect("32 bytes");
	match number % 3 {
		0 => DevicePublic::Sr25519(sr25519::Public::from_raw(half)),
		1 => DevicePublic::Ed25519(ed25519::Public::from_raw(half)),
		_ => DevicePublic::Ecdsa(ecdsa::Public::from_raw(bytes)),
	}
}

/// The sides on which the siblings of a place lie, bottom up, straight from the definition of the shape.
fn sides(index: u32, count: u32) -> Vec<bool> {
	if count == 1 {
		return Vec::new();
	}
	let left = count.next_power_of_two() / 2;
	let (mut below, is_left) = if index < left {
		(sides(index, left), false)
	} else {
		(sides(index - left, count - left), true)
	};
	below.push(is_left);
	below
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(10_000))]

	#[test]
	fn each_key_proves_its_place_and_no_altered_proof_does(
		first in any::<u16>(), count in 1u32..70, pick: prop::sample::Index, other: prop::sample::Index,
		at: prop::sample::Index, bit in 0usize..256, wrong_count in 0u32..200,
	) {
		let keys: Vec<_> = (0..count).map(|number| numbered_key(u32::from(first) + number)).collect();
		let tree = key_tree(&keys).expect("there are keys");
		let root = Some(H256(tree.root()));
		let index = pick.index(keys.len()) as u32;
		let key = &keys[index as usize];
		let path = path(&tree, index);
		prop_assert_eq!(path_root(key, index, count, &path), root);

		// Any other key, of the batch or not, and any other place.
		let other = other.index(keys.len() + 1) as u32;
		if other != index {
			prop_assert_ne!(path_root(&numbered_key(u32::from(first) + other), index, count, &path), root);
			prop_assert_ne!(path_root(key, other, count, &path), root);
		}
		// Another count, unless it gives the key the very same place: the chain takes the count from the batch.
		if wrong_count <= index || sides(index, wrong_count) != sides(index, count) {
			prop_assert_ne!(path_root(key, index, wrong_count, &path), root);
		}
		// Any bit of the path.
		if !path.is_empty() {
			let mut altered = path.clone();
			altered[at.index(path.len())].0[bit / 8] ^= 1 << (bit % 8);
			prop_assert_ne!(path_root(key, index, count, &altered), root);
			altered = path.clone();
			altered.remove(at.index(path.len()));
			prop_assert_eq!(path_root(key, index, count, &altered), None);
		}
		let mut longer = path;
		longer.push(H256(tree.root()));
		prop_assert_eq!(path_root(key, index, count, &longer), None);
	}
}
