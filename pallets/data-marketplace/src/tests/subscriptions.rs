//! Standing orders: epochs countersigned and delivered, or not.

use crate::{Error, Event, HoldReason, Sales, Subscriptions, mock::*};
use frame_support::{BoundedVec, assert_noop, assert_ok};
use m2m_device::AccountId;
use m2m_fair_exchange::{BlindedKey, SaleId, market::Epoch};
use sp_runtime::DispatchError;

const MONEY: u128 = 5 * PRICE;

fn subscribe(ends: u32) {
	assert_ok!(Market::subscribe(
		signed(&dave()),
		None,
		0,
		PRICE,
		MONEY,
		ends,
		dave()
	));
}

/// An honest sale to Dave.
fn deal(shop: &Shop) -> Deal {
	let mut terms = shop.draft();
	terms.buyer = dave();
	shop.seal(terms)
}

fn deliver(epochs: Vec<Epoch>) {
	assert_ok!(Market::deliver(
		signed(&HELPER),
		0,
		BoundedVec::truncate_from(epochs)
	));
}

fn refusals() -> Vec<(SaleId, DispatchError)> {
	events()
		.into_iter()
		.filter_map(|event| match event {
			Event::EpochRefused {
				subscription: 0,
				sale,
				reason,
			} => Some((sale, reason)),
			_ => None,
		})
		.collect()
}

fn left() -> u128 {
	Subscriptions::<Test>::get(0).map_or(0, |record| record.left)
}

#[test]
fn epochs_are_bought_and_revealed_in_one_call_and_paid_like_any_sale() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let (buyer, seller) = (total(&dave()), free(&alice()));
		subscribe(100);
		assert_eq!(held(HoldReason::Payment, &dave()), MONEY);
		let deals = [deal(&shop), deal(&shop), deal(&shop)];
		deliver(deals.iter().map(|deal| deal.epoch(0, &dave_key())).collect());
		assert_eq!(refusals(), []);
		assert_eq!(left(), MONEY - 3 * PRICE);
		// The money only changed its purpose.
		assert_eq!(held(HoldReason::Payment, &dave()), MONEY);
		let key = Sales::<Test>::get(deals[0].id())
			.and_then(|sale| sale.key)
			.expect("it is revealed");
		assert!(deals[0].open(&key).is_ok());
		assert_ok!(Market::accept(signed(&dave()), None, deals[0].id(), 5));
		advance(DISPUTE + 1);
		settle(&[deals[1].id(), deals[2].id()]);
		assert_eq!(not_ended(), []);
		assert_eq!(free(&alice()), seller + 3 * (PRICE - PRICE / 100));
		advance(100);
		assert_ok!(Market::close_subscription(signed(&HELPER), 0));
		assert_eq!(total(&dave()), buyer - 3 * PRICE);
		assert_eq!(
			held(HoldReason::Payment, &dave()) + held(HoldReason::Deposit, &dave()),
			0
		);
		assert_eq!(Subscriptions::<Test>::iter().count(), 0);
	});
}

#[test]
fn a_cheating_epoch_convicts_like_any_sale() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let before = total(&dave());
		subscribe(100);
		let mut terms = shop.draft();
		terms.buyer = dave();
		let bad = shop.seal_as(terms, |position, leaf| leaf.sealed[1] ^= u8::from(position == 2));
		deliver(vec![bad.epoch(0, &dave_key())]);
		assert_ok!(bad.prove(2));
		assert_eq!(total(&dave()), before + FIXED_COVER);
		// The price is free again; the standing order does not take it back.
		assert_eq!(held(HoldReason::Payment, &dave()), MONEY - PRICE);
	});
}

#[test]
fn an_epoch_nobody_countersigned_costs_nothing() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		subscribe(100);
		let (unsigned, other, good) = (deal(&shop), deal(&shop), deal(&shop));
		let mut borrowed = unsigned.epoch(0, &dave_key());
		// A countersignature of other terms, one for another subscription, one by another key.
		borrowed.terms.countersignature = good.epoch(0, &dave_key()).terms.countersignature;
		deliver(vec![
			borrowed,
			other.epoch(1, &dave_key()),
			other.epoch(0, &alice_key()),
			good.epoch(0, &dave_key()),
		]);
		let refused = refusal(Error::BadCountersignature);
		assert_eq!(
			refusals(),
			[
				(unsigned.id(), refused),
				(other.id(), refused),
				(other.id(), refused)
			]
		);
		assert_eq!(left(), MONEY - PRICE);
		assert!(Sales::<Test>::contains_key(good.id()));
	});
}

#[test]
fn one_bad_epoch_does_not_sink_the_others() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		subscribe(100);
		let (first, second) = (deal(&shop), deal(&shop));
		let mut wrong_key = deal(&shop).epoch(0, &dave_key());
		wrong_key.key = BlindedKey([1; 32]);
		let mut forged = deal(&shop).epoch(0, &dave_key());
		forged.terms.offer.signature = first.offer.signature.clone();
		deliver(vec![
			first.epoch(0, &dave_key()),
			wrong_key,
			first.epoch(0, &dave_key()),
			forged,
			second.epoch(0, &dave_key()),
		]);
		let reasons: Vec<_> = refusals().into_iter().map(|(_, reason)| reason).collect();
		assert_eq!(
			reasons,
			[
				refusal(Error::WrongKey),
				refusal(Error::TermsUsed),
				refusal(Error::BadSignature)
			]
		);
		assert_eq!((left(), Sales::<Test>::iter().count()), (MONEY - 2 * PRICE, 2));
	});
}

#[test]
fn epochs_stay_within_cap_and_money() {
	ExtBuilder::execute(|| {
		let shop = Shop::open_with(2, |spec| {
			spec.price = m2m_fair_exchange::market::Price::PerSale(10 * PRICE);
		});
		subscribe(100);
		let mut terms = shop.draft();
		terms.buyer = dave();
		terms.price = PRICE + 1;
		let dear = shop.seal(terms);
		let six: Vec<_> = (0..6).map(|_| deal(&shop)).collect();
		let epochs = core::iter::once(&dear)
			.chain(&six)
			.map(|deal| deal.epoch(0, &dave_key()));
		deliver(epochs.collect());
		assert_eq!(
			refusals(),
			[
				(dear.id(), refusal(Error::AboveCap)),
				(six[5].id(), refusal(Error::SubscriptionSpent))
			]
		);
		assert_eq!(left(), 0);
	});
}

#[test]
fn epochs_are_for_the_subscriber_under_the_listing() {
	ExtBuilder::execute(|| {
		let mut shop = Shop::open();
		subscribe(100);
		let for_bob = shop.deal();
		shop.list(spec(&shop.device, 0));
		let other_listing = deal(&shop);
		deliver(vec![
			for_bob.epoch(0, &dave_key()),
			other_listing.epoch(0, &dave_key()),
		]);
		assert_eq!(
			refusals(),
			[
				(for_bob.id(), refusal(Error::NotBuyer)),
				(other_listing.id(), refusal(Error::NotAsListed))
			]
		);
		assert_noop!(
			Market::deliver(signed(&HELPER), 1, BoundedVec::default()),
			Error::<Test>::UnknownSubscription
		);
	});
}

#[test]
fn an_end_takes_effect_after_the_notice_and_what_was_countersigned_is_paid() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		subscribe(100);
		let (agreed, late) = (deal(&shop), deal(&shop));
		assert_noop!(
			Market::end_subscription(signed(&BOB), None, 0),
			Error::<Test>::NotSubscriber
		);
		assert_noop!(
			Market::end_subscription(signed(&dave()), None, 1),
			Error::<Test>::UnknownSubscription
		);
		assert_ok!(Market::end_subscription(signed(&dave()), None, 0));
		assert_noop!(
			Market::end_subscription(signed(&dave()), None, 0),
			Error::<Test>::EndsSooner
		);
		assert_noop!(
			Market::close_subscription(signed(&dave()), 0),
			Error::<Test>::TooEarly
		);
		advance(VALIDITY);
		deliver(vec![agreed.epoch(0, &dave_key())]);
		assert_eq!(refusals(), []);
		advance(NOTICE - VALIDITY + 1);
		deliver(vec![late.epoch(0, &dave_key())]);
		assert_eq!(refusals(), [(late.id(), refusal(Error::SubscriptionOver))]);
		assert_ok!(Market::close_subscription(signed(&HELPER), 0));
		assert_eq!(held(HoldReason::Payment, &dave()), PRICE);
		assert_noop!(
			Market::close_subscription(signed(&HELPER), 0),
			Error::<Test>::UnknownSubscription
		);
	});
}

#[test]
fn an_epoch_cannot_be_disowned_after_its_key_is_on_the_way() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		// The subscriber is a device, and its key countersigns.
		let device = register(&CAROL, &key(12), m2m_device::Roles::ALL);
		fund(&device, 10_000_000);
		let signer: AccountId = key(12).account();
		assert_ok!(Market::subscribe(
			signed(&CAROL),
			Some(device.clone()),
			0,
			PRICE,
			MONEY,
			100,
			signer.clone()
		));
		let mut terms = shop.draft();
		terms.buyer = device.clone();
		let deal = shop.seal(terms);
		let epoch = deal.epoch(0, &key(12));
		assert_ok!(Identity::remove_key(signed(&CAROL), Some(device.clone()), signer));
		assert_ok!(Identity::suspend(signed(&CAROL), device));
		deliver(vec![epoch]);
		assert_eq!(refusals(), []);
		assert!(Sales::<Test>::contains_key(deal.id()));
	});
}

#[test]
fn terms_bought_outright_are_not_delivered_again_but_revealed() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		subscribe(100);
		let deal = deal(&shop);
		assert_ok!(buy(&deal.offer));
		deliver(vec![deal.epoch(0, &dave_key())]);
		assert_eq!(refusals(), [(deal.id(), refusal(Error::TermsUsed))]);
		assert_ok!(deal.reveal());
	});
}

#[test]
fn subscriptions_that_make_no_sense_are_refused() {
	ExtBuilder::execute(|| {
		let _shop = Shop::open();
		let subscribe = |who: &AccountId, listing, cap, amount, ends| {
			Market::subscribe(signed(who), None, listing, cap, amount, ends, dave())
		};
		assert_noop!(subscribe(&dave(), 1, 1, 1, 9), Error::<Test>::UnknownListing);
		assert_noop!(subscribe(&alice(), 0, 1, 1, 9), Error::<Test>::BuyerIsSeller);
		assert_noop!(subscribe(&dave(), 0, 0, 1, 9), Error::<Test>::ZeroAmount);
		assert_noop!(subscribe(&dave(), 0, 1, 0, 9), Error::<Test>::ZeroAmount);
		assert_noop!(subscribe(&dave(), 0, 1, 1, 1), Error::<Test>::SubscriptionOver);
		assert_noop!(subscribe(&dave(), 0, 1, ENDOWMENT, 9), Error::<Test>::CannotPay);
		crate::NextSubscription::<Test>::put(u32::MAX);
		assert_noop!(subscribe(&dave(), 0, 1, 1, 9), Error::<Test>::NumbersExhausted);
	});
}
