//! Production batches: the keys that a manufacturer built into a series of devices.
//!
//! The manufacturer commits to all keys by one hash on chain; whoever has the batch file can show that a key
//! is among them. The file is JSON, format `m2m/production-batch`, version 1:
//!
//! | field | content |
//! |---|---|
//! | `genesis` | hash of the chain's first block |
//! | `issuer` | account of the manufacturer |
//! | `model` | what was made |
//! | `count` | number of keys |
//! | `root` | hash on chain, by which the batch is known |
//! | `keys` | `SCHEME:0xPUBLIC`, one a line; a key's place, counted from 0, is its index |
//!
//! The tree over the keys has the shape and the nodes of the data tree of readings. A batch of a million keys
//! takes about 82 MB on disk; in memory it takes 34 bytes a key, and 64 more while its tree is open.

use crate::{
	Error, Result,
	chain::{Block, Bulk, Chain, identity},
	keys::{self, Key},
	selection::{Devices, Pages},
};
use m2m_device::{
	AccountId, DeviceId, DevicePublic,
	production::{MAX_MODEL, key_tree},
};
use m2m_merkle::DataTree;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sp_core::{H256, ecdsa, ed25519, sr25519};
use std::{
	collections::{BTreeMap, HashSet},
	fmt,
	fs::{self, File, OpenOptions},
	io::{BufReader, BufWriter, Read, Write},
	path::Path,
};

const FORMAT: &str = "m2m/production-batch";
const VERSION: u32 = 1;

/// Keys of devices that were made together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProductionBatch {
	/// Genesis hash of the chain.
	pub genesis: [u8; 32],
	/// The manufacturer.
	pub issuer: AccountId,
	/// What was made.
	pub model: String,
	/// Root of the tree over the keys.
	pub root: H256,
	/// The keys; a key's place is its index.
	pub keys: Vec<DevicePublic>,
}

/// A public key as it stands in files: `ed25519:0x...`.
struct PublicText(DevicePublic);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchFile {
	format: String,
	version: u32,
	genesis: String,
	issuer: String,
	model: String,
	count: u32,
	root: String,
	keys: Vec<PublicText>,
}

/// Name of a key's scheme in files.
pub fn scheme_name(public: &DevicePublic) -> &'static str {
	match public {
		DevicePublic::Sr25519(_) => "sr25519",
		DevicePublic::Ed25519(_) => "ed25519",
		DevicePublic::Ecdsa(_) => "ecdsa",
	}
}

/// Reads a public key by the name of its scheme and its bytes in hex, or says what is wrong with it.
pub fn parse_public(scheme: &str, text: &str) -> std::result::Result<DevicePublic, String> {
	fn bytes<const N: usize>(scheme: &str, text: &str) -> std::result::Result<[u8; N], String> {
		let mut bytes = [0; N];
		text.strip_prefix("0x")
			.and_then(|digits| hex::decode_to_slice(digits, &mut bytes).ok())
			.map(|()| bytes)
			.ok_or_else(|| {
				format!(
					"public `{text}` is not a key of {scheme}: give 0x and {} hex digits",
					N.saturating_mul(2)
				)
			})
	}
	match scheme {
		"sr25519" => Ok(DevicePublic::Sr25519(sr25519::Public::from_raw(bytes(
			scheme, text,
		)?))),
		"ed25519" => Ok(DevicePublic::Ed25519(ed25519::Public::from_raw(bytes(
			scheme, text,
		)?))),
		"ecdsa" => Ok(DevicePublic::Ecdsa(ecdsa::Public::from_raw(bytes(scheme, text)?))),
		_ => Err(format!("scheme `{scheme}` is none of sr25519, ed25519 and ecdsa")),
	}
}

impl Serialize for PublicText {
	fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
		serializer.collect_str(&format_args!(
			"{}:0x{}",
			scheme_name(&self.0),
			hex::encode(self.0.as_bytes())
		))
	}
}

impl<'de> Deserialize<'de> for PublicText {
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
		struct Text;
		impl de::Visitor<'_> for Text {
			type Value = PublicText;
			fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
				f.write_str("a key such as ed25519:0x...")
			}
			fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<PublicText, E> {
				let (scheme, public) = text
					.split_once(':')
					.ok_or_else(|| E::custom(format!("`{text}` is not a key such as ed25519:0x...")))?;
				parse_public(scheme, public).map(PublicText).map_err(E::custom)
			}
		}
		deserializer.deserialize_str(Text)
	}
}

/// Reads the public keys of manufactured devices from a CSV file. Its first line names the columns; `scheme`
/// and `public` must be among them, and others are not looked at. No key may stand in it twice.
pub fn read_keys(file: &Path) -> Result<Vec<DevicePublic>> {
	let reader = File::open(file).map_err(|cause| match cause.kind() {
		std::io::ErrorKind::NotFound => Error::bad_file(file, "there is no such file"),
		_ => Error::io(file, cause),
	})?;
	read_keys_from(file, reader)
}

fn read_keys_from(file: &Path, reader: impl Read) -> Result<Vec<DevicePublic>> {
	let wrong = |line: u64, problem: String| Error::Csv {
		file: file.to_owned(),
		line,
		problem,
	};
	let mut csv = csv::ReaderBuilder::new()
		.trim(csv::Trim::All)
		.flexible(true)
		.from_reader(reader);
	let headers = csv
		.headers()
		.map_err(|error| wrong(1, format!("this is not CSV in UTF-8: {error}")))?;
	let column = |name: &str| {
		headers.iter().position(|header| header == name).ok_or_else(|| {
			wrong(
				1,
				format!(
					"the first line must name the columns, with `scheme` and `public` among them; `{name}` is missing"
				),
			)
		})
	};
	let (scheme, public) = (column("scheme")?, column("public")?);
	let mut keys = Vec::new();
	let mut lines: Vec<u64> = Vec::new();
	let mut record = csv::StringRecord::new();
	loop {
		let line = csv.position().line();
		let more = csv.read_record(&mut record).map_err(|error| {
			let at = error.position().map_or(line, csv::Position::line);
			wrong(at, "this is not CSV in UTF-8".into())
		})?;
		if !more {
			break;
		}
		let line = record.position().map_or(line, csv::Position::line);
		let field = |column: usize| record.get(column).unwrap_or_default();
		let key = parse_public(field(scheme), field(public)).map_err(|problem| wrong(line, problem))?;
		keys.push(key);
		lines.push(line);
	}
	if keys.is_empty() {
		return Err(wrong(2, "there are no keys after the first line".into()));
	}
	if let Some((first, second)) = find_repeated(&keys) {
		let line = |index: usize| lines.get(index).copied().unwrap_or_default();
		return Err(wrong(
			line(second),
			format!("this key stands in line {} already", line(first)),
		));
	}
	Ok(keys)
}

/// Two places with the same key, the earlier first.
fn find_repeated(keys: &[DevicePublic]) -> Option<(usize, usize)> {
	let value = |index: &usize| keys.get(*index).map(|key| (key.scheme(), key.as_bytes()));
	let mut order: Vec<usize> = (0..keys.len()).collect();
	order.sort_by_key(value);
	order
		.windows(2)
		.filter_map(|pair| match pair {
			[first, second] if value(first) == value(second) => Some((*first, *second)),
			_ => None,
		})
		.min_by_key(|(_, second)| *second)
}

fn tree_of(keys: &[DevicePublic]) -> Result<DataTree> {
	key_tree(keys).ok_or_else(|| Error::Usage("a production batch has 1 to 2^32 - 1 keys".into()))
}

impl ProductionBatch {
	/// The batch of these keys.
	pub fn new(genesis: [u8; 32], issuer: AccountId, model: &str, keys: Vec<DevicePublic>) -> Result<Self> {
		if model.is_empty() || model.len() > MAX_MODEL as usize {
			return Err(Error::Usage(format!(
				"the model `{model}` must have 1 to {MAX_MODEL} bytes"
			)));
		}
		let root = H256(tree_of(&keys)?.root());
		Ok(Self {
			genesis,
			issuer,
			model: model.into(),
			root,
			keys,
		})
	}

	/// Number of keys.
	pub fn count(&self) -> u32 {
		// The tree over the keys was built, so they are not more.
		u32::try_from(self.keys.len()).unwrap_or(u32::MAX)
	}

	/// Reads a batch file. The root is not compared with the keys: [`Self::tree`] does that.
	pub fn load(file: &Path) -> Result<Self> {
		let reader = File::open(file).map_err(|cause| match cause.kind() {
			std::io::ErrorKind::NotFound => Error::bad_file(
				file,
				"there is no such batch file; make one with `m2m batch create`",
			),
			_ => Error::io(file, cause),
		})?;
		let stored: BatchFile = serde_json::from_reader(BufReader::new(reader))
			.map_err(|error| Error::bad_file(file, format!("this is not an {FORMAT} file: {error}")))?;
		if stored.format != FORMAT || stored.version != VERSION {
			return Err(Error::bad_file(
				file,
				format!(
					"a file of format {FORMAT}, version {VERSION} is needed, not {}, version {}",
					stored.format, stored.version
				),
			));
		}
		let hash = |field: &str, text: &str| {
			parse_hash(text)
				.ok_or_else(|| Error::bad_file(file, format!("`{field}` is not 0x and 64 hex digits")))
		};
		if usize::try_from(stored.count) != Ok(stored.keys.len()) {
			return Err(Error::bad_file(
				file,
				format!("it has {} keys instead of {}", stored.keys.len(), stored.count),
			));
		}
		Ok(Self {
			genesis: hash("genesis", &stored.genesis)?.0,
			issuer: keys::parse_address(&stored.issuer)
				.map_err(|error| Error::bad_file(file, error.to_string()))?,
			model: stored.model,
			root: hash("root", &stored.root)?,
			keys: stored.keys.into_iter().map(|key| key.0).collect(),
		})
	}

	/// Writes the batch to a new file. Refuses to overwrite.
	pub fn save_new(&self, file: &Path) -> Result<()> {
		let io = |cause: std::io::Error| match cause.kind() {
			std::io::ErrorKind::AlreadyExists => Error::FileExists {
				file: file.to_owned(),
			},
			_ => Error::io(file, cause),
		};
		let name = file
			.file_name()
			.ok_or_else(|| Error::bad_file(file, "this is not the name of a file"))?;
		let temporary =
			file.with_file_name(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
		let written = self.write_to(&temporary).and_then(|()| {
			// Unlike a rename, a link fails if the target exists.
			fs::hard_link(&temporary, file)
		});
		if temporary.exists() {
			fs::remove_file(&temporary).map_err(io)?;
		}
		written.map_err(io)
	}

	fn write_to(&self, file: &Path) -> std::io::Result<()> {
		let file = OpenOptions::new().write(true).create_new(true).open(file)?;
		let mut out = BufWriter::new(file);
		let stored = BatchFile {
			format: FORMAT.into(),
			version: VERSION,
			genesis: format!("0x{}", hex::encode(self.genesis)),
			issuer: keys::address(&self.issuer),
			model: self.model.clone(),
			count: self.count(),
			root: format!("{:?}", self.root),
			keys: self.keys.iter().copied().map(PublicText).collect(),
		};
		serde_json::to_writer_pretty(&mut out, &stored)?;
		out.write_all(b"\n")?;
		out.into_inner()
			.map_err(std::io::IntoInnerError::into_error)?
			.sync_all()
	}

	/// The tree over the keys; `file` is where the batch came from. Fails if the keys do not lead to the
	/// root.
	pub fn tree(&self, file: &Path) -> Result<DataTree> {
		let tree = tree_of(&self.keys)?;
		if tree.root() != self.root.0 {
			return Err(Error::bad_file(
				file,
				"its keys do not lead to its root: the file was changed",
			));
		}
		Ok(tree)
	}

	/// Index of each of these accounts' keys that is in the batch.
	fn indices_of(&self, accounts: &[AccountId]) -> BTreeMap<AccountId, u32> {
		let wanted: HashSet<&AccountId> = accounts.iter().collect();
		(0u32..)
			.zip(&self.keys)
			.map(|(index, key)| (key.account(), index))
			.filter(|(account, _)| wanted.contains(account))
			.collect()
	}
}

/// A model as it is shown: bytes that are no text are replaced.
pub fn model_name(model: &[u8]) -> String {
	String::from_utf8_lossy(model).into_owned()
}

/// Reads `0x` and 64 hex digits.
pub fn parse_hash(text: &str) -> Option<H256> {
	let mut bytes = [0; 32];
	hex::decode_to_slice(text.strip_prefix("0x")?, &mut bytes).ok()?;
	Some(H256(bytes))
}

/// Commits the issuer to a batch on chain. Returns the fee; nothing is sent if the chain has the batch.
pub async fn create(chain: &Chain, issuer: &Key, batch: &ProductionBatch) -> Result<Option<u128>> {
	chain.settle(&issuer.account()).await?;
	let block = chain.finalized().await?;
	if block
		.production_batch(chain, &batch.issuer, batch.root)
		.await?
		.is_some()
	{
		return Ok(None);
	}
	let call = identity::create_batch(batch.model.as_bytes(), batch.count(), batch.root);
	Ok(Some(chain.submit_repeatable(issuer, &call).await?.fee))
}

/// A key that was shown to be in a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proven {
	/// Its device.
	pub device: DeviceId,
	/// Its account.
	pub key: AccountId,
	/// Its index in the batch.
	pub index: u32,
	/// True if the chain knew it, so that nothing was sent.
	pub before: bool,
}

/// What became of proofs of production.
pub struct Proofs {
	/// Keys that the chain knows to be from the batch now.
	pub proven: Vec<Proven>,
	/// Devices none of whose keys are in the batch, and those that the chain does not know.
	pub foreign: Vec<DeviceId>,
	/// Keys that the chain refused, with the error.
	pub refused: Vec<(AccountId, String)>,
	/// Fees, in smallest units.
	pub fees: u128,
}

/// Shows to the chain which keys of devices are in a batch. Anybody may sign. What the chain knows is not
/// sent again.
pub async fn prove(
	chain: &Chain,
	signer: &Key,
	batch: &ProductionBatch,
	tree: &DataTree,
	devices: Devices,
	mut progress: impl FnMut(usize),
) -> Result<Proofs> {
	let mut proven = Vec::new();
	let mut foreign = Vec::new();
	let mut bulk = Bulk::new(chain, signer);
	let mut pages = Pages::new(devices);
	while let Some((block, page)) = pages.next(chain).await? {
		let mut accounts = Vec::new();
		for device in &page {
			let keys = keys_of(chain, &block, device).await?;
			accounts.extend(keys.into_iter().map(|key| (device.clone(), key)));
		}
		let wanted: Vec<AccountId> = accounts.iter().map(|(_, key)| key.clone()).collect();
		let indices = batch.indices_of(&wanted);
		for device in &page {
			let of_batch = accounts
				.iter()
				.filter(|(owner, _)| owner == device)
				.filter_map(|(_, key)| Some((key, *indices.get(key)?)));
			let mut found = false;
			for (key, index) in of_batch {
				found = true;
				let before = block.production(chain, key).await?.is_some_and(|production| {
					production.issuer == batch.issuer && production.root == batch.root
				});
				if !before {
					let path = tree
						.open(index)
						.ok_or_else(|| Error::Usage(format!("the batch has no key {index}")))?
						.into_iter()
						.map(H256)
						.collect();
					let call = identity::prove_production(key, &batch.issuer, batch.root, index, &path);
					bulk.add(key.clone(), call).await?;
				}
				proven.push(Proven {
					device: device.clone(),
					key: key.clone(),
					index,
					before,
				});
			}
			if !found {
				foreign.push(device.clone());
			}
		}
		progress(page.len());
	}
	let sent = bulk.finish().await?;
	let refused: HashSet<&AccountId> = sent.refused.iter().map(|(key, _)| key).collect();
	proven.retain(|proven: &Proven| !refused.contains(&proven.key));
	Ok(Proofs {
		proven,
		foreign,
		fees: sent.fees,
		refused: sent.refused,
	})
}

/// Accounts of a device's keys that sign or still deliver; none if the chain does not know the device.
async fn keys_of(chain: &Chain, block: &Block, device: &DeviceId) -> Result<Vec<AccountId>> {
	let details = block.device(chain, device).await?;
	let keys = details.map(|details| details.device_keys).unwrap_or_default();
	Ok(keys.into_iter().map(|key| key.public.account()).collect())
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::keys::Scheme;

	fn keys(count: usize) -> Vec<DevicePublic> {
		(0..count)
			.map(|index| {
				let scheme = if index % 2 == 0 {
					Scheme::Sr25519
				} else {
					Scheme::Ed25519
				};
				Key::generate(scheme).public()
			})
			.collect()
	}

	fn csv_of(keys: &[DevicePublic]) -> String {
		let mut text = String::from("serial,scheme,public\n");
		for (serial, key) in keys.iter().enumerate() {
			text.push_str(&format!(
				"{serial},{},0x{}\n",
				scheme_name(key),
				hex::encode(key.as_bytes())
			));
		}
		text
	}

	fn read(text: &str) -> Result<Vec<DevicePublic>> {
		read_keys_from(Path::new("keys.csv"), text.as_bytes())
	}

	#[test]
	fn keys_are_read_whatever_other_columns_there_are() {
		let mut keys = keys(4);
		keys.push(DevicePublic::Ecdsa(ecdsa::Public::from_raw([2; 33])));
		assert_eq!(read(&csv_of(&keys)).unwrap(), keys);
		let text = format!("public , scheme\n0x{},sr25519\n", "ab".repeat(32));
		assert_eq!(read(&text).unwrap().len(), 1);
	}

	#[test]
	fn a_wrong_line_of_keys_is_named() {
		let good = csv_of(&keys(2));
		let repeated = good.lines().nth(1).unwrap();
		for (text, line, words) in [
			(String::new(), 1, "`scheme` is missing"),
			("scheme,key\n".into(), 1, "`public` is missing"),
			("scheme,public\n".into(), 2, "no keys"),
			(format!("{good}7,rsa,0x00\n"), 4, "scheme `rsa`"),
			(format!("{good}7,ed25519,0x00\n"), 4, "64 hex digits"),
			(
				format!("{good}7,ecdsa,0x{}\n", "02".repeat(32)),
				4,
				"66 hex digits",
			),
			(format!("{good}7,ed25519\n"), 4, "public ``"),
			(format!("{good}{repeated}\n"), 4, "stands in line 2 already"),
		] {
			match read(&text).unwrap_err() {
				Error::Csv {
					line: at, problem, ..
				} => {
					assert_eq!(at, line, "{problem}");
					assert!(problem.contains(words), "{problem}");
				}
				error => panic!("{error}"),
			}
		}
	}

	#[test]
	fn a_batch_file_reads_back_and_is_never_overwritten() {
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("run-7.batch.json");
		let batch = ProductionBatch::new([7; 32], AccountId::new([1; 32]), "EM-100", keys(5)).unwrap();
		batch.save_new(&file).unwrap();
		let loaded = ProductionBatch::load(&file).unwrap();
		assert_eq!(loaded, batch);
		loaded.tree(&file).unwrap();
		assert!(matches!(batch.save_new(&file), Err(Error::FileExists { .. })));
		assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
	}

	#[test]
	fn a_changed_batch_file_is_refused() {
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("batch.json");
		let batch = ProductionBatch::new([7; 32], AccountId::new([1; 32]), "EM-100", keys(3)).unwrap();
		batch.save_new(&file).unwrap();
		let text = fs::read_to_string(&file).unwrap();
		let first = hex::encode(batch.keys[0].as_bytes());
		let refused = |text: String| {
			fs::write(&file, text).unwrap();
			let error = ProductionBatch::load(&file)
				.and_then(|batch| batch.tree(&file).map(|_| ()))
				.unwrap_err();
			assert_eq!(error.exit_code(), 6, "{error}");
			error.to_string()
		};
		assert!(refused(text.replace(&first, &"00".repeat(32))).contains("do not lead to its root"));
		assert!(refused(text.replace("\"count\": 3", "\"count\": 4")).contains("3 keys instead of 4"));
		assert!(refused(text.replace("\"version\": 1", "\"version\": 2")).contains("version 1 is needed"));
		assert!(refused(text.replace("sr25519:", "rsa:")).contains("scheme `rsa`"));
		assert!(refused("{}".into()).contains("not an m2m/production-batch file"));
	}

	#[test]
	fn a_model_has_a_name_that_fits() {
		for model in ["", &"x".repeat(MAX_MODEL as usize + 1)] {
			let result = ProductionBatch::new([0; 32], AccountId::new([1; 32]), model, keys(1));
			assert!(matches!(result, Err(Error::Usage(_))), "{model}");
		}
	}

	#[test]
	fn each_key_is_found_and_opened_at_its_index() {
		let batch = ProductionBatch::new([7; 32], AccountId::new([1; 32]), "EM-100", keys(6)).unwrap();
		let tree = batch.tree(Path::new("batch.json")).unwrap();
		let stranger = Key::generate(Scheme::Sr25519).account();
		let wanted = [batch.keys[4].account(), stranger, batch.keys[1].account()];
		let found = batch.indices_of(&wanted);
		assert_eq!(
			found,
			BTreeMap::from([(wanted[0].clone(), 4), (wanted[2].clone(), 1)])
		);
		for (index, key) in (0u32..).zip(&batch.keys) {
			let path: Vec<H256> = tree.open(index).unwrap().into_iter().map(H256).collect();
			let root = m2m_device::production::path_root(key, index, batch.count(), &path);
			assert_eq!(root, Some(batch.root));
		}
		assert!(tree.open(6).is_none());
	}
}
