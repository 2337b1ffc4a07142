//! The answer to the question what a DID stands for, in the form of DID Core, section 7.1.

use crate::{DidDocument, DidRecord, Network};
use m2m_device::DeviceStatus;
use serde::Serialize;

/// Media type of the documents: JSON-LD, which plain JSON readers can read too.
const CONTENT_TYPE: &str = "application/did+ld+json";

/// Result of resolving a DID. A failure is a result too: it has no document and names its error.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
	/// The document.
	pub did_document: Option<DidDocument>,
	/// About the document; empty after a failure.
	pub did_document_metadata: DocumentMetadata,
	/// About the resolution.
	pub did_resolution_metadata: ResolutionMetadata,
}

/// About a document.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentMetadata {
	/// True if the device was retired, which is for ever.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub deactivated: Option<bool>,
	/// Version of the document, see [`DidRecord::version`], as hex.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub version_id: Option<String>,
	/// What this method adds.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub method: Option<MethodMetadata>,
}

/// What DID Core has no words for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodMetadata {
	/// `active`, `suspended`, `lost` or `retired`. Only an active device has keys in use.
	pub status: &'static str,
	/// How often the owner changed.
	pub generation: u32,
	/// How often a key that signs telemetry was added or came by rotation. Attestations hold for one value of it.
	pub auth_version: u32,
}

/// About a resolution. It has either a content type or an error.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolutionMetadata {
	/// Media type of the document.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub content_type: Option<&'static str>,
	/// Name of the error, see [`ResolutionError::name`].
	#[serde(skip_serializing_if = "Option::is_none")]
	pub error: Option<&'static str>,
	/// The error as a sentence.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub message: Option<String>,
}

impl Resolution {
	/// The device was found.
	pub fn found(network: &Network, record: &DidRecord) -> Self {
		let status = match record.status {
			DeviceStatus::Active => "active",
			DeviceStatus::Suspended => "suspended",
			DeviceStatus::Lost => "lost",
			DeviceStatus::Retired => "retired",
		};
		Self {
			did_document: Some(DidDocument::new(network, record)),
			did_document_metadata: DocumentMetadata {
				deactivated: Some(record.status == DeviceStatus::Retired),
				version_id: Some(format!("{:#x}", record.version())),
				method: Some(MethodMetadata {
					status,
					generation: record.generation,
					auth_version: record.auth_version,
				}),
			},
			did_resolution_metadata: ResolutionMetadata {
				content_type: Some(CONTENT_TYPE),
				..Default::default()
			},
		}
	}

	/// There is no document.
	pub fn failed(error: &ResolutionError) -> Self {
		Self {
			did_document: None,
			did_document_metadata: DocumentMetadata::default(),
			did_resolution_metadata: ResolutionMetadata {
				error: Some(error.name()),
				message: Some(error.to_string()),
				..Default::default()
			},
		}
	}
}

/// Why a DID does not resolve.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ResolutionError {
	/// It is not a DID, or its method-specific part is not that of a device.
	#[error("the DID of a device is did:m2m:<8 hex digits>:<SS58 address>, in exactly one spelling")]
	InvalidDid,
	/// A DID, but of another method.
	#[error("only DIDs of the method m2m are resolved here")]
	MethodNotSupported,
	/// It belongs to another chain.
	#[error("the DID belongs to the network {named}, and this is the network {here}")]
	OtherNetwork {
		/// Network in the DID.
		named: String,
		/// Network of the resolver.
		here: String,
	},
	/// The chain never had this device.
	#[error("the chain knows no such device at that block")]
	UnknownDevice,
	/// The block as of which to resolve is not known here.
	#[error("this node knows no such block")]
	UnknownBlock,
	/// The resolver itself failed.
	#[error("the state cannot be read: {0}")]
	Internal(String),
}

impl ResolutionError {
	/// The name that DID Core and the DID specification registries give the error.
	pub fn name(&self) -> &'static str {
		match self {
			Self::InvalidDid => "invalidDid",
			Self::MethodNotSupported => "methodNotSupported",
			Self::OtherNetwork { .. } | Self::UnknownDevice | Self::UnknownBlock => "notFound",
			Self::Internal(_) => "internalError",
		}
	}
}
