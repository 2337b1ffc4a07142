//! Until when a slot can be reported, also when the chain stood still.

use crate::{Error, IgnoredReason, mock::*};
use frame_support::assert_ok;

#[test]
fn a_slot_is_open_for_its_window_and_over_for_ever_then() {
	trade(|| {
		let home = seller(1, &[(12, 500)]);
		run_to_end(FIRST);
		home.give(FIRST, 500);
		let over = end(FIRST) + u64::from(WINDOW.ms);
		run_to(over - 1);
		assert_eq!(clear(FIRST), Err(refusal(Error::WindowOpen)));
		assert_eq!(settle(FIRST, &[&home]), Err(refusal(Error::WindowOpen)));
		block_after(1);
		for _ in 0..200 {
			assert!(EnergyTrading::open_slots(MARKET, 1) == [(FIRST, true)]);
			block_after(BLOCK);
		}
		assert_ok!(clear(FIRST));
	});
}

#[test]
fn a_chain_that_halted_over_the_window_takes_reports_for_some_blocks() {
	trade(|| {
		let (early, late, buyer) = (
			seller(1, &[(12, 500)]),
			seller(2, &[(12, 500)]),
			buyer(3, &[(20, 1_000)]),
		);
		run_to(end(FIRST) - MINUTE);
		// Nothing for two hours.
		block_after(2 * 60 * MINUTE);
		events();
		early.give(FIRST, 500);
		assert_eq!(clear(FIRST), Err(refusal(Error::WindowOpen)));
		// The block that saw the end of the slot first lies so many blocks back only at the end of this.
		for _ in 0..WINDOW.blocks - 1 {
			block_after(BLOCK);
			assert_eq!(clear(FIRST), Err(refusal(Error::WindowOpen)));
		}
		buyer.take(FIRST, 1_000);
		late.give(FIRST, 500);
		assert_eq!(ignored(), []);
		block_after(BLOCK);
		let missed = seller(4, &[(12, 500)]);
		missed.give(FIRST, 500);
		assert_eq!(ignored(), [IgnoredReason::WindowOver]);
		assert_ok!(settle(FIRST, &[&early, &late, &buyer]));
		assert_eq!(bills().iter().map(|bill| bill.1).sum::<u128>(), 1_000_000);
	});
}

#[test]
fn every_slot_of_a_halt_is_reported_after_it() {
	trade(|| {
		let seller = seller(1, &[(12, 500)]);
		let buyer = buyer(2, &[(20, 1_000)]);
		run_to(FIRST * QUARTER + MINUTE);
		block_after(6 * QUARTER);
		for slot in FIRST..FIRST + 6 {
			seller.give(slot, 500);
			buyer.take(slot, 500);
		}
		for _ in 0..WINDOW.blocks {
			block_after(BLOCK);
		}
		// The last one has ended a minute before the chain went on: its window has its ten minutes.
		assert_eq!(settle(FIRST + 5, &[]), Err(refusal(Error::WindowOpen)));
		run_past_window(FIRST + 5);
		for slot in FIRST..FIRST + 6 {
			assert_ok!(settle(slot, &[&seller, &buyer]));
		}
		assert_eq!(bills().len(), 12);
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn two_halts_in_a_row_punish_nobody() {
	trade(|| {
		let home = seller(1, &[(12, 500)]);
		run_to(end(FIRST) - MINUTE);
		block_after(60 * MINUTE);
		block_after(BLOCK);
		block_after(60 * MINUTE);
		events();
		// Two hours late, but only three blocks.
		home.give(FIRST, 500);
		assert_eq!(ignored(), []);
		assert_eq!(clear(FIRST), Err(refusal(Error::WindowOpen)));
	});
}

#[test]
fn a_young_chain_does_not_know_enough_blocks_to_close_a_window() {
	trade(|| {
		let home = seller(1, &[(12, 500)]);
		block_after(2 * QUARTER + 11 * MINUTE);
		events();
		home.give(FIRST, 500);
		assert_eq!(ignored(), []);
		assert_eq!(clear(FIRST), Err(refusal(Error::WindowOpen)));
	});
}

#[test]
fn the_longest_memory_of_blocks_is_kept() {
	test(|| {
		let window = crate::Window {
			ms: 1,
			blocks: crate::MAX_WINDOW_BLOCKS,
		};
		open_market(
			crate::Parameters {
				window,
				..parameters()
			},
			None,
		);
		let home = seller(1, &[(12, 500)]);
		// More blocks than the ring has places.
		for _ in 0..300 {
			block_after(1);
		}
		run_to_end(FIRST);
		home.give(FIRST, 500);
		for _ in 0..crate::MAX_WINDOW_BLOCKS - 1 {
			block_after(SECOND);
			assert_eq!(clear(FIRST), Err(refusal(Error::WindowOpen)));
		}
		block_after(SECOND);
		assert_ok!(clear(FIRST));
	});
}
