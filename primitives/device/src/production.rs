//! Where a key was made: batches of keys to which a manufacturer commits with one hash.
//!
//! The leaf of a key is `blake2_256(0x0b || scheme || public key)`. Nodes, shape and paths over the leaves are those
//! of the data tree in `m2m-merkle`: a node is `blake2_256(0x09 || left || right)`, and the left subtree of `n`
//! leaves holds the largest power of two smaller than `n`. Pinned by `vectors/production.json`.

use crate::{AccountId, DevicePublic, UnixMs};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_merkle::DataTree;
use scale_info::TypeInfo;
use sp_core::{ConstU32, H256};
use sp_runtime::BoundedVec;

/// First byte of a key leaf's preimage.
pub const KEY_LEAF_TAG: u8 = 0x0b;

/// Longest name of a model, in bytes.
pub const MAX_MODEL: u32 = 32;

/// Longest path from a leaf to the root, in hashes.
pub const MAX_PATH: u32 = 32;

/// Name of a model, in the manufacturer's own words.
pub type Model = BoundedVec<u8, ConstU32<MAX_MODEL>>;

/// Siblings on the way from a key's leaf to the root of its batch, bottom up.
pub type ProductionPath = BoundedVec<H256, ConstU32<MAX_PATH>>;

/// A batch of keys to which its issuer committed. It is known by the issuer and its Merkle root.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Batch<Balance> {
	/// What was made.
	pub model: Model,
	/// How many keys; at least 1.
	pub count: u32,
	/// When the issuer committed to it.
	pub created: UnixMs,
	/// When the issuer disowned it, if it did.
	pub revoked: Option<UnixMs>,
	/// What is held on the issuer for its storage, in the smallest unit of the token.
	pub deposit: Balance,
}

/// Proven origin of a key: its place in a batch.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Production {
	/// Who made it.
	pub issuer: AccountId,
	/// Root of the batch.
	pub root: H256,
	/// Place of the key in the batch, from 0.
	pub index: u32,
	/// When it was proven.
	pub proven_at: UnixMs,
}

/// The leaf of a key: `blake2_256(0x0b || scheme || public key)`.
pub fn key_leaf(public: &DevicePublic) -> H256 {
	let mut preimage = Vec::with_capacity(1 + 1 + 33);
	preimage.push(KEY_LEAF_TAG);
	preimage.push(public.scheme());
	preimage.extend_from_slice(public.as_bytes());
	H256(sp_io::hashing::blake2_256(&preimage))
}

/// The tree over a batch of keys, which gives its root and the path of each key. The order of the keys is that of
/// their indices. `None` for no keys, or more than a batch can count (2^32 - 1).
pub fn key_tree(keys: &[DevicePublic]) -> Option<DataTree> {
	u32::try_from(keys.len()).ok()?;
	DataTree::new(keys.iter().map(|key| key_leaf(key).0).collect())
}

/// The root of the batch of `count` keys in which `public` has this index and this path; `None` if the path has
/// another length than that place demands.
pub fn path_root(public: &DevicePublic, index: u32, count: u32, path: &[H256]) -> Option<H256> {
	let siblings = path.iter().map(|sibling| &sibling.0);
	m2m_merkle::path_root(&key_leaf(public).0, index, count.into(), siblings).map(H256)
}
