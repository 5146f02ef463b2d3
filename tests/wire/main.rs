//! The PostgreSQL front end, through a socket: a driver's view, a raw view, and psql's.

mod cancel;
mod driver;
mod hazards;
mod login;
mod psql;
mod random_bytes;
mod raw;
mod streaming;
mod tables;
