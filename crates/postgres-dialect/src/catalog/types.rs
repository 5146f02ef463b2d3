//! PostgreSQL's types: facts, and how they and Arrow's stand for each other.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};

/// The field metadata key that names a column's PostgreSQL type where Arrow's type does not say it: `oid`, `name`,
/// `char` (the one-byte type), `regproc`, `_text` … as `pg_type.typname` spells it.
pub const PG_TYPE_METADATA: &str = "lakegate.pg_type";

/// A row of `pg_type`.
#[derive(Debug)]
pub(crate) struct TypeFact {
    pub(crate) oid: u32,
    pub(crate) name: &'static str,
    pub(crate) namespace: u32,
    pub(crate) length: i16,
    pub(crate) by_value: bool,
    pub(crate) kind: &'static str,
    pub(crate) element: u32,
    pub(crate) array: u32,
    pub(crate) align: &'static str,
    pub(crate) storage: &'static str,
    pub(crate) base: u32,
    pub(crate) collation: u32,
}

#[derive(Debug)]
struct Types {
    list: Vec<TypeFact>,
    by_oid: HashMap<u32, usize>,
    by_name: HashMap<&'static str, usize>,
}

pub(crate) const TYPE_ROWS: &str = include_str!("../../data/pg_type.tsv");

pub(crate) fn by_oid(oid: u32) -> Option<&'static TypeFact> {
    let types = types();
    types.by_oid.get(&oid).and_then(|at| types.list.get(*at))
}

/// By `typname`, those of `pg_catalog` first.
pub(crate) fn by_name(name: &str) -> Option<&'static TypeFact> {
    let types = types();
    types.by_name.get(name).and_then(|at| types.list.get(*at))
}

fn types() -> &'static Types {
    static TYPES: OnceLock<Types> = OnceLock::new();
    TYPES.get_or_init(|| {
        let mut lines = TYPE_ROWS.lines();
        let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
        let place = |name: &str| header.iter().position(|own| *own == name).unwrap_or(usize::MAX);
        let places: [usize; 12] = [
            "oid",
            "typname",
            "typnamespace",
            "typlen",
            "typbyval",
            "typtype",
            "typelem",
            "typarray",
            "typalign",
            "typstorage",
            "typbasetype",
            "typcollation",
        ]
        .map(place);
        let mut list = Vec::new();
        for line in lines {
            let fields: Vec<&'static str> = line.split('\t').collect();
            let [
                oid,
                name,
                namespace,
                length,
                by_value,
                kind,
                element,
                array,
                align,
                storage,
                base,
                collation,
            ] = places.map(|at| fields.get(at).copied().unwrap_or_default());
            list.push(TypeFact {
                oid: oid.parse().unwrap_or_default(),
                name,
                namespace: namespace.parse().unwrap_or_default(),
                length: length.parse().unwrap_or_default(),
                by_value: by_value == "t",
                kind,
                element: element.parse().unwrap_or_default(),
                array: array.parse().unwrap_or_default(),
                align,
                storage,
                base: base.parse().unwrap_or_default(),
                collation: collation.parse().unwrap_or_default(),
            });
        }
        let by_oid = list.iter().enumerate().map(|(at, own)| (own.oid, at)).collect();
        let mut by_name = HashMap::new();
        for (at, own) in list.iter().enumerate() {
            let first = by_name.entry(own.name).or_insert(at);
            if own.namespace == super::snapshot::PG_CATALOG_OID
                && list.get(*first).is_some_and(|f| f.namespace != own.namespace)
            {
                *first = at;
            }
        }
        Types { list, by_oid, by_name }
    })
}

/// The Arrow field of a system relation's column. A domain is described by its base type, as on the wire.
pub(crate) fn field(name: &str, fact: &'static TypeFact) -> Field {
    let fact = base_of(fact);
    let data_type = arrow_type(fact);
    let field = Field::new(name, data_type, true);
    if type_oid_by_arrow(field.data_type()) == fact.oid {
        return field;
    }
    field.with_metadata(HashMap::from([(PG_TYPE_METADATA.to_owned(), fact.name.to_owned())]))
}

pub(crate) fn base_of(fact: &'static TypeFact) -> &'static TypeFact {
    if fact.kind == "d" {
        by_oid(fact.base).unwrap_or(fact)
    } else {
        fact
    }
}

/// The Arrow type that holds values of a PostgreSQL type in system relations.
pub(crate) fn arrow_type(fact: &TypeFact) -> DataType {
    match fact.name {
        "bool" => DataType::Boolean,
        "int2" => DataType::Int16,
        "int4" => DataType::Int32,
        "int8" => DataType::Int64,
        "float4" => DataType::Float32,
        "float8" => DataType::Float64,
        "numeric" => DataType::Decimal128(38, 0),
        "oid" | "xid" | "cid" | "regproc" | "regclass" | "regtype" | "regprocedure" | "regnamespace" | "regrole"
        | "regoper" | "regoperator" | "regconfig" | "regdictionary" | "regcollation" => DataType::UInt32,
        "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "interval" => DataType::Interval(IntervalUnit::MonthDayNano),
        "bytea" => DataType::Binary,
        "int2vector" => list_of(DataType::Int16),
        "oidvector" => list_of(DataType::UInt32),
        _ => match by_oid(fact.element) {
            Some(element) if fact.length == -1 && element.name != "pg_statistic" => list_of(arrow_type(element)),
            _ => DataType::Utf8,
        },
    }
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// The OID of the PostgreSQL type that a column has: what its metadata says, else what its Arrow type stands for.
pub fn type_oid(field: &Field) -> u32 {
    match field.metadata().get(PG_TYPE_METADATA).and_then(|name| by_name(name)) {
        Some(fact) => fact.oid,
        None => type_oid_by_arrow(field.data_type()),
    }
}

/// `typname` of the array type that a list is; `None` for what is no array to PostgreSQL, as lists of lists are unless
/// their field says that they are regular.
pub(crate) fn list_type_name(field: &Field) -> Option<&'static str> {
    let DataType::List(item) = field.data_type() else {
        return None;
    };
    let fact = match field.metadata().get(PG_TYPE_METADATA) {
        Some(name) => by_name(name)?,
        None if item.data_type().is_nested() => return None,
        None => by_oid(type_oid(field))?,
    };
    (fact.element != 0).then_some(fact.name)
}

fn type_oid_by_arrow(data_type: &DataType) -> u32 {
    match data_type {
        DataType::Boolean => 16,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => 21,
        DataType::Int32 | DataType::UInt16 => 23,
        DataType::Int64 | DataType::UInt32 => 20,
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => 1700,
        DataType::Float16 | DataType::Float32 => 700,
        DataType::Float64 => 701,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => 17,
        DataType::Date32 | DataType::Date64 => 1082,
        DataType::Timestamp(_, None) => 1114,
        DataType::Timestamp(_, Some(_)) => 1184,
        DataType::Time32(_) | DataType::Time64(_) => 1083,
        DataType::Interval(_) | DataType::Duration(_) => 1186,
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => 3802,
        DataType::Dictionary(_, value) => type_oid_by_arrow(value),
        DataType::RunEndEncoded(_, values) => type_oid(values),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => {
            let element = type_oid(item);
            match by_oid(element) {
                Some(fact) if fact.array != 0 => fact.array,
                Some(fact) if fact.element != 0 => element,
                _ => 3802,
            }
        }
        _ => 25,
    }
}

/// The modifier that PostgreSQL keeps with a type: precision and scale of a numeric, -1 otherwise.
pub fn type_modifier(field: &Field) -> i32 {
    match field.data_type() {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if field.metadata().get(PG_TYPE_METADATA).is_none() =>
        {
            ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7ff)) + 4
        }
        _ => -1,
    }
}

/// SQL's name of a type, as PostgreSQL's `format_type` prints it. `None` for an OID that is no type.
pub fn format_type(oid: u32, modifier: Option<i32>) -> Option<String> {
    if oid == 0 {
        return Some("-".to_owned());
    }
    let fact = by_oid(oid)?;
    let is_true_array = fact.element != 0 && fact.length == -1 && fact.name.starts_with('_');
    if is_true_array {
        return Some(format!("{}[]", format_type(fact.element, modifier)?));
    }
    let given = modifier;
    let modifier = modifier.filter(|modifier| *modifier >= 0);
    let plain = |name: &str| Some(name.to_owned());
    let with_length = |name: &str| Some(modifier.map_or(name.to_owned(), |m| format!("{name}({})", m - 4)));
    match fact.name {
        "bool" => plain("boolean"),
        "int2" => plain("smallint"),
        "int4" => plain("integer"),
        "int8" => plain("bigint"),
        "float4" => plain("real"),
        "float8" => plain("double precision"),
        "char" if fact.oid == 18 => plain("\"char\""),
        "bpchar" => match modifier {
            Some(m) => Some(format!("character({})", m - 4)),
            None if given.is_some() => plain("bpchar"),
            None => plain("character"),
        },
        "varchar" => with_length("character varying"),
        "numeric" => Some(match modifier {
            Some(m) => {
                let scale = ((m - 4) & 0x7ff) ^ 1024;
                format!("numeric({},{})", ((m - 4) >> 16) & 0xffff, scale - 1024)
            }
            None => "numeric".to_owned(),
        }),
        "bit" => Some(modifier.map_or("bit".to_owned(), |m| format!("bit({m})"))),
        "varbit" => Some(modifier.map_or("bit varying".to_owned(), |m| format!("bit varying({m})"))),
        "time" => Some(timed("time", modifier, " without time zone")),
        "timetz" => Some(timed("time", modifier, " with time zone")),
        "timestamp" => Some(timed("timestamp", modifier, " without time zone")),
        "timestamptz" => Some(timed("timestamp", modifier, " with time zone")),
        "interval" => plain("interval"),
        name if fact.namespace == super::snapshot::PG_CATALOG_OID => Some(crate::names::quote_identifier(name)),
        name => Some(format!("information_schema.{}", crate::names::quote_identifier(name))),
    }
}

fn timed(name: &str, modifier: Option<i32>, zone: &str) -> String {
    match modifier {
        Some(digits) => format!("{name}({digits}){zone}"),
        None => format!("{name}{zone}"),
    }
}

/// The OID of a type named as in SQL (`integer`, `character varying`, `text[]`) or as in `pg_type`. Modifiers are
/// read over.
pub fn type_oid_of_name(text: &str) -> Option<u32> {
    let trimmed = text.trim();
    if let Some(element) = trimmed.strip_suffix("[]") {
        return by_oid(type_oid_of_name(element)?)
            .map(|fact| fact.array)
            .filter(|oid| *oid != 0);
    }
    let unmodified = match (trimmed.find('('), trimmed.find(')')) {
        (Some(open), Some(shut)) if open < shut && !trimmed.starts_with('"') => {
            format!("{}{}", trimmed.get(..open)?, trimmed.get(shut + 1..)?)
        }
        _ => trimmed.to_owned(),
    };
    let lower = unmodified.to_lowercase();
    let spelled = match lower.split_whitespace().collect::<Vec<_>>().join(" ").as_str() {
        "boolean" => "bool",
        "smallint" => "int2",
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "float" | "double precision" => "float8",
        "decimal" | "dec" => "numeric",
        "char" | "character" => "bpchar",
        "character varying" => "varchar",
        "bit varying" => "varbit",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        _ => "",
    };
    if !spelled.is_empty() {
        return by_name(spelled).map(|fact| fact.oid);
    }
    match crate::names::split_name(&unmodified)?.as_slice() {
        [name] => by_name(name),
        [schema, name] if schema == "pg_catalog" || schema == "information_schema" => by_name(name),
        _ => None,
    }
    .map(|fact| fact.oid)
}
