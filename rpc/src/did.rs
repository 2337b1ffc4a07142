//! `did_resolve`: the W3C DID document of a device.

use crate::DidRuntimeApi;
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use m2m_did::{DidRecord, Network, Resolution, ResolutionError};
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_core::H256;
use sp_runtime::traits::Block as BlockT;
use std::{marker::PhantomData, sync::Arc};

/// Decentralized identifiers.
#[rpc(server)]
pub trait DidApi<Hash> {
	/// Resolves the DID of a device as of the last finalized block, or of the block `at`.
	///
	/// The answer is always a DID resolution result. What does not resolve is named there, as DID Core asks
	/// (`invalidDid`, `methodNotSupported`, `notFound`, `internalError`), and is no JSON-RPC error: a caller hands the
	/// result on to any DID library, and an error of JSON-RPC stays an error of the call.
	#[method(name = "did_resolve", blocking)]
	fn resolve(&self, did: String, at: Option<Hash>) -> RpcResult<Resolution>;
}

/// Answers from a client's state.
pub struct Did<C, Block> {
	client: Arc<C>,
	network: Network,
	block: PhantomData<Block>,
}

impl<C, Block> Did<C, Block>
where
	Block: BlockT<Hash = H256>,
	C: HeaderBackend<Block>,
{
	/// Resolves DIDs of the client's chain, which writes addresses with this SS58 prefix.
	pub fn new(client: Arc<C>, ss58_prefix: u16) -> Self {
		let network = Network::new(client.info().genesis_hash.0, ss58_prefix);
		Self {
			client,
			network,
			block: PhantomData,
		}
	}
}

impl<C, Block> Did<C, Block>
where
	Block: BlockT<Hash = H256>,
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block>,
	C::Api: DidRuntimeApi<Block>,
{
	fn record(&self, did: &str, at: Option<H256>) -> Result<DidRecord, ResolutionError> {
		let device = self.network.parse(did)?;
		let block = at.unwrap_or_else(|| self.client.info().finalized_hash);
		self.client
			.number(block)
			.map_err(|error| ResolutionError::Internal(error.to_string()))?
			.ok_or(ResolutionError::UnknownBlock)?;
		self.client
			.runtime_api()
			.did_document(block, device)
			.map_err(|error| ResolutionError::Internal(error.to_string()))?
			.ok_or(ResolutionError::UnknownDevice)
	}
}

impl<C, Block> DidApiServer<H256> for Did<C, Block>
where
	Block: BlockT<Hash = H256>,
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
	C::Api: DidRuntimeApi<Block>,
{
	fn resolve(&self, did: String, at: Option<H256>) -> RpcResult<Resolution> {
		Ok(match self.record(&did, at) {
			Ok(record) => Resolution::found(&self.network, &record),
			Err(error) => Resolution::failed(&error),
		})
	}
}
