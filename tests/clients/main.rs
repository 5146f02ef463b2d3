//! Real clients: their drivers against a server, and what they were recorded to send to PostgreSQL, sent again.
//!
//! `install.sh` fetches the drivers; what is not installed is skipped aloud, and an error where CI is.

mod connection;
mod drivers;
mod external_writer;
mod readme;
mod record;
mod replay;
mod sales;
mod served;
mod slow;
mod tpch;
mod validation;
