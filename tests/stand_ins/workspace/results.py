"""A statement's result: its columns, its chunks, and the bytes of each chunk in each format."""

from __future__ import annotations

import csv
import io
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .json_values import column_texts
from .spark_types import statement_text, type_facts

if TYPE_CHECKING:
    import pyarrow


@dataclass
class Chunk:
    """A run of rows."""

    index: int
    row_offset: int
    table: pyarrow.Table

    @property
    def row_count(self) -> int:
        return int(self.table.num_rows)


@dataclass
class StatementResult:
    """All rows of a result, cut into chunks. `commands` answers have no columns."""

    columns: list[tuple[str, Any]]
    chunks: list[Chunk]
    truncated: bool = False
    _encoded: dict[tuple[int, str, str], EncodedChunk] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def row_count(self) -> int:
        return sum(chunk.row_count for chunk in self.chunks)

    def encoded(self, index: int, format: str, compression: str, settings: EncodingSettings) -> EncodedChunk:
        """A chunk's bytes, made once and kept."""
        key = (index, format, compression)
        with self._lock:
            found = self._encoded.get(key)
            if found is None:
                found = encode(self.chunks[index], self.columns, format, compression, settings)
                self._encoded[key] = found
            return found

    def encode_all(self, format: str, compression: str, settings: EncodingSettings) -> None:
        """Makes all bytes now, so that a link only sends."""
        for chunk in self.chunks:
            self.encoded(chunk.index, format, compression, settings)

    def schema(self) -> dict[str, Any]:
        """`manifest.schema`."""
        if not self.columns:
            return {"column_count": 0}
        shown: list[dict[str, Any]] = []
        for position, (name, kind) in enumerate(self.columns):
            facts = type_facts(kind)
            column: dict[str, Any] = {
                "name": name,
                "position": position,
                "type_text": statement_text(kind),
                "type_name": facts.name,
            }
            if facts.precision is not None:
                column |= {"type_precision": facts.precision, "type_scale": facts.scale}
            if facts.interval is not None:
                column["type_interval_type"] = facts.interval
            shown.append(column)
        return {"column_count": len(shown), "columns": shown}


@dataclass(frozen=True)
class EncodedChunk:
    """The stored body, and its size before compression."""

    body: bytes
    plain_size: int


@dataclass(frozen=True)
class EncodingSettings:
    """How values look."""

    binary_in_json: str = "base64"


def cut(
    table: pyarrow.Table,
    columns: list[tuple[str, Any]],
    rows_per_chunk: int,
    row_limit: int | None,
    byte_limit: int | None,
) -> StatementResult:
    """Applies the limits, and cuts what is left into chunks."""
    truncated = False
    if row_limit is not None and table.num_rows > row_limit:
        table, truncated = table.slice(0, row_limit), True
    if byte_limit is not None and table.nbytes > byte_limit:
        table, truncated = _within_bytes(table, byte_limit), True
    chunks = [
        Chunk(index, offset, table.slice(offset, rows_per_chunk))
        for index, offset in enumerate(range(0, table.num_rows, rows_per_chunk))
    ]
    return StatementResult(columns, chunks, truncated)


def _within_bytes(table: pyarrow.Table, limit: int) -> pyarrow.Table:
    """The longest run of first rows whose Arrow buffers stay within the limit."""
    low, high = 0, table.num_rows
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if table.slice(0, middle).nbytes <= limit else (low, middle - 1)
    return table.slice(0, low)


def encode(
    chunk: Chunk, columns: list[tuple[str, Any]], format: str, compression: str, settings: EncodingSettings
) -> EncodedChunk:
    """The body of a chunk as an external link serves it."""
    if format == "ARROW_STREAM":
        whole, schema_size = arrow_stream(chunk.table, columns)
        if compression == "NONE":
            return EncodedChunk(whole, len(whole))
        # The service compresses schema, batches and end of stream each by itself.
        parts = [whole[:schema_size], whole[schema_size:-8], whole[-8:]]
    elif format == "CSV":
        parts = [_csv(chunk, columns, settings)]
    else:
        parts = [_json(chunk, columns, settings)]
    plain_size = sum(len(part) for part in parts)
    if compression == "LZ4_FRAME":
        parts = [lz4_frame(part) for part in parts]
    return EncodedChunk(b"".join(parts), plain_size)


def arrow_stream(table: pyarrow.Table, columns: list[tuple[str, Any]]) -> tuple[bytes, int]:
    """One IPC stream, and how many of its bytes are the schema."""
    import pyarrow

    from .arrow_shape import is_year_month
    from .month_intervals import as_intervals

    months = {place for place, (_, kind) in enumerate(columns) if is_year_month(kind)}
    batches = [as_intervals(batch, months) for batch in table.to_batches()]
    shape = batches[0].schema if batches else table.schema
    schema = shape.serialize().to_pybytes()
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, shape) as writer:
        for batch in batches:
            writer.write_batch(batch)
    whole = sink.getvalue().to_pybytes()
    if not whole.startswith(schema):
        raise AssertionError("the stream does not begin with its schema")
    return whole, len(schema)


def lz4_frame(part: bytes) -> bytes:
    import pyarrow

    return bytes(pyarrow.compress(part, codec="lz4", asbytes=True))


def rows_as_texts(chunk: Chunk, columns: list[tuple[str, Any]], settings: EncodingSettings) -> list[list[str | None]]:
    """`data_array`."""
    texts: list[list[str | None]] = []
    for place, (_, kind) in enumerate(columns):
        column: list[str | None] = []
        for piece in chunk.table.column(place).chunks:
            column += column_texts(piece, kind, settings.binary_in_json)
        texts.append(column)
    return [list(row) for row in zip(*texts)]


def _json(chunk: Chunk, columns: list[tuple[str, Any]], settings: EncodingSettings) -> bytes:
    import json

    return json.dumps(rows_as_texts(chunk, columns, settings), ensure_ascii=False, separators=(",", ":")).encode()


def _csv(chunk: Chunk, columns: list[tuple[str, Any]], settings: EncodingSettings) -> bytes:
    """RFC 4180; the header stands in the first chunk only, and NULL is the text `null`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if chunk.index == 0:
        writer.writerow([name for name, _ in columns])
    for row in rows_as_texts(chunk, columns, settings):
        writer.writerow(["null" if value is None else value for value in row])
    return text.getvalue().encode()
