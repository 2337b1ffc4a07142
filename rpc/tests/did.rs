//! `did_resolve` over a client that has one device.

mod support;

use jsonrpsee::RpcModule;
use m2m_device::{AccountId, DeviceId, DeviceStatus};
use m2m_did::{DidRecord, Network, Resolution};
use m2m_rpc::{Did, DidApiServer};
use m2m_runtime_api::DidApi;
use serde_json::{Value, json};
use sp_api::{ApiError, ApiRef, ProvideRuntimeApi};
use sp_core::H256;
use std::sync::Arc;
use support::{BEFORE, BEST, Block, Client, GENESIS, PREFIX, PRUNED, UNKNOWN};

fn network() -> Network {
	Network::new(GENESIS.0, PREFIX)
}

/// The device: registered in the finalized block, retired in the best one.
fn record(status: DeviceStatus) -> DidRecord {
	DidRecord {
		device: DeviceId::new([0x55; 32]),
		owner: AccountId::new([0x22; 32]),
		status,
		generation: 1,
		auth_version: 2,
		keys: vec![],
		services: vec![],
	}
}

/// The runtime.
pub struct Api;

sp_api::mock_impl_runtime_apis! {
	impl DidApi<Block> for Api {
		#[advanced]
		fn did_document(&self, at: H256, device: DeviceId) -> Result<Option<DidRecord>, ApiError> {
			if at == PRUNED {
				return Err(ApiError::Application("state already discarded".into()));
			}
			let status = if at == BEST { DeviceStatus::Retired } else { DeviceStatus::Active };
			Ok(Some(record(status)).filter(|record| at != BEFORE && record.device == device))
		}
	}
}

impl ProvideRuntimeApi<Block> for Client {
	type Api = Api;

	fn runtime_api(&self) -> ApiRef<'_, Api> {
		Api.into()
	}
}

fn module() -> RpcModule<Did<Client, Block>> {
	Did::new(Arc::new(Client), PREFIX).into_rpc()
}

async fn resolve(did: &str, at: Option<H256>) -> Value {
	module().call("did_resolve", (did, at)).await.unwrap()
}

fn device() -> String {
	network().did(&record(DeviceStatus::Active).device)
}

fn error_of(result: &Value) -> &str {
	assert_eq!(result["didDocument"], Value::Null);
	assert_eq!(result["didDocumentMetadata"], json!({}));
	result["didResolutionMetadata"]["error"].as_str().unwrap()
}

#[tokio::test]
async fn a_device_is_resolved_as_of_the_last_finalized_block() {
	let expected =
		serde_json::to_value(Resolution::found(&network(), &record(DeviceStatus::Active))).unwrap();
	assert_eq!(resolve(&device(), None).await, expected);
	let alone: Value = module().call("did_resolve", [device()]).await.unwrap();
	assert_eq!(alone, expected);
}

#[tokio::test]
async fn a_device_is_resolved_as_of_a_given_block() {
	let expected =
		serde_json::to_value(Resolution::found(&network(), &record(DeviceStatus::Retired))).unwrap();
	assert_eq!(resolve(&device(), Some(BEST)).await, expected);
}

#[tokio::test]
async fn what_does_not_resolve_is_named_in_the_result() {
	let stranger = network().did(&DeviceId::new([0x66; 32]));
	let elsewhere = Network::new([0x44; 32], PREFIX).did(&DeviceId::new([0x55; 32]));
	for (did, at, error) in [
		(device().to_uppercase(), None, "invalidDid"),
		(format!("{}#key", device()), None, "invalidDid"),
		("did:key:z6Mk".into(), None, "methodNotSupported"),
		(elsewhere, None, "notFound"),
		(stranger, None, "notFound"),
		(device(), Some(BEFORE), "notFound"),
		(device(), Some(UNKNOWN), "notFound"),
		(device(), Some(PRUNED), "internalError"),
	] {
		assert_eq!(error_of(&resolve(&did, at).await), error, "{did} at {at:?}");
	}
}

#[tokio::test]
async fn the_message_tells_failures_of_the_same_name_apart() {
	let stranger = network().did(&DeviceId::new([0x66; 32]));
	let message = |result: Value| {
		result["didResolutionMetadata"]["message"]
			.as_str()
			.unwrap()
			.to_owned()
	};
	assert!(message(resolve(&stranger, None).await).contains("no such device"));
	assert!(message(resolve(&device(), Some(UNKNOWN)).await).contains("no such block"));
	assert!(message(resolve(&device(), Some(PRUNED)).await).contains("state already discarded"));
}

#[tokio::test]
async fn a_call_that_is_none_is_an_error_of_json_rpc() {
	let none: Result<Value, _> = module().call("did_resolve", (1, 2)).await;
	assert!(none.is_err());
	let block: Result<Value, _> = module().call("did_resolve", (device(), "yesterday")).await;
	assert!(block.is_err());
}
