"""The Delta API: tables with commits that are not published, and committing."""

from __future__ import annotations

import json
from typing import Any

import pyarrow.parquet

from ..delta_log import local_folder

from .stand_in import ANA, GATEWAY, StandInTest

UC = "/api/2.1/unity-catalog"
TABLE = f"{UC}/delta/v1/catalogs/main/schemas/default/tables"


def commit(version: int, name: str = "") -> dict[str, Any]:
    return {
        "version": version,
        "timestamp": 1796000000000 + version,
        "file_name": name or f"{version:020}.{version:08}-0000.json",
        "file_size": 100,
        "file_modification_timestamp": 1796000000000 + version,
    }


class DeltaApi(StandInTest):
    def setUp(self) -> None:
        super().setUp()
        table = {
            "table_type": "MANAGED",
            "storage_location": "file:///nowhere/managed",
            "latest_version": 3,
            "commits": [commit(2), commit(3)],
            "columns": [{"name": "id", "type": "bigint"}],
            "properties": {"delta.feature.catalogManaged": "supported"},
        }
        state = {"catalogs": {"main": {"schemas": {"default": {"tables": {"managed": table}}}}}}
        self.identity = self.control("POST", "state", state)["table_ids"]["main.default.managed"]

    def question(self, **more: Any) -> dict[str, Any]:
        return {"table_id": self.identity, "table_uri": "file:///nowhere/managed", **more}

    def test_config(self) -> None:
        answer = self.api("GET", f"{UC}/delta/v1/config?catalog=main&protocol-versions=1.0").json
        self.assertEqual(answer["protocol-version"], "1.0")
        self.assertIn("GET /v1/catalogs/{catalog}/schemas/{schema}/tables/{table}", answer["endpoints"])
        self.assertEqual(
            self.api("GET", f"{UC}/delta/v1/config?catalog=nope").json["error"]["type"], "NoSuchCatalogException"
        )

    def test_loading(self) -> None:
        answer = self.api("GET", f"{TABLE}/managed", token=GATEWAY).json
        self.assertEqual([found["version"] for found in answer["commits"]], [2, 3])
        self.assertIn("file-modification-timestamp", answer["commits"][0])
        self.assertEqual((answer["latest-table-version"], answer["metadata"]["last-commit-version"]), (3, 1))
        self.assertEqual(answer["metadata"]["columns"]["fields"][0]["type"], "long")
        missing = self.api("GET", f"{TABLE}/nope")
        self.assertEqual((missing.status, missing.json["error"]["type"]), (404, "NoSuchTableException"))
        self.assertEqual(self.api("HEAD", f"{TABLE}/managed").status, 204)
        self.assertEqual(self.api("HEAD", f"{TABLE}/nope").status, 404)
        view = self.api("GET", f"{TABLE}/north_orders")
        self.assertEqual((view.status, view.json["error"]["type"]), (400, "UnsupportedTableFormatException"))

    def test_a_real_table_whose_newest_commits_are_staged(self) -> None:
        self.assertEqual(
            self.rows("SELECT id FROM main.default.catalog_managed ORDER BY 1"),
            [["0"], ["1"], ["2"], ["10"], ["11"], ["20"]],
        )
        answer = self.api("GET", f"{TABLE}/catalog_managed", token=GATEWAY).json
        self.assertEqual(
            ([found["version"] for found in answer["commits"]], answer["latest-table-version"]), ([1, 2], 2)
        )
        folder = local_folder(answer["metadata"]["location"])
        assert folder is not None
        log = folder / "_delta_log"
        self.assertEqual([path.name for path in log.glob("*.json")], [f"{0:020}.json"])
        self.assertEqual(len(list((log / "_staged_commits").iterdir())), 3)
        rows = 0
        for path in [
            log / f"{0:020}.json",
            *(log / "_staged_commits" / found["file-name"] for found in answer["commits"]),
        ]:
            actions = [json.loads(line) for line in path.read_text().splitlines()]
            self.assertIn("inCommitTimestamp", actions[0]["commitInfo"])
            added = [action["add"]["path"] for action in actions if "add" in action]
            rows += sum(pyarrow.parquet.read_table(folder / name).num_rows for name in added)
        self.assertEqual(rows, 6)
        self.assertEqual(answer["metadata"]["properties"]["delta.feature.catalogManaged"], "supported")

    def test_credentials(self) -> None:
        path = f"{UC}/delta/v1/catalogs/main/schemas/clouds/tables/on_aws/credentials?operation=READ"
        found = self.api("GET", path, token=GATEWAY).json["storage-credentials"][0]
        self.assertEqual(found["prefix"], "s3://stand-in/aws")
        self.assertEqual(set(found["config"]), {"s3.access-key-id", "s3.secret-access-key", "s3.session-token"})
        self.assertEqual(self.api("GET", path, token=ANA).json["error"]["type"], "NoSuchTableException")

    def test_reading_commits_by_body_or_query(self) -> None:
        path = f"{UC}/delta/preview/commits"
        by_body = self.api("GET", path, self.question(start_version=3)).json
        self.assertEqual(
            ([found["version"] for found in by_body["commits"]], by_body["latest_table_version"]), ([3], 3)
        )
        query = "&".join(f"{name}={value}" for name, value in self.question(start_version=0, end_version=2).items())
        self.assertEqual([found["version"] for found in self.api("GET", f"{path}?{query}").json["commits"]], [2])
        self.assertEqual(self.violations(), [])

    def test_committing(self) -> None:
        path = f"{UC}/delta/preview/commits"
        self.assertEqual(self.api("POST", path, self.question(commit_info=commit(4))).status, 200)
        self.assertEqual(self.api("POST", path, self.question(commit_info=commit(4))).status, 200, "the same again")
        self.assertEqual(self.api("POST", path, self.question(commit_info=commit(4, "other.json"))).status, 409)
        self.assertEqual(self.api("POST", path, self.question(commit_info=commit(9))).status, 400)
        self.api("POST", path, self.question(latest_backfilled_version=3))
        self.assertEqual([found["version"] for found in self.api("GET", path, self.question()).json["commits"]], [4])

    def test_updating(self) -> None:
        new = {name.replace("_", "-"): value for name, value in commit(4).items()}
        body = {
            "requirements": [{"type": "assert-table-uuid", "uuid": self.identity}],
            "updates": [
                {"action": "add-commit", "commit": new},
                {"action": "set-latest-backfilled-version", "latest-published-version": 2},
            ],
        }
        answer = self.api("POST", f"{TABLE}/managed", body)
        self.assertEqual([found["version"] for found in answer.json["commits"]], [3, 4])
        conflict = {"requirements": [], "updates": [{"action": "add-commit", "commit": {**new, "file-name": "x.json"}}]}
        answer = self.api("POST", f"{TABLE}/managed", conflict)
        self.assertEqual((answer.status, answer.json["error"]["type"]), (409, "CommitVersionConflictException"))
