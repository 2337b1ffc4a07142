//! Sizes and the pallet's own checks of its configuration.

use crate::{
	Call, DeviceKeys, DeviceOf, KeyEntry, Operators, RetiredDevice, Services, TransferOffers, mock::*,
};
use codec::MaxEncodedLen;
use frame_support::traits::{Hooks, StorageInfoTrait};

#[test]
fn a_call_fits_into_the_limit_of_a_runtime() {
	assert!(
		core::mem::size_of::<Call<Test>>() <= 232,
		"{}",
		core::mem::size_of::<Call<Test>>()
	);
}

#[test]
fn stored_values_have_known_largest_sizes() {
	assert_eq!(
		DeviceOf::<Test>::max_encoded_len(),
		32 + 1 + 8 + 4 + 4 + 4 + 4 + 16 + 33 + 33
	);
	assert_eq!(
		Operators::<Test>::storage_info()[0].max_size,
		Some(48 + 1 + 8 * (32 + 3 + 9 + 4))
	);
	assert_eq!(
		Services::<Test>::storage_info()[0].max_size,
		Some(48 + 1 + 8 * (33 + 33 + 130))
	);
	assert_eq!(
		TransferOffers::<Test>::storage_info()[0].max_size,
		Some(48 + 32 + 16 + 8)
	);
	assert_eq!(
		KeyEntry::max_encoded_len(),
		1 + 32 + 34 + 3 + 33 + 32 + 4 + 8 + 17
	);
	assert_eq!(RetiredDevice::max_encoded_len(), 32 + 8 + 4 + 4);
	assert_eq!(
		DeviceKeys::<Test>::storage_info()[0].max_size,
		Some(48 + 1 + 8 * 32)
	);
}

#[test]
fn the_configuration_of_the_mock_is_sound() {
	ExtBuilder::default().build_and_execute(|| {
		<Identity as Hooks<u64>>::integrity_test();
	});
}
