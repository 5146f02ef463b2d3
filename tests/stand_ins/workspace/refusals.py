"""Errors that the stand-in answers, by kind; `dialect.py` knows how each service spells a kind."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Refusal(Exception):
    """A request that is answered with an error.

    `violation` marks what a correct client never does; it is written down for tests to assert on.
    """

    kind: str
    message: str
    # "service" is the REST error of the workspace; "oauth" and "delta" are the two other shapes.
    shape: str = "service"
    reason: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    headers: list[tuple[str, str]] = field(default_factory=list)
    violation: str | None = None
    # Only for kinds whose answer differs from the table, such as a status that a fault prescribes.
    status: int | None = None
    error_code: str | int | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


def violation(name: str, message: str, kind: str = "invalid_parameter") -> Refusal:
    """A refusal of something that a correct client never sends."""
    return Refusal(kind, message, violation=name)


def oauth_refusal(code: str, description: str, status: int = 400, name: str | None = None) -> Refusal:
    """An error of a token endpoint, as RFC 6749 section 5.2 has it."""
    return Refusal("oauth", description, shape="oauth", status=status, error_code=code, violation=name)
