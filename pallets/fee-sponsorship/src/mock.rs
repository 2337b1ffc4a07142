//! A chain with this pallet, balances, fees, a clock, and a fleet of devices with a call of their own.

use crate as pallet_fee_sponsorship;
use crate::{ClassifyCall, Error, SponsoredPayment, SponsorshipId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
	PalletId, assert_ok, derive_impl,
	dispatch::{DispatchInfo, GetDispatchInfo, PostDispatchInfo},
	parameter_types,
	traits::{LinearStoragePrice, tokens::imbalance::ResolveTo},
	weights::{Weight, WeightToFee},
};
use m2m_device::{AccountId, Beneficiary, DeviceId, DeviceStatus, Roles, UnixMs};
use pallet_transaction_payment::{ChargeTransactionPayment, FungibleAdapter, Multiplier, NextFeeMultiplier};
use scale_info::TypeInfo;
use sp_runtime::{
	BuildStorage, DispatchError,
	traits::{DispatchTransaction, IdentityLookup},
	transaction_validity::{TransactionSource, TransactionValidityError, ValidTransaction},
};

pub type Balance = u128;

/// Devices with their owners and keys, and a call that costs what it is told to.
#[frame_support::pallet(dev_mode)]
pub mod fleet {
	use frame_support::{dispatch::PostDispatchInfo, pallet_prelude::*};
	use frame_system::pallet_prelude::*;
	use m2m_device::{
		AccountId, ActingKey, Action, DeviceAuthority, DeviceId, DeviceInspect, DeviceStatus, KeyRecord,
		Production, ReadingAuthority, Roles, Topic,
	};

	#[pallet::pallet]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config {}

	/// Owner, generation and status.
	#[pallet::storage]
	pub type Devices<T: Config> = StorageMap<_, Twox64Concat, DeviceId, (AccountId, u32, DeviceStatus)>;

	/// Device and roles of keys that are neither removed nor rotated.
	#[pallet::storage]
	pub type Keys<T: Config> = StorageMap<_, Twox64Concat, AccountId, (DeviceId, Roles)>;

	#[pallet::error]
	pub enum Error<T> {
		Failed,
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Declares a millisecond and uses `micros` of it. May fail, and may be free in the end.
		#[pallet::call_index(0)]
		#[pallet::weight(Weight::from_parts(1_000_000_000, 0))]
		pub fn report(
			_origin: OriginFor<T>,
			micros: u32,
			fail: bool,
			free: bool,
		) -> DispatchResultWithPostInfo {
			let used = PostDispatchInfo {
				actual_weight: Some(Weight::from_parts(u64::from(micros) * 1_000_000, 0)),
				pays_fee: if free { Pays::No } else { Pays::Yes },
			};
			if fail {
				return Err(sp_runtime::DispatchErrorWithPostInfo {
					post_info: used,
					error: Error::<T>::Failed.into(),
				});
			}
			Ok(used)
		}

		/// Free from the start.
		#[pallet::call_index(1)]
		#[pallet::weight((Weight::from_parts(1_000_000_000, 0), DispatchClass::Normal, Pays::No))]
		pub fn greet(_origin: OriginFor<T>) -> DispatchResult {
			Ok(())
		}
	}

	impl<T: Config> DeviceAuthority for Pallet<T> {
		fn authorize(_: &AccountId, _: Option<&DeviceId>, _: Action) -> Result<DeviceId, DispatchError> {
			Err(Error::<T>::Failed.into())
		}
		fn participant(_: &AccountId, _: Option<&DeviceId>, _: Action) -> Result<AccountId, DispatchError> {
			Err(Error::<T>::Failed.into())
		}
		fn reading_authority(_: &AccountId, _: &DeviceId) -> Result<ReadingAuthority, DispatchError> {
			Err(Error::<T>::Failed.into())
		}
		fn acting_key(key: &AccountId) -> Option<ActingKey> {
			let (device, roles) = Keys::<T>::get(key)?;
			let (owner, generation, status) = Devices::<T>::get(&device)?;
			(status == DeviceStatus::Active).then_some(ActingKey {
				device,
				owner,
				generation,
				roles,
			})
		}
		fn weight() -> Weight {
			Weight::zero()
		}
	}

	impl<T: Config> DeviceInspect for Pallet<T> {
		fn owner(device: &DeviceId) -> Option<AccountId> {
			Devices::<T>::get(device).map(|(owner, ..)| owner)
		}
		fn status(device: &DeviceId) -> Option<DeviceStatus> {
			Devices::<T>::get(device).map(|(.., status)| status)
		}
		fn generation(device: &DeviceId) -> Option<u32> {
			let (_, generation, status) = Devices::<T>::get(device)?;
			(status != DeviceStatus::Retired).then_some(generation)
		}
		fn key(_: &AccountId) -> Option<KeyRecord> {
			None
		}
		fn has_attestation(_: &DeviceId, _: Topic, _: &[AccountId], _: bool) -> bool {
			false
		}
		fn attested_claim(
			_: &DeviceId,
			_: Topic,
			_: &[AccountId],
			_: bool,
		) -> Option<sp_runtime::testing::H256> {
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
	pub type TransactionPayment = pallet_transaction_payment;
	#[runtime::pallet_index(4)]
	pub type Fleet = fleet;
	#[runtime::pallet_index(5)]
	pub type FeeSponsorship = pallet_fee_sponsorship;
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

/// One unit for a microsecond, rounded down.
pub struct PerMicrosecond;
impl WeightToFee for PerMicrosecond {
	type Balance = Balance;
	fn weight_to_fee(weight: &Weight) -> Balance {
		Balance::from(weight.ref_time() / 1_000_000)
	}
}

parameter_types! {
	pub const ExistentialDeposit: Balance = ED;
	pub const BasePrice: Balance = 1_000;
	pub const BytePrice: Balance = 10;
	pub const SponsorshipPalletId: PalletId = PalletId(*b"m2m/fees");
	pub const Author: AccountId = AUTHOR;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ExistentialDeposit;
	type AccountStore = System;
}

#[derive_impl(pallet_transaction_payment::config_preludes::TestDefaultConfig)]
impl pallet_transaction_payment::Config for Test {
	type OnChargeTransaction = FungibleAdapter<Balances, ResolveTo<Author, Balances>>;
	type WeightToFee = PerMicrosecond;
	type LengthToFee = frame_support::weights::IdentityFee<Balance>;
}

#[cfg(feature = "runtime-benchmarks")]
impl pallet_transaction_payment::BenchmarkConfig for Test {}

impl fleet::Config for Test {}

/// What can be sponsored here.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum CallGroup {
	Reports,
	Remarks,
}

pub struct Groups;
impl ClassifyCall<RuntimeCall, CallGroup> for Groups {
	fn group(call: &RuntimeCall) -> Option<CallGroup> {
		match call {
			RuntimeCall::Fleet(fleet::Call::report { .. }) => Some(CallGroup::Reports),
			RuntimeCall::System(frame_system::Call::remark { .. }) => Some(CallGroup::Remarks),
			_ => None,
		}
	}
}

impl pallet_fee_sponsorship::Config for Test {
	type Devices = Fleet;
	type Currency = Balances;
	type DepositPrice = LinearStoragePrice<BasePrice, BytePrice, Balance>;
	type Time = Timestamp;
	type CallGroup = CallGroup;
	type Classifier = Groups;
	type PalletId = SponsorshipPalletId;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = Stage;
}

#[cfg(feature = "runtime-benchmarks")]
pub struct Stage;

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper<RuntimeCall, CallGroup> for Stage {
	fn device() -> (AccountId, DeviceId, AccountId) {
		let device = device(99);
		(ALICE, device.id, device.key)
	}
	fn suspend(owner: &AccountId, device: &DeviceId) {
		fleet::Devices::<Test>::insert(device, (owner.clone(), 0, DeviceStatus::Suspended));
	}
	fn call() -> (RuntimeCall, CallGroup) {
		(report(100), CallGroup::Reports)
	}
	fn set_unix_ms(now: UnixMs) {
		Timestamp::set_timestamp(now);
	}
}

pub const ED: Balance = 100;
pub const DAY: UnixMs = 24 * 60 * 60 * 1000;
pub const BLOCK_MS: UnixMs = 3_000;
/// The clock when a test starts: 2026-06-13.
pub const START: UnixMs = 1_781_308_800_000;
pub const ENDOWMENT: Balance = 1_000_000_000;
/// Bytes of every extrinsic here.
pub const LENGTH: usize = 100;

/// Owner of the devices.
pub const ALICE: AccountId = AccountId::new([0xa1; 32]);
/// Somebody else with money.
pub const BOB: AccountId = AccountId::new([0xb0; 32]);
/// Pays for others.
pub const SPONSOR: AccountId = AccountId::new([0x50; 32]);
/// Gets the fees.
pub const AUTHOR: AccountId = AccountId::new([0xaa; 32]);
/// An account without money.
pub const PAUPER: AccountId = AccountId::new([0xc0; 32]);

/// A device with its one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
	pub id: DeviceId,
	pub key: AccountId,
}

impl Device {
	/// The device with this number, registered or not.
	pub fn number(number: u8) -> Self {
		let account = |kind: u8| {
			let mut bytes = [kind; 32];
			bytes[0] = number;
			AccountId::new(bytes)
		};
		Self {
			id: account(0xde),
			key: account(0xce),
		}
	}

	/// Registers it; its wallet lives, its key has nothing.
	pub fn register(&self, owner: &AccountId) {
		self.set(owner, 0, DeviceStatus::Active);
		fleet::Keys::<Test>::insert(&self.key, (self.id.clone(), Roles::ALL));
		fund(&self.id, ED);
	}

	pub fn set(&self, owner: &AccountId, generation: u32, status: DeviceStatus) {
		fleet::Devices::<Test>::insert(&self.id, (owner.clone(), generation, status));
	}

	pub fn beneficiary(&self) -> Beneficiary {
		Beneficiary::Device(self.id.clone())
	}
}

/// Registers the device with this number for Alice.
pub fn device(number: u8) -> Device {
	let device = Device::number(number);
	device.register(&ALICE);
	device
}

/// Gives money from Bob, so that the total does not change.
pub fn fund(who: &AccountId, amount: Balance) {
	assert_ok!(Balances::transfer_allow_death(signed(&BOB), who.clone(), amount));
}

pub fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}

pub fn free(who: &AccountId) -> Balance {
	Balances::free_balance(who)
}

pub fn now() -> UnixMs {
	pallet_timestamp::Now::<Test>::get()
}

/// Lets blocks and their time pass.
pub fn advance(blocks: u64) {
	System::set_block_number(System::block_number() + blocks);
	Timestamp::set_timestamp(now() + blocks * BLOCK_MS);
}

pub fn set_multiplier(multiplier: Multiplier) {
	NextFeeMultiplier::<Test>::put(multiplier);
}

/// What an offer is made of, with values that suffice unless a test says otherwise.
#[derive(Clone)]
pub struct Offer {
	pub beneficiary: Beneficiary,
	pub calls: Vec<CallGroup>,
	pub capacity: Balance,
	pub refill: Balance,
	pub expires: Option<UnixMs>,
	pub amount: Balance,
}

impl Offer {
	pub fn to(beneficiary: Beneficiary) -> Self {
		Self {
			beneficiary,
			calls: vec![CallGroup::Reports],
			capacity: 10_000,
			refill: 10,
			expires: None,
			amount: 1_000_000,
		}
	}

	pub fn make_by(self, who: &AccountId) -> sp_runtime::DispatchResult {
		FeeSponsorship::offer(
			signed(who),
			self.beneficiary,
			self.calls.try_into().expect("few groups"),
			self.capacity,
			self.refill,
			self.expires,
			self.amount,
		)
	}

	/// Makes the offer for the sponsor and returns its number.
	pub fn make(self) -> SponsorshipId {
		let number = crate::NextSponsorship::<Test>::get();
		assert_ok!(self.make_by(&SPONSOR));
		number
	}

	/// Makes the offer, and Alice takes it.
	pub fn taken(self) -> SponsorshipId {
		let number = self.make();
		assert_ok!(FeeSponsorship::attach(signed(&ALICE), number));
		number
	}
}

/// A sponsorship of one device of Alice's, attached.
pub fn sponsor(device: &Device) -> SponsorshipId {
	Offer::to(device.beneficiary()).taken()
}

/// A report that uses so many microseconds.
pub fn report(micros: u32) -> RuntimeCall {
	fleet::Call::report {
		micros,
		fail: false,
		free: false,
	}
	.into()
}

pub fn remark() -> RuntimeCall {
	frame_system::Call::remark { remark: vec![7] }.into()
}

/// A call in no group.
pub fn transfer() -> RuntimeCall {
	pallet_balances::Call::transfer_keep_alive { dest: BOB, value: 1 }.into()
}

pub fn extension(tip: Balance) -> SponsoredPayment<Test> {
	SponsoredPayment::new(ChargeTransactionPayment::from(tip))
}

/// The call's declared weights, as the chain computes them.
pub fn info(call: &RuntimeCall, tip: Balance) -> DispatchInfo {
	let mut info = call.get_dispatch_info();
	info.extension_weight =
		sp_runtime::traits::TransactionExtension::<RuntimeCall>::weight(&extension(tip), call);
	info
}

/// The largest fee that the call can have now.
pub fn most(call: &RuntimeCall) -> Balance {
	TransactionPayment::compute_fee(LENGTH as u32, &info(call, 0), 0)
}

/// What the pool says.
pub fn validate(who: &AccountId, call: &RuntimeCall) -> Result<ValidTransaction, TransactionValidityError> {
	validate_with(extension(0), signed(who), call)
}

pub fn validate_with(
	extension: SponsoredPayment<Test>,
	origin: RuntimeOrigin,
	call: &RuntimeCall,
) -> Result<ValidTransaction, TransactionValidityError> {
	extension
		.validate_only(
			origin,
			call,
			&info(call, 0),
			LENGTH,
			TransactionSource::External,
			0,
		)
		.map(|(valid, ..)| valid)
}

/// What a transaction did that was in a block.
pub type Applied = Result<PostDispatchInfo, (PostDispatchInfo, DispatchError)>;

/// Applies a transaction as a block does; an error means that it could not be in the block.
pub fn apply(who: &AccountId, call: RuntimeCall) -> Result<Applied, TransactionValidityError> {
	apply_with_tip(who, call, 0)
}

pub fn apply_with_tip(
	who: &AccountId,
	call: RuntimeCall,
	tip: Balance,
) -> Result<Applied, TransactionValidityError> {
	let info = info(&call, tip);
	extension(tip)
		.dispatch_transaction(signed(who), call, &info, LENGTH, 0)
		.map(|result| result.map_err(|failed| (failed.post_info, failed.error)))
}

/// Sends a call that must be taken and succeed.
pub fn send(who: &AccountId, call: RuntimeCall) {
	apply(who, call).expect("it is valid").expect("it succeeds");
}

/// Who paid the last fee, and how much.
pub fn last_fee() -> (AccountId, Balance) {
	System::events()
		.into_iter()
		.rev()
		.find_map(|record| match record.event {
			RuntimeEvent::TransactionPayment(pallet_transaction_payment::Event::TransactionFeePaid {
				who,
				actual_fee,
				..
			}) => Some((who, actual_fee)),
			_ => None,
		})
		.expect("a fee was paid")
}

/// What a device's bucket can pay now.
pub fn bucket_left(sponsorship: SponsorshipId, device: &Device) -> Balance {
	let record = crate::Sponsorships::<Test>::get(sponsorship).expect("it exists");
	let block = System::block_number();
	crate::Buckets::<Test>::get(sponsorship, &device.id)
		.unwrap_or_else(|| crate::Bucket::full(block))
		.left(&record.terms, block)
}

pub fn refusal(error: Error<Test>) -> DispatchError {
	error.into()
}

/// The events of this pallet so far.
pub fn events() -> Vec<crate::Event<Test>> {
	System::events()
		.into_iter()
		.filter_map(|record| match record.event {
			RuntimeEvent::FeeSponsorship(event) => Some(event),
			_ => None,
		})
		.collect()
}

/// The accounts that start with money.
pub struct ExtBuilder;

impl ExtBuilder {
	pub fn build() -> sp_io::TestExternalities {
		let balances = [ALICE, BOB, SPONSOR, AUTHOR].map(|who| (who, ENDOWMENT)).to_vec();
		let genesis = RuntimeGenesisConfig {
			balances: pallet_balances::GenesisConfig {
				balances,
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

	/// Runs a test and then checks the invariants of the whole state, and that no money came or went.
	pub fn execute(test: impl FnOnce()) {
		Self::build().execute_with(|| {
			let issued = Balances::total_issuance();
			test();
			FeeSponsorship::do_try_state().expect("the invariants hold");
			assert_eq!(Balances::total_issuance(), issued);
		});
	}
}

#[cfg(feature = "runtime-benchmarks")]
pub fn new_test_ext() -> sp_io::TestExternalities {
	ExtBuilder::build()
}
