//! A seller that seals one reading other than the anchored one, and signs for it.

use m2m::data::{
	goods::Answer,
	market::Market,
	protocol::{
		AnchorChunk, Countersigned, Health, LEAF_BYTES, LEAVES_PER_CHUNK, Quote, QuoteRequest, Taken,
		decode_leaves,
	},
	seller::Seller,
	service::Offers,
	vault::SaleRecord,
};
use m2m_fair_exchange::{SaleId, SaleTerms, SignedTerms, SoldAnchor, SoldAnchors};
use m2m_merkle::DataTree;
use sp_core::H256;
use std::sync::Arc;

/// What an honest seller says, but for one reading in each delivery, which is off by 1. It signs with the key in the
/// vault.
pub struct Cheat<M> {
	/// The honest one, which also reveals the keys.
	pub seller: Arc<Seller<M>>,
	/// Position of the reading in the sale.
	pub position: u32,
}

impl<M> Clone for Cheat<M> {
	fn clone(&self) -> Self {
		Self {
			seller: Arc::clone(&self.seller),
			position: self.position,
		}
	}
}

impl<M: Market> Cheat<M> {
	fn falsify(&self, chunk: u32, leaves: &mut [u8]) {
		let Some(at) = self.position.checked_sub(chunk * LEAVES_PER_CHUNK) else {
			return;
		};
		// The plaintext is salt (16), time (8), value (8, little-endian); a bit of the ciphertext is a bit of it.
		if let Some(byte) = leaves.get_mut(at as usize * LEAF_BYTES + 24) {
			*byte ^= 1;
		}
	}
}

impl<M: Market> Offers for Cheat<M> {
	fn health(&self) -> Health {
		self.seller.health()
	}

	async fn quote(&self, request: QuoteRequest) -> Answer<Quote> {
		let genesis = request.genesis.0;
		let honest = self.seller.quote(request).await?;
		let sale = honest.offer.terms.sale_id(&genesis);
		let mut anchors = Vec::new();
		for chunk in 0.. {
			if anchors.len() == honest.anchors as usize {
				break;
			}
			let proofs = self.seller.anchors(sale, chunk).await?.proofs;
			anchors.extend(proofs.into_iter().map(|proof| SoldAnchor {
				seq: proof.seq,
				count: proof.anchor.count(),
				data_root: proof.anchor.data_root,
			}));
		}
		let mut leaves = Vec::new();
		for chunk in 0..honest.offer.terms.leaves.div_ceil(LEAVES_PER_CHUNK) {
			let mut bytes = self.seller.leaves(sale, chunk).await?;
			self.falsify(chunk, &mut bytes);
			leaves.extend(decode_leaves(&bytes).unwrap());
		}
		let sold = SoldAnchors::new(&honest.offer.terms.range, &anchors).unwrap();
		let pairs = (0u32..)
			.zip(sold.places())
			.zip(&leaves)
			.map(|((position, place), leaf)| leaf.pair(position, place))
			.collect();
		let terms = SaleTerms {
			sale_root: H256(DataTree::new(pairs).unwrap().root()),
			..honest.offer.terms
		};
		let key = self.seller.vault().terms_key();
		let offer = SignedTerms {
			signer: key.public(),
			signature: key.sign(&terms.signed_bytes(&genesis)),
			terms,
		};
		let record = SaleRecord {
			offer: offer.clone(),
			..self.seller.vault().sale(&sale)?.unwrap()
		};
		self.seller.remember(&record)?;
		Ok(Quote { offer, ..honest })
	}

	async fn epoch(&self, request: Countersigned) -> Answer<Taken> {
		self.seller.epoch(request).await
	}

	async fn anchors(&self, sale: SaleId, chunk: u32) -> Answer<AnchorChunk> {
		self.seller.anchors(sale, chunk).await
	}

	async fn leaves(&self, sale: SaleId, chunk: u32) -> Answer<Vec<u8>> {
		let mut leaves = self.seller.leaves(sale, chunk).await?;
		self.falsify(chunk, &mut leaves);
		Ok(leaves)
	}
}
