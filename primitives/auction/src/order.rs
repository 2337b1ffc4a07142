//! What a member wants: a standing order of a few steps a side, which its meter executes slot by slot.

use crate::{Money, Tick, TickGrid, Wh};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The most steps of one side of a standing order.
pub const MAX_STEPS: u32 = 4;

/// Side of the market.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Side {
	/// Buys; its energy is imported.
	#[codec(index = 0)]
	Bid,
	/// Sells; its energy is exported.
	#[codec(index = 1)]
	Ask,
}

/// Energy at a limit.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Step {
	/// Highest tick a bid pays, lowest tick an ask takes.
	pub limit: Tick,
	/// In a standing order: Wh wanted in every slot. In the book: Wh metered in one slot.
	pub wh: Wh,
}

/// The steps of one side, best limit first: bids from the highest, asks from the lowest.
pub type Steps = BoundedVec<Step, ConstU32<MAX_STEPS>>;

/// What a member wants in every slot. Empty sides do not trade.
#[derive(
	Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct StandingOrder {
	/// What it buys of its imported energy, limits strictly falling.
	pub bids: Steps,
	/// What it sells of its exported energy, limits strictly rising.
	pub asks: Steps,
}

/// The first rule of [`StandingOrder::check`] that is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum OrderFault {
	/// A step is good for 0 Wh.
	#[codec(index = 0)]
	EmptyStep,
	/// A limit is no tick of the grid.
	#[codec(index = 1)]
	OffGrid,
	/// The limits of the bids do not strictly fall or those of the asks do not strictly rise.
	#[codec(index = 2)]
	StepsOutOfOrder,
}

impl StandingOrder {
	/// Checks the order against a grid. A bid may have a higher limit than an ask of the same member: what a
	/// home gives in one part of a slot may well be what it takes in another.
	///
	/// # Errors
	/// The first rule broken, in the order of [`OrderFault`].
	pub fn check(&self, grid: &TickGrid) -> Result<(), OrderFault> {
		let mut all = self.bids.iter().chain(&self.asks);
		if all.clone().any(|step| step.wh == 0) {
			return Err(OrderFault::EmptyStep);
		}
		if !all.all(|step| grid.contains(step.limit)) {
			return Err(OrderFault::OffGrid);
		}
		let falling = self.bids.is_sorted_by(|a, b| a.limit > b.limit);
		let rising = self.asks.is_sorted_by(|a, b| a.limit < b.limit);
		if falling && rising {
			Ok(())
		} else {
			Err(OrderFault::StepsOutOfOrder)
		}
	}
}

/// The part of `steps` that `metered` Wh fill, best limit first. Steps that get nothing are left out, and
/// what exceeds all steps is not traded. The Wh of the result add up to at most `metered`.
pub fn spread(steps: &Steps, metered: Wh) -> Steps {
	let (mut steps, mut left) = (steps.clone(), metered);
	for step in steps.iter_mut() {
		step.wh = step.wh.min(left);
		left = left.saturating_sub(step.wh);
	}
	steps.retain(|step| step.wh > 0);
	steps
}

/// Bids as far as a credit covers them.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Covered {
	/// What counts of the bids.
	pub bids: Steps,
	/// What moves from the credit to the slot: the sum of `(limit + grid fee) x Wh`, to the unit.
	pub set_aside: Money,
}
