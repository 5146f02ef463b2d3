//! Streams that were well-formed before something happened to them. A panic fails the run: none is caught here.

use std::sync::LazyLock;

use arrow_array::Array;
use arrow_buffer::Buffer;
use contract::ErrorKind;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{CODECS, batch, framed, guarded, in_pieces, kind, small, stream};
use crate::{Sender, StreamDecoder, unfold_lz4_frames};

static STREAMS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| CODECS.iter().map(|codec| stream(&batch(), *codec)).collect());

#[derive(Debug, Clone)]
enum Change {
    Byte(Index, u8),
    Bit(Index, u8),
    /// A number of four or eight bytes, where numbers stand.
    Number(Index, bool, i64),
    Cut(Index),
    Insert(Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let number = prop_oneof![
        Just(0),
        Just(1),
        Just(-1),
        Just(i64::MAX),
        Just(i64::MIN),
        Just(i64::from(i32::MAX)),
        Just(i64::from(u32::MAX)),
        Just(1 << 40),
        -64..4096_i64,
    ];
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Bit(at, bit)),
        8 => (any::<Index>(), any::<bool>(), number).prop_map(|(at, wide, number)| Change::Number(at, wide, number)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        match change {
            Change::Byte(at, byte) => *at.get_mut(&mut bytes) = *byte,
            Change::Bit(at, bit) => *at.get_mut(&mut bytes) ^= 1 << bit,
            Change::Number(at, wide, number) => {
                let number = &number.to_le_bytes()[..if *wide { 8 } else { 4 }];
                let at = at.index(bytes.len()) / number.len() * number.len();
                if let Some(place) = bytes.get_mut(at..at + number.len()) {
                    place.copy_from_slice(number);
                }
            }
            Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Change::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_stream_never_breaks_out(
        stream in any::<Index>(),
        changes in prop::collection::vec(change(), 1..4),
        piece in prop_oneof![Just(1_000_000_usize), 1..500_usize],
    ) {
        let bytes = changed(stream.get(&STREAMS).clone(), &changes);
        if let Ok(batches) = in_pieces(&bytes, piece, small()) {
            for batch in batches {
                prop_assert!(batch.num_rows() <= small().rows);
                for column in batch.columns() {
                    prop_assert!(column.to_data().validate_full().is_ok());
                    prop_assert_eq!(column.len(), batch.num_rows());
                }
            }
        }
    }

    #[test]
    fn noise_is_an_error(noise in prop::collection::vec(any::<u8>(), 1..300)) {
        prop_assert!(guarded(&noise, small()).is_err());
        prop_assert!(guarded(&framed(&noise, &[]), small()).is_err());
    }

    #[test]
    fn changed_frames_never_break_out(changes in prop::collection::vec(change(), 1..4), zero: bool) {
        use std::io::Write;
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(&STREAMS[0]).unwrap();
        let mut bytes = encoder.finish().unwrap();
        if zero {
            bytes.extend(bytes.clone());
        }
        let bytes_max = 1 << 20;
        if let Ok(unfolded) = unfold_lz4_frames(&changed(bytes, &changes), bytes_max, &Sender::Client) {
            prop_assert!(unfolded.len() <= bytes_max);
        }
    }
}

/// Zeros can be read as a head without anything in it.
#[test]
fn zeros_are_no_message() {
    for length in [4, 8, 64, 1000] {
        assert_eq!(
            kind(&framed(&vec![0; length], &[])),
            ErrorKind::ProtocolViolation,
            "{length}"
        );
    }
}

/// Whatever is missing at the end, it is noticed.
#[test]
fn no_cut_stream_is_whole() {
    for stream in STREAMS.iter() {
        let mut decoder = StreamDecoder::new(small(), Sender::Client);
        for (length, byte) in stream.iter().enumerate() {
            assert!(decoder.finish().is_err(), "cut at {length} of {}", stream.len());
            let mut input = Buffer::from([*byte]);
            decoder.decode(&mut input).unwrap();
        }
        decoder.finish().unwrap();
    }
}
