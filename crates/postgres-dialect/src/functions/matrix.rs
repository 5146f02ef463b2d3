//! `ARRAY[[1, 2], [3, 4]]`: to PostgreSQL one array of two dimensions, whose rows are of one length.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, FieldRef};
use contract::{DataException, Error};
use datafusion::common::Result;
use datafusion::functions_nested::make_array::make_array_udf;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use crate::catalog::{PG_TYPE_METADATA, list_type_name};

/// What a rewritten statement calls for an array constructor within which others stand.
pub(crate) const MATRIX: &str = "lakegate_matrix";

pub(super) fn matrix() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Matrix {
        inner: make_array_udf(),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Matrix {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Matrix {
    fn name(&self) -> &str {
        MATRIX
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    /// A list of lists may be ragged and is then no array of PostgreSQL; this one says that it is regular by naming the
    /// type that its rows have.
    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let row = arguments.arg_fields.iter().find(|field| !field.data_type().is_null());
        let name = row.and_then(|row| list_type_name(row));
        let field = self.inner.return_field_from_args(arguments)?;
        Ok(match name {
            Some(name) => {
                let metadata = [(PG_TYPE_METADATA.to_owned(), name.to_owned())];
                Arc::new(field.as_ref().clone().with_metadata(metadata.into()))
            }
            None => field,
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let made = self.inner.invoke_with_args(arguments)?;
        let array = match &made {
            ColumnarValue::Array(array) => Arc::clone(array),
            ColumnarValue::Scalar(value) => value.to_array()?,
        };
        for row in 0..array.len() {
            if array.is_valid(row) && lengths(&array, row).is_none() {
                return Err(Error::data(
                    DataException::ArraySubscript,
                    "multidimensional arrays must have array expressions with matching dimensions",
                )
                .into());
            }
        }
        Ok(made)
    }
}

/// The length of each dimension of the list in that row; `None` if the lists within it do not match.
fn lengths(lists: &ArrayRef, row: usize) -> Option<Vec<usize>> {
    let items = lists.as_list_opt::<i32>()?.value(row);
    let mut all = vec![items.len()];
    if items.as_list_opt::<i32>().is_none() {
        return Some(all);
    }
    let mut below = None;
    for item in 0..items.len() {
        if items.is_null(item) {
            return None;
        }
        let found = lengths(&items, item)?;
        if *below.get_or_insert_with(|| found.clone()) != found {
            return None;
        }
    }
    all.extend(below.unwrap_or_default());
    Some(all)
}
