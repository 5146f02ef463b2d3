//! From the kernel's and the object store's errors to ours. Texts of theirs hold URLs, backtraces and file contents,
//! so only what is known to be harmless is passed on; the rest goes to the log as the source.

use contract::{Error, ErrorKind, TableName};
use delta_kernel::KernelError;

/// What the kernel said about `table`, in our words.
pub(crate) fn from_kernel(error: KernelError, table: &TableName) -> Error {
    let ours = classify(bare(&error), table);
    ours.with_source(Text(first_line(&error)))
}

/// What the object store said about `what` ("folder …", "data file … of table …").
pub(crate) fn from_store(error: object_store::Error, what: &str) -> Error {
    let ours = match &error {
        object_store::Error::NotFound { .. } => {
            Error::new(ErrorKind::SourceUnavailable, format!("{what} does not exist"))
        }
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => Error::new(
            ErrorKind::SourceUnavailable,
            format!("{what} cannot be read: the storage denies access"),
        )
        .with_hint("Check the credentials of the service, or that they have not expired."),
        object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. } => Error::unsupported(
            format!("{what} cannot be read: the storage does not support the operation"),
        ),
        _ => Error::new(
            ErrorKind::SourceUnavailable,
            format!("{what} cannot be read: the storage does not answer"),
        ),
    };
    ours.with_source(harmless(&error))
}

/// The text of an error of the storage, for the log: without what stands behind the `?` of a URL, which may be a
/// signature.
pub(crate) fn harmless(error: &object_store::Error) -> impl std::error::Error + Send + Sync + 'static {
    Text(without_queries(&error.to_string()))
}

fn without_queries(text: &str) -> String {
    let is_end = |character: char| character.is_whitespace() || matches!(character, '"' | '\'' | ')' | '>' | ',');
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('?') {
        kept.push_str(before);
        rest = after.find(is_end).and_then(|end| after.get(end..)).unwrap_or_default();
    }
    kept.push_str(rest);
    kept
}

/// Whether the error says that a feature is missing rather than that something is broken.
pub(crate) fn is_unsupported(error: &KernelError) -> bool {
    matches!(
        bare(error),
        KernelError::Unsupported(_) | KernelError::InvalidColumnMappingMode(_)
    )
}

/// Whether the error says that the log's content, and not the way to it, is the trouble.
pub(crate) fn is_damage(error: &KernelError) -> bool {
    match bare(error) {
        KernelError::ObjectStore(_)
        | KernelError::Reqwest(_)
        | KernelError::IOError(_)
        | KernelError::Unsupported(_)
        | KernelError::LogHistory(_)
        | KernelError::JoinFailure(_)
        | KernelError::Cancelled => false,
        KernelError::GenericError { source } => {
            source.downcast_ref::<KernelError>().is_none_or(is_damage)
                && source.downcast_ref::<object_store::Error>().is_none()
        }
        _ => true,
    }
}

fn bare(error: &KernelError) -> &KernelError {
    match error {
        KernelError::Backtraced { source, .. } => bare(source),
        other => other,
    }
}

fn classify(error: &KernelError, table: &TableName) -> Error {
    let name = &table.table;
    match error {
        KernelError::Unsupported(text) => unsupported(text, name),
        KernelError::InvalidProtocol(text) => Error::new(
            ErrorKind::DataCorrupted,
            format!("the log of table \"{name}\" holds an invalid protocol action"),
        )
        .with_detail(format!("{}.", text.trim_end_matches('.'))),
        KernelError::InvalidColumnMappingMode(mode) => Error::unsupported(format!(
            "table \"{name}\" uses the column mapping mode \"{mode}\", which is unknown"
        )),
        KernelError::LogHistory(_) => Error::new(
            ErrorKind::UndefinedObject,
            format!("table \"{name}\" has no version that was committed at or before that time"),
        ),
        KernelError::MissingVersion(version) | KernelError::UnpublishedVersion(version) => Error::new(
            ErrorKind::DataCorrupted,
            format!("the log of table \"{name}\" is damaged: version {version} is missing"),
        ),
        KernelError::ObjectStore(_) | KernelError::Reqwest(_) | KernelError::IOError(_) => Error::new(
            ErrorKind::SourceUnavailable,
            format!("the log of table \"{name}\" cannot be read"),
        )
        .with_hint("The storage does not answer or denies access; the server's log says what it said."),
        KernelError::FileNotFound(_) => Error::new(
            ErrorKind::DataCorrupted,
            format!("a file that table \"{name}\" needs is gone"),
        ),
        KernelError::DeletionVector(_) => Error::new(
            ErrorKind::DataCorrupted,
            format!("a deletion vector of table \"{name}\" is damaged"),
        ),
        KernelError::Schema(text) if text.contains(UNKNOWN_TYPE) => unknown_type(text, name),
        KernelError::Schema(_) => Error::new(
            ErrorKind::DataCorrupted,
            format!("the log of table \"{name}\" holds a schema that cannot be used"),
        ),
        KernelError::Cancelled => Error::canceled(),
        KernelError::JoinFailure(text) | KernelError::InternalError(text) => Error::internal(text.clone()),
        KernelError::GenericError { source } => match source.downcast_ref::<KernelError>() {
            Some(inner) => classify(bare(inner), table),
            None => damaged(name),
        },
        KernelError::Generic(text) if text.contains("empty schema") => {
            Error::unsupported(format!("table \"{name}\" has no columns"))
        }
        _ => damaged(name),
    }
}

/// How the kernel introduces a type that it does not know.
const UNKNOWN_TYPE: &str = "Unsupported Delta table type: '";

fn unknown_type(text: &str, name: &str) -> Error {
    let quoted = text
        .split_once(UNKNOWN_TYPE)
        .and_then(|(_, rest)| rest.split_once('\''));
    let data_type = quoted.map_or("", |(data_type, _)| data_type);
    Error::unsupported(format!(
        "table \"{name}\" has a column of the type \"{data_type}\", which cannot be read directly"
    ))
}

fn damaged(name: &str) -> Error {
    Error::new(
        ErrorKind::DataCorrupted,
        format!("the log of table \"{name}\" is damaged"),
    )
}

/// The kernel quotes the feature; a version number it only appends.
fn unsupported(text: &str, name: &str) -> Error {
    let quoted = text
        .split_once('\'')
        .and_then(|(_, rest)| rest.split_once('\''))
        .map(|(feature, _)| feature);
    if let Some(feature) = quoted {
        return Error::unsupported(format!(
            "table \"{name}\" uses the Delta feature \"{feature}\", which cannot be read directly"
        ));
    }
    match text.split_once("minimum reader version ") {
        Some((_, version)) => Error::unsupported(format!(
            "table \"{name}\" asks for reader version {}, which cannot be read directly",
            version.trim()
        )),
        None => Error::unsupported(format!(
            "table \"{name}\" uses a Delta feature that cannot be read directly"
        )),
    }
}

/// The text of an error without the backtrace that the kernel appends.
#[derive(Debug)]
struct Text(String);

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Text {}

fn first_line(error: &KernelError) -> String {
    let text = bare(error).to_string();
    without_queries(text.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_do_not_reach_the_log() {
        let text = "Client error 403 for \"https://a.b/c?sig=abc&se=1\": denied, see https://a.b/d?sig=x";
        assert_eq!(
            without_queries(text),
            "Client error 403 for \"https://a.b/c\": denied, see https://a.b/d"
        );
        assert_eq!(without_queries("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn the_missing_feature_is_named() {
        let table = TableName::new("lake", "default", "t");
        let told = |text: &str| {
            from_kernel(KernelError::Unsupported(text.to_owned()), &table)
                .message()
                .to_owned()
        };
        assert_eq!(
            told("Feature 'timeMachine' is not supported"),
            "table \"t\" uses the Delta feature \"timeMachine\", which cannot be read directly"
        );
        assert_eq!(
            told("Unsupported minimum reader version 9"),
            "table \"t\" asks for reader version 9, which cannot be read directly"
        );
    }
}
