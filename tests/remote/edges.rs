//! A table of the ends of every type and of awkward texts, over which each pushed function is tried by itself; and one
//! of floating point that Spark would not write.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int32Array, RecordBatch};
use system_tests::lake;

use crate::cases::{Column, column};

pub(crate) const NAME: &str = "edges";
/// Prime, so that every value meets every other place of a column's turn.
pub(crate) const ROWS: usize = 211;

/// The columns after `id`, which is unique and never NULL.
pub(crate) const COLUMNS: [Column; 17] = [
    column("k", "INT", &["0", "1", "2"]),
    column("b", "BOOLEAN", &["true", "false"]),
    column(
        "s",
        "SMALLINT",
        &["0S", "1S", "-1S", "32767S", "CAST(-32768 AS SMALLINT)", "7S", "-6S"],
    ),
    column(
        "i",
        "INT",
        &["0", "1", "-1", "2147483647", "CAST(-2147483648 AS INT)", "42", "-7"],
    ),
    column("j", "INT", &["0", "3", "-1", "CAST(-2147483648 AS INT)", "255"]),
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
            "16777217L",
            "-5L",
        ],
    ),
    column(
        "m",
        "DECIMAL(10,2)",
        &[
            "0.00",
            "0.50",
            "-0.50",
            "1.49",
            "1.50",
            "-1.50",
            "2.50",
            "-2.51",
            "99999999.99",
            "-99999999.99",
            "0.01",
        ],
    ),
    column(
        "w",
        "DECIMAL(38,10)",
        &[
            "0",
            "1.0000000001",
            "-0.0000000001",
            "9999999999999999999999999999.9999999999",
            "-9999999999999999999999999999.9999999999",
            "2147483647.5",
            "-2147483648.4999999999",
            "9223372036854775807.4999999999",
            "0.5",
            "-0.5",
        ],
    ),
    column(
        "n",
        "DECIMAL(18,0)",
        &["0", "-1", "999999999999999999", "-999999999999999999", "32767", "5"],
    ),
    column(
        "r",
        "FLOAT",
        &[
            "0F",
            "CAST('-0.0' AS FLOAT)",
            "1.5F",
            "0.1F",
            "-2.5F",
            "CAST('NaN' AS FLOAT)",
            "CAST('Infinity' AS FLOAT)",
            "CAST('-Infinity' AS FLOAT)",
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
            "0.5D",
            "2.5D",
            "-2.5D",
            "3.5D",
            "CAST('NaN' AS DOUBLE)",
            "CAST('Infinity' AS DOUBLE)",
            "CAST('-Infinity' AS DOUBLE)",
            "1.7976931348623157E308D",
            "4.9E-324D",
            "-4.9E-324D",
        ],
    ),
    column(
        "c",
        "DOUBLE",
        &[
            "CAST('-0.0' AS DOUBLE)",
            "0D",
            "CAST('NaN' AS DOUBLE)",
            "2.5D",
            "CAST('Infinity' AS DOUBLE)",
            "-4.9E-324D",
        ],
    ),
    column(
        "t",
        "STRING",
        &[
            "''",
            "' '",
            "'a'",
            "'ab'",
            "'abc'",
            "'aaa'",
            "'aXbXc'",
            "'A'",
            "'Z_'",
            "'0'",
            "'12'",
            "'a,b,c'",
            "','",
            "',,'",
            "'a,,b'",
            "'a.b.c'",
            "'x\\\\y'",
            "'%_%'",
            "'it\\'s'",
            "'  x  '",
            "'\u{a0}x\u{a0}'",
            "'\u{2003}x'",
            "'\u{feff}x'",
            "'\ttab\t'",
            "'line\nbreak'",
            "'a\r\nb'",
            "'\u{e9}'",
            "'e\u{301}'",
            "'\u{301}'",
            "'ab\u{301}c'",
            "'\u{1f600}'",
            "'\u{1f600}a'",
            "'a\u{1f600}b\u{1f600}'",
            "'\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}'",
            "'\u{10ffff}'",
            "'\u{fffd}'",
            "'ß'",
            "'İi'",
            "'Łódź'",
            "'\u{17f}\u{212a}'",
            "'[a]'",
            "'a b c'",
            "repeat('ab', 300)",
        ],
    ),
    column(
        "u",
        "STRING",
        &["''", "'z'", "'-'", "'\u{e9}'", "'\u{1f600}'", "' b '", "'\u{301}'"],
    ),
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
            "DATE '1900-03-01'",
            "DATE '2020-12-31'",
        ],
    ),
    column(
        "g",
        "DATE",
        &[
            "DATE '9999-12-31'",
            "DATE '2024-03-01'",
            "DATE '0001-01-01'",
            "DATE '1970-01-01'",
        ],
    ),
    column(
        "p",
        "TIMESTAMP_NTZ",
        &[
            "TIMESTAMP_NTZ '1970-01-01 00:00:00'",
            "TIMESTAMP_NTZ '2024-02-29 12:34:56.789012'",
            "TIMESTAMP_NTZ '1969-12-31 23:59:59.999999'",
            "TIMESTAMP_NTZ '0001-01-01 00:00:00.000001'",
            "TIMESTAMP_NTZ '9999-12-31 23:59:59.999999'",
            "TIMESTAMP_NTZ '2024-03-10 02:30:00'",
            "TIMESTAMP_NTZ '2000-01-31 06:00:00.5'",
            "TIMESTAMP_NTZ '1582-10-10 00:00:00'",
            "TIMESTAMP_NTZ '2262-04-11 23:47:16.854776'",
        ],
    ),
];

/// A table that another program wrote: NaN with a sign and with other bits, beside what statistics do not leave out.
pub(crate) const NANS: &str = "nans";

/// Writes [`NANS`] below `folder`.
pub(crate) async fn write_nans(folder: &Path) {
    let doubles = [
        f64::NAN,
        -f64::NAN,
        f64::from_bits(0x7ff0_0000_0000_0001),
        f64::from_bits(u64::MAX),
        0.0,
        -0.0,
        1.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    let reals = [
        -f32::NAN,
        f32::NAN,
        f32::from_bits(0x7f80_0001),
        -0.0,
        0.0,
        2.5,
        f32::NEG_INFINITY,
        f32::INFINITY,
        1.0,
    ];
    let ids = Int32Array::from_iter_values(0..9);
    let columns = [
        ("id", Arc::new(ids) as ArrayRef, false),
        ("d", Arc::new(Float64Array::from(doubles.to_vec())), true),
        ("r", Arc::new(Float32Array::from(reals.to_vec())), true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    lake::write(&folder.join("public").join(NANS), [batch]).await;
}
