//! Finding the price of a slot, and what an order gets at it.
//!
//! # Only the price tick is rationed
//! `D`, `S` and `V` are those of the [crate page](crate#the-price). `D` never rises with the tick, `S` never
//! falls. Let `p` be the price.
//!
//! **`D(p) > S(p)`: the better bids fit.** The claim is `D(p+1) <= S(p)`; at the top tick `D(p+1)` is 0.
//! Suppose `D(p+1) > S(p)`. Then both `D(p+1)` and `S(p+1)` are at least `S(p) = V(p)`, so `V(p+1) >= V(p)`.
//! As `V(p)` is the largest they are equal, and because `D(p+1)` is larger than `V(p)`, it is `S(p+1)` that
//! equals `S(p)`. So the excess `D(p+1) - S(p+1)` is positive and at most `D(p) - S(p)`. If it is smaller,
//! rule 2 would not have kept `p`. If it is equal, `p+1` is higher, has `D > S`, and rule 3 would have taken
//! it. Both contradict the choice of `p`.
//!
//! So bids better than `p` fill wholly; `S(p) - D(p+1)`, which is 0 or more, is left for the bids at `p`,
//! whose volume `D(p) - D(p+1)` is larger. That fraction is the [`Ration`], below one, and its denominator is
//! not zero. All asks up to `p` fill wholly, as `V(p) = S(p)`.
//!
//! **`D(p) < S(p)`: the better asks fit.** The mirror image, with `S(p-1) <= D(p)`: rule 3 came to `p`
//! because no tick that rule 2 kept has `D > S`, and took the lowest. If `S(p-1) > D(p)`, then in the same
//! way `V(p-1) = V(p)`, `D(p-1) = D(p)`, and `p-1` has a positive excess of supply that is not larger, so it
//! would have been taken.
//!
//! **`D(p) = S(p)`: nothing is rationed.** The ticks left by rule 2 all have `D = S = V`, and so has every
//! tick between two of them, because `D` never rises and `S` never falls. Therefore the middle of the lowest
//! and the highest is the middle of them all, and any of them would trade the same.
//!
//! In each case bids and asks fill to exactly `V(p)` before the shares are rounded to mWh.

use crate::{Book, MILLI_WH_PER_WH, MilliWh, Side, Step, Tick, Wh};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::cmp::{Ordering, Reverse};
use scale_info::TypeInfo;

/// How the orders at the price on the longer side share what the better ones leave.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Ration {
	/// The longer side.
	pub side: Side,
	/// Wh that are left for the orders at the price: numerator of their share. May be zero.
	pub filled: Wh,
	/// Wh of the orders at the price: denominator of their share. More than `filled`.
	pub offered: Wh,
	/// Number of the orders at the price.
	pub orders: u32,
}

impl Ration {
	/// The share of `wh` in mWh: `wh x 1000 x filled / offered`, for a bid rounded up, for an ask rounded
	/// down. Never more than `wh`, as the fraction is below one.
	fn share(&self, wh: Wh) -> MilliWh {
		let offered = MilliWh::from(self.offered);
		// Whole Wh first and then the rest, because the product of all three may exceed 128 bits. Two factors
		// of 64 bits fit; the rest is below 2^64.
		let product = MilliWh::from(wh).saturating_mul(self.filled.into());
		let (Some(whole), Some(rest)) = (product.checked_div(offered), product.checked_rem(offered)) else {
			return 0;
		};
		let rest = rest.saturating_mul(MILLI_WH_PER_WH);
		let rest = match self.side {
			Side::Bid => rest.div_ceil(offered),
			Side::Ask => rest / offered,
		};
		whole.saturating_mul(MILLI_WH_PER_WH).saturating_add(rest)
	}
}

/// The result of a slot: all that is needed to work out anybody's fill.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Clearing {
	/// The price.
	pub tick: Tick,
	/// Wh traded, before shares are rounded; more than zero. Wider than [`Wh`], because each of 256 ticks may
	/// hold 2^64 - 1.
	pub volume_wh: u128,
	/// How the longer side shares; `None` if both sides are equal and everything at the price fills.
	pub ration: Option<Ration>,
	/// Number of bids with a limit at the price or better.
	pub bids: u64,
	/// Number of asks with a limit at the price or better.
	pub asks: u64,
}

impl Clearing {
	/// What an order of the cleared book gets, in mWh. Better than the price: all. At the price: its share if
	/// its side is rationed, all otherwise. Worse: nothing.
	///
	/// Shares of bids are rounded up, shares of asks down, so bids get together at least what asks give, and
	/// the difference is less than one mWh for each rationed order.
	pub fn fill(&self, side: Side, order: &Step) -> MilliWh {
		let advantage = match side {
			Side::Bid => order.limit.cmp(&self.tick),
			Side::Ask => self.tick.cmp(&order.limit),
		};
		match (advantage, &self.ration) {
			(Ordering::Less, _) => 0,
			(Ordering::Equal, Some(ration)) if ration.side == side => ration.share(order.wh),
			// Cannot saturate: 2^64 x 1000 is far below 2^128.
			_ => MilliWh::from(order.wh).saturating_mul(MILLI_WH_PER_WH),
		}
	}
}

/// A tick at which something can trade.
#[derive(Clone, Copy)]
struct Level {
	tick: Tick,
	demand: u128,
	supply: u128,
}

impl Level {
	/// Larger is better: rules 1 and 2.
	fn rank(&self) -> (u128, Reverse<u128>) {
		(
			self.demand.min(self.supply),
			Reverse(self.demand.abs_diff(self.supply)),
		)
	}
}

/// Clears a book by the [price rule](crate#the-price). `None` if nothing trades. Walks the ticks twice and
/// looks at nothing else, so the cost is the same for any number of orders.
pub fn clear(book: &Book) -> Option<Clearing> {
	let ticks = || (Tick::MIN..=Tick::MAX).zip(book.ticks(Side::Bid).zip(book.ticks(Side::Ask)));
	// Sums of 256 numbers of 64 bits stay below 2^72, so none of them saturates.
	let mut demand = book
		.ticks(Side::Bid)
		.fold(0u128, |sum, bid| sum.saturating_add(bid.wh.into()));
	let mut supply = 0u128;
	// The lowest and the highest of the best ticks so far, less those that rule 3 has ruled out.
	let mut best: Option<(Level, Level)> = None;
	for (tick, (bid, ask)) in ticks() {
		supply = supply.saturating_add(ask.wh.into());
		let level = Level { tick, demand, supply };
		demand = demand.saturating_sub(bid.wh.into());
		if level.demand.min(level.supply) == 0 {
			continue;
		}
		best = match best {
			Some((lowest, highest)) => match level.rank().cmp(&lowest.rank()) {
				Ordering::Less => Some((lowest, highest)),
				Ordering::Greater => Some((level, level)),
				Ordering::Equal => match level.demand.cmp(&level.supply) {
					// The highest tick with too much demand.
					Ordering::Greater => Some((level, level)),
					Ordering::Equal => Some((lowest, level)),
					// The lowest tick with too much supply, unless one with too much demand came before.
					Ordering::Less => Some((lowest, highest)),
				},
			},
			None => Some((level, level)),
		};
	}
	let (lowest, highest) = best?;
	let price = lowest.tick.midpoint(highest.tick);

	let (mut bids, mut asks, mut at_price) = (0u64, 0u64, None);
	for (tick, (bid, ask)) in ticks() {
		// Sums of 256 numbers of 32 bits.
		if tick >= price {
			bids = bids.saturating_add(bid.orders.into());
		}
		if tick <= price {
			asks = asks.saturating_add(ask.orders.into());
		}
		if tick == price {
			at_price = Some((bid, ask));
		}
	}
	let longer = match lowest.demand.cmp(&lowest.supply) {
		Ordering::Greater => at_price.map(|(bid, _)| (Side::Bid, bid)),
		Ordering::Equal => None,
		Ordering::Less => at_price.map(|(_, ask)| (Side::Ask, ask)),
	};
	// The excess is at most the volume at the price (see above), so it fits 64 bits.
	let excess = Wh::try_from(lowest.demand.abs_diff(lowest.supply)).unwrap_or(Wh::MAX);
	Some(Clearing {
		tick: price,
		volume_wh: lowest.demand.min(lowest.supply),
		ration: longer.map(|(side, volume)| Ration {
			side,
			filled: volume.wh.saturating_sub(excess),
			offered: volume.wh,
			orders: volume.orders,
		}),
		bids,
		asks,
	})
}
