//! Calls and reads of the identity pallet.

use super::{Block, Call, Chain, RawEvent};
use crate::{Error, Result, keys::Key, time};
use codec::{Decode, Encode};
use m2m_device::{
	AccountId, DeviceId, DevicePublic, KeyClaim, OperatorActions, PossessionAction, PossessionProof,
	Production, Roles, Service, ServiceId, Topic, UnixMs,
};
use m2m_runtime_api::{AttestationDetails, BatchDetails, DeviceDetails};
use sp_core::H256;
use sp_runtime::DispatchError;

/// Most devices in one registration call, as the pallet's default configuration has it.
pub const REGISTRATIONS_PER_CALL: usize = 32;
/// Most devices in one answer of the node.
const DEVICES_PER_READ: u32 = 256;
/// Most attestations of a device in one answer of the node, which never gives more.
const ATTESTATIONS_PER_READ: u32 = 256;
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

/// What became of each item of a registration call, in order: nothing if the device was registered, else the error.
pub fn registrations(block: &Block, events: &[RawEvent]) -> Result<Vec<Option<String>>> {
	let mut results = Vec::new();
	for event in events {
		if event.is(PALLET, "DeviceRegistered") {
			results.push(None);
		} else if event.is(PALLET, "RegistrationRefused") {
			let (_, _, reason): (u32, DeviceId, DispatchError) = event.decode()?;
			results.push(Some(block.name_error(&reason.encode())));
		}
	}
	Ok(results)
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

/// Adds a key to a device.
pub fn add_key(device: &DeviceId, public: DevicePublic, roles: Roles, proof: &PossessionProof) -> Call {
	Call::new(PALLET, "add_key")
		.argument("device", &Some(device))
		.argument("public", &public)
		.argument("roles", &roles)
		.argument("proof", proof)
}

/// Removes a key at once; nothing that it signed is accepted any more.
pub fn remove_key(device: &DeviceId, key: &AccountId) -> Call {
	Call::new(PALLET, "remove_key")
		.argument("device", &Some(device))
		.argument("key", key)
}

/// Turns keys whose overlap is over into tombstones.
pub fn prune_keys(device: &DeviceId) -> Call {
	Call::new(PALLET, "prune_keys").argument("device", device)
}

/// Accounts of the keys that became tombstones because their time was over.
pub fn pruned_keys(events: &[RawEvent]) -> Result<Vec<AccountId>> {
	events
		.iter()
		.filter(|event| event.is(PALLET, "KeyPruned"))
		.map(|event| event.decode::<(DeviceId, AccountId)>().map(|(_, key)| key))
		.collect()
}

/// Lets a key go on under the device's new owner.
pub fn confirm_key(device: &DeviceId, key: &AccountId, proof: &PossessionProof) -> Call {
	Call::new(PALLET, "confirm_key")
		.argument("device", device)
		.argument("key", key)
		.argument("proof", proof)
}

/// Lets an account act for a device; an earlier grant of the same account is replaced.
pub fn grant(
	device: &DeviceId,
	operator: &AccountId,
	actions: OperatorActions,
	expires: Option<UnixMs>,
) -> Call {
	Call::new(PALLET, "grant")
		.argument("device", device)
		.argument("operator", operator)
		.argument("actions", &actions)
		.argument("expires", &expires)
}

/// Ends a grant; signed by the owner or by the operator himself.
pub fn revoke(device: &DeviceId, operator: &AccountId) -> Call {
	Call::new(PALLET, "revoke")
		.argument("device", device)
		.argument("operator", operator)
}

/// Offers a device to somebody; an earlier offer is replaced.
pub fn offer_transfer(device: &DeviceId, to: &AccountId, price: u128, expires: UnixMs) -> Call {
	Call::new(PALLET, "offer_transfer")
		.argument("device", device)
		.argument("to", to)
		.argument("price", &price)
		.argument("expires", &expires)
}

/// Takes a device that is offered to the signer, at the price and in the generation that he saw.
pub fn accept_transfer(device: &DeviceId, expected_generation: u32, price: u128) -> Call {
	Call::new(PALLET, "accept_transfer")
		.argument("device", device)
		.argument("expected_generation", &expected_generation)
		.argument("price", &price)
}

/// Takes an offer back.
pub fn cancel_transfer(device: &DeviceId) -> Call {
	Call::new(PALLET, "cancel_transfer").argument("device", device)
}

/// Names the document that describes a device, or none.
pub fn set_profile(device: &DeviceId, profile: Option<H256>) -> Call {
	Call::new(PALLET, "set_profile")
		.argument("device", &Some(device))
		.argument("profile", &profile)
}

/// Publishes where a device can be reached; a service with the same id is replaced.
pub fn set_service(device: &DeviceId, service: &Service) -> Call {
	Call::new(PALLET, "set_service")
		.argument("device", &Some(device))
		.argument("service", service)
}

/// Withdraws a service.
pub fn remove_service(device: &DeviceId, id: &ServiceId) -> Call {
	Call::new(PALLET, "remove_service")
		.argument("device", &Some(device))
		.argument("id", id)
}

/// Vouches for a device with the signing keys and under the owner that it has at these versions.
pub fn attest(
	device: &DeviceId,
	topic: Topic,
	claim: H256,
	auth_version: u32,
	generation: u32,
	expires: UnixMs,
) -> Call {
	Call::new(PALLET, "attest")
		.argument("device", device)
		.argument("topic", &topic)
		.argument("claim", &claim)
		.argument("auth_version", &auth_version)
		.argument("generation", &generation)
		.argument("expires", &expires)
}

/// Takes the signer's attestation back.
pub fn revoke_attestation(device: &DeviceId, topic: Topic) -> Call {
	Call::new(PALLET, "revoke_attestation")
		.argument("device", device)
		.argument("topic", &topic)
}

/// Commits the signer to the keys of a production batch.
pub fn create_batch(model: &[u8], count: u32, root: H256) -> Call {
	// A slice is encoded as the bounded list is; the check against the metadata would notice another type.
	Call::new(PALLET, "create_batch")
		.argument("model", &model.to_vec())
		.argument("count", &count)
		.argument("root", &root)
}

/// Shows that a device's key is in a production batch.
pub fn prove_production(
	key: &AccountId,
	issuer: &AccountId,
	root: H256,
	index: u32,
	path: &Vec<H256>,
) -> Call {
	Call::new(PALLET, "prove_production")
		.argument("key", key)
		.argument("issuer", issuer)
		.argument("root", &root)
		.argument("index", &index)
		.argument("path", path)
}

/// Disowns a production batch of the signer.
pub fn revoke_batch(root: H256) -> Call {
	Call::new(PALLET, "revoke_batch").argument("root", &root)
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

/// What a withdrawal paid to the owner.
pub fn withdrawn(events: &[RawEvent]) -> Result<u128> {
	let event = events
		.iter()
		.find(|event| event.is(PALLET, "Withdrawn"))
		.ok_or_else(|| Error::IncompatibleChain("it reports no withdrawal".into()))?;
	let (_, _, amount): (DeviceId, AccountId, u128) = event.decode()?;
	Ok(amount)
}

impl Block {
	/// A device as of this block.
	pub async fn device(&self, chain: &Chain, device: &DeviceId) -> Result<Option<DeviceDetails>> {
		self.read(chain, API, "device", &[("device", device.encode())])
			.await
	}

	/// The deposit for the storage of a device that ever had `keys` keys and has neither operators nor services nor
	/// an offer, in smallest units.
	pub async fn deposit_for(&self, chain: &Chain, keys: u32) -> Result<u128> {
		self.read(chain, API, "deposit_for", &[("keys", keys.encode())])
			.await
	}

	/// The device to which a key belongs or belonged.
	pub async fn device_of_key(&self, chain: &Chain, key: &AccountId) -> Result<Option<DeviceId>> {
		self.read(chain, API, "device_of_key", &[("key", key.encode())])
			.await
	}

	/// The attestations of a device, valid or not.
	pub async fn attestations(&self, chain: &Chain, device: &DeviceId) -> Result<Vec<AttestationDetails>> {
		let mut attestations: Vec<AttestationDetails> = Vec::new();
		loop {
			let after = attestations.last().map(|last| (last.topic, &last.issuer));
			let arguments = [
				("device", device.encode()),
				("after", after.encode()),
				("limit", ATTESTATIONS_PER_READ.encode()),
			];
			let page: Vec<AttestationDetails> = self.read(chain, API, "attestations", &arguments).await?;
			let is_last = page.len() < ATTESTATIONS_PER_READ as usize;
			attestations.extend(page);
			if is_last {
				return Ok(attestations);
			}
		}
	}

	/// Where a key was made, if that was proven and the batch still stands.
	pub async fn production(&self, chain: &Chain, key: &AccountId) -> Result<Option<Production>> {
		self.read(chain, API, "production", &[("key", key.encode())])
			.await
	}

	/// A production batch.
	pub async fn production_batch(
		&self,
		chain: &Chain,
		issuer: &AccountId,
		root: H256,
	) -> Result<Option<BatchDetails>> {
		let arguments = [("issuer", issuer.encode()), ("root", root.encode())];
		self.read(chain, API, "batch", &arguments).await
	}

	/// Some devices of an owner in a fixed order, those after `after`; none if there are no more.
	pub async fn devices_after(
		&self,
		chain: &Chain,
		owner: &AccountId,
		after: Option<&DeviceId>,
	) -> Result<Vec<DeviceId>> {
		let arguments = [
			("owner", owner.encode()),
			("after", after.encode()),
			("limit", DEVICES_PER_READ.encode()),
		];
		self.read(chain, API, "devices_of", &arguments).await
	}

	/// Every device of an owner, in a fixed order.
	pub async fn devices_of(&self, chain: &Chain, owner: &AccountId) -> Result<Vec<DeviceId>> {
		let mut devices: Vec<DeviceId> = Vec::new();
		loop {
			let page = self.devices_after(chain, owner, devices.last()).await?;
			if page.is_empty() {
				return Ok(devices);
			}
			devices.extend(page);
		}
	}
}
