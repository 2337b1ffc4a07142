//! Where keys were made.

use crate::{BatchOf, Batches, Config, Error, Event, HoldReason, Keys, Productions, mock::*};
use codec::MaxEncodedLen;
use frame_support::{
	assert_noop, assert_ok,
	traits::{Footprint, StorageInfoTrait, fungible::InspectHold},
};
use m2m_device::{
	AccountId, Batch, DeviceInspect, DevicePublic, Model, Production, ProductionPath, Roles,
	production::key_tree,
};
use sp_core::H256;
use sp_runtime::{DispatchResult, traits::Convert};

/// A manufacturer, and another.
const MAKER: AccountId = AccountId::new([0x3a; 32]);
const RIVAL: AccountId = AccountId::new([0x3b; 32]);

fn with_makers() -> ExtBuilder {
	ExtBuilder::default()
		.endow(MAKER, ENDOWMENT)
		.endow(RIVAL, ENDOWMENT)
}

fn model() -> Model {
	b"EM-100".to_vec().try_into().expect("a short name")
}

/// A batch of these keys, with the tree that proves them.
struct Made {
	issuer: AccountId,
	keys: Vec<TestKey>,
	root: H256,
}

fn publics(keys: &[TestKey]) -> Vec<DevicePublic> {
	keys.iter().map(TestKey::public).collect()
}

fn root(keys: &[TestKey]) -> H256 {
	H256(key_tree(&publics(keys)).expect("there are keys").root())
}

/// `issuer` commits to the keys with these numbers.
fn make(issuer: &AccountId, numbers: impl Iterator<Item = u16>) -> Made {
	let keys: Vec<_> = numbers.map(key).collect();
	let root = root(&keys);
	assert_ok!(Identity::create_batch(
		signed(issuer),
		model(),
		keys.len() as u32,
		root
	));
	Made {
		issuer: issuer.clone(),
		keys,
		root,
	}
}

impl Made {
	fn path(&self, index: u32) -> ProductionPath {
		let tree = key_tree(&publics(&self.keys)).expect("there are keys");
		let path = tree.open(index).expect("the key is in the batch");
		ProductionPath::truncate_from(path.into_iter().map(H256).collect())
	}

	/// `who` proves that the key with this index is of this batch.
	fn prove(&self, who: &AccountId, index: u32) -> DispatchResult {
		self.prove_other(who, &self.keys[index as usize].account(), index, self.path(index))
	}

	fn prove_other(
		&self,
		who: &AccountId,
		key: &AccountId,
		index: u32,
		path: ProductionPath,
	) -> DispatchResult {
		Identity::prove_production(
			signed(who),
			key.clone(),
			self.issuer.clone(),
			self.root,
			index,
			path,
		)
	}
}

fn origin(number: u16) -> Option<Production> {
	Identity::production(&key(number).account())
}

fn held(issuer: &AccountId) -> Balance {
	Balances::balance_on_hold(&HoldReason::AttestationDeposit.into(), issuer)
}

#[test]
fn a_batch_is_recorded_with_its_deposit() {
	with_makers().build_and_execute(|| {
		let made = make(&MAKER, 0..5);
		let deposit = Identity::batch_deposit();
		let batch = Batch {
			model: model(),
			count: 5,
			created: START,
			revoked: None,
			deposit,
		};
		assert_eq!(Identity::batch(&MAKER, made.root), Some(batch));
		assert_eq!(Identity::batch(&RIVAL, made.root), None);
		assert_eq!(held(&MAKER), deposit);
		assert_eq!(
			events(),
			[Event::BatchCreated {
				issuer: MAKER,
				root: made.root,
				count: 5,
			}]
		);
	});
}

#[test]
fn the_deposits_are_the_price_of_what_is_stored() {
	let price = |size: u64| <Test as Config>::DepositPrice::convert(Footprint { count: 1, size });
	let batch = Batches::<Test>::storage_info()[0].max_size.expect("bounded");
	assert_eq!(BatchOf::<Test>::max_encoded_len(), 33 + 4 + 8 + 9 + 16);
	assert_eq!(batch as usize, 2 * (16 + 32) + BatchOf::<Test>::max_encoded_len());
	assert_eq!(Identity::batch_deposit(), price(batch.into()));
	// A key pays for its entry and for that of its origin.
	let key = Keys::<Test>::storage_info()[0].max_size.expect("bounded");
	let origin = Productions::<Test>::storage_info()[0].max_size.expect("bounded");
	assert_eq!(origin, 16 + 32 + 32 + 32 + 4 + 8);
	assert_eq!(
		Identity::deposit_for(2) - Identity::deposit_for(1),
		price((key + origin).into()) - price(0)
	);
}

#[test]
fn attestations_and_batches_of_one_issuer_are_held_together() {
	with_makers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		make(&MAKER, 0..1);
		let topic = m2m_device::Topic::from_text("tested").expect("a topic");
		assert_ok!(Identity::attest(
			signed(&MAKER),
			device.clone(),
			topic,
			H256::zero(),
			0,
			0,
			now()
		));
		make(&MAKER, 0..2);
		let batches = 2 * Identity::batch_deposit();
		assert_eq!(held(&MAKER), batches + Identity::attestation_deposit());
		assert_ok!(Identity::revoke_attestation(signed(&MAKER), device, topic));
		assert_eq!(held(&MAKER), batches);
	});
}

#[test]
fn a_batch_has_keys() {
	with_makers().build_and_execute(|| {
		assert_noop!(
			Identity::create_batch(signed(&MAKER), model(), 0, H256::zero()),
			Error::<Test>::EmptyBatch
		);
	});
}

#[test]
fn a_batch_is_made_once() {
	with_makers().build_and_execute(|| {
		let made = make(&MAKER, 0..3);
		let again = || Identity::create_batch(signed(&MAKER), model(), 4, made.root);
		assert_noop!(again(), Error::<Test>::BatchExists);
		assert_ok!(Identity::revoke_batch(signed(&MAKER), made.root));
		// A revoked batch does not come back.
		assert_noop!(again(), Error::<Test>::BatchExists);
		// Another manufacturer may say the same of the same keys.
		make(&RIVAL, 0..3);
	});
}

#[test]
fn a_device_key_cannot_create_batches() {
	let builder = with_makers()
		.endow(key(0).account(), ENDOWMENT)
		.endow(key(1).account(), ENDOWMENT);
	builder.build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(add(&ALICE, &device, &key(1), Roles::ALL));
		assert_ok!(remove(&ALICE, &device, &key(1)));
		for number in [0, 1] {
			assert_noop!(
				Identity::create_batch(signed(&key(number).account()), model(), 1, H256::zero()),
				Error::<Test>::IssuerIsDeviceKey
			);
		}
	});
}

#[test]
fn a_manufacturer_without_money_is_refused() {
	let deposit = Identity::batch_deposit();
	let builder = ExtBuilder::default()
		.endow(MAKER, ED + deposit - 1)
		.endow(RIVAL, ED + deposit);
	builder.build_and_execute(|| {
		for poor in [MAKER, PAUPER] {
			assert_noop!(
				Identity::create_batch(signed(&poor), model(), 1, H256::zero()),
				Error::<Test>::IssuerCannotPay
			);
		}
		make(&RIVAL, 0..1);
		assert_eq!(Balances::free_balance(RIVAL), ED);
	});
}

#[test]
fn anybody_proves_any_key_of_a_batch_at_any_time() {
	with_makers().build_and_execute(|| {
		let made = make(&MAKER, 0..7);
		advance(365 * DAY);
		for (index, number) in (0..7).enumerate() {
			register(&ALICE, &key(number));
			let index = index as u32;
			assert_eq!(origin(number), None);
			assert_ok!(made.prove(&PAUPER, index));
			assert_eq!(
				origin(number),
				Some(Production {
					issuer: MAKER,
					root: made.root,
					index,
					proven_at: now(),
				})
			);
			assert_eq!(
				events().last(),
				Some(&Event::ProductionProven {
					key: key(number).account(),
					issuer: MAKER,
					root: made.root,
					index,
				})
			);
		}
	});
}

#[test]
fn the_smallest_batch_has_one_key_and_no_path() {
	with_makers().build_and_execute(|| {
		register(&ALICE, &key(4));
		let made = make(&MAKER, 4..5);
		assert_ok!(made.prove(&BOB, 0));
		assert!(origin(4).is_some());
	});
}

#[test]
fn a_proof_of_another_batch_index_path_or_key_fails() {
	with_makers().build_and_execute(|| {
		let device = register(&ALICE, &key(2));
		assert_ok!(add(&ALICE, &device, &key(3), TRADE));
		assert_ok!(add(&ALICE, &device, &key(9), TRADE));
		let made = make(&MAKER, 0..6);
		let other = make(&MAKER, 1..7);
		let two = key(2).account();
		let refused = |made: &Made, account: &AccountId, index, path| {
			assert_noop!(
				made.prove_other(&BOB, account, index, path),
				Error::<Test>::NotInBatch
			);
		};
		// Another batch of the same manufacturer, which even has the key in another place.
		refused(&other, &two, 2, made.path(2));
		// Another place in the batch, or outside it.
		for index in [0, 1, 3, 4, 5, 6, 8, u32::MAX] {
			refused(&made, &two, index, made.path(2));
		}
		// Another path: that of a neighbour, one too short, one too long, one with a flipped bit, none.
		let path = made.path(2);
		refused(&made, &two, 2, made.path(3));
		let mut altered = path.clone();
		altered.pop();
		refused(&made, &two, 2, altered);
		let mut altered = path.clone();
		assert_ok!(altered.try_push(made.root));
		refused(&made, &two, 2, altered);
		for at in 0..path.len() {
			let mut altered = path.clone();
			altered[at].0[31] ^= 1;
			refused(&made, &two, 2, altered);
		}
		refused(&made, &two, 2, ProductionPath::default());
		// Another key of the device, of the batch or not.
		for number in [3, 9] {
			refused(&made, &key(number).account(), 2, path.clone());
		}
		assert_ok!(made.prove_other(&BOB, &two, 2, path));
	});
}

#[test]
fn the_batch_of_another_manufacturer_proves_nothing() {
	with_makers().build_and_execute(|| {
		register(&ALICE, &key(0));
		let mut made = make(&MAKER, 0..3);
		made.issuer = RIVAL;
		assert_noop!(made.prove(&BOB, 0), Error::<Test>::UnknownBatch);
		assert_eq!(origin(0), None);
	});
}

#[test]
fn a_false_count_makes_a_batch_worthless_to_its_manufacturer() {
	with_makers().build_and_execute(|| {
		register(&ALICE, &key(4));
		let keys: Vec<_> = (0..5).map(key).collect();
		let made = Made {
			issuer: MAKER,
			root: root(&keys),
			keys,
		};
		assert_ok!(Identity::create_batch(signed(&MAKER), model(), 8, made.root));
		assert_noop!(made.prove(&BOB, 4), Error::<Test>::NotInBatch);
	});
}

#[test]
fn only_device_keys_in_use_are_proven() {
	with_makers().build_and_execute(|| {
		let made = make(&MAKER, 0..3);
		assert_noop!(made.prove(&BOB, 0), Error::<Test>::UnknownKey);
		let device = register(&ALICE, &key(0));
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		assert_ok!(remove(&ALICE, &device, &key(1)));
		assert_noop!(made.prove(&BOB, 1), Error::<Test>::KeyRemoved);
		// A rotated key still delivers what it signed.
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(2), DAY));
		assert_ok!(made.prove(&BOB, 0));
		assert!(origin(0).is_some());
	});
}

#[test]
fn the_origin_goes_with_the_key() {
	with_makers().build_and_execute(|| {
		let made = make(&MAKER, 0..6);
		let device = register(&ALICE, &key(0));
		let proven = |index: u16| {
			assert_ok!(made.prove(&BOB, index.into()));
			assert!(origin(index).is_some());
		};
		let forgotten = |index: u16| {
			let account = key(index).account();
			!Productions::<Test>::contains_key(&account) && origin(index).is_none()
		};
		// Removed.
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		proven(1);
		assert_ok!(remove(&ALICE, &device, &key(1)));
		assert!(forgotten(1));
		// Rotated without an overlap; the new key is another one.
		proven(0);
		assert_ok!(rotate(&ALICE, &device, &key(0), &key(2), 0));
		assert!(forgotten(0) && forgotten(2));
		// Rotated and pruned.
		proven(2);
		assert_ok!(rotate(&ALICE, &device, &key(2), &key(3), 10));
		assert!(origin(2).is_some());
		advance(11);
		assert_ok!(Identity::prune_keys(signed(&BOB), device.clone()));
		assert!(forgotten(2));
		// Retired.
		proven(3);
		assert_ok!(Identity::retire(signed(&ALICE), device));
		assert!(forgotten(3));
		assert_noop!(made.prove(&BOB, 3), Error::<Test>::KeyRemoved);
	});
}

#[test]
fn the_origin_outlives_a_transfer() {
	with_makers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let made = make(&MAKER, 0..2);
		assert_ok!(made.prove(&ALICE, 0));
		hand_over(&ALICE, &device, &BOB);
		assert!(origin(0).is_some());
	});
}

#[test]
fn a_revoked_batch_proves_nothing() {
	with_makers().build_and_execute(|| {
		register(&ALICE, &key(0));
		register(&ALICE, &key(1));
		let made = make(&MAKER, 0..3);
		assert_ok!(made.prove(&BOB, 0));
		advance(DAY);
		assert_ok!(Identity::revoke_batch(signed(&MAKER), made.root));
		assert_eq!(
			events().last(),
			Some(&Event::BatchRevoked {
				issuer: MAKER,
				root: made.root,
			})
		);
		let batch = Identity::batch(&MAKER, made.root).expect("it stays");
		assert_eq!(batch.revoked, Some(START + DAY));
		assert_eq!(held(&MAKER), Identity::batch_deposit());
		assert_eq!(origin(0), None);
		assert_noop!(made.prove(&BOB, 1), Error::<Test>::BatchRevoked);
		assert_noop!(
			Identity::revoke_batch(signed(&MAKER), made.root),
			Error::<Test>::BatchRevoked
		);
		assert_eq!(Identity::batch(&MAKER, made.root), Some(batch));
	});
}

#[test]
fn nobody_but_the_manufacturer_revokes_a_batch() {
	with_makers().build_and_execute(|| {
		register(&ALICE, &key(0));
		let made = make(&MAKER, 0..3);
		assert_ok!(made.prove(&ALICE, 0));
		for other in [ALICE, RIVAL, PAUPER] {
			assert_noop!(
				Identity::revoke_batch(signed(&other), made.root),
				Error::<Test>::UnknownBatch
			);
		}
		assert!(origin(0).is_some());
	});
}

#[test]
fn nobody_but_the_owner_puts_another_origin_in_place_of_a_known_one() {
	with_makers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let made = make(&MAKER, 0..3);
		// A stranger makes a batch with somebody else's key in it.
		let forged = make(&RIVAL, 0..1);
		assert_ok!(made.prove(&BOB, 0));
		for other in [BOB, RIVAL, MAKER, key(0).account()] {
			assert_noop!(forged.prove(&other, 0), Error::<Test>::AlreadyProven);
		}
		assert_eq!(origin(0).expect("is known").issuer, MAKER);
		// Nor does it help to have been first.
		register(&ALICE, &key(1));
		let squatting = make(&RIVAL, 1..2);
		assert_ok!(squatting.prove(&RIVAL, 0));
		assert_noop!(made.prove(&BOB, 1), Error::<Test>::AlreadyProven);
		assert_ok!(Identity::suspend(signed(&ALICE), key(1).device()));
		assert_ok!(made.prove(&ALICE, 1));
		assert_eq!(origin(1).expect("is known").issuer, MAKER);
		// The owner of the device is meant: after a transfer another.
		hand_over(&ALICE, &device, &BOB);
		assert_noop!(forged.prove(&ALICE, 0), Error::<Test>::AlreadyProven);
		assert_ok!(forged.prove(&BOB, 0));
	});
}

#[test]
fn what_is_known_is_not_proven_again() {
	with_makers().build_and_execute(|| {
		register(&ALICE, &key(0));
		let made = make(&MAKER, 0..3);
		assert_ok!(made.prove(&BOB, 0));
		let known = origin(0);
		advance(DAY);
		for who in [ALICE, BOB] {
			assert_noop!(made.prove(&who, 0), Error::<Test>::AlreadyProven);
		}
		assert_eq!(origin(0), known);
	});
}

#[test]
fn after_a_revocation_anybody_proves_the_key_from_another_batch() {
	with_makers().build_and_execute(|| {
		register(&ALICE, &key(0));
		let wrong = make(&MAKER, 0..3);
		assert_ok!(wrong.prove(&BOB, 0));
		let right = make(&MAKER, 0..4);
		assert_noop!(right.prove(&BOB, 0), Error::<Test>::AlreadyProven);
		assert_ok!(Identity::revoke_batch(signed(&MAKER), wrong.root));
		assert_ok!(right.prove(&BOB, 0));
		assert_eq!(origin(0).expect("is known").root, right.root);
	});
}

/// Damages a state with a proven key of one batch and expects the check to name the invariant.
fn damage(expected: &str, act: impl FnOnce(&Made)) {
	with_makers().build().execute_with(|| {
		register(&ALICE, &key(0));
		let made = make(&MAKER, 0..3);
		assert_ok!(made.prove(&BOB, 0));
		assert_ok!(Identity::do_try_state());
		act(&made);
		match Identity::do_try_state() {
			Err(sp_runtime::TryRuntimeError::Other(found)) => assert_eq!(found, expected),
			other => panic!("{other:?} instead of {expected}"),
		}
	});
}

fn change_batch(made: &Made, change: impl FnOnce(&mut BatchOf<Test>)) {
	Batches::<Test>::mutate(&made.issuer, made.root, |batch| {
		if let Some(batch) = batch {
			change(batch);
		}
	});
}

#[test]
fn the_check_of_the_invariants_finds_damaged_batches_and_origins() {
	damage("14: a batch without keys", |made| {
		change_batch(made, |batch| batch.count = 0);
	});
	damage("14: a key from an unknown batch", |made| {
		Batches::<Test>::remove(&made.issuer, made.root);
	});
	damage("14: a key from outside its batch", |made| {
		Productions::<Test>::mutate(made.keys[0].account(), |production| {
			if let Some(production) = production {
				production.index = 3;
			}
		});
	});
	damage("14: the origin of a key that is not active", |made| {
		let production = Productions::<Test>::get(made.keys[0].account()).expect("is known");
		Productions::<Test>::insert(made.keys[1].account(), production);
	});
	damage(
		"15: an issuer's hold is not what its attestations and batches record",
		|made| change_batch(made, |batch| batch.deposit += 1),
	);
}
