"""Spark's types: their text as catalogs and as the Statement Execution API write it, and their JSON.

A type is kept as its JSON form (as in a Delta log): a string such as "long" or "decimal(10,2)", or an
object with "type" array, map or struct.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

Type = Any

_NAMES_FROM_SQL = {
    "tinyint": "byte",
    "byte": "byte",
    "smallint": "short",
    "short": "short",
    "int": "integer",
    "integer": "integer",
    "bigint": "long",
    "long": "long",
    "float": "float",
    "real": "float",
    "double": "double",
    "string": "string",
    "boolean": "boolean",
    "binary": "binary",
    "date": "date",
    "timestamp": "timestamp",
    "timestamp_ltz": "timestamp",
    "timestamp_ntz": "timestamp_ntz",
    "variant": "variant",
    "void": "void",
    "null": "void",
}
_SQL_FROM_NAMES = {"byte": "tinyint", "short": "smallint", "integer": "int", "long": "bigint"}
_TYPE_NAMES = {
    "byte": "BYTE",
    "short": "SHORT",
    "integer": "INT",
    "long": "LONG",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "STRING",
    "boolean": "BOOLEAN",
    "binary": "BINARY",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamp_ntz": "TIMESTAMP_NTZ",
    "variant": "VARIANT",
    "void": "NULL",
}


class TypeTextError(ValueError):
    """A text that names no type."""


def parse_type(text: str) -> Type:
    """The JSON form of a type's SQL text, such as `struct<a:int,b:array<string>>`. Raises TypeTextError."""
    parser = _Parser(text)
    found = parser.type()
    if parser.rest().strip():
        raise TypeTextError(f"no type: {text!r}")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def rest(self) -> str:
        return self._text[self._at :]

    def _word(self, pattern: str) -> str:
        found = re.compile(r"\s*(" + pattern + ")", re.IGNORECASE).match(self._text, self._at)
        if found is None:
            raise TypeTextError(f"no type: {self._text!r} at {self._at}")
        self._at = found.end()
        return found.group(1)

    def _has(self, pattern: str) -> str | None:
        found = re.compile(r"\s*(" + pattern + ")", re.IGNORECASE).match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found.group(1)

    def type(self) -> Type:
        if self._has(r"interval\b"):
            return "interval " + re.sub(r"\s+", " ", self._word(r"\w+(\s+to\s+\w+)?")).lower()
        name = self._word(r"[a-z_]+").lower()
        if name == "array":
            self._word("<")
            element = self.type()
            self._word(">")
            return {"type": "array", "elementType": element, "containsNull": True}
        if name == "map":
            self._word("<")
            key = self.type()
            self._word(",")
            value = self.type()
            self._word(">")
            return {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": True}
        if name == "struct":
            return self._struct()
        if name in ("decimal", "dec", "numeric"):
            arguments = self._has(r"\(\s*\d+\s*(,\s*\d+\s*)?\)")
            numbers = [int(part) for part in re.findall(r"\d+", arguments or "")] or [10]
            return f"decimal({numbers[0]},{numbers[1] if len(numbers) > 1 else 0})"
        if name in ("char", "character", "varchar"):
            length = re.findall(r"\d+", self._word(r"\(\s*\d+\s*\)"))[0]
            return f"{'varchar' if name == 'varchar' else 'char'}({length})"
        if name in ("geometry", "geography"):
            argument = self._has(r"\([^)]*\)") or "any"
            return f"{name}({argument.strip('() ')})"
        if name == "string" and self._has(r"collate\b"):
            collation = self._word(r"\w+")
            return f"string collate {collation}"
        if name in _NAMES_FROM_SQL:
            return _NAMES_FROM_SQL[name]
        raise TypeTextError(f"no type: {self._text!r}")

    def _struct(self) -> Type:
        fields: list[dict[str, Any]] = []
        self._word("<")
        while self._has(">") is None:
            if fields:
                self._word(",")
            name = self._word(r"`(?:[^`]|``)*`|[^\s:`<>,]+")
            if name.startswith("`"):
                name = name[1:-1].replace("``", "`")
            self._has(":")
            kind = self.type()
            nullable = self._has(r"not\s+null\b") is None
            fields.append({"name": name, "type": kind, "nullable": nullable, "metadata": {}})
        return {"type": "struct", "fields": fields}


def catalog_text(kind: Type) -> str:
    """Lower-case text as a catalog has it: `decimal(10,2)`, `struct<a:int,b:array<string>>`."""
    if isinstance(kind, str):
        return _SQL_FROM_NAMES.get(kind, kind)
    if kind["type"] == "array":
        return f"array<{catalog_text(kind['elementType'])}>"
    if kind["type"] == "map":
        return f"map<{catalog_text(kind['keyType'])},{catalog_text(kind['valueType'])}>"
    if kind["type"] == "struct":
        return "struct<" + ",".join(f"{_quoted(f['name'])}:{catalog_text(f['type'])}" for f in kind["fields"]) + ">"
    raise TypeTextError(f"no type: {kind!r}")


def statement_text(kind: Type) -> str:
    """Upper-case text as the manifest of a statement has it: `STRUCT<a: INT, b: ARRAY<STRING>>`."""
    if isinstance(kind, str):
        return _SQL_FROM_NAMES.get(kind, kind).upper()
    if kind["type"] == "array":
        return f"ARRAY<{statement_text(kind['elementType'])}>"
    if kind["type"] == "map":
        return f"MAP<{statement_text(kind['keyType'])}, {statement_text(kind['valueType'])}>"
    fields = ", ".join(f"{_quoted(f['name'])}: {statement_text(f['type'])}" for f in kind["fields"])
    return f"STRUCT<{fields}>"


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"\w+", name) else "`" + name.replace("`", "``") + "`"


@dataclass(frozen=True)
class TypeFacts:
    """`type_name` and its companions."""

    name: str
    precision: int | None = None
    scale: int | None = None
    interval: str | None = None


def type_facts(kind: Type) -> TypeFacts:
    """What `type_name`, `type_precision`, `type_scale` and `type_interval_type` say of a type."""
    if not isinstance(kind, str):
        return TypeFacts(kind["type"].upper())
    if kind.startswith("decimal("):
        precision, scale = (int(part) for part in re.findall(r"\d+", kind))
        return TypeFacts("DECIMAL", precision, scale)
    if kind.startswith("interval "):
        return TypeFacts("INTERVAL", interval=kind.removeprefix("interval ").upper())
    if kind.startswith("char("):
        return TypeFacts("CHAR")
    if kind.startswith(("varchar(", "string collate")):
        return TypeFacts("STRING")
    for spatial in ("geometry", "geography"):
        if kind.startswith(spatial):
            return TypeFacts(spatial.upper())
    return TypeFacts(_TYPE_NAMES[kind])


def catalog_column(declaration: dict[str, Any], position: int) -> dict[str, Any]:
    """A column as UC's TableInfo has it, from `{"name", "type", "nullable"?, "comment"?, ...}`.

    `"json": "scalar"` makes `type_json` the type alone instead of the whole field; both exist.
    """
    if "type_text" in declaration and "type" not in declaration:
        return {"position": position, "nullable": True, **declaration}
    kind = parse_type(declaration["type"])
    facts = type_facts(kind)
    nullable = bool(declaration.get("nullable", True))
    field = {
        "name": declaration["name"],
        "type": kind,
        "nullable": nullable,
        "metadata": declaration.get("metadata", {}),
    }
    shown: Any = kind if declaration.get("json") == "scalar" else field
    column: dict[str, Any] = {
        "name": declaration["name"],
        "type_text": catalog_text(kind),
        "type_json": json.dumps(shown, separators=(",", ":")),
        "type_name": facts.name,
        "type_precision": facts.precision if facts.precision is not None else 0,
        "type_scale": facts.scale if facts.scale is not None else 0,
        "type_interval_type": facts.interval,
        "position": position,
        "comment": declaration.get("comment"),
        "nullable": nullable,
        "partition_index": declaration.get("partition_index"),
        "mask": declaration.get("mask"),
    }
    return column


def column_from_delta(field: dict[str, Any], position: int, partitions: list[str]) -> dict[str, Any]:
    """A column from a field of a Delta log's schema."""
    facts = type_facts(field["type"])
    return {
        "name": field["name"],
        "type_text": catalog_text(field["type"]),
        "type_json": json.dumps(field, separators=(",", ":")),
        "type_name": facts.name,
        "type_precision": facts.precision or 0,
        "type_scale": facts.scale or 0,
        "type_interval_type": facts.interval,
        "position": position,
        "comment": field.get("metadata", {}).get("comment"),
        "nullable": field.get("nullable", True),
        "partition_index": partitions.index(field["name"]) if field["name"] in partitions else None,
        "mask": None,
    }
