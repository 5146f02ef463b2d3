"""Host discovery and the workspace's own token endpoint: client credentials and token exchange."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any
from urllib.parse import unquote

from .federation import Federation, unsupported_grant
from .http_messages import Response
from .principals import Principal
from .refusals import oauth_refusal
from .routing import Call, Route
from .world import World

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_PERSONAL = "urn:databricks:params:oauth:token-type:personal-access-token"
_ACCESS = "urn:ietf:params:oauth:token-type:access_token"
SCOPES = frozenset("all-apis sql unity-catalog files jobs clusters secrets offline_access".split())


class LoginApi:
    """`/.well-known/databricks-config`, `/oidc/...` for workspace and account, `/aad/auth`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        account = "/oidc/accounts/{account}"
        well_known = ".well-known/oauth-authorization-server"
        return [
            Route("GET", "/.well-known/databricks-config", self._config, credential=False),
            Route("GET", f"/oidc/{well_known}", self._workspace_discovery, credential=False),
            Route("GET", "/oidc/.well-known/openid-configuration", self._workspace_discovery, credential=False),
            Route("GET", f"{account}/{well_known}", self._account_discovery, credential=False),
            Route("POST", "/oidc/v1/token", self._token, credential=False, body_kind="form"),
            Route("POST", f"{account}/v1/token", self._token, credential=False, body_kind="form"),
            Route("GET", "/aad/auth", self._entra_redirect, credential=False),
        ]

    def _config(self, call: Call) -> dict[str, Any]:
        world = self._world
        return {
            "oidc_endpoint": f"{world.addresses.api}/oidc",
            "account_id": world.account_id,
            "workspace_id": world.workspace_id,
            "cloud": "AWS",
            "token_federation_default_oidc_audiences": [world.account_id],
        }

    def _discovery(self, base: str) -> dict[str, Any]:
        return {
            "authorization_endpoint": f"{base}/v1/authorize",
            "token_endpoint": f"{base}/v1/token",
            "issuer": base,
            "jwks_uri": f"{base}/jwks.json",
            "scopes_supported": sorted(SCOPES),
            "response_types_supported": ["code", "id_token"],
            "grant_types_supported": ["client_credentials", "authorization_code", "refresh_token", _EXCHANGE],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        }

    def _workspace_discovery(self, call: Call) -> dict[str, Any]:
        return self._discovery(f"{self._world.addresses.api}/oidc")

    def _account_discovery(self, call: Call) -> dict[str, Any]:
        self._check_account(call)
        return self._discovery(f"{self._world.addresses.api}/oidc/accounts/{self._world.account_id}")

    def _check_account(self, call: Call) -> None:
        if call.path.get("account", self._world.account_id) != self._world.account_id:
            raise oauth_refusal("invalid_request", "No such account", 404)

    def _entra_redirect(self, call: Call) -> Response:
        world = self._world
        target = (
            f"{world.addresses.login}/{world.tenant_id}/oauth2/authorize?client_id=2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
        )
        return Response(302, [("Location", target)], b"")

    def _token(self, call: Call) -> dict[str, Any]:
        self._check_account(call)
        form = call.request.form()
        grant = form.get("grant_type", "")
        scopes = self._scopes(form.get("scope", "all-apis"))
        settings = self._world.settings
        if grant == "client_credentials":
            principal = self._client(call, form)
            return self._answer(principal, settings.token_lifetime, scopes)
        if grant == _EXCHANGE:
            return self._exchange(form, scopes)
        raise unsupported_grant(grant)

    def _scopes(self, text: str) -> frozenset[str]:
        scopes = frozenset(text.split())
        if not scopes or scopes - SCOPES:
            raise oauth_refusal("invalid_scope", f"scope '{text}' is not supported", name="bad_scope")
        return scopes

    def _client(self, call: Call, form: dict[str, str]) -> Principal:
        """The service principal by HTTP Basic (RFC 6749 section 2.3.1) or by the form's fields."""
        header = call.request.headers.get("Authorization")
        if header is not None:
            if "client_secret" in form:
                raise oauth_refusal("invalid_request", "two ways of client authentication", name="two_client_secrets")
            scheme, _, encoded = header.partition(" ")
            if scheme.lower() != "basic":
                raise oauth_refusal("invalid_client", "Client authentication failed", 401, "no_client_credential")
            try:
                identity, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise oauth_refusal("invalid_client", "Client authentication failed", 401, "bad_base64") from None
            identity, secret = unquote(identity), unquote(secret)
        elif "client_id" in form and "client_secret" in form:
            identity, secret = form["client_id"], form["client_secret"]
        else:
            raise oauth_refusal("invalid_client", "Client authentication failed", 401, "no_client_credential")
        principal = self._world.principals.find(identity)
        if principal is None or not any(hmac.compare_digest(secret, known) for known in principal.client_secrets):
            raise oauth_refusal("invalid_client", "Client authentication failed", 401)
        call.request.principal = principal.name
        return principal

    def _exchange(self, form: dict[str, str], scopes: frozenset[str]) -> dict[str, Any]:
        subject, kind = form.get("subject_token"), form.get("subject_token_type")
        if not subject:
            raise oauth_refusal("invalid_request", "subject_token is missing", name="missing_parameter")
        if kind == _PERSONAL:
            return self._narrow(subject, form, scopes)
        if kind != _JWT:
            raise oauth_refusal(
                "invalid_request", f"subject_token_type '{kind}' is not supported", name="bad_token_type"
            )
        audiences = [self._world.account_id, f"{self._world.addresses.api}/oidc/v1/token"]
        federation = Federation(self._world.principals, self._world.clock, audiences)
        principal, ends = federation.principal_for(subject, form.get("client_id"))
        lifetime = min(self._world.settings.token_lifetime, int(ends - self._world.clock.now()))
        return {**self._answer(principal, lifetime, scopes), "issued_token_type": _ACCESS}

    def _narrow(self, personal: str, form: dict[str, str], scopes: frozenset[str]) -> dict[str, Any]:
        if form.get("requested_token_type") != _ACCESS:
            raise oauth_refusal("invalid_request", "requested_token_type must be an access token")
        for principal in self._world.principals.all():
            if personal in principal.personal_tokens:
                answer = self._answer(principal, self._world.settings.token_lifetime, scopes)
                return {**answer, "issued_token_type": _ACCESS}
        raise oauth_refusal("invalid_grant", "subject_token is not valid")

    def _answer(self, principal: Principal, lifetime: int, scopes: frozenset[str]) -> dict[str, Any]:
        token = self._world.principals.issue(principal, lifetime, scopes, "oauth")
        return {
            "access_token": token.value,
            "token_type": "Bearer",
            "expires_in": str(lifetime) if self._world.settings.token_lifetime_as_text else lifetime,
            "scope": " ".join(sorted(scopes)),
        }
