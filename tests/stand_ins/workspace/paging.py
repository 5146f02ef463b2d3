"""Pages of a listing: opaque tokens, caps, and pages that are empty although more follows."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .dialect import Dialect
from .refusals import violation
from .settings import Settings

Item = TypeVar("Item")
_OPEN_SOURCE_DEFAULT = 100


class Pager:
    """Cuts listings as the dialect does."""

    def __init__(self, settings: Settings, dialect: Dialect) -> None:
        self._settings = settings
        self._dialect = dialect

    def page(
        self,
        items: Sequence[Item],
        name_of: Callable[[Item], str],
        query: dict[str, Any],
        visible: Callable[[Item], bool],
        cap: int | None = None,
    ) -> tuple[list[Item], str | None]:
        """The items of one page, and the token of the next (None: there is none)."""
        size = query.get("max_results")
        if size is not None and size < 0:
            words = (
                "maxResults must be greater than or equal to 0"
                if self._dialect.open_source
                else "max_results must be greater than or equal to 0"
            )
            raise violation("negative_page_size", words)
        if self._dialect.open_source:
            return self._open_source(items, name_of, size, query.get("page_token"), visible, cap)
        return self._databricks(items, name_of, size, query.get("page_token"), visible, cap)

    def _open_source(
        self,
        items: Sequence[Item],
        name_of: Callable[[Item], str],
        size: int | None,
        token: str | None,
        visible: Callable[[Item], bool],
        cap: int | None,
    ) -> tuple[list[Item], str | None]:
        # The token is the last name; what the caller may not see is dropped after the page is cut.
        length = min(size or _OPEN_SOURCE_DEFAULT, cap or _OPEN_SOURCE_DEFAULT)
        rest = [item for item in items if token is None or name_of(item) > token]
        page = rest[:length]
        following = name_of(page[-1]) if len(page) == length else None
        return [item for item in page if visible(item)], following

    def _databricks(
        self,
        items: Sequence[Item],
        name_of: Callable[[Item], str],
        size: int | None,
        token: str | None,
        visible: Callable[[Item], bool],
        cap: int | None,
    ) -> tuple[list[Item], str | None]:
        seen = [item for item in items if visible(item)]
        if size is None and token is None:
            # The deprecated form without pages.
            return seen, None
        after, number = _decode(token) if token else ("", 1)
        rest = [item for item in seen if name_of(item) > after]
        every = self._settings.empty_page_every
        if every and number % every == 0 and rest:
            return [], _encode(after, number + 1)
        limit = self._settings.page_size_limit if cap is None else cap
        length = min(size or limit, limit)
        page = rest[:length]
        following = _encode(name_of(page[-1]), number + 1) if len(rest) > length else None
        return page, following


def _encode(after: str, number: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([after, number]).encode()).decode().rstrip("=")


def _decode(token: str) -> tuple[str, int]:
    try:
        after, number = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return str(after), int(number)
    except (ValueError, TypeError) as error:
        raise violation("bad_page_token", "page_token is not valid") from error
