"""Statements: their states, from acceptance to the end of their result's keeping."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .clock import Clock
from .engine import Argument, EngineError, EngineInterrupted
from .engine_errors import StatementError, statement_error
from .results import StatementResult
from .warehouses import Warehouses

TERMINAL = ("SUCCEEDED", "FAILED", "CANCELED", "CLOSED")


@dataclass
class Script:
    """What a test wants of statements whose text matches."""

    match: str
    # The state in which the statement stays until a control call releases it.
    hold: str | None = None
    # How many polls see PENDING, and then RUNNING, before the statement goes on.
    pending_polls: int = 0
    running_polls: int = 0
    # Another text for the engine.
    sql: str | None = None
    # Rows by a rule instead of an execution: see generated_results.py.
    generated: dict[str, Any] | None = None
    # A failure instead of an execution: error_code, message, sql_state.
    failure: dict[str, Any] | None = None
    times: int | None = None
    used: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def polls(self) -> int:
        return self.pending_polls + self.running_polls


@dataclass
class Question:
    """What was asked, after it has been checked."""

    text: str
    principal: str
    warehouse: str
    arguments: list[Argument]
    catalog: str | None
    schema: str | None
    session: str | None
    disposition: str
    format: str
    compression: str
    row_limit: int | None
    byte_limit: int | None
    generated: dict[str, Any] | None = None


# Runs a question: (question, whether it was cancelled, takes a function that cancels) to a result.
Execute = Callable[[Question, Callable[[], bool], Callable[[Callable[[], None]], None]], StatementResult]


class Statement:
    """One statement. All changes of its state go through its condition."""

    def __init__(self, question: Question, clock: Clock) -> None:
        moment = int(clock.now() * 1_000_000)
        tail = uuid.uuid4().hex
        # Time-ordered, like the service's: clients treat it as opaque.
        self.identity = f"01{moment & 0xFFFFFF:06x}-{moment >> 24 & 0xFFFF:04x}-1{tail[:3]}-{tail[3:7]}-{tail[7:19]}"
        self.question = question
        self.changed = threading.Condition()
        self.state = "PENDING"
        self.error: StatementError | None = None
        self.result: StatementResult | None = None
        self.finished_at: float | None = None
        self.polls = 0
        self.chunk_answers = 0
        self.cancelled = False
        self.script: Script | None = None
        self._cancel_engine: Callable[[], None] | None = None

    def finish(self, state: str, moment: float) -> None:
        with self.changed:
            if self.state not in TERMINAL:
                self.state = state
                self.finished_at = moment
            self.changed.notify_all()

    def to_state(self, state: str) -> None:
        with self.changed:
            if self.state not in TERMINAL:
                self.state = state
            self.changed.notify_all()

    def take_cancel(self, cancel: Callable[[], None]) -> None:
        with self.changed:
            self._cancel_engine = cancel
            too_late = self.cancelled
        if too_late:
            cancel()

    def request_cancel(self, moment: float) -> None:
        """Asks for the end; the state becomes CANCELED at once, the engine follows."""
        with self.changed:
            if self.state in TERMINAL:
                return
            self.cancelled = True
            cancel = self._cancel_engine
            self.state = "CANCELED"
            self.finished_at = moment
            self.changed.notify_all()
        if cancel is not None:
            try:
                cancel()
            except EngineError:
                # The engine had finished already; its result is dropped.
                pass

    def wait_terminal(self, seconds: float) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.state in TERMINAL, seconds)

    def saw_poll(self) -> None:
        with self.changed:
            self.polls += 1
            self.changed.notify_all()


class Statements:
    """All statements, and the threads that run them."""

    def __init__(self, clock: Clock, warehouses: Warehouses, execute: Execute) -> None:
        self._clock = clock
        self._warehouses = warehouses
        self._execute = execute
        self._lock = threading.Lock()
        self._by_id: dict[str, Statement] = {}
        self._scripts: list[Script] = []

    def add_script(self, script: Script) -> None:
        re.compile(script.match)
        with self._lock:
            self._scripts.append(script)

    def clear_scripts(self) -> None:
        with self._lock:
            scripts, self._scripts = self._scripts, []
        for script in scripts:
            script.released.set()
        self._wake_all()

    def release(self) -> None:
        """Lets every held statement go on."""
        with self._lock:
            scripts = list(self._scripts)
        for script in scripts:
            script.released.set()
        self._wake_all()

    def _wake_all(self) -> None:
        for statement in self.all():
            with statement.changed:
                statement.changed.notify_all()
        self._clock.wake()

    def all(self) -> list[Statement]:
        with self._lock:
            return list(self._by_id.values())

    def find(self, identity: str) -> Statement | None:
        with self._lock:
            return self._by_id.get(identity)

    def forget(self, identity: str) -> None:
        with self._lock:
            self._by_id.pop(identity, None)

    def submit(self, question: Question) -> Statement:
        """Accepts a statement and has it run."""
        statement = Statement(question, self._clock)
        with self._lock:
            self._by_id[statement.identity] = statement
            for script in self._scripts:
                left = script.times is None or script.used < script.times
                if left and re.search(script.match, question.text):
                    script.used += 1
                    statement.script = script
                    break
        self._warehouses.start(question.warehouse)
        threading.Thread(
            target=self._run, args=(statement,), name=f"statement-{statement.identity}", daemon=True
        ).start()
        return statement

    def _run(self, statement: Statement) -> None:
        script = statement.script
        try:
            if not self._await_warehouse(statement):
                return
            if script is not None:
                self._await_polls(statement, script.pending_polls)
                self._await_release(statement, script, "pending")
            statement.to_state("RUNNING")
            if script is not None:
                self._await_polls(statement, script.polls)
                self._await_release(statement, script, "running")
            if statement.state in TERMINAL:
                return
            self._execute_one(statement, script)
        except Exception as error:  # noqa: BLE001 - a fault of the stand-in must end the statement visibly
            statement.error = StatementError("INTERNAL_ERROR", f"the stand-in failed: {error!r}", None)
            statement.finish("FAILED", self._clock.now())

    def _execute_one(self, statement: Statement, script: Script | None) -> None:
        question = statement.question
        if script is not None and script.failure is not None:
            failure = script.failure
            statement.error = StatementError(
                failure.get("error_code", "BAD_REQUEST"), failure.get("message", "scripted"), failure.get("sql_state")
            )
            statement.finish("FAILED", self._clock.now())
            return
        if script is not None:
            question = replace(question, text=script.sql or question.text, generated=script.generated)
        try:
            statement.result = self._execute(question, lambda: statement.cancelled, statement.take_cancel)
            statement.finish("SUCCEEDED", self._clock.now())
        except EngineInterrupted:
            statement.finish("CANCELED", self._clock.now())
        except EngineError as error:
            statement.error = statement_error(error)
            statement.finish("FAILED", self._clock.now())

    def _await_warehouse(self, statement: Statement) -> bool:
        warehouse = statement.question.warehouse

        def over() -> bool:
            return statement.state in TERMINAL or self._warehouses.is_running(warehouse)

        while not over():
            moment = self._warehouses.ready_at(warehouse)
            self._clock.wait_until(moment if moment is not None else self._clock.now() + 3600, over)
        return statement.state not in TERMINAL

    def _await_polls(self, statement: Statement, count: int) -> None:
        with statement.changed:
            statement.changed.wait_for(lambda: statement.polls >= count or statement.state in TERMINAL)

    def _await_release(self, statement: Statement, script: Script, state: str) -> None:
        if script.hold != state:
            return
        with statement.changed:
            statement.changed.wait_for(lambda: script.released.is_set() or statement.state in TERMINAL)
