"""The program: one line when ready, an end with its standard input or SIGTERM, and no engine until it is needed."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import unittest
import urllib.request
from typing import Any


class Process(unittest.TestCase):
    def start(self, *arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "workspace", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(process.kill)
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        return process, json.loads(process.stdout.readline())

    def test_ends_with_its_input(self) -> None:
        process, ready = self.start("--port", "0")
        self.assertTrue(ready["ready"])
        assert process.stdin is not None
        process.stdin.close()
        self.assertEqual(process.wait(20), 0)

    def test_ends_with_a_signal(self) -> None:
        process, ready = self.start()
        with urllib.request.urlopen(ready["api"] + "/.well-known/databricks-config") as answer:
            self.assertEqual(json.load(answer)["oidc_endpoint"], ready["api"] + "/oidc")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 0)
        assert process.stdin is not None
        process.stdin.close()

    def test_serves_tls_with_a_certificate_that_it_names(self) -> None:
        process, ready = self.start("--tls")
        context = ssl.create_default_context(cafile=ready["certificate"])
        with urllib.request.urlopen(ready["api"] + "/.well-known/databricks-config", context=context) as answer:
            self.assertEqual(answer.status, 200)
        self.assertTrue(ready["links"].startswith("https://"))
        assert process.stdin is not None
        process.stdin.close()
        self.assertEqual(process.wait(20), 0)

    def test_starts_without_the_engine(self) -> None:
        code = (
            "import sys; from workspace.application import Options, Workspace; w = Workspace(Options()); w.start(); "
            "heavy = {'pyarrow', 'pysail', 'pyspark', 'grpc', 'jwt'} & set(sys.modules); w.stop(); print(sorted(heavy))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.strip(), "[]")


if __name__ == "__main__":
    unittest.main()
