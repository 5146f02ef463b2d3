//! What stands in FROM.

use std::collections::HashSet;
use std::ops::ControlFlow;

use contract::{Error, Result};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Select, SelectItem,
    TableAlias, TableFactor, TableFunctionArgs, TableWithJoins, Visit, VisitMut, Visitor, VisitorMut,
};

use super::build;
use crate::catalog::relation;

/// Qualifies PostgreSQL's own relations and makes relations of functions.
///
/// # Errors
/// `Unsupported` for WITH ORDINALITY over what is not known to have an order.
pub(super) fn rewrite(factor: &mut TableFactor, ctes: &HashSet<String>) -> Result<()> {
    let replaced = match factor {
        TableFactor::Table { name, args: None, .. } => {
            qualify(name, ctes);
            None
        }
        TableFactor::Table {
            name,
            args: Some(arguments),
            alias,
            with_ordinality,
            ..
        } => from_function(name, &arguments.args, alias, *with_ordinality),
        TableFactor::Function {
            name,
            args,
            alias,
            with_ordinality,
            lateral: is_lateral,
        } => from_function(name, args, alias, *with_ordinality).map(|mut replaced| {
            if let TableFactor::Derived { lateral, .. } = &mut replaced {
                *lateral = *is_lateral;
            }
            replaced
        }),
        TableFactor::UNNEST {
            alias,
            array_exprs,
            with_ordinality,
            ..
        } => from_unnest(array_exprs, alias, *with_ordinality),
        _ => None,
    };
    if let Some(replaced) = replaced {
        *factor = replaced;
    }
    match factor {
        TableFactor::Table {
            with_ordinality: true, ..
        }
        | TableFactor::Function {
            with_ordinality: true, ..
        }
        | TableFactor::UNNEST {
            with_ordinality: true, ..
        } => Err(Error::unsupported("WITH ORDINALITY is not supported for this function")),
        _ => Ok(()),
    }
}

fn qualify(name: &mut ObjectName, ctes: &HashSet<String>) {
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
        return;
    };
    let folded = if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    };
    if !ctes.contains(&folded) && relation::find("pg_catalog", &folded).is_some() {
        name.0.insert(0, ObjectNamePart::Identifier(Ident::new("pg_catalog")));
    }
}

fn from_function(
    name: &mut ObjectName,
    arguments: &[FunctionArg],
    alias: &Option<TableAlias>,
    with_ordinality: bool,
) -> Option<TableFactor> {
    let own = build::function_name(name)?;
    let plain = build::plain(arguments)?;
    match own.as_str() {
        "generate_series" if !with_ordinality && plain.iter().all(|argument| whole_number(argument).is_some()) => {
            streamed_series(plain, alias)
        }
        "generate_series" | "range" => {
            let call = build::call(&own, plain);
            set_of(
                "generate_series",
                vec![build::call("unnest", vec![call])],
                alias,
                with_ordinality,
            )
        }
        "unnest" => from_unnest(&plain, alias, with_ordinality),
        "generate_subscripts" | "regexp_split_to_table" | "_pg_expandarray" => {
            let mut function = build::function(&own, plain);
            let rows = super::calls::called(&mut function)?;
            set_of(&own, vec![rows], alias, with_ordinality)
        }
        "pg_options_to_table" => empty_set(&["option_name", "option_value"], alias, &own),
        "aclexplode" => empty_set(&["grantor", "grantee", "privilege_type", "is_grantable"], alias, &own),
        "pg_partition_ancestors" => empty_set(&["relid"], alias, &own),
        "pg_show_all_settings" | "pg_get_keywords" => {
            let relation = if own == "pg_get_keywords" {
                "pg_get_keywords"
            } else {
                "pg_settings"
            };
            let path = ["pg_catalog", relation].map(|part| ObjectNamePart::Identifier(Ident::new(part)));
            let alias = alias
                .clone()
                .or_else(|| Some(build::alias(Ident::new(own.as_str()), Vec::new())));
            Some(TableFactor::Table {
                name: ObjectName(path.to_vec()),
                alias,
                args: None,
                with_hints: Vec::new(),
                version: None,
                with_ordinality: false,
                partitions: Vec::new(),
                json_path: None,
                sample: None,
                index_hints: Vec::new(),
            })
        }
        // A scalar function is a relation of one row.
        _ => set_of(&own, vec![build::call(&own, plain)], alias, with_ordinality),
    }
}

/// The value of a constant whole number.
fn whole_number(expr: &Expr) -> Option<i64> {
    match build::peeled(expr) {
        Expr::Value(value) => match &value.value {
            datafusion::sql::sqlparser::ast::Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp {
            op: datafusion::sql::sqlparser::ast::UnaryOperator::Minus,
            expr,
        } => whole_number(expr).map(std::ops::Neg::neg),
        _ => None,
    }
}

/// A series of whole numbers as the planner's own table function, which makes its rows as they are read: an array of
/// them would have to fit in memory.
fn streamed_series(arguments: Vec<Expr>, alias: &Option<TableAlias>) -> Option<TableFactor> {
    let narrow = arguments
        .iter()
        .filter_map(whole_number)
        .all(|value| i32::try_from(value).is_ok());
    let data_type = if narrow {
        DataType::Integer(None)
    } else {
        DataType::BigInt(None)
    };
    let name = alias
        .as_ref()
        .map_or_else(|| build::quoted("generate_series"), |alias| alias.name.clone());
    let column = alias
        .as_ref()
        .and_then(|alias| alias.columns.first())
        .map_or_else(|| name.clone(), |c| c.name.clone());
    let value = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Identifier(build::quoted("value"))),
        data_type,
        array: false,
        format: None,
    };
    let mut query = build::select(vec![SelectItem::ExprWithAlias {
        expr: value,
        alias: column,
    }])?;
    let arguments = arguments
        .into_iter()
        .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)));
    let relation = TableFactor::Table {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new("generate_series"))]),
        alias: None,
        args: Some(TableFunctionArgs {
            args: arguments.collect(),
            settings: None,
        }),
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    };
    build::simple_select(&mut query)?.from = vec![TableWithJoins {
        relation,
        joins: Vec::new(),
    }];
    Some(TableFactor::Derived {
        lateral: false,
        subquery: query,
        alias: Some(build::alias(name, Vec::new())),
        sample: None,
    })
}

/// A set without rows: of things that a read-only gateway has not.
fn empty_set(columns: &[&str], alias: &Option<TableAlias>, function: &str) -> Option<TableFactor> {
    // Column names of the alias may be more: WITH ORDINALITY adds one.
    let more = alias
        .as_ref()
        .map_or(0, |alias| alias.columns.len().saturating_sub(columns.len()));
    let extra: Vec<String> = (0..more).map(|at| format!("ordinality\u{1}{at}")).collect();
    let items = columns
        .iter()
        .copied()
        .chain(extra.iter().map(String::as_str))
        .map(|column| SelectItem::ExprWithAlias {
            expr: build::call("lakegate_name", vec![build::null()]),
            alias: build::quoted(column),
        })
        .collect();
    let mut query = build::select(items)?;
    build::simple_select(&mut query)?.selection = Some(Expr::Value(
        datafusion::sql::sqlparser::ast::Value::Boolean(false).into(),
    ));
    let alias = alias
        .clone()
        .unwrap_or_else(|| build::alias(build::quoted(function), Vec::new()));
    Some(TableFactor::Derived {
        lateral: false,
        subquery: query,
        alias: Some(alias),
        sample: None,
    })
}

fn from_unnest(arrays: &[Expr], alias: &Option<TableAlias>, with_ordinality: bool) -> Option<TableFactor> {
    let items = arrays
        .iter()
        .map(|array| build::call("unnest", vec![array.clone()]))
        .collect();
    set_of("unnest", items, alias, with_ordinality)
}

/// `(SELECT items) AS alias (columns)`: the columns are called like the function, or like the alias if there is one.
fn set_of(function: &str, items: Vec<Expr>, alias: &Option<TableAlias>, with_ordinality: bool) -> Option<TableFactor> {
    let name = alias
        .as_ref()
        .map_or_else(|| build::quoted(function), |alias| alias.name.clone());
    let mut columns: Vec<Ident> = alias
        .iter()
        .flat_map(|alias| &alias.columns)
        .map(|column| column.name.clone())
        .collect();
    let wanted = items.len() + usize::from(with_ordinality);
    for at in columns.len()..wanted {
        columns.push(match at {
            _ if with_ordinality && at == items.len() => build::quoted("ordinality"),
            0 if items.len() == 1 => name.clone(),
            _ => build::quoted(&format!("{function}\u{1}{at}")),
        });
    }
    let mut exprs = items;
    if with_ordinality {
        exprs.push(ordinality(&exprs)?);
    }
    let select = exprs.into_iter().zip(columns);
    let query = build::select(
        select
            .map(|(expr, alias)| SelectItem::ExprWithAlias { expr, alias })
            .collect(),
    )?;
    Some(TableFactor::Derived {
        lateral: false,
        subquery: query,
        alias: Some(build::alias(name, Vec::new())),
        sample: None,
    })
}

/// The numbers of the rows that `items` give: as many as the longest set has elements, unnested in step with them, so
/// that no order of execution can part a number from its row.
fn ordinality(items: &[Expr]) -> Option<Expr> {
    let mut lengths = Vec::with_capacity(items.len());
    for item in items {
        let Expr::Function(function) = item else { return None };
        lengths.push(match build::function_name(&function.name)?.as_str() {
            "unnest" => {
                let mut arguments = build::arguments(function)?;
                arguments.push(build::number("1"));
                build::call("array_length", arguments)
            }
            // A function that gives one value gives one row.
            _ => build::number("1"),
        });
    }
    let length = match <[Expr; 1]>::try_from(lengths) {
        Ok([length]) => length,
        Err(lengths) => build::call("greatest", lengths),
    };
    let numbers = build::call("generate_series", vec![build::number("1"), length]);
    Some(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(build::call("unnest", vec![numbers])),
        data_type: DataType::BigInt(None),
        array: false,
        format: None,
    })
}

/// Functions after the first relation of a FROM read the relations before them without the word LATERAL.
pub(super) fn mark_lateral(select: &mut Select) {
    for (at, table) in select.from.iter_mut().enumerate() {
        if at > 0 {
            mark(&mut table.relation);
        }
        table.joins.iter_mut().for_each(|join| mark(&mut join.relation));
    }
}

fn mark(factor: &mut TableFactor) {
    let (name, args, with_ordinality, alias) = match factor {
        TableFactor::Table {
            name,
            args: Some(arguments),
            with_ordinality,
            alias,
            ..
        } => (name.clone(), arguments.args.clone(), *with_ordinality, alias.clone()),
        TableFactor::UNNEST {
            array_exprs,
            with_ordinality,
            alias,
            ..
        } => {
            let arrays = array_exprs.iter().cloned();
            let args = arrays.map(|array| FunctionArg::Unnamed(FunctionArgExpr::Expr(array)));
            let name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new("unnest"))]);
            (name, args.collect(), *with_ordinality, alias.clone())
        }
        TableFactor::Function { lateral, args, .. } => {
            *lateral = reads_columns(args);
            if *lateral {
                call_arrays(args);
            }
            return;
        }
        _ => return,
    };
    if reads_columns(&args) {
        let mut args = args;
        call_arrays(&mut args);
        *factor = TableFactor::Function {
            lateral: true,
            name,
            args,
            with_ordinality,
            alias,
        };
    }
}

/// Makes `ARRAY[…]` a call: in the literal DataFusion does not find columns of the relations before.
fn call_arrays(arguments: &mut [FunctionArg]) {
    struct Caller;
    impl VisitorMut for Caller {
        type Break = ();
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Array(array) = expr {
                *expr = build::call("make_array", array.elem.clone());
            }
            ControlFlow::Continue(())
        }
    }
    for argument in arguments {
        let _ = VisitMut::visit(argument, &mut Caller);
    }
}

fn reads_columns(arguments: &[FunctionArg]) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) if super::calls::keyword(ident).is_none() => ControlFlow::Break(()),
                Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    arguments.iter().any(|argument| argument.visit(&mut Finder).is_break())
}
