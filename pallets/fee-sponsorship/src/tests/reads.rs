//! What clients can ask.

use crate::{MAX_PAGE, mock::*};
use frame_support::assert_ok;
use m2m_device::{Beneficiary, DeviceStatus};
use std::collections::BTreeSet;

#[test]
fn what_remains_agrees_with_what_is_taken() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let own = sponsor(&device);
		let of_owner = Offer::to(Beneficiary::Owner(ALICE)).taken();
		let before = FeeSponsorship::sponsored(&device.id);
		assert_eq!(
			before.iter().map(|rest| rest.sponsorship).collect::<Vec<_>>(),
			[own, of_owner]
		);
		// The deposit of the first bucket is not for fees.
		assert_eq!(before[0].pot, 1_000_000 - FeeSponsorship::bucket_deposit());
		assert_eq!(before[0].bucket, 10_000);
		send(&device.key, report(100));
		let after = FeeSponsorship::sponsored(&device.id);
		let fee = last_fee().1;
		assert_eq!(after[0].bucket, 10_000 - fee);
		assert_eq!(after[0].pot, before[0].pot - fee);
		assert_eq!(after[1], before[1]);
		let (_, pot, attached) = FeeSponsorship::sponsorship(own).expect("it exists");
		assert_eq!((pot, attached), (after[0].pot, true));
	});
}

#[test]
fn nothing_remains_for_what_cannot_act() {
	ExtBuilder::execute(|| {
		let device = device(1);
		fund(&device.id, 1_000);
		sponsor(&device);
		assert_ok!(FeeSponsorship::set_budget(
			signed(&ALICE),
			device.id.clone(),
			5,
			DAY
		));
		assert_eq!(FeeSponsorship::sponsored(&device.id).len(), 1);
		assert!(FeeSponsorship::budget_left(&device.id).is_some());
		assert_eq!(FeeSponsorship::wallet_left(&device.id), 1_000);
		for status in [DeviceStatus::Suspended, DeviceStatus::Retired] {
			device.set(&ALICE, 0, status);
			assert!(FeeSponsorship::sponsored(&device.id).is_empty());
			assert_eq!(FeeSponsorship::budget_left(&device.id), None);
			assert_eq!(FeeSponsorship::wallet_left(&device.id), 0);
		}
		assert!(FeeSponsorship::sponsored(&Device::number(9).id).is_empty());
	});
}

#[test]
fn an_expired_or_ended_sponsorship_is_not_listed() {
	ExtBuilder::execute(|| {
		let device = device(1);
		Offer {
			expires: Some(now() + BLOCK_MS),
			..Offer::to(device.beneficiary())
		}
		.taken();
		assert_eq!(FeeSponsorship::sponsored(&device.id).len(), 1);
		advance(2);
		assert!(FeeSponsorship::sponsored(&device.id).is_empty());
		sponsor(&device);
		device.set(&ALICE, 1, DeviceStatus::Active);
		assert!(FeeSponsorship::sponsored(&device.id).is_empty());
	});
}

#[test]
fn a_sponsors_offers_are_listed_in_pages() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let made: BTreeSet<u32> = (0..7).map(|_| Offer::to(device.beneficiary()).make()).collect();
		assert_ok!(Offer::to(device.beneficiary()).make_by(&BOB));
		let mut seen = Vec::new();
		loop {
			let page = FeeSponsorship::sponsorships_of(&SPONSOR, seen.last().copied(), 3);
			assert!(page.len() <= 3);
			if page.is_empty() {
				break;
			}
			seen.extend(page);
		}
		assert_eq!(seen.len(), 7);
		assert_eq!(seen.iter().copied().collect::<BTreeSet<_>>(), made);
		// A page goes on after one that is gone.
		assert_ok!(FeeSponsorship::close(signed(&SPONSOR), seen[2]));
		assert_eq!(
			FeeSponsorship::sponsorships_of(&SPONSOR, Some(seen[2]), u32::MAX),
			seen[3..]
		);
		const { assert!(MAX_PAGE >= 7) };
	});
}
