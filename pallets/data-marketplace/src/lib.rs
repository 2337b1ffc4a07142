#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
mod bonds;
mod disputes;
mod generations;
mod listings;
#[cfg(test)]
mod mock;
mod money;
mod pools;
mod reads;
mod requests;
mod sales;
mod settlement;
mod subscriptions;
#[cfg(test)]
mod tests;
mod try_state;
mod types;
pub mod weights;

pub use pallet::*;
pub use pools::INDEX_SCALE;
pub use reads::{MAX_ISSUERS, MAX_PAGE, MAX_SCANNED};
pub use types::{Balance, StreamInspect};
pub use weights::WeightInfo;

/// Most sales in one `settle` or `refund`.
pub const MAX_SETTLED: u32 = 64;
/// Most epochs in one `deliver`.
pub const MAX_EPOCHS: u32 = 32;
/// Most marks that leave the state in one block.
pub const MAX_PRUNED: u32 = 32;

/// Sets the stage for benchmarks.
#[cfg(feature = "runtime-benchmarks")]
pub trait BenchmarkHelper {
	/// Registers a device of `owner`, who has money, and opens a private stream with number 0 for it.
	fn device(owner: &m2m_device::AccountId) -> m2m_device::DeviceId;
}

/// The pallet.
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use alloc::boxed::Box;
	use frame_support::{
		PalletId,
		pallet_prelude::*,
		traits::{Footprint, fungible},
		weights::WeightMeter,
	};
	use frame_system::pallet_prelude::*;
	use m2m_device::{AccountId, Action, DeviceAuthority, DeviceId, DeviceInspect, SpendLimit};
	use m2m_fair_exchange::{
		BlindedKey, ClaimEvidence, ListingId, SaleEvidence, SaleId, SignedTerms,
		market::{
			Epoch, Listing, ListingSpec, Mark, Pool, PoolId, PoolMember, Request, RequestId, RequestSpec,
			Sale, Seller, Subscription, SubscriptionId, Windows,
		},
	};
	use sp_runtime::{Permill, SaturatedConversion, traits::Convert};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(0);

	/// The pallet.
	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// What the runtime provides.
	#[pallet::config]
	pub trait Config: frame_system::Config<AccountId = AccountId> {
		/// Who may act for whom.
		type Devices: DeviceAuthority + DeviceInspect;

		/// What is known of streams.
		type Streams: StreamInspect;

		/// What device keys and operators may spend of a wallet.
		type SpendLimit: SpendLimit;

		/// The token.
		type Currency: fungible::Mutate<AccountId, Balance = Balance>
			+ fungible::MutateHold<AccountId, Reason: From<HoldReason>>;

		/// The deposit for what is put into state. The footprint is one blob with all its bytes, the storage
		/// keys included.
		type DepositPrice: Convert<Footprint, Balance>;

		/// Hash of the genesis block: part of everything that is signed.
		type Genesis: Get<[u8; 32]>;

		/// What a buyer gets besides the price if the seller fails. Also the smallest bond. Must cover the
		/// deposit for a seller's record.
		#[pallet::constant]
		type FixedCover: Get<Balance>;

		/// What of each price is burnt, rounded up.
		#[pallet::constant]
		type FeeRate: Get<Permill>;

		/// Smallest price of a sale: what purchase and reveal cost in fees. Above zero.
		type MinPrice: Get<Balance>;

		/// Pools are its sub-accounts.
		#[pallet::constant]
		type PalletId: Get<PalletId>;

		/// Weights of the calls.
		type WeightInfo: WeightInfo;

		/// Sets the stage for benchmarks.
		#[cfg(feature = "runtime-benchmarks")]
		type BenchmarkHelper: BenchmarkHelper;
	}

	/// Why money is held.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// The price of a purchase, or the money of a subscription, on the buyer's account.
		#[codec(index = 0)]
		Payment,
		/// A seller's bond.
		#[codec(index = 1)]
		Bond,
		/// For the storage of a listing, a subscription, a request, a pool or its members, on the account of
		/// whoever put it there.
		#[codec(index = 2)]
		Deposit,
	}

	/// The bounds of all windows, set at genesis.
	#[pallet::storage]
	pub type Bounds<T: Config> = StorageValue<_, Windows, ValueQuery>;

	/// Listings by number. Removed when they are closed.
	#[pallet::storage]
	pub type Listings<T: Config> = StorageMap<_, Twox64Concat, ListingId, Listing>;

	/// Number of the next listing.
	#[pallet::storage]
	pub type NextListing<T: Config> = StorageValue<_, ListingId, ValueQuery>;

	/// Index: the listings of each seller. There is one entry for each of [`Listings`].
	#[pallet::storage]
	pub type ListedBy<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, AccountId, Twox64Concat, ListingId, ()>;

	/// Bonds and records of sellers. Removed when nothing is left of the bond.
	#[pallet::storage]
	pub type Sellers<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, Seller>;

	/// Open sales. Removed when they end.
	#[pallet::storage]
	pub type Sales<T: Config> = StorageMap<_, Identity, SaleId, Sale>;

	/// Sales that ended before their terms expired, in order of expiry. Removed by `on_idle` after that block.
	#[pallet::storage]
	pub type Marks<T: Config> = StorageMap<_, Identity, Mark, ()>;

	/// Subscriptions by number. Removed by `close_subscription`.
	#[pallet::storage]
	pub type Subscriptions<T: Config> = StorageMap<_, Twox64Concat, SubscriptionId, Subscription>;

	/// Number of the next subscription.
	#[pallet::storage]
	pub type NextSubscription<T: Config> = StorageValue<_, SubscriptionId, ValueQuery>;

	/// Requests by number. Removed by `remove_request`.
	#[pallet::storage]
	pub type Requests<T: Config> = StorageMap<_, Twox64Concat, RequestId, Request>;

	/// Number of the next request.
	#[pallet::storage]
	pub type NextRequest<T: Config> = StorageValue<_, RequestId, ValueQuery>;

	/// Pools by number. Removed by `close_pool`.
	#[pallet::storage]
	pub type Pools<T: Config> = StorageMap<_, Twox64Concat, PoolId, Pool>;

	/// Number of the next pool.
	#[pallet::storage]
	pub type NextPool<T: Config> = StorageValue<_, PoolId, ValueQuery>;

	/// Members of pools. Removed when their shares are set to zero.
	#[pallet::storage]
	pub type PoolMembers<T: Config> =
		StorageDoubleMap<_, Twox64Concat, PoolId, Blake2_128Concat, AccountId, PoolMember>;

	/// For private streams of devices that changed hands: the present generation, and the first sequence number that
	/// only it has used. Written once a generation, with its first anchor; a device that never changed hands
	/// has none.
	#[pallet::storage]
	pub type GenerationStarts<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, DeviceId, Twox64Concat, u32, (u32, u64)>;

	/// Bounds of the windows, in blocks. The defaults are those of a production chain with blocks of three
	/// seconds.
	#[pallet::genesis_config]
	pub struct GenesisConfig<T: Config> {
		/// Shortest time in which a key may be revealed.
		pub min_reveal: u32,
		/// Longest time for that.
		pub max_reveal: u32,
		/// Shortest time for evidence.
		pub min_dispute: u32,
		/// Longest time for that.
		pub max_dispute: u32,
		/// How far ahead terms may expire.
		pub max_validity: u32,
		/// How long a bond takes to come out.
		pub unbonding: u32,
		/// How long a subscription lasts after its end was asked for.
		pub notice: u32,
		/// Ties the type to the chain.
		#[serde(skip)]
		pub _config: core::marker::PhantomData<T>,
	}

	impl<T: Config> Default for GenesisConfig<T> {
		fn default() -> Self {
			let Windows {
				min_reveal,
				max_reveal,
				min_dispute,
				max_dispute,
				max_validity,
				unbonding,
				notice,
			} = Windows::default();
			Self {
				min_reveal,
				max_reveal,
				min_dispute,
				max_dispute,
				max_validity,
				unbonding,
				notice,
				_config: Default::default(),
			}
		}
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			let windows = Windows {
				min_reveal: self.min_reveal,
				max_reveal: self.max_reveal,
				min_dispute: self.min_dispute,
				max_dispute: self.max_dispute,
				max_validity: self.max_validity,
				unbonding: self.unbonding,
				notice: self.notice,
			};
			assert!(windows.are_sound(), "windows that contradict each other");
			Bounds::<T>::put(windows);
		}
	}

	/// What happened.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// Something is for sale.
		ListingCreated {
			/// Its number.
			listing: ListingId,
			/// Who sells.
			seller: AccountId,
			/// Whose readings.
			device: DeviceId,
		},
		/// A listing has another version.
		ListingUpdated {
			/// Its number.
			listing: ListingId,
			/// The version.
			version: u32,
		},
		/// A listing is gone.
		ListingClosed {
			/// Its number.
			listing: ListingId,
		},
		/// A bond grew.
		BondAdded {
			/// Whose.
			seller: AccountId,
			/// By how much.
			amount: Balance,
			/// To how much.
			bond: Balance,
		},
		/// A part of a bond is on its way out.
		UnbondingStarted {
			/// Whose.
			seller: AccountId,
			/// How much, with what was on its way before.
			unbonding: Balance,
			/// Block from which it can be taken.
			at: u32,
		},
		/// A part of a bond came out.
		BondWithdrawn {
			/// Whose.
			seller: AccountId,
			/// How much.
			amount: Balance,
		},
		/// Readings were bought, and the price is held.
		Purchased {
			/// The sale.
			sale: SaleId,
			/// Its listing.
			listing: ListingId,
			/// Who sells.
			seller: AccountId,
			/// Who buys.
			buyer: AccountId,
			/// The price.
			price: Balance,
			/// Last block in which the key may be revealed.
			deadline: u32,
		},
		/// The seller's half of a key is known.
		KeyRevealed {
			/// The sale.
			sale: SaleId,
			/// The key.
			key: BlindedKey,
			/// Last block in which evidence is heard.
			deadline: u32,
		},
		/// A sale was paid.
		SaleSettled {
			/// The sale.
			sale: SaleId,
			/// Who sold.
			seller: AccountId,
			/// Who bought.
			buyer: AccountId,
			/// What the seller got.
			received: Balance,
			/// What others got of the price.
			shared: Balance,
			/// What was burnt.
			fee: Balance,
			/// The buyer's rating, if the buyer ended it.
			rating: Option<u8>,
		},
		/// A sale was given back because no key came.
		SaleRefunded {
			/// The sale.
			sale: SaleId,
			/// Who sold.
			seller: AccountId,
			/// Who bought.
			buyer: AccountId,
			/// The price, which the buyer has again.
			price: Balance,
			/// What the buyer got besides.
			compensation: Balance,
		},
		/// A seller was convicted.
		SellerConvicted {
			/// The sale.
			sale: SaleId,
			/// Who sold.
			seller: AccountId,
			/// Who bought.
			buyer: AccountId,
			/// Who showed the evidence.
			by: AccountId,
			/// The price, which the buyer has again.
			price: Balance,
			/// What the buyer got besides.
			compensation: Balance,
			/// What was burnt of the bond.
			burnt: Balance,
		},
		/// One sale of many could not be ended now. The others are not affected.
		NotEnded {
			/// The sale.
			sale: SaleId,
			/// Why.
			reason: DispatchError,
		},
		/// A standing order was made.
		Subscribed {
			/// Its number.
			subscription: SubscriptionId,
			/// Under which listing.
			listing: ListingId,
			/// Who buys.
			subscriber: AccountId,
			/// The money.
			amount: Balance,
			/// Last block.
			ends: u32,
		},
		/// One epoch of many was not taken. The others are not affected.
		EpochRefused {
			/// The subscription.
			subscription: SubscriptionId,
			/// The sale that it would have been.
			sale: SaleId,
			/// Why.
			reason: DispatchError,
		},
		/// A subscription was given notice.
		SubscriptionEnding {
			/// Its number.
			subscription: SubscriptionId,
			/// Last block.
			ends: u32,
		},
		/// A subscription is over, and what was left of its money is free.
		SubscriptionClosed {
			/// Its number.
			subscription: SubscriptionId,
			/// What was left.
			left: Balance,
		},
		/// Somebody looks for readings.
		RequestPosted {
			/// Its number.
			request: RequestId,
			/// Who.
			buyer: AccountId,
		},
		/// A request is gone.
		RequestRemoved {
			/// Its number.
			request: RequestId,
		},
		/// A pool was made.
		PoolCreated {
			/// Its number.
			pool: PoolId,
			/// Who issues shares.
			manager: AccountId,
		},
		/// A member of a pool has so many shares from now on.
		SharesSet {
			/// The pool.
			pool: PoolId,
			/// The member.
			member: AccountId,
			/// Shares.
			shares: u32,
		},
		/// A member of a pool was paid.
		ShareClaimed {
			/// The pool.
			pool: PoolId,
			/// The member.
			member: AccountId,
			/// How much.
			amount: Balance,
		},
		/// A pool is gone.
		PoolClosed {
			/// Its number.
			pool: PoolId,
			/// What went to the manager.
			returned: Balance,
		},
	}

	/// Why something was refused. Nothing was changed.
	#[pallet::error]
	pub enum Error<T> {
		/// There is no such listing.
		UnknownListing,
		/// The listing or the bond is another seller's, or there is no bond.
		NotSeller,
		/// The seller is neither the device nor its owner.
		NotSellersDevice,
		/// The device has no such open stream.
		UnknownStream,
		/// The stream is open to all: there is nothing to sell.
		StreamNotPrivate,
		/// An endpoint is empty or has characters other than printable ASCII.
		InvalidEndpoint,
		/// An area has characters other than printable ASCII.
		InvalidArea,
		/// The parts of a payout are zero or more than the whole.
		InvalidSplit,
		/// Nothing can be measured between the two times.
		InvalidTimes,
		/// A promise that nothing can keep, or nothing can break.
		InvalidClaims,
		/// Numbers, versions or shares are exhausted.
		NumbersExhausted,
		/// The free money of the account that pays does not cover it.
		CannotPay,
		/// The amount is zero.
		ZeroAmount,
		/// The bond would stay, or is, too small.
		BondTooSmall,
		/// It is too early for this.
		TooEarly,
		/// The terms are for another buyer.
		NotBuyer,
		/// Seller and buyer are the same.
		BuyerIsSeller,
		/// The listing has another version.
		StaleVersion,
		/// The terms name another seller, device or stream than the listing.
		NotAsListed,
		/// The device has another generation than the terms or the listing say.
		GenerationMismatch,
		/// The device is not active.
		DeviceNotActive,
		/// The range begins before the present generation's first anchor.
		BeforeGeneration,
		/// The price is above the listing's.
		PriceTooHigh,
		/// The price does not cover the fees of purchase and reveal.
		PriceTooLow,
		/// The terms have expired.
		TermsExpired,
		/// The terms expire too far ahead.
		ValidTooLong,
		/// A window is shorter or longer than the chain allows.
		WindowOutOfBounds,
		/// These terms were bought before.
		TermsUsed,
		/// The signer may not sell for the seller.
		SignerMayNotSell,
		/// The signature is not the signer's over these terms on this chain.
		BadSignature,
		/// There is no such sale, or it ended.
		UnknownSale,
		/// This is not the key that the terms commit to.
		WrongKey,
		/// The key is known already.
		AlreadyRevealed,
		/// The time for revealing the key is over.
		RevealTooLate,
		/// The key is not known yet.
		NotRevealed,
		/// A rating is from 1 to 5.
		InvalidRating,
		/// The time for evidence is over.
		DisputeTooLate,
		/// The evidence is about other terms.
		OtherTerms,
		/// This is not the blind that the terms commit to.
		WrongBlind,
		/// The sale has no such position.
		NoSuchPosition,
		/// Path, place, position, ciphertext or leaf hash is not what the seller signed for.
		NotInSale,
		/// The leaf opens as it should.
		NothingWrong,
		/// The listing did not promise that.
		NotClaimed,
		/// The leaf does not open, which is evidence of another kind.
		LeafDoesNotOpen,
		/// The promise is about other leaves.
		WrongLeaves,
		/// The readings are as promised.
		AsClaimed,
		/// There is no such subscription.
		UnknownSubscription,
		/// The subscription is another's.
		NotSubscriber,
		/// The subscription is over, or would be before it began.
		SubscriptionOver,
		/// The subscription ends as soon already.
		EndsSooner,
		/// The epoch costs more than the subscription allows for one.
		AboveCap,
		/// What is left of the subscription's money does not cover the epoch.
		SubscriptionSpent,
		/// The countersignature is not the subscription's signer's over these terms.
		BadCountersignature,
		/// There is no such request.
		UnknownRequest,
		/// The request is another's and has not expired.
		NotRequester,
		/// The expiry is not in the future.
		AlreadyExpired,
		/// There is no such pool.
		UnknownPool,
		/// The pool is another's.
		NotPoolManager,
		/// Sales that pay into the pool are open.
		PoolInUse,
		/// The pool has members.
		PoolNotEmpty,
		/// The member is owed nothing, or there is no such member.
		NothingOwed,
		/// The account cannot receive so little.
		CannotReceive,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		/// Removes marks of terms that have expired: at most [`MAX_PRUNED`], and as many as fit.
		fn on_idle(_: BlockNumberFor<T>, remaining: Weight) -> Weight {
			let mut meter = WeightMeter::with_limit(remaining);
			let mut affordable = 0;
			while affordable < MAX_PRUNED && meter.can_consume(T::WeightInfo::prune_marks(affordable + 1)) {
				affordable += 1;
			}
			if affordable > 0 {
				let removed = Self::prune_marks(affordable);
				meter.consume(T::WeightInfo::prune_marks(removed));
			}
			meter.consumed()
		}

		fn integrity_test() {
			assert!(T::MinPrice::get() > 0, "a purchase must hold money");
			assert!(
				T::FixedCover::get() >= Self::seller_deposit(),
				"a bond must cover the deposit for its record"
			);
			assert!(Windows::default().are_sound(), "the default windows");
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Offers readings of a private stream.
		///
		/// ## Dispatch origin
		/// Signed by whoever may manage the device; to name or change a terms key or a payout, may trade for the
		/// seller too, because these decide where money goes.
		///
		/// ## Details
		/// The seller is an ordinary account that owns the device, or the device itself. The deposit is held on
		/// the seller's account, within its budget if a key or an operator signs.
		///
		/// ## Parameters
		/// - `seller`: the device that sells; `None` for the signer, or the device of the signing key.
		/// - `spec`: what is offered.
		///
		/// ## Errors
		/// [`Error::NotSellersDevice`], [`Error::UnknownStream`], [`Error::StreamNotPrivate`],
		/// [`Error::InvalidEndpoint`], [`Error::InvalidArea`], [`Error::InvalidSplit`],
		/// [`Error::InvalidTimes`], [`Error::InvalidClaims`], [`Error::UnknownPool`],
		/// [`Error::NotPoolManager`], [`Error::NumbersExhausted`], [`Error::CannotPay`], and those of
		/// [`DeviceAuthority`] and of [`SpendLimit::spend`].
		///
		/// ## Events
		/// [`Event::ListingCreated`].
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::create_listing()
			.saturating_add(T::Devices::weight().saturating_mul(2))
			.saturating_add(Pallet::<T>::trading_weight()))]
		pub fn create_listing(
			origin: OriginFor<T>,
			seller: Option<DeviceId>,
			spec: Box<ListingSpec>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_create_listing(&who, seller, *spec)
		}

		/// Changes a listing, which makes another version: terms under the old one cannot be bought any more.
		///
		/// ## Dispatch origin
		/// As for [`Pallet::create_listing`].
		///
		/// ## Details
		/// Sales that were bought go on as they are. The new version has the device's present generation.
		///
		/// ## Parameters
		/// - `seller`: as for [`Pallet::create_listing`].
		/// - `listing`: which.
		/// - `spec`: what is offered from now on. Device and stream stay.
		///
		/// ## Errors
		/// [`Error::UnknownListing`], [`Error::NotSeller`], [`Error::NotAsListed`], and those of
		/// [`Pallet::create_listing`].
		///
		/// ## Events
		/// [`Event::ListingUpdated`].
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::update_listing().saturating_add(T::Devices::weight().saturating_mul(3)))]
		pub fn update_listing(
			origin: OriginFor<T>,
			seller: Option<DeviceId>,
			listing: ListingId,
			spec: Box<ListingSpec>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_update_listing(&who, seller, listing, *spec)
		}

		/// Removes a listing and returns its deposit. Sales that were bought go on.
		///
		/// ## Dispatch origin
		/// Signed by the seller, or by whoever may wind down for it.
		///
		/// ## Parameters
		/// - `seller`: as for [`Pallet::create_listing`].
		/// - `listing`: which.
		///
		/// ## Errors
		/// [`Error::UnknownListing`], [`Error::NotSeller`], and those of [`DeviceAuthority::participant`].
		///
		/// ## Events
		/// [`Event::ListingClosed`].
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::close_listing().saturating_add(T::Devices::weight()))]
		pub fn close_listing(
			origin: OriginFor<T>,
			seller: Option<DeviceId>,
			listing: ListingId,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let seller = T::Devices::participant(&who, seller.as_ref(), Action::Close)?;
			Self::do_close_listing(&seller, listing)
		}

		/// Adds to the seller's bond, which covers its sales.
		///
		/// ## Dispatch origin
		/// Signed by the seller, or by whoever may trade for it within its budget.
		///
		/// ## Parameters
		/// - `seller`: the device that sells; `None` for the signer, or the device of the signing key.
		/// - `amount`: how much. Together with what is there at least [`Config::FixedCover`].
		///
		/// ## Errors
		/// [`Error::ZeroAmount`], [`Error::BondTooSmall`], [`Error::CannotPay`], those of
		/// [`DeviceAuthority::participant`] and of [`SpendLimit::spend`].
		///
		/// ## Events
		/// [`Event::BondAdded`].
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::add_bond().saturating_add(Pallet::<T>::trading_weight()))]
		pub fn add_bond(origin: OriginFor<T>, seller: Option<DeviceId>, amount: Balance) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let seller = T::Devices::participant(&who, seller.as_ref(), Action::Trade)?;
			Self::do_add_bond(&who, seller, amount)
		}

		/// Sends a part of the bond on its way out. It covers no new sale any more.
		///
		/// ## Dispatch origin
		/// Signed by the seller, or by whoever may wind down for it.
		///
		/// ## Details
		/// What covers open sales stays. What was on its way before waits again with the rest.
		///
		/// ## Parameters
		/// - `seller`: as for [`Pallet::add_bond`].
		/// - `amount`: how much. What stays is nothing or at least [`Config::FixedCover`].
		///
		/// ## Errors
		/// [`Error::ZeroAmount`], [`Error::NotSeller`], [`Error::BondTooSmall`], and those of
		/// [`DeviceAuthority::participant`].
		///
		/// ## Events
		/// [`Event::UnbondingStarted`].
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::start_unbonding().saturating_add(T::Devices::weight()))]
		pub fn start_unbonding(
			origin: OriginFor<T>,
			seller: Option<DeviceId>,
			amount: Balance,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let seller = T::Devices::participant(&who, seller.as_ref(), Action::Close)?;
			Self::do_start_unbonding(seller, amount)
		}

		/// Frees what of a bond is out. The last of it takes the seller's record along.
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Parameters
		/// - `seller`: whose bond.
		///
		/// ## Errors
		/// [`Error::NotSeller`], [`Error::ZeroAmount`] if nothing is on its way, [`Error::TooEarly`].
		///
		/// ## Events
		/// [`Event::BondWithdrawn`].
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::withdraw_bond())]
		pub fn withdraw_bond(origin: OriginFor<T>, seller: AccountId) -> DispatchResult {
			ensure_signed(origin)?;
			Self::do_withdraw_bond(seller)
		}

		/// Buys on terms that the seller signed. The price is held, and as much of the seller's bond is locked,
		/// with [`Config::FixedCover`] on top.
		///
		/// ## Dispatch origin
		/// Signed by the buyer, or by whoever may trade for it within its budget.
		///
		/// ## Details
		/// Buyers check the sealed leaves before this, against anchors from finalized blocks.
		///
		/// ## Parameters
		/// - `buyer`: the device that buys; `None` for the signer, or the device of the signing key.
		/// - `offer`: the signed terms.
		///
		/// ## Errors
		/// In the order in which they are checked: those of [`DeviceAuthority::participant`];
		/// [`Error::NotBuyer`]; [`Error::BuyerIsSeller`]; [`Error::TermsUsed`]; [`Error::TermsExpired`],
		/// [`Error::ValidTooLong`]; [`Error::WindowOutOfBounds`]; [`Error::PriceTooLow`];
		/// [`Error::UnknownListing`], [`Error::StaleVersion`], [`Error::NotAsListed`],
		/// [`Error::PriceTooHigh`]; [`Error::GenerationMismatch`], [`Error::DeviceNotActive`], [`Error::BeforeGeneration`];
		/// [`Error::SignerMayNotSell`], [`Error::BadSignature`]; those of [`SpendLimit::spend`];
		/// [`Error::CannotPay`]; [`Error::BondTooSmall`].
		///
		/// ## Events
		/// [`Event::Purchased`].
		#[pallet::call_index(6)]
		#[pallet::weight(Pallet::<T>::purchase_weight())]
		pub fn purchase(
			origin: OriginFor<T>,
			buyer: Option<DeviceId>,
			offer: Box<SignedTerms>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let buyer = T::Devices::participant(&who, buyer.as_ref(), Action::Trade)?;
			Self::do_purchase(&who, buyer, &offer)
		}

		/// Publishes the seller's half of the key of a sale. From now on evidence is heard.
		///
		/// ## Dispatch origin
		/// Signed by anybody who knows it.
		///
		/// ## Parameters
		/// - `sale`: which.
		/// - `key`: the key, which opens nothing without the buyer's half.
		///
		/// ## Errors
		/// [`Error::UnknownSale`], [`Error::AlreadyRevealed`], [`Error::RevealTooLate`] after the deadline's
		/// block, [`Error::WrongKey`].
		///
		/// ## Events
		/// [`Event::KeyRevealed`].
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::reveal_key())]
		pub fn reveal_key(origin: OriginFor<T>, sale: SaleId, key: BlindedKey) -> DispatchResult {
			ensure_signed(origin)?;
			Self::do_reveal_key(sale, key)
		}

		/// Pays the seller at once and rates the sale. The rating weighs what the sale costs in protocol fees.
		///
		/// ## Dispatch origin
		/// Signed by the buyer, or by whoever may trade or wind down for it.
		///
		/// ## Parameters
		/// - `buyer`: as for [`Pallet::purchase`].
		/// - `sale`: which.
		/// - `rating`: from 1, the worst, to 5.
		///
		/// ## Errors
		/// [`Error::InvalidRating`], [`Error::UnknownSale`], [`Error::NotBuyer`], [`Error::NotRevealed`], and
		/// those of [`DeviceAuthority::participant`].
		///
		/// ## Events
		/// [`Event::SaleSettled`].
		#[pallet::call_index(8)]
		#[pallet::weight(T::WeightInfo::accept().saturating_add(T::Devices::weight().saturating_mul(2)))]
		pub fn accept(
			origin: OriginFor<T>,
			buyer: Option<DeviceId>,
			sale: SaleId,
			rating: u8,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let buyer = Self::trader_or_closer(&who, buyer.as_ref())?;
			Self::do_accept(&buyer, sale, rating)
		}

		/// Pays for sales whose time for evidence is over. Each stands alone.
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Parameters
		/// - `sales`: which.
		///
		/// ## Errors
		/// None. A sale that cannot be paid now is reported by an event: [`Error::UnknownSale`],
		/// [`Error::NotRevealed`], [`Error::TooEarly`].
		///
		/// ## Events
		/// For each sale [`Event::SaleSettled`] or [`Event::NotEnded`].
		#[pallet::call_index(9)]
		#[pallet::weight(T::WeightInfo::settle(sales.len() as u32))]
		pub fn settle(
			origin: OriginFor<T>,
			sales: BoundedVec<SaleId, ConstU32<MAX_SETTLED>>,
		) -> DispatchResult {
			ensure_signed(origin)?;
			Self::end_each(sales, Self::do_settle);
			Ok(())
		}

		/// Gives back sales whose key did not come in time. Each stands alone.
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Parameters
		/// - `sales`: which.
		///
		/// ## Errors
		/// None. A sale that cannot be given back now is reported by an event: [`Error::UnknownSale`],
		/// [`Error::AlreadyRevealed`], [`Error::TooEarly`].
		///
		/// ## Events
		/// For each sale [`Event::SaleRefunded`] or [`Event::NotEnded`].
		#[pallet::call_index(10)]
		#[pallet::weight(T::WeightInfo::refund(sales.len() as u32)
			.saturating_add(T::SpendLimit::weight().saturating_mul(sales.len() as u64)))]
		pub fn refund(
			origin: OriginFor<T>,
			sales: BoundedVec<SaleId, ConstU32<MAX_SETTLED>>,
		) -> DispatchResult {
			ensure_signed(origin)?;
			Self::end_each(sales, Self::do_refund);
			Ok(())
		}

		/// Convicts a seller that signed for a leaf that does not open to what was anchored. The buyer gets the
		/// price and [`Config::FixedCover`]; the rest of the cover is burnt.
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Details
		/// Only what the seller signed is looked at, no anchor: the pair leaf under the signed sale root holds
		/// the leaf hash, and the buyer compared that with the anchor before paying. The evidence makes the
		/// blind public, and with the sealed leaves the readings too.
		///
		/// ## Parameters
		/// - `sale`: which.
		/// - `evidence`: see `m2m_fair_exchange::evidence`.
		///
		/// ## Errors
		/// [`Error::UnknownSale`], [`Error::NotRevealed`], [`Error::DisputeTooLate`], [`Error::OtherTerms`],
		/// [`Error::WrongBlind`], [`Error::NoSuchPosition`], [`Error::NotInSale`], [`Error::NothingWrong`].
		///
		/// ## Events
		/// [`Event::SellerConvicted`].
		#[pallet::call_index(11)]
		#[pallet::weight(T::WeightInfo::prove_bad_leaf(evidence.leaf.path.len() as u32)
			.saturating_add(T::SpendLimit::weight()))]
		pub fn prove_bad_leaf(
			origin: OriginFor<T>,
			sale: SaleId,
			evidence: Box<SaleEvidence>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_prove_bad_leaf(who, sale, &evidence)
		}

		/// Convicts a seller whose listing promised something of the readings that is not so, with the same
		/// consequences as [`Pallet::prove_bad_leaf`].
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Parameters
		/// - `sale`: which.
		/// - `evidence`: see `m2m_fair_exchange::claims`.
		///
		/// ## Errors
		/// Those of [`Pallet::prove_bad_leaf`] but the last; [`Error::NotClaimed`],
		/// [`Error::LeafDoesNotOpen`], [`Error::WrongLeaves`], [`Error::AsClaimed`].
		///
		/// ## Events
		/// [`Event::SellerConvicted`].
		#[pallet::call_index(12)]
		#[pallet::weight(T::WeightInfo::prove_bad_claim(claim_levels(evidence))
			.saturating_add(T::SpendLimit::weight()))]
		pub fn prove_bad_claim(
			origin: OriginFor<T>,
			sale: SaleId,
			evidence: Box<ClaimEvidence>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_prove_bad_claim(who, sale, &evidence)
		}

		/// Sets money aside for epochs that the subscriber's client will countersign one by one.
		///
		/// ## Dispatch origin
		/// Signed by the subscriber, or by whoever may trade for it within its budget.
		///
		/// ## Parameters
		/// - `subscriber`: the device that buys; `None` for the signer, or the device of the signing key.
		/// - `listing`: under which all epochs are sold.
		/// - `cap`: most that an epoch may cost.
		/// - `amount`: the money for all of them.
		/// - `ends`: last block in which one can be delivered.
		/// - `signer`: account of the key that countersigns. It stays the same to the end, so that no epoch can
		///   be disowned after its key is known.
		///
		/// ## Errors
		/// [`Error::UnknownListing`], [`Error::BuyerIsSeller`], [`Error::ZeroAmount`],
		/// [`Error::SubscriptionOver`], [`Error::NumbersExhausted`], [`Error::CannotPay`], those of
		/// [`DeviceAuthority::participant`] and of [`SpendLimit::spend`].
		///
		/// ## Events
		/// [`Event::Subscribed`].
		#[pallet::call_index(13)]
		#[pallet::weight(T::WeightInfo::subscribe()
			.saturating_add(Pallet::<T>::trading_weight())
			.saturating_add(T::SpendLimit::weight()))]
		pub fn subscribe(
			origin: OriginFor<T>,
			subscriber: Option<DeviceId>,
			listing: ListingId,
			cap: Balance,
			amount: Balance,
			ends: u32,
			signer: AccountId,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let subscriber = T::Devices::participant(&who, subscriber.as_ref(), Action::Trade)?;
			Self::do_subscribe(&who, subscriber, listing, cap, amount, ends, signer)
		}

		/// Delivers epochs of a subscription: each is bought and its key revealed. Each stands alone.
		///
		/// ## Dispatch origin
		/// Signed by anybody who knows the keys.
		///
		/// ## Parameters
		/// - `subscription`: which.
		/// - `epochs`: at most 32.
		///
		/// ## Errors
		/// [`Error::UnknownSubscription`]. An epoch that is not taken is reported by an event:
		/// [`Error::SubscriptionOver`], [`Error::NotAsListed`], [`Error::AboveCap`],
		/// [`Error::SubscriptionSpent`], [`Error::WrongKey`], [`Error::BadCountersignature`], and those of
		/// [`Pallet::purchase`].
		///
		/// ## Events
		/// For each epoch [`Event::Purchased`] and [`Event::KeyRevealed`], or [`Event::EpochRefused`].
		#[pallet::call_index(14)]
		#[pallet::weight(T::WeightInfo::deliver(epochs.len() as u32)
			.saturating_add(T::Devices::weight().saturating_mul(epochs.len() as u64)))]
		pub fn deliver(
			origin: OriginFor<T>,
			subscription: SubscriptionId,
			epochs: BoundedVec<Epoch, ConstU32<MAX_EPOCHS>>,
		) -> DispatchResult {
			ensure_signed(origin)?;
			Self::do_deliver(subscription, epochs)
		}

		/// Gives notice of the end of a subscription, so that epochs already countersigned can still be
		/// delivered.
		///
		/// ## Dispatch origin
		/// Signed by the subscriber, or by whoever may trade or wind down for it.
		///
		/// ## Parameters
		/// - `subscriber`: as for [`Pallet::subscribe`].
		/// - `subscription`: which.
		///
		/// ## Errors
		/// [`Error::UnknownSubscription`], [`Error::NotSubscriber`], [`Error::EndsSooner`], and those of
		/// [`DeviceAuthority::participant`].
		///
		/// ## Events
		/// [`Event::SubscriptionEnding`].
		#[pallet::call_index(15)]
		#[pallet::weight(T::WeightInfo::end_subscription().saturating_add(T::Devices::weight().saturating_mul(2)))]
		pub fn end_subscription(
			origin: OriginFor<T>,
			subscriber: Option<DeviceId>,
			subscription: SubscriptionId,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let subscriber = Self::trader_or_closer(&who, subscriber.as_ref())?;
			Self::do_end_subscription(&subscriber, subscription)
		}

		/// Removes a subscription that is over and frees what is left of its money.
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Parameters
		/// - `subscription`: which.
		///
		/// ## Errors
		/// [`Error::UnknownSubscription`], [`Error::TooEarly`].
		///
		/// ## Events
		/// [`Event::SubscriptionClosed`].
		#[pallet::call_index(16)]
		#[pallet::weight(T::WeightInfo::close_subscription().saturating_add(T::SpendLimit::weight()))]
		pub fn close_subscription(origin: OriginFor<T>, subscription: SubscriptionId) -> DispatchResult {
			ensure_signed(origin)?;
			Self::do_close_subscription(subscription)
		}

		/// Says what readings somebody would buy. Sellers answer at the endpoint, with terms. Binds nobody.
		///
		/// ## Dispatch origin
		/// Signed by the buyer, or by whoever may manage it, within its budget.
		///
		/// ## Parameters
		/// - `buyer`: as for [`Pallet::purchase`].
		/// - `spec`: what is wanted.
		///
		/// ## Errors
		/// [`Error::InvalidEndpoint`], [`Error::InvalidArea`], [`Error::InvalidTimes`],
		/// [`Error::AlreadyExpired`], [`Error::NumbersExhausted`], [`Error::CannotPay`], and those of
		/// [`DeviceAuthority::participant`] and of [`SpendLimit::spend`].
		///
		/// ## Events
		/// [`Event::RequestPosted`].
		#[pallet::call_index(17)]
		#[pallet::weight(T::WeightInfo::post_request().saturating_add(Pallet::<T>::trading_weight()))]
		pub fn post_request(
			origin: OriginFor<T>,
			buyer: Option<DeviceId>,
			spec: Box<RequestSpec>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let buyer = T::Devices::participant(&who, buyer.as_ref(), Action::Manage)?;
			Self::do_post_request(&who, buyer, *spec)
		}

		/// Removes a request and returns its deposit.
		///
		/// ## Dispatch origin
		/// Signed by the buyer or whoever may wind down for it; by anybody once it has expired.
		///
		/// ## Parameters
		/// - `buyer`: as for [`Pallet::purchase`].
		/// - `request`: which.
		///
		/// ## Errors
		/// [`Error::UnknownRequest`], [`Error::NotRequester`], and those of [`DeviceAuthority::participant`].
		///
		/// ## Events
		/// [`Event::RequestRemoved`].
		#[pallet::call_index(18)]
		#[pallet::weight(T::WeightInfo::remove_request().saturating_add(T::Devices::weight()))]
		pub fn remove_request(
			origin: OriginFor<T>,
			buyer: Option<DeviceId>,
			request: RequestId,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_remove_request(&who, buyer.as_ref(), request)
		}

		/// Makes a pool, an account without a key that shares of sales are paid to.
		///
		/// ## Dispatch origin
		/// Signed by the manager, or by whoever may trade for it within its budget.
		///
		/// ## Details
		/// The existential deposit moves from the manager to the pool.
		///
		/// ## Parameters
		/// - `manager`: the device that manages it; `None` for the signer, or the device of the signing key.
		///
		/// ## Errors
		/// [`Error::NumbersExhausted`], [`Error::CannotPay`], those of [`DeviceAuthority::participant`] and of
		/// [`SpendLimit::spend`].
		///
		/// ## Events
		/// [`Event::PoolCreated`].
		#[pallet::call_index(19)]
		#[pallet::weight(T::WeightInfo::create_pool()
			.saturating_add(Pallet::<T>::trading_weight())
			.saturating_add(T::SpendLimit::weight()))]
		pub fn create_pool(origin: OriginFor<T>, manager: Option<DeviceId>) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let manager = T::Devices::participant(&who, manager.as_ref(), Action::Trade)?;
			Self::do_create_pool(&who, manager)
		}

		/// Sets the shares of a member of a pool. They count for sales purchased from now on.
		///
		/// ## Dispatch origin
		/// Signed by the manager, or by whoever may trade for it within its budget.
		///
		/// ## Details
		/// Only while no sale that pays into the pool is open: a share must not earn from a sale that was
		/// purchased before it was issued. The manager is the seller and decides when terms are signed. With
		/// zero shares the member is paid and removed; what it cannot receive stays in the pool.
		///
		/// ## Parameters
		/// - `manager`: as for [`Pallet::create_pool`].
		/// - `pool`: which.
		/// - `member`: whose shares.
		/// - `shares`: how many.
		///
		/// ## Errors
		/// [`Error::UnknownPool`], [`Error::NotPoolManager`], [`Error::PoolInUse`],
		/// [`Error::NumbersExhausted`], [`Error::CannotPay`], [`Error::NothingOwed`] if zero shares are set for
		/// somebody who has none, those of [`DeviceAuthority::participant`] and of [`SpendLimit::spend`].
		///
		/// ## Events
		/// [`Event::SharesSet`], and [`Event::ShareClaimed`] if the member leaves with money.
		#[pallet::call_index(20)]
		#[pallet::weight(T::WeightInfo::set_shares().saturating_add(Pallet::<T>::trading_weight()))]
		pub fn set_shares(
			origin: OriginFor<T>,
			manager: Option<DeviceId>,
			pool: PoolId,
			member: AccountId,
			shares: u32,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let manager = T::Devices::participant(&who, manager.as_ref(), Action::Trade)?;
			Self::do_set_shares(&who, &manager, pool, member, shares)
		}

		/// Pays a member of a pool what it is owed.
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Parameters
		/// - `pool`: which.
		/// - `member`: who.
		///
		/// ## Errors
		/// [`Error::UnknownPool`], [`Error::NothingOwed`], [`Error::CannotReceive`].
		///
		/// ## Events
		/// [`Event::ShareClaimed`].
		#[pallet::call_index(21)]
		#[pallet::weight(T::WeightInfo::claim())]
		pub fn claim(origin: OriginFor<T>, pool: PoolId, member: AccountId) -> DispatchResult {
			ensure_signed(origin)?;
			Self::do_claim(pool, member)
		}

		/// Removes a pool without members. What rounding left in it goes to the manager.
		///
		/// ## Dispatch origin
		/// Signed by the manager, or by whoever may wind down for it.
		///
		/// ## Parameters
		/// - `manager`: as for [`Pallet::create_pool`].
		/// - `pool`: which.
		///
		/// ## Errors
		/// [`Error::UnknownPool`], [`Error::NotPoolManager`], [`Error::PoolNotEmpty`], [`Error::PoolInUse`],
		/// and those of [`DeviceAuthority::participant`].
		///
		/// ## Events
		/// [`Event::PoolClosed`].
		#[pallet::call_index(22)]
		#[pallet::weight(T::WeightInfo::close_pool().saturating_add(T::Devices::weight()))]
		pub fn close_pool(origin: OriginFor<T>, manager: Option<DeviceId>, pool: PoolId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let manager = T::Devices::participant(&who, manager.as_ref(), Action::Close)?;
			Self::do_close_pool(&manager, pool)
		}
	}

	impl<T: Config> Pallet<T> {
		/// The present block.
		pub(crate) fn now() -> u32 {
			frame_system::Pallet::<T>::block_number().saturated_into()
		}

		/// Whoever acts for a participant in its own interest: as a trader, or else to wind down.
		fn trader_or_closer(who: &AccountId, device: Option<&DeviceId>) -> Result<AccountId, DispatchError> {
			T::Devices::participant(who, device, Action::Trade)
				.or_else(|_| T::Devices::participant(who, device, Action::Close))
		}

		fn trading_weight() -> Weight {
			T::Devices::weight().saturating_add(T::SpendLimit::weight())
		}

		/// Weight of a purchase: the price of a sale must cover the fee for it.
		pub fn purchase_weight() -> Weight {
			// Buyer and signer of the terms are looked up.
			T::WeightInfo::purchase()
				.saturating_add(Self::trading_weight())
				.saturating_add(T::Devices::weight())
		}
	}

	/// Levels of the longer path of the evidence.
	fn claim_levels(evidence: &ClaimEvidence) -> u32 {
		let second = evidence.second.as_ref().map_or(0, |leaf| leaf.path.len());
		evidence.first.path.len().max(second) as u32
	}
}
