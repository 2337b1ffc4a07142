//! What bounds a device: its bucket, the pot, the expiry. Refused before inclusion, not failed after.

use crate::{Bucket, Buckets, mock::*, payer::Payer};
use frame_support::assert_ok;
use m2m_device::Beneficiary;
use sp_runtime::{
	traits::{DispatchTransaction, TransactionExtension},
	transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidityError},
};

const PAYMENT: TransactionValidityError = TransactionValidityError::Invalid(InvalidTransaction::Payment);

/// Leaves so much in a device's bucket.
fn leave(number: u32, device: &Device, left: Balance) {
	let bucket = Bucket {
		spent: 10_000 - left,
		block: System::block_number(),
	};
	send(&device.key, report(1));
	Buckets::<Test>::insert(number, &device.id, bucket);
}

#[test]
fn a_bucket_pays_to_its_last_unit_and_not_one_more() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = sponsor(&device);
		let fee = most(&report(1_000));
		leave(number, &device, fee);
		assert_ok!(validate(&device.key, &report(1_000)));
		leave(number, &device, fee - 1);
		let pot = free(&FeeSponsorship::pot(number));
		assert_eq!(validate(&device.key, &report(1_000)), Err(PAYMENT));
		assert_eq!(apply(&device.key, report(1_000)), Err(PAYMENT));
		assert_eq!(free(&FeeSponsorship::pot(number)), pot);
		// A block brings ten.
		advance(1);
		assert_ok!(validate(&device.key, &report(1_000)));
	});
}

#[test]
fn several_transactions_in_one_block_share_the_bucket() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = sponsor(&device);
		let pot = FeeSponsorship::pot(number);
		let before = free(&pot);
		// Each of them is valid in the pool, for none is in a block.
		for _ in 0..20 {
			assert_ok!(validate(&device.key, &report(1_000)));
		}
		let taken = (0..20)
			.map(|_| apply(&device.key, report(1_000)))
			.take_while(Result::is_ok)
			.count();
		assert!(taken > 2 && taken < 20, "{taken}");
		assert!(before - free(&pot) <= 10_000);
		assert_eq!(bucket_left(number, &device), 10_000 - (before - free(&pot)));
		assert_eq!(validate(&device.key, &report(1_000)), Err(PAYMENT));
	});
}

#[test]
fn what_was_valid_when_it_was_chosen_is_checked_again_when_it_is_booked() {
	ExtBuilder::execute(|| {
		let (sponsored, budgeted) = (device(1), device(2));
		let number = sponsor(&sponsored);
		fund(&budgeted.id, ENDOWMENT / 10);
		assert_ok!(FeeSponsorship::set_budget(
			signed(&ALICE),
			budgeted.id.clone(),
			most(&report(1)),
			DAY
		));
		for device in [&sponsored, &budgeted] {
			let call = report(1);
			let info = info(&call, 0);
			let (_, val, origin) = extension(0)
				.validate_only(
					signed(&device.key),
					&call,
					&info,
					LENGTH,
					TransactionSource::InBlock,
					0,
				)
				.expect("it is valid");
			// Something else uses it up in between.
			if device == &sponsored {
				leave(number, device, 0);
			} else {
				send(&device.key, report(1_000));
			}
			let prepared = extension(0).prepare(val, &origin, &call, &info, LENGTH);
			assert_eq!(prepared.map(drop), Err(PAYMENT));
		}
		let fee = crate::payer::Fee { real: 1, at_one: 1 };
		let gone = Payer::Sponsorship {
			sponsorship: 77,
			device: sponsored.id,
		};
		assert_eq!(FeeSponsorship::book(&gone, fee), None);
	});
}

#[test]
fn a_pot_never_goes_below_its_deposits() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let fee = most(&report(1_000));
		let number = Offer {
			capacity: Balance::MAX,
			amount: FeeSponsorship::bucket_deposit() + 3 * fee,
			..Offer::to(device.beneficiary())
		}
		.taken();
		let pot = FeeSponsorship::pot(number);
		let floor = free(&pot) - 3 * fee;
		while apply(&device.key, report(1_000)).is_ok() {
			assert!(free(&pot) >= floor);
		}
		assert!(free(&pot) - floor < fee);
		assert_eq!(validate(&device.key, &report(1_000)), Err(PAYMENT));
		// One unit short of the fee is still too little, the unit itself is not.
		let short = fee - (free(&pot) - floor);
		if short > 1 {
			assert_ok!(FeeSponsorship::top_up(signed(&BOB), number, short - 1));
			assert_eq!(validate(&device.key, &report(1_000)), Err(PAYMENT));
		}
		assert_ok!(FeeSponsorship::top_up(signed(&BOB), number, 1));
		assert_ok!(validate(&device.key, &report(1_000)));
	});
}

#[test]
fn each_device_of_an_owner_has_a_bucket_of_its_own() {
	ExtBuilder::execute(|| {
		let (first, second) = (device(1), device(2));
		let number = Offer::to(Beneficiary::Owner(ALICE)).taken();
		leave(number, &first, 0);
		assert_eq!(validate(&first.key, &report(1)), Err(PAYMENT));
		assert_ok!(validate(&second.key, &report(1)));
		assert_eq!(bucket_left(number, &second), 10_000);
	});
}

#[test]
fn taking_a_sponsorship_again_does_not_fill_its_bucket() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = sponsor(&device);
		leave(number, &device, 0);
		let other = sponsor(&device);
		assert_ok!(validate(&device.key, &report(1)));
		assert_ok!(FeeSponsorship::detach(signed(&ALICE), other));
		assert_ok!(FeeSponsorship::attach(signed(&ALICE), number));
		assert_eq!(validate(&device.key, &report(1)), Err(PAYMENT));
	});
}

#[test]
fn a_sponsorship_pays_up_to_its_last_moment() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = Offer {
			expires: Some(now() + 2 * BLOCK_MS),
			..Offer::to(device.beneficiary())
		}
		.taken();
		advance(2);
		send(&device.key, report(1));
		let pot = free(&FeeSponsorship::pot(number));
		advance(1);
		assert_eq!(validate(&device.key, &report(1)), Err(PAYMENT));
		assert_eq!(apply(&device.key, report(1)), Err(PAYMENT));
		assert_eq!(free(&FeeSponsorship::pot(number)), pot);
	});
}

#[test]
fn centuries_of_silence_fill_a_bucket_and_do_not_overflow_it() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = Offer {
			refill: Balance::MAX / 2,
			..Offer::to(device.beneficiary())
		}
		.taken();
		leave(number, &device, 0);
		System::set_block_number(u64::MAX);
		assert_eq!(bucket_left(number, &device), 10_000);
		send(&device.key, report(1));
		assert!(bucket_left(number, &device) < 10_000);
	});
}
