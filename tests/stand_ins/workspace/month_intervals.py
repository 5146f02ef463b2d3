"""Year-month intervals, which pyarrow carries but cannot name: through Arrow's C interface they become
32-bit integers for handling, and intervals again before they are sent.

Only the format texts of the schema change; values are the same 32-bit counts of months.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import pyarrow

_INTERVAL, _INTEGER = b"tiM", b"i"


class _Schema(ctypes.Structure):
    """struct ArrowSchema of the C data interface."""


_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.POINTER(_Schema)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
# struct ArrowArray: only its address is handed on.
_ARRAY_SIZE = 80


def as_integers(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """The batch with months as integers wherever they stand."""
    return _with_formats(batch, lambda place, format: _INTEGER if format == _INTERVAL else None)


def as_intervals(batch: pyarrow.RecordBatch, columns: set[int]) -> pyarrow.RecordBatch:
    """The batch with these top-level integer columns as intervals."""
    if not columns:
        return batch
    return _with_formats(batch, lambda place, format: _INTERVAL if place in columns and format == _INTEGER else None)


def _with_formats(batch: pyarrow.RecordBatch, change: Callable[[int, bytes], bytes | None]) -> pyarrow.RecordBatch:
    array = ctypes.create_string_buffer(_ARRAY_SIZE)
    schema = _Schema()
    batch._export_to_c(ctypes.addressof(array), ctypes.addressof(schema))
    for place in range(schema.n_children):
        _walk(schema.children[place].contents, place, change)
    return pyarrow.RecordBatch._import_from_c(ctypes.addressof(array), ctypes.addressof(schema))


def _walk(schema: _Schema, place: int, change: Callable[[int, bytes], bytes | None]) -> None:
    format = change(place, schema.format)
    if format is not None:
        # A bytes literal of this module: it outlives the import that copies it.
        schema.format = format
    for child in range(schema.n_children):
        _walk(schema.children[child].contents, -1, change)
