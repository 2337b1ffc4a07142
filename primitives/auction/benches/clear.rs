//! Clearing costs the same however many members report, and a settlement costs the same however many there
//! are.

#![allow(missing_docs, reason = "the macros of criterion make public functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use m2m_auction::{Book, Pricing, Side, StandingOrder, Step, Steps, TickGrid, clear, settle, spread};
use std::hint::black_box;

const PRICING: Pricing = Pricing {
	retail: 300_000_000_000,
	feed_in: 8_000_000_000,
	margin: 1_000_000_000,
	grid_fee: 4_000_000_000,
	grid: TickGrid {
		bottom: 10_000_000_000,
		tick_size: 1_000_000_000,
		ticks: 256,
	},
};

/// An entry of a book of which every 50 neighbours use the same 100 ticks of either side.
fn entry(number: u64) -> (Steps, Steps) {
	let place = (number % 50) as u8;
	let bids = [120 + 2 * place, 21 + 2 * place].map(|limit| Step {
		limit,
		wh: 100 + number % 7,
	});
	let asks = [20 + 2 * place, 121 + 2 * place].map(|limit| Step {
		limit,
		wh: 90 + number % 11,
	});
	(
		Steps::truncate_from(bids.to_vec()),
		Steps::truncate_from(asks.to_vec()),
	)
}

fn book(entries: u64) -> Book {
	let mut book = Book::default();
	for (bids, asks) in (0..entries).map(entry) {
		for (side, steps) in [(Side::Bid, &bids), (Side::Ask, &asks)] {
			for step in steps {
				book.add(side, step).expect("far below 64 bits");
			}
		}
	}
	book
}

fn clearing(criterion: &mut Criterion) {
	PRICING.check().expect("prices inside the tariffs");
	let mut group = criterion.benchmark_group("clear");
	for entries in [100, 10_000, 100_000] {
		let book = book(entries);
		let used = |side| book.ticks(side).filter(|tick| tick.orders > 0).count();
		assert_eq!((used(Side::Bid), used(Side::Ask)), (100, 100));
		group.bench_with_input(BenchmarkId::from_parameter(entries), &book, |bench, book| {
			bench.iter(|| clear(black_box(book)))
		});
	}
	group.finish();
}

fn settlement(criterion: &mut Criterion) {
	let mut group = criterion.benchmark_group("settle");
	for entries in [100u64, 10_000, 100_000] {
		let clearing = clear(&book(entries)).expect("both sides have orders");
		let items: Vec<(Steps, Steps)> = (0..entries).map(entry).collect();
		// The time shown is for all items; the throughput is items a second.
		group.throughput(Throughput::Elements(entries));
		group.bench_with_input(BenchmarkId::from_parameter(entries), &items, |bench, items| {
			bench.iter(|| {
				for (bids, asks) in items {
					black_box(settle(&PRICING, Some(&clearing), bids, asks));
				}
			})
		});
	}
	group.finish();
}

fn report(criterion: &mut Criterion) {
	let step = |limit| Step { limit, wh: 500 };
	let order = StandingOrder {
		bids: Steps::truncate_from([200, 150, 100, 50].map(step).to_vec()),
		asks: Steps::default(),
	};
	criterion.bench_function("report of four steps", |bench| {
		let mut book = Book::default();
		bench.iter(|| {
			let bids = PRICING.cover(
				spread(&order.bids, black_box(1_900)),
				black_box(1_000_000_000_000),
			);
			for step in &bids.bids {
				book.add(Side::Bid, step).expect("taken back below");
			}
			for step in &bids.bids {
				book.remove(Side::Bid, step).expect("just added");
			}
		})
	});
}

criterion_group!(benches, clearing, settlement, report);
criterion_main!(benches);
