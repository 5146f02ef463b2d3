"""Who may do what: privileges on securables, inherited downward, as Unity Catalog has them."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from .catalog import CatalogEntry, Catalogs, SchemaEntry, TableEntry
from .principals import Principal
from .refusals import Refusal

PRIVILEGES = frozenset(
    "USE_CATALOG USE_SCHEMA SELECT MODIFY BROWSE EXECUTE READ_VOLUME WRITE_VOLUME READ_FILES WRITE_FILES "
    "CREATE_CATALOG CREATE_SCHEMA CREATE_TABLE CREATE_VIEW CREATE_FUNCTION CREATE_VOLUME CREATE_MODEL "
    "CREATE_MATERIALIZED_VIEW CREATE_EXTERNAL_TABLE CREATE_EXTERNAL_LOCATION REFRESH APPLY_TAG MANAGE "
    "ALL_PRIVILEGES EXTERNAL_USE_SCHEMA EXTERNAL_USE_LOCATION USE_CONNECTION USE_SHARE".split()
)
# Neither ownership nor ALL PRIVILEGES holds these; they are granted by name.
_ONLY_BY_NAME = frozenset({"EXTERNAL_USE_SCHEMA", "EXTERNAL_USE_LOCATION"})


@dataclass(frozen=True)
class Securable:
    """Something that privileges are granted on."""

    kind: str
    full_name: str
    owner: str | None


@dataclass(frozen=True)
class Effective:
    """A privilege that a principal has, and where it comes from."""

    principal: str
    privilege: str
    kind: str
    full_name: str


class Grants:
    """All grants of the metastore."""

    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs
        self._lock = threading.Lock()
        self._by_securable: dict[tuple[str, str], dict[str, list[str]]] = {}

    def change(self, kind: str, full_name: str, principal: str, add: list[str], remove: list[str]) -> None:
        """Raises ValueError for a privilege that does not exist."""
        for name in (*add, *remove):
            if name not in PRIVILEGES:
                raise ValueError(f"Unexpected value '{name}'")
        with self._lock:
            of_principal = self._by_securable.setdefault((kind, full_name.lower()), {}).setdefault(principal, [])
            of_principal += [name for name in add if name not in of_principal]
            for name in remove:
                if name in of_principal:
                    of_principal.remove(name)

    def direct(self, kind: str, full_name: str) -> dict[str, list[str]]:
        with self._lock:
            found = self._by_securable.get((kind, full_name.lower()), {})
            return {principal: list(names) for principal, names in found.items() if names}

    def chain(self, entry: CatalogEntry | SchemaEntry | TableEntry) -> list[Securable]:
        """The securable and its parents, from the inside out."""
        if isinstance(entry, TableEntry):
            parent = self._catalogs.schema(entry.catalog, entry.schema)
            return [Securable("table", entry.full_name, entry.stamps.owner), *self.chain(parent)]
        if isinstance(entry, SchemaEntry):
            parent_catalog = self._catalogs.catalog(entry.catalog)
            return [Securable("schema", entry.full_name, entry.stamps.owner), *self.chain(parent_catalog)]
        return [Securable("catalog", entry.name, entry.stamps.owner)]

    def effective(self, entry: CatalogEntry | SchemaEntry | TableEntry) -> list[Effective]:
        """Every privilege that reaches the securable, direct ones first."""
        return [
            Effective(principal, privilege, securable.kind, securable.full_name)
            for securable in self.chain(entry)
            for principal, privileges in self.direct(securable.kind, securable.full_name).items()
            for privilege in privileges
        ]

    def has(self, principal: Principal, privilege: str, entry: CatalogEntry | SchemaEntry | TableEntry) -> bool:
        names = principal.grant_names
        if privilege not in _ONLY_BY_NAME:
            if principal.administrator:
                return True
            if any(securable.owner in names for securable in self.chain(entry)):
                return True
        wanted = {privilege} if privilege in _ONLY_BY_NAME else {privilege, "ALL_PRIVILEGES", "MANAGE"}
        return any(found.principal in names and found.privilege in wanted for found in self.effective(entry))

    def may_use(self, principal: Principal, entry: SchemaEntry | TableEntry) -> bool:
        """Whether the parents' USE privileges are there."""
        catalog = self._catalogs.catalog(entry.catalog)
        if not self.has(principal, "USE_CATALOG", catalog):
            return False
        if isinstance(entry, SchemaEntry):
            return True
        return self.has(principal, "USE_SCHEMA", self._catalogs.schema(entry.catalog, entry.schema))

    def may_select(self, principal: Principal, entry: TableEntry) -> bool:
        return self.may_use(principal, entry) and self.has(principal, "SELECT", entry)

    def sees_table(self, principal: Principal, entry: TableEntry, browsing: bool) -> bool:
        """Whether the table is in the caller's listings."""
        if browsing and self.has(principal, "BROWSE", entry):
            return True
        return self.may_use(principal, entry) and any(
            self.has(principal, privilege, entry) for privilege in ("SELECT", "MODIFY")
        )

    def sees_schema(self, principal: Principal, entry: SchemaEntry, browsing: bool) -> bool:
        if browsing and self.has(principal, "BROWSE", entry):
            return True
        return self.may_use(principal, entry) and self.has(principal, "USE_SCHEMA", entry)

    def sees_catalog(self, principal: Principal, entry: CatalogEntry, browsing: bool) -> bool:
        return self.has(principal, "USE_CATALOG", entry) or (browsing and self.has(principal, "BROWSE", entry))

    def refuse_table(self, principal: Principal, entry: TableEntry, open_source: bool) -> Refusal:
        """The error for a table that the caller may not read: hidden below a missing USE, else denied."""
        if open_source:
            return Refusal("permission_denied", "Access denied.")
        if not self.may_use(principal, entry):
            return self._catalogs.table_missing(entry.full_name)
        return Refusal("permission_denied", f"User does not have SELECT on Table '{entry.full_name}'.")
