//! The offer of a device to a new owner.

use crate::{AccountId, UnixMs};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// An owner's offer, open until it is accepted, taken back or replaced.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct TransferOffer<Balance = u128> {
	/// Who may accept it.
	pub to: AccountId,
	/// What the new owner pays to the old one, in the smallest unit of the token. Zero for a gift.
	pub price: Balance,
	/// Last moment at which it can be accepted.
	pub expires: UnixMs,
}
