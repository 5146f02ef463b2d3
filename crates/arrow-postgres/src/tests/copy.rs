//! COPY in its three formats.

use arrow_array::{Int32Array, StringArray};

use super::*;
use crate::{CopyEncoder, CopyFormat, ForceQuote};

fn sample() -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("n", arrow_schema::DataType::Int32, true),
        Field::new("t,x", arrow_schema::DataType::Utf8, true),
    ]);
    let numbers = Int32Array::from(vec![Some(1), None, Some(-3), Some(4)]);
    let strings = StringArray::from(vec![Some("a\tb\\c\n\u{8}\u{c}\r\u{b}"), Some(""), None, Some("q\"x,y")]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(numbers), Arc::new(strings)]).unwrap()
}

/// The payloads of the CopyData messages.
fn payloads(batch: &RecordBatch, format: CopyFormat) -> Vec<Vec<u8>> {
    let encoder = CopyEncoder::new(&batch.schema(), format, &SessionFormat::default());
    let mut out = Vec::new();
    encoder.header(&mut out);
    encoder.encode(batch, 0..batch.num_rows(), &mut out).unwrap();
    encoder.trailer(&mut out);
    let mut payloads = Vec::new();
    let mut rest = out.as_slice();
    while !rest.is_empty() {
        assert_eq!(rest[0], b'd');
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        payloads.push(rest[5..1 + length].to_vec());
        rest = &rest[1 + length..];
    }
    payloads
}

fn lines(batch: &RecordBatch, format: CopyFormat) -> String {
    String::from_utf8(payloads(batch, format).concat()).unwrap()
}

#[test]
fn text() {
    assert_eq!(
        lines(&sample(), CopyFormat::text()),
        "1\ta\\tb\\\\c\\n\\b\\f\\r\\v\n\\N\t\n-3\t\\N\n4\tq\"x,y\n"
    );
    let format = CopyFormat::Text {
        delimiter: b',',
        null: "-".to_owned(),
        header: true,
    };
    assert_eq!(lines(&sample().slice(2, 2), format), "n,t\\,x\n-3,-\n4,q\"x\\,y\n");
}

#[test]
fn csv() {
    assert_eq!(
        lines(&sample(), CopyFormat::csv()),
        "1,\"a\tb\\c\n\u{8}\u{c}\r\u{b}\"\n,\"\"\n-3,\n4,\"q\"\"x,y\"\n"
    );
    let format = CopyFormat::Csv {
        delimiter: b';',
        null: "4".to_owned(),
        quote: b'\'',
        escape: b'\\',
        header: true,
        force_quote: ForceQuote::Columns(vec![1]),
    };
    assert_eq!(lines(&sample().slice(2, 2), format), "n;t,x\n-3;4\n'4';'q\"x,y'\n");
    let single = batch(Arc::new(StringArray::from(vec!["\\.", "x"])), "");
    assert_eq!(lines(&single, CopyFormat::csv()), "\"\\.\"\nx\n");
}

#[test]
fn binary() {
    let payloads = payloads(&sample().slice(1, 1), CopyFormat::Binary);
    assert_eq!(payloads[0], b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    assert_eq!(payloads[1], b"\0\x02\xff\xff\xff\xff\0\0\0\0");
    assert_eq!(payloads[2], b"\xff\xff");
}
