//! Tests, one file a feature.

mod bucket;
mod budget;
mod budgets;
mod invariants;
mod limits;
mod model;
mod offers;
mod payers;
mod pruning;
mod reads;
mod wire;
