//! What is stored.

use crate::timeline::Timeline;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use m2m_anchor::StreamId;
pub use m2m_auction::{Capacity, IgnoredReason, Parameters, Window};
use m2m_auction::{
	Clearing, MAX_STEPS, Money, PriceOrder, PricePerKwh, Pricing, Side, Slot, SlotLength, Step, Tick, Wh,
};
use m2m_device::{AccountId, DeviceId, Topic};
use scale_info::TypeInfo;
use sp_core::H256;

/// Number of a market. Never used again.
pub type MarketId = u32;

/// Most issuers that a market trusts to certify meters.
pub const MAX_ISSUERS: u32 = 4;

/// A market's fixed part and its operator.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Market {
	/// Who admits members, sets parameters and gets the reserve.
	pub operator: AccountId,
	/// On whose account the deposit is held: the first operator.
	pub depositor: AccountId,
	/// The deposit, in the smallest unit of the token.
	pub deposit: Money,
}

/// Which meters a market takes: those for which one of the issuers vouches.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Requirement {
	/// Under this topic.
	pub topic: Topic,
	/// At least one.
	pub issuers: BoundedVec<AccountId, ConstU32<MAX_ISSUERS>>,
}

/// The meter at the transformer: what the community gives to the grid beyond it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Feeder {
	/// The device.
	pub device: DeviceId,
	/// Its stream.
	pub stream: StreamId,
	/// By how many Wh the reports of a slot may disagree.
	pub tolerance: Wh,
}

/// All that a report needs to know of its market, in one value.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Terms {
	/// Length of the delivery slots.
	pub slot: SlotLength,
	/// Parameters by the first slot for which they hold.
	pub parameters: Timeline<Parameters>,
	/// Which meters are taken; `None` for all.
	pub meters: Option<Requirement>,
	/// The feeder meter, if there is one.
	pub feeder: Option<Feeder>,
}

/// What a market owns and what its last price was.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Ledger {
	/// Grid fees and rounding remainders of settled slots that the operator has not withdrawn.
	pub reserve: Money,
	/// The latest slot that traded and was settled wholly, with its price.
	pub last: Option<(Slot, PricePerKwh)>,
}

/// What a stream is to its market.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum StreamRole {
	/// Energy that a member takes: its bids.
	#[codec(index = 0)]
	Import,
	/// Energy that a member gives: its asks.
	#[codec(index = 1)]
	Export,
	/// Energy that leaves the community.
	#[codec(index = 2)]
	Feeder,
}

/// Where a stream trades.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct StreamUse {
	/// The market.
	pub market: MarketId,
	/// What it is there.
	pub role: StreamRole,
}

/// Where a membership stands.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum MemberState {
	/// Asked for by the device; the operator has not answered.
	#[codec(index = 0)]
	Applied,
	/// Trades.
	#[codec(index = 1)]
	Admitted {
		/// First slot that counts.
		since: Slot,
		/// The metering point, used by nobody else: the hash of the claim by which the meter is certified, or what the
		/// operator says it is.
		point: H256,
		/// What counts of its energy.
		capacity: Capacity,
	},
	/// Trades no more. The record stays until the last entry is settled.
	#[codec(index = 2)]
	Leaving,
}

/// One device in one market.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Member {
	/// Stream of what it takes.
	pub import: StreamId,
	/// Stream of what it gives.
	pub export: StreamId,
	/// Where the membership stands.
	pub state: MemberState,
	/// Its standing orders by the first slot for which they hold.
	pub orders: Timeline<PriceOrder>,
	/// Its money in the market.
	pub credit: Money,
	/// One entry that is not settled, with its slot: the only one, unless settlement is late.
	pub entry: Option<(Slot, Entry)>,
	/// How many more of its entries are not settled. They lie in [`crate::Entries`].
	pub apart: u32,
	/// What is held on the device's wallet.
	pub deposit: Money,
}

impl Member {
	/// How many of its entries are not settled.
	pub fn unsettled(&self) -> u32 {
		self.apart.saturating_add(self.entry.is_some().into())
	}
}

/// Energy in the book of a slot.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct EntryStep {
	/// The limit.
	pub limit: Tick,
	/// Wh, never more than the member's capacity.
	pub wh: u32,
}

/// One side of an entry.
pub type EntrySteps = BoundedVec<EntryStep, ConstU32<MAX_STEPS>>;

/// How a device stands in the book of one slot. Sides that put nothing there are empty, and an entry with two empty
/// sides does not exist.
#[derive(
	Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Entry {
	/// Its bids, as far as its credit covered them.
	pub bids: EntrySteps,
	/// Its asks.
	pub asks: EntrySteps,
}

impl Entry {
	/// One side.
	pub fn side(&self, side: Side) -> &EntrySteps {
		match side {
			Side::Bid => &self.bids,
			Side::Ask => &self.asks,
		}
	}

	/// One side as the auction wants it.
	pub fn steps(&self, side: Side) -> alloc::vec::Vec<Step> {
		let steps = self.side(side).iter();
		steps
			.map(|step| Step {
				limit: step.limit,
				wh: step.wh.into(),
			})
			.collect()
	}

	/// Number of its orders in the book.
	pub fn orders(&self) -> u64 {
		(self.bids.len() as u64).saturating_add(self.asks.len() as u64)
	}
}

/// Number of a slot as a storage key: keys in their order are slots in their order.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct OrderedSlot([u8; 8]);

impl From<Slot> for OrderedSlot {
	fn from(slot: Slot) -> Self {
		Self(slot.to_be_bytes())
	}
}

impl OrderedSlot {
	/// The slot.
	pub fn number(self) -> Slot {
		Slot::from_be_bytes(self.0)
	}
}

/// What meters said of a slot that is not cleared. Zero in a market without a feeder meter.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Totals {
	/// Wh taken by members.
	pub imported: Wh,
	/// Wh given by members.
	pub exported: Wh,
	/// Wh that left the community, if its meter reported.
	pub feeder: Option<Wh>,
}

/// A slot that is cleared and not settled wholly: all that settlement needs besides the entries.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ClearedSlot {
	/// Prices of the slot's version of the parameters.
	pub pricing: Pricing,
	/// The result; `None` if nothing trades.
	pub clearing: Option<Clearing>,
	/// What was set aside for bids, less what settlement has taken.
	pub pot: Money,
	/// How many orders of the book are not settled.
	pub orders: u64,
}
