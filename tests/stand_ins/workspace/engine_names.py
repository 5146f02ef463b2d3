"""Makes the workspace's names known to a session of the engine, as its caller may see them."""

from __future__ import annotations

from dataclasses import dataclass

from .catalog import TableEntry
from .delta_log import local_folder
from .engine import EngineError, EngineSession
from .materialise import Materialiser
from .principals import Principal
from .sql_text import names_in, quote, with_identity
from .world import World

_FORMATS = {"DELTA": "delta", "PARQUET": "parquet", "CSV": "csv", "JSON": "json"}
_DEEPEST_VIEW = 16


@dataclass(frozen=True)
class Registered:
    """A name that a session of the engine knows, and how it is made to forget it."""

    revision: int
    drop: str


class EngineNames:
    """Registers tables by location, and views in place of tables with filters or masks."""

    def __init__(self, world: World, materialiser: Materialiser) -> None:
        self._world = world
        self._materialiser = materialiser

    def register(
        self, session: EngineSession, known: dict[str, Registered], principal: Principal, text: str, depth: int = 0
    ) -> None:
        """Registers what `text` may name and the session does not know in its newest form."""
        if depth > _DEEPEST_VIEW:
            raise EngineError("views refer to each other", "RECURSIVE_VIEW", "42K0H")
        words = names_in(text)
        entries = self._world.catalogs.all_tables()
        if depth == 0:
            for full_name in set(known) - {entry.full_name for entry in entries}:
                session.run(known.pop(full_name).drop)
        for entry in entries:
            if entry.name.lower() not in words or not self._world.grants.may_select(principal, entry):
                continue
            old = known.get(entry.full_name)
            if old is not None and old.revision == entry.revision:
                continue
            definition = self._view_text(session, entry, principal)
            if definition is not None:
                # The owner's rights hold below a view.
                owner = self._world.principals.find(entry.stamps.owner or "") or principal
                self.register(session, known, owner, definition, depth + 1)
            if old is not None:
                session.run(old.drop)
            if self._put(session, entry, definition):
                known[entry.full_name] = self.registered(session, entry, is_view=definition is not None)

    def registered(self, session: EngineSession, entry: TableEntry, is_view: bool) -> Registered:
        """What a session knows once a table has been put into the engine."""
        name = f"{session.mapping.schema(entry.catalog, entry.schema)}.{quote(entry.name)}"
        return Registered(entry.revision, f"DROP {'VIEW' if is_view else 'TABLE'} IF EXISTS {name}")

    def refuse_hidden(self, principal: Principal, text: str) -> EngineError | None:
        """The permission error for a table that exists and that the caller may not read."""
        words = names_in(text)
        for entry in self._world.catalogs.all_tables():
            if entry.name.lower() in words and not self._world.grants.may_select(principal, entry):
                if self._world.grants.may_use(principal, entry):
                    return EngineError(
                        f"[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have SELECT on Table "
                        f"'{entry.full_name}'.",
                        "INSUFFICIENT_PERMISSIONS",
                        "42501",
                    )
        return None

    def _view_text(self, session: EngineSession, entry: TableEntry, principal: Principal) -> str | None:
        """The query that stands behind a name; None when its files do."""
        names = principal.grant_names
        if entry.view_definition is not None:
            return with_identity(entry.view_definition, principal.name, names)
        if entry.rows is not None and entry.engine_location is None:
            return entry.rows
        exempt = bool(set(entry.exempt) & names)
        if exempt or (entry.filter_condition is None and not entry.mask_expressions):
            return None
        self._materialiser.ensure(entry)
        columns = [
            f"{entry.mask_expressions[column['name']]} AS {quote(column['name'])}"
            if column["name"] in entry.mask_expressions
            else quote(column["name"])
            for column in entry.columns
        ]
        text = f"SELECT {', '.join(columns)} FROM {session.mapping.schema(entry.catalog, entry.schema)}.{quote(_behind(entry))}"
        if entry.filter_condition is not None:
            text += f" WHERE {entry.filter_condition}"
        return with_identity(text, principal.name, names)

    def _folder(self, entry: TableEntry) -> str:
        location = entry.engine_location or ""
        folder = local_folder(location)
        return str(folder) if folder is not None else location

    def _put(self, session: EngineSession, entry: TableEntry, definition: str | None) -> bool:
        """Whether there was anything to put: a table in no format of the engine's stays unknown to it."""
        schema = session.mapping.schema(entry.catalog, entry.schema)
        session.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        name = f"{schema}.{quote(entry.name)}"
        if definition is None:
            return entry.engine_location is not None and self._put_files(session, entry, name)
        if entry.view_definition is None and entry.engine_location is not None:
            behind = f"{schema}.{quote(_behind(entry))}"
            session.run(f"DROP TABLE IF EXISTS {behind}")
            self._put_files(session, entry, behind)
        for statement in session.mapping.use(entry.catalog, entry.schema):
            session.run(statement)
        session.run(f"CREATE VIEW {name} AS {session.mapping.rewrite(definition, entry.catalog, entry.schema)}")
        return True

    def _put_files(self, session: EngineSession, entry: TableEntry, name: str) -> bool:
        kind = _FORMATS.get(entry.data_source_format or "DELTA")
        if kind is None:
            return False
        self._materialiser.ensure(entry)
        session.run(f"CREATE TABLE {name} USING {kind} LOCATION '{self._folder(entry)}'")
        return True


def _behind(entry: TableEntry) -> str:
    """The name of the files behind a filtered table: Sail loses the quotes of delta.`path` within a view."""
    return f"stand_in_files_of_{entry.name}"
