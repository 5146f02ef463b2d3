//! Where the value of a row lies in a dictionary or in runs.

use arrow_array::types::*;
use arrow_array::{Array, RunArray};
use arrow_schema::DataType;

use super::bind::primitive;
use crate::error::Failure;

macro_rules! indices {
    ($name:ident, $doc:literal, $($variant:ident $type:ty),+) => {
        #[doc = $doc]
        #[derive(Debug)]
        pub(crate) enum $name<'a> { $($variant(&'a [$type])),+ }

        impl $name<'_> {
            #[inline]
            pub(super) fn get(&self, row: usize) -> usize {
                match self { $(Self::$variant(keys) => keys[row] as usize),+ }
            }
        }
    };
}
indices!(Keys, "Dictionary keys.", I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64);

/// Run ends.
#[derive(Debug)]
pub(crate) enum Runs<'a> {
    I16(&'a RunArray<Int16Type>),
    I32(&'a RunArray<Int32Type>),
    I64(&'a RunArray<Int64Type>),
}

impl Runs<'_> {
    pub(super) fn get(&self, row: usize) -> usize {
        match self {
            Self::I16(runs) => runs.get_physical_index(row),
            Self::I32(runs) => runs.get_physical_index(row),
            Self::I64(runs) => runs.get_physical_index(row),
        }
    }
}

pub(super) fn dictionary_keys(keys: &dyn Array) -> Result<Keys<'_>, Failure> {
    Ok(match keys.data_type() {
        DataType::Int8 => Keys::I8(primitive::<Int8Type>(keys)?),
        DataType::Int16 => Keys::I16(primitive::<Int16Type>(keys)?),
        DataType::Int32 => Keys::I32(primitive::<Int32Type>(keys)?),
        DataType::Int64 => Keys::I64(primitive::<Int64Type>(keys)?),
        DataType::UInt8 => Keys::U8(primitive::<UInt8Type>(keys)?),
        DataType::UInt16 => Keys::U16(primitive::<UInt16Type>(keys)?),
        DataType::UInt32 => Keys::U32(primitive::<UInt32Type>(keys)?),
        DataType::UInt64 => Keys::U64(primitive::<UInt64Type>(keys)?),
        _ => return Err(Failure::BrokenArray),
    })
}
