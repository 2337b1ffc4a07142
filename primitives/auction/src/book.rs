//! The book of a slot: how much energy is bid and asked at each tick, and by how many orders.

use crate::{MAX_TICKS, Side, Step, Tick, Wh};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Ticks of one page.
pub const PAGE_TICKS: usize = 16;

/// Pages of one side of a book.
pub const PAGES: usize = MAX_TICKS as usize / PAGE_TICKS;

/// All orders of one side at one tick.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct TickVolume {
	/// Sum of their Wh.
	pub wh: Wh,
	/// Their number. Zero just when `wh` is.
	pub orders: u32,
}

/// Why a volume cannot change. Nothing has changed then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum VolumeFault {
	/// The Wh of the tick would exceed 64 bits, or the number of its orders 32 bits.
	#[codec(index = 0)]
	Overflow,
	/// The order was never added.
	#[codec(index = 1)]
	NotInBook,
}

/// Sixteen neighbouring ticks of one side: the unit in which a book is stored.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct TickPage(pub [TickVolume; PAGE_TICKS]);

impl TickPage {
	/// Number of the page that holds a tick, from 0.
	pub fn number_of(tick: Tick) -> u8 {
		tick / PAGE_TICKS as u8
	}

	/// Adds an order to its tick. The caller picks the page by [`Self::number_of`]. An order of 0 Wh is no
	/// order and changes nothing.
	///
	/// # Errors
	/// [`VolumeFault::Overflow`]. With capacities well below 2^64 Wh it cannot happen.
	pub fn add(&mut self, order: &Step) -> Result<(), VolumeFault> {
		if order.wh == 0 {
			return Ok(());
		}
		let volume = self.at(order.limit);
		*volume = TickVolume {
			wh: volume.wh.checked_add(order.wh).ok_or(VolumeFault::Overflow)?,
			orders: volume.orders.checked_add(1).ok_or(VolumeFault::Overflow)?,
		};
		Ok(())
	}

	/// Takes back an order that was added. An order of 0 Wh changes nothing.
	///
	/// # Errors
	/// [`VolumeFault::NotInBook`] if the tick holds less energy or fewer orders, or would keep one without
	/// the other.
	pub fn remove(&mut self, order: &Step) -> Result<(), VolumeFault> {
		if order.wh == 0 {
			return Ok(());
		}
		let volume = self.at(order.limit);
		let wh = volume.wh.checked_sub(order.wh).ok_or(VolumeFault::NotInBook)?;
		let orders = volume.orders.checked_sub(1).ok_or(VolumeFault::NotInBook)?;
		if (wh == 0) != (orders == 0) {
			return Err(VolumeFault::NotInBook);
		}
		*volume = TickVolume { wh, orders };
		Ok(())
	}

	/// True if no tick holds an order, so that the page need not be kept.
	pub fn is_empty(&self) -> bool {
		self.0.iter().all(|volume| volume.orders == 0)
	}

	fn at(&mut self, tick: Tick) -> &mut TickVolume {
		// In bounds: the remainder is below the length.
		&mut self.0[usize::from(tick) % PAGE_TICKS]
	}
}

/// The whole book of a slot.
#[derive(
	Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Book {
	/// Pages of the bids, lowest ticks first.
	pub bids: [TickPage; PAGES],
	/// Pages of the asks, lowest ticks first.
	pub asks: [TickPage; PAGES],
}

impl Book {
	/// Adds an order, as [`TickPage::add`] does.
	///
	/// # Errors
	/// As [`TickPage::add`].
	pub fn add(&mut self, side: Side, order: &Step) -> Result<(), VolumeFault> {
		self.page(side, order.limit).add(order)
	}

	/// Takes back an order, as [`TickPage::remove`] does.
	///
	/// # Errors
	/// As [`TickPage::remove`].
	pub fn remove(&mut self, side: Side, order: &Step) -> Result<(), VolumeFault> {
		self.page(side, order.limit).remove(order)
	}

	/// Volumes of all ticks of a side, lowest first.
	pub fn ticks(&self, side: Side) -> impl Iterator<Item = &TickVolume> {
		let pages = match side {
			Side::Bid => &self.bids,
			Side::Ask => &self.asks,
		};
		pages.iter().flat_map(|page| &page.0)
	}

	fn page(&mut self, side: Side, tick: Tick) -> &mut TickPage {
		let pages = match side {
			Side::Bid => &mut self.bids,
			Side::Ask => &mut self.asks,
		};
		// In bounds: a tick is one byte and 16 pages of 16 ticks cover it.
		&mut pages[usize::from(TickPage::number_of(tick))]
	}
}
