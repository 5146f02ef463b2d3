"""External links: formats, frames, signatures, ends, and what they refuse."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from urllib.parse import urlsplit

import lz4.frame
import pyarrow

from .stand_in import StandInTest, send
from .test_statements import TYPES

SQL = "/api/2.0/sql/statements"


def frames(body: bytes) -> list[bytes]:
    """Each LZ4 frame of a body, decompressed."""
    found: list[bytes] = []
    while body:
        decoder = lz4.frame.LZ4FrameDecompressor()
        found.append(decoder.decompress(body))
        body = decoder.unused_data or b""
    return found


class Links(StandInTest):
    def run_linked(self, statement: str, format: str = "ARROW_STREAM", **more: Any) -> Any:
        answer = self.execute(statement, disposition="EXTERNAL_LINKS", format=format, **more)
        self.assertEqual(answer["status"]["state"], "SUCCEEDED", answer)
        return answer

    def links(self, answer: Any) -> list[Any]:
        """All links of a result, by following the last item of each answer."""
        items: list[Any] = []
        part = answer["result"]
        while True:
            items += part["external_links"]
            following = part["external_links"][-1].get("next_chunk_index")
            if following is None:
                return items
            part = self.api("GET", f"{SQL}/{answer['statement_id']}/result/chunks/{following}").json

    def table(self, body: bytes) -> pyarrow.Table:
        return pyarrow.ipc.open_stream(body).read_all()

    def test_arrow_in_chunks(self) -> None:
        for per_answer in (1, 2, 10):
            self.settings(rows_per_chunk=300, links_per_answer=per_answer)
            answer = self.run_linked("SELECT order_id FROM main.default.orders ORDER BY 1")
            self.assertEqual(len(answer["result"]["external_links"]), min(per_answer, 4))
            items = self.links(answer)
            self.assertEqual([item["chunk_index"] for item in items], [0, 1, 2, 3])
            bodies = [self.fetch(item["external_link"]).body for item in items]
            self.assertTrue(all(body.startswith(b"\xff\xff\xff\xff") for body in bodies))
            rows = [value for body in bodies for value in self.table(body).column(0).to_pylist()]
            self.assertEqual(rows, list(range(1000)))
            self.assertEqual([item["byte_count"] for item in items], [len(body) for body in bodies])
        self.assertEqual(self.violations(), [])

    def test_lz4_is_several_frames(self) -> None:
        answer = self.run_linked("SELECT * FROM main.default.orders", result_compression="LZ4_FRAME")
        self.assertEqual(answer["manifest"]["result_compression"], "LZ4_FRAME")
        item = answer["result"]["external_links"][0]
        body = self.fetch(item["external_link"]).body
        parts = frames(body)
        self.assertEqual(len(parts), 3)
        self.assertEqual(parts[-1], b"\xff\xff\xff\xff\x00\x00\x00\x00")
        self.assertEqual(self.table(b"".join(parts)).num_rows, 1000)
        # The manifest tells the size before compression, the link the size that is stored.
        self.assertEqual(answer["manifest"]["chunks"][0]["byte_count"], sum(map(len, parts)))
        self.assertEqual(item["byte_count"], len(body))
        # A decoder that stops after one frame sees a schema and no rows.
        self.assertEqual(self.table(lz4.frame.LZ4FrameDecompressor().decompress(body)).num_rows, 0)

    def test_arrow_types(self) -> None:
        answer = self.run_linked(TYPES)
        schema = self.table(self.fetch(answer["result"]["external_links"][0]["external_link"]).body).schema
        self.assertTrue(all(field.nullable and not field.metadata for field in schema))
        shown = {field.name: str(schema.field(place).name) for place, field in enumerate(schema) if field.name != "n"}
        self.assertEqual(len(shown), 22)
        types = {name: schema.field(name) for name in "abcdefghijklmoqrstuvw" if name != "n"}
        self.assertIn("timestamp[us, tz=Etc/UTC]", str(types["l"]))
        self.assertIn("timestamp[us]", str(types["m"]))
        self.assertIn("duration[us]", str(types["o"]))
        self.assertIn("decimal128(10, 2)", str(types["h"]))
        self.assertIn("pyarrow.Field<t: null>", str(types["t"]))
        self.assertIn("string", str(types["s"]))
        self.assertIn("month_interval", schema.to_string())
        self.assertIn("list<element: int32>", str(schema.field("p")))

    def test_json_and_csv(self) -> None:
        statement = "SELECT order_id, IF(order_id = 1, NULL, 'a\"b') AS t FROM main.default.orders WHERE order_id < 4 ORDER BY 1"
        self.settings(rows_per_chunk=2)
        items = self.links(self.run_linked(statement, "JSON_ARRAY"))
        rows = [row for item in items for row in json.loads(self.fetch(item["external_link"]).body)]
        self.assertEqual(rows, [["0", 'a"b'], ["1", None], ["2", 'a"b'], ["3", 'a"b']])
        items = self.links(self.run_linked(statement, "CSV"))
        text = "".join(self.fetch(item["external_link"]).body.decode() for item in items)
        self.assertEqual(
            list(csv.reader(io.StringIO(text))),
            [["order_id", "t"], ["0", 'a"b'], ["1", "null"], ["2", 'a"b'], ["3", 'a"b']],
        )

    def test_nothing_to_link(self) -> None:
        answer = self.run_linked("SELECT 1 AS a WHERE 1 = 0")
        self.assertEqual((answer["result"], answer["manifest"]["total_chunk_count"]), ({}, 0))

    def test_hybrid(self) -> None:
        answer = self.execute(
            "SELECT 1 AS a",
            disposition="INLINE_OR_EXTERNAL_LINKS",
            format="ARROW_STREAM",
            result_compression="LZ4_FRAME",
        )
        import base64

        body = base64.b64decode(answer["result"]["attachment"])
        self.assertEqual(self.table(b"".join(frames(body))).column(0).to_pylist(), [1])
        self.settings(hybrid_attachment_limit_bytes=10)
        answer = self.execute("SELECT 1 AS a", disposition="INLINE_OR_EXTERNAL_LINKS", format="ARROW_STREAM")
        self.assertIn("external_links", answer["result"])

    # (b) and (c): the other host

    def item(self) -> Any:
        return self.run_linked("SELECT 1")["result"]["external_links"][0]

    def test_another_port_that_refuses_tokens(self) -> None:
        link = self.item()["external_link"]
        self.assertNotEqual(urlsplit(link).netloc, urlsplit(self.workspace.world.addresses.api).netloc)
        self.assertEqual(self.fetch(link).status, 200)
        self.assertEqual(self.fetch(link, Authorization="Bearer x").status, 400)
        self.assertEqual(self.violations(), ["authorization_on_link"])

    def test_links_end_and_are_signed_anew(self) -> None:
        answer = self.run_linked("SELECT 1")
        link = answer["result"]["external_links"][0]
        self.assertRegex(link["expiration"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.control("POST", "clock", {"advance_seconds": 901})
        self.assertEqual(self.fetch(link["external_link"]).status, 403)
        again = self.api("GET", f"{SQL}/{answer['statement_id']}/result/chunks/0").json["external_links"][0]
        self.assertNotEqual(again["external_link"], link["external_link"])
        self.assertEqual(self.fetch(again["external_link"]).status, 200)
        self.assertEqual(self.violations(), [])

    def test_other_urls_are_refused(self) -> None:
        link = self.item()["external_link"]
        self.assertEqual(self.fetch(link.replace("Nonce=", "Nonce=0")).status, 403)
        self.assertEqual(self.fetch(link.split("&X-Amz-Signature")[0]).status, 403)
        self.assertEqual(self.violations(), ["bad_signature"] * 2)

    def test_needed_headers(self) -> None:
        self.settings(links_need_headers=True)
        item = self.item()
        self.assertEqual(self.fetch(item["external_link"]).status, 400)
        self.assertEqual(self.violations(), ["missing_link_header"])
        headers = {name.replace("-", "_"): value for name, value in item["http_headers"].items()}
        self.assertEqual(self.fetch(item["external_link"], **headers).status, 200)

    def test_ranges(self) -> None:
        link = self.item()["external_link"]
        whole = self.fetch(link).body
        part = self.fetch(link, Range="bytes=10-19")
        self.assertEqual((part.status, part.body), (206, whole[10:20]))
        rest = self.fetch(link, Range="bytes=10-")
        self.assertEqual(rest.body, whole[10:])

    def test_a_closed_statement_has_no_links(self) -> None:
        answer = self.run_linked("SELECT 1")
        self.api("DELETE", f"{SQL}/{answer['statement_id']}")
        self.assertEqual(self.fetch(answer["result"]["external_links"][0]["external_link"]).status, 404)

    def test_other_verbs(self) -> None:
        parts = urlsplit(self.item()["external_link"])
        answer = send(f"{parts.scheme}://{parts.netloc}", "PUT", f"{parts.path}?{parts.query}", b"x")
        self.assertEqual((answer.status, self.violations()), (403, ["wrong_verb"]))
