"""SQL warehouses: their states, and starting."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from .clock import Clock
from .settings import Settings


@dataclass
class Warehouse:
    """One SQL warehouse."""

    identity: str
    name: str
    state: str = "RUNNING"
    warehouse_type: str = "PRO"
    serverless: bool = True
    # When STARTING ends by itself; None: when a control call says so.
    ready_at: float | None = None


class Warehouses:
    """All warehouses; executing a statement starts a stopped one."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings
        self._lock = threading.RLock()
        self._by_id: dict[str, Warehouse] = {}

    def add(self, warehouse: Warehouse) -> None:
        with self._lock:
            self._by_id[warehouse.identity] = warehouse
        self._clock.wake()

    def find(self, identity: str) -> Warehouse | None:
        with self._lock:
            warehouse = self._by_id.get(identity)
            if warehouse is not None:
                self._settle(warehouse)
            return warehouse

    def all(self) -> list[Warehouse]:
        with self._lock:
            for warehouse in self._by_id.values():
                self._settle(warehouse)
            return sorted(self._by_id.values(), key=lambda warehouse: warehouse.identity)

    def _settle(self, warehouse: Warehouse) -> None:
        if warehouse.state == "STARTING" and warehouse.ready_at is not None and warehouse.ready_at <= self._clock.now():
            warehouse.state = "RUNNING"

    def start(self, identity: str) -> None:
        """Starts a stopped warehouse; nothing happens to one that runs or starts."""
        with self._lock:
            warehouse = self._by_id[identity]
            if warehouse.state in ("STOPPED", "STOPPING"):
                seconds = self._settings.warehouse_start_seconds
                warehouse.state = "STARTING"
                warehouse.ready_at = self._clock.now() + seconds if seconds >= 0 else None
            self._settle(warehouse)

    def set_state(self, identity: str, state: str) -> None:
        with self._lock:
            self._by_id[identity].state = state
        self._clock.wake()

    def is_running(self, identity: str) -> bool:
        warehouse = self.find(identity)
        return warehouse is not None and warehouse.state == "RUNNING"

    def ready_at(self, identity: str) -> float | None:
        """When the warehouse will be ready by itself, if that is known."""
        warehouse = self.find(identity)
        return warehouse.ready_at if warehouse is not None and warehouse.state == "STARTING" else None

    def as_dict(self, warehouse: Warehouse, host: str, port: int) -> dict[str, Any]:
        """The warehouse as the API shows it."""
        path = f"/sql/1.0/warehouses/{warehouse.identity}"
        running = warehouse.state == "RUNNING"
        return {
            "id": warehouse.identity,
            "name": warehouse.name,
            "cluster_size": "2X-Small",
            "min_num_clusters": 1,
            "max_num_clusters": 1,
            "auto_stop_mins": 10,
            "auto_resume": True,
            "state": warehouse.state,
            "warehouse_type": warehouse.warehouse_type,
            "enable_serverless_compute": warehouse.serverless,
            "enable_photon": True,
            "num_clusters": 1 if running else 0,
            "num_active_sessions": 0,
            "creator_name": "admin@example.com",
            "jdbc_url": f"jdbc:databricks://{host}:{port}/default;transportMode=http;ssl=1;AuthMech=3;httpPath={path};",
            "odbc_params": {"hostname": host, "path": path, "protocol": "https", "port": port},
            "health": {"status": "HEALTHY"} if running else {},
            "channel": {"name": "CHANNEL_NAME_CURRENT"},
            "tags": {},
        }
