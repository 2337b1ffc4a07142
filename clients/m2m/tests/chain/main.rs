//! The client against running nodes, and against sellers and chains that misbehave. One program, so that what all of
//! them need is compiled and linked once.

mod community;
mod control;
mod data;
mod fleet;
mod market;
mod node;
mod selling;
mod standing;
mod support;
