//! Calls and reads of the sponsorship pallet: who pays for devices.

use super::{Block, Call, Chain, RawEvent};
use crate::{Error, Result};
use codec::Encode;
use m2m_device::{AccountId, Beneficiary, DeviceId, UnixMs};
use m2m_runtime_api::{CallGroup, Remaining, SponsorshipDetails};

/// Number of a sponsorship.
pub type SponsorshipId = u32;

const PALLET: &str = "FeeSponsorship";
const API: &str = "SponsorshipApi";
/// Most sponsorships in one answer of the node.
const SPONSORSHIPS_PER_READ: u32 = 256;

/// What a sponsor offers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
	/// One device, or all devices of an owner.
	pub beneficiary: Beneficiary,
	/// Calls that are paid for.
	pub calls: Vec<CallGroup>,
	/// What one device can spend at once, as fee at multiplier one.
	pub capacity: u128,
	/// What one device gets back each block, as fee at multiplier one.
	pub refill: u128,
	/// Last moment at which it pays.
	pub expires: Option<UnixMs>,
	/// What goes into the pot for fees.
	pub amount: u128,
}

/// Offers to pay for devices.
pub fn offer(offer: &Offer) -> Call {
	Call::new(PALLET, "offer")
		.argument("beneficiary", &offer.beneficiary)
		.argument("calls", &offer.calls)
		.argument("capacity", &offer.capacity)
		.argument("refill", &offer.refill)
		.argument("expires", &offer.expires)
		.argument("amount", &offer.amount)
}

/// Takes an offer, in the place of what the device or owner had before.
pub fn attach(sponsorship: SponsorshipId) -> Call {
	Call::new(PALLET, "attach").argument("sponsorship", &sponsorship)
}

/// Stops using a sponsorship.
pub fn detach(sponsorship: SponsorshipId) -> Call {
	Call::new(PALLET, "detach").argument("sponsorship", &sponsorship)
}

/// Puts more money into a pot.
pub fn top_up(sponsorship: SponsorshipId, amount: u128) -> Call {
	Call::new(PALLET, "top_up")
		.argument("sponsorship", &sponsorship)
		.argument("amount", &amount)
}

/// Ends a sponsorship and returns its pot to the sponsor.
pub fn close(sponsorship: SponsorshipId) -> Call {
	Call::new(PALLET, "close").argument("sponsorship", &sponsorship)
}

/// Removes a device's bucket, if it is full or its sponsorship closed. What it held goes back to the pot, or
/// with the last bucket of a closed sponsorship to the sponsor.
pub fn prune_bucket(sponsorship: SponsorshipId, device: &DeviceId) -> Call {
	Call::new(PALLET, "prune_buckets")
		.argument("sponsorship", &sponsorship)
		.argument("devices", &vec![device])
}

/// Limits what keys and operators of a device may spend from its wallet in each period.
pub fn set_budget(device: &DeviceId, limit: u128, period_ms: u64) -> Call {
	Call::new(PALLET, "set_budget")
		.argument("device", device)
		.argument("limit", &limit)
		.argument("period_ms", &period_ms)
}

/// Takes the budget away: keys and operators of the device spend nothing.
pub fn clear_budget(device: &DeviceId) -> Call {
	Call::new(PALLET, "clear_budget").argument("device", device)
}

/// Number and pot of the sponsorship that a call offered.
pub fn offered(events: &[RawEvent]) -> Result<(SponsorshipId, AccountId)> {
	let event = events
		.iter()
		.find(|event| event.is(PALLET, "SponsorshipOffered"))
		.ok_or_else(|| Error::IncompatibleChain("it reports no offered sponsorship".into()))?;
	let (id, _, _, pot, _): (SponsorshipId, AccountId, Beneficiary, AccountId, u128) = event.decode()?;
	Ok((id, pot))
}

/// What closing a sponsorship returned, and how many rows of buckets are left to prune.
pub fn closed(events: &[RawEvent]) -> Result<(u128, u32)> {
	let event = events
		.iter()
		.find(|event| event.is(PALLET, "SponsorshipClosed"))
		.ok_or_else(|| Error::IncompatibleChain("it reports no closed sponsorship".into()))?;
	let (_, returned, buckets): (SponsorshipId, u128, u32) = event.decode()?;
	Ok((returned, buckets))
}

impl Block {
	/// What a device can still spend.
	pub async fn remaining(&self, chain: &Chain, device: &DeviceId) -> Result<Remaining> {
		self.read(chain, API, "remaining", &[("device", device.encode())])
			.await
	}

	/// A sponsorship.
	pub async fn sponsorship(
		&self,
		chain: &Chain,
		sponsorship: SponsorshipId,
	) -> Result<Option<SponsorshipDetails>> {
		let arguments = [("sponsorship", sponsorship.encode())];
		self.read(chain, API, "sponsorship", &arguments).await
	}

	/// Every sponsorship of a sponsor, in order of numbers.
	pub async fn sponsorships_of(&self, chain: &Chain, sponsor: &AccountId) -> Result<Vec<SponsorshipId>> {
		let mut found: Vec<SponsorshipId> = Vec::new();
		loop {
			let arguments = [
				("sponsor", sponsor.encode()),
				("after", found.last().encode()),
				("limit", SPONSORSHIPS_PER_READ.encode()),
			];
			let page: Vec<SponsorshipId> = self.read(chain, API, "sponsorships_of", &arguments).await?;
			if page.is_empty() {
				found.sort_unstable();
				return Ok(found);
			}
			found.extend(page);
		}
	}
}
