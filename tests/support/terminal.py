"""A person at a terminal: a command with a pseudo-terminal of its own, typed into and read."""

import os
import pty
import select
import signal
import time
from collections.abc import Mapping, Sequence

PIECE = 65536


class Terminal:
    """A command that runs in a terminal of 80 columns. Ended by `close`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(command), dict(environment))  # noqa: S606
        self.seen = ""

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._master, f"{text}\n".encode())

    def until(self, wanted: str, seconds: float = 60) -> str:
        """Read until `wanted` is there; return what came since the last time, up to it and with it."""
        deadline = time.monotonic() + seconds
        while wanted not in self.seen:
            assert time.monotonic() < deadline, f"no {wanted!r} in:\n{self.seen}"
            if select.select([self._master], [], [], 0.2)[0]:
                try:
                    piece = os.read(self._master, PIECE)
                except OSError:  # EIO: the command has ended
                    piece = b""
                assert piece or wanted in self.seen, f"it ended without {wanted!r}:\n{self.seen}"
                self.seen += piece.decode(errors="replace").replace("\r", "")
        found, _, self.seen = self.seen.partition(wanted)
        return found + wanted

    def says(self, command: str, seconds: float = 60) -> str:
        """Type a shell's command; return what it printed, with its exit code on the last line."""
        self.type(f"{command}; echo done=$?.")
        # The echo of what was typed has the variable's name, the answer its value.
        while not (found := self.until(".\n", seconds)).rstrip(".\n").rpartition("done=")[2].isdigit():
            pass
        return found.rstrip(".\n")

    def ended(self, seconds: float = 60) -> int:
        """Read until the command has ended; return its exit code."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self._master], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self._master, PIECE).decode(errors="replace").replace("\r", "")
                except OSError:
                    break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        """End the command, if it still runs, and close the terminal."""
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self._master)
