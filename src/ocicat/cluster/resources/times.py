"""Times as Kubernetes writes them: RFC 3339 in whole seconds, and ages such as `5m` for people."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

_SECOND_NS: Final = 1_000_000_000


def rfc3339(now_ns: int) -> str:
    """Return `now_ns` (nanoseconds since 1970) as `2026-01-02T03:04:05Z`."""
    return datetime.fromtimestamp(now_ns // _SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_since_1970(text: object) -> float | None:
    """Return the moment that `text` writes, or None where it writes none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def last_seen_s(event: Mapping[str, Any]) -> float:
    """Return the moment at which an Event was last seen, in seconds since 1970; 0 where it tells none."""
    series = event.get("series")
    found = series.get("lastObservedTime") if isinstance(series, Mapping) else None
    born = event.get("metadata", {}).get("creationTimestamp")
    return seconds_since_1970(found or event.get("lastTimestamp") or event.get("eventTime") or born) or 0.0


def age(since: object, now_ns: int) -> str:
    """Return how long ago `since` was, as kubectl's tables show it; `<unknown>` where there is no time."""
    moment = seconds_since_1970(since)
    return "<unknown>" if moment is None else span(now_ns / _SECOND_NS - moment)


def span(seconds_f: float) -> str:
    """Return a duration with one or two units: `45s`, `3m20s`, `5h`, `2d3h`, `12d`, `3y`."""
    seconds = int(seconds_f)
    if seconds < -1:
        return "<invalid>"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 2920 else f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
