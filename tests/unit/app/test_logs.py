"""Where events go, and that a full disk below the log ends nothing."""

import io
import os
import sys

import structlog

from ocicat.app.logs import log_to_stderr


class FullDisk(io.StringIO):
    """A stream on which there is no room."""

    def write(self, text: str) -> int:
        raise OSError(28, os.strerror(28))

    def flush(self) -> None:
        raise OSError(28, os.strerror(28))


def test_a_full_disk_below_the_log_ends_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", FullDisk())
    log_to_stderr("info", component="test")
    structlog.get_logger("x").warning("something.happened")
    structlog.get_logger("x").exception("something.broke")


def test_lines_have_what_was_said_and_the_context(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    log_to_stderr("info", component="test")
    structlog.get_logger("x").info("something.happened", number=1)
    structlog.get_logger("x").debug("not.shown")
    assert '"number": 1' in stream.getvalue()
    assert '"component": "test"' in stream.getvalue()
    assert "not.shown" not in stream.getvalue()
