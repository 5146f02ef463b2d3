//! One-dimensional arrays and vectors.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::Field;

use super::scalar::{Scalar, collect};
use super::{trim, utf8};
use crate::error::DecodeError;
use crate::oid;
use crate::row::Format;
use crate::session::SessionFormat;

type Items = Vec<Option<Scalar>>;

pub(crate) fn decode(
    oid: u32,
    element: u32,
    format: Format,
    bytes: &[u8],
    session: &SessionFormat,
) -> Result<Items, DecodeError> {
    match format {
        Format::Binary => from_binary(element, bytes, session),
        Format::Text => {
            let text = utf8(bytes)?;
            if matches!(oid, oid::INT2VECTOR | oid::OIDVECTOR) {
                let items = text.split_ascii_whitespace();
                return items
                    .map(|item| Scalar::from_text(element, item, session).map(Some))
                    .collect();
            }
            from_text(element, text, session)
        }
    }
}

/// A list of one row; without items the row is null.
pub(crate) fn collect_list(element: u32, items: Option<Items>) -> Result<ArrayRef, DecodeError> {
    let nulls = items.is_none().then(|| NullBuffer::new_null(1));
    let values = collect(element, &items.unwrap_or_default())?;
    let field = Arc::new(Field::new("item", values.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    let list = ListArray::try_new(field, offsets, values, nulls);
    list.map(|list| Arc::new(list) as ArrayRef)
        .map_err(|_| DecodeError::binary())
}

fn several_dimensions() -> DecodeError {
    DecodeError::new("0A000", "multidimensional array parameters are not supported")
}

fn from_binary(element: u32, bytes: &[u8], session: &SessionFormat) -> Result<Items, DecodeError> {
    let mut rest = bytes;
    let dimensions = take_word(&mut rest)?;
    let flags = take_word(&mut rest)?;
    let sent_element = take_word(&mut rest)?.cast_unsigned();
    if !(0..=6).contains(&dimensions) {
        return Err(DecodeError::new(
            "54000",
            format!("number of array dimensions ({dimensions}) exceeds the maximum allowed (6)"),
        ));
    }
    if !matches!(flags, 0 | 1) {
        return Err(DecodeError::new("22P03", "invalid array flags"));
    }
    if sent_element != element {
        return Err(DecodeError::new("42804", "wrong element type"));
    }
    if dimensions > 1 {
        return Err(several_dimensions());
    }
    let count = if dimensions == 0 { 0 } else { take_word(&mut rest)? };
    if dimensions == 1 {
        take_word(&mut rest)?;
    }
    let count = usize::try_from(count).map_err(|_| DecodeError::binary())?;
    // Each element takes at least its length word, so the claim is checked before anything is reserved.
    if count > rest.len() / 4 {
        return Err(DecodeError::binary());
    }
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        let length = take_word(&mut rest)?;
        if length == -1 {
            items.push(None);
            continue;
        }
        let length = usize::try_from(length).map_err(|_| DecodeError::binary())?;
        let (value, behind) = rest.split_at_checked(length).ok_or_else(DecodeError::binary)?;
        items.push(Some(Scalar::decode(element, Format::Binary, value, session)?));
        rest = behind;
    }
    if rest.is_empty() {
        Ok(items)
    } else {
        Err(DecodeError::binary())
    }
}

fn take_word(bytes: &mut &[u8]) -> Result<i32, DecodeError> {
    let (word, rest) = bytes.split_first_chunk().ok_or_else(DecodeError::binary)?;
    *bytes = rest;
    Ok(i32::from_be_bytes(*word))
}

fn from_text(element: u32, text: &str, session: &SessionFormat) -> Result<Items, DecodeError> {
    let malformed = || DecodeError::new("22P02", format!("malformed array literal: \"{text}\""));
    let mut rest = trim(text);
    if rest.starts_with('[') {
        let (bounds, behind) = rest.split_once('=').ok_or_else(malformed)?;
        if bounds.matches('[').count() > 1 {
            return Err(several_dimensions());
        }
        rest = trim(behind);
    }
    let mut literal = Literal {
        rest: rest.strip_prefix('{').ok_or_else(malformed)?,
    };
    let mut items = Vec::new();
    literal.skip_space();
    if let Some(behind) = literal.rest.strip_prefix('}') {
        return if trim(behind).is_empty() {
            Ok(items)
        } else {
            Err(malformed())
        };
    }
    loop {
        literal.skip_space();
        if literal.rest.starts_with('{') {
            return Err(several_dimensions());
        }
        let item = literal.item().ok_or_else(malformed)?;
        items.push(
            item.map(|item| Scalar::from_text(element, &item, session))
                .transpose()?,
        );
        literal.skip_space();
        let mut characters = literal.rest.chars();
        let mark = characters.next();
        literal.rest = characters.as_str();
        match mark {
            Some(',') => {}
            Some('}') if trim(literal.rest).is_empty() => return Ok(items),
            _ => return Err(malformed()),
        }
    }
}

struct Literal<'a> {
    rest: &'a str,
}

impl Literal<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    }

    /// Reads one element up to the comma or brace behind it. The outer `None` is a malformed element, the inner one
    /// null.
    fn item(&mut self) -> Option<Option<String>> {
        let mut value = String::new();
        let quoted = self.rest.starts_with('"');
        let mut characters = self.rest.chars();
        if quoted {
            characters.next();
            loop {
                match characters.next()? {
                    '"' => break,
                    '\\' => value.push(characters.next()?),
                    other => value.push(other),
                }
            }
            self.rest = characters.as_str();
            return Some(Some(value));
        }
        // White space at the end does not count unless a backslash stands before it.
        let mut kept = 0;
        let mut escaped = false;
        loop {
            let before = characters.as_str();
            match characters.next()? {
                ',' | '}' => {
                    self.rest = before;
                    break;
                }
                '"' | '{' => return None,
                '\\' => {
                    value.push(characters.next()?);
                    escaped = true;
                    kept = value.len();
                }
                other => {
                    value.push(other);
                    if !matches!(other, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c') {
                        kept = value.len();
                    }
                }
            }
        }
        value.truncate(kept);
        if value.is_empty() {
            return None;
        }
        Some(if !escaped && value.eq_ignore_ascii_case("null") {
            None
        } else {
            Some(value)
        })
    }
}
