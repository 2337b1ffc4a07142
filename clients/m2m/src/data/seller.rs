//! The seller: makes offers from the gateway's store, delivers sealed leaves, and sees each sale through.
//!
//! What it promises itself: an offer is in the vault before it leaves the house; no two offers have the same terms or
//! the same key; nothing is signed that was not opened and checked; a key is revealed only for a purchase that is
//! final, or for an epoch that the chain will take as far as it can be known, and only while there is time; whatever
//! was begun is gone on with after a restart.

use super::{
	check::{self, TermsFault, Wanted},
	goods::{Answer, Goods, Source},
	market::{Market, Standing},
	protocol::{
		ANCHORS_PER_CHUNK, AnchorChunk, Countersigned, Health, LEAVES_PER_CHUNK, Quote, QuoteRequest,
		Refusal, Refused, Taken,
	},
	vault::{EpochRecord, SaleRecord, Vault},
};
use crate::{
	Error, Result,
	chain::data::{EPOCHS_PER_CALL, SALES_PER_CALL, TERMS_USED},
	commitment,
	keys::Key,
	money,
	store::{AnchorName, Receipt, Store},
};
use codec::Encode;
use m2m_anchor::AnchorProof;
use m2m_fair_exchange::{
	BlindedKey, CountersignedTerms, ListingId, SaleId, SaleTerms, SealingKey, SignedTerms,
	market::{Epoch, Listing, SaleStatus, Subscription, SubscriptionId},
};
use sp_core::H256;
use sp_runtime::traits::{BlakeTwo256, Hash};
use std::{
	collections::{BTreeMap, BTreeSet},
	path::PathBuf,
	sync::{
		Arc, Mutex, MutexGuard, PoisonError, Weak,
		atomic::{AtomicU32, Ordering},
	},
	time::Duration,
};

/// Longest that an offer holds, in blocks: time to download and to buy, and no longer, because it keeps a part of the
/// bond from other buyers.
const OFFER_BLOCKS: u32 = 100;
/// A key is not sent with fewer blocks than this left to reveal it: in a block too late it would be public and not paid.
/// They are counted from the newest block, because what is sent now comes after that.
const REVEAL_MARGIN: u32 = 8;
/// No epoch is delivered while the newest block is further than this ahead of the finalized one: too much of what was
/// read may not hold any more.
const MAX_LAG: u32 = 20;
/// After how many blocks an epoch that the chain refused is sent again: its key is public, and each try costs a fee.
const REFUSED_PAUSE: u32 = 8;
/// Keys in one transaction.
const KEYS_PER_CALL: usize = 50;
/// After a longer absence each sale is looked up instead of reading what happened.
const MAX_BLOCKS_READ: u32 = 64;
/// How often the chain is asked for a new finalized block.
const POLL: Duration = Duration::from_secs(1);
/// How often the gateway's store is tried while another process has it.
const STORE_POLL: Duration = Duration::from_millis(50);
/// How many times.
const STORE_TRIES: u32 = 40;

/// Told what happens, a line at a time.
pub type Journal = Box<dyn Fn(&str) + Send + Sync>;

/// The gateway's store, open only while it is needed, so that the gateway can record beside the seller.
struct Shelf {
	home: PathBuf,
	open: Mutex<Weak<Store>>,
}

impl Shelf {
	/// The store. Waits a moment for another process that has it.
	fn store(&self) -> Answer<Arc<Store>> {
		let mut open = held(&self.open);
		for _ in 0..STORE_TRIES {
			if let Some(store) = open.upgrade() {
				return Ok(store);
			}
			match Store::open(&self.home) {
				Ok(store) => {
					let store = Arc::new(store);
					*open = Arc::downgrade(&store);
					return Ok(store);
				}
				Err(Error::StoreBusy(_)) => std::thread::sleep(STORE_POLL),
				Err(error) => return Err(error.into()),
			}
		}
		Err(Refused::for_now(
			Refusal::Busy,
			"the gateway is recording: ask again in a moment",
			10,
		))
	}
}

/// An offer or a sale that is not over.
#[derive(Clone, Copy, Debug)]
struct OpenSale {
	/// Last block of its terms.
	expires: u32,
	price: u128,
	/// True once it was seen on chain.
	bought: bool,
	/// True once it was said why its key is not revealed.
	warned: bool,
	/// The subscription for which it was countersigned.
	epoch: Option<SubscriptionId>,
	/// Block before which an epoch that the chain refused is not sent again.
	not_before: u32,
}

impl OpenSale {
	/// True for an epoch that is not delivered.
	fn waits(&self) -> bool {
		self.epoch.is_some() && !self.bought
	}
}

#[derive(Default)]
struct Desk {
	open: BTreeMap<SaleId, OpenSale>,
	/// Requests that are being answered.
	answering: BTreeSet<H256>,
	/// Prices of offers that are being made.
	reserved: Vec<u128>,
	/// What the chain last said of listings.
	standings: BTreeMap<ListingId, Standing>,
}

impl Desk {
	/// What offers that nobody has bought would take of the bond, and those that are being made.
	fn promised(&self, fixed_cover: u128) -> u128 {
		self.open
			.values()
			.filter(|sale| !sale.bought)
			.map(|sale| sale.price)
			.chain(self.reserved.iter().copied())
			.fold(0, |sum: u128, price| {
				sum.saturating_add(price).saturating_add(fixed_cover)
			})
	}

	/// What epochs that are not delivered will take of a subscription's money.
	fn waiting(&self, subscription: SubscriptionId) -> u128 {
		self.open
			.values()
			.filter(|sale| sale.epoch == Some(subscription) && !sale.bought)
			.fold(0, |sum: u128, sale| sum.saturating_add(sale.price))
	}
}

/// A seller.
pub struct Seller<M> {
	market: M,
	vault: Vault,
	/// Signs terms under listings that name no terms key.
	key: Arc<Key>,
	/// The devices whose readings are sold under each listing.
	sources: BTreeMap<ListingId, Source>,
	shelf: Shelf,
	desk: Mutex<Desk>,
	/// Number of the finalized block up to which sales were followed.
	seen: AtomicU32,
	journal: Journal,
}

/// Nothing is left half done under any of these locks.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
	lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request that is being answered, until this is dropped.
struct Turn<M: Market> {
	seller: Arc<Seller<M>>,
	request: H256,
}

impl<M: Market> Drop for Turn<M> {
	fn drop(&mut self) {
		held(&self.seller.desk).answering.remove(&self.request);
	}
}

/// A part of the bond that is kept for an offer being made, until this is dropped.
struct Reservation<'a> {
	desk: &'a Mutex<Desk>,
	price: u128,
}

impl Drop for Reservation<'_> {
	fn drop(&mut self) {
		let mut desk = held(self.desk);
		if let Some(at) = desk.reserved.iter().position(|price| *price == self.price) {
			desk.reserved.swap_remove(at);
		}
	}
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
	match tokio::task::spawn_blocking(work).await {
		Ok(answer) => answer,
		Err(error) => Err(Error::Store(format!("an answer was not finished: {error}")).into()),
	}
}

fn quote_of(record: SaleRecord) -> Quote {
	Quote {
		offer: record.offer,
		anchors: record.anchors,
		edges: record.edges,
	}
}

impl<M: Market> Seller<M> {
	/// A seller of readings that lie in the store of `home`, under the listings of `sources`. Goes on with the sales
	/// that are in the vault.
	///
	/// # Errors
	/// [`Error::WrongChain`] if the vault was used on another chain; [`Error::VaultTampered`], [`Error::Store`].
	pub fn new(
		market: M,
		vault: Vault,
		key: Arc<Key>,
		sources: BTreeMap<ListingId, Source>,
		home: PathBuf,
		journal: Journal,
	) -> Result<Self> {
		let genesis = market.genesis();
		match vault.genesis()? {
			None => vault.set_genesis(&genesis)?,
			Some(bound) if bound == genesis => {}
			Some(bound) => {
				return Err(Error::Usage(format!(
					"the vault {} belongs to the chain with genesis 0x{}, and this is 0x{}: connect to the right node with --url, or use another vault",
					vault.path().display(),
					hex::encode(bound),
					hex::encode(genesis)
				)));
			}
		}
		let mut open = BTreeMap::new();
		for (sale, record) in vault.sales()? {
			let epoch = vault.epoch(&sale)?.map(|epoch| epoch.subscription);
			open.insert(sale, open_sale(&record.offer.terms, epoch));
		}
		Ok(Self {
			market,
			vault,
			key,
			sources,
			shelf: Shelf {
				home,
				open: Mutex::default(),
			},
			desk: Mutex::new(Desk {
				open,
				..Desk::default()
			}),
			seen: AtomicU32::new(0),
			journal,
		})
	}

	/// What the seller says of itself.
	pub fn health(&self) -> Health {
		Health {
			genesis: H256(self.market.genesis()),
			finalized: self.seen.load(Ordering::Relaxed),
			listings: self.sources.keys().copied().collect(),
			sealing_key: self.vault.sealing_key(),
		}
	}

	/// The vault.
	pub fn vault(&self) -> &Vault {
		&self.vault
	}

	/// Answers a request for an offer.
	///
	/// # Errors
	/// A [`Refused`] for each reason not to sell.
	pub async fn quote(self: &Arc<Self>, request: QuoteRequest) -> Answer<Quote> {
		self.check_genesis(&request.genesis)?;
		if !self.sources.contains_key(&request.listing) {
			return Err(unknown_listing(request.listing));
		}
		let name = BlakeTwo256::hash(&(&request.buyer, request.nonce).encode());
		if !held(&self.desk).answering.insert(name) {
			return Err(Refused::for_now(
				Refusal::Busy,
				"the same request is being answered: ask again in a moment",
				1,
			));
		}
		let turn = Turn {
			seller: Arc::clone(self),
			request: name,
		};
		let standing = self.standing(request.listing).await?;
		// Goes on when the buyer hangs up: a repeated request then finds the offer.
		blocking(move || {
			let seller = &turn.seller;
			let content = BlakeTwo256::hash(&request.encode());
			match seller.earlier(&name, &content)? {
				Some(quote) => Ok(quote),
				None => seller.offer(&request, name, content, &standing),
			}
		})
		.await
	}

	fn check_genesis(&self, genesis: &H256) -> Answer<()> {
		if genesis.0 == self.market.genesis() {
			return Ok(());
		}
		Err(Refused::new(
			Refusal::WrongChain,
			format!(
				"this seller sells on the chain with genesis 0x{}",
				hex::encode(self.market.genesis())
			),
		))
	}

	/// What the chain says of a listing, read once a block.
	async fn standing(&self, listing: ListingId) -> Answer<Standing> {
		let seen = self.seen.load(Ordering::Relaxed);
		let known = held(&self.desk).standings.get(&listing).cloned();
		if let Some(standing) = known.filter(|standing| standing.block >= seen) {
			return Ok(standing);
		}
		let standing = self.market.standing(listing).await?;
		held(&self.desk).standings.insert(listing, standing.clone());
		Ok(standing)
	}

	/// The answer to a request that was answered before.
	fn earlier(&self, name: &H256, content: &H256) -> Answer<Option<Quote>> {
		let Some(sale) = self.vault.sale_of(name)? else {
			return Ok(None);
		};
		let Some(record) = self.vault.sale(&sale)? else {
			return Ok(None);
		};
		if record.content != *content {
			return Err(Refused::new(
				Refusal::NonceUsed,
				"another request had this nonce: draw a new one",
			));
		}
		if record.offer.terms.expires < self.seen.load(Ordering::Relaxed) {
			return Err(Refused::new(
				Refusal::NonceUsed,
				"the offer for this nonce has expired: ask anew, with another nonce and another blind",
			));
		}
		Ok(Some(quote_of(record)))
	}

	/// Makes an offer.
	fn offer(&self, request: &QuoteRequest, name: H256, content: H256, standing: &Standing) -> Answer<Quote> {
		let (source, listing) = self.listed(request.listing, standing)?;
		if listing.version != request.version {
			return Err(Refused::new(
				Refusal::StaleVersion,
				format!(
					"the listing is at version {}: read it again, then ask again",
					listing.version
				),
			));
		}
		if request.buyer == listing.seller {
			return Err(Refused::new(
				Refusal::BuyerIsSeller,
				"the seller does not buy from itself",
			));
		}
		let signer = self.check_listing(source, listing, standing)?;
		let blind = self.vault.open_blind(&request.sealed_blind).ok_or_else(|| {
			Refused::new(
				Refusal::BlindUnreadable,
				"the blind does not open with this seller's key: seal it to the sealing key of the listing",
			)
		})?;
		let store = self.shelf.store()?;
		let goods = Goods::find(&store, source, &listing.spec, &request.range)?;
		check_generation(goods.range().first.seq, standing)?;
		let price = listing.spec.price.of(goods.leaves());
		if price < standing.conditions.min_price {
			return Err(Refused::new(
				Refusal::PriceTooLow,
				format!(
					"that costs {} M2M, and a sale is worth {} M2M at least: ask for more readings",
					money::format(price),
					money::format(standing.conditions.min_price)
				),
			));
		}
		let _reservation = self.reserve(price, standing)?;

		let windows = &standing.conditions.windows;
		// The buyer may know an older block than we do, for which the longest offer would be too long.
		let validity = windows.max_validity.saturating_sub(windows.max_validity / 4);
		let genesis = self.market.genesis();
		let mut terms = SaleTerms {
			listing: request.listing,
			version: listing.version,
			device: source.device.clone(),
			generation: listing.generation,
			range: goods.range(),
			range_commitment: goods.commitment()?,
			leaves: goods.leaves(),
			seller: listing.seller.clone(),
			buyer: request.buyer.clone(),
			price,
			sale_root: H256::zero(),
			blinded_key_commitment: H256::zero(),
			blind_commitment: blind.commitment(),
			reveal_window: windows.min_reveal,
			dispute_window: windows.min_dispute,
			nonce: self.vault.next_nonce()?,
			expires: standing.block.saturating_add(validity.min(OFFER_BLOCKS)),
		};
		let blinded = self.vault.blinded_key(&genesis, &terms);
		terms.blinded_key_commitment = blinded.commitment();
		terms.sale_root = goods.seal(SealingKey::new(&blinded, &blind))?;
		let edges = goods.edges()?;
		goods.check(&terms, &blinded, &blind, &edges, &listing.spec.claims)?;

		let offer = SignedTerms {
			signer: signer.public(),
			signature: signer.sign(&terms.signed_bytes(&genesis)),
			terms,
		};
		let record = SaleRecord {
			offer,
			blind,
			anchors: u32::try_from(goods.anchors().len()).unwrap_or(u32::MAX),
			edges,
			request: name,
			content,
		};
		let sale = self.remember(&record)?;
		(self.journal)(&format!(
			"offer {sale:?}: {} readings under listing {} for {} M2M",
			record.offer.terms.leaves,
			record.offer.terms.listing,
			money::format(price)
		));
		Ok(quote_of(record))
	}

	/// The device behind a listing, and the listing as it is now.
	fn listed<'a>(&'a self, number: ListingId, standing: &'a Standing) -> Answer<(&'a Source, &'a Listing)> {
		self.sources
			.get(&number)
			.zip(standing.listing.as_ref())
			.ok_or_else(|| unknown_listing(number))
	}

	/// Fails unless something can be sold under the listing now. Returns the key that signs terms.
	fn check_listing(&self, source: &Source, listing: &Listing, standing: &Standing) -> Answer<&Key> {
		let not_for_sale = |why: &str| Err(Refused::new(Refusal::NotForSale, why));
		if listing.spec.device != source.device {
			return not_for_sale("the listing is of another device than the seller's");
		}
		if standing.generation != Some(listing.generation) {
			return not_for_sale("the device changed hands or is not active, so nothing can be bought");
		}
		if listing.spec.sealing_key != self.vault.sealing_key() {
			return not_for_sale("the listing names a sealing key that this seller does not have");
		}
		if !standing.payable {
			return not_for_sale("the listing pays into a pool that is closed");
		}
		if listing.spec.terms_key.as_ref() == Some(&self.vault.terms_account()) {
			Ok(self.vault.terms_key())
		} else if listing.seller == self.key.account() {
			Ok(&self.key)
		} else {
			not_for_sale("the listing names a terms key that this seller does not have")
		}
	}

	/// Keeps a part of the bond for an offer. Offers that nobody has bought count as if somebody would.
	fn reserve(&self, price: u128, standing: &Standing) -> Answer<Reservation<'_>> {
		let fixed_cover = standing.conditions.fixed_cover;
		let available = standing.seller.map_or(0, |seller| seller.available());
		let mut desk = held(&self.desk);
		let promised = desk.promised(fixed_cover);
		if promised.saturating_add(price).saturating_add(fixed_cover) > available {
			return Err(Refused::for_now(
				Refusal::BondTooSmall,
				"the seller's bond covers no further offer now: ask again when others have expired",
				60,
			));
		}
		desk.reserved.push(price);
		Ok(Reservation {
			desk: &self.desk,
			price,
		})
	}

	/// Stores an offer, so that it can be delivered and its key revealed. Returns its sale id.
	///
	/// # Errors
	/// [`Error::Store`], also for an offer that is stored already.
	pub fn remember(&self, record: &SaleRecord) -> Result<SaleId> {
		let sale = record.offer.terms.sale_id(&self.market.genesis());
		self.vault.remember(&sale, record)?;
		let open = open_sale(&record.offer.terms, None);
		held(&self.desk).open.insert(sale, open);
		Ok(sale)
	}

	/// An offer that can still be bought, or a sale that is not over.
	fn delivery(&self, sale: &SaleId) -> Answer<(SaleRecord, Source)> {
		let open = held(&self.desk)
			.open
			.get(sale)
			.copied()
			.ok_or_else(unknown_delivery)?;
		if !open.bought && open.expires < self.seen.load(Ordering::Relaxed) {
			return Err(unknown_delivery());
		}
		let record = self.vault.sale(sale)?.ok_or_else(unknown_delivery)?;
		let source = self
			.sources
			.get(&record.offer.terms.listing)
			.ok_or_else(unknown_delivery)?;
		Ok((record, source.clone()))
	}

	/// Takes the countersignature to an offer, which [`Self::tick`] then delivers as an epoch of its subscription. The
	/// same one may come again.
	///
	/// # Errors
	/// A [`Refused`] for each reason why the chain would not take the epoch.
	pub async fn epoch(&self, request: Countersigned) -> Answer<Taken> {
		self.check_genesis(&request.genesis)?;
		let (sale, subscription) = (request.sale, request.subscription);
		let open = held(&self.desk)
			.open
			.get(&sale)
			.copied()
			.ok_or_else(unknown_delivery)?;
		let taken = Taken {
			sale,
			expires: open.expires,
		};
		match open.epoch {
			Some(known) if known == subscription => return Ok(taken),
			Some(known) => {
				return Err(Refused::new(
					Refusal::NotCountersigned,
					format!("that offer is an epoch of subscription {known} already: ask for another one"),
				));
			}
			None if open.bought => return Err(unknown_delivery()),
			None => {}
		}
		let record = self.vault.sale(&sale)?.ok_or_else(unknown_delivery)?;
		let terms = &record.offer.terms;
		let epoch = EpochRecord {
			subscription,
			subscriber: request.subscriber,
			countersignature: request.countersignature,
		};
		// The chain is not asked about what nobody signed.
		if !countersigned(&record, &epoch).is_countersigned(&self.market.genesis(), subscription) {
			return Err(not_countersigned());
		}
		let standing = self.standing(terms.listing).await?;
		let order = self.market.subscription(subscription).await?.ok_or_else(|| {
			Refused::new(
				Refusal::UnknownSubscription,
				format!("the chain has no subscription {subscription}: make one, then ask for an offer"),
			)
		})?;
		// What can change is looked at again before the key is sent.
		self.check_epoch(&record, &epoch, &order, 0, &standing, standing.block)?;
		self.promise(&sale, terms.price, subscription, order.left)?;
		if let Err(error) = self.vault.countersigned(&sale, &epoch) {
			self.unpromise(&sale);
			return Err(error.into());
		}
		(self.journal)(&format!(
			"epoch {sale:?}: countersigned for subscription {subscription}"
		));
		Ok(taken)
	}

	/// Marks an offer as an epoch, unless others that wait leave too little of the subscription's money.
	fn promise(&self, sale: &SaleId, price: u128, subscription: SubscriptionId, left: u128) -> Answer<()> {
		let mut desk = held(&self.desk);
		if desk.waiting(subscription).saturating_add(price) > left {
			return Err(not_covered(
				"epochs that are not delivered yet take what is left of the subscription",
			));
		}
		match desk.open.get_mut(sale) {
			Some(open) if open.epoch.is_none() && !open.bought => {
				open.epoch = Some(subscription);
				Ok(())
			}
			Some(_) => Err(Refused::for_now(
				Refusal::Busy,
				"that offer is being countersigned: ask again in a moment",
				1,
			)),
			None => Err(unknown_delivery()),
		}
	}

	fn unpromise(&self, sale: &SaleId) {
		if let Some(open) = held(&self.desk).open.get_mut(sale) {
			(open.epoch, open.warned) = (None, false);
		}
	}

	/// Fails unless the chain will take an epoch, as far as it can be known. `others` is what other epochs take of the
	/// subscription's money before, and `now` the block after which it can be delivered.
	fn check_epoch(
		&self,
		record: &SaleRecord,
		epoch: &EpochRecord,
		order: &Subscription,
		others: u128,
		standing: &Standing,
		now: u32,
	) -> Answer<CountersignedTerms> {
		let genesis = self.market.genesis();
		let terms = &record.offer.terms;
		if terms.buyer != order.subscriber || terms.listing != order.listing {
			return Err(not_covered(
				"the subscription is by another buyer or under another listing than the offer",
			));
		}
		if terms.price > order.cap {
			return Err(not_covered("the epoch costs more than the subscription allows"));
		}
		if terms.price.saturating_add(others) > order.left {
			return Err(not_covered(
				"the epoch costs more than is left of the subscription",
			));
		}
		let last = terms.expires.min(order.ends);
		if now.saturating_add(REVEAL_MARGIN) > last {
			return Err(Refused::new(
				Refusal::TooLate,
				format!(
					"block {now} is made, and nothing can be delivered after block {last}: countersign earlier"
				),
			));
		}
		let countersigned = countersigned(record, epoch);
		if epoch.subscriber.account() != order.signer
			|| !countersigned.is_countersigned(&genesis, epoch.subscription)
		{
			return Err(not_countersigned());
		}
		let (source, listing) = self.listed(terms.listing, standing)?;
		let signer = self.check_listing(source, listing, standing)?;
		if signer.account() != record.offer.signer.account() {
			return Err(Refused::new(
				Refusal::NotForSale,
				"terms under that listing are signed by another key now: ask for another offer",
			));
		}
		check_generation(terms.range.first.seq, standing)?;
		let max_validity = standing.conditions.windows.max_validity;
		let wanted = Wanted {
			genesis: &genesis,
			listing: terms.listing,
			listed: listing,
			buyer: &order.subscriber,
			blind: &record.blind,
			max_price: None,
			conditions: &standing.conditions,
			now: standing.block,
		};
		let checked = if terms.expires > standing.block.saturating_add(max_validity) {
			Err(TermsFault::ValidTooLong(terms.expires))
		} else {
			check::check_terms(&record.offer, &wanted)
		};
		checked.map_err(|fault| {
			let refusal = match fault {
				TermsFault::Version { .. } => Refusal::StaleVersion,
				_ => Refusal::NotForSale,
			};
			Refused::new(refusal, format!("the terms cannot be bought any more: {fault}"))
		})?;
		Ok(countersigned)
	}

	/// A chunk of sealed leaves.
	///
	/// # Errors
	/// [`Refusal::UnknownDelivery`], [`Refusal::NoSuchChunk`], [`Refusal::Busy`], [`Refusal::SellerFault`].
	pub async fn leaves(self: &Arc<Self>, sale: SaleId, chunk: u32) -> Answer<Vec<u8>> {
		let seller = Arc::clone(self);
		blocking(move || {
			let (record, source) = seller.delivery(&sale)?;
			let terms = &record.offer.terms;
			let from = first_of(chunk, LEAVES_PER_CHUNK, terms.leaves)?;
			let store = seller.shelf.store()?;
			let goods = Goods::load(&store, &source, &terms.range)?;
			let key = SealingKey::new(&seller.key_of(terms)?, &record.blind);
			let mut bytes = Vec::new();
			for leaf in goods.sealed(key, from, LEAVES_PER_CHUNK)? {
				leaf.encode_to(&mut bytes);
			}
			Ok(bytes)
		})
		.await
	}

	/// The seller's half of the key for terms in the vault.
	fn key_of(&self, terms: &SaleTerms) -> Result<BlindedKey> {
		let key = self.vault.blinded_key(&self.market.genesis(), terms);
		if key.commitment() != terms.blinded_key_commitment {
			return Err(Error::Store("terms in the vault have another vault's key".into()));
		}
		Ok(key)
	}

	/// A chunk of the anchors that carry a range.
	///
	/// # Errors
	/// As [`Self::leaves`].
	pub async fn anchors(self: &Arc<Self>, sale: SaleId, chunk: u32) -> Answer<AnchorChunk> {
		let (record, source) = self.delivery(&sale)?;
		let from = first_of(chunk, ANCHORS_PER_CHUNK, record.anchors)?;
		let range = record.offer.terms.range;
		let on_chain = self
			.market
			.stream_range(&source.device, range.stream)
			.await?
			.ok_or_else(|| Error::Unknown(format!("the chain knows no stream {}", range.stream)))?;
		let seller = Arc::clone(self);
		blocking(move || {
			let store = seller.shelf.store()?;
			let known = store.leaves(&source.device, range.stream)?;
			let leaves = usize::try_from(on_chain.anchors)
				.ok()
				.and_then(|count| known.get(..count))
				.filter(|leaves| commitment::range_root(leaves) == on_chain.root)
				.ok_or_else(|| {
					Error::Store(format!(
						"not all anchors of stream {} are known here: record again with this --home",
						range.stream
					))
				})?;
			let first = range.first.seq.saturating_add(from.into());
			let last = first
				.saturating_add(u64::from(ANCHORS_PER_CHUNK).saturating_sub(1))
				.min(range.last.seq);
			let mut proofs = Vec::new();
			for (seq, batch) in store.batches(&source.device, range.stream, first, last)? {
				let name = AnchorName {
					device: source.device.clone(),
					stream: range.stream,
					seq,
				};
				let Some(Receipt::Recorded {
					position: Some(position),
					..
				}) = store.receipt(&name)?
				else {
					return Err(Error::Store(format!("anchor {seq} has lost its receipt")).into());
				};
				proofs.push(AnchorProof {
					device: name.device,
					stream: name.stream,
					seq,
					anchor: batch.anchor,
					position,
					leaves: on_chain.anchors,
					path: commitment::range_path(leaves, position)
						.ok_or_else(|| Error::Store(format!("anchor {seq} has no place in its stream")))?,
				});
			}
			Ok(AnchorChunk {
				block: on_chain.block,
				hash: on_chain.hash,
				proofs,
			})
		})
		.await
	}

	/// Follows the sales, for ever.
	pub async fn watch(&self) {
		let mut reported = String::new();
		loop {
			match self.tick().await {
				Ok(()) if reported.is_empty() => {}
				Ok(()) => {
					(self.journal)("going on");
					reported.clear();
				}
				Err(error) => {
					let text = error.to_string();
					if text != reported {
						(self.journal)(&format!("warning: {text}; trying again"));
						reported = text;
					}
					if matches!(error, Error::ConnectionLost { .. }) {
						// If it fails, the next round says so.
						let _ = self.market.reconnect().await;
					}
				}
			}
			tokio::time::sleep(POLL).await;
		}
	}

	/// Sees to everything that is due after the last finalized block: reveals keys of what was bought, asks for the money
	/// of what is over, forgets what nobody bought, and delivers what was countersigned, as much as one transaction takes.
	///
	/// # Errors
	/// Those of the chain and the vault. What was left undone is done the next time.
	pub async fn tick(&self) -> Result<()> {
		let head = self.market.height().await?;
		let seen = self.seen.load(Ordering::Relaxed);
		if head <= seen {
			return Ok(());
		}
		let bought = self.bought_since(seen, head).await?;
		let due: Vec<(SaleId, OpenSale)> = held(&self.desk)
			.open
			.iter()
			.filter(|(id, sale)| {
				sale.bought
					|| sale.expires < head
					|| bought.as_ref().is_none_or(|bought| bought.contains(*id))
			})
			.map(|(id, sale)| (*id, *sale))
			.collect();
		let (mut reveals, mut settles) = (Vec::new(), Vec::new());
		for (id, sale) in due {
			match self.market.sale(&id, sale.expires).await? {
				Some(SaleStatus::Open(record)) => {
					let late = record.key.is_none() && head.saturating_add(REVEAL_MARGIN) > record.deadline;
					if let Some(open) = held(&self.desk).open.get_mut(&id) {
						(open.bought, open.warned) = (true, late);
					}
					if !sale.bought {
						// From now on the chain counts its cover; what was read before does not.
						held(&self.desk).standings.clear();
						(self.journal)(&format!("sale {id:?} was bought"));
					}
					if late && !(sale.bought && sale.warned) {
						(self.journal)(&format!(
							"warning: it is too late to reveal the key of sale {id:?}; the buyer gets its money back"
						));
					}
					match record.key {
						Some(_) if head > record.deadline => settles.push(id),
						None if !late => reveals.push((record.deadline, id)),
						_ => {}
					}
				}
				Some(SaleStatus::Ended) => self.end(&id, "is over")?,
				None if sale.bought => self.end(&id, "is over")?,
				None if sale.expires < head => self.end(&id, "was not bought")?,
				None => {}
			}
		}
		// Each waits until it is final. What is bought has a deadline and comes first; what is countersigned has none, and
		// one delivery at a time keeps no key waiting for long. None of them keeps the others from being tried.
		let revealed = self.reveal(reveals).await;
		let settled = self.settle(&settles).await;
		let delivered = self.deliver().await;
		revealed.and(settled).and(delivered)?;
		self.seen.store(head, Ordering::Relaxed);
		Ok(())
	}

	/// Reveals keys of what was bought, the most urgent first, by last block.
	async fn reveal(&self, mut due: Vec<(u32, SaleId)>) -> Result<()> {
		due.sort_unstable();
		for chunk in due.chunks(KEYS_PER_CALL) {
			// Time has passed since the deadlines were looked at, and with each chunk before.
			let now = self.market.newest().await?;
			let mut keys = Vec::with_capacity(chunk.len());
			for (deadline, id) in chunk {
				if now.saturating_add(REVEAL_MARGIN) > *deadline {
					// The next round says so.
					continue;
				}
				let Some(record) = self.vault.sale(id)? else {
					continue;
				};
				keys.push((*id, self.key_of(&record.offer.terms)?));
			}
			if keys.is_empty() {
				continue;
			}
			self.market.reveal(&keys).await?;
			for (id, _) in &keys {
				(self.journal)(&format!("sale {id:?}: key revealed"));
			}
		}
		Ok(())
	}

	/// Asks for the money of sales whose time for evidence is over.
	async fn settle(&self, due: &[SaleId]) -> Result<()> {
		for chunk in due.chunks(SALES_PER_CALL) {
			self.market.settle(chunk).await?;
		}
		Ok(())
	}

	/// Delivers what was countersigned, in one transaction. A key is public as soon as it is sent, whether or not the
	/// chain takes the epoch: one that it refuses stays countersigned, and is sent again when it seems to be in order.
	async fn deliver(&self) -> Result<()> {
		if !held(&self.desk).open.values().any(OpenSale::waits) {
			return Ok(());
		}
		let now = self.market.newest().await?;
		let due = self.due_epochs(now).await?;
		if due.is_empty() {
			return Ok(());
		}
		let refused = self.market.deliver(&due).await?;
		for epoch in due.iter().flat_map(|(_, epochs)| epochs) {
			let sale = epoch.terms.offer.terms.sale_id(&self.market.genesis());
			let refused = refused.iter().find(|(known, _)| *known == sale);
			match refused {
				Some((_, reason)) if reason != TERMS_USED => {
					if let Some(open) = held(&self.desk).open.get_mut(&sale) {
						open.not_before = now.saturating_add(REFUSED_PAUSE);
					}
					(self.journal)(&format!(
						"warning: the chain did not take epoch {sale:?}, and its key is public: {reason}"
					));
				}
				// Whether this, an earlier delivery or a purchase got through: the next round sees the sale.
				_ => {
					self.delivered(&sale);
					(self.journal)(&format!("epoch {sale:?}: delivered"));
				}
			}
		}
		Ok(())
	}

	/// The epochs that the chain will take after block `now`, as far as it can be known right before they are sent; no
	/// more than one delivery takes.
	async fn due_epochs(&self, now: u32) -> Result<Vec<(SubscriptionId, Vec<Epoch>)>> {
		let mut waiting: Vec<(SubscriptionId, u32, SaleId)> = held(&self.desk)
			.open
			.iter()
			.filter(|(_, sale)| sale.waits() && sale.not_before <= now)
			.filter_map(|(id, sale)| Some((sale.epoch?, sale.expires, *id)))
			.collect();
		waiting.sort_unstable();
		let mut due: Vec<(SubscriptionId, Vec<Epoch>)> = Vec::new();
		let mut room = EPOCHS_PER_CALL;
		for group in waiting.chunk_by(|one, other| one.0 == other.0) {
			let Some((subscription, ..)) = group.first().filter(|_| room > 0) else {
				break;
			};
			let order = self.market.subscription(*subscription).await?;
			let standing = match &order {
				Some(order) => Some(self.market.standing(order.listing).await?),
				None => None,
			};
			let (mut epochs, mut taken) = (Vec::new(), 0u128);
			for (.., sale) in group {
				if room == 0 {
					break;
				}
				let (Some(record), Some(epoch)) = (self.vault.sale(sale)?, self.vault.epoch(sale)?) else {
					continue;
				};
				let (Some(order), Some(standing)) = (&order, &standing) else {
					self.hold_back(sale, "the subscription is closed");
					continue;
				};
				if now.saturating_sub(standing.block) > MAX_LAG {
					self.hold_back(sale, "the chain makes blocks, and they do not become final");
					continue;
				}
				if !self.is_covered(standing) {
					self.hold_back(sale, "the bond does not cover all offers any more");
					continue;
				}
				// The finalized block may have moved on meanwhile.
				let now = now.max(standing.block);
				match self.check_epoch(&record, &epoch, order, taken, standing, now) {
					Ok(terms) => {
						let key = self.key_of(&record.offer.terms)?;
						taken = taken.saturating_add(record.offer.terms.price);
						room = room.saturating_sub(1);
						epochs.push(Epoch { terms, key });
					}
					Err(refused) => self.hold_back(sale, &refused.message),
				}
			}
			if !epochs.is_empty() {
				due.push((*subscription, epochs));
			}
		}
		Ok(due)
	}

	/// True if the bond covers whatever may be bought until a delivery is in a block.
	fn is_covered(&self, standing: &Standing) -> bool {
		let promised = held(&self.desk).promised(standing.conditions.fixed_cover);
		promised <= standing.seller.map_or(0, |seller| seller.available())
	}

	/// Says once why an epoch is not delivered. It may be later, until it expires.
	fn hold_back(&self, sale: &SaleId, why: &str) {
		let is_news = held(&self.desk)
			.open
			.get_mut(sale)
			.is_some_and(|open| !std::mem::replace(&mut open.warned, true));
		if is_news {
			(self.journal)(&format!("warning: epoch {sale:?} is not delivered: {why}"));
		}
	}

	fn delivered(&self, sale: &SaleId) {
		let mut desk = held(&self.desk);
		if let Some(open) = desk.open.get_mut(sale) {
			open.bought = true;
		}
		// From now on the chain counts its cover.
		desk.standings.clear();
	}

	/// The sales that were bought in the blocks after `seen`; `None` if all must be looked at.
	async fn bought_since(&self, seen: u32, head: u32) -> Result<Option<BTreeSet<SaleId>>> {
		if seen == 0 || head.saturating_sub(seen) > MAX_BLOCKS_READ {
			return Ok(None);
		}
		let mut bought = BTreeSet::new();
		for block in seen.saturating_add(1)..=head {
			match self.market.purchases(block).await {
				Ok(sales) => bought.extend(sales),
				// Its state may have been pruned.
				Err(Error::Node(_)) => return Ok(None),
				Err(error) => return Err(error),
			}
		}
		Ok(Some(bought))
	}

	fn end(&self, sale: &SaleId, how: &str) -> Result<()> {
		self.vault.forget(sale)?;
		held(&self.desk).open.remove(sale);
		(self.journal)(&format!("sale {sale:?} {how}"));
		Ok(())
	}
}

fn open_sale(terms: &SaleTerms, epoch: Option<SubscriptionId>) -> OpenSale {
	OpenSale {
		expires: terms.expires,
		price: terms.price,
		bought: false,
		warned: false,
		epoch,
		not_before: 0,
	}
}

/// An offer with the countersignature to it.
fn countersigned(record: &SaleRecord, epoch: &EpochRecord) -> CountersignedTerms {
	CountersignedTerms {
		offer: record.offer.clone(),
		subscriber: epoch.subscriber,
		countersignature: epoch.countersignature.clone(),
	}
}

fn not_countersigned() -> Refused {
	Refused::new(
		Refusal::NotCountersigned,
		"that is no countersignature of the subscription's signer to this offer",
	)
}

fn unknown_delivery() -> Refused {
	Refused::new(
		Refusal::UnknownDelivery,
		"there is no such delivery, or its terms have expired: ask for a new offer",
	)
}

fn not_covered(why: &str) -> Refused {
	Refused::new(
		Refusal::NotCovered,
		format!("{why}: see the subscription, then ask for an offer that fits"),
	)
}

/// Fails unless readings from this sequence number on are the present owner's to sell.
fn check_generation(first: u64, standing: &Standing) -> Answer<()> {
	if standing.first_seq.is_some_and(|start| start <= first) {
		return Ok(());
	}
	Err(Refused::new(
		Refusal::RangeNotAvailable,
		"these readings are from before the device had its present owner: ask for later ones",
	))
}

fn unknown_listing(listing: ListingId) -> Refused {
	Refused::new(
		Refusal::UnknownListing,
		format!("this seller does not sell under listing {listing}"),
	)
}

/// Number of the first item of a chunk.
fn first_of(chunk: u32, per_chunk: u32, items: u32) -> Answer<u32> {
	chunk
		.checked_mul(per_chunk)
		.filter(|first| *first < items)
		.ok_or_else(|| {
			Refused::new(
				Refusal::NoSuchChunk,
				format!("there are {} chunks, counted from 0", items.div_ceil(per_chunk)),
			)
		})
}
