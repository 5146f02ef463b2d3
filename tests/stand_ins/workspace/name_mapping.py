"""What the engine calls a catalog's schema.

Sail is started with the workspace's catalogs and needs no change. A real Spark has one catalog with
Delta tables, `spark_catalog`: there `main.sales` becomes `spark_catalog.main__sales`.
"""

from __future__ import annotations

from collections.abc import Callable

from .sql_text import Token, quote, tokens


class NameMapping:
    """Names as they are."""

    own_catalogs = True

    def schema(self, catalog: str, schema: str) -> str:
        return f"{quote(catalog)}.{quote(schema)}"

    def rewrite(self, text: str, catalog: str, schema: str) -> str:
        return text

    def use(self, catalog: str, schema: str) -> list[str]:
        """Statements that make a schema the current one."""
        return [f"USE CATALOG {quote(catalog)}", f"USE SCHEMA {quote(schema)}"]


class OneCatalogMapping(NameMapping):
    """All catalogs folded into `spark_catalog`."""

    own_catalogs = False

    def __init__(self, has_schema: Callable[[str, str], bool]) -> None:
        self._has_schema = has_schema

    def schema(self, catalog: str, schema: str) -> str:
        return f"spark_catalog.{quote(self._folded(catalog, schema))}"

    def _folded(self, catalog: str, schema: str) -> str:
        return f"{catalog}__{schema}".lower()

    def use(self, catalog: str, schema: str) -> list[str]:
        return [f"USE {self.schema(catalog, schema)}"]

    def rewrite(self, text: str, catalog: str, schema: str) -> str:
        """Replaces `catalog.schema.` before a name, and `schema.` of the current catalog."""
        pieces = tokens(text)
        result: list[str] = []
        place = 0
        while place < len(pieces):
            three = self._pair_at(pieces, place)
            after_dot = place > 0 and pieces[place - 1].text == "."
            if three is not None and not after_dot and self._has_schema(*three):
                result.append(self.schema(*three))
                place += 3
            elif (
                not after_dot
                and pieces[place].kind in ("word", "quoted")
                and place + 2 < len(pieces)
                and pieces[place + 1].text == "."
                and self._has_schema(catalog, pieces[place].name)
            ):
                result.append(self.schema(catalog, pieces[place].name))
                place += 1
            else:
                result.append(pieces[place].text)
                place += 1
        return "".join(result)

    def _pair_at(self, pieces: list[Token], place: int) -> tuple[str, str] | None:
        """catalog and schema of `catalog.schema.name` that begins here."""
        shape = [piece.kind in ("word", "quoted") for piece in pieces[place : place + 5]]
        dots = [piece.text == "." for piece in pieces[place : place + 5]]
        if len(shape) == 5 and shape[0] and dots[1] and shape[2] and dots[3] and shape[4]:
            return pieces[place].name, pieces[place + 2].name
        return None
