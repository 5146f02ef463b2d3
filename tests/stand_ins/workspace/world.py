"""Everything that the services share. One object, made by application.py and handed to each service."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .catalog import Catalogs
from .clock import Clock
from .dialect import Dialect
from .faults import Faults
from .grants import Grants
from .journal import Journal
from .principals import Principals
from .settings import Settings

if TYPE_CHECKING:
    from .engine import Engine
    from .links import Links
    from .statements import Statements
    from .warehouses import Warehouses


@dataclass
class Addresses:
    """Where the listeners are, once they are bound."""

    api: str = ""
    links: str = ""
    login: str = ""
    objects: str = ""
    control: str = ""


@dataclass
class World:
    """State and collaborators of one workspace."""

    clock: Clock
    settings: Settings
    dialect: Dialect
    journal: Journal
    faults: Faults
    principals: Principals
    catalogs: Catalogs
    grants: Grants
    data_folder: Path
    # False only for the open-source server with authorization off, which takes anything from anybody.
    authorization: bool = True
    addresses: Addresses = field(default_factory=Addresses)
    workspace_id: str = "1234567890123456"
    account_id: str = "a1b2c3d4-0000-4000-8000-00000000acc0"
    metastore_id: str = "7f474fa7-74c3-4d72-a64d-0f10b0e95784"
    tenant_id: str = "7e11a117-0000-4000-8000-0000000e117a"
    policies: list[dict[str, Any]] = field(default_factory=list)
    secret_scopes: dict[str, dict[str, Any]] = field(default_factory=dict)
    engine: Engine | None = None
    warehouses: Warehouses | None = None
    statements: Statements | None = None
    links: Links | None = None
    stalls: threading.Event = field(default_factory=threading.Event)

    @staticmethod
    def new_id() -> str:
        return str(uuid.uuid4())
