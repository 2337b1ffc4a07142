//! Standing orders in prices. A market's grid may change, a member's limits do not: they are kept as prices and
//! find their ticks slot by slot.

use crate::{MAX_STEPS, OrderFault, PricePerKwh, StandingOrder, Step, Steps, TickGrid};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Energy at a limit price.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct PriceStep {
	/// Highest price a bid pays, without the grid fee, or lowest price an ask takes; units per kWh.
	pub limit: PricePerKwh,
	/// Wh wanted in every slot.
	pub wh: u32,
}

/// The steps of one side, best limit first.
pub type PriceSteps = BoundedVec<PriceStep, ConstU32<MAX_STEPS>>;

/// What a member wants in every slot, whatever the grid is. Empty sides do not trade.
#[derive(
	Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct PriceOrder {
	/// What it buys of its imported energy, limits strictly falling.
	pub bids: PriceSteps,
	/// What it sells of its exported energy, limits strictly rising.
	pub asks: PriceSteps,
}

impl PriceOrder {
	/// Checks the order. Any price is a limit: one that no grid reaches just does not trade.
	///
	/// # Errors
	/// [`OrderFault::EmptyStep`], then [`OrderFault::StepsOutOfOrder`].
	pub fn check(&self) -> Result<(), OrderFault> {
		if self.bids.iter().chain(&self.asks).any(|step| step.wh == 0) {
			return Err(OrderFault::EmptyStep);
		}
		let falling = self.bids.is_sorted_by(|a, b| a.limit > b.limit);
		let rising = self.asks.is_sorted_by(|a, b| a.limit < b.limit);
		if falling && rising {
			Ok(())
		} else {
			Err(OrderFault::StepsOutOfOrder)
		}
	}

	/// The order on a grid: a bid at the highest tick that costs no more than its limit, an ask at the lowest one
	/// that pays as much. Steps whose limit no tick meets are left out, and two steps may share a tick.
	pub fn on(&self, grid: &TickGrid) -> StandingOrder {
		let place = |steps: &PriceSteps, tick: &dyn Fn(PricePerKwh) -> Option<u8>| {
			let mut placed = Steps::new();
			for step in steps {
				if let Some(limit) = tick(step.limit) {
					let wh = step.wh.into();
					// There are never more than `MAX_STEPS`.
					let _fits = placed.try_push(Step { limit, wh });
				}
			}
			placed
		};
		StandingOrder {
			bids: place(&self.bids, &|price| grid.bid_tick(price)),
			asks: place(&self.asks, &|price| grid.ask_tick(price)),
		}
	}
}
