"""Which handler answers which request, after everything about the request has been checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .http_messages import Request, Response
from .refusals import Refusal, violation
from .shapes import Shape, checked_body, checked_query

if TYPE_CHECKING:
    from .principals import Caller


@dataclass
class Call:
    """A request whose parts have been checked."""

    request: Request
    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    # None on routes that need no credential.
    anybody: Caller | None

    @property
    def caller(self) -> Caller:
        if self.anybody is None:
            raise Refusal("no_credential", "Credential was not sent or was of an unsupported type for this API.")
        return self.anybody


@dataclass(frozen=True)
class Route:
    """One verb on one path; `{name}` stands for a segment."""

    method: str
    template: str
    handler: Callable[[Call], Response | dict[str, Any]]
    query: Shape = field(default_factory=dict)
    # None: no body is expected, and one that comes is a violation.
    body: Shape | None = None
    # Official clients send a body where none is needed; then its members are checked against this shape.
    optional_body: bool = False
    credential: bool = True
    # "json", or "form"/"any" when the handler reads the body itself.
    body_kind: str = "json"
    trailing_slash: bool = False
    # Errors of this route come in this shape (see dialect.py).
    error_shape: str = "service"

    def match(self, segments: list[str]) -> dict[str, str] | None:
        wanted = self.template.split("/")[1:]
        if self.trailing_slash and segments and segments[-1] == "" and len(segments) == len(wanted) + 1:
            segments = segments[:-1]
        if len(segments) != len(wanted):
            return None
        found: dict[str, str] = {}
        for pattern, segment in zip(wanted, segments):
            if pattern.startswith("{"):
                if not segment:
                    return None
                found[pattern[1:-1]] = segment
            elif pattern != segment:
                return None
        return found


class Router:
    """All routes of one listener."""

    def __init__(self, routes: list[Route]) -> None:
        self._routes = routes

    def find(self, request: Request) -> tuple[Route, dict[str, str]]:
        """The route of a request. A path or verb that is nobody's is refused as a violation."""
        segments = request.segments
        other_verbs = False
        for route in self._routes:
            found = route.match(segments)
            if found is None:
                continue
            if route.method == request.method:
                return route, found
            other_verbs = True
        name, kind = ("wrong_verb", "method_refused") if other_verbs else ("unknown_path", "endpoint_missing")
        raise violation(name, f"No API found for '{request.method} {request.raw_path}'", kind)

    def call(self, route: Route, path: dict[str, str], request: Request, caller: Caller | None) -> Call:
        """Checks query and body against the route."""
        query = checked_query(request.query, route.query)
        body: dict[str, Any] = {}
        if route.body_kind == "json":
            if route.body is None:
                if request.body:
                    raise violation("unexpected_body", "This request takes no body", "malformed")
            elif request.body or not route.optional_body:
                body = checked_body(request.json_object(), route.body)
        return Call(request, path, query, body, caller)
