"""Running a short command beside a container's process, for probes and hooks."""

import asyncio
import contextlib
import os
from typing import Final

from ocicat.cluster.pods.holding import HolderError, Holding, Start
from ocicat.cluster.pods.running import Running

_PRINTED_BYTES: Final = 4096
"""What is remembered of the output, which may be without end."""
_PIECE: Final = 1 << 16
NOT_RUN: Final = 126


class _Printed:
    """A pipe that a command may write to, of which the beginning is remembered."""

    def __init__(self) -> None:
        """Open it, in the running event loop."""
        self._entry, self.end = os.pipe()
        os.set_blocking(self._entry, False)
        self._text = b""
        asyncio.get_running_loop().add_reader(self._entry, self._readable)

    def _readable(self) -> None:
        data = os.read(self._entry, _PIECE)
        self._text += data[: _PRINTED_BYTES - len(self._text)]
        if not data:
            asyncio.get_running_loop().remove_reader(self._entry)

    def close(self) -> str:
        """Close our end and return the text."""
        loop = asyncio.get_running_loop()
        if loop.remove_reader(self._entry):
            with contextlib.suppress(BlockingIOError):
                self._text += os.read(self._entry, _PIECE)[: _PRINTED_BYTES - len(self._text)]
        os.close(self._entry)
        return self._text.decode("utf-8", "replace")


async def execute(holding: Holding, running: Running, words: list[str]) -> tuple[int, str]:
    """Run a command as a container's own; return its exit code and the beginning of what it printed.

    The code is NOT_RUN where it could not be run, and the text says why. Cancelling ends the command.
    """
    record = running.record
    printed = _Printed()
    null = os.open(os.devnull, os.O_RDWR)
    try:
        what = Start(argv=words, env=record.env, cwd=record.cwd, target=record.pid, rights=record.rights)
        started = await holding.start(what, [null, printed.end, printed.end])
    except HolderError as error:
        printed.close()
        return NOT_RUN, str(error)
    except BaseException:
        printed.close()
        raise
    finally:
        os.close(null)
        os.close(printed.end)
    try:
        code = await asyncio.shield(started.ended)
    except asyncio.CancelledError:
        await holding.kill(started.pid)
        raise
    finally:
        text = printed.close()
    return code, text
