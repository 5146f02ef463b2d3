"""Arrow data as a SQL warehouse sends it: every field nullable, no metadata, its own names inside lists."""

from __future__ import annotations

import re
from typing import Any

import pyarrow

_PLAIN = {
    "byte": pyarrow.int8(),
    "short": pyarrow.int16(),
    "integer": pyarrow.int32(),
    "long": pyarrow.int64(),
    "float": pyarrow.float32(),
    "double": pyarrow.float64(),
    "string": pyarrow.string(),
    "boolean": pyarrow.bool_(),
    "binary": pyarrow.binary(),
    "date": pyarrow.date32(),
    "timestamp_ntz": pyarrow.timestamp("us"),
    "void": pyarrow.null(),
    "variant": pyarrow.string(),
}


def warehouse_table(
    batches: list[pyarrow.RecordBatch], columns: list[tuple[str, Any]], time_zone: str, element: str
) -> pyarrow.Table:
    """One table of all batches, in the warehouse's types. Column names may repeat."""
    arrays = [
        pyarrow.chunked_array(
            [_converted(batch.column(place), kind, time_zone, element) for batch in batches],
            type=None if batches else _target(kind, time_zone, element),
        )
        for place, (_, kind) in enumerate(columns)
    ]
    fields = [pyarrow.field(name, array.type, nullable=True) for (name, _), array in zip(columns, arrays)]
    return pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(fields))


def _converted(array: pyarrow.Array, kind: Any, time_zone: str, element: str) -> pyarrow.Array:
    if kind == "variant":
        return _variant_texts(array)
    target = _target(kind, time_zone, element)
    # Equality of types overlooks the names inside lists; their texts do not.
    return array if str(array.type) == str(target) else array.cast(target)


def _target(kind: Any, time_zone: str, element: str) -> pyarrow.DataType:
    if not isinstance(kind, str):
        return _nested_target(kind, time_zone, element)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind == "timestamp":
        return pyarrow.timestamp("us", tz=time_zone)
    if kind.startswith("decimal("):
        precision, scale = (int(part) for part in re.findall(r"\d+", kind))
        return pyarrow.decimal128(precision, scale)
    if kind.startswith("interval"):
        # Months are integers here; results.py makes them intervals again (see month_intervals.py).
        return pyarrow.int32() if is_year_month(kind) else pyarrow.duration("us")
    return pyarrow.string()


def is_year_month(kind: Any) -> bool:
    return isinstance(kind, str) and kind.startswith("interval") and ("year" in kind or "month" in kind)


def _nested_target(kind: Any, time_zone: str, element: str) -> pyarrow.DataType:
    if kind["type"] == "array":
        return pyarrow.list_(pyarrow.field(element, _target(kind["elementType"], time_zone, element)))
    if kind["type"] == "map":
        return pyarrow.map_(
            _target(kind["keyType"], time_zone, element), _target(kind["valueType"], time_zone, element)
        )
    fields = [pyarrow.field(field["name"], _target(field["type"], time_zone, element)) for field in kind["fields"]]
    return pyarrow.struct(fields)


def _variant_texts(array: pyarrow.Array) -> pyarrow.Array:
    from pyspark.sql.types import VariantVal

    texts = [
        None if value is None else VariantVal(value["value"], value["metadata"]).toJson() for value in array.to_pylist()
    ]
    return pyarrow.array(texts, pyarrow.string())
