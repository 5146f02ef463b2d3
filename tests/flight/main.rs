//! The Flight front end, through a socket: a driver's view and a raw view.

mod handles;
mod hostile;
mod login;
mod metadata;
mod prepared;
mod query;
mod sessions;
mod streaming;
mod tls;
mod world;
