//! Tests, one file a feature.

mod bonds;
mod claims;
mod disputes;
mod events;
mod generations;
mod listings;
mod model;
mod participants;
mod pools;
mod purchases;
mod requests;
mod sales;
mod search;
mod subscriptions;
mod windows;
