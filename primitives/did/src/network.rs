//! Identifiers: which network they name, and how they are written and read.

use crate::ResolutionError;
use m2m_device::{AccountId, DeviceId};
use sp_core::crypto::{Ss58AddressFormat, Ss58Codec};

/// Name of the DID method.
pub const METHOD: &str = "m2m";

/// Bytes of the genesis hash that name the network in a DID: 4, which are 8 hex digits.
const NETWORK_BYTES: usize = 4;
/// Bytes of the genesis hash that name the chain in CAIP-2's `polkadot` namespace: 16, which are 32 hex digits.
const CAIP2_BYTES: usize = 16;
/// Most characters of an SS58 address of 32 bytes: two bytes of prefix and two of checksum make 36 bytes. Longer
/// text is not decoded, because the time to decode base58 grows with the square of its length.
const MAX_ADDRESS_CHARS: usize = 50;

/// The chain that DIDs belong to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
	genesis: [u8; 32],
	ss58_prefix: u16,
}

impl Network {
	/// The chain with this genesis hash, which writes addresses with this SS58 prefix.
	pub fn new(genesis: [u8; 32], ss58_prefix: u16) -> Self {
		Self { genesis, ss58_prefix }
	}

	/// The network's name in DIDs: the first 8 hex digits of the genesis hash, lower case.
	pub fn name(&self) -> String {
		self.genesis_digits(NETWORK_BYTES)
	}

	/// The DID of a device.
	pub fn did(&self, device: &DeviceId) -> String {
		format!("did:{METHOD}:{}:{}", self.name(), self.address(device))
	}

	/// The DID that stands for an ordinary account of this chain, which has no document on it:
	/// `did:pkh:` and the account's CAIP-10 id.
	pub fn account_did(&self, account: &AccountId) -> String {
		format!(
			"did:pkh:polkadot:{}:{}",
			self.genesis_digits(CAIP2_BYTES),
			self.address(account)
		)
	}

	/// Reads a DID of this network. There is exactly one text for each device: another SS58 prefix, a checksum that
	/// does not fit, capital hex digits, a path or a fragment are all refused.
	///
	/// # Errors
	/// [`ResolutionError::InvalidDid`], [`ResolutionError::MethodNotSupported`] or [`ResolutionError::OtherNetwork`].
	pub fn parse(&self, text: &str) -> Result<DeviceId, ResolutionError> {
		let (method, id) = split_did(text).ok_or(ResolutionError::InvalidDid)?;
		if method != METHOD {
			return Err(ResolutionError::MethodNotSupported);
		}
		let (network, address) = id.split_once(':').ok_or(ResolutionError::InvalidDid)?;
		if !is_network_name(network) || address.len() > MAX_ADDRESS_CHARS {
			return Err(ResolutionError::InvalidDid);
		}
		let (device, _) =
			DeviceId::from_ss58check_with_version(address).map_err(|_| ResolutionError::InvalidDid)?;
		if network != self.name() {
			return Err(ResolutionError::OtherNetwork {
				named: network.into(),
				here: self.name(),
			});
		}
		if self.did(&device) != text {
			return Err(ResolutionError::InvalidDid);
		}
		Ok(device)
	}

	fn address(&self, account: &AccountId) -> String {
		account.to_ss58check_with_version(Ss58AddressFormat::custom(self.ss58_prefix))
	}

	fn genesis_digits(&self, bytes: usize) -> String {
		self.genesis
			.iter()
			.take(bytes)
			.map(|byte| format!("{byte:02x}"))
			.collect()
	}
}

fn is_network_name(text: &str) -> bool {
	text.len() == 2 * NETWORK_BYTES && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Method and method-specific id of a text that keeps the syntax of section 3.1 of DID Core.
fn split_did(text: &str) -> Option<(&str, &str)> {
	let (method, id) = text.strip_prefix("did:")?.split_once(':')?;
	let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
	if method.is_empty() || !method.bytes().all(is_name) || id.is_empty() || id.ends_with(':') {
		return None;
	}
	let mut bytes = id.bytes();
	while let Some(byte) = bytes.next() {
		let fits = match byte {
			b'%' => (0..2).all(|_| bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit())),
			b'.' | b'-' | b'_' | b':' => true,
			_ => byte.is_ascii_alphanumeric(),
		};
		if !fits {
			return None;
		}
	}
	Some((method, id))
}
