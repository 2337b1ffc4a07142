//! Offering, changing and withdrawing.

use crate::{Error, Event, HoldReason, ListedBy, Listings, mock::*};
use codec::MaxEncodedLen;
use frame_support::{BoundedVec, assert_noop, assert_ok, dispatch::DispatchResult};
use m2m_anchor::StreamSpec;
use m2m_device::{AccountId, Roles};
use m2m_fair_exchange::{
	Claims,
	market::{Listing, ListingSpec, Payee, Payout, Price},
};
use sp_runtime::{DispatchError, Perbill};

fn list(shop: &Shop, change: impl FnOnce(&mut ListingSpec)) -> DispatchResult {
	let mut spec = spec(&shop.device, shop.stream);
	change(&mut spec);
	Market::create_listing(signed(&alice()), None, Box::new(spec))
}

#[test]
fn a_listing_holds_a_deposit_and_stands_in_the_sellers_index() {
	ExtBuilder::execute(|| {
		let shop = Shop::unlisted(2);
		let before = total(&alice());
		assert_ok!(list(&shop, |_| ()));
		let listing = Listings::<Test>::get(0).expect("it was listed");
		assert_eq!((listing.seller.clone(), listing.version), (alice(), 0));
		assert!(listing.deposit > 0);
		assert_eq!(held(HoldReason::Deposit, &alice()), listing.deposit);
		assert_eq!(total(&alice()), before);
		assert!(ListedBy::<Test>::contains_key(alice(), 0));
		assert_eq!(
			events(),
			[Event::ListingCreated {
				listing: 0,
				seller: alice(),
				device: shop.device.clone(),
			}]
		);
	});
}

#[test]
fn closing_a_listing_returns_the_deposit_and_leaves_nothing() {
	ExtBuilder::execute(|| {
		let shop = Shop::unlisted(2);
		let (before, state_before) = (free(&alice()), state());
		assert_ok!(list(&shop, |_| ()));
		assert_ok!(Market::close_listing(signed(&alice()), None, 0));
		assert_eq!(free(&alice()), before);
		// Only the number of the next listing is new.
		assert_eq!(state().len(), state_before.len() + 1);
		assert_noop!(
			Market::close_listing(signed(&alice()), None, 0),
			Error::<Test>::UnknownListing
		);
	});
}

#[test]
fn every_change_makes_another_version() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let mut changed = spec(&shop.device, 0);
		changed.price = Price::PerReading(7);
		let update =
			|spec: &ListingSpec| Market::update_listing(signed(&alice()), None, 0, Box::new(spec.clone()));
		assert_ok!(update(&changed));
		assert_ok!(update(&changed));
		let listing = Listings::<Test>::get(0).expect("it is listed");
		assert_eq!((listing.version, listing.spec), (2, changed.clone()));

		assert_noop!(
			Market::update_listing(signed(&alice()), None, 9, Box::new(changed.clone())),
			Error::<Test>::UnknownListing
		);
		let mut other_stream = changed.clone();
		other_stream.stream = 1;
		assert_noop!(update(&other_stream), Error::<Test>::NotAsListed);
		Listings::<Test>::mutate_extant(0, |listing| listing.version = u32::MAX);
		assert_noop!(update(&changed), Error::<Test>::NumbersExhausted);
	});
}

#[test]
fn a_strangers_listing_cannot_be_changed_or_closed() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		assert_noop!(
			Market::close_listing(signed(&BOB), None, 0),
			Error::<Test>::NotSeller
		);
		// The device may sell its own readings, but this listing is its owner's.
		assert_noop!(
			Market::update_listing(
				signed(&alice()),
				Some(shop.device.clone()),
				0,
				Box::new(spec(&shop.device, 0))
			),
			Error::<Test>::NotSeller
		);
	});
}

#[test]
fn only_private_streams_are_sold() {
	ExtBuilder::execute(|| {
		let shop = Shop::unlisted(2);
		let open = StreamSpec {
			private: false,
			..private()
		};
		assert_ok!(Telemetry::create_stream(
			signed(&alice()),
			Some(shop.device.clone()),
			open
		));
		assert_noop!(
			list(&shop, |spec| spec.stream = 1),
			Error::<Test>::StreamNotPrivate
		);
		assert_noop!(list(&shop, |spec| spec.stream = 2), Error::<Test>::UnknownStream);
		assert_ok!(Telemetry::close_stream(
			signed(&alice()),
			Some(shop.device.clone()),
			0
		));
		assert_noop!(list(&shop, |_| ()), Error::<Test>::UnknownStream);
	});
}

#[test]
fn the_seller_is_the_device_or_its_owner() {
	ExtBuilder::execute(|| {
		let shop = Shop::unlisted(2);
		let foreign = register(&CAROL, &key(4), Roles::ALL);
		assert_noop!(
			Market::create_listing(signed(&BOB), None, Box::new(spec(&shop.device, 0))),
			pallet_device_identity::Error::<Test>::NotOwner
		);
		assert_noop!(
			Market::create_listing(signed(&alice()), None, Box::new(spec(&foreign, 0))),
			pallet_device_identity::Error::<Test>::NotOwner
		);
		// An operator manages the device, and sells nothing on its own account.
		assert_ok!(Identity::grant(
			signed(&alice()),
			shop.device.clone(),
			BOB,
			MANAGER,
			None
		));
		assert_noop!(
			Market::create_listing(signed(&BOB), None, Box::new(spec(&shop.device, 0))),
			Error::<Test>::NotSellersDevice
		);
		fund(&shop.device, 1_000_000);
		let list = || {
			Market::create_listing(
				signed(&BOB),
				Some(shop.device.clone()),
				Box::new(spec(&shop.device, 0)),
			)
		};
		let deposit = Market::deposit_for(Listing::max_encoded_len());
		budgets::Left::<Test>::insert(&shop.device, deposit - 1);
		assert_noop!(list(), budgets::Error::<Test>::BudgetExceeded);
		budgets::Left::<Test>::insert(&shop.device, deposit);
		assert_ok!(list());
		assert_eq!(budgets::Left::<Test>::get(&shop.device), 0);
	});
}

#[test]
fn who_only_manages_a_device_does_not_decide_where_its_money_goes() {
	ExtBuilder::execute(|| {
		let shop = Shop::unlisted(2);
		fund(&shop.device, 1_000_000);
		budgets::Left::<Test>::insert(&shop.device, 1_000_000);
		assert_ok!(Identity::grant(
			signed(&alice()),
			shop.device.clone(),
			BOB,
			MANAGER,
			None
		));
		let list = |change: &dyn Fn(&mut ListingSpec)| {
			let mut spec = spec(&shop.device, 0);
			change(&mut spec);
			Market::create_listing(signed(&BOB), Some(shop.device.clone()), Box::new(spec))
		};
		let refused = pallet_device_identity::Error::<Test>::ActionNotGranted;
		assert_noop!(list(&|spec| spec.terms_key = Some(BOB)), refused);
		let to_bob = Payout::Split(BoundedVec::truncate_from(vec![Payee {
			account: BOB,
			share: Perbill::from_percent(90),
		}]));
		let refused = pallet_device_identity::Error::<Test>::ActionNotGranted;
		assert_noop!(list(&|spec| spec.payout = to_bob.clone()), refused);
		assert_ok!(list(&|_| ()));

		// What the owner set up, the manager keeps.
		let update = |who: &AccountId, payout: &Payout, price| {
			let mut spec = spec(&shop.device, 0);
			spec.payout = payout.clone();
			spec.price = Price::PerSale(price);
			Market::update_listing(signed(who), Some(shop.device.clone()), 0, Box::new(spec))
		};
		assert_ok!(update(&alice(), &to_bob, 1));
		let refused = pallet_device_identity::Error::<Test>::ActionNotGranted;
		assert_noop!(update(&BOB, &Payout::Seller, 2), refused);
		assert_ok!(update(&BOB, &to_bob, 2));
	});
}

#[test]
fn malformed_listings_are_refused() {
	ExtBuilder::execute(|| {
		let shop = Shop::unlisted(2);
		let share = |parts: &[u32]| {
			let payees = parts.iter().map(|parts| Payee {
				account: BOB,
				share: Perbill::from_parts(*parts),
			});
			Payout::Split(BoundedVec::truncate_from(payees.collect()))
		};
		assert_noop!(
			list(&shop, |spec| spec.endpoint = BoundedVec::default()),
			Error::<Test>::InvalidEndpoint
		);
		assert_noop!(
			list(&shop, |spec| spec.endpoint =
				BoundedVec::truncate_from(b"a b".to_vec())),
			Error::<Test>::InvalidEndpoint
		);
		assert_noop!(
			list(&shop, |spec| spec.area =
				BoundedVec::truncate_from(b"\xff".to_vec())),
			Error::<Test>::InvalidArea
		);
		assert_noop!(
			list(&shop, |spec| spec.until = Some(spec.from)),
			Error::<Test>::InvalidTimes
		);
		for claims in [
			Claims {
				range: Some((1, 0)),
				..Claims::default()
			},
			Claims {
				count: Some((0, 1)),
				..Claims::default()
			},
		] {
			assert_noop!(
				list(&shop, |spec| spec.claims = claims),
				Error::<Test>::InvalidClaims
			);
		}
		for payout in [
			share(&[]),
			share(&[0]),
			share(&[500_000_000, 500_000_001]),
			Payout::Pool {
				pool: 0,
				share: Perbill::zero(),
			},
		] {
			assert_noop!(
				list(&shop, |spec| spec.payout = payout),
				Error::<Test>::InvalidSplit
			);
		}
		assert_ok!(list(&shop, |spec| spec.payout = share(&[500_000_000, 500_000_000])));
	});
}

#[test]
fn a_listing_pays_into_the_sellers_own_pool_only() {
	ExtBuilder::execute(|| {
		let shop = Shop::unlisted(2);
		let into = |pool| Payout::Pool {
			pool,
			share: Perbill::from_percent(50),
		};
		assert_noop!(
			list(&shop, |spec| spec.payout = into(0)),
			Error::<Test>::UnknownPool
		);
		assert_ok!(Market::create_pool(signed(&BOB), None));
		assert_noop!(
			list(&shop, |spec| spec.payout = into(0)),
			Error::<Test>::NotPoolManager
		);
		assert_ok!(Market::create_pool(signed(&alice()), None));
		assert_ok!(list(&shop, |spec| spec.payout = into(1)));
	});
}

#[test]
fn a_seller_without_money_or_numbers_lists_nothing() {
	ExtBuilder::execute(|| {
		let shop = Shop::unlisted(2);
		assert_ok!(Balances::transfer_all(signed(&alice()), CAROL, true));
		assert_noop!(list(&shop, |_| ()), Error::<Test>::CannotPay);
		fund(&alice(), 1_000_000);
		crate::NextListing::<Test>::put(u32::MAX);
		assert_noop!(list(&shop, |_| ()), Error::<Test>::NumbersExhausted);
	});
}

#[test]
fn a_suspended_device_lists_nothing_but_its_owner_may_close() {
	ExtBuilder::execute(|| {
		let shop = Shop::open_as_device();
		assert_ok!(Identity::suspend(signed(&alice()), shop.device.clone()));
		let refused: DispatchError = pallet_device_identity::Error::<Test>::DeviceSuspended.into();
		assert_noop!(list(&shop, |_| ()), refused);
		assert_ok!(Market::close_listing(
			signed(&alice()),
			Some(shop.device.clone()),
			0
		));
	});
}
