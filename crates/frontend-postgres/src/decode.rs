//! Reads the body of a frame. Every read is checked, nothing may be left over, text is UTF-8 and ends at its NUL: so no
//! body, however malformed, panics or reaches into the next message.

use crate::error::WireError;

/// The message as it came; text and values borrow the frame.
#[derive(Debug, PartialEq)]
pub(crate) enum Message<'a> {
    /// `Q`
    Query(&'a str),
    /// `P`: the types are object identifiers, 0 where the client leaves it to us.
    Parse {
        name: &'a str,
        query: &'a str,
        types: Vec<u32>,
    },
    /// `B`
    Bind(Bind<'a>),
    /// `D`
    Describe(Target, &'a str),
    /// `C`
    Close(Target, &'a str),
    /// `E`: a limit of zero or less means all rows.
    Execute { portal: &'a str, rows_max: i32 },
    /// `H`
    Flush,
    /// `S`
    Sync,
    /// `X`
    Terminate,
    /// `F`
    FunctionCall,
    /// `d`, `c`, `f`: what is left of a COPY FROM STDIN that failed.
    CopyInput,
}

/// The parts of a Bind message.
#[derive(Debug, PartialEq)]
pub(crate) struct Bind<'a> {
    pub(crate) portal: &'a str,
    pub(crate) statement: &'a str,
    pub(crate) parameter_formats: Vec<i16>,
    pub(crate) parameters: Vec<Option<&'a [u8]>>,
    pub(crate) result_formats: Vec<i16>,
}

/// What Describe and Close speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// `S`
    Statement,
    /// `P`
    Portal,
}

/// Reads a message that the frame cutter let through.
///
/// # Errors
/// 08P01 for a malformed body, 22021 for text that is not UTF-8. The frame is consumed either way, so the
/// conversation may go on.
pub(crate) fn decode(kind: u8, body: &[u8]) -> Result<Message<'_>, WireError> {
    let mut reader = Reader(body);
    let message = match kind {
        b'Q' => Message::Query(reader.text()?),
        b'P' => Message::Parse {
            name: reader.text()?,
            query: reader.text()?,
            types: {
                let count = reader.u16()?;
                reader.repeat(count, 4, |reader| reader.array().map(u32::from_be_bytes))?
            },
        },
        b'B' => Message::Bind(bind(&mut reader)?),
        b'D' => Message::Describe(target(&mut reader, "DESCRIBE")?, reader.text()?),
        b'C' => Message::Close(target(&mut reader, "CLOSE")?, reader.text()?),
        b'E' => Message::Execute {
            portal: reader.text()?,
            rows_max: i32::from_be_bytes(reader.array()?),
        },
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        // PostgreSQL does not look at what follows these.
        b'X' => return Ok(Message::Terminate),
        b'F' => return Ok(Message::FunctionCall),
        b'd' | b'c' | b'f' => return Ok(Message::CopyInput),
        _ => return Err(WireError::protocol(format!("invalid frontend message type {kind}")).fatal()),
    };
    if !reader.0.is_empty() {
        return Err(WireError::protocol("invalid message format"));
    }
    Ok(message)
}

fn bind<'a>(reader: &mut Reader<'a>) -> Result<Bind<'a>, WireError> {
    let portal = reader.text()?;
    let statement = reader.text()?;
    let count = reader.u16()?;
    let parameter_formats = reader.repeat(count, 2, |reader| reader.array().map(i16::from_be_bytes))?;
    let count = reader.u16()?;
    let parameters = reader.repeat(count, 4, |reader| match i32::from_be_bytes(reader.array()?) {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_| short())?;
            reader.take(length).map(Some)
        }
    })?;
    let count = reader.u16()?;
    let result_formats = reader.repeat(count, 2, |reader| reader.array().map(i16::from_be_bytes))?;
    Ok(Bind {
        portal,
        statement,
        parameter_formats,
        parameters,
        result_formats,
    })
}

fn target(reader: &mut Reader<'_>, message: &str) -> Result<Target, WireError> {
    match reader.array()? {
        [b'S'] => Ok(Target::Statement),
        [b'P'] => Ok(Target::Portal),
        [other] => Err(WireError::protocol(format!(
            "invalid {message} message subtype {other}"
        ))),
    }
}

/// Text from a client that must be UTF-8.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let rest = bytes.get(error.valid_up_to()..).unwrap_or_default();
        // PostgreSQL shows the bytes that the first one promised, as far as they are there.
        let promised = match rest.first() {
            Some(0xc0..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf7) => 4,
            _ => 1,
        };
        let shown: Vec<String> = rest.iter().take(promised).map(|byte| format!("0x{byte:02x}")).collect();
        WireError::new(
            "22021",
            format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
        )
    })
}

fn short() -> WireError {
    WireError::protocol("insufficient data left in message")
}

/// What is left of a body.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or_else(short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Text up to its NUL.
    pub(crate) fn text(&mut self) -> Result<&'a str, WireError> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| WireError::protocol("invalid string in message"))?;
        let bytes = self.take(end)?;
        self.take(1)?;
        utf8(bytes)
    }

    /// `count` items of at least `bytes_min` each: room is made only for as many as the body can hold.
    fn repeat<T>(
        &mut self,
        count: u16,
        bytes_min: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        if self.0.len() < usize::from(count) * bytes_min {
            return Err(short());
        }
        (0..count).map(|_| item(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(kind: u8, body: &[u8]) -> &'static str {
        decode(kind, body).unwrap_err().sqlstate()
    }

    #[test]
    fn reads_what_clients_send() {
        assert_eq!(decode(b'Q', b"select 1\0").unwrap(), Message::Query("select 1"));
        assert_eq!(
            decode(b'P', b"s\0select $1\0\0\x01\0\0\0\x17").unwrap(),
            Message::Parse {
                name: "s",
                query: "select $1",
                types: vec![23]
            }
        );
        assert_eq!(
            decode(b'B', b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0").unwrap(),
            Message::Bind(Bind {
                portal: "",
                statement: "s",
                parameter_formats: vec![1],
                parameters: vec![Some(b"x"), None],
                result_formats: vec![],
            })
        );
        assert_eq!(
            decode(b'D', b"Ss\0").unwrap(),
            Message::Describe(Target::Statement, "s")
        );
        assert_eq!(
            decode(b'E', b"\0\xff\xff\xff\xff").unwrap(),
            Message::Execute {
                portal: "",
                rows_max: -1
            }
        );
        assert_eq!(decode(b'S', b"").unwrap(), Message::Sync);
    }

    #[test]
    fn refuses_what_is_short_long_or_no_text() {
        for (kind, body) in [
            (b'Q', &b"select 1"[..]),
            (b'Q', b"select 1\0x"),
            (b'Q', b""),
            (b'P', b"s\0select 1\0"),
            (b'P', b"s\0select 1\0\0\x02\0\0\0\x17"),
            (b'B', b"\0\0\0\0\xff\xff"),
            (b'B', b"\0\0\0\0\0\x01\0\0\x10\0abc\0\0"),
            (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfeabc\0\0"),
            (b'D', b"Xs\0"),
            (b'D', b""),
            (b'C', b"S"),
            (b'E', b"\0\0\0"),
            (b'E', b"\0\0\0\0\0\0"),
            (b'S', b"x"),
        ] {
            assert_eq!(code(kind, body), "08P01", "{} {body:?}", char::from(kind));
        }
        let error = decode(b'Q', b"select '\xe4bc'\0").unwrap_err();
        assert_eq!(error.sqlstate(), "22021");
        assert_eq!(
            error.message(),
            "invalid byte sequence for encoding \"UTF8\": 0xe4 0x62 0x63"
        );
    }

    #[test]
    fn every_cut_of_a_message_is_refused_and_none_panics() {
        let whole = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\x01\0\0";
        assert!(decode(b'B', whole).is_ok());
        for end in 0..whole.len() {
            assert_eq!(code(b'B', &whole[..end]), "08P01");
        }
    }
}
