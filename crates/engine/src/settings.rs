//! The settings of a session (SET, SHOW, RESET): a closed list with PostgreSQL's names, defaults and checks.
//!
//! What changes an answer's form is honoured; what only tunes PostgreSQL's own machinery is kept and shown back, so
//! that clients which set it go on; whatever else is refused. No setting moves a filter or changes a right.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use contract::{Error, ErrorKind, PushdownLimit, PushdownMode, Result, Route};

/// The longest value that is kept.
const VALUE_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Text,
    Boolean,
    Integer(i64, i64),
    Real,
    Milliseconds,
    Memory,
    OneOf(&'static [&'static str]),
    TimeZone,
    DateStyle,
    Encoding,
    /// Cannot be set; SHOW answers.
    Fixed,
}

#[derive(Debug)]
struct Definition {
    name: &'static str,
    default: &'static str,
    check: Check,
    /// Whether a change is sent to PostgreSQL clients as ParameterStatus.
    reported: bool,
}

const fn tuned(name: &'static str, default: &'static str, check: Check) -> Definition {
    Definition {
        name,
        default,
        check,
        reported: false,
    }
}

const fn reported(name: &'static str, default: &'static str, check: Check) -> Definition {
    Definition {
        name,
        default,
        check,
        reported: true,
    }
}

const ISOLATION: &[&str] = &["serializable", "repeatable read", "read committed", "read uncommitted"];
const MESSAGE_LEVELS: &[&str] = &[
    "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "warning", "error",
];

/// The version that clients are told; drivers choose their catalog statements by it.
pub const SERVER_VERSION: &str = "16.4";

/// [`PushdownLimit::ROWS_DEFAULT`] as SHOW gives it.
const PUSHDOWN_ROWS: &str = "1000000";

static DEFINITIONS: &[Definition] = &[
    reported("application_name", "", Check::Text),
    reported("client_encoding", "UTF8", Check::Encoding),
    reported("DateStyle", "ISO, MDY", Check::DateStyle),
    reported("default_transaction_read_only", "off", Check::Boolean),
    reported("in_hot_standby", "off", Check::Fixed),
    reported("integer_datetimes", "on", Check::Fixed),
    reported("IntervalStyle", "postgres", Check::OneOf(&["postgres"])),
    reported("is_superuser", "off", Check::Fixed),
    reported("scram_iterations", "4096", Check::Fixed),
    reported("server_encoding", "UTF8", Check::Fixed),
    reported("server_version", SERVER_VERSION, Check::Fixed),
    reported("session_authorization", "", Check::Fixed),
    reported("standard_conforming_strings", "on", Check::OneOf(&["on"])),
    reported("TimeZone", "UTC", Check::TimeZone),
    tuned("array_nulls", "on", Check::Boolean),
    tuned("backslash_quote", "safe_encoding", Check::Text),
    tuned("block_size", "8192", Check::Fixed),
    tuned("bytea_output", "hex", Check::OneOf(&["hex", "escape"])),
    tuned("check_function_bodies", "on", Check::Boolean),
    tuned("client_min_messages", "notice", Check::OneOf(MESSAGE_LEVELS)),
    tuned("constraint_exclusion", "partition", Check::Text),
    tuned("cursor_tuple_fraction", "0.1", Check::Real),
    tuned("default_statistics_target", "100", Check::Integer(1, 10_000)),
    tuned("default_tablespace", "", Check::Text),
    tuned("default_table_access_method", "heap", Check::Text),
    tuned("default_transaction_deferrable", "off", Check::Boolean),
    tuned(
        "default_transaction_isolation",
        "read committed",
        Check::OneOf(ISOLATION),
    ),
    tuned("effective_cache_size", "4GB", Check::Memory),
    tuned("enable_bitmapscan", "on", Check::Boolean),
    tuned("enable_hashagg", "on", Check::Boolean),
    tuned("enable_hashjoin", "on", Check::Boolean),
    tuned("enable_indexscan", "on", Check::Boolean),
    tuned("enable_indexonlyscan", "on", Check::Boolean),
    tuned("enable_material", "on", Check::Boolean),
    tuned("enable_mergejoin", "on", Check::Boolean),
    tuned("enable_nestloop", "on", Check::Boolean),
    tuned("enable_seqscan", "on", Check::Boolean),
    tuned("enable_sort", "on", Check::Boolean),
    tuned("escape_string_warning", "on", Check::Boolean),
    tuned("extra_float_digits", "1", Check::Integer(-15, 3)),
    tuned("force_parallel_mode", "off", Check::Text),
    tuned("geqo", "on", Check::Boolean),
    tuned("gin_fuzzy_search_limit", "0", Check::Integer(0, i32::MAX as i64)),
    tuned("idle_in_transaction_session_timeout", "0", Check::Milliseconds),
    tuned("idle_session_timeout", "0", Check::Milliseconds),
    tuned("jit", "off", Check::Boolean),
    tuned(
        "lakegate.pushdown",
        PushdownMode::Auto.word(),
        Check::OneOf(&PushdownMode::WORDS),
    ),
    tuned("lakegate.pushdown_rows", PUSHDOWN_ROWS, Check::Integer(0, i64::MAX)),
    tuned("lakegate.route", Route::Auto.word(), Check::OneOf(&Route::WORDS)),
    tuned("lc_collate", "C", Check::Fixed),
    tuned("lc_ctype", "C.UTF-8", Check::Fixed),
    tuned("lc_messages", "C", Check::Text),
    tuned("lc_monetary", "C", Check::Text),
    tuned("lc_numeric", "C", Check::Text),
    tuned("lc_time", "C", Check::Text),
    tuned("lock_timeout", "0", Check::Milliseconds),
    tuned("maintenance_work_mem", "64MB", Check::Memory),
    tuned("max_identifier_length", "63", Check::Fixed),
    tuned("max_index_keys", "32", Check::Fixed),
    tuned("max_parallel_workers_per_gather", "2", Check::Integer(0, 1024)),
    tuned("password_encryption", "scram-sha-256", Check::Fixed),
    tuned("quote_all_identifiers", "off", Check::Boolean),
    tuned("random_page_cost", "4", Check::Real),
    tuned("row_security", "on", Check::OneOf(&["on"])),
    tuned("search_path", "\"$user\", public", Check::Text),
    tuned("seq_page_cost", "1", Check::Real),
    tuned("server_version_num", "160004", Check::Fixed),
    tuned("statement_timeout", "0", Check::Milliseconds),
    tuned("synchronize_seqscans", "on", Check::Boolean),
    tuned("synchronous_commit", "on", Check::Text),
    tuned("tcp_keepalives_idle", "0", Check::Integer(0, i32::MAX as i64)),
    tuned("tcp_keepalives_interval", "0", Check::Integer(0, i32::MAX as i64)),
    tuned("tcp_keepalives_count", "0", Check::Integer(0, i32::MAX as i64)),
    tuned("tcp_user_timeout", "0", Check::Milliseconds),
    tuned("transaction_deferrable", "off", Check::Boolean),
    tuned("transaction_isolation", "read committed", Check::OneOf(ISOLATION)),
    tuned("transaction_read_only", "off", Check::Boolean),
    tuned("transform_null_equals", "off", Check::OneOf(&["off"])),
    tuned("work_mem", "4MB", Check::Memory),
    tuned("xmlbinary", "base64", Check::Text),
    tuned("xmloption", "content", Check::Text),
];

/// The values of one session; what is not in the map has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// By lower-case name.
    values: BTreeMap<&'static str, String>,
    /// What RESET goes back to: set at start-up.
    initial: BTreeMap<&'static str, String>,
}

fn definition(name: &str) -> Result<&'static Definition> {
    let known = match name.to_ascii_lowercase().as_str() {
        "time zone" => return definition("TimeZone"),
        "transaction isolation level" => return definition("transaction_isolation"),
        "session authorization" => return definition("session_authorization"),
        other => DEFINITIONS.iter().find(|known| known.name.eq_ignore_ascii_case(other)),
    };
    known.ok_or_else(|| {
        Error::new(
            ErrorKind::UndefinedObject,
            format!("unrecognized configuration parameter \"{name}\""),
        )
        .with_hint("SHOW ALL lists the settings that exist.")
    })
}

impl Settings {
    /// The settings of a new session, as `user`.
    pub(crate) fn new(user: &str, administrator: bool) -> Self {
        let mut settings = Self::default();
        settings.fix("session_authorization", user);
        settings.fix("is_superuser", if administrator { "on" } else { "off" });
        settings
    }

    fn fix(&mut self, name: &'static str, value: &str) {
        self.values.insert(name, value.to_owned());
        self.initial.insert(name, value.to_owned());
    }

    /// Sets a start-up value: it is also what RESET returns to.
    pub(crate) fn set_initial(&mut self, name: &str, value: &str) -> Result<()> {
        self.set(name, value)?;
        let name = definition(name)?.name;
        if let Some(value) = self.values.get(name) {
            self.initial.insert(name, value.clone());
        }
        Ok(())
    }

    /// Sets a value after checking it, in the form that SHOW gives back.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let known = definition(name)?;
        let value = check(known, value)?;
        self.values.insert(known.name, value);
        Ok(())
    }

    /// Back to the start-up value.
    pub(crate) fn reset(&mut self, name: &str) -> Result<()> {
        let known = definition(name)?;
        if known.check == Check::Fixed {
            return Err(cannot_change(known.name));
        }
        match self.initial.get(known.name) {
            Some(value) => self.values.insert(known.name, value.clone()),
            None => self.values.remove(known.name),
        };
        Ok(())
    }

    /// All back to the start-up values.
    pub(crate) fn reset_all(&mut self) {
        self.values = self.initial.clone();
    }

    /// The value in force.
    pub(crate) fn get(&self, name: &str) -> Result<String> {
        let known = definition(name)?;
        Ok(self
            .values
            .get(known.name)
            .map_or(known.default, String::as_str)
            .to_owned())
    }

    /// The name of a setting in its own case, as SHOW heads its column.
    pub(crate) fn shown_name(&self, name: &str) -> Result<&'static str> {
        Ok(definition(name)?.name)
    }

    /// Like [`get`](Self::get) for a name that this file defines.
    pub(crate) fn value(&self, name: &str) -> String {
        self.get(name).unwrap_or_default()
    }

    /// Name and value of each setting that PostgreSQL clients are told of.
    pub(crate) fn reported(&self) -> Vec<(String, String)> {
        let shown = DEFINITIONS.iter().filter(|known| known.reported);
        shown
            .map(|known| (known.name.to_owned(), self.value(known.name)))
            .collect()
    }

    /// Name and value of every setting, sorted by name.
    pub(crate) fn all(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> = DEFINITIONS
            .iter()
            .map(|known| (known.name.to_owned(), self.value(known.name)))
            .collect();
        all.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        all
    }

    /// A timeout setting; zero stands for none.
    pub(crate) fn timeout(&self, name: &str) -> Option<Duration> {
        let milliseconds = milliseconds(&self.value(name))?;
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }

    /// The way that work on remote tables is to take.
    pub(crate) fn route(&self) -> Route {
        self.value("lakegate.route").parse().unwrap_or_default()
    }

    /// What may come from remote systems for work that is done here.
    pub(crate) fn pushdown(&self) -> PushdownLimit {
        let rows = self.value("lakegate.pushdown_rows").parse();
        PushdownLimit {
            mode: self.value("lakegate.pushdown").parse().unwrap_or_default(),
            rows: rows.unwrap_or(PushdownLimit::ROWS_DEFAULT),
        }
    }

    /// The schemas that unqualified names are looked up in, in order; `$user` and `pg_catalog` are left out.
    pub(crate) fn search_path(&self) -> Vec<String> {
        let names = split_identifiers(&self.value("search_path"));
        names
            .into_iter()
            .filter(|name| name != "$user" && name != "pg_catalog")
            .collect()
    }
}

/// Cuts a list of identifiers as in search_path: quoted ones keep their case.
fn split_identifiers(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut name, mut quoted, mut was_quoted) = (String::new(), false, false);
    for character in list.chars().chain([',']) {
        match character {
            '"' => (quoted, was_quoted) = (!quoted, true),
            ',' if !quoted => {
                let part = if was_quoted {
                    name.trim().to_owned()
                } else {
                    name.trim().to_lowercase()
                };
                let part = part.trim_matches('\'').to_owned();
                if !part.is_empty() {
                    names.push(part);
                }
                (name, was_quoted) = (String::new(), false);
            }
            other => name.push(other),
        }
    }
    names
}

fn cannot_change(name: &str) -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        format!("parameter \"{name}\" cannot be changed"),
    )
}

fn check(known: &Definition, value: &str) -> Result<String> {
    let invalid = || {
        Error::new(
            ErrorKind::InvalidParameter,
            format!(
                "invalid value for parameter \"{}\": \"{}\"",
                known.name,
                value.chars().take(100).collect::<String>()
            ),
        )
    };
    if value.len() > VALUE_BYTES_MAX || value.contains('\0') {
        return Err(invalid());
    }
    match known.check {
        Check::Fixed => Err(cannot_change(known.name)),
        Check::Text => Ok(value.to_owned()),
        Check::Boolean => match value.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" | "t" | "y" => Ok("on".to_owned()),
            "off" | "false" | "no" | "0" | "f" | "n" => Ok("off".to_owned()),
            _ => Err(invalid().with_hint("A boolean is wanted: on or off.")),
        },
        Check::Integer(least, most) => match value.trim().parse::<i64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number.to_string()),
            _ => Err(invalid().with_hint(format!("A whole number from {least} to {most} is wanted."))),
        },
        Check::Real => value
            .trim()
            .parse::<f64>()
            .map(|number| number.to_string())
            .map_err(|_| invalid()),
        Check::Milliseconds => milliseconds(value).map(show_milliseconds).ok_or_else(|| {
            invalid().with_hint("Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".")
        }),
        Check::Memory => {
            let digits = value.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic());
            digits
                .trim()
                .parse::<u64>()
                .map(|_| value.trim().to_owned())
                .map_err(|_| invalid())
        }
        Check::OneOf(allowed) => match allowed.iter().find(|one| one.eq_ignore_ascii_case(value.trim())) {
            Some(one) => Ok((*one).to_owned()),
            None if allowed == ["on"] && check_boolean_on(value) => Ok("on".to_owned()),
            None if allowed == ["off"] && value == "false" => Ok("off".to_owned()),
            None => Err(invalid().with_hint(format!("Available values: {}.", allowed.join(", ")))),
        },
        Check::TimeZone => time_zone(value).ok_or_else(invalid),
        Check::DateStyle => date_style(value).ok_or_else(|| invalid().with_hint("Only the ISO style is supported.")),
        Check::Encoding => {
            let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
            match plain.to_ascii_lowercase().as_str() {
                "utf8" | "unicode" => Ok("UTF8".to_owned()),
                _ => Err(invalid().with_hint("Only UTF8 is supported.")),
            }
        }
    }
}

fn check_boolean_on(value: &str) -> bool {
    matches!(value.trim().to_ascii_lowercase().as_str(), "true" | "yes" | "1")
}

fn milliseconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let number: u64 = value[..digits].parse().ok()?;
    let factor = match value[digits..].trim() {
        "" | "ms" => 1,
        "us" => return Some(number.div_ceil(1000)),
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor).filter(|all| *all <= i32::MAX as u64)
}

fn show_milliseconds(all: u64) -> String {
    for (factor, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")] {
        if all > 0 && all.is_multiple_of(factor) {
            return format!("{}{unit}", all / factor);
        }
    }
    if all == 0 { "0".to_owned() } else { format!("{all}ms") }
}

/// IANA names in their own spelling, `UTC`, and fixed offsets of whole or half hours as `+02:00`.
fn time_zone(value: &str) -> Option<String> {
    let value = value.trim();
    if value.eq_ignore_ascii_case("default") || value.eq_ignore_ascii_case("local") {
        return Some("UTC".to_owned());
    }
    if let Some(zone) = chrono_tz::TZ_VARIANTS
        .iter()
        .find(|zone| zone.name().eq_ignore_ascii_case(value))
    {
        return Some(zone.name().to_owned());
    }
    let (sign, rest) = match value.as_bytes().first()? {
        b'+' => ('+', &value[1..]),
        b'-' => ('-', &value[1..]),
        b'0'..=b'9' => ('+', value),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let (hours, minutes) = (u8::from_str(hours).ok()?, u8::from_str(minutes).ok()?);
    (hours <= 15 && minutes < 60).then(|| format!("{sign}{hours:02}:{minutes:02}"))
}

fn date_style(value: &str) -> Option<String> {
    let mut order = "MDY";
    for part in value.split(',') {
        match part.trim().to_ascii_lowercase().as_str() {
            "iso" | "default" | "" => {}
            "mdy" | "us" | "noneuropean" => order = "MDY",
            "dmy" | "euro" | "european" => order = "DMY",
            "ymd" => order = "YMD",
            _ => return None,
        }
    }
    Some(format!("ISO, {order}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_postgresql_shows_them() {
        let mut settings = Settings::new("dana", false);
        for (name, given, shown) in [
            ("datestyle", "ISO", "ISO, MDY"),
            ("DateStyle", "iso, dmy", "ISO, DMY"),
            ("TIMEZONE", "europe/berlin", "Europe/Berlin"),
            ("time zone", "+5:30", "+05:30"),
            ("statement_timeout", "60000", "1min"),
            ("statement_timeout", "1500", "1500ms"),
            ("client_encoding", "'utf-8'", "UTF8"),
            ("extra_float_digits", "3", "3"),
            ("jit", "FALSE", "off"),
        ] {
            settings.set(name, given).unwrap();
            assert_eq!(settings.get(name).unwrap(), shown, "{name} = {given}");
        }
    }

    #[test]
    fn what_is_unknown_or_touches_rights_is_refused() {
        let mut settings = Settings::new("dana", false);
        for (name, value, kind) in [
            ("user.id", "8", ErrorKind::UndefinedObject),
            ("datafusion.optimizer.max_passes", "0", ErrorKind::UndefinedObject),
            ("row_security", "off", ErrorKind::InvalidParameter),
            ("is_superuser", "on", ErrorKind::PermissionDenied),
            ("session_authorization", "root", ErrorKind::PermissionDenied),
            ("client_encoding", "LATIN1", ErrorKind::InvalidParameter),
            ("extra_float_digits", "4", ErrorKind::InvalidParameter),
            ("statement_timeout", "-1", ErrorKind::InvalidParameter),
        ] {
            assert_eq!(settings.set(name, value).unwrap_err().kind(), kind, "{name}");
        }
    }

    #[test]
    fn what_may_come_from_elsewhere_is_set() {
        let mut settings = Settings::new("dana", false);
        assert_eq!(settings.pushdown(), PushdownLimit::default());
        settings.set("lakegate.pushdown", "STRICT").unwrap();
        settings.set("lakegate.pushdown_rows", "12").unwrap();
        let strict = PushdownLimit {
            mode: PushdownMode::Strict,
            rows: 12,
        };
        assert_eq!(settings.pushdown(), strict);
        for (name, value) in [("lakegate.pushdown", "never"), ("lakegate.pushdown_rows", "-1")] {
            let refused = settings.set(name, value).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidParameter, "{name}");
        }
        settings.reset("lakegate.pushdown").unwrap();
        settings.reset("lakegate.pushdown_rows").unwrap();
        assert_eq!(settings.pushdown(), PushdownLimit::default());
    }

    #[test]
    fn reset_goes_back_to_the_start() {
        let mut settings = Settings::new("dana", false);
        settings.set_initial("TimeZone", "Asia/Tokyo").unwrap();
        settings.set("TimeZone", "UTC").unwrap();
        settings.reset("TimeZone").unwrap();
        assert_eq!(settings.value("TimeZone"), "Asia/Tokyo");
        settings.set("search_path", "a, \"B c\", $user").unwrap();
        assert_eq!(settings.search_path(), ["a", "B c"]);
        settings.reset_all();
        assert_eq!(settings.search_path(), ["public"]);
    }
}
