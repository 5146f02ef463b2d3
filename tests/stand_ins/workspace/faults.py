"""Faults that a test arms: on which requests, after how many, how often, and what happens then."""

from __future__ import annotations

import fnmatch
import itertools
import re
import threading
from dataclasses import dataclass, field
from typing import Any

from .http_messages import Request, WireFault

# What an armed fault may do. The first group acts on the request, the second on the answer's way out,
# the third on the content of a statement's result (see results.py and statement_api.py).
REQUEST_KINDS = ("status", "raw", "no_answer", "latency")
WIRE_KINDS = ("cut", "stall", "content_length", "flip_bit")
RESULT_KINDS = (
    "truncated",
    "total_rows",
    "omit_link",
    "repeat_link",
    "reverse_links",
    "expired_link",
    "row_count",
    "schema_mismatch",
    "no_end_of_stream",
    "fail_after_chunks",
    "first_frame_only",
)
_WHERE_KEYS = {"listener", "method", "path", "principal", "statement", "chunk"}


@dataclass
class Fault:
    """One armed fault."""

    identity: int
    kind: str
    where: dict[str, Any]
    skip: int
    times: int | None
    # Whether the handler runs before the fault shows: the reply is lost, the effect is not.
    after: bool
    details: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    fired: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.identity,
            "kind": self.kind,
            "where": self.where,
            "skip": self.skip,
            "times": self.times,
            "after": self.after,
            "details": self.details,
            "seen": self.seen,
            "fired": self.fired,
        }


class Faults:
    """The armed faults, in the order in which they were armed; the first that matches fires."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []
        self._numbers = itertools.count(1)

    def arm(self, declaration: dict[str, Any]) -> Fault:
        """Arms a fault. Raises ValueError for an unknown kind or place."""
        values = dict(declaration)
        kind = values.pop("kind", None)
        if kind not in (*REQUEST_KINDS, *WIRE_KINDS, *RESULT_KINDS):
            raise ValueError(f"no kind of fault {kind!r}")
        where = values.pop("where", {})
        unknown = set(where) - _WHERE_KEYS
        if unknown:
            raise ValueError(f"no place {sorted(unknown)}; there are {sorted(_WHERE_KEYS)}")
        with self._lock:
            fault = Fault(
                next(self._numbers),
                kind,
                where,
                int(values.pop("skip", 0)),
                values.pop("times", 1),
                bool(values.pop("after", False)),
                values,
            )
            self._armed.append(fault)
            return fault

    def disarm(self, identity: int | None) -> None:
        with self._lock:
            self._armed = [fault for fault in self._armed if identity is not None and fault.identity != identity]

    def all(self) -> list[dict[str, Any]]:
        with self._lock:
            return [fault.as_dict() for fault in self._armed]

    def on_request(self, request: Request, chunk: int | None = None) -> Fault | None:
        """The fault that this request meets, counted as fired."""
        return self._take((*REQUEST_KINDS, *WIRE_KINDS), request, None, chunk)

    def on_result(self, kinds: tuple[str, ...], request: Request, statement: str, chunk: int | None) -> Fault | None:
        """The fault among `kinds` that this part of a result meets, counted as fired."""
        return self._take(kinds, request, statement, chunk)

    def _take(self, kinds: tuple[str, ...], request: Request, statement: str | None, chunk: int | None) -> Fault | None:
        with self._lock:
            for fault in self._armed:
                if fault.kind not in kinds or not _matches(fault.where, request, statement, chunk):
                    continue
                if fault.times is not None and fault.fired >= fault.times:
                    continue
                fault.seen += 1
                if fault.seen <= fault.skip:
                    continue
                fault.fired += 1
                return fault
        return None


def wire_fault(fault: Fault) -> WireFault:
    """What the listener does to the bytes of an answer."""
    details = fault.details
    if fault.kind == "cut":
        return WireFault(cut_after=int(details.get("after_bytes", 0)), reset=bool(details.get("reset", False)))
    if fault.kind == "stall":
        return WireFault(stall_after=int(details.get("after_bytes", 0)))
    if fault.kind == "content_length":
        return WireFault(content_length_offset=int(details.get("offset", 1)))
    if fault.kind == "flip_bit":
        return WireFault(flip_at=int(details.get("at", 0)))
    return WireFault(no_answer=True, reset=bool(details.get("reset", False)))


def _matches(where: dict[str, Any], request: Request, statement: str | None, chunk: int | None) -> bool:
    if "listener" in where and where["listener"] != request.listener:
        return False
    if "method" in where and where["method"] != request.method:
        return False
    if "path" in where and not fnmatch.fnmatchcase(request.raw_path, where["path"]):
        return False
    if "principal" in where and where["principal"] != request.principal:
        return False
    if "chunk" in where and where["chunk"] != chunk:
        return False
    if "statement" in where:
        text = statement if statement is not None else str(request.notes.get("statement", ""))
        if re.search(where["statement"], text) is None:
            return False
    return True
