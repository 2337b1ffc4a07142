//! Configuration of the pallets, one file per concern.

pub mod accounts;
pub mod consensus;
pub mod data;
pub mod devices;
pub mod energy;
pub mod money;
pub mod sponsorship;
pub mod system;
