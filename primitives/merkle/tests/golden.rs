//! Our commitments against vectors that another implementation made.

use m2m_merkle::{Aggregate, Batch, Hash, Reading, aggregate_root, batch_secret};
use serde_json::Value;

fn hash(value: &Value) -> Hash {
	bytes(value).try_into().expect("32 bytes")
}

fn bytes(value: &Value) -> Vec<u8> {
	hex::decode(value.as_str().expect("a string").trim_start_matches("0x")).expect("hex")
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
	match value {
		Value::String(text) => text.parse().expect("a number"),
		other => other.to_string().parse().expect("a number"),
	}
}

fn vectors() -> Value {
	serde_json::from_str(include_str!("../vectors/commitments.json")).expect("valid JSON")
}

#[test]
fn batch_secrets_match() {
	let vectors = vectors();
	let cases = vectors["batch_secrets"].as_array().expect("a list");
	assert_eq!(cases.len(), 4);
	for case in cases {
		assert_eq!(
			batch_secret(&hash(&case["device_secret"]), number(&case["stream"]), number(&case["seq"])),
			hash(&case["batch_secret"])
		);
	}
}

#[test]
fn batches_and_proofs_match() {
	let vectors = vectors();
	let cases = vectors["batches"].as_array().expect("a list");
	assert_eq!(cases.len(), 10);
	for case in cases {
		let readings = case["readings"]
			.as_array()
			.expect("a list")
			.iter()
			.map(|reading| Reading { time_ms: number(&reading[0]), value: number(&reading[1]) })
			.collect();
		let batch = Batch::new(&hash(&case["secret"]), readings).expect("increasing times");
		assert_eq!(batch.data_root(), hash(&case["data_root"]));
		assert_eq!(batch.top_hash(), hash(&case["aggregate_top_hash"]));
		assert_eq!(batch.aggregate_root(), hash(&case["aggregate_root"]));
		assert_eq!(batch.aggregate().to_bytes().to_vec(), bytes(&case["aggregate_bytes"]));
		let stated = &case["aggregate"];
		assert_eq!(
			batch.aggregate(),
			Aggregate {
				count: number(&stated["count"]),
				min: number(&stated["min"]),
				max: number(&stated["max"]),
				sum: number(&stated["sum"]),
				t_first: number(&stated["t_first"]),
				t_last: number(&stated["t_last"]),
				max_gap: number(&stated["max_gap"]),
			}
		);
		assert_eq!(batch.aggregate().check_plausible(), Ok(()));
		assert_eq!(aggregate_root(&batch.top_hash(), &batch.aggregate()), batch.aggregate_root());

		for proof in case["proofs"].as_array().expect("a list") {
			let index = number(&proof["index"]);
			let opened = batch.open(index).expect("inside the batch");
			assert_eq!(opened.salt.to_vec(), bytes(&proof["salt"]));
			assert_eq!(opened.leaf_hash(), hash(&proof["leaf_hash"]));
			let path: Vec<Hash> = proof["data_path"].as_array().expect("a list").iter().map(hash).collect();
			assert_eq!(opened.path, path);
			assert!(opened.verify(&batch.data_root()));

			let audited = batch.audit(index).expect("inside the batch");
			let steps = proof["aggregate_path"].as_array().expect("a list");
			assert_eq!(audited.path.len(), steps.len());
			for (ours, theirs) in audited.path.iter().zip(steps) {
				assert_eq!(ours.hash, hash(&theirs["hash"]));
				assert_eq!(ours.aggregate.to_bytes().to_vec(), bytes(&theirs["aggregate_bytes"]));
			}
			assert!(audited.verify(&batch.aggregate_root()));
		}
	}
}
