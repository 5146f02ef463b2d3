//! LZ4 frames. The library that unfolds them takes a frame that breaks off for one that ended, and stops at the end of
//! the first; so frames are cut out here, and each must be used up.
//!
//! <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>

use std::io::BufRead;

use contract::Result;
use lz4_flex::frame::FrameDecoder;

use crate::fault::{Fault, Sender};

const MAGIC: u32 = 0x184D_2204;
/// Sixteen numbers announce bytes that are to be skipped.
const SKIPPABLE: u32 = 0x184D_2A50;

const BLOCK_CHECKSUM: u8 = 1 << 4;
const CONTENT_SIZE: u8 = 1 << 3;
const CONTENT_CHECKSUM: u8 = 1 << 2;
const DICTIONARY: u8 = 1;
/// Set in the length of a block that is stored as it is.
const STORED: u32 = 1 << 31;

/// No table folds better by much.
const RATIO_EXPECTED: usize = 8;

/// No byte of a block unfolds to more.
pub(crate) const RATIO_MAX: usize = 255;

const CUT: Fault = Fault::Malformed("an LZ4 frame breaks off");

/// Unfolds all frames of `bytes`, one behind the other, into `bytes_max` bytes at most.
///
/// # Errors
/// The fault of `sender` if a frame is malformed or breaks off, `LimitExceeded` if there is more in them.
pub fn unfold_lz4_frames(bytes: &[u8], bytes_max: usize, sender: &Sender) -> Result<Vec<u8>> {
    let unfold = || {
        let mut rest = bytes;
        let mut out = Vec::new();
        while !rest.is_empty() {
            rest = unfold_first(rest, &mut out, bytes_max)?;
        }
        Ok(out)
    };
    unfold().map_err(|fault: Fault| fault.into_error(sender))
}

/// Appends what the first frame holds and returns what follows it. `out` grows to `bytes_max` at most.
pub(crate) fn unfold_first<'a>(bytes: &'a [u8], out: &mut Vec<u8>, bytes_max: usize) -> Result<&'a [u8], Fault> {
    let (frame, rest) = cut(bytes)?;
    let Some(Frame {
        bytes: frame,
        holds_max,
    }) = frame
    else {
        return Ok(rest);
    };
    // Growing step by step would copy what is unfolded over and over. What is set aside and not used costs nothing.
    let expected = holds_max
        .min(frame.len().saturating_mul(RATIO_EXPECTED))
        .min(bytes_max.saturating_sub(out.len()));
    out.try_reserve(expected).map_err(Fault::broken)?;
    let mut decoder = FrameDecoder::new(frame);
    loop {
        let block = decoder.fill_buf().map_err(Fault::broken)?;
        let taken = block.len();
        if taken == 0 {
            break;
        }
        if taken > bytes_max.saturating_sub(out.len()) {
            return Err(Fault::TooMuch("an LZ4 frame unfolds to more than it may"));
        }
        out.try_reserve(taken).map_err(Fault::broken)?;
        out.extend_from_slice(block);
        decoder.consume(taken);
    }
    // A block of nothing looks like the end.
    match decoder.get_ref().is_empty() {
        true => Ok(rest),
        false => Err(Fault::Malformed("an LZ4 frame has an empty block")),
    }
}

/// One frame, whole.
struct Frame<'a> {
    bytes: &'a [u8],
    /// What all its blocks hold if each is full.
    holds_max: usize,
}

/// The first frame, unless its bytes are to be skipped, and what follows it.
fn cut(bytes: &[u8]) -> Result<(Option<Frame<'_>>, &[u8]), Fault> {
    let mut rest = bytes;
    let magic = number(&mut rest)?;
    if magic & !0xF == SKIPPABLE {
        let length = number(&mut rest)?;
        skip(&mut rest, usize::try_from(length).unwrap_or(usize::MAX))?;
        return Ok((None, rest));
    }
    if magic != MAGIC {
        return Err(Fault::Malformed("an LZ4 frame has a wrong beginning"));
    }
    let (flags, sizes) = match rest {
        [flags, sizes, ..] => (*flags, *sizes),
        _ => return Err(CUT),
    };
    // Four sizes of blocks, from 64 KiB to 4 MiB.
    let block_bytes_max = 1 << (8 + 2 * u32::from(sizes >> 4 & 7));
    let mut holds_max = 0_usize;
    let has = |flag: u8, length: usize| if flags & flag == 0 { 0 } else { length };
    // Two bytes of flags, what they announce, and the checksum of the head.
    skip(&mut rest, 3 + has(CONTENT_SIZE, 8) + has(DICTIONARY, 4))?;
    loop {
        let length = number(&mut rest)?;
        if length == 0 {
            break;
        }
        holds_max = holds_max.saturating_add(block_bytes_max);
        let length = usize::try_from(length & !STORED).unwrap_or(usize::MAX);
        skip(&mut rest, length)?;
        skip(&mut rest, has(BLOCK_CHECKSUM, 4))?;
    }
    skip(&mut rest, has(CONTENT_CHECKSUM, 4))?;
    let (bytes, rest) = bytes.split_at_checked(bytes.len() - rest.len()).ok_or(CUT)?;
    Ok((Some(Frame { bytes, holds_max }), rest))
}

fn number(rest: &mut &[u8]) -> Result<u32, Fault> {
    let (number, after) = rest.split_first_chunk().ok_or(CUT)?;
    *rest = after;
    Ok(u32::from_le_bytes(*number))
}

fn skip(rest: &mut &[u8], length: usize) -> Result<(), Fault> {
    *rest = rest.get(length..).ok_or(CUT)?;
    Ok(())
}
