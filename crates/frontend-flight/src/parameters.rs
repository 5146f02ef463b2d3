//! Values that clients send as Arrow batches. `arrow_wire` decodes them and takes no number in them on trust.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_flight::FlightData;
use arrow_schema::{DataType, Field, TimeUnit};
use arrow_wire::{Content, Limits, MessageDecoder, Sender};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tonic::Status;

use crate::error;

/// Messages of one upload, and the bytes of all of them: values for statements, not tables.
const MESSAGES_MAX: usize = 1024;
const BYTES_MAX: usize = 32 << 20;
/// What the values of one upload may be, compressed or not.
const VALUES_BYTES_MAX: usize = 64 << 20;
/// The head of one message; PostgreSQL's limit of parameters, 65,535, fits well.
const HEAD_BYTES_MAX: usize = 4 << 20;
/// As many parameters as PostgreSQL takes, each of them a list.
const COLUMNS_MAX: usize = 2 * 65_535;
/// Rows of one batch: each is one execution.
const ROWS_MAX: usize = 100_000;
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
/// `InvalidArgument` if they are not well-formed, or of a kind that values of parameters do not have;
/// `ResourceExhausted` if they are too many or too large.
pub(crate) fn decode(messages: Vec<FlightData>) -> Result<Vec<RecordBatch>, Status> {
    let limits = Limits {
        head_bytes: HEAD_BYTES_MAX,
        body_bytes: BYTES_MAX,
        rows: ROWS_MAX,
        batch_bytes: VALUES_BYTES_MAX,
        total_bytes: VALUES_BYTES_MAX,
        dictionary_bytes: VALUES_BYTES_MAX,
        fields: COLUMNS_MAX,
        depth: DEPTH_MAX,
    };
    let mut decoder = MessageDecoder::new(limits, Sender::Client);
    let mut batches = Vec::new();
    for message in messages {
        let decoded = decoder.decode(&message.data_header, &Buffer::from(message.data_body));
        match decoded.map_err(|error| error::status(&error, None))? {
            Content::Schema(schema) => schema
                .fields()
                .iter()
                .try_for_each(|field| check_type(field.data_type()))?,
            Content::Dictionary => {}
            Content::Batch(batch) => batches.push(batch),
        }
    }
    Ok(batches)
}

/// Values of parameters are scalars, or lists of these.
fn check_type(data_type: &DataType) -> Result<(), Status> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => check_type(item.data_type()),
        DataType::Dictionary(_, _) => Ok(()),
        other if other.is_nested() => Err(error::malformed("a parameter has a type that cannot be bound")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringDictionaryBuilder};
    use arrow_array::types::Int32Type;
    use arrow_array::{ArrayRef, BooleanArray, Int64Array, NullArray, StringArray, StringViewArray, StructArray};
    use arrow_flight::encode::{DictionaryHandling, FlightDataEncoderBuilder};
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::IpcWriteOptions;
    use arrow_schema::Field;
    use futures::FutureExt;
    use tonic::Code;

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
        messages(options, batch())
    }

    fn messages(options: IpcWriteOptions, batch: RecordBatch) -> Vec<FlightData> {
        FlightDataEncoderBuilder::new()
            .with_options(options)
            .with_dictionary_handling(DictionaryHandling::Resend)
            .build(stream::iter([Ok(batch)]))
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
    fn compressed_values_come_through() {
        for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
            let options = IpcWriteOptions::default().try_with_compression(Some(codec)).unwrap();
            assert_eq!(decode(encoded(options)).unwrap(), [batch()]);
        }
    }

    /// Some kilobytes that unfold to gigabytes.
    #[test]
    fn what_unfolds_is_bounded() {
        let zeros = Int64Array::from(vec![0; ROWS_MAX]);
        let zeros = RecordBatch::try_from_iter([("n", Arc::new(zeros) as ArrayRef)]).unwrap();
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::ZSTD))
            .unwrap();
        let mut messages = messages(options, zeros);
        let again = messages.last().unwrap().clone();
        messages.extend(std::iter::repeat_n(again, MESSAGES_MAX - messages.len()));
        assert!(messages.iter().map(|message| message.data_body.len()).sum::<usize>() < BYTES_MAX);
        assert_eq!(decode(messages).unwrap_err().code(), Code::ResourceExhausted);
    }

    #[test]
    fn only_what_can_be_bound_is_taken() {
        let field = Field::new("s", DataType::Int64, true);
        let array = StructArray::from(vec![(Arc::new(field), Arc::new(Int64Array::from(vec![1])) as ArrayRef)]);
        let structs = RecordBatch::try_from_iter([("s", Arc::new(array) as ArrayRef)]).unwrap();
        let status = decode(messages(IpcWriteOptions::default(), structs)).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }

    #[test]
    fn malformed_messages_are_the_clients_fault() {
        let mut broken = encoded(IpcWriteOptions::default());
        let last = broken.last_mut().unwrap();
        last.data_body = last.data_body.slice(..last.data_body.len() - 64);
        let noise = FlightData::new().with_data_header(vec![7; 64]);
        for messages in [broken, vec![noise]] {
            let status = decode(messages).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{status}");
            assert_eq!(status.metadata().get(error::SQLSTATE).unwrap(), "08P01");
        }
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
}
