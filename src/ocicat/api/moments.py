"""Times of questions as the flow API gives them. Pure. Source: spec/flows-and-console §4.1."""

from typing import Final

from ocicat.ports.flowstore import Window

NS: Final = 1_000_000_000
BUCKET_NS: Final = 15 * NS
LATEST_NS: Final = 2**62
"""The latest time that a question can mean, in the year 2116."""
HISTORY_NS: Final = 3600 * NS
"""How far back the original's history goes; ours goes further, and an absolute time reaches it."""


def instant(seconds: int, now_ns: int, default_ns: int) -> int:
    """Return a time: positive is absolute, negative is before now, zero is the default."""
    if seconds == 0:
        return default_ns
    found = seconds * NS if seconds > 0 else now_ns + seconds * NS
    return min(max(found, 0), LATEST_NS)


def window_of(start: int, end: int, now_ns: int) -> Window:
    """Return the window of a list. Raises ValueError, with both values, where it is empty."""
    window = Window(instant(start, now_ns, now_ns - HISTORY_NS), instant(end, now_ns, now_ns + BUCKET_NS))
    if window.start_ns >= window.end_ns:
        raise ValueError(f"start {start} is not before end {end}")
    return window
