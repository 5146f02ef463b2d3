"""Statements that make and drop names, so that the catalog learns what the engine was told."""

from __future__ import annotations

from dataclasses import dataclass

from .sql_text import Token, dotted_name, quote, significant, tokens


@dataclass(frozen=True)
class Definition:
    """CREATE or DROP of a schema, table or view."""

    # "create" or "drop"
    action: str
    # "schema", "table" or "view"
    kind: str
    name: list[str]
    replaces: bool = False
    tolerant: bool = False
    cascade: bool = False
    location: str | None = None
    # The query after AS, of a view.
    query: str | None = None


@dataclass(frozen=True)
class Use:
    """USE of a catalog or a schema."""

    catalog: str | None
    schema: str | None


def read_use(text: str) -> Use | None:
    """USE x, USE c.s, USE SCHEMA s, USE CATALOG c."""
    pieces = significant(text)
    if not pieces or not pieces[0].is_word("USE"):
        return None
    place = 1
    is_catalog = len(pieces) > 1 and pieces[1].is_word("CATALOG")
    if len(pieces) > 2 and pieces[1].is_word("CATALOG", "SCHEMA", "DATABASE", "NAMESPACE"):
        place = 2
    parts, end = dotted_name(pieces, place)
    if not parts or end != len(pieces) or len(parts) > 2:
        return None
    if is_catalog:
        return Use(parts[0], None)
    return Use(parts[0], parts[1]) if len(parts) == 2 else Use(None, parts[0])


def read_set(text: str) -> tuple[str, str] | None:
    """SET name = value, SET TIME ZONE 'x'."""
    pieces = significant(text)
    if len(pieces) < 3 or not pieces[0].is_word("SET"):
        return None
    if pieces[1].is_word("TIME") and pieces[2].is_word("ZONE") and len(pieces) == 4:
        return "TIMEZONE", pieces[3].text.strip("'\"")
    name, place = dotted_name(pieces, 1)
    if place < len(pieces) and pieces[place].text == "=":
        return ".".join(name).upper(), "".join(piece.text for piece in pieces[place + 1 :]).strip("'\"")
    return None


def read_definition(text: str) -> Definition | None:
    """The definition that a statement makes; None for all others."""
    pieces = significant(text)
    if not pieces or not pieces[0].is_word("CREATE", "DROP"):
        return None
    action = pieces[0].text.lower()
    place = 1
    replaces = len(pieces) > 2 and pieces[1].is_word("OR") and pieces[2].is_word("REPLACE")
    if replaces:
        place = 3
    if place >= len(pieces) or not pieces[place].is_word("SCHEMA", "DATABASE", "TABLE", "VIEW"):
        return None
    kind = {"DATABASE": "schema"}.get(pieces[place].text.upper(), pieces[place].text.lower())
    place += 1
    tolerant = False
    if place < len(pieces) and pieces[place].is_word("IF"):
        while place < len(pieces) and pieces[place].is_word("IF", "NOT", "EXISTS"):
            place += 1
        tolerant = True
    name, place = dotted_name(pieces, place)
    if not name:
        return None
    rest = pieces[place:]
    location = next(
        (
            rest[i + 1].text[1:-1]
            for i, piece in enumerate(rest[:-1])
            if piece.is_word("LOCATION") and rest[i + 1].kind == "string"
        ),
        None,
    )
    return Definition(
        action,
        kind,
        name,
        replaces,
        tolerant,
        any(piece.is_word("CASCADE") for piece in rest),
        location,
        _after_as(text) if kind == "view" and action == "create" else None,
    )


def _after_as(text: str) -> str | None:
    pieces = tokens(text)
    place = _top_level_as(pieces)
    return "".join(piece.text for piece in pieces[place + 1 :]).strip() if place is not None else None


def _top_level_as(pieces: list[Token]) -> int | None:
    depth = 0
    for place, piece in enumerate(pieces):
        depth += {"(": 1, ")": -1}.get(piece.text, 0)
        if depth == 0 and piece.is_word("AS"):
            return place
    return None


def with_location(text: str, definition: Definition, full_name: str, folder: str) -> str:
    """A CREATE TABLE under its full name, with USING delta and a place for its files."""
    pieces = tokens(text)
    start = next(i for i, piece in enumerate(pieces) if piece.is_word("TABLE"))
    begin = next(
        i
        for i, piece in enumerate(pieces)
        if i > start and piece.kind in ("word", "quoted") and not piece.is_word("IF", "NOT", "EXISTS")
    )
    end = begin + 2 * len(definition.name) - 1
    head = "CREATE TABLE " + ("IF NOT EXISTS " if definition.tolerant else "") + full_name
    rest = pieces[end:]
    place = _top_level_as(rest)
    middle, query = (rest[:place], rest[place:]) if place is not None else (rest, [])
    words = "".join(piece.text for piece in middle).rstrip().rstrip(";")
    if not any(piece.is_word("USING") for piece in middle):
        words += " USING delta"
    if definition.location is None:
        words += f" LOCATION '{folder}'"
    return f"{head} {words.strip()} {''.join(piece.text for piece in query)}".strip()


def full_name(parts: list[str]) -> str:
    return ".".join(quote(part) for part in parts)
