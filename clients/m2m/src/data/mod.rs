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

pub mod buyer;
pub mod check;
pub mod client;
pub mod protocol;
pub mod purchases;
pub mod vault;
