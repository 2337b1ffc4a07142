//! Random sequences of operations on keys, status and money keep every invariant.

use crate::{
	DeviceKeys, Devices, Error, KeyEntry, Keys, RetiredDevices,
	mock::{
		ALICE, BOB, Balance, Balances, DAY, ED, ExtBuilder, Identity, System, Test, TestKey, add, advance,
		refusal, register, remove, rotate, signed, total_balance,
	},
};
use m2m_device::{Action, DeviceAuthority, DeviceId, Roles};
use proptest::prelude::*;
use sp_runtime::{AccountId32, DispatchError};
use std::sync::LazyLock;

/// Who signs.
#[derive(Clone, Copy, Debug)]
enum By {
	Alice,
	Bob,
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
	prop_oneof![4 => Just(By::Alice), 1 => Just(By::Bob), 4 => (0..KEYS).prop_map(By::Key)]
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
		step => step,
	}
}

/// Steps, and whether they are aimed.
fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
	prop::collection::vec((step(), prop::bool::weighted(0.8)), 1..40)
}

fn account(by: By) -> AccountId32 {
	match by {
		By::Alice => ALICE,
		By::Bob => BOB,
		By::Key(number) => key_account(number),
	}
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
	// No key moves money of a wallet to itself or anywhere else.
	assert!((0..KEYS).all(|number| total_balance(&key_account(number)) == 0));
	if let Step::Withdraw { by: By::Key(_), .. } | Step::Retire { by: By::Key(_), .. } = step {
		assert!(outcome.is_err(), "a key withdrew or retired");
	}
	for number in 0..DEVICES {
		let id = device(number);
		if before.retired[number as usize] {
			assert!(RetiredDevices::<Test>::contains_key(&id) && !Devices::<Test>::contains_key(&id));
		}
	}
}

struct Before {
	issuance: Balance,
	removed: Vec<bool>,
	retired: Vec<bool>,
}

fn before() -> Before {
	Before {
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
	] {
		assert!(
			accepted.contains_key(&(name.to_owned(), false)),
			"{name} by an owner"
		);
	}
	for name in ["Add", "Rotate", "Remove"] {
		assert!(accepted.contains_key(&(name.to_owned(), true)), "{name} by a key");
	}
	for name in ["Suspend", "Resume", "ReportLost", "Retire", "Withdraw"] {
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
