#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod attestations;
mod authority;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod inspect;
mod keys;
mod lifecycle;
#[cfg(test)]
mod mock;
mod operators;
mod production;
mod registration;
mod services;
#[cfg(test)]
mod tests;
mod transfer;
mod try_state;
mod types;
pub mod weights;

pub use inspect::MAX_PAGE;
pub use pallet::*;
pub use types::{
	Device, DeviceKey, DeviceSnapshot, Introducer, KeyEntry, Registration, RemovedKey, RetiredDevice,
	Rotation,
};
pub use weights::WeightInfo;

use frame_support::{
	BoundedVec,
	traits::{
		ConstU32,
		fungible::{Inspect, InspectHold},
	},
};
use m2m_device::{AccountId, Attestation, Batch, Operator, Service, TransferOffer};

/// Most operators of a device.
pub const MAX_OPERATORS: u32 = 8;

/// Most services of a device.
pub const MAX_SERVICES: u32 = 8;

/// Money, in the smallest unit of the token.
pub type BalanceOf<T> = <<T as Config>::Currency as Inspect<AccountId>>::Balance;

/// A device as it is stored.
pub type DeviceOf<T> = Device<BalanceOf<T>>;

/// Accounts of the keys of one device, in the order in which they were introduced.
pub type KeyList<T> = BoundedVec<AccountId, <T as Config>::MaxKeys>;

/// Operators of one device, in the order in which they were granted.
pub type OperatorList = BoundedVec<Operator, ConstU32<MAX_OPERATORS>>;

/// Services of one device, in the order in which their ids were first set.
pub type ServiceList = BoundedVec<Service, ConstU32<MAX_SERVICES>>;

/// An offer of a device as it is stored.
pub type OfferOf<T> = TransferOffer<BalanceOf<T>>;

/// An attestation as it is stored.
pub type AttestationOf<T> = Attestation<BalanceOf<T>>;

/// A production batch as it is stored.
pub type BatchOf<T> = Batch<BalanceOf<T>>;

/// Why money is held, over all pallets of the runtime.
pub type HoldReasonOf<T> = <<T as Config>::Currency as InspectHold<AccountId>>::Reason;

/// Lets benchmarks set the clock.
#[cfg(feature = "runtime-benchmarks")]
pub trait BenchmarkHelper {
	/// Makes [`Config::Time`] return `now`, in unix milliseconds. With Aura write the clock's storage directly: its
	/// hook on the timestamp insists on the slot.
	fn set_unix_ms(now: m2m_device::UnixMs);
}

/// The pallet.
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use frame_support::{
		pallet_prelude::*,
		traits::{Footprint, UnixTime, fungible},
	};
	use frame_system::pallet_prelude::*;
	use m2m_device::{
		DeviceId, DevicePublic, DeviceStatus, Model, OnDeviceEnded, OperatorActions, PossessionProof,
		Production, ProductionPath, Roles, ServiceId, SpendLimit, Topic, UnixMs,
	};
	use sp_core::H256;
	use sp_runtime::{Saturating, traits::Convert};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(0);

	/// The pallet.
	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// What the runtime provides.
	#[pallet::config]
	pub trait Config: frame_system::Config<AccountId = AccountId> {
		/// The token in which deposits are held and wallets are kept.
		type Currency: fungible::Mutate<AccountId> + fungible::MutateHold<AccountId, Reason: From<HoldReason>>;

		/// The clock. Every time in this pallet comes from it, in milliseconds since the Unix epoch.
		type Time: UnixTime;

		/// Hash of the genesis block. It is part of every proof of possession, so that a proof made for one chain
		/// serves no other.
		type Genesis: Get<[u8; 32]>;

		/// The deposit for the storage of a device, held on its wallet. The footprint is one blob with all the
		/// bytes that the device has in state: removed keys, operators, services and a pending offer included, and the
		/// proven origin of each key. An attestation and a production batch are a blob each, held on their issuer.
		///
		/// One more key must raise the price by at least [`Config::TombstonePrice`], and a device with one key
		/// must cost at least twice that.
		type DepositPrice: Convert<Footprint, BalanceOf<Self>>;

		/// The owner's limit on what keys and operators may have held on the wallet. A deposit that is released is not
		/// given back to it.
		type SpendLimit: SpendLimit;

		/// Told when a device is retired or has a new owner.
		type OnEnded: OnDeviceEnded;

		/// Why other pallets hold deposits on wallets. A deposit stays on the wallet when the device changes its
		/// owner; whatever else is held there must be closed before.
		type OtherDeposits: Get<&'static [HoldReasonOf<Self>]>;

		/// What is burnt at retirement for each tombstone that stays for ever: one for the device and one for each
		/// key that it ever had.
		#[pallet::constant]
		type TombstonePrice: Get<BalanceOf<Self>>;

		/// Most keys of a device that sign or still deliver; at least 2, so that a key can be rotated with an
		/// overlap. It bounds the work of every call on keys.
		#[pallet::constant]
		type MaxKeys: Get<u32>;

		/// Most devices in one `register_devices`.
		#[pallet::constant]
		type MaxBatch: Get<u32>;

		/// Longest time, in milliseconds, for which a rotated key may deliver what it signed before.
		#[pallet::constant]
		type MaxRotationOverlap: Get<UnixMs>;

		/// Weights of the calls.
		type WeightInfo: WeightInfo;

		/// Sets the clock in benchmarks.
		#[cfg(feature = "runtime-benchmarks")]
		type BenchmarkHelper: BenchmarkHelper;
	}

	/// Why money is held: of a wallet for the device, of an issuer for what it said.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// For the storage of the device with its keys, operators, services and pending offer. Grows and shrinks
		/// with them; released when the device is retired.
		#[codec(index = 0)]
		DeviceDeposit,
		/// On an issuer, for the storage of its attestations and production batches. That of an attestation is released
		/// when the issuer revokes it; a batch stays for ever, and so does its deposit.
		#[codec(index = 1)]
		AttestationDeposit,
	}

	/// Devices that are not retired. The id is also the wallet's account.
	///
	/// Written at registration; removed at retirement, when an entry in [`RetiredDevices`] takes its place.
	#[pallet::storage]
	pub type Devices<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, DeviceOf<T>>;

	/// The keys of a device that sign or still deliver, in the order in which they were introduced. Each is
	/// [`KeyEntry::Active`] in [`Keys`].
	///
	/// A key leaves the list when it becomes a tombstone; the list goes with the device.
	#[pallet::storage]
	pub type DeviceKeys<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, KeyList<T>, ValueQuery>;

	/// Every account that is or was a device key. Never removed: a key account is used once in the life of the
	/// chain. An account whose reference was dropped and taken again would start at nonce 0, and its old
	/// transactions could be replayed.
	#[pallet::storage]
	pub type Keys<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, KeyEntry>;

	/// Index of the devices that are not retired by owner.
	#[pallet::storage]
	pub type OwnedDevices<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, AccountId, Blake2_128Concat, DeviceId, ()>;

	/// Who may act for a device besides its keys and its owner. Never an empty list; no account is in it twice, and
	/// the owner is not in it.
	///
	/// Goes with the last grant, when the device changes its owner, and with the device.
	#[pallet::storage]
	pub type Operators<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, OperatorList, ValueQuery>;

	/// Where a device can be reached. Never an empty list; no id is in it twice.
	///
	/// Goes with the last service, and with the device.
	#[pallet::storage]
	pub type Services<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, ServiceList, ValueQuery>;

	/// Devices that are offered to a new owner, who is not the present one.
	///
	/// Goes when the offer is accepted or taken back, and with the device.
	#[pallet::storage]
	pub type TransferOffers<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, OfferOf<T>>;

	/// Tombstones of retired devices. Never removed.
	#[pallet::storage]
	pub type RetiredDevices<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, RetiredDevice>;

	/// What others say about a device, by device, topic and issuer.
	///
	/// Goes when its issuer revokes it, which is possible for ever; it outlives its expiry, the owner and the device.
	#[pallet::storage]
	pub type Attestations<T: Config> = StorageNMap<
		_,
		(
			NMapKey<Blake2_128Concat, DeviceId>,
			NMapKey<Blake2_128Concat, Topic>,
			NMapKey<Blake2_128Concat, AccountId>,
		),
		AttestationOf<T>,
	>;

	/// Production batches by issuer and Merkle root. Never removed: a revoked batch must not come back.
	#[pallet::storage]
	pub type Batches<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, AccountId, Blake2_128Concat, H256, BatchOf<T>>;

	/// Proven origin of keys that are [`KeyEntry::Active`] in [`Keys`], by key account. The batch is in [`Batches`];
	/// if it was revoked, the entry says nothing.
	///
	/// Goes with the key.
	#[pallet::storage]
	pub type Productions<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, Production>;

	/// What happened.
	#[pallet::event]
	#[pallet::generate_deposit(pub(crate) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A device was registered with its first key.
		DeviceRegistered {
			/// The device and its wallet.
			device: DeviceId,
			/// Its owner.
			owner: AccountId,
			/// Account of its first key.
			key: AccountId,
		},
		/// One item of a batch was not registered and changed nothing. The others stand.
		RegistrationRefused {
			/// Position in the batch, from 0.
			index: u32,
			/// The id that the device would have had.
			device: DeviceId,
			/// Why.
			reason: DispatchError,
		},
		/// A key was added.
		KeyAdded {
			/// The device.
			device: DeviceId,
			/// Account of the new key.
			key: AccountId,
			/// What it may do.
			roles: Roles,
			/// The owner, or the key that added it.
			by: AccountId,
		},
		/// A key took the place of another.
		KeyRotated {
			/// The device.
			device: DeviceId,
			/// Account of the key that stopped signing.
			old: AccountId,
			/// Account of the key that signs from now on.
			new: AccountId,
			/// Last moment at which readings signed earlier by the old key are taken, unix milliseconds.
			deliver_until: UnixMs,
		},
		/// A key was removed. Nothing that it signed is accepted any more.
		KeyRemoved {
			/// The device.
			device: DeviceId,
			/// Account of the key.
			key: AccountId,
		},
		/// A rotated key, whose time to deliver was over, became a tombstone.
		KeyPruned {
			/// The device.
			device: DeviceId,
			/// Account of the key.
			key: AccountId,
		},
		/// A device was suspended by its owner or an operator.
		DeviceSuspended {
			/// The device.
			device: DeviceId,
		},
		/// A suspended or lost device works again.
		DeviceResumed {
			/// The device.
			device: DeviceId,
		},
		/// A device was reported lost by its owner.
		LossReported {
			/// The device.
			device: DeviceId,
		},
		/// A device was retired for ever.
		DeviceRetired {
			/// The device.
			device: DeviceId,
			/// Its last owner.
			owner: AccountId,
			/// What the wallet paid to the owner: the deposit less `burnt`, and all other money in it.
			returned: BalanceOf<T>,
			/// What was burnt for the tombstones.
			burnt: BalanceOf<T>,
		},
		/// The owner took money from a wallet.
		Withdrawn {
			/// The device whose wallet paid.
			device: DeviceId,
			/// The owner.
			to: AccountId,
			/// How much.
			amount: BalanceOf<T>,
		},
		/// An account may act for a device from now on. An earlier grant of the same account is replaced.
		OperatorGranted {
			/// The device.
			device: DeviceId,
			/// Who may act.
			operator: AccountId,
			/// What it may do.
			actions: OperatorActions,
			/// Last moment at which it may, unix milliseconds; `None` for no end.
			expires: Option<UnixMs>,
		},
		/// An account may not act for a device any more.
		OperatorRevoked {
			/// The device.
			device: DeviceId,
			/// Who could act.
			operator: AccountId,
		},
		/// A device was offered to a new owner. An earlier offer is replaced.
		TransferOffered {
			/// The device.
			device: DeviceId,
			/// Who may accept.
			to: AccountId,
			/// What the new owner pays.
			price: BalanceOf<T>,
			/// Last moment at which the offer can be accepted, unix milliseconds.
			expires: UnixMs,
		},
		/// A device changed its owner. Its operators are gone and its keys wait to be confirmed.
		TransferAccepted {
			/// The device.
			device: DeviceId,
			/// The old owner.
			from: AccountId,
			/// The new owner.
			to: AccountId,
			/// What the new owner paid.
			price: BalanceOf<T>,
			/// How often the device has changed its owner now.
			generation: u32,
		},
		/// An offer was taken back, or cleared away after its end.
		TransferCancelled {
			/// The device.
			device: DeviceId,
		},
		/// A key goes on under the device's new owner.
		KeyConfirmed {
			/// The device.
			device: DeviceId,
			/// Account of the key.
			key: AccountId,
		},
		/// A device is described by another document, or by none.
		ProfileSet {
			/// The device.
			device: DeviceId,
			/// Hash of the document.
			profile: Option<H256>,
		},
		/// A service was published. An earlier one with the same id is replaced.
		ServiceSet {
			/// The device.
			device: DeviceId,
			/// Id of the service.
			service: ServiceId,
		},
		/// A service was withdrawn.
		ServiceRemoved {
			/// The device.
			device: DeviceId,
			/// Id of the service.
			service: ServiceId,
		},
		/// An issuer vouches for a device. Its earlier attestation of the same topic is replaced.
		Attested {
			/// The device.
			device: DeviceId,
			/// What it is about.
			topic: Topic,
			/// Who vouches.
			issuer: AccountId,
		},
		/// An issuer took its attestation back.
		AttestationRevoked {
			/// The device.
			device: DeviceId,
			/// What it was about.
			topic: Topic,
			/// Who vouched.
			issuer: AccountId,
		},
		/// A manufacturer committed to the keys of a production batch.
		BatchCreated {
			/// The manufacturer.
			issuer: AccountId,
			/// Merkle root of the keys.
			root: H256,
			/// How many keys.
			count: u32,
		},
		/// It was shown where a key was made. What was known of it before is replaced.
		ProductionProven {
			/// Account of the key.
			key: AccountId,
			/// The manufacturer.
			issuer: AccountId,
			/// Merkle root of the batch.
			root: H256,
			/// Place of the key in the batch, from 0.
			index: u32,
		},
		/// A manufacturer disowned a production batch. It proves nothing any more.
		BatchRevoked {
			/// The manufacturer.
			issuer: AccountId,
			/// Merkle root of the batch.
			root: H256,
		},
	}

	/// Why a call was refused. A refused call changes nothing.
	#[pallet::error]
	pub enum Error<T> {
		/// No device has this id.
		UnknownDevice,
		/// The device was retired and does nothing any more.
		DeviceRetired,
		/// The device is suspended and does nothing new.
		DeviceSuspended,
		/// The device was reported lost; nothing that it signed is accepted.
		DeviceLost,
		/// The signer is neither a key of the device nor its owner, and no operator of it either; or the call is for
		/// the owner alone.
		NotOwner,
		/// The account is or was a device key and so cannot own devices.
		OwnerIsDeviceKey,
		/// The key's account is the owner's, or owns devices.
		KeyIsOwner,
		/// The key's account is or was a device key; it can never be introduced again.
		KeyAlreadyUsed,
		/// The account never was a device key. If the signer is not one, the device must be named.
		UnknownKey,
		/// The key belongs or belonged to another device.
		ForeignKey,
		/// The key was removed.
		KeyRemoved,
		/// Another key took this one's place: it may only deliver readings that were taken before.
		KeyRotated,
		/// The key was rotated and the time to deliver earlier readings is over.
		KeyExpired,
		/// The device changed its owner after the key was introduced, and the key was not confirmed.
		KeyUnconfirmed,
		/// The key does not have the role for this, or has not every role that it wants to give.
		RoleMissing,
		/// A key must have at least one role.
		NoRoles,
		/// A key rotates itself only.
		NotOwnKey,
		/// A key removes only itself and keys that it added.
		NotIntroducedBySigner,
		/// The device has as many keys as it may have. Keys that were rotated count until their overlap is over.
		TooManyKeys,
		/// No key of the device is past its overlap.
		NothingToPrune,
		/// The overlap is longer than `MaxRotationOverlap`.
		OverlapTooLong,
		/// The proof of possession has expired.
		ProofExpired,
		/// The proof of possession expires more than 90 days from now.
		ProofTooLong,
		/// The proof's signature is not the key's over this chain, act, owner, device, roles and expiry.
		BadProof,
		/// The batch is empty.
		EmptyBatch,
		/// The device is active already.
		AlreadyActive,
		/// The device is suspended already.
		AlreadySuspended,
		/// The device was reported lost already.
		AlreadyLost,
		/// A lost device cannot be suspended; resume it first.
		InvalidTransition,
		/// The wallet holds money for something that must be closed first.
		OpenPositions,
		/// The owner's free balance above the existential deposit does not cover the deposit.
		OwnerCannotPay,
		/// The wallet's free balance above the existential deposit does not cover the deposit.
		WalletCannotPay,
		/// The owner's account cannot take the amount: it would stay below the existential deposit.
		OwnerCannotReceive,
		/// There is nothing to withdraw, or the amount is zero.
		NothingToWithdraw,
		/// The amount is more than the wallet can give. The wallet of a device keeps the existential deposit; that of
		/// a retired one gives everything or keeps it too.
		ExceedsWithdrawable,
		/// A grant must allow at least one action.
		NoActions,
		/// The account owns the device already.
		AlreadyOwner,
		/// The account is or was a device key and so cannot be an operator.
		OperatorIsDeviceKey,
		/// The device has as many operators as it may have.
		TooManyOperators,
		/// The account has no grant for this device.
		NoGrant,
		/// The grant's time is over.
		GrantExpired,
		/// The grant does not allow this.
		ActionNotGranted,
		/// The device is not offered to anybody.
		NoOffer,
		/// The device is offered to somebody else.
		NotOffered,
		/// The offer's time is over.
		OfferExpired,
		/// The device changed its owner since the signer looked.
		GenerationMismatch,
		/// The device is not offered at this price.
		PriceMismatch,
		/// The new owner's free balance above the existential deposit does not cover the price.
		NewOwnerCannotPay,
		/// The key was introduced or confirmed under the present owner.
		AlreadyConfirmed,
		/// A part of the service does not have the form that it must have.
		BadService,
		/// The device has as many services as it may have.
		TooManyServices,
		/// The device has no service with this id.
		UnknownService,
		/// The account is or was a device key and so vouches for nothing.
		IssuerIsDeviceKey,
		/// The topic is not 1 to 16 small letters, digits and `-` with zeros behind them.
		BadTopic,
		/// The attestation's time is over already.
		AttestationExpired,
		/// The device got another key that signs telemetry since the signer looked.
		AuthVersionMismatch,
		/// The signer has no attestation of this device and topic.
		UnknownAttestation,
		/// The issuer's free balance above the existential deposit does not cover the deposit.
		IssuerCannotPay,
		/// The issuer has made a batch with this root already; it may be revoked.
		BatchExists,
		/// The issuer never made a batch with this root.
		UnknownBatch,
		/// The batch was revoked.
		BatchRevoked,
		/// It is known already where the key was made, and that batch stands. Only the owner of the device names another.
		AlreadyProven,
		/// The path does not lead from the key, at this index, to the root of the batch.
		NotInBatch,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert!(
				T::MaxKeys::get() >= 2,
				"a key could not be rotated with an overlap"
			);
			assert!(T::MaxBatch::get() >= 1, "no batch could be registered");
			let tombstone = T::TombstonePrice::get();
			let mut paid = Self::deposit_for(0);
			for keys in 1..=T::MaxKeys::get() {
				let next = Self::deposit_for(keys);
				assert!(
					next >= paid.saturating_add(tombstone),
					"a key's deposit must cover its tombstone"
				);
				paid = next;
			}
			assert!(
				Self::deposit_for(1) >= tombstone.saturating_add(tombstone),
				"the deposit must cover the tombstones of a device and its first key"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Registers a device.
		///
		/// ## Dispatch origin
		/// Signed by the account that becomes the owner. It must not be, nor ever have been, a device key.
		///
		/// ## Details
		/// The device's id and wallet follow from `public`. The owner pays the existential deposit and the deposit
		/// into the wallet, where the deposit is held. Money that the wallet had before stays in it and changes
		/// nothing. The key's account gets a reference, so that it can send without a balance.
		///
		/// ## Parameters
		/// - `public`: the first key.
		/// - `roles`: what it may do; at least one role.
		/// - `proof`: the key's signature over a `KeyClaim` with action `Register`, this owner and no device.
		/// - `gateway`: who holds the device's keys, if the device has none of its own. For information only.
		/// - `profile`: hash of a document that describes the device.
		///
		/// ## Errors
		/// [`Error::OwnerIsDeviceKey`], [`Error::NoRoles`], [`Error::KeyAlreadyUsed`], [`Error::KeyIsOwner`],
		/// [`Error::ProofExpired`], [`Error::ProofTooLong`], [`Error::BadProof`], [`Error::OwnerCannotPay`].
		///
		/// ## Events
		/// [`Event::DeviceRegistered`].
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::register_device())]
		pub fn register_device(
			origin: OriginFor<T>,
			public: DevicePublic,
			roles: Roles,
			proof: PossessionProof,
			gateway: Option<AccountId>,
			profile: Option<H256>,
		) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			Self::ensure_may_own(&owner)?;
			Self::do_register(
				&owner,
				Registration {
					public,
					roles,
					proof,
					gateway,
					profile,
				},
			)
		}

		/// Registers many devices of one owner, each as [`Pallet::register_device`] does. An item that is refused
		/// changes nothing, and the others stand. What refused items did not use of the weight is given back.
		///
		/// ## Dispatch origin
		/// Signed by the account that becomes the owner. It must not be, nor ever have been, a device key.
		///
		/// ## Errors
		/// [`Error::OwnerIsDeviceKey`], [`Error::EmptyBatch`]. The errors of single items are in their events.
		///
		/// ## Events
		/// [`Event::DeviceRegistered`] or [`Event::RegistrationRefused`] for each item, in order.
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::register_devices(registrations.len() as u32))]
		pub fn register_devices(
			origin: OriginFor<T>,
			registrations: BoundedVec<Registration, T::MaxBatch>,
		) -> DispatchResultWithPostInfo {
			let owner = ensure_signed(origin)?;
			ensure!(!registrations.is_empty(), Error::<T>::EmptyBatch);
			Self::ensure_may_own(&owner)?;
			let (registered, refused) = Self::do_register_many(&owner, registrations);
			let used = T::WeightInfo::register_devices(registered)
				.saturating_add(T::WeightInfo::register_devices_refused(refused));
			Ok(Some(used).into())
		}

		/// Adds a key to a device.
		///
		/// ## Dispatch origin
		/// Signed by the owner, whatever the status of the device, or by a key of the device with `manage`, which
		/// gives only roles that it has itself.
		///
		/// ## Details
		/// The deposit grows by the storage of one key. The owner pays what the owner signs; for a key the wallet
		/// pays from its free money, within the owner's budget.
		///
		/// ## Parameters
		/// - `device`: the device; `None` for that of the signing key.
		/// - `public`, `roles`: the new key and what it may do; at least one role.
		/// - `proof`: the new key's signature over a `KeyClaim` with action `Add`, the device and its owner.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NotOwner`], [`Error::UnknownKey`],
		/// [`Error::ForeignKey`], [`Error::KeyRemoved`], [`Error::KeyRotated`], [`Error::KeyUnconfirmed`],
		/// [`Error::DeviceSuspended`], [`Error::DeviceLost`], [`Error::RoleMissing`], [`Error::NoRoles`],
		/// [`Error::KeyAlreadyUsed`], [`Error::KeyIsOwner`], [`Error::ProofExpired`], [`Error::ProofTooLong`],
		/// [`Error::BadProof`], [`Error::TooManyKeys`], [`Error::OwnerCannotPay`], [`Error::WalletCannotPay`], and
		/// those of [`SpendLimit::spend`].
		///
		/// ## Events
		/// [`Event::KeyAdded`], and [`Event::KeyPruned`] for each key found expired.
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::add_key(T::MaxKeys::get()).saturating_add(T::SpendLimit::weight()))]
		pub fn add_key(
			origin: OriginFor<T>,
			device: Option<DeviceId>,
			public: DevicePublic,
			roles: Roles,
			proof: PossessionProof,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let pruned = Self::do_add_key(&who, device, public, roles, proof)?;
			Ok(Some(T::WeightInfo::add_key(pruned).saturating_add(T::SpendLimit::weight())).into())
		}

		/// Puts a new key in the place of another.
		///
		/// ## Dispatch origin
		/// Signed by the owner, whatever the status of the device, or by the old key itself.
		///
		/// ## Details
		/// The new key takes over the roles of the old one and who introduced it. For `overlap_ms` the old key may
		/// still deliver readings that were taken before the rotation, and holds its place in the list; it does
		/// nothing else any more. With no overlap it becomes a tombstone at once. The deposit grows as with
		/// [`Pallet::add_key`].
		///
		/// ## Parameters
		/// - `device`: the device; `None` for that of the signing key.
		/// - `old`: account of the key to replace.
		/// - `public`: the new key.
		/// - `proof`: the new key's signature over a `KeyClaim` with action `Rotate`, the device, its owner and the
		///   roles of the old key.
		/// - `overlap_ms`: milliseconds, at most `MaxRotationOverlap`.
		///
		/// ## Errors
		/// Those of [`Pallet::add_key`] except [`Error::NoRoles`] and [`Error::RoleMissing`], and
		/// [`Error::OverlapTooLong`], [`Error::NotOwnKey`].
		///
		/// ## Events
		/// [`Event::KeyRotated`], and [`Event::KeyPruned`] for each key found expired.
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::rotate_key(T::MaxKeys::get()).saturating_add(T::SpendLimit::weight()))]
		pub fn rotate_key(
			origin: OriginFor<T>,
			device: Option<DeviceId>,
			old: AccountId,
			public: DevicePublic,
			proof: PossessionProof,
			overlap_ms: UnixMs,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let pruned = Self::do_rotate_key(&who, device, old, public, proof, overlap_ms)?;
			Ok(Some(T::WeightInfo::rotate_key(pruned).saturating_add(T::SpendLimit::weight())).into())
		}

		/// Removes a key at once: the answer to theft. Nothing that it signed is accepted any more. A tombstone
		/// stays, so the deposit stays too. The last key may be removed.
		///
		/// ## Dispatch origin
		/// Signed by the owner, whatever the status of the device, or by a key of the device with `manage`, which
		/// removes only itself and keys that it added.
		///
		/// ## Parameters
		/// - `device`: the device; `None` for that of the signing key.
		/// - `key`: account of the key to remove.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NotOwner`], [`Error::UnknownKey`],
		/// [`Error::ForeignKey`], [`Error::KeyRemoved`], [`Error::KeyRotated`], [`Error::KeyUnconfirmed`],
		/// [`Error::DeviceSuspended`], [`Error::DeviceLost`], [`Error::RoleMissing`],
		/// [`Error::NotIntroducedBySigner`].
		///
		/// ## Events
		/// [`Event::KeyRemoved`], and [`Event::KeyPruned`] for each other key found expired.
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::remove_key(T::MaxKeys::get()))]
		pub fn remove_key(
			origin: OriginFor<T>,
			device: Option<DeviceId>,
			key: AccountId,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let pruned = Self::do_remove_key(&who, device, key)?;
			Ok(Some(T::WeightInfo::remove_key(pruned)).into())
		}

		/// Turns keys whose overlap is over into tombstones. Calls that change the list do the same on the way.
		///
		/// ## Dispatch origin
		/// Signed by anybody.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NothingToPrune`].
		///
		/// ## Events
		/// [`Event::KeyPruned`] for each.
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::prune_keys(T::MaxKeys::get()))]
		pub fn prune_keys(origin: OriginFor<T>, device: DeviceId) -> DispatchResultWithPostInfo {
			ensure_signed(origin)?;
			let pruned = Self::do_prune_keys(&device)?;
			Ok(Some(T::WeightInfo::prune_keys(pruned)).into())
		}

		/// Stops an active device. It does nothing new, but readings taken before may still be delivered.
		///
		/// ## Dispatch origin
		/// Signed by the owner, or by an operator with `suspend`.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NotOwner`], [`Error::GrantExpired`],
		/// [`Error::ActionNotGranted`], [`Error::AlreadySuspended`], [`Error::InvalidTransition`] for a lost device.
		///
		/// ## Events
		/// [`Event::DeviceSuspended`].
		#[pallet::call_index(6)]
		#[pallet::weight(T::WeightInfo::suspend())]
		pub fn suspend(origin: OriginFor<T>, device: DeviceId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_change_status(&who, &device, DeviceStatus::Suspended)?;
			Self::deposit_event(Event::DeviceSuspended { device });
			Ok(())
		}

		/// Lets a suspended or lost device work again.
		///
		/// ## Dispatch origin
		/// Signed by the owner.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NotOwner`], [`Error::AlreadyActive`].
		///
		/// ## Events
		/// [`Event::DeviceResumed`].
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::resume())]
		pub fn resume(origin: OriginFor<T>, device: DeviceId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_change_status(&who, &device, DeviceStatus::Active)?;
			Self::deposit_event(Event::DeviceResumed { device });
			Ok(())
		}

		/// Says that a device is out of its owner's hands. Nothing that it signed is accepted while it is lost.
		///
		/// ## Dispatch origin
		/// Signed by the owner.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NotOwner`], [`Error::AlreadyLost`].
		///
		/// ## Events
		/// [`Event::LossReported`].
		#[pallet::call_index(8)]
		#[pallet::weight(T::WeightInfo::report_lost())]
		pub fn report_lost(origin: OriginFor<T>, device: DeviceId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_change_status(&who, &device, DeviceStatus::Lost)?;
			Self::deposit_event(Event::LossReported { device });
			Ok(())
		}

		/// Ends a device for ever.
		///
		/// ## Dispatch origin
		/// Signed by the owner, whatever the status of the device.
		///
		/// ## Details
		/// All keys become tombstones and lose their references, operators, services and a pending offer go, the
		/// deposit is released, `TombstonePrice` is burnt for the device and for each key that it ever had, and the
		/// rest of the wallet goes to the owner. What comes into the wallet later, the last owner can withdraw.
		/// [`Config::OnEnded`] is told last.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NotOwner`], [`Error::OpenPositions`],
		/// [`Error::OwnerCannotReceive`].
		///
		/// ## Events
		/// [`Event::DeviceRetired`].
		#[pallet::call_index(9)]
		#[pallet::weight(T::WeightInfo::retire(T::MaxKeys::get()).saturating_add(T::OnEnded::weight()))]
		pub fn retire(origin: OriginFor<T>, device: DeviceId) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let buried = Self::do_retire(&who, &device)?;
			Ok(Some(T::WeightInfo::retire(buried).saturating_add(T::OnEnded::weight())).into())
		}

		/// Pays free money of a wallet to the owner.
		///
		/// ## Dispatch origin
		/// Signed by the owner, whatever the status of the device, or by the last owner of a retired device.
		///
		/// ## Parameters
		/// - `device`: whose wallet.
		/// - `amount`: how much; `None` for everything. The wallet of a device keeps the existential deposit; that of
		///   a retired one gives everything, or keeps at least as much.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::NotOwner`], [`Error::NothingToWithdraw`],
		/// [`Error::ExceedsWithdrawable`], [`Error::OwnerCannotReceive`].
		///
		/// ## Events
		/// [`Event::Withdrawn`].
		#[pallet::call_index(10)]
		#[pallet::weight(T::WeightInfo::withdraw())]
		pub fn withdraw(
			origin: OriginFor<T>,
			device: DeviceId,
			amount: Option<BalanceOf<T>>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_withdraw(&who, &device, amount)
		}

		/// Lets an account act for a device. An earlier grant of the same account is replaced; grants that have
		/// expired are dropped on the way.
		///
		/// ## Dispatch origin
		/// Signed by the owner, whatever the status of the device.
		///
		/// ## Details
		/// An operator acts while the device is active, its grant has not expired and the owner is the same. It
		/// introduces and removes no keys. What it trades, and the deposits for what it opens, come from the wallet,
		/// within the owner's budget. The deposit grows with the list; the owner pays.
		///
		/// ## Parameters
		/// - `device`: the device.
		/// - `operator`: who may act; not the owner, and never a device key.
		/// - `actions`: what it may do; at least one action.
		/// - `expires`: last moment of the grant, unix milliseconds; `None` for no end.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NotOwner`], [`Error::NoActions`],
		/// [`Error::AlreadyOwner`], [`Error::OperatorIsDeviceKey`], [`Error::GrantExpired`],
		/// [`Error::TooManyOperators`], [`Error::OwnerCannotPay`].
		///
		/// ## Events
		/// [`Event::OperatorGranted`].
		#[pallet::call_index(11)]
		#[pallet::weight(T::WeightInfo::grant())]
		pub fn grant(
			origin: OriginFor<T>,
			device: DeviceId,
			operator: AccountId,
			actions: OperatorActions,
			expires: Option<UnixMs>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_grant(&who, &device, operator, actions, expires)
		}

		/// Ends a grant at once. What its deposit held becomes free money of the wallet.
		///
		/// ## Dispatch origin
		/// Signed by the owner or by the operator itself, whatever the status of the device.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NotOwner`], [`Error::NoGrant`].
		///
		/// ## Events
		/// [`Event::OperatorRevoked`].
		#[pallet::call_index(12)]
		#[pallet::weight(T::WeightInfo::revoke())]
		pub fn revoke(origin: OriginFor<T>, device: DeviceId, operator: AccountId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_revoke(&who, &device, operator)
		}

		/// Offers a device to a new owner. An earlier offer is replaced.
		///
		/// ## Dispatch origin
		/// Signed by the owner, whatever the status of the device.
		///
		/// ## Details
		/// Nothing changes before the offer is accepted. The deposit grows by the storage of the offer; the owner
		/// pays.
		///
		/// ## Parameters
		/// - `device`: the device.
		/// - `to`: who may accept; not the owner, and never a device key.
		/// - `price`: what the new owner pays, in the smallest unit; zero for a gift.
		/// - `expires`: last moment at which the offer can be accepted, unix milliseconds.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NotOwner`], [`Error::AlreadyOwner`],
		/// [`Error::OwnerIsDeviceKey`], [`Error::OfferExpired`], [`Error::OwnerCannotPay`].
		///
		/// ## Events
		/// [`Event::TransferOffered`].
		#[pallet::call_index(13)]
		#[pallet::weight(T::WeightInfo::offer_transfer())]
		pub fn offer_transfer(
			origin: OriginFor<T>,
			device: DeviceId,
			to: AccountId,
			price: BalanceOf<T>,
			expires: UnixMs,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_offer_transfer(&who, &device, to, price, expires)
		}

		/// Takes over a device that is offered to the signer.
		///
		/// ## Dispatch origin
		/// Signed by the account to which the device is offered. It must not be, nor ever have been, a device key.
		///
		/// ## Details
		/// The old owner gets the price and the wallet's free balance above the existential deposit, in one
		/// payment. If its account ended and that payment is too small to open it again, the money stays in the
		/// wallet: dust never stops a transfer. Operators and the offer go. Keys stay, but none does anything before
		/// the new owner confirms it. Services, the profile, the status and the deposits of what the device owns
		/// stay as they are. [`Config::OnEnded`] is told last.
		///
		/// ## Parameters
		/// - `device`: the device.
		/// - `expected_generation`: how often the device changed its owner when the signer looked.
		/// - `price`: the price that the signer agrees to; it must be the offer's.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NoOffer`], [`Error::NotOffered`],
		/// [`Error::OfferExpired`], [`Error::GenerationMismatch`], [`Error::PriceMismatch`],
		/// [`Error::OwnerIsDeviceKey`], [`Error::OpenPositions`], [`Error::NewOwnerCannotPay`].
		///
		/// ## Events
		/// [`Event::TransferAccepted`].
		#[pallet::call_index(14)]
		#[pallet::weight(T::WeightInfo::accept_transfer().saturating_add(T::OnEnded::weight()))]
		pub fn accept_transfer(
			origin: OriginFor<T>,
			device: DeviceId,
			expected_generation: u32,
			price: BalanceOf<T>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_accept_transfer(&who, &device, expected_generation, price)
		}

		/// Takes an offer back. What its deposit held becomes free money of the wallet.
		///
		/// ## Dispatch origin
		/// Signed by the owner, whatever the status of the device; once the offer has expired, by anybody.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NoOffer`], [`Error::NotOwner`].
		///
		/// ## Events
		/// [`Event::TransferCancelled`].
		#[pallet::call_index(15)]
		#[pallet::weight(T::WeightInfo::cancel_transfer())]
		pub fn cancel_transfer(origin: OriginFor<T>, device: DeviceId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_cancel_transfer(&who, &device)
		}

		/// Lets a key go on under a new owner. From then on it is a key that the owner introduced.
		///
		/// ## Dispatch origin
		/// Signed by the owner, whatever the status of the device.
		///
		/// ## Parameters
		/// - `device`: the device.
		/// - `key`: account of a key of the device that was not rotated.
		/// - `proof`: the key's signature over a `KeyClaim` with action `Confirm`, the device, its owner and the
		///   roles of the key.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NotOwner`], [`Error::UnknownKey`],
		/// [`Error::ForeignKey`], [`Error::KeyRemoved`], [`Error::KeyRotated`], [`Error::AlreadyConfirmed`],
		/// [`Error::ProofExpired`], [`Error::ProofTooLong`], [`Error::BadProof`].
		///
		/// ## Events
		/// [`Event::KeyConfirmed`].
		#[pallet::call_index(16)]
		#[pallet::weight(T::WeightInfo::confirm_key())]
		pub fn confirm_key(
			origin: OriginFor<T>,
			device: DeviceId,
			key: AccountId,
			proof: PossessionProof,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_confirm_key(&who, &device, key, proof)
		}

		/// Names the document that describes a device, for example a W3C Thing Description.
		///
		/// ## Dispatch origin
		/// Signed by the owner, by an operator with `manage`, or by a key of the device with `manage`, while the
		/// device is active.
		///
		/// ## Parameters
		/// - `device`: the device; `None` for that of the signing key.
		/// - `profile`: hash of the document; `None` for no document.
		///
		/// ## Errors
		/// Those of `DeviceAuthority::authorize` for `Action::Manage`: [`Error::UnknownDevice`],
		/// [`Error::DeviceRetired`], [`Error::DeviceSuspended`], [`Error::DeviceLost`], [`Error::NotOwner`],
		/// [`Error::GrantExpired`], [`Error::ActionNotGranted`], [`Error::UnknownKey`], [`Error::ForeignKey`],
		/// [`Error::KeyRemoved`], [`Error::KeyRotated`], [`Error::KeyUnconfirmed`], [`Error::RoleMissing`].
		///
		/// ## Events
		/// [`Event::ProfileSet`].
		#[pallet::call_index(17)]
		#[pallet::weight(T::WeightInfo::set_profile())]
		pub fn set_profile(
			origin: OriginFor<T>,
			device: Option<DeviceId>,
			profile: Option<H256>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_set_profile(&who, device, profile)
		}

		/// Publishes where a device can be reached. A service with the same id is replaced.
		///
		/// ## Dispatch origin
		/// As [`Pallet::set_profile`].
		///
		/// ## Details
		/// The deposit follows the length of the list. The owner pays what the owner signs; for a key or an operator
		/// the wallet pays from its free money, within the owner's budget.
		///
		/// ## Parameters
		/// - `device`: the device; `None` for that of the signing key.
		/// - `service`: the service.
		///
		/// ## Errors
		/// Those of [`Pallet::set_profile`], and [`Error::BadService`], [`Error::TooManyServices`],
		/// [`Error::OwnerCannotPay`], [`Error::WalletCannotPay`], and those of [`SpendLimit::spend`].
		///
		/// ## Events
		/// [`Event::ServiceSet`].
		#[pallet::call_index(18)]
		#[pallet::weight(T::WeightInfo::set_service().saturating_add(T::SpendLimit::weight()))]
		pub fn set_service(
			origin: OriginFor<T>,
			device: Option<DeviceId>,
			service: Service,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_set_service(&who, device, service)
		}

		/// Withdraws a service. What its deposit held becomes free money of the wallet.
		///
		/// ## Dispatch origin
		/// As [`Pallet::set_profile`]; the owner also when the device is not active.
		///
		/// ## Parameters
		/// - `device`: the device; `None` for that of the signing key.
		/// - `id`: id of the service.
		///
		/// ## Errors
		/// Those of [`Pallet::set_profile`], and [`Error::UnknownService`].
		///
		/// ## Events
		/// [`Event::ServiceRemoved`].
		#[pallet::call_index(19)]
		#[pallet::weight(T::WeightInfo::remove_service())]
		pub fn remove_service(
			origin: OriginFor<T>,
			device: Option<DeviceId>,
			id: ServiceId,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_remove_service(&who, device, id)
		}

		/// Vouches for a device. The signer's earlier attestation of the same topic is replaced.
		///
		/// ## Dispatch origin
		/// Signed by any account that is not, and never was, a device key. The owner may vouch for its own device; what
		/// that is worth is for those who rely on it to say, for they name the issuers.
		///
		/// ## Details
		/// It counts until it expires, and only while the keys that sign the device's telemetry are those that the
		/// signer looked at. It gives no power over the device. The signer pays a deposit, and gets it back by
		/// [`Pallet::revoke_attestation`]; a replacement pays nothing more.
		///
		/// ## Parameters
		/// - `device`: a device that is not retired, in any other status.
		/// - `topic`: what it is about.
		/// - `claim`: hash of the document that says it.
		/// - `auth_version`, `generation`: the device's versions of signing keys and of owner that the signer vouches for.
		/// - `expires`: last moment at which it counts, unix milliseconds.
		///
		/// ## Errors
		/// [`Error::IssuerIsDeviceKey`], [`Error::BadTopic`], [`Error::AttestationExpired`], [`Error::UnknownDevice`],
		/// [`Error::DeviceRetired`], [`Error::AuthVersionMismatch`], [`Error::GenerationMismatch`],
		/// [`Error::IssuerCannotPay`].
		///
		/// ## Events
		/// [`Event::Attested`].
		#[pallet::call_index(20)]
		#[pallet::weight(T::WeightInfo::attest())]
		pub fn attest(
			origin: OriginFor<T>,
			device: DeviceId,
			topic: Topic,
			claim: H256,
			auth_version: u32,
			generation: u32,
			expires: UnixMs,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_attest(&who, device, topic, claim, auth_version, generation, expires)
		}

		/// Takes an attestation back at once and releases its deposit.
		///
		/// ## Dispatch origin
		/// Signed by its issuer, also after the device was retired.
		///
		/// ## Errors
		/// [`Error::UnknownAttestation`].
		///
		/// ## Events
		/// [`Event::AttestationRevoked`].
		#[pallet::call_index(21)]
		#[pallet::weight(T::WeightInfo::revoke_attestation())]
		pub fn revoke_attestation(origin: OriginFor<T>, device: DeviceId, topic: Topic) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_revoke_attestation(&who, device, topic)
		}

		/// Commits a manufacturer to the keys of a production batch by one hash.
		///
		/// ## Dispatch origin
		/// Signed by any account that is not, and never was, a device key.
		///
		/// ## Details
		/// The keys themselves stay with the manufacturer. The batch stays for ever, and so does the deposit that the
		/// signer pays for it.
		///
		/// ## Parameters
		/// - `model`: what was made, in the manufacturer's own words.
		/// - `count`: how many keys.
		/// - `root`: root of the tree over the keys (`m2m_device::production::key_tree`).
		///
		/// ## Errors
		/// [`Error::IssuerIsDeviceKey`], [`Error::EmptyBatch`], [`Error::BatchExists`], [`Error::IssuerCannotPay`].
		///
		/// ## Events
		/// [`Event::BatchCreated`].
		#[pallet::call_index(22)]
		#[pallet::weight(T::WeightInfo::create_batch())]
		pub fn create_batch(origin: OriginFor<T>, model: Model, count: u32, root: H256) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_create_batch(&who, model, count, root)
		}

		/// Shows in which production batch a key was made.
		///
		/// ## Dispatch origin
		/// Signed by anybody while nothing is known of the key, or its batch was revoked. Anybody can make a batch with
		/// somebody else's key in it; so after that only the owner of the device, whatever its status, names another.
		///
		/// ## Details
		/// The key's deposit paid for the entry. It goes with the key.
		///
		/// ## Parameters
		/// - `key`: account of a device key that was not removed. One that was rotated will do.
		/// - `issuer`, `root`: the batch.
		/// - `index`: place of the key in the batch, from 0.
		/// - `path`: siblings from the key's leaf to the root, bottom up.
		///
		/// ## Errors
		/// [`Error::UnknownKey`], [`Error::KeyRemoved`], [`Error::UnknownBatch`], [`Error::BatchRevoked`],
		/// [`Error::AlreadyProven`], [`Error::NotInBatch`].
		///
		/// ## Events
		/// [`Event::ProductionProven`].
		#[pallet::call_index(23)]
		#[pallet::weight(T::WeightInfo::prove_production(path.len() as u32))]
		pub fn prove_production(
			origin: OriginFor<T>,
			key: AccountId,
			issuer: AccountId,
			root: H256,
			index: u32,
			path: ProductionPath,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_prove_production(&who, key, issuer, root, index, path)
		}

		/// Disowns a production batch for ever, for example because its keys leaked. What was proven by it counts no
		/// more. Its deposit stays, for the batch does: it must not come back.
		///
		/// ## Dispatch origin
		/// Signed by the issuer of the batch.
		///
		/// ## Errors
		/// [`Error::UnknownBatch`], [`Error::BatchRevoked`].
		///
		/// ## Events
		/// [`Event::BatchRevoked`].
		#[pallet::call_index(24)]
		#[pallet::weight(T::WeightInfo::revoke_batch())]
		pub fn revoke_batch(origin: OriginFor<T>, root: H256) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_revoke_batch(&who, root)
		}
	}

	impl<T: Config> Pallet<T> {
		/// Now, in unix milliseconds.
		pub(crate) fn now() -> UnixMs {
			UnixMs::try_from(T::Time::now().as_millis()).unwrap_or(UnixMs::MAX)
		}
	}
}
