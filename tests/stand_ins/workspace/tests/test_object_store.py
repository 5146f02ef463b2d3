"""The S3 endpoint, with pyarrow's client: vended keys open their own prefix, until they end."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs
import pyarrow.parquet

from .stand_in import GATEWAY, StandInTest, send

UC = "/api/2.1/unity-catalog"


class ObjectStore(StandInTest):
    def vend(self, name: str = "main.clouds.on_aws") -> dict[str, Any]:
        identity = self.api("GET", f"{UC}/tables/{name}", token=GATEWAY).json["table_id"]
        body = {"table_id": identity, "operation": "READ"}
        answer = self.api("POST", f"{UC}/temporary-table-credentials", body, GATEWAY)
        return dict(answer.json["aws_temp_credentials"])

    def store(self, keys: dict[str, Any]) -> pyarrow.fs.S3FileSystem:
        return pyarrow.fs.S3FileSystem(
            access_key=keys["access_key_id"],
            secret_key=keys["secret_access_key"],
            session_token=keys["session_token"],
            endpoint_override=urlsplit(self.workspace.world.addresses.objects).netloc,
            scheme="http",
            region="eu-west-1",
            retry_strategy=pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=1),
        )

    def test_vended_keys_read_the_table(self) -> None:
        store = self.store(self.vend())
        found = store.get_file_info(pyarrow.fs.FileSelector("stand-in/aws", recursive=True))
        names = [info.path for info in found if info.type == pyarrow.fs.FileType.File]
        self.assertIn("stand-in/aws/_delta_log/00000000000000000000.json", names)
        data = [name for name in names if name.endswith(".parquet") and "_delta_log" not in name]
        rows = [
            row for name in data for row in pyarrow.parquet.read_table(name, filesystem=store).column("id").to_pylist()
        ]
        self.assertEqual(sorted(rows), [0, 1, 2])
        self.assertEqual(self.violations(), [])

    def test_names_that_need_encoding(self) -> None:
        store = self.store(self.vend("main.clouds.on_aws_in_parts"))
        found = store.get_file_info(pyarrow.fs.FileSelector("stand-in/parts of/aws", recursive=True))
        names = [info.path for info in found if info.path.endswith(".parquet") and "_delta_log" not in info.path]
        self.assertTrue(any("part=p" in name for name in names), names)
        # A file by itself: its folder's name is no column then.
        rows = [
            row
            for name in names
            for row in pyarrow.parquet.ParquetFile(store.open_input_file(name)).read().column("id").to_pylist()
        ]
        self.assertEqual(sorted(rows), [0, 1, 2, 3, 4, 5])
        self.assertEqual(self.violations(), [])

    def test_no_other_prefix(self) -> None:
        self.vend("main.clouds.on_aws")
        store = self.store(self.vend())
        for path in ("stand-in/none/x", "stand-in/aws2/x", "other/aws/x"):
            with self.assertRaises(OSError):
                store.open_input_file(path).read()
        self.assertEqual(set(self.violations()), {"outside_vended_prefix"})

    def test_a_narrower_prefix(self) -> None:
        self.workspace.world.catalogs.table("main", "clouds", "on_aws").vended_url = "s3://stand-in/aws/_delta_log"
        self.addCleanup(setattr, self.workspace.world.catalogs.table("main", "clouds", "on_aws"), "vended_url", None)
        store = self.store(self.vend())
        self.assertTrue(store.open_input_file("stand-in/aws/_delta_log/00000000000000000000.json").read())
        with self.assertRaises(OSError):
            store.open_input_file("stand-in/aws/part.parquet").read()

    def test_wrong_keys(self) -> None:
        keys = self.vend()
        path = "stand-in/aws/_delta_log/00000000000000000000.json"
        for change, violation in (
            ({"secret_access_key": "wrong"}, "bad_signature"),
            ({"session_token": "wrong"}, "wrong_session_token"),
            ({"access_key_id": "AKIAWRONG"}, "unknown_access_key"),
        ):
            self.control("DELETE", "requests")
            with self.assertRaises(OSError):
                self.store({**keys, **change}).open_input_file(path).read()
            self.assertEqual(set(self.violations()), {violation})
        answer = send(self.workspace.world.addresses.objects, "GET", f"/{path}")
        self.assertEqual(answer.status, 403)

    def test_keys_end(self) -> None:
        store = self.store(self.vend())
        path = "stand-in/aws/_delta_log/00000000000000000000.json"
        self.assertTrue(store.open_input_file(path).read())
        self.control("POST", "clock", {"advance_seconds": 3601})
        with self.assertRaises(OSError):
            store.open_input_file(path).read()
        self.assertTrue(self.store(self.vend()).open_input_file(path).read())
        self.assertEqual(self.violations(), [])

    def test_pages_and_faults(self) -> None:
        store = self.store(self.vend())
        self.control(
            "POST",
            "faults",
            {
                "kind": "raw",
                "where": {"listener": "objects"},
                "status": 503,
                "body": "<Error><Code>SlowDown</Code></Error>",
            },
        )
        path = "stand-in/aws/_delta_log/00000000000000000000.json"
        with self.assertRaises(OSError):
            store.open_input_file(path).read()
        self.assertTrue(store.open_input_file(path).read())
