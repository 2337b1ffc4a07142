//! Vouching for devices, one or a whole fleet.

use crate::{
	Result,
	chain::{Bulk, Chain, identity},
	keys::Key,
	selection::{Devices, Pages},
};
use m2m_device::{AccountId, DeviceId, DeviceStatus, Topic, UnixMs};
use m2m_runtime_api::{AttestationDetails, DeviceDetails};
use sp_core::H256;
use std::collections::BTreeSet;

/// What the chain would say of a device that it does not know.
const UNKNOWN_DEVICE: &str = "DeviceIdentity::UnknownDevice";

/// What an issuer says of devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statement {
	/// What it is about, such as `certified-meter`.
	pub topic: Topic,
	/// Hash of the document that says it.
	pub claim: H256,
	/// Last moment at which it counts.
	pub expires: UnixMs,
}

/// What an attestation of a device vouches for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vouched {
	/// The device.
	pub device: DeviceId,
	/// Its status, which the attestation says nothing of.
	pub status: DeviceStatus,
	/// The version of its signing keys.
	pub auth_version: u32,
	/// How often it had changed its owner.
	pub generation: u32,
	/// The keys that sign telemetry, for which the issuer vouches.
	pub signing_keys: Vec<AccountId>,
	/// True if the chain had the same statement, for at least as long, so that nothing was sent.
	pub before: bool,
}

/// What became of attestations.
pub struct Attested {
	/// The devices that the issuer vouches for now, refused ones left out.
	pub vouched: Vec<Vouched>,
	/// Devices that the chain refused, with the error.
	pub refused: Vec<(DeviceId, String)>,
	/// Transactions.
	pub transactions: usize,
	/// Fees, in smallest units.
	pub fees: u128,
}

/// Vouches for devices as they are in the last finalized block. A device whose keys or owner change before
/// the attestation is recorded is refused by the chain. What is recorded already is not sent again.
pub async fn attest(
	chain: &Chain,
	issuer: &Key,
	devices: Devices,
	statement: &Statement,
	mut progress: impl FnMut(usize),
) -> Result<Attested> {
	let account = issuer.account();
	let mut vouched = Vec::new();
	let mut unknown = Vec::new();
	let mut bulk = Bulk::new(chain, issuer);
	let mut pages = Pages::new(devices);
	while let Some((block, page)) = pages.next(chain).await? {
		for device in &page {
			let Some(known) = block.device(chain, device).await? else {
				unknown.push((device.clone(), UNKNOWN_DEVICE.into()));
				continue;
			};
			let existing = block.attestations(chain, device).await?;
			let before = existing
				.iter()
				.any(|existing| says_the_same(existing, &account, statement, &known));
			if !before {
				let call = identity::attest(
					device,
					statement.topic,
					statement.claim,
					known.auth_version,
					known.generation,
					statement.expires,
				);
				bulk.add(device.clone(), call).await?;
			}
			vouched.push(Vouched {
				device: device.clone(),
				status: known.status,
				auth_version: known.auth_version,
				generation: known.generation,
				signing_keys: signing_keys(&known),
				before,
			});
		}
		progress(page.len());
	}
	let sent = bulk.finish().await?;
	let refused_devices = devices_in(&sent.refused);
	vouched.retain(|vouched: &Vouched| !refused_devices.contains(&vouched.device));
	unknown.extend(sent.refused);
	Ok(Attested {
		vouched,
		refused: unknown,
		transactions: sent.transactions,
		fees: sent.fees,
	})
}

/// Takes the issuer's attestations of a topic back, where there are any.
pub async fn revoke(
	chain: &Chain,
	issuer: &Key,
	devices: Devices,
	topic: Topic,
	mut progress: impl FnMut(usize),
) -> Result<Revoked> {
	let account = issuer.account();
	let mut revoked = Vec::new();
	let mut bulk = Bulk::new(chain, issuer);
	let mut pages = Pages::new(devices);
	while let Some((block, page)) = pages.next(chain).await? {
		for device in &page {
			let existing = block.attestations(chain, device).await?;
			if existing
				.iter()
				.any(|existing| existing.issuer == account && existing.topic == topic)
			{
				bulk.add(device.clone(), identity::revoke_attestation(device, topic))
					.await?;
				revoked.push(device.clone());
			}
		}
		progress(page.len());
	}
	let sent = bulk.finish().await?;
	let refused_devices = devices_in(&sent.refused);
	revoked.retain(|device| !refused_devices.contains(device));
	Ok(Revoked {
		revoked,
		refused: sent.refused,
		fees: sent.fees,
	})
}

/// What became of revocations.
pub struct Revoked {
	/// Devices whose attestation is gone.
	pub revoked: Vec<DeviceId>,
	/// Devices for which the chain refused, with the error.
	pub refused: Vec<(DeviceId, String)>,
	/// Fees, in smallest units.
	pub fees: u128,
}

/// Accounts of the keys that sign telemetry of a device today. A key that waits for a new owner's
/// confirmation is not among them.
pub fn signing_keys(known: &DeviceDetails) -> Vec<AccountId> {
	known
		.device_keys
		.iter()
		.filter(|key| {
			key.roles.authenticate && key.valid_until.is_none() && key.generation == known.generation
		})
		.map(|key| key.public.account())
		.collect()
}

/// True if an attestation on chain says what is about to be said, of the same keys and owner and for at least
/// as long.
fn says_the_same(
	existing: &AttestationDetails,
	issuer: &AccountId,
	statement: &Statement,
	known: &DeviceDetails,
) -> bool {
	existing.issuer == *issuer
		&& existing.topic == statement.topic
		&& existing.claim == statement.claim
		&& existing.auth_version == known.auth_version
		&& existing.generation == known.generation
		&& existing.expires >= statement.expires
}

fn devices_in(refused: &[(DeviceId, String)]) -> BTreeSet<DeviceId> {
	refused.iter().map(|(device, _)| device.clone()).collect()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn what_is_said_already_is_not_said_again() {
		let issuer = AccountId::new([1; 32]);
		let statement = Statement {
			topic: Topic::from_text("certified-meter").unwrap(),
			claim: H256([2; 32]),
			expires: 1_000,
		};
		let known = DeviceDetails {
			device: AccountId::new([9; 32]),
			owner: AccountId::new([8; 32]),
			status: DeviceStatus::Active,
			status_since: 0,
			generation: 2,
			auth_version: 5,
			gateway: None,
			device_keys: Vec::new(),
			profile: None,
			operators: Vec::new(),
			services: Vec::new(),
			offer: None,
		};
		let existing = AttestationDetails {
			topic: statement.topic,
			issuer: issuer.clone(),
			claim: statement.claim,
			auth_version: 5,
			generation: 2,
			issued: 0,
			expires: 1_000,
			valid: true,
		};
		assert!(says_the_same(&existing, &issuer, &statement, &known));
		let changes: [fn(&mut AttestationDetails); 6] = [
			|other| other.auth_version = 4,
			|other| other.generation = 1,
			|other| other.claim = H256([3; 32]),
			|other| other.expires = 999,
			|other| other.topic = Topic::from_text("grid-user").unwrap(),
			|other| other.issuer = AccountId::new([4; 32]),
		];
		for change in changes {
			let mut other = existing.clone();
			change(&mut other);
			assert!(!says_the_same(&other, &issuer, &statement, &known), "{other:?}");
		}
	}
}
