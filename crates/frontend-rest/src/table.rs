//! `GET /_table/{table}`: rows of one table, a page at a time.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use contract::Error;
use engine::{Filter, Outcome, TableColumns, TableQuery};
use hyper::{Response, StatusCode};

use crate::answer::{self, AnswerBody, PageMeta};
use crate::encode::{AnswerFormat, Envelope};
use crate::error::Refusal;
use crate::parameters::TableParameters;
use crate::run::{Exchange, Session};

/// Answers what `parameters` ask of `table`.
pub(crate) async fn rows(
    exchange: &Exchange,
    mut session: Session<'_>,
    table: Vec<String>,
    parameters: TableParameters,
) -> Result<Response<AnswerBody>, Refusal> {
    let format = exchange.format()?;
    let TableParameters {
        filter,
        columns,
        order,
        limit,
        offset,
        include_count,
        count_only,
        wrap,
    } = parameters;
    if count_only && format == AnswerFormat::Json {
        let count = count(&mut session, table, filter).await?;
        return Ok(answer::whole(
            StatusCode::OK,
            format.content_type(),
            count.to_string().into_bytes(),
        ));
    }
    let envelope = if wrap { Envelope::Resource } else { Envelope::Bare };
    let query = if count_only {
        TableQuery {
            columns: TableColumns::Count,
            ..counted(table, filter)
        }
    } else {
        TableQuery {
            table,
            columns,
            filter,
            order,
            // One more tells whether there are more.
            limit: Some(limit.saturating_add(1)),
            offset: (offset > 0).then_some(offset),
        }
    };
    let mut meta = PageMeta {
        count: None,
        page: (!count_only).then(|| (limit, offset.saturating_add(limit))),
    };
    if include_count && !count_only {
        // Both questions see the same state of the table.
        let begin = session
            .session
            .parse("BEGIN")?
            .pop()
            .ok_or_else(|| Error::internal("BEGIN is no statement"))?;
        session.run(begin).await?;
        meta.count = Some(count(&mut session, query.table.clone(), query.filter.clone()).await?);
    }
    let statement = session.session.table_statement(&query)?;
    match session.run(statement).await? {
        Outcome::Rows { schema, stream, .. } => session.rows(format, envelope, &schema, stream, meta).await,
        _ => Err(Error::internal("a table that is no query").into()),
    }
}

fn counted(table: Vec<String>, filter: Option<Filter>) -> TableQuery {
    TableQuery {
        table,
        columns: TableColumns::Count,
        filter,
        order: Vec::new(),
        limit: None,
        offset: None,
    }
}

async fn count(session: &mut Session<'_>, table: Vec<String>, filter: Option<Filter>) -> Result<i64, Refusal> {
    let statement = session.session.table_statement(&counted(table, filter))?;
    let lost = || Refusal::from(Error::internal("a count without a number"));
    let Outcome::Rows { mut stream, .. } = session.run(statement).await? else {
        return Err(lost());
    };
    while let Some(batch) = session.next(&mut stream).await? {
        let column = batch
            .columns()
            .first()
            .and_then(|column| column.as_primitive_opt::<Int64Type>());
        if let Some(count) = column.and_then(|column| column.iter().next().flatten()) {
            return Ok(count);
        }
    }
    Err(lost())
}
