//! The market for readings between two programs that do not trust each other, on a real node: `m2m data serve`, or a
//! seller that is not honest, and `m2m data buy`.
//!
//! One chain and one day of readings serve all sales, which go on side by side, because most of their time is spent
//! waiting for deadlines in blocks. Each has a vault, a service and a buyer of its own; the seller's bond covers all.

use crate::support::cheat::Cheat;
use crate::support::{Node, Setup, error_of, finish, fixture, runtime};
use m2m::{
	Error,
	chain::{Chain, data, telemetry::Quantity},
	data::{
		buyer::{self, Buyer, Order, Seen},
		goods::{Answer, Source},
		market::OnChain,
		protocol::{AnchorChunk, Health, LEAF_BYTES, Quote, QuoteRequest},
		purchases::{Purchase, Purchases},
		seller::Seller,
		service::{self, Limits},
		vault::Vault,
	},
	keys::{self, Device, Key, Scheme},
	money,
	readings::MeterReadings,
	time,
};
use m2m_device::{AccountId, UnixMs};
use m2m_fair_exchange::{
	Claims, SaleEvidence, SaleId,
	market::{ListingSpec, Payout, Price},
};
use serde_json::Value;
use sp_core::H256;
use std::{
	collections::BTreeMap,
	fs,
	io::{BufRead, BufReader},
	net::SocketAddr,
	os::unix::fs::PermissionsExt,
	path::{Path, PathBuf},
	process::{Child, Output},
	sync::{Arc, Mutex},
	thread,
	time::{Duration, Instant},
};

const DATE: &str = "2016-06-13";
const NEXT_DATE: &str = "2016-06-14";
const METER: &str = "meter-001";
const MINUTES_OF_DAY: usize = 1_440;
const PASSPHRASE: &str = "correct horse battery staple";
/// What each sale costs.
const PRICE: u128 = money::UNIT;
/// What a buyer gets besides the price if the seller fails.
const COVER: u128 = money::UNIT / 10;
/// What is burnt of the price when it is paid: half a percent.
const FEE: u128 = PRICE / 200;
/// Longer than both windows of a sale on a development chain.
const SALE: Duration = Duration::from_secs(400);

/// A chain on which one meter has anchored a day by the minute, in a private stream.
struct Fair {
	setup: Setup,
	node: Node,
	device: AccountId,
	stream: u32,
	/// What the meter anchored.
	readings: Vec<(UnixMs, i64)>,
}

/// A stall at the fair: a home folder with a gateway's store and a vault, and a listing.
struct Stall<'a> {
	fair: &'a Fair,
	home: PathBuf,
	/// Key file of the account that pays for the seller's transactions.
	payer: String,
	address: SocketAddr,
	listing: u32,
}

/// Somebody with money and a home folder of its own.
struct Customer<'a> {
	fair: &'a Fair,
	home: PathBuf,
	key: String,
	address: String,
}

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

/// A service that is killed when it goes out of scope.
struct Service(Child);

impl Drop for Service {
	fn drop(&mut self) {
		let _ = self.0.kill();
		let _ = self.0.wait();
	}
}

fn text(value: &Value) -> &str {
	value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn amount(value: &Value) -> u128 {
	money::parse(text(value)).unwrap()
}

fn free_address() -> SocketAddr {
	let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
	listener.local_addr().unwrap()
}

fn copy_folder(from: &Path, to: &Path) {
	fs::create_dir_all(to).unwrap();
	fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
	for entry in fs::read_dir(from).unwrap() {
		let entry = entry.unwrap();
		let target = to.join(entry.file_name());
		if entry.file_type().unwrap().is_dir() {
			copy_folder(&entry.path(), &target);
		} else {
			// Permissions come along: key files stay private.
			fs::copy(entry.path(), target).unwrap();
		}
	}
}

impl Fair {
	fn open() -> Self {
		let (setup, node) = Setup::new();
		let csv = fixture();
		let home = setup.home();
		node.ok(
			&home,
			&[
				"data",
				"record",
				&csv.to_string_lossy(),
				"--date",
				DATE,
				"--meters",
				METER,
				"--owner",
				&setup.owner,
				"--gateway",
				&setup.gateway,
				"--map-to",
				"keep",
			],
		);
		let streams = node.ok(&home, &["telemetry", "stream", "list", "--device", METER]);
		let private: Vec<_> = streams
			.as_array()
			.unwrap()
			.iter()
			.filter(|stream| stream["private"] == true)
			.collect();
		let [stream] = private.as_slice() else {
			panic!("there is not one private stream: {streams}")
		};
		let anchors = stream["anchors"].as_u64().unwrap();
		let kept = stream["retention"].as_u64().unwrap();
		assert!(anchors > kept, "some anchors must have left the state: {stream}");
		let day = time::parse_date(DATE).unwrap();
		let slots = &MeterReadings::from_file(&csv).unwrap().meters[METER];
		let readings: Vec<_> = slots
			.iter()
			.filter(|slot| time::date_of(slot.start) == DATE)
			.flat_map(|slot| Quantity::ImportByMinute.readings(METER, slot))
			.collect();
		assert_eq!((readings.len(), readings[0].0), (MINUTES_OF_DAY, day));
		let pass = setup.file("passphrase");
		fs::write(&pass, PASSPHRASE).unwrap();
		fs::set_permissions(&pass, fs::Permissions::from_mode(0o600)).unwrap();
		Self {
			device: Device::find(&home, METER).unwrap().unwrap().id,
			stream: u32::try_from(stream["stream"].as_u64().unwrap()).unwrap(),
			readings,
			setup,
			node,
		}
	}

	/// A key file with 10 M2M of somebody new, and the call that sends the money.
	fn newcomer(&self, name: &str, calls: &mut Vec<m2m::chain::Call>) -> (String, AccountId) {
		let key = Key::generate(Scheme::Sr25519);
		let file = self.setup.file(&format!("{name}.json"));
		key.save_new(Path::new(&file)).unwrap();
		calls.push(Chain::transfer_call(&key.account(), 10 * money::UNIT));
		(file, key.account())
	}

	/// Sends calls of the owner in one transaction.
	fn as_owner(&self, calls: &[m2m::chain::Call]) -> m2m::chain::Included {
		let owner = Key::load(Path::new(&self.setup.owner)).unwrap();
		runtime().block_on(async {
			let chain = Chain::connect(&self.node.url).await.unwrap();
			let call = chain.all_or_nothing(calls).await.unwrap();
			chain.submit(&owner, &call).await.unwrap()
		})
	}

	fn stalls<const N: usize>(&self, names: [&str; N]) -> [(Stall<'_>, Customer<'_>); N] {
		let mut calls = Vec::new();
		let found = names.map(|name| {
			let (payer, _) = self.newcomer(&format!("{name}-payer"), &mut calls);
			let (key, account) = self.newcomer(&format!("{name}-buyer"), &mut calls);
			let home = self.setup.folder.path().join(name);
			copy_folder(&self.setup.home(), &home);
			let stall = Stall {
				fair: self,
				home,
				payer,
				address: free_address(),
				listing: 0,
			};
			let customer = Customer {
				fair: self,
				home: self.setup.folder.path().join(format!("{name}-buyer")),
				key,
				address: keys::address(&account),
			};
			(stall, customer)
		});
		self.as_owner(&calls);
		found
	}

	fn chain(&self, runtime: &tokio::runtime::Runtime) -> Chain {
		runtime.block_on(Chain::connect(&self.node.url)).unwrap()
	}

	/// What the seller's record says.
	fn record(&self) -> Value {
		let home = self.setup.folder.path().join("nobody");
		self.node.ok(&home, &["data", "earnings", &self.setup.owner])
	}
}

impl Stall<'_> {
	fn endpoint(&self) -> String {
		format!("http://{}", self.address)
	}

	fn vault(&self) -> Vault {
		Vault::open(&self.home.join("vault.redb"), PASSPHRASE).unwrap()
	}

	/// The call that lists the stream under the keys of this stall's vault.
	fn listing(&self) -> m2m::chain::Call {
		let vault = self.vault();
		let spec = ListingSpec {
			device: self.fair.device.clone(),
			stream: self.fair.stream,
			from: 0,
			until: None,
			price: Price::PerSale(PRICE),
			licence: H256::zero(),
			schema: Quantity::ImportByMinute.schema(),
			area: Default::default(),
			metadata: H256::zero(),
			payout: Payout::Seller,
			claims: Claims::default(),
			endpoint: self.endpoint().into_bytes().try_into().unwrap(),
			sealing_key: vault.sealing_key(),
			terms_key: Some(vault.terms_account()),
		};
		data::create_listing(None, &spec)
	}

	/// Runs `m2m data serve` until it says that it listens.
	fn serve(&self) -> Service {
		let log = fs::File::options()
			.create(true)
			.append(true)
			.open(self.home.join("serve.log"))
			.unwrap();
		let listing = self.listing.to_string();
		let address = self.address.to_string();
		let pass = self.fair.setup.file("passphrase");
		let arguments = [
			"data",
			"serve",
			"--listing",
			&listing,
			"--listen",
			&address,
			"--seller",
			&self.payer,
			"--passphrase-file",
			&pass,
		];
		let mut child = self
			.fair
			.node
			.command(&self.home, &arguments)
			.stderr(log)
			.spawn()
			.unwrap();
		let mut line = String::new();
		let stdout = child.stdout.take().unwrap();
		let service = Service(child);
		BufReader::new(stdout).read_line(&mut line).unwrap();
		assert!(
			line.contains(&self.endpoint()),
			"the service does not start: {line}\n{}",
			fs::read_to_string(self.home.join("serve.log")).unwrap()
		);
		service
	}

	/// The seller of this stall within this process.
	fn seller(&self, runtime: &tokio::runtime::Runtime) -> Arc<Seller<OnChain>> {
		let key = Arc::new(Key::load(Path::new(&self.payer)).unwrap());
		let device = Device::find(&self.home, METER).unwrap().unwrap();
		let source = Source {
			device: device.id.clone(),
			secret: Arc::new((*device.secret()).into()),
		};
		let market = OnChain::new(
			self.fair.chain(runtime),
			self.fair.node.url.clone(),
			Arc::clone(&key),
		);
		let seller = Seller::new(
			market,
			self.vault(),
			key,
			BTreeMap::from([(self.listing, source)]),
			self.home.clone(),
			Box::new(|_| {}),
		);
		Arc::new(seller.unwrap())
	}

	/// Lets somebody answer at this stall's endpoint as long as the runtime lives.
	fn answer_with<O: service::Offers>(&self, runtime: &tokio::runtime::Runtime, offers: O) {
		let listener = runtime
			.block_on(tokio::net::TcpListener::bind(self.address))
			.unwrap();
		let log = self.home.join("serve.log");
		let journal = move |line: &str| {
			let before = fs::read_to_string(&log).unwrap_or_default();
			fs::write(&log, format!("{before}{line}\n")).unwrap();
		};
		runtime.spawn(service::serve(
			listener,
			offers,
			Limits::default(),
			Box::new(journal),
			std::future::pending(),
		));
	}

	fn log(&self) -> String {
		fs::read_to_string(self.home.join("serve.log")).unwrap_or_default()
	}
}

impl Customer<'_> {
	fn out(&self) -> PathBuf {
		self.home.with_extension("csv")
	}

	/// The command that buys the day.
	fn order(&self, listing: u32, more: &[&str]) -> Vec<String> {
		let listing = listing.to_string();
		let out = self.out().to_string_lossy().into_owned();
		let mut arguments = vec!["data", "buy", "--listing", &listing, "--device"];
		let device = keys::address(&self.fair.device);
		arguments.extend([device.as_str(), "--from", DATE, "--to", NEXT_DATE]);
		arguments.extend(["--buyer", &self.key, "--out", &out]);
		arguments.extend(more);
		arguments.into_iter().map(str::to_owned).collect()
	}

	fn buy(&self, listing: u32, more: &[&str]) -> Output {
		let arguments = self.order(listing, more);
		let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
		self.fair.node.m2m(&self.home, &arguments)
	}

	/// Buys what must turn out well.
	fn bought(&self, stall: &Stall, more: &[&str]) -> Value {
		let output = self.buy(stall.listing, more);
		assert!(
			output.status.success(),
			"{}\n{}",
			String::from_utf8_lossy(&output.stderr),
			stall.log()
		);
		let told = String::from_utf8_lossy(&output.stderr);
		for stage in [
			"checking anchors against the finalized chain",
			"downloading sealed readings",
		] {
			assert!(told.contains(stage), "no progress is shown: {told}");
		}
		assert!(told.contains(&format!("({MINUTES_OF_DAY})")), "{told}");
		self.check_readings();
		serde_json::from_slice(&output.stdout).unwrap()
	}

	/// Does something with a purchase.
	fn with(&self, command: &str, sale: &str, more: &[&str]) -> Vec<String> {
		let mut arguments = vec!["data", command, sale, "--buyer", &self.key];
		arguments.extend(more);
		arguments.into_iter().map(str::to_owned).collect()
	}

	fn ok(&self, arguments: &[String]) -> Value {
		let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
		self.fair.node.ok(&self.home, &arguments)
	}

	fn fails(&self, arguments: &[String], code: i32, name: &str) -> String {
		let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
		self.fair.node.fails(&self.home, &arguments, code, name)
	}

	/// Sales that are under way, as this customer's home folder knows them.
	fn purchases(&self) -> Value {
		self.fair.node.ok(&self.home, &["data", "purchases"])
	}

	/// Free money, and money on hold.
	fn money(&self) -> (u128, u128) {
		let balance = self
			.fair
			.node
			.ok(&self.home, &["account", "balance", &self.address]);
		(amount(&balance["free"]), amount(&balance["on_hold"]))
	}

	/// What was written is what the meter anchored.
	fn check_readings(&self) {
		let file = fs::read_to_string(self.out()).unwrap();
		let written: Vec<(UnixMs, i64)> = file
			.lines()
			.skip(1)
			.map(|line| {
				let mut columns = line.split(',');
				let moment = time::parse(columns.next().unwrap()).unwrap();
				(moment, columns.next().unwrap().parse().unwrap())
			})
			.collect();
		assert_eq!(written, self.fair.readings);
	}

	fn key(&self) -> Key {
		Key::load(Path::new(&self.key)).unwrap()
	}
}

/// Waits until something is so.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
	let deadline = Instant::now() + SALE;
	loop {
		if let Some(found) = look() {
			return found;
		}
		assert!(Instant::now() < deadline, "{what} did not happen");
		thread::sleep(Duration::from_millis(500));
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
	let pass = fair.setup.file("passphrase");
	let owner = fair.setup.owner.as_str();
	let licence = fair.setup.file("licence.txt");
	fs::write(&licence, "For one's own use").unwrap();
	let bonded = fair
		.node
		.ok(&home, &["data", "bond", "--seller", owner, "--add", "20"]);
	assert_eq!(bonded["available"], "20");

	// The first listing is made on the command line, where an open stream is refused; the others in one transaction.
	let honest = &mut stalls[0].0;
	let stream = fair.stream.to_string();
	let endpoint = honest.endpoint();
	let sell = |stream: &str, home: &Path, more: &[&str]| {
		let mut arguments = vec!["data", "sell", "--seller", owner, "--device", METER, "--stream"];
		arguments.extend([stream, "--price", "1", "--licence", &licence]);
		arguments.extend(["--endpoint", &endpoint, "--area", "u281z"]);
		arguments.extend(["--promise-range", "0..25000", "--promise-gap", "1m"]);
		arguments.extend(["--promise-count", "59/1h", "--passphrase-file", &pass]);
		arguments.extend(more);
		fair.node.m2m(home, &arguments)
	};
	let output = sell("99", &honest.home, &[]);
	assert!(
		text(&error_of(&output)["message"]).contains("no open stream 99"),
		"{}",
		error_of(&output)
	);
	let output = sell(&stream, &honest.home, &[]);
	assert!(
		output.status.success(),
		"{}",
		String::from_utf8_lossy(&output.stderr)
	);
	let sold: Value = serde_json::from_slice(&output.stdout).unwrap();
	honest.listing = u32::try_from(sold["listing"].as_u64().unwrap()).unwrap();
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
	let output = sell(&stream, &stalls[0].0.home, &["--change", &number]);
	let changed: Value = serde_json::from_slice(&output.stdout).unwrap();
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
