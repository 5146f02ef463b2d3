//! The filter of a request: DreamFactory's language, read by a grammar, so that a value never becomes syntax.
//!
//! ```text
//! any        = exclusive { ( OR | "||" | NOR ) exclusive }
//! exclusive  = all { XOR all }
//! all        = not { ( AND | "&&" ) not }
//! not        = { NOT | "!" } ( "(" any ")" | comparison )
//! comparison = column ( sign value | [NOT] LIKE text | [NOT] IN "(" value { "," value } ")" | IS [NOT] NULL
//!                     | DOES [NOT] EXIST | STARTS WITH text | ENDS WITH text | CONTAINS text )
//! sign       = "=" "==" EQ | "!=" "<>" NE | ">" GT | ">=" GTE | "<" LT | "<=" LTE
//! ```
//! Columns are words, or stand in double quotes or backticks. Texts stand in single or double quotes.

mod parse;
mod token;

#[cfg(test)]
mod tests;

pub(crate) use parse::{parse, parse_order};
