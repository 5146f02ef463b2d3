"""databricks-jdbc over the Statement Execution API, in plain HTTP and over TLS."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from urllib.parse import urlsplit

from ..application import Options, Workspace
from ..certificate import self_signed
from .stand_in import GATEWAY, WAREHOUSE

FOLDER = Path(os.environ.get("LAKEGATE_STAND_INS", "."))
DRIVER = FOLDER / "databricks-jdbc.jar"
# Arrow's memory needs this on Java 17.
FLAGS = ["--add-opens=java.base/java.nio=ALL-UNNAMED"]
EXPECTED = [
    "second=0.37 2024-01-02",
    "rows=1000 499500",
    "wide=12345678901234567890123456789.123456789",
    "timestamp=2021-01-01T10:00:00.123456Z",
    "array=[1,null,7]",
    'struct={"a":1,"b":"x"}',
    "binary=3",
    "parameters=42 it's 2024-02-29 1.50",
    "tables=[default.all_types:TABLE, default.catalog_managed:TABLE, default.größe:TABLE, default.no_columns:TABLE, "
    "default.orders:TABLE, default.variants:TABLE, default.with space:TABLE, default.north_orders:VIEW]",
    "columns=[order_id:-5, customer:12, amount:3, ordered_on:91, region:12]",
    "catalogs=[main, samples]",
    "session=5",
    "inserted=2",
    "failure=42P01 True",
    # The state of a syntax error stands in its message only.
    "failure=null True",
]


class Jdbc(unittest.TestCase):
    folder: tempfile.TemporaryDirectory[str]

    @classmethod
    def setUpClass(cls) -> None:
        if not DRIVER.exists() or shutil.which("javac") is None:
            if os.environ.get("CI"):
                raise AssertionError("the JDBC driver or Java is missing")
            print("SKIPPED: the JDBC driver or Java is missing", flush=True)
            raise unittest.SkipTest("the JDBC driver or Java is missing")
        cls.folder = tempfile.TemporaryDirectory(prefix="jdbc-")
        source = Path(__file__).with_name("JdbcWitness.java")
        subprocess.run(["javac", "-d", cls.folder.name, str(source)], check=True)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def witness(self, workspace: Workspace, options: str, java: list[str]) -> list[str]:
        address = urlsplit(workspace.world.addresses.api)
        url = (
            f"jdbc:databricks://{address.netloc}/default;transportMode=http;AuthMech=3;UseThriftClient=0;EnableTelemetry=0;"
            f"httpPath=/sql/1.0/warehouses/{WAREHOUSE};{options}"
        )
        done = subprocess.run(
            [
                "java",
                *FLAGS,
                *java,
                "-Duser.timezone=UTC",
                "-cp",
                f"{DRIVER}:{self.folder.name}",
                "JdbcWitness",
                url,
                GATEWAY,
            ],
            capture_output=True,
            text=True,
            timeout=240,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return [
            line.replace("true", "True") if line.startswith("failure") else line for line in done.stdout.splitlines()
        ]

    def run_workspace(self, options: Options) -> Workspace:
        workspace = Workspace(options)
        workspace.start()
        self.addCleanup(workspace.stop)
        return workspace

    def test_plain_http_and_many_chunks(self) -> None:
        workspace = self.run_workspace(Options())
        workspace.world.settings.update({"rows_per_chunk": 100, "links_per_answer": 3})
        self.assertEqual(self.witness(workspace, "ssl=0", []), EXPECTED)
        self.assertEqual(workspace.world.journal.violations(), [])

    def test_inline_json(self) -> None:
        workspace = self.run_workspace(Options())
        lines = self.witness(workspace, "ssl=0;EnableQueryResultDownload=0", [])
        # Milliseconds are all that JSON tells of a time.
        expected = [line.replace("10:00:00.123456Z", "10:00:00.123Z") for line in EXPECTED]
        self.assertEqual(lines[:4], expected[:4])
        bodies = str(workspace.world.journal.entries(0, "/sql/statements/", False, True))
        self.assertIn('\\"disposition\\":\\"INLINE\\"' if '\\"' in bodies else '"disposition":"INLINE"', bodies)
        self.assertEqual(workspace.world.journal.violations(), [])

    def test_tls(self) -> None:
        context, certificate = self_signed(Path(self.folder.name))
        store = Path(self.folder.name) / "trust.p12"
        subprocess.run(
            [
                "keytool",
                "-importcert",
                "-noprompt",
                "-alias",
                "stand-in",
                "-file",
                str(certificate),
                "-keystore",
                str(store),
                "-storepass",
                "changeit",
                "-storetype",
                "PKCS12",
            ],
            check=True,
            capture_output=True,
        )
        workspace = self.run_workspace(Options(tls=context))
        lines = self.witness(
            workspace, f"ssl=1;SSLTrustStore={store};SSLTrustStorePwd=changeit;SSLTrustStoreType=PKCS12", []
        )
        self.assertEqual(lines, EXPECTED)
        self.assertEqual(workspace.world.journal.violations(), [])


if __name__ == "__main__":
    unittest.main()
