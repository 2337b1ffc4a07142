//! Taking over a device from another owner.

use crate::{
	Error, Result,
	chain::{Chain, identity},
	keys::{self, Device, Key},
	money, time,
};
use m2m_device::{AccountId, DeviceId, DeviceStatus, PossessionAction};
use m2m_runtime_api::DeviceDetails;
use std::path::Path;

/// A device that has a new owner.
pub struct Accepted {
	/// Who owned it.
	pub from: AccountId,
	/// What was paid, in smallest units.
	pub price: u128,
	/// How often the device has changed its owner now.
	pub generation: u32,
	/// Its status, which a transfer does not change.
	pub status: DeviceStatus,
	/// Keys that go on under the new owner.
	pub confirmed: Vec<AccountId>,
	/// The fee, in smallest units.
	pub fee: u128,
}

/// Takes a device that is offered to `owner`, if it is offered at `price`. With `confirm`, the device's key
/// in `home` goes on under the new owner by the same transaction: both happen or neither.
pub async fn accept(
	chain: &Chain,
	home: &Path,
	owner: &Key,
	device: &DeviceId,
	price: u128,
	confirm: bool,
) -> Result<Accepted> {
	let account = owner.account();
	let known = known_device(chain, device).await?;
	check_offer(&known, &account, price, time::now())?;
	let generation = known.generation.saturating_add(1);
	let mut calls = vec![identity::accept_transfer(device, known.generation, price)];
	let mut confirmed = Vec::new();
	if confirm {
		let local = Device::with_id(home, device)?.ok_or_else(|| {
			Error::Usage(format!(
				"there is no key of {} in {}: accept without --confirm-keys, and confirm its keys later with `m2m device confirm-key`, or give it a new one with `m2m device add-key`",
				keys::address(device),
				home.display()
			))
		})?;
		let after = DeviceDetails {
			owner: account,
			generation,
			..known.clone()
		};
		calls.push(confirmation(chain, &after, &local.key)?);
		confirmed.push(local.key.account());
	}
	let call = match calls.as_slice() {
		[only] => only.clone(),
		several => chain.all_or_nothing(several).await?,
	};
	let included = chain.submit(owner, &call).await?;
	Ok(Accepted {
		from: known.owner,
		price,
		generation,
		status: known.status,
		confirmed,
		fee: included.fee,
	})
}

/// Lets a key of a device go on under its owner. Returns the fee.
pub async fn confirm_key(chain: &Chain, owner: &Key, device: &DeviceId, key: &Key) -> Result<u128> {
	let known = known_device(chain, device).await?;
	if known.owner != owner.account() {
		return Err(Error::Usage(format!(
			"{} belongs to {}, not to {}: sign with its owner's key file",
			keys::address(device),
			keys::address(&known.owner),
			keys::address(&owner.account())
		)));
	}
	let call = confirmation(chain, &known, key)?;
	Ok(chain.submit(owner, &call).await?.fee)
}

async fn known_device(chain: &Chain, device: &DeviceId) -> Result<DeviceDetails> {
	chain
		.finalized()
		.await?
		.device(chain, device)
		.await?
		.ok_or_else(|| Error::Unknown(format!("the chain knows no device {}", keys::address(device))))
}

/// Fails unless the device is offered to this account at this price, so that nothing is paid for a mistake.
fn check_offer(known: &DeviceDetails, to: &AccountId, price: u128, now: m2m_device::UnixMs) -> Result<()> {
	let device = keys::address(&known.device);
	if known.owner == *to {
		return Err(Error::Usage(format!(
			"{device} is yours already; keys that wait for you are confirmed with `m2m device confirm-key`"
		)));
	}
	let Some(offer) = &known.offer else {
		return Err(Error::Usage(format!(
			"{device} is not offered to anybody: ask its owner {} to run `m2m device transfer`",
			keys::address(&known.owner)
		)));
	};
	if offer.to != *to {
		return Err(Error::Usage(format!(
			"{device} is offered to {}, not to {}",
			keys::address(&offer.to),
			keys::address(to)
		)));
	}
	if offer.price != price {
		return Err(Error::Usage(format!(
			"{device} is offered at {} M2M, not {} M2M: if you agree, say so with --price {}",
			money::format(offer.price),
			money::format(price),
			money::format(offer.price)
		)));
	}
	if offer.expires < now {
		return Err(Error::Usage(format!(
			"the offer of {device} expired at {}: ask its owner to offer it again, or check the clock of this machine",
			time::format(offer.expires)
		)));
	}
	Ok(())
}

/// The call by which `key` goes on under the owner named in `known`.
fn confirmation(chain: &Chain, known: &DeviceDetails, key: &Key) -> Result<crate::chain::Call> {
	let account = key.account();
	let record = known
		.device_keys
		.iter()
		.find(|record| record.public == key.public())
		.ok_or_else(|| {
			Error::Usage(format!(
				"{} is not a key of {}: its keys are shown by `m2m device show`",
				keys::address(&account),
				keys::address(&known.device)
			))
		})?;
	if record.valid_until.is_some() {
		return Err(Error::Usage(format!(
			"{} was rotated and signs nothing new: confirm the key that took its place",
			keys::address(&account)
		)));
	}
	if record.generation == known.generation {
		return Err(Error::Usage(format!(
			"{} needs no confirmation: it was introduced or confirmed by the present owner",
			keys::address(&account)
		)));
	}
	let proof = identity::prove_possession(
		chain.genesis(),
		PossessionAction::Confirm,
		&known.owner,
		Some(&known.device),
		record.roles,
		key,
	);
	Ok(identity::confirm_key(&known.device, &account, &proof))
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m_device::TransferOffer;

	fn offered(offer: Option<TransferOffer>) -> DeviceDetails {
		DeviceDetails {
			device: AccountId::new([9; 32]),
			owner: AccountId::new([1; 32]),
			status: DeviceStatus::Active,
			status_since: 0,
			generation: 3,
			auth_version: 1,
			gateway: None,
			device_keys: Vec::new(),
			profile: None,
			operators: Vec::new(),
			services: Vec::new(),
			offer,
		}
	}

	#[test]
	fn only_the_offer_that_the_buyer_names_is_accepted() {
		let buyer = AccountId::new([2; 32]);
		let offer = || {
			Some(TransferOffer {
				to: AccountId::new([2; 32]),
				price: 5 * money::UNIT,
				expires: 1_000,
			})
		};
		let check = |offer, to: &AccountId, price, now| {
			check_offer(&offered(offer), to, price, now).map_err(|error| error.to_string())
		};
		assert_eq!(check(offer(), &buyer, 5 * money::UNIT, 1_000), Ok(()));
		for (result, words) in [
			(check(None, &buyer, 5 * money::UNIT, 0), "not offered to anybody"),
			(
				check(offer(), &AccountId::new([3; 32]), 5 * money::UNIT, 0),
				"is offered to",
			),
			(
				check(offer(), &AccountId::new([1; 32]), 5 * money::UNIT, 0),
				"is yours already",
			),
			(
				check(offer(), &buyer, 4 * money::UNIT, 0),
				"offered at 5 M2M, not 4 M2M",
			),
			(check(offer(), &buyer, 5 * money::UNIT, 1_001), "expired at"),
		] {
			assert!(
				result.clone().is_err_and(|message| message.contains(words)),
				"{result:?}"
			);
		}
	}
}
