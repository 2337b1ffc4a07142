//! Readings that are sold: a range of the gateway's store, its leaves sealed and checked.

use super::protocol::{MAX_ANCHORS, MAX_LEAVES, Refusal, Refused, RequestedRange};
use crate::{
	Error,
	store::{AnchorName, Receipt, Store},
	time,
};
use m2m_anchor::StreamId;
use m2m_device::{DeviceId, UnixMs};
use m2m_fair_exchange::{
	Blind, BlindedKey, Checker, Claims, Edges, Opener, Place, SaleRange, SaleTerms, SealedLeaf, Sealer,
	SealingKey, SoldAnchor, SoldAnchors, market::ListingSpec,
};
use m2m_merkle::{DataTree, Hash, Reading, batch_secret, reading};
use sp_core::H256;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a seller answers.
pub type Answer<T> = std::result::Result<T, Refused>;

/// A device whose readings are sold, with the secret from which their salts are derived.
#[derive(Clone)]
pub struct Source {
	/// Its id.
	pub device: DeviceId,
	/// Its secret.
	pub secret: Arc<Zeroizing<[u8; 32]>>,
}

/// The readings of one anchor.
struct Batch {
	secret: Zeroizing<Hash>,
	readings: Vec<(UnixMs, i64)>,
}

impl Batch {
	fn data_tree(&self) -> Option<DataTree> {
		let leaves = (0u32..)
			.zip(&self.readings)
			.map(|(index, (time_ms, value))| {
				let reading = Reading {
					time_ms: *time_ms,
					value: *value,
				};
				reading::leaf_hash(index, &reading::salt(&self.secret, index), &reading)
			})
			.collect();
		DataTree::new(leaves)
	}
}

/// A leaf before it is sealed.
struct Plain {
	position: u32,
	place: Place,
	salt: [u8; 16],
	reading: Reading,
}

impl Plain {
	fn seal(&self, key: &SealingKey) -> SealedLeaf {
		SealedLeaf::seal(key, self.position, self.place.index, &self.salt, &self.reading)
	}
}

/// A range with everything that is needed to sell it.
pub struct Goods {
	range: SaleRange,
	anchors: Vec<SoldAnchor>,
	batches: Vec<Batch>,
	leaves: u32,
}

fn not_available(message: impl Into<String>) -> Refused {
	Refused::new(Refusal::RangeNotAvailable, message)
}

fn too_long() -> Refused {
	Refused::new(
		Refusal::RangeTooLong,
		format!(
			"one sale is over at most {MAX_LEAVES} readings in {MAX_ANCHORS} anchors: ask for less at a time"
		),
	)
}

/// What a buyer asks for, as places.
fn places(store: &Store, device: &DeviceId, stream: StreamId, wanted: &RequestedRange) -> Answer<SaleRange> {
	let (from, until) = match wanted {
		RequestedRange::Time { from, until } => (*from, *until),
		RequestedRange::Places {
			first_seq,
			first_index,
			last_seq,
			last_index,
		} => {
			let place = |seq: &u64, index: &u32| Place {
				seq: *seq,
				index: *index,
			};
			return Ok(SaleRange {
				stream,
				first: place(first_seq, first_index),
				last: place(last_seq, last_index),
			});
		}
	};
	let limit = MAX_ANCHORS as usize;
	// One that ends before `from` may come first.
	let found = store.batches_between(device, stream, from, until, limit.saturating_add(2))?;
	let mut places: Option<(Place, Place)> = None;
	for (number, seq) in found.into_iter().enumerate() {
		if number > limit {
			return Err(too_long());
		}
		let name = AnchorName {
			device: device.clone(),
			stream,
			seq,
		};
		let Some(batch) = store.batch(&name)? else {
			continue;
		};
		let first = batch.readings.partition_point(|(time, _)| *time < from);
		let end = batch.readings.partition_point(|(time, _)| *time < until);
		let (Ok(first), Some(Ok(last))) = (u32::try_from(first), end.checked_sub(1).map(u32::try_from))
		else {
			continue;
		};
		if last < first {
			continue;
		}
		places = Some(match places {
			None => (Place { seq, index: first }, Place { seq, index: last }),
			Some((begin, before)) if before.seq.checked_add(1) == Some(seq) => {
				(begin, Place { seq, index: last })
			}
			Some(_) => {
				return Err(not_available(format!(
					"the readings of that time are not anchored one after the other: ask for the time before or after {}",
					time::format(batch.anchor.t_first())
				)));
			}
		});
	}
	let (first, last) = places.ok_or_else(|| {
		not_available(format!(
			"there are no readings from {} to {}",
			time::format(from),
			time::format(until)
		))
	})?;
	Ok(SaleRange { stream, first, last })
}

impl Goods {
	/// Finds what a buyer asks for among what a listing offers.
	///
	/// # Errors
	/// [`Refusal::RangeNotAvailable`], [`Refusal::RangeTooLong`], [`Refusal::NotForSale`]; [`Refusal::SellerFault`].
	pub fn find(store: &Store, source: &Source, spec: &ListingSpec, wanted: &RequestedRange) -> Answer<Self> {
		let range = places(store, &source.device, spec.stream, wanted)?;
		let goods = Self::load(store, source, &range)?;
		let times = |plain: Option<Plain>| plain.map(|plain| plain.reading.time_ms);
		let first = times(goods.plain(0, 1)?.next());
		let last = times(goods.plain(goods.leaves.saturating_sub(1), 1)?.next());
		if first.is_none_or(|first| first < spec.from)
			|| last.is_none_or(|last| spec.until.is_some_and(|until| last >= until))
		{
			return Err(not_available(format!(
				"the listing offers readings from {}{} only",
				time::format(spec.from),
				spec.until
					.map_or_else(String::new, |until| format!(" to {}", time::format(until)))
			)));
		}
		Ok(goods)
	}

	/// Takes a range from the store. Each of its anchors is on chain, of a private stream.
	///
	/// # Errors
	/// As [`Self::find`].
	pub fn load(store: &Store, source: &Source, range: &SaleRange) -> Answer<Self> {
		let (first, last) = (range.first.seq, range.last.seq);
		let count = last.saturating_sub(first).saturating_add(1);
		if count > u64::from(MAX_ANCHORS) {
			return Err(too_long());
		}
		let stored = store.batches(&source.device, range.stream, first, last)?;
		let (mut anchors, mut batches) = (Vec::new(), Vec::new());
		for (seq, batch) in stored {
			if !batch.anchor.is_private() {
				return Err(Refused::new(
					Refusal::NotForSale,
					"that stream is open, so there is nothing to buy: everybody sees its totals",
				));
			}
			let name = AnchorName {
				device: source.device.clone(),
				stream: range.stream,
				seq,
			};
			if !matches!(
				store.receipt(&name)?,
				Some(Receipt::Recorded {
					position: Some(_),
					..
				})
			) {
				return Err(not_available(format!(
					"anchor {seq} is not final yet: ask again later"
				)));
			}
			if batch.anchor.count() != batch.readings.len() as u64 {
				return Err(Error::Store(format!("batch {seq} has lost readings")).into());
			}
			anchors.push(SoldAnchor {
				seq,
				count: batch.anchor.count(),
				data_root: batch.anchor.data_root,
			});
			batches.push(Batch {
				secret: Zeroizing::new(batch_secret(&source.secret, range.stream, seq)),
				readings: batch.readings,
			});
		}
		if anchors.len() as u64 != count {
			return Err(not_available("not all anchors of that range are here"));
		}
		let leaves = SoldAnchors::new(range, &anchors)
			.map_err(|fault| not_available(format!("there is no such range: {fault:?}")))?
			.len();
		if leaves > MAX_LEAVES {
			return Err(too_long());
		}
		Ok(Self {
			range: *range,
			anchors,
			batches,
			leaves,
		})
	}

	/// The range.
	pub fn range(&self) -> SaleRange {
		self.range
	}

	/// The anchors that carry it.
	pub fn anchors(&self) -> &[SoldAnchor] {
		&self.anchors
	}

	/// Number of leaves.
	pub fn leaves(&self) -> u32 {
		self.leaves
	}

	fn sold(&self) -> Answer<SoldAnchors<'_>> {
		SoldAnchors::new(&self.range, &self.anchors)
			.map_err(|fault| Error::Store(format!("the range came apart: {fault:?}")).into())
	}

	/// Which anchors carry the range, as terms say it.
	pub fn commitment(&self) -> Answer<H256> {
		Ok(self.sold()?.commitment())
	}

	/// At most `count` leaves from position `from` on.
	fn plain(&self, from: u32, count: u32) -> Answer<impl Iterator<Item = Plain>> {
		let places = (0u32..).zip(self.sold()?.places());
		Ok(places
			.skip(from as usize)
			.take(count as usize)
			.filter_map(|(position, place)| {
				let batch = place.seq.checked_sub(self.range.first.seq)?;
				let batch = self.batches.get(usize::try_from(batch).ok()?)?;
				let (time_ms, value) = *batch.readings.get(place.index as usize)?;
				Some(Plain {
					position,
					place,
					salt: reading::salt(&batch.secret, place.index),
					reading: Reading { time_ms, value },
				})
			}))
	}

	/// Joins the leaves to the data roots at both ends of the range.
	pub fn edges(&self) -> Answer<Edges> {
		let tree = |batch: Option<&Batch>| batch.and_then(Batch::data_tree);
		tree(self.batches.first())
			.zip(tree(self.batches.last()))
			.and_then(|(first, last)| Edges::new(&self.range, &first, &last))
			.ok_or_else(|| Error::Store("the range came apart".into()).into())
	}

	/// The sale root under a key.
	pub fn seal(&self, key: SealingKey) -> Answer<H256> {
		let mut sealer = Sealer::new(&self.sold()?, key);
		for plain in self.plain(0, self.leaves)? {
			sealer
				.seal(&plain.salt, &plain.reading)
				.map_err(|fault| Error::Store(format!("sealing failed: {fault:?}")))?;
		}
		sealer
			.finish()
			.map_err(|fault| Error::Store(format!("sealing failed: {fault:?}")).into())
	}

	/// At most `count` sealed leaves from position `from` on, as they are delivered.
	pub fn sealed(&self, key: SealingKey, from: u32, count: u32) -> Answer<impl Iterator<Item = SealedLeaf>> {
		Ok(self.plain(from, count)?.map(move |plain| plain.seal(&key)))
	}

	/// Does what the buyer will do, before and after paying: a seller that signs for a damaged store convicts itself.
	///
	/// # Errors
	/// [`Refusal::SellerFault`] if a leaf is not the anchored one, [`Refusal::NotForSale`] if the readings are not as
	/// the listing promises.
	pub fn check(
		&self,
		terms: &SaleTerms,
		blinded: &BlindedKey,
		blind: &Blind,
		edges: &Edges,
		claims: &Claims,
	) -> Answer<()> {
		let damaged =
			|fault: String| Refused::from(Error::Store(format!("a stored range is damaged: {fault}")));
		let mut checker = Checker::new(terms, blind, &self.anchors, edges)
			.map_err(|fault| damaged(format!("{fault:?}")))?;
		let mut opener = Opener::new(terms, blinded, blind, &self.anchors)
			.map_err(|fault| damaged(format!("{fault:?}")))?;
		let key = SealingKey::new(blinded, blind);
		let mut promises = Promises::new(claims);
		for leaf in self.sealed(key, 0, self.leaves)? {
			checker
				.check(&leaf)
				.map_err(|fault| damaged(format!("{fault:?}")))?;
			let opened = opener
				.open(&leaf)
				.map_err(|fault| damaged(format!("{fault:?}")))?;
			if !promises.holds(&opened.reading) {
				return Err(Refused::new(
					Refusal::NotForSale,
					"these readings are not what the listing promises: ask for others",
				));
			}
		}
		checker.finish().map_err(|fault| damaged(format!("{fault:?}")))
	}
}

/// Follows what a listing promises over consecutive readings.
struct Promises<'a> {
	claims: &'a Claims,
	times: Vec<UnixMs>,
}

impl<'a> Promises<'a> {
	fn new(claims: &'a Claims) -> Self {
		Self {
			claims,
			times: Vec::new(),
		}
	}

	/// True if nothing that is promised is broken by the next reading and those before it.
	fn holds(&mut self, reading: &Reading) -> bool {
		let Claims { range, count, gap_ms } = self.claims;
		let since = |back: usize| {
			let before = self.times.len().checked_sub(back)?;
			Some(reading.time_ms.saturating_sub(*self.times.get(before)?))
		};
		let holds = range.is_none_or(|(min, max)| (min..=max).contains(&reading.value))
			&& gap_ms.is_none_or(|longest| since(1).is_none_or(|gap| gap <= longest))
			&& count.is_none_or(|(count, within)| since(count as usize).is_none_or(|span| span <= within));
		self.times.push(reading.time_ms);
		holds
	}
}
