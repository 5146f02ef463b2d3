//! The door of a program that embeds the engine.

use std::sync::Arc;

use arrow_postgres::{Format, RowEncoder, SessionFormat, pg_type};
use async_trait::async_trait;
use contract::{DataException, Error, ErrorKind, Identity};
use engine::{ClientSession, Engine, Outcome, SessionOptions};
use futures::StreamExt;

use crate::transport::{Answer, Column, Failure, Transport};
use crate::transport_wire::values_of_row;

/// A [`ClientSession`] in this process.
#[derive(Debug)]
pub struct Embedded {
    session: ClientSession,
}

impl Embedded {
    /// A session of that user.
    pub fn open(engine: &Engine, user: &str) -> Self {
        Self::of(engine, engine.identity(user).unwrap())
    }

    /// A session of that identity.
    pub fn of(engine: &Engine, identity: Arc<Identity>) -> Self {
        let session = engine.open_session(identity, SessionOptions::default()).unwrap();
        Self { session }
    }

    /// What the session has to say beside its answers, since the last call.
    pub fn notices(&mut self) -> Vec<Error> {
        self.session.take_notices()
    }

    async fn answer(&mut self, sql: &str) -> contract::Result<Answer> {
        let mut answer = Answer::default();
        for statement in self.session.parse(sql)? {
            let ctx = self.session.query_context();
            let prepared = self.session.prepare(statement, &[], &ctx).await?;
            let outcome = self.session.execute(&prepared, Vec::new(), &ctx).await?;
            let (schema, mut stream) = match outcome {
                Outcome::Rows { schema, stream, .. } | Outcome::CopyOut { schema, stream, .. } => (schema, stream),
                Outcome::Command { .. } | Outcome::Empty => continue,
            };
            let format = SessionFormat {
                time_zone: self.session.setting("TimeZone").unwrap().parse().unwrap(),
                ..SessionFormat::default()
            };
            let encoder = RowEncoder::new(&schema, &vec![Format::Text; schema.fields().len()], &format);
            answer.columns = schema
                .fields()
                .iter()
                .map(|field| Column {
                    name: field.name().clone(),
                    type_oid: Some(pg_type(field).oid),
                })
                .collect();
            answer.rows.clear();
            while let Some(batch) = stream.next().await {
                let batch = batch?;
                for row in 0..batch.num_rows() {
                    let mut message = Vec::new();
                    encoder.encode_data_rows(&batch, row..row + 1, &mut message).unwrap();
                    let values = values_of_row(&message[5..]);
                    let texts = values
                        .into_iter()
                        .map(|value| value.map(|value| String::from_utf8(value).unwrap()));
                    answer.rows.push(texts.collect());
                }
            }
        }
        Ok(answer)
    }
}

#[async_trait]
impl Transport for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    async fn run(&mut self, sql: &str) -> Result<Answer, Failure> {
        let answer = self.answer(sql).await;
        if answer.is_err() {
            self.session.fail_transaction();
        }
        self.session.end_of_batch();
        if let Err(error) = &answer
            && error.kind() == ErrorKind::Internal
        {
            // A fault of ours, whose causes no client is told.
            println!("{sql}\n{}", error.causes());
        }
        answer.map_err(|error| Failure {
            sqlstate: sqlstate(&error).to_owned(),
            message: error.message().to_owned(),
            more: error
                .detail()
                .into_iter()
                .chain(error.hint())
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// The SQLSTATE that PostgreSQL gives; a second opinion beside the front end's own list, of what the suites provoke.
fn sqlstate(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Syntax => "42601",
        ErrorKind::UndefinedTable => "42P01",
        ErrorKind::UndefinedColumn => "42703",
        ErrorKind::UndefinedFunction => "42883",
        ErrorKind::UndefinedObject => "42704",
        ErrorKind::UndefinedPreparedStatement => "26000",
        ErrorKind::UndefinedCursor => "34000",
        ErrorKind::DuplicatePreparedStatement => "42P05",
        ErrorKind::DuplicateCursor => "42P03",
        ErrorKind::DuplicateAlias => "42712",
        ErrorKind::AmbiguousColumn => "42702",
        ErrorKind::Grouping => "42803",
        ErrorKind::Windowing => "42P20",
        ErrorKind::TypeMismatch => "42804",
        ErrorKind::CannotCoerce => "42846",
        ErrorKind::Cardinality => "21000",
        ErrorKind::InvalidParameter => "22023",
        ErrorKind::InvalidSavepoint => "3B001",
        ErrorKind::NoActiveTransaction => "25P01",
        ErrorKind::InFailedTransaction => "25P02",
        ErrorKind::PermissionDenied => "42501",
        ErrorKind::InvalidAuthorization => "28000",
        ErrorKind::Unsupported => "0A000",
        ErrorKind::ReadOnly => "25006",
        ErrorKind::StatementTooComplex => "54001",
        ErrorKind::LimitExceeded => "54000",
        ErrorKind::DataException(exception) => match exception {
            DataException::DivisionByZero => "22012",
            DataException::NumericValueOutOfRange => "22003",
            DataException::InvalidTextRepresentation => "22P02",
            DataException::InvalidDatetimeFormat => "22007",
            DataException::DatetimeFieldOverflow => "22008",
            DataException::InvalidRegularExpression => "2201B",
            DataException::ArraySubscript => "2202E",
            DataException::InvalidArgument => "22023",
            DataException::InvalidArgumentForLogarithm => "2201E",
            DataException::InvalidArgumentForPower => "2201F",
            DataException::InvalidRowCountInLimit => "2201W",
            DataException::InvalidRowCountInOffset => "2201X",
            _ => "22000",
        },
        ErrorKind::SourceUnavailable => "HV00N",
        ErrorKind::SourceRejected | ErrorKind::SourceThrottled => "HV000",
        ErrorKind::Internal => "XX000",
        _ => "?",
    }
}
