//! Which anchors count, and for what.

use crate::{
	Error, Event, IgnoredReason, StreamUses,
	mock::{home as home_of, *},
};
use frame_support::{BoundedVec, assert_noop, assert_ok};
use m2m_anchor::{OnAnchored, StreamSpec};
use m2m_auction::Slot;
use m2m_device::{DevicePublic, PossessionAction};
use pallet_telemetry::Error as TelemetryError;
use sp_core::H256;

/// Wh of bids and asks that stand in the book for a home.
fn offered(home: &Home, slot: Slot) -> (u32, u32) {
	let entry = EnergyTrading::entry(MARKET, slot, &home.id).unwrap_or_default();
	let sum = |steps: &crate::EntrySteps| steps.iter().map(|step| step.wh).sum();
	(sum(&entry.bids), sum(&entry.asks))
}

fn trader(number: u16) -> Home {
	member(number, order(&[(20, 20_000)], &[(12, 20_000)]), 10_000)
}

#[test]
fn an_early_anchor_does_not_count() {
	trade(|| {
		let home = trader(1);
		run_to(end(FIRST) - 1);
		events();
		// Telemetry takes it: the interval has begun.
		home.take(FIRST, 500);
		assert_eq!(ignored(), [IgnoredReason::SlotNotOver]);
		assert_eq!(offered(&home, FIRST), (0, 0));
		block_after(1);
		home.give(FIRST, 500);
		assert_eq!(offered(&home, FIRST), (0, 500));
	});
}

#[test]
fn a_late_anchor_does_not_count_and_is_anchored_all_the_same() {
	trade(|| {
		let home = trader(1);
		run_to(end(FIRST) + u64::from(WINDOW.ms) - 1);
		events();
		home.take(FIRST, 500);
		assert_eq!(ignored(), []);
		block_after(1);
		home.give(FIRST, 500);
		assert_eq!(ignored(), [IgnoredReason::WindowOver]);
		assert_eq!(offered(&home, FIRST), (500, 0));
		assert!(Telemetry::latest(&home.id, home.export).is_some());
	});
}

#[test]
fn a_repeated_anchor_counts_once() {
	trade(|| {
		let home = trader(1);
		run_to_end(FIRST);
		let credit = home.credit();
		home.take(FIRST, 500);
		let set_aside = credit - home.credit();
		assert_noop!(
			home.anchor_as(home.import, 0, &[(FIRST * QUARTER, 500)]),
			TelemetryError::<Test>::AlreadyAnchored
		);
		// Nor under another number: the readings would overlap.
		assert_noop!(
			home.anchor(home.import, &[(FIRST * QUARTER, 500)]),
			TelemetryError::<Test>::OverlapsNeighbour
		);
		assert_eq!(offered(&home, FIRST), (500, 0));
		assert_eq!(home.credit(), credit - set_aside);
	});
}

#[test]
fn a_second_report_of_a_side_does_not_count_whatever_telemetry_says() {
	trade(|| {
		let home = trader(1);
		run_to_end(FIRST);
		home.take(FIRST, 500);
		let credit = home.credit();
		events();
		let weight = EnergyTrading::on_anchored(&m2m_anchor::AnchoredReadings {
			device: &home.id,
			stream: home.import,
			spec: &spec(),
			seq: 77,
			anchor: &anchor_of(&[(FIRST * QUARTER, 900)]),
			flags: Default::default(),
			previous_last: None,
		});
		assert_eq!(ignored(), [IgnoredReason::AlreadyReported]);
		assert_eq!((offered(&home, FIRST), home.credit()), ((500, 0), credit));
		assert!(weight.all_lte(EnergyTrading::weight()));
	});
}

#[test]
fn a_foreign_anchor_costs_one_read_and_does_nothing() {
	trade(|| {
		let stranger = home_of(2);
		trader(1);
		run_to_end(FIRST);
		events();
		stranger.report(FIRST, 500, 500);
		assert_eq!(events(), []);
		assert_eq!(slot_bytes(), 0);
		assert_eq!(StreamUses::<Test>::iter_prefix(&stranger.id).count(), 0);
	});
}

#[test]
fn an_anchor_of_a_part_of_a_slot_does_not_count() {
	trade(|| {
		let home = home_with(
			1,
			StreamSpec {
				cadence_ms: 5 * MINUTE as u32,
				..spec()
			},
		);
		home.join();
		home.admit();
		home.set_order(order(&[], &[(12, 20_000)]));
		let start = FIRST * QUARTER;
		let five = 5 * MINUTE;
		run_to_end(FIRST + 4);
		events();
		for parts in [
			// No end.
			vec![(start, 1), (start + five, 1)],
			// No beginning.
			vec![(start + QUARTER + five, 1), (start + QUARTER + 2 * five, 1)],
			// A gap.
			vec![(start + 2 * QUARTER, 1), (start + 2 * QUARTER + 2 * five, 1)],
			// An interval that begins within another.
			vec![
				(start + 3 * QUARTER, 1),
				(start + 3 * QUARTER + five, 1),
				(start + 3 * QUARTER + five + 1, 1),
				(start + 3 * QUARTER + 2 * five, 1),
			],
		] {
			assert_ok!(home.anchor(home.export, &parts));
			assert_eq!(ignored(), [IgnoredReason::PartialSlot]);
		}
		assert_eq!(slot_bytes(), 0);
		// All intervals of a slot in one anchor count as one sum.
		let start = start + 4 * QUARTER;
		assert_ok!(home.anchor(
			home.export,
			&[(start, 100), (start + five, 200), (start + 2 * five, 300)]
		));
		assert_eq!(offered(&home, FIRST + 4), (0, 600));
	});
}

#[test]
fn an_anchor_that_crosses_slots_is_refused_by_telemetry() {
	trade(|| {
		let home = trader(1);
		run_to_end(FIRST + 1);
		assert_noop!(
			home.anchor(home.import, &[(FIRST * QUARTER, 1), ((FIRST + 1) * QUARTER, 1)]),
			TelemetryError::<Test>::CrossesPeriod
		);
		// A reading that does not begin with the slot covers a part of two.
		events();
		assert_ok!(home.anchor(home.import, &[(FIRST * QUARTER + 1, 1)]));
		assert_eq!(ignored(), [IgnoredReason::PartialSlot]);
	});
}

#[test]
fn anchors_count_in_any_order() {
	test(|| {
		let window = crate::Window {
			ms: 2 * QUARTER as u32,
			blocks: 1,
		};
		open_market(
			crate::Parameters {
				window,
				..parameters()
			},
			None,
		);
		let home = trader(1);
		run_to_end(FIRST + 1);
		assert_ok!(home.anchor_as(home.export, 5, &[((FIRST + 1) * QUARTER, 300)]));
		assert_ok!(home.anchor_as(home.export, 4, &[(FIRST * QUARTER, 200)]));
		assert_eq!(
			(offered(&home, FIRST), offered(&home, FIRST + 1)),
			((0, 200), (0, 300))
		);
	});
}

#[test]
fn energy_beyond_the_capacity_does_not_count() {
	trade(|| {
		let home = home_of(1);
		home.join();
		assert_ok!(home.try_admit(crate::Capacity {
			import: 700,
			export: 0
		}));
		home.set_order(order(&[(20, 20_000)], &[(12, 20_000)]));
		home.top_up(1_000 * CENT);
		run_to_end(FIRST);
		home.report(FIRST, 5_000, 5_000);
		assert_eq!(offered(&home, FIRST), (700, 0));
	});
}

#[test]
fn implausible_and_negative_energy_does_not_count() {
	trade(|| {
		let home = home_with(
			1,
			StreamSpec {
				plausible_min: -10,
				..spec()
			},
		);
		home.join();
		home.admit();
		home.set_order(order(&[(20, 20_000)], &[(12, 20_000)]));
		home.top_up(1_000 * CENT);
		run_to_end(FIRST);
		events();
		home.report(FIRST, -5, 100_001);
		assert_eq!(ignored(), [IgnoredReason::ImplausibleValue; 2]);
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn nothing_that_a_suspended_device_delivers_counts() {
	trade(|| {
		let home = trader(1);
		run_to_end(FIRST);
		block_after(1);
		assert_ok!(Identity::suspend(signed(&OWNER), home.id.clone()));
		events();
		home.take(FIRST, 500);
		assert_eq!(ignored(), [IgnoredReason::SignedLate]);
		assert_ok!(Identity::resume(signed(&OWNER), home.id.clone()));
		home.give(FIRST, 500);
		assert_eq!(offered(&home, FIRST), (0, 500));
	});
}

#[test]
fn what_a_device_reported_before_it_was_suspended_is_settled() {
	trade(|| {
		let (home, seller) = (trader(1), seller(2, &[(12, 500)]));
		run_to_end(FIRST);
		home.take(FIRST, 500);
		seller.give(FIRST, 500);
		assert_ok!(Identity::report_lost(signed(&OWNER), home.id.clone()));
		run_past_window(FIRST);
		events();
		assert_ok!(settle(FIRST, &[&home, &seller]));
		assert_eq!(bills().len(), 2);
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn a_meter_counts_as_long_as_it_is_certified() {
	test(|| {
		certified_market();
		let home = home(1);
		home.join();
		let claim = H256::repeat_byte(0xc1);
		vouch(&LAB, &home.id, topic(), claim, end(FIRST + 1));
		assert_ok!(EnergyTrading::admit(
			signed(&OPERATOR),
			MARKET,
			home.id.clone(),
			claim,
			CAPACITY
		));
		home.set_order(order(&[], &[(12, 20_000)]));
		run_to_end(FIRST);
		home.give(FIRST, 500);
		assert_eq!(offered(&home, FIRST), (0, 500));
		run_to(end(FIRST + 1));
		home.give(FIRST + 1, 500);
		assert_eq!(offered(&home, FIRST + 1), (0, 500));
		// Expired, then certified again, then revoked.
		run_to_end(FIRST + 2);
		events();
		home.give(FIRST + 2, 500);
		assert_eq!(ignored(), [IgnoredReason::NotCertified]);
		vouch(&LAB, &home.id, topic(), claim, now() + DAY);
		run_to_end(FIRST + 3);
		home.give(FIRST + 3, 500);
		assert_eq!(offered(&home, FIRST + 3), (0, 500));
		assert_ok!(Identity::revoke_attestation(
			signed(&LAB),
			home.id.clone(),
			topic()
		));
		run_to_end(FIRST + 4);
		events();
		home.give(FIRST + 4, 500);
		assert_eq!(ignored(), [IgnoredReason::NotCertified]);
	});
}

#[test]
fn a_certified_meter_with_another_signing_key_is_not_certified() {
	test(|| {
		certified_market();
		let mut home = home(1);
		home.join();
		let claim = H256::repeat_byte(0xc1);
		vouch(&LAB, &home.id, topic(), claim, now() + DAY);
		assert_ok!(EnergyTrading::admit(
			signed(&OPERATOR),
			MARKET,
			home.id.clone(),
			claim,
			CAPACITY
		));
		home.set_order(order(&[], &[(12, 20_000)]));
		let new = key(2);
		let proof = prove(&new, PossessionAction::Rotate, &OWNER, Some(&home.id));
		assert!(
			Identity::rotate_key(
				signed(&OWNER),
				Some(home.id.clone()),
				home.account(),
				DevicePublic::Sr25519(sp_core::Pair::public(&new)),
				proof,
				DAY
			)
			.is_ok()
		);
		run_to_end(FIRST);
		home.key = new;
		events();
		home.give(FIRST, 500);
		assert_eq!(ignored(), [IgnoredReason::NotCertified]);
	});
}

#[test]
fn relayed_anchors_count_like_others() {
	trade(|| {
		use m2m_anchor::{AnchorItem, SignedAnchors};
		use m2m_device::DeviceSignature;
		use sp_core::Pair;
		let home = trader(1);
		run_to_end(FIRST);
		let items: Vec<_> = [(home.import, 400), (home.export, 300)]
			.into_iter()
			.map(|(stream, wh)| AnchorItem {
				stream,
				seq: 0,
				anchor: anchor_of(&[(FIRST * QUARTER, wh)]),
			})
			.collect();
		let bytes = SignedAnchors::signed_bytes(&GENESIS, &home.id, &home.account(), 0, &items);
		let envelope = |signature| SignedAnchors {
			device: home.id.clone(),
			key: home.account(),
			expires: 0,
			items: BoundedVec::truncate_from(items.clone()),
			signature: DeviceSignature::Sr25519(signature),
		};
		// A forged one is taken back wholly, and so is its trade.
		let forged = envelope(home.key.sign(b"something else"));
		let deliver =
			|envelope| Telemetry::anchor_many(signed(&KEEPER), BoundedVec::truncate_from(vec![envelope]));
		let credit = home.credit();
		assert_ok!(deliver(forged));
		assert_eq!((slot_bytes(), home.credit()), (0, credit));
		assert_ok!(deliver(envelope(home.key.sign(&bytes))));
		assert_eq!(offered(&home, FIRST), (400, 300));
	});
}

#[test]
fn every_outcome_costs_no_more_than_was_declared() {
	test(|| {
		let pricing = wide_pricing();
		open_market(
			crate::Parameters {
				pricing,
				..parameters()
			},
			None,
		);
		let home = member(
			1,
			order(
				&[(22, 1_000), (18, 1_000), (15, 1_000), (11, 1_000)],
				&[(12, 20_000)],
			),
			10_000,
		);
		run_to_end(FIRST);
		let report = |stream, wh| {
			EnergyTrading::on_anchored(&m2m_anchor::AnchoredReadings {
				device: &home.id,
				stream,
				spec: &spec(),
				seq: 0,
				anchor: &anchor_of(&[(FIRST * QUARTER, wh)]),
				flags: Default::default(),
				previous_last: None,
			})
		};
		use crate::WeightInfo;
		let foreign = report(99, 1);
		assert_eq!(foreign, <() as WeightInfo>::foreign_anchor());
		let empty = report(home.export, 0);
		assert_eq!(empty, <() as WeightInfo>::nothing_metered());
		// Four ticks on four pages, in a slot that nobody reported before.
		let full = report(home.import, 4_000);
		let expected = <() as WeightInfo>::report_import(4);
		assert_eq!(full, expected.saturating_add(<() as WeightInfo>::open_slot()));
		let export = report(home.export, 1_000);
		assert_eq!(
			export,
			<() as WeightInfo>::report_export(1).saturating_add(<() as WeightInfo>::open_slot())
		);
		for weight in [foreign, empty, full, export] {
			assert!(weight.all_lte(EnergyTrading::weight()));
		}
	});
}

#[test]
fn a_book_that_cannot_hold_more_refuses_the_report() {
	externalities().execute_with(|| {
		market();
		let home = trader(1);
		run_to_end(FIRST);
		let mut page = m2m_auction::TickPage::default();
		page.0[2].orders = u32::MAX;
		page.0[2].wh = 1;
		let place = (MARKET, FIRST, (m2m_auction::Side::Ask, 0u8));
		crate::Pages::<Test>::insert(place, page);
		events();
		home.give(FIRST, 500);
		assert_eq!(ignored(), [IgnoredReason::BookFull]);
		assert_eq!(offered(&home, FIRST), (0, 0));
		assert_eq!(clear(FIRST), Err(refusal(Error::UnknownSlot)));
	});
}

#[test]
fn a_report_of_nothing_changes_nothing_and_the_other_side_counts() {
	trade(|| {
		let home = member(1, order(&[(20, 2_000)], &[(12, 2_000)]), 1_000);
		run_to_end(FIRST);
		events();
		home.take(FIRST, 0);
		assert_eq!((events(), slot_bytes()), (vec![], 0));
		home.give(FIRST, 400);
		assert!(matches!(
			events().as_slice(),
			[Event::Reported { metered: 400, .. }]
		));
	});
}
