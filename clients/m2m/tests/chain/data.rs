//! The market for readings between two programs that do not trust each other, on a real node: `m2m data serve`, or a
//! seller that is not honest, and `m2m data buy`.
//!
//! One chain and one day of readings serve all sales, which go on side by side, because most of their time is spent
//! waiting for deadlines in blocks. Each has a vault, a service and a buyer of its own; the seller's bond covers all.

use crate::support::{
	cheat::Cheat,
	error_of, failure,
	fair::{
		COVER, Customer, DATE, FEE, Fair, MINUTES_OF_DAY, NEXT_DATE, PRICE, Stall, amount, copy_folder, text,
		until,
	},
	finish, runtime,
};
use m2m::{
	Error,
	chain::data,
	data::{
		buyer::{self, Buyer, Order, Seen},
		goods::Answer,
		market::OnChain,
		protocol::{AnchorChunk, Countersigned, Health, LEAF_BYTES, Quote, QuoteRequest, Taken},
		purchases::{Purchase, Purchases},
		seller::Seller,
		service,
	},
	money, time,
};
use m2m_fair_exchange::{SaleEvidence, SaleId};
use serde_json::Value;
use std::{
	fs,
	process::Output,
	sync::{Arc, Mutex},
	thread,
};

/// What is changed in a delivery: its anchors or its leaves.
#[derive(Clone, Copy)]
struct Lie {
	anchors: fn(&mut AnchorChunk),
	leaves: fn(&mut Vec<u8>),
}

const TRUTH: Lie = Lie {
	anchors: |_| {},
	leaves: |_| {},
};

/// A seller that makes honest offers, and delivers what it likes.
#[derive(Clone)]
struct Liar {
	seller: Arc<Seller<OnChain>>,
	lie: Arc<Mutex<Lie>>,
}

impl service::Offers for Liar {
	fn health(&self) -> Health {
		self.seller.health()
	}

	async fn quote(&self, request: QuoteRequest) -> Answer<Quote> {
		self.seller.quote(request).await
	}

	async fn epoch(&self, request: Countersigned) -> Answer<Taken> {
		self.seller.epoch(request).await
	}

	async fn anchors(&self, sale: SaleId, chunk: u32) -> Answer<AnchorChunk> {
		let mut chunk = self.seller.anchors(sale, chunk).await?;
		let lie = *self.lie.lock().unwrap();
		(lie.anchors)(&mut chunk);
		Ok(chunk)
	}

	async fn leaves(&self, sale: SaleId, chunk: u32) -> Answer<Vec<u8>> {
		let mut leaves = self.seller.leaves(sale, chunk).await?;
		let lie = *self.lie.lock().unwrap();
		(lie.leaves)(&mut leaves);
		Ok(leaves)
	}
}

/// The error of a purchase that failed, and its report.
fn failed(output: &Output, stall: &Stall) -> (Value, Value) {
	let error = error_of(output);
	assert_eq!(output.status.code(), Some(5), "{error}\n{}", stall.log());
	assert_eq!(error["error"], "SaleFailed", "{error}");
	(error, serde_json::from_slice(&output.stdout).unwrap())
}

fn an_honest_sale_delivers_what_was_anchored(stall: &Stall, customer: &Customer) {
	let node = &stall.fair.node;
	let home = &customer.home;
	let listing = stall.listing.to_string();
	let found = node.ok(home, &["data", "list", "--area", "u2"]);
	let [only] = found["listings"].as_array().unwrap().as_slice() else {
		panic!("one listing is in that area: {found}")
	};
	assert_eq!(only["listing"], stall.listing);
	assert_eq!(only["price"], "1");
	let none = node.ok(home, &["data", "list", "--area", "u2", "--max-price", "0.9"]);
	assert_eq!(none["listings"].as_array().unwrap().len(), 0);
	let shown = node.ok(home, &["data", "show", &listing]);
	assert_eq!(shown["promises"].as_array().unwrap().len(), 3, "{shown}");
	assert_eq!(amount(&shown["fixed_cover"]), COVER);

	let _service = stall.serve();
	// A buyer that allows less pays nothing.
	let output = customer.buy(stall.listing, &["--max-price", "0.9"]);
	let error = error_of(&output);
	assert_eq!(output.status.code(), Some(5), "{error}");
	assert_eq!(error["error"], "OfferRefused");
	let message = text(&error["message"]);
	assert!(
		message.contains("PriceAboveLimit") && message.contains("nothing was paid"),
		"{message}"
	);
	let quote = node.ok(
		home,
		&[
			"data",
			"quote",
			"--listing",
			&listing,
			"--from",
			DATE,
			"--to",
			NEXT_DATE,
			"--buyer",
			&customer.key,
		],
	);
	assert_eq!(quote["readings"], MINUTES_OF_DAY);
	assert!(customer.money() == (10 * money::UNIT, 0), "asking is free");

	let report = customer.bought(stall, &["--rating", "5"]);
	let ending = &report["ending"];
	assert_eq!(ending["outcome"], "settled", "{report}");
	assert_eq!(ending["rating"], 5);
	assert_eq!(amount(&ending["received"]), PRICE - FEE);
	assert_eq!(amount(&ending["protocol_fee"]), FEE);
	let checks: Vec<_> = report["checks"]
		.as_array()
		.unwrap()
		.iter()
		.map(|check| text(&check["check"]))
		.collect();
	assert_eq!(
		checks,
		[
			"terms",
			"price",
			"windows",
			"bond",
			"anchors",
			"time",
			"leaves",
			"ciphertexts"
		]
	);
	let (free, held) = customer.money();
	assert_eq!(free, 10 * money::UNIT - PRICE - amount(&report["fees"]));
	assert_eq!(held, 0);
	assert_eq!(node.ok(home, &["data", "purchases"]), serde_json::json!([]));
	// The same file is not written twice.
	let output = customer.buy(stall.listing, &[]);
	assert_eq!(error_of(&output)["error"], "FileExists");
}

fn a_cheating_seller_is_convicted_and_the_money_comes_back(stall: &Stall, customer: &Customer) {
	let runtime = runtime();
	let seller = stall.seller(&runtime);
	let cheat = Cheat {
		seller: Arc::clone(&seller),
		position: 777,
	};
	stall.answer_with(&runtime, cheat);
	runtime.spawn(async move { seller.watch().await });
	// Who wants to decide for itself is told what is wrong, and convicts the seller by a command.
	let output = customer.buy(stall.listing, &["--no-dispute", "--rating", "5"]);
	let error = error_of(&output);
	assert_eq!(output.status.code(), Some(5), "{error}\n{}", stall.log());
	assert_eq!(error["error"], "BadDelivery", "{error}");
	let sale = text(&customer.purchases()[0]["sale"]).to_owned();
	assert!(text(&error["message"]).contains(&sale), "{error}");
	assert_eq!(customer.money().1, PRICE);
	let message = customer.fails(&customer.with("verify", &sale, &[]), 5, "BadDelivery");
	assert!(message.contains("reading 777"), "{message}");
	let message = customer.fails(&customer.with("accept", &sale, &["--rating", "5"]), 2, "Usage");
	assert!(message.contains("not written"), "{message}");
	let disputed = customer.ok(&customer.with("dispute", &sale, &[]));
	assert_eq!(disputed["ending"]["outcome"], "convicted", "{disputed}");
	assert_eq!(customer.purchases(), serde_json::json!([]));
	assert_eq!(customer.money().1, 0);

	// By default the client does it by itself.
	let before = customer.money().0;
	let (error, report) = failed(&customer.buy(stall.listing, &["--rating", "5"]), stall);
	let message = text(&error["message"]);
	assert!(
		message.contains("reading 777") && message.contains("not the one that the device anchored"),
		"{message}"
	);
	let ending = &report["ending"];
	assert_eq!(ending["outcome"], "convicted", "{report}");
	assert_eq!(amount(&ending["price"]), PRICE);
	assert_eq!(amount(&ending["compensation"]), COVER);
	assert_eq!(amount(&ending["burnt"]), PRICE);
	assert!(!customer.out().exists());
	let (free, held) = customer.money();
	assert_eq!(held, 0);
	// Two fees are less than the compensation.
	assert!(before < free && free < before + COVER, "{before} {free}");
}

fn a_false_delivery_is_refused_by_name_before_anything_is_paid(stall: &Stall, customer: &Customer) {
	let runtime = runtime();
	let lie = Arc::new(Mutex::new(TRUTH));
	let liar = Liar {
		seller: stall.seller(&runtime),
		lie: Arc::clone(&lie),
	};
	stall.answer_with(&runtime, liar);
	let chain = stall.fair.chain(&runtime);
	let key = customer.key();
	let purchases = Purchases::new(&customer.home);
	let buyer = Buyer {
		chain: &chain,
		key: &key,
		purchases: &purchases,
		progress: &(),
	};
	let order = Order {
		listing: stall.listing,
		from: time::parse_date(DATE).unwrap(),
		until: time::parse_date(NEXT_DATE).unwrap(),
		max_price: None,
		allow_gaps: false,
		out: None,
	};
	let (offered, _) = runtime
		.block_on(buyer::quote(&chain, &key.account(), &order))
		.unwrap();
	let anchors = |anchors: fn(&mut AnchorChunk)| Lie { anchors, ..TRUTH };
	let leaves = |leaves: fn(&mut Vec<u8>)| Lie { leaves, ..TRUTH };
	let lies: [(Lie, &str); 10] = [
		// An anchor that the chain does not have, none at all, and one of another stream.
		(
			anchors(|chunk| chunk.proofs[3].anchor.data_root.0[0] ^= 1),
			"NotRecorded",
		),
		(anchors(|chunk| chunk.proofs.truncate(5)), "AnchorsMissing"),
		(anchors(|chunk| chunk.proofs[0].stream += 1), "ForeignAnchor"),
		(anchors(|chunk| chunk.proofs.swap(1, 2)), "AnchorsLeftOut"),
		// A block that is not this chain's, and one that is not there yet.
		(anchors(|chunk| chunk.hash.0[0] ^= 1), "OtherBlock"),
		(anchors(|chunk| chunk.block += 1_000), "NotFinalized"),
		// Two leaves in the place of each other, another ciphertext, too few leaves, and a part of one.
		(
			leaves(|bytes| bytes[..2 * LEAF_BYTES].rotate_left(LEAF_BYTES)),
			"NotAnchored",
		),
		(leaves(|bytes| bytes[0] ^= 1), "SaleRoot"),
		(leaves(|bytes| bytes.truncate(9 * LEAF_BYTES)), "Incomplete"),
		(leaves(|bytes| bytes.truncate(LEAF_BYTES + 1)), "Unreadable"),
	];
	for (told, expected) in lies {
		*lie.lock().unwrap() = told;
		match runtime.block_on(buyer.download_and_check(&mut offered.clone())) {
			Err(Error::OfferRefused { fault, .. }) => assert_eq!(fault, expected),
			Err(error) => panic!("{expected}: {error}"),
			Ok(_) => panic!("{expected} was not noticed"),
		}
		assert!(purchases.all().unwrap().is_empty(), "it is forgotten");
	}
	*lie.lock().unwrap() = TRUTH;
	let mut purchase = offered.clone();
	runtime.block_on(buyer.download_and_check(&mut purchase)).unwrap();
	assert!(purchase.checked);
	assert!(customer.money() == (10 * money::UNIT, 0), "nothing was paid");
}

fn a_silent_seller_gives_the_money_back(stall: &Stall, customer: &Customer) {
	// It offers and delivers, and never looks at the chain again.
	let silent = || {
		let runtime = runtime();
		stall.answer_with(&runtime, stall.seller(&runtime));
		runtime
	};
	let service = silent();
	let node = &stall.fair.node;
	let before = customer.money().0;

	// One client is cut off when it has paid. The same order again would be paid twice.
	let cut_off = Customer {
		fair: customer.fair,
		home: stall.fair.setup.folder.path().join("silent-cut-off"),
		key: customer.key.clone(),
		address: customer.address.clone(),
	};
	let order = cut_off.order(stall.listing, &[]);
	let order: Vec<_> = order.iter().map(String::as_str).collect();
	let mut paying = node.command(&cut_off.home, &order).spawn().unwrap();
	until("the purchase", || (customer.money().1 == PRICE).then_some(()));
	paying.kill().unwrap();
	finish(paying);
	let sale = text(&cut_off.purchases()[0]["sale"]).to_owned();
	let message = node.fails(&cut_off.home, &order, 2, "Usage");
	assert!(
		message.contains(&format!("m2m data buy --resume {sale}")),
		"{message}"
	);
	let message = customer.fails(&customer.with("refund", &sale, &[]), 4, "Refused");
	assert!(message.contains("TooEarly"), "{message}");

	// Another one waits, and takes the money back when the time is over.
	drop(service);
	let _service = silent();
	let (error, report) = failed(&customer.buy(stall.listing, &[]), stall);
	let message = text(&error["message"]);
	assert!(message.contains("did not reveal the key"), "{message}");
	let ending = &report["ending"];
	assert_eq!(ending["outcome"], "refunded", "{report}");
	assert_eq!(amount(&ending["price"]), PRICE);
	assert_eq!(amount(&ending["compensation"]), COVER);
	assert_eq!(customer.money().1, PRICE);

	// Anybody does that for the first one, which hears of it from past blocks.
	let helper = stall.fair.setup.folder.path().join("silent-helper");
	let refunded = node.ok(&helper, &["data", "refund", &sale, "--buyer", &stall.payer]);
	assert_eq!(refunded["ending"]["outcome"], "refunded", "{refunded}");
	let resume = ["data", "buy", "--resume", &sale, "--buyer", &customer.key];
	let (error, report) = failed(&node.m2m(&cut_off.home, &resume), stall);
	assert!(text(&error["message"]).contains("ended without a key"), "{error}");
	assert_eq!(report["ending"]["outcome"], "refunded", "{report}");
	assert_eq!(cut_off.purchases(), serde_json::json!([]));
	let (free, held) = customer.money();
	assert_eq!(held, 0);
	assert!(before < free && free < before + 2 * COVER, "{before} {free}");
}

fn an_honest_seller_is_paid_by_a_silent_buyer(stall: &Stall, customer: &Customer) {
	let _service = stall.serve();
	let report = customer.bought(stall, &[]);
	assert_eq!(report["ending"], Value::Null);
	assert_eq!(customer.money().1, PRICE);
	let purchases = stall.fair.node.ok(&customer.home, &["data", "purchases"]);
	assert_eq!(purchases[0]["state"], "opened", "{purchases}");
	until("the settlement", || (customer.money().1 == 0).then_some(()));
	let (free, _) = customer.money();
	assert!(free < 9 * money::UNIT, "the price is paid");
}

fn a_dispute_about_an_honest_sale_fails(stall: &Stall, customer: &Customer) {
	let _service = stall.serve();
	let report = customer.bought(stall, &[]);
	let sale = text(&report["sale"]);
	let verified = customer.ok(&customer.with("verify", &sale[..10], &[]));
	assert_eq!(verified["opened"], MINUTES_OF_DAY);
	let node = &stall.fair.node;
	let arguments = customer.with("dispute", &sale[..10], &[]);
	let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
	let message = node.fails(&customer.home, &arguments, 5, "ProofDoesNotHold");
	assert!(message.contains("nothing to show"), "{message}");
	let message = node.fails(
		&customer.home,
		&["data", "refund", sale, "--buyer", &customer.key],
		4,
		"Refused",
	);
	assert!(message.contains("AlreadyRevealed"), "{message}");

	// A buyer whose client shows evidence all the same convicts nobody.
	let purchases = Purchases::new(&customer.home);
	let purchase = purchases.find(sale).unwrap();
	let leaves = purchases.leaves(&purchase.sale()).unwrap();
	let evidence = SaleEvidence::new(
		purchase.terms(),
		&purchase.blind,
		&purchase.sold_anchors(),
		leaves,
		5,
	)
	.unwrap();
	let runtime = runtime();
	let chain = stall.fair.chain(&runtime);
	let call = data::prove_bad_leaf(&purchase.sale(), &evidence);
	let refused = runtime.block_on(chain.submit(&customer.key(), &call));
	match refused {
		Err(Error::Refused { reason, .. }) => assert_eq!(reason, "DataMarketplace::NothingWrong"),
		Err(error) => panic!("{error}"),
		Ok(_) => panic!("an honest seller was convicted"),
	}
	let accepted = customer.ok(&customer.with("accept", sale, &["--rating", "4"]));
	assert_eq!(accepted["ending"]["outcome"], "settled");
	assert_eq!(customer.money().1, 0);
	let arguments = customer.with("accept", sale, &["--rating", "4"]);
	let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
	node.fails(&customer.home, &arguments, 2, "Unknown");
}

fn a_sale_survives_restarts_of_both_sides(stall: &Stall, customer: &Customer) {
	let runtime = runtime();
	let chain = stall.fair.chain(&runtime);
	let key = customer.key();
	let purchases = Purchases::new(&customer.home);
	let buyer = Buyer {
		chain: &chain,
		key: &key,
		purchases: &purchases,
		progress: &(),
	};
	let order = Order {
		listing: stall.listing,
		from: time::parse_date(DATE).unwrap(),
		until: time::parse_date(NEXT_DATE).unwrap(),
		max_price: Some(PRICE),
		allow_gaps: false,
		out: Some(customer.out().to_string_lossy().into_owned()),
	};
	let quote = || -> Purchase {
		let _service = stall.serve();
		let (purchase, _) = runtime
			.block_on(buyer::quote(&chain, &key.account(), &order))
			.unwrap();
		purchase
	};
	// The seller is killed after its offer, and another process delivers.
	let mut purchase = quote();
	let service = stall.serve();
	runtime.block_on(buyer.download_and_check(&mut purchase)).unwrap();
	drop(service);
	let id = format!("{:?}", purchase.sale());
	// Nobody is there while the buyer, another process by now, pays.
	let resume = ["data", "buy", "--resume", &id[..12], "--buyer", &customer.key];
	let resume = [&resume[..], &["--rating", "3"]].concat();
	let mut paying = stall.fair.node.command(&customer.home, &resume).spawn().unwrap();
	until("the purchase", || (customer.money().1 == PRICE).then_some(()));
	// The buyer is killed as well, both come back, and the sale goes on.
	paying.kill().unwrap();
	finish(paying);
	assert!(matches!(
		runtime.block_on(buyer.look(&mut purchase)).unwrap(),
		Seen::Hidden { .. }
	));
	let node = &stall.fair.node;
	let pass = stall.fair.setup.file("passphrase");
	let owner = stall.fair.setup.owner.as_str();
	let earnings = node.ok(
		&stall.home,
		&["data", "earnings", owner, "--passphrase-file", &pass],
	);
	let [open] = earnings["open_sales"].as_array().unwrap().as_slice() else {
		panic!("there is not one open sale: {earnings}")
	};
	assert_eq!(
		(text(&open["sale"]), &open["revealed"]),
		(id.as_str(), &Value::Bool(false))
	);
	let copy = stall.fair.setup.folder.path().join("restarted-copy");
	copy_folder(&customer.home, &copy);
	// What was bought goes on though the listing is withdrawn.
	let listing = stall.listing.to_string();
	node.ok(
		&stall.fair.setup.home(),
		&["data", "unlist", &listing, "--seller", owner],
	);
	let _service = stall.serve();
	let output = finish(stall.fair.node.command(&customer.home, &resume).spawn().unwrap());
	assert!(
		output.status.success(),
		"{}\n{}",
		String::from_utf8_lossy(&output.stderr),
		stall.log()
	);
	let report: Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!(report["ending"]["outcome"], "settled", "{report}");
	customer.check_readings();
	assert_eq!(customer.money().1, 0);

	// A client that was cut off before it noted that it had paid, and comes back when all is over, pays nothing and
	// finds purchase, key and ending in past blocks.
	let purchases = Purchases::new(&copy);
	purchase = purchases.find(&id).unwrap();
	purchase.bought_in = None;
	purchases.put(&purchase).unwrap();
	until("the end of the offer", || {
		let block = runtime.block_on(chain.finalized()).unwrap();
		(block.number > purchase.terms().expires).then_some(())
	});
	let (free, _) = customer.money();
	let out = copy.with_extension("csv");
	let found = node.ok(
		&copy,
		&[
			"data",
			"buy",
			"--resume",
			&id,
			"--buyer",
			&customer.key,
			"--out",
			&out.to_string_lossy(),
		],
	);
	assert_eq!(found["ending"]["outcome"], "settled", "{found}");
	assert_eq!(fs::read(&out).unwrap(), fs::read(customer.out()).unwrap());
	assert_eq!(customer.money(), (free, 0));
}

#[test]
fn sales_between_two_programs_end_as_the_chain_says() {
	let fair = Fair::open();
	let mut stalls = fair.stalls([
		"honest",
		"cheating",
		"lying",
		"silent",
		"patient",
		"disputed",
		"restarted",
	]);
	let home = fair.setup.home();
	let owner = fair.setup.owner.as_str();
	let bonded = fair
		.node
		.ok(&home, &["data", "bond", "--seller", owner, "--add", "20"]);
	assert_eq!(bonded["available"], "20");

	// The first listing is made on the command line, where an open stream is refused; the others in one transaction.
	let honest = &mut stalls[0].0;
	let promises = [
		"--promise-range",
		"0..25000",
		"--promise-gap",
		"1m",
		"--promise-count",
		"59/1h",
	];
	let message = failure(&honest.sell(99, &promises), 2, "Unknown");
	assert!(message.contains("no open stream 99"), "{message}");
	honest.list(&promises);
	let calls: Vec<_> = stalls.iter().skip(1).map(|(stall, _)| stall.listing()).collect();
	fair.as_owner(&calls);
	let first = stalls[0].0.listing;
	for (number, (stall, _)) in (first..).zip(&mut stalls) {
		stall.listing = number;
	}

	type Story = fn(&Stall, &Customer);
	let stories: [(&str, Story); 7] = [
		("honest sale", an_honest_sale_delivers_what_was_anchored),
		(
			"cheating seller",
			a_cheating_seller_is_convicted_and_the_money_comes_back,
		),
		(
			"false delivery",
			a_false_delivery_is_refused_by_name_before_anything_is_paid,
		),
		("silent seller", a_silent_seller_gives_the_money_back),
		("silent buyer", an_honest_seller_is_paid_by_a_silent_buyer),
		("false dispute", a_dispute_about_an_honest_sale_fails),
		("restarts", a_sale_survives_restarts_of_both_sides),
	];
	thread::scope(|scope| {
		let told: Vec<_> = stories
			.iter()
			.zip(&stalls)
			.map(|((name, story), (stall, customer))| {
				let thread = thread::Builder::new().name((*name).into());
				let told = thread
					.spawn_scoped(scope, move || story(stall, customer))
					.unwrap();
				(*name, told)
			})
			.collect();
		let failed: Vec<_> = told
			.into_iter()
			.filter_map(|(name, told)| told.join().err().map(|_| name))
			.collect();
		assert!(failed.is_empty(), "these went wrong: {failed:?}");
	});

	// Nothing is locked, each sale is in the record, and the convicted ones and the silent ones cost their cover.
	let record = fair.record();
	assert_eq!(record["settled"], 4, "{record}");
	assert_eq!(record["refunded"], 2);
	assert_eq!(record["convicted"], 2);
	assert_eq!(record["locked"], "0");
	assert_eq!(record["rating"], "4.0");
	assert_eq!(amount(&record["volume"]), 4 * PRICE);
	assert_eq!(amount(&record["bond"]), 20 * money::UNIT - 4 * COVER - 2 * PRICE);
	assert_eq!(record["listings"].as_array().unwrap().len(), 6);

	// A change makes another version; a withdrawn listing is gone; a released bond waits.
	let number = first.to_string();
	let changed = stalls[0].0.list(&["--change", &number]);
	assert_eq!(changed["version"], 1, "{changed}");
	fair.node
		.ok(&home, &["data", "unlist", &number, "--seller", owner]);
	let message = fair.node.fails(&home, &["data", "show", &number], 2, "Unknown");
	assert!(message.contains("m2m data list"), "{message}");
	let released = fair
		.node
		.ok(&home, &["data", "bond", "--seller", owner, "--release", "10"]);
	assert_eq!(released["unbonding"], "10");
	let message = fair.node.fails(
		&home,
		&["data", "bond", "--seller", owner, "--withdraw"],
		4,
		"Refused",
	);
	assert!(message.contains("TooEarly"), "{message}");
}
