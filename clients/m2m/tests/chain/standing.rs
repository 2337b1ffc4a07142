//! What lasts longer than one sale, on a real node: pools and payouts that share what is earned, requests, and
//! subscriptions.

use crate::support::{
	cheat::Cheat,
	failure,
	fair::{COVER, Customer, DATE, FEE, Fair, PRICE, Stall, amount, readings_in, text, until},
	finish, runtime,
};
use m2m::{
	keys::{self, Key, Scheme},
	money,
};
use serde_json::Value;
use std::{path::Path, sync::Arc};

/// What is shared of each sale.
const PROCEEDS: u128 = PRICE - FEE;
/// What an account must hold to exist.
const EXISTENTIAL_DEPOSIT: u128 = money::UNIT / 100;

/// Addresses of somebody who has nothing.
fn strangers<const N: usize>() -> [String; N] {
	std::array::from_fn(|_| keys::address(&Key::generate(Scheme::Sr25519).account()))
}

/// What `m2m data pool` prints.
fn pool(fair: &Fair, home: &Path, arguments: &[&str]) -> Value {
	fair.node.ok(home, &[&["data", "pool"][..], arguments].concat())
}

/// Why `m2m data pool` is refused by the chain.
fn refused(fair: &Fair, home: &Path, arguments: &[&str]) -> String {
	let arguments = [&["data", "pool"][..], arguments].concat();
	fair.node.fails(home, &arguments, 4, "Refused")
}

fn free(stall: &Stall, address: &str) -> u128 {
	let balance = stall.fair.node.ok(&stall.home, &["account", "balance", address]);
	amount(&balance["free"])
}

#[test]
fn what_sales_earn_is_shared_as_their_listings_say() {
	let fair = Fair::open();
	let [(mut pooled, customer), (mut split, other)] = fair.stalls(["pooled", "split"]);
	let home = fair.setup.home();
	let owner = fair.setup.owner.as_str();
	let bond = ["data", "bond", "--seller", owner, "--add", "10"];
	fair.node.ok(&home, &bond);
	let [ann, ben, cleo, dora] = strangers();

	// A pool of two members with three shares and one.
	let message = failure(&pooled.sell(fair.stream, &["--pool", "0=40%"]), 2, "Unknown");
	assert!(message.contains("m2m data pool create"), "{message}");
	let made = pool(&fair, &home, &["create", "--manager", owner]);
	assert_eq!(made["pool"], 0);
	let (three, one) = (format!("{ann}=3"), format!("{ben}=1"));
	let set = ["set-shares", "0", &three, &one, "--manager", owner];
	let set = pool(&fair, &home, &set);
	assert_eq!(set["members"][0]["member"], ann);
	assert_eq!(set["members"][1]["shares"], 1);
	let more = ["set-shares", "0", &one, "--manager", &customer.key];
	let message = refused(&fair, &home, &more);
	assert!(message.contains("NotPoolManager"), "{message}");
	let sold = pooled.list(&["--pool", "0=40%"]);
	assert_eq!(sold["payout"]["kind"], "pool", "{sold}");
	let shown = fair
		.node
		.ok(&home, &["data", "show", &pooled.listing.to_string()]);
	assert_eq!(shown["payout"]["share_percent"], "40", "{shown}");

	// While a sale is open, nobody gets a share that would earn from it.
	let service = pooled.serve();
	let report = customer.bought(&pooled, &[]);
	let more = format!("{cleo}=4");
	let more = ["set-shares", "0", &more, "--manager", owner];
	let message = refused(&fair, &home, &more);
	assert!(message.contains("PoolInUse"), "{message}");
	let shown = pool(&fair, &home, &["show", "0"]);
	assert_eq!(shown["open_sales"], 1, "{shown}");
	let accept = customer.with("accept", text(&report["sale"]), &["--rating", "5"]);
	let accepted = customer.ok(&accept);
	let shared = PROCEEDS / 100 * 40;
	assert_eq!(amount(&accepted["ending"]["shared"]), shared, "{accepted}");
	drop(service);
	let show = ["show", "0", "--member", &ann, &ben, &cleo];
	let shown = pool(&fair, &home, &show);
	assert_eq!(shown["open_sales"], 0);
	assert_eq!(amount(&shown["earned_per_share"]), shared / 4);
	let owed: Vec<_> = (0..3usize)
		.map(|at| amount(&shown["asked"][at]["owed"]))
		.collect();
	assert_eq!(owed, [shared / 4 * 3, shared / 4, 0]);

	// Anybody lets a member be paid; the other one is paid when it leaves.
	let claim = ["claim", "0", "--member", &ann, "--signer", &customer.key];
	let claimed = pool(&fair, &customer.home, &claim);
	assert_eq!(amount(&claimed["paid"]), shared / 4 * 3);
	assert_eq!(free(&pooled, &ann), shared / 4 * 3);
	let message = refused(&fair, &customer.home, &claim);
	assert!(message.contains("NothingOwed"), "{message}");
	let close = ["close", "0", "--manager", owner];
	let message = refused(&fair, &home, &close);
	assert!(message.contains("PoolNotEmpty"), "{message}");
	let (none, neither) = (format!("{ann}=0"), format!("{ben}=0"));
	let left = ["set-shares", "0", &none, &neither, "--manager", owner];
	let left = pool(&fair, &home, &left);
	assert_eq!(left["members"][0]["paid"], Value::Null, "{left}");
	assert_eq!(amount(&left["members"][1]["paid"]), shared / 4);
	assert_eq!(free(&pooled, &ben), shared / 4);
	let closed = pool(&fair, &home, &close);
	assert_eq!(amount(&closed["returned"]), EXISTENTIAL_DEPOSIT);
	let gone = ["data", "pool", "show", "0"];
	fair.node.fails(&home, &gone, 2, "Unknown");

	// Fixed payees are paid with the sale.
	let (cleo_s, dora_s) = (format!("{cleo}=25%"), format!("{dora}=12.5%"));
	split.list(&["--payout", &cleo_s, "--payout", &dora_s]);
	let service = split.serve();
	let report = other.bought(&split, &["--rating", "4"]);
	drop(service);
	let parts = (PROCEEDS / 4, PROCEEDS / 8);
	let ending = &report["ending"];
	assert_eq!(amount(&ending["shared"]), parts.0 + parts.1, "{report}");
	assert_eq!(amount(&ending["received"]), PROCEEDS - parts.0 - parts.1);
	assert_eq!((free(&split, &cleo), free(&split, &dora)), parts);

	// A change keeps the payees unless it names others.
	let number = split.listing.to_string();
	let changed = split.list(&["--change", &number]);
	assert_eq!(changed["version"], 1);
	assert_eq!(changed["payout"]["payees"][1]["account"], dora, "{changed}");
	let mine = format!("{owner}=100%");
	let changed = split.list(&["--change", &number, "--payout", &mine]);
	assert_eq!(
		changed["payout"]["payees"][0]["share_percent"], "100",
		"{changed}"
	);

	a_request_finds_the_listings_that_answer_it(&fair, &home, &[pooled.listing, split.listing], &other);
}

fn a_request_finds_the_listings_that_answer_it(fair: &Fair, home: &Path, listed: &[u32], buyer: &Customer) {
	let post = |more: &[&str]| {
		let mut arguments = vec!["data", "request", "post", "--buyer", &buyer.key];
		arguments.extend(["--quantity", "import-by-minute", "--expires-in", "1h"]);
		arguments.extend(["--endpoint", "mailto:buyer@grid.example"]);
		arguments.extend(more);
		fair.node.ok(&buyer.home, &arguments)
	};
	let before = post(&["--area", "u28", "--price", "1"]);
	assert_eq!(before["request"], 0);
	// Less money, another place, a price named otherwise.
	for (number, wanted) in [
		["--area", "u28", "--price", "0.9"],
		["--area", "u29", "--price", "1"],
		["--area", "u28", "--price-per-reading", "1"],
	]
	.iter()
	.enumerate()
	{
		let posted = post(wanted);
		assert_eq!(posted["request"], number + 1);
		let number = posted["request"].to_string();
		let shown = fair.node.ok(home, &["data", "request", "show", &number]);
		assert_eq!(shown["listings"], serde_json::json!([]), "{wanted:?}");
	}
	let shown = fair.node.ok(home, &["data", "request", "show", "0"]);
	let fitting: Vec<_> = shown["listings"]
		.as_array()
		.unwrap()
		.iter()
		.map(|listing| listing["listing"].clone())
		.collect();
	assert_eq!(fitting, listed, "{shown}");
	assert_eq!(shown["quantity"], "import-by-minute");
	assert_eq!(shown["expired"], false);
	let known = fair.node.ok(home, &["data", "request", "list", "--limit", "3"]);
	assert_eq!(known["requests"].as_array().unwrap().len(), 3);
	assert_eq!(known["next"], 3);

	let owner = fair.setup.owner.as_str();
	let remove = ["data", "request", "remove", "0", "--buyer", owner];
	let message = fair.node.fails(home, &remove, 4, "Refused");
	assert!(message.contains("NotRequester"), "{message}");
	let held = buyer.money().1;
	let deposit = amount(&shown["deposit"]);
	assert_eq!(held, 4 * deposit);
	let remove = ["data", "request", "remove", "0", "--buyer", &buyer.key];
	fair.node.ok(&buyer.home, &remove);
	assert_eq!(buyer.money().1, 3 * deposit);
	let gone = ["data", "request", "show", "0"];
	let message = fair.node.fails(home, &gone, 2, "Unknown");
	assert!(message.contains("m2m data request list"), "{message}");
}

/// What `m2m data subscription show` says.
fn subscription(customer: &Customer) -> Value {
	let show = ["data", "subscription", "show", "0"];
	customer.fair.node.ok(&customer.home, &show)
}

#[test]
fn a_subscription_pays_for_honest_epochs_and_not_for_a_false_one() {
	let fair = Fair::open();
	let [(mut stall, customer)] = fair.stalls(["standing"]);
	let node = &fair.node;
	let owner = fair.setup.owner.as_str();
	let bond = ["data", "bond", "--seller", owner, "--add", "10"];
	node.ok(&fair.setup.home(), &bond);
	stall.list(&[]);
	let listing = stall.listing.to_string();
	let subscribe = ["data", "subscribe", "--listing", &listing, "--ends-in", "1h"];
	let subscribe = [&subscribe[..], &["--buyer", &customer.key, "--amount", "4"]].concat();
	let beyond = [&subscribe[..], &["--cap", "5"]].concat();
	let message = node.fails(&customer.home, &beyond, 2, "Usage");
	assert!(message.contains("--amount"), "{message}");
	let made = node.ok(&customer.home, &[&subscribe[..], &["--cap", "1"]].concat());
	assert_eq!(made["subscription"], 0, "{made}");
	let shown = subscription(&customer);
	assert_eq!(shown["left"], "4");
	assert_eq!(shown["over"], false);
	let (free, held) = customer.money();
	assert_eq!(held, 4 * money::UNIT + amount(&shown["deposit"]));

	let folder = customer.home.with_extension("readings");
	let out = folder.to_string_lossy().into_owned();
	let epoch = |hour: usize| {
		let file = folder.join(format!("{DATE}T{hour:02}0000Z.csv"));
		file.exists().then(|| readings_in(&file))
	};
	let hour = |hour: usize| Some(fair.readings[60 * hour..60 * (hour + 1)].to_vec());
	let follow = ["data", "follow", "0", "--once", "--buyer", &customer.key];
	let message = node.fails(&customer.home, &follow, 2, "Usage");
	assert!(message.contains("--every"), "{message}");
	let stranger = ["data", "follow", "0", "--buyer", &stall.payer];
	let message = node.fails(&customer.home, &stranger, 2, "Usage");
	assert!(message.contains(&customer.address), "{message}");

	// The first hour. Nothing of it is paid by transactions of the subscriber.
	let service = stall.serve();
	let begin = ["--from", DATE, "--every", "1h", "--out", &out];
	let report = node.ok(&customer.home, &[&follow[..], &begin].concat());
	drop(service);
	assert_eq!(report["readings"], 60, "{report}");
	assert_eq!(report["checks"].as_array().unwrap().len(), 8, "{report}");
	assert_eq!(epoch(0), hour(0));
	assert_eq!(subscription(&customer)["left"], "3");
	assert_eq!(customer.money().0, free);
	let known = node.ok(&customer.home, &["data", "subscription", "list"]);
	assert_eq!(known[0]["next"], format!("{DATE}T01:00:00Z"), "{known}");
	assert_eq!(known[0]["sale"], Value::Null);

	// In the second one both are killed when the countersignature has arrived and is not delivered.
	let countersigned = || stall.log().matches("/v1/epoch 200").count();
	let before = countersigned();
	let silent = runtime();
	stall.answer_with(&silent, stall.seller(&silent));
	let mut following = node.command(&customer.home, &follow).spawn().unwrap();
	until("the countersignature", || {
		(countersigned() > before).then_some(())
	});
	// Nobody else goes on with it meanwhile.
	let known = node.ok(&customer.home, &["data", "subscription", "list"]);
	let sale = text(&known[0]["sale"]);
	let resume = ["data", "buy", "--resume", sale, "--buyer", &customer.key];
	for other in [&follow[..], &resume] {
		let message = node.fails(&customer.home, other, 2, "Usage");
		assert!(message.contains("another process"), "{message}");
	}
	following.kill().unwrap();
	finish(following);
	drop(silent);
	assert_eq!(subscription(&customer)["left"], "3");
	let service = stall.serve();
	node.ok(&customer.home, &[&follow[..], &begin].concat());
	drop(service);
	assert_eq!((epoch(0), epoch(1)), (hour(0), hour(1)));
	assert_eq!(subscription(&customer)["left"], "2", "it is paid once");
	assert_eq!(customer.money().0, free);
	let elsewhere = [&follow[..], &["--every", "2h"]].concat();
	let message = node.fails(&customer.home, &elsewhere, 2, "Usage");
	assert!(message.contains("followed already"), "{message}");

	// In the third one a reading is false.
	let cheating = runtime();
	let seller = stall.seller(&cheating);
	let cheat = Cheat {
		seller: Arc::clone(&seller),
		position: 7,
	};
	stall.answer_with(&cheating, cheat);
	cheating.spawn(async move { seller.watch().await });
	let output = node.m2m(&customer.home, &follow);
	let message = failure(&output, 5, "SaleFailed");
	assert!(message.contains("reading 7 "), "{message}");
	let told = String::from_utf8_lossy(&output.stderr);
	assert!(told.contains("m2m data subscription end 0"), "{told}");
	let report: Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!(report["ending"]["outcome"], "convicted", "{report}");
	assert_eq!(epoch(2), None);
	let (after, _) = customer.money();
	let back = free + PRICE;
	assert!(back < after && after < back + COVER, "{free} {after}");
	assert_eq!(subscription(&customer)["left"], "1", "the price came back free");

	let end = ["data", "subscription", "end", "0", "--buyer"];
	let message = node.fails(&customer.home, &[&end[..], &[owner]].concat(), 4, "Refused");
	assert!(message.contains("NotSubscriber"), "{message}");
	let end = [&end[..], &[customer.key.as_str()]].concat();
	let ended = node.ok(&customer.home, &end);
	assert_eq!(subscription(&customer)["ends"], ended["ends"]);
	let message = node.fails(&customer.home, &end, 4, "Refused");
	assert!(message.contains("EndsSooner"), "{message}");
	let close = ["data", "subscription", "close", "0", "--signer", owner];
	let message = node.fails(&customer.home, &close, 4, "Refused");
	assert!(message.contains("TooEarly"), "{message}");
	until("the end of the subscription", || {
		(subscription(&customer)["over"] == true).then_some(())
	});
	let closed = node.ok(&customer.home, &close);
	assert_eq!(closed["left"], "1");
	let over = node.ok(&customer.home, &follow);
	assert_eq!(over["over"], true, "{over}");
	let known = node.ok(&customer.home, &["data", "subscription", "list"]);
	assert_eq!(known, serde_json::json!([]));
	let message = node.fails(&customer.home, &follow, 2, "Unknown");
	assert!(message.contains("m2m data subscribe"), "{message}");
	until("the settlements", || (customer.money().1 == 0).then_some(()));
	let record = fair.record();
	assert_eq!(record["settled"], 2, "{record}");
	assert_eq!(record["convicted"], 1);
	assert_eq!(record["refunded"], 0);
	assert_eq!(record["locked"], "0");
}
