//! Budget arithmetic.

use crate::Budget;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn budget(limit: u128, period_ms: u64, since: u64) -> Budget {
	Budget {
		number: 3,
		generation: 1,
		limit,
		period_ms,
		since,
		period: 0,
		spent: 0,
	}
}

#[derive(Clone, Copy, Debug)]
enum Step {
	Wait(u64),
	Spend(u128),
	/// Gives back a share of the spending that lies so many back.
	Unspend(usize, u8),
}

fn amount() -> impl Strategy<Value = u128> {
	prop_oneof![0u128..1_000, any::<u128>()]
}

fn step() -> impl Strategy<Value = Step> {
	prop_oneof![
		prop_oneof![0u64..3_000, any::<u64>()].prop_map(Step::Wait),
		amount().prop_map(Step::Spend),
		(0usize..6, any::<u8>()).prop_map(|(back, share)| Step::Unspend(back, share)),
	]
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(20_000))]

	#[test]
	fn no_period_spends_more_than_the_limit(
		limit in amount(),
		period_ms in prop_oneof![1u64..2_000, 1..=u64::MAX],
		since in prop_oneof![0u64..5_000, any::<u64>()],
		steps in prop::collection::vec(step(), 0..40),
	) {
		let mut budget = budget(limit, period_ms, since);
		let mut now = since;
		let mut spent = BTreeMap::<u64, u128>::new();
		let mut open = Vec::<(u64, u128)>::new();
		for step in steps {
			match step {
				Step::Wait(time) => now = now.saturating_add(time),
				Step::Spend(amount) => {
					let period = (now - since) / period_ms;
					let before = spent.get(&period).copied().unwrap_or_default();
					let fits = before.checked_add(amount).is_some_and(|sum| sum <= limit);
					let next = budget.spend(now, amount);
					prop_assert_eq!(next.is_some(), fits);
					if let Some(next) = next {
						prop_assert_eq!(next.period, period);
						budget = next;
						spent.insert(period, before + amount);
						open.push((period, amount));
					}
				}
				Step::Unspend(back, share) => {
					let Some(index) = open.len().checked_sub(back + 1) else { continue };
					let (period, amount) = open[index];
					let returned = amount / 255 * u128::from(share);
					open[index].1 -= returned;
					budget = budget.unspend(now, returned, period);
					if period == (now - since) / period_ms {
						*spent.entry(period).or_default() -= returned;
					}
				}
			}
			let period = (now - since) / period_ms;
			let used = spent.get(&period).copied().unwrap_or_default();
			prop_assert_eq!(budget.left(now), limit - used);
			prop_assert!(budget.spent <= limit);
			prop_assert!(budget.period_ends(now) > now || budget.period_ends(now) == u64::MAX);
		}
	}
}

#[test]
fn a_period_begins_when_the_budget_was_set() {
	let budget = budget(10, 1_000, 5_500).spend(6_400, 10).expect("it is new");
	assert_eq!(budget.left(6_499), 0);
	assert_eq!(budget.period_ends(6_499), 6_500);
	assert_eq!(budget.left(6_500), 10);
	assert_eq!(budget.period_ends(6_500), 7_500);
}

#[test]
fn what_comes_back_after_its_period_changes_nothing() {
	let first = budget(10, 1_000, 0).spend(500, 8).expect("it is new");
	assert_eq!(first.unspend(900, 5, 0).left(900), 7);
	assert_eq!(first.unspend(1_000, 5, 0), first);
	let second = first.spend(1_500, 9).expect("another period");
	assert_eq!(second.unspend(1_600, 8, 0), second);
	assert_eq!(second.unspend(1_600, 8, 2), second);
}

#[test]
fn a_clock_before_the_first_period_counts_as_its_beginning() {
	let budget = budget(10, 1_000, 5_000);
	assert_eq!(budget.period_at(3), 0);
	assert_eq!(budget.left(3), 10);
}
