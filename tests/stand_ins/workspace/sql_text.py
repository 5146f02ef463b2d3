"""Just enough of SQL's letters to find names in a statement, and to replace some."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*.*?\*/)
  | (?P<space>\s+)
  | (?P<string>[rR]?'(?:[^'\\]|\\.|'')*'|[rR]?"(?:[^"\\]|\\.|"")*")
  | (?P<quoted>`(?:[^`]|``)*`)
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<word>[^\W\d]\w*)
  | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A piece of the text; `name` is an identifier's name without its quotes."""

    kind: str
    text: str

    @property
    def name(self) -> str:
        if self.kind == "quoted":
            return self.text[1:-1].replace("``", "`")
        return self.text

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.upper() in words


def tokens(text: str) -> list[Token]:
    """The whole text in pieces; joined again they are the text."""
    return [Token(str(found.lastgroup), found.group()) for found in _TOKEN.finditer(text)]


def significant(text: str) -> list[Token]:
    """Without spaces and comments."""
    return [token for token in tokens(text) if token.kind not in ("space", "comment")]


def names_in(text: str) -> set[str]:
    """Every identifier of the text in lower case: what might be the last part of a table's name."""
    return {token.name.lower() for token in tokens(text) if token.kind in ("word", "quoted")}


def quote(name: str) -> str:
    """A name between backticks."""
    return "`" + name.replace("`", "``") + "`"


def quote_text(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def dotted_name(pieces: list[Token], start: int) -> tuple[list[str], int]:
    """The parts of a name such as a.`b`.c at a place, and the place after it."""
    parts: list[str] = []
    place = start
    while place < len(pieces) and pieces[place].kind in ("word", "quoted"):
        parts.append(pieces[place].name)
        place += 1
        if place < len(pieces) and pieces[place].text == ".":
            place += 1
            continue
        break
    return parts, place


def with_identity(text: str, user: str, groups: set[str]) -> str:
    """Replaces functions about the caller, which the engine does not know, by their values."""
    pieces = tokens(text)
    result: list[str] = []
    place = 0
    while place < len(pieces):
        token = pieces[place]
        call = _call_at(pieces, place)
        if call is not None and token.is_word("CURRENT_USER", "SESSION_USER", "USER") and call[0] == []:
            result.append(quote_text(user))
            place = call[1]
        elif call is not None and token.is_word("IS_ACCOUNT_GROUP_MEMBER", "IS_MEMBER") and len(call[0]) == 1:
            result.append("true" if call[0][0].text[1:-1] in groups else "false")
            place = call[1]
        else:
            result.append(token.text)
            place += 1
    return "".join(result)


def _call_at(pieces: list[Token], start: int) -> tuple[list[Token], int] | None:
    """The arguments of `name(...)` that begins here, and the place after it."""
    place = start + 1
    while place < len(pieces) and pieces[place].kind == "space":
        place += 1
    if place >= len(pieces) or pieces[place].text != "(":
        return None
    arguments: list[Token] = []
    place += 1
    while place < len(pieces) and pieces[place].text != ")":
        if pieces[place].text == "(":
            return None
        if pieces[place].kind != "space":
            arguments.append(pieces[place])
        place += 1
    return arguments, place + 1
