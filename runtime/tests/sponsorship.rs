//! Sponsored devices in the real runtime: extrinsics as a wallet makes them, through the same door as in a
//! block.

use codec::{Decode, Encode};
use frame_support::{
	BoundedVec, assert_noop, assert_ok,
	dispatch::{DispatchClass, GetDispatchInfo},
	storage::{TransactionOutcome, with_transaction},
	traits::fungible::Inspect,
	weights::Weight,
};
use m2m_anchor::{Anchor, StreamKind, StreamSpec, Summary};
use m2m_device::{
	AccountId, Beneficiary, DeviceId, DevicePublic, DeviceSignature, KeyClaim, PossessionAction,
	PossessionProof, Roles,
};
use m2m_merkle::{Batch, Reading};
use m2m_runtime::{
	Address, Balance, Balances, BlockNumber, DeviceIdentity, EXISTENTIAL_DEPOSIT, Executive, FeeSponsorship,
	Header, MICRO_UNIT, MILLI_UNIT, Runtime, RuntimeCall, RuntimeEvent, RuntimeGenesisConfig, RuntimeOrigin,
	SLOT_DURATION_MS, Signature, System, Telemetry, TransactionPayment, TxExtension, UNIT,
	UncheckedExtrinsic, configs::sponsorship::CallGroups, genesis_presets,
};
use m2m_runtime_api::CallGroup;
use pallet_fee_sponsorship::{ClassifyCall, WeightInfo};
use pallet_transaction_payment::ChargeTransactionPayment;
use scale_info::TypeInfo;
use sp_consensus_aura::{AURA_ENGINE_ID, Slot};
use sp_core::{H256, Pair, sr25519};
use sp_keyring::Sr25519Keyring;
use sp_runtime::{
	ApplyExtrinsicResult, BuildStorage, Digest, DigestItem, DispatchError,
	generic::{self, Era},
	traits::{Dispatchable, Header as _, TransactionExtension},
	transaction_validity::{
		InvalidTransaction, TransactionSource, TransactionValidity, TransactionValidityError,
	},
};

/// 2026-06-13, the beginning of an Aura slot.
const START: u64 = 1_781_308_800_000;
const QUARTER: u64 = 900_000;
const DAY: u64 = 24 * 60 * 60 * 1_000;
const PAYMENT: TransactionValidityError = TransactionValidityError::Invalid(InvalidTransaction::Payment);

/// The extensions as a wallet knows them, with plain payment.
type WalletExtension = (
	frame_system::AuthorizeCall<Runtime>,
	frame_system::CheckNonZeroSender<Runtime>,
	frame_system::CheckSpecVersion<Runtime>,
	frame_system::CheckTxVersion<Runtime>,
	frame_system::CheckGenesis<Runtime>,
	frame_system::CheckEra<Runtime>,
	frame_system::CheckNonce<Runtime>,
	frame_system::CheckWeight<Runtime>,
	ChargeTransactionPayment<Runtime>,
	frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
	frame_system::WeightReclaim<Runtime>,
);
type WalletExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, WalletExtension>;
type WalletPayload = generic::SignedPayload<RuntimeCall, WalletExtension>;

fn sponsor() -> AccountId {
	Sr25519Keyring::Bob.to_account_id()
}

fn owner() -> AccountId {
	Sr25519Keyring::Charlie.to_account_id()
}

fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}

fn balance(who: &AccountId) -> Balance {
	Balances::total_balance(who)
}

fn now() -> u64 {
	pallet_timestamp::Now::<Runtime>::get()
}

/// As [`chain_that_burns`], and not a unit may come or go.
fn chain(test: impl FnOnce()) {
	chain_that_burns(|| {
		test();
		0
	});
}

/// Runs a test inside the first block of a development chain, and checks the books afterwards. The test
/// returns how much it expects to be burnt.
fn chain_that_burns(test: impl FnOnce() -> Balance) {
	let patch = genesis_presets::get_preset(&"development".into()).expect("the preset exists");
	let patch: serde_json::Value = serde_json::from_slice(&patch).expect("valid JSON");
	let mut genesis = serde_json::to_value(RuntimeGenesisConfig::default()).expect("a value");
	for (pallet, values) in patch.as_object().expect("an object") {
		for (field, value) in values.as_object().expect("an object") {
			genesis[pallet][field] = value.clone();
		}
	}
	let genesis: RuntimeGenesisConfig = serde_json::from_value(genesis).expect("a genesis");
	let mut externalities: sp_io::TestExternalities = genesis.build_storage().expect("it builds").into();
	externalities.execute_with(|| {
		begin_block(1);
		let issued = Balances::total_issuance();
		let burnt = test();
		assert_eq!(Balances::total_issuance(), issued - burnt);
		assert_ok!(FeeSponsorship::do_try_state());
		assert_ok!(DeviceIdentity::do_try_state());
		assert_ok!(Telemetry::do_try_state());
	});
}

/// Begins a block with its slot and its time.
fn begin_block(number: BlockNumber) {
	let now = START + u64::from(number) * SLOT_DURATION_MS;
	let slot = Slot::from(now / SLOT_DURATION_MS);
	let digest = Digest {
		logs: vec![DigestItem::PreRuntime(AURA_ENGINE_ID, slot.encode())],
	};
	let parent = H256::repeat_byte(number as u8);
	Executive::initialize_block(&Header::new(number, H256::zero(), H256::zero(), parent, digest));
	let set_time = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now });
	assert_ok!(Executive::apply_extrinsic(UncheckedExtrinsic::new_bare(set_time)));
}

/// Ends the block and begins another one.
fn next_block() {
	let number = System::block_number();
	Executive::finalize_block();
	begin_block(number + 1);
}

fn pair(seed: [u8; 32]) -> sr25519::Pair {
	sr25519::Pair::from_seed(&seed)
}

fn prove(
	key: &sr25519::Pair,
	action: PossessionAction,
	owner: &AccountId,
	device: Option<&DeviceId>,
	roles: Roles,
) -> PossessionProof {
	let public = DevicePublic::Sr25519(key.public());
	let expires = now();
	let claim = KeyClaim {
		genesis: System::block_hash(0).0,
		action,
		owner,
		device,
		roles,
		public: &public,
		expires,
	};
	PossessionProof {
		expires,
		signature: DeviceSignature::Sr25519(key.sign(&claim.signed_bytes())),
	}
}

/// A stream of a meter.
fn spec() -> StreamSpec {
	StreamSpec {
		kind: StreamKind::Interval,
		private: false,
		schema: H256::zero(),
		unit: BoundedVec::truncate_from(b"Wh".to_vec()),
		scale: 0,
		plausible_min: 0,
		plausible_max: 1_000_000,
		cadence_ms: QUARTER as u32,
		period_ms: None,
		not_before: 0,
		retention: 8,
	}
}

struct Meter {
	key: sr25519::Pair,
	id: DeviceId,
}

impl Meter {
	fn account(&self) -> AccountId {
		self.key.public().into()
	}

	/// Registers a device of the owner, whose key has nothing and may do all, with one stream.
	fn register(number: u8) -> Self {
		Self::register_with(number, Roles::ALL)
	}

	/// As [`Meter::register`], with a key that has these roles.
	fn register_with(number: u8, roles: Roles) -> Self {
		let key = pair([number; 32]);
		let public = DevicePublic::Sr25519(key.public());
		let proof = prove(&key, PossessionAction::Register, &owner(), None, roles);
		assert_ok!(DeviceIdentity::register_device(
			signed(&owner()),
			public,
			roles,
			proof,
			None,
			None
		));
		let id = public.device_id();
		assert_ok!(Telemetry::create_stream(
			signed(&owner()),
			Some(id.clone()),
			spec()
		));
		Self { key, id }
	}

	/// The same device with another key, which the owner adds.
	fn add_key(&self, key: sr25519::Pair, roles: Roles) -> Self {
		let proof = prove(&key, PossessionAction::Add, &owner(), Some(&self.id), roles);
		assert_ok!(DeviceIdentity::add_key(
			signed(&owner()),
			Some(self.id.clone()),
			DevicePublic::Sr25519(key.public()),
			roles,
			proof
		));
		Self {
			key,
			id: self.id.clone(),
		}
	}

	/// The call by which this key puts another in its place, and the device with that one.
	fn rotation(
		&self,
		key: sr25519::Pair,
		roles: Roles,
		overlap_ms: u64,
	) -> (pallet_device_identity::Call<Runtime>, Self) {
		let call = pallet_device_identity::Call::rotate_key {
			device: Some(self.id.clone()),
			old: self.account(),
			public: DevicePublic::Sr25519(key.public()),
			proof: prove(&key, PossessionAction::Rotate, &owner(), Some(&self.id), roles),
			overlap_ms,
		};
		let next = Self {
			key,
			id: self.id.clone(),
		};
		(call, next)
	}

	/// Sends money to the wallet.
	fn fund_wallet(&self, amount: Balance) {
		assert_ok!(Balances::transfer_keep_alive(
			signed(&owner()),
			self.id.clone().into(),
			amount
		));
	}

	fn set_budget(&self, by: &AccountId, limit: Balance) {
		assert_ok!(FeeSponsorship::set_budget(
			signed(by),
			self.id.clone(),
			limit,
			DAY
		));
	}

	/// Sells the device to `buyer`, who does not confirm its keys yet.
	fn sell(&self, buyer: &AccountId) {
		assert_ok!(DeviceIdentity::offer_transfer(
			signed(&owner()),
			self.id.clone(),
			buyer.clone(),
			UNIT,
			now()
		));
		assert_ok!(DeviceIdentity::accept_transfer(
			signed(buyer),
			self.id.clone(),
			0,
			UNIT
		));
	}

	/// Confirms the key for the new owner.
	fn confirm(&self, owner: &AccountId) {
		let proof = prove(
			&self.key,
			PossessionAction::Confirm,
			owner,
			Some(&self.id),
			Roles::ALL,
		);
		assert_ok!(DeviceIdentity::confirm_key(
			signed(owner),
			self.id.clone(),
			self.account(),
			proof
		));
	}

	/// What a wallet sends: signed over plain payment, and nothing left of its type but bytes.
	fn sign(&self, call: RuntimeCall, nonce: u32, tip: Balance) -> UncheckedExtrinsic {
		let extension: WalletExtension = (
			frame_system::AuthorizeCall::new(),
			frame_system::CheckNonZeroSender::new(),
			frame_system::CheckSpecVersion::new(),
			frame_system::CheckTxVersion::new(),
			frame_system::CheckGenesis::new(),
			frame_system::CheckEra::from(Era::Immortal),
			frame_system::CheckNonce::from(nonce),
			frame_system::CheckWeight::new(),
			ChargeTransactionPayment::from(tip),
			frame_metadata_hash_extension::CheckMetadataHash::new(false),
			frame_system::WeightReclaim::new(),
		);
		let payload =
			WalletPayload::new(call.clone(), extension.clone()).expect("everything implicit is known");
		let signature = payload.using_encoded(|bytes| self.key.sign(bytes));
		let extrinsic = WalletExtrinsic::new_signed(
			call,
			Address::Id(self.account()),
			Signature::Sr25519(signature),
			extension,
		);
		UncheckedExtrinsic::decode(&mut &extrinsic.encode()[..]).expect("the same bytes")
	}

	fn nonce(&self) -> u32 {
		System::account_nonce(self.account())
	}

	fn send(&self, call: RuntimeCall) -> ApplyExtrinsicResult {
		Executive::apply_extrinsic(self.sign(call, self.nonce(), 0))
	}

	/// What the pool says, on top of the last block.
	fn validate(&self, call: RuntimeCall) -> TransactionValidity {
		self.validate_with_tip(call, 0)
	}

	fn validate_with_tip(&self, call: RuntimeCall, tip: Balance) -> TransactionValidity {
		let extrinsic = self.sign(call, self.nonce(), tip);
		with_transaction(|| {
			let parent = System::parent_hash();
			let validity = Executive::validate_transaction(TransactionSource::External, extrinsic, parent);
			TransactionOutcome::Rollback(Ok::<_, DispatchError>(validity))
		})
		.expect("nothing is nested here")
	}

	/// An anchor of one reading in this quarter of an hour.
	fn anchor(&self, quarter: u64) -> RuntimeCall {
		let reading = Reading {
			time_ms: START - (100 - quarter) * QUARTER,
			value: 250,
		};
		let batch = Batch::new(&[1; 32], vec![reading]).expect("one reading");
		let anchor = Anchor {
			data_root: H256(batch.data_root()),
			summary: Summary::Open {
				top_hash: H256(batch.top_hash()),
				aggregate: *batch.aggregate(),
			},
		};
		RuntimeCall::Telemetry(pallet_telemetry::Call::anchor {
			stream: 0,
			seq: quarter,
			anchor,
		})
	}
}

/// Offers a sponsorship and the owner takes it. Returns its number.
fn sponsorship(to: Beneficiary, capacity: Balance, refill: Balance, expires: Option<u64>) -> u32 {
	sponsorship_of(&owner(), to, capacity, refill, expires)
}

/// Offers a sponsorship and `owner` takes it. Returns its number.
fn sponsorship_of(
	owner: &AccountId,
	to: Beneficiary,
	capacity: Balance,
	refill: Balance,
	expires: Option<u64>,
) -> u32 {
	let number = pallet_fee_sponsorship::NextSponsorship::<Runtime>::get();
	assert_ok!(FeeSponsorship::offer(
		signed(&sponsor()),
		to,
		BoundedVec::truncate_from(vec![CallGroup::Telemetry]),
		capacity,
		refill,
		expires,
		UNIT,
	));
	assert_ok!(FeeSponsorship::attach(signed(owner), number));
	number
}

fn remark() -> RuntimeCall {
	RuntimeCall::System(frame_system::Call::remark { remark: vec![1] })
}

/// Calls that hold another one.
fn holding(call: RuntimeCall) -> Vec<RuntimeCall> {
	let calls = || vec![call.clone()];
	let other = Sr25519Keyring::Dave.to_account_id();
	vec![
		RuntimeCall::Utility(pallet_utility::Call::batch { calls: calls() }),
		RuntimeCall::Utility(pallet_utility::Call::batch_all { calls: calls() }),
		RuntimeCall::Utility(pallet_utility::Call::force_batch { calls: calls() }),
		RuntimeCall::Utility(pallet_utility::Call::as_derivative {
			index: 0,
			call: Box::new(call.clone()),
		}),
		RuntimeCall::Proxy(pallet_proxy::Call::proxy {
			real: other.clone().into(),
			force_proxy_type: None,
			call: Box::new(call.clone()),
		}),
		RuntimeCall::Multisig(pallet_multisig::Call::as_multi_threshold_1 {
			other_signatories: vec![other],
			call: Box::new(call.clone()),
		}),
		RuntimeCall::Sudo(pallet_sudo::Call::sudo {
			call: Box::new(call.clone()),
		}),
	]
}

#[test]
fn wallets_see_plain_payment() {
	let ours = TxExtension::metadata();
	let plain = WalletExtension::metadata();
	assert_eq!(ours.len(), plain.len());
	for (ours, plain) in ours.iter().zip(&plain) {
		assert_eq!(ours.identifier, plain.identifier);
		assert_eq!(ours.ty, plain.ty, "{}", ours.identifier);
		assert_eq!(ours.implicit, plain.implicit, "{}", ours.identifier);
	}
	assert!(
		ours.iter()
			.any(|extension| extension.identifier == "ChargeTransactionPayment")
	);
	assert_eq!(TxExtension::type_info(), WalletExtension::type_info());
}

#[test]
fn a_device_key_without_money_anchors_at_its_sponsors_cost() {
	chain(|| {
		let meter = Meter::register(1);
		let number = sponsorship(Beneficiary::Device(meter.id.clone()), UNIT, 0, None);
		let pot = FeeSponsorship::pot(number);
		let author = Sr25519Keyring::Alice.to_account_id();
		let before = (balance(&pot), balance(&meter.id), balance(&author));
		assert_eq!(balance(&meter.account()), 0);

		next_block();
		assert_ok!(meter.validate(meter.anchor(1)));
		assert_eq!(meter.send(meter.anchor(1)), Ok(Ok(())));

		assert!(Telemetry::anchor_record(&meter.id, 0, 1).is_some());
		let fee = before.0 - balance(&pot);
		assert!(fee > 0);
		assert_eq!(balance(&meter.account()), 0);
		assert_eq!(balance(&meter.id), before.1);
		assert_eq!(balance(&author), before.2 + fee);
		let events: Vec<_> = System::events().into_iter().map(|record| record.event).collect();
		assert!(events.contains(&RuntimeEvent::FeeSponsorship(
			pallet_fee_sponsorship::Event::FeeSponsored {
				sponsorship: number,
				device: meter.id.clone(),
				fee,
			}
		)));
		assert!(events.contains(&RuntimeEvent::TransactionPayment(
			pallet_transaction_payment::Event::TransactionFeePaid {
				who: pot,
				actual_fee: fee,
				tip: 0,
			}
		)));
	});
}

#[test]
fn what_the_sponsor_does_not_pay_for_is_refused_before_inclusion_and_costs_nothing() {
	chain(|| {
		let (meter, poor, late) = (Meter::register(1), Meter::register(2), Meter::register(3));
		let good = sponsorship(Beneficiary::Device(meter.id.clone()), UNIT, 0, None);
		// Not even one fee fits, and nothing comes back.
		let small = sponsorship(Beneficiary::Device(poor.id.clone()), MICRO_UNIT, 0, None);
		let over = sponsorship(
			Beneficiary::Device(late.id.clone()),
			UNIT,
			0,
			Some(now() + SLOT_DURATION_MS),
		);
		next_block();
		assert_ok!(late.validate(late.anchor(1)));
		next_block();
		let pots = [good, small, over].map(|number| balance(&FeeSponsorship::pot(number)));

		let mut refused = vec![remark()];
		refused.extend(holding(meter.anchor(1)));
		for call in refused {
			assert_eq!(meter.validate(call.clone()), Err(PAYMENT), "{call:?}");
			assert_eq!(meter.send(call), Err(PAYMENT));
		}
		assert_eq!(meter.validate_with_tip(meter.anchor(1), MILLI_UNIT), Err(PAYMENT));
		for other in [&poor, &late] {
			assert_eq!(other.validate(other.anchor(1)), Err(PAYMENT));
			assert_eq!(other.send(other.anchor(1)), Err(PAYMENT));
		}
		assert_eq!(
			[good, small, over].map(|number| balance(&FeeSponsorship::pot(number))),
			pots
		);
		// What is on the list is still taken.
		assert_eq!(meter.send(meter.anchor(1)), Ok(Ok(())));
	});
}

#[test]
fn transactions_beyond_the_bucket_are_dropped_from_the_block() {
	chain(|| {
		let meter = Meter::register(1);
		let info = meter.anchor(0).get_dispatch_info();
		let fee = TransactionPayment::compute_fee(400, &info, 0);
		let number = sponsorship(Beneficiary::Owner(owner()), 4 * fee, 0, None);
		let pot = FeeSponsorship::pot(number);
		next_block();
		let before = balance(&pot);
		let results: Vec<_> = (0..8).map(|quarter| meter.send(meter.anchor(quarter))).collect();
		let taken = results.iter().take_while(|result| result.is_ok()).count();
		assert!((1..8).contains(&taken), "{taken}");
		assert!(results[taken..].iter().all(|result| *result == Err(PAYMENT)));
		assert_eq!(meter.nonce(), taken as u32);
		assert!(before - balance(&pot) <= 4 * fee);
	});
}

#[test]
fn a_device_that_its_owner_suspended_is_sponsored_no_more() {
	chain(|| {
		let meter = Meter::register(1);
		sponsorship(Beneficiary::Owner(owner()), UNIT, 0, None);
		next_block();
		assert_ok!(meter.validate(meter.anchor(1)));
		assert_ok!(DeviceIdentity::suspend(signed(&owner()), meter.id.clone()));
		next_block();
		assert_eq!(meter.validate(meter.anchor(1)), Err(PAYMENT));
	});
}

#[test]
fn a_budget_lets_the_wallet_pay_for_what_no_sponsor_does() {
	chain(|| {
		let meter = Meter::register(1);
		meter.fund_wallet(UNIT);
		next_block();
		assert_eq!(meter.validate(remark()), Err(PAYMENT));
		meter.set_budget(&owner(), UNIT / 10);
		next_block();
		let before = balance(&meter.id);
		assert_eq!(meter.send(remark()), Ok(Ok(())));
		let fee = before - balance(&meter.id);
		assert!(fee > 0);
		let (_, left, _) = FeeSponsorship::budget_left(&meter.id).expect("it is set");
		assert_eq!(left, UNIT / 10 - fee);
	});
}

#[test]
fn calls_that_hold_other_calls_are_never_sponsored() {
	chain(|| {
		let meter = Meter::register(1);
		let anchor = meter.anchor(1);
		assert_eq!(CallGroups::group(&anchor), Some(CallGroup::Telemetry));
		for call in holding(anchor) {
			assert_eq!(CallGroups::group(&call), None, "{call:?}");
		}
	});
}

#[test]
fn keys_can_be_changed_at_a_sponsors_cost_but_nothing_else_of_a_device() {
	use pallet_device_identity::Call;
	let device = AccountId::new([1; 32]);
	let proof = PossessionProof {
		expires: 0,
		signature: DeviceSignature::Sr25519(Default::default()),
	};
	let public = DevicePublic::Sr25519(Default::default());
	let group = |call: Call<Runtime>| CallGroups::group(&call.into());
	assert_eq!(
		group(Call::rotate_key {
			device: None,
			old: device.clone(),
			public,
			proof: proof.clone(),
			overlap_ms: 0,
		}),
		Some(CallGroup::Identity)
	);
	assert_eq!(
		group(Call::remove_key {
			device: None,
			key: device.clone()
		}),
		Some(CallGroup::Identity)
	);
	assert_eq!(
		group(Call::register_device {
			public,
			roles: Roles::ALL,
			proof,
			gateway: None,
			profile: None,
		}),
		None
	);
	assert_eq!(group(Call::suspend { device }), None);
}

#[test]
fn a_device_trades_at_a_sponsors_cost_and_runs_no_market() {
	use pallet_data_marketplace::Call as Data;
	use pallet_energy_trading::Call as Energy;
	let energy = |call: Energy<Runtime>| CallGroups::group(&call.into());
	let order = Default::default();
	assert_eq!(
		energy(Energy::set_order {
			market: 0,
			device: None,
			order
		}),
		Some(CallGroup::Energy)
	);
	// Settling and clearing are open to everybody, so a device would spend its sponsor's money on strangers.
	assert_eq!(energy(Energy::clear { market: 0, slot: 0 }), None);
	let devices = Default::default();
	assert_eq!(
		energy(Energy::settle {
			market: 0,
			slot: 0,
			devices
		}),
		None
	);
	assert_eq!(
		energy(Energy::withdraw_reserve {
			market: 0,
			amount: None
		}),
		None
	);
	let data = |call: Data<Runtime>| CallGroups::group(&call.into());
	let sale = Default::default();
	assert_eq!(
		data(Data::accept {
			buyer: None,
			sale,
			rating: 5
		}),
		Some(CallGroup::Data)
	);
	assert_eq!(data(Data::create_pool { manager: None }), None);
	assert_eq!(
		data(Data::settle {
			sales: Default::default()
		}),
		None
	);
}

/// What is sent to open a stream, and to close one.
fn open_stream() -> RuntimeCall {
	RuntimeCall::Telemetry(pallet_telemetry::Call::create_stream {
		device: None,
		spec: spec(),
	})
}

fn close_stream(stream: u32) -> RuntimeCall {
	RuntimeCall::Telemetry(pallet_telemetry::Call::close_stream { device: None, stream })
}

#[test]
fn a_stolen_trade_key_loses_at_most_one_budget() {
	const LIMIT: Balance = UNIT / 2;
	const TRADE: Roles = Roles {
		authenticate: false,
		trade: true,
		manage: false,
	};
	const MANAGE: Roles = Roles {
		authenticate: false,
		trade: false,
		manage: true,
	};
	chain_that_burns(|| {
		let mut trader = Meter::register_with(1, TRADE);
		let manager = trader.add_key(pair([2; 32]), MANAGE);
		trader.fund_wallet(100 * UNIT);
		trader.set_budget(&owner(), LIMIT);
		let wallet = trader.id.clone();
		let free = || Balances::free_balance(&wallet);
		let before = free();
		let (mut rotations, mut streams, mut fees) = (0, 0, 0);
		let mut refused = (false, false);
		for round in 0..100u8 {
			next_block();
			let mut seed = [3; 32];
			seed[0] = round;
			let (call, next) = trader.rotation(pair(seed), TRADE, 0);
			refused.0 = trader.send(call.into()) != Ok(Ok(()));
			if !refused.0 {
				trader = next;
				rotations += 1;
			}
			refused.1 = manager.send(open_stream()) != Ok(Ok(()));
			if !refused.1 {
				let newest = Telemetry::streams(&wallet).last().copied().expect("it is open");
				assert!(newest > 0);
				assert!(before - free() <= LIMIT);
				if manager.send(close_stream(newest)) == Ok(Ok(())) {
					streams += 1;
				}
			}
			if trader.send(remark()) == Ok(Ok(())) {
				fees += 1;
			}
			assert!(before - free() <= LIMIT, "round {round}");
		}
		// Each of them works until the budget is used up, and no longer.
		assert!(rotations > 1 && streams > 1 && fees > 1);
		assert_eq!(refused, (true, true));
		let (_, left, _) = FeeSponsorship::budget_left(&wallet).expect("it is set");
		assert!(left < LIMIT / 5, "{left}");
		// The owner is not limited, and puts an end to it.
		for key in [&trader, &manager] {
			assert_ok!(DeviceIdentity::remove_key(
				signed(&owner()),
				Some(wallet.clone()),
				key.account()
			));
		}
		streams * MILLI_UNIT
	});
}

#[test]
fn total_issuance_is_unchanged_whoever_pays_a_fee() {
	chain(|| {
		let meter = Meter::register(1);
		let number = sponsorship(Beneficiary::Device(meter.id.clone()), UNIT, 0, None);
		meter.fund_wallet(UNIT);
		meter.set_budget(&owner(), UNIT / 10);
		assert_ok!(Balances::transfer_keep_alive(
			signed(&sponsor()),
			meter.account().into(),
			UNIT
		));
		next_block();
		let pot = FeeSponsorship::pot(number);
		let author = Sr25519Keyring::Alice.to_account_id();
		let issued = Balances::total_issuance();
		let fails = RuntimeCall::Telemetry(pallet_telemetry::Call::close_stream {
			device: None,
			stream: 7,
		});
		for (payer, call, tip) in [
			(pot.clone(), meter.anchor(1), 0),
			(pot, fails, 0),
			(meter.id.clone(), remark(), 0),
			(meter.account(), remark(), MICRO_UNIT),
		] {
			let before = (balance(&payer), balance(&author));
			let sent = Executive::apply_extrinsic(meter.sign(call, meter.nonce(), tip));
			assert!(sent.is_ok());
			let paid = before.0 - balance(&payer);
			assert!(paid > 0);
			assert_eq!(balance(&author), before.1 + paid);
			assert_eq!(Balances::total_issuance(), issued);
		}
	});
}

#[test]
fn a_fee_too_small_to_open_the_authors_account_is_burnt_and_nothing_else() {
	chain_that_burns(|| {
		let meter = Meter::register(1);
		let number = sponsorship(Beneficiary::Device(meter.id.clone()), UNIT, 0, None);
		let pot = FeeSponsorship::pot(number);
		let nobody = AccountId::new([0x77; 32]);
		pallet_session::Validators::<Runtime>::put(vec![nobody.clone()]);
		next_block();
		let pay = |quarter| {
			let before = (balance(&pot), balance(&nobody), Balances::total_issuance());
			assert_eq!(meter.send(meter.anchor(quarter)), Ok(Ok(())));
			let fee = before.0 - balance(&pot);
			assert!(fee > 0 && fee < EXISTENTIAL_DEPOSIT);
			(
				fee,
				balance(&nobody) - before.1,
				before.2 - Balances::total_issuance(),
			)
		};
		let (fee, received, burnt) = pay(1);
		assert_eq!((received, burnt), (0, fee));
		assert!(!System::account_exists(&nobody));
		// The least that an account can have is enough to receive the smallest fee.
		assert_ok!(Balances::transfer_keep_alive(
			signed(&sponsor()),
			nobody.clone().into(),
			EXISTENTIAL_DEPOSIT
		));
		let (second, received, burnt) = pay(2);
		assert_eq!((received, burnt), (second, 0));
		fee
	});
}

#[test]
fn retiring_returns_every_deposit_and_reference() {
	chain_that_burns(|| {
		let author = Sr25519Keyring::Alice.to_account_id();
		let before = [owner(), sponsor(), author.clone()].map(|who| balance(&who));
		let meter = Meter::register(1);
		let number = sponsorship(Beneficiary::Device(meter.id.clone()), UNIT, 0, None);
		meter.fund_wallet(UNIT);
		meter.set_budget(&owner(), UNIT);
		next_block();
		// A bucket at the sponsor's cost, a fee at the wallet's, and a stream within the budget.
		assert_eq!(meter.send(meter.anchor(1)), Ok(Ok(())));
		let wallet = balance(&meter.id);
		assert_eq!(meter.send(remark()), Ok(Ok(())));
		let of_wallet = wallet - balance(&meter.id);
		assert_eq!(meter.send(open_stream()), Ok(Ok(())));
		assert!(Balances::reserved_balance(owner()) > 0);
		for stream in Telemetry::streams(&meter.id) {
			assert_ok!(Telemetry::close_stream(
				signed(&owner()),
				Some(meter.id.clone()),
				stream
			));
		}

		assert_ok!(DeviceIdentity::retire(signed(&owner()), meter.id.clone()));
		assert!(!pallet_fee_sponsorship::Budgets::<Runtime>::contains_key(
			&meter.id
		));
		assert_eq!(Balances::reserved_balance(owner()), 0);
		assert!(!System::account_exists(&meter.id));
		assert!(!System::account_exists(&meter.account()));

		// The bucket never fills again, and goes because its device is gone.
		let devices = BoundedVec::truncate_from(vec![meter.id.clone()]);
		assert_ok!(FeeSponsorship::prune_buckets(signed(&owner()), number, devices));
		assert_ok!(FeeSponsorship::close(signed(&sponsor()), number));
		assert!(!pallet_fee_sponsorship::Sponsorships::<Runtime>::contains_key(
			number
		));
		assert!(!pallet_fee_sponsorship::Attached::<Runtime>::contains_key(
			&meter.id
		));
		assert!(!System::account_exists(&FeeSponsorship::pot(number)));

		// The device, its key and two streams left a tombstone each; all else is back but the fees.
		let burnt = 4 * MILLI_UNIT;
		let fees = balance(&author) - before[2];
		assert!(0 < of_wallet && of_wallet < fees);
		assert_eq!(balance(&owner()), before[0] - burnt - of_wallet);
		assert_eq!(balance(&sponsor()), before[1] - (fees - of_wallet));
		burnt
	});
}

#[test]
fn a_transfer_voids_sponsorship_and_budget() {
	chain(|| {
		let buyer = Sr25519Keyring::Dave.to_account_id();
		let meter = Meter::register(1);
		let number = sponsorship(Beneficiary::Device(meter.id.clone()), UNIT, 0, None);
		meter.fund_wallet(UNIT);
		meter.set_budget(&owner(), UNIT);
		next_block();
		assert_ok!(meter.validate(meter.anchor(1)));
		assert_ok!(meter.validate(remark()));

		meter.sell(&buyer);
		assert!(!pallet_fee_sponsorship::Budgets::<Runtime>::contains_key(
			&meter.id
		));
		assert_eq!(Balances::reserved_balance(owner()), 0);
		meter.confirm(&buyer);
		meter.fund_wallet(UNIT);
		next_block();
		assert_eq!(meter.validate(meter.anchor(1)), Err(PAYMENT));
		assert_eq!(meter.validate(remark()), Err(PAYMENT));
		assert_noop!(
			FeeSponsorship::attach(signed(&buyer), number),
			pallet_fee_sponsorship::Error::<Runtime>::SponsorshipEnded
		);
		// Nothing else was missing.
		meter.set_budget(&buyer, UNIT);
		next_block();
		assert_ok!(meter.validate(remark()));
	});
}

#[test]
fn a_rotated_key_and_an_unconfirmed_key_are_not_sponsored() {
	chain(|| {
		let buyer = Sr25519Keyring::Dave.to_account_id();
		let meter = Meter::register(1);
		sponsorship(Beneficiary::Owner(owner()), UNIT, 0, None);
		sponsorship_of(&buyer, Beneficiary::Owner(buyer.clone()), UNIT, 0, None);
		next_block();
		assert_ok!(meter.validate(meter.anchor(1)));

		// Readings of the old key are still taken, but it pays nothing.
		let (rotate, next) = meter.rotation(pair([2; 32]), Roles::ALL, DAY);
		assert_ok!(RuntimeCall::from(rotate).dispatch(signed(&owner())));
		next_block();
		assert_eq!(meter.validate(meter.anchor(1)), Err(PAYMENT));
		assert_ok!(next.validate(next.anchor(1)));

		next.sell(&buyer);
		next_block();
		assert_eq!(next.validate(next.anchor(1)), Err(PAYMENT));
		next.confirm(&buyer);
		next_block();
		assert_ok!(next.validate(next.anchor(1)));
	});
}

/// Weight that an extrinsic takes of a block.
fn weight_of(apply: impl FnOnce()) -> Weight {
	let used = || *System::block_weight().get(DispatchClass::Normal);
	let before = used();
	apply();
	used() - before
}

fn at_most_1_3_times(more: Weight, less: Weight) -> bool {
	more.ref_time() <= less.ref_time().saturating_mul(13) / 10
}

#[test]
fn a_sponsored_anchor_weighs_at_most_1_3_times_one_paid_by_its_signer() {
	chain(|| {
		let (sponsored, alone) = (Meter::register(1), Meter::register(2));
		sponsorship(Beneficiary::Device(sponsored.id.clone()), UNIT, 0, None);
		assert_ok!(Balances::transfer_keep_alive(
			signed(&sponsor()),
			alone.account().into(),
			UNIT
		));
		next_block();
		let send =
			|meter: &Meter, quarter| weight_of(|| assert_eq!(meter.send(meter.anchor(quarter)), Ok(Ok(()))));
		let paid = send(&alone, 1);
		for quarter in 1..3 {
			let weight = send(&sponsored, quarter);
			assert!(at_most_1_3_times(weight, paid), "{weight:?} against {paid:?}");
		}

		// And on every way through the extension: the first fee of a bucket, a sponsorship that does not pay before
		// the one that does.
		type Weights = <Runtime as pallet_fee_sponsorship::Config>::WeightInfo;
		let first_fee = <Runtime as frame_system::Config>::DbWeight::get().writes(1);
		let without_payment = paid - Weights::charge_wallet(0);
		for number in [1, 2] {
			for more in [Weight::zero(), first_fee] {
				let weight = without_payment + Weights::charge_sponsored(number) + more;
				assert!(at_most_1_3_times(weight, paid), "{weight:?} against {paid:?}");
			}
		}
		// No account but a device key can anchor. If one could, with its own money and nobody to look up, the usual
		// sponsored anchor would still be within the bound.
		let weight = without_payment + Weights::charge_sponsored(1);
		let ordinary = without_payment + Weights::charge_account();
		assert!(
			at_most_1_3_times(weight, ordinary),
			"{weight:?} against {ordinary:?}"
		);
	});
}
