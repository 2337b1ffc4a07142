//! For whom somebody else pays fees.

use crate::{AccountId, DeviceId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Whose devices a sponsorship is for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Beneficiary {
	/// One device, as long as it keeps its owner.
	#[codec(index = 0)]
	Device(DeviceId),
	/// Every device of an owner, now and later.
	#[codec(index = 1)]
	Owner(AccountId),
}

impl Beneficiary {
	/// The account that stands for it: the device's wallet, or the owner.
	pub fn account(&self) -> &AccountId {
		match self {
			Self::Device(account) | Self::Owner(account) => account,
		}
	}
}
