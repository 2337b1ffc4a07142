//! The prices of a market: the utility's tariffs, the grid between them, and the grid fee.
//!
//! # Every trade beats the utility
//! A buyer pays the price plus the grid fee, at most `top + grid_fee <= retail - margin` per kWh. A seller
//! gets at least `bottom >= feed_in + margin`. Both hold for every tick of a grid that passed
//! [`Pricing::check`], and for every mWh traded, so rounding a fill to a mWh changes nothing about it.

use crate::{Covered, MILLI_WH_PER_KWH, MILLI_WH_PER_WH, Money, PricePerKwh, Steps, Tick, Wh, cost};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The most ticks a grid can have: a [`Tick`] is one byte.
pub const MAX_TICKS: u16 = 256;

/// The highest retail price, units per kWh. At this price a Wh costs 2^64 - 1 units, so the cost of any
/// number of Wh fits [`Money`].
pub const MAX_PRICE: PricePerKwh = u64::MAX as u128 * 1_000;

/// Evenly spaced prices: `bottom`, `bottom + tick_size`, ...
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct TickGrid {
	/// Price of tick 0, units per kWh.
	pub bottom: PricePerKwh,
	/// Difference of two neighbouring prices, units per kWh; more than zero.
	pub tick_size: PricePerKwh,
	/// Number of prices, 1 to [`MAX_TICKS`].
	pub ticks: u16,
}

impl TickGrid {
	/// True if the grid has this tick.
	pub fn contains(&self, tick: Tick) -> bool {
		u16::from(tick) < self.ticks
	}

	/// Price of a tick, units per kWh. A grid that passed [`Pricing::check`] never saturates at its own
	/// ticks.
	pub fn price(&self, tick: Tick) -> PricePerKwh {
		self.bottom
			.saturating_add(self.tick_size.saturating_mul(tick.into()))
	}

	/// The limit of a bid of at most `price` per kWh: the highest tick that costs no more. `None` if all cost
	/// more.
	pub fn bid_tick(&self, price: PricePerKwh) -> Option<Tick> {
		let steps = price.checked_sub(self.bottom)?.checked_div(self.tick_size)?;
		let top = self.ticks.checked_sub(1)?;
		Tick::try_from(steps.min(top.into())).ok()
	}

	/// The limit of an ask of at least `price` per kWh: the lowest tick that pays as much. `None` if all pay
	/// less.
	pub fn ask_tick(&self, price: PricePerKwh) -> Option<Tick> {
		if self.tick_size == 0 {
			return None;
		}
		let steps = price.saturating_sub(self.bottom).div_ceil(self.tick_size);
		Tick::try_from(steps).ok().filter(|tick| self.contains(*tick))
	}
}

/// All prices of one version of a market's parameters, in units per kWh. Valid once [`Self::check`] says so.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Pricing {
	/// What the utility charges.
	pub retail: PricePerKwh,
	/// What the utility pays.
	pub feed_in: PricePerKwh,
	/// What both sides of a trade gain over the utility at least; more than zero.
	pub margin: PricePerKwh,
	/// What a buyer pays on top of the price, for the use of the grid. May be zero.
	pub grid_fee: PricePerKwh,
	/// The prices an auction can find.
	pub grid: TickGrid,
}

/// The first rule of [`Pricing::check`] that is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum PricingFault {
	/// The retail price is above [`MAX_PRICE`].
	#[codec(index = 0)]
	RetailTooHigh,
	/// A price, the margin or the fee is no multiple of [`MILLI_WH_PER_KWH`].
	#[codec(index = 1)]
	NotExact,
	/// The margin is zero.
	#[codec(index = 2)]
	NoMargin,
	/// The tick size is zero.
	#[codec(index = 3)]
	NoTickSize,
	/// The number of ticks is zero or above [`MAX_TICKS`].
	#[codec(index = 4)]
	TickCount,
	/// The lowest price pays a seller less than feed-in tariff and margin.
	#[codec(index = 5)]
	BottomTooLow,
	/// The highest price and the grid fee charge a buyer more than the retail tariff less the margin.
	#[codec(index = 6)]
	TopTooHigh,
}

impl Pricing {
	/// Checks everything that the auction relies on.
	///
	/// # Errors
	/// The first rule broken, in the order of [`PricingFault`].
	pub fn check(&self) -> Result<(), PricingFault> {
		let TickGrid {
			bottom,
			tick_size,
			ticks,
		} = self.grid;
		let ensure = |rule: bool, fault| if rule { Ok(()) } else { Err(fault) };
		ensure(self.retail <= MAX_PRICE, PricingFault::RetailTooHigh)?;
		let all = [
			self.retail,
			self.feed_in,
			self.margin,
			self.grid_fee,
			bottom,
			tick_size,
		];
		ensure(
			all.iter().all(|price| price % MILLI_WH_PER_KWH == 0),
			PricingFault::NotExact,
		)?;
		ensure(self.margin > 0, PricingFault::NoMargin)?;
		ensure(tick_size > 0, PricingFault::NoTickSize)?;
		ensure((1..=MAX_TICKS).contains(&ticks), PricingFault::TickCount)?;
		// A sum that overflows is above every tariff.
		let lowest = self.feed_in.checked_add(self.margin);
		ensure(
			lowest.is_some_and(|lowest| bottom >= lowest),
			PricingFault::BottomTooLow,
		)?;
		let highest = tick_size
			.checked_mul(u128::from(ticks).saturating_sub(1))
			.and_then(|span| bottom.checked_add(span))
			.and_then(|top| top.checked_add(self.grid_fee))
			.and_then(|charge| charge.checked_add(self.margin));
		ensure(
			highest.is_some_and(|highest| highest <= self.retail),
			PricingFault::TopTooHigh,
		)
	}

	/// What a buyer pays at a tick, price and grid fee, in units per kWh.
	pub fn charge(&self, tick: Tick) -> PricePerKwh {
		self.grid.price(tick).saturating_add(self.grid_fee)
	}

	/// Cuts `bids` to what `credit` covers and says what to set aside for them: `(limit + grid fee) x Wh`,
	/// the most they can cost.
	///
	/// Bids are covered in their order, best limit first. A bid that the credit does not cover wholly counts
	/// with the Wh that it does, rounded down; what was cut is not offered at a lower limit, but what is left
	/// of the credit covers the next bid as far as it goes. Bids cut to nothing are left out.
	pub fn cover(&self, mut bids: Steps, credit: Money) -> Covered {
		let mut left = credit;
		for bid in bids.iter_mut() {
			let per_wh = cost(self.charge(bid.limit), MILLI_WH_PER_WH);
			// Only a market without prices has Wh that cost nothing. They need no cover.
			let affordable = left.checked_div(per_wh).unwrap_or(Money::MAX);
			bid.wh = bid.wh.min(Wh::try_from(affordable).unwrap_or(Wh::MAX));
			// At most what is left, because the Wh were rounded down.
			left = left.saturating_sub(per_wh.saturating_mul(bid.wh.into()));
		}
		bids.retain(|bid| bid.wh > 0);
		Covered {
			bids,
			set_aside: credit.saturating_sub(left),
		}
	}
}
