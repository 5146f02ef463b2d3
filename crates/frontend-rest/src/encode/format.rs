//! Which format a client accepts.

use contract::{Error, ErrorKind, Result};

/// The formats an answer of rows can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerFormat {
    /// Objects in an array, see [`Envelope`](super::Envelope).
    Json,
    /// An object a line.
    NdJson,
    /// PostgreSQL's CSV, the first line naming the columns.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
}

impl AnswerFormat {
    /// Every format, the one that is preferred where a client does not mind in front.
    pub const ALL: [Self; 4] = [Self::Json, Self::NdJson, Self::Csv, Self::Arrow];

    /// The media type of an answer in this format.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::NdJson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// The format that the value of an `Accept` header asks for: of what the client weighs highest, the first of
    /// [`ALL`](Self::ALL). No header, or one that names nothing, accepts everything.
    ///
    /// The most specific range that fits a format gives its weight, weight zero forbids it. A weight that is no number
    /// counts as one, and so does none.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if no format is acceptable.
    pub fn from_accept(accept: Option<&str>) -> Result<Self> {
        let accept = accept.unwrap_or_default();
        if accept.split(',').all(|range| range.trim().is_empty()) {
            return Ok(Self::Json);
        }
        let mut best: Option<(Self, u16)> = None;
        for format in Self::ALL {
            let weight = format.weight(accept);
            if weight > best.map_or(0, |(_, highest)| highest) {
                best = Some((format, weight));
            }
        }
        best.map(|(format, _)| format).ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                "none of the accepted media types can be written",
            )
            .with_hint(
                "Accept application/json, application/x-ndjson, text/csv or application/vnd.apache.arrow.stream.",
            )
        })
    }

    /// In thousandths, zero if `accept` does not name the format.
    fn weight(self, accept: &str) -> u16 {
        let ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';');
            let specificity = self.specificity(parts.next()?.trim())?;
            let weight = parts.find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
            });
            Some((specificity, weight.unwrap_or(1000)))
        });
        // Of two equal ranges the higher weight counts.
        ranges.max().map_or(0, |(_, weight)| weight)
    }

    /// How closely a media range names this format; none if it does not.
    fn specificity(self, range: &str) -> Option<u8> {
        let (kind, aliases): (&str, &[&str]) = match self {
            Self::Json => ("application/*", &["application/json"]),
            Self::NdJson => (
                "application/*",
                &["application/x-ndjson", "application/ndjson", "application/jsonl"],
            ),
            Self::Csv => ("text/*", &["text/csv"]),
            Self::Arrow => ("application/*", &["application/vnd.apache.arrow.stream"]),
        };
        if aliases.iter().any(|alias| range.eq_ignore_ascii_case(alias)) {
            Some(2)
        } else if range.eq_ignore_ascii_case(kind) {
            Some(1)
        } else {
            matches!(range, "*/*" | "*").then_some(0)
        }
    }
}

/// A weight of HTTP, `0` to `1` with up to three places.
fn thousandths(weight: &str) -> u16 {
    match weight.parse::<f32>() {
        Ok(weight) if weight.is_finite() => (weight.clamp(0.0, 1.0) * 1000.0).round() as u16,
        _ => 1000,
    }
}
