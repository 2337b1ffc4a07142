//! The rules by which a replayed community is set up: prices, limits and credits.
//!
//! All of them are assumptions, and all are fixed before the first reading is known: a member's limits come from its
//! name, its credit from what its connection can take. Running the same again gives the same orders.

use crate::{Error, Result, money};
use m2m_auction::{
	Capacity, MILLI_WH_PER_KWH, MILLI_WH_PER_WH, MilliWh, Money, PriceOrder, PricePerKwh, PriceStep, Pricing,
	PricingFault, TickGrid, cost,
};
use sp_runtime::traits::{BlakeTwo256, Hash};
use std::collections::BTreeSet;

/// Default retail tariff, per kWh: 0.30 M2M. Assumed, with 1 M2M for 1 EUR: near what households in Germany paid in the
/// year of the readings.
pub const RETAIL: PricePerKwh = 300_000_000_000;
/// Default feed-in tariff, per kWh: 0.08 M2M. Assumed likewise, for roofs without a subsidy.
pub const FEED_IN: PricePerKwh = 80_000_000_000;
/// Default grid fee on traded energy, per kWh: 0.04 M2M. Assumed: a part of the network charge, as energy that stays
/// below one transformer uses a part of the network.
pub const GRID_FEE: PricePerKwh = 40_000_000_000;
/// What both sides gain over the utility at least, per kWh: 0.01 M2M.
pub const MARGIN: PricePerKwh = 10_000_000_000;
/// The finest distance of two prices, per kWh: 0.001 M2M.
const FINEST_TICK: PricePerKwh = 1_000_000_000;
/// The distances between the prices of the largest grid.
const MOST_DISTANCES: PricePerKwh = 255;

/// What a connection can take or give in a slot, in Wh: 40 kW over a quarter of an hour, near what the fuses of a house
/// connection of three times 63 A allow. The same for every member, because the readings are not known before.
pub const CAPACITY: Capacity = Capacity {
	import: 10_000,
	export: 10_000,
};
/// For so many slots at full capacity and the highest charge a member's credit is good.
const CREDIT_SLOTS: MilliWh = 2;
/// So many members, chosen by their names, get ...
const POOR_MEMBERS: usize = 2;
/// ... a part of that credit, so that theirs runs out ...
const POOR_SHARE: Money = 100;
/// ... if there are at least so many members.
const LEAST_FOR_POOR: usize = 6;

/// The tariffs of the utility and the grid fee, per kWh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tariffs {
	/// What the utility charges.
	pub retail: PricePerKwh,
	/// What the utility pays.
	pub feed_in: PricePerKwh,
	/// What a buyer pays on top of the price.
	pub grid_fee: PricePerKwh,
}

impl Default for Tariffs {
	fn default() -> Self {
		Self {
			retail: RETAIL,
			feed_in: FEED_IN,
			grid_fee: GRID_FEE,
		}
	}
}

impl Tariffs {
	/// The widest grid of prices between the tariffs that leaves both sides [`MARGIN`], in steps of 0.001 M2M, or in
	/// wider ones if that would be more than 256 prices.
	///
	/// # Errors
	/// [`Error::Usage`] if the tariffs leave no room or have more than six digits after the point.
	pub fn pricing(&self) -> Result<Pricing> {
		let bottom = self.feed_in.checked_add(MARGIN);
		let top = self
			.retail
			.checked_sub(self.grid_fee)
			.and_then(|net| net.checked_sub(MARGIN));
		let span = bottom.zip(top).and_then(|(bottom, top)| top.checked_sub(bottom));
		let (Some(bottom), Some(span)) = (bottom, span) else {
			return Err(Error::Usage(format!(
				"a market has no room between a retail tariff of {} and a feed-in tariff of {} M2M: the difference must cover the grid fee of {} and twice the least gain of {}",
				money::format(self.retail),
				money::format(self.feed_in),
				money::format(self.grid_fee),
				money::format(MARGIN),
			)));
		};
		let tick_size = span
			.div_ceil(MOST_DISTANCES)
			.checked_next_multiple_of(MILLI_WH_PER_KWH)
			.unwrap_or(FINEST_TICK)
			.max(FINEST_TICK);
		let distances = span.checked_div(tick_size).unwrap_or_default();
		let pricing = Pricing {
			retail: self.retail,
			feed_in: self.feed_in,
			margin: MARGIN,
			grid_fee: self.grid_fee,
			grid: TickGrid {
				bottom,
				tick_size,
				ticks: u16::try_from(distances).map_or(u16::MAX, |distances| distances.saturating_add(1)),
			},
		};
		pricing.check().map_err(|fault| {
			Error::Usage(match fault {
				PricingFault::NotExact => "a price per kWh has at most six digits after the point".into(),
				PricingFault::RetailTooHigh => "the retail tariff is too high to reckon with".into(),
				fault => format!("these tariffs make no market: {fault:?}"),
			})
		})?;
		Ok(pricing)
	}
}

/// A number below `range` (at least 1) that depends on a member's name and what it is for: the first eight bytes, little
/// endian, of blake2-256 over `m2m/community/WHAT/v1/NAME`, modulo `range`.
fn draw(what: &str, name: &str, range: u64) -> u64 {
	let hash = BlakeTwo256::hash(format!("m2m/community/{what}/v1/{name}").as_bytes());
	let mut bytes = [0; 8];
	for (byte, drawn) in bytes.iter_mut().zip(hash.as_bytes()) {
		*byte = *drawn;
	}
	u64::from_le_bytes(bytes).checked_rem(range).unwrap_or_default()
}

/// What a member wants: to buy all it takes at a limit somewhere in the upper two thirds of the grid, and to sell all it
/// gives at one in the lower two thirds. Where is drawn from its name, so that limits differ and never change.
pub fn order(name: &str, grid: &TickGrid) -> PriceOrder {
	let third = grid.ticks / 3;
	let range = u64::from(grid.ticks.saturating_sub(third));
	// Below the number of ticks, which a byte numbers.
	let tick = |number: u64| grid.price(u8::try_from(number).unwrap_or(u8::MAX));
	let step = |limit, wh| vec![PriceStep { limit, wh }].try_into().unwrap_or_default();
	PriceOrder {
		bids: step(
			tick(draw("bid", name, range).saturating_add(third.into())),
			CAPACITY.import,
		),
		asks: step(tick(draw("ask", name, range)), CAPACITY.export),
	}
}

/// The highest that a member pays for a kWh, grid fee included.
fn highest_charge(pricing: &Pricing) -> PricePerKwh {
	let top = u8::try_from(pricing.grid.ticks.saturating_sub(1)).unwrap_or(u8::MAX);
	pricing.charge(top)
}

/// The members that get little credit, by name.
pub fn poor<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
	let mut drawn: Vec<(u64, &str)> = names
		.into_iter()
		.map(|name| (draw("credit", name, u64::MAX), name))
		.collect();
	if drawn.len() < LEAST_FOR_POOR {
		return BTreeSet::new();
	}
	drawn.sort_unstable();
	let first = drawn.into_iter().take(POOR_MEMBERS);
	first.map(|(_, name)| name.to_owned()).collect()
}

/// What a member has in the market at the beginning: what two slots at full capacity cost at the highest charge, or a
/// hundredth of that.
pub fn credit(pricing: &Pricing, poor: bool) -> Money {
	let energy = MilliWh::from(CAPACITY.import)
		.saturating_mul(MILLI_WH_PER_WH)
		.saturating_mul(CREDIT_SLOTS);
	let full = cost(highest_charge(pricing), energy);
	if poor { full / POOR_SHARE } else { full }
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_grid_lies_inside_the_tariffs_and_is_as_wide_as_they_allow() {
		let pricing = Tariffs::default().pricing().unwrap();
		assert_eq!(pricing.check(), Ok(()));
		assert_eq!(pricing.grid.bottom, 90_000_000_000);
		assert_eq!((pricing.grid.tick_size, pricing.grid.ticks), (FINEST_TICK, 161));
		assert_eq!(highest_charge(&pricing), 290_000_000_000);
		let wide = Tariffs {
			retail: 2 * money::UNIT + 1_000_000,
			..Default::default()
		};
		let pricing = wide.pricing().unwrap();
		assert_eq!(pricing.check(), Ok(()));
		assert!(pricing.grid.ticks > 250, "{pricing:?}");
		let narrow = Tariffs {
			retail: FEED_IN + GRID_FEE + 2 * MARGIN,
			..Default::default()
		};
		assert_eq!(narrow.pricing().unwrap().grid.ticks, 1);
	}

	#[test]
	fn tariffs_without_room_or_with_too_many_digits_are_refused() {
		for (retail, words) in [
			(FEED_IN, "no room"),
			(0, "no room"),
			(RETAIL + 1, "six digits"),
			(u128::MAX / MILLI_WH_PER_KWH * MILLI_WH_PER_KWH, "too high"),
		] {
			let error = Tariffs {
				retail,
				..Default::default()
			}
			.pricing()
			.unwrap_err();
			assert_eq!(error.exit_code(), 2);
			assert!(error.to_string().contains(words), "{error}");
		}
	}

	#[test]
	fn limits_differ_lie_on_the_grid_and_come_from_the_name_alone() {
		let grid = Tariffs::default().pricing().unwrap().grid;
		let names: Vec<String> = (0..118).map(|number| format!("meter-{number:03}")).collect();
		let mut limits = BTreeSet::new();
		for name in &names {
			let order = order(name, &grid);
			assert_eq!(order, super::order(name, &grid));
			assert_eq!(order.check(), Ok(()));
			let placed = order.on(&grid);
			let (bid, ask) = (placed.bids[0].limit, placed.asks[0].limit);
			assert!((53..161).contains(&bid) && ask < 108, "{bid} {ask}");
			assert_eq!(
				(grid.price(bid), grid.price(ask)),
				(order.bids[0].limit, order.asks[0].limit)
			);
			limits.insert((bid, ask));
		}
		assert!(limits.len() > 110, "{}", limits.len());
		let single = TickGrid { ticks: 1, ..grid };
		let order = order("meter-001", &single);
		assert_eq!(
			(order.bids[0].limit, order.asks[0].limit),
			(grid.bottom, grid.bottom)
		);
	}

	#[test]
	fn two_of_many_members_get_a_hundredth_of_the_credit() {
		let pricing = Tariffs::default().pricing().unwrap();
		assert_eq!(credit(&pricing, false), 5_800_000_000_000);
		assert_eq!(credit(&pricing, true), 58_000_000_000);
		let names: Vec<String> = (0..20).map(|number| format!("meter-{number:03}")).collect();
		let names = || names.iter().map(String::as_str);
		assert_eq!(poor(names()).len(), 2);
		assert_eq!(poor(names()), poor(names().rev()));
		assert!(poor(names().take(5)).is_empty());
	}
}
