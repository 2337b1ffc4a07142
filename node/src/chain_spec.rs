//! Chain specifications, from the runtime's genesis presets.

use m2m_runtime::{TOKEN_DECIMALS, TOKEN_SYMBOL, WASM_BINARY};
use sc_chain_spec::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sc_service::{ChainType, Properties};

/// A chain specification of this node.
pub type ChainSpec = sc_service::GenericChainSpec;

/// Address format: 42, the generic one, as in the runtime.
pub const SS58_FORMAT: u16 = 42;

fn properties() -> Properties {
	[
		("tokenSymbol".into(), TOKEN_SYMBOL.into()),
		("tokenDecimals".into(), TOKEN_DECIMALS.into()),
		("ss58Format".into(), SS58_FORMAT.into()),
	]
	.into_iter()
	.collect()
}

fn preset(name: &str, id: &str, chain_type: ChainType, preset: &str) -> Result<ChainSpec, String> {
	let wasm = WASM_BINARY
		.ok_or("this node was built without the runtime's wasm: build it without SKIP_WASM_BUILD")?;
	Ok(ChainSpec::builder(wasm, None)
		.with_name(name)
		.with_id(id)
		.with_protocol_id(id)
		.with_chain_type(chain_type)
		.with_properties(properties())
		.with_genesis_config_preset_name(preset)
		.build())
}

/// One node, well-known keys, a sudo key.
pub fn development() -> Result<ChainSpec, String> {
	preset(
		"M2M Development",
		"m2m_dev",
		ChainType::Development,
		DEV_RUNTIME_PRESET,
	)
}

/// Four validators with well-known keys, no sudo key.
pub fn local() -> Result<ChainSpec, String> {
	preset(
		"M2M Local Testnet",
		"m2m_local",
		ChainType::Local,
		LOCAL_TESTNET_RUNTIME_PRESET,
	)
}
