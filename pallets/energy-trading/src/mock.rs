//! A chain with this pallet, real devices and real telemetry, and a street of homes with meters.

use crate as pallet_energy_trading;
use crate::{Capacity, Error, Event, IgnoredReason, Member, Members, Parameters, Requirement, Window};
#[cfg(feature = "runtime-benchmarks")]
use frame_support::traits::fungible::Mutate;
use frame_support::{
	BoundedVec, PalletId, assert_ok, derive_impl, parameter_types,
	traits::{Hooks, LinearStoragePrice},
	weights::Weight,
};
use frame_system::EnsureRoot;
use m2m_anchor::{Anchor, StreamId, StreamKind, StreamSpec, Summary};
use m2m_auction::{PriceOrder, PriceStep, Pricing, Slot, TickGrid};
use m2m_device::{
	AccountId, DeviceId, DevicePublic, DeviceSignature, KeyClaim, PossessionAction, PossessionProof, Roles,
	Topic, UnixMs,
};
use m2m_merkle::{Batch, Reading};
use sp_core::{H256, Pair, sr25519};
use sp_runtime::{BuildStorage, DispatchError, DispatchResult, traits::IdentityLookup};

pub type Balance = u128;

/// What keys may spend of wallets: a plain amount for each device.
#[frame_support::pallet(dev_mode)]
pub mod budgets {
	use frame_support::pallet_prelude::*;
	use m2m_device::{BudgetPeriod, DeviceId, SpendLimit};

	#[pallet::pallet]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config {}

	#[pallet::storage]
	pub type Left<T: Config> = StorageMap<_, Twox64Concat, DeviceId, u128, ValueQuery>;

	#[pallet::error]
	pub enum Error<T> {
		BudgetExceeded,
	}

	impl<T: Config> SpendLimit for Pallet<T> {
		fn spend(device: &DeviceId, amount: u128) -> Result<BudgetPeriod, DispatchError> {
			let left = Left::<T>::get(device);
			let left = left.checked_sub(amount).ok_or(Error::<T>::BudgetExceeded)?;
			Left::<T>::insert(device, left);
			Ok(BudgetPeriod { budget: 0, number: 0 })
		}
		fn unspend(_: &DeviceId, _: u128, _: BudgetPeriod) {}
		fn weight() -> Weight {
			Weight::zero()
		}
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
	pub type Telemetry = pallet_telemetry;
	#[runtime::pallet_index(5)]
	pub type Budgets = budgets;
	#[runtime::pallet_index(6)]
	pub type EnergyTrading = pallet_energy_trading;
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
	pub const MaxStreams: u32 = 12;
	pub const MaxRetention: u16 = 256;
	pub const MaxEnvelopes: u32 = 64;
	pub const MinSlotSeconds: u32 = 6;
	pub const EnergyPalletId: PalletId = PalletId(*b"m2m/enrg");
	pub const Genesis: [u8; 32] = GENESIS;
	pub const OtherDeposits: &'static [RuntimeHoldReason] = &[
		RuntimeHoldReason::Telemetry(pallet_telemetry::HoldReason::StreamDeposit),
		RuntimeHoldReason::EnergyTrading(pallet_energy_trading::HoldReason::MembershipDeposit),
	];
}

type StatePrice = LinearStoragePrice<BasePrice, BytePrice, Balance>;

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ExistentialDeposit;
	type AccountStore = System;
}

impl budgets::Config for Test {}

impl pallet_device_identity::Config for Test {
	type Currency = Balances;
	type Time = Timestamp;
	type Genesis = Genesis;
	type DepositPrice = StatePrice;
	type SpendLimit = Budgets;
	type OnEnded = ();
	type OtherDeposits = OtherDeposits;
	type TombstonePrice = TombstonePrice;
	type MaxKeys = MaxKeys;
	type MaxBatch = MaxBatch;
	type MaxRotationOverlap = MaxRotationOverlap;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = Stage;
}

impl pallet_telemetry::Config for Test {
	type Devices = Identity;
	type SpendLimit = Budgets;
	type Currency = Balances;
	type DepositPrice = StatePrice;
	type TombstonePrice = TombstonePrice;
	type Time = Timestamp;
	type Genesis = Genesis;
	type OnAnchored = EnergyTrading;
	type MaxStreams = MaxStreams;
	type MaxRetention = MaxRetention;
	type MaxEnvelopes = MaxEnvelopes;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = Stage;
}

impl pallet_energy_trading::Config for Test {
	type Devices = Identity;
	type Streams = Telemetry;
	type SpendLimit = Budgets;
	type Currency = Balances;
	type DepositPrice = StatePrice;
	type Time = Timestamp;
	type CouncilOrigin = EnsureRoot<AccountId>;
	type PalletId = EnergyPalletId;
	type MinSlotSeconds = MinSlotSeconds;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = Stage;
}

#[cfg(feature = "runtime-benchmarks")]
pub struct Stage;

#[cfg(feature = "runtime-benchmarks")]
impl pallet_device_identity::BenchmarkHelper for Stage {
	fn set_unix_ms(now: UnixMs) {
		Timestamp::set_timestamp(now);
	}
}

#[cfg(feature = "runtime-benchmarks")]
impl pallet_telemetry::BenchmarkHelper for Stage {
	fn device(number: u32) -> (AccountId, DeviceId, sr25519::Public) {
		let key = key(number as u16);
		(OWNER, register(&OWNER, &key), key.public())
	}
	fn set_unix_ms(now: UnixMs) {
		Timestamp::set_timestamp(now);
	}
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper for Stage {
	fn device(number: u32) -> (AccountId, DeviceId, AccountId) {
		Balances::set_balance(&OWNER, ENDOWMENT);
		let key = key(number as u16);
		(OWNER, register(&OWNER, &key), account(&key))
	}
	fn open_stream(owner: &AccountId, device: &DeviceId, spec: StreamSpec) -> StreamId {
		open_for(owner, device, spec)
	}
	fn attest(issuer: &AccountId, device: &DeviceId, topic: Topic, claim: H256) {
		Balances::set_balance(issuer, ENDOWMENT);
		vouch(issuer, device, topic, claim, UnixMs::MAX);
	}
	fn unlimited_budget(_: &AccountId, device: &DeviceId) {
		budgets::Left::<Test>::insert(device, Balance::MAX);
	}
	fn set_unix_ms(now: UnixMs) {
		Timestamp::set_timestamp(now);
	}
}

/// A hundredth of a token.
pub const CENT: Balance = 10_000_000_000;
pub const ED: Balance = CENT;
pub const GENESIS: [u8; 32] = [7; 32];
pub const SECOND: UnixMs = 1_000;
pub const MINUTE: UnixMs = 60 * SECOND;
/// Length of the slots of the tests' market.
pub const QUARTER: UnixMs = 15 * MINUTE;
pub const DAY: UnixMs = 96 * QUARTER;
/// Time between two blocks here, for the sake of fast tests.
pub const BLOCK: UnixMs = MINUTE;
/// How long a slot is reported after its end, in time and in blocks.
pub const WINDOW: Window = Window {
	ms: 10 * MINUTE as u32,
	blocks: 5,
};
/// The clock when a test starts, and a slot: 2026-06-13.
pub const START: UnixMs = 1_781_308_800_000;
/// The slot that starts then: the first that counts for members of the first block.
pub const FIRST: Slot = START / QUARTER + 1;
pub const ENDOWMENT: Balance = 1_000_000_000_000_000_000;

/// Runs the market.
pub const OPERATOR: AccountId = AccountId::new([0x09; 32]);
/// Owns the homes.
pub const OWNER: AccountId = AccountId::new([0xa1; 32]);
/// Somebody else with money.
pub const OTHER: AccountId = AccountId::new([0xb0; 32]);
/// Vouches for meters.
pub const LAB: AccountId = AccountId::new([0x1a; 32]);
/// Clears and settles; has nothing and needs nothing here.
pub const KEEPER: AccountId = AccountId::new([0xee; 32]);
/// The market of the tests.
pub const MARKET: u32 = 0;

pub fn key(number: u16) -> sr25519::Pair {
	let mut seed = [0x55; 32];
	seed[..2].copy_from_slice(&number.to_le_bytes());
	sr25519::Pair::from_seed(&seed)
}

pub fn account(key: &sr25519::Pair) -> AccountId {
	DevicePublic::Sr25519(key.public()).account()
}

pub fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}

pub fn now() -> UnixMs {
	pallet_timestamp::Now::<Test>::get()
}

pub fn free(who: &AccountId) -> Balance {
	Balances::free_balance(who)
}

pub fn market_account() -> AccountId {
	EnergyTrading::market_account(MARKET)
}

/// The possession proof of a key.
pub fn prove(
	key: &sr25519::Pair,
	action: PossessionAction,
	owner: &AccountId,
	device: Option<&DeviceId>,
) -> PossessionProof {
	let public = DevicePublic::Sr25519(key.public());
	let claim = KeyClaim {
		genesis: GENESIS,
		action,
		owner,
		device,
		roles: Roles::ALL,
		public: &public,
		expires: now() + DAY,
	};
	PossessionProof {
		expires: now() + DAY,
		signature: DeviceSignature::Sr25519(key.sign(&claim.signed_bytes())),
	}
}

pub fn register(owner: &AccountId, key: &sr25519::Pair) -> DeviceId {
	let public = DevicePublic::Sr25519(key.public());
	let proof = prove(key, PossessionAction::Register, owner, None);
	assert_ok!(Identity::register_device(
		signed(owner),
		public,
		Roles::ALL,
		proof,
		None,
		None
	));
	public.device_id()
}

/// A stream as the market wants it.
pub fn spec() -> StreamSpec {
	StreamSpec {
		kind: StreamKind::Interval,
		private: false,
		schema: H256::zero(),
		unit: BoundedVec::truncate_from(b"Wh".to_vec()),
		scale: 0,
		plausible_min: 0,
		plausible_max: 100_000,
		cadence_ms: QUARTER as u32,
		period_ms: Some(QUARTER as u32),
		not_before: 0,
		retention: 8,
	}
}

pub fn open_for(owner: &AccountId, device: &DeviceId, spec: StreamSpec) -> StreamId {
	let stream = pallet_telemetry::StreamCounts::<Test>::get(device).next;
	assert_ok!(Telemetry::create_stream(
		signed(owner),
		Some(device.clone()),
		spec
	));
	stream
}

pub const METER: &str = "certified-meter";

pub fn topic() -> Topic {
	Topic::from_text(METER).expect("a topic")
}

pub fn vouch(issuer: &AccountId, device: &DeviceId, topic: Topic, claim: H256, expires: UnixMs) {
	let record = pallet_device_identity::Devices::<Test>::get(device).expect("it lives");
	let (version, generation) = (record.auth_version, record.generation);
	assert_ok!(Identity::attest(
		signed(issuer),
		device.clone(),
		topic,
		claim,
		version,
		generation,
		expires
	));
}

/// Prices: the utility sells at 30 cents and buys at 8; the grid fee is 4.
pub fn pricing() -> Pricing {
	Pricing {
		retail: 30 * CENT,
		feed_in: 8 * CENT,
		margin: CENT,
		grid_fee: 4 * CENT,
		grid: TickGrid {
			bottom: 10 * CENT,
			tick_size: CENT,
			ticks: 16,
		},
	}
}

/// The same tariffs with the widest grid: 256 prices from 10 cents on.
pub fn wide_pricing() -> Pricing {
	let grid = TickGrid {
		bottom: 10 * CENT,
		tick_size: CENT / 20,
		ticks: 256,
	};
	Pricing { grid, ..pricing() }
}

pub fn parameters() -> Parameters {
	Parameters {
		pricing: pricing(),
		window: WINDOW,
	}
}

pub fn open_market(parameters: Parameters, meters: Option<Requirement>) {
	assert_ok!(EnergyTrading::create_market(
		signed(&OPERATOR),
		900,
		parameters,
		meters
	));
}

/// The market of the tests.
pub fn market() {
	open_market(parameters(), None);
}

pub fn certified_market() {
	let issuers = BoundedVec::truncate_from(vec![LAB]);
	open_market(
		parameters(),
		Some(Requirement {
			topic: topic(),
			issuers,
		}),
	);
}

/// Steps of `(cents, Wh)`.
pub fn steps(list: &[(u128, u32)]) -> m2m_auction::PriceSteps {
	let steps = list.iter().map(|(cents, wh)| PriceStep {
		limit: cents * CENT,
		wh: *wh,
	});
	steps.collect::<Vec<_>>().try_into().expect("at most four")
}

pub fn order(bids: &[(u128, u32)], asks: &[(u128, u32)]) -> PriceOrder {
	PriceOrder {
		bids: steps(bids),
		asks: steps(asks),
	}
}

/// A home with its meter.
#[derive(Clone)]
pub struct Home {
	pub key: sr25519::Pair,
	pub id: DeviceId,
	pub import: StreamId,
	pub export: StreamId,
}

/// Registers the home with this number, with two streams and some money.
pub fn home(number: u16) -> Home {
	home_with(number, spec())
}

pub fn home_with(number: u16, spec: StreamSpec) -> Home {
	let key = key(number);
	let id = register(&OWNER, &key);
	let import = open_for(&OWNER, &id, spec.clone());
	let export = open_for(&OWNER, &id, spec);
	assert_ok!(Balances::transfer_keep_alive(
		signed(&OWNER),
		id.clone(),
		100_000 * CENT
	));
	Home {
		key,
		id,
		import,
		export,
	}
}

pub const CAPACITY: Capacity = Capacity {
	import: 10_000,
	export: 10_000,
};

/// A home that is a member with this order and so many cents of credit.
pub fn member(number: u16, order: PriceOrder, cents: u128) -> Home {
	let home = home(number);
	home.join();
	home.admit();
	home.set_order(order);
	if cents > 0 {
		home.top_up(cents * CENT);
	}
	home
}

pub fn buyer(number: u16, bids: &[(u128, u32)]) -> Home {
	member(number, order(bids, &[]), 1_000)
}

pub fn seller(number: u16, asks: &[(u128, u32)]) -> Home {
	member(number, order(&[], asks), 0)
}

impl Home {
	pub fn account(&self) -> AccountId {
		account(&self.key)
	}

	pub fn join(&self) {
		assert_ok!(self.try_join());
	}

	pub fn try_join(&self) -> DispatchResult {
		EnergyTrading::join(
			signed(&OWNER),
			MARKET,
			Some(self.id.clone()),
			self.import,
			self.export,
		)
	}

	/// A metering point that nobody else has.
	pub fn point(&self) -> H256 {
		H256(*AsRef::<[u8; 32]>::as_ref(&self.id))
	}

	pub fn admit(&self) {
		assert_ok!(self.try_admit(CAPACITY));
	}

	pub fn try_admit(&self, capacity: Capacity) -> DispatchResult {
		EnergyTrading::admit(signed(&OPERATOR), MARKET, self.id.clone(), self.point(), capacity)
	}

	pub fn set_order(&self, order: PriceOrder) {
		assert_ok!(self.try_order(order));
	}

	pub fn try_order(&self, order: PriceOrder) -> DispatchResult {
		EnergyTrading::set_order(signed(&OWNER), MARKET, Some(self.id.clone()), order)
	}

	pub fn top_up(&self, amount: Balance) {
		assert_ok!(EnergyTrading::top_up(
			signed(&OWNER),
			MARKET,
			Some(self.id.clone()),
			amount
		));
	}

	pub fn record(&self) -> Member {
		Members::<Test>::get(MARKET, &self.id).expect("a member")
	}

	pub fn credit(&self) -> Balance {
		self.record().credit
	}

	/// An anchor of readings `(time, Wh)`, sent by the meter itself.
	pub fn anchor(&self, stream: StreamId, readings: &[(UnixMs, i64)]) -> Result<(), DispatchError> {
		let head = pallet_telemetry::Heads::<Test>::get(&self.id, stream).unwrap_or_default();
		self.anchor_as(stream, head.window.next, readings)
	}

	pub fn anchor_as(
		&self,
		stream: StreamId,
		seq: u64,
		readings: &[(UnixMs, i64)],
	) -> Result<(), DispatchError> {
		let sent = Telemetry::anchor(signed(&self.account()), stream, seq, anchor_of(readings));
		sent.map(drop).map_err(|refusal| refusal.error)
	}

	/// What the meter says of a slot: Wh taken and given.
	pub fn report(&self, slot: Slot, imported: i64, exported: i64) {
		self.take(slot, imported);
		self.give(slot, exported);
	}

	pub fn take(&self, slot: Slot, wh: i64) {
		assert_ok!(self.anchor(self.import, &[(slot * QUARTER, wh)]));
	}

	pub fn give(&self, slot: Slot, wh: i64) {
		assert_ok!(self.anchor(self.export, &[(slot * QUARTER, wh)]));
	}
}

pub fn anchor_of(readings: &[(UnixMs, i64)]) -> Anchor {
	let readings = readings
		.iter()
		.map(|(time_ms, value)| Reading {
			time_ms: *time_ms,
			value: *value,
		})
		.collect();
	let batch = Batch::new(&[0x5e; 32], readings).expect("a well-formed batch");
	Anchor {
		data_root: H256(batch.data_root()),
		summary: Summary::Open {
			top_hash: H256(batch.top_hash()),
			aggregate: *batch.aggregate(),
		},
	}
}

/// Ends the block, without any time to spare, and begins the next one so many milliseconds later.
pub fn block_after(ms: UnixMs) {
	let number = System::block_number() + 1;
	System::set_block_number(number);
	EnergyTrading::on_initialize(number);
	Timestamp::set_timestamp(now() + ms);
}

/// Lets blocks pass until the clock shows `time`.
pub fn run_to(time: UnixMs) {
	while now() < time {
		block_after(BLOCK.min(time - now()));
	}
}

pub fn end(slot: Slot) -> UnixMs {
	(slot + 1) * QUARTER
}

/// To the first moment at which a slot is over and can be reported.
pub fn run_to_end(slot: Slot) {
	run_to(end(slot));
}

/// To the first moment at which a slot can be cleared.
pub fn run_past_window(slot: Slot) {
	run_to(end(slot) + UnixMs::from(WINDOW.ms));
}

/// Time to spare at the end of a block.
pub fn idle() -> Weight {
	idle_with(Weight::MAX)
}

pub fn idle_with(weight: Weight) -> Weight {
	EnergyTrading::on_idle(System::block_number(), weight)
}

pub fn clear(slot: Slot) -> Result<(), DispatchError> {
	let done = EnergyTrading::clear(signed(&KEEPER), MARKET, slot);
	done.map(drop).map_err(|refusal| refusal.error)
}

pub fn settle(slot: Slot, homes: &[&Home]) -> Result<(), DispatchError> {
	let devices = homes.iter().map(|home| home.id.clone()).collect::<Vec<_>>();
	let devices = BoundedVec::truncate_from(devices);
	let done = EnergyTrading::settle(signed(&KEEPER), MARKET, slot, devices);
	done.map(drop).map_err(|refusal| refusal.error)
}

/// Events of this pallet since the last call.
pub fn events() -> Vec<Event<Test>> {
	let events = System::events()
		.into_iter()
		.filter_map(|record| match record.event {
			RuntimeEvent::EnergyTrading(event) => Some(event),
			_ => None,
		})
		.collect();
	System::reset_events();
	events
}

/// Why reports since the last call counted for nothing.
pub fn ignored() -> Vec<IgnoredReason> {
	let reasons = events().into_iter().filter_map(|event| match event {
		Event::ReportIgnored { reason, .. } => Some(reason),
		_ => None,
	});
	reasons.collect()
}

/// A bill: device, mWh bought and sold, price.
pub type Bill = (DeviceId, u128, u128, Option<u128>);

/// Bills since the last call.
pub fn bills() -> Vec<Bill> {
	let bills = events().into_iter().filter_map(|event| match event {
		Event::Settled {
			device,
			bought,
			sold,
			price,
			..
		} => Some((device, bought, sold, price)),
		_ => None,
	});
	bills.collect()
}

pub fn refusal(error: Error<Test>) -> DispatchError {
	error.into()
}

pub fn reserve() -> Balance {
	crate::Ledgers::<Test>::get(MARKET).reserve
}

/// How many bytes of this pallet's state belong to slots: entries, books, open and cleared ones.
pub fn slot_bytes() -> usize {
	let maps: [&[u8]; 4] = [b"Entries", b"Pages", b"OpenSlots", b"ClearedSlots"];
	let mut bytes = 0;
	for map in maps {
		let prefix = frame_support::storage::storage_prefix(b"EnergyTrading", map);
		let mut key = prefix.to_vec();
		while let Some(next) = sp_io::storage::next_key(&key) {
			if !next.starts_with(&prefix) {
				break;
			}
			bytes += next.len() + sp_io::storage::get(&next).expect("the key is there").len();
			key = next;
		}
	}
	bytes
}

/// Externalities at [`START`] with the people above.
pub fn externalities() -> sp_io::TestExternalities {
	let rich = [OPERATOR, OWNER, OTHER, LAB];
	let genesis = RuntimeGenesisConfig {
		balances: pallet_balances::GenesisConfig {
			balances: rich.into_iter().map(|who| (who, ENDOWMENT)).collect(),
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

#[cfg(feature = "runtime-benchmarks")]
pub fn new_test_ext() -> sp_io::TestExternalities {
	externalities()
}

/// The invariants of all pallets, and every market's account holds exactly what it owes.
pub fn check() {
	EnergyTrading::do_try_state().expect("the invariants hold");
	Telemetry::do_try_state().expect("the invariants of telemetry hold");
	Identity::do_try_state().expect("the invariants of devices hold");
	for market in 0..crate::NextMarket::<Test>::get() {
		let account = EnergyTrading::market_account(market);
		assert_eq!(free(&account), EnergyTrading::owed(market), "market {market}");
	}
}

/// Runs a test and then checks the invariants of the whole state.
pub fn test(run: impl FnOnce()) {
	externalities().execute_with(|| {
		run();
		check();
	});
}

/// As [`test`], with the market of the tests; and no money comes or goes.
pub fn trade(run: impl FnOnce()) {
	test(|| {
		market();
		let issued = Balances::total_issuance();
		run();
		assert_eq!(Balances::total_issuance(), issued);
	});
}
