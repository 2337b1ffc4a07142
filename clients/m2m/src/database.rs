//! A file of tables in a home folder, readable by its owner only.
//!
//! Every change is one transaction that is synced before the function returns, so that a process killed at any
//! moment leaves a consistent file.

use crate::{Error, Result, keys::private_folder};
use codec::{Decode, DecodeAll, Encode};
use redb::{ReadTransaction, ReadableDatabase, TableDefinition, WriteTransaction};
use std::{
	fs::OpenOptions,
	os::unix::fs::OpenOptionsExt,
	path::{Path, PathBuf},
};

/// A table of bytes by bytes.
pub(crate) type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// An open file. Nobody else has it open.
pub(crate) struct Database {
	database: redb::Database,
	path: PathBuf,
}

/// What redb reports, as ours.
pub(crate) fn fault(error: impl Into<redb::Error>) -> Error {
	Error::Store(error.into().to_string())
}

/// Reads a stored value.
pub(crate) fn decode<T: Decode>(bytes: &[u8]) -> Result<T> {
	T::decode_all(&mut &*bytes).map_err(|error| Error::Store(format!("a value is damaged: {error}")))
}

impl Database {
	/// Opens a file of a home folder, and makes it with its tables if it is not there.
	///
	/// # Errors
	/// [`Error::StoreBusy`] if another process has it open.
	pub(crate) fn open(home: &Path, file: &str, tables: &[Bytes]) -> Result<Self> {
		private_folder(home)?;
		let path = home.join(file);
		let file = OpenOptions::new()
			.read(true)
			.write(true)
			.create(true)
			.truncate(false)
			.mode(0o600)
			.open(&path)
			.map_err(|cause| Error::io(&path, cause))?;
		let database = redb::Builder::new()
			.create_file(file)
			.map_err(|error| match error {
				redb::DatabaseError::DatabaseAlreadyOpen => Error::StoreBusy(path.clone()),
				error => fault(error),
			})?;
		let database = Self { database, path };
		database.write(|transaction| {
			for table in tables {
				transaction.open_table(*table).map_err(fault)?;
			}
			Ok(())
		})?;
		Ok(database)
	}

	/// The file.
	pub(crate) fn path(&self) -> &Path {
		&self.path
	}

	/// A view of all tables as they are now.
	pub(crate) fn read(&self) -> Result<ReadTransaction> {
		self.database.begin_read().map_err(fault)
	}

	/// Changes tables in one transaction; not at all if `change` fails.
	pub(crate) fn write<T>(&self, change: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
		let transaction = self.database.begin_write().map_err(fault)?;
		let result = change(&transaction)?;
		transaction.commit().map_err(fault)?;
		Ok(result)
	}

	/// One value.
	pub(crate) fn get<T: Decode>(&self, table: Bytes, key: &[u8]) -> Result<Option<T>> {
		let table = self.read()?.open_table(table).map_err(fault)?;
		let value = table.get(key).map_err(fault)?;
		value.map(|value| decode(value.value())).transpose()
	}

	/// Stores one value.
	pub(crate) fn put<T: Encode>(&self, table: Bytes, key: &[u8], value: &T) -> Result<()> {
		self.write(|transaction| {
			let mut table = transaction.open_table(table).map_err(fault)?;
			table.insert(key, value.encode().as_slice()).map_err(fault)?;
			Ok(())
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::os::unix::fs::PermissionsExt;

	const THINGS: Bytes = TableDefinition::new("things");

	#[test]
	fn a_file_is_its_owners_and_of_one_process_at_a_time() {
		let home = tempfile::tempdir().unwrap();
		let home = home.path().join("home");
		let first = Database::open(&home, "things.redb", &[THINGS]).unwrap();
		let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
		assert_eq!((mode(&home), mode(first.path())), (0o700, 0o600));
		first.put(THINGS, b"one", &1u32).unwrap();
		let busy = Database::open(&home, "things.redb", &[THINGS]).err();
		assert!(matches!(busy, Some(Error::StoreBusy(_))));
		drop(first);
		let second = Database::open(&home, "things.redb", &[THINGS]).unwrap();
		assert_eq!(second.get(THINGS, b"one").unwrap(), Some(1u32));
	}

	#[test]
	fn a_change_that_fails_half_way_changes_nothing() {
		let home = tempfile::tempdir().unwrap();
		let database = Database::open(home.path(), "things.redb", &[THINGS]).unwrap();
		let failed: Result<()> = database.write(|transaction| {
			let mut table = transaction.open_table(THINGS).map_err(fault)?;
			table.insert(&b"one"[..], &b"1"[..]).map_err(fault)?;
			Err(Error::Store("something is wrong".into()))
		});
		assert!(failed.is_err());
		assert_eq!(database.get::<u8>(THINGS, b"one").unwrap(), None);
	}

	#[test]
	fn a_value_that_cannot_be_read_is_called_damaged() {
		let home = tempfile::tempdir().unwrap();
		let database = Database::open(home.path(), "things.redb", &[THINGS]).unwrap();
		database.put(THINGS, b"one", &1u8).unwrap();
		let error = database.get::<u32>(THINGS, b"one").unwrap_err();
		assert_eq!((error.name(), error.exit_code()), ("Store", 7));
		assert!(error.to_string().contains("damaged"), "{error}");
	}
}
