//! Tests, one file a feature.

mod credit;
mod markets;
mod members;
mod orders;
mod parameters;
mod reports;
mod trading;
