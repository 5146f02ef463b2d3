//! Types of Spark's SQL, and what may be done with values of each so that it means the same here and there.

use datafusion::arrow::datatypes::{DataType, TimeUnit};

/// The most digits of a decimal, here and there.
pub(super) const DECIMAL_DIGITS_MAX: u8 = 38;

/// With more digits the sign of a decimal cannot be changed there without rounding it (Java's DECIMAL128 has as many).
pub(super) const SIGNED_DIGITS_MAX: u8 = 34;

/// The type that an expression has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SparkType {
    Boolean,
    Byte,
    Short,
    Integer,
    Long,
    /// A `BIGINT` there, an unsigned number here: the rank of a row. It is never negative.
    Rank,
    Float,
    Double,
    /// Digits in all, and digits behind the point.
    Decimal(u8, u8),
    String,
    Binary,
    Date,
    /// A moment, in microseconds; the zone that it is shown in is not part of the value.
    Timestamp,
    /// A time on the wall, in microseconds.
    TimestampNtz,
    /// Anything else: it may be passed on and nothing more.
    Opaque(DataType),
}

impl SparkType {
    /// The type of a column that is `data_type` here.
    pub(crate) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Byte,
            DataType::Int16 => Self::Short,
            DataType::Int32 => Self::Integer,
            DataType::Int64 => Self::Long,
            DataType::Float32 => Self::Float,
            DataType::Float64 => Self::Double,
            DataType::Decimal128(precision, scale) => match u8::try_from(*scale) {
                Ok(scale) if scale <= *precision && *precision <= DECIMAL_DIGITS_MAX => {
                    Self::Decimal(*precision, scale)
                }
                _ => Self::Opaque(data_type.clone()),
            },
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::String,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Self::Binary,
            DataType::Date32 => Self::Date,
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Self::Timestamp,
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::TimestampNtz,
            other => Self::Opaque(other.clone()),
        }
    }

    /// Whether a column of this type holds what the plan expects of one that is `data_type`.
    pub(super) fn gives(&self, data_type: &DataType) -> bool {
        match self {
            Self::Rank => *data_type == DataType::UInt64,
            other => *other == Self::of(data_type),
        }
    }

    /// How casts spell it; `None` for what is not written.
    pub(super) fn spelling(&self) -> Option<String> {
        let word = match self {
            Self::Boolean => "BOOLEAN",
            Self::Byte => "TINYINT",
            Self::Short => "SMALLINT",
            Self::Integer => "INT",
            Self::Long | Self::Rank => "BIGINT",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::Decimal(precision, scale) => return Some(format!("DECIMAL({precision}, {scale})")),
            Self::String => "STRING",
            Self::Binary => "BINARY",
            Self::Date => "DATE",
            Self::Timestamp => "TIMESTAMP",
            Self::TimestampNtz => "TIMESTAMP_NTZ",
            Self::Opaque(_) => return None,
        };
        Some(word.to_owned())
    }

    /// Whether equal values here are equal there, whatever asks.
    ///
    /// Not floating point, of whose zeros some operators here know two.
    pub(super) fn is_equatable(&self) -> bool {
        !self.is_float() && !matches!(self, Self::Opaque(_))
    }

    /// Whether the order is the same: text and bytes by their bytes, false before true.
    pub(super) fn is_ordered(&self) -> bool {
        self.is_equatable() && !matches!(self, Self::Binary)
    }

    /// Whether rows can be grouped and joined by it.
    pub(super) fn is_key(&self) -> bool {
        self.is_equatable() || self.is_float()
    }

    /// Whether it is floating point. Operators that compare, groups and joins mean the same: NaN is equal to
    /// itself and above all else, and zero is one.
    pub(super) fn is_float(&self) -> bool {
        matches!(self, Self::Float | Self::Double)
    }

    /// Whether it is a whole number with a sign.
    pub(super) fn is_integer(&self) -> bool {
        matches!(self, Self::Byte | Self::Short | Self::Integer | Self::Long)
    }

    /// How many decimal digits a whole number of this type may have.
    pub(super) fn integer_digits(&self) -> Option<u8> {
        Some(match self {
            Self::Byte => 3,
            Self::Short => 5,
            Self::Integer => 10,
            Self::Long => 19,
            _ => return None,
        })
    }

    /// A word for reasons.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Opaque(data_type) => data_type.to_string(),
            other => other.spelling().unwrap_or_default().to_lowercase(),
        }
    }
}
