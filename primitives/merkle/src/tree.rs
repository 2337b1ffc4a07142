//! The two trees over one batch.

use crate::{
	Aggregate, AggregateProof, AggregateSibling, EvidenceStep, FalseAnchorEvidence, Hash, MAX_READINGS,
	Reading, ReadingProof, reading,
};
use alloc::vec::Vec;
use sp_crypto_hashing::blake2_256;

/// Why readings make no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchError {
	/// There is no reading.
	Empty,
	/// There are more than [`MAX_READINGS`].
	TooMany,
	/// The reading at `index` is not later than the one before it.
	TimesNotIncreasing {
		/// Position of the later of the two, from 0.
		index: u32,
	},
}

/// A node of the data tree, for those who build one leaf by leaf: `H(0x09 || left || right)`.
pub fn data_node(left: &Hash, right: &Hash) -> Hash {
	let mut input = [0x09; 65];
	input[1..33].copy_from_slice(left);
	input[33..].copy_from_slice(right);
	blake2_256(&input)
}

/// A node of the aggregate tree.
pub(crate) fn aggregate_node(left: (&Hash, &Aggregate), right: (&Hash, &Aggregate)) -> Hash {
	let mut input = [0x01; 193];
	input[1..33].copy_from_slice(left.0);
	input[33..65].copy_from_slice(right.0);
	input[65..129].copy_from_slice(&left.1.to_bytes());
	input[129..].copy_from_slice(&right.1.to_bytes());
	blake2_256(&input)
}

/// What an open anchor's top hash and top aggregate amount to, and what a private anchor carries instead of them.
pub fn aggregate_root(top_hash: &Hash, aggregate: &Aggregate) -> Hash {
	let mut input = [0x05; 97];
	input[1..33].copy_from_slice(top_hash);
	input[33..].copy_from_slice(&aggregate.to_bytes());
	blake2_256(&input)
}

/// Refuses a number of readings that no batch can have.
fn check_len(len: u64) -> Result<(), BatchError> {
	match len {
		0 => Err(BatchError::Empty),
		1..=MAX_READINGS => Ok(()),
		_ => Err(BatchError::TooMany),
	}
}

/// A data tree over leaves that the caller hashed, under a tag of its own. It keeps all its nodes, so that it opens
/// many leaves at the cost of one build: 2^20 leaves take about 64 MB.
///
/// Level `k` has `ceil(len / 2^k)` nodes; an odd last node is passed up unchanged. That is the shape of RFC 6962.
#[derive(Clone, Debug)]
pub struct DataTree {
	levels: Vec<Vec<Hash>>,
}

impl DataTree {
	/// Builds the tree. `None` for no leaves, or more than [`MAX_READINGS`].
	pub fn new(leaves: Vec<Hash>) -> Option<Self> {
		check_len(leaves.len() as u64).ok()?;
		let mut levels = Vec::new();
		let mut level = leaves;
		while level.len() > 1 {
			let above = level
				.chunks(2)
				.filter_map(|pair| {
					pair.iter()
						.copied()
						.reduce(|left, right| data_node(&left, &right))
				})
				.collect();
			levels.push(core::mem::replace(&mut level, above));
		}
		levels.push(level);
		Some(Self { levels })
	}

	/// The leaves, in their order.
	pub fn leaves(&self) -> &[Hash] {
		self.levels.first().map_or(&[], Vec::as_slice)
	}

	/// The root.
	pub fn root(&self) -> Hash {
		// There is a top level, and it has one node.
		self.levels
			.last()
			.and_then(|top| top.first())
			.copied()
			.unwrap_or_default()
	}

	/// Siblings from the leaf at `index` to the top, at most 32, as [`crate::verify_path`] takes them; `None` if there
	/// is no such leaf.
	pub fn open(&self, index: u32) -> Option<Vec<Hash>> {
		self.leaves().get(index as usize)?;
		let sibling = |(level, nodes): (usize, &Vec<Hash>)| nodes.get((index as usize >> level) ^ 1).copied();
		Some(self.levels.iter().enumerate().filter_map(sibling).collect())
	}
}

/// A batch of readings with both its trees. 2^20 readings take about 180 MB.
///
/// The aggregate tree has the leaves and the shape of the data tree. Its inner nodes lie in flat arrays, one level after
/// the other.
#[derive(Clone, Debug)]
pub struct Batch {
	secret: Hash,
	readings: Vec<Reading>,
	data: DataTree,
	hashes: Vec<Hash>,
	aggregates: Vec<Aggregate>,
	top: (Hash, Aggregate),
}

impl Batch {
	/// Builds both trees, salting the leaves from `batch_secret`.
	///
	/// # Errors
	/// [`BatchError`]: no readings, too many, or times that do not strictly increase.
	pub fn new(batch_secret: &Hash, readings: Vec<Reading>) -> Result<Self, BatchError> {
		check_len(readings.len() as u64)?;
		for (index, pair) in (1u32..).zip(readings.windows(2)) {
			if let [earlier, later] = pair
				&& later.time_ms <= earlier.time_ms
			{
				return Err(BatchError::TimesNotIncreasing { index });
			}
		}
		let leaves: Vec<Hash> = (0u32..=u32::MAX)
			.zip(&readings)
			.map(|(index, reading)| reading::leaf_hash(index, &reading::salt(batch_secret, index), reading))
			.collect();

		let inner = Self::level_widths(readings.len()).skip(1).sum();
		let mut hashes = Vec::with_capacity(inner);
		let mut aggregates: Vec<Aggregate> = Vec::with_capacity(inner);
		let mut start = 0;
		for (level, width) in Self::level_widths(readings.len()).enumerate() {
			if width == 1 {
				break;
			}
			let next = hashes.len();
			for left in (0..width).step_by(2) {
				let node = |at: usize| match level {
					0 => Some((*leaves.get(at)?, Aggregate::of(readings.get(at)?))),
					_ => {
						let at = start + at;
						Some((*hashes.get(at)?, *aggregates.get(at)?))
					}
				};
				let Some(left_node) = node(left) else { break };
				let (hash, aggregate) = match node(left + 1).filter(|_| left + 1 < width) {
					None => left_node,
					Some(right) => (
						aggregate_node((&left_node.0, &left_node.1), (&right.0, &right.1)),
						// Cannot fail: times were checked, and 2^32 values of 64 bits fit the sum.
						left_node.1.combine(&right.1).map_err(|_| BatchError::TooMany)?,
					),
				};
				hashes.push(hash);
				aggregates.push(aggregate);
			}
			start = next;
		}
		let top = match (hashes.last(), aggregates.last(), leaves.first(), readings.first()) {
			(Some(hash), Some(aggregate), ..) => (*hash, *aggregate),
			(.., Some(leaf), Some(reading)) => (*leaf, Aggregate::of(reading)),
			_ => return Err(BatchError::Empty),
		};
		let data = DataTree::new(leaves).ok_or(BatchError::TooMany)?;
		Ok(Self {
			secret: *batch_secret,
			readings,
			data,
			hashes,
			aggregates,
			top,
		})
	}

	/// Widths of the levels of a tree of `len` leaves, from the leaves to the top.
	fn level_widths(len: usize) -> impl Iterator<Item = usize> {
		core::iter::successors(Some(len), |width| (*width > 1).then(|| width.div_ceil(2)))
	}

	/// Number of readings, at least 1.
	#[allow(clippy::len_without_is_empty, reason = "a batch is never empty")]
	pub fn len(&self) -> u64 {
		self.readings.len() as u64
	}

	/// The readings, in order of time.
	pub fn readings(&self) -> &[Reading] {
		&self.readings
	}

	/// The data tree, over the leaf hashes.
	pub fn data_tree(&self) -> &DataTree {
		&self.data
	}

	/// Root of the data tree.
	pub fn data_root(&self) -> Hash {
		self.data.root()
	}

	/// Hash at the top of the aggregate tree.
	pub fn top_hash(&self) -> Hash {
		self.top.0
	}

	/// Aggregate of the whole batch.
	pub fn aggregate(&self) -> &Aggregate {
		&self.top.1
	}

	/// Commitment to top hash and aggregate.
	pub fn aggregate_root(&self) -> Hash {
		aggregate_root(&self.top.0, &self.top.1)
	}

	/// Places of the nodes on the way from leaf `index` to just below the top, each with its sibling if it has one:
	/// level, place of the node in that level's array, place of the sibling.
	fn way(&self, index: u32) -> impl Iterator<Item = (usize, usize, usize)> {
		let mut start = 0;
		Self::level_widths(self.readings.len())
			.enumerate()
			.filter_map(move |(level, width)| {
				let position = (index as usize) >> level;
				let sibling = position ^ 1;
				let found =
					(width > 1 && sibling < width).then_some((level, start + position, start + sibling));
				if level > 0 {
					start += width;
				}
				found
			})
	}

	/// A node of the aggregate tree.
	fn node(&self, level: usize, at: usize) -> Option<(Hash, Aggregate)> {
		match level {
			0 => Some((
				*self.data.leaves().get(at)?,
				Aggregate::of(self.readings.get(at)?),
			)),
			_ => Some((*self.hashes.get(at)?, *self.aggregates.get(at)?)),
		}
	}

	/// Opens the reading at `index`; `None` if there is none.
	pub fn open(&self, index: u32) -> Option<ReadingProof> {
		let reading = *self.readings.get(index as usize)?;
		Some(ReadingProof {
			index,
			count: self.len(),
			salt: reading::salt(&self.secret, index),
			reading,
			path: self.data.open(index)?,
		})
	}

	/// Proves the total of the batch by the leaf at `index`; `None` if there is none.
	pub fn audit(&self, index: u32) -> Option<AggregateProof> {
		let (leaf, aggregate) = self.node(0, index as usize)?;
		let path = self
			.way(index)
			.map(|(level, _, sibling)| {
				let (hash, aggregate) = self.node(level, sibling)?;
				Some(AggregateSibling { hash, aggregate })
			})
			.collect::<Option<Vec<_>>>()?;
		Some(AggregateProof {
			index,
			count: self.len(),
			leaf,
			aggregate,
			path,
		})
	}

	/// Evidence against an anchor over this very tree that claims `claimed` as its total. It convicts if, and only
	/// if, `claimed` is not [`Self::aggregate`]. `None` if there is no reading at `index`.
	pub fn evidence(&self, index: u32, claimed: Aggregate) -> Option<FalseAnchorEvidence> {
		let reading = self.open(index)?;
		let (leaf, _) = self.node(0, index as usize)?;
		let path = self
			.way(index)
			.map(|(level, at, sibling)| {
				let (_, aggregate) = self.node(level, at)?;
				let (hash, sibling) = self.node(level, sibling)?;
				Some(EvidenceStep {
					aggregate,
					sibling: AggregateSibling {
						hash,
						aggregate: sibling,
					},
				})
			})
			.collect::<Option<Vec<_>>>()?;
		Some(FalseAnchorEvidence {
			reading,
			leaf,
			path,
			top: claimed,
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_batch_holds_one_to_two_to_the_32_readings() {
		assert_eq!(check_len(0), Err(BatchError::Empty));
		assert_eq!(check_len(1), Ok(()));
		assert_eq!(check_len(1 << 32), Ok(()));
		assert_eq!(check_len((1 << 32) + 1), Err(BatchError::TooMany));
	}
}
