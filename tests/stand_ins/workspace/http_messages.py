"""One HTTP request and one answer, free of sockets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .refusals import Refusal, violation


class Headers:
    """Header fields in their order, looked up without case."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.fields = fields

    def get(self, name: str) -> str | None:
        wanted = name.lower()
        for key, value in self.fields:
            if key.lower() == wanted:
                return value
        return None

    def count(self, name: str) -> int:
        return sum(1 for key, _ in self.fields if key.lower() == name.lower())


@dataclass
class Request:
    """What a client sent, whole."""

    listener: str
    method: str
    target: str
    headers: Headers
    body: bytes
    # Filled in by whoever recognises the caller, for the journal and for faults.
    principal: str | None = None
    # Filled in by handlers: words that tests look for in the journal, such as a statement's text.
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def raw_path(self) -> str:
        return urlsplit(self.target).path

    @property
    def segments(self) -> list[str]:
        """The path's segments, each decoded by itself, so that an encoded slash stays inside."""
        return [unquote(part) for part in self.raw_path.split("/")[1:]]

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def content_type(self) -> str | None:
        value = self.headers.get("Content-Type")
        return value.split(";")[0].strip().lower() if value is not None else None

    def form(self) -> dict[str, str]:
        """The fields of a form-encoded body; a field twice is an error, as RFC 6749 says."""
        if self.content_type != "application/x-www-form-urlencoded":
            raise Refusal(
                "oauth",
                "the body must be application/x-www-form-urlencoded",
                shape="oauth",
                status=400,
                error_code="invalid_request",
                violation="wrong_content_type",
            )
        pairs = parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise Refusal(
                "oauth",
                "a field stands twice",
                shape="oauth",
                status=400,
                error_code="invalid_request",
                violation="repeated_form_field",
            )
        return fields

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object. Raises the service's errors for any other body."""
        if self.content_type != "application/json":
            raise violation("wrong_content_type", "Content-Type must be application/json", "malformed")
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise violation("malformed_json", "Invalid JSON given in the body of the request", "malformed") from error
        if not isinstance(value, dict):
            raise violation("malformed_json", "The body of the request must be a JSON object", "malformed")
        return value


@dataclass
class Response:
    """What is answered. `wire` says what to do to it on the way out (see faults.py)."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes | memoryview
    wire: WireFault | None = None
    # How fast the body goes out; 0 is as fast as it can.
    bytes_per_second: int = 0

    @classmethod
    def of_json(cls, value: Any, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return cls(status, [("Content-Type", "application/json"), *(headers or [])], body)


@dataclass
class WireFault:
    """Damage to an answer's bytes or to its connection."""

    # Send that many bytes of the body, then end the connection.
    cut_after: int | None = None
    # End it with a reset rather than orderly.
    reset: bool = False
    # Send that many bytes of the body, then nothing until the test releases the stall.
    stall_after: int | None = None
    # Added to the Content-Length that is announced.
    content_length_offset: int = 0
    # Flip the lowest bit of the byte at this place of the body (negative: from the end).
    flip_at: int | None = None
    # No bytes at all, not even a status line.
    no_answer: bool = False
