//! What makes our SQL PostgreSQL's on every door: statement parsing, normalization, functions, `pg_catalog` and
//! `information_schema`.
//!
//! Pure: no sockets, no files, no clock other than `clock_timestamp()`. It knows nothing of access rules: it is told
//! what one identity may see. Start reading at [`parse`], then [`CatalogSnapshot`].

mod catalog;
mod command;
mod dialect;
mod functions;
mod names;
mod object_names;
mod parse;
mod rewrite;
mod session_facts;
mod unknowns;
mod versions;

pub use catalog::{
    COMMENT_FUNCTIONS, CatalogNeeds, CatalogSnapshot, Comments, DatabaseEntry, DescribedTable, PG_TYPE_METADATA,
    RelationKind, RoleEntry, SchemaEntry, TableEntry, TableRows, format_type, needs_catalog, system_batch,
    system_schema, system_table_names, type_modifier, type_oid, type_oid_of_name,
};
pub use command::{
    Command, CopyFormat, CopyOptions, CopyTo, Declare, DiscardKind, Explain, ExplainFormat, FetchCount, FetchDirection,
    ForceQuote, IsolationLevel, OtherKind, ParsedStatement, TransactionModes,
};
pub use dialect::LakegateDialect;
pub use functions::{
    NUMERIC_DIVIDE, STATEMENT_TIMESTAMP, aggregate_functions, numeric_divide, operators, relation_oid,
    scalar_functions, session_functions, sum,
};
pub use names::{quote_identifier, quote_literal, split_name};
pub use object_names::{object_name, show_object_names};
pub use parse::{Limits, parse, parse_question_marks};
pub use rewrite::{display_name, rewrite, settings_written};
pub use session_facts::{KnownComments, SERVER_VERSION, SessionFacts};
pub use unknowns::{is_comparison, resolve_unknowns};
pub use versions::{VersionAsked, take_table_versions};

#[cfg(test)]
mod client_tests;
