//! `information_schema._pg_expandarray`: an array's elements with their numbers.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int32Array, ListArray, StructArray};
use arrow_schema::{DataType, Field, Fields};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// `array -> [{x, n}]`; the rewrite puts `unnest` around it.
pub(super) fn expand_array() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Expand {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Expand {
    signature: Signature,
}

fn fields(item: &DataType) -> Fields {
    Fields::from(vec![
        Field::new("x", item.clone(), true),
        Field::new("n", DataType::Int32, true),
    ])
}

impl ScalarUDFImpl for Expand {
    fn name(&self) -> &str {
        "_pg_expandarray"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::List(item)] => {
                let row = DataType::Struct(fields(item.data_type()));
                Ok(DataType::List(Arc::new(Field::new_list_field(row, true))))
            }
            _ => plan_err!("No function matches the given name and argument types '_pg_expandarray'"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(lists) = arrays.first().and_then(|array| array.as_list_opt::<i32>()) else {
            return exec_err!("an array was expected");
        };
        let mut numbers = ListBuilder::new(Int32Builder::new());
        let mut flat: Vec<ArrayRef> = Vec::new();
        for row in 0..lists.len() {
            if lists.is_null(row) {
                numbers.append(false);
                continue;
            }
            let items = lists.value(row);
            for number in (1..).take(items.len()) {
                numbers.values().append_value(number);
            }
            numbers.append(true);
            flat.push(items);
        }
        let numbers: ListArray = numbers.finish();
        let references: Vec<&dyn Array> = flat.iter().map(AsRef::as_ref).collect();
        let item_type = lists.value_type();
        let items = if references.is_empty() {
            arrow_array::new_empty_array(&item_type)
        } else {
            datafusion::arrow::compute::concat(&references)?
        };
        let count: Int32Array = numbers.values().as_primitive().clone();
        let rows = StructArray::try_new(fields(&item_type), vec![items, Arc::new(count)], None)?;
        let field = Arc::new(Field::new_list_field(DataType::Struct(fields(&item_type)), true));
        let list = ListArray::try_new(
            field,
            numbers.offsets().clone(),
            Arc::new(rows),
            numbers.nulls().cloned(),
        )?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}
