"""The Statement Execution API by the official SDK: answers, types, parameters, limits, errors."""

from __future__ import annotations

from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.service import sql

from .stand_in import ANA, GATEWAY, WAREHOUSE, StandInTest

TYPES = """
SELECT true a, 1Y b, 2S c, 3 d, 4L e, 1.5F f, 1e10D g, cast(1.5 AS decimal(10,2)) h, 'x' i, x'00ff' j, DATE'2021-01-01' k,
TIMESTAMP'2021-01-01 10:00:00.123456' l, TIMESTAMP_NTZ'2021-01-01 10:00:00' m, INTERVAL '3-2' YEAR TO MONTH n,
INTERVAL '3 04:30:20.123' DAY TO SECOND o, array(1, NULL) p, map('k', 1) q, named_struct('a', 1, 'b', 'z') r,
parse_json('{"key":"value","number":123}') s, NULL t, cast('ab' AS char(3)) u, double('NaN') v, double('-Infinity') w
"""


class Statements(StandInTest):
    def client(self, token: str = GATEWAY) -> WorkspaceClient:
        return WorkspaceClient(config=Config(host=self.workspace.world.addresses.api, token=token, auth_type="pat"))

    def test_the_sdk_reads_rows(self) -> None:
        answer = self.client().statement_execution.execute_statement(
            statement="SELECT order_id, region FROM orders WHERE order_id < :n ORDER BY 1",
            warehouse_id=WAREHOUSE,
            catalog="main",
            schema="default",
            parameters=[sql.StatementParameterListItem(name="n", value="3", type="INT")],
        )
        assert answer.result is not None and answer.manifest is not None
        self.assertEqual(answer.result.data_array, [["0", "north"], ["1", "south"], ["2", "east"]])
        self.assertEqual(answer.manifest.total_row_count, 3)
        self.assertEqual(self.violations(), [])

    def test_types_as_texts(self) -> None:
        answer = self.execute(TYPES)
        self.assertEqual(
            answer["result"]["data_array"][0],
            [
                "true",
                "1",
                "2",
                "3",
                "4",
                "1.5",
                "1.0E10",
                "1.50",
                "x",
                "AP8=",
                "2021-01-01",
                "2021-01-01T10:00:00.123Z",
                "2021-01-01T10:00:00.000",
                "3-2",
                "3 04:30:20.123000000",
                '["1",null]',
                '{"k":"1"}',
                '{"a":"1","b":"z"}',
                '{"key":"value","number":123}',
                None,
                "ab",
                "NaN",
                "-Infinity",
            ],
        )
        columns = answer["manifest"]["schema"]["columns"]
        self.assertEqual(
            [(column["type_text"], column["type_name"]) for column in columns],
            [
                ("BOOLEAN", "BOOLEAN"),
                ("TINYINT", "BYTE"),
                ("SMALLINT", "SHORT"),
                ("INT", "INT"),
                ("BIGINT", "LONG"),
                ("FLOAT", "FLOAT"),
                ("DOUBLE", "DOUBLE"),
                ("DECIMAL(10,2)", "DECIMAL"),
                ("STRING", "STRING"),
                ("BINARY", "BINARY"),
                ("DATE", "DATE"),
                ("TIMESTAMP", "TIMESTAMP"),
                ("TIMESTAMP_NTZ", "TIMESTAMP_NTZ"),
                ("INTERVAL YEAR TO MONTH", "INTERVAL"),
                ("INTERVAL DAY TO SECOND", "INTERVAL"),
                ("ARRAY<INT>", "ARRAY"),
                ("MAP<STRING, INT>", "MAP"),
                ("STRUCT<a: INT, b: STRING>", "STRUCT"),
                ("VARIANT", "VARIANT"),
                ("VOID", "NULL"),
                ("STRING", "STRING"),
                ("DOUBLE", "DOUBLE"),
                ("DOUBLE", "DOUBLE"),
            ],
        )
        self.assertEqual((columns[7]["type_precision"], columns[7]["type_scale"]), (10, 2))
        self.assertEqual(columns[14]["type_interval_type"], "DAY TO SECOND")
        self.assertFalse(any("nullable" in column for column in columns))

    def test_zone_of_the_session(self) -> None:
        session = self.api(
            "POST",
            "/api/2.0/sql/sessions",
            {"warehouse_id": WAREHOUSE, "session_confs": {"timezone": "America/Los_Angeles"}},
        ).json
        rows = self.rows("SELECT TIMESTAMP'2021-01-01 10:00:00'", session_id=session["session_id"])
        self.assertEqual(rows, [["2021-01-01T10:00:00.000-08:00"]])

    def test_names_that_need_quotes(self) -> None:
        self.assertEqual(self.rows("SELECT `ü``x` FROM main.default.`with space`"), [["q"]])
        self.assertEqual(self.rows("SELECT `länge` FROM main.default.`größe`"), [["1.5"]])

    def test_names_may_repeat(self) -> None:
        answer = self.execute("SELECT 1 a, 2 a")
        self.assertEqual([column["name"] for column in answer["manifest"]["schema"]["columns"]], ["a", "a"])
        self.assertEqual(answer["result"]["data_array"], [["1", "2"]])

    def test_no_rows_and_no_columns(self) -> None:
        empty = self.execute("SELECT 1 AS a WHERE 1 = 0")
        self.assertEqual((empty["result"], empty["manifest"]["total_chunk_count"]), ({}, 0))
        self.assertEqual(empty["manifest"]["schema"]["column_count"], 1)
        self.assertNotIn("chunks", empty["manifest"])
        made = self.execute("CREATE TABLE main.default.made (a int)")
        self.assertEqual((made["manifest"]["schema"], made["result"]), ({"column_count": 0}, {}))
        inserted = self.execute("INSERT INTO main.default.made VALUES (1), (2)")
        self.assertEqual(
            [(column["name"], column["type_text"]) for column in inserted["manifest"]["schema"]["columns"]],
            [("num_affected_rows", "BIGINT"), ("num_inserted_rows", "BIGINT")],
        )
        self.assertEqual(inserted["result"]["data_array"], [["2", "2"]])
        self.assertEqual(self.rows("DELETE FROM main.default.made WHERE a = 1"), [["1"]])
        self.assertEqual(self.rows("SELECT * FROM main.default.made"), [["2"]])
        self.execute("DROP TABLE main.default.made")
        self.assertEqual(self.execute("SELECT * FROM main.default.made")["status"]["sql_state"], "42P01")

    def test_parameters(self) -> None:
        parameters = [
            {"name": "d", "value": "2021-01-01", "type": "DATE"},
            {"name": "n", "type": "DECIMAL(10,2)"},
            {"name": "s", "value": "it's; :d -- /* \\"},
            {"name": "i", "value": "12", "type": "int"},
        ]
        rows = self.rows("SELECT :d AS d, :n AS n, :s AS s, :i + 1 AS i", parameters=parameters)
        self.assertEqual(rows, [["2021-01-01", None, "it's; :d -- /* \\", "13"]])
        ordinals = [{"ordinal": 2, "value": "b"}, {"ordinal": 1, "value": "4", "type": "INT"}]
        self.assertEqual(self.rows("SELECT ? * 2, ?", parameters=ordinals), [["8", "b"]])
        failed = self.execute("SELECT :i", parameters=[{"name": "i", "value": "x", "type": "INT"}])
        self.assertEqual((failed["status"]["state"], failed["status"]["sql_state"]), ("FAILED", "22018"))
        unbound = self.execute("SELECT :nope")
        self.assertEqual(unbound["status"]["state"], "FAILED")

    def test_bad_parameters(self) -> None:
        for parameter, violation in (
            ({"value": "1"}, "parameter_without_name"),
            ({"name": "a", "value": "1", "type": "ARRAY<INT>"}, "nested_parameter"),
            ({"name": "a", "value": "1", "type": "NUMBER"}, "bad_parameter_type_text"),
            ({"name": "a", "value": 1}, "bad_parameter_type"),
        ):
            self.control("DELETE", "requests")
            self.execute("SELECT :a", status=400, parameters=[parameter])
            self.assertEqual(self.violations(), [violation])

    def test_errors_of_the_engine(self) -> None:
        for statement, condition, state in (
            ("SELECT * FROM main.default.nope", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
            ("SELECT nope FROM main.default.orders", "UNRESOLVED_COLUMN", "42703"),
            ("SELEC 1", "PARSE_SYNTAX_ERROR", None),
            ("SELECT 1 / 0", "DIVIDE_BY_ZERO", "22012"),
            ("SELECT cast('x' AS int)", "CAST_INVALID_INPUT", "22018"),
            ("SELECT cast(300 AS tinyint)", "NUMERIC_VALUE_OUT_OF_RANGE", "22003"),
        ):
            status = self.execute(statement)["status"]
            self.assertEqual((status["state"], status["error"]["error_code"]), ("FAILED", "BAD_REQUEST"), statement)
            self.assertTrue(status["error"]["message"].startswith(f"[{condition}"), status)
            self.assertEqual(status.get("sql_state"), state)
        # Where the state has no field, the message tells it.
        self.assertIn("SQLSTATE: 42601", self.execute("SELEC 1")["status"]["error"]["message"])

    def test_the_warehouse_enforces_what_is_governed(self) -> None:
        self.assertEqual(len(self.rows("SELECT * FROM main.governed.filtered")), 10)
        rows = self.rows("SELECT region FROM main.governed.filtered", ANA)
        self.assertEqual(rows, [["north"]] * 5)
        self.assertEqual(self.rows("SELECT card FROM main.governed.masked WHERE id = 7", ANA), [["****0007"]])
        self.assertEqual(self.rows("SELECT max(id) FROM main.governed.by_policy", GATEWAY), [["4"]])
        self.assertEqual(
            self.rows("SELECT total, n FROM main.governed.materialized, main.governed.streamed"), [["42", "1"]]
        )
        refused = self.execute("SELECT * FROM main.hidden.salaries", ANA)["status"]
        self.assertEqual(refused["sql_state"], "42P01")
        self.control(
            "POST",
            "state",
            {
                "grants": [
                    {"on": "schema", "name": "main.hidden", "principal": "analysts", "privileges": ["USE_SCHEMA"]}
                ]
            },
        )
        refused = self.execute("SELECT * FROM main.hidden.salaries", ANA)["status"]
        self.assertEqual(refused["sql_state"], "42501")

    def test_views_have_their_owners_rights(self) -> None:
        self.rows("CREATE VIEW main.default.paid AS SELECT count(*) AS n FROM main.hidden.salaries")
        self.assertEqual(self.rows("SELECT n FROM main.default.paid", ANA), [["3"]])
        self.rows("DROP VIEW main.default.paid")

    def test_row_limit_and_byte_limit_truncate(self) -> None:
        limited = self.execute("SELECT order_id FROM main.default.orders ORDER BY 1", row_limit=5)
        self.assertEqual((len(limited["result"]["data_array"]), limited["manifest"]["truncated"]), (5, True))
        exact = self.execute("SELECT 1", row_limit=1)
        self.assertFalse(exact["manifest"]["truncated"])
        small = self.execute("SELECT order_id FROM main.default.orders", byte_limit=800)
        self.assertTrue(small["manifest"]["truncated"])
        self.assertLess(small["manifest"]["total_row_count"], 200)

    def test_inline_results_have_a_limit(self) -> None:
        self.settings(inline_limit_bytes=1000)
        status = self.execute("SELECT * FROM main.default.orders")["status"]
        self.assertEqual(status["state"], "FAILED")
        self.assertIn("INLINE", status["error"]["message"])

    def test_each_statement_stands_alone(self) -> None:
        self.rows("USE CATALOG samples")
        self.assertEqual(self.rows("SELECT current_catalog()"), [["main"]])
        self.rows("CREATE TEMPORARY VIEW lonely AS SELECT 1 AS a")
        self.assertEqual(self.execute("SELECT * FROM lonely")["status"]["state"], "FAILED")

    def test_sessions_remember(self) -> None:
        session = self.api("POST", "/api/2.0/sql/sessions", {"warehouse_id": WAREHOUSE}).json["session_id"]
        self.rows("USE samples.tpch", session_id=session)
        self.assertEqual(self.rows("SELECT count(*) FROM region", session_id=session), [["5"]])
        self.rows("CREATE TEMPORARY VIEW mine AS SELECT 1 AS a", session_id=session)
        self.assertEqual(self.rows("SELECT a FROM mine", session_id=session), [["1"]])
        self.rows("SET TIME ZONE 'Asia/Tokyo'", session_id=session)
        self.assertEqual(self.rows("SELECT current_timezone()", session_id=session), [["Asia/Tokyo"]])
        for _ in range(2):
            self.rows("CREATE TABLE main.default.brief AS SELECT 1 AS a", session_id=session)
            self.assertEqual(self.rows("SELECT a FROM main.default.brief", session_id=session), [["1"]])
            self.rows("DROP TABLE main.default.brief", session_id=session)
            failed = self.execute("SELECT a FROM main.default.brief", session_id=session)
            self.assertEqual(failed["status"]["sql_state"], "42P01")
        stolen = self.api(
            "POST",
            "/api/2.0/sql/statements",
            {"statement": "SELECT 1", "warehouse_id": WAREHOUSE, "session_id": session},
            ANA,
        )
        self.assertEqual(stolen.status, 400)
        self.assertEqual(self.api("DELETE", f"/api/2.0/sql/sessions/{session}?warehouse_id={WAREHOUSE}").json, {})
        self.assertEqual(self.api("DELETE", f"/api/2.0/sql/sessions/{session}").status, 404)

    def test_a_session_sees_a_table_that_was_replaced(self) -> None:
        session = self.api("POST", "/api/2.0/sql/sessions", {"warehouse_id": WAREHOUSE}).json["session_id"]
        self.assertEqual(self.rows("SELECT count(*) FROM main.default.orders", session_id=session), [["1000"]])
        entry = self.workspace.world.catalogs.table("main", "default", "orders")
        table = {"table_type": "MANAGED", "storage_location": entry.storage_location}
        self.control(
            "POST", "state", {"catalogs": {"main": {"schemas": {"default": {"tables": {"orders_again": table}}}}}}
        )
        self.assertEqual(self.rows("SELECT count(*) FROM main.default.orders_again", session_id=session), [["1000"]])
        self.control(
            "POST", "state", {"catalogs": {"main": {"schemas": {"default": {"tables": {"orders_again": table}}}}}}
        )
        self.assertEqual(self.rows("SELECT count(*) FROM main.default.orders_again", session_id=session), [["1000"]])
        self.control("POST", "tables/drop", {"full_name": "main.default.orders_again"})
        # Forgetting a name leaves its files alone.
        self.assertEqual(self.rows("SELECT count(*) FROM main.default.orders", session_id=session), [["1000"]])
        gone = self.execute("SELECT count(*) FROM main.default.orders_again", session_id=session)
        self.assertEqual(gone["status"]["sql_state"], "42P01")

    def test_functions_about_the_caller(self) -> None:
        text = "SELECT current_user(), is_account_group_member('analysts'), is_account_group_member('admins'), 'current_user()'"
        self.assertEqual(self.rows(text, ANA), [["ana@example.com", "true", "false", "current_user()"]])

    def test_binary_as_the_setting_has_it(self) -> None:
        self.settings(binary_in_json="hex")
        self.assertEqual(self.rows("SELECT x'00ff'"), [["00FF"]])
