//! Accounts that may act for a device besides its keys and its owner.

use crate::{AccountId, Action, UnixMs};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// What an operator may do. A grant without any action is refused.
#[derive(
	Clone, Copy, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct OperatorActions {
	/// May open, change and close what the device owns; deposits for it are within the owner's budget. Only the owner
	/// and keys change keys.
	pub manage: bool,
	/// May trade for the device, within the owner's budget.
	pub trade: bool,
	/// May suspend the device. Only the owner resumes it.
	pub suspend: bool,
}

impl OperatorActions {
	/// Every action.
	pub const ALL: Self = Self {
		manage: true,
		trade: true,
		suspend: true,
	};

	/// The actions as one byte: bit 0 manage, bit 1 trade, bit 2 suspend.
	pub fn bits(self) -> u8 {
		u8::from(self.manage) | u8::from(self.trade) << 1 | u8::from(self.suspend) << 2
	}

	/// True if no action is granted.
	pub fn is_empty(self) -> bool {
		self.bits() == 0
	}

	/// True if these actions cover what somebody wants to do for the device. Closing is part of managing.
	pub fn allows(self, action: Action) -> bool {
		match action {
			Action::Manage | Action::Close => self.manage,
			Action::Trade => self.trade,
		}
	}
}

/// A grant: one account that may act for one device.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Operator {
	/// Who may act.
	pub account: AccountId,
	/// What it may do.
	pub actions: OperatorActions,
	/// Last moment at which the grant is valid; `None` for no end.
	pub expires: Option<UnixMs>,
	/// The device's generation (owner changes) in which the grant was made. It is valid in no other.
	pub generation: u32,
}

impl Operator {
	/// True if the grant's time is over.
	pub fn is_expired(&self, now: UnixMs) -> bool {
		self.expires.is_some_and(|expires| now > expires)
	}
}
