"""Makes a catalog-managed Delta table out of a plain one: its newest commits are known to the catalog alone.

The first version is published; each later one lies in `_delta_log/_staged_commits/` and is ratified in
the catalog's list. One more staged file is not ratified: its being there proves nothing.
"""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROTOCOL = {
    "minReaderVersion": 3,
    "minWriterVersion": 7,
    "readerFeatures": ["catalogManaged", "vacuumProtocolCheck"],
    "writerFeatures": ["catalogManaged", "inCommitTimestamp", "vacuumProtocolCheck", "appendOnly", "invariants"],
}


@dataclass(frozen=True)
class Managed:
    """What the catalog has to say of such a table."""

    commits: list[dict[str, Any]]
    latest_version: int
    properties: dict[str, str]


def make_catalog_managed(plain: Path, target: Path, table_id: str) -> Managed:
    """Copies the table `plain` to `target` and changes the copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(plain, target, ignore=shutil.ignore_patterns("*.crc", "_last_checkpoint"))
    log = target / "_delta_log"
    staged = log / "_staged_commits"
    staged.mkdir()
    configuration = {"delta.enableInCommitTimestamps": "true", "io.unitycatalog.tableId": table_id}
    commits: list[dict[str, Any]] = []
    moment = 0
    for path in sorted(log.glob("[0-9]*.json")):
        version = int(path.stem)
        actions = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        # In-commit timestamps grow from version to version.
        moment = max(moment + 1, int(actions[0]["commitInfo"]["timestamp"]))
        _change(actions, configuration, moment)
        text = "".join(json.dumps(action) + "\n" for action in actions)
        if version == 0:
            path.write_text(text)
            continue
        path.unlink()
        file = staged / f"{version:020}.{uuid.uuid4()}.json"
        file.write_text(text)
        status = file.stat()
        commits.append(
            {
                "version": version,
                "timestamp": moment,
                "file_name": file.name,
                "file_size": status.st_size,
                "file_modification_timestamp": int(status.st_mtime * 1000),
            }
        )
    latest = len(commits)
    (staged / f"{latest + 1:020}.{uuid.uuid4()}.json").write_text(_never_ratified(moment + 1))
    features = {f"delta.feature.{name}": "supported" for name in _PROTOCOL["writerFeatures"]}  # type: ignore[attr-defined]
    properties = {
        **configuration,
        **features,
        "delta.minReaderVersion": "3",
        "delta.minWriterVersion": "7",
        "delta.lastUpdateVersion": str(latest),
        "delta.lastCommitTimestamp": str(moment),
    }
    return Managed(commits, latest, properties)


def _change(actions: list[dict[str, Any]], configuration: dict[str, str], moment: int) -> None:
    for action in actions:
        if "commitInfo" in action:
            action["commitInfo"] = {"inCommitTimestamp": moment, **action["commitInfo"], "txnId": str(uuid.uuid4())}
        if "protocol" in action:
            action["protocol"] = _PROTOCOL
        if "metaData" in action:
            action["metaData"]["configuration"] = {**action["metaData"].get("configuration", {}), **configuration}


def _never_ratified(moment: int) -> str:
    """A commit that would add a file that does not exist."""
    information = {
        "commitInfo": {
            "inCommitTimestamp": moment,
            "timestamp": moment,
            "operation": "WRITE",
            "txnId": str(uuid.uuid4()),
        }
    }
    added = {
        "path": "never-ratified.parquet",
        "partitionValues": {},
        "size": 1,
        "modificationTime": moment,
        "dataChange": True,
    }
    return json.dumps(information) + "\n" + json.dumps({"add": added}) + "\n"
