"""What was asked, in order, and what a correct client would not have asked."""

from __future__ import annotations

import threading
from typing import Any

from .clock import Clock
from .http_messages import Request

_SECRET_HEADERS = ("authorization", "cookie", "x-databricks-azure-sp-management-token")
_LONGEST_JOURNAL = 100_000


class Journal:
    """Requests and violations since the start or the last clearing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: list[dict[str, Any]] = []
        self._violations: list[dict[str, Any]] = []
        self._number = 0

    def arrived(self, request: Request) -> dict[str, Any]:
        """Writes a request down; the entry is completed by `answered`."""
        with self._lock:
            self._number += 1
            entry: dict[str, Any] = {
                "number": self._number,
                "time": self._clock.now(),
                "listener": request.listener,
                "method": request.method,
                "path": request.raw_path,
                "query": request.query,
                "headers": request.headers.fields,
                "body": request.body,
                "status": None,
            }
            self._entries.append(entry)
            del self._entries[:-_LONGEST_JOURNAL]
            return entry

    def answered(self, entry: dict[str, Any], request: Request, status: int, fault: str | None) -> None:
        with self._lock:
            entry["status"] = status
            entry["principal"] = request.principal
            if fault is not None:
                entry["fault"] = fault
            if request.notes:
                entry["notes"] = request.notes

    def violated(self, request: Request, name: str, message: str) -> None:
        with self._lock:
            self._violations.append(
                {
                    "violation": name,
                    "message": message,
                    "listener": request.listener,
                    "method": request.method,
                    "path": request.raw_path,
                    "number": self._number,
                }
            )

    def violations(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._violations)

    def entries(self, after: int, path_contains: str, show_secrets: bool, bodies: bool) -> list[dict[str, Any]]:
        """The journal from a number on. Credentials are blanked unless a test wants to see them."""
        with self._lock:
            chosen = [
                dict(entry) for entry in self._entries if entry["number"] > after and path_contains in entry["path"]
            ]
        for entry in chosen:
            entry["headers"] = [
                [name, value if show_secrets or name.lower() not in _SECRET_HEADERS else "(redacted)"]
                for name, value in entry["headers"]
            ]
            body = entry.pop("body")
            is_login = "/token" in entry["path"]
            if bodies and (show_secrets or not is_login):
                entry["body"] = body.decode("utf-8", "replace")
        return chosen

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._violations.clear()
