//! A stricter look at heads than the HTTP library's, at what lets two readers disagree where a request ends: two
//! lengths, a length beside chunks, lines that end without CR, folded lines. (RFC 9112 sections 2.2, 5.2 and 6.3.)

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Judges each head of one connection as its bytes come in.
#[derive(Debug, Default)]
pub(crate) struct HeadCheck(Mutex<Scanner>);

/// Longer lines are not headers that count here.
const NAME_BYTES_MAX: usize = 20;

#[derive(Debug, Default)]
struct Scanner {
    place: Place,
    /// Of the head that is being read.
    head: Head,
    /// Of those that were read and not yet answered.
    verdicts: VecDeque<bool>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Place {
    /// Within a head.
    #[default]
    Head,
    /// Within a body, so many bytes before its end.
    Body(u64),
    /// Behind a head whose request is the last one that is answered.
    Last,
}

#[derive(Debug, Default)]
struct Head {
    started: bool,
    /// The line so far, if it may be one of ours.
    line: Vec<u8>,
    line_length: u64,
    after_cr: bool,
    lengths: u32,
    length: u64,
    chunked: bool,
    bad: bool,
}

impl HeadCheck {
    /// Looks at bytes as they came from the socket.
    pub(crate) fn read(&self, bytes: &[u8]) {
        self.0.lock().read(bytes);
    }

    /// Whether the next request's head is one that all readers understand alike; to be asked once for each request.
    pub(crate) fn next_is_good(&self) -> bool {
        self.0.lock().verdicts.pop_front().unwrap_or(false)
    }
}

impl Scanner {
    fn read(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.place {
                Place::Last => return,
                Place::Body(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        self.place = Place::Head;
                    }
                    bytes = bytes.get(taken..).unwrap_or_default();
                }
                Place::Head => {
                    if self.head.byte(*first) {
                        self.end_head();
                    }
                    bytes = rest;
                }
            }
        }
    }

    fn end_head(&mut self) {
        let head = std::mem::take(&mut self.head);
        let bad = head.bad || head.lengths > 1 || (head.chunked && head.lengths > 0);
        self.verdicts.push_back(!bad);
        self.place = match head.length {
            _ if bad || head.chunked => Place::Last,
            0 => Place::Head,
            length => Place::Body(length),
        };
    }
}

impl Head {
    /// Takes the next byte; true if the head ends with it.
    fn byte(&mut self, byte: u8) -> bool {
        if byte != b'\n' {
            // A CR that no LF follows.
            self.bad |= self.after_cr;
            self.after_cr = byte == b'\r';
            if !self.after_cr {
                self.line_length += 1;
                if self.line.len() < NAME_BYTES_MAX + 64 {
                    self.line.push(byte);
                }
            }
            return false;
        }
        self.bad |= !self.after_cr;
        self.after_cr = false;
        if self.line_length == 0 {
            // Empty lines before a request do not count.
            return std::mem::replace(&mut self.started, false);
        }
        if self.started {
            self.header();
        }
        self.started = true;
        self.line.clear();
        self.line_length = 0;
        false
    }

    fn header(&mut self) {
        let line = std::mem::take(&mut self.line);
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            Some(colon) => (
                line.get(..colon).unwrap_or_default(),
                line.get(colon + 1..).unwrap_or_default(),
            ),
            None if line.len() > NAME_BYTES_MAX => return,
            None => {
                self.bad = true;
                return;
            }
        };
        self.bad |=
            name.first().is_none_or(u8::is_ascii_whitespace) || name.last().is_some_and(u8::is_ascii_whitespace);
        if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths += 1;
            let digits = value.trim_ascii();
            let parsed = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse::<u64>().ok());
            self.bad |= !digits.iter().all(u8::is_ascii_digit) || parsed.is_none();
            self.length = parsed.unwrap_or(0);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.bad |= self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked");
            self.chunked = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(bytes: &[u8], piece: usize) -> Vec<bool> {
        let check = HeadCheck::default();
        bytes.chunks(piece).for_each(|piece| check.read(piece));
        let verdicts = std::mem::take(&mut check.0.lock().verdicts);
        verdicts.into()
    }

    #[test]
    fn each_head_is_judged() {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let post = "POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\n\r\nab\r\n\r";
        for (text, expected) in [
            (format!("{get}\r\n{post}{get}"), vec![true, true, true]),
            ("GET / HTTP/1.1\nHost: a\n\n".to_owned(), vec![false]),
            ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n".to_owned(), vec![false]),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(), vec![false]),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx".to_owned(),
                vec![false],
            ),
            ("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx".to_owned(), vec![false]),
            (
                format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n{get}"),
                vec![false],
            ),
            (
                format!("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{get}"),
                vec![false],
            ),
            (
                format!("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{get}"),
                vec![false],
            ),
            (
                format!("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{get}"),
                vec![true],
            ),
            (
                format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n{get}", "y".repeat(4096)),
                vec![true, true],
            ),
        ] {
            for piece in [1, 3, 7, 100_000] {
                assert_eq!(
                    verdicts(text.as_bytes(), piece),
                    expected,
                    "{text:?} in pieces of {piece}"
                );
            }
        }
    }
}
