//! The parameters of a question about a table, from the URL and the body.

use engine::{Filter, Order, TableColumns};

use crate::RestOptions;
use crate::error::Refusal;
use crate::filter;
use crate::json::Json;
use crate::url;

/// Each parameter: its name, the others that it goes by, and whether it is available.
const KNOWN: &[(&str, &[&str], bool)] = &[
    ("filter", &["where"], true),
    ("fields", &["select"], true),
    ("limit", &["top"], true),
    ("offset", &["skip"], true),
    ("order", &["sort", "order_by"], true),
    ("include_count", &[], true),
    ("count_only", &[], true),
    ("wrap", &[], true),
    ("params", &[], true),
    ("group", &["group_by"], false),
    ("having", &[], false),
    ("ids", &["id"], false),
    ("id_field", &[], false),
    ("id_type", &[], false),
    ("related", &[], false),
    ("include_schema", &[], false),
    ("include_access", &[], false),
    ("continue", &[], false),
    ("rollback", &[], false),
    ("file", &[], false),
];

/// Names under which clients put secrets into URLs.
const SECRETS: [&str; 4] = ["api_key", "apikey", "session_token", "access_token"];

/// What is asked of a table.
#[derive(Debug, PartialEq)]
pub(crate) struct TableParameters {
    pub(crate) filter: Option<Filter>,
    pub(crate) columns: TableColumns,
    pub(crate) order: Vec<Order>,
    /// Rows of this page.
    pub(crate) limit: u64,
    /// Rows before it.
    pub(crate) offset: u64,
    pub(crate) include_count: bool,
    pub(crate) count_only: bool,
    /// Whether the rows stand in an object under `resource`.
    pub(crate) wrap: bool,
}

/// Refuses secrets in the URL: it is written into logs along the way.
///
/// # Errors
/// 401 with what to do instead.
pub(crate) fn refuse_secrets(pairs: &[(String, String)]) -> Result<(), Refusal> {
    let is_secret = |(name, _): &(String, String)| SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret));
    match pairs.iter().any(is_secret) {
        false => Ok(()),
        true => Err(Refusal::http(
            hyper::StatusCode::UNAUTHORIZED,
            "credentials are not taken from the URL",
        )
        .with_hint("URLs are written into logs: send the key in the header X-API-Key, and replace this one.")),
    }
}

/// Refuses every parameter but those of `known`.
///
/// # Errors
/// 400, with the nearest name.
pub(crate) fn only(pairs: &[(String, String)], known: &[&str]) -> Result<(), Refusal> {
    match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(unknown(name, known.iter().copied())),
        None => Ok(()),
    }
}

/// The refusal of a name that is none of `known`.
pub(crate) fn unknown<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Refusal {
    let known: Vec<_> = known.collect();
    let shown: String = name.chars().take(60).collect();
    let refusal = Refusal::bad(format!("unknown parameter \"{shown}\""));
    let nearest = known
        .iter()
        .map(|candidate| (strsim::osa_distance(&shown.to_ascii_lowercase(), candidate), candidate))
        .min();
    match nearest {
        Some((distance, candidate)) if distance <= 1 + candidate.len() / 3 => {
            refusal.with_hint(format!("Did you mean \"{candidate}\"?"))
        }
        _ if known.is_empty() => refusal.with_hint("There are no parameters here."),
        _ => refusal.with_hint(format!("There are: {}.", known.join(", "))),
    }
}

impl TableParameters {
    /// Reads what the URL and the body say; where both name a parameter, the URL counts.
    ///
    /// # Errors
    /// 400 for an unknown name or a bad value, 501 for one that is not available.
    pub(crate) fn read(
        pairs: Vec<(String, String)>,
        body: Vec<(String, Json)>,
        options: &RestOptions,
    ) -> Result<Self, Refusal> {
        let mut given: Vec<(&'static str, Json)> = Vec::new();
        for (name, value) in pairs {
            let known = resolve(&name)?;
            if given.iter().any(|(before, _)| *before == known) {
                return Err(Refusal::bad(format!("the parameter \"{known}\" is given twice")));
            }
            given.push((known, Json::String(value)));
        }
        let in_url = given.len();
        for (name, value) in body {
            let known = resolve(&name)?;
            match given.iter().position(|(before, _)| *before == known) {
                Some(at) if at < in_url => {}
                Some(_) => return Err(Refusal::bad(format!("the parameter \"{known}\" is given twice"))),
                None => given.push((known, value)),
            }
        }
        let get = |name: &str| given.iter().find(|(given, _)| *given == name).map(|(_, value)| value);
        let params = match get("params") {
            None | Some(Json::Null) => Vec::new(),
            Some(Json::Object(members)) => members.clone(),
            Some(_) => {
                return Err(Refusal::bad("\"params\" must be an object")
                    .with_hint("POST {\"filter\": …, \"params\": {\":name\": value}} with X-HTTP-Method: GET."));
            }
        };
        let filter = match text(get("filter"), "filter")? {
            Some(text) => Some(filter::parse(text, &params)?),
            None => None,
        };
        let order = match text(get("order"), "order")? {
            Some(text) => filter::parse_order(text)?,
            None => Vec::new(),
        };
        Ok(Self {
            filter,
            columns: columns(get("fields"))?,
            order,
            limit: match whole(get("limit"), "limit")? {
                None => options.page_rows.min(options.page_rows_max),
                // As much as there is, for clients that know it so.
                Some(0) => options.page_rows_max,
                Some(limit) => limit.min(options.page_rows_max),
            },
            offset: whole(get("offset"), "offset")?.unwrap_or(0),
            include_count: flag(get("include_count"), "include_count")?.unwrap_or(false),
            count_only: flag(get("count_only"), "count_only")?.unwrap_or(false),
            wrap: flag(get("wrap"), "wrap")?.unwrap_or(true),
        })
    }
}

/// The name that a parameter is known by here.
fn resolve(name: &str) -> Result<&'static str, Refusal> {
    let found = KNOWN
        .iter()
        .find(|(known, aliases, _)| *known == name || aliases.contains(&name));
    match found {
        Some((known, _, true)) => Ok(known),
        Some((known, _, false)) => {
            let error = contract::Error::unsupported(format!("the parameter \"{known}\" is not supported"));
            Err(error.with_hint("POST the question as SQL to _query.").into())
        }
        None => {
            let available = KNOWN.iter().filter(|(_, _, available)| *available);
            Err(unknown(name, available.map(|(known, ..)| *known)))
        }
    }
}

/// A text; none if it is left out, null or blank.
fn text<'j>(value: Option<&'j Json>, name: &str) -> Result<Option<&'j str>, Refusal> {
    match value {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.trim().is_empty())),
        Some(other) => Err(Refusal::bad(format!(
            "\"{name}\" must be a string, and is {}",
            other.kind()
        ))),
    }
}

fn columns(value: Option<&Json>) -> Result<TableColumns, Refusal> {
    if let Some(Json::Array(items)) = value {
        let names = items.iter().map(|item| match item {
            Json::String(name) => Ok(name.clone()),
            other => Err(Refusal::bad(format!(
                "\"fields\" must hold names, and holds {}",
                other.kind()
            ))),
        });
        let names = names.collect::<Result<Vec<_>, _>>()?;
        return match names.as_slice() {
            [] => Err(Refusal::bad("\"fields\" is empty")),
            [all] if all == "*" => Ok(TableColumns::All),
            _ => Ok(TableColumns::Named(names)),
        };
    }
    match text(value, "fields")?.map(str::trim) {
        None | Some("*") => Ok(TableColumns::All),
        Some(list) => Ok(TableColumns::Named(url::names(list, ',')?)),
    }
}

fn whole(value: Option<&Json>, name: &str) -> Result<Option<u64>, Refusal> {
    match value {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text) | Json::Number(text)) => {
            let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            // Beyond what can be counted there is nothing more.
            let number = is_digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX).min(i64::MAX as u64));
            match number {
                Some(number) => Ok(Some(number)),
                None => Err(Refusal::bad(format!(
                    "\"{name}\" must be a whole number that is not negative"
                ))),
            }
        }
        Some(other) => Err(Refusal::bad(format!(
            "\"{name}\" must be a number, and is {}",
            other.kind()
        ))),
    }
}

fn flag(value: Option<&Json>, name: &str) -> Result<Option<bool>, Refusal> {
    match value {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Bool(flag)) => Ok(Some(*flag)),
        Some(Json::String(text) | Json::Number(text)) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" | "" => Ok(Some(true)),
            "false" | "0" | "off" | "no" => Ok(Some(false)),
            _ => Err(Refusal::bad(format!("\"{name}\" must be true or false"))),
        },
        Some(other) => Err(Refusal::bad(format!(
            "\"{name}\" must be true or false, and is {}",
            other.kind()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, body: &str) -> Result<TableParameters, Refusal> {
        let body = match crate::json::parse(body.as_bytes()) {
            Ok(Json::Object(members)) => members,
            _ => Vec::new(),
        };
        TableParameters::read(url::pairs(query).unwrap(), body, &RestOptions::default())
    }

    #[test]
    fn every_name_of_a_parameter_is_the_same() {
        let one = read(
            "filter=a%3D1&fields=a,b&limit=5&offset=7&order=a desc&include_count=true",
            "",
        )
        .unwrap();
        let other = read("where=a%3D1&select=a,b&top=5&skip=7&sort=a desc&include_count=1", "").unwrap();
        assert_eq!(one, other);
        let body = r#"{"filter":"a = :x","params":{":x":1},"fields":["a","b"],"limit":5,"offset":"7","order_by":"a desc","include_count":true}"#;
        assert_eq!(one, read("", body).unwrap());
        assert_eq!(read("limit=3", r#"{"limit":5}"#).unwrap().limit, 3);
    }

    #[test]
    fn pages_have_a_size_that_is_bounded() {
        for (query, limit) in [
            ("", 1_000),
            ("limit=0", 10_000),
            ("limit=99999", 10_000),
            ("limit=1", 1),
        ] {
            assert_eq!(read(query, "").unwrap().limit, limit, "{query}");
        }
        assert_eq!(
            read("offset=99999999999999999999999", "").unwrap().offset,
            i64::MAX as u64
        );
    }

    #[test]
    fn mistakes_are_named() {
        let bodies = |query: &str| read(query, "").unwrap_err().body("r").to_string();
        assert!(
            bodies("fliter=a").contains("Did you mean \\\"filter\\\"?"),
            "{}",
            bodies("fliter=a")
        );
        for query in [
            "limit=-1",
            "limit=x",
            "limit=1.5",
            "offset= 1",
            "include_count=maybe",
            "filter=a",
            "fields=a,,b",
            "order=a up",
            "limit=1&limit=2",
            "limit=1&top=2",
            "params=x",
            "related=x",
            "completely_else=1",
        ] {
            read(query, "").unwrap_err();
        }
        for body in [
            r#"{"filter":1}"#,
            r#"{"fields":[]}"#,
            r#"{"fields":[1]}"#,
            r#"{"limit":[1]}"#,
            r#"{"params":[1]}"#,
        ] {
            read("", body).unwrap_err();
        }
    }

    #[test]
    fn secrets_do_not_belong_into_urls() {
        refuse_secrets(&url::pairs("filter=api_key").unwrap()).unwrap();
        let refusal = refuse_secrets(&url::pairs("a=1&API_KEY=demo").unwrap()).unwrap_err();
        assert!(!refusal.body("r").to_string().contains("demo"));
    }
}
