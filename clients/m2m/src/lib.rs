//! Client library and command line for device owners, gateways and auditors.
//!
//! | module | for |
//! |---|---|
//! | [`chain`] | connect to a node, read runtime APIs and events, submit calls |
//! | [`keys`] | key files of accounts and devices |
//! | [`fleet`] | register devices, rotate keys, retire, list |
//! | [`manifest`] | commissioning manifests: devices whose keys agree to an owner |
//! | [`import`] | register what stands in a manifest, however much, resumable at any point |
//! | [`doctor`] | is everything there that the client needs? |
//! | [`selection`] | which devices something is done for: some, or all of an owner |
//! | [`transfer`] | take over a device from another owner |
//! | [`attestation`] | vouch for devices |
//! | [`batch`] | production batches: which keys a manufacturer built into devices |
//! | [`readings`] | meter readings from CSV files |
//! | [`minutes`] | one-minute readings made from them by a stated rule |
//! | [`commitment`] | batches of readings -> anchors and signed envelopes, as a device makes them |
//! | [`store`] | a gateway's outbox, receipts and leaves |
//! | [`replay`] | the gateway itself: deliver a day of readings, resumable at any point |
//! | [`direct`] | devices that deliver their own anchors and need no balance |
//! | [`proof`] | prove that a reading was recorded unchanged, and check such proofs |
//! | [`evidence`] | evidence that an anchor contradicts its own readings |
//! | [`bill`] | what a device traded in a market for energy, from events |
//! | [`community`], [`chart`] | a neighbourhood's day traded in time-lapse, checked against the readings, and its picture |
//! | [`keeper`] | clear and settle what is due in markets for energy |
//! | [`data`] | sell readings and buy them |
//! | [`money`], [`time`] | amounts and times as people write them |
//!
//! The types of calls, anchors and envelopes are those of the `m2m-device`, `m2m-anchor` and `m2m-merkle` crates,
//! which the runtime is compiled with; nothing here is generated from metadata.

pub mod attestation;
pub mod batch;
pub mod bill;
pub mod chain;
pub mod chart;
pub mod commitment;
pub mod community;
pub mod data;
mod database;
pub mod direct;
pub mod doctor;
pub mod error;
pub mod evidence;
pub mod fleet;
pub mod import;
pub mod keeper;
pub mod keys;
pub mod manifest;
pub mod minutes;
pub mod money;
pub mod proof;
pub mod readings;
pub mod replay;
pub mod selection;
pub mod store;
pub mod time;
pub mod transfer;

pub use error::{Error, Result};
