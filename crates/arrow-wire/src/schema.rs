//! A schema's head, checked before arrow-ipc converts it: that panics on every number it does not know.

use std::sync::Arc;

use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::{DateUnit, Endianness, Int, IntervalUnit, Precision, TimeUnit, Type};
use arrow_schema::SchemaRef;

use crate::fault::Fault;
use crate::limits::Limits;

/// No value of a type of fixed width is wider.
const WIDTH_MAX: i32 = 1 << 20;

const UNKNOWN: Fault = Fault::Malformed("a column has a type that does not exist");
const CHILDREN: Fault = Fault::Malformed("a column has a wrong number of columns inside");

/// The columns of a stream.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) schema: SchemaRef,
    /// Which dictionary each column with one uses, in the order in which a walk meets them.
    pub(crate) dictionaries: Vec<i64>,
}

pub(crate) fn columns(schema: arrow_ipc::Schema<'_>, limits: &Limits) -> Result<Columns, Fault> {
    if schema.endianness() != Endianness::Little {
        return Err(Fault::Unsupported("its numbers are big-endian"));
    }
    let mut walk = Walk {
        fields_left: limits.fields,
        depth_max: limits.depth,
        dictionaries: Vec::new(),
    };
    let fields = schema.fields().ok_or(Fault::Malformed("a schema has no columns"))?;
    for field in fields {
        walk.field(field, 0)?;
    }
    Ok(Columns {
        schema: Arc::new(fb_to_schema(schema)),
        dictionaries: walk.dictionaries,
    })
}

struct Walk {
    fields_left: usize,
    depth_max: usize,
    dictionaries: Vec<i64>,
}

impl Walk {
    fn field(&mut self, field: arrow_ipc::Field<'_>, depth: usize) -> Result<(), Fault> {
        let fields_left = self.fields_left.checked_sub(1);
        self.fields_left = fields_left.ok_or(Fault::TooMuch("there are too many columns"))?;
        if depth > self.depth_max {
            return Err(Fault::TooMuch("columns lie too deep in columns"));
        }
        if let Some(dictionary) = field.dictionary() {
            integer(dictionary.indexType())?;
            self.dictionaries.push(dictionary.id());
            if nested(field.type_type()) {
                return Err(Fault::Unsupported("dictionaries of nested values are not taken"));
            }
        }
        self.data_type(field, depth)
    }

    fn data_type(&mut self, field: arrow_ipc::Field<'_>, depth: usize) -> Result<(), Fault> {
        match field.type_type() {
            Type::Null
            | Type::Bool
            | Type::Binary
            | Type::LargeBinary
            | Type::BinaryView
            | Type::Utf8
            | Type::LargeUtf8
            | Type::Utf8View => Ok(()),
            Type::Int => integer(field.type_as_int()),
            Type::FloatingPoint => {
                let float = field.type_as_floating_point().ok_or(UNKNOWN)?;
                known(matches!(
                    float.precision(),
                    Precision::HALF | Precision::SINGLE | Precision::DOUBLE
                ))
            }
            Type::Decimal => {
                let decimal = field.type_as_decimal().ok_or(UNKNOWN)?;
                let digits_max = match decimal.bitWidth() {
                    32 => 9,
                    64 => 18,
                    128 => 38,
                    256 => 76,
                    _ => return Err(UNKNOWN),
                };
                let (digits, scale) = (decimal.precision(), decimal.scale());
                known((1..=digits_max).contains(&digits) && (-digits_max..=digits).contains(&scale))
            }
            Type::Date => {
                let date = field.type_as_date().ok_or(UNKNOWN)?;
                known(matches!(date.unit(), DateUnit::DAY | DateUnit::MILLISECOND))
            }
            Type::Time => {
                let time = field.type_as_time().ok_or(UNKNOWN)?;
                known(matches!(
                    (time.bitWidth(), time.unit()),
                    (32, TimeUnit::SECOND | TimeUnit::MILLISECOND) | (64, TimeUnit::MICROSECOND | TimeUnit::NANOSECOND)
                ))
            }
            Type::Timestamp => unit(field.type_as_timestamp().ok_or(UNKNOWN)?.unit()),
            Type::Duration => unit(field.type_as_duration().ok_or(UNKNOWN)?.unit()),
            Type::Interval => {
                let interval = field.type_as_interval().ok_or(UNKNOWN)?;
                known(matches!(
                    interval.unit(),
                    IntervalUnit::YEAR_MONTH | IntervalUnit::DAY_TIME | IntervalUnit::MONTH_DAY_NANO
                ))
            }
            Type::FixedSizeBinary => {
                let width = field.type_as_fixed_size_binary().ok_or(UNKNOWN)?.byteWidth();
                known((1..=WIDTH_MAX).contains(&width))
            }
            Type::List | Type::LargeList => self.children(field, Some(1), depth),
            Type::FixedSizeList => {
                let size = field.type_as_fixed_size_list().ok_or(UNKNOWN)?.listSize();
                known((0..=WIDTH_MAX).contains(&size))?;
                self.children(field, Some(1), depth)
            }
            Type::Map => {
                field.type_as_map().ok_or(UNKNOWN)?;
                let entries = field.children().and_then(|children| children.iter().next());
                let entries = entries.ok_or(CHILDREN)?;
                let pairs = entries.type_type() == Type::Struct_
                    && entries.dictionary().is_none()
                    && entries.children().is_some_and(|children| children.len() == 2);
                if !pairs {
                    return Err(CHILDREN);
                }
                self.children(field, Some(1), depth)
            }
            Type::Struct_ => self.children(field, None, depth),
            Type::Union | Type::RunEndEncoded | Type::ListView | Type::LargeListView => {
                Err(Fault::Unsupported("a column has a type that is not taken"))
            }
            _ => Err(UNKNOWN),
        }
    }

    fn children(&mut self, field: arrow_ipc::Field<'_>, count: Option<usize>, depth: usize) -> Result<(), Fault> {
        let children = field.children();
        if count.is_some_and(|count| children.is_none_or(|children| children.len() != count)) {
            return Err(CHILDREN);
        }
        for child in children.into_iter().flatten() {
            self.field(child, depth + 1)?;
        }
        Ok(())
    }
}

fn known(is: bool) -> Result<(), Fault> {
    if is { Ok(()) } else { Err(UNKNOWN) }
}

fn integer(integer: Option<Int<'_>>) -> Result<(), Fault> {
    known(matches!(integer.ok_or(UNKNOWN)?.bitWidth(), 8 | 16 | 32 | 64))
}

fn unit(unit: TimeUnit) -> Result<(), Fault> {
    known(matches!(
        unit,
        TimeUnit::SECOND | TimeUnit::MILLISECOND | TimeUnit::MICROSECOND | TimeUnit::NANOSECOND
    ))
}

fn nested(of: Type) -> bool {
    matches!(
        of,
        Type::List | Type::LargeList | Type::FixedSizeList | Type::Map | Type::Struct_ | Type::Null
    )
}
