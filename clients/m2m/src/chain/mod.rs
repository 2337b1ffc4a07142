//! Talking to a node: connect, read, submit.
//!
//! Calls, events and runtime APIs are found by name in the metadata of the connected chain, so no index is ever
//! hard-coded; their arguments are the very types that the runtime is compiled with. Before anything is sent, the
//! argument names are compared with the metadata and the encoded arguments are decoded by it, so that a chain of
//! another shape gives [`Error::IncompatibleChain`] and not a misread transaction.

mod bulk;
mod call;
pub mod data;
pub mod energy;
pub mod identity;
mod pipeline;
mod runtime;
pub mod sponsorship;
mod submit;
pub mod telemetry;

pub use bulk::{Bulk, CALLS_PER_TRANSACTION, Sent};
pub use call::Call;
pub use pipeline::Pipeline;
pub use runtime::{NodeStatus, Spec};
pub(crate) use submit::is_unpaid;
pub use submit::{Included, Pending, hint};

use crate::{Error, Result, keys, keys::Key};
use call::check_arguments;
use codec::{Decode, DecodeAll, Encode};
use m2m_device::AccountId;
use std::{path::Path, sync::Arc, time::Duration};
use subxt::{
	OnlineClient, OnlineClientAtBlock, SubstrateConfig,
	config::substrate::H256,
	events::Events,
	rpcs::{RpcClient, client::rpc_params},
};
use tokio::sync::Mutex;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a node may take to show that it is still there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection to a node.
pub struct Chain {
	client: OnlineClient<SubstrateConfig>,
	rpc: RpcClient,
	url: String,
	genesis: [u8; 32],
	/// The block in which a transaction was found last: the next one is often in it, too.
	read: Mutex<Option<ReadBlock>>,
}

/// A block with what is looked up for each transaction in it.
#[derive(Clone)]
struct ReadBlock {
	block: Block,
	/// Hashes of its extrinsics, in order.
	extrinsics: Arc<[H256]>,
	events: Arc<[RawEvent]>,
}

/// The state of the chain after one block.
#[derive(Clone)]
pub struct Block {
	at: OnlineClientAtBlock<SubstrateConfig>,
	/// Its number.
	pub number: u32,
	/// Its hash.
	pub hash: [u8; 32],
}

/// An event of a finalized block, with its fields still encoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawEvent {
	/// Index of the extrinsic that caused it, if one did.
	pub extrinsic: Option<u32>,
	/// The pallet.
	pub pallet: String,
	/// The event.
	pub name: String,
	/// The fields, SCALE-encoded one after the other.
	pub fields: Vec<u8>,
}

impl RawEvent {
	/// True if this is the event `name` of `pallet`.
	pub fn is(&self, pallet: &str, name: &str) -> bool {
		self.pallet == pallet && self.name == name
	}

	/// Decodes the fields as a tuple of their types.
	pub fn decode<T: Decode>(&self) -> Result<T> {
		T::decode_all(&mut self.fields.as_slice()).map_err(|_| {
			Error::IncompatibleChain(format!(
				"the event {}.{} has other fields",
				self.pallet, self.name
			))
		})
	}
}

/// What an account holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Decode)]
pub struct Balance {
	/// Free to spend, except for the existential deposit.
	pub free: u128,
	/// On hold for deposits.
	pub reserved: u128,
	/// Frozen part of `free`.
	pub frozen: u128,
}

impl Chain {
	/// Connects to a node.
	pub async fn connect(url: &str) -> Result<Self> {
		let shown = masked(url);
		let unreachable = |cause: String| Error::NodeUnreachable {
			url: shown.clone(),
			cause: cause.replace(url, &shown),
		};
		if !url.starts_with("ws://") && !url.starts_with("wss://") {
			return Err(Error::Usage(format!(
				"`{shown}` is not a node's address: write it as in ws://127.0.0.1:9944"
			)));
		}
		let connect = async {
			let rpc = RpcClient::from_insecure_url(url)
				.await
				.map_err(|error| unreachable(error.to_string()))?;
			let client = OnlineClient::<SubstrateConfig>::from_rpc_client(rpc.clone())
				.await
				.map_err(|error| unreachable(error.to_string()))?;
			Ok::<_, Error>((rpc, client))
		};
		let (rpc, client) = tokio::time::timeout(CONNECT_TIMEOUT, connect)
			.await
			.map_err(|_| unreachable(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())))??;
		let genesis = client.genesis_hash().0;
		Ok(Self {
			client,
			rpc,
			url: shown,
			genesis,
			read: Mutex::new(None),
		})
	}

	/// The node's address as it may be shown, without passwords.
	pub fn url(&self) -> &str {
		&self.url
	}

	/// Hash of the chain's first block. It names the chain in everything that is signed.
	pub fn genesis(&self) -> &[u8; 32] {
		&self.genesis
	}

	/// Fails unless `genesis` names this chain; `what` is what belongs to it.
	pub fn expect_genesis(&self, what: &str, genesis: &[u8; 32]) -> Result<()> {
		if *genesis == self.genesis {
			return Ok(());
		}
		Err(Error::WrongChain {
			what: what.into(),
			expected: format!("0x{}", hex::encode(genesis)),
			found: format!("0x{}", hex::encode(self.genesis)),
			url: self.url.clone(),
		})
	}

	/// Turns an error of the transport or the node into ours: if the node does not answer any more, the connection
	/// is what failed.
	pub(crate) async fn explain(&self, error: impl std::fmt::Display) -> Error {
		let error = error.to_string();
		let probe = self.rpc.request::<String>("system_chain", rpc_params![]);
		match tokio::time::timeout(PROBE_TIMEOUT, probe).await {
			Ok(Ok(_)) => Error::Node(error),
			_ => Error::ConnectionLost {
				url: self.url.clone(),
				cause: error,
			},
		}
	}

	/// The last finalized block.
	pub async fn finalized(&self) -> Result<Block> {
		match self.client.at_current_block().await {
			Ok(at) => Ok(Block::new(at)),
			Err(error) => Err(self.explain(error).await),
		}
	}

	/// A block by number. Only finalized numbers make sense.
	pub async fn block(&self, number: u32) -> Result<Block> {
		match self.client.at_block(number).await {
			Ok(at) => Ok(Block::new(at)),
			Err(error) => Err(self.explain(error).await),
		}
	}

	/// The block with this hash.
	pub(crate) async fn block_of(&self, hash: H256) -> Result<Block> {
		match self.client.at_block(hash).await {
			Ok(at) => Ok(Block::new(at)),
			Err(error) => Err(self.explain(error).await),
		}
	}

	/// Hash of the block with this number on the best chain, if it has one.
	pub async fn hash_of(&self, number: u32) -> Result<Option<[u8; 32]>> {
		match self
			.rpc
			.request::<Option<H256>>("chain_getBlockHash", rpc_params![number])
			.await
		{
			Ok(hash) => Ok(hash.map(|hash| hash.0)),
			Err(error) => Err(self.explain(error).await),
		}
	}

	/// The next nonce of an account, counting what waits in the node's pool.
	pub async fn next_nonce(&self, account: &AccountId) -> Result<u64> {
		let address = keys::address(account);
		match self
			.rpc
			.request::<u64>("system_accountNextIndex", rpc_params![address])
			.await
		{
			Ok(nonce) => Ok(nonce),
			Err(error) => Err(self.explain(error).await),
		}
	}

	/// Refuses a development key on a live chain; `file` is where the key came from.
	pub async fn check_signer(&self, key: &Key, file: &Path) -> Result<()> {
		if !key.is_development() {
			return Ok(());
		}
		let kind: serde_json::Value = match self.rpc.request("system_chainType", rpc_params![]).await {
			Ok(kind) => kind,
			Err(error) => return Err(self.explain(error).await),
		};
		match kind.as_str() {
			Some("Development" | "Local") => Ok(()),
			_ => Err(Error::DevelopmentKey {
				file: file.to_owned(),
				url: self.url.clone(),
			}),
		}
	}

	/// What an account holds in the last finalized block.
	pub async fn balance(&self, account: &AccountId) -> Result<Balance> {
		self.finalized().await?.balance(self, account).await
	}

	/// The transfer that keeps the sender's account alive.
	pub fn transfer_call(to: &AccountId, amount: u128) -> Call {
		// `MultiAddress::Id` is variant 0; the check against the metadata would notice another.
		let destination = (0u8, to).encode();
		Call::new("Balances", "transfer_keep_alive")
			.raw_argument("dest", destination)
			.argument("value", &codec::Compact(amount))
	}

	/// Several calls in one transaction: all take effect or none.
	pub async fn all_or_nothing(&self, calls: &[Call]) -> Result<Call> {
		self.together("batch_all", calls).await
	}

	/// Several calls in one transaction: one that is refused changes nothing and the others stand.
	pub(crate) async fn each_for_itself(&self, calls: &[Call]) -> Result<Call> {
		self.together("force_batch", calls).await
	}

	async fn together(&self, name: &'static str, calls: &[Call]) -> Result<Call> {
		let block = self.finalized().await?;
		let mut encoded = codec::Compact(calls.len() as u32).encode();
		for call in calls {
			encoded.extend(call.encode(block.at.metadata_ref())?);
		}
		Ok(Call::new("Utility", name).raw_argument("calls", encoded))
	}
}

/// An address without what may be secret in it: user, password and query.
fn masked(url: &str) -> String {
	let (address, query) = match url.split_once('?') {
		Some((address, _)) => (address, "?***"),
		None => (url, ""),
	};
	let (scheme, rest) = match address.split_once("://") {
		Some((scheme, rest)) => (format!("{scheme}://"), rest),
		None => (String::new(), address),
	};
	let (host, path) = match rest.split_once('/') {
		Some((host, path)) => (host, format!("/{path}")),
		None => (rest, String::new()),
	};
	match host.rsplit_once('@') {
		Some((_, host)) => format!("{scheme}***@{host}{path}{query}"),
		None => format!("{scheme}{host}{path}{query}"),
	}
}

impl Block {
	fn new(at: OnlineClientAtBlock<SubstrateConfig>) -> Self {
		let number = u32::try_from(at.block_number()).unwrap_or(u32::MAX);
		let hash = at.block_hash().0;
		Self { at, number, hash }
	}

	/// Calls a runtime API in the state after this block. `arguments` are names and encoded values.
	pub async fn read<T: Decode>(
		&self,
		chain: &Chain,
		api: &str,
		method: &str,
		arguments: &[(&str, Vec<u8>)],
	) -> Result<T> {
		let metadata = self.at.metadata_ref();
		let declared = metadata
			.runtime_api_trait_by_name(api)
			.and_then(|api| api.method_by_name(method))
			.ok_or_else(|| Error::IncompatibleChain(format!("it has no runtime API {api}.{method}")))?;
		let declared: Vec<(String, u32)> = declared
			.inputs()
			.map(|input| (input.name.to_string(), input.id))
			.collect();
		check_arguments(&format!("{api}.{method}"), &declared, arguments, metadata)?;
		let parameters: Vec<u8> = arguments
			.iter()
			.flat_map(|(_, value)| value.iter().copied())
			.collect();
		let answer = self
			.at
			.runtime_apis()
			.call_raw(&format!("{api}_{method}"), Some(&parameters))
			.await;
		let answer = match answer {
			Ok(answer) => answer,
			Err(error) => return Err(chain.explain(error).await),
		};
		T::decode_all(&mut answer.as_slice())
			.map_err(|_| Error::IncompatibleChain(format!("{api}.{method} answers with another type")))
	}

	/// What an account holds after this block.
	pub async fn balance(&self, chain: &Chain, account: &AccountId) -> Result<Balance> {
		#[derive(Decode)]
		struct AccountInfo {
			_nonce: u32,
			_consumers: u32,
			_providers: u32,
			_sufficients: u32,
			data: Balance,
			_flags: u128,
		}
		let bytes: [u8; 32] = *account.as_ref();
		let entry = subxt::dynamic::storage::<_, subxt::dynamic::Value>("System", "Account");
		match self
			.at
			.storage()
			.try_fetch(entry, (subxt::utils::AccountId32(bytes),))
			.await
		{
			Ok(None) => Ok(Balance::default()),
			Ok(Some(value)) => AccountInfo::decode_all(&mut value.bytes())
				.map(|info| info.data)
				.map_err(|_| Error::IncompatibleChain("accounts are stored in another form".into())),
			Err(error) => Err(chain.explain(error).await),
		}
	}

	/// Every event of this block.
	pub async fn events(&self, chain: &Chain) -> Result<Vec<RawEvent>> {
		let events: Events<SubstrateConfig> = match self.at.events().fetch().await {
			Ok(events) => events,
			Err(error) => return Err(chain.explain(error).await),
		};
		events
			.iter()
			.map(|event| {
				let event = event.map_err(|error| Error::IncompatibleChain(error.to_string()))?;
				let extrinsic = match event.phase() {
					subxt::events::Phase::ApplyExtrinsic(index) => Some(index),
					_ => None,
				};
				Ok(RawEvent {
					extrinsic,
					pallet: event.pallet_name().into(),
					name: event.event_name().into(),
					fields: event.field_bytes().to_vec(),
				})
			})
			.collect()
	}

	/// The named form of a dispatch error as events carry it, such as `Telemetry::AlreadyAnchored`.
	pub fn name_error(&self, error: &[u8]) -> String {
		match subxt::error::DispatchError::decode_from(error.to_vec(), self.at.metadata()) {
			Ok(subxt::error::DispatchError::Module(module)) => module.details_string(),
			Ok(other) => other.to_string(),
			Err(_) => format!(
				"an error that this version cannot name (0x{})",
				hex::encode(error)
			),
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn an_address_is_shown_without_its_secrets() {
		for (url, shown) in [
			("ws://127.0.0.1:9944", "ws://127.0.0.1:9944"),
			("wss://node.example/rpc", "wss://node.example/rpc"),
			(
				"wss://me:secret@node.example:443/rpc?token=secret",
				"wss://***@node.example:443/rpc?***",
			),
			("me:secret@node.example", "***@node.example"),
			("wss://node.example?token=secret/@", "wss://node.example?***"),
		] {
			assert_eq!(masked(url), shown);
		}
	}
}
