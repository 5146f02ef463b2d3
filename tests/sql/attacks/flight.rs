//! What only Flight SQL can express: A16, A31, A32 and A40, and A15, A29 and A33 in its own words. Values of parameters
//! are in `flight_parameters`.

use std::collections::{BTreeSet, HashMap};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Schema;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, Any, CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas,
    CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTables,
    CommandGetXdbcTypeInfo, CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementIngest,
    CommandStatementQuery, ProstMessageExt, TicketStatementQuery,
};
use arrow_flight::{
    Action, CancelFlightInfoRequest, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, Ticket,
};
use futures::{TryStreamExt, stream};
use prost::Message;
use system_tests::attack_tables::Twin;
use system_tests::transport::Failure;
use system_tests::transport_flight::{failure, log_in};
use system_tests::transport_grpc_record::RecordedClient;
use tonic::{Code, Request, Status};

use super::world::World;

pub(super) async fn client(world: &World, user: &str) -> RecordedClient {
    log_in(world.flight, user, Some(world.recorder.clone())).await
}

/// A call as this client sends it, for those that its library has no function for.
fn request<T>(client: &RecordedClient, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {}", client.token().unwrap());
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    request
}

/// Rows as text.
pub(super) fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let text = |column: &ArrayRef, row| arrow::util::display::array_value_to_string(column, row).unwrap();
    let line = |batch: &RecordBatch, row| {
        let values = batch.columns().iter().map(|column| text(column, row));
        values.collect::<Vec<_>>().join("|")
    };
    let of_batch = |batch: &RecordBatch| (0..batch.num_rows()).map(|row| line(batch, row)).collect::<Vec<_>>();
    batches.iter().flat_map(of_batch).collect()
}

pub(super) fn ticket(info: &FlightInfo) -> Ticket {
    info.endpoint[0].ticket.clone().unwrap()
}

pub(super) async fn fetch(client: &mut RecordedClient, ticket: Ticket) -> Result<Vec<RecordBatch>, FlightError> {
    client.do_get(ticket).await?.try_collect().await
}

async fn query(client: &mut RecordedClient, sql: &str) -> Result<Vec<String>, Failure> {
    let answer = async {
        let info = client.execute(sql.to_owned(), None).await?;
        fetch(client, ticket(&info)).await
    };
    answer
        .await
        .map(|batches| lines(&batches))
        .map_err(|error| failure(&error))
}

fn names(schema: &Schema) -> Vec<&str> {
    schema.fields().iter().map(|field| field.name().as_str()).collect()
}

fn descriptor(command: impl ProstMessageExt) -> FlightDescriptor {
    FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
}

fn statement(sql: &str) -> FlightDescriptor {
    descriptor(CommandStatementQuery {
        query: sql.to_owned(),
        transaction_id: None,
    })
}

/// All of a status that a client is told.
fn told(status: &Status) -> String {
    let sqlstate = status.metadata().get("x-sqlstate");
    let details = String::from_utf8_lossy(status.details());
    format!("{:?} {sqlstate:?} {} {details}", status.code(), status.message())
}

/// A16: what is described without being run.
#[tokio::test(flavor = "multi_thread")]
async fn descriptions_show_what_rules_show() {
    const TRIPS: &[&str] = &["trip_id", "driver_id", "fare", "card_number", "region", "started_at"];
    let worlds = [World::open(Twin::First).await, World::open(Twin::Second).await];
    for (user, sql, columns) in [
        ("dora", "SELECT * FROM trips", TRIPS),
        ("ana", "SELECT * FROM trips", TRIPS),
        ("dora", "SELECT * FROM drivers", &["driver_id", "name", "home_region"]),
        ("dora", "SELECT * FROM riders", &["rider_id", "rider_name", "phone"]),
        ("dora", "TABLE trips", TRIPS),
    ] {
        let mut described = Vec::new();
        for world in &worlds {
            let mut client = client(world, user).await;
            let schema = request(&client, statement(sql));
            let schema = client.inner_mut().get_schema(schema).await.unwrap().into_inner();
            assert_eq!(names(&Schema::try_from(&schema).unwrap()), columns, "{user} {sql}");
            let poll = request(&client, statement(sql));
            let poll = client.inner_mut().poll_flight_info(poll).await.unwrap().into_inner();
            let info = client.execute(sql.to_owned(), None).await.unwrap();
            for info in [poll.info.unwrap(), info] {
                // How many rows there are is not said before they are read.
                assert_eq!((info.total_records, info.total_bytes), (-1, -1), "{sql}");
                assert_eq!(names(&info.try_decode_schema().unwrap()), columns, "{user} {sql}");
            }
            let prepared = client.prepare(sql.to_owned(), None).await.unwrap();
            assert_eq!(names(prepared.dataset_schema().unwrap()), columns, "{user} {sql}");
            assert_eq!(names(prepared.parameter_schema().unwrap()), [""; 0]);
            world.judge(sql, "flight");
            described.push((schema.schema, prepared.dataset_schema().unwrap().clone()));
        }
        assert_eq!(described[0], described[1], "{user} {sql}");
    }
}

/// A15, A16: no call tells what is withheld from what is not there.
#[tokio::test(flavor = "multi_thread")]
async fn hidden_and_absent_are_one_to_every_call() {
    let world = World::open(Twin::First).await;
    for (user, frame, withheld, absent) in [
        ("dora", "SELECT * FROM vault.@", "keys", "nope"),
        ("dora", "SELECT @ FROM trips", "rider_name", "nope"),
        ("dora", "SELECT @ FROM drivers", "license_no", "nope"),
        ("dora", "SELECT * FROM @.rides.trips", "other", "nope"),
        ("ana", "SELECT * FROM @", "drivers", "nope"),
        ("nob", "SELECT * FROM @", "trips", "nope"),
        ("dora", "DELETE FROM vault.@", "keys", "nope"),
        ("dora", "INSERT INTO vault.@ VALUES (1, 'a')", "keys", "nope"),
        ("dora", "DROP TABLE vault.@", "keys", "nope"),
        ("dora", "COPY vault.@ TO STDOUT", "keys", "nope"),
    ] {
        let mut client = client(&world, user).await;
        let mut said = Vec::new();
        for name in [withheld, absent] {
            let sql = frame.replace('@', name);
            let schema = request(&client, statement(&sql));
            let info = request(&client, statement(&sql));
            let poll = request(&client, statement(&sql));
            let create = ActionCreatePreparedStatementRequest {
                query: sql.clone(),
                transaction_id: None,
            };
            let create = Action::new("CreatePreparedStatement", create.as_any().encode_to_vec());
            let create = request(&client, create);
            let inner = client.inner_mut();
            let outcomes = [
                inner.get_schema(schema).await.map(|_| ()),
                inner.get_flight_info(info).await.map(|_| ()),
                inner.poll_flight_info(poll).await.map(|_| ()),
                inner.do_action(create).await.map(|_| ()),
            ];
            let mut texts = outcomes
                .map(|outcome| match outcome {
                    Ok(()) => "it goes well".to_owned(),
                    Err(status) => told(&status),
                })
                .to_vec();
            texts.push(format!(
                "{:?}",
                client
                    .execute_update(sql.clone(), None)
                    .await
                    .map_err(|error| failure(&error))
            ));
            // Described may be what is refused when it runs.
            assert!(
                texts[1] != "it goes well" && texts[4].starts_with("Err"),
                "{sql}: {texts:?}"
            );
            said.push(texts.iter().map(|text| text.replace(name, "…")).collect::<Vec<_>>());
            world.judge(&sql, "flight");
        }
        assert_eq!(said[0], said[1], "{user} {frame}");
    }
}

/// A13, A40: listings with patterns and schemas.
#[tokio::test(flavor = "multi_thread")]
async fn listings_show_what_rules_show() {
    let worlds = [World::open(Twin::First).await, World::open(Twin::Second).await];
    for (user, catalogs, schemas, tables) in [
        (
            "dora",
            &["lake"][..],
            &["lake|rides"][..],
            &["drivers", "riders", "trips"][..],
        ),
        ("ana", &["lake"], &["lake|rides"], &["trips"]),
        ("nob", &[], &[], &[]),
    ] {
        let tables: Vec<_> = tables.iter().map(|table| format!("lake|rides|{table}|TABLE")).collect();
        for world in &worlds {
            let mut client = client(world, user).await;
            // Tickets of listings are not given by the server: a client may write them itself.
            let mut ask = async |command: Any| {
                let rows = fetch(&mut client, Ticket::new(command.encode_to_vec())).await;
                let rows = lines(&rows.unwrap_or_else(|error| panic!("{user}: {error}")));
                world.judge("", "flight");
                rows
            };
            let listed = |catalog: Option<&str>, schema: Option<&str>, table: Option<&str>| CommandGetTables {
                catalog: catalog.map(str::to_owned),
                db_schema_filter_pattern: schema.map(str::to_owned),
                table_name_filter_pattern: table.map(str::to_owned),
                table_types: Vec::new(),
                include_schema: false,
            };
            assert_eq!(ask(CommandGetCatalogs {}.as_any()).await, catalogs, "{user}");
            for pattern in [None, Some("%"), Some("r_d%")] {
                let command = CommandGetDbSchemas {
                    catalog: None,
                    db_schema_filter_pattern: pattern.map(str::to_owned),
                };
                assert_eq!(ask(command.as_any()).await, schemas, "{user} {pattern:?}");
                assert_eq!(ask(listed(None, pattern, Some("%")).as_any()).await, tables, "{user}");
            }
            for command in [
                listed(Some("other"), None, None),
                listed(Some("nope"), None, None),
                listed(Some(""), None, None),
                listed(None, Some("vault"), None),
                listed(None, Some("v_ult"), Some("%")),
                listed(None, None, Some("k%")),
                listed(Some("lake"), Some("vault"), Some("keys")),
                listed(None, Some("' OR 1=1 --"), None),
            ] {
                assert_eq!(ask(command.as_any()).await, [""; 0], "{user} {command:?}");
            }
            for (schema, table) in [("vault", "keys"), ("vault", "nope"), ("rides", "trips")] {
                let (schema, table) = (Some(schema.to_owned()), table.to_owned());
                let primary = CommandGetPrimaryKeys {
                    catalog: None,
                    db_schema: schema.clone(),
                    table: table.clone(),
                };
                let exported = CommandGetExportedKeys {
                    catalog: None,
                    db_schema: schema.clone(),
                    table: table.clone(),
                };
                let imported = CommandGetImportedKeys {
                    catalog: None,
                    db_schema: schema.clone(),
                    table: table.clone(),
                };
                let cross = CommandGetCrossReference {
                    pk_db_schema: schema.clone(),
                    pk_table: table.clone(),
                    fk_db_schema: schema,
                    fk_table: table,
                    ..CommandGetCrossReference::default()
                };
                for command in [primary.as_any(), exported.as_any(), imported.as_any(), cross.as_any()] {
                    assert_eq!(ask(command).await, [""; 0], "{user}");
                }
            }
        }
        let mut with_schemas = Vec::new();
        for world in &worlds {
            let mut client = client(world, user).await;
            let command = CommandGetTables {
                include_schema: true,
                ..CommandGetTables::default()
            };
            world.recorder.take();
            let rows = fetch(&mut client, Ticket::new(command.as_any().encode_to_vec())).await;
            with_schemas.push(rows.unwrap());
            world.judge("", "flight");
        }
        assert_eq!(with_schemas[0], with_schemas[1], "{user}");
    }
    let mut root = client(&worlds[0], "root").await;
    let all = Ticket::new(CommandGetTables::default().as_any().encode_to_vec());
    assert_eq!(lines(&fetch(&mut root, all).await.unwrap()).len(), 8);
}

/// What is said about the server is the same for everybody.
#[tokio::test(flavor = "multi_thread")]
async fn facts_are_the_same_for_everybody() {
    let world = World::open(Twin::First).await;
    for command in [
        CommandGetSqlInfo { info: Vec::new() }.as_any(),
        CommandGetXdbcTypeInfo { data_type: None }.as_any(),
    ] {
        let mut told = Vec::new();
        for user in ["dora", "nob", "root"] {
            let mut client = client(&world, user).await;
            told.push(fetch(&mut client, Ticket::new(command.encode_to_vec())).await.unwrap());
            world.judge("", "flight");
        }
        assert!(told[0][0].num_rows() > 10);
        assert!(told.iter().all(|other| *other == told[0]));
    }
}

/// A31, A40: dave with what dora was given, whole and altered; also with her cookie.
#[tokio::test(flavor = "multi_thread")]
async fn handles_of_others_are_no_handles() {
    const SQL: &str = "SELECT count(*), min(driver_id) FROM trips";
    let world = World::open(Twin::First).await;
    let mut dora = client(&world, "dora").await;
    dora.set_header("cookie", "arrow_flight_session_id=shared");
    query(&mut dora, "SHOW TimeZone").await.unwrap();
    let info = dora.execute(SQL.to_owned(), None).await.unwrap();
    let create = ActionCreatePreparedStatementRequest {
        query: SQL.to_owned(),
        transaction_id: None,
    };
    let create = Action::new("CreatePreparedStatement", create.as_any().encode_to_vec());
    let created = dora.do_action(create).await.unwrap().message().await.unwrap().unwrap();
    let created: ActionCreatePreparedStatementResult = Any::decode(&*created.body).unwrap().unpack().unwrap().unwrap();
    let of_prepared = created.prepared_statement_handle;
    let of_query: TicketStatementQuery = Any::decode(&*ticket(&info).ticket).unwrap().unpack().unwrap().unwrap();
    let of_query = of_query.statement_handle;

    let mut dave = client(&world, "dave").await;
    dave.set_header("cookie", "arrow_flight_session_id=shared");
    world.recorder.take();
    let mut altered = of_query.to_vec();
    altered[3] ^= 1;
    let mut long = of_prepared.to_vec();
    long.push(0);
    let mut answers = BTreeSet::new();
    for handle in [
        &of_query[..],
        &of_prepared,
        &altered,
        &of_query[..15],
        &long,
        &[0; 16],
        b"",
    ] {
        let handle = bytes::Bytes::copy_from_slice(handle);
        let prepared = CommandPreparedStatementQuery {
            prepared_statement_handle: handle.clone(),
        };
        let update = CommandPreparedStatementUpdate {
            prepared_statement_handle: handle.clone(),
        };
        let ticket = TicketStatementQuery {
            statement_handle: handle.clone(),
        };
        let tickets = [ticket.as_any(), prepared.as_any()].map(|any| Ticket::new(any.encode_to_vec()));
        let mut refused = Vec::new();
        for ticket in tickets {
            refused.push(dave.do_get(ticket.clone()).await.map(|_| ()));
            let info = FlightInfo::new().with_endpoint(arrow_flight::FlightEndpoint::new().with_ticket(ticket));
            let cancel = ActionCancelQueryRequest {
                info: info.encode_to_vec().into(),
            };
            let cancel = Action::new("CancelQuery", cancel.as_any().encode_to_vec());
            refused.push(dave.do_action(cancel).await.map(|_| ()));
            let cancel = CancelFlightInfoRequest { info: Some(info) };
            let cancel = Action::new("CancelFlightInfo", cancel.encode_to_vec());
            refused.push(dave.do_action(cancel).await.map(|_| ()));
        }
        for command in [descriptor(prepared.clone()), descriptor(update)] {
            let data = FlightData::new().with_descriptor(command);
            refused.push(dave.do_put(stream::iter([data])).await.map(|_| ()));
        }
        let (schema, info) = (
            request(&dave, descriptor(prepared.clone())),
            request(&dave, descriptor(prepared)),
        );
        refused.push(
            dave.inner_mut()
                .get_schema(schema)
                .await
                .map(|_| ())
                .map_err(FlightError::from),
        );
        refused.push(
            dave.inner_mut()
                .get_flight_info(info)
                .await
                .map(|_| ())
                .map_err(FlightError::from),
        );
        for outcome in refused {
            match outcome.expect_err("a handle of somebody else is taken") {
                FlightError::Tonic(status) => answers.insert(told(&status)),
                other => panic!("{other}"),
            };
        }
        // Closing is answered alike, and closes nothing.
        let close = ActionClosePreparedStatementRequest {
            prepared_statement_handle: handle,
        };
        let close = Action::new("ClosePreparedStatement", close.as_any().encode_to_vec());
        let closed: Vec<_> = dave.do_action(close).await.unwrap().try_collect().await.unwrap();
        assert!(closed.is_empty());
        world.judge("", "flight");
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert!(answers.first().unwrap().starts_with("NotFound"), "{answers:?}");
    let prepared = CommandPreparedStatementQuery {
        prepared_statement_handle: of_prepared,
    };
    for ticket in [ticket(&info), Ticket::new(prepared.as_any().encode_to_vec())] {
        assert_eq!(lines(&fetch(&mut dora, ticket).await.unwrap()), ["6000|7"]);
    }
}

/// A32, A33: one cookie or one text for several users is a session or an answer of each.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shared_between_users() {
    const SQL: &str = "SELECT count(*), min(driver_id), current_user FROM trips";
    let world = World::open(Twin::First).await;
    let mut clients = Vec::new();
    for user in ["dora", "dave", "root"] {
        let mut client = client(&world, user).await;
        client.set_header("cookie", "arrow_flight_session_id=shared");
        clients.push(client);
    }
    query(&mut clients[0], "SET TimeZone = 'Asia/Tokyo'").await.unwrap();
    query(&mut clients[0], "PREPARE p AS SELECT 1").await.unwrap();
    for client in &mut clients[1..] {
        assert_eq!(query(client, "SHOW TimeZone").await.unwrap(), ["UTC"]);
        assert_eq!(query(client, "EXECUTE p").await.unwrap_err().sqlstate, "26000");
    }
    assert_eq!(query(&mut clients[0], "SHOW TimeZone").await.unwrap(), ["Asia/Tokyo"]);
    for _ in 0..2 {
        let expected = ["6000|7|dora", "3000|8|dave", "10000|7|root"];
        for (client, expected) in clients.iter_mut().zip(expected) {
            assert_eq!(query(client, SQL).await.unwrap(), [expected]);
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct SessionOptions {
    #[prost(map = "string, message", tag = "1")]
    options: HashMap<String, SessionOption>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionOption {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
}

/// A33: neither headers nor session options make anybody somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn headers_and_options_change_no_right() {
    const SQL: &str = "SELECT count(*), min(driver_id), current_user FROM lake.rides.trips";
    let world = World::open(Twin::First).await;
    for (name, value) in [
        ("user", "root"),
        ("username", "root"),
        ("x-lakegate-user", "root"),
        ("x-forwarded-user", "root"),
        ("role", "root"),
        ("user.id", "8"),
        ("x-lakegate-schema", "vault"),
        ("x-lakegate-schema", "vault\", \"rides"),
        ("options", "-c role=root"),
        ("grpc-previous-rpc-attempts", "1"),
    ] {
        let mut client = client(&world, "dora").await;
        client.set_header(name, value);
        assert_eq!(
            query(&mut client, SQL).await.unwrap(),
            ["6000|7|dora"],
            "{name}: {value}"
        );
        let keys = query(&mut client, "SELECT * FROM keys").await.unwrap_err();
        assert_eq!(keys.sqlstate, "42P01", "{name}: {value}");
        world.judge("", "flight");
    }
    // A catalog or schema that is withheld is as one that is not there.
    for (name, withheld) in [("x-lakegate-catalog", "other"), ("x-lakegate-schema", "vault")] {
        let mut said = Vec::new();
        for value in [withheld, "nope"] {
            let mut client = client(&world, "dora").await;
            client.set_header(name, value);
            for sql in ["SELECT * FROM trips", "SELECT * FROM keys", "SELECT current_schema"] {
                let answer = format!("{:?}", query(&mut client, sql).await);
                said.push(answer.replace(value, "…"));
            }
            world.judge("", "flight");
        }
        assert_eq!(said[..3], said[3..], "{name}");
    }
    let mut client = client(&world, "dora").await;
    for (name, value) in [
        ("user.id", "8"),
        ("role", "root"),
        ("session_authorization", "root"),
        ("datafusion.execution.parquet.pushdown_filters", "true"),
        ("row_security", "off"),
        ("schema", "vault"),
        ("catalog", "other"),
    ] {
        let option = SessionOption {
            text: Some(value.to_owned()),
        };
        let options = SessionOptions {
            options: [(name.to_owned(), option)].into(),
        };
        let action = Action::new("SetSessionOptions", options.encode_to_vec());
        let _: Vec<_> = client.do_action(action).await.unwrap().try_collect().await.unwrap();
        assert_eq!(query(&mut client, SQL).await.unwrap(), ["6000|7|dora"], "{name}");
        let action = Action::new("GetSessionOptions", "");
        let told: Vec<_> = client.do_action(action).await.unwrap().try_collect().await.unwrap();
        assert!(!told.is_empty());
        world.judge("", "flight");
    }
}

/// A29, A30, A40: what would write, count hidden rows, or is not there.
#[tokio::test(flavor = "multi_thread")]
async fn other_calls_reach_nothing() {
    let world = World::open(Twin::First).await;
    let mut dora = client(&world, "dora").await;
    // The number of rows of a query that is sent as an update is that of visible rows.
    assert_eq!(
        dora.execute_update("SELECT * FROM trips".to_owned(), None)
            .await
            .unwrap(),
        6000
    );
    for sql in ["COPY trips TO STDOUT", "COPY (SELECT * FROM trips) TO STDOUT"] {
        assert_eq!(query(&mut dora, sql).await.unwrap_err().sqlstate, "0A000", "{sql}");
    }
    let mut said = BTreeSet::new();
    for (schema, table) in [
        ("vault", "keys"),
        ("vault", "nope"),
        ("rides", "trips"),
        ("nope", "nope"),
    ] {
        let ingest = CommandStatementIngest {
            table: table.to_owned(),
            schema: Some(schema.to_owned()),
            ..CommandStatementIngest::default()
        };
        let data = FlightData::new().with_descriptor(descriptor(ingest));
        let status = dora.do_put(stream::iter([data])).await.map(|_| ()).unwrap_err();
        said.insert(failure(&status).to_string());
    }
    assert_eq!(said.len(), 1, "{said:?}");
    let listed = request(&dora, Criteria::default());
    let listed = dora.inner_mut().list_flights(listed).await.unwrap().into_inner();
    assert!(listed.try_collect::<Vec<_>>().await.unwrap().is_empty());
    let actions = request(&dora, Empty {});
    let actions = dora.inner_mut().list_actions(actions).await.unwrap().into_inner();
    assert_eq!(actions.try_collect::<Vec<_>>().await.unwrap().len(), 7);
    let exchange = request(&dora, stream::iter([FlightData::new()]));
    let exchanged = dora.inner_mut().do_exchange(exchange).await.map(|_| ()).unwrap_err();
    assert_eq!(exchanged.code(), Code::Unimplemented);
    for action in [
        "DropTable",
        "vault.keys",
        "ListTables",
        "BeginTransaction",
        "reload",
        "",
    ] {
        let outcome = dora.do_action(Action::new(action, "vault.keys")).await.map(|_| ());
        let refused = failure(&outcome.expect_err(action));
        assert_eq!(refused.sqlstate, "0A000", "{action}");
    }
    let path = FlightDescriptor::new_path(vec!["vault".to_owned(), "keys".to_owned()]);
    let other = FlightDescriptor::new_path(vec!["vault".to_owned(), "nope".to_owned()]);
    let mut paths = BTreeSet::new();
    for path in [path, other] {
        let path = request(&dora, path);
        paths.insert(told(
            &dora.inner_mut().get_flight_info(path).await.map(|_| ()).unwrap_err(),
        ));
    }
    assert_eq!(paths.len(), 1, "{paths:?}");
    world.judge("", "flight");
}
