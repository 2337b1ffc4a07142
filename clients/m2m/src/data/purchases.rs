//! Purchases that are under way, in `HOME/purchases.redb`: terms, blind, anchors and sealed leaves, so that a
//! purchase goes on after anything that stopped it; and the subscriptions whose epochs are bought one after the other.
//!
//! The file is readable by its owner only. It holds the buyer's half of each key, which opens nothing before the
//! seller has revealed the other half, and afterwards what the buyer has bought anyway.
//!
//! The file is open only while something is read or written, so that several purchases can be under way at once.

use crate::{
	Error, Result,
	chain::data::Ending,
	data::{check::Recorded, protocol::LEAVES_PER_CHUNK},
	database::{Bytes, Database, decode, fault},
	keys::private_folder,
	time,
};
use codec::{Decode, Encode};
use m2m_device::UnixMs;
use m2m_fair_exchange::{
	Blind, BlindedKey, Claims, Edges, ListingId, SaleId, SaleTerms, SealedLeaf, SignedTerms, SoldAnchor,
	market::{ListingSpec, SubscriptionId},
};
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use sp_core::H256;
use std::{
	fs::{File, OpenOptions, TryLockError},
	os::unix::fs::OpenOptionsExt,
	path::{Path, PathBuf},
	time::{Duration, Instant},
};

const FILE: &str = "purchases.redb";
/// Sale -> [`Purchase`].
const PURCHASES: Bytes = TableDefinition::new("purchases");
/// Sale, number of a chunk -> sealed leaves.
const LEAVES: Bytes = TableDefinition::new("leaves");
/// Sales whose purchase was sent to the chain, whatever became of it -> nothing.
const PAYING: Bytes = TableDefinition::new("paying");
/// Genesis hash, number of a subscription -> [`Follow`].
const FOLLOWED: Bytes = TableDefinition::new("followed");
/// How long to wait for another process that has the file open.
const PATIENCE: Duration = Duration::from_secs(10);

/// A purchase that is under way.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Purchase {
	/// Hash of the chain's first block.
	pub genesis: [u8; 32],
	/// Where the seller answers.
	pub endpoint: String,
	/// The seller's offer.
	pub offer: SignedTerms,
	/// Joins the leaves to the data roots at both ends of the range.
	pub edges: Edges,
	/// How many anchors carry the range, as the seller says.
	pub offered_anchors: u32,
	/// The anchors that carry the range, as the finalized chain has them; none before they were checked.
	pub anchors: Vec<Recorded>,
	/// The buyer's half of the key.
	pub blind: Blind,
	/// Time of the earliest reading that was asked for.
	pub from: UnixMs,
	/// Time before which the last one lies.
	pub until: UnixMs,
	/// What the listing promises of the readings.
	pub claims: Claims,
	/// Unit of a reading at scale 0.
	pub unit: String,
	/// A value stands for `value * 10^scale` units.
	pub scale: i8,
	/// Number of the finalized block in which the offer was asked for.
	pub quoted_in: u32,
	/// Where the readings are to be written.
	pub out: Option<String>,
	/// True once every leaf was checked: it is safe to pay.
	pub checked: bool,
	/// Number of a finalized block in which the price was held.
	pub bought_in: Option<u32>,
	/// The seller's half of the key, and the last block in which evidence is heard.
	pub revealed: Option<(BlindedKey, u32)>,
	/// True once the readings are in a file.
	pub written: bool,
	/// How the sale ended.
	pub ending: Option<Ending>,
}

impl Purchase {
	/// The terms.
	pub fn terms(&self) -> &SaleTerms {
		&self.offer.terms
	}

	/// Id of the sale.
	pub fn sale(&self) -> SaleId {
		self.terms().sale_id(&self.genesis)
	}

	/// The listing.
	pub fn listing(&self) -> ListingId {
		self.terms().listing
	}

	/// The anchors as the checks take them.
	pub fn sold_anchors(&self) -> Vec<SoldAnchor> {
		self.anchors
			.iter()
			.map(|recorded| SoldAnchor {
				seq: recorded.seq,
				count: recorded.anchor.count(),
				data_root: recorded.anchor.data_root,
			})
			.collect()
	}

	/// Number of chunks in which the leaves come.
	pub fn chunks(&self) -> u32 {
		self.terms().leaves.div_ceil(LEAVES_PER_CHUNK)
	}

	/// Leaves in a chunk.
	pub fn leaves_in(&self, chunk: u32) -> u32 {
		let before = chunk.saturating_mul(LEAVES_PER_CHUNK);
		self.terms().leaves.saturating_sub(before).min(LEAVES_PER_CHUNK)
	}

	/// What is lost by who stays away now, in words; `None` while nothing is signed.
	pub fn at_stake(&self) -> Option<String> {
		let sale = self.sale();
		if !self.checked {
			return None;
		}
		Some(match self.revealed {
			Some((_, deadline)) => format!(
				"the key of {sale:?} is revealed, and evidence against its seller is heard until block {deadline}"
			),
			None => format!(
				"{sale:?} may be delivered until block {}, and evidence against its seller is heard for {} blocks after that was done",
				self.terms().expires,
				self.terms().dispute_window
			),
		})
	}

	/// How far it is, in a few words.
	pub fn state(&self) -> &'static str {
		match (&self.ending, &self.revealed) {
			(Some(Ending::Settled { .. }), _) => "paid",
			(Some(Ending::Refunded { .. }), _) => "refunded",
			(Some(Ending::Convicted { .. }), _) => "seller convicted",
			(_, Some(_)) if self.written => "opened",
			(_, Some(_)) => "key revealed",
			_ if self.bought_in.is_some() => "waits for the key",
			_ if self.checked => "checked, not bought",
			_ => "downloading",
		}
	}
}

/// A subscription whose epochs are bought one after the other.
///
/// An epoch is asked for only while no other one is under way: [`Follow::current`] is stored before anything of it is
/// downloaded, and is over only when its readings are written, or there is no such purchase any more.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Follow {
	/// Hash of the chain's first block.
	pub genesis: [u8; 32],
	/// The subscription.
	pub subscription: SubscriptionId,
	/// Its listing.
	pub listing: ListingId,
	/// Length of an epoch in milliseconds, above zero.
	pub every_ms: u64,
	/// Time of the earliest reading of the epoch that is bought now or next.
	pub next: UnixMs,
	/// Take epochs with fewer readings than the stream's cadence promises.
	pub allow_gaps: bool,
	/// What the listing promised of the readings in the beginning.
	pub claims: Claims,
	/// Hash of the licence that it had then.
	pub licence: H256,
	/// Where files with readings are written.
	pub folder: String,
	/// The purchase of the epoch that is bought now.
	pub current: Option<SaleId>,
	/// What was left of the subscription's money when that was asked for. Only a delivery makes it less, and nothing
	/// makes it more.
	pub left: u128,
}

impl Follow {
	/// Fails if a listing promises other things of its readings than in the beginning, or has another licence: a seller
	/// may change both, and the buyer has agreed to neither.
	///
	/// # Errors
	/// [`Error::OfferRefused`].
	pub fn check_unchanged(&self, spec: &ListingSpec) -> Result<()> {
		if (spec.claims, spec.licence) == (self.claims, self.licence) {
			return Ok(());
		}
		Err(Error::OfferRefused {
			fault: "ListingChanged".into(),
			why: format!(
				"listing {} promises other things of its readings, or has another licence, than when subscription {} was first followed: see `m2m data show {}`; end the subscription with `m2m data subscription end {}`, and make another if you agree",
				self.listing, self.subscription, self.listing, self.subscription
			),
		})
	}

	/// Time before which the last reading of the epoch lies.
	pub fn until(&self) -> UnixMs {
		self.next.saturating_add(self.every_ms)
	}

	/// The file with the readings of the epoch: the time at which it begins, without the signs that some systems refuse
	/// in names.
	pub fn file(&self) -> PathBuf {
		let name = time::format(self.next).replace(':', "");
		Path::new(&self.folder).join(format!("{name}.csv"))
	}
}

fn followed_elsewhere(subscription: SubscriptionId) -> Error {
	Error::Usage(format!(
		"another process follows subscription {subscription} with this --home: wait for it to end"
	))
}

/// Fails unless this is what is stored of a subscription.
fn ensure_stored(followed: &impl ReadableTable<&'static [u8], &'static [u8]>, follow: &Follow) -> Result<()> {
	let key = follow_key(&follow.genesis, follow.subscription);
	let stored = followed.get(key.as_slice()).map_err(fault)?;
	let stored: Option<Follow> = stored.map(|stored| decode(stored.value())).transpose()?;
	if stored.as_ref() != Some(follow) {
		return Err(followed_elsewhere(follow.subscription));
	}
	Ok(())
}

fn forget(transaction: &WriteTransaction, sale: &SaleId) -> Result<()> {
	let mut purchases = transaction.open_table(PURCHASES).map_err(fault)?;
	purchases.remove(sale.as_bytes()).map_err(fault)?;
	let mut paying = transaction.open_table(PAYING).map_err(fault)?;
	paying.remove(sale.as_bytes()).map_err(fault)?;
	let mut leaves = transaction.open_table(LEAVES).map_err(fault)?;
	let (first, last) = (chunk_key(sale, 0), chunk_key(sale, u32::MAX));
	leaves
		.retain_in::<&[u8], _>(first.as_slice()..=last.as_slice(), |_, _| false)
		.map_err(fault)
}

fn follow_key(genesis: &[u8; 32], subscription: SubscriptionId) -> Vec<u8> {
	[&genesis[..], &subscription.to_be_bytes()].concat()
}

/// The purchases of a home folder.
#[derive(Clone, Debug)]
pub struct Purchases {
	home: PathBuf,
}

fn chunk_key(sale: &SaleId, chunk: u32) -> Vec<u8> {
	// Big-endian, so that the order of keys is the order of numbers.
	[sale.as_bytes(), &chunk.to_be_bytes()].concat()
}

impl Purchases {
	/// Those of this home folder.
	pub fn new(home: &Path) -> Self {
		Self {
			home: home.to_owned(),
		}
	}

	fn with<T>(&self, action: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
		let deadline = Instant::now() + PATIENCE;
		loop {
			match Database::open(&self.home, FILE, &[PURCHASES, LEAVES, PAYING, FOLLOWED]) {
				Err(Error::StoreBusy(_)) if Instant::now() < deadline => {
					std::thread::sleep(Duration::from_millis(20));
				}
				opened => return action(&opened?),
			}
		}
	}

	/// Stores a purchase as it is now. That it was checked, or bought, is not forgotten: another process may have got
	/// further than this one.
	pub fn put(&self, purchase: &Purchase) -> Result<()> {
		let sale = purchase.sale();
		self.with(|database| {
			database.write(|transaction| {
				let mut purchases = transaction.open_table(PURCHASES).map_err(fault)?;
				let stored = purchases.get(sale.as_bytes()).map_err(fault)?;
				let stored: Option<Purchase> = stored.map(|stored| decode(stored.value())).transpose()?;
				let mut kept = purchase.clone();
				if let Some(stored) = stored {
					kept.checked |= stored.checked;
					kept.bought_in = kept.bought_in.or(stored.bought_in);
				}
				purchases
					.insert(sale.as_bytes(), kept.encode().as_slice())
					.map_err(fault)?;
				Ok(())
			})
		})
	}

	/// Stores that the purchase of a sale is about to be sent to the chain.
	pub fn begin_paying(&self, sale: &SaleId) -> Result<()> {
		self.with(|database| database.put(PAYING, sale.as_bytes(), &()))
	}

	/// True if the purchase of a sale may have been sent to the chain.
	pub fn is_paying(&self, sale: &SaleId) -> Result<bool> {
		let found: Option<()> = self.with(|database| database.get(PAYING, sale.as_bytes()))?;
		Ok(found.is_some())
	}

	/// The purchase of a sale.
	pub fn get(&self, sale: &SaleId) -> Result<Option<Purchase>> {
		self.with(|database| database.get(PURCHASES, sale.as_bytes()))
	}

	/// All of them, by id of the sale.
	pub fn all(&self) -> Result<Vec<Purchase>> {
		self.with(|database| {
			let table = database.read()?.open_table(PURCHASES).map_err(fault)?;
			let mut found = Vec::new();
			for entry in table.iter().map_err(fault)? {
				let (_, purchase) = entry.map_err(fault)?;
				found.push(decode(purchase.value())?);
			}
			Ok(found)
		})
	}

	/// The one whose id begins with these hex digits.
	///
	/// # Errors
	/// [`Error::Usage`] if they are no digits, or begin several ids; [`Error::Unknown`] if they begin none.
	pub fn find(&self, id: &str) -> Result<Purchase> {
		let digits = id.strip_prefix("0x").unwrap_or(id).to_ascii_lowercase();
		if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
			return Err(Error::Usage(format!(
				"`{id}` is not the id of a sale: give 0x and hex digits, as `m2m data purchases` shows them"
			)));
		}
		let mut matching = self
			.all()?
			.into_iter()
			.filter(|purchase| hex::encode(purchase.sale()).starts_with(&digits));
		match (matching.next(), matching.next()) {
			(Some(purchase), None) => Ok(purchase),
			(Some(_), Some(_)) => Err(Error::Usage(format!(
				"several purchases begin with {id}: give more digits"
			))),
			(None, _) => Err(Error::Unknown(format!(
				"there is no purchase {id} in {}: `m2m data purchases` lists them",
				self.home.display()
			))),
		}
	}

	/// A subscription that is followed.
	pub fn follow(&self, genesis: &[u8; 32], subscription: SubscriptionId) -> Result<Option<Follow>> {
		self.with(|database| database.get(FOLLOWED, &follow_key(genesis, subscription)))
	}

	/// All subscriptions that are followed.
	pub fn followed(&self) -> Result<Vec<Follow>> {
		self.with(|database| {
			let table = database.read()?.open_table(FOLLOWED).map_err(fault)?;
			let mut found = Vec::new();
			for entry in table.iter().map_err(fault)? {
				let (_, follow) = entry.map_err(fault)?;
				found.push(decode(follow.value())?);
			}
			Ok(found)
		})
	}

	/// Stores that a subscription is followed from now on.
	///
	/// # Errors
	/// [`Error::Usage`] if it is already.
	pub fn begin_follow(&self, follow: &Follow) -> Result<()> {
		let key = follow_key(&follow.genesis, follow.subscription);
		self.with(|database| {
			database.write(|transaction| {
				let mut followed = transaction.open_table(FOLLOWED).map_err(fault)?;
				if followed.get(key.as_slice()).map_err(fault)?.is_some() {
					return Err(followed_elsewhere(follow.subscription));
				}
				followed
					.insert(key.as_slice(), follow.encode().as_slice())
					.map_err(fault)?;
				Ok(())
			})
		})
	}

	/// Stores how a subscription is followed from now on.
	///
	/// # Errors
	/// [`Error::Usage`] if another process has changed what is stored of the subscription since `follow` was read.
	pub fn change_follow(&self, follow: &Follow, changed: &Follow) -> Result<()> {
		let key = follow_key(&follow.genesis, follow.subscription);
		self.with(|database| {
			database.write(|transaction| {
				let mut followed = transaction.open_table(FOLLOWED).map_err(fault)?;
				ensure_stored(&followed, follow)?;
				followed
					.insert(key.as_slice(), changed.encode().as_slice())
					.map_err(fault)?;
				Ok(())
			})
		})
	}

	/// Forgets a subscription that is over. What was bought under it stays.
	pub fn unfollow(&self, genesis: &[u8; 32], subscription: SubscriptionId) -> Result<()> {
		self.with(|database| {
			database.write(|transaction| {
				let mut followed = transaction.open_table(FOLLOWED).map_err(fault)?;
				followed
					.remove(follow_key(genesis, subscription).as_slice())
					.map_err(fault)?;
				Ok(())
			})
		})
	}

	/// Stores the purchase of the next epoch, in the same write as that it is under way. `left` is what is left of the
	/// subscription's money.
	///
	/// # Errors
	/// [`Error::Usage`] if another process has changed what is stored of the subscription since `follow` was read.
	pub fn begin_epoch(&self, follow: &Follow, purchase: &Purchase, left: u128) -> Result<()> {
		let key = follow_key(&follow.genesis, follow.subscription);
		let begun = Follow {
			current: Some(purchase.sale()),
			left,
			..follow.clone()
		};
		self.with(|database| {
			database.write(|transaction| {
				let mut followed = transaction.open_table(FOLLOWED).map_err(fault)?;
				ensure_stored(&followed, follow)?;
				followed
					.insert(key.as_slice(), begun.encode().as_slice())
					.map_err(fault)?;
				let mut purchases = transaction.open_table(PURCHASES).map_err(fault)?;
				purchases
					.insert(purchase.sale().as_bytes(), purchase.encode().as_slice())
					.map_err(fault)?;
				Ok(())
			})
		})
	}

	/// Stores a purchase with which the buyer is done. If it is the epoch of a subscription that is followed, the next
	/// one begins after it, from the same write on.
	pub fn conclude(&self, purchase: &Purchase) -> Result<()> {
		let sale = purchase.sale();
		self.with(|database| {
			database.write(|transaction| {
				let mut purchases = transaction.open_table(PURCHASES).map_err(fault)?;
				purchases
					.insert(sale.as_bytes(), purchase.encode().as_slice())
					.map_err(fault)?;
				let mut followed = transaction.open_table(FOLLOWED).map_err(fault)?;
				let mut moved = Vec::new();
				for entry in followed.iter().map_err(fault)? {
					let (_, stored) = entry.map_err(fault)?;
					let follow: Follow = decode(stored.value())?;
					if follow.current == Some(sale) {
						moved.push(Follow {
							next: follow.until(),
							current: None,
							..follow
						});
					}
				}
				for follow in moved {
					let key = follow_key(&follow.genesis, follow.subscription);
					followed
						.insert(key.as_slice(), follow.encode().as_slice())
						.map_err(fault)?;
				}
				Ok(())
			})
		})
	}

	/// Forgets a purchase and its leaves.
	pub fn remove(&self, sale: &SaleId) -> Result<()> {
		self.with(|database| database.write(|transaction| forget(transaction, sale)))
	}

	/// Forgets a purchase and its leaves, unless it is stored as checked: then something may be signed or paid.
	pub fn discard(&self, sale: &SaleId) -> Result<()> {
		self.with(|database| {
			database.write(|transaction| {
				let stored: Option<Purchase> = {
					let purchases = transaction.open_table(PURCHASES).map_err(fault)?;
					let stored = purchases.get(sale.as_bytes()).map_err(fault)?;
					stored.map(|stored| decode(stored.value())).transpose()?
				};
				if stored.is_some_and(|stored| stored.checked) {
					return Ok(());
				}
				forget(transaction, sale)
			})
		})
	}

	/// Sees to it that no other process follows a subscription with this home folder until the result is dropped.
	///
	/// # Errors
	/// [`Error::Usage`] while another one does.
	pub fn lock(&self, genesis: &[u8; 32], subscription: SubscriptionId) -> Result<File> {
		private_folder(&self.home)?;
		let chain = genesis.first_chunk::<8>().copied().unwrap_or_default();
		let name = format!("follow-{}-{subscription}.lock", hex::encode(chain));
		let path = self.home.join(name);
		let file = OpenOptions::new()
			.write(true)
			.create(true)
			.truncate(false)
			.mode(0o600)
			.open(&path)
			.map_err(|cause| Error::io(&path, cause))?;
		match file.try_lock() {
			Ok(()) => Ok(file),
			Err(TryLockError::WouldBlock) => Err(followed_elsewhere(subscription)),
			Err(TryLockError::Error(cause)) => Err(Error::io(&path, cause)),
		}
	}

	/// As [`Self::lock`], for the subscription of which a sale is the epoch under way; `None` if it is of none.
	///
	/// # Errors
	/// As [`Self::lock`].
	pub fn lock_epoch(&self, sale: &SaleId) -> Result<Option<File>> {
		let followed = self.followed()?;
		let follow = followed.iter().find(|follow| follow.current == Some(*sale));
		follow
			.map(|follow| self.lock(&follow.genesis, follow.subscription))
			.transpose()
	}

	/// Numbers of the chunks of leaves that are here, in order.
	pub fn chunks(&self, sale: &SaleId) -> Result<Vec<u32>> {
		self.with(|database| {
			let table = database.read()?.open_table(LEAVES).map_err(fault)?;
			let (first, last) = (chunk_key(sale, 0), chunk_key(sale, u32::MAX));
			let mut chunks = Vec::new();
			for entry in table
				.range::<&[u8]>(first.as_slice()..=last.as_slice())
				.map_err(fault)?
			{
				let (key, _) = entry.map_err(fault)?;
				let number = key.value().last_chunk::<4>().copied().unwrap_or_default();
				chunks.push(u32::from_be_bytes(number));
			}
			Ok(chunks)
		})
	}

	/// Stores a chunk of leaves.
	pub fn put_chunk(&self, sale: &SaleId, chunk: u32, leaves: &[SealedLeaf]) -> Result<()> {
		self.with(|database| database.put(LEAVES, &chunk_key(sale, chunk), &leaves))
	}

	/// All leaves that are here, in order.
	pub fn leaves(&self, sale: &SaleId) -> Result<Vec<SealedLeaf>> {
		self.with(|database| {
			let table = database.read()?.open_table(LEAVES).map_err(fault)?;
			let (first, last) = (chunk_key(sale, 0), chunk_key(sale, u32::MAX));
			let mut leaves = Vec::new();
			for entry in table
				.range::<&[u8]>(first.as_slice()..=last.as_slice())
				.map_err(fault)?
			{
				let (_, chunk) = entry.map_err(fault)?;
				leaves.extend(decode::<Vec<SealedLeaf>>(chunk.value())?);
			}
			Ok(leaves)
		})
	}
}

#[cfg(test)]
pub(crate) mod tests {
	use super::*;
	use crate::keys::{Key, Scheme};
	use m2m_device::AccountId;
	use m2m_fair_exchange::{
		Place, SaleRange,
		market::{Payout, Price},
	};

	pub(crate) fn purchase(nonce: u64, leaves: u32) -> Purchase {
		let key = Key::generate(Scheme::Sr25519);
		let terms = SaleTerms {
			listing: 7,
			version: 2,
			device: AccountId::new([3; 32]),
			generation: 1,
			range: SaleRange {
				stream: 4,
				first: Place { seq: 10, index: 0 },
				last: Place { seq: 11, index: 9 },
			},
			range_commitment: H256::zero(),
			leaves,
			seller: key.account(),
			buyer: AccountId::new([6; 32]),
			price: 200,
			sale_root: H256::zero(),
			blinded_key_commitment: H256::zero(),
			blind_commitment: H256::zero(),
			reveal_window: 30,
			dispute_window: 40,
			nonce,
			expires: 1_100,
		};
		Purchase {
			genesis: [9; 32],
			endpoint: "http://127.0.0.1:1".into(),
			offer: SignedTerms {
				signature: key.sign(&terms.signed_bytes(&[9; 32])),
				signer: key.public(),
				terms,
			},
			edges: Edges::default(),
			offered_anchors: 2,
			anchors: Vec::new(),
			blind: Blind([5; 32]),
			from: 0,
			until: 1,
			claims: Claims::default(),
			unit: "W".into(),
			scale: 0,
			quoted_in: 3,
			out: None,
			checked: false,
			bought_in: None,
			revealed: None,
			written: false,
			ending: None,
		}
	}

	#[test]
	fn a_purchase_goes_on_where_it_was() {
		let home = tempfile::tempdir().unwrap();
		let store = Purchases::new(home.path());
		assert!(store.all().unwrap().is_empty());
		let mut first = purchase(1, LEAVES_PER_CHUNK + 5);
		let second = purchase(2, 1);
		for purchase in [&first, &second] {
			store.put(purchase).unwrap();
		}
		let leaf = |number: u8| SealedLeaf {
			sealed: [number; 32],
			leaf: [0; 32],
		};
		assert_eq!((first.chunks(), first.leaves_in(0)), (2, LEAVES_PER_CHUNK));
		assert_eq!((first.leaves_in(1), first.leaves_in(2)), (5, 0));
		store.put_chunk(&first.sale(), 1, &[leaf(2)]).unwrap();
		store.put_chunk(&first.sale(), 0, &[leaf(0), leaf(1)]).unwrap();
		store.put_chunk(&second.sale(), 0, &[leaf(9)]).unwrap();
		first.checked = true;
		store.put(&first).unwrap();

		let store = Purchases::new(home.path());
		assert_eq!(store.chunks(&first.sale()).unwrap(), [0, 1]);
		assert_eq!(
			store.leaves(&first.sale()).unwrap(),
			[leaf(0), leaf(1), leaf(2)],
			"in order of position, whatever came first"
		);
		let id = format!("{:?}", first.sale());
		assert_eq!(store.find(&id).unwrap(), first);
		assert_eq!(store.find(&id.to_uppercase()[2..30]).unwrap(), first);

		store.remove(&first.sale()).unwrap();
		assert!(store.leaves(&first.sale()).unwrap().is_empty());
		assert_eq!(store.leaves(&second.sale()).unwrap(), [leaf(9)]);
		assert_eq!(store.all().unwrap(), [second]);
	}

	#[test]
	fn epochs_follow_each_other_and_none_begins_twice() {
		let home = tempfile::tempdir().unwrap();
		let store = Purchases::new(home.path());
		let follow = Follow {
			genesis: [9; 32],
			subscription: 4,
			listing: 7,
			every_ms: 3_600_000,
			next: 1_465_776_000_000,
			allow_gaps: false,
			claims: Claims::default(),
			licence: H256::zero(),
			folder: "/readings".into(),
			current: None,
			left: 0,
		};
		assert_eq!(follow.file(), Path::new("/readings/2016-06-13T000000Z.csv"));
		let elsewhere = Follow {
			genesis: [8; 32],
			..follow.clone()
		};
		for follow in [&follow, &elsewhere] {
			store.begin_follow(follow).unwrap();
			let again = store.begin_follow(follow).unwrap_err();
			assert!(again.to_string().contains("another process"), "{again}");
		}
		let stored = || store.follow(&[9; 32], 4).unwrap();
		assert_eq!(stored(), Some(follow.clone()));
		assert_eq!(store.follow(&[9; 32], 5).unwrap(), None);

		// Gaps may be allowed later, by whoever has seen what is stored.
		let changed = Follow {
			allow_gaps: true,
			..follow.clone()
		};
		store.change_follow(&follow, &changed).unwrap();
		assert!(store.change_follow(&follow, &changed).is_err());
		assert_eq!(stored(), Some(changed.clone()));
		let follow = changed;

		// Of two processes that ask for the same epoch, one gets on.
		let (first, second) = (purchase(1, 1), purchase(2, 1));
		store.begin_epoch(&follow, &first, 500).unwrap();
		let begun = stored().unwrap();
		assert_eq!((begun.current, begun.next), (Some(first.sale()), follow.next));
		assert_eq!(begun.left, 500);
		let message = store.begin_epoch(&follow, &second, 500).unwrap_err().to_string();
		assert!(message.contains("another process"), "{message}");
		assert_eq!(store.get(&second.sale()).unwrap(), None);
		assert_eq!(stored(), Some(begun.clone()));

		// An epoch that lapsed is forgotten, and asked for again.
		store.remove(&first.sale()).unwrap();
		store.begin_epoch(&begun, &second, 500).unwrap();
		// Something else that was bought moves nothing on.
		store.conclude(&first).unwrap();
		let begun = stored().unwrap();
		assert_eq!((begun.current, begun.next), (Some(second.sale()), follow.next));
		let done = Purchase {
			written: true,
			..second
		};
		store.conclude(&done).unwrap();
		store.conclude(&done).unwrap();
		assert_eq!(store.get(&done.sale()).unwrap(), Some(done));
		let after = stored().unwrap();
		assert_eq!((after.current, after.next), (None, follow.until()));
		assert_eq!(after.file(), Path::new("/readings/2016-06-13T010000Z.csv"));

		store.unfollow(&[9; 32], 4).unwrap();
		store.unfollow(&[9; 32], 4).unwrap();
		assert_eq!(store.followed().unwrap(), [elsewhere]);
	}

	#[test]
	fn one_process_follows_a_subscription_and_others_do_not_undo_what_it_did() {
		let home = tempfile::tempdir().unwrap();
		let home = home.path().join("home");
		let (first, second) = (Purchases::new(&home), Purchases::new(&home));
		let lock = first.lock(&[9; 32], 4).unwrap();
		let message = second.lock(&[9; 32], 4).unwrap_err().to_string();
		assert!(
			message.contains("another process follows subscription 4"),
			"{message}"
		);
		let others = [
			second.lock(&[9; 32], 5).unwrap(),
			second.lock(&[8; 32], 4).unwrap(),
		];
		let follow = Follow {
			genesis: [9; 32],
			subscription: 4,
			listing: 7,
			every_ms: 1,
			next: 0,
			allow_gaps: false,
			claims: Claims::default(),
			licence: H256::zero(),
			folder: "/readings".into(),
			current: None,
			left: 0,
		};
		first.begin_follow(&follow).unwrap();
		let mut epoch = purchase(1, 1);
		let (sale, by_hand) = (epoch.sale(), purchase(2, 1).sale());
		first.begin_epoch(&follow, &epoch, 500).unwrap();
		assert!(second.lock_epoch(&sale).is_err(), "the epoch is followed");
		assert!(second.lock_epoch(&by_hand).unwrap().is_none());
		drop((lock, others));
		let lock = second.lock_epoch(&sale).unwrap().unwrap();
		assert!(first.lock(&[9; 32], 4).is_err());
		drop(lock);

		// A process that has an old state in its hands.
		let stale = epoch.clone();
		epoch.checked = true;
		epoch.bought_in = Some(7);
		first.put(&epoch).unwrap();
		second.put(&stale).unwrap();
		second.discard(&sale).unwrap();
		assert_eq!(first.get(&sale).unwrap(), Some(epoch));

		// What was never checked can go.
		let unchecked = purchase(3, 1);
		first.put(&unchecked).unwrap();
		second.discard(&unchecked.sale()).unwrap();
		assert_eq!(first.get(&unchecked.sale()).unwrap(), None);
	}

	#[test]
	fn another_promise_or_licence_ends_what_was_agreed() {
		let listed = |claims, licence| ListingSpec {
			device: AccountId::new([3; 32]),
			stream: 4,
			from: 0,
			until: None,
			price: Price::PerReading(1),
			licence,
			schema: H256::zero(),
			area: Default::default(),
			metadata: H256::zero(),
			payout: Payout::Seller,
			claims,
			endpoint: Default::default(),
			sealing_key: [0; 32],
			terms_key: None,
		};
		let claims = Claims {
			gap_ms: Some(60_000),
			..Claims::default()
		};
		let licence = H256([1; 32]);
		let follow = Follow {
			genesis: [9; 32],
			subscription: 4,
			listing: 7,
			every_ms: 1,
			next: 0,
			allow_gaps: false,
			claims,
			licence,
			folder: "/readings".into(),
			current: None,
			left: 0,
		};
		let same = ListingSpec {
			price: Price::PerReading(2),
			..listed(claims, licence)
		};
		follow.check_unchanged(&same).unwrap();
		for changed in [listed(Claims::default(), licence), listed(claims, H256([2; 32]))] {
			let error = follow.check_unchanged(&changed).unwrap_err();
			assert_eq!(error.exit_code(), 5);
			assert!(error.to_string().contains("ListingChanged"), "{error}");
		}
	}

	#[test]
	fn who_stays_away_knows_until_when() {
		let mut purchase = purchase(1, 1);
		assert_eq!(purchase.at_stake(), None);
		purchase.checked = true;
		let signed = purchase.at_stake().unwrap();
		assert!(
			signed.contains("block 1100") && signed.contains("40 blocks"),
			"{signed}"
		);
		purchase.revealed = Some((BlindedKey([1; 32]), 1_234));
		let revealed = purchase.at_stake().unwrap();
		assert!(revealed.contains("until block 1234"), "{revealed}");
	}

	#[test]
	fn that_money_may_be_on_its_way_is_known_until_the_purchase_is_forgotten() {
		let home = tempfile::tempdir().unwrap();
		let store = Purchases::new(home.path());
		let (first, second) = (purchase(1, 1), purchase(2, 1));
		for purchase in [&first, &second] {
			store.put(purchase).unwrap();
		}
		store.begin_paying(&first.sale()).unwrap();
		store.begin_paying(&first.sale()).unwrap();
		let store = Purchases::new(home.path());
		assert!(store.is_paying(&first.sale()).unwrap());
		assert!(!store.is_paying(&second.sale()).unwrap());
		store.remove(&first.sale()).unwrap();
		assert!(!store.is_paying(&first.sale()).unwrap());
	}

	#[test]
	fn an_id_that_is_not_clear_is_refused() {
		let home = tempfile::tempdir().unwrap();
		let store = Purchases::new(home.path());
		for nonce in 0..20 {
			store.put(&purchase(nonce, 1)).unwrap();
		}
		for id in ["", "0x", "sale"] {
			assert!(matches!(store.find(id), Err(Error::Usage(_))), "{id}");
		}
		let shared = (0u8..16)
			.map(|digit| format!("{digit:x}"))
			.find(|digit| {
				let all = store.all().unwrap();
				all.iter()
					.filter(|one| hex::encode(one.sale()).starts_with(digit))
					.count() > 1
			})
			.unwrap();
		let message = store.find(&shared).unwrap_err().to_string();
		assert!(message.contains("more digits"), "{message}");
		let message = store.find(&"0".repeat(64)).unwrap_err().to_string();
		assert!(message.contains("m2m data purchases"), "{message}");
	}

	#[test]
	fn two_purchases_under_way_do_not_lock_each_other_out() {
		let home = tempfile::tempdir().unwrap();
		let workers: Vec<_> = (0u64..4)
			.map(|worker| {
				let store = Purchases::new(home.path());
				std::thread::spawn(move || {
					for number in 0..5 {
						store.put(&purchase(worker * 100 + number, 1)).unwrap();
					}
				})
			})
			.collect();
		for worker in workers {
			worker.join().unwrap();
		}
		assert_eq!(Purchases::new(home.path()).all().unwrap().len(), 20);
	}
}
