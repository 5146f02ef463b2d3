//! Gives nested columns the user's field names under column mapping: same buffers, other labels.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, ArrayRef, GenericListArray, MapArray, OffsetSizeTrait, RecordBatch, StructArray};
use arrow_schema::{ArrowError, DataType, FieldRef, Schema};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

/// Evaluates `input` and labels its nested fields as in `target`, which must have the same shape.
#[derive(Debug, Clone, Eq)]
pub(crate) struct RelabelExpr {
    input: Arc<dyn PhysicalExpr>,
    target: DataType,
}

impl RelabelExpr {
    /// Labels the result of `input` as `target`.
    pub(crate) fn new(input: Arc<dyn PhysicalExpr>, target: DataType) -> Self {
        Self { input, target }
    }
}

// Derived implementations do not compile over `Arc<dyn PhysicalExpr>`.
impl PartialEq for RelabelExpr {
    fn eq(&self, other: &Self) -> bool {
        self.input.eq(&other.input) && self.target == other.target
    }
}

impl Hash for RelabelExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.target.hash(state);
    }
}

impl fmt::Display for RelabelExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "relabel({})", self.input)
    }
}

impl PhysicalExpr for RelabelExpr {
    fn data_type(&self, _input_schema: &Schema) -> Result<DataType> {
        Ok(self.target.clone())
    }

    fn nullable(&self, input_schema: &Schema) -> Result<bool> {
        self.input.nullable(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let array = self.input.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(relabel(&array, &self.target)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match children.pop() {
            Some(input) => Ok(Arc::new(Self::new(input, self.target.clone()))),
            None => Ok(self),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.input.fmt_sql(f)
    }
}

fn relabel(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), target) {
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let from = array.as_struct();
            let columns = from.columns().iter().zip(fields.iter());
            let columns = columns.map(|(column, field)| relabel(column, field.data_type()));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let labeled = StructArray::try_new_with_length(fields.clone(), columns, from.nulls().cloned(), from.len())?;
            Ok(Arc::new(labeled))
        }
        (DataType::List(_), DataType::List(field)) => relabel_list::<i32>(array, field),
        (DataType::LargeList(_), DataType::LargeList(field)) => relabel_list::<i64>(array, field),
        (DataType::Map(_, _), DataType::Map(field, sorted)) => {
            let from = array.as_map();
            let entries: ArrayRef = Arc::new(from.entries().clone());
            let entries = relabel(&entries, field.data_type())?.as_struct().clone();
            let labeled = MapArray::try_new(
                Arc::clone(field),
                from.offsets().clone(),
                entries,
                from.nulls().cloned(),
                *sorted,
            )?;
            Ok(Arc::new(labeled))
        }
        (from, to) => Err(ArrowError::SchemaError(format!(
            "a column of type {from} cannot be labeled as {to}"
        ))),
    }
}

fn relabel_list<O: OffsetSizeTrait>(array: &ArrayRef, field: &FieldRef) -> Result<ArrayRef, ArrowError> {
    let from = array.as_list::<O>();
    let values = relabel(from.values(), field.data_type())?;
    let labeled =
        GenericListArray::<O>::try_new(Arc::clone(field), from.offsets().clone(), values, from.nulls().cloned())?;
    Ok(Arc::new(labeled))
}

#[cfg(test)]
mod tests {
    use arrow_array::Int32Array;
    use arrow_schema::{Field, Fields};

    use super::*;

    #[test]
    fn nested_names_change_and_values_stay() {
        let inner = Fields::from(vec![Field::new("col-1", DataType::Int32, true)]);
        let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
        let array: ArrayRef = Arc::new(StructArray::new(inner, vec![Arc::clone(&values)], None));
        let target = DataType::Struct(Fields::from(vec![Field::new("a", DataType::Int32, true)]));
        let labeled = relabel(&array, &target).unwrap();
        assert_eq!(labeled.data_type(), &target);
        assert_eq!(labeled.as_struct().column(0), &values);
    }

    #[test]
    fn another_shape_is_an_error() {
        let array: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        assert!(relabel(&array, &DataType::Utf8).is_err());
    }
}
