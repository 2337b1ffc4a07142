//! The client's side of the market for readings: two programs that trade without trusting each other.
//!
//! | module | for |
//! |---|---|
//! | [`protocol`] | what buyer and seller say to each other over HTTP |
//! | [`client`] | how a buyer reaches a seller |
//! | [`check`] | what a buyer checks before it pays, and looks for afterwards |
//! | [`purchases`] | what a buyer must not forget |
//! | [`buyer`] | a purchase, from the offer to the readings or the money back |
//! | [`vault`] | what a seller keeps to itself: keys, and the sales that are open |
//! | [`goods`] | a range of readings, sealed and checked by its seller |
//! | [`market`] | what a seller asks of the chain, and does there |
//! | [`seller`] | offers, deliveries, keys and money |
//! | [`service`] | the seller's HTTP service |

pub mod buyer;
pub mod check;
pub mod client;
pub mod goods;
pub mod market;
pub mod protocol;
pub mod purchases;
pub mod seller;
pub mod service;
pub mod vault;
