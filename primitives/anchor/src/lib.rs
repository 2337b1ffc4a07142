//! What a device commits to and how the commitment travels: streams, anchors, and the signed envelopes
//! by which a gateway delivers anchors for devices that hold no tokens.
//!
//! Byte layouts are fixed here and pinned by golden vectors (`vectors/anchors.json`).

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod anchor;
pub mod envelope;
pub mod stream;

pub use anchor::{Anchor, AnchorFlags, AnchorProof, AnchorRecord, ProofFault, Summary};
pub use envelope::{AnchorItem, MAX_ITEMS, SignedAnchors};
pub use stream::{
	AnchoredReadings, Coverage, OnAnchored, StreamDetails, StreamId, StreamInspect, StreamKind, StreamSpec,
	Unit,
};
