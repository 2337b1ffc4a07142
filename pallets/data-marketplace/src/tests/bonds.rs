//! Bonds: adding, locking, taking out.

use crate::{Error, Event, HoldReason, Sellers, mock::*};
use frame_support::{assert_noop, assert_ok};

#[test]
fn a_bond_is_held_and_comes_back_after_the_unbonding_time() {
	ExtBuilder::execute(|| {
		let before = free(&alice());
		assert_ok!(Market::add_bond(signed(&alice()), None, FIXED_COVER));
		assert_ok!(Market::add_bond(signed(&alice()), None, 5));
		assert_eq!(held(HoldReason::Bond, &alice()), FIXED_COVER + 5);
		assert_ok!(Market::start_unbonding(signed(&alice()), None, FIXED_COVER + 5));
		assert_eq!(
			events().last(),
			Some(&Event::UnbondingStarted {
				seller: alice(),
				unbonding: FIXED_COVER + 5,
				at: 1 + UNBONDING,
			})
		);
		advance(UNBONDING - 1);
		assert_noop!(
			Market::withdraw_bond(signed(&HELPER), alice()),
			Error::<Test>::TooEarly
		);
		advance(1);
		assert_ok!(Market::withdraw_bond(signed(&HELPER), alice()));
		assert_eq!(free(&alice()), before);
		assert_eq!(Sellers::<Test>::get(alice()), None);
		assert_noop!(
			Market::withdraw_bond(signed(&HELPER), alice()),
			Error::<Test>::NotSeller
		);
	});
}

#[test]
fn a_bond_is_never_smaller_than_the_fixed_cover() {
	ExtBuilder::execute(|| {
		assert_noop!(
			Market::add_bond(signed(&alice()), None, FIXED_COVER - 1),
			Error::<Test>::BondTooSmall
		);
		assert_ok!(Market::add_bond(signed(&alice()), None, FIXED_COVER + 10));
		assert_noop!(
			Market::start_unbonding(signed(&alice()), None, 11),
			Error::<Test>::BondTooSmall
		);
		assert_noop!(
			Market::start_unbonding(signed(&alice()), None, FIXED_COVER + 11),
			Error::<Test>::BondTooSmall
		);
		assert_ok!(Market::start_unbonding(signed(&alice()), None, 10));
	});
}

#[test]
fn nothing_is_added_or_taken_from_nothing() {
	ExtBuilder::execute(|| {
		assert_noop!(
			Market::add_bond(signed(&alice()), None, 0),
			Error::<Test>::ZeroAmount
		);
		assert_noop!(
			Market::start_unbonding(signed(&alice()), None, 1),
			Error::<Test>::NotSeller
		);
		assert_noop!(
			Market::add_bond(signed(&PAUPER), None, FIXED_COVER),
			Error::<Test>::CannotPay
		);
		assert_ok!(Market::add_bond(signed(&alice()), None, FIXED_COVER));
		assert_noop!(
			Market::add_bond(signed(&alice()), None, u128::MAX),
			Error::<Test>::CannotPay
		);
		assert_noop!(
			Market::start_unbonding(signed(&alice()), None, 0),
			Error::<Test>::ZeroAmount
		);
		assert_noop!(
			Market::withdraw_bond(signed(&HELPER), alice()),
			Error::<Test>::ZeroAmount
		);
	});
}

#[test]
fn what_covers_a_sale_cannot_be_taken_out_or_used_twice() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		assert_ok!(Market::start_unbonding(
			signed(&alice()),
			None,
			BOND - 2 * (FIXED_COVER + PRICE)
		));
		let first = shop.deal().bought();
		let locked = || Sellers::<Test>::get(alice()).expect("there is a bond").locked;
		assert_eq!(locked(), FIXED_COVER + PRICE);
		// What is left covers one more sale, but not with a unit less.
		assert_noop!(
			Market::start_unbonding(signed(&alice()), None, FIXED_COVER + PRICE + 1),
			Error::<Test>::BondTooSmall
		);
		let second = shop.deal().bought();
		assert_noop!(shop.deal().buy(), Error::<Test>::BondTooSmall);
		assert_noop!(
			Market::start_unbonding(signed(&alice()), None, 1),
			Error::<Test>::BondTooSmall
		);
		for deal in [&first, &second] {
			assert_ok!(deal.reveal());
			assert_ok!(deal.accept(5));
		}
		assert_eq!(locked(), 0);
		assert_ok!(shop.deal().buy());
	});
}

#[test]
fn unbonding_outlasts_every_sale_that_was_open_when_it_began() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.cheat().bought();
		assert_ok!(Market::start_unbonding(
			signed(&alice()),
			None,
			BOND - FIXED_COVER - PRICE
		));
		advance(REVEAL);
		assert_ok!(deal.reveal());
		advance(DISPUTE);
		assert_ok!(deal.prove(2));
		assert_noop!(
			Market::withdraw_bond(signed(&HELPER), alice()),
			Error::<Test>::TooEarly
		);
	});
}

#[test]
fn a_second_unbonding_waits_with_the_first() {
	ExtBuilder::execute(|| {
		assert_ok!(Market::add_bond(signed(&alice()), None, BOND));
		assert_ok!(Market::start_unbonding(signed(&alice()), None, 100));
		advance(UNBONDING - 1);
		assert_ok!(Market::start_unbonding(signed(&alice()), None, 1));
		advance(1);
		assert_noop!(
			Market::withdraw_bond(signed(&HELPER), alice()),
			Error::<Test>::TooEarly
		);
		advance(UNBONDING);
		assert_ok!(Market::withdraw_bond(signed(&HELPER), alice()));
		assert_eq!(held(HoldReason::Bond, &alice()), BOND - 101);
	});
}
