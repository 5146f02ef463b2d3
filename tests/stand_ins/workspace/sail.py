"""Sail, a Spark Connect server, inside this process: started when first needed."""

from __future__ import annotations

import os
import threading
from typing import Any


class Sail:
    """One Sail server per set of catalogs: Sail learns its catalogs only when it starts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._catalogs: frozenset[str] = frozenset()
        # Servers of earlier sets stay for the sessions that still use them.
        self._servers: list[Any] = []
        self._address = ""

    def address(self, catalogs: frozenset[str]) -> str:
        """Where a server listens that knows at least these catalogs."""
        with self._lock:
            if not self._servers or not catalogs <= self._catalogs:
                self._catalogs |= catalogs
                self._address = self._start(sorted(self._catalogs))
            return self._address

    def _start(self, catalogs: list[str]) -> str:
        listed = ",".join(
            '{type="memory",name="%s",initial_database=["default"]}' % name.replace("\\", "\\\\").replace('"', '\\"')
            for name in catalogs
        )
        os.environ["SAIL_CATALOG__LIST"] = f"[{listed}]"
        os.environ["SAIL_CATALOG__DEFAULT_CATALOG"] = catalogs[0]
        os.environ.setdefault("RUST_LOG", "error")
        from pysail.spark import SparkConnectServer

        server = SparkConnectServer("127.0.0.1", 0)
        server.start(background=True)
        self._servers.append(server)
        host, port = server.listening_address
        return f"sc://{host}:{port}"

    def stop(self) -> None:
        with self._lock:
            for server in self._servers:
                server.stop()
            self._servers.clear()
