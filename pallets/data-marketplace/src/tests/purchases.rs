//! What must hold of terms before money is held for them.

use crate::{Error, Event, HoldReason, Sales, mock::*};
use frame_support::{assert_noop, assert_ok, traits::Hooks, weights::Weight};
use m2m_device::{DeviceSignature, Roles};
use m2m_fair_exchange::{SaleTerms, market::Price};
use sp_core::sr25519;

/// Terms that differ from good ones in this, signed by the seller.
fn refused(shop: &Shop, error: Error<Test>, change: impl FnOnce(&mut SaleTerms)) {
	let mut terms = shop.deal().terms;
	change(&mut terms);
	assert_noop!(buy(&shop.sign(terms)), error);
}

#[test]
fn a_purchase_holds_the_price_and_locks_the_cover() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.deal();
		assert_eq!(deal.check(), Ok(()));
		let before = total(&BOB);
		events();
		assert_ok!(deal.buy());
		assert_eq!(held(HoldReason::Payment, &BOB), PRICE);
		assert_eq!(total(&BOB), before);
		let sale = Sales::<Test>::get(deal.id()).expect("it is open");
		assert_eq!(sale.cover(), FIXED_COVER + PRICE);
		assert_eq!(sale.fee, PRICE / 100);
		assert_eq!(sale.key, None);
		assert_eq!(
			events(),
			[Event::Purchased {
				sale: deal.id(),
				listing: 0,
				seller: alice(),
				buyer: BOB,
				price: PRICE,
				deadline: 1 + REVEAL,
			}]
		);
	});
}

#[test]
fn terms_are_for_one_buyer() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let offer = Box::new(shop.deal().offer);
		assert_noop!(
			Market::purchase(signed(&CAROL), None, offer),
			Error::<Test>::NotBuyer
		);
		refused(&shop, Error::BuyerIsSeller, |terms| terms.buyer = alice());
	});
}

#[test]
fn terms_name_the_listing_as_it_is() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let other = Shop::unlisted(6);
		refused(&shop, Error::UnknownListing, |terms| terms.listing = 1);
		refused(&shop, Error::StaleVersion, |terms| terms.version = 1);
		refused(&shop, Error::NotAsListed, |terms| terms.seller = CAROL);
		refused(&shop, Error::NotAsListed, |terms| {
			terms.device = other.device.clone()
		});
		refused(&shop, Error::NotAsListed, |terms| terms.range.stream = 1);
	});
}

#[test]
fn terms_of_an_old_version_cannot_be_bought() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.deal();
		let same = Box::new(spec(&shop.device, 0));
		assert_ok!(Market::update_listing(signed(&alice()), None, 0, same));
		assert_noop!(deal.buy(), Error::<Test>::StaleVersion);
		assert_ok!(shop.deal().buy());
		assert_ok!(Market::close_listing(signed(&alice()), None, 0));
		assert_noop!(shop.deal().buy(), Error::<Test>::UnknownListing);
	});
}

#[test]
fn the_price_is_not_above_the_listings() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		refused(&shop, Error::PriceTooHigh, |terms| terms.price += 1);
		let mut by_reading = spec(&shop.device, 0);
		by_reading.price = Price::PerReading(7);
		assert_ok!(Market::update_listing(
			signed(&alice()),
			None,
			0,
			Box::new(by_reading)
		));
		let mut terms = shop.draft();
		terms.price = 70;
		let deal = shop.seal(terms);
		assert_eq!(deal.terms.leaves, 10);
		refused(&shop, Error::PriceTooHigh, |terms| terms.price = 71);
		assert_ok!(deal.buy());
	});
}

#[test]
fn the_price_pays_for_the_key_to_be_revealed() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		refused(&shop, Error::PriceTooLow, |terms| terms.price = MIN_PRICE - 1);
		let mut terms = shop.draft();
		terms.price = MIN_PRICE;
		assert_ok!(shop.seal(terms).buy());
	});
}

#[test]
fn terms_are_in_force_for_a_short_time() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		refused(&shop, Error::ValidTooLong, |terms| terms.expires += 1);
		let (in_time, late) = (shop.deal(), shop.deal());
		advance(VALIDITY);
		assert_ok!(in_time.buy());
		advance(1);
		assert_noop!(late.buy(), Error::<Test>::TermsExpired);
	});
}

#[test]
fn windows_stay_within_bounds() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		for window in [REVEAL - 1, 3 * REVEAL + 1, 0, u32::MAX] {
			refused(&shop, Error::WindowOutOfBounds, |terms| {
				terms.reveal_window = window
			});
		}
		for window in [DISPUTE - 1, 3 * DISPUTE + 1, 0, u32::MAX] {
			refused(&shop, Error::WindowOutOfBounds, |terms| {
				terms.dispute_window = window
			});
		}
		let mut terms = shop.draft();
		terms.reveal_window = 3 * REVEAL;
		terms.dispute_window = 3 * DISPUTE;
		assert_ok!(shop.seal(terms).buy());
	});
}

#[test]
fn a_price_changed_after_signing_is_not_the_sellers() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let mut offer = shop.deal().offer;
		offer.terms.price -= 1;
		assert_noop!(buy(&offer), Error::<Test>::BadSignature);
		let mut offer = shop.deal().offer;
		offer.signature = DeviceSignature::Sr25519(sr25519::Signature::default());
		assert_noop!(buy(&offer), Error::<Test>::BadSignature);
	});
}

#[test]
fn terms_of_another_chain_serve_nobody_here() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let elsewhere = sign_with(&alice_key(), shop.deal().terms, [8; 32]);
		assert_noop!(buy(&elsewhere), Error::<Test>::BadSignature);
	});
}

#[test]
fn only_who_may_trade_for_the_seller_signs() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let stranger = sign_with(&dave_key(), shop.deal().terms, GENESIS);
		assert_noop!(buy(&stranger), Error::<Test>::SignerMayNotSell);
		// The device's key trades for the device, not for its owner.
		let device = sign_with(&shop.device_key, shop.deal().terms, GENESIS);
		assert_noop!(buy(&device), Error::<Test>::SignerMayNotSell);
	});
}

#[test]
fn a_device_sells_with_its_trading_keys_and_operators() {
	ExtBuilder::execute(|| {
		let shop = Shop::open_as_device();
		assert_ok!(shop.deal().buy());
		// The owner may trade for it, too.
		assert_ok!(buy(&sign_with(&alice_key(), shop.deal().terms, GENESIS)));
		let by_dave = |shop: &Shop| sign_with(&dave_key(), shop.deal().terms, GENESIS);
		assert_noop!(buy(&by_dave(&shop)), Error::<Test>::SignerMayNotSell);
		assert_ok!(Identity::grant(
			signed(&alice()),
			shop.device.clone(),
			dave(),
			TRADER,
			None
		));
		assert_ok!(buy(&by_dave(&shop)));
		assert_ok!(Identity::remove_key(
			signed(&alice()),
			Some(shop.device.clone()),
			shop.device_key.account()
		));
		assert_noop!(shop.deal().buy(), Error::<Test>::SignerMayNotSell);
	});
}

#[test]
fn a_terms_key_signs_until_the_listing_names_another() {
	ExtBuilder::execute(|| {
		let shop = Shop::open_with(2, |spec| spec.terms_key = Some(key(50).account()));
		assert_ok!(buy(&sign_with(&key(50), shop.deal().terms, GENESIS)));
		assert_ok!(shop.deal().buy());
		let none = Box::new(spec(&shop.device, 0));
		assert_ok!(Market::update_listing(signed(&alice()), None, 0, none));
		let offer = sign_with(&key(50), shop.deal().terms, GENESIS);
		assert_noop!(buy(&offer), Error::<Test>::SignerMayNotSell);
	});
}

#[test]
fn a_device_that_is_not_active_sells_nothing() {
	ExtBuilder::execute(|| {
		let shop = Shop::open_with(2, |spec| spec.terms_key = Some(key(50).account()));
		assert_ok!(Identity::suspend(signed(&alice()), shop.device.clone()));
		let offer = sign_with(&key(50), shop.deal().terms, GENESIS);
		assert_noop!(buy(&offer), Error::<Test>::DeviceNotActive);
		assert_ok!(Identity::report_lost(signed(&alice()), shop.device.clone()));
		assert_noop!(shop.deal().buy(), Error::<Test>::DeviceNotActive);
		assert_ok!(Identity::resume(signed(&alice()), shop.device.clone()));
		assert_ok!(shop.deal().buy());
	});
}

#[test]
fn a_seller_without_a_bond_sells_nothing() {
	ExtBuilder::execute(|| {
		let mut shop = Shop::unlisted(2);
		shop.anchor(0, 6);
		shop.list(spec(&shop.device, 0));
		let deal = shop.deal();
		assert_noop!(deal.buy(), Error::<Test>::BondTooSmall);
		assert_ok!(Market::add_bond(signed(&alice()), None, FIXED_COVER + PRICE - 1));
		assert_noop!(deal.buy(), Error::<Test>::BondTooSmall);
		assert_ok!(Market::add_bond(signed(&alice()), None, 1));
		assert_ok!(deal.buy());
	});
}

#[test]
fn a_buyer_without_money_buys_nothing() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let mut terms = shop.draft();
		terms.buyer = PAUPER;
		let deal = shop.seal(terms);
		fund(&PAUPER, PRICE + ED - 1);
		assert_noop!(deal.buy(), Error::<Test>::CannotPay);
		fund(&PAUPER, 1);
		assert_ok!(deal.buy());
	});
}

#[test]
fn the_same_terms_are_never_two_sales() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.deal().bought();
		assert_noop!(deal.buy(), Error::<Test>::TermsUsed);
		assert_ok!(deal.reveal());
		assert_noop!(deal.buy(), Error::<Test>::TermsUsed);
		assert_ok!(deal.accept(4));
		// It is over, and its terms are still in force.
		assert_noop!(deal.buy(), Error::<Test>::TermsUsed);
		advance(VALIDITY + 1);
		assert_noop!(deal.buy(), Error::<Test>::TermsUsed);
		// Without its mark, too, which goes when it has nothing to prevent any more.
		Market::on_idle(System::block_number(), Weight::MAX);
		assert_noop!(deal.buy(), Error::<Test>::TermsExpired);
	});
}

#[test]
fn the_same_signature_with_other_bytes_around_it_is_no_other_sale() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.deal().bought();
		// The id is of the terms alone, so another signature over them is the same sale.
		let again = shop.sign(deal.terms.clone());
		assert_noop!(buy(&again), Error::<Test>::TermsUsed);
	});
}

#[test]
fn a_key_without_the_role_cannot_sell() {
	ExtBuilder::execute(|| {
		let shop = Shop::open_as_device();
		let weak = key(8);
		let roles = Roles::AUTHENTICATE;
		let proof = weak.prove(
			m2m_device::PossessionAction::Add,
			&alice(),
			Some(&shop.device),
			roles,
		);
		assert_ok!(Identity::add_key(
			signed(&alice()),
			Some(shop.device.clone()),
			weak.public(),
			roles,
			proof
		));
		let offer = sign_with(&weak, shop.deal().terms, GENESIS);
		assert_noop!(buy(&offer), Error::<Test>::SignerMayNotSell);
	});
}
