"""Another host: Entra ID's token endpoints, and a virtual machine's managed identity."""

from __future__ import annotations

import hmac
from typing import Any

from .http_messages import Response
from .principals import Principal
from .refusals import Refusal, oauth_refusal
from .routing import Call, Route
from .shapes import REQUIRED_TEXT, TEXT
from .world import World

DATABRICKS_RESOURCE = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
_MANAGEMENT = ("https://management.core.windows.net/", "https://management.azure.com/")
_IDENTITY_VERSIONS = ("2018-02-01", "2019-08-01", "2021-02-01", "2021-10-01")


class EntraApi:
    """v1 and v2 of the token endpoint, and /metadata/identity/oauth2/token."""

    def __init__(self, world: World) -> None:
        self._world = world
        # The principal that the machine's identity stands for; None: the machine has none.
        self.machine_identity: str | None = None

    def routes(self) -> list[Route]:
        identity = {"api-version": REQUIRED_TEXT, "resource": REQUIRED_TEXT, "client_id": TEXT}
        return [
            Route("POST", "/{tenant}/oauth2/token", self._v1, credential=False, body_kind="form"),
            Route("POST", "/{tenant}/oauth2/v2.0/token", self._v2, credential=False, body_kind="form"),
            Route("GET", "/metadata/identity/oauth2/token", self._managed, query=identity, credential=False),
        ]

    def _client(self, call: Call, form: dict[str, str]) -> Principal:
        if call.path["tenant"] != self._world.tenant_id:
            raise oauth_refusal("invalid_request", f"AADSTS90002: Tenant '{call.path['tenant']}' not found.")
        if form.get("grant_type") != "client_credentials":
            raise oauth_refusal(
                "unsupported_grant_type", "AADSTS70003: grant type is not supported.", name="bad_grant_type"
            )
        principal = self._world.principals.find(form.get("client_id", ""))
        if principal is None:
            raise oauth_refusal("unauthorized_client", "AADSTS700016: Application was not found in the directory.", 400)
        secret = form.get("client_secret", "")
        if not any(hmac.compare_digest(secret, known) for known in principal.client_secrets):
            raise oauth_refusal("invalid_client", "AADSTS7000215: Invalid client secret provided.", 401)
        call.request.principal = principal.name
        return principal

    def _issue(self, principal: Principal, resource: str) -> tuple[str, int]:
        bare = resource.removesuffix("/.default").rstrip("/")
        lifetime = self._world.settings.token_lifetime
        if bare == DATABRICKS_RESOURCE:
            origin = "entra"
        elif bare in {known.rstrip("/") for known in _MANAGEMENT}:
            origin = "management"
        else:
            raise oauth_refusal(
                "invalid_resource", f"AADSTS500011: The resource principal named {resource} was not found."
            )
        token = self._world.principals.issue(principal, lifetime, frozenset({"all-apis"}), origin, bare)
        return token.value, lifetime

    def _v1(self, call: Call) -> dict[str, Any]:
        form = call.request.form()
        principal = self._client(call, form)
        if "resource" not in form:
            raise oauth_refusal("invalid_request", "AADSTS900144: 'resource' is missing.", name="missing_parameter")
        value, lifetime = self._issue(principal, form["resource"])
        return self._texts(value, lifetime, form["resource"])

    def _texts(self, value: str, lifetime: int, resource: str) -> dict[str, Any]:
        """v1 and managed identities write numbers as texts."""
        moment = int(self._world.clock.now())
        return {
            "token_type": "Bearer",
            "expires_in": str(lifetime),
            "ext_expires_in": str(lifetime),
            "expires_on": str(moment + lifetime),
            "not_before": str(moment - 300),
            "resource": resource,
            "access_token": value,
        }

    def _v2(self, call: Call) -> dict[str, Any]:
        form = call.request.form()
        principal = self._client(call, form)
        scope = form.get("scope", "")
        if not scope.endswith("/.default"):
            words = f"AADSTS1002012: scope {scope} is not valid. Client credential flows must end with /.default"
            raise oauth_refusal("invalid_scope", words, name="bad_scope")
        value, lifetime = self._issue(principal, scope)
        return {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": value}

    def _managed(self, call: Call) -> Response | dict[str, Any]:
        if (call.request.headers.get("Metadata") or "").lower() != "true":
            raise Refusal(
                "oauth",
                "Required metadata header not specified",
                shape="oauth",
                status=400,
                error_code="bad_request_102",
                violation="no_metadata_header",
            )
        if call.query["api-version"] not in _IDENTITY_VERSIONS:
            raise oauth_refusal("invalid_request", "api-version is not supported", name="bad_api_version")
        wanted = call.query.get("client_id")
        principal = self._world.principals.find(wanted or self.machine_identity or "")
        if principal is None or self.machine_identity is None:
            raise oauth_refusal("invalid_request", "Identity not found")
        value, lifetime = self._issue(principal, call.query["resource"])
        return {**self._texts(value, lifetime, call.query["resource"]), "client_id": principal.application_id or ""}
