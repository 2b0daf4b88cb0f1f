"""The OpenAPI 3.1 document of our own paths, from the table of operations and the types of answers. Pure."""

from typing import Any, Final

import msgspec

from ocicat.api.contract import failures
from ocicat.api.contract.flows import Answer
from ocicat.api.contract.operations import JSON, OPERATIONS, Operation, Parameter

REFUSALS: Final = {
    "400": "A parameter cannot be read.",
    "401": "A token is needed, or a session.",
    "403": "This host or origin is not served.",
    "500": "The hub failed; its log says why.",
}
MISSING: Final = {"404": "There is no such thing in history."}


def document(version: str) -> dict[str, Any]:
    """Return the document."""
    types = [operation.answer for operation in OPERATIONS if operation.answer is not None]
    schemas = _schemas([*types, failures.Failure])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ocicat hub",
            "version": version,
            "summary": "Flows of a cluster, past and present, and the policies that decide them.",
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{}, {"token": []}, {"session": []}],
        "paths": {operation.path: {"get": _operation(operation)} for operation in OPERATIONS},
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "ocicat_session"},
            },
        },
    }


def _schemas(types: list[type[Answer]]) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    return {name: schemas[name] for name in sorted(schemas)}


def _operation(operation: Operation) -> dict[str, Any]:
    refusals = REFUSALS | (MISSING if operation.may_be_missing else {})
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": {"200": {"description": operation.summary, "content": _content(operation)}}
        | {status: _refusal(why) for status, why in sorted(refusals.items())},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.meaning,
        "schema": dict(parameter.schema),
    }


def _content(operation: Operation) -> dict[str, Any]:
    if operation.answer is not None:
        return {JSON: {"schema": _reference(operation.answer)}}
    return {media: {} for media in operation.media}


def _refusal(why: str) -> dict[str, Any]:
    return {"description": why, "content": {failures.MEDIA_TYPE: {"schema": _reference(failures.Failure)}}}


def _reference(answer: type[Answer]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{answer.__name__}"}
