"""The Statement Execution API 2.0, with the undocumented calls that official drivers make."""

from __future__ import annotations

import re
from typing import Any

from .engine import Argument
from .refusals import Refusal, violation
from .routing import Call, Route
from .sessions import Sessions
from .shapes import INT64, REQUIRED_TEXT, STRING_MAP, TEXT, Field, Shape
from .spark_types import TypeTextError, parse_type
from .statement_answers import StatementAnswers
from .statements import TERMINAL, Question, Statement, Statements
from .warehouses import Warehouses
from .world import World

_BASE = "/api/2.0/sql/statements"
_LONGEST_TEXT = 16 * 1024 * 1024
_MOST_TAGS = 20
_PARAMETER: Shape = {"name": TEXT, "value": TEXT, "type": TEXT, "ordinal": INT64}
_EXECUTE: Shape = {
    "statement": REQUIRED_TEXT,
    "warehouse_id": REQUIRED_TEXT,
    "catalog": TEXT,
    "schema": TEXT,
    "parameters": Field("array", items=_PARAMETER),
    "row_limit": INT64,
    "byte_limit": INT64,
    "disposition": Field(choices=("INLINE", "EXTERNAL_LINKS", "INLINE_OR_EXTERNAL_LINKS")),
    "format": Field(choices=("JSON_ARRAY", "ARROW_STREAM", "CSV")),
    "wait_timeout": TEXT,
    "on_wait_timeout": Field(choices=("CONTINUE", "CANCEL")),
    "query_tags": Field("array", items={"key": TEXT, "value": TEXT}),
    "session_id": TEXT,
    "result_compression": Field(choices=("NONE", "LZ4_FRAME")),
}


class StatementApi:
    """Execute, poll, fetch chunks, cancel, close, and sessions."""

    def __init__(
        self,
        world: World,
        statements: Statements,
        warehouses: Warehouses,
        answers: StatementAnswers,
        sessions: Sessions,
    ) -> None:
        self._world = world
        self._statements = statements
        self._warehouses = warehouses
        self._answers = answers
        self._sessions = sessions

    def routes(self) -> list[Route]:
        # The Python connector repeats ids in the bodies of GET, POST .../cancel and DELETE.
        identity = {"statement_id": TEXT}
        session = {"warehouse_id": REQUIRED_TEXT, "catalog": TEXT, "schema": TEXT, "session_confs": STRING_MAP}
        # The JDBC driver opens its sessions at the warehouse.
        driver_session = {**session, "execution_mode": TEXT, "warehouse_id": TEXT}
        end = {"warehouse_id": TEXT, "session_id": TEXT}
        one = f"{_BASE}/{{id}}"
        of_warehouse = "/api/2.0/sql/warehouses/{warehouse}/sessions"
        return [
            Route("POST", _BASE, self._execute, body=_EXECUTE, trailing_slash=True),
            Route("GET", one, self._get, body=identity, optional_body=True),
            Route("DELETE", one, self._close, body=identity, optional_body=True),
            Route("POST", f"{one}/cancel", self._cancel, body=identity, optional_body=True),
            Route("GET", f"{one}/result/chunks/{{chunk}}", self._chunk, query={"row_offset": INT64}),
            Route("POST", "/api/2.0/sql/sessions", self._open, body=session, trailing_slash=True),
            Route(
                "DELETE",
                "/api/2.0/sql/sessions/{session}",
                self._end,
                query={"warehouse_id": TEXT},
                body=end,
                optional_body=True,
            ),
            Route("POST", of_warehouse, self._open, body=driver_session),
            Route(
                "DELETE",
                f"{of_warehouse}/{{session}}",
                self._end,
                query={"warehouse_id": TEXT},
                body=end,
                optional_body=True,
            ),
        ]

    # Execution

    def _execute(self, call: Call) -> dict[str, Any]:
        body = call.body
        call.request.notes["statement"] = body["statement"]
        for old in self._statements.all():
            self._age(old)
        question = self._question(call, body)
        wait, cancels = _wait_seconds(body.get("wait_timeout", "10s")), body.get("on_wait_timeout") == "CANCEL"
        statement = self._statements.submit(question)
        call.request.notes["statement_id"] = statement.identity
        if wait == 0:
            return {"statement_id": statement.identity, "status": {"state": "PENDING"}}
        polled = statement.script is not None and statement.script.polls > 0
        if not polled and not statement.wait_terminal(wait) and cancels:
            statement.request_cancel(self._world.clock.now())
        return self._answers.response(statement, call.request)

    def _question(self, call: Call, body: dict[str, Any]) -> Question:
        if len(body["statement"].encode()) > _LONGEST_TEXT:
            raise violation("statement_too_long", "The statement is longer than 16 MiB")
        if not body["statement"].strip():
            raise violation("empty_statement", "The statement is empty")
        disposition, format = body.get("disposition", "INLINE"), body.get("format", "JSON_ARRAY")
        if disposition == "INLINE" and format != "JSON_ARRAY":
            raise violation(
                "inline_not_json", "The format field must be JSON_ARRAY when the disposition field is INLINE."
            )
        if disposition != "INLINE" and not self._world.settings.external_links_enabled:
            raise Refusal("feature_disabled", "The EXTERNAL_LINKS disposition is disabled for this workspace.")
        for name in ("row_limit", "byte_limit"):
            if name in body and body[name] <= 0:
                raise violation("bad_limit", f"The {name} field must be positive")
        tags = body.get("query_tags") or []
        if len(tags) > _MOST_TAGS or any(not tag.get("key") for tag in tags):
            raise violation("bad_query_tags", "query_tags takes up to 20 tags with keys that are not empty")
        warehouse = self._warehouses.find(body["warehouse_id"])
        if warehouse is None or warehouse.state in ("DELETING", "DELETED"):
            raise Refusal("resource_missing", f"SQL warehouse {body['warehouse_id']} does not exist")
        session = body.get("session_id")
        if session is not None and not self._sessions.belongs(session, call.caller.principal.name):
            raise Refusal("invalid_parameter", f"The session {session} does not exist")
        return Question(
            text=body["statement"],
            principal=call.caller.principal.name,
            warehouse=body["warehouse_id"],
            arguments=_arguments(body.get("parameters") or []),
            catalog=body.get("catalog"),
            schema=body.get("schema"),
            session=session,
            disposition=disposition,
            format=format,
            compression=body.get("result_compression", "NONE"),
            row_limit=body.get("row_limit"),
            byte_limit=self._byte_limit(body, disposition),
        )

    def _byte_limit(self, body: dict[str, Any], disposition: str) -> int | None:
        asked = body.get("byte_limit")
        if disposition == "INLINE":
            return asked
        most = self._world.settings.external_limit_bytes
        return most if asked is None else min(asked, most)

    # What exists

    def _found(self, call: Call) -> Statement:
        statement = self._statements.find(call.path["id"])
        missing = Refusal("not_found", f"The statement {call.path['id']} was not found.")
        if statement is None:
            raise missing
        call.request.notes |= {"statement": statement.question.text, "statement_id": statement.identity}
        principal = call.caller.principal
        if statement.question.principal != principal.name and not principal.administrator:
            raise Refusal("permission_denied", "The statement belongs to another user.")
        self._age(statement)
        if self._statements.find(statement.identity) is None:
            raise missing
        return statement

    def _age(self, statement: Statement) -> None:
        """Results go an hour after success, the status some hours later."""
        if statement.finished_at is None:
            return
        age = self._world.clock.now() - statement.finished_at
        settings = self._world.settings
        if age >= settings.status_retention:
            self._statements.forget(statement.identity)
        elif age >= settings.result_retention and statement.state == "SUCCEEDED":
            self._drop_result(statement)

    def _drop_result(self, statement: Statement) -> None:
        with statement.changed:
            statement.state, statement.result = "CLOSED", None

    def _get(self, call: Call) -> dict[str, Any]:
        statement = self._found(call)
        script, seen = statement.script, statement.polls
        if script is not None and seen < script.polls:
            # This poll is one of those that are to see the statement unfinished.
            answer = {
                "statement_id": statement.identity,
                "status": {"state": "PENDING" if seen < script.pending_polls else "RUNNING"},
            }
            statement.saw_poll()
            return answer
        if script is not None and script.polls > 0 and script.hold is None:
            # The last promised poll has been seen: what follows is the end, which needs the engine's time.
            statement.wait_terminal(60)
        statement.saw_poll()
        return self._answers.response(statement, call.request)

    def _chunk(self, call: Call) -> dict[str, Any]:
        statement = self._found(call)
        if not call.path["chunk"].isdigit():
            raise violation("bad_chunk_index", "chunk_index must be a number")
        if statement.state != "SUCCEEDED" or statement.result is None:
            words = f"The statement {statement.identity} has no result: its state is {statement.state}"
            if statement.state in TERMINAL:
                raise Refusal("not_found", words)
            raise Refusal("invalid_state", words)
        return self._answers.result(statement, statement.result, int(call.path["chunk"]), call.request)

    def _cancel(self, call: Call) -> dict[str, Any]:
        self._check_body(call)
        self._found(call).request_cancel(self._world.clock.now())
        return {}

    def _close(self, call: Call) -> dict[str, Any]:
        self._check_body(call)
        statement = self._found(call)
        if statement.state == "SUCCEEDED":
            self._drop_result(statement)
        else:
            statement.request_cancel(self._world.clock.now())
        return {}

    def _check_body(self, call: Call) -> None:
        named = call.body.get("statement_id")
        if named is not None and named != call.path["id"]:
            raise violation("ids_differ", "statement_id of the body is not that of the path")

    # Sessions

    def _open(self, call: Call) -> dict[str, Any]:
        identity = call.path.get("warehouse", call.body.get("warehouse_id"))
        warehouse = self._warehouses.find(str(identity))
        if warehouse is None:
            raise Refusal("resource_missing", f"SQL warehouse {identity} does not exist")
        session = self._sessions.open(
            call.caller.principal.name,
            call.body.get("catalog"),
            call.body.get("schema"),
            call.body.get("session_confs") or {},
        )
        return {"session_id": session, "warehouse_id": warehouse.identity}

    def _end(self, call: Call) -> dict[str, Any]:
        if not self._sessions.close(call.path["session"], call.caller.principal.name):
            raise Refusal("not_found", f"The session {call.path['session']} was not found.")
        return {}


def _wait_seconds(text: str) -> int:
    found = re.fullmatch(r"(\d+)s", text)
    seconds = int(found.group(1)) if found is not None else -1
    if seconds != 0 and not 5 <= seconds <= 50:
        words = f"wait_timeout must be 0s or between 5s and 50s, not '{text}'"
        raise violation("bad_wait_timeout", words)
    return seconds


def _arguments(parameters: list[dict[str, Any]]) -> list[Argument]:
    """Named parameters, or the JDBC driver's ordinal ones in their order."""
    arguments: list[tuple[int, Argument]] = []
    for place, parameter in enumerate(parameters):
        type_text = parameter.get("type") or "STRING"
        try:
            kind = parse_type(type_text)
        except TypeTextError:
            raise violation("bad_parameter_type_text", f"'{type_text}' is no type of a parameter") from None
        if not isinstance(kind, str):
            raise violation("nested_parameter", "ARRAY, MAP and STRUCT are not allowed as parameters")
        name, ordinal = parameter.get("name"), parameter.get("ordinal")
        if (name is None) == (ordinal is None):
            raise violation("parameter_without_name", "Each parameter needs a name")
        arguments.append((ordinal or place, Argument(parameter.get("value"), type_text, name)))
    names = [argument.name for _, argument in arguments if argument.name is not None]
    if len(set(names)) != len(names):
        raise violation("repeated_parameter", "A parameter's name stands twice")
    return [argument for _, argument in sorted(arguments, key=lambda pair: pair[0])]
