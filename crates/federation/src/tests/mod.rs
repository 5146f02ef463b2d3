//! Tests of what is pushed: queries and the statements that are made of them.

mod cuts;
mod refusals;
mod rules;
mod statements;
mod world;
