//! One statement: which command its first words begin.

use contract::Result;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::cursor::Cursor;
use super::{Scope, explain, query, session, tokens, transfer};
use crate::command::{
    Command, Declare, DiscardKind, FetchCount, FetchDirection, IsolationLevel, OtherKind, ParsedStatement,
    TransactionModes,
};

/// Reads `own`, all of them, as one statement.
pub(crate) fn parse(scope: &Scope<'_>, own: &[TokenWithSpan], end: Option<&TokenWithSpan>) -> Result<ParsedStatement> {
    let parameters = tokens::parameters(own, &scope.places)?;
    let text = match (own.first(), own.last()) {
        (Some(first), Some(last)) => scope.places.byte(first.span.start)..scope.places.byte(last.span.end),
        _ => 0..0,
    };
    Ok(ParsedStatement {
        command: command(scope, own, end)?,
        text,
        parameters,
    })
}

fn command(scope: &Scope<'_>, own: &[TokenWithSpan], end: Option<&TokenWithSpan>) -> Result<Command> {
    let mut cursor = Cursor::new(scope, own, end);
    let word = match cursor.peek() {
        Some(Token::LParen) => return query::parse(scope, own, end),
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => return Err(cursor.error()),
    };
    if matches!(word.as_str(), "SELECT" | "WITH" | "VALUES" | "TABLE") {
        return query::parse(scope, own, end);
    }
    cursor.at = 1;
    let read = match word.as_str() {
        "EXPLAIN" => explain::parse(&mut cursor),
        "SET" => session::set(&mut cursor),
        "SHOW" => session::show(&mut cursor),
        "RESET" => session::reset(&mut cursor),
        "BEGIN" => {
            let _ = cursor.take_any(&["WORK", "TRANSACTION"]);
            Ok(Command::Begin {
                modes: modes(&mut cursor)?,
                tag: "BEGIN",
            })
        }
        "START" => {
            cursor.expect("TRANSACTION")?;
            Ok(Command::Begin {
                modes: modes(&mut cursor)?,
                tag: "START TRANSACTION",
            })
        }
        "COMMIT" | "END" => commit(&mut cursor),
        "ROLLBACK" | "ABORT" => rollback(&mut cursor, word == "ROLLBACK"),
        "SAVEPOINT" => cursor.identifier().map(Command::Savepoint),
        "RELEASE" => {
            let _ = cursor.sees("SAVEPOINT") && cursor.peek_nth(1).is_some() && cursor.take("SAVEPOINT");
            cursor.identifier().map(Command::Release)
        }
        "PREPARE" => prepare(&mut cursor),
        "EXECUTE" => execute(&mut cursor),
        "DEALLOCATE" => {
            let _ = cursor.sees("PREPARE") && cursor.peek_nth(1).is_some() && cursor.take("PREPARE");
            name_or_all(&mut cursor).map(Command::Deallocate)
        }
        "DISCARD" => discard(&mut cursor),
        "DECLARE" => declare(&mut cursor),
        "FETCH" => fetch(&mut cursor).map(|(direction, cursor)| Command::Fetch { cursor, direction }),
        "MOVE" => fetch(&mut cursor).map(|(direction, cursor)| Command::Move { cursor, direction }),
        "CLOSE" => name_or_all(&mut cursor).map(Command::Close),
        "COPY" => transfer::parse(&mut cursor),
        "LISTEN" => cursor.identifier().map(Command::Listen),
        "UNLISTEN" => match cursor.take_sign(&Token::Mul) {
            true => Ok(Command::Unlisten(None)),
            false => cursor.identifier().map(|name| Command::Unlisten(Some(name))),
        },
        "NOTIFY" => notify(&mut cursor),
        "LOCK" => lock(&mut cursor),
        "CALL" => call(&mut cursor),
        _ => other(&mut cursor, &word),
    }?;
    cursor.expect_end()?;
    Ok(read)
}

fn name_or_all(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if cursor.take("ALL") {
        Ok(None)
    } else {
        cursor.identifier().map(Some)
    }
}

/// Transaction modes, separated by commas or by nothing.
pub(crate) fn modes(cursor: &mut Cursor<'_>) -> Result<TransactionModes> {
    let mut modes = TransactionModes::default();
    loop {
        if cursor.take_all(&["ISOLATION", "LEVEL"]) {
            modes.isolation = Some(if cursor.take_all(&["READ", "UNCOMMITTED"]) {
                IsolationLevel::ReadUncommitted
            } else if cursor.take_all(&["READ", "COMMITTED"]) {
                IsolationLevel::ReadCommitted
            } else if cursor.take_all(&["REPEATABLE", "READ"]) {
                IsolationLevel::RepeatableRead
            } else if cursor.take("SERIALIZABLE") {
                IsolationLevel::Serializable
            } else {
                return Err(cursor.error());
            });
        } else if cursor.take_all(&["READ", "ONLY"]) {
            modes.read_only = Some(true);
        } else if cursor.take_all(&["READ", "WRITE"]) {
            modes.read_only = Some(false);
        } else if cursor.take_all(&["NOT", "DEFERRABLE"]) {
            modes.deferrable = Some(false);
        } else if cursor.take("DEFERRABLE") {
            modes.deferrable = Some(true);
        } else {
            return Ok(modes);
        }
        if cursor.take_sign(&Token::Comma) && cursor.is_at_end() {
            return Err(cursor.error());
        }
    }
}

fn chain(cursor: &mut Cursor<'_>) -> Result<bool> {
    if cursor.take_all(&["AND", "NO", "CHAIN"]) {
        return Ok(false);
    }
    Ok(cursor.take_all(&["AND", "CHAIN"]))
}

fn commit(cursor: &mut Cursor<'_>) -> Result<Command> {
    if cursor.take("PREPARED") {
        cursor.string().ok_or_else(|| cursor.error())?;
        return Ok(Command::Other {
            tag: "COMMIT PREPARED",
            kind: OtherKind::TwoPhase,
        });
    }
    let _ = cursor.take_any(&["WORK", "TRANSACTION"]);
    Ok(Command::Commit { chain: chain(cursor)? })
}

fn rollback(cursor: &mut Cursor<'_>, may_go_back: bool) -> Result<Command> {
    if may_go_back && cursor.take("PREPARED") {
        cursor.string().ok_or_else(|| cursor.error())?;
        return Ok(Command::Other {
            tag: "ROLLBACK PREPARED",
            kind: OtherKind::TwoPhase,
        });
    }
    let _ = cursor.take_any(&["WORK", "TRANSACTION"]);
    if may_go_back && cursor.take("TO") {
        let _ = cursor.sees("SAVEPOINT") && cursor.peek_nth(1).is_some() && cursor.take("SAVEPOINT");
        return cursor.identifier().map(Command::RollbackTo);
    }
    Ok(Command::Rollback { chain: chain(cursor)? })
}

/// The statement that makes up the rest, as a statement of its own.
fn rest(cursor: &mut Cursor<'_>) -> Result<Box<ParsedStatement>> {
    if cursor.is_at_end() {
        return Err(cursor.error());
    }
    let statement = parse(cursor.scope, cursor.rest(), cursor.end)?;
    cursor.at = cursor.tokens.len();
    Ok(Box::new(statement))
}

fn prepare(cursor: &mut Cursor<'_>) -> Result<Command> {
    if cursor.sees("TRANSACTION") && matches!(cursor.peek_nth(1), Some(Token::SingleQuotedString(_))) {
        cursor.at += 2;
        return Ok(Command::Other {
            tag: "PREPARE TRANSACTION",
            kind: OtherKind::TwoPhase,
        });
    }
    let name = cursor.identifier()?;
    let mut types = Vec::new();
    if cursor.take_sign(&Token::LParen) {
        types = cursor.with_parser(|parser| parser.parse_comma_separated(Parser::parse_data_type))?;
        cursor.expect_sign(&Token::RParen)?;
    }
    cursor.expect("AS")?;
    let at = cursor.at;
    let statement = rest(cursor)?;
    match &statement.command {
        Command::Query(_)
        | Command::Other {
            kind: OtherKind::Write, ..
        } => Ok(Command::Prepare { name, types, statement }),
        _ => {
            cursor.at = at;
            Err(cursor.error())
        }
    }
}

fn execute(cursor: &mut Cursor<'_>) -> Result<Command> {
    let name = cursor.identifier()?;
    let arguments = if cursor.is_at_end() {
        Vec::new()
    } else {
        cursor.expressions()?
    };
    Ok(Command::Execute { name, arguments })
}

/// Procedures of our own; there are no others.
fn call(cursor: &mut Cursor<'_>) -> Result<Command> {
    let first = cursor.identifier()?;
    if !cursor.take_sign(&Token::Period) || first != "lakegate" {
        cursor.at = cursor.tokens.len();
        return Ok(Command::Other {
            tag: "CALL",
            kind: OtherKind::Server,
        });
    }
    let procedure = cursor.identifier()?;
    let arguments = cursor.expressions()?;
    Ok(Command::Call { procedure, arguments })
}

fn discard(cursor: &mut Cursor<'_>) -> Result<Command> {
    let kind = match cursor.take_any(&["ALL", "PLANS", "SEQUENCES", "TEMP", "TEMPORARY"]) {
        Some("ALL") => DiscardKind::All,
        Some("PLANS") => DiscardKind::Plans,
        Some("SEQUENCES") => DiscardKind::Sequences,
        Some(_) => DiscardKind::Temporary,
        None => return Err(cursor.error()),
    };
    Ok(Command::Discard(kind))
}

fn declare(cursor: &mut Cursor<'_>) -> Result<Command> {
    let name = cursor.identifier()?;
    let (mut binary, mut scroll) = (false, None);
    loop {
        if cursor.take("BINARY") {
            binary = true;
        } else if cursor.take_all(&["NO", "SCROLL"]) {
            scroll = Some(false);
        } else if cursor.take("SCROLL") {
            scroll = Some(true);
        } else if !(cursor.take("INSENSITIVE") || cursor.take("ASENSITIVE")) {
            break;
        }
    }
    cursor.expect("CURSOR")?;
    let hold = cursor.take_all(&["WITH", "HOLD"]);
    let _ = !hold && cursor.take_all(&["WITHOUT", "HOLD"]);
    cursor.expect("FOR")?;
    let at = cursor.at;
    let query = rest(cursor)?;
    if !matches!(
        query.command,
        Command::Query(_)
            | Command::Other {
                kind: OtherKind::Write | OtherKind::Definition,
                ..
            }
    ) {
        cursor.at = at;
        return Err(cursor.error());
    }
    Ok(Command::Declare(Declare {
        name,
        binary,
        scroll,
        hold,
        query,
    }))
}

/// Everything after FETCH or MOVE: direction, then FROM or IN, which may be left out, then the cursor.
fn fetch(cursor: &mut Cursor<'_>) -> Result<(FetchDirection, String)> {
    // Each direction word is also a legal cursor name: it is one if nothing or only FROM/IN cannot follow.
    let last = cursor.tokens.len().saturating_sub(cursor.at) == 1;
    let direction = if last {
        FetchDirection::Forward(FetchCount::Rows(1))
    } else {
        direction(cursor)?
    };
    let _ = cursor.take_any(&["FROM", "IN"]);
    Ok((direction, cursor.identifier()?))
}

fn direction(cursor: &mut Cursor<'_>) -> Result<FetchDirection> {
    let count = |cursor: &mut Cursor<'_>| {
        if cursor.take("ALL") {
            FetchCount::All
        } else {
            FetchCount::Rows(cursor.integer().unwrap_or(1))
        }
    };
    if let Some(rows) = cursor.integer() {
        return Ok(FetchDirection::Forward(FetchCount::Rows(rows)));
    }
    let words = [
        "NEXT", "PRIOR", "FIRST", "LAST", "ALL", "FORWARD", "BACKWARD", "ABSOLUTE", "RELATIVE",
    ];
    Ok(match cursor.take_any(&words) {
        Some("PRIOR") => FetchDirection::Backward(FetchCount::Rows(1)),
        Some("FIRST") => FetchDirection::Absolute(1),
        Some("LAST") => FetchDirection::Absolute(-1),
        Some("ALL") => FetchDirection::Forward(FetchCount::All),
        Some("FORWARD") => FetchDirection::Forward(count(cursor)),
        Some("BACKWARD") => FetchDirection::Backward(count(cursor)),
        Some("ABSOLUTE") => FetchDirection::Absolute(cursor.integer().ok_or_else(|| cursor.error())?),
        Some("RELATIVE") => FetchDirection::Relative(cursor.integer().ok_or_else(|| cursor.error())?),
        _ => FetchDirection::Forward(FetchCount::Rows(1)),
    })
}

fn notify(cursor: &mut Cursor<'_>) -> Result<Command> {
    let channel = cursor.identifier()?;
    let payload = if cursor.take_sign(&Token::Comma) {
        Some(cursor.string().ok_or_else(|| cursor.error())?)
    } else {
        None
    };
    Ok(Command::Notify { channel, payload })
}

fn lock(cursor: &mut Cursor<'_>) -> Result<Command> {
    let _ = cursor.take("TABLE");
    let mut tables = Vec::new();
    loop {
        let _ = cursor.take("ONLY");
        tables.push(cursor.object_name()?);
        let _ = cursor.take_sign(&Token::Mul);
        if !cursor.take_sign(&Token::Comma) {
            break;
        }
    }
    if cursor.take("IN") {
        while cursor
            .take_any(&["ACCESS", "ROW", "SHARE", "UPDATE", "EXCLUSIVE"])
            .is_some()
        {}
        cursor.expect("MODE")?;
    }
    let _ = cursor.take("NOWAIT");
    Ok(Command::Lock(tables))
}

/// Statements that exist and are not offered: their grammar beyond the first words is not judged.
fn other(cursor: &mut Cursor<'_>, word: &str) -> Result<Command> {
    use OtherKind::{Access, Definition, Maintenance, Server, Write};
    let (tag, kind) = match word {
        "INSERT" => {
            cursor.expect("INTO")?;
            ("INSERT", Write)
        }
        "UPDATE" => ("UPDATE", Write),
        "DELETE" => {
            cursor.expect("FROM")?;
            ("DELETE", Write)
        }
        "MERGE" => {
            cursor.expect("INTO")?;
            ("MERGE", Write)
        }
        "TRUNCATE" => ("TRUNCATE TABLE", Write),
        "CREATE" => definition(cursor, &CREATE).ok_or_else(|| cursor.error())?,
        "ALTER" => definition(cursor, &ALTER).ok_or_else(|| cursor.error())?,
        "DROP" => definition(cursor, &DROP).ok_or_else(|| cursor.error())?,
        "COMMENT" => ("COMMENT", Definition),
        "IMPORT" => ("IMPORT FOREIGN SCHEMA", Definition),
        "REFRESH" => ("REFRESH MATERIALIZED VIEW", Write),
        "SECURITY" => ("SECURITY LABEL", Access),
        "GRANT" => ("GRANT", Access),
        "REVOKE" => ("REVOKE", Access),
        "REASSIGN" => ("REASSIGN OWNED", Access),
        "DO" => ("DO", Server),
        "LOAD" => ("LOAD", Server),
        "CHECKPOINT" => ("CHECKPOINT", Maintenance),
        "VACUUM" => ("VACUUM", Maintenance),
        "ANALYZE" | "ANALYSE" => ("ANALYZE", Maintenance),
        "REINDEX" => ("REINDEX", Maintenance),
        "CLUSTER" => ("CLUSTER", Maintenance),
        _ => {
            cursor.at = 0;
            return Err(cursor.error());
        }
    };
    cursor.at = cursor.tokens.len();
    Ok(Command::Other { tag, kind })
}

type Tags = [(&'static str, &'static str, OtherKind)];

macro_rules! tags {
    ($verb:literal) => {
        [
            ("TABLE", concat!($verb, " TABLE"), OtherKind::Definition),
            ("VIEW", concat!($verb, " VIEW"), OtherKind::Definition),
            (
                "MATERIALIZED",
                concat!($verb, " MATERIALIZED VIEW"),
                OtherKind::Definition,
            ),
            ("INDEX", concat!($verb, " INDEX"), OtherKind::Definition),
            ("SCHEMA", concat!($verb, " SCHEMA"), OtherKind::Definition),
            ("SEQUENCE", concat!($verb, " SEQUENCE"), OtherKind::Definition),
            ("TYPE", concat!($verb, " TYPE"), OtherKind::Definition),
            ("DOMAIN", concat!($verb, " DOMAIN"), OtherKind::Definition),
            ("DATABASE", concat!($verb, " DATABASE"), OtherKind::Definition),
            ("FUNCTION", concat!($verb, " FUNCTION"), OtherKind::Server),
            ("PROCEDURE", concat!($verb, " PROCEDURE"), OtherKind::Server),
            ("TRIGGER", concat!($verb, " TRIGGER"), OtherKind::Definition),
            ("EXTENSION", concat!($verb, " EXTENSION"), OtherKind::Server),
            ("LANGUAGE", concat!($verb, " LANGUAGE"), OtherKind::Server),
            ("RULE", concat!($verb, " RULE"), OtherKind::Definition),
            ("AGGREGATE", concat!($verb, " AGGREGATE"), OtherKind::Definition),
            ("CAST", concat!($verb, " CAST"), OtherKind::Definition),
            ("COLLATION", concat!($verb, " COLLATION"), OtherKind::Definition),
            ("STATISTICS", concat!($verb, " STATISTICS"), OtherKind::Definition),
            ("POLICY", concat!($verb, " POLICY"), OtherKind::Access),
            ("ROLE", concat!($verb, " ROLE"), OtherKind::Access),
            ("USER", concat!($verb, " ROLE"), OtherKind::Access),
            ("GROUP", concat!($verb, " ROLE"), OtherKind::Access),
            ("SYSTEM", concat!($verb, " SYSTEM"), OtherKind::Server),
            ("TABLESPACE", concat!($verb, " TABLESPACE"), OtherKind::Server),
        ]
    };
}
const CREATE: [(&str, &str, OtherKind); 25] = tags!("CREATE");
const ALTER: [(&str, &str, OtherKind); 25] = tags!("ALTER");
const DROP: [(&str, &str, OtherKind); 25] = tags!("DROP");

/// The tag of a definition: the object's word comes first, after words like OR REPLACE TEMPORARY.
fn definition(cursor: &mut Cursor<'_>, tags: &Tags) -> Option<(&'static str, OtherKind)> {
    let before = [
        "OR",
        "REPLACE",
        "TEMP",
        "TEMPORARY",
        "UNLOGGED",
        "GLOBAL",
        "LOCAL",
        "UNIQUE",
        "RECURSIVE",
        "TRUSTED",
        "PROCEDURAL",
        "CONSTRAINT",
        "EVENT",
    ];
    while cursor.take_any(&before).is_some() {}
    if let Some((_, tag, kind)) = tags.iter().find(|(word, ..)| cursor.sees(word)) {
        return Some((tag, *kind));
    }
    let rare = [
        "FOREIGN",
        "SERVER",
        "ACCESS",
        "OPERATOR",
        "CONVERSION",
        "TEXT",
        "PUBLICATION",
        "SUBSCRIPTION",
        "TRANSFORM",
        "DEFAULT",
        "LARGE",
        "OWNED",
        "ROUTINE",
    ];
    rare.iter()
        .any(|word| cursor.sees(word))
        .then_some(("DDL", OtherKind::Definition))
}
