//! JSON-RPC methods that turn our runtime APIs into what people and tools expect. `docs/rpc.md` lists them.

mod chain;
pub mod data;
mod did;
pub mod energy;

pub use chain::ReadError;
pub use data::{Data, DataApiServer};
pub use did::{Did, DidApiServer};
pub use energy::{Energy, EnergyApiServer};
pub use m2m_runtime_api::{
	DataApi as DataRuntimeApi, DidApi as DidRuntimeApi, EnergyApi as EnergyRuntimeApi,
};
