//! A plain session at a Spark Connect server, past everything of ours: makes tables, and is asked what the server says.
//!
//! The protocol: <https://github.com/apache/spark/tree/master/sql/connect/common/src/main/protobuf/spark/connect>.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use spark_connect_proto::execute_plan_request::RequestOption as Wrapped;
use spark_connect_proto::execute_plan_request::request_option::RequestOption;
use spark_connect_proto::execute_plan_response::ResponseType;
use spark_connect_proto::spark_connect_service_client::SparkConnectServiceClient;
use spark_connect_proto::{ExecutePlanRequest, Plan, ReattachOptions, Relation, Sql, UserContext, plan, relation};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

/// The default of the servers themselves.
const LARGEST_MESSAGE: usize = 128 << 20;

/// A session. It stays at the server until that forgets it.
#[derive(Debug, Clone)]
pub struct SparkClient {
    service: SparkConnectServiceClient<Channel>,
    session: Arc<str>,
}

impl SparkClient {
    /// Opens one at a port of the loopback.
    pub async fn connect(port: u16) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        Self {
            service: SparkConnectServiceClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE),
            session: Uuid::new_v4().to_string().into(),
        }
    }

    /// Runs a statement to its end. A command runs too: it is a relation without rows.
    ///
    /// # Errors
    /// What the server said.
    pub async fn try_run(&self, sql: &str) -> Result<Vec<RecordBatch>, Status> {
        let mut answers = self.service.clone().execute_plan(self.request(sql)).await?.into_inner();
        let mut batches = Vec::new();
        while let Some(answer) = answers.message().await? {
            match answer.response_type {
                Some(ResponseType::ArrowBatch(batch)) => {
                    let reader = StreamReader::try_new(Cursor::new(batch.data), None).unwrap();
                    batches.extend(reader.map(Result::unwrap));
                }
                Some(ResponseType::ResultComplete(_)) => return Ok(batches),
                _ => {}
            }
        }
        Err(Status::data_loss("the answer has no end"))
    }

    /// Runs a statement to its end.
    ///
    /// # Panics
    /// With what the server said, if it fails.
    pub async fn run(&self, sql: &str) -> Vec<RecordBatch> {
        let answer = self.try_run(sql).await;
        answer.unwrap_or_else(|status| panic!("{sql}: {}", status.message()))
    }

    /// The rows of a query as texts, columns between `|`.
    pub async fn lines(&self, sql: &str) -> Vec<String> {
        let options = FormatOptions::default().with_null("∅");
        let mut lines = Vec::new();
        for batch in self.run(sql).await {
            let columns = batch.columns().iter();
            let columns = columns.map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap());
            let columns = columns.collect::<Vec<_>>();
            let line = |row| {
                let values = columns.iter().map(|column| column.value(row).to_string());
                values.collect::<Vec<_>>().join("|")
            };
            lines.extend((0..batch.num_rows()).map(line));
        }
        lines
    }

    fn request(&self, sql: &str) -> ExecutePlanRequest {
        let query = Sql {
            query: sql.to_owned(),
            ..Sql::default()
        };
        let relation = Relation {
            rel_type: Some(relation::RelType::Sql(query)),
            ..Relation::default()
        };
        // Sail tells the end of an answer only to those who could come back for it.
        let reattach = Wrapped {
            request_option: Some(RequestOption::ReattachOptions(ReattachOptions { reattachable: true })),
        };
        ExecutePlanRequest {
            session_id: self.session.to_string(),
            user_context: Some(UserContext {
                user_id: "tests".to_owned(),
                user_name: "tests".to_owned(),
                ..UserContext::default()
            }),
            operation_id: Some(Uuid::new_v4().to_string()),
            plan: Some(Plan {
                op_type: Some(plan::OpType::Root(relation)),
            }),
            request_options: vec![reattach],
            ..ExecutePlanRequest::default()
        }
    }
}
