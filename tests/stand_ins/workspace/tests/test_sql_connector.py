"""databricks-sql-connector over the Statement Execution API."""

from __future__ import annotations

import datetime
import decimal
import logging
from typing import Any
from urllib.parse import urlsplit

from databricks import sql
from databricks.sql.exc import RequestError, ServerOperationError

from .stand_in import GATEWAY, WAREHOUSE, StandInTest


# Its warnings and errors are asserted on, not read.
logging.getLogger("databricks").setLevel(logging.CRITICAL)


class SqlConnector(StandInTest):
    def connect(self, **more: Any) -> Any:
        # The host keeps its scheme; the port has an argument of its own.
        connection = sql.connect(
            server_hostname="http://127.0.0.1",
            _port=urlsplit(self.workspace.world.addresses.api).port,
            http_path=f"/sql/1.0/warehouses/{WAREHOUSE}",
            access_token=GATEWAY,
            use_sea=True,
            enable_telemetry=False,
            **more,
        )
        self.addCleanup(connection.close)
        return connection

    def test_large_results_over_links(self) -> None:
        self.settings(rows_per_chunk=20_000)
        with self.connect().cursor() as cursor:
            cursor.execute("SELECT id, cast(id * 2 AS string) AS twice FROM range(100000) ORDER BY id")
            table = cursor.fetchall_arrow()
        self.assertEqual(table.num_rows, 100_000)
        self.assertEqual(table.column("id").to_pylist(), list(range(100_000)))
        fetched = [entry for entry in self.control("GET", "requests?path=results-bucket")["requests"]]
        self.assertEqual(len(fetched), 5)
        self.assertEqual(self.violations(), [])

    def test_types(self) -> None:
        with self.connect().cursor() as cursor:
            cursor.execute("SELECT * FROM main.default.all_types ORDER BY c_bigint NULLS LAST")
            row = cursor.fetchall()[0]
        self.assertEqual(row.c_bigint, 9007199254740993)
        self.assertEqual(row.c_decimal_wide, decimal.Decimal("12345678901234567890123456789.123456789"))
        self.assertEqual(row.c_date, datetime.date(2021, 1, 2))
        self.assertEqual(row.c_timestamp_ntz, datetime.datetime(2021, 1, 1, 10, 0, 0, 123456))
        self.assertEqual(row.c_binary, b"\x00\xff\x10")
        self.assertEqual(row.c_struct, {"a": 1, "b": "x"})

    def test_several_links_in_one_answer(self) -> None:
        self.settings(rows_per_chunk=100, links_per_answer=4)
        with self.connect().cursor() as cursor:
            cursor.execute("SELECT order_id FROM main.default.orders ORDER BY 1")
            self.assertEqual([row.order_id for row in cursor.fetchall()], list(range(1000)))

    def test_hybrid_and_inline(self) -> None:
        with self.connect(use_hybrid_disposition=True).cursor() as cursor:
            cursor.execute("SELECT order_id FROM main.default.orders")
            self.assertEqual(len(cursor.fetchall()), 1000)
        self.settings(rows_per_chunk=400)
        with self.connect(use_cloud_fetch=False).cursor() as cursor:
            cursor.execute("SELECT order_id FROM main.default.orders")
            # A fault of this client: it reads the first chunk of an inline answer and no other.
            self.assertEqual(len(cursor.fetchall()), 400)

    def test_parameters(self) -> None:
        with self.connect().cursor() as cursor:
            cursor.execute(
                "SELECT :n + 1 AS n, :s AS s, :d AS d", {"n": 4, "s": "it's", "d": datetime.date(2024, 2, 29)}
            )
            self.assertEqual(tuple(cursor.fetchall()[0]), (5, "it's", datetime.date(2024, 2, 29)))
            # Positional parameters come without a name or an ordinal: its SEA backend cannot do them.
            with self.assertRaises(RequestError):
                cursor.execute("SELECT ?", [1])
        self.assertEqual(self.violations(), ["parameter_without_name"])

    def test_metadata(self) -> None:
        with self.connect().cursor() as cursor:
            self.assertEqual([row.catalog for row in cursor.catalogs().fetchall()], ["main", "samples"])
            schemas = cursor.schemas(catalog_name="main").fetchall()
            self.assertEqual({row.databaseName for row in schemas}, {"clouds", "default", "governed"})
            tables = cursor.tables(catalog_name="main", schema_name="default").fetchall()
            self.assertIn(("orders", "TABLE"), {(row.tableName, row.tableType) for row in tables})
            columns = cursor.columns(catalog_name="main", schema_name="default", table_name="orders").fetchall()
            self.assertEqual(
                [row.col_name for row in columns], ["order_id", "customer", "amount", "ordered_on", "region"]
            )

    def test_sessions(self) -> None:
        connection = self.connect(catalog="samples", schema="tpch")
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) AS n FROM region")
            self.assertEqual(cursor.fetchall()[0].n, 5)
            cursor.execute("USE main.default")
            cursor.execute("SELECT count(*) AS n FROM orders")
            self.assertEqual(cursor.fetchall()[0].n, 1000)
        connection.close()
        self.assertEqual(self.control("GET", "statements")["sessions"], 0)

    def test_errors(self) -> None:
        with self.connect().cursor() as cursor, self.assertRaises(ServerOperationError) as raised:
            cursor.execute("SELECT * FROM main.default.nope")
        self.assertIn("TABLE_OR_VIEW_NOT_FOUND", str(raised.exception))

    def test_cancel(self) -> None:
        self.control("POST", "scripts", {"match": "SELECT 4711", "hold": "running"})
        cursor = self.connect().cursor()
        cursor.execute_async("SELECT 4711 AS a")
        self.assertTrue(cursor.is_query_pending())
        cursor.cancel()
        states = {found["text"]: found["state"] for found in self.control("GET", "statements")["statements"]}
        self.assertEqual(states["SELECT 4711 AS a"], "CANCELED")
        self.assertEqual(self.violations(), [])

    def test_polling(self) -> None:
        self.control("POST", "scripts", {"match": "SELECT 4712", "pending_polls": 1, "running_polls": 2})
        with self.connect().cursor() as cursor:
            cursor.execute("SELECT 4712 AS a")
            self.assertEqual(cursor.fetchall()[0].a, 4712)
