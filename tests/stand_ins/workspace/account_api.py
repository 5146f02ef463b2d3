"""Small calls that clients make on the side: who am I, feature flags, telemetry."""

from __future__ import annotations

from typing import Any

from .http_messages import Response
from .routing import Call, Route
from .world import World


class AccountApi:
    """SCIM's Me, and what official drivers ask at connect and forget about."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/api/2.0/preview/scim/v2/Me", self._me),
            Route("POST", "/telemetry-ext", self._telemetry, body_kind="any"),
            Route("POST", "/telemetry-unauth", self._telemetry, credential=False, body_kind="any"),
            Route("GET", "/api/2.0/connector-service/feature-flags/{client}/{version}", self._flags),
        ]

    def _me(self, call: Call) -> Response:
        principal = call.caller.principal
        body = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": principal.identity,
            "userName": principal.application_id or principal.name,
            "displayName": principal.name,
            "active": principal.active,
            "emails": [{"type": "work", "value": principal.name, "primary": True}],
            "groups": [
                {"display": group, "value": str(place), "type": "direct"}
                for place, group in enumerate(principal.groups)
            ],
        }
        return Response.of_json(body, headers=[("X-Databricks-Org-Id", self._world.workspace_id)])

    def _telemetry(self, call: Call) -> dict[str, Any]:
        return {"errors": [], "numProtoSuccess": 0, "numSuccess": 0}

    def _flags(self, call: Call) -> dict[str, Any]:
        return {"flags": [], "ttl_seconds": 900}
