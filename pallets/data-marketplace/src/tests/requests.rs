//! What buyers look for.

use crate::{Error, HoldReason, Requests, mock::*};
use frame_support::{BoundedVec, assert_noop, assert_ok};
use m2m_device::Roles;
use m2m_fair_exchange::market::{Price, RequestSpec};
use sp_core::H256;

pub(super) fn wanted() -> RequestSpec {
	RequestSpec {
		schema: H256::repeat_byte(0x5c),
		area: BoundedVec::truncate_from(b"u0".to_vec()),
		from: BASE,
		until: Some(BASE + DAY),
		price: Price::PerReading(3),
		metadata: H256::zero(),
		endpoint: BoundedVec::truncate_from(b"https://buyer.example".to_vec()),
		expires: block() + 10,
	}
}

fn post(spec: RequestSpec) -> sp_runtime::DispatchResult {
	Market::post_request(signed(&BOB), None, Box::new(spec))
}

#[test]
fn a_request_holds_a_deposit_until_it_is_removed() {
	ExtBuilder::execute(|| {
		let before = free(&BOB);
		assert_ok!(post(wanted()));
		let record = Requests::<Test>::get(0).expect("it is posted");
		assert_eq!((record.spec, record.buyer), (wanted(), BOB));
		assert_eq!(held(HoldReason::Deposit, &BOB), record.deposit);
		assert_noop!(
			Market::remove_request(signed(&CAROL), None, 0),
			Error::<Test>::NotRequester
		);
		assert_ok!(Market::remove_request(signed(&BOB), None, 0));
		assert_eq!(free(&BOB), before);
		assert_noop!(
			Market::remove_request(signed(&BOB), None, 0),
			Error::<Test>::UnknownRequest
		);
	});
}

#[test]
fn anybody_removes_a_request_that_has_expired() {
	ExtBuilder::execute(|| {
		assert_ok!(post(wanted()));
		advance(10);
		assert_noop!(
			Market::remove_request(signed(&HELPER), None, 0),
			Error::<Test>::NotRequester
		);
		assert_eq!(Market::requests(0, 9).0.len(), 1);
		advance(1);
		assert_eq!(Market::requests(0, 9), (vec![], None));
		assert_ok!(Market::remove_request(signed(&HELPER), None, 0));
		assert_eq!(held(HoldReason::Deposit, &BOB), 0);
	});
}

#[test]
fn malformed_requests_are_refused() {
	ExtBuilder::execute(|| {
		let with = |change: &dyn Fn(&mut RequestSpec)| {
			let mut spec = wanted();
			change(&mut spec);
			post(spec)
		};
		assert_noop!(
			with(&|spec| spec.endpoint = BoundedVec::default()),
			Error::<Test>::InvalidEndpoint
		);
		assert_noop!(
			with(&|spec| spec.area = BoundedVec::truncate_from(b"a b".to_vec())),
			Error::<Test>::InvalidArea
		);
		assert_noop!(with(&|spec| spec.until = Some(BASE)), Error::<Test>::InvalidTimes);
		assert_noop!(with(&|spec| spec.expires = 1), Error::<Test>::AlreadyExpired);
		assert_noop!(
			Market::post_request(signed(&PAUPER), None, Box::new(wanted())),
			Error::<Test>::CannotPay
		);
		crate::NextRequest::<Test>::put(u32::MAX);
		assert_noop!(with(&|_| ()), Error::<Test>::NumbersExhausted);
	});
}

#[test]
fn a_device_asks_and_its_owner_withdraws_whatever_its_status() {
	ExtBuilder::execute(|| {
		let device = register(&CAROL, &key(12), Roles::ALL);
		fund(&device, 1_000_000);
		budgets::Left::<Test>::insert(&device, 1_000_000);
		assert_ok!(Market::post_request(
			signed(&key(12).account()),
			None,
			Box::new(wanted())
		));
		assert_eq!(
			Requests::<Test>::get(0).map(|request| request.buyer),
			Some(device.clone())
		);
		assert_ok!(Identity::suspend(signed(&CAROL), device.clone()));
		assert_ok!(Market::remove_request(signed(&CAROL), Some(device), 0));
	});
}
