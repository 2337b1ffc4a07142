//! A meter's anchor becomes an entry in the book of its slot.
//!
//! Everything is checked before anything is written, because a hook cannot take back what it did, and nothing here
//! fails: an anchor that counts for nothing is anchored all the same.

use crate::{
	Config, Entries, Entry, EntryStep, EntrySteps, Event, IgnoredReason, MarketId, MarketTerms, Member,
	MemberState, Members, OpenSlots, OrderedSlot, Pages, Pallet, Parameters, StreamRole, StreamUse,
	StreamUses, Terms, Totals, weights::WeightInfo,
};
use alloc::collections::BTreeMap;
use frame_support::{ensure, pallet_prelude::Weight};
use m2m_anchor::{AnchoredReadings, OnAnchored, StreamSpec};
use m2m_auction::{MAX_STEPS, Side, Slot, SlotLength, Steps, TickPage, Wh, spread};
use m2m_device::DeviceId;
use m2m_merkle::Aggregate;
use sp_runtime::SaturatedConversion;

impl<T: Config> OnAnchored for Pallet<T> {
	fn on_anchored(readings: &AnchoredReadings) -> Weight {
		let Some(used) = StreamUses::<T>::get(readings.device, readings.stream) else {
			return T::WeightInfo::foreign_anchor();
		};
		Self::report(used, readings).unwrap_or_else(|reason| {
			Self::deposit_event(Event::ReportIgnored {
				market: used.market,
				device: readings.device.clone(),
				stream: readings.stream,
				seq: readings.seq,
				reason,
			});
			T::WeightInfo::ignored_anchor().saturating_add(T::WeightInfo::check_meter())
		})
	}

	fn weight() -> Weight {
		T::WeightInfo::report_import(MAX_STEPS)
			.max(T::WeightInfo::report_export(MAX_STEPS))
			.max(T::WeightInfo::ignored_anchor())
			.saturating_add(T::WeightInfo::open_slot())
			.saturating_add(T::WeightInfo::keep_apart())
			.saturating_add(T::WeightInfo::check_meter())
	}
}

/// The slot that readings cover: the first begins with it, each begins where the one before ends, and the last ends
/// with it. One reading a slot or one a minute, it is the same energy. `None` for anything else, and so for anchors of
/// several slots.
fn covered_slot(length: SlotLength, spec: &StreamSpec, readings: &Aggregate) -> Option<Slot> {
	let cadence = u64::from(spec.cadence_ms);
	let slot = length.slot_at(readings.t_first);
	// As many intervals as fit, none longer than a cadence, from the first moment to the last: there is no room for
	// gaps or overlaps.
	let covers = readings.t_first == length.start(slot)
		&& readings.t_last.checked_add(cadence) == Some(length.end(slot))
		&& readings.count.checked_mul(cadence) == Some(length.ms())
		&& readings.max_gap <= cadence;
	covers.then_some(slot)
}

/// What one side of a slot adds to the book.
struct Addition {
	steps: Steps,
	pages: BTreeMap<u8, TickPage>,
	opens_page: bool,
}

impl<T: Config> Pallet<T> {
	/// Counts an anchor of a stream that trades, or says why not. Returns the weight used.
	fn report(used: StreamUse, readings: &AnchoredReadings) -> Result<Weight, IgnoredReason> {
		let StreamUse { market, role } = used;
		// Both hold for all streams in use.
		let terms = MarketTerms::<T>::get(market).ok_or(IgnoredReason::NotAdmitted)?;
		let aggregate = readings.anchor.aggregate().ok_or(IgnoredReason::PartialSlot)?;

		let slot = covered_slot(terms.slot, readings.spec, aggregate).ok_or(IgnoredReason::PartialSlot)?;
		ensure!(Self::now() >= terms.slot.end(slot), IgnoredReason::SlotNotOver);
		let parameters = terms
			.parameters
			.at(slot)
			.copied()
			.ok_or(IgnoredReason::NotAdmitted)?;
		ensure!(
			!Self::is_over(terms.slot, slot, &parameters.window),
			IgnoredReason::WindowOver
		);
		ensure!(!readings.flags.late, IgnoredReason::SignedLate);
		ensure!(!readings.flags.implausible_value, IgnoredReason::ImplausibleValue);
		let metered = Wh::try_from(aggregate.sum).map_err(|_| IgnoredReason::ImplausibleValue)?;
		// Most homes only take or only give in a slot: there is nothing to offer then, and nothing to add up.
		if metered == 0 && terms.feeder.is_none() {
			return Ok(T::WeightInfo::nothing_metered());
		}

		match role {
			StreamRole::Import => Self::report_side(
				market,
				slot,
				&terms,
				&parameters,
				readings.device,
				Side::Bid,
				metered,
			),
			StreamRole::Export => Self::report_side(
				market,
				slot,
				&terms,
				&parameters,
				readings.device,
				Side::Ask,
				metered,
			),
			StreamRole::Feeder => Self::report_feeder(market, slot, metered),
		}
	}

	fn report_feeder(market: MarketId, slot: Slot, metered: Wh) -> Result<Weight, IgnoredReason> {
		let key = OrderedSlot::from(slot);
		let mut totals = OpenSlots::<T>::get(market, key).unwrap_or_default();
		ensure!(totals.feeder.is_none(), IgnoredReason::AlreadyReported);
		totals.feeder = Some(metered);
		OpenSlots::<T>::insert(market, key, totals);
		Self::deposit_event(Event::FeederReported {
			market,
			slot,
			metered,
		});
		Ok(T::WeightInfo::ignored_anchor().saturating_add(T::WeightInfo::open_slot()))
	}

	fn report_side(
		market: MarketId,
		slot: Slot,
		terms: &Terms,
		parameters: &Parameters,
		device: &DeviceId,
		side: Side,
		metered: Wh,
	) -> Result<Weight, IgnoredReason> {
		let mut member = Members::<T>::get(market, device).ok_or(IgnoredReason::NotAdmitted)?;
		let MemberState::Admitted { since, capacity, .. } = member.state else {
			return Err(IgnoredReason::NotAdmitted);
		};
		ensure!(slot >= since, IgnoredReason::NotAdmitted);
		ensure!(Self::is_certified(terms, device), IgnoredReason::NotCertified);
		let former = Self::entry_of(&member, market, slot, device);
		ensure!(
			former.as_ref().is_none_or(|entry| entry.side(side).is_empty()),
			IgnoredReason::AlreadyReported
		);

		let (steps, set_aside) = Self::offer(&member, slot, parameters, side, capacity, metered);
		let offered = steps.iter().fold(0, |sum: Wh, step| sum.saturating_add(step.wh));
		let addition = Self::addition(market, slot, side, steps)?;

		let mut weight = match side {
			Side::Bid => T::WeightInfo::report_import(addition.pages.len() as u32),
			Side::Ask => T::WeightInfo::report_export(addition.pages.len() as u32),
		};
		if addition.steps.is_empty() {
			weight = T::WeightInfo::ignored_anchor();
		}
		if terms.meters.is_some() {
			weight.saturating_accrue(T::WeightInfo::check_meter());
		}
		if terms.feeder.is_some() || addition.opens_page {
			Self::open_slot(market, slot, terms, side, metered);
			weight.saturating_accrue(T::WeightInfo::open_slot());
		}
		if !addition.steps.is_empty() {
			for (number, page) in addition.pages {
				Pages::<T>::insert((market, slot, (side, number)), page);
			}
			// At most the credit, see `Pricing::cover`.
			member.credit = member.credit.saturating_sub(set_aside);
			let mut entry = former.clone().unwrap_or_default();
			let steps = entry_steps(&addition.steps);
			match side {
				Side::Bid => entry.bids = steps,
				Side::Ask => entry.asks = steps,
			}
			if Self::keep_entry(&mut member, market, slot, device, entry, former.is_some()) {
				weight.saturating_accrue(T::WeightInfo::keep_apart());
			}
			Members::<T>::insert(market, device, member);
		}
		Self::deposit_event(Event::Reported {
			market,
			slot,
			device: device.clone(),
			side,
			metered,
			offered,
		});
		Ok(weight)
	}

	/// What a member's order makes of its metered energy, and what its bids take from the credit.
	fn offer(
		member: &Member,
		slot: Slot,
		parameters: &Parameters,
		side: Side,
		capacity: crate::Capacity,
		metered: Wh,
	) -> (Steps, crate::Balance) {
		let Some(order) = member.orders.at(slot) else {
			return (Steps::new(), 0);
		};
		let placed = order.on(&parameters.pricing.grid);
		match side {
			Side::Bid => {
				let bids = spread(&placed.bids, metered.min(capacity.import.into()));
				let covered = parameters.pricing.cover(bids, member.credit);
				(covered.bids, covered.set_aside)
			}
			Side::Ask => (spread(&placed.asks, metered.min(capacity.export.into())), 0),
		}
	}

	/// The pages that steps change, changed.
	fn addition(market: MarketId, slot: Slot, side: Side, steps: Steps) -> Result<Addition, IgnoredReason> {
		let mut pages = BTreeMap::<u8, TickPage>::new();
		let mut opens_page = false;
		for step in &steps {
			let number = TickPage::number_of(step.limit);
			let page = pages.entry(number).or_insert_with(|| {
				let page = Pages::<T>::get((market, slot, (side, number)));
				opens_page |= page.is_none();
				page.unwrap_or_default()
			});
			page.add(step).map_err(|_| IgnoredReason::BookFull)?;
		}
		Ok(Addition {
			steps,
			pages,
			opens_page,
		})
	}

	/// Makes sure that the slot is known to be open, and adds to its totals if there is a feeder to compare with.
	pub(crate) fn open_slot(market: MarketId, slot: Slot, terms: &Terms, side: Side, metered: Wh) {
		let key = OrderedSlot::from(slot);
		let former = OpenSlots::<T>::get(market, key);
		if terms.feeder.is_some() {
			let mut totals = former.unwrap_or_default();
			let total = match side {
				Side::Bid => &mut totals.imported,
				Side::Ask => &mut totals.exported,
			};
			// Sums beyond 64 bits are mismatches anyway.
			*total = total.saturating_add(metered);
			OpenSlots::<T>::insert(market, key, totals);
		} else if former.is_none() {
			OpenSlots::<T>::insert(market, key, Totals::default());
		}
	}

	/// Keeps an entry in the member's record if there is room, otherwise apart. Returns true for the latter.
	pub(crate) fn keep_entry(
		member: &mut Member,
		market: MarketId,
		slot: Slot,
		device: &DeviceId,
		entry: Entry,
		known: bool,
	) -> bool {
		let has_room = match &member.entry {
			Some((at, _)) => *at == slot,
			None => !known,
		};
		if has_room {
			member.entry = Some((slot, entry));
			return false;
		}
		if !known {
			member.apart = member.apart.saturating_add(1);
		}
		Entries::<T>::insert((market, slot, device), entry);
		true
	}
}

/// Steps of an entry: as in the book, but smaller.
fn entry_steps(steps: &Steps) -> EntrySteps {
	let mut entry = EntrySteps::new();
	for step in steps {
		let step = EntryStep {
			limit: step.limit,
			// Within the capacity, which is 32 bits wide.
			wh: step.wh.saturated_into(),
		};
		// As many as there are steps at most.
		let _fits = entry.try_push(step);
	}
	entry
}
