//! The on-chain commitment to a batch of readings.

use crate::StreamId;
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_device::{AccountId, DeviceId, UnixMs};
use m2m_merkle::Aggregate;
use scale_info::TypeInfo;
use sp_core::H256;

/// What an anchor says of the readings besides their data root.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Summary {
	/// For open streams: everything the top of the aggregate tree holds.
	#[codec(index = 0)]
	Open {
		/// Hash of the top node of the aggregate tree.
		top_hash: H256,
		/// Aggregate over all readings.
		aggregate: Aggregate,
	},
	/// For private streams: extremes, sum and gap stay inside the root.
	#[codec(index = 1)]
	Private {
		/// Aggregate root, `H(0x05 || top hash || top aggregate)`.
		aggregate_root: H256,
		/// Number of readings.
		count: u64,
		/// Time of the first reading.
		t_first: UnixMs,
		/// Time of the last reading.
		t_last: UnixMs,
	},
}

/// The commitment to one batch of readings of one stream.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Anchor {
	/// Root of the data tree.
	pub data_root: H256,
	/// Summary of the readings.
	pub summary: Summary,
}

impl Anchor {
	/// Number of readings in the batch.
	pub fn count(&self) -> u64 {
		match &self.summary {
			Summary::Open { aggregate, .. } => aggregate.count,
			Summary::Private { count, .. } => *count,
		}
	}

	/// Time of the first reading.
	pub fn t_first(&self) -> UnixMs {
		match &self.summary {
			Summary::Open { aggregate, .. } => aggregate.t_first,
			Summary::Private { t_first, .. } => *t_first,
		}
	}

	/// Time of the last reading.
	pub fn t_last(&self) -> UnixMs {
		match &self.summary {
			Summary::Open { aggregate, .. } => aggregate.t_last,
			Summary::Private { t_last, .. } => *t_last,
		}
	}

	/// The aggregate, if the anchor shows it.
	pub fn aggregate(&self) -> Option<&Aggregate> {
		match &self.summary {
			Summary::Open { aggregate, .. } => Some(aggregate),
			Summary::Private { .. } => None,
		}
	}

	/// True for an anchor of a private stream.
	pub fn is_private(&self) -> bool {
		matches!(self.summary, Summary::Private { .. })
	}

	/// Appends the anchor's fixed bytes, as they stand in signed payloads and in mountain-range leaves:
	/// open, 128 bytes: data root, top hash, aggregate (64);
	/// private, 88 bytes: data root, aggregate root, count, first time, last time (each 8, little-endian).
	pub fn write_bytes(&self, out: &mut Vec<u8>) {
		out.extend_from_slice(self.data_root.as_bytes());
		match &self.summary {
			Summary::Open { top_hash, aggregate } => {
				out.extend_from_slice(top_hash.as_bytes());
				out.extend_from_slice(&aggregate.to_bytes());
			}
			Summary::Private {
				aggregate_root,
				count,
				t_first,
				t_last,
			} => {
				out.extend_from_slice(aggregate_root.as_bytes());
				out.extend_from_slice(&count.to_le_bytes());
				out.extend_from_slice(&t_first.to_le_bytes());
				out.extend_from_slice(&t_last.to_le_bytes());
			}
		}
	}

	/// The anchor's leaf in the stream's mountain range: `H(0x0c || device || le32 stream || le64 seq || anchor)`.
	pub fn range_leaf(&self, device: &DeviceId, stream: StreamId, seq: u64) -> H256 {
		let mut anchor = Vec::with_capacity(128);
		self.write_bytes(&mut anchor);
		H256(m2m_merkle::range::leaf_hash(
			device.as_ref(),
			stream,
			seq,
			&anchor,
		))
	}
}

/// Marks that the chain puts on an accepted anchor.
#[derive(
	Clone, Copy, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct AnchorFlags {
	/// Delivered after its key was rotated or its device suspended.
	pub late: bool,
	/// An extreme lies outside the stream's plausible range (open streams only).
	pub implausible_value: bool,
	/// Convicted as false by `report_false_anchor`.
	pub disputed: bool,
}

/// An anchor as the chain keeps it while it is among the newest of its stream.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct AnchorRecord {
	/// Sequence number.
	pub seq: u64,
	/// The commitment.
	pub anchor: Anchor,
	/// Account of the device key that signed it.
	pub key: AccountId,
	/// Position of its leaf in the mountain range.
	pub position: u64,
	/// Number of the block that took it.
	pub block: u32,
	/// Marks.
	pub flags: AnchorFlags,
}

/// Proof that an anchor is in a stream's mountain range.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct AnchorProof {
	/// The device.
	pub device: DeviceId,
	/// The stream.
	pub stream: StreamId,
	/// Sequence number of the anchor.
	pub seq: u64,
	/// The anchor.
	pub anchor: Anchor,
	/// Position of its leaf.
	pub position: u64,
	/// Number of leaves of the range that the path leads to.
	pub leaves: u64,
	/// The path, as `m2m_merkle::range` makes it.
	pub path: Vec<H256>,
}

/// Why a proof does not hold. No reason is a panic and no reason is silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum ProofFault {
	/// The chain knows no such stream.
	#[codec(index = 0)]
	UnknownStream,
	/// The path leads to a range of another length: the stream has grown since. Extend the proof.
	#[codec(index = 1)]
	StaleProof {
		/// Leaves of the range on chain.
		leaves: u64,
	},
	/// The anchor is not in the stream's mountain range.
	#[codec(index = 2)]
	AnchorNotInRange,
	/// The reading is not in the anchor's data tree.
	#[codec(index = 3)]
	ReadingNotInAnchor,
}
