"""Values as JSON_ARRAY and CSV write them: every value a text, NULL a null."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

Render = Callable[[Any], str]
_MICROSECONDS_PER_DAY = 86_400_000_000


def column_texts(column: pyarrow.Array, kind: Any, binary: str) -> list[str | None]:
    """One column's values as texts."""
    import pyarrow

    if pyarrow.types.is_duration(column.type):
        column = column.cast(pyarrow.int64())
    render = renderer(kind, binary)
    return [None if value is None else render(value) for value in column.to_pylist()]


def renderer(kind: Any, binary: str) -> Render:
    """The function that writes values of a type."""
    if not isinstance(kind, str):
        return lambda value: json.dumps(_nested(value, kind, binary), ensure_ascii=False, separators=(",", ":"))
    if kind == "boolean":
        return lambda value: "true" if value else "false"
    if kind == "double":
        return java_double
    if kind == "float":
        return java_float
    if kind.startswith("decimal"):
        return _decimal
    if kind == "binary":
        return (lambda value: bytes(value).hex().upper()) if binary == "hex" else _base64
    if kind == "timestamp":
        return _timestamp
    if kind == "timestamp_ntz":
        return lambda value: value.isoformat(timespec="milliseconds")
    if kind.startswith("interval"):
        return _months if "year" in kind or "month" in kind else _microseconds
    return str


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _decimal(value: Decimal) -> str:
    return format(value, "f")


def _timestamp(value: datetime.datetime) -> str:
    text = value.isoformat(timespec="milliseconds")
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def _months(value: int) -> str:
    sign, whole = ("-", -value) if value < 0 else ("", value)
    return f"{sign}{whole // 12}-{whole % 12}"


def _microseconds(value: int) -> str:
    sign, whole = ("-", -value) if value < 0 else ("", value)
    days, rest = divmod(whole, _MICROSECONDS_PER_DAY)
    seconds, fraction = divmod(rest, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{days} {hours:02}:{minutes:02}:{seconds:02}.{fraction:06}000"


def java_double(value: float) -> str:
    """As Java's Double.toString: 1.0, 1.0E10, NaN, -Infinity."""
    return _java_digits(value, repr(abs(value)))


def java_float(value: float) -> str:
    import numpy

    return _java_digits(value, str(numpy.format_float_scientific(numpy.float32(abs(value)), unique=True)))


def _java_digits(value: float, text: str) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    sign = "-" if str(value).startswith("-") else ""
    if value == 0:
        return sign + "0.0"
    decimal = Decimal(text)
    digits = "".join(str(digit) for digit in decimal.as_tuple().digits).rstrip("0") or "0"
    exponent = decimal.adjusted()
    if -3 <= exponent < 7:
        plain = format(decimal, "f")
        if "." in plain:
            plain = plain.rstrip("0")
        else:
            plain += "."
        return sign + (plain + "0" if plain.endswith(".") else plain)
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def _nested(value: Any, kind: Any, binary: str) -> Any:
    """Leaves of nested values are texts, as the service has them."""
    if value is None:
        return None
    if isinstance(kind, str):
        return renderer(kind, binary)(value)
    if kind["type"] == "array":
        return [_nested(item, kind["elementType"], binary) for item in value]
    if kind["type"] == "map":
        return {
            str(_nested(key, kind["keyType"], binary)): _nested(item, kind["valueType"], binary) for key, item in value
        }
    return {field["name"]: _nested(value[field["name"]], field["type"], binary) for field in kind["fields"]}
