"""Fills tables that the state declares by a query, when their files are first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from .catalog import TableEntry
from .catalog_managed import make_catalog_managed
from .delta_log import local_folder, read_delta_metadata
from .world import World


class Materialiser:
    """Has the engine write a table's Delta files once."""

    def __init__(
        self, world: World, write: Callable[[str, str, list[str]], None], append: Callable[[str, str], None]
    ) -> None:
        self._world = world
        # (query, folder, partition columns): writes the query's rows as a new Delta table.
        self._write = write
        # (query, folder): one more commit.
        self._append = append
        self._lock = threading.Lock()

    def ensure(self, entry: TableEntry) -> None:
        """Writes the files if the table is declared by a query and has none yet."""
        location = entry.engine_location
        if entry.rows is None or location is None:
            return
        folder = local_folder(location)
        if folder is None:
            return
        with self._lock:
            if (folder / "_delta_log").is_dir():
                return
            partitions = [
                column["name"]
                for column in sorted(entry.columns, key=lambda column: column.get("partition_index") or 0)
                if column.get("partition_index") is not None
            ]
            self._write(entry.rows, str(folder), partitions)
            if entry.staged_rows:
                self._stage(entry, folder)
            found = read_delta_metadata(location)
            if found is not None and not entry.columns:
                entry.columns = found.columns()

    def _stage(self, entry: TableEntry, folder: Path) -> None:
        target = local_folder(entry.storage_location or "")
        if target is None:
            raise ValueError(f"{entry.full_name}: staged_rows need a storage_location on this machine")
        for query in entry.staged_rows:
            self._append(query, str(folder))
        managed = make_catalog_managed(folder, target, entry.table_id)
        entry.commits, entry.latest_version = managed.commits, managed.latest_version
        entry.properties = {**entry.properties, **managed.properties}

    def ensure_all(self) -> int:
        """Writes what is missing of every table; how many tables are declared by a query."""
        entries = [entry for entry in self._world.catalogs.all_tables() if entry.rows is not None]
        for entry in entries:
            self.ensure(entry)
        return len(entries)
