#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
pub mod bucket;
pub mod budget;
mod budgets;
mod extension;
#[cfg(test)]
mod mock;
mod payer;
mod reads;
mod sponsorships;
#[cfg(test)]
mod tests;
mod try_state;
mod types;
pub mod weights;

pub use bucket::{Bucket, Terms};
pub use budget::Budget;
pub use extension::{Pre, SponsoredPayment, Val};
pub use pallet::*;
pub use reads::MAX_PAGE;
pub use types::{
	AllowList, Balance, BudgetRecord, ClassifyCall, MAX_CALL_GROUPS, SponsoredRest, Sponsorship,
	SponsorshipId,
};
pub use weights::WeightInfo;

/// Most buckets in one `prune_buckets`.
pub const MAX_PRUNED: u32 = 64;

/// Sets the stage for benchmarks.
#[cfg(feature = "runtime-benchmarks")]
pub trait BenchmarkHelper<Call, Group> {
	/// Registers a device with one key. Returns its owner, its id and the key.
	fn device() -> (m2m_device::AccountId, m2m_device::DeviceId, m2m_device::AccountId);
	/// Suspends it.
	fn suspend(owner: &m2m_device::AccountId, device: &m2m_device::DeviceId);
	/// A call that can be sponsored, and its group.
	fn call() -> (Call, Group);
	/// Makes [`Config::Time`] return `now`.
	fn set_unix_ms(now: m2m_device::UnixMs);
}

/// The pallet.
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use frame_support::{
		PalletId,
		pallet_prelude::*,
		traits::{Footprint, UnixTime, fungible},
	};
	use frame_system::pallet_prelude::*;
	use m2m_device::{AccountId, Beneficiary, DeviceAuthority, DeviceId, DeviceInspect, UnixMs};
	use sp_runtime::{SaturatedConversion, traits::Convert};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(0);

	/// The pallet.
	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// What the runtime provides.
	#[pallet::config]
	pub trait Config: frame_system::Config<AccountId = AccountId> {
		/// Which keys act for which device, and who owns it.
		type Devices: DeviceAuthority + DeviceInspect;

		/// The token in which fees are paid.
		type Currency: fungible::Mutate<AccountId, Balance = Balance>
			+ fungible::MutateHold<AccountId, Reason: From<HoldReason>>;

		/// The deposit for what is put into state. The footprint is one blob with all its bytes, the storage
		/// keys included.
		type DepositPrice: Convert<Footprint, Balance>;

		/// The clock.
		type Time: UnixTime;

		/// Groups of calls that can be sponsored.
		type CallGroup: Parameter + MaxEncodedLen;

		/// Tells to which group a call belongs.
		type Classifier: ClassifyCall<<Self as frame_system::Config>::RuntimeCall, Self::CallGroup>;

		/// Pots are its sub-accounts.
		#[pallet::constant]
		type PalletId: Get<PalletId>;

		/// Weights of the calls, of the transaction extension and of what other pallets ask.
		type WeightInfo: WeightInfo;

		/// Sets the stage for benchmarks.
		#[cfg(feature = "runtime-benchmarks")]
		type BenchmarkHelper: BenchmarkHelper<<Self as frame_system::Config>::RuntimeCall, Self::CallGroup>;
	}

	/// A sponsorship with the runtime's groups of calls.
	pub type SponsorshipOf<T> = Sponsorship<<T as Config>::CallGroup>;

	/// Why money is held.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// For the storage of a budget, on the account of the owner who set it. Released when the budget is
		/// cleared or replaced, and when the device is retired or gets another owner.
		#[codec(index = 0)]
		BudgetDeposit,
	}

	/// Sponsorships by number. Removed when they are closed and no bucket is left.
	#[pallet::storage]
	pub type Sponsorships<T: Config> = StorageMap<_, Twox64Concat, SponsorshipId, SponsorshipOf<T>>;

	/// Number of the next sponsorship.
	#[pallet::storage]
	pub type NextSponsorship<T: Config> = StorageValue<_, SponsorshipId, ValueQuery>;

	/// Index: the sponsorships of each sponsor. There is one entry for each of [`Sponsorships`].
	#[pallet::storage]
	pub type SponsoredBy<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, AccountId, Twox64Concat, SponsorshipId, ()>;

	/// The sponsorship that a device or an owner has taken, by the account that stands for it. Removed when
	/// it is detached, or with the sponsorship.
	#[pallet::storage]
	pub type Attached<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, SponsorshipId>;

	/// What devices have used of their sponsorships. An entry appears with the first fee, its deposit is then
	/// set aside in the pot. It can be removed when the bucket is full again, when the sponsorship is closed,
	/// or when the device was retired.
	#[pallet::storage]
	pub type Buckets<T: Config> =
		StorageDoubleMap<_, Twox64Concat, SponsorshipId, Blake2_128Concat, DeviceId, Bucket>;

	/// Budgets of devices. Removed when they are cleared, and when the device is retired or gets another owner.
	#[pallet::storage]
	pub type Budgets<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, BudgetRecord>;

	/// Number of the next budget.
	#[pallet::storage]
	pub type NextBudget<T: Config> = StorageValue<_, u32, ValueQuery>;

	/// What happened.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A sponsorship was offered. It has no effect until it is attached.
		SponsorshipOffered {
			/// Its number.
			sponsorship: SponsorshipId,
			/// Who pays.
			sponsor: AccountId,
			/// Whose fees.
			beneficiary: Beneficiary,
			/// The account from which fees are paid.
			pot: AccountId,
			/// What fees can take from it.
			amount: Balance,
		},
		/// A sponsorship pays from now on.
		SponsorshipAttached {
			/// Its number.
			sponsorship: SponsorshipId,
			/// Whose fees.
			beneficiary: Beneficiary,
		},
		/// A sponsorship pays no longer. It can be attached again.
		SponsorshipDetached {
			/// Its number.
			sponsorship: SponsorshipId,
			/// Whose fees it paid.
			beneficiary: Beneficiary,
		},
		/// Money was added to a pot.
		PotToppedUp {
			/// Number of the sponsorship.
			sponsorship: SponsorshipId,
			/// Who paid.
			by: AccountId,
			/// How much.
			amount: Balance,
		},
		/// A sponsorship ended by its sponsor's will.
		SponsorshipClosed {
			/// Its number.
			sponsorship: SponsorshipId,
			/// What went back to the sponsor.
			returned: Balance,
			/// How many buckets have to be pruned before the rest goes back.
			buckets: u32,
		},
		/// Buckets were removed.
		BucketsPruned {
			/// Number of the sponsorship.
			sponsorship: SponsorshipId,
			/// How many.
			buckets: u32,
			/// What went back to the sponsor: the rest of the pot, if these were the last ones of a closed
			/// sponsorship.
			returned: Balance,
		},
		/// A fee was paid from a pot.
		FeeSponsored {
			/// Number of the sponsorship.
			sponsorship: SponsorshipId,
			/// The device whose key signed.
			device: DeviceId,
			/// The fee.
			fee: Balance,
		},
		/// A budget was set, and another one replaced if there was one.
		BudgetSet {
			/// The device.
			device: DeviceId,
			/// Number of the budget.
			budget: u32,
			/// Most that keys and operators spend in a period.
			limit: Balance,
			/// Length of a period in milliseconds.
			period_ms: u64,
		},
		/// A budget was cleared: keys and operators of the device spend nothing any more. Its owner cleared it,
		/// or the device was retired or got another owner.
		BudgetCleared {
			/// The device.
			device: DeviceId,
		},
	}

	/// Why something was refused. Nothing was changed.
	#[pallet::error]
	pub enum Error<T> {
		/// There is no such sponsorship.
		UnknownSponsorship,
		/// The sponsorship was closed, or its device has another owner or was retired.
		SponsorshipEnded,
		/// The sponsorship's time is over.
		SponsorshipExpired,
		/// The signer did not offer this sponsorship.
		NotSponsor,
		/// The signer does not own the device, or is not the owner whom the sponsorship names.
		NotOwner,
		/// There is no such device, or it was retired.
		UnknownDevice,
		/// The allow-list names no group of calls.
		EmptyAllowList,
		/// The bucket could never pay.
		ZeroCapacity,
		/// The expiry is not in the future.
		AlreadyExpired,
		/// The amount is zero.
		ZeroAmount,
		/// The signer's free balance does not cover it.
		CannotPay,
		/// It is attached.
		AlreadyAttached,
		/// It is not attached.
		NotAttached,
		/// No device is named, or one has no bucket in state.
		NoSuchBucket,
		/// The bucket of an open sponsorship is not full again, and its device lives.
		BucketNotFull,
		/// The period is zero.
		ZeroPeriod,
		/// The device has no budget that its present owner set.
		NoBudget,
		/// The amount is more than is left of the device's budget in this period.
		BudgetExceeded,
		/// All numbers were given out.
		NumbersExhausted,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Offers to pay fees of a device, or of all devices of an owner.
		///
		/// ## Dispatch origin
		/// Signed by the sponsor.
		///
		/// ## Details
		/// Moves the existential deposit, the deposit for the record and `amount` from the sponsor to a new
		/// pot, an account without a key. Nothing is paid before the owner attaches the sponsorship. One for
		/// a device is for its present generation: with another owner it is over. One for an owner pays for
		/// as many devices as he has, each with a bucket of its own; the pot is what limits all of them
		/// together.
		///
		/// ## Parameters
		/// - `beneficiary`: the device, or the owner.
		/// - `calls`: groups of calls that are paid for.
		/// - `capacity`: what a device's full bucket pays, in fees at multiplier one.
		/// - `refill`: what comes back with every block. Zero means once and no more.
		/// - `expires`: last moment at which it pays; `None` for no end.
		/// - `amount`: what fees can take from the pot, less the deposit that each bucket sets aside.
		///
		/// ## Errors
		/// [`Error::EmptyAllowList`], [`Error::ZeroCapacity`], [`Error::AlreadyExpired`],
		/// [`Error::ZeroAmount`], [`Error::UnknownDevice`], [`Error::NumbersExhausted`],
		/// [`Error::CannotPay`].
		///
		/// ## Events
		/// [`Event::SponsorshipOffered`].
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::offer())]
		pub fn offer(
			origin: OriginFor<T>,
			beneficiary: Beneficiary,
			calls: AllowList<T::CallGroup>,
			capacity: Balance,
			refill: Balance,
			expires: Option<UnixMs>,
			amount: Balance,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_offer(
				who,
				beneficiary,
				calls,
				Terms { capacity, refill },
				expires,
				amount,
			)
		}

		/// Takes a sponsorship: from now on it pays for the device, or for the owner's devices.
		///
		/// ## Dispatch origin
		/// Signed by the owner of the device that it names, or by the owner that it names.
		///
		/// ## Details
		/// A device has one sponsorship of its own and one by its owner; the first is tried first. What was
		/// attached in this place is detached, without an event of its own.
		///
		/// ## Parameters
		/// - `sponsorship`: its number.
		///
		/// ## Errors
		/// [`Error::UnknownSponsorship`], [`Error::UnknownDevice`], [`Error::NotOwner`],
		/// [`Error::SponsorshipEnded`], [`Error::SponsorshipExpired`], [`Error::AlreadyAttached`].
		///
		/// ## Events
		/// [`Event::SponsorshipAttached`].
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::attach())]
		pub fn attach(origin: OriginFor<T>, sponsorship: SponsorshipId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_attach(&who, sponsorship)
		}

		/// Gives a sponsorship back: it pays no longer.
		///
		/// ## Dispatch origin
		/// Signed by the owner of the device that it names, or by the owner that it names.
		///
		/// ## Parameters
		/// - `sponsorship`: its number.
		///
		/// ## Errors
		/// [`Error::UnknownSponsorship`], [`Error::UnknownDevice`], [`Error::NotOwner`],
		/// [`Error::NotAttached`].
		///
		/// ## Events
		/// [`Event::SponsorshipDetached`].
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::detach())]
		pub fn detach(origin: OriginFor<T>, sponsorship: SponsorshipId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_detach(&who, sponsorship)
		}

		/// Adds money to a pot. Whatever is left in the end goes to the sponsor.
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Parameters
		/// - `sponsorship`: its number.
		/// - `amount`: how much.
		///
		/// ## Errors
		/// [`Error::ZeroAmount`], [`Error::UnknownSponsorship`], [`Error::SponsorshipEnded`],
		/// [`Error::CannotPay`].
		///
		/// ## Events
		/// [`Event::PotToppedUp`].
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::top_up())]
		pub fn top_up(origin: OriginFor<T>, sponsorship: SponsorshipId, amount: Balance) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_top_up(who, sponsorship, amount)
		}

		/// Ends a sponsorship and returns its pot.
		///
		/// ## Dispatch origin
		/// Signed by the sponsor.
		///
		/// ## Details
		/// If buckets are in state, their deposits, that of the record and the existential deposit stay in
		/// the pot until `prune_buckets` removes the last bucket. What else is in it stays too if it is too
		/// little to open the sponsor's account, which has ended.
		///
		/// ## Parameters
		/// - `sponsorship`: its number.
		///
		/// ## Errors
		/// [`Error::UnknownSponsorship`], [`Error::NotSponsor`], [`Error::SponsorshipEnded`].
		///
		/// ## Events
		/// [`Event::SponsorshipClosed`].
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::close())]
		pub fn close(origin: OriginFor<T>, sponsorship: SponsorshipId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_close(&who, sponsorship)
		}

		/// Removes buckets that say nothing: those that are full again, those of retired devices, and all of a
		/// closed sponsorship. Their deposits can be used for fees again; the last bucket of a closed
		/// sponsorship takes the record along and sends the rest of the pot to the sponsor.
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Parameters
		/// - `sponsorship`: its number.
		/// - `devices`: whose buckets.
		///
		/// ## Errors
		/// [`Error::UnknownSponsorship`], [`Error::NoSuchBucket`], [`Error::BucketNotFull`].
		///
		/// ## Events
		/// [`Event::BucketsPruned`].
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::prune_buckets(devices.len() as u32))]
		pub fn prune_buckets(
			origin: OriginFor<T>,
			sponsorship: SponsorshipId,
			devices: BoundedVec<DeviceId, ConstU32<MAX_PRUNED>>,
		) -> DispatchResult {
			ensure_signed(origin)?;
			Self::do_prune_buckets(sponsorship, &devices)
		}

		/// Sets what keys and operators of a device may spend from its wallet: fees of the keys, trades, and
		/// deposits for what they add. The owner's own calls are not limited.
		///
		/// ## Dispatch origin
		/// Signed by the owner.
		///
		/// ## Details
		/// The first period begins now. A budget that was set before is replaced, and what was spent of it is
		/// forgotten. The deposit is held on the owner's account. The budget ends, and its deposit is released,
		/// when the device is retired or gets another owner.
		///
		/// ## Parameters
		/// - `device`: the device.
		/// - `limit`: most that is spent in a period.
		/// - `period_ms`: length of a period in milliseconds.
		///
		/// ## Errors
		/// [`Error::ZeroAmount`], [`Error::ZeroPeriod`], [`Error::UnknownDevice`], [`Error::NotOwner`],
		/// [`Error::NumbersExhausted`], [`Error::CannotPay`].
		///
		/// ## Events
		/// [`Event::BudgetSet`].
		#[pallet::call_index(6)]
		#[pallet::weight(T::WeightInfo::set_budget())]
		pub fn set_budget(
			origin: OriginFor<T>,
			device: DeviceId,
			limit: Balance,
			period_ms: u64,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_set_budget(who, device, limit, period_ms)
		}

		/// Clears a budget and releases its deposit. Keys and operators spend nothing from the wallet any more.
		///
		/// ## Dispatch origin
		/// Signed by the owner, or by anybody if the device got another owner or was retired since.
		///
		/// ## Parameters
		/// - `device`: the device.
		///
		/// ## Errors
		/// [`Error::NoBudget`], [`Error::NotOwner`].
		///
		/// ## Events
		/// [`Event::BudgetCleared`].
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::clear_budget())]
		pub fn clear_budget(origin: OriginFor<T>, device: DeviceId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_clear_budget(&who, device)
		}
	}

	impl<T: Config> Pallet<T> {
		/// The present time.
		pub(crate) fn now() -> UnixMs {
			T::Time::now().as_millis().saturated_into()
		}

		/// The present block.
		pub(crate) fn block() -> u64 {
			frame_system::Pallet::<T>::block_number().saturated_into()
		}
	}
}
