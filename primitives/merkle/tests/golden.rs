//! Bytes that must never change: vectors of an independent implementation, and our own for what it has not.

use codec::{Decode, Encode};
use m2m_merkle::{
	Aggregate, Batch, FalseAnchorEvidence, Hash, Lie, Range, Reading, aggregate_root, batch_secret, range,
	reading,
};
use serde_json::{Value, json};

fn bytes(value: &Value) -> Vec<u8> {
	hex::decode(value.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
	bytes(value).try_into().unwrap()
}

fn text(bytes: &[u8]) -> String {
	format!("0x{}", hex::encode(bytes))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
	let list = value[name].as_array().unwrap();
	assert!(!list.is_empty() || name.ends_with("path"), "{name} is empty");
	list
}

#[test]
fn batch_secrets_are_those_of_the_independent_implementation() {
	let vectors: Value = serde_json::from_str(include_str!("../vectors/commitments.json")).unwrap();
	for vector in list(&vectors, "batch_secrets") {
		let seq = vector["seq"].as_str().unwrap().parse().unwrap();
		let stream = vector["stream"].as_u64().unwrap().try_into().unwrap();
		assert_eq!(
			batch_secret(&array(&vector["device_secret"]), stream, seq),
			array::<32>(&vector["batch_secret"])
		);
	}
}

#[test]
fn batches_are_those_of_the_independent_implementation() {
	let vectors: Value = serde_json::from_str(include_str!("../vectors/commitments.json")).unwrap();
	for vector in list(&vectors, "batches") {
		let secret: Hash = array(&vector["secret"]);
		let readings: Vec<Reading> = list(vector, "readings")
			.iter()
			.map(|pair| Reading {
				time_ms: pair[0].as_u64().unwrap(),
				value: pair[1].as_str().unwrap().parse().unwrap(),
			})
			.collect();
		let batch = Batch::new(&secret, readings).unwrap();
		assert_eq!(batch.data_root(), array::<32>(&vector["data_root"]));
		assert_eq!(batch.top_hash(), array::<32>(&vector["aggregate_top_hash"]));
		assert_eq!(batch.aggregate_root(), array::<32>(&vector["aggregate_root"]));
		assert_eq!(
			batch.aggregate().to_bytes(),
			array::<64>(&vector["aggregate_bytes"])
		);
		let field = |name: &str| {
			vector["aggregate"][name]
				.as_str()
				.unwrap()
				.parse::<i128>()
				.unwrap()
		};
		assert_eq!(i128::from(batch.aggregate().count), field("count"));
		assert_eq!(batch.aggregate().sum, field("sum"));
		assert_eq!(i128::from(batch.aggregate().min), field("min"));
		assert_eq!(i128::from(batch.aggregate().max), field("max"));
		assert_eq!(i128::from(batch.aggregate().t_first), field("t_first"));
		assert_eq!(i128::from(batch.aggregate().t_last), field("t_last"));
		assert_eq!(i128::from(batch.aggregate().max_gap), field("max_gap"));
		for vector in list(vector, "proofs") {
			let index = vector["index"].as_u64().unwrap().try_into().unwrap();
			assert_eq!(reading::salt(&secret, index), array::<16>(&vector["salt"]));
			let proof = batch.open(index).unwrap();
			assert_eq!(proof.salt, array::<16>(&vector["salt"]));
			assert_eq!(proof.leaf_hash(), array::<32>(&vector["leaf_hash"]));
			let path: Vec<Hash> = list(vector, "data_path").iter().map(array).collect();
			assert_eq!(proof.path, path);
			assert!(proof.verify_counted(&batch.data_root(), batch.len()));
			let audit = batch.audit(index).unwrap();
			let path: Vec<(Hash, [u8; 64])> = list(vector, "aggregate_path")
				.iter()
				.map(|step| (array(&step["hash"]), array(&step["aggregate_bytes"])))
				.collect();
			let ours: Vec<_> = audit
				.path
				.iter()
				.map(|step| (step.hash, step.aggregate.to_bytes()))
				.collect();
			assert_eq!(ours, path);
			assert!(audit.verify(&batch.aggregate_root()));
		}
	}
}

#[test]
fn ranges_and_evidence_are_pinned() {
	let leaves: Vec<Hash> = (0..21u64)
		.map(|seq| range::leaf_hash(&[0x11; 32], 3, seq, &(seq * seq).to_le_bytes()))
		.collect();
	let ranges: Vec<Value> = (1..=leaves.len())
		.map(|count| {
			let part = &leaves[..count];
			let range: Range = part.iter().copied().collect();
			let paths: Vec<Value> = (0..count as u64)
				.map(|position| {
					let path = range::prove(part, position).unwrap();
					path.iter().map(|hash| text(hash)).collect()
				})
				.collect();
			json!({
				"leaves": count,
				"peaks": range.peaks.iter().map(|hash| text(hash)).collect::<Vec<_>>(),
				"root": text(&range.root().unwrap()),
				"paths": paths,
			})
		})
		.collect();
	let readings: Vec<Reading> = (0..5)
		.map(|i| Reading {
			time_ms: 1_700_000_000_000 + 900_000 * i,
			value: 40 - 9 * i as i64,
		})
		.collect();
	let batch = Batch::new(&[0x22; 32], readings).unwrap();
	let claimed = Aggregate {
		sum: batch.aggregate().sum + 1,
		..*batch.aggregate()
	};
	let evidence = batch.evidence(2, claimed).unwrap();
	let root = aggregate_root(&batch.top_hash(), &claimed);
	let lie = evidence.convicts(&batch.data_root(), &root, 5);
	assert_eq!(lie, Ok(Lie::Combination { level: 3 }));
	let current = json!({
		"format": "m2m ranges and evidence v1",
		"device": text(&[0x11; 32]),
		"stream": 3,
		"leaf_hashes": leaves.iter().map(|hash| text(hash)).collect::<Vec<_>>(),
		"ranges": ranges,
		"evidence": {
			"data_root": text(&batch.data_root()),
			"aggregate_root": text(&root),
			"claimed_count": 5,
			"scale": text(&evidence.encode()),
			"lie": text(&lie.unwrap().encode()),
		},
	});
	let file = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/range.json");
	if std::env::var_os("UPDATE_VECTORS").is_some() {
		std::fs::write(file, serde_json::to_string_pretty(&current).unwrap() + "\n").unwrap();
	}
	let pinned: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
	assert_eq!(pinned, current);
	let decoded = FalseAnchorEvidence::decode(&mut &bytes(&pinned["evidence"]["scale"])[..]).unwrap();
	assert_eq!(decoded, evidence);
}

#[cfg(feature = "serde")]
#[test]
fn proof_files_read_back_and_write_numbers_of_128_bits_as_text() {
	let readings = (0..5)
		.map(|i| Reading {
			time_ms: 7 + i,
			value: i64::MIN,
		})
		.collect();
	let batch = Batch::new(&[0x22; 32], readings).unwrap();
	let proof = batch.open(3).unwrap();
	let file = serde_json::to_value(&proof).unwrap();
	assert_eq!(file["salt"], text(&proof.salt));
	assert_eq!(
		serde_json::from_value::<m2m_merkle::ReadingProof>(file.clone()).unwrap(),
		proof
	);
	let mut short = file;
	short["path"][0] = json!("0x00");
	assert!(serde_json::from_value::<m2m_merkle::ReadingProof>(short).is_err());
	let audit = batch.audit(4).unwrap();
	let file = serde_json::to_value(&audit).unwrap();
	assert_eq!(
		file["path"][0]["aggregate"]["sum"],
		(4 * i128::from(i64::MIN)).to_string()
	);
	assert_eq!(
		serde_json::from_value::<m2m_merkle::AggregateProof>(file).unwrap(),
		audit
	);
	let evidence = batch.evidence(1, *batch.aggregate()).unwrap();
	let file = serde_json::to_string(&evidence).unwrap();
	assert_eq!(
		serde_json::from_str::<FalseAnchorEvidence>(&file).unwrap(),
		evidence
	);
}
