//! Owners, operators, issuers, manufacturers and sponsors against a real node: who may do what with a device,
//! who vouches for it, and who pays for it.

use crate::support::{Node, Setup, error_of, runtime};
use m2m::{
	batch::scheme_name,
	chain::{
		Chain,
		telemetry::{self, Outcome},
	},
	commitment,
	evidence::Accusation,
	keys::{self, Device, Key, Scheme},
	money,
	store::{AnchorName, Batch},
};
use m2m_anchor::Summary;
use m2m_merkle::{Reading, batch_secret};
use serde_json::Value;
use sp_core::H256;
use std::{fs, path::Path};

/// Makes a key file with some money and returns its address.
fn funded(setup: &Setup, node: &Node, file: &str, amount: &str) -> String {
	let home = setup.home();
	let key = node.ok(&home, &["key", "generate", "--out", &setup.file(file)]);
	let address = text(&key["address"]);
	node.ok(
		&home,
		&[
			"account",
			"fund",
			"--from",
			&setup.owner,
			"--to",
			&address,
			"--amount",
			amount,
		],
	);
	address
}

fn text(value: &Value) -> String {
	value
		.as_str()
		.unwrap_or_else(|| panic!("{value} is no text"))
		.to_owned()
}

fn amount(value: &Value) -> u128 {
	money::parse(&text(value)).unwrap()
}

/// Hands a device over: its key file goes from one home folder to another.
fn hand_over(from: &Path, to: &Path, name: &str) {
	Device::find(from, name).unwrap().unwrap().save_new(to).unwrap();
}

#[test]
fn a_device_changes_hands_and_grants_do_not_go_with_it() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	let ok = |arguments: &[&str]| node.ok(&home, arguments);
	let alice = setup.owner.as_str();
	let bob_home = setup.folder.path().join("bob");
	let (bob_file, operator_file) = (setup.file("bob.json"), setup.file("operator.json"));
	let bob = funded(&setup, &node, "bob.json", "50");
	let operator = funded(&setup, &node, "operator.json", "1");
	ok(&["device", "register", "--owner", alice, "--new", "pump", "fan"]);
	let device = text(&ok(&["device", "show", "pump"])["device"]);

	// An operator does what he was given leave for, and nothing else.
	let granted = ok(&[
		"device",
		"grant",
		"pump",
		"--owner",
		alice,
		"--operator",
		&operator,
		"--may",
		"manage,suspend",
		"--expires-in",
		"2d",
	]);
	assert_eq!(granted["actions"], serde_json::json!(["manage", "suspend"]));
	ok(&["device", "suspend", "pump", "--signer", &operator_file]);
	let message = node.fails(
		&home,
		&["device", "resume", "pump", "--owner", &operator_file],
		4,
		"Refused",
	);
	assert!(message.contains("DeviceIdentity::NotOwner"), "{message}");
	ok(&["device", "resume", "pump", "--owner", alice]);
	// What the operator adds is paid by the wallet, within the owner's budget.
	ok(&[
		"account", "fund", "--from", alice, "--to", &device, "--amount", "1",
	]);
	let service = |signer| {
		[
			"device",
			"service",
			"set",
			device.as_str(),
			"--id",
			"readings",
			"--type",
			"SensorDataService",
			"--endpoint",
			"https://pump.example/readings",
			"--signer",
			signer,
		]
	};
	let message = node.fails(&home, &service(&operator_file), 4, "Refused");
	assert!(
		message.contains("FeeSponsorship::NoBudget") && message.contains("m2m device budget set"),
		"{message}"
	);
	ok(&[
		"device", "budget", "set", "pump", "--owner", alice, "--limit", "0.1", "--period", "1d",
	]);
	ok(&service(&operator_file));
	let document = setup.file("thing.json");
	fs::write(&document, "{\"title\": \"pump\"}").unwrap();
	let profile = ok(&[
		"device", "profile", "pump", "--file", &document, "--signer", alice,
	]);
	let shown = ok(&["device", "show", "pump"]);
	assert_eq!(shown["profile"], profile["profile"]);
	assert_eq!(shown["services"][0]["endpoint"], "https://pump.example/readings");
	assert_eq!(shown["operators"][0]["account"], operator.as_str());
	assert_eq!(shown["operators"][0]["valid"], true);

	// The offer is for one account at one price.
	let offered = ok(&[
		"device",
		"transfer",
		"pump",
		"--owner",
		alice,
		"--to",
		&bob,
		"--price",
		"5",
		"--expires-in",
		"1h",
	]);
	assert_eq!(offered["price"], "5");
	assert_eq!(ok(&["device", "show", "pump"])["offer"]["to"], bob.as_str());
	let accept = |key, price| {
		[
			"device",
			"accept",
			device.as_str(),
			"--owner",
			key,
			"--price",
			price,
		]
	};
	let message = node.fails(&bob_home, &accept(&setup.gateway, "5"), 2, "Usage");
	assert!(message.contains("is offered to"), "{message}");
	let message = node.fails(&bob_home, &accept(&bob_file, "4"), 2, "Usage");
	assert!(message.contains("offered at 5 M2M, not 4 M2M"), "{message}");
	let confirming = [&accept(&bob_file, "5")[..], &["--confirm-keys"]].concat();
	let message = node.fails(&bob_home, &confirming, 2, "Usage");
	assert!(message.contains("there is no key of"), "{message}");

	// With the device's key in hand, it is taken over and works at once.
	let address = text(&ok(&["key", "show", alice])["address"]);
	let before = amount(&ok(&["account", "balance", &address])["free"]);
	hand_over(&home, &bob_home, "pump");
	let accepted = node.ok(&bob_home, &confirming);
	assert_eq!(accepted["generation"], 1);
	assert_eq!(accepted["confirmed"].as_array().unwrap().len(), 1);
	let after = amount(&ok(&["account", "balance", &address])["free"]);
	assert!(after >= before + 5 * money::UNIT, "{before} {after}");
	let shown = ok(&["device", "show", "pump"]);
	assert_eq!(shown["owner"], bob.as_str());
	assert_eq!(shown["keys"][0]["confirmed"], true);
	assert_eq!(shown["offer"], Value::Null);
	assert_eq!(shown["operators"], serde_json::json!([]));
	for signer in [operator_file.as_str(), alice] {
		let message = node.fails(&home, &service(signer), 4, "Refused");
		assert!(message.contains("DeviceIdentity::NotOwner"), "{message}");
	}
	node.ok(&bob_home, &service(&bob_file));

	// Taken over without its key, a device waits for the confirmation; an offer can be taken back.
	let fan = text(&ok(&["device", "show", "fan"])["device"]);
	ok(&[
		"device",
		"transfer",
		"fan",
		"--owner",
		alice,
		"--to",
		&bob,
		"--price",
		"0",
		"--expires-in",
		"1h",
	]);
	node.ok(
		&bob_home,
		&["device", "accept", &fan, "--owner", &bob_file, "--price", "0"],
	);
	assert_eq!(ok(&["device", "show", "fan"])["keys"][0]["confirmed"], false);
	hand_over(&home, &bob_home, "fan");
	let confirm = ["device", "confirm-key", "fan", "--owner", &bob_file];
	node.ok(&bob_home, &confirm);
	assert_eq!(ok(&["device", "show", "fan"])["keys"][0]["confirmed"], true);
	let message = node.fails(&bob_home, &confirm, 2, "Usage");
	assert!(message.contains("needs no confirmation"), "{message}");
	node.ok(
		&bob_home,
		&[
			"device",
			"transfer",
			"fan",
			"--owner",
			&bob_file,
			"--to",
			&address,
			"--price",
			"1",
			"--expires-in",
			"1h",
		],
	);
	node.ok(
		&bob_home,
		&["device", "cancel-transfer", "fan", "--owner", &bob_file],
	);
	let message = node.fails(
		&home,
		&["device", "accept", &fan, "--owner", alice, "--price", "1"],
		2,
		"Usage",
	);
	assert!(message.contains("not offered to anybody"), "{message}");
}

#[test]
fn an_attestation_is_for_the_keys_that_the_issuer_saw() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	let ok = |arguments: &[&str]| node.ok(&home, arguments);
	let (owner, lab) = (setup.owner.as_str(), setup.gateway.as_str());
	let lab_address = text(&ok(&["key", "show", lab])["address"]);
	ok(&["device", "register", "--owner", owner, "--new", "m1", "m2", "m3"]);
	let certificate = setup.file("certificate.pdf");
	fs::write(&certificate, "type approval DE-16-MI003").unwrap();
	let vouch = [
		"device",
		"attest",
		"--issuer",
		lab,
		"--topic",
		"certified-meter",
		"--claim",
		&certificate,
		"--until",
		"2099-01-01T00:00:00Z",
	];
	let fleet = [&vouch[..], &["--all-of", owner]].concat();

	// A whole fleet in one transaction, and only once.
	let attested = ok(&fleet);
	assert_eq!(
		(&attested["attested"], &attested["transactions"]),
		(&3.into(), &1.into())
	);
	assert_eq!(
		attested["devices"][0]["signing_keys"].as_array().unwrap().len(),
		1
	);
	let again = ok(&fleet);
	assert_eq!((&again["attested"], &again["fees"]), (&0.into(), &"0".into()));
	let of = |name: &str| ok(&["device", "show", name])["attestations"].clone();
	assert_eq!(of("m1")[0]["valid"], true);
	assert_eq!(of("m1")[0]["issuer"], lab_address.as_str());
	assert_eq!(of("m1")[0]["claim"], attested["claim"]);

	// Another signing key was not vouched for.
	ok(&["device", "rotate", "m1", "--owner", owner, "--overlap", "1s"]);
	assert_eq!(of("m1")[0]["valid"], false);
	let again = ok(&fleet);
	assert_eq!(again["attested"], 1);
	assert_eq!(of("m1")[0]["valid"], true);
	// The rotated key has had its time.
	let prune = ["device", "prune-keys", "m1", "--signer", owner];
	assert_eq!(ok(&prune)["pruned"].as_array().unwrap().len(), 1);
	let message = node.fails(&home, &prune, 4, "Refused");
	assert!(message.contains("DeviceIdentity::NothingToPrune"), "{message}");
	assert_eq!(of("m1")[0]["valid"], true);
	// A key that does not sign telemetry changes nothing.
	let trader = setup.file("trader.json");
	let trader_address = text(&ok(&["key", "generate", "--out", &trader])["address"]);
	ok(&[
		"device", "add-key", "m1", "--key", &trader, "--roles", "trade", "--signer", owner,
	]);
	assert_eq!(of("m1")[0]["valid"], true);
	ok(&[
		"device",
		"remove-key",
		"m1",
		"--key",
		&trader_address,
		"--signer",
		owner,
	]);
	let message = node.fails(
		&home,
		&[
			"device", "add-key", "m1", "--key", &trader, "--roles", "trade", "--signer", owner,
		],
		4,
		"Refused",
	);
	assert!(
		message.contains("DeviceIdentity::KeyAlreadyUsed") && message.contains("make a new one"),
		"{message}"
	);

	// The issuer takes it back and gets the deposit.
	let held = |node: &Node| amount(&node.ok(&home, &["account", "balance", &lab_address])["on_hold"]);
	let before = held(&node);
	let revoked = ok(&[
		"device",
		"revoke-attestation",
		"m2",
		"--issuer",
		lab,
		"--topic",
		"certified-meter",
	]);
	assert_eq!(revoked["revoked"].as_array().unwrap().len(), 1);
	assert_eq!(of("m2"), serde_json::json!([]));
	assert!(held(&node) < before);

	// One that is refused does not stop the others.
	let nobody = keys::address(&Key::generate(Scheme::Sr25519).account());
	let output = node.m2m(&home, &[&vouch[..], &["m2", &nobody]].concat());
	let error = error_of(&output);
	assert_eq!(output.status.code(), Some(4), "{error}");
	assert_eq!(error["error"], "SomeRefused");
	let message = text(&error["message"]);
	assert!(
		message.contains("1 of 2 attestations")
			&& message.contains(&format!("{nobody}: DeviceIdentity::UnknownDevice")),
		"{message}"
	);
	assert_eq!(of("m2")[0]["valid"], true);
}

#[test]
fn a_key_is_shown_to_be_from_a_production_batch() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	let ok = |arguments: &[&str]| node.ok(&home, arguments);
	let (owner, factory) = (setup.owner.as_str(), setup.gateway.as_str());
	ok(&["device", "register", "--owner", owner, "--new", "m1", "m2"]);
	let key = Device::find(&home, "m1").unwrap().unwrap().key;
	let mut csv = String::from("serial,scheme,public\n");
	let made: Vec<Key> = (0..4).map(|_| Key::generate(Scheme::Ed25519)).collect();
	for (serial, key) in made.iter().chain([&key]).enumerate() {
		let public = key.public();
		csv.push_str(&format!(
			"{serial},{},0x{}\n",
			scheme_name(&public),
			hex::encode(public.as_bytes())
		));
	}
	let list = setup.file("run-7.csv");
	fs::write(&list, csv).unwrap();
	let create = ["batch", "create", &list, "--issuer", factory, "--model", "EM-100"];
	let created = ok(&create);
	assert_eq!((&created["count"], &created["new"]), (&5.into(), &true.into()));
	assert_eq!(ok(&create)["new"], false);
	let batch = text(&created["file"]);
	let shown = ok(&["batch", "show", "--batch", &batch]);
	assert_eq!((&shown["model"], &shown["count"]), (&"EM-100".into(), &5.into()));

	// Anybody shows it, by the name of the device or by the key, and once is enough.
	let account = keys::address(&key.account());
	let prove = |device| ["batch", "prove", device, "--batch", &batch, "--signer", owner];
	let proven = ok(&prove(&account));
	assert_eq!(proven["proven"][0]["index"], 4);
	assert_eq!(proven["proven"][0]["before"], false);
	let again = ok(&prove("m1"));
	assert_eq!(
		(&again["proven"][0]["before"], &again["fees"]),
		(&true.into(), &"0".into())
	);
	let production = ok(&["device", "show", "m1"])["productions"][0].clone();
	assert_eq!(production["root"], created["root"]);
	assert_eq!(production["issuer"], created["issuer"]);
	let message = node.fails(&home, &prove("m2"), 2, "Unknown");
	assert!(message.contains("no key of"), "{message}");

	// A file with another key in the place of this one leads nowhere.
	let forged = setup.file("forged.json");
	let stranger = Key::generate(Scheme::Sr25519).public();
	let known = hex::encode(key.public().as_bytes());
	let file = fs::read_to_string(&batch).unwrap();
	fs::write(&forged, file.replace(&known, &hex::encode(stranger.as_bytes()))).unwrap();
	let arguments = ["batch", "prove", "m2", "--batch", &forged, "--signer", owner];
	let message = node.fails(&home, &arguments, 6, "BadFile");
	assert!(message.contains("do not lead to its root"), "{message}");

	// Disowned, it counts no more.
	ok(&["batch", "revoke", "--batch", &batch, "--issuer", factory]);
	assert!(ok(&["batch", "show", "--batch", &batch])["revoked"].is_string());
	assert_eq!(
		ok(&["device", "show", "m1"])["productions"],
		serde_json::json!([])
	);
	let message = node.fails(&home, &prove("m1"), 2, "Usage");
	assert!(message.contains("revoked the batch"), "{message}");
}

/// Readings of two meters for two hours.
fn two_hours(file: &str) {
	let mut csv = String::from("slot_start,meter,consumed_wh,produced_wh\n");
	for slot in 0..8 {
		for meter in ["m1", "m2"] {
			csv.push_str(&format!(
				"2016-06-13T{:02}:{:02}:00Z,{meter},{},{}\n",
				slot / 4,
				slot % 4 * 15,
				100 + slot,
				slot * 30
			));
		}
	}
	fs::write(file, csv).unwrap();
}

#[test]
fn a_device_without_a_balance_anchors_through_its_sponsor() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	let ok = |arguments: &[&str]| node.ok(&home, arguments);
	let owner = setup.owner.as_str();
	let csv = setup.file("two-hours.csv");
	two_hours(&csv);
	ok(&["device", "register", "--owner", owner, "--new", "m1", "m2"]);
	let key_of = |name: &str| {
		let key = Device::find(&home, name).unwrap().unwrap().key;
		keys::address(&key.account())
	};
	let replay = |meter| {
		[
			"telemetry",
			"replay",
			&csv,
			"--meters",
			meter,
			"--owner",
			owner,
			"--map-to",
			"keep",
			"--direct",
		]
	};

	// Somebody else cannot attach his offer to the owner's devices.
	let offer = |sponsor, capacity: &str, more: &[&str]| {
		let mut arguments = vec!["sponsor", "create", "--sponsor", sponsor, "--refill", "0"];
		arguments.extend(["--amount", "2", "--capacity"]);
		let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
		arguments.push(capacity.to_owned());
		arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
		arguments
	};
	let run = |arguments: Vec<String>| {
		let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
		node.ok(&home, &arguments)
	};
	let foreign = offer(&setup.gateway, "1", &["--all-of", owner, "--attach"]);
	let foreign: Vec<&str> = foreign.iter().map(String::as_str).collect();
	let message = node.fails(&home, &foreign, 2, "Usage");
	assert!(message.contains("only the owner"), "{message}");

	// The operator of the fleet sponsors it: no key and no wallet has anything to spend.
	let created = run(offer(owner, "1", &["--all-of", owner, "--attach"]));
	let fleet = created["sponsorship"].to_string();
	let report = ok(&replay("m1"));
	assert_eq!(
		(&report["delivered"], &report["anchored"]),
		(&16.into(), &16.into())
	);
	assert_eq!(report["gateway_fees"], "0");
	assert_eq!(report["delivery_fees"].as_array().unwrap().len(), 1);
	assert_eq!(report["delivery_fees"][0]["payer"], created["pot"]);
	assert_eq!(ok(&["account", "balance", &key_of("m1")])["free"], "0");
	assert_eq!(ok(&["device", "show", "m1"])["free"], "0.01");
	let shown = ok(&["sponsor", "show", &fleet, "--device", "m1"]);
	let fees = amount(&report["delivery_fees"][0]["fee"]);
	assert_eq!(amount(&shown["remaining"]["bucket"]), money::UNIT - fees);
	assert!(amount(&shown["balance"]) <= 2 * money::UNIT - fees);
	let proof = setup.file("proof.json");
	ok(&[
		"telemetry",
		"prove",
		"--meter",
		"m1",
		"--time",
		"2016-06-13T00:30:00Z",
		"--out",
		&proof,
	]);
	assert_eq!(
		ok(&["telemetry", "verify", &proof, "--csv", &csv])["csv_agrees"],
		true
	);
	ok(&[
		"sponsor",
		"top-up",
		&fleet,
		"--from",
		&setup.gateway,
		"--amount",
		"1.5",
	]);
	let topped = ok(&["sponsor", "show", &fleet]);
	assert_eq!(
		amount(&topped["balance"]),
		amount(&shown["balance"]) + 3 * money::UNIT / 2
	);

	// Without it, nobody pays, and the device knows before it sends.
	ok(&["sponsor", "detach", &fleet, "--owner", owner]);
	let message = node.fails(&home, &replay("m2"), 4, "AnchorsRefused");
	assert!(
		message.starts_with("16 anchors") && message.contains("nobody can pay"),
		"{message}"
	);

	// A bucket for some anchors lets some through; what is left stays in order.
	let small = money::format(fees / 16 * 6);
	let created = run(offer(owner, &small, &["--device", "m2"]));
	let single = created["sponsorship"].to_string();
	assert_eq!(ok(&["sponsor", "show", &single])["attached"], false);
	ok(&["sponsor", "attach", &single, "--owner", owner]);
	let output = node.m2m(&home, &replay("m2"));
	assert_eq!(output.status.code(), Some(4));
	let report: Value = serde_json::from_slice(&output.stdout).unwrap();
	let through = report["delivered"].as_u64().unwrap();
	assert!((1..=6).contains(&through), "{report}");
	let rest = ok(&["device", "show", "m2"])["sponsored"][0].clone();
	assert_eq!(rest["sponsorship"].to_string(), single);
	assert!(amount(&rest["bucket"]) < money::parse(&small).unwrap());

	// The wallet pays the rest, within the owner's budget.
	let wallet = text(&ok(&["device", "show", "m2"])["device"]);
	ok(&[
		"account", "fund", "--from", owner, "--to", &wallet, "--amount", "1",
	]);
	ok(&[
		"device", "budget", "set", "m2", "--owner", owner, "--limit", "0.5", "--period", "1d",
	]);
	let report = ok(&replay("m2"));
	assert_eq!(report["delivered"].as_u64(), Some(16 - through));
	assert_eq!(report["anchored"], 16);
	let payers = report["delivery_fees"].as_array().unwrap();
	let by_wallet = payers.iter().find(|paid| paid["payer"] == wallet.as_str());
	let by_wallet = amount(&by_wallet.unwrap_or_else(|| panic!("{report}"))["fee"]);
	let budget = ok(&["device", "show", "m2"])["budget"].clone();
	assert_eq!(budget["limit"], "0.5");
	assert_eq!(amount(&budget["left"]) + by_wallet, money::UNIT / 2);
	ok(&["device", "budget", "clear", "m2", "--owner", owner]);
	assert_eq!(ok(&["device", "show", "m2"])["budget"], Value::Null);
	let message = node.fails(
		&home,
		&["device", "budget", "clear", "m2", "--owner", owner],
		4,
		"Refused",
	);
	assert!(
		message.contains("FeeSponsorship::NoBudget") && message.contains("m2m device budget set"),
		"{message}"
	);

	// Only the sponsor ends it, and gets everything back.
	let close = |sponsor| ["sponsor", "close", &single, "--sponsor", sponsor];
	let message = node.fails(&home, &close(&setup.gateway), 4, "Refused");
	assert!(message.contains("FeeSponsorship::NotSponsor"), "{message}");
	let closed = ok(&close(owner));
	assert!(amount(&closed["returned"]) > money::UNIT);
	if closed["buckets"] != 0 {
		let pruned = ok(&["sponsor", "prune", &single, "m2", "--signer", owner]);
		assert_eq!(pruned["buckets"], closed["buckets"]);
	}
	let listed = ok(&["sponsor", "list", "--sponsor", owner]);
	assert!(
		listed
			.as_array()
			.unwrap()
			.iter()
			.filter_map(|sponsorship| sponsorship["sponsorship"].as_u64())
			.any(|number| fleet == number.to_string())
	);
}

#[test]
fn a_false_total_is_convicted_with_evidence_from_a_file() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	let owner = setup.owner.as_str();
	node.ok(&home, &["device", "register", "--owner", owner, "--new", "m1"]);
	let created = node.ok(
		&home,
		&[
			"telemetry",
			"stream",
			"create",
			"--device",
			"m1",
			"--owner",
			owner,
			"--quantity",
			"import",
		],
	);
	let stream = u32::try_from(created["stream"].as_u64().unwrap()).unwrap();
	let device = Device::find(&home, "m1").unwrap().unwrap();
	let readings: Vec<(u64, i64)> = (0..6)
		.map(|slot| (1_465_776_000_000 + slot * 900_000, 100 + slot as i64))
		.collect();
	let name = |seq| AnchorName {
		device: device.id.clone(),
		stream,
		seq,
	};

	// The device anchors its readings with a total that is 1 Wh too high, and later ones with the true one.
	let tree = |seq: u64, later: u64| {
		let readings = readings
			.iter()
			.map(|(time_ms, value)| Reading {
				time_ms: time_ms + later,
				value: *value,
			})
			.collect();
		m2m_merkle::Batch::new(&batch_secret(device.secret(), stream, seq), readings).unwrap()
	};
	let accusations = runtime().block_on(async {
		let chain = Chain::connect(&node.url).await.unwrap();
		let gateway = Key::load(Path::new(&setup.gateway)).unwrap();
		let mut accusations = Vec::new();
		for (seq, lie) in [(0, 1), (1, 0)] {
			let later = seq * 6 * 900_000;
			let shown: Vec<(u64, i64)> = readings
				.iter()
				.map(|(time, value)| (time + later, *value))
				.collect();
			let tree = tree(seq, later);
			let mut anchor = commitment::anchor(device.secret(), stream, seq, &shown).unwrap();
			let mut claimed = *tree.aggregate();
			claimed.sum += lie;
			anchor.summary = Summary::Open {
				top_hash: H256(tree.top_hash()),
				aggregate: claimed,
			};
			let batch = Batch {
				anchor,
				readings: shown,
			};
			let envelope = commitment::envelope(chain.genesis(), &device, &[(name(seq), batch)]).unwrap();
			let sent = chain
				.submit(&gateway, &telemetry::anchor_many(&vec![&envelope]))
				.await
				.unwrap();
			let outcomes = telemetry::outcomes(&sent.block, &sent.events).unwrap();
			assert!(
				matches!(outcomes.of_item(&name(seq)), Some(Outcome::Anchored { .. })),
				"{outcomes:?}"
			);
			accusations.push(Accusation {
				genesis: *chain.genesis(),
				anchor: name(seq),
				evidence: tree.evidence(5, claimed).unwrap(),
			});
		}
		accusations
	});
	let files: Vec<String> = (0..2)
		.zip(&accusations)
		.map(|(index, accusation)| {
			let file = setup.file(&format!("evidence-{index}.json"));
			fs::write(&file, accusation.to_json().unwrap()).unwrap();
			file
		})
		.collect();
	let report = |file| {
		[
			"telemetry",
			"report-false-anchor",
			file,
			"--signer",
			&setup.gateway,
		]
	};

	let convicted = node.ok(&home, &report(&files[0]));
	assert_eq!(convicted["sequence"], 0);
	assert_eq!(convicted["key"], keys::address(&device.key.account()));
	assert!(text(&convicted["lie"]).starts_with("Combination"), "{convicted}");
	let message = node.fails(&home, &report(&files[0]), 2, "Usage");
	assert!(message.contains("convicted already"), "{message}");
	let message = node.fails(&home, &report(&files[1]), 5, "ProofDoesNotHold");
	assert!(message.contains("all that it says is true"), "{message}");
}
