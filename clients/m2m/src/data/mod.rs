//! The client's side of the market for readings: two programs that trade without trusting each other.
//!
//! | module | for |
//! |---|---|
//! | [`protocol`] | what buyer and seller say to each other over HTTP |

pub mod protocol;
