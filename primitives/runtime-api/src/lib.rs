//! Runtime APIs of our pallets. Reads are free: nothing here needs an extrinsic.

#![cfg_attr(not(feature = "std"), no_std)]
// The macro writes items that it does not document.
#![allow(missing_docs)]

extern crate alloc;

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_anchor::{AnchorProof, AnchorRecord, Coverage, ProofFault, StreamDetails, StreamId};
pub use m2m_device::AttestationDetails;
use m2m_device::{
	AccountId, Beneficiary, DeviceId, DeviceStatus, KeyRecord, Operator, Production, Service, Topic,
	TransferOffer, UnixMs,
};
use m2m_did::DidRecord;
use m2m_fair_exchange::{
	ListingId, SaleId,
	market::{
		Conditions, Listing, ListingFilter, ListingPage, Pool, PoolId, Request, RequestId, SaleStatus,
		Seller, Subscription, SubscriptionId,
	},
};
use m2m_merkle::ReadingProof;
use scale_info::TypeInfo;
use sp_core::H256;

/// A device as clients see it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct DeviceDetails {
	/// Its id and wallet.
	pub device: DeviceId,
	/// Owner; the last owner of a retired device.
	pub owner: AccountId,
	/// Status.
	pub status: DeviceStatus,
	/// When the status last changed.
	pub status_since: UnixMs,
	/// How often the owner changed.
	pub generation: u32,
	/// How often a key that signs telemetry was added or came by rotation.
	pub auth_version: u32,
	/// Gateway that holds the device's keys, if it has none of its own.
	pub gateway: Option<AccountId>,
	/// Keys that may sign or, after a rotation, still deliver. In the order in which they were added.
	pub device_keys: Vec<KeyRecord>,
	/// Hash of a document that describes the device, for example a W3C Thing Description.
	pub profile: Option<H256>,
	/// Who may act for it besides its keys and its owner. Grants that have expired are listed until they are revoked
	/// or dropped.
	pub operators: Vec<Operator>,
	/// Where it can be reached.
	pub services: Vec<Service>,
	/// To whom it is offered, if it is. The offer may have expired.
	pub offer: Option<TransferOffer>,
}

/// A production batch as clients see it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct BatchDetails {
	/// What was made, in the manufacturer's own words; at most 32 bytes, which need not be text.
	pub model: Vec<u8>,
	/// How many keys; at least 1.
	pub count: u32,
	/// When the manufacturer committed to it.
	pub created: UnixMs,
	/// When the manufacturer disowned it, if it did.
	pub revoked: Option<UnixMs>,
}

/// Groups of calls that a sponsor can pay for.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum CallGroup {
	/// Anchors, and the streams that they belong to.
	#[codec(index = 0)]
	Telemetry,
	/// A device's own keys: added, rotated, removed.
	#[codec(index = 1)]
	Identity,
}

/// What others still pay for a device, and what its wallet does.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Remaining {
	/// The sponsorships that pay now, in the order in which they are tried.
	pub sponsored: Vec<SponsoredRest>,
	/// What the device's keys may still spend from its wallet.
	pub budget: Option<BudgetRest>,
	/// The wallet's free money above the existential deposit.
	pub wallet: u128,
}

/// What one sponsorship still pays for a device.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SponsoredRest {
	/// Its number.
	pub sponsorship: u32,
	/// For which calls.
	pub calls: Vec<CallGroup>,
	/// What the device's bucket pays now, in fees at multiplier one.
	pub bucket: u128,
	/// What it pays when it is full.
	pub capacity: u128,
	/// What comes back with every block.
	pub refill: u128,
	/// What fees can take from the pot.
	pub pot: u128,
	/// Last moment at which it pays.
	pub expires: Option<UnixMs>,
}

/// What is left of a device's budget.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct BudgetRest {
	/// Most that is spent in a period.
	pub limit: u128,
	/// What is left in this period.
	pub left: u128,
	/// When this period ends.
	pub period_ends: UnixMs,
}

/// A sponsorship as clients see it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SponsorshipDetails {
	/// Its number.
	pub sponsorship: u32,
	/// Who pays.
	pub sponsor: AccountId,
	/// Whose fees.
	pub beneficiary: Beneficiary,
	/// For one device: the generation in which it was offered, and with which it ends.
	pub generation: Option<u32>,
	/// For which calls.
	pub calls: Vec<CallGroup>,
	/// What a device's full bucket pays, in fees at multiplier one.
	pub capacity: u128,
	/// What comes back with every block.
	pub refill: u128,
	/// Last moment at which it pays.
	pub expires: Option<UnixMs>,
	/// The account from which fees are paid.
	pub pot: AccountId,
	/// What fees can take from it. A device without a bucket in state needs a deposit from it besides.
	pub balance: u128,
	/// How many devices have a bucket in state.
	pub buckets: u32,
	/// True if its owner has taken it.
	pub attached: bool,
	/// True if the sponsor closed it and buckets are left to prune.
	pub closed: bool,
}

/// Most issuers that `DeviceApi::has_attestation` looks at.
pub const MAX_ISSUERS: usize = 16;

sp_api::decl_runtime_apis! {
	/// Devices and their keys.
	pub trait DeviceApi {
		/// One device.
		fn device(device: DeviceId) -> Option<DeviceDetails>;
		/// The deposit, in the smallest unit of the token, for the storage of a device that ever had `keys` keys and
		/// has neither operators nor services nor an offer. A new device has one key.
		fn deposit_for(keys: u32) -> u128;
		/// The device to which a key belongs or belonged.
		fn device_of_key(key: AccountId) -> Option<DeviceId>;
		/// The devices of an owner in a fixed order, at most `limit` (capped at 256) after `after`.
		fn devices_of(owner: AccountId, after: Option<DeviceId>, limit: u32) -> Vec<DeviceId>;
		/// The attestations of a device, valid or not, in a fixed order: at most `limit` (capped at 256) after the one of
		/// the topic and issuer `after`. Anybody can attest, so there may be more than one page.
		fn attestations(
			device: DeviceId,
			after: Option<(Topic, AccountId)>,
			limit: u32,
		) -> Vec<AttestationDetails>;
		/// True if one of the first [`MAX_ISSUERS`] of `issuers` vouches for the device now; with `same_owner` only
		/// what was said under its present owner counts.
		fn has_attestation(
			device: DeviceId,
			topic: Topic,
			issuers: Vec<AccountId>,
			same_owner: bool,
		) -> bool;
		/// Where a key was made, if that was proven and the batch was not revoked.
		fn production(key: AccountId) -> Option<Production>;
		/// A production batch, revoked or not.
		fn batch(issuer: AccountId, root: H256) -> Option<BatchDetails>;
	}

	/// The market for readings.
	pub trait DataApi {
		/// What is demanded of every sale.
		fn conditions() -> Conditions;
		/// Listings that match and can be bought from now, from number `from` on: at most `limit` (capped at 128), out
		/// of the next 512 numbers.
		fn listings(filter: ListingFilter, from: ListingId, limit: u32) -> ListingPage;
		/// One listing.
		fn listing(listing: ListingId) -> Option<Listing>;
		/// Numbers of a seller's listings in a fixed order, at most `limit` (capped at 128) after `after`.
		fn listings_of(seller: AccountId, after: Option<ListingId>, limit: u32) -> Vec<ListingId>;
		/// A sale that is open, or that ended before `expires`, the last block of its terms.
		fn sale(sale: SaleId, expires: u32) -> Option<SaleStatus>;
		/// Bond and record of a seller.
		fn seller(seller: AccountId) -> Option<Seller>;
		/// A standing order.
		fn subscription(subscription: SubscriptionId) -> Option<Subscription>;
		/// One request.
		fn request(request: RequestId) -> Option<Request>;
		/// Requests that have not expired, from number `from` on, likewise; and where to go on.
		fn requests(from: RequestId, limit: u32) -> (Vec<(RequestId, Request)>, Option<RequestId>);
		/// A pool.
		fn pool(pool: PoolId) -> Option<Pool>;
		/// Shares of a member of a pool, and what it is owed.
		fn pool_member(pool: PoolId, member: AccountId) -> Option<(u32, u128)>;
	}

	/// Decentralized identifiers.
	pub trait DidApi {
		/// What the DID document of a device shows, retired devices included; `None` if the chain never had it.
		fn did_document(device: DeviceId) -> Option<DidRecord>;
	}

	/// Who pays for devices.
	pub trait SponsorshipApi {
		/// What a device can still do without paying itself. Nothing remains for one that is not active.
		fn remaining(device: DeviceId) -> Remaining;
		/// One sponsorship.
		fn sponsorship(sponsorship: u32) -> Option<SponsorshipDetails>;
		/// The sponsorships of a sponsor in a fixed order, at most `limit` (capped at 256) after `after`.
		fn sponsorships_of(sponsor: AccountId, after: Option<u32>, limit: u32) -> Vec<u32>;
	}

	/// Streams, anchors and proofs.
	pub trait TelemetryApi {
		/// Numbers of the device's open streams.
		fn streams(device: DeviceId) -> Vec<StreamId>;
		/// One stream, open or closed.
		fn stream(device: DeviceId, stream: StreamId) -> Option<StreamDetails>;
		/// An anchor that is still in state.
		fn anchor(device: DeviceId, stream: StreamId, seq: u64) -> Option<AnchorRecord>;
		/// The anchor with the largest sequence number.
		fn latest(device: DeviceId, stream: StreamId) -> Option<AnchorRecord>;
		/// What the anchors in state say about `from <= t < to`.
		fn coverage(device: DeviceId, stream: StreamId, from: UnixMs, to: UnixMs) -> Option<Coverage>;
		/// Checks that an anchor was recorded.
		fn verify_anchor(proof: AnchorProof) -> Result<(), ProofFault>;
		/// Checks that a reading was recorded, unchanged, in that anchor.
		fn verify_reading(anchor: AnchorProof, reading: ReadingProof) -> Result<(), ProofFault>;
	}
}
