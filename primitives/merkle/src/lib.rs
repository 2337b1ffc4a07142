//! Commitments to batches of meter readings, and proofs from them.
//!
//! A device collects readings into a batch and signs one anchor for it. The anchor holds the roots of two
//! trees over the same leaves: the **data tree** ([`tree`]), whose paths open single readings and say nothing
//! about their neighbours, and the **aggregate tree**, whose nodes commit to count, extremes, sum and longest
//! gap of what is below them, so that the anchor's claims can be audited with one path. All anchors of a stream
//! form a Merkle mountain range ([`range`]), so that each stays provable after it has left the chain's state.
//!
//! The hash `H` is blake2-256. Every hash input starts with a one-byte tag, so that no leaf can pass for a
//! node; `le32`, `le64`, `le128` are little-endian.
//!
//! | tag | hash of | bytes after the tag |
//! |---|---|---|
//! | 0x00 | reading leaf `h_i` | le32(i), salt (16), reading (16) |
//! | 0x01 | aggregate node | left hash (32), right hash (32), left aggregate (64), right aggregate (64) |
//! | 0x05 | aggregate root | top hash (32), top aggregate (64) |
//! | 0x06 | salt: its first 16 bytes | batch secret (32), le32(i) |
//! | 0x07 | batch secret | device secret (32), le32(stream), le64(seq) |
//! | 0x09 | data node | left (32), right (32) |
//! | 0x0c | mountain-range leaf | device (32), le32(stream), le64(seq), anchor |
//! | 0x0d | mountain-range node | left (32), right (32) |
//! | 0x0e | bagged peaks | left peak (32), what is to its right (32) |
//!
//! Both trees have the shape of RFC 6962: the left subtree of n leaves holds the largest power of two smaller
//! than n. That is the same as pairing neighbours level by level and lifting an odd last node unchanged.
//!
//! Everything here is pure and `no_std`. No function panics, whatever its input.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod aggregate;
pub mod evidence;
pub mod proof;
pub mod range;
pub mod reading;
pub mod tree;

pub use aggregate::{Aggregate, CombineError, Implausible, aggregate_root};
pub use evidence::{FalseAnchorEvidence, Lie, NotFalse};
pub use proof::{AggregateProof, AggregateSibling, ReadingProof};
pub use reading::{Reading, batch_secret, leaf_hash, salt};
pub use tree::{Batch, BatchError};

/// A blake2-256 hash.
pub type Hash = [u8; 32];

/// Most readings in a batch: 2^32, because the leaf index is a 32-bit number.
pub const MAX_LEAVES: u64 = 1 << 32;

/// Hashes a tag and the parts after it. `N` is the total length.
pub(crate) fn tagged<const N: usize>(tag: u8, parts: &[&[u8]]) -> Hash {
	let mut input = [0u8; N];
	input[0] = tag;
	let mut at = 1;
	for part in parts {
		input[at..at + part.len()].copy_from_slice(part);
		at += part.len();
	}
	debug_assert_eq!(at, N);
	sp_crypto_hashing::blake2_256(&input)
}

/// Hash of an inner node of the data tree.
pub(crate) fn data_node(left: &Hash, right: &Hash) -> Hash {
	tagged::<65>(0x09, &[left, right])
}
