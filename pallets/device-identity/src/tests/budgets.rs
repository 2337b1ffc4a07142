//! What keys and operators have held on the wallet counts on the owner's budget.

use crate::{Call, Error, mock::*, weights::WeightInfo};
use codec::Encode;
use frame_support::{assert_noop, assert_ok, dispatch::GetDispatchInfo, weights::Weight};
use m2m_device::{DeviceId, PossessionAction, Roles};
use sp_runtime::DispatchError;

const AUTHENTICATE: Roles = Roles {
	authenticate: true,
	trade: false,
	manage: false,
};

/// A device of Alice's with a rich wallet, whose keys and operators may spend `limit`. Key 0 has these roles.
fn limited(roles: Roles, limit: Balance) -> DeviceId {
	let device = register_with(&ALICE, &key(0), roles);
	assert_ok!(Balances::transfer_keep_alive(
		signed(&BOB),
		device.clone(),
		1_000_000
	));
	Limit::set(&limit);
	device
}

fn price_of_a_key() -> Balance {
	Identity::deposit_for(2) - Identity::deposit_for(1)
}

/// What a device pays for its only service, which has an endpoint of this many bytes.
fn price_of_a_service(endpoint: usize) -> Balance {
	BytePrice::get() * (48 + vec![service("a", endpoint)].encoded_size() as Balance)
}

fn set(by: &TestKey, device: &DeviceId, endpoint: usize) -> Result<(), DispatchError> {
	Identity::set_service(
		signed(&by.account()),
		Some(device.clone()),
		service("a", endpoint),
	)
}

#[test]
fn a_key_rotates_itself_within_the_budget_and_no_further() {
	ExtBuilder::default().build_and_execute(|| {
		let price = price_of_a_key();
		let device = limited(TRADE, 2 * price);
		let rotates = |old, new| rotate(&key(old).account(), &device, &key(old), &key(new), 0);
		assert_ok!(rotates(0, 1));
		assert_ok!(rotates(1, 2));
		assert_noop!(rotates(2, 3), OVER_LIMIT);
		assert_eq!(Spent::get(), [(device.clone(), price), (device.clone(), price)]);
		// The owner's acts are not limited and not counted.
		assert_ok!(rotate(&ALICE, &device, &key(2), &key(3), 0));
		assert_eq!(Spent::get().len(), 2);
	});
}

#[test]
fn the_last_unit_of_the_budget_decides() {
	ExtBuilder::default().build_and_execute(|| {
		let device = limited(Roles::ALL, price_of_a_key() - 1);
		let signer = key(0).account();
		assert_noop!(add(&signer, &device, &key(1), TRADE), OVER_LIMIT);
		Limit::set(&price_of_a_key());
		assert_ok!(add(&signer, &device, &key(1), TRADE));
		assert_eq!(Spent::get(), [(device, price_of_a_key())]);
	});
}

#[test]
fn an_operator_is_bound_as_a_key_is() {
	ExtBuilder::default().build_and_execute(|| {
		let price = price_of_a_service(10);
		let device = limited(Roles::ALL, price - 1);
		assert_ok!(Identity::grant(
			signed(&ALICE),
			device.clone(),
			CAROL,
			MANAGER,
			None
		));
		let publishes = || Identity::set_service(signed(&CAROL), Some(device.clone()), service("a", 10));
		assert_noop!(publishes(), OVER_LIMIT);
		Limit::set(&price);
		assert_ok!(publishes());
		assert_eq!(Spent::get(), [(device.clone(), price)]);
	});
}

#[test]
fn a_stolen_key_of_any_role_locks_at_most_one_budget() {
	for roles in [AUTHENTICATE, TRADE, MANAGE, Roles::ALL] {
		ExtBuilder::default().build_and_execute(|| {
			let limit = 5 * price_of_a_key() + price_of_a_service(10) / 2;
			let device = limited(roles, limit);
			let before = Balances::free_balance(&device);
			let mut thief = key(0);
			for number in 1..60 {
				let new = key(number);
				match number % 3 {
					0 => {
						let _ = add(&thief.account(), &device, &new, roles);
					}
					1 => {
						if rotate(&thief.account(), &device, &thief, &new, 0).is_ok() {
							thief = new;
						}
					}
					_ => {
						let _ = set(&thief, &device, 10);
						let name = service("a", 10).id;
						let _ = Identity::remove_service(signed(&thief.account()), None, name);
					}
				}
			}
			assert_noop!(rotate(&thief.account(), &device, &thief, &key(60), 0), OVER_LIMIT);
			let locked = before - Balances::free_balance(&device);
			assert!(locked > 0 && locked <= limit, "{locked} of {limit}");
		});
	}
}

#[test]
fn without_a_budget_nothing_is_held_for_keys_and_all_else_goes_on() {
	ExtBuilder::default().build_and_execute(|| {
		let device = limited(Roles::ALL, 0);
		let thief = key(0);
		let signer = thief.account();
		assert_noop!(add(&signer, &device, &key(1), TRADE), OVER_LIMIT);
		assert_noop!(rotate(&signer, &device, &thief, &key(1), 0), OVER_LIMIT);
		assert_noop!(set(&thief, &device, 10), OVER_LIMIT);
		// The owner pays what the owner signs, and what needs no more money needs no budget.
		assert_ok!(Identity::set_service(
			signed(&ALICE),
			Some(device.clone()),
			service("a", 10)
		));
		assert_ok!(set(&thief, &device, 10));
		assert_ok!(set(&thief, &device, 9));
		assert_noop!(set(&thief, &device, 10), OVER_LIMIT);
		assert_ok!(Identity::remove_service(
			signed(&signer),
			None,
			service("a", 9).id
		));
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		assert_ok!(remove(&signer, &device, &thief));
		assert!(Spent::get().is_empty());
	});
}

#[test]
fn what_is_released_is_booked_again_the_next_time() {
	ExtBuilder::default().build_and_execute(|| {
		let price = price_of_a_service(10);
		let device = limited(Roles::ALL, 2 * price);
		for _ in 0..2 {
			assert_ok!(set(&key(0), &device, 10));
			assert_ok!(Identity::remove_service(
				signed(&key(0).account()),
				None,
				service("a", 10).id
			));
		}
		assert_noop!(set(&key(0), &device, 10), OVER_LIMIT);
	});
}

#[test]
fn only_the_difference_is_booked() {
	ExtBuilder::default().build_and_execute(|| {
		let device = limited(Roles::ALL, Balance::MAX);
		assert_ok!(set(&key(0), &device, 10));
		assert_ok!(set(&key(0), &device, 13));
		let rest = 3 * BytePrice::get();
		assert_eq!(
			Spent::get(),
			[(device.clone(), price_of_a_service(10)), (device, rest)]
		);
	});
}

#[test]
fn a_wallet_without_money_is_named_before_the_budget() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		Limit::set(&0);
		assert_noop!(
			add(&key(0).account(), &device, &key(1), TRADE),
			Error::<Test>::WalletCannotPay
		);
	});
}

#[test]
fn asking_for_the_budget_is_part_of_the_weight() {
	ExtBuilder::default().build_and_execute(|| {
		let device = limited(Roles::ALL, Balance::MAX);
		let with_budget = |weight: Weight| weight.saturating_add(SPEND_WEIGHT);
		let declared = |call: Call<Test>| call.get_dispatch_info().call_weight;
		let (public, old) = (key(1).public(), key(0).account());
		let proof = key(1).prove(PossessionAction::Add, &ALICE, Some(&device), TRADE);
		let most = MaxKeys::get();

		let post = Identity::add_key(signed(&old), None, public, TRADE, proof.clone()).expect("adds");
		assert_eq!(post.actual_weight, Some(with_budget(<()>::add_key(0))));
		let (device, roles) = (None, TRADE);
		assert_eq!(
			declared(Call::add_key {
				device: device.clone(),
				public,
				roles,
				proof: proof.clone()
			}),
			with_budget(<()>::add_key(most))
		);
		assert_eq!(
			declared(Call::rotate_key {
				device: device.clone(),
				old,
				public,
				proof,
				overlap_ms: 0
			}),
			with_budget(<()>::rotate_key(most))
		);
		assert_eq!(
			declared(Call::set_service {
				device,
				service: service("a", 10)
			}),
			with_budget(<()>::set_service())
		);
	});
}
