//! Registering some devices and changing their keys, so that a crash at any point can be repaired by running the same
//! again; and listing those of an owner. Whole fleets are registered by [`crate::import`].

use crate::{
	Error, Result,
	chain::{
		Chain,
		identity::{self, REGISTRATIONS_PER_CALL, Registration},
	},
	keys::{self, Device, Key, Scheme},
	selection::{Devices, Pages},
};
use m2m_device::{AccountId, DeviceId, DeviceStatus, PossessionAction, Roles};
use m2m_runtime_api::DeviceDetails;
use std::path::Path;
use subxt::ext::futures::{StreamExt, stream};

/// Devices that are read at the same time, so that a distant node is not waited for once a device.
const READS_AT_ONCE: usize = 16;

/// Devices that are registered, and what it took.
pub struct Registered {
	/// The devices, in the order of the names.
	pub devices: Vec<Device>,
	/// How many of them were registered just now.
	pub new: usize,
	/// Fees paid by the owner, in smallest units.
	pub fees: u128,
}

/// Sees to it that every name has a device key in `home` and that the chain knows the device as the owner's. A
/// device that is registered already is left as it is; keys are stored before anything is sent.
pub async fn register(
	chain: &Chain,
	home: &Path,
	owner: &Key,
	names: &[String],
	scheme: Scheme,
	roles: Roles,
	gateway: Option<&AccountId>,
) -> Result<Registered> {
	for (position, name) in names.iter().enumerate() {
		keys::check_name(name)?;
		if names.iter().take(position).any(|earlier| earlier == name) {
			return Err(Error::Usage(format!("the device name `{name}` is given twice")));
		}
	}
	let owner_account = owner.account();
	let block = chain.finalized().await?;
	let mut devices = Vec::with_capacity(names.len());
	let mut missing = Vec::new();
	for name in names {
		let device = match Device::find(home, name)? {
			Some(device) => device,
			None => {
				let device = Device::generate(name, scheme)?;
				device.save_new(home)?;
				device
			}
		};
		match block.device(chain, &device.id).await? {
			None => {
				// It would be registered under the id of the key that it has now.
				if device.key.public().device_id() != device.id {
					return Err(Error::Usage(format!(
						"the key of {name} was rotated on another chain: use another name or --home"
					)));
				}
				missing.push(devices.len());
			}
			Some(known) => check_owned(name, &known, &owner_account)?,
		}
		devices.push(device);
	}

	let mut fees = 0u128;
	for chunk in missing.chunks(REGISTRATIONS_PER_CALL) {
		let registrations: Vec<Registration> = chunk
			.iter()
			.filter_map(|index| devices.get(*index))
			.map(|device: &Device| {
				Registration::new(
					chain.genesis(),
					&owner_account,
					&device.key,
					roles,
					gateway.cloned(),
				)
			})
			.collect();
		let included = chain
			.submit_repeatable(owner, &identity::register_devices(&registrations))
			.await?;
		fees = fees.saturating_add(included.fee);
		let results = identity::registrations(&included.block, &included.events)?;
		let refused = chunk
			.iter()
			.zip(results)
			.find_map(|(index, refusal)| Some((*index, refusal?)));
		if let Some((index, reason)) = refused {
			let name = devices.get(index).map_or("a device", |known| &known.name);
			return Err(Error::Refused {
				call: format!("the registration of {name}"),
				hint: crate::chain::hint(&reason),
				reason,
				// The call that it was in stands, with its fee.
				paid: None,
			});
		}
	}
	Ok(Registered {
		devices,
		new: missing.len(),
		fees,
	})
}

fn check_owned(name: &str, known: &DeviceDetails, owner: &AccountId) -> Result<()> {
	if known.owner != *owner {
		return Err(Error::Usage(format!(
			"the device {name} belongs to {}, not to {}: sign with its owner's key file",
			keys::address(&known.owner),
			keys::address(owner)
		)));
	}
	if known.status == DeviceStatus::Retired {
		return Err(Error::Usage(format!(
			"the device {name} is retired for ever: register another name"
		)));
	}
	Ok(())
}

/// Gives a device a new key. The new key is stored before the chain learns of it; if an earlier rotation was cut
/// off, this finishes it. Returns the fee.
pub async fn rotate(
	chain: &Chain,
	home: &Path,
	owner: &Key,
	device: &mut Device,
	overlap_ms: u64,
) -> Result<u128> {
	let owner_account = owner.account();
	chain.settle(&owner_account).await?;
	let block = chain.finalized().await?;
	let known = block
		.device(chain, &device.id)
		.await?
		.ok_or_else(|| Error::Unknown(format!("the chain knows no device {}", device.name)))?;
	check_owned(&device.name, &known, &owner_account)?;

	let next = match device.next_key.take() {
		Some(next) => next,
		None => Key::generate(device.key.scheme()),
	};
	if block.device_of_key(chain, &next.account()).await?.as_ref() == Some(&device.id) {
		device.key = next;
		device.save(home)?;
		return Ok(0);
	}
	let old = device.key.account();
	let roles = known
		.device_keys
		.iter()
		.find(|key| key.public == device.key.public() && key.valid_until.is_none())
		.map(|key| key.roles)
		.ok_or_else(|| {
			Error::Usage(format!(
				"the key of {} in {} is not in use on chain",
				device.name,
				home.display()
			))
		})?;
	let proof = identity::prove_possession(
		chain.genesis(),
		PossessionAction::Rotate,
		&owner_account,
		Some(&device.id),
		roles,
		&next,
	);
	let call = identity::rotate_key(&device.id, &old, next.public(), &proof, overlap_ms);
	device.next_key = Some(next);
	device.save(home)?;
	let included = chain.submit_repeatable(owner, &call).await?;
	if let Some(next) = device.next_key.take() {
		device.key = next;
	}
	device.save(home)?;
	Ok(included.fee)
}

/// Ends a device for ever: closes its streams and retires it, all or nothing. Returns the fee.
pub async fn retire(chain: &Chain, owner: &Key, device: &DeviceId) -> Result<u128> {
	let block = chain.finalized().await?;
	let mut calls = Vec::new();
	for stream in block.streams(chain, device).await? {
		calls.push(crate::chain::telemetry::close_stream(device, stream));
	}
	calls.push(identity::retire(device));
	let call = match calls.as_slice() {
		[only] => only.clone(),
		several => chain.all_or_nothing(several).await?,
	};
	Ok(chain.submit(owner, &call).await?.fee)
}

/// Shows every device of an owner that is not retired to `show`, until it answers that it has seen enough. Holds one
/// page of ids at a time.
pub async fn list(
	chain: &Chain,
	owner: &AccountId,
	mut show: impl FnMut(DeviceDetails) -> bool,
) -> Result<()> {
	let mut pages = Pages::new(Devices::AllOf(owner.clone()));
	while let Some((block, page)) = pages.next(chain).await? {
		let block = &block;
		let reads = stream::iter(page)
			.map(|device| async move { block.device(chain, &device).await })
			.buffered(READS_AT_ONCE);
		let mut reads = std::pin::pin!(reads);
		while let Some(details) = reads.next().await {
			if let Some(details) = details?
				&& !show(details)
			{
				return Ok(());
			}
		}
	}
	Ok(())
}
