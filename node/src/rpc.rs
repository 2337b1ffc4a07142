//! JSON-RPC beyond what every node of the SDK serves: nonces, fees, finality proofs, DIDs and markets.

use jsonrpsee::RpcModule;
use m2m_rpc::{
	Data, DataApiServer, DataRuntimeApi, Did, DidApiServer, DidRuntimeApi, Energy, EnergyApiServer,
	EnergyRuntimeApi,
};
use m2m_runtime::{AccountId, Balance, Nonce, opaque::Block};
use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
use sc_consensus_grandpa::FinalityProofProvider;
use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
use sc_rpc::SubscriptionTaskExecutor;
use sc_transaction_pool_api::TransactionPool;
use sp_api::ProvideRuntimeApi;
use sp_block_builder::BlockBuilder;
use sp_blockchain::{Error as BlockChainError, HeaderBackend, HeaderMetadata};
use std::sync::Arc;
use substrate_frame_rpc_system::{System, SystemApiServer};

use crate::{chain_spec::SS58_FORMAT, service::FullBackend};

/// What the finality methods need.
pub struct GrandpaDeps {
	/// Justifications as they come.
	pub justification_stream: sc_consensus_grandpa::GrandpaJustificationStream<Block>,
	/// The current voters.
	pub authority_set: sc_consensus_grandpa::SharedAuthoritySet<
		m2m_runtime::opaque::Hash,
		sp_runtime::traits::NumberFor<Block>,
	>,
	/// State of the current round.
	pub voter_state: sc_consensus_grandpa::SharedVoterState,
	/// Proofs of finality.
	pub finality_proofs: Arc<FinalityProofProvider<FullBackend, Block>>,
	/// Runs subscriptions.
	pub executor: SubscriptionTaskExecutor,
}

/// All our methods.
pub fn create<C, P>(
	client: Arc<C>,
	pool: Arc<P>,
	grandpa: GrandpaDeps,
) -> Result<RpcModule<()>, Box<dyn std::error::Error + Send + Sync>>
where
	C: ProvideRuntimeApi<Block>
		+ HeaderBackend<Block>
		+ HeaderMetadata<Block, Error = BlockChainError>
		+ Send
		+ Sync
		+ 'static,
	C::Api: substrate_frame_rpc_system::AccountNonceApi<Block, AccountId, Nonce>,
	C::Api: pallet_transaction_payment_rpc::TransactionPaymentRuntimeApi<Block, Balance>,
	C::Api: BlockBuilder<Block>,
	C::Api: DidRuntimeApi<Block>,
	C::Api: EnergyRuntimeApi<Block>,
	C::Api: DataRuntimeApi<Block>,
	P: TransactionPool + 'static,
{
	let mut module = RpcModule::new(());
	module.merge(System::new(client.clone(), pool).into_rpc())?;
	module.merge(TransactionPayment::new(client.clone()).into_rpc())?;
	module.merge(Did::<_, Block>::new(client.clone(), SS58_FORMAT).into_rpc())?;
	module.merge(Energy::<_, Block>::new(client.clone(), SS58_FORMAT).into_rpc())?;
	module.merge(Data::<_, Block>::new(client, SS58_FORMAT).into_rpc())?;
	module.merge(
		Grandpa::new(
			grandpa.executor,
			grandpa.authority_set,
			grandpa.voter_state,
			grandpa.justification_stream,
			grandpa.finality_proofs,
		)
		.into_rpc(),
	)?;
	Ok(module)
}
