"""Catalogs, schemas and tables as Unity Catalog's REST API shows them."""

from __future__ import annotations

from typing import Any

from .catalog import CatalogEntry, SchemaEntry, TableEntry
from .world import World

_READABLE = ("MANAGED", "EXTERNAL", "MANAGED_SHALLOW_CLONE", "EXTERNAL_SHALLOW_CLONE")


class UnityShapes:
    """Writes entries out in the world's dialect."""

    def __init__(self, world: World) -> None:
        self._world = world

    def catalog(self, entry: CatalogEntry) -> dict[str, Any]:
        values: dict[str, Any] = {
            "name": entry.name,
            "comment": entry.comment,
            "properties": entry.properties,
            "owner": entry.stamps.owner,
            "created_at": entry.stamps.created_at,
            "created_by": entry.stamps.owner,
            "updated_at": entry.stamps.updated_at,
            "updated_by": entry.stamps.owner,
            "id": entry.identity,
            "storage_root": entry.storage_root,
            "storage_location": self._managed_location(entry),
        }
        if not self._world.dialect.open_source:
            values |= {
                "catalog_type": entry.catalog_type,
                "isolation_mode": entry.isolation_mode,
                "metastore_id": self._world.metastore_id,
                "full_name": entry.name,
                "securable_type": "CATALOG",
                **entry.more,
            }
        return self._world.dialect.fields(values)

    def _managed_location(self, entry: CatalogEntry) -> str | None:
        if entry.storage_root is None:
            return None
        return f"{entry.storage_root}/__unitystorage/catalogs/{entry.identity}"

    def schema(self, entry: SchemaEntry) -> dict[str, Any]:
        values: dict[str, Any] = {
            "name": entry.name,
            "catalog_name": entry.catalog,
            "comment": entry.comment,
            "properties": entry.properties,
            "full_name": entry.full_name,
            "owner": entry.stamps.owner,
            "created_at": entry.stamps.created_at,
            "created_by": entry.stamps.owner,
            "updated_at": entry.stamps.updated_at,
            "updated_by": entry.stamps.owner,
            "schema_id": entry.identity,
            "storage_root": entry.storage_root,
            "storage_location": None,
        }
        if not self._world.dialect.open_source:
            values |= {"metastore_id": self._world.metastore_id, "catalog_type": "MANAGED_CATALOG"}
        return self._world.dialect.fields(values)

    def table(
        self,
        entry: TableEntry,
        *,
        columns: bool = True,
        properties: bool = True,
        user: bool = True,
        manifest: bool = False,
        whole: bool = False,
    ) -> dict[str, Any]:
        """TableInfo. `whole` adds what only a single table's answer has."""
        owner = entry.stamps.owner if user else None
        dialect = self._world.dialect
        shown_columns = [self._column(column) for column in entry.columns] if columns else []
        values: dict[str, Any] = {
            "name": entry.name,
            "catalog_name": entry.catalog,
            "schema_name": entry.schema,
            "table_type": entry.table_type,
            "data_source_format": entry.data_source_format,
            "columns": shown_columns,
            "storage_location": entry.storage_location,
            "comment": entry.comment,
            "properties": entry.properties if properties else {},
            "owner": owner,
            "created_at": entry.stamps.created_at,
            "created_by": owner,
            "updated_at": entry.stamps.updated_at,
            "updated_by": owner,
            "table_id": entry.table_id,
            "view_definition": entry.view_definition,
            "view_dependencies": entry.view_dependencies if whole or dialect.open_source else None,
        }
        if dialect.open_source:
            return values
        if not columns:
            del values["columns"]
        if not properties:
            del values["properties"]
        values |= {
            "full_name": entry.full_name,
            "metastore_id": self._world.metastore_id,
            "row_filter": entry.row_filter,
            "securable_type": "TABLE",
            **entry.more,
        }
        if manifest:
            values["securable_kind_manifest"] = self.manifest(entry)
        return dialect.fields(values)

    def _column(self, column: dict[str, Any]) -> dict[str, Any]:
        if not self._world.dialect.open_source:
            return self._world.dialect.fields(column)
        names = (
            "name",
            "type_text",
            "type_json",
            "type_name",
            "type_precision",
            "type_scale",
            "type_interval_type",
            "position",
            "comment",
            "nullable",
            "partition_index",
        )
        return {name: column.get(name) for name in names}

    def manifest(self, entry: TableEntry) -> dict[str, Any]:
        """What the service says that an external engine may do with a table."""
        if entry.manifest is not None:
            return entry.manifest
        kinds = {
            "MANAGED": "TABLE_DELTA",
            "EXTERNAL": "TABLE_DELTA_EXTERNAL",
            "VIEW": "TABLE_VIEW",
            "MATERIALIZED_VIEW": "TABLE_MATERIALIZED_VIEW",
            "STREAMING_TABLE": "TABLE_STREAMING_LIVE_TABLE",
            "METRIC_VIEW": "TABLE_METRIC_VIEW",
        }
        kind = kinds.get(entry.table_type)
        if kind is None:
            kind = f"TABLE_{entry.table_type}_{(entry.data_source_format or '').removesuffix('_FORMAT')}".rstrip("_")
        capabilities: list[str] = []
        readable = entry.table_type in _READABLE and entry.data_source_format in ("DELTA", "ICEBERG", "PARQUET")
        if readable and not entry.filtered and not entry.governed_by_policy:
            capabilities.append("HAS_DIRECT_EXTERNAL_ENGINE_READ_SUPPORT")
            if entry.table_type == "EXTERNAL" or entry.latest_version is not None:
                capabilities.append("HAS_DIRECT_EXTERNAL_ENGINE_WRITE_SUPPORT")
        return {
            "securable_type": "TABLE",
            "securable_kind": kind,
            "capabilities": capabilities,
            "assignable_privileges": ["SELECT", "MODIFY", "ALL_PRIVILEGES"],
            "options": [],
        }
