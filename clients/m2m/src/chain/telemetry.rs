//! Calls, events and reads of the telemetry pallet.

use super::{Block, Call, Chain, RawEvent};
use crate::{Error, Result, minutes, readings::Slot, store::AnchorName};
use codec::Encode;
use m2m_anchor::{
	AnchorFlags, AnchorItem, AnchorProof, AnchorRecord, ProofFault, SignedAnchors, StreamDetails, StreamId,
	StreamKind, StreamSpec,
};
use m2m_device::{AccountId, DeviceId, UnixMs};
use m2m_merkle::{FalseAnchorEvidence, ReadingProof};
use sp_core::H256;
use sp_runtime::{
	DispatchError,
	traits::{BlakeTwo256, Hash},
};
use std::collections::BTreeMap;

const PALLET: &str = "Telemetry";
const API: &str = "TelemetryApi";
/// Milliseconds in an hour.
const HOUR_MS: u64 = 3_600_000;
/// The error of an anchor that the chain has, which is as good as being accepted.
const ALREADY_ANCHORED: &str = "Telemetry::AlreadyAnchored";
/// The error of an anchor below the stream's window, where the chain forgets which numbers are used.
const SEQUENCE_TOO_OLD: &str = "Telemetry::SequenceTooOld";
/// The error of an anchor that is ahead of the chain's clock. It passes and uses nothing up.
pub const FROM_THE_FUTURE: &str = "Telemetry::FromTheFuture";

/// What a stream of a grid connection measures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Quantity {
	/// Energy taken from the grid.
	Import,
	/// Energy fed into the grid.
	Export,
	/// Energy taken from the grid, minute by minute, in a private stream.
	ImportByMinute,
}

impl Quantity {
	/// All of them.
	pub const ALL: [Self; 3] = [Self::Import, Self::Export, Self::ImportByMinute];
	/// Those of a quarter-hour meter, by which energy is settled.
	pub const SETTLED: [Self; 2] = [Self::Import, Self::Export];
	/// What a household can sell besides.
	pub const FINE: [Self; 1] = [Self::ImportByMinute];

	/// Its name on the command line and in files.
	pub fn name(self) -> &'static str {
		match self {
			Self::Import => "import",
			Self::Export => "export",
			Self::ImportByMinute => "import-by-minute",
		}
	}

	/// The quantity with this name.
	pub fn from_name(name: &str) -> Option<Self> {
		Self::ALL.into_iter().find(|quantity| quantity.name() == name)
	}

	/// Hash that names the quantity in a stream's `schema`: blake2-256 of `m2m/schema/energy-import/v1`,
	/// `m2m/schema/energy-export/v1` or `m2m/schema/energy-import-by-minute/v1`.
	pub fn schema(self) -> H256 {
		BlakeTwo256::hash(format!("m2m/schema/energy-{}/v1", self.name()).as_bytes())
	}

	/// The quantity with this schema.
	pub fn from_schema(schema: H256) -> Option<Self> {
		Self::ALL.into_iter().find(|quantity| quantity.schema() == schema)
	}

	/// The quantity that a stream's schema names.
	pub fn of(spec: &StreamSpec) -> Option<Self> {
		Self::from_schema(spec.schema)
	}

	/// True if the anchors keep sums and extremes to themselves.
	pub fn is_private(self) -> bool {
		self == Self::ImportByMinute
	}

	/// Usual time between two readings, in milliseconds.
	pub fn cadence_ms(self) -> u32 {
		match self {
			Self::Import | Self::Export => 900_000,
			Self::ImportByMinute => 60_000,
		}
	}

	/// The readings of a slot, in Wh: one, or one for each minute by the rule of [`crate::minutes`].
	pub fn readings(self, meter: &str, slot: &Slot) -> Vec<(UnixMs, i64)> {
		match self {
			Self::Import => vec![(slot.start, slot.import_wh())],
			Self::Export => vec![(slot.start, slot.export_wh())],
			Self::ImportByMinute => {
				let import = slot.consumed_wh.saturating_sub(slot.produced_wh);
				let minutes = minutes::split(meter, slot.start, import);
				minutes.map(|(time, wh)| (time, wh.into())).into()
			}
		}
	}

	/// The batches that are anchored of these slots, which are in order of time: one each, or for readings by the
	/// minute one an hour.
	pub fn batches(self, meter: &str, slots: &[Slot]) -> Vec<Vec<(UnixMs, i64)>> {
		let together = |first: &Slot, second: &Slot| {
			self == Self::ImportByMinute && first.start / HOUR_MS == second.start / HOUR_MS
		};
		slots
			.chunk_by(together)
			.map(|slots| slots.iter().flat_map(|slot| self.readings(meter, slot)).collect())
			.collect()
	}

	/// The stream. That of a quarter-hour meter is open, with one anchor a quarter of an hour, so that each lies in one
	/// delivery slot; that of a minute meter is private. 25 kWh in a quarter of an hour (100 kW) is the most that is
	/// plausible at low voltage.
	pub fn spec(self, not_before: UnixMs) -> StreamSpec {
		let (plausible_max, period_ms) = match self {
			Self::Import | Self::Export => (25_000, Some(900_000)),
			Self::ImportByMinute => (1_667, None),
		};
		StreamSpec {
			kind: StreamKind::Interval,
			private: self.is_private(),
			schema: self.schema(),
			unit: b"Wh".to_vec().try_into().unwrap_or_default(),
			scale: 0,
			plausible_min: 0,
			plausible_max,
			cadence_ms: self.cadence_ms(),
			period_ms,
			not_before,
			retention: 8,
		}
	}
}

/// Opens a stream of a device; signed by its owner or a key with `manage`.
pub fn create_stream(device: &DeviceId, spec: &StreamSpec) -> Call {
	Call::new(PALLET, "create_stream")
		.argument("device", &Some(device))
		.argument("spec", spec)
}

/// Closes a stream; its anchors stay provable.
pub fn close_stream(device: &DeviceId, stream: StreamId) -> Call {
	Call::new(PALLET, "close_stream")
		.argument("device", &Some(device))
		.argument("stream", &stream)
}

/// Delivers an anchor of the device whose key signs the transaction.
pub fn anchor(item: &AnchorItem) -> Call {
	Call::new(PALLET, "anchor")
		.argument("stream", &item.stream)
		.argument("seq", &item.seq)
		.argument("anchor", &item.anchor)
}

/// Convicts an anchor in state whose aggregate contradicts its readings.
pub fn report_false_anchor(name: &AnchorName, evidence: &FalseAnchorEvidence) -> Call {
	Call::new(PALLET, "report_false_anchor")
		.argument("device", &name.device)
		.argument("stream", &name.stream)
		.argument("seq", &name.seq)
		.argument("evidence", evidence)
}

/// Delivers envelopes, each signed by a device.
pub fn anchor_many(envelopes: &Vec<&SignedAnchors>) -> Call {
	Call::new(PALLET, "anchor_many").argument("envelopes", envelopes)
}

/// What a delivery call did with one item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
	/// It is on chain.
	Anchored {
		/// Position of its leaf in the stream's mountain range.
		position: u64,
		/// The leaf.
		leaf: H256,
	},
	/// Its number is used, or so far below the newest that the chain does not know any more whether it is.
	UsedBefore,
	/// It was refused.
	Refused {
		/// True if the same item can be accepted later, such as one from the future.
		passing: bool,
		/// The named error.
		reason: String,
	},
}

/// What a delivery call did, or all those of a block.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcomes {
	items: BTreeMap<AnchorName, Outcome>,
	envelopes: BTreeMap<(DeviceId, AccountId), String>,
}

impl Outcomes {
	/// What became of an item of an envelope; `None` if these events say nothing of it.
	///
	/// An envelope that was refused as a whole is reported without its items: those of which nothing else is
	/// reported were in it.
	pub fn of(&self, envelope: &SignedAnchors, item: &AnchorItem) -> Option<Outcome> {
		let name = AnchorName {
			device: envelope.device.clone(),
			stream: item.stream,
			seq: item.seq,
		};
		self.of_item(&name).or_else(|| {
			let reason = self
				.envelopes
				.get(&(envelope.device.clone(), envelope.key.clone()))?
				.clone();
			Some(Outcome::Refused {
				passing: false,
				reason,
			})
		})
	}

	/// What became of an anchor; `None` if these events do not name it.
	pub fn of_item(&self, name: &AnchorName) -> Option<Outcome> {
		self.items.get(name).cloned()
	}

	/// Only what was anchored.
	pub fn anchored(mut self) -> Self {
		self.items
			.retain(|_, outcome| matches!(outcome, Outcome::Anchored { .. }));
		self.envelopes.clear();
		self
	}

	/// True if nothing is reported.
	pub fn is_empty(&self) -> bool {
		self.items.is_empty() && self.envelopes.is_empty()
	}
}

impl Block {
	/// Numbers of a device's open streams.
	pub async fn streams(&self, chain: &Chain, device: &DeviceId) -> Result<Vec<StreamId>> {
		self.read(chain, API, "streams", &[("device", device.encode())])
			.await
	}

	/// A stream, open or closed.
	pub async fn stream(
		&self,
		chain: &Chain,
		device: &DeviceId,
		stream: StreamId,
	) -> Result<Option<StreamDetails>> {
		self.read(
			chain,
			API,
			"stream",
			&[("device", device.encode()), ("stream", stream.encode())],
		)
		.await
	}

	/// An anchor that is still in state.
	pub async fn anchor(
		&self,
		chain: &Chain,
		device: &DeviceId,
		stream: StreamId,
		seq: u64,
	) -> Result<Option<AnchorRecord>> {
		let arguments = [
			("device", device.encode()),
			("stream", stream.encode()),
			("seq", seq.encode()),
		];
		self.read(chain, API, "anchor", &arguments).await
	}

	/// Asks the chain whether a reading was recorded.
	pub async fn verify_reading(
		&self,
		chain: &Chain,
		anchor: &AnchorProof,
		reading: &ReadingProof,
	) -> Result<std::result::Result<(), ProofFault>> {
		let arguments = [("anchor", anchor.encode()), ("reading", reading.encode())];
		self.read(chain, API, "verify_reading", &arguments).await
	}
}

/// Number of the stream that a call opened.
pub fn created_stream(events: &[RawEvent]) -> Result<StreamId> {
	let event = events
		.iter()
		.find(|event| event.is(PALLET, "StreamCreated"))
		.ok_or_else(|| Error::IncompatibleChain("it reports no opened stream".into()))?;
	let (_, stream, _): (DeviceId, StreamId, StreamSpec) = event.decode()?;
	Ok(stream)
}

/// What it means that an anchor was refused with this error.
pub fn refusal(reason: String) -> Outcome {
	match reason.as_str() {
		ALREADY_ANCHORED | SEQUENCE_TOO_OLD => Outcome::UsedBefore,
		FROM_THE_FUTURE => Outcome::Refused {
			passing: true,
			reason,
		},
		_ => Outcome::Refused {
			passing: false,
			reason,
		},
	}
}

/// What the delivery calls behind these events did.
pub fn outcomes(block: &Block, events: &[RawEvent]) -> Result<Outcomes> {
	let mut outcomes = Outcomes::default();
	for event in events {
		if event.is(PALLET, "Anchored") {
			let (device, stream, seq, position, leaf, _): (DeviceId, StreamId, u64, u64, H256, AnchorFlags) =
				event.decode()?;
			outcomes.items.insert(
				AnchorName { device, stream, seq },
				Outcome::Anchored { position, leaf },
			);
		} else if event.is(PALLET, "AnchorRefused") {
			let (device, stream, seq, reason): (DeviceId, StreamId, u64, DispatchError) = event.decode()?;
			let outcome = refusal(block.name_error(&reason.encode()));
			outcomes.items.insert(AnchorName { device, stream, seq }, outcome);
		} else if event.is(PALLET, "EnvelopeRefused") {
			let (device, key, reason): (DeviceId, AccountId, DispatchError) = event.decode()?;
			outcomes
				.envelopes
				.insert((device, key), block.name_error(&reason.encode()));
		}
	}
	Ok(outcomes)
}
