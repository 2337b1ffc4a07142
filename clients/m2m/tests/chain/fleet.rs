//! Fleets against a real node: enrolled without the owner's key, imported by the hundred, stopped in the middle and
//! resumed; and the doctor, with a node and without.

use crate::support::{Node, Setup, error_of, finish};
use m2m::keys::{Device, Key, Scheme};
use serde_json::Value;
use std::{
	collections::BTreeSet,
	fs,
	io::{BufRead, BufReader},
	net::TcpListener,
	os::unix::fs::PermissionsExt,
	path::Path,
	process::{Command, Stdio},
	thread,
	time::{Duration, Instant},
};

const FLEET: usize = 100;
/// Lines of the manifest that are imported before the import is stopped.
const PREFIX: usize = 40;

/// Writes a CSV file with the names of devices.
fn names_file(setup: &Setup, name: &str, count: usize) -> String {
	let file = setup.file(name);
	let names: Vec<String> = (0..count).map(|number| format!("meter-{number:04}")).collect();
	fs::write(&file, format!("name\n{}\n", names.join("\n"))).unwrap();
	file
}

fn address(setup: &Setup, node: &Node, key: &str) -> String {
	let shown = node.ok(&setup.home(), &["key", "show", key]);
	shown["address"].as_str().unwrap().to_owned()
}

/// The lines of a result file after the first, each as its columns.
fn results(file: &str) -> Vec<Vec<String>> {
	let text = fs::read_to_string(file).unwrap();
	assert!(text.ends_with('\n'), "{text}");
	let mut lines = text.lines();
	assert_eq!(lines.next(), Some("name,device,did,status,block,error"));
	lines
		.map(|line| line.split(',').map(str::to_owned).collect())
		.collect()
}

/// An amount of M2M in smallest units.
fn units(value: &Value) -> u128 {
	m2m::money::parse(value.as_str().unwrap()).unwrap()
}

#[test]
fn a_fleet_is_imported_once_however_often_the_import_is_stopped() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	let owner = address(&setup, &node, &setup.owner);
	let names = names_file(&setup, "names.csv", FLEET);

	// The installer knows the owner's address and the chain, and needs neither the owner's key nor a node.
	let installer = setup.folder.path().join("installer");
	let first = setup.file("one.csv");
	let online = node.ok(
		&installer,
		&["device", "enrol", "spare", "--owner", &owner, "--out", &first],
	);
	let genesis = online["genesis"].as_str().unwrap();
	let manifest = setup.file("fleet.csv");
	let mut enrol = Command::new(env!("CARGO_BIN_EXE_m2m"));
	enrol
		.args(["--json", "--quiet", "--url", "ws://127.0.0.1:1", "--home"])
		.arg(&installer)
		.args(["device", "enrol", "--names", &names, "--owner", &owner])
		.args(["--genesis", genesis, "--gateway", &owner, "--out", &manifest])
		.args(["--roles", "authenticate,trade"])
		.stdout(Stdio::piped())
		.stderr(Stdio::piped());
	let enrolled = finish(enrol.spawn().unwrap());
	assert!(
		enrolled.status.success(),
		"{}",
		String::from_utf8_lossy(&enrolled.stderr)
	);
	let enrolled: Value = serde_json::from_slice(&enrolled.stdout).unwrap();
	assert_eq!(
		(&enrolled["devices"], &enrolled["new_keys"]),
		(&FLEET.into(), &FLEET.into())
	);

	// A dry run tells what it takes and changes nothing.
	let import = |file: &str, more: &[&str]| {
		let mut arguments = vec!["fleet", "import", file, "--owner", &setup.owner];
		arguments.extend(more);
		arguments.into_iter().map(str::to_owned).collect::<Vec<_>>()
	};
	let run =
		|arguments: &[String]| node.ok(&home, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
	let estimate = run(&import(&manifest, &["--dry-run"]));
	assert_eq!(estimate["to_register"], FLEET);
	assert_eq!(estimate["transactions"], 4);
	assert_eq!(estimate["missing"], "0");
	let each = units(&estimate["deposit_each"]) + units(&estimate["existential_deposit_each"]);
	assert_eq!(
		units(&estimate["together"]),
		each * FLEET as u128 + units(&estimate["fees"])
	);
	assert!(units(&estimate["fees"]) > 0);
	let listed = || node.ok(&home, &["fleet", "list", "--owner", &owner]);
	assert_eq!(listed().as_array().unwrap().len(), 0);
	assert!(!Path::new(&setup.file("fleet.result.csv")).exists());

	// A part of the manifest, as if the import had been stopped there.
	let text = fs::read_to_string(&manifest).unwrap();
	let part = setup.file("part.csv");
	let lines: Vec<&str> = text.lines().take(1 + PREFIX).collect();
	fs::write(&part, lines.join("\n")).unwrap();
	let result = setup.file("fleet.result.csv");
	let report = run(&import(&part, &["--result", &result]));
	assert_eq!(
		(&report["registered"], &report["transactions"]),
		(&PREFIX.into(), &2.into())
	);
	let before = results(&result);
	assert_eq!(before.len(), PREFIX);
	let written = fs::read_to_string(&result).unwrap();

	// Killed when it begins to send, and shortly after.
	for wait in [Duration::ZERO, Duration::from_millis(150)] {
		let arguments = import(&manifest, &[]);
		let mut child = node
			.command(&home, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
			.spawn()
			.unwrap();
		let stderr = BufReader::new(child.stderr.take().unwrap());
		let begun = stderr
			.lines()
			.map_while(Result::ok)
			.any(|line| line.starts_with("registering"));
		assert!(begun, "the import ended before it sent anything");
		thread::sleep(wait);
		child.kill().unwrap();
		child.wait().unwrap();
		// What was written down before stays.
		assert!(fs::read_to_string(&result).unwrap().starts_with(&written));
	}
	let report = run(&import(&manifest, &[]));
	let count = |name: &str| report[name].as_u64().unwrap() as usize;
	assert_eq!(count("registered") + count("existing"), FLEET);
	assert_eq!(count("refused"), 0);

	let after = results(&result);
	assert_eq!(after.len(), FLEET);
	assert_eq!(after[..PREFIX], before[..]);
	assert_eq!(
		after.iter().map(|line| &line[1]).collect::<BTreeSet<_>>().len(),
		FLEET
	);
	let chain = genesis.get(2..10).unwrap();
	for line in &after {
		assert_eq!(line[2], format!("did:m2m:{chain}:{}", line[1]));
		match line[3].as_str() {
			"registered" => assert!(line[4].parse::<u32>().unwrap() > 0),
			"existing" => assert_eq!(line[4], ""),
			status => panic!("{status}"),
		}
		assert_eq!(line[5], "");
	}
	let named: BTreeSet<&str> = after.iter().map(|line| line[0].as_str()).collect();
	assert!(named.contains("meter-0000") && named.contains("meter-0099"));
	let listed = listed();
	let on_chain: BTreeSet<&str> = listed
		.as_array()
		.unwrap()
		.iter()
		.map(|device| device["device"].as_str().unwrap())
		.collect();
	let in_result: BTreeSet<&str> = after.iter().map(|line| line[1].as_str()).collect();
	assert_eq!(on_chain, in_result);
	for device in listed.as_array().unwrap() {
		assert_eq!(device["status"], "Active");
		assert_eq!(device["gateway"], owner.as_str());
		assert_eq!(
			device["keys"][0]["roles"],
			serde_json::json!(["authenticate", "trade"])
		);
	}

	// What the dry run said of deposits is what the wallet holds.
	let wallet = node.ok(&home, &["account", "balance", &after[7][1]]);
	assert_eq!(wallet["on_hold"], estimate["deposit_each"]);
	assert_eq!(wallet["free"], estimate["existential_deposit_each"]);

	// Running it again changes nothing, not even with a lost result file.
	let again = run(&import(&manifest, &[]));
	assert_eq!(
		(&again["registered"], &again["transactions"]),
		(&0.into(), &0.into())
	);
	assert_eq!(again["fees"], "0");
	assert_eq!(results(&result), after);
	fs::remove_file(&result).unwrap();
	let again = run(&import(&manifest, &[]));
	assert_eq!(
		(&again["registered"], &again["existing"]),
		(&0.into(), &FLEET.into())
	);
	assert!(results(&result).iter().all(|line| line[3] == "existing"));

	// The table for people, with the names that this home folder knows.
	let table = Command::new(env!("CARGO_BIN_EXE_m2m"))
		.args(["--url", &node.url, "--home"])
		.arg(&installer)
		.args(["fleet", "list", "--owner", &setup.owner])
		.output()
		.unwrap();
	let table = String::from_utf8(table.stdout).unwrap();
	assert_eq!(table.lines().count(), FLEET + 2);
	assert!(table.ends_with("100 devices\n"), "{table}");
	assert_eq!(
		table.lines().filter(|line| line.contains(" meter-00")).count(),
		FLEET
	);
}

#[test]
fn a_wrong_manifest_is_refused_before_anything_is_sent() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	let owner = address(&setup, &node, &setup.owner);
	let enrol = |file: &str, names: &[&str], more: &[&str]| {
		let out = setup.file(file);
		let mut arguments = vec!["device", "enrol"];
		arguments.extend(names);
		arguments.extend(["--out", &out]);
		arguments.extend(more);
		node.ok(&home, &arguments);
		out
	};
	let import = |file: &str, code: i32, name: &str| {
		node.fails(
			&home,
			&["fleet", "import", file, "--owner", &setup.owner],
			code,
			name,
		)
	};

	// Bad lines are all named, without a node.
	let good = enrol("good.csv", &["m1", "m2"], &["--owner", &owner]);
	let text = fs::read_to_string(&good).unwrap();
	let bad = setup.file("bad.csv");
	let line = text.lines().nth(1).unwrap();
	let changed = line.replace("m1,", "m3,").replace("authenticate", "manage");
	fs::write(&bad, format!("{text}{line}\nm4,sr25519\n{changed}\n")).unwrap();
	let dead = Command::new(env!("CARGO_BIN_EXE_m2m"))
		.args(["--json", "--url", "ws://127.0.0.1:1", "--home"])
		.arg(&home)
		.args(["fleet", "import", &bad, "--owner", &setup.owner])
		.output()
		.unwrap();
	assert_eq!(dead.status.code(), Some(6));
	let error = error_of(&dead);
	assert_eq!(error["error"], "Manifest");
	let message = error["message"].as_str().unwrap();
	for words in [
		"bad.csv:4: DuplicateName: the name `m1` stands in line 2 already",
		"bad.csv:4: DuplicateKey: this key stands in line 2 already",
		"bad.csv:5: Malformed: it has 2 columns",
		"bad.csv:6: BadProof:",
	] {
		assert!(message.contains(words), "{words}: {message}");
	}

	// Devices that agreed to somebody else, or to another chain.
	let gateway = address(&setup, &node, &setup.gateway);
	let foreign = enrol("foreign.csv", &["m1"], &["--owner", &gateway]);
	let message = import(&foreign, 6, "Manifest");
	assert!(message.contains("foreign.csv:2: WrongOwner"), "{message}");
	let other_chain = format!("0x{}", "ab".repeat(32));
	let elsewhere = enrol(
		"elsewhere.csv",
		&["m1"],
		&["--owner", &owner, "--genesis", &other_chain],
	);
	let message = import(&elsewhere, 3, "WrongChain");
	assert!(message.contains(&other_chain), "{message}");

	// A proof that was valid when the device was enrolled: by the chain's clock it soon is not.
	let stale = enrol("stale.csv", &["m1"], &["--owner", &owner, "--valid", "1s"]);
	let deadline = Instant::now() + Duration::from_secs(60);
	let message = loop {
		let arguments = ["fleet", "import", &stale, "--owner", &setup.owner, "--dry-run"];
		let output = node.m2m(&home, &arguments);
		if !output.status.success() {
			assert_eq!(output.status.code(), Some(6));
			break error_of(&output)["message"].as_str().unwrap().to_owned();
		}
		assert!(
			Instant::now() < deadline,
			"the chain's clock does not pass the expiry"
		);
	};
	assert!(message.contains("stale.csv:2: ProofExpired"), "{message}");

	// An owner without enough money is told how much is missing.
	let poor = setup.file("poor.json");
	let made = node.ok(&home, &["key", "generate", "--out", &poor]);
	let made = made["address"].as_str().unwrap();
	node.ok(
		&home,
		&[
			"account",
			"fund",
			"--from",
			&setup.owner,
			"--to",
			made,
			"--amount",
			"0.01",
		],
	);
	let costly = enrol("costly.csv", &["m1", "m2", "m3"], &["--owner", made]);
	for more in [&["--dry-run"][..], &[]] {
		let arguments = [&["fleet", "import", &costly, "--owner", &poor][..], more].concat();
		let message = node.fails(&home, &arguments, 4, "CannotPay");
		assert!(message.contains("registering 3 devices takes"), "{message}");
		assert!(message.contains("M2M are missing"), "{message}");
	}
	assert_eq!(results(&setup.file("costly.result.csv")).len(), 0);

	// A key that was rotated elsewhere would make another device.
	let mut rotated = Device::generate("rotated", Scheme::Sr25519).unwrap();
	rotated.key = Key::generate(Scheme::Sr25519);
	rotated.save_new(&home).unwrap();
	let register = ["device", "register", "--owner", &setup.owner, "--new", "rotated"];
	let message = node.fails(&home, &register, 2, "Usage");
	assert!(message.contains("rotated on another chain"), "{message}");

	// Nothing of all this reached the chain.
	for account in [owner.as_str(), &gateway, made] {
		let listed = node.ok(&home, &["fleet", "list", "--owner", account]);
		assert_eq!(listed.as_array().unwrap().len(), 0, "{account}");
	}
	let shown = node.ok(&home, &["account", "balance", made]);
	assert_eq!(shown["free"], "0.01");
	assert!(!Path::new(&setup.file("bad.result.csv")).exists());
}

#[test]
fn a_device_that_somebody_else_has_is_refused_and_the_others_stand() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	let gateway = address(&setup, &node, &setup.gateway);
	let owner = address(&setup, &node, &setup.owner);
	let first = setup.file("first.csv");
	node.ok(
		&home,
		&["device", "enrol", "m1", "--owner", &owner, "--out", &first],
	);
	let second = setup.file("second.csv");
	node.ok(
		&home,
		&[
			"device", "enrol", "m1", "m2", "--owner", &gateway, "--out", &second,
		],
	);
	let report = node.ok(&home, &["fleet", "import", &first, "--owner", &setup.owner]);
	assert_eq!(report["registered"], 1);

	let import = ["fleet", "import", &second, "--owner", &setup.gateway];
	let output = node.m2m(&home, &import);
	assert_eq!(output.status.code(), Some(4));
	let error = error_of(&output);
	assert_eq!(error["error"], "SomeRefused");
	let message = error["message"].as_str().unwrap();
	assert!(
		message
			.contains("1 of 2 registrations were refused, the first with m1: DeviceIdentity::KeyAlreadyUsed"),
		"{message}"
	);
	let report: Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!(
		(&report["registered"], &report["refused"]),
		(&1.into(), &1.into())
	);
	let lines = results(&setup.file("second.result.csv"));
	assert_eq!(
		(lines[0][3].as_str(), lines[0][5].as_str()),
		("refused", "DeviceIdentity::KeyAlreadyUsed")
	);
	assert_eq!(lines[1][3], "registered");

	// What was refused is tried again, and has one line however often.
	let output = node.m2m(&home, &import);
	assert_eq!(output.status.code(), Some(4));
	let report: Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!((&report["existing"], &report["refused"]), (&1.into(), &1.into()));
	let lines = results(&setup.file("second.result.csv"));
	assert_eq!(lines.len(), 2);
	assert_eq!((lines[0][0].as_str(), lines[0][3].as_str()), ("m2", "registered"));
	assert_eq!((lines[1][0].as_str(), lines[1][3].as_str()), ("m1", "refused"));
}

#[test]
fn the_doctor_finds_a_good_node_in_order_and_names_what_is_not() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	node.ok(
		&home,
		&["device", "register", "--owner", &setup.owner, "--new", "m1"],
	);
	let gateway = address(&setup, &node, &setup.gateway);
	let doctor = ["doctor", "--key", &setup.owner, "--account", &gateway];
	let report = node.ok(&home, &doctor);
	assert_eq!(report["ok"], true, "{report}");
	let result = |report: &Value, name: &str| {
		report["checks"]
			.as_array()
			.unwrap()
			.iter()
			.find(|check| check["check"].as_str().unwrap().starts_with(name))
			.unwrap_or_else(|| panic!("no check {name}: {report}"))
			.clone()
	};
	for (name, words) in [
		("node", "M2M Node"),
		("runtime", "calls"),
		("blocks", "newest"),
		("finality", "newest final"),
		("clock", "the newest block's"),
		("home folder", "mode 700"),
		("device keys", "1 can be read"),
		("store", "not there yet"),
		("key file", "Sr25519 key of 5Grwva"),
		(&format!("account {gateway}"), "100.5 M2M free"),
	] {
		let check = result(&report, name);
		assert_eq!(check["ok"], true, "{check}");
		assert!(check["result"].as_str().unwrap().contains(words), "{check}");
	}

	// A broken device key, an account without money and a key file that others may read.
	fs::write(home.join("devices/m1.json"), "{}").unwrap();
	fs::set_permissions(&setup.owner, fs::Permissions::from_mode(0o644)).unwrap();
	let stranger = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV";
	let arguments = ["doctor", "--key", &setup.owner, "--account", stranger];
	let output = node.m2m(&home, &arguments);
	assert_eq!(output.status.code(), Some(6));
	assert_eq!(error_of(&output)["error"], "Unhealthy");
	assert_eq!(error_of(&output)["message"], "4 of 11 checks failed");
	let report: Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!(report["ok"], false);
	for (name, words) in [
		("device key m1", "not a m2m/device file"),
		("device keys", "see the device keys above"),
		("key file", "chmod 600"),
		("account", "m2m account fund"),
	] {
		let check = result(&report, name);
		assert_eq!(check["ok"], false, "{check}");
		assert!(check["advice"].as_str().unwrap().contains(words), "{check}");
	}
}

#[test]
fn the_doctor_says_what_to_do_without_a_node() {
	let folder = tempfile::tempdir().unwrap();
	let free = TcpListener::bind("127.0.0.1:0")
		.unwrap()
		.local_addr()
		.unwrap()
		.port();
	let run = |json: bool| {
		let mut command = Command::new(env!("CARGO_BIN_EXE_m2m"));
		if json {
			command.arg("--json");
		}
		command
			.args(["--url", &format!("ws://127.0.0.1:{free}"), "--home"])
			.arg(folder.path().join("home"))
			.arg("doctor")
			.stdout(Stdio::piped())
			.stderr(Stdio::piped());
		finish(command.spawn().unwrap())
	};
	let output = run(true);
	assert_eq!(output.status.code(), Some(3));
	assert_eq!(error_of(&output)["error"], "Unhealthy");
	let report: Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!(report["ok"], false);
	let node = &report["checks"][0];
	assert_eq!((&node["check"], &node["ok"]), (&"node".into(), &false.into()));
	assert_eq!(node["result"], "NodeUnreachable");
	assert!(
		node["advice"].as_str().unwrap().contains("m2m-node --dev"),
		"{node}"
	);
	let others = report["checks"].as_array().unwrap().iter().skip(1);
	assert!(
		others.clone().count() >= 3 && others.clone().all(|check| check["ok"] == true),
		"{report}"
	);
	let output = run(false);
	assert_eq!(output.status.code(), Some(3));
	let table = String::from_utf8(output.stdout).unwrap();
	for words in ["what to do", "FAILED", "NodeUnreachable"] {
		assert!(table.contains(words), "{table}");
	}
}
