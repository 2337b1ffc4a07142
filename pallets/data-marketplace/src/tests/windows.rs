//! The bounds of all windows: sound by default and from genesis.

use crate::{Bounds, GenesisConfig, mock::*};
use m2m_fair_exchange::market::Windows;
use sp_runtime::BuildStorage;

#[test]
fn genesis_sets_the_bounds() {
	ExtBuilder::execute(|| {
		assert_eq!(
			Bounds::<Test>::get(),
			Windows {
				min_reveal: REVEAL,
				max_reveal: 3 * REVEAL,
				min_dispute: DISPUTE,
				max_dispute: 3 * DISPUTE,
				max_validity: VALIDITY,
				unbonding: UNBONDING,
				notice: NOTICE,
			}
		);
		assert_eq!(Market::conditions().windows, Bounds::<Test>::get());
	});
}

#[test]
fn a_chain_without_bounds_of_its_own_has_those_of_production() {
	let mut externalities: sp_io::TestExternalities = RuntimeGenesisConfig::default()
		.build_storage()
		.expect("the genesis state builds")
		.into();
	externalities.execute_with(|| {
		assert_eq!(Market::conditions().windows, Windows::default());
		Bounds::<Test>::kill();
		assert_eq!(Market::conditions().windows, Windows::default());
		assert_eq!(Windows::default().min_reveal, 1_200);
		assert_eq!(Windows::default().min_dispute, 4_800);
		assert_eq!(Windows::default().max_validity, 600);
	});
}

#[test]
fn windows_that_contradict_each_other_are_refused() {
	let sound = Windows::default();
	assert!(sound.are_sound());
	let changes: [fn(&mut Windows); 8] = [
		|windows| windows.max_validity = windows.min_reveal,
		|windows| windows.max_validity = 0,
		|windows| windows.max_reveal = windows.min_reveal - 1,
		|windows| windows.max_dispute = windows.min_dispute - 1,
		|windows| windows.min_dispute = 0,
		|windows| windows.unbonding = windows.max_reveal + windows.max_dispute,
		|windows| windows.notice = windows.max_validity - 1,
		|windows| windows.max_dispute = u32::MAX,
	];
	for change in changes {
		let mut windows = sound;
		change(&mut windows);
		assert!(!windows.are_sound(), "{windows:?}");
	}
}

#[test]
#[should_panic(expected = "windows that contradict each other")]
fn a_genesis_with_such_windows_does_not_build() {
	let genesis = GenesisConfig::<Test> {
		max_validity: 1_200,
		..Default::default()
	};
	let _storage = genesis.build_storage();
}
