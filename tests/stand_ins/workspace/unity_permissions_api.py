"""Grants as Unity Catalog shows and changes them, and ABAC policies."""

from __future__ import annotations

from typing import Any

from .catalog import CatalogEntry, SchemaEntry, TableEntry
from .grants import PRIVILEGES
from .paging import Pager
from .principals import ACCOUNT_USERS
from .refusals import Refusal, violation
from .routing import Call, Route
from .shapes import BOOLEAN, PAGING, TEXT, Field
from .unity_metadata_api import BASE
from .world import World

_KINDS = ("catalog", "schema", "table")
_CHANGES = {
    "changes": Field(
        "array", required=True, items={"principal": TEXT, "add": Field("strings"), "remove": Field("strings")}
    )
}


class UnityPermissionsApi:
    """/permissions, /effective-permissions and /policies."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pager = Pager(world.settings, world.dialect)

    def routes(self) -> list[Route]:
        query = {**PAGING, "principal": TEXT}
        path = "/{kind}/{name}"
        routes = [
            Route("GET", f"{BASE}/permissions{path}", self._direct, query=query),
            Route("PATCH", f"{BASE}/permissions{path}", self._change, body=_CHANGES),
        ]
        if self._world.dialect.open_source:
            return routes
        return [
            *routes,
            Route("GET", f"{BASE}/effective-permissions{path}", self._effective, query=query),
            Route("GET", f"{BASE}/policies{path}", self._policies, query={**PAGING, "include_inherited": BOOLEAN}),
        ]

    def _entry(self, call: Call) -> CatalogEntry | SchemaEntry | TableEntry:
        kind, name = call.path["kind"], call.path["name"]
        # The SDK writes the enum's name, which is lower case in URLs.
        if kind not in _KINDS:
            raise violation("bad_securable_type", f"No API found for '{call.request.raw_path}'", "endpoint_missing")
        catalogs = self._world.catalogs
        if kind == "catalog":
            return catalogs.catalog(name)
        if kind == "schema":
            parts = name.split(".")
            if len(parts) != 2:
                raise Refusal("invalid_parameter", f"Invalid schema full name: {name}")
            return catalogs.schema(*parts)
        return catalogs.table_by_full_name(name)

    def _may_read(self, call: Call, entry: CatalogEntry | SchemaEntry | TableEntry) -> set[str] | None:
        """The principals that the caller may read grants of: None for all, else itself only."""
        principal = call.caller.principal
        if principal.administrator or self._world.grants.has(principal, "MANAGE", entry):
            return None
        wanted = call.query.get("principal")
        if self._world.dialect.open_source or wanted in principal.grant_names:
            return principal.grant_names
        kind = call.path["kind"].capitalize()
        raise Refusal("permission_denied", f"User is not an owner of {kind} '{call.path['name']}'.")

    def _direct(self, call: Call) -> dict[str, Any]:
        entry = self._entry(call)
        readable = self._may_read(call, entry)
        wanted = call.query.get("principal")
        found = self._world.grants.direct(call.path["kind"], call.path["name"])
        return self._assignments(
            {
                name: privileges
                for name, privileges in found.items()
                if wanted in (None, name) and (readable is None or name in readable)
            }
        )

    def _assignments(self, found: dict[str, list[str]]) -> dict[str, Any]:
        privilege = self._world.dialect.privilege
        return {
            "privilege_assignments": [
                {"principal": name, "privileges": [privilege(item) for item in privileges]}
                for name, privileges in found.items()
            ]
        }

    def _change(self, call: Call) -> dict[str, Any]:
        entry = self._entry(call)
        principal = call.caller.principal
        if not principal.administrator and not self._world.grants.has(principal, "MANAGE", entry):
            raise Refusal("permission_denied", "Access denied.")
        for change in call.body["changes"]:
            name = change.get("principal")
            if name is None or (self._world.principals.find(name) is None and not self._is_group(name)):
                open_source = self._world.dialect.open_source
                words = f"User not found: {name}" if open_source else f"Could not find principal with name {name}"
                raise Refusal("principal_missing", words)
            added = [item.replace(" ", "_") for item in change.get("add") or []]
            removed = [item.replace(" ", "_") for item in change.get("remove") or []]
            unknown = [item for item in (*added, *removed) if item not in PRIVILEGES]
            if unknown:
                raise violation("bad_enum_value", f"Unexpected value '{unknown[0]}'")
            self._world.grants.change(call.path["kind"], call.path["name"], name, added, removed)
        changed = {change["principal"] for change in call.body["changes"]}
        found = self._world.grants.direct(call.path["kind"], call.path["name"])
        if self._world.dialect.open_source:
            found = {name: privileges for name, privileges in found.items() if name in changed}
        return self._assignments(found)

    def _is_group(self, name: str) -> bool:
        return name == ACCOUNT_USERS or any(name in found.groups for found in self._world.principals.all())

    def _effective(self, call: Call) -> dict[str, Any]:
        entry = self._entry(call)
        readable = self._may_read(call, entry)
        wanted = call.query.get("principal")
        names: set[str] | None = None
        if wanted is not None:
            named = self._world.principals.find(wanted)
            if named is None and not self._is_group(wanted):
                raise Refusal("principal_missing", f"Could not find principal with name {wanted}")
            names = named.grant_names if named is not None else {wanted}
        by_principal: dict[str, list[dict[str, str]]] = {}
        for found in self._world.grants.effective(entry):
            if (names is not None and found.principal not in names) or (
                readable is not None and found.principal not in readable
            ):
                continue
            shown = {"privilege": found.privilege}
            if (found.kind, found.full_name.lower()) != (call.path["kind"], call.path["name"].lower()):
                shown |= {"inherited_from_type": found.kind.upper(), "inherited_from_name": found.full_name}
            by_principal.setdefault(found.principal, []).append(shown)
        page, following = self._pager.page(sorted(by_principal), lambda name: name, call.query, lambda name: True)
        answer: dict[str, Any] = {
            "privilege_assignments": [{"principal": name, "privileges": by_principal[name]} for name in page]
        }
        if following is not None:
            answer["next_page_token"] = following
        return answer

    def _policies(self, call: Call) -> dict[str, Any]:
        entry = self._entry(call)
        here = {(securable.kind, securable.full_name) for securable in self._world.grants.chain(entry)}
        if not call.query.get("include_inherited"):
            here = {(call.path["kind"], call.path["name"].lower())}
        return {
            "policies": [
                policy
                for policy in self._world.policies
                if (policy["on_securable_type"].lower(), policy["on_securable_fullname"].lower()) in here
            ]
        }
