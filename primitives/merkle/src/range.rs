//! A Merkle mountain range over all anchors of a stream: one that has left the chain's storage stays provable
//! for ever, and appending takes a few hashes.
//!
//! Positions are leaf numbers 0, 1, 2, ... A range of `n` leaves consists of one perfect tree ("mountain") for
//! each bit set in `n`, the largest leftmost; `peaks` are their tops, from left to right. The root bags the peaks
//! from right to left: it starts with the rightmost peak and, for each peak to its left,
//! becomes `H(0x0e || peak || root so far)`. The root of a range of one peak is that peak.
//!
//! A path is, in the order in which it is folded: the siblings inside the leaf's mountain, bottom up; the bagged
//! peaks to the right of it as one hash, if there are any; each peak to the left of it, nearest first.
//!
//! Neither root nor path commits to the number of leaves, and some numbers give one position the same
//! path: take the number and the root from the same place.
//!
//! **Extending.** A path holds for the root after a fixed number of leaves. To prove an old anchor under a
//! newer root, keep the leaf hashes (32 bytes an anchor, from the chain's events) and call [`prove`] over all of
//! them again.

use crate::Hash;
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;
use sp_crypto_hashing::blake2_256;

/// The leaf for an anchor: `H(0x0c || device || le32 stream || le64 seq || anchor)`.
pub fn leaf_hash(device: &[u8; 32], stream: u32, seq: u64, anchor: &[u8]) -> Hash {
	let mut input = Vec::with_capacity(anchor.len().saturating_add(45));
	input.push(0x0c);
	input.extend_from_slice(device);
	input.extend_from_slice(&stream.to_le_bytes());
	input.extend_from_slice(&seq.to_le_bytes());
	input.extend_from_slice(anchor);
	blake2_256(&input)
}

fn tagged(tag: u8, left: &Hash, right: &Hash) -> Hash {
	let mut input = [tag; 65];
	input[1..33].copy_from_slice(left);
	input[33..].copy_from_slice(right);
	blake2_256(&input)
}

/// A node inside a mountain: `H(0x0d || left || right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
	tagged(0x0d, left, right)
}

/// A bagging step: `H(0x0e || left peak || everything to its right)`.
pub fn bag_hash(left_peak: &Hash, right: &Hash) -> Hash {
	tagged(0x0e, left_peak, right)
}

/// Appends `leaf` to a range of `leaves` leaves with these `peaks`, which are at most 64 and stay so. Its position
/// is `leaves`. The caller counts the leaf.
pub fn append_to(leaves: u64, peaks: &mut Vec<Hash>, leaf: Hash) {
	let mut node = leaf;
	for _ in 0..leaves.trailing_ones() {
		let Some(left) = peaks.pop() else { break };
		node = node_hash(&left, &node);
	}
	peaks.push(node);
}

/// The root over `peaks`, given from left to right; `None` if there are none.
pub fn root_of(peaks: &[Hash]) -> Option<Hash> {
	peaks
		.iter()
		.rev()
		.copied()
		.reduce(|right, peak| bag_hash(&peak, &right))
}

/// A range, as far as it is needed to append and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Range {
	/// Number of leaves.
	pub leaves: u64,
	/// Tops of the mountains from left to right: as many as there are bits set in `leaves`.
	pub peaks: Vec<Hash>,
}

impl Range {
	/// Appends a leaf and returns its position.
	pub fn append(&mut self, leaf: Hash) -> u64 {
		let position = self.leaves;
		append_to(position, &mut self.peaks, leaf);
		self.leaves = position.saturating_add(1);
		position
	}

	/// The root; `None` while there is no leaf.
	pub fn root(&self) -> Option<Hash> {
		root_of(&self.peaks)
	}
}

impl FromIterator<Hash> for Range {
	fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
		let mut range = Self::default();
		for leaf in leaves {
			range.append(leaf);
		}
		range
	}
}

/// Height of the mountain over `position` in a range of `leaves`: the highest bit in which they differ. `None` if
/// there is no such position.
fn mountain_height(position: u64, leaves: u64) -> Option<u32> {
	if position < leaves {
		(position ^ leaves).checked_ilog2()
	} else {
		None
	}
}

/// The path of the leaf at `position` in the range over all `leaves`; `None` if there is no such leaf. Takes as
/// many hashes as there are leaves.
pub fn prove(leaves: &[Hash], position: u64) -> Option<Vec<Hash>> {
	let height = mountain_height(position, leaves.len() as u64)?;
	let width = 1usize.checked_shl(height)?;
	let within = usize::try_from(position).ok()?;
	let start = within & !(width - 1);
	let (left, rest) = leaves.split_at_checked(start)?;
	let (mountain, right) = rest.split_at_checked(width)?;

	let mut path = Vec::new();
	let mut level = mountain.to_vec();
	let mut at = within - start;
	while level.len() > 1 {
		path.push(*level.get(at ^ 1)?);
		level = level
			.chunks_exact(2)
			.map(|pair| node_hash(&pair[0], &pair[1]))
			.collect();
		at >>= 1;
	}
	path.extend(right.iter().copied().collect::<Range>().root());
	path.extend(left.iter().copied().collect::<Range>().peaks.into_iter().rev());
	Some(path)
}

/// Whether `leaf` is at `position` of the range of `leaves` leaves with this `root`. The path must have exactly
/// the length that position and number of leaves give. Takes at most 64 hashes and never panics.
pub fn verify(root: &Hash, leaf: &Hash, position: u64, leaves: u64, path: &[Hash]) -> bool {
	let Some(height) = mountain_height(position, leaves) else {
		return false;
	};
	let Some((siblings, others)) = path.split_at_checked(height as usize) else {
		return false;
	};
	let has_right = leaves & ((1 << height) - 1) != 0;
	let Some((right, left)) = others.split_at_checked(usize::from(has_right)) else {
		return false;
	};
	if left.len() != (leaves >> height >> 1).count_ones() as usize {
		return false;
	}
	let mut hash = *leaf;
	for (level, sibling) in siblings.iter().enumerate() {
		hash = match (position >> level) & 1 {
			0 => node_hash(&hash, sibling),
			_ => node_hash(sibling, &hash),
		};
	}
	for right in right {
		hash = bag_hash(&hash, right);
	}
	for peak in left {
		hash = bag_hash(peak, &hash);
	}
	hash == *root
}
