//! Which devices something is done for.

use crate::{
	Result,
	chain::{Block, Chain},
};
use m2m_device::{AccountId, DeviceId};

/// Devices that are read from one block.
const LISTED_PER_PAGE: usize = 256;

/// Some devices.
pub enum Devices {
	/// These.
	Listed(Vec<DeviceId>),
	/// All that an account owns and that are not retired.
	AllOf(AccountId),
}

/// Devices page by page, each with the newest finalized block, so that a large fleet is not read from a state
/// that the node has pruned meanwhile.
pub(crate) struct Pages {
	devices: Devices,
	last: Option<DeviceId>,
}

impl Pages {
	pub(crate) fn new(devices: Devices) -> Self {
		Self { devices, last: None }
	}

	/// The next devices; `None` if there are no more.
	pub(crate) async fn next(&mut self, chain: &Chain) -> Result<Option<(Block, Vec<DeviceId>)>> {
		let block = chain.finalized().await?;
		let page = match &mut self.devices {
			Devices::Listed(devices) => {
				let rest = devices.split_off(devices.len().min(LISTED_PER_PAGE));
				std::mem::replace(devices, rest)
			}
			Devices::AllOf(owner) => block.devices_after(chain, owner, self.last.as_ref()).await?,
		};
		self.last = page.last().cloned();
		Ok((!page.is_empty()).then_some((block, page)))
	}
}
