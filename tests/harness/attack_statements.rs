//! The statements of the catalogue of attacks, and what must come back on every way that leads to an answer.

use self::Expect::{Count, Refused, Rows, Same, State};
use crate::transport::{Answer, Failure};

/// What must come back, beside being the same as from the physical reference.
#[derive(Debug, Clone, Copy)]
pub enum Expect {
    /// Nothing further.
    Same,
    /// These rows, in any order.
    Rows(&'static [&'static str]),
    /// So many rows.
    Count(usize),
    /// This SQLSTATE.
    State(&'static str),
    /// One of the SQLSTATEs of things that do not exist or are not supported.
    Refused,
}

impl Expect {
    /// What is wrong with an answer, if anything is.
    pub fn complaint(self, answer: &Result<Answer, Failure>) -> Option<String> {
        match (self, answer) {
            (Rows(rows), Ok(answer)) if answer.sorted() != *rows => Some(format!("{:?}", answer.sorted())),
            (Count(count), Ok(answer)) if answer.rows.len() != count => {
                Some(format!("{} rows instead of {count}", answer.rows.len()))
            }
            (State(state), Err(failure)) if failure.sqlstate != state => Some(failure.to_string()),
            (Refused, Err(failure)) if !REFUSALS.contains(&failure.sqlstate.as_str()) => Some(failure.to_string()),
            (Rows(_) | Count(_), Err(failure)) => Some(failure.to_string()),
            (State(_) | Refused, Ok(_)) => Some("it is answered".to_owned()),
            _ => None,
        }
    }
}

/// Statements of dora, who sees the 6,000 trips of driver 7.
pub const DORA: &[(&str, &str, Expect)] = &[
    (
        "A01",
        "SELECT count(*) FROM trips WHERE CAST(region AS INT) > 0",
        Rows(&["6000"]),
    ),
    (
        "A03",
        "SELECT t.trip_id FROM trips t JOIN (VALUES (11),(12)) v(x) ON CAST(t.region AS INT) = v.x",
        Same,
    ),
    (
        "A04",
        "SELECT sum(CAST(region AS INT)), max(1/(driver_id-8)) FROM trips",
        Same,
    ),
    (
        "A04",
        "SELECT driver_id, CAST(region AS INT) + trip_id AS x FROM trips",
        Count(6000),
    ),
    (
        "A04",
        "SELECT driver_id, 100/(driver_id-8) + trip_id + length(region) AS x FROM trips WHERE driver_id <> 8",
        Count(6000),
    ),
    (
        "A05",
        "SELECT d.name, (SELECT max(CAST(t.region AS INT)) FROM trips t WHERE t.driver_id = d.driver_id) AS m FROM drivers d",
        Count(14),
    ),
    ("A07", "SELECT * FROM trips WHERE driver_id = 8", Count(0)),
    (
        "A07",
        "SELECT * FROM trips WHERE driver_id IN (8,9) OR driver_id IS NULL",
        Count(0),
    ),
    (
        "A11",
        "SELECT count(*), min(trip_id), max(trip_id), max(started_at), max(card_number) FROM trips",
        Same,
    ),
    ("A11", "SELECT count(*) FROM trips", Rows(&["6000"])),
    (
        "A11",
        "SELECT min(fare), max(fare), count(driver_id) FROM trips",
        Rows(&["1.00|1.45|6000"]),
    ),
    ("A15", "SELECT * FROM vault.keys", State("42P01")),
    ("A15", "SELECT card_numbr FROM trips", State("42703")),
    ("A15", "SELECT rider_nam FROM trips", State("42703")),
    ("A15", "SELECT nope.rider_name FROM trips", State("42703")),
    (
        "A17",
        "SELECT trip_id FROM trips WHERE rider_name = 'x'",
        State("42703"),
    ),
    ("A17", "SELECT trip_id FROM trips ORDER BY rider_name", State("42703")),
    ("A17", "SELECT count(*) FROM trips GROUP BY rider_name", State("42703")),
    (
        "A17",
        "SELECT count(*) FROM trips HAVING max(rider_name) > 'a'",
        State("42703"),
    ),
    (
        "A17",
        "SELECT DISTINCT ON (rider_name) trip_id FROM trips",
        State("42703"),
    ),
    (
        "A17",
        "SELECT row_number() OVER (PARTITION BY rider_name) FROM trips",
        State("42703"),
    ),
    (
        "A17",
        "SELECT count(*) FILTER (WHERE rider_name IS NULL) FROM trips",
        State("42703"),
    ),
    (
        "A17",
        "SELECT CASE WHEN rider_name = 'a' THEN 1 END FROM trips",
        State("42703"),
    ),
    ("A17", "SELECT length(rider_name) FROM trips", State("42703")),
    (
        "A17",
        "SELECT 1 FROM drivers d WHERE EXISTS (SELECT 1 FROM trips t WHERE t.rider_name = d.name)",
        State("42703"),
    ),
    ("A17", "SELECT license_no FROM drivers", State("42703")),
    ("A17", "SELECT email FROM riders", State("42703")),
    (
        "A18",
        "SELECT count(*) FROM trips NATURAL JOIN riders",
        Rows(&["180000"]),
    ),
    (
        "A18",
        "SELECT * FROM trips JOIN riders USING (rider_name)",
        State("42703"),
    ),
    ("A19", "SELECT * FROM trips", Count(6000)),
    ("A19", "SELECT t.* FROM trips t WHERE trip_id < 20", Count(12)),
    ("A19", "SELECT t FROM trips t", Same),
    ("A19", "SELECT row_to_json(t) FROM trips t", Same),
    ("A19", "SELECT to_jsonb(t) FROM trips t", Same),
    ("A19", "SELECT struct(t.*) FROM trips t WHERE trip_id < 5", Same),
    ("A19", "SELECT count(t.*) FROM trips t", Same),
    ("A19", "SELECT * EXCLUDE (trip_id) FROM trips", Same),
    ("A19", "SELECT COLUMNS('.*') FROM trips", Same),
    ("A19", "SELECT t::text FROM trips t", Same),
    ("A19", "SELECT hash(t) FROM trips t", Same),
    ("A20", "SELECT * FROM trips AS t(a,b,c,d,e,f,g)", Same),
    ("A20", "SELECT a, d FROM trips AS t(a,b,c,d,e,f) WHERE a < 9", Count(6)),
    ("A20", "SELECT * FROM trips ORDER BY 7", Same),
    (
        "A20",
        "SELECT * FROM trips UNION ALL SELECT 1,1,'1',1,'1','1',now()",
        Same,
    ),
    ("A20", "TABLE trips", Count(6000)),
    (
        "A21",
        "SELECT trip_id FROM trips WHERE card_number = '4111222233330000'",
        Count(0),
    ),
    (
        "A21",
        "SELECT trip_id FROM trips WHERE card_number LIKE '4111%'",
        Count(0),
    ),
    (
        "A21",
        "SELECT trip_id FROM trips WHERE card_number BETWEEN '4111' AND '4112'",
        Count(0),
    ),
    (
        "A21",
        "SELECT trip_id FROM trips WHERE card_number IN ('4111222233330000', '****0001')",
        Rows(&["1"]),
    ),
    (
        "A21",
        "SELECT count(*) FROM trips WHERE card_number > '41'",
        Rows(&["0"]),
    ),
    (
        "A22",
        "SELECT card_number, count(*) FROM trips GROUP BY card_number",
        Count(6000),
    ),
    (
        "A22",
        "SELECT count(DISTINCT card_number), min(card_number), max(card_number) FROM trips",
        Rows(&["6000|****0000|****9995"]),
    ),
    (
        "A22",
        "SELECT array_agg(card_number ORDER BY card_number) FROM trips WHERE trip_id < 40",
        Count(1),
    ),
    (
        "A22",
        "SELECT string_agg(card_number, ',' ORDER BY card_number) FROM trips WHERE trip_id < 4",
        Rows(&["****0000,****0001,****0002,****0003"]),
    ),
    (
        "A22",
        "SELECT card_number FROM trips ORDER BY card_number DESC, trip_id LIMIT 2",
        Rows(&["****9994", "****9995"]),
    ),
    (
        "A22",
        "SELECT trip_id, rank() OVER (ORDER BY card_number) FROM trips",
        Count(6000),
    ),
    (
        "A22",
        "SELECT count(*) FROM trips a JOIN trips b ON a.card_number = b.card_number",
        Rows(&["6000"]),
    ),
    (
        "A23",
        "SELECT length(card_number), md5(card_number), ascii(substr(card_number,1,1)), reverse(card_number) FROM trips",
        Count(6000),
    ),
    (
        "A23",
        "SELECT encode(CAST(card_number AS BYTEA), 'hex') FROM trips",
        Same,
    ),
    ("A23", "SELECT levenshtein(card_number, 'x') FROM trips", Same),
    ("A23", "SELECT CAST(card_number AS BIGINT) FROM trips", State("22P02")),
    (
        "A26",
        "WITH drivers AS (SELECT 7 AS driver_id) SELECT * FROM trips",
        Count(6000),
    ),
    (
        "A26",
        "WITH trips AS (SELECT * FROM trips) SELECT count(*) FROM trips",
        Rows(&["6000"]),
    ),
    ("A26", "SELECT count(*) FROM drivers AS trips", Rows(&["14"])),
    (
        "A27",
        "SELECT d.driver_id, x.m FROM drivers d, LATERAL (SELECT max(t.fare) AS m FROM trips t WHERE t.driver_id = d.driver_id) x",
        Same,
    ),
    (
        "A27",
        "WITH RECURSIVE r AS (SELECT trip_id, 0 AS n FROM trips WHERE trip_id < 3 UNION ALL SELECT t.trip_id, r.n + 1 FROM r JOIN trips t ON t.trip_id = r.trip_id + 1 WHERE r.n < 3) SELECT * FROM r",
        Same,
    ),
    (
        "A27",
        "SELECT count(*) FROM (SELECT * FROM (SELECT * FROM trips) a) b",
        Rows(&["6000"]),
    ),
    (
        "A27",
        "SELECT count(*) FROM trips t1, trips t2 WHERE t1.trip_id = t2.trip_id",
        Rows(&["6000"]),
    ),
    (
        "A27",
        "SELECT trip_id FROM trips EXCEPT SELECT trip_id FROM trips WHERE CAST(region AS INT) > 15",
        Same,
    ),
    (
        "A27",
        "SELECT card_number FROM trips INTERSECT SELECT card_number FROM trips",
        Count(6000),
    ),
    (
        "A27",
        "SELECT trip_id FROM trips UNION SELECT trip_id FROM trips",
        Count(6000),
    ),
    (
        "A27",
        "SELECT * FROM (VALUES ((SELECT max(card_number) FROM trips)), ((SELECT max(region) FROM trips))) v(x)",
        Count(2),
    ),
    (
        "A27",
        "SELECT trip_id FROM trips ORDER BY trip_id LIMIT (SELECT count(*) FROM trips WHERE driver_id = 8)",
        Same,
    ),
    (
        "A27",
        "SELECT count(*) FROM drivers WHERE driver_id NOT IN (SELECT driver_id FROM trips)",
        Rows(&["13"]),
    ),
    (
        "A35",
        "SELECT count(*) FROM trips WHERE driver_id IS NULL",
        Rows(&["0"]),
    ),
    (
        "A35",
        "SELECT count(*) FROM trips WHERE NOT (driver_id = 8)",
        Rows(&["6000"]),
    ),
    (
        "A35",
        "SELECT count(*) FROM trips WHERE driver_id <> ALL(ARRAY[8, 9])",
        Rows(&["6000"]),
    ),
    (
        "A35",
        "SELECT count(*) FROM trips WHERE driver_id IS NOT DISTINCT FROM NULL",
        Rows(&["0"]),
    ),
    // Trap 2: conditions that know no column, and would tell whether there are rows.
    (
        "A35",
        "SELECT count(*) FROM trips WHERE driver_id = 8 AND 1/(SELECT 0) > 0",
        Same,
    ),
    (
        "A35",
        "SELECT count(*) FROM trips WHERE region LIKE 'zz%' AND random() < 2",
        Rows(&["0"]),
    ),
    ("A37", "SELECT * FROM 's3://bucket/trips/part-0.parquet'", Refused),
    ("A37", "SELECT * FROM \"s3://bucket/trips/part-0.parquet\"", Refused),
    ("A37", "SELECT * FROM \"/etc/passwd\"", Refused),
    ("A37", "SELECT * FROM delta.`/tmp`", Refused),
    ("A37", "SELECT * FROM parquet_scan('/tmp/x.parquet')", Refused),
    ("A37", "SELECT * FROM read_csv('file:///etc/hostname')", Refused),
    ("A37", "SELECT pg_read_file('/etc/hostname')", Refused),
    ("A37", "SELECT pg_ls_dir('/')", Refused),
    ("A37", "SELECT * FROM dblink('x', 'y')", Refused),
    (
        "A37",
        "SELECT query_to_xml('select * from vault.keys', true, true, '')",
        Refused,
    ),
    ("A37", "SELECT * FROM remote_query('select 1')", Refused),
    (
        "A37",
        "SELECT * FROM generate_series(1, 2) g, read_csv('file:///etc/hostname')",
        Refused,
    ),
    (
        "A37",
        "CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '/tmp'",
        Refused,
    ),
    ("A38", "SELECT count(*) FROM RIDES.TRIPS", Rows(&["6000"])),
    ("A38", "SELECT count(*) FROM RIDES.\"Trips\"", State("42P01")),
    ("A38", "SELECT count(*) FROM \"trips \"", State("42P01")),
    ("A38", "SELECT count(*) FROM rides.trıps", State("42P01")),
    ("A38", "SELECT count(*) FROM rides.ｔｒｉｐｓ", State("42P01")),
    ("A38", "SELECT count(*) FROM lake.rides.trips", Rows(&["6000"])),
    ("A38", "SELECT count(*) FROM other.rides.trips", State("42P01")),
    ("A38", "SELECT count(*) FROM \"rides/trips\"", State("42P01")),
    ("A38", "SELECT count(*) FROM rides.\"../vault/keys\"", State("42P01")),
];

/// Statements of ana, whose row filter is the costly one.
pub const ANA: &[(&str, &str, Expect)] = &[
    (
        "A02",
        "SELECT trip_id FROM trips WHERE 100 / (driver_id - 8) < 1000",
        Count(6000),
    ),
    (
        "A06",
        "SELECT trip_id FROM trips WHERE fare * 99999999999999999999999999999 < 1 OR CAST(fare AS DECIMAL(3,2)) = 0",
        Same,
    ),
    (
        "A10",
        "SELECT DISTINCT CASE WHEN driver_id = 8 THEN 1/0 ELSE 1 END AS x FROM trips",
        Rows(&["1"]),
    ),
    (
        "A10",
        "SELECT DISTINCT coalesce(1, 1/(driver_id-8)) AS x FROM trips",
        Rows(&["1"]),
    ),
    (
        "A10",
        "SELECT DISTINCT nullif(1/(driver_id-8), 5) AS x FROM trips",
        Rows(&["-1"]),
    ),
    (
        "A10",
        "SELECT count(*) FROM trips WHERE driver_id <> 8 AND 1/(driver_id-8) < 5 OR 1/(driver_id-8) > 5",
        Rows(&["6000"]),
    ),
    ("A10", "SELECT sum(1/fare) FROM trips", Same),
    (
        "A24",
        "SELECT count(*) FROM trips WHERE card_number IS NULL",
        Rows(&["6000"]),
    ),
    ("A24", "SELECT count(card_number) FROM trips", Rows(&["0"])),
    (
        "A24",
        "SELECT DISTINCT coalesce(card_number,'x') AS x FROM trips",
        Rows(&["x"]),
    ),
    ("A24", "SELECT card_number FROM trips LIMIT 3", Count(3)),
    ("A15", "SELECT * FROM drivers", State("42P01")),
    ("A17", "SELECT rider_name FROM trips", State("42703")),
    ("A19", "SELECT * FROM trips", Count(6000)),
    (
        "A11",
        "SELECT count(*), min(region), max(region), sum(CAST(region AS INT)) FROM trips",
        Same,
    ),
    (
        "A04",
        "SELECT region, count(*) FROM trips GROUP BY region HAVING sum(CAST(region AS BIGINT)) > 100",
        Count(18),
    ),
];

/// What must be wrong with a statement that reaches for something outside.
pub const REFUSALS: [&str; 8] = ["42883", "42501", "0A000", "42P01", "42601", "3F000", "3D000", "42703"];

/// Statements of either, beside those of the lists: plans and the catalog.
pub const MORE: &[&str] = &[
    "EXPLAIN SELECT count(*) FROM trips WHERE CAST(region AS INT) > 0",
    "EXPLAIN SELECT * FROM trips WHERE card_number = 'x'",
    "EXPLAIN VERBOSE SELECT count(*), min(trip_id), max(card_number) FROM trips",
    "SELECT table_schema, table_name FROM information_schema.tables",
    "SELECT table_name, column_name, ordinal_position, is_nullable FROM information_schema.columns WHERE table_schema = 'rides'",
    "SELECT relname, reltuples, relpages, relnatts FROM pg_class",
    "SELECT attname, attnum FROM pg_attribute WHERE attrelid = 'trips'::regclass",
    "SELECT nspname FROM pg_namespace",
];

/// What can be compared between worlds. Which of several visible rows an expression fails on first depends on the
/// order in which files are read.
pub fn told(answer: &Result<Answer, Failure>) -> String {
    match answer {
        Ok(answer) => format!("{:?}\n{}", answer.columns, answer.sorted().join("\n")),
        Err(failure) if failure.sqlstate.starts_with("22") => failure.sqlstate.clone(),
        // The detail names the query.
        Err(failure) if failure.sqlstate == "XX000" => failure.message.clone(),
        Err(failure) => failure.to_string(),
    }
}
