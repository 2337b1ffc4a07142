//! What a node and its runtime are, and whether they fit this client.

use super::{Block, Chain};
use crate::{Error, Result};
use codec::{Decode, DecodeAll};
use m2m_device::UnixMs;
use serde::{Deserialize, de::DeserializeOwned};
use std::num::NonZeroU64;
use subxt::{
	rpcs::client::{RpcParams, rpc_params},
	utils::H256,
};

/// What a node says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeStatus {
	/// Name of the program.
	pub name: String,
	/// Version of the program.
	pub version: String,
	/// Name of the chain.
	pub chain: String,
	/// Nodes that it is connected to.
	pub peers: u64,
	/// True while it is catching up with the chain.
	pub is_syncing: bool,
	/// True unless it is meant to run alone.
	pub should_have_peers: bool,
}

/// Name and version of a runtime.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Spec {
	/// Its name.
	#[serde(rename = "specName")]
	pub name: String,
	/// Its version.
	#[serde(rename = "specVersion")]
	pub version: u32,
}

impl Chain {
	async fn ask<T: DeserializeOwned>(&self, method: &str, params: RpcParams) -> Result<T> {
		match self.rpc.request(method, params).await {
			Ok(answer) => Ok(answer),
			Err(error) => Err(self.explain(error).await),
		}
	}

	/// What the node says of itself.
	pub async fn node_status(&self) -> Result<NodeStatus> {
		#[derive(Deserialize)]
		#[serde(rename_all = "camelCase")]
		struct Health {
			peers: u64,
			is_syncing: bool,
			should_have_peers: bool,
		}
		let health: Health = self.ask("system_health", rpc_params![]).await?;
		Ok(NodeStatus {
			name: self.ask("system_name", rpc_params![]).await?,
			version: self.ask("system_version", rpc_params![]).await?,
			chain: self.ask("system_chain", rpc_params![]).await?,
			peers: health.peers,
			is_syncing: health.is_syncing,
			should_have_peers: health.should_have_peers,
		})
	}

	/// The runtime of the best block.
	pub async fn spec(&self) -> Result<Spec> {
		self.ask("state_getRuntimeVersion", rpc_params![]).await
	}

	/// The newest block, which need not become final.
	pub async fn best(&self) -> Result<Block> {
		let hash: H256 = self.ask("chain_getBlockHash", rpc_params![]).await?;
		self.block_of(hash).await
	}
}

impl Block {
	/// The chain's clock after this block.
	pub async fn time(&self, chain: &Chain) -> Result<UnixMs> {
		let other_form = || Error::IncompatibleChain("its clock is stored in another form".into());
		let entry = subxt::dynamic::storage::<_, subxt::dynamic::Value>("Timestamp", "Now");
		match self.at.storage().try_fetch(entry, ()).await {
			Ok(None) => Err(other_form()),
			Ok(Some(value)) => UnixMs::decode_all(&mut value.bytes()).map_err(|_| other_form()),
			Err(error) => Err(chain.explain(error).await),
		}
	}

	/// Number of the block that is made this long after this one, or later if the chain misses blocks. The span is
	/// in milliseconds and rounded up to blocks.
	///
	/// # Errors
	/// [`Error::Usage`] if the chain does not count so far.
	pub async fn number_after(&self, chain: &Chain, span_ms: u64) -> Result<u32> {
		let slot_ms: u64 = self.read(chain, "AuraApi", "slot_duration", &[]).await?;
		let slot_ms = NonZeroU64::new(slot_ms)
			.ok_or_else(|| Error::IncompatibleChain("its blocks take no time".into()))?;
		u32::try_from(span_ms.div_ceil(slot_ms.get()))
			.ok()
			.and_then(|blocks| self.number.checked_add(blocks))
			.ok_or_else(|| Error::Usage("that is longer than blocks are counted: name a shorter time".into()))
	}

	/// What an account must hold to exist, in smallest units.
	pub fn existential_deposit(&self) -> Result<u128> {
		self.constant("Balances", "ExistentialDeposit")
	}

	fn constant<T: Decode>(&self, pallet: &str, name: &str) -> Result<T> {
		let address = subxt::dynamic::constant::<subxt::dynamic::Value>(pallet, name);
		let bytes = self
			.at
			.constants()
			.entry_bytes(address)
			.map_err(|_| Error::IncompatibleChain(format!("it has no constant {pallet}.{name}")))?;
		T::decode_all(&mut bytes.as_slice())
			.map_err(|_| Error::IncompatibleChain(format!("its constant {pallet}.{name} is of another type")))
	}

	/// True if the runtime has this call.
	pub fn has_call(&self, pallet: &str, call: &str) -> bool {
		self.at
			.metadata_ref()
			.pallet_by_name(pallet)
			.is_some_and(|pallet| pallet.call_variant_by_name(call).is_some())
	}

	/// True if the runtime has this method of a runtime API.
	pub fn has_api(&self, api: &str, method: &str) -> bool {
		self.at
			.metadata_ref()
			.runtime_api_trait_by_name(api)
			.is_some_and(|api| api.method_by_name(method).is_some())
	}
}
