//! JSON as requests bring it, with numbers as they are written: none loses a digit before its type is known.

use contract::{Error, ErrorKind};

/// The deepest nesting of arrays and objects.
const DEPTH_MAX: usize = 64;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// The text of the number.
    Number(String),
    String(String),
    Array(Vec<Json>),
    /// The members in their order; no name is there twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What kind of value it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads one document.
///
/// # Errors
/// `Syntax` with the place, in bytes; `StatementTooComplex` for one nested too deep.
pub(crate) fn parse(text: &[u8]) -> contract::Result<Json> {
    let text = std::str::from_utf8(text).map_err(|error| wrong("the body is not valid UTF-8", error.valid_up_to()))?;
    let mut reader = Reader {
        text,
        at: usize::from(text.starts_with('\u{feff}')) * '\u{feff}'.len_utf8(),
    };
    let value = reader.value(0)?;
    reader.blanks();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(wrong("the body holds more than one JSON value", reader.at)),
    }
}

fn wrong(message: &str, at: usize) -> Error {
    Error::new(ErrorKind::Syntax, message).with_detail(format!("It is at byte {} of the body.", at + 1))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self) -> Error {
        match self.peek() {
            None => wrong("the JSON of the body ends early", self.at),
            Some(_) => wrong("the body is no valid JSON", self.at),
        }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn take(&mut self, expected: u8) -> bool {
        let there = self.peek() == Some(expected);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, word: &str, value: Json) -> contract::Result<Json> {
        if !self.rest().starts_with(word) {
            return Err(self.wrong());
        }
        self.at += word.len();
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> contract::Result<Json> {
        if depth > DEPTH_MAX {
            let message = format!("the body is nested deeper than {DEPTH_MAX} levels");
            return Err(Error::new(ErrorKind::StatementTooComplex, message));
        }
        self.blanks();
        match self.peek() {
            Some(b'n') => self.word("null", Json::Null),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'[') => self.array(depth),
            Some(b'{') => self.object(depth),
            _ => Err(self.wrong()),
        }
    }

    fn array(&mut self, depth: usize) -> contract::Result<Json> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.wrong());
            }
        }
    }

    fn object(&mut self, depth: usize) -> contract::Result<Json> {
        self.at += 1;
        let mut members = Vec::new();
        let mut names = std::collections::HashSet::new();
        self.blanks();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.blanks();
            let at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.wrong());
            }
            let name = self.string()?;
            self.blanks();
            if !self.take(b':') {
                return Err(self.wrong());
            }
            // Which of two counts is for each reader to guess, so none does.
            if !names.insert(name.clone()) {
                return Err(wrong("a name is twice in one JSON object", at));
            }
            members.push((name, self.value(depth + 1)?));
            self.blanks();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.wrong());
            }
        }
    }

    fn digits(&mut self) -> contract::Result<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if start == self.at { Err(self.wrong()) } else { Ok(()) }
    }

    fn number(&mut self) -> contract::Result<Json> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(Json::Number(self.text.get(start..self.at).unwrap_or("").to_owned()))
    }

    fn string(&mut self) -> contract::Result<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let plain = rest
                .bytes()
                .position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20)
                .unwrap_or(rest.len());
            out.push_str(rest.get(..plain).unwrap_or(""));
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return Err(self.wrong()),
            }
        }
    }

    fn escape(&mut self) -> contract::Result<char> {
        let letter = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.wrong()),
        };
        self.at += 1;
        Ok(letter)
    }

    fn unit(&mut self) -> contract::Result<u32> {
        let digits = self.text.get(self.at..self.at + 4);
        let hex = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = hex
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .ok_or_else(|| self.wrong())?;
        self.at += 4;
        Ok(unit)
    }

    fn unicode(&mut self) -> contract::Result<char> {
        let at = self.at;
        let first = self.unit()?;
        let code = match first {
            0xd800..=0xdbff if self.rest().starts_with("\\u") => {
                self.at += 2;
                match self.unit()? {
                    second @ 0xdc00..=0xdfff => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => first,
                }
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| wrong("half of a surrogate pair in a JSON string", at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_keep_their_text() {
        let text = br#" {"a": [0.10, -9223372036854775808, 1E+400, 123456789012345678901234567890.5], "b": "x\u00e9\ud83d\ude00\n"} "#;
        let number = |text: &str| Json::Number(text.to_owned());
        let numbers = [
            "0.10",
            "-9223372036854775808",
            "1E+400",
            "123456789012345678901234567890.5",
        ]
        .map(number);
        let expected = Json::Object(vec![
            ("a".to_owned(), Json::Array(numbers.to_vec())),
            ("b".to_owned(), Json::String("xé😀\n".to_owned())),
        ]);
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "01",
            "1.",
            ".5",
            "1e",
            "+1",
            "nul",
            "truex",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\n\"",
            "1 2",
            "{\"a\":1,\"a\":2}",
            "NaN",
            "'a'",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        parse(nested(DEPTH_MAX).as_bytes()).unwrap();
        let error = parse(nested(100_000).as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StatementTooComplex);
        parse("[".repeat(100_000).as_bytes()).unwrap_err();
    }

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn near_json_never_panics(text in "[\\[\\]{}\",:\\\\u0-9a-f.eE+\\- ntrlsé]{0,40}") {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn strings_survive(text in any::<String>()) {
            let written = serde_json::to_vec(&text).unwrap();
            prop_assert_eq!(parse(&written).unwrap(), Json::String(text));
        }
    }
}
