//! The client against running nodes. One program, so that what all of them need is compiled and linked once.

mod community;
mod control;
mod fleet;
mod market;
mod node;
mod support;
