//! What others say about devices.

use crate::{AttestationOf, Attestations, Config, Devices, Error, Event, HoldReason, MAX_PAGE, mock::*};
use codec::MaxEncodedLen;
use frame_support::{
	assert_noop, assert_ok,
	traits::{StorageInfoTrait, fungible::InspectHold},
};
use m2m_device::{AccountId, AttestationDetails, DeviceId, DeviceInspect, Roles, Topic, UnixMs};
use proptest::prelude::*;
use sp_core::H256;
use sp_runtime::{DispatchResult, traits::Convert};
use std::collections::BTreeSet;

/// An accredited laboratory, and another.
const LAB: AccountId = AccountId::new([0x1a; 32]);
const RIVAL: AccountId = AccountId::new([0x1b; 32]);
const METER: Topic = Topic(*b"certified-meter\0");
const CLAIM: H256 = H256([0xc1; 32]);

fn with_issuers() -> ExtBuilder {
	ExtBuilder::default()
		.endow(LAB, ENDOWMENT)
		.endow(RIVAL, ENDOWMENT)
}

/// `issuer` certifies the device as it is now, for a year.
fn certify(issuer: &AccountId, device: &DeviceId) -> DispatchResult {
	let record = Devices::<Test>::get(device).expect("the device lives");
	attest_versions(issuer, device, record.auth_version, record.generation)
}

fn attest_versions(
	issuer: &AccountId,
	device: &DeviceId,
	auth_version: u32,
	generation: u32,
) -> DispatchResult {
	attest_until(issuer, device, METER, auth_version, generation, now() + 365 * DAY)
}

fn attest_until(
	issuer: &AccountId,
	device: &DeviceId,
	topic: Topic,
	auth_version: u32,
	generation: u32,
	expires: UnixMs,
) -> DispatchResult {
	Identity::attest(
		signed(issuer),
		device.clone(),
		topic,
		CLAIM,
		auth_version,
		generation,
		expires,
	)
}

fn certified_by(device: &DeviceId, issuers: &[AccountId]) -> bool {
	Identity::has_attestation(device, METER, issuers, false)
}

fn certified(device: &DeviceId) -> bool {
	certified_by(device, &[LAB])
}

fn held(issuer: &AccountId) -> Balance {
	Balances::balance_on_hold(&HoldReason::AttestationDeposit.into(), issuer)
}

#[test]
fn an_attestation_is_recorded_with_its_deposit() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert!(!certified(&device));
		assert_ok!(certify(&LAB, &device));
		assert!(certified(&device));
		let deposit = Identity::attestation_deposit();
		assert_eq!(
			Attestations::<Test>::get((&device, METER, LAB)),
			Some(AttestationOf::<Test> {
				claim: CLAIM,
				auth_version: 0,
				generation: 0,
				issued: START,
				expires: START + 365 * DAY,
				deposit,
			})
		);
		assert_eq!(held(&LAB), deposit);
		assert_eq!(Balances::free_balance(LAB), ENDOWMENT - deposit);
		assert_eq!(
			events().last(),
			Some(&Event::Attested {
				device,
				topic: METER,
				issuer: LAB,
			})
		);
	});
}

#[test]
fn the_deposit_is_the_price_of_what_is_stored() {
	let stored = Attestations::<Test>::storage_info()[0].max_size.expect("bounded");
	assert_eq!(AttestationOf::<Test>::max_encoded_len(), 32 + 4 + 4 + 8 + 8 + 16);
	assert_eq!(
		stored as usize,
		3 * 16 + 32 + 16 + 32 + AttestationOf::<Test>::max_encoded_len()
	);
	let footprint = frame_support::traits::Footprint {
		count: 1,
		size: stored.into(),
	};
	assert_eq!(
		Identity::attestation_deposit(),
		<Test as Config>::DepositPrice::convert(footprint)
	);
}

#[test]
fn only_the_named_topic_and_issuers_count() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(certify(&RIVAL, &device));
		assert!(!certified(&device));
		assert!(certified_by(&device, &[LAB, RIVAL]));
		assert!(!certified_by(&device, &[]));
		let other = Topic::from_text("fire-safe").expect("a topic");
		assert!(!Identity::has_attestation(&device, other, &[RIVAL], false));
		let another = register(&ALICE, &key(1));
		assert!(!certified_by(&another, &[RIVAL]));
	});
}

#[test]
fn a_self_attestation_by_the_owner_counts_only_for_who_names_the_owner() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(certify(&ALICE, &device));
		assert!(!certified_by(&device, &[LAB, RIVAL]));
		assert!(certified_by(&device, &[ALICE]));
	});
}

#[test]
fn an_expired_attestation_counts_as_none() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(attest_until(&LAB, &device, METER, 0, 0, now() + 10));
		advance(10);
		assert!(certified(&device));
		assert!(Identity::attestations(&device, None, 1)[0].valid);
		advance(1);
		assert!(!certified(&device));
		assert!(!Identity::attestations(&device, None, 1)[0].valid);
		// It stays its issuer's to replace or to take back.
		assert_ok!(certify(&LAB, &device));
		assert!(certified(&device));
	});
}

#[test]
fn an_attestation_that_has_expired_already_is_refused() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_noop!(
			attest_until(&LAB, &device, METER, 0, 0, now() - 1),
			Error::<Test>::AttestationExpired
		);
		assert_ok!(attest_until(&LAB, &device, METER, 0, 0, now()));
		assert!(certified(&device));
	});
}

#[test]
fn a_certified_meter_that_gets_another_signing_key_is_no_longer_certified() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(certify(&LAB, &device));
		assert_ok!(add(&ALICE, &device, &key(1), Roles::AUTHENTICATE));
		assert!(!certified(&device));
		assert_ok!(certify(&LAB, &device));
		assert!(certified(&device));
		assert_ok!(rotate(&ALICE, &device, &key(1), &key(2), DAY));
		assert!(!certified(&device));
		assert!(!Identity::attestations(&device, None, 1)[0].valid);
	});
}

#[test]
fn a_key_that_signs_no_telemetry_leaves_the_certificate() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(certify(&LAB, &device));
		assert_ok!(add(&ALICE, &device, &key(1), TRADE));
		assert_ok!(add(&ALICE, &device, &key(2), MANAGE));
		assert!(certified(&device));
	});
}

#[test]
fn taking_a_key_away_leaves_the_certificate() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(add(&ALICE, &device, &key(1), Roles::AUTHENTICATE));
		assert_ok!(certify(&LAB, &device));
		assert_ok!(remove(&ALICE, &device, &key(1)));
		assert!(certified(&device));
		assert!(Identity::attestations(&device, None, 1)[0].valid);
	});
}

#[test]
fn an_issuer_that_vouches_for_other_versions_is_refused() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(add(&ALICE, &device, &key(1), Roles::AUTHENTICATE));
		hand_over(&ALICE, &device, &BOB);
		// The owner slipped a key in after the issuer had looked.
		for auth_version in [0, 2] {
			assert_noop!(
				attest_versions(&LAB, &device, auth_version, 1),
				Error::<Test>::AuthVersionMismatch
			);
		}
		for generation in [0, 2] {
			assert_noop!(
				attest_versions(&LAB, &device, 1, generation),
				Error::<Test>::GenerationMismatch
			);
		}
		assert_ok!(attest_versions(&LAB, &device, 1, 1));
		assert!(certified(&device));
	});
}

#[test]
fn a_new_owner_keeps_what_vouches_for_the_keys_but_not_what_vouches_for_the_owner() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(certify(&LAB, &device));
		assert!(Identity::has_attestation(&device, METER, &[LAB], true));
		hand_over(&ALICE, &device, &BOB);
		assert!(Identity::has_attestation(&device, METER, &[LAB], false));
		assert!(!Identity::has_attestation(&device, METER, &[LAB], true));
		assert_eq!(held(&LAB), Identity::attestation_deposit());
		assert_ok!(certify(&LAB, &device));
		assert!(Identity::has_attestation(&device, METER, &[LAB], true));
	});
}

#[test]
fn a_device_that_is_not_active_may_be_certified() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(Identity::suspend(signed(&ALICE), device.clone()));
		assert_ok!(certify(&LAB, &device));
		assert_ok!(Identity::report_lost(signed(&ALICE), device.clone()));
		assert_ok!(certify(&RIVAL, &device));
		assert!(certified_by(&device, &[RIVAL]));
	});
}

#[test]
fn a_replacement_costs_nothing_more() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(certify(&LAB, &device));
		advance(DAY);
		assert_ok!(Identity::attest(
			signed(&LAB),
			device.clone(),
			METER,
			H256([0xc2; 32]),
			0,
			0,
			now() + 1
		));
		let all = Identity::attestations(&device, None, 10);
		assert_eq!(
			all,
			[AttestationDetails {
				topic: METER,
				issuer: LAB,
				claim: H256([0xc2; 32]),
				auth_version: 0,
				generation: 0,
				issued: START + DAY,
				expires: START + DAY + 1,
				valid: true,
			}]
		);
		assert_eq!(held(&LAB), Identity::attestation_deposit());
	});
}

#[test]
fn a_replacement_settles_a_deposit_that_was_taken_at_another_price() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		let another = register(&ALICE, &key(1));
		let deposit = Identity::attestation_deposit();
		assert_ok!(certify(&LAB, &another));
		for earlier in [deposit / 2, 2 * deposit] {
			assert_ok!(certify(&LAB, &device));
			// As if it had been taken before an upgrade.
			use frame_support::traits::fungible::MutateHold;
			let reason = HoldReason::AttestationDeposit.into();
			assert_ok!(Balances::set_on_hold(&reason, &LAB, deposit + earlier));
			Attestations::<Test>::mutate((&device, METER, LAB), |attestation| {
				if let Some(attestation) = attestation {
					attestation.deposit = earlier;
				}
			});
			assert_ok!(Identity::do_try_state());
			assert_ok!(certify(&LAB, &device));
			assert_eq!(held(&LAB), 2 * deposit);
		}
	});
}

#[test]
fn an_issuer_without_money_is_refused() {
	let deposit = Identity::attestation_deposit();
	let builder = ExtBuilder::default()
		.endow(LAB, ED + deposit - 1)
		.endow(RIVAL, ED + deposit);
	builder.build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		for poor in [LAB, PAUPER] {
			assert_noop!(certify(&poor, &device), Error::<Test>::IssuerCannotPay);
		}
		assert_ok!(certify(&RIVAL, &device));
		assert_eq!(Balances::free_balance(RIVAL), ED);
	});
}

#[test]
fn a_topic_without_its_form_is_refused() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		for bytes in [
			*b"Certified-Meter\0",
			[0; 16],
			*b"meter\0x\0\0\0\0\0\0\0\0\0",
			[0xff; 16],
		] {
			assert_noop!(
				attest_until(&LAB, &device, Topic(bytes), 0, 0, now()),
				Error::<Test>::BadTopic
			);
		}
	});
}

#[test]
fn a_device_key_cannot_attest() {
	let builder = with_issuers()
		.endow(key(0).account(), ENDOWMENT)
		.endow(key(1).account(), ENDOWMENT);
	builder.build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(add(&ALICE, &device, &key(1), Roles::ALL));
		assert_ok!(remove(&ALICE, &device, &key(1)));
		let another = register(&ALICE, &key(2));
		// Neither about its own device nor about another, also not after its removal.
		for number in [0, 1] {
			for device in [&device, &another] {
				assert_noop!(
					certify(&key(number).account(), device),
					Error::<Test>::IssuerIsDeviceKey
				);
			}
		}
	});
}

#[test]
fn an_issuer_that_became_a_device_key_still_takes_back_what_it_said() {
	let issuer = key(1).account();
	ExtBuilder::default()
		.endow(issuer.clone(), ENDOWMENT)
		.build_and_execute(|| {
			let device = register(&ALICE, &key(0));
			assert_ok!(certify(&issuer, &device));
			assert_ok!(add(&ALICE, &device, &key(1), TRADE));
			assert_noop!(certify(&issuer, &device), Error::<Test>::IssuerIsDeviceKey);
			assert_ok!(Identity::revoke_attestation(signed(&issuer), device, METER));
			assert_eq!(Balances::free_balance(&issuer), ENDOWMENT);
		});
}

#[test]
fn nobody_attests_about_a_device_that_is_not() {
	with_issuers().build_and_execute(|| {
		assert_noop!(
			attest_versions(&LAB, &key(0).device(), 0, 0),
			Error::<Test>::UnknownDevice
		);
		let device = register(&ALICE, &key(0));
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		assert_noop!(attest_versions(&LAB, &device, 0, 0), Error::<Test>::DeviceRetired);
	});
}

#[test]
fn nobody_but_the_issuer_revokes() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(certify(&LAB, &device));
		for other in [ALICE, RIVAL, PAUPER, key(0).account()] {
			assert_noop!(
				Identity::revoke_attestation(signed(&other), device.clone(), METER),
				Error::<Test>::UnknownAttestation
			);
		}
		let topic = Topic::from_text("fire-safe").expect("a topic");
		assert_noop!(
			Identity::revoke_attestation(signed(&LAB), device.clone(), topic),
			Error::<Test>::UnknownAttestation
		);
		assert!(certified(&device));
		assert_ok!(Identity::revoke_attestation(signed(&LAB), device.clone(), METER));
		assert!(!certified(&device));
		assert_eq!(
			events().last(),
			Some(&Event::AttestationRevoked {
				device: device.clone(),
				topic: METER,
				issuer: LAB,
			})
		);
		assert_eq!(Balances::free_balance(LAB), ENDOWMENT);
		assert_noop!(
			Identity::revoke_attestation(signed(&LAB), device, METER),
			Error::<Test>::UnknownAttestation
		);
	});
}

#[test]
fn a_retired_device_has_no_attestation_and_its_issuers_get_their_deposits_back() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(certify(&LAB, &device));
		assert_ok!(certify(&RIVAL, &device));
		assert_ok!(Identity::retire(signed(&ALICE), device.clone()));
		assert!(!certified_by(&device, &[LAB, RIVAL]));
		let said = Identity::attestations(&device, None, 10);
		assert_eq!(said.len(), 2);
		assert!(said.iter().all(|attestation| !attestation.valid));
		for issuer in [LAB, RIVAL] {
			assert_ok!(Identity::revoke_attestation(
				signed(&issuer),
				device.clone(),
				METER
			));
			assert_eq!(Balances::free_balance(&issuer), ENDOWMENT);
		}
		assert!(Identity::attestations(&device, None, 10).is_empty());
	});
}

#[test]
fn attestations_give_no_power() {
	with_issuers().build_and_execute(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(certify(&LAB, &device));
		assert_noop!(
			Identity::suspend(signed(&LAB), device.clone()),
			Error::<Test>::NotOwner
		);
		assert_noop!(
			Identity::set_profile(signed(&LAB), Some(device), None),
			Error::<Test>::NotOwner
		);
	});
}

#[test]
fn attestations_are_listed_in_pages_that_nobody_crowds_out() {
	ExtBuilder::default().build().execute_with(|| {
		let device = register(&ALICE, &key(0));
		let another = register(&ALICE, &key(1));
		let issuer = |number: u32| {
			let bytes = [number.to_le_bytes(); 8].concat();
			AccountId::new(bytes.try_into().expect("32 bytes"))
		};
		// Only the map matters here, so the issuers need no money.
		let attestation = AttestationOf::<Test> {
			claim: CLAIM,
			auth_version: 0,
			generation: 0,
			issued: START,
			expires: START,
			deposit: 0,
		};
		let others = Topic::from_text("spam").expect("a topic");
		for number in 0..MAX_PAGE + 10 {
			Attestations::<Test>::insert((&device, others, issuer(number)), &attestation);
		}
		Attestations::<Test>::insert((&device, METER, LAB), &attestation);
		Attestations::<Test>::insert((&another, METER, RIVAL), &attestation);

		let first = Identity::attestations(&device, None, u32::MAX);
		assert_eq!(first.len(), MAX_PAGE as usize);
		assert!(Identity::attestations(&device, None, 0).is_empty());
		let mut all = vec![];
		let mut after = None;
		loop {
			let page = Identity::attestations(&device, after, 100);
			let Some(last) = page.last() else { break };
			after = Some((last.topic, last.issuer.clone()));
			all.extend(page);
		}
		assert_eq!(all[..first.len()], first);
		let found: BTreeSet<_> = all.iter().map(|one| (one.topic, one.issuer.clone())).collect();
		assert_eq!((all.len(), found.len()), (267, 267));
		assert!(found.contains(&(METER, LAB)));
		assert!(!found.contains(&(METER, RIVAL)));

		// A listing goes on after an attestation that was revoked meanwhile.
		let (topic, issuer) = (all[9].topic, all[9].issuer.clone());
		Attestations::<Test>::remove((&device, topic, &issuer));
		assert_eq!(
			Identity::attestations(&device, Some((topic, issuer)), 5),
			all[10..15]
		);
	});
}

/// Damages a state with an attestation by the laboratory and expects the check to name the invariant.
fn damage(expected: &str, act: impl FnOnce(&DeviceId)) {
	with_issuers().build().execute_with(|| {
		let device = register(&ALICE, &key(0));
		assert_ok!(certify(&LAB, &device));
		assert_ok!(Identity::do_try_state());
		act(&device);
		match Identity::do_try_state() {
			Err(sp_runtime::TryRuntimeError::Other(found)) => assert_eq!(found, expected),
			other => panic!("{other:?} instead of {expected}"),
		}
	});
}

fn change(device: &DeviceId, change: impl FnOnce(&mut AttestationOf<Test>)) {
	Attestations::<Test>::mutate((device, METER, LAB), |attestation| {
		if let Some(attestation) = attestation {
			change(attestation);
		}
	});
}

#[test]
fn the_check_of_the_invariants_finds_damaged_attestations() {
	let moved = |topic: Topic, device: &DeviceId, to: &DeviceId| {
		let attestation = Attestations::<Test>::take((device, METER, LAB)).expect("is there");
		Attestations::<Test>::insert((to, topic, LAB), attestation);
	};
	damage("13: an attestation of an unknown device", |device| {
		moved(METER, device, &key(9).device());
	});
	damage("13: a topic without its form", |device| {
		moved(Topic([0; 16]), device, device);
	});
	damage("13: an attestation for a later version", |device| {
		change(device, |attestation| attestation.auth_version = 1);
	});
	damage("13: an attestation for a later version", |device| {
		change(device, |attestation| attestation.generation = 1);
	});
	damage("13: an attestation that never counted", |device| {
		change(device, |attestation| attestation.expires = START - 1);
	});
	let unbalanced = "15: an issuer's hold is not what its attestations and batches record";
	damage(unbalanced, |device| {
		change(device, |attestation| attestation.deposit += 1);
	});
	damage(unbalanced, |device| {
		Attestations::<Test>::remove((device, METER, LAB));
	});
	damage("15: an issuer without an account", |device| {
		let attestation = Attestations::<Test>::get((device, METER, LAB)).expect("is there");
		Attestations::<Test>::insert((device, METER, PAUPER), attestation);
	});
}

/// One thing that happens to a device, or that an issuer (of two) says about it.
#[derive(Clone, Copy, Debug)]
enum Step {
	Attest { issuer: usize, days: u64 },
	Revoke { issuer: usize },
	Add { authenticate: bool },
	RemoveLast,
	Rotate,
	HandOver,
	Wait { days: u64 },
	Retire,
}

fn step() -> impl Strategy<Value = Step> {
	prop_oneof![
		6 => (0usize..2, 0u64..40).prop_map(|(issuer, days)| Step::Attest { issuer, days }),
		2 => (0usize..2).prop_map(|issuer| Step::Revoke { issuer }),
		2 => any::<bool>().prop_map(|authenticate| Step::Add { authenticate }),
		2 => Just(Step::RemoveLast),
		1 => Just(Step::Rotate),
		2 => Just(Step::HandOver),
		3 => (0u64..20).prop_map(|days| Step::Wait { days }),
		1 => Just(Step::Retire),
	]
}

/// What an issuer said, remembered by what it saw: the keys that had signed telemetry by then, and the owner.
struct Said {
	signers: Vec<u16>,
	owners: usize,
	expires: UnixMs,
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(1_000))]

	#[test]
	fn an_attestation_counts_until_something_ends_it(steps in prop::collection::vec(step(), 1..25)) {
		with_issuers().build_and_execute(|| {
			let issuers = [LAB, RIVAL];
			let device = register(&ALICE, &key(0));
			let mut said: [Option<Said>; 2] = [None, None];
			// Every key that ever signed telemetry, the keys that the owner may remove, and how many were made.
			let (mut signers, mut keys, mut made) = (vec![0], vec![0], 1);
			let (mut owners, mut lives) = (1, true);
			for step in steps {
				let (owner, other) = if owners % 2 == 1 { (ALICE, BOB) } else { (BOB, ALICE) };
				match step {
					Step::Attest { issuer, days } => {
						let expires = now() + days * DAY;
						if lives {
							let record = Devices::<Test>::get(&device).expect("lives");
							let (version, generation) = (record.auth_version, record.generation);
							assert_ok!(attest_until(&issuers[issuer], &device, METER, version, generation, expires));
							said[issuer] = Some(Said { signers: signers.clone(), owners, expires });
						} else {
							assert_noop!(
								attest_until(&issuers[issuer], &device, METER, 0, 0, expires),
								Error::<Test>::DeviceRetired
							);
						}
					}
					Step::Revoke { issuer } => {
						let call = Identity::revoke_attestation(signed(&issuers[issuer]), device.clone(), METER);
						assert_eq!(call.is_ok(), said[issuer].take().is_some());
					}
					Step::Add { authenticate } if lives => {
						let roles = if authenticate { Roles::AUTHENTICATE } else { TRADE };
						if add(&owner, &device, &key(made), roles).is_ok() {
							keys.push(made);
							if authenticate {
								signers.push(made);
							}
							made += 1;
						}
					}
					Step::RemoveLast => {
						if let Some(number) = keys.pop().filter(|_| lives) {
							assert_ok!(remove(&owner, &device, &key(number)));
						}
					}
					Step::Rotate => {
						// A key of an earlier owner is not rotated before it is confirmed.
						if let Some(number) = keys.last().copied().filter(|_| lives)
							&& rotate(&owner, &device, &key(number), &key(made), 0).is_ok()
						{
							keys.pop();
							keys.push(made);
							if signers.contains(&number) {
								signers.push(made);
							}
							made += 1;
						}
					}
					Step::HandOver if lives => {
						hand_over(&owner, &device, &other);
						owners += 1;
					}
					Step::Retire if lives => {
						assert_ok!(Identity::retire(signed(&owner), device.clone()));
						lives = false;
					}
					Step::Wait { days } => advance(days * DAY),
					_ => {}
				}
				let counts = |issuer: usize, same_owner: bool| {
					lives && said[issuer].as_ref().is_some_and(|said| {
						said.signers == signers
							&& now() <= said.expires
							&& (!same_owner || said.owners == owners)
					})
				};
				for same_owner in [false, true] {
					for (number, issuer) in issuers.iter().enumerate() {
						assert_eq!(
							Identity::has_attestation(&device, METER, std::slice::from_ref(issuer), same_owner),
							counts(number, same_owner),
							"{step:?}"
						);
					}
					assert_eq!(
						Identity::has_attestation(&device, METER, &issuers, same_owner),
						counts(0, same_owner) || counts(1, same_owner)
					);
				}
				for (number, issuer) in issuers.iter().enumerate() {
					let deposit = if said[number].is_some() { Identity::attestation_deposit() } else { 0 };
					assert_eq!(held(issuer), deposit);
				}
			}
		});
	}
}
