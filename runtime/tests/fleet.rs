//! Fleets in the real runtime: an owner that is handed over as a whole, and devices that change hands with their
//! streams.

use frame_support::{BoundedVec, assert_noop, assert_ok, traits::fungible::Mutate, weights::Weight};
use m2m_anchor::{StreamKind, StreamSpec};
use m2m_device::{
	AccountId, Action, DeviceAuthority, DeviceId, DeviceInspect, DevicePublic, DeviceSignature, KeyClaim,
	PossessionAction, PossessionProof, Roles,
};
use m2m_runtime::{
	Balances, DeviceIdentity, EXISTENTIAL_DEPOSIT, Multisig, Proxy, Runtime, RuntimeCall, RuntimeEvent,
	RuntimeOrigin, System, Telemetry, UNIT, configs::accounts::ProxyType,
};
use pallet_device_identity::Registration;
use sp_core::{H256, Pair, sr25519};
use sp_runtime::{BuildStorage, DispatchResult, traits::Dispatchable};

const NOW: u64 = 1_781_308_800_000;

const ALICE: AccountId = AccountId::new([0xa1; 32]);
const BOB: AccountId = AccountId::new([0xb0; 32]);
const CAROL: AccountId = AccountId::new([0xca; 32]);
const DAVE: AccountId = AccountId::new([0xda; 32]);

/// Runs a test on a chain where these four have money, and checks the devices afterwards.
fn chain(test: impl FnOnce()) {
	let storage = frame_system::GenesisConfig::<Runtime>::default()
		.build_storage()
		.expect("the genesis state builds");
	sp_io::TestExternalities::from(storage).execute_with(|| {
		System::set_block_number(1);
		// Not by `Timestamp::set_timestamp`, which also tells Aura.
		pallet_timestamp::Now::<Runtime>::put(NOW);
		for account in [ALICE, BOB, CAROL, DAVE] {
			Balances::set_balance(&account, 1_000 * UNIT);
		}
		test();
		assert_ok!(DeviceIdentity::do_try_state());
	});
}

fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}

fn key(number: u8) -> sr25519::Pair {
	sr25519::Pair::from_seed(&[number; 32])
}

fn prove(
	key: &sr25519::Pair,
	action: PossessionAction,
	owner: &AccountId,
	device: Option<&DeviceId>,
) -> PossessionProof {
	let public = DevicePublic::Sr25519(key.public());
	let claim = KeyClaim {
		genesis: System::block_hash(0).0,
		action,
		owner,
		device,
		roles: Roles::ALL,
		public: &public,
		expires: NOW,
	};
	PossessionProof {
		expires: NOW,
		signature: DeviceSignature::Sr25519(key.sign(&claim.signed_bytes())),
	}
}

fn registration(number: u8, owner: &AccountId) -> Registration {
	let key = key(number);
	Registration {
		public: DevicePublic::Sr25519(key.public()),
		roles: Roles::ALL,
		proof: prove(&key, PossessionAction::Register, owner, None),
		gateway: None,
		profile: None,
	}
}

fn register_many(numbers: core::ops::Range<u8>, owner: &AccountId) -> RuntimeCall {
	let registrations: Vec<_> = numbers.map(|number| registration(number, owner)).collect();
	RuntimeCall::DeviceIdentity(pallet_device_identity::Call::register_devices {
		registrations: BoundedVec::truncate_from(registrations),
	})
}

/// What the last call that ran for another account came to.
fn outcome() -> DispatchResult {
	System::events()
		.into_iter()
		.rev()
		.find_map(|record| match record.event {
			RuntimeEvent::Proxy(pallet_proxy::Event::ProxyExecuted { result }) => Some(result),
			_ => None,
		})
		.expect("a call ran for another account")
}

fn for_account(real: &AccountId, call: RuntimeCall) -> RuntimeCall {
	RuntimeCall::Proxy(pallet_proxy::Call::proxy {
		real: real.clone().into(),
		force_proxy_type: None,
		call: Box::new(call),
	})
}

/// Runs a call as `real`, for which `who` is a proxy.
fn run_as(who: &AccountId, real: &AccountId, call: RuntimeCall) -> DispatchResult {
	Proxy::proxy(signed(who), real.clone().into(), None, Box::new(call))?;
	outcome()
}

/// The one call that puts `new` in the place of `old`.
fn change_of_proxy(old: &AccountId, new: &AccountId) -> RuntimeCall {
	let add = pallet_proxy::Call::add_proxy {
		delegate: new.clone().into(),
		proxy_type: ProxyType::Any,
		delay: 0,
	};
	let remove = pallet_proxy::Call::remove_proxy {
		delegate: old.clone().into(),
		proxy_type: ProxyType::Any,
		delay: 0,
	};
	RuntimeCall::Utility(pallet_utility::Call::batch_all {
		calls: vec![RuntimeCall::Proxy(add), RuntimeCall::Proxy(remove)],
	})
}

fn suspend(device: &DeviceId) -> RuntimeCall {
	RuntimeCall::DeviceIdentity(pallet_device_identity::Call::suspend {
		device: device.clone(),
	})
}

fn withdraw(device: &DeviceId) -> RuntimeCall {
	RuntimeCall::DeviceIdentity(pallet_device_identity::Call::withdraw {
		device: device.clone(),
		amount: None,
	})
}

/// An account without a key that `who` controls, with three registered devices.
fn fleet_of(
	who: &AccountId,
	create: impl FnOnce(RuntimeCall),
	run: impl Fn(&AccountId, RuntimeCall),
) -> AccountId {
	let pure = Proxy::pure_account(who, &ProxyType::Any, 0, None);
	create(RuntimeCall::Proxy(pallet_proxy::Call::create_pure {
		proxy_type: ProxyType::Any,
		delay: 0,
		index: 0,
	}));
	Balances::set_balance(&pure, 100 * UNIT);
	run(&pure, register_many(1..4, &pure));
	assert_eq!(DeviceIdentity::devices_of(&pure, None, 10).len(), 3);
	pure
}

/// Every device is as it was, and its key still acts.
fn assert_untouched(fleet: &AccountId) {
	let devices = DeviceIdentity::devices_of(fleet, None, 10);
	assert_eq!(devices.len(), 3);
	for device in devices {
		assert_eq!(DeviceIdentity::owner(&device).as_ref(), Some(fleet));
		assert_eq!(DeviceIdentity::generation(&device), Some(0));
	}
	for number in 1..4 {
		let key = DevicePublic::Sr25519(key(number).public()).account();
		assert_ok!(DeviceIdentity::authorize(&key, None, Action::Trade));
	}
}

#[test]
fn a_fleet_of_an_account_without_a_key_is_handed_over_by_one_proxy_change() {
	chain(|| {
		let fleet = fleet_of(
			&ALICE,
			|create| {
				assert_ok!(create.dispatch(signed(&ALICE)));
			},
			|fleet, call| {
				assert_ok!(run_as(&ALICE, fleet, call));
			},
		);
		let devices = DeviceIdentity::devices_of(&fleet, None, 10);
		assert_ok!(run_as(&ALICE, &fleet, suspend(&devices[0])));
		assert_noop!(
			run_as(&BOB, &fleet, suspend(&devices[1])),
			pallet_proxy::Error::<Runtime>::NotProxy
		);
		assert_ok!(run_as(&ALICE, &fleet, change_of_proxy(&ALICE, &BOB)));

		assert_noop!(
			run_as(&ALICE, &fleet, suspend(&devices[1])),
			pallet_proxy::Error::<Runtime>::NotProxy
		);
		assert_ok!(run_as(
			&BOB,
			&fleet,
			RuntimeCall::DeviceIdentity(pallet_device_identity::Call::resume {
				device: devices[0].clone()
			})
		));
		assert_untouched(&fleet);
		for device in &devices {
			assert_ok!(Balances::transfer_keep_alive(
				signed(&CAROL),
				device.clone().into(),
				UNIT
			));
			assert_ok!(run_as(&BOB, &fleet, withdraw(device)));
			assert_eq!(Balances::free_balance(device), EXISTENTIAL_DEPOSIT);
			assert_ok!(run_as(&BOB, &fleet, suspend(device)));
		}
	});
}

/// Runs a call as the account of two of three signatories.
fn run_as_two(by: [&AccountId; 2], all: &[AccountId; 3], call: RuntimeCall) {
	let others = |signer: &AccountId| {
		let mut others: Vec<_> = all.iter().filter(|account| *account != signer).cloned().collect();
		others.sort();
		others
	};
	let [first, second] = by;
	let timepoint = Multisig::timepoint();
	for (signer, timepoint) in [(first, None), (second, Some(timepoint))] {
		assert_ok!(Multisig::as_multi(
			signed(signer),
			2,
			others(signer),
			timepoint,
			Box::new(call.clone()),
			Weight::MAX
		));
	}
	let executed = System::events()
		.into_iter()
		.rev()
		.find_map(|record| match record.event {
			RuntimeEvent::Multisig(pallet_multisig::Event::MultisigExecuted { result, .. }) => Some(result),
			_ => None,
		});
	assert_eq!(executed, Some(Ok(())));
}

fn account_of(all: &[AccountId; 3]) -> AccountId {
	let mut all = all.to_vec();
	all.sort();
	Multisig::multi_account_id(&all, 2)
}

#[test]
fn a_fleet_of_a_multisig_is_recovered_by_one_proxy_change() {
	chain(|| {
		// Carol's key is lost; Alice and Bob put a multisig with Dave in the place of the one with Carol.
		let (old, new) = ([ALICE, BOB, CAROL], [ALICE, BOB, DAVE]);
		let (old_account, new_account) = (account_of(&old), account_of(&new));
		Balances::set_balance(&old_account, 10 * UNIT);
		let fleet = fleet_of(
			&old_account,
			|create| run_as_two([&ALICE, &BOB], &old, create),
			|fleet, call| {
				run_as_two([&ALICE, &CAROL], &old, for_account(fleet, call));
				assert_ok!(outcome());
			},
		);
		let devices = DeviceIdentity::devices_of(&fleet, None, 10);
		run_as_two(
			[&BOB, &ALICE],
			&old,
			for_account(&fleet, change_of_proxy(&old_account, &new_account)),
		);
		assert_ok!(outcome());
		assert_untouched(&fleet);

		assert_noop!(
			run_as(&old_account, &fleet, suspend(&devices[0])),
			pallet_proxy::Error::<Runtime>::NotProxy
		);
		for device in &devices {
			run_as_two([&DAVE, &BOB], &new, for_account(&fleet, suspend(device)));
			assert_ok!(outcome());
		}
	});
}

#[test]
fn a_device_changes_its_owner_with_its_streams_and_their_deposits() {
	chain(|| {
		let Registration {
			public, roles, proof, ..
		} = registration(1, &ALICE);
		assert_ok!(DeviceIdentity::register_device(
			signed(&ALICE),
			public,
			roles,
			proof,
			None,
			None
		));
		let device = public.device_id();
		let spec = StreamSpec {
			kind: StreamKind::Interval,
			private: false,
			schema: H256::zero(),
			unit: BoundedVec::truncate_from(b"Wh".to_vec()),
			scale: 0,
			plausible_min: 0,
			plausible_max: 1_000,
			cadence_ms: 900_000,
			period_ms: None,
			not_before: 0,
			retention: 8,
		};
		assert_ok!(Telemetry::create_stream(
			signed(&ALICE),
			Some(device.clone()),
			spec
		));
		let own = pallet_device_identity::Devices::<Runtime>::get(&device)
			.expect("lives")
			.deposit;
		let of_stream = Balances::reserved_balance(&device) - own;
		assert!(of_stream > 0);
		assert_ok!(DeviceIdentity::offer_transfer(
			signed(&ALICE),
			device.clone(),
			BOB,
			5 * UNIT,
			NOW
		));
		let alice = Balances::free_balance(ALICE);
		assert_ok!(DeviceIdentity::accept_transfer(
			signed(&BOB),
			device.clone(),
			0,
			5 * UNIT
		));
		assert!(Balances::free_balance(ALICE) >= alice + 5 * UNIT);
		assert_eq!(Balances::reserved_balance(&device), own + of_stream);
		assert_eq!(Telemetry::streams(&device), [0]);

		// The key waits for the new owner.
		let signer = public.account();
		assert!(Telemetry::close_stream(signed(&signer), None, 0).is_err());
		let proof = prove(&key(1), PossessionAction::Confirm, &BOB, Some(&device));
		assert_ok!(DeviceIdentity::confirm_key(
			signed(&BOB),
			device.clone(),
			signer.clone(),
			proof
		));
		assert_ok!(Telemetry::close_stream(signed(&signer), None, 0));
		assert!(Telemetry::close_stream(signed(&ALICE), Some(device.clone()), 0).is_err());
		assert_ok!(DeviceIdentity::retire(signed(&BOB), device));
	});
}
