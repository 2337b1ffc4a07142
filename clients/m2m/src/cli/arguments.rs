//! Arguments that several commands take.

use super::{Context, account::account_or_device, device::owner_account};
use clap::Args;
use m2m::{Error, Result, batch::parse_hash, selection::Devices, time};
use m2m_device::{DeviceId, UnixMs};
use sp_core::H256;
use sp_runtime::traits::{BlakeTwo256, Hash};
use std::path::Path;

/// When something ends.
#[derive(Args)]
pub struct Until {
	/// How long from now, for instance 90s, 15m, 1h or 2d
	#[arg(long, value_name = "SPAN", conflicts_with = "until")]
	expires_in: Option<String>,
	/// Last moment, such as 2027-01-01T00:00:00Z
	#[arg(long, value_name = "TIME")]
	until: Option<String>,
}

impl Until {
	/// The last moment, if one is given.
	pub fn moment(&self) -> Result<Option<UnixMs>> {
		if let Some(until) = &self.until {
			return time::parse(until).map(Some);
		}
		let Some(span) = &self.expires_in else {
			return Ok(None);
		};
		Ok(Some(time::now().saturating_add(time::parse_span(span)?)))
	}

	/// The last moment, which must be given.
	pub fn required(&self) -> Result<UnixMs> {
		self.moment()?.ok_or_else(|| {
			Error::Usage(
				"say how long it shall hold, with --expires-in 30d or --until 2027-01-01T00:00:00Z".into(),
			)
		})
	}
}

/// Some devices, or a whole fleet.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Selection {
	/// Names in --home, or SS58 ids
	#[arg(num_args = 1.., value_name = "DEVICE")]
	devices: Vec<String>,
	/// All devices of this owner
	#[arg(long, value_name = "KEYFILE|ADDRESS")]
	all_of: Option<String>,
}

impl Selection {
	/// The devices; a name that stands twice counts once.
	pub fn devices(&self, context: &Context) -> Result<Devices> {
		if let Some(owner) = &self.all_of {
			return Ok(Devices::AllOf(owner_account(owner)?));
		}
		let mut seen = std::collections::BTreeSet::new();
		let mut devices: Vec<DeviceId> = Vec::new();
		for text in &self.devices {
			let device = account_or_device(context, text)?;
			if seen.insert(device.clone()) {
				devices.push(device);
			}
		}
		Ok(Devices::Listed(devices))
	}

	/// How many devices are named; 0 if it is not known before the chain is asked.
	pub fn named(&self) -> usize {
		self.devices.len()
	}
}

/// A hash given as such, or that of a file's content.
pub fn hash_or_file(text: &str) -> Result<H256> {
	match parse_hash(text) {
		Some(hash) => Ok(hash),
		None if text.starts_with("0x") && !Path::new(text).exists() => Err(Error::Usage(format!(
			"`{text}` is neither a hash of 0x and 64 hex digits nor a file"
		))),
		None => hash_of_file(Path::new(text)),
	}
}

/// Blake2-256 of a file's content.
pub fn hash_of_file(file: &Path) -> Result<H256> {
	let content = std::fs::read(file).map_err(|cause| match cause.kind() {
		std::io::ErrorKind::NotFound => Error::bad_file(file, "there is no such file"),
		_ => Error::io(file, cause),
	})?;
	Ok(BlakeTwo256::hash(&content))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_claim_is_a_hash_or_a_file() {
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("certificate.pdf");
		std::fs::write(&file, "certified").unwrap();
		let of_file = hash_or_file(&file.to_string_lossy()).unwrap();
		assert_eq!(of_file, BlakeTwo256::hash(b"certified"));
		assert_eq!(hash_or_file(&format!("{of_file:?}")).unwrap(), of_file);
		assert_eq!(hash_or_file("0x12").unwrap_err().exit_code(), 2);
		assert_eq!(hash_or_file("no such file").unwrap_err().exit_code(), 6);
	}

	#[test]
	fn an_end_is_a_span_or_a_moment() {
		let until = |expires_in: Option<&str>, until: Option<&str>| Until {
			expires_in: expires_in.map(str::to_owned),
			until: until.map(str::to_owned),
		};
		let before = time::now();
		let moment = until(Some("1h"), None).required().unwrap();
		assert!((before + 3_600_000..=time::now() + 3_600_000).contains(&moment));
		assert_eq!(
			until(None, Some("2016-06-13T12:15:00Z")).moment().unwrap(),
			Some(1_465_820_100_000)
		);
		assert_eq!(until(None, None).moment().unwrap(), None);
		assert!(
			until(None, None)
				.required()
				.unwrap_err()
				.to_string()
				.contains("--expires-in")
		);
		assert_eq!(until(Some("1w"), None).moment().unwrap_err().exit_code(), 2);
	}
}
