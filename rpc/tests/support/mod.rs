//! A client that knows four blocks and no state: each test file says what the runtime answers.

// Each test file is a program of its own and uses a part of this.
#![allow(dead_code)]

use jsonrpsee::{MethodsError, RpcModule, types::ErrorObjectOwned};
use m2m_device::AccountId;
use serde_json::Value;
use sp_api::ApiError;
use sp_blockchain::{BlockStatus, HeaderBackend, Info};
use sp_core::{
	H256,
	crypto::{Ss58AddressFormat, Ss58Codec},
};
use sp_runtime::{OpaqueExtrinsic, generic, traits::BlakeTwo256};

pub type Header = generic::Header<u32, BlakeTwo256>;
pub type Block = generic::Block<Header, OpaqueExtrinsic>;

pub const GENESIS: H256 = H256([0x11; 32]);
pub const BEFORE: H256 = H256([0xbe; 32]);
pub const FINALIZED: H256 = H256([0xf1; 32]);
pub const BEST: H256 = H256([0xb5; 32]);
/// A block whose state is gone: answers fail.
pub const PRUNED: H256 = H256([0x99; 32]);
/// A block that the client never saw.
pub const UNKNOWN: H256 = H256([0xee; 32]);

/// SS58 prefix of the chain.
pub const PREFIX: u16 = 42;

pub struct Client;

impl HeaderBackend<Block> for Client {
	fn header(&self, _: H256) -> sp_blockchain::Result<Option<Header>> {
		Ok(None)
	}

	fn info(&self) -> Info<Block> {
		Info {
			best_hash: BEST,
			best_number: 3,
			genesis_hash: GENESIS,
			finalized_hash: FINALIZED,
			finalized_number: 2,
			finalized_state: None,
			number_leaves: 1,
			block_gap: None,
		}
	}

	fn status(&self, _: H256) -> sp_blockchain::Result<BlockStatus> {
		Ok(BlockStatus::Unknown)
	}

	fn number(&self, hash: H256) -> sp_blockchain::Result<Option<u32>> {
		let known = [PRUNED, BEFORE, FINALIZED, BEST];
		Ok((0u32..)
			.zip(known)
			.find(|(_, block)| *block == hash)
			.map(|(number, _)| number))
	}

	fn hash(&self, _: u32) -> sp_blockchain::Result<Option<H256>> {
		Ok(None)
	}
}

/// `value`, which exists since the block after [`BEFORE`].
pub fn since<T: Default>(at: H256, value: T) -> Result<T, ApiError> {
	if at == PRUNED {
		return Err(ApiError::Application("state already discarded".into()));
	}
	Ok(if at == BEFORE { T::default() } else { value })
}

/// An address of the chain.
pub fn address(account: &AccountId) -> String {
	account.to_ss58check_with_version(Ss58AddressFormat::custom(PREFIX))
}

/// Calls a method with a list of parameters.
pub async fn call<M: Send + Sync + 'static>(
	module: &RpcModule<M>,
	method: &str,
	parameters: Value,
) -> Result<Value, ErrorObjectOwned> {
	let answer = module.call(method, parameters.as_array().unwrap().clone()).await;
	answer.map_err(|error| match error {
		MethodsError::JsonRpc(error) => error,
		other => panic!("{other}"),
	})
}

/// The same with the block as of which to read, which comes last.
pub async fn call_at<M: Send + Sync + 'static>(
	module: &RpcModule<M>,
	method: &str,
	parameters: Value,
	at: H256,
) -> Result<Value, ErrorObjectOwned> {
	let mut parameters = parameters.as_array().unwrap().clone();
	parameters.push(serde_json::to_value(at).unwrap());
	call(module, method, parameters.into()).await
}

/// Code and name of an error.
pub fn named(error: &ErrorObjectOwned) -> (i32, String) {
	let name = error
		.data()
		.map(|data| serde_json::from_str(data.get()).unwrap())
		.unwrap_or_default();
	(error.code(), name)
}
