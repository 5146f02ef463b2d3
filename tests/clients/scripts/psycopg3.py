"""psycopg 3 against the server that the PG* variables name. Prints `ok <step>`, fails loudly."""

import datetime as dt
import decimal
import threading
import uuid

import psycopg

UTC = dt.timezone.utc
VALUES = [
    ("bool", True), ("int2", 7), ("int4", -70000), ("int8", 2**40), ("float4", 1.5), ("float8", 0.1),
    ("numeric", decimal.Decimal("12345678901234567890.000123")), ("text", "Łódź 'q'"), ("bytea", b"\x00\xff\\"),
    ("date", dt.date(2024, 2, 29)), ("time", dt.time(23, 59, 59, 999999)),
    ("timestamp", dt.datetime(2024, 2, 29, 1, 2, 3, 4)), ("timestamptz", dt.datetime(1999, 12, 31, 23, tzinfo=UTC)),
    ("interval", dt.timedelta(days=3, hours=4, microseconds=5)), ("uuid", uuid.UUID(int=2**127 + 5)),
    ("int4[]", [1, None, 3]), ("text[]", ["a", 'b"c', None, "d,e"]), ("float8[]", [0.5, -2.0]), ("bool[]", [True, False]),
    ("numeric[]", [decimal.Decimal("1.50")]), ("date[]", [dt.date(2024, 1, 1)]),
]


def ok(step):
    print("ok", step, flush=True)


def same(got, expected, what):
    assert got == expected and type(got) is type(expected), f"{what}: {got!r} instead of {expected!r}"


def fails(connection, sql, state, position=None):
    try:
        connection.execute(sql)
    except psycopg.Error as error:
        assert error.sqlstate == state, f"{sql}: {error.sqlstate} {error}"
        assert position is None or error.diag.statement_position == position, f"{sql}: {error.diag.statement_position}"
        return error
    raise AssertionError(f"{sql}: no error")


connection = psycopg.connect(autocommit=True)
assert connection.info.server_version >= 150000, connection.info.server_version
assert connection.info.encoding == "utf-8"
ok("connect")

rows = connection.execute(
    "SELECT c.relname, c.relkind FROM pg_catalog.pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = %s ORDER BY 1", ("sales",)).fetchall()
kinds = dict(rows)
assert kinds["customers"] == "r" and kinds["customer_totals"] == "v", kinds
cursor = connection.execute("SELECT * FROM sales.customers LIMIT 0")
described = [(column.name, column.type_display) for column in cursor.description]
assert described[:4] == [("id", "int4"), ("uid", "uuid"), ("name", "text"), ("email", "varchar")], described
assert cursor.description[6].precision == 12 and cursor.description[6].scale == 2
rows = connection.execute(
    "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
    "WHERE table_schema = 'sales' AND table_name = 'products' ORDER BY ordinal_position").fetchall()
assert rows[0] == ("sku", "character varying", "NO") and rows[7][1] == "timestamp without time zone", rows
ok("metadata")

for binary in (False, True):
    cursor = connection.cursor(binary=binary)
    for name, value in VALUES:
        for placeholder in ("%s", "%t", "%b"):
            # psycopg has no text form of some values in its binary dumpers, and the other way round.
            got = cursor.execute(f"SELECT {placeholder}::{name}", (value,)).fetchone()[0]
            same(got, value, f"{name} binary={binary} {placeholder}")
        same(cursor.execute(f"SELECT %s::{name}", (None,)).fetchone()[0], None, f"null {name}")
    got = cursor.execute("SELECT %s::json, %s::jsonb", ('{"a": [1, null]}', '{"b":2}')).fetchone()
    assert got == ({"a": [1, None]}, {"b": 2}), got
    ok(f"types binary={binary}")

with connection.cursor(binary=True) as cursor:
    row = cursor.execute("SELECT * FROM sales.customers WHERE id = %s", (3,)).fetchone()
    assert row[2:4] == ("C3", "c3@example.com") and row[6] == decimal.Decimal("31.50") and row[9] == {"level": 3}, row
    assert row[10] == ["t3", "all"] and row[8].tzinfo is not None, row
rows = connection.execute(
    "SELECT id FROM sales.orders WHERE id = ANY(%s) AND total > %s AND status <> %s ORDER BY id",
    ([1, 2, 3], decimal.Decimal("1"), "x")).fetchall()
assert rows == [(1,), (2,), (3,)], rows
for number in range(8):  # named statements from the sixth on
    assert connection.execute("SELECT name FROM sales.customers WHERE id = %s", (number + 1,)).fetchone() == (f"C{number + 1}",)
ok("parameters")

with connection.transaction():
    with connection.cursor(name="big") as cursor:
        cursor.itersize = 50
        cursor.execute("SELECT id FROM sales.orders WHERE id > %s ORDER BY id", (5,))
        assert cursor.fetchmany(3) == [(6,), (7,), (8,)]
        assert sum(1 for _ in cursor) == 292
    with connection.cursor(name="scrolled", scrollable=True) as cursor:
        cursor.execute("SELECT id FROM sales.orders ORDER BY id")
        cursor.scroll(10)
        assert cursor.fetchone() == (11,)
# On a connection of its own: libpq keeps its single-row mode for the first query of a pipeline.
with psycopg.connect(autocommit=True) as other:
    assert len(list(other.cursor().stream("SELECT * FROM sales.order_items LIMIT 20"))) == 20
ok("paging")

with connection.pipeline():
    cursors = [connection.execute("SELECT %s::int4 + 1", (number,)) for number in range(5)]
assert [cursor.fetchone()[0] for cursor in cursors] == [1, 2, 3, 4, 5]
ok("pipeline")

done = threading.Event()


def cancel():
    while not done.wait(0.1):
        connection.cancel_safe()


thread = threading.Thread(target=cancel)
thread.start()
try:
    fails(connection, "SELECT n FROM slow.waits", "57014")
finally:
    done.set()
    thread.join()
connection.execute("SET statement_timeout = '200ms'")
fails(connection, "SELECT n FROM slow.waits", "57014")
connection.execute("RESET statement_timeout")
ok("cancel")

fails(connection, "SELECT nope FROM sales.orders", "42703", "8")
fails(connection, "SELECT * FROM nosuch", "42P01", "15")
fails(connection, "SELEC 1", "42601", "1")
fails(connection, "SELECT 1/0", "22012")
fails(connection, "SELECT 'a'::int", "22P02")
fails(connection, "SELECT nofunc(1)", "42883", "8")
fails(connection, "INSERT INTO sales.orders (id) VALUES (1)", "25006")
ok("errors")

connection.autocommit = False
connection.execute("SELECT 1")
fails(connection, "SELECT 1/0", "22012")
fails(connection, "SELECT 2", "25P02")
assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
connection.rollback()
try:
    with connection.transaction():
        with connection.transaction():
            connection.execute("SELECT 1/0")
except psycopg.errors.DivisionByZero:
    pass
with connection.transaction():
    try:
        with connection.transaction():
            connection.execute("SELECT 1/0")
    except psycopg.errors.DivisionByZero:
        pass
    assert connection.execute("SELECT 3").fetchone() == (3,)
connection.commit()
connection.autocommit = True
ok("transaction")

with connection.cursor().copy("COPY (SELECT id, name FROM sales.customers ORDER BY id LIMIT 2) TO STDOUT") as copy:
    assert b"".join(copy) == b"1\tC1\n2\tC2\n"
with connection.cursor().copy("COPY (SELECT id, name FROM sales.customers ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
    copy.set_types(["int4", "text"])
    assert list(copy.rows())[2] == (3, "C3")
with connection.cursor().copy("COPY sales.products TO STDOUT (FORMAT csv, HEADER)") as copy:
    assert b"".join(copy).startswith(b"sku,title,price")
ok("copy")
connection.close()
