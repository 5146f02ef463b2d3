"""A workspace for a test class, and plain HTTP to it."""

from __future__ import annotations

import http.client
import json
import unittest
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..application import Options, Workspace

ADMIN, ANA, NOBODY, GATEWAY = "dapi-admin-0000", "dapi-ana-0000", "dapi-nobody-0000", "dapi-gateway-0000"
WAREHOUSE, STOPPED = "abc123def4567890", "5709ed0000000000"
CLIENT_ID, CLIENT_SECRET = "6a7e0a11-0000-4000-8000-0000006a7e0a", "dose-gateway-secret"


@dataclass
class Answer:
    """A response, read whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(url: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own. Connection errors are raised as they come."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


class StandInTest(unittest.TestCase):
    """Starts one workspace for the class; each test begins with an empty journal and no faults."""

    options: dict[str, Any] = {}
    workspace: Workspace
    defaults: dict[str, Any]

    @classmethod
    def setUpClass(cls) -> None:
        cls.workspace = Workspace(Options(**cls.options))
        cls.workspace.start()
        cls.defaults = cls.workspace.world.settings.as_dict()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.workspace.stop()

    def setUp(self) -> None:
        self.control("POST", "settings", self.defaults)
        for what in ("requests", "faults", "scripts"):
            self.control("DELETE", what)

    def api(self, method: str, path: str, body: Any = None, token: str | None = ADMIN, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        content: bytes | None = None
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return send(self.workspace.world.addresses.api, method, path, content, sent)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        content = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"} if body is not None else {}
        answer = send(self.workspace.world.addresses.control, method, f"/__stand_in__/{path}", content, headers)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def settings(self, **changes: Any) -> None:
        self.control("POST", "settings", changes)

    def violations(self) -> list[str]:
        return [found["violation"] for found in self.control("GET", "violations")["violations"]]

    def execute(self, statement: str, token: str = ADMIN, status: int = 200, **more: Any) -> Any:
        body = {"statement": statement, "warehouse_id": WAREHOUSE, "wait_timeout": "50s", **more}
        answer = self.api("POST", "/api/2.0/sql/statements", body, token)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json

    def rows(self, statement: str, token: str = ADMIN, **more: Any) -> list[list[str | None]]:
        answer = self.execute(statement, token, **more)
        self.assertEqual(answer["status"]["state"], "SUCCEEDED", answer["status"])
        return list(answer["result"].get("data_array", []))

    def fetch(self, url: str, **headers: str) -> Answer:
        """A link, as a correct client fetches it."""
        parts = urlsplit(url)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return send(f"{parts.scheme}://{parts.netloc}", "GET", f"{parts.path}?{parts.query}", None, sent)
