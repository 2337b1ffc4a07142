//! What a seller must keep to itself and must not forget: the secret from which the keys of its sales are derived,
//! the X25519 secret to which buyers seal their blinds, a key that signs terms, each sale that is open, and the
//! countersignatures of subscribers.
//!
//! One redb file. Every value in it is sealed with XChaCha20-Poly1305 under a key that Argon2id makes of a passphrase;
//! the place of a value is authenticated with it, so that none can be put into another's place. What the file shows
//! without the passphrase: how many sales there are and their ids, which are on chain. Whoever can replace the whole
//! file by an earlier one is not noticed; terms and keys of later sales are different all the same, because each key
//! is derived from its terms and those hold the buyer's fresh blind.

use crate::{
	Error, Result,
	database::{Bytes, Database, fault},
	keys::{self, Key, Scheme, Secret},
};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
	AeadCore, Key as CipherKey, KeyInit, XChaCha20Poly1305, XNonce,
	aead::{Aead, OsRng, Payload},
};
use codec::{Decode, DecodeAll, Encode};
use crypto_box::SecretKey;
use m2m_device::{AccountId, DevicePublic, DeviceSignature};
use m2m_fair_exchange::{Blind, BlindedKey, Edges, SaleId, SaleTerms, SignedTerms, market::SubscriptionId};
use redb::{ReadableTable, TableDefinition, TableHandle, WriteTransaction};
use sp_core::H256;
use std::{os::unix::fs::PermissionsExt, path::Path, sync::Mutex};
use zeroize::Zeroizing;

/// Environment variable with the passphrase, if no file is named.
pub const PASSPHRASE_VARIABLE: &str = "M2M_PASSPHRASE";
/// Shortest passphrase that a new vault takes, in bytes.
const MIN_PASSPHRASE: usize = 8;
/// Longest file that is taken for one with a passphrase.
const MAX_PASSPHRASE: usize = 1024;

/// Memory of Argon2id for a new vault, in KiB: 64 MiB, with three passes above what OWASP asks of a login.
const MEMORY_KIB: u32 = 65_536;
/// Passes of Argon2id for a new vault.
const PASSES: u32 = 3;
/// More than this is not taken from a file, so that a changed one cannot take all memory.
const MAX_MEMORY_KIB: u32 = 1 << 20;
/// Likewise for time.
const MAX_PASSES: u32 = 64;

/// Nonces of terms that are put aside at once, so that not each offer takes a write of its own.
const NONCES_AT_ONCE: u64 = 1024;
/// Bytes of a nonce of XChaCha20.
const NONCE_BYTES: usize = 24;

/// Single values by name.
const META: Bytes = TableDefinition::new("meta");
/// Sale id -> [`SaleRecord`].
const SALES: Bytes = TableDefinition::new("sales");
/// [`SaleRecord::request`] -> sale id.
const REQUESTS: Bytes = TableDefinition::new("requests");
/// Sale id -> [`EpochRecord`], for offers that were countersigned.
const EPOCHS: Bytes = TableDefinition::new("epochs");

/// The only value that is not sealed.
const HEADER: &[u8] = b"header";
const CHECK: &[u8] = b"check";
const SECRETS: &[u8] = b"secrets";
const NONCES: &[u8] = b"nonces";
const GENESIS: &[u8] = b"genesis";
/// What is sealed under [`CHECK`]: if it opens, the passphrase is right.
const CHECK_TEXT: &[u8] = b"m2m/vault/v1";

/// How the passphrase becomes a key.
#[derive(Encode, Decode)]
struct Header {
	version: u8,
	memory_kib: u32,
	passes: u32,
	salt: [u8; 16],
}

#[derive(Encode, Decode)]
struct Secrets {
	/// From which the keys of sales are derived.
	sales: [u8; 32],
	/// X25519.
	sealing: [u8; 32],
	/// Seed of the Sr25519 key that signs terms.
	terms: [u8; 32],
}

/// An offer that was made, with all that is needed to deliver it and to reveal its key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct SaleRecord {
	/// The signed terms.
	pub offer: SignedTerms,
	/// The buyer's half of the key.
	pub blind: Blind,
	/// Number of anchors that carry the range.
	pub anchors: u32,
	/// Joins the leaves to the data roots at both ends.
	pub edges: Edges,
	/// Names the request: hash of buyer and nonce.
	pub request: H256,
	/// Hash of the whole request.
	pub content: H256,
}

/// The countersignature to an offer, which is to be delivered as an epoch of a subscription.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct EpochRecord {
	/// The subscription.
	pub subscription: SubscriptionId,
	/// The key that countersigned.
	pub subscriber: DevicePublic,
	/// Its signature.
	pub countersignature: DeviceSignature,
}

/// The seller's vault.
pub struct Vault {
	database: Database,
	cipher: XChaCha20Poly1305,
	sales: Secret,
	sealing: Secret,
	terms: Key,
	/// The next nonce for terms, and the first that is not put aside.
	nonces: Mutex<(u64, u64)>,
}

/// Reads a passphrase from a file that only its owner may read, or else from the environment.
///
/// # Errors
/// [`Error::Usage`] without either, [`Error::KeyFilePermissions`], [`Error::BadFile`].
pub fn passphrase(file: Option<&Path>) -> Result<Zeroizing<String>> {
	let Some(file) = file else {
		return std::env::var(PASSPHRASE_VARIABLE)
			.ok()
			.filter(|text| !text.is_empty())
			.map(Zeroizing::new)
			.ok_or_else(|| {
				Error::Usage(format!(
					"the vault needs its passphrase: name a file with --passphrase-file, or set {PASSPHRASE_VARIABLE}"
				))
			});
	};
	let metadata = std::fs::metadata(file).map_err(|cause| match cause.kind() {
		std::io::ErrorKind::NotFound => Error::bad_file(file, "there is no such file with a passphrase"),
		_ => Error::io(file, cause),
	})?;
	let mode = metadata.permissions().mode() & 0o777;
	if mode & 0o077 != 0 {
		return Err(Error::KeyFilePermissions {
			file: file.to_owned(),
			mode,
		});
	}
	if metadata.len() > MAX_PASSPHRASE as u64 {
		return Err(Error::bad_file(file, "it is too long for a passphrase"));
	}
	let text = Zeroizing::new(std::fs::read_to_string(file).map_err(|cause| Error::io(file, cause))?);
	let line = text.lines().next().unwrap_or_default();
	if line.is_empty() {
		return Err(Error::bad_file(file, "its first line, the passphrase, is empty"));
	}
	Ok(Zeroizing::new(line.to_owned()))
}

/// The key of a vault.
fn derive(header: &Header, passphrase: &str) -> Option<XChaCha20Poly1305> {
	if header.version != 1 || header.memory_kib > MAX_MEMORY_KIB || header.passes > MAX_PASSES {
		return None;
	}
	let parameters = Params::new(header.memory_kib, header.passes, 1, Some(32)).ok()?;
	let mut key = Zeroizing::new([0; 32]);
	Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
		.hash_password_into(passphrase.as_bytes(), &header.salt, key.as_mut())
		.ok()?;
	Some(XChaCha20Poly1305::new(CipherKey::from_slice(key.as_ref())))
}

/// What is authenticated with a value: where it lies.
fn place(table: Bytes, key: &[u8]) -> Vec<u8> {
	let mut place = Vec::new();
	place.extend_from_slice(table.name().as_bytes());
	place.push(0);
	place.extend_from_slice(key);
	place
}

fn seal(cipher: &XChaCha20Poly1305, table: Bytes, key: &[u8], value: &[u8]) -> Result<Vec<u8>> {
	let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
	let payload = Payload {
		msg: value,
		aad: &place(table, key),
	};
	let sealed = cipher
		.encrypt(&nonce, payload)
		.map_err(|_| Error::Store("a value cannot be encrypted".into()))?;
	Ok([nonce.as_slice(), &sealed].concat())
}

fn open(cipher: &XChaCha20Poly1305, table: Bytes, key: &[u8], stored: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
	let (nonce, sealed) = stored.split_at_checked(NONCE_BYTES)?;
	let payload = Payload {
		msg: sealed,
		aad: &place(table, key),
	};
	let value = cipher.decrypt(XNonce::from_slice(nonce), payload).ok()?;
	Some(Zeroizing::new(value))
}

fn decode<T: Decode>(bytes: &[u8]) -> Option<T> {
	T::decode_all(&mut &*bytes).ok()
}

impl Vault {
	/// Opens a vault, and makes it with new keys if it is not there.
	///
	/// # Errors
	/// [`Error::WrongPassphrase`]; [`Error::VaultTampered`] if something in it was changed; [`Error::Usage`] for a
	/// passphrase that is too short for a new one; [`Error::StoreBusy`], [`Error::Store`], [`Error::Io`].
	pub fn open(path: &Path, passphrase: &str) -> Result<Self> {
		let is_new = !path.try_exists().map_err(|cause| Error::io(path, cause))?;
		if is_new && passphrase.len() < MIN_PASSPHRASE {
			return Err(Error::Usage(format!(
				"the passphrase of a new vault has at least {MIN_PASSPHRASE} characters"
			)));
		}
		let name = path
			.file_name()
			.and_then(|name| name.to_str())
			.ok_or_else(|| Error::Usage(format!("{} is not the name of a file", path.display())))?;
		let folder = match path.parent() {
			Some(folder) if !folder.as_os_str().is_empty() => folder,
			_ => Path::new("."),
		};
		let database = Database::open(folder, name, &[META, SALES, REQUESTS, EPOCHS])?;
		// A process that ended between making the file and filling it left an empty one.
		database.write(|transaction| {
			let mut meta = transaction.open_table(META).map_err(fault)?;
			if meta.get(HEADER).map_err(fault)?.is_none() {
				for (key, value) in new_vault(passphrase)? {
					meta.insert(key, value.as_slice()).map_err(fault)?;
				}
			}
			Ok(())
		})?;

		let tampered = |what: &str| Error::VaultTampered {
			file: path.to_owned(),
			what: what.into(),
		};
		let header: Header = {
			let stored = raw(&database, META, HEADER)?;
			stored
				.as_deref()
				.and_then(decode)
				.ok_or_else(|| tampered("header"))?
		};
		let cipher = derive(&header, passphrase).ok_or_else(|| tampered("header"))?;
		let check = raw(&database, META, CHECK)?.ok_or_else(|| tampered("check"))?;
		let opened = open(&cipher, META, CHECK, &check);
		if opened.is_none_or(|text| text.as_slice() != CHECK_TEXT) {
			return Err(Error::WrongPassphrase {
				file: path.to_owned(),
			});
		}
		let stored = raw(&database, META, SECRETS)?.ok_or_else(|| tampered("secrets"))?;
		let bytes = open(&cipher, META, SECRETS, &stored).ok_or_else(|| tampered("secrets"))?;
		let secrets: Secrets = decode(&bytes).ok_or_else(|| tampered("secrets"))?;
		let vault = Self {
			database,
			cipher,
			sales: Zeroizing::new(secrets.sales),
			sealing: Zeroizing::new(secrets.sealing),
			terms: Key::from_seed(Scheme::Sr25519, Zeroizing::new(secrets.terms)),
			nonces: Mutex::new((0, 0)),
		};
		let first: u64 = vault.get(META, NONCES)?.unwrap_or_default();
		Ok(Self {
			nonces: Mutex::new((first, first)),
			..vault
		})
	}

	/// The file.
	pub fn path(&self) -> &Path {
		self.database.path()
	}

	/// The X25519 key that listings name, to which buyers seal their blinds.
	pub fn sealing_key(&self) -> [u8; 32] {
		*SecretKey::from(*self.sealing).public_key().as_bytes()
	}

	/// Account of the key that signs terms, which listings may name.
	pub fn terms_account(&self) -> AccountId {
		self.terms.account()
	}

	/// The key that signs terms.
	pub fn terms_key(&self) -> &Key {
		&self.terms
	}

	/// Opens a blind that a buyer sealed; `None` if it was sealed to another key.
	pub fn open_blind(&self, sealed: &super::protocol::SealedBlind) -> Option<Blind> {
		super::protocol::open_blind(sealed, &self.sealing)
	}

	/// The seller's half of the key for these terms. Other terms have another one.
	pub fn blinded_key(&self, genesis: &[u8; 32], terms: &SaleTerms) -> BlindedKey {
		terms.blinded_key(genesis, &self.sales)
	}

	/// The chain for which the vault is used, if it was used.
	pub fn genesis(&self) -> Result<Option<[u8; 32]>> {
		self.get(META, GENESIS)
	}

	/// Binds the vault to a chain.
	pub fn set_genesis(&self, genesis: &[u8; 32]) -> Result<()> {
		let sealed = seal(&self.cipher, META, GENESIS, &genesis.encode())?;
		self.database
			.write(|transaction| put(transaction, META, GENESIS, &sealed))
	}

	/// A number for terms that no others have. After a crash some are left out.
	pub fn next_nonce(&self) -> Result<u64> {
		let mut nonces = self.nonces.lock().map_err(|_| poisoned())?;
		let (next, end) = *nonces;
		let after = next
			.checked_add(1)
			.ok_or_else(|| Error::Store("there are no numbers left for terms".into()))?;
		let mut end = end;
		if next >= end {
			end = next.saturating_add(NONCES_AT_ONCE);
			let sealed = seal(&self.cipher, META, NONCES, &end.encode())?;
			self.database
				.write(|transaction| put(transaction, META, NONCES, &sealed))?;
		}
		*nonces = (after, end);
		Ok(next)
	}

	/// Stores an offer. Only then may it leave the house.
	///
	/// # Errors
	/// [`Error::Store`], also if an offer with this id is there already.
	pub fn remember(&self, sale: &SaleId, record: &SaleRecord) -> Result<()> {
		let sealed = seal(&self.cipher, SALES, sale.as_bytes(), &record.encode())?;
		let request = record.request.as_bytes();
		let named = seal(&self.cipher, REQUESTS, request, &sale.encode())?;
		self.database.write(|transaction| {
			let mut sales = transaction.open_table(SALES).map_err(fault)?;
			if sales.get(sale.as_bytes()).map_err(fault)?.is_some() {
				return Err(Error::Store(format!("the sale {sale:?} is stored already")));
			}
			sales.insert(sale.as_bytes(), sealed.as_slice()).map_err(fault)?;
			put(transaction, REQUESTS, request, &named)
		})
	}

	/// Removes a sale that is over.
	pub fn forget(&self, sale: &SaleId) -> Result<()> {
		let Some(record) = self.sale(sale)? else {
			return Ok(());
		};
		self.database.write(|transaction| {
			let mut sales = transaction.open_table(SALES).map_err(fault)?;
			sales.remove(sale.as_bytes()).map_err(fault)?;
			let mut requests = transaction.open_table(REQUESTS).map_err(fault)?;
			requests.remove(record.request.as_bytes()).map_err(fault)?;
			let mut epochs = transaction.open_table(EPOCHS).map_err(fault)?;
			epochs.remove(sale.as_bytes()).map_err(fault)?;
			Ok(())
		})
	}

	/// Stores the countersignature to an offer. Only then is the subscriber told that it was taken.
	///
	/// # Errors
	/// [`Error::Store`], also if there is no such offer, or a countersignature to it already.
	pub fn countersigned(&self, sale: &SaleId, record: &EpochRecord) -> Result<()> {
		let sealed = seal(&self.cipher, EPOCHS, sale.as_bytes(), &record.encode())?;
		self.database.write(|transaction| {
			let sales = transaction.open_table(SALES).map_err(fault)?;
			if sales.get(sale.as_bytes()).map_err(fault)?.is_none() {
				return Err(Error::Store(format!("the offer {sale:?} is not stored any more")));
			}
			let mut epochs = transaction.open_table(EPOCHS).map_err(fault)?;
			if epochs.get(sale.as_bytes()).map_err(fault)?.is_some() {
				return Err(Error::Store(format!(
					"the offer {sale:?} is countersigned already"
				)));
			}
			epochs.insert(sale.as_bytes(), sealed.as_slice()).map_err(fault)?;
			Ok(())
		})
	}

	/// The countersignature to an offer, if there is one.
	///
	/// # Errors
	/// As [`Self::sale`].
	pub fn epoch(&self, sale: &SaleId) -> Result<Option<EpochRecord>> {
		self.get(EPOCHS, sale.as_bytes())
	}

	/// A sale.
	///
	/// # Errors
	/// [`Error::VaultTampered`] if its record was changed; [`Error::Store`].
	pub fn sale(&self, sale: &SaleId) -> Result<Option<SaleRecord>> {
		self.get(SALES, sale.as_bytes())
	}

	/// The sale that answers a request ([`SaleRecord::request`]), if there was one.
	pub fn sale_of(&self, request: &H256) -> Result<Option<SaleId>> {
		self.get(REQUESTS, request.as_bytes())
	}

	/// Every sale.
	pub fn sales(&self) -> Result<Vec<(SaleId, SaleRecord)>> {
		let table = self.database.read()?.open_table(SALES).map_err(fault)?;
		let mut sales = Vec::new();
		for entry in table.iter().map_err(fault)? {
			let (key, value) = entry.map_err(fault)?;
			let sale = decode(key.value()).ok_or_else(|| self.tampered(key.value()))?;
			sales.push((sale, self.read(SALES, key.value(), value.value())?));
		}
		Ok(sales)
	}

	fn tampered(&self, key: &[u8]) -> Error {
		Error::VaultTampered {
			file: self.path().to_owned(),
			what: match std::str::from_utf8(key) {
				Ok(name) if name.is_ascii() && key.len() < 32 => name.to_owned(),
				_ => format!("0x{}", hex::encode(key)),
			},
		}
	}

	fn read<T: Decode>(&self, table: Bytes, key: &[u8], stored: &[u8]) -> Result<T> {
		open(&self.cipher, table, key, stored)
			.and_then(|bytes| decode(&bytes))
			.ok_or_else(|| self.tampered(key))
	}

	fn get<T: Decode>(&self, table: Bytes, key: &[u8]) -> Result<Option<T>> {
		raw(&self.database, table, key)?
			.map(|stored| self.read(table, key, &stored))
			.transpose()
	}
}

fn poisoned() -> Error {
	Error::Store("an earlier fault left the vault unusable: start again".into())
}

fn raw(database: &Database, table: Bytes, key: &[u8]) -> Result<Option<Vec<u8>>> {
	let table = database.read()?.open_table(table).map_err(fault)?;
	let value = table.get(key).map_err(fault)?;
	Ok(value.map(|value| value.value().to_vec()))
}

fn put(transaction: &WriteTransaction, table: Bytes, key: &[u8], value: &[u8]) -> Result<()> {
	let mut table = transaction.open_table(table).map_err(fault)?;
	table.insert(key, value).map_err(fault)?;
	Ok(())
}

/// What a new vault holds: fresh keys under a fresh salt.
fn new_vault(passphrase: &str) -> Result<Vec<(&'static [u8], Vec<u8>)>> {
	let salt = keys::random_secret().first_chunk().copied().unwrap_or_default();
	let header = Header {
		version: 1,
		memory_kib: MEMORY_KIB,
		passes: PASSES,
		salt,
	};
	let cipher = derive(&header, passphrase)
		.ok_or_else(|| Error::Store("no key can be made of the passphrase".into()))?;
	let secrets = Secrets {
		sales: *keys::random_secret(),
		sealing: *keys::random_secret(),
		terms: *keys::random_secret(),
	};
	let bytes = Zeroizing::new(secrets.encode());
	Ok(vec![
		(HEADER, header.encode()),
		(CHECK, seal(&cipher, META, CHECK, CHECK_TEXT)?),
		(SECRETS, seal(&cipher, META, SECRETS, &bytes)?),
	])
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m_fair_exchange::{Place, SaleRange};
	use sp_core::sr25519;

	const PASSPHRASE: &str = "correct horse battery";

	fn terms(nonce: u64) -> SaleTerms {
		SaleTerms {
			listing: 1,
			version: 0,
			device: AccountId::new([3; 32]),
			generation: 0,
			range: SaleRange {
				stream: 0,
				first: Place { seq: 0, index: 0 },
				last: Place { seq: 0, index: 1 },
			},
			range_commitment: H256([1; 32]),
			leaves: 2,
			seller: AccountId::new([4; 32]),
			buyer: AccountId::new([5; 32]),
			price: 7,
			sale_root: H256([2; 32]),
			blinded_key_commitment: H256([3; 32]),
			blind_commitment: H256([4; 32]),
			reveal_window: 30,
			dispute_window: 40,
			nonce,
			expires: 100,
		}
	}

	fn record(nonce: u64) -> SaleRecord {
		SaleRecord {
			offer: SignedTerms {
				terms: terms(nonce),
				signer: DevicePublic::Sr25519(sr25519::Public::from_raw([1; 32])),
				signature: DeviceSignature::Sr25519(sr25519::Signature::from_raw([2; 64])),
			},
			blind: Blind([0xb1; 32]),
			anchors: 1,
			edges: Edges::default(),
			request: H256::from_low_u64_be(nonce),
			content: H256([8; 32]),
		}
	}

	fn sale(nonce: u64) -> SaleId {
		terms(nonce).sale_id(&[7; 32])
	}

	fn epoch(subscription: SubscriptionId) -> EpochRecord {
		EpochRecord {
			subscription,
			subscriber: DevicePublic::Sr25519(sr25519::Public::from_raw([3; 32])),
			countersignature: DeviceSignature::Sr25519(sr25519::Signature::from_raw([4; 64])),
		}
	}

	#[test]
	fn a_countersignature_is_kept_as_long_as_its_offer() {
		let home = tempfile::tempdir().unwrap();
		let path = home.path().join("vault.redb");
		let vault = Vault::open(&path, PASSPHRASE).unwrap();
		let refused = vault.countersigned(&sale(1), &epoch(0));
		assert!(matches!(refused, Err(Error::Store(_))), "there is no such offer");
		for nonce in 1..=3 {
			vault.remember(&sale(nonce), &record(nonce)).unwrap();
			vault.countersigned(&sale(nonce), &epoch(0)).unwrap();
		}
		let refused = vault.countersigned(&sale(1), &epoch(9));
		assert!(matches!(refused, Err(Error::Store(_))), "it has one already");
		drop(vault);
		let vault = Vault::open(&path, PASSPHRASE).unwrap();
		assert_eq!(vault.epoch(&sale(1)).unwrap(), Some(epoch(0)));

		vault.forget(&sale(1)).unwrap();
		assert_eq!(vault.epoch(&sale(1)).unwrap(), None);

		// In the place of another one it does not open.
		let moved = raw(&vault.database, EPOCHS, sale(2).as_bytes()).unwrap().unwrap();
		vault
			.database
			.write(|transaction| put(transaction, EPOCHS, sale(3).as_bytes(), &moved))
			.unwrap();
		let error = vault.epoch(&sale(3)).unwrap_err();
		assert!(matches!(error, Error::VaultTampered { .. }), "{error}");
		assert_eq!(vault.epoch(&sale(2)).unwrap(), Some(epoch(0)));
	}

	#[test]
	fn a_vault_keeps_its_keys_and_sales_over_a_restart() {
		let home = tempfile::tempdir().unwrap();
		let path = home.path().join("vault.redb");
		let (sealing, account, key) = {
			let vault = Vault::open(&path, PASSPHRASE).unwrap();
			assert_eq!(vault.genesis().unwrap(), None);
			vault.set_genesis(&[7; 32]).unwrap();
			vault.remember(&sale(1), &record(1)).unwrap();
			(
				vault.sealing_key(),
				vault.terms_account(),
				vault.blinded_key(&[7; 32], &terms(1)),
			)
		};
		let mode = std::fs::metadata(&path).unwrap().permissions().mode();
		assert_eq!(mode & 0o777, 0o600);
		let vault = Vault::open(&path, PASSPHRASE).unwrap();
		assert_eq!(vault.genesis().unwrap(), Some([7; 32]));
		assert_eq!(vault.sealing_key(), sealing);
		assert_eq!(vault.terms_account(), account);
		assert!(vault.blinded_key(&[7; 32], &terms(1)) == key);
		assert_eq!(vault.sale(&sale(1)).unwrap(), Some(record(1)));
		assert_eq!(vault.sale_of(&record(1).request).unwrap(), Some(sale(1)));
		assert_eq!(vault.sales().unwrap(), [(sale(1), record(1))]);
		vault.forget(&sale(1)).unwrap();
		vault.forget(&sale(1)).unwrap();
		assert!(vault.sales().unwrap().is_empty());
		assert_eq!(vault.sale_of(&record(1).request).unwrap(), None);
	}

	#[test]
	fn a_wrong_passphrase_opens_nothing() {
		let home = tempfile::tempdir().unwrap();
		let path = home.path().join("vault.redb");
		drop(Vault::open(&path, PASSPHRASE).unwrap());
		for wrong in ["", "correct horse battery ", "Correct horse battery"] {
			let Err(error) = Vault::open(&path, wrong) else {
				panic!("`{wrong}` opened it")
			};
			assert!(matches!(error, Error::WrongPassphrase { .. }), "{error}");
			assert_eq!((error.name(), error.exit_code()), ("WrongPassphrase", 6));
		}
		Vault::open(&path, PASSPHRASE).unwrap();
		let other = home.path().join("other.redb");
		assert!(matches!(Vault::open(&other, "short"), Err(Error::Usage(_))));
		assert!(!other.exists());
	}

	#[test]
	fn a_changed_or_moved_record_is_found_and_the_others_stay_good() {
		let home = tempfile::tempdir().unwrap();
		let path = home.path().join("vault.redb");
		let vault = Vault::open(&path, PASSPHRASE).unwrap();
		for nonce in 1..=3 {
			vault.remember(&sale(nonce), &record(nonce)).unwrap();
		}
		let mut changed = raw(&vault.database, SALES, sale(1).as_bytes()).unwrap().unwrap();
		*changed.last_mut().unwrap() ^= 1;
		let moved = raw(&vault.database, SALES, sale(3).as_bytes()).unwrap().unwrap();
		vault
			.database
			.write(|transaction| {
				put(transaction, SALES, sale(1).as_bytes(), &changed)?;
				put(transaction, SALES, sale(2).as_bytes(), &moved)
			})
			.unwrap();
		for nonce in [1, 2] {
			let error = vault.sale(&sale(nonce)).unwrap_err();
			assert!(matches!(error, Error::VaultTampered { .. }), "{error}");
			assert_eq!((error.name(), error.exit_code()), ("VaultTampered", 7));
		}
		assert_eq!(vault.sale(&sale(3)).unwrap(), Some(record(3)));

		// Shorter than a nonce, and a header that asks for all the memory there is.
		vault
			.database
			.write(|transaction| put(transaction, META, SECRETS, b"short"))
			.unwrap();
		drop(vault);
		let error = Vault::open(&path, PASSPHRASE).err().unwrap();
		assert!(
			matches!(&error, Error::VaultTampered { what, .. } if what == "secrets"),
			"{error}"
		);
		let database = redb::Database::open(&path).unwrap();
		let transaction = database.begin_write().unwrap();
		let header = Header {
			version: 1,
			memory_kib: u32::MAX,
			passes: 1,
			salt: [0; 16],
		};
		put(&transaction, META, HEADER, &header.encode()).unwrap();
		transaction.commit().unwrap();
		drop(database);
		let error = Vault::open(&path, PASSPHRASE).err().unwrap();
		assert!(
			matches!(&error, Error::VaultTampered { what, .. } if what == "header"),
			"{error}"
		);
	}

	#[test]
	fn no_secret_stands_in_the_file() {
		let home = tempfile::tempdir().unwrap();
		let path = home.path().join("vault.redb");
		let vault = Vault::open(&path, PASSPHRASE).unwrap();
		vault.remember(&sale(1), &record(1)).unwrap();
		let secrets = [*vault.sales, *vault.sealing, record(1).blind.0];
		drop(vault);
		let file = std::fs::read(&path).unwrap();
		let contains = |wanted: &[u8]| file.windows(wanted.len()).any(|bytes| bytes == wanted);
		assert!(contains(sale(1).as_bytes()), "the search finds what is there");
		for secret in secrets {
			assert!(!contains(&secret[..16]));
		}
		assert!(!contains(&record(1).encode()[..16]));
	}

	#[test]
	fn no_nonce_and_no_key_is_used_twice() {
		let home = tempfile::tempdir().unwrap();
		let path = home.path().join("vault.redb");
		let mut seen = std::collections::BTreeSet::new();
		let mut found = std::collections::BTreeSet::new();
		for _ in 0..2 {
			let vault = Vault::open(&path, PASSPHRASE).unwrap();
			for _ in 0..NONCES_AT_ONCE + 2 {
				let nonce = vault.next_nonce().unwrap();
				assert!(seen.insert(nonce), "{nonce} came twice");
				let key = vault.blinded_key(&[7; 32], &terms(nonce));
				assert!(found.insert(key.0), "terms {nonce} have the key of others");
			}
		}
		let vault = Vault::open(&path, PASSPHRASE).unwrap();
		vault.remember(&sale(1), &record(1)).unwrap();
		assert!(matches!(
			vault.remember(&sale(1), &record(2)),
			Err(Error::Store(_))
		));
		assert_eq!(vault.sale(&sale(1)).unwrap(), Some(record(1)));
	}

	#[test]
	fn a_passphrase_is_the_first_line_of_a_private_file() {
		let home = tempfile::tempdir().unwrap();
		let file = home.path().join("passphrase");
		std::fs::write(&file, "correct horse battery\nnot this\n").unwrap();
		std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
		assert!(matches!(
			passphrase(Some(&file)),
			Err(Error::KeyFilePermissions { .. })
		));
		std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
		assert_eq!(passphrase(Some(&file)).unwrap().as_str(), PASSPHRASE);
		std::fs::write(&file, "\n").unwrap();
		assert!(matches!(passphrase(Some(&file)), Err(Error::BadFile { .. })));
		let missing = home.path().join("missing");
		assert!(matches!(passphrase(Some(&missing)), Err(Error::BadFile { .. })));
	}
}
