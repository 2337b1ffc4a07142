//! What buyer and seller say to each other over HTTP before anything is on chain.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/health` | [`Health`], JSON |
//! | `POST /v1/quote` with a [`QuoteRequest`], JSON | [`Quote`], JSON |
//! | `POST /v1/epoch` with [`Countersigned`], JSON | [`Taken`], JSON |
//! | `GET /v1/delivery/{sale}/anchors/{chunk}` | [`AnchorChunk`], SCALE |
//! | `GET /v1/delivery/{sale}/leaves/{chunk}` | sealed leaves, 64 bytes each ([`m2m_fair_exchange::SealedLeaf`]) |
//!
//! Paths follow the endpoint of the listing, which may end in `/` or not. `{sale}` is the id of the sale,
//! [`m2m_fair_exchange::SaleTerms::sale_id`], as `0x` and 64 hex digits; chunks count from 0. The leaves of a
//! delivery are the same bytes whenever they are asked for, so that a download goes on where it was cut off, also
//! after a restart of the seller. A delivery is there until its terms expire, or if they were bought until the sale
//! is over.
//!
//! A subscriber that has checked a delivery countersigns it instead of buying it: then the seller sells it as an epoch
//! of the subscription. The same countersignature may be sent any number of times.
//!
//! Anything else than 200 comes with a [`Refused`], JSON. Text is UTF-8; hashes and other bytes in JSON are `0x` and
//! hex digits.
//!
//! Nothing here needs to be secret on its way: the blind is sealed to the seller's key, and the leaves open with
//! nothing less than both halves of the key. Who offers the service to the world puts a TLS proxy before it all the
//! same, so that nobody sees who asks for what.

use crate::{Error, Result};
use codec::{Decode, DecodeAll, Encode};
use crypto_box::{PublicKey, SecretKey, aead::OsRng};
use m2m_anchor::AnchorProof;
use m2m_device::{AccountId, DevicePublic, DeviceSignature, UnixMs};
use m2m_fair_exchange::{Blind, Edges, ListingId, SaleId, SealedLeaf, SignedTerms, market::SubscriptionId};
use serde::{Deserialize, Serialize};
use sp_core::H256;

/// Says that the seller is there.
pub const HEALTH_PATH: &str = "/v1/health";
/// Takes requests for an offer.
pub const QUOTE_PATH: &str = "/v1/quote";
/// Takes countersignatures.
pub const EPOCH_PATH: &str = "/v1/epoch";
/// What belongs to one offer lies below.
pub const DELIVERY_PATH: &str = "/v1/delivery/";
/// Content type of [`AnchorChunk`]s and leaves.
pub const BINARY: &str = "application/octet-stream";
/// Content type of everything else.
pub const JSON: &str = "application/json";

/// Longest body of a request.
pub const MAX_REQUEST_BYTES: usize = 4096;
/// Longest answer in JSON.
pub const MAX_JSON_BYTES: usize = 16 * 1024;
/// Longest answer in binary form.
pub const MAX_CHUNK_BYTES: usize = 1024 * 1024;
/// Most leaves in one offer.
pub const MAX_LEAVES: u32 = 1 << 20;
/// Most anchors in one offer.
pub const MAX_ANCHORS: u32 = 4096;
/// Leaves in a chunk, but for the last one. They take [`MAX_CHUNK_BYTES`].
pub const LEAVES_PER_CHUNK: u32 = 16_384;
/// Anchors in a chunk, but for the last one.
pub const ANCHORS_PER_CHUNK: u32 = 64;
/// Bytes of a sealed leaf.
pub const LEAF_BYTES: usize = 64;

/// A blind, sealed to the seller's X25519 key as libsodium's `crypto_box_seal` does: ephemeral public key (32), tag
/// (16), ciphertext (32).
pub type SealedBlind = [u8; 80];

/// The seller is there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Health {
	/// Hash of the chain's first block.
	#[serde(with = "scale_hex")]
	pub genesis: H256,
	/// Number of the finalized block that the seller has seen last.
	pub finalized: u32,
	/// Listings under which it sells.
	pub listings: Vec<ListingId>,
	/// X25519 key to which blinds are sealed.
	#[serde(with = "scale_hex")]
	pub sealing_key: [u8; 32],
}

/// Which readings a buyer asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, Encode)]
#[serde(rename_all = "snake_case", tag = "by", deny_unknown_fields)]
pub enum RequestedRange {
	/// All readings of a time.
	#[codec(index = 0)]
	Time {
		/// Time of the earliest one, unix milliseconds.
		from: UnixMs,
		/// Time before which the last one lies.
		until: UnixMs,
	},
	/// All readings from one place to another, both included.
	#[codec(index = 1)]
	Places {
		/// Sequence number of the anchor with the first reading.
		first_seq: u64,
		/// Index of that reading in it.
		first_index: u32,
		/// Sequence number of the anchor with the last reading.
		last_seq: u64,
		/// Index of that reading in it.
		last_index: u32,
	},
}

/// Asks for an offer. Device and stream are those of the listing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, Encode)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
	/// Hash of the chain's first block.
	#[serde(with = "scale_hex")]
	pub genesis: H256,
	/// The listing.
	pub listing: ListingId,
	/// Its version, as the buyer has read it.
	pub version: u32,
	/// What the buyer wants.
	pub range: RequestedRange,
	/// Who will buy.
	#[serde(with = "scale_hex")]
	pub buyer: AccountId,
	/// The buyer's half of the key, fresh for this request: [`seal_blind`].
	#[serde(with = "scale_hex")]
	pub sealed_blind: SealedBlind,
	/// Random. The same request with the same nonce has the same answer while the offer is open, so that a request
	/// whose answer was lost is sent again; another request needs another nonce.
	#[serde(with = "scale_hex")]
	pub nonce: [u8; 16],
}

/// An offer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quote {
	/// The signed terms, SCALE. Their sale id names the delivery.
	#[serde(with = "scale_hex")]
	pub offer: SignedTerms,
	/// Number of anchors that carry the range.
	pub anchors: u32,
	/// Joins the leaves to the data roots at both ends of the range, SCALE.
	#[serde(with = "scale_hex")]
	pub edges: Edges,
}

/// A subscriber's countersignature to an offer: it has checked the delivery, and pays for the key from its
/// subscription.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Countersigned {
	/// Hash of the chain's first block.
	#[serde(with = "scale_hex")]
	pub genesis: H256,
	/// The subscription.
	pub subscription: SubscriptionId,
	/// The offer.
	#[serde(with = "scale_hex")]
	pub sale: SaleId,
	/// The key that countersigns.
	#[serde(with = "scale_hex")]
	pub subscriber: DevicePublic,
	/// Its signature over [`m2m_fair_exchange::CountersignedTerms::signed_bytes`].
	#[serde(with = "scale_hex")]
	pub countersignature: DeviceSignature,
}

/// The seller has stored a countersignature and will deliver, if the chain takes the epoch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
	/// The offer.
	#[serde(with = "scale_hex")]
	pub sale: SaleId,
	/// Last block in which it can be delivered.
	pub expires: u32,
}

/// Some of the anchors that carry the range, in order of sequence numbers, with proofs that lead to the stream's
/// mountain range as it is after a finalized block. The buyer takes the root from that block, or the anchors
/// themselves from its state, and believes nothing else.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct AnchorChunk {
	/// Number of the block.
	pub block: u32,
	/// Its hash.
	pub hash: H256,
	/// The anchors.
	pub proofs: Vec<AnchorProof>,
}

/// Why a seller refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Refusal {
	/// The request cannot be read.
	BadRequest,
	/// There is nothing at this path.
	NotFound,
	/// The path takes another method.
	MethodNotAllowed,
	/// The request did not arrive in time.
	TooSlow,
	/// The request is longer than [`MAX_REQUEST_BYTES`].
	TooLarge,
	/// The peer asks too often.
	TooManyRequests,
	/// The seller has too much to do now.
	Busy,
	/// The seller's own store, chain or vault fails.
	SellerFault,
	/// The request is for another chain.
	WrongChain,
	/// The seller does not sell under this listing.
	UnknownListing,
	/// The listing has another version.
	StaleVersion,
	/// Nothing can be sold under this listing now.
	NotForSale,
	/// The seller's bond does not cover another sale.
	BondTooSmall,
	/// The seller does not buy from itself.
	BuyerIsSeller,
	/// The blind is not sealed to the seller's key.
	BlindUnreadable,
	/// The seller has no such readings to sell, or not in one piece.
	RangeNotAvailable,
	/// The range has more than [`MAX_LEAVES`] readings or [`MAX_ANCHORS`] anchors.
	RangeTooLong,
	/// The range is worth less than the smallest price of a sale.
	PriceTooLow,
	/// Another request had this nonce.
	NonceUsed,
	/// There is no such delivery, or not any more.
	UnknownDelivery,
	/// The delivery has fewer chunks.
	NoSuchChunk,
	/// The chain has no such subscription.
	UnknownSubscription,
	/// The countersignature is not by the subscription's signer, or the offer is another subscription's.
	NotCountersigned,
	/// The offer is not for this subscription, or the subscription does not pay for it.
	NotCovered,
	/// There is no time left to deliver.
	TooLate,
}

impl Refusal {
	/// The HTTP status that goes with it.
	pub fn status(self) -> u16 {
		match self {
			Self::BadRequest
			| Self::BuyerIsSeller
			| Self::BlindUnreadable
			| Self::PriceTooLow
			| Self::NotCountersigned => 400,
			Self::NotFound
			| Self::UnknownListing
			| Self::RangeNotAvailable
			| Self::UnknownDelivery
			| Self::NoSuchChunk
			| Self::UnknownSubscription => 404,
			Self::MethodNotAllowed => 405,
			Self::TooSlow => 408,
			Self::WrongChain
			| Self::StaleVersion
			| Self::NotForSale
			| Self::NonceUsed
			| Self::NotCovered
			| Self::TooLate => 409,
			Self::TooLarge | Self::RangeTooLong => 413,
			Self::TooManyRequests => 429,
			Self::SellerFault => 500,
			Self::Busy | Self::BondTooSmall => 503,
		}
	}
}

/// A refusal, with a sentence that says what to do next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refused {
	/// Its name.
	pub error: Refusal,
	/// What is wrong and what to do.
	pub message: String,
	/// Seconds after which it makes sense to ask again, if that helps; also in the header `Retry-After`.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub retry_after_s: Option<u64>,
	/// What went wrong inside the seller. It stays there.
	#[serde(skip)]
	pub cause: Option<String>,
}

impl Refused {
	/// A refusal.
	pub fn new(error: Refusal, message: impl Into<String>) -> Self {
		Self {
			error,
			message: message.into(),
			retry_after_s: None,
			cause: None,
		}
	}

	/// A refusal of what can be asked again after so many seconds.
	pub fn for_now(error: Refusal, message: impl Into<String>, retry_after_s: u64) -> Self {
		Self {
			retry_after_s: Some(retry_after_s),
			..Self::new(error, message)
		}
	}
}

/// Something of the seller's own failed. What, is not the buyer's business.
impl From<Error> for Refused {
	fn from(error: Error) -> Self {
		Self {
			cause: Some(error.to_string()),
			..Self::for_now(
				Refusal::SellerFault,
				"the seller has a fault of its own: try again later",
				60,
			)
		}
	}
}

/// Path of a chunk of a delivery's anchors.
pub fn anchors_path(sale: &SaleId, chunk: u32) -> String {
	format!("{DELIVERY_PATH}{sale:?}/anchors/{chunk}")
}

/// Path of a chunk of a delivery's leaves.
pub fn leaves_path(sale: &SaleId, chunk: u32) -> String {
	format!("{DELIVERY_PATH}{sale:?}/leaves/{chunk}")
}

/// The address of a path at an endpoint, which is that of a listing.
pub fn address(endpoint: &str, path: &str) -> String {
	format!("{}{path}", endpoint.trim_end_matches('/'))
}

/// Reads a chunk of leaves; `None` if it is not a whole number of them.
pub fn decode_leaves(bytes: &[u8]) -> Option<Vec<SealedLeaf>> {
	let (leaves, rest) = bytes.as_chunks::<LEAF_BYTES>();
	if !rest.is_empty() {
		return None;
	}
	leaves
		.iter()
		.map(|leaf| SealedLeaf::decode_all(&mut leaf.as_slice()).ok())
		.collect()
}

/// Seals a blind to the seller's X25519 key.
///
/// # Errors
/// [`Error::Unknown`]: the key of the listing is none that anything can be sealed to.
pub fn seal_blind(blind: &Blind, sealing_key: &[u8; 32]) -> Result<SealedBlind> {
	PublicKey::from(*sealing_key)
		.seal(&mut OsRng, &blind.0)
		.ok()
		.and_then(|sealed| sealed.try_into().ok())
		.ok_or_else(|| Error::Unknown("nothing can be sealed to the key of that listing".into()))
}

/// Opens a sealed blind with the seller's X25519 secret. `None` if it was sealed to another key, or changed on its
/// way.
pub fn open_blind(sealed: &SealedBlind, secret: &[u8; 32]) -> Option<Blind> {
	let opened = SecretKey::from(*secret).unseal(sealed).ok()?;
	Some(Blind(opened.try_into().ok()?))
}

/// SCALE-encoded values as `0x` and hex digits.
pub mod scale_hex {
	use codec::{DecodeAll, Encode};
	use serde::{Deserialize, Deserializer, Serializer, de::Error};

	/// Writes a value.
	pub fn serialize<T: Encode, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
		to.serialize_str(&format!("0x{}", hex::encode(value.encode())))
	}

	/// Reads a value, all of it.
	pub fn deserialize<'de, T: DecodeAll, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
		let text = String::deserialize(from)?;
		let bytes = text
			.strip_prefix("0x")
			.and_then(|digits| hex::decode(digits).ok())
			.ok_or_else(|| D::Error::custom("this is not 0x and hex digits"))?;
		T::decode_all(&mut bytes.as_slice())
			.map_err(|_| D::Error::custom("these bytes are not what they should be"))
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::keys::{Key, Scheme};

	#[test]
	fn a_blind_opens_with_the_right_key_only_and_unchanged_only() {
		let secret = SecretKey::generate(&mut OsRng);
		let key: [u8; 32] = *secret.public_key().as_bytes();
		let blind = Blind([7; 32]);
		let sealed = seal_blind(&blind, &key).unwrap();
		assert_eq!(open_blind(&sealed, &secret.to_bytes()), Some(blind));
		assert_ne!(seal_blind(&blind, &key).unwrap(), sealed, "each sealing is fresh");
		let other = SecretKey::generate(&mut OsRng);
		assert_eq!(open_blind(&sealed, &other.to_bytes()), None);
		for at in [0, 31, 32, 47, 48, 79] {
			let mut changed = sealed;
			changed[at] ^= 1;
			assert_eq!(open_blind(&changed, &secret.to_bytes()), None, "byte {at}");
		}
	}

	#[test]
	fn a_request_reads_back_and_nothing_is_added_to_it() {
		let request = QuoteRequest {
			genesis: H256([1; 32]),
			listing: 3,
			version: 2,
			range: RequestedRange::Time { from: 5, until: 6 },
			buyer: AccountId::new([9; 32]),
			sealed_blind: [4; 80],
			nonce: [8; 16],
		};
		let text = serde_json::to_string(&request).unwrap();
		assert!(text.len() < MAX_REQUEST_BYTES);
		assert!(text.contains("\"by\":\"time\""), "{text}");
		assert_eq!(serde_json::from_str::<QuoteRequest>(&text).unwrap(), request);
		for wrong in [
			text.replace("\"listing\":3", "\"listing\":3,\"more\":1"),
			text.replace("\"from\":5", "\"from\":5,\"more\":1"),
			text.replace("\"from\":5", "\"from\":-5"),
			text.replace("0x0808", "0x08"),
			text.replace("0x0808", "0808"),
			text.replace("\"by\":\"time\"", "\"by\":\"moon\""),
		] {
			assert!(serde_json::from_str::<QuoteRequest>(&wrong).is_err(), "{wrong}");
		}
	}

	#[test]
	fn a_countersignature_reads_back_and_nothing_is_added_to_it() {
		let key = Key::generate(Scheme::Sr25519);
		let countersigned = Countersigned {
			genesis: H256([1; 32]),
			subscription: 3,
			sale: H256([2; 32]),
			subscriber: key.public(),
			countersignature: key.sign(b"an epoch"),
		};
		let text = serde_json::to_string(&countersigned).unwrap();
		assert!(text.len() < MAX_REQUEST_BYTES);
		assert_eq!(
			serde_json::from_str::<Countersigned>(&text).unwrap(),
			countersigned
		);
		for wrong in [
			text.replace("\"subscription\":3", "\"subscription\":3,\"more\":1"),
			text.replace("\"subscription\":3", "\"subscription\":-3"),
			text.replace("0x0202", "0x02"),
			text.replace("0x0202", "0202"),
			// The scheme of the key is its first byte.
			text.replace("\"subscriber\":\"0x00", "\"subscriber\":\"0x07"),
		] {
			assert_ne!(wrong, text);
			assert!(serde_json::from_str::<Countersigned>(&wrong).is_err(), "{wrong}");
		}
		let taken = Taken {
			sale: H256([2; 32]),
			expires: 7,
		};
		let text = serde_json::to_string(&taken).unwrap();
		assert_eq!(serde_json::from_str::<Taken>(&text).unwrap(), taken);
		let more = text.replace("\"expires\":7", "\"expires\":7,\"more\":1");
		assert!(serde_json::from_str::<Taken>(&more).is_err());
	}

	#[test]
	fn a_chunk_of_leaves_is_whole() {
		let leaf = SealedLeaf {
			sealed: [1; 32],
			leaf: [2; 32],
		};
		let bytes = [leaf.encode(), leaf.encode()].concat();
		assert_eq!(bytes.len(), 2 * LEAF_BYTES);
		assert_eq!(decode_leaves(&bytes).unwrap(), [leaf, leaf]);
		assert_eq!(decode_leaves(&bytes[..127]), None);
		assert_eq!(LEAVES_PER_CHUNK as usize * LEAF_BYTES, MAX_CHUNK_BYTES);
	}

	#[test]
	fn paths_follow_an_endpoint_however_it_ends() {
		let path = leaves_path(&H256([0xab; 32]), 3);
		assert_eq!(path, format!("/v1/delivery/0x{}/leaves/3", "ab".repeat(32)));
		for endpoint in ["http://a:1/x", "http://a:1/x/"] {
			assert_eq!(address(endpoint, HEALTH_PATH), "http://a:1/x/v1/health");
		}
	}
}
