"""StatementResponse, manifest and ResultData, with the faults that a test armed for them."""

from __future__ import annotations

import base64
from typing import Any

from .http_messages import Request
from .links import Links
from .refusals import Refusal
from .results import EncodedChunk, EncodingSettings, StatementResult, rows_as_texts
from .statements import Statement
from .world import World


class StatementAnswers:
    """Writes statements out."""

    def __init__(self, world: World, links: Links) -> None:
        self._world = world
        self._links = links

    def encoding(self) -> EncodingSettings:
        return EncodingSettings(self._world.settings.binary_in_json)

    def response(self, statement: Statement, request: Request) -> dict[str, Any]:
        """The whole StatementResponse for the state as it is."""
        status: dict[str, Any] = {"state": statement.state}
        if statement.error is not None:
            status["error"] = {"error_code": statement.error.error_code, "message": statement.error.message}
            if statement.error.sql_state is not None:
                status["sql_state"] = statement.error.sql_state
        answer: dict[str, Any] = {"statement_id": statement.identity, "status": status}
        if statement.state == "SUCCEEDED" and statement.result is not None:
            answer["manifest"] = self.manifest(statement, statement.result, request)
            answer["result"] = self.result(statement, statement.result, 0, request) if statement.result.chunks else {}
        return answer

    def _disposition(self, statement: Statement, result: StatementResult) -> str:
        """What the hybrid disposition becomes: an attachment for small results, links for others."""
        question = statement.question
        if question.disposition != "INLINE_OR_EXTERNAL_LINKS":
            return question.disposition
        if question.format == "JSON_ARRAY":
            return "INLINE"
        if len(result.chunks) > 1:
            return "EXTERNAL_LINKS"
        small = self._encoded(statement, result, 0).plain_size <= self._world.settings.hybrid_attachment_limit_bytes
        return "ATTACHMENT" if small else "EXTERNAL_LINKS"

    def _encoded(self, statement: Statement, result: StatementResult, index: int) -> EncodedChunk:
        question = statement.question
        return result.encoded(index, question.format, question.compression, self.encoding())

    def body(self, statement: Statement, index: int, request: Request | None) -> EncodedChunk | None:
        """The bytes that a link serves."""
        result = statement.result
        if result is None or statement.state != "SUCCEEDED" or not 0 <= index < len(result.chunks):
            return None
        return self._encoded(statement, result, index)

    def _fault(
        self, kind: str, request: Request, statement: Statement, chunk: int | None = None
    ) -> dict[str, Any] | None:
        fault = self._world.faults.on_result((kind,), request, statement.question.text, chunk)
        return fault.details if fault is not None else None

    def manifest(self, statement: Statement, result: StatementResult, request: Request) -> dict[str, Any]:
        question = statement.question
        sized = result.chunks and self._disposition(statement, result) != "INLINE"
        chunks: list[dict[str, Any]] = []
        for chunk in result.chunks:
            shown: dict[str, Any] = {
                "chunk_index": chunk.index,
                "row_offset": chunk.row_offset,
                "row_count": chunk.row_count,
            }
            if sized:
                shown["byte_count"] = self._encoded(statement, result, chunk.index).plain_size
            chunks.append(shown)
        manifest: dict[str, Any] = {
            "format": question.format,
            "schema": result.schema(),
            "total_chunk_count": len(result.chunks),
            "total_row_count": result.row_count,
            "truncated": result.truncated,
        }
        if chunks:
            manifest["chunks"] = chunks
        if sized:
            manifest["total_byte_count"] = sum(chunk["byte_count"] for chunk in chunks)
        if question.compression == "LZ4_FRAME":
            manifest["result_compression"] = "LZ4_FRAME"
        if self._fault("truncated", request, statement) is not None:
            manifest["truncated"] = True
        details = self._fault("total_rows", request, statement)
        if details is not None:
            manifest["total_row_count"] += int(details.get("offset", 1))
        details = self._fault("row_count", request, statement)
        if details is not None and chunks:
            chunks[int(details.get("chunk", 0))]["row_count"] += int(details.get("offset", 1))
        details = self._fault("schema_mismatch", request, statement)
        if details is not None and "columns" in manifest["schema"]:
            manifest["schema"]["columns"][0] |= details.get("column", {"type_name": "DATE", "type_text": "DATE"})
        return manifest

    def result(self, statement: Statement, result: StatementResult, index: int, request: Request) -> dict[str, Any]:
        """ResultData from one chunk on."""
        if not 0 <= index < len(result.chunks):
            raise Refusal(
                "invalid_parameter", f"chunk_index {index} is out of range: there are {len(result.chunks)} chunks"
            )
        if index > 0:
            statement.chunk_answers += 1
            details = self._fault("fail_after_chunks", request, statement, index)
            if details is not None:
                statement.state = details.get("state", "FAILED")
                raise Refusal("not_found", f"The statement {statement.identity} is not in the state SUCCEEDED")
        disposition = self._disposition(statement, result)
        if disposition == "EXTERNAL_LINKS":
            return {"external_links": self._external_links(statement, result, index, request)}
        chunk = result.chunks[index]
        answer: dict[str, Any] = {
            "chunk_index": chunk.index,
            "row_offset": chunk.row_offset,
            "row_count": chunk.row_count,
            **self._following(statement, result, index),
        }
        if disposition == "ATTACHMENT":
            encoded = self._encoded(statement, result, index)
            answer |= {"byte_count": len(encoded.body), "attachment": base64.b64encode(encoded.body).decode()}
        else:
            answer["data_array"] = rows_as_texts(chunk, result.columns, self.encoding())
        return answer

    def _following(self, statement: Statement, result: StatementResult, index: int) -> dict[str, Any]:
        if index + 1 >= len(result.chunks):
            return {}
        path = f"/api/2.0/sql/statements/{statement.identity}/result/chunks/{index + 1}"
        return {
            "next_chunk_index": index + 1,
            "next_chunk_internal_link": f"{path}?row_offset={result.chunks[index + 1].row_offset}",
        }

    def _external_links(
        self, statement: Statement, result: StatementResult, index: int, request: Request
    ) -> list[dict[str, Any]]:
        last = min(index + max(1, self._world.settings.links_per_answer), len(result.chunks))
        items: list[dict[str, Any]] = []
        for place in range(index, last):
            if self._fault("omit_link", request, statement, place) is not None:
                continue
            item = self._link(statement, result, place, request)
            items.append(item)
            if self._fault("repeat_link", request, statement, place) is not None:
                items.append(self._link(statement, result, place, request))
        if self._fault("reverse_links", request, statement) is not None:
            items.reverse()
        return items

    def _link(self, statement: Statement, result: StatementResult, index: int, request: Request) -> dict[str, Any]:
        chunk = result.chunks[index]
        expired = self._fault("expired_link", request, statement, index) is not None
        link = self._links.sign(statement.identity, index, expired)
        item: dict[str, Any] = {
            "chunk_index": index,
            "row_offset": chunk.row_offset,
            "row_count": chunk.row_count,
            "byte_count": len(self._encoded(statement, result, index).body),
            "external_link": link.url,
            "expiration": link.expiration,
            **self._following(statement, result, index),
        }
        if link.headers is not None:
            item["http_headers"] = link.headers
        return item


def damaged(encoded: EncodedChunk, kind: str, compressed: bool) -> bytes:
    """A body that lacks its end: the end-of-stream marker, or every LZ4 frame but the first."""
    if kind == "first_frame_only" and compressed:
        second = encoded.body.find(b"\x04\x22\x4d\x18", 4)
        return encoded.body[:second] if second > 0 else encoded.body
    if compressed:
        last = encoded.body.rfind(b"\x04\x22\x4d\x18")
        return encoded.body[:last]
    return encoded.body[:-8]
