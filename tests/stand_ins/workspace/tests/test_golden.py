"""Replays the recordings of the open-source server and compares every answer that the stand-in models."""

from __future__ import annotations

import json
import os
import re
import unittest
from pathlib import Path
from typing import Any

from ..application import Options, Workspace
from .stand_in import send

DATA = (
    Path(os.environ.get("LAKEGATE_CONFORMANCE_DATA", Path(__file__).parents[4].parent / "shared" / "data"))
    / "unity_catalog"
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# What stands for itself in comparisons: moments, keys, and names of keys.
_MOMENTS = ("created_at", "updated_at", "created-time", "updated-time", "expiration_time", "expiration-time-ms", "etag")
_KEYS = ("access_key_id", "secret_access_key", "session_token")
# Words of the recorded server's own libraries.
_LIBRARY_WORDS = (
    "failed to parse a JSON document",
    "No suitable request converter",
    "Mandatory parameter",
    "For input string",
    "Invalid UUID",
    "Cannot invoke",
)


def recordings(folder: str) -> list[dict[str, Any]]:
    found = []
    for path in sorted((DATA / folder).glob("*.json")):
        found.append({"number": int(path.name[:3]), "file": path.stem, **json.loads(path.read_text())})
    return found


def differences(ours: Any, recorded: Any, place: str = "") -> list[str]:
    """The places at which two values differ."""
    if isinstance(ours, dict) and isinstance(recorded, dict):
        names = sorted(ours.keys() | recorded.keys())
        return [
            text
            for name in names
            for text in differences(ours.get(name, "absent"), recorded.get(name, "absent"), f"{place}.{name}")
        ]
    if isinstance(ours, list) and isinstance(recorded, list) and len(ours) == len(recorded):
        return [
            text
            for at, (left, right) in enumerate(zip(ours, recorded))
            for text in differences(left, right, f"{place}[{at}]")
        ]
    return [] if ours == recorded else [f"{place}: {str(ours)[:200]!r}, recorded {str(recorded)[:200]!r}"]


# Calls that no client of ours makes.
_NOT_MODELLED = {
    **dict.fromkeys((105, 106, 107, 202), "storage credentials"),
    **dict.fromkeys((108, 109, 110, 203), "external locations"),
    **dict.fromkeys((136, 137, 206), "staging tables"),
    **dict.fromkeys((138, 139, 140), "Iceberg"),
    **dict.fromkeys((204, 205), "models"),
    **dict.fromkeys((209, 215), "creating and renaming by the Delta API"),
}

_NOT_MODELLED_WITH_LOGIN = {
    **dict.fromkeys((6, 7, 93), "tokens of that server's own kind"),
    12: "cookies",
    **dict.fromkeys((14, 24, 25, 26, 34, 92), "SCIM"),
    **dict.fromkeys(range(27, 34), "its own token exchange"),
    11: "Iceberg",
    90: "its internal error on unknown paths",
}


class Golden(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        if not DATA.is_dir():
            if os.environ.get("CI"):
                raise AssertionError(f"no recordings in {DATA}")
            print(f"SKIPPED: no recordings in {DATA}", flush=True)
            raise unittest.SkipTest("no recordings")

    def start(self, authorization: bool) -> Workspace:
        workspace = Workspace(Options(dialect="open_source", authorization=authorization, default_state=False))
        workspace.start()
        self.addCleanup(workspace.stop)
        self.names: dict[str, str] = {}
        self.workspace = workspace
        return workspace

    # Comparing

    def plain(self, value: Any, key: str = "") -> Any:
        """A value with moments, keys and ids made alike."""
        if isinstance(value, dict):
            return {name: self.plain(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.plain(inner) for inner in value]
        if (key in _MOMENTS or key in _KEYS) and value is not None:
            return f"({key})"
        if key == "message" and any(words in str(value) for words in _LIBRARY_WORDS):
            return "(words of a library)"
        if isinstance(value, str):
            return _UUID.sub("(id)", value)
        return value

    def learn(self, recorded: Any, ours: Any) -> None:
        """Which of our ids stands for which recorded one."""
        if isinstance(recorded, dict) and isinstance(ours, dict):
            for name in recorded.keys() & ours.keys():
                self.learn(recorded[name], ours[name])
        elif isinstance(recorded, list) and isinstance(ours, list):
            for left, right in zip(recorded, ours):
                self.learn(left, right)
        elif (
            isinstance(recorded, str) and isinstance(ours, str) and _UUID.fullmatch(recorded) and _UUID.fullmatch(ours)
        ):
            self.names[recorded] = ours

    def translated(self, text: str) -> str:
        return _UUID.sub(lambda found: self.names.get(found.group(), found.group()), text)

    def replay(self, recording: dict[str, Any], tokens: dict[str, str]) -> str | None:
        """None when the answer is the recorded one, else what differs."""
        request, wanted = recording["request"], recording["response"]
        headers = {name: self._header(value, tokens) for name, value in request["headers"].items()}
        body = request["body"]
        content = None
        if body is not None:
            content = self.translated(body if isinstance(body, str) else json.dumps(body)).encode()
        answer = send(
            self.workspace.world.addresses.api, request["method"], self.translated(request["path"]), content, headers
        )
        if answer.status != wanted["status"]:
            return f"status {answer.status}, not {wanted['status']}: {answer.body[:200]!r}"
        if (
            answer.headers.get("content-type", "").split(";")[0]
            != wanted["headers"].get("content-type", "").split(";")[0]
        ):
            return f"type {answer.headers.get('content-type')}"
        if wanted["body_kind"] != "json":
            return None if answer.body.decode() == (wanted["body"] or "") else f"text {answer.body!r}"
        ours = answer.json
        self.learn(wanted["body"], ours)
        left, right = self.plain(ours), self.plain(wanted["body"])
        if right.get("message") == "(words of a library)":
            left["message"] = right["message"]
        return None if left == right else "; ".join(differences(left, right))

    def _header(self, value: str, tokens: dict[str, str]) -> str:
        for words, token in tokens.items():
            if words in value:
                return value.replace(value.split(" ", 1)[1] if value.startswith("Bearer") else "", "", 1) + token
        return value

    def judge(self, folder: str, skipped: dict[int, str], seeds: dict[int, Any], tokens: dict[str, str]) -> None:
        differing: list[str] = []
        compared = 0
        for recording in recordings(folder):
            number = recording["number"]
            if number in seeds:
                seeds[number]()
            if number in skipped:
                continue
            compared += 1
            found = self.replay(recording, tokens)
            if found is not None:
                differing.append(f"{recording['file']}: {found}")
        print(f"{folder}: {compared} answers compared, {len(skipped)} of calls that are not modelled", flush=True)
        self.assertEqual(differing, [], "\n".join(["", *differing]))
        self.assertGreater(compared, 60)

    # State that the recordings do not make themselves

    def seed_tables(self, *files: int) -> None:
        for recording in recordings("noauth"):
            if recording["number"] in files:
                body = recording["response"]["body"]
                for table in body.get("tables", [body]):
                    self.seed_table(table)

    def seed_table(self, table: dict[str, Any], **more: Any) -> None:
        catalogs = self.workspace.world.catalogs
        place = (table["catalog_name"], table["schema_name"], table["name"])
        if catalogs.has_table(*place):
            return
        names = (
            "table_id",
            "table_type",
            "data_source_format",
            "columns",
            "storage_location",
            "comment",
            "properties",
            "view_definition",
            "view_dependencies",
        )
        catalogs.put_table(*place, None, {**{name: table[name] for name in names}, **more})
        self.names[table["table_id"]] = table["table_id"]

    def seed_noauth(self) -> None:
        catalogs = self.workspace.world.catalogs
        root = "file:///srv/uc/noauth/data/uc_managed"
        entry = catalogs.put_catalog("uc", None, comment="peer", storage_root=root)
        entry.identity = "367cfc3f-da42-4be4-b84b-fa70bcd10edd"
        catalogs.put_schema("uc", "sales", None)
        by_number = {recording["number"]: recording for recording in recordings("noauth")}
        loaded = by_number[130]["response"]["body"]
        managed = by_number[82]["response"]["body"]
        self.seed_table(
            {**managed, "properties": loaded["metadata"]["properties"]},
            latest_version=1,
            commits=[{name.replace("-", "_"): value for name, value in commit.items()} for commit in loaded["commits"]],
        )
        self.seed_tables(75, 81)
        # The recording's own state: keys per bucket.
        self.workspace.vending.static["s3://uc-static"] = {
            "access_key_id": "AKIASTATICEXAMPLE",
            "secret_access_key": "static-secret",
            "session_token": "static-session-token",
        }

    def test_without_authorization(self) -> None:
        self.start(authorization=False)
        catalogs = self.workspace.world.catalogs

        def pages_of_catalogs() -> None:
            for name in ("rec_p0", "rec_p1", "rec_p2"):
                catalogs.put_catalog(name, None)

        def schemas() -> None:
            for name in ("t0", "t1", "t2"):
                catalogs.put_schema("rec", name, None)

        def credential_of(name: str) -> Any:
            def change() -> None:
                catalogs.table("rec", "s1", name).credentials = "aws"

            return change

        seeds = {
            1: self.seed_noauth,
            11: pages_of_catalogs,
            30: schemas,
            62: lambda: self.seed_tables(71, 72, 73, 74),
            96: credential_of("s3sts"),
            112: credential_of("s3extloc"),
            217: lambda: self.seed_tables(218, 219, 220, 222),
        }
        self.judge("noauth", _NOT_MODELLED, seeds, {})

    def test_with_authorization(self) -> None:
        self.start(authorization=True)
        principals = self.workspace.world.principals
        principals.add({"name": "admin", "administrator": True, "personal_tokens": ["admin-token"]})
        recorded_user = {"name": "alice@example.com", "personal_tokens": ["alice-token"]}

        def user() -> None:
            principals.add(recorded_user)

        def with_keys() -> None:
            self.workspace.world.catalogs.table("sec", "s", "s3t").credentials = "aws"

        seeds = {24: user, 70: with_keys, 93: lambda: principals.remove("alice@example.com")}
        tokens = {"<admin service token": "admin-token", "<alice access token": "alice-token"}
        self.judge("auth", _NOT_MODELLED_WITH_LOGIN, seeds, tokens)
