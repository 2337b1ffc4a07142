//! A neighbourhood's day in time-lapse against a real node: devices report, the market clears, everybody is settled, and
//! every result follows from the readings.

use crate::support::{Node, Setup, runtime};
use m2m::{
	chain::Chain,
	community::{self, Plan, audit::Terms, rules::Tariffs},
	money,
	readings::MeterReadings,
	time,
};
use m2m_auction::SlotLength;
use serde_json::Value;
use std::{
	fs,
	path::{Path, PathBuf},
};

const DATE: &str = "2016-06-16";

fn day() -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/lv3-101_2016-06-16_1d.csv")
}

/// Makes a key file with some money.
fn funded(setup: &Setup, node: &Node, name: &str, amount: &str) -> String {
	let home = setup.home();
	let file = setup.file(name);
	let key = node.ok(&home, &["key", "generate", "--out", &file]);
	let address = key["address"].as_str().unwrap();
	node.ok(
		&home,
		&[
			"account",
			"fund",
			"--from",
			&setup.owner,
			"--to",
			address,
			"--amount",
			amount,
		],
	);
	file
}

/// The command that replays a part of the day. Alice, who makes the blocks and so gets all fees, is the operator.
fn replay<'a>(
	setup: &'a Setup,
	csv: &'a str,
	owner: &'a str,
	meters: &'a str,
	(from, to): (&'a str, &'a str),
	out: &'a str,
) -> Vec<&'a str> {
	vec![
		"--quiet",
		"community",
		"replay",
		csv,
		"--date",
		DATE,
		"--slot-seconds",
		"6",
		"--operator",
		&setup.owner,
		"--owner",
		owner,
		"--gateway",
		&setup.gateway,
		"--meters",
		meters,
		"--from",
		from,
		"--to",
		to,
		"--out",
		out,
	]
}

fn amount(value: &Value) -> u128 {
	money::parse(value.as_str().unwrap()).unwrap()
}

#[test]
fn twelve_homes_trade_around_noon_and_nobody_is_worse_off() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	let owner = funded(&setup, &node, "homes.json", "100");
	let csv = day().to_string_lossy().into_owned();
	let out = setup.file("out");
	let meters = "meter-001,meter-002,meter-003,meter-004,meter-005,meter-006,meter-007,meter-008,meter-009,meter-011,meter-012,meter-013";
	let report = node.ok(
		&home,
		&replay(&setup, &csv, &owner, meters, ("11:00", "13:00"), &out),
	);

	let slots = report["slots"].as_array().unwrap();
	assert_eq!(slots.len(), 8);
	assert_eq!(slots[0]["start"], "2016-06-16T11:00:00Z");
	assert!(report["total"]["traded_slots"].as_u64().unwrap() >= 1, "{report}");
	// What was not ignored, because the machine was too slow for it, was counted.
	for slot in slots {
		let (counted, ignored) = (slot["reports"].as_u64(), slot["ignored"].as_u64());
		assert_eq!(
			counted.zip(ignored).map(|(counted, ignored)| counted + ignored),
			Some(24)
		);
	}
	let taken: u64 = slots.iter().map(|slot| slot["import_wh"].as_u64().unwrap()).sum();
	assert_eq!(report["total"]["import_wh"], taken);

	let homes = report["households"].as_array().unwrap();
	assert_eq!(homes.len(), 12);
	assert_eq!(
		homes.iter().filter(|home| home["small_credit"] == true).count(),
		2
	);
	assert!(
		homes
			.iter()
			.all(|home| !home["least_in_a_slot"].as_str().unwrap().starts_with('-')),
		"{report}"
	);
	let energy = |name: &str| -> u64 { homes.iter().map(|home| home[name].as_u64().unwrap()).sum() };
	let (bought, sold) = (energy("bought_mwh"), energy("sold_mwh"));
	// In each slot less than a mWh is rounded for each of at most twelve orders.
	assert!(bought >= sold && bought - sold < 8 * 12, "{bought} {sold}");
	let saved: u128 = homes.iter().map(|home| amount(&home["saving"])).sum();
	assert_eq!(saved, amount(&report["total"]["saving"]));
	assert!(saved > 0);
	let money = &report["money"];
	assert_eq!(
		amount(&money["topped_up"]),
		amount(&money["paid_out"]) + amount(&money["grid_fees_and_remainders"])
	);

	let svg = fs::read_to_string(report["picture"].as_str().unwrap()).unwrap();
	assert!(svg.starts_with("<svg") && svg.contains("A neighbourhood of 12 homes"));
	let saved: Value =
		serde_json::from_str(&fs::read_to_string(Path::new(&out).join("report.json")).unwrap()).unwrap();
	assert_eq!(saved["slots"], report["slots"]);
	for (file, lines) in [("slots.csv", 9), ("households.csv", 13)] {
		let text = fs::read_to_string(Path::new(&out).join(file)).unwrap();
		assert_eq!(text.lines().count(), lines, "{file}");
	}
}

/// What makes no sense is refused by name before the chain is asked.
fn check_refusals(setup: &Setup, node: &Node) {
	let home = setup.home();
	let csv = day().to_string_lossy().into_owned();
	let out = setup.file("out");
	let common = replay(setup, &csv, &setup.owner, "meter-001", ("12:00", "12:30"), &out);
	let with = |name: &str, value: &'static str| {
		let mut arguments = common.clone();
		match arguments.iter().position(|argument| *argument == name) {
			Some(position) => arguments[position + 1] = value,
			None => panic!("{name} is not given"),
		}
		arguments
	};
	for (name, value, code, error) in [
		("--slot-seconds", "7", 2, "Usage"),
		("--slot-seconds", "3", 2, "Usage"),
		("--to", "12:00", 2, "Usage"),
		("--to", "12:10", 2, "Usage"),
		("--date", "2016-06-17", 6, "BadFile"),
		("--meters", "meter-999", 6, "BadFile"),
		("--owner", "nobody.json", 6, "BadFile"),
	] {
		node.fails(&home, &with(name, value), code, error);
	}
	let mut arguments = common.clone();
	arguments.extend(["--retail", "0.1"]);
	let message = node.fails(&home, &arguments, 2, "Usage");
	assert!(message.contains("no room"), "{message}");
}

#[test]
fn a_reading_that_differs_from_what_was_anchored_is_found() {
	let (setup, node) = Setup::new();
	let home = setup.home();
	let csv = day().to_string_lossy().into_owned();
	let out = setup.file("out");
	let meters = "meter-001,meter-002,meter-011";
	let span = ("12:00", "12:30");
	check_refusals(&setup, &node);

	// Whoever cannot pay learns it before anything is done.
	let poor = funded(&setup, &node, "poor.json", "1");
	let message = node.fails(
		&home,
		&replay(&setup, &csv, &poor, meters, span, &out),
		4,
		"CannotPay",
	);
	assert!(
		message.contains("credits of all members") && message.contains("are missing"),
		"{message}"
	);
	assert!(!Path::new(&out).exists());

	let owner = funded(&setup, &node, "homes.json", "40");
	let first = node.ok(&home, &replay(&setup, &csv, &owner, meters, span, &out));

	// Anybody who has the readings can check the blocks.
	let plan = |file: &Path| {
		let day = time::parse_date(DATE).unwrap();
		let names: Vec<String> = meters.split(',').map(str::to_owned).collect();
		let readings = MeterReadings::from_file(file)
			.unwrap()
			.select(day, &names)
			.unwrap();
		Plan::new(
			readings,
			day + 48 * time::QUARTER_HOUR_MS,
			day + 50 * time::QUARTER_HOUR_MS,
			SlotLength::new(6).unwrap(),
			Tariffs::default().pricing().unwrap(),
		)
		.unwrap()
	};
	let check = |file: &Path| {
		runtime().block_on(async {
			let plan = plan(file);
			let terms = Terms {
				market: u32::try_from(first["market"].as_u64().unwrap()).unwrap(),
				first: first["first_slot"].as_u64().unwrap(),
				quarters: plan.quarters.clone(),
				pricing: plan.pricing,
			};
			let mut audit = community::books(&home, &plan, terms).unwrap();
			let chain = Chain::connect(&node.url).await.unwrap();
			let block = |index: usize| u32::try_from(first["blocks"][index].as_u64().unwrap()).unwrap();
			community::check(&chain, &mut audit, block(0), block(1)).await
		})
	};
	check(&day()).unwrap();

	// One Wh more in one reading of one meter, and nothing else.
	let text = fs::read_to_string(day()).unwrap();
	let changed: Vec<String> = text
		.lines()
		.map(|line| match line.split(',').collect::<Vec<_>>().as_slice() {
			[
				start @ "2016-06-16T12:15:00Z",
				meter @ "meter-002",
				consumed,
				produced,
			] => {
				let consumed: u32 = consumed.parse().unwrap();
				format!("{start},{meter},{},{produced}", consumed + 1)
			}
			_ => line.to_owned(),
		})
		.collect();
	assert_eq!(
		changed
			.iter()
			.zip(text.lines())
			.filter(|(one, other)| one != other)
			.count(),
		1
	);
	let forged = setup.folder.path().join("forged.csv");
	fs::write(&forged, changed.join("\n") + "\n").unwrap();
	let error = check(&forged).unwrap_err();
	assert_eq!((error.name(), error.exit_code()), ("Contradiction", 5));
	let message = error.to_string();
	assert!(
		message.contains("meter-002") && message.contains("2016-06-16T12:15:00Z"),
		"{message}"
	);

	// The same devices, in a market and with streams of their own, on the same node.
	let second = node.ok(&home, &replay(&setup, &csv, &owner, meters, span, &out));
	assert_eq!(
		second["market"].as_u64(),
		first["market"].as_u64().map(|market| market + 1)
	);
	let device = |report: &Value| report["households"][0]["device"].clone();
	assert_eq!(device(&first), device(&second));
}
