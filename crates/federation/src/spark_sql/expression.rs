//! Expressions that mean the same there for every value of their columns.

use datafusion::arrow::datatypes::Schema;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, Case, InList, Like};
use datafusion::logical_expr::{Between, Expr, LogicalPlan, Operator, Subquery};
use policy::RemoteReads;

use super::block::add_reads;
use super::data_type::{SIGNED_DIGITS_MAX, SparkType};
use super::relation::{Strictness, is_one_row, write_whole};
use super::{NotWritten, arithmetic, cast, function, literal, pattern};
use crate::{Capabilities, ComputeContext, RemoteStatement};

/// How deep an expression may be nested. Remote parsers descend once per level on a stack of their own.
const DEPTH_MAX: usize = 200;
/// How many constants a list may have: each is a parameter of the statement.
const LIST_ITEMS_MAX: usize = 1_000;

/// Where the columns of an expression come from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) names: Names<'a>,
    pub(super) columns: &'a [SparkType],
    pub(super) alias: String,
}

/// How a column is found, and what it is called there.
#[derive(Debug)]
pub(super) enum Names<'a> {
    /// The output of a node: a block's numbered columns.
    Node(&'a DFSchema),
    /// What a scan presents: a block's numbered columns, found by name alone.
    Scan(&'a Schema),
    /// A table itself, whose columns have their own names.
    Table(&'a Schema),
}

impl Source<'_> {
    fn index_of(&self, column: &Column) -> Option<usize> {
        match &self.names {
            Names::Node(schema) => schema.maybe_index_of_column(column),
            Names::Scan(schema) | Names::Table(schema) => schema.index_of(&column.name).ok(),
        }
    }

    /// Writes the column at `index` and says its type.
    pub(super) fn write_column(&self, index: usize, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        let missing = || NotWritten::because("a column that is not there");
        let data_type = self.columns.get(index).ok_or_else(missing)?.clone();
        match &self.names {
            Names::Table(schema) => {
                let field = schema.fields().get(index).ok_or_else(missing)?;
                out.push(&format!("{}.", self.alias));
                out.push_identifier(field.name());
            }
            Names::Node(_) | Names::Scan(_) => out.push(&format!("{}.c{index}", self.alias)),
        }
        Ok(data_type)
    }
}

/// Writes expressions over some sources.
#[derive(Debug)]
pub(super) struct ExpressionWriter<'a> {
    sources: &'a [Source<'a>],
    capabilities: Capabilities,
    strictness: Strictness,
    /// Who runs the statement; nobody while it is only asked what can be written.
    context: Option<&'a ComputeContext>,
    depth: usize,
    /// What subqueries read.
    reads: RemoteReads,
}

impl<'a> ExpressionWriter<'a> {
    pub(super) fn new(
        sources: &'a [Source<'a>],
        capabilities: Capabilities,
        strictness: Strictness,
        context: Option<&'a ComputeContext>,
    ) -> Self {
        Self {
            sources,
            capabilities,
            strictness,
            context,
            depth: 0,
            reads: RemoteReads::default(),
        }
    }

    /// What the subqueries of all that was written read.
    pub(super) fn into_reads(self) -> RemoteReads {
        self.reads
    }

    /// Says that what is being written raises for some values.
    ///
    /// # Errors
    /// Above rules: a row that they hide could be noticed by it. And where the system does not raise.
    pub(super) fn can_fail(&self, what: &str) -> Result<(), NotWritten> {
        if self.strictness.total_only {
            return Err(NotWritten::because(format!("{what} above a table with rules")));
        }
        if !self.capabilities.ansi {
            return Err(NotWritten::because(format!("{what}, which does not raise there")));
        }
        Ok(())
    }

    /// Writes `expression` and says its type.
    pub(super) fn write(&mut self, expression: &Expr, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(NotWritten::because("an expression that is nested too deep"));
        }
        let written = self.write_listed(expression, out);
        self.depth -= 1;
        written
    }

    fn write_listed(&mut self, expression: &Expr, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        match expression {
            Expr::Alias(alias) => self.write(&alias.expr, out),
            Expr::Column(column) => self.column(column, out),
            Expr::Literal(value, _) => literal::write_literal(value, out),
            Expr::BinaryExpr(binary) => self.binary(binary, out),
            Expr::Like(like) => self.like(like, out),
            Expr::Not(inner) => {
                out.push("(NOT ");
                self.boolean(inner, out)?;
                out.push(")");
                Ok(SparkType::Boolean)
            }
            Expr::IsNull(inner) => self.test(inner, "IS NULL", out),
            Expr::IsNotNull(inner) => self.test(inner, "IS NOT NULL", out),
            Expr::IsTrue(inner) => self.boolean_test(inner, "IS TRUE", out),
            Expr::IsFalse(inner) => self.boolean_test(inner, "IS FALSE", out),
            Expr::IsUnknown(inner) => self.boolean_test(inner, "IS NULL", out),
            Expr::IsNotTrue(inner) => self.boolean_test(inner, "IS NOT TRUE", out),
            Expr::IsNotFalse(inner) => self.boolean_test(inner, "IS NOT FALSE", out),
            Expr::IsNotUnknown(inner) => self.boolean_test(inner, "IS NOT NULL", out),
            Expr::Negative(inner) => self.negative(inner, out),
            Expr::Between(between) => self.between(between, out),
            Expr::Case(case) => self.case(case, out),
            Expr::Cast(inner) => cast::write_cast(self, &inner.expr, inner.field.data_type(), out),
            Expr::ScalarFunction(call) => function::write_call(self, call, out),
            Expr::InList(list) => self.in_list(list, out),
            Expr::ScalarSubquery(subquery) => self.subquery(subquery, out),
            other => Err(NotWritten::because(format!(
                "an expression of kind {}",
                other.variant_name()
            ))),
        }
    }

    /// Writes a condition.
    pub(super) fn boolean(&mut self, expression: &Expr, out: &mut RemoteStatement) -> Result<(), NotWritten> {
        match self.write(expression, out)? {
            SparkType::Boolean => Ok(()),
            other => Err(NotWritten::because(format!("a condition of type {}", other.word()))),
        }
    }

    /// Writes what is compared for equality: a key.
    pub(super) fn key(&mut self, expression: &Expr, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        let data_type = self.write(expression, out)?;
        match data_type.is_equatable() {
            true => Ok(data_type),
            false => Err(NotWritten::because(format!("equality of {}", data_type.word()))),
        }
    }

    fn column(&self, column: &Column, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        let mut found = self
            .sources
            .iter()
            .filter_map(|source| source.index_of(column).map(|index| (source, index)));
        match (found.next(), found.next()) {
            (Some((source, index)), None) => source.write_column(index, out),
            _ => Err(NotWritten::because("a column that is not one of the inputs'")),
        }
    }

    fn binary(&mut self, binary: &BinaryExpr, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        let operator = match binary.op {
            Operator::And | Operator::Or => return self.chain(binary, out),
            Operator::Eq | Operator::IsNotDistinctFrom => "=",
            Operator::NotEq | Operator::IsDistinctFrom => "<>",
            Operator::Lt => "<",
            Operator::LtEq => "<=",
            Operator::Gt => ">",
            Operator::GtEq => ">=",
            Operator::RegexMatch => return self.matches(&binary.left, "RLIKE", &binary.right, out),
            Operator::RegexNotMatch => return self.matches(&binary.left, "NOT RLIKE", &binary.right, out),
            Operator::Plus
            | Operator::Minus
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo
            | Operator::BitwiseAnd
            | Operator::BitwiseOr
            | Operator::BitwiseXor => {
                return arithmetic::write_operator(self, &binary.left, binary.op, &binary.right, out);
            }
            other => return Err(NotWritten::because(format!("the operator {other}"))),
        };
        let (before, operator) = match binary.op {
            Operator::IsNotDistinctFrom => ("(", "<=>"),
            Operator::IsDistinctFrom => ("(NOT (", "<=>"),
            _ => ("(", operator),
        };
        let (mut left_sql, mut right_sql) = (RemoteStatement::new(), RemoteStatement::new());
        let left = self.write(&binary.left, &mut left_sql)?;
        let right = self.write(&binary.right, &mut right_sql)?;
        out.push(before);
        push_compared(&binary.left, left_sql, &[&binary.right], &left, out);
        out.push(&format!(" {operator} "));
        push_compared(&binary.right, right_sql, &[&binary.left], &right, out);
        out.push(if binary.op == Operator::IsDistinctFrom {
            "))"
        } else {
            ")"
        });
        let listed = match operator {
            "=" | "<>" | "<=>" => left.is_equatable(),
            _ => left.is_ordered(),
        };
        if left != right || !listed && !left.is_float() {
            let why = format!("a comparison of {} and {}", left.word(), right.word());
            return Err(NotWritten::because(why));
        }
        Ok(SparkType::Boolean)
    }

    /// Conditions joined by one word, as flat as they were said: a chain of a thousand is not a thousand deep.
    fn chain(&mut self, binary: &BinaryExpr, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        let mut parts = vec![&*binary.right];
        let mut left = &*binary.left;
        while let Expr::BinaryExpr(inner) = left
            && inner.op == binary.op
        {
            parts.push(&inner.right);
            left = &inner.left;
        }
        parts.push(left);
        out.push("(");
        for (index, part) in parts.into_iter().rev().enumerate() {
            if index > 0 {
                out.push(if binary.op == Operator::And { " AND " } else { " OR " });
            }
            self.boolean(part, out)?;
        }
        out.push(")");
        Ok(SparkType::Boolean)
    }

    /// `LIKE` with a constant pattern, whose escapes are written anew: there only an escaped sign may follow an escape.
    fn like(&mut self, like: &Like, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        let Expr::Literal(value, _) = &*like.pattern else {
            return Err(NotWritten::because("LIKE with a pattern that is not constant"));
        };
        let listed = !like.case_insensitive && like.escape_char.is_none_or(|escape| escape == '\\');
        let pattern = value.try_as_str().flatten().and_then(pattern::escaped_pattern);
        let (true, Some(pattern)) = (listed, pattern) else {
            return Err(NotWritten::because("LIKE that ignores case or has another escape"));
        };
        out.push("(");
        self.text(&like.expr, out)?;
        out.push(if like.negated { " NOT LIKE " } else { " LIKE " });
        out.push_parameter(pattern.into());
        out.push(&format!(" ESCAPE '{}')", pattern::PATTERN_ESCAPE));
        Ok(SparkType::Boolean)
    }

    /// A regular expression that is constant and plain.
    fn matches(
        &mut self,
        text: &Expr,
        word: &str,
        pattern: &Expr,
        out: &mut RemoteStatement,
    ) -> Result<SparkType, NotWritten> {
        let pattern = match pattern {
            Expr::Literal(value, _) => value.try_as_str().flatten(),
            _ => None,
        };
        let Some(pattern) = pattern.filter(|pattern| pattern::is_plain_pattern(pattern)) else {
            return Err(NotWritten::because(
                "a regular expression that flavours read in several ways",
            ));
        };
        out.push("(");
        self.text(text, out)?;
        out.push(&format!(" {word} "));
        out.push_parameter(pattern.into());
        out.push(")");
        Ok(SparkType::Boolean)
    }

    /// Whether the system keeps to ANSI mode.
    pub(super) fn is_ansi(&self) -> bool {
        self.capabilities.ansi
    }

    /// Writes text.
    pub(super) fn text(&mut self, expression: &Expr, out: &mut RemoteStatement) -> Result<(), NotWritten> {
        match self.write(expression, out)? {
            SparkType::String => Ok(()),
            other => Err(NotWritten::because(format!("{} where text is meant", other.word()))),
        }
    }

    fn test(&mut self, inner: &Expr, test: &str, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        out.push("(");
        self.write(inner, out)?;
        out.push(&format!(" {test})"));
        Ok(SparkType::Boolean)
    }

    fn boolean_test(&mut self, inner: &Expr, test: &str, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        out.push("(");
        self.boolean(inner, out)?;
        out.push(&format!(" {test})"));
        Ok(SparkType::Boolean)
    }

    fn negative(&mut self, inner: &Expr, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        out.push("(- ");
        let data_type = self.write(inner, out)?;
        out.push(")");
        match data_type {
            SparkType::Decimal(digits, _) if digits <= SIGNED_DIGITS_MAX => Ok(data_type),
            other => Err(NotWritten::because(format!("the sign before {}", other.word()))),
        }
    }

    fn between(&mut self, between: &Between, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        let mut sql = RemoteStatement::new();
        let data_type = self.write(&between.expr, &mut sql)?;
        out.push("(");
        push_compared(&between.expr, sql, &[&between.low, &between.high], &data_type, out);
        out.push(if between.negated { " NOT BETWEEN " } else { " BETWEEN " });
        let low = self.write(&between.low, out)?;
        out.push(" AND ");
        let high = self.write(&between.high, out)?;
        out.push(")");
        let listed = data_type.is_ordered() || data_type.is_float();
        if low != data_type || high != data_type || !listed {
            return Err(NotWritten::because(format!("a range of {}", data_type.word())));
        }
        Ok(SparkType::Boolean)
    }

    fn in_list(&mut self, list: &InList, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        if list.list.is_empty() || list.list.len() > LIST_ITEMS_MAX {
            return Err(NotWritten::because("a list of too many values"));
        }
        out.push("(");
        let data_type = self.write(&list.expr, out)?;
        // Among many, those of floating point are found by their bits here.
        let listed = data_type.is_equatable() || data_type.is_float() && list.list.iter().all(is_plain_number);
        if !listed {
            return Err(NotWritten::because(format!("a list of {}", data_type.word())));
        }
        out.push(if list.negated { " NOT IN (" } else { " IN (" });
        for (index, item) in list.list.iter().enumerate() {
            if index > 0 {
                out.push(", ");
            }
            let item = self.write(item, out)?;
            if item != data_type {
                let why = format!("a list of {} for {}", item.word(), data_type.word());
                return Err(NotWritten::because(why));
            }
        }
        out.push("))");
        Ok(SparkType::Boolean)
    }

    fn case(&mut self, case: &Case, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        out.push("(CASE");
        let base = match &case.expr {
            Some(base) => {
                out.push(" ");
                Some(self.key(base, out)?)
            }
            None => None,
        };
        let mut branches: Vec<SparkType> = Vec::new();
        for (when, then) in &case.when_then_expr {
            out.push(" WHEN ");
            let condition = self.write(when, out)?;
            if condition != *base.as_ref().unwrap_or(&SparkType::Boolean) {
                return Err(NotWritten::because("CASE whose conditions have another type"));
            }
            out.push(" THEN ");
            branches.push(self.write(then, out)?);
        }
        if let Some(otherwise) = &case.else_expr {
            out.push(" ELSE ");
            branches.push(self.write(otherwise, out)?);
        }
        out.push(" END)");
        one_type(branches, "CASE")
    }

    /// A subquery that depends on nothing outside, over tables of the same system.
    fn subquery(&mut self, subquery: &Subquery, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
        if !subquery.outer_ref_columns.is_empty() {
            return Err(NotWritten::because("a subquery that depends on the rows outside"));
        }
        let plan: &LogicalPlan = &subquery.subquery;
        if !is_one_row(plan) {
            self.can_fail("a subquery that may give more than one row")?;
        }
        let block = write_whole(plan, false, self.strictness)?;
        if Some(block.context()) != self.context {
            return Err(NotWritten::because("a subquery over another system"));
        }
        let [data_type] = block.columns.as_slice() else {
            return Err(NotWritten::because("a subquery of more than one column"));
        };
        let data_type = data_type.clone();
        add_reads(&mut self.reads, &block.reads);
        out.push("(");
        out.append(block.statement);
        out.push(")");
        Ok(data_type)
    }
}

/// Adds what is compared with `others`. Of the two zeros of floating point Spark's readers of files look for the one that
/// was said, and leave out what holds only the other; with zero added there is one, and no reader is asked.
fn push_compared(
    expression: &Expr,
    sql: RemoteStatement,
    others: &[&Expr],
    data_type: &SparkType,
    out: &mut RemoteStatement,
) {
    let is_constant = |expression: &Expr| matches!(expression, Expr::Literal(..) | Expr::ScalarSubquery(_));
    let may_be_zero = |other: &&Expr| is_constant(other) && !is_plain_number(other);
    let spelling = data_type.spelling().filter(|_| data_type.is_float());
    match spelling {
        Some(spelling) if !is_constant(expression) && others.iter().any(may_be_zero) => {
            out.push("(");
            out.append(sql);
            out.push(&format!(" + CAST(0 AS {spelling}))"));
        }
        _ => out.append(sql),
    }
}

/// Whether it is NULL, or a number of which there is one only: zero may have a sign.
fn is_plain_number(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(ScalarValue::Float64(number), _) => number.is_none_or(|number| number != 0.0),
        Expr::Literal(ScalarValue::Float32(number), _) => number.is_none_or(|number| number != 0.0),
        _ => false,
    }
}

/// The type that all have.
pub(super) fn one_type(types: Vec<SparkType>, what: &str) -> Result<SparkType, NotWritten> {
    let mut types = types.into_iter();
    match types.next() {
        Some(first) if types.all(|one| one == first) => Ok(first),
        _ => Err(NotWritten::because(format!("{what} of values of several types"))),
    }
}
