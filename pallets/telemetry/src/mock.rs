//! A chain with this pallet, balances, a clock and a plain register of devices, and a fleet of test meters.

use crate as pallet_telemetry;
use crate::{Error, Heads};
use frame_support::{
	BoundedVec, assert_ok, derive_impl, ensure,
	pallet_prelude::{DispatchResult, DispatchResultWithPostInfo},
	parameter_types,
	traits::{LinearStoragePrice, fungible::Mutate},
	weights::Weight,
};
use m2m_anchor::{
	Anchor, AnchorItem, AnchorProof, AnchoredReadings, OnAnchored, SignedAnchors, StreamId, StreamKind,
	StreamSpec, Summary,
};
use m2m_device::{
	AccountId, BudgetPeriod, DeviceId, DevicePublic, DeviceSignature, DeviceStatus, SpendLimit, UnixMs,
};
use m2m_merkle::{Batch, Reading};
use sp_core::{H256, Pair, ecdsa, ed25519, sr25519};
use sp_runtime::{BuildStorage, DispatchError, traits::IdentityLookup};

pub type Balance = u128;

/// A plain register of devices and keys with named refusals, set by the tests at will.
#[frame_support::pallet(dev_mode)]
pub mod fleet {
	use frame_support::{pallet_prelude::*, weights::Weight};
	use m2m_device::{
		AccountId, ActingKey, Action, DeviceAuthority, DeviceId, DeviceInspect, DevicePublic, DeviceStatus,
		KeyRecord, Production, ReadingAuthority, Roles, Topic, UnixMs,
	};

	/// A device key and what it may do now.
	#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen, TypeInfo)]
	pub struct Grant {
		pub device: DeviceId,
		pub public: DevicePublic,
		pub manage: bool,
		pub deliver: bool,
		pub before: Option<UnixMs>,
	}

	#[pallet::pallet]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config {}

	#[pallet::storage]
	pub type Devices<T: Config> = StorageMap<_, Twox64Concat, DeviceId, (AccountId, DeviceStatus)>;

	#[pallet::storage]
	pub type Keys<T: Config> = StorageMap<_, Twox64Concat, AccountId, Grant>;

	/// What others were told: device, stream, number, time of the last reading before.
	#[pallet::storage]
	#[pallet::unbounded]
	pub type Told<T: Config> = StorageValue<_, Vec<(DeviceId, u32, u64, Option<UnixMs>)>, ValueQuery>;

	/// How often somebody asked for leave to deliver readings.
	#[pallet::storage]
	pub type Asked<T: Config> = StorageValue<_, u32, ValueQuery>;

	#[pallet::error]
	pub enum Error<T> {
		NoSuchKey,
		MayNotManage,
		MayNotDeliver,
		NotActive,
		Lost,
	}

	impl<T: Config> DeviceAuthority for Pallet<T> {
		fn authorize(
			signer: &AccountId,
			device: Option<&DeviceId>,
			action: Action,
		) -> Result<DeviceId, DispatchError> {
			let device = match (Keys::<T>::get(signer), device) {
				(Some(grant), named) => {
					ensure!(
						grant.manage && named.is_none_or(|named| *named == grant.device),
						Error::<T>::MayNotManage
					);
					grant.device
				}
				(None, Some(named)) => {
					let (owner, _) = Devices::<T>::get(named).ok_or(Error::<T>::NoSuchKey)?;
					ensure!(owner == *signer, Error::<T>::MayNotManage);
					if action == Action::Close {
						return Ok(named.clone());
					}
					named.clone()
				}
				(None, None) => return Err(Error::<T>::NoSuchKey.into()),
			};
			ensure!(
				Self::status(&device) == Some(DeviceStatus::Active),
				Error::<T>::NotActive
			);
			Ok(device)
		}

		fn participant(
			signer: &AccountId,
			device: Option<&DeviceId>,
			action: Action,
		) -> Result<AccountId, DispatchError> {
			Self::authorize(signer, device, action)
		}

		fn reading_authority(key: &AccountId, device: &DeviceId) -> Result<ReadingAuthority, DispatchError> {
			Asked::<T>::mutate(|asked| *asked += 1);
			let grant = Keys::<T>::get(key)
				.filter(|grant| grant.device == *device)
				.ok_or(Error::<T>::NoSuchKey)?;
			ensure!(grant.deliver, Error::<T>::MayNotDeliver);
			ensure!(Self::status(device) != Some(DeviceStatus::Lost), Error::<T>::Lost);
			Ok(ReadingAuthority {
				public: grant.public,
				before: grant.before,
			})
		}

		/// This register is not asked.
		fn acting_key(_: &AccountId) -> Option<ActingKey> {
			None
		}

		fn weight() -> Weight {
			super::AUTHORITY_WEIGHT
		}
	}

	impl<T: Config> DeviceInspect for Pallet<T> {
		fn owner(device: &DeviceId) -> Option<AccountId> {
			Devices::<T>::get(device).map(|(owner, _)| owner)
		}
		fn status(device: &DeviceId) -> Option<DeviceStatus> {
			Devices::<T>::get(device).map(|(_, status)| status)
		}
		fn generation(device: &DeviceId) -> Option<u32> {
			Devices::<T>::contains_key(device).then_some(0)
		}
		fn key(key: &AccountId) -> Option<KeyRecord> {
			let grant = Keys::<T>::get(key)?;
			Some(KeyRecord {
				device: grant.device,
				public: grant.public,
				roles: Roles {
					authenticate: grant.deliver,
					trade: false,
					manage: grant.manage,
				},
				generation: 0,
				valid_from: 0,
				valid_until: grant.before,
				deliver_until: None,
			})
		}
		fn has_attestation(_: &DeviceId, _: Topic, _: &[AccountId], _: bool) -> bool {
			false
		}
		fn attested_claim(_: &DeviceId, _: Topic, _: &[AccountId], _: bool) -> Option<sp_core::H256> {
			None
		}
		fn production(_: &AccountId) -> Option<Production> {
			None
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
	pub type Fleet = fleet;
	#[runtime::pallet_index(4)]
	pub type Telemetry = pallet_telemetry;
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
	pub const TombstonePrice: Balance = TOMBSTONE;
	pub const MaxStreams: u32 = 12;
	pub const MaxRetention: u16 = 256;
	pub const MaxEnvelopes: u32 = 64;
	pub const Genesis: [u8; 32] = GENESIS;
	/// What the keys of each device may spend.
	pub storage Limit: Balance = Balance::MAX;
	/// What was booked on the limit, in order.
	pub storage Spent: Vec<(DeviceId, Balance)> = Vec::new();
}

/// Lets each device spend up to [`Limit`], for ever.
pub struct Budgets;

pub const OVER_LIMIT: DispatchError = DispatchError::Other("over the limit");
pub const SPEND_WEIGHT: Weight = Weight::from_parts(2_000, 20);
/// Of asking the register who may act.
pub const AUTHORITY_WEIGHT: Weight = Weight::from_parts(3_000, 30);

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

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ExistentialDeposit;
	type AccountStore = System;
}

impl fleet::Config for Test {}

/// Writes down what it is told, and uses less weight than it may.
pub struct Listener;

pub const LISTENER_MOST: Weight = Weight::from_parts(1_000, 10);
pub const LISTENER_USED: Weight = Weight::from_parts(600, 5);

impl OnAnchored for Listener {
	fn on_anchored(readings: &AnchoredReadings) -> Weight {
		fleet::Told::<Test>::append((
			readings.device.clone(),
			readings.stream,
			readings.seq,
			readings.previous_last,
		));
		LISTENER_USED
	}
	fn weight() -> Weight {
		LISTENER_MOST
	}
}

impl pallet_telemetry::Config for Test {
	type Devices = Fleet;
	type SpendLimit = Budgets;
	type Currency = Balances;
	type DepositPrice = LinearStoragePrice<BasePrice, BytePrice, Balance>;
	type TombstonePrice = TombstonePrice;
	type Time = Timestamp;
	type Genesis = Genesis;
	type OnAnchored = Listener;
	type MaxStreams = MaxStreams;
	type MaxRetention = MaxRetention;
	type MaxEnvelopes = MaxEnvelopes;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = Stage;
}

#[cfg(feature = "runtime-benchmarks")]
pub struct Stage;

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper for Stage {
	fn device(number: u32) -> (AccountId, DeviceId, sr25519::Public) {
		let seed = format!("//meter{number}").into_bytes();
		let public = sp_io::crypto::sr25519_generate(crate::benchmarking::KEY_TYPE, Some(seed));
		let device = register(&ALICE, &DevicePublic::Sr25519(public));
		(ALICE, device, public)
	}

	fn set_unix_ms(now: UnixMs) {
		Timestamp::set_timestamp(now);
	}
}

pub const ED: Balance = 100;
/// Burnt when a stream is closed.
pub const TOMBSTONE: Balance = 70;
pub const GENESIS: [u8; 32] = [7; 32];
pub const MINUTE: UnixMs = 60_000;
pub const QUARTER: UnixMs = 15 * MINUTE;
pub const DAY: UnixMs = 96 * QUARTER;
/// The clock when a test starts: 2026-06-13.
pub const START: UnixMs = 1_781_308_800_000;
/// Readings of the tests begin here unless they say otherwise: 400 days before the clock, on a full day.
pub const BASE: UnixMs = START - 400 * DAY;
pub const ENDOWMENT: Balance = 100_000_000;

/// Owner of the meters.
pub const ALICE: AccountId = AccountId::new([0xa1; 32]);
/// Somebody else with money.
pub const BOB: AccountId = AccountId::new([0xb0; 32]);
/// Delivers envelopes; has no money and needs none here.
pub const GATEWAY: AccountId = AccountId::new([0x9a; 32]);

/// A device key with its secret half.
#[derive(Clone)]
pub enum TestKey {
	Sr25519(sr25519::Pair),
	Ed25519(ed25519::Pair),
	Ecdsa(ecdsa::Pair),
}

/// The key with this number; the three schemes take turns.
pub fn key(number: u8) -> TestKey {
	let seed = [number.wrapping_add(1); 32];
	match number % 3 {
		0 => TestKey::Sr25519(sr25519::Pair::from_seed(&seed)),
		1 => TestKey::Ed25519(ed25519::Pair::from_seed(&seed)),
		_ => TestKey::Ecdsa(ecdsa::Pair::from_seed(&seed)),
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

	pub fn sign(&self, message: &[u8]) -> DeviceSignature {
		match self {
			Self::Sr25519(pair) => DeviceSignature::Sr25519(pair.sign(message)),
			Self::Ed25519(pair) => DeviceSignature::Ed25519(pair.sign(message)),
			Self::Ecdsa(pair) => DeviceSignature::Ecdsa(pair.sign(message)),
		}
	}
}

/// Registers a device with a key that may do all, and a wallet that just lives.
pub fn register(owner: &AccountId, public: &DevicePublic) -> DeviceId {
	let device = public.device_id();
	fleet::Devices::<Test>::insert(&device, (owner.clone(), DeviceStatus::Active));
	grant(&device, public);
	Balances::mint_into(&device, ED).expect("the wallet can be made");
	device
}

/// Lets a key do all for a device.
pub fn grant(device: &DeviceId, public: &DevicePublic) {
	fleet::Keys::<Test>::insert(
		public.account(),
		fleet::Grant {
			device: device.clone(),
			public: *public,
			manage: true,
			deliver: true,
			before: None,
		},
	);
}

/// Changes what a key may do.
pub fn change(key: &TestKey, with: impl FnOnce(&mut fleet::Grant)) {
	fleet::Keys::<Test>::mutate(key.account(), |grant| with(grant.as_mut().expect("a known key")));
}

pub fn set_status(device: &DeviceId, status: DeviceStatus) {
	fleet::Devices::<Test>::insert(device, (ALICE, status));
}

/// A registered device with its key.
#[derive(Clone)]
pub struct Meter {
	pub id: DeviceId,
	pub key: TestKey,
}

/// Registers the meter with this number for Alice.
pub fn meter(number: u8) -> Meter {
	let key = key(number);
	Meter {
		id: register(&ALICE, &key.public()),
		key,
	}
}

/// A stream of quarter-hourly energy, open to all, that keeps eight anchors.
pub fn spec() -> StreamSpec {
	StreamSpec {
		kind: StreamKind::Interval,
		private: false,
		schema: H256::zero(),
		unit: BoundedVec::truncate_from(b"Wh".to_vec()),
		scale: 0,
		plausible_min: 0,
		plausible_max: 1_000_000,
		cadence_ms: QUARTER as u32,
		period_ms: None,
		not_before: 0,
		retention: 8,
	}
}

pub fn keeping(retention: u16) -> StreamSpec {
	StreamSpec { retention, ..spec() }
}

pub fn private() -> StreamSpec {
	StreamSpec {
		private: true,
		..spec()
	}
}

/// Opens a stream for its owner and returns its number.
pub fn open(meter: &Meter, spec: StreamSpec) -> StreamId {
	let stream = crate::StreamCounts::<Test>::get(&meter.id).next;
	assert_ok!(Telemetry::create_stream(
		signed(&ALICE),
		Some(meter.id.clone()),
		spec
	));
	stream
}

/// Closes a stream. A refusal comes without the weight that the call charged for it.
pub fn close(who: &AccountId, device: Option<&DeviceId>, stream: StreamId) -> DispatchResult {
	match Telemetry::close_stream(signed(who), device.cloned(), stream) {
		Ok(_) => Ok(()),
		Err(refusal) => Err(refusal.error),
	}
}

/// Readings `(time, value)` as a batch.
pub fn batch(readings: &[(UnixMs, i64)]) -> Batch {
	let readings = readings
		.iter()
		.map(|(time_ms, value)| Reading {
			time_ms: *time_ms,
			value: *value,
		})
		.collect();
	Batch::new(&[0x5e; 32], readings).expect("a well-formed batch")
}

/// The open anchor of a batch.
pub fn open_anchor(batch: &Batch) -> Anchor {
	Anchor {
		data_root: H256(batch.data_root()),
		summary: Summary::Open {
			top_hash: H256(batch.top_hash()),
			aggregate: *batch.aggregate(),
		},
	}
}

/// The private anchor of a batch.
pub fn private_anchor(batch: &Batch) -> Anchor {
	let aggregate = batch.aggregate();
	Anchor {
		data_root: H256(batch.data_root()),
		summary: Summary::Private {
			aggregate_root: H256(batch.aggregate_root()),
			count: aggregate.count,
			t_first: aggregate.t_first,
			t_last: aggregate.t_last,
		},
	}
}

/// The open anchor of readings `(time, value)`.
pub fn of(readings: &[(UnixMs, i64)]) -> Anchor {
	open_anchor(&batch(readings))
}

/// Three readings, five minutes apart, in quarter hour `number` since [`BASE`].
pub fn quarter_batch(number: u64) -> Batch {
	let start = BASE + number * QUARTER;
	batch(&[(start, 10), (start + 5 * MINUTE, 20), (start + 10 * MINUTE, 30)])
}

/// The anchor of [`quarter_batch`].
pub fn quarter(number: u64) -> Anchor {
	open_anchor(&quarter_batch(number))
}

/// An anchor sent by the meter itself.
pub fn send(meter: &Meter, stream: StreamId, seq: u64, anchor: Anchor) -> DispatchResultWithPostInfo {
	Telemetry::anchor(signed(&meter.key.account()), stream, seq, anchor)
}

pub fn item(stream: StreamId, seq: u64, anchor: Anchor) -> AnchorItem {
	AnchorItem { stream, seq, anchor }
}

/// An envelope as the meter signs it.
pub fn envelope(meter: &Meter, items: Vec<AnchorItem>) -> SignedAnchors {
	envelope_on(GENESIS, meter, 0, items)
}

pub fn envelope_on(
	genesis: [u8; 32],
	meter: &Meter,
	expires: UnixMs,
	items: Vec<AnchorItem>,
) -> SignedAnchors {
	let account = meter.key.account();
	let bytes = SignedAnchors::signed_bytes(&genesis, &meter.id, &account, expires, &items);
	SignedAnchors {
		device: meter.id.clone(),
		key: account,
		expires,
		items: BoundedVec::try_from(items).expect("at most eight anchors"),
		signature: meter.key.sign(&bytes),
	}
}

/// Delivers envelopes through the gateway.
pub fn deliver(envelopes: Vec<SignedAnchors>) -> DispatchResultWithPostInfo {
	Telemetry::anchor_many(
		signed(&GATEWAY),
		BoundedVec::try_from(envelopes).expect("not too many envelopes"),
	)
}

pub fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}

pub fn refusal(error: Error<Test>) -> DispatchError {
	error.into()
}

/// Events of this pallet since the last call.
pub fn events() -> Vec<crate::Event<Test>> {
	let events = System::events()
		.into_iter()
		.filter_map(|record| match record.event {
			RuntimeEvent::Telemetry(event) => Some(event),
			_ => None,
		})
		.collect();
	System::reset_events();
	events
}

/// What happened to each anchor and envelope since the last call, in short.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
	Taken(StreamId, u64),
	Refused(StreamId, u64, DispatchError),
	EnvelopeRefused(DispatchError),
}

pub fn outcomes() -> Vec<Outcome> {
	events()
		.into_iter()
		.filter_map(|event| match event {
			crate::Event::Anchored { stream, seq, .. } => Some(Outcome::Taken(stream, seq)),
			crate::Event::AnchorRefused {
				stream, seq, reason, ..
			} => Some(Outcome::Refused(stream, seq, reason)),
			crate::Event::EnvelopeRefused { reason, .. } => Some(Outcome::EnvelopeRefused(reason)),
			_ => None,
		})
		.collect()
}

/// Everything in state but events.
pub fn state() -> Vec<(Vec<u8>, Vec<u8>)> {
	let events = frame_support::storage::storage_prefix(b"System", b"Events");
	let count = frame_support::storage::storage_prefix(b"System", b"EventCount");
	let mut pairs = Vec::new();
	let mut key = Vec::new();
	while let Some(next) = sp_io::storage::next_key(&key) {
		if next != events && next != count {
			let value = sp_io::storage::get(&next).expect("the key is there").to_vec();
			pairs.push((next.clone(), value));
		}
		key = next;
	}
	pairs
}

/// Keeps leaves as an archive does: from events alone.
#[derive(Default)]
pub struct Archive(pub Vec<[u8; 32]>);

impl Archive {
	/// Takes up the leaves of one stream from the events since the last call.
	pub fn listen(&mut self, device: &DeviceId, of: StreamId) {
		for event in events() {
			if let crate::Event::Anchored {
				device: from,
				stream,
				position,
				leaf,
				..
			} = event && from == *device
				&& stream == of
			{
				assert_eq!(position, self.0.len() as u64, "positions have no gaps");
				self.0.push(leaf.0);
			}
		}
	}

	/// The proof of the anchor at `position`.
	pub fn prove(
		&self,
		device: &DeviceId,
		stream: StreamId,
		seq: u64,
		anchor: Anchor,
		position: u64,
	) -> AnchorProof {
		let path = m2m_merkle::range::prove(&self.0, position).expect("the position is in the range");
		AnchorProof {
			device: device.clone(),
			stream,
			seq,
			anchor,
			position,
			leaves: self.0.len() as u64,
			path: path.into_iter().map(H256).collect(),
		}
	}
}

pub fn anchors(meter: &Meter, stream: StreamId) -> u64 {
	Heads::<Test>::get(&meter.id, stream).map_or(0, |head| head.anchors)
}

/// Externalities at [`START`] with two rich accounts.
pub fn externalities() -> sp_io::TestExternalities {
	let genesis = RuntimeGenesisConfig {
		balances: pallet_balances::GenesisConfig {
			balances: vec![(ALICE, ENDOWMENT), (BOB, ENDOWMENT)],
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

/// Externalities for benchmarks, which make their keys in a keystore.
#[cfg(feature = "runtime-benchmarks")]
pub fn new_test_ext() -> sp_io::TestExternalities {
	let mut externalities = externalities();
	externalities.register_extension(sp_keystore::KeystoreExt::new(
		sp_keystore::testing::MemoryKeystore::new(),
	));
	externalities
}

/// Runs a test and then checks the invariants of the whole state.
pub fn test(run: impl FnOnce()) {
	externalities().execute_with(|| {
		run();
		Telemetry::do_try_state().expect("the invariants hold");
	});
}
