//! What of the catalog a statement reads, found on the syntax tree, so that nothing more is collected.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{DataType, Expr, ObjectName, Statement, Visit, Visitor};

use super::{needs_columns, relation};

/// What of the user's objects must be in the [`CatalogSnapshot`](crate::CatalogSnapshot) to plan and run a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CatalogNeeds {
    /// Databases, schemas, roles and the names of tables.
    pub objects: bool,
    /// The columns of the tables, too.
    pub columns: bool,
}

/// Functions that look objects up.
const LOOKUPS: [&str; 20] = [
    "to_regclass",
    "to_regnamespace",
    "to_regrole",
    "pg_get_userbyid",
    "pg_table_is_visible",
    "obj_description",
    "pg_get_viewdef",
    "has_table_privilege",
    "has_schema_privilege",
    "has_database_privilege",
    "has_any_column_privilege",
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
    if finder.counts_columns && !finder.found.columns {
        finder.found.columns = may_show_their_number(statement);
    }
    finder.found
}

/// Whether a statement that reads `pg_class` may show how many columns a table has: opening every table of a large
/// catalog for a list of names would take minutes.
fn may_show_their_number(statement: &Statement) -> bool {
    let text = statement.to_string().to_lowercase();
    text.contains("relnatts") || text.contains('*') || text.contains("table ")
}

#[derive(Default)]
struct Finder {
    found: CatalogNeeds,
    /// `pg_class` is read, whose `relnatts` is all that it says of columns.
    counts_columns: bool,
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
        if relation::find(schema, table).is_some() {
            self.found.objects = true;
            match (schema, table.as_str()) {
                ("pg_catalog", "pg_class") => self.counts_columns = true,
                _ => self.found.columns |= needs_columns(schema, table),
            }
        }
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
                if matches!(
                    name.as_str(),
                    "col_description" | "has_column_privilege" | "has_any_column_privilege"
                ) {
                    self.found = CatalogNeeds {
                        objects: true,
                        columns: true,
                    };
                }
            }
            Expr::Cast { data_type, .. }
            | Expr::TypedString(datafusion::sql::sqlparser::ast::TypedString { data_type, .. }) => {
                self.found.objects |= is_object_type(data_type);
            }
            _ => {}
        }
        ControlFlow::Continue(())
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
    fn names_alone_open_no_table() {
        for (sql, columns) in [
            ("SELECT relname FROM pg_catalog.pg_class c", false),
            (
                "SELECT c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace",
                false,
            ),
            ("SELECT relname, relnatts FROM pg_class", true),
            ("SELECT * FROM pg_class", true),
            ("TABLE pg_class", true),
            (
                "SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid",
                true,
            ),
        ] {
            let Command::Query(statement) = parse(sql, &Limits::default()).unwrap().remove(0).command else {
                panic!("{sql}")
            };
            let needs = needs_catalog(&statement);
            assert_eq!((needs.objects, needs.columns), (true, columns), "{sql}");
        }
    }
}
