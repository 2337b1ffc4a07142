//! Devices as buyers and sellers: who signs for them, and within which limits.

use crate::{Error, HoldReason, Sales, mock::*};
use codec::MaxEncodedLen;
use frame_support::{assert_noop, assert_ok};
use m2m_device::{AccountId, DeviceId, PossessionAction, Roles};
use m2m_fair_exchange::market::{Pool, PoolMember, Request, Subscription};

/// A device of Carol's with money and a key that may only trade; what the key may spend.
fn machine(budget: u128) -> (DeviceId, TestKey) {
	let device = register(&CAROL, &key(12), Roles::AUTHENTICATE);
	let trader = key(14);
	let roles = Roles {
		trade: true,
		manage: false,
		authenticate: false,
	};
	let proof = trader.prove(PossessionAction::Add, &CAROL, Some(&device), roles);
	assert_ok!(Identity::add_key(
		signed(&CAROL),
		Some(device.clone()),
		trader.public(),
		roles,
		proof
	));
	fund(&device, 10_000_000);
	budgets::Left::<Test>::insert(&device, budget);
	(device, trader)
}

fn budget(device: &DeviceId) -> u128 {
	budgets::Left::<Test>::get(device)
}

fn deal_for(shop: &Shop, buyer: &AccountId) -> Deal {
	let mut terms = shop.draft();
	terms.buyer = buyer.clone();
	shop.seal(terms)
}

#[test]
fn a_machine_buys_within_its_budget_and_gets_it_back_with_the_money() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let (device, trader) = machine(2 * PRICE);
		let buy =
			|deal: &Deal| Market::purchase(signed(&trader.account()), None, Box::new(deal.offer.clone()));
		let (silent, bad) = (deal_for(&shop, &device), {
			let mut terms = shop.draft();
			terms.buyer = device.clone();
			shop.seal_as(terms, |position, leaf| leaf.sealed[1] ^= u8::from(position == 2))
		});
		assert_ok!(buy(&silent));
		assert_ok!(buy(&bad));
		assert_eq!(budget(&device), 0);
		assert_noop!(
			buy(&deal_for(&shop, &device)),
			budgets::Error::<Test>::BudgetExceeded
		);
		assert_ok!(bad.reveal());
		assert_ok!(bad.prove(2));
		assert_eq!(budget(&device), PRICE);
		advance(REVEAL + 1);
		refund(&[silent.id()]);
		assert_eq!(budget(&device), 2 * PRICE);
		// What is paid stays spent.
		let paid = deal_for(&shop, &device);
		assert_ok!(buy(&paid));
		assert_ok!(paid.reveal());
		assert_ok!(Market::accept(signed(&trader.account()), None, paid.id(), 5));
		assert_eq!(budget(&device), PRICE);
	});
}

#[test]
fn the_owner_is_not_limited_and_operators_are() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let (device, _) = machine(0);
		assert_ok!(Identity::grant(signed(&CAROL), device.clone(), BOB, TRADER, None));
		let offer = Box::new(deal_for(&shop, &device).offer);
		assert_noop!(
			Market::purchase(signed(&BOB), Some(device.clone()), offer.clone()),
			budgets::Error::<Test>::BudgetExceeded
		);
		assert_ok!(Market::purchase(signed(&CAROL), Some(device.clone()), offer));
		assert_noop!(
			Market::add_bond(signed(&BOB), Some(device.clone()), FIXED_COVER),
			budgets::Error::<Test>::BudgetExceeded
		);
		assert_ok!(Market::add_bond(signed(&CAROL), Some(device), FIXED_COVER));
	});
}

#[test]
fn a_subscription_books_its_money_once_and_gives_back_what_is_left() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deposit = Market::deposit_for(Subscription::max_encoded_len());
		let (device, trader) = machine(3 * PRICE + deposit);
		assert_ok!(Market::subscribe(
			signed(&trader.account()),
			None,
			0,
			PRICE,
			3 * PRICE,
			50,
			trader.account()
		));
		assert_eq!(budget(&device), 0);
		let epoch = deal_for(&shop, &device).epoch(0, &trader);
		assert_ok!(Market::deliver(
			signed(&HELPER),
			0,
			frame_support::BoundedVec::truncate_from(vec![epoch])
		));
		// A trading key may end what it began.
		assert_ok!(Market::end_subscription(signed(&trader.account()), None, 0));
		advance(NOTICE + 1);
		assert_ok!(Market::close_subscription(signed(&HELPER), 0));
		assert_eq!(budget(&device), 2 * PRICE);
	});
}

#[test]
fn the_owner_closes_what_is_open_whatever_the_status() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let (device, trader) = machine(10 * PRICE);
		let deal = deal_for(&shop, &device);
		assert_ok!(Market::purchase(
			signed(&trader.account()),
			None,
			Box::new(deal.offer.clone())
		));
		assert_ok!(deal.reveal());
		assert_ok!(Identity::report_lost(signed(&CAROL), device.clone()));
		assert_noop!(
			Market::accept(signed(&trader.account()), None, deal.id(), 5),
			pallet_device_identity::Error::<Test>::DeviceLost
		);
		assert_ok!(Market::accept(signed(&CAROL), Some(device), deal.id(), 5));
	});
}

#[test]
fn a_device_with_open_sales_does_not_change_hands_and_with_listings_it_does() {
	ExtBuilder::execute(|| {
		let shop = Shop::open_as_device();
		let deal = shop.deal().bought();
		assert_ok!(Identity::offer_transfer(
			signed(&alice()),
			shop.device.clone(),
			CAROL,
			0,
			unix_ms() + DAY
		));
		let accept = || Identity::accept_transfer(signed(&CAROL), shop.device.clone(), 0, 0);
		let open = pallet_device_identity::Error::<Test>::OpenPositions;
		assert_noop!(accept(), open);
		assert_ok!(deal.reveal());
		assert_ok!(deal.accept(5));
		let device = Some(shop.device.clone());
		assert_ok!(Market::start_unbonding(signed(&alice()), device.clone(), BOND));
		advance(UNBONDING);
		assert_ok!(Market::withdraw_bond(signed(&HELPER), shop.device.clone()));
		assert_ok!(accept());
		// The listing is dead; its deposit went with the wallet to the new owner.
		assert!(held(HoldReason::Deposit, &shop.device) > 0);
		assert_noop!(shop.deal().buy(), Error::<Test>::GenerationMismatch);
		assert_ok!(Market::close_listing(signed(&CAROL), device, 0));
		assert_eq!(held(HoldReason::Deposit, &shop.device), 0);
	});
}

#[test]
fn a_device_key_is_never_an_ordinary_buyer() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let (_, trader) = machine(10 * PRICE);
		let deal = deal_for(&shop, &trader.account());
		fund(&trader.account(), 10 * PRICE);
		assert_noop!(
			Market::purchase(signed(&trader.account()), None, Box::new(deal.offer.clone())),
			Error::<Test>::NotBuyer
		);
		assert!(!Sales::<Test>::contains_key(deal.id()));
	});
}

#[test]
fn deposits_count_on_the_budget_as_spending_does() {
	ExtBuilder::execute(|| {
		Shop::open();
		let deposit = |bytes| Market::deposit_for(bytes);
		let pool = deposit(Pool::max_encoded_len()) + ED;
		let member = deposit(PoolMember::max_encoded_len());
		let subscription = PRICE + deposit(Subscription::max_encoded_len());
		let (device, trader) = machine(pool + member + subscription);
		let trade = || signed(&trader.account());
		let subscribe = || Market::subscribe(trade(), None, 0, PRICE, PRICE, 50, trader.account());
		assert_ok!(Market::create_pool(trade(), None));
		assert_eq!(budget(&device), member + subscription);
		assert_ok!(Market::set_shares(trade(), None, 0, BOB, 1));
		assert_eq!(budget(&device), subscription);
		assert_ok!(subscribe());
		assert_eq!(budget(&device), 0);
		for refused in [
			Market::create_pool(trade(), None),
			Market::set_shares(trade(), None, 0, HELPER, 1),
			subscribe(),
		] {
			assert_eq!(refused, Err(budgets::Error::<Test>::BudgetExceeded.into()));
		}
		// The shares of a member that is there need no deposit, and a request needs another role.
		assert_ok!(Market::set_shares(trade(), None, 0, BOB, 2));
		assert_ok!(Identity::grant(
			signed(&CAROL),
			device.clone(),
			BOB,
			MANAGER,
			None
		));
		let request = || Box::new(super::requests::wanted());
		let asks = |who| Market::post_request(signed(&who), Some(device.clone()), request());
		assert_noop!(asks(BOB), budgets::Error::<Test>::BudgetExceeded);
		budgets::Left::<Test>::insert(&device, deposit(Request::max_encoded_len()));
		assert_ok!(asks(BOB));
		assert_eq!(budget(&device), 0);
		// The owner is not limited.
		assert_ok!(asks(CAROL));
	});
}
