//! Bucket arithmetic over centuries, and at the ends of its numbers.

use crate::{Bucket, Terms};
use proptest::prelude::*;

/// Blocks of three seconds in a thousand years.
const MILLENNIUM: u64 = 1_000 * 365 * 24 * 60 * 20;

#[derive(Clone, Copy, Debug)]
enum Step {
	Wait(u64),
	Take(u128),
	/// Takes a share of what is left, and puts a share of that back.
	TakeAndReturn(u8, u8),
}

fn amount() -> impl Strategy<Value = u128> {
	prop_oneof![
		0u128..2_000,
		0u128..1_000_000_000_000_000,
		any::<u128>(),
		Just(u128::MAX)
	]
}

fn step() -> impl Strategy<Value = Step> {
	prop_oneof![
		prop_oneof![0u64..20, 0..MILLENNIUM, any::<u64>()].prop_map(Step::Wait),
		amount().prop_map(Step::Take),
		(any::<u8>(), any::<u8>()).prop_map(|(taken, back)| Step::TakeAndReturn(taken, back)),
	]
}

/// A part of `whole`: `share` of 255, rounded down.
fn part(whole: u128, share: u8) -> u128 {
	whole / 255 * u128::from(share)
}

/// The same bucket told the other way round: what is in it, filled up block by block, in numbers that cannot
/// overflow.
struct Level {
	level: u128,
	block: u64,
}

impl Level {
	fn wait_until(&mut self, terms: &Terms, block: u64) {
		let blocks = u128::from(block - self.block);
		// Whoever needs more blocks than there are to fill up from nothing is filled by counting, others by
		// comparing.
		let lacks = terms.capacity - self.level;
		let full = terms.refill > 0 && lacks.div_ceil(terms.refill) <= blocks;
		self.level = if full {
			terms.capacity
		} else {
			self.level + terms.refill * blocks
		};
		self.block = block;
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(20_000))]

	#[test]
	fn no_sequence_of_waits_and_spends_takes_more_than_capacity_and_refill(
		capacity in amount(),
		refill in amount(),
		start in prop_oneof![0u64..10, any::<u64>()],
		steps in prop::collection::vec(step(), 0..40),
	) {
		let terms = Terms { capacity, refill };
		let mut bucket = Bucket::full(start);
		let mut block = start;
		let mut model = Level { level: capacity, block: start };
		for step in steps {
			match step {
				Step::Wait(blocks) => block = block.saturating_add(blocks),
				Step::Take(amount) => {
					model.wait_until(&terms, block);
					let taken = bucket.take(&terms, block, amount);
					prop_assert_eq!(taken.is_some(), amount <= model.level);
					if let Some(next) = taken {
						bucket = next;
						model.level -= amount;
					}
				}
				Step::TakeAndReturn(share, back) => {
					model.wait_until(&terms, block);
					let amount = part(bucket.left(&terms, block), share);
					let back = part(amount, back);
					bucket = bucket.take(&terms, block, amount).expect("no more than is left").put_back(back);
					model.level = model.level - amount + back;
				}
			}
			model.wait_until(&terms, block);
			prop_assert_eq!(bucket.left(&terms, block), model.level);
			prop_assert!(bucket.left(&terms, block) <= capacity);
			prop_assert!(bucket.spent <= capacity);
			prop_assert!(bucket.missing(&terms, block) <= bucket.spent);
		}
	}

	#[test]
	fn silence_never_makes_a_bucket_smaller(
		capacity in amount(),
		refill in amount(),
		spent in amount(),
		waits in prop::collection::vec(any::<u64>(), 1..10),
	) {
		let terms = Terms { capacity, refill };
		let spent = spent.min(capacity);
		let bucket = Bucket::full(7).take(&terms, 7, spent).expect("it is full");
		let mut waits = waits;
		waits.sort_unstable();
		let lefts: Vec<u128> = waits.iter().map(|block| bucket.left(&terms, *block)).collect();
		prop_assert!(lefts.is_sorted());
	}

	/// A removed bucket counts as a full one, so only a full one may be removed.
	#[test]
	fn a_full_bucket_is_the_same_as_none(
		capacity in amount(),
		refill in amount(),
		spent in amount(),
		wait in any::<u64>(),
		asked in amount(),
	) {
		let terms = Terms { capacity, refill };
		let bucket = Bucket::full(0).take(&terms, 0, spent.min(capacity)).expect("it is full");
		if bucket.missing(&terms, wait) == 0 {
			prop_assert_eq!(bucket.take(&terms, wait, asked), Bucket::full(wait).take(&terms, wait, asked));
		}
	}
}

#[test]
fn a_bucket_without_refill_is_used_up_once() {
	let terms = Terms {
		capacity: 5,
		refill: 0,
	};
	let empty = Bucket::full(1).take(&terms, 1, 5).expect("it holds five");
	assert_eq!(empty.left(&terms, u64::MAX), 0);
	assert_eq!(empty.take(&terms, u64::MAX, 1), None);
	assert!(empty.take(&terms, u64::MAX, 0).is_some());
}

#[test]
fn a_block_before_the_last_payment_refills_nothing() {
	let terms = Terms {
		capacity: 5,
		refill: 1,
	};
	let bucket = Bucket::full(9).take(&terms, 9, 5).expect("it holds five");
	assert_eq!(bucket.left(&terms, 3), 0);
	let again = bucket
		.take(&terms, 3, 0)
		.expect("nothing can be taken from nothing");
	assert_eq!(again, bucket);
}
