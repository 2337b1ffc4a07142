//! A small market in the real runtime: real extrinsics in real blocks, and what they cost.

use codec::Encode;
use frame_support::{BoundedVec, assert_ok, dispatch::GetDispatchInfo, traits::fungible::Inspect};
use m2m_anchor::{Anchor, AnchorItem, SignedAnchors, StreamKind, StreamSpec, Summary};
use m2m_auction::{PriceOrder, PriceStep, Pricing, Slot, TickGrid};
use m2m_device::{
	AccountId, DeviceId, DevicePublic, DeviceSignature, KeyClaim, PossessionAction, PossessionProof, Roles,
};
use m2m_merkle::{Batch, Reading};
use m2m_runtime::{
	Address, Balance, Balances, BlockNumber, DeviceIdentity, EXISTENTIAL_DEPOSIT, EnergyTrading, Executive,
	Header, Runtime, RuntimeCall, RuntimeEvent, RuntimeGenesisConfig, RuntimeOrigin, SLOT_DURATION_MS,
	Signature, SignedPayload, System, Telemetry, TxExtension, UNIT, UncheckedExtrinsic, genesis_presets,
};
use m2m_runtime_api::{MembershipState, runtime_decl_for_energy_api::EnergyApiV1};
use pallet_energy_trading::{Capacity, Parameters, Window};
use pallet_fee_sponsorship::SponsoredPayment;
use pallet_transaction_payment::ChargeTransactionPayment;
use sp_consensus_aura::{AURA_ENGINE_ID, Slot as AuraSlot};
use sp_core::{H256, Pair, sr25519};
use sp_keyring::Sr25519Keyring;
use sp_runtime::{BuildStorage, Digest, DigestItem, generic::Era, traits::Header as _};

/// 2026-06-13, the beginning of a delivery slot and of an Aura slot.
const START: u64 = 1_781_308_800_000;
const QUARTER: u64 = 900_000;
const FIRST: Slot = START / QUARTER + 1;
/// Units per kWh that are worth a hundredth of a token.
const CENT: Balance = UNIT / 100;
const MARKET: u32 = 0;
const WINDOW: Window = Window {
	ms: 600_000,
	blocks: 3,
};

fn operator() -> AccountId {
	Sr25519Keyring::Dave.to_account_id()
}

fn owner() -> AccountId {
	Sr25519Keyring::Charlie.to_account_id()
}

fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}

/// Runs a test inside the first block of a development chain, and checks the books afterwards.
fn chain(test: impl FnOnce()) {
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
		begin_block(1, START);
		test();
		assert_ok!(EnergyTrading::do_try_state());
		assert_ok!(Telemetry::do_try_state());
		assert_ok!(DeviceIdentity::do_try_state());
		let account = EnergyTrading::market_account(MARKET);
		assert_eq!(Balances::total_balance(&account), EnergyTrading::owed(MARKET));
	});
}

fn begin_block(number: BlockNumber, now: u64) {
	let slot = AuraSlot::from(now / SLOT_DURATION_MS);
	let digest = Digest {
		logs: vec![DigestItem::PreRuntime(AURA_ENGINE_ID, slot.encode())],
	};
	let parent = H256::repeat_byte(number as u8);
	Executive::initialize_block(&Header::new(number, H256::zero(), H256::zero(), parent, digest));
	let set_time = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now });
	assert_ok!(Executive::apply_extrinsic(UncheckedExtrinsic::new_bare(set_time)));
}

/// Ends the block, and lets the chain make one every minute until the clock shows `time`.
fn run_to(time: u64) {
	loop {
		let now = pallet_timestamp::Now::<Runtime>::get();
		if now >= time {
			return;
		}
		let number = System::block_number();
		Executive::finalize_block();
		begin_block(number + 1, time.min(now + 60_000));
	}
}

struct Home {
	key: sr25519::Pair,
	id: DeviceId,
}

fn register(number: u16) -> Home {
	let mut seed = [7; 32];
	seed[..2].copy_from_slice(&number.to_le_bytes());
	let key = sr25519::Pair::from_seed(&seed);
	let public = DevicePublic::Sr25519(key.public());
	let expires = pallet_timestamp::Now::<Runtime>::get();
	let claim = KeyClaim {
		genesis: System::block_hash(0).0,
		action: PossessionAction::Register,
		owner: &owner(),
		device: None,
		roles: Roles::ALL,
		public: &public,
		expires,
	};
	let proof = PossessionProof {
		expires,
		signature: DeviceSignature::Sr25519(key.sign(&claim.signed_bytes())),
	};
	assert_ok!(DeviceIdentity::register_device(
		signed(&owner()),
		public,
		Roles::ALL,
		proof,
		None,
		None
	));
	let id = public.device_id();
	for _ in 0..2 {
		let spec = StreamSpec {
			kind: StreamKind::Interval,
			private: false,
			schema: H256::zero(),
			unit: BoundedVec::truncate_from(b"Wh".to_vec()),
			scale: 0,
			plausible_min: 0,
			plausible_max: 1_000_000,
			cadence_ms: QUARTER as u32,
			period_ms: Some(QUARTER as u32),
			not_before: 0,
			retention: 8,
		};
		assert_ok!(Telemetry::create_stream(signed(&owner()), Some(id.clone()), spec));
	}
	Home { key, id }
}

fn open_market() {
	let pricing = Pricing {
		retail: 30 * CENT,
		feed_in: 8 * CENT,
		margin: CENT,
		grid_fee: 4 * CENT,
		grid: TickGrid {
			bottom: 10 * CENT,
			tick_size: CENT,
			ticks: 16,
		},
	};
	let parameters = Parameters {
		pricing,
		window: WINDOW,
	};
	assert_ok!(EnergyTrading::create_market(
		signed(&operator()),
		900,
		parameters,
		None
	));
}

fn step(cents: u128, wh: u32) -> BoundedVec<PriceStep, sp_core::ConstU32<4>> {
	BoundedVec::truncate_from(vec![PriceStep {
		limit: cents * CENT,
		wh,
	}])
}

/// A home that buys and sells.
fn member(number: u16) -> Home {
	let home = register(number);
	let id = || Some(home.id.clone());
	assert_ok!(EnergyTrading::join(signed(&owner()), MARKET, id(), 0, 1));
	let capacity = Capacity {
		import: 10_000,
		export: 10_000,
	};
	let point = H256::from_low_u64_be(number.into());
	assert_ok!(EnergyTrading::admit(
		signed(&operator()),
		MARKET,
		home.id.clone(),
		point,
		capacity
	));
	let order = PriceOrder {
		bids: step(20, 5_000),
		asks: step(12, 5_000),
	};
	assert_ok!(EnergyTrading::set_order(signed(&owner()), MARKET, id(), order));
	assert_ok!(Balances::transfer_keep_alive(
		signed(&owner()),
		home.id.clone().into(),
		10 * UNIT
	));
	assert_ok!(EnergyTrading::top_up(signed(&owner()), MARKET, id(), 5 * UNIT));
	home
}

/// What a meter signs for a slot: import and export in one envelope.
fn envelope(home: &Home, slot: Slot, imported: i64, exported: i64) -> SignedAnchors {
	let items: Vec<AnchorItem> = [imported, exported]
		.into_iter()
		.enumerate()
		.map(|(stream, value)| {
			let reading = Reading {
				time_ms: slot * QUARTER,
				value,
			};
			let batch = Batch::new(&[1; 32], vec![reading]).expect("one reading");
			let anchor = Anchor {
				data_root: H256(batch.data_root()),
				summary: Summary::Open {
					top_hash: H256(batch.top_hash()),
					aggregate: *batch.aggregate(),
				},
			};
			AnchorItem {
				stream: stream as u32,
				seq: slot - FIRST,
				anchor,
			}
		})
		.collect();
	let key: AccountId = home.key.public().into();
	let genesis = System::block_hash(0).0;
	let bytes = SignedAnchors::signed_bytes(&genesis, &home.id, &key, 0, &items);
	SignedAnchors {
		device: home.id.clone(),
		key,
		expires: 0,
		items: BoundedVec::truncate_from(items),
		signature: DeviceSignature::Sr25519(home.key.sign(&bytes)),
	}
}

fn deliver(envelopes: Vec<SignedAnchors>) -> RuntimeCall {
	RuntimeCall::Telemetry(pallet_telemetry::Call::anchor_many {
		envelopes: BoundedVec::truncate_from(envelopes),
	})
}

fn settle(slot: Slot, homes: &[Home]) -> RuntimeCall {
	let devices = homes.iter().map(|home| home.id.clone()).collect();
	RuntimeCall::EnergyTrading(pallet_energy_trading::Call::settle {
		market: MARKET,
		slot,
		devices: BoundedVec::truncate_from(devices),
	})
}

/// Sends a call as a wallet does, and returns the fee.
fn send(sender: Sr25519Keyring, call: RuntimeCall) -> Balance {
	let account = sender.to_account_id();
	let extension: TxExtension = (
		frame_system::AuthorizeCall::new(),
		frame_system::CheckNonZeroSender::new(),
		frame_system::CheckSpecVersion::new(),
		frame_system::CheckTxVersion::new(),
		frame_system::CheckGenesis::new(),
		frame_system::CheckEra::from(Era::Immortal),
		frame_system::CheckNonce::from(System::account_nonce(&account)),
		frame_system::CheckWeight::new(),
		SponsoredPayment::new(ChargeTransactionPayment::from(0)),
		frame_metadata_hash_extension::CheckMetadataHash::new(false),
		frame_system::WeightReclaim::new(),
	);
	let payload = SignedPayload::new(call.clone(), extension.clone()).expect("everything is known");
	let signature = payload.using_encoded(|bytes| sender.sign(bytes));
	let extrinsic = UncheckedExtrinsic::new_signed(
		call,
		Address::Id(account.clone()),
		Signature::Sr25519(signature),
		extension,
	);
	assert_ok!(Executive::apply_extrinsic(extrinsic).expect("it is valid"));
	System::events()
		.into_iter()
		.rev()
		.find_map(|record| match record.event {
			RuntimeEvent::TransactionPayment(pallet_transaction_payment::Event::TransactionFeePaid {
				who,
				actual_fee,
				..
			}) if who == account => Some(actual_fee),
			_ => None,
		})
		.expect("the sender paid")
}

/// Bills in this block: mWh bought and sold.
fn bills() -> Vec<(u128, u128)> {
	let events = System::events().into_iter();
	events
		.filter_map(|record| match record.event {
			RuntimeEvent::EnergyTrading(pallet_energy_trading::Event::Settled { bought, sold, .. }) => {
				Some((bought, sold))
			}
			_ => None,
		})
		.collect()
}

#[test]
fn two_homes_trade_a_slot_in_the_real_runtime() {
	chain(|| {
		open_market();
		let homes = [member(1), member(2)];
		run_to((FIRST + 1) * QUARTER);
		send(
			Sr25519Keyring::Bob,
			deliver(vec![
				envelope(&homes[0], FIRST, 1_500, 0),
				envelope(&homes[1], FIRST, 0, 1_000),
			]),
		);
		let book = Runtime::book(MARKET, FIRST).expect("it was reported");
		assert_eq!((book.bids.len(), book.asks.len(), book.due), (1, 1, false));
		assert_eq!((book.bids[0].price, book.bids[0].wh), (20 * CENT, 1_500));
		assert_eq!(book.indicative.map(|clearing| clearing.price), Some(20 * CENT));
		let entry = Runtime::entry(MARKET, FIRST, homes[1].id.clone()).expect("it was reported");
		assert_eq!(entry.asks, [(12 * CENT, 1_000)]);
		assert_eq!(Runtime::open_slots(MARKET, 9), [(FIRST, false)]);

		// Blocks have time to spare: the slot is cleared by itself at the end of its window.
		run_to((FIRST + 1) * QUARTER + u64::from(WINDOW.ms) + 60_000);
		assert_eq!(Runtime::open_slots(MARKET, 9), []);
		let cleared = Runtime::clearing(MARKET, FIRST).expect("it has entries");
		assert_eq!(cleared.clearing.map(|clearing| clearing.volume_wh), Some(1_000));
		assert_eq!(Runtime::unsettled_slots(MARKET, 9), [FIRST]);
		assert_eq!(Runtime::unsettled(MARKET, FIRST, None).0.len(), 2);

		send(Sr25519Keyring::Bob, settle(FIRST, &homes));
		assert_eq!(bills(), [(1_000_000, 0), (0, 1_000_000)]);
		assert_eq!(Runtime::clearing(MARKET, FIRST), None);
		assert_eq!(Runtime::last_price(MARKET), Some((FIRST, 20 * CENT)));
		let market = Runtime::market(MARKET).expect("it was created");
		assert_eq!((market.reserve, market.slot_seconds), (4 * CENT, 900));
		let credit = |home: &Home| {
			let member = Runtime::member(MARKET, home.id.clone()).expect("it joined");
			assert!(matches!(
				member.state,
				MembershipState::Admitted { since: FIRST, .. }
			));
			member.credit
		};
		assert_eq!(credit(&homes[0]), 5 * UNIT - 24 * CENT);
		assert_eq!(credit(&homes[1]), 5 * UNIT + 20 * CENT);
		assert_eq!(Runtime::members(MARKET, None, 9).len(), 2);
		assert_eq!(Runtime::markets(None, 9), [MARKET]);

		// Everybody leaves with everything, and the deposits come back.
		for home in &homes {
			assert_ok!(EnergyTrading::leave(
				signed(&owner()),
				MARKET,
				Some(home.id.clone())
			));
		}
		let left = Balances::total_balance(&EnergyTrading::market_account(MARKET));
		assert_eq!(left, EXISTENTIAL_DEPOSIT + 4 * CENT);
	});
}

#[test]
fn a_transferred_device_keeps_its_membership_and_a_retired_one_has_none() {
	chain(|| {
		open_market();
		let home = member(1);
		let now = pallet_timestamp::Now::<Runtime>::get();
		let new = operator();
		assert_ok!(DeviceIdentity::offer_transfer(
			signed(&owner()),
			home.id.clone(),
			new.clone(),
			0,
			now
		));
		assert_ok!(DeviceIdentity::accept_transfer(
			signed(&new),
			home.id.clone(),
			0,
			0
		));
		assert!(DeviceIdentity::retire(signed(&new), home.id.clone()).is_err());
		assert_ok!(EnergyTrading::leave(signed(&new), MARKET, Some(home.id.clone())));
		for stream in 0..2 {
			assert_ok!(Telemetry::close_stream(
				signed(&new),
				Some(home.id.clone()),
				stream
			));
		}
		assert_ok!(DeviceIdentity::retire(signed(&new), home.id.clone()));
	});
}

/// What a slot of 64 homes costs in fees, for each of them: both anchors of all, 64 in a batch, and one settlement.
fn fees_of_a_slot(homes: &[Home], slot: Slot, imported: i64, exported: i64) -> Balance {
	run_to((slot + 1) * QUARTER);
	let mut fees = 0;
	for half in homes.chunks(32) {
		let envelopes = half
			.iter()
			.map(|home| envelope(home, slot, imported, exported))
			.collect();
		fees += send(Sr25519Keyring::Bob, deliver(envelopes));
	}
	run_to((slot + 1) * QUARTER + u64::from(WINDOW.ms) + 60_000);
	fees += send(Sr25519Keyring::Bob, settle(slot, homes));
	assert_eq!(bills().len(), 64);
	fees / 64
}

#[test]
fn a_device_day_costs_at_most_a_hundredth_of_a_token() {
	chain(|| {
		open_market();
		let homes: Vec<Home> = (0..64).map(member).collect();
		// 192 anchors are relayed and 96 entries settled: at night the home takes, by day it gives.
		let night = fees_of_a_slot(&homes, FIRST, 300, 0);
		let day = fees_of_a_slot(&homes, FIRST + 1, 0, 400);
		let fees = 48 * night + 48 * day;
		// More than any home: it takes and gives in every slot.
		let most = 96 * fees_of_a_slot(&homes, FIRST + 2, 300, 400);
		println!(
			"a device-day costs {fees} of {}; both ways in each slot {most}",
			UNIT / 100
		);
		assert!(fees <= UNIT / 100, "{fees}");
		assert!(most <= UNIT / 80, "{most}");
	});
}

#[test]
fn a_full_settlement_fits_a_block() {
	let devices = (0..pallet_energy_trading::MAX_SETTLED)
		.map(|number| {
			let mut id = [0; 32];
			id[..4].copy_from_slice(&number.to_le_bytes());
			DeviceId::new(id)
		})
		.collect();
	let call = RuntimeCall::EnergyTrading(pallet_energy_trading::Call::settle {
		market: 0,
		slot: 0,
		devices: BoundedVec::truncate_from(devices),
	});
	let limits: frame_system::limits::BlockWeights =
		<<Runtime as frame_system::Config>::BlockWeights as frame_support::traits::Get<_>>::get();
	let most = limits
		.get(frame_support::dispatch::DispatchClass::Normal)
		.max_extrinsic
		.expect("there is a limit");
	assert!(call.get_dispatch_info().call_weight.all_lte(most));
}
