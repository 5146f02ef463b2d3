//! The columns of a table at one version: what the user sees, and under which names and types they lie in the files.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::datasource::table_schema::TableSchema;
use delta_kernel::engine::arrow_conversion::TryIntoArrow as _;
use delta_kernel::schema::{SchemaRef as KernelSchema, StructField};
use delta_kernel::table_features::ColumnMappingMode;

/// Where Arrow keeps the name of an extension type (a variant, for one); all other field metadata is the log's.
const EXTENSION_PREFIX: &str = "ARROW:extension:";

/// The columns of a table, seen from both sides.
#[derive(Debug)]
pub(crate) struct Columns {
    /// The user's schema.
    pub(crate) logical: SchemaRef,
    /// The reader's schema: the files' columns, then the partition columns, all under physical names.
    pub(crate) table: TableSchema,
    /// For each logical column its place in the reader's schema.
    pub(crate) places: Vec<usize>,
    /// For each logical column whether it is a partition column.
    pub(crate) is_partition: Vec<bool>,
}

impl Columns {
    /// Works out both sides from the table's logical schema.
    pub(crate) fn new(
        schema: &KernelSchema,
        partition_columns: &[String],
        mapping: ColumnMappingMode,
    ) -> Result<Self, ArrowError> {
        let mut logical = Vec::new();
        let mut of_files = Vec::new();
        let mut of_partitions = Vec::new();
        let mut sides = Vec::new();
        for field in schema.fields() {
            logical.push(top_level(field)?);
            let physical = top_level(
                &field
                    .make_physical(mapping)
                    .map_err(|error| ArrowError::SchemaError(format!("column mapping: {error}")))?,
            )?;
            let is_partition = partition_columns.iter().any(|name| name == field.name());
            let side = if is_partition {
                &mut of_partitions
            } else {
                &mut of_files
            };
            sides.push((is_partition, side.len()));
            side.push(Arc::new(physical));
        }
        let file_count = of_files.len();
        let places = sides
            .iter()
            .map(|&(part, at)| if part { file_count + at } else { at })
            .collect();
        let is_partition = sides.iter().map(|&(part, _)| part).collect();
        let table = TableSchema::builder(Arc::new(Schema::new(of_files)))
            .with_table_partition_cols(of_partitions)
            .build();
        Ok(Self {
            logical: Arc::new(Schema::new(logical)),
            table,
            places,
            is_partition,
        })
    }

    /// The reader's schema.
    pub(crate) fn reader_schema(&self) -> &SchemaRef {
        self.table.table_schema()
    }

    /// The reader's field of a logical column.
    pub(crate) fn reader_field(&self, logical: usize) -> Option<&FieldRef> {
        self.reader_schema().fields().get(*self.places.get(logical)?)
    }

    /// Whether the reader delivers a logical column with the user's type, so that only its name may differ.
    pub(crate) fn has_user_type(&self, logical: usize) -> bool {
        match (self.reader_field(logical), self.logical.fields().get(logical)) {
            (Some(reader), Some(user)) => reader.data_type() == user.data_type(),
            _ => false,
        }
    }
}

/// A top-level field as the Parquet reader delivers it fastest: views for text and bytes, and nullable throughout,
/// because files may lack columns that were added later.
fn top_level(field: &StructField) -> Result<Field, ArrowError> {
    let arrow: Field = field.try_into_arrow()?;
    let data_type = match arrow.data_type() {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        other => nullable_inside(other),
    };
    Ok(Field::new(arrow.name(), data_type, true).with_metadata(extension_metadata(&arrow)))
}

fn nullable(field: &Field) -> Field {
    Field::new(field.name(), nullable_inside(field.data_type()), true).with_metadata(extension_metadata(field))
}

fn nullable_inside(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| nullable(field)).collect()),
        DataType::List(field) => DataType::List(Arc::new(nullable(field))),
        DataType::LargeList(field) => DataType::LargeList(Arc::new(nullable(field))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(map_entries(entries)), *sorted),
        other => other.clone(),
    }
}

/// A map's keys and its entries are never null, or Arrow refuses the array.
fn map_entries(entries: &Field) -> Field {
    let DataType::Struct(fields) = entries.data_type() else {
        return entries.clone();
    };
    let inner = fields.iter().enumerate().map(|(at, field)| match at {
        0 => Field::new(field.name(), nullable_inside(field.data_type()), false),
        _ => nullable(field),
    });
    Field::new(entries.name(), DataType::Struct(inner.collect()), false)
}

fn extension_metadata(field: &Field) -> HashMap<String, String> {
    let kept = field
        .metadata()
        .iter()
        .filter(|(key, _)| key.starts_with(EXTENSION_PREFIX));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}
