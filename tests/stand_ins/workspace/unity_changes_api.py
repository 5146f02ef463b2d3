"""Creating, changing and dropping names through Unity Catalog's REST API."""

from __future__ import annotations

import re
from typing import Any

from .http_messages import Response
from .refusals import Refusal
from .routing import Call, Route
from .shapes import BOOLEAN, REQUIRED_TEXT, STRING_MAP, TEXT, Field
from .unity_metadata_api import BASE
from .unity_shapes import UnityShapes
from .world import World

_BAD_NAME = re.compile(r"[.\s/\x00-\x1f\x7f]")
_FORMATS = ("DELTA", "CSV", "JSON", "AVRO", "PARQUET", "ORC", "TEXT")
_COMMENT = {"comment": TEXT, "properties": STRING_MAP}


class UnityChangesApi:
    """POST, PATCH and DELETE under /api/2.1/unity-catalog for catalogs, schemas, tables and volumes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shapes = UnityShapes(world)

    def routes(self) -> list[Route]:
        catalog = {**_COMMENT, "name": TEXT, "storage_root": TEXT}
        schema = {**_COMMENT, "name": TEXT, "catalog_name": REQUIRED_TEXT, "storage_root": TEXT}
        formats = _FORMATS if self._world.dialect.open_source else ()
        table = {
            **_COMMENT,
            "name": TEXT,
            "catalog_name": REQUIRED_TEXT,
            "schema_name": REQUIRED_TEXT,
            "table_type": REQUIRED_TEXT,
            "data_source_format": Field(choices=formats),
            "columns": Field("array"),
            "storage_location": TEXT,
            "view_definition": TEXT,
            "view_dependencies": Field("object"),
        }
        volume = {
            "name": REQUIRED_TEXT,
            "catalog_name": REQUIRED_TEXT,
            "schema_name": REQUIRED_TEXT,
            "volume_type": REQUIRED_TEXT,
            "storage_location": TEXT,
            "comment": TEXT,
        }
        force = {"force": BOOLEAN}
        return [
            Route("POST", f"{BASE}/catalogs", self._create_catalog, body=catalog),
            Route("PATCH", f"{BASE}/catalogs/{{name}}", self._change_catalog, body={**_COMMENT, "new_name": TEXT}),
            Route("DELETE", f"{BASE}/catalogs/{{name}}", self._drop_catalog, query=force),
            Route("POST", f"{BASE}/schemas", self._create_schema, body=schema),
            Route("DELETE", f"{BASE}/schemas/{{name}}", self._drop_schema, query=force),
            Route("POST", f"{BASE}/tables", self._create_table, body=table),
            Route("DELETE", f"{BASE}/tables/{{name}}", self._drop_table),
            Route("POST", f"{BASE}/volumes", self._create_volume, body=volume),
        ]

    def _name(self, body: dict[str, Any]) -> str:
        name = body.get("name")
        if not name:
            raise Refusal("invalid_parameter", "Name cannot be empty")
        if _BAD_NAME.search(name):
            words = "Name cannot contain a period, space, forward-slash, or control characters"
            raise Refusal("invalid_parameter", words)
        return str(name)

    def _owner(self, call: Call) -> str | None:
        return call.caller.principal.name if self._world.authorization else None

    def _require_administrator(self, call: Call) -> None:
        if not call.caller.principal.administrator:
            raise Refusal("permission_denied", "Access denied.")

    def _done(self) -> Response | dict[str, Any]:
        if self._world.dialect.open_source:
            return Response(200, [("Content-Type", "text/plain; charset=utf-8")], b"200 OK")
        return {}

    def _create_catalog(self, call: Call) -> dict[str, Any]:
        self._require_administrator(call)
        name = self._name(call.body)
        if self._world.catalogs.has_catalog(name):
            raise Refusal("catalog_exists", f"Catalog already exists: {name}")
        root = call.body.get("storage_root")
        if root is not None and self._world.dialect.open_source and self._world.authorization:
            # Even an administrator needs an external location there, and the stand-in has none.
            raise Refusal("permission_denied", "Access denied.")
        entry = self._world.catalogs.put_catalog(
            name,
            self._owner(call),
            comment=call.body.get("comment"),
            properties=call.body.get("properties") or {},
            storage_root=root,
        )
        return self._shapes.catalog(entry)

    def _change_catalog(self, call: Call) -> dict[str, Any]:
        self._require_administrator(call)
        entry = self._world.catalogs.catalog(call.path["name"])
        if "comment" in call.body:
            entry.comment = call.body["comment"]
        if "properties" in call.body:
            entry.properties = call.body["properties"]
        entry.stamps.updated_at = self._world.clock.now_milliseconds()
        return self._shapes.catalog(entry)

    def _drop_catalog(self, call: Call) -> Response | dict[str, Any]:
        self._require_administrator(call)
        entry = self._world.catalogs.catalog(call.path["name"])
        if self._world.catalogs.schemas(entry.name) and not call.query.get("force"):
            words = "Cannot delete catalog with schemas. Use force=true to force deletion."
            raise Refusal("failed_precondition", words)
        self._world.catalogs.drop_catalog(entry.name)
        return self._done()

    def _create_schema(self, call: Call) -> dict[str, Any]:
        self._require_administrator(call)
        name, catalog = self._name(call.body), call.body["catalog_name"]
        self._world.catalogs.catalog(catalog)
        if self._world.catalogs.has_schema(catalog, name):
            raise Refusal("schema_exists", f"Schema already exists: {name}")
        entry = self._world.catalogs.put_schema(
            catalog,
            name,
            self._owner(call),
            comment=call.body.get("comment"),
            properties=call.body.get("properties") or {},
            storage_root=call.body.get("storage_root"),
        )
        return self._shapes.schema(entry)

    def _drop_schema(self, call: Call) -> Response | dict[str, Any]:
        self._require_administrator(call)
        entry = self._world.catalogs.schema(*_parts(call.path["name"], 2))
        if self._world.catalogs.tables(entry.catalog, entry.name) and not call.query.get("force"):
            raise Refusal("failed_precondition", "Cannot delete schema with tables")
        self._world.catalogs.drop_schema(entry.catalog, entry.name)
        return self._done()

    def _create_table(self, call: Call) -> dict[str, Any]:
        self._require_administrator(call)
        body = dict(call.body)
        name, catalog, schema = self._name(body), body.pop("catalog_name"), body.pop("schema_name")
        full_name = f"{catalog}.{schema}.{name}"
        self._world.catalogs.schema(catalog, schema)
        if self._world.catalogs.has_table(catalog, schema, name):
            raise Refusal("table_exists", f"Table already exists: {full_name}")
        location = body.get("storage_location")
        if body["table_type"] == "MANAGED" and self._world.dialect.open_source:
            raise Refusal("table_missing", f"Staging table not found: {location}")
        if body["table_type"] == "EXTERNAL" and location is None:
            raise Refusal("internal", f"Error creating table: {full_name}: no storage_location")
        if location is not None and re.fullmatch(r"\w+://[^/]+/?", location):
            words = f"External table storage location must include a non-empty path prefix: {location.rstrip('/')}"
            raise Refusal("invalid_parameter", words)
        body.pop("name")
        body.setdefault("columns", [])
        if body["table_type"] == "VIEW":
            body.setdefault("view_dependencies", {"dependencies": []})
        entry = self._world.catalogs.put_table(catalog, schema, name, self._owner(call), body)
        return self._shapes.table(entry)

    def _drop_table(self, call: Call) -> Response | dict[str, Any]:
        parts = _parts(call.path["name"], 3)
        if not self._world.catalogs.has_table(*parts) and self._world.dialect.open_source:
            self._world.catalogs.schema(parts[0], parts[1])
            raise Refusal("table_missing", f"Table not found: {parts[2]}")
        entry = self._world.catalogs.table(*parts)
        self._require_administrator(call)
        self._world.catalogs.drop_table(entry.catalog, entry.schema, entry.name)
        return self._done()

    def _create_volume(self, call: Call) -> dict[str, Any]:
        self._require_administrator(call)
        body = dict(call.body)
        name = self._name(body)
        catalog, schema = body.pop("catalog_name"), body.pop("schema_name")
        body.pop("name")
        if any(volume["name"] == name for volume in self._world.catalogs.volumes(catalog, schema)):
            raise Refusal("resource_exists", f"Volume already exists: {name}")
        return self._world.dialect.fields(
            self._world.catalogs.put_volume(catalog, schema, name, self._owner(call), body)
        )


def _parts(full_name: str, count: int) -> list[str]:
    parts = full_name.split(".")
    if len(parts) != count:
        raise Refusal("invalid_parameter", f"Invalid name: {full_name}")
    return parts
