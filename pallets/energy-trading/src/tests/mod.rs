//! Tests, one file a feature.

mod markets;
mod members;
mod orders;
mod parameters;
mod trading;
