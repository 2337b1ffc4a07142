//! Benchmarks of every call and of the questions that other pallets ask.
//!
//! Proofs of possession are made with sr25519 keys in the benchmarking keystore. Of the three schemes its check
//! takes longest, though by little: 46 microseconds against 44 for Ed25519 and for ECDSA, measured natively on a
//! payload of full length.

use crate::{
	Attestations, Batches, BenchmarkHelper, Call, Config, DeviceKey, DeviceKeys, Devices, Error, Event,
	Introducer, KeyEntry, Keys, MAX_OPERATORS, MAX_SERVICES, Operators, Pallet, Productions, Registration,
	RetiredDevices, Rotation, Services, TransferOffers, authority::Signer,
};
use alloc::{format, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::{
	BoundedVec,
	traits::{
		Get,
		fungible::{Inspect, InspectHold, Mutate},
	},
};
use frame_system::RawOrigin;
use m2m_device::{
	AccountId, Action, DeviceAuthority, DeviceId, DevicePublic, DeviceSignature, DeviceStatus, KeyClaim,
	Model, OperatorActions, PossessionAction, PossessionProof, Production, ProductionPath, Roles, Service,
	ServiceId, Topic, UnixMs, production,
};
use sp_core::{H256, crypto::KeyTypeId, sr25519};
use sp_runtime::{DispatchError, Saturating};

const KEY_TYPE: KeyTypeId = KeyTypeId(*b"devi");
const NOW: UnixMs = 1_781_308_800_000;
const TOPIC: Topic = Topic(*b"certified-meter\0");

fn generate_key(number: u32) -> sr25519::Public {
	sp_io::crypto::sr25519_generate(KEY_TYPE, Some(format!("//{number}").into_bytes()))
}

fn prove<T: Config>(
	key: &sr25519::Public,
	action: PossessionAction,
	owner: &AccountId,
	device: Option<&DeviceId>,
) -> PossessionProof {
	let expires = NOW + 1;
	let public = DevicePublic::Sr25519(*key);
	let claim = KeyClaim {
		genesis: T::Genesis::get(),
		action,
		owner,
		device,
		roles: Roles::ALL,
		public: &public,
		expires,
	};
	let signature =
		sp_io::crypto::sr25519_sign(KEY_TYPE, key, &claim.signed_bytes()).expect("the keystore made the key");
	PossessionProof {
		expires,
		signature: DeviceSignature::Sr25519(signature),
	}
}

fn registration<T: Config>(number: u32, owner: &AccountId) -> Registration {
	let key = generate_key(number);
	Registration {
		public: DevicePublic::Sr25519(key),
		roles: Roles::ALL,
		proof: prove::<T>(&key, PossessionAction::Register, owner, None),
		gateway: Some(AccountId::new([0x9a; 32])),
		profile: Some(H256::repeat_byte(0x0f)),
	}
}

fn registrations<T: Config>(count: u32, owner: &AccountId) -> BoundedVec<Registration, T::MaxBatch> {
	let items: Vec<_> = (0..count)
		.map(|number| registration::<T>(number, owner))
		.collect();
	items
		.try_into()
		.expect("the range of the parameter is the bound of the batch")
}

/// An owner with money for everything, at a known time.
fn rich_owner<T: Config>() -> AccountId {
	T::BenchmarkHelper::set_unix_ms(NOW);
	let owner: AccountId = whitelisted_caller();
	let devices = T::MaxBatch::get().saturating_add(1);
	let each = Pallet::<T>::deposit_for(T::MaxKeys::get().saturating_mul(2))
		.saturating_add(T::Currency::minimum_balance());
	T::Currency::set_balance(
		&owner,
		each.saturating_mul(devices.into()).saturating_mul(2u32.into()),
	);
	owner
}

/// A device of `owner`. Its first key has number 0.
fn register<T: Config>(owner: &AccountId) -> DeviceId {
	let registration = registration::<T>(0, owner);
	let device = registration.public.device_id();
	Pallet::<T>::do_register(owner, registration).expect("the owner is rich and the key is new");
	device
}

/// Fills the device's list up to `count` keys, and lets the overlap of the last `expired` of them be over. At
/// most all but one can be: the replacement of the last rotated key needs a place too.
fn fill_keys<T: Config>(device: &DeviceId, count: u32, expired: u32) {
	let mut record = Devices::<T>::get(device).expect("the device was registered");
	let mut keys = DeviceKeys::<T>::get(device);
	for number in keys.len() as u32..count {
		let mut raw = [0xee; 32];
		raw[..4].copy_from_slice(&number.to_le_bytes());
		let public = DevicePublic::Sr25519(sr25519::Public::from_raw(raw));
		let account = public.account();
		let key = DeviceKey {
			device: device.clone(),
			public,
			roles: Roles::ALL,
			introduced_by: Introducer::Owner,
			line: account.clone(),
			generation: 0,
			valid_from: NOW,
			rotation: None,
		};
		Pallet::<T>::introduce_key(&mut record, &mut keys, account, key)
			.unwrap_or_else(|_| panic!("the list has room"));
	}
	for account in &keys {
		// Goes with the key.
		let origin = Production {
			issuer: account.clone(),
			root: H256::zero(),
			index: 0,
			proven_at: NOW,
		};
		Productions::<T>::insert(account, origin);
	}
	for account in keys.iter().rev().take(expired as usize) {
		Keys::<T>::mutate(account, |entry| {
			if let Some(KeyEntry::Active(key)) = entry {
				key.valid_from = NOW - 3;
				key.rotation = Some(Rotation {
					at: NOW - 2,
					deliver_until: NOW - 1,
				});
			}
		});
	}
	Pallet::<T>::settle_deposit(device, &mut record, &Signer::Owner).expect("the owner is rich");
	Devices::<T>::insert(device, record);
	DeviceKeys::<T>::insert(device, keys);
}

fn operator(number: u32) -> AccountId {
	account("operator", number, 0)
}

/// Fills the list of operators, each with every action and an end.
fn fill_operators<T: Config>(owner: &AccountId, device: &DeviceId) {
	for number in 0..MAX_OPERATORS {
		Pallet::<T>::do_grant(
			owner,
			device,
			operator(number),
			OperatorActions::ALL,
			Some(NOW + 1),
		)
		.expect("the list has room");
	}
}

fn service_id(number: u32) -> ServiceId {
	format!("{number:032}")
		.into_bytes()
		.try_into()
		.expect("32 digits are an id")
}

/// A service of full length.
fn service(number: u32) -> Service {
	Service {
		id: service_id(number),
		kind: alloc::vec![b'k'; 32].try_into().expect("32 bytes are a kind"),
		endpoint: format!("coap:{number:0123}")
			.into_bytes()
			.try_into()
			.expect("128 bytes are an endpoint"),
	}
}

/// Fills the list of services.
fn fill_services<T: Config>(owner: &AccountId, device: &DeviceId) {
	for number in 0..MAX_SERVICES {
		Pallet::<T>::do_set_service(owner, Some(device.clone()), service(number)).expect("the list has room");
	}
}

/// Offers the device to an account with twice the price and returns it with the price.
fn offer<T: Config>(owner: &AccountId, device: &DeviceId) -> (AccountId, crate::BalanceOf<T>) {
	let to: AccountId = account("buyer", 0, 0);
	let price = T::Currency::minimum_balance().saturating_mul(100u32.into());
	T::Currency::set_balance(&to, price.saturating_mul(2u32.into()));
	Pallet::<T>::do_offer_transfer(owner, device, to.clone(), price, NOW).expect("the owner is rich");
	(to, price)
}

/// The longest name of a model.
fn model() -> Model {
	BoundedVec::truncate_from(alloc::vec![b'x'; production::MAX_MODEL as usize])
}

/// A batch of `count` keys, of which `public` is the first and each sibling on its path is `sibling`.
fn batch<T: Config>(
	issuer: &AccountId,
	public: &DevicePublic,
	count: u32,
	sibling: H256,
	siblings: u32,
) -> Result<(H256, ProductionPath), DispatchError> {
	let path = ProductionPath::truncate_from(alloc::vec![sibling; siblings as usize]);
	let root = production::path_root(public, 0, count, &path).ok_or(Error::<T>::NotInBatch)?;
	Pallet::<T>::do_create_batch(issuer, model(), count, root)?;
	Ok((root, path))
}

fn assert_last_event<T: Config>(event: Event<T>) {
	frame_system::Pallet::<T>::assert_last_event(<T as frame_system::Config>::RuntimeEvent::from(event));
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn register_device() {
		let owner = rich_owner::<T>();
		let Registration {
			public,
			roles,
			proof,
			gateway,
			profile,
		} = registration::<T>(0, &owner);

		#[extrinsic_call]
		_(
			RawOrigin::Signed(owner.clone()),
			public,
			roles,
			proof,
			gateway,
			profile,
		);

		assert_last_event::<T>(Event::DeviceRegistered {
			device: public.device_id(),
			owner,
			key: public.account(),
		});
	}

	#[benchmark]
	fn register_devices(n: Linear<1, { T::MaxBatch::get() }>) {
		let owner = rich_owner::<T>();
		let batch = registrations::<T>(n, &owner);
		let before = Devices::<T>::iter_keys().count();

		#[extrinsic_call]
		_(RawOrigin::Signed(owner), batch);

		assert_eq!(Devices::<T>::iter_keys().count(), before + n as usize);
	}

	/// Each item is refused when its deposit is to be paid, after its proof was checked and its records were made.
	#[benchmark]
	fn register_devices_refused(n: Linear<1, { T::MaxBatch::get() }>) {
		let owner = rich_owner::<T>();
		let batch = registrations::<T>(n, &owner);
		let last = batch.iter().last().map(|item| item.public.device_id());
		T::Currency::set_balance(&owner, T::Currency::minimum_balance().saturating_mul(2u32.into()));

		#[extrinsic_call]
		register_devices(RawOrigin::Signed(owner), batch);

		assert_last_event::<T>(Event::RegistrationRefused {
			index: n - 1,
			device: last.expect("the batch is not empty"),
			reason: Error::<T>::OwnerCannotPay.into(),
		});
	}

	#[benchmark]
	fn add_key(p: Linear<0, { T::MaxKeys::get() - 1 }>) {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		// The longest list that still leaves room.
		let listed = if p == 0 {
			T::MaxKeys::get() - 1
		} else {
			T::MaxKeys::get()
		};
		fill_keys::<T>(&device, listed, p);
		let key = generate_key(1);
		let proof = prove::<T>(&key, PossessionAction::Add, &owner, Some(&device));
		let public = DevicePublic::Sr25519(key);

		#[extrinsic_call]
		_(
			RawOrigin::Signed(owner),
			Some(device.clone()),
			public,
			Roles::ALL,
			proof,
		);

		assert_eq!(DeviceKeys::<T>::get(&device).len() as u32, listed - p + 1);
	}

	/// Without overlap, because then the old key becomes a tombstone on top.
	#[benchmark]
	fn rotate_key(p: Linear<0, { T::MaxKeys::get() - 1 }>) {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		fill_keys::<T>(&device, T::MaxKeys::get(), p);
		let old = DevicePublic::Sr25519(generate_key(0)).account();
		let key = generate_key(1);
		let proof = prove::<T>(&key, PossessionAction::Rotate, &owner, Some(&device));
		let public = DevicePublic::Sr25519(key);

		#[extrinsic_call]
		_(
			RawOrigin::Signed(owner),
			Some(device.clone()),
			old.clone(),
			public,
			proof,
			0,
		);

		assert!(matches!(Keys::<T>::get(&old), Some(KeyEntry::Removed(_))));
		assert_eq!(DeviceKeys::<T>::get(&device).len() as u32, T::MaxKeys::get() - p);
	}

	#[benchmark]
	fn remove_key(p: Linear<0, { T::MaxKeys::get() - 1 }>) {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		fill_keys::<T>(&device, T::MaxKeys::get(), p);
		let key = DevicePublic::Sr25519(generate_key(0)).account();

		#[extrinsic_call]
		_(RawOrigin::Signed(owner), Some(device.clone()), key.clone());

		assert!(matches!(Keys::<T>::get(&key), Some(KeyEntry::Removed(_))));
		assert_eq!(
			DeviceKeys::<T>::get(&device).len() as u32,
			T::MaxKeys::get() - p - 1
		);
	}

	#[benchmark]
	fn prune_keys(p: Linear<1, { T::MaxKeys::get() - 1 }>) {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		fill_keys::<T>(&device, T::MaxKeys::get(), p);

		#[extrinsic_call]
		_(RawOrigin::Signed(owner), device.clone());

		assert_eq!(DeviceKeys::<T>::get(&device).len() as u32, T::MaxKeys::get() - p);
	}

	/// By an operator, whose grant must be found.
	#[benchmark]
	fn suspend() {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		fill_operators::<T>(&owner, &device);

		#[extrinsic_call]
		_(RawOrigin::Signed(operator(MAX_OPERATORS - 1)), device.clone());

		assert_last_event::<T>(Event::DeviceSuspended { device });
	}

	#[benchmark]
	fn resume() -> Result<(), BenchmarkError> {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		Pallet::<T>::do_change_status(&owner, &device, DeviceStatus::Suspended)
			.map_err(DispatchError::from)?;

		#[extrinsic_call]
		_(RawOrigin::Signed(owner), device.clone());

		assert_last_event::<T>(Event::DeviceResumed { device });
		Ok(())
	}

	#[benchmark]
	fn report_lost() {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);

		#[extrinsic_call]
		_(RawOrigin::Signed(owner), device.clone());

		assert_last_event::<T>(Event::LossReported { device });
	}

	#[benchmark]
	fn retire(k: Linear<0, { T::MaxKeys::get() }>) -> Result<(), BenchmarkError> {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		if k == 0 {
			let key = DevicePublic::Sr25519(generate_key(0)).account();
			Pallet::<T>::do_remove_key(&owner, Some(device.clone()), key)?;
		} else {
			fill_keys::<T>(&device, k, 0);
		}
		fill_operators::<T>(&owner, &device);
		fill_services::<T>(&owner, &device);
		offer::<T>(&owner, &device);

		#[extrinsic_call]
		_(RawOrigin::Signed(owner), device.clone());

		assert!(!Operators::<T>::contains_key(&device));
		assert!(!Services::<T>::contains_key(&device));
		assert!(!TransferOffers::<T>::contains_key(&device));
		assert!(RetiredDevices::<T>::contains_key(&device));
		assert_eq!(T::Currency::total_balance_on_hold(&device), 0u32.into());
		Ok(())
	}

	/// All of what came to the wallet of a retired device: the wallet's account ends.
	#[benchmark]
	fn withdraw() -> Result<(), BenchmarkError> {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		Pallet::<T>::do_retire(&owner, &device)?;
		let amount = T::Currency::minimum_balance().saturating_mul(10u32.into());
		T::Currency::set_balance(&device, amount);

		#[extrinsic_call]
		_(RawOrigin::Signed(owner.clone()), device.clone(), None);

		assert_last_event::<T>(Event::Withdrawn {
			device,
			to: owner,
			amount,
		});
		Ok(())
	}

	#[benchmark]
	fn grant() {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		fill_operators::<T>(&owner, &device);
		let actions = OperatorActions {
			manage: true,
			trade: false,
			suspend: false,
		};

		#[extrinsic_call]
		_(
			RawOrigin::Signed(owner),
			device.clone(),
			operator(0),
			actions,
			None,
		);

		assert_last_event::<T>(Event::OperatorGranted {
			device,
			operator: operator(0),
			actions,
			expires: None,
		});
	}

	#[benchmark]
	fn revoke() {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		fill_operators::<T>(&owner, &device);

		#[extrinsic_call]
		_(RawOrigin::Signed(owner), device.clone(), operator(0));

		assert_eq!(Operators::<T>::get(&device).len() as u32, MAX_OPERATORS - 1);
	}

	#[benchmark]
	fn offer_transfer() {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		offer::<T>(&owner, &device);
		let (to, price) = (operator(0), 1u32.into());

		#[extrinsic_call]
		_(
			RawOrigin::Signed(owner),
			device.clone(),
			to.clone(),
			price,
			NOW + 1,
		);

		assert_last_event::<T>(Event::TransferOffered {
			device,
			to,
			price,
			expires: NOW + 1,
		});
	}

	#[benchmark]
	fn accept_transfer() {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		fill_operators::<T>(&owner, &device);
		let (to, price) = offer::<T>(&owner, &device);

		#[extrinsic_call]
		_(RawOrigin::Signed(to.clone()), device.clone(), 0, price);

		assert_last_event::<T>(Event::TransferAccepted {
			device,
			from: owner,
			to,
			price,
			generation: 1,
		});
	}

	#[benchmark]
	fn cancel_transfer() {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		offer::<T>(&owner, &device);

		#[extrinsic_call]
		_(RawOrigin::Signed(owner), device.clone());

		assert_last_event::<T>(Event::TransferCancelled { device });
	}

	#[benchmark]
	fn confirm_key() -> Result<(), BenchmarkError> {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		let (to, price) = offer::<T>(&owner, &device);
		Pallet::<T>::do_accept_transfer(&to, &device, 0, price)?;
		let key = generate_key(0);
		let proof = prove::<T>(&key, PossessionAction::Confirm, &to, Some(&device));
		let key = DevicePublic::Sr25519(key).account();

		#[extrinsic_call]
		_(RawOrigin::Signed(to), device.clone(), key.clone(), proof);

		assert_last_event::<T>(Event::KeyConfirmed { device, key });
		Ok(())
	}

	#[benchmark]
	fn set_profile() {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		fill_operators::<T>(&owner, &device);
		let profile = Some(H256::repeat_byte(0xf0));

		#[extrinsic_call]
		_(
			RawOrigin::Signed(operator(MAX_OPERATORS - 1)),
			Some(device.clone()),
			profile,
		);

		assert_last_event::<T>(Event::ProfileSet { device, profile });
	}

	/// A service takes the place of one that is a byte longer, so that the deposit changes too. It shrinks: what it
	/// costs to ask for the budget is added to the weight of the call.
	#[benchmark]
	fn set_service() {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		fill_operators::<T>(&owner, &device);
		fill_services::<T>(&owner, &device);
		let mut shorter = service(MAX_SERVICES - 1);
		shorter.endpoint.pop();

		#[extrinsic_call]
		_(
			RawOrigin::Signed(operator(MAX_OPERATORS - 1)),
			Some(device.clone()),
			shorter.clone(),
		);

		assert_eq!(Services::<T>::get(&device).last(), Some(&shorter));
	}

	#[benchmark]
	fn remove_service() {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		fill_operators::<T>(&owner, &device);
		fill_services::<T>(&owner, &device);

		#[extrinsic_call]
		_(
			RawOrigin::Signed(operator(MAX_OPERATORS - 1)),
			Some(device.clone()),
			service_id(0),
		);

		assert_eq!(Services::<T>::get(&device).len() as u32, MAX_SERVICES - 1);
	}

	#[benchmark]
	fn attest() {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);

		#[extrinsic_call]
		_(
			RawOrigin::Signed(owner.clone()),
			device.clone(),
			TOPIC,
			H256::repeat_byte(0xc1),
			0,
			0,
			NOW,
		);

		assert!(Attestations::<T>::contains_key((&device, TOPIC, &owner)));
		assert_eq!(
			T::Currency::total_balance_on_hold(&owner),
			Pallet::<T>::attestation_deposit()
		);
	}

	#[benchmark]
	fn revoke_attestation() -> Result<(), BenchmarkError> {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		Pallet::<T>::do_attest(&owner, device.clone(), TOPIC, H256::zero(), 0, 0, NOW)?;

		#[extrinsic_call]
		_(RawOrigin::Signed(owner.clone()), device, TOPIC);

		assert_eq!(T::Currency::total_balance_on_hold(&owner), 0u32.into());
		Ok(())
	}

	#[benchmark]
	fn create_batch() {
		let issuer = rich_owner::<T>();
		let root = H256::repeat_byte(0xba);

		#[extrinsic_call]
		_(RawOrigin::Signed(issuer.clone()), model(), u32::MAX, root);

		assert!(Batches::<T>::contains_key(&issuer, root));
		assert_eq!(
			T::Currency::total_balance_on_hold(&issuer),
			Pallet::<T>::batch_deposit()
		);
	}

	/// The owner names another batch for a key whose origin was known.
	#[benchmark]
	fn prove_production(p: Linear<0, { production::MAX_PATH }>) -> Result<(), BenchmarkError> {
		let owner = rich_owner::<T>();
		register::<T>(&owner);
		let public = DevicePublic::Sr25519(generate_key(0));
		let key = public.account();
		// Two keys, of which the first is ours: no path of the batch below has this sibling.
		let (first, path) = batch::<T>(&owner, &public, 2, H256::repeat_byte(0xee), 1)?;
		Pallet::<T>::do_prove_production(&owner, key.clone(), owner.clone(), first, 0, path)?;
		// The first key has a path of `p` hashes if there is one key more than half of that many levels hold.
		let count = p.checked_sub(1).map_or(1, |level| (1 << level) + 1);
		let (root, path) = batch::<T>(&owner, &public, count, H256::repeat_byte(0x11), p)?;

		#[extrinsic_call]
		_(
			RawOrigin::Signed(owner.clone()),
			key.clone(),
			owner.clone(),
			root,
			0,
			path,
		);

		assert_eq!(
			Productions::<T>::get(&key).map(|production| production.root),
			Some(root)
		);
		Ok(())
	}

	#[benchmark]
	fn revoke_batch() -> Result<(), BenchmarkError> {
		let issuer = rich_owner::<T>();
		let root = H256::repeat_byte(0xba);
		Pallet::<T>::do_create_batch(&issuer, model(), 1, root)?;

		#[extrinsic_call]
		_(RawOrigin::Signed(issuer.clone()), root);

		assert_last_event::<T>(Event::BatchRevoked { issuer, root });
		Ok(())
	}

	/// A key of a device that was retired: for keys and owners nothing else looks at as many items.
	#[benchmark]
	fn authorize() -> Result<(), BenchmarkError> {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		Pallet::<T>::do_retire(&owner, &device)?;
		let key = DevicePublic::Sr25519(generate_key(0)).account();
		let answer;

		#[block]
		{
			answer = Pallet::<T>::participant(&key, None, Action::Trade);
		}

		assert_eq!(answer, Err(DispatchError::from(Error::<T>::DeviceRetired)));
		Ok(())
	}

	#[benchmark]
	fn authorize_operator() {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		fill_operators::<T>(&owner, &device);
		let operator = operator(MAX_OPERATORS - 1);
		let answer;

		#[block]
		{
			answer = Pallet::<T>::participant(&operator, Some(&device), Action::Trade);
		}

		assert_eq!(answer, Ok(device));
	}

	#[benchmark]
	fn reading_authority() -> Result<(), BenchmarkError> {
		let owner = rich_owner::<T>();
		let device = register::<T>(&owner);
		let key = DevicePublic::Sr25519(generate_key(0)).account();
		Keys::<T>::mutate(&key, |entry| {
			if let Some(KeyEntry::Active(key)) = entry {
				key.rotation = Some(Rotation {
					at: NOW,
					deliver_until: NOW,
				});
			}
		});
		Pallet::<T>::do_change_status(&owner, &device, DeviceStatus::Suspended)
			.map_err(DispatchError::from)?;
		let answer;

		#[block]
		{
			answer = Pallet::<T>::reading_authority(&key, &device);
		}

		assert_eq!(answer.map(|authority| authority.before), Ok(Some(NOW)));
		Ok(())
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
