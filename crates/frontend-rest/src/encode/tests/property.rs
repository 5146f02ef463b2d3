use std::sync::Arc;

use arrow_array::*;
use arrow_ipc::reader::StreamReader;
use arrow_postgres::{CopyEncoder, CopyFormat, SessionFormat};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

#[derive(Debug, Clone)]
struct Row {
    whole: Option<i64>,
    unsigned: u64,
    decimal: Option<i64>,
    double: f64,
    single: f32,
    text: Option<String>,
    bytes: Option<Vec<u8>>,
    day: i32,
}

fn row() -> impl Strategy<Value = Row> {
    let text = prop_oneof!["[a-z ]{0,40}", any::<String>(), "[\"\\\\\n,\u{1}é]{0,14}"];
    let double = prop_oneof![
        any::<f64>(),
        any::<i32>().prop_map(f64::from),
        (-1_000_000_i64..1_000_000).prop_map(|cents| cents as f64 / 100.0)
    ];
    let numbers = (
        option::of(any::<i64>()),
        any::<u64>(),
        option::of(any::<i64>()),
        double,
        any::<f32>(),
    );
    let others = (
        option::of(text),
        option::of(vec(any::<u8>(), 0..20)),
        -700_000..2_900_000,
    );
    (numbers, others).prop_map(|((whole, unsigned, decimal, double, single), (text, bytes, day))| Row {
        whole,
        unsigned,
        decimal,
        double,
        single,
        text,
        bytes,
        day,
    })
}

fn batch_of(rows: &[Row]) -> RecordBatch {
    let texts = || rows.iter().map(|row| row.text.as_deref());
    let decimals = rows.iter().map(|row| row.decimal.map(i128::from));
    batch(vec![
        (
            "whole",
            Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.whole))),
        ),
        (
            "unsigned",
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.unsigned))),
        ),
        (
            "decimal",
            Arc::new(
                Decimal128Array::from_iter(decimals)
                    .with_precision_and_scale(20, 4)
                    .unwrap(),
            ),
        ),
        (
            "double",
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.double))),
        ),
        (
            "single",
            Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.single))),
        ),
        ("text", Arc::new(StringArray::from_iter(texts()))),
        ("view", Arc::new(StringViewArray::from_iter(texts()))),
        (
            "bytes",
            Arc::new(BinaryArray::from_iter(rows.iter().map(|row| row.bytes.as_deref()))),
        ),
        (
            "day",
            Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.day))),
        ),
    ])
}

/// A number, or a string for one, as it is written. These columns stand in front of all that hold any text.
fn raw<'a>(line: &'a str, name: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!("\"{name}\":")).unwrap();
    rest.split_once(",\"").unwrap().0
}

proptest! {
    #[test]
    fn json_reads_back(rows in vec(row(), 0..20)) {
        let lines = lines(&batch_of(&rows));
        prop_assert_eq!(lines.len(), rows.len());
        for (line, row) in lines.iter().zip(&rows) {
            let members: Value = serde_json::from_str(line).unwrap();
            let raw = |name: &str| raw(line, name);
            prop_assert_eq!(raw("whole"), row.whole.map_or("null".to_owned(), |whole| whole.to_string()));
            prop_assert_eq!(raw("unsigned"), row.unsigned.to_string());
            let decimal = row.decimal.map_or("null".to_owned(), |unscaled| {
                let magnitude = unscaled.unsigned_abs();
                let sign = if unscaled < 0 { "-" } else { "" };
                format!("{sign}{}.{:04}", magnitude / 10_000, magnitude % 10_000)
            });
            prop_assert_eq!(raw("decimal"), decimal);
            match raw("double") {
                "\"NaN\"" => prop_assert!(row.double.is_nan()),
                "\"Infinity\"" => prop_assert_eq!(row.double, f64::INFINITY),
                "\"-Infinity\"" => prop_assert_eq!(row.double, f64::NEG_INFINITY),
                text => {
                    prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), row.double.to_bits());
                    prop_assert!(text.len() <= ryu::Buffer::new().format(row.double).len());
                }
            }
            if row.single.is_finite() {
                prop_assert_eq!(raw("single").parse::<f32>().unwrap().to_bits(), row.single.to_bits());
            }
            let text = row.text.as_ref().map_or(Value::Null, |text| Value::from(text.as_str()));
            prop_assert_eq!(&members["text"], &text);
            prop_assert_eq!(&members["view"], &text);
        }
    }

    #[test]
    fn csv_is_the_text_of_copy(rows in vec(row(), 1..20)) {
        let batch = batch_of(&rows);
        let written = encode(AnswerFormat::Csv, Envelope::Resource, std::slice::from_ref(&batch), 4);
        let mut format = CopyFormat::csv();
        if let CopyFormat::Csv { header, .. } = &mut format {
            *header = true;
        }
        let copy = CopyEncoder::new(&batch.schema(), format, &SessionFormat::default());
        let mut framed = Vec::new();
        copy.header(&mut framed);
        copy.encode(&batch, 0..batch.num_rows(), &mut framed).unwrap();
        let mut expected = Vec::new();
        let mut rest = framed.as_slice();
        while let Some((_, after)) = rest.split_first() {
            let (length, after) = after.split_first_chunk::<4>().unwrap();
            let (line, after) = after.split_at(u32::from_be_bytes(*length) as usize - 4);
            expected.extend_from_slice(line);
            rest = after;
        }
        prop_assert_eq!(written, expected);
    }

    #[test]
    fn arrow_reads_back(rows in vec(row(), 1..40), step in 1_usize..50) {
        let batch = batch_of(&rows);
        let bytes = encode(AnswerFormat::Arrow, Envelope::Bare, std::slice::from_ref(&batch), step);
        let read: Vec<RecordBatch> = StreamReader::try_new(bytes.as_slice(), None)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let mut start = 0;
        for part in &read {
            let expected = batch.slice(start, part.num_rows());
            // A NaN differs from itself, so the text is compared.
            prop_assert_eq!(lines(part), lines(&expected));
            start += part.num_rows();
        }
        prop_assert_eq!(start, batch.num_rows());
    }

    #[test]
    fn one_batch_is_many(rows in vec(row(), 1..40), cut in 0_usize..40, step in 1_usize..50) {
        let batch = batch_of(&rows);
        let cut = cut.min(rows.len());
        let parts = [batch.slice(0, cut), batch.slice(cut, rows.len() - cut)];
        for format in [AnswerFormat::Json, AnswerFormat::NdJson, AnswerFormat::Csv] {
            let whole = encode(format, Envelope::Resource, std::slice::from_ref(&batch), rows.len());
            prop_assert_eq!(&encode(format, Envelope::Resource, &parts, step), &whole);
        }
    }
}

#[test]
fn a_big_batch_is_cut_into_messages_that_hold_their_own_bytes_only() {
    let texts = (0..40_000).map(|row| format!("a text that is longer than twelve bytes, number {row}"));
    let batch = batch(vec![("t", Arc::new(StringViewArray::from_iter_values(texts)))]);
    let bytes = encode(
        AnswerFormat::Arrow,
        Envelope::Bare,
        std::slice::from_ref(&batch),
        usize::MAX,
    );
    let reader = StreamReader::try_new(bytes.as_slice(), None).unwrap();
    let read: Vec<RecordBatch> = reader.collect::<Result<_, _>>().unwrap();
    assert!(read.len() > 1);
    assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 40_000);
    assert!(bytes.len() < 2 * 40_000 * (16 + 52), "{}", bytes.len());
}

/// What lies outside the answer: rows that a filter took away, values of a dictionary that no row has, values below
/// nulls, at any depth.
#[test]
fn arrow_holds_nothing_but_the_answer() {
    use arrow_array::types::Int32Type;
    use arrow_buffer::{NullBuffer, OffsetBuffer};
    use arrow_schema::DataType;

    let texts = || vec!["shown to everybody", "SECRET-SECRET-SECRET", "shown to everybody"];
    let nulls = || Some(NullBuffer::from(vec![true, false, true]));
    let views = StringViewArray::from(texts());
    let (view_values, buffers, _) = views.clone().into_parts();
    let below: ArrayRef = Arc::new(StringArray::new(
        OffsetBuffer::from_lengths(texts().iter().map(|text| text.len())),
        texts().concat().into_bytes().into(),
        nulls(),
    ));
    let keys = Int32Array::from(vec![0, 0, 0]);
    let dictionary = DictionaryArray::<Int32Type>::new(keys, Arc::new(StringArray::from(texts())));
    let field = Arc::new(Field::new("item", DataType::Utf8View, true));
    let list = ListArray::new(
        Arc::clone(&field),
        OffsetBuffer::from_lengths([1, 1, 1]),
        Arc::new(views.clone()),
        nulls(),
    );
    let member = Arc::new(Field::new("m", DataType::Utf8, true));
    let batch = batch(vec![
        ("view", Arc::new(StringViewArray::new(view_values, buffers, nulls()))),
        ("below", Arc::clone(&below)),
        ("dictionary", Arc::new(dictionary)),
        ("list", Arc::new(list)),
        (
            "struct",
            Arc::new(StructArray::new(vec![member].into(), vec![below], None)),
        ),
    ]);
    let bytes = encode(AnswerFormat::Arrow, Envelope::Bare, std::slice::from_ref(&batch), 3);
    assert!(!bytes.windows(6).any(|window| window == b"SECRET"));
    let reader = StreamReader::try_new(bytes.as_slice(), None).unwrap();
    let read: Vec<RecordBatch> = reader.collect::<Result<_, _>>().unwrap();
    assert_eq!(lines(&read[0]), lines(&batch));

    let filtered = RecordBatch::try_from_iter([("view", Arc::new(views) as ArrayRef)])
        .unwrap()
        .slice(0, 1);
    let bytes = encode(AnswerFormat::Arrow, Envelope::Bare, &[filtered], 3);
    assert!(!bytes.windows(6).any(|window| window == b"SECRET"));
}
