//! Benchmarks of every call, each at its worst: the longest fields, payees whose accounts come to life, paths and
//! numbers of items as parameters. Parties are ordinary accounts; asking who acts for a device, and its budget, is
//! added by the calls' weights.

use crate::{
	Balance, BenchmarkHelper, Bounds, Call, Config, GenerationStarts, Listings, MAX_EPOCHS, MAX_PRUNED,
	MAX_SETTLED, Marks, NextListing, Pallet, PoolMembers, Pools, Requests, Sales, Sellers, Subscriptions,
	sales::mark,
};
use alloc::{boxed::Box, vec, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::{
	BoundedVec,
	traits::{
		Get,
		fungible::{Inspect, Mutate},
	},
};
use frame_system::{RawOrigin, pallet_prelude::BlockNumberFor};
use m2m_anchor::{Anchor, AnchorFlags, AnchoredReadings, OnAnchored, StreamKind, StreamSpec, Summary};
use m2m_device::{AccountId, DeviceId, DeviceInspect, DevicePublic, DeviceSignature};
use m2m_fair_exchange::{
	Blind, BlindedKey, ClaimEvidence, ClaimKind, Claims, CountersignedTerms, Place, SaleEvidence, SaleId,
	SaleRange, SaleTerms, SealedLeaf, SealingKey, SignedTerms, SoldAnchor, SoldAnchors,
	market::{Epoch, ListingSpec, Payee, Payout, Price, RequestSpec},
};
use m2m_merkle::{DataTree, Reading};
use sp_core::{H256, crypto::KeyTypeId, sr25519};
use sp_runtime::Perbill;

/// Where the benchmarking keystore keeps the keys of the parties.
pub const KEY_TYPE: KeyTypeId = KeyTypeId(*b"data");
const KEY: BlindedKey = BlindedKey([7; 32]);
const BLIND: Blind = Blind([9; 32]);

/// An account whose key is in the keystore.
struct Party {
	account: AccountId,
	public: sr25519::Public,
}

impl Party {
	/// Somebody with money.
	fn rich<T: Config>(name: &str) -> Self {
		let seed = alloc::format!("//{name}").into_bytes();
		let public = sp_io::crypto::sr25519_generate(KEY_TYPE, Some(seed));
		let account = DevicePublic::Sr25519(public).account();
		T::Currency::set_balance(&account, price::<T>().saturating_mul(1_000_000));
		Self { account, public }
	}

	fn sign(&self, bytes: &[u8]) -> DeviceSignature {
		let signature =
			sp_io::crypto::sr25519_sign(KEY_TYPE, &self.public, bytes).expect("the keystore made the key");
		DeviceSignature::Sr25519(signature)
	}

	fn origin<T: Config>(&self) -> T::RuntimeOrigin {
		RawOrigin::Signed(self.account.clone()).into()
	}
}

/// A price of which every share can be received.
fn price<T: Config>() -> Balance {
	T::MinPrice::get()
		.max(T::Currency::minimum_balance())
		.max(T::FixedCover::get())
		.saturating_mul(1_000)
}

fn spec<T: Config>(device: &DeviceId, payout: Payout) -> ListingSpec {
	ListingSpec {
		device: device.clone(),
		stream: 0,
		from: 0,
		until: Some(u64::MAX),
		price: Price::PerSale(Balance::MAX),
		licence: H256::repeat_byte(1),
		schema: H256::repeat_byte(2),
		area: BoundedVec::truncate_from(vec![b'a'; 16]),
		metadata: H256::repeat_byte(3),
		payout,
		claims: Claims {
			range: Some((0, 1)),
			count: Some((1, 1)),
			gap_ms: Some(1),
		},
		endpoint: BoundedVec::truncate_from(vec![b'e'; 128]),
		sealing_key: [4; 32],
		terms_key: Some(account("terms", 0, 0)),
	}
}

/// Four payees without accounts, different ones for each number.
fn payees(number: u32) -> Payout {
	let payee = |at| Payee {
		account: account("payee", number, at),
		share: Perbill::from_percent(10),
	};
	Payout::Split(BoundedVec::truncate_from((0..4).map(payee).collect()))
}

/// A seller with a bond and a listing, and a buyer.
struct Market {
	seller: Party,
	buyer: Party,
	device: DeviceId,
}

impl Market {
	fn open<T: Config>(payout: Payout) -> Self {
		frame_system::Pallet::<T>::set_block_number(1u32.into());
		let seller = Party::rich::<T>("seller");
		let buyer = Party::rich::<T>("buyer");
		let device = T::BenchmarkHelper::device(&seller.account);
		let market = Self {
			seller,
			buyer,
			device,
		};
		market.list::<T>(payout);
		Pallet::<T>::do_add_bond(
			&market.seller.account,
			market.seller.account.clone(),
			price::<T>().saturating_mul(1_000),
		)
		.expect("the seller is rich");
		market
	}

	fn list<T: Config>(&self, payout: Payout) {
		Pallet::<T>::do_create_listing(&self.seller.account, None, spec::<T>(&self.device, payout))
			.expect("the seller owns the device");
	}

	/// Terms under the newest listing for a sale of `leaves` with this root.
	fn terms<T: Config>(&self, nonce: u64, leaves: u32, sale_root: H256) -> SaleTerms {
		let bounds = Bounds::<T>::get();
		SaleTerms {
			listing: NextListing::<T>::get() - 1,
			version: 0,
			device: self.device.clone(),
			generation: T::Devices::generation(&self.device).expect("the device is registered"),
			range: range(leaves),
			range_commitment: H256::zero(),
			leaves,
			seller: self.seller.account.clone(),
			buyer: self.buyer.account.clone(),
			price: price::<T>(),
			sale_root,
			blinded_key_commitment: KEY.commitment(),
			blind_commitment: BLIND.commitment(),
			reveal_window: bounds.min_reveal,
			dispute_window: bounds.min_dispute,
			nonce,
			expires: 1 + bounds.max_validity,
		}
	}

	fn offer<T: Config>(&self, terms: SaleTerms) -> SignedTerms {
		let signature = self.seller.sign(&terms.signed_bytes(&T::Genesis::get()));
		SignedTerms {
			terms,
			signer: DevicePublic::Sr25519(self.seller.public),
			signature,
		}
	}

	/// A sale, bought and, if asked for, revealed.
	fn sale<T: Config>(&self, terms: SaleTerms, revealed: bool) -> SaleId {
		let sale = terms.sale_id(&T::Genesis::get());
		let offer = self.offer::<T>(terms);
		Pallet::<T>::do_purchase(&self.buyer.account, self.buyer.account.clone(), &offer)
			.expect("the offer is good");
		if revealed {
			Pallet::<T>::do_reveal_key(sale, KEY).expect("the key is right");
		}
		sale
	}

	/// `count` sales, each with payees of its own.
	fn sales<T: Config>(&self, count: u32, revealed: bool) -> Vec<SaleId> {
		(0..count)
			.map(|number| {
				self.list::<T>(payees(number));
				self.sale::<T>(self.terms::<T>(number.into(), 2, H256::zero()), revealed)
			})
			.collect()
	}

	fn subscribe<T: Config>(&self) {
		Pallet::<T>::do_subscribe(
			&self.buyer.account,
			self.buyer.account.clone(),
			NextListing::<T>::get() - 1,
			Balance::MAX,
			price::<T>().saturating_mul(100),
			u32::MAX,
			self.buyer.account.clone(),
		)
		.expect("the buyer is rich");
	}
}

fn range(leaves: u32) -> SaleRange {
	SaleRange {
		stream: 0,
		first: Place { seq: 0, index: 0 },
		last: Place {
			seq: 0,
			index: leaves - 1,
		},
	}
}

/// `2^levels` leaves at which times and values are as bad as can be; all open, or none does.
fn leaves(levels: u32, open: bool) -> (Vec<SealedLeaf>, H256, Vec<SoldAnchor>) {
	let key = SealingKey::new(&KEY, &BLIND);
	let count = 1u32 << levels;
	let anchors = vec![SoldAnchor {
		seq: 0,
		count: count.into(),
		data_root: H256::zero(),
	}];
	let range = range(count);
	let places: Vec<Place> = SoldAnchors::new(&range, &anchors)
		.expect("one anchor carries them")
		.places()
		.collect();
	let leaves: Vec<SealedLeaf> = (0..count)
		.map(|position| {
			let reading = Reading {
				time_ms: u64::from(position) * 1_000,
				value: 5,
			};
			let mut leaf = SealedLeaf::seal(&key, position, position, &[1; 16], &reading);
			leaf.sealed[0] ^= u8::from(!open);
			leaf
		})
		.collect();
	let pairs = (0u32..)
		.zip(places)
		.zip(&leaves)
		.map(|((position, place), leaf)| leaf.pair(position, place))
		.collect();
	let root = DataTree::new(pairs).expect("there are leaves").root();
	(leaves, H256(root), anchors)
}

/// A sale's number, different for each.
fn sale_number(number: u32) -> SaleId {
	let mut bytes = [0; 32];
	bytes[..4].copy_from_slice(&number.to_be_bytes());
	H256(bytes)
}

fn pass<T: Config>(blocks: u32) {
	let now: BlockNumberFor<T> = (1 + blocks).into();
	frame_system::Pallet::<T>::set_block_number(now);
}

fn request() -> RequestSpec {
	RequestSpec {
		schema: H256::repeat_byte(1),
		area: BoundedVec::truncate_from(vec![b'a'; 16]),
		from: 0,
		until: Some(u64::MAX),
		price: Price::PerSale(1),
		metadata: H256::repeat_byte(2),
		endpoint: BoundedVec::truncate_from(vec![b'e'; 128]),
		expires: 100,
	}
}

/// A pool with one member, who is owed so much.
fn pool_with<T: Config>(manager: &Party, member: &AccountId) {
	Pallet::<T>::do_create_pool(&manager.account, manager.account.clone()).expect("the manager is rich");
	Pallet::<T>::do_set_shares(&manager.account, &manager.account, 0, member.clone(), 1)
		.expect("the manager is rich");
	let owed = price::<T>();
	T::Currency::set_balance(
		&Pallet::<T>::pool_account(0),
		T::Currency::minimum_balance().saturating_add(owed),
	);
	PoolMembers::<T>::mutate(0, member, |entry| {
		entry.as_mut().expect("it was made").owed = owed;
	});
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn create_listing() {
		let market = Market::open::<T>(Payout::Seller);
		let spec = Box::new(spec::<T>(&market.device, payees(0)));
		#[extrinsic_call]
		_(market.seller.origin::<T>(), None, spec);
		assert!(Listings::<T>::contains_key(1));
	}

	#[benchmark]
	fn update_listing() {
		let market = Market::open::<T>(Payout::Seller);
		let spec = Box::new(spec::<T>(&market.device, payees(0)));
		#[extrinsic_call]
		_(market.seller.origin::<T>(), None, 0, spec);
		assert_eq!(Listings::<T>::get(0).map(|listing| listing.version), Some(1));
	}

	#[benchmark]
	fn close_listing() {
		let market = Market::open::<T>(payees(0));
		#[extrinsic_call]
		_(market.seller.origin::<T>(), None, 0);
		assert!(!Listings::<T>::contains_key(0));
	}

	#[benchmark]
	fn add_bond() {
		let seller = Party::rich::<T>("seller");
		#[extrinsic_call]
		_(seller.origin::<T>(), None, T::FixedCover::get());
		assert!(Sellers::<T>::contains_key(&seller.account));
	}

	#[benchmark]
	fn start_unbonding() {
		let market = Market::open::<T>(Payout::Seller);
		#[extrinsic_call]
		_(
			market.seller.origin::<T>(),
			None,
			price::<T>().saturating_mul(1_000),
		);
		assert!(Sellers::<T>::get(&market.seller.account).is_some_and(|seller| seller.unbonding > 0));
	}

	#[benchmark]
	fn withdraw_bond() {
		let market = Market::open::<T>(Payout::Seller);
		let seller = market.seller.account.clone();
		Pallet::<T>::do_start_unbonding(seller.clone(), price::<T>().saturating_mul(1_000))
			.expect("all of it is free");
		pass::<T>(Bounds::<T>::get().unbonding);
		#[extrinsic_call]
		_(market.buyer.origin::<T>(), seller.clone());
		assert!(!Sellers::<T>::contains_key(&seller));
	}

	#[benchmark]
	fn purchase() {
		let market = Market::open::<T>(Payout::Seller);
		Pallet::<T>::do_create_pool(&market.seller.account, market.seller.account.clone())
			.expect("the seller is rich");
		market.list::<T>(Payout::Pool {
			pool: 0,
			share: Perbill::from_percent(50),
		});
		let offer = Box::new(market.offer::<T>(market.terms::<T>(0, 2, H256::zero())));
		let sale = offer.terms.sale_id(&T::Genesis::get());
		#[extrinsic_call]
		_(market.buyer.origin::<T>(), None, offer);
		assert!(Sales::<T>::contains_key(sale));
	}

	#[benchmark]
	fn reveal_key() {
		let market = Market::open::<T>(payees(0));
		let sale = market.sale::<T>(market.terms::<T>(0, 2, H256::zero()), false);
		#[extrinsic_call]
		_(market.buyer.origin::<T>(), sale, KEY);
		assert!(Sales::<T>::get(sale).is_some_and(|sale| sale.key.is_some()));
	}

	#[benchmark]
	fn accept() {
		let market = Market::open::<T>(Payout::Seller);
		let sale = market.sales::<T>(1, true)[0];
		#[extrinsic_call]
		_(market.buyer.origin::<T>(), None, sale, 5);
		assert!(!Sales::<T>::contains_key(sale));
	}

	#[benchmark]
	fn settle(n: Linear<1, MAX_SETTLED>) {
		let market = Market::open::<T>(Payout::Seller);
		let sales = market.sales::<T>(n, true);
		pass::<T>(Bounds::<T>::get().min_dispute + 1);
		#[extrinsic_call]
		_(market.buyer.origin::<T>(), BoundedVec::truncate_from(sales));
		assert_eq!(Sales::<T>::iter().count(), 0);
	}

	#[benchmark]
	fn refund(n: Linear<1, MAX_SETTLED>) {
		let market = Market::open::<T>(Payout::Seller);
		let sales = market.sales::<T>(n, false);
		pass::<T>(Bounds::<T>::get().min_reveal + 1);
		#[extrinsic_call]
		_(market.buyer.origin::<T>(), BoundedVec::truncate_from(sales));
		assert_eq!(Sales::<T>::iter().count(), 0);
	}

	/// Real paths have up to 32 levels.
	#[benchmark]
	fn prove_bad_leaf(p: Linear<1, 10>) {
		let market = Market::open::<T>(payees(0));
		let (delivered, root, anchors) = leaves(p, false);
		let terms = market.terms::<T>(0, 1 << p, root);
		let evidence =
			SaleEvidence::new(&terms, &BLIND, &anchors, delivered, 0).expect("these are its leaves");
		let sale = market.sale::<T>(terms, true);
		#[extrinsic_call]
		_(market.buyer.origin::<T>(), sale, Box::new(evidence));
		assert!(!Sales::<T>::contains_key(sale));
	}

	#[benchmark]
	fn prove_bad_claim(p: Linear<1, 10>) {
		let market = Market::open::<T>(payees(0));
		let (delivered, root, anchors) = leaves(p, true);
		let terms = market.terms::<T>(0, 1 << p, root);
		let leaf = |position| {
			SaleEvidence::new(&terms, &BLIND, &anchors, delivered.clone(), position)
				.expect("these are its leaves")
				.leaf
		};
		let evidence = ClaimEvidence {
			terms: terms.clone(),
			blind: BLIND,
			kind: ClaimKind::Gap,
			first: leaf(0),
			second: Some(leaf(1)),
		};
		let sale = market.sale::<T>(terms, true);
		#[extrinsic_call]
		_(market.buyer.origin::<T>(), sale, Box::new(evidence));
		assert!(!Sales::<T>::contains_key(sale));
	}

	#[benchmark]
	fn subscribe() {
		let market = Market::open::<T>(payees(0));
		#[extrinsic_call]
		_(
			market.buyer.origin::<T>(),
			None,
			0,
			1,
			price::<T>(),
			100,
			market.buyer.account.clone(),
		);
		assert!(Subscriptions::<T>::contains_key(0));
	}

	#[benchmark]
	fn deliver(n: Linear<1, MAX_EPOCHS>) {
		let market = Market::open::<T>(payees(0));
		market.subscribe::<T>();
		let epochs = (0..n)
			.map(|number| {
				let offer = market.offer::<T>(market.terms::<T>(number.into(), 2, H256::zero()));
				let genesis = T::Genesis::get();
				let bytes = CountersignedTerms::signed_bytes(&genesis, 0, &offer.terms.sale_id(&genesis));
				let terms = CountersignedTerms {
					offer,
					subscriber: DevicePublic::Sr25519(market.buyer.public),
					countersignature: market.buyer.sign(&bytes),
				};
				Epoch { terms, key: KEY }
			})
			.collect();
		#[extrinsic_call]
		_(market.seller.origin::<T>(), 0, BoundedVec::truncate_from(epochs));
		assert_eq!(Sales::<T>::iter().count() as u32, n);
	}

	#[benchmark]
	fn end_subscription() {
		let market = Market::open::<T>(payees(0));
		market.subscribe::<T>();
		#[extrinsic_call]
		_(market.buyer.origin::<T>(), None, 0);
		assert!(Subscriptions::<T>::get(0).is_some_and(|record| record.ends < u32::MAX));
	}

	#[benchmark]
	fn close_subscription() {
		let market = Market::open::<T>(payees(0));
		market.subscribe::<T>();
		Pallet::<T>::do_end_subscription(&market.buyer.account, 0).expect("it is the buyer's");
		pass::<T>(Bounds::<T>::get().notice + 1);
		#[extrinsic_call]
		_(market.seller.origin::<T>(), 0);
		assert!(!Subscriptions::<T>::contains_key(0));
	}

	#[benchmark]
	fn post_request() {
		let buyer = Party::rich::<T>("buyer");
		#[extrinsic_call]
		_(buyer.origin::<T>(), None, Box::new(request()));
		assert!(Requests::<T>::contains_key(0));
	}

	#[benchmark]
	fn remove_request() {
		let buyer = Party::rich::<T>("buyer");
		Pallet::<T>::do_post_request(&buyer.account, buyer.account.clone(), request())
			.expect("the buyer is rich");
		#[extrinsic_call]
		_(buyer.origin::<T>(), None, 0);
		assert!(!Requests::<T>::contains_key(0));
	}

	#[benchmark]
	fn create_pool() {
		let manager = Party::rich::<T>("manager");
		#[extrinsic_call]
		_(manager.origin::<T>(), None);
		assert!(Pools::<T>::contains_key(0));
	}

	#[benchmark]
	fn set_shares() {
		let manager = Party::rich::<T>("manager");
		let member: AccountId = account("member", 0, 0);
		pool_with::<T>(&manager, &member);
		#[extrinsic_call]
		_(manager.origin::<T>(), None, 0, member.clone(), 0);
		assert_eq!(T::Currency::balance(&member), price::<T>());
	}

	#[benchmark]
	fn claim() {
		let manager = Party::rich::<T>("manager");
		let member: AccountId = account("member", 0, 0);
		pool_with::<T>(&manager, &member);
		#[extrinsic_call]
		_(manager.origin::<T>(), 0, member.clone());
		assert_eq!(T::Currency::balance(&member), price::<T>());
	}

	#[benchmark]
	fn close_pool() {
		let manager = Party::rich::<T>("manager");
		Pallet::<T>::do_create_pool(&manager.account, manager.account.clone()).expect("the manager is rich");
		#[extrinsic_call]
		_(manager.origin::<T>(), None, 0);
		assert!(!Pools::<T>::contains_key(0));
	}

	#[benchmark]
	fn prune_marks(n: Linear<0, MAX_PRUNED>) {
		for number in 0..=n {
			Marks::<T>::insert(mark(1, sale_number(number)), ());
		}
		pass::<T>(10);
		let removed;
		#[block]
		{
			removed = Pallet::<T>::prune_marks(n);
		}
		assert_eq!(removed, n);
	}

	#[benchmark]
	fn on_anchored() {
		let owner = Party::rich::<T>("seller");
		let device = T::BenchmarkHelper::device(&owner.account);
		// The device never changed hands, so what is done for one that did comes after it.
		let spec = StreamSpec {
			kind: StreamKind::Gauge,
			private: true,
			schema: H256::zero(),
			unit: BoundedVec::truncate_from(vec![b'W']),
			scale: 0,
			plausible_min: 0,
			plausible_max: 0,
			cadence_ms: 1,
			period_ms: None,
			not_before: 0,
			retention: 1,
		};
		let anchor = Anchor {
			data_root: H256::zero(),
			summary: Summary::Private {
				aggregate_root: H256::zero(),
				count: 1,
				t_first: 1,
				t_last: 1,
			},
		};
		#[block]
		{
			Pallet::<T>::on_anchored(&AnchoredReadings {
				device: &device,
				stream: 0,
				spec: &spec,
				seq: 0,
				anchor: &anchor,
				flags: AnchorFlags::default(),
				previous_last: None,
			});
			Pallet::<T>::start_generation(&device, 0, 1, 0);
		}
		assert!(GenerationStarts::<T>::contains_key(&device, 0));
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
