//! `energy_*` over a client that has one market, with a member and slots in each state.

mod support;

use jsonrpsee::RpcModule;
use m2m_auction::{PriceOrder, PricePerKwh, PriceStep, Pricing, Ration, Side, Slot, TickGrid};
use m2m_device::{AccountId, DeviceId, Topic};
use m2m_rpc::{Energy, EnergyApiServer};
use m2m_runtime_api::{
	BookDetails, ClearedSlotDetails, ClearingDetails, EnergyApi, EntryDetails, MarketDetails,
	MarketParameters, MemberDetails, MembershipState, TickDetails,
};
use serde_json::{Value, json};
use sp_api::{ApiError, ApiRef, ProvideRuntimeApi};
use sp_core::H256;
use std::sync::Arc;
use support::{
	BEFORE, BEST, Block, Client, FINALIZED, PREFIX, PRUNED, UNKNOWN, address, call, call_at, named, since,
};

const MARKET: u32 = 7;
const OPEN: Slot = 1_980_002;
const CLEARED: Slot = 1_980_001;
/// Cleared without a trade.
const QUIET: Slot = 1_980_000;
/// Tenth part of a token, as a price per kWh.
const DIME: u128 = 100_000_000_000;
/// More than a number of JavaScript holds.
const MUCH: u128 = u128::MAX;
const MUCH_TEXT: &str = "340282366920938463463374607431768211455";

fn operator() -> AccountId {
	AccountId::new([0x22; 32])
}

fn pot() -> AccountId {
	AccountId::new([0x33; 32])
}

/// Members in their order. The first one is asked about.
fn members() -> Vec<DeviceId> {
	[0x55, 0x56, 0x57].map(|byte| DeviceId::new([byte; 32])).to_vec()
}

fn is_member(device: &DeviceId) -> bool {
	members().contains(device)
}

fn pricing() -> Pricing {
	Pricing {
		retail: 3 * DIME,
		feed_in: DIME / 2,
		margin: 1_000_000,
		grid_fee: DIME / 4,
		grid: TickGrid {
			bottom: DIME,
			tick_size: DIME / 10,
			ticks: 16,
		},
	}
}

fn result() -> ClearingDetails {
	ClearingDetails {
		price: DIME,
		volume_wh: u128::from(u64::MAX) + 1,
		ration: Some(Ration {
			side: Side::Bid,
			filled: 200,
			offered: 900,
			orders: 2,
		}),
		bids: 3,
		asks: 1,
	}
}

fn market() -> MarketDetails {
	MarketDetails {
		market: MARKET,
		operator: operator(),
		account: pot(),
		slot_seconds: 900,
		parameters: vec![MarketParameters {
			first: 1_979_000,
			pricing: pricing(),
			window_ms: 120_000,
			window_blocks: 4,
		}],
		meters: Topic::from_text("certified-meter").map(|topic| (topic, vec![operator()])),
		feeder: Some((pot(), 3, u64::MAX)),
		reserve: MUCH,
		last_price: Some((1_979_999, DIME)),
	}
}

fn book() -> BookDetails {
	let tick = |tick, wh, orders| TickDetails {
		tick,
		price: pricing().grid.price(tick),
		wh,
		orders,
	};
	BookDetails {
		bids: vec![tick(0, 900, 2), tick(5, 1_000, 1)],
		asks: vec![tick(2, u64::MAX, 1)],
		indicative: Some(ClearingDetails {
			ration: None,
			..result()
		}),
		pot: MUCH,
		due: true,
	}
}

fn member(credit: u128) -> MemberDetails {
	let step = |limit, wh| PriceStep { limit, wh };
	let order = PriceOrder {
		bids: vec![step(2 * DIME, 2_000), step(DIME, u32::MAX)]
			.try_into()
			.unwrap(),
		asks: vec![step(DIME, 500)].try_into().unwrap(),
	};
	MemberDetails {
		import: 1,
		export: 2,
		state: MembershipState::Admitted {
			since: 1_979_500,
			point: H256([0xab; 32]),
			import_capacity: 10_000,
			export_capacity: u32::MAX,
		},
		orders: vec![(1_979_500, PriceOrder::default()), (1_980_003, order)],
		credit,
		unsettled: 2,
	}
}

/// A page as the runtime makes it.
fn page<T>(all: impl IntoIterator<Item = T>, limit: u32) -> Vec<T> {
	all.into_iter().take(limit.min(256) as usize).collect()
}

/// The runtime.
pub struct Api;

sp_api::mock_impl_runtime_apis! {
	impl EnergyApi<Block> for Api {
		#[advanced]
		fn market(&self, at: H256, market: u32) -> Result<Option<MarketDetails>, ApiError> {
			since(at, Some(self::market()).filter(|details| details.market == market))
		}

		#[advanced]
		fn markets(&self, at: H256, after: Option<u32>, limit: u32) -> Result<Vec<u32>, ApiError> {
			since(at, page(after.map_or(0, |after| after + 1)..1_000, limit))
		}

		#[advanced]
		fn book(&self, at: H256, market: u32, slot: Slot) -> Result<Option<BookDetails>, ApiError> {
			since(at, Some(self::book()).filter(|_| (market, slot) == (MARKET, OPEN)))
		}

		#[advanced]
		fn clearing(&self, at: H256, market: u32, slot: Slot) -> Result<Option<ClearedSlotDetails>, ApiError> {
			let cleared = (market == MARKET && [CLEARED, QUIET].contains(&slot)).then(|| ClearedSlotDetails {
				clearing: Some(result()).filter(|_| slot == CLEARED),
				grid_fee: pricing().grid_fee,
				pot: MUCH,
				orders: 4,
			});
			since(at, cleared)
		}

		#[advanced]
		fn entry(
			&self,
			at: H256,
			market: u32,
			slot: Slot,
			device: DeviceId,
		) -> Result<Option<EntryDetails>, ApiError> {
			let has_entry = market == MARKET && slot == OPEN && is_member(&device);
			since(at, has_entry.then(|| EntryDetails {
				bids: vec![(2 * DIME, 1_000), (DIME, 250)],
				asks: vec![],
			}))
		}

		#[advanced]
		fn member(&self, at: H256, market: u32, device: DeviceId) -> Result<Option<MemberDetails>, ApiError> {
			let credit = if at == BEST { 1 } else { MUCH };
			since(at, (market == MARKET && is_member(&device)).then(|| self::member(credit)))
		}

		#[advanced]
		fn members(
			&self,
			at: H256,
			market: u32,
			after: Option<DeviceId>,
			limit: u32,
		) -> Result<Vec<DeviceId>, ApiError> {
			let behind = self::members().into_iter().filter(|device| Some(device) > after.as_ref());
			since(at, if market == MARKET { page(behind, limit) } else { vec![] })
		}

		#[advanced]
		fn open_slots(&self, at: H256, market: u32, limit: u32) -> Result<Vec<(Slot, bool)>, ApiError> {
			let slots = [(OPEN, true), (OPEN + 1, false)];
			since(at, if market == MARKET { page(slots, limit) } else { vec![] })
		}

		#[advanced]
		fn unsettled_slots(&self, at: H256, market: u32, limit: u32) -> Result<Vec<Slot>, ApiError> {
			since(at, if market == MARKET { page([CLEARED, QUIET], limit) } else { vec![] })
		}

		fn unsettled(&self, _: u32, _: Slot, _: Option<DeviceId>) -> (Vec<DeviceId>, Option<DeviceId>) {
			panic!("no method asks for it")
		}

		#[advanced]
		fn last_price(&self, at: H256, market: u32) -> Result<Option<(Slot, PricePerKwh)>, ApiError> {
			since(at, self::market().last_price.filter(|_| market == MARKET))
		}
	}
}

impl ProvideRuntimeApi<Block> for Client {
	type Api = Api;

	fn runtime_api(&self) -> ApiRef<'_, Api> {
		Api.into()
	}
}

fn module() -> RpcModule<Energy<Client, Block>> {
	Energy::new(Arc::new(Client), PREFIX).into_rpc()
}

async fn read(method: &str, parameters: Value) -> Value {
	call(&module(), method, parameters).await.unwrap()
}

fn meter() -> String {
	address(&members()[0])
}

/// Each method with all parameters but the block, and its answer if there is nothing.
fn methods() -> Vec<(&'static str, Value, Value)> {
	vec![
		("energy_markets", json!([null, null]), json!([])),
		("energy_market", json!([MARKET]), Value::Null),
		("energy_book", json!([MARKET, OPEN]), Value::Null),
		("energy_clearing", json!([MARKET, CLEARED]), Value::Null),
		("energy_entry", json!([MARKET, OPEN, meter()]), Value::Null),
		("energy_member", json!([MARKET, meter()]), Value::Null),
		("energy_members", json!([MARKET, null, null]), json!([])),
		("energy_openSlots", json!([MARKET, null]), json!([])),
		("energy_unsettledSlots", json!([MARKET, null]), json!([])),
		("energy_lastPrice", json!([MARKET]), Value::Null),
	]
}

#[tokio::test]
async fn a_market_shows_its_operator_its_prices_and_which_meters_it_takes() {
	let expected = json!({
		"market": 7,
		"operator": address(&operator()),
		"account": address(&pot()),
		"slotSeconds": 900,
		"parameters": [{
			"firstSlot": 1_979_000,
			"retailPerKwh": "300000000000",
			"feedInPerKwh": "50000000000",
			"marginPerKwh": "1000000",
			"gridFeePerKwh": "25000000000",
			"bottomPerKwh": "100000000000",
			"tickSizePerKwh": "10000000000",
			"ticks": 16,
			"windowMs": 120_000,
			"windowBlocks": 4,
		}],
		"meters": { "topic": "certified-meter", "issuers": [address(&operator())] },
		"feeder": { "device": address(&pot()), "stream": 3, "toleranceWh": "18446744073709551615" },
		"reserve": MUCH_TEXT,
		"lastPrice": { "slot": 1_979_999, "pricePerKwh": "100000000000" },
	});
	assert_eq!(read("energy_market", json!([MARKET])).await, expected);
	let last = read("energy_lastPrice", json!([MARKET])).await;
	assert_eq!(last, expected["lastPrice"]);
}

#[tokio::test]
async fn an_open_slot_shows_volumes_by_tick_and_the_indicative_price() {
	assert_eq!(
		read("energy_book", json!([MARKET, OPEN])).await,
		json!({
			"bids": [
				{ "tick": 0, "pricePerKwh": "100000000000", "volumeWh": "900", "orders": 2 },
				{ "tick": 5, "pricePerKwh": "150000000000", "volumeWh": "1000", "orders": 1 },
			],
			"asks": [
				{
					"tick": 2,
					"pricePerKwh": "120000000000",
					"volumeWh": "18446744073709551615",
					"orders": 1,
				},
			],
			"indicative": {
				"pricePerKwh": "100000000000",
				"volumeWh": "18446744073709551616",
				"ration": null,
				"bids": 3,
				"asks": 1,
			},
			"pot": MUCH_TEXT,
			"due": true,
		})
	);
}

#[tokio::test]
async fn a_cleared_slot_shows_its_price_and_who_is_rationed() {
	let cleared = |clearing: Value| {
		json!({
			"clearing": clearing,
			"gridFeePerKwh": "25000000000",
			"pot": MUCH_TEXT,
			"unsettledOrders": 4,
		})
	};
	assert_eq!(
		read("energy_clearing", json!([MARKET, CLEARED])).await,
		cleared(json!({
			"pricePerKwh": "100000000000",
			"volumeWh": "18446744073709551616",
			"ration": { "side": "bid", "filledWh": "200", "offeredWh": "900", "orders": 2 },
			"bids": 3,
			"asks": 1,
		}))
	);
	assert_eq!(
		read("energy_clearing", json!([MARKET, QUIET])).await,
		cleared(Value::Null)
	);
}

#[tokio::test]
async fn a_member_shows_its_orders_its_credit_and_what_counts_in_a_slot() {
	let mut expected = json!({
		"importStream": 1,
		"exportStream": 2,
		"state": "admitted",
		"sinceSlot": 1_979_500,
		"meteringPoint": format!("0x{}", "ab".repeat(32)),
		"importCapacityWh": 10_000,
		"exportCapacityWh": u32::MAX,
		"orders": [
			{ "firstSlot": 1_979_500, "bids": [], "asks": [] },
			{
				"firstSlot": 1_980_003,
				"bids": [
					{ "limitPerKwh": "200000000000", "wh": 2_000 },
					{ "limitPerKwh": "100000000000", "wh": u32::MAX },
				],
				"asks": [{ "limitPerKwh": "100000000000", "wh": 500 }],
			},
		],
		"credit": MUCH_TEXT,
		"unsettledEntries": 2,
	});
	let parameters = json!([MARKET, meter()]);
	assert_eq!(read("energy_member", parameters.clone()).await, expected);
	assert_eq!(
		read("energy_entry", json!([MARKET, OPEN, meter()])).await,
		json!({
			"bids": [
				{ "limitPerKwh": "200000000000", "wh": 1_000 },
				{ "limitPerKwh": "100000000000", "wh": 250 },
			],
			"asks": [],
		})
	);

	// The best block is read when it is asked for, and the finalized one otherwise.
	let finalized = call_at(&module(), "energy_member", parameters.clone(), FINALIZED).await;
	assert_eq!(finalized.unwrap(), expected);
	expected["credit"] = "1".into();
	let best = call_at(&module(), "energy_member", parameters, BEST).await;
	assert_eq!(best.unwrap(), expected);
}

#[test]
fn a_membership_that_does_not_trade_has_nothing_but_its_state() {
	let state = |state| serde_json::to_value(state).unwrap();
	assert_eq!(
		state(m2m_rpc::energy::MemberState::Applied),
		json!({ "state": "applied" })
	);
	assert_eq!(
		state(m2m_rpc::energy::MemberState::Leaving),
		json!({ "state": "leaving" })
	);
}

#[tokio::test]
async fn lists_go_on_after_the_last_item_of_a_page() {
	let numbers = |from: u32, until: u32| json!((from..until).collect::<Vec<_>>());
	// As many as the runtime gives, unless fewer are asked for.
	assert_eq!(read("energy_markets", json!([])).await, numbers(0, 256));
	assert_eq!(read("energy_markets", json!([255])).await, numbers(256, 512));
	assert_eq!(read("energy_markets", json!([255, 2])).await, numbers(256, 258));
	assert_eq!(
		read("energy_markets", json!([null, 5_000])).await,
		numbers(0, 256)
	);

	let all: Vec<_> = members().iter().map(address).collect();
	assert_eq!(read("energy_members", json!([MARKET])).await, json!(all));
	assert_eq!(
		read("energy_members", json!([MARKET, all[0], 1])).await,
		json!([all[1]])
	);

	let open = json!([{ "slot": OPEN, "due": true }, { "slot": OPEN + 1, "due": false }]);
	assert_eq!(read("energy_openSlots", json!([MARKET])).await, open);
	assert_eq!(
		read("energy_openSlots", json!([MARKET, 1])).await,
		json!([open[0]])
	);
	assert_eq!(
		read("energy_unsettledSlots", json!([MARKET])).await,
		json!([CLEARED, QUIET])
	);
	assert_eq!(
		read("energy_unsettledSlots", json!([MARKET, 1])).await,
		json!([CLEARED])
	);

	let zero = call(&module(), "energy_markets", json!([null, 0])).await;
	assert_eq!(zero.unwrap_err().code(), -32602);
}

#[tokio::test]
async fn what_is_not_there_is_null_or_not_in_the_list() {
	for (method, parameters, nothing) in methods() {
		assert_ne!(read(method, parameters.clone()).await, nothing, "{method}");
		let before = call_at(&module(), method, parameters, BEFORE).await;
		assert_eq!(before.unwrap(), nothing, "{method}");
	}
	let stranger = address(&operator());
	assert_eq!(
		read("energy_member", json!([MARKET, stranger])).await,
		Value::Null
	);
	assert_eq!(read("energy_market", json!([8])).await, Value::Null);
	assert_eq!(read("energy_book", json!([MARKET, CLEARED])).await, Value::Null);
}

#[tokio::test]
async fn blocks_and_states_that_the_node_lacks_are_named_errors_of_every_method() {
	for (method, parameters, _) in methods() {
		let unknown = call_at(&module(), method, parameters.clone(), UNKNOWN).await;
		let error = unknown.unwrap_err();
		assert_eq!(named(&error), (20_001, "UnknownBlock".into()), "{method}");
		assert!(error.message().contains(&format!("{UNKNOWN:#x}")), "{method}");

		let pruned = call_at(&module(), method, parameters, PRUNED).await;
		let error = pruned.unwrap_err();
		assert_eq!(named(&error), (20_004, "StateUnavailable".into()), "{method}");
		assert!(error.message().contains("state already discarded"), "{method}");
	}
}

#[tokio::test]
async fn an_address_that_is_none_of_this_chain_is_a_named_error() {
	let mistyped = meter().replace(&meter()[9..10], "1");
	assert_ne!(mistyped, meter());
	for wrong in [
		"".to_owned(),
		"Alice".into(),
		mistyped,
		format!(" {}", meter()),
		format!("0x{}", "55".repeat(32)),
		"1".repeat(1_000_000),
		// The same account with Polkadot's prefix.
		elsewhere(&members()[0]),
	] {
		for (method, parameters) in [
			("energy_entry", json!([MARKET, OPEN, wrong])),
			("energy_member", json!([MARKET, wrong])),
			("energy_members", json!([MARKET, wrong])),
		] {
			let error = call(&module(), method, parameters).await.unwrap_err();
			assert_eq!(named(&error), (20_002, "InvalidAddress".into()), "{wrong:.60}");
			assert!(error.message().contains("prefix 42"), "{}", error.message());
			assert!(error.message().len() < 200, "{}", error.message());
		}
	}
}

fn elsewhere(account: &AccountId) -> String {
	use sp_core::crypto::{Ss58AddressFormat, Ss58Codec};
	account.to_ss58check_with_version(Ss58AddressFormat::custom(0))
}

#[tokio::test]
async fn parameters_can_be_named() {
	let request = json!({
		"jsonrpc": "2.0",
		"id": 1,
		"method": "energy_book",
		"params": { "slot": OPEN, "market": MARKET },
	});
	let (answer, _) = module().raw_json_request(&request.to_string(), 1).await.unwrap();
	let answer: Value = serde_json::from_str(&answer).unwrap();
	assert_eq!(answer["result"], read("energy_book", json!([MARKET, OPEN])).await);
	assert_eq!(answer["result"]["due"], true);
}

#[tokio::test]
async fn parameters_of_the_wrong_type_are_refused_before_any_state_is_read() {
	for (method, parameters) in [
		("energy_market", json!([])),
		("energy_market", json!(["seven"])),
		("energy_market", json!([-1])),
		("energy_book", json!([MARKET])),
		("energy_book", json!([MARKET, "now"])),
		("energy_member", json!([MARKET, 5])),
		("energy_market", json!([MARKET, "yesterday"])),
	] {
		let error = call(&module(), method, parameters.clone()).await.unwrap_err();
		assert_eq!(error.code(), -32602, "{method} {parameters}");
	}
}
