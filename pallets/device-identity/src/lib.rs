#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod authority;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod inspect;
mod keys;
mod lifecycle;
#[cfg(test)]
mod mock;
mod registration;
#[cfg(test)]
mod tests;
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

use frame_support::{BoundedVec, traits::fungible::Inspect};
use m2m_device::AccountId;

/// Money, in the smallest unit of the token.
pub type BalanceOf<T> = <<T as Config>::Currency as Inspect<AccountId>>::Balance;

/// A device as it is stored.
pub type DeviceOf<T> = Device<BalanceOf<T>>;

/// Accounts of the keys of one device, in the order in which they were introduced.
pub type KeyList<T> = BoundedVec<AccountId, <T as Config>::MaxKeys>;

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
	use m2m_device::{DeviceId, DevicePublic, DeviceStatus, PossessionProof, Roles, UnixMs};
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
		/// bytes that the device ever put into state, removed keys included.
		///
		/// One more key must raise the price by at least [`Config::TombstonePrice`], and a device with one key
		/// must cost at least twice that.
		type DepositPrice: Convert<Footprint, BalanceOf<Self>>;

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

	/// Why money of a wallet is held.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// For the storage of the device and its keys. Released when the device is retired.
		#[codec(index = 0)]
		DeviceDeposit,
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

	/// Tombstones of retired devices. Never removed.
	#[pallet::storage]
	pub type RetiredDevices<T: Config> = StorageMap<_, Blake2_128Concat, DeviceId, RetiredDevice>;

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
		/// A device was suspended by its owner.
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
		/// The signer is neither a key of the device nor its owner, or the call is for the owner alone.
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
		/// Another key took this one's place: it may only deliver what it signed before.
		KeyRotated,
		/// The key was rotated and the time to deliver what it signed before is over.
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
		/// pays from its free money.
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
		/// [`Error::BadProof`], [`Error::TooManyKeys`], [`Error::OwnerCannotPay`], [`Error::WalletCannotPay`].
		///
		/// ## Events
		/// [`Event::KeyAdded`], and [`Event::KeyPruned`] for each key found expired.
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::add_key(T::MaxKeys::get()))]
		pub fn add_key(
			origin: OriginFor<T>,
			device: Option<DeviceId>,
			public: DevicePublic,
			roles: Roles,
			proof: PossessionProof,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let pruned = Self::do_add_key(&who, device, public, roles, proof)?;
			Ok(Some(T::WeightInfo::add_key(pruned)).into())
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
		#[pallet::weight(T::WeightInfo::rotate_key(T::MaxKeys::get()))]
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
			Ok(Some(T::WeightInfo::rotate_key(pruned)).into())
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
		/// Signed by the owner.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NotOwner`], [`Error::AlreadySuspended`],
		/// [`Error::InvalidTransition`] for a lost device.
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
		/// All keys become tombstones and lose their references, the deposit is released, `TombstonePrice` is burnt
		/// for the device and for each key that it ever had, and the rest of the wallet goes to the owner. What
		/// comes into the wallet later, the last owner can withdraw.
		///
		/// ## Errors
		/// [`Error::UnknownDevice`], [`Error::DeviceRetired`], [`Error::NotOwner`], [`Error::OpenPositions`],
		/// [`Error::OwnerCannotReceive`].
		///
		/// ## Events
		/// [`Event::DeviceRetired`].
		#[pallet::call_index(9)]
		#[pallet::weight(T::WeightInfo::retire(T::MaxKeys::get()))]
		pub fn retire(origin: OriginFor<T>, device: DeviceId) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let buried = Self::do_retire(&who, &device)?;
			Ok(Some(T::WeightInfo::retire(buried)).into())
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
	}

	impl<T: Config> Pallet<T> {
		/// Now, in unix milliseconds.
		pub(crate) fn now() -> UnixMs {
			UnixMs::try_from(T::Time::now().as_millis()).unwrap_or(UnixMs::MAX)
		}
	}
}
