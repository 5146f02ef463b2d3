"""An S3 endpoint over the tables' local files that takes vended keys and nothing else.

It checks what a bucket would: the signature (version 4), the session token, the key's end and the
prefix that it was vended for. Path-style addresses: `/bucket/key`. Reading only.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from .delta_log import local_folder
from .http_messages import Request, Response
from .vending import Vended, Vending
from .world import World

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
_LARGEST_PAGE = 1000


@dataclass
class StoreError(Exception):
    """An error as a bucket answers it."""

    status: int
    code: str
    message: str
    violation: str | None = None


class ObjectStore:
    """GET, HEAD and ListObjectsV2."""

    def __init__(self, world: World, vending: Vending) -> None:
        self._world = world
        self._vending = vending

    def answer(self, request: Request) -> Response:
        try:
            vended = self._authenticated(request)
            return self._read(request, vended)
        except StoreError as error:
            if error.violation is not None:
                self._world.journal.violated(request, error.violation, error.message)
            body = (
                '<?xml version="1.0" encoding="UTF-8"?>\n<Error>'
                f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
            )
            return Response(error.status, [("Content-Type", "application/xml")], body.encode())

    # Who asks

    def _authenticated(self, request: Request) -> Vended:
        found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization") or "")
        if found is None:
            raise StoreError(403, "AccessDenied", "Anonymous access is forbidden", "unsigned_storage_request")
        key, day, region, signed, signature = found.groups()
        vended = self._vending.by_access_key(key)
        if vended is None:
            raise StoreError(403, "InvalidAccessKeyId", "The access key does not exist", "unknown_access_key")
        token = request.headers.get("x-amz-security-token")
        if token != vended.values["session_token"]:
            raise StoreError(400, "InvalidToken", "The provided token is malformed", "wrong_session_token")
        expected = _signature(request, vended.values["secret_access_key"], day, region, signed.split(";"))
        if not hmac.compare_digest(expected, signature):
            raise StoreError(403, "SignatureDoesNotMatch", "The signature does not match", "bad_signature")
        if vended.expires_at <= self._world.clock.now():
            raise StoreError(400, "ExpiredToken", "The provided token has expired.")
        request.principal = vended.principal
        return vended

    # What is asked

    def _read(self, request: Request, vended: Vended) -> Response:
        bucket, _, key = unquote(request.raw_path.lstrip("/")).partition("/")
        query = dict(request.query)
        if request.method not in ("GET", "HEAD"):
            raise StoreError(403, "AccessDenied", "Only reading is allowed", "write_to_storage")
        if not key:
            if query.get("list-type") != "2":
                raise StoreError(501, "NotImplemented", "Only ListObjectsV2 lists", "unknown_storage_call")
            self._check_prefix(vended, f"s3://{bucket}/{query.get('prefix', '')}")
            return self._list(bucket, query)
        self._check_prefix(vended, f"s3://{bucket}/{key}")
        return self._object(request, f"s3://{bucket}/{key}")

    def _check_prefix(self, vended: Vended, url: str) -> None:
        prefix = vended.prefix.rstrip("/")
        if url.rstrip("/") != prefix and not url.startswith(prefix + "/"):
            raise StoreError(403, "AccessDenied", "Access Denied", "outside_vended_prefix")

    def _local(self, url: str) -> Path:
        """The file or folder that an address stands for."""
        for entry in self._world.catalogs.all_tables():
            place = (entry.storage_location or "").rstrip("/")
            folder = local_folder(entry.engine_location or "")
            if place.startswith("s3://") and folder is not None and (url == place or url.startswith(place + "/")):
                return folder / url[len(place) :].lstrip("/")
        raise StoreError(404, "NoSuchBucket", "The specified bucket does not exist")

    def _object(self, request: Request, url: str) -> Response:
        path = self._local(url)
        if ".." in path.parts or not path.is_file():
            raise StoreError(404, "NoSuchKey", "The specified key does not exist.")
        status = path.stat()
        tag = _tag(path)
        headers = [
            ("Content-Type", "binary/octet-stream"),
            ("Accept-Ranges", "bytes"),
            ("ETag", tag),
            ("Last-Modified", formatdate(status.st_mtime, usegmt=True)),
        ]
        wanted = request.headers.get("If-Match")
        if wanted is not None and wanted != tag:
            raise StoreError(412, "PreconditionFailed", "At least one of the preconditions did not hold")
        whole = memoryview(path.read_bytes())
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range") or "")
        if found is None or found.groups() == ("", ""):
            return Response(200, headers, whole)
        first, last = found.groups()
        start = int(first) if first else max(len(whole) - int(last), 0)
        end = min(int(last) if first and last else len(whole) - 1, len(whole) - 1)
        if start > end:
            raise StoreError(416, "InvalidRange", "The requested range is not satisfiable")
        headers.append(("Content-Range", f"bytes {start}-{end}/{len(whole)}"))
        return Response(206, headers, whole[start : end + 1])

    def _list(self, bucket: str, query: dict[str, str]) -> Response:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        folder = self._local(f"s3://{bucket}/{prefix}".rstrip("/"))
        base = prefix.rstrip("/")
        if not folder.is_dir():
            # The prefix ends inside a name.
            folder, base = folder.parent, base.rpartition("/")[0]
        after = query.get("continuation-token") or query.get("start-after", "")
        size = min(int(query.get("max-keys", _LARGEST_PAGE)), _LARGEST_PAGE)
        entries: dict[str, Path | None] = {}
        for path in sorted(folder.rglob("*")):
            key = f"{base}/{path.relative_to(folder).as_posix()}".lstrip("/")
            if not path.is_file() or not key.startswith(prefix) or key <= after:
                continue
            inner, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if found:
                entries[prefix + inner + delimiter] = None
            else:
                entries[key] = path
        names = sorted(entries)
        page, more = names[:size], len(names) > size
        parts = [
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
            f"<Name>{escape(bucket)}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
            f"<MaxKeys>{size}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>",
        ]
        if more:
            parts.append(f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>")
        for name in page:
            path_of = entries[name]
            parts.append(_contents(name, path_of) if path_of is not None else _common(name))
        parts.append("</ListBucketResult>")
        return Response(200, [("Content-Type", "application/xml")], "".join(parts).encode())


def _tag(path: Path) -> str:
    status = path.stat()
    return f'"{hashlib.md5(f"{status.st_mtime_ns}-{status.st_size}".encode()).hexdigest()}"'


def _contents(name: str, path: Path) -> str:
    status = path.stat()
    moment = datetime.datetime.fromtimestamp(status.st_mtime, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f"<Contents><Key>{escape(name)}</Key><LastModified>{moment}</LastModified><Size>{status.st_size}</Size>"
        f"<ETag>{escape(_tag(path))}</ETag>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


def _common(name: str) -> str:
    return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"


def _signature(request: Request, secret: str, day: str, region: str, signed: list[str]) -> str:
    """The signature that the request should carry (AWS Signature Version 4)."""
    parts = urlsplit(request.target)
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    headers = "".join(f"{name}:{' '.join((request.headers.get(name) or '').split())}\n" for name in signed)
    payload = request.headers.get("x-amz-content-sha256") or "UNSIGNED-PAYLOAD"
    canonical = "\n".join(
        [
            request.method,
            parts.path,
            "&".join(f"{name}={value}" for name, value in pairs),
            headers,
            ";".join(signed),
            payload,
        ]
    )
    scope = f"{day}/{region}/s3/aws4_request"
    moment = request.headers.get("x-amz-date") or ""
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
