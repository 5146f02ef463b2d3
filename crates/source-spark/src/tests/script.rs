//! What the scripted server is told to do, and the messages it is made of.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::ipc::writer::StreamWriter;
use prost::Message;
use spark_connect_proto::execute_plan_response::{ArrowBatch, ResponseType, ResultComplete};
use spark_connect_proto::{ExecutePlanResponse, data_type};
use tonic::{Code, Status};

/// One thing that a stream does. A stream whose steps are done ends without an error.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Send(Box<ExecutePlanResponse>),
    Fail(Status),
    Hang,
}

pub(super) fn batch_of(values: &[i32]) -> RecordBatch {
    let values: ArrayRef = Arc::new(Int32Array::from(values.to_vec()));
    RecordBatch::try_from_iter([("c0", values)]).unwrap()
}

/// Columns of texts, as listings have them.
pub(super) fn texts_of(columns: &[&[&str]]) -> RecordBatch {
    let columns = columns.iter().enumerate().map(|(index, column)| {
        let values: ArrayRef = Arc::new(StringArray::from(column.to_vec()));
        (format!("c{index}"), values)
    });
    RecordBatch::try_from_iter(columns).unwrap()
}

pub(super) fn ipc(batch: &RecordBatch) -> Bytes {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    bytes.into()
}

fn response(id: &str, kind: Option<ResponseType>) -> ExecutePlanResponse {
    ExecutePlanResponse {
        response_id: id.to_owned(),
        response_type: kind,
        ..Default::default()
    }
}

/// A batch message; `offset` of its first row.
pub(super) fn rows(id: &str, batch: &RecordBatch, offset: Option<i64>) -> ArrowMessage {
    ArrowMessage {
        id: id.to_owned(),
        batch: ArrowBatch {
            row_count: i64::try_from(batch.num_rows()).unwrap(),
            data: ipc(batch),
            start_offset: offset,
            chunk_index: None,
            num_chunks_in_batch: None,
        },
    }
}

/// A batch message before it is sent, to be spoiled.
#[derive(Debug, Clone)]
pub(super) struct ArrowMessage {
    pub(super) id: String,
    pub(super) batch: ArrowBatch,
}

impl From<ArrowMessage> for Step {
    fn from(message: ArrowMessage) -> Self {
        Self::Send(Box::new(response(
            &message.id,
            Some(ResponseType::ArrowBatch(message.batch)),
        )))
    }
}

pub(super) fn integers(id: &str, values: &[i32], offset: i64) -> Step {
    rows(id, &batch_of(values), Some(offset)).into()
}

/// A message that says nothing about rows.
pub(super) fn progress(id: &str) -> Step {
    Step::Send(Box::new(response(id, None)))
}

pub(super) fn complete(id: &str) -> Step {
    Step::Send(Box::new(response(
        id,
        Some(ResponseType::ResultComplete(ResultComplete {})),
    )))
}

#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

fn status(code: Code, message: &str, kind: &str, value: Vec<u8>) -> Status {
    let rpc = RpcStatus {
        code: code as i32,
        message: message.to_owned(),
        details: vec![prost_types::Any {
            type_url: format!("type.googleapis.com/google.rpc.{kind}"),
            value,
        }],
    };
    Status::with_details(code, message, rpc.encode_to_vec().into())
}

/// An error as Spark 4 has them.
pub(super) fn spark_error(class: &str, sql_state: &str, message: &str) -> Status {
    let metadata = [
        ("errorClass", class),
        ("sqlState", sql_state),
        ("errorId", "e1"),
        ("classes", "[]"),
    ];
    let info = ErrorInfo {
        reason: "org.apache.spark.SparkException".to_owned(),
        domain: "org.apache.spark".to_owned(),
        metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    };
    let message = format!("[{class}] {message}");
    status(Code::Internal, &message, "ErrorInfo", info.encode_to_vec())
}

/// An error as Sail has them.
pub(super) fn sail_error(reason: &str, message: &str) -> Status {
    let info = ErrorInfo {
        reason: reason.to_owned(),
        domain: "org.apache.spark".to_owned(),
        metadata: [("classes".to_owned(), "[]".to_owned())].into(),
    };
    status(Code::Internal, message, "ErrorInfo", info.encode_to_vec())
}

/// A server that says when to come back.
pub(super) fn retry_later(milliseconds: i32) -> Status {
    let retry = RetryInfo {
        retry_delay: Some(prost_types::Duration {
            seconds: 0,
            nanos: milliseconds * 1_000_000,
        }),
    };
    status(
        Code::Internal,
        "the cluster is starting",
        "RetryInfo",
        retry.encode_to_vec(),
    )
}

/// A column as the analyzer describes it.
pub(super) fn column(name: &str, kind: data_type::Kind) -> data_type::StructField {
    data_type::StructField {
        name: name.to_owned(),
        data_type: Some(spark_connect_proto::DataType { kind: Some(kind) }),
        nullable: true,
        metadata: None,
    }
}
