"""Who may call: users, service principals, their secrets, and the tokens that are in circulation."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

from .clock import Clock
from .http_messages import Request
from .refusals import Refusal, violation

_NOT_SENT = "Credential was not sent or was of an unsupported type for this API."
ACCOUNT_USERS = "account users"


@dataclass
class Principal:
    """A user or a service principal of the workspace."""

    name: str
    kind: str = "user"
    identity: str = "0"
    application_id: str | None = None
    groups: list[str] = field(default_factory=list)
    administrator: bool = False
    # SCIM's word for a user that was locked: its tokens answer who they are, and nothing else.
    active: bool = True
    personal_tokens: list[str] = field(default_factory=list)
    client_secrets: list[str] = field(default_factory=list)
    # Entra service principals that are no workspace users need the management token besides.
    needs_management_token: bool = False

    @property
    def grant_names(self) -> set[str]:
        """The names under which grants reach this principal."""
        return {self.name, *self.groups, ACCOUNT_USERS} | ({self.application_id} if self.application_id else set())


@dataclass
class Token:
    """A bearer token and what it stands for."""

    value: str
    principal: str
    expires_at: float | None
    scopes: frozenset[str]
    # "personal", "oauth", "entra" or "management"
    origin: str
    audience: str | None = None


@dataclass
class Caller:
    """Who sent a request."""

    principal: Principal
    scopes: frozenset[str]


@dataclass
class FederationPolicy:
    """Which tokens of another issuer stand for whom (RFC 8693)."""

    issuer: str
    audiences: list[str]
    keys: list[dict[str, Any]]
    subject_claim: str = "sub"
    # A policy of one service principal names its subject; an account-wide one maps subjects to users.
    subject: str | None = None
    service_principal: str | None = None


class Principals:
    """The directory, and the tokens."""

    def __init__(self, clock: Clock, open_source: bool = False) -> None:
        self._clock = clock
        # The open-source server has its own words, and knows `Bearer` in that spelling only.
        self._open_source = open_source
        self._not_sent = "No authorization found." if open_source else _NOT_SENT
        self._lock = threading.Lock()
        self._by_name: dict[str, Principal] = {}
        self._tokens: dict[str, Token] = {}
        self.federation: list[FederationPolicy] = []

    def add(self, declaration: dict[str, Any]) -> Principal:
        """Adds or replaces a principal. Raises ValueError for an unknown key."""
        try:
            principal = Principal(**declaration)
        except TypeError as error:
            raise ValueError(f"not a principal: {error}") from error
        with self._lock:
            if principal.identity == "0":
                principal.identity = str(1000 + len(self._by_name))
            self._by_name[principal.name] = principal
            for value in principal.personal_tokens:
                self._tokens[value] = Token(value, principal.name, None, frozenset({"all-apis"}), "personal")
        return principal

    def remove(self, name: str) -> None:
        with self._lock:
            self._by_name.pop(name, None)

    def find(self, name: str) -> Principal | None:
        """By name or by application id."""
        with self._lock:
            for principal in self._by_name.values():
                if name in (principal.name, principal.application_id):
                    return principal
        return None

    def all(self) -> list[Principal]:
        with self._lock:
            return list(self._by_name.values())

    def issue(
        self, principal: Principal, lifetime: int, scopes: frozenset[str], origin: str, audience: str | None = None
    ) -> Token:
        """A new token that lives for `lifetime` seconds of the stand-in's clock."""
        value = f"{origin}-{secrets.token_urlsafe(24)}"
        token = Token(value, principal.name, self._clock.now() + lifetime, scopes, origin, audience)
        with self._lock:
            self._tokens[value] = token
        return token

    def revoke(self, principal: str | None, origin: str | None) -> int:
        """Ends tokens, of one principal or one origin if given; how many there were."""
        with self._lock:
            ended = [
                value
                for value, token in self._tokens.items()
                if principal in (None, token.principal) and origin in (None, token.origin)
            ]
            for value in ended:
                del self._tokens[value]
            return len(ended)

    def authenticate(self, request: Request, scope_needed: str | None) -> Caller:
        """Who sent the request, by its Authorization header. Raises the gate's numeric errors."""
        value = request.headers.get("Authorization")
        if value is None:
            raise Refusal("no_credential", self._not_sent, violation="no_authorization")
        if request.headers.count("Authorization") > 1:
            raise violation("repeated_authorization", self._not_sent, "no_credential")
        scheme, _, secret = value.partition(" ")
        if (scheme if self._open_source else scheme.capitalize()) != "Bearer" or not secret:
            raise Refusal("no_credential", self._not_sent, violation="authorization_is_no_bearer")
        with self._lock:
            token = self._tokens.get(secret)
            principal = self._by_name.get(token.principal) if token is not None else None
        if token is None or principal is None or token.origin == "management":
            raise Refusal("bad_credential", "Invalid access token.")
        if token.expires_at is not None and token.expires_at <= self._clock.now():
            raise Refusal("no_credential", "Token is expired.")
        request.principal = principal.name
        if token.origin == "entra" and principal.needs_management_token:
            self._check_management(request)
        if scope_needed is not None and not token.scopes & {"all-apis", scope_needed}:
            raise Refusal("permission_denied", f"Provided OAuth token does not have required scopes: {scope_needed}")
        return Caller(principal, token.scopes)

    def _check_management(self, request: Request) -> None:
        sent = request.headers.get("X-Databricks-Azure-SP-Management-Token")
        resource = request.headers.get("X-Databricks-Azure-Workspace-Resource-Id") or ""
        with self._lock:
            token = self._tokens.get(sent or "")
        if token is None or token.origin != "management" or (token.expires_at or 0) <= self._clock.now():
            raise Refusal("bad_credential", "Invalid Azure management token.")
        if not resource.startswith("/subscriptions/") or "/providers/Microsoft.Databricks/workspaces/" not in resource:
            raise Refusal("bad_credential", "Invalid Azure workspace resource id.")
