//! What the seller signs.

use crate::{BlindedKey, SaleRange};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use m2m_device::{AccountId, DeviceId, DevicePublic, DeviceSignature};
use scale_info::TypeInfo;
use sp_core::H256;
use sp_crypto_hashing::blake2_256;

/// First bytes of the signed payload.
pub const TERMS_TAG: &[u8] = b"m2m/sale-terms/v1";

/// Number of a listing.
pub type ListingId = u32;

/// The id of a sale: the hash of the bytes that its seller signed. The same terms are never two sales.
pub type SaleId = H256;

/// The terms of one sale. Their SCALE encoding is the fixed 304 bytes that follow the genesis hash in
/// [`SaleTerms::signed_bytes`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SaleTerms {
	/// The listing under which this is sold.
	pub listing: ListingId,
	/// Version of the listing; any change to it makes another.
	pub version: u32,
	/// The device that measured.
	pub device: DeviceId,
	/// How often the device had changed its owner when the readings were offered.
	pub generation: u32,
	/// What is sold.
	pub range: SaleRange,
	/// Which anchors carry the range: [`crate::SoldAnchors::commitment`].
	pub range_commitment: H256,
	/// Number of leaves `n`, at least 1.
	pub leaves: u32,
	/// Who is paid.
	pub seller: AccountId,
	/// Who may buy on these terms.
	pub buyer: AccountId,
	/// Price of the whole range, in the smallest unit of the token.
	pub price: u128,
	/// Root of the tree over the pair leaves.
	pub sale_root: H256,
	/// [`BlindedKey::commitment`] of the key that the seller will reveal.
	pub blinded_key_commitment: H256,
	/// [`crate::Blind::commitment`] of the buyer's half of the key.
	pub blind_commitment: H256,
	/// Blocks, after the purchase, in which the key may be revealed.
	pub reveal_window: u32,
	/// Blocks, after the key was revealed, in which evidence is heard.
	pub dispute_window: u32,
	/// The seller uses none twice, so that no two offers are alike.
	pub nonce: u64,
	/// Number of the last block in which these terms can be bought.
	pub expires: u32,
}

impl SaleTerms {
	/// The bytes to sign, 353 of them, without gaps:
	///
	/// | offset | bytes | content |
	/// |---|---|---|
	/// | 0 | 17 | `m2m/sale-terms/v1` |
	/// | 17 | 32 | genesis hash |
	/// | 49 | 4 | listing |
	/// | 53 | 4 | version of the listing |
	/// | 57 | 32 | device id |
	/// | 89 | 4 | generation of the device |
	/// | 93 | 4 | stream |
	/// | 97 | 8 | first leaf: sequence number |
	/// | 105 | 4 | first leaf: index |
	/// | 109 | 8 | last leaf: sequence number |
	/// | 117 | 4 | last leaf: index |
	/// | 121 | 32 | range commitment |
	/// | 153 | 4 | number of leaves |
	/// | 157 | 32 | seller |
	/// | 189 | 32 | buyer |
	/// | 221 | 16 | price |
	/// | 237 | 32 | sale root |
	/// | 269 | 32 | commitment to the blinded key |
	/// | 301 | 32 | commitment to the blind |
	/// | 333 | 4 | reveal window, blocks |
	/// | 337 | 4 | dispute window, blocks |
	/// | 341 | 8 | nonce |
	/// | 349 | 4 | expiry, block number |
	///
	/// Integers are little-endian.
	pub fn signed_bytes(&self, genesis: &[u8; 32]) -> Vec<u8> {
		let mut bytes = Vec::with_capacity(353);
		bytes.extend_from_slice(TERMS_TAG);
		bytes.extend_from_slice(genesis);
		// Every field has a fixed width and SCALE writes it as the table says; the golden vectors hold it to
		// that.
		self.encode_to(&mut bytes);
		bytes
	}

	/// The id of the sale on these terms, on the chain with this genesis hash: blake2-256 of the signed
	/// bytes.
	pub fn sale_id(&self, genesis: &[u8; 32]) -> SaleId {
		H256(blake2_256(&self.signed_bytes(genesis)))
	}

	/// The seller's half of the key for these terms: `H(0x11 || seller_secret || draft id)`, the draft being
	/// these terms with sale root and commitment to the blinded key set to zero.
	///
	/// So it is ready before the leaves are sealed, differs for any two offers, and a seller that kept the
	/// terms finds it again after a restart. `seller_secret` is 32 random bytes of the seller's own, used for
	/// nothing else.
	pub fn blinded_key(&self, genesis: &[u8; 32], seller_secret: &[u8; 32]) -> BlindedKey {
		let draft = Self {
			sale_root: H256::zero(),
			blinded_key_commitment: H256::zero(),
			..self.clone()
		};
		let mut input = [0x11; 65];
		input[1..33].copy_from_slice(seller_secret);
		input[33..].copy_from_slice(draft.sale_id(genesis).as_bytes());
		BlindedKey(blake2_256(&input))
	}
}

/// Terms with the signature that makes them an offer.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SignedTerms {
	/// The terms.
	pub terms: SaleTerms,
	/// The key that signs. Whether it may sell for the seller is for the chain to say.
	pub signer: DevicePublic,
	/// Its signature over [`SaleTerms::signed_bytes`].
	pub signature: DeviceSignature,
}

impl SignedTerms {
	/// True if the signature is the signer's over these terms on the chain with this genesis hash.
	pub fn verify(&self, genesis: &[u8; 32]) -> bool {
		self.signer
			.verify(&self.terms.signed_bytes(genesis), &self.signature)
	}
}

/// First bytes of what a subscriber signs.
pub const COUNTERSIGN_TAG: &[u8] = b"m2m/sale-epoch/v1";

/// Terms of one epoch of a subscription, signed by both sides: the subscriber has checked the sealed leaves and
/// will pay for the key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct CountersignedTerms {
	/// The seller's offer.
	pub offer: SignedTerms,
	/// The key with which the subscriber signs.
	pub subscriber: DevicePublic,
	/// Its signature over [`CountersignedTerms::signed_bytes`].
	pub countersignature: DeviceSignature,
}

impl CountersignedTerms {
	/// The 85 bytes that the subscriber signs: `m2m/sale-epoch/v1` (17), genesis hash (32), number of the
	/// subscription (4, little-endian), id of the sale (32). The id fixes the terms, their expiry and nonce.
	pub fn signed_bytes(genesis: &[u8; 32], subscription: u32, sale: &SaleId) -> Vec<u8> {
		let mut bytes = Vec::with_capacity(85);
		bytes.extend_from_slice(COUNTERSIGN_TAG);
		bytes.extend_from_slice(genesis);
		bytes.extend_from_slice(&subscription.to_le_bytes());
		bytes.extend_from_slice(sale.as_bytes());
		bytes
	}

	/// True if the countersignature is the subscriber key's, for this subscription and these terms. Says nothing
	/// about the seller's signature.
	pub fn is_countersigned(&self, genesis: &[u8; 32], subscription: u32) -> bool {
		let sale = self.offer.terms.sale_id(genesis);
		self.subscriber.verify(
			&Self::signed_bytes(genesis, subscription, &sale),
			&self.countersignature,
		)
	}
}
