//! One large result through Flight SQL, against the same batches from memory through Flight alone.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt};
use arrow_flight::{FlightDescriptor, Ticket};
use arrow_ipc::root_as_message;
use prost::Message;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};

use crate::limits::Limits;
use crate::process;
use crate::scan::SQL;
use crate::table::{Table, median, progress};
use crate::{Bench, Outcome};

/// Messages of servers hold some MiB.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What came.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) first_batch: Duration,
    pub(crate) whole: Duration,
}

/// A client that counts rows by the heads of messages and decodes nothing.
pub(crate) struct Flight {
    runtime: Runtime,
    client: FlightServiceClient<Channel>,
}

impl Flight {
    pub(crate) fn connect(address: SocketAddr) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        let channel = runtime.block_on(endpoint.connect())?;
        let client = FlightServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Self { runtime, client })
    }

    /// Runs a query, in two calls as clients do.
    pub(crate) fn query(&mut self, sql: &str) -> Outcome<Answer> {
        let command = CommandStatementQuery {
            query: sql.to_owned(),
            transaction_id: None,
        };
        let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
        let start = Instant::now();
        let info = self.runtime.block_on(self.client.get_flight_info(descriptor))?;
        let endpoint = info.into_inner().endpoint.into_iter().next();
        let ticket = endpoint.and_then(|endpoint| endpoint.ticket).ok_or("no ticket came")?;
        self.take(ticket, start)
    }

    /// Takes what lies behind any ticket.
    pub(crate) fn raw(&mut self) -> Outcome<Answer> {
        self.take(Ticket::new("rows"), Instant::now())
    }

    fn take(&mut self, ticket: Ticket, start: Instant) -> Outcome<Answer> {
        self.runtime.block_on(async {
            let mut messages = self.client.do_get(ticket).await?.into_inner();
            let mut answer = Answer::default();
            while let Some(message) = messages.message().await? {
                answer.bytes += message.data_body.len() as u64;
                let head = root_as_message(&message.data_header).map_err(|error| error.to_string())?;
                if let Some(batch) = head.header_as_record_batch() {
                    if answer.rows == 0 {
                        answer.first_batch = start.elapsed();
                    }
                    answer.rows += u64::try_from(batch.length())?;
                }
            }
            answer.whole = start.elapsed();
            Ok(answer)
        })
    }
}

/// The figures of several runs.
#[derive(Debug, Default)]
struct Runs {
    rows: u64,
    speed: Vec<f64>,
    bytes: Vec<f64>,
    cpu: Vec<f64>,
    first_batch: Vec<f64>,
    peak: Vec<f64>,
}

impl Runs {
    fn add(&mut self, pid: u32, ask: impl FnOnce() -> Outcome<Answer>) -> Outcome<()> {
        let forgotten = process::forget_peak(pid);
        let before = process::cpu_seconds(pid);
        let answer = ask()?;
        let rows = answer.rows as f64;
        self.rows = answer.rows;
        self.cpu.push((process::cpu_seconds(pid) - before) / rows * 1e6);
        self.speed.push(rows / answer.whole.as_secs_f64() / 1e3);
        self.bytes.push(answer.bytes as f64 / answer.whole.as_secs_f64() / 1e6);
        self.first_batch.push(answer.first_batch.as_secs_f64() * 1e3);
        self.peak
            .push(forgotten.and_then(|()| process::peak(pid)).unwrap_or(f64::NAN));
        Ok(())
    }
}

pub(crate) fn flight(bench: &mut Bench) -> Outcome<()> {
    let server = bench.server()?;
    let limits = Limits::start(&bench.tables.join("tpch/lineitem"))?;
    let (mut ours, mut raw) = (Flight::connect(server.flight)?, Flight::connect(limits.flight)?);
    ours.query(SQL)?;
    raw.raw()?;
    let (mut answers, mut streams) = (Runs::default(), Runs::default());
    for run in 1..=bench.runs {
        progress(format!("flight, run {run} of {}", bench.runs));
        answers.add(server.pid(), || ours.query(SQL))?;
        streams.add(limits.pid(), || raw.raw())?;
    }
    let columns = ["", "lakegate", "from memory", "ratio"];
    let mut table = Table::new("flight: SELECT * FROM lineitem as Arrow batches", &columns);
    let mut row = |name: &str, ours: &[f64], raw: &[f64]| {
        let (ours, raw) = (median(ours), median(raw));
        table.row(name, &[ours, raw, ours / raw]);
    };
    row("thousand rows/s", &answers.speed, &streams.speed);
    row("MB/s of buffers", &answers.bytes, &streams.bytes);
    row("CPU s of a million rows", &answers.cpu, &streams.cpu);
    row("ms to the first batch", &answers.first_batch, &streams.first_batch);
    row("peak resident MiB", &answers.peak, &streams.peak);
    if answers.rows != streams.rows {
        table.note(format!("{} rows here, {} there", answers.rows, streams.rows));
    }
    table.note("from memory: the same batches, encoded anew for each stream; its memory is the table");
    table.print();
    Ok(())
}
