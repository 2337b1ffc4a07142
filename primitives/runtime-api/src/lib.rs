//! Runtime APIs of our pallets. Reads are free: nothing here needs an extrinsic.

#![cfg_attr(not(feature = "std"), no_std)]
// The macro writes items that it does not document.
#![allow(missing_docs)]

extern crate alloc;

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_anchor::{AnchorProof, AnchorRecord, Coverage, ProofFault, StreamDetails, StreamId};
use m2m_auction::{PriceOrder, PricePerKwh, Pricing, Ration, Slot, Tick};
pub use m2m_device::AttestationDetails;
use m2m_device::{
	AccountId, Beneficiary, DeviceId, DeviceStatus, KeyRecord, Operator, Production, Service, Topic,
	TransferOffer, UnixMs,
};
use m2m_did::DidRecord;
use m2m_fair_exchange::{
	ListingId, SaleId,
	market::{
		Conditions, Listing, ListingFilter, ListingPage, Pool, PoolId, Request, RequestId, SaleStatus,
		Seller, Subscription, SubscriptionId,
	},
};
use m2m_merkle::ReadingProof;
use scale_info::TypeInfo;
use sp_core::H256;

/// A device as clients see it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct DeviceDetails {
	/// Its id and wallet.
	pub device: DeviceId,
	/// Owner; the last owner of a retired device.
	pub owner: AccountId,
	/// Status.
	pub status: DeviceStatus,
	/// When the status last changed.
	pub status_since: UnixMs,
	/// How often the owner changed.
	pub generation: u32,
	/// How often a key that signs telemetry was added or came by rotation.
	pub auth_version: u32,
	/// Gateway that holds the device's keys, if it has none of its own.
	pub gateway: Option<AccountId>,
	/// Keys that may sign or, after a rotation, still deliver. In the order in which they were added.
	pub device_keys: Vec<KeyRecord>,
	/// Hash of a document that describes the device, for example a W3C Thing Description.
	pub profile: Option<H256>,
	/// Who may act for it besides its keys and its owner. Grants that have expired are listed until they are revoked
	/// or dropped.
	pub operators: Vec<Operator>,
	/// Where it can be reached.
	pub services: Vec<Service>,
	/// To whom it is offered, if it is. The offer may have expired.
	pub offer: Option<TransferOffer>,
}

/// A production batch as clients see it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct BatchDetails {
	/// What was made, in the manufacturer's own words; at most 32 bytes, which need not be text.
	pub model: Vec<u8>,
	/// How many keys; at least 1.
	pub count: u32,
	/// When the manufacturer committed to it.
	pub created: UnixMs,
	/// When the manufacturer disowned it, if it did.
	pub revoked: Option<UnixMs>,
}

/// Groups of calls that a sponsor can pay for.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum CallGroup {
	/// Anchors, and the streams that they belong to.
	#[codec(index = 0)]
	Telemetry,
	/// A device's own keys: added, rotated, removed.
	#[codec(index = 1)]
	Identity,
	/// A device's part in a market for energy: membership, orders, credit.
	#[codec(index = 2)]
	Energy,
	/// Selling and buying readings.
	#[codec(index = 3)]
	Data,
}

/// What others still pay for a device, and what its wallet does.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Remaining {
	/// The sponsorships that pay now, in the order in which they are tried.
	pub sponsored: Vec<SponsoredRest>,
	/// What the device's keys may still spend from its wallet.
	pub budget: Option<BudgetRest>,
	/// The wallet's free money above the existential deposit.
	pub wallet: u128,
}

/// What one sponsorship still pays for a device.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SponsoredRest {
	/// Its number.
	pub sponsorship: u32,
	/// For which calls.
	pub calls: Vec<CallGroup>,
	/// What the device's bucket pays now, in fees at multiplier one.
	pub bucket: u128,
	/// What it pays when it is full.
	pub capacity: u128,
	/// What comes back with every block.
	pub refill: u128,
	/// What fees can take from the pot.
	pub pot: u128,
	/// Last moment at which it pays.
	pub expires: Option<UnixMs>,
}

/// What is left of a device's budget.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct BudgetRest {
	/// Most that is spent in a period.
	pub limit: u128,
	/// What is left in this period.
	pub left: u128,
	/// When this period ends.
	pub period_ends: UnixMs,
}

/// A sponsorship as clients see it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SponsorshipDetails {
	/// Its number.
	pub sponsorship: u32,
	/// Who pays.
	pub sponsor: AccountId,
	/// Whose fees.
	pub beneficiary: Beneficiary,
	/// For one device: the generation in which it was offered, and with which it ends.
	pub generation: Option<u32>,
	/// For which calls.
	pub calls: Vec<CallGroup>,
	/// What a device's full bucket pays, in fees at multiplier one.
	pub capacity: u128,
	/// What comes back with every block.
	pub refill: u128,
	/// Last moment at which it pays.
	pub expires: Option<UnixMs>,
	/// The account from which fees are paid.
	pub pot: AccountId,
	/// What fees can take from it. A device without a bucket in state needs a deposit from it besides.
	pub balance: u128,
	/// How many devices have a bucket in state.
	pub buckets: u32,
	/// True if its owner has taken it.
	pub attached: bool,
	/// True if the sponsor closed it and buckets are left to prune.
	pub closed: bool,
}

/// A market as clients see it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct MarketDetails {
	/// Its number.
	pub market: u32,
	/// Who runs it.
	pub operator: AccountId,
	/// The account that holds its money.
	pub account: AccountId,
	/// Length of its delivery slots.
	pub slot_seconds: u32,
	/// Parameters by the first slot for which they hold, oldest first. The last one may be yet to come.
	pub parameters: Vec<MarketParameters>,
	/// Topic and issuers by which meters are certified; `None` if all meters are taken.
	pub meters: Option<(Topic, Vec<AccountId>)>,
	/// Device, stream and tolerance in Wh of the feeder meter, if there is one.
	pub feeder: Option<(DeviceId, StreamId, u64)>,
	/// Grid fees and rounding remainders that the operator has not withdrawn.
	pub reserve: u128,
	/// The latest slot that traded and was settled wholly, with its price.
	pub last_price: Option<(Slot, PricePerKwh)>,
}

/// One version of a market's parameters.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct MarketParameters {
	/// The first slot for which they hold.
	pub first: Slot,
	/// Tariffs, price grid and grid fee.
	pub pricing: Pricing,
	/// How long a slot can be reported after its end, in milliseconds.
	pub window_ms: u32,
	/// And in blocks after the first one that saw its end.
	pub window_blocks: u8,
}

/// The orders at one tick.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct TickDetails {
	/// The tick.
	pub tick: Tick,
	/// Its price per kWh.
	pub price: PricePerKwh,
	/// Sum of the orders in Wh.
	pub wh: u64,
	/// Their number.
	pub orders: u32,
}

/// The book of a slot that is not cleared.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct BookDetails {
	/// Ticks with bids, lowest first.
	pub bids: Vec<TickDetails>,
	/// Ticks with asks, lowest first.
	pub asks: Vec<TickDetails>,
	/// What clearing would find now; `None` if nothing would trade.
	pub indicative: Option<ClearingDetails>,
	/// What bids have set aside.
	pub pot: u128,
	/// True if the window is over: the book cannot change and can be cleared.
	pub due: bool,
}

/// The result of a slot.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ClearingDetails {
	/// The price per kWh.
	pub price: PricePerKwh,
	/// Wh that trade.
	pub volume_wh: u128,
	/// How the longer side shares at the price.
	pub ration: Option<Ration>,
	/// Number of bids at the price or better.
	pub bids: u64,
	/// Number of asks at the price or better.
	pub asks: u64,
}

/// A slot that is cleared and not settled wholly.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ClearedSlotDetails {
	/// The result; `None` if nothing trades.
	pub clearing: Option<ClearingDetails>,
	/// The grid fee per kWh.
	pub grid_fee: PricePerKwh,
	/// What is left of its pot.
	pub pot: u128,
	/// How many orders are not settled.
	pub orders: u64,
}

/// How a device stands in the book of a slot: prices per kWh and Wh.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct EntryDetails {
	/// Its bids.
	pub bids: Vec<(PricePerKwh, u32)>,
	/// Its asks.
	pub asks: Vec<(PricePerKwh, u32)>,
}

/// Where a membership stands.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum MembershipState {
	/// The operator has not answered.
	#[codec(index = 0)]
	Applied,
	/// Trades.
	#[codec(index = 1)]
	Admitted {
		/// First slot that counts.
		since: Slot,
		/// The metering point.
		point: H256,
		/// Most Wh that count in a slot of what it takes.
		import_capacity: u32,
		/// Most Wh that count in a slot of what it gives.
		export_capacity: u32,
	},
	/// Trades no more; entries wait for settlement.
	#[codec(index = 2)]
	Leaving,
}

/// A membership as clients see it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct MemberDetails {
	/// Stream of what it takes.
	pub import: StreamId,
	/// Stream of what it gives.
	pub export: StreamId,
	/// Where it stands.
	pub state: MembershipState,
	/// Standing orders by the first slot for which they hold, oldest first. The last one may be yet to come.
	pub orders: Vec<(Slot, PriceOrder)>,
	/// Its money in the market.
	pub credit: u128,
	/// How many of its entries are not settled.
	pub unsettled: u32,
}

/// Most issuers that `DeviceApi::has_attestation` looks at.
pub const MAX_ISSUERS: usize = 16;

sp_api::decl_runtime_apis! {
	/// Devices and their keys.
	pub trait DeviceApi {
		/// One device.
		fn device(device: DeviceId) -> Option<DeviceDetails>;
		/// The deposit, in the smallest unit of the token, for the storage of a device that ever had `keys` keys and
		/// has neither operators nor services nor an offer. A new device has one key.
		fn deposit_for(keys: u32) -> u128;
		/// The device to which a key belongs or belonged.
		fn device_of_key(key: AccountId) -> Option<DeviceId>;
		/// The devices of an owner in a fixed order, at most `limit` (capped at 256) after `after`.
		fn devices_of(owner: AccountId, after: Option<DeviceId>, limit: u32) -> Vec<DeviceId>;
		/// The attestations of a device, valid or not, in a fixed order: at most `limit` (capped at 256) after the one of
		/// the topic and issuer `after`. Anybody can attest, so there may be more than one page.
		fn attestations(
			device: DeviceId,
			after: Option<(Topic, AccountId)>,
			limit: u32,
		) -> Vec<AttestationDetails>;
		/// True if one of the first [`MAX_ISSUERS`] of `issuers` vouches for the device now; with `same_owner` only
		/// what was said under its present owner counts.
		fn has_attestation(
			device: DeviceId,
			topic: Topic,
			issuers: Vec<AccountId>,
			same_owner: bool,
		) -> bool;
		/// Where a key was made, if that was proven and the batch was not revoked.
		fn production(key: AccountId) -> Option<Production>;
		/// A production batch, revoked or not.
		fn batch(issuer: AccountId, root: H256) -> Option<BatchDetails>;
	}

	/// The market for readings.
	pub trait DataApi {
		/// What is demanded of every sale.
		fn conditions() -> Conditions;
		/// Listings that match and can be bought from now, from number `from` on: at most `limit` (1 to 128), out
		/// of the next 512 numbers.
		fn listings(filter: ListingFilter, from: ListingId, limit: u32) -> ListingPage;
		/// One listing.
		fn listing(listing: ListingId) -> Option<Listing>;
		/// Numbers of a seller's listings in a fixed order, at most `limit` (capped at 128) after `after`.
		fn listings_of(seller: AccountId, after: Option<ListingId>, limit: u32) -> Vec<ListingId>;
		/// A sale that is open, or that ended before `expires`, the last block of its terms.
		fn sale(sale: SaleId, expires: u32) -> Option<SaleStatus>;
		/// Bond and record of a seller.
		fn seller(seller: AccountId) -> Option<Seller>;
		/// A standing order.
		fn subscription(subscription: SubscriptionId) -> Option<Subscription>;
		/// One request.
		fn request(request: RequestId) -> Option<Request>;
		/// Requests that have not expired, from number `from` on, likewise; and where to go on.
		fn requests(from: RequestId, limit: u32) -> (Vec<(RequestId, Request)>, Option<RequestId>);
		/// A pool.
		fn pool(pool: PoolId) -> Option<Pool>;
		/// Shares of a member of a pool, and what it is owed.
		fn pool_member(pool: PoolId, member: AccountId) -> Option<(u32, u128)>;
	}

	/// Decentralized identifiers.
	pub trait DidApi {
		/// What the DID document of a device shows, retired devices included; `None` if the chain never had it.
		fn did_document(device: DeviceId) -> Option<DidRecord>;
	}

	/// Who pays for devices.
	pub trait SponsorshipApi {
		/// What a device can still do without paying itself. Nothing remains for one that is not active.
		fn remaining(device: DeviceId) -> Remaining;
		/// One sponsorship.
		fn sponsorship(sponsorship: u32) -> Option<SponsorshipDetails>;
		/// The sponsorships of a sponsor in a fixed order, at most `limit` (capped at 256) after `after`.
		fn sponsorships_of(sponsor: AccountId, after: Option<u32>, limit: u32) -> Vec<u32>;
	}

	/// Markets for metered energy.
	pub trait EnergyApi {
		/// One market.
		fn market(market: u32) -> Option<MarketDetails>;
		/// Numbers of markets, at most `limit` (capped at 256) after `after`.
		fn markets(after: Option<u32>, limit: u32) -> Vec<u32>;
		/// The book of a slot that was reported and is not cleared.
		fn book(market: u32, slot: Slot) -> Option<BookDetails>;
		/// A slot that is cleared and not settled wholly.
		fn clearing(market: u32, slot: Slot) -> Option<ClearedSlotDetails>;
		/// How a device stands in the book of a slot, until it is settled.
		fn entry(market: u32, slot: Slot, device: DeviceId) -> Option<EntryDetails>;
		/// One membership.
		fn member(market: u32, device: DeviceId) -> Option<MemberDetails>;
		/// Members of a market in a fixed order, at most `limit` (capped at 256) after `after`.
		fn members(market: u32, after: Option<DeviceId>, limit: u32) -> Vec<DeviceId>;
		/// Slots that were reported and are not cleared, oldest first, each with whether it can be cleared: at most
		/// `limit` (capped at 256).
		fn open_slots(market: u32, limit: u32) -> Vec<(Slot, bool)>;
		/// Slots that are cleared and not settled wholly, in no order: at most `limit` (capped at 256).
		fn unsettled_slots(market: u32, limit: u32) -> Vec<Slot>;
		/// Members with an entry in a slot that is not settled, among the next 256 members after `after`. The second
		/// value is where to go on, `None` at the end.
		fn unsettled(market: u32, slot: Slot, after: Option<DeviceId>) -> (Vec<DeviceId>, Option<DeviceId>);
		/// The latest slot that traded and was settled wholly, with its price.
		fn last_price(market: u32) -> Option<(Slot, PricePerKwh)>;
	}

	/// Streams, anchors and proofs.
	pub trait TelemetryApi {
		/// Numbers of the device's open streams.
		fn streams(device: DeviceId) -> Vec<StreamId>;
		/// One stream, open or closed.
		fn stream(device: DeviceId, stream: StreamId) -> Option<StreamDetails>;
		/// An anchor that is still in state.
		fn anchor(device: DeviceId, stream: StreamId, seq: u64) -> Option<AnchorRecord>;
		/// The anchor with the largest sequence number.
		fn latest(device: DeviceId, stream: StreamId) -> Option<AnchorRecord>;
		/// What the anchors in state say about `from <= t < to`.
		fn coverage(device: DeviceId, stream: StreamId, from: UnixMs, to: UnixMs) -> Option<Coverage>;
		/// Checks that an anchor was recorded.
		fn verify_anchor(proof: AnchorProof) -> Result<(), ProofFault>;
		/// Checks that a reading was recorded, unchanged, in that anchor.
		fn verify_reading(anchor: AnchorProof, reading: ReadingProof) -> Result<(), ProofFault>;
	}
}
