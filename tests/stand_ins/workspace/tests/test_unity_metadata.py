"""Listing and reading names, by the official SDK and by hand."""

from __future__ import annotations

import json
from urllib.parse import quote

from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import NotFound, PermissionDenied

from ..delta_log import read_delta_metadata
from .stand_in import ADMIN, ANA, GATEWAY, NOBODY, StandInTest

UC = "/api/2.1/unity-catalog"


class UnityMetadata(StandInTest):
    def client(self, token: str = GATEWAY) -> WorkspaceClient:
        return WorkspaceClient(config=Config(host=self.workspace.world.addresses.api, token=token, auth_type="pat"))

    def test_lists_page_by_page_through_empty_pages(self) -> None:
        whole = [table.full_name for table in self.client().tables.list("main", "default")]
        self.settings(page_size_limit=2, empty_page_every=2)
        pages = [table.full_name for table in self.client().tables.list("main", "default", max_results=0)]
        self.assertEqual(pages, whole)
        self.assertGreater(len(whole), 4)
        first = self.api("GET", f"{UC}/tables?catalog_name=main&schema_name=default&max_results=1").json
        second = self.api(
            "GET",
            f"{UC}/tables?catalog_name=main&schema_name=default&max_results=1&page_token={first['next_page_token']}",
        ).json
        self.assertEqual(second["tables"], [])
        self.assertTrue(second["next_page_token"])
        self.assertEqual(self.violations(), [])

    def test_what_is_not_granted_is_not_listed(self) -> None:
        self.assertEqual([c.name for c in self.client().catalogs.list()], ["main", "samples"])
        self.assertEqual([c.name for c in self.client(ADMIN).catalogs.list()], ["forbidden", "main", "samples"])
        self.assertEqual([c.name for c in self.client(NOBODY).catalogs.list()], ["samples"])
        with self.assertRaises(PermissionDenied):
            self.client().catalogs.get("forbidden")
        with self.assertRaises(NotFound):
            self.client().tables.get("main.hidden.salaries")

    def test_names_have_no_case_and_need_no_quotes(self) -> None:
        self.assertEqual(self.client().tables.get("MAIN.Default.ORDERS").full_name, "main.default.orders")
        self.assertEqual(self.client().tables.get("main.default.with space").name, "with space")
        self.assertEqual(self.api("GET", f"{UC}/tables/{quote('main.default.with space', safe='')}").status, 200)

    def test_summaries_take_patterns(self) -> None:
        found = self.client(ADMIN).tables.list_summaries(
            "main", schema_name_pattern="gov%", table_name_pattern="f%_____s"
        )
        self.assertEqual([table.full_name for table in found], ["main.governed.foreign_orders"])

    def test_kinds_of_tables(self) -> None:
        listed = self.api("GET", f"{UC}/tables?catalog_name=main&schema_name=governed&max_results=0").json["tables"]
        kinds = {table["name"]: table["table_type"] for table in listed}
        self.assertEqual(kinds["of_tomorrow"], "HOLOGRAPHIC_TABLE")
        self.assertEqual(
            {kinds[name] for name in ("materialized", "streamed", "foreign_orders", "metric")},
            {"MATERIALIZED_VIEW", "STREAMING_TABLE", "FOREIGN", "METRIC_VIEW"},
        )
        by_name = {table["name"]: table for table in listed}
        self.assertIn("row_filter", by_name["filtered"])
        self.assertIn("mask", by_name["masked"]["columns"][1])
        # An ABAC policy shows in no table.
        self.assertNotIn("row_filter", by_name["by_policy"])
        policies = self.api("GET", f"{UC}/policies/table/main.governed.by_policy").json["policies"]
        self.assertEqual([policy["name"] for policy in policies], ["only_small_ids"])

    def test_columns_of_every_type_in_both_spellings(self) -> None:
        columns = {column.name: column for column in self.client().tables.get("main.default.all_types").columns or []}
        self.assertEqual(columns["c_tinyint"].type_json, '"byte"')
        self.assertEqual(json.loads(columns["c_int"].type_json or "")["type"], "integer")
        self.assertEqual((columns["c_decimal"].type_precision, columns["c_decimal"].type_scale), (18, 2))
        self.assertEqual(columns["c_nested"].type_text, "array<struct<name:string,tags:array<string>>>")
        self.assertEqual(self.client().tables.get("main.default.no_columns").columns, [])
        raw = self.api("GET", f"{UC}/tables/main.default.orders").json["columns"]
        self.assertEqual([c["name"] for c in raw if "partition_index" in c], ["region"])

    def test_declared_columns_are_those_of_the_files(self) -> None:
        """The default state says of its tables what their Delta logs say."""
        self.control("POST", "materialise")
        for entry in self.workspace.world.catalogs.all_tables():
            if entry.rows is None or entry.engine_location is None or not entry.columns:
                continue
            found = read_delta_metadata(entry.engine_location)
            assert found is not None, entry.full_name
            shape = [(c["name"], c["type_text"], c["partition_index"]) for c in entry.columns]
            self.assertEqual(shape, [(c["name"], c["type_text"], c["partition_index"]) for c in found.columns()])

    def test_manifests_only_on_request(self) -> None:
        table = self.client().tables.get("main.default.orders", include_manifest_capabilities=True)
        assert table.securable_kind_manifest is not None
        self.assertEqual(table.securable_kind_manifest.capabilities, ["HAS_DIRECT_EXTERNAL_ENGINE_READ_SUPPORT"])
        filtered = self.client().tables.get("main.governed.filtered", include_manifest_capabilities=True)
        assert filtered.securable_kind_manifest is not None
        self.assertFalse(filtered.securable_kind_manifest.capabilities)
        self.assertIsNone(self.client().tables.get("main.default.orders").securable_kind_manifest)

    def test_omitting(self) -> None:
        path = f"{UC}/tables?catalog_name=main&schema_name=default&omit_columns=true&omit_properties=true&omit_username=true"
        for table in self.api("GET", path).json["tables"]:
            self.assertFalse({"columns", "properties", "owner"} & set(table))

    def test_ten_thousand_tables(self) -> None:
        tables = {
            f"t{number:05}": {"storage_location": f"s3://many/{number}", "columns": [{"name": "id", "type": "int"}]}
            for number in range(10_000)
        }
        self.control("POST", "state", {"catalogs": {"many": {"schemas": {"s": {"tables": tables}}}}})
        path, names = f"{UC}/table-summaries?catalog_name=many&max_results=4000", []
        following = ""
        while following is not None:
            answer = self.api("GET", path + (f"&page_token={following}" if following else "")).json
            names += [table["full_name"] for table in answer["tables"]]
            following = answer.get("next_page_token")
        self.assertEqual(names, [f"many.s.t{number:05}" for number in range(10_000)])
        self.api("DELETE", f"{UC}/catalogs/many?force=true")

    def test_functions_volumes_metastore(self) -> None:
        client = self.client(ADMIN)
        self.assertEqual([f.name for f in client.functions.list("main", "default")], ["region_filter"])
        self.assertEqual([v.name for v in client.volumes.list("main", "default")], ["files"])
        self.assertTrue(client.metastores.summary().external_access_enabled)
        self.assertEqual(client.metastores.current().default_catalog_name, "main")
        self.assertTrue(client.tables.exists("main.default.orders").table_exists)
        self.assertFalse(client.tables.exists("main.default.nope").table_exists)
        self.assertEqual(self.violations(), [])

    def test_grants(self) -> None:
        effective = self.client().grants.get_effective("table", "main.default.orders", principal="gateway")
        found = {
            (p.privilege.value if p.privilege else "", p.inherited_from_name)
            for a in effective.privilege_assignments or []
            for p in a.privileges or []
        }
        self.assertIn(("SELECT", "main.default"), found)
        self.assertIn(("USE_CATALOG", "main"), found)
        with self.assertRaises(PermissionDenied):
            self.client(ANA).grants.get_effective("table", "main.default.orders", principal="gateway")
        change = {"changes": [{"principal": "nobody@example.com", "add": ["USE_CATALOG"]}]}
        answer = self.api("PATCH", f"{UC}/permissions/catalog/main", change)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual([c.name for c in self.client(NOBODY).catalogs.list()], ["main", "samples"])
        self.api(
            "PATCH",
            f"{UC}/permissions/catalog/main",
            {"changes": [{"principal": "nobody@example.com", "remove": ["USE_CATALOG"]}]},
        )

    def effective(self, token: str, kind: str, name: str, principal: str) -> set[tuple[str, str, str | None]]:
        found, page = set(), None
        while True:
            answer = self.client(token).grants.get_effective(
                kind, name, principal=principal, max_results=0, page_token=page
            )
            for assignment in answer.privilege_assignments or []:
                for one in assignment.privileges or []:
                    word = one.privilege.value if one.privilege else ""
                    found.add((assignment.principal or "", word, one.inherited_from_name))
            page = answer.next_page_token
            if not page:
                return found

    def test_effective_privileges_of_others(self) -> None:
        self.settings(page_size_limit=1, empty_page_every=2)
        self.control("POST", "state", {"grants": [
            {"on": "table", "name": "main.default.größe", "principal": "ana@example.com", "privileges": ["SELECT"]},
        ]})
        ana = self.effective(ADMIN, "table", "main.default.größe", "ana@example.com")
        self.assertIn(("ana@example.com", "SELECT", None), ana)
        self.assertIn(("analysts", "USE_SCHEMA", "main.default"), ana)
        self.assertIn(("analysts", "USE_CATALOG", "main"), ana)
        self.assertEqual({name for name, _, _ in ana}, {"ana@example.com", "analysts"})
        self.assertEqual(self.effective(ADMIN, "catalog", "main", "nobody@example.com"), set())
        self.assertIn(
            ("account users", "SELECT", "samples"), self.effective(ADMIN, "schema", "samples.tpch", "nobody@example.com")
        )
        # A user may ask about itself, and nobody who does not manage the object about others.
        self.assertTrue(self.effective(ANA, "schema", "main.default", "ana@example.com"))
        with self.assertRaises(PermissionDenied):
            self.effective(GATEWAY, "catalog", "main", "ana@example.com")
        with self.assertRaises(NotFound):
            self.effective(ADMIN, "catalog", "main", "who@example.com")
        with self.assertRaises(NotFound):
            self.effective(ADMIN, "table", "main.default.nope", "ana@example.com")
        self.assertEqual(self.violations(), [])
        self.control("POST", "state", {"grants": [
            {"on": "table", "name": "main.default.größe", "principal": "ana@example.com", "revoke": ["SELECT"]},
        ]})

    def test_tables_are_added_and_dropped_by_control(self) -> None:
        self.rows("CREATE TABLE main.default.seed AS SELECT 7 AS seven, 'x' AS x")
        location = self.api("GET", f"{UC}/tables/main.default.seed").json["storage_location"]
        state = {
            "catalogs": {
                "added": {
                    "owner": "admin@example.com",
                    "schemas": {"s": {"tables": {"t": {"storage_location": location}}}},
                }
            }
        }
        ids = self.control("POST", "state", state)["table_ids"]
        table = self.api("GET", f"{UC}/tables/added.s.t").json
        self.assertEqual(table["table_id"], ids["added.s.t"])
        self.assertEqual([c["type_text"] for c in table["columns"]], ["int", "string"])
        # A catalog that the engine did not know when it started.
        self.assertEqual(self.rows("SELECT seven FROM added.s.t"), [["7"]])
        self.control("POST", "tables/drop", {"full_name": "added.s.t"})
        self.assertEqual(self.api("GET", f"{UC}/tables/added.s.t").status, 404)
        self.rows("DROP TABLE main.default.seed")
        self.api("DELETE", f"{UC}/catalogs/added?force=true")
