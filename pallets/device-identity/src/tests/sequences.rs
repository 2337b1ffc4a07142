//! Random sequences of operations on keys, operators, owners, status and money keep every invariant.

use crate::{
	DeviceKeys, Devices, Error, KeyEntry, Keys, Operators, RetiredDevices, Services, TransferOffers,
	mock::{
		ALICE, BOB, Balance, Balances, CAROL, DAVE, DAY, ED, ExtBuilder, Identity, System, Test, TestKey,
		add, advance, confirm, now, refusal, register, remove, rotate, service, signed, total_balance,
	},
};
use m2m_device::{Action, DeviceAuthority, DeviceId, OperatorActions, Roles};
use proptest::prelude::*;
use sp_runtime::{AccountId32, DispatchError};
use std::sync::LazyLock;

/// Who signs.
#[derive(Clone, Copy, Debug)]
enum By {
	Alice,
	Bob,
	/// An account without money, granted to by Alice or Bob.
	Operator(bool),
	Key(u16),
}

#[derive(Clone, Copy, Debug)]
enum Step {
	Register {
		by: By,
		key: u16,
		roles: u8,
	},
	Add {
		by: By,
		device: u16,
		key: u16,
		roles: u8,
	},
	Rotate {
		by: By,
		device: u16,
		old: u16,
		new: u16,
		overlap: u64,
	},
	Remove {
		by: By,
		device: u16,
		key: u16,
	},
	Prune {
		device: u16,
	},
	Suspend {
		by: By,
		device: u16,
	},
	Resume {
		by: By,
		device: u16,
	},
	ReportLost {
		by: By,
		device: u16,
	},
	Retire {
		by: By,
		device: u16,
	},
	Withdraw {
		by: By,
		device: u16,
		amount: Option<Balance>,
	},
	Pay {
		device: u16,
		amount: Balance,
	},
	Wait {
		milliseconds: u64,
	},
	Grant {
		by: By,
		device: u16,
		operator: bool,
		actions: u8,
		expires: Option<u64>,
	},
	Revoke {
		by: By,
		device: u16,
		operator: bool,
	},
	Offer {
		by: By,
		device: u16,
		to_bob: bool,
		price: Balance,
		expires: u64,
	},
	Accept {
		by: By,
		device: u16,
	},
	Cancel {
		by: By,
		device: u16,
	},
	Confirm {
		by: By,
		device: u16,
		key: u16,
	},
	SetProfile {
		by: By,
		device: u16,
	},
	SetService {
		by: By,
		device: u16,
		id: u8,
		endpoint: usize,
	},
	RemoveService {
		by: By,
		device: u16,
		id: u8,
	},
}

/// Few devices and keys, so that steps meet.
const DEVICES: u16 = 2;
const KEYS: u16 = 14;

/// The keys, derived once.
static CACHE: LazyLock<Vec<TestKey>> = LazyLock::new(|| (0..KEYS).map(crate::mock::key).collect());
static ACCOUNTS: LazyLock<Vec<AccountId32>> = LazyLock::new(|| CACHE.iter().map(TestKey::account).collect());

fn key(number: u16) -> &'static TestKey {
	&CACHE[number as usize]
}

fn key_account(number: u16) -> AccountId32 {
	ACCOUNTS[number as usize].clone()
}

fn by() -> impl Strategy<Value = By> {
	prop_oneof![
		4 => Just(By::Alice),
		2 => Just(By::Bob),
		1 => any::<bool>().prop_map(By::Operator),
		4 => (0..KEYS).prop_map(By::Key)
	]
}

fn step() -> impl Strategy<Value = Step> {
	let roles = || 0u8..8;
	let overlap = || prop_oneof![Just(0), Just(10), Just(100), Just(8 * DAY)];
	prop_oneof![
		3 => (by(), 0..DEVICES, roles()).prop_map(|(by, key, roles)| Step::Register { by, key, roles }),
		6 => (by(), 0..DEVICES, 0..KEYS, roles())
			.prop_map(|(by, device, key, roles)| Step::Add { by, device, key, roles }),
		3 => (by(), 0..DEVICES, 0..KEYS, 0..KEYS, overlap())
			.prop_map(|(by, device, old, new, overlap)| Step::Rotate { by, device, old, new, overlap }),
		3 => (0..DEVICES, 0..KEYS, 0..KEYS, overlap()).prop_map(|(device, old, new, overlap)| {
			Step::Rotate { by: By::Key(old), device, old, new, overlap }
		}),
		4 => (by(), 0..DEVICES, 0..KEYS).prop_map(|(by, device, key)| Step::Remove { by, device, key }),
		5 => (0..DEVICES).prop_map(|device| Step::Prune { device }),
		1 => (by(), 0..DEVICES).prop_map(|(by, device)| Step::Suspend { by, device }),
		4 => (by(), 0..DEVICES).prop_map(|(by, device)| Step::Resume { by, device }),
		1 => (by(), 0..DEVICES).prop_map(|(by, device)| Step::ReportLost { by, device }),
		1 => (by(), 0..DEVICES).prop_map(|(by, device)| Step::Retire { by, device }),
		2 => (by(), 0..DEVICES, proptest::option::of(0..20_000u128))
			.prop_map(|(by, device, amount)| Step::Withdraw { by, device, amount }),
		2 => (0..DEVICES, ED..20_000u128).prop_map(|(device, amount)| Step::Pay { device, amount }),
		3 => (1..60u64).prop_map(|milliseconds| Step::Wait { milliseconds }),
		4 => (by(), 0..DEVICES, any::<bool>(), 0..8u8, proptest::option::of(0..100u64)).prop_map(
			|(by, device, operator, actions, expires)| Step::Grant { by, device, operator, actions, expires }
		),
		1 => (by(), 0..DEVICES, any::<bool>())
			.prop_map(|(by, device, operator)| Step::Revoke { by, device, operator }),
		4 => (by(), 0..DEVICES, any::<bool>(), 0..20_000u128, 0..100u64).prop_map(
			|(by, device, to_bob, price, expires)| Step::Offer { by, device, to_bob, price, expires }
		),
		6 => (by(), 0..DEVICES).prop_map(|(by, device)| Step::Accept { by, device }),
		1 => (by(), 0..DEVICES).prop_map(|(by, device)| Step::Cancel { by, device }),
		3 => (by(), 0..DEVICES, 0..KEYS).prop_map(|(by, device, key)| Step::Confirm { by, device, key }),
		1 => (by(), 0..DEVICES).prop_map(|(by, device)| Step::SetProfile { by, device }),
		3 => (by(), 0..DEVICES, 0..10u8, 8..128usize)
			.prop_map(|(by, device, id, endpoint)| Step::SetService { by, device, id, endpoint }),
		2 => (by(), 0..DEVICES, 0..10u8)
			.prop_map(|(by, device, id)| Step::RemoveService { by, device, id }),
	]
}

/// Number of the key at this place in a device's list.
fn listed(of: u16, place: u16) -> Option<u16> {
	let keys = DeviceKeys::<Test>::get(device(of));
	let account = keys.get(usize::from(place).checked_rem(keys.len())?)?;
	ACCOUNTS
		.iter()
		.position(|known| known == account)
		.map(|number| number as u16)
}

/// The first key that was never used.
fn unused() -> Option<u16> {
	(0..KEYS).find(|number| !Keys::<Test>::contains_key(key_account(*number)))
}

/// Turns a step at random into one that is likely to be accepted: numbers of keys become places in the list of the
/// device, new keys are unused ones.
fn aim(step: Step) -> Step {
	let signer = |by, of| match by {
		By::Key(place) => listed(of, place).map_or(By::Alice, By::Key),
		_ => by,
	};
	match step {
		Step::Add {
			by,
			device,
			key,
			roles,
		} => Step::Add {
			by: signer(by, device),
			device,
			key: unused().unwrap_or(key),
			roles,
		},
		Step::Rotate {
			by,
			device,
			old,
			new,
			overlap,
		} => {
			let old = listed(device, old).unwrap_or(old);
			let by = if let By::Key(_) = by { By::Key(old) } else { by };
			Step::Rotate {
				by,
				device,
				old,
				new: unused().unwrap_or(new),
				overlap,
			}
		}
		Step::Remove { by, device, key } => Step::Remove {
			by: signer(by, device),
			device,
			key: listed(device, key).unwrap_or(key),
		},
		Step::Grant {
			device,
			operator,
			actions,
			expires,
			..
		} => Step::Grant {
			by: owner_of(device),
			device,
			operator,
			actions: actions.max(1),
			expires,
		},
		Step::Offer {
			device,
			price,
			expires,
			..
		} => {
			let by = owner_of(device);
			Step::Offer {
				by,
				device,
				to_bob: matches!(by, By::Alice),
				price,
				expires,
			}
		}
		Step::Accept { device, .. } => {
			let to = TransferOffers::<Test>::get(self::device(device)).map(|offer| offer.to);
			let by = if to == Some(BOB) { By::Bob } else { By::Alice };
			Step::Accept { by, device }
		}
		Step::Confirm { device, key, .. } => Step::Confirm {
			by: owner_of(device),
			device,
			key: listed(device, key).unwrap_or(key),
		},
		Step::SetProfile { by, device } => Step::SetProfile {
			by: signer(by, device),
			device,
		},
		Step::SetService {
			by,
			device,
			id,
			endpoint,
		} => Step::SetService {
			by: signer(by, device),
			device,
			id,
			endpoint,
		},
		Step::RemoveService { by, device, id } => {
			let listed = Services::<Test>::get(self::device(device));
			let first = listed
				.first()
				.and_then(|service| core::str::from_utf8(&service.id).ok()?.parse().ok());
			Step::RemoveService {
				by,
				device,
				id: first.unwrap_or(id),
			}
		}
		step => step,
	}
}

fn owner_of(number: u16) -> By {
	match Devices::<Test>::get(device(number)) {
		Some(record) if record.owner == BOB => By::Bob,
		_ => By::Alice,
	}
}

/// Steps, and whether they are aimed.
fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
	prop::collection::vec((step(), prop::bool::weighted(0.8)), 1..60)
}

fn account(by: By) -> AccountId32 {
	match by {
		By::Alice => ALICE,
		By::Bob => BOB,
		By::Operator(which) => operator(which),
		By::Key(number) => key_account(number),
	}
}

fn operator(which: bool) -> AccountId32 {
	if which { CAROL } else { DAVE }
}

fn roles(bits: u8) -> Roles {
	Roles {
		authenticate: bits & 1 != 0,
		trade: bits & 2 != 0,
		manage: bits & 4 != 0,
	}
}

fn device(number: u16) -> DeviceId {
	key(number).device()
}

/// Does one step inside a transaction, as a block does. Returns whether it was accepted.
fn apply(step: Step) -> Result<(), DispatchError> {
	frame_support::storage::with_storage_layer(|| match step {
		Step::Register {
			by,
			key: number,
			roles: bits,
		} => {
			let (owner, key, roles) = (account(by), key(number), roles(bits));
			let proof = key.prove(m2m_device::PossessionAction::Register, &owner, None, roles);
			Identity::register_device(signed(&owner), key.public(), roles, proof, None, None)
		}
		Step::Add {
			by,
			device: to,
			key: number,
			roles: bits,
		} => add(&account(by), &device(to), key(number), roles(bits)),
		Step::Rotate {
			by,
			device: of,
			old,
			new,
			overlap,
		} => rotate(&account(by), &device(of), key(old), key(new), overlap),
		Step::Remove {
			by,
			device: of,
			key: number,
		} => remove(&account(by), &device(of), key(number)),
		Step::Prune { device: of } => Identity::prune_keys(signed(&BOB), device(of))
			.map(|_| ())
			.map_err(|refusal| refusal.error),
		Step::Suspend { by, device: of } => Identity::suspend(signed(&account(by)), device(of)),
		Step::Resume { by, device: of } => Identity::resume(signed(&account(by)), device(of)),
		Step::ReportLost { by, device: of } => Identity::report_lost(signed(&account(by)), device(of)),
		Step::Retire { by, device: of } => Identity::retire(signed(&account(by)), device(of))
			.map(|_| ())
			.map_err(|refusal| refusal.error),
		Step::Withdraw {
			by,
			device: of,
			amount,
		} => Identity::withdraw(signed(&account(by)), device(of), amount),
		Step::Pay { device: to, amount } => Balances::transfer_keep_alive(signed(&BOB), device(to), amount),
		Step::Wait { milliseconds } => {
			advance(milliseconds);
			Ok(())
		}
		Step::Grant {
			by,
			device: of,
			operator: which,
			actions,
			expires,
		} => Identity::grant(
			signed(&account(by)),
			device(of),
			operator(which),
			OperatorActions {
				manage: actions & 1 != 0,
				trade: actions & 2 != 0,
				suspend: actions & 4 != 0,
			},
			expires.map(|after| now() + after),
		),
		Step::Revoke {
			by,
			device: of,
			operator: which,
		} => Identity::revoke(signed(&account(by)), device(of), operator(which)),
		Step::Offer {
			by,
			device: of,
			to_bob,
			price,
			expires,
		} => {
			let to = if to_bob { BOB } else { ALICE };
			Identity::offer_transfer(signed(&account(by)), device(of), to, price, now() + expires)
		}
		Step::Accept { by, device: of } => {
			let id = device(of);
			let generation = Devices::<Test>::get(&id).map_or(0, |record| record.generation);
			let price = TransferOffers::<Test>::get(&id).map_or(0, |offer| offer.price);
			Identity::accept_transfer(signed(&account(by)), id, generation, price)
		}
		Step::Cancel { by, device: of } => Identity::cancel_transfer(signed(&account(by)), device(of)),
		Step::Confirm {
			by,
			device: of,
			key: number,
		} => confirm(&account(by), &device(of), key(number)),
		Step::SetProfile { by, device: of } => {
			Identity::set_profile(signed(&account(by)), Some(device(of)), None)
		}
		Step::SetService {
			by,
			device: of,
			id,
			endpoint,
		} => Identity::set_service(
			signed(&account(by)),
			Some(device(of)),
			service(&id.to_string(), endpoint),
		),
		Step::RemoveService { by, device: of, id } => Identity::remove_service(
			signed(&account(by)),
			Some(device(of)),
			service(&id.to_string(), 10).id,
		),
	})
}

/// Checks what holds between any two steps.
fn check(step: Step, before: &Before, outcome: &Result<(), DispatchError>) {
	if let Err(invariant) = Identity::do_try_state() {
		panic!("{invariant:?}");
	}
	let burnt = before.issuance - Balances::total_issuance();
	let retires = matches!(step, Step::Retire { .. }) && outcome.is_ok();
	assert!(burnt == 0 || retires, "only retirement burns");
	for number in 0..KEYS {
		let account = key_account(number);
		let entry = Keys::<Test>::get(&account);
		if before.removed[number as usize] {
			assert!(
				matches!(entry, Some(KeyEntry::Removed(_))),
				"a removed key came back"
			);
			assert!(Identity::participant(&account, None, Action::Trade).is_err());
		}
		// A reference for each active key, and no other.
		let references = u32::from(matches!(entry, Some(KeyEntry::Active(_))));
		assert_eq!(System::sufficients(&account), references);
	}
	// No key and no operator moves money of a wallet to itself or anywhere else.
	assert!((0..KEYS).all(|number| total_balance(&key_account(number)) == 0));
	assert_eq!(total_balance(&CAROL) + total_balance(&DAVE), 0);
	if let Step::Withdraw { by, .. }
	| Step::Retire { by, .. }
	| Step::Grant { by, .. }
	| Step::Offer { by, .. }
	| Step::Accept { by, .. }
	| Step::Confirm { by, .. }
	| Step::Resume { by, .. }
	| Step::ReportLost { by, .. } = step
	{
		let by_owner = matches!(by, By::Alice | By::Bob);
		assert!(
			by_owner || outcome.is_err(),
			"a key or an operator did what is the owner's"
		);
	}
	for number in 0..DEVICES {
		check_ownership(number, step, before, outcome);
	}
	for number in 0..DEVICES {
		let id = device(number);
		if before.retired[number as usize] {
			assert!(RetiredDevices::<Test>::contains_key(&id) && !Devices::<Test>::contains_key(&id));
		}
	}
}

/// Only an acceptance changes the owner, and with it everything that the old one granted is dead.
fn check_ownership(number: u16, step: Step, before: &Before, outcome: &Result<(), DispatchError>) {
	let id = device(number);
	let (Some((owner, generation)), Some(record)) =
		(&before.owners[number as usize], Devices::<Test>::get(&id))
	else {
		return;
	};
	let accepted = matches!(step, Step::Accept { device, .. } if device == number) && outcome.is_ok();
	assert_eq!(record.generation, generation + u32::from(accepted));
	assert_eq!(
		record.owner != *owner,
		accepted,
		"another owner without an acceptance"
	);
	if !accepted {
		return;
	}
	assert!(!Operators::<Test>::contains_key(&id) && !TransferOffers::<Test>::contains_key(&id));
	assert_eq!(Balances::free_balance(&id), ED);
	let keys = DeviceKeys::<Test>::get(&id);
	for signer in keys.iter().chain([owner, &CAROL, &DAVE]) {
		for action in [Action::Manage, Action::Trade, Action::Close] {
			assert!(Identity::authorize(signer, Some(&id), action).is_err());
		}
		assert!(Identity::reading_authority(signer, &id).is_err());
		assert_eq!(Identity::acting_key(signer), None);
	}
}

struct Before {
	owners: Vec<Option<(AccountId32, u32)>>,
	issuance: Balance,
	removed: Vec<bool>,
	retired: Vec<bool>,
}

fn before() -> Before {
	Before {
		owners: (0..DEVICES)
			.map(|number| {
				Devices::<Test>::get(device(number)).map(|record| (record.owner, record.generation))
			})
			.collect(),
		issuance: Balances::total_issuance(),
		removed: (0..KEYS)
			.map(|number| matches!(Keys::<Test>::get(key_account(number)), Some(KeyEntry::Removed(_))))
			.collect(),
		retired: (0..DEVICES)
			.map(|number| RetiredDevices::<Test>::contains_key(device(number)))
			.collect(),
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(2_000))]

	#[test]
	fn every_invariant_holds_after_every_step(steps in steps()) {
		ExtBuilder::default().build().execute_with(|| {
			// One device to begin with, so that few steps are in vain.
			register(&ALICE, key(0));
			for (step, aimed) in steps {
				let step = if aimed { aim(step) } else { step };
				let before = before();
				let outcome = apply(step);
				check(step, &before, &outcome);
			}
			// In the end each owner can retire everything and has all money back but what was burnt.
			for number in 0..DEVICES {
				if let Some(record) = Devices::<Test>::get(device(number)) {
					apply(Step::Retire {
						by: if record.owner == ALICE { By::Alice } else { By::Bob },
						device: number,
					})
					.expect("an owner can always retire");
				}
			}
			Identity::do_try_state().expect("the invariants hold");
			for number in 0..KEYS {
				assert!(!System::account_exists(&key_account(number)));
			}
			// What nobody's device received and what came after a retirement lies on wallets.
			let on_wallets: Balance = (0..DEVICES).map(|number| total_balance(&device(number))).sum();
			let with_owners = total_balance(&ALICE) + total_balance(&BOB);
			assert_eq!(with_owners + on_wallets, Balances::total_issuance());
		});
	}
}

#[test]
fn the_random_steps_reach_every_call() {
	use proptest::{
		strategy::ValueTree,
		test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
	};
	let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
	let mut runner = TestRunner::new_with_rng(Config::default(), rng);
	let strategy = steps();
	let mut accepted = std::collections::BTreeMap::<_, u32>::new();
	for _ in 0..400 {
		let steps = strategy.new_tree(&mut runner).expect("a sequence").current();
		ExtBuilder::default().build().execute_with(|| {
			register(&ALICE, key(0));
			for (step, aimed) in steps {
				let step = if aimed { aim(step) } else { step };
				if apply(step).is_ok() {
					let name = format!("{step:?}");
					let name = name.split(' ').next().unwrap_or_default().to_owned();
					let by_key = name.as_str() != "Register" && format!("{step:?}").contains("by: Key");
					*accepted.entry((name, by_key)).or_default() += 1;
				}
			}
		});
	}
	for name in [
		"Register",
		"Add",
		"Rotate",
		"Remove",
		"Prune",
		"Suspend",
		"Resume",
		"ReportLost",
		"Retire",
		"Withdraw",
		"Grant",
		"Revoke",
		"Offer",
		"Accept",
		"Cancel",
		"Confirm",
		"SetProfile",
		"SetService",
		"RemoveService",
	] {
		assert!(
			accepted.contains_key(&(name.to_owned(), false)),
			"{name} by an owner"
		);
	}
	for name in ["Add", "Rotate", "Remove", "SetProfile", "SetService"] {
		assert!(accepted.contains_key(&(name.to_owned(), true)), "{name} by a key");
	}
	for name in [
		"Suspend",
		"Resume",
		"ReportLost",
		"Retire",
		"Withdraw",
		"Grant",
		"Offer",
		"Accept",
		"Confirm",
	] {
		assert!(
			!accepted.contains_key(&(name.to_owned(), true)),
			"{name} by a key"
		);
	}
}

#[test]
fn a_key_operation_on_an_unregistered_device_is_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let steps = [
			Step::Add {
				by: By::Alice,
				device: 1,
				key: 5,
				roles: 7,
			},
			Step::Remove {
				by: By::Alice,
				device: 1,
				key: 5,
			},
			Step::Prune { device: 1 },
			Step::Retire {
				by: By::Alice,
				device: 1,
			},
			Step::Withdraw {
				by: By::Alice,
				device: 1,
				amount: None,
			},
		];
		for step in steps {
			assert_eq!(apply(step), Err(refusal(Error::UnknownDevice)), "{step:?}");
		}
	});
}
