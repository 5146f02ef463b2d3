"""Listeners over the standard library's threading HTTP server.

Why this one: faults have to reach down to the socket (reset, stall, wrong length), a body that is
already bytes goes out by one `sendall` without the interpreter's lock, and nothing has to be installed.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .http_messages import Headers, Request, Response, WireFault

_LONGEST_BODY = 64 * 1024 * 1024
_SILENCE_LIMIT_SECONDS = 600
# How long a listener takes to notice that it is to stop.
_SHUTDOWN_POLL_SECONDS = 0.05
# What is sent at once of a body that goes out slowly.
_PIECE_BYTES = 64 * 1024


class Listener:
    """One address on loopback that hands requests to a function."""

    def __init__(
        self,
        name: str,
        address: str,
        port: int,
        answer: Callable[[Request], Response],
        tls: ssl.SSLContext | None,
        wait_for_release: Callable[[], None],
    ) -> None:
        self.name = name
        self._tls = tls

        class Handler(_Handler):
            def dispatch(self, request: Request) -> Response:
                return answer(request)

            def stall(self) -> None:
                wait_for_release()

        Handler.listener_name = name
        self._server = _Server((address, port), Handler, tls)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_SHUTDOWN_POLL_SECONDS,), name=f"listener-{name}", daemon=True
        )
        self._address = address

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        scheme = "https" if self._tls is not None else "http"
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"{scheme}://{host}:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], handler: type[_Handler], tls: ssl.SSLContext | None) -> None:
        self.tls = tls
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is not this program's error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SILENCE_LIMIT_SECONDS
    listener_name = ""
    disable_nagle_algorithm = True

    def dispatch(self, request: Request) -> Response:
        raise NotImplementedError

    def stall(self) -> None:
        raise NotImplementedError

    def setup(self) -> None:
        # The handshake happens here, in the connection's own thread, so that a slow one holds up nobody.
        tls = getattr(self.server, "tls", None)
        if tls is not None:
            self.request = tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def log_message(self, format: str, *arguments: Any) -> None:
        """The journal holds what was asked; standard error stays quiet."""

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        # http.server looks for a method named after the verb; all verbs are one here.
        setattr(self, f"do_{self.command}", self._serve)
        return True

    def _serve(self) -> None:
        body = self._read_body()
        if body is None:
            return
        request = Request(self.listener_name, self.command, self.path, Headers(list(self.headers.items())), body)
        self._send(self.dispatch(request))

    def _read_body(self) -> bytes | None:
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            return self._read_chunked()
        length = self.headers.get("Content-Length")
        if length is None:
            return b""
        if not length.isdigit() or int(length) > _LONGEST_BODY:
            self.close_connection = True
            self._send(Response(400, [("Content-Type", "text/plain")], b"bad Content-Length"))
            return None
        return self.rfile.read(int(length))

    def _read_chunked(self) -> bytes:
        parts: list[bytes] = []
        while True:
            size = int(self.rfile.readline(1024).split(b";")[0].strip() or b"0", 16)
            if size == 0:
                while self.rfile.readline(65536).strip():
                    pass
                return b"".join(parts)
            if sum(map(len, parts)) + size > _LONGEST_BODY:
                raise ConnectionError("the body is too long")
            parts.append(self.rfile.read(size))
            self.rfile.readline(16)

    def _send(self, response: Response) -> None:
        wire = response.wire or WireFault()
        if wire.no_answer:
            self._end(reset=wire.reset)
            return
        body: bytes | memoryview = response.body
        if wire.flip_at is not None and len(body) > 0:
            changed = bytearray(body)
            changed[wire.flip_at % len(changed)] ^= 1
            body = bytes(changed)
        lines = [f"HTTP/1.1 {response.status} {self.responses.get(response.status, ('',))[0]}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        if response.status not in (204, 304):
            lines.append(f"Content-Length: {len(body) + wire.content_length_offset}")
        if self.close_connection or wire.content_length_offset:
            lines.append("Connection: close")
            self.close_connection = True
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        if self.command == "HEAD":
            body = b""
        whole = memoryview(body)
        self.connection.sendall(head)
        if wire.stall_after is not None:
            self.connection.sendall(whole[: wire.stall_after])
            self.stall()
            whole = whole[wire.stall_after :]
        if wire.cut_after is not None:
            self.connection.sendall(whole[: wire.cut_after])
            self._end(reset=wire.reset)
            return
        if response.bytes_per_second > 0:
            self._send_slowly(whole, response.bytes_per_second)
        else:
            self.connection.sendall(whole)

    def _send_slowly(self, whole: memoryview, bytes_per_second: int) -> None:
        start = time.monotonic()
        for place in range(0, len(whole), _PIECE_BYTES):
            piece = whole[place : place + _PIECE_BYTES]
            self.connection.sendall(piece)
            due = start + (place + len(piece)) / bytes_per_second
            time.sleep(max(0.0, due - time.monotonic()))

    def _end(self, reset: bool) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            pass
