"""Reading Unity Catalog's names: metastore, catalogs, schemas, tables, volumes, functions."""

from __future__ import annotations

import re
from typing import Any

from .catalog import TableEntry
from .paging import Pager
from .refusals import Refusal
from .routing import Call, Route
from .shapes import BOOLEAN, PAGING, REQUIRED_TEXT, TEXT
from .unity_shapes import UnityShapes
from .world import World

BASE = "/api/2.1/unity-catalog"
_BROWSE = {"include_browse": BOOLEAN}
_MANIFEST = {"include_manifest_capabilities": BOOLEAN}
_LARGEST_SUMMARY_PAGE = 10_000


class UnityMetadataApi:
    """The GET calls under /api/2.1/unity-catalog."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shapes = UnityShapes(world)
        self._pager = Pager(world.settings, world.dialect)

    def routes(self) -> list[Route]:
        listing = {**PAGING, **_BROWSE}
        of_schema = {**listing, "catalog_name": REQUIRED_TEXT, "schema_name": REQUIRED_TEXT}
        tables = {
            **of_schema,
            **_MANIFEST,
            "omit_columns": BOOLEAN,
            "omit_properties": BOOLEAN,
            "omit_username": BOOLEAN,
            "include_delta_metadata": BOOLEAN,
        }
        one_table = {**_BROWSE, **_MANIFEST, "include_delta_metadata": BOOLEAN}
        routes = [
            Route("GET", f"{BASE}/metastore_summary", self._metastore_summary),
            Route("GET", f"{BASE}/catalogs", self._catalogs, query=listing),
            Route("GET", f"{BASE}/catalogs/{{name}}", self._catalog, query=_BROWSE),
            Route("GET", f"{BASE}/schemas", self._schemas, query={**listing, "catalog_name": REQUIRED_TEXT}),
            Route("GET", f"{BASE}/schemas/{{name}}", self._schema, query=_BROWSE),
            Route("GET", f"{BASE}/tables", self._tables, query=tables),
            Route("GET", f"{BASE}/tables/{{name}}", self._table, query=one_table),
            Route("GET", f"{BASE}/volumes", self._volumes, query=of_schema),
            Route("GET", f"{BASE}/volumes/{{name}}", self._volume, query=_BROWSE),
            Route("GET", f"{BASE}/functions", self._functions, query=of_schema),
            Route("GET", f"{BASE}/functions/{{name}}", self._function, query=_BROWSE),
        ]
        if self._world.dialect.open_source:
            return [*routes, Route("GET", f"{BASE}/models", self._models, query=of_schema)]
        summaries = {
            **PAGING,
            **_MANIFEST,
            "catalog_name": REQUIRED_TEXT,
            "schema_name_pattern": TEXT,
            "table_name_pattern": TEXT,
        }
        return [
            *routes,
            Route("GET", f"{BASE}/current-metastore-assignment", self._assignment),
            Route("GET", f"{BASE}/tables/{{name}}/exists", self._exists),
            Route("GET", f"{BASE}/table-summaries", self._summaries, query=summaries),
        ]

    # The metastore

    def _metastore_summary(self, call: Call) -> dict[str, Any]:
        world = self._world
        if world.dialect.open_source:
            return {"metastore_id": world.metastore_id}
        return {
            "metastore_id": world.metastore_id,
            "name": "stand-in",
            "cloud": "aws",
            "region": "eu-west-1",
            "global_metastore_id": f"aws:eu-west-1:{world.metastore_id}",
            "owner": "account-admins",
            "privilege_model_version": "1.0",
            "external_access_enabled": world.settings.external_access_enabled,
            "delta_sharing_scope": "INTERNAL",
        }

    def _assignment(self, call: Call) -> dict[str, Any]:
        names = [entry.name for entry in self._world.catalogs.catalogs()]
        return {
            "metastore_id": self._world.metastore_id,
            "workspace_id": int(self._world.workspace_id),
            "default_catalog_name": "main" if "main" in names or not names else names[0],
        }

    # Catalogs and schemas

    def _listing(self, name: str, items: list[dict[str, Any]], following: str | None) -> dict[str, Any]:
        answer: dict[str, Any] = {name: items}
        if following is not None or self._world.dialect.open_source:
            answer["next_page_token"] = following
        return answer

    def _catalogs(self, call: Call) -> dict[str, Any]:
        grants, browsing = self._world.grants, bool(call.query.get("include_browse"))
        principal = call.caller.principal
        page, following = self._pager.page(
            self._world.catalogs.catalogs(),
            lambda entry: entry.name,
            call.query,
            lambda entry: grants.sees_catalog(principal, entry, browsing),
        )
        return self._listing("catalogs", [self._shapes.catalog(entry) for entry in page], following)

    def _catalog(self, call: Call) -> dict[str, Any]:
        entry = self._world.catalogs.catalog(call.path["name"])
        if not self._world.grants.sees_catalog(call.caller.principal, entry, bool(call.query.get("include_browse"))):
            raise self._denied(f"User does not have USE CATALOG on Catalog '{entry.name}'.")
        return self._shapes.catalog(entry)

    def _denied(self, message: str) -> Refusal:
        return Refusal("permission_denied", "Access denied." if self._world.dialect.open_source else message)

    def _schemas(self, call: Call) -> dict[str, Any]:
        grants, browsing = self._world.grants, bool(call.query.get("include_browse"))
        principal = call.caller.principal
        page, following = self._pager.page(
            self._world.catalogs.schemas(call.query["catalog_name"]),
            lambda entry: entry.name,
            call.query,
            lambda entry: grants.sees_schema(principal, entry, browsing),
        )
        return self._listing("schemas", [self._shapes.schema(entry) for entry in page], following)

    def _schema(self, call: Call) -> dict[str, Any]:
        parts = call.path["name"].split(".")
        if len(parts) != 2:
            raise Refusal("invalid_parameter", f"Invalid schema full name: {call.path['name']}")
        entry = self._world.catalogs.schema(*parts)
        if not self._world.grants.sees_schema(call.caller.principal, entry, bool(call.query.get("include_browse"))):
            raise self._denied(f"User does not have USE SCHEMA on Schema '{entry.full_name}'.")
        return self._shapes.schema(entry)

    # Tables

    def _tables(self, call: Call) -> dict[str, Any]:
        grants, query = self._world.grants, call.query
        principal, browsing = call.caller.principal, bool(query.get("include_browse"))
        page, following = self._pager.page(
            self._world.catalogs.tables(query["catalog_name"], query["schema_name"]),
            lambda entry: entry.name,
            query,
            lambda entry: grants.sees_table(principal, entry, browsing),
            self._world.settings.page_size_limit,
        )
        shown = [
            self._shapes.table(
                entry,
                columns=not query.get("omit_columns"),
                properties=not query.get("omit_properties"),
                user=not query.get("omit_username"),
                manifest=bool(query.get("include_manifest_capabilities")),
            )
            for entry in page
        ]
        return self._listing("tables", shown, following)

    def _visible_table(self, call: Call) -> TableEntry:
        entry = self._world.catalogs.table_by_full_name(call.path["name"])
        principal = call.caller.principal
        if not self._world.grants.sees_table(principal, entry, bool(call.query.get("include_browse"))):
            raise self._world.grants.refuse_table(principal, entry, self._world.dialect.open_source)
        return entry

    def _table(self, call: Call) -> dict[str, Any]:
        entry = self._visible_table(call)
        shown = self._shapes.table(entry, manifest=bool(call.query.get("include_manifest_capabilities")), whole=True)
        if call.query.get("include_browse") and not self._world.grants.may_select(call.caller.principal, entry):
            shown["browse_only"] = True
        return shown

    def _exists(self, call: Call) -> dict[str, Any]:
        try:
            self._visible_table(call)
        except Refusal as refusal:
            if refusal.kind.endswith("_missing"):
                return {"table_exists": False}
            raise
        return {"table_exists": True}

    def _summaries(self, call: Call) -> dict[str, Any]:
        grants, query = self._world.grants, call.query
        principal = call.caller.principal
        schema, table = _like(query.get("schema_name_pattern")), _like(query.get("table_name_pattern"))
        entries = [
            entry
            for entry in self._world.catalogs.tables(query["catalog_name"])
            if schema.fullmatch(entry.schema) and table.fullmatch(entry.name)
        ]
        page, following = self._pager.page(
            entries,
            lambda entry: f"{entry.schema}\x00{entry.name}",
            query,
            lambda entry: grants.sees_table(principal, entry, False),
            _LARGEST_SUMMARY_PAGE,
        )
        shown: list[dict[str, Any]] = []
        for entry in page:
            summary: dict[str, Any] = {"full_name": entry.full_name, "table_type": entry.table_type}
            if query.get("include_manifest_capabilities"):
                summary["securable_kind_manifest"] = self._shapes.manifest(entry)
            shown.append(summary)
        return self._listing("tables", shown, following)

    # Volumes, functions, models

    def _plain(self, call: Call, name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
        schema = self._world.catalogs.schema(call.query["catalog_name"], call.query["schema_name"])
        seen = self._world.grants.sees_schema(call.caller.principal, schema, False)
        page, following = self._pager.page(items, lambda item: str(item["name"]), call.query, lambda item: seen)
        return self._listing(name, [self._world.dialect.fields(item) for item in page], following)

    def _volumes(self, call: Call) -> dict[str, Any]:
        items = self._world.catalogs.volumes(call.query["catalog_name"], call.query["schema_name"])
        return self._plain(call, "volumes", items)

    def _functions(self, call: Call) -> dict[str, Any]:
        items = self._world.catalogs.functions(call.query["catalog_name"], call.query["schema_name"])
        return self._plain(call, "functions", items)

    def _models(self, call: Call) -> dict[str, Any]:
        return self._plain(call, "registered_models", [])

    def _volume(self, call: Call) -> dict[str, Any]:
        return self._world.dialect.fields(self._world.catalogs.volume_or_function("volume", call.path["name"]))

    def _function(self, call: Call) -> dict[str, Any]:
        return self._world.dialect.fields(self._world.catalogs.volume_or_function("function", call.path["name"]))


def _like(pattern: str | None) -> re.Pattern[str]:
    if pattern is None:
        return re.compile(".*", re.DOTALL)
    parts = [".*" if sign == "%" else "." if sign == "_" else re.escape(sign) for sign in pattern]
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
