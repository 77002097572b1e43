"""The HTTP API as an OpenAPI document, written by hand: what tools that know nothing of us hold us to."""

from typing import Any

from smithersd.core.kinds.registry import NODE_KINDS
from smithersd.core.log.states import AttemptState, RunStatus, WaitKind
from smithersd.elements.kinds import NodeState, OnDeny
from smithersd.serve.errors import STATUS_BY_CODE

Schema = dict[str, Any]

_INT64_MAX = 2**63 - 1
_STRING: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_COUNT_OR_NULL: Schema = {"type": ["integer", "null"], "minimum": 0}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_SIGNAL_NAME: Schema = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {},  # any text is a name, and a path holds nothing else
}
_KEY_OR_NULL: Schema = {"type": ["string", "null"], "pattern": "^[a-z0-9]{1,9}$"}
_STORABLE_OR_NULL: Schema = {"type": ["string", "null"], "pattern": r"^[^\u0000]*$"}

_NODE = "/{node_id}"


def openapi(*, run_id: str, node_ids: list[str], has_token: bool) -> Schema:
    """Return the document for a run's server; `node_ids` are what a client would try."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "smithersd", "version": "1"},
        "paths": _paths(node_ids),
        "security": [{"bearer": []}, {"key": []}] if has_token else [],
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-smithers-key"},
            },
            "parameters": {
                "runId": _query("runId", {"type": "string", "enum": [run_id]}),
                "run": {"name": "Smithers-Run", "in": "header", "schema": {"type": "string", "enum": [run_id]}},
            },
            "schemas": _schemas(run_id),
        },
    }


def _paths(node_ids: list[str]) -> Schema:
    node_id = {"anyOf": [{"enum": node_ids}, {"type": "string", "minLength": 1}]}
    node = {"name": "node_id", "in": "path", "required": True, "schema": node_id}
    iteration = {"type": "integer", "minimum": 0, "maximum": 0}
    limit = {"type": "integer", "minimum": 1, "maximum": 1000}
    number = {"type": "integer", "minimum": 0, "maximum": _INT64_MAX}
    after_seq = {**number, "minimum": -1}
    decision: dict[str, Any] = {"parameters": [node], "body": _ref("DecisionBody")}
    return {
        "/health": {"get": _open(_ref("Ok"))},
        "/ready": {"get": _open(_ref("Ok"), 503)},
        "/": {"get": _operation(_json(_ref("Run")))},
        "/events": {
            "get": _operation(
                {"text/event-stream": {}},
                parameters=[
                    _query("afterSeq", after_seq),
                    _query("lastEventId", _STRING),
                    _query("types", {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9]{0,20}$"}),
                    _query("node", _STRING),
                    {"name": "Last-Event-ID", "in": "header", "schema": _STRING},
                ],
                extra={"204": {"description": "There is nothing more to come."}},
            )
        },
        "/frames": {
            "get": _operation(
                _json(_list("Frame")), parameters=[_query("limit", limit), _query("afterFrameNo", number)]
            )
        },
        "/nodes": {
            "get": _operation(
                _json(_list("Node")),
                parameters=[_query("limit", limit), _query("after", {"enum": [f"{one}::0" for one in node_ids]})],
            )
        },
        f"/nodes{_NODE}": {
            "get": _operation(_json(_ref("NodeInFull")), parameters=[node, _query("iteration", iteration)])
        },
        "/result": {"get": _operation(_json(_ref("Result")))},
        "/approvals": {"get": _operation(_json(_list("Approval")))},
        "/waits": {"get": _operation(_json(_list("Wait")))},
        "/metrics": {
            "get": _operation({kind: {"schema": _STRING} for kind in ("text/plain", "application/openmetrics-text")})
        },
        f"/approve{_NODE}": {"post": _operation(_json(_ref("Accepted")), **decision)},
        f"/deny{_NODE}": {"post": _operation(_json(_ref("Accepted")), **decision)},
        f"/fire{_NODE}": {"post": _operation(_json(_ref("Accepted")), parameters=[node], body=_ref("FireBody"))},
        "/signal/{name}": {
            "post": _operation(_json(_ref("Accepted")), parameters=[_SIGNAL_NAME], body=_ref("SignalBody"))
        },
        "/cancel": {"post": _operation(_json(_ref("Accepted")), body=_ref("NoBody"))},
    }


def _schemas(run_id: str) -> Schema:
    error = _object(code={"enum": list(STATUS_BY_CODE)}, message=_STRING)
    error["properties"]["details"] = {"type": "object"}
    node_error = {"oneOf": [{"type": "null"}, _object(code=_STRING, name=_STRING, message=_STRING)]}
    times = {"startedAtMs": _COUNT_OR_NULL, "finishedAtMs": _COUNT_OR_NULL}
    attempt = _object(attempt=_COUNT, state={"enum": list(AttemptState)}, error=node_error, **times)
    iteration = _object(
        iteration=_COUNT,
        state={"enum": list(NodeState)},
        attempts={"type": "array", "items": attempt},
        output={},
        error=node_error,
    )
    node = {"nodeId": _STRING, "kind": {"enum": list(NODE_KINDS)}, "label": _TEXT_OR_NULL}
    any_run = {"enum": [run_id, None]}
    decision = {
        "iteration": {"enum": [0, 1, None]},  # not an integer: to JSON Schema 1.0 is one too, and we coerce nothing
        "note": _STORABLE_OR_NULL,
        "decidedBy": _STORABLE_OR_NULL,
        "decision": {},
    }
    fire = {"iteration": decision["iteration"], "firedBy": _STORABLE_OR_NULL}
    signal = {"data": {}, "correlationId": _KEY_OR_NULL, "sentBy": _STORABLE_OR_NULL}
    return {
        "Error": _object(error=error),
        "Ok": _object(ok={"const": True}),
        "Accepted": _object(runId={"const": run_id}),
        "Run": _with_optional(
            _object(
                runId={"const": run_id},
                workflowName=_STRING,
                status={"enum": list(RunStatus)},
                summary={
                    "type": "object",
                    "additionalProperties": {"type": "integer", "minimum": 1},
                    "propertyNames": {"enum": list(NodeState)},
                },
                **times,
            ),
            timesOutAtMs=_COUNT,
        ),
        "Frame": _object(
            runId={"const": run_id},
            frameNo={"type": "integer", "minimum": 1},
            createdAtMs=_COUNT,
            hash={"type": "string", "pattern": "^[0-9a-f]{64}$"},
            tree={"type": "object"},
            nodeIds={"type": "array", "items": _STRING},
        ),
        "Node": _object(
            **node,
            iteration=_COUNT,
            state={"enum": list(NodeState)},
            attempt=_COUNT_OR_NULL,
            error=node_error,
            **times,
        ),
        "NodeInFull": _object(**node, iterations={"type": "array", "items": iteration, "minItems": 1}),
        "Result": _object(nodeId=_STRING, iteration=_COUNT, result={}),
        "Approval": _object(
            nodeId=_STRING,
            iteration=_COUNT,
            title=_STRING,
            summary=_TEXT_OR_NULL,
            shown={},
            shownTruncated={"type": "boolean"},
            metadata={},
            onDeny={"enum": list(OnDeny)},
            requestedAtMs=_COUNT,
        ),
        "Wait": _object(
            kind={"enum": list(WaitKind)},
            nodeId=_STRING,
            iteration=_COUNT,
            sinceMs=_COUNT,
            dueAtMs=_COUNT_OR_NULL,
            title=_TEXT_OR_NULL,
            name=_TEXT_OR_NULL,
            correlationId=_TEXT_OR_NULL,
            endedBy={"type": "array", "items": {"type": "string", "pattern": "^POST /"}},
        ),
        "DecisionBody": {**_object(runId=any_run, **decision), "required": []},
        "FireBody": {**_object(runId=any_run, **fire), "required": []},
        "SignalBody": {**_object(runId=any_run, **signal), "required": []},
        "NoBody": {**_object(runId=any_run), "required": []},
    }


def _operation(
    content: Schema, *, parameters: list[Schema] | None = None, body: Schema | None = None, extra: Schema | None = None
) -> Schema:
    named = [{"$ref": f"#/components/parameters/{name}"} for name in ("runId", "run")]
    made: Schema = {
        "parameters": [*named, *(parameters or [])],
        "responses": {"200": {"description": "Done.", "content": content}, "4XX": _error(), **(extra or {})},
    }
    if body is not None:
        made["requestBody"] = {"content": _json(body)}
    return made


def _open(schema: Schema, *more: int) -> Schema:
    """An operation that asks nobody who they are."""
    responses = {"200": {"description": "Yes.", "content": _json(schema)}, **{str(one): _error() for one in more}}
    return {"security": [], "responses": {**responses, "405": _error()}}


def _error() -> Schema:
    return {"description": "Refused.", "content": _json(_ref("Error"))}


def _with_optional(schema: Schema, **properties: Schema) -> Schema:
    return schema | {"properties": schema["properties"] | properties}


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _query(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "schema": schema}


def _list(name: str) -> Schema:
    return {"type": "array", "items": _ref(name)}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
