//! What is stored.

use crate::{Budget, Terms};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use m2m_device::{AccountId, Beneficiary, DeviceId, UnixMs};
use scale_info::TypeInfo;

/// Money, in the smallest unit of the token.
pub type Balance = u128;

/// Number of a sponsorship. Never used again.
pub type SponsorshipId = u32;

/// Most groups in one allow-list.
pub const MAX_CALL_GROUPS: u32 = 16;

/// Groups of calls that a sponsor pays for.
pub type AllowList<Group> = BoundedVec<Group, ConstU32<MAX_CALL_GROUPS>>;

/// Tells to which group a call belongs.
pub trait ClassifyCall<Call, Group> {
	/// The group, if calls of this kind can be sponsored. Only the call itself counts, never one inside it: a
	/// batch, a proxied or a delayed call belongs to no group.
	fn group(call: &Call) -> Option<Group>;
}

/// What a sponsor promised, and what is in use of it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Sponsorship<Group> {
	/// Who pays, and to whom the rest of the pot goes in the end.
	pub sponsor: AccountId,
	/// Whose fees.
	pub beneficiary: Beneficiary,
	/// For one device: its generation at the offer. With another owner the sponsorship is over.
	pub generation: Option<u32>,
	/// For which calls.
	pub calls: AllowList<Group>,
	/// How much for each device.
	pub terms: Terms,
	/// Last moment at which it pays.
	pub expires: Option<UnixMs>,
	/// Deposit for this record and its entries in the indices. It lies in the pot, out of reach of fees.
	pub deposit: Balance,
	/// Deposit for each bucket in state, likewise.
	pub bucket_deposit: Balance,
	/// How many buckets are in state.
	pub buckets: u32,
	/// True if the sponsor closed it while buckets were in state. The last one takes the record along.
	pub closed: bool,
}

impl<Group> Sponsorship<Group> {
	/// True if the sponsor pays for this device of this owner, in this generation.
	pub fn covers(&self, device: &DeviceId, owner: &AccountId, generation: u32) -> bool {
		match &self.beneficiary {
			Beneficiary::Device(named) => named == device && self.generation == Some(generation),
			Beneficiary::Owner(named) => named == owner,
		}
	}

	/// True if the promise no longer holds at `now`.
	pub fn is_expired(&self, now: UnixMs) -> bool {
		self.expires.is_some_and(|expires| now > expires)
	}

	/// What of the pot is deposit if there are `buckets` buckets.
	pub fn reserve(&self, buckets: u32) -> Balance {
		self.bucket_deposit
			.saturating_mul(buckets.into())
			.saturating_add(self.deposit)
	}
}

/// A budget and the deposit for it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct BudgetRecord {
	/// The budget.
	pub budget: Budget,
	/// The owner who set it, on whose account the deposit is held.
	pub payer: AccountId,
	/// The deposit.
	pub deposit: Balance,
}

/// What a sponsorship can still pay for one device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SponsoredRest<Group> {
	/// Number of the sponsorship.
	pub sponsorship: SponsorshipId,
	/// Its terms.
	pub record: Sponsorship<Group>,
	/// What the bucket pays now, in fees at multiplier one.
	pub bucket: Balance,
	/// What fees can take from the pot now.
	pub pot: Balance,
}
