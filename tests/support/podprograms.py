"""The programs that run in pods, as processes on the loopback, each on a port of its own choice."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

DEADLINE_S = 30
_PACKAGE = "ocicat.cluster.pods.programs"
_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def until(condition, what="the condition"):
    """Return the condition's value as soon as it is true; fail after the deadline."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come about in {DEADLINE_S} s")


class Program:
    """A running program."""

    def __init__(self, name, *arguments, **environment):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"{_PACKAGE}.{name}", *map(str, arguments)],
            env=_ENVIRONMENT | {key: str(value) for key, value in environment.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def said(self, text):
        """Return the lines of log so far that contain `text`."""
        return [line for line in list(self.lines) if text in line]

    def says(self, text):
        """Wait for a line that contains `text`, and return it."""

        def found():
            if self.process.poll() is not None:
                self._reader.join()
                assert self.said(text), (self.name, self.process.returncode, self.lines)
            return self.said(text)

        return until(found, f"{self.name}: {text!r} ({self.lines})")[0]

    @property
    def port(self):
        """Where it listens."""
        return int(re.search(r"port=(\d+)", self.says(" listening "))[1])

    def end(self, number=signal.SIGTERM):
        """Send a signal, and return the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(DEADLINE_S)
        self._reader.join()
        self.process.stdout.close()
        return status


class Programs:
    """Starts programs, and ends those that live when the test is over."""

    def __init__(self):
        self._started = []

    def start(self, name, *arguments, **environment):
        program = Program(name, *arguments, **environment)
        self._started.append(program)
        return program

    def end(self):
        for program in self._started:
            if program.process.poll() is None:
                program.end(signal.SIGKILL)
            program.process.stdout.close()


@contextlib.contextmanager
def programs():
    """Yield what starts programs."""
    started = Programs()
    try:
        yield started
    finally:
        started.end()


@contextlib.contextmanager
def black_hole():
    """Yield a port of the loopback that takes no connection and refuses none, so that attempts time out."""
    with socket.socket() as sock, contextlib.ExitStack() as fillers:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())
        yield sock.getsockname()[1]
