"""What an agent says of itself: one value, which status socket, metrics and command line show.

The socket is a Unix socket in the state folder, for whoever may read that folder. A question is one line of
JSON, `{"ask":"status"}` or `{"ask":"verify","heal":false}`; the answer is one line of JSON.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from ocicat.api.flowclient import FlowClientStatus
from ocicat.app.agent.cutting import CutStatus
from ocicat.app.agent.unenforced import Unenforced
from ocicat.base.errors import OcicatError
from ocicat.cluster.reflect import ReflectorStatus
from ocicat.flows.collect import CollectorStatus

QUESTION_BYTES: Final = 4096
ANSWER_TIMEOUT_S: Final = 60.0
"""A verification lists the whole ruleset, which takes seconds where it is large."""


class AgentUnreachableError(OcicatError):
    """No agent answers at its socket."""


class AgentRunningError(OcicatError):
    """Another agent of the same node and state folder is running."""


class EnforcementStatus(msgspec.Struct, frozen=True):
    """What the kernel does."""

    generation: int = 0
    """Counts what was programmed since the start; 0 before the first time."""
    endpoints: int = 0
    """Pods of this node that are enforced."""
    policies: int = 0
    """Policies that the Plan holds."""
    last_apply_s: float = 0.0
    passes: int = 0
    failures: int = 0
    error: str = ""
    deviations: int = 0
    """Foreign edits found and put right since the start."""


class AgentStatus(msgspec.Struct, frozen=True):
    """Everything that an agent says of itself."""

    node: str
    version: str
    started_ns: int
    """Nanoseconds since 1970."""
    synced: bool
    """Whether every kind has been listed, so that policy is enforced as the cluster says."""
    waiting: int
    """Objects that have changed and wait for the next pass."""
    faults: int
    """How often a part of the agent failed by a mistake of ours and was started again; it should be 0."""
    enforcement: EnforcementStatus
    unenforced: tuple[Unenforced, ...]
    """What was written and is not enforced, with the reason; and warnings."""
    reflectors: tuple[ReflectorStatus, ...]
    flows: FlowClientStatus
    accounting: CollectorStatus
    services: str = ""
    """Who translates the addresses of Services, in words."""
    cut: CutStatus = CutStatus()

    @property
    def lacking(self) -> tuple[Unenforced, ...]:
        """What of `unenforced` is not enforced as it is written."""
        return tuple(item for item in self.unenforced if not item.enforced)

    @property
    def warnings(self) -> tuple[Unenforced, ...]:
        """The rest of `unenforced`."""
        return tuple(item for item in self.unenforced if item.enforced)

    @property
    def ok(self) -> bool:
        """Whether everything that was written is enforced, and nothing fails."""
        return self.synced and not self.lacking and not self.enforcement.error and not self.cut.error


class Verification(msgspec.Struct, frozen=True):
    """The answer to `verify`."""

    deviations: tuple[str, ...]
    """How the kernel differed from what was programmed."""
    healed: bool


def socket_path(folder: Path, node: str) -> Path:
    """Return the path of an agent's socket."""
    return folder / "agents" / f"{node}.sock"


class StatusServer:
    """Answers at the socket."""

    def __init__(
        self,
        path: Path,
        status: Callable[[], AgentStatus],
        verify: Callable[[bool], Awaitable[Verification]],
    ) -> None:
        """Answer with what `status` and `verify` return; `verify` takes whether to heal."""
        self._path = path
        self._status = status
        self._verify = verify
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to answer. Raises AgentRunningError where another agent does."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._path.exists():
            if await _answers(self._path):
                raise AgentRunningError(f"another agent of this node answers at {self._path}")
            self._path.unlink()
        self._server = await asyncio.start_unix_server(self._answer, self._path, limit=QUESTION_BYTES)
        os.chmod(self._path, 0o600)

    async def close(self) -> None:
        """Stop answering, and break off answers that are being given."""
        if self._server is not None:
            self._server.close()
            for task in self._answering:
                task.cancel()
            await asyncio.gather(*self._answering, return_exceptions=True)
            self._path.unlink(missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        try:
            with contextlib.suppress(ConnectionError, ValueError):
                if line := await reader.readline():
                    writer.write(msgspec.json.encode(await self._answer_to(line)) + b"\n")
                    await writer.drain()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer_to(self, line: bytes) -> Any:
        try:
            question = msgspec.json.decode(line, type=dict[str, Any])
            match question.get("ask"):
                case "status":
                    return self._status()
                case "verify":
                    return await self._verify(bool(question.get("heal")))
                case other:
                    return {"error": f"{other!r} is no question; ask status or verify"}
        except msgspec.MsgspecError as error:
            return {"error": f"the question is not JSON: {error}"}
        except OcicatError as error:
            return {"error": str(error)}


async def _answers(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


class _Refusal(msgspec.Struct, frozen=True):
    error: str


def ask_status(path: Path) -> AgentStatus:
    """Return the status of the agent at a socket. Raises AgentUnreachableError."""
    return msgspec.json.decode(_asked(path, {"ask": "status"}), type=AgentStatus)


def ask_verify(path: Path, *, heal: bool) -> Verification:
    """Let the agent at a socket compare the kernel. Raises AgentUnreachableError."""
    return msgspec.json.decode(_asked(path, {"ask": "verify", "heal": heal}), type=Verification)


def _asked(path: Path, question: dict[str, Any]) -> bytes:
    async def ask() -> bytes:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(msgspec.json.encode(question) + b"\n")
        answer = await reader.read()
        writer.close()
        return answer

    try:
        answer = asyncio.run(asyncio.wait_for(ask(), ANSWER_TIMEOUT_S))
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or "no answer"
        raise AgentUnreachableError(f"no agent answers at {path}: {reason}") from error
    try:
        refused = msgspec.json.decode(answer, type=_Refusal)
    except msgspec.ValidationError:
        return answer
    except msgspec.MsgspecError as error:
        raise AgentUnreachableError(f"the agent at {path} broke off its answer") from error
    raise AgentUnreachableError(refused.error)
