"""What only the open-source server answers beside the catalog itself."""

from __future__ import annotations

from typing import Any

from .http_messages import Response
from .refusals import Refusal
from .routing import Call, Route
from .world import World

_CONTROL = "/api/1.0/unity-control"
_PLAIN = [("Content-Type", "text/plain; charset=utf-8")]


class OpenSourceApi:
    """The greeting, and its own login while authorization is off."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/", self._greeting, credential=False),
            Route("POST", f"{_CONTROL}/auth/tokens", self._exchange, credential=False, body_kind="any"),
            Route("GET", f"{_CONTROL}/scim2/Me", self._me),
        ]

    def _greeting(self, call: Call) -> Response:
        return Response(200, list(_PLAIN), b"Hello, Unity Catalog!")

    def _exchange(self, call: Call) -> dict[str, Any]:
        if not self._world.authorization:
            raise Refusal("invalid_parameter", "Authorization is disabled")
        raise Refusal("invalid_parameter", "the stand-in gives no tokens here: declare personal_tokens")

    def _me(self, call: Call) -> Response:
        if "application/scim+json" not in (call.request.headers.get("Accept") or ""):
            return Response(406, list(_PLAIN), b"Status: 406\nDescription: Not Acceptable\n")
        principal = call.caller.principal
        answer = Response.of_json({"userName": principal.name, "displayName": principal.name, "active": True})
        answer.headers[0] = ("Content-Type", "application/scim+json")
        return answer
