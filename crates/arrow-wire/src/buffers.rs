//! The buffers of one message, cut out of its body and unfolded, each charged before it is allocated.

use arrow_buffer::Buffer;
use arrow_ipc::{BodyCompressionMethod, CompressionType};
use flatbuffers::VectorIter;
use zstd::bulk::Decompressor;

use crate::fault::Fault;
use crate::lz4;

/// What may still be unfolded.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    pub(crate) fn left(&self) -> usize {
        self.0
    }

    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        let left = self.0.checked_sub(bytes);
        self.0 = left.ok_or(Fault::TooMuch("its values are larger than they may be"))?;
        Ok(())
    }
}

/// In front of a buffer that is stored as it is, in a body that is compressed.
const STORED: i64 = -1;

enum Codec {
    Lz4,
    Zstd(Option<Decompressor<'static>>),
}

pub(crate) struct Buffers<'a> {
    body: &'a Buffer,
    places: VectorIter<'a, arrow_ipc::Buffer>,
    codec: Option<Codec>,
    pub(crate) budget: Budget,
}

impl<'a> Buffers<'a> {
    pub(crate) fn new(batch: arrow_ipc::RecordBatch<'a>, body: &'a Buffer, budget: Budget) -> Result<Self, Fault> {
        let codec = match batch.compression() {
            None => None,
            Some(compression) => match (compression.method(), compression.codec()) {
                (BodyCompressionMethod::BUFFER, CompressionType::LZ4_FRAME) => Some(Codec::Lz4),
                (BodyCompressionMethod::BUFFER, CompressionType::ZSTD) => Some(Codec::Zstd(None)),
                _ => return Err(Fault::Unsupported("its compression is not known")),
            },
        };
        let places = batch.buffers().ok_or(Fault::Malformed("a batch has no buffers"))?;
        Ok(Self {
            body,
            places: places.iter(),
            codec,
            budget,
        })
    }

    pub(crate) fn left(&self) -> usize {
        self.places.len()
    }

    /// The next buffer as it came.
    fn cut(&mut self) -> Result<Buffer, Fault> {
        let place = self.places.next().ok_or(Fault::Malformed("a buffer is missing"))?;
        let outside = Fault::Malformed("a buffer lies outside of its body");
        match (usize::try_from(place.offset()), usize::try_from(place.length())) {
            (Ok(offset), Ok(length)) if offset.checked_add(length).is_some_and(|end| end <= self.body.len()) => {
                Ok(self.body.slice_with_length(offset, length))
            }
            _ => Err(outside),
        }
    }

    /// Leaves a buffer out that nobody looks at.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        self.cut().map(drop)
    }

    pub(crate) fn next(&mut self) -> Result<Buffer, Fault> {
        let raw = self.cut()?;
        if raw.is_empty() || self.codec.is_none() {
            // Charged as well: places may overlap, and what is not aligned is copied.
            self.budget.charge(raw.len())?;
            return Ok(raw);
        }
        let (claimed, packed) = raw
            .split_first_chunk()
            .ok_or(Fault::Malformed("a compressed buffer is too short"))?;
        match i64::from_le_bytes(*claimed) {
            STORED => {
                self.budget.charge(packed.len())?;
                Ok(raw.slice(size_of::<i64>()))
            }
            claimed => match usize::try_from(claimed) {
                Ok(0) => Ok(Buffer::from_vec(Vec::<u8>::new())),
                Ok(claimed) => self.unfold(packed, claimed),
                Err(_) => Err(Fault::Malformed("a compressed buffer has a negative length")),
            },
        }
    }

    fn unfold(&mut self, packed: &[u8], claimed: usize) -> Result<Buffer, Fault> {
        let wrong = Fault::Malformed("a compressed buffer has another length than it says");
        self.budget.charge(claimed)?;
        let mut out = Vec::new();
        match &mut self.codec {
            Some(Codec::Lz4) => {
                if claimed > packed.len().saturating_mul(lz4::RATIO_MAX) {
                    return Err(wrong);
                }
                out.try_reserve_exact(claimed).map_err(Fault::broken)?;
                lz4::unfold_first(packed, &mut out, claimed)?;
            }
            Some(Codec::Zstd(decompressor)) => {
                out.try_reserve_exact(claimed).map_err(Fault::broken)?;
                let decompressor = match decompressor {
                    Some(decompressor) => decompressor,
                    None => decompressor.insert(Decompressor::new().map_err(Fault::broken)?),
                };
                decompressor
                    .decompress_to_buffer(packed, &mut out)
                    .map_err(Fault::broken)?;
            }
            None => return Err(wrong),
        }
        if out.len() == claimed {
            Ok(Buffer::from_vec(out))
        } else {
            Err(wrong)
        }
    }
}
