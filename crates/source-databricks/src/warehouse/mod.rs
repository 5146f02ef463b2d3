//! SQL warehouses, over the Statement Execution API 2.0.
//!
//! <https://docs.databricks.com/api/workspace/statementexecution>

mod as_text;
mod chunks;
mod decode;
mod engine;
mod failure;
mod in_order;
mod model;
mod parameters;
mod rows;
mod statement;

pub use self::engine::{WarehouseEngine, WarehouseOptions, warehouse_id};
