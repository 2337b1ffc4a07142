//! Who pays, in which order, and who gets back what was too much.

use crate::{Event, mock::*};
use frame_support::{assert_ok, dispatch::DispatchClass, traits::Get, weights::Weight};
use frame_system::limits::BlockWeights;
use m2m_device::{Beneficiary, DeviceStatus};
use pallet_transaction_payment::Multiplier;
use sp_runtime::{
	FixedPointNumber, FixedU128,
	traits::DispatchTransaction,
	transaction_validity::{InvalidTransaction, TransactionValidityError},
};

const PAYMENT: TransactionValidityError = TransactionValidityError::Invalid(InvalidTransaction::Payment);

/// What `who` pays for a call.
fn cost(who: &m2m_device::AccountId, act: impl FnOnce()) -> i128 {
	let before = free(who) as i128;
	act();
	before - free(who) as i128
}

#[test]
fn a_key_without_money_acts_at_the_sponsors_cost() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = sponsor(&device);
		let pot = FeeSponsorship::pot(number);
		assert_eq!(free(&device.key), 0);
		let paid = cost(&pot, || send(&device.key, report(100)));
		assert_eq!(last_fee(), (pot, paid as Balance));
		assert_eq!(free(&device.key), 0);
		assert_eq!(free(&device.id), ED);
		assert!(events().contains(&Event::FeeSponsored {
			sponsorship: number,
			device: device.id,
			fee: paid as Balance,
		}));
	});
}

#[test]
fn the_devices_own_sponsorship_pays_before_that_of_its_owner() {
	ExtBuilder::execute(|| {
		let (sponsored, sibling) = (device(1), device(2));
		let own = sponsor(&sponsored);
		let of_owner = Offer::to(Beneficiary::Owner(ALICE)).taken();
		send(&sponsored.key, report(100));
		assert_eq!(last_fee().0, FeeSponsorship::pot(own));
		send(&sibling.key, report(100));
		assert_eq!(last_fee().0, FeeSponsorship::pot(of_owner));
	});
}

#[test]
fn an_empty_pot_never_silences_a_device_that_could_pay_otherwise() {
	ExtBuilder::execute(|| {
		let device = device(1);
		fund(&device.key, ENDOWMENT / 10);
		fund(&device.id, ENDOWMENT / 10);
		assert_ok!(FeeSponsorship::set_budget(
			signed(&ALICE),
			device.id.clone(),
			5_000,
			DAY
		));
		// Three with too little: too small a pot, too small a bucket, and one for other calls.
		let empty = Offer {
			amount: 1,
			..Offer::to(device.beneficiary())
		};
		empty.taken();
		Offer {
			capacity: 1,
			..Offer::to(Beneficiary::Owner(ALICE))
		}
		.taken();
		send(&device.key, report(100));
		assert_eq!(last_fee().0, device.id);
		Offer {
			calls: vec![CallGroup::Remarks],
			..Offer::to(Beneficiary::Owner(ALICE))
		}
		.taken();
		send(&device.key, report(100));
		assert_eq!(last_fee().0, device.id);
		// The owner's sponsorship comes second, and helps if the device's own cannot.
		let good = Offer::to(Beneficiary::Owner(ALICE)).taken();
		send(&device.key, report(100));
		assert_eq!(last_fee().0, FeeSponsorship::pot(good));
		// When the budget is gone too, the key pays for itself.
		assert_ok!(FeeSponsorship::detach(signed(&ALICE), good));
		assert_ok!(FeeSponsorship::set_budget(
			signed(&ALICE),
			device.id.clone(),
			1,
			DAY
		));
		send(&device.key, report(100));
		assert_eq!(last_fee().0, device.key);
	});
}

#[test]
fn a_foreign_pot_changes_nothing_for_a_device() {
	ExtBuilder::execute(|| {
		let device = device(1);
		fund(&device.key, ENDOWMENT / 10);
		// Offered to it, but nobody took it; and one of somebody else's.
		Offer::to(device.beneficiary()).make();
		assert_ok!(Offer::to(Beneficiary::Owner(BOB)).make_by(&BOB));
		assert_ok!(FeeSponsorship::attach(signed(&BOB), 1));
		send(&device.key, report(100));
		assert_eq!(last_fee().0, device.key);
	});
}

#[test]
fn nobody_who_could_pay_means_refused_before_inclusion() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = sponsor(&device);
		let before = free(&FeeSponsorship::pot(number));
		for call in [remark(), transfer()] {
			assert_eq!(validate(&device.key, &call), Err(PAYMENT));
			assert_eq!(apply(&device.key, call), Err(PAYMENT));
		}
		assert_eq!(free(&FeeSponsorship::pot(number)), before);
	});
}

#[test]
fn the_wallet_pays_within_its_budget_for_any_call() {
	ExtBuilder::execute(|| {
		let device = device(1);
		fund(&device.id, ENDOWMENT / 10);
		// No budget: the wallet is rich and pays nothing.
		assert_eq!(validate(&device.key, &transfer()), Err(PAYMENT));
		let limit = 2 * most(&remark());
		assert_ok!(FeeSponsorship::set_budget(
			signed(&ALICE),
			device.id.clone(),
			limit,
			DAY
		));
		let paid = cost(&device.id, || send(&device.key, remark()));
		assert_eq!(last_fee(), (device.id.clone(), paid as Balance));
		let (_, left, _) = FeeSponsorship::budget_left(&device.id).expect("it is set");
		// What the call did not need is back on the budget.
		assert!((paid as Balance) < most(&remark()));
		assert_eq!(left, limit - paid as Balance);
	});
}

#[test]
fn a_wallet_without_money_is_passed_over() {
	ExtBuilder::execute(|| {
		let device = device(1);
		assert_ok!(FeeSponsorship::set_budget(
			signed(&ALICE),
			device.id.clone(),
			1_000_000,
			DAY
		));
		assert_eq!(validate(&device.key, &report(1)), Err(PAYMENT));
		// The existential deposit is not touched: just enough is enough, one less is not.
		let fee = most(&report(1));
		fund(&device.id, fee - 1);
		assert_eq!(validate(&device.key, &report(1)), Err(PAYMENT));
		fund(&device.id, 1);
		assert_ok!(validate(&device.key, &report(1)));
		send(&device.key, report(1));
		assert_eq!(last_fee().0, device.id);
		assert!(free(&device.id) >= ED);
	});
}

#[test]
fn a_tip_makes_the_signer_pay_all() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = sponsor(&device);
		let pot = free(&FeeSponsorship::pot(number));
		assert_eq!(apply_with_tip(&device.key, report(1), 5), Err(PAYMENT));
		fund(&device.key, ENDOWMENT / 10);
		assert_ok!(apply_with_tip(&device.key, report(1), 5).expect("the key can pay"));
		assert_eq!(last_fee().0, device.key);
		assert_eq!(free(&FeeSponsorship::pot(number)), pot);
	});
}

#[test]
fn refunds_go_back_to_whoever_paid() {
	ExtBuilder::execute(|| {
		let (sponsored, budgeted, alone) = (device(1), device(2), device(3));
		let pot = FeeSponsorship::pot(sponsor(&sponsored));
		fund(&budgeted.id, ENDOWMENT / 10);
		assert_ok!(FeeSponsorship::set_budget(
			signed(&ALICE),
			budgeted.id.clone(),
			1_000_000,
			DAY
		));
		fund(&alone.key, ENDOWMENT / 10);
		let author = free(&AUTHOR);
		let mut fees = 0;
		for (key, payer) in [
			(&sponsored.key, &pot),
			(&budgeted.key, &budgeted.id),
			(&alone.key, &alone.key),
			(&ALICE, &ALICE),
		] {
			// The call declares 1,000 microseconds, so the two differ by 900.
			let [much, little] = [1_000, 100].map(|micros| cost(payer, || send(key, report(micros))));
			// The first use of a bucket is the only other difference, and the mock's database is free.
			assert_eq!(much - little, 900);
			assert_eq!(last_fee(), (payer.clone(), little as Balance));
			fees += much + little;
		}
		assert_eq!(free(&AUTHOR) - author, fees as Balance);
	});
}

#[test]
fn a_failing_call_is_charged_like_any_other() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = sponsor(&device);
		let pot = FeeSponsorship::pot(number);
		let [good, bad] = [false, true].map(|fail| {
			let call = fleet::Call::report {
				micros: 100,
				fail,
				free: false,
			};
			cost(&pot, || {
				let applied = apply(&device.key, call.into()).expect("it is valid");
				assert_eq!(applied.is_err(), fail);
			})
		});
		assert_eq!(good, bad);
		assert_eq!(bucket_left(number, &device), 10_000 - 2 * good as Balance);
	});
}

#[test]
fn a_call_that_turns_out_free_costs_neither_pot_nor_bucket() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = sponsor(&device);
		let call = fleet::Call::report {
			micros: 100,
			fail: false,
			free: true,
		};
		assert_eq!(
			cost(&FeeSponsorship::pot(number), || send(&device.key, call.into())),
			0
		);
		assert_eq!(bucket_left(number, &device), 10_000);
	});
}

#[test]
fn a_call_without_a_fee_needs_no_payer() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let call: RuntimeCall = fleet::Call::greet {}.into();
		assert_ok!(validate(&device.key, &call));
		send(&device.key, call);
		assert_eq!(last_fee(), (device.key, 0));
	});
}

#[test]
fn a_transaction_without_a_signer_is_left_alone() {
	ExtBuilder::execute(|| {
		let call = report(100);
		let info = info(&call, 0);
		let applied = extension(0)
			.dispatch_transaction(RuntimeOrigin::root(), call, &info, LENGTH, 0)
			.expect("root needs no money")
			.expect("it works");
		// Nobody pays, and the extension uses nothing of its weight.
		assert_eq!(applied.actual_weight, Some(Weight::from_parts(100_000_000, 0)));
		assert!(System::events().is_empty());
	});
}

#[test]
fn ordinary_accounts_pay_for_one_look_up_and_no_more() {
	ExtBuilder::execute(|| {
		use crate::WeightInfo;
		let applied = apply(&ALICE, report(100))
			.expect("she can pay")
			.expect("it works");
		let call = Weight::from_parts(100_000_000, 0);
		assert_eq!(applied.actual_weight, Some(call + <()>::charge_account()));
		// And pays exactly for that: 100 bytes, the base weight and what was used.
		let limits: BlockWeights = <Test as frame_system::Config>::BlockWeights::get();
		let base = TransactionPayment::weight_to_fee(limits.get(DispatchClass::Normal).base_extrinsic);
		let used = TransactionPayment::weight_to_fee(applied.actual_weight.expect("it is known"));
		assert_eq!(last_fee(), (ALICE, base + LENGTH as Balance + used));
	});
}

#[test]
fn every_way_through_the_extension_is_charged_at_its_own_weight() {
	ExtBuilder::execute(|| {
		use crate::WeightInfo;
		let device = device(1);
		let used = |key| {
			let applied = apply(key, report(100)).expect("it is valid").expect("it works");
			applied.actual_weight.expect("it is known") - Weight::from_parts(100_000_000, 0)
		};
		fund(&device.key, ENDOWMENT / 10);
		assert_eq!(used(&device.key), <()>::charge_wallet(0));
		let own = sponsor(&device);
		assert_eq!(used(&device.key), <()>::charge_sponsored(1));
		Offer {
			capacity: 1,
			..Offer::to(device.beneficiary())
		}
		.taken();
		Offer::to(Beneficiary::Owner(ALICE)).taken();
		assert_eq!(used(&device.key), <()>::charge_sponsored(2));
		assert_ok!(FeeSponsorship::attach(signed(&ALICE), own));
		assert_eq!(used(&device.key), <()>::charge_sponsored(1));
	});
}

#[test]
fn the_multiplier_raises_what_the_pot_pays_but_not_what_the_bucket_counts() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = sponsor(&device);
		let pot = FeeSponsorship::pot(number);
		let mut seen = Vec::new();
		for multiplier in [1, 5] {
			set_multiplier(Multiplier::saturating_from_integer(multiplier));
			let before = bucket_left(number, &device);
			let paid = cost(&pot, || send(&device.key, report(100)));
			seen.push((paid as Balance, before - bucket_left(number, &device)));
		}
		let [(first, counted), (later, counted_later)] = seen[..] else {
			panic!("two fees")
		};
		assert_eq!(first, counted);
		assert_eq!(counted, counted_later);
		assert!(later > 3 * first);
	});
}

#[test]
fn fees_beyond_all_numbers_are_refused_and_nothing_overflows() {
	ExtBuilder::execute(|| {
		let device = device(1);
		Offer {
			capacity: Balance::MAX,
			refill: Balance::MAX,
			..Offer::to(device.beneficiary())
		}
		.taken();
		set_multiplier(FixedU128::from_inner(u128::MAX));
		assert_eq!(validate(&device.key, &report(1)), Err(PAYMENT));
		set_multiplier(Multiplier::saturating_from_integer(1));
		advance(1_000_000_000);
		send(&device.key, report(1));
	});
}

#[test]
fn only_active_devices_and_acting_keys_are_sponsored() {
	ExtBuilder::execute(|| {
		let device = device(1);
		sponsor(&device);
		Offer::to(Beneficiary::Owner(ALICE)).taken();
		for status in [DeviceStatus::Suspended, DeviceStatus::Lost, DeviceStatus::Retired] {
			device.set(&ALICE, 0, status);
			assert_eq!(validate(&device.key, &report(1)), Err(PAYMENT), "{status:?}");
		}
		device.set(&ALICE, 0, DeviceStatus::Active);
		assert_ok!(validate(&device.key, &report(1)));
		fleet::Keys::<Test>::remove(&device.key);
		assert_eq!(validate(&device.key, &report(1)), Err(PAYMENT));
	});
}

#[test]
fn sponsorship_and_budget_end_with_the_devices_generation() {
	ExtBuilder::execute(|| {
		let device = device(1);
		fund(&device.id, ENDOWMENT / 10);
		sponsor(&device);
		let of_owner = Offer::to(Beneficiary::Owner(ALICE)).taken();
		assert_ok!(FeeSponsorship::set_budget(
			signed(&ALICE),
			device.id.clone(),
			1_000_000,
			DAY
		));
		device.set(&BOB, 1, DeviceStatus::Active);
		assert_eq!(validate(&device.key, &report(1)), Err(PAYMENT));
		// Back with Alice, only what she has for all her devices counts again.
		device.set(&ALICE, 2, DeviceStatus::Active);
		send(&device.key, report(1));
		assert_eq!(last_fee().0, FeeSponsorship::pot(of_owner));
		assert_ok!(FeeSponsorship::detach(signed(&ALICE), of_owner));
		assert_eq!(validate(&device.key, &report(1)), Err(PAYMENT));
	});
}

#[test]
fn the_pool_orders_sponsored_transactions_like_all_others() {
	ExtBuilder::execute(|| {
		let device = device(1);
		sponsor(&device);
		let call = report(1);
		let sponsored = validate(&device.key, &call).expect("the pot pays");
		let ordinary = validate(&ALICE, &call).expect("she pays");
		assert_eq!(sponsored, ordinary);
		assert!(sponsored.priority > 0);
	});
}
