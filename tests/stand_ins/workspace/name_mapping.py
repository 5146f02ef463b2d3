"""What the engine calls a catalog's schema.

Sail is started with the workspace's catalogs and needs no change. A real Spark has one catalog with
Delta tables, `spark_catalog`, which all sessions share: there `main.sales` becomes
`spark_catalog.<session>__main__sales`, so that no caller meets what was registered for another.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from .sql_text import Token, quote, tokens


class NameMapping:
    """Names as they are."""

    # Whether the engine has the workspace's catalogs, in each session anew.
    own_catalogs = True

    def schema(self, catalog: str, schema: str) -> str:
        return f"{quote(catalog)}.{quote(schema)}"

    def rewrite(self, text: str, catalog: str, schema: str) -> str:
        """A statement in the engine's names, where `catalog` and `schema` are the current ones."""
        return text

    def use(self, catalog: str, schema: str) -> list[str]:
        """Statements that make a schema the current one."""
        return [f"USE CATALOG {quote(catalog)}", f"USE SCHEMA {quote(schema)}"]

    def leave(self) -> list[str]:
        """Statements that leave nothing behind."""
        return []


class OneCatalogMapping(NameMapping):
    """All catalogs folded into `spark_catalog`, for one session."""

    own_catalogs = False

    def __init__(self, has_schema: Callable[[str, str], bool], prefix: str | None = None) -> None:
        self._has_schema = has_schema
        self._prefix = prefix if prefix is not None else "s" + uuid.uuid4().hex[:12]
        self._used: set[str] = set()

    def schema(self, catalog: str, schema: str) -> str:
        folded = f"spark_catalog.{quote(self._folded(catalog, schema))}"
        self._used.add(folded)
        return folded

    def _folded(self, catalog: str, schema: str) -> str:
        return f"{self._prefix}__{catalog}__{schema}".lower()

    def use(self, catalog: str, schema: str) -> list[str]:
        return [f"USE DATABASE {quote(self._folded(catalog, schema))}"]

    def leave(self) -> list[str]:
        return [f"DROP SCHEMA IF EXISTS {name} CASCADE" for name in sorted(self._used)]

    def rewrite(self, text: str, catalog: str, schema: str) -> str:
        """Replaces `catalog.schema.` before a name, and `schema.` of the current catalog."""
        pieces = tokens(text)
        result: list[str] = []
        place = 0
        while place < len(pieces):
            pair = self._pair_at(pieces, place)
            after_dot = place > 0 and pieces[place - 1].text == "."
            if pair is not None and not after_dot and self._has_schema(*pair):
                result.append(self.schema(*pair))
                place += 3
            elif not after_dot and self._schema_at(pieces, place, catalog):
                result.append(self.schema(catalog, pieces[place].name))
                place += 1
            else:
                result.append(pieces[place].text)
                place += 1
        return "".join(result)

    def _schema_at(self, pieces: list[Token], place: int, catalog: str) -> bool:
        """Whether `schema.name` of the current catalog begins here."""
        shape = pieces[place : place + 2]
        if len(shape) < 2 or shape[0].kind not in ("word", "quoted") or shape[1].text != ".":
            return False
        return self._has_schema(catalog, shape[0].name)

    def _pair_at(self, pieces: list[Token], place: int) -> tuple[str, str] | None:
        """catalog and schema of `catalog.schema.name` that begins here."""
        shape = [piece.kind in ("word", "quoted") for piece in pieces[place : place + 5]]
        dots = [piece.text == "." for piece in pieces[place : place + 5]]
        if len(shape) == 5 and shape[0] and dots[1] and shape[2] and dots[3] and shape[4]:
            return pieces[place].name, pieces[place + 2].name
        return None
