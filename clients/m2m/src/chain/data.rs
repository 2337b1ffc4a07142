//! Calls, events and reads of the data marketplace.

use super::{Block, Call, Chain, RawEvent};
use crate::{Error, Result};
use codec::{Decode, DecodeAll, Encode};
use m2m_anchor::StreamId;
use m2m_device::{AccountId, DeviceId};
use m2m_fair_exchange::{
	BlindedKey, ClaimEvidence, ListingId, SaleEvidence, SaleId, SignedTerms,
	market::{
		Conditions, Epoch, Listing, ListingFilter, ListingPage, ListingSpec, Pool, PoolId, Request,
		RequestId, RequestSpec, SaleStatus, Seller, Subscription, SubscriptionId,
	},
};
use sp_runtime::DispatchError;

const PALLET: &str = "DataMarketplace";
const API: &str = "DataApi";
/// Most listings or requests in one answer of the node.
pub const PER_READ: u32 = 128;
/// Most sales in one [`settle`] or [`refund`].
pub const SALES_PER_CALL: usize = 64;
/// Most epochs in one [`deliver`].
pub const EPOCHS_PER_CALL: usize = 32;
/// The error of a sale whose terms were bought before.
pub(crate) const TERMS_USED: &str = "DataMarketplace::TermsUsed";

/// Offers readings of a private stream. `seller` is the device that sells, `None` for the account that signs.
pub fn create_listing(seller: Option<&DeviceId>, spec: &ListingSpec) -> Call {
	Call::new(PALLET, "create_listing")
		.argument("seller", &seller)
		.argument("spec", spec)
}

/// Changes a listing, which makes another version of it.
pub fn update_listing(seller: Option<&DeviceId>, listing: ListingId, spec: &ListingSpec) -> Call {
	Call::new(PALLET, "update_listing")
		.argument("seller", &seller)
		.argument("listing", &listing)
		.argument("spec", spec)
}

/// Withdraws an offer and returns its deposit.
pub fn close_listing(seller: Option<&DeviceId>, listing: ListingId) -> Call {
	Call::new(PALLET, "close_listing")
		.argument("seller", &seller)
		.argument("listing", &listing)
}

/// Adds to a seller's bond.
pub fn add_bond(seller: Option<&DeviceId>, amount: u128) -> Call {
	Call::new(PALLET, "add_bond")
		.argument("seller", &seller)
		.argument("amount", &amount)
}

/// Sends a part of a bond on its way out.
pub fn start_unbonding(seller: Option<&DeviceId>, amount: u128) -> Call {
	Call::new(PALLET, "start_unbonding")
		.argument("seller", &seller)
		.argument("amount", &amount)
}

/// Frees what of a bond is out; by anybody.
pub fn withdraw_bond(seller: &AccountId) -> Call {
	Call::new(PALLET, "withdraw_bond").argument("seller", seller)
}

/// Buys on signed terms. `buyer` is the device that buys, `None` for the account that signs.
pub fn purchase(buyer: Option<&DeviceId>, offer: &SignedTerms) -> Call {
	Call::new(PALLET, "purchase")
		.argument("buyer", &buyer)
		.argument("offer", offer)
}

/// Publishes the seller's half of a key; by anybody who knows it.
pub fn reveal_key(sale: &SaleId, key: &BlindedKey) -> Call {
	Call::new(PALLET, "reveal_key")
		.argument("sale", sale)
		.argument("key", key)
}

/// Pays the seller at once, with a rating from 1 to 5.
pub fn accept(buyer: Option<&DeviceId>, sale: &SaleId, rating: u8) -> Call {
	Call::new(PALLET, "accept")
		.argument("buyer", &buyer)
		.argument("sale", sale)
		.argument("rating", &rating)
}

/// Pays for sales after their time for evidence: at most [`SALES_PER_CALL`], by anybody.
pub fn settle(sales: &[SaleId]) -> Call {
	Call::new(PALLET, "settle").argument("sales", &sales)
}

/// Gives back sales whose key did not come: at most [`SALES_PER_CALL`], by anybody.
pub fn refund(sales: &[SaleId]) -> Call {
	Call::new(PALLET, "refund").argument("sales", &sales)
}

/// Convicts a seller whose leaf does not open; by anybody.
pub fn prove_bad_leaf(sale: &SaleId, evidence: &SaleEvidence) -> Call {
	Call::new(PALLET, "prove_bad_leaf")
		.argument("sale", sale)
		.argument("evidence", evidence)
}

/// Convicts a seller whose listing promised what is not so; by anybody.
pub fn prove_bad_claim(sale: &SaleId, evidence: &ClaimEvidence) -> Call {
	Call::new(PALLET, "prove_bad_claim")
		.argument("sale", sale)
		.argument("evidence", evidence)
}

/// A standing order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StandingOrder {
	/// Under which listing.
	pub listing: ListingId,
	/// Most that one epoch may cost.
	pub cap: u128,
	/// Money for all epochs.
	pub amount: u128,
	/// Last block in which one can be delivered.
	pub ends: u32,
	/// Account of the key that countersigns.
	pub signer: AccountId,
}

/// Makes a standing order. `subscriber` is the device that buys, `None` for the account that signs.
pub fn subscribe(subscriber: Option<&DeviceId>, order: &StandingOrder) -> Call {
	Call::new(PALLET, "subscribe")
		.argument("subscriber", &subscriber)
		.argument("listing", &order.listing)
		.argument("cap", &order.cap)
		.argument("amount", &order.amount)
		.argument("ends", &order.ends)
		.argument("signer", &order.signer)
}

/// Sells countersigned epochs, at most [`EPOCHS_PER_CALL`]; by anybody who knows their keys.
pub fn deliver(subscription: SubscriptionId, epochs: &[Epoch]) -> Call {
	Call::new(PALLET, "deliver")
		.argument("subscription", &subscription)
		.argument("epochs", &epochs)
}

/// Gives notice of the end of a standing order.
pub fn end_subscription(subscriber: Option<&DeviceId>, subscription: SubscriptionId) -> Call {
	Call::new(PALLET, "end_subscription")
		.argument("subscriber", &subscriber)
		.argument("subscription", &subscription)
}

/// Frees what is left of a standing order that is over; by anybody.
pub fn close_subscription(subscription: SubscriptionId) -> Call {
	Call::new(PALLET, "close_subscription").argument("subscription", &subscription)
}

/// Says what readings somebody looks for. `buyer` is a device, `None` for the account that signs.
pub fn post_request(buyer: Option<&DeviceId>, spec: &RequestSpec) -> Call {
	Call::new(PALLET, "post_request")
		.argument("buyer", &buyer)
		.argument("spec", spec)
}

/// Removes a request; by anybody once it has expired.
pub fn remove_request(buyer: Option<&DeviceId>, request: RequestId) -> Call {
	Call::new(PALLET, "remove_request")
		.argument("buyer", &buyer)
		.argument("request", &request)
}

/// Makes a pool that shares of sales are paid to. `manager` is a device, `None` for the account that signs.
pub fn create_pool(manager: Option<&DeviceId>) -> Call {
	Call::new(PALLET, "create_pool").argument("manager", &manager)
}

/// Sets a member's shares of a pool.
pub fn set_shares(manager: Option<&DeviceId>, pool: PoolId, member: &AccountId, shares: u32) -> Call {
	Call::new(PALLET, "set_shares")
		.argument("manager", &manager)
		.argument("pool", &pool)
		.argument("member", member)
		.argument("shares", &shares)
}

/// Pays a member of a pool what it is owed; by anybody.
pub fn claim(pool: PoolId, member: &AccountId) -> Call {
	Call::new(PALLET, "claim")
		.argument("pool", &pool)
		.argument("member", member)
}

/// Removes a pool without members.
pub fn close_pool(manager: Option<&DeviceId>, pool: PoolId) -> Call {
	Call::new(PALLET, "close_pool")
		.argument("manager", &manager)
		.argument("pool", &pool)
}

/// How a sale ended.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Ending {
	/// The seller was paid.
	#[codec(index = 0)]
	Settled {
		/// What the seller got.
		received: u128,
		/// What others got of the price.
		shared: u128,
		/// What was burnt.
		fee: u128,
		/// The buyer's rating, if the buyer ended it.
		rating: Option<u8>,
	},
	/// No key came, and the buyer has its money again.
	#[codec(index = 1)]
	Refunded {
		/// The price.
		price: u128,
		/// What the buyer got besides.
		compensation: u128,
	},
	/// The seller was convicted, and the buyer has its money again.
	#[codec(index = 2)]
	Convicted {
		/// The price.
		price: u128,
		/// What the buyer got besides.
		compensation: u128,
		/// What was burnt of the bond.
		burnt: u128,
	},
	/// It goes on: the call came too early or too late.
	#[codec(index = 3)]
	Not {
		/// The named error.
		reason: String,
	},
}

/// What these events say of the ends of sales.
pub fn endings(block: &Block, events: &[RawEvent]) -> Result<Vec<(SaleId, Ending)>> {
	type Parties = (AccountId, AccountId);
	let mut endings = Vec::new();
	for event in events {
		if event.is(PALLET, "SaleSettled") {
			let (sale, _, received, shared, fee, rating): (SaleId, Parties, u128, u128, u128, Option<u8>) =
				event.decode()?;
			let ending = Ending::Settled {
				received,
				shared,
				fee,
				rating,
			};
			endings.push((sale, ending));
		} else if event.is(PALLET, "SaleRefunded") {
			let (sale, _, price, compensation): (SaleId, Parties, u128, u128) = event.decode()?;
			endings.push((sale, Ending::Refunded { price, compensation }));
		} else if event.is(PALLET, "SellerConvicted") {
			let (sale, _, _by, price, compensation, burnt): (SaleId, Parties, AccountId, u128, u128, u128) =
				event.decode()?;
			let ending = Ending::Convicted {
				price,
				compensation,
				burnt,
			};
			endings.push((sale, ending));
		} else if event.is(PALLET, "NotEnded") {
			let (sale, reason): (SaleId, DispatchError) = event.decode()?;
			let reason = block.name_error(&reason.encode());
			endings.push((sale, Ending::Not { reason }));
		}
	}
	Ok(endings)
}

/// The sales that these events open.
pub fn purchases(events: &[RawEvent]) -> Result<Vec<SaleId>> {
	let mut sales = Vec::new();
	for event in events.iter().filter(|event| event.is(PALLET, "Purchased")) {
		let (sale, _, _, _, _, _): (SaleId, ListingId, AccountId, AccountId, u128, u32) = event.decode()?;
		sales.push(sale);
	}
	Ok(sales)
}

/// The seller's half of the key of a sale and the last block for evidence, if these events reveal it.
pub fn revealed(events: &[RawEvent], sale: &SaleId) -> Result<Option<(BlindedKey, u32)>> {
	for event in events.iter().filter(|event| event.is(PALLET, "KeyRevealed")) {
		let (of, key, deadline): (SaleId, BlindedKey, u32) = event.decode()?;
		if of == *sale {
			return Ok(Some((key, deadline)));
		}
	}
	Ok(None)
}

/// Number of the listing that a call created.
pub fn created_listing(events: &[RawEvent]) -> Result<ListingId> {
	let event = find(events, "ListingCreated")?;
	let (listing, _, _): (ListingId, AccountId, DeviceId) = event.decode()?;
	Ok(listing)
}

/// Version of the listing that a call changed.
pub fn updated_listing(events: &[RawEvent]) -> Result<u32> {
	let (_, version): (ListingId, u32) = find(events, "ListingUpdated")?.decode()?;
	Ok(version)
}

/// The seller's bond after a call that added to it.
pub fn bonded(events: &[RawEvent]) -> Result<u128> {
	let (_, _, bond): (AccountId, u128, u128) = find(events, "BondAdded")?.decode()?;
	Ok(bond)
}

/// What is on its way out of a bond, and the block from which it can be taken.
pub fn unbonding(events: &[RawEvent]) -> Result<(u128, u32)> {
	let (_, amount, at): (AccountId, u128, u32) = find(events, "UnbondingStarted")?.decode()?;
	Ok((amount, at))
}

/// Number of the standing order that a call made.
pub fn subscribed(events: &[RawEvent]) -> Result<SubscriptionId> {
	let event = find(events, "Subscribed")?;
	let (subscription, _, _, _, _): (SubscriptionId, ListingId, AccountId, u128, u32) = event.decode()?;
	Ok(subscription)
}

/// Last block of the standing order of which a call gave notice.
pub fn subscription_ending(events: &[RawEvent]) -> Result<u32> {
	let (_, ends): (SubscriptionId, u32) = find(events, "SubscriptionEnding")?.decode()?;
	Ok(ends)
}

/// What was left of the standing order that a call closed.
pub fn closed_subscription(events: &[RawEvent]) -> Result<u128> {
	let (_, left): (SubscriptionId, u128) = find(events, "SubscriptionClosed")?.decode()?;
	Ok(left)
}

/// The epochs that were not taken, and why.
pub fn epochs_refused(block: &Block, events: &[RawEvent]) -> Result<Vec<(SaleId, String)>> {
	let mut refused = Vec::new();
	for event in events.iter().filter(|event| event.is(PALLET, "EpochRefused")) {
		let (_, sale, reason): (SubscriptionId, SaleId, DispatchError) = event.decode()?;
		refused.push((sale, block.name_error(&reason.encode())));
	}
	Ok(refused)
}

/// Number of the request that a call posted.
pub fn posted_request(events: &[RawEvent]) -> Result<RequestId> {
	let (request, _): (RequestId, AccountId) = find(events, "RequestPosted")?.decode()?;
	Ok(request)
}

/// Number of the pool that a call created.
pub fn created_pool(events: &[RawEvent]) -> Result<PoolId> {
	let (pool, _): (PoolId, AccountId) = find(events, "PoolCreated")?.decode()?;
	Ok(pool)
}

/// Members whose shares were set, in order, and how many they have now.
pub fn shares_set(events: &[RawEvent]) -> Result<Vec<(AccountId, u32)>> {
	let mut members = Vec::new();
	for event in events.iter().filter(|event| event.is(PALLET, "SharesSet")) {
		let (_, member, shares): (PoolId, AccountId, u32) = event.decode()?;
		members.push((member, shares));
	}
	Ok(members)
}

/// Members of a pool that were paid, and how much.
pub fn shares_paid(events: &[RawEvent]) -> Result<Vec<(AccountId, u128)>> {
	let mut members = Vec::new();
	for event in events.iter().filter(|event| event.is(PALLET, "ShareClaimed")) {
		let (_, member, amount): (PoolId, AccountId, u128) = event.decode()?;
		members.push((member, amount));
	}
	Ok(members)
}

/// What went from a closed pool to its manager.
pub fn closed_pool(events: &[RawEvent]) -> Result<u128> {
	let (_, returned): (PoolId, u128) = find(events, "PoolClosed")?.decode()?;
	Ok(returned)
}

/// What came out of a bond.
pub fn withdrawn(events: &[RawEvent]) -> Result<u128> {
	let (_, amount): (AccountId, u128) = find(events, "BondWithdrawn")?.decode()?;
	Ok(amount)
}

fn find<'a>(events: &'a [RawEvent], name: &str) -> Result<&'a RawEvent> {
	events
		.iter()
		.find(|event| event.is(PALLET, name))
		.ok_or_else(|| Error::IncompatibleChain(format!("it reports no {PALLET}.{name}")))
}

impl Block {
	/// What the chain demands of every sale.
	pub async fn data_conditions(&self, chain: &Chain) -> Result<Conditions> {
		self.read(chain, API, "conditions", &[]).await
	}

	/// Listings that match and can be bought from now: one page, from number `from` on.
	pub async fn listings(
		&self,
		chain: &Chain,
		filter: &ListingFilter,
		from: ListingId,
	) -> Result<ListingPage> {
		let arguments = [
			("filter", filter.encode()),
			("from", from.encode()),
			("limit", PER_READ.encode()),
		];
		self.read(chain, API, "listings", &arguments).await
	}

	/// A listing.
	pub async fn listing(&self, chain: &Chain, listing: ListingId) -> Result<Option<Listing>> {
		self.read(chain, API, "listing", &[("listing", listing.encode())])
			.await
	}

	/// Numbers of all listings of a seller, in order.
	pub async fn listings_of(&self, chain: &Chain, seller: &AccountId) -> Result<Vec<ListingId>> {
		let mut found: Vec<ListingId> = Vec::new();
		loop {
			let arguments = [
				("seller", seller.encode()),
				("after", found.last().encode()),
				("limit", PER_READ.encode()),
			];
			let page: Vec<ListingId> = self.read(chain, API, "listings_of", &arguments).await?;
			if page.is_empty() {
				found.sort_unstable();
				return Ok(found);
			}
			found.extend(page);
		}
	}

	/// A sale that is open, or that ended before `expires`, the last block of its terms.
	pub async fn sale(&self, chain: &Chain, sale: &SaleId, expires: u32) -> Result<Option<SaleStatus>> {
		let arguments = [("sale", sale.encode()), ("expires", expires.encode())];
		self.read(chain, API, "sale", &arguments).await
	}

	/// Bond and record of a seller; `None` without a bond.
	pub async fn seller(&self, chain: &Chain, seller: &AccountId) -> Result<Option<Seller>> {
		self.read(chain, API, "seller", &[("seller", seller.encode())])
			.await
	}

	/// A standing order.
	pub async fn subscription(
		&self,
		chain: &Chain,
		subscription: SubscriptionId,
	) -> Result<Option<Subscription>> {
		let arguments = [("subscription", subscription.encode())];
		self.read(chain, API, "subscription", &arguments).await
	}

	/// The first sequence number of a private stream that the device's owner of this generation may sell; `None` if
	/// nothing was anchored yet in that generation.
	pub async fn generation_start(
		&self,
		chain: &Chain,
		device: &DeviceId,
		stream: StreamId,
		generation: u32,
	) -> Result<Option<u64>> {
		if generation == 0 {
			return Ok(Some(0));
		}
		let entry = subxt::dynamic::storage::<_, subxt::dynamic::Value>(PALLET, "GenerationStarts");
		let device: [u8; 32] = *device.as_ref();
		let key = (subxt::utils::AccountId32(device), stream);
		match self.at.storage().try_fetch(entry, key).await {
			Ok(None) => Ok(None),
			Ok(Some(value)) => <(u32, u64)>::decode_all(&mut value.bytes())
				.map(|(since, first)| (since == generation).then_some(first))
				.map_err(|_| Error::IncompatibleChain("generations are stored in another form".into())),
			Err(error) => Err(chain.explain(error).await),
		}
	}

	/// A request.
	pub async fn request(&self, chain: &Chain, request: RequestId) -> Result<Option<Request>> {
		self.read(chain, API, "request", &[("request", request.encode())])
			.await
	}

	/// Requests that have not expired: one page, from number `from` on, and where the next one begins.
	pub async fn requests(
		&self,
		chain: &Chain,
		from: RequestId,
	) -> Result<(Vec<(RequestId, Request)>, Option<RequestId>)> {
		let arguments = [("from", from.encode()), ("limit", PER_READ.encode())];
		self.read(chain, API, "requests", &arguments).await
	}

	/// A pool.
	pub async fn pool(&self, chain: &Chain, pool: PoolId) -> Result<Option<Pool>> {
		self.read(chain, API, "pool", &[("pool", pool.encode())]).await
	}

	/// Shares of a member of a pool, and what it is owed.
	pub async fn pool_member(
		&self,
		chain: &Chain,
		pool: PoolId,
		member: &AccountId,
	) -> Result<Option<(u32, u128)>> {
		let arguments = [("pool", pool.encode()), ("member", member.encode())];
		self.read(chain, API, "pool_member", &arguments).await
	}
}
