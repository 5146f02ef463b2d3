use std::ops::Range;

use datafusion::sql::sqlparser::ast;

/// One statement of a query string.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedStatement {
    /// What it asks for.
    pub command: Command,
    /// Its bytes in the query string, without surrounding blanks, comments and semicolon.
    pub text: Range<usize>,
    /// The largest `n` of its `$n`, 0 if it has no parameters.
    pub parameters: usize,
}

/// What a statement asks for: the list of what is understood. A statement kind that PostgreSQL has and that is not
/// offered is [`Command::Other`]; what PostgreSQL does not have either is a syntax error.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Nothing but blanks and comments.
    Empty,
    /// SELECT, VALUES, TABLE, WITH: always an [`ast::Statement::Query`].
    Query(Box<ast::Statement>),
    /// EXPLAIN of a statement.
    Explain(Explain),
    /// SET name = value, in all its spellings.
    Set {
        /// SET LOCAL: until the end of the transaction.
        local: bool,
        /// The setting, in lower case.
        name: String,
        /// The value as PostgreSQL stores it, lists joined with `, `; `None` is DEFAULT.
        value: Option<String>,
    },
    /// SET TRANSACTION, or SET SESSION CHARACTERISTICS AS TRANSACTION.
    SetTransaction {
        /// Whether it is for all later transactions of the session.
        session: bool,
        /// What is asked for.
        modes: TransactionModes,
    },
    /// SET CONSTRAINTS: nothing to do without constraints.
    SetConstraints,
    /// SHOW name, in lower case; `None` is SHOW ALL.
    Show(Option<String>),
    /// RESET name, in lower case; `None` is RESET ALL.
    Reset(Option<String>),
    /// BEGIN or START TRANSACTION.
    Begin {
        /// What is asked for.
        modes: TransactionModes,
        /// The command tag: `BEGIN` or `START TRANSACTION`.
        tag: &'static str,
    },
    /// COMMIT or END.
    Commit {
        /// Begin another with the same modes.
        chain: bool,
    },
    /// ROLLBACK or ABORT.
    Rollback {
        /// Begin another with the same modes.
        chain: bool,
    },
    /// SAVEPOINT name.
    Savepoint(String),
    /// RELEASE [SAVEPOINT] name.
    Release(String),
    /// ROLLBACK TO [SAVEPOINT] name.
    RollbackTo(String),
    /// PREPARE name (types) AS statement.
    Prepare {
        /// The prepared statement's name.
        name: String,
        /// The declared types of the first parameters.
        types: Vec<ast::DataType>,
        /// The statement; its `text` is a range of the whole query string.
        statement: Box<ParsedStatement>,
    },
    /// EXECUTE name (arguments).
    Execute {
        /// The prepared statement's name.
        name: String,
        /// The values for its parameters.
        arguments: Vec<ast::Expr>,
    },
    /// DEALLOCATE name; `None` is ALL.
    Deallocate(Option<String>),
    /// DISCARD.
    Discard(DiscardKind),
    /// DECLARE name CURSOR FOR query.
    Declare(Declare),
    /// FETCH.
    Fetch {
        /// The cursor.
        cursor: String,
        /// Which rows.
        direction: FetchDirection,
    },
    /// MOVE: as FETCH, without rows.
    Move {
        /// The cursor.
        cursor: String,
        /// Which rows.
        direction: FetchDirection,
    },
    /// CLOSE name; `None` is ALL.
    Close(Option<String>),
    /// COPY … TO STDOUT.
    CopyTo(Box<CopyTo>),
    /// LISTEN channel.
    Listen(String),
    /// UNLISTEN channel; `None` is `*`.
    Unlisten(Option<String>),
    /// NOTIFY channel, payload.
    Notify {
        /// The channel.
        channel: String,
        /// The payload, if any.
        payload: Option<String>,
    },
    /// LOCK TABLE.
    Lock(Vec<ast::ObjectName>),
    /// CALL of a procedure in the schema `lakegate`.
    Call {
        /// The procedure's name, without schema.
        procedure: String,
        /// The values for its parameters.
        arguments: Vec<ast::Expr>,
    },
    /// A statement that PostgreSQL has and that is not offered here.
    Other {
        /// Its command tag, as in `cannot execute INSERT in a read-only transaction`.
        tag: &'static str,
        /// What it would do.
        kind: OtherKind,
    },
}

impl Command {
    /// The command tag that PostgreSQL completes the statement with, without row counts.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::Empty => "",
            Self::Query(_) => "SELECT",
            Self::Explain(_) => "EXPLAIN",
            Self::Set { .. } | Self::SetTransaction { .. } => "SET",
            Self::SetConstraints => "SET CONSTRAINTS",
            Self::Show(_) => "SHOW",
            Self::Reset(_) => "RESET",
            Self::Begin { tag, .. } | Self::Other { tag, .. } => tag,
            Self::Commit { .. } => "COMMIT",
            Self::Rollback { .. } | Self::RollbackTo(_) => "ROLLBACK",
            Self::Savepoint(_) => "SAVEPOINT",
            Self::Release(_) => "RELEASE",
            Self::Prepare { .. } => "PREPARE",
            Self::Execute { .. } => "EXECUTE",
            Self::Deallocate(None) => "DEALLOCATE ALL",
            Self::Deallocate(Some(_)) => "DEALLOCATE",
            Self::Discard(kind) => match kind {
                DiscardKind::All => "DISCARD ALL",
                DiscardKind::Plans => "DISCARD PLANS",
                DiscardKind::Sequences => "DISCARD SEQUENCES",
                DiscardKind::Temporary => "DISCARD TEMP",
            },
            Self::Declare(_) => "DECLARE CURSOR",
            Self::Fetch { .. } => "FETCH",
            Self::Move { .. } => "MOVE",
            Self::Close(None) => "CLOSE CURSOR ALL",
            Self::Close(Some(_)) => "CLOSE CURSOR",
            Self::CopyTo(_) => "COPY",
            Self::Listen(_) => "LISTEN",
            Self::Unlisten(_) => "UNLISTEN",
            Self::Notify { .. } => "NOTIFY",
            Self::Lock(_) => "LOCK TABLE",
            Self::Call { .. } => "CALL",
        }
    }
}

/// What a statement that is not offered would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherKind {
    /// Change rows: INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY FROM.
    Write,
    /// Make, change or drop objects, SELECT INTO included.
    Definition,
    /// Change who may do what.
    Access,
    /// Run code on the server, read or write its files, load libraries.
    Server,
    /// Look after storage: VACUUM, ANALYZE, CHECKPOINT …
    Maintenance,
    /// Two-phase commit.
    TwoPhase,
}

/// EXPLAIN.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// Run it and say what happened.
    pub analyze: bool,
    /// Say more.
    pub verbose: bool,
    /// How the plan is written.
    pub format: ExplainFormat,
    /// What is explained; its `text` is a range of the whole query string.
    pub statement: Box<ParsedStatement>,
}

/// How EXPLAIN writes the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExplainFormat {
    /// Lines of text.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One XML document.
    Xml,
    /// One YAML document.
    Yaml,
}

/// What a transaction is asked to be; `None` where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TransactionModes {
    /// The isolation level.
    pub isolation: Option<IsolationLevel>,
    /// READ ONLY or READ WRITE.
    pub read_only: Option<bool>,
    /// DEFERRABLE or NOT DEFERRABLE.
    pub deferrable: Option<bool>,
}

/// An isolation level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationLevel {
    /// `read uncommitted`
    ReadUncommitted,
    /// `read committed`
    ReadCommitted,
    /// `repeatable read`
    RepeatableRead,
    /// `serializable`
    Serializable,
}

impl IsolationLevel {
    /// As SHOW transaction_isolation prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read uncommitted",
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::Serializable => "serializable",
        }
    }
}

/// What DISCARD drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscardKind {
    /// Everything.
    All,
    /// Cached plans.
    Plans,
    /// Sequence state.
    Sequences,
    /// Temporary tables.
    Temporary,
}

/// DECLARE.
#[derive(Debug, Clone, PartialEq)]
pub struct Declare {
    /// The cursor's name.
    pub name: String,
    /// BINARY: rows come in binary format.
    pub binary: bool,
    /// SCROLL, NO SCROLL, or nothing said.
    pub scroll: Option<bool>,
    /// WITH HOLD: outlives the transaction.
    pub hold: bool,
    /// The query; its `text` is a range of the whole query string.
    pub query: Box<ParsedStatement>,
}

/// Which rows FETCH and MOVE want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchDirection {
    /// So many from here on (negative: backward; 0: the current row again).
    Forward(FetchCount),
    /// So many from here back.
    Backward(FetchCount),
    /// The row of that number (negative: from the end; FIRST is 1, LAST is -1).
    Absolute(i64),
    /// The row so many after the current one.
    Relative(i64),
}

/// How many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchCount {
    /// That many.
    Rows(i64),
    /// All that are left.
    All,
}

/// COPY … TO STDOUT.
#[derive(Debug, Clone, PartialEq)]
pub struct CopyTo {
    /// The rows, always a [`Command::Query`]: `COPY t (a, b)` reads `SELECT a, b FROM t`.
    pub query: ParsedStatement,
    /// How they are written.
    pub options: CopyOptions,
}

/// How COPY writes rows, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOptions {
    /// Text, CSV or binary.
    pub format: CopyFormat,
    /// Between columns.
    pub delimiter: u8,
    /// What NULL is written as.
    pub null: String,
    /// Whether the first line holds the column names.
    pub header: bool,
    /// CSV's quote.
    pub quote: u8,
    /// CSV's escape inside quotes.
    pub escape: u8,
    /// Which columns CSV always quotes.
    pub force_quote: ForceQuote,
}

/// COPY's formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CopyFormat {
    /// Tab-separated with backslash escapes.
    #[default]
    Text,
    /// Comma-separated values.
    Csv,
    /// PostgreSQL's binary file format.
    Binary,
}

/// Which columns are quoted even where that is not needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ForceQuote {
    /// None.
    #[default]
    Nothing,
    /// `FORCE_QUOTE *`
    All,
    /// The named ones.
    Columns(Vec<String>),
}
