//! Pools: shares, what they earn, and from when on.

use crate::{Error, Event, HoldReason, INDEX_SCALE, PoolMembers, Pools, mock::*, pools::owed};
use frame_support::{assert_noop, assert_ok};
use m2m_device::AccountId;
use m2m_fair_exchange::market::{Payout, PoolMember};
use proptest::prelude::*;
use sp_runtime::Perbill;

const NET: u128 = PRICE - PRICE / 100;

/// Alice's shop, which pays half of all it earns into her pool.
fn shop() -> Shop {
	assert_ok!(Market::create_pool(signed(&alice()), None));
	Shop::open_with(2, |spec| {
		spec.payout = Payout::Pool {
			pool: 0,
			share: Perbill::from_percent(50),
		};
	})
}

fn set(member: &AccountId, shares: u32) -> sp_runtime::DispatchResult {
	Market::set_shares(signed(&alice()), None, 0, member.clone(), shares)
}

fn owed_to(member: &AccountId) -> u128 {
	Market::pool_member(0, member).map_or(0, |(_, owed)| owed)
}

#[test]
fn members_share_what_a_sale_earns() {
	ExtBuilder::execute(|| {
		let shop = shop();
		assert_ok!(set(&BOB, 3));
		assert_ok!(set(&CAROL, 1));
		let (seller, carol) = (free(&alice()), free(&CAROL));
		let deal = shop.deal().revealed();
		advance(DISPUTE + 1);
		settle(&[deal.id()]);
		assert_eq!(free(&alice()), seller + NET - NET / 2);
		assert_eq!((owed_to(&BOB), owed_to(&CAROL)), (NET / 2 * 3 / 4, NET / 2 / 4));
		assert_ok!(Market::claim(signed(&HELPER), 0, CAROL));
		assert_eq!(free(&CAROL), carol + NET / 2 / 4);
		assert_noop!(
			Market::claim(signed(&HELPER), 0, CAROL),
			Error::<Test>::NothingOwed
		);
		assert_eq!(owed_to(&BOB), NET / 2 * 3 / 4);
	});
}

#[test]
fn shares_issued_count_for_sales_purchased_afterwards_only() {
	ExtBuilder::execute(|| {
		let shop = shop();
		assert_ok!(set(&BOB, 1));
		let deal = shop.deal().bought();
		// While a sale is open nobody can join and earn from it.
		assert_noop!(set(&CAROL, 1), Error::<Test>::PoolInUse);
		assert_noop!(set(&BOB, 0), Error::<Test>::PoolInUse);
		assert_ok!(deal.reveal());
		assert_ok!(deal.accept(5));
		assert_ok!(set(&CAROL, 1));
		assert_eq!((owed_to(&BOB), owed_to(&CAROL)), (NET / 2, 0));
		assert_ok!(shop.deal().revealed().accept(5));
		assert_eq!((owed_to(&BOB), owed_to(&CAROL)), (NET / 2 + NET / 4, NET / 4));
	});
}

#[test]
fn a_sale_that_fails_frees_its_pool() {
	ExtBuilder::execute(|| {
		let shop = shop();
		assert_ok!(set(&BOB, 1));
		let (silent, bad) = (shop.deal().bought(), shop.cheat().revealed());
		assert_ok!(bad.prove(2));
		assert_noop!(set(&CAROL, 1), Error::<Test>::PoolInUse);
		advance(REVEAL + 1);
		refund(&[silent.id()]);
		assert_ok!(set(&CAROL, 1));
		assert_eq!(owed_to(&BOB), 0);
	});
}

#[test]
fn a_pool_without_members_leaves_all_to_the_seller() {
	ExtBuilder::execute(|| {
		let shop = shop();
		let before = free(&alice());
		assert_ok!(shop.deal().revealed().accept(5));
		assert_eq!(free(&alice()), before + NET);
	});
}

#[test]
fn a_member_is_paid_when_it_leaves() {
	ExtBuilder::execute(|| {
		let shop = shop();
		assert_ok!(set(&BOB, 1));
		assert_ok!(set(&CAROL, 2));
		assert_ok!(shop.deal().revealed().accept(5));
		let before = free(&CAROL);
		let earned = NET / 2 * 2 / 3;
		assert_ok!(set(&CAROL, 0));
		assert_eq!(free(&CAROL), before + earned);
		assert!(!PoolMembers::<Test>::contains_key(0, CAROL));
		assert_noop!(set(&CAROL, 0), Error::<Test>::NothingOwed);
		assert!(events().contains(&Event::ShareClaimed {
			pool: 0,
			member: CAROL,
			amount: earned,
		}));
	});
}

#[test]
fn more_shares_later_do_not_change_what_was_earned_before() {
	ExtBuilder::execute(|| {
		let shop = shop();
		assert_ok!(set(&BOB, 1));
		assert_ok!(set(&CAROL, 1));
		assert_ok!(shop.deal().revealed().accept(5));
		assert_ok!(set(&BOB, 1_000));
		assert_eq!((owed_to(&BOB), owed_to(&CAROL)), (NET / 4, NET / 4));
		let pool = Pools::<Test>::get(0).expect("it is there");
		assert_eq!((pool.shares, pool.members), (1_001, 2));
	});
}

#[test]
fn a_member_that_cannot_receive_keeps_what_it_is_owed() {
	ExtBuilder::execute(|| {
		let shop = shop();
		assert_ok!(set(&PAUPER, 1));
		assert_ok!(set(&BOB, 999));
		let claim = || Market::claim(signed(&HELPER), 0, PAUPER);
		assert_ok!(shop.deal().revealed().accept(5));
		assert_eq!(owed_to(&PAUPER), 9);
		assert_noop!(claim(), Error::<Test>::CannotReceive);
		fund(&PAUPER, ED);
		assert_ok!(claim());
		assert_eq!(free(&PAUPER), ED + 9);
	});
}

#[test]
fn a_pool_is_closed_empty_and_returns_everything() {
	ExtBuilder::execute(|| {
		let shop = shop();
		let before = total(&alice());
		assert_ok!(set(&BOB, 1));
		let deal = shop.deal().revealed();
		let close = |who: &AccountId| Market::close_pool(signed(who), None, 0);
		assert_noop!(close(&BOB), Error::<Test>::NotPoolManager);
		assert_noop!(close(&alice()), Error::<Test>::PoolNotEmpty);
		assert_ok!(deal.accept(5));
		assert_ok!(set(&BOB, 0));
		let open = shop.deal().bought();
		assert_noop!(close(&alice()), Error::<Test>::PoolInUse);
		advance(REVEAL + 1);
		refund(&[open.id()]);
		// Gifts go to the manager in the end.
		fund(&Market::pool_account(0), 77);
		assert_ok!(close(&alice()));
		assert_eq!(free(&Market::pool_account(0)), 0);
		assert_eq!(total(&alice()), before + NET - NET / 2 - FIXED_COVER + ED + 77);
		assert_noop!(close(&alice()), Error::<Test>::UnknownPool);
		// Terms under a listing whose pool is gone are not bought.
		assert_noop!(shop.deal().buy(), Error::<Test>::UnknownPool);
	});
}

#[test]
fn pools_are_managed_by_their_managers() {
	ExtBuilder::execute(|| {
		assert_noop!(set(&BOB, 1), Error::<Test>::UnknownPool);
		assert_noop!(Market::claim(signed(&BOB), 0, BOB), Error::<Test>::UnknownPool);
		assert_noop!(
			Market::create_pool(signed(&PAUPER), None),
			Error::<Test>::CannotPay
		);
		assert_ok!(Market::create_pool(signed(&alice()), None));
		assert!(held(HoldReason::Deposit, &alice()) > 0);
		assert_noop!(
			Market::set_shares(signed(&BOB), None, 0, BOB, 1),
			Error::<Test>::NotPoolManager
		);
		assert_noop!(Market::claim(signed(&BOB), 0, BOB), Error::<Test>::NothingOwed);
		assert_ok!(set(&BOB, u32::MAX));
		assert_noop!(set(&CAROL, 1), Error::<Test>::NumbersExhausted);
		crate::NextPool::<Test>::put(u32::MAX);
		assert_noop!(
			Market::create_pool(signed(&alice()), None),
			Error::<Test>::NumbersExhausted
		);
	});
}

proptest! {
	/// Rounding is down: members together never get more than was paid in, and each loses less than a unit a sale.
	#[test]
	fn members_never_get_more_than_was_paid_in(
		shares in prop::collection::vec(1u32..1_000_000_000, 1..4),
		sales in prop::collection::vec(1u128..1_000_000_000_000_000, 1..20),
	) {
		let all: u128 = shares.iter().map(|shares| u128::from(*shares)).sum();
		let index = sales.iter().map(|sale| sale * INDEX_SCALE / all).sum();
		let paid: u128 = sales.iter().sum();
		let mut got = 0;
		for shares in shares {
			let member = PoolMember { shares, index: 0, owed: 0, deposit: 0 };
			let owed = owed(&member, index);
			let fair = paid * u128::from(shares) / all;
			prop_assert!(owed <= fair && fair - owed <= 1 + sales.len() as u128, "{owed} of {fair}");
			got += owed;
		}
		prop_assert!(got <= paid);
	}
}
