//! Shared by all system tests.

pub mod certificate;
pub mod data;
pub mod demo_tables;
pub mod flight_server;
pub mod memory_source;
pub mod server;
pub mod transport;
pub mod transport_binary;
pub mod transport_embedded;
pub mod transport_flight;
pub mod transport_grpc_record;
pub mod transport_recorder;
pub mod transport_rest;
pub mod transport_rest_json;
pub mod transport_wire;
