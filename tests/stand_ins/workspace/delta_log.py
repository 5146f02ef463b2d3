"""What a Delta table's log on local disk says about its schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .spark_types import column_from_delta


@dataclass
class DeltaMetadata:
    """The newest `metaData` and `protocol` actions of a log."""

    fields: list[dict[str, Any]]
    partitions: list[str]
    configuration: dict[str, str]
    version: int

    def columns(self) -> list[dict[str, Any]]:
        return [column_from_delta(field, place, self.partitions) for place, field in enumerate(self.fields)]


def local_folder(location: str) -> Path | None:
    """The folder of a `file:` URL or a plain path; None for any other location."""
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.scheme == "" and location.startswith("/"):
        return Path(location)
    return None


def read_delta_metadata(location: str) -> DeltaMetadata | None:
    """Reads JSON commits, staged ones too, and falls back on the newest checkpoint. None without a log."""
    folder = local_folder(location)
    if folder is None or not (folder / "_delta_log").is_dir():
        return None
    log = folder / "_delta_log"
    commits = sorted([*log.glob("[0-9]*.json"), *(log / "_staged_commits").glob("*.json")], key=lambda path: path.name)
    metadata: dict[str, Any] | None = None
    for commit in commits:
        for line in commit.read_text().splitlines():
            action = json.loads(line) if line.strip() else {}
            metadata = action.get("metaData", metadata)
    if metadata is None:
        metadata = _from_checkpoint(log)
    if metadata is None:
        return None
    versions = [int(path.name[:20]) for path in commits] or [0]
    return DeltaMetadata(
        json.loads(metadata["schemaString"])["fields"],
        list(metadata.get("partitionColumns") or []),
        dict(metadata.get("configuration") or {}),
        max(versions),
    )


def _from_checkpoint(log: Path) -> dict[str, Any] | None:
    import pyarrow.parquet

    for checkpoint in sorted(log.glob("*.checkpoint*.parquet"), reverse=True):
        table = pyarrow.parquet.read_table(checkpoint, columns=["metaData"])
        for row in table.column("metaData").to_pylist():
            if row is not None:
                row["configuration"] = dict(row.get("configuration") or [])
                return dict(row)
    return None
