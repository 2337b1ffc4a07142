//! Which prices a market may have, and where limits fall on its grid.

use m2m_auction::{MAX_PRICE, MILLI_WH_PER_KWH, Pricing, PricingFault, TickGrid};
use proptest::prelude::*;

const UNIT: u128 = MILLI_WH_PER_KWH;

/// The tightest prices for 16 ticks: bottom and top exactly one margin inside the tariffs.
const TIGHT: Pricing = Pricing {
	retail: 30 * UNIT,
	feed_in: 8 * UNIT,
	margin: 2 * UNIT,
	grid_fee: 3 * UNIT,
	grid: TickGrid {
		bottom: 10 * UNIT,
		tick_size: UNIT,
		ticks: 16,
	},
};

fn changed(change: fn(&mut Pricing)) -> Result<(), PricingFault> {
	let mut pricing = TIGHT;
	change(&mut pricing);
	pricing.check()
}

#[test]
fn prices_one_margin_inside_the_tariffs_are_accepted() {
	assert_eq!(TIGHT.check(), Ok(()));
	assert_eq!(TIGHT.grid.price(15) + TIGHT.grid_fee, TIGHT.retail - TIGHT.margin);
	assert_eq!(changed(|p| p.grid_fee = 0), Ok(()));
	assert_eq!(changed(|p| p.feed_in = 0), Ok(()));
	assert_eq!(changed(|p| p.grid.ticks = 1), Ok(()));
}

#[test]
fn a_grid_of_256_ticks_up_to_the_highest_price_is_accepted() {
	let highest = MAX_PRICE / UNIT * UNIT;
	let accepted = changed(|p| {
		p.retail = MAX_PRICE / UNIT * UNIT;
		p.grid.ticks = 256;
	});
	assert_eq!(accepted, Ok(()));
	let one_more = Pricing {
		retail: highest + UNIT,
		..TIGHT
	};
	assert_eq!(one_more.check(), Err(PricingFault::RetailTooHigh));
}

#[test]
fn a_price_that_is_not_whole_per_milliwatt_hour_is_refused() {
	let changes: [fn(&mut Pricing); 6] = [
		|p| p.retail += 1,
		|p| p.feed_in -= 1,
		|p| p.margin -= 1,
		|p| p.grid_fee -= 1,
		|p| p.grid.bottom += UNIT / 2,
		|p| p.grid.tick_size -= 1,
	];
	for change in changes {
		assert_eq!(changed(change), Err(PricingFault::NotExact));
	}
}

#[test]
fn a_market_without_a_margin_is_refused() {
	assert_eq!(changed(|p| p.margin = 0), Err(PricingFault::NoMargin));
}

#[test]
fn a_tick_size_of_zero_is_refused() {
	assert_eq!(changed(|p| p.grid.tick_size = 0), Err(PricingFault::NoTickSize));
}

#[test]
fn a_grid_without_ticks_or_with_more_than_256_is_refused() {
	assert_eq!(changed(|p| p.grid.ticks = 0), Err(PricingFault::TickCount));
	assert_eq!(changed(|p| p.grid.ticks = 257), Err(PricingFault::TickCount));
}

#[test]
fn a_bottom_that_pays_less_than_feed_in_and_margin_is_refused() {
	assert_eq!(
		changed(|p| p.grid.bottom -= UNIT),
		Err(PricingFault::BottomTooLow)
	);
	assert_eq!(changed(|p| p.feed_in += UNIT), Err(PricingFault::BottomTooLow));
	let largest = u128::MAX / UNIT * UNIT;
	let overflowing = Pricing {
		feed_in: largest,
		..TIGHT
	};
	assert_eq!(overflowing.check(), Err(PricingFault::BottomTooLow));
}

#[test]
fn a_top_that_charges_more_than_retail_less_margin_is_refused() {
	let changes: [fn(&mut Pricing); 7] = [
		|p| p.retail -= UNIT,
		|p| p.grid_fee += UNIT,
		|p| p.grid.ticks += 1,
		|p| p.grid.tick_size += UNIT,
		|p| p.grid.bottom += UNIT,
		// Sums and products beyond 128 bits are above every tariff.
		|p| p.grid.tick_size = u128::MAX / UNIT * UNIT,
		|p| p.grid_fee = u128::MAX / UNIT * UNIT,
	];
	for change in changes {
		assert_eq!(changed(change), Err(PricingFault::TopTooHigh));
	}
}

#[test]
fn a_limit_between_two_ticks_falls_on_the_one_that_keeps_it() {
	let grid = TIGHT.grid;
	assert_eq!(grid.bid_tick(10 * UNIT), Some(0));
	assert_eq!(grid.bid_tick(12 * UNIT - 1), Some(1));
	assert_eq!(grid.ask_tick(11 * UNIT + 1), Some(2));
	assert_eq!(grid.ask_tick(25 * UNIT), Some(15));
}

#[test]
fn limits_beyond_the_grid_take_its_end_or_do_not_trade() {
	let grid = TIGHT.grid;
	assert_eq!(grid.bid_tick(u128::MAX), Some(15));
	assert_eq!(grid.bid_tick(10 * UNIT - 1), None);
	assert_eq!(grid.ask_tick(0), Some(0));
	assert_eq!(grid.ask_tick(25 * UNIT + 1), None);
}

#[test]
fn a_broken_grid_has_no_ticks_and_does_not_panic() {
	let no_size = TickGrid {
		tick_size: 0,
		..TIGHT.grid
	};
	assert_eq!(
		(no_size.bid_tick(u128::MAX), no_size.ask_tick(u128::MAX)),
		(None, None)
	);
	let no_ticks = TickGrid {
		ticks: 0,
		..TIGHT.grid
	};
	assert_eq!((no_ticks.bid_tick(u128::MAX), no_ticks.ask_tick(0)), (None, None));
	assert!(!no_ticks.contains(0));
	let huge = TickGrid {
		bottom: u128::MAX,
		tick_size: u128::MAX,
		ticks: u16::MAX,
	};
	assert_eq!(huge.price(255), u128::MAX);
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(10_000))]

	#[test]
	fn limits_fall_on_the_nearest_tick_inside(
		bottom in 0u128..1_000, tick_size in 1u128..100, ticks in 1u16..=256, limit in 0u128..30_000,
	) {
		let grid = TickGrid { bottom, tick_size, ticks };
		let all = || (0..=255u8).filter(|tick| grid.contains(*tick));
		prop_assert_eq!(all().count(), usize::from(ticks));
		prop_assert_eq!(grid.bid_tick(limit), all().rfind(|tick| grid.price(*tick) <= limit));
		prop_assert_eq!(grid.ask_tick(limit), all().find(|tick| grid.price(*tick) >= limit));
	}

	#[test]
	fn accepted_prices_beat_the_utility_at_every_tick(
		retail in 0u128..60, feed_in in 0u128..20, margin in 0u128..4, grid_fee in 0u128..10,
		bottom in 0u128..30, tick_size in 0u128..4, ticks in 0u16..20,
	) {
		let grid = TickGrid { bottom: bottom * UNIT, tick_size: tick_size * UNIT, ticks };
		let pricing = Pricing {
			retail: retail * UNIT,
			feed_in: feed_in * UNIT,
			margin: margin * UNIT,
			grid_fee: grid_fee * UNIT,
			grid,
		};
		let sound = margin > 0 && tick_size > 0 && ticks > 0 && (0..ticks).all(|tick| {
			let price = grid.bottom + u128::from(tick) * grid.tick_size;
			price >= pricing.feed_in + pricing.margin
				&& price + pricing.grid_fee + pricing.margin <= pricing.retail
		});
		prop_assert_eq!(pricing.check().is_ok(), sound, "{:?}", pricing.check());
	}
}
