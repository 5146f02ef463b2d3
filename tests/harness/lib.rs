//! Shared by all system tests.

pub mod memory_source;
pub mod server;
