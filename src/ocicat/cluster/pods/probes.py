"""Probes: whether a container has started, lives, is ready. Source: the API reference of v1.32, Probe."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

Thing = Mapping[str, Any]
Execute = Callable[[list[str]], Awaitable[int]]
"""Runs a command in the container, and returns its exit code."""
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
    """Return a port that a probe names by number or by the name that the container gave it; 0 if unknown."""
    if isinstance(named, int):
        return named
    ports = container.get("ports") or ()
    return next((int(row["containerPort"]) for row in ports if row.get("name") == named), 0)


async def tried(probe: Thing, container: Thing, address: str, execute: Execute) -> str:
    """Make a probe once; return why it failed, empty for success."""
    timeout_s = pace_of(probe).timeout_s
    try:
        async with asyncio.timeout(timeout_s):
            if "exec" in probe:
                code = await execute(list(probe["exec"].get("command") or ()))
                return f"command exited with {code}" if code else ""
            kind = "httpGet" if "httpGet" in probe else "tcpSocket"
            what = probe.get(kind) or {}
            host = what.get("host") or address
            reader, writer = await asyncio.open_connection(host, port_of(what.get("port"), container))
            try:
                if kind == "tcpSocket":
                    return ""
                return await _http(reader, writer, what, host)
            finally:
                writer.close()
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except OSError as error:
        return str(error)


async def _http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, what: Thing, host: str) -> str:
    rows = {"Host": host, "User-Agent": "kube-probe/1.32", "Connection": "close"}
    rows |= {row["name"]: row["value"] for row in what.get("httpHeaders") or ()}
    head = "".join(f"{name}: {value}\r\n" for name, value in rows.items())
    writer.write(f"GET {what.get('path') or '/'} HTTP/1.1\r\n{head}\r\n".encode())
    line = await reader.readline()
    with contextlib.suppress(ConnectionError):
        await reader.read(_ANSWER_BYTES)
    words = line.split(maxsplit=2)
    code = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return "" if 200 <= code < 400 else f"HTTP probe failed with statuscode: {code}"


async def followed(
    probe: Thing, container: Thing, address: str, execute: Execute, told: Callable[[bool, str], None]
) -> None:
    """Make a probe again and again, and tell each time that its threshold is reached: success or failure."""
    pace = pace_of(probe)
    await asyncio.sleep(pace.delay_s)
    good = bad = 0
    while True:
        why = await tried(probe, container, address, execute)
        good, bad = (0, bad + 1) if why else (good + 1, 0)
        if good >= pace.successes:
            told(True, "")
        elif bad >= pace.failures:
            told(False, why)
        await asyncio.sleep(pace.period_s)
