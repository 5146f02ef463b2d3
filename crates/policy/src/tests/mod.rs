//! Tests that need more than one module: the rules' text, the decisions, and attacks on a running plan.

mod access;
mod attacks;
mod parse;
mod verify;
mod world;
