//! How DIDs are written and read.

use m2m_device::{AccountId, DeviceId};
use m2m_did::{Network, ResolutionError};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const CASES: u32 = 12_000;
const ADDRESS: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

fn network() -> Network {
	let mut genesis = [0x33; 32];
	genesis[..4].copy_from_slice(&[0x0a, 0x1b, 0x2c, 0x3d]);
	Network::new(genesis, 42)
}

/// Alice's development account, whose address everybody knows.
fn alice() -> AccountId {
	AccountId::new([
		0xd4, 0x35, 0x93, 0xc7, 0x15, 0xfd, 0xd3, 0x1c, 0x61, 0x14, 0x1a, 0xbd, 0x04, 0xa9, 0x9f, 0xd6, 0x82,
		0x2c, 0x85, 0x58, 0x85, 0x4c, 0xcd, 0xe3, 0x9a, 0x56, 0x84, 0xe7, 0xa5, 0x6d, 0xa2, 0x7d,
	])
}

#[test]
fn a_did_names_the_network_and_the_wallet() {
	let did = network().did(&alice());
	assert_eq!(did, format!("did:m2m:0a1b2c3d:{ADDRESS}"));
	assert_eq!(network().parse(&did), Ok(alice()));
}

#[test]
fn an_ordinary_account_is_named_by_its_chain_and_address() {
	assert_eq!(
		network().account_did(&alice()),
		format!("did:pkh:polkadot:0a1b2c3d333333333333333333333333:{ADDRESS}")
	);
}

#[test]
fn what_is_no_did_of_a_device_is_invalid() {
	let good = network().did(&alice());
	for text in [
		"",
		"did",
		"did:m2m",
		"did:m2m:",
		"did:m2m:0a1b2c3d",
		"did:m2m:0a1b2c3d:",
		ADDRESS,
		&good.to_uppercase(),
		&good.replacen("did", "DID", 1),
		&good.replacen("m2m", "M2M", 1),
		// The network: seven digits, nine, capitals, no hex.
		&good.replacen("0a1b2c3d", "0a1b2c3", 1),
		&good.replacen("0a1b2c3d", "0a1b2c3d0", 1),
		&good.replacen("0a1b2c3d", "0A1B2C3D", 1),
		&good.replacen("0a1b2c3d", "0a1b2c3g", 1),
		// The address: a wrong checksum, a letter that base58 leaves out, the public key in hex, more parts.
		&good.replacen("utQY", "utQZ", 1),
		&good.replacen("utQY", "utQ0", 1),
		"did:m2m:0a1b2c3d:0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d",
		&format!("{good}:1"),
		&format!("did:m2m:0a1b2c3d::{ADDRESS}"),
		// DID URLs are not DIDs.
		&format!("{good}#key"),
		&format!("{good}/path"),
		&format!("{good}?versionId=1"),
		&format!("{good};service=x"),
		// Blanks, line ends, zero bytes, other alphabets, broken escapes.
		&format!(" {good}"),
		&format!("{good} "),
		&format!("{good}\n"),
		&format!("{good}\0"),
		&format!("{good}é"),
		&format!("{good}%4"),
		&good.replacen(ADDRESS, &ADDRESS.replacen('5', "%35", 1), 1),
		// Nor do names of methods and ids that DID Core does not allow pass for other methods.
		"did::x",
		"did:Key:z6Mk",
		"did:key:",
		"did:key:z6Mk:",
		"did:key:z6 Mk",
		"did:key:%zz",
	] {
		assert_eq!(network().parse(text), Err(ResolutionError::InvalidDid), "{text}");
	}
}

#[test]
fn a_long_text_is_refused_before_it_is_decoded() {
	// To decode it would take half a minute.
	let did = format!("did:m2m:0a1b2c3d:{}", "z".repeat(300_000));
	let start = Instant::now();
	assert_eq!(network().parse(&did), Err(ResolutionError::InvalidDid));
	assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_same_account_under_another_prefix_is_invalid() {
	let polkadot = Network::new([0x33; 32], 0);
	let substrate = Network::new([0x33; 32], 42);
	assert_eq!(
		substrate.parse(&polkadot.did(&alice())),
		Err(ResolutionError::InvalidDid)
	);
	assert_eq!(
		polkadot.parse(&substrate.did(&alice())),
		Err(ResolutionError::InvalidDid)
	);
}

#[test]
fn a_prefix_written_with_more_bytes_than_it_needs_is_invalid() {
	// SS58 can spell the prefix 42 in two bytes; the checksum is right.
	let mut bytes = vec![0b0100_1010, 0b1000_0000];
	bytes.extend_from_slice(alice().as_ref());
	let checksum = sp_crypto_hashing::blake2_512(&[b"SS58PRE", bytes.as_slice()].concat());
	bytes.extend_from_slice(&checksum[..2]);
	let address = multibase::encode(multibase::Base::Base58Btc, &bytes);
	let did = format!("did:m2m:0a1b2c3d:{}", &address[1..]);
	let (decoded, prefix) =
		<AccountId as sp_core::crypto::Ss58Codec>::from_ss58check_with_version(&address[1..]).unwrap();
	assert_eq!((decoded, u16::from(prefix)), (alice(), 42));
	assert_eq!(network().parse(&did), Err(ResolutionError::InvalidDid));
}

#[test]
fn a_did_of_another_method_is_not_resolved() {
	for text in [
		"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
		"did:pkh:polkadot:0a1b2c3d333333333333333333333333:x",
		"did:web:example.com%3A3000:user",
		"did:m2m2:0a1b2c3d:x",
	] {
		assert_eq!(
			network().parse(text),
			Err(ResolutionError::MethodNotSupported),
			"{text}"
		);
	}
}

#[test]
fn a_did_of_another_network_is_not_found() {
	let other = Network::new([0x44; 32], 42);
	let error = network().parse(&other.did(&alice())).unwrap_err();
	assert_eq!(
		error,
		ResolutionError::OtherNetwork {
			named: "44444444".into(),
			here: "0a1b2c3d".into()
		}
	);
	assert_eq!(error.name(), "notFound");
}

/// Every prefix but the two that SS58 reserves.
fn prefix() -> impl Strategy<Value = u16> {
	(0u16..16_384).prop_filter("reserved", |prefix| !matches!(prefix, 46 | 47))
}

#[derive(Clone, Debug)]
enum Change {
	Replace(char),
	Insert(char),
	Delete,
	Swap,
}

fn change() -> impl Strategy<Value = Change> {
	let letter = prop_oneof![
		4 => prop::char::range('0', 'z'),
		1 => prop::char::range('\0', '\u{ff}'),
	];
	prop_oneof![
		4 => letter.clone().prop_map(Change::Replace),
		2 => letter.prop_map(Change::Insert),
		1 => Just(Change::Delete),
		1 => Just(Change::Swap),
	]
}

fn changed(text: &str, place: prop::sample::Index, change: &Change) -> String {
	let mut letters: Vec<char> = text.chars().collect();
	let at = place.index(letters.len());
	match change {
		Change::Replace(letter) => letters[at] = *letter,
		Change::Insert(letter) => letters.insert(at, *letter),
		Change::Delete => {
			letters.remove(at);
		}
		Change::Swap => {
			let last = letters.len() - 1;
			letters.swap(at, (at + 1).min(last));
		}
	}
	letters.into_iter().collect()
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(CASES))]

	#[test]
	fn every_did_reads_back(genesis: [u8; 32], device: [u8; 32], prefix in prefix()) {
		let network = Network::new(genesis, prefix);
		let device = DeviceId::new(device);
		prop_assert_eq!(network.parse(&network.did(&device)), Ok(device));
	}

	#[test]
	fn no_changed_did_stands_for_the_same_device(
		genesis: [u8; 32],
		device: [u8; 32],
		place: prop::sample::Index,
		change in change(),
	) {
		let network = Network::new(genesis, 42);
		let device = DeviceId::new(device);
		let did = network.did(&device);
		let text = changed(&did, place, &change);
		prop_assume!(text != did);
		if let Ok(other) = network.parse(&text) {
			// Two bytes of checksum let one change in 65,536 pass. Then it is the DID of another device.
			prop_assert_ne!(&other, &device);
			prop_assert_eq!(network.did(&other), text);
		}
	}

	#[test]
	fn a_did_changed_before_the_address_is_rejected(
		genesis: [u8; 32],
		device: [u8; 32],
		place: prop::sample::Index,
		change in change(),
	) {
		let network = Network::new(genesis, 42);
		let did = network.did(&DeviceId::new(device));
		let (head, address) = did.split_at("did:m2m:00000000:".len());
		let text = format!("{}{address}", changed(head, place, &change));
		prop_assume!(text != did);
		prop_assert!(network.parse(&text).is_err(), "{}", text);
	}

	#[test]
	fn any_text_is_read_without_panic(text in ".{0,120}") {
		prop_assert!(network().parse(&text).is_err());
		let named = format!("did:m2m:0a1b2c3d:{text}");
		prop_assert!(network().parse(&named).is_err());
	}
}
