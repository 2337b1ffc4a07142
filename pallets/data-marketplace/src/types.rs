//! What the pallet needs besides `m2m_fair_exchange::market`.

use m2m_anchor::StreamId;
use m2m_device::DeviceId;

/// Money, in the smallest unit of the token.
pub type Balance = u128;

/// What the market asks about streams, without knowing the pallet that keeps them.
pub trait StreamInspect {
	/// Whether an open stream is private; `None` if the device has no such open stream.
	fn is_private(device: &DeviceId, stream: StreamId) -> Option<bool>;
	/// One more than the largest sequence number that the stream has used.
	fn next_seq(device: &DeviceId, stream: StreamId) -> u64;
}
