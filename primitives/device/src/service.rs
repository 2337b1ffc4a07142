//! Where a device, or what it offers, can be reached.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::ConstU32;
use sp_runtime::BoundedVec;

/// Longest id and longest kind of a service, in bytes.
pub const MAX_SERVICE_NAME: u32 = 32;
/// Longest endpoint of a service, in bytes.
pub const MAX_SERVICE_ENDPOINT: u32 = 128;

/// Names a service among those of its device.
pub type ServiceId = BoundedVec<u8, ConstU32<MAX_SERVICE_NAME>>;

/// A service of a device, as its DID document shows it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Service {
	/// Its id within the device: letters, digits, `.`, `_` and `-`, at least one of them.
	pub id: ServiceId,
	/// What kind of service it is: printable ASCII without spaces, at least one character.
	pub kind: BoundedVec<u8, ConstU32<MAX_SERVICE_NAME>>,
	/// Where it is: a URI (RFC 3986) with a scheme.
	pub endpoint: BoundedVec<u8, ConstU32<MAX_SERVICE_ENDPOINT>>,
}

impl Service {
	/// True if all three parts have the form that their fields demand. Of the endpoint the scheme and the set of
	/// characters are checked, not the grammar of what follows the scheme.
	pub fn check(&self) -> bool {
		let is_id = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
		!self.id.is_empty()
			&& self.id.iter().all(is_id)
			&& !self.kind.is_empty()
			&& self.kind.iter().all(u8::is_ascii_graphic)
			&& is_uri(&self.endpoint)
	}
}

/// True for a scheme, a colon and at least one more character, all of which a URI may have.
fn is_uri(text: &[u8]) -> bool {
	let mut parts = text.splitn(2, |byte| *byte == b':');
	let (Some([first, scheme @ ..]), Some(rest)) = (parts.next(), parts.next()) else {
		return false;
	};
	let in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
	let in_rest = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(byte);
	first.is_ascii_alphabetic()
		&& scheme.iter().all(in_scheme)
		&& !rest.is_empty()
		&& rest.iter().all(in_rest)
}
