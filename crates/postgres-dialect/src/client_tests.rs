//! Statements of real clients over a plain DataFusion session with the system relations and functions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::{
    CatalogSnapshot, Command, DatabaseEntry, Limits, RelationKind, RoleEntry, SchemaEntry, SessionFacts, TableEntry,
};

fn snapshot() -> Arc<CatalogSnapshot> {
    let table = |name: &str, kind: RelationKind, fields: Vec<Field>| {
        let mut entry = TableEntry::new(name, kind);
        entry.columns = Some(Arc::new(Schema::new(fields)));
        entry
    };
    let id = || Field::new("id", DataType::Int32, false);
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let mut customers = table(
        "customers",
        RelationKind::Table,
        vec![
            id(),
            text("name"),
            text("email"),
            Field::new(
                "created_at",
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                true,
            ),
        ],
    );
    customers.comment = Some("who buys".into());
    let tables = vec![
        customers,
        table(
            "orders",
            RelationKind::Table,
            vec![id(), Field::new("total", DataType::Decimal128(10, 2), true)],
        ),
        table(
            "order_items",
            RelationKind::Table,
            vec![id(), Field::new("qty", DataType::Int16, true)],
        ),
        table(
            "all_types",
            RelationKind::Table,
            vec![id(), Field::new("payload", DataType::Binary, true)],
        ),
        table("v_orders", RelationKind::View, vec![id()]),
    ];
    CatalogSnapshot::new(
        vec![
            DatabaseEntry { name: "salesdb".into() },
            DatabaseEntry { name: "lake".into() },
        ],
        vec![
            SchemaEntry {
                name: "sales".into(),
                tables,
            },
            SchemaEntry {
                name: "public".into(),
                tables: Vec::new(),
            },
        ],
        vec![
            RoleEntry {
                name: "ana".into(),
                superuser: false,
                login: true,
                member_of: vec!["analyst".into()],
            },
            RoleEntry {
                name: "analyst".into(),
                superuser: false,
                login: false,
                member_of: Vec::new(),
            },
        ],
    )
}

fn facts() -> Arc<SessionFacts> {
    let mut facts = SessionFacts::new("ana", "salesdb");
    facts.catalog = snapshot();
    facts.search_path = vec!["sales".into(), "public".into()];
    facts.process_id = 42;
    Arc::new(facts)
}

fn context(facts: &Arc<SessionFacts>) -> SessionContext {
    let config = SessionConfig::new()
        .with_default_catalog_and_schema("salesdb", "sales")
        .with_create_default_catalog_and_schema(false)
        .with_target_partitions(1);
    let context = SessionContext::new_with_config(config);
    let catalog = MemoryCatalogProvider::new();
    for schema in ["pg_catalog", "information_schema", "sales", "public"] {
        catalog
            .register_schema(schema, Arc::new(MemorySchemaProvider::new()))
            .unwrap();
    }
    for (schema, table) in crate::system_table_names().chain([("pg_catalog", "pg_get_keywords")]) {
        let batch = crate::system_batch(schema, table, &facts.catalog, facts)
            .unwrap()
            .unwrap();
        let provider = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
        catalog
            .schema(schema)
            .unwrap()
            .register_table(table.into(), Arc::new(provider))
            .unwrap();
    }
    for (_, _, schema, table) in facts.catalog.tables() {
        let columns = table.columns.clone().unwrap();
        let provider = MemTable::try_new(columns, vec![vec![]]).unwrap();
        catalog
            .schema(&schema.name)
            .unwrap()
            .register_table(table.name.clone(), Arc::new(provider))
            .unwrap();
    }
    context.register_catalog("salesdb", Arc::new(catalog));
    for function in crate::scalar_functions()
        .into_iter()
        .chain(crate::session_functions(facts))
    {
        context.register_udf(function.as_ref().clone());
    }
    for function in crate::aggregate_functions() {
        context.register_udaf(function.as_ref().clone());
    }
    context
}

async fn plan(context: &SessionContext, facts: &Arc<SessionFacts>, command: Command) -> Result<LogicalPlan, String> {
    let Command::Query(mut statement) = command else {
        return Err("no query".into());
    };
    crate::rewrite(&mut statement, facts).map_err(|error| format!("rewrite: {error}"))?;
    let text = statement.to_string();
    let state = context.state();
    let plan = state
        .statement_to_plan(datafusion::sql::parser::Statement::Statement(statement))
        .await
        .map_err(|error| format!("plan: {}\n      {text}", error.strip_backtrace()))?;
    let plan = crate::resolve_unknowns(plan).map_err(|error| format!("resolve: {error}"))?;
    crate::show_object_names(plan, facts).map_err(|error| format!("show: {error}"))
}

async fn run(context: &SessionContext, plan: LogicalPlan) -> Result<Vec<RecordBatch>, String> {
    let frame = context
        .execute_logical_plan(plan)
        .await
        .map_err(|error| format!("execute: {error}"))?;
    frame
        .collect()
        .await
        .map_err(|error| format!("run: {}", error.strip_backtrace()))
}

/// The rows of one query as text: columns and rows joined by `|` and line ends.
async fn rows(sql: &str) -> (Vec<String>, Vec<String>) {
    let facts = facts();
    let context = context(&facts);
    let statement = crate::parse(sql, &Limits::default()).unwrap().remove(0);
    let plan = plan(&context, &facts, statement.command)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let names = plan
        .schema()
        .fields()
        .iter()
        .map(|field| crate::display_name(field.name()).to_owned())
        .collect();
    let batches = run(&context, plan)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let options = datafusion::arrow::util::display::FormatOptions::default();
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| datafusion::arrow::util::display::ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            lines.push(
                columns
                    .iter()
                    .map(|column| column.value(row).to_string())
                    .collect::<Vec<_>>()
                    .join("|"),
            );
        }
    }
    (names, lines)
}

fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("LAKEGATE_CONFORMANCE_DATA")
        .map_or(beside, PathBuf::from)
        .join("pg_clients");
    folder.is_dir().then_some(folder)
}

/// Prints, for every recorded client, how many of its statements parse, plan and run.
#[tokio::test]
async fn scoreboard() {
    let Some(folder) = corpus() else {
        println!("skipped: the recorded client statements are not there");
        return;
    };
    let facts = facts();
    let context = context(&facts);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .chain(std::fs::read_dir(folder.join("source_read")).into_iter().flatten())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('_'))
        .collect();
    files.sort();
    let (mut all, mut good) = (0, 0);
    let mut failures: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for file in files {
        let (mut total, mut ran) = (0, 0);
        let client = file.file_stem().unwrap().to_string_lossy().into_owned();
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            if record["category"] == "data" || !record["error"].is_null() {
                continue;
            }
            let Some(sql) = record["sql"].as_str() else { continue };
            total += 1;
            match one(&context, &facts, sql, &record).await {
                Ok(()) => ran += 1,
                Err(error) => {
                    let key: String = format!("{client}: {error}")
                        .lines()
                        .next()
                        .unwrap_or_default()
                        .chars()
                        .take(150)
                        .collect();
                    let shown: String = sql.chars().take(1500).collect();
                    let entry = failures
                        .entry(key)
                        .or_insert_with(|| (0, format!("{client}: {shown}\n   {error}")));
                    entry.0 += 1;
                }
            }
        }
        println!("scoreboard pg_clients({client}): {ran} of {total}");
        (all, good) = (all + total, good + ran);
    }
    println!("scoreboard pg_clients: {good} of {all}");
    if std::env::var_os("LAKEGATE_SHOW_FAILURES").is_some() {
        let mut sorted: Vec<_> = failures.into_iter().collect();
        sorted.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (key, (count, example)) in sorted {
            println!("FAIL {count} x {key}\n   {example}");
        }
    }
    assert!(good * 10 >= all * 8, "fewer than 8 of 10 statements run");
}

async fn one(
    context: &SessionContext,
    facts: &Arc<SessionFacts>,
    sql: &str,
    record: &serde_json::Value,
) -> Result<(), String> {
    let statements = crate::parse(sql, &Limits::default()).map_err(|error| format!("parse: {error:?}"))?;
    for statement in statements {
        match statement.command {
            command @ Command::Query(_) => {
                let mut planned = plan(context, facts, command).await?;
                if statement.parameters > 0 {
                    let parameters = planned.get_parameter_fields().map_err(|error| error.to_string())?;
                    let texts = record["params"].as_array().cloned().unwrap_or_default();
                    let mut values = Vec::new();
                    for number in 1..=statement.parameters {
                        let wanted = parameters
                            .get(&format!("${number}"))
                            .and_then(|field| field.as_ref())
                            .map_or(DataType::Utf8, |field| field.data_type().clone());
                        let oid = record["resolved_param_oids"]
                            .as_array()
                            .or(record["param_oids"].as_array())
                            .and_then(|oids| oids.get(number - 1)?.as_u64());
                        let array = oid.and_then(|oid| crate::format_type(u32::try_from(oid).ok()?, None));
                        if array.is_some_and(|name| name.ends_with("[]")) {
                            let text = matches!(oid, Some(1002 | 1003 | 1009 | 1015));
                            let element = if text { DataType::Utf8 } else { DataType::Int64 };
                            let list = DataType::List(Arc::new(Field::new_list_field(element, true)));
                            values.push(ScalarValue::try_from(&list).unwrap());
                            continue;
                        }
                        let text = texts.get(number - 1).and_then(|text| text.as_str()).map(str::to_owned);
                        let text = text
                            .filter(|text| !text.starts_with("hex:"))
                            .unwrap_or_else(|| "1".into());
                        let value = ScalarValue::Utf8(Some(text));
                        values.push(
                            value
                                .cast_to(&wanted)
                                .unwrap_or(ScalarValue::try_from(&wanted).unwrap()),
                        );
                    }
                    planned = planned
                        .with_param_values(values)
                        .map_err(|error| format!("bind: {error}"))?;
                }
                run(context, planned).await?;
            }
            Command::Other { tag, .. } => return Err(format!("other: {tag}")),
            _ => {}
        }
    }
    Ok(())
}

#[tokio::test]
async fn functions_and_names() {
    let cases = [
        ("select current_schema()", "current_schema", "sales"),
        (
            "select current_user, current_database()",
            "current_user,current_database",
            "ana|salesdb",
        ),
        (
            "SELECT pg_catalog.current_setting('server_version_num')::int/100 as v",
            "v",
            "1500",
        ),
        ("select 1, 2", "?column?,?column?", "1|2"),
        ("select 'pg_class'::regclass::oid", "oid", "1259"),
        ("select 'pg_class'::regclass", "regclass", "pg_class"),
        ("select 'sales.orders'::regclass::text", "text", "orders"),
        ("select 23::regtype, 'int8'::regtype::oid", "regtype,oid", "integer|20"),
        (
            "select 'a' = any('{a,b}'), 3 = any('{1,2}'::int[])",
            "?column?,?column?",
            "true|false",
        ),
        ("select 'x' <> all ('{a,b}')", "?column?", "true"),
        ("select * from current_schema()", "current_schema", "sales"),
        ("select x from generate_series(1,2) as g(x)", "x", "1\n2"),
        (
            "select * from unnest(array['a','b']) with ordinality as t(v, n)",
            "v,n",
            "a|1\nb|2",
        ),
        (
            "select format('%I.%I = %L', 'a b', 'c', 'it''s')",
            "format",
            "\"a b\".c = 'it''s'",
        ),
        (
            "select quote_ident('select'), quote_literal('x')",
            "quote_ident,quote_literal",
            "\"select\"|'x'",
        ),
        (
            "select pg_size_pretty(10240), pg_size_pretty(12345678)",
            "pg_size_pretty,pg_size_pretty",
            "10 kB|12 MB",
        ),
        (
            "select to_char(timestamp '2024-03-05 14:07:09', 'YYYY-MM-DD HH24:MI:SS')",
            "to_char",
            "2024-03-05 14:07:09",
        ),
        (
            "select to_char(date '2024-03-05', 'FMDay, DDth Mon YYYY')",
            "to_char",
            "Tuesday, 05th Mar 2024",
        ),
        (
            "select json_build_object('a', 1, 'b', 'x')",
            "json_build_object",
            "{\"a\" : 1, \"b\" : \"x\"}",
        ),
        (
            "select array(select oid from pg_type where typname in ('int4','int8') order by oid)",
            "array",
            "[20, 23]",
        ),
        (
            "select 'abc' operator(pg_catalog.~) '^(abc)$' collate pg_catalog.default as m",
            "m",
            "true",
        ),
        (
            "select format_type(1700, 655366), format_type(25, -1)",
            "format_type,format_type",
            "numeric(10,2)|text",
        ),
        (
            "select a isnull as n from (values (null), ('x')) v(a)",
            "n",
            "true\nfalse",
        ),
        ("select 'a'\n'b' as t", "t", "ab"),
        ("table sales.v_orders", "id", ""),
        (
            "select mod(7, 3), div(7, 3), pg_typeof(1::int8)",
            "mod,div,pg_typeof",
            "1|2|bigint",
        ),
        (
            "select typreceive from pg_type where typname = 'int4'",
            "typreceive",
            "int4recv",
        ),
        ("select e'a\\tb' as t", "t", "a\tb"),
        ("select set_config('TimeZone', 'UTC', false)", "set_config", "UTC"),
        (
            "select 1 as n from (values (true, array[1,2])) x(v, w) where v = 't' and w = '{1,2}'",
            "n",
            "1",
        ),
        (
            "select 'a/b' like 'a//b' escape '/', 'a%' like 'a/%' escape '/', 'ab' like 'a/%' escape '/'",
            "?column?,?column?,?column?",
            "true|true|false",
        ),
        (
            "select exists (select 1 from pg_class where relname = 'pg_class')",
            "exists",
            "true",
        ),
        (
            "select l.tableoid, l.lanname from pg_language l where l.oid = 12",
            "tableoid,lanname",
            "2612|internal",
        ),
        (
            "select word from pg_get_keywords() where word = 'select'",
            "word",
            "select",
        ),
        (
            "select array_upper(array[1,2,3], 1), (current_schemas(true))[1]",
            "array_upper,current_schemas",
            "3|pg_catalog",
        ),
    ];
    for (sql, names, lines) in cases {
        let (found_names, found) = rows(sql).await;
        assert_eq!(found_names.join(","), names, "{sql}");
        assert_eq!(found.join("\n"), lines, "{sql}");
    }
}

/// What psql sends for `\dt`, `\dn`, `\l` and `\d`, in our own words.
#[tokio::test]
async fn psql_listings() {
    let (names, found) = rows(
        "SELECT n.nspname as \"Schema\", c.relname as \"Name\",
           CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END as \"Type\",
           pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\"
         FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
         WHERE c.relkind IN ('r','p','v','') AND n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast'
           AND n.nspname <> 'information_schema' AND pg_catalog.pg_table_is_visible(c.oid)
         ORDER BY 1,2",
    )
    .await;
    assert_eq!(names, ["Schema", "Name", "Type", "Owner"]);
    assert_eq!(found.len(), 5);
    assert_eq!(found[0], "sales|all_types|table|lakegate");
    assert_eq!(found[4], "sales|v_orders|view|lakegate");

    let (_, found) =
        rows("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1")
            .await;
    assert_eq!(found, ["public", "sales"]);

    let (_, found) = rows("SELECT d.datname, pg_encoding_to_char(d.encoding) FROM pg_database d ORDER BY 1").await;
    assert_eq!(found, ["lake|UTF8", "salesdb|UTF8"]);

    let (_, found) = rows(
        "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
           (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d
            WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
           a.attnotnull
         FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = 'sales.orders'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
    )
    .await;
    assert_eq!(found, ["id|integer||true", "total|numeric(10,2)||false"]);

    let (_, found) = rows("SELECT obj_description('customers'::regclass, 'pg_class')").await;
    assert_eq!(found, ["who buys"]);
}

#[tokio::test]
async fn a_scalar_subquery_with_two_rows_is_an_error() {
    let facts = facts();
    let context = context(&facts);
    let sql = "select (select t.typname from pg_type t where t.typlen = s.n) from (values (4)) s(n)";
    let statement = crate::parse(sql, &Limits::default()).unwrap().remove(0);
    let plan = plan(&context, &facts, statement.command).await.unwrap();
    let error = run(&context, plan).await.unwrap_err();
    assert!(error.contains("more than one row"), "{error}");
}

/// Names given to output columns change no meaning of GROUP BY, HAVING and ORDER BY.
#[tokio::test]
async fn named_columns_still_sort_and_group() {
    let from = "from (values (1, 'b', 2.5), (2, 'a', 1.5), (3, 'a', 4.0)) t(k, s, v)";
    for (query, lines) in [
        ("select count(*) FROM order by count(*)", "3"),
        ("select k + 1 FROM group by k + 1 order by k + 1 desc", "4\n3\n2"),
        (
            "select s, sum(k) FROM group by s having sum(k) > 1 order by sum(k) desc",
            "a|5",
        ),
        ("select distinct upper(s) FROM order by upper(s)", "A\nB"),
        ("select upper(s) FROM group by s order by s", "A\nB"),
        ("select s, max(k) as k FROM group by s order by max(k)", "b|1\na|3"),
        ("select k::text FROM order by k desc limit 1", "3"),
        ("select max(k) FROM group by s order by 1", "1\n3"),
        ("select mod(k, 2), k % 2 FROM order by k", "1|1\n0|0\n1|1"),
        (
            "select s, row_number() over (partition by s order by k) FROM order by 1, 2",
            "a|1\na|2\nb|1",
        ),
        ("select x.max from (select max(k) FROM) x", "3"),
        (
            "select case when k > 1 then 'x' end, case when k > 2 then 'y' end FROM order by k",
            "|\nx|\nx|y",
        ),
        ("select k FROM union all select 9 order by 1 desc limit 2", "9\n3"),
        (
            "with w as (select s, count(*) FROM group by s) select s, count from w order by count",
            "b|1\na|2",
        ),
        ("select t.*, k FROM where k = 1", "1|b|2.5|1"),
        (
            "select coalesce(null, s), exists (select 1 from pg_type p where p.typname = t.s) FROM where k = 1",
            "b|false",
        ),
        (
            "select (select count(*) from pg_type p where p.typlen = t.k and p.typname = 'bool') FROM order by k",
            "1\n0\n0",
        ),
    ] {
        let sql = query.replace("FROM", from);
        let (_, found) = rows(&sql).await;
        assert_eq!(found.join("\n"), lines, "{sql}");
    }
}
