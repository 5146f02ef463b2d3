"""Runs the query cases of the validation suite of ADBC's drivers: adbc_validation.py CASES

Prints a line of JSON for each case; `why` says how it failed. Tables of type/select are there, each case's in a schema of
its name. This server reads only, so that a case of type/bind is asked to give its values back instead of writing them,
and a case of ingest must be refused.
"""

import base64
import decimal
import json
import os
import pathlib
import re
import sys
import tomllib

import adbc_driver_flightsql.dbapi as flight
import pyarrow as pa

CASES = pathlib.Path(sys.argv[1])
HEADER = "adbc.flight.sql.rpc.call_header."
# As each driver of the suite does, what PostgreSQL spells otherwise.
SPELLINGS = [(r"VARBINARY\(\d+\)", "BYTEA"), (r"from_hex\(('[0-9a-f]*')\)", r"decode(\1, 'hex')")]
UNITS = {"s": "s", "m": "ms", "u": "us", "n": "ns"}
PLAIN = {
    "b": pa.bool_(), "s": pa.int16(), "i": pa.int32(), "l": pa.int64(), "e": pa.float16(), "f": pa.float32(), "g": pa.float64(),
    "z": pa.binary(), "Z": pa.large_binary(), "vz": pa.binary_view(), "u": pa.string(), "U": pa.large_string(),
    "vu": pa.string_view(), "tdD": pa.date32(), "tts": pa.time32("s"), "ttm": pa.time32("ms"), "ttu": pa.time64("us"),
    "ttn": pa.time64("ns"),
}


def arrow_type(text):
    if text in PLAIN:
        return PLAIN[text]
    if text.startswith("ts"):
        unit, _, zone = text[2:].partition(":")
        return pa.timestamp(UNITS[unit], zone or None)
    if text.startswith("d:"):
        return pa.decimal128(*map(int, text[2:].split(",")))
    if text.startswith("w:"):
        return pa.binary(int(text[2:]))
    raise ValueError(text)


def column(values, kind):
    """Values as JSON has them, as an array."""
    if pa.types.is_temporal(kind):
        return pa.array(values, pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)
    if pa.types.is_float16(kind):
        return pa.array(values, pa.float32()).cast(kind)
    if pa.types.is_decimal(kind):
        values = [value and decimal.Decimal(value) for value in values]
    elif any(test(kind) for test in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)):
        values = [None if value is None else base64.b64decode(value) for value in values]
    return pa.array(values, kind)


class Case:
    def __init__(self, path):
        self.name = path.stem
        pieces = re.split(r"^// part: (\w+)\n", path.read_text(), flags=re.MULTILINE)
        self.parts = dict(zip(pieces[1::2], pieces[2::2]))
        self.metadata = tomllib.loads(self.parts.get("metadata", ""))

    def text(self, part):
        text = self.parts[part].strip()
        for pattern, ours in SPELLINGS:
            text = re.sub(pattern, ours, text)
        return text

    def schema(self, part):
        return pa.schema([(child["name"], arrow_type(child["format"])) for child in json.loads(self.parts[part])["children"]])

    def table(self, rows, schema):
        rows = [json.loads(line) for line in self.parts[rows].splitlines() if line.strip()]
        schema = self.schema(schema)
        return pa.table([column([row[field.name] for row in rows], field.type) for field in schema], schema=schema)


def nullable(schema):
    """The suite does not look at nullability."""
    return pa.schema([(field.name, field.type) for field in schema])


def same(case, got, expected):
    assert nullable(got.schema).equals(expected.schema), f"columns {nullable(got.schema)} instead of {expected.schema}"
    got = got.cast(expected.schema)
    if keys := case.metadata.get("sort-keys"):
        got, expected = got.sort_by(keys), expected.sort_by(keys)
    assert got.equals(expected), f"{got.to_pylist()} instead of {expected.to_pylist()}"


def connect(schema=None):
    named = {HEADER + "x-lakegate-schema": schema} if schema else {}
    return flight.connect(os.environ["FLIGHT_URI"], db_kwargs={"username": "root", "password": "", **named}, autocommit=True)


def unprepared(cursor, sql):
    cursor.adbc_statement.set_sql_query(sql)
    stream, _ = cursor.adbc_statement.execute_query()
    return pa.RecordBatchReader._import_from_c(stream.address).read_all()


def query(case, schema=None):
    expected = case.table("expected", "expected_schema")
    sql = case.text("query")
    with connect(schema) as connection, connection.cursor() as cursor:
        same(case, unprepared(cursor, sql), expected)
        cursor.execute(sql)
        same(case, cursor.fetch_arrow_table(), expected)


def select(case):
    query(case, case.name)
    expected = case.schema("expected_schema")
    with connect(case.name) as connection, connection.cursor() as cursor:
        described = nullable(cursor.adbc_execute_schema(case.text("query")))
        assert described.equals(expected), f"described as {described}"
        listed = connection.adbc_get_table_schema(case.metadata["setup"]["drop"], db_schema_filter=case.name)
        assert nullable(list(listed)[1:]).equals(expected), f"listed as {listed}"


def bind(case):
    """`INSERT INTO t VALUES ($1, …)`, read back, becomes a SELECT of the values as the types of t's columns."""
    declared = re.search(r"\(\n(.*)\n\)", case.text("setup_query"), re.DOTALL)[1]
    columns = [line.strip().rstrip(",").split(" ", 1) for line in declared.splitlines()]
    values = [f"CAST(${number} AS {kind}) AS {name}" for number, (name, kind) in enumerate(columns, 1)]
    sql = "SELECT " + ", ".join(values)
    expected = case.table("expected", "expected_schema")
    given = case.table("bind", "bind_schema")
    ways = [given]
    if case.name in ("string", "large_string"):
        ways.append(pa.table([given.column(0).combine_chunks().dictionary_encode()], names=given.column_names))
    order = re.search(r"ORDER BY (\w+)", case.text("query"))[1]
    with connect() as connection:
        for values in ways:
            with connection.cursor() as cursor:
                # Without this the driver goes on after a refusal, and fails with words of its own.
                cursor.adbc_statement.set_sql_query(sql)
                cursor.adbc_statement.prepare()
                cursor.execute(sql, parameters=values.combine_chunks().to_batches()[0])
                got = cursor.fetch_arrow_table()
            if order not in case.metadata.get("sort-keys", [[None]])[0]:
                got = got.sort_by(order)
            same(case, got.select(expected.column_names), expected)


def ingest(case):
    with connect() as connection, connection.cursor() as cursor:
        try:
            cursor.adbc_ingest("ingested", case.table("input", "input_schema"), mode="create")
        except flight.Error as error:
            # Whatever the type: this is what a user must be told.
            if "bulk ingestion is not supported" not in str(error):
                raise SystemExit(f"ingest/{case.name}: {error}") from error
            raise


RUN = {"type/literal": query, "type/select": select, "type/bind": bind, "ingest": ingest}
for folder, run in RUN.items():
    for path in sorted((CASES / folder).glob("*.txtcase")):
        case, why = Case(path), None
        try:
            run(case)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        print(json.dumps({"section": folder.split("/")[-1], "case": case.name, "why": why}), flush=True)
