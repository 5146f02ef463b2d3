"""`python -m workspace`: starts a workspace, prints one JSON line when it is ready, ends with its standard input."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from .application import Options, Workspace
from .certificate import given, self_signed


def main() -> int:
    arguments = _arguments()
    options = Options(
        address=arguments.address,
        ports=(
            arguments.port,
            arguments.links_port,
            arguments.login_port,
            arguments.objects_port,
            arguments.control_port,
        ),
        dialect=arguments.dialect,
        authorization=not arguments.no_authorization,
        data_folder=arguments.data,
        state=arguments.state,
        default_state=not arguments.empty,
        engine_address=arguments.engine or os.environ.get("SPARK_REMOTE"),
    )
    ready: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="workspace-tls-") as folder:
        if arguments.tls_certificate is not None:
            options.tls = given(arguments.tls_certificate, arguments.tls_key)
        elif arguments.tls:
            options.tls, certificate = self_signed(Path(folder))
            ready["certificate"] = str(certificate)
        workspace = Workspace(options)
        workspace.start()
        ready = {"ready": True, **vars(workspace.world.addresses), "data": str(workspace.world.data_folder), **ready}
        print(json.dumps(ready), flush=True)
        _wait_for_end(arguments.keep_running)
        workspace.stop()
    # The engine's threads are not Python's: leave without waiting for them.
    sys.stdout.flush()
    os._exit(0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="workspace", description="A stand-in of a Databricks workspace.")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen (loopback)")
    parser.add_argument("--port", type=int, default=0, help="port of the workspace's API; 0 takes any")
    parser.add_argument("--links-port", type=int, default=0, help="port of external links")
    parser.add_argument("--login-port", type=int, default=0, help="port of Entra ID and of the managed identity")
    parser.add_argument("--objects-port", type=int, default=0, help="port of the S3 endpoint")
    parser.add_argument("--control-port", type=int, default=0, help="port of /__stand_in__/")
    parser.add_argument("--dialect", choices=("databricks", "open_source"), default="databricks")
    parser.add_argument("--no-authorization", action="store_true", help="open_source only: take anything from anybody")
    parser.add_argument("--data", type=Path, default=None, help="folder for Delta tables (default: a temporary one)")
    parser.add_argument("--state", type=Path, action="append", default=[], help="JSON file with more state")
    parser.add_argument("--empty", action="store_true", help="without the default state")
    parser.add_argument("--engine", default=None, help="sc:// address of a Spark Connect server (default: own Sail)")
    parser.add_argument("--tls", action="store_true", help="TLS with a self-signed certificate, except for control")
    parser.add_argument("--tls-certificate", type=Path, default=None)
    parser.add_argument("--tls-key", type=Path, default=None)
    parser.add_argument("--keep-running", action="store_true", help="do not end with standard input")
    arguments = parser.parse_args()
    if arguments.no_authorization and arguments.dialect != "open_source":
        parser.error("--no-authorization needs --dialect open_source")
    return arguments


def _wait_for_end(keep_running: bool) -> None:
    """Until SIGTERM, SIGINT or the end of standard input."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())

    def watch_input() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        over.set()

    if not keep_running:
        threading.Thread(target=watch_input, daemon=True).start()
    over.wait()


if __name__ == "__main__":
    sys.exit(main())
