"""What a test can turn: sizes, lifetimes, latencies and habits of the workspace."""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass
from typing import Any


@dataclass
class Settings:
    """The values in force. Every field can be set by name through the control port."""

    # Seconds before any answer of the workspace's API, and before any body of a link.
    api_latency: float = 0.0
    link_latency: float = 0.0
    # Bytes that one connection gets of a link's body within a second, as object stores limit each; 0 is no limit.
    link_bytes_per_second: int = 0

    token_lifetime: int = 3600
    # The fake of Databricks' own command line answers `expires_in` as text; both spellings exist.
    token_lifetime_as_text: bool = False
    credential_lifetime: int = 3600
    external_access_enabled: bool = True

    # A cap on every listing's page, and an empty page (with a token) before every n-th real one.
    page_size_limit: int = 50
    empty_page_every: int = 0

    # Statements.
    time_zone: str = "Etc/UTC"
    rows_per_chunk: int = 100_000
    links_per_answer: int = 1
    links_need_headers: bool = False
    # An administrator may forbid links; clients fall back on INLINE then.
    external_links_enabled: bool = True
    link_lifetime: int = 900
    inline_limit_bytes: int = 25 * 1024 * 1024
    external_limit_bytes: int = 100 * 1024 * 1024 * 1024
    result_retention: int = 3600
    status_retention: int = 12 * 3600
    hybrid_attachment_limit_bytes: int = 1024 * 1024
    # Keeps encoded results by statement text, so that a measurement does not pay for the engine twice.
    reuse_results: bool = False
    # How BINARY looks in JSON_ARRAY: the sources disagree ("base64" or "hex").
    binary_in_json: str = "base64"
    # Names of nested fields and elements as Arrow lists have them.
    arrow_list_element: str = "element"

    # A warehouse that is stopped needs this long to start; negative: until a control call says so.
    warehouse_start_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def update(self, changes: dict[str, Any]) -> None:
        """Sets values by name. Raises ValueError for an unknown name or a value of another type."""
        with self._lock:
            kinds = {field.name: type(getattr(self, field.name)) for field in dataclasses.fields(self)}
            for name, value in changes.items():
                if name not in kinds:
                    raise ValueError(f"no setting {name!r}; there are {', '.join(sorted(kinds))}")
                wanted = kinds[name]
                if wanted is float and isinstance(value, int) and not isinstance(value, bool):
                    value = float(value)
                if type(value) is not wanted:
                    raise ValueError(f"setting {name!r} takes {wanted.__name__}")
                setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
