//! Compares rules with what exists: a name that nothing answers to is allowed (a table may come later), and most often
//! a misspelling that hides what should be seen. So it is worth a warning, never an error.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::{Error, Identity, QueryContext, Result, TableName, TableVersion};
use datafusion::catalog::TableProvider;
use engine::{AccessConfig, Engine};
use federation::{Source, SourceTable};
use futures::stream::{self, StreamExt as _};
use policy::{RuleScope, Rules};

/// How long all sources together may take to tell what they have.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Tables opened at the same time.
const OPENING_MAX: usize = 8;

/// Something in the rules or the users that nothing answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Warning {
    fn new(message: String) -> Self {
        Self { message, hint: None }
    }

    /// A name that does not exist, with the one that was probably meant.
    fn unknown<'n>(message: String, name: &str, existing: impl IntoIterator<Item = &'n str>) -> Self {
        let hint = nearest(name, existing).map(|near| format!("Perhaps \"{near}\" is meant."));
        Self { message, hint }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, ". {hint}"),
            None => Ok(()),
        }
    }
}

/// The existing name that differs from `name` by a slip of the fingers, if there is one.
fn nearest<'n>(name: &str, existing: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    let lower = name.to_lowercase();
    let distances = existing
        .into_iter()
        .map(|other| (strsim::damerau_levenshtein(&other.to_lowercase(), &lower), other));
    let (_, found) = distances.filter(|(distance, _)| *distance <= allowed).min()?;
    Some(found)
}

/// Everything in `access` that the engine's sources or the rules do not have. What a source does not tell is no warning
/// about the rules, but said too.
pub(crate) async fn compare(access: &AccessConfig, engine: &Engine) -> Vec<Warning> {
    let mut ctx = QueryContext::new(Arc::new(Identity::administrator("lakegate check")));
    ctx.deadline = Some(Instant::now() + TIMEOUT);
    let sources = engine.sources();
    let mut check = Check {
        rules: &access.rules,
        sources: &sources,
        engine,
        ctx,
        warnings: Vec::new(),
    };
    check.users(access);
    let tables = check.names().await;
    check.tables(tables).await;
    check.warnings
}

struct Check<'c> {
    rules: &'c Rules,
    sources: &'c [Arc<dyn Source>],
    engine: &'c Engine,
    ctx: QueryContext,
    warnings: Vec<Warning>,
}

impl Check<'_> {
    fn users(&mut self, access: &AccessConfig) {
        for user in &access.users {
            for role in user.roles.iter().filter(|role| !self.rules.has_role(role)) {
                let message = format!("user \"{}\" has the role \"{role}\", which no rule creates", user.name);
                self.warnings.push(Warning::unknown(message, role, self.rules.roles()));
            }
        }
    }

    /// Looks up catalogs, schemas and tables in listings; gives the tables that exist.
    async fn names(&mut self) -> BTreeSet<TableName> {
        let rules = self.rules;
        let mut tables: BTreeSet<TableName> = rules.tables_named().into_iter().cloned().collect();
        let read: Vec<_> = tables.iter().flat_map(|table| rules.tables_read_by(table)).collect();
        tables.extend(read);

        let mut schemas: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for catalog in rules.catalogs_named() {
            schemas.entry(catalog.to_owned()).or_default();
        }
        let of_tables = tables
            .iter()
            .map(|table| (table.catalog.as_str(), table.schema.as_str()));
        for (catalog, schema) in rules.schemas_named().into_iter().chain(of_tables) {
            schemas.entry(catalog.to_owned()).or_default().insert(schema.to_owned());
        }

        let mut existing = BTreeSet::new();
        for (catalog, named) in schemas {
            let Some(source) = self.sources.iter().find(|source| source.name() == catalog) else {
                let message = format!("rules name the catalog \"{catalog}\", which no service provides");
                let names = self.sources.iter().map(|source| source.name());
                self.warnings.push(Warning::unknown(message, &catalog, names));
                continue;
            };
            let source = Arc::clone(source);
            match self.schema_names(&source, &tables, named).await {
                Ok(found) => existing.extend(found),
                Err(error) => self.silent(&format!("catalog \"{catalog}\""), &error),
            }
        }
        existing
    }

    async fn schema_names(
        &mut self,
        source: &Arc<dyn Source>,
        tables: &BTreeSet<TableName>,
        named: BTreeSet<String>,
    ) -> Result<Vec<TableName>> {
        let catalog = source.name();
        let schemas = self.ctx.race(source.schemas(&self.ctx)).await??;
        let mut existing = Vec::new();
        for schema in named {
            if !schemas.contains(&schema) {
                let message = format!("rules name the schema \"{catalog}.{schema}\", which does not exist");
                let names = schemas.iter().map(String::as_str);
                self.warnings.push(Warning::unknown(message, &schema, names));
                continue;
            }
            let listed = self.ctx.race(source.tables(&schema, &self.ctx)).await??;
            let here = |table: &&TableName| table.catalog == catalog && table.schema == schema;
            for table in tables.iter().filter(here) {
                if listed.iter().any(|other| other.name == table.table) {
                    existing.push(table.clone());
                    continue;
                }
                let message = format!("rules name the table \"{table}\", which does not exist");
                let names = listed.iter().map(|other| other.name.as_str());
                self.warnings.push(Warning::unknown(message, &table.table, names));
            }
        }
        Ok(existing)
    }

    /// Opens the tables, and tries columns, policies and masks on them.
    async fn tables(&mut self, tables: BTreeSet<TableName>) {
        let mut opened = HashMap::new();
        let (sources, ctx) = (self.sources, self.ctx.clone());
        let openings: Vec<_> = stream::iter(tables.iter().cloned())
            .map(|table| {
                let ctx = &ctx;
                async move {
                    let found = open(sources, &table, ctx).await;
                    (table, found)
                }
            })
            .buffered(OPENING_MAX)
            .collect()
            .await;
        for (table, found) in openings {
            match found {
                Ok(Some(found)) => {
                    opened.insert(table, Arc::clone(&found.provider));
                }
                // It went between listing and opening.
                Ok(None) => {}
                Err(error) => self.silent(&format!("table \"{table}\""), &error),
            }
        }
        for table in &tables {
            if let Some(provider) = opened.get(table) {
                self.columns(table, provider);
                self.expressions(table, provider, &opened);
            }
        }
    }

    fn columns(&mut self, table: &TableName, provider: &Arc<dyn TableProvider>) {
        let schema = provider.schema();
        for column in self.rules.columns_named(table) {
            if schema.field_with_name(column).is_err() {
                let message = format!("rules name the column \"{column}\" of table \"{table}\", which does not exist");
                let names = schema.fields().iter().map(|field| field.name().as_str());
                self.warnings.push(Warning::unknown(message, column, names));
            }
        }
    }

    fn expressions(
        &mut self,
        table: &TableName,
        provider: &Arc<dyn TableProvider>,
        opened: &HashMap<TableName, Arc<dyn TableProvider>>,
    ) {
        // What is wrong with another table is said there.
        if self
            .rules
            .tables_read_by(table)
            .iter()
            .any(|other| !opened.contains_key(other))
        {
            return;
        }
        let scope = RuleScope {
            state: self.engine.planning_state(),
            tables: opened,
        };
        for error in self
            .rules
            .check_table(table, provider, scope)
            .err()
            .into_iter()
            .flatten()
        {
            let hint = error.hint.clone();
            self.warnings.push(Warning {
                message: error.to_string(),
                hint,
            });
        }
    }

    fn silent(&mut self, what: &str, error: &Error) {
        let message = format!("rules were not compared with {what}: {}", error.message());
        self.warnings.push(Warning::new(message));
    }
}

async fn open(sources: &[Arc<dyn Source>], table: &TableName, ctx: &QueryContext) -> Result<Option<Arc<SourceTable>>> {
    match sources.iter().find(|source| source.name() == table.catalog) {
        Some(source) => ctx.race(source.table(table, TableVersion::Latest, ctx)).await?,
        None => Ok(None),
    }
}

/// Compares in the background and logs what is found. Aborting the task does no harm.
pub(crate) fn log_in_background(access: AccessConfig, engine: Engine) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        for warning in compare(&access, &engine).await {
            tracing::warn!("{warning}");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::{Origin, Setup};

    fn demo_in(folder: &std::path::Path) -> Origin {
        Origin {
            config: None,
            demo: true,
            data_dir: Some(folder.to_owned()),
            demo_scale: 0.001,
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_demo_has_no_warning_and_misspellings_have_one_each() {
        let folder = tempfile::tempdir().unwrap();
        let setup = Setup::load(&demo_in(folder.path()), &|_| {}).await.unwrap();
        let engine = setup.engine().unwrap();
        let mut access = setup.access(&setup.config).unwrap();
        assert_eq!(compare(&access, &engine).await, []);

        access.users.truncate(1);
        access.users[0].roles = vec!["drivr".to_owned()];
        let rules = "CREATE ROLE driver;
            GRANT SELECT ON sampels.logistics.shipments TO driver;
            GRANT SELECT ON ALL TABLES IN SCHEMA samples.logistic TO driver;
            GRANT SELECT ON samples.logistics.shipmnts TO driver;
            GRANT SELECT (shipment_id, sttus) ON samples.logistics.shipments TO driver;
            CREATE MASK m ON samples.logistics.riders (card_numbr) USING (NULL);
            CREATE POLICY p ON samples.logistics.trips USING (drivr_id = 1);
            CREATE POLICY q ON samples.logistics.shipments USING (driver_id IN (SELECT driver_id FROM nothing_like_it));";
        access.rules = policy::parse_rules(&[("a.sql".to_owned(), rules.to_owned())]).unwrap();
        let warnings = compare(&access, &engine).await;
        let found: Vec<String> = warnings.iter().map(Warning::to_string).collect();
        for expected in [
            "user \"dana\" has the role \"drivr\", which no rule creates. Perhaps \"driver\" is meant.",
            "rules name the catalog \"sampels\", which no service provides. Perhaps \"samples\" is meant.",
            "rules name the schema \"samples.logistic\", which does not exist. Perhaps \"logistics\" is meant.",
            "rules name the table \"samples.logistics.shipmnts\", which does not exist. Perhaps \"shipments\" is meant.",
            "rules name the table \"samples.logistics.nothing_like_it\", which does not exist",
            "rules name the column \"sttus\" of table \"samples.logistics.shipments\", which does not exist. Perhaps \"status\" is meant.",
        ] {
            assert!(
                found.iter().any(|warning| warning == expected),
                "{expected}\n{found:#?}"
            );
        }
        for (place, column) in [("a.sql:6:", "card_numbr"), ("a.sql:7:", "drivr_id")] {
            let told = |warning: &String| warning.starts_with(place) && warning.contains(column);
            assert!(found.iter().any(told), "{place} {column}\n{found:#?}");
        }
        assert_eq!(found.len(), 8, "{found:#?}");
    }

    #[test]
    fn only_near_names_are_offered() {
        let names = ["trips", "riders", "Shipments"];
        assert_eq!(nearest("trip", names), Some("trips"));
        assert_eq!(nearest("shipments", names), Some("Shipments"));
        assert_eq!(nearest("zones", names), None);
        assert_eq!(nearest("", names), None);
    }
}
