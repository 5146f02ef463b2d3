//! Tables of what goes wrong: NULLs everywhere, the ends of every type, texts of several planes. Spark writes them.

use std::path::Path;

use system_tests::spark_client::SparkClient;
use url::Url;

use crate::edges;

/// What a column takes in turn, as Spark's SQL; NULL comes besides.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) spark_type: &'static str,
    pub(crate) values: &'static [&'static str],
}

/// How many rows `cases` has: each column goes round several times, at its own pace.
const ROWS: usize = 97;
/// How many rows `others` has: fewer, with keys that repeat, are missing there, or are missing here.
const OTHER_ROWS: usize = 29;

pub(crate) const fn column(name: &'static str, spark_type: &'static str, values: &'static [&'static str]) -> Column {
    Column {
        name,
        spark_type,
        values,
    }
}

/// The columns of `cases` after `id`, which is unique and never NULL.
pub(crate) const COLUMNS: [Column; 13] = [
    column("k", "INT", &["0", "1", "2", "3", "4"]),
    column("b", "BOOLEAN", &["true", "false"]),
    column(
        "s",
        "SMALLINT",
        &["0S", "1S", "-1S", "32767S", "CAST(-32768 AS SMALLINT)", "7S"],
    ),
    column(
        "i",
        "INT",
        &["0", "1", "-1", "2147483647", "CAST(-2147483648 AS INT)", "42", "-7"],
    ),
    column(
        "l",
        "BIGINT",
        &[
            "0L",
            "1L",
            "-1L",
            "9223372036854775807L",
            "CAST(-9223372036854775808 AS BIGINT)",
            "9007199254740993L",
            "5L",
        ],
    ),
    column(
        "r",
        "FLOAT",
        &[
            "0F",
            "CAST('-0.0' AS FLOAT)",
            "1.5F",
            "-2.25F",
            "CAST('NaN' AS FLOAT)",
            "CAST('Infinity' AS FLOAT)",
            "CAST('3.4028235E38' AS FLOAT)",
            "CAST('1.4E-45' AS FLOAT)",
        ],
    ),
    column(
        "d",
        "DOUBLE",
        &[
            "0D",
            "CAST('-0.0' AS DOUBLE)",
            "0.1D",
            "2.5D",
            "-2.5D",
            "CAST('NaN' AS DOUBLE)",
            "CAST('Infinity' AS DOUBLE)",
            "CAST('-Infinity' AS DOUBLE)",
            "1.7976931348623157E308D",
            "4.9E-324D",
            "3D",
        ],
    ),
    column(
        "m",
        "DECIMAL(10,2)",
        &[
            "0.00",
            "1.50",
            "-1.50",
            "2.45",
            "99999999.99",
            "-99999999.99",
            "0.01",
            "3.00",
        ],
    ),
    column(
        "w",
        "DECIMAL(38,10)",
        &[
            "0",
            "1.0000000001",
            "-1.5",
            "9999999999999999999999999999.9999999999",
            "-9999999999999999999999999999.9999999999",
            "12345.6789",
        ],
    ),
    column(
        "t",
        "STRING",
        &[
            "''",
            "'a'",
            "'A'",
            "'b'",
            "' a '",
            "'ab%c_d'",
            "'it''s'",
            "'x\\\\y'",
            "'Łódź'",
            "'e\u{301}'",
            "'\u{e9}'",
            "'\u{1f600}b'",
            "'\u{fffd}'",
            "'ß'",
            "'İ'",
            "'line\nbreak'",
            "'tab\there'",
            "'12'",
            "'ΑΣ'",
            "'z'",
        ],
    ),
    column("y", "BINARY", &["X''", "X'00'", "X'ff'", "X'7f'", "X'0102'", "X'C328'"]),
    column(
        "a",
        "DATE",
        &[
            "DATE '1970-01-01'",
            "DATE '2024-02-29'",
            "DATE '1969-12-31'",
            "DATE '0001-01-01'",
            "DATE '9999-12-31'",
            "DATE '1582-10-10'",
            "DATE '2024-12-30'",
            "DATE '2000-01-31'",
            "DATE '2023-01-01'",
        ],
    ),
    column(
        "p",
        "TIMESTAMP_NTZ",
        &[
            "TIMESTAMP_NTZ '1970-01-01 00:00:00'",
            "TIMESTAMP_NTZ '2024-02-29 12:34:56.789012'",
            "TIMESTAMP_NTZ '1969-12-31 23:59:59.999999'",
            "TIMESTAMP_NTZ '0001-01-01 00:00:00'",
            "TIMESTAMP_NTZ '9999-12-31 23:59:59.999999'",
            "TIMESTAMP_NTZ '2024-03-10 02:30:00'",
            "TIMESTAMP_NTZ '2000-01-31 06:00:00.5'",
        ],
    ),
];

/// `cases` has `z`, a moment, too, and `others` these alone.
const MOMENT: Column = column(
    "z",
    "TIMESTAMP",
    &[
        "TIMESTAMP '1970-01-01 00:00:00Z'",
        "TIMESTAMP '2024-02-29 12:34:56.789012Z'",
        "TIMESTAMP '1969-12-31 23:59:59.999999Z'",
        "TIMESTAMP '1900-01-01 00:00:00Z'",
        "TIMESTAMP '2100-07-01 00:00:00.000001Z'",
    ],
);

/// Has Spark make both tables, and `edges`, in schema `public` below `folder`.
pub(crate) async fn write(client: &SparkClient, folder: &Path) {
    client.run("CREATE SCHEMA IF NOT EXISTS public").await;
    let all = || COLUMNS.iter().chain([&MOMENT]);
    write_table(client, folder, "cases", ROWS, &all().collect::<Vec<_>>()).await;
    let others = all().filter(|column| ["k", "b", "l", "d", "m", "t", "a"].contains(&column.name));
    write_table(client, folder, "others", OTHER_ROWS, &others.collect::<Vec<_>>()).await;
    let edges = edges::COLUMNS.iter().collect::<Vec<_>>();
    write_table(client, folder, edges::NAME, edges::ROWS, &edges).await;
}

async fn write_table(client: &SparkClient, folder: &Path, name: &str, rows: usize, columns: &[&Column]) {
    let location = Url::from_directory_path(folder.join("public").join(name)).unwrap();
    let declared = columns
        .iter()
        .map(|column| format!("{} {}", column.name, column.spark_type));
    let declared = declared.collect::<Vec<_>>().join(", ");
    client
        .run(&format!(
            "CREATE TABLE public.{name} (id INT NOT NULL, {declared}) USING delta LOCATION '{location}'"
        ))
        .await;
    let row = |row: usize| {
        let values = columns
            .iter()
            .enumerate()
            .map(|(index, column)| value(column, index, row));
        format!("({row}, {})", values.collect::<Vec<_>>().join(", "))
    };
    // Two commits, so that there is more than one file.
    for rows in [0..rows / 2, rows / 2..rows] {
        let rows = rows.map(row).collect::<Vec<_>>().join(", ");
        client.run(&format!("INSERT INTO public.{name} VALUES {rows}")).await;
    }
}

/// The value of a column in a row: NULL in every fourth, at another place for each column, else the next of its list.
fn value(column: &Column, index: usize, row: usize) -> String {
    if (row + index) % 4 == 3 {
        return format!("CAST(NULL AS {})", column.spark_type);
    }
    let value = column.values[(row + row / 7 + index) % column.values.len()];
    format!("CAST({value} AS {})", column.spark_type)
}
