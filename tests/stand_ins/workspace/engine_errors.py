"""Errors of the engine as a SQL warehouse words them: `[CLASS] text SQLSTATE: xxxxx`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .engine import EngineError


@dataclass(frozen=True)
class StatementError:
    """`status.error` and `status.sql_state`."""

    error_code: str
    message: str
    sql_state: str | None


# Sail tells neither class nor state; these words of its messages do.
_RULES: tuple[tuple[str, str, str], ...] = (
    (r"(table or view|table) not found", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
    (r"(database|schema) not found", "SCHEMA_NOT_FOUND", "42704"),
    (
        r"cannot resolve attribute|missing from the schema|cannot resolve",
        "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
        "42703",
    ),
    (r"invalid argument: found|expected something else|end of input|syntax error", "PARSE_SYNTAX_ERROR", "42601"),
    (r"remainder by zero", "REMAINDER_BY_ZERO", "22012"),
    (r"divide by zero|division by zero", "DIVIDE_BY_ZERO", "22012"),
    (r"can't cast value .* to type|out of range|overflow", "NUMERIC_VALUE_OUT_OF_RANGE", "22003"),
    (r"cannot cast string|cannot parse|error parsing|invalid .* format", "CAST_INVALID_INPUT", "22018"),
    (r"unknown function", "UNRESOLVED_ROUTINE", "42883"),
    (r"placeholder .* was not provided|no value found for placeholder", "UNBOUND_SQL_PARAMETER", "42P02"),
)


def statement_error(error: EngineError) -> StatementError:
    """What the statement's status says of a failure."""
    text = str(error)
    tagged = re.search(r"\[([A-Z][A-Z0-9_.]+)\]", text)
    text = text[tagged.start() :] if tagged is not None else text
    condition = error.condition or (tagged.group(1) if tagged else None)
    sql_state = error.sql_state
    if condition is None or sql_state is None:
        for pattern, rule_condition, rule_state in _RULES:
            if re.search(pattern, text, re.IGNORECASE):
                condition, sql_state = condition or rule_condition, sql_state or rule_state
                break
    if condition is None:
        return StatementError("BAD_REQUEST", text, None)
    body = text if tagged else f"[{condition}] {text}"
    if "SQLSTATE:" not in body and sql_state is not None:
        body += f" SQLSTATE: {sql_state}"
    # Parse errors of the service come without `sql_state`: only their message tells it.
    shown_state = None if condition == "PARSE_SYNTAX_ERROR" else sql_state
    return StatementError("BAD_REQUEST", body, shown_state)
