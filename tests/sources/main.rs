//! Sources over real tables: the Delta corpus, deltalake as the other opinion, and tables that change while open.

mod conformance;
mod corpus;
mod differential;
mod life;
mod plain_registry;
mod plans;
mod pruning;
mod reading;
mod stores;
mod vacuum;
