//! Tests, one file a feature.

mod accounting;
mod adding;
mod attestations;
mod authority;
mod batches;
mod budgets;
mod endings;
mod grants;
mod inspection;
mod invariants;
mod limits;
mod production;
mod proofs;
mod registration;
mod removal;
mod retirement;
mod rotation;
mod sequences;
mod services;
mod status;
mod transfer;
mod withdrawal;
