"""Asking a container: probes (whether it has started, lives, is ready) and hooks of its life.

Source: the Kubernetes API reference of v1.32, Probe and LifecycleHandler.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

Thing = Mapping[str, Any]
Execute = Callable[[list[str]], Awaitable[tuple[int, str]]]
"""Runs a command in the container, and returns its exit code and the beginning of what it printed."""
_ANSWER_BYTES: Final = 4096


class Pace(msgspec.Struct, frozen=True):
    """When and how often a probe is made."""

    delay_s: float
    period_s: float
    timeout_s: float
    successes: int
    failures: int


def pace_of(probe: Thing) -> Pace:
    """Return the pace of a probe, defaults filled in."""
    return Pace(
        float(probe.get("initialDelaySeconds") or 0),
        float(probe.get("periodSeconds") or 10),
        float(probe.get("timeoutSeconds") or 1),
        int(probe.get("successThreshold") or 1),
        int(probe.get("failureThreshold") or 3),
    )


def port_of(named: object, container: Thing) -> int:
    """Return a port that is named by number, or by the name that the container gave it; 0 if unknown."""
    if isinstance(named, int):
        return named
    if str(named).isdigit():
        return int(str(named))
    ports = container.get("ports") or ()
    return next((int(row["containerPort"]) for row in ports if row.get("name") == named), 0)


class Asked:
    """A container that can be asked."""

    def __init__(self, container: Thing, address: str, execute: Execute) -> None:
        """Ask the container of this spec, at an address, or by commands in it."""
        self._container: Final = container
        self._address: Final = address
        self._execute: Final = execute

    async def once(self, what: Thing, timeout_s: float) -> str:
        """Do what a probe or a hook says; return why it failed, empty for success."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._done(what)
        except TimeoutError:
            return f"no answer within {timeout_s:g} s"
        except (OSError, ValueError) as error:
            return str(error) or type(error).__name__

    async def _done(self, what: Thing) -> str:
        if "exec" in what:
            code, said = await self._execute(list(what["exec"].get("command") or ()))
            return f"command exited with {code}: {said.strip()}".removesuffix(": ") if code else ""
        if "sleep" in what:
            await asyncio.sleep(float(what["sleep"].get("seconds") or 0))
            return ""
        kind = next((name for name in ("httpGet", "tcpSocket") if name in what), "")
        if not kind:
            return "this cluster asks by exec, httpGet and tcpSocket alone"
        asked = what[kind] or {}
        host, port = asked.get("host") or self._address, port_of(asked.get("port"), self._container)
        secure = kind == "httpGet" and str(asked.get("scheme", "")).upper() == "HTTPS"
        reader, writer = await asyncio.open_connection(host, port, ssl=_trusting() if secure else None)
        try:
            return "" if kind == "tcpSocket" else await _http(reader, writer, asked, f"{host}:{port}")
        finally:
            writer.close()

    async def followed(
        self, probe: Thing, told: Callable[[bool, str], None], failed: Callable[[str], None]
    ) -> None:
        """Make a probe again and again, for ever.

        Args:
            probe: What is asked, and how often.
            told: Learns each time that a threshold is reached: success or failure, with the reason.
            failed: Learns why, each time that a try fails.
        """
        pace = pace_of(probe)
        await asyncio.sleep(pace.delay_s)
        good = bad = 0
        while True:
            why = await self.once(probe, pace.timeout_s)
            good, bad = (0, bad + 1) if why else (good + 1, 0)
            if why:
                failed(why)
            if good >= pace.successes:
                told(True, "")
            elif bad >= pace.failures:
                told(False, why)
            await asyncio.sleep(pace.period_s)


def _trusting() -> ssl.SSLContext:
    """Return a context for a server whose certificate nobody checks, as a kubelet does not."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, what: Thing, host: str) -> str:
    rows = {"Host": host, "User-Agent": "kube-probe/1.32", "Accept": "*/*", "Connection": "close"}
    rows |= {row["name"]: row["value"] for row in what.get("httpHeaders") or ()}
    head = "".join(f"{name}: {value}\r\n" for name, value in rows.items())
    writer.write(f"GET {what.get('path') or '/'} HTTP/1.1\r\n{head}\r\n".encode())
    line = await reader.readline()
    with contextlib.suppress(ConnectionError):
        await reader.read(_ANSWER_BYTES)
    words = line.split(maxsplit=2)
    code = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return "" if 200 <= code < 400 else f"HTTP probe failed with statuscode: {code}"
