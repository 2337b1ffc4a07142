//! Random days against a plain model that keeps its own books: what counts, the price and the fills as the auction's
//! reference finds them, everybody's money to the unit. Who reports, clears and settles when is chance.

use crate::{ClearedSlots, Error, mock::*};
use frame_support::assert_ok;
use m2m_auction::{PriceOrder, Side, Slot};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[path = "../../../../primitives/auction/tests/reference/mod.rs"]
mod reference;

use reference::{Order, Outcome, auction};

const HOMES: u16 = 5;

#[derive(Clone, Debug)]
enum Act {
	/// Lets time pass, in minutes.
	Wait(u64),
	/// A meter says what it counted in a slot some slots ago.
	Report {
		home: u16,
		back: u64,
		export: bool,
		wh: i64,
	},
	SetOrder {
		home: u16,
		bids: Vec<(u128, u32)>,
		asks: Vec<(u128, u32)>,
	},
	TopUp {
		home: u16,
		cents: u128,
	},
	Withdraw {
		home: u16,
	},
	Clear {
		back: u64,
	},
	Settle {
		back: u64,
		homes: Vec<u16>,
	},
	Idle,
}

/// Limits and amounts of one side; sorted by the model.
fn side() -> impl Strategy<Value = Vec<(u128, u32)>> {
	prop::collection::btree_map(8u128..28, 1u32..900, 0..=4).prop_map(|steps| steps.into_iter().collect())
}

fn act() -> impl Strategy<Value = Act> {
	let home = 0..HOMES;
	let wh = prop_oneof![Just(0i64), 1i64..2_000];
	prop_oneof![
		4 => (1u64..12).prop_map(Act::Wait),
		16 => (home.clone(), 0u64..3, any::<bool>(), wh)
			.prop_map(|(home, back, export, wh)| Act::Report { home, back, export, wh }),
		3 => (home.clone(), side(), side())
			.prop_map(|(home, bids, asks)| Act::SetOrder { home, bids, asks }),
		2 => (home.clone(), 1u128..60).prop_map(|(home, cents)| Act::TopUp { home, cents }),
		1 => home.clone().prop_map(|home| Act::Withdraw { home }),
		2 => (1u64..4).prop_map(|back| Act::Clear { back }),
		4 => (1u64..5, prop::collection::vec(home, 1..5)).prop_map(|(back, homes)| Act::Settle { back, homes }),
		2 => Just(Act::Idle),
	]
}

/// `(cents, Wh)`, best first.
type Steps = Vec<(u128, u32)>;

/// One home in the model.
#[derive(Default)]
struct Book {
	credit: u128,
	/// Orders by the first slot for which they hold: bids and asks.
	orders: BTreeMap<Slot, (Steps, Steps)>,
}

/// A slot in the model: orders `(home, side, cents, Wh)`, in the order in which they came.
#[derive(Default)]
struct Reports {
	orders: Vec<(u16, Side, u128, u64)>,
	settled: Vec<u16>,
	closed: bool,
}

impl Reports {
	/// The orders as the reference wants them, and what it makes of them.
	fn auction(&self) -> (Vec<Order>, Option<Outcome>) {
		let orders: Vec<Order> = self
			.orders
			.iter()
			.map(|(_, side, cents, wh)| Order {
				side: *side,
				limit: (cents - 10) as u8,
				wh: *wh,
			})
			.collect();
		let outcome = auction(&orders, 16);
		(orders, outcome)
	}

	/// What a home buys and sells in mWh, and the price in cents.
	fn result(&self, home: u16) -> (u128, u128, Option<u128>) {
		let (orders, Some(outcome)) = self.auction() else {
			return (0, 0, None);
		};
		let filled = |wanted| {
			let own = self.orders.iter().enumerate();
			own.filter(|(_, (of, side, ..))| *of == home && *side == wanted)
				.map(|(at, _)| outcome.fill(&orders, at))
				.sum()
		};
		(
			filled(Side::Bid),
			filled(Side::Ask),
			Some(u128::from(outcome.price) + 10),
		)
	}

	/// What was just cleared is what the reference finds.
	fn compare(&self, slot: Slot) {
		let cleared = ClearedSlots::<Test>::get(MARKET, slot).expect("it was cleared");
		let found = cleared.clearing.map(|clearing| {
			let longer = clearing.ration.map(|ration| ration.side);
			(clearing.tick, clearing.volume_wh, longer)
		});
		let (_, expected) = self.auction();
		assert_eq!(
			found,
			expected.map(|outcome| (outcome.price, outcome.volume_wh, outcome.longer))
		);
	}

	fn set_aside(&self, home: u16) -> u128 {
		let bids = self
			.orders
			.iter()
			.filter(|(of, side, ..)| *of == home && *side == Side::Bid);
		bids.map(|(_, _, cents, wh)| (cents + 4) * CENT / 1_000 * u128::from(*wh))
			.sum()
	}

	fn has(&self, home: u16) -> bool {
		self.orders.iter().any(|(of, ..)| *of == home) && !self.settled.contains(&home)
	}
}

struct Model {
	homes: Vec<Home>,
	books: Vec<Book>,
	slots: BTreeMap<Slot, Reports>,
	/// What each stream has anchored last.
	anchored: BTreeMap<(u16, bool), Slot>,
}

impl Model {
	fn slot_now() -> Slot {
		now() / QUARTER
	}

	fn is_over(slot: Slot) -> bool {
		// A window of ten minutes and five blocks of a minute, without halts.
		now() >= end(slot) + 10 * MINUTE
	}

	fn report(&mut self, home: u16, back: u64, export: bool, wh: i64) {
		let slot = Self::slot_now() - back;
		if self
			.anchored
			.get(&(home, export))
			.is_some_and(|last| *last >= slot)
			|| slot < FIRST - 1
		{
			return;
		}
		self.anchored.insert((home, export), slot);
		let meter = &self.homes[usize::from(home)];
		let stream = if export { meter.export } else { meter.import };
		assert_ok!(meter.anchor(stream, &[(slot * QUARTER, wh)]));
		if back == 0 || Self::is_over(slot) || slot < FIRST {
			return;
		}
		let book = &mut self.books[usize::from(home)];
		let Some((_, (bids, asks))) = book.orders.range(..=slot).next_back() else {
			return;
		};
		let mut left = u64::try_from(wh).expect("not negative");
		let reports = self.slots.entry(slot).or_default();
		if export {
			for (cents, wanted) in asks {
				let cents = (*cents).max(10);
				let offered = left.min((*wanted).into());
				if cents <= 25 && offered > 0 {
					left -= offered;
					reports.orders.push((home, Side::Ask, cents, offered));
				}
			}
		} else {
			for (cents, wanted) in bids {
				let cents = (*cents).min(25);
				if cents < 10 {
					continue;
				}
				let offered = left.min((*wanted).into());
				left -= offered;
				let per_wh = (cents + 4) * CENT / 1_000;
				let covered = offered.min((book.credit / per_wh) as u64);
				book.credit -= per_wh * u128::from(covered);
				if covered > 0 {
					reports.orders.push((home, Side::Bid, cents, covered));
				}
			}
		}
	}

	fn set_order(&mut self, home: u16, mut bids: Vec<(u128, u32)>, asks: Vec<(u128, u32)>) {
		bids.reverse();
		let wanted: PriceOrder = order(&bids, &asks);
		self.homes[usize::from(home)].set_order(wanted);
		let first = Self::slot_now() + 1;
		self.books[usize::from(home)].orders.insert(first, (bids, asks));
	}

	fn open(&self, slot: Slot) -> bool {
		self.slots
			.get(&slot)
			.is_some_and(|reports| !reports.orders.is_empty() && !reports.closed)
	}

	fn clear(&mut self, slot: Slot) {
		let cleared = ClearedSlots::<Test>::contains_key(MARKET, slot);
		let expected = match () {
			() if !self.open(slot) => Err(refusal(Error::UnknownSlot)),
			() if cleared => Err(refusal(Error::AlreadyCleared)),
			() if !Self::is_over(slot) => Err(refusal(Error::WindowOpen)),
			() => Ok(()),
		};
		assert_eq!(clear(slot), expected);
		if expected.is_ok() {
			self.slots[&slot].compare(slot);
		}
	}

	fn settle(&mut self, slot: Slot, homes: &[u16]) {
		let meters: Vec<&Home> = homes.iter().map(|home| &self.homes[usize::from(*home)]).collect();
		events();
		let found = settle(slot, &meters);
		if !self.open(slot) {
			assert_eq!(found, Err(refusal(Error::UnknownSlot)));
			return;
		}
		if !Self::is_over(slot) {
			assert_eq!(found, Err(refusal(Error::WindowOpen)));
			return;
		}
		assert_ok!(found);
		let mut expected = Vec::new();
		let reports = self.slots.get_mut(&slot).expect("it is open");
		for home in homes {
			if !reports.has(*home) {
				continue;
			}
			let (bought, sold, price) = reports.result(*home);
			let price = price.map(|cents| cents * CENT);
			let id = self.homes[usize::from(*home)].id.clone();
			expected.push((id, bought, sold, price));
			let per_mwh = price.unwrap_or_default() / 1_000_000;
			let paid = (per_mwh + 4 * CENT / 1_000_000) * bought;
			let earned = per_mwh * sold;
			self.books[usize::from(*home)].credit += reports.set_aside(*home) - paid + earned;
			reports.settled.push(*home);
		}
		assert_eq!(bills(), expected);
		let all: Vec<u16> = (0..HOMES).filter(|home| reports.has(*home)).collect();
		reports.closed = all.is_empty();
	}

	/// The reserve of all slots that are settled wholly.
	fn reserve(&self) -> u128 {
		let closed = self.slots.values().filter(|reports| reports.closed);
		closed
			.map(|reports| {
				(0..HOMES)
					.map(|home| {
						let (bought, sold, price) = reports.result(home);
						let per_mwh = price.unwrap_or_default() * CENT / 1_000_000;
						let paid = (per_mwh + 4 * CENT / 1_000_000) * bought;
						(paid, per_mwh * sold)
					})
					.fold(0i128, |sum, (paid, earned)| sum + paid as i128 - earned as i128)
			})
			.map(|sum| u128::try_from(sum).expect("no slot costs the market anything"))
			.sum()
	}

	fn compare(&self) {
		for (home, book) in self.homes.iter().zip(&self.books) {
			assert_eq!(home.credit(), book.credit);
		}
		assert_eq!(reserve(), self.reserve());
	}
}

fn run(acts: Vec<Act>) {
	trade(|| {
		let homes: Vec<Home> = (0..HOMES)
			.map(|number| member(number, Default::default(), 0))
			.collect();
		let mut model = Model {
			books: homes.iter().map(|_| Book::default()).collect(),
			homes,
			slots: BTreeMap::new(),
			anchored: BTreeMap::new(),
		};
		for home in 0..HOMES {
			model.set_order(home, vec![(15, 500), (20, 500)], vec![(12, 700)]);
			model.homes[usize::from(home)].top_up(40 * CENT);
			model.books[usize::from(home)].credit = 40 * CENT;
		}
		run_to((FIRST + 1) * QUARTER);
		for act in acts {
			match act {
				Act::Wait(minutes) => run_to(now() + minutes * MINUTE),
				Act::Report {
					home,
					back,
					export,
					wh,
				} => model.report(home, back, export, wh),
				Act::SetOrder { home, bids, asks } => model.set_order(home, bids, asks),
				Act::TopUp { home, cents } => {
					model.homes[usize::from(home)].top_up(cents * CENT);
					model.books[usize::from(home)].credit += cents * CENT;
				}
				Act::Withdraw { home } => {
					let credit = &mut model.books[usize::from(home)].credit;
					let id = Some(model.homes[usize::from(home)].id.clone());
					let found = EnergyTrading::withdraw_credit(signed(&OWNER), MARKET, id, None);
					let expected = if *credit > 0 {
						Ok(())
					} else {
						Err(refusal(Error::ZeroAmount))
					};
					assert_eq!(found, expected);
					*credit = 0;
				}
				Act::Clear { back } => model.clear(Model::slot_now() - back),
				Act::Settle { back, homes } => model.settle(Model::slot_now() - back, &homes),
				Act::Idle => {
					idle();
				}
			}
			check();
			model.compare();
		}
		// In the end everything is settled and nothing is left.
		run_past_window(Model::slot_now());
		let everybody: Vec<u16> = (0..HOMES).collect();
		let slots: Vec<Slot> = model.slots.keys().copied().collect();
		for slot in slots {
			model.settle(slot, &everybody);
		}
		model.compare();
		assert_eq!(slot_bytes(), 0);
	});
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn a_random_day_agrees_with_the_model(acts in prop::collection::vec(act(), 20..60)) {
		run(acts);
	}
}
