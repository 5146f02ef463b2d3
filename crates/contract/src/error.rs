//! One classification of failures for the whole product; each front end maps it once, exhaustively.

use std::error::Error as StdError;
use std::fmt;

/// The result type of every fallible operation that a client can observe.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure this is: a closed list, so that a new kind is a compile error in each front end's mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The statement does not parse.
    Syntax,
    /// No such table or view, or one that the identity may not see (the two are one answer).
    UndefinedTable,
    /// No such column, or a hidden one.
    UndefinedColumn,
    /// No function of that name takes arguments of these types.
    UndefinedFunction,
    /// No such schema.
    UndefinedSchema,
    /// No such catalog (PostgreSQL: database).
    UndefinedCatalog,
    /// No such role, setting, type or other named object.
    UndefinedObject,
    /// No prepared statement of that name.
    UndefinedPreparedStatement,
    /// No cursor or portal of that name.
    UndefinedCursor,
    /// A prepared statement of that name exists already.
    DuplicatePreparedStatement,
    /// A cursor or portal of that name exists already.
    DuplicateCursor,
    /// Two relations of one FROM clause share an alias.
    DuplicateAlias,
    /// Another named object exists already (a savepoint never does: it shadows).
    DuplicateObject,
    /// A name that fits more than one column.
    AmbiguousColumn,
    /// A column that must appear in GROUP BY or in an aggregate.
    Grouping,
    /// A window function where none may stand.
    Windowing,
    /// Types that do not fit together.
    TypeMismatch,
    /// A value that cannot be cast to the type asked for, by types alone.
    CannotCoerce,
    /// The type of a parameter cannot be determined.
    IndeterminateType,
    /// A setting or argument with a value that it does not take.
    InvalidParameter,
    /// A name that PostgreSQL refuses (too long, wrong place).
    InvalidName,
    /// A value that an expression cannot work on.
    DataException(DataException),
    /// A subquery used as an expression gave more than one row.
    Cardinality,
    /// Login failed; never says which part was wrong.
    InvalidPassword,
    /// The caller did not prove who it is in a way that is accepted here.
    InvalidAuthorization,
    /// The caller may see the object but not do this with it.
    PermissionDenied,
    /// A statement, feature or format that is not supported.
    Unsupported,
    /// A write through a read-only door.
    ReadOnly,
    /// A statement inside a failed transaction.
    InFailedTransaction,
    /// A transaction statement where no transaction is open.
    NoActiveTransaction,
    /// A transaction statement inside a transaction that is open already.
    ActiveTransaction,
    /// No savepoint of that name.
    InvalidSavepoint,
    /// An object that is not in the state which the operation needs.
    ObjectNotInPrerequisiteState,
    /// The client broke the protocol.
    ProtocolViolation,
    /// The caller, or its closed connection, canceled the query.
    Canceled,
    /// The query ran into its time limit.
    DeadlineExceeded,
    /// The memory limit is reached and spilling does not help.
    MemoryExhausted,
    /// No room is left for spill files or output.
    DiskFull,
    /// More queries or connections than are admitted at once.
    TooManyQueries,
    /// The statement is longer, deeper or wider than the planner is allowed to take on.
    StatementTooComplex,
    /// Another limit of the program is exceeded.
    LimitExceeded,
    /// A source does not answer.
    SourceUnavailable,
    /// A source asks us to slow down.
    SourceThrottled,
    /// A source refused our statement.
    SourceRejected,
    /// Stored data or a table log is damaged.
    DataCorrupted,
    /// The configuration or a rules file is wrong.
    Configuration,
    /// The server is going down.
    ShuttingDown,
    /// A bug of ours. The client sees a generic text and the query id.
    Internal,
}

/// The exact kind of a [`ErrorKind::DataException`], PostgreSQL's class 22.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataException {
    /// 22000: no finer code is known.
    Other,
    /// 22012
    DivisionByZero,
    /// 22003
    NumericValueOutOfRange,
    /// 22P02: text that is no value of the type.
    InvalidTextRepresentation,
    /// 22P03: bytes that are no value of the type.
    InvalidBinaryRepresentation,
    /// 22007
    InvalidDatetimeFormat,
    /// 22008
    DatetimeFieldOverflow,
    /// 22021: bytes that are no text in the encoding.
    CharacterNotInRepertoire,
    /// 22001
    StringDataRightTruncation,
    /// 2201B
    InvalidRegularExpression,
    /// 2202E
    ArraySubscript,
    /// 22023
    InvalidArgument,
    /// 22019
    InvalidEscapeCharacter,
    /// 2201E
    InvalidArgumentForLogarithm,
    /// 2201F
    InvalidArgumentForPower,
    /// 2201W
    InvalidRowCountInLimit,
    /// 2201X
    InvalidRowCountInOffset,
}

impl ErrorKind {
    /// The five letters that PostgreSQL gives for it; every door tells them.
    ///
    /// <https://www.postgresql.org/docs/16/errcodes-appendix.html>
    pub fn sqlstate(self) -> &'static str {
        match self {
            Self::Syntax => "42601",
            Self::UndefinedTable => "42P01",
            Self::UndefinedColumn => "42703",
            Self::UndefinedFunction => "42883",
            Self::UndefinedSchema => "3F000",
            Self::UndefinedCatalog => "3D000",
            Self::UndefinedObject => "42704",
            Self::UndefinedPreparedStatement => "26000",
            Self::UndefinedCursor => "34000",
            Self::DuplicatePreparedStatement => "42P05",
            Self::DuplicateCursor => "42P03",
            Self::DuplicateAlias => "42712",
            Self::DuplicateObject => "42710",
            Self::AmbiguousColumn => "42702",
            Self::Grouping => "42803",
            Self::Windowing => "42P20",
            Self::TypeMismatch => "42804",
            Self::CannotCoerce => "42846",
            Self::IndeterminateType => "42P18",
            Self::InvalidParameter => "22023",
            Self::InvalidName => "42602",
            Self::DataException(exception) => exception.sqlstate(),
            Self::Cardinality => "21000",
            Self::InvalidPassword => "28P01",
            Self::InvalidAuthorization => "28000",
            Self::PermissionDenied => "42501",
            Self::Unsupported => "0A000",
            Self::ReadOnly => "25006",
            Self::InFailedTransaction => "25P02",
            Self::NoActiveTransaction => "25P01",
            Self::ActiveTransaction => "25001",
            Self::InvalidSavepoint => "3B001",
            Self::ObjectNotInPrerequisiteState => "55000",
            Self::ProtocolViolation => "08P01",
            Self::Canceled | Self::DeadlineExceeded => "57014",
            Self::MemoryExhausted => "53200",
            Self::DiskFull => "53100",
            Self::TooManyQueries => "53300",
            Self::StatementTooComplex => "54001",
            Self::LimitExceeded => "54000",
            // Class HV, not 08: connection pools drop the connection to us on class 08.
            Self::SourceUnavailable => "HV00N",
            Self::SourceThrottled | Self::SourceRejected => "HV000",
            Self::DataCorrupted => "XX001",
            Self::Configuration => "F0000",
            Self::ShuttingDown => "57P01",
            Self::Internal => "XX000",
        }
    }
}

impl DataException {
    fn sqlstate(self) -> &'static str {
        match self {
            Self::Other => "22000",
            Self::DivisionByZero => "22012",
            Self::NumericValueOutOfRange => "22003",
            Self::InvalidTextRepresentation => "22P02",
            Self::InvalidBinaryRepresentation => "22P03",
            Self::InvalidDatetimeFormat => "22007",
            Self::DatetimeFieldOverflow => "22008",
            Self::CharacterNotInRepertoire => "22021",
            Self::StringDataRightTruncation => "22001",
            Self::InvalidRegularExpression => "2201B",
            Self::ArraySubscript => "2202E",
            Self::InvalidArgument => "22023",
            Self::InvalidEscapeCharacter => "22019",
            Self::InvalidArgumentForLogarithm => "2201E",
            Self::InvalidArgumentForPower => "2201F",
            Self::InvalidRowCountInLimit => "2201W",
            Self::InvalidRowCountInOffset => "2201X",
        }
    }
}

#[derive(Debug)]
struct Body {
    kind: ErrorKind,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    position: Option<usize>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// A failure that a client may be told about.
///
/// `message`, `detail` and `hint` are safe for the client and hold no secret and no value of a hidden row; the
/// [`source`](StdError::source) is for logs only and never part of `Display`. Style of the texts: PostgreSQL's (lower
/// case, no full stop in the message; detail and hint are sentences).
pub struct Error(Box<Body>);

impl Error {
    /// Makes an error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Body {
            kind,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            source: None,
        }))
    }

    /// Makes a [`ErrorKind::Unsupported`] error.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Makes a [`ErrorKind::Internal`] error: `what` goes to the log, the client sees a generic text.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, "internal error").with_source(Untold(what.into()))
    }

    /// Makes a [`ErrorKind::DataException`] error.
    pub fn data(exception: DataException, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::DataException(exception), message)
    }

    /// The error for a table that does not exist, or must look so. `name` as the user wrote it.
    pub fn undefined_table(name: &str) -> Self {
        Self::new(ErrorKind::UndefinedTable, format!("relation \"{name}\" does not exist"))
    }

    /// The error of a query that somebody canceled.
    pub fn canceled() -> Self {
        Self::new(ErrorKind::Canceled, "canceling statement due to user request")
    }

    /// Adds a sentence that says more about what happened.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds a sentence that says what to do.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the place in the statement's text: 1-based, in characters, as PostgreSQL's `P` field.
    pub fn with_position(mut self, position: usize) -> Self {
        self.0.position = Some(position);
        self
    }

    /// Adds the cause, for logs only.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The primary message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// More about what happened, if anything.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What to do about it, if anything.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Where in the statement, 1-based in characters.
    pub fn position(&self) -> Option<usize> {
        self.0.position
    }

    /// The chain of causes in one line, for logs. Never show it to a client.
    pub fn causes(&self) -> String {
        let mut text = String::new();
        let mut next = self.source();
        while let Some(error) = next {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }

    /// A copy without the cause: the same answer for a second listener.
    pub fn duplicate(&self) -> Self {
        let Body {
            kind,
            message,
            detail,
            hint,
            position,
            ..
        } = &*self.0;
        Self(Box::new(Body {
            kind: *kind,
            message: message.clone(),
            detail: detail.clone(),
            hint: hint.clone(),
            position: *position,
            source: None,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| &**source as &(dyn StdError + 'static))
    }
}

/// A text that only logs may show.
#[derive(Debug)]
struct Untold(String);

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Untold {}
