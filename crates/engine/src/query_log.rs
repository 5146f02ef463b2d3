//! The queries that ran lately, as `lakegate.queries` shows them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::{Error, Identity, QueryId, Result};
use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::physical_plan::ExecutionPlan;
use federation::{RemotePart, remote_parts};
use parking_lot::Mutex;

/// Queries that are kept; one takes a few hundred bytes, and at most [`TEXT_BYTES_MAX`] of text more.
const QUERIES_MAX: usize = 1000;
/// The most of a query's text that is kept.
const TEXT_BYTES_MAX: usize = 4096;

/// One query that is over.
#[derive(Debug)]
struct QueryRecord {
    id: QueryId,
    identity: Arc<Identity>,
    text: Arc<str>,
    /// In microseconds since 1970-01-01 UTC.
    started: i64,
    elapsed: Duration,
    rows: usize,
    state: &'static str,
    remote: Vec<RemotePart>,
}

/// The last queries of all sessions, oldest first.
#[derive(Debug, Default)]
pub(crate) struct QueryLog(Mutex<VecDeque<QueryRecord>>);

impl QueryLog {
    fn push(&self, record: QueryRecord) {
        let mut records = self.0.lock();
        if records.len() >= QUERIES_MAX {
            records.pop_front();
        }
        records.push_back(record);
    }

    /// What `identity` may see of it: its own queries, or all for an administrator. Statements that carry rules are
    /// shown to an administrator only.
    ///
    /// # Errors
    /// `Internal` only.
    pub(crate) fn batch(&self, identity: &Identity) -> Result<RecordBatch> {
        let administrator = identity.is_administrator();
        let records = self.0.lock();
        let seen: Vec<&QueryRecord> = records
            .iter()
            .filter(|record| administrator || record.identity.user() == identity.user())
            .collect();
        let text = |of: &dyn Fn(&QueryRecord) -> Option<String>| -> ArrayRef {
            Arc::new(seen.iter().map(|record| of(record)).collect::<StringArray>())
        };
        let number = |of: &dyn Fn(&QueryRecord) -> usize| -> ArrayRef {
            let numbers = seen.iter().map(|record| i64::try_from(of(record)).unwrap_or(i64::MAX));
            Arc::new(numbers.collect::<Int64Array>())
        };
        let milliseconds = |of: &dyn Fn(&QueryRecord) -> Duration| -> ArrayRef {
            let values = seen.iter().map(|record| of(record).as_secs_f64() * 1000.0);
            Arc::new(values.collect::<Float64Array>())
        };
        let started = TimestampMicrosecondArray::from_iter_values(seen.iter().map(|record| record.started));
        let columns: Vec<ArrayRef> = vec![
            text(&|record| Some(record.id.to_string())),
            text(&|record| Some(record.identity.user().to_owned())),
            Arc::new(started.with_timezone("UTC")),
            text(&|record| Some(record.state.to_owned())),
            text(&|record| Some(record.text.to_string())),
            number(&|record| record.rows),
            milliseconds(&|record| record.elapsed),
            text(&|record| Some(routes(&record.remote))),
            text(&|record| statements(&record.remote, administrator)),
            number(&|record| record.told(administrator).map(|part| part.rows).sum()),
            number(&|record| record.told(administrator).map(|part| part.bytes).sum()),
            milliseconds(&QueryRecord::remote_time),
            milliseconds(&|record| record.elapsed.saturating_sub(record.remote_time())),
        ];
        RecordBatch::try_new(schema(), columns)
            .map_err(|error| Error::internal("the list of queries does not fit its schema").with_source(error))
    }
}

impl QueryRecord {
    /// The remote statements whose sizes may be told: what is read below rules tells how many rows they hide.
    fn told(&self, administrator: bool) -> impl Iterator<Item = &RemotePart> {
        self.remote.iter().filter(move |part| administrator || !part.ruled)
    }

    /// The longest of its remote statements: they run side by side.
    fn remote_time(&self) -> Duration {
        self.remote.iter().map(|part| part.elapsed).max().unwrap_or_default()
    }
}

fn routes(parts: &[RemotePart]) -> String {
    let mut words: Vec<String> = parts
        .iter()
        .map(|part| format!("{} ({})", part.route, part.service))
        .collect();
    words.sort();
    words.dedup();
    match words.is_empty() {
        true => "direct".to_owned(),
        false => words.join(", "),
    }
}

fn statements(parts: &[RemotePart], administrator: bool) -> Option<String> {
    let shown = parts.iter().map(|part| match part.ruled && !administrator {
        true => "(carries access rules)",
        false => part.sql.as_str(),
    });
    let joined = shown.collect::<Vec<_>>().join(";\n");
    (!joined.is_empty()).then_some(joined)
}

fn schema() -> SchemaRef {
    let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        field("query_id", DataType::Utf8),
        field("user_name", DataType::Utf8),
        field("started_at", moment),
        field("state", DataType::Utf8),
        field("query", DataType::Utf8),
        field("rows", DataType::Int64),
        field("elapsed_ms", DataType::Float64),
        field("route", DataType::Utf8),
        field("remote_sql", DataType::Utf8),
        field("rows_moved", DataType::Int64),
        field("bytes_moved", DataType::Int64),
        field("remote_ms", DataType::Float64),
        field("local_ms", DataType::Float64),
    ]))
}

/// Follows one query until it is dropped, and then writes it into the log.
#[derive(Debug)]
pub(crate) struct QueryReport {
    pub(crate) log: Arc<QueryLog>,
    pub(crate) id: QueryId,
    pub(crate) identity: Arc<Identity>,
    pub(crate) text: Arc<str>,
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) started: Instant,
    pub(crate) rows: usize,
    /// `canceled` until something else is known: whoever drops an answer half-way has given it up.
    pub(crate) state: &'static str,
}

impl Drop for QueryReport {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        let text = match self.text.len() > TEXT_BYTES_MAX {
            true => {
                let end = (0..=TEXT_BYTES_MAX).rev().find(|end| self.text.is_char_boundary(*end));
                self.text[..end.unwrap_or(0)].into()
            }
            false => Arc::clone(&self.text),
        };
        let elapsed_us = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        self.log.push(QueryRecord {
            id: self.id,
            identity: Arc::clone(&self.identity),
            text,
            started: chrono::Utc::now().timestamp_micros().saturating_sub(elapsed_us),
            elapsed,
            rows: self.rows,
            state: self.state,
            remote: remote_parts(&self.plan),
        });
    }
}
