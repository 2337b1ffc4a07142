//! Opening streams: properties and deposits.

use crate::{Error, Event, HoldReason, StreamCounts, Streams, mock::*};
use frame_support::{
	BoundedVec, assert_noop, assert_ok,
	traits::fungible::{InspectHold, Mutate},
};
use m2m_anchor::StreamSpec;
use m2m_device::DeviceId;

/// Lets the owner open a stream of meter 0, which has to be registered.
fn create(spec: StreamSpec) -> sp_runtime::DispatchResult {
	let device = key(0).public().device_id();
	Telemetry::create_stream(signed(&ALICE), Some(device), spec)
}

/// What a stream with this retention costs, from its size.
fn deposit(retention: u16) -> Balance {
	1_000 + 10 * Balance::from(Telemetry::footprint(retention).size)
}

fn held(wallet: &DeviceId) -> Balance {
	Balances::balance_on_hold(&HoldReason::StreamDeposit.into(), wallet)
}

#[test]
fn the_owner_opens_a_stream_and_pays_what_the_wallet_lacks() {
	test(|| {
		let meter = meter(0);
		assert_ok!(Telemetry::create_stream(
			signed(&ALICE),
			Some(meter.id.clone()),
			spec()
		));
		assert_eq!(
			events(),
			[Event::StreamCreated {
				device: meter.id.clone(),
				stream: 0,
				spec: spec()
			}]
		);
		assert_eq!(held(&meter.id), deposit(8));
		assert_eq!(Balances::free_balance(&meter.id), ED);
		assert_eq!(Balances::free_balance(&ALICE), ENDOWMENT - deposit(8));
		let record = Streams::<Test>::get(&meter.id, 0).expect("it is open");
		assert_eq!((record.spec, record.deposit), (spec(), deposit(8)));
	});
}

#[test]
fn the_owner_adds_only_what_the_wallet_lacks() {
	test(|| {
		let meter = meter(0);
		assert_ok!(Balances::mint_into(&meter.id, 1_000));
		open(&meter, spec());
		assert_eq!(Balances::free_balance(&ALICE), ENDOWMENT - (deposit(8) - 1_000));
		assert_eq!(Balances::free_balance(&meter.id), ED);
	});
}

#[test]
fn a_wallet_with_money_pays_alone_and_to_the_unit() {
	test(|| {
		let meter = meter(0);
		let key = signed(&meter.key.account());
		assert_ok!(Balances::mint_into(&meter.id, deposit(8)));
		assert_ok!(Telemetry::create_stream(key, None, spec()));
		assert_eq!(held(&meter.id), deposit(8));
		assert_eq!(Balances::free_balance(&meter.id), ED);
		assert_eq!(Balances::free_balance(&ALICE), ENDOWMENT);
	});
}

#[test]
fn a_key_cannot_make_the_owner_pay() {
	test(|| {
		let meter = meter(0);
		let key = meter.key.account();
		assert_ok!(Balances::mint_into(&meter.id, deposit(8) - 1));
		assert_noop!(
			Telemetry::create_stream(signed(&key), None, spec()),
			Error::<Test>::WalletCannotPay
		);
		assert_noop!(
			Telemetry::create_stream(signed(&key), Some(meter.id), spec()),
			Error::<Test>::WalletCannotPay
		);
	});
}

#[test]
fn an_owner_who_lacks_one_unit_opens_nothing() {
	test(|| {
		let meter = meter(0);
		let poor = |amount| {
			assert_ok!(Balances::burn_from(
				&ALICE,
				Balances::free_balance(&ALICE) - amount,
				frame_support::traits::tokens::Preservation::Expendable,
				frame_support::traits::tokens::Precision::Exact,
				frame_support::traits::tokens::Fortitude::Polite,
			));
		};
		poor(ED + deposit(8) - 1);
		assert_noop!(
			Telemetry::create_stream(signed(&ALICE), Some(meter.id.clone()), spec()),
			Error::<Test>::OwnerCannotPay
		);
		assert_ok!(Balances::mint_into(&ALICE, 1));
		assert_ok!(Telemetry::create_stream(signed(&ALICE), Some(meter.id), spec()));
		assert_eq!(Balances::free_balance(&ALICE), ED);
	});
}

#[test]
fn an_empty_wallet_gets_its_living_from_the_owner_too() {
	test(|| {
		let meter = meter(0);
		let all = Balances::free_balance(&meter.id);
		assert_ok!(Balances::burn_from(
			&meter.id,
			all,
			frame_support::traits::tokens::Preservation::Expendable,
			frame_support::traits::tokens::Precision::Exact,
			frame_support::traits::tokens::Fortitude::Polite,
		));
		assert_ok!(Telemetry::create_stream(
			signed(&ALICE),
			Some(meter.id.clone()),
			spec()
		));
		assert_eq!(held(&meter.id), deposit(8));
		assert_eq!(Balances::free_balance(&meter.id), ED);
		assert_eq!(Balances::free_balance(&ALICE), ENDOWMENT - deposit(8) - ED);
	});
}

#[test]
fn the_deposit_grows_with_the_ring() {
	test(|| {
		let meter = meter(0);
		open(&meter, keeping(1));
		open(&meter, keeping(256));
		let of = |stream| Streams::<Test>::get(&meter.id, stream).map(|record| record.deposit);
		assert_eq!((of(0), of(1)), (Some(deposit(1)), Some(deposit(256))));
		// 255 entries of 184 bytes and keys of 102 at 10 each.
		assert_eq!(deposit(256) - deposit(1), 255 * (184 + 102) * 10);
		assert_eq!(held(&meter.id), deposit(1) + deposit(256));
	});
}

#[test]
fn a_unit_is_one_to_eight_printable_characters() {
	test(|| {
		meter(0);
		let with = |unit: &[u8]| StreamSpec {
			unit: BoundedVec::truncate_from(unit.to_vec()),
			..spec()
		};
		for wrong in [&b""[..], b"W h", b"W\n", b"\x7f", "\u{b0}C".as_bytes()] {
			assert_noop!(create(with(wrong)), Error::<Test>::InvalidUnit);
		}
		for right in [&b"W"[..], b"%RH", b"m3/s/dBm"] {
			assert_ok!(create(with(right)));
		}
	});
}

#[test]
fn a_cadence_of_zero_is_refused() {
	test(|| {
		meter(0);
		let with = |cadence_ms| StreamSpec { cadence_ms, ..spec() };
		assert_noop!(create(with(0)), Error::<Test>::ZeroCadence);
		assert_ok!(create(with(1)));
		assert_ok!(create(with(u32::MAX)));
	});
}

#[test]
fn a_period_of_zero_is_refused() {
	test(|| {
		meter(0);
		let with = |period_ms| StreamSpec { period_ms, ..spec() };
		assert_noop!(create(with(Some(0))), Error::<Test>::ZeroPeriod);
		assert_ok!(create(with(Some(1))));
		assert_ok!(create(with(None)));
	});
}

#[test]
fn a_plausible_range_that_holds_nothing_is_refused() {
	test(|| {
		meter(0);
		let with = |plausible_min, plausible_max| StreamSpec {
			plausible_min,
			plausible_max,
			..spec()
		};
		assert_noop!(create(with(1, 0)), Error::<Test>::InvalidRange);
		assert_ok!(create(with(0, 0)));
		assert_ok!(create(with(i64::MIN, i64::MAX)));
	});
}

#[test]
fn a_ring_keeps_one_anchor_to_the_most_allowed() {
	test(|| {
		meter(0);
		assert_noop!(create(keeping(0)), Error::<Test>::InvalidRetention);
		assert_noop!(create(keeping(257)), Error::<Test>::InvalidRetention);
		assert_noop!(create(keeping(u16::MAX)), Error::<Test>::InvalidRetention);
		assert_ok!(create(keeping(1)));
		assert_ok!(create(keeping(256)));
	});
}

#[test]
fn a_stream_begins_at_most_a_minute_ahead_of_the_clock() {
	test(|| {
		meter(0);
		let with = |not_before| StreamSpec { not_before, ..spec() };
		assert_noop!(create(with(START + 60_001)), Error::<Test>::NotBeforeInFuture);
		assert_noop!(create(with(u64::MAX)), Error::<Test>::NotBeforeInFuture);
		assert_ok!(create(with(START + 60_000)));
	});
}

#[test]
fn a_device_opens_so_many_streams_and_no_more() {
	test(|| {
		let meter = meter(0);
		for _ in 0..MaxStreams::get() {
			open(&meter, keeping(1));
		}
		assert_noop!(
			Telemetry::create_stream(signed(&ALICE), Some(meter.id.clone()), keeping(1)),
			Error::<Test>::TooManyStreams
		);
		assert_ok!(Telemetry::close_stream(signed(&ALICE), Some(meter.id.clone()), 3));
		assert_eq!(open(&meter, keeping(1)), MaxStreams::get());
		let ids: Vec<u32> = (0..=MaxStreams::get()).filter(|stream| *stream != 3).collect();
		assert_eq!(Telemetry::streams(&meter.id), ids);
	});
}

#[test]
fn stream_numbers_run_out_with_an_error() {
	test(|| {
		let meter = meter(0);
		StreamCounts::<Test>::mutate(&meter.id, |count| count.next = u32::MAX);
		assert_noop!(
			Telemetry::create_stream(signed(&ALICE), Some(meter.id), spec()),
			Error::<Test>::TooManyStreams
		);
	});
}
