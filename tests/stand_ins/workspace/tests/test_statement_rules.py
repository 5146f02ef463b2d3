"""The quirks that a faithful stand-in has (states, waiting, refusals, retention), one by one."""

from __future__ import annotations

import threading
from typing import Any

from .stand_in import ANA, GATEWAY, STOPPED, WAREHOUSE, StandInTest

SQL = "/api/2.0/sql/statements"


class StatementRules(StandInTest):
    def submit(self, statement: str = "SELECT 1", wait: str = "0s", warehouse: str = WAREHOUSE, **more: Any) -> Any:
        body = {"statement": statement, "warehouse_id": warehouse, "wait_timeout": wait, **more}
        answer = self.api("POST", SQL, body)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def state(self, identity: str) -> str:
        return str(self.api("GET", f"{SQL}/{identity}").json["status"]["state"])

    def until(self, identity: str, *states: str) -> str:
        """Polls, as clients do, until one of the states; the server's own condition is what ends it."""
        found = self.workspace.statements.find(identity)
        assert found is not None
        with found.changed:
            self.assertTrue(found.changed.wait_for(lambda: found.state in states, 60), found.state)
        return self.state(identity)

    # (f) refusals of what is asked

    def test_inline_takes_json_only(self) -> None:
        for format in ("ARROW_STREAM", "CSV"):
            self.control("DELETE", "requests")
            refused = self.execute("SELECT 1", status=400, format=format)
            self.assertEqual(refused["error_code"], "INVALID_PARAMETER_VALUE")
            self.assertEqual(
                refused["message"], "The format field must be JSON_ARRAY when the disposition field is INLINE."
            )
            self.assertEqual(self.violations(), ["inline_not_json"])

    def test_wait_timeouts(self) -> None:
        for text in ("1s", "4s", "51s", "10", "5m", "-5s", ""):
            self.control("DELETE", "requests")
            self.execute("SELECT 1", status=400, wait_timeout=text)
            self.assertEqual(self.violations(), ["bad_wait_timeout"], text)
        for text in ("0s", "5s", "50s"):
            self.execute("SELECT 1", wait_timeout=text)

    def test_unknown_warehouse(self) -> None:
        body = {"statement": "SELECT 1", "warehouse_id": "ffffffffffffffff"}
        answer = self.api("POST", SQL, body)
        self.assertEqual((answer.status, answer.json["error_code"]), (404, "RESOURCE_DOES_NOT_EXIST"))

    def test_other_bad_fields(self) -> None:
        for change, violation in (
            ({"row_limit": 0}, "bad_limit"),
            ({"format": "XML"}, "bad_enum_value"),
            ({"statement": " "}, "empty_statement"),
            ({"query_tags": [{"key": ""}]}, "bad_query_tags"),
            ({"on_wait_timeout": "STOP"}, "bad_enum_value"),
        ):
            self.control("DELETE", "requests")
            body = {"statement": "SELECT 1", "warehouse_id": WAREHOUSE, **change}
            self.assertEqual(self.api("POST", SQL, body).status, 400, change)
            self.assertEqual(self.violations(), [violation])

    def test_links_may_be_forbidden(self) -> None:
        self.settings(external_links_enabled=False)
        refused = self.execute("SELECT 1", status=404, disposition="EXTERNAL_LINKS", format="ARROW_STREAM")
        self.assertEqual(refused["error_code"], "FEATURE_DISABLED")
        self.execute("SELECT 1")

    # Waiting

    def test_zero_wait_answers_pending_and_nothing_more(self) -> None:
        answer = self.submit()
        self.assertEqual(set(answer), {"statement_id", "status"})
        self.assertEqual(answer["status"], {"state": "PENDING"})
        self.assertEqual(self.until(answer["statement_id"], "SUCCEEDED"), "SUCCEEDED")

    def test_promised_polls(self) -> None:
        self.control("POST", "scripts", {"match": "SELECT 77", "pending_polls": 2, "running_polls": 1})
        identity = self.submit("SELECT 77")["statement_id"]
        self.assertEqual([self.state(identity) for _ in range(4)], ["PENDING", "PENDING", "RUNNING", "SUCCEEDED"])

    def test_timeout_that_cancels(self) -> None:
        """`on_wait_timeout=CANCEL`: the wait's end is made short for the test, not the rule."""
        self.control("POST", "scripts", {"match": "SELECT 78", "hold": "running"})
        from unittest import mock

        with mock.patch("workspace.statement_api._wait_seconds", return_value=0.05):
            answer = self.submit("SELECT 78", "5s", on_wait_timeout="CANCEL")
            self.assertEqual(answer["status"]["state"], "CANCELED")
            answer = self.submit("SELECT 78", "5s", on_wait_timeout="CONTINUE")
            self.assertEqual(answer["status"]["state"], "RUNNING")
        self.control("POST", "statements/release")
        self.assertEqual(self.until(answer["statement_id"], "SUCCEEDED"), "SUCCEEDED")

    def test_failure_comes_with_200(self) -> None:
        failure = {"error_code": "RESOURCE_EXHAUSTED", "message": "[OUT] no", "sql_state": "53200"}
        self.control("POST", "scripts", {"match": "SELECT 79", "failure": failure})
        status = self.execute("SELECT 79")["status"]
        self.assertEqual(
            status,
            {
                "state": "FAILED",
                "error": {"error_code": "RESOURCE_EXHAUSTED", "message": "[OUT] no"},
                "sql_state": "53200",
            },
        )

    # (g) a warehouse that starts

    def test_a_stopped_warehouse_starts_by_itself(self) -> None:
        self.control("POST", "warehouses", {"id": STOPPED, "state": "STOPPED"})
        self.settings(warehouse_start_seconds=300.0)
        identity = self.submit(warehouse=STOPPED)["statement_id"]
        self.assertEqual(self.api("GET", f"/api/2.0/sql/warehouses/{STOPPED}").json["state"], "STARTING")
        self.assertEqual(self.state(identity), "PENDING")
        self.control("POST", "clock", {"advance_seconds": 299})
        self.assertEqual(self.state(identity), "PENDING")
        self.control("POST", "clock", {"advance_seconds": 2})
        self.assertEqual(self.until(identity, "SUCCEEDED"), "SUCCEEDED")
        self.assertEqual(self.api("GET", f"/api/2.0/sql/warehouses/{STOPPED}").json["state"], "RUNNING")

    def test_a_start_that_a_test_ends_and_a_cancel_meanwhile(self) -> None:
        self.control("POST", "warehouses", {"id": STOPPED, "state": "STOPPED"})
        self.settings(warehouse_start_seconds=-1.0)
        first = self.submit(warehouse=STOPPED)["statement_id"]
        second = self.submit(warehouse=STOPPED)["statement_id"]
        self.assertEqual(self.api("POST", f"{SQL}/{first}/cancel", {}).json, {})
        self.assertEqual((self.state(first), self.state(second)), ("CANCELED", "PENDING"))
        self.control("POST", "warehouses", {"id": STOPPED, "state": "RUNNING"})
        self.assertEqual(self.until(second, "SUCCEEDED"), "SUCCEEDED")

    def test_warehouses(self) -> None:
        listed = self.api("GET", "/api/2.0/sql/warehouses").json["warehouses"]
        self.assertEqual({w["id"] for w in listed}, {WAREHOUSE, STOPPED})
        self.assertEqual(self.api("POST", f"/api/2.0/sql/warehouses/{STOPPED}/start", {}).json, {})
        self.assertEqual(self.api("GET", "/api/2.0/sql/warehouses/nope").status, 404)

    # Cancel and close

    def test_cancel_reaches_the_engine(self) -> None:
        """A sum that would take minutes; it ends because it is cancelled."""
        identity = self.submit("SELECT sum(id * 3 % 7) FROM range(100000000000)")["statement_id"]
        self.until(identity, "RUNNING")
        self.assertEqual(self.api("POST", f"{SQL}/{identity}/cancel", {"statement_id": identity}).json, {})
        self.assertEqual(self.state(identity), "CANCELED")
        names = [f"statement-{identity}"]
        for thread in threading.enumerate():
            if thread.name in names:
                thread.join(60)
                self.assertFalse(thread.is_alive(), "the engine goes on")
        self.assertEqual(self.api("POST", f"{SQL}/{identity}/cancel", {}).status, 200)

    def test_close_frees_the_result(self) -> None:
        identity = self.execute("SELECT 1")["statement_id"]
        self.assertEqual(self.api("DELETE", f"{SQL}/{identity}").json, {})
        closed = self.api("GET", f"{SQL}/{identity}").json
        self.assertEqual(closed["status"]["state"], "CLOSED")
        self.assertNotIn("result", closed)
        self.assertEqual(self.api("GET", f"{SQL}/{identity}/result/chunks/0").status, 404)

    # (k) retention

    def test_results_and_states_are_forgotten(self) -> None:
        identity = self.execute("SELECT 1")["statement_id"]
        self.control("POST", "clock", {"advance_seconds": 3599 - 60})
        self.assertEqual(self.state(identity), "SUCCEEDED")
        self.control("POST", "clock", {"advance_seconds": 120})
        self.assertEqual(self.state(identity), "CLOSED")
        self.control("POST", "clock", {"advance_seconds": 12 * 3600})
        gone = self.api("GET", f"{SQL}/{identity}")
        self.assertEqual((gone.status, gone.json["error_code"]), (404, "NOT_FOUND"))

    def test_other_peoples_statements(self) -> None:
        body = {"statement": "SELECT 1", "warehouse_id": WAREHOUSE, "wait_timeout": "50s"}
        identity = self.api("POST", SQL, body, GATEWAY).json["statement_id"]
        self.assertEqual(self.api("GET", f"{SQL}/{identity}", token=ANA).status, 403)
        self.assertEqual(self.api("GET", f"{SQL}/00000000-0000-0000-0000-000000000000").status, 404)

    # Chunks

    def test_inline_chunks_follow_each_other(self) -> None:
        self.settings(rows_per_chunk=400)
        answer = self.execute("SELECT order_id FROM main.default.orders ORDER BY 1")
        self.assertEqual(answer["manifest"]["total_chunk_count"], 3)
        self.assertFalse(any("byte_count" in chunk for chunk in answer["manifest"]["chunks"]))
        rows, part = [], answer["result"]
        while True:
            rows += part["data_array"]
            if "next_chunk_internal_link" not in part:
                break
            # Opaque: with a query string, relative to the host.
            self.assertIn("?", part["next_chunk_internal_link"])
            part = self.api("GET", part["next_chunk_internal_link"]).json
        self.assertEqual([row[0] for row in rows], [str(number) for number in range(1000)])
        self.assertEqual(self.api("GET", f"{SQL}/{answer['statement_id']}/result/chunks/3").status, 400)
        self.assertEqual(self.violations(), [])

    def test_slash_at_the_end(self) -> None:
        body = {"statement": "SELECT 1", "warehouse_id": WAREHOUSE, "wait_timeout": "50s"}
        self.assertEqual(self.api("POST", f"{SQL}/", body).status, 200)

    def test_requests_are_stamped(self) -> None:
        answer = self.api("GET", "/api/2.0/sql/warehouses")
        self.assertTrue(answer.headers["x-request-id"])
        self.assertEqual(answer.headers["x-databricks-org-id"], self.workspace.world.workspace_id)
