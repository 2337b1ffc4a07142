//! A chain with this pallet on top of real devices and real telemetry, and a shop whose sales are sealed and signed
//! as its clients do it.

use crate as pallet_data_marketplace;
use crate::{Error, StreamInspect};
use core::cell::Cell;
use frame_support::{
	BoundedVec, PalletId, assert_ok, derive_impl, parameter_types,
	traits::{LinearStoragePrice, fungible::Inspect},
};
use m2m_anchor::{Anchor, StreamId, StreamKind, StreamSpec, Summary};
use m2m_device::{
	AccountId, DeviceId, DevicePublic, DeviceSignature, KeyClaim, OperatorActions, PossessionAction,
	PossessionProof, Roles, UnixMs,
};
use m2m_fair_exchange::{
	Blind, BlindedKey, Checker, Claims, CountersignedTerms, DeliveryFault, Edges, ListingId, Opener, Place,
	SaleEvidence, SaleId, SaleRange, SaleTerms, SealedLeaf, Sealer, SealingKey, SignedTerms, SoldAnchor,
	SoldAnchors,
	market::{Epoch, ListingSpec, Payout, Price, SubscriptionId},
};
use m2m_merkle::{Batch, DataTree, Reading, batch_secret, reading};
use sp_core::{H256, Pair, ed25519, sr25519};
use sp_runtime::{BuildStorage, DispatchError, DispatchResult, Permill, traits::IdentityLookup};
use std::collections::BTreeMap;

pub type Balance = u128;

/// Limits on what keys spend of wallets, set by the tests at will.
#[frame_support::pallet(dev_mode)]
pub mod budgets {
	use frame_support::{pallet_prelude::*, weights::Weight};
	use m2m_device::{BudgetPeriod, DeviceId, SpendLimit};

	#[pallet::pallet]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config {}

	/// What is left.
	#[pallet::storage]
	pub type Left<T: Config> = StorageMap<_, Twox64Concat, DeviceId, u128, ValueQuery>;

	#[pallet::error]
	pub enum Error<T> {
		BudgetExceeded,
	}

	impl<T: Config> SpendLimit for Pallet<T> {
		fn spend(device: &DeviceId, amount: u128) -> Result<BudgetPeriod, DispatchError> {
			let left = Left::<T>::get(device)
				.checked_sub(amount)
				.ok_or(Error::<T>::BudgetExceeded)?;
			Left::<T>::insert(device, left);
			Ok(BudgetPeriod { budget: 3, number: 1 })
		}
		fn unspend(device: &DeviceId, amount: u128, period: BudgetPeriod) {
			assert_eq!((period.budget, period.number), (3, 1));
			Left::<T>::mutate(device, |left| *left += amount);
		}
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
	pub type Market = pallet_data_marketplace;
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
	pub const OtherDeposits: &'static [RuntimeHoldReason] = &[
		RuntimeHoldReason::Telemetry(pallet_telemetry::HoldReason::StreamDeposit),
		RuntimeHoldReason::Market(crate::HoldReason::Deposit),
	];
	pub const MaxStreams: u32 = 12;
	pub const MaxRetention: u16 = 256;
	pub const MaxEnvelopes: u32 = 64;
	pub const FixedCover: Balance = FIXED_COVER;
	pub const FeeRate: Permill = Permill::from_percent(1);
	pub const MinPrice: Balance = MIN_PRICE;
	pub const MarketPalletId: PalletId = PalletId(*b"m2m/data");
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ExistentialDeposit;
	type AccountStore = System;
}

impl pallet_device_identity::Config for Test {
	type Currency = Balances;
	type Time = Timestamp;
	type Genesis = Genesis;
	type DepositPrice = LinearStoragePrice<BasePrice, BytePrice, Balance>;
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
	type DepositPrice = LinearStoragePrice<BasePrice, BytePrice, Balance>;
	type TombstonePrice = TombstonePrice;
	type Time = Timestamp;
	type Genesis = Genesis;
	type OnAnchored = Market;
	type MaxStreams = MaxStreams;
	type MaxRetention = MaxRetention;
	type MaxEnvelopes = MaxEnvelopes;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = Stage;
}

impl budgets::Config for Test {}

pub struct Streams;
impl StreamInspect for Streams {
	fn is_private(device: &DeviceId, stream: StreamId) -> Option<bool> {
		Telemetry::stream(device, stream)?.spec.map(|spec| spec.private)
	}
	fn next_seq(device: &DeviceId, stream: StreamId) -> u64 {
		Telemetry::stream(device, stream).map_or(0, |stream| stream.next_seq)
	}
}

impl pallet_data_marketplace::Config for Test {
	type Devices = Identity;
	type Streams = Streams;
	type SpendLimit = Budgets;
	type Currency = Balances;
	type DepositPrice = LinearStoragePrice<BasePrice, BytePrice, Balance>;
	type Genesis = Genesis;
	type FixedCover = FixedCover;
	type FeeRate = FeeRate;
	type MinPrice = MinPrice;
	type PalletId = MarketPalletId;
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
	fn device(_: u32) -> (AccountId, DeviceId, sr25519::Public) {
		unreachable!("telemetry is not measured here")
	}
	fn set_unix_ms(now: UnixMs) {
		Timestamp::set_timestamp(now);
	}
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper for Stage {
	fn device(owner: &AccountId) -> DeviceId {
		let meter = register(owner, &key(77), Roles::ALL);
		assert_ok!(Telemetry::create_stream(
			signed(owner),
			Some(meter.clone()),
			private()
		));
		meter
	}
}

pub const ED: Balance = 100;
pub const GENESIS: [u8; 32] = [7; 32];
pub const DAY: UnixMs = 24 * 60 * 60 * 1000;
pub const MINUTE: UnixMs = 60_000;
pub const QUARTER: UnixMs = 15 * MINUTE;
/// The clock when a test starts: 2026-06-13.
pub const START: UnixMs = 1_781_308_800_000;
/// Readings begin here.
pub const BASE: UnixMs = START - 400 * DAY;
pub const ENDOWMENT: Balance = 100_000_000;
pub const FIXED_COVER: Balance = 10_000;
pub const MIN_PRICE: Balance = 50;
pub const BOND: Balance = 1_000_000;
pub const PRICE: Balance = 20_000;

/// Windows of the tests.
pub const REVEAL: u32 = 20;
pub const DISPUTE: u32 = 40;
pub const VALIDITY: u32 = 10;
pub const UNBONDING: u32 = 200;
pub const NOTICE: u32 = 15;

/// Accounts with money.
pub const BOB: AccountId = AccountId::new([0xb0; 32]);
pub const CAROL: AccountId = AccountId::new([0xca; 32]);
/// An account without money.
pub const PAUPER: AccountId = AccountId::new([0xc0; 32]);
/// Somebody who sends calls that anybody may send.
pub const HELPER: AccountId = AccountId::new([0x4e; 32]);

/// A key with its secret half.
#[derive(Clone)]
pub enum TestKey {
	Sr25519(sr25519::Pair),
	Ed25519(ed25519::Pair),
}

/// The key with this number; two schemes take turns.
pub fn key(number: u8) -> TestKey {
	let seed = [number; 32];
	if number.is_multiple_of(2) {
		TestKey::Sr25519(sr25519::Pair::from_seed(&seed))
	} else {
		TestKey::Ed25519(ed25519::Pair::from_seed(&seed))
	}
}

impl TestKey {
	pub fn public(&self) -> DevicePublic {
		match self {
			Self::Sr25519(pair) => DevicePublic::Sr25519(pair.public()),
			Self::Ed25519(pair) => DevicePublic::Ed25519(pair.public()),
		}
	}

	pub fn account(&self) -> AccountId {
		self.public().account()
	}

	pub fn sign(&self, message: &[u8]) -> DeviceSignature {
		match self {
			Self::Sr25519(pair) => DeviceSignature::Sr25519(pair.sign(message)),
			Self::Ed25519(pair) => DeviceSignature::Ed25519(pair.sign(message)),
		}
	}

	pub fn prove(
		&self,
		action: PossessionAction,
		owner: &AccountId,
		device: Option<&DeviceId>,
		roles: Roles,
	) -> PossessionProof {
		let public = self.public();
		let expires = unix_ms() + DAY;
		let claim = KeyClaim {
			genesis: GENESIS,
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
}

/// Owner of the meters. Signs terms with this key.
pub fn alice_key() -> TestKey {
	key(200)
}

pub fn alice() -> AccountId {
	alice_key().account()
}

/// A buyer who countersigns with a key.
pub fn dave_key() -> TestKey {
	key(202)
}

pub fn dave() -> AccountId {
	dave_key().account()
}

pub const TRADER: OperatorActions = OperatorActions {
	manage: false,
	trade: true,
	suspend: false,
};
pub const MANAGER: OperatorActions = OperatorActions {
	manage: true,
	trade: false,
	suspend: false,
};

pub fn unix_ms() -> UnixMs {
	pallet_timestamp::Now::<Test>::get()
}

pub fn block() -> u32 {
	System::block_number() as u32
}

/// Lets blocks pass.
pub fn advance(blocks: u32) {
	System::set_block_number(System::block_number() + u64::from(blocks));
	Timestamp::set_timestamp(unix_ms() + u64::from(blocks) * 3_000);
}

pub fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}

pub fn free(who: &AccountId) -> Balance {
	Balances::free_balance(who)
}

pub fn total(who: &AccountId) -> Balance {
	<Balances as Inspect<AccountId>>::total_balance(who)
}

/// What is held of an account's money for a reason of this pallet.
pub fn held(reason: crate::HoldReason, who: &AccountId) -> Balance {
	use frame_support::traits::fungible::InspectHold;
	Balances::balance_on_hold(&reason.into(), who)
}

pub fn fund(who: &AccountId, amount: Balance) {
	assert_ok!(Balances::transfer_allow_death(
		signed(&CAROL),
		who.clone(),
		amount
	));
}

/// Registers a device.
pub fn register(owner: &AccountId, key: &TestKey, roles: Roles) -> DeviceId {
	let proof = key.prove(PossessionAction::Register, owner, None, roles);
	assert_ok!(Identity::register_device(
		signed(owner),
		key.public(),
		roles,
		proof,
		None,
		None
	));
	key.public().device_id()
}

/// Hands a device to another owner for nothing.
pub fn hand_over(from: &AccountId, device: &DeviceId, to: &AccountId) {
	assert_ok!(Identity::offer_transfer(
		signed(from),
		device.clone(),
		to.clone(),
		0,
		unix_ms()
	));
	let generation = <Identity as m2m_device::DeviceInspect>::generation(device).expect("it lives");
	assert_ok!(Identity::accept_transfer(
		signed(to),
		device.clone(),
		generation,
		0
	));
}

/// A private stream of one-minute readings that keeps sixteen anchors.
pub fn private() -> StreamSpec {
	StreamSpec {
		kind: StreamKind::Gauge,
		private: true,
		schema: H256::repeat_byte(0x5c),
		unit: BoundedVec::truncate_from(b"W".to_vec()),
		scale: 0,
		plausible_min: -1_000_000,
		plausible_max: 1_000_000,
		cadence_ms: MINUTE as u32,
		period_ms: None,
		not_before: 0,
		retention: 16,
	}
}

/// Something for sale: a device with a private stream, anchored batches, and a listing.
pub struct Shop {
	pub device: DeviceId,
	pub device_key: TestKey,
	pub stream: StreamId,
	pub batches: BTreeMap<u64, Batch>,
	pub listing: ListingId,
	pub seller: AccountId,
	/// Signs the terms.
	pub signer: TestKey,
	nonce: Cell<u64>,
}

/// All that buyer and seller have in a sale.
#[derive(Clone)]
pub struct Deal {
	pub terms: SaleTerms,
	pub offer: SignedTerms,
	pub blinded: BlindedKey,
	pub blind: Blind,
	pub anchors: Vec<SoldAnchor>,
	pub edges: Edges,
	pub delivered: Vec<SealedLeaf>,
}

/// Readings of the quarter hour with this number: a reading a minute, `count` of them.
pub fn batch(stream: StreamId, seq: u64, count: u64) -> Batch {
	let readings = (0..count)
		.map(|index| Reading {
			time_ms: BASE + seq * QUARTER + index * MINUTE,
			value: (seq * 100 + index) as i64,
		})
		.collect();
	Batch::new(&batch_secret(&[9; 32], stream, seq), readings).expect("a well-formed batch")
}

pub fn anchor_of(batch: &Batch) -> Anchor {
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

/// What a listing says unless a test says otherwise.
pub fn spec(device: &DeviceId, stream: StreamId) -> ListingSpec {
	ListingSpec {
		device: device.clone(),
		stream,
		from: BASE,
		until: None,
		price: Price::PerSale(PRICE),
		licence: H256::repeat_byte(0x11),
		schema: H256::repeat_byte(0x5c),
		area: BoundedVec::truncate_from(b"u0yj".to_vec()),
		metadata: H256::repeat_byte(0x3e),
		payout: Payout::Seller,
		claims: Claims::default(),
		endpoint: BoundedVec::truncate_from(b"https://seller.example/data".to_vec()),
		sealing_key: [0x25; 32],
		terms_key: None,
	}
}

impl Shop {
	/// A device of Alice's with the key of this number and a private stream.
	pub fn unlisted(number: u8) -> Self {
		let device_key = key(number);
		let device = register(&alice(), &device_key, Roles::ALL);
		assert_ok!(Telemetry::create_stream(
			signed(&alice()),
			Some(device.clone()),
			private()
		));
		Self {
			device,
			device_key,
			stream: 0,
			batches: BTreeMap::new(),
			listing: 0,
			seller: alice(),
			signer: alice_key(),
			nonce: Cell::new(0),
		}
	}

	/// Alice sells three anchors of the device; her bond covers some sales.
	pub fn open() -> Self {
		Self::open_with(2, |_| ())
	}

	pub fn open_with(number: u8, change: impl FnOnce(&mut ListingSpec)) -> Self {
		let mut shop = Self::unlisted(number);
		for (seq, count) in [(0, 4), (1, 3), (2, 5)] {
			shop.anchor(seq, count);
		}
		let mut spec = spec(&shop.device, shop.stream);
		change(&mut spec);
		shop.list(spec);
		assert_ok!(Market::add_bond(signed(&alice()), None, BOND));
		shop
	}

	/// The device itself sells and signs.
	pub fn open_as_device() -> Self {
		let mut shop = Self::unlisted(2);
		for (seq, count) in [(0, 4), (1, 3), (2, 5)] {
			shop.anchor(seq, count);
		}
		fund(&shop.device, 10_000_000);
		shop.seller = shop.device.clone();
		shop.signer = shop.device_key.clone();
		let device = Some(shop.device.clone());
		shop.listing = crate::NextListing::<Test>::get();
		assert_ok!(Market::create_listing(
			signed(&alice()),
			device.clone(),
			Box::new(spec(&shop.device, 0))
		));
		assert_ok!(Market::add_bond(signed(&alice()), device, BOND));
		shop
	}

	pub fn list(&mut self, spec: ListingSpec) {
		self.listing = crate::NextListing::<Test>::get();
		assert_ok!(Market::create_listing(signed(&alice()), None, Box::new(spec)));
	}

	/// Anchors `count` readings, sent by the device.
	pub fn anchor(&mut self, seq: u64, count: u64) {
		let batch = batch(self.stream, seq, count);
		assert_ok!(Telemetry::anchor(
			signed(&self.device_key.account()),
			self.stream,
			seq,
			anchor_of(&batch)
		));
		self.batches.insert(seq, batch);
	}

	/// The anchors of a range, as the buyer takes them from the chain.
	pub fn anchors(&self, range: &SaleRange) -> Vec<SoldAnchor> {
		(range.first.seq..=range.last.seq)
			.filter_map(|seq| Telemetry::anchor_record(&self.device, range.stream, seq))
			.map(|record| SoldAnchor {
				seq: record.seq,
				count: record.anchor.count(),
				data_root: record.anchor.data_root,
			})
			.collect()
	}

	/// Terms for Bob over all that is anchored, but for the first and the last reading. Commitments are missing.
	pub fn draft(&self) -> SaleTerms {
		let (first, _) = self.batches.first_key_value().expect("something is anchored");
		let (last, newest) = self.batches.last_key_value().expect("something is anchored");
		let nonce = self.nonce.get();
		self.nonce.set(nonce + 1);
		SaleTerms {
			listing: self.listing,
			version: crate::Listings::<Test>::get(self.listing).map_or(0, |listing| listing.version),
			device: self.device.clone(),
			generation: <Identity as m2m_device::DeviceInspect>::generation(&self.device).unwrap_or_default(),
			range: SaleRange {
				stream: self.stream,
				first: Place {
					seq: *first,
					index: 1,
				},
				last: Place {
					seq: *last,
					index: newest.len() as u32 - 2,
				},
			},
			range_commitment: H256::zero(),
			leaves: 0,
			seller: self.seller.clone(),
			buyer: BOB,
			price: PRICE,
			sale_root: H256::zero(),
			blinded_key_commitment: H256::zero(),
			blind_commitment: H256::zero(),
			reveal_window: REVEAL,
			dispute_window: DISPUTE,
			nonce,
			expires: block() + VALIDITY,
		}
	}

	/// Seals and signs an honest sale on these terms.
	pub fn seal(&self, terms: SaleTerms) -> Deal {
		self.seal_as(terms, |_, _| ())
	}

	/// An honest sale to Bob.
	pub fn deal(&self) -> Deal {
		self.seal(self.draft())
	}

	/// A sale in which the third reading is another one than was anchored.
	pub fn cheat(&self) -> Deal {
		self.seal_as(self.draft(), |position, leaf| {
			if position == 2 {
				leaf.sealed[31] ^= 1;
			}
		})
	}

	/// Seals and signs a sale in which the seller alters what it delivers and signs for the result.
	pub fn seal_as(&self, terms: SaleTerms, alter: impl Fn(u32, &mut SealedLeaf)) -> Deal {
		let blind = Blind([terms.nonce as u8 ^ 0x5a; 32]);
		self.seal_under(terms, None, blind, alter)
	}

	/// Likewise, under a given key instead of a fresh one.
	pub fn seal_under(
		&self,
		mut terms: SaleTerms,
		blinded: Option<BlindedKey>,
		blind: Blind,
		alter: impl Fn(u32, &mut SealedLeaf),
	) -> Deal {
		let anchors = self.anchors(&terms.range);
		let sold = SoldAnchors::new(&terms.range, &anchors).expect("the range is anchored");
		terms.range_commitment = sold.commitment();
		terms.leaves = sold.len();
		terms.blind_commitment = blind.commitment();
		let blinded = blinded.unwrap_or_else(|| terms.blinded_key(&GENESIS, &[0x77; 32]));
		terms.blinded_key_commitment = blinded.commitment();
		let mut sealer = Sealer::new(&sold, SealingKey::new(&blinded, &blind));
		let mut pairs = Vec::new();
		let mut delivered = Vec::new();
		for (position, place) in (0..).zip(sold.places()) {
			let salt = reading::salt(
				&batch_secret(&[9; 32], terms.range.stream, place.seq),
				place.index,
			);
			let reading = self.batches[&place.seq].readings()[place.index as usize];
			let mut leaf = sealer.seal(&salt, &reading).expect("the range has this leaf");
			alter(position, &mut leaf);
			pairs.push(leaf.pair(position, place));
			delivered.push(leaf);
		}
		terms.sale_root = H256(DataTree::new(pairs).expect("some leaves").root());
		let (first, last) = (terms.range.first.seq, terms.range.last.seq);
		let edges = Edges::new(
			&terms.range,
			self.batches[&first].data_tree(),
			self.batches[&last].data_tree(),
		)
		.expect("the ends are anchored");
		let offer = self.sign(terms.clone());
		Deal {
			terms,
			offer,
			blinded,
			blind,
			anchors,
			edges,
			delivered,
		}
	}

	/// Signs whatever terms.
	pub fn sign(&self, terms: SaleTerms) -> SignedTerms {
		sign_with(&self.signer, terms, GENESIS)
	}
}

pub fn sign_with(key: &TestKey, terms: SaleTerms, genesis: [u8; 32]) -> SignedTerms {
	let signature = key.sign(&terms.signed_bytes(&genesis));
	SignedTerms {
		terms,
		signer: key.public(),
		signature,
	}
}

impl Deal {
	pub fn id(&self) -> SaleId {
		self.terms.sale_id(&GENESIS)
	}

	/// What the buyer does before paying.
	pub fn check(&self) -> Result<(), DeliveryFault> {
		let mut checker = Checker::new(&self.terms, &self.blind, &self.anchors, &self.edges)?;
		for leaf in &self.delivered {
			checker.check(leaf)?;
		}
		checker.finish()
	}

	/// What the buyer does with the key: the readings, or the evidence against the first leaf that does not open.
	pub fn open(&self, key: &BlindedKey) -> Result<Vec<Reading>, Box<SaleEvidence>> {
		let mut opener =
			Opener::new(&self.terms, key, &self.blind, &self.anchors).expect("the key of these terms");
		let mut readings = Vec::new();
		for (position, leaf) in (0..).zip(&self.delivered) {
			match opener.open(leaf) {
				Ok(opened) => readings.push(opened.reading),
				Err(_) => return Err(Box::new(self.evidence(position))),
			}
		}
		Ok(readings)
	}

	pub fn evidence(&self, position: u32) -> SaleEvidence {
		SaleEvidence::new(
			&self.terms,
			&self.blind,
			&self.anchors,
			self.delivered.iter().copied(),
			position,
		)
		.expect("the sale has this leaf")
	}

	pub fn buy(&self) -> DispatchResult {
		buy(&self.offer)
	}

	/// Bought by Bob.
	pub fn bought(self) -> Self {
		assert_ok!(self.buy());
		self
	}

	pub fn reveal(&self) -> DispatchResult {
		Market::reveal_key(signed(&HELPER), self.id(), self.blinded)
	}

	/// Bought by Bob, and the key is known.
	pub fn revealed(self) -> Self {
		let deal = self.bought();
		assert_ok!(deal.reveal());
		deal
	}

	pub fn accept(&self, rating: u8) -> DispatchResult {
		Market::accept(signed(&BOB), None, self.id(), rating)
	}

	pub fn prove(&self, position: u32) -> DispatchResult {
		Market::prove_bad_leaf(signed(&HELPER), self.id(), Box::new(self.evidence(position)))
	}

	/// As one epoch, countersigned.
	pub fn epoch(&self, subscription: SubscriptionId, key: &TestKey) -> Epoch {
		let bytes = CountersignedTerms::signed_bytes(&GENESIS, subscription, &self.id());
		Epoch {
			terms: CountersignedTerms {
				offer: self.offer.clone(),
				subscriber: key.public(),
				countersignature: key.sign(&bytes),
			},
			key: self.blinded,
		}
	}
}

/// Bob, or whoever the terms name, buys.
pub fn buy(offer: &SignedTerms) -> DispatchResult {
	Market::purchase(signed(&offer.terms.buyer), None, Box::new(offer.clone()))
}

pub fn settle(sales: &[SaleId]) {
	assert_ok!(Market::settle(
		signed(&HELPER),
		BoundedVec::truncate_from(sales.to_vec())
	));
}

pub fn refund(sales: &[SaleId]) {
	assert_ok!(Market::refund(
		signed(&HELPER),
		BoundedVec::truncate_from(sales.to_vec())
	));
}

pub fn refusal(error: Error<Test>) -> DispatchError {
	error.into()
}

/// Events of this pallet since the last call.
pub fn events() -> Vec<crate::Event<Test>> {
	let events = System::events()
		.into_iter()
		.filter_map(|record| match record.event {
			RuntimeEvent::Market(event) => Some(event),
			_ => None,
		})
		.collect();
	System::reset_events();
	events
}

/// Why sales of the last `settle` or `refund` could not be ended.
pub fn not_ended() -> Vec<(SaleId, DispatchError)> {
	events()
		.into_iter()
		.filter_map(|event| match event {
			crate::Event::NotEnded { sale, reason } => Some((sale, reason)),
			_ => None,
		})
		.collect()
}

/// Everything that this pallet has in state.
pub fn state() -> Vec<(Vec<u8>, Vec<u8>)> {
	let prefix = sp_io::hashing::twox_128(b"Market").to_vec();
	let mut pairs = Vec::new();
	let mut key = prefix.clone();
	while let Some(next) = sp_io::storage::next_key(&key).filter(|next| next.starts_with(&prefix)) {
		pairs.push((
			next.clone(),
			sp_io::storage::get(&next).expect("the key is there").to_vec(),
		));
		key = next;
	}
	pairs
}

pub struct ExtBuilder;

impl ExtBuilder {
	pub fn build() -> sp_io::TestExternalities {
		let rich = [alice(), dave(), BOB, CAROL];
		let genesis = RuntimeGenesisConfig {
			balances: pallet_balances::GenesisConfig {
				balances: rich.map(|who| (who, ENDOWMENT)).to_vec(),
				..Default::default()
			},
			market: crate::GenesisConfig {
				min_reveal: REVEAL,
				max_reveal: 3 * REVEAL,
				min_dispute: DISPUTE,
				max_dispute: 3 * DISPUTE,
				max_validity: VALIDITY,
				unbonding: UNBONDING,
				notice: NOTICE,
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
	pub fn execute(test: impl FnOnce()) {
		Self::build().execute_with(|| {
			test();
			check_state();
		});
	}
}

/// All invariants, and that nobody else's money is held for this pallet.
pub fn check_state() {
	Market::do_try_state().expect("the invariants of the market hold");
	Identity::do_try_state().expect("the invariants of devices hold");
	Telemetry::do_try_state().expect("the invariants of telemetry hold");
}

/// Externalities for benchmarks, which make their keys in a keystore.
#[cfg(feature = "runtime-benchmarks")]
pub fn new_test_ext() -> sp_io::TestExternalities {
	let mut externalities = ExtBuilder::build();
	externalities.register_extension(sp_keystore::KeystoreExt::new(
		sp_keystore::testing::MemoryKeystore::new(),
	));
	externalities
}
