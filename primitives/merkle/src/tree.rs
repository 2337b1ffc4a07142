//! Both trees over one batch of readings.

use crate::{
	Aggregate, AggregateProof, AggregateSibling, CombineError, Hash, MAX_LEAVES, Reading, ReadingProof,
	aggregate::aggregate_node, aggregate_root, data_node, leaf_hash, salt,
};
use alloc::vec::Vec;

/// Why readings do not form a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchError {
	/// No readings.
	Empty,
	/// More than 2^32 readings.
	TooMany,
	/// The reading at this index is not later than the one before it.
	TimesNotIncreasing {
		/// Index of the later of the two.
		index: u32,
	},
}

/// A batch of readings with its data tree and its aggregate tree.
///
/// The trees share their leaf hashes; leaf aggregates are derived from the readings. Inner nodes lie in flat
/// arrays, level above level.
pub struct Batch {
	secret: Hash,
	readings: Vec<Reading>,
	leaves: Vec<Hash>,
	/// Inner levels of the data tree, lowest first.
	data: Vec<Vec<Hash>>,
	/// Inner levels of the aggregate tree, lowest first.
	aggregates: Vec<Vec<AggregateSibling>>,
}

impl Batch {
	/// Builds both trees. Times must strictly increase.
	pub fn new(batch_secret: &Hash, readings: Vec<Reading>) -> Result<Self, BatchError> {
		if readings.is_empty() {
			return Err(BatchError::Empty);
		}
		if readings.len() as u64 > MAX_LEAVES {
			return Err(BatchError::TooMany);
		}
		if let Some(late) = readings.windows(2).position(|pair| pair[1].time_ms <= pair[0].time_ms) {
			return Err(BatchError::TimesNotIncreasing { index: late as u32 + 1 });
		}

		let leaves: Vec<Hash> = (0u32..)
			.zip(&readings)
			.map(|(index, reading)| leaf_hash(index, &salt(batch_secret, index), reading))
			.collect();

		let mut data: Vec<Vec<Hash>> = Vec::new();
		while let Some(level) = {
			let below = data.last().unwrap_or(&leaves);
			(below.len() > 1).then(|| next_level(below, |node| *node, data_node))
		} {
			data.push(level);
		}

		let mut aggregates: Vec<Vec<AggregateSibling>> = Vec::new();
		if leaves.len() > 1 {
			let mut level = Vec::with_capacity(leaves.len().div_ceil(2));
			for (hashes, pair) in leaves.chunks(2).zip(readings.chunks(2)) {
				let left = AggregateSibling { hash: hashes[0], aggregate: Aggregate::of(&pair[0]) };
				level.push(match (hashes.get(1), pair.get(1)) {
					(Some(hash), Some(reading)) =>
						join(&left, &AggregateSibling { hash: *hash, aggregate: Aggregate::of(reading) }),
					_ => left,
				});
			}
			while level.len() > 1 {
				let above = next_level(&level, |node| *node, join);
				aggregates.push(core::mem::replace(&mut level, above));
			}
			aggregates.push(level);
		}

		Ok(Self { secret: *batch_secret, readings, leaves, data, aggregates })
	}

	/// Number of readings; never 0.
	#[allow(clippy::len_without_is_empty)]
	pub fn len(&self) -> u64 {
		self.readings.len() as u64
	}

	/// The readings, in order.
	pub fn readings(&self) -> &[Reading] {
		&self.readings
	}

	/// Root of the data tree.
	pub fn data_root(&self) -> Hash {
		self.data.last().map_or(self.leaves[0], |top| top[0])
	}

	/// Hash of the top node of the aggregate tree.
	pub fn top_hash(&self) -> Hash {
		self.aggregates.last().map_or(self.leaves[0], |top| top[0].hash)
	}

	/// The aggregate over all readings.
	pub fn aggregate(&self) -> Aggregate {
		self.aggregates.last().map_or_else(|| Aggregate::of(&self.readings[0]), |top| top[0].aggregate)
	}

	/// Root of the aggregate tree.
	pub fn aggregate_root(&self) -> Hash {
		aggregate_root(&self.top_hash(), &self.aggregate())
	}

	/// Opens one reading by the data tree. Shows nothing of its neighbours. `None` beyond the last reading.
	pub fn open(&self, index: u32) -> Option<ReadingProof> {
		let reading = *self.readings.get(index as usize)?;
		let mut path = Vec::new();
		let mut at = index as usize;
		for level in core::iter::once(&self.leaves).chain(&self.data) {
			path.extend(level.get(at ^ 1));
			at >>= 1;
		}
		Some(ReadingProof { index, count: self.len(), salt: salt(&self.secret, index), reading, path })
	}

	/// Opens one leaf by the aggregate tree. Shows the aggregates of its neighbours: for audits and disputes,
	/// not for sales. `None` beyond the last reading.
	pub fn audit(&self, index: u32) -> Option<AggregateProof> {
		let reading = self.readings.get(index as usize)?;
		let mut path = Vec::new();
		let mut at = index as usize;
		if let (Some(hash), Some(reading)) = (self.leaves.get(at ^ 1), self.readings.get(at ^ 1)) {
			path.push(AggregateSibling { hash: *hash, aggregate: Aggregate::of(reading) });
		}
		for level in &self.aggregates {
			at >>= 1;
			path.extend(level.get(at ^ 1));
		}
		Some(AggregateProof {
			index,
			count: self.len(),
			leaf: self.leaves[index as usize],
			aggregate: Aggregate::of(reading),
			path,
		})
	}
}

/// Pairs neighbours; an odd last node is lifted unchanged.
fn next_level<N>(below: &[N], lift: impl Fn(&N) -> N, pair: impl Fn(&N, &N) -> N) -> Vec<N> {
	below
		.chunks(2)
		.map(|nodes| match nodes {
			[left, right] => pair(left, right),
			lone => lift(&lone[0]),
		})
		.collect()
}

/// Parent of two nodes of an aggregate tree over strictly increasing times.
fn join(left: &AggregateSibling, right: &AggregateSibling) -> AggregateSibling {
	AggregateSibling {
		hash: aggregate_node(&left.hash, &right.hash, &left.aggregate, &right.aggregate),
		aggregate: match left.aggregate.combine(&right.aggregate) {
			Ok(aggregate) => aggregate,
			// `Batch::new` has checked the times, and 2^32 values of 64 bits cannot leave 128.
			Err(CombineError::TimesNotIncreasing | CombineError::Overflow) => left.aggregate,
		},
	}
}
