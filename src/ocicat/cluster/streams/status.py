"""How a command that ran over a stream ended, as the Status that clients read.

Source: spec/kubernetes-api §9.
"""

from typing import Any

import msgspec


def ended(code: int) -> bytes:
    """Return the Status of a command that ended with an exit code."""
    if code == 0:
        return _encoded({"metadata": {}, "status": "Success"})
    return _encoded(
        {
            "metadata": {},
            "status": "Failure",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    )


def failed(message: str) -> bytes:
    """Return the Status of a command that could not be run."""
    return _encoded(
        {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}
    )


def _encoded(status: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"kind": "Status", "apiVersion": "v1", **status})
