//! The Merkle mountain range over all anchors of a stream.
//!
//! A range of n leaves is a row of perfect trees, one for each set bit of n, the largest first; their roots are
//! the peaks. Appending a leaf touches amortised two nodes, and the peaks are all that has to be kept. The root
//! bags the peaks from the right: with peaks `p0, p1, p2` it is `H(0x0e || p0 || H(0x0e || p1 || p2))`; a single
//! peak is the root itself.
//!
//! Whoever keeps the 32 bytes of each leaf can prove any anchor against the newest root at any time: [`prove`]
//! over all leaves gives a path for the present length. That is also how an older proof is extended.

use crate::{Hash, tagged};
use alloc::vec::Vec;

/// Hash of an anchor's leaf: `H(0x0c || device || le32 stream || le64 seq || anchor)`.
pub fn leaf_hash(device: &[u8; 32], stream: u32, seq: u64, anchor: &[u8]) -> Hash {
	let mut input = Vec::with_capacity(anchor.len().saturating_add(45));
	input.push(0x0c);
	input.extend_from_slice(device);
	input.extend_from_slice(&stream.to_le_bytes());
	input.extend_from_slice(&seq.to_le_bytes());
	input.extend_from_slice(anchor);
	sp_crypto_hashing::blake2_256(&input)
}

fn node(left: &Hash, right: &Hash) -> Hash {
	tagged::<65>(0x0d, &[left, right])
}

fn bag(left: &Hash, right: &Hash) -> Hash {
	tagged::<65>(0x0e, &[left, right])
}

/// A range: its length and its peaks, the largest tree first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Range {
	/// Number of leaves.
	pub leaves: u64,
	/// Roots of the perfect trees.
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

	/// The root; `None` while the range is empty.
	pub fn root(&self) -> Option<Hash> {
		root_of(&self.peaks)
	}
}

/// Appends a leaf to a range of `leaves` leaves, given by its peaks: as many trees are merged as `leaves` has
/// trailing ones.
pub fn append_to(leaves: u64, peaks: &mut Vec<Hash>, leaf: Hash) {
	let mut tree = leaf;
	for _ in 0..leaves.trailing_ones() {
		let Some(left) = peaks.pop() else { break };
		tree = node(&left, &tree);
	}
	peaks.push(tree);
}

/// The root over peaks; `None` if there are none.
pub fn root_of(peaks: &[Hash]) -> Option<Hash> {
	let (last, others) = peaks.split_last()?;
	Some(others.iter().rev().fold(*last, |right, left| bag(left, &right)))
}

/// The path of the leaf at `position` to the root over `leaves`: siblings inside its tree, lowest first, then
/// the bag of all peaks to the right of its tree, if there are any, then the peaks to the left, nearest first.
/// `None` beyond the last leaf. Hashes every leaf once.
pub fn prove(leaves: &[Hash], position: u64) -> Option<Vec<Hash>> {
	let place = Place::of(position, leaves.len() as u64)?;
	let mut path = Vec::new();

	let mut start = 0usize;
	let mut peaks = Vec::new();
	for height in heights(leaves.len() as u64) {
		let end = start.checked_add(1usize.checked_shl(height)?)?;
		let mut level = leaves.get(start..end)?.to_vec();
		let mut at = place.offset as usize;
		while level.len() > 1 {
			if peaks.len() == place.tree {
				path.push(*level.get(at ^ 1)?);
				at >>= 1;
			}
			level = level.chunks_exact(2).map(|pair| node(&pair[0], &pair[1])).collect();
		}
		peaks.push(*level.first()?);
		start = end;
	}

	path.extend(root_of(peaks.get(place.tree + 1..)?));
	path.extend(peaks.get(..place.tree)?.iter().rev());
	Some(path)
}

/// True if the leaf stands at `position` of the range of `leaves` leaves with this root. The path must have
/// exactly the length that position and number of leaves give.
pub fn verify(root: &Hash, leaf: &Hash, position: u64, leaves: u64, path: &[Hash]) -> bool {
	climb(leaf, position, leaves, path).as_ref() == Some(root)
}

fn climb(leaf: &Hash, position: u64, leaves: u64, path: &[Hash]) -> Option<Hash> {
	let place = Place::of(position, leaves)?;
	let mut siblings = path.iter();
	let mut tree = *leaf;
	for level in 0..place.height {
		let sibling = siblings.next()?;
		tree = if place.offset >> level & 1 == 1 { node(sibling, &tree) } else { node(&tree, sibling) };
	}
	if !place.last {
		tree = bag(&tree, siblings.next()?);
	}
	for _ in 0..place.tree {
		tree = bag(siblings.next()?, &tree);
	}
	siblings.next().is_none().then_some(tree)
}

/// Heights of the perfect trees of a range, the largest first.
fn heights(leaves: u64) -> impl Iterator<Item = u32> {
	(0..u64::BITS).rev().filter(move |height| leaves >> height & 1 == 1)
}

/// Where a leaf stands.
struct Place {
	/// Number of trees to the left of its own.
	tree: usize,
	/// Height of its tree.
	height: u32,
	/// Position inside its tree.
	offset: u64,
	/// True if no tree stands to the right.
	last: bool,
}

impl Place {
	fn of(position: u64, leaves: u64) -> Option<Self> {
		let mut offset = position;
		for (tree, height) in heights(leaves).enumerate() {
			let size = 1u64 << height;
			if offset < size {
				return Some(Self { tree, height, offset, last: tree + 1 == leaves.count_ones() as usize });
			}
			offset -= size;
		}
		None
	}
}
