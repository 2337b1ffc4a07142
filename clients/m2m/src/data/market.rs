//! What a seller asks of the chain, and what it does there.

use crate::{
	Error, Result,
	chain::{Call, Chain, Included, data},
	keys::Key,
};
use m2m_anchor::StreamId;
use m2m_device::{DeviceId, DeviceStatus};
use m2m_fair_exchange::{
	BlindedKey, ListingId, SaleId,
	market::{Conditions, Epoch, Listing, SaleStatus, Seller, Subscription, SubscriptionId},
};
use sp_core::H256;
use std::sync::{Arc, RwLock};

/// What the chain says of a listing, all of it after one finalized block.
#[derive(Clone, Debug)]
pub struct Standing {
	/// Number of the block.
	pub block: u32,
	/// What is demanded of every sale.
	pub conditions: Conditions,
	/// The listing; `None` if there is none.
	pub listing: Option<Listing>,
	/// The device's generation; `None` if it is not active.
	pub generation: Option<u32>,
	/// Bond and record of the listing's seller; `None` without a bond.
	pub seller: Option<Seller>,
	/// First sequence number that the device's present owner may sell; `None` if there is none yet.
	pub first_seq: Option<u64>,
	/// True unless the listing pays into a pool that is gone.
	pub payable: bool,
}

/// A stream's mountain range after a finalized block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamRange {
	/// Number of the block.
	pub block: u32,
	/// Its hash.
	pub hash: H256,
	/// Anchors in the range.
	pub anchors: u64,
	/// Its root; `None` while there is no anchor.
	pub root: Option<H256>,
}

/// The chain, as a seller needs it. Everything but the clock is read from finalized blocks.
pub trait Market: Send + Sync + 'static {
	/// Hash of the first block.
	fn genesis(&self) -> [u8; 32];

	/// Number of the last finalized block.
	fn height(&self) -> impl Future<Output = Result<u32>> + Send;

	/// Number of the newest block, final or not: what is sent now comes after it.
	fn newest(&self) -> impl Future<Output = Result<u32>> + Send;

	/// What the chain says of a listing.
	fn standing(&self, listing: ListingId) -> impl Future<Output = Result<Standing>> + Send;

	/// A stream's mountain range; `None` if there is no such stream.
	fn stream_range(
		&self,
		device: &DeviceId,
		stream: StreamId,
	) -> impl Future<Output = Result<Option<StreamRange>>> + Send;

	/// A sale that is open, or that ended before `expires`, the last block of its terms.
	fn sale(&self, sale: &SaleId, expires: u32) -> impl Future<Output = Result<Option<SaleStatus>>> + Send;

	/// The sales that were opened in a finalized block.
	fn purchases(&self, block: u32) -> impl Future<Output = Result<Vec<SaleId>>> + Send;

	/// Publishes keys, each for itself, and waits until that is final.
	fn reveal(&self, keys: &[(SaleId, BlindedKey)]) -> impl Future<Output = Result<()>> + Send;

	/// A standing order.
	fn subscription(
		&self,
		subscription: SubscriptionId,
	) -> impl Future<Output = Result<Option<Subscription>>> + Send;

	/// Sells countersigned epochs, together at most [`data::EPOCHS_PER_CALL`], each for itself, and waits until that is
	/// final. Returns those that were not taken, and why.
	fn deliver(
		&self,
		epochs: &[(SubscriptionId, Vec<Epoch>)],
	) -> impl Future<Output = Result<Vec<(SaleId, String)>>> + Send;

	/// Asks for the money of sales whose time for evidence is over, at most [`data::SALES_PER_CALL`].
	fn settle(&self, sales: &[SaleId]) -> impl Future<Output = Result<()>> + Send;

	/// Connects anew after the connection was lost.
	fn reconnect(&self) -> impl Future<Output = Result<()>> + Send;
}

/// A chain behind a node.
pub struct OnChain {
	chain: RwLock<Arc<Chain>>,
	genesis: [u8; 32],
	url: String,
	/// Signs transactions and pays their fees.
	key: Arc<Key>,
}

impl OnChain {
	/// `url` is where `chain` was reached; `key` signs transactions.
	pub fn new(chain: Chain, url: String, key: Arc<Key>) -> Self {
		Self {
			genesis: *chain.genesis(),
			chain: RwLock::new(Arc::new(chain)),
			url,
			key,
		}
	}

	/// The present connection.
	pub fn chain(&self) -> Arc<Chain> {
		match self.chain.read() {
			Ok(chain) => Arc::clone(&chain),
			// Whoever holds it for writing does nothing but replace it.
			Err(poisoned) => Arc::clone(&poisoned.into_inner()),
		}
	}

	/// Sends calls in one transaction, each for itself, and waits until it is final.
	async fn send(&self, chain: &Chain, calls: &[Call]) -> Result<Included> {
		let call = match calls {
			[only] => only.clone(),
			several => chain.each_for_itself(several).await?,
		};
		chain.submit_repeatable(&self.key, &call).await
	}
}

impl Market for OnChain {
	fn genesis(&self) -> [u8; 32] {
		self.genesis
	}

	async fn height(&self) -> Result<u32> {
		Ok(self.chain().finalized().await?.number)
	}

	async fn newest(&self) -> Result<u32> {
		Ok(self.chain().best().await?.number)
	}

	async fn standing(&self, listing: ListingId) -> Result<Standing> {
		let chain = self.chain();
		let block = chain.finalized().await?;
		let found = block.listing(&chain, listing).await?;
		let (mut generation, mut seller, mut first_seq, mut payable) = (None, None, None, true);
		if let Some(listing) = &found {
			let spec = &listing.spec;
			let device = block.device(&chain, &spec.device).await?;
			generation = device
				.filter(|device| device.status == DeviceStatus::Active)
				.map(|device| device.generation);
			seller = block.seller(&chain, &listing.seller).await?;
			first_seq = block
				.generation_start(&chain, &spec.device, spec.stream, listing.generation)
				.await?;
			if let Some(pool) = spec.payout.pool() {
				payable = block.pool(&chain, pool).await?.is_some();
			}
		}
		Ok(Standing {
			block: block.number,
			conditions: block.data_conditions(&chain).await?,
			listing: found,
			generation,
			seller,
			first_seq,
			payable,
		})
	}

	async fn stream_range(&self, device: &DeviceId, stream: StreamId) -> Result<Option<StreamRange>> {
		let chain = self.chain();
		let block = chain.finalized().await?;
		let details = block.stream(&chain, device, stream).await?;
		Ok(details.map(|details| StreamRange {
			block: block.number,
			hash: H256(block.hash),
			anchors: details.anchors,
			root: details.range_root,
		}))
	}

	async fn sale(&self, sale: &SaleId, expires: u32) -> Result<Option<SaleStatus>> {
		let chain = self.chain();
		let block = chain.finalized().await?;
		block.sale(&chain, sale, expires).await
	}

	async fn purchases(&self, block: u32) -> Result<Vec<SaleId>> {
		let chain = self.chain();
		let block = chain.block(block).await?;
		data::purchases(&block.events(&chain).await?)
	}

	async fn reveal(&self, keys: &[(SaleId, BlindedKey)]) -> Result<()> {
		let mut calls: Vec<Call> = Vec::with_capacity(keys.len());
		for (sale, key) in keys {
			calls.push(data::reveal_key(sale, key));
		}
		self.send(&self.chain(), &calls).await?;
		Ok(())
	}

	async fn subscription(&self, subscription: SubscriptionId) -> Result<Option<Subscription>> {
		let chain = self.chain();
		chain.finalized().await?.subscription(&chain, subscription).await
	}

	async fn deliver(&self, epochs: &[(SubscriptionId, Vec<Epoch>)]) -> Result<Vec<(SaleId, String)>> {
		let mut calls = Vec::with_capacity(epochs.len());
		for (subscription, epochs) in epochs {
			calls.push(data::deliver(*subscription, epochs));
		}
		let included = self.send(&self.chain(), &calls).await?;
		let taken = data::purchases(&included.events)?;
		let mut refused = data::epochs_refused(&included.block, &included.events)?;
		for epoch in epochs.iter().flat_map(|(_, epochs)| epochs) {
			let sale = epoch.terms.offer.terms.sale_id(&self.genesis);
			if !taken.contains(&sale) && !refused.iter().any(|(known, _)| *known == sale) {
				refused.push((sale, "its whole subscription was refused".into()));
			}
		}
		Ok(refused)
	}

	async fn settle(&self, sales: &[SaleId]) -> Result<()> {
		let chain = self.chain();
		chain.submit_repeatable(&self.key, &data::settle(sales)).await?;
		Ok(())
	}

	async fn reconnect(&self) -> Result<()> {
		let chain = Chain::connect(&self.url).await?;
		chain.expect_genesis("this seller", &self.genesis)?;
		let chain = Arc::new(chain);
		*self
			.chain
			.write()
			.map_err(|_| Error::Node("the connection cannot be replaced: start again".into()))? = chain;
		Ok(())
	}
}
