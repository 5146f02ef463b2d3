//! Structs and maps as JSON objects, and JSON strings.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, Field};

use crate::column::Column;
use crate::error::Failure;
use crate::session::SessionFormat;
use crate::type_map;

/// A column of objects.
#[derive(Debug)]
pub(crate) enum Object<'a> {
    Struct(Vec<Member<'a>>),
    Map {
        offsets: &'a [i32],
        keys: Box<Column<'a>>,
        values: Box<Column<'a>>,
    },
}

/// One member of a struct.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    /// The quoted name with the colon behind it.
    label: Vec<u8>,
    values: Column<'a>,
}

impl<'a> Object<'a> {
    pub(crate) fn new(array: &'a dyn Array, session: &'a SessionFormat) -> Result<Self, Failure> {
        let column = |array: &'a dyn Array, field: &Field| Column::new(array, type_map::resolve(field), session);
        match array.data_type() {
            DataType::Struct(fields) => {
                let array = array.as_struct_opt().ok_or(Failure::BrokenArray)?;
                let members = fields.iter().zip(array.columns()).map(|(field, values)| {
                    let mut label = Vec::new();
                    push_string(&mut label, field.name().as_bytes());
                    label.extend_from_slice(b": ");
                    Ok(Member {
                        label,
                        values: column(values.as_ref(), field)?,
                    })
                });
                Ok(Self::Struct(members.collect::<Result<_, Failure>>()?))
            }
            DataType::Map(entries, _) => {
                let array = array.as_map_opt().ok_or(Failure::BrokenArray)?;
                let DataType::Struct(fields) = entries.data_type() else {
                    return Err(Failure::BrokenArray);
                };
                let [key, value] = fields.as_ref() else {
                    return Err(Failure::BrokenArray);
                };
                Ok(Self::Map {
                    offsets: array.value_offsets(),
                    keys: Box::new(column(array.keys().as_ref(), key)?),
                    values: Box::new(column(array.values().as_ref(), value)?),
                })
            }
            _ => Err(Failure::BrokenArray),
        }
    }

    pub(crate) fn json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        out.push(b'{');
        match self {
            Self::Struct(members) => {
                for (position, member) in members.iter().enumerate() {
                    separate(out, position != 0);
                    out.extend_from_slice(&member.label);
                    push_value(out, &member.values, row)?;
                }
            }
            Self::Map { offsets, keys, values } => {
                let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
                for entry in start..end {
                    separate(out, entry != start);
                    keys.quoted(entry, out)?;
                    out.extend_from_slice(b": ");
                    push_value(out, values, entry)?;
                }
            }
        }
        out.push(b'}');
        Ok(())
    }
}

fn separate(out: &mut Vec<u8>, needed: bool) {
    if needed {
        out.extend_from_slice(b", ");
    }
}

fn push_value(out: &mut Vec<u8>, column: &Column<'_>, row: usize) -> Result<(), Failure> {
    if column.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    column.json(row, out)
}

/// A JSON string with the escapes that `jsonb` prints.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    while let Some(position) = rest
        .iter()
        .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
    {
        let (clean, special) = rest.split_at(position);
        out.extend_from_slice(clean);
        let Some((byte, behind)) = special.split_first() else {
            break;
        };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                let hex = b"0123456789abcdef";
                let digits = [hex[usize::from(control >> 4)], hex[usize::from(control & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
