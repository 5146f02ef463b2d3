//! What exists: services, schemas, tables, columns. Each list is an answer of rows, in every format.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow_postgres::{pg_type, type_name};
use arrow_schema::{DataType, Field, Schema};
use contract::{Error, ErrorKind};
use engine::{ListedSchema, ListedTable};
use hyper::Response;
use serde_json::{Value, json};

use crate::answer::{self, AnswerBody};
use crate::encode::{AnswerEncoder, Envelope};
use crate::error::Refusal;
use crate::run::{Exchange, Session};
use crate::url;

/// `GET /api/v2`
pub(crate) async fn services(exchange: &Exchange, session: &Session<'_>) -> Result<Response<AnswerBody>, Refusal> {
    let names = session.guarded(session.session.list_catalogs(&session.ctx)).await?;
    listed(exchange, vec![text("name", names.into_iter().map(Some))], None)
}

/// `GET /api/v2/{service}`
pub(crate) fn resources(exchange: &Exchange) -> Result<Response<AnswerBody>, Refusal> {
    let names = ["_catalog", "_query", "_table"].map(|name| Some(name.to_owned()));
    listed(exchange, vec![text("name", names.into_iter())], None)
}

/// `GET /_table`
pub(crate) async fn tables(
    exchange: &Exchange,
    session: &Session<'_>,
    service: &str,
) -> Result<Response<AnswerBody>, Refusal> {
    let schemas = list(session, service).await?;
    let names = schemas.iter().flat_map(|schema| {
        schema
            .tables
            .iter()
            .map(|table| Some(url::dotted(&[&schema.name, &table.name])))
    });
    listed(exchange, vec![text("name", names)], None)
}

/// `GET /_catalog`
pub(crate) async fn schemas(
    exchange: &Exchange,
    session: &Session<'_>,
    service: &str,
) -> Result<Response<AnswerBody>, Refusal> {
    let schemas = list(session, service).await?;
    listed(
        exchange,
        vec![text("name", schemas.into_iter().map(|schema| Some(schema.name)))],
        None,
    )
}

/// `GET /_catalog/{schema}`
pub(crate) async fn schema(
    exchange: &Exchange,
    session: &Session<'_>,
    service: &str,
    name: &str,
) -> Result<Response<AnswerBody>, Refusal> {
    let schema = find_schema(list(session, service).await?, name)?;
    let kind = |table: &ListedTable| Some(if table.is_view { "view" } else { "table" }.to_owned());
    let columns = vec![
        text("name", schema.tables.iter().map(|table| Some(table.name.clone()))),
        text("type", schema.tables.iter().map(kind)),
    ];
    listed(exchange, columns, None)
}

/// `GET /_catalog/{schema}/{table}`
pub(crate) async fn columns(
    exchange: &Exchange,
    session: &Session<'_>,
    service: &str,
    schema: &str,
    table: &str,
) -> Result<Response<AnswerBody>, Refusal> {
    let dotted = url::dotted(&[schema, table]);
    let choose = |schemas: &mut Vec<ListedSchema>| {
        schemas.retain(|listed| listed.name == schema);
        for listed in schemas {
            listed.tables.retain(|listed| listed.name == table);
        }
        Ok(())
    };
    let described = session.session.describe_catalog(service, choose, &session.ctx);
    let found = find_schema(session.guarded(Box::pin(described)).await?, schema)?;
    let listed_table = found.tables.into_iter().next();
    let listed_table = listed_table.ok_or_else(|| Error::undefined_table(&dotted))?;
    let columns = listed_table.columns.ok_or_else(|| {
        let message = format!("the columns of \"{dotted}\" cannot be found out");
        Error::new(ErrorKind::SourceUnavailable, message).with_hint("Ask for a row of the table to learn why.")
    })?;
    let fields = columns.fields();
    let comment = |field: &Arc<Field>| field.metadata().get("comment").cloned();
    let nullable: BooleanArray = fields.iter().map(|field| Some(field.is_nullable())).collect();
    let meta = json!({
        "name": dotted,
        "type": if listed_table.is_view { "view" } else { "table" },
        "comment": listed_table.comment,
    });
    let columns = vec![
        text("name", fields.iter().map(|field| Some(field.name().clone()))),
        text("type", fields.iter().map(|field| Some(sql_type(field)))),
        (
            Field::new("nullable", DataType::Boolean, false),
            Arc::new(nullable) as ArrayRef,
        ),
        text("comment", fields.iter().map(comment)),
    ];
    listed(exchange, columns, Some(&meta))
}

/// The type as SQL spells it, with a decimal's digits.
fn sql_type(field: &Field) -> String {
    match field.data_type() {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("numeric({precision},{scale})"),
        _ => type_name(pg_type(field).oid).to_owned(),
    }
}

async fn list(session: &Session<'_>, service: &str) -> Result<Vec<ListedSchema>, Refusal> {
    let listing = Box::pin(session.session.list_catalog(service, &session.ctx));
    session.guarded(listing).await
}

fn find_schema(schemas: Vec<ListedSchema>, name: &str) -> Result<ListedSchema, Refusal> {
    let found = schemas.into_iter().find(|schema| schema.name == name);
    found.ok_or_else(|| {
        let message = format!("schema \"{name}\" does not exist");
        Error::new(ErrorKind::UndefinedSchema, message).into()
    })
}

fn text(name: &str, values: impl Iterator<Item = Option<String>>) -> (Field, ArrayRef) {
    let values: StringArray = values.collect();
    (Field::new(name, DataType::Utf8, true), Arc::new(values))
}

fn listed(
    exchange: &Exchange,
    columns: Vec<(Field, ArrayRef)>,
    meta: Option<&Value>,
) -> Result<Response<AnswerBody>, Refusal> {
    let format = exchange.format()?;
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)
        .map_err(|error| Error::internal("a list that is no table").with_source(error))?;
    let encoder = AnswerEncoder::new(format, &schema, Envelope::Resource)?;
    answer::rows_of(format, encoder, &batch, meta)
}
