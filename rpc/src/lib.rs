//! JSON-RPC methods that turn our runtime APIs into what people and tools expect.

mod did;

pub use did::{Did, DidApiServer};
pub use m2m_runtime_api::DidApi as DidRuntimeApi;
