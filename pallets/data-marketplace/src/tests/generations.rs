//! A new owner sells what was anchored in its own time.

use crate::{Error, GenerationStarts, mock::*};
use frame_support::{assert_noop, assert_ok};
use m2m_device::PossessionAction;
use m2m_fair_exchange::Place;

/// The device is Bob's and its key confirmed.
fn sold_to_bob(shop: &Shop) {
	hand_over(&alice(), &shop.device, &dave());
	let proof = shop.device_key.prove(
		PossessionAction::Confirm,
		&dave(),
		Some(&shop.device),
		m2m_device::Roles::ALL,
	);
	assert_ok!(Identity::confirm_key(
		signed(&dave()),
		shop.device.clone(),
		shop.device_key.account(),
		proof
	));
}

/// Dave lists the device's readings.
fn daves(mut shop: Shop) -> Shop {
	shop.listing = crate::NextListing::<Test>::get();
	assert_ok!(Market::create_listing(
		signed(&dave()),
		None,
		Box::new(spec(&shop.device, 0))
	));
	assert_ok!(Market::add_bond(signed(&dave()), None, BOND));
	shop.seller = dave();
	shop.signer = dave_key();
	shop
}

fn from(shop: &Shop, seq: u64) -> Deal {
	let mut terms = shop.draft();
	terms.range.first = Place { seq, index: 0 };
	shop.seal(terms)
}

#[test]
fn the_old_owners_terms_and_listing_are_dead_after_a_transfer() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let old = shop.deal();
		sold_to_bob(&shop);
		assert_noop!(old.buy(), Error::<Test>::GenerationMismatch);
		// Nor with the present generation in the terms.
		let fresh = shop.deal();
		assert_eq!(fresh.terms.generation, 1);
		assert_noop!(fresh.buy(), Error::<Test>::GenerationMismatch);
		assert_ok!(Market::close_listing(signed(&alice()), None, 0));
	});
}

#[test]
fn a_new_owner_does_not_sell_what_was_anchored_before() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		sold_to_bob(&shop);
		let mut shop = daves(shop);
		// Nothing is anchored in this generation yet.
		assert_noop!(from(&shop, 0).buy(), Error::<Test>::BeforeGeneration);
		assert_noop!(from(&shop, 2).buy(), Error::<Test>::BeforeGeneration);
		shop.anchor(3, 4);
		assert_eq!(GenerationStarts::<Test>::get(&shop.device, 0), Some((1, 3)));
		assert_noop!(from(&shop, 2).buy(), Error::<Test>::BeforeGeneration);
		assert_ok!(from(&shop, 3).buy());
	});
}

#[test]
fn a_gap_filled_by_the_new_owner_does_not_open_the_old_ones_readings() {
	ExtBuilder::execute(|| {
		let mut shop = Shop::open();
		shop.anchor(5, 4);
		sold_to_bob(&shop);
		let mut shop = daves(shop);
		// Number 4 was never used. The next one, 5, is the old owner's.
		shop.anchor(4, 4);
		assert_eq!(GenerationStarts::<Test>::get(&shop.device, 0), Some((1, 6)));
		assert_noop!(from(&shop, 4).buy(), Error::<Test>::BeforeGeneration);
		shop.anchor(6, 4);
		assert_eq!(GenerationStarts::<Test>::get(&shop.device, 0), Some((1, 6)));
		assert_ok!(from(&shop, 6).buy());
	});
}

#[test]
fn a_device_that_never_changed_hands_leaves_no_trace() {
	ExtBuilder::execute(|| {
		let _shop = Shop::open();
		assert_eq!(GenerationStarts::<Test>::iter().count(), 0);
	});
}
