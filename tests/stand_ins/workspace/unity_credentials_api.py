"""temporary-{table,path,volume}-credentials, under 2.0 and 2.1."""

from __future__ import annotations

import re
import uuid
from typing import Any

from .catalog import TableEntry
from .materialise import Materialiser
from .refusals import Refusal, violation
from .routing import Call, Route
from .shapes import BOOLEAN, REQUIRED_TEXT, Field
from .vending import Vending
from .world import World

_TABLE = {"table_id": REQUIRED_TEXT, "operation": Field(required=True, choices=("READ", "READ_WRITE"))}
_PATH_OPERATIONS = ("PATH_READ", "PATH_READ_WRITE", "PATH_CREATE_TABLE")
_PATH = {"url": REQUIRED_TEXT, "operation": Field(required=True, choices=_PATH_OPERATIONS), "dry_run": BOOLEAN}
_VOLUME = {"volume_id": REQUIRED_TEXT, "operation": Field(required=True, choices=("READ_VOLUME", "WRITE_VOLUME"))}


class UnityCredentialsApi:
    """Vends storage credentials, or refuses to."""

    def __init__(self, world: World, vending: Vending, materialiser: Materialiser) -> None:
        self._world = world
        self._vending = vending
        self._materialiser = materialiser

    def routes(self) -> list[Route]:
        bases = ["/api/2.1/unity-catalog"]
        if not self._world.dialect.open_source:
            bases.append("/api/2.0/unity-catalog")
        routes: list[Route] = []
        table = _TABLE
        if self._world.dialect.open_source:
            # That server fails over fields that are missing.
            table = {name: Field(kind.kind, choices=kind.choices) for name, kind in _TABLE.items()}
        for base in bases:
            routes += [
                Route("POST", f"{base}/temporary-table-credentials", self._table, body=table),
                Route("POST", f"{base}/temporary-path-credentials", self._path, body=_PATH),
                Route("POST", f"{base}/temporary-volume-credentials", self._volume, body=_VOLUME),
            ]
        return routes

    def _table(self, call: Call) -> dict[str, Any]:
        if len(call.body) < len(_TABLE):
            raise Refusal("internal", "a field of the request is missing", violation="missing_parameter")
        identity, operation = call.body["table_id"], call.body["operation"]
        try:
            uuid.UUID(identity)
        except ValueError:
            raise violation("bad_table_id", f"Invalid UUID string: {identity}") from None
        entry = self._world.catalogs.table_by_id(identity)
        if entry is None:
            open_source = self._world.dialect.open_source
            words = (
                f"Neither table nor staging table found with id: {identity}"
                if open_source
                else f"Table '{identity}' does not exist."
            )
            raise Refusal("table_missing", words)
        self._vending.check_table(call.caller.principal, entry, operation)
        self._check_storage(entry.storage_location or "")
        self._ensure_files(entry)
        return self._vending.for_table(call.caller.principal, entry, operation)

    def _ensure_files(self, entry: TableEntry) -> None:
        self._materialiser.ensure(entry)

    def _check_storage(self, url: str) -> None:
        """The open-source server vends only for storage that it was configured with."""
        if not self._world.dialect.open_source or url.startswith("file:"):
            return
        if any(url.startswith(prefix) for prefix in self._vending.static):
            return
        bucket = re.match(r"\w+://([^/]+)", url)
        known = self._world.catalogs.table_by_location(url)
        if known is not None and known.credentials in ("aws", "azure", "gcp"):
            return
        words = {
            "s3": "S3 bucket configuration not found.",
            "gs": f"Unknown GCS storage configuration for gs://{bucket.group(1) if bucket else ''}.",
            "abfss": "Azure storage account configuration not found.",
        }
        raise Refusal("failed_precondition", words.get(url.split(":")[0], "Storage configuration not found."))

    def _path(self, call: Call) -> dict[str, Any]:
        url = call.body["url"]
        open_source = self._world.dialect.open_source
        bare = url.rstrip("/")
        if re.fullmatch(r"(s3a?|gs|abfss|r2)://[^/]+", bare):
            if open_source:
                words = (
                    f"Storage location must include a non-empty path prefix before credentials can be vended: {bare}"
                )
            else:
                words = f"'{url}' has no path"
            raise violation("path_without_prefix", words)
        if not open_source:
            self._check_path_databricks(call, url)
        self._check_storage(url)
        return self._vending.for_path(call.caller.principal, url, call.body["operation"])

    def _check_path_databricks(self, call: Call, url: str) -> None:
        inside = [
            entry
            for entry in self._world.catalogs.all_tables()
            if entry.storage_location
            and (url == entry.storage_location or url.startswith(entry.storage_location + "/"))
        ]
        for entry in inside:
            if entry.filtered or entry.governed_by_policy:
                raise Refusal("permission_denied", "Path access to tables with row filters or masks is not allowed.")
        principal = call.caller.principal
        names = principal.grant_names
        granted = any(
            privilege == "EXTERNAL_USE_LOCATION" and name in names
            for name, privileges in self._world.grants.direct("metastore", "metastore").items()
            for privilege in privileges
        )
        if not granted:
            raise Refusal("permission_denied", "User does not have EXTERNAL USE LOCATION on External Location.")

    def _volume(self, call: Call) -> dict[str, Any]:
        for catalog in self._world.catalogs.catalogs():
            for schema in self._world.catalogs.schemas(catalog.name):
                for volume in self._world.catalogs.volumes(catalog.name, schema.name):
                    if volume["volume_id"] == call.body["volume_id"]:
                        location = str(volume.get("storage_location", ""))
                        return self._vending.for_path(call.caller.principal, location, call.body["operation"])
        raise Refusal("resource_missing", f"Volume '{call.body['volume_id']}' does not exist.")
