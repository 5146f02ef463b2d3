"""Vended credentials: every shape, and every refusal."""

from __future__ import annotations

from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.service.catalog import TableOperation

from .stand_in import ADMIN, ANA, GATEWAY, Answer, StandInTest

UC = "/api/2.1/unity-catalog"
DENIED = "UNITY_CATALOG_EXTERNAL_GENERATE_TABLE_CREDENTIALS_DENIED"


class UnityCredentials(StandInTest):
    def table_id(self, name: str) -> str:
        return str(self.api("GET", f"{UC}/tables/{name}").json["table_id"])

    def vend(self, name: str, operation: str = "READ", token: str = GATEWAY, version: str = "2.0") -> Answer:
        body = {"table_id": self.table_id(name), "operation": operation}
        return self.api("POST", f"/api/{version}/unity-catalog/temporary-table-credentials", body, token)

    def test_one_credential_of_each_cloud(self) -> None:
        shapes = {
            "on_aws": ("aws_temp_credentials", {"access_key_id", "secret_access_key", "session_token"}),
            "on_azure": ("azure_user_delegation_sas", {"sas_token"}),
            "on_azure_aad": ("azure_aad", {"aad_token"}),
            "on_gcp": ("gcp_oauth_token", {"oauth_token"}),
            "on_r2": ("r2_temp_credentials", {"access_key_id", "secret_access_key", "session_token"}),
        }
        for name, (member, fields) in shapes.items():
            for version in ("2.0", "2.1"):
                answer = self.vend(f"main.clouds.{name}", version=version).json
                self.assertEqual(set(answer), {member, "expiration_time", "url"}, name)
                self.assertEqual(set(answer[member]), fields)
        self.assertFalse(
            self.vend("main.clouds.on_azure").json["azure_user_delegation_sas"]["sas_token"].startswith("?")
        )
        vended = self.control("GET", "credentials")["credentials"]
        self.assertEqual(vended[0]["prefix"], "s3://stand-in/aws")

    def test_files_on_this_machine_are_written_when_asked_for(self) -> None:
        client = WorkspaceClient(config=Config(host=self.workspace.world.addresses.api, token=GATEWAY, auth_type="pat"))
        answer = client.temporary_table_credentials.generate_temporary_table_credentials(
            operation=TableOperation.READ, table_id=self.table_id("main.default.no_columns")
        )
        assert answer.url is not None
        from ..delta_log import read_delta_metadata

        self.assertIsNotNone(read_delta_metadata(answer.url))

    def test_expiry_follows_the_setting_and_the_clock(self) -> None:
        self.settings(credential_lifetime=90)
        before = self.control("POST", "clock", {"advance_seconds": 0})["now"]
        ends = self.vend("main.clouds.on_aws").json["expiration_time"] / 1000
        self.assertAlmostEqual(ends - before, 90, delta=30)
        self.control("POST", "clock", {"advance_seconds": 1000})
        self.assertGreater(self.vend("main.clouds.on_aws").json["expiration_time"] / 1000, before + 1080)

    def refused(self, answer: Answer, status: int, code: str, words: str) -> None:
        self.assertEqual((answer.status, answer.json["error_code"]), (status, code), answer.body)
        self.assertIn(words, answer.json["message"])

    def test_refusals(self) -> None:
        self.refused(self.vend("main.governed.filtered"), 403, "PERMISSION_DENIED", "row filters")
        self.refused(self.vend("main.governed.masked"), 403, "PERMISSION_DENIED", "column masks")
        self.refused(self.vend("main.governed.by_policy"), 403, "PERMISSION_DENIED", "cannot be generated")
        for name in ("materialized", "streamed", "foreign_orders", "metric"):
            self.refused(self.vend(f"main.governed.{name}"), 400, "INVALID_PARAMETER_VALUE", "not supported")
        self.refused(self.vend("main.default.north_orders"), 400, "INVALID_PARAMETER_VALUE", "VIEW")
        self.refused(self.vend("main.clouds.denied"), 403, "PERMISSION_DENIED", "EXTERNAL USE SCHEMA")
        self.refused(self.vend("main.default.orders", token=ANA), 403, "PERMISSION_DENIED", "EXTERNAL USE SCHEMA")
        self.refused(self.vend("main.hidden.salaries"), 404, "TABLE_DOES_NOT_EXIST", "does not exist")
        self.assertEqual(self.violations(), [])

    def test_a_policy_depends_on_the_caller(self) -> None:
        state = {
            "grants": [
                {"on": "schema", "name": "main.governed", "principal": "admins", "privileges": ["EXTERNAL_USE_SCHEMA"]}
            ]
        }
        self.control("POST", "state", state)
        self.assertEqual(self.vend("main.governed.by_policy", token=ADMIN).status, 200)
        self.assertEqual(self.vend("main.governed.filtered", token=ADMIN).status, 403)

    def test_rights_of_ownership_do_not_reach_outside(self) -> None:
        self.refused(self.vend("main.clouds.on_aws", token=ADMIN), 403, "PERMISSION_DENIED", "EXTERNAL USE SCHEMA")

    def test_a_metastore_that_is_closed_looks_like_a_failed_login(self) -> None:
        for answer in (self.vend("main.clouds.metastore_says_no"), self._closed()):
            self.assertEqual((answer.status, answer.json["error_code"]), (401, "UNAUTHENTICATED"))
            details = answer.json["details"][0]
            self.assertEqual((details["reason"], details["domain"]), (DENIED, "unity-catalog.databricks.com"))
            self.assertIn("tableId", details["metadata"])

    def _closed(self) -> Answer:
        self.settings(external_access_enabled=False)
        return self.vend("main.clouds.on_aws")

    def test_an_answer_without_a_credential(self) -> None:
        answer = self.vend("main.clouds.without_credential")
        self.assertEqual((answer.status, set(answer.json)), (200, {"expiration_time", "url"}))

    def test_writing(self) -> None:
        self.assertEqual(self.vend("main.clouds.on_aws", "READ_WRITE").status, 200)
        self.refused(self.vend("main.default.orders", "READ_WRITE"), 400, "INVALID_PARAMETER_VALUE", "catalog commits")

    def test_what_is_malformed(self) -> None:
        path = "/api/2.0/unity-catalog/temporary-table-credentials"
        for body, violation in (
            ({"operation": "READ"}, "missing_parameter"),
            ({"table_id": "x", "operation": "READ"}, "bad_table_id"),
            ({"table_id": "00000000-0000-0000-0000-000000000000", "operation": "STEAL"}, "bad_enum_value"),
        ):
            self.control("DELETE", "requests")
            self.assertEqual(self.api("POST", path, body).status, 400)
            self.assertEqual(self.violations(), [violation])
        body = {"table_id": "00000000-0000-0000-0000-000000000000", "operation": "READ"}
        self.assertEqual(self.api("POST", path, body).json["error_code"], "TABLE_DOES_NOT_EXIST")

    def test_paths(self) -> None:
        path = "/api/2.0/unity-catalog/temporary-path-credentials"
        body = {"url": "s3://stand-in/some/place", "operation": "PATH_READ"}
        self.assertIn("aws_temp_credentials", self.api("POST", path, body, GATEWAY).json)
        self.refused(self.api("POST", path, body, ANA), 403, "PERMISSION_DENIED", "EXTERNAL USE LOCATION")
        hidden = self.api("GET", f"{UC}/tables/main.governed.filtered").json["storage_location"]
        body = {"url": hidden, "operation": "PATH_READ"}
        self.refused(self.api("POST", path, body, GATEWAY), 403, "PERMISSION_DENIED", "not allowed")
