"""/api/2.0/sql/warehouses."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from .paging import Pager
from .refusals import Refusal
from .routing import Call, Route
from .shapes import INT64, TEXT
from .warehouses import Warehouse, Warehouses
from .world import World

_BASE = "/api/2.0/sql/warehouses"


class WarehouseApi:
    """List, get, start and stop."""

    def __init__(self, world: World, warehouses: Warehouses) -> None:
        self._world = world
        self._warehouses = warehouses
        self._pager = Pager(world.settings, world.dialect)

    def routes(self) -> list[Route]:
        paging = {"page_size": INT64, "page_token": TEXT}
        empty: dict[str, Any] = {}
        return [
            Route("GET", _BASE, self._list, query=paging),
            Route("GET", f"{_BASE}/{{id}}", self._get),
            Route("POST", f"{_BASE}/{{id}}/start", self._start, body=empty, optional_body=True),
            Route("POST", f"{_BASE}/{{id}}/stop", self._stop, body=empty, optional_body=True),
        ]

    def _shown(self, warehouse: Warehouse) -> dict[str, Any]:
        address = urlsplit(self._world.addresses.api)
        return self._warehouses.as_dict(warehouse, address.hostname or "", address.port or 443)

    def _list(self, call: Call) -> dict[str, Any]:
        question = {"page_token": call.query.get("page_token")}
        if call.query.get("page_size") is not None:
            question["max_results"] = call.query["page_size"]
        page, following = self._pager.page(
            self._warehouses.all(), lambda warehouse: warehouse.identity, question, lambda warehouse: True
        )
        answer: dict[str, Any] = {"warehouses": [self._shown(warehouse) for warehouse in page]}
        if following is not None:
            answer["next_page_token"] = following
        return answer

    def _found(self, call: Call) -> Warehouse:
        warehouse = self._warehouses.find(call.path["id"])
        if warehouse is None:
            raise Refusal("resource_missing", f"The warehouse {call.path['id']} does not exist.")
        return warehouse

    def _get(self, call: Call) -> dict[str, Any]:
        return self._shown(self._found(call))

    def _start(self, call: Call) -> dict[str, Any]:
        self._warehouses.start(self._found(call).identity)
        return {}

    def _stop(self, call: Call) -> dict[str, Any]:
        self._warehouses.set_state(self._found(call).identity, "STOPPED")
        return {}
