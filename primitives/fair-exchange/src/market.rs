//! What a chain keeps of a market for readings, as its clients see it: listings, sales, sellers, standing
//! orders, requests and pools. Plain data; the rules are those of whoever keeps it.
//!
//! Money is in the smallest unit of the token, times are block numbers unless a name says otherwise.

use crate::{BlindedKey, Claims, CountersignedTerms, ListingId, SaleId};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_device::{AccountId, BudgetPeriod, DeviceId, Topic, UnixMs};
use scale_info::TypeInfo;
use sp_core::{ConstU32, H256};
use sp_runtime::{BoundedVec, Perbill, Permill};

/// Number of a pool. Never used again.
pub type PoolId = u32;
/// Number of a subscription. Never used again.
pub type SubscriptionId = u32;
/// Number of a request. Never used again.
pub type RequestId = u32;

/// Most payees of a fixed split.
pub const MAX_PAYEES: u32 = 4;
/// Best rating; 1 is the worst.
pub const MAX_RATING: u8 = 5;

/// Where the readings were taken: a code of the market's own, for example a geohash, so that a prefix is a
/// larger area. Printable ASCII without spaces, may be empty.
pub type Area = BoundedVec<u8, ConstU32<16>>;
/// Where a seller or a buyer answers: a URI, printable ASCII without spaces.
pub type Endpoint = BoundedVec<u8, ConstU32<128>>;

/// The highest price that terms under a listing may name.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Price {
	/// For one sale, however long.
	#[codec(index = 0)]
	PerSale(u128),
	/// For each reading.
	#[codec(index = 1)]
	PerReading(u128),
}

impl Price {
	/// What `leaves` readings cost at most. Saturates.
	pub fn of(&self, leaves: u32) -> u128 {
		match self {
			Self::PerSale(price) => *price,
			Self::PerReading(price) => price.saturating_mul(leaves.into()),
		}
	}

	/// True if this is the same kind of price as `limit`, and not above it.
	pub fn is_within(&self, limit: &Self) -> bool {
		match (self, limit) {
			(Self::PerSale(price), Self::PerSale(limit))
			| (Self::PerReading(price), Self::PerReading(limit)) => price <= limit,
			_ => false,
		}
	}
}

/// Somebody who gets a part of what a seller earns.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Payee {
	/// Who.
	pub account: AccountId,
	/// Part of the price less the protocol fee, rounded down.
	pub share: Perbill,
}

/// Where the price goes, less the protocol fee. The seller gets what is left over.
#[derive(
	Clone, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Payout {
	/// All to the seller.
	#[default]
	#[codec(index = 0)]
	Seller,
	/// Fixed parts to these.
	#[codec(index = 1)]
	Split(BoundedVec<Payee, ConstU32<MAX_PAYEES>>),
	/// A part to a pool of the seller's, whose members claim it.
	#[codec(index = 2)]
	Pool {
		/// The pool.
		pool: PoolId,
		/// Part of the price less the protocol fee, rounded down.
		share: Perbill,
	},
}

impl Payout {
	/// True if the parts are above zero and no more than the whole.
	pub fn is_sound(&self) -> bool {
		match self {
			Self::Seller => true,
			Self::Pool { share, .. } => !share.is_zero(),
			Self::Split(payees) => {
				let parts = payees.iter().fold(0u64, |sum, payee| {
					sum.saturating_add(payee.share.deconstruct().into())
				});
				!payees.is_empty()
					&& payees.iter().all(|payee| !payee.share.is_zero())
					&& parts <= Perbill::one().deconstruct().into()
			}
		}
	}

	/// The pool, if there is one.
	pub fn pool(&self) -> Option<PoolId> {
		match self {
			Self::Pool { pool, .. } => Some(*pool),
			_ => None,
		}
	}
}

/// What a seller offers. Any change makes another version of the listing.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ListingSpec {
	/// The device that measures.
	pub device: DeviceId,
	/// Its stream, which is private.
	pub stream: u32,
	/// Time of the earliest reading on offer.
	pub from: UnixMs,
	/// Time before which the last reading on offer lies; `None` for readings to come.
	pub until: Option<UnixMs>,
	/// Highest price of a sale.
	pub price: Price,
	/// Hash of the licence.
	pub licence: H256,
	/// What the readings mean: the schema id of the stream.
	pub schema: H256,
	/// Where they were taken.
	pub area: Area,
	/// Hash of a description.
	pub metadata: H256,
	/// Where the price goes.
	pub payout: Payout,
	/// What is promised of the readings.
	pub claims: Claims,
	/// Where offers are made.
	pub endpoint: Endpoint,
	/// X25519 key to which buyers seal their blinds.
	pub sealing_key: [u8; 32],
	/// A key that may sign terms besides whoever may trade for the seller.
	pub terms_key: Option<AccountId>,
}

/// A listing in state.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Listing {
	/// Who sells and is paid.
	pub seller: AccountId,
	/// Version, from 0. Terms under another version cannot be bought.
	pub version: u32,
	/// The device's generation in this version. With another owner the listing is dead.
	pub generation: u32,
	/// What is held for it on the seller's account.
	pub deposit: u128,
	/// What is offered.
	pub spec: ListingSpec,
}

/// An open sale: all that is needed to end it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Sale {
	/// The listing under which it was bought.
	pub listing: ListingId,
	/// Who sells.
	pub seller: AccountId,
	/// Who buys, and on whose account the price is held.
	pub buyer: AccountId,
	/// The price.
	pub price: u128,
	/// What the buyer gets besides if the seller fails. Together with the price it is the cover.
	pub fixed_cover: u128,
	/// What is burnt of the price when it is paid.
	pub fee: u128,
	/// Where the rest of the price goes.
	pub payout: Payout,
	/// What was promised of the readings.
	pub claims: Claims,
	/// What the seller's half of the key must match.
	pub key_commitment: H256,
	/// The seller's half of the key, once it is revealed.
	pub key: Option<BlindedKey>,
	/// Blocks for disputes once it is.
	pub dispute_window: u32,
	/// Last block for the next step: until the key is revealed for revealing it, then for evidence.
	pub deadline: u32,
	/// Last block in which the terms could be bought.
	pub expires: u32,
	/// The period of the buyer's budget in which the price was booked, if a device key or an operator bought.
	pub budget: Option<BudgetPeriod>,
}

impl Sale {
	/// What of the seller's bond is locked for it.
	pub fn cover(&self) -> u128 {
		self.fixed_cover.saturating_add(self.price)
	}
}

/// A seller's bond and record. It lasts as long as the bond.
#[derive(
	Clone, Copy, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Seller {
	/// What is held on the seller's account.
	pub bond: u128,
	/// Part of it that covers open sales.
	pub locked: u128,
	/// Part of it that is on its way out.
	pub unbonding: u128,
	/// Block from which that can be taken.
	pub unbonds_at: u32,
	/// Sales that were paid.
	pub settled: u32,
	/// Sales given back because no key came.
	pub refunded: u32,
	/// Sales in which the seller was convicted.
	pub convicted: u32,
	/// What was paid, fees included.
	pub volume: u128,
	/// Protocol fees burnt in sales that were rated.
	pub rated_fees: u128,
	/// Sum of rating times protocol fee over these.
	pub rating_points: u128,
}

impl Seller {
	/// What can cover another sale or be taken out.
	pub fn available(&self) -> u128 {
		self.bond
			.saturating_sub(self.locked)
			.saturating_sub(self.unbonding)
	}

	/// True if the ratings, weighed by the fees that they cost, are `least` on average or better. Without
	/// ratings none is reached.
	pub fn is_rated(&self, least: u8) -> bool {
		self.rated_fees > 0 && self.rating_points >= self.rated_fees.saturating_mul(least.into())
	}
}

/// A standing order.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Subscription {
	/// Who buys, and on whose account the money is held.
	pub subscriber: AccountId,
	/// Under which listing.
	pub listing: ListingId,
	/// Most that one epoch may cost.
	pub cap: u128,
	/// What is left of the money.
	pub left: u128,
	/// Last block in which an epoch can be delivered.
	pub ends: u32,
	/// Account of the key that countersigns. It stays the same whatever happens to that key elsewhere.
	pub signer: AccountId,
	/// The period of the subscriber's budget in which the money was booked.
	pub budget: Option<BudgetPeriod>,
	/// What is held for this record on the subscriber's account.
	pub deposit: u128,
}

/// One epoch as it is delivered: terms that both signed, and the seller's half of the key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Epoch {
	/// The terms.
	pub terms: CountersignedTerms,
	/// The key.
	pub key: BlindedKey,
}

/// What a buyer looks for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct RequestSpec {
	/// What the readings mean.
	pub schema: H256,
	/// Where they are taken.
	pub area: Area,
	/// Time of the earliest reading wanted.
	pub from: UnixMs,
	/// Time before which the last one lies.
	pub until: Option<UnixMs>,
	/// What the buyer pays.
	pub price: Price,
	/// Hash of a description.
	pub metadata: H256,
	/// Where offers are taken.
	pub endpoint: Endpoint,
	/// Last block of the request.
	pub expires: u32,
}

/// A request in state.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Request {
	/// Who asks.
	pub buyer: AccountId,
	/// What is held for it on the buyer's account.
	pub deposit: u128,
	/// What for.
	pub spec: RequestSpec,
}

/// A pool of people who share what a seller earns.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Pool {
	/// Who issues shares.
	pub manager: AccountId,
	/// Shares of all members together.
	pub shares: u32,
	/// Number of members.
	pub members: u32,
	/// Open sales that pay into it. Shares change only while there are none.
	pub open_sales: u32,
	/// What one share earned since the beginning, in units of 2^-32.
	pub index: u128,
	/// What is held for this record on the manager's account.
	pub deposit: u128,
}

/// A member of a pool.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct PoolMember {
	/// Shares.
	pub shares: u32,
	/// The pool's index up to which `owed` is reckoned.
	pub index: u128,
	/// What is owed up to there.
	pub owed: u128,
	/// What is held for this record on the manager's account.
	pub deposit: u128,
}

/// What somebody looks for among the listings. Each condition that is set must hold.
#[derive(Clone, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ListingFilter {
	/// The schema.
	pub schema: Option<H256>,
	/// The area, or one around it: a prefix.
	pub area: Option<Area>,
	/// Not above this price, and of its kind.
	pub max_price: Option<Price>,
	/// One of these vouches for the device under this topic. Only the first 16 are looked at.
	pub genuine: Option<(Topic, Vec<AccountId>)>,
	/// The seller's rating is this or better.
	pub min_rating: Option<u8>,
}

/// A page of listings that can be bought from now.
#[derive(Clone, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ListingPage {
	/// The listings, by number.
	pub listings: Vec<(ListingId, Listing)>,
	/// Where the next page begins; `None` at the end. A page may be empty and not be the last.
	pub next: Option<ListingId>,
}

/// What a chain says of a sale.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum SaleStatus {
	/// It is open.
	#[codec(index = 0)]
	Open(Sale),
	/// It ended before its terms expired; they cannot be bought again.
	#[codec(index = 1)]
	Ended,
}

/// Names a sale that ended early: the last block of its terms, big-endian so that the earliest comes first, and
/// its id.
pub type Mark = ([u8; 4], SaleId);

/// Bounds of the windows, in blocks.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Windows {
	/// Shortest time in which a key may be revealed: the seller waits for the purchase to be final.
	pub min_reveal: u32,
	/// Longest time for that.
	pub max_reveal: u32,
	/// Shortest time for evidence: the default pays the seller, so a buyer must be back before it is over.
	pub min_dispute: u32,
	/// Longest time for that.
	pub max_dispute: u32,
	/// How far ahead terms may expire. Shorter than any reveal window, so that a sale without a key outlives
	/// its terms, and marks of used terms stay few.
	pub max_validity: u32,
	/// How long a bond takes to come out. Longer than any sale that it might have covered.
	pub unbonding: u32,
	/// How long a subscription lasts after its end was asked for. No shorter than terms are valid, so that
	/// whatever was countersigned can still be delivered.
	pub notice: u32,
}

impl Default for Windows {
	/// An hour to reveal and four to dispute at least; a day and a week at most; terms for half an hour; nine
	/// days for a bond; an hour of notice, with blocks of three seconds.
	fn default() -> Self {
		Self {
			min_reveal: 1_200,
			max_reveal: 28_800,
			min_dispute: 4_800,
			max_dispute: 201_600,
			max_validity: 600,
			unbonding: 259_200,
			notice: 1_200,
		}
	}
}

impl Windows {
	/// True if they keep the relations that their fields demand.
	pub fn are_sound(&self) -> bool {
		0 < self.max_validity
			&& self.max_validity < self.min_reveal
			&& self.min_reveal <= self.max_reveal
			&& 0 < self.min_dispute
			&& self.min_dispute <= self.max_dispute
			&& self.max_reveal.saturating_add(self.max_dispute) < self.unbonding
			&& self.max_validity <= self.notice
	}
}

/// What a chain demands of every sale.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Conditions {
	/// Bounds of all windows.
	pub windows: Windows,
	/// Smallest price.
	pub min_price: u128,
	/// What a buyer gets besides the price if the seller fails; also the smallest bond.
	pub fixed_cover: u128,
	/// What is burnt of each price, rounded up.
	pub fee_rate: Permill,
}
