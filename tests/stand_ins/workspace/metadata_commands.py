"""SHOW and DESCRIBE, answered from the catalog: drivers build their metadata calls on these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .catalog import TableEntry
from .engine import EngineAnswer
from .principals import Principal
from .sql_text import Token, dotted_name, significant
from .world import World

_TABLES = ("namespace", "tableName", "isTemporary", "information", "catalogName", "tableType", "remarks")
_COLUMNS = (
    "col_name",
    "catalogName",
    "namespace",
    "tableName",
    "columnType",
    "columnSize",
    "decimalDigits",
    "radix",
    "isNullable",
    "remarks",
    "ordinalPosition",
    "isAutoIncrement",
    "isGenerated",
)
_NUMBERS = frozenset({"columnSize", "decimalDigits", "radix", "ordinalPosition"})


class MetadataCommands:
    """The commands that a SQL warehouse answers without running a query."""

    def __init__(self, world: World) -> None:
        self._world = world

    def run(self, text: str, principal: Principal, catalog: str, schema: str) -> EngineAnswer | None:
        """The answer, or None for a statement that is none of these."""
        pieces = significant(text)
        if len(pieces) >= 2 and pieces[0].is_word("SHOW"):
            word = pieces[1].text.upper()
            if word == "CATALOGS":
                return self._catalogs(pieces, principal)
            if word in ("SCHEMAS", "DATABASES"):
                return self._schemas(pieces, principal, catalog)
            if word == "TABLES":
                return self._tables(pieces, principal, catalog, schema)
            if word == "COLUMNS" and len(pieces) > 3 and pieces[3].is_word("CATALOG", "ALL"):
                return self._columns(pieces, principal)
            if word == "TABLE_TYPES":
                return _rows(("TABLE_TYPE",), [("TABLE",), ("VIEW",), ("SYSTEM TABLE",)])
            if word == "FUNCTIONS" and len(pieces) > 3 and pieces[3].is_word("CATALOG"):
                return _rows(
                    ("functionName", "catalogName", "namespace", "remarks", "functionType", "specificName"), []
                )
            if word in ("KEYS", "FOREIGN"):
                return _rows(("catalogName", "namespace", "tableName", "col_name", "keySeq", "constraintName"), [])
        if pieces and pieces[0].is_word("DESCRIBE", "DESC"):
            return self._describe(pieces, principal, catalog, schema)
        return None

    def _catalogs(self, pieces: list[Token], principal: Principal) -> EngineAnswer:
        pattern = _like(pieces, 2)
        seen = [
            (entry.name,)
            for entry in self._world.catalogs.catalogs()
            if self._world.grants.sees_catalog(principal, entry, False) and pattern.fullmatch(entry.name)
        ]
        return _rows(("catalog",), seen)

    def _schemas(self, pieces: list[Token], principal: Principal, catalog: str) -> EngineAnswer:
        pattern = _like(pieces, 2)
        rows = [
            (entry.name, entry.catalog)
            for name in self._catalog_names(pieces, catalog)
            for entry in self._world.catalogs.schemas(name)
            if self._world.grants.sees_schema(principal, entry, False) and pattern.fullmatch(entry.name)
        ]
        return _rows(("databaseName", "catalogName"), rows)

    def _catalog_names(self, pieces: list[Token], default: str) -> list[str]:
        if len(pieces) > 3 and pieces[2].is_word("IN", "FROM"):
            if pieces[3].is_word("ALL"):
                return [entry.name for entry in self._world.catalogs.catalogs()]
            place = 4 if pieces[3].is_word("CATALOG") else 3
            return [pieces[place].name]
        return [default]

    def _tables(self, pieces: list[Token], principal: Principal, catalog: str, schema: str) -> EngineAnswer:
        wide = len(pieces) > 3 and pieces[3].is_word("CATALOG", "ALL")
        table_pattern = _like(pieces, 2)
        rows: list[tuple[Any, ...]] = []
        for entry in self._visible(pieces, principal, catalog, schema, wide):
            if table_pattern.fullmatch(entry.name):
                kind = "VIEW" if entry.table_type.endswith("VIEW") else "TABLE"
                rows.append((entry.schema, entry.name, False, None, entry.catalog, kind, entry.comment))
        if wide:
            return _rows(_TABLES, rows)
        return _rows(("database", "tableName", "isTemporary"), [row[:3] for row in rows])

    def _visible(
        self, pieces: list[Token], principal: Principal, catalog: str, schema: str, wide: bool
    ) -> Iterator[TableEntry]:
        if wide:
            schema_pattern = _like(pieces, 2, "SCHEMA")
            for name in self._catalog_names(pieces, catalog):
                for entry in self._world.catalogs.tables(name):
                    if schema_pattern.fullmatch(entry.schema) and self._world.grants.sees_table(
                        principal, entry, False
                    ):
                        yield entry
            return
        if len(pieces) > 3 and pieces[2].is_word("IN", "FROM"):
            parts, _ = dotted_name(pieces, 3)
            catalog, schema = [catalog, *parts][-2:]
        for entry in self._world.catalogs.tables(catalog, schema):
            if self._world.grants.sees_table(principal, entry, False):
                yield entry

    def _columns(self, pieces: list[Token], principal: Principal) -> EngineAnswer:
        table_pattern, column_pattern = _like(pieces, 2, "TABLE"), _like(pieces, 2)
        rows: list[tuple[Any, ...]] = []
        for entry in self._visible(pieces, principal, "", "", wide=True):
            if not table_pattern.fullmatch(entry.name):
                continue
            for column in entry.columns:
                if column_pattern.fullmatch(column["name"]):
                    rows.append(
                        (
                            column["name"],
                            entry.catalog,
                            entry.schema,
                            entry.name,
                            column["type_text"].upper(),
                            column.get("type_precision") or None,
                            column.get("type_scale") or None,
                            10,
                            "true" if column["nullable"] else "false",
                            column.get("comment"),
                            column["position"],
                            "NO",
                            "NO",
                        )
                    )
        return _rows(_COLUMNS, rows)

    def _describe(self, pieces: list[Token], principal: Principal, catalog: str, schema: str) -> EngineAnswer | None:
        place = 1
        if len(pieces) > place and pieces[place].is_word("TABLE"):
            place += 1
        if len(pieces) <= place or pieces[place].is_word(
            "QUERY", "FUNCTION", "SCHEMA", "DATABASE", "CATALOG", "HISTORY", "DETAIL"
        ):
            return None
        parts, end = dotted_name(pieces, place)
        if not parts or len(parts) > 3 or end != len(pieces):
            return None
        entry = self._world.catalogs.table(*[catalog, schema, *parts][-3:])
        if not self._world.grants.sees_table(principal, entry, False):
            raise self._world.grants.refuse_table(principal, entry, False)
        rows = [(column["name"], column["type_text"], column.get("comment")) for column in entry.columns]
        return _rows(("col_name", "data_type", "comment"), rows)


def _rows(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> EngineAnswer:
    import pyarrow

    kinds = ["boolean" if name == "isTemporary" else "integer" if name in _NUMBERS else "string" for name in names]
    types = {"boolean": pyarrow.bool_(), "integer": pyarrow.int32(), "string": pyarrow.string()}
    answer = EngineAnswer(list(zip(names, kinds)))
    if rows:
        arrays = [pyarrow.array(list(values), types[kind]) for values, kind in zip(zip(*rows), kinds)]
        answer.batches.append(pyarrow.RecordBatch.from_arrays(arrays, names=list(names)))
    return answer


def _like(pieces: list[Token], start: int, before: str | None = None) -> re.Pattern[str]:
    """The pattern after LIKE (or after `before` LIKE): `*` and `%` for any text, `|` for alternatives."""
    for place in range(start, len(pieces) - 1):
        if not pieces[place].is_word("LIKE") or pieces[place + 1].kind != "string":
            continue
        named = pieces[place - 1].is_word("SCHEMA", "TABLE")
        if (before is None and not named) or (before is not None and pieces[place - 1].is_word(before)):
            text = pieces[place + 1].text[1:-1]
            parts = [".*" if sign in "*%" else "|" if sign == "|" else re.escape(sign) for sign in text]
            return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
    return re.compile(".*", re.DOTALL)
