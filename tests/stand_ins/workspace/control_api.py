"""The control port: what tests program, and what they read. Everything lies under /__stand_in__/."""

from __future__ import annotations

from typing import Any

from .http_messages import Response
from .materialise import Materialiser
from .entra_api import EntraApi
from .identity_provider import IdentityProvider
from .refusals import Refusal
from .routing import Call, Route
from .sessions import Sessions
from .shapes import BOOLEAN, INT64, TEXT, Field
from .state_loading import StateLoader
from .statements import Script, Statements
from .vending import Vending
from .warehouses import Warehouses
from .world import World

_BASE = "/__stand_in__"
_OBJECT: dict[str, Any] = {}


class ControlApi:
    """Bodies of POST are JSON objects that are read by the handlers themselves."""

    def __init__(
        self,
        world: World,
        loader: StateLoader,
        statements: Statements,
        warehouses: Warehouses,
        sessions: Sessions,
        vending: Vending,
        materialiser: Materialiser,
        entra: EntraApi,
        engine_address: Any,
    ) -> None:
        self._world = world
        self._loader = loader
        self._statements = statements
        self._warehouses = warehouses
        self._sessions = sessions
        self._vending = vending
        self._materialiser = materialiser
        self._entra = entra
        self._engine_address = engine_address
        self._identity_provider = IdentityProvider(world.principals, world.clock)

    def routes(self) -> list[Route]:
        journal = {"after": INT64, "path": TEXT, "secrets": BOOLEAN, "bodies": BOOLEAN}

        def post(path: str, handler: Any) -> Route:
            return Route("POST", f"{_BASE}/{path}", handler, credential=False, body_kind="any")

        def get(path: str, handler: Any, query: dict[str, Field] | None = None) -> Route:
            return Route("GET", f"{_BASE}/{path}", handler, query=query or {}, credential=False)

        return [
            get("requests", self._requests, journal),
            get("violations", self._violations),
            Route("DELETE", f"{_BASE}/requests", self._clear, credential=False),
            get("faults", lambda call: {"faults": self._world.faults.all()}),
            post("faults", self._arm),
            Route("DELETE", f"{_BASE}/faults", self._disarm_all, credential=False),
            Route("DELETE", f"{_BASE}/faults/{{id}}", self._disarm, credential=False),
            post("stalls/release", self._release_stalls),
            get("settings", lambda call: self._world.settings.as_dict()),
            post("settings", self._set),
            post("clock", self._advance),
            post("state", self._load),
            post("tables/drop", self._drop_table),
            post("principals/remove", self._remove_principal),
            post("tokens/revoke", self._revoke),
            post("subject-tokens", self._subject_token),
            post("machine-identity", self._machine_identity),
            post("warehouses", self._set_warehouse),
            post("scripts", self._script),
            Route("DELETE", f"{_BASE}/scripts", self._clear_scripts, credential=False),
            post("statements/release", self._release),
            get("statements", self._list_statements),
            get("credentials", lambda call: {"credentials": self._vending.all()}),
            post("materialise", self._materialise),
            get("engine", self._engine),
        ]

    @staticmethod
    def _body(call: Call) -> dict[str, Any]:
        return call.request.json_object() if call.request.body else {}

    def _requests(self, call: Call) -> dict[str, Any]:
        query = call.query
        entries = self._world.journal.entries(
            query.get("after", 0), query.get("path", ""), bool(query.get("secrets")), bool(query.get("bodies"))
        )
        return {"requests": entries}

    def _violations(self, call: Call) -> dict[str, Any]:
        return {"violations": self._world.journal.violations()}

    def _clear(self, call: Call) -> dict[str, Any]:
        self._world.journal.clear()
        return {}

    def _arm(self, call: Call) -> dict[str, Any]:
        return _judged(lambda: self._world.faults.arm(self._body(call)).as_dict())

    def _disarm_all(self, call: Call) -> dict[str, Any]:
        self._world.faults.disarm(None)
        return {}

    def _disarm(self, call: Call) -> dict[str, Any]:
        self._world.faults.disarm(int(call.path["id"]))
        return {}

    def _release_stalls(self, call: Call) -> dict[str, Any]:
        self._world.stalls.set()
        return {}

    def _set(self, call: Call) -> dict[str, Any]:
        _judged(lambda: self._world.settings.update(self._body(call)))
        self._world.clock.wake()
        return self._world.settings.as_dict()

    def _advance(self, call: Call) -> dict[str, Any]:
        _judged(lambda: self._world.clock.advance(float(self._body(call)["advance_seconds"])))
        return {"now": self._world.clock.now()}

    def _load(self, call: Call) -> dict[str, Any]:
        return _judged(lambda: self._loader.load(self._body(call)))

    def _drop_table(self, call: Call) -> dict[str, Any]:
        entry = self._world.catalogs.table_by_full_name(str(self._body(call).get("full_name")))
        self._world.catalogs.drop_table(entry.catalog, entry.schema, entry.name)
        return {}

    def _remove_principal(self, call: Call) -> dict[str, Any]:
        self._world.principals.remove(str(self._body(call).get("name")))
        return {}

    def _revoke(self, call: Call) -> dict[str, Any]:
        body = self._body(call)
        return {"revoked": self._world.principals.revoke(body.get("principal"), body.get("origin"))}

    def _subject_token(self, call: Call) -> dict[str, Any]:
        body = self._body(call)
        lifetime, claims = float(body.get("lifetime", 600)), body.get("claims", {})
        return _judged(lambda: {"token": self._identity_provider.token(body["subject"], lifetime, claims)})

    def _machine_identity(self, call: Call) -> dict[str, Any]:
        self._entra.machine_identity = self._body(call).get("principal")
        return {}

    def _set_warehouse(self, call: Call) -> dict[str, Any]:
        body = self._body(call)
        _judged(lambda: self._warehouses.set_state(body["id"], body["state"]))
        return {}

    def _script(self, call: Call) -> dict[str, Any]:
        _judged(lambda: self._statements.add_script(Script(**self._body(call))))
        return {}

    def _clear_scripts(self, call: Call) -> dict[str, Any]:
        self._statements.clear_scripts()
        return {}

    def _release(self, call: Call) -> dict[str, Any]:
        self._statements.release()
        return {}

    def _list_statements(self, call: Call) -> dict[str, Any]:
        shown = [
            {
                "statement_id": statement.identity,
                "text": statement.question.text,
                "state": statement.state,
                "principal": statement.question.principal,
                "polls": statement.polls,
                "cancelled": statement.cancelled,
                "holds_result": statement.result is not None,
            }
            for statement in self._statements.all()
        ]
        return {"statements": shown, "sessions": self._sessions.count()}

    def _materialise(self, call: Call) -> dict[str, Any]:
        return {"tables": self._materialiser.ensure_all()}

    def _engine(self, call: Call) -> dict[str, Any]:
        return {"address": self._engine_address()}


def _judged(action: Any) -> Any:
    """A mistake of the test's is a 400 with words."""
    try:
        return action()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refusal("invalid_parameter", f"{type(error).__name__}: {error}") from error


def index(routes: list[Route]) -> Response:
    """A page that lists the control calls."""
    lines = "\n".join(f"{route.method} {route.template}" for route in routes)
    return Response(200, [("Content-Type", "text/plain; charset=utf-8")], lines.encode())
