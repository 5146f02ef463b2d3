"""External links: signed URLs on a port of their own that serve a chunk's bytes.

That port plays an object store: it knows nothing of the workspace's tokens, refuses any credential but
the signature in the URL, and answers errors in XML.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

from .http_messages import Request, Response
from .results import EncodedChunk
from .world import World

_PATH = re.compile(r"/results-bucket/results/([^/]+)/(\d+)")
_KEY_HEADER = "x-amz-server-side-encryption-customer-key"
_WORKSPACE_HEADERS = ("X-Databricks-Workspace-Id", "X-Databricks-Org-Id", "Cookie")
# Finds the bytes of (statement, chunk); None when the result is gone.
FindBody = Callable[[str, int], EncodedChunk | None]


@dataclass(frozen=True)
class Link:
    """What goes into an `external_links` item."""

    url: str
    expiration: str
    headers: dict[str, str] | None


class Links:
    """Signs URLs and answers them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._needed_keys: dict[str, str] = {}
        self.find_body: FindBody = lambda statement, chunk: None

    def sign(self, statement: str, chunk: int, expired: bool = False) -> Link:
        """A fresh URL; each call signs another one."""
        settings = self._world.settings
        lifetime = -1 if expired else settings.link_lifetime
        ends = self._world.clock.now() + lifetime
        nonce = secrets.token_hex(8)
        headers: dict[str, str] | None = None
        if settings.links_need_headers:
            headers = {_KEY_HEADER: secrets.token_urlsafe(24)}
            with self._lock:
                self._needed_keys[nonce] = headers[_KEY_HEADER]
        path = f"/results-bucket/results/{statement}/{chunk}"
        signature = self._signature(path, f"{ends:.3f}", nonce)
        url = (
            f"{self._world.addresses.links}{path}?X-Amz-Ends={ends:.3f}&X-Amz-Nonce={nonce}&X-Amz-Signature={signature}"
        )
        moment = datetime.datetime.fromtimestamp(ends, datetime.timezone.utc)
        return Link(url, moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z", headers)

    def _signature(self, path: str, ends: str, nonce: str) -> str:
        return hmac.new(self._secret, f"{path}\n{ends}\n{nonce}".encode(), hashlib.sha256).hexdigest()

    def answer(self, request: Request) -> Response:
        """A GET of a link. Refusals carry a violation where a correct client never comes."""
        query = dict(request.query)
        found = _PATH.fullmatch(request.raw_path)
        if found is None:
            return self._error(404, "NoSuchKey", "The specified key does not exist.")
        if request.headers.get("Authorization") is not None:
            self._violation(request, "authorization_on_link", "a link was fetched with an Authorization header")
            return self._error(400, "InvalidArgument", "Only one auth mechanism allowed")
        for name in _WORKSPACE_HEADERS:
            if request.headers.get(name) is not None:
                self._violation(request, "workspace_header_on_link", f"a link was fetched with {name}")
        if request.method != "GET":
            self._violation(request, "wrong_verb", f"a link was asked with {request.method}")
            return self._error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        ends, nonce = query.get("X-Amz-Ends", ""), query.get("X-Amz-Nonce", "")
        expected = self._signature(request.raw_path, ends, nonce)
        if not hmac.compare_digest(expected, query.get("X-Amz-Signature", "")):
            self._violation(request, "bad_signature", "a link was fetched with another URL than was given")
            return self._error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        if float(ends) <= self._world.clock.now():
            return self._error(403, "AccessDenied", "Request has expired")
        with self._lock:
            needed = self._needed_keys.get(nonce)
        if needed is not None and request.headers.get(_KEY_HEADER) != needed:
            self._violation(request, "missing_link_header", "a link was fetched without its http_headers")
            return self._error(400, "InvalidRequest", "The object was stored using server side encryption.")
        return self._body(request, found.group(1), int(found.group(2)))

    def _body(self, request: Request, statement: str, chunk: int) -> Response:
        encoded = self.find_body(statement, chunk)
        if encoded is None:
            return self._error(404, "NoSuchKey", "The specified key does not exist.")
        whole = memoryview(encoded.body)
        headers = [
            ("Content-Type", "binary/octet-stream"),
            ("Accept-Ranges", "bytes"),
            ("ETag", f'"{statement}-{chunk}"'),
        ]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range") or "")
        if wanted is None:
            return Response(200, headers, whole)
        start = int(wanted.group(1))
        end = min(int(wanted.group(2) or len(whole) - 1), len(whole) - 1)
        if start > end:
            return self._error(416, "InvalidRange", "The requested range is not satisfiable")
        headers.append(("Content-Range", f"bytes {start}-{end}/{len(whole)}"))
        return Response(206, headers, whole[start : end + 1])

    def chunk_of(self, request: Request) -> int | None:
        found = _PATH.fullmatch(request.raw_path)
        return int(found.group(2)) if found is not None else None

    def _violation(self, request: Request, name: str, message: str) -> None:
        self._world.journal.violated(request, name, message)

    def _error(self, status: int, code: str, message: str) -> Response:
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
        return Response(status, [("Content-Type", "application/xml")], body.encode())
