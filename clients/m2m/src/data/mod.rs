//! The client's side of the market for readings: two programs that trade without trusting each other.
//!
//! | module | for |
//! |---|---|
//! | [`protocol`] | what buyer and seller say to each other over HTTP |
//! | [`vault`] | what a seller keeps to itself: keys, and the sales that are open |

pub mod protocol;
pub mod vault;
