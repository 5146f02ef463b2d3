"""Sessions of the warehouse: where USE, SET and temporary views live on."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field

from .engine import EngineSession
from .engine_names import Registered


@dataclass
class Session:
    """What a session remembers between statements."""

    principal: str
    catalog: str | None
    schema: str | None
    # Keys in upper case.
    parameters: dict[str, str] = field(default_factory=dict)
    engine: EngineSession | None = None
    # What the engine's session knows, by full name.
    registered: dict[str, Registered] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)


class Sessions:
    """Open sessions by id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, Session] = {}

    def open(self, principal: str, catalog: str | None, schema: str | None, parameters: dict[str, str]) -> str:
        identity = str(uuid.uuid4())
        upper = {name.upper(): value for name, value in parameters.items()}
        with self._lock:
            self._by_id[identity] = Session(principal, catalog, schema, upper)
        return identity

    def find(self, identity: str) -> Session | None:
        with self._lock:
            return self._by_id.get(identity)

    def belongs(self, identity: str, principal: str) -> bool:
        session = self.find(identity)
        return session is not None and session.principal == principal

    def close(self, identity: str, principal: str) -> bool:
        """False when there is no such session of that principal."""
        with self._lock:
            session = self._by_id.get(identity)
            if session is None or session.principal != principal:
                return False
            del self._by_id[identity]
        if session.engine is not None:
            session.engine.close()
        return True

    def count(self) -> int:
        with self._lock:
            return len(self._by_id)
