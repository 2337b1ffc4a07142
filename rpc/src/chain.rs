//! What the methods of the markets share: state as of a block, accounts as text, and errors with names.

use jsonrpsee::types::ErrorObjectOwned;
use m2m_device::AccountId;
use sp_api::{ApiError, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use sp_core::{
	H256,
	crypto::{Ss58AddressFormat, Ss58Codec},
};
use sp_runtime::traits::Block as BlockT;
use std::{marker::PhantomData, num::NonZeroU32, sync::Arc};

/// Most characters of an SS58 address of 32 bytes. Longer text is not decoded, because the time to decode base58
/// grows with the square of its length.
const MAX_ADDRESS_CHARS: usize = 50;

/// Why a method of the markets fails. In JSON-RPC, `code` is [`Self::code`], `data` is [`Self::name`], and `message`
/// is the sentence. Parameters of the wrong type are JSON-RPC's own error -32602.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
	/// The block as of which to read is not known here.
	#[error("this node knows no block {0:#x}: name one that it has, or none for the last finalized one")]
	UnknownBlock(H256),
	/// A parameter is not the address of an account or device of this chain.
	#[error(
		"expected the SS58 address of an account or device of this chain, with prefix {prefix}, not {text:?}"
	)]
	InvalidAddress {
		/// The beginning of what was given.
		text: String,
		/// The chain's prefix.
		prefix: u16,
	},
	/// A condition of a search that no listing can be compared with.
	#[error("the filter cannot be used: {0}")]
	InvalidFilter(&'static str),
	/// The node cannot read the state of that block.
	#[error(
		"the state cannot be read ({0}): the block's state may be pruned, or its runtime older than the method"
	)]
	StateUnavailable(String),
}

impl ReadError {
	/// The code by which programs tell errors apart. Outside of the range that JSON-RPC reserves, and above those of
	/// the SDK's methods.
	pub fn code(&self) -> i32 {
		match self {
			Self::UnknownBlock(_) => 20_001,
			Self::InvalidAddress { .. } => 20_002,
			Self::InvalidFilter(_) => 20_003,
			Self::StateUnavailable(_) => 20_004,
		}
	}

	/// The name that goes with the code.
	pub fn name(&self) -> &'static str {
		match self {
			Self::UnknownBlock(_) => "UnknownBlock",
			Self::InvalidAddress { .. } => "InvalidAddress",
			Self::InvalidFilter(_) => "InvalidFilter",
			Self::StateUnavailable(_) => "StateUnavailable",
		}
	}
}

impl From<ReadError> for ErrorObjectOwned {
	fn from(error: ReadError) -> Self {
		Self::owned(error.code(), error.to_string(), Some(error.name()))
	}
}

/// How the chain writes accounts and devices.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
	prefix: u16,
}

impl Addresses {
	pub(crate) fn write(&self, account: &AccountId) -> String {
		account.to_ss58check_with_version(Ss58AddressFormat::custom(self.prefix))
	}

	/// Reads an address. There is exactly one text for each account: another prefix or a wrong checksum is refused.
	pub(crate) fn read(&self, text: &str) -> Result<AccountId, ReadError> {
		Some(text)
			.filter(|text| text.len() <= MAX_ADDRESS_CHARS)
			.and_then(|text| AccountId::from_ss58check_with_version(text).ok())
			.map(|(account, _)| account)
			.filter(|account| self.write(account) == text)
			.ok_or_else(|| ReadError::InvalidAddress {
				text: text.chars().take(MAX_ADDRESS_CHARS).collect(),
				prefix: self.prefix,
			})
	}
}

/// What a caller asks for at most; the runtime caps it.
pub(crate) fn most(limit: Option<NonZeroU32>) -> u32 {
	limit.map_or(u32::MAX, NonZeroU32::get)
}

/// A client's state.
pub(crate) struct Chain<C, Block> {
	client: Arc<C>,
	pub(crate) addresses: Addresses,
	block: PhantomData<Block>,
}

impl<C, Block> Chain<C, Block> {
	pub(crate) fn new(client: Arc<C>, ss58_prefix: u16) -> Self {
		Self {
			client,
			addresses: Addresses { prefix: ss58_prefix },
			block: PhantomData,
		}
	}
}

impl<C, Block> Chain<C, Block>
where
	Block: BlockT<Hash = H256>,
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block>,
{
	/// Asks the runtime as of the block `at`, or of the last finalized one.
	pub(crate) fn read<T>(
		&self,
		at: Option<H256>,
		ask: impl FnOnce(&C::Api, H256) -> Result<T, ApiError>,
	) -> Result<T, ReadError> {
		let block = at.unwrap_or_else(|| self.client.info().finalized_hash);
		self.client
			.number(block)
			.map_err(|error| ReadError::StateUnavailable(error.to_string()))?
			.ok_or(ReadError::UnknownBlock(block))?;
		let api = self.client.runtime_api();
		ask(&api, block).map_err(|error| ReadError::StateUnavailable(error.to_string()))
	}
}
