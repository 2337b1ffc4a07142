//! Sales of readings in which the buyer gets exactly what the device anchored, or the money back, and no
//! third party sees the readings.
//!
//! A sale covers one range of one stream, over as many anchors as it takes ([`SaleRange`], [`SoldAnchors`]).
//! Before any money moves the buyer holds every leaf **sealed**: encrypted, beside the leaf hash that the
//! device anchored. The seller has signed that each ciphertext opens to that leaf ([`SaleTerms`]), so one
//! leaf that does not is enough to convict it ([`SaleEvidence`]), in a proof of a few hundred bytes and at
//! most 40 hashes.
//!
//! # A sale, step by step
//! 1. The buyer draws a fresh [`Blind`] `z` and sends it to the seller, sealed to the seller's encryption
//!    key.
//! 2. The seller fills in the [`SaleTerms`], derives the [`BlindedKey`] `k'` from them
//!    ([`SaleTerms::blinded_key`]), seals the range ([`Sealer`]), adds sale root and commitments, and signs.
//!    Before signing it runs the steps 3 and 5 over what it stored: a seller that signs for a damaged file
//!    convicts itself.
//! 3. The buyer checks signature and terms, and with [`Checker`] that every leaf hash is anchored, that the
//!    leaves are exactly the range, and that the sale root is theirs. Nothing has been paid.
//! 4. The buyer's money is held on chain; the seller publishes `k'`. It opens nothing without `z`.
//! 5. The buyer opens the leaves ([`Opener`]). A leaf that does not open is shown to the chain as
//!    [`SaleEvidence`].
//!
//! # Formats
//! `H` is blake2-256; integers are little-endian. Every hash input starts with a tag of one byte, so that no
//! leaf can pass for a node; `0x00` (reading leaf `h`) and `0x09` (node) are those of `m2m-merkle`.
//!
//! ```text
//! range          first (seq, index) .. last (seq, index), n leaves; their positions s = 0..n-1 run on from
//!                one anchor to the next, in order of seq
//! plaintext      m_s = salt (16) || time (8) || value (8)
//! sealed leaf    c_s = m_s XOR H(0x04 || k || s || 0)         k = k' XOR z
//! sale root      plain Merkle tree over p_0 .. p_{n-1}, with the nodes and the shape of a data tree
//! ```
//!
//! | tag | hash of | bytes after the tag |
//! |---|---|---|
//! | `0x02` | pair leaf `p_s` | s (4), seq (8), index (4), h (32), hash of the sealed leaf (32) |
//! | `0x03` | sealed leaf | c_s (32) |
//! | `0x04` | keystream | k (32), s (4), zero (4) |
//! | `0x0a` | commitment to the blinded key | k' (32) |
//! | `0x0f` | commitment to the blind | z (32) |
//! | `0x10` | leaf of the range commitment | seq (8), count (8), data root (32) |
//! | `0x11` | derivation of the blinded key | seller's secret (32), id of the draft terms (32) |
//!
//! The **range commitment** is the root of a data tree over one leaf per anchor of the range, in order of
//! seq. It fixes which anchors the sale is over, whatever arrives on chain later between them. The signed
//! bytes of the terms are in [`SaleTerms::signed_bytes`]. Pinned by `vectors/terms.json`, and the sales by
//! `m2m-merkle`'s `vectors/commitments.json`.
//!
//! # Why an honest seller is never convicted
//! Suppose evidence convicts, and no two inputs with one hash are known. The id of the sale fixes the terms,
//! hence sale root, n and both commitments; these fix `k'` and `z`, hence `k`. Go down from the sale root
//! along the sides of (s, n): each step shows an input that begins with `0x09`, so the honest node there is
//! no pair leaf (those begin with `0x02`), and has the same children. The way is the one of leaf `s` in the
//! tree of `n`, so the last input is the honest pair leaf `s`: seq, index, `h` and the hash of `c_s`, hence
//! `c_s`, are the honest ones. An honest `c_s` opens under `k` to the salt and reading of which `h` is the
//! leaf hash at that index: nothing to convict.
//!
//! # Around a sale
//! A listing may promise something of the readings themselves; leaves that open refute it ([`claims`]). An
//! epoch of a subscription is a sale whose terms the subscriber signs too ([`CountersignedTerms`]). What a
//! chain keeps of all this is in [`market`].
//!
//! # What this does not do
//! - The terms prove what the seller signed, not that the price is fair or the listing true.
//! - `h` is compared with the anchors by the buyer, before paying, and never by the chain. A buyer that skips
//!   [`Checker`] pays for whatever the seller made up.
//! - Secrecy before payment rests on blake2-256 as a pseudo-random function under a fresh secret `k`; no test
//!   shows it. What the sealed leaves do show: how many readings there are, where they are anchored, and
//!   their salted hashes.
//! - Readings, once opened, can be passed on by the buyer.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod check;
pub mod claims;
pub mod evidence;
mod frontier;
pub mod key;
pub mod leaf;
pub mod market;
pub mod range;
pub mod seal;
pub mod terms;

pub use check::{Checker, DeliveryFault, Edges, OpenFault, Opened, Opener};
pub use claims::{Claim, ClaimEvidence, ClaimFault, ClaimKind, Claims};
pub use evidence::{MAX_PATH, NotGuilty, SaleEvidence, SoldLeaf};
pub use key::{Blind, BlindedKey, SealingKey};
pub use leaf::SealedLeaf;
pub use range::{Place, RangeFault, SaleRange, SoldAnchor, SoldAnchors};
pub use seal::{SealFault, Sealer};
pub use terms::{CountersignedTerms, ListingId, SaleId, SaleTerms, SignedTerms};
