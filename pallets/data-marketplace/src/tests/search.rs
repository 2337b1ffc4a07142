//! Finding listings: filters, pages and the bound on work.

use crate::{MAX_PAGE, MAX_SCANNED, NextListing, mock::*};
use frame_support::{BoundedVec, assert_ok};
use m2m_device::Topic;
use m2m_fair_exchange::{
	ListingId,
	market::{ListingFilter, Price, SaleStatus},
};
use sp_core::H256;

fn found(filter: ListingFilter) -> Vec<ListingId> {
	let page = Market::search(&filter, 0, 100);
	assert_eq!(page.next, None);
	page.listings.into_iter().map(|(listing, _)| listing).collect()
}

fn area(text: &[u8]) -> Option<BoundedVec<u8, sp_core::ConstU32<16>>> {
	Some(BoundedVec::truncate_from(text.to_vec()))
}

#[test]
fn filters_are_by_schema_area_and_price() {
	ExtBuilder::execute(|| {
		let mut shop = Shop::open();
		let mut other = spec(&shop.device, 0);
		other.schema = H256::zero();
		other.area = BoundedVec::truncate_from(b"u1".to_vec());
		other.price = Price::PerReading(5);
		shop.list(other);
		let by = |change: &dyn Fn(&mut ListingFilter)| {
			let mut filter = ListingFilter::default();
			change(&mut filter);
			found(filter)
		};
		assert_eq!(by(&|_| ()), [0, 1]);
		assert_eq!(by(&|filter| filter.schema = Some(H256::zero())), [1]);
		assert_eq!(by(&|filter| filter.area = area(b"u")), [0, 1]);
		assert_eq!(by(&|filter| filter.area = area(b"u0y")), [0]);
		assert_eq!(by(&|filter| filter.area = area(b"u0yjx")), [0; 0]);
		assert_eq!(by(&|filter| filter.max_price = Some(Price::PerSale(PRICE))), [0]);
		assert_eq!(
			by(&|filter| filter.max_price = Some(Price::PerSale(PRICE - 1))),
			[0; 0]
		);
		assert_eq!(by(&|filter| filter.max_price = Some(Price::PerReading(5))), [1]);
		assert_eq!(
			by(&|filter| filter.max_price = Some(Price::PerReading(4))),
			[0; 0]
		);
	});
}

#[test]
fn a_filter_by_genuineness_asks_for_attestations_of_named_issuers() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let topic = Topic::from_text("meter-type").expect("a topic");
		let by = |issuers: Vec<_>| {
			found(ListingFilter {
				genuine: Some((topic, issuers)),
				..ListingFilter::default()
			})
		};
		assert_eq!(by(vec![CAROL]), [0; 0]);
		// The owner granted one signing key, so this is the first version of its keys.
		let snapshot = Identity::snapshot(&shop.device).expect("it is registered");
		assert_ok!(Identity::attest(
			signed(&CAROL),
			shop.device.clone(),
			topic,
			H256::zero(),
			snapshot.auth_version,
			snapshot.generation,
			unix_ms() + DAY
		));
		assert_eq!(by(vec![BOB, CAROL]), [0]);
		assert_eq!(by(vec![BOB]), [0; 0]);
		assert_eq!(by(vec![]), [0; 0]);
		// Issuers beyond the first sixteen are not asked about.
		let mut many = vec![BOB; 16];
		many.push(CAROL);
		assert_eq!(by(many), [0; 0]);
	});
}

#[test]
fn a_filter_by_rating_wants_ratings() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let by = |least| {
			found(ListingFilter {
				min_rating: Some(least),
				..ListingFilter::default()
			})
		};
		assert_eq!(by(0), [0; 0]);
		assert_ok!(shop.deal().revealed().accept(3));
		assert_eq!(by(3), [0]);
		assert_eq!(by(4), [0; 0]);
	});
}

#[test]
fn dead_listings_are_not_found() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		assert_ok!(Identity::suspend(signed(&alice()), shop.device.clone()));
		assert_eq!(found(ListingFilter::default()), [0; 0]);
		assert_ok!(Identity::resume(signed(&alice()), shop.device.clone()));
		assert_eq!(found(ListingFilter::default()), [0]);
		hand_over(&alice(), &shop.device, &CAROL);
		assert_eq!(found(ListingFilter::default()), [0; 0]);
	});
}

#[test]
fn a_search_looks_at_a_bounded_number_of_listings_and_says_where_to_go_on() {
	ExtBuilder::execute(|| {
		let mut shop = Shop::open();
		NextListing::<Test>::put(MAX_SCANNED + 10);
		shop.list(spec(&shop.device, 0));
		let all = ListingFilter::default();
		let first = Market::search(&all, 0, 10);
		let numbers = |page: &m2m_fair_exchange::market::ListingPage| -> Vec<_> {
			page.listings.iter().map(|(listing, _)| *listing).collect()
		};
		assert_eq!((numbers(&first), first.next), (vec![0], Some(MAX_SCANNED)));
		let second = Market::search(&all, MAX_SCANNED, 10);
		assert_eq!((numbers(&second), second.next), (vec![MAX_SCANNED + 10], None));
		// A page can be full before the bound is reached.
		let small = Market::search(&all, 0, 1);
		assert_eq!((numbers(&small), small.next), (vec![0], Some(1)));
		assert_eq!(Market::search(&all, u32::MAX, 10).listings, []);
	});
}

#[test]
fn pages_have_a_largest_size() {
	ExtBuilder::execute(|| {
		let mut shop = Shop::open();
		for _ in 0..MAX_PAGE {
			shop.list(spec(&shop.device, 0));
		}
		let page = Market::search(&ListingFilter::default(), 0, u32::MAX);
		assert_eq!(page.listings.len() as u32, MAX_PAGE);
		assert_eq!(page.next, Some(MAX_PAGE));
		// Whoever asks for nothing gets on all the same.
		let least = Market::search(&ListingFilter::default(), 0, 0);
		assert_eq!((least.listings.len(), least.next), (1, Some(1)));
		assert_eq!(
			Market::listings_of(&alice(), None, u32::MAX).len() as u32,
			MAX_PAGE
		);
		let last = Market::listings_of(&alice(), None, u32::MAX).last().copied();
		assert_eq!(Market::listings_of(&alice(), last, 9).len(), 1);
		assert_eq!(Market::listings_of(&BOB, None, 9), [0; 0]);
	});
}

#[test]
fn a_sale_is_open_then_ended_then_forgotten() {
	ExtBuilder::execute(|| {
		let shop = Shop::open();
		let deal = shop.deal();
		let status = || Market::sale(deal.id(), deal.terms.expires);
		assert_eq!(status(), None);
		assert_ok!(deal.buy());
		assert!(matches!(status(), Some(SaleStatus::Open(_))));
		assert_ok!(deal.reveal());
		assert_ok!(deal.accept(3));
		assert_eq!(status(), Some(SaleStatus::Ended));
		assert_eq!(Market::seller(&alice()).map(|seller| seller.settled), Some(1));
	});
}
