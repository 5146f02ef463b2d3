//! The type map, overrides, and binary values.

use arrow_array::types::UInt32Type;
use arrow_array::*;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use super::*;
use crate::{PgType, arrow_type, oid, pg_type, type_name};

fn declared(data_type: DataType, name: &str) -> PgType {
    let metadata = [(PG_TYPE_METADATA.to_owned(), name.to_owned())].into();
    pg_type(&Field::new("c", data_type, true).with_metadata(metadata))
}

fn natural(data_type: DataType) -> (u32, i16, i32) {
    let found = pg_type(&Field::new("c", data_type, true));
    (found.oid, found.size, found.modifier)
}

#[test]
fn natural_types() {
    let list = |item: DataType| DataType::List(Arc::new(Field::new("item", item, true)));
    assert_eq!(natural(DataType::UInt8), (oid::INT2, 2, -1));
    assert_eq!(natural(DataType::UInt32), (oid::INT8, 8, -1));
    assert_eq!(natural(DataType::UInt64), (oid::NUMERIC, -1, -1));
    assert_eq!(
        natural(DataType::Decimal128(15, 2)),
        (oid::NUMERIC, -1, ((15 << 16) | 2) + 4)
    );
    assert_eq!(
        natural(list(DataType::Decimal128(15, 2))),
        (oid::NUMERIC_ARRAY, -1, ((15 << 16) | 2) + 4)
    );
    assert_eq!(natural(DataType::Null), (oid::TEXT, -1, -1));
    assert_eq!(
        natural(DataType::Interval(IntervalUnit::DayTime)),
        (oid::INTERVAL, 16, -1)
    );
    assert_eq!(
        natural(DataType::Timestamp(TimeUnit::Nanosecond, Some("+01:00".into()))).0,
        oid::TIMESTAMPTZ
    );
    assert_eq!(natural(list(DataType::Utf8View)).0, oid::TEXT_ARRAY);
    assert_eq!(natural(list(list(DataType::Int32))).0, oid::JSONB);
    let inner = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Int32, true)), 2);
    assert_eq!(
        natural(DataType::List(Arc::new(Field::new("item", inner, false)))).0,
        oid::INT4_ARRAY
    );
    assert_eq!(
        natural(list(DataType::Struct(Vec::<Field>::new().into()))).0,
        oid::JSONB
    );
    let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Date32));
    assert_eq!(natural(dictionary).0, oid::DATE);
}

#[test]
fn overrides() {
    assert_eq!(
        declared(DataType::UInt32, "oid"),
        PgType {
            oid: 26,
            size: 4,
            modifier: -1
        }
    );
    assert_eq!(
        declared(DataType::Utf8, "name"),
        PgType {
            oid: 19,
            size: 64,
            modifier: -1
        }
    );
    assert_eq!(declared(DataType::Utf8, "\"char\"").oid, oid::CHAR);
    assert_eq!(declared(DataType::Utf8, "_aclitem").oid, oid::ACLITEM_ARRAY);
    let list = DataType::List(Arc::new(Field::new("item", DataType::UInt32, true)));
    assert_eq!(declared(list.clone(), "oidvector").oid, oid::OIDVECTOR);
    assert_eq!(declared(list, "_oid").oid, oid::OID_ARRAY);
    assert_eq!(
        declared(DataType::Date32, "oid").oid,
        oid::DATE,
        "a name the type cannot carry is ignored"
    );
    assert_eq!(declared(DataType::Date32, "nonsense").oid, oid::DATE);
}

#[test]
fn names() {
    assert_eq!(type_name(oid::INT4), "integer");
    assert_eq!(type_name(oid::TIMESTAMPTZ_ARRAY), "timestamp with time zone[]");
    assert_eq!(type_name(987_654), "unknown");
    assert_eq!(type_name(0), "unknown");
}

#[test]
fn arrow_types_have_the_same_twin() {
    for facts in oid::TYPES {
        let Some(data_type) = arrow_type(facts.oid) else {
            continue;
        };
        assert_eq!(declared(data_type, facts.name).oid, facts.oid, "{}", facts.name);
        if facts.array != 0 {
            let list = arrow_type(facts.array).unwrap();
            assert_eq!(
                declared(list, &format!("_{}", facts.name)).oid,
                facts.array,
                "{}",
                facts.name
            );
        }
    }
}

#[test]
fn binary_values() {
    assert_eq!(binaries_as(Int32Array::from(vec![-2]), ""), ["fffffffe"]);
    assert_eq!(binaries_as(UInt32Array::from(vec![16]), "oid"), ["00000010"]);
    assert_eq!(binaries_as(UInt32Array::from(vec![16]), ""), ["0000000000000010"]);
    assert_eq!(binaries_as(Int64Array::from(vec![16]), "int2"), ["0010"]);
    assert_eq!(binaries_as(BooleanArray::from(vec![true]), ""), ["01"]);
    assert_eq!(binaries_as(Float64Array::from(vec![1.5]), ""), ["3ff8000000000000"]);
    assert_eq!(binaries_as(Date32Array::from(vec![10_957]), ""), ["00000000"]);
    assert_eq!(
        binaries_as(TimestampSecondArray::from(vec![946_684_801]), ""),
        ["00000000000f4240"]
    );
    assert_eq!(
        binaries_as(IntervalYearMonthArray::from(vec![3]), ""),
        ["00000000000000000000000000000003"]
    );
    assert_eq!(binaries_as(StringArray::from(vec!["r"]), "char"), ["72"]);
    assert_eq!(
        binaries_as(StringArray::from(vec!["1.5", "-0"]), "numeric")[0],
        "00020000000000010001".to_owned() + "1388"
    );
    assert_eq!(binaries_as(StringArray::from(vec!["{1,2}"]), "_int4").len(), 1);
    assert_eq!(binaries_as(StringArray::from(vec!["{}"]), "jsonb"), ["017b7d"]);
    let text_uuid = StringArray::from(vec!["000102030405-0607-0809-0a0b0c0d0e0f"]);
    assert_eq!(binaries_as(text_uuid, "uuid"), ["000102030405060708090a0b0c0d0e0f"]);
    let vector = ListArray::from_iter_primitive::<UInt32Type, _, _>([Some(vec![Some(7)])]);
    assert_eq!(
        binaries_as(vector, "oidvector"),
        ["00000001000000000000001a00000001000000000000000400000007"]
    );
}

#[test]
fn binary_numerics() {
    let decimal = |value: i128, scale| {
        Decimal128Array::from(vec![value])
            .with_precision_and_scale(38, scale)
            .unwrap()
    };
    assert_eq!(binaries_as(decimal(0, 2), ""), ["0000000000000002"]);
    assert_eq!(binaries_as(decimal(12345, 2), ""), ["0002000000000002007b1194"]);
    assert_eq!(binaries_as(decimal(-1, 5), ""), ["0001fffe4000000503e8"]);
    assert_eq!(binaries_as(decimal(10_000, 0), ""), ["00010001000000000001"]);
    assert_eq!(binaries_as(decimal(12, -3), ""), ["0002000100000000000107d0"]);
}

#[test]
fn another_batch_than_declared() {
    let declared = batch(Arc::new(Int32Array::from(vec![1])), "");
    let encoder = RowEncoder::new(&declared.schema(), &[], &SessionFormat::default());
    let views = batch(Arc::new(Date32Array::from(vec![1])), "");
    assert_eq!(
        encoder
            .encode_data_rows(&views, 0..1, &mut Vec::new())
            .unwrap_err()
            .sqlstate,
        "XX000"
    );
}
