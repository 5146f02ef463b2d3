//! What of the catalog a statement reads, found on the syntax tree, so that nothing more is collected.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, Query, SelectItem, SetExpr,
    Statement, TableFactor, TypedString, Value, Visit, Visitor,
};

use super::relation;

/// What of the user's objects must be known to plan and run a statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CatalogNeeds {
    /// Databases, schemas, roles and the names of tables: in the [`CatalogSnapshot`](crate::CatalogSnapshot).
    pub objects: bool,
    /// Whose comments [`COMMENT_FUNCTIONS`] ask for.
    pub comments: Comments,
    /// Whether they ask for those of columns, too.
    pub of_columns: bool,
    /// The relations, by name or number, whose comments they ask for besides.
    pub commented: Vec<String>,
}

/// The tables whose comments must be known to [`COMMENT_FUNCTIONS`], in
/// [`SessionFacts::comments`](crate::SessionFacts::comments).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum Comments {
    /// None.
    #[default]
    Unused,
    /// Those that scans of `pg_class` and `pg_attribute` of the same statement give.
    OfScanned,
    /// All.
    OfAll,
}

/// The functions that give a comment on a table or column.
pub const COMMENT_FUNCTIONS: [&str; 2] = ["obj_description", "col_description"];

/// Functions that look objects up.
const LOOKUPS: [&str; 20] = [
    "to_regclass",
    "to_regnamespace",
    "to_regrole",
    "pg_get_userbyid",
    "pg_table_is_visible",
    "pg_get_viewdef",
    "has_table_privilege",
    "has_schema_privilege",
    "has_database_privilege",
    "has_any_column_privilege",
    "has_column_privilege",
    "pg_relation_size",
    "pg_total_relation_size",
    "pg_table_size",
    "format_type",
    "pg_has_role",
    "pg_get_serial_sequence",
    "pg_describe_object",
    "pg_identify_object",
    "pg_relation_is_updatable",
];

/// Says what of the catalog `statement` reads.
pub fn needs_catalog(statement: &Statement) -> CatalogNeeds {
    let mut finder = Finder::default();
    let _ = statement.visit(&mut finder);
    if finder.found.comments == Comments::OfScanned && finder.renames {
        finder.found.comments = Comments::OfAll;
    }
    finder.found
}

/// The columns of `pg_class` and `pg_attribute` that tell the table. A statement that takes its tables from there knows
/// their comments once it has read them.
const SCANNED: [&str; 2] = ["oid", "attrelid"];

#[derive(Default)]
struct Finder {
    found: CatalogNeeds,
    /// Something else may have a name of [`SCANNED`].
    renames: bool,
}

impl Visitor for Finder {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
        let (schema, table) = match parts.as_slice() {
            [table] => ("pg_catalog", table),
            [.., schema, table] => (schema.as_str(), table),
            [] => return ControlFlow::Continue(()),
        };
        match relation::find(schema, table) {
            Some(_) => self.found.objects = true,
            None => self.renames = true,
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        // Columns get their names from an item's alias, from the first side of a set operation, or from outside.
        self.renames |= query.with.is_some();
        match &*query.body {
            SetExpr::Select(select) => self.renames |= select.projection.iter().any(renames),
            SetExpr::Query(_) => {}
            _ => self.renames = true,
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.renames |= match factor {
            TableFactor::Table { alias, args: None, .. } | TableFactor::Derived { alias, .. } => {
                alias.as_ref().is_some_and(|alias| !alias.columns.is_empty())
            }
            TableFactor::NestedJoin { alias, .. } => alias.is_some(),
            _ => true,
        };
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => {
                let name = function
                    .name
                    .0
                    .last()
                    .and_then(|part| part.as_ident())
                    .map(folded)
                    .unwrap_or_default();
                self.found.objects |= LOOKUPS.contains(&name.as_str());
                if COMMENT_FUNCTIONS.contains(&name.as_str()) {
                    self.found.objects = true;
                    self.comments(function, name == "col_description");
                }
            }
            Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. }) => {
                self.found.objects |= is_object_type(data_type);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Finder {
    /// What a call of one of [`COMMENT_FUNCTIONS`] asks for.
    fn comments(&mut self, function: &Function, of_columns: bool) {
        let table = argument(function, 0);
        let class = argument(function, 1).and_then(constant);
        // No other class of objects has comments here.
        if !of_columns && class.is_some_and(|class| class != "pg_class") {
            return;
        }
        self.found.of_columns |= of_columns;
        let comments = match (table, table.and_then(constant)) {
            (_, Some(named)) => {
                self.found.commented.push(named);
                Comments::Unused
            }
            (Some(table), None) if last_name(table).is_some_and(|name| SCANNED.contains(&name.as_str())) => {
                Comments::OfScanned
            }
            _ => Comments::OfAll,
        };
        self.found.comments = self.found.comments.max(comments);
    }
}

fn argument(function: &Function, at: usize) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    match list.args.get(at) {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))) => Some(argument),
        _ => None,
    }
}

/// The name of a column, without its table's.
fn last_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        _ => None,
    }
}

/// Whether an item of a SELECT gives a name of [`SCANNED`] to something else.
fn renames(item: &SelectItem) -> bool {
    match item {
        SelectItem::ExprWithAlias { expr, alias } => {
            let alias = folded(alias);
            SCANNED.contains(&alias.as_str()) && last_name(expr).as_ref() != Some(&alias)
        }
        // A cast is called by its type.
        SelectItem::UnnamedExpr(Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. })) => {
            data_type.to_string().to_lowercase().ends_with("oid")
        }
        SelectItem::ExprWithAliases { .. } => true,
        _ => false,
    }
}

/// The text of a constant, whatever it is cast to.
fn constant(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Cast { expr, .. } => constant(expr),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::Number(text, _) => Some(text.clone()),
            _ => None,
        },
        Expr::TypedString(typed) => constant(&Expr::Value(typed.value.clone())),
        _ => None,
    }
}

fn folded(ident: &datafusion::sql::sqlparser::ast::Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}

/// `regclass` and its kin, and arrays of them.
fn is_object_type(data_type: &DataType) -> bool {
    let text = data_type.to_string().to_lowercase();
    ["regclass", "regnamespace", "regrole"]
        .iter()
        .any(|name| text.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Limits, parse};

    #[test]
    fn functions_say_whose_comments_they_need() {
        use Comments::{OfAll, OfScanned, Unused};
        for (sql, comments, of_columns) in [
            ("SELECT relname FROM pg_catalog.pg_class c", Unused, false),
            (
                "SELECT pg_catalog.obj_description(c.oid, 'pg_class') FROM pg_class c JOIN pg_namespace n ON true",
                OfScanned,
                false,
            ),
            (
                "SELECT obj_description(n.oid, 'pg_namespace') FROM pg_namespace n",
                Unused,
                false,
            ),
            ("SELECT obj_description('t'::regclass, 'pg_class')", Unused, false),
            ("SELECT col_description('t'::regclass, 1)", Unused, true),
            (
                "SELECT x.d FROM (SELECT obj_description(oid) AS d, oid AS oid FROM pg_class) x",
                OfScanned,
                false,
            ),
            (
                "SELECT col_description(a.attrelid, a.attnum) FROM pg_attribute a WHERE a.attrelid = '1'",
                OfScanned,
                true,
            ),
            (
                "SELECT col_description(c.oid, 1), obj_description(oid, $1) FROM pg_class c",
                OfScanned,
                true,
            ),
            (
                "SELECT col_description(attrelid, 1), col_description(1 + 1, 1) FROM pg_attribute",
                OfAll,
                true,
            ),
            // What is called so is not what a scan gives.
            (
                "SELECT obj_description(oid) FROM (SELECT typrelid AS oid FROM pg_type) x",
                OfAll,
                false,
            ),
            (
                "SELECT obj_description(oid) FROM (SELECT typrelid FROM pg_type) x (oid)",
                OfAll,
                false,
            ),
            ("SELECT obj_description(oid) FROM pg_type x (oid)", OfAll, false),
            ("SELECT obj_description(oid) FROM unnest(array[1]) oid", OfAll, false),
            (
                "SELECT obj_description(oid) FROM generate_series(1, 2) AS oid",
                OfAll,
                false,
            ),
            (
                "WITH x(oid) AS (SELECT typrelid FROM pg_type) SELECT obj_description(oid) FROM x",
                OfAll,
                false,
            ),
            (
                "SELECT obj_description(oid) FROM (SELECT oid FROM pg_proc UNION SELECT typrelid FROM pg_type) x",
                OfAll,
                false,
            ),
            ("SELECT obj_description(oid) FROM (SELECT '16400'::oid) x", OfAll, false),
            ("SELECT obj_description(oid) FROM (VALUES (1)) x (oid)", OfAll, false),
            ("SELECT obj_description(oid) FROM trips, pg_class", OfAll, false),
        ] {
            let Command::Query(statement) = parse(sql, &Limits::default()).unwrap().remove(0).command else {
                panic!("{sql}")
            };
            let needs = needs_catalog(&statement);
            assert!(needs.objects, "{sql}");
            assert_eq!((needs.comments, needs.of_columns), (comments, of_columns), "{sql}");
            let named: &[&str] = if sql.contains("'t'") { &["t"] } else { &[] };
            assert_eq!(needs.commented, named, "{sql}");
        }
    }
}
