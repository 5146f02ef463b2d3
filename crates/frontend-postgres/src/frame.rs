//! Cuts the byte stream into frames. The length is judged from the header alone, before a byte of the body is kept.
//!
//! <https://www.postgresql.org/docs/16/protocol-message-formats.html>

use bytes::{Buf, BytesMut};

use crate::error::WireError;

/// The longest frame before login, and of kinds that carry no text or data: PostgreSQL's own figure, enough for any
/// name and for a startup message with all its settings.
pub(crate) const SMALL_BYTES_MAX: usize = 10_000;

/// The longest Query, Parse, Bind or CopyData: enough for the largest statement that tools generate, and little enough
/// that a few clients at once do not exhaust a small machine.
pub(crate) const LARGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A type byte and a length that counts itself.
const HEADER_BYTES: usize = 5;

/// Which messages may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Between startup message and the end of the login: answers to the authentication only.
    Login,
    /// After it.
    Ready,
}

/// One message, cut out of the stream.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The type byte.
    pub(crate) kind: u8,
    /// What follows the length.
    pub(crate) body: BytesMut,
}

/// Takes the next frame off `buffer`, if it is there as a whole.
///
/// # Errors
/// A fatal one for a kind that does not exist or may not come now, or for a length outside its limits: the stream
/// cannot be followed any further.
pub(crate) fn cut(buffer: &mut BytesMut, stage: Stage) -> Result<Option<Frame>, WireError> {
    let Some((header, _)) = buffer.split_first_chunk::<HEADER_BYTES>() else {
        // The type byte alone tells nonsense, before four more bytes come.
        if let Some(kind) = buffer.first() {
            length_max(*kind, stage)?;
        }
        return Ok(None);
    };
    let [kind, length @ ..] = *header;
    let limit = length_max(kind, stage)?;
    let length = usize::try_from(i32::from_be_bytes(length))
        .ok()
        .filter(|length| *length >= 4);
    let Some(length) = length else {
        return Err(WireError::protocol("invalid message length").fatal());
    };
    if length > limit {
        return Err(if limit == LARGE_BYTES_MAX {
            WireError::new(
                "54000",
                format!("message of {length} bytes exceeds the limit of {limit} bytes"),
            )
            .with_hint("Send the statement or its parameters in smaller pieces.")
            .fatal()
        } else {
            WireError::protocol("invalid message length").fatal()
        });
    }
    if buffer.len() < 1 + length {
        return Ok(None);
    }
    let mut body = buffer.split_to(1 + length);
    body.advance(HEADER_BYTES);
    Ok(Some(Frame { kind, body }))
}

fn length_max(kind: u8, stage: Stage) -> Result<usize, WireError> {
    match (stage, kind) {
        (Stage::Login, b'p') => Ok(SMALL_BYTES_MAX),
        (Stage::Login, _) => {
            Err(WireError::protocol(format!("expected password response, got message type {kind}")).fatal())
        }
        (Stage::Ready, b'Q' | b'P' | b'B' | b'd') => Ok(LARGE_BYTES_MAX),
        (Stage::Ready, b'D' | b'E' | b'C' | b'H' | b'S' | b'X' | b'F' | b'c' | b'f') => Ok(SMALL_BYTES_MAX),
        (Stage::Ready, _) => Err(WireError::protocol(format!("invalid frontend message type {kind}")).fatal()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kind: u8, length: i32, body: &[u8]) -> BytesMut {
        let mut bytes = BytesMut::from(&[kind][..]);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn waits_for_the_whole_frame_and_takes_no_more() {
        let mut whole = bytes(b'Q', 9, b"abcd\0Sxx");
        let mut buffer = BytesMut::new();
        for byte in whole.split_to(9) {
            buffer.extend_from_slice(&[byte]);
            assert!(cut(&mut buffer, Stage::Ready).unwrap().is_none());
        }
        buffer.extend_from_slice(&whole);
        let frame = cut(&mut buffer, Stage::Ready).unwrap().unwrap();
        assert_eq!((frame.kind, &frame.body[..]), (b'Q', &b"abcd\0"[..]));
        assert_eq!(&buffer[..], b"Sxx");
    }

    #[test]
    fn judges_the_length_by_the_header_alone() {
        for (kind, length, stage, code) in [
            (b'p', 1 << 30, Stage::Login, "08P01"),
            (b'Q', 10, Stage::Login, "08P01"),
            (b'Q', 1 << 30, Stage::Ready, "54000"),
            (b'Q', 3, Stage::Ready, "08P01"),
            (b'Q', 0, Stage::Ready, "08P01"),
            (b'Q', -1, Stage::Ready, "08P01"),
            (b'E', 10_001, Stage::Ready, "08P01"),
            (b'S', i32::MIN, Stage::Ready, "08P01"),
            (b'p', 10, Stage::Ready, "08P01"),
            (b'~', 10, Stage::Ready, "08P01"),
        ] {
            let error = cut(&mut bytes(kind, length, b""), stage).unwrap_err();
            assert!(
                error.is_fatal() && error.sqlstate() == code,
                "{kind} {length}: {error:?}"
            );
        }
        assert!(
            cut(&mut bytes(b'Q', 64 * 1024 * 1024, b""), Stage::Ready)
                .unwrap()
                .is_none()
        );
    }
}
