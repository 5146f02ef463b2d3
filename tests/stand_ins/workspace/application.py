"""One workspace: its state, its services and its listeners, put together."""

from __future__ import annotations

import ssl
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from .account_api import AccountApi
from .catalog import Catalogs
from .clock import Clock
from .control_api import ControlApi
from .dialect import Dialect
from .engine import Engine
from .engine_names import EngineNames
from .entra_api import EntraApi
from .execution import Execution
from .faults import Fault, Faults, wire_fault
from .grants import Grants
from .http_messages import Request, Response
from .http_server import Listener
from .journal import Journal
from .links import Links
from .login_api import LoginApi
from .materialise import Materialiser
from .name_mapping import NameMapping, OneCatalogMapping
from .object_store import ObjectStore
from .open_source_api import OpenSourceApi
from .principals import Caller, Principal, Principals
from .refusals import Refusal
from .routing import Route, Router
from .sail import Sail
from .secrets_api import SecretsApi
from .sessions import Sessions
from .settings import Settings
from .state_loading import DEFAULT_STATE, StateLoader
from .statement_answers import StatementAnswers, damaged
from .statement_api import StatementApi
from .statements import Question, Statements
from .unity_changes_api import UnityChangesApi
from .unity_credentials_api import UnityCredentialsApi
from .unity_delta_api import UnityDeltaApi
from .unity_metadata_api import UnityMetadataApi
from .unity_permissions_api import UnityPermissionsApi
from .vending import Vending
from .warehouse_api import WarehouseApi
from .warehouses import Warehouses
from .world import Addresses, World

_SCOPES = {
    "/api/2.0/sql/": "sql",
    "/api/2.1/unity-catalog/": "unity-catalog",
    "/api/2.0/unity-catalog/": "unity-catalog",
}
_ANYBODY = Principal("anonymous", administrator=True)


class Options:
    """How a workspace is started; see options.py for the command line's names."""

    def __init__(
        self,
        address: str = "127.0.0.1",
        ports: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0),
        dialect: str = "databricks",
        authorization: bool = True,
        data_folder: Path | None = None,
        state: list[Path] | None = None,
        default_state: bool = True,
        engine_address: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address
        self.ports = ports
        self.dialect = dialect
        self.authorization = authorization
        self.data_folder = data_folder
        self.state = state or []
        self.default_state = default_state
        self.engine_address = engine_address
        self.tls = tls


class Workspace:
    """Start it, use its addresses, stop it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._temporary = tempfile.TemporaryDirectory(prefix="workspace-") if options.data_folder is None else None
        folder = (
            options.data_folder
            if options.data_folder is not None
            else Path(str(self._temporary and self._temporary.name))
        )
        clock, dialect = Clock(), Dialect(options.dialect)
        catalogs = Catalogs(clock, dialect)
        self.world = World(
            clock,
            Settings(),
            dialect,
            Journal(clock),
            Faults(),
            Principals(clock, dialect.open_source),
            catalogs,
            Grants(catalogs),
            folder.resolve(),
            options.authorization,
        )
        self._sail = Sail()
        self._build_services()
        self._bind()

    # Putting together

    def _build_services(self) -> None:
        world, options = self.world, self._options
        remote = options.engine_address is not None
        self.engine = Engine(
            self.engine_address, lambda: OneCatalogMapping(world.catalogs.has_schema) if remote else NameMapping()
        )
        self.warehouses = Warehouses(world.clock, world.settings)
        self.sessions = Sessions()
        self.vending = Vending(world)
        self.objects = ObjectStore(world, self.vending)
        # The two need each other: filling a table takes the engine, and the engine's names take filled tables.
        self.materialiser = Materialiser(
            world, lambda *what: self.execution.write_delta(*what), lambda *what: self.execution.append_delta(*what)
        )
        names = EngineNames(world, self.materialiser)
        self.execution = Execution(world, self.engine, names, self.sessions)
        self.links = Links(world)
        self.answers = StatementAnswers(world, self.links)
        self.statements = Statements(world.clock, self.warehouses, self._execute)
        self.links.find_body = lambda statement, chunk: self._link_body(statement, chunk)
        secrets = SecretsApi(world)
        self.entra = EntraApi(world)
        self.loader = StateLoader(world, self.warehouses, secrets, self.vending)
        unity: list[Route] = [
            *UnityMetadataApi(world).routes(),
            *UnityChangesApi(world).routes(),
            *UnityPermissionsApi(world).routes(),
            *UnityCredentialsApi(world, self.vending, self.materialiser).routes(),
            *UnityDeltaApi(world, self.vending, self.materialiser.ensure).routes(),
        ]
        statement_api = StatementApi(world, self.statements, self.warehouses, self.answers, self.sessions)
        others = [
            *statement_api.routes(),
            *WarehouseApi(world, self.warehouses).routes(),
            *secrets.routes(),
            *LoginApi(world).routes(),
            *AccountApi(world).routes(),
        ]
        self._api = Router([*unity, *(OpenSourceApi(world).routes() if world.dialect.open_source else others)])
        self._login = Router(self.entra.routes())
        control = ControlApi(
            world,
            self.loader,
            self.statements,
            self.warehouses,
            self.sessions,
            self.vending,
            self.materialiser,
            self.entra,
            self.engine_address,
        )
        self._control = Router(control.routes())

    def _bind(self) -> None:
        options = self._options
        answers: list[tuple[str, Callable[[Request], Response], ssl.SSLContext | None]] = [
            ("api", self._answer_api, options.tls),
            ("links", self._answer_link, options.tls),
            ("login", self._answer_login, options.tls),
            ("objects", self._answer_object, options.tls),
            ("control", self._answer_control, None),
        ]
        self._listeners = [
            Listener(name, options.address, port, answer, tls, self._wait_for_release)
            for (name, answer, tls), port in zip(answers, options.ports)
        ]
        urls = {listener.name: listener.url for listener in self._listeners}
        self.world.addresses = Addresses(**urls)

    def start(self) -> None:
        """Loads the state and listens."""
        if self._options.default_state:
            self.loader.load_file(DEFAULT_STATE)
        for path in self._options.state:
            self.loader.load_file(path)
        for listener in self._listeners:
            listener.start()

    def stop(self) -> None:
        self.statements.clear_scripts()
        self.world.stalls.set()
        for listener in self._listeners:
            listener.stop()
        self._sail.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    # The engine

    def engine_address(self) -> str:
        """Where the engine is; starts Sail if it is to be Sail."""
        if self._options.engine_address is not None:
            return self._options.engine_address
        return self._sail.address(
            frozenset(entry.name for entry in self.world.catalogs.catalogs()) or frozenset({"main"})
        )

    def _execute(self, question: Question, interrupted: Callable[[], bool], started: Callable[..., None]):  # type: ignore[no-untyped-def]
        result = self.execution.run(question, interrupted, started)
        if question.disposition != "INLINE":
            # Before the statement succeeds, so that links only send.
            result.encode_all(question.format, question.compression, self.answers.encoding())
        return result

    # Listeners

    def _answer_api(self, request: Request) -> Response:
        return self._guarded(request, lambda: self._routed(self._api, request), self.world.settings.api_latency)

    def _answer_login(self, request: Request) -> Response:
        return self._guarded(request, lambda: self._routed(self._login, request), self.world.settings.api_latency)

    def _answer_link(self, request: Request) -> Response:
        response = self._guarded(
            request,
            lambda: self._damaged_link(request, self.links.answer(request)),
            self.world.settings.link_latency,
            self.links.chunk_of(request),
        )
        response.bytes_per_second = self.world.settings.link_bytes_per_second
        return response

    def _answer_object(self, request: Request) -> Response:
        return self._guarded(request, lambda: self.objects.answer(request), self.world.settings.link_latency)

    def _answer_control(self, request: Request) -> Response:
        try:
            route, path = self._control.find(request)
            answer = route.handler(self._control.call(route, path, request, None))
            if isinstance(answer, dict) and "requests" in answer:
                answer = {"requests": [{**entry} for entry in answer["requests"]]}
            return answer if isinstance(answer, Response) else Response.of_json(answer)
        except Refusal as refusal:
            return Dialect("databricks").answer_error(refusal, "control")

    def _guarded(
        self, request: Request, handler: Callable[[], Response], latency: float, chunk: int | None = None
    ) -> Response:
        """The journal, armed faults and latency around every answer."""
        world = self.world
        entry = world.journal.arrived(request)
        if latency:
            time.sleep(latency)
        if request.listener == "api":
            self._recognise(request)
        if request.method == "POST" and request.raw_path.rstrip("/").endswith("/sql/statements"):
            # For faults that name a statement: its text, before anything has been checked.
            request.notes["statement"] = request.body.decode("utf-8", "replace")
        fault = world.faults.on_request(request, chunk)
        request.notes.pop("statement", None)
        response = self._faulty(fault, handler)
        response.headers += [("x-request-id", str(uuid.uuid4()))]
        if request.listener == "api" and not world.dialect.open_source:
            response.headers.append(("x-databricks-org-id", world.workspace_id))
        world.journal.answered(entry, request, response.status, fault.kind if fault is not None else None)
        return response

    def _recognise(self, request: Request) -> None:
        """Names the caller for faults and the journal; a wrong credential is judged later."""
        try:
            self.world.principals.authenticate(request, None)
        except Refusal:
            request.principal = None

    def _faulty(self, fault: Fault | None, handler: Callable[[], Response]) -> Response:
        if fault is None:
            return handler()
        if fault.kind == "latency":
            time.sleep(float(fault.details.get("seconds", 1)))
            return handler()
        if fault.kind in ("cut", "stall", "content_length", "flip_bit"):
            if fault.kind == "stall":
                self.world.stalls.clear()
            response = handler()
            response.wire = wire_fault(fault)
            return response
        if fault.after:
            handler()
        if fault.kind == "no_answer":
            return Response(0, [], b"", wire_fault(fault))
        return self._prescribed(fault)

    def _prescribed(self, fault: Fault) -> Response:
        details = fault.details
        status = int(details.get("status", 500))
        headers = [(str(name), str(value)) for name, value in details.get("headers", {}).items()]
        if "retry_after" in details:
            headers.append(("Retry-After", str(details["retry_after"])))
        if fault.kind == "raw":
            kind = details.get("content_type", "text/html")
            return Response(status, [("Content-Type", kind), *headers], str(details.get("body", "")).encode())
        codes = {
            401: "UNAUTHENTICATED",
            403: "PERMISSION_DENIED",
            404: "NOT_FOUND",
            429: "REQUEST_LIMIT_EXCEEDED",
            500: "INTERNAL_ERROR",
            503: "TEMPORARILY_UNAVAILABLE",
            504: "DEADLINE_EXCEEDED",
        }
        refusal = Refusal(
            "fault",
            str(details.get("message", "an armed fault")),
            status=status,
            headers=headers,
            error_code=details.get("error_code", codes.get(status, "UNKNOWN")),
            reason=details.get("reason"),
        )
        return self.world.dialect.answer_error(refusal, "fault")

    def _routed(self, router: Router, request: Request) -> Response:
        world = self.world
        shape = "service"
        try:
            caller: Caller | None = None
            if world.dialect.open_source and not world.authorization:
                caller = Caller(_ANYBODY, frozenset({"all-apis"}))
            elif world.dialect.open_source:
                # That server asks for a credential before it looks at the path.
                caller = world.principals.authenticate(request, None)
            route, path = router.find(request)
            shape = route.error_shape
            if route.credential and caller is None:
                scope = next((name for prefix, name in _SCOPES.items() if request.raw_path.startswith(prefix)), None)
                caller = world.principals.authenticate(request, scope)
            answer = route.handler(router.call(route, path, request, caller))
            return answer if isinstance(answer, Response) else Response.of_json(answer)
        except Refusal as refusal:
            if refusal.violation is not None:
                world.journal.violated(request, refusal.violation, refusal.message)
            if refusal.shape == "service":
                refusal.shape = shape
            return world.dialect.answer_error(refusal, str(uuid.uuid4()))

    # Links

    def _link_body(self, identity: str, chunk: int):  # type: ignore[no-untyped-def]
        statement = self.statements.find(identity)
        return self.answers.body(statement, chunk, None) if statement is not None else None

    def _damaged_link(self, request: Request, response: Response) -> Response:
        chunk = self.links.chunk_of(request)
        statement = self.statements.find(request.segments[2]) if chunk is not None and response.status == 200 else None
        if statement is None:
            return response
        fault = self.world.faults.on_result(
            ("no_end_of_stream", "first_frame_only"), request, statement.question.text, chunk
        )
        encoded = self.answers.body(statement, chunk or 0, request)
        if fault is not None and encoded is not None:
            response.body = damaged(encoded, fault.kind, statement.question.compression == "LZ4_FRAME")
        return response

    def _wait_for_release(self) -> None:
        self.world.stalls.wait()
