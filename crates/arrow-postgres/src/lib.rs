//! Arrow arrays to and from PostgreSQL's text and binary values.
//!
//! [`RowEncoder`] writes record batches as DataRow messages, [`CopyEncoder`] as CopyData messages, and
//! [`decode_parameter`] reads one bound value into a one-row array. [`pg_type`] says which PostgreSQL type stands for
//! an Arrow field. Texts are those of PostgreSQL 15 to the byte.
//!
//! The crate is pure and synchronous: no I/O, no clock, no DataFusion. It never changes a value to make it fit; what a
//! PostgreSQL type cannot hold is an error. Start reading at `type_map`, then `column`, which is the hot path.

mod calendar;
mod column;
mod copy;
mod decode;
pub mod digits;
mod error;
mod float;
mod json;
mod list;
mod numeric;
pub mod oid;
mod row;
mod scalar_text;
mod session;
#[cfg(test)]
mod tests;
mod type_map;

pub use copy::{CopyEncoder, CopyFormat, ForceQuote};
pub use decode::{ParameterValue, decode_parameter, decode_parameter_in};
pub use error::{DecodeError, EncodeError};
pub use row::{Format, RowEncoder};
pub use session::{SessionFormat, Zone};
pub use type_map::{PG_TYPE_METADATA, PgType, arrow_type, pg_type, type_name};
