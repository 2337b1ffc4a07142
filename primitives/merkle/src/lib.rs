//! Commitments to batches of meter readings, shared by device, gateway, chain and buyer.
//!
//! A device collects a batch of [`Reading`]s and commits to it with two Merkle trees over the same salted
//! leaves ([`Batch`]): the **data tree**, whose proofs ([`ReadingProof`]) open one reading and say nothing about
//! its neighbours, and the **aggregate tree**, whose nodes also commit to count, extremes, sum, times and
//! longest silence ([`Aggregate`]), so that a total is proven, or a false total convicted
//! ([`FalseAnchorEvidence`]), with one path. A data tree over other leaves stands alone ([`DataTree`]). All anchors of a stream are leaves of a Merkle mountain range
//! ([`range`]).
//!
//! `H` is blake2-256; integers are little-endian. Every hash input starts with a tag of one byte, so that no
//! leaf can pass for a node:
//!
//! | tag | hash of | bytes after the tag |
//! |---|---|---|
//! | `0x00` | reading leaf | index (4), salt (16), reading (16) |
//! | `0x01` | aggregate node | left hash (32), right hash (32), left aggregate (64), right aggregate (64) |
//! | `0x05` | aggregate root | top hash (32), top aggregate (64) |
//! | `0x06` | salt: its first 16 bytes | batch secret (32), index (4) |
//! | `0x07` | batch secret | device secret (32), stream (4), sequence (8) |
//! | `0x09` | data node | left hash (32), right hash (32) |
//! | `0x0b` | leaf of a device key in a production batch (`m2m-device`) | scheme (1), public key (32 or 33) |
//! | `0x0c` | range leaf | device (32), stream (4), sequence (8), anchor (any length) |
//! | `0x0d` | range node | left hash (32), right hash (32) |
//! | `0x0e` | range bagging | left peak (32), everything to its right (32) |
//! | `0x02` to `0x04`, `0x0a`, `0x0f` to `0x11` | sales of readings | see `m2m-fair-exchange` |
//!
//! Both trees have the shape of RFC 6962: the left subtree of `n` leaves holds the largest power of two smaller
//! than `n`. No function here panics, whatever its input.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod aggregate;
pub mod evidence;
pub mod proof;
pub mod range;
pub mod reading;
#[cfg(feature = "serde")]
mod text;
pub mod tree;

pub use aggregate::{Aggregate, CombineError, Implausible};
pub use evidence::{EvidenceStep, FalseAnchorEvidence, Lie, NotFalse};
pub use proof::{AggregateProof, AggregateSibling, ReadingProof, path_root, verify_path};
pub use range::Range;
pub use reading::{Reading, batch_secret};
pub use tree::{Batch, BatchError, DataTree, aggregate_root, data_node};

/// A blake2-256 hash.
pub type Hash = [u8; 32];

/// The most readings a batch can hold: leaf indices are 32 bits wide.
pub const MAX_READINGS: u64 = 1 << 32;
