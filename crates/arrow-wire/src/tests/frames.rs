//! LZ4 frames around whole streams, as a warehouse sends them: several, one behind the other.

use std::io::{Read, Write};

use contract::ErrorKind;
use lz4_flex::frame::{BlockMode, FrameDecoder, FrameEncoder, FrameInfo};

use super::{batch, guarded, small, stream};
use crate::{Sender, unfold_lz4_frames};

fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unfold(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, ErrorKind> {
    unfold_lz4_frames(bytes, bytes_max, &Sender::Source("lake".into())).map_err(|error| error.kind())
}

#[test]
fn a_stream_in_several_frames_comes_through() {
    let bytes = stream(&batch(), None);
    let (first, second) = bytes.split_at(bytes.len() / 3);
    let (second, end) = second.split_at(second.len() - 8);
    let frames = [frame(first), frame(second), frame(end)].concat();
    let unfolded = unfold(&frames, 1 << 20).unwrap();
    assert_eq!(unfolded, bytes);
    assert_eq!(guarded(&unfolded, small()).unwrap().len(), 2);

    // The plain library stops behind the first.
    let mut plain = Vec::new();
    FrameDecoder::new(&*frames).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, first);
}

#[test]
fn every_kind_of_frame() {
    let bytes = stream(&batch(), None).repeat(20);
    for mode in [BlockMode::Independent, BlockMode::Linked] {
        for checks in [false, true] {
            let info = FrameInfo::new()
                .block_mode(mode)
                .block_checksums(checks)
                .content_checksum(checks)
                .content_size(checks.then_some(bytes.len() as u64));
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(&bytes).unwrap();
            let frame = encoder.finish().unwrap();
            assert_eq!(unfold(&frame, bytes.len()).unwrap(), bytes, "{mode:?} {checks}");
            assert_eq!(unfold(&frame, bytes.len() - 1), Err(ErrorKind::LimitExceeded));
        }
    }
    assert!(unfold(&[], 100).unwrap().is_empty());
    let skipped = [&0x184D_2A5F_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"abc"].concat();
    assert_eq!(unfold(&[skipped, frame(b"x")].concat(), 100).unwrap(), b"x");
}

/// The plain library takes a frame that breaks off between two blocks for a whole one: rows would be missing, and
/// nobody would know.
#[test]
fn a_frame_that_breaks_off_is_an_error() {
    let bytes = (0..300_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>();
    let whole = frame(&bytes);
    let end_mark = whole.len() - 4;
    let mut plain = Vec::new();
    FrameDecoder::new(&whole[..end_mark]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, bytes, "the plain library misses the end");
    assert_eq!(unfold(&whole, bytes.len()).unwrap(), bytes);
    for cut in (1..whole.len())
        .step_by(997)
        .chain([end_mark, end_mark + 1, 1, 4, 5, 6, 7])
    {
        assert_eq!(
            unfold(&whole[..cut], bytes.len()),
            Err(ErrorKind::DataCorrupted),
            "cut at {cut}"
        );
    }
    let trailing = [&whole[..], b"x"].concat();
    assert_eq!(unfold(&trailing, bytes.len()), Err(ErrorKind::DataCorrupted));
}

/// A block of nothing looks to the plain library like the end.
#[test]
fn an_empty_block_ends_nothing() {
    let block = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat();
    let head = &frame(b"")[..7];
    let hidden = [head, &block(&[0]), &block(b"\x10x"), &[0; 4]].concat();
    let mut plain = Vec::new();
    FrameDecoder::new(&*hidden).read_to_end(&mut plain).unwrap();
    assert!(plain.is_empty(), "the plain library goes on");
    assert_eq!(unfold(&hidden, 100), Err(ErrorKind::DataCorrupted));
}
