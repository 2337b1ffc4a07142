//! A slot from its first report to nothing.

use crate::{ClearedSlots, Event, Ledgers, mock::*};
use frame_support::assert_ok;

#[test]
fn a_neighbourhood_trades_a_slot() {
	trade(|| {
		// The example of the auction's documents.
		let anna = buyer(1, &[(20, 1_000)]);
		let ben = buyer(2, &[(15, 500)]);
		let cleo = buyer(3, &[(15, 400)]);
		let dora = seller(4, &[(12, 1_200)]);
		let emil = seller(5, &[(18, 600)]);
		let all = [&anna, &ben, &cleo, &dora, &emil];
		run_to_end(FIRST);
		for home in [&anna, &ben, &cleo] {
			home.report(FIRST, 5_000, 0);
		}
		for home in [&dora, &emil] {
			home.report(FIRST, 0, 5_000);
		}
		// Anna's bid: 1 kWh at 20 + 4 cents.
		assert_eq!(anna.credit(), 1_000 * CENT - 24 * CENT);
		run_past_window(FIRST);
		idle();
		let cleared = ClearedSlots::<Test>::get(MARKET, FIRST).expect("it was cleared");
		let clearing = cleared.clearing.expect("something trades");
		assert_eq!(cleared.pricing.grid.price(clearing.tick), 15 * CENT);
		assert_eq!(clearing.volume_wh, 1_200);
		events();
		assert_ok!(settle(FIRST, &all));
		let price = Some(15 * CENT);
		assert_eq!(
			bills(),
			[
				(anna.id.clone(), 1_000_000, 0, price),
				(ben.id.clone(), 111_112, 0, price),
				(cleo.id.clone(), 88_889, 0, price),
				(dora.id.clone(), 0, 1_200_000, price),
				(emil.id.clone(), 0, 0, price),
			]
		);
		assert_eq!(anna.credit(), 1_000 * CENT - 19 * CENT);
		assert_eq!(ben.credit(), 1_000 * CENT - 19 * CENT * 111_112 / 1_000_000);
		assert_eq!(dora.credit(), 18 * CENT);
		assert_eq!(emil.credit(), 0);
		// Grid fees on 1.200001 kWh, and 15 cents a kWh for the mWh that came of rounding.
		assert_eq!(reserve(), 40_000 * 1_200_001 + 150_000);
		assert_eq!(Ledgers::<Test>::get(MARKET).last, Some((FIRST, 15 * CENT)));
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn each_step_of_a_slot_is_told() {
	trade(|| {
		let buyer = buyer(1, &[(20, 1_000)]);
		let seller = seller(2, &[(12, 600)]);
		run_to_end(FIRST);
		events();
		buyer.take(FIRST, 2_000);
		seller.give(FIRST, 500);
		run_past_window(FIRST);
		assert_ok!(clear(FIRST));
		assert_ok!(settle(FIRST, &[&seller, &buyer]));
		let (market, slot) = (MARKET, FIRST);
		let reported = |home: &Home, side, metered, offered| Event::Reported {
			market,
			slot,
			device: home.id.clone(),
			side,
			metered,
			offered,
		};
		let settled = |home: &Home, bought, sold| Event::Settled {
			market,
			slot,
			device: home.id.clone(),
			bought,
			sold,
			price: Some(20 * CENT),
			grid_fee: 4 * CENT,
		};
		assert_eq!(
			events(),
			[
				reported(&buyer, m2m_auction::Side::Bid, 2_000, 1_000),
				reported(&seller, m2m_auction::Side::Ask, 500, 500),
				Event::SlotCleared {
					market,
					slot,
					price: Some(20 * CENT),
					volume_wh: 500,
					orders: 2
				},
				settled(&seller, 0, 500_000),
				settled(&buyer, 500_000, 0),
				Event::SlotSettled {
					market,
					slot,
					reserved: 2 * CENT
				},
			]
		);
	});
}
