"""/api/2.0/secrets: scopes, secrets and their lists."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from .principals import Principal
from .refusals import Refusal, violation
from .routing import Call, Route
from .shapes import REQUIRED_TEXT, TEXT
from .world import World

_BASE = "/api/2.0/secrets"
_LARGEST_SECRET = 128 * 1024
_MOST_SECRETS = 1000


class SecretsApi:
    """A scope is `{"secrets": {key: {"value", "updated"}}, "readers": [names], "backend_type"}`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        key = {"scope": REQUIRED_TEXT, "key": REQUIRED_TEXT}
        return [
            Route("GET", f"{_BASE}/get", self._get, query=key),
            Route("GET", f"{_BASE}/list", self._list, query={"scope": REQUIRED_TEXT}),
            Route("GET", f"{_BASE}/scopes/list", self._scopes),
            Route("POST", f"{_BASE}/put", self._put, body={**key, "string_value": TEXT, "bytes_value": TEXT}),
            Route("POST", f"{_BASE}/delete", self._delete, body=key),
            Route(
                "POST",
                f"{_BASE}/scopes/create",
                self._create,
                body={"scope": REQUIRED_TEXT, "initial_manage_principal": TEXT, "scope_backend_type": TEXT},
            ),
            Route("POST", f"{_BASE}/scopes/delete", self._drop, body={"scope": REQUIRED_TEXT}),
        ]

    def _readable(self, principal: Principal, name: str) -> dict[str, Any]:
        scope = self._world.secret_scopes.get(name)
        if scope is None:
            raise Refusal("resource_missing", f"Scope {name} does not exist!")
        if not principal.administrator and not principal.grant_names & set(scope.get("readers", [])):
            raise Refusal("permission_denied", f"User {principal.name} does not have READ permission on scope {name}")
        return scope

    def _managed(self, principal: Principal, name: str) -> dict[str, Any]:
        scope = self._readable(principal, name)
        if not principal.administrator and principal.name not in scope.get("managers", []):
            raise Refusal("permission_denied", f"User {principal.name} does not have WRITE permission on scope {name}")
        return scope

    def _get(self, call: Call) -> dict[str, Any]:
        scope = self._readable(call.caller.principal, call.query["scope"])
        found = scope["secrets"].get(call.query["key"])
        if found is None:
            words = f"Failed to get secret {call.query['key']} for scope {call.query['scope']}: it does not exist"
            raise Refusal("resource_missing", words)
        return {"key": call.query["key"], "value": found["value"]}

    def _list(self, call: Call) -> dict[str, Any]:
        scope = self._readable(call.caller.principal, call.query["scope"])
        return {
            "secrets": [
                {"key": key, "last_updated_timestamp": found["updated"]}
                for key, found in sorted(scope["secrets"].items())
            ]
        }

    def _scopes(self, call: Call) -> dict[str, Any]:
        principal = call.caller.principal
        return {
            "scopes": [
                {"name": name, "backend_type": scope.get("backend_type", "DATABRICKS")}
                for name, scope in sorted(self._world.secret_scopes.items())
                if principal.administrator or principal.grant_names & set(scope.get("readers", []))
            ]
        }

    def _put(self, call: Call) -> dict[str, Any]:
        scope = self._managed(call.caller.principal, call.body["scope"])
        text, encoded = call.body.get("string_value"), call.body.get("bytes_value")
        if (text is None) == (encoded is None):
            raise violation("one_value_needed", "Exactly one of string_value and bytes_value must be set")
        try:
            value = text.encode() if text is not None else base64.b64decode(encoded or "", validate=True)
        except binascii.Error as error:
            raise violation("bad_base64", "bytes_value is not base64") from error
        if len(value) > _LARGEST_SECRET:
            raise Refusal("invalid_parameter", "The secret is larger than 128 KB")
        if call.body["key"] not in scope["secrets"] and len(scope["secrets"]) >= _MOST_SECRETS:
            raise Refusal("invalid_parameter", "The scope holds 1000 secrets already")
        self.store(call.body["scope"], call.body["key"], value)
        return {}

    def store(self, scope: str, key: str, value: bytes) -> None:
        """Sets a secret of a scope that exists."""
        self._world.secret_scopes[scope]["secrets"][key] = {
            "value": base64.b64encode(value).decode(),
            "updated": self._world.clock.now_milliseconds(),
        }

    def _delete(self, call: Call) -> dict[str, Any]:
        scope = self._managed(call.caller.principal, call.body["scope"])
        if scope["secrets"].pop(call.body["key"], None) is None:
            raise Refusal("resource_missing", f"No secret {call.body['key']} in scope {call.body['scope']}")
        return {}

    def _create(self, call: Call) -> dict[str, Any]:
        name = call.body["scope"]
        if name in self._world.secret_scopes:
            raise Refusal("bad_request", f"Scope {name} already exists!", error_code="RESOURCE_ALREADY_EXISTS")
        owner = call.caller.principal.name
        self._world.secret_scopes[name] = {"secrets": {}, "readers": [owner], "managers": [owner]}
        return {}

    def _drop(self, call: Call) -> dict[str, Any]:
        self._managed(call.caller.principal, call.body["scope"])
        del self._world.secret_scopes[call.body["scope"]]
        return {}
