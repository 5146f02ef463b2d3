//! `sum` as PostgreSQL types it: of bigint it is numeric, so that it never wraps, and a sum with more digits than a
//! numeric of ours holds is an error, where DataFusion's goes on from the other end of the range.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array};
use arrow_schema::{DataType, FieldRef};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::i256;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

use super::math::{PRECISION_MAX, overflow};
use super::quotients::as_decimal;

/// Digits that a sum has more than its values: a group of 10^10 rows fills them.
const SUM_ADDS: u8 = 10;
/// Values up to this many digits cannot fill 128 bits in one batch of at most 10^4 rows.
const BATCH_SAFE: u8 = 34;

/// `sum`: of bigint it is numeric, and an error where it has more than 38 digits.
pub fn sum() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Sum {
        inner: sum_udaf(),
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sum {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

/// How values of a type are summed.
enum Kind {
    /// A sum may have more digits than its type, which has these: sums of shorter numbers have room for 10^10 rows.
    Checked(u8, i8),
    /// Integers whose sum is a bigint.
    Widened,
    Plain,
}

impl Kind {
    fn of(arguments: &AccumulatorArgs<'_>) -> Self {
        let value = arguments.expr_fields.first().map(|field| field.data_type());
        match (value, arguments.return_type()) {
            (Some(DataType::Int8 | DataType::Int16 | DataType::Int32), _) => Self::Widened,
            (Some(DataType::Decimal128(digits, _)), DataType::Decimal128(precision, scale))
                if *digits > PRECISION_MAX - SUM_ADDS && !arguments.is_distinct =>
            {
                Self::Checked(*precision, *scale)
            }
            _ => Self::Plain,
        }
    }
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [one] = types else {
            return plan_err!("No function matches the given name and argument types 'sum'");
        };
        Ok(vec![match one {
            DataType::Int64 | DataType::UInt64 => DataType::Decimal128(20, 0),
            DataType::Int8 | DataType::Int16 | DataType::Int32 => one.clone(),
            DataType::UInt8 | DataType::UInt16 => DataType::Int32,
            DataType::UInt32 => DataType::Decimal128(10, 0),
            DataType::Decimal32(..) | DataType::Decimal64(..) => {
                let (precision, scale) = as_decimal(one).unwrap_or((PRECISION_MAX, 0));
                DataType::Decimal128(precision, scale)
            }
            DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::Duration(_) | DataType::Interval(_) => {
                one.clone()
            }
            other if other.is_floating() || other.is_null() => DataType::Float64,
            other => return plan_err!("No function matches the given name and argument types 'sum({other})'"),
        }])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Int8 | DataType::Int16 | DataType::Int32] => Ok(DataType::Int64),
            _ => self.inner.return_type(types),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match Kind::of(&arguments) {
            Kind::Checked(precision, scale) => Ok(Box::new(CheckedSum::new(precision, scale))),
            Kind::Widened => Ok(Box::new(Widened(self.inner.accumulator(arguments)?))),
            Kind::Plain => self.inner.accumulator(arguments),
        }
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(arguments)
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match Kind::of(&arguments) {
            Kind::Checked(..) => Ok(Box::new(CheckedGroups {
                inner: PrimitiveGroupsAccumulator::<Decimal128Type, _>::new(arguments.return_type(), add),
            })),
            Kind::Widened => Ok(Box::new(Widened(self.inner.create_groups_accumulator(arguments)?))),
            Kind::Plain => self.inner.create_groups_accumulator(arguments),
        }
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match Kind::of(&arguments) {
            Kind::Checked(precision, scale) => Ok(Box::new(CheckedSum::new(precision, scale))),
            Kind::Widened => Ok(Box::new(Widened(self.inner.create_sliding_accumulator(arguments)?))),
            Kind::Plain => self.inner.create_sliding_accumulator(arguments),
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

/// An accumulator of bigint over smaller integers.
#[derive(Debug)]
struct Widened<A>(A);

fn widened(values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    let widened = values.iter().map(|values| Ok(compute::cast(values, &DataType::Int64)?));
    widened.collect()
}

impl Accumulator for Widened<Box<dyn Accumulator>> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(&widened(values)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.retract_batch(&widened(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.0.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.evaluate()
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

impl GroupsAccumulator for Widened<Box<dyn GroupsAccumulator>> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.0.update_batch(&widened(values)?, groups, filter, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.0.evaluate(emit_to)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.0.state(emit_to)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.0.merge_batch(values, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.0.convert_to_state(&widened(values)?, filter)
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

/// A value that no sum has, since it has 39 digits: what a group is from the moment in which it left 128 bits.
const LEFT: i128 = i128::MIN;

/// Adds one value to a group.
fn add(group: &mut i128, value: i128) {
    *group = match group.checked_add(value) {
        Some(sum) if *group != LEFT => sum,
        _ => LEFT,
    };
}

/// Sums of groups that say so where they have too many digits.
struct CheckedGroups<G> {
    inner: G,
}

impl<G: GroupsAccumulator> GroupsAccumulator for CheckedGroups<G> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.inner.update_batch(values, groups, filter, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = self.inner.evaluate(emit_to)?;
        check(sums.as_primitive::<Decimal128Type>())?;
        Ok(sums)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.inner.merge_batch(values, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

/// # Errors
///
/// One sum has more digits than a numeric of ours.
fn check(sums: &Decimal128Array) -> Result<()> {
    let limit = 10_u128.pow(PRECISION_MAX.into());
    if sums.iter().flatten().any(|sum| sum.unsigned_abs() >= limit) {
        return Err(overflow().into());
    }
    Ok(())
}

/// The sum of all rows, or of a frame of them that moves.
#[derive(Debug)]
struct CheckedSum {
    sum: i256,
    /// Values in it that are not null.
    count: u64,
    precision: u8,
    scale: i8,
}

impl CheckedSum {
    fn new(precision: u8, scale: i8) -> Self {
        Self {
            sum: i256::ZERO,
            count: 0,
            precision,
            scale,
        }
    }

    fn total(values: &[ArrayRef]) -> Result<(i256, u64)> {
        let [values] = values else {
            return exec_err!("a sum takes one value");
        };
        let values = values.as_primitive::<Decimal128Type>();
        let count = u64::try_from(values.len() - values.null_count()).unwrap_or(0);
        let total = if values.precision() <= BATCH_SAFE && values.len() <= 10_000 {
            compute::sum(values).map_or(i256::ZERO, i256::from_i128)
        } else {
            let add = |total: i256, value| total.wrapping_add(i256::from_i128(value));
            values.iter().flatten().fold(i256::ZERO, add)
        };
        Ok((total, count))
    }
}

impl Accumulator for CheckedSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (total, count) = Self::total(values)?;
        // 2^64 rows of 38 digits have 58 digits; 256 bits have 76.
        self.sum = self.sum.wrapping_add(total);
        self.count += count;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (total, count) = Self::total(values)?;
        self.sum = self.sum.wrapping_sub(total);
        self.count -= count;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = if self.count == 0 {
            None
        } else {
            let limit = 10_u128.pow(PRECISION_MAX.into());
            let sum = self.sum.to_i128().filter(|sum| sum.unsigned_abs() < limit);
            Some(sum.ok_or_else(overflow)?)
        };
        Ok(ScalarValue::Decimal128(sum, self.precision, self.scale))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;

    fn column(values: &[Option<i128>]) -> ArrayRef {
        let values: Decimal128Array = values.iter().copied().collect();
        Arc::new(values.with_precision_and_scale(PRECISION_MAX, 2).unwrap())
    }

    #[test]
    fn a_sum_may_be_large_meanwhile_but_not_at_the_end() {
        let mut sum = CheckedSum::new(PRECISION_MAX, 2);
        assert_eq!(sum.evaluate().unwrap(), ScalarValue::Decimal128(None, 38, 2));
        sum.update_batch(&[column(&[Some(LARGE), None, Some(LARGE)])]).unwrap();
        assert!(
            sum.evaluate()
                .unwrap_err()
                .to_string()
                .contains("overflows numeric format")
        );
        sum.retract_batch(&[column(&[Some(LARGE), None])]).unwrap();
        assert_eq!(sum.evaluate().unwrap(), ScalarValue::Decimal128(Some(LARGE), 38, 2));
        sum.retract_batch(&[column(&[Some(LARGE)])]).unwrap();
        assert_eq!(sum.evaluate().unwrap(), ScalarValue::Decimal128(None, 38, 2));
    }

    #[test]
    fn a_group_that_left_the_range_stays_outside() {
        let mut group = LARGE;
        add(&mut group, LARGE);
        assert_eq!(group, LEFT);
        for value in [-LARGE, -LARGE, 5] {
            add(&mut group, value);
        }
        assert_eq!(group, LEFT);
        let groups = |group| column(&[Some(group)]).as_primitive::<Decimal128Type>().clone();
        assert!(check(&groups(group)).is_err());
        assert!(check(&groups(LARGE)).is_ok());
        assert!(check(&groups(LARGE + 1)).is_err());
    }
}
