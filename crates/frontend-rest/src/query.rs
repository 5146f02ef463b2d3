//! `POST /_query`: one statement of SQL with parameters.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_postgres::{Format, SessionFormat, decode_parameter_in, pg_type};
use arrow_schema::{Field, Schema};
use contract::{Error, ErrorKind};
use datafusion_common::ScalarValue;
use engine::{Outcome, PreparedStatement};
use hyper::Response;
use serde_json::json;

use crate::answer::{self, AnswerBody, PageMeta};
use crate::encode::{AnswerEncoder, Envelope};
use crate::error::{Refusal, data_kind};
use crate::json::Json;
use crate::parameters;
use crate::run::{Exchange, Session};

const MEMBERS: [&str; 3] = ["sql", "params", "wrap"];

/// What the body asks for.
struct Question {
    sql: String,
    values: Vec<Json>,
    envelope: Envelope,
}

/// Answers the statement of `body`.
pub(crate) async fn run(
    exchange: &Exchange,
    mut session: Session<'_>,
    body: Vec<(String, Json)>,
) -> Result<Response<AnswerBody>, Refusal> {
    let format = exchange.format()?;
    let Question { sql, values, envelope } = question(body)?;
    let mut statements = session.session.parse_question_marks(&sql)?.into_iter();
    let Some(statement) = statements.next() else {
        return Err(Refusal::bad("\"sql\" holds no statement"));
    };
    if statements.next().is_some() {
        let error = Error::new(ErrorKind::Syntax, "\"sql\" holds more than one statement");
        return Err(error.with_hint("Send each in a request of its own.").into());
    }
    let prepared = session.prepare(statement).await?;
    let values = bind(&prepared, &values)?;
    match session.execute(&prepared, values).await? {
        Outcome::Rows { schema, stream, .. } => {
            session
                .rows(format, envelope, &schema, stream, PageMeta::default())
                .await
        }
        Outcome::Command { tag } => {
            let schema = Arc::new(Schema::empty());
            let encoder = AnswerEncoder::new(format, &schema, envelope)?;
            let meta = json!({"command": tag});
            answer::rows_of(format, encoder, &RecordBatch::new_empty(schema), Some(&meta))
        }
        Outcome::CopyOut { .. } => {
            let error = Error::unsupported("COPY is not supported over REST");
            Err(error.with_hint("Send the query itself and accept text/csv.").into())
        }
        Outcome::Empty => Err(Refusal::bad("\"sql\" holds no statement")),
    }
}

fn question(body: Vec<(String, Json)>) -> Result<Question, Refusal> {
    let mut question = Question {
        sql: String::new(),
        values: Vec::new(),
        envelope: Envelope::Resource,
    };
    let mut has_sql = false;
    for (name, value) in body {
        match (name.as_str(), value) {
            ("sql", Json::String(sql)) => {
                question.sql = sql;
                has_sql = true;
            }
            ("params", Json::Array(values)) => question.values = values,
            ("params", Json::Null) => {}
            ("wrap", Json::Bool(wrap)) if !wrap => question.envelope = Envelope::Bare,
            ("wrap", Json::Bool(_)) => {}
            ("sql", other) => {
                return Err(Refusal::bad(format!(
                    "\"sql\" must be a string, and is {}",
                    other.kind()
                )));
            }
            ("params", other) => {
                return Err(Refusal::bad(format!(
                    "\"params\" must be an array, and is {}",
                    other.kind()
                )));
            }
            ("wrap", other) => {
                return Err(Refusal::bad(format!(
                    "\"wrap\" must be a boolean, and is {}",
                    other.kind()
                )));
            }
            (other, _) => return Err(parameters::unknown(other, MEMBERS.into_iter())),
        }
    }
    match has_sql {
        true => Ok(question),
        false => Err(Refusal::bad("the body has no \"sql\"")
            .with_hint("POST {\"sql\": \"SELECT … WHERE x = ?\", \"params\": [1]}.")),
    }
}

/// The values as the types of the parameters, read from their texts as PostgreSQL reads them: no digit is lost.
fn bind(prepared: &PreparedStatement, values: &[Json]) -> Result<Vec<ScalarValue>, Refusal> {
    let fields = prepared.parameters();
    if fields.len() != values.len() {
        let message = format!(
            "the statement has {} parameters, and \"params\" holds {} values",
            fields.len(),
            values.len()
        );
        return Err(Refusal::bad(message));
    }
    fields
        .zip(values)
        .enumerate()
        .map(|(at, (field, value))| scalar(field, value, at + 1))
        .collect()
}

fn scalar(field: &Field, value: &Json, number: usize) -> Result<ScalarValue, Refusal> {
    let text = match value {
        Json::Null => None,
        Json::Bool(true) => Some("true"),
        Json::Bool(false) => Some("false"),
        Json::Number(text) | Json::String(text) => Some(text.as_str()),
        Json::Array(_) | Json::Object(_) => {
            return Err(Refusal::bad(format!("parameter {number} is {}", value.kind()))
                .with_hint("A parameter is a number, a string, a boolean or null; arrays go as text: \"{1,2}\"."));
        }
    };
    let oid = pg_type(field).oid;
    let value = decode_parameter_in(oid, Format::Text, text.map(str::as_bytes), &SessionFormat::default()).map_err(
        |error| Error::new(data_kind(error.sqlstate), error.message).with_detail(format!("It is parameter {number}.")),
    )?;
    let value = ScalarValue::try_from_array(&value.array, 0)
        .map_err(|error| Error::internal("a decoded parameter is no value").with_source(error))?;
    Ok(value)
}
