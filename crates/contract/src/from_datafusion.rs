//! From DataFusion's and Arrow's errors to ours: finds our own error again wherever it travelled inside theirs, and
//! otherwise says in PostgreSQL's words what happened. Their texts list every field of a schema or quote values, so
//! a text is passed on only where its template is known to be harmless.

use std::error::Error as StdError;

use arrow_schema::ArrowError;
use datafusion_common::{DataFusionError, SchemaError};

use crate::error::{DataException, Error, ErrorKind};

/// How many links of a chain of causes are followed; DataFusion's own nesting is below ten.
const CHAIN_LENGTH_MAX: usize = 64;

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        if let Some(ours) = find_ours(&error, 0) {
            return ours.duplicate().with_source(error);
        }
        let ours = classify(&error);
        ours.with_source(error)
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        Self::from(DataFusionError::from(error))
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

/// Looks for our own error along every branch of the chain.
fn find_ours<'e>(error: &'e (dyn StdError + 'static), depth: usize) -> Option<&'e Error> {
    if depth > CHAIN_LENGTH_MAX {
        return None;
    }
    if let Some(ours) = error.downcast_ref::<Error>() {
        return Some(ours);
    }
    if let Some(DataFusionError::Collection(errors)) = error.downcast_ref::<DataFusionError>() {
        return errors.iter().find_map(|one| find_ours(one, depth + 1));
    }
    if let Some(DataFusionError::Shared(inner)) = error.downcast_ref::<DataFusionError>() {
        return find_ours(&**inner, depth + 1);
    }
    if let Some(DataFusionError::External(inner)) = error.downcast_ref::<DataFusionError>() {
        return find_ours(&**inner, depth + 1);
    }
    if let Some(DataFusionError::ArrowError(inner, _)) = error.downcast_ref::<DataFusionError>() {
        return find_ours(&**inner, depth + 1);
    }
    if let Some(ArrowError::ExternalError(inner)) = error.downcast_ref::<ArrowError>() {
        return find_ours(&**inner, depth + 1);
    }
    if let Some(io) = error.downcast_ref::<std::io::Error>()
        && let Some(inner) = io.get_ref()
    {
        return find_ours(inner, depth + 1);
    }
    find_ours(error.source()?, depth + 1)
}

fn classify(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::ArrowError(inner, _) => classify_arrow(inner),
        DataFusionError::ParquetError(_) => {
            Error::new(ErrorKind::DataCorrupted, "a data file of the table cannot be read")
                .with_hint("The file may be damaged or deleted while it was read; the server's log names it.")
        }
        DataFusionError::IoError(inner) => classify_io(inner),
        DataFusionError::SQL(inner, _) => Error::new(ErrorKind::Syntax, lower_first(&inner.to_string())),
        DataFusionError::NotImplemented(text) => not_supported(text),
        DataFusionError::Internal(text) => Error::internal(text.clone()),
        DataFusionError::Plan(text) => classify_plan(text),
        DataFusionError::Configuration(text) => Error::new(ErrorKind::InvalidParameter, lower_first(first_line(text))),
        DataFusionError::SchemaError(inner, _) => classify_schema(inner),
        DataFusionError::Execution(text) => classify_execution(text),
        DataFusionError::ExecutionJoin(inner) => Error::internal(format!("task failed: {inner}")),
        DataFusionError::ResourcesExhausted(text) => classify_resources(text),
        DataFusionError::External(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => classify(inner),
            None => match inner.downcast_ref::<ArrowError>() {
                Some(inner) => classify_arrow(inner),
                None => Error::internal(inner.to_string()),
            },
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => classify(inner),
        DataFusionError::Substrait(text) | DataFusionError::Ffi(text) => Error::internal(text.clone()),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => classify(first),
            None => Error::internal("an empty collection of errors"),
        },
        DataFusionError::Shared(inner) => classify(inner),
        DataFusionError::ObjectStore(inner) => classify_object_store(inner),
    }
}

fn classify_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::NotYetImplemented(text) => not_supported(text),
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => classify(inner),
            None => match inner.downcast_ref::<ArrowError>() {
                Some(inner) => classify_arrow(inner),
                None => Error::internal(inner.to_string()),
            },
        },
        ArrowError::CastError(text) | ArrowError::ParseError(text) => classify_cast(text),
        ArrowError::MemoryError(_) => Error::new(ErrorKind::MemoryExhausted, "out of memory"),
        ArrowError::DivideByZero => division_by_zero(),
        ArrowError::ArithmeticOverflow(_) => out_of_range(),
        ArrowError::ComputeError(text) | ArrowError::InvalidArgumentError(text) => classify_compute(text),
        ArrowError::IoError(_, inner) => classify_io(inner),
        ArrowError::ParquetError(_) => Error::new(ErrorKind::DataCorrupted, "a data file of the table cannot be read"),
        ArrowError::OffsetOverflowError(_) => Error::new(
            ErrorKind::LimitExceeded,
            "a text or binary column of one batch exceeds 2 GiB",
        ),
        ArrowError::SchemaError(text)
        | ArrowError::CsvError(text)
        | ArrowError::JsonError(text)
        | ArrowError::AvroError(text)
        | ArrowError::IpcError(text)
        | ArrowError::CDataInterface(text) => Error::internal(text.clone()),
        ArrowError::DictionaryKeyOverflowError | ArrowError::RunEndIndexOverflowError => {
            Error::internal(error.to_string())
        }
    }
}

fn classify_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            let name = match &field.relation {
                Some(relation) => format!("column {}.{} does not exist", relation.table(), field.name),
                None => format!("column \"{}\" does not exist", field.name),
            };
            Error::new(ErrorKind::UndefinedColumn, name)
        }
        SchemaError::AmbiguousReference { field } => Error::new(
            ErrorKind::AmbiguousColumn,
            format!("column reference \"{}\" is ambiguous", field.name),
        ),
        SchemaError::DuplicateQualifiedField { qualifier, .. } => Error::new(
            ErrorKind::DuplicateAlias,
            format!("table name \"{}\" specified more than once", qualifier.table()),
        )
        .with_hint("Give each table or column of that name an alias of its own."),
        SchemaError::DuplicateUnqualifiedField { name } => Error::new(
            ErrorKind::AmbiguousColumn,
            format!("column reference \"{name}\" is ambiguous"),
        )
        .with_hint("Give each column of that name an alias of its own."),
    }
}

fn classify_plan(text: &str) -> Error {
    let line = first_line(text);
    if let Some(name) = between(line, "table '", "' not found") {
        return Error::undefined_table(name.rsplit('.').next().unwrap_or(name));
    }
    if let Some(name) = between(line, "Invalid function '", "'") {
        return Error::new(ErrorKind::UndefinedFunction, format!("function {name} does not exist"))
            .with_hint("No function matches the given name.");
    }
    if line.contains("LIMIT must be") || line.contains("skip of limit must be") {
        return Error::data(DataException::InvalidRowCountInLimit, "LIMIT must not be negative");
    }
    if line.contains("OFFSET must be") {
        return Error::data(DataException::InvalidRowCountInOffset, "OFFSET must not be negative");
    }
    if line.contains("must have the same number of columns")
        || line.contains("queries have different number of columns")
    {
        return Error::new(
            ErrorKind::Syntax,
            "each UNION, INTERSECT or EXCEPT query must have the same number of columns",
        );
    }
    if line.contains("should only return one column") {
        return Error::new(ErrorKind::Syntax, "subquery must return only one column");
    }
    if line.contains("must appear in the GROUP BY clause") || line.contains("must be in GROUP BY") {
        return Error::new(
            ErrorKind::Grouping,
            "a column must appear in the GROUP BY clause or be used in an aggregate function",
        );
    }
    if line.contains("No function matches the given name and argument types")
        || line.contains("Failed to coerce arguments")
        || line.contains("does not support zero arguments")
        || line.contains("Function") && line.contains("requires")
        || line.contains("function") && line.contains("arguments")
    {
        let name = between(line, "'", "'").map_or_else(String::new, |call| format!(" {call}"));
        return Error::new(ErrorKind::UndefinedFunction, format!("function{name} does not exist")).with_hint(
            "No function matches the given name and argument types. You might need to add explicit type casts.",
        );
    }
    if line.contains("Cannot coerce")
        || line.contains("Cannot infer common argument type")
        || line.contains("type_coercion")
        || line.contains("Cannot get result type")
    {
        return Error::new(
            ErrorKind::TypeMismatch,
            "the operands of an operator have types that do not fit together",
        )
        .with_hint("You might need to add explicit type casts.");
    }
    if line.contains("Cannot cast") || line.contains("cannot cast") || line.contains("Unsupported CAST") {
        return Error::new(ErrorKind::CannotCoerce, lower_first(line));
    }
    let lower = line.to_ascii_lowercase();
    if [
        "unsupported",
        "not supported",
        "not implemented",
        "subquery",
        "correlated",
    ]
    .iter()
    .any(|word| lower.contains(word))
    {
        return not_supported(line);
    }
    if shows_internals(line) {
        return Error::unsupported("an expression or clause of the statement is not supported");
    }
    Error::new(ErrorKind::Syntax, lower_first(line))
}

/// What DataFusion does not do, without the plan or the syntax tree that it shows.
fn not_supported(text: &str) -> Error {
    let line = first_line(text);
    let lower = line.to_ascii_lowercase();
    if lower.contains("lateral") {
        return Error::unsupported("this form of LATERAL is not supported")
            .with_hint("Compare columns of both sides for equality, or write it as a join.");
    }
    if [
        "subquery",
        "subqueries",
        "outerreference",
        "outer_ref",
        "exists(",
        "setcomparison",
        "correlated",
    ]
    .iter()
    .any(|word| lower.contains(word))
    {
        return Error::unsupported("this form of subquery is not supported")
            .with_hint("Let it refer to the outer query by equality of columns only, or write it as a join.");
    }
    if shows_internals(line) {
        return Error::unsupported("an expression or clause of the statement is not supported");
    }
    Error::unsupported(lower_first(line))
}

/// Whether a text holds the debug form of a plan, an expression or a syntax tree.
fn shows_internals(line: &str) -> bool {
    const SIGNS: [&str; 14] = [
        " { ",
        "Some(",
        "None",
        "Ident",
        "Expr",
        "Field",
        "DataType",
        "Column",
        "ScalarFunction",
        "physical plan",
        "Physical plan",
        "logical",
        "AST",
        "ast node",
    ];
    line.len() > 200 || SIGNS.iter().any(|sign| line.contains(sign))
}

fn classify_execution(text: &str) -> Error {
    let line = first_line(text);
    let lower = line.to_ascii_lowercase();
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        return division_by_zero();
    }
    if lower.contains("overflow") || lower.contains("out of range") {
        return out_of_range();
    }
    if lower.contains("scalar subquery") || lower.contains("more than one row") {
        return Error::new(
            ErrorKind::Cardinality,
            "more than one row returned by a subquery used as an expression",
        );
    }
    if lower.contains("regular expression") || lower.contains("regex") {
        return Error::data(DataException::InvalidRegularExpression, "invalid regular expression");
    }
    if lower.contains("timestamp") || lower.contains("date") || lower.contains("parsing") || lower.contains("parse") {
        return classify_cast(line);
    }
    Error::data(DataException::Other, lower_first(line))
}

fn classify_compute(text: &str) -> Error {
    let lower = text.to_ascii_lowercase();
    if lower.contains("divide by zero") {
        division_by_zero()
    } else if lower.contains("overflow") || lower.contains(" to store in a decimal") || lower.contains("out of range") {
        out_of_range()
    } else {
        Error::data(DataException::Other, lower_first(first_line(text)))
    }
}

/// `Cannot cast string 'x' to value of Int64 type` and its kin, in PostgreSQL's words.
fn classify_cast(text: &str) -> Error {
    let line = first_line(text);
    let lower = line.to_ascii_lowercase();
    if lower.contains("timestamp") || lower.contains("date") || lower.contains("time") {
        let shown = between(line, "'", "'").map_or_else(String::new, |value| format!(": \"{value}\""));
        return Error::data(
            DataException::InvalidDatetimeFormat,
            format!("invalid input syntax for type timestamp{shown}"),
        );
    }
    if let Some(value) = between(line, "Cannot cast string '", "' to value of") {
        let to = line
            .rsplit("value of ")
            .next()
            .unwrap_or_default()
            .trim_end_matches(" type");
        return Error::data(
            DataException::InvalidTextRepresentation,
            format!("invalid input syntax for type {}: \"{value}\"", postgres_type(to)),
        );
    }
    if lower.contains("can't cast value") || lower.contains("overflow") || lower.contains("too large") {
        return out_of_range();
    }
    Error::data(DataException::InvalidTextRepresentation, lower_first(line))
}

fn postgres_type(arrow: &str) -> &str {
    match arrow {
        "Int8" | "Int16" | "UInt8" => "smallint",
        "Int32" | "UInt16" => "integer",
        "Int64" | "UInt32" => "bigint",
        "Float32" => "real",
        "Float64" => "double precision",
        "Boolean" => "boolean",
        other if other.starts_with("Decimal") => "numeric",
        _ => "the type asked for",
    }
}

fn classify_resources(text: &str) -> Error {
    if text.contains("disk") && (text.contains("limit") || text.contains("space")) {
        return Error::new(ErrorKind::DiskFull, "no room is left for the spill files of the query")
            .with_hint("Raise the limit or free space in engine.spill_dir.");
    }
    Error::new(
        ErrorKind::MemoryExhausted,
        "the query needs more memory than the server grants",
    )
    .with_hint("Select fewer columns or rows, or raise engine.memory_limit.")
}

fn classify_io(error: &std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return Error::new(ErrorKind::DiskFull, "no space is left on the device")
            .with_hint("Free space in engine.spill_dir or point it elsewhere.");
    }
    Error::new(ErrorKind::SourceUnavailable, "reading or writing data failed")
        .with_hint("The server's log says which file and why.")
}

fn classify_object_store(error: &object_store::Error) -> Error {
    let what = match error {
        object_store::Error::NotFound { .. } => "a file of the table is gone",
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            "the storage refuses the credentials of the service"
        }
        _ => "the storage of the table does not answer",
    };
    Error::new(ErrorKind::SourceUnavailable, what).with_hint("The server's log says which file and why.")
}

fn division_by_zero() -> Error {
    Error::data(DataException::DivisionByZero, "division by zero")
}

fn out_of_range() -> Error {
    Error::data(DataException::NumericValueOutOfRange, "value out of range")
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text).trim()
}

/// PostgreSQL's messages begin in lower case, unless the first word is all capitals (`UNION types …`).
fn lower_first(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            let mut lowered: String = first.to_lowercase().collect();
            lowered.push_str(&text[first.len_utf8()..]);
            lowered
        }
        _ => text.to_owned(),
    }
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let start = text.find(before)? + before.len();
    let length = text[start..].find(after)?;
    Some(&text[start..start + length])
}
