//! What others can follow: one event for each change, with all that changed.

use crate::{Event, mock::*};
use frame_support::{BoundedVec, assert_ok};
use m2m_fair_exchange::market::{Price, RequestSpec};

#[test]
fn listings_and_bonds_are_told_of() {
	ExtBuilder::execute(|| {
		let mut shop = Shop::unlisted(2);
		let device = shop.device.clone();
		events();
		shop.list(spec(&device, 0));
		let changed = Box::new(spec(&device, 0));
		assert_ok!(Market::update_listing(signed(&alice()), None, 0, changed));
		assert_ok!(Market::close_listing(signed(&alice()), None, 0));
		assert_ok!(Market::add_bond(signed(&alice()), None, FIXED_COVER));
		assert_ok!(Market::add_bond(signed(&alice()), None, 7));
		assert_ok!(Market::start_unbonding(signed(&alice()), None, 7));
		advance(UNBONDING);
		assert_ok!(Market::withdraw_bond(signed(&HELPER), alice()));
		assert_eq!(
			events(),
			[
				Event::ListingCreated {
					listing: 0,
					seller: alice(),
					device,
				},
				Event::ListingUpdated {
					listing: 0,
					version: 1
				},
				Event::ListingClosed { listing: 0 },
				Event::BondAdded {
					seller: alice(),
					amount: FIXED_COVER,
					bond: FIXED_COVER,
				},
				Event::BondAdded {
					seller: alice(),
					amount: 7,
					bond: FIXED_COVER + 7,
				},
				Event::UnbondingStarted {
					seller: alice(),
					unbonding: 7,
					at: 1 + UNBONDING,
				},
				Event::BondWithdrawn {
					seller: alice(),
					amount: 7,
				},
			]
		);
	});
}

#[test]
fn a_subscription_is_told_of_from_beginning_to_end() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let mut terms = shop.draft();
		terms.buyer = dave();
		let deal = shop.seal(terms);
		events();
		assert_ok!(Market::subscribe(
			signed(&dave()),
			None,
			0,
			PRICE,
			2 * PRICE,
			100,
			dave()
		));
		assert_ok!(Market::deliver(
			signed(&HELPER),
			0,
			BoundedVec::truncate_from(vec![deal.epoch(0, &dave_key())])
		));
		assert_ok!(Market::end_subscription(signed(&dave()), None, 0));
		advance(NOTICE + 1);
		assert_ok!(Market::close_subscription(signed(&HELPER), 0));
		let deadline = 1 + DISPUTE;
		assert_eq!(
			events(),
			[
				Event::Subscribed {
					subscription: 0,
					listing: 0,
					subscriber: dave(),
					amount: 2 * PRICE,
					ends: 100,
				},
				Event::Purchased {
					sale: deal.id(),
					listing: 0,
					seller: alice(),
					buyer: dave(),
					price: PRICE,
					deadline,
				},
				Event::KeyRevealed {
					sale: deal.id(),
					key: deal.blinded,
					deadline,
				},
				Event::SubscriptionEnding {
					subscription: 0,
					ends: 1 + NOTICE,
				},
				Event::SubscriptionClosed {
					subscription: 0,
					left: PRICE,
				},
			]
		);
	});
}

#[test]
fn requests_and_pools_are_told_of() {
	ExtBuilder::execute(|| {
		let wanted = RequestSpec {
			schema: Default::default(),
			area: BoundedVec::default(),
			from: 0,
			until: None,
			price: Price::PerSale(1),
			metadata: Default::default(),
			endpoint: BoundedVec::truncate_from(b"coap://buyer".to_vec()),
			expires: 9,
		};
		assert_ok!(Market::post_request(signed(&BOB), None, Box::new(wanted)));
		assert_ok!(Market::remove_request(signed(&BOB), None, 0));
		assert_ok!(Market::create_pool(signed(&alice()), None));
		assert_ok!(Market::set_shares(signed(&alice()), None, 0, BOB, 3));
		assert_ok!(Market::set_shares(signed(&alice()), None, 0, BOB, 0));
		assert_ok!(Market::close_pool(signed(&alice()), None, 0));
		let shares = |shares| Event::SharesSet {
			pool: 0,
			member: BOB,
			shares,
		};
		assert_eq!(
			events(),
			[
				Event::RequestPosted {
					request: 0,
					buyer: BOB,
				},
				Event::RequestRemoved { request: 0 },
				Event::PoolCreated {
					pool: 0,
					manager: alice(),
				},
				shares(3),
				shares(0),
				Event::PoolClosed {
					pool: 0,
					returned: ED
				},
			]
		);
	});
}
