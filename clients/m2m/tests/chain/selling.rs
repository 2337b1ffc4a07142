//! A seller of readings against a chain that exists only here: what it offers, delivers, reveals and refuses, and what
//! its HTTP service stands.

use codec::Encode;
use m2m::{
	Error, Result, commitment,
	data::{
		goods::{Answer, Source},
		market::{Market, Standing, StreamRange},
		protocol::{
			self, Countersigned, LEAF_BYTES, MAX_REQUEST_BYTES, Quote, QuoteRequest, Refusal, Refused,
			RequestedRange, Taken,
		},
		seller::Seller,
		service::{self, Limits, Offers},
		vault::Vault,
	},
	keys::{Device, Key, Scheme, random_secret},
	store::{AnchorName, Batch, Receipt, Store},
};
use m2m_device::DeviceId;
use m2m_fair_exchange::{
	Blind, BlindedKey, Checker, Claims, CountersignedTerms, OpenFault, Opener, SaleEvidence, SaleId,
	SaleTerms, SealedLeaf, SealingKey, SoldAnchor,
	market::{
		self, Conditions, Epoch, Listing, ListingSpec, Payout, Price, Sale, SaleStatus, Subscription,
		SubscriptionId, Windows,
	},
};
use sp_core::H256;
use sp_runtime::Permill;
use std::{
	collections::{BTreeMap, BTreeSet},
	net::{IpAddr, Ipv4Addr, SocketAddr},
	num::NonZeroU32,
	sync::{
		Arc, Mutex, MutexGuard,
		atomic::{AtomicUsize, Ordering},
	},
	thread,
	time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
	io::{AsyncReadExt, AsyncWriteExt},
	net::{TcpListener, TcpSocket, TcpStream},
	sync::oneshot,
};

const GENESIS: [u8; 32] = [7; 32];
const PASSPHRASE: &str = "correct horse battery";
const STREAM: u32 = 2;
const LISTING: u32 = 5;
const HOUR: u64 = 3_600_000;
/// Start of the first reading.
const START: u64 = 400_000 * HOUR;
/// Anchors in the store, of sixty readings each.
const HOURS: u64 = 4;
const PRICE: u128 = 1_000;
const FIXED_COVER: u128 = 500_000;

/// A chain.
struct State {
	head: u32,
	/// How far the newest block is ahead of that, which is final.
	ahead: u32,
	/// How many blocks it takes until a transaction is final.
	slow: u32,
	standing: Standing,
	range: Option<StreamRange>,
	sales: BTreeMap<SaleId, SaleStatus>,
	purchases: BTreeMap<u32, Vec<SaleId>>,
	revealed: Vec<(SaleId, BlindedKey)>,
	settled: Vec<SaleId>,
	subscriptions: BTreeMap<SubscriptionId, Subscription>,
	/// What came in one delivery, taken or not.
	deliveries: Vec<Vec<SaleId>>,
	/// Why the chain takes no epochs.
	refusing: Option<&'static str>,
	/// How many calls fail before one gets through.
	faults: u32,
}

impl State {
	/// Opens a sale in this block.
	fn open(&mut self, terms: &SaleTerms, key: Option<BlindedKey>) -> SaleId {
		let sale = terms.sale_id(&GENESIS);
		let block = self.head;
		let window = match key {
			None => terms.reveal_window,
			Some(_) => terms.dispute_window,
		};
		let record = Sale {
			listing: terms.listing,
			seller: terms.seller.clone(),
			buyer: terms.buyer.clone(),
			price: terms.price,
			fixed_cover: FIXED_COVER,
			fee: 1,
			payout: Payout::Seller,
			claims: Claims::default(),
			key_commitment: terms.blinded_key_commitment,
			key,
			dispute_window: terms.dispute_window,
			deadline: block + window,
			expires: terms.expires,
			budget: None,
		};
		self.sales.insert(sale, SaleStatus::Open(record));
		self.purchases.entry(block).or_default().push(sale);
		sale
	}
}

#[derive(Clone)]
struct Fake(Arc<Mutex<State>>);

impl Fake {
	fn state(&self) -> MutexGuard<'_, State> {
		self.0.lock().unwrap()
	}

	/// Buys on these terms in the next block. Returns the sale.
	fn buy(&self, quote: &Quote) -> SaleId {
		let mut state = self.state();
		state.head += 1;
		state.open(&quote.offer.terms, None)
	}

	/// The next block, and what the seller does after it.
	async fn block(&self, seller: &Seller<Fake>) {
		self.forward(1);
		seller.tick().await.unwrap();
	}

	fn forward(&self, blocks: u32) {
		self.state().head += blocks;
	}

	fn revealed(&self) -> Vec<(SaleId, BlindedKey)> {
		self.state().revealed.clone()
	}
}

impl Market for Fake {
	fn genesis(&self) -> [u8; 32] {
		GENESIS
	}

	async fn height(&self) -> Result<u32> {
		Ok(self.state().head)
	}

	async fn newest(&self) -> Result<u32> {
		let state = self.state();
		Ok(state.head + state.ahead)
	}

	async fn standing(&self, listing: u32) -> Result<Standing> {
		let state = self.state();
		let mut standing = state.standing.clone();
		standing.block = state.head;
		standing.listing = standing.listing.filter(|_| listing == LISTING);
		Ok(standing)
	}

	async fn stream_range(&self, _: &DeviceId, _: u32) -> Result<Option<StreamRange>> {
		Ok(self.state().range)
	}

	async fn sale(&self, sale: &SaleId, _: u32) -> Result<Option<SaleStatus>> {
		Ok(self.state().sales.get(sale).cloned())
	}

	async fn purchases(&self, block: u32) -> Result<Vec<SaleId>> {
		Ok(self.state().purchases.get(&block).cloned().unwrap_or_default())
	}

	async fn reveal(&self, keys: &[(SaleId, BlindedKey)]) -> Result<()> {
		let mut state = self.state();
		if state.faults > 0 {
			state.faults -= 1;
			return Err(Error::Node("the node has a fault".into()));
		}
		let head = state.head;
		state.head += state.slow;
		for (sale, key) in keys {
			let Some(SaleStatus::Open(record)) = state.sales.get_mut(sale) else {
				panic!("a key was revealed for {sale:?}, which nobody bought")
			};
			assert!(record.key.is_none(), "a key was revealed twice");
			assert!(head <= record.deadline, "a key was revealed too late");
			assert_eq!(key.commitment(), record.key_commitment);
			record.key = Some(*key);
			record.deadline = head + record.dispute_window;
			state.revealed.push((*sale, *key));
		}
		Ok(())
	}

	async fn subscription(&self, subscription: SubscriptionId) -> Result<Option<Subscription>> {
		Ok(self.state().subscriptions.get(&subscription).cloned())
	}

	async fn deliver(&self, epochs: &[(SubscriptionId, Vec<Epoch>)]) -> Result<Vec<(SaleId, String)>> {
		let mut state = self.state();
		if state.faults > 0 {
			state.faults -= 1;
			return Err(Error::Node("the node has a fault".into()));
		}
		state.head += 1 + state.slow;
		let (mut sent, mut refused) = (Vec::new(), Vec::new());
		for (subscription, epochs) in epochs {
			assert!(!epochs.is_empty());
			for epoch in epochs {
				let terms = &epoch.terms.offer.terms;
				let sale = terms.sale_id(&GENESIS);
				assert!(epoch.terms.is_countersigned(&GENESIS, *subscription));
				assert_eq!(epoch.key.commitment(), terms.blinded_key_commitment);
				sent.push(sale);
				if state.sales.contains_key(&sale) {
					refused.push((sale, "DataMarketplace::TermsUsed".into()));
				} else if let Some(reason) = state.refusing {
					refused.push((sale, reason.into()));
				} else {
					let order = state.subscriptions.get_mut(subscription).unwrap();
					order.left = order.left.checked_sub(terms.price).unwrap();
					state.open(terms, Some(epoch.key));
				}
			}
		}
		assert!(sent.len() <= 32, "{} epochs at once", sent.len());
		state.deliveries.push(sent);
		Ok(refused)
	}

	async fn settle(&self, sales: &[SaleId]) -> Result<()> {
		let mut state = self.state();
		for sale in sales {
			state.sales.insert(*sale, SaleStatus::Ended);
			state.settled.push(*sale);
		}
		Ok(())
	}

	async fn reconnect(&self) -> Result<()> {
		Ok(())
	}
}

/// The Wh of a minute.
fn wh(minute: u64) -> i64 {
	// Some are equal.
	i64::try_from(minute * minute % 17).unwrap()
}

/// A household with a store of readings, and its chain.
struct Shop {
	home: TempDir,
	device: Device,
	owner: Arc<Key>,
	chain: Fake,
}

impl Shop {
	fn new() -> Self {
		let home = tempfile::tempdir().unwrap();
		let device = Device::generate("m1", Scheme::Sr25519).unwrap();
		let owner = Arc::new(Key::generate(Scheme::Sr25519));
		let vault = Vault::open(&home.path().join("vault.redb"), PASSPHRASE).unwrap();
		let spec = ListingSpec {
			device: device.id.clone(),
			stream: STREAM,
			from: START,
			until: None,
			price: Price::PerReading(PRICE),
			licence: H256::zero(),
			schema: H256::zero(),
			area: Default::default(),
			metadata: H256::zero(),
			payout: Payout::Seller,
			claims: Claims::default(),
			endpoint: Default::default(),
			sealing_key: vault.sealing_key(),
			terms_key: Some(vault.terms_account()),
		};
		let listing = Listing {
			seller: owner.account(),
			version: 3,
			generation: 0,
			deposit: 0,
			spec,
		};
		let chain = Fake(Arc::new(Mutex::new(State {
			head: 100,
			ahead: 0,
			slow: 0,
			standing: Standing {
				block: 0,
				conditions: Conditions {
					windows: Windows::default(),
					min_price: 2 * PRICE,
					fixed_cover: FIXED_COVER,
					fee_rate: Permill::from_percent(1),
				},
				listing: Some(listing),
				generation: Some(0),
				seller: Some(market::Seller {
					bond: u128::MAX / 2,
					..Default::default()
				}),
				first_seq: Some(0),
				payable: true,
			},
			range: None,
			sales: BTreeMap::new(),
			purchases: BTreeMap::new(),
			revealed: Vec::new(),
			settled: Vec::new(),
			subscriptions: BTreeMap::new(),
			deliveries: Vec::new(),
			refusing: None,
			faults: 0,
		})));
		let shop = Self {
			home,
			device,
			owner,
			chain,
		};
		for hour in 0..HOURS {
			let readings = (60 * hour..60 * (hour + 1))
				.map(|minute| (START + 60_000 * minute, wh(minute)))
				.collect();
			shop.anchor(hour, readings);
		}
		shop
	}

	/// Stores a batch as the chain has it.
	fn anchor(&self, seq: u64, readings: Vec<(u64, i64)>) {
		let anchor = commitment::private_anchor(self.device.secret(), STREAM, seq, &readings).unwrap();
		self.put(seq, Batch { anchor, readings });
	}

	fn put(&self, seq: u64, batch: Batch) {
		let store = Store::open(self.home.path()).unwrap();
		let name = AnchorName {
			device: self.device.id.clone(),
			stream: STREAM,
			seq,
		};
		store.enqueue(&[(name.clone(), batch)], &[]).unwrap();
		let receipt = Receipt::Recorded {
			block: Some(9),
			position: Some(seq),
		};
		store.acknowledge(&[], &[(name, receipt)], (9, [1; 32])).unwrap();
		let leaves = store.leaves(&self.device.id, STREAM).unwrap();
		self.chain.state().range = Some(StreamRange {
			block: 90,
			hash: H256([9; 32]),
			anchors: leaves.len() as u64,
			root: commitment::range_root(&leaves),
		});
	}

	/// A seller, as after a start.
	fn open(&self) -> Arc<Seller<Fake>> {
		let vault = Vault::open(&self.home.path().join("vault.redb"), PASSPHRASE).unwrap();
		let source = Source {
			device: self.device.id.clone(),
			secret: Arc::new((*self.device.secret()).into()),
		};
		let seller = Seller::new(
			self.chain.clone(),
			vault,
			Arc::clone(&self.owner),
			BTreeMap::from([(LISTING, source)]),
			self.home.path().to_owned(),
			Box::new(|_| {}),
		);
		Arc::new(seller.unwrap())
	}

	fn change_listing(&self, change: impl FnOnce(&mut Listing)) {
		change(self.chain.state().standing.listing.as_mut().unwrap());
	}

	/// Asks for minutes `from..until`, with the blind that comes back.
	fn request(&self, from: u64, until: u64) -> (QuoteRequest, Blind) {
		let blind = Blind(*random_secret());
		let sealing_key = {
			let state = self.chain.state();
			state.standing.listing.as_ref().unwrap().spec.sealing_key
		};
		let request = QuoteRequest {
			genesis: H256(GENESIS),
			listing: LISTING,
			version: 3,
			range: RequestedRange::Time {
				from: START + 60_000 * from,
				until: START + 60_000 * until,
			},
			buyer: Key::generate(Scheme::Sr25519).account(),
			sealed_blind: protocol::seal_blind(&blind, &sealing_key).unwrap(),
			nonce: random_secret()[..16].try_into().unwrap(),
		};
		(request, blind)
	}

	/// Makes a standing order of somebody new.
	fn subscribe(&self, number: SubscriptionId, cap: u128, left: u128) -> Subscriber {
		let key = Key::generate(Scheme::Sr25519);
		let order = Subscription {
			subscriber: key.account(),
			listing: LISTING,
			cap,
			left,
			ends: 10_000,
			signer: key.account(),
			budget: None,
			deposit: 0,
		};
		self.chain.state().subscriptions.insert(number, order);
		Subscriber { number, key }
	}

	fn change_order(&self, number: SubscriptionId, change: impl FnOnce(&mut Subscription)) {
		change(self.chain.state().subscriptions.get_mut(&number).unwrap());
	}
}

/// Somebody with a standing order.
struct Subscriber {
	number: SubscriptionId,
	key: Key,
}

impl Subscriber {
	/// An offer for the first hour, with the blind.
	async fn quote(&self, shop: &Shop, seller: &Arc<Seller<Fake>>) -> (Quote, Blind) {
		let (mut request, blind) = shop.request(0, 60);
		request.buyer = self.key.account();
		(seller.quote(request).await.unwrap(), blind)
	}

	fn countersign(&self, quote: &Quote) -> Countersigned {
		self.countersign_for(self.number, quote)
	}

	fn countersign_for(&self, subscription: SubscriptionId, quote: &Quote) -> Countersigned {
		let sale = quote.offer.terms.sale_id(&GENESIS);
		let bytes = CountersignedTerms::signed_bytes(&GENESIS, subscription, &sale);
		Countersigned {
			genesis: H256(GENESIS),
			subscription,
			sale,
			subscriber: self.key.public(),
			countersignature: self.key.sign(&bytes),
		}
	}

	/// Asks for an epoch and countersigns it.
	async fn order(&self, shop: &Shop, seller: &Arc<Seller<Fake>>) -> Quote {
		let (quote, _) = self.quote(shop, seller).await;
		let taken = seller.epoch(self.countersign(&quote)).await.unwrap();
		let terms = &quote.offer.terms;
		let expected = Taken {
			sale: terms.sale_id(&GENESIS),
			expires: terms.expires,
		};
		assert_eq!(taken, expected);
		quote
	}
}

/// What an hour costs.
const EPOCH: u128 = 60 * PRICE;

async fn all_leaves(seller: &Arc<Seller<Fake>>, quote: &Quote) -> Vec<SealedLeaf> {
	let sale = quote.offer.terms.sale_id(&GENESIS);
	let bytes = seller.leaves(sale, 0).await.unwrap();
	assert_eq!(bytes.len(), quote.offer.terms.leaves as usize * LEAF_BYTES);
	protocol::decode_leaves(&bytes).unwrap()
}

/// What the chain says of the anchors of an offer, by the seller's proofs.
async fn sold_anchors(shop: &Shop, seller: &Arc<Seller<Fake>>, quote: &Quote) -> Vec<SoldAnchor> {
	let sale = quote.offer.terms.sale_id(&GENESIS);
	let range = shop.chain.state().range.unwrap();
	let chunk = seller.anchors(sale, 0).await.unwrap();
	assert_eq!((chunk.block, chunk.hash), (range.block, range.hash));
	assert_eq!(chunk.proofs.len(), quote.anchors as usize);
	chunk
		.proofs
		.iter()
		.map(|proof| {
			assert_eq!(proof.leaves, range.anchors);
			assert!(commitment::anchor_holds(range.root.unwrap(), proof));
			SoldAnchor {
				seq: proof.seq,
				count: proof.anchor.count(),
				data_root: proof.anchor.data_root,
			}
		})
		.collect()
}

fn refusal<T>(answer: std::result::Result<T, Refused>) -> Refusal {
	match answer {
		Err(refused) => {
			assert!(!refused.message.is_empty());
			refused.error
		}
		Ok(_) => panic!("it was not refused"),
	}
}

#[tokio::test]
async fn an_offer_passes_the_checks_of_a_buyer_and_opens_to_the_stored_readings() {
	let shop = Shop::new();
	let seller = shop.open();
	// From the middle of the first hour to the middle of the last.
	let (request, blind) = shop.request(30, 200);
	let quote = seller.quote(request.clone()).await.unwrap();
	let terms = &quote.offer.terms;
	assert!(quote.offer.verify(&GENESIS));
	assert_eq!(quote.offer.signer.account(), seller.vault().terms_account());
	assert_eq!((terms.leaves, quote.anchors), (170, 4));
	assert_eq!(terms.price, 170 * PRICE);
	assert_eq!(
		(terms.listing, terms.version, &terms.buyer),
		(LISTING, 3, &request.buyer)
	);
	let windows = Windows::default();
	assert!(terms.expires > 100 && terms.expires <= 100 + windows.max_validity);
	assert_eq!(
		(terms.reveal_window, terms.dispute_window),
		(windows.min_reveal, windows.min_dispute)
	);

	let anchors = sold_anchors(&shop, &seller, &quote).await;
	let leaves = all_leaves(&seller, &quote).await;
	let mut checker = Checker::new(terms, &blind, &anchors, &quote.edges).unwrap();
	for leaf in &leaves {
		checker.check(leaf).unwrap();
	}
	checker.finish().unwrap();

	let sale = shop.chain.buy(&quote);
	seller.tick().await.unwrap();
	let [(revealed, key)] = shop.chain.revealed().try_into().unwrap();
	assert_eq!(revealed, sale);
	let mut opener = Opener::new(terms, &key, &blind, &anchors).unwrap();
	for (minute, leaf) in (30..200).zip(&leaves) {
		let opened = opener.open(leaf).unwrap();
		assert_eq!(
			(opened.reading.time_ms, opened.reading.value),
			(START + 60_000 * minute, wh(minute))
		);
	}
}

#[tokio::test]
async fn a_range_is_asked_for_by_time_or_by_place() {
	let shop = Shop::new();
	let seller = shop.open();
	let (by_time, _) = shop.request(59, 121);
	let range = seller.quote(by_time).await.unwrap().offer.terms.range;
	assert_eq!((range.first.seq, range.first.index), (0, 59));
	assert_eq!((range.last.seq, range.last.index), (2, 0));
	let places = |first_seq, first_index, last_seq, last_index| RequestedRange::Places {
		first_seq,
		first_index,
		last_seq,
		last_index,
	};
	let (mut by_place, _) = shop.request(0, 1);
	by_place.range = places(0, 59, 2, 0);
	assert_eq!(seller.quote(by_place).await.unwrap().offer.terms.range, range);
	for wrong in [
		places(0, 60, 2, 0),
		places(2, 0, 0, 59),
		places(1, 5, 1, 4),
		places(0, 0, HOURS, 0),
		places(0, 0, u64::MAX, u32::MAX),
		places(u64::MAX, 0, u64::MAX, 0),
	] {
		let (mut request, _) = shop.request(0, 1);
		request.range = wrong;
		let refusal = refusal(seller.quote(request).await);
		assert!(
			matches!(refusal, Refusal::RangeNotAvailable | Refusal::RangeTooLong),
			"{refusal:?}"
		);
	}
}

#[tokio::test]
async fn the_same_request_has_the_same_answer_and_its_nonce_serves_no_other() {
	let shop = Shop::new();
	let seller = shop.open();
	let (request, _) = shop.request(0, 60);
	let first = seller.quote(request.clone()).await.unwrap();
	assert_eq!(seller.quote(request.clone()).await.unwrap(), first);

	// Whoever replays it for another range, blind or account, gets nothing or an offer of its own.
	let (other, _) = shop.request(0, 61);
	let mut changed = request.clone();
	changed.range = other.range.clone();
	assert_eq!(refusal(seller.quote(changed).await), Refusal::NonceUsed);
	let mut changed = request.clone();
	changed.sealed_blind = other.sealed_blind;
	assert_eq!(refusal(seller.quote(changed).await), Refusal::NonceUsed);
	let mut changed = request.clone();
	changed.buyer = other.buyer;
	let second = seller.quote(changed).await.unwrap();
	assert_ne!(
		second.offer.terms.blinded_key_commitment,
		first.offer.terms.blinded_key_commitment
	);

	// Many at once: one offer.
	let (request, _) = shop.request(0, 60);
	let mut answers = Vec::new();
	for _ in 0..20 {
		let (seller, request) = (Arc::clone(&seller), request.clone());
		answers.push(tokio::spawn(async move { seller.quote(request).await }));
	}
	let mut offers = BTreeSet::new();
	for answer in answers {
		match answer.await.unwrap() {
			Ok(quote) => {
				offers.insert(quote.offer.terms.sale_id(&GENESIS));
			}
			Err(refused) => assert_eq!(refused.error, Refusal::Busy),
		}
	}
	assert_eq!(offers.len(), 1);

	// After a restart as well, and not once it has expired.
	drop(seller);
	let seller = shop.open();
	let again = seller.quote(request.clone()).await.unwrap();
	assert!(offers.contains(&again.offer.terms.sale_id(&GENESIS)));
	shop.chain.forward(1_000);
	seller.tick().await.unwrap();
	let anew = seller.quote(request).await.unwrap();
	assert!(!offers.contains(&anew.offer.terms.sale_id(&GENESIS)));
}

#[tokio::test]
async fn no_two_offers_share_a_key_or_a_nonce() {
	let shop = Shop::new();
	let (mut keys, mut nonces, mut sales) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
	for _ in 0..3 {
		let seller = shop.open();
		let (request, _) = shop.request(0, 60);
		for number in 0..5 {
			// The same but for the buyer's nonce: not even the blind is fresh.
			let request = QuoteRequest {
				nonce: [number; 16],
				..request.clone()
			};
			let terms = seller.quote(request).await.unwrap().offer.terms;
			assert!(keys.insert(terms.blinded_key_commitment));
			assert!(nonces.insert(terms.nonce));
			assert!(sales.insert(terms.sale_id(&GENESIS)));
		}
	}
}

#[tokio::test]
async fn what_cannot_be_sold_is_refused_by_name() {
	type Change = fn(&mut QuoteRequest, &Shop);
	let changes: [(Change, Refusal); 9] = [
		(|request, _| request.genesis = H256([8; 32]), Refusal::WrongChain),
		(|request, _| request.listing += 1, Refusal::UnknownListing),
		(|request, _| request.version += 1, Refusal::StaleVersion),
		(
			|request, shop| request.buyer = shop.owner.account(),
			Refusal::BuyerIsSeller,
		),
		(
			|request, _| request.sealed_blind[40] ^= 1,
			Refusal::BlindUnreadable,
		),
		(
			|request, _| {
				let stranger = [0x42; 32];
				request.sealed_blind = protocol::seal_blind(&Blind([1; 32]), &stranger).unwrap();
			},
			Refusal::BlindUnreadable,
		),
		(
			|request, shop| request.range = shop.request(1, 2).0.range,
			Refusal::PriceTooLow,
		),
		(
			|request, shop| request.range = shop.request(5, 5).0.range,
			Refusal::RangeNotAvailable,
		),
		(
			|request, shop| request.range = shop.request(1_000, 2_000).0.range,
			Refusal::RangeNotAvailable,
		),
	];
	let shop = Shop::new();
	let seller = shop.open();
	for (number, (change, expected)) in changes.into_iter().enumerate() {
		let (mut request, _) = shop.request(0, 60);
		change(&mut request, &shop);
		assert_eq!(refusal(seller.quote(request).await), expected, "change {number}");
	}

	// What the chain says may change, too.
	type News = fn(&mut State);
	fn listing(state: &mut State) -> &mut Listing {
		state.standing.listing.as_mut().unwrap()
	}
	let news: [(News, Refusal); 11] = [
		(|state| state.standing.listing = None, Refusal::UnknownListing),
		(|state| state.standing.payable = false, Refusal::NotForSale),
		(
			|state| state.standing.first_seq = Some(1),
			Refusal::RangeNotAvailable,
		),
		(|state| state.standing.generation = Some(1), Refusal::NotForSale),
		(|state| state.standing.generation = None, Refusal::NotForSale),
		(|state| state.standing.seller = None, Refusal::BondTooSmall),
		(
			|state| state.standing.seller.as_mut().unwrap().bond = FIXED_COVER,
			Refusal::BondTooSmall,
		),
		(
			|state| listing(state).spec.sealing_key[0] ^= 1,
			Refusal::NotForSale,
		),
		(
			|state| {
				let stranger = Key::generate(Scheme::Sr25519).account();
				listing(state).seller = stranger.clone();
				listing(state).spec.terms_key = Some(stranger);
			},
			Refusal::NotForSale,
		),
		(
			|state| listing(state).spec.from = START + 1,
			Refusal::RangeNotAvailable,
		),
		(
			|state| listing(state).spec.until = Some(START + 59 * 60_000),
			Refusal::RangeNotAvailable,
		),
	];
	for (number, (news, expected)) in news.into_iter().enumerate() {
		let (request, _) = shop.request(0, 60);
		let before = shop.chain.state().standing.clone();
		news(&mut shop.chain.state());
		shop.chain.forward(1);
		seller.tick().await.unwrap();
		assert_eq!(refusal(seller.quote(request).await), expected, "news {number}");
		shop.chain.state().standing = before;
	}
	shop.chain.forward(1);
	seller.tick().await.unwrap();
	seller.quote(shop.request(0, 60).0).await.unwrap();
}

#[tokio::test]
async fn terms_are_signed_by_the_seller_itself_if_no_terms_key_is_named() {
	let shop = Shop::new();
	shop.change_listing(|listing| listing.spec.terms_key = None);
	let quote = shop.open().quote(shop.request(0, 60).0).await.unwrap();
	assert_eq!(quote.offer.signer.account(), shop.owner.account());
	assert!(quote.offer.verify(&GENESIS));
}

#[tokio::test]
async fn a_damaged_store_is_found_before_anything_is_signed() {
	let shop = Shop::new();
	let seller = shop.open();
	let stored = {
		let store = Store::open(shop.home.path()).unwrap();
		store.batches(&shop.device.id, STREAM, 1, 1).unwrap().remove(0).1
	};
	let mut damaged = stored.clone();
	damaged.readings[7].1 += 1;
	shop.put(1, damaged);
	let (request, _) = shop.request(0, 180);
	assert_eq!(refusal(seller.quote(request.clone()).await), Refusal::SellerFault);
	let refused = seller.quote(request.clone()).await.unwrap_err();
	assert!(refused.cause.unwrap().contains("NotAnchored { seq: 1 }"));
	assert!(seller.vault().sales().unwrap().is_empty());
	// What does not touch it is sold, and so is that once it is mended.
	seller.quote(shop.request(0, 60).0).await.unwrap();
	shop.put(1, stored);
	seller.quote(request).await.unwrap();
}

#[tokio::test]
async fn readings_that_break_a_promise_are_not_sold() {
	let shop = Shop::new();
	let seller = shop.open();
	for (claims, sold) in [
		(
			Claims {
				range: Some((0, 16)),
				count: Some((10, 600_000)),
				gap_ms: Some(60_000),
			},
			true,
		),
		(
			Claims {
				range: Some((0, 15)),
				..Default::default()
			},
			false,
		),
		(
			Claims {
				range: Some((1, 16)),
				..Default::default()
			},
			false,
		),
		(
			Claims {
				count: Some((10, 599_999)),
				..Default::default()
			},
			false,
		),
		(
			Claims {
				gap_ms: Some(59_999),
				..Default::default()
			},
			false,
		),
	] {
		shop.change_listing(|listing| listing.spec.claims = claims);
		shop.chain.forward(1);
		seller.tick().await.unwrap();
		let answer = seller.quote(shop.request(0, 120).0).await;
		if sold {
			answer.unwrap();
		} else {
			assert_eq!(refusal(answer), Refusal::NotForSale, "{claims:?}");
		}
	}
}

#[tokio::test]
async fn no_more_is_offered_than_the_bond_covers_and_expired_offers_free_it() {
	let shop = Shop::new();
	let cover = FIXED_COVER + 60 * PRICE;
	shop.chain.state().standing.seller.as_mut().unwrap().bond = 3 * cover + 1;
	let seller = shop.open();
	seller.tick().await.unwrap();
	for _ in 0..3 {
		seller.quote(shop.request(0, 60).0).await.unwrap();
	}
	let (request, _) = shop.request(0, 60);
	assert_eq!(
		refusal(seller.quote(request.clone()).await),
		Refusal::BondTooSmall
	);
	shop.chain.forward(601);
	seller.tick().await.unwrap();
	assert!(seller.vault().sales().unwrap().is_empty());
	seller.quote(request).await.unwrap();
}

#[tokio::test]
async fn a_key_is_revealed_once_for_a_purchase_and_never_before() {
	let shop = Shop::new();
	let seller = shop.open();
	seller.tick().await.unwrap();
	let quote = seller.quote(shop.request(0, 60).0).await.unwrap();
	let unsold = seller.quote(shop.request(0, 60).0).await.unwrap();
	for _ in 0..5 {
		shop.chain.forward(1);
		seller.tick().await.unwrap();
	}
	assert!(shop.chain.revealed().is_empty());
	let sale = shop.chain.buy(&quote);
	for _ in 0..5 {
		seller.tick().await.unwrap();
		shop.chain.forward(1);
	}
	assert_eq!(shop.chain.revealed().len(), 1);
	assert_eq!(shop.chain.revealed()[0].0, sale);
	assert!(shop.chain.state().settled.is_empty());

	// The leaves stay until the sale is over, also beyond the terms; those of the other offer do not.
	shop.chain.forward(700);
	seller.tick().await.unwrap();
	seller.leaves(sale, 0).await.unwrap();
	let unsold = unsold.offer.terms.sale_id(&GENESIS);
	assert_eq!(refusal(seller.leaves(unsold, 0).await), Refusal::UnknownDelivery);

	shop.chain.forward(quote.offer.terms.dispute_window);
	seller.tick().await.unwrap();
	assert_eq!(shop.chain.state().settled, [sale]);
	shop.chain.forward(1);
	seller.tick().await.unwrap();
	assert!(seller.vault().sales().unwrap().is_empty());
	assert_eq!(refusal(seller.leaves(sale, 0).await), Refusal::UnknownDelivery);
	assert_eq!(shop.chain.revealed().len(), 1);
}

#[tokio::test]
async fn a_restart_in_the_middle_goes_on_where_it_was() {
	let shop = Shop::new();
	let seller = shop.open();
	let (request, blind) = shop.request(10, 170);
	let quote = seller.quote(request).await.unwrap();
	let before = all_leaves(&seller, &quote).await;
	drop(seller);
	let sale = shop.chain.buy(&quote);
	shop.chain.forward(200);
	let seller = shop.open();
	assert_eq!(all_leaves(&seller, &quote).await, before);
	seller.tick().await.unwrap();
	let [(revealed, key)] = shop.chain.revealed().try_into().unwrap();
	assert_eq!(revealed, sale);
	let key = SealingKey::new(&key, &blind);
	let (_, reading) = before[0].open(&key, 0, 10).unwrap();
	assert_eq!(reading.value, wh(10));
	drop(seller);
	shop.chain.forward(1);
	shop.open().tick().await.unwrap();
	assert_eq!(shop.chain.revealed().len(), 1);
}

#[tokio::test]
async fn a_reveal_that_fails_is_tried_again_and_a_late_one_is_not() {
	let shop = Shop::new();
	let seller = shop.open();
	let quotes = [
		seller.quote(shop.request(0, 60).0).await.unwrap(),
		seller.quote(shop.request(0, 60).0).await.unwrap(),
	];
	shop.chain.state().faults = 2;
	let sale = shop.chain.buy(&quotes[0]);
	assert!(seller.tick().await.is_err());
	assert!(seller.tick().await.is_err());
	seller.tick().await.unwrap();
	assert_eq!(shop.chain.revealed().len(), 1);
	assert_eq!(shop.chain.revealed()[0].0, sale);

	// In a block after the deadline the key would be public and not paid.
	shop.chain.buy(&quotes[1]);
	shop.chain.forward(quotes[1].offer.terms.reveal_window - 2);
	seller.tick().await.unwrap();
	assert_eq!(shop.chain.revealed().len(), 1);
}

#[tokio::test]
async fn a_vault_of_another_chain_is_refused() {
	let shop = Shop::new();
	let path = shop.home.path().join("vault.redb");
	Vault::open(&path, PASSPHRASE)
		.unwrap()
		.set_genesis(&[8; 32])
		.unwrap();
	let error = Seller::new(
		shop.chain.clone(),
		Vault::open(&path, PASSPHRASE).unwrap(),
		Arc::clone(&shop.owner),
		BTreeMap::new(),
		shop.home.path().to_owned(),
		Box::new(|_| {}),
	)
	.err()
	.unwrap();
	assert!(error.to_string().contains("belongs to the chain"), "{error}");
}

#[tokio::test]
async fn the_gateway_records_beside_the_seller() {
	let shop = Shop::new();
	let seller = shop.open();
	seller.quote(shop.request(0, 60).0).await.unwrap();
	// The store is free between two requests.
	let minutes = 60 * HOURS..60 * (HOURS + 1);
	let readings = minutes
		.map(|minute| (START + 60_000 * minute, wh(minute)))
		.collect();
	shop.anchor(HOURS, readings);
	let (request, _) = shop.request(60 * HOURS, 60 * (HOURS + 1));
	let quote = seller.quote(request).await.unwrap();
	assert_eq!(quote.offer.terms.range.first.seq, HOURS);
	sold_anchors(&shop, &seller, &quote).await;
}

#[tokio::test]
async fn who_signs_for_a_false_reading_convicts_itself() {
	let shop = Shop::new();
	let seller = shop.open();
	let cheat = crate::support::cheat::Cheat {
		seller: Arc::clone(&seller),
		position: 77,
	};
	let (request, blind) = shop.request(0, 240);
	let quote = cheat.quote(request).await.unwrap();
	let terms = &quote.offer.terms;
	assert!(quote.offer.verify(&GENESIS));
	let anchors = sold_anchors(&shop, &seller, &quote).await;
	let sale = terms.sale_id(&GENESIS);
	let leaves = protocol::decode_leaves(&cheat.leaves(sale, 0).await.unwrap()).unwrap();
	// Before the key is known nobody can tell.
	let mut checker = Checker::new(terms, &blind, &anchors, &quote.edges).unwrap();
	for leaf in &leaves {
		checker.check(leaf).unwrap();
	}
	checker.finish().unwrap();

	assert_eq!(shop.chain.buy(&quote), sale);
	seller.tick().await.unwrap();
	let [(_, key)] = shop.chain.revealed().try_into().unwrap();
	let mut opener = Opener::new(terms, &key, &blind, &anchors).unwrap();
	for (position, leaf) in (0u32..).zip(&leaves) {
		let bad = matches!(opener.open(leaf), Err(OpenFault::BadLeaf { .. }));
		assert_eq!(bad, position == 77);
	}
	let evidence = SaleEvidence::new(terms, &blind, &anchors, leaves.iter().copied(), 77).unwrap();
	evidence.convicts(&GENESIS, &sale, &key).unwrap();
	let framed = SaleEvidence::new(terms, &blind, &anchors, leaves, 78).unwrap();
	assert!(framed.convicts(&GENESIS, &sale, &key).is_err());
}

/// What is tested: before a key is revealed, nothing that leaves the house holds a secret of either side, a salt or a
/// reading; equal readings look unrelated; and what hides a leaf is the keystream of its position and nothing else, so
/// that the ciphertexts say as little as one-time pads. That the keystream cannot be guessed rests on blake2.
#[tokio::test]
async fn ciphertexts_alone_reveal_nothing() {
	let shop = Shop::new();
	let seller = shop.open();
	let mut given = Vec::new();
	let mut sold = Vec::new();
	for _ in 0..2 {
		let (request, blind) = shop.request(0, 240);
		let quote = seller.quote(request).await.unwrap();
		let leaves = all_leaves(&seller, &quote).await;
		let sale = quote.offer.terms.sale_id(&GENESIS);
		given.extend(quote.offer.encode());
		given.extend(quote.edges.encode());
		given.extend(leaves.encode());
		given.extend(seller.anchors(sale, 0).await.unwrap().encode());
		let key = seller.vault().blinded_key(&GENESIS, &quote.offer.terms);
		sold.push((blind, key, leaves));
	}
	let contains = |wanted: &[u8]| given.windows(wanted.len()).any(|bytes| bytes == wanted);
	assert!(contains(&sold[1].2[239].sealed), "the search finds what is there");
	for (blind, key, leaves) in &sold {
		assert!(!contains(&blind.0[..8]) && !contains(&key.0[..8]));
		let sealing = SealingKey::new(key, blind);
		assert!(!contains(&sealing.0[..8]));
		for (position, leaf) in (0u32..).zip(leaves) {
			let (salt, reading) = leaf.open(&sealing, position, position % 60).unwrap();
			assert!(!contains(&salt[..8]), "the salt of {position}");
			assert!(!contains(&reading.to_bytes()), "the reading of {position}");
			assert!(!contains(&sealing.keystream(position)[..8]));
		}
	}
	// The same 240 readings, sold twice: nothing is shared, and half of the bits differ, as by chance. The chance that
	// 61,440 fair bits stray by a hundredth is below 10^-6.
	let both = || sold[0].2.iter().zip(&sold[1].2);
	assert!(both().all(|(first, second)| first.sealed != second.sealed && first.leaf == second.leaf));
	let distance: u32 = both()
		.flat_map(|(first, second)| first.sealed.iter().zip(&second.sealed))
		.map(|(first, second)| (first ^ second).count_ones())
		.sum();
	assert!(
		(30_106..=31_334).contains(&distance),
		"{distance} of 61,440 bits differ"
	);
	let ciphertexts: BTreeSet<[u8; 32]> = sold
		.iter()
		.flat_map(|(_, _, leaves)| leaves.iter().map(|leaf| leaf.sealed))
		.collect();
	assert_eq!(
		ciphertexts.len(),
		480,
		"readings of equal value have unlike ciphertexts"
	);

	// What hides a leaf depends on the key and its position, and not on what is hidden.
	for (blind, key, leaves) in &sold {
		let sealing = SealingKey::new(key, blind);
		for (position, leaf) in (0u32..).zip(leaves) {
			let (salt, reading) = leaf.open(&sealing, position, position % 60).unwrap();
			let plaintext = [salt, reading.to_bytes()].concat();
			let hidden_by: Vec<u8> = leaf.sealed.iter().zip(plaintext).map(|(c, m)| c ^ m).collect();
			assert_eq!(hidden_by, sealing.keystream(position));
		}
	}
}

// ---- epochs of subscriptions ----

#[tokio::test]
async fn a_countersigned_epoch_is_delivered_once_opens_and_is_settled() {
	let shop = Shop::new();
	let seller = shop.open();
	seller.tick().await.unwrap();
	let subscriber = shop.subscribe(4, EPOCH, 3 * EPOCH);
	let (quote, blind) = subscriber.quote(&shop, &seller).await;
	let unsigned = subscriber.quote(&shop, &seller).await.0;
	shop.chain.block(&seller).await;
	assert!(shop.chain.state().deliveries.is_empty());
	let anchors = sold_anchors(&shop, &seller, &quote).await;
	let leaves = all_leaves(&seller, &quote).await;
	// A client that was cut off signs once more, in other words.
	for _ in 0..2 {
		seller.epoch(subscriber.countersign(&quote)).await.unwrap();
	}
	for _ in 0..4 {
		shop.chain.block(&seller).await;
	}
	let sale = quote.offer.terms.sale_id(&GENESIS);
	assert_eq!(shop.chain.state().deliveries, [vec![sale]]);
	assert!(shop.chain.revealed().is_empty(), "nothing is left to reveal");
	seller.epoch(subscriber.countersign(&quote)).await.unwrap();
	let Some(SaleStatus::Open(record)) = shop.chain.state().sales.get(&sale).cloned() else {
		panic!("it is not open")
	};
	let terms = &quote.offer.terms;
	let key = record.key.unwrap();
	let mut opener = Opener::new(terms, &key, &blind, &anchors).unwrap();
	for (minute, leaf) in (0..60).zip(&leaves) {
		assert_eq!(opener.open(leaf).unwrap().reading.value, wh(minute));
	}

	// Nothing of the other offer was shown, and nothing of either stays.
	shop.chain.forward(terms.dispute_window + 1);
	seller.tick().await.unwrap();
	assert_eq!(shop.chain.state().settled, [sale]);
	shop.chain.block(&seller).await;
	assert!(seller.vault().sales().unwrap().is_empty());
	assert_eq!(seller.vault().epoch(&sale).unwrap(), None);
	let unsigned = unsigned.offer.terms.sale_id(&GENESIS);
	assert!(!shop.chain.state().sales.contains_key(&unsigned));
	assert_eq!(shop.chain.state().deliveries.len(), 1);
}

#[tokio::test]
async fn a_countersignature_survives_a_restart_and_a_fault_of_the_node() {
	let shop = Shop::new();
	let subscriber = shop.subscribe(0, EPOCH, EPOCH);
	let seller = shop.open();
	let quote = subscriber.order(&shop, &seller).await;
	drop(seller);
	let seller = shop.open();
	let (request, _) = shop.request(0, 60);
	let bought = shop.chain.buy(&seller.quote(request).await.unwrap());
	let sale = quote.offer.terms.sale_id(&GENESIS);
	// The key of what somebody bought, and then the epoch.
	shop.chain.state().faults = 2;
	assert!(seller.tick().await.is_err());
	assert!(shop.chain.revealed().is_empty());
	assert!(shop.chain.state().deliveries.is_empty());
	// Neither keeps the other one back.
	shop.chain.state().faults = 1;
	assert!(seller.tick().await.is_err());
	assert!(shop.chain.revealed().is_empty());
	assert_eq!(shop.chain.state().deliveries, [vec![sale]]);
	seller.tick().await.unwrap();
	assert_eq!(shop.chain.revealed()[0].0, bought);
	// It was delivered by the process before, which did not hear of it.
	drop(seller);
	let seller = shop.open();
	shop.chain.block(&seller).await;
	assert_eq!(shop.chain.state().deliveries.len(), 1);
	assert_eq!(shop.chain.revealed().len(), 1);
}

#[tokio::test]
async fn what_the_chain_would_not_take_is_no_epoch() {
	type Change = fn(&mut Subscription);
	let changes: [(Change, Refusal); 6] = [
		(|order| order.cap = EPOCH - 1, Refusal::NotCovered),
		(|order| order.left = EPOCH - 1, Refusal::NotCovered),
		(|order| order.listing += 1, Refusal::NotCovered),
		(
			|order| order.subscriber = Key::generate(Scheme::Sr25519).account(),
			Refusal::NotCovered,
		),
		(
			|order| order.signer = Key::generate(Scheme::Sr25519).account(),
			Refusal::NotCountersigned,
		),
		(|order| order.ends = 107, Refusal::TooLate),
	];
	let shop = Shop::new();
	let seller = shop.open();
	for (number, (change, expected)) in (0..).zip(changes) {
		let subscriber = shop.subscribe(number, EPOCH, EPOCH);
		let (quote, _) = subscriber.quote(&shop, &seller).await;
		shop.change_order(number, change);
		let answer = seller.epoch(subscriber.countersign(&quote)).await;
		assert_eq!(refusal(answer), expected, "change {number}");
	}

	let subscriber = shop.subscribe(10, EPOCH, EPOCH);
	let (quote, _) = subscriber.quote(&shop, &seller).await;
	let good = subscriber.countersign(&quote);
	let stranger = Key::generate(Scheme::Sr25519);
	for (wrong, expected) in [
		(
			Countersigned {
				genesis: H256([8; 32]),
				..good.clone()
			},
			Refusal::WrongChain,
		),
		(
			Countersigned {
				sale: H256([8; 32]),
				..good.clone()
			},
			Refusal::UnknownDelivery,
		),
		(
			subscriber.countersign_for(11, &quote),
			Refusal::UnknownSubscription,
		),
		(
			Countersigned {
				subscription: 11,
				..good.clone()
			},
			Refusal::NotCountersigned,
		),
		(
			Countersigned {
				subscriber: stranger.public(),
				..good.clone()
			},
			Refusal::NotCountersigned,
		),
		(
			Countersigned {
				countersignature: subscriber.key.sign(b"something else"),
				..good.clone()
			},
			Refusal::NotCountersigned,
		),
	] {
		assert_eq!(refusal(seller.epoch(wrong).await), expected);
	}
	// Signed for another subscription of the same buyer.
	let second = Subscriber {
		number: 12,
		..subscriber
	};
	let order = shop.chain.state().subscriptions[&10].clone();
	shop.chain.state().subscriptions.insert(12, order);
	let foreign = Countersigned {
		subscription: 10,
		..second.countersign(&quote)
	};
	assert_eq!(refusal(seller.epoch(foreign).await), Refusal::NotCountersigned);
	seller.epoch(good).await.unwrap();
	let again = seller.epoch(second.countersign(&quote)).await;
	assert_eq!(refusal(again), Refusal::NotCountersigned, "it is the first one's");

	// Each of these would make a key public for nothing.
	type News = fn(&mut State);
	let news: [(News, Refusal); 5] = [
		(
			|state| state.standing.listing.as_mut().unwrap().version += 1,
			Refusal::StaleVersion,
		),
		(|state| state.standing.generation = None, Refusal::NotForSale),
		(|state| state.standing.payable = false, Refusal::NotForSale),
		(
			|state| state.standing.first_seq = Some(1),
			Refusal::RangeNotAvailable,
		),
		(
			|state| state.standing.conditions.windows.max_validity = 50,
			Refusal::NotForSale,
		),
	];
	for (number, (news, expected)) in (20..).zip(news) {
		let subscriber = shop.subscribe(number, EPOCH, EPOCH);
		let (quote, _) = subscriber.quote(&shop, &seller).await;
		let before = shop.chain.state().standing.clone();
		news(&mut shop.chain.state());
		shop.chain.block(&seller).await;
		let answer = seller.epoch(subscriber.countersign(&quote)).await;
		assert_eq!(refusal(answer), expected, "news {number}");
		shop.chain.state().standing = before;
		shop.chain.block(&seller).await;
	}
	assert_eq!(
		seller
			.vault()
			.epoch(&quote.offer.terms.sale_id(&GENESIS))
			.unwrap()
			.unwrap()
			.subscription,
		10
	);
}

#[tokio::test]
async fn no_key_is_sent_when_there_is_little_time() {
	let shop = Shop::new();
	let subscriber = shop.subscribe(0, EPOCH, 9 * EPOCH);
	let seller = shop.open();
	let quote = subscriber.order(&shop, &seller).await;
	let (late, _) = subscriber.quote(&shop, &seller).await;
	let expires = quote.offer.terms.expires;
	shop.chain.forward(expires - 7 - 100);
	seller.tick().await.unwrap();
	let answer = seller.epoch(subscriber.countersign(&late)).await;
	assert_eq!(refusal(answer), Refusal::TooLate);
	for _ in 0..12 {
		seller.tick().await.unwrap();
		shop.chain.forward(1);
	}
	assert!(shop.chain.state().deliveries.is_empty());
	assert!(seller.vault().sales().unwrap().is_empty(), "it has expired");
	let sale = quote.offer.terms.sale_id(&GENESIS);
	assert_eq!(seller.vault().epoch(&sale).unwrap(), None);

	// One block earlier there is time, unless the newest block is not final.
	let quote = subscriber.order(&shop, &seller).await;
	let left = quote.offer.terms.expires - shop.chain.state().head;
	shop.chain.forward(left - 9);
	shop.chain.state().ahead = 2;
	seller.tick().await.unwrap();
	assert!(shop.chain.state().deliveries.is_empty());
	shop.chain.state().ahead = 0;
	shop.chain.block(&seller).await;
	assert_eq!(shop.chain.state().deliveries.len(), 1);
}

#[tokio::test]
async fn no_key_is_sent_while_the_chain_finalizes_nothing() {
	let shop = Shop::new();
	let subscriber = shop.subscribe(0, EPOCH, EPOCH);
	let seller = shop.open();
	subscriber.order(&shop, &seller).await;
	shop.chain.state().ahead = 21;
	shop.chain.block(&seller).await;
	assert!(shop.chain.state().deliveries.is_empty());
	shop.chain.state().ahead = 20;
	shop.chain.block(&seller).await;
	assert_eq!(shop.chain.state().deliveries.len(), 1);
}

#[tokio::test]
async fn a_slow_delivery_does_not_delay_a_key_that_was_bought_before_it() {
	let shop = Shop::new();
	let seller = shop.open();
	let (request, _) = shop.request(0, 60);
	let quote = seller.quote(request).await.unwrap();
	let sale = shop.chain.buy(&quote);
	shop.chain.forward(quote.offer.terms.reveal_window - 8);
	drop(seller);
	let seller = shop.open();
	let subscriber = shop.subscribe(0, EPOCH, 9 * EPOCH);
	for _ in 0..2 {
		subscriber.order(&shop, &seller).await;
	}
	// After this block it is too late to send the key.
	shop.chain.state().slow = 80;
	seller.tick().await.unwrap();
	assert_eq!(shop.chain.revealed()[0].0, sale);
	let sizes: Vec<_> = shop.chain.state().deliveries.iter().map(Vec::len).collect();
	assert_eq!(sizes, [2]);
}

#[tokio::test]
async fn a_key_is_not_sent_when_those_before_it_took_too_long() {
	let shop = Shop::new();
	let seller = shop.open();
	let mut first = None;
	// One more than a transaction takes.
	for _ in 0..51 {
		let (request, _) = shop.request(0, 2);
		let quote = seller.quote(request).await.unwrap();
		shop.chain.state().open(&quote.offer.terms, None);
		first.get_or_insert(quote);
	}
	shop.chain.forward(first.unwrap().offer.terms.reveal_window - 8);
	shop.chain.state().slow = 1;
	seller.tick().await.unwrap();
	assert_eq!(shop.chain.revealed().len(), 50);
	for _ in 0..3 {
		shop.chain.block(&seller).await;
	}
	assert_eq!(shop.chain.revealed().len(), 50, "it would be public and not paid");
}

#[tokio::test]
async fn what_changed_since_it_was_countersigned_holds_a_key_back() {
	type News = fn(&mut State);
	let news: [(&str, News); 6] = [
		("closed", |state| state.subscriptions.clear()),
		("ending", |state| {
			for order in state.subscriptions.values_mut() {
				order.ends = state.head + 7;
			}
		}),
		("spent", |state| {
			for order in state.subscriptions.values_mut() {
				order.left = 0;
			}
		}),
		("another version", |state| {
			state.standing.listing.as_mut().unwrap().version += 1;
		}),
		("another owner", |state| state.standing.generation = Some(1)),
		("released bond", |state| {
			state.standing.seller.as_mut().unwrap().bond = FIXED_COVER + EPOCH - 1;
		}),
	];
	for (what, news) in news {
		let shop = Shop::new();
		let subscriber = shop.subscribe(0, EPOCH, EPOCH);
		let seller = shop.open();
		subscriber.order(&shop, &seller).await;
		let before = {
			let mut state = shop.chain.state();
			let before = (state.subscriptions.clone(), state.standing.clone());
			news(&mut state);
			before
		};
		for _ in 0..3 {
			shop.chain.block(&seller).await;
		}
		assert!(shop.chain.state().deliveries.is_empty(), "{what}");
		// What was held back is delivered when it is in order again.
		(shop.chain.state().subscriptions, shop.chain.state().standing) = before;
		shop.chain.block(&seller).await;
		assert_eq!(shop.chain.state().deliveries.len(), 1, "{what}");
	}
}

#[tokio::test]
async fn epochs_that_wait_count_against_what_is_left() {
	let shop = Shop::new();
	let subscriber = shop.subscribe(0, EPOCH, 2 * EPOCH + 1);
	let seller = shop.open();
	seller.tick().await.unwrap();
	for _ in 0..2 {
		subscriber.order(&shop, &seller).await;
	}
	let (third, _) = subscriber.quote(&shop, &seller).await;
	let answer = seller.epoch(subscriber.countersign(&third)).await;
	assert_eq!(refusal(answer), Refusal::NotCovered);
	shop.chain.block(&seller).await;
	assert_eq!(shop.chain.state().deliveries[0].len(), 2);
	// Delivered or not, it is the same money.
	let answer = seller.epoch(subscriber.countersign(&third)).await;
	assert_eq!(refusal(answer), Refusal::NotCovered);
	shop.change_order(0, |order| order.left += EPOCH);
	seller.epoch(subscriber.countersign(&third)).await.unwrap();
	shop.chain.block(&seller).await;
	assert_eq!(shop.chain.state().deliveries.len(), 2);
}

#[tokio::test]
async fn an_epoch_that_the_chain_refuses_stays_owed_and_is_sent_again_later() {
	let shop = Shop::new();
	let subscriber = shop.subscribe(0, EPOCH, EPOCH);
	let seller = shop.open();
	let (other, _) = subscriber.quote(&shop, &seller).await;
	let quote = subscriber.order(&shop, &seller).await;
	let sale = quote.offer.terms.sale_id(&GENESIS);
	shop.chain.state().refusing = Some("DataMarketplace::DeviceNotActive");
	for _ in 0..3 {
		shop.chain.block(&seller).await;
	}
	assert_eq!(
		shop.chain.state().deliveries,
		[vec![sale]],
		"it is not sent again at once"
	);
	// Its key is public, so it counts against what is left.
	let answer = seller.epoch(subscriber.countersign(&other)).await;
	assert_eq!(refusal(answer), Refusal::NotCovered);
	shop.chain.state().refusing = None;
	shop.chain.forward(8);
	seller.tick().await.unwrap();
	assert_eq!(shop.chain.state().deliveries.len(), 2);
	assert!(shop.chain.state().sales.contains_key(&sale));
	assert_eq!(shop.chain.state().subscriptions[&0].left, 0);
	for _ in 0..20 {
		shop.chain.block(&seller).await;
	}
	assert_eq!(shop.chain.state().deliveries.len(), 2);
}

#[tokio::test]
async fn an_epoch_that_its_subscriber_buys_at_once_is_sold_once() {
	let shop = Shop::new();
	let subscriber = shop.subscribe(0, EPOCH, EPOCH);
	let seller = shop.open();
	seller.tick().await.unwrap();
	let quote = subscriber.order(&shop, &seller).await;
	// The purchase comes in the block of the delivery, before it.
	let sale = shop.chain.state().open(&quote.offer.terms, None);
	shop.chain.state().purchases.clear();
	shop.chain.block(&seller).await;
	assert_eq!(shop.chain.state().deliveries, [vec![sale]]);
	for _ in 0..3 {
		shop.chain.block(&seller).await;
	}
	assert_eq!(shop.chain.revealed().len(), 1, "the purchase is paid for its key");
	assert_eq!(shop.chain.state().subscriptions[&0].left, EPOCH);
	assert_eq!(shop.chain.state().deliveries.len(), 1);
}

#[tokio::test]
async fn more_epochs_than_one_delivery_takes_come_in_several() {
	let shop = Shop::new();
	let seller = shop.open();
	seller.tick().await.unwrap();
	let subscribers = [
		shop.subscribe(0, EPOCH, 33 * EPOCH),
		shop.subscribe(1, EPOCH, 33 * EPOCH),
	];
	for number in 0..33 {
		subscribers[usize::from(number % 11 == 0)]
			.order(&shop, &seller)
			.await;
	}
	let sizes = || -> Vec<_> { shop.chain.state().deliveries.iter().map(Vec::len).collect() };
	shop.chain.block(&seller).await;
	assert_eq!(sizes(), [32], "what was bought meanwhile has its turn after each");
	shop.chain.block(&seller).await;
	assert_eq!(sizes(), [32, 1]);
	let left = |number| shop.chain.state().subscriptions[&number].left;
	assert_eq!((left(0), left(1)), (3 * EPOCH, 30 * EPOCH));
}

// ---- over HTTP ----

struct Served {
	address: SocketAddr,
	stop: oneshot::Sender<()>,
	running: tokio::task::JoinHandle<Result<()>>,
}

async fn serve<O: Offers>(offers: O, limits: Limits) -> Served {
	let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
	let address = listener.local_addr().unwrap();
	let (stop, stopped) = oneshot::channel();
	let running = tokio::spawn(service::serve(
		listener,
		offers,
		limits,
		Box::new(|_| {}),
		async move {
			let _ = stopped.await;
		},
	));
	Served {
		address,
		stop,
		running,
	}
}

/// Status, head in lower case, and body.
type Reply = (u16, String, Vec<u8>);

async fn read_reply(stream: &mut TcpStream) -> Option<Reply> {
	let mut bytes = Vec::new();
	// A peer that resets the connection after it answered has answered.
	let _ = stream.read_to_end(&mut bytes).await;
	let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
	let head = String::from_utf8(bytes[..end].to_vec()).ok()?.to_lowercase();
	let status = head.split(' ').nth(1)?.parse().ok()?;
	Some((status, head, bytes[end + 4..].to_vec()))
}

async fn connect(from: [u8; 4], to: SocketAddr) -> TcpStream {
	let socket = TcpSocket::new_v4().unwrap();
	socket
		.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(from)), 0))
		.unwrap();
	socket.connect(to).await.unwrap()
}

const ME: [u8; 4] = [127, 0, 0, 1];
const SOMEBODY_ELSE: [u8; 4] = [127, 0, 0, 2];

async fn send(from: [u8; 4], to: SocketAddr, method: &str, path: &str, body: &[u8]) -> Option<Reply> {
	let mut stream = connect(from, to).await;
	let head = format!(
		"{method} {path} HTTP/1.1\r\nhost: seller\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
		body.len()
	);
	// In one piece: a server that refuses by the head alone may hang up before the rest arrives.
	let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
	read_reply(&mut stream).await
}

fn refused_as(reply: &Reply) -> Refusal {
	let refused: Refused = serde_json::from_slice(&reply.2).unwrap();
	assert_eq!(reply.0, refused.error.status());
	assert!(refused.cause.is_none());
	if matches!(reply.0, 429 | 503) {
		let header = format!("retry-after: {}", refused.retry_after_s.unwrap());
		assert!(reply.1.contains(&header), "{}", reply.1);
	}
	refused.error
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_made_and_delivered_over_http() {
	let shop = Shop::new();
	let seller = shop.open();
	let served = serve(Arc::clone(&seller), Limits::default()).await;
	let health = send(ME, served.address, "GET", protocol::HEALTH_PATH, b"")
		.await
		.unwrap();
	assert_eq!(health.0, 200);
	let health: protocol::Health = serde_json::from_slice(&health.2).unwrap();
	assert_eq!(health, seller.health());
	assert_eq!(health.listings, [LISTING]);

	let (request, _) = shop.request(0, 240);
	let body = serde_json::to_vec(&request).unwrap();
	let reply = send(ME, served.address, "POST", protocol::QUOTE_PATH, &body)
		.await
		.unwrap();
	assert_eq!(reply.0, 200);
	assert!(reply.2.len() <= protocol::MAX_JSON_BYTES);
	let quote: Quote = serde_json::from_slice(&reply.2).unwrap();
	let sale = quote.offer.terms.sale_id(&GENESIS);
	let get = |path: String| async move { send(ME, served.address, "GET", &path, b"").await.unwrap() };
	let leaves = get(protocol::leaves_path(&sale, 0)).await;
	assert_eq!(
		(leaves.0, &leaves.2),
		(200, &seller.leaves(sale, 0).await.unwrap())
	);
	assert!(leaves.1.contains(protocol::BINARY));
	let anchors = get(protocol::anchors_path(&sale, 0)).await;
	assert_eq!(anchors.2, seller.anchors(sale, 0).await.unwrap().encode());

	assert_eq!(
		refused_as(&get(protocol::leaves_path(&sale, 1)).await),
		Refusal::NoSuchChunk
	);
	assert_eq!(
		refused_as(&get(protocol::anchors_path(&sale, u32::MAX)).await),
		Refusal::NoSuchChunk
	);
	let unknown = protocol::leaves_path(&H256([1; 32]), 0);
	assert_eq!(refused_as(&get(unknown).await), Refusal::UnknownDelivery);

	let subscriber = shop.subscribe(0, EPOCH, EPOCH);
	let (quote, _) = subscriber.quote(&shop, &seller).await;
	let countersigned = subscriber.countersign(&quote);
	let body = serde_json::to_vec(&countersigned).unwrap();
	let reply = send(ME, served.address, "POST", protocol::EPOCH_PATH, &body)
		.await
		.unwrap();
	assert_eq!(reply.0, 200);
	let taken: Taken = serde_json::from_slice(&reply.2).unwrap();
	assert_eq!(taken.sale, countersigned.sale);
	let stored = seller.vault().epoch(&taken.sale).unwrap();
	assert_eq!(stored.unwrap().subscription, 0);
	assert_eq!(
		refused_as(&get(protocol::EPOCH_PATH.into()).await),
		Refusal::MethodNotAllowed
	);
	let posted = send(ME, served.address, "POST", protocol::EPOCH_PATH, b"{}")
		.await
		.unwrap();
	assert_eq!(refused_as(&posted), Refusal::BadRequest);
	for path in [
		"/",
		"/v1",
		"/v1/delivery/",
		"/v1/delivery/0x12/leaves/0",
		"/v1/quotes",
		"/v1/delivery/../vault",
	] {
		assert_eq!(refused_as(&get(path.into()).await), Refusal::NotFound, "{path}");
	}
	for path in [
		format!("{}/", protocol::leaves_path(&sale, 0)),
		protocol::leaves_path(&sale, 0).replace("/0", "/-1"),
	] {
		assert_eq!(refused_as(&get(path).await), Refusal::NotFound);
	}
	assert_eq!(
		refused_as(&get(protocol::QUOTE_PATH.into()).await),
		Refusal::MethodNotAllowed
	);
	let posted = send(ME, served.address, "POST", protocol::HEALTH_PATH, b"")
		.await
		.unwrap();
	assert_eq!(refused_as(&posted), Refusal::MethodNotAllowed);

	served.stop.send(()).unwrap();
	served.running.await.unwrap().unwrap();
	assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_no_request_is_refused() {
	let shop = Shop::new();
	let served = serve(shop.open(), Limits::default()).await;
	let post =
		|body: Vec<u8>| async move { send(ME, served.address, "POST", protocol::QUOTE_PATH, &body).await };
	let oversized = vec![b' '; MAX_REQUEST_BYTES + 1];
	assert_eq!(refused_as(&post(oversized).await.unwrap()), Refusal::TooLarge);
	// A length that lies, and one that is not told.
	for head in [
		"content-length: 99999999999\r\n\r\n".to_owned(),
		format!(
			"transfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n",
			8_000,
			"a".repeat(8_000)
		),
	] {
		let mut stream = connect(ME, served.address).await;
		let request = format!(
			"POST {} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{head}",
			protocol::QUOTE_PATH
		);
		stream.write_all(request.as_bytes()).await.unwrap();
		assert_eq!(
			refused_as(&read_reply(&mut stream).await.unwrap()),
			Refusal::TooLarge
		);
	}
	let (request, _) = shop.request(0, 60);
	let good = serde_json::to_string(&request).unwrap();
	for bad in [
		"",
		"{",
		"[]",
		"null",
		"\u{0}",
		&good[1..],
		good.replace("listing", "Listing").as_str(),
		good.replace("60", "-60").as_str(),
	] {
		assert_eq!(
			refused_as(&post(bad.into()).await.unwrap()),
			Refusal::BadRequest,
			"{bad}"
		);
	}
	assert_eq!(post(good.into_bytes()).await.unwrap().0, 200);
	// Not HTTP at all.
	let mut stream = connect(ME, served.address).await;
	stream.write_all(&[0xff; 5_000]).await.unwrap();
	assert_eq!(read_reply(&mut stream).await.unwrap().0, 400);
	// A head without end.
	let mut stream = connect(ME, served.address).await;
	let head = format!("GET /v1/health HTTP/1.1\r\nx: {}", "a".repeat(60_000));
	let _ = stream.write_all(head.as_bytes()).await;
	if let Some(reply) = read_reply(&mut stream).await {
		assert_eq!(reply.0, 431);
	}
	assert_eq!(
		send(ME, served.address, "GET", protocol::HEALTH_PATH, b"")
			.await
			.unwrap()
			.0,
		200
	);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_hung_up_on_and_keep_nobody_waiting() {
	let shop = Shop::new();
	let limits = Limits {
		connections: 16,
		head: Duration::from_millis(300),
		body: Duration::from_millis(300),
		..Limits::default()
	};
	let served = serve(shop.open(), limits).await;
	// More than there is room for, each of which says little or nothing.
	let mut idle = Vec::new();
	for number in 0..40 {
		let mut stream = connect(ME, served.address).await;
		if number % 2 == 0 {
			stream
				.write_all(b"GET /v1/health HTTP/1.1\r\nhost: ")
				.await
				.unwrap();
		}
		idle.push(stream);
	}
	let health = send(SOMEBODY_ELSE, served.address, "GET", protocol::HEALTH_PATH, b"").await;
	assert_eq!(health.unwrap().0, 200);
	for mut stream in idle {
		// The connection ends: with an answer that the request came too late, or without one.
		if let Some(reply) = read_reply(&mut stream).await {
			assert_eq!(reply.0, 408);
		}
	}
	let mut stream = connect(ME, served.address).await;
	let head = format!(
		"POST {} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{{",
		protocol::QUOTE_PATH
	);
	stream.write_all(head.as_bytes()).await.unwrap();
	assert_eq!(
		refused_as(&read_reply(&mut stream).await.unwrap()),
		Refusal::TooSlow
	);
}

/// Takes its time for leaves, and says how many requests it worked on at the same time at most.
#[derive(Clone, Default)]
struct Slow(Arc<(AtomicUsize, AtomicUsize)>);

impl Slow {
	fn most(&self) -> usize {
		self.0.1.load(Ordering::SeqCst)
	}
}

impl Offers for Slow {
	fn health(&self) -> protocol::Health {
		protocol::Health {
			genesis: H256(GENESIS),
			finalized: 0,
			listings: Vec::new(),
			sealing_key: [0; 32],
		}
	}

	async fn quote(&self, _: QuoteRequest) -> Answer<Quote> {
		Err(Refused::new(Refusal::NotForSale, "nothing is sold here"))
	}

	async fn epoch(&self, _: Countersigned) -> Answer<Taken> {
		Err(Refused::new(Refusal::UnknownDelivery, "nothing is sold here"))
	}

	async fn anchors(&self, _: SaleId, _: u32) -> Answer<protocol::AnchorChunk> {
		Err(Refused::new(Refusal::UnknownDelivery, "nothing is sold here"))
	}

	async fn leaves(&self, _: SaleId, _: u32) -> Answer<Vec<u8>> {
		let counts = Arc::clone(&self.0);
		// As the seller works: what was begun cannot be called off.
		let work = tokio::task::spawn_blocking(move || {
			let now = counts.0.fetch_add(1, Ordering::SeqCst) + 1;
			counts.1.fetch_max(now, Ordering::SeqCst);
			thread::sleep(Duration::from_millis(400));
			counts.0.fetch_sub(1, Ordering::SeqCst);
		});
		work.await.unwrap();
		Ok(Vec::new())
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_hang_up_do_not_make_room_for_more_work() {
	let slow = Slow::default();
	let limits = Limits {
		at_once: 2,
		patience: Duration::from_secs(30),
		..Limits::default()
	};
	let served = serve(slow.clone(), limits).await;
	let path = protocol::leaves_path(&H256([1; 32]), 0);
	let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
	for _ in 0..20 {
		let mut stream = connect(ME, served.address).await;
		stream.write_all(head.as_bytes()).await.unwrap();
		// Long enough for the request to be taken.
		tokio::time::sleep(Duration::from_millis(30)).await;
	}
	let reply = send(SOMEBODY_ELSE, served.address, "GET", &path, b"").await;
	assert_eq!(reply.unwrap().0, 200);
	assert!((1..=2).contains(&slow.most()), "{} at once", slow.most());
}

/// Sends a thousand requests for an offer at once. Returns how many were answered with which status, and the offers.
async fn storm(shop: &Shop, address: SocketAddr) -> (BTreeMap<u16, usize>, BTreeSet<SaleId>) {
	let mut asked = Vec::new();
	for _ in 0..1_000 {
		let body = serde_json::to_vec(&shop.request(0, 60).0).unwrap();
		asked.push(tokio::spawn(async move {
			send(ME, address, "POST", protocol::QUOTE_PATH, &body).await
		}));
	}
	let (mut statuses, mut offers) = (BTreeMap::<u16, usize>::new(), BTreeSet::new());
	for reply in asked {
		let reply = reply.await.unwrap().expect("each request is answered");
		*statuses.entry(reply.0).or_default() += 1;
		match reply.0 {
			200 => {
				let quote: Quote = serde_json::from_slice(&reply.2).unwrap();
				assert!(offers.insert(quote.offer.terms.sale_id(&GENESIS)));
			}
			429 | 503 => {
				refused_as(&reply);
			}
			other => panic!("{other}: {}", String::from_utf8_lossy(&reply.2)),
		}
	}
	(statuses, offers)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_quotes_at_once_of_one_peer_do_not_starve_another() {
	let shop = Shop::new();
	let seller = shop.open();
	let served = serve(Arc::clone(&seller), Limits::default()).await;
	let address = served.address;
	let body = serde_json::to_vec(&shop.request(0, 60).0).unwrap();
	let another = async {
		loop {
			let reply = send(SOMEBODY_ELSE, address, "POST", protocol::QUOTE_PATH, &body).await;
			match reply {
				// It has its turn, too, and is told when.
				Some(reply) if reply.0 == 503 => tokio::time::sleep(Duration::from_millis(100)).await,
				reply => return reply,
			}
		}
	};
	let started = Instant::now();
	let ((statuses, offers), another) = tokio::join!(storm(&shop, address), another);
	assert_eq!(another.unwrap().0, 200);
	// What the peer may ask for at once, and one more for each second that it took.
	let most = 31 + usize::try_from(started.elapsed().as_secs()).unwrap();
	assert!(!offers.is_empty() && offers.len() <= most, "{statuses:?}");
	assert!(
		statuses.get(&429).is_some_and(|refused| *refused >= 1_000 - most),
		"{statuses:?}"
	);
	assert_eq!(seller.vault().sales().unwrap().len(), offers.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_quotes_at_once_of_many_peers_are_answered_as_far_as_there_is_time() {
	let shop = Shop::new();
	let seller = shop.open();
	// As if each came from somewhere else.
	let plenty = NonZeroU32::new(10_000).unwrap();
	let limits = Limits {
		connections_per_peer: 10_000,
		quotes_per_peer: (plenty, plenty),
		requests_per_peer: (plenty, plenty),
		quotes: (NonZeroU32::new(300).unwrap(), NonZeroU32::MIN),
		patience: Duration::from_millis(200),
		..Limits::default()
	};
	let served = serve(Arc::clone(&seller), limits).await;
	let started = Instant::now();
	let (statuses, offers) = storm(&shop, served.address).await;
	let most = 301 + usize::try_from(started.elapsed().as_secs()).unwrap();
	assert!(!offers.is_empty() && offers.len() <= most, "{statuses:?}");
	let stored = seller.vault().sales().unwrap();
	let stored: BTreeSet<SaleId> = stored.into_iter().map(|(sale, _)| sale).collect();
	assert_eq!(offers, stored);
	assert_eq!(
		send(ME, served.address, "GET", protocol::HEALTH_PATH, b"")
			.await
			.unwrap()
			.0,
		200
	);
	let sale = offers.first().copied().unwrap();
	let leaves = send(ME, served.address, "GET", &protocol::leaves_path(&sale, 0), b"")
		.await
		.unwrap();
	assert_eq!((leaves.0, leaves.2.len()), (200, 60 * LEAF_BYTES));
}
