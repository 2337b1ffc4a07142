//! `energy_*`: markets for metered energy.
//!
//! Money and prices are decimal strings in the smallest unit of the token, prices per kWh. Energy is in Wh: a number
//! where it is that of one device in one slot, which fits 32 bits, and a decimal string where it is a sum.

use crate::{
	EnergyRuntimeApi,
	chain::{Addresses, Chain, most},
};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use m2m_auction::{PriceOrder, PricePerKwh, Side, Slot};
use m2m_runtime_api::{
	BookDetails, ClearedSlotDetails, ClearingDetails, EntryDetails, MarketDetails, MarketParameters,
	MemberDetails, MembershipState, TickDetails,
};
use serde::Serialize;
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_core::H256;
use sp_runtime::traits::Block as BlockT;
use std::{num::NonZeroU32, sync::Arc};

/// Markets for metered energy. All methods read the last finalized block, or the block `at`; what does not exist there
/// is `null` or not in the list. They fail with [`ReadError`](crate::ReadError).
#[rpc(server)]
pub trait EnergyApi<Hash> {
	/// Numbers of markets in their order: at most `limit` (256, and never more) after `after`.
	#[method(name = "energy_markets", blocking)]
	fn markets(&self, after: Option<u32>, limit: Option<NonZeroU32>, at: Option<Hash>)
	-> RpcResult<Vec<u32>>;

	/// One market.
	#[method(name = "energy_market", blocking)]
	fn market(&self, market: u32, at: Option<Hash>) -> RpcResult<Option<Market>>;

	/// Volumes by tick and indicative price of a slot that was reported and is not cleared.
	#[method(name = "energy_book", blocking)]
	fn book(&self, market: u32, slot: Slot, at: Option<Hash>) -> RpcResult<Option<Book>>;

	/// The result of a slot that is cleared and not settled wholly.
	#[method(name = "energy_clearing", blocking)]
	fn clearing(&self, market: u32, slot: Slot, at: Option<Hash>) -> RpcResult<Option<ClearedSlot>>;

	/// How a device stands in the book of a slot, until it is settled.
	#[method(name = "energy_entry", blocking)]
	fn entry(&self, market: u32, slot: Slot, device: String, at: Option<Hash>) -> RpcResult<Option<Sides>>;

	/// A membership with its standing orders and its credit.
	#[method(name = "energy_member", blocking)]
	fn member(&self, market: u32, device: String, at: Option<Hash>) -> RpcResult<Option<Member>>;

	/// Members of a market in a fixed order: at most `limit` (256, and never more) after `after`, which need not be a
	/// member any more.
	#[method(name = "energy_members", blocking)]
	fn members(
		&self,
		market: u32,
		after: Option<String>,
		limit: Option<NonZeroU32>,
		at: Option<Hash>,
	) -> RpcResult<Vec<String>>;

	/// Slots that were reported and are not cleared, oldest first: at most `limit` (256, and never more).
	#[method(name = "energy_openSlots", blocking)]
	fn open_slots(
		&self,
		market: u32,
		limit: Option<NonZeroU32>,
		at: Option<Hash>,
	) -> RpcResult<Vec<OpenSlot>>;

	/// Slots that are cleared and not settled wholly, in no order: at most `limit` (256, and never more).
	#[method(name = "energy_unsettledSlots", blocking)]
	fn unsettled_slots(
		&self,
		market: u32,
		limit: Option<NonZeroU32>,
		at: Option<Hash>,
	) -> RpcResult<Vec<Slot>>;

	/// The latest slot that traded and was settled wholly, with its price.
	#[method(name = "energy_lastPrice", blocking)]
	fn last_price(&self, market: u32, at: Option<Hash>) -> RpcResult<Option<SlotPrice>>;
}

/// Answers from a client's state.
pub struct Energy<C, Block> {
	chain: Chain<C, Block>,
}

impl<C, Block> Energy<C, Block> {
	/// Reads the client's chain, which writes addresses with this SS58 prefix.
	pub fn new(client: Arc<C>, ss58_prefix: u16) -> Self {
		Self {
			chain: Chain::new(client, ss58_prefix),
		}
	}
}

impl<C, Block> EnergyApiServer<H256> for Energy<C, Block>
where
	Block: BlockT<Hash = H256>,
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
	C::Api: EnergyRuntimeApi<Block>,
{
	fn markets(
		&self,
		after: Option<u32>,
		limit: Option<NonZeroU32>,
		at: Option<H256>,
	) -> RpcResult<Vec<u32>> {
		Ok(self
			.chain
			.read(at, |api, block| api.markets(block, after, most(limit)))?)
	}

	fn market(&self, market: u32, at: Option<H256>) -> RpcResult<Option<Market>> {
		let details = self.chain.read(at, |api, block| api.market(block, market))?;
		Ok(details.map(|details| Market::new(&self.chain.addresses, details)))
	}

	fn book(&self, market: u32, slot: Slot, at: Option<H256>) -> RpcResult<Option<Book>> {
		let details = self.chain.read(at, |api, block| api.book(block, market, slot))?;
		Ok(details.map(Book::new))
	}

	fn clearing(&self, market: u32, slot: Slot, at: Option<H256>) -> RpcResult<Option<ClearedSlot>> {
		let details = self
			.chain
			.read(at, |api, block| api.clearing(block, market, slot))?;
		Ok(details.map(ClearedSlot::new))
	}

	fn entry(&self, market: u32, slot: Slot, device: String, at: Option<H256>) -> RpcResult<Option<Sides>> {
		let device = self.chain.addresses.read(&device)?;
		let details = self
			.chain
			.read(at, |api, block| api.entry(block, market, slot, device))?;
		Ok(details.map(Sides::entry))
	}

	fn member(&self, market: u32, device: String, at: Option<H256>) -> RpcResult<Option<Member>> {
		let device = self.chain.addresses.read(&device)?;
		let details = self
			.chain
			.read(at, |api, block| api.member(block, market, device))?;
		Ok(details.map(Member::new))
	}

	fn members(
		&self,
		market: u32,
		after: Option<String>,
		limit: Option<NonZeroU32>,
		at: Option<H256>,
	) -> RpcResult<Vec<String>> {
		let addresses = &self.chain.addresses;
		let after = after.map(|text| addresses.read(&text)).transpose()?;
		let members = self
			.chain
			.read(at, |api, block| api.members(block, market, after, most(limit)))?;
		Ok(members.iter().map(|device| addresses.write(device)).collect())
	}

	fn open_slots(
		&self,
		market: u32,
		limit: Option<NonZeroU32>,
		at: Option<H256>,
	) -> RpcResult<Vec<OpenSlot>> {
		let slots = self
			.chain
			.read(at, |api, block| api.open_slots(block, market, most(limit)))?;
		Ok(slots
			.into_iter()
			.map(|(slot, due)| OpenSlot { slot, due })
			.collect())
	}

	fn unsettled_slots(
		&self,
		market: u32,
		limit: Option<NonZeroU32>,
		at: Option<H256>,
	) -> RpcResult<Vec<Slot>> {
		Ok(self
			.chain
			.read(at, |api, block| api.unsettled_slots(block, market, most(limit)))?)
	}

	fn last_price(&self, market: u32, at: Option<H256>) -> RpcResult<Option<SlotPrice>> {
		let last = self.chain.read(at, |api, block| api.last_price(block, market))?;
		Ok(last.map(SlotPrice::new))
	}
}

/// A market.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Market {
	/// Its number.
	pub market: u32,
	/// Who runs it.
	pub operator: String,
	/// The account that holds its money.
	pub account: String,
	/// Length of its delivery slots. The slot of a time is its unix seconds divided by this, rounded down.
	pub slot_seconds: u32,
	/// Parameters by the first slot for which they hold, oldest first. The last one may be yet to come.
	pub parameters: Vec<Parameters>,
	/// By whom meters are certified; `null` if all meters are taken.
	pub meters: Option<Meters>,
	/// The meter of the feeder, if there is one.
	pub feeder: Option<Feeder>,
	/// Grid fees and rounding remainders that the operator has not withdrawn.
	pub reserve: String,
	/// The latest slot that traded and was settled wholly.
	pub last_price: Option<SlotPrice>,
}

impl Market {
	fn new(addresses: &Addresses, details: MarketDetails) -> Self {
		Self {
			market: details.market,
			operator: addresses.write(&details.operator),
			account: addresses.write(&details.account),
			slot_seconds: details.slot_seconds,
			parameters: details.parameters.into_iter().map(Parameters::new).collect(),
			meters: details.meters.map(|(topic, issuers)| Meters {
				topic: topic.as_text().to_owned(),
				issuers: issuers.iter().map(|issuer| addresses.write(issuer)).collect(),
			}),
			feeder: details.feeder.map(|(device, stream, tolerance)| Feeder {
				device: addresses.write(&device),
				stream,
				tolerance_wh: tolerance.to_string(),
			}),
			reserve: details.reserve.to_string(),
			last_price: details.last_price.map(SlotPrice::new),
		}
	}
}

/// One version of a market's parameters.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
	/// The first slot for which they hold.
	pub first_slot: Slot,
	/// What the utility charges.
	pub retail_per_kwh: String,
	/// What the utility pays.
	pub feed_in_per_kwh: String,
	/// What both sides of a trade gain over the utility at least.
	pub margin_per_kwh: String,
	/// What a buyer pays on top of the price.
	pub grid_fee_per_kwh: String,
	/// The lowest price, that of tick 0.
	pub bottom_per_kwh: String,
	/// Difference of two neighbouring prices.
	pub tick_size_per_kwh: String,
	/// Number of prices.
	pub ticks: u16,
	/// How long a slot can be reported after its end, in milliseconds.
	pub window_ms: u32,
	/// And in blocks after the first one that saw its end.
	pub window_blocks: u8,
}

impl Parameters {
	fn new(details: MarketParameters) -> Self {
		let pricing = details.pricing;
		Self {
			first_slot: details.first,
			retail_per_kwh: pricing.retail.to_string(),
			feed_in_per_kwh: pricing.feed_in.to_string(),
			margin_per_kwh: pricing.margin.to_string(),
			grid_fee_per_kwh: pricing.grid_fee.to_string(),
			bottom_per_kwh: pricing.grid.bottom.to_string(),
			tick_size_per_kwh: pricing.grid.tick_size.to_string(),
			ticks: pricing.grid.ticks,
			window_ms: details.window_ms,
			window_blocks: details.window_blocks,
		}
	}
}

/// By whom meters are certified.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meters {
	/// Topic of the attestation.
	pub topic: String,
	/// One of these must have given it.
	pub issuers: Vec<String>,
}

/// The meter between a market and the rest of the grid.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Feeder {
	/// The device.
	pub device: String,
	/// Its stream.
	pub stream: u32,
	/// How far the members' meters may be off in a slot.
	pub tolerance_wh: String,
}

/// A slot and its price.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotPrice {
	/// The slot.
	pub slot: Slot,
	/// Its price, without the grid fee.
	pub price_per_kwh: String,
}

impl SlotPrice {
	fn new((slot, price): (Slot, PricePerKwh)) -> Self {
		Self {
			slot,
			price_per_kwh: price.to_string(),
		}
	}
}

/// A slot that was reported and is not cleared.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenSlot {
	/// The slot.
	pub slot: Slot,
	/// True if its window is over and it can be cleared.
	pub due: bool,
}

/// The book of a slot that is not cleared.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Book {
	/// Ticks with bids, lowest first.
	pub bids: Vec<Tick>,
	/// Ticks with asks, lowest first.
	pub asks: Vec<Tick>,
	/// What clearing would find now; `null` if nothing would trade.
	pub indicative: Option<Clearing>,
	/// What bids have set aside.
	pub pot: String,
	/// True if the window is over: the book cannot change and can be cleared.
	pub due: bool,
}

impl Book {
	fn new(details: BookDetails) -> Self {
		let ticks = |ticks: Vec<TickDetails>| ticks.into_iter().map(Tick::new).collect();
		Self {
			bids: ticks(details.bids),
			asks: ticks(details.asks),
			indicative: details.indicative.map(Clearing::new),
			pot: details.pot.to_string(),
			due: details.due,
		}
	}
}

/// The orders at one tick.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tick {
	/// The tick.
	pub tick: u8,
	/// Its price.
	pub price_per_kwh: String,
	/// Sum of the orders.
	pub volume_wh: String,
	/// Their number.
	pub orders: u32,
}

impl Tick {
	fn new(details: TickDetails) -> Self {
		Self {
			tick: details.tick,
			price_per_kwh: details.price.to_string(),
			volume_wh: details.wh.to_string(),
			orders: details.orders,
		}
	}
}

/// What clearing finds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clearing {
	/// The price, without the grid fee.
	pub price_per_kwh: String,
	/// What trades.
	pub volume_wh: String,
	/// How the longer side shares at the price; `null` if both sides are equal.
	pub ration: Option<Ration>,
	/// Number of bids at the price or better.
	pub bids: u64,
	/// Number of asks at the price or better.
	pub asks: u64,
}

impl Clearing {
	fn new(details: ClearingDetails) -> Self {
		Self {
			price_per_kwh: details.price.to_string(),
			volume_wh: details.volume_wh.to_string(),
			ration: details.ration.map(|ration| Ration {
				side: match ration.side {
					Side::Bid => "bid",
					Side::Ask => "ask",
				},
				filled_wh: ration.filled.to_string(),
				offered_wh: ration.offered.to_string(),
				orders: ration.orders,
			}),
			bids: details.bids,
			asks: details.asks,
		}
	}
}

/// How the orders at the price on the longer side share what the better ones leave.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ration {
	/// The longer side: `bid` or `ask`.
	pub side: &'static str,
	/// What is left for them.
	pub filled_wh: String,
	/// What they want.
	pub offered_wh: String,
	/// Their number.
	pub orders: u32,
}

/// A slot that is cleared and not settled wholly.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClearedSlot {
	/// The result; `null` if nothing trades.
	pub clearing: Option<Clearing>,
	/// What a buyer pays on top of the price.
	pub grid_fee_per_kwh: String,
	/// What is left of its pot.
	pub pot: String,
	/// How many orders are not settled.
	pub unsettled_orders: u64,
}

impl ClearedSlot {
	fn new(details: ClearedSlotDetails) -> Self {
		Self {
			clearing: details.clearing.map(Clearing::new),
			grid_fee_per_kwh: details.grid_fee.to_string(),
			pot: details.pot.to_string(),
			unsettled_orders: details.orders,
		}
	}
}

/// Energy of one device in a slot at a limit.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
	/// Highest price a bid pays, without the grid fee, or lowest price an ask takes.
	pub limit_per_kwh: String,
	/// How much.
	pub wh: u32,
}

/// Both sides of an order, best limit first.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sides {
	/// What it buys.
	pub bids: Vec<Step>,
	/// What it sells.
	pub asks: Vec<Step>,
}

impl Sides {
	fn entry(details: EntryDetails) -> Self {
		Self {
			bids: steps(details.bids),
			asks: steps(details.asks),
		}
	}

	fn order(order: PriceOrder) -> Self {
		Self {
			bids: steps(order.bids.iter().map(|step| (step.limit, step.wh))),
			asks: steps(order.asks.iter().map(|step| (step.limit, step.wh))),
		}
	}
}

fn steps(steps: impl IntoIterator<Item = (PricePerKwh, u32)>) -> Vec<Step> {
	steps
		.into_iter()
		.map(|(limit, wh)| Step {
			limit_per_kwh: limit.to_string(),
			wh,
		})
		.collect()
}

/// A membership.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
	/// Stream of what it takes.
	pub import_stream: u32,
	/// Stream of what it gives.
	pub export_stream: u32,
	/// Where it stands: `state`, and what goes with it.
	#[serde(flatten)]
	pub state: MemberState,
	/// Standing orders by the first slot for which they hold, oldest first. The last one may be yet to come.
	pub orders: Vec<Order>,
	/// Its money in the market.
	pub credit: String,
	/// How many of its entries are not settled.
	pub unsettled_entries: u32,
}

impl Member {
	fn new(details: MemberDetails) -> Self {
		Self {
			import_stream: details.import,
			export_stream: details.export,
			state: MemberState::new(details.state),
			orders: details
				.orders
				.into_iter()
				.map(|(first_slot, order)| Order {
					first_slot,
					sides: Sides::order(order),
				})
				.collect(),
			credit: details.credit.to_string(),
			unsettled_entries: details.unsettled,
		}
	}
}

/// A standing order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
	/// The first slot for which it holds.
	pub first_slot: Slot,
	/// What it wants in every slot.
	#[serde(flatten)]
	pub sides: Sides,
}

/// Where a membership stands.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MemberState {
	/// The operator has not answered.
	Applied,
	/// Trades.
	Admitted {
		/// First slot that counts.
		since_slot: Slot,
		/// The metering point.
		metering_point: H256,
		/// Most that counts in a slot of what it takes.
		import_capacity_wh: u32,
		/// Most that counts in a slot of what it gives.
		export_capacity_wh: u32,
	},
	/// Trades no more; entries wait for settlement.
	Leaving,
}

impl MemberState {
	fn new(state: MembershipState) -> Self {
		match state {
			MembershipState::Applied => Self::Applied,
			MembershipState::Admitted {
				since,
				point,
				import_capacity,
				export_capacity,
			} => Self::Admitted {
				since_slot: since,
				metering_point: point,
				import_capacity_wh: import_capacity,
				export_capacity_wh: export_capacity,
			},
			MembershipState::Leaving => Self::Leaving,
		}
	}
}
