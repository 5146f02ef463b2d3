//! Deletes rows of a Delta table by deletion vectors, which deltalake reads but never writes.
//!
//! Formats: the Delta protocol's "Deletion Vector Format" and "Deletion Vector Descriptor Schema".

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::cast::AsArray;
use arrow::datatypes::Int64Type;
use contract::{Error, ErrorKind, Result};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use roaring::RoaringTreemap;
use serde_json::{Value, json};
use uuid::Uuid;

/// First byte of a file of deletion vectors.
const FILE_VERSION: u8 = 1;
/// First bytes of a vector: a 64-bit Roaring bitmap in the portable format follows.
const MAGIC: u32 = 1_681_511_377;
/// Alphabet of Z85, by value.
const Z85: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Deletes the rows of the table at `root` whose 64-bit `column` fulfils `condition`, in one commit that leaves data
/// files as they are. The table must have the feature, be without deletion vectors so far, and be written by nobody
/// else meanwhile.
pub(crate) fn delete_where(root: &Path, column: &str, condition: impl Fn(i64) -> bool) -> Result<()> {
    let (version, files) = live_files(root)?;
    let mut vectors = VectorFile::new(Uuid::new_v4());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    let mut actions = Vec::new();
    for add in files {
        let path = add
            .get("path")
            .and_then(Value::as_str)
            .ok_or_else(|| damaged("an add without a path"))?;
        // The writer names files in plain ASCII, so nothing is percent-encoded.
        let rows = matching_rows(&root.join(path), column, &condition)?;
        if rows.is_empty() {
            continue;
        }
        let descriptor = vectors.append(&rows).map_err(|error| unwritten(&error))?;
        let mut remove =
            json!({ "path": path, "deletionTimestamp": now, "dataChange": true, "extendedFileMetadata": true });
        for key in ["partitionValues", "size"] {
            if let (Some(value), Some(remove)) = (add.get(key), remove.as_object_mut()) {
                remove.insert(key.to_owned(), value.clone());
            }
        }
        let mut add = add.clone();
        let stats = add
            .get("stats")
            .and_then(Value::as_str)
            .and_then(|stats| serde_json::from_str::<Value>(stats).ok());
        if let (Some(Value::Object(mut stats)), Some(add)) = (stats, add.as_object_mut()) {
            // Bounds hold on, but the extreme rows may be among the deleted ones.
            stats.insert("tightBounds".to_owned(), Value::Bool(false));
            add.insert("stats".to_owned(), Value::String(Value::Object(stats).to_string()));
            add.insert("deletionVector".to_owned(), descriptor);
            add.insert("modificationTime".to_owned(), json!(now));
            add.insert("dataChange".to_owned(), Value::Bool(true));
        } else {
            return Err(damaged("a file without a count of rows"));
        }
        actions.push(json!({ "remove": remove }));
        actions.push(json!({ "add": add }));
    }
    if actions.is_empty() {
        return Ok(());
    }
    let info = json!({ "commitInfo": { "timestamp": now, "operation": "DELETE", "operationParameters": {}, "engineInfo": "lakegate demo" } });
    let mut commit = info.to_string();
    for action in actions {
        commit.push('\n');
        commit.push_str(&action.to_string());
    }
    commit.push('\n');
    fs::write(root.join(vectors.name()), &vectors.bytes).map_err(|error| unwritten(&error))?;
    let name = root.join(format!("_delta_log/{:020}.json", version + 1));
    let file = File::options().write(true).create_new(true).open(name);
    file.and_then(|mut file| io::Write::write_all(&mut file, commit.as_bytes()))
        .map_err(|error| unwritten(&error))
}

/// The newest version and its files, from a log that begins at 0 and only adds.
fn live_files(root: &Path) -> Result<(u64, Vec<Value>)> {
    let mut files = Vec::new();
    let mut version = None;
    loop {
        let next = version.map_or(0, |version| version + 1);
        let text = match fs::read_to_string(root.join(format!("_delta_log/{next:020}.json"))) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(unwritten(&error)),
        };
        for line in text.lines() {
            let action: Value = serde_json::from_str(line).map_err(|_| damaged("a line that is no JSON"))?;
            if action.get("remove").is_some() {
                return Err(damaged("a removed file"));
            }
            files.extend(action.get("add").cloned());
        }
        version = Some(next);
    }
    Ok((version.ok_or_else(|| damaged("no commit"))?, files))
}

fn matching_rows(path: &Path, column: &str, condition: &impl Fn(i64) -> bool) -> Result<RoaringTreemap> {
    let file = File::open(path).map_err(|error| unwritten(&error))?;
    let unreadable = |error: parquet::errors::ParquetError| damaged("an unreadable data file").with_source(error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [column]);
    let mut rows = RoaringTreemap::new();
    let mut position = 0;
    for batch in builder.with_projection(mask).build().map_err(unreadable)? {
        let batch = batch?;
        let values = batch
            .columns()
            .first()
            .and_then(|column| column.as_primitive_opt::<Int64Type>());
        for value in values.ok_or_else(|| damaged("a column of another type"))? {
            if value.is_some_and(condition) {
                rows.insert(position);
            }
            position += 1;
        }
    }
    Ok(rows)
}

/// A file of deletion vectors while it grows.
struct VectorFile {
    id: Uuid,
    bytes: Vec<u8>,
}

impl VectorFile {
    fn new(id: Uuid) -> Self {
        Self {
            id,
            bytes: vec![FILE_VERSION],
        }
    }

    fn name(&self) -> String {
        format!("deletion_vector_{}.bin", self.id)
    }

    /// Adds a vector and returns its descriptor.
    fn append(&mut self, rows: &RoaringTreemap) -> io::Result<Value> {
        let mut data = MAGIC.to_le_bytes().to_vec();
        rows.serialize_into(&mut data)?;
        let length = u32::try_from(data.len()).map_err(|_| io::Error::other("a deletion vector above 4 GiB"))?;
        let offset = self.bytes.len();
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(&data);
        self.bytes.extend(crc32(&data).to_be_bytes());
        Ok(json!({
            "storageType": "u",
            "pathOrInlineDv": z85(self.id.as_bytes()),
            "offset": offset,
            "sizeInBytes": length,
            "cardinality": rows.len(),
        }))
    }
}

/// Z85 of 16 bytes: five digits for each four bytes, most significant first.
fn z85(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(20);
    for four in bytes.as_chunks::<4>().0 {
        let number = u32::from_be_bytes(*four);
        for power in [85_u32.pow(4), 85_u32.pow(3), 85_u32.pow(2), 85, 1] {
            let digit = usize::try_from(number / power % 85).unwrap_or_default();
            text.push(Z85.get(digit).copied().map_or('0', char::from));
        }
    }
    text
}

/// CRC-32 as zip and PNG compute it. Bit by bit: these files are small.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = !0_u32;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 {
                (sum >> 1) ^ 0xEDB8_8320
            } else {
                sum >> 1
            };
        }
    }
    !sum
}

fn damaged(what: &str) -> Error {
    Error::internal(format!("the demo's table has {what}"))
}

fn unwritten(error: &io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::StorageFull {
        ErrorKind::DiskFull
    } else {
        ErrorKind::SourceUnavailable
    };
    Error::new(kind, format!("writing the demo's data failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_and_text_are_the_standard_ones() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let hello = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B];
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&hello);
        assert_eq!(z85(&bytes), "HelloWorld0000000000");
    }

    #[test]
    fn a_vector_reads_back() {
        let rows: RoaringTreemap = [0, 3, 70_000, 1 << 33].into_iter().collect();
        let mut file = VectorFile::new(Uuid::from_u128(1));
        file.append(&RoaringTreemap::new()).unwrap();
        let descriptor = file.append(&rows).unwrap();
        let offset = usize::try_from(descriptor["offset"].as_u64().unwrap()).unwrap();
        let length = usize::try_from(descriptor["sizeInBytes"].as_u64().unwrap()).unwrap();
        let data = &file.bytes[offset + 4..offset + 4 + length];
        assert_eq!(data[..4], 1_681_511_377_u32.to_le_bytes());
        assert_eq!(RoaringTreemap::deserialize_from(&data[4..]).unwrap(), rows);
        assert_eq!(descriptor["cardinality"], 4);
    }
}
