#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod anchoring;
#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
mod dispute;
#[cfg(test)]
mod mock;
mod reads;
mod streams;
#[cfg(test)]
mod tests;
mod try_state;
mod types;
pub mod weights;
pub mod window;

pub use pallet::*;
pub use types::{ClosedStream, Head, StreamCount, StreamRecord};
pub use weights::WeightInfo;

use frame_support::traits::fungible::Inspect;
use m2m_device::AccountId;

/// Money, in the smallest unit of the token.
pub type BalanceOf<T> = <<T as Config>::Currency as Inspect<AccountId>>::Balance;

/// How far a reading may lie ahead of the chain's clock, in milliseconds.
pub const MAX_AHEAD_MS: m2m_device::UnixMs = 60_000;

/// Sets the stage for benchmarks.
#[cfg(feature = "runtime-benchmarks")]
pub trait BenchmarkHelper {
	/// Registers device `number` with a key of all roles that is kept under [`benchmarking::KEY_TYPE`]. Returns its
	/// owner, who has money, its id and its key.
	fn device(number: u32) -> (AccountId, m2m_device::DeviceId, sp_core::sr25519::Public);
	/// Makes [`Config::Time`] return `now`.
	fn set_unix_ms(now: m2m_device::UnixMs);
}

/// The pallet.
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use alloc::boxed::Box;
	use frame_support::{
		dispatch::WithPostDispatchInfo,
		pallet_prelude::*,
		traits::{Footprint, UnixTime, fungible},
	};
	use frame_system::pallet_prelude::*;
	use m2m_anchor::{Anchor, AnchorFlags, AnchorRecord, OnAnchored, SignedAnchors, StreamId, StreamSpec};
	use m2m_device::{Action, DeviceAuthority, DeviceId, DeviceInspect, SpendLimit};
	use m2m_merkle::{FalseAnchorEvidence, Lie};
	use sp_core::H256;
	use sp_runtime::{SaturatedConversion, traits::Convert};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(0);

	/// The pallet.
	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// What the runtime provides.
	#[pallet::config]
	pub trait Config: frame_system::Config<AccountId = AccountId> {
		/// Who may act for a device, and whose readings are taken.
		type Devices: DeviceAuthority + DeviceInspect;

		/// The owner's limit on what keys and operators may have held on the wallet. A deposit that is released is not
		/// given back to it.
		type SpendLimit: SpendLimit;

		/// The token in which deposits are held.
		type Currency: fungible::Mutate<AccountId> + fungible::MutateHold<AccountId, Reason: From<HoldReason>>;

		/// The deposit for a stream, held on its device's wallet. The footprint is one blob with all the bytes that
		/// the stream may put into state, its ring and the storage keys included. For a stream that keeps a single
		/// anchor it must be at least [`Config::TombstonePrice`].
		type DepositPrice: Convert<Footprint, BalanceOf<Self>>;

		/// What is burnt when a stream is closed, for the tombstone that stays for ever.
		#[pallet::constant]
		type TombstonePrice: Get<BalanceOf<Self>>;

		/// The clock.
		type Time: UnixTime;

		/// Hash of the genesis block: part of every signed envelope.
		type Genesis: Get<[u8; 32]>;

		/// Told of each accepted anchor.
		type OnAnchored: OnAnchored;

		/// Most open streams of a device.
		#[pallet::constant]
		type MaxStreams: Get<u32>;

		/// Most anchors that a stream keeps in state.
		#[pallet::constant]
		type MaxRetention: Get<u16>;

		/// Most envelopes in one `anchor_many`.
		#[pallet::constant]
		type MaxEnvelopes: Get<u32>;

		/// Weights of the calls.
		type WeightInfo: WeightInfo;

		/// Sets the stage for benchmarks.
		#[cfg(feature = "runtime-benchmarks")]
		type BenchmarkHelper: BenchmarkHelper;
	}

	/// Why money of a wallet is held.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// For the storage of a stream. Released when the stream is closed, less what is burnt for its tombstone.
		#[codec(index = 0)]
		StreamDeposit,
	}

	/// Open streams: their fixed properties and their deposit. Removed when the stream is closed.
	#[pallet::storage]
	pub type Streams<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, DeviceId, Twox64Concat, StreamId, StreamRecord<BalanceOf<T>>>;

	/// What changes with every anchor of an open stream, in one value: used sequence numbers and the peaks of the
	/// mountain range. There is one for each entry of [`Streams`].
	#[pallet::storage]
	pub type Heads<T: Config> = StorageDoubleMap<_, Blake2_128Concat, DeviceId, Twox64Concat, StreamId, Head>;

	/// The newest anchors of open streams, keyed by sequence number modulo retention. An entry is overwritten by
	/// the anchor that comes one round later; all go with the stream.
	#[pallet::storage]
	pub type Anchors<T: Config> = StorageNMap<
		_,
		(
			NMapKey<Blake2_128Concat, DeviceId>,
			NMapKey<Twox64Concat, StreamId>,
			NMapKey<Twox64Concat, u16>,
		),
		AnchorRecord,
	>;

	/// How many streams a device has open, and the number of its next one. Never removed, because the numbers are
	/// never used again.
	#[pallet::storage]
	pub type StreamCounts<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, StreamCount, ValueQuery>;

	/// Closed streams: the last state of their mountain ranges, so that old proofs still verify. Never removed.
	#[pallet::storage]
	pub type ClosedStreams<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, DeviceId, Twox64Concat, StreamId, ClosedStream>;

	/// What happened.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A stream was opened.
		StreamCreated {
			/// Its device.
			device: DeviceId,
			/// Its number.
			stream: StreamId,
			/// Its properties.
			spec: StreamSpec,
		},
		/// A stream was closed for ever.
		StreamClosed {
			/// Its device.
			device: DeviceId,
			/// Its number.
			stream: StreamId,
			/// Number of anchors that it took.
			anchors: u64,
			/// Final root of its mountain range; `None` if it took none.
			range_root: Option<H256>,
			/// What was burnt for the tombstone.
			burnt: BalanceOf<T>,
		},
		/// An anchor was taken. Whoever keeps `leaf` at `position` can prove it for ever.
		Anchored {
			/// The device.
			device: DeviceId,
			/// The stream.
			stream: StreamId,
			/// The sequence number.
			seq: u64,
			/// Position of the leaf in the stream's mountain range.
			position: u64,
			/// The leaf.
			leaf: H256,
			/// Marks.
			flags: AnchorFlags,
		},
		/// One anchor of an envelope was not taken; the others are not affected.
		AnchorRefused {
			/// The device.
			device: DeviceId,
			/// The stream.
			stream: StreamId,
			/// The sequence number.
			seq: u64,
			/// The reason.
			reason: DispatchError,
		},
		/// A whole envelope was not taken; the others are not affected.
		EnvelopeRefused {
			/// The device that it names.
			device: DeviceId,
			/// The key that it names.
			key: AccountId,
			/// The reason.
			reason: DispatchError,
		},
		/// An anchor's aggregate was shown to be a lie.
		AnchorDisputed {
			/// The device.
			device: DeviceId,
			/// The stream.
			stream: StreamId,
			/// The sequence number.
			seq: u64,
			/// The key that signed it.
			key: AccountId,
			/// What the lie is.
			lie: Lie,
			/// Who showed it.
			by: AccountId,
		},
	}

	/// Why something was refused. Nothing was changed.
	#[pallet::error]
	pub enum Error<T> {
		/// The device has no such stream.
		UnknownStream,
		/// The stream is closed.
		StreamClosed,
		/// The device has as many open streams as it may have.
		TooManyStreams,
		/// The wallet's free balance above the existential deposit does not cover the stream's deposit.
		WalletCannotPay,
		/// The owner's free balance does not cover what the wallet lacks for the stream's deposit.
		OwnerCannotPay,
		/// The unit is empty or has characters other than printable ASCII.
		InvalidUnit,
		/// The cadence is zero.
		ZeroCadence,
		/// The period is zero.
		ZeroPeriod,
		/// The plausible minimum is above the maximum.
		InvalidRange,
		/// The retention is zero or above the maximum.
		InvalidRetention,
		/// The stream would begin more than a minute in the future.
		NotBeforeInFuture,
		/// The sequence number lies 1,024 or more above the next one.
		SequenceTooFar,
		/// The sequence number lies below the window; it was used or is lost.
		SequenceTooOld,
		/// The sequence number is used: this anchor, or another one, was taken already.
		AlreadyAnchored,
		/// The anchor's readings do not lie strictly between those of its neighbours by sequence number.
		OverlapsNeighbour,
		/// The anchor crosses a multiple of the stream's period.
		CrossesPeriod,
		/// The last reading is more than 60 seconds ahead of the chain's clock. Temporary: send it again later.
		FromTheFuture,
		/// The first reading is older than the stream allows.
		TooOld,
		/// An open anchor for a private stream, or the other way round.
		VisibilityMismatch,
		/// No readings can have this aggregate.
		ImplausibleAggregate,
		/// The sender is no device key, or one that was removed.
		NotADeviceKey,
		/// The reading was taken after its key was rotated or its device suspended.
		SignedTooLate,
		/// The envelope has no anchors.
		EmptyEnvelope,
		/// The envelope's time is over.
		EnvelopeExpired,
		/// The signature is not the key's over this envelope on this chain.
		BadSignature,
		/// The anchor is not among those in state.
		AnchorNotInState,
		/// The anchor was convicted already.
		AlreadyDisputed,
		/// The evidence does not convict the anchor.
		NothingWrong,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert!(T::MaxRetention::get() >= 1, "no stream could be opened");
			assert!(T::MaxStreams::get() >= 1, "no stream could be opened");
			assert!(T::MaxEnvelopes::get() >= 1, "no envelope could be delivered");
			assert!(
				T::DepositPrice::convert(Self::footprint(1)) >= T::TombstonePrice::get(),
				"a stream's deposit must cover its tombstone"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Opens a stream.
		///
		/// ## Dispatch origin
		/// Signed by a key of the device with `manage`, or by the owner or an operator with `manage`, who name the device.
		/// The device must be active.
		///
		/// ## Details
		/// The stream gets the device's next number. Its deposit is held on the wallet. If the owner signs, what the
		/// wallet lacks is moved there from the owner; if a key or an operator does, the deposit counts on the owner's
		/// budget.
		///
		/// ## Parameters
		/// - `device`: the device; `None` for the device of the signing key.
		/// - `spec`: the stream's properties, which never change.
		///
		/// ## Errors
		/// [`Error::InvalidUnit`], [`Error::ZeroCadence`], [`Error::ZeroPeriod`], [`Error::InvalidRange`],
		/// [`Error::InvalidRetention`], [`Error::NotBeforeInFuture`], [`Error::TooManyStreams`],
		/// [`Error::WalletCannotPay`], [`Error::OwnerCannotPay`], and those of [`DeviceAuthority::authorize`] and
		/// [`SpendLimit::spend`].
		///
		/// ## Events
		/// [`Event::StreamCreated`].
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::create_stream().saturating_add(T::SpendLimit::weight()))]
		pub fn create_stream(
			origin: OriginFor<T>,
			device: Option<DeviceId>,
			spec: StreamSpec,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let device = T::Devices::authorize(&who, device.as_ref(), Action::Manage)?;
			Self::do_create_stream(&who, device, spec)
		}

		/// Closes a stream for ever and returns its deposit, less `TombstonePrice`, to the wallet's free money.
		///
		/// ## Dispatch origin
		/// Signed by a key of the device with `manage`, or by the owner or an operator with `manage`, who name the device.
		/// The owner may do it whatever the status of the device; the others while it is active.
		///
		/// ## Details
		/// The anchors leave the state; the final root of the mountain range stays, so that they can still be proven.
		/// A refused call does not pay for them.
		///
		/// ## Parameters
		/// - `device`: the device; `None` for the device of the signing key.
		/// - `stream`: the stream.
		///
		/// ## Errors
		/// [`Error::UnknownStream`], [`Error::StreamClosed`], and those of [`DeviceAuthority::authorize`].
		///
		/// ## Events
		/// [`Event::StreamClosed`].
		#[pallet::call_index(1)]
		#[pallet::weight(Pallet::<T>::close_stream_weight(T::MaxRetention::get()))]
		pub fn close_stream(
			origin: OriginFor<T>,
			device: Option<DeviceId>,
			stream: StreamId,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let retention = T::Devices::authorize(&who, device.as_ref(), Action::Close)
				.and_then(|device| Self::do_close_stream(&device, stream))
				.map_err(|refusal| refusal.with_weight(Self::close_stream_weight(0)))?;
			Ok(Some(Self::close_stream_weight(retention)).into())
		}

		/// Anchors one batch of readings, sent by the device itself.
		///
		/// ## Dispatch origin
		/// Signed by a device key with `authenticate`. A rotated key, or one of a suspended device, delivers what was taken
		/// before.
		///
		/// ## Parameters
		/// - `stream`: the stream.
		/// - `seq`: a sequence number that the stream has not used.
		/// - `anchor`: the commitment.
		///
		/// ## Errors
		/// In the order in which they are checked: [`Error::NotADeviceKey`]; [`Error::UnknownStream`],
		/// [`Error::StreamClosed`]; [`Error::SequenceTooFar`], [`Error::SequenceTooOld`],
		/// [`Error::AlreadyAnchored`]; [`Error::VisibilityMismatch`]; [`Error::FromTheFuture`], [`Error::TooOld`],
		/// [`Error::CrossesPeriod`], [`Error::OverlapsNeighbour`]; [`Error::ImplausibleAggregate`]; those of
		/// [`DeviceAuthority::reading_authority`]; [`Error::SignedTooLate`].
		///
		/// ## Events
		/// [`Event::Anchored`].
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::anchor().saturating_add(T::OnAnchored::weight()))]
		pub fn anchor(
			origin: OriginFor<T>,
			stream: StreamId,
			seq: u64,
			anchor: Anchor,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let key = T::Devices::key(&who).ok_or(Error::<T>::NotADeviceKey)?;
			let used = Self::do_anchor(&key.device, &who, stream, seq, anchor)?;
			Ok(Some(T::WeightInfo::anchor().saturating_add(used)).into())
		}

		/// Delivers anchors that devices signed. Each envelope and each anchor in it stands alone.
		///
		/// ## Dispatch origin
		/// Signed by anybody; the sender pays and has no power over what is delivered.
		///
		/// ## Details
		/// Anchors are checked first, cheapest checks first; the signature of an envelope is verified once, and only
		/// if some anchor in it would be taken. So an envelope may be sent again and again.
		///
		/// ## Parameters
		/// - `envelopes`: at most [`Config::MaxEnvelopes`].
		///
		/// ## Errors
		/// None. What is refused is reported by an event with the reason.
		///
		/// ## Events
		/// For each anchor [`Event::Anchored`] or [`Event::AnchorRefused`]; for an envelope that is refused as a
		/// whole [`Event::EnvelopeRefused`].
		#[pallet::call_index(3)]
		#[pallet::weight(Pallet::<T>::anchor_many_weight(envelopes))]
		pub fn anchor_many(
			origin: OriginFor<T>,
			envelopes: BoundedVec<SignedAnchors, T::MaxEnvelopes>,
		) -> DispatchResultWithPostInfo {
			ensure_signed(origin)?;
			let mut used = Self::delivery_weight(&envelopes);
			for envelope in envelopes {
				used.saturating_accrue(Self::deliver(envelope));
			}
			Ok(Some(used).into())
		}

		/// Convicts an anchor in state whose aggregate is a lie. Marks it as disputed and names its signer.
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Parameters
		/// - `device`, `stream`, `seq`: the anchor.
		/// - `evidence`: one path in each of its trees, see `m2m_merkle::evidence`.
		///
		/// ## Errors
		/// [`Error::UnknownStream`], [`Error::StreamClosed`], [`Error::AnchorNotInState`],
		/// [`Error::AlreadyDisputed`], [`Error::NothingWrong`].
		///
		/// ## Events
		/// [`Event::AnchorDisputed`].
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::report_false_anchor(evidence_levels(evidence)))]
		pub fn report_false_anchor(
			origin: OriginFor<T>,
			device: DeviceId,
			stream: StreamId,
			seq: u64,
			evidence: Box<FalseAnchorEvidence>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_report_false_anchor(who, device, stream, seq, &evidence)
		}
	}

	impl<T: Config> Pallet<T> {
		/// Weight of closing a stream with a ring of `retention` entries. Measured was the owner, who is found with
		/// less work than an operator.
		fn close_stream_weight(retention: u16) -> Weight {
			T::WeightInfo::close_stream(retention.into()).saturating_add(T::Devices::weight())
		}

		/// Weight of delivering these envelopes, without that of others who are told.
		fn delivery_weight(envelopes: &[SignedAnchors]) -> Weight {
			let further_items = items(envelopes).saturating_sub(envelopes.len().saturated_into());
			T::WeightInfo::anchor_many(envelopes.len().saturated_into()).saturating_add(
				T::WeightInfo::anchor_many_items(further_items.saturating_add(1))
					.saturating_sub(T::WeightInfo::anchor_many_items(1)),
			)
		}

		fn anchor_many_weight(envelopes: &[SignedAnchors]) -> Weight {
			Self::delivery_weight(envelopes)
				.saturating_add(T::OnAnchored::weight().saturating_mul(items(envelopes).into()))
		}
	}

	/// Number of anchors in all envelopes.
	fn items(envelopes: &[SignedAnchors]) -> u32 {
		envelopes.iter().fold(0, |sum, envelope| {
			sum.saturating_add(envelope.items.len().saturated_into())
		})
	}

	/// Levels of the longer path of the evidence.
	fn evidence_levels(evidence: &FalseAnchorEvidence) -> u32 {
		evidence
			.reading
			.path
			.len()
			.max(evidence.path.len())
			.saturated_into()
	}
}
