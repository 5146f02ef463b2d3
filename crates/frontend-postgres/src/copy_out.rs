//! `COPY … TO STDOUT`.

use arrow_postgres::{CopyEncoder, CopyFormat, ForceQuote, SessionFormat};
use arrow_schema::{Schema, SchemaRef};
use contract::QueryContext;
use engine::CopyOptions;
use engine::{ResultStream, Shutdown};
use pgwire::messages::copy::{CopyDone, CopyOutResponse};

use crate::error::WireError;
use crate::portal::{Encoder, Progress, Rows};
use crate::wire::{Failure, Wire};

/// Sends all rows as COPY data, from CopyOutResponse to CopyDone; gives their count.
pub(crate) async fn send(
    wire: &mut Wire,
    shutdown: &Shutdown,
    ctx: &QueryContext,
    schema: &SchemaRef,
    stream: ResultStream,
    options: CopyOptions,
    session: &SessionFormat,
) -> Result<u64, Failure> {
    let columns = i16::try_from(schema.fields().len())
        .map_err(|_| WireError::new("54011", "target lists can have at most 32767 entries"))?;
    let format = copy_format(options, schema)?;
    let code = i8::from(format == CopyFormat::Binary);
    let encoder = CopyEncoder::new(schema, format, session);
    wire.writer.put(&CopyOutResponse::new(
        code,
        columns,
        vec![i16::from(code); schema.fields().len()],
    ));
    let encoder = Encoder::Copy { encoder, begun: false };
    let mut rows = Rows::new(stream, encoder, "COPY", ctx.clone());
    let count = match rows.send(wire, shutdown, ctx, None).await? {
        Progress::Finished(count) => count,
        Progress::Suspended => 0,
    };
    rows.end(wire.writer.buffer());
    wire.writer.put(&CopyDone::new());
    Ok(count)
}

fn copy_format(options: CopyOptions, schema: &Schema) -> Result<CopyFormat, WireError> {
    let CopyOptions {
        format,
        delimiter,
        null,
        header,
        quote,
        escape,
        force_quote,
    } = options;
    Ok(match format {
        engine::CopyFormat::Text => CopyFormat::Text {
            delimiter,
            null,
            header,
        },
        engine::CopyFormat::Binary => CopyFormat::Binary,
        engine::CopyFormat::Csv => {
            let force_quote = match force_quote {
                engine::ForceQuote::Nothing => ForceQuote::None,
                engine::ForceQuote::All => ForceQuote::All,
                engine::ForceQuote::Columns(names) => ForceQuote::Columns(positions(&names, schema)?),
            };
            CopyFormat::Csv {
                delimiter,
                null,
                quote,
                escape,
                header,
                force_quote,
            }
        }
    })
}

fn positions(names: &[String], schema: &Schema) -> Result<Vec<usize>, WireError> {
    let position = |name: &String| {
        schema
            .fields()
            .iter()
            .position(|field| field.name() == name)
            .ok_or_else(|| WireError::new("42703", format!("column \"{name}\" does not exist")))
    };
    names.iter().map(position).collect()
}
