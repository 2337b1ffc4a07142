//! Keys and the files they live in.
//!
//! A key file is readable by its owner only (mode 0600). It is written to a new file beside the target, synced
//! and then linked into place, so that a crash leaves either no file or a whole one, and an existing key is
//! never overwritten by accident. Secrets are wiped from memory when they are dropped, and never printed.

use crate::{Error, Result};
use m2m_device::{AccountId, DeviceId, DevicePublic, DeviceSignature};
use m2m_did::Network;
use serde::{Deserialize, Serialize};
use sp_core::{
	Pair as _,
	crypto::{Ss58AddressFormat, Ss58Codec},
	ed25519, sr25519,
};
use std::{
	fs::{self, File, OpenOptions},
	io::{Read, Write},
	os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
	path::{Path, PathBuf},
};
use subxt::{SubstrateConfig, transactions::Signer, utils::MultiSignature};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 32 secret bytes, wiped when dropped.
pub type Secret = Zeroizing<[u8; 32]>;

/// SS58 prefix of addresses: 42, Substrate's generic one.
pub const SS58_PREFIX: u16 = 42;

/// Signature scheme of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
	/// Schnorr over Ristretto25519, the usual choice for accounts.
	#[default]
	Sr25519,
	/// RFC 8032, which most secure elements and firmware libraries have.
	Ed25519,
}

/// Writes an account as an SS58 address.
pub fn address(account: &AccountId) -> String {
	account.to_ss58check_with_version(Ss58AddressFormat::custom(SS58_PREFIX))
}

/// Reads an SS58 address of any prefix, or 32 bytes in hex.
pub fn parse_address(text: &str) -> Result<AccountId> {
	if let Some(digits) = text.strip_prefix("0x") {
		let mut bytes = [0; 32];
		if hex::decode_to_slice(digits, &mut bytes).is_ok() {
			return Ok(AccountId::new(bytes));
		}
	} else if let Ok((account, _)) = AccountId::from_ss58check_with_version(text) {
		return Ok(account);
	}
	Err(Error::Usage(format!(
		"`{text}` is not an address: give an SS58 address, or 0x and 64 hex digits"
	)))
}

/// The device's decentralized identifier: `did:m2m:<first 8 hex digits of the genesis hash>:<address>`.
pub fn did(genesis: &[u8; 32], device: &DeviceId) -> String {
	Network::new(*genesis, SS58_PREFIX).did(device)
}

/// 32 bytes from the operating system's generator.
pub fn random_secret() -> Secret {
	Zeroizing::new(sr25519::Pair::generate().1)
}

enum Pair {
	Sr25519(Box<sr25519::Pair>),
	Ed25519(Box<ed25519::Pair>),
}

/// A key pair, for accounts and for devices.
pub struct Key {
	scheme: Scheme,
	seed: Secret,
	pair: Pair,
	development: bool,
}

impl std::fmt::Debug for Key {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		write!(f, "Key({:?}, {})", self.scheme, address(&self.account()))
	}
}

impl Key {
	/// A new key from the operating system's random numbers.
	pub fn generate(scheme: Scheme) -> Self {
		Self::from_seed(scheme, random_secret())
	}

	/// The key of a seed.
	pub fn from_seed(scheme: Scheme, seed: Secret) -> Self {
		let pair = match scheme {
			Scheme::Sr25519 => Pair::Sr25519(Box::new(sr25519::Pair::from_seed(&seed))),
			Scheme::Ed25519 => Pair::Ed25519(Box::new(ed25519::Pair::from_seed(&seed))),
		};
		Self {
			scheme,
			seed,
			pair,
			development: false,
		}
	}

	/// The well-known development key `//Name`, for instance of `Alice`. Everybody knows it.
	pub fn development(name: &str) -> Result<Self> {
		let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
		if !plain {
			return Err(Error::Usage(format!(
				"`{name}` is not the name of a development key: try Alice or Bob"
			)));
		}
		let (_, seed) = sr25519::Pair::from_string_with_seed(&format!("//{name}"), None).map_err(|_| {
			Error::Usage(format!(
				"`{name}` is not the name of a development key: try Alice or Bob"
			))
		})?;
		let seed = seed.ok_or_else(|| Error::Usage(format!("`{name}` has no seed")))?;
		Ok(Self {
			development: true,
			..Self::from_seed(Scheme::Sr25519, Zeroizing::new(seed))
		})
	}

	/// The scheme.
	pub fn scheme(&self) -> Scheme {
		self.scheme
	}

	/// True for a key that everybody knows.
	pub fn is_development(&self) -> bool {
		self.development
	}

	/// The public key.
	pub fn public(&self) -> DevicePublic {
		match &self.pair {
			Pair::Sr25519(pair) => DevicePublic::Sr25519(pair.public()),
			Pair::Ed25519(pair) => DevicePublic::Ed25519(pair.public()),
		}
	}

	/// The account that this key signs extrinsics for.
	pub fn account(&self) -> AccountId {
		self.public().account()
	}

	/// Signs a message.
	pub fn sign(&self, message: &[u8]) -> DeviceSignature {
		match &self.pair {
			Pair::Sr25519(pair) => DeviceSignature::Sr25519(pair.sign(message)),
			Pair::Ed25519(pair) => DeviceSignature::Ed25519(pair.sign(message)),
		}
	}

	/// Reads a key file. Refuses one that others may read.
	pub fn load(file: &Path) -> Result<Self> {
		let stored: KeyFile = read_secret(file, KEY_FORMAT)?;
		let key = Self::from_seed(stored.scheme, decode_secret(file, "seed", &stored.seed)?);
		if address(&key.account()) != stored.address {
			return Err(Error::bad_file(
				file,
				"its address does not belong to its seed: the file is damaged",
			));
		}
		Ok(Self {
			development: stored.development,
			..key
		})
	}

	/// Writes the key to a new file with mode 0600. Refuses to overwrite.
	pub fn save_new(&self, file: &Path) -> Result<()> {
		let stored = KeyFile {
			format: KEY_FORMAT.into(),
			version: VERSION,
			scheme: self.scheme,
			seed: encode_secret(&self.seed),
			address: address(&self.account()),
			development: self.development,
		};
		write_secret(file, &stored, false)
	}
}

impl Signer<SubstrateConfig> for Key {
	fn account_id(&self) -> subxt::utils::AccountId32 {
		let bytes: [u8; 32] = *self.account().as_ref();
		subxt::utils::AccountId32(bytes)
	}

	fn sign(&self, payload: &[u8]) -> MultiSignature {
		match &self.pair {
			Pair::Sr25519(pair) => MultiSignature::Sr25519(pair.sign(payload).0),
			Pair::Ed25519(pair) => MultiSignature::Ed25519(pair.sign(payload).0),
		}
	}
}

const KEY_FORMAT: &str = "m2m/key";
const DEVICE_FORMAT: &str = "m2m/device";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct KeyFile {
	format: String,
	version: u32,
	#[zeroize(skip)]
	scheme: Scheme,
	seed: String,
	address: String,
	#[serde(default)]
	development: bool,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct DeviceFile {
	format: String,
	version: u32,
	name: String,
	device: String,
	#[zeroize(skip)]
	scheme: Scheme,
	address: String,
	seed: String,
	secret: String,
	#[serde(default, skip_serializing_if = "Option::is_none")]
	next_seed: Option<String>,
}

/// What a device holds: its key, and the secret from which the salts of its readings are derived. It lives in
/// `HOME/devices/NAME.json`.
#[derive(Debug)]
pub struct Device {
	/// Name given by the owner: letters, digits, `-`, `_` and `.`.
	pub name: String,
	/// The device's id, which is also its wallet account. Stays when the key is rotated.
	pub id: DeviceId,
	/// The key in use.
	pub key: Key,
	/// Key that a rotation in progress introduces. Kept from before the rotation is sent until it is known to be
	/// recorded, so that a crash cannot leave the chain with a key that nobody holds.
	pub next_key: Option<Key>,
	secret: Secret,
}

impl Device {
	/// A device with a new key and secret.
	pub fn generate(name: &str, scheme: Scheme) -> Result<Self> {
		check_name(name)?;
		let key = Key::generate(scheme);
		let id = key.public().device_id();
		Ok(Self {
			name: name.into(),
			id,
			key,
			next_key: None,
			secret: random_secret(),
		})
	}

	/// The secret from which salts are derived.
	pub fn secret(&self) -> &[u8; 32] {
		&self.secret
	}

	fn file(home: &Path, name: &str) -> PathBuf {
		home.join("devices").join(format!("{name}.json"))
	}

	/// Reads a device by name, if there is one.
	pub fn find(home: &Path, name: &str) -> Result<Option<Self>> {
		check_name(name)?;
		let file = Self::file(home, name);
		if !file.try_exists().map_err(|cause| Error::io(&file, cause))? {
			return Ok(None);
		}
		let stored: DeviceFile = read_secret(&file, DEVICE_FORMAT)?;
		let key = Key::from_seed(stored.scheme, decode_secret(&file, "seed", &stored.seed)?);
		let next_key = match &stored.next_seed {
			Some(seed) => Some(Key::from_seed(
				stored.scheme,
				decode_secret(&file, "next_seed", seed)?,
			)),
			None => None,
		};
		let damaged = || Error::bad_file(&file, "its ids do not belong to its secrets: the file is damaged");
		let id = parse_address(&stored.device).map_err(|_| damaged())?;
		if address(&key.account()) != stored.address || stored.name != name {
			return Err(damaged());
		}
		let secret = decode_secret(&file, "secret", &stored.secret)?;
		Ok(Some(Self {
			name: name.into(),
			id,
			key,
			next_key,
			secret,
		}))
	}

	/// The id of a device, if there is one of this name. Keeps none of its secrets.
	pub fn id_of(home: &Path, name: &str) -> Result<Option<DeviceId>> {
		#[derive(Deserialize)]
		struct Named {
			device: String,
		}
		check_name(name)?;
		let file = Self::file(home, name);
		if !file.try_exists().map_err(|cause| Error::io(&file, cause))? {
			return Ok(None);
		}
		let stored: Named = read_secret(&file, DEVICE_FORMAT)?;
		parse_address(&stored.device)
			.map(Some)
			.map_err(|_| Error::bad_file(&file, "its id is not an address: the file is damaged"))
	}

	/// The device with this id, if its file is in the home folder. A file that cannot be read matters only if no other
	/// is the one.
	pub fn with_id(home: &Path, id: &DeviceId) -> Result<Option<Self>> {
		let mut unreadable = None;
		for name in Self::names(home)? {
			match Self::id_of(home, &name) {
				Ok(Some(found)) if found == *id => return Self::find(home, &name),
				Ok(_) => {}
				Err(error) => unreadable = unreadable.or(Some(error)),
			}
		}
		unreadable.map_or(Ok(None), Err)
	}

	/// Names of the devices of a home folder, in order.
	pub fn names(home: &Path) -> Result<Vec<String>> {
		let folder = home.join("devices");
		if !folder.try_exists().map_err(|cause| Error::io(&folder, cause))? {
			return Ok(Vec::new());
		}
		let mut names = Vec::new();
		for entry in fs::read_dir(&folder).map_err(|cause| Error::io(&folder, cause))? {
			let entry = entry.map_err(|cause| Error::io(&folder, cause))?;
			let name = entry.file_name().to_string_lossy().into_owned();
			if let Some(name) = name.strip_suffix(".json").filter(|name| check_name(name).is_ok()) {
				names.push(name.to_owned());
			}
		}
		names.sort();
		Ok(names)
	}

	/// Files that a crash left behind while a device was written. They hold a seed.
	pub fn leftovers(home: &Path) -> Result<Vec<PathBuf>> {
		let folder = home.join("devices");
		if !folder.try_exists().map_err(|cause| Error::io(&folder, cause))? {
			return Ok(Vec::new());
		}
		let mut found = Vec::new();
		for entry in fs::read_dir(&folder).map_err(|cause| Error::io(&folder, cause))? {
			let entry = entry.map_err(|cause| Error::io(&folder, cause))?;
			let name = entry.file_name().to_string_lossy().into_owned();
			if name.starts_with('.') && name.ends_with(".new") {
				found.push(entry.path());
			}
		}
		found.sort();
		Ok(found)
	}

	/// Every device of a home folder, by name.
	pub fn all(home: &Path) -> Result<Vec<Self>> {
		let names = Self::names(home)?;
		let mut devices = Vec::with_capacity(names.len());
		for name in names {
			devices.extend(Self::find(home, &name)?);
		}
		Ok(devices)
	}

	/// Writes a device to a new file. Refuses to overwrite.
	pub fn save_new(&self, home: &Path) -> Result<()> {
		self.write(home, false)
	}

	/// Writes a device over its own file, after a change of keys.
	pub fn save(&self, home: &Path) -> Result<()> {
		self.write(home, true)
	}

	fn write(&self, home: &Path, replace: bool) -> Result<()> {
		private_folder(home)?;
		private_folder(&home.join("devices"))?;
		let stored = DeviceFile {
			format: DEVICE_FORMAT.into(),
			version: VERSION,
			name: self.name.clone(),
			device: address(&self.id),
			scheme: self.key.scheme,
			address: address(&self.key.account()),
			seed: encode_secret(&self.key.seed),
			secret: encode_secret(&self.secret),
			next_seed: self.next_key.as_ref().map(|key| encode_secret(&key.seed)),
		};
		write_secret(&Self::file(home, &self.name), &stored, replace)
	}
}

/// Refuses names that could not be file names everywhere.
pub fn check_name(name: &str) -> Result<()> {
	let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
	if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.bytes().all(allowed) {
		return Err(Error::Usage(format!(
			"`{name}` is not a device name: use 1 to 64 letters, digits, `-`, `_` and `.`, not starting with `.`"
		)));
	}
	Ok(())
}

/// Makes a folder that only its owner may enter, if it is not there.
pub fn private_folder(folder: &Path) -> Result<()> {
	fs::DirBuilder::new()
		.recursive(true)
		.mode(0o700)
		.create(folder)
		.map_err(|cause| Error::io(folder, cause))
}

fn encode_secret(secret: &Secret) -> String {
	let mut text = String::with_capacity(66);
	text.push_str("0x");
	text.push_str(&Zeroizing::new(hex::encode(secret.as_ref())));
	text
}

fn decode_secret(file: &Path, field: &str, text: &str) -> Result<Secret> {
	let mut secret = Zeroizing::new([0; 32]);
	hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), secret.as_mut())
		.map_err(|_| Error::bad_file(file, format!("`{field}` is not 32 bytes in hex")))?;
	Ok(secret)
}

fn read_secret<T: for<'a> Deserialize<'a>>(path: &Path, format: &str) -> Result<T> {
	let mut file = File::open(path).map_err(|cause| match cause.kind() {
		std::io::ErrorKind::NotFound => Error::bad_file(
			path,
			"there is no such key file; make one with `m2m key generate --out FILE`",
		),
		_ => Error::io(path, cause),
	})?;
	let mode =
		file.metadata()
			.map_err(|cause| Error::io(path, cause))?
			.permissions()
			.mode() & 0o777;
	if mode & 0o077 != 0 {
		return Err(Error::KeyFilePermissions {
			file: path.to_owned(),
			mode,
		});
	}
	// Longer than any key file, so that the buffer does not grow and leave copies behind.
	let mut content = Zeroizing::new(Vec::with_capacity(4096));
	Read::take(&mut file, 4096)
		.read_to_end(&mut content)
		.map_err(|cause| Error::io(path, cause))?;

	#[derive(Deserialize)]
	struct Header {
		format: String,
		version: u32,
	}
	// The parser's own messages could quote the secret.
	let broken = |_| Error::bad_file(path, format!("this is not a {format} file"));
	let header: Header = serde_json::from_slice(&content).map_err(broken)?;
	if header.format != format || header.version != VERSION {
		return Err(Error::bad_file(
			path,
			format!(
				"a file of format {format}, version {VERSION} is needed, not {}, version {}",
				header.format, header.version
			),
		));
	}
	serde_json::from_slice(&content).map_err(broken)
}

fn write_secret<T: Serialize>(path: &Path, content: &T, replace: bool) -> Result<()> {
	let io = |cause| Error::io(path, cause);
	let folder = match path.parent() {
		Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
		Some(folder) => folder,
		None => return Err(Error::bad_file(path, "this is not the name of a file")),
	};
	let name = path
		.file_name()
		.ok_or_else(|| Error::bad_file(path, "this is not the name of a file"))?;
	// Process ids repeat in containers, where one that a crash left behind would be in the way.
	let unique = random_secret().first_chunk::<8>().copied().unwrap_or_default();
	let temporary = folder.join(format!(".{}.{}.new", name.to_string_lossy(), hex::encode(unique)));

	let mut text = Zeroizing::new(Vec::with_capacity(4096));
	serde_json::to_writer_pretty(&mut *text, content)
		.map_err(|error| Error::bad_file(path, error.to_string()))?;
	text.push(b'\n');

	let written = (|| {
		let mut file = OpenOptions::new()
			.write(true)
			.create_new(true)
			.mode(0o600)
			.open(&temporary)?;
		file.write_all(&text)?;
		file.sync_all()?;
		if replace {
			fs::rename(&temporary, path)?;
		} else {
			// Unlike a rename, a link fails if the target exists.
			fs::hard_link(&temporary, path)?;
		}
		File::open(folder)?.sync_all()
	})();
	if temporary.exists() {
		fs::remove_file(&temporary).map_err(io)?;
	}
	written.map_err(|cause: std::io::Error| match cause.kind() {
		std::io::ErrorKind::AlreadyExists => Error::FileExists {
			file: path.to_owned(),
		},
		_ => io(cause),
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_device_is_found_by_its_id_beside_a_broken_file() {
		let home = tempfile::tempdir().unwrap();
		let [first, second] = ["m1", "m2"].map(|name| Device::generate(name, Scheme::Sr25519).unwrap());
		first.save_new(home.path()).unwrap();
		second.save_new(home.path()).unwrap();
		assert_eq!(Device::id_of(home.path(), "m2").unwrap(), Some(second.id.clone()));
		assert_eq!(Device::id_of(home.path(), "m3").unwrap(), None);
		let stranger = Key::generate(Scheme::Sr25519).account();
		assert!(Device::with_id(home.path(), &stranger).unwrap().is_none());

		let broken = Device::file(home.path(), "m1");
		fs::set_permissions(&broken, fs::Permissions::from_mode(0o644)).unwrap();
		let found = Device::with_id(home.path(), &second.id).unwrap().unwrap();
		assert_eq!(found.name, "m2");
		// Without the broken file nobody knows that the device is not there.
		for id in [&first.id, &stranger] {
			let error = Device::with_id(home.path(), id).unwrap_err();
			assert!(matches!(error, Error::KeyFilePermissions { .. }), "{error}");
		}
	}

	#[test]
	fn a_key_file_is_private_and_reads_back() {
		let folder = tempfile::tempdir().unwrap();
		for scheme in [Scheme::Sr25519, Scheme::Ed25519] {
			let file = folder.path().join(format!("{scheme:?}.json"));
			let key = Key::generate(scheme);
			key.save_new(&file).unwrap();
			assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
			let loaded = Key::load(&file).unwrap();
			assert_eq!(loaded.account(), key.account());
			let signature = loaded.sign(b"reading");
			assert!(key.public().verify(b"reading", &signature));
			assert!(!key.public().verify(b"other reading", &signature));
		}
		assert_eq!(
			fs::read_dir(folder.path()).unwrap().count(),
			2,
			"no temporary file is left"
		);
	}

	#[test]
	fn a_key_file_that_others_may_read_is_refused() {
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("owner.json");
		Key::generate(Scheme::Sr25519).save_new(&file).unwrap();
		for mode in [0o640, 0o604, 0o644, 0o660] {
			fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
			let error = Key::load(&file).unwrap_err();
			assert!(matches!(error, Error::KeyFilePermissions { .. }), "{error}");
			assert!(error.to_string().contains("chmod 600"), "{error}");
		}
		fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
		Key::load(&file).unwrap();
	}

	#[test]
	fn a_key_file_is_never_overwritten() {
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("owner.json");
		let first = Key::generate(Scheme::Sr25519);
		first.save_new(&file).unwrap();
		let error = Key::generate(Scheme::Sr25519).save_new(&file).unwrap_err();
		assert!(matches!(error, Error::FileExists { .. }), "{error}");
		assert_eq!(Key::load(&file).unwrap().account(), first.account());
		assert_eq!(
			fs::read_dir(folder.path()).unwrap().count(),
			1,
			"no temporary file is left"
		);
	}

	#[test]
	fn a_damaged_key_file_is_refused_without_showing_the_secret() {
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("owner.json");
		Key::generate(Scheme::Sr25519).save_new(&file).unwrap();
		let text = fs::read_to_string(&file).unwrap();
		let seed = text.split("0x").nth(1).unwrap().get(..64).unwrap().to_owned();
		let other = Key::generate(Scheme::Sr25519);
		for broken in [
			text.replace("\"version\": 1", "\"version\": 2"),
			text.replace("m2m/key", "m2m/device"),
			text.replace(&seed, &seed[..62]),
			text.replace(&seed, &hex::encode(other.seed.as_ref())),
			text.replace("0x", "0x\\q"),
			String::new(),
		] {
			fs::write(&file, &broken).unwrap();
			let error = Key::load(&file).unwrap_err();
			assert_eq!(error.exit_code(), 6, "{error}");
			assert!(!error.to_string().contains(&seed[..16]), "{error}");
		}
	}

	#[test]
	fn development_keys_are_the_well_known_ones() {
		let alice = Key::development("Alice").unwrap();
		assert_eq!(
			address(&alice.account()),
			"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
		);
		assert!(alice.is_development());
		assert!(Key::development("").is_err());
		assert!(Key::development("Alice//stash").is_err());
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("alice.json");
		alice.save_new(&file).unwrap();
		assert!(Key::load(&file).unwrap().is_development());
	}

	#[test]
	fn devices_are_found_by_name_and_keep_their_id_over_a_rotation() {
		let home = tempfile::tempdir().unwrap();
		let mut device = Device::generate("meter-001", Scheme::Sr25519).unwrap();
		device.save_new(home.path()).unwrap();
		assert!(matches!(
			device.save_new(home.path()),
			Err(Error::FileExists { .. })
		));
		let first_key = device.key.account();
		device.next_key = Some(Key::generate(Scheme::Sr25519));
		device.save(home.path()).unwrap();
		let mut loaded = Device::find(home.path(), "meter-001").unwrap().unwrap();
		assert_eq!(loaded.key.account(), first_key);
		loaded.key = loaded.next_key.take().unwrap();
		loaded.save(home.path()).unwrap();
		let all = Device::all(home.path()).unwrap();
		assert_eq!(all.len(), 1);
		assert_eq!(all[0].id, device.id);
		assert_eq!(all[0].secret(), device.secret());
		assert_ne!(all[0].key.account(), first_key);
		assert!(Device::find(home.path(), "meter-002").unwrap().is_none());
		assert!(matches!(
			Device::find(home.path(), "../meter"),
			Err(Error::Usage(_))
		));
	}

	#[test]
	fn addresses_are_read_in_both_forms() {
		let account = Key::generate(Scheme::Ed25519).account();
		assert_eq!(parse_address(&address(&account)).unwrap(), account);
		let bytes: &[u8] = account.as_ref();
		assert_eq!(
			parse_address(&format!("0x{}", hex::encode(bytes))).unwrap(),
			account
		);
		for text in [
			"",
			"Alice",
			"0x12",
			"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQZ",
		] {
			assert!(matches!(parse_address(text), Err(Error::Usage(_))), "{text}");
		}
	}
}
