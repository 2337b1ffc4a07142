#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
mod clearing;
mod markets;
mod members;
#[cfg(test)]
mod mock;
mod reads;
mod reporting;
mod settlement;
#[cfg(test)]
mod tests;
pub mod timeline;
mod try_state;
mod types;
pub mod weights;
mod window;

pub use pallet::*;
pub use reads::{MAX_PAGE, OpenBook};
pub use types::{
	Capacity, ClearedSlot, Entry, EntryStep, EntrySteps, Feeder, IgnoredReason, Ledger, MAX_ISSUERS, Market,
	MarketId, Member, MemberState, OrderedSlot, Parameters, Requirement, StreamRole, StreamUse, Terms,
	Totals, Window,
};
pub use weights::WeightInfo;

/// Money, in the smallest unit of the token.
pub type Balance = m2m_auction::Money;

/// Most entries in one `settle`.
pub const MAX_SETTLED: u32 = 256;

/// Most markets of which one block clears a slot by itself.
pub const MAX_CLEARED_MARKETS: u32 = 8;

/// Most pages of a book: sixteen a side.
pub const MAX_PAGES: u32 = 2 * m2m_auction::PAGES as u32;

/// Most blocks that a reporting window can ask for.
pub const MAX_WINDOW_BLOCKS: u8 = 100;

/// Most slot lengths that a reporting window can last.
pub const MAX_WINDOW_SLOTS: u64 = 8;

/// Sets the stage for benchmarks.
#[cfg(feature = "runtime-benchmarks")]
pub trait BenchmarkHelper {
	/// Registers device `number`. Returns its owner, who has money, its id and a key of all roles.
	fn device(number: u32) -> (m2m_device::AccountId, m2m_device::DeviceId, m2m_device::AccountId);
	/// Opens a stream of the device for its owner.
	fn open_stream(
		owner: &m2m_device::AccountId,
		device: &m2m_device::DeviceId,
		spec: m2m_anchor::StreamSpec,
	) -> m2m_anchor::StreamId;
	/// Lets an issuer, who is no device key and has money, vouch for a device for ever.
	fn attest(
		issuer: &m2m_device::AccountId,
		device: &m2m_device::DeviceId,
		topic: m2m_device::Topic,
		claim: sp_core::H256,
	);
	/// Lets the device's keys spend as much as they like.
	fn unlimited_budget(owner: &m2m_device::AccountId, device: &m2m_device::DeviceId);
	/// Makes [`Config::Time`] return `now`.
	fn set_unix_ms(now: m2m_device::UnixMs);
}

/// The pallet.
#[frame_support::pallet]
pub mod pallet {
	use super::Member;
	use super::*;
	use frame_support::{
		PalletId,
		pallet_prelude::*,
		traits::{Footprint, UnixTime, fungible},
		weights::WeightMeter,
	};
	use frame_system::pallet_prelude::*;
	use m2m_anchor::{StreamId, StreamInspect};
	use m2m_auction::{PriceOrder, PricePerKwh, Side, Slot, TickPage, Wh};
	use m2m_device::{AccountId, Action, DeviceAuthority, DeviceId, DeviceInspect, SpendLimit, UnixMs};
	use sp_core::H256;
	use sp_runtime::traits::Convert;

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(0);

	/// A day.
	const DEFAULT_NOTICE_MS: UnixMs = 24 * 60 * 60 * 1_000;

	/// The pallet.
	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// What the runtime provides.
	#[pallet::config]
	pub trait Config: frame_system::Config<AccountId = AccountId> {
		/// Who may act for a device, who owns it and who vouches for it.
		type Devices: DeviceAuthority + DeviceInspect;

		/// Streams, whose anchors this pallet is told of.
		type Streams: StreamInspect;

		/// What keys and operators of a device may spend of its money.
		type SpendLimit: SpendLimit;

		/// The token.
		type Currency: fungible::Mutate<AccountId, Balance = Balance>
			+ fungible::MutateHold<AccountId, Reason: From<HoldReason>>;

		/// The deposit for what is put into state. The footprint is one blob with all its bytes, the storage keys
		/// included.
		type DepositPrice: Convert<Footprint, Balance>;

		/// The clock.
		type Time: UnixTime;

		/// Who may hand a market to another operator.
		type CouncilOrigin: EnsureOrigin<Self::RuntimeOrigin>;

		/// Markets' accounts are its sub-accounts.
		#[pallet::constant]
		type PalletId: Get<PalletId>;

		/// Shortest delivery slot in seconds: two blocks.
		#[pallet::constant]
		type MinSlotSeconds: Get<u32>;

		/// Weights of the calls, of the market's part of an anchor, and of the hooks.
		type WeightInfo: WeightInfo;

		/// Sets the stage for benchmarks.
		#[cfg(feature = "runtime-benchmarks")]
		type BenchmarkHelper: BenchmarkHelper;
	}

	/// Why money is held.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// For a market's records, on the account of its first operator. Never released: markets stay.
		#[codec(index = 0)]
		MarketDeposit,
		/// For a membership's records, on the device's wallet. Released when the device has left.
		#[codec(index = 1)]
		MembershipDeposit,
	}

	/// Milliseconds by which the first slot of changed parameters lies ahead at least.
	#[pallet::storage]
	pub type NoticeMs<T: Config> = StorageValue<_, UnixMs, ValueQuery, DefaultNotice>;

	/// A day.
	#[pallet::type_value]
	pub fn DefaultNotice() -> UnixMs {
		DEFAULT_NOTICE_MS
	}

	/// Number of the next market.
	#[pallet::storage]
	pub type NextMarket<T: Config> = StorageValue<_, MarketId, ValueQuery>;

	/// Markets. Never removed.
	#[pallet::storage]
	pub type Markets<T: Config> = StorageMap<_, Twox64Concat, MarketId, Market>;

	/// What a report needs of each of [`Markets`].
	#[pallet::storage]
	pub type MarketTerms<T: Config> = StorageMap<_, Twox64Concat, MarketId, Terms>;

	/// Reserve and last price of each of [`Markets`]. Absent until the first slot is settled.
	#[pallet::storage]
	pub type Ledgers<T: Config> = StorageMap<_, Twox64Concat, MarketId, Ledger, ValueQuery>;

	/// Memberships. Removed when the device has left and its last entry is settled.
	#[pallet::storage]
	pub type Members<T: Config> =
		StorageDoubleMap<_, Twox64Concat, MarketId, Blake2_128Concat, DeviceId, Member>;

	/// The market in which a stream trades. There is an entry for both streams of each member that is not leaving, and
	/// one for the feeder of each market that has one. Removed with them, not with the stream.
	#[pallet::storage]
	pub type StreamUses<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, DeviceId, Twox64Concat, StreamId, StreamUse>;

	/// The member at each metering point. There is an entry for each admitted member.
	#[pallet::storage]
	pub type MeteringPoints<T: Config> = StorageMap<_, Blake2_128Concat, H256, (MarketId, DeviceId)>;

	/// Entries of members that have another one in their record. Removed at settlement.
	#[pallet::storage]
	pub type Entries<T: Config> = StorageNMap<
		_,
		(
			NMapKey<Twox64Concat, MarketId>,
			NMapKey<Twox64Concat, Slot>,
			NMapKey<Blake2_128Concat, DeviceId>,
		),
		Entry,
	>;

	/// The book of each of [`OpenSlots`], by side and number of the page; pages without orders are absent. Removed when
	/// the slot is cleared.
	#[pallet::storage]
	pub type Pages<T: Config> = StorageNMap<
		_,
		(
			NMapKey<Twox64Concat, MarketId>,
			NMapKey<Twox64Concat, Slot>,
			NMapKey<Identity, (Side, u8)>,
		),
		TickPage,
		OptionQuery,
	>;

	/// Slots that were reported and are not cleared, each market's in their order. Removed when they are cleared.
	#[pallet::storage]
	pub type OpenSlots<T: Config> =
		StorageDoubleMap<_, Twox64Concat, MarketId, Identity, OrderedSlot, Totals>;

	/// Slots that are cleared and have entries. Removed with the last one.
	#[pallet::storage]
	pub type ClearedSlots<T: Config> =
		StorageDoubleMap<_, Twox64Concat, MarketId, Twox64Concat, Slot, ClearedSlot>;

	/// Times of the last blocks but the present one, by number modulo 128. Overwritten for
	/// ever.
	#[pallet::storage]
	pub type BlockTimes<T: Config> = StorageMap<_, Identity, u32, UnixMs>;

	/// The market that is looked at first when the next block has time to spare.
	#[pallet::storage]
	pub type NextCleared<T: Config> = StorageValue<_, MarketId, ValueQuery>;

	/// How a chain begins.
	#[pallet::genesis_config]
	pub struct GenesisConfig<T: Config> {
		/// See [`NoticeMs`].
		pub notice_ms: UnixMs,
		/// Nothing.
		#[serde(skip)]
		pub _config: core::marker::PhantomData<T>,
	}

	impl<T: Config> Default for GenesisConfig<T> {
		fn default() -> Self {
			Self {
				notice_ms: DEFAULT_NOTICE_MS,
				_config: Default::default(),
			}
		}
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			NoticeMs::<T>::put(self.notice_ms);
		}
	}

	/// What happened.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A market was created.
		MarketCreated {
			/// Its number.
			market: MarketId,
			/// Who runs it.
			operator: AccountId,
			/// The account that holds its money.
			account: AccountId,
		},
		/// A market has other parameters from a slot on.
		ParametersSet {
			/// The market.
			market: MarketId,
			/// The first slot.
			first: Slot,
			/// The parameters.
			parameters: Parameters,
		},
		/// A market got a feeder meter, another one, or none any more.
		FeederSet {
			/// The market.
			market: MarketId,
			/// The meter.
			feeder: Option<Feeder>,
		},
		/// A market has another operator.
		MarketHandedOver {
			/// The market.
			market: MarketId,
			/// The old operator.
			from: AccountId,
			/// The new operator.
			to: AccountId,
		},
		/// A device asks to trade.
		Joined {
			/// The market.
			market: MarketId,
			/// The device.
			device: DeviceId,
			/// Stream of what it takes.
			import: StreamId,
			/// Stream of what it gives.
			export: StreamId,
		},
		/// A device trades from a slot on.
		Admitted {
			/// The market.
			market: MarketId,
			/// The device.
			device: DeviceId,
			/// The first slot.
			since: Slot,
			/// The metering point.
			point: H256,
			/// What counts of its energy.
			capacity: Capacity,
		},
		/// A device trades no more. Its last entries are to be settled.
		Leaving {
			/// The market.
			market: MarketId,
			/// The device.
			device: DeviceId,
		},
		/// A device is a member no more.
		Left {
			/// The market.
			market: MarketId,
			/// The device.
			device: DeviceId,
			/// The credit that went to its wallet.
			credit: Balance,
		},
		/// A standing order holds from a slot on.
		OrderSet {
			/// The market.
			market: MarketId,
			/// The device.
			device: DeviceId,
			/// The first slot.
			first: Slot,
			/// The order.
			order: PriceOrder,
		},
		/// Money went from a wallet to a credit.
		CreditToppedUp {
			/// The market.
			market: MarketId,
			/// The device.
			device: DeviceId,
			/// How much.
			amount: Balance,
		},
		/// Money went from a credit to a wallet.
		CreditWithdrawn {
			/// The market.
			market: MarketId,
			/// The device.
			device: DeviceId,
			/// How much.
			amount: Balance,
		},
		/// Metered energy counts for a slot.
		Reported {
			/// The market.
			market: MarketId,
			/// The slot.
			slot: Slot,
			/// The device.
			device: DeviceId,
			/// Whether it took or gave the energy.
			side: Side,
			/// Wh that the meter counted.
			metered: Wh,
			/// Wh of it that stand in the book.
			offered: Wh,
		},
		/// The feeder meter reported.
		FeederReported {
			/// The market.
			market: MarketId,
			/// The slot.
			slot: Slot,
			/// Wh that left the community.
			metered: Wh,
		},
		/// An anchor of a member's or feeder's stream counts for nothing.
		ReportIgnored {
			/// The market.
			market: MarketId,
			/// The device.
			device: DeviceId,
			/// The stream.
			stream: StreamId,
			/// Sequence number of the anchor.
			seq: u64,
			/// Why.
			reason: IgnoredReason,
		},
		/// A slot was cleared.
		SlotCleared {
			/// The market.
			market: MarketId,
			/// The slot.
			slot: Slot,
			/// The price per kWh; `None` if nothing trades.
			price: Option<PricePerKwh>,
			/// Wh that trade.
			volume_wh: u128,
			/// How many orders stood in the book.
			orders: u64,
		},
		/// The members of a slot report to have given more than others took and left the community.
		BalanceMismatch {
			/// The market.
			market: MarketId,
			/// The slot.
			slot: Slot,
			/// Wh that members gave.
			exported: Wh,
			/// Wh that members took.
			imported: Wh,
			/// Wh that left the community.
			feeder: Wh,
		},
		/// The bill of a device for a slot. It paid `(price + grid_fee) x bought` and earned `price x sold`.
		Settled {
			/// The market.
			market: MarketId,
			/// The slot.
			slot: Slot,
			/// The device.
			device: DeviceId,
			/// mWh bought.
			bought: u128,
			/// mWh sold.
			sold: u128,
			/// The price per kWh; `None` if nothing traded.
			price: Option<PricePerKwh>,
			/// The grid fee per kWh.
			grid_fee: PricePerKwh,
		},
		/// One entry was not settled; the others are not affected.
		SettlementRefused {
			/// The market.
			market: MarketId,
			/// The slot.
			slot: Slot,
			/// The device.
			device: DeviceId,
			/// Why.
			reason: DispatchError,
		},
		/// The last entry of a slot was settled. Nothing is left of it.
		SlotSettled {
			/// The market.
			market: MarketId,
			/// The slot.
			slot: Slot,
			/// Grid fees and rounding remainders that went to the reserve.
			reserved: Balance,
		},
		/// Money of the reserve went to the operator.
		ReserveWithdrawn {
			/// The market.
			market: MarketId,
			/// The operator.
			to: AccountId,
			/// How much.
			amount: Balance,
		},
	}

	/// Why something was refused. Nothing was changed.
	#[pallet::error]
	pub enum Error<T> {
		/// There is no such market.
		UnknownMarket,
		/// The signer does not run the market.
		NotOperator,
		/// A device key cannot run a market.
		OperatorIsDeviceKey,
		/// The slot length does not divide a day or is shorter than two blocks.
		InvalidSlotLength,
		/// The retail price is too high to reckon with.
		RetailTooHigh,
		/// A price, the margin or the fee is no multiple of 1,000,000 units per kWh.
		PriceNotExact,
		/// The margin is zero.
		NoMargin,
		/// The tick size is zero.
		NoTickSize,
		/// The number of ticks is zero or above 256.
		InvalidTickCount,
		/// The lowest price pays a seller less than feed-in tariff and margin.
		BottomTooLow,
		/// The highest price and the grid fee charge a buyer more than the retail tariff less the margin.
		TopTooHigh,
		/// The reporting window has no time or no blocks, or too many.
		InvalidWindow,
		/// The topic is malformed or no issuer is named.
		InvalidRequirement,
		/// All numbers were given out.
		NumbersExhausted,
		/// The operator's free balance does not cover it.
		OperatorCannotPay,
		/// The operator's account cannot receive it: it ended and stays below the existential deposit.
		OperatorCannotReceive,
		/// The first slot is nearer than the notice period.
		NoticeTooShort,
		/// Another change has not begun to hold.
		ChangePending,
		/// Slots that are not cleared need too many versions of the parameters. Clear them first.
		VersionStillNeeded,
		/// The stream is closed, is not of the right kind, unit, visibility or period, or serves both directions.
		UnsuitableStream,
		/// The stream or the metering point serves a membership already.
		MeterInUse,
		/// The device is a member already.
		AlreadyMember,
		/// The device is not a member.
		NotMember,
		/// The member was admitted already.
		AlreadyAdmitted,
		/// Nothing of the member's energy would count.
		NoCapacity,
		/// Nobody whom the market trusts vouches for this metering point.
		NotCertified,
		/// The member is leaving.
		MembershipEnding,
		/// The member has entries that are not settled.
		SettlementPending,
		/// A step of the order is good for 0 Wh.
		EmptyStep,
		/// The limits of bids do not strictly fall or those of asks do not strictly rise.
		StepsOutOfOrder,
		/// Slots that can be reported need too many of the member's orders. Wait for their windows to end.
		OrderStillNeeded,
		/// The amount is zero.
		ZeroAmount,
		/// The wallet's free balance above the existential deposit does not cover it.
		WalletCannotPay,
		/// The owner's free balance does not cover what the wallet lacks for the deposit.
		OwnerCannotPay,
		/// The credit is less.
		CreditTooLow,
		/// The reserve is less.
		ReserveTooLow,
		/// Nothing was reported for the slot, or it is settled.
		UnknownSlot,
		/// The slot can still be reported.
		WindowOpen,
		/// The slot is cleared.
		AlreadyCleared,
		/// The device has no entry in the slot.
		NothingToSettle,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_initialize(block: BlockNumberFor<T>) -> Weight {
			Self::note_time(block);
			T::WeightInfo::note_time()
		}

		fn on_idle(_: BlockNumberFor<T>, remaining: Weight) -> Weight {
			let mut meter = WeightMeter::with_limit(remaining);
			Self::clear_due_slots(&mut meter);
			meter.consumed()
		}

		fn integrity_test() {
			assert!(T::MinSlotSeconds::get() > 0, "a slot has a length");
			assert!(
				u32::from(MAX_WINDOW_BLOCKS) < crate::window::RING,
				"the ring reaches as far back as a window"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Creates a community market.
		///
		/// ## Dispatch origin
		/// Signed by its operator, an account that is no device key.
		///
		/// ## Details
		/// The operator pays the existential deposit of the market's account, and a deposit for its records is held on
		/// the operator for ever.
		///
		/// ## Parameters
		/// - `slot_seconds`: length of the delivery slots; it never changes.
		/// - `parameters`: tariffs, price grid, grid fee and reporting window.
		/// - `meters`: which meters are taken; `None` for all. It never changes.
		///
		/// ## Errors
		/// [`Error::OperatorIsDeviceKey`], [`Error::InvalidSlotLength`], [`Error::InvalidRequirement`], those of the
		/// pricing ([`Error::RetailTooHigh`] to [`Error::TopTooHigh`]), [`Error::InvalidWindow`],
		/// [`Error::NumbersExhausted`], [`Error::OperatorCannotPay`].
		///
		/// ## Events
		/// [`Event::MarketCreated`], [`Event::ParametersSet`].
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::create_market())]
		pub fn create_market(
			origin: OriginFor<T>,
			slot_seconds: u32,
			parameters: Parameters,
			meters: Option<Requirement>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_create_market(who, slot_seconds, parameters, meters)
		}

		/// Changes a market's parameters from a slot on.
		///
		/// ## Dispatch origin
		/// Signed by the operator.
		///
		/// ## Details
		/// A slot is reported and cleared by the parameters that hold for it, whenever that happens.
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `first`: the first slot; it begins at least [`NoticeMs`] from now.
		/// - `parameters`: tariffs, price grid, grid fee and reporting window.
		///
		/// ## Errors
		/// [`Error::UnknownMarket`], [`Error::NotOperator`], those of the pricing, [`Error::InvalidWindow`],
		/// [`Error::NoticeTooShort`], [`Error::ChangePending`], [`Error::VersionStillNeeded`].
		///
		/// ## Events
		/// [`Event::ParametersSet`].
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::set_parameters())]
		pub fn set_parameters(
			origin: OriginFor<T>,
			market: MarketId,
			first: Slot,
			parameters: Parameters,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_set_parameters(&who, market, first, parameters)
		}

		/// Names the meter at the transformer, or none. It is a check only: a mismatch is an event.
		///
		/// ## Dispatch origin
		/// Signed by the operator.
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `feeder`: the meter, with a stream as members have it, and the tolerance in Wh.
		///
		/// ## Errors
		/// [`Error::UnknownMarket`], [`Error::NotOperator`], [`Error::UnsuitableStream`], [`Error::MeterInUse`].
		///
		/// ## Events
		/// [`Event::FeederSet`].
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::set_feeder())]
		pub fn set_feeder(origin: OriginFor<T>, market: MarketId, feeder: Option<Feeder>) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_set_feeder(&who, market, feeder)
		}

		/// Gives a market another operator. The deposit stays where it is.
		///
		/// ## Dispatch origin
		/// [`Config::CouncilOrigin`].
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `to`: the new operator.
		///
		/// ## Errors
		/// [`Error::UnknownMarket`].
		///
		/// ## Events
		/// [`Event::MarketHandedOver`].
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::hand_over())]
		pub fn hand_over(origin: OriginFor<T>, market: MarketId, to: AccountId) -> DispatchResult {
			T::CouncilOrigin::ensure_origin(origin)?;
			Self::do_hand_over(market, to)
		}

		/// Asks to trade with a device.
		///
		/// ## Dispatch origin
		/// Signed by a key or an operator of the device with `manage`, or by its owner.
		///
		/// ## Details
		/// Both streams are taken at once. The deposit is held on the wallet; what the wallet lacks is moved there from
		/// the owner if the owner signs. If somebody else does, the deposit counts on the owner's budget.
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `device`: the device; `None` for the device of the signing key.
		/// - `import`, `export`: streams of what the device takes and gives: open to all, of kind `interval`, in `Wh`
		///   at scale 0, with the market's slot length as period and a cadence that divides it.
		///
		/// ## Errors
		/// [`Error::UnknownMarket`], [`Error::AlreadyMember`], [`Error::UnsuitableStream`], [`Error::MeterInUse`],
		/// [`Error::WalletCannotPay`], [`Error::OwnerCannotPay`], and those of [`DeviceAuthority::authorize`] and
		/// [`SpendLimit::spend`].
		///
		/// ## Events
		/// [`Event::Joined`].
		#[pallet::call_index(4)]
		#[pallet::weight(
			T::WeightInfo::join()
				.saturating_add(T::Devices::weight())
				.saturating_add(T::SpendLimit::weight())
		)]
		pub fn join(
			origin: OriginFor<T>,
			market: MarketId,
			device: Option<DeviceId>,
			import: StreamId,
			export: StreamId,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let device = T::Devices::authorize(&who, device.as_ref(), Action::Manage)?;
			Self::do_join(&who, market, device, import, export)
		}

		/// Lets a device trade from the next slot on.
		///
		/// ## Dispatch origin
		/// Signed by the operator.
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `device`: a device that joined.
		/// - `point`: the metering point. If the market asks for certified meters, the hash of the claim that certifies
		///   this one.
		/// - `capacity`: the most Wh that count in a slot.
		///
		/// ## Errors
		/// [`Error::UnknownMarket`], [`Error::NotOperator`], [`Error::NotMember`], [`Error::AlreadyAdmitted`],
		/// [`Error::MembershipEnding`], [`Error::NoCapacity`], [`Error::NotCertified`], [`Error::MeterInUse`].
		///
		/// ## Events
		/// [`Event::Admitted`].
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::admit())]
		pub fn admit(
			origin: OriginFor<T>,
			market: MarketId,
			device: DeviceId,
			point: H256,
			capacity: Capacity,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_admit(&who, market, device, point, capacity)
		}

		/// Sets what a device wants in every slot, from the next one on.
		///
		/// ## Dispatch origin
		/// Signed by a key or an operator of the device with `trade`, or by its owner.
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `device`: the device; `None` for the device of the signing key.
		/// - `order`: up to four steps a side; an empty one trades nothing.
		///
		/// ## Errors
		/// [`Error::EmptyStep`], [`Error::StepsOutOfOrder`], [`Error::UnknownMarket`], [`Error::NotMember`],
		/// [`Error::MembershipEnding`], [`Error::OrderStillNeeded`], and those of [`DeviceAuthority::authorize`].
		///
		/// ## Events
		/// [`Event::OrderSet`].
		#[pallet::call_index(6)]
		#[pallet::weight(T::WeightInfo::set_order().saturating_add(T::Devices::weight()))]
		pub fn set_order(
			origin: OriginFor<T>,
			market: MarketId,
			device: Option<DeviceId>,
			order: PriceOrder,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let device = T::Devices::authorize(&who, device.as_ref(), Action::Trade)?;
			Self::do_set_order(market, device, order)
		}

		/// Moves money from a device's wallet to its credit.
		///
		/// ## Dispatch origin
		/// Signed by a key or an operator of the device with `trade`, within the budget that the owner set; or by the
		/// owner, without limit.
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `device`: the device; `None` for the device of the signing key.
		/// - `amount`: how much.
		///
		/// ## Errors
		/// [`Error::ZeroAmount`], [`Error::NotMember`], [`Error::MembershipEnding`], [`Error::WalletCannotPay`], and
		/// those of [`DeviceAuthority::authorize`] and [`SpendLimit::spend`].
		///
		/// ## Events
		/// [`Event::CreditToppedUp`].
		#[pallet::call_index(7)]
		#[pallet::weight(
			T::WeightInfo::top_up()
				.saturating_add(T::Devices::weight())
				.saturating_add(T::SpendLimit::weight())
		)]
		pub fn top_up(
			origin: OriginFor<T>,
			market: MarketId,
			device: Option<DeviceId>,
			amount: Balance,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let device = T::Devices::authorize(&who, device.as_ref(), Action::Trade)?;
			Self::do_top_up(&who, market, device, amount)
		}

		/// Moves money from a device's credit to its wallet.
		///
		/// ## Dispatch origin
		/// Signed by a key or an operator of the device with `manage`, or by its owner, whatever the device's status.
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `device`: the device; `None` for the device of the signing key.
		/// - `amount`: how much; `None` for all.
		///
		/// ## Errors
		/// [`Error::NotMember`], [`Error::ZeroAmount`], [`Error::CreditTooLow`], and those of
		/// [`DeviceAuthority::authorize`].
		///
		/// ## Events
		/// [`Event::CreditWithdrawn`].
		#[pallet::call_index(8)]
		#[pallet::weight(T::WeightInfo::withdraw_credit().saturating_add(T::Devices::weight()))]
		pub fn withdraw_credit(
			origin: OriginFor<T>,
			market: MarketId,
			device: Option<DeviceId>,
			amount: Option<Balance>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let device = T::Devices::authorize(&who, device.as_ref(), Action::Close)?;
			Self::do_withdraw_credit(market, device, amount)
		}

		/// Ends a membership.
		///
		/// ## Dispatch origin
		/// Signed by a key or an operator of the device with `manage`, or by its owner, whatever the device's status;
		/// by anybody once the member is leaving.
		///
		/// ## Details
		/// The device trades no more at once. If all its entries are settled, credit and deposit go to the wallet and
		/// the membership is over; otherwise the call is made again after that.
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `device`: the device; `None` for the device of the signing key.
		///
		/// ## Errors
		/// [`Error::NotMember`], [`Error::SettlementPending`], and those of [`DeviceAuthority::authorize`].
		///
		/// ## Events
		/// [`Event::Leaving`] or [`Event::Left`].
		#[pallet::call_index(9)]
		#[pallet::weight(T::WeightInfo::leave().saturating_add(T::Devices::weight()))]
		pub fn leave(origin: OriginFor<T>, market: MarketId, device: Option<DeviceId>) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let device = match device {
				Some(device) if Self::is_leaving(market, &device) => device,
				device => T::Devices::authorize(&who, device.as_ref(), Action::Close)?,
			};
			Self::do_leave(market, device)
		}

		/// Ends the membership of a device, as [`Pallet::leave`] does.
		///
		/// ## Dispatch origin
		/// Signed by the operator.
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `device`: the device.
		///
		/// ## Errors
		/// [`Error::UnknownMarket`], [`Error::NotOperator`], [`Error::NotMember`], [`Error::SettlementPending`].
		///
		/// ## Events
		/// [`Event::Leaving`] or [`Event::Left`].
		#[pallet::call_index(10)]
		#[pallet::weight(T::WeightInfo::remove_member())]
		pub fn remove_member(origin: OriginFor<T>, market: MarketId, device: DeviceId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::ensure_operator(&who, market)?;
			Self::do_leave(market, device)
		}

		/// Clears a slot whose reporting window is over. The result is the same whoever clears it and whenever.
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `slot`: the slot.
		///
		/// ## Errors
		/// [`Error::UnknownSlot`], [`Error::AlreadyCleared`], [`Error::WindowOpen`].
		///
		/// ## Events
		/// [`Event::SlotCleared`]; [`Event::BalanceMismatch`].
		#[pallet::call_index(11)]
		#[pallet::weight(T::WeightInfo::clear(MAX_PAGES))]
		pub fn clear(origin: OriginFor<T>, market: MarketId, slot: Slot) -> DispatchResultWithPostInfo {
			ensure_signed(origin)?;
			let pages = Self::do_clear(market, slot)?;
			Ok(Some(T::WeightInfo::clear(pages)).into())
		}

		/// Settles entries of a slot, which is cleared first if need be. Who settles, and in which order, changes
		/// nobody's result.
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `slot`: the slot.
		/// - `devices`: whose entries; each stands alone.
		///
		/// ## Errors
		/// [`Error::UnknownSlot`], [`Error::WindowOpen`]. What is wrong with one entry is reported by an event:
		/// [`Error::NotMember`], [`Error::NothingToSettle`].
		///
		/// ## Events
		/// For each device [`Event::Settled`] or [`Event::SettlementRefused`]; [`Event::SlotSettled`] after the last
		/// entry; those of [`Pallet::clear`].
		#[pallet::call_index(12)]
		#[pallet::weight(
			T::WeightInfo::settle_apart(devices.len() as u32)
				.saturating_add(T::WeightInfo::clear(MAX_PAGES))
		)]
		pub fn settle(
			origin: OriginFor<T>,
			market: MarketId,
			slot: Slot,
			devices: BoundedVec<DeviceId, ConstU32<MAX_SETTLED>>,
		) -> DispatchResultWithPostInfo {
			ensure_signed(origin)?;
			let used = Self::do_settle(market, slot, devices.into_inner())?;
			Ok(Some(used).into())
		}

		/// Pays grid fees and rounding remainders to the operator.
		///
		/// ## Dispatch origin
		/// Signed by the operator.
		///
		/// ## Parameters
		/// - `market`: the market.
		/// - `amount`: how much; `None` for all.
		///
		/// ## Errors
		/// [`Error::UnknownMarket`], [`Error::NotOperator`], [`Error::ZeroAmount`], [`Error::ReserveTooLow`],
		/// [`Error::OperatorCannotReceive`].
		///
		/// ## Events
		/// [`Event::ReserveWithdrawn`].
		#[pallet::call_index(13)]
		#[pallet::weight(T::WeightInfo::withdraw_reserve())]
		pub fn withdraw_reserve(
			origin: OriginFor<T>,
			market: MarketId,
			amount: Option<Balance>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_withdraw_reserve(who, market, amount)
		}
	}
}
