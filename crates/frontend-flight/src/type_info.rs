//! The types that a client may name (CommandGetXdbcTypeInfo).

use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode};
use contract::{Error, Result};

/// The types, made once.
///
/// # Errors
/// `Internal` if they do not fit their table.
pub(crate) fn type_info() -> Result<XdbcTypeInfoData> {
    let mut types = XdbcTypeInfoDataBuilder::new();
    for (name, data_type, size) in [
        ("boolean", XdbcDataType::XdbcBit, 1),
        ("smallint", XdbcDataType::XdbcSmallint, 5),
        ("integer", XdbcDataType::XdbcInteger, 10),
        ("bigint", XdbcDataType::XdbcBigint, 19),
        ("real", XdbcDataType::XdbcReal, 7),
        ("double precision", XdbcDataType::XdbcDouble, 15),
        ("numeric", XdbcDataType::XdbcNumeric, 38),
    ] {
        types.append(XdbcTypeInfo {
            unsigned_attribute: Some(false),
            auto_increment: Some(false),
            num_prec_radix: Some(10),
            create_params: (name == "numeric").then(|| vec!["precision".to_owned(), "scale".to_owned()]),
            minimum_scale: Some(0),
            maximum_scale: Some(if name == "numeric" { 38 } else { 0 }),
            ..described(name, data_type, size)
        });
    }
    for (name, data_type) in [
        ("text", XdbcDataType::XdbcVarchar),
        ("varchar", XdbcDataType::XdbcVarchar),
        ("bytea", XdbcDataType::XdbcVarbinary),
    ] {
        types.append(XdbcTypeInfo {
            literal_prefix: Some("'".to_owned()),
            literal_suffix: Some("'".to_owned()),
            case_sensitive: true,
            ..described(name, data_type, i32::MAX)
        });
    }
    // 1 stands for dates in ODBC, whatever the enumeration calls it.
    for (name, data_type, subcode, size) in [
        ("date", XdbcDataType::XdbcDate, XdbcDatetimeSubcode::XdbcSubcodeYear, 10),
        ("time", XdbcDataType::XdbcTime, XdbcDatetimeSubcode::XdbcSubcodeTime, 15),
        (
            "timestamp",
            XdbcDataType::XdbcTimestamp,
            XdbcDatetimeSubcode::XdbcSubcodeTimestamp,
            29,
        ),
        (
            "timestamptz",
            XdbcDataType::XdbcTimestamp,
            XdbcDatetimeSubcode::XdbcSubcodeTimestampWithTimezone,
            35,
        ),
    ] {
        types.append(XdbcTypeInfo {
            literal_prefix: Some("'".to_owned()),
            literal_suffix: Some("'".to_owned()),
            sql_data_type: XdbcDataType::XdbcDatetime,
            datetime_subcode: Some(subcode),
            ..described(name, data_type, size)
        });
    }
    types
        .build()
        .map_err(|error| Error::internal(format!("the table of types: {error}")))
}

fn described(name: &str, data_type: XdbcDataType, size: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.to_owned(),
        local_type_name: Some(name.to_owned()),
        data_type,
        sql_data_type: data_type,
        column_size: Some(size),
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Full,
        ..XdbcTypeInfo::default()
    }
}
