//! The tables that the tests query, who may see what of them, and what a client does with an answer.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::{FlightInfo, Ticket};
use engine::{AccessConfig, ScramVerifier, UnknownUsers, UserEntry};
use futures::TryStreamExt;
use system_tests::memory_source::MemorySource;
use tonic::transport::Channel;
use tonic::{Code, Status};

pub(crate) type Client = FlightSqlServiceClient<Channel>;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const RULES: &str = "
    CREATE ROLE driver;
    CREATE ROLE outsider;
    GRANT EXECUTE ON SERVICE flight TO driver;
    GRANT EXECUTE ON SERVICE postgres TO outsider;
    GRANT SELECT (id, city) ON lake.public.trips TO driver;
    GRANT SELECT ON lake.public.trips TO outsider;
    CREATE POLICY own ON lake.public.trips FOR SELECT TO driver USING (id <= 3);
    CREATE MASK city ON lake.public.trips (city) TO driver USING (CASE WHEN id = 1 THEN city END);
";

/// `public.trips`: five rows. `public.secrets`: for administrators.
pub(crate) fn source() -> MemorySource {
    let trips = RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int32Array::from(vec![1, 2, 3, 4, 5])) as ArrayRef, false),
        (
            "city",
            Arc::new(StringArray::from(vec![
                "Oslo",
                "Bonn-in-hiding",
                "Rome-in-hiding",
                "Lodz-in-hiding",
                "Ur-in-hiding",
            ])),
            true,
        ),
        (
            "distance",
            Arc::new(Float64Array::from(vec![
                Some(1.5),
                None,
                Some(3.0),
                Some(1e22),
                Some(0.1),
            ])),
            true,
        ),
        (
            "cents",
            Arc::new(Int64Array::from(vec![100, 200, 300, 400, 500])),
            false,
        ),
    ]);
    let secrets = RecordBatch::try_from_iter([("word", Arc::new(StringArray::from(vec!["sesame"])) as ArrayRef)]);
    MemorySource::new("lake")
        .table("public", "trips", vec![trips.unwrap()])
        .table("public", "secrets", vec![secrets.unwrap()])
}

/// `root` is an administrator, `dana` and `dora` are drivers, `otto` may not come in here. Each has the password
/// `pencil`.
pub(crate) fn access() -> AccessConfig {
    let user = |name: &str, role: Option<&str>| UserEntry {
        name: name.to_owned(),
        verifier: Some(ScramVerifier::derive("pencil", b"saltsaltsaltsalt", 4096)),
        administrator: role.is_none(),
        roles: role.into_iter().map(str::to_owned).collect(),
        ..UserEntry::default()
    };
    AccessConfig {
        rules: policy::parse_rules(&[("rules.sql".to_owned(), RULES.to_owned())]).unwrap(),
        users: vec![
            user("root", None),
            user("dana", Some("driver")),
            user("dora", Some("driver")),
            user("otto", Some("outsider")),
        ],
        trust_loopback: false,
        unknown_users: UnknownUsers::Refuse,
    }
}

pub(crate) fn ticket(info: &FlightInfo) -> Ticket {
    info.endpoint[0].ticket.clone().unwrap()
}

/// The answer that a description promises.
pub(crate) async fn fetch(client: &mut Client, info: &FlightInfo) -> Result<Vec<RecordBatch>, FlightError> {
    client.do_get(ticket(info)).await?.try_collect().await
}

/// Rows as text: values between bars.
pub(crate) fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let value = |column: &ArrayRef, row| match column.is_null(row) {
        true => "∅".to_owned(),
        false => arrow::util::display::array_value_to_string(column, row).unwrap(),
    };
    let line = |batch: &RecordBatch, row| {
        let values = batch.columns().iter().map(|column| value(column, row));
        values.collect::<Vec<_>>().join("|")
    };
    let of_batch = |batch: &RecordBatch| (0..batch.num_rows()).map(|row| line(batch, row)).collect::<Vec<_>>();
    batches.iter().flat_map(of_batch).collect()
}

/// A query's rows.
pub(crate) async fn query(client: &mut Client, sql: &str) -> Result<Vec<String>, FlightError> {
    let info = client.execute(sql.to_owned(), None).await?;
    Ok(lines(&fetch(client, &info).await?))
}

pub(crate) fn status<T>(outcome: Result<T, FlightError>) -> Status {
    match outcome {
        Ok(_) => panic!("it went well"),
        Err(FlightError::Tonic(status)) => *status,
        Err(other) => panic!("not from the server: {other}"),
    }
}

/// The code of a failure, and PostgreSQL's.
pub(crate) fn codes(status: &Status) -> (Code, &str) {
    let sqlstate = status.metadata().get("x-sqlstate");
    (status.code(), sqlstate.map_or("none", |state| state.to_str().unwrap()))
}
