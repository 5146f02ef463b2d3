"""Reads declared state: default_state.json, and what tests add through the control port."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .principals import FederationPolicy
from .secrets_api import SecretsApi
from .vending import Vending
from .warehouses import Warehouse, Warehouses
from .world import World

DEFAULT_STATE = Path(__file__).with_name("default_state.json")
_KEYS = {
    "principals",
    "catalogs",
    "grants",
    "warehouses",
    "secret_scopes",
    "federation",
    "policies",
    "static_credentials",
}


class StateLoader:
    """Adds declared things to the world."""

    def __init__(self, world: World, warehouses: Warehouses, secrets: SecretsApi, vending: Vending) -> None:
        self._world = world
        self._warehouses = warehouses
        self._secrets = secrets
        self._vending = vending

    def load_file(self, path: Path) -> None:
        self.load(json.loads(path.read_text()))

    def load(self, state: dict[str, Any]) -> dict[str, Any]:
        """Adds or replaces; raises ValueError with the place of a mistake. Answers ids of new tables."""
        unknown = set(state) - _KEYS
        if unknown:
            raise ValueError(f"no kind of state {sorted(unknown)}; there are {sorted(_KEYS)}")
        world = self._world
        for principal in state.get("principals", []):
            world.principals.add(principal)
        tables: dict[str, str] = {}
        for name, catalog in state.get("catalogs", {}).items():
            self._catalog(name, dict(catalog), tables)
        for grant in state.get("grants", []):
            world.grants.change(
                grant["on"], grant["name"], grant["principal"], grant.get("privileges", []), grant.get("revoke", [])
            )
        for warehouse in state.get("warehouses", []):
            self._warehouses.add(Warehouse(**warehouse))
        for name, scope in state.get("secret_scopes", {}).items():
            self._scope(name, dict(scope))
        world.principals.federation += [FederationPolicy(**policy) for policy in state.get("federation", [])]
        world.policies += state.get("policies", [])
        self._vending.static |= state.get("static_credentials", {})
        return {"table_ids": tables}

    def _catalog(self, name: str, catalog: dict[str, Any], tables: dict[str, str]) -> None:
        schemas = catalog.pop("schemas", {})
        owner = catalog.pop("owner", None)
        if not self._world.catalogs.has_catalog(name):
            self._world.catalogs.put_catalog(name, owner, **catalog)
        for schema_name, schema in schemas.items():
            self._schema(name, schema_name, dict(schema), owner, tables)

    def _schema(
        self, catalog: str, name: str, schema: dict[str, Any], owner: str | None, tables: dict[str, str]
    ) -> None:
        declared = schema.pop("tables", {})
        volumes, functions = schema.pop("volumes", {}), schema.pop("functions", {})
        owner = schema.pop("owner", owner)
        if not self._world.catalogs.has_schema(catalog, name):
            self._world.catalogs.put_schema(catalog, name, owner, **schema)
        for table_name, table in declared.items():
            values = dict(table)
            table_owner = values.pop("owner", owner)
            self._place(catalog, name, table_name, values)
            entry = self._world.catalogs.put_table(catalog, name, table_name, table_owner, values)
            tables[entry.full_name] = entry.table_id
        for volume_name, volume in volumes.items():
            self._world.catalogs.put_volume(catalog, name, volume_name, owner, volume)
        for function_name, function in functions.items():
            self._world.catalogs.put_function(catalog, name, function_name, owner, function)

    def _place(self, catalog: str, schema: str, table: str, values: dict[str, Any]) -> None:
        """Tables with `rows` lie below the data folder unless they say otherwise."""
        stored = values.get("table_type", "EXTERNAL") in ("MANAGED", "EXTERNAL")
        if "rows" not in values or not stored or values.get("view_definition"):
            return
        # Sail takes a location as a URL and would write a space as %20.
        plain = re.sub(r"[^A-Za-z0-9_]", "_", table)
        folder = (
            self._world.data_folder
            / catalog
            / schema
            / (plain if plain == table else f"{plain}-{table.encode().hex()}")
        )
        if "storage_location" not in values:
            values["storage_location"] = f"file://{folder}"
            if values.get("staged_rows"):
                # No engine here reads such a table: the warehouse has the same rows in a plain one.
                values.setdefault("local_location", f"file://{folder}-of-the-warehouse")
        elif not values["storage_location"].startswith("file:") and "local_location" not in values:
            values["local_location"] = f"file://{folder}"

    def _scope(self, name: str, scope: dict[str, Any]) -> None:
        declared = scope.pop("secrets", {})
        self._world.secret_scopes[name] = {"secrets": {}, **scope}
        for key, value in declared.items():
            self._secrets.store(name, key, value.encode())
