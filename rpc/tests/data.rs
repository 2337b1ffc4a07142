//! `data_*` over a client that has one of everything that the market for readings keeps.

mod support;

use jsonrpsee::RpcModule;
use m2m_device::{AccountId, BudgetPeriod, DeviceId, Topic};
use m2m_fair_exchange::{
	BlindedKey, Claims, ListingId, SaleId,
	market::{
		Conditions, Listing, ListingFilter, ListingPage, ListingSpec, Payee, Payout, Pool, PoolId, Price,
		Request, RequestId, RequestSpec, Sale, SaleStatus, Seller, Subscription, SubscriptionId, Windows,
	},
};
use m2m_rpc::{Data, DataApiServer};
use m2m_runtime_api::DataApi;
use serde_json::{Value, json};
use sp_api::{ApiError, ApiRef, ProvideRuntimeApi};
use sp_core::H256;
use sp_runtime::{Perbill, Permill};
use std::sync::Arc;
use support::{
	BEFORE, BEST, Block, Client, FINALIZED, PREFIX, PRUNED, UNKNOWN, address, call, call_at, named, since,
};

/// The number of the only listing, subscription, request and pool.
const NUMBER: u32 = 3;
const OPEN: SaleId = H256([0x0a; 32]);
const ENDED: SaleId = H256([0x0e; 32]);
/// Last block of the terms of both sales.
const EXPIRES: u32 = 700;
/// More than a number of JavaScript holds.
const MUCH: u128 = u128::MAX;
const MUCH_TEXT: &str = "340282366920938463463374607431768211455";

fn seller() -> AccountId {
	AccountId::new([0x22; 32])
}

fn buyer() -> AccountId {
	AccountId::new([0x33; 32])
}

fn device() -> DeviceId {
	DeviceId::new([0x55; 32])
}

fn hash(byte: u8) -> H256 {
	H256([byte; 32])
}

fn hex(byte: u8) -> String {
	format!("0x{}", format!("{byte:02x}").repeat(32))
}

fn listing(payout: Payout) -> Listing {
	Listing {
		seller: seller(),
		version: 2,
		generation: 1,
		deposit: MUCH,
		spec: ListingSpec {
			device: device(),
			stream: 4,
			from: 1_700_000_000_000,
			until: None,
			price: Price::PerReading(MUCH),
			licence: hash(0x01),
			schema: hash(0x02),
			area: b"u09wj".to_vec().try_into().unwrap(),
			metadata: hash(0x03),
			payout,
			claims: Claims {
				range: Some((i64::MIN, i64::MAX)),
				count: Some((60, 3_600_000)),
				gap_ms: Some(60_000),
			},
			endpoint: b"https://meters.example/offers".to_vec().try_into().unwrap(),
			sealing_key: [0x04; 32],
			terms_key: Some(buyer()),
		},
	}
}

fn sale() -> Sale {
	Sale {
		listing: NUMBER,
		seller: seller(),
		buyer: buyer(),
		price: 1_000,
		fixed_cover: MUCH - 1_000,
		fee: 5,
		payout: Payout::Pool {
			pool: NUMBER,
			share: Perbill::from_percent(25),
		},
		claims: Claims::default(),
		key_commitment: hash(0x05),
		key: None,
		dispute_window: 40,
		deadline: 730,
		expires: EXPIRES,
		budget: Some(BudgetPeriod { budget: 2, number: 9 }),
	}
}

fn record() -> Seller {
	Seller {
		bond: 1_000,
		locked: 300,
		unbonding: 200,
		unbonds_at: 9_000,
		settled: 4,
		refunded: 1,
		convicted: 2,
		volume: MUCH,
		rated_fees: 300,
		// Two thirds of the fees with 5 stars, a third with 4: 4.666.
		rating_points: 1_400,
	}
}

fn request() -> Request {
	Request {
		buyer: buyer(),
		deposit: 7,
		spec: RequestSpec {
			schema: hash(0x02),
			area: Default::default(),
			from: 1,
			until: Some(2),
			price: Price::PerSale(MUCH),
			metadata: hash(0x03),
			endpoint: b"https://city.example".to_vec().try_into().unwrap(),
			expires: EXPIRES,
		},
	}
}

/// What the search of the whole filter asks for.
fn whole_filter() -> ListingFilter {
	ListingFilter {
		schema: Some(hash(0x02)),
		area: Some(b"u09".to_vec().try_into().unwrap()),
		max_price: Some(Price::PerSale(MUCH)),
		genuine: Topic::from_text("certified-meter").map(|topic| (topic, vec![seller(), buyer()])),
		min_rating: Some(4),
	}
}

/// The runtime.
pub struct Api;

sp_api::mock_impl_runtime_apis! {
	impl DataApi<Block> for Api {
		#[advanced]
		fn conditions(&self, at: H256) -> Result<Conditions, ApiError> {
			since(at, ())?;
			Ok(Conditions {
				windows: Windows::default(),
				min_price: 11,
				fixed_cover: MUCH,
				fee_rate: Permill::from_percent(1),
			})
		}

		// Finds the listing by no filter or by the whole one, and says what it was asked for.
		#[advanced]
		fn listings(
			&self,
			at: H256,
			filter: ListingFilter,
			from: ListingId,
			limit: u32,
		) -> Result<ListingPage, ApiError> {
			let found = filter == ListingFilter::default() || filter == whole_filter();
			since(at, ListingPage {
				listings: found.then(|| (NUMBER, listing(Payout::Seller))).into_iter().collect(),
				next: Some(from + limit.min(128)),
			})
		}

		#[advanced]
		fn listing(&self, at: H256, listing: ListingId) -> Result<Option<Listing>, ApiError> {
			let payout = Payout::Split(
				vec![Payee { account: buyer(), share: Perbill::from_parts(333_333_333) }].try_into().unwrap()
			);
			since(at, (listing == NUMBER).then(|| self::listing(payout)))
		}

		#[advanced]
		fn listings_of(
			&self,
			at: H256,
			seller: AccountId,
			after: Option<ListingId>,
			limit: u32,
		) -> Result<Vec<ListingId>, ApiError> {
			let behind = [NUMBER, 9, 12].into_iter().filter(|number| Some(*number) > after);
			since(at, if seller == self::seller() {
				behind.take(limit.min(128) as usize).collect()
			} else {
				vec![]
			})
		}

		#[advanced]
		fn sale(&self, at: H256, sale: SaleId, expires: u32) -> Result<Option<SaleStatus>, ApiError> {
			// The key comes with the best block.
			let key = (at == BEST).then_some(BlindedKey([0x06; 32]));
			since(at, match sale {
				id if id == OPEN => Some(SaleStatus::Open(Sale { key, ..self::sale() })),
				id if id == ENDED => (expires == EXPIRES).then_some(SaleStatus::Ended),
				_ => None,
			})
		}

		#[advanced]
		fn seller(&self, at: H256, seller: AccountId) -> Result<Option<Seller>, ApiError> {
			// The device sells too, and nobody has rated it.
			let record = match seller {
				seller if seller == self::seller() => Some(record()),
				seller if seller == device() => Some(Seller::default()),
				_ => None,
			};
			since(at, record)
		}

		#[advanced]
		fn subscription(&self, at: H256, number: SubscriptionId) -> Result<Option<Subscription>, ApiError> {
			since(at, (number == NUMBER).then(|| Subscription {
				subscriber: buyer(),
				listing: 8,
				cap: 100,
				left: MUCH,
				ends: 5_000,
				signer: seller(),
				budget: None,
				deposit: 6,
			}))
		}

		#[advanced]
		fn request(&self, at: H256, number: RequestId) -> Result<Option<Request>, ApiError> {
			since(at, (number == NUMBER).then(self::request))
		}

		#[advanced]
		fn requests(
			&self,
			at: H256,
			from: RequestId,
			limit: u32,
		) -> Result<(Vec<(RequestId, Request)>, Option<RequestId>), ApiError> {
			since(at, (vec![(NUMBER, self::request())], Some(from + limit.min(128))))
		}

		#[advanced]
		fn pool(&self, at: H256, pool: PoolId) -> Result<Option<Pool>, ApiError> {
			since(at, (pool == NUMBER).then(|| Pool {
				manager: seller(),
				shares: 100,
				members: 2,
				open_sales: 1,
				index: MUCH,
				deposit: 6,
			}))
		}

		#[advanced]
		fn pool_member(
			&self,
			at: H256,
			pool: PoolId,
			member: AccountId,
		) -> Result<Option<(u32, u128)>, ApiError> {
			since(at, (pool == NUMBER && member == buyer()).then_some((40, MUCH)))
		}
	}
}

impl ProvideRuntimeApi<Block> for Client {
	type Api = Api;

	fn runtime_api(&self) -> ApiRef<'_, Api> {
		Api.into()
	}
}

fn module() -> RpcModule<Data<Client, Block>> {
	Data::new(Arc::new(Client), PREFIX).into_rpc()
}

async fn read(method: &str, parameters: Value) -> Value {
	call(&module(), method, parameters).await.unwrap()
}

/// The code and the name of what is wrong with it, and the sentence.
async fn refused(method: &str, parameters: Value) -> (i32, String, String) {
	let error = call(&module(), method, parameters).await.unwrap_err();
	let (code, name) = named(&error);
	(code, name, error.message().to_owned())
}

/// Each method with all parameters but the block, and its answer if there is nothing.
fn methods() -> Vec<(&'static str, Value, Value)> {
	vec![
		(
			"data_listings",
			json!([null, null, null]),
			json!({ "listings": [], "next": null }),
		),
		("data_listing", json!([NUMBER]), Value::Null),
		(
			"data_listingsOf",
			json!([address(&seller()), null, null]),
			json!([]),
		),
		("data_sale", json!([OPEN, null]), Value::Null),
		("data_seller", json!([address(&seller())]), Value::Null),
		("data_subscription", json!([NUMBER]), Value::Null),
		("data_request", json!([NUMBER]), Value::Null),
		(
			"data_requests",
			json!([null, null]),
			json!({ "requests": [], "next": null }),
		),
		("data_pool", json!([NUMBER]), Value::Null),
		("data_poolMember", json!([NUMBER, address(&buyer())]), Value::Null),
	]
}

fn listing_shown(payout: Value) -> Value {
	json!({
		"listing": NUMBER,
		"version": 2,
		"seller": address(&seller()),
		"device": address(&device()),
		"generation": 1,
		"stream": 4,
		"fromMs": 1_700_000_000_000_u64,
		"untilMs": null,
		"price": { "amount": MUCH_TEXT, "per": "reading" },
		"licence": hex(0x01),
		"schema": hex(0x02),
		"area": "u09wj",
		"metadata": hex(0x03),
		"payout": payout,
		"claims": {
			"range": { "min": "-9223372036854775808", "max": "9223372036854775807" },
			"count": { "readings": 60, "withinMs": 3_600_000 },
			"gapMs": 60_000,
		},
		"endpoint": "https://meters.example/offers",
		"sealingKey": hex(0x04),
		"termsKey": address(&buyer()),
		"deposit": MUCH_TEXT,
	})
}

fn request_shown() -> Value {
	json!({
		"request": NUMBER,
		"buyer": address(&buyer()),
		"schema": hex(0x02),
		"area": "",
		"fromMs": 1,
		"untilMs": 2,
		"price": { "amount": MUCH_TEXT, "per": "sale" },
		"metadata": hex(0x03),
		"endpoint": "https://city.example",
		"expiresBlock": EXPIRES,
		"deposit": "7",
	})
}

#[tokio::test]
async fn the_conditions_of_every_sale_are_shown() {
	assert_eq!(
		read("data_conditions", json!([])).await,
		json!({
			"minRevealBlocks": 1_200,
			"maxRevealBlocks": 28_800,
			"minDisputeBlocks": 4_800,
			"maxDisputeBlocks": 201_600,
			"maxValidityBlocks": 600,
			"unbondingBlocks": 259_200,
			"noticeBlocks": 1_200,
			"minPrice": "11",
			"fixedCover": MUCH_TEXT,
			"feePartsPerMillion": 10_000,
		})
	);
}

#[tokio::test]
async fn a_listing_shows_what_is_offered_at_which_price_and_who_is_paid() {
	let payout = json!({
		"kind": "split",
		"payees": [{ "account": address(&buyer()), "partsPerBillion": 333_333_333 }],
	});
	assert_eq!(read("data_listing", json!([NUMBER])).await, listing_shown(payout));
	let of_seller = json!([address(&seller())]);
	assert_eq!(read("data_listingsOf", of_seller).await, json!([NUMBER, 9, 12]));
	let second = json!([address(&seller()), NUMBER, 1]);
	assert_eq!(read("data_listingsOf", second).await, json!([9]));
}

#[tokio::test]
async fn a_search_hands_every_condition_to_the_runtime() {
	let page = |next| {
		let found = listing_shown(json!({ "kind": "seller" }));
		json!({ "listings": [found], "next": next })
	};
	let whole = json!({
		"schema": hex(0x02),
		"area": "u09",
		"maxPrice": { "amount": MUCH_TEXT, "per": "sale" },
		"genuine": {
			"topic": "certified-meter",
			"issuers": [address(&seller()), address(&buyer())],
		},
		"minRating": 4,
	});
	assert_eq!(read("data_listings", json!([])).await, page(128));
	assert_eq!(read("data_listings", json!([{}, 1_000, 10])).await, page(1_010));
	assert_eq!(read("data_listings", json!([whole, 5])).await, page(133));

	// Each condition arrives as it is: with another one, the runtime finds nothing.
	for (condition, other) in [
		("schema", json!(hex(0x09))),
		("area", json!("u0")),
		("maxPrice", json!({ "amount": MUCH_TEXT, "per": "reading" })),
		("maxPrice", json!({ "amount": "1", "per": "sale" })),
		(
			"genuine",
			json!({ "topic": "certified-meter", "issuers": [address(&buyer())] }),
		),
		(
			"genuine",
			json!({ "topic": "inspected", "issuers": whole["genuine"]["issuers"] }),
		),
		("minRating", json!(5)),
		("minRating", Value::Null),
	] {
		let mut filter = whole.clone();
		filter[condition] = other;
		let found = read("data_listings", json!([filter])).await;
		assert_eq!(found["listings"], json!([]), "{filter}");
	}
}

#[tokio::test]
async fn a_filter_that_cannot_be_used_is_a_named_error() {
	let issuers = vec![address(&seller()); 17];
	for (filter, why) in [
		(json!({ "minRating": 0 }), "1 to 5"),
		(json!({ "minRating": 6 }), "1 to 5"),
		(json!({ "area": "u09wjk3z6qfvn2mtx" }), "16 characters"),
		(
			json!({ "maxPrice": { "amount": "1.5", "per": "sale" } }),
			"whole number",
		),
		(
			json!({ "maxPrice": { "amount": format!("{MUCH_TEXT}0"), "per": "sale" } }),
			"2^128",
		),
		(
			json!({ "genuine": { "topic": "Certified Meter", "issuers": [] } }),
			"small letters",
		),
		(
			json!({ "genuine": { "topic": "inspected", "issuers": issuers } }),
			"16 issuers",
		),
	] {
		let (code, name, message) = refused("data_listings", json!([filter])).await;
		assert_eq!((code, name.as_str()), (20_003, "InvalidFilter"), "{filter}");
		assert!(message.contains(why), "{message}");
	}
	let most = json!({ "genuine": { "topic": "inspected", "issuers": issuers[..16] } });
	assert!(call(&module(), "data_listings", json!([most])).await.is_ok());

	// What has the wrong form is JSON-RPC's own error; a misspelt condition must not find everything.
	for filter in [
		json!({ "scheme": hex(0x02) }),
		json!({ "schema": "0x02" }),
		json!({ "maxPrice": { "amount": 5, "per": "sale" } }),
		json!({ "maxPrice": { "amount": "5", "per": "day" } }),
		json!({ "genuine": { "topic": "inspected" } }),
		json!({ "minRating": "good" }),
	] {
		let (code, ..) = refused("data_listings", json!([filter])).await;
		assert_eq!(code, -32602, "{filter}");
	}
	let (code, ..) = refused("data_listings", json!([null, 0, 0])).await;
	assert_eq!(code, -32602, "a page of nothing would go on for ever");
}

#[tokio::test]
async fn a_sale_shows_whose_turn_it_is_and_what_is_at_stake() {
	let mut expected = json!({
		"state": "open",
		"listing": NUMBER,
		"seller": address(&seller()),
		"buyer": address(&buyer()),
		"price": "1000",
		"fixedCover": "340282366920938463463374607431768210455",
		"cover": MUCH_TEXT,
		"fee": "5",
		"payout": { "kind": "pool", "pool": NUMBER, "partsPerBillion": 250_000_000 },
		"claims": { "range": null, "count": null, "gapMs": null },
		"keyCommitment": hex(0x05),
		"key": null,
		"disputeBlocks": 40,
		"deadlineBlock": 730,
		"expiresBlock": EXPIRES,
		"budget": { "budget": 2, "period": 9 },
	});
	assert_eq!(read("data_sale", json!([OPEN])).await, expected);
	let parameters = json!([OPEN, EXPIRES]);
	let finalized = call_at(&module(), "data_sale", parameters.clone(), FINALIZED).await;
	assert_eq!(finalized.unwrap(), expected);
	expected["key"] = hex(0x06).into();
	let best = call_at(&module(), "data_sale", parameters, BEST).await;
	assert_eq!(best.unwrap(), expected);
}

#[tokio::test]
async fn a_sale_that_ended_is_known_until_its_terms_expire() {
	let ended = read("data_sale", json!([ENDED, EXPIRES])).await;
	assert_eq!(ended, json!({ "state": "ended" }));
	assert_eq!(read("data_sale", json!([ENDED])).await, Value::Null);
	assert_eq!(read("data_sale", json!([ENDED, EXPIRES + 1])).await, Value::Null);
}

#[tokio::test]
async fn a_seller_shows_its_bond_its_record_and_its_rating() {
	assert_eq!(
		read("data_seller", json!([address(&seller())])).await,
		json!({
			"bond": "1000",
			"locked": "300",
			"unbonding": "200",
			"unbondsBlock": 9_000,
			"available": "500",
			"settled": 4,
			"refunded": 1,
			"convicted": 2,
			"volume": MUCH_TEXT,
			"rating": "4.66",
			"ratedFees": "300",
			"ratingPoints": "1400",
		})
	);
	let unrated = read("data_seller", json!([address(&device())])).await;
	assert_eq!(unrated["rating"], Value::Null);
}

#[tokio::test]
async fn standing_orders_requests_and_pools_are_shown() {
	assert_eq!(
		read("data_subscription", json!([NUMBER])).await,
		json!({
			"subscriber": address(&buyer()),
			"listing": 8,
			"cap": "100",
			"left": MUCH_TEXT,
			"endsBlock": 5_000,
			"signer": address(&seller()),
			"budget": null,
			"deposit": "6",
		})
	);
	assert_eq!(read("data_request", json!([NUMBER])).await, request_shown());
	for (parameters, next) in [(json!([]), 128), (json!([1_000, 10]), 1_010)] {
		let page = json!({ "requests": [request_shown()], "next": next });
		assert_eq!(read("data_requests", parameters).await, page);
	}
	assert_eq!(
		read("data_pool", json!([NUMBER])).await,
		json!({
			"manager": address(&seller()),
			"shares": 100,
			"members": 2,
			"openSales": 1,
			"index": MUCH_TEXT,
			"deposit": "6",
		})
	);
	assert_eq!(
		read("data_poolMember", json!([NUMBER, address(&buyer())])).await,
		json!({ "shares": 40, "owed": MUCH_TEXT })
	);
}

#[tokio::test]
async fn what_is_not_there_is_null_or_not_in_the_list() {
	for (method, parameters, nothing) in methods() {
		assert_ne!(read(method, parameters.clone()).await, nothing, "{method}");
		let before = call_at(&module(), method, parameters, BEFORE).await;
		assert_eq!(before.unwrap(), nothing, "{method}");
	}
	for (method, parameters) in [
		("data_listing", json!([NUMBER + 1])),
		("data_sale", json!([hash(0xff), EXPIRES])),
		("data_seller", json!([address(&buyer())])),
		("data_poolMember", json!([NUMBER, address(&seller())])),
	] {
		assert_eq!(read(method, parameters).await, Value::Null, "{method}");
	}
}

#[tokio::test]
async fn blocks_and_states_that_the_node_lacks_are_named_errors_of_every_method() {
	let conditions = ("data_conditions", json!([]), Value::Null);
	for (method, parameters, _) in methods().into_iter().chain([conditions]) {
		let unknown = call_at(&module(), method, parameters.clone(), UNKNOWN).await;
		let error = named(&unknown.unwrap_err());
		assert_eq!(error, (20_001, "UnknownBlock".into()), "{method}");

		let pruned = call_at(&module(), method, parameters, PRUNED).await;
		let error = named(&pruned.unwrap_err());
		assert_eq!(error, (20_004, "StateUnavailable".into()), "{method}");
	}
}

#[tokio::test]
async fn ids_that_are_none_are_refused() {
	let genuine = json!({ "genuine": { "topic": "inspected", "issuers": ["Alice"] } });
	for (method, parameters) in [
		("data_listings", json!([genuine])),
		("data_listingsOf", json!(["Alice"])),
		("data_seller", json!(["Alice"])),
		("data_poolMember", json!([NUMBER, "Alice"])),
	] {
		let (code, name, message) = refused(method, parameters).await;
		assert_eq!((code, name.as_str()), (20_002, "InvalidAddress"), "{method}");
		assert!(message.contains("\"Alice\""), "{message}");
	}
	for (method, parameters) in [
		("data_sale", json!(["0x0a"])),
		("data_sale", json!([])),
		("data_listing", json!(["first"])),
		("data_pool", json!([-1])),
	] {
		let (code, ..) = refused(method, parameters).await;
		assert_eq!(code, -32602, "{method}");
	}
}
