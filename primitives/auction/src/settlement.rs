//! What a member pays and earns.
//!
//! # The pot is never short
//! The pot of a slot holds what was set aside for its bids: the sum of `(limit + grid fee) x Wh`. Let `p` be
//! the price and `f` the grid fee in units per mWh, both whole numbers, `B` the mWh that all bids get and `A`
//! those that all asks give.
//!
//! * **`B >= A`.** Before rounding both are `1000 x V`. Only shares of the longer side are rounded: up if
//!   they are bids, which raises `B`, and down if they are asks, which lowers `A`. Each by less than one mWh,
//!   so `B - A` is less than the number of rationed orders.
//! * **Every bid pays at most what was set aside for it.** It fills only if its limit is at least the price.
//!   Its fill is at most its Wh: the share is below the whole, a whole number of mWh, and rounding up does
//!   not pass it.
//! * **All payments cover all earnings.** Bids pay `(p + f) x B >= p x A`. The remainder, grid fees of
//!   `f x B` and `p x (B - A)` that came of rounding, is zero or more and goes to the reserve after the last
//!   settlement.
//! * **In any order.** A settlement takes out of the pot what a member gets back, which is a part of what was
//!   set aside for its own bids, and what its asks earn. Whatever was settled before, the pot holds the
//!   payments of settled bids and the larger set-aside of unsettled ones, together at least `(p + f) x B`,
//!   less earnings of at most `p x A`.
//!
//! This relies on one thing only: the book that was cleared is the sum of the entries that are settled.

use crate::{Clearing, MILLI_WH_PER_KWH, MILLI_WH_PER_WH, MilliWh, Money, PricePerKwh, Pricing, Side, Step};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The exact cost of energy at a price that is a multiple of [`MILLI_WH_PER_KWH`].
///
/// At most [`crate::MAX_PRICE`] per kWh times 2^64 - 1 Wh fits 128 bits. Beyond that, which no checked market
/// reaches, it saturates rather than wraps, so that nothing becomes cheap by being large. Any other price is
/// rounded down to a whole number of units per mWh.
pub fn cost(price: PricePerKwh, energy: MilliWh) -> Money {
	(price / MILLI_WH_PER_KWH).saturating_mul(energy)
}

/// The bill of one member for one slot. `returned + earned` moves from the slot's pot to the member's credit;
/// `paid` stays.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Settlement {
	/// mWh bought.
	pub bought: MilliWh,
	/// mWh sold.
	pub sold: MilliWh,
	/// What the bought energy costs, grid fee included.
	pub paid: Money,
	/// What was set aside for the bids and not paid.
	pub returned: Money,
	/// What the sold energy earns.
	pub earned: Money,
}

/// Settles the steps with which a member stands in the cleared book: bids as [`Pricing::cover`] left them,
/// asks as [`crate::spread`] did. Without a clearing nothing was traded and everything set aside is returned.
///
/// Nothing is rounded here. Sums and products saturate, but cannot for steps of at most 2^64 - 1 Wh together,
/// which is what `spread` gives, and prices that passed [`Pricing::check`].
pub fn settle(pricing: &Pricing, clearing: Option<&Clearing>, bids: &[Step], asks: &[Step]) -> Settlement {
	let set_aside = bids.iter().fold(0, |sum: Money, bid| {
		let energy = MilliWh::from(bid.wh).saturating_mul(MILLI_WH_PER_WH);
		sum.saturating_add(cost(pricing.charge(bid.limit), energy))
	});
	let Some(clearing) = clearing else {
		return Settlement {
			returned: set_aside,
			..Default::default()
		};
	};
	let filled = |side, steps: &[Step]| {
		steps.iter().fold(0, |sum: MilliWh, step| {
			sum.saturating_add(clearing.fill(side, step))
		})
	};
	let (bought, sold) = (filled(Side::Bid, bids), filled(Side::Ask, asks));
	let paid = cost(pricing.charge(clearing.tick), bought);
	Settlement {
		bought,
		sold,
		paid,
		// Not negative: every bid that fills has a limit at the price or better, and fills to its Wh at most.
		returned: set_aside.saturating_sub(paid),
		earned: cost(pricing.grid.price(clearing.tick), sold),
	}
}
