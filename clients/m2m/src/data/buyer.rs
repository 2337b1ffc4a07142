//! A purchase, from the offer to the readings or the money back.
//!
//! Each step stores what it reached ([`super::purchases`]), so that a purchase goes on after anything that stopped
//! it, and each can be repeated without paying twice: the chain takes the same terms once.

use crate::{
	Error, Result,
	chain::{Block, Chain, Included, RawEvent, data, data::Ending, hint},
	commitment,
	data::{
		check::{self, BrokenClaim, Recorded, Wanted},
		client::SellerService,
		protocol::{
			ANCHORS_PER_CHUNK, AnchorChunk, Countersigned, MAX_ANCHORS, MAX_LEAVES, QuoteRequest,
			RequestedRange, seal_blind,
		},
		purchases::{Purchase, Purchases},
	},
	keys::{self, Key},
	money,
	replay::Progress,
	time,
};
use m2m_anchor::{AnchorProof, StreamDetails, StreamId, StreamSpec};
use m2m_device::{AccountId, DeviceId, UnixMs};
use m2m_fair_exchange::{
	Blind, Checker, ClaimEvidence, CountersignedTerms, ListingId, OpenFault, Opened, Opener, Place,
	SaleEvidence, SaleId, SealedLeaf,
	market::{Conditions, Listing, SaleStatus, Seller, SubscriptionId},
};
use sp_core::H256;
use std::{fs::File, path::Path, time::Duration};

/// How far a seller's finalized block may be ahead of this node's.
const BLOCKS_AHEAD: u32 = 10;
/// Time between two looks at the chain.
const POLL: Duration = Duration::from_secs(1);
/// Columns of a file of readings.
const COLUMNS: [&str; 5] = ["time", "value", "anchor", "index", "salt"];

/// What a buyer wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
	/// The listing.
	pub listing: ListingId,
	/// Time of the earliest reading.
	pub from: UnixMs,
	/// Time before which the last one lies.
	pub until: UnixMs,
	/// Most that the buyer pays, in smallest units; `None` for what the listing says.
	pub max_price: Option<u128>,
	/// Buy although there are fewer readings than the stream's cadence promises.
	pub allow_gaps: bool,
	/// Where the readings are to be written.
	pub out: Option<String>,
}

/// Something that was checked, and what was found.
pub type Check = (&'static str, String);

/// What is wrong with readings that were bought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
	/// A ciphertext is not that of the anchored reading.
	BadLeaf {
		/// Position in the sale, from 0.
		position: u32,
		/// Where the reading is anchored.
		place: Place,
	},
	/// The listing promised something that is not so.
	Claim(BrokenClaim),
}

/// What the revealed key opens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opening {
	/// The readings that open, in order.
	pub readings: Vec<Opened>,
	/// The first thing that is wrong, which convicts the seller.
	pub fault: Option<Fault>,
	/// How many leaves do not open.
	pub bad: usize,
}

/// What the finalized chain says about the key of a sale.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
	/// It is there.
	Revealed,
	/// It may still come.
	Hidden {
		/// The finalized block.
		block: u32,
		/// Last block in which it may be revealed.
		deadline: u32,
	},
	/// Nobody has bought, and it can still be bought or delivered.
	NotBought {
		/// The finalized block.
		block: u32,
	},
	/// The time for it is over: the money can be taken back.
	Overdue,
	/// The sale is over and no key came, or it never was one and cannot become one any more.
	Over,
}

/// What the finalized chain says about a listing.
struct View {
	block: Block,
	listing: Listing,
	conditions: Conditions,
	seller: Seller,
	spec: StreamSpec,
}

impl View {
	async fn read(chain: &Chain, number: ListingId) -> Result<Self> {
		let block = chain.finalized().await?;
		let listing = block.listing(chain, number).await?.ok_or_else(|| {
			Error::Unknown(format!(
				"the chain has no listing {number}: `m2m data list` shows those that can be bought"
			))
		})?;
		let stream = listing.spec.stream;
		let details = block.stream(chain, &listing.spec.device, stream).await?;
		let spec = details
			.and_then(|details| details.spec)
			.ok_or_else(|| Error::Unknown(format!("the stream {stream} of listing {number} is closed")))?;
		Ok(Self {
			conditions: block.data_conditions(chain).await?,
			seller: block.seller(chain, &listing.seller).await?.unwrap_or_default(),
			block,
			listing,
			spec,
		})
	}

	/// Fails unless an offer is what was asked for and its seller's bond covers it.
	fn check(&self, chain: &Chain, purchase: &Purchase, number: ListingId, most: Option<u128>) -> Result<()> {
		let terms = purchase.terms();
		let wanted = Wanted {
			genesis: chain.genesis(),
			listing: number,
			listed: &self.listing,
			buyer: &terms.buyer,
			blind: &purchase.blind,
			max_price: most,
			conditions: &self.conditions,
			now: self.block.number,
		};
		check::check_terms(&purchase.offer, &wanted)?;
		let cover = self.conditions.fixed_cover.saturating_add(terms.price);
		if self.seller.available() < cover {
			return Err(refused(
				"BondTooSmall",
				format!(
					"the seller's bond has {} M2M free, and this sale takes a cover of {} M2M",
					money::format(self.seller.available()),
					money::format(cover)
				),
			));
		}
		Ok(())
	}
}

fn refused(fault: &str, why: impl Into<String>) -> Error {
	Error::OfferRefused {
		fault: fault.into(),
		why: why.into(),
	}
}

/// Asks the seller of a listing for an offer and checks its terms. Pays nothing and stores nothing.
///
/// # Errors
/// [`Error::OfferRefused`] with the name of what is wrong; [`Error::SellerRefused`], [`Error::SellerUnreachable`].
pub async fn quote(chain: &Chain, buyer: &AccountId, order: &Order) -> Result<(Purchase, Vec<Check>)> {
	if order.until <= order.from {
		return Err(Error::Usage(
			"the time that is asked for ends before it begins".into(),
		));
	}
	let view = View::read(chain, order.listing).await?;
	let spec = &view.listing.spec;
	let endpoint = String::from_utf8_lossy(&spec.endpoint).into_owned();
	let service = SellerService::at(&endpoint)?;
	let blind = Blind(*keys::random_secret());
	let nonce = keys::random_secret().first_chunk().copied().unwrap_or_default();
	let request = QuoteRequest {
		genesis: H256(*chain.genesis()),
		listing: order.listing,
		version: view.listing.version,
		range: RequestedRange::Time {
			from: order.from,
			until: order.until,
		},
		buyer: buyer.clone(),
		sealed_blind: seal_blind(&blind, &spec.sealing_key)?,
		nonce,
	};
	let answer = service.quote(&request).await?;
	if answer.offer.terms.buyer != *buyer {
		return Err(check::TermsFault::Buyer.into());
	}
	let purchase = Purchase {
		genesis: *chain.genesis(),
		endpoint,
		offer: answer.offer,
		edges: answer.edges,
		offered_anchors: answer.anchors,
		anchors: Vec::new(),
		blind,
		from: order.from,
		until: order.until,
		claims: spec.claims,
		unit: String::from_utf8_lossy(&view.spec.unit).into_owned(),
		scale: view.spec.scale,
		quoted_in: view.block.number,
		out: order.out.clone(),
		checked: false,
		bought_in: None,
		revealed: None,
		written: false,
		ending: None,
	};
	view.check(chain, &purchase, order.listing, order.max_price)?;
	let terms = purchase.terms();
	if !(1..=MAX_LEAVES).contains(&terms.leaves) || !(1..=MAX_ANCHORS).contains(&answer.anchors) {
		return Err(refused(
			"TooLong",
			format!(
				"{} readings in {} anchors are offered",
				terms.leaves, answer.anchors
			),
		));
	}
	if !order.allow_gaps {
		check::check_count(terms.leaves, view.spec.cadence_ms, order.from, order.until)?;
	}
	let checks = vec![
		(
			"terms",
			format!(
				"signed by {} for listing {}, version {}; they can be bought until block {}",
				keys::address(&purchase.offer.signer.account()),
				terms.listing,
				terms.version,
				terms.expires
			),
		),
		(
			"price",
			format!(
				"{} M2M for {} readings, as listed",
				money::format(terms.price),
				terms.leaves
			),
		),
		(
			"windows",
			format!(
				"{} blocks to reveal the key, or the money comes back; then {} blocks for evidence",
				terms.reveal_window, terms.dispute_window
			),
		),
		(
			"bond",
			format!(
				"{} M2M of the seller's are free to cover this sale; {} M2M are yours besides the price if it fails",
				money::format(view.seller.available()),
				money::format(view.conditions.fixed_cover)
			),
		),
	];
	Ok((purchase, checks))
}

/// Somebody who buys.
pub struct Buyer<'a> {
	/// The chain.
	pub chain: &'a Chain,
	/// The key that signs.
	pub key: &'a Key,
	/// Purchases under way.
	pub purchases: &'a Purchases,
	/// Told how far it is.
	pub progress: &'a dyn Progress,
}

impl Buyer<'_> {
	/// Downloads the sealed leaves, as far as they are not here, and checks all that can be checked before paying:
	/// every anchor against the finalized chain, every leaf against its anchor, and all of them against the signed
	/// terms. A delivery that is not as it should be is forgotten.
	pub async fn download_and_check(&self, purchase: &mut Purchase) -> Result<Vec<Check>> {
		let checked = self.fetch_and_check(purchase).await;
		if let Err(Error::OfferRefused { .. }) = &checked {
			self.purchases.discard(&purchase.sale())?;
		}
		checked
	}

	async fn fetch_and_check(&self, purchase: &mut Purchase) -> Result<Vec<Check>> {
		self.purchases.put(purchase)?;
		let service = SellerService::at(&purchase.endpoint)?;
		if purchase.anchors.is_empty() {
			purchase.anchors = self.fetch_anchors(&service, purchase).await?;
			let Purchase { from, until, .. } = *purchase;
			check::check_times(&purchase.terms().range, &purchase.anchors, from, until)?;
			self.purchases.put(purchase)?;
		}
		self.fetch_leaves(&service, purchase).await?;
		self.check_delivery(purchase)?;
		purchase.checked = true;
		self.purchases.put(purchase)?;
		let terms = purchase.terms();
		let (first, last) = (terms.range.first, terms.range.last);
		Ok(vec![
			(
				"anchors",
				format!(
					"{} anchors are recorded on the finalized chain, sequence {} to {}",
					purchase.anchors.len(),
					first.seq,
					last.seq
				),
			),
			(
				"time",
				format!(
					"they are those from {} to {}, and none between them is left out",
					time::format(purchase.from),
					time::format(purchase.until)
				),
			),
			(
				"leaves",
				format!(
					"{} leaf hashes are exactly those under the anchors, from reading {} of the first to {} of the last",
					terms.leaves, first.index, last.index
				),
			),
			(
				"ciphertexts",
				"they are the ones that the seller signed for: each opens to its reading, or convicts the seller"
					.into(),
			),
		])
	}

	async fn fetch_anchors(&self, service: &SellerService, purchase: &Purchase) -> Result<Vec<Recorded>> {
		let (sale, total) = (purchase.sale(), purchase.offered_anchors);
		let range = &purchase.terms().range;
		let device = &purchase.terms().device;
		self.progress
			.stage("checking anchors against the finalized chain", total.into());
		let mut recorded = Vec::new();
		let mut known = None;
		for chunk in 0..total.div_ceil(ANCHORS_PER_CHUNK) {
			let AnchorChunk { block, hash, proofs } = service.anchors(&sale, chunk).await?;
			let before = chunk.saturating_mul(ANCHORS_PER_CHUNK);
			let expected = total.saturating_sub(before).min(ANCHORS_PER_CHUNK);
			if proofs.len() as u64 != u64::from(expected) {
				return Err(refused("AnchorsMissing", "anchors of the range are missing"));
			}
			let found = match known {
				Some((at, found)) if at == (block, hash) => found,
				_ => self.range_after(block, hash, device, range.stream).await?,
			};
			known = Some(((block, hash), found));
			for proof in proofs {
				if proof.device != *device || proof.stream != range.stream {
					return Err(refused(
						"ForeignAnchor",
						format!("anchor {} is of another stream", proof.seq),
					));
				}
				recorded.push(self.recorded(proof, found).await?);
				self.progress.advance(1);
			}
		}
		Ok(recorded)
	}

	/// Length and root of a stream's mountain range after a finalized block. `None` if this node does not have that
	/// state any more.
	async fn range_after(
		&self,
		number: u32,
		hash: H256,
		device: &DeviceId,
		stream: StreamId,
	) -> Result<Option<(u64, H256)>> {
		loop {
			let finalized = self.chain.finalized().await?.number;
			if number <= finalized {
				break;
			}
			if number.saturating_sub(finalized) > BLOCKS_AHEAD {
				return Err(refused(
					"NotFinalized",
					format!("its proofs lead to block {number}, but block {finalized} is final"),
				));
			}
			tokio::time::sleep(POLL).await;
		}
		let block = match self.chain.block(number).await {
			Ok(block) => block,
			Err(Error::Node(_)) => return Ok(None),
			Err(error) => return Err(error),
		};
		if block.hash != hash.0 {
			return Err(refused(
				"OtherBlock",
				format!("its proofs lead to a block {number} that is not on the finalized chain"),
			));
		}
		match block.stream(self.chain, device, stream).await {
			Ok(Some(StreamDetails {
				anchors,
				range_root: Some(root),
				..
			})) => Ok(Some((anchors, root))),
			Ok(_) | Err(Error::Node(_)) => Ok(None),
			Err(error) => Err(error),
		}
	}

	/// The anchor, if it is in the range with this length and root, or in state.
	async fn recorded(&self, proof: AnchorProof, range: Option<(u64, H256)>) -> Result<Recorded> {
		let proven = range
			.is_some_and(|(leaves, root)| proof.leaves == leaves && commitment::anchor_holds(root, &proof));
		if !proven {
			let block = self.chain.finalized().await?;
			let found = block
				.anchor(self.chain, &proof.device, proof.stream, proof.seq)
				.await?;
			let same =
				found.is_some_and(|found| found.anchor == proof.anchor && found.position == proof.position);
			if !same {
				return Err(refused(
					"NotRecorded",
					format!("anchor {} is not what the chain recorded", proof.seq),
				));
			}
		}
		Ok(Recorded {
			seq: proof.seq,
			position: proof.position,
			anchor: proof.anchor,
		})
	}

	async fn fetch_leaves(&self, service: &SellerService, purchase: &Purchase) -> Result<()> {
		let sale = purchase.sale();
		let here = self.purchases.chunks(&sale)?;
		self.progress
			.stage("downloading sealed readings", purchase.terms().leaves.into());
		for chunk in 0..purchase.chunks() {
			let expected = purchase.leaves_in(chunk);
			if here.binary_search(&chunk).is_err() {
				let leaves = service.leaves(&sale, chunk).await?;
				if leaves.len() as u64 != u64::from(expected) {
					return Err(refused(
						"Incomplete",
						format!("chunk {chunk} of the leaves is not whole"),
					));
				}
				self.purchases.put_chunk(&sale, chunk, &leaves)?;
			}
			self.progress.advance(expected.into());
		}
		Ok(())
	}

	/// Checks the stored leaves against the anchors and the signed terms.
	pub fn check_delivery(&self, purchase: &Purchase) -> Result<()> {
		let anchors = purchase.sold_anchors();
		let mut checker = Checker::new(purchase.terms(), &purchase.blind, &anchors, &purchase.edges)?;
		for leaf in &self.purchases.leaves(&purchase.sale())? {
			checker.check(leaf)?;
		}
		Ok(checker.finish()?)
	}

	/// Buys, if it was not bought before: the price is held on the buyer's account. Returns the fee, if one was paid.
	/// An offer that expired before anybody bought is forgotten.
	pub async fn pay(&self, purchase: &mut Purchase) -> Result<Option<u128>> {
		let (sale, expires) = (purchase.sale(), purchase.terms().expires);
		// Not after the look at the sale, whose own cover would then be missing from the bond.
		let view = View::read(self.chain, purchase.listing()).await;
		let block = self.chain.finalized().await?;
		if block.sale(self.chain, &sale, expires).await?.is_some() {
			self.bought(purchase, block.number)?;
			return Ok(None);
		}
		if block.number > expires {
			// An earlier attempt may have got through, and its sale may be over by now.
			if let Some(number) = self.bought_before(purchase).await? {
				self.bought(purchase, number)?;
				return Ok(None);
			}
			self.purchases.remove(&sale)?;
			let now = block.number;
			return Err(check::TermsFault::Expired { expires, now }.into());
		}
		// What was true when it was offered may have changed.
		view?.check(self.chain, purchase, purchase.listing(), None)?;
		self.purchases.begin_paying(&sale)?;
		let call = data::purchase(None, &purchase.offer);
		match self.chain.submit_repeatable(self.key, &call).await {
			Ok(included) => {
				self.bought(purchase, included.block.number)?;
				Ok(Some(included.fee))
			}
			// An earlier attempt got through.
			Err(Error::Refused { reason, .. }) if reason == data::TERMS_USED => {
				self.bought(purchase, block.number)?;
				Ok(None)
			}
			Err(error) => Err(error),
		}
	}

	/// Countersigns an offer as an epoch of a subscription, and sends that to the seller. Again, if it was done before:
	/// it is the same promise. **Once this was begun, nothing else may be asked for that covers the same time until the
	/// epoch was delivered or [`Self::wait_for_delivery`] says that it is over, whatever the seller answered.**
	///
	/// # Errors
	/// [`Error::OfferRefused`] if the offer is not what it was; [`Error::SellerRefused`], [`Error::SellerUnreachable`].
	pub async fn countersign(&self, purchase: &Purchase, subscription: SubscriptionId) -> Result<()> {
		let sale = purchase.sale();
		// What was checked is stored as such: that is the mark by which a later process knows that this may be signed.
		let stored = self.purchases.get(&sale)?;
		if !stored.is_some_and(|stored| stored.checked) {
			return Err(Error::Store(format!(
				"the offer {sale:?} is not checked, and nothing is signed before"
			)));
		}
		// As before a purchase.
		let view = View::read(self.chain, purchase.listing()).await?;
		view.check(self.chain, purchase, purchase.listing(), None)?;
		let bytes = CountersignedTerms::signed_bytes(&purchase.genesis, subscription, &sale);
		let request = Countersigned {
			genesis: H256(purchase.genesis),
			subscription,
			sale,
			subscriber: self.key.public(),
			countersignature: self.key.sign(&bytes),
		};
		SellerService::at(&purchase.endpoint)?.epoch(&request).await?;
		Ok(())
	}

	/// Looks until an epoch is delivered, and its key with it, or cannot be any more ([`Seen::Over`] without an ending):
	/// then it costs nothing, and may be asked for again.
	pub async fn wait_for_delivery(&self, purchase: &mut Purchase) -> Result<Seen> {
		let expires = purchase.terms().expires;
		let mut before = None;
		loop {
			let block = match self.look(purchase).await? {
				Seen::NotBought { block } => block,
				// The same terms may be bought by hand.
				Seen::Hidden { .. } => return self.wait_for_key(purchase).await,
				seen => return Ok(seen),
			};
			match before {
				None => self.progress.stage(
					"waiting for the delivery, in blocks",
					expires.saturating_sub(block).into(),
				),
				Some(before) => self.progress.advance(block.saturating_sub(before).into()),
			}
			before = Some(block);
			tokio::time::sleep(POLL).await;
		}
	}

	/// The block in which these terms, which have expired, were bought.
	async fn bought_before(&self, purchase: &Purchase) -> Result<Option<u32>> {
		let (sale, from, until) = (purchase.sale(), purchase.quoted_in, purchase.terms().expires);
		self.progress.stage(
			"looking for the purchase in past blocks",
			until.saturating_sub(from).into(),
		);
		for number in from..=until {
			let (_, events) = self.past(number).await?;
			if data::purchases(&events)?.contains(&sale) {
				return Ok(Some(number));
			}
			self.progress.advance(1);
		}
		Ok(None)
	}

	/// A finalized block and what happened in it.
	async fn past(&self, number: u32) -> Result<(Block, Vec<RawEvent>)> {
		let read = match self.chain.block(number).await {
			Ok(block) => block.events(self.chain).await.map(|events| (block, events)),
			Err(error) => Err(error),
		};
		match read {
			Err(Error::Node(_)) => Err(Error::Unknown(format!(
				"if it was bought, the sale is over, and this node does not have block {number} any more, which may say how: name one that keeps all blocks with --url"
			))),
			read => read,
		}
	}

	fn bought(&self, purchase: &mut Purchase, block: u32) -> Result<()> {
		purchase.bought_in = Some(block);
		self.purchases.put(purchase)
	}

	/// Looks whether the key is revealed in the finalized chain.
	pub async fn look(&self, purchase: &mut Purchase) -> Result<Seen> {
		if purchase.revealed.is_some() {
			return Ok(Seen::Revealed);
		}
		let block = self.chain.finalized().await?;
		let expires = purchase.terms().expires;
		let status = block.sale(self.chain, &purchase.sale(), expires).await?;
		let Some(SaleStatus::Open(sale)) = status else {
			if purchase.bought_in.is_none() && status.is_none() {
				if block.number <= expires {
					return Ok(Seen::NotBought { block: block.number });
				}
				match self.bought_before(purchase).await? {
					Some(number) => self.bought(purchase, number)?,
					None => return Ok(Seen::Over),
				}
			}
			return self.look_back(purchase, block.number).await;
		};
		if purchase.bought_in.is_none() {
			self.bought(purchase, block.number)?;
		}
		if let Some(key) = sale.key {
			purchase.revealed = Some((key, sale.deadline));
			self.purchases.put(purchase)?;
			return Ok(Seen::Revealed);
		}
		if block.number > sale.deadline {
			return Ok(Seen::Overdue);
		}
		Ok(Seen::Hidden {
			block: block.number,
			deadline: sale.deadline,
		})
	}

	/// Looks until the key is revealed, or will not be any more.
	pub async fn wait_for_key(&self, purchase: &mut Purchase) -> Result<Seen> {
		let mut before = None;
		loop {
			let seen = self.look(purchase).await?;
			let Seen::Hidden { block, deadline } = seen else {
				return Ok(seen);
			};
			match before {
				None => self.progress.stage(
					"waiting for the key, in blocks",
					deadline.saturating_sub(block).into(),
				),
				Some(before) => self.progress.advance(block.saturating_sub(before).into()),
			}
			before = Some(block);
			tokio::time::sleep(POLL).await;
		}
	}

	/// Finds the key, or the end, of a sale that is not in state any more.
	async fn look_back(&self, purchase: &mut Purchase, until: u32) -> Result<Seen> {
		let sale = purchase.sale();
		let from = purchase.quoted_in;
		self.progress.stage(
			"looking for the sale in past blocks",
			until.saturating_sub(from).into(),
		);
		for number in from..=until {
			let (block, events) = self.past(number).await?;
			if let Some(revealed) = data::revealed(&events, &sale)? {
				purchase.revealed = Some(revealed);
			}
			let endings = data::endings(&block, &events)?;
			if let Some((_, ending)) = ended(endings, &sale) {
				purchase.ending = Some(ending);
				break;
			}
			self.progress.advance(1);
		}
		self.purchases.put(purchase)?;
		Ok(match purchase.revealed {
			Some(_) => Seen::Revealed,
			None => Seen::Over,
		})
	}

	/// Opens everything with the revealed key, and looks whether it is what the seller signed for and the listing
	/// promised.
	pub fn open(&self, purchase: &Purchase) -> Result<Opening> {
		let leaves = self.purchases.leaves(&purchase.sale())?;
		open(purchase, &leaves)
	}

	/// How a sale ended, if it did: an earlier attempt may have got through without this side hearing of it, or the
	/// seller may have been paid meanwhile. No fee is paid to learn that.
	async fn ended_before(&self, purchase: &mut Purchase) -> Result<Option<Ended>> {
		if purchase.ending.is_none() {
			let block = self.chain.finalized().await?;
			let expires = purchase.terms().expires;
			let status = block.sale(self.chain, &purchase.sale(), expires).await?;
			if !matches!(status, Some(SaleStatus::Open(_))) {
				self.look_back(purchase, block.number).await?;
			}
		}
		let ending = purchase.ending.clone();
		Ok(ending.map(|ending| Ended { ending, fee: 0 }))
	}

	/// Shows the chain what is wrong with a sale. The seller is convicted, and the money comes back, unless the sale
	/// is over: then the ending says how.
	pub async fn dispute(&self, purchase: &mut Purchase, fault: &Fault) -> Result<Ended> {
		let sale = purchase.sale();
		let leaves = self.purchases.leaves(&sale)?;
		let call = match accuse(purchase, &leaves, fault)? {
			Accusation::Leaf(evidence) => data::prove_bad_leaf(&sale, &evidence),
			Accusation::Claim(evidence) => data::prove_bad_claim(&sale, &evidence),
		};
		if let Some(ended) = self.ended_before(purchase).await? {
			return Ok(ended);
		}
		let included = self.chain.submit_repeatable(self.key, &call).await?;
		self.end(purchase, call.title(), included)
	}

	/// Takes the money back after the key did not come in time.
	pub async fn refund(&self, purchase: &mut Purchase) -> Result<Ended> {
		if let Some(ended) = self.ended_before(purchase).await? {
			return Ok(ended);
		}
		let call = data::refund(&[purchase.sale()]);
		let included = self.chain.submit_repeatable(self.key, &call).await?;
		self.end(purchase, call.title(), included)
	}

	/// Pays the seller at once, with a rating.
	pub async fn accept(&self, purchase: &mut Purchase, rating: u8) -> Result<Ended> {
		if let Some(ended) = self.ended_before(purchase).await? {
			return Ok(ended);
		}
		let call = data::accept(None, &purchase.sale(), rating);
		let included = self.chain.submit_repeatable(self.key, &call).await?;
		self.end(purchase, call.title(), included)
	}

	/// Stores how a sale ended.
	fn end(&self, purchase: &mut Purchase, call: String, included: Included) -> Result<Ended> {
		let sale = purchase.sale();
		let endings = data::endings(&included.block, &included.events)?;
		let mine = endings.into_iter().find(|(id, _)| *id == sale);
		match mine {
			Some((_, Ending::Not { reason })) => Err(Error::Refused {
				call,
				hint: hint(&reason),
				reason,
				paid: included.payer.map(|payer| Box::new((payer, included.fee))),
			}),
			Some((_, ending)) => {
				purchase.ending = Some(ending.clone());
				self.purchases.put(purchase)?;
				Ok(Ended {
					ending,
					fee: included.fee,
				})
			}
			None => Err(Error::IncompatibleChain(format!(
				"it does not report what {call} did with the sale"
			))),
		}
	}
}

/// Forgets purchases with which nothing can be done any more: those whose offer expired before all was checked, and
/// those whose readings are written and whose time for evidence is over.
pub fn sweep(purchases: &Purchases, genesis: &[u8; 32], finalized: u32) -> Result<()> {
	for purchase in purchases.all()? {
		let lapsed = !purchase.checked && purchase.terms().expires < finalized;
		let done = purchase.written
			&& purchase
				.revealed
				.is_some_and(|(_, deadline)| deadline < finalized);
		if purchase.genesis != *genesis {
			continue;
		}
		if done {
			purchases.remove(&purchase.sale())?;
		} else if lapsed {
			purchases.discard(&purchase.sale())?;
		}
	}
	Ok(())
}

/// How a sale ended, and the fee for ending it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
	/// How.
	pub ending: Ending,
	/// In smallest units; none if it had ended before.
	pub fee: u128,
}

/// The end of this sale among those that events report.
fn ended(endings: Vec<(SaleId, Ending)>, sale: &SaleId) -> Option<(SaleId, Ending)> {
	endings
		.into_iter()
		.find(|(id, ending)| id == sale && !matches!(ending, Ending::Not { .. }))
}

/// Opens all leaves of a sale with the revealed key.
///
/// # Errors
/// [`Error::Unknown`] before the key is revealed; [`Error::Store`] if keys or anchors are not those of the terms, or
/// leaves are missing.
pub fn open(purchase: &Purchase, leaves: &[SealedLeaf]) -> Result<Opening> {
	let Some((key, _)) = &purchase.revealed else {
		return Err(Error::Unknown("the key of that sale is not revealed yet".into()));
	};
	let damaged = |fault: OpenFault| Error::Store(format!("the stored purchase is damaged ({fault:?})"));
	// Whoever opens a part of it would call all of it good.
	let expected = purchase.terms().leaves;
	if leaves.len() as u64 != u64::from(expected) {
		return Err(Error::Store(format!(
			"the stored purchase is damaged: {} of {expected} sealed readings are here",
			leaves.len()
		)));
	}
	let anchors = purchase.sold_anchors();
	let mut opener = Opener::new(purchase.terms(), key, &purchase.blind, &anchors).map_err(damaged)?;
	let mut opening = Opening {
		readings: Vec::with_capacity(leaves.len()),
		fault: None,
		bad: 0,
	};
	for leaf in leaves {
		match opener.open(leaf) {
			Ok(opened) => opening.readings.push(opened),
			Err(OpenFault::BadLeaf { position, place }) => {
				opening.bad = opening.bad.saturating_add(1);
				opening.fault = opening.fault.or(Some(Fault::BadLeaf { position, place }));
			}
			Err(fault) => return Err(damaged(fault)),
		}
	}
	if opening.fault.is_none() {
		let readings: Vec<_> = opening.readings.iter().map(|opened| opened.reading).collect();
		opening.fault = check::broken_claim(&purchase.claims, &readings).map(Fault::Claim);
	}
	Ok(opening)
}

/// Evidence against a seller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Accusation {
	/// A leaf does not open.
	Leaf(SaleEvidence),
	/// A promise is broken.
	Claim(ClaimEvidence),
}

/// Collects the evidence about a fault and checks it as the chain will, so that nobody pays for evidence that
/// convicts nobody.
///
/// # Errors
/// [`Error::ProofDoesNotHold`] with the reason why it does not convict; [`Error::Unknown`] before the key is revealed.
pub fn accuse(purchase: &Purchase, leaves: &[SealedLeaf], fault: &Fault) -> Result<Accusation> {
	let (terms, blind) = (purchase.terms(), purchase.blind);
	let (genesis, sale) = (&purchase.genesis, &purchase.sale());
	let Some((key, _)) = &purchase.revealed else {
		return Err(Error::Unknown("the key of that sale is not revealed yet".into()));
	};
	let anchors = purchase.sold_anchors();
	let about = |position: u32| {
		SaleEvidence::new(terms, &blind, &anchors, leaves.iter().copied(), position).map_err(|fault| {
			Error::ProofDoesNotHold(format!(
				"there is no evidence about reading {position}: {}",
				check::describe_fault(fault)
			))
		})
	};
	match fault {
		Fault::BadLeaf { position, .. } => {
			let evidence = about(*position)?;
			evidence.convicts(genesis, sale, key).map_err(|reason| {
				Error::ProofDoesNotHold(format!("reading {position} convicts nobody ({reason:?})"))
			})?;
			Ok(Accusation::Leaf(evidence))
		}
		Fault::Claim(broken) => {
			let first = about(broken.first)?.leaf;
			let second = match broken.second {
				Some(position) => Some(about(position)?.leaf),
				None => None,
			};
			let evidence = ClaimEvidence {
				terms: terms.clone(),
				blind,
				kind: broken.kind,
				first,
				second,
			};
			let refuted = evidence.refutes(genesis, sale, key, &purchase.claims);
			refuted.map_err(|reason| {
				Error::ProofDoesNotHold(format!("reading {} refutes nothing ({reason:?})", broken.first))
			})?;
			Ok(Accusation::Claim(evidence))
		}
	}
}

/// What is wrong with a sale, in words.
pub fn describe_fault(purchase: &Purchase, opening: &Opening, fault: &Fault) -> String {
	match fault {
		Fault::BadLeaf { position, place } => format!(
			"reading {position} (anchor {}, index {}) is not the one that the device anchored; {} of {} do not open",
			place.seq,
			place.index,
			opening.bad,
			purchase.terms().leaves
		),
		Fault::Claim(broken) => format!(
			"reading {} does not keep what the listing promises: {}",
			broken.first,
			check::describe_claim(&purchase.claims, broken.kind)
		),
	}
}

/// Fails if there is a file that would be overwritten.
pub fn check_out(file: &Path) -> Result<()> {
	match file.try_exists() {
		Ok(false) => Ok(()),
		Ok(true) => Err(Error::FileExists {
			file: file.to_owned(),
		}),
		Err(cause) => Err(Error::io(file, cause)),
	}
}

/// Writes readings as CSV: time (RFC 3339, UTC), value at the stream's scale, sequence number of the anchor, index in
/// it, and the salt with which the reading can be shown to others. The file is there when it is whole. One that holds
/// the same already is as good as written: an earlier attempt was cut off right after.
pub fn write_csv(file: &Path, readings: &[Opened]) -> Result<()> {
	let mut part = file.as_os_str().to_owned();
	part.push(".part");
	let part = Path::new(&part);
	let io = |cause| Error::io(file, cause);
	let broken = |error: csv::Error| io(std::io::Error::other(error));
	let mut csv = csv::Writer::from_writer(File::create(part).map_err(|cause| Error::io(part, cause))?);
	csv.write_record(COLUMNS).map_err(broken)?;
	for opened in readings {
		csv.write_record([
			time::format(opened.reading.time_ms),
			opened.reading.value.to_string(),
			opened.place.seq.to_string(),
			opened.place.index.to_string(),
			format!("0x{}", hex::encode(opened.salt)),
		])
		.map_err(broken)?;
	}
	let written = csv.into_inner().map_err(|error| io(error.into_error()))?;
	written.sync_all().map_err(io)?;
	match check_out(file) {
		Ok(()) => std::fs::rename(part, file).map_err(io),
		Err(exists) => {
			let read = |file: &Path| std::fs::read(file).map_err(|cause| Error::io(file, cause));
			let is_same = read(part)? == read(file)?;
			std::fs::remove_file(part).map_err(|cause| Error::io(part, cause))?;
			if is_same { Ok(()) } else { Err(exists) }
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use m2m_anchor::{Anchor, Summary};
	use m2m_fair_exchange::{
		BlindedKey, ClaimKind, Claims, DeliveryFault, Edges, SaleRange, Sealer, SealingKey, SignedTerms,
		SoldAnchors,
	};
	use m2m_merkle::{Batch, DataTree, Reading, reading};

	/// Three anchors of ten readings each, of which 25 were sold; a seller may have changed one on its way.
	fn delivery(changed: Option<usize>) -> (Purchase, Vec<SealedLeaf>, Vec<Reading>) {
		let key = Key::generate(Default::default());
		let mut purchase = super::super::purchases::tests::purchase(1, 25);
		let mut trees = Vec::new();
		let mut sold = Vec::new();
		for seq in 0u64..3 {
			let secret = [seq as u8; 32];
			let readings: Vec<_> = (0..10)
				.map(|step| Reading {
					time_ms: (seq * 10 + step) * 60_000,
					value: (seq * 100 + step) as i64,
				})
				.collect();
			let batch = Batch::new(&secret, readings.clone()).unwrap();
			let leaves = (0u32..)
				.zip(&readings)
				.map(|(index, one)| {
					let salt = reading::salt(&secret, index);
					sold.push((salt, *one));
					reading::leaf_hash(index, &salt, one)
				})
				.collect();
			trees.push(DataTree::new(leaves).unwrap());
			purchase.anchors.push(Recorded {
				seq,
				position: seq,
				anchor: Anchor {
					data_root: H256(batch.data_root()),
					summary: Summary::Private {
						aggregate_root: H256::zero(),
						count: 10,
						t_first: seq * 600_000,
						t_last: seq * 600_000 + 540_000,
					},
				},
			});
		}
		let sold = sold[3..28].to_vec();
		let range = SaleRange {
			stream: 4,
			first: Place { seq: 0, index: 3 },
			last: Place { seq: 2, index: 7 },
		};
		let anchors = purchase.sold_anchors();
		let over = SoldAnchors::new(&range, &anchors).unwrap();
		let (blinded, blind) = (BlindedKey([4; 32]), Blind([5; 32]));
		let sealing = SealingKey::new(&blinded, &blind);
		let mut sealer = Sealer::new(&over, sealing);
		let mut leaves: Vec<_> = sold
			.iter()
			.map(|(salt, one)| sealer.seal(salt, one).unwrap())
			.collect();
		let mut terms = purchase.terms().clone();
		terms.sale_root = sealer.finish().unwrap();
		if let Some(at) = changed {
			// The seller signs for a ciphertext of another value beside the anchored leaf hash.
			leaves[at].sealed[31] ^= 1;
			let pairs = leaves
				.iter()
				.zip(0u32..)
				.zip(over.places())
				.map(|((leaf, position), place)| leaf.pair(position, place))
				.collect();
			terms.sale_root = H256(DataTree::new(pairs).unwrap().root());
		}
		terms.range = range;
		terms.range_commitment = over.commitment();
		terms.leaves = over.len();
		terms.seller = key.account();
		terms.blinded_key_commitment = blinded.commitment();
		terms.blind_commitment = blind.commitment();
		purchase.edges = Edges::new(&range, &trees[0], &trees[2]).unwrap();
		purchase.offer = SignedTerms {
			signature: key.sign(&terms.signed_bytes(&purchase.genesis)),
			signer: key.public(),
			terms,
		};
		purchase.revealed = Some((blinded, 99));
		let readings = sold.into_iter().map(|(_, one)| one).collect();
		(purchase, leaves, readings)
	}

	fn check(purchase: &Purchase, leaves: &[SealedLeaf]) -> std::result::Result<(), DeliveryFault> {
		let anchors = purchase.sold_anchors();
		let mut checker = Checker::new(purchase.terms(), &purchase.blind, &anchors, &purchase.edges)?;
		for leaf in leaves {
			checker.check(leaf)?;
		}
		checker.finish()
	}

	#[test]
	fn an_honest_delivery_opens_and_accuses_nobody() {
		let (purchase, leaves, readings) = delivery(None);
		assert_eq!(check(&purchase, &leaves), Ok(()));
		let opening = open(&purchase, &leaves).unwrap();
		assert_eq!((opening.fault, opening.bad), (None, 0));
		let opened: Vec<_> = opening.readings.iter().map(|opened| opened.reading).collect();
		assert_eq!(opened, readings);
		let accusation = Fault::BadLeaf {
			position: 6,
			place: Place { seq: 0, index: 9 },
		};
		let error = accuse(&purchase, &leaves, &accusation).unwrap_err();
		assert!(
			error.to_string().contains("convicts nobody (OpensAsAnchored)"),
			"{error}"
		);
	}

	#[test]
	fn a_changed_reading_passes_before_payment_and_convicts_after_it() {
		let (purchase, leaves, _) = delivery(Some(12));
		assert_eq!(check(&purchase, &leaves), Ok(()));
		let opening = open(&purchase, &leaves).unwrap();
		assert_eq!((opening.readings.len(), opening.bad), (24, 1));
		let fault = opening.fault.unwrap();
		assert_eq!(
			fault,
			Fault::BadLeaf {
				position: 12,
				place: Place { seq: 1, index: 5 }
			}
		);
		let words = describe_fault(&purchase, &opening, &fault);
		assert!(
			words.contains("reading 12 (anchor 1, index 5)") && words.contains("1 of 25"),
			"{words}"
		);
		let Accusation::Leaf(evidence) = accuse(&purchase, &leaves, &fault).unwrap() else {
			panic!("evidence of another kind")
		};
		assert_eq!(evidence.leaf.position, 12);
	}

	#[test]
	fn leaves_that_were_lost_or_changed_here_accuse_nobody() {
		let (purchase, mut leaves, _) = delivery(Some(12));
		let fault = open(&purchase, &leaves).unwrap().fault.unwrap();
		assert!(matches!(
			accuse(&purchase, &leaves[..24], &fault),
			Err(Error::ProofDoesNotHold(_))
		));
		// Nor are they called good.
		for fewer in [&leaves[..0], &leaves[..12], &leaves[..24]] {
			assert!(matches!(open(&purchase, fewer), Err(Error::Store(_))));
		}
		leaves[3].sealed[0] ^= 1;
		assert!(matches!(
			accuse(&purchase, &leaves, &fault),
			Err(Error::ProofDoesNotHold(_))
		));
	}

	#[test]
	fn a_broken_promise_convicts_with_one_or_two_leaves() {
		let (mut purchase, leaves, _) = delivery(None);
		purchase.claims = Claims {
			range: Some((0, 150)),
			..Claims::default()
		};
		let opening = open(&purchase, &leaves).unwrap();
		let fault = opening.fault.unwrap();
		assert!(
			describe_fault(&purchase, &opening, &fault).contains("all values are from 0 to 150"),
			"{fault:?}"
		);
		let Accusation::Claim(evidence) = accuse(&purchase, &leaves, &fault).unwrap() else {
			panic!("evidence of another kind")
		};
		assert_eq!((evidence.kind, evidence.first.position), (ClaimKind::Range, 17));
		assert!(evidence.second.is_none());

		purchase.claims = Claims {
			gap_ms: Some(59_999),
			..Claims::default()
		};
		let fault = open(&purchase, &leaves).unwrap().fault.unwrap();
		let Accusation::Claim(evidence) = accuse(&purchase, &leaves, &fault).unwrap() else {
			panic!("evidence of another kind")
		};
		assert_eq!(evidence.second.unwrap().position, 1);
	}

	#[test]
	fn nothing_opens_before_the_key_is_known() {
		let (mut purchase, leaves, _) = delivery(None);
		purchase.revealed = None;
		assert!(matches!(open(&purchase, &leaves), Err(Error::Unknown(_))));
		purchase.revealed = Some((BlindedKey([6; 32]), 99));
		assert!(matches!(open(&purchase, &leaves), Err(Error::Store(_))));
	}

	#[test]
	fn only_what_is_over_is_forgotten() {
		let home = tempfile::tempdir().unwrap();
		let store = Purchases::new(home.path());
		let sample = |nonce: u64, change: fn(&mut Purchase)| {
			let mut purchase = super::super::purchases::tests::purchase(nonce, 1);
			change(&mut purchase);
			store.put(&purchase).unwrap();
			purchase.sale()
		};
		let lapsed = sample(1, |_| {});
		let paid = sample(2, |purchase| purchase.checked = true);
		let open = sample(3, |purchase| {
			purchase.checked = true;
			purchase.written = true;
			purchase.revealed = Some((BlindedKey([1; 32]), 2_000));
		});
		let left = |finalized| {
			sweep(&store, &[9; 32], finalized).unwrap();
			let mut left: Vec<_> = store.all().unwrap().iter().map(Purchase::sale).collect();
			left.sort();
			left
		};
		let sorted = |mut sales: Vec<SaleId>| {
			sales.sort();
			sales
		};
		assert_eq!(left(1_100), sorted(vec![lapsed, paid, open]));
		assert_eq!(left(2_000), sorted(vec![paid, open]));
		assert_eq!(left(2_001), [paid]);
		sample(1, |purchase| purchase.genesis = [1; 32]);
		assert_eq!(left(9_999).len(), 2, "a purchase on another chain is not judged");
	}

	#[test]
	fn readings_are_written_as_csv_and_nothing_is_overwritten() {
		let (purchase, leaves, _) = delivery(None);
		let opening = open(&purchase, &leaves).unwrap();
		let folder = tempfile::tempdir().unwrap();
		let file = folder.path().join("readings.csv");
		write_csv(&file, &opening.readings).unwrap();
		let text = std::fs::read_to_string(&file).unwrap();
		let mut lines = text.lines();
		assert_eq!(lines.next(), Some("time,value,anchor,index,salt"));
		let salt = hex::encode(opening.readings[0].salt);
		assert_eq!(
			lines.next(),
			Some(format!("1970-01-01T00:03:00Z,3,0,3,0x{salt}").as_str())
		);
		assert_eq!(lines.count(), 24);
		// Once more, as after a crash; and others, which do not take their place.
		write_csv(&file, &opening.readings).unwrap();
		assert!(matches!(
			write_csv(&file, &opening.readings[1..]),
			Err(Error::FileExists { .. })
		));
		assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
		assert_eq!(
			std::fs::read_dir(folder.path()).unwrap().count(),
			1,
			"no other file is left"
		);
	}
}
