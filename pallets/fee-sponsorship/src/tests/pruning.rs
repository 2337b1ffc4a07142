//! Buckets come with the first fee, their deposit lies in the pot, and they go when they say nothing.

use crate::{Buckets, Error, Event, Sponsorships, mock::*};
use frame_support::{BoundedVec, assert_noop, assert_ok, traits::ConstU32};
use m2m_device::{Beneficiary, DeviceId, DeviceStatus};

fn list(devices: &[&Device]) -> BoundedVec<DeviceId, ConstU32<{ crate::MAX_PRUNED }>> {
	BoundedVec::truncate_from(devices.iter().map(|device| device.id.clone()).collect())
}

fn prune(number: u32, devices: &[&Device]) -> sp_runtime::DispatchResult {
	FeeSponsorship::prune_buckets(signed(&BOB), number, list(devices))
}

#[test]
fn a_bucket_appears_with_the_first_fee_and_not_before() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = sponsor(&device);
		assert_ok!(validate(&device.key, &report(1)));
		assert!(!Buckets::<Test>::contains_key(number, &device.id));
		send(&device.key, report(1));
		send(&device.key, report(1));
		assert_eq!(Buckets::<Test>::iter().count(), 1);
		assert_eq!(
			Sponsorships::<Test>::get(number).map(|record| record.buckets),
			Some(1)
		);
	});
}

#[test]
fn a_pot_that_cannot_set_the_deposit_aside_takes_no_further_device() {
	ExtBuilder::execute(|| {
		let (first, second) = (device(1), device(2));
		let fee = most(&report(100));
		let number = Offer {
			amount: FeeSponsorship::bucket_deposit() + 2 * fee,
			..Offer::to(Beneficiary::Owner(ALICE))
		}
		.taken();
		send(&first.key, report(100));
		// Enough for its fee, but not for its deposit besides.
		assert!(FeeSponsorship::bucket_deposit() > fee);
		assert!(validate(&second.key, &report(100)).is_err());
		assert_ok!(validate(&first.key, &report(100)));
		assert_ok!(FeeSponsorship::top_up(
			signed(&BOB),
			number,
			FeeSponsorship::bucket_deposit()
		));
		assert_ok!(validate(&second.key, &report(100)));
	});
}

#[test]
fn only_full_buckets_of_an_open_sponsorship_are_pruned() {
	ExtBuilder::execute(|| {
		let (device, other) = (device(1), device(2));
		let number = sponsor(&device);
		assert_noop!(prune(number, &[]), Error::<Test>::NoSuchBucket);
		assert_noop!(prune(number, &[&device]), Error::<Test>::NoSuchBucket);
		send(&device.key, report(100));
		assert_noop!(prune(number, &[&device]), Error::<Test>::BucketNotFull);
		let blocks = (10_000 - bucket_left(number, &device)).div_ceil(10) as u64;
		advance(blocks - 1);
		assert_noop!(prune(number, &[&device]), Error::<Test>::BucketNotFull);
		advance(1);
		assert_noop!(prune(number, &[&device, &other]), Error::<Test>::NoSuchBucket);
		assert_noop!(prune(number, &[&device, &device]), Error::<Test>::NoSuchBucket);
		assert_ok!(prune(number, &[&device]));
		assert_eq!(Buckets::<Test>::iter().count(), 0);
		assert!(events().contains(&Event::BucketsPruned {
			sponsorship: number,
			buckets: 1,
			returned: 0,
		}));
		assert_eq!(bucket_left(number, &device), 10_000);
	});
}

#[test]
fn pruning_needs_a_signature() {
	ExtBuilder::execute(|| {
		let number = sponsor(&device(1));
		assert_noop!(
			FeeSponsorship::prune_buckets(RuntimeOrigin::none(), number, list(&[])),
			sp_runtime::DispatchError::BadOrigin
		);
	});
}

#[test]
fn the_last_bucket_of_a_closed_sponsorship_takes_everything_along() {
	ExtBuilder::execute(|| {
		let devices = [device(1), device(2), device(3)];
		let before = free(&SPONSOR);
		let number = Offer::to(Beneficiary::Owner(ALICE)).taken();
		let mut fees = 0;
		for device in &devices {
			send(&device.key, report(100));
			fees += last_fee().1;
		}
		assert_ok!(FeeSponsorship::close(signed(&SPONSOR), number));
		assert_ok!(prune(number, &[&devices[0], &devices[1]]));
		assert!(Sponsorships::<Test>::contains_key(number));
		let rest = free(&FeeSponsorship::pot(number));
		assert_ok!(prune(number, &[&devices[2]]));
		assert!(!Sponsorships::<Test>::contains_key(number));
		assert!(!System::account_exists(&FeeSponsorship::pot(number)));
		assert_eq!(free(&SPONSOR), before - fees);
		assert!(events().contains(&Event::BucketsPruned {
			sponsorship: number,
			buckets: 1,
			returned: rest,
		}));
		assert_noop!(prune(number, &[&devices[2]]), Error::<Test>::UnknownSponsorship);
	});
}

#[test]
fn the_rest_of_a_pot_arrives_even_if_the_sponsor_is_gone() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = sponsor(&device);
		send(&device.key, report(100));
		assert_ok!(FeeSponsorship::close(signed(&SPONSOR), number));
		assert_ok!(Balances::transfer_all(signed(&SPONSOR), BOB, false));
		assert!(!System::account_exists(&SPONSOR));
		let rest = free(&FeeSponsorship::pot(number));
		assert_ok!(prune(number, &[&device]));
		assert_eq!(free(&SPONSOR), rest);
	});
}

#[test]
fn the_bucket_of_a_retired_device_is_pruned_though_it_never_fills_again() {
	ExtBuilder::execute(|| {
		let (retired, lives) = (device(1), device(2));
		let number = Offer {
			refill: 0,
			..Offer::to(Beneficiary::Owner(ALICE))
		}
		.taken();
		for device in [&retired, &lives] {
			send(&device.key, report(100));
		}
		advance(1_000);
		assert_noop!(prune(number, &[&retired]), Error::<Test>::BucketNotFull);
		retired.set(&ALICE, 0, DeviceStatus::Retired);
		assert_noop!(prune(number, &[&retired, &lives]), Error::<Test>::BucketNotFull);
		assert_ok!(prune(number, &[&retired]));
		assert!(!Buckets::<Test>::contains_key(number, &retired.id));
		assert!(Buckets::<Test>::contains_key(number, &lives.id));
	});
}
