"""What parameters and bodies may hold, and the errors for anything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .refusals import Refusal, violation

_LARGEST_INT64 = 2**63 - 1


@dataclass(frozen=True)
class Field:
    """One member of a body or one query parameter.

    Kinds: string, int64, boolean, object, array, strings (an array of strings), string_map, uuid.
    """

    kind: str = "string"
    required: bool = False
    choices: tuple[str, ...] = ()
    # For arrays of objects: the shape of each.
    items: dict[str, Field] | None = None
    # Whether `null` counts as left out.
    nullable: bool = True


Shape = dict[str, Field]

TEXT = Field()
REQUIRED_TEXT = Field(required=True)
INT64 = Field("int64")
BOOLEAN = Field("boolean")
STRING_MAP = Field("string_map")
PAGING: Shape = {"max_results": INT64, "page_token": TEXT}


def checked_query(pairs: list[tuple[str, str]], shape: Shape) -> dict[str, Any]:
    """The query's parameters by name, converted. Unknown, repeated, missing or ill-typed ones are refused."""
    values: dict[str, Any] = {}
    for name, text in pairs:
        field = shape.get(name)
        if field is None:
            raise violation("unknown_query_parameter", f"Unknown parameter '{name}'")
        if name in values:
            raise violation("repeated_query_parameter", f"Parameter '{name}' stands twice")
        values[name] = _from_text(name, text, field)
    for name, field in shape.items():
        if field.required and name not in values:
            raise violation("missing_parameter", f"Missing required field: {name}")
    return values


def checked_body(body: dict[str, Any], shape: Shape, where: str = "") -> dict[str, Any]:
    """The body's members by name. Unknown, missing or ill-typed ones are refused."""
    values: dict[str, Any] = {}
    for name, value in body.items():
        field = shape.get(name)
        if field is None:
            raise violation("unknown_field", f"Unknown field '{where}{name}'")
        if value is None and field.nullable:
            continue
        _check_value(where + name, value, field)
        values[name] = value
    for name, field in shape.items():
        if field.required and name not in values:
            raise violation("missing_parameter", f"Missing required field: {where}{name}")
    return values


def _from_text(name: str, text: str, field: Field) -> Any:
    if field.kind == "int64":
        try:
            number = int(text)
        except ValueError:
            raise violation("bad_parameter_type", f'For input string: "{text}"') from None
        if abs(number) > _LARGEST_INT64:
            raise violation("bad_parameter_type", f"Parameter '{name}' is out of range")
        return number
    if field.kind == "boolean":
        if text not in ("true", "false"):
            raise violation("bad_parameter_type", f"Parameter '{name}' must be true or false")
        return text == "true"
    if field.choices and text not in field.choices:
        raise _not_a_choice(name, text, field)
    return text


def _check_value(name: str, value: Any, field: Field) -> None:
    matches = {
        "string": lambda: isinstance(value, str),
        "uuid": lambda: isinstance(value, str),
        "int64": lambda: isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INT64,
        "boolean": lambda: isinstance(value, bool),
        "object": lambda: isinstance(value, dict),
        "array": lambda: isinstance(value, list),
        "strings": lambda: isinstance(value, list) and all(isinstance(item, str) for item in value),
        "string_map": lambda: isinstance(value, dict) and all(isinstance(item, str) for item in value.values()),
    }[field.kind]
    if not matches():
        raise violation("bad_parameter_type", f"Field '{name}' must be of type {field.kind}", "malformed")
    if field.choices and value not in field.choices:
        raise _not_a_choice(name, value, field)
    if field.kind == "array" and field.items is not None:
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                raise violation("bad_parameter_type", f"Field '{name}[{index}]' must be an object", "malformed")
            checked_body(item, field.items, f"{name}[{index}].")


def _not_a_choice(name: str, value: str, field: Field) -> Refusal:
    return violation("bad_enum_value", f"'{value}' is no value of '{name}': {', '.join(field.choices)}")
