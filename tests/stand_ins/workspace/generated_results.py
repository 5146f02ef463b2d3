"""Large results without the engine, for measurements: rows made by a rule, as fast as memory allows."""

from __future__ import annotations

from typing import Any

from .engine import EngineAnswer

_ROWS_PER_BATCH = 65_536


def generated(rule: dict[str, Any]) -> EngineAnswer:
    """`{"rows": n, "numbers"?: columns of BIGINT (3), "text_length"?: a STRING column of that many letters}`.

    Column `n0` counts from 0; `n1`, `n2` ... are its multiples by 2, 3 ...; `text` repeats the count's last digits.
    """
    import numpy
    import pyarrow

    unknown = set(rule) - {"rows", "numbers", "text_length"}
    if unknown or not isinstance(rule.get("rows"), int):
        raise ValueError(f"generated results take rows, numbers and text_length: {rule!r}")
    rows, numbers, length = rule["rows"], int(rule.get("numbers", 3)), int(rule.get("text_length", 0))
    columns: list[tuple[str, Any]] = [(f"n{place}", "long") for place in range(numbers)]
    if length:
        columns.append(("text", "string"))
        words = pyarrow.array([str(number).rjust(length, "x")[-length:] for number in range(_ROWS_PER_BATCH)])
    answer = EngineAnswer(columns)
    for start in range(0, rows, _ROWS_PER_BATCH):
        count = min(_ROWS_PER_BATCH, rows - start)
        base = numpy.arange(start, start + count, dtype=numpy.int64)
        arrays: list[Any] = [pyarrow.array(base * (place + 1)) for place in range(numbers)]
        if length:
            arrays.append(words.slice(0, count))
        answer.batches.append(pyarrow.RecordBatch.from_arrays(arrays, names=[name for name, _ in columns]))
    return answer
