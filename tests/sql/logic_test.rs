//! The sqllogictest crate over a [`Transport`].

use async_trait::async_trait;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};
use system_tests::transport::{Answer, Failure, Transport};
use tokio_postgres::types::Type;

/// How values are written in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As PostgreSQL prints them.
    Postgres,
    /// As DataFusion's test runner prints what PostgreSQL answers.
    DataFusion,
}

/// A session as sqllogictest wants it.
pub(crate) struct Session {
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) style: Style,
    /// What `onlyif` and `skipif` compare with.
    pub(crate) engine: &'static str,
}

#[async_trait]
impl AsyncDB for Session {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        let answer = self.transport.run(sql).await?;
        if answer.columns.is_empty() && answer.rows.is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        Ok(DBOutput::Rows {
            types: vec![DefaultColumnType::Any; answer.columns.len()],
            rows: texts(&answer, self.style),
        })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        self.engine
    }

    fn error_sql_state(error: &Failure) -> Option<String> {
        Some(error.sqlstate.clone())
    }
}

fn texts(answer: &Answer, style: Style) -> Vec<Vec<String>> {
    let kind = |index: usize| {
        answer
            .columns
            .get(index)
            .and_then(|column| column.type_oid)
            .and_then(Type::from_oid)
    };
    let kinds = (0..answer.columns.len()).map(kind).collect::<Vec<_>>();
    let text = |(index, value): (usize, &Option<String>)| match (value.as_deref(), style) {
        (None, _) => "NULL".to_owned(),
        (Some(""), _) => "(empty)".to_owned(),
        (Some(value), Style::Postgres) => value.to_owned(),
        (Some(value), Style::DataFusion) => in_their_words(value, kinds.get(index).and_then(Option::as_ref)),
    };
    answer
        .rows
        .iter()
        .map(|row| row.iter().enumerate().map(text).collect())
        .collect()
}

fn in_their_words(value: &str, kind: Option<&Type>) -> String {
    match kind {
        Some(&Type::BOOL) => if value == "t" { "true" } else { "false" }.to_owned(),
        Some(&Type::FLOAT4 | &Type::FLOAT8 | &Type::NUMERIC) => match value.parse::<f64>() {
            Ok(number) if number.is_finite() && number.abs() < 1e15 && (value.contains('e') || value.len() > 14) => {
                shortened(&format!("{number:.12}"))
            }
            _ => shortened(value),
        },
        Some(&Type::TIMESTAMP) => value.replacen(' ', "T", 1),
        Some(&Type::TIMESTAMPTZ) => value.replacen(' ', "T", 1).replace("+00", "Z"),
        _ => value.to_owned(),
    }
}

fn shortened(number: &str) -> String {
    let short = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    if short == "-0" { "0" } else { short }.to_owned()
}
