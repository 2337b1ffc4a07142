//! From the purchase to the end, with both sides there or not.

use crate::{Error, Event, HoldReason, Marks, Sales, Sellers, WeightInfo, mock::*};
use frame_support::{BoundedVec, assert_noop, assert_ok, traits::Hooks, weights::Weight};
use m2m_device::AccountId;
use m2m_fair_exchange::{
	BlindedKey,
	market::{Payee, Payout},
};
use sp_core::H256;
use sp_runtime::Perbill;

#[test]
fn an_honest_sale_pays_the_seller_and_leaves_zero_bytes() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let record = |seller: &AccountId| Sellers::<Test>::get(seller).expect("there is a bond");
		// A seller's record is there anyway; it only counts.
		let (sale_free, bytes) = (state().len(), |state: Vec<(Vec<u8>, Vec<u8>)>| -> usize {
			state.iter().map(|(key, value)| key.len() + value.len()).sum()
		});
		let before = bytes(state());
		let (seller, buyer, issued) = (free(&alice()), total(&BOB), Balances::total_issuance());
		let deal = shop.deal();
		assert_eq!(deal.check(), Ok(()));
		assert_ok!(deal.buy());
		assert_ok!(deal.reveal());
		let key = Sales::<Test>::get(deal.id())
			.and_then(|sale| sale.key)
			.expect("it was revealed");
		let readings = deal.open(&key).expect("the seller is honest");
		assert_eq!(readings.len(), 10);
		assert_eq!(readings[0], shop.batches[&0].readings()[1]);
		advance(DISPUTE + 1);
		settle(&[deal.id()]);

		let fee = PRICE / 100;
		assert_eq!(free(&alice()), seller + PRICE - fee);
		assert_eq!(total(&BOB), buyer - PRICE);
		assert_eq!(Balances::total_issuance(), issued - fee);
		assert_eq!((state().len(), bytes(state())), (sale_free, before));
		assert_eq!(held(HoldReason::Payment, &BOB), 0);
		assert_eq!(record(&alice()).locked, 0);
		assert_eq!((record(&alice()).settled, record(&alice()).volume), (1, PRICE));
		assert_eq!(
			events().last(),
			Some(&Event::SaleSettled {
				sale: deal.id(),
				seller: alice(),
				buyer: BOB,
				received: PRICE - fee,
				shared: 0,
				fee,
				rating: None,
			})
		);
	});
}

#[test]
fn a_buyer_that_is_offline_pays_in_the_end() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.deal().revealed();
		advance(DISPUTE);
		settle(&[deal.id()]);
		assert_eq!(not_ended(), [(deal.id(), refusal(Error::TooEarly))]);
		advance(1);
		settle(&[deal.id()]);
		assert_eq!(not_ended(), []);
		assert!(!Sales::<Test>::contains_key(deal.id()));
	});
}

#[test]
fn a_seller_that_is_offline_gives_the_money_back_and_more() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let before = total(&BOB);
		let deal = shop.deal().bought();
		advance(REVEAL);
		refund(&[deal.id()]);
		assert_eq!(not_ended(), [(deal.id(), refusal(Error::TooEarly))]);
		advance(1);
		refund(&[deal.id()]);
		assert_eq!(total(&BOB), before + FIXED_COVER);
		assert_eq!(held(HoldReason::Payment, &BOB), 0);
		let seller = Sellers::<Test>::get(alice()).expect("there is a bond");
		assert_eq!(
			(seller.bond, seller.locked, seller.refunded),
			(BOND - FIXED_COVER, 0, 1)
		);
		// It outlived its terms, so it leaves no mark.
		assert_eq!(Marks::<Test>::iter().count(), 0);
		assert_eq!(
			events().last(),
			Some(&Event::SaleRefunded {
				sale: deal.id(),
				seller: alice(),
				buyer: BOB,
				price: PRICE,
				compensation: FIXED_COVER,
			})
		);
	});
}

#[test]
fn a_key_may_be_revealed_by_anybody_up_to_and_including_the_deadline() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let (in_time, late) = (shop.deal().bought(), shop.deal().bought());
		advance(REVEAL);
		assert_ok!(Market::reveal_key(signed(&HELPER), in_time.id(), in_time.blinded));
		advance(1);
		assert_noop!(late.reveal(), Error::<Test>::RevealTooLate);
		refund(&[in_time.id(), late.id()]);
		assert_eq!(not_ended(), [(in_time.id(), refusal(Error::AlreadyRevealed))]);
	});
}

#[test]
fn only_the_key_of_the_terms_opens_a_sale_and_only_once() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let (deal, other) = (shop.deal().bought(), shop.deal().bought());
		let reveal = |key| Market::reveal_key(signed(&alice()), deal.id(), key);
		assert_noop!(reveal(BlindedKey([1; 32])), Error::<Test>::WrongKey);
		assert_noop!(reveal(other.blinded), Error::<Test>::WrongKey);
		assert_ok!(reveal(deal.blinded));
		assert_noop!(reveal(deal.blinded), Error::<Test>::AlreadyRevealed);
		assert_noop!(
			Market::reveal_key(signed(&alice()), H256::zero(), deal.blinded),
			Error::<Test>::UnknownSale
		);
	});
}

#[test]
fn nothing_is_settled_or_given_back_twice() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let (paid, silent) = (shop.deal().revealed(), shop.deal().bought());
		advance(REVEAL + DISPUTE + 1);
		events();
		settle(&[paid.id(), paid.id(), silent.id()]);
		assert_eq!(
			not_ended(),
			[
				(paid.id(), refusal(Error::UnknownSale)),
				(silent.id(), refusal(Error::NotRevealed)),
			]
		);
		refund(&[silent.id(), silent.id(), paid.id()]);
		assert_eq!(
			not_ended(),
			[
				(silent.id(), refusal(Error::UnknownSale)),
				(paid.id(), refusal(Error::UnknownSale)),
			]
		);
		assert_noop!(paid.accept(1), Error::<Test>::UnknownSale);
		assert_noop!(paid.prove(0), Error::<Test>::UnknownSale);
	});
}

#[test]
fn a_buyer_that_is_satisfied_settles_at_once_and_rates() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.deal().bought();
		assert_noop!(deal.accept(5), Error::<Test>::NotRevealed);
		assert_ok!(deal.reveal());
		for rating in [0, 6, 255] {
			assert_noop!(deal.accept(rating), Error::<Test>::InvalidRating);
		}
		assert_noop!(
			Market::accept(signed(&CAROL), None, deal.id(), 5),
			Error::<Test>::NotBuyer
		);
		assert_ok!(deal.accept(4));
		let seller = Sellers::<Test>::get(alice()).expect("there is a bond");
		let fee = PRICE / 100;
		assert_eq!(
			(seller.settled, seller.rated_fees, seller.rating_points),
			(1, fee, 4 * fee)
		);
		assert!(seller.is_rated(4) && !seller.is_rated(5));
	});
}

#[test]
fn a_rating_weighs_what_the_sale_burnt() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let small = |price| {
			let mut terms = shop.draft();
			terms.price = price;
			shop.seal(terms).revealed()
		};
		// One bad sale of 20,000 and ten praised ones of 100 each.
		assert_ok!(small(PRICE).accept(1));
		for _ in 0..10 {
			assert_ok!(small(100).accept(5));
		}
		let seller = Sellers::<Test>::get(alice()).expect("there is a bond");
		assert!(!seller.is_rated(2), "{seller:?}");
	});
}

#[test]
fn a_sale_that_ended_early_leaves_a_mark_until_its_terms_expire() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let before = state().len();
		let deal = shop.deal().revealed();
		assert_ok!(deal.accept(5));
		assert_eq!(state().len(), before + 1);
		let idle = || Market::on_idle(System::block_number(), Weight::MAX);
		advance(VALIDITY);
		idle();
		assert_eq!(Marks::<Test>::iter().count(), 1, "the terms are still in force");
		advance(1);
		let used = idle();
		assert_eq!(used, <() as WeightInfo>::prune_marks(1));
		assert_eq!(state().len(), before);
	});
}

#[test]
fn marks_leave_the_state_in_order_of_expiry_and_only_with_weight_to_spare() {
	ExtBuilder::execute(|| {
		for number in 0..60u32 {
			// Numbers beyond a byte, so that little-endian keys would come out of order.
			Marks::<Test>::insert(
				(
					(600 - number * 5).to_be_bytes(),
					H256::from_low_u64_be(number.into()),
				),
				(),
			);
		}
		System::set_block_number(456);
		let idle = |weight| Market::on_idle(456, weight);
		assert_eq!(idle(Weight::zero()), Weight::zero());
		assert_eq!(Marks::<Test>::iter().count(), 60);
		let two = <() as WeightInfo>::prune_marks(2);
		assert_eq!(idle(two), two);
		assert_eq!(Marks::<Test>::iter().count(), 58);
		idle(Weight::MAX);
		idle(Weight::MAX);
		// Those of blocks 460 to 600 are in force.
		assert_eq!(Marks::<Test>::iter().count(), 29);
		assert!(Marks::<Test>::iter_keys().all(|(expires, _)| u32::from_be_bytes(expires) >= 456));
	});
}

#[test]
fn fixed_parts_go_to_their_payees_and_the_rest_to_the_seller() {
	ExtBuilder::execute(|| {
		let share = |account, percent| Payee {
			account,
			share: Perbill::from_percent(percent),
		};
		let split = vec![share(CAROL, 10), share(dave(), 25)];
		let shop = Shop::open_with(2, |spec| {
			spec.payout = Payout::Split(BoundedVec::truncate_from(split));
		});
		let before = [free(&alice()), free(&CAROL), free(&dave())];
		assert_ok!(shop.deal().revealed().accept(5));
		let net = PRICE - PRICE / 100;
		let (ten, quarter) = (net / 10, net / 4);
		assert_eq!(
			[free(&alice()), free(&CAROL), free(&dave())],
			[
				before[0] + net - ten - quarter,
				before[1] + ten,
				before[2] + quarter
			]
		);
	});
}

#[test]
fn a_share_that_cannot_be_received_goes_to_the_seller() {
	ExtBuilder::execute(|| {
		let dead = AccountId::new([0xdd; 32]);
		let share = |account: &AccountId, parts| Payee {
			account: account.clone(),
			share: Perbill::from_parts(parts),
		};
		// 99 units of the net price of 19,800 are less than the existential deposit, 198 are not.
		let split = vec![
			share(&dead, 5_000_000),
			share(&PAUPER, 10_000_000),
			share(&CAROL, 10_000_000),
		];
		let shop = Shop::open_with(2, |spec| {
			spec.payout = Payout::Split(BoundedVec::truncate_from(split));
		});
		let before = [free(&alice()), free(&CAROL)];
		let deal = shop.deal().revealed();
		advance(DISPUTE + 1);
		settle(&[deal.id()]);
		assert_eq!([free(&dead), free(&PAUPER)], [0, 198]);
		assert_eq!(
			[free(&alice()), free(&CAROL)],
			[before[0] + 19_800 - 2 * 198, before[1] + 198]
		);
		assert_eq!(held(HoldReason::Payment, &BOB), 0);
	});
}

#[test]
fn the_sale_goes_on_as_it_was_bought_whatever_becomes_of_the_listing() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let before = free(&CAROL);
		let deal = shop.deal().revealed();
		let mut greedy = spec(&shop.device, 0);
		greedy.payout = Payout::Split(BoundedVec::truncate_from(vec![Payee {
			account: CAROL,
			share: Perbill::one(),
		}]));
		assert_ok!(Market::update_listing(
			signed(&alice()),
			None,
			0,
			Box::new(greedy)
		));
		assert_ok!(Market::close_listing(signed(&alice()), None, 0));
		assert_ok!(deal.accept(5));
		assert_eq!(free(&CAROL), before);
	});
}

#[test]
fn a_buyer_with_frozen_or_spent_money_still_pays_and_is_still_paid() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let (paid, silent) = (shop.deal().revealed(), shop.deal().bought());
		// All free money is gone but what keeps the account alive.
		assert_ok!(Balances::transfer_all(signed(&BOB), CAROL, false));
		assert_eq!(free(&BOB), ED);
		advance(REVEAL + DISPUTE + 1);
		settle(&[paid.id()]);
		refund(&[silent.id()]);
		assert_eq!(not_ended(), []);
		assert_eq!(free(&BOB), ED + PRICE + FIXED_COVER);
	});
}

#[test]
fn rounding_of_the_fee_is_up_and_never_above_the_price() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let mut terms = shop.draft();
		terms.price = MIN_PRICE + 1;
		let deal = shop.seal(terms).bought();
		assert_eq!(Sales::<Test>::get(deal.id()).map(|sale| sale.fee), Some(1));
	});
}
