"""asyncpg against the server that the PG* variables name. Prints `ok <step>`, fails loudly."""

import asyncio
import datetime as dt
import decimal
import io
import uuid

import asyncpg

UTC = dt.timezone.utc
VALUES = [
    ("bool", True), ("int2", 7), ("int4", -70000), ("int8", 2**40), ("float4", 1.5), ("float8", 0.1),
    ("numeric", decimal.Decimal("12345678901234567890.000123")), ("text", "Łódź 'q'"), ("varchar", "v"),
    ("bytea", b"\x00\xff\\"), ("date", dt.date(2024, 2, 29)), ("time", dt.time(23, 59, 59, 999999)),
    ("timestamp", dt.datetime(2024, 2, 29, 1, 2, 3, 4)), ("timestamptz", dt.datetime(1999, 12, 31, 23, tzinfo=UTC)),
    ("interval", dt.timedelta(days=3, hours=4, microseconds=5)), ("uuid", uuid.UUID(int=2**127 + 5)),
    ("json", '{"a": [1, null]}'), ("jsonb", '{"b": 2}'), ("int4[]", [1, None, 3]), ("text[]", ["a", 'b"c', None, "d,e"]),
    ("float8[]", [0.5, -2.0]), ("bool[]", [True, False]), ("date[]", [dt.date(2024, 1, 1)]),
]


def ok(step):
    print("ok", step, flush=True)


async def fails(awaitable, state, position=None):
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        assert error.sqlstate == state, f"{error.sqlstate} {error} instead of {state}"
        assert position is None or error.position == position, f"{error}: position {error.position}"
        return
    raise AssertionError(f"no error instead of {state}")


async def main():
    connection = await asyncpg.connect(server_settings={"application_name": "drivers"})
    assert connection.get_server_version().major >= 15
    assert await connection.fetchval("SELECT current_user") == "dana"
    ok("connect")

    tables = await connection.fetch(
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1", "sales")
    kinds = {row["table_name"]: row["table_type"] for row in tables}
    assert kinds["orders"] == "BASE TABLE" and kinds["customer_totals"] == "VIEW", kinds
    statement = await connection.prepare("SELECT * FROM sales.customers WHERE id = $1")
    attributes = [(attribute.name, attribute.type.name) for attribute in statement.get_attributes()]
    assert attributes[:5] == [
        ("id", "int4"), ("uid", "uuid"), ("name", "text"), ("email", "varchar"), ("active", "bool")], attributes
    assert attributes[10] == ("tags", "text[]"), attributes
    assert [parameter.name for parameter in statement.get_parameters()] == ["int4"]
    # Types that the driver does not know it asks the catalog for.
    assert await connection.fetchval("SELECT 'pg_class'::regclass::oid") == 1259
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=lambda text: ("decoded", text))
    assert (await connection.fetchval("SELECT attrs FROM sales.customers WHERE id = 1"))[0] == "decoded"
    await connection.reset_type_codec("jsonb", schema="pg_catalog")
    ok("metadata")

    for name, value in VALUES:
        got = await connection.fetchval(f"SELECT $1::{name}", value)
        assert got == value and isinstance(got, type(value)), f"{name}: {got!r} instead of {value!r}"
        assert await connection.fetchval(f"SELECT $1::{name}", None) is None, name
    row = await connection.fetchrow("SELECT * FROM sales.customers WHERE id = $1", 3)
    assert row["balance"] == decimal.Decimal("31.50") and row["tags"] == ["t3", "all"], row
    assert row["uid"] == uuid.UUID("20202020-2020-2020-2020-202000000003"), row
    row = await connection.fetchrow("SELECT * FROM sales.orders WHERE id = 3")
    assert row["lead"] == dt.timedelta(days=3) and row["deliver_at"] == dt.time(3) and row["raw"] == '{"n":3}', row
    row = await connection.fetchrow("SELECT * FROM sales.products WHERE stock = $1", 3)
    assert row["picture"] == b"\xff\x03" and row["sizes"] == [3, 40], row
    ok("types")

    rows = await connection.fetch(
        "SELECT id FROM sales.orders WHERE id = ANY($1) AND total > $2 AND status <> $3 ORDER BY id LIMIT $4",
        [1, 2, 3], decimal.Decimal(1), "x", 2)
    assert [row["id"] for row in rows] == [1, 2], rows
    ok("parameters")

    async with connection.transaction():
        ids = [row["id"] async for row in connection.cursor("SELECT id FROM sales.orders ORDER BY id", prefetch=50)]
        assert ids == list(range(1, 301))
        cursor = await connection.cursor("SELECT id FROM sales.orders WHERE id > $1 ORDER BY id", 10)
        assert [row["id"] for row in await cursor.fetch(10)] == list(range(11, 21))
        # Not forward(): MOVE of a portal that the protocol made, which is no SQL cursor here.
        assert (await cursor.fetchrow())["id"] == 21
    ok("paging")

    try:
        await connection.fetch("SELECT n FROM slow.waits", timeout=0.3)
    except (asyncio.TimeoutError, TimeoutError):
        pass
    else:
        raise AssertionError("not cancelled")
    await connection.execute("SET statement_timeout = 200")
    await fails(connection.fetch("SELECT n FROM slow.waits"), "57014")
    await connection.execute("RESET statement_timeout")
    ok("cancel")

    await fails(connection.fetch("SELECT nope FROM sales.orders"), "42703", "8")
    await fails(connection.fetch("SELECT * FROM nosuch"), "42P01", "15")
    await fails(connection.fetch("SELEC 1"), "42601", "1")
    await fails(connection.fetch("SELECT 1 / $1::int4", 0), "22012")
    ok("errors")

    async with connection.transaction(isolation="repeatable_read", readonly=True):
        try:
            async with connection.transaction():
                await connection.execute("SELECT 1/0")
        except asyncpg.DivisionByZeroError:
            pass
        assert await connection.fetchval("SELECT 3") == 3
    transaction = connection.transaction()
    await transaction.start()
    await fails(connection.execute("SELECT 1/0"), "22012")
    await fails(connection.execute("SELECT 1"), "25P02")
    await transaction.rollback()
    ok("transaction")

    output = io.BytesIO()
    assert await connection.copy_from_table("customers", schema_name="sales", output=output, format="csv", header=True) == "COPY 50"
    assert output.getvalue().startswith(b"id,uid,name"), output.getvalue()[:40]
    output = io.BytesIO()
    assert await connection.copy_from_query("SELECT id FROM sales.orders WHERE id < $1 ORDER BY id", 4, output=output) == "COPY 3"
    assert output.getvalue() == b"1\n2\n3\n"
    ok("copy")

    await connection.reset()
    await connection.close()
    async with asyncpg.create_pool(min_size=1, max_size=2) as pool:
        numbers = await asyncio.gather(*(pool.fetchval("SELECT $1::int4", number) for number in range(10)))
    assert numbers == list(range(10))
    ok("pool")


asyncio.run(main())
