"""Time as the stand-in sees it: real time plus what a test has added.

Everything that expires (tokens, links, vended credentials, results) asks this clock, so a test moves
time instead of sleeping.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """Seconds since the epoch, movable forward only."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._added = 0.0

    def now(self) -> float:
        return time.time() + self._added

    def now_milliseconds(self) -> int:
        return int(self.now() * 1000)

    def advance(self, seconds: float) -> None:
        """Moves time on and wakes whoever waits for a moment that has now passed."""
        if seconds < 0:
            raise ValueError("time only moves forward")
        with self._changed:
            self._added += seconds
            self._changed.notify_all()

    def wake(self) -> None:
        """Has every waiter look at its condition again."""
        with self._changed:
            self._changed.notify_all()

    def wait_until(self, moment: float, interrupted: Callable[[], bool]) -> bool:
        """Waits until the clock shows `moment`; False when `interrupted` became true before that."""
        with self._changed:
            while True:
                if interrupted():
                    return False
                left = moment - self.now()
                if left <= 0:
                    return True
                self._changed.wait(left)
