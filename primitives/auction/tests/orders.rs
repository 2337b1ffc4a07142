//! Standing orders: what is accepted, how the meter fills them, how far a credit covers them.

use m2m_auction::{Covered, Money, OrderFault, Pricing, StandingOrder, Step, Steps, TickGrid, spread};
use proptest::prelude::*;

/// Units per kWh of a hundredth of a token of 12 decimals.
const CENT: u128 = 10_000_000_000;

const PRICING: Pricing = Pricing {
	retail: 30 * CENT,
	feed_in: 8 * CENT,
	margin: CENT,
	grid_fee: 4 * CENT,
	grid: TickGrid {
		bottom: 10 * CENT,
		tick_size: CENT,
		ticks: 16,
	},
};

fn steps(steps: &[(u8, u64)]) -> Steps {
	let steps = steps.iter().map(|(limit, wh)| Step {
		limit: *limit,
		wh: *wh,
	});
	steps.collect::<Vec<_>>().try_into().unwrap()
}

fn check(bids: &[(u8, u64)], asks: &[(u8, u64)]) -> Result<(), OrderFault> {
	let order = StandingOrder {
		bids: steps(bids),
		asks: steps(asks),
	};
	order.check(&PRICING.grid)
}

#[test]
fn orders_on_the_grid_with_the_best_limit_first_are_accepted() {
	assert_eq!(check(&[], &[]), Ok(()));
	assert_eq!(check(&[(15, 1)], &[(0, u64::MAX)]), Ok(()));
	assert_eq!(
		check(
			&[(15, 5), (14, 6), (3, 7), (0, 8)],
			&[(0, 1), (4, 1), (5, 1), (15, 1)]
		),
		Ok(())
	);
}

#[test]
fn a_member_may_buy_above_the_price_at_which_it_sells() {
	assert_eq!(check(&[(9, 100)], &[(5, 100)]), Ok(()));
}

#[test]
fn a_step_of_nothing_is_refused() {
	assert_eq!(check(&[(9, 100), (8, 0)], &[]), Err(OrderFault::EmptyStep));
	assert_eq!(check(&[], &[(8, 0)]), Err(OrderFault::EmptyStep));
}

#[test]
fn a_limit_outside_the_grid_is_refused() {
	assert_eq!(check(&[(16, 1)], &[]), Err(OrderFault::OffGrid));
	assert_eq!(check(&[], &[(2, 1), (255, 1)]), Err(OrderFault::OffGrid));
}

#[test]
fn steps_in_the_wrong_order_or_at_the_same_limit_are_refused() {
	assert_eq!(check(&[(8, 1), (9, 1)], &[]), Err(OrderFault::StepsOutOfOrder));
	assert_eq!(check(&[(8, 1), (8, 1)], &[]), Err(OrderFault::StepsOutOfOrder));
	assert_eq!(check(&[], &[(9, 1), (8, 1)]), Err(OrderFault::StepsOutOfOrder));
	assert_eq!(check(&[], &[(8, 1), (8, 1)]), Err(OrderFault::StepsOutOfOrder));
}

#[test]
fn a_fifth_step_does_not_fit() {
	assert!(Steps::try_from(vec![Step { limit: 0, wh: 1 }; 5]).is_err());
}

#[test]
fn the_meter_fills_the_best_limit_first() {
	let order = steps(&[(15, 300), (12, 200), (3, u64::MAX)]);
	assert_eq!(spread(&order, 0), steps(&[]));
	assert_eq!(spread(&order, 299), steps(&[(15, 299)]));
	assert_eq!(spread(&order, 300), steps(&[(15, 300)]));
	assert_eq!(spread(&order, 450), steps(&[(15, 300), (12, 150)]));
	assert_eq!(
		spread(&order, u64::MAX),
		steps(&[(15, 300), (12, 200), (3, u64::MAX - 500)])
	);
}

#[test]
fn what_exceeds_all_steps_is_not_traded() {
	assert_eq!(spread(&steps(&[(4, 10), (3, 5)]), 16), steps(&[(4, 10), (3, 5)]));
}

/// Units that a Wh costs at tick 10, 0.20 a kWh, and at tick 5, both with the grid fee of 0.04.
const AT_10: Money = 240_000_000;
const AT_5: Money = 190_000_000;

#[test]
fn a_sufficient_credit_covers_all_at_limit_and_grid_fee() {
	let bids = steps(&[(10, 1_000), (5, 500)]);
	let set_aside = 1_000 * AT_10 + 500 * AT_5;
	for credit in [set_aside, set_aside + 1, u128::MAX] {
		assert_eq!(
			PRICING.cover(bids.clone(), credit),
			Covered {
				bids: bids.clone(),
				set_aside
			}
		);
	}
}

#[test]
fn a_credit_that_runs_out_covers_whole_watt_hours_only() {
	let bids = steps(&[(10, 1_000), (5, 500)]);
	let just_short = 1_000 * AT_10 + 500 * AT_5 - 1;
	let expected = Covered {
		bids: steps(&[(10, 1_000), (5, 499)]),
		set_aside: 1_000 * AT_10 + 499 * AT_5,
	};
	assert_eq!(PRICING.cover(bids, just_short), expected);
}

#[test]
fn what_is_left_of_a_credit_covers_the_next_bid_as_far_as_it_goes() {
	// 2 Wh at the first limit leave less than a Wh there, but one at the second.
	let expected = Covered {
		bids: steps(&[(10, 2), (5, 1)]),
		set_aside: 2 * AT_10 + AT_5,
	};
	assert_eq!(
		PRICING.cover(steps(&[(10, 9), (5, 9)]), 2 * AT_10 + AT_5 + 1),
		expected
	);
}

#[test]
fn no_credit_covers_nothing() {
	for credit in [0, AT_5 - 1] {
		let nothing = Covered {
			bids: steps(&[]),
			set_aside: 0,
		};
		assert_eq!(PRICING.cover(steps(&[(10, 9), (5, 9)]), credit), nothing);
	}
}

#[test]
fn the_largest_bids_are_covered_exactly() {
	let set_aside = u128::from(u64::MAX) * AT_10;
	let bids = steps(&[(10, u64::MAX)]);
	assert_eq!(
		PRICING.cover(bids.clone(), set_aside),
		Covered {
			bids: bids.clone(),
			set_aside
		}
	);
	let less = Covered {
		bids: steps(&[(10, u64::MAX - 1)]),
		set_aside: set_aside - AT_10,
	};
	assert_eq!(PRICING.cover(bids, set_aside - 1), less);
}

#[test]
fn a_market_without_prices_covers_for_nothing_and_does_not_panic() {
	let grid = TickGrid {
		bottom: 0,
		tick_size: 0,
		ticks: 0,
	};
	let free = Pricing {
		retail: 0,
		feed_in: 0,
		margin: 0,
		grid_fee: 0,
		grid,
	};
	let bids = steps(&[(255, u64::MAX)]);
	assert_eq!(free.cover(bids.clone(), 0), Covered { bids, set_aside: 0 });
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(10_000))]

	#[test]
	fn the_meter_is_spread_without_gap_or_surplus(
		wanted in prop::collection::vec(prop_oneof![1u64..50, 1u64..], 0..=4),
		metered in prop_oneof![0u64..200, any::<u64>()],
	) {
		let order: Vec<(u8, u64)> = wanted.iter().enumerate().map(|(at, wh)| (15 - at as u8, *wh)).collect();
		let filled = spread(&steps(&order), metered);
		let total: u128 = filled.iter().map(|step| u128::from(step.wh)).sum();
		let most: u128 = wanted.iter().map(|wh| u128::from(*wh)).sum();
		prop_assert_eq!(total, most.min(metered.into()));
		for (at, step) in filled.iter().enumerate() {
			prop_assert_eq!(step.limit, order[at].0);
			// Only the last one may be filled in part.
			prop_assert!(step.wh == order[at].1 || (step.wh < order[at].1 && at + 1 == filled.len()));
		}
	}

	#[test]
	fn a_credit_covers_as_much_as_it_can_and_never_more(
		wanted in prop::collection::vec(prop_oneof![1u64..50, 1u64..], 0..=4),
		credit in prop_oneof![0u128..40_000_000_000, any::<u128>()],
	) {
		let bids: Vec<(u8, u64)> = [15, 12, 9, 6].into_iter().zip(wanted).collect();
		let covered = PRICING.cover(steps(&bids), credit);
		prop_assert!(covered.set_aside <= credit);
		let per_wh = |limit: u8| (14 + u128::from(limit)) * CENT / 1_000;
		let cost: u128 = covered.bids.iter().map(|bid| per_wh(bid.limit) * u128::from(bid.wh)).sum();
		prop_assert_eq!(cost, covered.set_aside);
		// Where a bid was cut, what better bids left did not cover one Wh more.
		let mut left = credit;
		for (limit, wanted) in bids {
			let got = covered.bids.iter().find(|bid| bid.limit == limit).map_or(0, |bid| bid.wh);
			prop_assert!(got <= wanted);
			left -= per_wh(limit) * u128::from(got);
			prop_assert!(got == wanted || left < per_wh(limit));
		}
	}
}
