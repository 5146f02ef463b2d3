//! Values that clients send as Arrow batches. The decoder of these is not made for strangers: it allocates what a
//! message claims and panics on some that contradict themselves. So each message is checked before it is decoded, and
//! decoding stands behind a guard.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_ipc::{MessageHeader, root_as_message};
use arrow_schema::{DataType, Field, TimeUnit};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use tonic::Status;

use crate::error;

/// Messages of one upload, and the bytes of all of them: values for statements, not tables.
const MESSAGES_MAX: usize = 1024;
const BYTES_MAX: usize = 32 << 20;
/// The head of one message; PostgreSQL's limit of parameters, 65,535, fits well.
const HEAD_BYTES_MAX: usize = 4 << 20;
/// Rows of one batch: each is one execution.
const ROWS_MAX: i64 = 100_000;
/// How deep lists may lie in lists.
const DEPTH_MAX: usize = 4;

/// A parameter as clients are told of it. Points in time have milliseconds: JDBC's driver counts these, whatever unit
/// it is told, so that any other would make other times of the user's. Values of every unit are taken.
pub(crate) fn described(parameter: &Field) -> Field {
    let data_type = match parameter.data_type() {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time32(TimeUnit::Millisecond),
        other => other.clone(),
    };
    parameter.clone().with_data_type(data_type)
}

/// Takes all messages of an upload; the first is the one that names the command.
///
/// # Errors
/// `InvalidArgument` if there are too many, or what the connection says.
pub(crate) async fn receive(
    messages: impl Stream<Item = Result<FlightData, Status>> + Unpin,
    first: FlightData,
) -> Result<Vec<FlightData>, Status> {
    let mut messages = stream::iter([Ok(first)]).chain(messages);
    let mut taken = Vec::new();
    let mut bytes = 0;
    while let Some(message) = messages.try_next().await? {
        bytes += message.data_header.len() + message.data_body.len();
        if bytes > BYTES_MAX || taken.len() == MESSAGES_MAX {
            return Err(error::malformed("too many values are bound to one statement"));
        }
        // One without a head is a message of Flight's only.
        if !message.data_header.is_empty() {
            taken.push(message);
        }
    }
    Ok(taken)
}

/// The batches in an upload.
///
/// # Errors
/// `InvalidArgument` if they are not well-formed, or of a kind that values of parameters do not have.
pub(crate) fn decode(messages: Vec<FlightData>) -> Result<Vec<RecordBatch>, Status> {
    for message in &messages {
        check(message).map_err(|what| refused(&what))?;
    }
    let Some(schema) = messages.first() else {
        return Ok(Vec::new());
    };
    let schema = guarded(|| arrow_schema::Schema::try_from(schema).map_err(FlightError::from))?;
    for field in schema.fields() {
        check_type(field.data_type(), 0).map_err(|what| refused(&what))?;
    }
    guarded(|| {
        let messages = stream::iter(messages.into_iter().map(Ok));
        let batches = FlightRecordBatchStream::new_from_flight_data(messages).try_collect::<Vec<_>>();
        let never = || Err(FlightError::protocol("a message that is here was waited for"));
        batches.now_or_never().unwrap_or_else(never)
    })
}

fn refused(what: &str) -> Status {
    error::malformed(format!("invalid Arrow message: {what}"))
}

/// The text of the decoder's error is not shown: it may hold whatever the client's bytes made of it.
fn guarded<T>(work: impl FnOnce() -> Result<T, FlightError>) -> Result<T, Status> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            tracing::debug!(%error, "values could not be decoded");
            Err(refused("it contradicts itself"))
        }
        Err(_) => Err(refused("it contradicts itself")),
    }
}

fn check(data: &FlightData) -> Result<(), String> {
    if data.data_header.len() > HEAD_BYTES_MAX {
        return Err("its head is too long".to_owned());
    }
    let message = root_as_message(&data.data_header).map_err(|_| "its head cannot be read".to_owned())?;
    let missing = || "its head is empty".to_owned();
    match message.header_type() {
        MessageHeader::Schema => message.header_as_schema().map(|_| ()).ok_or_else(missing),
        MessageHeader::RecordBatch => check_batch(message.header_as_record_batch().ok_or_else(missing)?, data),
        MessageHeader::DictionaryBatch => {
            let dictionary = message.header_as_dictionary_batch().ok_or_else(missing)?;
            check_batch(dictionary.data().ok_or_else(missing)?, data)
        }
        _ => Err("it is of an unknown kind".to_owned()),
    }
}

fn check_batch(batch: arrow_ipc::RecordBatch<'_>, data: &FlightData) -> Result<(), String> {
    // The decoder writes as much as a compressed buffer unfolds to, whatever it claims.
    if batch.compression().is_some() {
        return Err("compressed batches are not taken here; send them uncompressed".to_owned());
    }
    if !(0..=ROWS_MAX).contains(&batch.length()) {
        return Err(format!("a batch may have {ROWS_MAX} rows"));
    }
    let body = i64::try_from(data.data_body.len()).unwrap_or(i64::MAX);
    for buffer in batch.buffers().into_iter().flatten() {
        let end = buffer.offset().checked_add(buffer.length());
        if buffer.offset() < 0 || buffer.length() < 0 || end.is_none_or(|end| end > body) {
            return Err("a buffer lies outside of its body".to_owned());
        }
    }
    for node in batch.nodes().into_iter().flatten() {
        // An array holds its values in the body; only those of booleans and nulls are smaller than a byte.
        let values_max = body.saturating_mul(8).max(ROWS_MAX);
        if !(0..=values_max).contains(&node.length()) || !(0..=node.length()).contains(&node.null_count()) {
            return Err("an array has an impossible length".to_owned());
        }
    }
    let buffers = batch.buffers().map_or(0, |buffers| buffers.len());
    let buffers = i64::try_from(buffers).unwrap_or(i64::MAX);
    match batch.variadicBufferCounts() {
        Some(counts) if counts.iter().any(|count| !(0..=buffers).contains(&count)) => {
            Err("an array has an impossible number of buffers".to_owned())
        }
        _ => Ok(()),
    }
}

/// Values of parameters are scalars, or lists of these.
fn check_type(data_type: &DataType, depth: usize) -> Result<(), String> {
    match data_type {
        DataType::Dictionary(_, item) if depth < DEPTH_MAX => check_type(item, depth + 1),
        DataType::List(item) | DataType::LargeList(item) if depth < DEPTH_MAX => {
            check_type(item.data_type(), depth + 1)
        }
        DataType::FixedSizeBinary(width) if *width > 0 => Ok(()),
        other if other.is_nested() || matches!(other, DataType::FixedSizeBinary(_) | DataType::Dictionary(_, _)) => {
            Err("a parameter has a type that cannot be bound".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringDictionaryBuilder};
    use arrow_array::types::Int32Type;
    use arrow_array::{ArrayRef, BooleanArray, Int64Array, NullArray, StringArray, StringViewArray};
    use arrow_flight::encode::{DictionaryHandling, FlightDataEncoderBuilder};
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::IpcWriteOptions;
    use proptest::prelude::*;

    use super::*;

    fn batch() -> RecordBatch {
        let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
        let mut lists = ListBuilder::new(arrow_array::builder::Int64Builder::new());
        for row in 0..3 {
            dictionary.append_value(["a", "b", "a"][row]);
            lists.append_value([Some(1), None, Some(row as i64)]);
        }
        RecordBatch::try_from_iter_with_nullable([
            (
                "n",
                Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])) as ArrayRef,
                true,
            ),
            (
                "s",
                Arc::new(StringArray::from(vec![Some("a"), None, Some("ccc")])),
                true,
            ),
            (
                "v",
                Arc::new(StringViewArray::from(vec!["short", "a text that is not in line", ""])),
                true,
            ),
            ("b", Arc::new(BooleanArray::from(vec![true, false, true])), true),
            ("d", Arc::new(dictionary.finish()), true),
            ("l", Arc::new(lists.finish()), true),
            ("z", Arc::new(NullArray::new(3)), true),
        ])
        .unwrap()
    }

    fn encoded(options: IpcWriteOptions) -> Vec<FlightData> {
        FlightDataEncoderBuilder::new()
            .with_options(options)
            .with_dictionary_handling(DictionaryHandling::Resend)
            .build(stream::iter([Ok(batch())]))
            .try_collect()
            .now_or_never()
            .unwrap()
            .unwrap()
    }

    #[test]
    fn points_in_time_are_described_in_milliseconds() {
        let told = |data_type| described(&Field::new("$1", data_type, true)).data_type().clone();
        let zone = || Some("UTC".into());
        assert_eq!(
            told(DataType::Timestamp(TimeUnit::Microsecond, zone())),
            DataType::Timestamp(TimeUnit::Millisecond, zone())
        );
        assert_eq!(
            told(DataType::Time64(TimeUnit::Nanosecond)),
            DataType::Time32(TimeUnit::Millisecond)
        );
        assert_eq!(told(DataType::Date32), DataType::Date32);
    }

    #[test]
    fn what_is_well_formed_comes_through() {
        assert_eq!(decode(encoded(IpcWriteOptions::default())).unwrap(), [batch()]);
        assert!(decode(Vec::new()).unwrap().is_empty());
        let schema_only = encoded(IpcWriteOptions::default()).remove(0);
        assert!(decode(vec![schema_only]).unwrap().is_empty());
    }

    #[test]
    fn what_would_unfold_is_not_taken() {
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::LZ4_FRAME))
            .unwrap();
        let status = decode(encoded(options)).unwrap_err();
        assert!(status.message().contains("compressed"), "{status}");
    }

    #[test]
    fn a_batch_without_schema_is_an_error() {
        let mut messages = encoded(IpcWriteOptions::default());
        messages.remove(0);
        decode(messages).unwrap_err();
    }

    #[test]
    fn uploads_are_bounded() {
        let big = || {
            Ok(FlightData {
                data_header: vec![1].into(),
                data_body: vec![0; BYTES_MAX / 4].into(),
                ..FlightData::default()
            })
        };
        let received = receive(stream::iter((0..10).map(|_| big())), FlightData::default());
        received.now_or_never().unwrap().unwrap_err();
        let small = || Ok(FlightData::default());
        let received = receive(stream::iter((0..10_000).map(|_| small())), FlightData::default());
        assert!(received.now_or_never().unwrap().unwrap().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

        /// Neither a panic nor an allocation beyond the bytes that came gets out; either is seen as a failing run.
        #[test]
        fn mutated_messages_never_break_out(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<prop::sample::Index>(), any::<u8>()), 1..4),
            compressed: bool,
        ) {
            let options = IpcWriteOptions::default();
            let options = match compressed {
                true => options.try_with_compression(Some(CompressionType::LZ4_FRAME)).unwrap(),
                false => options,
            };
            let mut messages = encoded(options);
            for (message, in_head, place, value) in changes {
                let message = &mut messages[message.index(encoded(IpcWriteOptions::default()).len().min(3))];
                let part = if in_head { &mut message.data_header } else { &mut message.data_body };
                let mut bytes = part.to_vec();
                if !bytes.is_empty() {
                    let place = place.index(bytes.len());
                    bytes[place] = value;
                    *part = bytes.into();
                }
            }
            if let Ok(batches) = decode(messages) {
                for batch in batches {
                    prop_assert!(batch.num_rows() <= usize::try_from(ROWS_MAX).unwrap());
                }
            }
        }

        #[test]
        fn noise_is_an_error(head in prop::collection::vec(any::<u8>(), 1..200), body in prop::collection::vec(any::<u8>(), 0..200)) {
            let noise = FlightData { data_header: head.into(), data_body: body.into(), ..FlightData::default() };
            prop_assert!(decode(vec![noise]).is_err());
        }
    }
}
