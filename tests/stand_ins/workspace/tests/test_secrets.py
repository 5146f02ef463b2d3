"""The secrets API, by the SDK."""

from __future__ import annotations

import base64

from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import NotFound, PermissionDenied

from .stand_in import ADMIN, GATEWAY, StandInTest


class Secrets(StandInTest):
    def client(self, token: str) -> WorkspaceClient:
        return WorkspaceClient(config=Config(host=self.workspace.world.addresses.api, token=token, auth_type="pat"))

    def test_reading(self) -> None:
        client = self.client(GATEWAY)
        value = client.secrets.get_secret("lake", "password").value or ""
        self.assertEqual(base64.b64decode(value).decode(), "s3cr3t-välue")
        self.assertEqual([scope.name for scope in client.secrets.list_scopes()], ["lake"])
        self.assertEqual([secret.key for secret in client.secrets.list_secrets("lake")], ["client", "password"])
        with self.assertRaises(NotFound):
            client.secrets.get_secret("lake", "nope")
        with self.assertRaises(NotFound):
            client.secrets.get_secret("nope", "nope")
        with self.assertRaises(PermissionDenied):
            client.secrets.get_secret("hidden", "key")
        self.assertEqual(self.violations(), [])

    def test_writing(self) -> None:
        client = self.client(ADMIN)
        client.secrets.create_scope("new")
        client.secrets.put_secret("new", "k", string_value="v")
        self.assertEqual(client.secrets.get_secret("new", "k").value, base64.b64encode(b"v").decode())
        client.secrets.delete_secret("new", "k")
        client.secrets.delete_scope("new")
        with self.assertRaises(NotFound):
            client.secrets.get_secret("new", "k")
