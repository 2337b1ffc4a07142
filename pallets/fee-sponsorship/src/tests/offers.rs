//! Offering, taking, topping up and closing.

use crate::{Attached, Error, Event, NextSponsorship, SponsoredBy, Sponsorships, mock::*};
use frame_support::{
	assert_noop, assert_ok,
	traits::{fungible::Mutate, tokens::Preservation::Preserve},
};
use m2m_device::{Beneficiary, DeviceStatus};

#[test]
fn an_offer_fills_a_pot_and_pays_nothing_until_it_is_taken() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let before = free(&SPONSOR);
		let number = Offer::to(device.beneficiary()).make();
		let record = Sponsorships::<Test>::get(number).expect("it was made");
		let pot = FeeSponsorship::pot(number);
		assert_eq!(free(&pot), ED + record.deposit + 1_000_000);
		assert_eq!(free(&SPONSOR), before - free(&pot));
		assert!(record.deposit > 0 && record.bucket_deposit > 0);
		assert_eq!(
			events(),
			[Event::SponsorshipOffered {
				sponsorship: number,
				sponsor: SPONSOR,
				beneficiary: device.beneficiary(),
				pot,
				amount: 1_000_000,
			}]
		);
		assert!(validate(&device.key, &report(1)).is_err());
		assert_ok!(FeeSponsorship::attach(signed(&ALICE), number));
		assert_ok!(validate(&device.key, &report(1)));
	});
}

#[test]
fn pots_are_different_accounts() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let [first, second] = [(); 2].map(|()| Offer::to(device.beneficiary()).make());
		assert_ne!(FeeSponsorship::pot(first), FeeSponsorship::pot(second));
	});
}

#[test]
fn an_offer_that_makes_no_sense_is_refused() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let good = Offer::to(device.beneficiary());
		for (offer, error) in [
			(
				Offer {
					calls: vec![],
					..good.clone()
				},
				Error::<Test>::EmptyAllowList,
			),
			(
				Offer {
					capacity: 0,
					..good.clone()
				},
				Error::ZeroCapacity,
			),
			(
				Offer {
					expires: Some(now()),
					..good.clone()
				},
				Error::AlreadyExpired,
			),
			(
				Offer {
					amount: 0,
					..good.clone()
				},
				Error::ZeroAmount,
			),
			(Offer::to(Device::number(9).beneficiary()), Error::UnknownDevice),
			(
				Offer {
					amount: Balance::MAX,
					..good.clone()
				},
				Error::CannotPay,
			),
			(
				Offer {
					amount: ENDOWMENT,
					..good.clone()
				},
				Error::CannotPay,
			),
		] {
			assert_noop!(offer.make_by(&SPONSOR), error);
		}
		assert_noop!(
			FeeSponsorship::offer(
				RuntimeOrigin::none(),
				device.beneficiary(),
				vec![CallGroup::Reports].try_into().expect("one"),
				1,
				1,
				None,
				1
			),
			sp_runtime::DispatchError::BadOrigin
		);
	});
}

#[test]
fn a_retired_device_gets_no_offers() {
	ExtBuilder::execute(|| {
		let device = device(1);
		device.set(&ALICE, 0, DeviceStatus::Retired);
		assert_noop!(
			Offer::to(device.beneficiary()).make_by(&SPONSOR),
			Error::<Test>::UnknownDevice
		);
	});
}

#[test]
fn numbers_of_sponsorships_are_never_given_out_twice() {
	ExtBuilder::execute(|| {
		let device = device(1);
		NextSponsorship::<Test>::put(u32::MAX);
		assert_noop!(
			Offer::to(device.beneficiary()).make_by(&SPONSOR),
			Error::<Test>::NumbersExhausted
		);
	});
}

#[test]
fn only_the_owner_takes_a_sponsorship_and_gives_it_back() {
	ExtBuilder::execute(|| {
		let device = device(1);
		for beneficiary in [device.beneficiary(), Beneficiary::Owner(ALICE)] {
			let number = Offer::to(beneficiary.clone()).make();
			for stranger in [&BOB, &SPONSOR, &device.key] {
				assert_noop!(
					FeeSponsorship::attach(signed(stranger), number),
					Error::<Test>::NotOwner
				);
			}
			assert_noop!(
				FeeSponsorship::detach(signed(&ALICE), number),
				Error::<Test>::NotAttached
			);
			assert_ok!(FeeSponsorship::attach(signed(&ALICE), number));
			assert_eq!(Attached::<Test>::get(beneficiary.account()), Some(number));
			assert_noop!(
				FeeSponsorship::attach(signed(&ALICE), number),
				Error::<Test>::AlreadyAttached
			);
			assert_noop!(
				FeeSponsorship::detach(signed(&SPONSOR), number),
				Error::<Test>::NotOwner
			);
			assert_ok!(FeeSponsorship::detach(signed(&ALICE), number));
			assert_eq!(Attached::<Test>::get(beneficiary.account()), None);
			let last_two = events();
			assert!(last_two.ends_with(&[
				Event::SponsorshipAttached {
					sponsorship: number,
					beneficiary: beneficiary.clone(),
				},
				Event::SponsorshipDetached {
					sponsorship: number,
					beneficiary,
				},
			]));
		}
	});
}

#[test]
fn what_is_attached_later_takes_the_place() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let first = sponsor(&device);
		let second = sponsor(&device);
		assert_eq!(Attached::<Test>::get(&device.id), Some(second));
		assert_noop!(
			FeeSponsorship::detach(signed(&ALICE), first),
			Error::<Test>::NotAttached
		);
		assert_ok!(FeeSponsorship::attach(signed(&ALICE), first));
		assert_eq!(Attached::<Test>::get(&device.id), Some(first));
	});
}

#[test]
fn a_sponsorship_that_is_over_is_not_taken() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let expiring = Offer {
			expires: Some(now() + BLOCK_MS),
			..Offer::to(device.beneficiary())
		}
		.make();
		let lasting = Offer::to(device.beneficiary()).make();
		advance(2);
		assert_noop!(
			FeeSponsorship::attach(signed(&ALICE), expiring),
			Error::<Test>::SponsorshipExpired
		);
		// With its second owner, and when it comes back to the first.
		device.set(&BOB, 1, DeviceStatus::Active);
		assert_noop!(
			FeeSponsorship::attach(signed(&BOB), lasting),
			Error::<Test>::SponsorshipEnded
		);
		device.set(&ALICE, 2, DeviceStatus::Active);
		assert_noop!(
			FeeSponsorship::attach(signed(&ALICE), lasting),
			Error::<Test>::SponsorshipEnded
		);
		device.set(&ALICE, 2, DeviceStatus::Retired);
		assert_noop!(
			FeeSponsorship::attach(signed(&ALICE), lasting),
			Error::<Test>::SponsorshipEnded
		);
	});
}

#[test]
fn a_device_that_the_chain_forgot_has_no_owner_who_could_take_or_give_back() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = Offer::to(device.beneficiary()).make();
		fleet::Devices::<Test>::remove(&device.id);
		assert_noop!(
			FeeSponsorship::attach(signed(&ALICE), number),
			Error::<Test>::UnknownDevice
		);
		assert_noop!(
			FeeSponsorship::detach(signed(&ALICE), number),
			Error::<Test>::UnknownDevice
		);
	});
}

#[test]
fn an_unknown_sponsorship_is_named_as_such_by_every_call() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let unknown = refusal(Error::UnknownSponsorship);
		assert_noop!(FeeSponsorship::attach(signed(&ALICE), 7), unknown);
		assert_noop!(FeeSponsorship::detach(signed(&ALICE), 7), unknown);
		assert_noop!(FeeSponsorship::top_up(signed(&ALICE), 7, 1), unknown);
		assert_noop!(FeeSponsorship::close(signed(&ALICE), 7), unknown);
		let devices = vec![device.id].try_into().expect("one");
		assert_noop!(FeeSponsorship::prune_buckets(signed(&ALICE), 7, devices), unknown);
	});
}

#[test]
fn anybody_adds_to_a_pot() {
	ExtBuilder::execute(|| {
		let number = sponsor(&device(1));
		let before = free(&FeeSponsorship::pot(number));
		assert_ok!(FeeSponsorship::top_up(signed(&BOB), number, 77));
		assert_eq!(free(&FeeSponsorship::pot(number)), before + 77);
		assert!(events().contains(&Event::PotToppedUp {
			sponsorship: number,
			by: BOB,
			amount: 77,
		}));
		assert_noop!(
			FeeSponsorship::top_up(signed(&BOB), number, 0),
			Error::<Test>::ZeroAmount
		);
		assert_noop!(
			FeeSponsorship::top_up(signed(&PAUPER), number, 1),
			Error::<Test>::CannotPay
		);
	});
}

#[test]
fn closing_an_unused_sponsorship_returns_everything_and_leaves_nothing() {
	ExtBuilder::execute(|| {
		let before = free(&SPONSOR);
		let device = device(1);
		let number = sponsor(&device);
		assert_ok!(FeeSponsorship::top_up(signed(&BOB), number, 77));
		let pot = free(&FeeSponsorship::pot(number));
		for stranger in [&ALICE, &BOB] {
			assert_noop!(
				FeeSponsorship::close(signed(stranger), number),
				Error::<Test>::NotSponsor
			);
		}
		assert_ok!(FeeSponsorship::close(signed(&SPONSOR), number));
		assert_eq!(free(&SPONSOR), before + 77);
		assert!(!System::account_exists(&FeeSponsorship::pot(number)));
		assert_eq!(Sponsorships::<Test>::iter().count(), 0);
		assert_eq!(SponsoredBy::<Test>::iter().count(), 0);
		assert_eq!(Attached::<Test>::iter().count(), 0);
		assert!(events().contains(&Event::SponsorshipClosed {
			sponsorship: number,
			returned: pot,
			buckets: 0,
		}));
		assert!(validate(&device.key, &report(1)).is_err());
	});
}

#[test]
fn closing_leaves_alone_what_took_the_place() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let first = sponsor(&device);
		let second = sponsor(&device);
		assert_ok!(FeeSponsorship::close(signed(&SPONSOR), first));
		assert_eq!(Attached::<Test>::get(&device.id), Some(second));
		assert_ok!(validate(&device.key, &report(1)));
	});
}

#[test]
fn closing_a_used_sponsorship_returns_all_but_the_deposits() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = sponsor(&device);
		send(&device.key, report(100));
		let record = Sponsorships::<Test>::get(number).expect("it is open");
		let pot = FeeSponsorship::pot(number);
		let kept = ED + record.deposit + record.bucket_deposit;
		let returned = free(&pot) - kept;
		let before = free(&SPONSOR);
		assert_ok!(FeeSponsorship::close(signed(&SPONSOR), number));
		assert_eq!(free(&pot), kept);
		assert_eq!(free(&SPONSOR), before + returned);
		assert!(events().contains(&Event::SponsorshipClosed {
			sponsorship: number,
			returned,
			buckets: 1,
		}));
		for end in [
			FeeSponsorship::close(signed(&SPONSOR), number),
			FeeSponsorship::attach(signed(&ALICE), number),
			FeeSponsorship::top_up(signed(&BOB), number, 1),
		] {
			assert_eq!(end, Err(refusal(Error::SponsorshipEnded)));
		}
		assert!(validate(&device.key, &report(1)).is_err());
	});
}

/// A used sponsorship with so much for fees, whose sponsor's account has ended. Returns its number.
fn abandoned(device: &Device, excess: Balance) -> u32 {
	let number = sponsor(device);
	send(&device.key, report(100));
	let record = Sponsorships::<Test>::get(number).expect("it is open");
	let pot = FeeSponsorship::pot(number);
	let rest = free(&pot) - ED - record.reserve(1);
	assert_ok!(<Balances as Mutate<_>>::transfer(
		&pot,
		&BOB,
		rest - excess,
		Preserve
	));
	assert_ok!(Balances::transfer_all(signed(&SPONSOR), BOB, false));
	assert!(!System::account_exists(&SPONSOR));
	number
}

#[test]
fn money_too_little_to_open_the_sponsors_account_does_not_stop_closing_and_comes_with_the_last_bucket() {
	ExtBuilder::execute(|| {
		let device = device(1);
		let number = abandoned(&device, ED - 1);
		let pot = free(&FeeSponsorship::pot(number));
		assert_ok!(FeeSponsorship::close(signed(&SPONSOR), number));
		assert!(events().contains(&Event::SponsorshipClosed {
			sponsorship: number,
			returned: 0,
			buckets: 1,
		}));
		assert_eq!(free(&FeeSponsorship::pot(number)), pot);
		let devices = vec![device.id].try_into().expect("one");
		assert_ok!(FeeSponsorship::prune_buckets(signed(&BOB), number, devices));
		assert_eq!(free(&SPONSOR), pot);
	});
}

#[test]
fn money_enough_to_open_the_sponsors_account_is_returned_at_once() {
	ExtBuilder::execute(|| {
		let number = abandoned(&device(1), ED);
		assert_ok!(FeeSponsorship::close(signed(&SPONSOR), number));
		assert_eq!(free(&SPONSOR), ED);
	});
}
