use contract::ErrorKind;
use datafusion::sql::sqlparser::ast::{Statement, TableFactor, TableVersion};

use super::*;
use crate::command::*;
use crate::{VersionAsked, take_table_versions};

fn one(sql: &str) -> Command {
    let mut statements = parse(sql, &Limits::default()).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    assert_eq!(statements.len(), 1, "{sql}");
    statements.remove(0).command
}

fn failure(sql: &str) -> contract::Error {
    match parse(sql, &Limits::default()) {
        Ok(parsed) => panic!("{sql}: {parsed:?}"),
        Err(error) => error,
    }
}

fn query(sql: &str) -> Statement {
    match one(sql) {
        Command::Query(statement) => *statement,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn statements_are_split_with_their_text() {
    let sql = "select 1; -- é;\n /* ; */ select ';' ;; begin;";
    let statements = parse(sql, &Limits::default()).unwrap();
    let texts: Vec<&str> = statements
        .iter()
        .map(|statement| &sql[statement.text.clone()])
        .collect();
    assert_eq!(texts, ["select 1", "select ';'", "begin"]);
    for empty in ["", " ", ";", "-- ping", "/* a /* b */ */;"] {
        assert_eq!(one(empty), Command::Empty, "{empty}");
    }
    let sql = "select 'é' ; select $2, $11";
    let statements = parse(sql, &Limits::default()).unwrap();
    assert_eq!(&sql[statements[1].text.clone()], "select $2, $11");
    assert_eq!((statements[0].parameters, statements[1].parameters), (0, 11));
}

#[test]
fn syntax_errors_say_where_in_postgres_words() {
    let cases = [
        ("select 1 +", "syntax error at end of input", Some(11)),
        ("select * form t", "syntax error at or near \"t\"", Some(15)),
        ("selct 1", "syntax error at or near \"selct\"", Some(1)),
        ("select 1 + from x", "syntax error at or near \"from\"", Some(12)),
        ("select 'é', ) from t", "syntax error at or near \")\"", Some(13)),
        ("select 1;\nselect (2", "syntax error at end of input", Some(20)),
        ("select (2; select 3", "syntax error at or near \";\"", Some(10)),
        ("select 'abc", "unterminated quoted string at or near \"'abc\"", Some(8)),
        (
            "select \"abc",
            "unterminated quoted identifier at or near \"\"abc\"",
            Some(8),
        ),
        ("select $0", "there is no parameter $0", Some(8)),
        ("select 'a' 'b'", "syntax error at or near \"'b'\"", Some(12)),
        ("select a == b from t", "syntax error at or near \"==\"", Some(10)),
        ("use lake", "syntax error at or near \"use\"", Some(1)),
        ("describe t", "syntax error at or near \"describe\"", Some(1)),
        (
            "insert overwrite t select 1",
            "syntax error at or near \"overwrite\"",
            Some(8),
        ),
        ("fetch 10 from", "syntax error at end of input", Some(14)),
        ("select ?", "syntax error at or near \"?\"", Some(8)),
    ];
    for (sql, message, position) in cases {
        let error = failure(sql);
        assert_eq!(
            (error.kind(), error.message(), error.position()),
            (ErrorKind::Syntax, message, position),
            "{sql}"
        );
    }
    for sql in ["select top 5 * from t", "select a from t qualify x = 1", "select 0x1F"] {
        assert_eq!(failure(sql).kind(), ErrorKind::Syntax, "{sql}");
    }
    for sql in [
        "select * from t for update",
        "select * from t tablesample system (1)",
        "select b'101'",
    ] {
        assert_eq!(failure(sql).kind(), ErrorKind::Unsupported, "{sql}");
    }
    assert_eq!(failure("show tables").kind(), ErrorKind::UndefinedObject);
}

#[test]
fn limits_hold_before_anything_recurses() {
    let chain = |sign: &str, terms: usize| format!("select {}", vec!["a=1"; terms].join(sign));
    for sign in [" or ", " and ", " + ", " || ", "::int4 + "] {
        assert_eq!(
            failure(&chain(sign, 10_000)).kind(),
            ErrorKind::StatementTooComplex,
            "{sign}"
        );
    }
    one(&chain(" or ", 900));
    let many = format!("select * from t where a in ({})", vec!["1"; 10_000].join(","));
    one(&many);
    let unions = vec!["select 1"; 2_000].join(" union all ");
    assert_eq!(failure(&unions).kind(), ErrorKind::StatementTooComplex);
    for nested in [
        format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("select {}1", "- ".repeat(600)),
        format!("select {} true", "not ".repeat(600)),
        format!("select * from {}t{}", "(".repeat(3_000), ")".repeat(3_000)),
        format!("{}select 1{}", "select * from (".repeat(80), ") t".repeat(80)),
        format!("select {}1{}", "case when true then ".repeat(500), " end".repeat(500)),
        format!("select a{}", "[1]".repeat(5_000)),
    ] {
        let start: String = nested.chars().take(30).collect();
        assert_eq!(failure(&nested).kind(), ErrorKind::StatementTooComplex, "{start}");
    }
    let cases = vec!["when a = 1 then 2"; 700].join(" ");
    one(&format!("select case {cases} end"));
    assert_eq!(
        failure(&format!("select '{}'", "x".repeat(1 << 20))).kind(),
        ErrorKind::StatementTooComplex
    );
    assert_eq!(failure(&"a ".repeat(300_000)).kind(), ErrorKind::StatementTooComplex);
}

#[test]
fn transactions() {
    let read_only = TransactionModes {
        isolation: Some(IsolationLevel::RepeatableRead),
        read_only: Some(true),
        deferrable: Some(false),
    };
    let none = TransactionModes::default();
    assert_eq!(
        one("begin work"),
        Command::Begin {
            modes: none,
            tag: "BEGIN"
        }
    );
    assert_eq!(
        one("START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY NOT DEFERRABLE"),
        Command::Begin {
            modes: read_only,
            tag: "START TRANSACTION"
        }
    );
    assert_eq!(one("end transaction and no chain"), Command::Commit { chain: false });
    assert_eq!(one("commit and chain"), Command::Commit { chain: true });
    for sql in ["rollback", "ABORT WORK", "rollback transaction"] {
        assert_eq!(one(sql), Command::Rollback { chain: false }, "{sql}");
    }
    assert_eq!(one("savepoint \"_pg3_1\""), Command::Savepoint("_pg3_1".into()));
    assert_eq!(one("release SP"), Command::Release("sp".into()));
    assert_eq!(one("release savepoint sp"), Command::Release("sp".into()));
    assert_eq!(one("rollback to savepoint sp"), Command::RollbackTo("sp".into()));
    assert_eq!(one("rollback work to sp"), Command::RollbackTo("sp".into()));
    for sql in [
        "prepare transaction 'x'",
        "commit prepared 'x'",
        "rollback prepared 'x'",
    ] {
        assert!(
            matches!(
                one(sql),
                Command::Other {
                    kind: OtherKind::TwoPhase,
                    ..
                }
            ),
            "{sql}"
        );
    }
    assert_eq!(failure("begin read").kind(), ErrorKind::Syntax);
}

#[test]
fn settings() {
    let set = |name: &str, value: Option<&str>| Command::Set {
        local: false,
        name: name.into(),
        value: value.map(str::to_owned),
    };
    for (sql, name, value) in [
        ("SET extra_float_digits = 3", "extra_float_digits", Some("3")),
        ("set DateStyle = ISO, MDY", "datestyle", Some("iso, mdy")),
        (
            "set search_path to sales, \"A b\", 'public'",
            "search_path",
            Some("sales, \"A b\", public"),
        ),
        ("set time zone 'Europe/Berlin'", "timezone", Some("Europe/Berlin")),
        (
            "SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE",
            "timezone",
            Some("+00:00"),
        ),
        ("set time zone -5", "timezone", Some("-5")),
        ("set time zone local", "timezone", None),
        ("set session statement_timeout to default", "statement_timeout", None),
        ("set names 'utf8'", "client_encoding", Some("utf8")),
        ("set lakegate.route = 'direct'", "lakegate.route", Some("direct")),
        ("set role none", "role", Some("none")),
        ("set session authorization ana", "session_authorization", Some("ana")),
        ("set schema 'Sales'", "search_path", Some("\"Sales\"")),
        ("set xml option document", "xmloption", Some("document")),
        ("set jit = off", "jit", Some("off")),
    ] {
        assert_eq!(one(sql), set(name, value), "{sql}");
    }
    assert!(matches!(one("set local jit to on"), Command::Set { local: true, .. }));
    assert!(matches!(
        one("set transaction read only"),
        Command::SetTransaction { session: false, .. }
    ));
    assert!(matches!(
        one("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"),
        Command::SetTransaction { session: true, .. }
    ));
    assert_eq!(one("set constraints all deferred"), Command::SetConstraints);
    for (sql, name) in [
        ("show transaction isolation level", "transaction_isolation"),
        ("SHOW SERVER_VERSION", "server_version"),
        ("show time zone", "timezone"),
    ] {
        assert_eq!(one(sql), Command::Show(Some(name.into())), "{sql}");
    }
    assert_eq!(one("show all"), Command::Show(None));
    assert_eq!(one("reset all"), Command::Reset(None));
    assert_eq!(
        one("reset session authorization"),
        Command::Reset(Some("session_authorization".into()))
    );
    assert_eq!(one("discard all"), Command::Discard(DiscardKind::All));
    assert_eq!(one("discard temp"), Command::Discard(DiscardKind::Temporary));
}

#[test]
fn cursors() {
    use FetchCount::{All, Rows};
    use FetchDirection::{Absolute, Backward, Forward, Relative};
    for (sql, direction) in [
        ("fetch c", Forward(Rows(1))),
        ("fetch from c", Forward(Rows(1))),
        ("fetch in c", Forward(Rows(1))),
        ("fetch 10 from c", Forward(Rows(10))),
        ("fetch 1 c", Forward(Rows(1))),
        ("fetch -3 in c", Forward(Rows(-3))),
        ("FETCH FORWARD 50 FROM \"c\"", Forward(Rows(50))),
        ("fetch forward all from c", Forward(All)),
        ("fetch forward c", Forward(Rows(1))),
        ("fetch all c", Forward(All)),
        ("fetch next from c", Forward(Rows(1))),
        ("fetch prior from c", Backward(Rows(1))),
        ("fetch backward 2 c", Backward(Rows(2))),
        ("fetch first c", Absolute(1)),
        ("fetch last from c", Absolute(-1)),
        ("fetch absolute -4 c", Absolute(-4)),
        ("fetch relative 0 from c", Relative(0)),
    ] {
        assert_eq!(
            one(sql),
            Command::Fetch {
                cursor: "c".into(),
                direction
            },
            "{sql}"
        );
        let moved = sql.replacen(&sql[..5], "move", 1);
        assert_eq!(
            one(&moved),
            Command::Move {
                cursor: "c".into(),
                direction
            },
            "{moved}"
        );
    }
    let sql = "declare \"SQL_CUR1\" binary insensitive no scroll cursor with hold for select 1";
    match one(sql) {
        Command::Declare(declared) => {
            assert_eq!((declared.name.as_str(), declared.binary), ("SQL_CUR1", true));
            assert_eq!((declared.scroll, declared.hold), (Some(false), true));
            assert_eq!(&sql[declared.query.text], "select 1");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(one("close all"), Command::Close(None));
    assert_eq!(one("close C"), Command::Close(Some("c".into())));
    assert_eq!(failure("declare c cursor for commit").kind(), ErrorKind::Syntax);
}

#[test]
fn prepared_statements() {
    let sql = "prepare p (int, text) as select $1, $2";
    match one(sql) {
        Command::Prepare { name, types, statement } => {
            assert_eq!((name.as_str(), types.len(), statement.parameters), ("p", 2, 2));
            assert_eq!(&sql[statement.text.clone()], "select $1, $2");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(one("execute p(1, 'x')"), Command::Execute { arguments, .. } if arguments.len() == 2));
    assert!(matches!(one("execute p"), Command::Execute { arguments, .. } if arguments.is_empty()));
    assert_eq!(one("deallocate prepare p"), Command::Deallocate(Some("p".into())));
    assert_eq!(one("deallocate all"), Command::Deallocate(None));
    assert_eq!(one("deallocate prepare all"), Command::Deallocate(None));
}

#[test]
fn explain() {
    let read = |sql: &str| match one(sql) {
        Command::Explain(explain) => (explain.analyze, explain.verbose, explain.format),
        other => panic!("{other:?}"),
    };
    assert_eq!(read("explain select 1"), (false, false, ExplainFormat::Text));
    assert_eq!(
        read("explain analyze verbose (select 1)"),
        (true, true, ExplainFormat::Text)
    );
    assert_eq!(
        read("explain (analyze, costs off, format json) select 1"),
        (true, false, ExplainFormat::Json)
    );
    assert_eq!(
        read("EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE s(NULL)"),
        (false, true, ExplainFormat::Json)
    );
    assert_eq!(read("explain (select 1)"), (false, false, ExplainFormat::Text));
    assert_eq!(failure("explain (what) select 1").kind(), ErrorKind::Syntax);
    assert_eq!(failure("explain commit").kind(), ErrorKind::Syntax);
}

#[test]
fn copy() {
    let read = |sql: &str| match one(sql) {
        Command::CopyTo(copy) => *copy,
        other => panic!("{other:?}"),
    };
    assert_eq!(read("copy (select 1) to stdout").options.format, CopyFormat::Text);
    for sql in [
        "copy t to stdout with binary",
        "copy binary t to stdout",
        "copy t to stdout (format binary)",
    ] {
        assert_eq!(read(sql).options.format, CopyFormat::Binary, "{sql}");
    }
    let copy = read(
        "COPY (select a from t) TO STDOUT WITH (FORMAT csv, HEADER, DELIMITER ';', NULL 'x', QUOTE '''', FORCE_QUOTE (a))",
    );
    assert!(copy.options.header);
    assert_eq!(
        (copy.options.delimiter, copy.options.quote, copy.options.escape),
        (b';', b'\'', b'\'')
    );
    assert_eq!(copy.options.force_quote, ForceQuote::Columns(vec!["a".into()]));
    let copy = read("copy s.t (a, b) to stdout csv header delimiter as '|' null as ''");
    assert_eq!((copy.options.format, copy.options.delimiter), (CopyFormat::Csv, b'|'));
    match copy.query.command {
        Command::Query(statement) => assert_eq!(statement.to_string(), "SELECT a, b FROM s.t"),
        other => panic!("{other:?}"),
    }
    for sql in [
        "copy t to '/tmp/x'",
        "copy t to program 'x'",
        "copy t from '/etc/passwd'",
    ] {
        assert_eq!(
            one(sql),
            Command::Other {
                tag: "COPY",
                kind: OtherKind::Server
            },
            "{sql}"
        );
    }
    assert_eq!(
        one("copy t from stdin"),
        Command::Other {
            tag: "COPY",
            kind: OtherKind::Write
        }
    );
    assert_eq!(
        failure("copy t to stdout (format csv, format text)").kind(),
        ErrorKind::Syntax
    );
    assert_eq!(
        failure("copy t to stdout (format avro)").kind(),
        ErrorKind::InvalidParameter
    );
}

#[test]
fn other_statements_are_named() {
    use OtherKind::{Access, Definition, Maintenance, Server, Write};
    for (sql, tag, kind) in [
        ("insert into t values (1)", "INSERT", Write),
        ("update t set a = 1", "UPDATE", Write),
        ("delete from t", "DELETE", Write),
        ("with x as (delete from t returning *) select * from x", "DELETE", Write),
        ("create temporary table x (a int)", "CREATE TABLE", Definition),
        ("create or replace view v as select 1", "CREATE VIEW", Definition),
        ("create external table x", "", Definition),
        ("select 1 into t", "SELECT INTO", Definition),
        ("drop table t", "DROP TABLE", Definition),
        ("grant select on t to x", "GRANT", Access),
        ("create role x", "CREATE ROLE", Access),
        ("do $$ begin end $$", "DO", Server),
        (
            "create function f() returns int as 'x' language c",
            "CREATE FUNCTION",
            Server,
        ),
        ("vacuum t", "VACUUM", Maintenance),
    ] {
        if tag.is_empty() {
            assert_eq!(failure(sql).kind(), ErrorKind::Syntax, "{sql}");
            continue;
        }
        assert_eq!(one(sql), Command::Other { tag, kind }, "{sql}");
    }
    assert_eq!(one("listen x"), Command::Listen("x".into()));
    assert_eq!(one("unlisten *"), Command::Unlisten(None));
    assert_eq!(
        one("notify x, 'y'"),
        Command::Notify {
            channel: "x".into(),
            payload: Some("y".into())
        }
    );
    assert!(
        matches!(one("lock table a, only b in access share mode nowait"), Command::Lock(tables) if tables.len() == 2)
    );
}

#[test]
fn misread_spellings_are_mended() {
    for (sql, meant) in [
        ("select a isnull from t", "SELECT a IS NULL FROM t"),
        ("select * from only t", "SELECT * FROM t"),
        ("table s.t", "SELECT * FROM s.t"),
        ("select 'a'\n 'b'", "SELECT 'ab'"),
        ("select f(a := 1)", "SELECT f(a => 1)"),
        ("values (1), (2)", "VALUES (1), (2)"),
        ("select * from t before, u changes", "SELECT * FROM t before, u changes"),
        (
            "select a operator(pg_catalog.=) any (array['x'])",
            "SELECT a = ANY(ARRAY['x'])",
        ),
    ] {
        assert_eq!(query(sql).to_string(), meant, "{sql}");
    }
}

#[test]
fn time_travel() {
    for (sql, asked) in [
        ("select * from t version as of 3", Some(3)),
        ("select * from t for system_version as of 3", Some(3)),
        ("select * from t for version as of 3", Some(3)),
        ("select * from t timestamp as of '2024-01-01'", None),
        ("select * from t for system_time as of '2024-01-01'", None),
        ("select * from (select * from t version as of 3) x", Some(3)),
    ] {
        let mut statement = query(sql);
        let mut found = Vec::new();
        take_table_versions(&mut statement, &mut |name, version| {
            found.push((name.to_string(), version));
            Ok(name.clone())
        })
        .unwrap();
        assert_eq!(found.len(), 1, "{sql}");
        match (&found[0].1, asked) {
            (VersionAsked::Number(number), Some(wanted)) => assert_eq!(*number, wanted, "{sql}"),
            (VersionAsked::Timestamp(_), None) => {}
            other => panic!("{sql}: {other:?}"),
        }
        assert!(!statement.to_string().contains("OF"), "{sql}");
    }
    let Statement::Query(select) = query("select * from t version as of 3 x") else {
        panic!()
    };
    let factor = &select.body.as_select().unwrap().from[0].relation;
    assert!(matches!(
        factor,
        TableFactor::Table {
            version: Some(TableVersion::VersionAsOf(_)),
            alias: Some(_),
            ..
        }
    ));
}

#[test]
fn fetch_first_is_limit() {
    for (written, meant) in [
        ("select a from t fetch first 2 rows only", "select a from t limit 2"),
        ("select a from t fetch next row only", "select a from t limit 1"),
        (
            "select a from t offset 3 rows fetch first $1 row only",
            "select a from t offset 3 rows limit $1",
        ),
        (
            "select a from t fetch first (1 + 2) rows only offset 1",
            "select a from t limit (1 + 2) offset 1",
        ),
        (
            "select * from (select a from t fetch first row only) u",
            "select * from (select a from t limit 1) u",
        ),
    ] {
        assert_eq!(query(written), query(meant), "{written}");
    }
    let ties = failure("select a from t order by a fetch first 2 rows with ties");
    assert_eq!((ties.kind(), ties.position()), (ErrorKind::Unsupported, Some(47)));
    for wrong in [
        "select a from t fetch first 2 rows",
        "select a from t fetch first 2 percent rows only",
        "select a from t limit 1 fetch first 2 rows only",
    ] {
        assert_eq!(failure(wrong).kind(), ErrorKind::Syntax, "{wrong}");
    }
}

#[test]
fn aggregates_and_window_functions_have_their_places() {
    let cases = [
        (
            "select 1 from t where sum(a) > 1",
            ErrorKind::Grouping,
            "aggregate functions are not allowed in WHERE",
        ),
        (
            "select 1 from t where a = rank() over ()",
            ErrorKind::Windowing,
            "window functions are not allowed in WHERE",
        ),
        (
            "select 1 from t join u on max(t.a) = u.a",
            ErrorKind::Grouping,
            "aggregate functions are not allowed in JOIN conditions",
        ),
        (
            "select 1 from t group by max(a)",
            ErrorKind::Grouping,
            "aggregate functions are not allowed in GROUP BY",
        ),
        (
            "select 1 from t group by a having rank() over () = 1",
            ErrorKind::Windowing,
            "window functions are not allowed in HAVING",
        ),
        (
            "select sum(count(*)) from t",
            ErrorKind::Grouping,
            "aggregate function calls cannot be nested",
        ),
        (
            "select sum(rank() over ()) from t",
            ErrorKind::Grouping,
            "aggregate function calls cannot contain window function calls",
        ),
    ];
    for (sql, kind, message) in cases {
        let error = failure(sql);
        assert_eq!((error.kind(), error.message()), (kind, message), "{sql}");
        assert!(error.position().is_some(), "{sql}");
    }
    for right in [
        "select sum(count(*)) over () from t",
        "select a from t where b = (select max(c) from u)",
        "select max(a) from t having max(a) > 1 order by max(a)",
    ] {
        let _ = query(right);
    }
}

#[test]
fn words_of_other_systems_are_no_syntax() {
    for sql in [
        "select 1 from t left semi join u on true",
        "select 1 from t left anti join u on true",
        "select 1 from t with ordinality",
        "select a rlike b from t",
        "select 1 union by name select 2",
    ] {
        assert_eq!(failure(sql).kind(), ErrorKind::Syntax, "{sql}");
    }
}
