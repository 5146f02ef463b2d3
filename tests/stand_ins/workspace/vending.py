"""Temporary storage credentials: who gets which, for how long, and what has been handed out."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .catalog import TableEntry
from .principals import Principal
from .refusals import Refusal
from .world import World

_READABLE = ("MANAGED", "EXTERNAL", "MANAGED_SHALLOW_CLONE", "EXTERNAL_SHALLOW_CLONE")
_DENIED_REASON = "UNITY_CATALOG_EXTERNAL_GENERATE_TABLE_CREDENTIALS_DENIED"


@dataclass(frozen=True)
class Vended:
    """A credential that was handed out, for object stores that want to check it."""

    kind: str
    values: dict[str, str]
    prefix: str
    operation: str
    expires_at: float
    principal: str


class Vending:
    """Decides about credentials and keeps what was handed out."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._vended: list[Vended] = []
        # Static keys by location prefix, as the open-source server has them per bucket.
        self.static: dict[str, dict[str, str]] = {}

    def all(self) -> list[dict[str, Any]]:
        with self._lock:
            return [vars(item) for item in self._vended]

    def by_access_key(self, key: str) -> Vended | None:
        """The vended keys of an object store that takes S3's protocol."""
        with self._lock:
            return next((item for item in self._vended if item.values.get("access_key_id") == key), None)

    def check_table(self, principal: Principal, entry: TableEntry, operation: str) -> None:
        """Raises the refusal that the service would answer."""
        open_source = self._world.dialect.open_source
        if not self._world.authorization:
            return
        if open_source:
            needed = ["SELECT", "MODIFY"] if operation == "READ_WRITE" else ["SELECT"]
            allowed = self._world.grants.may_use(principal, entry) and all(
                self._world.grants.has(principal, privilege, entry) for privilege in needed
            )
            if not allowed:
                raise Refusal("permission_denied", "Access denied.")
            return
        self._check_databricks(principal, entry, operation)

    def _check_databricks(self, principal: Principal, entry: TableEntry, operation: str) -> None:
        grants = self._world.grants
        if not self._world.settings.external_access_enabled or entry.credential_refusal == "metastore":
            raise Refusal(
                "external_access_off",
                "External access is not enabled for this metastore. Please contact your metastore admin.",
                reason=_DENIED_REASON,
                metadata={"tableId": entry.table_id},
            )
        if not grants.may_select(principal, entry):
            raise grants.refuse_table(principal, entry, open_source=False)
        schema = self._world.catalogs.schema(entry.catalog, entry.schema)
        if not grants.has(principal, "EXTERNAL_USE_SCHEMA", schema) or entry.credential_refusal == "denied":
            raise Refusal(
                "permission_denied", f"User does not have EXTERNAL USE SCHEMA on Schema '{schema.full_name}'."
            )
        # A policy depends on who asks; a filter of the table's own refuses everybody.
        governed = entry.governed_by_policy and not set(entry.exempt) & principal.grant_names
        if entry.filtered or governed:
            raise Refusal(
                "permission_denied",
                f"Table '{entry.full_name}' has row filters or column masks; credentials cannot be generated.",
                reason=_DENIED_REASON,
                metadata={"tableId": entry.table_id},
            )
        if entry.table_type not in _READABLE or entry.credential_refusal == "unsupported":
            raise Refusal(
                "invalid_parameter",
                f"Temporary credentials are not supported for tables of type {entry.table_type}.",
            )
        if operation == "READ_WRITE":
            if not grants.has(principal, "MODIFY", entry):
                raise Refusal("permission_denied", f"User does not have MODIFY on Table '{entry.full_name}'.")
            if entry.table_type == "MANAGED" and entry.latest_version is None:
                raise Refusal(
                    "invalid_parameter", "READ_WRITE is not supported for managed tables without catalog commits."
                )

    def for_table(self, principal: Principal, entry: TableEntry, operation: str) -> dict[str, Any]:
        kind = "none" if entry.credential_refusal == "empty" else entry.credentials
        return self._answer(kind, entry.vended_url or entry.storage_location or "", operation, principal)

    def for_path(self, principal: Principal, url: str, operation: str) -> dict[str, Any]:
        scheme = urlsplit(url).scheme
        kinds = {"s3": "aws", "s3a": "aws", "abfss": "azure", "gs": "gcp", "r2": "r2", "file": "file"}
        if scheme not in kinds:
            raise Refusal("invalid_parameter", f"Unsupported URI scheme: {scheme}")
        return self._answer(kinds[scheme], url, operation, principal)

    def _answer(self, kind: str, url: str, operation: str, principal: Principal) -> dict[str, Any]:
        expires_at = self._world.clock.now() + self._world.settings.credential_lifetime
        answer: dict[str, Any] = {
            "aws_temp_credentials": None,
            "azure_user_delegation_sas": None,
            "gcp_oauth_token": None,
            "expiration_time": int(expires_at * 1000),
            "url": url,
        }
        for prefix, keys in self.static.items():
            if url == prefix or url.startswith(prefix + "/"):
                answer |= {"aws_temp_credentials": keys, "expiration_time": None}
                return self._world.dialect.fields(answer)
        if kind in ("file", "none"):
            if self._world.dialect.open_source:
                answer["expiration_time"] = None
            return self._world.dialect.fields(answer)
        member, values = _MAKERS[kind]()
        answer[member] = values
        with self._lock:
            self._vended.append(Vended(kind, values, url, operation, expires_at, principal.name))
        return self._world.dialect.fields(answer)


def _aws() -> tuple[str, dict[str, str]]:
    return "aws_temp_credentials", _keys()


def _keys() -> dict[str, str]:
    return {
        "access_key_id": "ASIA" + secrets.token_hex(8).upper(),
        "secret_access_key": secrets.token_urlsafe(30),
        "session_token": secrets.token_urlsafe(120),
    }


def _azure() -> tuple[str, dict[str, str]]:
    signature = secrets.token_urlsafe(32)
    return "azure_user_delegation_sas", {"sas_token": f"sv=2023-11-03&sr=d&sp=rl&sdd=2&skoid=x&sig={signature}%3D"}


def _azure_aad() -> tuple[str, dict[str, str]]:
    return "azure_aad", {"aad_token": secrets.token_urlsafe(60)}


def _gcp() -> tuple[str, dict[str, str]]:
    return "gcp_oauth_token", {"oauth_token": "ya29." + secrets.token_urlsafe(60)}


def _r2() -> tuple[str, dict[str, str]]:
    return "r2_temp_credentials", _keys()


_MAKERS = {"aws": _aws, "azure": _azure, "azure_aad": _azure_aad, "gcp": _gcp, "r2": _r2}
