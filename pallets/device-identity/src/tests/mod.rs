//! Tests, one file a feature.

mod accounting;
mod adding;
mod authority;
mod batches;
mod inspection;
mod invariants;
mod limits;
mod proofs;
mod registration;
mod removal;
mod retirement;
mod rotation;
mod sequences;
mod status;
mod withdrawal;
