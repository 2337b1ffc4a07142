//! A proof of possession serves one act, owner, device, chain, set of roles and time.

use crate::{Error, mock::*};
use frame_support::{assert_noop, assert_ok};
use m2m_device::{MAX_PROOF_VALIDITY_MS, PossessionAction, PossessionProof, Roles};

fn register_by(
	owner: &sp_runtime::AccountId32,
	key: &TestKey,
	proof: PossessionProof,
) -> frame_support::dispatch::DispatchResult {
	Identity::register_device(signed(owner), key.public(), Roles::ALL, proof, None, None)
}

#[test]
fn a_proof_for_another_chain_is_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let action = PossessionAction::Register;
		let proof = key(0).prove_on([8; 32], action, &ALICE, None, Roles::ALL, START + DAY);
		assert_noop!(register_by(&ALICE, &key(0), proof), Error::<Test>::BadProof);
	});
}

#[test]
fn a_proof_for_another_owner_is_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let proof = key(0).prove(PossessionAction::Register, &BOB, None, Roles::ALL);
		assert_noop!(register_by(&ALICE, &key(0), proof), Error::<Test>::BadProof);
		// Adding a key that consented to be added to a device of Bob's.
		let device = register(&ALICE, &key(3));
		let proof = key(0).prove(PossessionAction::Add, &BOB, Some(&device), Roles::ALL);
		assert_noop!(
			Identity::add_key(signed(&ALICE), Some(device), key(0).public(), Roles::ALL, proof),
			Error::<Test>::BadProof
		);
	});
}

#[test]
fn a_proof_for_one_act_serves_no_other() {
	use PossessionAction::{Add, Confirm, Register, Rotate};
	ExtBuilder::default().build_and_execute(|| {
		let first = key(0);
		let device = register(&ALICE, &first);
		let new = key(1);
		for action in [Add, Rotate, Confirm] {
			let own = new.device();
			for named in [None, Some(&own)] {
				let proof = new.prove(action, &ALICE, named, Roles::ALL);
				assert_noop!(register_by(&ALICE, &new, proof), Error::<Test>::BadProof);
			}
		}
		for action in [Register, Rotate, Confirm] {
			let proof = new.prove(action, &ALICE, Some(&device), Roles::ALL);
			assert_noop!(
				Identity::add_key(
					signed(&ALICE),
					Some(device.clone()),
					new.public(),
					Roles::ALL,
					proof
				),
				Error::<Test>::BadProof
			);
		}
		for action in [Register, Add, Confirm] {
			let proof = new.prove(action, &ALICE, Some(&device), Roles::ALL);
			assert_noop!(
				Identity::rotate_key(
					signed(&ALICE),
					Some(device.clone()),
					first.account(),
					new.public(),
					proof,
					DAY
				),
				Error::<Test>::BadProof
			);
		}
	});
}

#[test]
fn a_proof_of_confirmation_serves_one_owner_device_key_set_of_roles_chain_and_time() {
	use PossessionAction::{Add, Confirm, Register, Rotate};
	ExtBuilder::default().build_and_execute(|| {
		let (first, second) = (key(0), key(1));
		let device = register(&ALICE, &first);
		assert_ok!(add(&ALICE, &device, &second, Roles::ALL));
		let other = register(&ALICE, &key(2));
		hand_over(&ALICE, &device, &BOB);
		let confirm = |proof: PossessionProof| {
			Identity::confirm_key(signed(&BOB), device.clone(), first.account(), proof)
		};
		let good = |expires| first.prove_on(GENESIS, Confirm, &BOB, Some(&device), Roles::ALL, expires);
		let day = START + DAY;
		for action in [Register, Add, Rotate] {
			let proof = first.prove(action, &BOB, Some(&device), Roles::ALL);
			assert_noop!(confirm(proof), Error::<Test>::BadProof);
		}
		for wrong in [
			// For the old owner, for another device, for none, for fewer roles, by another key, on another chain.
			first.prove(Confirm, &ALICE, Some(&device), Roles::ALL),
			first.prove(Confirm, &BOB, Some(&other), Roles::ALL),
			first.prove(Confirm, &BOB, None, Roles::ALL),
			first.prove(Confirm, &BOB, Some(&device), Roles::AUTHENTICATE),
			second.prove(Confirm, &BOB, Some(&device), Roles::ALL),
			first.prove_on([8; 32], Confirm, &BOB, Some(&device), Roles::ALL, day),
			PossessionProof {
				expires: day + 1,
				..good(day)
			},
		] {
			assert_noop!(confirm(wrong), Error::<Test>::BadProof);
		}
		assert_noop!(confirm(good(START - 1)), Error::<Test>::ProofExpired);
		let last = START + MAX_PROOF_VALIDITY_MS;
		assert_noop!(confirm(good(last + 1)), Error::<Test>::ProofTooLong);
		assert_ok!(confirm(good(last)));
		assert_noop!(confirm(good(last)), Error::<Test>::AlreadyConfirmed);
	});
}

#[test]
fn a_proof_for_another_device_is_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let other = register(&ALICE, &key(1));
		let new = key(2);
		let proof = new.prove(PossessionAction::Add, &ALICE, Some(&other), Roles::ALL);
		assert_noop!(
			Identity::add_key(
				signed(&ALICE),
				Some(device.clone()),
				new.public(),
				Roles::ALL,
				proof
			),
			Error::<Test>::BadProof
		);
		let proof = new.prove(PossessionAction::Rotate, &ALICE, Some(&other), Roles::ALL);
		assert_noop!(
			Identity::rotate_key(
				signed(&ALICE),
				Some(device),
				key(0).account(),
				new.public(),
				proof,
				DAY
			),
			Error::<Test>::BadProof
		);
	});
}

#[test]
fn a_proof_for_other_roles_is_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let proof = key(0).prove(PossessionAction::Register, &ALICE, None, Roles::AUTHENTICATE);
		assert_noop!(register_by(&ALICE, &key(0), proof), Error::<Test>::BadProof);
		let device = register_with(&ALICE, &key(0), Roles::AUTHENTICATE);
		// A rotated key takes over the roles; the new key must have agreed to exactly those.
		let proof = key(1).prove(PossessionAction::Rotate, &ALICE, Some(&device), Roles::ALL);
		assert_noop!(
			Identity::rotate_key(
				signed(&ALICE),
				Some(device),
				key(0).account(),
				key(1).public(),
				proof,
				DAY
			),
			Error::<Test>::BadProof
		);
	});
}

#[test]
fn the_expiry_is_signed_too() {
	ExtBuilder::default().build_and_execute(|| {
		let mut proof = key(0).prove(PossessionAction::Register, &ALICE, None, Roles::ALL);
		proof.expires += 1;
		assert_noop!(register_by(&ALICE, &key(0), proof), Error::<Test>::BadProof);
	});
}

#[test]
fn an_expired_proof_is_refused_and_the_last_moment_counts() {
	ExtBuilder::default().build_and_execute(|| {
		let proof = key(0).prove(PossessionAction::Register, &ALICE, None, Roles::ALL);
		advance(DAY + 1);
		assert_noop!(register_by(&ALICE, &key(0), proof), Error::<Test>::ProofExpired);
		let proof = key(0).prove(PossessionAction::Register, &ALICE, None, Roles::ALL);
		advance(DAY);
		assert_ok!(register_by(&ALICE, &key(0), proof));
	});
}

#[test]
fn a_proof_for_more_than_ninety_days_is_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let until = |expires| {
			key(0).prove_on(
				GENESIS,
				PossessionAction::Register,
				&ALICE,
				None,
				Roles::ALL,
				expires,
			)
		};
		let last = START + MAX_PROOF_VALIDITY_MS;
		assert_noop!(
			register_by(&ALICE, &key(0), until(last + 1)),
			Error::<Test>::ProofTooLong
		);
		assert_noop!(
			register_by(&ALICE, &key(0), until(u64::MAX)),
			Error::<Test>::ProofTooLong
		);
		assert_ok!(register_by(&ALICE, &key(0), until(last)));
	});
}

#[test]
fn a_proof_is_used_once() {
	ExtBuilder::default().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let new = key(1);
		let proof = new.prove(PossessionAction::Add, &ALICE, Some(&device), Roles::ALL);
		let add = || {
			Identity::add_key(
				signed(&ALICE),
				Some(device.clone()),
				new.public(),
				Roles::ALL,
				proof.clone(),
			)
		};
		assert_ok!(add());
		assert_noop!(add(), Error::<Test>::KeyAlreadyUsed);
		assert_ok!(remove(&ALICE, &device, &new));
		assert_noop!(add(), Error::<Test>::KeyAlreadyUsed);
	});
}

#[test]
fn a_signature_of_another_scheme_is_refused() {
	ExtBuilder::default().build_and_execute(|| {
		for (number, other) in [(0, 1), (1, 2), (2, 0)] {
			let mut proof = key(number).prove(PossessionAction::Register, &ALICE, None, Roles::ALL);
			proof.signature = key(other)
				.prove(PossessionAction::Register, &ALICE, None, Roles::ALL)
				.signature;
			assert_noop!(register_by(&ALICE, &key(number), proof), Error::<Test>::BadProof);
		}
	});
}
