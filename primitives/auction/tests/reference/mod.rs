//! The auction once more, the slow and obvious way, to compare with: a list of orders instead of tick
//! volumes, every price tried, and the traded volume handed out down the sorted list in exact fractions.

use m2m_auction::Side;
use num_bigint::BigUint;

/// One order of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
	pub side: Side,
	pub limit: u8,
	pub wh: u64,
}

/// A number that is not negative, `over / under`.
#[derive(Clone, Debug)]
pub struct Fraction {
	pub over: BigUint,
	pub under: BigUint,
}

impl Fraction {
	fn new(over: impl Into<BigUint>, under: impl Into<BigUint>) -> Self {
		Self {
			over: over.into(),
			under: under.into(),
		}
	}

	fn times(&self, factor: impl Into<BigUint>) -> Self {
		Self::new(&self.over * factor.into(), self.under.clone())
	}

	pub fn rounded_down(&self) -> u128 {
		(&self.over / &self.under).try_into().unwrap()
	}

	pub fn rounded_up(&self) -> u128 {
		let up = &self.over + &self.under - 1u8;
		(up / &self.under).try_into().unwrap()
	}
}

/// What the auction decides.
#[derive(Debug)]
pub struct Outcome {
	pub price: u8,
	pub volume_wh: u128,
	/// The side with more volume at the price, if there is one.
	pub longer: Option<Side>,
	/// Part of each order that trades, in the order of the input.
	pub shares: Vec<Fraction>,
}

impl Outcome {
	/// What an order gets in mWh.
	pub fn fill(&self, orders: &[Order], at: usize) -> u128 {
		let exact = self.shares[at].times(orders[at].wh).times(1_000u32);
		match orders[at].side {
			Side::Bid => exact.rounded_up(),
			Side::Ask => exact.rounded_down(),
		}
	}
}

fn accepts(order: &Order, price: u8) -> bool {
	match order.side {
		Side::Bid => price <= order.limit,
		Side::Ask => price >= order.limit,
	}
}

fn volume(orders: &[Order], side: Side, price: u8) -> u128 {
	orders
		.iter()
		.filter(|order| order.side == side && accepts(order, price))
		.map(|order| u128::from(order.wh))
		.sum()
}

/// Clears the orders at one of the prices `0..ticks`.
pub fn auction(orders: &[Order], ticks: u16) -> Option<Outcome> {
	struct Candidate {
		price: u8,
		demand: u128,
		supply: u128,
	}
	let mut candidates: Vec<Candidate> = (0..ticks)
		.map(|price| price as u8)
		.map(|price| Candidate {
			price,
			demand: volume(orders, Side::Bid, price),
			supply: volume(orders, Side::Ask, price),
		})
		.collect();
	let tradable = |candidate: &Candidate| candidate.demand.min(candidate.supply);
	let volume_wh = candidates.iter().map(tradable).max()?;
	if volume_wh == 0 {
		return None;
	}
	candidates.retain(|candidate| tradable(candidate) == volume_wh);
	let excess = |candidate: &Candidate| candidate.demand.abs_diff(candidate.supply);
	let least = candidates.iter().map(excess).min()?;
	candidates.retain(|candidate| excess(candidate) == least);
	let chosen = if least == 0 {
		&candidates[(candidates.len() - 1) / 2]
	} else {
		candidates
			.iter()
			.rfind(|candidate| candidate.demand > candidate.supply)
			.unwrap_or(&candidates[0])
	};
	let longer = match () {
		() if chosen.demand > chosen.supply => Some(Side::Bid),
		() if chosen.demand < chosen.supply => Some(Side::Ask),
		() => None,
	};
	let mut shares = vec![Fraction::new(0u8, 1u8); orders.len()];
	match_side(orders, Side::Bid, volume_wh, &mut shares);
	match_side(orders, Side::Ask, volume_wh, &mut shares);
	Some(Outcome {
		price: chosen.price,
		volume_wh,
		longer,
		shares,
	})
}

/// Hands `volume_wh` to the orders of a side, best limit first. Orders of the same limit get the same share.
/// Knows nothing of the price.
fn match_side(orders: &[Order], side: Side, volume_wh: u128, shares: &mut [Fraction]) {
	let mut queue: Vec<usize> = (0..orders.len()).filter(|at| orders[*at].side == side).collect();
	queue.sort_by_key(|at| match side {
		Side::Bid => -i16::from(orders[*at].limit),
		Side::Ask => i16::from(orders[*at].limit),
	});
	let mut left = volume_wh;
	for group in queue.chunk_by(|a, b| orders[*a].limit == orders[*b].limit) {
		let wanted: u128 = group.iter().map(|at| u128::from(orders[*at].wh)).sum();
		let given = wanted.min(left);
		left -= given;
		for at in group {
			shares[*at] = Fraction::new(given, wanted);
		}
	}
	assert_eq!(left, 0, "the side has less volume than trades");
}
