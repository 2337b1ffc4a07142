//! What keys have held for streams counts on the owner's budget.

use crate::{Call, Error, WeightInfo, mock::*};
use frame_support::{assert_noop, assert_ok, dispatch::GetDispatchInfo, traits::fungible::Mutate};
use sp_runtime::DispatchResult;

/// A meter with a rich wallet, whose keys may spend `limit`.
fn limited(limit: Balance) -> Meter {
	let meter = meter(0);
	assert_ok!(Balances::mint_into(&meter.id, ENDOWMENT));
	Limit::set(&limit);
	meter
}

/// The meter opens a stream by its own key.
fn create(meter: &Meter) -> DispatchResult {
	Telemetry::create_stream(signed(&meter.key.account()), None, spec())
}

/// What the stream of [`spec`] costs.
fn deposit() -> Balance {
	let size = Telemetry::footprint(spec().retention).size;
	BasePrice::get() + BytePrice::get() * Balance::from(size)
}

#[test]
fn a_key_opens_streams_within_the_budget_and_no_further() {
	test(|| {
		let meter = limited(2 * deposit());
		assert_ok!(create(&meter));
		assert_ok!(create(&meter));
		assert_noop!(create(&meter), OVER_LIMIT);
		let booked = (meter.id.clone(), deposit());
		assert_eq!(Spent::get(), [booked.clone(), booked]);
		assert_eq!(Telemetry::streams(&meter.id), [0, 1]);
	});
}

#[test]
fn the_last_unit_of_the_budget_decides() {
	test(|| {
		let meter = limited(deposit() - 1);
		assert_noop!(create(&meter), OVER_LIMIT);
		Limit::set(&deposit());
		assert_ok!(create(&meter));
	});
}

#[test]
fn the_owner_is_not_limited_and_what_he_opens_is_not_counted() {
	test(|| {
		let meter = limited(0);
		open(&meter, spec());
		assert_noop!(create(&meter), OVER_LIMIT);
		assert!(Spent::get().is_empty());
	});
}

#[test]
fn opening_and_closing_in_a_circle_ends_with_the_budget() {
	test(|| {
		let meter = limited(3 * deposit() + TOMBSTONE);
		let issued = Balances::total_issuance();
		for stream in 0..3 {
			assert_ok!(create(&meter));
			assert_ok!(close(&meter.key.account(), None, stream));
		}
		assert_noop!(create(&meter), OVER_LIMIT);
		assert_eq!(Balances::total_issuance(), issued - 3 * TOMBSTONE);
		assert_eq!(Balances::free_balance(&meter.id), ED + ENDOWMENT - 3 * TOMBSTONE);
	});
}

#[test]
fn a_wallet_without_money_is_named_before_the_budget() {
	test(|| {
		let meter = meter(0);
		Limit::set(&0);
		assert_noop!(create(&meter), Error::<Test>::WalletCannotPay);
	});
}

#[test]
fn asking_for_the_budget_is_part_of_the_weight() {
	let call = Call::<Test>::create_stream {
		device: None,
		spec: spec(),
	};
	assert_eq!(
		call.get_dispatch_info().call_weight,
		<() as WeightInfo>::create_stream().saturating_add(SPEND_WEIGHT)
	);
}
