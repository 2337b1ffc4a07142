//! Settling entries.

use crate::{ClearedSlots, Entries, Error, Event, Ledgers, WeightInfo, mock::*};
use frame_support::{BoundedVec, assert_ok};
use m2m_auction::Slot;

/// Two buyers and two sellers who reported a slot of which one buyer gets nothing.
fn street(slot: Slot) -> [Home; 4] {
	let homes = [
		buyer(1, &[(20, 1_000)]),
		buyer(2, &[(11, 1_000)]),
		seller(3, &[(12, 400)]),
		seller(4, &[(13, 333)]),
	];
	run_to_end(slot);
	report(&homes, slot);
	homes
}

fn report(homes: &[Home; 4], slot: Slot) {
	for home in &homes[..2] {
		home.take(slot, 1_000);
	}
	for home in &homes[2..] {
		home.give(slot, 1_000);
	}
}

/// Why entries were not settled since the last call.
fn refused() -> Vec<sp_runtime::DispatchError> {
	let refused = events().into_iter().filter_map(|event| match event {
		Event::SettlementRefused { reason, .. } => Some(reason),
		_ => None,
	});
	refused.collect()
}

#[test]
fn the_order_of_settlement_changes_nobodys_result() {
	let mut results = Vec::new();
	for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
		for at_once in [true, false] {
			trade(|| {
				let homes = street(FIRST);
				run_past_window(FIRST);
				if at_once {
					let all: Vec<&Home> = order.iter().map(|at| &homes[*at]).collect();
					assert_ok!(settle(FIRST, &all));
				} else {
					for at in order {
						check();
						assert_ok!(settle(FIRST, &[&homes[at]]));
					}
				}
				assert_eq!(slot_bytes(), 0);
				let credits = homes.each_ref().map(Home::credit);
				results.push((credits, reserve()));
			});
		}
	}
	assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
}

#[test]
fn the_order_of_reports_changes_nobodys_result() {
	let mut results = Vec::new();
	for order in [[0usize, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
		trade(|| {
			let homes = [
				buyer(1, &[(20, 1_000)]),
				buyer(2, &[(11, 1_000)]),
				seller(3, &[(12, 400)]),
				seller(4, &[(13, 333)]),
			];
			run_to_end(FIRST);
			for at in order {
				homes[at].report(
					FIRST,
					if at < 2 { 1_000 } else { 0 },
					if at < 2 { 0 } else { 1_000 },
				);
			}
			run_past_window(FIRST);
			assert_ok!(settle(FIRST, &homes.each_ref()));
			results.push((homes.each_ref().map(Home::credit), reserve()));
		});
	}
	assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
}

#[test]
fn a_bad_item_never_sinks_the_others() {
	trade(|| {
		let homes = street(FIRST);
		let stranger = home(9);
		let idle_member = member(10, Default::default(), 0);
		run_past_window(FIRST);
		events();
		assert_ok!(settle(
			FIRST,
			&[&stranger, &homes[0], &homes[0], &idle_member, &homes[2]]
		));
		assert_eq!(
			refused(),
			[
				refusal(Error::NotMember),
				refusal(Error::NothingToSettle),
				refusal(Error::NothingToSettle),
			]
		);
		events();
		assert_ok!(settle(FIRST, &[&homes[3], &homes[1]]));
		assert_eq!(bills().len(), 2);
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn an_entry_that_trades_nothing_is_settled_too() {
	trade(|| {
		let homes = street(FIRST);
		run_past_window(FIRST);
		events();
		assert_ok!(settle(FIRST, &[&homes[1]]));
		let price =
			EnergyTrading::cleared_slot(MARKET, FIRST).and_then(|cleared| EnergyTrading::price_of(&cleared));
		assert_eq!(bills(), [(homes[1].id.clone(), 0, 0, price)]);
		assert_eq!(homes[1].credit(), 1_000 * CENT);
		// Whoever does not care is settled by anybody.
		assert_ok!(settle(FIRST, &[&homes[0], &homes[2], &homes[3]]));
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn a_keeper_who_comes_second_finds_nothing_to_do() {
	trade(|| {
		let homes = street(FIRST);
		run_past_window(FIRST);
		assert_ok!(settle(FIRST, &[&homes[0], &homes[1]]));
		let credits = homes.each_ref().map(Home::credit);
		events();
		assert_ok!(settle(FIRST, &[&homes[0], &homes[1]]));
		assert_eq!(refused(), [refusal(Error::NothingToSettle); 2]);
		assert_eq!(homes.each_ref().map(Home::credit), credits);
		assert_ok!(settle(FIRST, &[&homes[2], &homes[3]]));
		assert_eq!(
			settle(FIRST, &[&homes[2], &homes[3]]),
			Err(refusal(Error::UnknownSlot))
		);
	});
}

#[test]
fn entries_wait_apart_while_settlement_is_late() {
	trade(|| {
		let homes = street(FIRST);
		for slot in FIRST + 1..FIRST + 6 {
			run_to_end(slot);
			report(&homes, slot);
		}
		run_past_window(FIRST + 5);
		assert_eq!(homes[0].record().unsettled(), 6);
		assert_eq!(Entries::<Test>::iter().count(), 4 * 5);
		// In any order, the newest first.
		events();
		for slot in (FIRST..FIRST + 6).rev() {
			check();
			assert_ok!(settle(slot, &homes.each_ref()));
		}
		assert_eq!(bills().len(), 24);
		assert_eq!(homes[0].record().unsettled(), 0);
		assert_eq!(slot_bytes(), 0);
		// The latest price stays, although the oldest slot was settled last.
		assert_eq!(
			Ledgers::<Test>::get(MARKET).last.map(|(slot, _)| slot),
			Some(FIRST + 5)
		);
	});
}

#[test]
fn both_sides_of_an_entry_that_waits_apart_come_together() {
	trade(|| {
		let home = member(1, order(&[(20, 1_000)], &[(12, 1_000)]), 1_000);
		run_to_end(FIRST);
		home.report(FIRST, 100, 200);
		run_to_end(FIRST + 1);
		home.take(FIRST + 1, 300);
		// The first slot is settled in between, so that there is room in the record again.
		assert_ok!(settle(FIRST, &[&home]));
		assert!(home.record().entry.is_none());
		home.give(FIRST + 1, 400);
		let entry = EnergyTrading::entry(MARKET, FIRST + 1, &home.id).expect("it stands in the book");
		assert_eq!((entry.bids[0].wh, entry.asks[0].wh), (300, 400));
		assert_eq!(home.record().unsettled(), 1);
		run_past_window(FIRST + 1);
		assert_ok!(settle(FIRST + 1, &[&home]));
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn settling_costs_what_was_done() {
	trade(|| {
		let homes = street(FIRST);
		run_to_end(FIRST + 1);
		report(&homes, FIRST + 1);
		run_past_window(FIRST + 1);
		let used = |slot, homes: &[&Home]| {
			let devices: Vec<_> = homes.iter().map(|home| home.id.clone()).collect();
			let devices = BoundedVec::truncate_from(devices);
			let done = EnergyTrading::settle(signed(&KEEPER), MARKET, slot, devices).expect("it is due");
			done.actual_weight.expect("it is known")
		};
		type W = ();
		let [a, b, c, d] = homes.each_ref();
		// The first settlement clears; two pages: bids at 11 and 20 cents lie on one, so do asks at 12 and 13.
		let first = used(FIRST, &[a, b]);
		assert_eq!(
			first,
			<W as WeightInfo>::clear(2).saturating_add(<W as WeightInfo>::settle(2))
		);
		assert_eq!(used(FIRST, &[c, d]), <W as WeightInfo>::settle(2));
		let apart = used(FIRST + 1, &[a, b, c, d]);
		let items = <W as WeightInfo>::settle_apart(4).saturating_sub(<W as WeightInfo>::settle_apart(0));
		let expected = <W as WeightInfo>::clear(2)
			.saturating_add(<W as WeightInfo>::settle(0))
			.saturating_add(items);
		assert_eq!(apart, expected);
	});
}

#[test]
fn a_settled_slot_leaves_no_byte() {
	trade(|| {
		let before = slot_bytes();
		let homes = street(FIRST);
		assert!(slot_bytes() > before);
		run_past_window(FIRST);
		assert_ok!(clear(FIRST));
		assert_ok!(settle(FIRST, &homes.each_ref()));
		assert_eq!((before, slot_bytes()), (0, 0));
		assert!(homes.iter().all(|home| home.record().entry.is_none()));
		assert_eq!(ClearedSlots::<Test>::iter().count(), 0);
	});
}

#[test]
fn what_is_paid_is_what_is_received_plus_fees_and_remainders() {
	trade(|| {
		let homes = street(FIRST);
		let wealth = |homes: &[Home; 4]| homes.iter().map(Home::credit).sum::<u128>();
		run_past_window(FIRST);
		let before = 2_000 * CENT;
		events();
		assert_ok!(settle(FIRST, &homes.each_ref()));
		let (mut paid, mut received, mut fees, mut difference) = (0u128, 0u128, 0u128, 0i128);
		let mut at = 0;
		for (_, bought, sold, price) in bills() {
			let price = price.expect("it trades");
			paid += (price + 4 * CENT) / 1_000_000 * bought;
			received += price / 1_000_000 * sold;
			fees += 4 * CENT / 1_000_000 * bought;
			difference += (bought as i128 - sold as i128) * (price / 1_000_000) as i128;
			at += 1;
		}
		assert_eq!(at, 4);
		let remainder = u128::try_from(difference).expect("buyers get no less than sellers give");
		assert_eq!(paid, received + fees + remainder);
		assert_eq!(reserve(), fees + remainder);
		assert_eq!(wealth(&homes), before - paid + received);
	});
}
