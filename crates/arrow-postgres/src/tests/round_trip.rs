//! Properties: what is encoded decodes to the same value, and how a batch is cut does not show.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::{IntervalMonthDayNano, i256};
use proptest::prelude::*;

use super::*;
use crate::calendar::{DAYS_MAX, DAYS_MIN, MICROS_MIN, civil_from_days, days_from_civil};
use crate::{decode_parameter, oid};

/// Encodes a one-row array in both formats and decodes it as `oid`.
fn there_and_back(array: ArrayRef, oid: u32) -> [ArrayRef; 2] {
    let name = match oid::element(oid) {
        Some(facts) => format!("_{}", facts.name),
        None => oid::scalar(oid).unwrap().name.to_owned(),
    };
    let batch = batch(array, &name);
    [Format::Text, Format::Binary].map(|format| {
        let bytes = encode(&batch, format, &SessionFormat::default()).unwrap();
        let field = fields(&bytes).remove(0);
        decode_parameter(oid, format, field.as_deref()).unwrap().array
    })
}

macro_rules! same {
    ($array:expr, $oid:expr) => {
        let array: ArrayRef = Arc::new($array);
        for back in there_and_back(array.clone(), $oid) {
            prop_assert_eq!(back.as_ref(), array.as_ref());
        }
    };
}

proptest! {
    #[test]
    fn numbers(a in any::<Option<i16>>(), b in any::<i32>(), c in any::<i64>(), d in any::<u32>(), e in any::<bool>()) {
        same!(Int16Array::from(vec![a]), oid::INT2);
        same!(Int32Array::from(vec![b]), oid::INT4);
        same!(Int64Array::from(vec![c]), oid::INT8);
        same!(UInt32Array::from(vec![d]), oid::OID);
        same!(BooleanArray::from(vec![e]), oid::BOOL);
    }

    #[test]
    fn floats(single in any::<u32>(), double in any::<u64>(), whole in any::<i64>(), shift in 0..64) {
        for double in [f64::from_bits(double), (whole >> shift) as f64] {
            for back in there_and_back(Arc::new(Float64Array::from(vec![double])), oid::FLOAT8) {
                let back = back.as_primitive::<Float64Type>().value(0);
                prop_assert!(back.to_bits() == double.to_bits() || (back.is_nan() && double.is_nan()));
            }
        }
        let single = f32::from_bits(single);
        for back in there_and_back(Arc::new(Float32Array::from(vec![single])), oid::FLOAT4) {
            let back = back.as_primitive::<Float32Type>().value(0);
            prop_assert!(back.to_bits() == single.to_bits() || (back.is_nan() && single.is_nan()));
        }
    }

    #[test]
    fn decimals(value in any::<i128>(), shift in 0..127, scale in 0_i8..=38) {
        let value = (value >> shift) % 10_i128.pow(38);
        let array = Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale).unwrap();
        for back in there_and_back(Arc::new(array), oid::NUMERIC) {
            let back = back.as_primitive::<Decimal128Type>();
            prop_assert_eq!(back.scale(), scale);
            prop_assert_eq!(back.value(0), value);
        }
        let wide = i256::from_i128(value).wrapping_mul(i256::from_i128(10_i128.pow(37)));
        let array = Decimal256Array::from(vec![wide]).with_precision_and_scale(76, scale).unwrap();
        for back in there_and_back(Arc::new(array), oid::NUMERIC) {
            let shown = texts_as(back.slice(0, 1).as_primitive_opt::<Decimal256Type>().cloned()
                .map_or_else(|| back.clone(), |array| Arc::new(array) as ArrayRef), "");
            prop_assert_eq!(shown, texts(Decimal256Array::from(vec![wide]).with_precision_and_scale(76, scale).unwrap()));
        }
    }

    #[test]
    fn texts_and_bytes(text in "[^\0]*", bytes in any::<Option<Vec<u8>>>()) {
        same!(StringArray::from(vec![text]), oid::TEXT);
        same!(BinaryArray::from(vec![bytes.as_deref()]), oid::BYTEA);
    }

    #[test]
    fn times(day in DAYS_MIN..=DAYS_MAX, time in 0_i64..=86_400_000_000, instant in MICROS_MIN..i64::MAX) {
        same!(Date32Array::from(vec![day as i32]), oid::DATE);
        same!(Time64MicrosecondArray::from(vec![time]), oid::TIME);
        same!(TimestampMicrosecondArray::from(vec![instant]), oid::TIMESTAMP);
        same!(TimestampMicrosecondArray::from(vec![instant]).with_timezone("UTC"), oid::TIMESTAMPTZ);
        let date = civil_from_days(day);
        prop_assert_eq!(days_from_civil(date.year.into(), date.month, date.day), day);
    }

    #[test]
    fn intervals(months in any::<i32>(), days in any::<i32>(), micros in -9_000_000_000_000_000_i64..9_000_000_000_000_000) {
        same!(IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano { months, days, nanoseconds: micros * 1000 }]), oid::INTERVAL);
    }

    #[test]
    fn lists(texts in proptest::collection::vec(any::<Option<String>>(), 0..8), numbers in proptest::collection::vec(any::<Option<i64>>(), 0..8)) {
        let texts: Vec<_> = texts.into_iter().map(|text| text.map(|text| text.replace('\0', ""))).collect();
        let mut builder = arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new());
        builder.append_value(texts);
        same!(builder.finish(), oid::TEXT_ARRAY);
        same!(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(numbers)]), oid::INT8_ARRAY);
    }

    #[test]
    fn decoding_never_panics(oid in 0_usize..80, array in any::<bool>(), bytes in any::<Vec<u8>>(), text in "[-+0-9a-zT:. {},\"\\\\/]*") {
        let facts = &oid::TYPES[oid % oid::TYPES.len()];
        let oid = if array { facts.array } else { facts.oid };
        let _ = decode_parameter(oid, Format::Binary, Some(&bytes));
        let _ = decode_parameter(oid, Format::Text, Some(&bytes));
        let _ = decode_parameter(oid, Format::Text, Some(text.as_bytes()));
    }

    #[test]
    fn slices_encode_as_the_whole(rows in proptest::collection::vec(any::<(Option<i32>, Option<String>, Option<bool>, Option<i64>, Option<Vec<Option<i32>>>)>(), 1..40), cut in 1_usize..7) {
        let column = |index: usize| -> ArrayRef {
            match index {
                0 => Arc::new(rows.iter().map(|row| row.0).collect::<Int32Array>()),
                1 => Arc::new(rows.iter().map(|row| row.1.as_deref()).collect::<StringArray>()),
                2 => Arc::new(rows.iter().map(|row| row.1.as_deref()).collect::<StringViewArray>()),
                3 => Arc::new(rows.iter().map(|row| row.2).collect::<BooleanArray>()),
                4 => Arc::new(rows.iter().map(|row| row.3).collect::<Int64Array>()),
                5 => Arc::new(rows.iter().map(|row| row.1.as_deref()).collect::<DictionaryArray<Int16Type>>()),
                6 => Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows.iter().map(|row| row.4.clone()))),
                _ => Arc::new(StructArray::from(vec![
                    (Arc::new(Field::new("a", arrow_schema::DataType::Int32, true)), Arc::new(rows.iter().map(|row| row.0).collect::<Int32Array>()) as ArrayRef),
                ])),
            }
        };
        let columns: Vec<ArrayRef> = (0..8).map(column).collect();
        let schema = Schema::new(columns.iter().map(|array| Field::new("c", array.data_type().clone(), true)).collect::<Vec<_>>());
        let whole = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        for format in [Format::Text, Format::Binary] {
            let encoder = RowEncoder::new(&whole.schema(), &[format; 8], &SessionFormat::default());
            let mut at_once = Vec::new();
            encoder.encode_data_rows(&whole, 0..whole.num_rows(), &mut at_once).unwrap();
            let (mut by_slice, mut by_range) = (Vec::new(), Vec::new());
            for start in (0..whole.num_rows()).step_by(cut) {
                let length = cut.min(whole.num_rows() - start);
                encoder.encode_data_rows(&whole.slice(start, length), 0..length, &mut by_slice).unwrap();
                encoder.encode_data_rows(&whole, start..start + length, &mut by_range).unwrap();
            }
            prop_assert_eq!(&at_once, &by_slice);
            prop_assert_eq!(&at_once, &by_range);
        }
    }
}
