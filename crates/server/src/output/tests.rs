use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Decimal128Array, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Float64Type;
use arrow_postgres::SessionFormat;

use super::{Format, ResultWriter, Style, Target};

fn batch() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
        (
            "amount",
            Arc::new(
                Decimal128Array::from(vec![Some(12_345_678_901_234_567_890_123_i128), Some(-5)])
                    .with_precision_and_scale(38, 2)
                    .unwrap(),
            ),
        ),
        ("ratio", Arc::new(Float64Array::from(vec![f64::NAN, f64::NEG_INFINITY]))),
        ("real", Arc::new(Float32Array::from(vec![0.1, 1e30]))),
        (
            "bytes",
            Arc::new(BinaryArray::from_opt_vec(vec![Some(&b"\x00\xffhi"[..]), None])),
        ),
        (
            "text",
            Arc::new(StringArray::from(vec![Some("a,\"b\"\u{1b}[2J"), Some("")])),
        ),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(vec![0, 1_500_000]).with_timezone("UTC")),
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(vec![
                Some(vec![Some(1.5), Some(f64::INFINITY), None]),
                None,
            ])),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn write(format: Format, expanded: bool, batches: &[RecordBatch]) -> Vec<u8> {
    let mut out = Vec::new();
    let style = Style {
        format,
        expanded,
        session: SessionFormat::default(),
    };
    let mut writer = ResultWriter::new(&style, &batch().schema(), &mut out).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    out
}

#[test]
fn json_keeps_every_value() {
    let text = String::from_utf8(write(Format::Ndjson, false, &[batch()])).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "{\"id\":9223372036854775807,\"amount\":123456789012345678901.23,\"ratio\":\"NaN\",\"real\":0.1,\
         \"bytes\":\"AP9oaQ==\",\"text\":\"a,\\\"b\\\"\\u001b[2J\",\"at\":\"1970-01-01T00:00:00Z\",\"list\":[1.5,\"Infinity\",null]}"
    );
    assert_eq!(
        lines[1],
        "{\"id\":null,\"amount\":-0.05,\"ratio\":\"-Infinity\",\"real\":1e30,\"bytes\":null,\"text\":\"\",\
         \"at\":\"1970-01-01T00:00:01.500Z\",\"list\":null}"
    );
    let text = String::from_utf8(write(Format::Json, false, &[batch(), batch()])).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value.as_array().unwrap().len(), 4);
    assert_eq!(String::from_utf8(write(Format::Json, false, &[])).unwrap(), "[]\n");
}

#[test]
fn csv_is_postgresqls() {
    let text = String::from_utf8(write(Format::Csv, false, &[batch()])).unwrap();
    assert_eq!(
        text,
        "id,amount,ratio,real,bytes,text,at,list\n\
         9223372036854775807,123456789012345678901.23,NaN,0.1,\\x00ff6869,\"a,\"\"b\"\"\u{1b}[2J\",1970-01-01 00:00:00+00,\"{1.5,Infinity,NULL}\"\n\
         ,-0.05,-Infinity,1e+30,,\"\",1970-01-01 00:00:01.5+00,\n"
    );
    assert_eq!(
        String::from_utf8(write(Format::Csv, false, &[]))
            .unwrap()
            .lines()
            .count(),
        1
    );
}

#[test]
fn tables_align_and_cannot_steer_the_terminal() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 200]))),
        ("name", Arc::new(StringArray::from(vec![Some("grün"), None]))),
        ("danger", Arc::new(StringArray::from(vec!["\u{1b}[2J", "ok"]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let write = |expanded| {
        let mut out = Vec::new();
        let style = Style {
            format: Format::Table,
            expanded,
            session: SessionFormat::default(),
        };
        let mut writer = ResultWriter::new(&style, &batch.schema(), &mut out).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        write(false),
        "  id | name | danger\n-----+------+---------\n   1 | grün | \\x1B[2J\n 200 |      | ok\n(2 rows)\n\n"
    );
    assert_eq!(
        write(true),
        "-[ RECORD 1 ]--------------------\nid     | 1\nname   | grün\ndanger | \\x1B[2J\n\
         -[ RECORD 2 ]--------------------\nid     | 200\nname   |\ndanger | ok\n(2 rows)\n\n"
    );
}

#[test]
fn arrow_and_parquet_read_back() {
    let bytes = write(Format::Arrow, false, &[batch(), batch()]);
    let reader = arrow::ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap();
    let read: Vec<RecordBatch> = reader.map(|batch| batch.unwrap()).collect();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].column(0), batch().column(0));

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), write(Format::Parquet, false, &[batch(), batch()])).unwrap();
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file.reopen().unwrap()).unwrap();
    let read: Vec<RecordBatch> = reader.build().unwrap().map(|batch| batch.unwrap()).collect();
    assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 4);
    assert_eq!(read[0].column(1).slice(0, 2).as_ref(), batch().column(1).as_ref());
}

#[test]
fn a_file_appears_when_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    std::fs::write(&path, "old").unwrap();
    let mut target = Target::file(&path).unwrap();
    target.writer().write_all(b"new").unwrap();
    drop(target);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let mut target = Target::file(&path).unwrap();
    target.writer().write_all(b"new").unwrap();
    target.finish().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    // A full disk, played by the device that always is.
    let mut target = Target::file(std::path::Path::new("/dev/full")).unwrap();
    let failed = target
        .writer()
        .write_all(&[0; 100_000])
        .map_err(super::write_failed)
        .and_then(|()| target.finish());
    assert_eq!(failed.unwrap_err().message(), "no space is left for the output");
    assert!(Target::file(folder.path()).is_err());
}
