//! Who a machine is: its id, its keys, the proof that it holds a key, and the traits by which other
//! pallets ask about it.
//!
//! A device id **is** the device's wallet account. It is derived from the first public key and never
//! changes, and no private key exists for it: keys can be rotated, lost or stolen without moving the
//! money or the identity.
//!
//! Byte layouts of everything a device signs, and of the trees over the keys of a production batch, are fixed here and
//! pinned by golden vectors (`vectors/possession.json`, `vectors/production.json`), so that firmware and tools in
//! another language can check their own encoding.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod attestation;
pub mod key;
pub mod operators;
pub mod possession;
pub mod production;
pub mod service;
pub mod sponsorship;
pub mod traits;
pub mod transfer;

pub use attestation::{Attestation, AttestationDetails, Topic};
pub use key::{DevicePublic, DeviceSignature, Roles};
pub use operators::{Operator, OperatorActions};
pub use possession::{KeyClaim, PossessionAction, PossessionProof};
pub use production::{Batch, Model, Production, ProductionPath};
pub use service::{Service, ServiceId};
pub use sponsorship::Beneficiary;
pub use traits::{
	ActingKey, Action, BudgetPeriod, DeviceAuthority, DeviceInspect, DeviceStatus, KeyRecord, OnDeviceEnded,
	ReadingAuthority, SpendLimit,
};
pub use transfer::TransferOffer;

/// Account of an owner, an operator, a gateway or a device key.
pub type AccountId = sp_runtime::AccountId32;

/// A device's id, which is also its wallet account. See [`DevicePublic::device_id`].
pub type DeviceId = AccountId;

/// Milliseconds since the Unix epoch.
pub type UnixMs = u64;

/// Longest time, in milliseconds, between now and the expiry of a proof of possession: 90 days, long
/// enough to travel in a commissioning manifest.
pub const MAX_PROOF_VALIDITY_MS: UnixMs = 90 * 24 * 60 * 60 * 1000;
