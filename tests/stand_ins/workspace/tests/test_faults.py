"""Armed faults: the request's, the wire's, the result's."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import pyarrow

from .stand_in import GATEWAY, StandInTest

UC = "/api/2.1/unity-catalog"
SQL = "/api/2.0/sql/statements"


class Faults(StandInTest):
    def arm(self, kind: str, **more: Any) -> int:
        return int(self.control("POST", "faults", {"kind": kind, **more})["id"])

    def linked(self, statement: str = "SELECT order_id FROM main.default.orders ORDER BY 1", **more: Any) -> Any:
        return self.execute(statement, disposition="EXTERNAL_LINKS", format="ARROW_STREAM", **more)

    # (i) statuses

    def test_status_with_retry_after_so_many_times(self) -> None:
        identity = self.arm("status", where={"path": f"{UC}/catalogs"}, skip=1, times=2, status=429, retry_after=7)
        statuses = [self.api("GET", f"{UC}/catalogs") for _ in range(4)]
        self.assertEqual([answer.status for answer in statuses], [200, 429, 429, 200])
        self.assertEqual(statuses[1].headers["retry-after"], "7")
        self.assertEqual(statuses[1].json["error_code"], "REQUEST_LIMIT_EXCEEDED")
        armed = self.control("GET", "faults")["faults"]
        self.assertEqual([(fault["id"], fault["fired"]) for fault in armed], [(identity, 2)])

    def test_a_lost_reply_has_its_effect(self) -> None:
        self.arm(
            "status",
            where={"method": "POST", "path": SQL},
            after=True,
            status=503,
            error_code="TEMPORARILY_UNAVAILABLE",
        )
        before = len(self.control("GET", "statements")["statements"])
        self.execute("SELECT 1", status=503)
        self.assertEqual(len(self.control("GET", "statements")["statements"]), before + 1)
        self.arm("status", where={"method": "POST", "path": SQL}, status=503)
        self.execute("SELECT 1", status=503)
        self.assertEqual(len(self.control("GET", "statements")["statements"]), before + 1)

    def test_where(self) -> None:
        self.arm("status", where={"principal": "gateway", "method": "GET"}, times=None, status=500)
        self.assertEqual(self.api("GET", f"{UC}/catalogs").status, 200)
        self.assertEqual(self.api("GET", f"{UC}/catalogs", token=GATEWAY).status, 500)
        self.control("DELETE", "faults")
        self.arm("status", where={"statement": "SELECT 4[0-9]"}, status=500)
        self.execute("SELECT 39")
        self.execute("SELECT 41", status=500)

    def test_numbers_and_pages_for_errors(self) -> None:
        self.arm("status", status=401, error_code=401, message="Token is expired.")
        self.assertEqual(self.api("GET", f"{UC}/catalogs").json, {"error_code": 401, "message": "Token is expired."})
        self.arm("raw", status=502, body="<html>bad gateway</html>")
        answer = self.api("GET", f"{UC}/catalogs")
        self.assertEqual((answer.status, answer.headers["content-type"]), (502, "text/html"))

    def test_no_answer(self) -> None:
        self.arm("no_answer")
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionError)):
            self.api("GET", f"{UC}/catalogs")
        self.arm("no_answer", reset=True)
        with self.assertRaises(ConnectionError):
            self.api("GET", f"{UC}/catalogs")
        self.assertEqual(self.api("GET", f"{UC}/catalogs").status, 200)

    # The wire

    def test_a_body_that_is_cut(self) -> None:
        link = self.linked()["result"]["external_links"][0]["external_link"]
        for reset in (False, True):
            self.arm("cut", where={"listener": "links", "chunk": 0}, after_bytes=1000, reset=reset)
            with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
                self.fetch(link)
        self.assertEqual(self.fetch(link).status, 200)

    def test_lengths_and_bits(self) -> None:
        link = self.linked()["result"]["external_links"][0]["external_link"]
        whole = self.fetch(link).body
        self.arm("content_length", where={"listener": "links"}, offset=10)
        with self.assertRaises(http.client.IncompleteRead):
            self.fetch(link)
        self.arm("content_length", where={"listener": "links"}, offset=-10)
        self.assertEqual(self.fetch(link).body, whole[:-10])
        self.arm("flip_bit", where={"listener": "links"}, at=-100)
        body = self.fetch(link).body
        self.assertEqual([i for i, (a, b) in enumerate(zip(body, whole)) if a != b], [len(whole) - 100])

    def test_a_stall_lasts_until_it_is_released(self) -> None:
        link = self.linked()["result"]["external_links"][0]["external_link"]
        self.arm("stall", where={"listener": "links"}, after_bytes=100)
        parts = urlsplit(link)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self.addCleanup(connection.close)
        connection.request("GET", f"{parts.path}?{parts.query}")
        response = connection.getresponse()
        begin = response.read(100)
        # Another request is served meanwhile.
        whole = self.fetch(link).body
        self.control("POST", "stalls/release")
        self.assertEqual(begin + response.read(), whole)

    # Results

    def test_manifests_that_lie(self) -> None:
        self.arm("truncated", where={"statement": "SELECT 1"})
        self.assertTrue(self.execute("SELECT 1")["manifest"]["truncated"])
        self.arm("total_rows", offset=3)
        self.assertEqual(self.execute("SELECT 1")["manifest"]["total_row_count"], 4)
        self.arm("row_count", offset=-1)
        self.assertEqual(self.execute("SELECT 1")["manifest"]["chunks"][0]["row_count"], 0)
        self.arm("schema_mismatch")
        self.assertEqual(self.execute("SELECT 1")["manifest"]["schema"]["columns"][0]["type_name"], "DATE")
        self.assertEqual(self.execute("SELECT 1")["manifest"]["schema"]["columns"][0]["type_name"], "INT")

    def test_links_that_are_missing_twice_or_turned_round(self) -> None:
        self.settings(rows_per_chunk=300, links_per_answer=4)

        def order() -> list[int]:
            return [item["chunk_index"] for item in self.linked()["result"]["external_links"]]

        self.arm("omit_link", where={"chunk": 1})
        self.assertEqual(order(), [0, 2, 3])
        self.arm("repeat_link", where={"chunk": 2})
        self.assertEqual(order(), [0, 1, 2, 2, 3])
        self.arm("reverse_links")
        self.assertEqual(order(), [3, 2, 1, 0])
        self.assertEqual(order(), [0, 1, 2, 3])

    def test_links_that_have_ended_when_they_are_given(self) -> None:
        self.arm("expired_link", where={"chunk": 0})
        answer = self.linked()
        self.assertEqual(self.fetch(answer["result"]["external_links"][0]["external_link"]).status, 403)
        again = self.api("GET", f"{SQL}/{answer['statement_id']}/result/chunks/0").json["external_links"][0]
        self.assertEqual(self.fetch(again["external_link"]).status, 200)

    def test_bodies_without_their_end(self) -> None:
        link = self.linked()["result"]["external_links"][0]["external_link"]
        whole = self.fetch(link).body
        self.arm("no_end_of_stream", where={"listener": "links"})
        self.assertEqual(self.fetch(link).body, whole[:-8])
        link = self.linked(result_compression="LZ4_FRAME")["result"]["external_links"][0]["external_link"]
        self.arm("first_frame_only", where={"listener": "links"})
        import lz4.frame

        first = lz4.frame.decompress(self.fetch(link).body)
        self.assertEqual(pyarrow.ipc.open_stream(first).read_all().num_rows, 0)

    def test_a_statement_that_ends_half_way(self) -> None:
        self.settings(rows_per_chunk=300)
        answer = self.linked()
        self.arm("fail_after_chunks", where={"chunk": 2}, state="CLOSED")
        path = f"{SQL}/{answer['statement_id']}"
        self.assertEqual(self.api("GET", f"{path}/result/chunks/1").status, 200)
        self.assertEqual(self.api("GET", f"{path}/result/chunks/2").status, 404)
        self.assertEqual(self.api("GET", path).json["status"]["state"], "CLOSED")

    def test_official_retries_are_met_by_it(self) -> None:
        """The SDK honours Retry-After and goes on."""
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.core import Config

        self.arm("status", where={"path": f"{UC}/catalogs"}, times=2, status=429, retry_after=0)
        client = WorkspaceClient(config=Config(host=self.workspace.world.addresses.api, token=GATEWAY, auth_type="pat"))
        self.assertEqual([c.name for c in client.catalogs.list()], ["main", "samples"])
        statuses = [entry["status"] for entry in self.control("GET", "requests?path=catalogs")["requests"]]
        self.assertEqual(statuses, [429, 429, 200])

    def test_generated_results(self) -> None:
        self.settings(rows_per_chunk=50_000, links_per_answer=10)
        self.control(
            "POST", "scripts", {"match": "^SELECT bulk", "generated": {"rows": 120_000, "numbers": 2, "text_length": 4}}
        )
        items = self.linked("SELECT bulk")["result"]["external_links"]
        tables = [pyarrow.ipc.open_stream(self.fetch(item["external_link"]).body).read_all() for item in items]
        table = pyarrow.concat_tables(tables)
        self.assertEqual(table.column("n0").to_pylist(), list(range(120_000)))
        self.assertEqual(table.column("n1")[119_999].as_py(), 2 * 119_999)
        self.assertEqual(table.column("text")[7].as_py(), "xxx7")

    def test_kept_results(self) -> None:
        self.settings(reuse_results=True)
        first = self.linked("SELECT uuid() AS u")
        second = self.linked("SELECT uuid() AS u")
        self.assertNotEqual(first["statement_id"], second["statement_id"])
        bodies = {self.fetch(answer["result"]["external_links"][0]["external_link"]).body for answer in (first, second)}
        self.assertEqual(len(bodies), 1)
