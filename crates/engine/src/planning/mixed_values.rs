//! VALUES with floating point beside other numbers: double precision in PostgreSQL, a decimal in DataFusion.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Values};

use super::float_types::{as_type, is_mixed, widest_float};

/// Gives each column of decimals that was made of floating point among others the type of a choice between its values.
pub(super) fn settle_values(values: Values) -> Result<Transformed<LogicalPlan>> {
    let nothing = DFSchema::empty();
    let wanted: Vec<Option<DataType>> = values
        .schema
        .fields()
        .iter()
        .enumerate()
        .map(|(column, field)| {
            let decimal = field.data_type();
            if !matches!(decimal, DataType::Decimal128(..) | DataType::Decimal256(..)) {
                return None;
            }
            let cells = values.values.iter().filter_map(|row| row.get(column));
            let types = cells.map(|cell| written(cell, decimal).get_type(&nothing).ok());
            let types: Vec<DataType> = types.collect::<Option<_>>()?;
            is_mixed(&types).then(|| widest_float(&types))
        })
        .collect();
    if wanted.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Values(values)));
    }
    let fields = values.schema.fields().iter().zip(&wanted);
    let fields: Vec<_> = fields
        .map(|(field, wanted)| match wanted {
            Some(to) => Arc::new(Field::clone(field).with_data_type(to.clone())),
            None => Arc::clone(field),
        })
        .collect();
    let rows = values.values.into_iter().map(|row| {
        let cells = row.into_iter().zip(values.schema.fields()).zip(&wanted);
        let cells = cells.map(|((cell, field), wanted)| match wanted {
            Some(to) => as_type(written(&cell, field.data_type()).clone(), to, &nothing),
            None => Ok(cell),
        });
        cells.collect::<Result<Vec<_>>>()
    });
    Ok(Transformed::yes(LogicalPlan::Values(Values {
        values: rows.collect::<Result<_>>()?,
        schema: Arc::new(DFSchema::try_from(Schema::new(fields))?),
    })))
}

/// A value as it was before it was cast to the type of its column.
fn written<'e>(cell: &'e Expr, column: &DataType) -> &'e Expr {
    match cell {
        Expr::Cast(cast) if cast.field.data_type() == column => match cast.expr.get_type(&DFSchema::empty()) {
            Ok(own) if own.is_numeric() || own.is_null() => &cast.expr,
            _ => cell,
        },
        _ => cell,
    }
}
