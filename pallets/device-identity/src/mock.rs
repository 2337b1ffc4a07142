//! A chain with this pallet, balances and a clock, and a fleet of test keys.

use crate as pallet_device_identity;
use crate::{Error, Registration};
use frame_support::{derive_impl, ensure, parameter_types, traits::LinearStoragePrice, weights::Weight};
use m2m_device::{
	AccountId, BudgetPeriod, DeviceId, DeviceInspect, DevicePublic, DeviceSignature, KeyClaim, OnDeviceEnded,
	OperatorActions, PossessionAction, PossessionProof, Roles, Service, SpendLimit, UnixMs,
};
use sp_core::{Pair, ecdsa, ed25519, sr25519};
use sp_runtime::{BuildStorage, DispatchError, traits::IdentityLookup};

pub type Balance = u128;

/// A pallet that holds money of wallets, as the telemetry pallet does for streams and a market does for orders.
#[frame_support::pallet(dev_mode)]
pub mod streams {
	#[pallet::pallet]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config {}

	#[pallet::composite_enum]
	pub enum HoldReason {
		StreamDeposit,
		Order,
	}
}

#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeSlashReason,
		RuntimeLockId,
		RuntimeTask,
		RuntimeViewFunction
	)]
	pub struct Test;

	#[runtime::pallet_index(0)]
	pub type System = frame_system;
	#[runtime::pallet_index(1)]
	pub type Timestamp = pallet_timestamp;
	#[runtime::pallet_index(2)]
	pub type Balances = pallet_balances;
	#[runtime::pallet_index(3)]
	pub type Identity = pallet_device_identity;
	#[runtime::pallet_index(4)]
	pub type Streams = streams;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = frame_system::mocking::MockBlock<Test>;
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_timestamp::config_preludes::TestDefaultConfig)]
impl pallet_timestamp::Config for Test {}

parameter_types! {
	pub const ExistentialDeposit: Balance = ED;
	pub const BasePrice: Balance = 1_000;
	pub const BytePrice: Balance = 10;
	pub const TombstonePrice: Balance = 70;
	pub const MaxKeys: u32 = 8;
	pub const MaxBatch: u32 = 32;
	pub const MaxRotationOverlap: UnixMs = 7 * DAY;
	pub const Genesis: [u8; 32] = GENESIS;
	pub const OtherDeposits: &'static [RuntimeHoldReason] =
		&[RuntimeHoldReason::Streams(streams::HoldReason::StreamDeposit)];
	/// What the keys and operators of each device may spend.
	pub storage Limit: Balance = Balance::MAX;
	/// What was booked on the limit, in order.
	pub storage Spent: Vec<(DeviceId, Balance)> = Vec::new();
	/// The devices that ended, in order, with the owner and the generation that they had when others were told.
	pub storage Ended: Vec<(DeviceId, Option<AccountId>, Option<u32>)> = Vec::new();
}

/// Lets each device spend up to [`Limit`], for ever.
pub struct Budgets;

pub const OVER_LIMIT: DispatchError = DispatchError::Other("over the limit");
pub const SPEND_WEIGHT: Weight = Weight::from_parts(1_000, 10);

impl SpendLimit for Budgets {
	fn spend(device: &DeviceId, amount: u128) -> Result<BudgetPeriod, DispatchError> {
		let mut spent = Spent::get();
		spent.push((device.clone(), amount));
		let of_device = spent.iter().filter(|(spender, _)| spender == device);
		ensure!(
			of_device.map(|(_, amount)| amount).sum::<u128>() <= Limit::get(),
			OVER_LIMIT
		);
		Spent::set(&spent);
		Ok(BudgetPeriod { budget: 0, number: 0 })
	}
	fn unspend(_: &DeviceId, _: u128, _: BudgetPeriod) {
		panic!("a deposit that is released is not given back to the budget");
	}
	fn weight() -> Weight {
		SPEND_WEIGHT
	}
}

/// Writes down what it is told.
pub struct Listener;

pub const LISTENER_WEIGHT: Weight = Weight::from_parts(2_000, 20);

impl OnDeviceEnded for Listener {
	fn ended(device: &DeviceId) {
		let mut ended = Ended::get();
		ended.push((
			device.clone(),
			Identity::owner(device),
			Identity::generation(device),
		));
		Ended::set(&ended);
	}
	fn weight() -> Weight {
		LISTENER_WEIGHT
	}
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ExistentialDeposit;
	type AccountStore = System;
}

impl streams::Config for Test {}

impl pallet_device_identity::Config for Test {
	type Currency = Balances;
	type Time = Timestamp;
	type Genesis = Genesis;
	type DepositPrice = LinearStoragePrice<BasePrice, BytePrice, Balance>;
	type SpendLimit = Budgets;
	type OnEnded = Listener;
	type OtherDeposits = OtherDeposits;
	type TombstonePrice = TombstonePrice;
	type MaxKeys = MaxKeys;
	type MaxBatch = MaxBatch;
	type MaxRotationOverlap = MaxRotationOverlap;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = SetTimestamp;
}

#[cfg(feature = "runtime-benchmarks")]
pub struct SetTimestamp;

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper for SetTimestamp {
	fn set_unix_ms(now: UnixMs) {
		Timestamp::set_timestamp(now);
	}
}

pub const ED: Balance = 100;
pub const GENESIS: [u8; 32] = [7; 32];
pub const DAY: UnixMs = 24 * 60 * 60 * 1000;
/// The clock when a test starts: 2026-06-13.
pub const START: UnixMs = 1_781_308_800_000;
pub const ENDOWMENT: Balance = 10_000_000;

/// Accounts with money.
pub const ALICE: AccountId = AccountId::new([0xa1; 32]);
pub const BOB: AccountId = AccountId::new([0xb0; 32]);
/// Operators. They need no money here.
pub const CAROL: AccountId = AccountId::new([0xca; 32]);
pub const DAVE: AccountId = AccountId::new([0xda; 32]);
/// An account without money.
pub const PAUPER: AccountId = AccountId::new([0xc0; 32]);
/// The gateway that registrations name.
pub const GATEWAY: AccountId = AccountId::new([0x9a; 32]);

/// A device key with its secret half.
#[derive(Clone)]
pub enum TestKey {
	Sr25519(sr25519::Pair),
	Ed25519(ed25519::Pair),
	Ecdsa(ecdsa::Pair),
}

fn seed(number: u16) -> [u8; 32] {
	let mut seed = [0x55; 32];
	seed[..2].copy_from_slice(&number.to_le_bytes());
	seed
}

/// The key with this number; the three schemes take turns.
pub fn key(number: u16) -> TestKey {
	match number % 3 {
		0 => TestKey::Sr25519(sr25519::Pair::from_seed(&seed(number))),
		1 => TestKey::Ed25519(ed25519::Pair::from_seed(&seed(number))),
		_ => TestKey::Ecdsa(ecdsa::Pair::from_seed(&seed(number))),
	}
}

impl TestKey {
	pub fn public(&self) -> DevicePublic {
		match self {
			Self::Sr25519(pair) => DevicePublic::Sr25519(pair.public()),
			Self::Ed25519(pair) => DevicePublic::Ed25519(pair.public()),
			Self::Ecdsa(pair) => DevicePublic::Ecdsa(pair.public()),
		}
	}

	pub fn account(&self) -> AccountId {
		self.public().account()
	}

	pub fn device(&self) -> DeviceId {
		self.public().device_id()
	}

	pub fn sign(&self, message: &[u8]) -> DeviceSignature {
		match self {
			Self::Sr25519(pair) => DeviceSignature::Sr25519(pair.sign(message)),
			Self::Ed25519(pair) => DeviceSignature::Ed25519(pair.sign(message)),
			Self::Ecdsa(pair) => DeviceSignature::Ecdsa(pair.sign(message)),
		}
	}

	/// A proof of possession that holds for a day.
	pub fn prove(
		&self,
		action: PossessionAction,
		owner: &AccountId,
		device: Option<&DeviceId>,
		roles: Roles,
	) -> PossessionProof {
		self.prove_on(GENESIS, action, owner, device, roles, now() + DAY)
	}

	pub fn prove_on(
		&self,
		genesis: [u8; 32],
		action: PossessionAction,
		owner: &AccountId,
		device: Option<&DeviceId>,
		roles: Roles,
		expires: UnixMs,
	) -> PossessionProof {
		let public = self.public();
		let claim = KeyClaim {
			genesis,
			action,
			owner,
			device,
			roles,
			public: &public,
			expires,
		};
		PossessionProof {
			expires,
			signature: self.sign(&claim.signed_bytes()),
		}
	}

	/// A registration by `owner` with all roles.
	pub fn registration(&self, owner: &AccountId) -> Registration {
		Registration {
			public: self.public(),
			roles: Roles::ALL,
			proof: self.prove(PossessionAction::Register, owner, None, Roles::ALL),
			gateway: None,
			profile: None,
		}
	}
}

pub const MANAGE: Roles = Roles {
	authenticate: false,
	trade: false,
	manage: true,
};
pub const TRADE: Roles = Roles {
	authenticate: false,
	trade: true,
	manage: false,
};
pub const NONE: Roles = Roles {
	authenticate: false,
	trade: false,
	manage: false,
};

pub fn now() -> UnixMs {
	pallet_timestamp::Now::<Test>::get()
}

pub fn advance(milliseconds: UnixMs) {
	Timestamp::set_timestamp(now() + milliseconds);
}

pub fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}

/// Registers `key` with `roles` as the first key of a device of `owner`.
pub fn register_with(owner: &AccountId, key: &TestKey, roles: Roles) -> DeviceId {
	let proof = key.prove(PossessionAction::Register, owner, None, roles);
	Identity::register_device(signed(owner), key.public(), roles, proof, None, None).expect("registers");
	key.device()
}

/// Registers `key` with all roles as the first key of a device of `owner`.
pub fn register(owner: &AccountId, key: &TestKey) -> DeviceId {
	register_with(owner, key, Roles::ALL)
}

/// Adds `key` with `roles` to a device, signed by `by`.
pub fn add(
	by: &AccountId,
	device: &DeviceId,
	key: &TestKey,
	roles: Roles,
) -> Result<(), sp_runtime::DispatchError> {
	let owner = crate::Devices::<Test>::get(device).map_or(ALICE, |record| record.owner);
	let proof = key.prove(PossessionAction::Add, &owner, Some(device), roles);
	match Identity::add_key(signed(by), Some(device.clone()), key.public(), roles, proof) {
		Ok(_) => Ok(()),
		Err(refusal) => Err(refusal.error),
	}
}

/// Puts `new` in the place of `old`, signed by `by`.
pub fn rotate(
	by: &AccountId,
	device: &DeviceId,
	old: &TestKey,
	new: &TestKey,
	overlap_ms: UnixMs,
) -> Result<(), sp_runtime::DispatchError> {
	let record = crate::Devices::<Test>::get(device);
	let owner = record.map_or(ALICE, |record| record.owner);
	let roles = match crate::Keys::<Test>::get(old.account()) {
		Some(crate::KeyEntry::Active(key)) => key.roles,
		_ => Roles::ALL,
	};
	let proof = new.prove(PossessionAction::Rotate, &owner, Some(device), roles);
	let call = Identity::rotate_key(
		signed(by),
		Some(device.clone()),
		old.account(),
		new.public(),
		proof,
		overlap_ms,
	);
	match call {
		Ok(_) => Ok(()),
		Err(refusal) => Err(refusal.error),
	}
}

/// Removes a key, signed by `by`.
pub fn remove(by: &AccountId, device: &DeviceId, key: &TestKey) -> Result<(), sp_runtime::DispatchError> {
	match Identity::remove_key(signed(by), Some(device.clone()), key.account()) {
		Ok(_) => Ok(()),
		Err(refusal) => Err(refusal.error),
	}
}

pub const MANAGER: OperatorActions = OperatorActions {
	manage: true,
	trade: false,
	suspend: false,
};
pub const TRADER: OperatorActions = OperatorActions {
	manage: false,
	trade: true,
	suspend: false,
};
pub const GUARD: OperatorActions = OperatorActions {
	manage: false,
	trade: false,
	suspend: true,
};

/// Hands a device to another owner for nothing.
pub fn hand_over(from: &AccountId, device: &DeviceId, to: &AccountId) {
	Identity::offer_transfer(signed(from), device.clone(), to.clone(), 0, now()).expect("is offered");
	let generation = crate::Devices::<Test>::get(device).map_or(0, |record| record.generation);
	Identity::accept_transfer(signed(to), device.clone(), generation, 0).expect("is accepted");
}

/// Confirms a key with a proof made now, signed by `by`.
pub fn confirm(by: &AccountId, device: &DeviceId, key: &TestKey) -> sp_runtime::DispatchResult {
	let roles = match crate::Keys::<Test>::get(key.account()) {
		Some(crate::KeyEntry::Active(key)) => key.roles,
		_ => Roles::ALL,
	};
	let proof = key.prove(PossessionAction::Confirm, by, Some(device), roles);
	Identity::confirm_key(signed(by), device.clone(), key.account(), proof)
}

/// A service with this id, at an endpoint of this many bytes.
pub fn service(id: &str, endpoint: usize) -> Service {
	let bytes = |text: String| text.into_bytes();
	Service {
		id: bytes(id.to_owned()).try_into().expect("a short id"),
		kind: bytes("MeterGateway".to_owned()).try_into().expect("a short kind"),
		endpoint: bytes(format!("{:x<endpoint$}", "coap://"))
			.try_into()
			.expect("a short endpoint"),
	}
}

/// Free and held money of an account.
pub fn total_balance(who: &AccountId) -> Balance {
	<Balances as frame_support::traits::fungible::Inspect<AccountId>>::total_balance(who)
}

/// An error of this pallet as a dispatch error.
pub fn refusal(error: Error<Test>) -> sp_runtime::DispatchError {
	error.into()
}

/// The events of this pallet so far.
pub fn events() -> Vec<crate::Event<Test>> {
	System::events()
		.into_iter()
		.filter_map(|record| match record.event {
			RuntimeEvent::Identity(event) => Some(event),
			_ => None,
		})
		.collect()
}

/// The accounts that start with money.
pub struct ExtBuilder {
	endowed: Vec<(AccountId, Balance)>,
}

impl Default for ExtBuilder {
	fn default() -> Self {
		Self {
			endowed: vec![(ALICE, ENDOWMENT), (BOB, ENDOWMENT)],
		}
	}
}

impl ExtBuilder {
	pub fn endow(mut self, who: AccountId, amount: Balance) -> Self {
		self.endowed.push((who, amount));
		self
	}

	pub fn build(self) -> sp_io::TestExternalities {
		let genesis = RuntimeGenesisConfig {
			balances: pallet_balances::GenesisConfig {
				balances: self.endowed,
				..Default::default()
			},
			..Default::default()
		};
		let mut externalities: sp_io::TestExternalities =
			genesis.build_storage().expect("the genesis state builds").into();
		externalities.execute_with(|| {
			System::set_block_number(1);
			Timestamp::set_timestamp(START);
		});
		externalities
	}

	/// Runs a test and then checks the invariants of the whole state.
	pub fn build_and_execute(self, test: impl FnOnce()) {
		self.build().execute_with(|| {
			test();
			Identity::do_try_state().expect("the invariants hold");
		});
	}
}

/// Externalities for benchmarks, which make their keys in a keystore.
#[cfg(feature = "runtime-benchmarks")]
pub fn new_test_ext() -> sp_io::TestExternalities {
	let mut externalities = ExtBuilder::default().build();
	externalities.register_extension(sp_keystore::KeystoreExt::new(
		sp_keystore::testing::MemoryKeystore::new(),
	));
	externalities
}
