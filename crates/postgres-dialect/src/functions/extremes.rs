//! `min` and `max` of floating point in groups. DataFusion's begin with the least and the greatest finite number, which
//! infinities lie beyond, and forget NaN over the next value.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::ArrowPrimitiveType;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_schema::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
    StatisticsArgs,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

/// `min` and `max`, with NaN above all.
pub(super) fn extremes() -> [Arc<AggregateUDF>; 2] {
    [(min_udaf(), Ordering::Less), (max_udaf(), Ordering::Greater)]
        .map(|(inner, wanted)| Arc::new(AggregateUDF::new_from_impl(Extreme { inner, wanted })))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    inner: Arc<AggregateUDF>,
    /// How a value compares that takes the place of another.
    wanted: Ordering,
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.inner.name()
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

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(arguments)
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(arguments)
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let data_type = arguments.return_type();
        match data_type {
            DataType::Float64 => {
                Ok(self.of_floats::<Float64Type>(data_type, [f64::NEG_INFINITY, f64::NAN], f64::total_cmp))
            }
            DataType::Float32 => {
                Ok(self.of_floats::<Float32Type>(data_type, [f32::NEG_INFINITY, f32::NAN], f32::total_cmp))
            }
            _ => self.inner.create_groups_accumulator(arguments),
        }
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(arguments)
    }

    fn is_descending(&self) -> Option<bool> {
        self.inner.is_descending()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn value_from_stats(&self, statistics: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        self.inner.value_from_stats(statistics)
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}

impl Extreme {
    fn of_floats<T: ArrowPrimitiveType + Send>(
        &self,
        data_type: &DataType,
        [least, greatest]: [T::Native; 2],
        compare: fn(&T::Native, &T::Native) -> Ordering,
    ) -> Box<dyn GroupsAccumulator> {
        let wanted = self.wanted;
        let start = if wanted == Ordering::Less { greatest } else { least };
        let keep = move |kept: &mut T::Native, value: T::Native| {
            if compare(&value, kept) == wanted {
                *kept = value;
            }
        };
        Box::new(PrimitiveGroupsAccumulator::<T, _>::new(data_type, keep).with_starting_value(start))
    }
}
