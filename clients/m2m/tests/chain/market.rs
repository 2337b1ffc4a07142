//! A community market against a real node: from the first order to a bill that agrees to the unit with the auction
//! worked out here, and what happens when something goes wrong on the way.

use crate::support::{Node, Setup, finish, runtime};
use m2m::{
	bill::kwh,
	chain::{
		Block, Chain, Included,
		energy::{self, EnergyEvent, MarketId},
		telemetry::{self, Outcome, Quantity},
	},
	commitment,
	keys::{self, Device, Key},
	money,
	store::{AnchorName, Batch},
	time,
};
use m2m_anchor::{SignedAnchors, StreamId, StreamSpec};
use m2m_auction::{
	Book, Capacity, Clearing, IgnoredReason, Money, PriceOrder, PriceStep, Pricing, Settlement, Side, Slot,
	SlotLength, Wh, clear, settle, spread,
};
use serde_json::{Value, json};
use sp_core::H256;
use std::{
	fs,
	path::{Path, PathBuf},
	process::{Child, Command, Output, Stdio},
	time::{Duration, Instant},
};

const CENT: Money = money::UNIT / 100;
/// Two blocks: the shortest slot there is.
const SLOT_MS: u32 = 6_000;
const CAPACITY: Capacity = Capacity {
	import: 5_000,
	export: 5_000,
};
/// Longest wait for the chain to come to a point.
const PATIENCE: Duration = Duration::from_secs(120);

fn length() -> SlotLength {
	SlotLength::new(SLOT_MS / 1000).unwrap()
}

fn text(value: &Value) -> String {
	value
		.as_str()
		.unwrap_or_else(|| panic!("{value} is no text"))
		.to_owned()
}

fn amount(value: &Value) -> Money {
	money::parse(&text(value)).unwrap()
}

/// Each line of what a command printed.
fn lines(output: &Output) -> Vec<Value> {
	assert!(
		output.status.success(),
		"{}",
		String::from_utf8_lossy(&output.stderr)
	);
	String::from_utf8_lossy(&output.stdout)
		.lines()
		.map(|line| serde_json::from_str(line).unwrap())
		.collect()
}

fn spec(quantity: Quantity) -> StreamSpec {
	StreamSpec {
		cadence_ms: SLOT_MS,
		period_ms: Some(SLOT_MS),
		..quantity.spec(0)
	}
}

/// What a household wants, has and meters in one slot.
struct Household {
	name: &'static str,
	order: PriceOrder,
	credit: Money,
	import: Wh,
	export: Wh,
}

fn household(
	name: &'static str,
	buys: &[(Money, u32)],
	sells: &[(Money, u32)],
	credit: Money,
	(import, export): (Wh, Wh),
) -> Household {
	let steps = |steps: &[(Money, u32)]| {
		let steps: Vec<PriceStep> = steps
			.iter()
			.map(|(cents, wh)| PriceStep {
				limit: cents * CENT,
				wh: *wh,
			})
			.collect();
		steps.try_into().unwrap()
	};
	Household {
		name,
		order: PriceOrder {
			bids: steps(buys),
			asks: steps(sells),
		},
		credit,
		import,
		export,
	}
}

/// The auction of a slot, from nothing but orders, credits and readings.
fn auction(pricing: &Pricing, households: &[Household]) -> (Option<Clearing>, Vec<Settlement>) {
	let entries: Vec<_> = households
		.iter()
		.map(|household| {
			let placed = household.order.on(&pricing.grid);
			let bids = spread(&placed.bids, household.import.min(CAPACITY.import.into()));
			let asks = spread(&placed.asks, household.export.min(CAPACITY.export.into()));
			(pricing.cover(bids, household.credit).bids, asks)
		})
		.collect();
	let mut book = Book::default();
	for (bids, asks) in &entries {
		for bid in bids {
			book.add(Side::Bid, bid).unwrap();
		}
		for ask in asks {
			book.add(Side::Ask, ask).unwrap();
		}
	}
	let clearing = clear(&book);
	let bills = entries
		.iter()
		.map(|(bids, asks)| settle(pricing, clearing.as_ref(), bids, asks))
		.collect();
	(clearing, bills)
}

/// A market with devices of one owner, who also runs it.
struct Neighbourhood {
	setup: Setup,
	home: PathBuf,
	market: MarketId,
	owner: Key,
	gateway: Key,
	pricing: Pricing,
}

impl Neighbourhood {
	/// Registers devices with streams and money in their wallets, and opens a market.
	fn new(names: &[&str], window: &str, window_blocks: &str) -> (Self, Node) {
		let (setup, node) = Setup::new();
		let home = setup.home();
		let owner = Key::load(Path::new(&setup.owner)).unwrap();
		let gateway = Key::load(Path::new(&setup.gateway)).unwrap();
		let register = ["device", "register", "--owner", &setup.owner, "--new"];
		node.ok(&home, &[&register[..], names].concat());
		let created = node.ok(
			&home,
			&[
				"market",
				"create",
				"--operator",
				&setup.owner,
				"--retail",
				"0.30",
				"--feed-in",
				"0.08",
				"--grid-fee",
				"0.04",
				"--slot-seconds",
				"6",
				"--window",
				window,
				"--window-blocks",
				window_blocks,
			],
		);
		let market = u32::try_from(created["market"].as_u64().unwrap()).unwrap();
		let neighbourhood = Self {
			home,
			market,
			owner,
			gateway,
			pricing: Pricing {
				retail: 30 * CENT,
				feed_in: 8 * CENT,
				margin: CENT,
				grid_fee: 4 * CENT,
				grid: m2m_auction::TickGrid {
					bottom: 9 * CENT,
					tick_size: CENT,
					ticks: 17,
				},
			},
			setup,
		};
		runtime().block_on(async {
			let chain = Chain::connect(&node.url).await.unwrap();
			let mut calls = Vec::new();
			for name in names {
				let device = neighbourhood.device(name).id;
				calls.push(Chain::transfer_call(&device, 10 * money::UNIT));
				for quantity in Quantity::SETTLED {
					calls.push(telemetry::create_stream(&device, &spec(quantity)));
				}
			}
			neighbourhood.together(&chain, &calls).await;
		});
		(neighbourhood, node)
	}

	fn device(&self, name: &str) -> Device {
		Device::find(&self.home, name).unwrap().unwrap()
	}

	/// Sends calls of the owner, which all take effect.
	async fn together(&self, chain: &Chain, calls: &[m2m::chain::Call]) -> Included {
		let call = chain.all_or_nothing(calls).await.unwrap();
		chain.submit(&self.owner, &call).await.unwrap()
	}

	/// Makes households members that trade.
	async fn join(&self, chain: &Chain, households: &[&Household]) {
		let block = chain.finalized().await.unwrap();
		let mut calls = Vec::new();
		for household in households {
			let device = self.device(household.name).id;
			let import = stream_of(chain, &block, &device, Quantity::Import).await;
			let export = stream_of(chain, &block, &device, Quantity::Export).await;
			let point = H256(*AsRef::<[u8; 32]>::as_ref(&device));
			calls.push(energy::join(self.market, &device, import, export));
			calls.push(energy::admit(self.market, &device, &point, &CAPACITY));
			calls.push(energy::set_order(self.market, &device, &household.order));
			if household.credit > 0 {
				calls.push(energy::top_up(self.market, &device, household.credit));
			}
		}
		self.together(chain, &calls).await;
	}

	/// A slot that has not begun yet and for which all members trade by their last order.
	async fn next_slot(&self, chain: &Chain) -> Slot {
		let block = chain.finalized().await.unwrap();
		let mut first = length().slot_at(block.time(chain).await.unwrap()) + 1;
		for device in block.members_after(chain, self.market, None).await.unwrap() {
			let member = block.member(chain, self.market, &device).await.unwrap().unwrap();
			let m2m_runtime_api::MembershipState::Admitted { since, .. } = member.state else {
				panic!("{member:?}");
			};
			let order = member.orders.last().map_or(0, |(first, _)| *first);
			first = first.max(since).max(order);
		}
		first
	}

	/// The signed anchor of what a device metered in a slot.
	async fn envelope(
		&self,
		chain: &Chain,
		name: &str,
		slot: Slot,
		readings: &[(Quantity, Wh)],
	) -> SignedAnchors {
		let device = self.device(name);
		let block = chain.finalized().await.unwrap();
		let mut batches = Vec::new();
		for (quantity, wh) in readings {
			let stream = stream_of(chain, &block, &device.id, *quantity).await;
			let readings = vec![(length().start(slot), i64::try_from(*wh).unwrap())];
			// Any number that was not used yet; slots make good ones within the stream's window.
			let seq = block
				.stream(chain, &device.id, stream)
				.await
				.unwrap()
				.unwrap()
				.next_seq;
			let anchor = commitment::anchor(device.secret(), stream, seq, &readings).unwrap();
			let name = AnchorName {
				device: device.id.clone(),
				stream,
				seq,
			};
			batches.push((name, Batch { anchor, readings }));
		}
		commitment::envelope(chain.genesis(), &device, &batches).unwrap()
	}

	/// Delivers envelopes, every anchor of which is taken, and returns what the market says.
	async fn deliver(&self, chain: &Chain, envelopes: &[SignedAnchors]) -> Vec<EnergyEvent> {
		let call = telemetry::anchor_many(&envelopes.iter().collect());
		let included = chain.submit(&self.gateway, &call).await.unwrap();
		let outcomes = telemetry::outcomes(&included.block, &included.events).unwrap();
		for envelope in envelopes {
			for item in &envelope.items {
				let outcome = outcomes.of(envelope, item);
				assert!(matches!(outcome, Some(Outcome::Anchored { .. })), "{outcome:?}");
			}
		}
		EnergyEvent::all(&included.block, &included.events).unwrap()
	}

	fn ok(&self, node: &Node, arguments: &[&str]) -> Value {
		node.ok(&self.home, arguments)
	}

	fn bill(&self, node: &Node, name: &str, slot: Slot) -> Value {
		let (market, from) = (self.market.to_string(), time::format(length().start(slot)));
		let to = time::format(length().end(slot));
		self.ok(
			node,
			&["bill", name, "--market", &market, "--from", &from, "--to", &to],
		)
	}

	fn member(&self, node: &Node, name: &str) -> Value {
		let market = self.market.to_string();
		self.ok(node, &["market", "show", &market, "--device", name])
	}
}

async fn stream_of(
	chain: &Chain,
	block: &Block,
	device: &m2m_device::DeviceId,
	quantity: Quantity,
) -> StreamId {
	for stream in block.streams(chain, device).await.unwrap() {
		let details = block.stream(chain, device, stream).await.unwrap();
		let spec = details.and_then(|details| details.spec).unwrap();
		if Quantity::of(&spec) == Some(quantity) {
			return stream;
		}
	}
	panic!("{device} has no {} stream", quantity.name());
}

/// Does two things at once that two accounts sign, so that both are in the same blocks.
fn side_by_side(one: impl FnOnce() + Send, other: impl FnOnce() + Send) {
	std::thread::scope(|scope| {
		scope.spawn(one);
		scope.spawn(other);
	});
}

/// Waits until a block is as wanted; `what` says what is waited for.
async fn wait<T>(chain: &Chain, what: &str, wanted: impl AsyncFn(&Block) -> Option<T>) -> T {
	let deadline = Instant::now() + PATIENCE;
	loop {
		let block = chain.best().await.unwrap();
		if let Some(found) = wanted(&block).await {
			return found;
		}
		assert!(Instant::now() < deadline, "{what}: not in {PATIENCE:?}");
		tokio::time::sleep(Duration::from_millis(200)).await;
	}
}

async fn wait_for_end(chain: &Chain, slot: Slot) {
	wait(chain, "the end of the slot", async |block| {
		(block.time(chain).await.unwrap() >= length().end(slot)).then_some(())
	})
	.await;
}

/// Waits until a slot can be settled in the finalized state.
async fn wait_until_due(chain: &Chain, market: MarketId, slot: Slot) {
	wait(chain, "the end of the window", async |_| {
		let block = chain.finalized().await.unwrap();
		let open = block.open_slots(chain, market).await.unwrap();
		let is_open = open.iter().any(|(open, due)| *open == slot && !*due);
		(!is_open).then_some(())
	})
	.await;
}

#[test]
fn a_slot_is_traded_settled_by_racing_keepers_and_billed_to_the_unit() {
	let names = ["anna", "ben", "cleo", "dora", "emil", "fritz"];
	let (hood, node) = Neighbourhood::new(&names, "36s", "3");
	let all = u32::MAX;
	// Cleo's credit covers 263 Wh of her 400: 0.05 M2M at 0.19 a kWh.
	let households = [
		household("anna", &[(20, 1_000)], &[], 2 * money::UNIT, (1_200, 0)),
		household("ben", &[(15, 500)], &[(24, all)], money::UNIT, (800, 0)),
		household("cleo", &[(15, 400)], &[], 5 * CENT, (400, 0)),
		household("dora", &[], &[(12, all)], 0, (0, 1_200)),
		household("emil", &[(10, 100)], &[(18, 600)], money::UNIT, (50, 700)),
	];
	let fritz = household("fritz", &[], &[(9, all)], 0, (0, 3_000));
	let market = hood.market.to_string();
	let (owner, gateway) = (hood.setup.owner.as_str(), hood.setup.gateway.as_str());
	let runtime = runtime();
	let chain = runtime.block_on(Chain::connect(&node.url)).unwrap();

	// Anna does everything by hand.
	let fails = |arguments: &[&str], code, name: &str, parts: &[&str]| {
		let message = node.fails(&hood.home, arguments, code, name);
		for part in parts {
			assert!(message.contains(part), "{part} is missing: {message}");
		}
	};
	let admit = |signer| {
		[
			"market",
			"admit",
			market.as_str(),
			"--device",
			"anna",
			"--operator",
			signer,
			"--import-capacity",
			"5000",
			"--export-capacity",
			"5000",
		]
	};
	fails(&admit(owner), 2, "Usage", &["--point"]);
	let admit = |signer| [&admit(signer)[..], &["--point", "DE0001"]].concat();
	side_by_side(
		|| {
			let join = ["market", "join", &market, "--device", "anna", "--signer", owner];
			let joined = hood.ok(&node, &join);
			assert_ne!(joined["import"], joined["export"]);
		},
		|| {
			fails(
				&admit(gateway),
				4,
				"Refused",
				&["EnergyTrading::NotOperator", "m2m market show"],
			);
		},
	);
	assert!(hood.ok(&node, &admit(owner))["since"].as_u64().unwrap() > 0);
	let top_up = |amount| {
		[
			"market",
			"top-up",
			market.as_str(),
			"--device",
			"anna",
			"--signer",
			owner,
			"--amount",
			amount,
		]
	};
	assert_eq!(hood.ok(&node, &top_up("2"))["credit"], "2");
	let set = hood.ok(
		&node,
		&[
			"market",
			"set-order",
			&market,
			"--device",
			"anna",
			"--signer",
			owner,
			"--buy",
			"1kWh@0.20",
		],
	);
	assert_eq!(set["buy"], json!([{ "wh": 1000, "price": "0.2" }]));

	// The others at once.
	let others: Vec<&Household> = households.iter().skip(1).chain([&fritz]).collect();
	runtime.block_on(hood.join(&chain, &others));
	let slot = runtime.block_on(hood.next_slot(&chain));
	runtime.block_on(wait_for_end(&chain, slot));
	let events = runtime.block_on(async {
		let mut envelopes = Vec::new();
		for household in &households {
			let readings = [
				(Quantity::Import, household.import),
				(Quantity::Export, household.export),
			];
			envelopes.push(hood.envelope(&chain, household.name, slot, &readings).await);
		}
		hood.deliver(&chain, &envelopes).await
	});
	let reported: Vec<(Side, Wh, Wh)> = events
		.iter()
		.filter_map(|event| match event {
			EnergyEvent::Reported {
				side,
				metered,
				offered,
				slot: of,
				..
			} if *of == slot => Some((*side, *metered, *offered)),
			_ => None,
		})
		.collect();
	// Whoever neither took nor gave has nothing to report of that side.
	let metered = households
		.iter()
		.flat_map(|household| [household.import, household.export])
		.filter(|wh| *wh > 0)
		.count();
	assert_eq!(reported.len(), metered, "{events:?}");
	// Her credit ran out in the middle of her energy; what it covers counts.
	assert!(reported.contains(&(Side::Bid, 400, 263)), "{reported:?}");

	// The book is as it must be, before anything is cleared.
	let (clearing, bills) = auction(&hood.pricing, &households);
	let clearing = clearing.unwrap();
	assert_eq!(hood.pricing.grid.price(clearing.tick), 15 * CENT);
	let frame = hood.ok(&node, &["market", "watch", &market, "--once"]);
	assert_eq!(frame["slot"]["slot"], slot);
	assert_eq!(frame["slot"]["state"], "reporting");
	assert_eq!(frame["slot"]["indicative"]["price"], "0.15");
	assert_eq!(
		frame["slot"]["indicative"]["volume_wh"],
		clearing.volume_wh.to_string()
	);
	assert_eq!(frame["slot"]["indicative"]["rationed"], "buyers");
	let inside: Vec<String> = frame["slot"]["in"].as_array().unwrap().iter().map(text).collect();
	assert_eq!(inside.len(), 5);
	assert!(inside.contains(&"anna".into()) && !inside.contains(&"fritz".into()));
	assert_eq!(
		hood.member(&node, "ben")["entries"],
		json!([{ "slot": slot, "buy": [{ "wh": 500, "price": "0.15" }], "sell": [] }])
	);
	let (slot_text, settle_by) = (slot.to_string(), gateway);
	let settle_slot = ["market", "settle", &market, &slot_text, "--signer", settle_by];
	side_by_side(
		|| {
			fails(
				&settle_slot,
				4,
				"Refused",
				&["EnergyTrading::WindowOpen", "m2m market watch"],
			);
		},
		|| {
			fails(
				&top_up("1000"),
				4,
				"Refused",
				&["EnergyTrading::WalletCannotPay", "m2m account fund"],
			);
		},
	);

	// Two keepers at once: together they do everything, and neither fails.
	runtime.block_on(wait_until_due(&chain, hood.market, slot));
	let keeper = |signer: &str| {
		node.command(&hood.home, &["keeper", "--signer", signer, "--once"])
			.spawn()
			.unwrap()
	};
	let racing = [keeper(owner), keeper(gateway)].map(finish);
	let rounds: Vec<Value> = racing.iter().map(|output| lines(output).pop().unwrap()).collect();
	let sum = |field: &str| -> u64 {
		let numbers = rounds.iter().map(|round| round[field].as_u64().unwrap());
		numbers.sum()
	};
	assert_eq!((sum("settled"), sum("finished")), (5, 1), "{rounds:?}");
	let idle = hood.ok(&node, &["keeper", "--signer", gateway, "--once"]);
	assert_eq!(idle["calls"], 0, "{idle}");
	let withdraw = |amount: &'static [&'static str]| {
		let base = [
			"market", "withdraw", &market, "--device", "anna", "--signer", owner,
		];
		[&base[..], amount].concat()
	};
	side_by_side(
		|| {
			fails(
				&settle_slot,
				4,
				"Refused",
				&["EnergyTrading::UnknownSlot", "settled already"],
			);
		},
		|| {
			fails(
				&withdraw(&["--amount", "5"]),
				4,
				"Refused",
				&["EnergyTrading::CreditTooLow", "m2m market show"],
			);
		},
	);

	// A report that comes too late is ignored by name, and changes nothing.
	let late = runtime.block_on(async {
		let envelope = hood
			.envelope(&chain, "fritz", slot, &[(Quantity::Export, 3_000)])
			.await;
		hood.deliver(&chain, &[envelope]).await
	});
	assert!(
		matches!(
			late.as_slice(),
			[EnergyEvent::ReportIgnored {
				reason: IgnoredReason::WindowOver,
				..
			}]
		),
		"{late:?}"
	);
	let (from, long_after) = (length().start(slot), length().start(slot + 100));
	let nothing = hood.ok(
		&node,
		&[
			"bill",
			"fritz",
			"--market",
			&market,
			"--from",
			&time::format(from),
			"--to",
			&time::format(long_after),
		],
	);
	assert_eq!(nothing["lines"], json!([]));
	assert_eq!(nothing["ignored"][0]["reason"], "WindowOver");

	// Each bill is what the auction says, and so is each credit.
	let (mut paid, mut earned) = (0, 0);
	for (household, expected) in households.iter().zip(&bills) {
		let bill = hood.bill(&node, household.name, slot);
		let name = household.name;
		assert_eq!(bill["unsettled"], json!([]), "{name}");
		let [line] = bill["lines"].as_array().unwrap().as_slice() else {
			panic!("{bill}");
		};
		assert_eq!(line["slot"], slot);
		assert_eq!(line["price"], "0.15");
		assert_eq!(line["bought_kwh"], kwh(expected.bought), "{name}");
		assert_eq!(line["sold_kwh"], kwh(expected.sold), "{name}");
		assert_eq!(line["paid"], money::format(expected.paid), "{name}");
		assert_eq!(line["earned"], money::format(expected.earned), "{name}");
		// The utility asks 0.30 and pays 0.08: nobody is worse off, and who trades is better off.
		let charge = 30 * CENT / 1_000_000 * expected.bought;
		let credit = 8 * CENT / 1_000_000 * expected.sold;
		assert_eq!(amount(&line["utility_charge"]), charge, "{name}");
		assert_eq!(amount(&line["utility_credit"]), credit, "{name}");
		let saving = charge + expected.earned - expected.paid - credit;
		assert_eq!(amount(&line["saving"]), saving, "{name}");
		assert_eq!(saving > 0, expected.bought + expected.sold > 0, "{name}");
		let credit = amount(&hood.member(&node, name)["credit"]);
		assert_eq!(
			credit,
			household.credit - expected.paid + expected.earned,
			"{name}"
		);
		paid += expected.paid;
		earned += expected.earned;
	}
	assert!(bills.iter().filter(|bill| bill.bought > 0).count() == 3);
	let csv = hood.setup.file("anna.csv");
	let (from, to) = (length().start(slot), length().end(slot));
	let bill = [
		"bill",
		"anna",
		"--market",
		&market,
		"--from",
		&time::format(from),
		"--to",
		&time::format(to),
		"--csv",
		&csv,
	];
	hood.ok(&node, &bill);
	let rows = fs::read_to_string(&csv).unwrap();
	assert!(
		rows.lines().nth(1).unwrap().starts_with(&format!("{slot},")),
		"{rows}"
	);
	assert_eq!(rows.lines().count(), 2);
	fails(&bill, 2, "FileExists", &["anna.csv"]);

	// What buyers paid and sellers did not get is the reserve.
	let shown = hood.ok(&node, &["market", "show", &market]);
	assert_eq!(amount(&shown["reserve"]), paid - earned);
	assert_eq!(shown["last_price"], json!({ "slot": slot, "price": "0.15" }));
	assert_eq!(shown["slots"], json!([]));
	let taken = hood.ok(&node, &withdraw(&[]));
	assert_eq!(amount(&taken["amount"]), 2 * money::UNIT - bills[0].paid);
	assert_eq!(taken["credit"], "0");
	let reserve = hood.ok(&node, &["market", "reserve", &market, "--operator", owner]);
	assert_eq!(amount(&reserve["amount"]), paid - earned);

	// When all have left, nothing is left but what keeps the market's account alive.
	let left = hood.ok(
		&node,
		&["market", "leave", &market, "--device", "anna", "--signer", owner],
	);
	assert_eq!(left["left"], true);
	let calls: Vec<_> = names[1..]
		.iter()
		.map(|name| energy::remove_member(hood.market, &hood.device(name).id))
		.collect();
	let account = text(&shown["account"]);
	let (free, existential) = runtime.block_on(async {
		let included = hood.together(&chain, &calls).await;
		let balance = chain
			.balance(&keys::parse_address(&account).unwrap())
			.await
			.unwrap();
		(balance.free, included.block.existential_deposit().unwrap())
	});
	assert_eq!(free, existential);
	let shown = hood.ok(&node, &["market", "show", &market]);
	assert_eq!((&shown["members"], &shown["reserve"]), (&json!([]), &json!("0")));
	fails(
		&["market", "show", &market, "--device", "anna"],
		2,
		"Unknown",
		&["no member"],
	);
}

#[test]
fn a_node_that_restarts_in_the_middle_of_a_slot_loses_nothing_and_the_keeper_comes_back() {
	let (hood, mut node) = Neighbourhood::new(&["anna", "dora"], "24s", "14");
	let households = [
		household("anna", &[(20, 1_000)], &[], money::UNIT, (700, 0)),
		household("dora", &[], &[(12, 1_000)], 0, (0, 900)),
	];
	let (clearing, bills) = auction(&hood.pricing, &households);
	let price = hood.pricing.grid.price(clearing.unwrap().tick);
	let runtime = runtime();
	let slot = runtime.block_on(async {
		let chain = Chain::connect(&node.url).await.unwrap();
		hood.join(&chain, &households.each_ref()).await;
		let slot = hood.next_slot(&chain).await;
		wait_for_end(&chain, slot).await;
		let envelope = hood
			.envelope(&chain, "anna", slot, &[(Quantity::Import, 700)])
			.await;
		hood.deliver(&chain, &[envelope]).await;
		slot
	});
	let printed = hood.setup.file("keeper.out");
	let warned = hood.setup.file("keeper.err");
	let keeper = Service::start(&node, &hood, &printed, &warned);

	// The one report is in; then the node is away for a while, and the keeper with it.
	node.stop();
	keeper.says(&warned, "trying again");
	let node = Node::start_on(&node.base.clone(), node.port);
	let chain = runtime.block_on(Chain::connect(&node.url)).unwrap();
	runtime.block_on(async {
		let block = chain.finalized().await.unwrap();
		let book = block.book(&chain, hood.market, slot).await.unwrap().unwrap();
		assert_eq!(book.bids.iter().map(|tick| tick.wh).collect::<Vec<_>>(), [700]);
		// The window is not over, because it has a number of blocks besides its time.
		let envelope = hood
			.envelope(&chain, "dora", slot, &[(Quantity::Export, 900)])
			.await;
		let events = hood.deliver(&chain, &[envelope]).await;
		assert!(
			matches!(
				events.as_slice(),
				[EnergyEvent::Reported {
					metered: 900,
					offered: 900,
					..
				}]
			),
			"{events:?}"
		);
		wait_until_due(&chain, hood.market, slot).await;
		wait(&chain, "the keeper", async |_| {
			let block = chain.finalized().await.unwrap();
			let open = block.open_slots(&chain, hood.market).await.unwrap();
			let unsettled = block.unsettled_slots(&chain, hood.market).await.unwrap();
			(open.is_empty() && unsettled.is_empty()).then_some(())
		})
		.await;
	});
	keeper.says(&printed, "\"action\":\"finished\"");
	let total = keeper.stop(&printed);
	assert_eq!(total["settled"], 2, "{total}");
	assert_eq!(total["overtaken"], 0, "{total}");
	for (household, expected) in households.iter().zip(&bills) {
		let bill = hood.bill(&node, household.name, slot);
		assert_eq!(bill["lines"][0]["price"], money::format(price));
		assert_eq!(bill["totals"]["bought_kwh"], kwh(expected.bought));
		assert_eq!(bill["totals"]["sold_kwh"], kwh(expected.sold));
		assert_eq!(bill["totals"]["paid"], money::format(expected.paid));
		assert_eq!(bill["totals"]["earned"], money::format(expected.earned));
	}
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_sent() {
	let (hood, node) = Neighbourhood::new(&["anna"], "6s", "2");
	let market = hood.market.to_string();
	let owner = hood.setup.owner.as_str();
	let usage = |arguments: &[&str], parts: &[&str]| {
		let message = node.fails(&hood.home, arguments, 2, "Usage");
		for part in parts {
			assert!(message.contains(part), "{part} is missing: {message}");
		}
	};
	let create = |more: &[&'static str]| {
		let base = ["market", "create", "--operator", owner, "--feed-in", "0.08"];
		[&base[..], more].concat()
	};
	usage(
		&create(&["--retail", "0.30", "--ticks", "90"]),
		&["TopTooHigh", "--ticks to 21"],
	);
	usage(
		&create(&["--retail", "0.30", "--bottom", "0.05"]),
		&["BottomTooLow", "0.09"],
	);
	usage(
		&create(&["--retail", "0.30", "--slot-seconds", "7"]),
		&["InvalidSlotLength"],
	);
	usage(&create(&[]), &["--retail"]);
	let order = |steps: &[&'static str]| {
		let base = [
			"market",
			"set-order",
			&market,
			"--device",
			"anna",
			"--signer",
			owner,
		];
		[&base[..], steps].concat()
	};
	usage(&order(&["--buy", "2000@0.24"]), &["2000Wh@0.24"]);
	usage(
		&order(&["--sell", "1Wh@0.1", "--sell", "2Wh@0.10"]),
		&["StepsOutOfOrder"],
	);
	usage(&order(&[]), &["--none"]);

	// A market with other slots than the device's streams: it says which streams it wants.
	let other = hood.ok(&node, &create(&["--retail", "0.30", "--slot-seconds", "900"]));
	let other = other["market"].to_string();
	assert_ne!(other, market);
	usage(
		&["market", "join", &other, "--device", "anna", "--signer", owner],
		&[
			"UnsuitableStream",
			"period of 6000 ms, not of 900000",
			"--quantity import --cadence 900s --period 900s",
		],
	);
	let listed = hood.ok(&node, &["market", "list"]);
	assert_eq!(listed.as_array().unwrap().len(), 2);
	assert_eq!(listed[1]["slot_seconds"], 900);
	assert_eq!(listed[1]["parameters"][0]["ticks"], 21);

	// Changed parameters begin after the notice, which is a minute here; the rest of them stays.
	let changed = hood.ok(
		&node,
		&[
			"market",
			"parameters",
			&other,
			"--operator",
			owner,
			"--grid-fee",
			"0",
			"--ticks",
			"20",
		],
	);
	assert_eq!(changed["parameters"]["ticks"], 20);
	assert_eq!(changed["parameters"]["retail"], "0.3");
	let first = changed["parameters"]["first"].as_u64().unwrap();
	let ahead = SlotLength::new(900)
		.unwrap()
		.start(first)
		.saturating_sub(time::now());
	assert!((60_000..60_000 + 3 * 900_000).contains(&ahead), "{ahead}");
	let message = node.fails(
		&hood.home,
		&[
			"market",
			"parameters",
			&other,
			"--operator",
			owner,
			"--retail",
			"0.31",
		],
		4,
		"Refused",
	);
	assert!(message.contains("EnergyTrading::ChangePending"), "{message}");

	for arguments in [
		&["market", "show", "77"][..],
		&["market", "watch", "77", "--once"],
		&["bill", "anna", "--market", "77"],
		&["keeper", "--signer", owner, "--markets", "77", "--once"],
	] {
		let message = node.fails(&hood.home, arguments, 2, "Unknown");
		assert!(message.contains("m2m market list"), "{message}");
	}
	// A market without any report has a bill all the same: an empty one.
	let bill = hood.ok(&node, &["bill", "anna", "--market", &market]);
	assert_eq!(bill["lines"], json!([]));
	assert_eq!(bill["totals"]["saving"], "0");
}

/// A keeper that runs as a service.
struct Service(Child);

impl Service {
	fn start(node: &Node, hood: &Neighbourhood, printed: &str, warned: &str) -> Self {
		let file = |name: &str| Stdio::from(fs::File::create(name).unwrap());
		let arguments = ["keeper", "--signer", &hood.setup.gateway];
		let child = node
			.command(&hood.home, &arguments)
			.stdout(file(printed))
			.stderr(file(warned))
			.spawn()
			.unwrap();
		let service = Self(child);
		service.says(warned, "connected to");
		service
	}

	/// Waits until a file holds a text.
	fn says(&self, file: &str, wanted: &str) {
		let deadline = Instant::now() + PATIENCE;
		while !fs::read_to_string(file).unwrap().contains(wanted) {
			assert!(
				Instant::now() < deadline,
				"no `{wanted}` in {}",
				fs::read_to_string(file).unwrap()
			);
			std::thread::sleep(Duration::from_millis(100));
		}
	}

	/// Stops it as a service manager would and returns the last line that it printed.
	fn stop(mut self, printed: &str) -> Value {
		let asked = Command::new("kill")
			.arg(self.0.id().to_string())
			.status()
			.unwrap();
		assert!(asked.success());
		assert!(self.0.wait().unwrap().success());
		let text = fs::read_to_string(printed).unwrap();
		let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
		assert_eq!(last["action"], "stopped");
		last
	}
}

impl Drop for Service {
	fn drop(&mut self) {
		let _ = self.0.kill();
		let _ = self.0.wait();
	}
}
