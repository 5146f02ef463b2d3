"""Runs a question: names, sessions, definitions, limits, and the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .data_definition import Definition, full_name, read_definition, read_set, read_use, with_location
from .engine import Engine, EngineAnswer, EngineError, EngineSession
from .engine_names import EngineNames
from .metadata_commands import MetadataCommands
from .principals import Principal
from .refusals import Refusal
from .results import StatementResult, cut
from .sessions import Session, Sessions
from .spark_types import catalog_text
from .sql_text import significant, with_identity
from .statements import Question
from .world import World

_COUNTS = {
    "INSERT": ("num_affected_rows", "num_inserted_rows"),
    "DELETE": ("num_affected_rows",),
    "UPDATE": ("num_affected_rows",),
}
_SILENT = (
    "CREATE",
    "DROP",
    "ALTER",
    "USE",
    "SET",
    "TRUNCATE",
    "COMMENT",
    "GRANT",
    "REVOKE",
    "REFRESH",
    "MSCK",
    "ANALYZE",
)


class Execution:
    """The warehouse's work."""

    def __init__(self, world: World, engine: Engine, names: EngineNames, sessions: Sessions) -> None:
        self._world = world
        self._engine = engine
        self._names = names
        self._sessions = sessions
        self._commands = MetadataCommands(world)
        self._kept: dict[tuple[Any, ...], StatementResult] = {}
        self._lock = threading.Lock()

    def run(
        self, question: Question, interrupted: Callable[[], bool], started: Callable[[Callable[[], None]], None]
    ) -> StatementResult:
        """Raises EngineError and EngineInterrupted."""
        if question.generated is not None:
            return self._generated(question)
        key = self._key(question)
        with self._lock:
            kept = self._kept.get(key) if key is not None else None
        if kept is not None:
            return kept
        session = self._sessions.find(question.session) if question.session is not None else None
        scratch = session or Session(question.principal, None, None)
        with scratch.lock:
            try:
                answer = self._answer(question, scratch, interrupted, started)
            except Refusal as refusal:
                raise EngineError(f"[{_condition(refusal)}] {refusal.message}") from refusal
            finally:
                if session is None and scratch.engine is not None:
                    scratch.engine.close()
        result = self._result(question, answer, self._time_zone(scratch))
        if key is not None:
            with self._lock:
                self._kept[key] = result
        return result

    def _generated(self, question: Question) -> StatementResult:
        from .generated_results import generated

        key = ("generated", *sorted((question.generated or {}).items()), self._world.settings.rows_per_chunk)
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                found = self._result(question, generated(question.generated or {}), "Etc/UTC")
                if self._world.settings.reuse_results:
                    self._kept[key] = found
            return found

    def _key(self, question: Question) -> tuple[Any, ...] | None:
        if not self._world.settings.reuse_results or not significant(question.text)[0].is_word("SELECT", "WITH"):
            return None
        return (
            question.text,
            question.principal,
            question.catalog,
            question.schema,
            tuple(question.arguments),
            question.row_limit,
            question.byte_limit,
            self._world.settings.rows_per_chunk,
            self._world.catalogs.changed,
        )

    def _time_zone(self, session: Session) -> str:
        zone = session.parameters.get("TIMEZONE", self._world.settings.time_zone)
        return "Etc/UTC" if zone == "UTC" else zone

    def _answer(
        self,
        question: Question,
        session: Session,
        interrupted: Callable[[], bool],
        started: Callable[[Callable[[], None]], None],
    ) -> EngineAnswer:
        principal = self._principal(question)
        catalog = question.catalog or session.catalog or self._default_catalog()
        schema = question.schema or session.schema or "default"
        text = question.text.strip().rstrip(";")
        silent = self._session_command(text, session)
        if silent is not None:
            return silent
        listed = self._commands.run(text, principal, catalog, schema)
        if listed is not None:
            return listed
        engine = self._open(session, principal)
        text = with_identity(text, principal.name, principal.grant_names)
        self._names.register(engine, session.registered, principal, text)
        self._use(engine, catalog, schema)
        definition = read_definition(text)
        if definition is not None:
            return self._define(session, engine, definition, text, principal, catalog, schema)
        counted = self._rows_to_delete(engine, text, question)
        try:
            answer = engine.run(engine.mapping.rewrite(text, catalog, schema), question.arguments, interrupted, started)
        except EngineError as error:
            hidden = self._names.refuse_hidden(principal, text) if "not found" in str(error).lower() else None
            raise hidden or error from error
        return self._counted(text, answer, counted)

    def _principal(self, question: Question) -> Principal:
        found = self._world.principals.find(question.principal)
        if found is None:
            raise EngineError("the principal is gone", "INSUFFICIENT_PERMISSIONS", "42501")
        return found

    def _default_catalog(self) -> str:
        names = [entry.name for entry in self._world.catalogs.catalogs()]
        return "main" if "main" in names or not names else names[0]

    def _open(self, session: Session, principal: Principal) -> EngineSession:
        if session.engine is None:
            session.engine = self._engine.open(principal.name, self._time_zone(session))
        return session.engine

    def _use(self, engine: EngineSession, catalog: str, schema: str) -> None:
        if not self._world.catalogs.has_catalog(catalog):
            raise EngineError(f"[CATALOG_NOT_FOUND] The catalog `{catalog}` not found.", "CATALOG_NOT_FOUND", "42P08")
        engine.run(f"CREATE SCHEMA IF NOT EXISTS {engine.mapping.schema(catalog, schema)}")
        for statement in engine.mapping.use(catalog, schema):
            engine.run(statement)

    def _session_command(self, text: str, session: Session) -> EngineAnswer | None:
        """USE and SET change the session; without one they have no effect that a later statement sees."""
        use = read_use(text)
        if use is not None:
            catalog = use.catalog or session.catalog or self._default_catalog()
            if (
                use.schema is not None
                and use.catalog is None
                and not self._world.catalogs.has_schema(catalog, use.schema)
            ):
                if self._world.catalogs.has_catalog(use.schema):
                    raise EngineError(
                        f"[SCHEMA_NOT_FOUND] The schema `{use.schema}` cannot be found.", "SCHEMA_NOT_FOUND", "42704"
                    )
            self._world.catalogs.catalog(catalog)
            if use.schema is not None:
                self._world.catalogs.schema(catalog, use.schema)
            session.catalog = catalog
            session.schema = use.schema or "default"
            return EngineAnswer([])
        pair = read_set(text)
        if pair is not None:
            session.parameters[pair[0]] = pair[1]
            if pair[0] == "TIMEZONE" and session.engine is not None:
                session.engine.configure({"spark.sql.session.timeZone": self._time_zone(session)})
            return EngineAnswer([("key", "string"), ("value", "string")], [])
        return None

    # Changes

    def _define(
        self,
        session: Session,
        engine: EngineSession,
        definition: Definition,
        text: str,
        principal: Principal,
        catalog: str,
        schema: str,
    ) -> EngineAnswer:
        catalogs = self._world.catalogs
        if definition.kind == "schema":
            parts = [catalog, *definition.name][-2:]
            self._define_schema(definition, parts, principal)
            return EngineAnswer([])
        parts = [catalog, schema, *definition.name][-3:]
        exists = catalogs.has_table(*parts)
        if definition.action == "drop":
            if exists:
                catalogs.drop_table(*parts)
            elif not definition.tolerant:
                name = ".".join(f"`{part}`" for part in parts)
                raise EngineError(
                    f"[TABLE_OR_VIEW_NOT_FOUND] The table or view {name} cannot be found.",
                    "TABLE_OR_VIEW_NOT_FOUND",
                    "42P01",
                )
            return EngineAnswer([])
        if exists and definition.tolerant:
            return EngineAnswer([])
        if exists and not definition.replaces:
            raise EngineError(
                f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table or view `{parts[2]}` because it already exists.",
                "TABLE_OR_VIEW_ALREADY_EXISTS",
                "42P07",
            )
        catalogs.schema(parts[0], parts[1])
        if definition.kind == "view":
            self._define_view(engine, definition, parts, principal, catalog, schema)
        else:
            self._define_table(engine, definition, text, parts, principal, catalog, schema)
            entry = catalogs.table(*parts)
            session.registered[entry.full_name] = self._names.registered(engine, entry, is_view=False)
        return EngineAnswer([])

    def _define_schema(self, definition: Definition, parts: list[str], principal: Principal) -> None:
        catalogs = self._world.catalogs
        exists = catalogs.has_schema(*parts)
        if definition.action == "create":
            if exists and not definition.tolerant:
                raise EngineError(
                    f"[SCHEMA_ALREADY_EXISTS] Cannot create schema `{parts[1]}` because it already exists.",
                    "SCHEMA_ALREADY_EXISTS",
                    "42P06",
                )
            if not exists:
                catalogs.put_schema(parts[0], parts[1], principal.name)
            return
        if not exists and definition.tolerant:
            return
        if catalogs.tables(*parts) and not definition.cascade:
            raise EngineError(f"[SCHEMA_NOT_EMPTY] Cannot drop a schema `{parts[1]}`.", "SCHEMA_NOT_EMPTY", "2BP01")
        catalogs.drop_schema(*parts)

    def _define_view(
        self,
        engine: EngineSession,
        definition: Definition,
        parts: list[str],
        principal: Principal,
        catalog: str,
        schema: str,
    ) -> None:
        query = definition.query or ""
        answer = engine.run(f"SELECT * FROM ({engine.mapping.rewrite(query, catalog, schema)}) LIMIT 0")
        columns = [{"name": name, "type": catalog_text(kind)} for name, kind in answer.columns]
        self._world.catalogs.put_table(
            parts[0],
            parts[1],
            parts[2],
            principal.name,
            {"table_type": "VIEW", "view_definition": query, "columns": columns},
        )

    def _define_table(
        self,
        engine: EngineSession,
        definition: Definition,
        text: str,
        parts: list[str],
        principal: Principal,
        catalog: str,
        schema: str,
    ) -> None:
        folder = str(self._world.data_folder / "managed" / self._world.new_id())
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = f"{engine.mapping.schema(parts[0], parts[1])}.{full_name(parts[2:])}"
        engine.run(f"CREATE SCHEMA IF NOT EXISTS {engine.mapping.schema(parts[0], parts[1])}")
        if definition.replaces:
            engine.run(f"DROP TABLE IF EXISTS {name}")
        engine.run(engine.mapping.rewrite(with_location(text, definition, name, folder), catalog, schema))
        location = definition.location or f"file://{folder}"
        self._world.catalogs.put_table(
            parts[0],
            parts[1],
            parts[2],
            principal.name,
            {"table_type": "EXTERNAL" if definition.location else "MANAGED", "storage_location": location},
        )

    def write_delta(self, query: str, folder: str, partitions: list[str]) -> None:
        """Writes a query's rows as a new Delta table in a folder."""
        Path(folder).parent.mkdir(parents=True, exist_ok=True)
        session = self._engine.open("stand-in", "Etc/UTC")
        try:
            schema = session.mapping.schema(self._default_catalog(), "default")
            session.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            by = f" PARTITIONED BY ({full_name(partitions).replace('.', ', ')})" if partitions else ""
            name = f"{schema}.`stand_in_{self._world.new_id().replace('-', '')}`"
            session.run(f"CREATE TABLE {name} USING delta{by} LOCATION '{folder}' AS {query}")
        finally:
            session.close()

    def append_delta(self, query: str, folder: str) -> None:
        """Adds a query's rows to the Delta table in a folder, as one commit."""
        session = self._engine.open("stand-in", "Etc/UTC")
        try:
            schema = session.mapping.schema(self._default_catalog(), "default")
            session.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            name = f"{schema}.`stand_in_{self._world.new_id().replace('-', '')}`"
            session.run(f"CREATE TABLE {name} USING delta LOCATION '{folder}'")
            session.run(f"INSERT INTO {name} {query}")
        finally:
            session.close()

    # Results

    def _rows_to_delete(self, engine: EngineSession, text: str, question: Question) -> int | None:
        """Sail reports 0 for DELETE; the rows are counted before."""
        pieces = significant(text)
        if not pieces[0].is_word("DELETE") or not engine.mapping.own_catalogs:
            return None
        counting = "SELECT count(*) AS n " + text[text.upper().index("FROM") :]
        answer = engine.run(counting, question.arguments)
        return int(answer.batches[0].column(0)[0].as_py()) if answer.batches else 0

    def _counted(self, text: str, answer: EngineAnswer, deleted: int | None) -> EngineAnswer:
        """Commands answer as the warehouse does: counts under their names, or no columns at all."""
        import pyarrow

        verb = significant(text)[0].text.upper()
        if verb in _SILENT:
            return EngineAnswer([])
        names = _COUNTS.get(verb)
        if verb == "MERGE":
            names = ("num_affected_rows", "num_updated_rows", "num_deleted_rows", "num_inserted_rows")
        if names is None or [name for name, _ in answer.columns] != ["count"]:
            return answer
        count = int(answer.batches[0].column(0)[0].as_py() or 0) if answer.batches else 0
        count = deleted if deleted is not None else count
        batch = pyarrow.RecordBatch.from_arrays(
            [pyarrow.array([count], pyarrow.int64()) for _ in names], names=list(names)
        )
        return EngineAnswer([(name, "long") for name in names], [batch])

    def _result(self, question: Question, answer: EngineAnswer, time_zone: str) -> StatementResult:
        if not answer.columns:
            return StatementResult([], [])
        from .arrow_shape import warehouse_table

        settings = self._world.settings
        table = warehouse_table(answer.batches, answer.columns, time_zone, settings.arrow_list_element)
        if (
            question.disposition == "INLINE"
            and question.byte_limit is None
            and table.nbytes > settings.inline_limit_bytes
        ):
            raise EngineError(
                "[INLINE_RESULT_TOO_LARGE] Inline byte limit exceeded. Statements executed with disposition=INLINE can "
                f"have a result size of at most {settings.inline_limit_bytes} bytes.",
                "INLINE_RESULT_TOO_LARGE",
                "54000",
            )
        return cut(table, answer.columns, settings.rows_per_chunk, question.row_limit, question.byte_limit)


def _condition(refusal: Refusal) -> str:
    return {
        "catalog_missing": "CATALOG_NOT_FOUND",
        "schema_missing": "SCHEMA_NOT_FOUND",
        "table_missing": "TABLE_OR_VIEW_NOT_FOUND",
        "permission_denied": "INSUFFICIENT_PERMISSIONS",
    }.get(refusal.kind, "INVALID_PARAMETER_VALUE")
