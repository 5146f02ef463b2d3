//! `policy test`: files that say who must see what, checked against the rules in force.

use std::path::Path;
use std::process::ExitCode;

use contract::{Error, ErrorKind, Result};
use engine::{Engine, SessionOptions};

use crate::command::{PolicyTestArguments, Progress, print_line};
use crate::sql::rows_of;
use crate::wiring::Setup;

/// The format, for `--help`.
pub(crate) const HELP: &str = "Run files of expectations about who sees what

A file is SQL with comments between the statements:

  -- as dana                                   who asks, from here on
  SELECT id, name FROM lake.s.t ORDER BY id;
  -- rows: (1, Ada), (2, NULL)                 exactly these rows, in this order
  SELECT * FROM lake.s.t;
  -- count: 2                                  this many rows
  SELECT card_number FROM lake.s.t;
  -- error: does not exist                     an error that says this

Values are written as PostgreSQL prints them. Other comments are comments. Every statement needs an
expectation. The exit code is 1 if one is not met.";

/// What a statement must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    Rows(String),
    Count(usize),
    Error(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Expectation {
    line: usize,
    user: String,
    sql: String,
    expected: Expected,
}

pub(crate) async fn run(arguments: PolicyTestArguments) -> Result<ExitCode> {
    let setup = {
        let progress = Progress::start();
        Setup::load(&arguments.origin, &|line| progress.line(line)).await?
    };
    let engine = setup.engine()?;
    let (mut met, mut missed) = (0, 0);
    for path in &arguments.files {
        for expectation in read(path)? {
            match check(&engine, &expectation).await? {
                None => met += 1,
                Some(found) => {
                    missed += 1;
                    print_line(&report(path, &expectation, &found))?;
                }
            }
        }
    }
    print_line(&format!("{met} met, {missed} not met"))?;
    Ok(ExitCode::from(u8::from(missed > 0)))
}

fn report(path: &Path, expectation: &Expectation, found: &str) -> String {
    let expected = match &expectation.expected {
        Expected::Rows(rows) => format!("rows: {rows}"),
        Expected::Count(count) => format!("count: {count}"),
        Expected::Error(text) => format!("error: {text}"),
    };
    let Expectation { line, user, sql, .. } = expectation;
    format!(
        "{}:{line}: not met, as {user}: {sql}\n  expected {expected}\n  found    {found}",
        path.display()
    )
}

fn read(path: &Path) -> Result<Vec<Expectation>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(
            ErrorKind::Configuration,
            format!("cannot read {}: {error}", path.display()),
        )
    })?;
    parse(&text).map_err(|(line, message)| {
        Error::new(
            ErrorKind::Configuration,
            format!("{}:{line}: {message}", path.display()),
        )
    })
}

fn parse(text: &str) -> std::result::Result<Vec<Expectation>, (usize, String)> {
    let mut expectations = Vec::new();
    let mut user: Option<String> = None;
    let mut sql = String::new();
    let mut start = 0;
    for (number, line) in (1..).zip(text.lines()) {
        let comment = line.trim().strip_prefix("--").map(str::trim);
        let expected = match comment {
            None => {
                if sql.is_empty() && !line.trim().is_empty() {
                    start = number;
                }
                if !sql.is_empty() || !line.trim().is_empty() {
                    sql.push_str(line);
                    sql.push('\n');
                }
                continue;
            }
            Some(comment) => match comment
                .split_once(' ')
                .map_or((comment, ""), |(word, rest)| (word, rest.trim()))
            {
                ("as", name) if !name.is_empty() && !name.contains(' ') => {
                    if !sql.trim().is_empty() {
                        return Err((start, "the statement has no expectation".to_owned()));
                    }
                    user = Some(name.to_owned());
                    continue;
                }
                ("rows:", rows) => Expected::Rows(rows.to_owned()),
                ("error:", text) if !text.is_empty() => Expected::Error(text.to_owned()),
                ("count:", count) => Expected::Count(
                    count
                        .parse()
                        .map_err(|_| (number, format!("\"{count}\" is no count")))?,
                ),
                _ => continue,
            },
        };
        let statement = sql.trim().trim_end_matches(';').to_owned();
        if statement.is_empty() {
            return Err((number, "the expectation follows no statement".to_owned()));
        }
        let user = user
            .clone()
            .ok_or((start, "nobody asks: write `-- as USER` first".to_owned()))?;
        expectations.push(Expectation {
            line: start,
            user,
            sql: statement,
            expected,
        });
        sql.clear();
    }
    if !sql.trim().is_empty() {
        return Err((start, "the statement has no expectation".to_owned()));
    }
    Ok(expectations)
}

/// What was found instead, if the expectation is not met.
async fn check(engine: &Engine, expectation: &Expectation) -> Result<Option<String>> {
    let mut session = engine.open_session(engine.identity(&expectation.user)?, SessionOptions::default())?;
    let found = rows_of(&mut session, &expectation.sql).await;
    let (met, found) = match (&expectation.expected, found) {
        (Expected::Error(text), Err(error)) => (error.message().contains(text), format!("error: {}", error.message())),
        (_, Err(error)) => (false, format!("error: {}", error.message())),
        (Expected::Count(count), Ok(rows)) => (rows.len() == *count, format!("count: {}", rows.len())),
        (Expected::Rows(expected), Ok(rows)) => {
            let found = render(&rows);
            (found == *expected, format!("rows: {found}"))
        }
        (Expected::Error(_), Ok(rows)) => (false, format!("count: {}", rows.len())),
    };
    Ok((!met).then_some(found))
}

fn render(rows: &[Vec<Option<String>>]) -> String {
    let row = |cells: &Vec<Option<String>>| {
        let cells: Vec<&str> = cells.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect();
        format!("({})", cells.join(", "))
    };
    rows.iter().map(row).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_expectations_are_read() {
        let text = "-- about\n-- as dana\nSELECT 1,\n  2;\n-- rows: (1, 2)\nSELECT x;\n-- error: no x\n-- as ana\nSELECT 3;\n-- count: 1\n";
        let found = parse(text).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(
            found[0],
            Expectation {
                line: 3,
                user: "dana".into(),
                sql: "SELECT 1,\n  2".into(),
                expected: Expected::Rows("(1, 2)".into())
            }
        );
        assert_eq!(found[2].user, "ana");
        assert_eq!(render(&[vec![Some("1".into()), None], vec![]]), "(1, NULL), ()");
        for (text, line) in [
            ("SELECT 1;\n-- count: 1", 1),
            ("-- as a\n-- count: 1", 2),
            ("-- as a\n\nSELECT 1;", 3),
            ("-- as a\nSELECT 1;\n-- count: x", 3),
            ("-- as a\nSELECT 1;\n-- as b", 2),
        ] {
            assert_eq!(parse(text).unwrap_err().0, line, "{text}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_demos_rules_come_to_what_they_promise() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = Some(folder.path().to_owned());
        let origin = crate::wiring::Origin {
            config: None,
            demo: true,
            data_dir,
            demo_scale: 0.001,
        };
        let setup = Setup::load(&origin, &|_| {}).await.unwrap();
        let engine = setup.engine().unwrap();
        let expectations = parse(include_str!("../../../sql/demo/expectations.sql")).unwrap();
        assert!(expectations.len() > 10);
        for expectation in expectations {
            assert_eq!(check(&engine, &expectation).await.unwrap(), None, "{expectation:?}");
        }
    }
}
