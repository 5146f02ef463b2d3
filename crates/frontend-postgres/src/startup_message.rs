//! The first message of a client: who it is, which database it wants, and settings.

use crate::decode::Reader;
use crate::error::WireError;

/// The newest protocol: 3.2.
pub(crate) const MINOR_MAX: u16 = 2;

/// What a client says of itself first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StartupMessage {
    pub(crate) minor: u16,
    pub(crate) user: String,
    pub(crate) database: Option<String>,
    /// In the order in which they take effect.
    pub(crate) settings: Vec<(String, String)>,
    /// Protocol options that we do not know.
    pub(crate) unknown_options: Vec<String>,
}

impl StartupMessage {
    pub(crate) fn read(version: u32, body: &[u8]) -> Result<Self, WireError> {
        let [m0, m1, n0, n1] = version.to_be_bytes();
        let (major, minor) = (u16::from_be_bytes([m0, m1]), u16::from_be_bytes([n0, n1]));
        if major != 3 {
            return Err(WireError::new(
                "0A000",
                format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{MINOR_MAX}"),
            ));
        }
        let mut message = Self {
            minor,
            user: String::new(),
            database: None,
            settings: Vec::new(),
            unknown_options: Vec::new(),
        };
        let mut options = Vec::new();
        let mut reader = Reader(body);
        loop {
            let name = reader.text()?;
            if name.is_empty() {
                break;
            }
            let value = reader.text()?;
            match name {
                "user" => value.clone_into(&mut message.user),
                "database" => message.database = Some(value.to_owned()),
                "options" => options = command_line(value)?,
                "replication" => refuse_replication(value)?,
                _ if name.starts_with("_pq_.") => message.unknown_options.push(name.to_owned()),
                _ => message.settings.push((name.to_owned(), value.to_owned())),
            }
        }
        if !reader.0.is_empty() {
            return Err(WireError::protocol(
                "invalid startup packet layout: expected terminator as last byte",
            ));
        }
        if message.user.is_empty() {
            return Err(WireError::new(
                "28000",
                "no PostgreSQL user name specified in startup packet",
            ));
        }
        message.database = message.database.filter(|database| !database.is_empty());
        options.append(&mut message.settings);
        message.settings = options;
        Ok(message)
    }
}

fn refuse_replication(value: &str) -> Result<(), WireError> {
    if ["false", "off", "no", "0"]
        .iter()
        .any(|no| value.eq_ignore_ascii_case(no))
    {
        return Ok(());
    }
    Err(WireError::new("0A000", "replication connections are not supported"))
}

/// The settings in `-c name=value --name=value …`; a backslash keeps the next character.
fn command_line(options: &str) -> Result<Vec<(String, String)>, WireError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.get_or_insert_default().extend(characters.next()),
            blank if blank.is_ascii_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    let mut settings = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let assignment = match word.strip_prefix("--") {
            Some(assignment) => Some(assignment.to_owned()),
            None if word == "-c" => words.next(),
            None => word.strip_prefix("-c").map(str::to_owned),
        };
        match assignment.as_deref().and_then(|assignment| assignment.split_once('=')) {
            Some((name, value)) => settings.push((name.replace('-', "_"), value.to_owned())),
            None => {
                return Err(WireError::new(
                    "42601",
                    format!("invalid command-line argument for server process: {word}"),
                ));
            }
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V3: u32 = 3 << 16;

    #[test]
    fn reads_user_database_and_settings_in_order() {
        let body = b"user\0ana\0database\0lake\0TimeZone\0UTC\0options\0-c a.b=1 --search-path=x\\ y\0_pq_.z\x001\0\0";
        let message = StartupMessage::read(V3 | 2, body).unwrap();
        assert_eq!(
            (message.minor, &*message.user, message.database.as_deref()),
            (2, "ana", Some("lake"))
        );
        let pairs = [("a.b", "1"), ("search_path", "x y"), ("TimeZone", "UTC")];
        assert_eq!(
            message.settings,
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(message.unknown_options, ["_pq_.z"]);
    }

    #[test]
    fn refuses_what_is_no_startup_message() {
        for (version, body, code) in [
            (2 << 16, &b"user\0ana\0\0"[..], "0A000"),
            (4 << 16, b"user\0ana\0\0", "0A000"),
            (V3, b"user\0ana\0", "08P01"),
            (V3, b"user\0ana", "08P01"),
            (V3, b"user\0ana\0\0x", "08P01"),
            (V3, b"", "08P01"),
            (V3, b"\0", "28000"),
            (V3, b"user\0\0\0", "28000"),
            (V3, b"user\0\xff\0\0", "22021"),
            (V3, b"user\0ana\0replication\0database\0\0", "0A000"),
            (V3, b"user\0ana\0options\0-x\0\0", "42601"),
        ] {
            let error = StartupMessage::read(version, body).unwrap_err();
            assert_eq!(error.sqlstate(), code, "{body:?}");
        }
    }
}
