//! Tests, one file a feature.

mod aggregates;
mod budgets;
mod closing;
mod coverage;
mod disputes;
mod envelopes;
mod flags;
mod hooks;
mod model;
mod origins;
mod proofs;
mod sequences;
mod sizes;
mod streams;
mod times;
