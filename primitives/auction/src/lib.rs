//! The call auction by which a neighbourhood trades the energy of one delivery slot at one price.
//!
//! Pure functions on whole numbers, for the pallet, the clients and anybody who wants to check a bill. No
//! function here panics, whatever its input.
//!
//! # How a slot is traded
//! 1. A market has a grid of at most 256 prices, the ticks, strictly inside the utility's tariffs
//!    ([`Pricing`]): at any of them both sides do better than with the utility.
//! 2. A member leaves a [`StandingOrder`]: per side up to four [`Step`]s of a limit tick and the Wh a slot it
//!    is good for.
//! 3. The meter says what the member took and gave. The metered Wh fill the steps from the best limit on
//!    ([`spread`]); a bid counts as far as the member's credit covers it ([`Pricing::cover`]).
//! 4. What counts is added to the volumes of its ticks ([`Book`]).
//! 5. [`clear`] finds the price from the volumes alone, so its cost does not depend on how many members
//!    report.
//! 6. [`Clearing::fill`] says what each step gets and [`settle`] what that costs. Both look at one member
//!    only: members may be settled by anybody, in any order.
//!
//! # The price
//! For a tick `t` let `D(t)` be the volume of bids with a limit of at least `t`, `S(t)` the volume of asks
//! with a limit of at most `t`, and `V(t)` the smaller of the two: what can trade at `t`.
//! 1. Take the ticks with the largest `V`. If it is 0, nothing trades.
//! 2. Of those, take the ticks with the smallest difference between `D` and `S`.
//! 3. If `D = S` there, the price is the middle one of them, rounded down. Otherwise it is the highest of
//!    them with `D > S`; if there is none, the lowest of them.
//!
//! Everybody trades at this price. Orders better than it fill wholly. Orders at it share what is left in
//! proportion to their volume if they are on the longer side, and fill wholly otherwise. Orders worse than it
//! do not trade. [`clearing`] proves that this adds up to exactly `V` on both sides.
//!
//! # Units and rounding
//! | quantity | unit | type |
//! |---|---|---|
//! | metered and ordered energy | Wh | [`Wh`], 64 bits |
//! | traded energy | mWh, the thousandth part of a Wh | [`MilliWh`], 128 bits |
//! | prices, grid fee | token units per kWh, multiples of 1,000,000 | [`PricePerKwh`], 128 bits |
//! | money | token units | [`Money`], 128 bits |
//!
//! A kWh is 1,000,000 mWh, so a price is a whole number of units per mWh and money is exact. Four places
//! round:
//!
//! | where | direction | why |
//! |---|---|---|
//! | share of a bid at the price | up, to a mWh | buyers get no less than sellers give |
//! | share of an ask at the price | down, to a mWh | as above |
//! | Wh of a bid that credit covers | down, to a Wh | what is set aside never exceeds the credit |
//! | middle of several ticks | down, to a tick | as good as any: all of them trade the same |
//!
//! [`settlement`] proves that the pot is never short.
//!
//! # Example
//! Prices in hundredths of a token ("cents"). The utility sells at 30 and buys at 8. The grid runs from 10 to
//! 25 in steps of 1, the grid fee is 4. Anna buys up to 1000 Wh at no more than 20; Ben 500 Wh and Cleo 400
//! Wh at no more than 15. Dora sells 1200 Wh for at least 12, Emil 600 Wh for at least 18.
//!
//! | price | `D` | `S` | `V` | `D - S` |
//! |---|---|---|---|---|
//! | 12 to 15 | 1900 | 1200 | **1200** | 700 |
//! | 16 to 17 | 1000 | 1200 | 1000 | -200 |
//! | 18 to 20 | 1000 | 1800 | 1000 | -800 |
//!
//! Most trades at 12 to 15, always with 700 Wh too much demand, so the price is the highest of them, 15. Dora
//! sells all. Anna's limit is better than 15: she gets all. 200 Wh are left for the 900 Wh of Ben and Cleo.
//! Emil asks more than 15 and sells to the utility.
//!
//! ```
//! use m2m_auction::{Book, Pricing, Side, Step, TickGrid, clear, settle};
//!
//! let cent = 10_000_000_000; // a token has 12 decimals
//! let grid = TickGrid { bottom: 10 * cent, tick_size: cent, ticks: 16 };
//! let pricing = Pricing { retail: 30 * cent, feed_in: 8 * cent, margin: cent, grid_fee: 4 * cent, grid };
//! assert_eq!(pricing.check(), Ok(()));
//!
//! let bid = |cents, wh| Step { limit: grid.bid_tick(cents * cent).unwrap(), wh };
//! let ask = |cents, wh| Step { limit: grid.ask_tick(cents * cent).unwrap(), wh };
//! let (anna, ben, cleo) = (bid(20, 1000), bid(15, 500), bid(15, 400));
//! let (dora, emil) = (ask(12, 1200), ask(18, 600));
//!
//! let mut book = Book::default();
//! for step in [anna, ben, cleo] {
//!     book.add(Side::Bid, &step).unwrap();
//! }
//! for step in [dora, emil] {
//!     book.add(Side::Ask, &step).unwrap();
//! }
//!
//! let clearing = clear(&book).unwrap();
//! assert_eq!(grid.price(clearing.tick), 15 * cent);
//! assert_eq!(clearing.volume_wh, 1200);
//! let ration = clearing.ration.unwrap();
//! assert_eq!((ration.side, ration.filled, ration.offered), (Side::Bid, 200, 900));
//!
//! // 500 x 200 / 900 = 111.111... and 400 x 200 / 900 = 88.888... Wh, rounded up to the mWh.
//! assert_eq!(clearing.fill(Side::Bid, &ben), 111_112);
//! assert_eq!(clearing.fill(Side::Bid, &cleo), 88_889);
//! assert_eq!(clearing.fill(Side::Ask, &emil), 0);
//!
//! // Anna set aside (20 + 4) cents for her kWh, pays 15 + 4 and gets 5 back.
//! let bill = settle(&pricing, Some(&clearing), &[anna], &[]);
//! assert_eq!((bill.bought, bill.paid, bill.returned), (1_000_000, 19 * cent, 5 * cent));
//!
//! // Dora earns 15 cents for each of her 1.2 kWh.
//! let bill = settle(&pricing, Some(&clearing), &[], &[dora]);
//! assert_eq!((bill.sold, bill.earned), (1_200_000, 18 * cent));
//!
//! // The reserve keeps 4 cents a kWh on 1.200001 kWh, and 15 a kWh for the mWh that came of rounding.
//! let paid = |bid| settle(&pricing, Some(&clearing), &[bid], &[]).paid;
//! let paid = paid(anna) + paid(ben) + paid(cleo);
//! assert_eq!(paid - bill.earned, 40_000 * 1_200_001 + 150_000);
//! ```

#![cfg_attr(not(feature = "std"), no_std)]

pub mod book;
pub mod clearing;
pub mod market;
pub mod order;
pub mod price_order;
pub mod pricing;
pub mod settlement;
pub mod slot;

pub use book::{Book, PAGE_TICKS, PAGES, TickPage, TickVolume, VolumeFault};
pub use clearing::{Clearing, Ration, clear};
pub use market::{Capacity, IgnoredReason, Parameters, Window};
pub use order::{Covered, MAX_STEPS, OrderFault, Side, StandingOrder, Step, Steps, spread};
pub use price_order::{PriceOrder, PriceStep, PriceSteps};
pub use pricing::{MAX_PRICE, MAX_TICKS, Pricing, PricingFault, TickGrid};
pub use settlement::{Settlement, cost, settle};
pub use slot::{Slot, SlotLength};

/// Energy in watt-hours, as meters report and orders name it.
pub type Wh = u64;

/// Energy in thousandths of a watt-hour, as it is traded. The whole range of [`Wh`] fits.
pub type MilliWh = u128;

/// A price in the smallest token unit per kWh. Prices of a market are multiples of [`MILLI_WH_PER_KWH`].
pub type PricePerKwh = u128;

/// An amount in the smallest token unit.
pub type Money = u128;

/// Number of a price on the grid of a market, from 0 for the lowest.
pub type Tick = u8;

/// Thousandths of a watt-hour in a watt-hour.
pub const MILLI_WH_PER_WH: MilliWh = 1_000;

/// Thousandths of a watt-hour in a kilowatt-hour; also what every price must be a multiple of, so that each
/// mWh costs a whole number of token units.
pub const MILLI_WH_PER_KWH: MilliWh = 1_000_000;
