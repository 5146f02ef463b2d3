//! Types of columns as Spark's catalogs write them: `decimal(10,2)`, `struct<a:int,b:array<string>>`, and as JSON.
//!
//! <https://spark.apache.org/docs/latest/sql-ref-datatypes.html>

use std::fmt;

use serde_json::Value;

/// Types in types. Deeper ones are refused by Arrow's own limits as well.
const DEPTH_MAX: usize = 32;

/// A type that is known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SparkType {
    Boolean,
    Byte,
    Short,
    Int,
    Long,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    String,
    /// Text that is compared by other rules than its bytes.
    Collated(String),
    Char(u32),
    Varchar(u32),
    Binary,
    Date,
    Timestamp,
    TimestampNtz,
    /// The fields that it is written with, such as `year to month`; all are months.
    YearMonth(&'static str),
    /// The fields that it is written with, such as `day to second`; all are microseconds.
    DayTime(&'static str),
    Array(Box<SparkType>),
    Map(Box<SparkType>, Box<SparkType>),
    Struct(Vec<(String, SparkType)>),
    Variant,
    Void,
}

const YEAR_MONTH: &[&str] = &["year to month", "year", "month"];
const DAY_TIME: &[&str] = &[
    "day to second",
    "day to hour",
    "day to minute",
    "hour to minute",
    "hour to second",
    "minute to second",
    "day",
    "hour",
    "minute",
    "second",
];

impl SparkType {
    /// Reads `type_text`; none for what is no type, or one that is not known here.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text.trim() };
        let parsed = parser.data_type(0)?;
        parser.rest.is_empty().then_some(parsed)
    }

    /// Reads `type_json`: the JSON of a type, or of a whole field.
    pub(crate) fn parse_json(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        match value.get("name") {
            Some(_) => of_field(&value, 0),
            None => of_value(&value, 0),
        }
    }
}

fn of_field(field: &Value, depth: usize) -> Option<SparkType> {
    let metadata = field.get("metadata");
    let written = metadata.and_then(|metadata| metadata.get("__CHAR_VARCHAR_TYPE_STRING"));
    if let Some(written) = written.and_then(Value::as_str) {
        return SparkType::parse(written);
    }
    let parsed = of_value(field.get("type")?, depth)?;
    let collations = metadata.and_then(|metadata| metadata.get("__COLLATIONS")?.as_object());
    match collations.and_then(|collations| collations.values().next()) {
        // Inside of arrays and structs the same mark stands at the outermost field.
        Some(name) => Some(SparkType::Collated(name.as_str().unwrap_or_default().to_owned())),
        None => Some(parsed),
    }
}

fn of_value(value: &Value, depth: usize) -> Option<SparkType> {
    if depth > DEPTH_MAX {
        return None;
    }
    let inner = |key: &str| of_value(value.get(key)?, depth + 1).map(Box::new);
    match value {
        Value::String(name) => SparkType::parse(name),
        Value::Object(_) => match value.get("type")?.as_str()? {
            "array" => Some(SparkType::Array(inner("elementType")?)),
            "map" => Some(SparkType::Map(inner("keyType")?, inner("valueType")?)),
            "struct" => {
                let fields = value.get("fields")?.as_array()?;
                let fields = fields.iter().map(|field| {
                    let name = field.get("name")?.as_str()?.to_owned();
                    Some((name, of_field(field, depth + 1)?))
                });
                fields.collect::<Option<_>>().map(SparkType::Struct)
            }
            _ => None,
        },
        _ => None,
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, sign: char) -> Option<()> {
        self.spaces();
        self.rest = self.rest.strip_prefix(sign)?;
        Some(())
    }

    fn peeks(&self, sign: char) -> bool {
        self.rest.trim_start().starts_with(sign)
    }

    /// Letters, digits and underscores, in lower case.
    fn word(&mut self) -> Option<String> {
        self.spaces();
        let end = self
            .rest
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then(|| word.to_ascii_lowercase())
    }

    fn eat_word(&mut self, wanted: &str) -> bool {
        let before = self.rest;
        let found = self.word().is_some_and(|word| word == wanted);
        if !found {
            self.rest = before;
        }
        found
    }

    fn number<N: std::str::FromStr>(&mut self) -> Option<N> {
        self.word()?.parse().ok()
    }

    fn length(&mut self) -> Option<u32> {
        self.eat('(')?;
        let length = self.number()?;
        self.eat(')')?;
        Some(length)
    }

    fn data_type(&mut self, depth: usize) -> Option<SparkType> {
        if depth > DEPTH_MAX {
            return None;
        }
        Some(match self.word()?.as_str() {
            "boolean" => SparkType::Boolean,
            "byte" | "tinyint" => SparkType::Byte,
            "short" | "smallint" => SparkType::Short,
            "int" | "integer" => SparkType::Int,
            "long" | "bigint" => SparkType::Long,
            "float" | "real" => SparkType::Float,
            "double" => SparkType::Double,
            "decimal" | "dec" | "numeric" => self.decimal()?,
            "string" => self.string()?,
            "char" | "character" => SparkType::Char(self.length()?),
            "varchar" => SparkType::Varchar(self.length()?),
            "binary" => SparkType::Binary,
            "date" => SparkType::Date,
            "timestamp" | "timestamp_ltz" => SparkType::Timestamp,
            "timestamp_ntz" => SparkType::TimestampNtz,
            "interval" => self.interval()?,
            "variant" => SparkType::Variant,
            "void" | "null" => SparkType::Void,
            "array" => {
                self.eat('<')?;
                let element = self.data_type(depth + 1)?;
                self.eat('>')?;
                SparkType::Array(Box::new(element))
            }
            "map" => {
                self.eat('<')?;
                let key = self.data_type(depth + 1)?;
                self.eat(',')?;
                let value = self.data_type(depth + 1)?;
                self.eat('>')?;
                SparkType::Map(Box::new(key), Box::new(value))
            }
            "struct" => SparkType::Struct(self.fields(depth)?),
            _ => return None,
        })
    }

    fn decimal(&mut self) -> Option<SparkType> {
        if !self.peeks('(') {
            return Some(SparkType::Decimal {
                precision: 10,
                scale: 0,
            });
        }
        self.eat('(')?;
        let precision = self.number()?;
        let scale = match self.peeks(',') {
            true => {
                self.eat(',')?;
                self.number()?
            }
            false => 0,
        };
        self.eat(')')?;
        ((1..=38).contains(&precision) && scale <= precision).then_some(SparkType::Decimal { precision, scale })
    }

    fn string(&mut self) -> Option<SparkType> {
        if !self.eat_word("collate") {
            return Some(SparkType::String);
        }
        let collation = self.word()?.to_ascii_uppercase();
        Some(match collation.as_str() {
            "UTF8_BINARY" => SparkType::String,
            _ => SparkType::Collated(collation),
        })
    }

    fn interval(&mut self) -> Option<SparkType> {
        let mut fields = self.word()?;
        if self.eat_word("to") {
            fields = format!("{fields} to {}", self.word()?);
        }
        let of = |all: &'static [&'static str]| all.iter().find(|known| **known == fields).copied();
        of(YEAR_MONTH)
            .map(SparkType::YearMonth)
            .or_else(|| of(DAY_TIME).map(SparkType::DayTime))
    }

    fn fields(&mut self, depth: usize) -> Option<Vec<(String, SparkType)>> {
        self.eat('<')?;
        let mut fields = Vec::new();
        if self.peeks('>') {
            self.eat('>')?;
            return Some(fields);
        }
        loop {
            let name = self.field_name()?;
            self.eat(':')?;
            let data_type = self.data_type(depth + 1)?;
            if self.eat_word("not") && !self.eat_word("null") {
                return None;
            }
            if self.eat_word("comment") {
                self.quoted('\'')?;
            }
            fields.push((name, data_type));
            if self.peeks('>') {
                self.eat('>')?;
                return Some(fields);
            }
            self.eat(',')?;
        }
    }

    fn field_name(&mut self) -> Option<String> {
        if self.peeks('`') {
            return self.quoted('`');
        }
        self.spaces();
        // Catalogs do not quote names: all up to the colon belongs to it.
        let (name, _) = self.rest.split_once(':')?;
        if name.is_empty() || name.contains(['<', '>', ',', '`']) {
            return None;
        }
        self.rest = self.rest.get(name.len()..)?;
        Some(name.trim_end().to_owned())
    }

    /// A text between two of `sign`, in which the sign itself stands doubled.
    fn quoted(&mut self, sign: char) -> Option<String> {
        self.eat(sign)?;
        let mut text = String::new();
        loop {
            let (before, after) = self.rest.split_once(sign)?;
            text.push_str(before);
            self.rest = after;
            match after.strip_prefix(sign) {
                Some(rest) => {
                    text.push(sign);
                    self.rest = rest;
                }
                None => return Some(text),
            }
        }
    }
}

impl fmt::Display for SparkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Byte => f.write_str("tinyint"),
            Self::Short => f.write_str("smallint"),
            Self::Int => f.write_str("int"),
            Self::Long => f.write_str("bigint"),
            Self::Float => f.write_str("float"),
            Self::Double => f.write_str("double"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::String => f.write_str("string"),
            Self::Collated(name) => write!(f, "string collate {name}"),
            Self::Char(length) => write!(f, "char({length})"),
            Self::Varchar(length) => write!(f, "varchar({length})"),
            Self::Binary => f.write_str("binary"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::TimestampNtz => f.write_str("timestamp_ntz"),
            Self::YearMonth(fields) | Self::DayTime(fields) => write!(f, "interval {fields}"),
            Self::Array(element) => write!(f, "array<{element}>"),
            Self::Map(key, value) => write!(f, "map<{key},{value}>"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (at, (name, data_type)) in fields.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}`{}`:{data_type}", name.replace('`', "``"))?;
                }
                f.write_str(">")
            }
            Self::Variant => f.write_str("variant"),
            Self::Void => f.write_str("void"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_type() -> impl Strategy<Value = SparkType> {
        let leaf = prop_oneof![
            Just(SparkType::Boolean),
            Just(SparkType::Byte),
            Just(SparkType::Short),
            Just(SparkType::Int),
            Just(SparkType::Long),
            Just(SparkType::Float),
            Just(SparkType::Double),
            (1..=38_u8).prop_flat_map(
                |precision| (0..=precision).prop_map(move |scale| SparkType::Decimal { precision, scale })
            ),
            Just(SparkType::String),
            Just(SparkType::Collated("UNICODE_CI".to_owned())),
            (1..9999_u32).prop_map(SparkType::Char),
            (1..9999_u32).prop_map(SparkType::Varchar),
            Just(SparkType::Binary),
            Just(SparkType::Date),
            Just(SparkType::Timestamp),
            Just(SparkType::TimestampNtz),
            prop::sample::select(YEAR_MONTH).prop_map(SparkType::YearMonth),
            prop::sample::select(DAY_TIME).prop_map(SparkType::DayTime),
            Just(SparkType::Variant),
            Just(SparkType::Void),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(|element| SparkType::Array(Box::new(element))),
                (inner.clone(), inner.clone()).prop_map(|(key, value)| SparkType::Map(Box::new(key), Box::new(value))),
                prop::collection::vec((".{1,8}", inner), 0..4).prop_map(SparkType::Struct),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(data_type in any_type()) {
            prop_assert_eq!(SparkType::parse(&data_type.to_string()), Some(data_type));
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".{0,200}") {
            let _ = SparkType::parse(&text);
            let _ = SparkType::parse_json(&text);
        }
    }

    #[test]
    fn spellings_of_services_are_read() {
        let same = |left: &str, right: &str| {
            let (left, right) = (SparkType::parse(left), SparkType::parse(right));
            assert!(left.is_some() && left == right, "{left:?} and {right:?}");
        };
        same("MAP<STRING, STRING>", "map<string,string>");
        same(
            "STRUCT<street: STRING NOT NULL, city: STRING COMMENT 'it''s, a > b', zip: INT>",
            "struct<street:string,city:string,zip:int>",
        );
        same("struct<a b:int,`c``:d`:date>", "struct<`a b`:int,`c``:d`:date>");
        same("INTERVAL DAY TO SECOND", "interval day to second");
        same("decimal", "decimal(10,0)");
        same("STRING COLLATE UTF8_BINARY", "string");
        for unknown in [
            "tensor<3>",
            "decimal(39,1)",
            "array<int",
            "int int",
            "",
            "interval",
            "geography(4326)",
        ] {
            assert_eq!(SparkType::parse(unknown), None, "{unknown}");
        }
        assert_eq!(SparkType::parse(&"array<".repeat(100_000)), None);
    }

    #[test]
    fn json_is_read_as_a_type_and_as_a_field() {
        let read = |json: &str| SparkType::parse_json(json).map(|read| read.to_string());
        assert_eq!(read("\"long\"").as_deref(), Some("bigint"));
        assert_eq!(
            read(r#"{"name":"c","type":{"type":"array","elementType":"integer","containsNull":true},"nullable":true,"metadata":{}}"#)
                .as_deref(),
            Some("array<int>")
        );
        assert_eq!(
            read(r#"{"name":"c","type":"string","metadata":{"__CHAR_VARCHAR_TYPE_STRING":"char(3)"}}"#).as_deref(),
            Some("char(3)")
        );
        assert_eq!(
            read(r#"{"type":"struct","fields":[{"name":"a`","type":"decimal(5,1)","nullable":true}]}"#).as_deref(),
            Some("struct<`a```:decimal(5,1)>")
        );
        assert_eq!(read("{\"name\":\"c\"}"), None);
    }
}
