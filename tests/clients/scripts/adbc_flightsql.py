"""ADBC's driver of Flight SQL against the server that FLIGHT_URI names. Prints `ok <step>`, fails loudly."""

import datetime as dt
import decimal
import math
import os
import threading
import time
import zoneinfo

import adbc_driver_flightsql.dbapi as flight
import adbc_driver_manager
import pyarrow as pa
from adbc_driver_flightsql import ConnectionOptions, DatabaseOptions, StatementOptions

LOGIN = {"username": os.environ["PGUSER"], "password": os.environ["PGPASSWORD"]}
COOKIES = {DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true"}
SCHEMA = {DatabaseOptions.RPC_CALL_HEADER_PREFIX.value + "x-lakegate-schema": "sales"}
UTC = zoneinfo.ZoneInfo("UTC")
Decimal = decimal.Decimal
# The types of the sample schema, and the values at the ends of each.
VALUES = [
    ("bool", True), ("bool", False), ("int2", -32768), ("int2", 32767), ("int4", -(2**31)), ("int4", 2**31 - 1),
    ("int8", -(2**63)), ("int8", 2**63 - 1), ("float4", 1.5), ("float4", float("-inf")), ("float8", 0.1),
    ("float8", 1.7976931348623157e308), ("float8", 5e-324), ("float8", -0.0), ("float8", float("inf")),
    ("numeric(12,2)", Decimal("-9999999999.99")), ("numeric(38,6)", Decimal("12345678901234567890123456789012.000123")),
    ("text", ""), ("text", "Łódź 'q' \"d\" \\ \n\t 你好 🚲 e\u0301"), ("varchar", "v"), ("bytea", b""), ("bytea", b"\x00\xff\\'"),
    ("date", dt.date(1, 1, 1)), ("date", dt.date(2024, 2, 29)), ("date", dt.date(9999, 12, 31)),
    ("time", dt.time(0)), ("time", dt.time(23, 59, 59, 999999)),
    ("timestamp", dt.datetime(1, 1, 1)), ("timestamp", dt.datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ("timestamptz", dt.datetime(1999, 12, 31, 23, tzinfo=UTC)), ("timestamptz", dt.datetime(2024, 7, 1, 12, 0, 0, 1, tzinfo=UTC)),
]


def ok(step):
    print("ok", step, flush=True)


def same(got, expected, what):
    assert got == expected and type(got) is type(expected), f"{what}: {got!r} instead of {expected!r}"


def connect(more=None, login=LOGIN):
    return flight.connect(os.environ["FLIGHT_URI"], db_kwargs={**login, **(more or {})}, autocommit=True)


def rows(connection, sql, values=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def fails(action, status, sqlstate=None, *texts):
    try:
        action()
    except adbc_driver_manager.Error as error:
        details = dict(error.details or [])
        assert error.status_code.name == status, f"{error.status_code}: {error}"
        assert sqlstate is None or details.get(b"x-sqlstate") == sqlstate.encode(), f"{details}: {error}"
        for text in texts:
            assert text in str(error), f"no {text!r} in: {error}"
        return
    raise AssertionError(f"no error instead of {status}")


def breaks(action, *texts):
    """What fails while rows are read is an error of Arrow's reader, with one of these in the driver's text."""
    try:
        action()
    except (adbc_driver_manager.Error, OSError) as error:
        assert any(text in str(error) for text in texts), f"none of {texts} in: {error}"
        return
    raise AssertionError("no error")


def open_scans(connection, table):
    return rows(connection, f"SELECT begun, open FROM slow.scans WHERE name = '{table}'")[0]


def until(condition):
    """What another thread or the server does meanwhile must come; nobody waits for a fixed time."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it does not come"


connection = connect()
same(rows(connection, "SELECT current_user, current_catalog"), [("dana", "lake")], "who and where")
# Why a login fails is not told.
for wrong in [{**LOGIN, "password": "wrong"}, {**LOGIN, "username": "nobody"}, {}]:
    fails(lambda: rows(connect(login=wrong), "SELECT 1"), "UNAUTHENTICATED", "28000", "authentication failed")
ok("connect")

info = connection.adbc_get_info()
same(info["vendor_name"], "Lakegate", "vendor")
same(info["driver_name"], "ADBC Flight SQL Driver - Go", "driver")
assert info["vendor_version"] and info["vendor_arrow_version"], info
same(connection.adbc_get_table_types(), ["TABLE", "VIEW"], "table types")
catalogs = connection.adbc_get_objects(depth="catalogs").read_all().to_pylist()
assert "lake" in [catalog["catalog_name"] for catalog in catalogs], catalogs


def schemas(**arguments):
    catalogs = connection.adbc_get_objects(catalog_filter="lake", **arguments).read_all().to_pylist()
    return {schema["db_schema_name"]: schema["db_schema_tables"] for schema in catalogs[0]["catalog_db_schemas"]}


assert {"sales", "slow"} <= set(schemas(depth="db_schemas")), schemas(depth="db_schemas")
tables = {table["table_name"]: table["table_type"] for table in schemas(depth="tables", db_schema_filter="sales")["sales"]}
same(tables, {"customers": "TABLE", "orders": "TABLE", "order_items": "TABLE", "products": "TABLE", "customer_totals": "VIEW", "daily": "VIEW"}, "tables")
assert all(table["table_name"] == "daily" for table in schemas(depth="tables", db_schema_filter="sales", table_types_filter=["VIEW"], table_name_filter="d%")["sales"])
columns = schemas(depth="all", db_schema_filter="sales", table_name_filter="customers")["sales"][0]["table_columns"]
names = ["id", "uid", "name", "email", "active", "score", "balance", "born", "created_at", "attrs", "tags"]
same([column["column_name"] for column in columns], names, "columns")
same([column["ordinal_position"] for column in columns], list(range(1, 12)), "positions")
schema = connection.adbc_get_table_schema("customers", catalog_filter="lake", db_schema_filter="sales")
with connection.cursor() as cursor:
    described = cursor.adbc_execute_schema("SELECT * FROM sales.customers")
    cursor.execute("SELECT * FROM sales.customers")
    got = cursor.fetch_arrow_table().schema
for other in (described, got):
    same([(field.name, field.type) for field in other], [(field.name, field.type) for field in schema], "one schema everywhere")
same(schema.field("balance").type, pa.decimal128(12, 2), "decimal")
same(schema.field("created_at").type, pa.timestamp("us", "UTC"), "timestamptz")
fails(lambda: connection.adbc_get_table_schema("nosuch", db_schema_filter="sales"), "NOT_FOUND")
ok("metadata")

for kind, value in VALUES:
    for sql in (f"SELECT ?::{kind}", f"SELECT $1::{kind}"):
        same(rows(connection, sql, [value])[0][0], value, f"{kind} {value!r}")
    same(rows(connection, f"SELECT ?::{kind}", [None]), [(None,)], f"null {kind}")
assert math.isnan(rows(connection, "SELECT ?::float8", [float("nan")])[0][0])
assert math.copysign(1, rows(connection, "SELECT ?::float8", [-0.0])[0][0]) == -1
uuid = "80000000-0000-0000-0000-000000000005"
same(rows(connection, "SELECT (?::uuid)::text, ?::jsonb, ?::json", [uuid, '{"b": [1, null]}', '{"a":1}']), [(uuid, '{"b": [1, null]}', '{"a":1}')], "uuid, json")
for kind, value in [("int4[]", [1, None, 3]), ("text[]", ["a", 'b"c', None, "d,e"]), ("float8[]", [0.5, -2.0]), ("bool[]", [True]), ("int8[]", [])]:
    item = {"int4[]": pa.int32(), "text[]": pa.string(), "float8[]": pa.float64(), "bool[]": pa.bool_(), "int8[]": pa.int64()}[kind]
    batch = pa.record_batch([pa.array([value], pa.list_(item))], names=["1"])
    same(rows(connection, f"SELECT $1::{kind}", batch), [(value,)], kind)
row = rows(connection, "SELECT * FROM sales.customers WHERE id = ?", [3])[0]
same(row[2:8], ("C3", "c3@example.com", False, 1.5, Decimal("31.50"), dt.date(1989, 3, 5)), "a row of the sample schema")
same(row[8:], (dt.datetime(2024, 1, 4, tzinfo=UTC), '{"level": 3}', ["t3", "all"]), "its end")
same(rows(connection, "SELECT placed, deliver_at, note, raw FROM sales.orders WHERE id = 1"), [(dt.datetime(2024, 2, 1), dt.time(1), None, '{"n":1}')], "another")
ok("types")

with connection.cursor() as cursor:
    # One prepared statement, several executions.
    sql = "SELECT name FROM sales.customers WHERE id = ?"
    parameters = cursor.adbc_prepare(sql)
    same([field.type for field in parameters], [pa.int32()], "parameters")
    for number in (1, 7, 3):
        cursor.execute(sql, [number])
        same(cursor.fetchall(), [(f"C{number}",)], "executed again")
    cursor.execute(sql, [None])
    same(cursor.fetchall(), [], "null")
    # Each row of a batch is an execution; the answers come one behind another.
    cursor.execute(sql, pa.record_batch([pa.array([5, 2, None, 9], pa.int32())], names=["id"]))
    same(cursor.fetchall(), [("C5",), ("C2",), ("C9",)], "a batch")
    cursor.executemany(sql, [(1,), (2,), (3,)])
sql = "SELECT id FROM sales.orders WHERE id = ANY($1) AND total > $2 AND status <> $3 AND placed >= $4 ORDER BY id"
batch = pa.record_batch([pa.array([[1, 2, 3]], pa.list_(pa.int64())), pa.array([Decimal("1")]), pa.array(["x"]), pa.array([dt.datetime(2024, 1, 1)], pa.timestamp("us"))], names=list("1234"))
same(rows(connection, sql, batch), [(1,), (2,), (3,)], "several kinds")
fails(lambda: rows(connection, "SELECT id FROM sales.orders WHERE id = ?", []), "INVALID_ARGUMENT", "08P01", "1 parameters")
fails(lambda: rows(connection, "SELECT id FROM sales.orders WHERE id = ?", [1, 2]), "INVALID_ARGUMENT", "08P01", "2 parameters")
fails(lambda: rows(connection, "SELECT id FROM sales.orders WHERE id = ?", ["x"]), "INVALID_ARGUMENT", "22P02")
same(rows(connection, "SELECT 'a?b' WHERE 1 = ?", [1]), [("a?b",)], "a question mark in a text")
ok("parameters")

with connection.cursor() as cursor:
    cursor.execute("SELECT id FROM sales.orders WHERE id > ? ORDER BY id", [5])
    same(cursor.fetchmany(3), [(6,), (7,), (8,)], "the first rows")
    same(cursor.fetchone(), (9,), "the next")
    same(len(cursor.fetchall()), 291, "the rest")
same(rows(connection, "SELECT id FROM sales.orders ORDER BY id LIMIT ? OFFSET ?", [3, 10]), [(11,), (12,), (13,)], "a page")
begun, _ = open_scans(connection, "endless")
with connection.cursor() as cursor:
    cursor.execute("SELECT n FROM slow.endless")
    reader = cursor.fetch_record_batch()
    same(sum(reader.read_next_batch().num_rows > 0 for _ in range(3)), 3, "batches of what does not end")
    same(open_scans(connection, "endless"), (begun + 1, 1), "it is read")
    reader.close()
until(lambda: open_scans(connection, "endless") == (begun + 1, 0))
ok("paging")


def cancel(cursor, table):
    """Cancels as soon as the table is read."""
    def run():
        with connect() as other:
            until(lambda: open_scans(other, table)[1] > 0)
            while not done.wait(0.05):
                cursor.adbc_cancel()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def read(cursor, sql):
    cursor.execute(sql)
    for _ in cursor.fetch_record_batch():
        pass


for table in ("waits", "endless"):
    done = threading.Event()
    with connection.cursor() as cursor:
        thread = cancel(cursor, table)
        try:
            breaks(lambda: read(cursor, f"SELECT n FROM slow.{table}"), "anceled")
        finally:
            done.set()
            thread.join()
        until(lambda: open_scans(connection, table)[1] == 0)
with connection.cursor() as cursor:
    cursor.adbc_statement.set_options(**{StatementOptions.TIMEOUT_FETCH.value: 0.3})
    # The client and the server watch the same deadline, and either may be first to say so.
    breaks(lambda: read(cursor, "SELECT n FROM slow.waits"), "DeadlineExceeded", "Timeout expired")
    until(lambda: open_scans(connection, "waits")[1] == 0)
same(rows(connection, "SELECT 1"), [(1,)], "after a cancel")
ok("cancel")

for sql, status, sqlstate, texts in [
    ("SELECT nope FROM sales.orders", "INVALID_ARGUMENT", "42703", ['column "nope" does not exist']),
    ("SELECT * FROM nosuch", "NOT_FOUND", "42P01", ['relation "nosuch" does not exist']),
    ("SELEC 1", "INVALID_ARGUMENT", "42601", ["syntax error"]),
    ("SELECT 1/0", "INVALID_ARGUMENT", "22012", ["division by zero"]),
    ("SELECT 1 / (id - 1) FROM sales.orders", "INVALID_ARGUMENT", "22012", ["division by zero"]),
    ("SELECT 'a'::int", "INVALID_ARGUMENT", "22P02", ["invalid input syntax"]),
    ("SELECT nofunc(1)", "INVALID_ARGUMENT", "42883", ["function nofunc does not exist", "HINT:  No function matches"]),
    ("INSERT INTO sales.orders (id) VALUES (1)", "UNKNOWN", "25006", ["read-only", "FailedPrecondition"]),
    ("SELECT 1; SELECT 2", "INVALID_ARGUMENT", "42601", ["multiple commands"]),
]:
    fails(lambda: rows(connection, sql), status, sqlstate, *texts)
    same(rows(connection, "SELECT 2"), [(2,)], "after an error")
with connection.cursor() as cursor:
    fails(lambda: cursor.adbc_ingest("new", pa.table({"a": [1]})), "NOT_IMPLEMENTED", "0A000", "bulk ingestion is not supported")
ok("errors")

with connect(COOKIES) as session:
    rows(session, "SET TimeZone = 'Europe/Warsaw'")
    rows(session, "SET search_path = sales")
    same(rows(session, "SELECT count(*) FROM orders"), [(300,)], "the schema that was set")
    same(rows(session, "SHOW TimeZone"), [("Europe/Warsaw",)], "the zone that was set")
    rows(session, "BEGIN")
    fails(lambda: rows(session, "SELECT 1/0"), "INVALID_ARGUMENT", "22012")
    fails(lambda: rows(session, "SELECT 1"), "UNKNOWN", "25P02", "transaction is aborted")
    rows(session, "ROLLBACK")
    same(rows(session, "SELECT 1"), [(1,)], "after ROLLBACK")
    same(session.adbc_current_catalog, "lake", "catalog")
    session.adbc_current_db_schema = "slow"
    same(rows(session, "SELECT count(*) FROM scans"), [(2,)], "the schema of an option")
    options = session.adbc_connection
    options.set_options(**{ConnectionOptions.OPTION_SESSION_OPTION_PREFIX.value + "statement_timeout": "300"})
    fails(lambda: rows(session, "SELECT n FROM waits"), "TIMEOUT", "57014", "statement timeout")
    options.set_options(**{ConnectionOptions.OPTION_ERASE_SESSION_OPTION_PREFIX.value + "statement_timeout": ""})
    until(lambda: open_scans(session, "waits")[1] == 0)
with connect() as stateless:
    rows(stateless, "SET search_path = sales")
    fails(lambda: rows(stateless, "SELECT count(*) FROM orders"), "NOT_FOUND", "42P01")
with connect(SCHEMA) as named:
    same(rows(named, "SELECT count(*) FROM orders"), [(300,)], "the schema of a header")
ok("session")
connection.close()
