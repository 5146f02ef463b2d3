"""How the two servers spell things: Databricks' service and the open-source Unity Catalog server.

Both answer the same paths; error codes, absent fields, privileges' names and page tokens differ.
"""

from __future__ import annotations

import json
from typing import Any

from .http_messages import Response
from .refusals import Refusal

_DATABRICKS: dict[str, tuple[int, str | int]] = {
    "catalog_missing": (404, "CATALOG_DOES_NOT_EXIST"),
    "schema_missing": (404, "SCHEMA_DOES_NOT_EXIST"),
    "table_missing": (404, "TABLE_DOES_NOT_EXIST"),
    "resource_missing": (404, "RESOURCE_DOES_NOT_EXIST"),
    "principal_missing": (404, "PRINCIPAL_DOES_NOT_EXIST"),
    "not_found": (404, "NOT_FOUND"),
    "endpoint_missing": (404, "ENDPOINT_NOT_FOUND"),
    "method_refused": (404, "ENDPOINT_NOT_FOUND"),
    "feature_disabled": (404, "FEATURE_DISABLED"),
    "catalog_exists": (400, "CATALOG_ALREADY_EXISTS"),
    "schema_exists": (400, "SCHEMA_ALREADY_EXISTS"),
    "table_exists": (400, "TABLE_ALREADY_EXISTS"),
    "resource_exists": (400, "RESOURCE_ALREADY_EXISTS"),
    "invalid_parameter": (400, "INVALID_PARAMETER_VALUE"),
    "malformed": (400, "MALFORMED_REQUEST"),
    "bad_request": (400, "BAD_REQUEST"),
    "invalid_state": (400, "INVALID_STATE"),
    "failed_precondition": (400, "INVALID_STATE"),
    # The gate before all services answers with a number instead of a name.
    "no_credential": (401, 401),
    "bad_credential": (403, 403),
    "permission_denied": (403, "PERMISSION_DENIED"),
    # Looks like a failed login and is none: the metastore forbids access from outside.
    "external_access_off": (401, "UNAUTHENTICATED"),
    "version_conflict": (409, "ABORTED"),
    "too_many": (429, "REQUEST_LIMIT_EXCEEDED"),
    "unavailable": (503, "TEMPORARILY_UNAVAILABLE"),
    "internal": (500, "INTERNAL_ERROR"),
}

_OPEN_SOURCE: dict[str, tuple[int, str | int]] = {
    "catalog_missing": (404, "CATALOG_NOT_FOUND"),
    "schema_missing": (404, "SCHEMA_NOT_FOUND"),
    "table_missing": (404, "TABLE_NOT_FOUND"),
    "resource_missing": (404, "NOT_FOUND"),
    "principal_missing": (404, "NOT_FOUND"),
    "not_found": (404, "NOT_FOUND"),
    "catalog_exists": (400, "CATALOG_ALREADY_EXISTS"),
    "schema_exists": (400, "SCHEMA_ALREADY_EXISTS"),
    "table_exists": (400, "TABLE_ALREADY_EXISTS"),
    "resource_exists": (400, "RESOURCE_ALREADY_EXISTS"),
    "invalid_parameter": (400, "INVALID_ARGUMENT"),
    "malformed": (400, "INVALID_ARGUMENT"),
    "bad_request": (400, "INVALID_ARGUMENT"),
    "invalid_state": (400, "FAILED_PRECONDITION"),
    "failed_precondition": (400, "FAILED_PRECONDITION"),
    "no_credential": (401, "UNAUTHENTICATED"),
    "bad_credential": (401, "UNAUTHENTICATED"),
    "permission_denied": (403, "PERMISSION_DENIED"),
    "external_access_off": (403, "PERMISSION_DENIED"),
    "version_conflict": (409, "COMMIT_VERSION_CONFLICT"),
    "too_many": (429, "RESOURCE_EXHAUSTED"),
    "unavailable": (503, "UNAVAILABLE"),
    "internal": (500, "INTERNAL"),
}

# Types of the Delta API's own error body.
_DELTA_TYPES: dict[str, tuple[int, str]] = {
    "catalog_missing": (404, "NoSuchCatalogException"),
    "schema_missing": (404, "NoSuchSchemaException"),
    "table_missing": (404, "NoSuchTableException"),
    "table_exists": (409, "AlreadyExistsException"),
    "invalid_parameter": (400, "InvalidParameterValueException"),
    "unsupported_format": (400, "UnsupportedTableFormatException"),
    "version_conflict": (409, "CommitVersionConflictException"),
    "too_many": (429, "ResourceExhaustedException"),
    "permission_denied": (403, "PermissionDeniedException"),
}

_ERROR_DOMAIN = "unity-catalog.databricks.com"


class Dialect:
    """One of the two spellings, `databricks` or `open_source`."""

    def __init__(self, name: str) -> None:
        if name not in ("databricks", "open_source"):
            raise ValueError(f"no dialect {name!r}: databricks or open_source")
        self.name = name
        self.open_source = name == "open_source"

    def privilege(self, name: str) -> str:
        """USE_CATALOG on Databricks, USE CATALOG in the open-source server."""
        return name.replace("_", " ") if self.open_source else name

    def names_match(self, left: str, right: str) -> bool:
        """The open-source server compares names as they are, Databricks without case."""
        return left == right if self.open_source else left.lower() == right.lower()

    def fields(self, values: dict[str, Any]) -> dict[str, Any]:
        """Databricks leaves out what is not set; the open-source server writes null."""
        if self.open_source:
            return values
        return {name: value for name, value in values.items() if value is not None}

    def answer_error(self, refusal: Refusal, request_id: str) -> Response:
        """The whole answer for a refusal."""
        if refusal.shape == "oauth":
            body: dict[str, Any] = {"error": refusal.error_code, "error_description": refusal.message}
            return Response.of_json(body, status=refusal.status or 400, headers=refusal.headers)
        if refusal.shape == "delta" and refusal.kind in _DELTA_TYPES and refusal.status is None:
            status, type_name = _DELTA_TYPES[refusal.kind]
            if not (self.open_source and refusal.kind == "permission_denied"):
                body = {"error": {"message": refusal.message, "type": type_name, "code": status, "stack": None}}
                return Response.of_json(body, status=status, headers=refusal.headers)
        if self.open_source and refusal.kind in ("endpoint_missing", "method_refused"):
            status, words = (404, "Not Found") if refusal.kind == "endpoint_missing" else (405, "Method Not Allowed")
            text = f"Status: {status}\nDescription: {words}\n".encode()
            return Response(status, [("Content-Type", "text/plain; charset=utf-8")], text)
        table = _OPEN_SOURCE if self.open_source else _DATABRICKS
        status, code = table.get(refusal.kind, (500, "INTERNAL_ERROR"))
        status = refusal.status or status
        code = refusal.error_code if refusal.error_code is not None else code
        return Response(
            status,
            [("Content-Type", "application/json"), *refusal.headers],
            json.dumps(self._error_body(refusal, code, request_id)).encode(),
        )

    def _error_body(self, refusal: Refusal, code: str | int, request_id: str) -> dict[str, Any]:
        if self.open_source:
            reason = {"reason": refusal.reason or code, "@type": "google.rpc.ErrorInfo"}
            return {"error_code": code, "details": [reason], "message": refusal.message}
        if isinstance(code, int):
            return {"error_code": code, "message": refusal.message}
        details: list[dict[str, Any]] = [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": refusal.reason or code,
                "domain": _ERROR_DOMAIN,
                "metadata": refusal.metadata,
            },
            {"@type": "type.googleapis.com/google.rpc.RequestInfo", "request_id": request_id, "serving_data": ""},
        ]
        return {"error_code": code, "message": refusal.message, "details": details}
