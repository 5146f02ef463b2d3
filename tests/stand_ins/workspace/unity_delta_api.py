"""The Delta API of Unity Catalog: loading tables and the commits of catalog-managed ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .catalog import TableEntry
from .http_messages import Response
from .refusals import Refusal, violation
from .routing import Call, Route
from .shapes import INT64, REQUIRED_TEXT, TEXT, Field
from .unity_metadata_api import BASE
from .vending import Vending
from .world import World

_V1 = f"{BASE}/delta/v1"
_TABLE = f"{_V1}/catalogs/{{catalog}}/schemas/{{schema}}/tables/{{table}}"
_IN_V1 = "/v1/catalogs/{catalog}/schemas/{schema}"
_ENDPOINTS = [
    f"POST {_IN_V1}/staging-tables",
    f"POST {_IN_V1}/tables",
    f"GET {_IN_V1}/tables",
    f"GET {_IN_V1}/tables/{{table}}",
    f"POST {_IN_V1}/tables/{{table}}",
    f"DELETE {_IN_V1}/tables/{{table}}",
    f"HEAD {_IN_V1}/tables/{{table}}",
    f"POST {_IN_V1}/tables/{{table}}/rename",
    f"GET {_IN_V1}/tables/{{table}}/credentials",
    f"POST {_IN_V1}/tables/{{table}}/metrics",
    "GET /v1/staging-tables/{table_id}/credentials",
    "GET /v1/temporary-path-credentials",
]
_MOST_UNPUBLISHED = 50
_COMMITS = {"table_id": REQUIRED_TEXT, "table_uri": REQUIRED_TEXT, "start_version": INT64, "end_version": INT64}
_COMMIT = {
    "table_id": REQUIRED_TEXT,
    "table_uri": REQUIRED_TEXT,
    "commit_info": Field("object"),
    "latest_backfilled_version": INT64,
    "metadata": Field("object"),
    "protocol": Field("object"),
}
_UPDATE = {"requirements": Field("array"), "updates": Field("array", required=True)}
_CONFIG_NAMES = {
    "aws_temp_credentials": {
        "access_key_id": "s3.access-key-id",
        "secret_access_key": "s3.secret-access-key",
        "session_token": "s3.session-token",
    },
    "azure_user_delegation_sas": {"sas_token": "azure.sas-token"},
    "gcp_oauth_token": {"oauth_token": "gcs.oauth-token"},
}


class UnityDeltaApi:
    """/delta/v1 and /delta/preview/commits."""

    def __init__(self, world: World, vending: Vending, ensure_files: Callable[[TableEntry], None]) -> None:
        self._world = world
        self._vending = vending
        self._ensure_files = ensure_files

    def routes(self) -> list[Route]:
        config = {"catalog": REQUIRED_TEXT, "protocol-versions": TEXT}
        operation = {"operation": Field(required=True, choices=("READ", "READ_WRITE"))}
        preview = f"{BASE}/delta/preview/commits"
        # Readers send the question as a body of a GET or as its query.
        in_query = {name: Field(kind.kind) for name, kind in _COMMITS.items()}
        return [
            Route("GET", f"{_V1}/config", self._config, query=config, error_shape="delta"),
            Route("GET", _TABLE, self._load, error_shape="delta"),
            Route("HEAD", _TABLE, self._head, error_shape="delta"),
            Route("POST", _TABLE, self._update, body=_UPDATE, error_shape="delta"),
            Route("GET", f"{_TABLE}/credentials", self._credentials, query=operation, error_shape="delta"),
            Route("GET", preview, self._commits, query=in_query, body=_COMMITS, optional_body=True),
            Route("POST", preview, self._commit, body=_COMMIT),
        ]

    def _config(self, call: Call) -> dict[str, Any]:
        self._world.catalogs.catalog(call.query["catalog"])
        if self._world.authorization and self._world.dialect.open_source and not call.caller.principal.administrator:
            entry = self._world.catalogs.catalog(call.query["catalog"])
            if not self._world.grants.has(call.caller.principal, "USE_CATALOG", entry):
                raise Refusal("permission_denied", "Access denied.")
        return {"endpoints": _ENDPOINTS, "protocol-version": "1.0"}

    def _entry(self, call: Call) -> TableEntry:
        path = call.path
        entry = self._world.catalogs.table(path["catalog"], path["schema"], path["table"])
        grants = self._world.grants
        if self._world.authorization and not grants.may_select(call.caller.principal, entry):
            raise grants.refuse_table(call.caller.principal, entry, self._world.dialect.open_source)
        if entry.data_source_format != "DELTA":
            raise Refusal("unsupported_format", f"Table is not a Delta table: {entry.full_name}")
        return entry

    def _head(self, call: Call) -> Response:
        self._entry(call)
        return Response(204, [], b"")

    def _load(self, call: Call) -> dict[str, Any]:
        entry = self._entry(call)
        self._ensure_files(entry)
        partitions = [column for column in entry.columns if column.get("partition_index") is not None]
        partitions.sort(key=lambda column: int(column["partition_index"]))
        metadata: dict[str, Any] = {
            "etag": f"etag-{entry.stamps.updated_at}",
            "table-type": entry.table_type,
            "table-uuid": entry.table_id,
            "location": entry.storage_location,
            "created-time": entry.stamps.created_at,
            "updated-time": entry.stamps.updated_at,
            "columns": {"type": "struct", "fields": [_field(column) for column in entry.columns]},
            "partition-columns": [column["name"] for column in partitions],
            "properties": entry.properties,
        }
        commits = [{name.replace("_", "-"): value for name, value in commit.items()} for commit in entry.commits]
        answer: dict[str, Any] = {"metadata": metadata, "commits": commits}
        if entry.latest_version is not None:
            answer["latest-table-version"] = entry.latest_version
            published = entry.latest_version - len(entry.commits)
            metadata["last-commit-version"] = published
            told = entry.properties.get("delta.lastCommitTimestamp")
            metadata["last-commit-timestamp-ms"] = int(told) if told is not None else entry.stamps.updated_at
        return answer

    def _credentials(self, call: Call) -> dict[str, Any]:
        entry, operation = self._entry(call), call.query["operation"]
        self._vending.check_table(call.caller.principal, entry, operation)
        self._ensure_files(entry)
        vended = self._vending.for_table(call.caller.principal, entry, operation)
        config: dict[str, str] = {}
        for member, names in _CONFIG_NAMES.items():
            for name, value in (vended.get(member) or {}).items():
                config[names[name]] = value
        shown = {
            "prefix": entry.storage_location,
            "operation": operation,
            "config": config,
            "expiration-time-ms": vended.get("expiration_time") if config else None,
        }
        return {"storage-credentials": [shown]}

    def _managed(self, call: Call, question: dict[str, Any]) -> TableEntry:
        for name in ("table_id", "table_uri"):
            if name not in question:
                raise violation("missing_parameter", f"Missing required field: {name}")
        entry = self._world.catalogs.table_by_id(question["table_id"])
        if entry is None:
            raise Refusal("table_missing", f"Table not found: {question['table_id']}")
        grants = self._world.grants
        if self._world.authorization and not grants.may_select(call.caller.principal, entry):
            raise grants.refuse_table(call.caller.principal, entry, self._world.dialect.open_source)
        if entry.table_type != "MANAGED":
            raise Refusal("invalid_parameter", "Only managed tables are supported for Delta commits")
        self._ensure_files(entry)
        return entry

    def _commits(self, call: Call) -> dict[str, Any]:
        question = call.body or call.query
        entry = self._managed(call, question)
        start, end = question.get("start_version", 0), question.get("end_version")
        chosen = [
            commit
            for commit in entry.commits
            if commit["version"] >= start and (end is None or commit["version"] <= end)
        ]
        latest = entry.latest_version if entry.latest_version is not None else -1
        return {"commits": chosen, "latest_table_version": latest}

    def _commit(self, call: Call) -> dict[str, Any]:
        entry = self._managed(call, call.body)
        with self._world.catalogs.lock:
            if "commit_info" in call.body:
                self._add_commit(entry, call.body["commit_info"])
            backfilled = call.body.get("latest_backfilled_version")
            if backfilled is not None:
                entry.commits = [commit for commit in entry.commits if commit["version"] > backfilled]
        return {}

    def _add_commit(self, entry: TableEntry, commit: dict[str, Any]) -> None:
        version, latest = commit.get("version"), entry.latest_version if entry.latest_version is not None else -1
        if not isinstance(version, int):
            raise violation("bad_parameter_type", "Field 'commit_info.version' must be of type int64", "malformed")
        if version <= latest:
            same = any(
                found["version"] == version and found["file_name"] == commit.get("file_name") for found in entry.commits
            )
            if same:
                return
            words = f"Commit version already accepted. Current table version is {latest}"
            raise Refusal("version_conflict", words)
        if version != latest + 1:
            words = f"Commit version must be the next version after the latest commit {latest}, but got {version}"
            raise Refusal("invalid_parameter", words)
        if len(entry.commits) >= _MOST_UNPUBLISHED:
            raise Refusal("too_many", "Too many unpublished commits")
        names = ("version", "timestamp", "file_name", "file_size", "file_modification_timestamp")
        entry.commits.append({name: commit.get(name) for name in names})
        entry.latest_version = version

    def _update(self, call: Call) -> dict[str, Any]:
        entry = self._entry(call)
        if self._world.authorization and not self._world.grants.has(call.caller.principal, "MODIFY", entry):
            raise Refusal("permission_denied", f"User does not have MODIFY on Table '{entry.full_name}'.")
        with self._world.catalogs.lock:
            for requirement in call.body.get("requirements") or []:
                if requirement.get("type") == "assert-table-uuid" and requirement.get("uuid") != entry.table_id:
                    raise Refusal("version_conflict", "The table is another one")
                if (
                    requirement.get("type") == "assert-etag"
                    and requirement.get("etag") != f"etag-{entry.stamps.updated_at}"
                ):
                    raise Refusal("version_conflict", "The table has changed")
            for update in call.body["updates"]:
                self._apply(entry, update)
        return self._load(call)

    def _apply(self, entry: TableEntry, update: dict[str, Any]) -> None:
        action = update.get("action")
        if action == "add-commit":
            commit = update.get("commit") or {name: value for name, value in update.items() if name != "action"}
            self._add_commit(entry, {name.replace("-", "_"): value for name, value in commit.items()})
        elif action == "set-latest-backfilled-version":
            version = update.get("latest-published-version", update.get("version", -1))
            entry.commits = [commit for commit in entry.commits if commit["version"] > version]
        elif action == "set-properties":
            entry.properties = {**entry.properties, **(update.get("updates") or update.get("properties") or {})}
        else:
            raise Refusal("invalid_parameter", f"Unsupported update action: {action}")


def _field(column: dict[str, Any]) -> dict[str, Any]:
    """A column as a field of a Delta schema: the other way round from `catalog_column`."""
    found = json.loads(column["type_json"])
    if isinstance(found, dict) and "name" in found:
        return dict(found)
    return {"name": column["name"], "type": found, "nullable": column["nullable"], "metadata": {}}
