//! Client library and command line for device owners, gateways and auditors.
//!
//! | module | for |
//! |---|---|
//! | [`chain`] | connect to a node, read runtime APIs and events, submit calls |
//! | [`keys`] | key files of accounts and devices |
//! | [`fleet`] | register devices, rotate keys, retire |
//! | [`readings`] | meter readings from CSV files |
//! | [`commitment`] | batches of readings -> anchors and signed envelopes, as a device makes them |
//! | [`store`] | a gateway's outbox, receipts and leaves |
//! | [`replay`] | the gateway itself: deliver a day of readings, resumable at any point |
//! | [`proof`] | prove that a reading was recorded unchanged, and check such proofs |
//! | [`money`], [`time`] | amounts and times as people write them |
//!
//! The types of calls, anchors and envelopes are those of the `m2m-device`, `m2m-anchor` and `m2m-merkle` crates,
//! which the runtime is compiled with; nothing here is generated from metadata.

pub mod chain;
pub mod commitment;
pub mod error;
pub mod fleet;
pub mod keys;
pub mod money;
pub mod proof;
pub mod readings;
pub mod replay;
pub mod store;
pub mod time;

pub use error::{Error, Result};
