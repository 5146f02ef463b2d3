//! What exists for the caller, as tables: catalogs, schemas, tables, and facts about the server.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{SqlInfoData, XdbcTypeInfoData};
use arrow_flight::sql::{Command, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables};
use arrow_schema::{Schema, SchemaRef};
use contract::{Error, ErrorKind, Result};
use engine::{ClientSession, ListedSchema, ListedTable};

use crate::keys;
use crate::sql_info::sql_info;
use crate::type_info::type_info;

const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";
/// Where a column keeps its comment here.
const COMMENT: &str = "comment";
/// Where Flight SQL has the comment on a column.
const REMARKS: &str = "ARROW:FLIGHT:SQL:REMARKS";

/// Answers about the server that never change.
pub(crate) struct Facts {
    sql_info: SqlInfoData,
    types: XdbcTypeInfoData,
}

impl Facts {
    /// # Errors
    /// `Internal`.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            sql_info: sql_info()?,
            types: type_info()?,
        })
    }

    /// The columns of the answer to a command about metadata; none for other commands.
    pub(crate) fn schema(&self, command: &Command) -> Option<SchemaRef> {
        Some(match command.clone() {
            Command::CommandGetCatalogs(command) => command.into_builder().schema(),
            Command::CommandGetDbSchemas(command) => command.into_builder().schema(),
            Command::CommandGetTables(command) => command.into_builder().schema(),
            Command::CommandGetTableTypes(command) => command.into_builder().schema(),
            Command::CommandGetSqlInfo(command) => command.into_builder(&self.sql_info).schema(),
            Command::CommandGetXdbcTypeInfo(command) => command.into_builder(&self.types).schema(),
            Command::CommandGetPrimaryKeys(_) => keys::primary(),
            Command::CommandGetExportedKeys(_)
            | Command::CommandGetImportedKeys(_)
            | Command::CommandGetCrossReference(_) => keys::foreign(),
            _ => return None,
        })
    }

    /// The answer to a command about metadata; none for other commands.
    ///
    /// # Errors
    /// What a source says.
    pub(crate) async fn answer(&self, command: &Command, client: &ClientSession) -> Result<Option<RecordBatch>> {
        let batch = match command.clone() {
            Command::CommandGetCatalogs(command) => {
                let mut builder = command.into_builder();
                for name in client.list_catalogs(&client.query_context()).await? {
                    builder.append(name);
                }
                builder.build()
            }
            Command::CommandGetDbSchemas(command) => schemas(command, client).await?,
            Command::CommandGetTables(command) => tables(command, client).await?,
            Command::CommandGetTableTypes(CommandGetTableTypes {}) => {
                let mut builder = CommandGetTableTypes {}.into_builder();
                builder.append(TABLE);
                builder.append(VIEW);
                builder.build()
            }
            Command::CommandGetSqlInfo(command) => command.into_builder(&self.sql_info).build(),
            Command::CommandGetXdbcTypeInfo(command) => command.into_builder(&self.types).build(),
            other => {
                let empty = self.schema(&other).map(RecordBatch::new_empty);
                return Ok(empty);
            }
        };
        batch.map(Some).map_err(|error| broken(&error))
    }
}

type Built = std::result::Result<RecordBatch, FlightError>;

async fn schemas(command: CommandGetDbSchemas, client: &ClientSession) -> Result<Built> {
    let listed = listed(client, command.catalog.as_deref(), None).await?;
    let mut builder = command.into_builder();
    for (catalog, schemas) in &listed {
        for schema in schemas {
            builder.append(catalog, &schema.name);
        }
    }
    Ok(builder.build())
}

async fn tables(command: CommandGetTables, client: &ClientSession) -> Result<Built> {
    let described = command.include_schema.then_some(&command);
    let listed = listed(client, command.catalog.as_deref(), described).await?;
    let mut builder = command.into_builder();
    for (catalog, schemas) in &listed {
        for schema in schemas {
            for table in &schema.tables {
                let kind = if table.is_view { VIEW } else { TABLE };
                // A table that cannot be opened is listed without columns.
                let columns = table.columns.as_ref();
                let columns = columns.map_or_else(|| Arc::new(Schema::empty()), with_remarks);
                builder
                    .append(catalog, &schema.name, &table.name, kind, &columns)
                    .map_err(|error| broken(&error))?;
            }
        }
    }
    Ok(builder.build())
}

/// The catalogs asked for; with columns of the tables that `described` asks for, and no others then. One whose source is
/// away, or asks for a login of its own, is left out if all are asked for: the others are still there.
async fn listed(
    client: &ClientSession,
    catalog: Option<&str>,
    described: Option<&CommandGetTables>,
) -> Result<Vec<(String, Vec<ListedSchema>)>> {
    let ctx = client.query_context();
    let mut listed = Vec::new();
    for name in client.list_catalogs(&ctx).await? {
        if catalog.is_some_and(|asked| asked != name) {
            continue;
        }
        let schemas = match described {
            Some(command) => {
                let choose = |schemas: &mut Vec<ListedSchema>| asked_for(command, schemas);
                Box::pin(client.describe_catalog(&name, choose, &ctx)).await
            }
            None => Box::pin(client.list_catalog(&name, &ctx)).await,
        };
        match schemas {
            Ok(schemas) => listed.push((name, schemas)),
            Err(error)
                if catalog.is_none()
                    && matches!(
                        error.kind(),
                        ErrorKind::SourceUnavailable
                            | ErrorKind::SourceThrottled
                            | ErrorKind::PermissionDenied
                            | ErrorKind::InvalidAuthorization
                    ) =>
            {
                tracing::warn!(catalog = name, %error, "a catalog is left out of a listing");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(listed)
}

/// Leaves the tables that a command asks for, by the patterns and kinds in it.
fn asked_for(command: &CommandGetTables, schemas: &mut Vec<ListedSchema>) -> Result<()> {
    let schema = command.db_schema_filter_pattern.as_deref();
    engine::retain_like(schemas, schema, command.table_name_filter_pattern.as_deref())?;
    if !command.table_types.is_empty() {
        let kind = |table: &ListedTable| if table.is_view { VIEW } else { TABLE };
        for schema in schemas {
            schema
                .tables
                .retain(|table| command.table_types.iter().any(|asked| asked == kind(table)));
        }
    }
    Ok(())
}

/// The columns as a client is told of them: with their comments where Flight SQL has remarks.
fn with_remarks(columns: &SchemaRef) -> SchemaRef {
    let owned = engine::owned_schema(columns);
    let fields = owned.fields().iter().zip(columns.fields()).map(|(owned, field)| {
        let Some(comment) = field.metadata().get(COMMENT).filter(|comment| !comment.is_empty()) else {
            return Arc::clone(owned);
        };
        let mut metadata = owned.metadata().clone();
        metadata.insert(REMARKS.to_owned(), comment.clone());
        Arc::new(owned.as_ref().clone().with_metadata(metadata))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn broken(error: &FlightError) -> Error {
    Error::internal(format!("a table of metadata: {error}"))
}
