"""What Unity Catalog holds: catalogs, schemas, tables, volumes, functions, and where each lies."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from .clock import Clock
from .delta_log import read_delta_metadata
from .dialect import Dialect
from .refusals import Refusal
from .spark_types import catalog_column


@dataclass
class Stamps:
    """Who made something, and when."""

    created_at: int = 0
    updated_at: int = 0
    owner: str | None = None


@dataclass
class CatalogEntry:
    """A catalog."""

    name: str
    identity: str
    stamps: Stamps
    comment: str | None = None
    catalog_type: str = "MANAGED_CATALOG"
    isolation_mode: str = "OPEN"
    properties: dict[str, str] = field(default_factory=dict)
    storage_root: str | None = None
    # More members of CatalogInfo, as they are answered: connection_name, provider_name, options ...
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class SchemaEntry:
    """A schema of a catalog."""

    catalog: str
    name: str
    identity: str
    stamps: Stamps
    comment: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    storage_root: str | None = None

    @property
    def full_name(self) -> str:
        return f"{self.catalog}.{self.name}"


@dataclass
class TableEntry:
    """A table, view or other relation, with what only the stand-in knows about it."""

    catalog: str
    schema: str
    name: str
    table_id: str
    stamps: Stamps
    table_type: str = "EXTERNAL"
    data_source_format: str | None = "DELTA"
    columns: list[dict[str, Any]] = field(default_factory=list)
    storage_location: str | None = None
    comment: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    view_definition: str | None = None
    view_dependencies: dict[str, Any] | None = None
    row_filter: dict[str, Any] | None = None
    # What the engine applies for callers outside `exempt`: a condition, and expressions by column.
    filter_condition: str | None = None
    mask_expressions: dict[str, str] = field(default_factory=dict)
    exempt: list[str] = field(default_factory=list)
    # An ABAC policy: nothing of it shows in TableInfo, yet credentials are refused.
    governed_by_policy: bool = False
    # SELECT whose rows fill the table when it is first needed; None when its files are already there.
    rows: str | None = None
    # With `rows`: one more SELECT per commit that only the catalog knows (see catalog_managed.py).
    staged_rows: list[str] = field(default_factory=list)
    # Where the files really lie when `storage_location` names an object store.
    local_location: str | None = None
    # "file", "aws", "azure", "azure_aad", "gcp", "r2", or "none" for a 200 without any credential.
    credentials: str = "file"
    # What `url` of a vended credential says when it is not the table's location: a narrower prefix, say.
    vended_url: str | None = None
    # A refusal that the credential call answers instead: see unity_credentials_api.py.
    credential_refusal: str | None = None
    manifest: dict[str, Any] | None = None
    # Ratified commits that are not published, for catalog-managed tables.
    commits: list[dict[str, Any]] = field(default_factory=list)
    latest_version: int | None = None
    # Another number for each table that is put, so that the engine knows an older one of the same name.
    revision: int = 0
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        return f"{self.catalog}.{self.schema}.{self.name}"

    @property
    def filtered(self) -> bool:
        return self.row_filter is not None or any(column.get("mask") for column in self.columns)

    @property
    def engine_location(self) -> str | None:
        return self.local_location or self.storage_location


_TABLE_KEYS = set(TableEntry.__dataclass_fields__) - {"catalog", "schema", "name", "stamps", "revision"}


class Catalogs:
    """The tree of names. `changed` counts changes, so that the engine knows when to look again."""

    def __init__(self, clock: Clock, dialect: Dialect) -> None:
        self._clock = clock
        self._dialect = dialect
        self.lock = threading.RLock()
        self._catalogs: dict[str, CatalogEntry] = {}
        self._schemas: dict[tuple[str, str], SchemaEntry] = {}
        self._tables: dict[tuple[str, str, str], TableEntry] = {}
        self._volumes: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._functions: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.changed = 0

    def _key(self, name: str) -> str:
        return name if self._dialect.open_source else name.lower()

    def stamps(self, owner: str | None) -> Stamps:
        moment = self._clock.now_milliseconds()
        return Stamps(moment, moment, owner)

    # Catalogs

    def put_catalog(self, name: str, owner: str | None, **values: Any) -> CatalogEntry:
        with self.lock:
            stored = self._key(name)
            entry = CatalogEntry(stored, str(uuid.uuid4()), self.stamps(owner), **values)
            self._catalogs[stored] = entry
            self.changed += 1
            return entry

    def catalog(self, name: str) -> CatalogEntry:
        entry = self._catalogs.get(self._key(name))
        if entry is None:
            words = f"Catalog not found: {name}" if self._dialect.open_source else f"Catalog '{name}' does not exist."
            raise Refusal("catalog_missing", words)
        return entry

    def has_catalog(self, name: str) -> bool:
        return self._key(name) in self._catalogs

    def catalogs(self) -> list[CatalogEntry]:
        with self.lock:
            return [self._catalogs[key] for key in sorted(self._catalogs)]

    def drop_catalog(self, name: str) -> None:
        with self.lock:
            key = self.catalog(name).name
            for schema in self.schemas(key):
                self.drop_schema(key, schema.name)
            del self._catalogs[key]
            self.changed += 1

    # Schemas

    def put_schema(self, catalog: str, name: str, owner: str | None, **values: Any) -> SchemaEntry:
        with self.lock:
            entry = SchemaEntry(
                self.catalog(catalog).name, self._key(name), str(uuid.uuid4()), self.stamps(owner), **values
            )
            self._schemas[entry.catalog, entry.name] = entry
            self.changed += 1
            return entry

    def schema(self, catalog: str, name: str) -> SchemaEntry:
        parent = self.catalog(catalog)
        entry = self._schemas.get((parent.name, self._key(name)))
        if entry is None:
            full = f"{catalog}.{name}"
            words = f"Schema not found: {full}" if self._dialect.open_source else f"Schema '{full}' does not exist."
            raise Refusal("schema_missing", words)
        return entry

    def has_schema(self, catalog: str, name: str) -> bool:
        return (self._key(catalog), self._key(name)) in self._schemas

    def schemas(self, catalog: str) -> list[SchemaEntry]:
        with self.lock:
            parent = self.catalog(catalog).name
            return [self._schemas[key] for key in sorted(self._schemas) if key[0] == parent]

    def drop_schema(self, catalog: str, name: str) -> None:
        with self.lock:
            entry = self.schema(catalog, name)
            inside = [key for key in self._tables if key[:2] == (entry.catalog, entry.name)]
            for key in inside:
                del self._tables[key]
            del self._schemas[entry.catalog, entry.name]
            self.changed += 1

    # Tables

    def put_table(
        self, catalog: str, schema: str, name: str, owner: str | None, declaration: dict[str, Any]
    ) -> TableEntry:
        """Adds or replaces a table. Raises ValueError for a key that no table has."""
        values = dict(declaration)
        unknown = set(values) - _TABLE_KEYS
        if unknown:
            raise ValueError(f"a table has no {sorted(unknown)}; it has {sorted(_TABLE_KEYS)}")
        with self.lock:
            parent = self.schema(catalog, schema)
            columns = values.pop("columns", None)
            identity = values.pop("table_id", None) or str(uuid.uuid4())
            entry = TableEntry(parent.catalog, parent.name, self._key(name), identity, self.stamps(owner), **values)
            if entry.table_type == "VIEW" and "data_source_format" not in values:
                entry.data_source_format = None
            if columns is not None:
                entry.columns = [catalog_column(column, place) for place, column in enumerate(columns)]
            elif entry.engine_location is not None:
                found = read_delta_metadata(entry.engine_location)
                entry.columns = found.columns() if found is not None else []
            self._tables[entry.catalog, entry.schema, entry.name] = entry
            self.changed += 1
            entry.revision = self.changed
            return entry

    def table(self, catalog: str, schema: str, name: str) -> TableEntry:
        parent = self.schema(catalog, schema)
        entry = self._tables.get((parent.catalog, parent.name, self._key(name)))
        if entry is None:
            raise self.table_missing(f"{catalog}.{schema}.{name}")
        return entry

    def table_missing(self, full_name: str) -> Refusal:
        words = f"Table not found: {full_name}" if self._dialect.open_source else f"Table '{full_name}' does not exist."
        return Refusal("table_missing", words)

    def has_table(self, catalog: str, schema: str, name: str) -> bool:
        return (self._key(catalog), self._key(schema), self._key(name)) in self._tables

    def table_by_full_name(self, full_name: str) -> TableEntry:
        parts = full_name.split(".")
        if len(parts) != 3 or not all(parts):
            words = (
                f"Invalid table name: {full_name}"
                if self._dialect.open_source
                else f"'{full_name}' is not a valid name: catalog.schema.table is expected"
            )
            raise Refusal("invalid_parameter", words)
        return self.table(*parts)

    def table_by_id(self, identity: str) -> TableEntry | None:
        with self.lock:
            for entry in self._tables.values():
                if entry.table_id == identity:
                    return entry
        return None

    def tables(self, catalog: str, schema: str | None = None) -> list[TableEntry]:
        with self.lock:
            parent = self.catalog(catalog).name
            within = self.schema(catalog, schema).name if schema is not None else None
            return [self._tables[key] for key in sorted(self._tables) if key[0] == parent and within in (None, key[1])]

    def table_by_location(self, location: str) -> TableEntry | None:
        with self.lock:
            for entry in self._tables.values():
                if entry.storage_location is not None and location.startswith(entry.storage_location):
                    return entry
        return None

    def all_tables(self) -> list[TableEntry]:
        with self.lock:
            return list(self._tables.values())

    def drop_table(self, catalog: str, schema: str, name: str) -> None:
        with self.lock:
            entry = self.table(catalog, schema, name)
            del self._tables[entry.catalog, entry.schema, entry.name]
            self.changed += 1

    # Volumes and functions are answered as they were declared.

    def put_volume(
        self, catalog: str, schema: str, name: str, owner: str | None, values: dict[str, Any]
    ) -> dict[str, Any]:
        return self._put_plain(self._volumes, "volume_id", catalog, schema, name, owner, values)

    def put_function(
        self, catalog: str, schema: str, name: str, owner: str | None, values: dict[str, Any]
    ) -> dict[str, Any]:
        return self._put_plain(self._functions, "function_id", catalog, schema, name, owner, values)

    def _put_plain(
        self,
        table: dict[tuple[str, str, str], dict[str, Any]],
        id_name: str,
        catalog: str,
        schema: str,
        name: str,
        owner: str | None,
        values: dict[str, Any],
    ) -> dict[str, Any]:
        with self.lock:
            parent = self.schema(catalog, schema)
            moment = self._clock.now_milliseconds()
            entry = {
                "name": self._key(name),
                "catalog_name": parent.catalog,
                "schema_name": parent.name,
                "full_name": f"{parent.catalog}.{parent.name}.{self._key(name)}",
                id_name: str(uuid.uuid4()),
                "owner": owner,
                "comment": None,
                "created_at": moment,
                "created_by": owner,
                "updated_at": moment,
                "updated_by": owner,
                **values,
            }
            table[parent.catalog, parent.name, self._key(name)] = entry
            return entry

    def volumes(self, catalog: str, schema: str) -> list[dict[str, Any]]:
        return self._plain(self._volumes, catalog, schema)

    def functions(self, catalog: str, schema: str) -> list[dict[str, Any]]:
        return self._plain(self._functions, catalog, schema)

    def _plain(
        self, table: dict[tuple[str, str, str], dict[str, Any]], catalog: str, schema: str
    ) -> list[dict[str, Any]]:
        with self.lock:
            parent = self.schema(catalog, schema)
            return [table[key] for key in sorted(table) if key[:2] == (parent.catalog, parent.name)]

    def volume_or_function(self, kind: str, full_name: str) -> dict[str, Any]:
        table = self._volumes if kind == "volume" else self._functions
        found = table.get(tuple(self._key(part) for part in full_name.split(".")))  # type: ignore[arg-type]
        if found is None:
            raise Refusal("resource_missing", f"{kind.capitalize()} '{full_name}' does not exist.")
        return found
