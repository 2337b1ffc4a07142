//! Cost of committing to 2^20 readings, and of making and checking proofs from them.

#![allow(missing_docs, reason = "the macros of criterion make public functions")]

use codec::Encode;
use criterion::{Criterion, criterion_group, criterion_main};
use m2m_merkle::{Batch, Reading};
use std::hint::black_box;

fn trees(criterion: &mut Criterion) {
	let readings: Vec<Reading> = (0..1 << 20)
		.map(|i| Reading {
			time_ms: 1_700_000_000_000 + 1_000 * i,
			value: (i % 977) as i64,
		})
		.collect();
	let batch = Batch::new(&[5; 32], readings.clone()).expect("times increase");
	let (data_root, root) = (batch.data_root(), batch.aggregate_root());
	let proof = batch.open(654_321).expect("in the batch");
	let audit = batch.audit(654_321).expect("in the batch");
	println!(
		"reading proof {} bytes, aggregate proof {} bytes",
		proof.encoded_size(),
		audit.encoded_size()
	);

	let mut group = criterion.benchmark_group("2^20 readings");
	group.bench_function("open", |bench| bench.iter(|| batch.open(black_box(654_321))));
	group.bench_function("verify reading proof", |bench| {
		bench.iter(|| black_box(&proof).verify(&data_root))
	});
	group.bench_function("verify aggregate proof", |bench| {
		bench.iter(|| black_box(&audit).verify(&root))
	});
	group.sample_size(10);
	group.bench_function("build both trees", |bench| {
		bench.iter_batched(
			|| readings.clone(),
			|readings| Batch::new(&[5; 32], readings),
			criterion::BatchSize::PerIteration,
		)
	});
	group.finish();
}

criterion_group!(benches, trees);
criterion_main!(benches);
