//! Sales from the offer to the dispute.

mod buying;
mod claims;
mod disputes;
mod golden;
mod reference;
mod sale;
mod secrecy;
mod selling;
