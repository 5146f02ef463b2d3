use contract::ErrorKind;

use super::AnswerFormat;

#[test]
fn the_accept_header_chooses_the_format() {
    let asked = |accept: &str| AnswerFormat::from_accept(Some(accept)).unwrap();
    assert_eq!(AnswerFormat::from_accept(None).unwrap(), AnswerFormat::Json);
    assert_eq!(asked(""), AnswerFormat::Json);
    assert_eq!(asked("*/*"), AnswerFormat::Json);
    assert_eq!(asked("text/html, */*;q=0.1"), AnswerFormat::Json);
    assert_eq!(asked("text/csv"), AnswerFormat::Csv);
    assert_eq!(asked("TEXT/CSV; header=present"), AnswerFormat::Csv);
    assert_eq!(asked("text/*"), AnswerFormat::Csv);
    assert_eq!(asked("application/*"), AnswerFormat::Json);
    for alias in ["application/x-ndjson", "application/ndjson", "application/jsonl"] {
        assert_eq!(asked(alias), AnswerFormat::NdJson);
    }
    assert_eq!(
        asked("application/json;q=0.5, application/vnd.apache.arrow.stream"),
        AnswerFormat::Arrow
    );
    assert_eq!(asked("application/json; q=0.5 , text/csv; q=0.501"), AnswerFormat::Csv);
    // The closest range counts, not the heaviest.
    assert_eq!(asked("*/*, application/json;q=0"), AnswerFormat::NdJson);
    assert_eq!(
        asked("application/*;q=0.2, text/csv;q=0.3, application/json;q=0.1"),
        AnswerFormat::Csv
    );
}

#[test]
fn what_cannot_be_written_is_refused() {
    for accept in ["text/html", "application/xml;q=0.9", "application/json;q=0", "*/*;q=0"] {
        let error = AnswerFormat::from_accept(Some(accept)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{accept}");
    }
}
