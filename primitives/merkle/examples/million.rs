//! Builds both trees over 2^20 readings and prints time, memory and proof sizes.

use codec::Encode;
use m2m_merkle::{Batch, Reading};
use std::time::Instant;

fn main() {
	let readings: Vec<Reading> = (0..1 << 20)
		.map(|i| Reading {
			time_ms: 1_700_000_000_000 + 1_000 * i,
			value: (i % 977) as i64,
		})
		.collect();
	let start = Instant::now();
	let batch = Batch::new(&[5; 32], readings).expect("times increase");
	println!("built {} readings in {:?}", batch.len(), start.elapsed());
	let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
	println!(
		"{}",
		status
			.lines()
			.find(|line| line.starts_with("VmHWM"))
			.unwrap_or("VmHWM: unknown here")
	);
	let index = 654_321;
	let (Some(proof), Some(audit)) = (batch.open(index), batch.audit(index)) else {
		return;
	};
	println!(
		"reading proof: {} bytes, verifies: {}",
		proof.encoded_size(),
		proof.verify(&batch.data_root())
	);
	println!(
		"aggregate proof: {} bytes, verifies: {}",
		audit.encoded_size(),
		audit.verify(&batch.aggregate_root())
	);
	if let Some(evidence) = batch.evidence(index, *batch.aggregate()) {
		println!("evidence: {} bytes", evidence.encoded_size());
	}
}
