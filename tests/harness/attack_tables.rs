//! The tables of the catalogue of attacks as Delta tables, in two worlds; its users and rules; and what none of the
//! bytes that come back may hold.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::filter_record_batch;
use engine::{AccessConfig, Engine, Outcome, UnknownUsers, UserEntry};
use federation::Source;
use futures::TryStreamExt;

use crate::lake;
use crate::memory_source::MemorySource;
use crate::server::TestServer;

/// Rows of `trips`.
pub const TRIPS: i32 = 10_000;
/// How the raw card numbers of driver 7 begin, in the one world and in the other.
const CARDS: [&str; 2] = ["411122223333", "499988887777"];
/// What no byte sent to dora or ana may hold.
pub const CANARIES: [&str; 6] = ["ZQX8", "RAWPAN", "HIDCOL", "VAULTKEY", CARDS[0], CARDS[1]];
/// Names that neither may learn.
pub const HIDDEN_NAMES: [&str; 2] = ["license_no", "material"];

const RULES: &str = include_str!("../../sql/policy/rides.sql");
/// Nob may come in and has nothing. Drivers too come in by every door.
const GUEST: &str = "CREATE ROLE guest; GRANT EXECUTE ON SERVICE postgres, flight, rest TO guest, driver;";

/// Two worlds differ only in what dora and ana may not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twin {
    /// The one that most tests are about.
    First,
    /// The other one, with other hidden rows, columns and files.
    Second,
}

fn strings(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn driver(id: i32) -> Option<i32> {
    match id % 10 {
        0..=5 => Some(7),
        6..=8 => Some(8),
        _ if id % 200 == 9 => None,
        _ => Some(9 + (id / 10) % 12),
    }
}

fn is_dora(id: i32) -> bool {
    driver(id) == Some(7)
}

/// The raw card number of a trip of driver 7.
pub fn card(twin: Twin, id: i32) -> String {
    format!("{}{id:04}", CARDS[usize::from(twin == Twin::Second)])
}

fn trips(twin: Twin) -> RecordBatch {
    let second = twin == Twin::Second;
    // In the second world some of the hidden trips never happened, and others did.
    let ids = (0..TRIPS).filter(|id| is_dora(*id) || !second || id % 3 != 0);
    let ids = ids
        .chain((TRIPS..TRIPS + 500).filter(|id| second && !is_dora(*id)))
        .collect::<Vec<_>>();
    let fare = |id: i32| match (is_dora(id), id / 10 % 10) {
        (false, 0) => 0,
        (false, _) if second => 99_999,
        _ => i128::from(100 + id % 50),
    };
    let card_number = |id: i32| match is_dora(id) {
        true => card(twin, id),
        false => format!("RAWPAN-{}", if second { "yy" } else { "x" }),
    };
    let region = |id: i32| match is_dora(id) {
        true => format!("1{}", id % 30),
        false => format!("ZQX8-{}", if second { id * 3 } else { id }),
    };
    let started = |id: i32| {
        let far = if second && !is_dora(id) {
            1_000_000_000_000_000
        } else {
            0
        };
        1_700_000_000_000_000 + i64::from(id) * 60_000_000 + far
    };
    let fares = Decimal128Array::from_iter_values(ids.iter().map(|id| fare(*id))).with_precision_and_scale(10, 2);
    let started = TimestampMicrosecondArray::from_iter_values(ids.iter().map(|id| started(*id))).with_timezone("UTC");
    let mut columns = vec![
        ("trip_id", Arc::new(Int32Array::from(ids.clone())) as ArrayRef, true),
        (
            "driver_id",
            Arc::new(Int32Array::from_iter(ids.iter().map(|id| driver(*id)))),
            true,
        ),
        ("rider_name", strings(ids.iter().map(|id| format!("HIDCOL-{id}"))), true),
        ("fare", Arc::new(fares.unwrap()), true),
        ("card_number", strings(ids.iter().map(|id| card_number(*id))), true),
        ("region", strings(ids.iter().map(|id| region(*id))), true),
        ("started_at", Arc::new(started), true),
    ];
    if second {
        // The hidden column has another name, and there is one more.
        columns[2].0 = "passenger";
        columns.push(("note", strings(ids.iter().map(|id| format!("HIDCOL-note-{id}"))), true));
    }
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn drivers(twin: Twin) -> RecordBatch {
    let ids = (7..=20).collect::<Vec<i32>>();
    RecordBatch::try_from_iter_with_nullable([
        ("driver_id", Arc::new(Int32Array::from(ids.clone())) as ArrayRef, true),
        ("name", strings(ids.iter().map(|id| format!("driver {id}"))), true),
        (
            "license_no",
            strings(ids.iter().map(|id| format!("HIDCOL-{twin:?}-{id}"))),
            true,
        ),
        ("home_region", strings(ids.iter().map(|id| format!("r{id}"))), true),
    ])
    .unwrap()
}

fn riders(twin: Twin) -> RecordBatch {
    let ids = (1..=30).collect::<Vec<i32>>();
    RecordBatch::try_from_iter_with_nullable([
        ("rider_id", Arc::new(Int32Array::from(ids.clone())) as ArrayRef, true),
        ("rider_name", strings(ids.iter().map(|id| format!("rider {id}"))), true),
        ("phone", strings(ids.iter().map(|id| format!("+49-{id}"))), true),
        (
            "email",
            strings(ids.iter().map(|id| format!("HIDCOL-{twin:?}-{id}@example.com"))),
            true,
        ),
    ])
    .unwrap()
}

fn keys() -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([
        ("key_id", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef, true),
        (
            "material",
            strings(["VAULTKEY-1", "VAULTKEY-2"].map(str::to_owned).into_iter()),
            true,
        ),
    ])
    .unwrap()
}

/// Every `parts`-th row to each part, so that all parts are alike.
fn dealt(batch: &RecordBatch, parts: usize) -> Vec<RecordBatch> {
    let part = |part: usize| {
        let chosen = BooleanArray::from(
            (0..batch.num_rows())
                .map(|row| row / 10 % parts == part)
                .collect::<Vec<_>>(),
        );
        filter_record_batch(batch, &chosen).unwrap()
    };
    (0..parts).map(part).collect()
}

/// Writes the tables of a world below `root`, as `schema/table`.
pub async fn write(twin: Twin, root: &Path) {
    // How many files there are is hidden too.
    let files = if twin == Twin::First { 4 } else { 6 };
    lake::write(&root.join("rides/trips"), dealt(&trips(twin), files)).await;
    lake::write(&root.join("rides/drivers"), [drivers(twin)]).await;
    lake::write(&root.join("rides/riders"), [riders(twin)]).await;
    if twin == Twin::First {
        lake::write(&root.join("vault/keys"), [keys()]).await;
    }
}

/// Users and rules of the catalogue; `more` is another rules file.
pub fn access(more: &str) -> AccessConfig {
    let files = [("rides.sql", RULES), ("guest.sql", GUEST), ("more.sql", more)];
    let rules = policy::parse_rules(&files.map(|(name, text)| (name.to_owned(), text.to_owned()))).unwrap();
    let user = |name: &str, roles: &[&str], id: Option<&str>| UserEntry {
        name: name.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        attributes: id.into_iter().map(|id| ("id".to_owned(), id.to_owned())).collect(),
        administrator: name == "root",
        ..UserEntry::default()
    };
    AccessConfig {
        rules,
        users: vec![
            user("dora", &["driver"], Some("7")),
            user("dave", &["driver"], Some("8")),
            user("ana", &["analyst"], None),
            user("nob", &["guest"], None),
            user("root", &[], None),
        ],
        trust_loopback: true,
        unknown_users: UnknownUsers::Refuse,
    }
}

/// The tables of `engine` cut down to what an actor may see, served to an administrator.
pub async fn reference(engine: &Engine, actor: &str) -> TestServer {
    let queries: &[(&str, &str)] = match actor {
        "dora" => &[
            (
                "trips",
                "SELECT trip_id, driver_id, fare, '****' || right(card_number, 4) AS card_number, region, started_at FROM trips WHERE driver_id = 7",
            ),
            ("drivers", "SELECT driver_id, name, home_region FROM drivers"),
            ("riders", "SELECT rider_id, rider_name, phone FROM riders"),
        ],
        _ => &[(
            "trips",
            "SELECT trip_id, driver_id, fare, CASE WHEN false THEN card_number END AS card_number, region, started_at FROM trips WHERE region LIKE '1%'",
        )],
    };
    let mut source = MemorySource::new("lake");
    for (table, query) in queries {
        source = source.table("rides", table, rows_of(engine, query).await);
    }
    lake::serve(vec![Arc::new(source) as Arc<dyn Source>], "rides", AccessConfig::open()).await
}

/// What the administrator reads.
async fn rows_of(engine: &Engine, sql: &str) -> Vec<RecordBatch> {
    let mut session = engine
        .open_session(engine.identity("root").unwrap(), Default::default())
        .unwrap();
    let ctx = session.query_context();
    let statement = session.parse(sql).unwrap().remove(0);
    let prepared = session.prepare(statement, &[], &ctx).await.unwrap();
    match session.execute(&prepared, Vec::new(), &ctx).await.unwrap() {
        Outcome::Rows { stream, .. } => stream.try_collect().await.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Whether `text` is part of `bytes`.
pub fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The canaries that came back and that the statement did not bring along itself.
pub fn canaries_in(bytes: &[u8], sql: &str) -> Vec<&'static str> {
    let all = CANARIES.iter().chain(&HIDDEN_NAMES);
    all.copied()
        .filter(|canary| !sql.contains(canary) && contains(bytes, canary))
        .collect()
}

/// No canary is in `bytes`, which came back for `sql` through `door`.
///
/// # Panics
/// With those that are.
pub fn assert_clean(bytes: &[u8], sql: &str, door: &str) {
    let found = canaries_in(bytes, sql);
    assert!(
        found.is_empty(),
        "{found:?} in the answer to {sql} ({door}): {}",
        String::from_utf8_lossy(bytes)
    );
}
