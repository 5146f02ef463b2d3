//! Scalar functions over one row's values: declared by parameter kinds and a closure.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, ListBuilder, StringBuilder, UInt32Builder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::arrow::compute::cast;
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::catalog::PG_TYPE_METADATA;

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// Anything that can be cast to text.
    Text,
    /// Anything that can be cast to an integer.
    Integer,
    /// Anything that can be cast to a floating-point number.
    Float,
    /// Anything that can be cast to a Boolean.
    Boolean,
    /// An array, of text elements for the function.
    TextList,
    /// An OID or the name of an object, as it comes.
    Object,
    /// Anything: the function sees it as text, with JSON and type questions answered by the field.
    Any,
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Give {
    Text,
    Name,
    Boolean,
    Int4,
    Int8,
    Float8,
    Oid,
    Json,
    Jsonb,
    Uuid,
    Void,
    RegClass,
    RegType,
    RegProc,
    RegNamespace,
    RegRole,
    TextList,
    NameList,
    Int4List,
}

/// A value of one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    TextList(Vec<Option<String>>),
}

impl Value {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn oid(&self) -> Option<u32> {
        self.integer().and_then(|number| u32::try_from(number).ok())
    }

    pub(crate) fn float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(i64::from(number))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

type Body = dyn Fn(&[Value], &[FieldRef]) -> Result<Value> + Send + Sync;

/// A function's declaration.
pub(crate) struct Declared {
    name: String,
    required: Vec<Take>,
    optional: Vec<Take>,
    /// Any number more, of this kind.
    variadic: Option<Take>,
    give: Give,
    /// NULL in, NULL out.
    strict: bool,
    /// What makes functions of one name differ: the address of the session's facts.
    session: usize,
    signature: Signature,
    body: Arc<Body>,
}

impl Declared {
    pub(crate) fn new(
        name: &str,
        required: &[Take],
        give: Give,
        body: impl Fn(&[Value], &[FieldRef]) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            required: required.to_vec(),
            optional: Vec::new(),
            variadic: None,
            give,
            strict: true,
            session: 0,
            signature: Signature::user_defined(Volatility::Stable),
            body: Arc::new(body),
        }
    }

    pub(crate) fn optional(mut self, optional: &[Take]) -> Self {
        self.optional = optional.to_vec();
        self
    }

    pub(crate) fn variadic(mut self, take: Take) -> Self {
        self.variadic = Some(take);
        self
    }

    /// NULL arguments reach the body.
    pub(crate) fn called_on_null(mut self) -> Self {
        self.strict = false;
        self
    }

    pub(crate) fn immutable(mut self) -> Self {
        self.signature = Signature::user_defined(Volatility::Immutable);
        self
    }

    pub(crate) fn volatile(mut self) -> Self {
        self.signature = Signature::user_defined(Volatility::Volatile);
        self
    }

    pub(crate) fn of_session(mut self, session: usize) -> Self {
        self.session = session;
        self
    }

    pub(crate) fn build(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(self))
    }

    fn take(&self, at: usize) -> Option<Take> {
        let rest = at.checked_sub(self.required.len());
        match rest {
            None => self.required.get(at).copied(),
            Some(rest) => self.optional.get(rest).copied().or(self.variadic),
        }
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declared")
            .field("name", &self.name)
            .field("give", &self.give)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Declared {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.session == other.session
    }
}

impl Eq for Declared {}

impl Hash for Declared {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, self.session).hash(state);
    }
}

impl ScalarUDFImpl for Declared {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.give.data_type())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(self.give.field(&self.name)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let at_most = self.required.len() + self.optional.len();
        if types.len() < self.required.len() || self.variadic.is_none() && types.len() > at_most {
            return plan_err!("No function matches the given name and argument types '{}'", self.name);
        }
        let coerced = types.iter().enumerate().map(|(at, given)| {
            let take = self.take(at).unwrap_or(Take::Any);
            // A fraction is not cut off silently.
            if take == Take::Integer && (given.is_floating() || given.is_decimal()) {
                return plan_err!("No function matches the given name and argument types '{}'", self.name);
            }
            Ok(take.coerced(given))
        });
        coerced.collect()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)))
            && self.signature.volatility != Volatility::Volatile;
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args
            .args
            .iter()
            .enumerate()
            .map(|(at, arg)| {
                let array = match arg {
                    ColumnarValue::Array(array) => Arc::clone(array),
                    ColumnarValue::Scalar(scalar) => scalar.to_array_of_size(rows)?,
                };
                Column::new(&array, self.take(at).unwrap_or(Take::Any))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut output = Vec::with_capacity(rows);
        let mut values = vec![Value::Null; columns.len()];
        for row in 0..rows {
            for (value, column) in values.iter_mut().zip(&columns) {
                *value = column.value(row);
            }
            if self.strict && values.contains(&Value::Null) {
                output.push(Value::Null);
            } else {
                output.push((self.body)(&values, &args.arg_fields)?);
            }
        }
        let array = self.give.array(output)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

impl Take {
    fn coerced(self, given: &DataType) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::TextList => match given {
                DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => given.clone(),
                _ => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            },
            Self::Object | Self::Any => given.clone(),
        }
    }
}

/// An argument's column, in the form that the body reads.
#[derive(Debug)]
enum Column {
    Text(ArrayRef),
    Integer(ArrayRef),
    Float(ArrayRef),
    Boolean(ArrayRef),
    TextList(ArrayRef),
    Null,
}

impl Column {
    fn new(array: &ArrayRef, take: Take) -> Result<Self> {
        if array.data_type() == &DataType::Null {
            return Ok(Self::Null);
        }
        Ok(match take {
            Take::Text => Self::Text(cast(array, &DataType::Utf8)?),
            Take::Integer => Self::Integer(cast(array, &DataType::Int64)?),
            Take::Float => Self::Float(cast(array, &DataType::Float64)?),
            Take::Boolean => Self::Boolean(cast(array, &DataType::Boolean)?),
            Take::TextList => Self::TextList(cast(
                array,
                &DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            )?),
            Take::Object if array.data_type().is_integer() => Self::Integer(cast(array, &DataType::Int64)?),
            Take::Object => Self::Text(cast(array, &DataType::Utf8)?),
            Take::Any => match cast(array, &DataType::Utf8) {
                Ok(text) => Self::Text(text),
                Err(_) => Self::Text(crate::functions::json::column(array)?),
            },
        })
    }

    fn value(&self, row: usize) -> Value {
        match self {
            Self::Text(array) if array.is_valid(row) => Value::from(array.as_string::<i32>().value(row)),
            Self::Integer(array) if array.is_valid(row) => Value::Integer(array.as_primitive::<Int64Type>().value(row)),
            Self::Float(array) if array.is_valid(row) => Value::Float(array.as_primitive::<Float64Type>().value(row)),
            Self::Boolean(array) if array.is_valid(row) => Value::Boolean(array.as_boolean().value(row)),
            Self::TextList(array) if array.is_valid(row) => {
                let items = array.as_list::<i32>().value(row);
                Value::TextList(
                    items
                        .as_string::<i32>()
                        .iter()
                        .map(|item| item.map(str::to_owned))
                        .collect(),
                )
            }
            _ => Value::Null,
        }
    }
}

impl Give {
    fn data_type(self) -> DataType {
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        match self {
            Self::Text | Self::Name | Self::Json | Self::Jsonb | Self::Uuid | Self::Void => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Float8 => DataType::Float64,
            Self::Oid | Self::RegClass | Self::RegType | Self::RegProc | Self::RegNamespace | Self::RegRole => {
                DataType::UInt32
            }
            Self::TextList | Self::NameList => list(DataType::Utf8),
            Self::Int4List => list(DataType::Int32),
        }
    }

    fn field(self, name: &str) -> Field {
        let field = Field::new(name, self.data_type(), true);
        let declared = match self {
            Self::Name => "name",
            Self::Oid => "oid",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
            Self::Uuid => "uuid",
            Self::Void => "void",
            Self::RegClass => "regclass",
            Self::RegType => "regtype",
            Self::RegProc => "regproc",
            Self::RegNamespace => "regnamespace",
            Self::RegRole => "regrole",
            Self::NameList => "_name",
            _ => return field,
        };
        field.with_metadata([(PG_TYPE_METADATA.to_owned(), declared.to_owned())].into())
    }

    fn array(self, values: Vec<Value>) -> Result<ArrayRef> {
        fn wrong<T>() -> Result<T> {
            exec_err!("a function gave a value of another type")
        }
        macro_rules! numbers {
            ($builder:ty) => {{
                let mut builder = <$builder>::with_capacity(values.len());
                for value in values {
                    builder.append_option(match value {
                        Value::Integer(number) => Some(number.try_into().map_err(|_| out_of_range())?),
                        Value::Null => None,
                        _ => return wrong(),
                    });
                }
                Arc::new(builder.finish())
            }};
        }
        Ok(match self.data_type() {
            DataType::Utf8 => {
                let mut builder = StringBuilder::new();
                for value in values {
                    match value {
                        Value::Text(text) => builder.append_value(text),
                        Value::Null => builder.append_null(),
                        _ => return wrong(),
                    }
                }
                Arc::new(builder.finish())
            }
            DataType::Boolean => {
                let mut builder = BooleanBuilder::with_capacity(values.len());
                for value in values {
                    builder.append_option(match value {
                        Value::Boolean(value) => Some(value),
                        Value::Null => None,
                        _ => return wrong(),
                    });
                }
                Arc::new(builder.finish())
            }
            DataType::Int32 => numbers!(Int32Builder),
            DataType::Int64 => numbers!(Int64Builder),
            DataType::UInt32 => numbers!(UInt32Builder),
            DataType::Float64 => {
                let mut builder = Float64Builder::with_capacity(values.len());
                for value in values {
                    builder.append_option(value.float());
                }
                Arc::new(builder.finish())
            }
            DataType::List(item) if item.data_type() == &DataType::Int32 => {
                let mut builder = ListBuilder::new(Int32Builder::new());
                for value in values {
                    match value {
                        Value::TextList(items) => {
                            for item in items {
                                builder
                                    .values()
                                    .append_option(item.and_then(|text| text.parse::<i32>().ok()));
                            }
                            builder.append(true);
                        }
                        _ => builder.append(false),
                    }
                }
                let array = builder.finish();
                debug_assert!(array.values().as_primitive_opt::<Int32Type>().is_some());
                Arc::new(array)
            }
            _ => {
                let mut builder = ListBuilder::new(StringBuilder::new());
                for value in values {
                    match value {
                        Value::TextList(items) => {
                            for item in items {
                                builder.values().append_option(item);
                            }
                            builder.append(true);
                        }
                        _ => builder.append(false),
                    }
                }
                Arc::new(builder.finish())
            }
        })
    }
}

fn out_of_range() -> DataFusionError {
    contract::Error::data(contract::DataException::NumericValueOutOfRange, "value out of range").into()
}
