//! Standing orders in prices.

use m2m_auction::{OrderFault, PriceOrder, PriceStep, PriceSteps, Step, TickGrid};

const CENT: u128 = 10_000_000_000;
const GRID: TickGrid = TickGrid {
	bottom: 10 * CENT,
	tick_size: CENT,
	ticks: 16,
};

fn steps(list: &[(u128, u32)]) -> PriceSteps {
	list.iter()
		.map(|(limit, wh)| PriceStep {
			limit: *limit,
			wh: *wh,
		})
		.collect::<Vec<_>>()
		.try_into()
		.unwrap()
}

fn order(bids: &[(u128, u32)], asks: &[(u128, u32)]) -> PriceOrder {
	PriceOrder {
		bids: steps(bids),
		asks: steps(asks),
	}
}

#[test]
fn limits_between_ticks_never_trade_beyond_themselves() {
	let placed = order(
		&[(20 * CENT + 1, 500), (15 * CENT - 1, 300)],
		&[(12 * CENT + 1, 400)],
	)
	.on(&GRID);
	assert_eq!(
		placed.bids.into_inner(),
		[Step { limit: 10, wh: 500 }, Step { limit: 4, wh: 300 }]
	);
	assert_eq!(placed.asks.into_inner(), [Step { limit: 3, wh: 400 }]);
}

#[test]
fn limits_off_the_grid_do_not_trade_or_trade_at_its_end() {
	let placed = order(&[(90 * CENT, 1), (9 * CENT, 2)], &[(0, 3), (26 * CENT, 4)]).on(&GRID);
	assert_eq!(placed.bids.into_inner(), [Step { limit: 15, wh: 1 }]);
	assert_eq!(placed.asks.into_inner(), [Step { limit: 0, wh: 3 }]);
}

#[test]
fn an_order_follows_the_grid() {
	let finer = TickGrid {
		tick_size: CENT / 2,
		..GRID
	};
	let order = order(&[(14 * CENT, 1)], &[]);
	assert_eq!(order.on(&GRID).bids[0].limit, 4);
	assert_eq!(order.on(&finer).bids[0].limit, 8);
}

#[test]
fn only_well_formed_orders_pass() {
	assert_eq!(PriceOrder::default().check(), Ok(()));
	assert_eq!(order(&[(2, 1), (1, 1)], &[(1, 1), (2, 1)]).check(), Ok(()));
	assert_eq!(order(&[(1, 0)], &[]).check(), Err(OrderFault::EmptyStep));
	assert_eq!(order(&[], &[(1, 0)]).check(), Err(OrderFault::EmptyStep));
	assert_eq!(
		order(&[(1, 1), (1, 1)], &[]).check(),
		Err(OrderFault::StepsOutOfOrder)
	);
	assert_eq!(
		order(&[(1, 1), (2, 1)], &[]).check(),
		Err(OrderFault::StepsOutOfOrder)
	);
	assert_eq!(
		order(&[], &[(2, 1), (1, 1)]).check(),
		Err(OrderFault::StepsOutOfOrder)
	);
	assert_eq!(
		order(&[], &[(2, 1), (2, 1)]).check(),
		Err(OrderFault::StepsOutOfOrder)
	);
}
