//! Sales of readings in the real runtime: an honest one, which leaves nothing behind, and a cheating seller, who
//! pays for it.

use codec::Encode;
use frame_support::{
	BoundedVec, assert_noop, assert_ok,
	traits::fungible::{Inspect, Mutate},
};
use m2m_anchor::{Anchor, StreamKind, StreamSpec, Summary};
use m2m_device::{
	AccountId, DeviceId, DevicePublic, DeviceSignature, KeyClaim, PossessionAction, PossessionProof, Roles,
};
use m2m_fair_exchange::{
	Blind, BlindedKey, Checker, Claims, Edges, Opener, Place, SaleEvidence, SaleRange, SaleTerms, SealedLeaf,
	Sealer, SealingKey, SignedTerms, SoldAnchor, SoldAnchors,
	market::{ListingFilter, ListingSpec, Payout, Price},
};
use m2m_merkle::{Batch, DataTree, Reading, batch_secret, reading};
use m2m_runtime::{
	Balance, Balances, DataMarketplace, DeviceIdentity, FeeSponsorship, MILLI_UNIT, Runtime, RuntimeOrigin,
	System, Telemetry, UNIT,
	configs::data::{FixedCover, TradeFees},
};
use sp_core::{H256, Pair, sr25519};
use sp_runtime::{BuildStorage, traits::Get};
use std::collections::BTreeMap;

const NOW: u64 = 1_781_308_800_000;
const DAY: u64 = 24 * 60 * 60 * 1000;
const SECRET: [u8; 32] = [9; 32];
const PRICE: Balance = 5 * UNIT;
const BUYER: AccountId = AccountId::new([0xb0; 32]);
const HELPER: AccountId = AccountId::new([0x4e; 32]);

fn owner() -> sr25519::Pair {
	sr25519::Pair::from_seed(&[1; 32])
}

fn seller() -> AccountId {
	DevicePublic::Sr25519(owner().public()).account()
}

fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}

fn genesis() -> [u8; 32] {
	System::block_hash(0).0
}

/// Runs a test on a production chain where seller and buyer have money, and checks the books afterwards.
fn chain(test: impl FnOnce()) {
	let storage = m2m_runtime::RuntimeGenesisConfig::default()
		.build_storage()
		.expect("the genesis state builds");
	sp_io::TestExternalities::from(storage).execute_with(|| {
		System::set_block_number(1);
		// Not by `Timestamp::set_timestamp`, which also tells Aura.
		pallet_timestamp::Now::<Runtime>::put(NOW);
		for account in [seller(), BUYER] {
			Balances::set_balance(&account, 1_000 * UNIT);
		}
		test();
		assert_ok!(DataMarketplace::do_try_state());
		assert_ok!(DeviceIdentity::do_try_state());
		assert_ok!(Telemetry::do_try_state());
		assert_ok!(FeeSponsorship::do_try_state());
	});
}

/// Everything in state but events.
fn state() -> BTreeMap<Vec<u8>, Vec<u8>> {
	let events = frame_support::storage::storage_prefix(b"System", b"Events");
	let count = frame_support::storage::storage_prefix(b"System", b"EventCount");
	let mut pairs = BTreeMap::new();
	let mut key = Vec::new();
	while let Some(next) = sp_io::storage::next_key(&key) {
		if next != events && next != count {
			pairs.insert(
				next.clone(),
				sp_io::storage::get(&next).expect("the key is there").to_vec(),
			);
		}
		key = next;
	}
	pairs
}

/// Entries of the market's own state, and their bytes with the keys.
fn market_state() -> (usize, usize) {
	let prefix = sp_io::hashing::twox_128(b"DataMarketplace");
	let own: Vec<_> = state()
		.into_iter()
		.filter(|(key, _)| key.starts_with(&prefix))
		.collect();
	(
		own.len(),
		own.iter().map(|(key, value)| key.len() + value.len()).sum(),
	)
}

/// Runs a call and says how many entries of the whole state it wrote.
fn writes(call: impl FnOnce()) -> usize {
	let before = state();
	call();
	let after = state();
	let changed = after
		.iter()
		.filter(|(key, value)| before.get(*key) != Some(*value));
	changed.count() + before.keys().filter(|key| !after.contains_key(*key)).count()
}

/// A device of the seller's that has anchored a day of one-minute readings, in batches of a quarter of a day.
fn meter() -> (DeviceId, Vec<Batch>) {
	let key = sr25519::Pair::from_seed(&[2; 32]);
	let public = DevicePublic::Sr25519(key.public());
	let claim = KeyClaim {
		genesis: genesis(),
		action: PossessionAction::Register,
		owner: &seller(),
		device: None,
		roles: Roles::ALL,
		public: &public,
		expires: NOW,
	};
	let proof = PossessionProof {
		expires: NOW,
		signature: DeviceSignature::Sr25519(key.sign(&claim.signed_bytes())),
	};
	assert_ok!(DeviceIdentity::register_device(
		signed(&seller()),
		public,
		Roles::ALL,
		proof,
		None,
		None
	));
	let device = public.device_id();
	let spec = StreamSpec {
		kind: StreamKind::Gauge,
		private: true,
		schema: H256::repeat_byte(0x5c),
		unit: BoundedVec::truncate_from(b"W".to_vec()),
		scale: 0,
		plausible_min: 0,
		plausible_max: 10_000,
		cadence_ms: 60_000,
		period_ms: None,
		not_before: 0,
		retention: 8,
	};
	assert_ok!(Telemetry::create_stream(
		signed(&seller()),
		Some(device.clone()),
		spec
	));
	let batches: Vec<Batch> = (0..4)
		.map(|seq| {
			let readings = (0..360)
				.map(|minute| Reading {
					time_ms: NOW - DAY + (seq * 360 + minute) * 60_000,
					value: (seq * 360 + minute) as i64 % 977,
				})
				.collect();
			Batch::new(&batch_secret(&SECRET, 0, seq), readings).expect("times increase")
		})
		.collect();
	for (seq, batch) in (0..).zip(&batches) {
		let aggregate = batch.aggregate();
		let anchor = Anchor {
			data_root: H256(batch.data_root()),
			summary: Summary::Private {
				aggregate_root: H256(batch.aggregate_root()),
				count: aggregate.count,
				t_first: aggregate.t_first,
				t_last: aggregate.t_last,
			},
		};
		assert_ok!(Telemetry::anchor(signed(&public.account()), 0, seq, anchor));
	}
	(device, batches)
}

/// What both sides have in a sale of the day.
struct Deal {
	offer: SignedTerms,
	anchors: Vec<SoldAnchor>,
	edges: Edges,
	delivered: Vec<SealedLeaf>,
	blinded: BlindedKey,
	blind: Blind,
}

/// The seller lists the day, and seals it for the buyer; a cheating one alters reading 700.
fn offer(honest: bool) -> Deal {
	let (device, batches) = meter();
	let spec = ListingSpec {
		device: device.clone(),
		stream: 0,
		from: NOW - DAY,
		until: Some(NOW),
		price: Price::PerSale(PRICE),
		licence: H256::zero(),
		schema: H256::repeat_byte(0x5c),
		area: BoundedVec::default(),
		metadata: H256::zero(),
		payout: Payout::Seller,
		claims: Claims::default(),
		endpoint: BoundedVec::truncate_from(b"https://seller.example".to_vec()),
		sealing_key: [0; 32],
		terms_key: None,
	};
	assert_ok!(DataMarketplace::create_listing(
		signed(&seller()),
		None,
		Box::new(spec)
	));
	assert_ok!(DataMarketplace::add_bond(signed(&seller()), None, 10 * UNIT));

	let range = SaleRange {
		stream: 0,
		first: Place { seq: 0, index: 0 },
		last: Place { seq: 3, index: 359 },
	};
	let anchors: Vec<SoldAnchor> = (0..4)
		.filter_map(|seq| Telemetry::anchor_record(&device, 0, seq))
		.map(|record| SoldAnchor {
			seq: record.seq,
			count: record.anchor.count(),
			data_root: record.anchor.data_root,
		})
		.collect();
	let sold = SoldAnchors::new(&range, &anchors).expect("they carry the day");
	let blind = Blind([3; 32]);
	let windows = DataMarketplace::conditions().windows;
	let mut terms = SaleTerms {
		listing: 0,
		version: 0,
		device,
		generation: 0,
		range,
		range_commitment: sold.commitment(),
		leaves: sold.len(),
		seller: seller(),
		buyer: BUYER,
		price: PRICE,
		sale_root: H256::zero(),
		blinded_key_commitment: H256::zero(),
		blind_commitment: blind.commitment(),
		reveal_window: windows.min_reveal,
		dispute_window: windows.min_dispute,
		nonce: 1,
		expires: 1 + windows.max_validity,
	};
	let blinded = terms.blinded_key(&genesis(), &[4; 32]);
	terms.blinded_key_commitment = blinded.commitment();
	let mut sealer = Sealer::new(&sold, SealingKey::new(&blinded, &blind));
	let mut delivered = Vec::new();
	let mut pairs = Vec::new();
	for (position, place) in (0u32..).zip(sold.places()) {
		let batch = &batches[place.seq as usize];
		let salt = reading::salt(&batch_secret(&SECRET, 0, place.seq), place.index);
		let mut leaf = sealer
			.seal(&salt, &batch.readings()[place.index as usize])
			.expect("the day has this reading");
		if !honest && position == 700 {
			leaf.sealed[24] ^= 1;
		}
		pairs.push(leaf.pair(position, place));
		delivered.push(leaf);
	}
	terms.sale_root = H256(DataTree::new(pairs).expect("some leaves").root());
	let signature = owner().sign(&terms.signed_bytes(&genesis()));
	Deal {
		offer: SignedTerms {
			terms,
			signer: DevicePublic::Sr25519(owner().public()),
			signature: DeviceSignature::Sr25519(signature),
		},
		edges: Edges::new(&range, batches[0].data_tree(), batches[3].data_tree())
			.expect("the ends are there"),
		anchors,
		delivered,
		blinded,
		blind,
	}
}

impl Deal {
	/// What the buyer checks before paying, against the chain's anchors.
	fn check(&self) {
		assert!(self.offer.verify(&genesis()));
		let mut checker = Checker::new(&self.offer.terms, &self.blind, &self.anchors, &self.edges)
			.expect("the terms are those of the anchors");
		for leaf in &self.delivered {
			assert_eq!(checker.check(leaf), Ok(()));
		}
		assert_eq!(checker.finish(), Ok(()));
	}
}

#[test]
fn an_honest_sale_of_a_day_takes_three_extrinsics_and_leaves_zero_bytes() {
	chain(|| {
		let deal = offer(true);
		let sale = deal.offer.terms.sale_id(&genesis());
		assert_eq!(
			DataMarketplace::search(&ListingFilter::default(), 0, 10)
				.listings
				.len(),
			1
		);
		deal.check();
		let before = market_state();
		let (seller_before, buyer_before) =
			(Balances::free_balance(seller()), Balances::total_balance(&BUYER));

		let bought = writes(|| {
			assert_ok!(DataMarketplace::purchase(
				signed(&BUYER),
				None,
				Box::new(deal.offer.clone())
			));
		});
		let during = market_state();
		let revealed = writes(|| {
			assert_ok!(DataMarketplace::reveal_key(signed(&HELPER), sale, deal.blinded));
		});
		let mut opener = Opener::new(&deal.offer.terms, &deal.blinded, &deal.blind, &deal.anchors)
			.expect("the key is that of the terms");
		let sum: i64 = deal
			.delivered
			.iter()
			.map(|leaf| opener.open(leaf).expect("the seller is honest").reading.value)
			.sum();
		assert_eq!(sum, (0..1_440).map(|minute| minute % 977).sum::<i64>());

		System::set_block_number(1 + deal.offer.terms.dispute_window + 1);
		let settled = writes(|| {
			assert_ok!(DataMarketplace::settle(
				signed(&HELPER),
				BoundedVec::truncate_from(vec![sale])
			));
		});
		assert_eq!(market_state(), before, "an honest sale leaves zero bytes");
		let fee = PRICE / 200;
		assert_eq!(Balances::free_balance(seller()), seller_before + PRICE - fee);
		assert_eq!(Balances::total_balance(&BUYER), buyer_before - PRICE);
		println!(
			"honest sale: 3 extrinsics, {bought} + {revealed} + {settled} entries written, {} bytes while open",
			during.1 - before.1
		);
		assert_eq!(during.0, before.0 + 1);
		// Sale, seller, the buyer's account and holds; the sale; these and both accounts, and the total issuance.
		assert!(
			bought <= 4 && revealed == 1 && settled <= 6,
			"{bought} {revealed} {settled}"
		);
	});
}

#[test]
fn a_cheat_is_convicted_with_a_small_proof_and_the_buyer_has_more_than_before() {
	chain(|| {
		let deal = offer(false);
		let terms = &deal.offer.terms;
		let sale = terms.sale_id(&genesis());
		// Before it has the key the buyer sees nothing wrong.
		deal.check();
		let before = (
			Balances::total_balance(&seller()),
			Balances::total_balance(&BUYER),
		);
		assert_ok!(DataMarketplace::purchase(
			signed(&BUYER),
			None,
			Box::new(deal.offer.clone())
		));
		assert_ok!(DataMarketplace::reveal_key(signed(&HELPER), sale, deal.blinded));
		let mut opener = Opener::new(terms, &deal.blinded, &deal.blind, &deal.anchors)
			.expect("the key is that of the terms");
		let bad = deal.delivered.iter().position(|leaf| opener.open(leaf).is_err());
		assert_eq!(bad, Some(700));
		let evidence = |position| {
			SaleEvidence::new(
				terms,
				&deal.blind,
				&deal.anchors,
				deal.delivered.iter().copied(),
				position,
			)
			.expect("the sale has this leaf")
		};
		assert_noop!(
			DataMarketplace::prove_bad_leaf(signed(&HELPER), sale, Box::new(evidence(699))),
			pallet_data_marketplace::Error::<Runtime>::NothingWrong
		);
		let proof = evidence(700);
		println!(
			"evidence for a sale of {} readings: {} bytes with terms",
			terms.leaves,
			proof.encoded_size()
		);
		assert!(proof.encoded_size() < 900);
		assert_ok!(DataMarketplace::prove_bad_leaf(
			signed(&HELPER),
			sale,
			Box::new(proof)
		));
		let cover = FixedCover::get();
		assert_eq!(Balances::total_balance(&BUYER), before.1 + cover);
		assert_eq!(Balances::total_balance(&seller()), before.0 - cover - PRICE);
	});
}

#[test]
fn the_smallest_price_covers_the_fees_of_purchase_and_reveal() {
	use frame_support::dispatch::GetDispatchInfo;
	chain(|| {
		let deal = offer(true);
		let fee = |call: m2m_runtime::RuntimeCall| {
			let length = call.encoded_size() as u32 + 150;
			m2m_runtime::TransactionPayment::compute_fee(length, &call.get_dispatch_info(), 0)
		};
		let purchase = pallet_data_marketplace::Call::purchase {
			buyer: None,
			offer: Box::new(deal.offer.clone()),
		};
		let reveal = pallet_data_marketplace::Call::reveal_key {
			sale: H256::zero(),
			key: deal.blinded,
		};
		let fees = fee(purchase.into()) + fee(reveal.into());
		let least = TradeFees::get();
		println!("smallest price: {least} for fees of {fees}");
		assert!(least >= fees, "{least} < {fees}");
		assert!(least < MILLI_UNIT, "{least}");
	});
}
