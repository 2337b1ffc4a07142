//! Makes a production batch of a million keys (or as many as the argument says), from the CSV file to the proof of one
//! key, and prints time and memory.

use m2m::batch::{ProductionBatch, read_keys};
use m2m_device::{AccountId, production::path_root};
use sp_core::H256;
use sp_runtime::traits::{BlakeTwo256, Hash};
use std::{
	fs::File,
	io::{BufWriter, Write},
	time::Instant,
};

fn peak_memory() -> String {
	let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
	status
		.lines()
		.find_map(|line| line.strip_prefix("VmHWM:"))
		.map_or_else(|| "unknown here".into(), |peak| peak.trim().to_owned())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
	let count: u32 = match std::env::args().nth(1) {
		Some(count) => count.parse()?,
		None => 1_000_000,
	};
	let folder = tempfile::tempdir()?;
	let list = folder.path().join("keys.csv");
	let mut out = BufWriter::new(File::create(&list)?);
	writeln!(out, "serial,scheme,public")?;
	for serial in 0..count {
		writeln!(
			out,
			"{serial},ed25519,0x{}",
			hex::encode(BlakeTwo256::hash(&serial.to_le_bytes()))
		)?;
	}
	out.into_inner()?;
	println!("{count} keys, {} bytes of CSV", list.metadata()?.len());

	let start = Instant::now();
	let keys = read_keys(&list)?;
	println!("read      {:?}, peak {}", start.elapsed(), peak_memory());
	let start = Instant::now();
	let batch = ProductionBatch::new([0; 32], AccountId::new([1; 32]), "EM-100", keys)?;
	println!("root      {:?}, peak {}", start.elapsed(), peak_memory());
	let file = folder.path().join("keys.batch.json");
	let start = Instant::now();
	batch.save_new(&file)?;
	println!(
		"written   {:?}, {} bytes, peak {}",
		start.elapsed(),
		file.metadata()?.len(),
		peak_memory()
	);
	drop(batch);
	let start = Instant::now();
	let batch = ProductionBatch::load(&file)?;
	println!("loaded    {:?}, peak {}", start.elapsed(), peak_memory());
	let start = Instant::now();
	let tree = batch.tree(&file)?;
	println!("tree      {:?}, peak {}", start.elapsed(), peak_memory());

	let index = count / 2;
	let start = Instant::now();
	let path: Vec<H256> = tree
		.open(index)
		.unwrap_or_default()
		.into_iter()
		.map(H256)
		.collect();
	println!("one proof {:?}, {} hashes", start.elapsed(), path.len());
	let proven = batch
		.keys
		.get(index as usize)
		.and_then(|key| path_root(key, index, count, &path));
	println!("leads to the root: {}", proven == Some(batch.root));
	Ok(())
}
