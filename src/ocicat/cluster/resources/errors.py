"""The refusals of a Kubernetes API server: `Status` objects, raised as one exception.

Clients decide by `reason` and `code`, people read `message`; kubectl prints the message as it is, so the
wordings here are part of the interface. Source: spec/kubernetes-api §1.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ocicat.base.errors import OcicatError

_REASONS: Final = {
    "BadRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "MethodNotAllowed": 405,
    "NotAcceptable": 406,
    "AlreadyExists": 409,
    "Conflict": 409,
    "Expired": 410,
    "RequestEntityTooLarge": 413,
    "UnsupportedMediaType": 415,
    "Invalid": 422,
    "TooManyRequests": 429,
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "Timeout": 504,
}


class Cause(msgspec.Struct, frozen=True):
    """One entry of `details.causes`: a field and what is wrong with it."""

    reason: str
    message: str
    field: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the wire form."""
        body = {"reason": self.reason, "message": self.message}
        return {**body, "field": self.field} if self.field else body


class ApiError(OcicatError):
    """A request is refused; `status` is the body of the answer."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        group: str = "",
        kind: str = "",
        name: str = "",
        causes: Iterable[Cause] = (),
        retry_after_s: int = 0,
    ) -> None:
        super().__init__(message)
        self.code: Final = _REASONS[reason]
        details: dict[str, Any] = {}
        if name:
            details["name"] = name
        if group:
            details["group"] = group
        if kind:
            details["kind"] = kind
        listed = [cause.as_json() for cause in causes]
        if listed:
            details["causes"] = listed
        if retry_after_s:
            details["retryAfterSeconds"] = retry_after_s
        self.status: Final[dict[str, Any]] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            **({"details": details} if details else {}),
            "code": self.code,
        }

    @property
    def reason(self) -> str:
        """Return the machine-readable reason."""
        return str(self.status["reason"])


def qualified(plural: str, group: str) -> str:
    """Return `plural.group`, or `plural` alone for the core group."""
    return f"{plural}.{group}" if group else plural


def not_found(plural: str, group: str, name: str) -> ApiError:
    """Return the 404 of an object that is not there."""
    return ApiError(
        "NotFound", f'{qualified(plural, group)} "{name}" not found', group=group, kind=plural, name=name
    )


def no_such_path() -> ApiError:
    """Return the 404 of an address that no resource answers."""
    return ApiError("NotFound", "the server could not find the requested resource")


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """Return the 409 of a name that is taken."""
    message = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError("AlreadyExists", message, group=group, kind=plural, name=name)


MODIFIED: Final = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(plural: str, group: str, name: str, why: str = MODIFIED) -> ApiError:
    """Return the 409 of a write that was made against an older state."""
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return ApiError("Conflict", message, group=group, kind=plural, name=name)


def bad_request(message: str) -> ApiError:
    """Return the 400 of a request that cannot be read."""
    return ApiError("BadRequest", message)


def forbidden(plural: str, group: str, name: str, why: str) -> ApiError:
    """Return the 403 of an operation that is understood and refused."""
    subject = f'{qualified(plural, group)} "{name}"' if name else qualified(plural, group)
    return ApiError("Forbidden", f"{subject} is forbidden: {why}", group=group, kind=plural, name=name)


def method_not_allowed() -> ApiError:
    """Return the 405 of a verb that the resource does not have."""
    return ApiError("MethodNotAllowed", "the server does not allow this method on the requested resource")


def expired(oldest: int, asked: int) -> ApiError:
    """Return the 410 of a watch or list that starts before the kept history."""
    return ApiError("Expired", f"too old resource version: {asked} ({oldest})")


def unsupported_media_type(found: str, accepted: Iterable[str]) -> ApiError:
    """Return the 415 of a body in a form that is not read here; `accepted` are named."""
    return ApiError(
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - {found or 'no media type'} is not among the"
        f" accepted media types: {', '.join(accepted)}",
    )


def required(field: str, what: str = "") -> Cause:
    """Return the cause of a field that must be there."""
    return Cause("FieldValueRequired", f"Required value{': ' + what if what else ''}", field)


def invalid_value(field: str, value: object, what: str) -> Cause:
    """Return the cause of a field whose value is wrong; strings are shown quoted, long values cut."""
    return Cause("FieldValueInvalid", f"Invalid value: {shown(value)}: {what}", field)


def unsupported_value(field: str, value: object, allowed: Iterable[str]) -> Cause:
    """Return the cause of a word that is not among the `allowed` ones."""
    words = ", ".join(f'"{word}"' for word in allowed)
    return Cause(
        "FieldValueNotSupported", f"Unsupported value: {shown(value)}: supported values: {words}", field
    )


_SHOWN_LIMIT: Final = 200
"""Characters of a foreign value that a message repeats: enough to recognise it, too few to flood a log."""


def shown(value: object) -> str:
    """Return `value` as a message shows it: JSON, cut to a bounded length."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN_LIMIT else text[:_SHOWN_LIMIT] + "..."


def invalid(kind: str, group: str, name: str, causes: Iterable[Cause]) -> ApiError:
    """Return the 422 of an object that was read and breaks rules; all `causes` are told at once."""
    listed = list(causes)
    told = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in listed]
    text = told[0] if len(told) == 1 else "[" + ", ".join(told) + "]"
    subject = f"{kind}.{group}" if group else kind
    return ApiError(
        "Invalid", f'{subject} "{name}" is invalid: {text}', group=group, kind=kind, name=name, causes=listed
    )


def success(plural: str, group: str, name: str, uid: str) -> Mapping[str, Any]:
    """Return the `Status` that answers a deletion that is done."""
    details = {"name": name, **({"group": group} if group else {}), "kind": plural, "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
