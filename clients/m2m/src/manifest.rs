//! Commissioning manifests: devices whose keys agree to an owner, for that owner to register later.
//!
//! A factory or an installer writes one with `m2m device enrol`, without the owner's key and without a node; the owner
//! registers what stands in it with `m2m fleet import`. It holds nothing secret. It is CSV in UTF-8, one device a line.
//! The first line names the columns; further columns are not looked at. Manifests of one owner can be joined.
//!
//! | column | content |
//! |---|---|
//! | `name` | 1 to 64 letters, digits, `-`, `_` and `.`, not starting with `.`; it does not go on chain |
//! | `scheme` | of the key: `sr25519`, `ed25519` or `ecdsa` |
//! | `public` | public key: `0x` and 64 hex digits, 66 for ecdsa |
//! | `roles` | of the key: `authenticate`, `trade`, `manage`, joined by `+` |
//! | `gateway` | account of the gateway that holds the device's keys, or empty |
//! | `owner` | account that will own the device |
//! | `genesis` | hash of the chain's first block: `0x` and 64 hex digits |
//! | `expires` | last moment at which the chain takes the signature, RFC 3339; at most 90 days ahead |
//! | `signature` | `0x` and hex: the key's, over [`KeyClaim::signed_bytes`] with the action register |
//!
//! `scheme` and `public` are the columns that `m2m batch create` reads, so a manifest also makes a production batch.

use crate::{
	Error, Result,
	batch::{parse_hash, parse_public, scheme_name},
	chain::identity::Registration,
	keys::{self, Device, Scheme},
	replay::Progress,
	time,
};
use csv::StringRecord;
use m2m_device::{
	AccountId, DeviceId, DevicePublic, DeviceSignature, KeyClaim, MAX_PROOF_VALIDITY_MS, PossessionAction,
	PossessionProof, Roles, UnixMs,
};
use sp_core::{ecdsa, ed25519, sr25519};
use std::{
	collections::BTreeSet,
	fs::{self, File, OpenOptions},
	io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
	path::{Path, PathBuf},
};

/// The columns of a manifest.
const COLUMNS: [&str; 9] = [
	"name",
	"scheme",
	"public",
	"roles",
	"gateway",
	"owner",
	"genesis",
	"expires",
	"signature",
];

/// Longest line that is read: far more than any of ours has.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// What is wrong with a line of a manifest.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
	/// A column does not have the form that it must have.
	#[error("{0}")]
	Malformed(String),
	/// Two lines have one name.
	#[error("the name `{name}` stands in line {first} already")]
	DuplicateName {
		/// The name.
		name: String,
		/// The earlier line.
		first: u64,
	},
	/// Two lines have one key.
	#[error("this key stands in line {first} already")]
	DuplicateKey {
		/// The earlier line.
		first: u64,
	},
	/// The key agreed to another owner.
	#[error(
		"its key agreed to the owner {found}, not to {owner}: import it with that owner's key file, or enrol the device again"
	)]
	WrongOwner {
		/// The owner in the line.
		found: String,
		/// The owner who imports.
		owner: String,
	},
	/// The key agreed to another chain than those of earlier lines.
	#[error("its key agreed to the chain with genesis {found}, those of earlier lines to another")]
	OtherChain {
		/// Genesis hash in the line.
		found: String,
	},
	/// The signature is not the key's over what stands in the other columns.
	#[error(
		"the signature is not the key's over the other columns: the line was changed, or signed otherwise"
	)]
	BadProof,
	/// It is too late to register with this signature.
	#[error("the proof expired at {0}: enrol the device again")]
	ProofExpired(String),
	/// The signature is valid for longer than the chain takes.
	#[error("the proof is valid until {0}, more than 90 days ahead: enrol the device again")]
	ProofTooLong(String),
}

impl Fault {
	/// Name for machines.
	pub fn name(&self) -> &'static str {
		match self {
			Self::Malformed(_) => "Malformed",
			Self::DuplicateName { .. } => "DuplicateName",
			Self::DuplicateKey { .. } => "DuplicateKey",
			Self::WrongOwner { .. } => "WrongOwner",
			Self::OtherChain { .. } => "OtherChain",
			Self::BadProof => "BadProof",
			Self::ProofExpired(_) => "ProofExpired",
			Self::ProofTooLong(_) => "ProofTooLong",
		}
	}
}

/// The first of many faults, and how many there are.
#[derive(Debug, Default)]
pub(crate) struct Faults {
	first: Vec<(u64, Fault)>,
	total: usize,
}

impl Faults {
	/// Faults that are shown.
	const SHOWN: usize = 10;

	pub(crate) fn add(&mut self, line: u64, fault: Fault) {
		self.total = self.total.saturating_add(1);
		if self.first.len() < Self::SHOWN {
			self.first.push((line, fault));
		}
	}

	/// Fails if there are any.
	pub(crate) fn check(self, manifest: &Path) -> Result<()> {
		if self.total == 0 {
			return Ok(());
		}
		Err(Error::Manifest {
			file: manifest.to_owned(),
			more: self.total.saturating_sub(self.first.len()),
			faults: self.first,
		})
	}
}

/// A device as it stands in a manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
	/// Its name.
	pub name: String,
	/// Its first key, from which its id follows.
	pub public: DevicePublic,
	/// What that key may do.
	pub roles: Roles,
	/// Gateway that holds the device's keys, if it has none of its own.
	pub gateway: Option<AccountId>,
	/// Who will own it.
	pub owner: AccountId,
	/// Genesis hash of the chain.
	pub genesis: [u8; 32],
	/// The key's consent.
	pub proof: PossessionProof,
}

/// What a device's key agrees to when it is enrolled.
#[derive(Clone, Debug)]
pub struct Terms {
	/// Genesis hash of the chain.
	pub genesis: [u8; 32],
	/// Who will own the device.
	pub owner: AccountId,
	/// What the key may do.
	pub roles: Roles,
	/// Gateway that holds the device's keys, if it has none of its own.
	pub gateway: Option<AccountId>,
	/// Last moment at which the chain takes the proof.
	pub expires: UnixMs,
}

impl Entry {
	/// The line of a device on these terms, signed by its key. Its key must be the first that it ever had.
	pub fn new(device: &Device, terms: &Terms) -> Result<Self> {
		let public = device.key.public();
		if public.device_id() != device.id {
			return Err(Error::Usage(format!(
				"the key of {} was rotated, so it is registered already and cannot be enrolled",
				device.name
			)));
		}
		let claim = KeyClaim {
			genesis: terms.genesis,
			action: PossessionAction::Register,
			owner: &terms.owner,
			device: None,
			roles: terms.roles,
			public: &public,
			expires: terms.expires,
		};
		let signature = device.key.sign(&claim.signed_bytes());
		Ok(Self {
			name: device.name.clone(),
			public,
			roles: terms.roles,
			gateway: terms.gateway.clone(),
			owner: terms.owner.clone(),
			genesis: terms.genesis,
			proof: PossessionProof {
				expires: terms.expires,
				signature,
			},
		})
	}

	/// The device's id.
	pub fn device(&self) -> DeviceId {
		self.public.device_id()
	}

	/// True if the signature is the key's over the other columns.
	pub fn is_signed(&self) -> bool {
		let claim = KeyClaim {
			genesis: self.genesis,
			action: PossessionAction::Register,
			owner: &self.owner,
			device: None,
			roles: self.roles,
			public: &self.public,
			expires: self.proof.expires,
		};
		claim.verify(&self.proof.signature)
	}

	/// The device as the chain takes it.
	pub fn registration(self) -> Registration {
		Registration {
			public: self.public,
			roles: self.roles,
			proof: self.proof,
			gateway: self.gateway,
			profile: None,
		}
	}

	/// Why a proof that expires at `expires` is not taken at `now`, if so.
	pub fn untimely(expires: UnixMs, now: UnixMs) -> Option<Fault> {
		if expires < now {
			Some(Fault::ProofExpired(time::format(expires)))
		} else if expires > now.saturating_add(MAX_PROOF_VALIDITY_MS) {
			Some(Fault::ProofTooLong(time::format(expires)))
		} else {
			None
		}
	}

	fn record(&self) -> [String; COLUMNS.len()] {
		let hexadecimal = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
		[
			self.name.clone(),
			scheme_name(&self.public).into(),
			hexadecimal(self.public.as_bytes()),
			roles_text(self.roles),
			self.gateway.as_ref().map(keys::address).unwrap_or_default(),
			keys::address(&self.owner),
			hexadecimal(&self.genesis),
			time::format(self.proof.expires),
			match &self.proof.signature {
				DeviceSignature::Sr25519(signature) => hexadecimal(signature.as_ref()),
				DeviceSignature::Ed25519(signature) => hexadecimal(signature.as_ref()),
				DeviceSignature::Ecdsa(signature) => hexadecimal(signature.as_ref()),
			},
		]
	}

	fn parse(columns: [&str; COLUMNS.len()]) -> std::result::Result<Self, Fault> {
		let [
			name,
			scheme,
			public,
			roles,
			gateway,
			owner,
			genesis,
			expires,
			signature,
		] = columns;
		let malformed = |column: &str, why: String| Fault::Malformed(format!("{column}: {why}"));
		let account = |column: &str, text: &str| {
			keys::parse_address(text).map_err(|error| malformed(column, error.to_string()))
		};
		keys::check_name(name).map_err(|error| malformed("name", error.to_string()))?;
		let public = parse_public(scheme, public).map_err(Fault::Malformed)?;
		Ok(Self {
			name: name.into(),
			public,
			roles: parse_roles(roles).map_err(|why| malformed("roles", why))?,
			gateway: match gateway {
				"" => None,
				text => Some(account("gateway", text)?),
			},
			owner: account("owner", owner)?,
			genesis: parse_hash(genesis)
				.ok_or_else(|| malformed("genesis", format!("`{genesis}` is not 0x and 64 hex digits")))?
				.0,
			proof: PossessionProof {
				expires: time::parse(expires).map_err(|error| malformed("expires", error.to_string()))?,
				signature: parse_signature(&public, signature).map_err(|why| malformed("signature", why))?,
			},
		})
	}
}

fn roles_text(roles: Roles) -> String {
	let names = [
		(roles.authenticate, "authenticate"),
		(roles.trade, "trade"),
		(roles.manage, "manage"),
	];
	let names: Vec<&str> = names
		.into_iter()
		.filter_map(|(has, name)| has.then_some(name))
		.collect();
	names.join("+")
}

fn parse_roles(text: &str) -> std::result::Result<Roles, String> {
	let mut roles = Roles::default();
	for name in text.split('+') {
		match name.trim() {
			"authenticate" => roles.authenticate = true,
			"trade" => roles.trade = true,
			"manage" => roles.manage = true,
			_ => {
				return Err(format!(
					"`{text}` is not a choice of authenticate, trade and manage, joined by `+`"
				));
			}
		}
	}
	Ok(roles)
}

/// Reads a signature in the scheme of a key.
fn parse_signature(public: &DevicePublic, text: &str) -> std::result::Result<DeviceSignature, String> {
	fn bytes<const N: usize>(text: &str) -> std::result::Result<[u8; N], String> {
		let mut bytes = [0; N];
		text.strip_prefix("0x")
			.and_then(|digits| hex::decode_to_slice(digits, &mut bytes).ok())
			.map(|()| bytes)
			.ok_or_else(|| format!("`{text}` is not 0x and {} hex digits", N.saturating_mul(2)))
	}
	Ok(match public {
		DevicePublic::Sr25519(_) => DeviceSignature::Sr25519(sr25519::Signature::from_raw(bytes(text)?)),
		DevicePublic::Ed25519(_) => DeviceSignature::Ed25519(ed25519::Signature::from_raw(bytes(text)?)),
		DevicePublic::Ecdsa(_) => DeviceSignature::Ecdsa(ecdsa::Signature::from_raw(bytes(text)?)),
	})
}

fn open(path: &Path) -> Result<File> {
	File::open(path).map_err(|cause| match cause.kind() {
		std::io::ErrorKind::NotFound => Error::bad_file(path, "there is no such file"),
		_ => Error::io(path, cause),
	})
}

/// A CSV file with one record a line, so that every record is known by the number of its line.
struct Rows<'a, R> {
	path: &'a Path,
	input: BufReader<R>,
	line: Vec<u8>,
	record: StringRecord,
	/// Number of the line that was read last, counted from 1.
	number: u64,
	/// Bytes that were read.
	read: u64,
	/// Columns that the first line has.
	width: usize,
}

impl<'a, R: Read> Rows<'a, R> {
	/// Reads the first line, and finds the wanted columns in it.
	fn new<const N: usize>(path: &'a Path, input: R, wanted: [&str; N]) -> Result<(Self, [usize; N])> {
		let mut rows = Self {
			path,
			input: BufReader::new(input),
			line: Vec::new(),
			record: StringRecord::new(),
			number: 0,
			read: 0,
			width: 0,
		};
		if let Some(Err(problem)) = rows.advance()? {
			return Err(rows.wrong(problem));
		}
		let mut places = [0; N];
		for (place, name) in places.iter_mut().zip(wanted) {
			*place = rows
				.record
				.iter()
				.position(|header| header == name)
				.ok_or_else(|| {
					rows.wrong(format!(
						"the first line must name the columns ({}); `{name}` is missing",
						wanted.join(", ")
					))
				})?;
		}
		Ok((rows, places))
	}

	/// Reads the next line that is not empty, and says what is wrong with it; `None` after the last.
	fn advance(&mut self) -> Result<Option<std::result::Result<(), String>>> {
		loop {
			self.line.clear();
			let length = Read::by_ref(&mut self.input)
				.take(MAX_LINE_BYTES)
				.read_until(b'\n', &mut self.line)
				.map_err(|cause| Error::io(self.path, cause))? as u64;
			if length == 0 {
				return Ok(None);
			}
			self.number = self.number.saturating_add(1);
			self.read = self.read.saturating_add(length);
			if !self.line.trim_ascii().is_empty() {
				return Ok(Some(self.split()));
			}
		}
	}

	fn split(&mut self) -> std::result::Result<(), String> {
		if self.line.len() as u64 == MAX_LINE_BYTES {
			return Err(format!("it is longer than {MAX_LINE_BYTES} bytes"));
		}
		csv::ReaderBuilder::new()
			.has_headers(false)
			.trim(csv::Trim::All)
			.from_reader(self.line.as_slice())
			.read_record(&mut self.record)
			.map_err(|_| "it is not CSV in UTF-8".to_owned())?;
		let width = self.record.len();
		if self.width == 0 {
			self.width = width;
		}
		if width != self.width {
			return Err(format!(
				"it has {width} columns, but the first line has {}",
				self.width
			));
		}
		Ok(())
	}

	fn wrong(&self, problem: String) -> Error {
		Error::Csv {
			file: self.path.to_owned(),
			line: self.number.max(1),
			problem,
		}
	}
}

/// Reads device names from a CSV file: the column `name`, whatever others there are.
pub fn read_names(path: &Path) -> Result<Vec<String>> {
	let (mut rows, [column]) = Rows::new(path, open(path)?, ["name"])?;
	let mut names = Vec::new();
	while let Some(row) = rows.advance()? {
		row.map_err(|problem| rows.wrong(problem))?;
		let name = rows.record.get(column).unwrap_or_default();
		keys::check_name(name).map_err(|error| rows.wrong(error.to_string()))?;
		names.push(name.to_owned());
	}
	if names.is_empty() {
		return Err(rows.wrong("there are no names after the first line".into()));
	}
	Ok(names)
}

/// A manifest that is read line by line, as often as needed.
#[derive(Debug)]
pub struct Manifest {
	path: PathBuf,
	file: File,
}

/// A line of a manifest.
#[derive(Debug)]
pub struct Line {
	/// Its number, counted from 1.
	pub number: u64,
	/// The device in it, or what is wrong.
	pub entry: std::result::Result<Entry, Fault>,
}

/// The lines of a manifest after the first.
pub struct Lines<'a> {
	rows: Rows<'a, &'a File>,
	columns: [usize; COLUMNS.len()],
}

impl Manifest {
	/// Opens a manifest.
	pub fn open(path: &Path) -> Result<Self> {
		Ok(Self {
			path: path.to_owned(),
			file: open(path)?,
		})
	}

	/// The file.
	pub fn path(&self) -> &Path {
		&self.path
	}

	/// Its length in bytes.
	pub fn size(&self) -> Result<u64> {
		let metadata = self
			.file
			.metadata()
			.map_err(|cause| Error::io(&self.path, cause))?;
		Ok(metadata.len())
	}

	/// Sees to it that nobody else imports this manifest until it is closed.
	pub fn lock(&self) -> Result<()> {
		match self.file.try_lock() {
			Ok(()) => Ok(()),
			Err(fs::TryLockError::WouldBlock) => Err(Error::Usage(format!(
				"{} is being imported by another m2m process: wait for it to end",
				self.path.display()
			))),
			Err(fs::TryLockError::Error(cause)) => Err(Error::io(&self.path, cause)),
		}
	}

	/// Its lines, from the first device on.
	pub fn lines(&mut self) -> Result<Lines<'_>> {
		self.file
			.seek(SeekFrom::Start(0))
			.map_err(|cause| Error::io(&self.path, cause))?;
		let (rows, columns) = Rows::new(&self.path, &self.file, COLUMNS)?;
		Ok(Lines { rows, columns })
	}
}

impl Lines<'_> {
	/// The next line; `None` after the last.
	pub fn next_line(&mut self) -> Result<Option<Line>> {
		let Some(row) = self.rows.advance()? else {
			return Ok(None);
		};
		let record = &self.rows.record;
		let fields = self.columns.map(|column| record.get(column).unwrap_or_default());
		Ok(Some(Line {
			number: self.rows.number,
			entry: row.map_err(Fault::Malformed).and_then(|()| Entry::parse(fields)),
		}))
	}

	/// How many bytes of the file are read.
	pub fn read_so_far(&self) -> u64 {
		self.rows.read
	}
}

/// What [`enrol`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Enrolled {
	/// Devices in the manifest.
	pub devices: usize,
	/// How many of them got a key just now; the others had one in the home folder.
	pub new_keys: usize,
}

/// Sees to it that every name has a device key in `home`, and writes the keys' consent to a new manifest. The manifest
/// appears when it is complete; after a crash the same call makes it with the keys that are there.
pub fn enrol(
	home: &Path,
	names: &[String],
	scheme: Scheme,
	terms: &Terms,
	out: &Path,
	progress: &dyn Progress,
) -> Result<Enrolled> {
	let mut seen = BTreeSet::new();
	for name in names {
		keys::check_name(name)?;
		if !seen.insert(name) {
			return Err(Error::Usage(format!("the device name `{name}` is given twice")));
		}
	}
	if terms.roles.is_empty() {
		return Err(Error::Usage(
			"a key without any role is of no use: give some with --roles".into(),
		));
	}
	if let Some(fault) = Entry::untimely(terms.expires, time::now()) {
		return Err(Error::Usage(fault.to_string()));
	}
	let exists = || Error::FileExists { file: out.to_owned() };
	if out.exists() {
		return Err(exists());
	}
	let name = out
		.file_name()
		.ok_or_else(|| Error::bad_file(out, "this is not the name of a file"))?;
	let temporary = out.with_file_name(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
	progress.stage("enrolling", names.len() as u64);
	let written = write_manifest(home, names, scheme, terms, &temporary, progress).and_then(|enrolled| {
		// Unlike a rename, a link fails if the target exists.
		fs::hard_link(&temporary, out).map_err(|cause| match cause.kind() {
			std::io::ErrorKind::AlreadyExists => exists(),
			_ => Error::io(out, cause),
		})?;
		Ok(enrolled)
	});
	progress.finish();
	if temporary.exists() {
		fs::remove_file(&temporary).map_err(|cause| Error::io(&temporary, cause))?;
	}
	written
}

fn write_manifest(
	home: &Path,
	names: &[String],
	scheme: Scheme,
	terms: &Terms,
	path: &Path,
	progress: &dyn Progress,
) -> Result<Enrolled> {
	let io = |cause| Error::io(path, cause);
	let csv_error = |error: csv::Error| Error::bad_file(path, error.to_string());
	let file = OpenOptions::new()
		.write(true)
		.create_new(true)
		.open(path)
		.map_err(io)?;
	let mut csv = csv::Writer::from_writer(BufWriter::new(file));
	csv.write_record(COLUMNS).map_err(csv_error)?;
	let mut new_keys = 0usize;
	for name in names {
		let device = match Device::find(home, name)? {
			Some(device) => device,
			None => {
				let device = Device::generate(name, scheme)?;
				device.save_new(home)?;
				new_keys = new_keys.saturating_add(1);
				device
			}
		};
		csv.write_record(Entry::new(&device, terms)?.record())
			.map_err(csv_error)?;
		progress.advance(1);
	}
	let mut out = csv.into_inner().map_err(|error| io(error.into_error()))?;
	out.flush().map_err(io)?;
	out.get_ref().sync_all().map_err(io)?;
	Ok(Enrolled {
		devices: names.len(),
		new_keys,
	})
}

#[cfg(test)]
pub(crate) mod tests {
	use super::*;
	use sp_core::Pair;

	pub(crate) const GENESIS: [u8; 32] = [7; 32];

	pub(crate) fn terms() -> Terms {
		Terms {
			genesis: GENESIS,
			owner: AccountId::new([1; 32]),
			roles: Roles::AUTHENTICATE,
			gateway: None,
			expires: time::now() + 60_000,
		}
	}

	/// The text of a manifest with these devices.
	pub(crate) fn text_of(entries: &[Entry]) -> String {
		let mut text = COLUMNS.join(",");
		for entry in entries {
			text.push('\n');
			text.push_str(&entry.record().join(","));
		}
		text.push('\n');
		text
	}

	pub(crate) fn entry(name: &str, terms: &Terms) -> Entry {
		Entry::new(&Device::generate(name, Scheme::Ed25519).unwrap(), terms).unwrap()
	}

	pub(crate) fn manifest(folder: &Path, text: &str) -> Manifest {
		let path = folder.join("fleet.csv");
		fs::write(&path, text).unwrap();
		Manifest::open(&path).unwrap()
	}

	fn all(manifest: &mut Manifest) -> Vec<(u64, std::result::Result<Entry, Fault>)> {
		let mut lines = manifest.lines().unwrap();
		let mut found = Vec::new();
		while let Some(line) = lines.next_line().unwrap() {
			found.push((line.number, line.entry));
		}
		found
	}

	#[test]
	fn an_enrolled_device_reads_back_with_a_valid_signature() {
		let folder = tempfile::tempdir().unwrap();
		let home = folder.path().join("home");
		let out = folder.path().join("fleet.csv");
		let names = ["m1", "m2", "m3"].map(str::to_owned);
		let terms = Terms {
			roles: Roles::ALL,
			gateway: Some(AccountId::new([2; 32])),
			..terms()
		};
		let before = Device::generate("m2", Scheme::Ed25519).unwrap();
		before.save_new(&home).unwrap();
		let enrolled = enrol(&home, &names, Scheme::Sr25519, &terms, &out, &()).unwrap();
		assert_eq!(
			enrolled,
			Enrolled {
				devices: 3,
				new_keys: 2
			}
		);
		let mut manifest = Manifest::open(&out).unwrap();
		let lines = all(&mut manifest);
		assert_eq!(lines.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4]);
		for (name, (_, entry)) in names.iter().zip(&lines) {
			let entry = entry.as_ref().unwrap();
			assert_eq!(entry.name, *name);
			assert_eq!(entry.device(), Device::find(&home, name).unwrap().unwrap().id);
			assert_eq!((&entry.owner, entry.roles), (&terms.owner, terms.roles));
			assert_eq!(entry.gateway, terms.gateway);
			assert_eq!(entry.proof.expires, terms.expires);
			assert!(entry.is_signed());
			for change in [
				|entry: &mut Entry| entry.genesis = [8; 32],
				|entry: &mut Entry| entry.owner = AccountId::new([9; 32]),
				|entry: &mut Entry| entry.roles = Roles::AUTHENTICATE,
				|entry: &mut Entry| entry.proof.expires += 1,
			] {
				let mut changed = entry.clone();
				change(&mut changed);
				assert!(!changed.is_signed());
			}
		}
		assert_eq!(lines[1].1.as_ref().unwrap().device(), before.id);
		// A manifest is never overwritten, and nothing else is left behind.
		assert!(matches!(
			enrol(&home, &names, Scheme::Sr25519, &terms, &out, &()),
			Err(Error::FileExists { .. })
		));
		assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
		// The file also makes a production batch.
		assert_eq!(crate::batch::read_keys(&out).unwrap().len(), 3);
	}

	#[test]
	fn what_cannot_be_enrolled_leaves_no_manifest() {
		let folder = tempfile::tempdir().unwrap();
		let home = folder.path().join("home");
		let out = folder.path().join("fleet.csv");
		let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
		let refused = |names: &[String], terms: &Terms, words: &str| {
			let error = enrol(&home, names, Scheme::Sr25519, terms, &out, &()).unwrap_err();
			assert_eq!(error.exit_code(), 2, "{error}");
			assert!(error.to_string().contains(words), "{error}");
			assert!(!out.exists());
		};
		refused(&names(&["m1", "m1"]), &terms(), "given twice");
		refused(&names(&["../m1"]), &terms(), "not a device name");
		let none = Terms {
			roles: Roles::default(),
			..terms()
		};
		refused(&names(&["m1"]), &none, "without any role");
		let late = Terms {
			expires: time::now() - 1,
			..terms()
		};
		refused(&names(&["m1"]), &late, "expired");
		let long = Terms {
			expires: time::now() + MAX_PROOF_VALIDITY_MS + 60_000,
			..terms()
		};
		refused(&names(&["m1"]), &long, "more than 90 days");
		let mut rotated = Device::generate("m1", Scheme::Sr25519).unwrap();
		rotated.key = keys::Key::generate(Scheme::Sr25519);
		rotated.save_new(&home).unwrap();
		refused(&names(&["m0", "m1"]), &terms(), "was rotated");
		assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
	}

	#[test]
	fn columns_may_stand_in_any_order_beside_others() {
		let folder = tempfile::tempdir().unwrap();
		let expected = entry("m1", &terms());
		let record = expected.record();
		let mut text = String::from("serial");
		for column in COLUMNS.iter().rev() {
			text.push_str(&format!(", {column}"));
		}
		text.push_str("\n\n4711");
		for value in record.iter().rev() {
			text.push_str(&format!(", {value}"));
		}
		let found = all(&mut manifest(folder.path(), &text));
		assert_eq!(found, [(3, Ok(expected))]);
	}

	#[test]
	fn keys_of_every_scheme_are_read() {
		let folder = tempfile::tempdir().unwrap();
		let pair = ecdsa::Pair::generate().0;
		let mut entry = entry("m1", &terms());
		entry.public = DevicePublic::Ecdsa(pair.public());
		let claim = KeyClaim {
			genesis: entry.genesis,
			action: PossessionAction::Register,
			owner: &entry.owner,
			device: None,
			roles: entry.roles,
			public: &entry.public,
			expires: entry.proof.expires,
		};
		entry.proof.signature = DeviceSignature::Ecdsa(pair.sign(&claim.signed_bytes()));
		let found = all(&mut manifest(
			folder.path(),
			&text_of(std::slice::from_ref(&entry)),
		));
		assert_eq!(found, [(2, Ok(entry.clone()))]);
		assert!(entry.is_signed());
	}

	#[test]
	fn a_malformed_line_is_named_and_the_others_are_read() {
		let folder = tempfile::tempdir().unwrap();
		let entry = entry("m1", &terms());
		let good = text_of(std::slice::from_ref(&entry));
		let line = good.lines().nth(1).unwrap();
		let signature = hex::encode(match &entry.proof.signature {
			DeviceSignature::Ed25519(signature) => signature.0,
			_ => panic!("the key is ed25519"),
		});
		let owner = keys::address(&entry.owner);
		let genesis = hex::encode(entry.genesis);
		for (broken, words) in [
			(line.replace("m1,", "m 1,"), "name: `m 1`"),
			(line.replace("ed25519", "rsa"), "scheme `rsa`"),
			(line.replace("ed25519,0x", "ed25519,"), "public `"),
			(line.replace("authenticate", "all"), "roles: `all`"),
			(line.replace("authenticate", ""), "roles: ``"),
			(line.replace(",,", ",me,"), "gateway: `me`"),
			(line.replace(&owner, "me"), "owner: `me`"),
			(line.replace(&genesis, "07"), "genesis: `0x07`"),
			(line.replace("Z,", ","), "expires: `"),
			(line.replace(&signature, &signature[2..]), "signature: `"),
			(
				line.replace(",,", ","),
				"it has 8 columns, but the first line has 9",
			),
		] {
			assert_ne!(broken, line);
			let text = format!("{good}\n{broken}\n{line}\n");
			let found = all(&mut manifest(folder.path(), &text));
			assert_eq!(found.len(), 3, "{words}");
			let (number, fault) = &found[1];
			assert_eq!(*number, 4, "{words}");
			let fault = fault.as_ref().unwrap_err();
			assert_eq!(fault.name(), "Malformed");
			assert!(fault.to_string().contains(words), "{words}: {fault}");
			assert_eq!(found[2], (5, Ok(entry.clone())));
		}
	}

	#[test]
	fn a_missing_column_or_file_is_named() {
		let folder = tempfile::tempdir().unwrap();
		let header = COLUMNS.join(",").replace(",owner", "");
		match manifest(folder.path(), &header).lines().map(|_| ()).unwrap_err() {
			Error::Csv { line: 1, problem, .. } => {
				assert!(problem.contains("`owner` is missing"), "{problem}")
			}
			error => panic!("{error}"),
		}
		assert_eq!(
			Manifest::open(&folder.path().join("none.csv"))
				.unwrap_err()
				.exit_code(),
			6
		);
	}

	#[test]
	fn names_are_a_column_of_a_csv_file() {
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("names.csv");
		fs::write(&file, "serial,name\n1,m1\n\n2, m2 \n").unwrap();
		assert_eq!(read_names(&file).unwrap(), ["m1", "m2"]);
		for (text, line) in [
			("", 1),
			("m1\nm2\n", 1),
			("name\n\n", 2),
			("name\nm1\nm 2\n", 3),
			("name\r\n\r\n\r\nm 1\r\n", 4),
			("serial,name\n1,m1\n\n2\n", 4),
		] {
			fs::write(&file, text).unwrap();
			let error = read_names(&file).unwrap_err();
			assert!(
				matches!(&error, Error::Csv { line: at, .. } if *at == line),
				"{error}"
			);
		}
		assert_eq!(
			read_names(&folder.path().join("none.csv"))
				.unwrap_err()
				.exit_code(),
			6
		);
	}

	#[test]
	fn a_proof_is_taken_from_90_days_before_its_end_to_its_end() {
		let now = 1_000_000;
		let name = |expires| Entry::untimely(expires, now).map(|fault| fault.name());
		assert_eq!(name(now - 1), Some("ProofExpired"));
		assert_eq!(name(now), None);
		assert_eq!(name(now + MAX_PROOF_VALIDITY_MS), None);
		assert_eq!(name(now + MAX_PROOF_VALIDITY_MS + 1), Some("ProofTooLong"));
	}

	#[test]
	fn only_one_process_imports_a_manifest() {
		let folder = tempfile::tempdir().unwrap();
		let first = manifest(folder.path(), "name\n");
		let second = Manifest::open(first.path()).unwrap();
		first.lock().unwrap();
		let error = second.lock().unwrap_err();
		assert!(error.to_string().contains("is being imported"), "{error}");
		drop(first);
		second.lock().unwrap();
	}
}
