//! Joining, admission and leaving.

use crate::{
	Capacity, Error, Event, HoldReason, IgnoredReason, MemberState, Members, MeteringPoints, StreamUses,
	mock::*,
};
use frame_support::{
	assert_noop, assert_ok,
	traits::{fungible::InspectHold, fungible::Mutate},
};
use m2m_anchor::{StreamKind, StreamSpec};
use m2m_device::{OperatorActions, PossessionAction};
use sp_core::H256;

fn held(home: &Home) -> u128 {
	Balances::balance_on_hold(&HoldReason::MembershipDeposit.into(), &home.id)
}

fn leave(home: &Home) -> sp_runtime::DispatchResult {
	EnergyTrading::leave(signed(&OWNER), MARKET, Some(home.id.clone()))
}

#[test]
fn a_device_joins_and_is_admitted_from_the_next_slot_on() {
	trade(|| {
		let home = home(1);
		let before = free(&home.id);
		home.join();
		let deposit = EnergyTrading::membership_deposit();
		assert_eq!((held(&home), free(&home.id)), (deposit, before - deposit));
		home.admit();
		let (market, device) = (MARKET, home.id.clone());
		assert_eq!(
			events()[2..],
			[
				Event::Joined {
					market,
					device: device.clone(),
					import: 0,
					export: 1
				},
				Event::Admitted {
					market,
					device,
					since: FIRST,
					point: home.point(),
					capacity: CAPACITY
				},
			]
		);
	});
}

#[test]
fn a_key_with_manage_joins_and_leaves_for_its_device() {
	trade(|| {
		let home = home(1);
		let join = || EnergyTrading::join(signed(&home.account()), MARKET, None, home.import, home.export);
		assert_noop!(join(), budgets::Error::<Test>::BudgetExceeded);
		budgets::Left::<Test>::insert(&home.id, EnergyTrading::membership_deposit());
		assert_ok!(EnergyTrading::join(
			signed(&home.account()),
			MARKET,
			None,
			home.import,
			home.export
		));
		home.admit();
		assert_ok!(EnergyTrading::leave(signed(&home.account()), MARKET, None));
		assert!(!Members::<Test>::contains_key(MARKET, &home.id));
	});
}

#[test]
fn nobody_joins_or_leaves_for_a_foreign_device() {
	trade(|| {
		let home = home(1);
		let foreign = pallet_device_identity::Error::<Test>::NotOwner;
		assert_noop!(
			EnergyTrading::join(signed(&OTHER), MARKET, Some(home.id.clone()), 0, 1),
			foreign
		);
		home.join();
		assert_noop!(
			EnergyTrading::leave(signed(&OTHER), MARKET, Some(home.id.clone())),
			pallet_device_identity::Error::<Test>::NotOwner
		);
	});
}

#[test]
fn the_owner_pays_what_the_wallet_lacks_for_the_deposit() {
	trade(|| {
		let home = home(1);
		assert_ok!(Identity::withdraw(signed(&OWNER), home.id.clone(), None));
		assert_noop!(
			EnergyTrading::join(signed(&home.account()), MARKET, None, home.import, home.export),
			Error::<Test>::WalletCannotPay
		);
		let before = free(&OWNER);
		home.join();
		assert_eq!(before - free(&OWNER), EnergyTrading::membership_deposit());
	});
}

#[test]
fn an_owner_without_money_does_not_join() {
	test(|| {
		market();
		let home = home(1);
		assert_ok!(Identity::withdraw(signed(&OWNER), home.id.clone(), None));
		Balances::set_balance(&OWNER, ED);
		assert_noop!(home.try_join(), Error::<Test>::OwnerCannotPay);
	});
}

#[test]
fn only_meters_that_can_settle_energy_join() {
	trade(|| {
		let home = home(1);
		let good = spec();
		for wrong in [
			StreamSpec {
				kind: StreamKind::Register,
				..good.clone()
			},
			StreamSpec {
				private: true,
				..good.clone()
			},
			StreamSpec {
				unit: b"W".to_vec().try_into().expect("short"),
				..good.clone()
			},
			StreamSpec {
				scale: 3,
				..good.clone()
			},
			StreamSpec {
				period_ms: None,
				..good.clone()
			},
			StreamSpec {
				period_ms: Some(QUARTER as u32 * 2),
				..good.clone()
			},
			StreamSpec {
				cadence_ms: 7 * MINUTE as u32,
				..good.clone()
			},
		] {
			let stream = open_for(&OWNER, &home.id, wrong);
			for (import, export) in [(stream, home.export), (home.import, stream)] {
				assert_noop!(
					EnergyTrading::join(signed(&OWNER), MARKET, Some(home.id.clone()), import, export),
					Error::<Test>::UnsuitableStream
				);
			}
		}
		for (import, export) in [(0, 0), (0, 99)] {
			assert_noop!(
				EnergyTrading::join(signed(&OWNER), MARKET, Some(home.id.clone()), import, export),
				Error::<Test>::UnsuitableStream
			);
		}
	});
}

#[test]
fn a_closed_stream_does_not_join() {
	test(|| {
		market();
		let home = home(1);
		assert_ok!(Telemetry::close_stream(
			signed(&OWNER),
			Some(home.id.clone()),
			home.export
		));
		assert_noop!(home.try_join(), Error::<Test>::UnsuitableStream);
	});
}

#[test]
fn a_stream_serves_one_membership_at_a_time_in_any_market() {
	trade(|| {
		market();
		let home = home(1);
		home.join();
		assert_noop!(home.try_join(), Error::<Test>::AlreadyMember);
		let third = open_for(&OWNER, &home.id, spec());
		let fourth = open_for(&OWNER, &home.id, spec());
		let join =
			|import, export| EnergyTrading::join(signed(&OWNER), 1, Some(home.id.clone()), import, export);
		assert_noop!(join(home.import, third), Error::<Test>::MeterInUse);
		assert_noop!(join(third, home.export), Error::<Test>::MeterInUse);
		assert_ok!(join(third, fourth));
		// Free again once the device has left.
		assert_ok!(leave(&home));
		assert_ok!(EnergyTrading::leave(signed(&OWNER), 1, Some(home.id.clone())));
		assert_ok!(join(home.import, home.export));
	});
}

#[test]
fn a_metering_point_serves_one_membership_at_a_time_in_any_market() {
	trade(|| {
		market();
		let (first, second) = (home(1), home(2));
		first.join();
		first.admit();
		assert_ok!(EnergyTrading::join(
			signed(&OWNER),
			1,
			Some(second.id.clone()),
			0,
			1
		));
		let admit = |point| EnergyTrading::admit(signed(&OPERATOR), 1, second.id.clone(), point, CAPACITY);
		assert_noop!(admit(first.point()), Error::<Test>::MeterInUse);
		assert_ok!(leave(&first));
		assert_ok!(admit(first.point()));
	});
}

#[test]
fn a_market_of_certified_meters_admits_by_the_claim_of_its_issuers() {
	test(|| {
		certified_market();
		let home = home(1);
		home.join();
		let claim = H256::repeat_byte(0xc1);
		let admit = |point| EnergyTrading::admit(signed(&OPERATOR), MARKET, home.id.clone(), point, CAPACITY);
		assert_noop!(admit(claim), Error::<Test>::NotCertified);
		vouch(&OTHER, &home.id, topic(), claim, now() + DAY);
		assert_noop!(admit(claim), Error::<Test>::NotCertified);
		vouch(&LAB, &home.id, topic(), claim, now() + DAY);
		assert_noop!(admit(H256::zero()), Error::<Test>::NotCertified);
		assert_ok!(admit(claim));
		assert_eq!(
			MeteringPoints::<Test>::get(claim),
			Some((MARKET, home.id.clone()))
		);
	});
}

#[test]
fn admission_has_its_rules() {
	trade(|| {
		let home = home(1);
		assert_noop!(home.try_admit(CAPACITY), Error::<Test>::NotMember);
		home.join();
		let none = Capacity { import: 0, export: 0 };
		assert_noop!(home.try_admit(none), Error::<Test>::NoCapacity);
		assert_ok!(home.try_admit(Capacity { import: 1, export: 0 }));
		assert_noop!(home.try_admit(CAPACITY), Error::<Test>::AlreadyAdmitted);
	});
}

#[test]
fn a_member_without_open_entries_leaves_at_once_with_everything() {
	trade(|| {
		let home = home(1);
		let before = free(&home.id);
		home.join();
		home.admit();
		home.top_up(7 * CENT);
		events();
		assert_ok!(leave(&home));
		assert_eq!(free(&home.id), before);
		assert_eq!(
			events(),
			[Event::Left {
				market: MARKET,
				device: home.id.clone(),
				credit: 7 * CENT
			}]
		);
		assert_eq!(Members::<Test>::iter().count(), 0);
		assert_eq!(StreamUses::<Test>::iter().count(), 0);
		assert_eq!(MeteringPoints::<Test>::iter().count(), 0);
		assert_noop!(leave(&home), Error::<Test>::NotMember);
	});
}

#[test]
fn a_member_with_open_entries_trades_no_more_and_leaves_after_settlement() {
	trade(|| {
		let home = buyer(1, &[(20, 1_000)]);
		let before = free(&home.id);
		run_to_end(FIRST);
		home.take(FIRST, 500);
		events();
		assert_ok!(leave(&home));
		assert_eq!(
			events(),
			[Event::Leaving {
				market: MARKET,
				device: home.id.clone()
			}]
		);
		assert_eq!(home.record().state, MemberState::Leaving);
		// Nothing new.
		home.give(FIRST, 500);
		assert_eq!(ignored(), []);
		assert_noop!(
			home.try_order(Default::default()),
			Error::<Test>::MembershipEnding
		);
		assert_noop!(home.try_admit(CAPACITY), Error::<Test>::MembershipEnding);
		assert_noop!(
			EnergyTrading::top_up(signed(&OWNER), MARKET, Some(home.id.clone()), 1),
			Error::<Test>::MembershipEnding
		);
		assert_noop!(leave(&home), Error::<Test>::SettlementPending);
		assert_noop!(
			EnergyTrading::remove_member(signed(&OPERATOR), MARKET, home.id.clone()),
			Error::<Test>::SettlementPending
		);
		run_past_window(FIRST);
		assert_ok!(settle(FIRST, &[&home]));
		// Anybody finishes it.
		assert_ok!(EnergyTrading::leave(
			signed(&KEEPER),
			MARKET,
			Some(home.id.clone())
		));
		assert_eq!(
			free(&home.id),
			before + 1_000 * CENT + EnergyTrading::membership_deposit()
		);
		assert_eq!(held(&home), 0);
	});
}

#[test]
fn the_operator_removes_a_member_and_takes_nothing() {
	trade(|| {
		let home = buyer(1, &[(20, 1_000)]);
		let before = free(&home.id);
		assert_ok!(EnergyTrading::remove_member(
			signed(&OPERATOR),
			MARKET,
			home.id.clone()
		));
		assert_eq!(
			free(&home.id),
			before + 1_000 * CENT + EnergyTrading::membership_deposit()
		);
		run_to_end(FIRST);
		home.take(FIRST, 500);
		assert_eq!(slot_bytes(), 0);
	});
}

#[test]
fn an_unanswered_application_is_withdrawn() {
	trade(|| {
		let home = home(1);
		home.join();
		assert_ok!(leave(&home));
		assert_eq!(held(&home), 0);
		home.join();
	});
}

#[test]
fn a_device_leaves_its_markets_before_it_retires() {
	test(|| {
		market();
		let home = buyer(1, &[]);
		for stream in [home.import, home.export] {
			assert_ok!(Telemetry::close_stream(
				signed(&OWNER),
				Some(home.id.clone()),
				stream
			));
		}
		assert_noop!(
			Identity::retire(signed(&OWNER), home.id.clone()),
			pallet_device_identity::Error::<Test>::OpenPositions
		);
		assert_ok!(leave(&home));
		assert_ok!(Identity::retire(signed(&OWNER), home.id.clone()));
		assert_eq!(free(&home.id), 0);
		assert_noop!(
			EnergyTrading::join(signed(&OWNER), MARKET, Some(home.id.clone()), 0, 1),
			pallet_device_identity::Error::<Test>::DeviceRetired
		);
	});
}

#[test]
fn a_membership_outlives_its_streams_and_reports_nothing() {
	test(|| {
		market();
		let home = buyer(1, &[(20, 1_000)]);
		run_to_end(FIRST);
		home.take(FIRST, 500);
		assert_ok!(Telemetry::close_stream(
			signed(&OWNER),
			Some(home.id.clone()),
			home.import
		));
		run_past_window(FIRST);
		assert_ok!(settle(FIRST, &[&home]));
		assert_eq!(home.credit(), 1_000 * CENT);
		// A new stream has a number that was never used, so nobody takes it for the old one.
		let stream = open_for(&OWNER, &home.id, spec());
		assert_ok!(home.anchor(stream, &[((FIRST + 1) * QUARTER - QUARTER, 5)]));
		assert_eq!(slot_bytes(), 0);
		assert_ok!(leave(&home));
	});
}

#[test]
fn a_membership_goes_with_its_device_to_a_new_owner() {
	trade(|| {
		let home = buyer(1, &[(20, 1_000)]);
		let (id, sure) = (|| home.id.clone(), now() + DAY);
		assert_ok!(Identity::offer_transfer(signed(&OWNER), id(), OTHER, 0, sure));
		assert_ok!(Identity::accept_transfer(signed(&OTHER), id(), 0, 0));
		assert_noop!(
			EnergyTrading::withdraw_credit(signed(&OWNER), MARKET, Some(id()), None),
			pallet_device_identity::Error::<Test>::NotOwner
		);
		// The meter is silent until the new owner confirms its key.
		run_to_end(FIRST);
		assert!(home.anchor(home.import, &[(FIRST * QUARTER, 500)]).is_err());
		let proof = prove(&home.key, PossessionAction::Confirm, &OTHER, Some(&home.id));
		assert_ok!(Identity::confirm_key(signed(&OTHER), id(), home.account(), proof));
		home.take(FIRST, 500);
		assert!(EnergyTrading::entry(MARKET, FIRST, &home.id).is_some());
		run_past_window(FIRST);
		assert_ok!(settle(FIRST, &[&home]));
		assert_ok!(EnergyTrading::leave(signed(&OTHER), MARKET, Some(id())));
	});
}

#[test]
fn operators_of_a_device_do_what_they_were_granted() {
	trade(|| {
		let home = home(1);
		let grant = |manage, trade| {
			let actions = OperatorActions {
				manage,
				trade,
				suspend: false,
			};
			assert_ok!(Identity::grant(
				signed(&OWNER),
				home.id.clone(),
				OTHER,
				actions,
				None
			));
		};
		grant(false, true);
		let missing = pallet_device_identity::Error::<Test>::ActionNotGranted;
		assert_noop!(
			EnergyTrading::join(signed(&OTHER), MARKET, Some(home.id.clone()), 0, 1),
			missing
		);
		grant(true, false);
		budgets::Left::<Test>::insert(&home.id, EnergyTrading::membership_deposit());
		assert_ok!(EnergyTrading::join(
			signed(&OTHER),
			MARKET,
			Some(home.id.clone()),
			0,
			1
		));
		assert_noop!(
			EnergyTrading::set_order(signed(&OTHER), MARKET, Some(home.id.clone()), Default::default()),
			pallet_device_identity::Error::<Test>::ActionNotGranted
		);
	});
}

#[test]
fn a_member_that_is_not_admitted_does_not_trade() {
	trade(|| {
		let home = home(1);
		home.join();
		home.set_order(order(&[(20, 1_000)], &[]));
		home.top_up(CENT * 100);
		run_to_end(FIRST);
		events();
		home.take(FIRST, 500);
		assert_eq!(ignored(), [IgnoredReason::NotAdmitted]);
		home.admit();
		run_to_end(FIRST + 1);
		events();
		// Admitted while this slot ran: the next one counts.
		home.take(FIRST + 1, 500);
		assert_eq!(ignored(), [IgnoredReason::NotAdmitted]);
		run_to_end(FIRST + 2);
		home.take(FIRST + 2, 500);
		assert_eq!(ignored(), []);
		assert!(EnergyTrading::entry(MARKET, FIRST + 2, &home.id).is_some());
	});
}
