//! Chains to start from. Both use well-known keys and are for development only.

use crate::{
	AccountId, Balance, BalancesConfig, DataMarketplaceConfig, EnergyTradingConfig, RuntimeGenesisConfig,
	SessionConfig, SessionKeys, SudoConfig, UNIT,
};
use alloc::{vec, vec::Vec};
use frame_support::build_struct_json_patch;
use serde_json::Value;
use sp_genesis_builder::{self, PresetId};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};

/// What each development account holds at genesis.
const ENDOWMENT: Balance = 1_000_000 * UNIT;

/// How far ahead a market's parameters change: a day, and a minute where one developer watches.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const DEVELOPMENT_NOTICE_MS: u64 = 60 * 1_000;

/// A validator of a development chain: account and block key are the sr25519 key, finality key the ed25519
/// key of the same name.
fn validator(sr25519: Sr25519Keyring, ed25519: Ed25519Keyring) -> (AccountId, AccountId, SessionKeys) {
	let account = sr25519.to_account_id();
	let keys = SessionKeys {
		aura: sr25519.public().into(),
		grandpa: ed25519.public().into(),
	};
	(account.clone(), account, keys)
}

fn genesis(
	validators: Vec<(AccountId, AccountId, SessionKeys)>,
	sudo: Option<AccountId>,
	notice_ms: u64,
) -> Value {
	build_struct_json_patch!(RuntimeGenesisConfig {
		balances: BalancesConfig {
			balances: Sr25519Keyring::iter()
				.filter(|key| *key != Sr25519Keyring::One && *key != Sr25519Keyring::Two)
				.map(|key| (key.to_account_id(), ENDOWMENT))
				.collect::<Vec<_>>(),
		},
		session: SessionConfig { keys: validators },
		// Minutes instead of hours and days, so that a demonstration sees a sale through.
		data_marketplace: DataMarketplaceConfig {
			min_reveal: 30,
			max_reveal: 300,
			min_dispute: 40,
			max_dispute: 400,
			max_validity: 20,
			unbonding: 720,
			notice: 30,
		},
		sudo: SudoConfig { key: sudo },
		energy_trading: EnergyTradingConfig { notice_ms },
	})
}

/// The genesis patch of a preset, by name.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
	let patch = match id.as_ref() {
		sp_genesis_builder::DEV_RUNTIME_PRESET => genesis(
			vec![validator(Sr25519Keyring::Alice, Ed25519Keyring::Alice)],
			Some(Sr25519Keyring::Alice.to_account_id()),
			DEVELOPMENT_NOTICE_MS,
		),
		sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET => genesis(
			vec![
				validator(Sr25519Keyring::Alice, Ed25519Keyring::Alice),
				validator(Sr25519Keyring::Bob, Ed25519Keyring::Bob),
				validator(Sr25519Keyring::Charlie, Ed25519Keyring::Charlie),
				validator(Sr25519Keyring::Dave, Ed25519Keyring::Dave),
			],
			None,
			DAY_MS,
		),
		_ => return None,
	};
	serde_json::to_vec(&patch).ok()
}

/// Names of the presets.
pub fn preset_names() -> Vec<PresetId> {
	vec![
		PresetId::from(sp_genesis_builder::DEV_RUNTIME_PRESET),
		PresetId::from(sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET),
	]
}
