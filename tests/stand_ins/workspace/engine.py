"""The real engine behind the SQL warehouse: any Spark Connect server, spoken to directly.

Its own client of the protocol, over the messages that `pyspark-client` ships, because the DataFrame
client refuses interval types and gives no handle for cancelling.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .name_mapping import NameMapping

if TYPE_CHECKING:
    import pyarrow

_INTERRUPT_AGAIN_SECONDS = 0.1
_LARGEST_MESSAGE = 128 * 1024 * 1024
_DAY_TIME = ("day", "hour", "minute", "second")
_YEAR_MONTH = ("year", "month")


@dataclass
class EngineAnswer:
    """Rows with Spark's types. `columns` are (name, type as in a Delta log)."""

    columns: list[tuple[str, Any]]
    batches: list[pyarrow.RecordBatch] = field(default_factory=list)


class EngineError(Exception):
    """The engine refused or failed."""

    def __init__(self, message: str, condition: str | None = None, sql_state: str | None = None) -> None:
        super().__init__(message)
        self.condition = condition
        self.sql_state = sql_state


class EngineInterrupted(Exception):
    """The statement was cancelled while the engine worked on it."""


@dataclass(frozen=True)
class Argument:
    """A statement's parameter: a text that is cast to a type; None is NULL."""

    value: str | None
    type_text: str
    name: str | None = None


class Engine:
    """A Spark Connect server, reached when first needed."""

    def __init__(self, address: Callable[[], str], mapping: Callable[[], NameMapping] = NameMapping) -> None:
        self._find_address = address
        self._mapping = mapping
        self._lock = threading.Lock()
        self._address: str | None = None
        self._stub: Any = None
        self._metadata: list[tuple[str, str]] = []

    def connect(self) -> str:
        """Connects if there is no connection to the current address; the address."""
        with self._lock:
            address = self._find_address()
            if address != self._address:
                self._stub, self._metadata = _channel(address)
                self._address = address
            return address

    def open(self, user: str, time_zone: str) -> EngineSession:
        """A new session of the server."""
        self.connect()
        session = EngineSession(self._stub, self._metadata, user, self._mapping())
        session.configure({"spark.sql.session.timeZone": time_zone})
        return session


def _channel(address: str) -> tuple[Any, list[tuple[str, str]]]:
    import grpc
    import pyspark.sql.connect.proto as proto

    place, _, parameters = address.removeprefix("sc://").partition("/")
    options: dict[str, str] = {}
    for pair in parameters.lstrip(";").split(";"):
        name, separator, value = pair.partition("=")
        if separator:
            options[name] = unquote(value)
    token = options.pop("token", None)
    secure = options.pop("use_ssl", "false") == "true"
    limits = [("grpc.max_receive_message_length", _LARGEST_MESSAGE), ("grpc.max_send_message_length", _LARGEST_MESSAGE)]
    channel = (
        grpc.secure_channel(place, grpc.ssl_channel_credentials(), options=limits)
        if secure
        else grpc.insecure_channel(place, options=limits)
    )
    metadata = [(name.lower(), value) for name, value in options.items() if name not in ("user_id", "user_agent")]
    if token is not None:
        metadata.append(("authorization", f"Bearer {token}"))
    return proto.SparkConnectServiceStub(channel), metadata


class EngineSession:
    """A session: temporary views, settings and registered names live in it."""

    def __init__(self, stub: Any, metadata: list[tuple[str, str]], user: str, mapping: NameMapping) -> None:
        self.mapping = mapping
        self._stub = stub
        self._metadata = metadata
        self._user = user
        self._identity = str(uuid.uuid4())

    def configure(self, pairs: dict[str, str]) -> None:
        import pyspark.sql.connect.proto as proto

        request = proto.ConfigRequest(session_id=self._identity, client_type="stand-in")
        request.user_context.user_id = self._user
        for key, value in pairs.items():
            request.operation.set.pairs.add(key=key, value=value)
        self._call(lambda: self._stub.Config(request, metadata=self._metadata))

    def run(
        self,
        text: str,
        arguments: list[Argument] | None = None,
        interrupted: Callable[[], bool] = lambda: False,
        started: Callable[[Callable[[], None]], None] | None = None,
    ) -> EngineAnswer:
        """Runs one statement and gathers its rows.

        `started` is given a function that cancels. Raises EngineError and EngineInterrupted.
        """
        import pyspark.sql.connect.proto as proto

        request = proto.ExecutePlanRequest(
            session_id=self._identity, client_type="stand-in", operation_id=str(uuid.uuid4())
        )
        request.user_context.user_id = self._user
        request.request_options.add().reattach_options.reattachable = True
        sql = request.plan.root.sql
        sql.query = text
        for argument in arguments or []:
            target = sql.pos_arguments.add() if argument.name is None else sql.named_arguments[argument.name]
            _write_argument(target, argument)
        over = threading.Event()
        if started is not None:
            started(lambda: self._interrupt_until(request.operation_id, over))
        try:
            return self._call(lambda: self._gather(request, interrupted), interrupted)
        finally:
            over.set()

    def _gather(self, request: Any, interrupted: Callable[[], bool]) -> EngineAnswer:
        import pyarrow

        from .month_intervals import as_integers

        answer = EngineAnswer([])
        for message in self._messages(request, interrupted):
            if message.HasField("schema"):
                answer.columns = [(column.name, type_of(column.data_type)) for column in message.schema.struct.fields]
            if message.WhichOneof("response_type") == "arrow_batch":
                reader = pyarrow.ipc.open_stream(message.arrow_batch.data)
                answer.batches += [as_integers(batch) for batch in reader if batch.num_rows]
        return answer

    def _messages(self, request: Any, interrupted: Callable[[], bool]) -> Iterator[Any]:
        """All answers; a stream that ends before `result_complete` is taken up again."""
        import pyspark.sql.connect.proto as proto

        stream = self._stub.ExecutePlan(request, metadata=self._metadata)
        last_answer = ""
        while True:
            received = False
            for message in stream:
                received = True
                last_answer = message.response_id or last_answer
                if message.WhichOneof("response_type") == "result_complete":
                    return
                yield message
            if interrupted():
                # Sail ends an interrupted stream without a word.
                raise EngineInterrupted
            if not received:
                raise EngineError("the engine's stream ended before the result was complete")
            again = proto.ReattachExecuteRequest(
                session_id=self._identity, operation_id=request.operation_id, last_response_id=last_answer
            )
            again.user_context.user_id = self._user
            stream = self._stub.ReattachExecute(again, metadata=self._metadata)

    def _interrupt_until(self, operation: str, over: threading.Event) -> None:
        """Interrupts until the statement has ended: an interrupt that comes before the statement is lost."""

        def repeat() -> None:
            while not over.is_set():
                try:
                    self._interrupt(operation)
                except EngineError:
                    # The server is gone, and the statement with it.
                    return
                over.wait(_INTERRUPT_AGAIN_SECONDS)

        threading.Thread(target=repeat, name=f"interrupt-{operation}", daemon=True).start()

    def _interrupt(self, operation: str) -> None:
        import pyspark.sql.connect.proto as proto

        request = proto.InterruptRequest(session_id=self._identity, client_type="stand-in", operation_id=operation)
        request.user_context.user_id = self._user
        request.interrupt_type = proto.InterruptRequest.INTERRUPT_TYPE_OPERATION_ID
        self._call(lambda: self._stub.Interrupt(request, metadata=self._metadata))

    def close(self) -> None:
        """Ends the session; errors do not matter any more."""
        import pyspark.sql.connect.proto as proto

        request = proto.ReleaseSessionRequest(session_id=self._identity, client_type="stand-in")
        request.user_context.user_id = self._user
        try:
            for statement in self.mapping.leave():
                self.run(statement)
            self._call(lambda: self._stub.ReleaseSession(request, metadata=self._metadata))
        except EngineError:
            pass

    def _call(self, action: Callable[[], Any], interrupted: Callable[[], bool] = lambda: False) -> Any:
        import grpc

        try:
            return action()
        except grpc.RpcError as error:
            if interrupted():
                raise EngineInterrupted from error
            raise _engine_error(error) from error


def _engine_error(error: Any) -> EngineError:
    from google.rpc import error_details_pb2, status_pb2

    condition: str | None = None
    sql_state: str | None = None
    java_class: str | None = None
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(value).details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info):
                condition = info.metadata.get("errorClass")
                sql_state = info.metadata.get("sqlState")
                java_class = info.reason
    failure = EngineError(str(error.details()), condition, sql_state)
    failure.java_class = java_class  # type: ignore[attr-defined]
    return failure


def _write_argument(target: Any, argument: Argument) -> None:
    """CAST('text' AS type), so that the engine judges the text."""
    if argument.value is None:
        target.cast.expr.literal.null.null.SetInParent()
    else:
        target.cast.expr.literal.string = argument.value
    target.cast.type_str = argument.type_text


def type_of(kind: Any) -> Any:
    """A protocol message's type in the form of a Delta log."""
    name = kind.WhichOneof("kind")
    plain = {"null": "void", "integer": "integer"}
    if name == "decimal":
        return f"decimal({kind.decimal.precision},{kind.decimal.scale})"
    if name == "char":
        return f"char({kind.char.length})"
    if name == "var_char":
        return f"varchar({kind.var_char.length})"
    if name == "year_month_interval":
        interval = kind.year_month_interval
        return _interval(_YEAR_MONTH, interval.start_field, interval.end_field, interval.HasField("end_field"))
    if name == "day_time_interval":
        interval = kind.day_time_interval
        return _interval(_DAY_TIME, interval.start_field, interval.end_field, interval.HasField("end_field"))
    if name == "array":
        return {
            "type": "array",
            "elementType": type_of(kind.array.element_type),
            "containsNull": kind.array.contains_null,
        }
    if name == "map":
        return {
            "type": "map",
            "keyType": type_of(kind.map.key_type),
            "valueType": type_of(kind.map.value_type),
            "valueContainsNull": kind.map.value_contains_null,
        }
    if name == "struct":
        fields = [
            {"name": inner.name, "type": type_of(inner.data_type), "nullable": inner.nullable, "metadata": {}}
            for inner in kind.struct.fields
        ]
        return {"type": "struct", "fields": fields}
    return plain.get(name, name)


def _interval(names: tuple[str, ...], start: int, end: int, ended: bool) -> str:
    if not ended:
        start, end = 0, len(names) - 1
    if start == end:
        return f"interval {names[start]}"
    return f"interval {names[start]} to {names[end]}"
