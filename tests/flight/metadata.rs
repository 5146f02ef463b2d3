//! What exists, for whom.

use arrow::array::{AsArray, RecordBatch};
use arrow_flight::sql::{
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetTables, CommandGetXdbcTypeInfo, SqlInfo,
};
use arrow_flight::{FlightInfo, IpcMessage};
use frontend_flight::FlightOptions;
use system_tests::flight_server::FlightServer;

use crate::world::{Client, access, fetch, lines, source};

async fn server() -> FlightServer {
    FlightServer::start(source(), access(), FlightOptions::default()).await
}

/// The answer, which is as described.
async fn answer(client: &mut Client, info: FlightInfo) -> Vec<RecordBatch> {
    let batches = fetch(client, &info).await.unwrap();
    let described = info.try_decode_schema().unwrap();
    for batch in &batches {
        assert_eq!(*batch.schema(), described);
    }
    batches
}

fn tables(pattern: Option<&str>, include_schema: bool) -> CommandGetTables {
    CommandGetTables {
        catalog: None,
        db_schema_filter_pattern: Some("pub%".to_owned()),
        table_name_filter_pattern: pattern.map(str::to_owned),
        table_types: Vec::new(),
        include_schema,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sees_what_rules_give() {
    let server = server().await;
    let mut dana = server.log_in("dana", "pencil").await;
    let mut root = server.log_in("root", "pencil").await;
    for (client, expected) in [
        (&mut dana, &["lake|public|trips|TABLE"][..]),
        (&mut root, &["lake|public|secrets|TABLE", "lake|public|trips|TABLE"]),
    ] {
        let info = client.get_catalogs().await.unwrap();
        assert_eq!(lines(&answer(client, info).await), ["lake"]);
        let request = CommandGetDbSchemas {
            catalog: Some("lake".to_owned()),
            db_schema_filter_pattern: Some("p_blic".to_owned()),
        };
        let info = client.get_db_schemas(request).await.unwrap();
        assert_eq!(lines(&answer(client, info).await), ["lake|public"]);
        let info = client.get_tables(tables(None, false)).await.unwrap();
        assert_eq!(lines(&answer(client, info).await), expected);
    }
    let info = dana.get_tables(tables(Some("secret%"), false)).await.unwrap();
    assert!(lines(&answer(&mut dana, info).await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_columns_are_in_no_schema() {
    let server = server().await;
    for (user, expected) in [
        ("dana", &["id", "city"][..]),
        ("root", &["id", "city", "distance", "cents"]),
    ] {
        let mut client = server.log_in(user, "pencil").await;
        let info = client.get_tables(tables(Some("trips"), true)).await.unwrap();
        let batches = answer(&mut client, info).await;
        let bytes = batches[0]
            .column_by_name("table_schema")
            .unwrap()
            .as_binary::<i32>()
            .value(0);
        let schema = arrow::datatypes::Schema::try_from(IpcMessage(bytes.to_vec().into())).unwrap();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, expected, "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_about_the_server() {
    let server = server().await;
    let mut client = server.log_in("dana", "pencil").await;
    let info = client.get_table_types().await.unwrap();
    assert_eq!(lines(&answer(&mut client, info).await), ["TABLE", "VIEW"]);
    let info = client
        .get_sql_info(vec![SqlInfo::FlightSqlServerReadOnly])
        .await
        .unwrap();
    assert_eq!(answer(&mut client, info).await[0].num_rows(), 1);
    let info = client.get_sql_info(Vec::new()).await.unwrap();
    assert!(answer(&mut client, info).await[0].num_rows() > 80);
    let info = client
        .get_xdbc_type_info(CommandGetXdbcTypeInfo { data_type: None })
        .await
        .unwrap();
    assert!(answer(&mut client, info).await[0].num_rows() >= 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_keys() {
    let server = server().await;
    let mut client = server.log_in("dana", "pencil").await;
    let table = || "trips".to_owned();
    let primary = CommandGetPrimaryKeys {
        table: table(),
        ..Default::default()
    };
    let info = client.get_primary_keys(primary).await.unwrap();
    let mut infos = vec![(6, info)];
    let exported = CommandGetExportedKeys {
        table: table(),
        ..Default::default()
    };
    infos.push((13, client.get_exported_keys(exported).await.unwrap()));
    let imported = CommandGetImportedKeys {
        table: table(),
        ..Default::default()
    };
    infos.push((13, client.get_imported_keys(imported).await.unwrap()));
    infos.push((
        13,
        client
            .get_cross_reference(CommandGetCrossReference::default())
            .await
            .unwrap(),
    ));
    for (columns, info) in infos {
        assert_eq!(info.clone().try_decode_schema().unwrap().fields().len(), columns);
        assert!(lines(&answer(&mut client, info).await).is_empty());
    }
}
