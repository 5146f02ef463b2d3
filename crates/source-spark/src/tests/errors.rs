use contract::{DataException, ErrorKind};
use spark_connect_proto::FetchErrorDetailsResponse;
use spark_connect_proto::fetch_error_details_response::{Error as Cause, SparkThrowable};
use tonic::{Code, Status};

use super::script::{retry_later, sail_error, spark_error};
use crate::error::{Fate, Refusal};

fn fate(status: &Status) -> Fate {
    Refusal::of(status).fate()
}

fn of_class(class: &str) -> Status {
    spark_error(class, "XXKD0", "words")
}

#[test]
fn refusals_of_calls_have_a_fate() {
    for (class, expected) in [
        ("INVALID_HANDLE.SESSION_CHANGED", Fate::SessionLost),
        ("INVALID_HANDLE.SESSION_NOT_FOUND", Fate::SessionLost),
        ("INVALID_HANDLE.SESSION_CLOSED", Fate::SessionLost),
        ("INVALID_HANDLE.OPERATION_NOT_FOUND", Fate::OperationGone),
        ("INVALID_HANDLE.OPERATION_ALREADY_EXISTS", Fate::OperationExists),
        ("INVALID_CURSOR.DISCONNECTED", Fate::Detached),
        ("DIVIDE_BY_ZERO", Fate::Final),
    ] {
        assert_eq!(fate(&of_class(class)), expected, "{class}");
        // Older servers say it in the message only.
        let plain = Status::internal(format!("org.apache.spark.SparkSQLException: [{class}] words"));
        assert_eq!(fate(&plain), expected, "{class}");
    }
    for text in [
        "invalid argument: operation not found: 7",
        "internal error: task context not found for operation",
    ] {
        assert_eq!(
            fate(&sail_error("java.lang.IllegalArgumentException", text)),
            Fate::OperationGone
        );
    }
    assert_eq!(fate(&Status::unavailable("x")), Fate::Again(None));
    assert_eq!(fate(&Status::deadline_exceeded("x")), Fate::Detached);
    assert_eq!(
        fate(&Status::internal("the value '[INVALID_CURSOR.DISCONNECTED]'")),
        Fate::Final
    );
    assert_eq!(
        fate(&retry_later(20)),
        Fate::Again(Some(std::time::Duration::from_millis(20)))
    );
}

#[test]
fn faults_of_values_are_ours_without_the_value() {
    use DataException::{
        DatetimeFieldOverflow, DivisionByZero, InvalidTextRepresentation, NumericValueOutOfRange, Other,
    };
    for (class, state, expected) in [
        ("ARITHMETIC_OVERFLOW", "22003", NumericValueOutOfRange),
        ("CAST_OVERFLOW", "22003", NumericValueOutOfRange),
        (
            "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
            "22003",
            NumericValueOutOfRange,
        ),
        ("BINARY_ARITHMETIC_OVERFLOW", "22003", NumericValueOutOfRange),
        ("DIVIDE_BY_ZERO", "22012", DivisionByZero),
        ("REMAINDER_BY_ZERO", "22012", DivisionByZero),
        ("CAST_INVALID_INPUT", "22018", InvalidTextRepresentation),
        ("DATETIME_OVERFLOW", "22008", DatetimeFieldOverflow),
        ("SOMETHING_NEW", "22012", DivisionByZero),
        ("SOMETHING_NEWER", "22099", Other),
    ] {
        let status = spark_error(class, state, "the value 'secret' is wrong");
        let error = Refusal::of(&status).into_error("spark");
        assert_eq!(error.kind(), ErrorKind::DataException(expected), "{class}");
        let shown = format!("{error} {:?} {:?}", error.detail(), error.hint());
        assert!(!shown.contains("secret"), "{shown}");
    }
    for (reason, text, expected) in [
        ("java.lang.ArithmeticException", "divide by zero", DivisionByZero),
        (
            "java.lang.NumberFormatException",
            "Cannot cast string 'secret' to value of Int32 type",
            InvalidTextRepresentation,
        ),
    ] {
        let error = Refusal::of(&sail_error(reason, text)).into_error("sail");
        assert_eq!(error.kind(), ErrorKind::DataException(expected));
        assert!(!format!("{error} {:?}", error.detail()).contains("secret"));
    }
}

#[test]
fn other_refusals_show_class_and_first_line() {
    let text = "The table or view `a`.`b` cannot be found. SQLSTATE: 42P01; line 1 pos 14;\n'Project [*]\n+- 'x";
    let error = Refusal::of(&spark_error("TABLE_OR_VIEW_NOT_FOUND", "42P01", text)).into_error("spark");
    assert_eq!(error.kind(), ErrorKind::SourceRejected);
    let expected = "service \"spark\" refused the statement: [TABLE_OR_VIEW_NOT_FOUND] The table or view `a`.`b` cannot \
                    be found. SQLSTATE: 42P01; line 1 pos 14;";
    assert_eq!(error.message(), expected);

    let long = spark_error("A_CLASS", "XXKD0", &"words ".repeat(1000));
    assert!(Refusal::of(&long).into_error("spark").message().len() < 600);

    for (status, kind, word) in [
        (
            Status::unauthenticated("token abc"),
            ErrorKind::SourceRejected,
            "credentials",
        ),
        (Status::permission_denied("no"), ErrorKind::SourceRejected, "refused"),
        (Status::resource_exhausted("no"), ErrorKind::SourceThrottled, "no room"),
        (Status::out_of_range("no"), ErrorKind::LimitExceeded, "too long"),
        (
            Status::unavailable("tcp"),
            ErrorKind::SourceUnavailable,
            "does not answer",
        ),
        (of_class("OPERATION_CANCELED"), ErrorKind::Canceled, "canceled"),
        (
            of_class("SCALAR_SUBQUERY_TOO_MANY_ROWS"),
            ErrorKind::Cardinality,
            "more than one row",
        ),
    ] {
        let error = Refusal::of(&status).into_error("spark");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(word), "{error}");
        assert!(!error.message().contains("abc"), "{error}");
    }
}

#[test]
fn details_that_are_no_details_say_nothing() {
    for bytes in [vec![], vec![255; 40], vec![26, 127, 1]] {
        let status = Status::with_details(Code::Internal, "words", bytes.into());
        assert_eq!(fate(&status), Fate::Final);
    }
}

#[test]
fn the_rest_of_a_cut_error_is_asked_for() {
    let mut refusal = Refusal::of(&spark_error("A_CLASS", "XXKD0", "the beginning..."));
    assert_eq!(refusal.cut_error_id(), Some("e1"));
    refusal.complete(FetchErrorDetailsResponse {
        root_error_idx: Some(0),
        errors: vec![Cause {
            message: "the whole\nof it".to_owned(),
            spark_throwable: Some(SparkThrowable {
                error_class: Some("B_CLASS".to_owned()),
                ..Default::default()
            }),
            ..Default::default()
        }],
        ..Default::default()
    });
    let error = refusal.into_error("spark");
    assert_eq!(
        error.message(),
        "service \"spark\" refused the statement: [B_CLASS] the whole"
    );
    assert_eq!(Refusal::of(&of_class("A_CLASS")).cut_error_id(), None);
}

#[test]
fn what_a_task_raised_counts() {
    let cause = |message: &str, class: Option<&str>, next| Cause {
        message: message.to_owned(),
        cause_idx: next,
        spark_throwable: class.map(|class| SparkThrowable {
            error_class: Some(class.to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let details = |errors| FetchErrorDetailsResponse {
        root_error_idx: Some(1),
        errors,
        ..Default::default()
    };
    let mut refusal = Refusal::of(&Status::internal("Exception thrown in awaitResult:"));
    refusal.complete(details(vec![
        cause("overflow", Some("ARITHMETIC_OVERFLOW"), None),
        cause("Exception thrown in awaitResult:", None, Some(0)),
    ]));
    let kind = refusal.into_error("spark").kind();
    assert_eq!(kind, ErrorKind::DataException(DataException::NumericValueOutOfRange));
    // Causes that go round end.
    let mut refusal = Refusal::of(&Status::internal("x"));
    refusal.complete(details(vec![cause("a", None, Some(1)), cause("b", None, Some(0))]));
    assert_eq!(refusal.into_error("spark").kind(), ErrorKind::SourceRejected);
}
