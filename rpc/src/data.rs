//! `data_*`: the market for readings.
//!
//! Money is a decimal string in the smallest unit of the token. Times of readings are unix milliseconds (`fromMs`);
//! what happens on chain is dated in blocks (`deadlineBlock`).

use crate::{
	DataRuntimeApi, ReadError,
	chain::{Addresses, Chain, most},
};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use m2m_device::{AccountId, BudgetPeriod, Topic, UnixMs};
use m2m_fair_exchange::market;
use m2m_runtime_api::MAX_ISSUERS;
use serde::{Deserialize, Serialize};
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_core::H256;
use sp_runtime::traits::Block as BlockT;
use std::{num::NonZeroU32, sync::Arc};

/// The market for readings. All methods read the last finalized block, or the block `at`; what does not exist there is
/// `null` or not in the list. They fail with [`ReadError`].
#[rpc(server)]
pub trait DataApi<Hash> {
	/// What is demanded of every sale.
	#[method(name = "data_conditions", blocking)]
	fn conditions(&self, at: Option<Hash>) -> RpcResult<Conditions>;

	/// Listings that match and can be bought from now, from number `from` (0) on: at most `limit` (128, and never
	/// more), out of the next 512 numbers.
	#[method(name = "data_listings", blocking)]
	fn listings(
		&self,
		filter: Option<Filter>,
		from: Option<u32>,
		limit: Option<NonZeroU32>,
		at: Option<Hash>,
	) -> RpcResult<ListingPage>;

	/// One listing.
	#[method(name = "data_listing", blocking)]
	fn listing(&self, listing: u32, at: Option<Hash>) -> RpcResult<Option<Listing>>;

	/// Numbers of a seller's listings in a fixed order: at most `limit` (128, and never more) after `after`.
	#[method(name = "data_listingsOf", blocking)]
	fn listings_of(
		&self,
		seller: String,
		after: Option<u32>,
		limit: Option<NonZeroU32>,
		at: Option<Hash>,
	) -> RpcResult<Vec<u32>>;

	/// A sale that is open. One that ended is found until its terms expire, if `expires`, the last block of the terms,
	/// is given.
	#[method(name = "data_sale", blocking)]
	fn sale(&self, sale: H256, expires: Option<u32>, at: Option<Hash>) -> RpcResult<Option<Sale>>;

	/// Bond and record of a seller.
	#[method(name = "data_seller", blocking)]
	fn seller(&self, seller: String, at: Option<Hash>) -> RpcResult<Option<Seller>>;

	/// A standing order.
	#[method(name = "data_subscription", blocking)]
	fn subscription(&self, subscription: u32, at: Option<Hash>) -> RpcResult<Option<Subscription>>;

	/// One request.
	#[method(name = "data_request", blocking)]
	fn request(&self, request: u32, at: Option<Hash>) -> RpcResult<Option<Request>>;

	/// Requests that have not expired, from number `from` (0) on: at most `limit` (128, and never more), out of the
	/// next 512 numbers.
	#[method(name = "data_requests", blocking)]
	fn requests(
		&self,
		from: Option<u32>,
		limit: Option<NonZeroU32>,
		at: Option<Hash>,
	) -> RpcResult<RequestPage>;

	/// A pool.
	#[method(name = "data_pool", blocking)]
	fn pool(&self, pool: u32, at: Option<Hash>) -> RpcResult<Option<Pool>>;

	/// Shares of a member of a pool, and what it is owed.
	#[method(name = "data_poolMember", blocking)]
	fn pool_member(&self, pool: u32, member: String, at: Option<Hash>) -> RpcResult<Option<PoolMember>>;
}

/// Answers from a client's state.
pub struct Data<C, Block> {
	chain: Chain<C, Block>,
}

impl<C, Block> Data<C, Block> {
	/// Reads the client's chain, which writes addresses with this SS58 prefix.
	pub fn new(client: Arc<C>, ss58_prefix: u16) -> Self {
		Self {
			chain: Chain::new(client, ss58_prefix),
		}
	}
}

impl<C, Block> DataApiServer<H256> for Data<C, Block>
where
	Block: BlockT<Hash = H256>,
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
	C::Api: DataRuntimeApi<Block>,
{
	fn conditions(&self, at: Option<H256>) -> RpcResult<Conditions> {
		let conditions = self.chain.read(at, |api, block| api.conditions(block))?;
		Ok(Conditions::new(conditions))
	}

	fn listings(
		&self,
		filter: Option<Filter>,
		from: Option<u32>,
		limit: Option<NonZeroU32>,
		at: Option<H256>,
	) -> RpcResult<ListingPage> {
		let addresses = &self.chain.addresses;
		let filter = filter.unwrap_or_default().read(addresses)?;
		let page = self.chain.read(at, |api, block| {
			api.listings(block, filter, from.unwrap_or_default(), most(limit))
		})?;
		Ok(ListingPage {
			listings: page
				.listings
				.into_iter()
				.map(|(number, listing)| Listing::new(addresses, number, listing))
				.collect(),
			next: page.next,
		})
	}

	fn listing(&self, listing: u32, at: Option<H256>) -> RpcResult<Option<Listing>> {
		let found = self.chain.read(at, |api, block| api.listing(block, listing))?;
		Ok(found.map(|found| Listing::new(&self.chain.addresses, listing, found)))
	}

	fn listings_of(
		&self,
		seller: String,
		after: Option<u32>,
		limit: Option<NonZeroU32>,
		at: Option<H256>,
	) -> RpcResult<Vec<u32>> {
		let seller = self.chain.addresses.read(&seller)?;
		Ok(self.chain.read(at, |api, block| {
			api.listings_of(block, seller, after, most(limit))
		})?)
	}

	fn sale(&self, sale: H256, expires: Option<u32>, at: Option<H256>) -> RpcResult<Option<Sale>> {
		// No terms expire with the genesis block, so without `expires` only open sales are found.
		let status = self.chain.read(at, |api, block| {
			api.sale(block, sale, expires.unwrap_or_default())
		})?;
		Ok(status.map(|status| Sale::new(&self.chain.addresses, status)))
	}

	fn seller(&self, seller: String, at: Option<H256>) -> RpcResult<Option<Seller>> {
		let seller = self.chain.addresses.read(&seller)?;
		let record = self.chain.read(at, |api, block| api.seller(block, seller))?;
		Ok(record.map(|record| Seller::new(&record)))
	}

	fn subscription(&self, subscription: u32, at: Option<H256>) -> RpcResult<Option<Subscription>> {
		let found = self
			.chain
			.read(at, |api, block| api.subscription(block, subscription))?;
		Ok(found.map(|found| Subscription::new(&self.chain.addresses, found)))
	}

	fn request(&self, request: u32, at: Option<H256>) -> RpcResult<Option<Request>> {
		let found = self.chain.read(at, |api, block| api.request(block, request))?;
		Ok(found.map(|found| Request::new(&self.chain.addresses, request, found)))
	}

	fn requests(
		&self,
		from: Option<u32>,
		limit: Option<NonZeroU32>,
		at: Option<H256>,
	) -> RpcResult<RequestPage> {
		let (requests, next) = self.chain.read(at, |api, block| {
			api.requests(block, from.unwrap_or_default(), most(limit))
		})?;
		Ok(RequestPage {
			requests: requests
				.into_iter()
				.map(|(number, request)| Request::new(&self.chain.addresses, number, request))
				.collect(),
			next,
		})
	}

	fn pool(&self, pool: u32, at: Option<H256>) -> RpcResult<Option<Pool>> {
		let found = self.chain.read(at, |api, block| api.pool(block, pool))?;
		Ok(found.map(|found| Pool::new(&self.chain.addresses, found)))
	}

	fn pool_member(&self, pool: u32, member: String, at: Option<H256>) -> RpcResult<Option<PoolMember>> {
		let member = self.chain.addresses.read(&member)?;
		let found = self
			.chain
			.read(at, |api, block| api.pool_member(block, pool, member))?;
		Ok(found.map(|(shares, owed)| PoolMember {
			shares,
			owed: owed.to_string(),
		}))
	}
}

/// What somebody looks for among the listings. Each condition that is set must hold; unknown ones are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
	/// The schema.
	pub schema: Option<H256>,
	/// The area, or one around it: a prefix.
	pub area: Option<String>,
	/// Not above this price, and of its kind.
	pub max_price: Option<Price>,
	/// Somebody vouches for the device.
	pub genuine: Option<Genuine>,
	/// The seller's rating is this, from 1 to 5, or better.
	pub min_rating: Option<u8>,
}

/// That one of the issuers vouches for a device.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Genuine {
	/// Under this topic.
	pub topic: String,
	/// One of these, at most 16.
	pub issuers: Vec<String>,
}

impl Filter {
	fn read(self, addresses: &Addresses) -> Result<market::ListingFilter, ReadError> {
		let can_be_reached = |rating: &u8| (1..=market::MAX_RATING).contains(rating);
		if !self.min_rating.as_ref().is_none_or(can_be_reached) {
			return Err(ReadError::InvalidFilter("minRating goes from 1 to 5"));
		}
		let area = self.area.map(|area| market::Area::try_from(area.into_bytes()));
		let price = self.max_price.map(Price::read);
		let genuine = self.genuine.map(|genuine| genuine.read(addresses));
		Ok(market::ListingFilter {
			schema: self.schema,
			area: area
				.transpose()
				.map_err(|_| ReadError::InvalidFilter("an area has at most 16 characters"))?,
			max_price: price.transpose()?,
			genuine: genuine.transpose()?,
			min_rating: self.min_rating,
		})
	}
}

impl Genuine {
	fn read(self, addresses: &Addresses) -> Result<(Topic, Vec<AccountId>), ReadError> {
		let topic = Topic::from_text(&self.topic).ok_or(ReadError::InvalidFilter(
			"a topic is 1 to 16 of small letters, digits and -",
		))?;
		if self.issuers.len() > MAX_ISSUERS {
			return Err(ReadError::InvalidFilter("genuine has at most 16 issuers"));
		}
		let issuers: Result<_, _> = self.issuers.iter().map(|issuer| addresses.read(issuer)).collect();
		Ok((topic, issuers?))
	}
}

/// A price.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
	/// How much.
	pub amount: String,
	/// What for.
	pub per: Per,
}

/// What a price is for.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Per {
	/// One sale, however long.
	Sale,
	/// Each reading.
	Reading,
}

impl Price {
	fn new(price: market::Price) -> Self {
		let (amount, per) = match price {
			market::Price::PerSale(amount) => (amount, Per::Sale),
			market::Price::PerReading(amount) => (amount, Per::Reading),
		};
		Self {
			amount: amount.to_string(),
			per,
		}
	}

	fn read(self) -> Result<market::Price, ReadError> {
		let amount = self.amount.parse().map_err(|_| {
			ReadError::InvalidFilter("an amount is a whole number of the token's smallest unit, below 2^128")
		})?;
		Ok(match self.per {
			Per::Sale => market::Price::PerSale(amount),
			Per::Reading => market::Price::PerReading(amount),
		})
	}
}

/// What is demanded of every sale.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conditions {
	/// Shortest time in which a key may be revealed.
	pub min_reveal_blocks: u32,
	/// Longest time for that.
	pub max_reveal_blocks: u32,
	/// Shortest time for evidence.
	pub min_dispute_blocks: u32,
	/// Longest time for that.
	pub max_dispute_blocks: u32,
	/// How far ahead terms may expire.
	pub max_validity_blocks: u32,
	/// How long a bond takes to come out.
	pub unbonding_blocks: u32,
	/// How long a subscription lasts after its end was asked for.
	pub notice_blocks: u32,
	/// Smallest price.
	pub min_price: String,
	/// What a buyer gets besides the price if the seller fails; also the smallest bond.
	pub fixed_cover: String,
	/// What is burnt of each price, rounded up.
	pub fee_parts_per_million: u32,
}

impl Conditions {
	fn new(conditions: market::Conditions) -> Self {
		let windows = conditions.windows;
		Self {
			min_reveal_blocks: windows.min_reveal,
			max_reveal_blocks: windows.max_reveal,
			min_dispute_blocks: windows.min_dispute,
			max_dispute_blocks: windows.max_dispute,
			max_validity_blocks: windows.max_validity,
			unbonding_blocks: windows.unbonding,
			notice_blocks: windows.notice,
			min_price: conditions.min_price.to_string(),
			fixed_cover: conditions.fixed_cover.to_string(),
			fee_parts_per_million: conditions.fee_rate.deconstruct(),
		}
	}
}

/// A page of listings that can be bought from now.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListingPage {
	/// The listings, by number.
	pub listings: Vec<Listing>,
	/// `from` of the next page; `null` at the end. A page may be empty and not be the last.
	pub next: Option<u32>,
}

/// A listing.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
	/// Its number.
	pub listing: u32,
	/// Version, from 0. Terms under another version cannot be bought.
	pub version: u32,
	/// Who sells and is paid.
	pub seller: String,
	/// The device that measures.
	pub device: String,
	/// The device's generation in this version. With another owner the listing is dead.
	pub generation: u32,
	/// The device's stream.
	pub stream: u32,
	/// Time of the earliest reading on offer.
	pub from_ms: UnixMs,
	/// Time before which the last reading on offer lies; `null` for readings to come.
	pub until_ms: Option<UnixMs>,
	/// Highest price of a sale.
	pub price: Price,
	/// Hash of the licence.
	pub licence: H256,
	/// What the readings mean.
	pub schema: H256,
	/// Where they were taken.
	pub area: String,
	/// Hash of a description.
	pub metadata: H256,
	/// Where the price goes.
	pub payout: Payout,
	/// What is promised of the readings.
	pub claims: Claims,
	/// Where offers are made.
	pub endpoint: String,
	/// X25519 key to which buyers seal their blinds.
	pub sealing_key: H256,
	/// A key that may sign terms besides whoever may trade for the seller.
	pub terms_key: Option<String>,
	/// What is held for the listing on the seller's account.
	pub deposit: String,
}

impl Listing {
	fn new(addresses: &Addresses, number: u32, listing: market::Listing) -> Self {
		let spec = listing.spec;
		Self {
			listing: number,
			version: listing.version,
			seller: addresses.write(&listing.seller),
			device: addresses.write(&spec.device),
			generation: listing.generation,
			stream: spec.stream,
			from_ms: spec.from,
			until_ms: spec.until,
			price: Price::new(spec.price),
			licence: spec.licence,
			schema: spec.schema,
			area: text(&spec.area),
			metadata: spec.metadata,
			payout: Payout::new(addresses, spec.payout),
			claims: Claims::new(&spec.claims),
			endpoint: text(&spec.endpoint),
			sealing_key: H256(spec.sealing_key),
			terms_key: spec.terms_key.map(|key| addresses.write(&key)),
			deposit: listing.deposit.to_string(),
		}
	}
}

/// The chain takes printable ASCII only.
fn text(bytes: &[u8]) -> String {
	String::from_utf8_lossy(bytes).into_owned()
}

/// Where a price goes, less the protocol fee. The seller gets what is left over.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Payout {
	/// All to the seller.
	Seller,
	/// Fixed parts to these.
	Split {
		/// Who gets which part.
		payees: Vec<Payee>,
	},
	/// A part to a pool, whose members claim it.
	Pool {
		/// The pool.
		pool: u32,
		/// Part of the price less the protocol fee, rounded down.
		parts_per_billion: u32,
	},
}

impl Payout {
	fn new(addresses: &Addresses, payout: market::Payout) -> Self {
		match payout {
			market::Payout::Seller => Self::Seller,
			market::Payout::Split(payees) => Self::Split {
				payees: payees
					.iter()
					.map(|payee| Payee {
						account: addresses.write(&payee.account),
						parts_per_billion: payee.share.deconstruct(),
					})
					.collect(),
			},
			market::Payout::Pool { pool, share } => Self::Pool {
				pool,
				parts_per_billion: share.deconstruct(),
			},
		}
	}
}

/// Somebody who gets a part of what a seller earns.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Payee {
	/// Who.
	pub account: String,
	/// Part of the price less the protocol fee, rounded down.
	pub parts_per_billion: u32,
}

/// What is promised of the readings of every sale; `null` for what is not.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
	/// In which range all values lie.
	pub range: Option<RangeClaim>,
	/// How many readings follow each within which time.
	pub count: Option<CountClaim>,
	/// Longest time between neighbours, in milliseconds.
	pub gap_ms: Option<u64>,
}

/// In which range all values lie, at the stream's scale.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RangeClaim {
	/// Smallest value.
	pub min: String,
	/// Largest value.
	pub max: String,
}

/// How many readings follow each within which time.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CountClaim {
	/// How many.
	pub readings: u32,
	/// Within which time.
	pub within_ms: u64,
}

impl Claims {
	fn new(claims: &m2m_fair_exchange::Claims) -> Self {
		Self {
			range: claims.range.map(|(min, max)| RangeClaim {
				min: min.to_string(),
				max: max.to_string(),
			}),
			count: claims
				.count
				.map(|(readings, within_ms)| CountClaim { readings, within_ms }),
			gap_ms: claims.gap_ms,
		}
	}
}

/// What the chain says of a sale: its `state`, and if it is open all that is needed to end it.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Sale {
	/// It is open.
	Open(OpenSale),
	/// It ended before its terms expired; they cannot be bought again.
	Ended,
}

/// An open sale.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenSale {
	/// The listing under which it was bought.
	pub listing: u32,
	/// Who sells.
	pub seller: String,
	/// Who buys, and on whose account the price is held.
	pub buyer: String,
	/// The price.
	pub price: String,
	/// What the buyer gets besides if the seller fails.
	pub fixed_cover: String,
	/// What of the seller's bond is locked for it: price and fixed cover.
	pub cover: String,
	/// What is burnt of the price when it is paid.
	pub fee: String,
	/// Where the rest of the price goes.
	pub payout: Payout,
	/// What was promised of the readings.
	pub claims: Claims,
	/// What the seller's half of the key must match.
	pub key_commitment: H256,
	/// The seller's half of the key, once it is revealed.
	pub key: Option<H256>,
	/// How long evidence is taken once it is.
	pub dispute_blocks: u32,
	/// Last block for the next step: until the key is revealed for revealing it, then for evidence.
	pub deadline_block: u32,
	/// Last block in which the terms could be bought.
	pub expires_block: u32,
	/// The period of the buyer's budget in which the price was booked, if a device key or an operator bought.
	pub budget: Option<Budget>,
}

impl Sale {
	fn new(addresses: &Addresses, status: market::SaleStatus) -> Self {
		let sale = match status {
			market::SaleStatus::Open(sale) => sale,
			market::SaleStatus::Ended => return Self::Ended,
		};
		Self::Open(OpenSale {
			listing: sale.listing,
			seller: addresses.write(&sale.seller),
			buyer: addresses.write(&sale.buyer),
			price: sale.price.to_string(),
			fixed_cover: sale.fixed_cover.to_string(),
			cover: sale.cover().to_string(),
			fee: sale.fee.to_string(),
			payout: Payout::new(addresses, sale.payout),
			claims: Claims::new(&sale.claims),
			key_commitment: sale.key_commitment,
			key: sale.key.map(|key| H256(key.0)),
			dispute_blocks: sale.dispute_window,
			deadline_block: sale.deadline,
			expires_block: sale.expires,
			budget: sale.budget.map(Budget::new),
		})
	}
}

/// A period of a device's budget.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
	/// Which budget of the device.
	pub budget: u32,
	/// Which period of it, from 0.
	pub period: u64,
}

impl Budget {
	fn new(period: BudgetPeriod) -> Self {
		Self {
			budget: period.budget,
			period: period.number,
		}
	}
}

/// Bond and record of a seller.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seller {
	/// What is held on the seller's account.
	pub bond: String,
	/// Part of it that covers open sales.
	pub locked: String,
	/// Part of it that is on its way out.
	pub unbonding: String,
	/// Block from which that can be taken.
	pub unbonds_block: u32,
	/// What can cover another sale or be taken out.
	pub available: String,
	/// Sales that were paid.
	pub settled: u32,
	/// Sales given back because no key came.
	pub refunded: u32,
	/// Sales in which the seller was convicted.
	pub convicted: u32,
	/// What was paid, fees included.
	pub volume: String,
	/// Average of the ratings from 1 to 5, weighed by the fees that they cost, rounded down to hundredths; `null`
	/// without ratings.
	pub rating: Option<String>,
	/// Protocol fees burnt in sales that were rated.
	pub rated_fees: String,
	/// Sum of rating times protocol fee over these.
	pub rating_points: String,
}

impl Seller {
	fn new(record: &market::Seller) -> Self {
		let hundredths = record.rating_points.saturating_mul(100);
		Self {
			bond: record.bond.to_string(),
			locked: record.locked.to_string(),
			unbonding: record.unbonding.to_string(),
			unbonds_block: record.unbonds_at,
			available: record.available().to_string(),
			settled: record.settled,
			refunded: record.refunded,
			convicted: record.convicted,
			volume: record.volume.to_string(),
			rating: hundredths
				.checked_div(record.rated_fees)
				.map(|rating| format!("{}.{:02}", rating / 100, rating % 100)),
			rated_fees: record.rated_fees.to_string(),
			rating_points: record.rating_points.to_string(),
		}
	}
}

/// A standing order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
	/// Who buys, and on whose account the money is held.
	pub subscriber: String,
	/// Under which listing.
	pub listing: u32,
	/// Most that one epoch may cost.
	pub cap: String,
	/// What is left of the money.
	pub left: String,
	/// Last block in which an epoch can be delivered.
	pub ends_block: u32,
	/// Account of the key that countersigns.
	pub signer: String,
	/// The period of the subscriber's budget in which the money was booked.
	pub budget: Option<Budget>,
	/// What is held for the record on the subscriber's account.
	pub deposit: String,
}

impl Subscription {
	fn new(addresses: &Addresses, subscription: market::Subscription) -> Self {
		Self {
			subscriber: addresses.write(&subscription.subscriber),
			listing: subscription.listing,
			cap: subscription.cap.to_string(),
			left: subscription.left.to_string(),
			ends_block: subscription.ends,
			signer: addresses.write(&subscription.signer),
			budget: subscription.budget.map(Budget::new),
			deposit: subscription.deposit.to_string(),
		}
	}
}

/// A page of requests that have not expired.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestPage {
	/// The requests, by number.
	pub requests: Vec<Request>,
	/// `from` of the next page; `null` at the end. A page may be empty and not be the last.
	pub next: Option<u32>,
}

/// What a buyer looks for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
	/// Its number.
	pub request: u32,
	/// Who asks.
	pub buyer: String,
	/// What the readings mean.
	pub schema: H256,
	/// Where they are taken.
	pub area: String,
	/// Time of the earliest reading wanted.
	pub from_ms: UnixMs,
	/// Time before which the last one lies; `null` for readings to come.
	pub until_ms: Option<UnixMs>,
	/// What the buyer pays.
	pub price: Price,
	/// Hash of a description.
	pub metadata: H256,
	/// Where offers are taken.
	pub endpoint: String,
	/// Last block of the request.
	pub expires_block: u32,
	/// What is held for it on the buyer's account.
	pub deposit: String,
}

impl Request {
	fn new(addresses: &Addresses, number: u32, request: market::Request) -> Self {
		let spec = request.spec;
		Self {
			request: number,
			buyer: addresses.write(&request.buyer),
			schema: spec.schema,
			area: text(&spec.area),
			from_ms: spec.from,
			until_ms: spec.until,
			price: Price::new(spec.price),
			metadata: spec.metadata,
			endpoint: text(&spec.endpoint),
			expires_block: spec.expires,
			deposit: request.deposit.to_string(),
		}
	}
}

/// A pool of people who share what a seller earns.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
	/// Who issues shares.
	pub manager: String,
	/// Shares of all members together.
	pub shares: u32,
	/// Number of members.
	pub members: u32,
	/// Open sales that pay into it. Shares change only while there are none.
	pub open_sales: u32,
	/// What one share earned since the beginning, in 2^-32 of the smallest unit.
	pub index: String,
	/// What is held for the record on the manager's account.
	pub deposit: String,
}

impl Pool {
	fn new(addresses: &Addresses, pool: market::Pool) -> Self {
		Self {
			manager: addresses.write(&pool.manager),
			shares: pool.shares,
			members: pool.members,
			open_sales: pool.open_sales,
			index: pool.index.to_string(),
			deposit: pool.deposit.to_string(),
		}
	}
}

/// A member of a pool.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolMember {
	/// Its shares.
	pub shares: u32,
	/// What it can claim.
	pub owed: String,
}
