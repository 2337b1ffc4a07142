//! Operators act within their grant, and no longer.

use crate::{Devices, Error, Event, MAX_OPERATORS, Operators, mock::*};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use m2m_device::{Action, DeviceAuthority, DeviceId, DeviceStatus, Operator, OperatorActions, Roles, UnixMs};
use proptest::prelude::*;
use sp_runtime::{AccountId32, DispatchError, traits::BadOrigin};
use std::collections::BTreeMap;

const ACTIONS: [Action; 3] = [Action::Manage, Action::Trade, Action::Close];

const NOTHING: OperatorActions = OperatorActions {
	manage: false,
	trade: false,
	suspend: false,
};

fn grant(
	by: &AccountId32,
	device: &DeviceId,
	operator: &AccountId32,
	actions: OperatorActions,
	expires: Option<UnixMs>,
) -> DispatchResult {
	Identity::grant(signed(by), device.clone(), operator.clone(), actions, expires)
}

/// Grants for ever, by Alice.
fn let_act(device: &DeviceId, operator: &AccountId32, actions: OperatorActions) {
	assert_ok!(grant(&ALICE, device, operator, actions, None));
}

fn revoke(by: &AccountId32, device: &DeviceId, operator: &AccountId32) -> DispatchResult {
	Identity::revoke(signed(by), device.clone(), operator.clone())
}

fn held(device: &DeviceId) -> Balance {
	Balances::reserved_balance(device)
}

#[test]
fn an_operator_acts_as_its_grant_says() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let allowed = |actions| {
			let_act(&device, &CAROL, actions);
			ACTIONS.map(|action| Identity::authorize(&CAROL, Some(&device), action))
		};
		let (yes, no) = (Ok(device.clone()), Err(refusal(Error::ActionNotGranted)));
		assert_eq!(allowed(MANAGER), [yes.clone(), no.clone(), yes.clone()]);
		assert_eq!(allowed(TRADER), [no.clone(), yes.clone(), no.clone()]);
		assert_eq!(allowed(GUARD), [no.clone(), no.clone(), no]);
		assert_eq!(allowed(OperatorActions::ALL), [yes.clone(), yes.clone(), yes]);
		// For a market it is the device that deals, and without a device named the operator deals for itself.
		assert_ok!(
			Identity::participant(&CAROL, Some(&device), Action::Trade),
			device.clone()
		);
		assert_ok!(Identity::participant(&CAROL, None, Action::Trade), CAROL);
		assert_noop!(
			Identity::authorize(&CAROL, None, Action::Trade),
			refusal(Error::UnknownKey)
		);
		assert_noop!(
			Identity::authorize(&DAVE, Some(&device), Action::Trade),
			refusal(Error::NotOwner)
		);
	});
}

#[test]
fn a_grant_is_stored_and_told() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let expires = Some(START + DAY);
		assert_ok!(grant(&ALICE, &device, &CAROL, MANAGER, expires));
		let told = Event::OperatorGranted {
			device: device.clone(),
			operator: CAROL,
			actions: MANAGER,
			expires,
		};
		assert_eq!(events().last(), Some(&told));
		let stored = Operator {
			account: CAROL,
			actions: MANAGER,
			expires,
			generation: 0,
		};
		assert_eq!(Operators::<Test>::get(&device), vec![stored]);
		assert_ok!(revoke(&ALICE, &device, &CAROL));
		let told = Event::OperatorRevoked {
			device: device.clone(),
			operator: CAROL,
		};
		assert_eq!(events().last(), Some(&told));
		assert!(!Operators::<Test>::contains_key(&device));
	});
}

#[test]
fn a_new_grant_replaces_the_earlier_one() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let_act(&device, &CAROL, OperatorActions::ALL);
		let_act(&device, &CAROL, MANAGER);
		assert_eq!(Operators::<Test>::get(&device).len(), 1);
		assert_noop!(
			Identity::authorize(&CAROL, Some(&device), Action::Trade),
			refusal(Error::ActionNotGranted)
		);
	});
}

#[test]
fn a_grant_ends_after_its_last_moment() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(grant(
			&ALICE,
			&device,
			&CAROL,
			OperatorActions::ALL,
			Some(START + 10)
		));
		advance(10);
		for action in ACTIONS {
			assert_ok!(Identity::authorize(&CAROL, Some(&device), action));
		}
		advance(1);
		for action in ACTIONS {
			assert_noop!(
				Identity::authorize(&CAROL, Some(&device), action),
				refusal(Error::GrantExpired)
			);
		}
		assert_noop!(
			Identity::suspend(signed(&CAROL), device.clone()),
			Error::<Test>::GrantExpired
		);
		// The owner can grant anew.
		assert_ok!(grant(&ALICE, &device, &CAROL, MANAGER, Some(now())));
		assert_ok!(Identity::authorize(&CAROL, Some(&device), Action::Manage));
	});
}

#[test]
fn an_operator_with_suspend_stops_the_device_and_only_the_owner_lets_it_go_on() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let_act(&device, &CAROL, GUARD);
		let everything_else = OperatorActions {
			suspend: false,
			..OperatorActions::ALL
		};
		let_act(&device, &DAVE, everything_else);
		assert_noop!(
			Identity::suspend(signed(&DAVE), device.clone()),
			Error::<Test>::ActionNotGranted
		);
		assert_ok!(Identity::suspend(signed(&CAROL), device.clone()));
		assert_eq!(
			Devices::<Test>::get(&device).expect("lives").status,
			DeviceStatus::Suspended
		);
		assert_noop!(
			Identity::suspend(signed(&CAROL), device.clone()),
			Error::<Test>::AlreadySuspended
		);
		for operator in [CAROL, DAVE] {
			assert_noop!(
				Identity::resume(signed(&operator), device.clone()),
				Error::<Test>::NotOwner
			);
			assert_noop!(
				Identity::report_lost(signed(&operator), device.clone()),
				Error::<Test>::NotOwner
			);
		}
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_noop!(
			Identity::suspend(signed(&CAROL), device.clone()),
			Error::<Test>::InvalidTransition
		);
		assert_ok!(Identity::resume(signed(&ALICE), device));
	});
}

#[test]
fn operators_of_stopped_devices_do_nothing() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let_act(&device, &CAROL, OperatorActions::ALL);
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		for action in ACTIONS {
			assert_noop!(
				Identity::authorize(&CAROL, Some(&device), action),
				refusal(Error::DeviceSuspended)
			);
		}
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		for action in ACTIONS {
			assert_noop!(
				Identity::authorize(&CAROL, Some(&device), action),
				refusal(Error::DeviceLost)
			);
		}
		// The owner still says who may act once it works again.
		let_act(&device, &DAVE, MANAGER);
		assert_ok!(revoke(&ALICE, &device, &CAROL));
		assert_ok!(Identity::resume(signed(&ALICE), device.clone()));
		assert_ok!(Identity::authorize(&DAVE, Some(&device), Action::Manage));
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		assert_noop!(
			Identity::authorize(&DAVE, Some(&device), Action::Manage),
			refusal(Error::DeviceRetired)
		);
	});
}

#[test]
fn an_operator_takes_no_power_that_is_the_owners() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let_act(&device, &CAROL, OperatorActions::ALL);
		let not_owner = refusal(Error::NotOwner);
		assert_noop!(add(&CAROL, &device, &key(1), TRADE), not_owner);
		assert_noop!(rotate(&CAROL, &device, &key(0), &key(1), DAY), not_owner);
		assert_noop!(remove(&CAROL, &device, &key(0)), not_owner);
		assert_noop!(confirm(&CAROL, &device, &key(0)), not_owner);
		assert_noop!(grant(&CAROL, &device, &DAVE, MANAGER, None), not_owner);
		assert_noop!(
			Identity::offer_transfer(signed(&CAROL), device.clone(), CAROL, 0, START),
			not_owner
		);
		assert_noop!(
			Identity::withdraw(signed(&CAROL), device.clone(), None),
			not_owner
		);
		assert_noop!(Identity::retire(signed(&CAROL), device), not_owner);
	});
}

#[test]
fn only_the_owner_grants() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		for signer in [BOB, key(0).account()] {
			assert_noop!(
				grant(&signer, &device, &CAROL, MANAGER, None),
				Error::<Test>::NotOwner
			);
		}
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::none()] {
			assert_noop!(
				Identity::grant(origin.clone(), device.clone(), CAROL, MANAGER, None),
				BadOrigin
			);
			assert_noop!(Identity::revoke(origin, device.clone(), CAROL), BadOrigin);
		}
		let nowhere = AccountId32::new([1; 32]);
		assert_noop!(
			grant(&ALICE, &nowhere, &CAROL, MANAGER, None),
			Error::<Test>::UnknownDevice
		);
		assert_noop!(revoke(&ALICE, &nowhere, &CAROL), Error::<Test>::UnknownDevice);
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		assert_noop!(
			grant(&ALICE, &device, &CAROL, MANAGER, None),
			Error::<Test>::DeviceRetired
		);
		assert_noop!(revoke(&ALICE, &device, &CAROL), Error::<Test>::DeviceRetired);
	});
}

#[test]
fn a_grant_in_vain_is_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_noop!(
			grant(&ALICE, &device, &CAROL, NOTHING, None),
			Error::<Test>::NoActions
		);
		assert_noop!(
			grant(&ALICE, &device, &ALICE, MANAGER, None),
			Error::<Test>::AlreadyOwner
		);
		assert_noop!(
			grant(&ALICE, &device, &CAROL, MANAGER, Some(START - 1)),
			Error::<Test>::GrantExpired
		);
		let of_another = register(&ALICE, &key(1));
		assert_ok!(remove(&ALICE, &of_another, &key(1)));
		for number in 0..2 {
			assert_noop!(
				grant(&ALICE, &device, &key(number).account(), MANAGER, None),
				Error::<Test>::OperatorIsDeviceKey
			);
		}
	});
}

#[test]
fn an_operator_that_becomes_a_device_key_acts_only_as_that_key() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let operator = key(1).account();
		let_act(&device, &operator, OperatorActions::ALL);
		register(&ALICE, &key(1));
		for action in ACTIONS {
			assert_noop!(
				Identity::authorize(&operator, Some(&device), action),
				refusal(Error::ForeignKey)
			);
		}
		assert_noop!(
			Identity::suspend(signed(&operator), device.clone()),
			Error::<Test>::NotOwner
		);
		assert_ok!(revoke(&ALICE, &device, &operator));
	});
}

#[test]
fn the_owner_and_the_operator_itself_end_a_grant() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let_act(&device, &CAROL, MANAGER);
		let_act(&device, &DAVE, MANAGER);
		for signer in [BOB, DAVE, key(0).account()] {
			assert_noop!(revoke(&signer, &device, &CAROL), Error::<Test>::NotOwner);
		}
		assert_ok!(revoke(&CAROL, &device, &CAROL));
		assert_noop!(
			Identity::authorize(&CAROL, Some(&device), Action::Manage),
			refusal(Error::NotOwner)
		);
		assert_noop!(revoke(&CAROL, &device, &CAROL), Error::<Test>::NoGrant);
		assert_noop!(revoke(&ALICE, &device, &BOB), Error::<Test>::NoGrant);
		// Also when the device is stopped.
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_ok!(revoke(&ALICE, &device, &DAVE));
	});
}

#[test]
fn operators_are_bounded_and_expired_grants_make_room() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let operator = |number: u32| AccountId32::new([number as u8; 32]);
		for number in 0..MAX_OPERATORS {
			let expires = (number < 2).then_some(START + 5);
			assert_ok!(grant(&ALICE, &device, &operator(number), MANAGER, expires));
		}
		assert_noop!(
			grant(&ALICE, &device, &CAROL, MANAGER, None),
			Error::<Test>::TooManyOperators
		);
		// One that is there already can be granted something else.
		let_act(&device, &operator(7), GUARD);
		advance(6);
		let_act(&device, &CAROL, MANAGER);
		assert_eq!(
			Operators::<Test>::get(&device).len() as u32,
			MAX_OPERATORS - 2 + 1
		);
	});
}

#[test]
fn the_deposit_follows_the_list_of_operators() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let (bare, owner) = (held(&device), Balances::free_balance(ALICE));
		let_act(&device, &CAROL, MANAGER);
		// The list's key and length, an account, three actions, no end and the generation.
		let one = BytePrice::get() * (48 + 1 + 32 + 3 + 1 + 4);
		assert_eq!(held(&device), bare + one);
		assert_eq!(Balances::free_balance(ALICE), owner - one);
		// An end takes eight bytes more.
		assert_ok!(grant(&ALICE, &device, &DAVE, MANAGER, Some(START)));
		assert_eq!(held(&device), bare + one + BytePrice::get() * (40 + 8));
		assert_ok!(revoke(&DAVE, &device, &DAVE));
		assert_eq!(held(&device), bare + one);
		assert_ok!(revoke(&ALICE, &device, &CAROL));
		assert_eq!(held(&device), bare);
		// What was held is free money of the wallet now.
		assert_eq!(Balances::free_balance(&device), ED + one + BytePrice::get() * 48);
	});
}

#[test]
fn an_owner_who_cannot_pay_grants_nothing() {
	let needed = 2 * ED + Identity::deposit_for(1);
	ExtBuilder::default().endow(PAUPER, needed).build_and_execute(|| {
		let device = register(&PAUPER, &key(0));
		assert_noop!(
			grant(&PAUPER, &device, &CAROL, MANAGER, None),
			Error::<Test>::OwnerCannotPay
		);
	});
}

#[test]
fn a_grant_of_an_earlier_generation_is_none() {
	// Acceptance removes the list. This holds even if it did not.
	ExtBuilder::default().build().execute_with(|| {
		let device = register(&ALICE, &key(0));
		let_act(&device, &CAROL, OperatorActions::ALL);
		Devices::<Test>::mutate(&device, |record| {
			if let Some(record) = record {
				record.generation = 1;
			}
		});
		for action in ACTIONS {
			assert_noop!(
				Identity::authorize(&CAROL, Some(&device), action),
				refusal(Error::NotOwner)
			);
		}
		assert_noop!(Identity::suspend(signed(&CAROL), device), Error::<Test>::NotOwner);
	});
}

#[test]
fn a_key_acts_while_it_is_confirmed_and_its_device_active() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register_with(&ALICE, &key(0), MANAGE);
		let acting = |number: u16| Identity::acting_key(&key(number).account());
		let found = acting(0).expect("acts");
		assert_eq!(
			(found.device, found.owner, found.generation, found.roles),
			(device.clone(), ALICE, 0, MANAGE)
		);
		assert_eq!(acting(1), None);
		assert_eq!(Identity::acting_key(&ALICE), None);

		assert_ok!(add(&ALICE, &device, &key(1), Roles::AUTHENTICATE));
		assert_ok!(rotate(&ALICE, &device, &key(1), &key(2), DAY));
		assert_eq!(acting(1), None);
		assert_eq!(acting(2).map(|key| key.roles), Some(Roles::AUTHENTICATE));
		assert_ok!(remove(&ALICE, &device, &key(2)));
		assert_eq!(acting(2), None);

		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		assert_eq!(acting(0), None);
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_eq!(acting(0), None);
		assert_ok!(Identity::resume(signed(&ALICE), device.clone()));

		hand_over(&ALICE, &device, &BOB);
		assert_eq!(acting(0), None);
		assert_ok!(confirm(&BOB, &device, &key(0)));
		assert_eq!(acting(0).map(|key| (key.owner, key.generation)), Some((BOB, 1)));
		assert_ok!(Identity::retire(signed(&BOB), device));
		assert_eq!(acting(0), None);
	});
}

/// What happens to grants.
#[derive(Clone, Debug)]
enum Turn {
	Grant {
		operator: u8,
		bits: u8,
		expires: Option<u64>,
	},
	Revoke {
		operator: u8,
		himself: bool,
	},
	HandOver,
	Wait {
		milliseconds: u64,
	},
}

fn turn() -> impl Strategy<Value = Turn> {
	let expires = proptest::option::of(0..40u64);
	prop_oneof![
		6 => (0..10u8, 0..8u8, expires)
			.prop_map(|(operator, bits, expires)| Turn::Grant { operator, bits, expires }),
		2 => (0..10u8, any::<bool>()).prop_map(|(operator, himself)| Turn::Revoke { operator, himself }),
		1 => Just(Turn::HandOver),
		3 => (1..20u64).prop_map(|milliseconds| Turn::Wait { milliseconds }),
	]
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(500))]

	/// A plain list of what was granted since the last change of the owner predicts every answer.
	#[test]
	fn a_grant_holds_in_its_generation_until_its_end_and_for_its_actions(
		turns in prop::collection::vec(turn(), 1..40),
	) {
		ExtBuilder::default().build_and_execute(|| {
			let device = register(&ALICE, &key(0));
			let (mut owner, mut other) = (ALICE, BOB);
			let account = |number: u8| AccountId32::new([number + 1; 32]);
			let mut granted = BTreeMap::<u8, (OperatorActions, Option<UnixMs>)>::new();
			for turn in turns {
				match turn {
					Turn::Grant { operator, bits, expires } => {
						let actions = OperatorActions {
							manage: bits & 1 != 0,
							trade: bits & 2 != 0,
							suspend: bits & 4 != 0,
						};
						let expires = expires.map(|after| now() + after);
						let others = granted
							.iter()
							.filter(|(known, (_, end))| **known != operator && end.is_none_or(|end| now() <= end))
							.count();
						let expected = if bits == 0 {
							Err(refusal(Error::NoActions))
						} else if others == MAX_OPERATORS as usize {
							Err(refusal(Error::TooManyOperators))
						} else {
							granted.insert(operator, (actions, expires));
							Ok(())
						};
						assert_eq!(grant_in_a_layer(&owner, &device, &account(operator), actions, expires), expected);
					}
					Turn::Revoke { operator, himself } => {
						let by = if himself { account(operator) } else { owner.clone() };
						// An expired grant may have been dropped before.
						let valid = granted
							.remove(&operator)
							.is_some_and(|(_, end)| end.is_none_or(|end| now() <= end));
						let revoked = revoke(&by, &device, &account(operator));
						assert!(revoked.is_ok() || !valid);
					}
					Turn::HandOver => {
						hand_over(&owner, &device, &other);
						core::mem::swap(&mut owner, &mut other);
						granted.clear();
					}
					Turn::Wait { milliseconds } => advance(milliseconds),
				}
				for operator in 0..10 {
					let valid = granted
						.get(&operator)
						.filter(|(_, end)| end.is_none_or(|end| now() <= end))
						.map(|(actions, _)| *actions)
						.unwrap_or(NOTHING);
					for (action, expected) in
						[(Action::Manage, valid.manage), (Action::Close, valid.manage), (Action::Trade, valid.trade)]
					{
						let answer: Result<DeviceId, DispatchError> =
							Identity::authorize(&account(operator), Some(&device), action);
						assert_eq!(answer.is_ok(), expected, "{operator} {action:?}: {answer:?}");
					}
				}
			}
		});
	}
}

fn grant_in_a_layer(
	by: &AccountId32,
	device: &DeviceId,
	operator: &AccountId32,
	actions: OperatorActions,
	expires: Option<UnixMs>,
) -> DispatchResult {
	frame_support::storage::with_storage_layer(|| grant(by, device, operator, actions, expires))
}
