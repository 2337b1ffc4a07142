//! The whole way against a real node: keys, devices, anchors, proofs, and what happens when things are stopped in
//! the middle.

use crate::support::{Node, Setup, error_of, finish, fixture, runtime};
use m2m::{
	chain::{
		Chain,
		telemetry::{self, Outcome},
	},
	commitment,
	keys::{Device, Key},
	store::{AnchorName, Store},
};
use serde_json::Value;
use std::{
	fs,
	io::{BufRead, BufReader, Read},
	net::TcpListener,
	path::Path,
	process::{Command, Stdio},
	thread,
	time::Duration,
};

#[test]
fn a_reading_goes_from_the_meter_to_a_verified_proof() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	let csv = fixture().to_string_lossy().into_owned();

	// Two days of two meters, where they are in time.
	let first = node.ok(
		&home,
		&setup.replay(&csv, "2016-06-13", "meter-001,meter-003", &["--map-to", "keep"]),
	);
	assert_eq!(first["registered"], 2);
	assert_eq!(first["streams_opened"], 4);
	assert_eq!(first["readings"], 192);
	assert_eq!(first["delivered"], 384);
	assert_eq!(first["anchored"], 384);
	assert_eq!(first["refused"].as_array().unwrap().len(), 0);

	let again = node.ok(
		&home,
		&setup.replay(&csv, "2016-06-13", "meter-001,meter-003", &["--map-to", "keep"]),
	);
	assert_eq!(again["registered"], 0);
	assert_eq!(again["streams_opened"], 0);
	assert_eq!(again["delivered"], 0);
	assert_eq!(again["gateway_fees"], "0");
	assert_eq!(again["anchored"], 384);

	let device = node.ok(&home, &["device", "show", "meter-003"]);
	assert_eq!(device["status"], "Active");
	assert_eq!(device["streams"].as_array().unwrap().len(), 2);
	assert_eq!(device["keys"][0]["roles"][0], "authenticate");
	let listed = node.ok(&home, &["fleet", "list", "--owner", &setup.owner]);
	assert_eq!(listed.as_array().unwrap().len(), 2);

	// Prove one reading, as the owner of the store, and verify it as somebody who has nothing but the file.
	let proof = setup.file("proof.json");
	let noon = [
		"telemetry",
		"prove",
		"--meter",
		"meter-003",
		"--time",
		"2016-06-13T12:00:00Z",
		"--out",
		&proof,
	];
	node.ok(&home, &noon);
	let auditor = setup.folder.path().join("auditor");
	let verified = node.ok(&auditor, &["telemetry", "verify", &proof, "--csv", &csv]);
	assert_eq!(verified["holds"], true);
	assert_eq!(verified["csv_agrees"], true);

	// One Wh changed in the file: the proof fails and the anchor that convicts the file is named.
	let row = fs::read_to_string(&csv)
		.unwrap()
		.lines()
		.find(|line| line.starts_with("2016-06-13T12:00:00Z,meter-003,"))
		.unwrap()
		.to_owned();
	let mut fields: Vec<String> = row.split(',').map(str::to_owned).collect();
	let import = |fields: &[String]| {
		fields[2]
			.parse::<i64>()
			.unwrap()
			.saturating_sub(fields[3].parse::<i64>().unwrap())
			.max(0)
	};
	let recorded = import(&fields);
	fields[2] = (fields[3].parse::<i64>().unwrap() + recorded + 1).to_string();
	assert_eq!(import(&fields), recorded + 1);
	let changed = setup.file("changed.csv");
	fs::write(
		&changed,
		fs::read_to_string(&csv).unwrap().replace(&row, &fields.join(",")),
	)
	.unwrap();
	let message = node.fails(
		&auditor,
		&["telemetry", "verify", &proof, "--csv", &changed],
		5,
		"ProofDoesNotHold",
	);
	for words in [
		&format!("says {} Wh for meter-003 at 2016-06-13T12:00:00Z", recorded + 1),
		"ReadingNotInAnchor",
		"stream 0, sequence 48",
		&format!("which holds {recorded} Wh"),
		device["device"].as_str().unwrap(),
	] {
		assert!(message.contains(words), "{words}: {message}");
	}
	let message = node.fails(
		&home,
		&setup.replay(&changed, "2016-06-13", "meter-003", &["--map-to", "keep"]),
		6,
		"ReadingChanged",
	);
	assert!(message.contains("meter-003 at 2016-06-13T12:00:00Z"), "{message}");

	// The value, the anchor and the chain in the proof cannot be changed either.
	let text = fs::read_to_string(&proof).unwrap();
	let altered = setup.file("altered.json");
	let value = format!("\"value\": {recorded}");
	assert!(text.contains(&value));
	fs::write(
		&altered,
		text.replace(&value, &format!("\"value\": {}", recorded + 1)),
	)
	.unwrap();
	node.fails(
		&auditor,
		&["telemetry", "verify", &altered],
		5,
		"ProofDoesNotHold",
	);
	fs::write(&altered, text.replace("\"sequence\": 48", "\"sequence\": 49")).unwrap();
	node.fails(
		&auditor,
		&["telemetry", "verify", &altered],
		5,
		"ProofDoesNotHold",
	);
	let genesis = text.split("\"genesis\": \"0x").nth(1).unwrap().get(..64).unwrap();
	fs::write(&altered, text.replace(genesis, &"ab".repeat(32))).unwrap();
	let message = node.fails(&auditor, &["telemetry", "verify", &altered], 3, "WrongChain");
	assert!(message.contains(genesis), "{message}");
	fs::write(&altered, text.replace("\"path\"", "\"way\"")).unwrap();
	node.fails(&auditor, &["telemetry", "verify", &altered], 6, "BadFile");

	// The stream grows: an old proof is stale for an auditor, and extended by whoever has the leaves.
	node.ok(
		&home,
		&setup.replay(&csv, "2016-06-14", "meter-003", &["--map-to", "keep"]),
	);
	let message = node.fails(&auditor, &["telemetry", "verify", &proof], 8, "ProofStale");
	assert!(
		message.contains("first 96 anchors of the stream, which has 192 now"),
		"{message}"
	);
	assert_eq!(node.ok(&home, &["telemetry", "verify", &proof])["extended"], true);
	node.ok(&home, &noon);
	assert_eq!(
		node.ok(&auditor, &["telemetry", "verify", &proof])["extended"],
		false
	);

	// An envelope that is delivered again changes nothing.
	runtime().block_on(async {
		let chain = Chain::connect(&node.url).await.unwrap();
		let device = Device::find(&home, "meter-003").unwrap().unwrap();
		let name = AnchorName {
			device: device.id.clone(),
			stream: 0,
			seq: 191,
		};
		let batch = Store::open(&home).unwrap().batch(&name).unwrap().unwrap();
		let envelope = commitment::envelope(chain.genesis(), &device, &[(name.clone(), batch)]).unwrap();
		let before = chain
			.finalized()
			.await
			.unwrap()
			.stream(&chain, &device.id, 0)
			.await
			.unwrap();
		let gateway = Key::load(Path::new(&setup.gateway)).unwrap();
		let sent = chain
			.submit(&gateway, &telemetry::anchor_many(&vec![&envelope]))
			.await
			.unwrap();
		let outcomes = telemetry::outcomes(&sent.block, &sent.events).unwrap();
		assert_eq!(
			outcomes.of(&envelope, &envelope.items[0]),
			Some(Outcome::UsedBefore)
		);
		let after = chain
			.finalized()
			.await
			.unwrap()
			.stream(&chain, &device.id, 0)
			.await
			.unwrap();
		assert_eq!(before, after);
	});

	// The life of a device.
	let rotated = node.ok(
		&home,
		&[
			"device",
			"rotate",
			"meter-003",
			"--owner",
			&setup.owner,
			"--overlap",
			"15m",
		],
	);
	let device = node.ok(&home, &["device", "show", "meter-003"]);
	assert_eq!(device["keys"].as_array().unwrap().len(), 2);
	assert_eq!(device["keys"][1]["account"], rotated["key"]);
	assert_eq!(device["device"], rotated["device"]);
	let owned = |verb| ["device", verb, "meter-003", "--owner", &setup.owner];
	node.ok(&home, &owned("suspend"));
	let message = node.fails(&home, &owned("suspend"), 4, "Refused");
	assert!(message.contains("DeviceIdentity::AlreadySuspended"), "{message}");
	node.ok(&home, &owned("resume"));
	node.ok(&home, &owned("lost"));
	assert_eq!(node.ok(&home, &["device", "show", "meter-003"])["status"], "Lost");
	node.ok(&home, &owned("retire"));
	let device = node.ok(&home, &["device", "show", "meter-003"]);
	assert_eq!(device["status"], "Retired");
	assert_eq!(device["streams"].as_array().unwrap().len(), 0);
	assert_eq!((&device["free"], &device["on_hold"]), (&"0".into(), &"0".into()));
	// What it recorded stays provable.
	assert_eq!(node.ok(&auditor, &["telemetry", "verify", &proof])["holds"], true);
	// Somebody else's device is out of reach.
	let foreign = node.m2m(
		&home,
		&["device", "suspend", "meter-001", "--owner", &setup.gateway],
	);
	assert_eq!(foreign.status.code(), Some(4));
	assert!(
		error_of(&foreign)["message"]
			.as_str()
			.unwrap()
			.contains("DeviceIdentity::NotOwner")
	);
}

#[test]
fn a_gateway_stopped_in_the_middle_loses_nothing_and_repeats_nothing() {
	let (setup, mut node) = Setup::new();
	let home = setup.home();
	let csv = fixture().to_string_lossy().into_owned();
	// Small calls, so that there is a middle to be stopped in.
	let arguments = setup.replay(&csv, "2016-06-13", "meter-001,meter-002", &["--batch", "3"]);

	// Killed while calls are under way: first with none acknowledged, then with some.
	for wait in [Duration::from_millis(700), Duration::from_secs(9)] {
		let mut child = node.command(&home, &arguments).spawn().unwrap();
		let stderr = BufReader::new(child.stderr.take().unwrap());
		let anchoring = stderr
			.lines()
			.map_while(Result::ok)
			.any(|line| line.starts_with("anchoring"));
		assert!(anchoring, "the replay ended before it anchored anything");
		thread::sleep(wait);
		child.kill().unwrap();
		child.wait().unwrap();
	}
	let waiting = Store::open(&home).unwrap().outbox().unwrap().len();
	assert!(waiting > 0, "the replay was over before it could be stopped");

	// Then the node goes away in the middle, and comes back.
	let mut child = node.command(&home, &arguments).spawn().unwrap();
	let mut stderr = BufReader::new(child.stderr.take().unwrap());
	let mut line = String::new();
	while !line.starts_with("anchoring") {
		line.clear();
		assert!(
			stderr.read_line(&mut line).unwrap() > 0,
			"the replay ended before it anchored anything"
		);
	}
	node.stop();
	let mut rest = String::new();
	stderr.read_to_string(&mut rest).unwrap();
	assert_eq!(child.wait().unwrap().code(), Some(3), "{rest}");
	let error: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
	assert_eq!(error["error"], "ConnectionLost", "{error}");
	let node = Node::start_on(&node.base.clone(), node.port);

	let report = node.ok(&home, &arguments);
	assert_eq!(report["anchored"], 2 * 2 * 96);
	assert_eq!(report["registered"], 0);
	for meter in ["meter-001", "meter-002"] {
		let streams = node.ok(&home, &["telemetry", "stream", "list", "--device", meter]);
		let streams = streams.as_array().unwrap();
		assert_eq!(streams.len(), 2, "{streams:?}");
		for stream in streams {
			assert_eq!(stream["anchors"], 96);
			assert_eq!(stream["next_seq"], 96);
		}
		// Every leaf is known, so that the first and the last reading can be proven.
		for time in ["2016-06-13T00:00:00Z", "2016-06-13T23:45:00Z"] {
			let proof = setup.file("proof.json");
			for stream in ["import", "export"] {
				let prove = [
					"telemetry",
					"prove",
					"--meter",
					meter,
					"--time",
					time,
					"--stream",
					stream,
				];
				node.ok(&home, &[&prove[..], &["--out", &proof]].concat());
				assert_eq!(
					node.ok(&home, &["telemetry", "verify", &proof, "--csv", &csv])["csv_agrees"],
					true
				);
			}
		}
	}
	let again = node.ok(&home, &arguments);
	assert_eq!(again["delivered"], 0);
	assert_eq!(again["shift_ms"], report["shift_ms"]);
}

#[test]
fn a_stream_and_a_wallet_give_back_what_they_hold() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	let ok = |arguments: &[&str]| node.ok(&home, arguments);
	let owner = setup.owner.as_str();
	ok(&["device", "register", "--owner", owner, "--new", "heat-pump"]);
	let wallet = ok(&["device", "show", "heat-pump"])["device"]
		.as_str()
		.unwrap()
		.to_owned();
	let created = ok(&[
		"telemetry",
		"stream",
		"create",
		"--device",
		"heat-pump",
		"--owner",
		owner,
		"--kind",
		"gauge",
		"--unit",
		"Cel",
		"--scale=-1",
		"--min=-400",
		"--max",
		"1200",
		"--cadence",
		"1m",
	]);
	assert_eq!(created["stream"], 0);
	let listed = ok(&["telemetry", "stream", "list", "--device", "heat-pump"]);
	assert_eq!(listed.as_array().unwrap().len(), 1);

	// Closing frees the deposit in the wallet, less the price of the tombstone; only the owner takes it from there.
	let close = [
		"telemetry",
		"stream",
		"close",
		"--device",
		"heat-pump",
		"--stream",
		"0",
		"--owner",
	];
	let stranger = [&close[..], &[setup.gateway.as_str()]].concat();
	assert!(node.fails(&home, &stranger, 4, "Refused").contains("NotOwner"));
	ok(&[&close[..], &[owner]].concat());
	let free = ok(&["account", "balance", &wallet])["free"]
		.as_str()
		.unwrap()
		.to_owned();
	assert!(free.parse::<f64>().unwrap() > 0.01, "{free}");
	let again = [&close[..], &[owner]].concat();
	assert!(node.fails(&home, &again, 4, "Refused").contains("StreamClosed"));

	let withdraw = ["device", "withdraw", "heat-pump", "--owner"];
	let stranger = [&withdraw[..], &[setup.gateway.as_str()]].concat();
	assert!(node.fails(&home, &stranger, 4, "Refused").contains("NotOwner"));
	let too_much = [&withdraw[..], &[owner, "--amount", "1000"]].concat();
	assert!(
		node.fails(&home, &too_much, 4, "Refused")
			.contains("ExceedsWithdrawable")
	);
	ok(&[&withdraw[..], &[owner]].concat());
	assert_eq!(ok(&["account", "balance", &wallet])["free"], "0.01");
	let nothing = [&withdraw[..], &[owner]].concat();
	assert!(
		node.fails(&home, &nothing, 4, "Refused")
			.contains("NothingToWithdraw")
	);
}

#[test]
fn a_node_that_is_not_there_is_named_with_the_next_step() {
	let folder = tempfile::tempdir().unwrap();
	let free = TcpListener::bind("127.0.0.1:0")
		.unwrap()
		.local_addr()
		.unwrap()
		.port();
	let url = format!("ws://127.0.0.1:{free}");
	let run = |json: bool| {
		let mut command = Command::new(env!("CARGO_BIN_EXE_m2m"));
		if json {
			command.arg("--json");
		}
		command
			.args(["--url", &url, "--home"])
			.arg(folder.path())
			.args([
				"account",
				"balance",
				"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
			])
			.stdout(Stdio::piped())
			.stderr(Stdio::piped());
		finish(command.spawn().unwrap())
	};
	let output = run(true);
	assert_eq!(output.status.code(), Some(3));
	let error = error_of(&output);
	assert_eq!(error["error"], "NodeUnreachable");
	let message = error["message"].as_str().unwrap();
	assert!(
		message.contains(&url) && message.contains("m2m-node --dev"),
		"{message}"
	);
	let output = run(false);
	assert_eq!(output.status.code(), Some(3));
	assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: no node answers at ws://"));
}

#[test]
fn wrong_input_is_refused_before_a_node_is_asked() {
	let folder = tempfile::tempdir().unwrap();
	let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
	let run = |arguments: &[&str]| {
		let mut command = Command::new(env!("CARGO_BIN_EXE_m2m"));
		command
			.args(["--json", "--url", "ws://127.0.0.1:1", "--home"])
			.arg(folder.path())
			.args(arguments)
			.stdout(Stdio::piped())
			.stderr(Stdio::piped());
		let output = finish(command.spawn().unwrap());
		(
			output.status.code(),
			error_of(&output)["error"].as_str().unwrap().to_owned(),
			error_of(&output),
		)
	};
	let key = file("key.json");
	Key::generate(Default::default())
		.save_new(Path::new(&key))
		.unwrap();
	let csv = file("day.csv");
	fs::write(
		&csv,
		"slot_start,meter,consumed_wh,produced_wh\n2016-06-13T00:00:00Z,m1,many,0\n",
	)
	.unwrap();
	let replay = ["telemetry", "replay", &csv, "--owner", &key, "--gateway", &key];
	let (code, name, error) = run(&replay);
	assert_eq!((code, name.as_str()), (Some(6), "Csv"));
	assert!(
		error["message"]
			.as_str()
			.unwrap()
			.contains("day.csv:2: consumed_wh `many`"),
		"{error}"
	);

	let to = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
	let fund =
		|amount| ["account", "fund", "--from", &key, "--to", to, "--amount", amount].map(str::to_owned);
	let amount = fund("0.0000000000001");
	let (code, name, _) = run(&amount.each_ref().map(String::as_str));
	assert_eq!((code, name.as_str()), (Some(2), "Usage"));
	let amount = fund("1");
	let (code, name, _) = run(&amount.each_ref().map(String::as_str));
	assert_eq!((code, name.as_str()), (Some(3), "NodeUnreachable"));

	use std::os::unix::fs::PermissionsExt;
	fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
	let (code, name, _) = run(&amount.each_ref().map(String::as_str));
	assert_eq!((code, name.as_str()), (Some(6), "KeyFilePermissions"));

	let (code, name, _) = run(&["telemetry", "improve"]);
	assert_eq!((code, name.as_str()), (Some(2), "Usage"));
}
