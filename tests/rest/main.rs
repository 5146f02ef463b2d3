//! The REST front end, through a socket.

mod access;
mod bad_input;
mod filters;
mod pages;
mod queries;
mod routes;
mod streaming;
mod tables;
mod tls;
