//! Tests, one file a feature.

mod clearing;
mod credit;
mod faults;
mod markets;
mod members;
mod model;
mod orders;
mod parameters;
mod reads;
mod reports;
mod settlement;
mod sizes;
mod trading;
mod windows;
