//! Calls and reads of the identity pallet.

use super::{Block, Call, Chain, RawEvent};
use crate::{Result, keys::Key, time};
use codec::{Decode, Encode};
use m2m_device::{
	AccountId, DeviceId, DevicePublic, KeyClaim, PossessionAction, PossessionProof, Roles, UnixMs,
};
use m2m_runtime_api::DeviceDetails;
use sp_core::H256;
use sp_runtime::DispatchError;

/// Most devices in one registration call, as the pallet's default configuration has it.
pub const REGISTRATIONS_PER_CALL: usize = 32;
/// How long a fresh proof of possession is valid.
const PROOF_VALIDITY_MS: UnixMs = 60 * 60 * 1000;
const PALLET: &str = "DeviceIdentity";
const API: &str = "DeviceApi";

/// One device to register, as the pallet takes it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Registration {
	/// The device's first key.
	pub public: DevicePublic,
	/// What that key may do.
	pub roles: Roles,
	/// The key's consent.
	pub proof: PossessionProof,
	/// Gateway that holds the device's keys, if the device has none of its own.
	pub gateway: Option<AccountId>,
	/// Hash of a document that describes the device.
	pub profile: Option<H256>,
}

/// Makes a key's proof of possession, valid for an hour.
pub fn prove_possession(
	genesis: &[u8; 32],
	action: PossessionAction,
	owner: &AccountId,
	device: Option<&DeviceId>,
	roles: Roles,
	key: &Key,
) -> PossessionProof {
	let expires = time::now().saturating_add(PROOF_VALIDITY_MS);
	let public = key.public();
	let claim = KeyClaim {
		genesis: *genesis,
		action,
		owner,
		device,
		roles,
		public: &public,
		expires,
	};
	PossessionProof {
		expires,
		signature: key.sign(&claim.signed_bytes()),
	}
}

impl Registration {
	/// The registration of a device with `key` as its first key.
	pub fn new(
		genesis: &[u8; 32],
		owner: &AccountId,
		key: &Key,
		roles: Roles,
		gateway: Option<AccountId>,
	) -> Self {
		let proof = prove_possession(genesis, PossessionAction::Register, owner, None, roles, key);
		Self {
			public: key.public(),
			roles,
			proof,
			gateway,
			profile: None,
		}
	}
}

/// Registers devices of the signer.
pub fn register_devices(registrations: &Vec<Registration>) -> Call {
	Call::new(PALLET, "register_devices").argument("registrations", registrations)
}

/// The items of a registration call that were refused: device and error.
pub fn refusals(block: &Block, events: &[RawEvent]) -> Result<Vec<(DeviceId, String)>> {
	let mut refused = Vec::new();
	for event in events
		.iter()
		.filter(|event| event.is(PALLET, "RegistrationRefused"))
	{
		let (_, device, reason): (u32, DeviceId, DispatchError) = event.decode()?;
		refused.push((device, block.name_error(&reason.encode())));
	}
	Ok(refused)
}

/// Puts `new` in the place of the key `old`.
pub fn rotate_key(
	device: &DeviceId,
	old: &AccountId,
	public: DevicePublic,
	proof: &PossessionProof,
	overlap_ms: u64,
) -> Call {
	Call::new(PALLET, "rotate_key")
		.argument("device", &Some(device))
		.argument("old", old)
		.argument("public", &public)
		.argument("proof", proof)
		.argument("overlap_ms", &overlap_ms)
}

/// A change of status that the owner makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusChange {
	/// Stop it; readings taken before may still be delivered.
	Suspend,
	/// Let it work again.
	Resume,
	/// It is out of the owner's hands; nothing it signed is accepted.
	ReportLost,
}

/// Changes the status of a device.
pub fn change_status(device: &DeviceId, change: StatusChange) -> Call {
	let name = match change {
		StatusChange::Suspend => "suspend",
		StatusChange::Resume => "resume",
		StatusChange::ReportLost => "report_lost",
	};
	Call::new(PALLET, name).argument("device", device)
}

/// Ends a device for ever.
pub fn retire(device: &DeviceId) -> Call {
	Call::new(PALLET, "retire").argument("device", device)
}

/// Pays free money of a wallet to the owner; everything if no amount is given.
pub fn withdraw(device: &DeviceId, amount: Option<u128>) -> Call {
	Call::new(PALLET, "withdraw")
		.argument("device", device)
		.argument("amount", &amount)
}

impl Block {
	/// A device as of this block.
	pub async fn device(&self, chain: &Chain, device: &DeviceId) -> Result<Option<DeviceDetails>> {
		self.read(chain, API, "device", &[("device", device.encode())])
			.await
	}

	/// The device to which a key belongs or belonged.
	pub async fn device_of_key(&self, chain: &Chain, key: &AccountId) -> Result<Option<DeviceId>> {
		self.read(chain, API, "device_of_key", &[("key", key.encode())])
			.await
	}

	/// Every device of an owner, in a fixed order.
	pub async fn devices_of(&self, chain: &Chain, owner: &AccountId) -> Result<Vec<DeviceId>> {
		let mut devices: Vec<DeviceId> = Vec::new();
		loop {
			let arguments = [
				("owner", owner.encode()),
				("after", devices.last().encode()),
				("limit", 256u32.encode()),
			];
			let page: Vec<DeviceId> = self.read(chain, API, "devices_of", &arguments).await?;
			if page.is_empty() {
				return Ok(devices);
			}
			devices.extend(page);
		}
	}
}
