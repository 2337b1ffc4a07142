//! W3C decentralized identifiers of devices, `did:m2m:<network>:<address>`, and the documents they resolve to.
//!
//! The chain answers with a [`DidRecord`]: what the document shows, and nothing else. Everything that is text, which
//! is the identifier, the keys as Multikey and the JSON of document and resolution result, is made from that record
//! outside of the runtime, by the node's RPC and by clients alike (feature `std`). The method is specified in
//! `docs/did.md`; `vectors/documents.json` pins a document for each state of a device.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod record;

#[cfg(feature = "std")]
mod document;
#[cfg(feature = "std")]
mod network;
#[cfg(feature = "std")]
mod resolution;

pub use record::{DidKey, DidRecord, KeyState};

#[cfg(feature = "std")]
pub use document::{Context, DidDocument, DocumentService, VerificationMethod, multikey};
#[cfg(feature = "std")]
pub use network::{METHOD, Network};
#[cfg(feature = "std")]
pub use resolution::{DocumentMetadata, MethodMetadata, Resolution, ResolutionError, ResolutionMetadata};
