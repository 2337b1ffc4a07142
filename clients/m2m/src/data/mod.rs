//! The client's side of the market for readings: two programs that trade without trusting each other.
//!
//! | module | for |
//! |---|---|
//! | [`protocol`] | what buyer and seller say to each other over HTTP |
//! | [`client`] | how a buyer reaches a seller |
//! | [`check`] | what a buyer checks before it pays, and looks for afterwards |
//! | [`purchases`] | what a buyer must not forget: purchases under way, and subscriptions that it follows |
//! | [`buyer`] | a purchase, or an epoch of a subscription, from the offer to the readings or the money back |
//! | [`vault`] | what a seller keeps to itself: keys, the sales that are open, and countersignatures |
//! | [`goods`] | a range of readings, sealed and checked by its seller |
//! | [`market`] | what a seller asks of the chain, and does there |
//! | [`seller`] | offers, epochs, deliveries, keys and money |
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
